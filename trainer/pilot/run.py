"""A pilot that was agreed to -> every arm's answers and scores; what was heard before is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.errors import Refused
from trainer.local.run_folder import lock_file
from trainer.paid_calls.client import ChatClient, PaidChatModel, RetryPolicy
from trainer.paid_calls.cost import Bill, tariff_of
from trainer.paid_calls.endpoint import Endpoint, embedding_price, find_endpoint, tariff_for
from trainer.paid_calls.journal import (
    ArmAnswer,
    BudgetExhausted,
    PilotJournal,
    ReservedBudget,
    reserve_budgets,
)
from trainer.pilot.cases import EvaluationCase
from trainer.pilot.corpus import Passage
from trainer.pilot.cost import (
    pilot_bill,
    prompt_token_counts,
    row_messages,
    texts_to_embed,
    tuned_token_counts,
)
from trainer.pilot.embeddings import (
    BATCH_TEXTS,
    CachedVectors,
    Embedder,
    LocalEmbedder,
    RemoteEmbedder,
)
from trainer.pilot.measure import AnswerCase, ArmMeasurements, ArmProgress, measure_arms
from trainer.pilot.retrieval import Bm25Index, Floats, Retriever, is_found
from trainer.pilot.settings import ArmName
from trainer.pilot.setup import PilotSetup
from trainer.pilot.tuned_arm import baseline_answers, local_answers, tune
from trainer.run_states import Run

PassagesByCase = Mapping[str, tuple[Passage, ...]]
"""Question -> the passages that went before it."""


@dataclass(frozen=True)
class PilotRun:
    """What came of a pilot."""

    setup: PilotSetup
    measured: ArmMeasurements
    recall: float | None
    """Share of the questions whose named source was found; none where no row names one."""
    recall_rows: int
    run: Run | None
    """The training, where there was one."""


def run_pilot(
    setup: PilotSetup, context: TrainerContext, agree: Callable[[PilotSetup, Bill], None]
) -> PilotRun:
    """Measure every arm; nothing is sent before *agree* returns.

    Args:
        setup: The pilot, laid out.
        context: Its ledger, clock and runs.
        agree: Told what it costs and what leaves; raises to stop.

    Raises:
        Refused: it may cost more than the cap, or another process is at it.
        OverBudget: a cap of the ledger would be passed; nothing was sent.
        Unreachable: somebody does not answer; what was answered is kept.
    """
    with lock_file(setup.folder / "lock") as lock:
        if lock is None:
            raise Refused(f"{setup.folder.name}: another process is at it. Wait for its end.")
        # what another process heard until now counts
        setup = replace(setup, journal=PilotJournal.read(setup.folder / "rows.jsonl"))
        trained = setup.plan is not None and context.store.run_of(setup.plan) is not None
        bill = pilot_bill(setup, context.book, utc_datetime(context.clock.now()).date(), trained)
        _check_cap(setup, bill)
        _check_keys(setup, bill)
        if bill.at_most or any(part.requests for part in bill.parts):
            agree(setup, bill)
        found: dict[str, tuple[Passage, ...]] = {}
        with setup.journal.writing():
            measured = _ask(setup, context, bill, found)
            progress_by_arm: dict[ArmName, ArmProgress] = dict(measured.progress_by_arm)
            if "plain" in setup.recipe.arms:
                progress_by_arm["plain"] = setup.measure.from_answers(
                    baseline_answers(setup.held.shown, setup.measure.cases)
                )
            run = _tuned(setup, context, bill, progress_by_arm)
    ordered = {arm: progress_by_arm[arm] for arm in setup.recipe.arms}
    return PilotRun(setup, replace(measured, progress_by_arm=ordered), *_recall(setup, found), run)


def _check_keys(setup: PilotSetup, bill: Bill) -> None:
    """See that there is a key for everybody who is asked, before anything is agreed to."""
    for asked in (setup.chat, setup.embed):
        if isinstance(asked, Endpoint) and asked.provider in bill.providers:
            asked.key()


def _check_cap(setup: PilotSetup, bill: Bill) -> None:
    spent = setup.journal.usd()
    if bill.at_most + spent > setup.wanted.cap:
        before = f" after {spent:.2f} USD that were spent before" if spent else ""
        raise Refused(
            f"the pilot may cost up to {bill.at_most} USD{before}, and the cap is "
            f"{setup.wanted.cap}. Raise it, or give fewer --rows or --arms."
        )


def _ask(
    setup: PilotSetup, context: TrainerContext, bill: Bill, found: dict[str, tuple[Passage, ...]]
) -> ArmMeasurements:
    """Ask the arms of the chat model; its provider and that of the embedding are paid apart."""
    bill = Bill(tuple(part for part in bill.parts if part.what != "tuned"))
    amounts = {one: bill.at_most_of(one) for one in bill.providers}
    with reserve_budgets(context, setup.journal, amounts) as paid:
        if "rag" in setup.spoken:
            found |= _retrieve(setup, context, paid)
        if setup.chat is None:
            return ArmMeasurements({}, "")
        with _model(setup, setup.chat, context, paid) as model:
            ways: dict[ArmName, AnswerCase] = {
                arm: partial(_answer, setup, model, arm, prompt_token_counts(setup, arm), found)
                for arm in setup.spoken
            }
            return measure_arms(ways, setup.measure)


@contextmanager
def _model(
    setup: PilotSetup, asked: Endpoint, context: TrainerContext, paid: Mapping[str, ReservedBudget]
) -> Iterator[PaidChatModel | None]:
    """Open the way to the chat model; none where nothing is left to ask."""
    budget = paid.get(asked.provider)
    if budget is None:
        yield None
        return
    day = utc_datetime(context.clock.now()).date()
    chat = ChatClient(asked.base_url, asked.key())
    try:
        yield PaidChatModel(
            asked.model,
            chat,
            tariff_for(asked, context.book, day),
            budget,
            context.clock,
            RetryPolicy(asked.provider, context.clock),
            setup.recipe.max_answer_tokens,
            asked.limit_name,
        )
    finally:
        chat.close()


def _answer(
    setup: PilotSetup,
    model: PaidChatModel | None,
    arm: ArmName,
    counts: Mapping[str, int],
    found: PassagesByCase,
    case: EvaluationCase,
) -> ArmAnswer | None:
    known = setup.journal.cells.get((arm, case.key))
    if known is not None or model is None:
        return known
    messages = setup.prompts.messages(arm, case, found.get(case.key, ()))
    return model.answer(arm, case.key, messages, counts[case.key], case.tools)


def _retrieve(
    setup: PilotSetup, context: TrainerContext, paid: Mapping[str, ReservedBudget]
) -> PassagesByCase:
    """Find the passages of every case."""
    vectors: Floats | None = None
    texts, counts = texts_to_embed(setup)
    embedder = _embedder(setup, context, paid)
    if embedder is not None:
        size = len(texts) if isinstance(embedder, LocalEmbedder) else BATCH_TEXTS
        try:
            vectors = CachedVectors(setup.vectors_path, embedder, size).of(texts, counts)
        except BudgetExhausted:
            raise Refused(
                f"{embedder.named}: the next vectors might pass what was set aside. What "
                "was made is kept: say it again."
            ) from None
    return _passages(setup, vectors)


def _passages(setup: PilotSetup, vectors: Floats | None) -> PassagesByCase:
    count = len(setup.passages)
    words = Bm25Index([one.text for one in setup.passages])
    retriever = Retriever(
        setup.passages, words, None if vectors is None else vectors[:count], setup.recipe.top_k
    )
    return {
        case.key: retriever.find(case.question, None if vectors is None else vectors[count + place])
        for place, case in enumerate(setup.measure.cases)
    }


def _embedder(
    setup: PilotSetup, context: TrainerContext, paid: Mapping[str, ReservedBudget]
) -> Embedder | None:
    if isinstance(setup.embed, Path):
        return LocalEmbedder(setup.embed)
    if setup.embed is None:
        return None
    day, embed = utc_datetime(context.clock.now()).date(), setup.embed
    budget = paid.get(embed.provider) or ReservedBudget(setup.journal, "", setup.wanted.cap * 0)
    return RemoteEmbedder(
        embed.model,
        embed.base_url,
        embed.key(),
        embedding_price(embed, context.book, day),
        budget,
        RetryPolicy(embed.provider, context.clock),
    )


def _tuned(
    setup: PilotSetup,
    context: TrainerContext,
    bill: Bill,
    progress_by_arm: dict[ArmName, ArmProgress],
) -> Run | None:
    """Tune, and have the tuned model answer: here with its run, else by its provider."""
    plan = setup.plan
    if plan is None:
        return None
    run = tune(context, plan, None if plan.local else plan.provider)
    if plan.local is not None:
        progress_by_arm["tuned"] = setup.measure.from_answers(
            local_answers(run, setup.measure.cases)
        )
        return run
    progress_by_arm["tuned"] = _tuned_remotely(setup, context, bill, run)
    return run


def _tuned_remotely(
    setup: PilotSetup, context: TrainerContext, bill: Bill, run: Run
) -> ArmProgress:
    assert setup.plan is not None
    provider, day = setup.plan.provider, utc_datetime(context.clock.now()).date()
    asked = find_endpoint(
        "--option", f"{provider}/{run.tuned_model}", None, context.book, setup.question.scenario
    )
    tariff = tariff_of(f"{provider}/{setup.plan.base_model}", context.book, day, tuned=True)
    counts = tuned_token_counts(setup)
    part = next(part for part in bill.parts if part.what == "tuned")
    chat = ChatClient(asked.base_url, asked.key())
    try:
        with reserve_budgets(context, setup.journal, {provider: part.at_most}) as paid:
            model = PaidChatModel(
                asked.model,
                chat,
                tariff,
                paid[provider],
                context.clock,
                RetryPolicy(provider, context.clock),
                setup.recipe.max_answer_tokens,
                asked.limit_name,
            )

            def way(case: EvaluationCase) -> ArmAnswer | None:
                known = setup.journal.cells.get(("tuned", case.key))
                return known or model.answer(
                    "tuned", case.key, row_messages(case), counts[case.key], case.tools
                )

            return measure_arms({"tuned": way}, setup.measure).progress_by_arm["tuned"]
    finally:
        chat.close()


def _recall(setup: PilotSetup, found: PassagesByCase) -> tuple[float | None, int]:
    """Count how often the source that a row names was among its passages."""
    named = [case for case in setup.measure.cases if case.source and case.key in found]
    if not named:
        return None, 0
    hits = sum(is_found(case.source or "", found[case.key]) for case in named)
    return hits / len(named), len(named)
