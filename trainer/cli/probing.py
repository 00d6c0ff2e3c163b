"""`trainer probe`: what this machine was measured to do, as text or JSON."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

from advisor.book_file import load_book
from advisor.cli.console import console
from advisor.errors import UsageError
from trainer.clock import SystemClock, moment
from trainer.local.process import devices
from trainer.local_plan import NEEDED
from trainer.probing import Probe, keep, measure

LONGEST = 300.0


def probe(gpu: str | None, seconds: float, as_json: bool, prices: Path | None) -> None:
    """Measure this machine, keep what was found, and show it.

    Raises:
        UsageError: the GPU is not named, or the time is no time.
    """
    if not 1.0 <= seconds <= LONGEST:
        raise UsageError(f"--seconds {seconds:g}", f"it is from 1 to {LONGEST:g}.", "Give 30.")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError("a probe", f"not installed: {', '.join(missing)}.",
                         "Install the extra: pip install 'tune-or-not[local]'.")  # fmt: skip
    here = devices()
    if (here == ["cpu"]) != (gpu in (None, "cpu")):
        found = "no GPU" if here == ["cpu"] else "a GPU"
        raise UsageError(f"--gpu {gpu or ''}".strip(), f"this machine has {found}.",
                         "Name its GPU as the price book does, or none.")  # fmt: skip
    known = load_book(prices).gpu(gpu) if gpu and gpu != "cpu" else None
    day = moment(SystemClock().now()).date().isoformat()
    made = measure(gpu or "cpu", known, seconds, day)
    keep(made)
    if as_json:
        sys.stdout.write(json.dumps(made.model_dump(), indent=2, sort_keys=True) + "\n")
    else:
        show(made)


def show(made: Probe) -> None:
    """Write a probe as a person reads it."""
    speeds = made.as_speeds
    for name, says in (
        ("machine", f"{made.machine}: {made.device}, {made.threads} threads"),
        ("products", f"{speeds.matmul / 1e9:,.1f} GFLOP/s"),
        ("attention", f"{speeds.attention / 1e9:,.1f} GFLOP/s"),
        ("memory", f"{speeds.bandwidth / 1e9:,.1f} GB/s"),
        ("launching", f"{speeds.launch_seconds * 1e3:.2f} ms a layer and pass"),
        ("a step", f"{speeds.step_seconds * 1e3:.1f} ms beside"),
        ("checkpoint", f"{made.save_seconds:.2f} s and more with its size"),
        ("process", f"{made.own_bytes / 2**20:,.0f} MiB beside tensors"),
        ("fit", f"within {made.worst_miss:.0%} of {made.trainings} short trainings"),
        ("took", f"{made.seconds:.0f} s"),
    ):
        console().print(f"{name:<10} {says}", soft_wrap=True)
    console().print("\nPlans for this machine use it from now on.")
