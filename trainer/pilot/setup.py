"""A scenario, files and flags -> all that a pilot needs, and its bill; nothing is sent yet.

What was asked for and what is there -> the arms, the model and the measure of a pilot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from advisor.dataset.tokenizers import Counter, counter
from advisor.decision.answer import Answer, Question, answer, prepare
from advisor.errors import UsageError
from advisor.estimate.costs import SHOTS
from advisor.loading import ask
from advisor.plan.training_plan import TrainingPlan
from advisor.prices.book import Book
from trainer.clock import moment
from trainer.context import Office
from trainer.errors import Refused
from trainer.evaluation.custom_scorer import Answered, run_scorer
from trainer.evaluation.metrics import metric_for, scores
from trainer.home import PILOT_OF, home_folder
from trainer.paid_calls.endpoint import Whom, whom
from trainer.paid_calls.journal import Journal
from trainer.pilot.cases import Case, Held, hold_out
from trainer.pilot.corpus import Chunking, Corpus, Passage, passages, read_corpus
from trainer.pilot.measure import Measure, Score
from trainer.pilot.prompts import Prompts, choose_shots, instruction_for
from trainer.pilot.settings import PROMPTED, READING, ArmName, Recipe
from trainer.pilot.tuned_arm import Tuning, plan_tuning
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
        raise UsageError(
            "pilot",
            "the expected answers are free text, and likeness to them is "
            "hardly what the target means.",
            "Give --scorer COMMAND that tells how "
            "good an answer is, or --metric exact, rouge_l or chrf.",
        )
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
    rows = [
        Answered(case.asked, case.expected, said) for case, said in zip(cases, answers, strict=True)
    ]
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
    return (
        f"the documents are {corpus.tokens:,} tokens, and {min(most, window * 0.9):,.0f} go "
        "into a prompt whole"
    )


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


ENCODING = "o200k_base"
OVERLAP_SHARE = 8
"""A passage says again an eighth of the one before it, at most."""
ANSWER_SLACK, SPARE_TOKENS = 2, 32
"""An answer may take twice as many tokens as the longest expected one, and some more."""
REASONING_TOKENS = 4096
"""Room for hidden thought, where a model always thinks."""


@dataclass(frozen=True)
class Ready:
    """A pilot laid out."""

    wanted: Wanted
    question: Question
    before: Answer
    """The advice before anything was measured."""
    held: Held
    recipe: Recipe
    skipped: Mapping[ArmName, str]
    """Arms that are not measured, and why."""
    metric: str
    measure: Measure
    prompts: Prompts
    corpus: Corpus | None
    passages: tuple[Passage, ...]
    chat: Whom | None
    embed: Whom | Path | None
    plan: TrainingPlan | None
    folder: Path
    journal: Journal

    @property
    def vectors_path(self) -> Path:
        """Where vectors are kept."""
        return self.folder / "vectors.jsonl"

    @property
    def spoken(self) -> tuple[ArmName, ...]:
        """Arms that ask the chat model."""
        return tuple(arm for arm in self.recipe.arms if arm in PROMPTED)


def make_ready(wanted: Wanted, office: Office) -> Ready:
    """Read everything, choose arms, and lay the pilot out.

    Raises:
        AdvisorError: anything of it cannot be read, used, or is forbidden by the scenario.
    """
    now = moment(office.clock.now())
    path = wanted.dataset or _named(wanted)
    question = ask(wanted.scenario, wanted.where, dataset=path, book=office.book, today=now.date())
    question = replace(question, with_flips=False)
    held, tokens = hold_out(path), counter(ENCODING)
    cases = held.cases[: wanted.rows]
    metric = choose_metric(wanted, held)
    corpus = read_corpus(wanted.corpus, tokens) if wanted.corpus else None
    before = answer(question)
    model = wanted.model or best_prompted(before, office.book)
    arms, skipped = choose_arms(wanted, question, corpus, metric, model)
    recipe = _recipe(
        wanted,
        question,
        arms,
        model,
        _instruction(wanted, metric, held),
        _longest(held.cases, tokens),
    )
    asks = any(arm in PROMPTED for arm in arms)
    return Ready(
        wanted,
        question,
        before,
        held,
        recipe,
        skipped,
        metric,
        Measure(
            cases,
            score_by(wanted, metric),
            _target(question),
            recipe.alpha / len(arms),
            recipe.batch_rows,
        ),
        Prompts(
            recipe.instruction,
            choose_shots(held.shown, recipe.shots, metric),
            corpus.whole if corpus and "long_context" in arms else "",
        ),
        corpus,
        passages(corpus, recipe.chunking, tokens) if corpus and "rag" in arms else (),
        whom("--model", model, wanted.base_url, office.book, question.scenario)
        if asks and model
        else None,
        _embedder(wanted, question, office.book) if "rag" in arms else None,
        plan_tuning(wanted.tuning, held.shown, cases, office.book, now)
        if wanted.tuning and "tuned" in arms
        else None,
        *_kept(recipe, held, corpus),
    )


def _named(wanted: Wanted) -> Path:
    named: str | None = (wanted.scenario.get("dataset") or {}).get("path")
    if not named:
        raise UsageError("dataset", "there are no rows to measure on.", "Give --dataset FILE.")
    return Path(wanted.where).parent / named


def _kept(recipe: Recipe, held: Held, corpus: Corpus | None) -> tuple[Path, Journal]:
    name = recipe.name(held.sha256, corpus.sha256 if corpus else "")
    folder = home_folder() / "pilots" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PILOT_OF).write_text(held.sha256 + "\n", encoding="utf-8")
    return folder, Journal.read(folder / "rows.jsonl")


def _instruction(wanted: Wanted, metric: str, held: Held) -> str:
    if wanted.instruction is not None:
        return wanted.instruction
    return instruction_for(metric, held.shown)


def _recipe(
    wanted: Wanted,
    question: Question,
    arms: tuple[ArmName, ...],
    model: str | None,
    instruction: str,
    longest: int,
) -> Recipe:
    facts = prepare(question, question.scenario)[0].facts
    chunk = max(int(facts.chunk_tokens[0, 0]), 16)
    card = question.book.models.get(model or "")
    thought = REASONING_TOKENS if card and card.reasoning == "always" else 0
    return Recipe(
        arms=arms,
        model=model,
        embedding=wanted.embedding,
        chunking=Chunking(chunk, chunk // OVERLAP_SHARE),
        top_k=max(int(facts.top_k[0, 0]), 1),
        shots=SHOTS,
        instruction=instruction,
        rows=wanted.rows,
        max_answer_tokens=wanted.max_answer_tokens or longest + thought,
    )


def _longest(cases: Sequence[Case], tokens: Counter) -> int:
    counts = tokens.count_batch([case.expected for case in cases])
    return ANSWER_SLACK * max(counts) + SPARE_TOKENS


def _target(question: Question) -> float:
    """Return what is good enough: as the scenario says, else as the advice assumes."""
    return float(prepare(question, question.scenario)[0].facts.target[0, 0])


def _embedder(wanted: Wanted, question: Question, book: Book) -> Whom | Path | None:
    if wanted.embedding is None:
        return None
    if Path(wanted.embedding).is_dir():
        return Path(wanted.embedding)
    url = (
        wanted.base_url
        if wanted.embedding.split("/")[0] == (wanted.model or "").split("/")[0]
        else None
    )
    return whom("--embedding", wanted.embedding, url, book, question.scenario)
