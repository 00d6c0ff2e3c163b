"""Code that four common tasks run through: files, functions, and top-level modules.

python -m benchmarks.walks [--only LETTER] [--names]

Calls are traced in every thread and child process. A top-level name is a module or folder
directly below advisor/, trainer/ or ui/. The provider is a fake on loopback; the base model is
tiny.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from streamlit.testing.v1 import AppTest

from benchmarks.traced.sitecustomize import begin, end, install
from tests.support import tiny_models
from tests.support.fakes.together import FakeTogether
from tests.support.openai_api import serve_openai_api

TOP = Path(__file__).parent.parent
TRACER = Path(__file__).parent / "traced" / "sitecustomize.py"
QUESTION = "examples/brand-voice.yaml"
OPTION = "managed_lora:together:meta-llama/Llama-3.1-8B-Instruct:H100_SXM"
CONFIRMED_USD = "4.00"
SLIDER = ("traffic.requests_per_month", 2_000_000.0)


@dataclass(frozen=True)
class Walk:
    """Code that one path ran through."""

    path: str
    functions: frozenset[str]
    """`file:line:name` of each function."""

    @property
    def files(self) -> frozenset[str]:
        """Files of these functions."""
        return frozenset(function.split(":")[0] for function in self.functions)

    @property
    def names(self) -> frozenset[str]:
        """Modules and folders directly below a package."""
        return frozenset(os.sep.join(Path(file).parts[:2]) for file in self.files)


def traced(path: str, folder: Path) -> Walk:
    """Read the trace so far."""
    return Walk(path, frozenset((folder / "calls").read_text().splitlines()))


def command(*words: str, typed: str = "") -> str:
    """Run a command of the product in a traced process."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=TOP,
        input=typed,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout


def recommendation(folder: Path) -> list[Walk]:
    """Dataset file -> profile -> recommendation -> text."""
    begin(folder / "calls")
    command("advisor", "recommend", QUESTION)
    return [traced("dataset file -> recommendation -> CLI text", folder)]


def provider_job(folder: Path) -> list[Walk]:
    """A plan, then a launch followed until its cost is settled."""
    together = FakeTogether()
    together.start()
    together.tokens = 131_000
    os.environ |= {
        "TUNE_OR_NOT_HOME": str(folder / "home"),
        "TUNE_OR_NOT_POLL_SECONDS": "0.02",
        "TOGETHER_API_KEY": "tgp-0123456789abcdef",
        "TOGETHER_PROJECT_ID": "acme",
        "TOGETHER_BASE_URL": f"{together.url}/v1",
    }
    try:
        begin(folder / "calls")
        planned = command("trainer", "plan", QUESTION, "--option", OPTION)
        plan_id = planned.rsplit("trainer launch ", 1)[1].strip()
        plan = traced("trainer plan", folder)
        begin(folder / "calls")
        command("trainer", "launch", plan_id, "--follow", typed=f"{CONFIRMED_USD}\n")
        launch = traced("trainer launch --follow, to settled", folder)
    finally:
        together.stop()
    return [plan, launch, Walk("both", plan.functions | launch.functions)]


def openai_job(folder: Path) -> list[Walk]:
    """POST /v1/fine_tuning/jobs -> local training -> chat answer of the tuned model."""
    base = tiny_models.make_causal(folder / "base")
    with serve_openai_api(folder, bases={"tiny": base}) as surface:
        sdk, rows = surface.sdk(), surface.rows(tiny_models.task_rows(48))
        begin(folder / "calls")
        job = sdk.fine_tuning.jobs.create(
            model="tiny",
            training_file=rows,
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
        )
        posted = traced("POST /v1/fine_tuning/jobs, until it returns", folder)
        surface.until(
            lambda: sdk.fine_tuning.jobs.retrieve(job.id).status == "succeeded", seconds=600
        )
        model = sdk.fine_tuning.jobs.retrieve(job.id).fine_tuned_model or ""
        question = tiny_models.task_rows(1, seed=5)[0]["messages"][0]
        sdk.chat.completions.create(model=model, messages=[question], max_tokens=6)
        answered = traced("POST -> local training -> chat answer", folder)
    return [posted, answered]


def slider(folder: Path) -> list[Walk]:
    """Slider moved on the page -> new answer shown."""
    os.environ["TUNE_OR_NOT_HOME"] = str(folder / "home")
    page = AppTest.from_file(str(TOP / "ui" / "app.py"), default_timeout=300).run()
    before = headline(page)
    begin(folder / "calls")
    move(page, *SLIDER)
    assert not page.exception
    assert headline(page) != before, "the slider changed nothing"
    moved = traced("slider -> new answer on the page", folder)
    begin(folder / "calls")
    page.run()
    return [moved, traced("page rerun, answer cached", folder)]


def headline(page: AppTest) -> str:
    """HTML of the page, with the verdict."""
    return "".join(element.proto.body for element in page.get("html"))


def move(page: AppTest, path: str, value: float) -> None:
    """Send the page what a browser sends when a slider is moved."""
    from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates

    for element in page.get("bidi_component"):
        board = json.loads(element.proto.json or "{}")
        if path in {dial["path"] for dial in board.get("dials", ())}:
            moved = {"seq": 1, "epoch": board["epoch"], "values": {path: value}}
            state = WidgetState(id=element.proto.id, json_value=json.dumps({"moved": moved}))
            page._run(WidgetStates(widgets=[state]))
            return
    raise LookupError(f"no slider for {path}")


WALKS: dict[str, Callable[[Path], list[Walk]]] = {
    "a": recommendation,
    "b": provider_job,
    "c": openai_job,
    "d": slider,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=WALKS, help="one of the paths")
    parser.add_argument("--names", action="store_true", help="also list the top-level names")
    flags = parser.parse_args()
    if flags.only is None:
        print(f"{'path':<48} files functions names", flush=True)
        more = ["--names"] if flags.names else []
        for letter in WALKS:  # separate processes, so that no path uses the caches of another
            words = [sys.executable, "-m", "benchmarks.walks", "--only", letter, *more]
            subprocess.run(words, cwd=TOP, check=True)
        return
    install()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / TRACER.name).symlink_to(TRACER)
        os.environ["PYTHONPATH"] = folder
        walks = WALKS[flags.only](Path(folder))
        end()
    for walk in walks:
        print(
            f"{flags.only} {walk.path:<46} {len(walk.files):5} "
            f"{len(walk.functions):9} {len(walk.names):5}"
        )
        if flags.names:
            print("  " + " ".join(sorted(walk.names)))


if __name__ == "__main__":
    main()
