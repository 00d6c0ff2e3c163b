"""pricing.yaml and a buyer's overlay -> the price book; refuses what breaks a rule."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_args

import orjson
import yaml
from pydantic import ValidationError

from advisor.errors import PricingFileError, did_you_mean
from advisor.prices.book import PriceBook
from advisor.prices.models import Gpu, ModelCard
from advisor.prices.providers import Provider
from advisor.prices.series import PriceSeries, PriceTable
from advisor.units import Record

HERE = Path(__file__).parent.parent
SECTIONS = ("prices", "models", "providers", "gpus")
WHOLE_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,24})")
IMPLIED_FIELDS = frozenset({"id", "item", "name", "own", "provider"})
"""Fields that the place in the file says; nobody writes them."""
MAX_SHOWN_CHARACTERS = 60
R = TypeVar("R", bound=Record)
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """A safe loader that keeps the digits as written and refuses a key said twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _error_at(key_node, "a key is a name, not a list or a mapping")
            if key_node.value in seen:
                raise _error_at(key_node, f"the key '{key_node.value}' is said twice")
            seen.add(key_node.value)
        return dict(super().construct_mapping(node, deep))


def _error_at(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _exact(loader: Any, node: yaml.ScalarNode) -> Decimal:
    """Read a number with a point from its digits, so that 0.1 is a tenth."""
    text = str(node.value).lower()
    try:
        return Decimal(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except InvalidOperation as error:
        raise _error_at(node, f"'{node.value}' is not a number in digits") from error


def _whole_number(loader: Any, node: yaml.ScalarNode) -> int:
    """Read a whole number; YAML would take 1:30 for 90, 010 for 8 and 0x10 for 16."""
    if not WHOLE_NUMBER.fullmatch(str(node.value)):
        raise _error_at(node, f"'{node.value}' is not a number in plain digits")
    return int(node.value)


def _day(loader: Any, node: yaml.ScalarNode) -> Any:
    """Read a day, and say which one is not in the calendar."""
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        raise _error_at(node, f"'{node.value}' is not a day of the calendar") from error


_Loader.add_constructor("tag:yaml.org,2002:float", _exact)
_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _day)


def default_price_book_path() -> Path:
    """Find the price book: the top of a checkout, else inside the installed package."""
    beside = HERE.parent / "pricing.yaml"
    return beside if beside.is_file() else HERE / "pricing.yaml"


def load_prices(path: Path | None = None, overlay: Path | None = None) -> PriceBook:
    """Read the price book and lay a buyer's own prices over it.

    Args:
        path: The book; the shipped one by default.
        overlay: Own prices in the same format; they win, and are marked as own.

    Raises:
        PricingFileError: a file cannot be read or breaks a rule, with the place and the remedy.
    """
    path = path or default_price_book_path()
    return _book(path, _text(path), overlay, _text(overlay) if overlay else "")


@lru_cache(maxsize=4)
def _book(path: Path, text: str, overlay: Path | None, own_text: str) -> PriceBook:
    """Parse texts into a book; the same texts return the same book, which takes 0.4 s to build."""
    raw = _sections(path.name, text)
    own = _sections(overlay.name, own_text) if overlay else {}
    prices = {name: _series(path, name, body) for name, body in raw["prices"].items()}
    if overlay:
        for name, body in own["prices"].items():
            prices[name] = _series(overlay, name, body, own=True)
    books = [(path, raw), *([(overlay, own)] if overlay else [])]
    book = PriceBook(
        prices=PriceTable(MappingProxyType(prices)),
        models=_records(
            books, "models", ModelCard, lambda name: {"id": name, "provider": name.split("/", 1)[0]}
        ),
        providers=_records(books, "providers", Provider, lambda name: {"name": name}),
        gpus=_records(books, "gpus", Gpu, lambda name: {"name": name}),
        sha256=hashlib.sha256(orjson.dumps([text, own_text])).hexdigest(),
    )
    _check_references(path, overlay, book)
    return book


def _text(path: Path) -> str:
    if not path.is_file():
        raise PricingFileError(str(path), "there is no such file. Check the path.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PricingFileError(
            path.name,
            f"byte {error.object[error.start]:#04x} at {error.start} is "
            "not UTF-8. Save the file as UTF-8.",
        ) from error


def _sections(name: str, text: str) -> dict[str, dict[Any, Any]]:
    """Return each section as a mapping; a missing section is empty."""
    raw = _parsed(name, text)
    if not isinstance(raw, dict):
        raise PricingFileError(name, "found no sections. Start with 'prices:'.")
    for section, body in raw.items():
        place = f"{name}: {section}"
        if section not in SECTIONS:
            raise PricingFileError(
                place, "there is no such section." + did_you_mean(str(section), SECTIONS)
            )
        if not isinstance(body, dict | None):
            raise PricingFileError(
                place,
                f"found {body!r} instead of names with their entries. "
                "Write each on its own line, indented.",
            )
    return {section: raw.get(section) or {} for section in SECTIONS}


def _parsed(name: str, text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"character {error.character:#04x} is not allowed. Take it out."
        raise PricingFileError(f"{name}:{line}", problem) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or str(error)
        raise PricingFileError(where, f"{problem}. Mend the YAML there.") from error


def _check_references(path: Path, overlay: Path | None, book: PriceBook) -> None:
    """Refuse an offer that names a model, a GPU or a price which the book has not."""
    name = overlay.name if overlay else path.name
    for offer in book.offers:
        for key, asked, known in (
            ("card", offer.card, book.models),
            ("gpu", offer.gpu, book.gpus),
            ("served_like", offer.served_like, book.with_architecture),
            ("hosting_item", offer.hosting_item, book.prices.series),
        ):
            if asked and asked not in known:
                place = f"{name}: providers: {offer.provider}: tuning: {offer.base}: {key}"
                problem = f"there is no '{asked}'.{did_you_mean(asked, known)}"
                raise PricingFileError(place, problem)


def _series(path: Path, item: str, body: Any, own: bool = False) -> PriceSeries:
    return _checked(path, "prices", item, body, PriceSeries, {"item": item, "own": own})


def _records(
    books: list[tuple[Path, dict[str, dict[Any, Any]]]], section: str, kind: type[R], names: Any
) -> Mapping[str, R]:
    found: dict[str, R] = {}
    for path, raw in books:
        for name, body in raw[section].items():
            if kind is Provider and isinstance(body, dict):
                body = _with_provider(name, body)
            found[name] = _checked(path, section, name, body, kind, names(name))
    return MappingProxyType(found)


def _with_provider(name: str, body: dict[str, Any]) -> dict[str, Any]:
    offers = body.get("tuning") or []
    return {
        **body,
        "tuning": [
            {**offer, "provider": name} if isinstance(offer, dict) else offer for offer in offers
        ],
    }


def _checked(
    path: Path, section: str, name: str, body: Any, kind: type[R], extra: Mapping[str, Any]
) -> R:
    place = f"{path.name}: {section}: {name}"
    if not isinstance(body, dict):
        raise PricingFileError(place, f"found {body!r} instead of a mapping. Indent its keys.")
    for key in IMPLIED_FIELDS & set(body):
        known = did_you_mean(key, _keys(kind, (key,)))
        raise PricingFileError(f"{place}: {key}", f"there is no such key.{known}")
    try:
        return kind.model_validate({**body, **extra})
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        keys = [f"[{part}]" if isinstance(part, int) else f": {part}" for part in first["loc"]]
        raise PricingFileError(place + "".join(keys), _problem(first, kind)) from error


REMEDIES = {
    "finite_number": "Give a finite number.",
    "greater_than_equal": "Give {ge} or more.",
    "greater_than": "Give more than {gt}.",
    "less_than_equal": "Give {le} or less.",
    "decimal": "Give a number in digits.",
    "int": "Give a whole number in digits.",
    "float": "Give a number in digits.",
    "bool": "Write true or false.",
    "string_type": "Write it in quotes.",
    "string_too_short": "Say who says so.",
    "tuple": "Write a list: each entry after a '- '.",
    "too_short": "Give at least one.",
    "model": "Write its keys, indented.",
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
    found = str(error["input"])
    shown = found if len(found) <= MAX_SHOWN_CHARACTERS else found[:MAX_SHOWN_CHARACTERS] + "..."
    return f"found '{shown}'. {remedy.format(**error.get('ctx', {}))}"


def _keys(kind: type[Record], loc: tuple[int | str, ...]) -> list[str]:
    """Name what may be written at the place *loc* of a record."""
    for part in loc[:-1]:
        if isinstance(part, str):
            kind = _record_in(kind.model_fields[part].annotation) or kind
    return [name for name in kind.model_fields if name not in IMPLIED_FIELDS]


def _record_in(annotation: Any) -> type[Record] | None:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return annotation
    return next(filter(None, map(_record_in, get_args(annotation))), None)
