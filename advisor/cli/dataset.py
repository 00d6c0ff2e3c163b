"""`advisor profile` and `advisor convert`: statistics of a dataset, and its canonical rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from advisor.cli.flags import Format, FormatFlag
from advisor.console import console, plain_table, reading_bar, write_bytes
from advisor.dataset.convert import convert as convert_file
from advisor.dataset.profile import Profile
from advisor.dataset.reader import profile_file
from advisor.decision.answer import canonical_json

FileArgument = Annotated[Path, typer.Argument(help="File of examples.")]


def profile(
    file: FileArgument,
    encoding: Annotated[str, typer.Option(help="Encoding, or a tokenizer.json.")] = "o200k_base",
    limit: Annotated[int, typer.Option(help="Truncate examples above this many tokens.")] = 65536,
    format_: FormatFlag = Format.text,
) -> None:
    """Profile a dataset and print the profile."""
    with reading_bar(file.name) as progress:
        found = profile_file(file, encoding, limit, progress)
    if format_ == "json":
        write_bytes(canonical_json(found))
        return
    rows = profile_rows(found)
    out = console()
    if format_ == "markdown":
        lines = ["| what | value |", "| --- | ---: |", *(f"| {a} | {b} |" for a, b in rows)]
        out.print("\n".join(lines), markup=False, soft_wrap=True)
        return
    out.print(f"[bold]{file.name}[/bold]")
    out.print(plain_table(("what", "value"), rows, {"value"}))
    for reject in found.rejects[:5]:
        out.print(
            f"{file}:{reject.line}: {reject.found} {reject.remedy}", markup=False, soft_wrap=True
        )


def profile_rows(found: Profile) -> list[tuple[str, ...]]:
    """Write a profile as rows of name and value."""
    rows: list[tuple[str, ...]] = [
        ("examples", f"{found.examples:,}"),
        ("rejected rows", f"{found.rejected:,}"),
        ("formats", ", ".join(f"{name} {count:,}" for name, count in found.formats)),
        ("counted with", found.encoding + ("" if found.encoding_exact else ", tools estimated")),
        ("tokens in all", f"{found.total_tokens:,}"),
        ("prompt tokens, mean", f"{found.prompt_tokens_mean:,.1f}"),
        ("completion tokens, mean", f"{found.completion_tokens_mean:,.1f}"),
        ("tokens by role", ", ".join(f"{role} {n:,}" for role, n in found.tokens_by_role)),
        ("tokens of an example", ", ".join(f"p{p} {n:,}" for p, n in found.percentiles)),
        ("longest example", f"{found.max_tokens:,}"),
        (f"truncated at {found.limit_tokens:,}", f"{found.truncated:,}"),
        (
            "shared prefix",
            f"{found.shared_prefix_tokens:,.0f} tokens, {found.shared_prefix_share:.1%} of all",
        ),
        ("duplicates", f"{found.duplicates:,}"),
        ("nothing to train on", f"{found.untrainable:,}"),
    ]
    if found.pairs:
        rows.append(("preference pairs", f"{found.pairs:,}"))
    if found.distinct_labels:
        top = ", ".join(f"{label} {count:,}" for label, count in found.labels[:3])
        rows.append(("labels", f"{found.distinct_labels}: {top}, ..."))
    return rows


def convert(
    file: FileArgument,
    out: Annotated[Path, typer.Option(help="File for the canonical rows.")],
    rejects: Annotated[Path, typer.Option(help="File for the rejected rows.")],
    format_: FormatFlag = Format.text,
) -> None:
    """Convert a dataset and print how many rows were written."""
    with reading_bar(file.name) as progress:
        done = convert_file(file, out, rejects, progress)
    if format_ == "json":
        write_bytes(canonical_json(done))
        return
    console().print(
        f"{done.written:,} rows written to {out} (sha256 {done.dataset_sha256[:12]}), "
        f"{done.rejected:,} rejected to {rejects}.",
        markup=False,
        soft_wrap=True,
    )
