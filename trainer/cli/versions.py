"""Commands on model versions and on the disk.

`trainer merge`: a tuned adapter made one with its base, and the command that serves it.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path

from advisor.console import console, plain_table, write_json
from advisor.errors import UsageError, did_you_mean
from trainer.clock import utc_datetime
from trainer.context import open_context
from trainer.errors import Refused
from trainer.home import HomeEntry, home_folder
from trainer.local.process import environment
from trainer.local.run_folder import RunFolder
from trainer.local.worker import SCRIPTS
from trainer.storage import cleanup
from trainer.storage.model_registry import Registry
from trainer.storage.model_version import ModelVersion
from trainer.storage.run_store import RunStore

KINDS: tuple[cleanup.DeletionKind, ...] = ("dataset", "run", "version")


def _open_stores() -> tuple[RunStore, Registry]:
    store = open_context().store
    return store, Registry(store.engine, store.clock)


def show_versions(name: str | None, as_json: bool, ending: str | None = None) -> None:
    """List versions, of one name or all, or those that their provider ends by a day."""
    _, registry = _open_stores()
    listed = registry.listed(name)
    if ending is not None:
        hit = {one.version_id for one in registry.ending(_day(ending))}
        listed = tuple(one for one in listed if one.version_id in hit)
    if as_json:
        return write_json([asdict(one) | {"verdict": one.verdict} for one in listed])
    if not listed:
        names = {one.name for one in registry.listed()}
        which = "yet" if name is None else f"of the name {name}"
        return console().print(f"No version {which}.{did_you_mean(name, names) if name else ''}")
    rows = [_row(one) for one in listed]
    head = ("version", "stage", "made (UTC)", "base", "provider", "verdict", "score", "USD", "ends")
    console().print(plain_table(head, rows, {"score", "USD"}))
    return None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--ending {text}", "this is no day.", "Write 2027-01-14.") from error


def _row(one: ModelVersion) -> tuple[str, ...]:
    score = (one.evaluation or {}).get("score")
    return (
        one.version_id,
        one.stage,
        utc_datetime(one.made_at).strftime("%Y-%m-%d %H:%M"),
        one.base_model,
        one.provider,
        one.verdict or "not measured",
        f"{score:.3f}" if isinstance(score, int | float) else "",
        "" if one.usd is None else str(one.usd),
        str(one.shutdown_on or ""),
    )


def promote_version(named: str, by: str, anyway: bool) -> None:
    """Make a version the champion of its name."""
    _, registry = _open_stores()
    _print_version(registry.promote(named, by, anyway))


def rollback_model(name: str, by: str) -> None:
    """Make the champion before this one champion again."""
    _, registry = _open_stores()
    _print_version(registry.rollback(name, by))


def retire_version(named: str, by: str) -> None:
    """Take a version out of use."""
    _, registry = _open_stores()
    _print_version(registry.retire(named, by))


def _print_version(version: ModelVersion) -> None:
    says = f"{version.version_id} is {version.stage}: {version.model}"
    console().print(says, soft_wrap=True)


def compare_versions(a: str, b: str, as_json: bool) -> None:
    """Lay two versions side by side."""
    _, registry = _open_stores()
    rows = registry.compare(a, b)
    if as_json:
        return write_json([{"what": what, "a": one, "b": other} for what, one, other in rows])
    console().print(
        plain_table(
            ("", "a", "b", ""),
            [(what, one, other, "" if one == other else "differs") for what, one, other in rows],
            set(),
        )
    )
    return None


def delete_garbage(dry_run: bool, as_json: bool) -> None:
    """Delete what nothing refers to any more, or say what would go."""
    store, registry = _open_stores()
    home = home_folder()
    pieces = cleanup.garbage(home, store, registry)
    freed = cleanup.collect_garbage(home, store, registry, dry_run)
    if as_json:
        return write_json({"dry_run": dry_run, "bytes": freed, "pieces": _entry_dicts(pieces)})
    _print_entries(pieces)
    says = "would be freed" if dry_run else "freed"
    console().print(f"{freed} bytes {says}")
    return None


def show_disk(as_json: bool) -> None:
    """List what lies in the home folder, and who needs it."""
    store, registry = _open_stores()
    pieces = cleanup.disk_usage(home_folder(), store, registry)
    if as_json:
        return write_json(_entry_dicts(pieces))
    _print_entries(pieces)
    console().print(f"{sum(piece.bytes for piece in pieces)} bytes in {home_folder()}")
    return None


def delete_item(kind: str, name: str, yes: bool) -> None:
    """Delete a dataset, a run or a version everywhere, once its name was typed."""
    what = next((one for one in KINDS if one == kind), None)
    if what is None:
        raise UsageError(
            f"delete {kind}", "this is nothing that is deleted.", did_you_mean(kind, KINDS).strip()
        )
    store, registry = _open_stores()
    home = home_folder()
    going = cleanup.plan_deletion(what, name, home, store, registry)
    _print_entries(going.pieces)
    for label, names in (("versions", going.versions), ("words of runs", going.runs)):
        if names:
            console().print(f"{label}: {', '.join(names)}", soft_wrap=True)
    for one in map(registry.version, going.versions):
        if one.kind == "remote":
            console().print(
                f"{one.model} stays at {one.provider}: delete it there.", soft_wrap=True
            )
    if not yes:
        sys.stdout.write(f"Type {name} to delete this for good; the ledger keeps its lines: ")
        sys.stdout.flush()
        if sys.stdin.readline().strip() != name:
            raise Refused("the name was not typed: nothing was deleted.")
    cleanup.delete_everywhere(what, name, home, store, registry)
    console().print(f"{what} {name} is deleted: {sum(p.bytes for p in going.pieces)} bytes")


def _print_entries(pieces: list[HomeEntry] | tuple[HomeEntry, ...]) -> None:
    rows = [(piece.what, str(piece.bytes), piece.used_by, str(piece.path)) for piece in pieces]
    if rows:
        console().print(plain_table(("what", "bytes", "for whom", "where"), rows, {"bytes"}))


def _entry_dicts(pieces: list[HomeEntry]) -> list[dict[str, object]]:
    return [piece._asdict() for piece in pieces]


def merge_run(named: str, out: Path | None) -> None:
    """Merge in 16 bits, compare with base and adapter, and say how it is served."""
    context = open_context()
    run = context.store.run(named)
    plan = context.store.plan(run.plan_id)
    folder = RunFolder(home_folder() / "runs" / str(run.job_id))
    if plan.local is None or plan.local.is_plain or not folder.is_trained():
        raise Refused(
            f"{run.run_id} is {run.state}: only a model that was tuned on this machine is merged."
        )
    target = out or home_folder() / "models" / run.run_id
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"--out {target}", "it is not empty.", "Name another folder.")
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "merge.py"), str(folder.path), str(target)],
        env=dict(environment()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["it gave no reason"]
        raise Refused(
            f"{run.run_id}: {why[0]} Unmerged it is served with:\n"
            f"{adapter_command(plan.local.base, folder.path / 'model')}"
        )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    console().print(
        f"{target}: merged in {told['dtype']}. Its logits differ from base and adapter "
        f"by at most {told['largest_logit_difference']:.2g}, and from the base alone "
        f"by up to {told['largest_change_from_base']:.2g}.\n"
        f"Serve it with: sh {target}/serve.sh",
        soft_wrap=True,
    )


def adapter_command(base: str, model: Path) -> str:
    """Write the command that serves base and adapter side by side."""
    return (
        f"vllm serve {shlex.quote(base)} --enable-lora "
        f"--lora-modules tuned={shlex.quote(str(model))}"
    )
