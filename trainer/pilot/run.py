"""Run of a pilot: measure every arm, within its budget, and keep every answer for a resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.errors import Refused
from trainer.local.run_folder import lock_file
from trainer.paid_calls.client import ChatClient, PaidChatModel, RetryPolicy
from trainer.paid_calls.cost import Bill, TokenPrices, token_prices
from trainer.paid_calls.endpoint import Endpoint, embedding_price, find_endpoint
from trainer.paid_calls.journal import (
    ArmAnswer,
    BudgetExhausted,
    PaidCallJournal,
    ReservedBudget,
    reserve_budgets,
)
from trainer.pilot.cases import EvaluationCase
from trainer.pilot.corpus import Passage
from trainer.pilot.cost import pilot_bill, prompt_token_counts, texts_to_embed, tuned_prices
from trainer.pilot.embeddings import CachedVectors, LocalEmbedder, RemoteEmbedder
from trainer.pilot.measure import AnswerCase, ArmMeasurements, ArmProgress, measure_arms
from trainer.pilot.retrieval import Bm25Index, Floats, Retriever, is_found
from trainer.pilot.settings import ArmName
from trainer.pilot.setup import PilotSetup
from trainer.pilot.tuned_arm import baseline_answers, local_answers, tune
from trainer.run_states import Run


@dataclass(frozen=True)
class PilotRun:
    """Outcome of a pilot."""

    setup: PilotSetup
    measured: ArmMeasurements
    recall: float | None
    """Share of questions whose named source was retrieved; None if no row names one."""
    recall_rows: int


def run_pilot(
    setup: PilotSetup, context: TrainerContext, agree: Callable[[PilotSetup, Bill], None]
) -> PilotRun:
    """Measure every arm; nothing is sent before *agree* returns, which raises to stop.

    Raises:
        Refused: it may cost more than the cap, or another process runs this pilot.
        OverBudget: a cap of the ledger would be exceeded; nothing was sent.
        Unreachable: a provider does not answer; the answers so far are saved.
    """
    with lock_file(setup.folder / "lock") as lock:
        if lock is None:
            raise Refused(f"{setup.folder.name}: another process runs it. Wait until it ends.")
        # read again under the lock: another process may have added answers since
        setup = replace(setup, journal=PaidCallJournal.read(setup.journal.path))
        session = _PilotSession(setup, context)
        session.check()
        bill = session.bill
        if bill.at_most or any(part.requests for part in bill.parts):
            agree(setup, bill)
        with setup.journal.file:
            return session.run()


class _PilotSession:
    """One pass over the arms, with the bill that its reservations follow."""

    def __init__(self, setup: PilotSetup, context: TrainerContext) -> None:
        self.setup, self.context = setup, context
        self.day = utc_datetime(context.clock.now()).date()
        is_trained = setup.plan is not None and context.store.run_of(setup.plan) is not None
        self.bill = pilot_bill(setup, context.book, self.day, is_trained)
        self.retrieved: dict[str, tuple[Passage, ...]] = {}
        """Case -> passages that go before its question."""

    def check(self) -> None:
        """Check the cap and the API keys before consent is requested."""
        setup, bill = self.setup, self.bill
        spent = setup.journal.usd()
        if bill.at_most + spent > setup.request.cap:
            before = f" in addition to {spent:.2f} USD spent before" if spent else ""
            raise Refused(
                f"the pilot may cost up to {bill.at_most} USD{before}, and the cap is "
                f"{setup.request.cap}. Raise it, or give fewer --rows or --arms."
            )
        for endpoint in (setup.chat, setup.embed):
            if isinstance(endpoint, Endpoint) and endpoint.provider in bill.providers:
                endpoint.key()

    def run(self) -> PilotRun:
        """Measure the arms, those that train last."""
        setup = self.setup
        measured = self._measure_prompted()
        progress: dict[ArmName, ArmProgress] = dict(measured.progress_by_arm)
        if "plain" in setup.settings.arms:
            progress["plain"] = setup.measure.from_answers(
                baseline_answers(setup.held.shown, setup.measure.cases)
            )
        if setup.plan is not None:
            local = setup.plan.local is not None
            run = tune(self.context, setup.plan, None if local else setup.plan.provider)
            progress["tuned"] = (
                setup.measure.from_answers(local_answers(run, setup.measure.cases))
                if local
                else self._measure_tuned(run)
            )
        ordered = {arm: progress[arm] for arm in setup.settings.arms}
        return PilotRun(setup, ArmMeasurements(ordered, measured.stopped), *self._recall())

    def _measure_prompted(self) -> ArmMeasurements:
        """Measure the arms of the chat model; chat and embedding have a budget per provider."""
        setup, book = self.setup, self.context.book
        # a training reserves its own amount, and the tuned model comes after it
        parts = tuple(p for p in self.bill.parts if p.what not in ("tuned", "training"))
        bill = Bill(parts)
        amounts = {provider: bill.at_most_for(provider) for provider in bill.providers}
        with reserve_budgets(self.context, setup.journal, "pilot", amounts) as budgets:
            if "rag" in setup.prompted_arms:
                self.retrieved = self._retrieve(budgets)
            if setup.chat is None:
                return ArmMeasurements({}, "")
            prices = token_prices(setup.chat.id, book, self.day)
            with self._model(setup.chat, prices, budgets) as model:
                return self._measure(setup.prompted_arms, model)

    def _measure_tuned(self, run: Run) -> ArmProgress:
        """Measure a model that was tuned at a provider."""
        plan, book = self.setup.plan, self.context.book
        assert plan is not None
        model_id, scenario = f"{plan.provider}/{run.tuned_model}", self.setup.question.scenario
        endpoint = find_endpoint("--option", model_id, None, book, scenario)
        part = next(part for part in self.bill.parts if part.what == "tuned")
        amounts = {plan.provider: part.at_most} if part.requests else {}
        prices = tuned_prices(plan, book, self.day)
        with (
            reserve_budgets(self.context, self.setup.journal, "pilot", amounts) as budgets,
            self._model(endpoint, prices, budgets) as model,
        ):
            return self._measure(("tuned",), model).progress_by_arm["tuned"]

    @contextmanager
    def _model(
        self, endpoint: Endpoint, prices: TokenPrices, budgets: Mapping[str, ReservedBudget]
    ) -> Iterator[PaidChatModel | None]:
        """Open a model; None if no request to it is left."""
        budget = budgets.get(endpoint.provider)
        if budget is None:
            yield None
            return
        with closing(ChatClient(endpoint.base_url, endpoint.key())) as client:
            policy = RetryPolicy(endpoint.provider, self.context.clock)
            limit = (self.setup.settings.max_answer_tokens, endpoint.limit_name)
            yield PaidChatModel(endpoint.model, client, prices, budget, policy, *limit)

    def _measure(self, arms: tuple[ArmName, ...], model: PaidChatModel | None) -> ArmMeasurements:
        answer_by_arm: dict[ArmName, AnswerCase] = {
            arm: partial(self._answer, model, arm, prompt_token_counts(self.setup, arm))
            for arm in arms
        }
        return measure_arms(answer_by_arm, self.setup.measure)

    def _answer(
        self,
        model: PaidChatModel | None,
        arm: ArmName,
        counts: Mapping[str, int],
        case: EvaluationCase,
    ) -> ArmAnswer | None:
        known = self.setup.journal.answers.get((arm, case.key))
        if known is not None or model is None:
            return known
        messages = self.setup.prompts.messages(arm, case, self.retrieved.get(case.key, ()))
        return model.answer(arm, case.key, messages, counts[case.key], case.tools)

    def _retrieve(self, budgets: Mapping[str, ReservedBudget]) -> dict[str, tuple[Passage, ...]]:
        """Retrieve the passages of every case."""
        setup, vectors = self.setup, self._vectors(budgets)
        count = len(setup.passages)
        index = Bm25Index([passage.text for passage in setup.passages])
        known = None if vectors is None else vectors[:count]
        retriever = Retriever(setup.passages, index, known, setup.settings.top_k)
        return {
            case.key: retriever.find(
                case.question, None if vectors is None else vectors[count + place]
            )
            for place, case in enumerate(setup.measure.cases)
        }

    def _vectors(self, budgets: Mapping[str, ReservedBudget]) -> Floats | None:
        """Embed passages and questions; None without an embedding model."""
        setup, embed = self.setup, self.setup.embed
        if embed is None:
            return None
        texts, counts = texts_to_embed(setup)
        if isinstance(embed, Path):
            # one batch: each process would load the encoder again
            return CachedVectors(setup.vectors_path, LocalEmbedder(embed), len(texts)).of(
                texts, counts
            )
        budget = budgets.get(embed.provider) or ReservedBudget(setup.journal, "", Decimal(0))
        price = embedding_price(embed, self.context.book, self.day)
        policy = RetryPolicy(embed.provider, self.context.clock)
        with closing(ChatClient(embed.base_url, embed.key())) as client:
            embedder = RemoteEmbedder(embed.model, client, price, budget, policy)
            try:
                return CachedVectors(setup.vectors_path, embedder).of(texts, counts)
            except BudgetExhausted:
                raise Refused(
                    f"{embedder.name}: the next vectors might exceed the reserved amount. The "
                    "vectors so far are saved: run the command again."
                ) from None

    def _recall(self) -> tuple[float | None, int]:
        """Return how often the source that a row names was retrieved, and for how many rows."""
        cases = [
            case for case in self.setup.measure.cases if case.source and case.key in self.retrieved
        ]
        if not cases:
            return None, 0
        hits = sum(is_found(case.source or "", self.retrieved[case.key]) for case in cases)
        return hits / len(cases), len(cases)
