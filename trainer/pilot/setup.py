"""Setup of a pilot: request, scenario and files become arms, model, metric and prompts.

Nothing is sent or paid here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from advisor.dataset.tokenizers import EncodingCounter, token_counter
from advisor.decision.answer import Answer, summarize
from advisor.decision.evaluate import EvaluatedQuestion, Question, evaluate
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
from trainer.paid_calls.journal import PaidCallJournal
from trainer.pilot.cases import EvaluationCase, HeldOutSplit, hold_out
from trainer.pilot.corpus import Chunking, Corpus, Passage, passages, read_corpus
from trainer.pilot.measure import MeasureSettings, ScoreCases
from trainer.pilot.prompts import Prompts, choose_shots, instruction_for
from trainer.pilot.settings import (
    ALPHA,
    ARM_APPROACHES,
    CORPUS_ARMS,
    PROMPTED_ARMS,
    ArmName,
    PilotSettings,
)
from trainer.pilot.tuned_arm import plan_tuning
from trainer.plan.request import PlanRequest
from trainer.providers import base_url_of

ENCODING = "o200k_base"
OVERLAP_DIVISOR = 8
"""A passage repeats at most an eighth of the one before it."""
ANSWER_SLACK, SPARE_TOKENS = 2, 32
"""The default limit of an answer: twice the longest expected one, and some more [tokens]."""
REASONING_TOKENS = 4096
"""Added to that limit for a model that always reasons."""
WINDOW_SHARE = 0.9
"""Share of a context window that documents may fill; the rest is for question and answer."""


@dataclass(frozen=True)
class PilotRequest:
    """What a caller wants measured."""

    plan: PlanRequest
    """Scenario, dataset, metric and scorer; with an option or a base, also what to tune."""
    cap: Decimal
    corpus: Path | None = None
    model: str | None = None
    embedding: str | None = None
    arms: tuple[ArmName, ...] | None = None
    """None: all that can be measured with the given files and models."""
    rows: int = 100
    instruction: str | None = None
    max_answer_tokens: int | None = None
    base_url: str | None = None

    @property
    def tunes(self) -> bool:
        """Whether a model to tune is given."""
        return self.plan.option is not None or self.plan.base is not None


@dataclass(frozen=True)
class PilotSetup:
    """A pilot that is ready to run."""

    request: PilotRequest
    evaluated: EvaluatedQuestion
    before: Answer
    """The recommendation before the pilot."""
    held: HeldOutSplit
    settings: PilotSettings
    skipped: Mapping[ArmName, str]
    """Arm that is not measured -> reason."""
    metric: str
    measure: MeasureSettings
    prompts: Prompts
    corpus: Corpus | None
    passages: tuple[Passage, ...]
    chat: Endpoint | None
    embed: Endpoint | Path | None
    plan: TrainingPlan | None
    journal: PaidCallJournal

    @property
    def question(self) -> Question:
        """The question before the pilot."""
        return self.evaluated.question

    @property
    def folder(self) -> Path:
        """Folder of the pilot's files; its name is the pilot's."""
        return self.journal.path.parent

    @property
    def vectors_path(self) -> Path:
        """File of cached vectors."""
        return self.folder / "vectors.jsonl"

    @property
    def prompted_arms(self) -> tuple[ArmName, ...]:
        """Arms that call the chat model."""
        return tuple(arm for arm in self.settings.arms if arm in PROMPTED_ARMS)


def prepare_pilot(request: PilotRequest, context: TrainerContext) -> PilotSetup:
    """Read all files, choose the arms, and open the pilot's journal.

    Raises:
        AdvisorError: an input cannot be read or used, or the scenario forbids it.
    """
    today, book = utc_datetime(context.clock.now()).date(), context.book
    path = request.plan.rows_path
    if path is None:
        raise UsageError("dataset", "no rows to measure on.", "Give --dataset FILE.")
    question = make_question(
        request.plan.scenario, request.plan.where, dataset=path, book=book, today=today
    )
    evaluated = evaluate(question)
    before, inputs = summarize(evaluated), evaluated.resolved.inputs
    held, tokens = hold_out(path), token_counter(ENCODING)
    metric = choose_metric(request.plan.metric, request.plan.scorer, held)
    corpus = read_corpus(request.corpus, tokens) if request.corpus else None
    model = request.model or best_prompted_model(before, book)
    arms, skipped = choose_arms(request, question, corpus, metric, model)
    chunk, instruction = max(int(inputs.chunk_tokens[0, 0]), 16), request.instruction
    settings = PilotSettings(
        arms,
        model,
        request.embedding,
        Chunking(chunk, chunk // OVERLAP_DIVISOR),
        max(int(inputs.top_k[0, 0]), 1),
        instruction_for(metric, held.shown) if instruction is None else instruction,
        request.max_answer_tokens or _default_answer_tokens(held.cases, tokens, model, book),
    )
    measure = MeasureSettings(
        held.cases[: request.rows],
        score_by(metric, request.plan.scorer),
        float(inputs.target[0, 0]),  # the scenario's, else the one the recommendation assumes
        ALPHA / len(arms),
    )
    shots = choose_shots(held.shown, SHOTS, metric)
    text = corpus.as_text if corpus and "long_context" in arms else ""
    return PilotSetup(
        request,
        evaluated,
        before,
        held,
        settings,
        skipped,
        metric,
        measure,
        Prompts(settings.instruction, shots, text),
        corpus,
        passages(corpus, settings.chunking, tokens) if corpus and "rag" in arms else (),
        *_endpoints(request, question, arms, model),
        plan_tuning(request.plan, held.shown, measure.cases, context) if "tuned" in arms else None,
        _open_journal(settings, held, corpus),
    )


def choose_metric(given: str | None, scorer: tuple[str, ...], held: HeldOutSplit) -> str:
    """Choose the metric, and try it on one row before anything is paid for.

    Raises:
        UsageError: answers are free text without a metric, or the metric or scorer fails.
    """
    metric = given or metric_for([case.expected for case in (*held.shown, *held.cases)])
    if metric == "chrf" and given is None and not scorer:
        raise UsageError(
            "pilot",
            "the expected answers are free text, and similarity to them is rarely what the "
            "quality target means.",
            "Give --scorer COMMAND, which scores an answer, or --metric exact, rouge_l or chrf.",
        )
    first = held.cases[0]
    score_by(metric, scorer)([first], [first.expected])
    return metric


def score_by(metric: str, scorer: tuple[str, ...]) -> ScoreCases:
    """Return the function that scores answers: the user's command, else the metric."""
    if not scorer:
        return lambda cases, answers: scores(metric, answers, [case.expected for case in cases])
    return lambda cases, answers: run_scorer(
        scorer,
        [
            AnsweredRow(case.user_text, case.expected, answer)
            for case, answer in zip(cases, answers, strict=True)
        ],
    )


def choose_arms(
    request: PilotRequest,
    question: Question,
    corpus: Corpus | None,
    metric: str,
    model: str | None,
) -> tuple[tuple[ArmName, ...], dict[ArmName, str]]:
    """Choose the requested arms, else all that can be measured; the others with the reason.

    Raises:
        UsageError: an arm was requested by name and cannot be measured.
        Refused: no arm can be measured.
    """
    lacking: dict[ArmName, str] = {}
    if model is None:
        lacking |= dict.fromkeys(PROMPTED_ARMS, "no chat model: give --model")
    lacking |= _lacking_corpus(question, corpus, model)
    if metric != "label":
        lacking["plain"] = "the answers are not labels from a fixed set"
    if not request.tunes:
        lacking["tuned"] = "no model to tune: give --base or --option"
    for arm in request.arms or ():
        if arm in lacking:
            raise UsageError(f"--arms {arm}", f"{lacking[arm]}.", "Or leave the arm out.")
    wanted = request.arms or (*PROMPTED_ARMS, "plain", "tuned")
    arms = tuple(arm for arm in wanted if arm not in lacking)
    skipped = {arm: lacking[arm] for arm in wanted if arm in lacking}
    if not arms:
        reasons = "; ".join(f"{arm}: {reason}" for arm, reason in skipped.items())
        raise Refused(f"no arm can be measured. {reasons}.")
    return arms, skipped


def _lacking_corpus(
    question: Question, corpus: Corpus | None, model: str | None
) -> dict[ArmName, str]:
    if corpus is None:
        return dict.fromkeys(CORPUS_ARMS, "no documents: give --corpus")
    full_context = question.evidence.full_context_tokens.value
    card = question.book.models.get(model or "")
    window = (card.context_tokens if card else None) or full_context
    limit = min(full_context, window * WINDOW_SHARE)
    if corpus.tokens < limit:
        return {}
    sizes = f"the documents have {corpus.tokens:,} tokens, and a prompt fits {limit:,.0f}"
    return {"long_context": sizes}


def best_prompted_model(before: Answer, book: PriceBook) -> str | None:
    """Return the best-ranked chat model whose endpoint is known."""
    approaches = {ARM_APPROACHES[arm] for arm in PROMPTED_ARMS}
    for option in before.options:
        model = f"{option.provider}/{option.model}"
        if option.approach in approaches and model in book.models:
            with suppress(UsageError):
                base_url_of(option.provider, book)
                return model
    return None


def _default_answer_tokens(
    cases: Sequence[EvaluationCase], tokens: EncodingCounter, model: str | None, book: PriceBook
) -> int:
    longest = max(tokens.count_batch([case.expected for case in cases]))
    card = book.models.get(model or "")
    reasoning = REASONING_TOKENS if card and card.always_thinks else 0
    return ANSWER_SLACK * longest + SPARE_TOKENS + reasoning


def _endpoints(
    request: PilotRequest, question: Question, arms: tuple[ArmName, ...], model: str | None
) -> tuple[Endpoint | None, Endpoint | Path | None]:
    """Look up the chat model and the embedding model, if the arms use them."""
    scenario, book, embedding = question.scenario, question.book, request.embedding
    chat = None
    if model and set(arms) & set(PROMPTED_ARMS):
        chat = find_endpoint("--model", model, request.base_url, book, scenario)
    if embedding is None or "rag" not in arms:
        return chat, None
    if Path(embedding).is_dir():
        return chat, Path(embedding)
    is_same_provider = embedding.split("/")[0] == (request.model or "").split("/")[0]
    url = request.base_url if is_same_provider else None
    return chat, find_endpoint("--embedding", embedding, url, book, scenario)


def _open_journal(
    settings: PilotSettings, held: HeldOutSplit, corpus: Corpus | None
) -> PaidCallJournal:
    folder = home_folder() / "pilots" / settings.name(held.sha256, corpus.sha256 if corpus else "")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PILOT_DATASET_FILE).write_text(held.sha256 + "\n", encoding="utf-8")
    return PaidCallJournal.read(folder / "rows.jsonl")
