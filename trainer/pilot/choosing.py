"""What was asked for and what is there -> the arms, the model and the measure of a pilot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from advisor.answer import Answer, Question
from advisor.catalog import Book
from advisor.errors import UsageError
from trainer.errors import Refused
from trainer.evaluation.metrics import metric_for, scores
from trainer.evaluation.scorer import Answered, run_scorer
from trainer.pilot.corpus import Corpus
from trainer.pilot.held import Case, Held
from trainer.pilot.measuring import Score
from trainer.pilot.recipe import PROMPTED, READING, ArmName
from trainer.pilot.tuned import Tuning
from trainer.providers import base_url_of


@dataclass(frozen=True)
class Wanted:
    """What the flags ask for."""

    scenario: Mapping[str, Any]
    where: str
    """File that the scenario came from."""
    cap: Decimal
    dataset: Path | None = None
    corpus: Path | None = None
    model: str | None = None
    embedding: str | None = None
    arms: tuple[ArmName, ...] | None = None
    """None: all that can be measured with what was given."""
    rows: int = 100
    instruction: str | None = None
    metric: str | None = None
    scorer: tuple[str, ...] = ()
    max_answer_tokens: int | None = None
    base_url: str | None = None
    tuning: Tuning | None = None


def choose_metric(wanted: Wanted, held: Held) -> str:
    """Choose the measure, and see that it works before anything is paid for.

    Raises:
        UsageError: answers are free text and nobody says how they are scored, or it cannot be used.
    """
    found = wanted.metric or metric_for([case.expected for case in (*held.shown, *held.cases)])
    if found == "chrf" and wanted.metric is None and not wanted.scorer:
        raise UsageError("pilot", "the expected answers are free text, and likeness to them is "
                         "hardly what the target means.", "Give --scorer COMMAND that tells how "
                         "good an answer is, or --metric exact, rouge_l or chrf.")  # fmt: skip
    first = held.cases[0]
    score_by(wanted, found)([first], [first.expected])
    return found


def score_by(wanted: Wanted, metric: str) -> Score:
    """Return what scores answers: the user's command, else a measure by its name."""
    if wanted.scorer:
        return partial(_by_command, wanted.scorer)
    return lambda cases, answers: scores(metric, answers, [case.expected for case in cases])


def _by_command(
    command: tuple[str, ...], cases: Sequence[Case], answers: Sequence[str]
) -> list[float]:
    rows = [Answered(case.asked, case.expected, said)
            for case, said in zip(cases, answers, strict=True)]  # fmt: skip
    return run_scorer(command, rows)


def choose_arms(
    wanted: Wanted, question: Question, corpus: Corpus | None, metric: str, model: str | None
) -> tuple[tuple[ArmName, ...], dict[ArmName, str]]:
    """Choose what is measured: what was asked for, else all that can be.

    Raises:
        UsageError: an arm that was asked for by its name cannot be measured.
        Refused: nothing can be measured.
    """
    lacking: dict[ArmName, str] = {}
    if model is None:
        lacking |= dict.fromkeys(PROMPTED, "no chat model is named: give --model")
    if corpus is None:
        lacking |= dict.fromkeys(READING, "there are no documents: give --corpus")
    else:
        too_long = _too_long(question, corpus, model)
        lacking |= {"long_context": too_long} if too_long else {}
    if metric != "label":
        lacking["plain"] = "the answers are no labels of a fixed set"
    if wanted.tuning is None:
        lacking["tuned"] = "nothing to tune is named: give --base, or --option"
    for arm in wanted.arms or ():
        if arm in lacking:
            raise UsageError(f"--arms {arm}", f"{lacking[arm]}.", "Or leave the arm out.")
    asked = wanted.arms or (*PROMPTED, "plain", "tuned")
    arms = tuple(arm for arm in asked if arm not in lacking)
    if not arms:
        why = "; ".join(f"{arm}: {lacking[arm]}" for arm in asked)
        raise Refused(f"no arm can be measured. {why}.")
    return arms, {arm: lacking[arm] for arm in asked if arm in lacking}


def _too_long(question: Question, corpus: Corpus, model: str | None) -> str:
    most = question.evidence.full_context_tokens.value
    card = question.book.models.get(model or "")
    window = (card.context_tokens if card else None) or most
    if corpus.tokens < min(most, window * 0.9):
        return ""
    return (f"the documents are {corpus.tokens:,} tokens, and {min(most, window * 0.9):,.0f} go "
            "into a prompt whole")  # fmt: skip


def best_prompted(before: Answer, book: Book) -> str | None:
    """Name the chat model that the advice ranks first, among those that can be asked."""
    for option in before.options:
        named = f"{option.provider}/{option.model}"
        if option.approach not in ("prompt", "few_shot", "rag", "long_context"):
            continue
        if named not in book.models:
            continue
        try:
            base_url_of(option.provider, book)
        except UsageError:
            continue
        return named
    return None
