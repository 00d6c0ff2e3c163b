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

    ready: PilotSetup
    measured: ArmMeasurements
    recall: float | None
    """Share of the questions whose named source was found; none where no row names one."""
    recall_rows: int
    run: Run | None
    """The training, where there was one."""


def run_pilot(
    ready: PilotSetup, office: TrainerContext, agree: Callable[[PilotSetup, Bill], None]
) -> PilotRun:
    """Measure every arm; nothing is sent before *agree* returns.

    Args:
        ready: The pilot, laid out.
        office: Its ledger, clock and runs.
        agree: Told what it costs and what leaves; raises to stop.

    Raises:
        Refused: it may cost more than the cap, or another process is at it.
        OverBudget: a cap of the ledger would be passed; nothing was sent.
        Unreachable: somebody does not answer; what was answered is kept.
    """
    with lock_file(ready.folder / "lock") as lock:
        if lock is None:
            raise Refused(f"{ready.folder.name}: another process is at it. Wait for its end.")
        # what another process heard until now counts
        ready = replace(ready, journal=PilotJournal.read(ready.folder / "rows.jsonl"))
        trained = ready.plan is not None and office.store.run_of(ready.plan) is not None
        bill = pilot_bill(ready, office.book, utc_datetime(office.clock.now()).date(), trained)
        _check_cap(ready, bill)
        _check_keys(ready, bill)
        if bill.at_most or any(part.requests for part in bill.parts):
            agree(ready, bill)
        found: dict[str, tuple[Passage, ...]] = {}
        with ready.journal.writing():
            measured = _ask(ready, office, bill, found)
            tracks: dict[ArmName, ArmProgress] = dict(measured.tracks)
            if "plain" in ready.recipe.arms:
                tracks["plain"] = ready.measure.of_all(
                    baseline_answers(ready.held.shown, ready.measure.cases)
                )
            run = _tuned(ready, office, bill, tracks)
    ordered = {arm: tracks[arm] for arm in ready.recipe.arms}
    return PilotRun(ready, replace(measured, tracks=ordered), *_recall(ready, found), run)


def _check_keys(ready: PilotSetup, bill: Bill) -> None:
    """See that there is a key for everybody who is asked, before anything is agreed to."""
    for asked in (ready.chat, ready.embed):
        if isinstance(asked, Endpoint) and asked.provider in bill.providers:
            asked.key()


def _check_cap(ready: PilotSetup, bill: Bill) -> None:
    spent = ready.journal.usd()
    if bill.at_most + spent > ready.wanted.cap:
        before = f" after {spent:.2f} USD that were spent before" if spent else ""
        raise Refused(
            f"the pilot may cost up to {bill.at_most} USD{before}, and the cap is "
            f"{ready.wanted.cap}. Raise it, or give fewer --rows or --arms."
        )


def _ask(
    ready: PilotSetup, office: TrainerContext, bill: Bill, found: dict[str, tuple[Passage, ...]]
) -> ArmMeasurements:
    """Ask the arms of the chat model; its provider and that of the embedding are paid apart."""
    bill = Bill(tuple(part for part in bill.parts if part.what != "tuned"))
    amounts = {one: bill.at_most_of(one) for one in bill.providers}
    with reserve_budgets(office, ready.journal, amounts) as paid:
        if "rag" in ready.spoken:
            found |= _retrieve(ready, office, paid)
        if ready.chat is None:
            return ArmMeasurements({}, "")
        with _model(ready, ready.chat, office, paid) as model:
            ways: dict[ArmName, AnswerCase] = {
                arm: partial(_answer, ready, model, arm, prompt_token_counts(ready, arm), found)
                for arm in ready.spoken
            }
            return measure_arms(ways, ready.measure)


@contextmanager
def _model(
    ready: PilotSetup, asked: Endpoint, office: TrainerContext, paid: Mapping[str, ReservedBudget]
) -> Iterator[PaidChatModel | None]:
    """Open the way to the chat model; none where nothing is left to ask."""
    purse = paid.get(asked.provider)
    if purse is None:
        yield None
        return
    day = utc_datetime(office.clock.now()).date()
    chat = ChatClient(asked.base_url, asked.key())
    try:
        yield PaidChatModel(
            asked.model,
            chat,
            tariff_for(asked, office.book, day),
            purse,
            office.clock,
            RetryPolicy(asked.provider, office.clock),
            ready.recipe.max_answer_tokens,
            asked.limit_name,
        )
    finally:
        chat.close()


def _answer(
    ready: PilotSetup,
    model: PaidChatModel | None,
    arm: ArmName,
    counts: Mapping[str, int],
    found: PassagesByCase,
    case: EvaluationCase,
) -> ArmAnswer | None:
    known = ready.journal.cells.get((arm, case.key))
    if known is not None or model is None:
        return known
    messages = ready.prompts.messages(arm, case, found.get(case.key, ()))
    return model.answer(arm, case.key, messages, counts[case.key], case.tools)


def _retrieve(
    ready: PilotSetup, office: TrainerContext, paid: Mapping[str, ReservedBudget]
) -> PassagesByCase:
    """Find the passages of every case."""
    vectors: Floats | None = None
    texts, counts = texts_to_embed(ready)
    embedder = _embedder(ready, office, paid)
    if embedder is not None:
        size = len(texts) if isinstance(embedder, LocalEmbedder) else BATCH_TEXTS
        try:
            vectors = CachedVectors(ready.vectors_path, embedder, size).of(texts, counts)
        except BudgetExhausted:
            raise Refused(
                f"{embedder.named}: the next vectors might pass what was set aside. What "
                "was made is kept: say it again."
            ) from None
    return _passages(ready, vectors)


def _passages(ready: PilotSetup, vectors: Floats | None) -> PassagesByCase:
    count = len(ready.passages)
    words = Bm25Index([one.text for one in ready.passages])
    retriever = Retriever(
        ready.passages, words, None if vectors is None else vectors[:count], ready.recipe.top_k
    )
    return {
        case.key: retriever.find(case.question, None if vectors is None else vectors[count + place])
        for place, case in enumerate(ready.measure.cases)
    }


def _embedder(
    ready: PilotSetup, office: TrainerContext, paid: Mapping[str, ReservedBudget]
) -> Embedder | None:
    if isinstance(ready.embed, Path):
        return LocalEmbedder(ready.embed)
    if ready.embed is None:
        return None
    day, embed = utc_datetime(office.clock.now()).date(), ready.embed
    purse = paid.get(embed.provider) or ReservedBudget(ready.journal, "", ready.wanted.cap * 0)
    return RemoteEmbedder(
        embed.model,
        embed.base_url,
        embed.key(),
        embedding_price(embed, office.book, day),
        purse,
        RetryPolicy(embed.provider, office.clock),
    )


def _tuned(
    ready: PilotSetup, office: TrainerContext, bill: Bill, tracks: dict[ArmName, ArmProgress]
) -> Run | None:
    """Tune, and have the tuned model answer: here with its run, else by its provider."""
    plan = ready.plan
    if plan is None:
        return None
    run = tune(office, plan, None if plan.local else plan.provider)
    if plan.local is not None:
        tracks["tuned"] = ready.measure.of_all(local_answers(run, ready.measure.cases))
        return run
    tracks["tuned"] = _tuned_remotely(ready, office, bill, run)
    return run


def _tuned_remotely(ready: PilotSetup, office: TrainerContext, bill: Bill, run: Run) -> ArmProgress:
    assert ready.plan is not None
    provider, day = ready.plan.provider, utc_datetime(office.clock.now()).date()
    asked = find_endpoint(
        "--option", f"{provider}/{run.tuned_model}", None, office.book, ready.question.scenario
    )
    tariff = tariff_of(f"{provider}/{ready.plan.base_model}", office.book, day, tuned=True)
    counts = tuned_token_counts(ready)
    part = next(part for part in bill.parts if part.what == "tuned")
    chat = ChatClient(asked.base_url, asked.key())
    try:
        with reserve_budgets(office, ready.journal, {provider: part.at_most}) as paid:
            model = PaidChatModel(
                asked.model,
                chat,
                tariff,
                paid[provider],
                office.clock,
                RetryPolicy(provider, office.clock),
                ready.recipe.max_answer_tokens,
                asked.limit_name,
            )

            def way(case: EvaluationCase) -> ArmAnswer | None:
                known = ready.journal.cells.get(("tuned", case.key))
                return known or model.answer(
                    "tuned", case.key, row_messages(case), counts[case.key], case.tools
                )

            return measure_arms({"tuned": way}, ready.measure).tracks["tuned"]
    finally:
        chat.close()


def _recall(ready: PilotSetup, found: PassagesByCase) -> tuple[float | None, int]:
    """Count how often the source that a row names was among its passages."""
    named = [case for case in ready.measure.cases if case.source and case.key in found]
    if not named:
        return None, 0
    hits = sum(is_found(case.source or "", found[case.key]) for case in named)
    return hits / len(named), len(named)
