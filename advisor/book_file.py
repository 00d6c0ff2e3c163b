"""pricing.yaml and a buyer's overlay -> the price book; refuses what breaks a rule."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import orjson
import yaml
from pydantic import ValidationError

from advisor.catalog import Book, Gpu, ModelCard, Provider
from advisor.errors import PricingFileError, did_you_mean
from advisor.prices import PriceBook, PriceSeries, PriceStep
from advisor.units import Record

HERE = Path(__file__).parent
SECTIONS = ("prices", "models", "providers", "gpus")
R = TypeVar("R", bound=Record)
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader that keeps the digits as written and refuses a key said twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key_node.value}' is said twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return dict(super().construct_mapping(node, deep))


def _exact(loader: Any, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(node.value).replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor("tag:yaml.org,2002:float", _exact)


def default_path() -> Path:
    """Find the price book: the top of a checkout, else inside the installed package."""
    beside = HERE.parent / "pricing.yaml"
    return beside if beside.is_file() else HERE / "pricing.yaml"


def load_book(path: Path | None = None, overlay: Path | None = None) -> Book:
    """Read the price book and lay a buyer's own prices over it.

    Args:
        path: The book; the shipped one by default.
        overlay: Own prices in the same format; they win, and are marked as own.

    Raises:
        PricingFileError: a file cannot be read or breaks a rule, with the place and the remedy.
    """
    path = path or default_path()
    text, raw = _read(path)
    own_text, own = _read(overlay) if overlay else ("", {})
    prices = {name: _series(path, name, body) for name, body in _section(raw, "prices").items()}
    if overlay:
        for name, body in _section(own, "prices").items():
            prices[name] = _series(overlay, name, body, own=True)
    books = [(path, raw), *([(overlay, own)] if overlay else [])]
    return Book(
        prices=PriceBook(prices),
        models=_records(books, "models", ModelCard, lambda name: {"id": name, "provider":
                        name.split("/", 1)[0]}),
        providers=_records(books, "providers", Provider, lambda name: {"name": name}),
        gpus=_records(books, "gpus", Gpu, lambda name: {"name": name}),
        sha256=hashlib.sha256(orjson.dumps([text, own_text])).hexdigest(),
    )  # fmt: skip


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    name = path.name
    if not path.is_file():
        raise PricingFileError(str(path), "there is no such file. Check the path.")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PricingFileError(name, f"byte {error.object[error.start]:#04x} at {error.start} is "
                                     "not UTF-8. Save the file as UTF-8.") from error  # fmt: skip
    try:
        raw = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or str(error)
        raise PricingFileError(where, f"{problem}. Mend the YAML there.") from error
    if not isinstance(raw, dict):
        raise PricingFileError(name, "found no sections. Start with 'prices:'.")
    for section in raw:
        if section not in SECTIONS:
            raise PricingFileError(f"{name}: {section}", "there is no such section."
                                   + did_you_mean(str(section), SECTIONS))  # fmt: skip
    return text, raw


def _section(raw: Mapping[str, Any], section: str) -> dict[str, Any]:
    return dict(raw.get(section) or {})


def _series(path: Path, item: str, body: Any, own: bool = False) -> PriceSeries:
    return _checked(path, "prices", item, body, PriceSeries, {"item": item, "own": own})


def _records(
    books: list[tuple[Path, dict[str, Any]]], section: str, kind: type[R], names: Any
) -> dict[str, R]:
    found: dict[str, R] = {}
    for path, raw in books:
        for name, body in _section(raw, section).items():
            if kind is Provider and isinstance(body, dict):
                body = _with_provider(name, body)
            found[name] = _checked(path, section, name, body, kind, names(name))
    return found


def _with_provider(name: str, body: dict[str, Any]) -> dict[str, Any]:
    offers = body.get("tuning") or []
    return {**body, "tuning": [
        {"provider": name, **offer} if isinstance(offer, dict) else offer for offer in offers
    ]}  # fmt: skip


def _checked(
    path: Path, section: str, name: str, body: Any, kind: type[R], extra: Mapping[str, Any]
) -> R:
    place = f"{path.name}: {section}: {name}"
    if not isinstance(body, dict):
        raise PricingFileError(place, f"found {body!r} instead of a mapping. Indent its keys.")
    try:
        return kind.model_validate({**body, **extra})
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        keys = [f"[{part}]" if isinstance(part, int) else f": {part}" for part in first["loc"]]
        raise PricingFileError(place + "".join(keys), _problem(first, kind)) from error


REMEDIES = {
    "finite_number": "Give a finite number.",
    "greater_than": "Give 0 or more.",
    "decimal": "Give a number in digits.",
    "date": "Write a day as YYYY-MM-DD.",
    "literal_error": "Choose one of {expected}.",
}


def _problem(error: Any, kind: type[Record]) -> str:
    name = error["type"]
    if name == "extra_forbidden":
        known = _keys(kind, error["loc"])
        return "there is no such key." + did_you_mean(str(error["loc"][-1]), known)
    if name == "missing":
        return "this key is missing. Add it."
    if name == "value_error":
        return f"{error['ctx']['error']}. Mend it there."
    remedy = next((text for key, text in REMEDIES.items() if name.startswith(key)), error["msg"])
    return f"found '{error['input']}'. {remedy.format(**error.get('ctx', {}))}"


def _keys(kind: type[Record], loc: tuple[int | str, ...]) -> list[str]:
    inner = PriceStep if kind is PriceSeries and len(loc) > 1 else kind
    return list(inner.model_fields)
