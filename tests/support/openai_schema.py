"""OpenAI's published schemas as a validator, and malformed bodies it must reject."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator, FormatChecker

from tests.support.paths import TESTS

SCHEMA_FILE = TESTS / "data" / "openai_fine_tuning_schema.json"
REF = "#/components/schemas/"
WRONG_VALUES: dict[str, Any] = {
    "string": 12345, "integer": "seven", "number": "much", "boolean": "yes", "array": {},
    "object": [], "null": 0,
}  # fmt: skip
"""Type -> a value of another type."""
UNKNOWN_ENUM_VALUE = "no-such-word"


class MalformedBody(NamedTuple):
    """A body with one error."""

    kind: str
    place: str
    body: Any


@lru_cache(maxsize=1)
def schemas() -> dict[str, Any]:
    """Return the published schemas of the extract by name."""
    found: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["schemas"]
    return found


@lru_cache(maxsize=1)
def operations() -> dict[str, str]:
    """Map each operation of the extract, such as `POST /files`, to its response schema."""
    found = {}
    for name, body in json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["paths"].items():
        content = body["responses"]["200"].get("application/json", {})
        ref = content.get("schema", {}).get("$ref", "")
        found[name] = ref.removeprefix(REF)
    return found


def schema_errors(name: str, body: Any) -> list[str]:
    """Return the violations of a published schema in a body."""
    return [f"{one.json_path}: {one.message}" for one in _validator(name).iter_errors(body)]


@lru_cache(maxsize=100)
def _validator(name: str) -> Draft202012Validator:
    """Convert a schema to JSON Schema: references as `$defs`, `nullable` as a type."""
    defined = {one: _plain(body) for one, body in schemas().items()}
    whole = {"$ref": f"#/$defs/{name}", "$defs": defined}
    return Draft202012Validator(whole, format_checker=FormatChecker())


def _plain(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _plain(value) for key, value in schema.items() if key != "nullable"}
    if "$ref" in made:
        named = made["$ref"].removeprefix(REF)
        return {"$ref": f"#/$defs/{named}"} if named in schemas() else {}
    _as_json_schema(made)
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made


def _as_json_schema(made: dict[str, Any]) -> None:
    if isinstance(made.get("properties"), dict) and not {"type", "allOf"} & made.keys():
        made["type"] = "object"  # the extract omits it for some objects
    if {} in made.get("oneOf", ()):  # the extract omits some schemas: any value is allowed
        made["anyOf"] = made.pop("oneOf")
    for edge in ("minimum", "maximum"):
        exclusive = f"exclusive{edge.capitalize()}"
        if made.get(exclusive) is True:
            made[exclusive] = made.pop(edge)
        elif made.get(exclusive) is False:
            del made[exclusive]


def malformed_bodies(name: str, body: Any) -> Iterator[MalformedBody]:
    """Yield bodies with one error each: missing key, wrong type, unknown enum value, null."""
    for place, kind, changed in _changes(schemas()[name], body, ()):
        yield MalformedBody(kind, ".".join(map(str, place)), _put(body, place, changed))


MISSING = object()


def _put(body: Any, place: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(body)
    if not place:
        return value
    here = made
    for part in place[:-1]:
        here = here[part]
    if value is MISSING:
        del here[place[-1]]
    else:
        here[place[-1]] = value
    return made


def _changes(
    schema: dict[str, Any], value: Any, place: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    """Yield each change that makes a body invalid, by its place."""
    kinds = _kinds(schema)
    if place and kinds and "null" not in kinds:
        yield place, "null where not allowed", None
    yield from _swaps(schema, kinds, place)
    chosen = _branch(schema, value)
    if isinstance(value, dict):
        for key in chosen.get("required", ()):
            if key in value:
                yield (*place, key), "required key dropped", MISSING
        for key, inner in _inner(chosen, value):
            yield from _changes(inner, value[key], (*place, key))
    if isinstance(value, list) and value and "items" in chosen:
        for number in {0, len(value) - 1}:
            yield from _changes(chosen["items"], value[number], (*place, number))


def _inner(schema: dict[str, Any], value: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    named, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key in value:
        if key in named:
            yield key, named[key]
        elif isinstance(others, dict):
            yield key, others


def _swaps(
    schema: dict[str, Any], kinds: set[str], place: tuple[Any, ...]
) -> Iterator[tuple[tuple[Any, ...], str, Any]]:
    words = list(_words(schema))
    is_free = "string" in kinds and not all("enum" in one for one in _strings(schema))
    if words and not is_free:
        yield place, "enum word replaced", UNKNOWN_ENUM_VALUE
    for kind in sorted(kinds - {"null"}):
        wrong = WRONG_VALUES[kind]
        if _kind_of(wrong) not in kinds and not (
            _kind_of(wrong) == "integer" and "number" in kinds
        ):
            yield place, "type swapped", wrong


def _kind_of(value: Any) -> str:
    names = {str: "string", int: "integer", list: "array", dict: "object"}
    return names[type(value)]


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = schemas().get(schema["$ref"].removeprefix(REF), {})
    return schema


def _branches(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the schema, or each schema of its union."""
    found = _resolved(schema)
    choices = [*found.get("anyOf", ()), *found.get("oneOf", ())]
    if found.get("nullable") is True:
        choices = [{k: v for k, v in found.items() if k != "nullable"}, {"type": "null"}]
    return [one for choice in choices for one in _branches(choice)] if choices else [found]


def _kinds(schema: dict[str, Any]) -> set[str]:
    """Return the types of a value; empty if any is allowed."""
    kinds: set[str] = set()
    for one in _branches(schema):
        if "type" not in one:
            return {"object"} if "properties" in one and not one.get("allOf") else set()
        kinds.add(one["type"])
    return kinds


def _strings(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in _branches(schema) if one.get("type") == "string"]


def _words(schema: dict[str, Any]) -> Iterator[str]:
    for one in _strings(schema):
        yield from one.get("enum", ())


def _branch(schema: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return the schema of a union that a value matches."""
    wanted = {dict: "object", list: "array", str: "string"}.get(type(value), "")
    fitting = [one for one in _branches(schema) if one.get("type", "object") == wanted]
    return fitting[0] if fitting else {}
