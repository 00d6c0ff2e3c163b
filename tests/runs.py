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

from advisor.book_file import load_book
from advisor.catalog import Book
from advisor.plan import DataFile, Figure, Hyperparameters, TrainingPlan
from trainer.database import open_database
from trainer.ledger import Ledger
from trainer.office import Limits, Office, Pause
from trainer.providers import adapter_for
from trainer.reconcile import reconcile
from trainer.registry import Registry
from trainer.states import Run
from trainer.store import Store

OWN_PROVIDER = """
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


def rows(folder: Path, count: int = 20, text: str = "hello") -> tuple[Path, DataFile]:
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


def a_plan(book: Book, data: DataFile, clock: FakeClock, provider: str = "own",
           base: str = "tiny-model", usd: str = "2.00", **more: object) -> TrainingPlan:  # fmt: skip
    """Make a plan whose figures are plain."""
    figure = Figure(
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
class Desk:
    """An office with its parts at hand."""

    office: Office
    clock: FakeClock
    folder: Path
    data: DataFile

    def plan(self, **more: object) -> TrainingPlan:
        return a_plan(self.office.book, self.data, self.clock, **more)  # type: ignore[arg-type]

    def start(self, plan: TrainingPlan | None = None, **more: object) -> str:
        run_id, _ = self.office.store.start(plan or self.plan(**more))
        if (plan or self.plan(**more)).provider != "own":
            self.office.store.note(run_id, "consented", provider="x")
        return run_id

    def go(self, run_id: str, until: Callable[[Run], bool] | None = None, looks: int = 60) -> Run:
        """Reconcile again and again, letting the clock run through every pause."""
        for _ in range(looks):
            pause = reconcile(self.office, run_id)
            run = self.office.store.run(run_id)
            if pause is None or (until and until(run)):
                return run
            self.clock.pass_(pause.seconds)
        raise AssertionError(f"{run_id} is still {run.state}: {pause}")

    def look(self, run_id: str) -> Pause | None:
        return reconcile(self.office, run_id)

    def kinds(self, run_id: str) -> list[str]:
        return [event.kind for event in self.office.store.run(run_id).events]


@lru_cache(maxsize=1)
def own_book() -> Book:
    """Return the price book with a provider of the tests in it; OWN_BASE_URL says where it is."""
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder) / "own.yaml"
        overlay.write_text(OWN_PROVIDER)
        return load_book(overlay=overlay)


def sqlite_database(folder: Path) -> Engine:
    """Open an empty database that does not wait for the disk: no test cuts the power."""
    engine = open_database(f"sqlite:///{folder / 'state.db'}")
    event.listen(engine, "connect", lambda one, _: one.execute("PRAGMA synchronous=OFF"))
    engine.dispose()
    return engine


def a_desk(folder: Path, engine: Engine | None = None, limits: Limits | None = None) -> Desk:
    """Open an office over a fake provider."""
    book, clock = own_book(), FakeClock()
    engine = engine or sqlite_database(folder)
    _, data = rows(folder)
    office = Office(
        store=Store(engine, clock), ledger=Ledger(engine), registry=Registry(engine, clock), clock=clock, book=book,
        files=lambda sha: folder / f"{sha}.jsonl",
        adapter=lambda provider: adapter_for(provider, book),
        limits=replace(limits or Limits(), jitter_share=0.0),
    )  # fmt: skip
    return Desk(office, clock, folder, data)
