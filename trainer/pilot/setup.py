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

from advisor.dataset.tokenizers import EncodingCounter, token_counter
from advisor.decision.answer import Answer, Question, prepare, recommend
from advisor.errors import UsageError
from advisor.estimate.costs import SHOTS
from advisor.loading import make_question
from advisor.plan.training_plan import TrainingPlan
from advisor.prices.book import PriceBook
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.errors import Refused
from trainer.evaluation.custom_scorer import AnsweredRow, run_scorer
from trainer.evaluation.metrics import metric_for, scores
from trainer.home import PILOT_DATASET_FILE, home_folder
from trainer.paid_calls.endpoint import Endpoint, find_endpoint
from trainer.paid_calls.journal import PilotJournal
from trainer.pilot.cases import EvaluationCase, HeldOutSplit, hold_out
from trainer.pilot.corpus import Chunking, Corpus, Passage, passages, read_corpus
from trainer.pilot.measure import MeasureSettings, ScoreCases
from trainer.pilot.prompts import Prompts, choose_shots, instruction_for
from trainer.pilot.settings import CORPUS_ARMS, PROMPTED_ARMS, ArmName, PilotSettings
from trainer.pilot.tuned_arm import plan_tuning
from trainer.plan.request import PlanRequest
from trainer.providers import base_url_of


@dataclass(frozen=True)
class PilotRequest:
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
    tuning: PlanRequest | None = None


def choose_metric(wanted: PilotRequest, held: HeldOutSplit) -> str:
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


def score_by(wanted: PilotRequest, metric: str) -> ScoreCases:
    """Return what scores answers: the user's command, else a measure by its name."""
    if wanted.scorer:
        return partial(_by_command, wanted.scorer)
    return lambda cases, answers: scores(metric, answers, [case.expected for case in cases])


def _by_command(
    command: tuple[str, ...], cases: Sequence[EvaluationCase], answers: Sequence[str]
) -> list[float]:
    rows = [
        AnsweredRow(case.asked, case.expected, said)
        for case, said in zip(cases, answers, strict=True)
    ]
    return run_scorer(command, rows)


def choose_arms(
    wanted: PilotRequest, question: Question, corpus: Corpus | None, metric: str, model: str | None
) -> tuple[tuple[ArmName, ...], dict[ArmName, str]]:
    """Choose what is measured: what was asked for, else all that can be.

    Raises:
        UsageError: an arm that was asked for by its name cannot be measured.
        Refused: nothing can be measured.
    """
    lacking: dict[ArmName, str] = {}
    if model is None:
        lacking |= dict.fromkeys(PROMPTED_ARMS, "no chat model is named: give --model")
    if corpus is None:
        lacking |= dict.fromkeys(CORPUS_ARMS, "there are no documents: give --corpus")
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
    asked = wanted.arms or (*PROMPTED_ARMS, "plain", "tuned")
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


def best_prompted_model(before: Answer, book: PriceBook) -> str | None:
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
class PilotSetup:
    """A pilot laid out."""

    wanted: PilotRequest
    question: Question
    before: Answer
    """The advice before anything was measured."""
    held: HeldOutSplit
    recipe: PilotSettings
    skipped: Mapping[ArmName, str]
    """Arms that are not measured, and why."""
    metric: str
    measure: MeasureSettings
    prompts: Prompts
    corpus: Corpus | None
    passages: tuple[Passage, ...]
    chat: Endpoint | None
    embed: Endpoint | Path | None
    plan: TrainingPlan | None
    folder: Path
    journal: PilotJournal

    @property
    def vectors_path(self) -> Path:
        """Where vectors are kept."""
        return self.folder / "vectors.jsonl"

    @property
    def spoken(self) -> tuple[ArmName, ...]:
        """Arms that ask the chat model."""
        return tuple(arm for arm in self.recipe.arms if arm in PROMPTED_ARMS)


def prepare_pilot(wanted: PilotRequest, context: TrainerContext) -> PilotSetup:
    """Read everything, choose arms, and lay the pilot out.

    Raises:
        AdvisorError: anything of it cannot be read, used, or is forbidden by the scenario.
    """
    now = utc_datetime(context.clock.now())
    path = wanted.dataset or _dataset_path(wanted)
    question = make_question(
        wanted.scenario, wanted.where, dataset=path, book=context.book, today=now.date()
    )
    question = replace(question, with_sensitivity=False)
    held, tokens = hold_out(path), token_counter(ENCODING)
    cases = held.cases[: wanted.rows]
    metric = choose_metric(wanted, held)
    corpus = read_corpus(wanted.corpus, tokens) if wanted.corpus else None
    before = recommend(question)
    model = wanted.model or best_prompted_model(before, context.book)
    arms, skipped = choose_arms(wanted, question, corpus, metric, model)
    recipe = _pilot_settings(
        wanted,
        question,
        arms,
        model,
        _instruction(wanted, metric, held),
        _longest(held.cases, tokens),
    )
    asks = any(arm in PROMPTED_ARMS for arm in arms)
    return PilotSetup(
        wanted,
        question,
        before,
        held,
        recipe,
        skipped,
        metric,
        MeasureSettings(
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
        find_endpoint("--model", model, wanted.base_url, context.book, question.scenario)
        if asks and model
        else None,
        _embedder(wanted, question, context.book) if "rag" in arms else None,
        plan_tuning(wanted.tuning, held.shown, cases, context)
        if wanted.tuning and "tuned" in arms
        else None,
        *_open_journal(recipe, held, corpus),
    )


def _dataset_path(wanted: PilotRequest) -> Path:
    named: str | None = (wanted.scenario.get("dataset") or {}).get("path")
    if not named:
        raise UsageError("dataset", "there are no rows to measure on.", "Give --dataset FILE.")
    return Path(wanted.where).parent / named


def _open_journal(
    recipe: PilotSettings, held: HeldOutSplit, corpus: Corpus | None
) -> tuple[Path, PilotJournal]:
    name = recipe.name(held.sha256, corpus.sha256 if corpus else "")
    folder = home_folder() / "pilots" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PILOT_DATASET_FILE).write_text(held.sha256 + "\n", encoding="utf-8")
    return folder, PilotJournal.read(folder / "rows.jsonl")


def _instruction(wanted: PilotRequest, metric: str, held: HeldOutSplit) -> str:
    if wanted.instruction is not None:
        return wanted.instruction
    return instruction_for(metric, held.shown)


def _pilot_settings(
    wanted: PilotRequest,
    question: Question,
    arms: tuple[ArmName, ...],
    model: str | None,
    instruction: str,
    longest: int,
) -> PilotSettings:
    inputs = prepare(question, question.scenario)[0].inputs
    chunk = max(int(inputs.chunk_tokens[0, 0]), 16)
    card = question.book.models.get(model or "")
    thought = REASONING_TOKENS if card and card.reasoning == "always" else 0
    return PilotSettings(
        arms=arms,
        model=model,
        embedding=wanted.embedding,
        chunking=Chunking(chunk, chunk // OVERLAP_SHARE),
        top_k=max(int(inputs.top_k[0, 0]), 1),
        shots=SHOTS,
        instruction=instruction,
        rows=wanted.rows,
        max_answer_tokens=wanted.max_answer_tokens or longest + thought,
    )


def _longest(cases: Sequence[EvaluationCase], tokens: EncodingCounter) -> int:
    counts = tokens.count_batch([case.expected for case in cases])
    return ANSWER_SLACK * max(counts) + SPARE_TOKENS


def _target(question: Question) -> float:
    """Return what is good enough: as the scenario says, else as the advice assumes."""
    return float(prepare(question, question.scenario)[0].inputs.target[0, 0])


def _embedder(wanted: PilotRequest, question: Question, book: PriceBook) -> Endpoint | Path | None:
    if wanted.embedding is None:
        return None
    if Path(wanted.embedding).is_dir():
        return Path(wanted.embedding)
    url = (
        wanted.base_url
        if wanted.embedding.split("/")[0] == (wanted.model or "").split("/")[0]
        else None
    )
    return find_endpoint("--embedding", wanted.embedding, url, book, question.scenario)
