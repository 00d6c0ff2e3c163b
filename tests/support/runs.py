"""What the tests of runs share: a plan over tiny files, an office on any database, a clock."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import orjson
from sqlalchemy import Engine, event

from advisor.plan.training_plan import DataFile, Hyperparameters, PlannedCost, TrainingPlan
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from trainer.context import RetryLater, RunLimits, TrainerContext
from trainer.providers import adapter_for
from trainer.run_states import Run
from trainer.runs.reconcile import reconcile
from trainer.storage.database import open_database
from trainer.storage.ledger import Ledger
from trainer.storage.model_registry import Registry
from trainer.storage.run_store import RunStore

TEST_PROVIDER_YAML = """
providers:
  own:
    protocol: openai
    base_url: http://127.0.0.1:9/v1
    source: a server on loopback
    tuning:
    - base: tiny-model
      approach: managed_lora
      methods: [sft, dpo]
      windows: [{who: anyone, says: open, source: a test}]
      serving: per_token
      min_examples: 10
      tier: tiny
      source: a test
      read_on: 2026-11-20
prices:
  own/tiny-model/training:
    unit: USD/1M training tokens
    steps: [{since: 2026-01-01, value: 1.00, source: own quote (a test), read_on: 2026-11-20}]
"""


@dataclass
class FakeClock:
    """A clock that goes only where it is put; sleeping moves it."""

    wall: float = 1_795_000_000.0
    mono: float = 1000.0
    boot: str = "boot-1"
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.wall

    def ticks(self) -> float:
        return self.mono

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_(seconds)

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds


def write_rows(folder: Path, count: int = 20, text: str = "hello") -> tuple[Path, DataFile]:
    """Write canonical rows and describe them."""
    lines = [orjson.dumps({"messages": [{"role": "user", "content": f"{text} {n}"},
                                        {"role": "assistant", "content": f"answer {n}"}]})
             for n in range(count)]  # fmt: skip
    content = b"\n".join(lines) + b"\n"
    sha = hashlib.sha256(content).hexdigest()
    path = folder / f"{sha}.jsonl"
    path.write_bytes(content)
    return path, DataFile(sha256=sha, bytes=len(content), rows=count, tokens=count * 20,
                          longest_tokens=20)  # fmt: skip


def make_plan(book: PriceBook, data: DataFile, clock: FakeClock, provider: str = "own",
           base: str = "tiny-model", usd: str = "2.00", **more: object) -> TrainingPlan:  # fmt: skip
    """Make a plan whose figures are plain."""
    figure = PlannedCost(
        item=f"{provider}/{base}/training", price="1.00", unit="USD/1M training tokens",
        since="2026-01-01", source="own quote (a test)", read_on="2026-11-20", own=True,
        trained_tokens=1_000_000, trained_tokens_at_most=2_000_000, low="1.00", likely="1.00",
        at_most=usd, minimum=None,
    )  # fmt: skip
    body = {
        "provider": provider, "base_model": base, "method": "supervised",
        "hyperparameters": Hyperparameters(n_epochs=3), "training": data, "held_out": None,
        "sends_held_out": False, "source_sha256": "s", "dataset_sha256": data.sha256,
        "encoding": "o200k_base", "figure": figure, "cap_usd": usd, "serving": "per_token",
        "option_id": "x", "question_sha256": "q", "prices_sha256": book.sha256,
        "planned_at": datetime.fromtimestamp(clock.now(), tz=UTC).isoformat(), **more,
    }  # fmt: skip
    return TrainingPlan.model_validate(body)


@dataclass
class RunHarness:
    """An office with its parts at hand."""

    context: TrainerContext
    clock: FakeClock
    folder: Path
    data: DataFile

    def plan(self, **more: object) -> TrainingPlan:
        return make_plan(self.context.book, self.data, self.clock, **more)  # type: ignore[arg-type]

    def start(self, plan: TrainingPlan | None = None, **more: object) -> str:
        run_id, _ = self.context.store.start(plan or self.plan(**more))
        if (plan or self.plan(**more)).provider != "own":
            self.context.store.note(run_id, "consented", provider="x")
        return run_id

    def go(self, run_id: str, until: Callable[[Run], bool] | None = None, looks: int = 60) -> Run:
        """Reconcile again and again, letting the clock run through every pause."""
        for _ in range(looks):
            pause = reconcile(self.context, run_id)
            run = self.context.store.run(run_id)
            if pause is None or (until and until(run)):
                return run
            self.clock.pass_(pause.seconds)
        raise AssertionError(f"{run_id} is still {run.state}: {pause}")

    def look(self, run_id: str) -> RetryLater | None:
        return reconcile(self.context, run_id)

    def kinds(self, run_id: str) -> list[str]:
        return [event.kind for event in self.context.store.run(run_id).events]


OPEN_FIREWORKS_YAML = """
  fireworks:
    protocol: own
    base_url: https://api.fireworks.ai
    dedupe_key: supervisedFineTuningJobId
    source: a test
    tuning:
    - base: qwen3-8b
      approach: managed_lora
      methods: [sft, dpo]
      windows: [{who: anyone, says: open, source: a test}]
      serving: per_hour
      hosting_item: fireworks/qwen3-8b/hosting_hour
      gpu: H100_SXM
      served_like: open/Qwen/Qwen3-8B
      min_examples: 3
      tier: tiny
      source: a test
      read_on: 2026-11-20
"""
"""Managed training at Fireworks, as if it still took new jobs: its adapter stays tested."""


@lru_cache(maxsize=1)
def provider_book() -> PriceBook:
    """Return the price book with a provider of the tests in it; OWN_BASE_URL says where it is."""
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder) / "own.yaml"
        overlay.write_text(TEST_PROVIDER_YAML.replace("\nprices:", f"{OPEN_FIREWORKS_YAML}prices:"))
        return load_prices(overlay=overlay)


def sqlite_database(folder: Path) -> Engine:
    """Open an empty database that does not wait for the disk: no test cuts the power."""
    engine = open_database(f"sqlite:///{folder / 'state.db'}")
    event.listen(engine, "connect", lambda one, _: one.execute("PRAGMA synchronous=OFF"))
    engine.dispose()
    return engine


def open_run_harness(
    folder: Path, engine: Engine | None = None, limits: RunLimits | None = None
) -> RunHarness:
    """Open an office over a fake provider."""
    book, clock = provider_book(), FakeClock()
    engine = engine or sqlite_database(folder)
    _, data = write_rows(folder)
    context = TrainerContext(
        store=RunStore(engine, clock), ledger=Ledger(engine), registry=Registry(engine, clock), clock=clock, book=book,
        files=lambda sha: folder / f"{sha}.jsonl",
        adapter=lambda provider: adapter_for(provider, book),
        limits=replace(limits or RunLimits(), jitter_share=0.0),
    )  # fmt: skip
    return RunHarness(context, clock, folder, data)
