"""The command line from an example to a settled run, on SQLite and PostgreSQL; and what a user can
do to a run in between.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes.fireworks import ACCOUNT, FakeFireworks
from tests.support.fakes.together import USD_PER_TOKEN, FakeTogether
from tests.support.paths import ROOT
from tests.support.runs import OPEN_FIREWORKS_YAML
from trainer.cli import main

LLAMA = "managed_lora:together:meta-llama/Llama-3.1-8B-Instruct:H100_SXM"
QWEN = "managed_lora:fireworks:qwen3-8b:H100_SXM"


class Shell:
    """Runs commands with a separate home folder: in this process, or in a new one."""

    def __init__(self, home: Path, **env: str) -> None:
        self.env = {"TUNE_OR_NOT_HOME": str(home), "COLUMNS": "120",
                    "TUNE_OR_NOT_POLL_SECONDS": "0.02", **env}  # fmt: skip

    def __call__(self, *args: str, typed: str = "", code: int = 0) -> str:
        if args[0] == "trainer":
            return self._here(*args, typed=typed, code=code)
        return self.fresh(*args, typed=typed, code=code)

    def fresh(self, *args: str, typed: str = "", code: int = 0) -> str:
        env = {**os.environ, **self.env}
        done = subprocess.run([sys.executable, "-m", *args], env=env, cwd=ROOT, input=typed,
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def _here(self, *args: str, typed: str, code: int) -> str:
        said = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(said):
            patch.chdir(ROOT)
            patch.setattr(sys, "argv", list(args))
            patch.setattr(sys, "stdin", io.StringIO(typed))
            for name, value in self.env.items():
                patch.setenv(name, value)
            try:
                main()
                left = 0
            except SystemExit as error:
                left = int(error.code or 0)
        assert left == code, said.getvalue()
        return said.getvalue()

    def json(self, *args: str) -> Any:
        return json.loads(self(*args))


@pytest.fixture
def together() -> Iterator[FakeTogether]:
    fake = FakeTogether()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def shell(tmp_path: Path, together: FakeTogether, request: pytest.FixtureRequest) -> Shell:
    env = {"TOGETHER_API_KEY": "tgp-0123456789abcdef", "TOGETHER_PROJECT_ID": "acme",
           "TOGETHER_BASE_URL": f"{together.url}/v1"}  # fmt: skip
    if getattr(request, "param", "sqlite") == "postgresql":
        from sqlalchemy import create_engine

        url = request.getfixturevalue("postgres_url")
        admin = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with admin.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        admin.dispose()
        env["DATABASE_URL"] = url
    return Shell(tmp_path / "home", **env)


def make_plan(shell: Shell, together: FakeTogether, *flags: str) -> dict[str, Any]:
    made = shell.json(
        "trainer", "plan", "examples/brand-voice.yaml", "--option", LLAMA, "--json", *flags
    )
    together.tokens = made["plan"]["figure"]["trained_tokens"]
    return made  # type: ignore[no-any-return]


@pytest.mark.parametrize("shell", ["sqlite", "postgresql"], indirect=True)
def test_from_a_recommendation_to_a_settled_run(
    shell: Shell, together: FakeTogether, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text(
        shell("advisor", "recommend", "examples/brand-voice.yaml", "--format", "json")
    )
    said = shell(
        "trainer",
        "plan",
        str(answer),
        "--dataset",
        "examples/data/brand-voice.jsonl",
        "--option",
        LLAMA,
    )
    plan_id = said.rsplit("trainer launch ", 1)[1].strip()
    assert "supervised tuning of meta-llama/Llama-3.1-8B-Instruct at together" in said
    assert "https://www.together.ai/pricing" in said
    together.tokens = 131_000

    said = shell.fresh("trainer", "launch", plan_id, "--follow", typed="4.00\n")

    assert "Type 4.00 to spend up to $4.00" in said
    assert "succeeded, $4.00 (billed by together)." in said
    assert "is not deployed" in said
    assert len(together.jobs) == 1
    (run,) = shell.json("trainer", "runs", "--json")
    assert (run["state"], run["watched"]) == ("settled", True)
    assert run["job_id"] == next(iter(together.jobs))
    shown = shell.json("trainer", "show", run["run_id"], "--json")
    assert shown["money"]["settled"] == 4_000_000
    assert shown["outcome"] == "succeeded"
    assert "loss 0.5000" in shell("trainer", "events", run["run_id"])
    again = shell("trainer", "launch", plan_id)
    assert run["run_id"] in again
    assert len(together.jobs) == 1


def test_a_plan_that_was_launched_needs_a_word_to_go_again(
    shell: Shell, together: FakeTogether
) -> None:
    first = make_plan(shell, together)
    shell("trainer", "launch", first["plan_id"], "--yes", "--max-usd", "4")
    said = shell("trainer", "plan", "examples/brand-voice.yaml", "--option", LLAMA, code=3)
    assert "it was launched as run_" in said
    assert "--again" in said
    second = make_plan(shell, together, "--again")
    assert second["plan"]["attempt"] == 2
    assert second["plan_id"] != first["plan_id"]


@pytest.mark.parametrize(
    ("flags", "typed", "code", "says"),
    [
        (["--yes"], "", 2, "Add --max-usd N."),
        (["--yes", "--max-usd", "3.99"], "", 3, "it may cost up to $4.00"),
        ([], "4\n", 3, "you typed '4', not 4.00: nothing was started"),
        ([], "", 3, "you typed '', not 4.00"),
        (
            ["--yes", "--max-usd", "4", "--allow-egress", "fireworks"],
            "",
            2,
            "rows would go to together",
        ),
    ],
)
def test_money_moves_only_after_the_amount_was_said(
    shell: Shell, together: FakeTogether, flags: list[str], typed: str, code: int, says: str
) -> None:
    plan = make_plan(shell, together)

    said = shell("trainer", "launch", plan["plan_id"], *flags, typed=typed, code=code)

    assert says in said
    assert together.asked == []
    assert shell.json("trainer", "runs", "--json") == []


def test_what_leaves_the_machine_is_agreed_to_by_itself(
    shell: Shell, together: FakeTogether
) -> None:
    """A remote provider: rows, bytes and possible personal data are shown first."""
    plan = make_plan(shell, together)
    shell.env["TOGETHER_BASE_URL"] = "https://api.together.ai/v1"

    said = shell("trainer", "launch", plan["plan_id"], "--yes", "--max-usd", "4", code=3)
    sent = plan["plan"]["training"]
    assert (f"Data that leaves this machine: {sent['rows']} rows, {sent['bytes']} bytes, to together "
            "(api.together.ai)") in said  # fmt: skip
    assert "Possible personal data:" in said
    assert (
        "--yes does not cover data that leaves this machine. Add --allow-egress together." in said
    )
    said = shell("trainer", "launch", plan["plan_id"], typed="4.00\nno\n", code=3)
    assert "Type together to send them:" in said
    assert "nothing was sent" in said
    assert shell.json("trainer", "runs", "--json") == []


def test_a_cap_over_all_runs_is_held(shell: Shell, together: FakeTogether) -> None:
    shell("trainer", "budget", "--per-day", "5")
    first = make_plan(shell, together)
    shell("trainer", "launch", first["plan_id"], "--yes", "--max-usd", "4")
    second = make_plan(shell, together, "--suffix", "second")

    said = shell("trainer", "launch", second["plan_id"], "--yes", "--max-usd", "4", code=3)

    assert "would exceed the daily cap: $4.00 reserved or spent" in said
    assert len(together.jobs) == 1
    assert "$4.00 spent or reserved, cap $5.00" in shell("trainer", "budget")
    shell("trainer", "budget", "--per-day", "none")
    shell("trainer", "launch", second["plan_id"], "--yes", "--max-usd", "4")
    assert len(together.jobs) == 2


def test_a_price_that_differs_asks_a_person_who_may_go_on(
    shell: Shell, together: FakeTogether
) -> None:
    plan = make_plan(shell, together)
    together.usd = 4.60
    said = shell("trainer", "launch", plan["plan_id"], "--yes", "--max-usd", "4", code=3)
    assert "the provider estimates $4.6" in said
    (run,) = shell.json("trainer", "runs", "--json")
    assert run["state"] == "needs_human"

    shell("trainer", "cancel", run["run_id"])

    (run,) = shell.json("trainer", "runs", "--json")
    assert run["state"] == "settled"
    assert together.jobs == {}


def test_a_run_is_cancelled_and_settled_by_hand_where_nobody_says(
    shell: Shell, together: FakeTogether
) -> None:
    plan = make_plan(shell, together)
    together.script = ("pending", "running")
    shell("trainer", "launch", plan["plan_id"], "--yes", "--max-usd", "4")
    (run,) = shell.json("trainer", "runs", "--json")
    shell("trainer", "cancel", run["run_id"])
    shell("trainer", "follow", run["run_id"])
    (entry,) = shell.json("trainer", "budget", "--json")["entries"]
    assert entry["settled"] == 1_000_000
    assert "it is settled" in shell("trainer", "cancel", run["run_id"], code=3)
    assert "only a finished job is settled" in shell(
        "trainer", "settle", run["run_id"], "--usd", "1", code=3
    )


def test_a_deployment_has_a_cap_a_list_and_an_end(shell: Shell, together: FakeTogether) -> None:
    plan = make_plan(shell, together)
    shell("trainer", "launch", plan["plan_id"], "--yes", "--max-usd", "4", "--follow")
    (run,) = shell.json("trainer", "runs", "--json")

    said = shell("trainer", "deploy", run["run_id"], "--max-hours", "2", typed="12\n", code=3)
    assert "you typed '12', not" in said
    said = shell("trainer", "deploy", run["run_id"], "--max-hours", "2", "--yes", "--max-usd", "99")
    assert "is stopped: answers as acme/ton-" in said
    assert together.endpoints == {}
    said = shell(
        "trainer", "deploy", run["run_id"], "--max-hours", "2", "--yes", "--max-usd", "99", "--keep"
    )
    assert "is ready: answers" in said
    (endpoint,) = together.endpoints.values()
    assert len(endpoint["deployments"]) == 1
    kept = next(d for d in shell.json("trainer", "deployments", "--json") if d["state"] == "ready")
    assert "Current deployments cost" in shell("trainer", "deployments")
    said = shell("trainer", "stop", kept["deployment_id"])
    assert "is stopped" in said
    assert together.endpoints == {}
    entries = shell.json("trainer", "budget", "--json")["entries"]
    assert {e["purpose"] for e in entries} == {"training", "hosting"}
    assert all(e["settled"] is not None for e in entries)
    assert "weights" in shell("trainer", "download", run["run_id"])


def test_fireworks_from_plan_to_a_stopped_deployment(tmp_path: Path) -> None:
    fake = FakeFireworks()
    fake.start()
    (tmp_path / "prices.yaml").write_text("providers:" + OPEN_FIREWORKS_YAML)
    shell = Shell(tmp_path, FIREWORKS_API_KEY="fw-0123456789abcdef", FIREWORKS_ACCOUNT_ID=ACCOUNT,
                  FIREWORKS_BASE_URL=fake.url)  # fmt: skip
    try:
        made = shell.json("trainer", "plan", "examples/brand-voice.yaml", "--option", QWEN, "--json",
                          "--with", "n_epochs=2", "--with", "lora_rank=16")  # fmt: skip
        shell("trainer", "launch", made["plan_id"], "--yes", "--max-usd", "9", "--follow")
        (run,) = shell.json("trainer", "runs", "--json")
        said = shell(
            "trainer", "deploy", run["run_id"], "--max-hours", "1", "--yes", "--max-usd", "99"
        )
        (job,) = fake.jobs.values()
    finally:
        fake.stop()

    assert (job["epochs"], job["loraRank"]) == (2, 16)
    assert "is stopped: answers" in said
    assert fake.deployments == {}


def test_nobody_watching_is_said(shell: Shell, together: FakeTogether) -> None:
    plan = make_plan(shell, together)
    shell("trainer", "launch", plan["plan_id"], "--yes", "--max-usd", "4")
    import sqlite3

    with sqlite3.connect(Path(shell.env["TUNE_OR_NOT_HOME"]) / "state.db") as database:
        database.execute("UPDATE runs SET watched_at = watched_at - 3600, next_at = 0")
    said = shell("trainer", "runs")
    assert "not being advanced" in said
    assert "No data is lost meanwhile" in said
    shell("trainer", "follow", "--once")
    assert "not being advanced" not in shell("trainer", "runs")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["plan", "examples/brand-voice.yaml"], 3, "Start the job in the interface of"),
        (["plan", "examples/brand-voice.yaml", "--option", "nonsense"], 2, "there is no such option"),
        (["plan", "examples/too-little.yaml"], 3, "the recommendation is not_yet"),
        (["plan", "examples/brand-voice.yaml", "--option", LLAMA, "--cap", "1"], 2, "may cost up to $4.00"),
        (["plan", "examples/brand-voice.yaml", "--option", LLAMA, "--cap", "x"], 2, "not an amount in USD"),
        (["plan", "examples/brand-voice.yaml", "--option", LLAMA, "--with", "epochs=3"], 2, "Did you mean 'n_epochs'"),
        (["plan", "examples/brand-voice.yaml", "--option", LLAMA, "--with", "n_epochs=99"], 2, "n_epochs"),
        (["plan", "examples/brand-voice.yaml", "--option", LLAMA, "--method", "reinforcement"], 2, "not offered by"),
        (["plan", "examples/brand-voice.yaml", "--option", "managed_lora:nebius:Qwen/Qwen3-8B:H100_SXM"], 3, "unpriced"),
        (["plan", "gone.yaml"], 2, "gone.yaml"),
        (["launch", "abc"], 2, "plan not found"),
        (["show", "abc"], 2, "run not found"),
        (["stop", "abc"], 2, "there is no such deployment"),
        (["budget", "--total", "lots"], 2, "not an amount in USD"),
        (["budget", "--total", "-1"], 2, "an amount is 0 or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_with_a_remedy(
    shell: Shell, args: list[str], code: int, says: str
) -> None:
    assert says in shell("trainer", *args, code=code)


def test_an_unpriced_offer_is_launched_with_a_price_of_ones_own(
    shell: Shell, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "prices:\n  nebius/Qwen/Qwen3-8B/training:\n    unit: USD/1M training tokens\n"
        "    steps: [{since: 2026-11-01, value: 0.40, source: own quote (me), read_on: 2026-11-20}]\n"
    )
    said = shell("trainer", "plan", "examples/brand-voice.yaml", "--option",
                 "managed_lora:nebius:Qwen/Qwen3-8B:H100_SXM", "--prices", str(own))  # fmt: skip
    assert "0.40 USD/1M training tokens" in said
    assert "your own price" in said


def test_an_answer_that_flipped_is_refused(shell: Shell, tmp_path: Path) -> None:
    answer = json.loads(
        shell("advisor", "recommend", "examples/brand-voice.yaml", "--format", "json")
    )
    answer["decision"]["recommended"] = "prompt:openai:gpt-4o"
    (tmp_path / "a.json").write_text(json.dumps(answer))
    said = shell(
        "trainer",
        "plan",
        str(tmp_path / "a.json"),
        "--dataset",
        "examples/data/brand-voice.jsonl",
        code=3,
    )
    assert "flipped: the saved answer recommends prompt:openai:gpt-4o" in said


def test_doctor_says_what_is_missing(shell: Shell) -> None:
    said = shell("trainer", "doctor")
    assert "ok  together" in said
    assert "Set FIREWORKS_API_KEY" in said or "no API key for fireworks" in said
    assert "schema 0003" in said


def test_the_price_of_a_token_in_the_fake_is_the_one_of_the_book() -> None:
    assert pytest.approx(0.34e-6) == USD_PER_TOKEN
