"""Records that were really answered -> an example for every property of every schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from pydantic import BaseModel

Schema = dict[str, Any]
Seen = dict[tuple[str, str], Any]
BY_FORMAT = {"date": "2026-11-20", "decimal": "1.25", "binary": "rows"}
BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.0, "boolean": False,
                           "null": None}  # fmt: skip
TOGETHER = {"Hours": "Hours of work to set this approach up: low, likely, high."}
"""Records whose fields are described by one sentence."""
DEEPEST = 6
"""Levels that an example shows."""
NAMED = "^"
"""Patterns that pydantic writes for decimals begin so."""


def seen_in(records: Iterable[BaseModel]) -> Seen:
    """Collect the first telling value of each property: (name of the record, property) -> value."""
    seen: Seen = {}
    for record in records:
        _walk(record, seen)
    return seen


def _walk(value: object, seen: Seen) -> None:
    if isinstance(value, BaseModel):
        plain = value.model_dump(mode="json")
        for name in type(value).model_fields:
            if plain[name] not in (None, [], {}, ""):
                seen.setdefault((type(value).__name__, name), shortened(plain[name]))
            _walk(getattr(value, name), seen)
    elif isinstance(value, Mapping):
        for part in value.values():
            _walk(part, seen)
    elif isinstance(value, tuple | list):
        for part in value:
            _walk(part, seen)


def shortened(value: Any) -> Any:
    """Keep the first entry of every list of records: an example shows the form.

    >>> shortened({"options": [{"id": "a"}, {"id": "b"}], "range": [1, 2]})
    {'options': [{'id': 'a'}], 'range': [1, 2]}
    """
    if isinstance(value, dict):
        return {key: shortened(part) for key, part in value.items()}
    if isinstance(value, list):
        nested = any(isinstance(part, dict | list) for part in value)
        return [shortened(part) for part in (value[:1] if nested else value[:8])]
    return value


def with_examples(schemas: dict[str, Schema], seen: Seen, ending: str) -> None:
    """Write an example to every property, and a description where one holds for a whole record.

    Args:
        schemas: Component schemas by name; they are changed.
        seen: What `seen_in` found.
        ending: What the names of schemas that are sent end with.
    """
    for name, schema in schemas.items():
        for key, one in schema.get("properties", {}).items():
            found = seen.get((name.removesuffix(ending), key), ...)
            example = made_up(one, schemas) if found is ... else found
            one["examples"] = [example]
            says = TOGETHER.get(name) or _referred(one, schemas).get("description")
            if says:
                one.setdefault("description", says)


def made_up(schema: Schema, schemas: Mapping[str, Schema], level: int = 0) -> Any:
    """Make a value that a schema allows, where no answer holds one.

    >>> made_up({"anyOf": [{"type": "integer", "minimum": 2}, {"type": "null"}]}, {})
    2
    """
    if "$ref" in schema:
        return made_up(_referred(schema, schemas), schemas, level)
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return orjson.loads(orjson.dumps(schema[key]))
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return made_up(schema["anyOf"][0], schemas, level)
    if schema.get("type") == "object":
        return _object(schema, schemas, level)
    if schema.get("type") == "array":
        return _array(schema, schemas, level)
    return _scalar(schema)


def _referred(schema: Schema, schemas: Mapping[str, Schema]) -> Schema:
    """Follow a reference; a field that says the same as its record says it there only."""
    return schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}


def _object(schema: Schema, schemas: Mapping[str, Schema], level: int) -> dict[str, Any]:
    wanted = schema.get("required", ()) if level < DEEPEST else ()
    properties = schema.get("properties", {})
    return {key: made_up(properties[key], schemas, level + 1) for key in wanted}


def _array(schema: Schema, schemas: Mapping[str, Schema], level: int) -> list[Any]:
    if "prefixItems" in schema:
        return [made_up(part, schemas, level + 1) for part in schema["prefixItems"]]
    items = schema.get("items")
    return [made_up(items, schemas, level + 1)] if items and level < DEEPEST else []


def _scalar(schema: Schema) -> Any:
    kind = schema.get("type", "string")
    if kind == "string":
        text = "1.25" if str(schema.get("pattern", "")).startswith(NAMED) else BY_TYPE["string"]
        return BY_FORMAT.get(schema.get("format", ""), text)
    return max(schema.get("minimum", BY_TYPE[kind]), BY_TYPE[kind]) if kind in (
        "integer", "number") else BY_TYPE[kind]  # fmt: skip
