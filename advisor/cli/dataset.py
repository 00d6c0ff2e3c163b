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
from advisor.report.markdown import markdown_table

FileArgument = Annotated[Path, typer.Argument(help="File of examples.")]
MAX_SHOWN_REJECTS = 5


def profile(
    file: FileArgument,
    encoding: Annotated[str, typer.Option(help="Encoding, or a tokenizer.json.")] = "o200k_base",
    limit: Annotated[int, typer.Option(help="Truncate examples above this many tokens.")] = 65536,
    format_: FormatFlag = Format.text,
) -> None:
    """Profile a dataset and print the profile."""
    with reading_bar(file.name) as progress:
        statistics = profile_file(file, encoding, limit, progress)
    if format_ == "json":
        write_bytes(canonical_json(statistics))
        return
    rows, out = profile_rows(statistics), console()
    if format_ == "markdown":
        out.print(markdown_table(("statistic", "value"), rows), markup=False, soft_wrap=True)
        return
    out.print(f"[bold]{file.name}[/bold]")
    out.print(plain_table(("statistic", "value"), rows, {"value"}))
    for reject in statistics.rejects[:MAX_SHOWN_REJECTS]:
        text = f"{file}:{reject.line}: {reject.found} {reject.remedy}"
        out.print(text, markup=False, soft_wrap=True)


def profile_rows(profile: Profile) -> list[tuple[str, ...]]:
    """Return a profile as rows of name and value."""
    share = f"{profile.shared_prefix_share:.1%} of all"
    rows: list[tuple[str, ...]] = [
        ("examples", f"{profile.examples:,}"),
        ("rejected rows", f"{profile.rejected:,}"),
        ("formats", _counts(profile.formats)),
        ("encoding", profile.encoding + ("" if profile.encoding_exact else ", tools estimated")),
        ("total tokens", f"{profile.total_tokens:,}"),
        ("prompt tokens, mean", f"{profile.prompt_tokens_mean:,.1f}"),
        ("completion tokens, mean", f"{profile.completion_tokens_mean:,.1f}"),
        ("tokens by role", _counts(profile.tokens_by_role)),
        ("tokens per example", ", ".join(f"p{p} {n:,}" for p, n in profile.percentiles)),
        ("longest example", f"{profile.max_tokens:,}"),
        (f"truncated at {profile.limit_tokens:,}", f"{profile.truncated:,}"),
        ("shared prefix", f"{profile.shared_prefix_tokens:,.0f} tokens, {share}"),
        ("duplicates", f"{profile.duplicates:,}"),
        ("without a completion to train on", f"{profile.untrainable:,}"),
    ]
    if profile.pairs:
        rows.append(("preference pairs", f"{profile.pairs:,}"))
    if profile.distinct_labels:
        rows.append(("labels", f"{profile.distinct_labels}: {_counts(profile.labels[:3])}, ..."))
    return rows


def _counts(pairs: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in pairs)


def convert(
    file: FileArgument,
    out: Annotated[Path, typer.Option(help="File for the canonical rows.")],
    rejects: Annotated[Path, typer.Option(help="File for the rejected rows.")],
    format_: FormatFlag = Format.text,
) -> None:
    """Convert a dataset and print how many rows were written."""
    with reading_bar(file.name) as progress:
        result = convert_file(file, out, rejects, progress)
    if format_ == "json":
        write_bytes(canonical_json(result))
        return
    console().print(
        f"{result.written:,} rows written to {out} (sha256 {result.dataset_sha256[:12]}), "
        f"{result.rejected:,} rejected to {rejects}.",
        markup=False,
        soft_wrap=True,
    )
