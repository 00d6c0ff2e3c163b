"""Creates the twelve dataset files; the same seed gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.twelve import facts, forms, styles
from benchmarks.twelve.words import WordSource

SEED = 20261120
MAKERS: Mapping[str, Callable[[WordSource], Sequence[styles.Row | str]]] = {
    "brand_voice": styles.brand_voice,
    "german_replies": styles.german_replies,
    "labels": forms.labels,
    "extraction": forms.extraction,
    "faq": facts.faq,
    "weekly_prices": facts.weekly_prices,
    "code": facts.code,
    "summaries": styles.summaries,
    "preference_pairs": styles.preference_pairs,
    "translation": forms.translation,
    "tiny": styles.tiny,
    "dirty": forms.dirty,
}


def dataset_lines(name: str) -> list[str]:
    """Return the lines of a dataset; a plain text among its rows is a broken line."""
    rows = MAKERS[name](WordSource(f"{SEED} {name}"))
    return [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]


def make_datasets(folder: Path) -> dict[str, Path]:
    """Write every dataset to a folder, as JSON lines."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name in MAKERS:
        made[name] = folder / f"{name}.jsonl"
        made[name].write_text("\n".join(dataset_lines(name)) + "\n", encoding="utf-8")
    return made
