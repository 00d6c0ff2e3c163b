"""`advisor ask`: one line for each part, a file of answers, and a scenario at the end."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from advisor.decision.answer import recommend
from advisor.interview.next_question import act_of
from advisor.loading import make_question, read_mapping
from tests.support.paths import ROOT

KNOWN: dict[str, Any] = {
    "prompt_effort": "systematic", "target": 90, "prompt_score": "reached", "requests": 10_000,
    "knowledge": "none", "citations": False, "task": "generation", "must_change": [],
    "examples": 0, "has_eval": True, "held_out": 200, "error_cost": "low", "may_leave": True,
    "providers": ["google", "openai"], "openai": "never_tuned", "azure": "new",
    "corpus_tokens": "none", "retrieval_score": "untried", "latency": "none",
    "budget_monthly": "none", "budget_once": "none", "tenants": 1, "gpu": "none",
    "maintainer": "none", "hour_rate": 100,
}  # fmt: skip


def run(*arguments: str, lines: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "advisor", "ask", *arguments], cwd=ROOT,
                          input=lines, capture_output=True, text=True)  # fmt: skip


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """A file that leaves nothing to be asked."""
    path = tmp_path / "answers.yaml"
    path.write_text(yaml.safe_dump(KNOWN | {"note": "Anna's idea", "name": "Replies"}))
    return path


def test_answers_from_a_file_end_in_the_scenario_that_gives_the_same_answer(
    known: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scenario.yaml"

    done = run("--answers", str(known), "--out", str(out))

    assert (done.returncode, done.stderr) == (0, "")
    scenario = read_mapping(out)
    found = recommend(make_question(scenario, str(out)))
    assert found.decision.verdict in done.stdout
    assert (scenario["name"], scenario["note"]) == ("Replies", "Anna's idea")
    assert scenario["quality"]["prompting"] == "meets"
    assert act_of(found.decision.recommended.split(":")[0]) == "prompt"
    last = done.stdout.rstrip().splitlines()
    assert last[-1] == str(out)
    assert last[-2].startswith("Result: Prompt (prompt). ")
    assert last[-2].endswith("All 12 questions are answered.")


def test_lines_are_read_one_for_each_part(tmp_path: Path) -> None:
    lines = "3\n85\nhalf\nb\n"  # a number of a choice, a typed number, a slip, a letter

    done = run(lines=lines)

    assert done.returncode == 0, done.stderr
    shown = done.stdout
    assert "So far: Not yet, measure first." in shown
    assert "Question 1, at most 12. How good is your best prompt?" in shown
    assert "  = 85 percent\n" in shown
    assert (
        "  found 'half'. Use one of reached, close, short, far, dont_know or a number.\n" in shown
    )
    assert "Asked because '" in shown
    assert "Finding out: " in shown
    text = shown.partition("scenario.yaml:\n")[2]
    quality = yaml.safe_load(text)["quality"]
    assert (quality["target"], quality["prompting"]) == (0.85, "gap")


def test_one_can_ask_why_go_back_and_not_know(tmp_path: Path) -> None:
    done = run(lines="?\n3\nback\n\nback\n2\n\n\n")

    shown = done.stdout
    assert "  A systematically written prompt that meets the target costs less" in shown
    assert shown.count("Question 1, at most 12.") == 3
    scenario = yaml.safe_load(shown.partition("scenario.yaml:\n")[2])
    assert scenario["quality"] == {"prompt_effort": "naive"}


def test_no_line_at_all_ends_with_what_is_known() -> None:
    done = run("--language", "de")

    assert done.returncode == 0
    assert "Es kamen keine Antworten mehr" in done.stdout
    assert "Frage 1, höchstens 12. Wie weit kommt Ihr bester Prompt?" in done.stdout


def test_a_dataset_is_counted_and_what_does_not_fit_it_is_said(known: Path, tmp_path: Path) -> None:
    out = tmp_path / "here" / "scenario.yaml"
    out.parent.mkdir()

    done = run("examples/data/email-triage.csv", "--answers", str(known), "--out", str(out))

    assert done.returncode == 0, done.stderr
    assert "Contradicts the dataset: The scenario has the task generation" in done.stdout
    path = read_mapping(out)["dataset"]["path"]
    assert (out.parent / path).resolve() == ROOT / "examples" / "data" / "email-triage.csv"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--language", "fr"], "language fr: there are no texts in this language. Known: de, en."),
        (["--language", "fr.yaml"], "fr.yaml: there is no such file. Files there: pricing.yaml."),
        (["--out", "README.md"], "--out README.md: file exists. Use another name."),
        (["--answers", "none.yaml"], "none.yaml: there is no such file."),
        (["none.csv"], "none.csv"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_is_asked(
    arguments: list[str], says: str
) -> None:
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"advisor: {says}")


def test_a_wrong_answer_in_a_file_is_told_with_its_code(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("target: 0.9\n")

    done = run("--answers", str(path))

    assert done.returncode == 2
    assert (
        done.stderr == "advisor: answers.target: found 0.9. Use a number from 1 to 100 percent.\n"
    )


def test_at_a_terminal_each_part_waits_for_its_line(known: Path, tmp_path: Path) -> None:
    some = tmp_path / "some.yaml"
    some.write_text(yaml.safe_dump({k: v for k, v in KNOWN.items() if not k.startswith("prompt")
                                    and k != "target"}))  # fmt: skip
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "advisor", "ask", "--answers", str(some)],
                               cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, text=True)  # fmt: skip
    os.close(theirs)
    shown = ""
    with process, os.fdopen(ours, "wb", buffering=0) as keys:
        assert process.stdout
        for line in ("3", "80", "a"):
            while not shown.endswith("> "):
                shown += process.stdout.read(1)
            keys.write(f"{line}\n".encode())
            shown += "|"
        shown += process.stdout.read()

    assert process.returncode == 0
    assert shown.count("> |") == 3
    assert "Result: Prompt (prompt). " in shown
