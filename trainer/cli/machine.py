"""`trainer doctor`: checks of everything a launch needs. `trainer probe`: speed of this machine."""

from __future__ import annotations

import importlib.util
import os
from typing import Annotated

import typer

from advisor.cli.flags import PricesFlag
from advisor.console import print_text, write_json
from advisor.errors import UsageError
from advisor.prices.loader import load_prices
from trainer.cli.flags import JsonFlag
from trainer.clock import SystemClock, utc_datetime
from trainer.context import open_context
from trainer.errors import TrainerError
from trainer.home import home_folder
from trainer.local.process import devices
from trainer.plan.local import REQUIRED_PACKAGES
from trainer.plan.probe import Probe, measure_machine, save_probe
from trainer.providers import api_key_checks
from trainer.security.redact import redact
from trainer.storage.database import database_url, schema_version

MIN_QUARANTINE_SECONDS = 900
MAX_PROBE_SECONDS = 300.0


def run_doctor() -> None:
    """Check each part, and print the result.

    Raises:
        TrainerError: the home folder cannot be written.
    """
    folder = home_folder()
    if not os.access(folder, os.W_OK):
        raise TrainerError(f"{folder}: cannot be written. Set TUNE_OR_NOT_HOME to another folder.")
    context = open_context()
    database = redact(database_url().split("@")[-1])
    _print_check("home", True, str(folder))
    _print_check("database", True, f"{database}, schema {schema_version(context.store.engine)}")
    _print_check("prices", True, f"{len(context.book.prices.series)} series")
    limits = context.limits
    _print_check(
        "waits",
        limits.quarantine_seconds >= MIN_QUARANTINE_SECONDS,
        f"quarantine {limits.quarantine_seconds:g} s, poll {limits.poll_seconds:g} s",
    )
    for name, is_found, text in api_key_checks(context.book):
        _print_check(name, is_found, f"API key found for {text}" if is_found else text)
    open_runs = context.store.listed(open_only=True)
    unattended = sum(not run.watched for run in open_runs)
    _print_check(
        "runs", not unattended, f"{len(open_runs)} open, {unattended} that no process is advancing"
    )


def _print_check(name: str, passed: bool, text: str) -> None:
    print_text(f"{'ok' if passed else '--'}  {name:<16} {text}")


def probe_machine(
    gpu: Annotated[
        str | None, typer.Option(help="GPU of this machine, as named in the price book.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time limit for starting trainings.")] = 30.0,
    as_json: JsonFlag = False,
    prices: PricesFlag = None,
) -> None:
    """Measure this machine, store the result, and print it.

    Raises:
        UsageError: --gpu does not match this machine, or --seconds is out of range.
    """
    if not 1.0 <= seconds <= MAX_PROBE_SECONDS:
        raise UsageError(
            f"--seconds {seconds:g}",
            f"expected a number from 1 to {MAX_PROBE_SECONDS:g}.",
            "Set it to 30, for example.",
        )
    missing = [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            "trainer probe",
            f"packages not installed: {', '.join(missing)}.",
            "Install the extra: pip install 'tune-or-not[local]'.",
        )
    has_gpu = devices() != ["cpu"]
    if has_gpu != (gpu not in (None, "cpu")):
        raise UsageError(
            f"--gpu {gpu or ''}".strip(),
            f"this machine has {'a GPU' if has_gpu else 'no GPU'}.",
            "Give its GPU as named in the price book, or leave --gpu out if it has none.",
        )
    known = load_prices(prices).gpu(gpu) if gpu and gpu != "cpu" else None
    day = utc_datetime(SystemClock().now()).date().isoformat()
    probe = measure_machine(gpu or "cpu", known, seconds, day)
    save_probe(probe)
    if as_json:
        write_json(probe.model_dump())
    else:
        show_probe(probe)


def show_probe(probe: Probe) -> None:
    """Print a probe as text."""
    speeds = probe.as_speeds
    for name, text in (
        ("machine", f"{probe.machine}: {probe.device}, {probe.threads} threads"),
        ("matmul", f"{speeds.matmul / 1e9:,.1f} GFLOP/s"),
        ("attention", f"{speeds.attention / 1e9:,.1f} GFLOP/s"),
        ("memory", f"{speeds.bandwidth / 1e9:,.1f} GB/s"),
        ("launch", f"{speeds.launch_seconds * 1e3:.2f} ms per layer and pass"),
        ("step", f"{speeds.step_seconds * 1e3:.1f} ms overhead"),
        ("checkpoint", f"at least {probe.save_seconds:.2f} s, more with its size"),
        ("process", f"{probe.own_bytes / 2**20:,.0f} MiB in addition to tensors"),
        ("fit", f"within {probe.worst_miss:.0%} of {probe.trainings} short trainings"),
        ("took", f"{probe.seconds:.0f} s"),
    ):
        print_text(f"{name:<10} {text}")
    print_text("\nPlans for this machine use it from now on.")
