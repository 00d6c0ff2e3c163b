"""The fields of a scenario -> every switch, with the values that it can take."""

from __future__ import annotations

from typing import Any, get_args

from advisor.scenario.scenario import Knowledge, Needs, Organisation, Quality

INFORMATIONAL_NEEDS = frozenset({"narrow_label_task", "cost_reduction"})
"""Needs that only tell what is asked about: they move no number and rule nothing out."""


def categorical_field_values() -> dict[str, tuple[Any, ...]]:
    """Name every switch of a scenario with the values it can take."""
    found: dict[str, tuple[Any, ...]] = {
        f"needs.{name}": (False, True)
        for name in Needs.model_fields
        if name not in INFORMATIONAL_NEEDS
    }
    found["limits.data_may_leave"] = (True, False)
    found["knowledge.permissions_per_user"] = (False, True)
    found["quality.has_eval"] = (True, False)
    found["knowledge.retrieval_tried"] = (False, True)
    found["dataset.label_quality"] = ("expert", "mixed", "noisy", "unknown")
    for record, prefix, name in (
        (Knowledge, "knowledge", "change"),
        (Quality, "quality", "prompt_effort"),
        (Quality, "quality", "prompting"),
        (Organisation, "organisation", "openai"),
        (Organisation, "organisation", "azure"),
    ):
        annotation = record.model_fields[name].annotation
        inner = [get_args(arg) or (arg,) for arg in get_args(annotation)]
        values = [value for group in inner for value in group if isinstance(value, str)]
        found[f"{prefix}.{name}"] = tuple(values)
    return found
