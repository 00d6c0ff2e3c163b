"""A pilot from the command line: shown, capped, agreed to, measured, stopped early, taken up again;
and what it finds moves the advice.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.paths import ROOT
from tests.support.pilots import MODEL, PilotHarness, arms_by_name, open_pilot


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PilotHarness]:
    with open_pilot(tmp_path) as made:
        yield made


def test_what_is_measured_moves_the_advice(bench: PilotHarness) -> None:
    said = bench.go()

    assert "USD likely, at most" in said
    assert "The pilot stopped early: the result was clear before all 60 rows were used." in said
    assert "names for 100% of 60 questions" in said
    assert f"after:  rag:openai:{MODEL.split('/')[1]}" in said
    assert "The pilot changes the recommendation." in said
    assert "option was not measured" not in said
    written = yaml.safe_load((bench.folder / "s.measured.yaml").read_text())
    assert written["quality"]["has_eval"] is True
    assert written["knowledge"]["retrieval_tried"] is True
    assert 5_000 < written["knowledge"]["corpus_tokens"] < 15_000
    by_way = {one["approach"]: one for one in written["quality"]["measured"]}
    assert {way: one["value"] for way, one in by_way.items()} == {
        "prompt": 0.0, "few_shot": 0.0, "rag": 1.0, "long_context": 1.0}  # fmt: skip
    assert {one["model"] for one in by_way.values()} == {MODEL}
    assert by_way["prompt"]["n"] == 10  # clear after the first look
    assert 20 < by_way["rag"]["n"] < 60
    again = bench.shell.json("advisor", "recommend", str(bench.folder / "s.measured.yaml"),
                             "--format", "json")  # fmt: skip
    assert again["decision"]["recommended"].startswith("rag:openai")


def test_each_prompt_is_asked_once_and_paid_as_used(bench: PilotHarness) -> None:
    found = bench.json()

    assert set(bench.fake.billed.values()) == {1}
    assert len(bench.fake.billed) == sum(one["rows"] for one in found["arms"])
    assert set(bench.fake.embedded.values()) == {1}
    ((reserved, settled),) = bench.ledger()
    assert settled is not None
    assert 0 < settled <= reserved
    assert settled == pytest.approx(found["usd"] * 1e6, abs=2)


def test_a_second_time_nothing_is_asked_and_nobody_agrees(bench: PilotHarness) -> None:
    first = bench.json()
    asked = len(bench.fake.asked)

    again = json.loads(bench.shell(*bench.flags("--cap", "5", "--json")))

    assert len(bench.fake.asked) == asked
    assert again == first


def test_a_further_arm_asks_nothing_of_the_others_again(bench: PilotHarness) -> None:
    bench.json("--arms", "zero_shot", "--rows", "20")

    found = bench.json("--arms", "zero_shot,rag", "--rows", "40")

    assert set(arms_by_name(found)) == {"zero_shot", "rag"}
    assert set(bench.fake.billed.values()) == {1}
    (pair,) = found["pairs"]
    assert (pair["one"], pair["other"], pair["rows"]) == ("zero_shot", "rag", 10)
    assert pair["low"] <= pair["difference"] == -1 <= pair["high"] < 0


def test_a_pilot_that_was_killed_goes_on_and_pays_no_row_twice(bench: PilotHarness) -> None:
    env = {**os.environ, **bench.shell.env}
    command = [sys.executable, "-m", *bench.flags("--cap", "5", "--yes", "--json")]
    bench.fake.before = lambda: kill(process) if len(bench.fake.asked) == 30 else None

    def kill(process: subprocess.Popen[bytes]) -> None:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
    process.wait()
    bench.fake.before = lambda: None
    cells = [line for line in bench.kept() if "arm" in line]
    assert process.returncode == -signal.SIGKILL
    assert 15 < len(cells) < 30
    lost = {prompt for prompt, count in bench.fake.billed.items()}
    assert len(lost) - len(cells) <= 1  # the request that was in flight
    (before,) = bench.ledger()
    assert before[1] is None

    found = bench.json()

    assert sum(count - 1 for count in bench.fake.billed.values()) <= 1
    assert set(bench.fake.embedded.values()) == {1}
    kept = [(line["arm"], line["key"]) for line in bench.kept() if "arm" in line]
    assert len(kept) == len(set(kept)) == sum(one["rows"] for one in found["arms"])
    assert arms_by_name(found)["rag"]["score"] == 1.0
    assert all(settled is not None for _, settled in bench.ledger())


@pytest.mark.parametrize(
    ("flags", "typed", "code", "says"),
    [
        (["--cap", "0.10", "--yes"], "", 3, "and the cap is 0.10"),
        (["--cap", "5"], "5\n", 3, "you typed '5', not 0."),
        (["--cap", "much"], "", 2, "not an amount in USD"),
        (["--cap", "5", "--yes", "--arms", "tuned"], "", 2, "give --base or --option"),
        (["--cap", "5", "--yes", "--arms", "all"], "", 2, "unknown arm"),
        (["--cap", "5", "--yes", "--rows", "3"], "", 2, "Give 10 or more"),
        (["--cap", "5", "--yes", "--metric", "foo"], "", 2, "there is no metric 'foo'"),
        (["--cap", "5", "--yes", "--scorer", "nobody --here"], "", 2, "cannot be started"),
        (["--cap", "5", "--yes", "--model", "openai/none"], "", 2, "openai/none/input"),
        (["--cap", "5", "--yes", "--set", "limits.providers=[together]"], "", 3,
         "the scenario allows only together"),
    ],
)  # fmt: skip
def test_nothing_is_sent_before_all_is_agreed_to(
    bench: PilotHarness, flags: list[str], typed: str, code: int, says: str
) -> None:
    said = bench.shell(*bench.flags(*flags), typed=typed, code=code)

    assert says in said
    assert bench.fake.asked == []
    assert bench.ledger() == []


def test_free_text_is_not_scored_by_a_guess(bench: PilotHarness) -> None:
    flags = [
        flag for flag in bench.flags("--cap", "5", "--yes") if flag not in ("--metric", "exact")
    ]

    said = bench.shell(*flags, code=2)

    assert "the expected answers are free text" in said
    assert bench.fake.asked == []


def test_a_command_of_the_user_scores_answers(bench: PilotHarness, tmp_path: Path) -> None:
    scorer = tmp_path / "half.py"
    scorer.write_text("import json, sys\nfor line in sys.stdin:\n"
                      "    print(json.dumps({'score': 0.5 if json.loads(line)['answer'] else 0}))\n")  # fmt: skip

    found = bench.json("--arms", "zero_shot", "--scorer", f"{sys.executable} {scorer}")

    assert (found["metric"], arms_by_name(found)["zero_shot"]["score"]) == ("scorer", 0.5)
    assert found["advised_was_measured"] is False


def test_a_cap_over_all_runs_holds_too(bench: PilotHarness) -> None:
    bench.shell("trainer", "budget", "--per-day", "0.05")

    said = bench.go(code=3)

    assert "would exceed the daily cap" in said
    assert bench.fake.asked == []


ELSEWHERE = {"OPENAI_BASE_URL": "https://api.example.org/v1", "OPENAI_API_KEY": "key-of-a-test"}


@pytest.mark.parametrize(
    ("flags", "typed", "code", "says"),
    [
        (["--yes"], "", 3, "Add --allow-egress openai"),
        (["--yes", "--allow-egress", "together"], "", 3, "Add --allow-egress openai"),
        ([], "{amount}\nyes\n", 3, "nothing was sent"),
        (["--yes", "--allow-egress", "openai", "--set", "limits.data_may_leave=false"], "", 3,
         "does not allow texts to leave your machines (limits.data_may_leave)"),
        (["--yes", "--allow-egress", "openai", "--set", "needs.privacy_self_host=true"], "", 3,
         "needs.privacy_self_host"),
    ],
)  # fmt: skip
def test_what_leaves_is_said_and_agreed_to_by_itself(
    bench: PilotHarness, flags: list[str], typed: str, code: int, says: str
) -> None:
    bench.shell.env.update(ELSEWHERE)
    shown = bench.shell(*bench.flags("--cap", "5", "--yes"), code=3)
    amount = shown.split("at most ")[1].split(" ")[0]

    said = bench.shell(*bench.flags("--cap", "5", *flags), typed=typed.format(amount=amount),
                       code=code)  # fmt: skip

    assert says in said
    assert (
        "8 rows as few-shot examples, the text of 200 documents, to openai (api.example.org)"
        in shown
    )
    assert bench.ledger() == []


def test_a_model_that_bills_more_than_was_reckoned_ends_within_what_was_set_aside(
    bench: PilotHarness,
) -> None:
    bench.fake.prompt_tokens = lambda prompt: 4_000

    found = bench.json("--arms", "zero_shot,rag")

    assert found["stopped"] == "the next request might exceed the reserved amount"
    ((reserved, settled),) = bench.ledger()
    assert settled is not None
    assert settled <= reserved
