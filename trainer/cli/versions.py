"""Commands on model versions and disk space, and `trainer merge`."""

from __future__ import annotations

import getpass
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from advisor.console import console, plain_table, print_text, write_json
from advisor.errors import UsageError, did_you_mean
from trainer.cli.consent import typed_line
from trainer.cli.flags import JsonFlag, RunArgument
from trainer.clock import utc_datetime
from trainer.context import open_context
from trainer.errors import Refused
from trainer.home import HomeEntry, home_folder
from trainer.local.process import environment
from trainer.local.run_folder import RunFolder
from trainer.local.worker import SCRIPTS
from trainer.storage import cleanup
from trainer.storage.model_version import ModelVersion

KINDS: tuple[cleanup.DeletionKind, ...] = ("dataset", "run", "version")
VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="Id of the version, or its beginning.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of a model.")]


def show_versions(
    name: Annotated[str | None, typer.Argument(help="Name of a model; all by default.")] = None,
    as_json: JsonFlag = False,
    ending: Annotated[
        str | None, typer.Option(help="Only those their provider shuts down by this day.")
    ] = None,
) -> None:
    """List versions, of one name or all, or those shut down by a day."""
    registry = open_context().registry
    versions = registry.listed(name)
    if ending is not None:
        try:
            day = date.fromisoformat(ending)
        except ValueError as error:
            raise UsageError(
                f"--ending {ending}", "not a valid date.", "Use YYYY-MM-DD."
            ) from error
        ids = {version.version_id for version in registry.ending(day)}
        versions = tuple(version for version in versions if version.version_id in ids)
    if as_json:
        return write_json([asdict(each) | {"verdict": each.verdict} for each in versions])
    if not versions:
        names = {version.name for version in registry.listed()}
        which = "yet" if name is None else f"of the name {name}"
        return print_text(f"No version {which}.{did_you_mean(name, names) if name else ''}")
    rows = [_row(version) for version in versions]
    head = ("version", "stage", "made (UTC)", "base", "provider", "verdict", "score", "USD", "ends")
    return console().print(plain_table(head, rows, {"score", "USD"}))


def _row(version: ModelVersion) -> tuple[str, ...]:
    score = (version.evaluation or {}).get("score")
    return (
        version.version_id,
        version.stage,
        utc_datetime(version.made_at).strftime("%Y-%m-%d %H:%M"),
        version.base_model,
        version.provider,
        version.verdict or "not evaluated",
        f"{score:.3f}" if isinstance(score, int | float) else "",
        "" if version.usd is None else str(version.usd),
        str(version.shutdown_on or ""),
    )


def promote_version(
    named: VersionArgument,
    anyway: Annotated[bool, typer.Option("--anyway", help="Even if it is worse.")] = False,
) -> None:
    """Make a version the champion of its name."""
    _print_version(open_context().registry.promote(named, getpass.getuser(), anyway))


def rollback_model(name: NameArgument) -> None:
    """Make the previous champion champion again."""
    _print_version(open_context().registry.rollback(name, getpass.getuser()))


def retire_version(named: VersionArgument) -> None:
    """Retire a version."""
    _print_version(open_context().registry.retire(named, getpass.getuser()))


def _print_version(version: ModelVersion) -> None:
    print_text(f"{version.version_id} is {version.stage}: {version.model}")


def compare_versions(
    one: VersionArgument, other: VersionArgument, as_json: JsonFlag = False
) -> None:
    """Print the fields of two versions side by side."""
    rows = open_context().registry.compare(one, other)
    if as_json:
        return write_json([{"what": what, "a": a, "b": b} for what, a, b in rows])
    table = [(what, a, b, "" if a == b else "differs") for what, a, b in rows]
    return console().print(plain_table(("", "a", "b", ""), table, set()))


def delete_garbage(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be deleted.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete what nothing refers to, or list it."""
    home, context = home_folder(), open_context()
    entries = cleanup.garbage(home, context.store, context.registry)
    freed = cleanup.collect_garbage(home, context.store, context.registry, dry_run)
    if as_json:
        pieces = [entry._asdict() for entry in entries]
        return write_json({"dry_run": dry_run, "bytes": freed, "pieces": pieces})
    _print_entries(entries)
    return print_text(f"{freed} bytes {'would be freed' if dry_run else 'freed'}")


def show_disk(as_json: JsonFlag = False) -> None:
    """List the contents of the home folder, and what uses them."""
    context = open_context()
    entries = cleanup.disk_usage(home_folder(), context.store, context.registry)
    if as_json:
        return write_json([entry._asdict() for entry in entries])
    _print_entries(entries)
    return print_text(f"{sum(entry.bytes for entry in entries)} bytes in {home_folder()}")


def delete_item(
    kind: Annotated[str, typer.Argument(help="dataset, run or version.")],
    name: Annotated[str, typer.Argument(help="Hash of the dataset, or id of the run or version.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not prompt.")] = False,
) -> None:
    """Delete a dataset, run or version everywhere, after its name was typed."""
    known = next((each for each in KINDS if each == kind), None)
    if known is None:
        raise UsageError(
            f"delete {kind}",
            f"expected {', '.join(KINDS)}.",
            did_you_mean(kind, KINDS).strip(),
        )
    context, home = open_context(), home_folder()
    store, registry = context.store, context.registry
    deletion = cleanup.plan_deletion(known, name, home, store, registry)
    _print_entries(deletion.pieces)
    for label, names in (("versions", deletion.versions), ("texts of runs", deletion.runs)):
        if names:
            print_text(f"{label}: {', '.join(names)}")
    for version in map(registry.version, deletion.versions):
        if version.kind == "remote":
            print_text(f"{version.model} remains at {version.provider}: delete it there.")
    if not yes and typed_line(f"Type {name} to delete this for good; the ledger stays: ") != name:
        raise Refused("the name was not typed: nothing was deleted.")
    cleanup.delete_everywhere(known, name, home, store, registry)
    freed = sum(entry.bytes for entry in deletion.pieces)
    print_text(f"{known} {name} is deleted: {freed} bytes")


def _print_entries(entries: Sequence[HomeEntry]) -> None:
    rows = [(entry.what, str(entry.bytes), entry.used_by, str(entry.path)) for entry in entries]
    if rows:
        console().print(plain_table(("what", "bytes", "used by", "path"), rows, {"bytes"}))


def merge_run(
    named: RunArgument,
    out: Annotated[Path | None, typer.Option(help="Folder; in the home folder by default.")] = None,
) -> None:
    """Merge in 16 bits, compare with base and adapter, and print how to serve it."""
    context = open_context()
    run = context.store.run(named)
    plan = context.store.plan(run.plan_id)
    folder = RunFolder(home_folder() / "runs" / str(run.job_id))
    if plan.local is None or plan.local.is_plain or not folder.is_trained():
        raise Refused(
            f"{run.run_id} is {run.state}: only a model tuned on this machine can be merged."
        )
    target = out or home_folder() / "models" / run.run_id
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"--out {target}", "the folder is not empty.", "Use another folder.")
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "merge.py"), str(folder.path), str(target)],
        env=dict(environment()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["no reason was given."]
        raise Refused(
            f"{run.run_id}: {why[0]} Serve it unmerged with:\n"
            f"vllm serve {shlex.quote(plan.local.base)} --enable-lora "
            f"--lora-modules tuned={shlex.quote(str(folder.path / 'model'))}"
        )
    merged = json.loads(done.stdout.strip().splitlines()[-1])
    print_text(
        f"{target}: merged in {merged['dtype']}. Its logits differ from base and adapter "
        f"by at most {merged['largest_logit_difference']:.2g}, and from the base alone "
        f"by up to {merged['largest_change_from_base']:.2g}.\n"
        f"Serve it with: sh {target}/serve.sh"
    )
