"""`trainer doctor`: is everything here that a launch needs, and what is not, and what to do.

`trainer probe`: what this machine was measured to do, as text or JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

from advisor.console import console
from advisor.errors import AdvisorError, UsageError
from advisor.prices.loader import load_prices
from trainer.clock import SystemClock, utc_datetime
from trainer.context import open_context
from trainer.errors import TrainerError
from trainer.home import home_folder
from trainer.local.process import devices
from trainer.plan.local import REQUIRED_PACKAGES
from trainer.plan.probe import Probe, measure_machine, save_probe
from trainer.providers import NATIVE_PROVIDERS, base_url_of
from trainer.security.api_keys import api_key_for
from trainer.security.redact import redact
from trainer.storage.database import database_url, schema_version


def run_doctor() -> None:
    """Look at each part, and say what is wrong.

    Raises:
        TrainerError: a part without which nothing can be started is broken.
    """
    folder = home_folder()
    if not os.access(folder, os.W_OK):
        raise TrainerError(f"{folder}: cannot be written. Set TUNE_OR_NOT_HOME to one that can.")
    context = open_context()
    shown = redact(database_url().split("@")[-1])
    _print_check("home", True, str(folder))
    _print_check("database", True, f"{shown}, schema {schema_version(context.store.engine)}")
    _print_check("prices", True, f"{len(context.book.prices.series)} series")
    waits = context.limits
    _print_check(
        "waits",
        waits.quarantine_seconds >= 900,
        f"quarantine {waits.quarantine_seconds:g} s, poll {waits.poll_seconds:g} s",
    )
    for name, provider in sorted(context.book.providers.items()):
        if provider.protocol != "openai" and name not in NATIVE_PROVIDERS:
            continue
        try:
            url = base_url_of(name, context.book)
            api_key_for(name, url)
            _print_check(name, True, f"key found, for {url}")
        except AdvisorError as error:
            _print_check(name, False, str(error))
    open_runs = context.store.listed(open_only=True)
    alone = sum(not one.watched for one in open_runs)
    _print_check("runs", not alone, f"{len(open_runs)} open, {alone} that nobody is watching")


def _print_check(name: str, good: bool, says: str) -> None:
    console().print(f"{'ok' if good else '--'}  {name:<16} {says}", soft_wrap=True)


MAX_SECONDS = 300.0


def probe_machine(gpu: str | None, seconds: float, as_json: bool, prices: Path | None) -> None:
    """Measure this machine, keep what was found, and show it.

    Raises:
        UsageError: the GPU is not named, or the time is no time.
    """
    if not 1.0 <= seconds <= MAX_SECONDS:
        raise UsageError(f"--seconds {seconds:g}", f"it is from 1 to {MAX_SECONDS:g}.", "Give 30.")
    missing = [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            "a probe",
            f"not installed: {', '.join(missing)}.",
            "Install the extra: pip install 'tune-or-not[local]'.",
        )
    here = devices()
    if (here == ["cpu"]) != (gpu in (None, "cpu")):
        found = "no GPU" if here == ["cpu"] else "a GPU"
        raise UsageError(
            f"--gpu {gpu or ''}".strip(),
            f"this machine has {found}.",
            "Name its GPU as the price book does, or none.",
        )
    known = load_prices(prices).gpu(gpu) if gpu and gpu != "cpu" else None
    day = utc_datetime(SystemClock().now()).date().isoformat()
    made = measure_machine(gpu or "cpu", known, seconds, day)
    save_probe(made)
    if as_json:
        sys.stdout.write(json.dumps(made.model_dump(), indent=2, sort_keys=True) + "\n")
    else:
        show_probe(made)


def show_probe(made: Probe) -> None:
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
