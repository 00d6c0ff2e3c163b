"""Reads pricing.yaml and an overlay into the price book, and reports what breaks a rule.

The strict YAML loader of all files of the advisor is here too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import orjson
import yaml
from pydantic import ValidationError

from advisor.errors import (
    PricingFileError,
    did_you_mean,
    explain_validation_error,
    shortened_repr,
)
from advisor.prices.book import PriceBook
from advisor.prices.contract import NO_CONTRACT
from advisor.prices.contract_sections import (
    LIST_SECTIONS,
    MAPPING_SECTIONS,
    check_contract,
    contracted,
    read_contract,
)
from advisor.prices.file_format import BLOCKS, SECTIONS, FileRecords, file_records
from advisor.prices.models import Cpu, Gpu, ModelCard
from advisor.prices.named_sources import NamedSource, PriceFile
from advisor.prices.price_lines import Entry
from advisor.prices.providers import Provider
from advisor.prices.series import PriceSeries, PriceTable
from advisor.prices.services import (
    EmbeddingModel,
    ProvisionedUnits,
    ServerlessTerms,
    SpotTerms,
    VectorStorePlan,
)
from advisor.units import Record

HERE = Path(__file__).parent.parent
MACHINE_KINDS = frozenset(BLOCKS.values()) - {""}
"""Kinds of prices per hour of a machine, which has to be in the book."""
CONTRACT_SECTIONS = (*LIST_SECTIONS, *MAPPING_SECTIONS)
KNOWN_SECTIONS = (*SECTIONS, *CONTRACT_SECTIONS)
INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,24})")
IMPLIED_FIELDS = frozenset({"id", "item", "name", "own", "provider"})
"""Fields that follow from the place in the file, and cannot be written."""
R = TypeVar("R", bound=Record)


class InvalidText(Exception):
    """A file is not UTF-8 or not YAML: the position in it, the problem and the remedy."""

    def __init__(self, position: str, problem: str, remedy: str) -> None:
        self.position, self.problem, self.remedy = position, problem, remedy
        super().__init__(problem)


class StrictLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A safe YAML loader that refuses duplicate keys and dates that do not exist."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping, or raise at the key that is a duplicate."""
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _error_at(key_node, "a key is a name, not a list or a mapping")
            if key_node.value in seen:
                raise _error_at(key_node, f"duplicate key '{key_node.value}'")
            seen.add(key_node.value)
        return dict(super().construct_mapping(node, deep))


class _PriceLoader(StrictLoader):
    """Reads numbers from their digits, as prices need."""


def _error_at(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _exact(loader: Any, node: yaml.ScalarNode) -> Decimal:
    """Read a number with a point from its digits, so that 0.1 is exactly a tenth."""
    text = str(node.value).lower()
    try:
        return Decimal(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except InvalidOperation as error:
        raise _error_at(node, f"'{node.value}' is not a number in digits") from error


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    """Read an integer; YAML would read 1:30 as 90, 010 as 8 and 0x10 as 16."""
    if not INTEGER.fullmatch(str(node.value)):
        raise _error_at(node, f"'{node.value}' is not a number in plain digits")
    return int(node.value)


def _date(loader: Any, node: yaml.ScalarNode) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError as error:
        raise _error_at(node, f"'{node.value}' is not a date") from error


StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _date)
_PriceLoader.add_constructor("tag:yaml.org,2002:float", _exact)
_PriceLoader.add_constructor("tag:yaml.org,2002:int", _integer)


def read_text(path: Path) -> str:
    """Read a file as UTF-8, with or without a byte order mark.

    Raises:
        InvalidText: it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"byte {error.object[error.start]:#04x} at {error.start} is not UTF-8."
        raise InvalidText("", problem, "Save the file as UTF-8.") from error


def parse_yaml(text: str, loader: type[StrictLoader] = StrictLoader) -> Any:
    """Parse YAML or JSON.

    Raises:
        InvalidText: it is not valid, with line and column.
    """
    try:
        return yaml.load(text, loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"character {error.character:#04x} is not allowed."
        raise InvalidText(f":{line}", problem, "Remove it.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        position = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise InvalidText(position, f"{problem}.", "Fix the YAML at this location.") from error


def load_prices(path: Path | None = None, overlay: Path | None = None) -> PriceBook:
    """Read the price book, bundled by default, with an overlay.

    Prices of an overlay replace those of the book as own, and its discounts apply to the others.

    Raises:
        PricingFileError: a file cannot be read or breaks a rule.
    """
    in_checkout = HERE.parent / "pricing.yaml"
    path = path or (in_checkout if in_checkout.is_file() else HERE / "pricing.yaml")
    return _book(path, _text(path), overlay, _text(overlay) if overlay else "")


@lru_cache(maxsize=4)
def _book(path: Path, text: str, overlay: Path | None, own_text: str) -> PriceBook:
    """Parse texts into a book; the same texts return the same book, which takes 0.1 s to build."""
    file, found = _read(path.name, text, {})
    files = [(file, found)]
    if overlay:
        if found.contract != NO_CONTRACT:
            problem = f"{', '.join(CONTRACT_SECTIONS)} belong in the file that --prices names."
            raise PricingFileError(path.name, problem)
        files.append(_read(overlay.name, own_text, file.sources))
    machines = [found.smallest_machines for _, found in files]
    contract, series = files[-1][1].contract, _records(files, "prices", PriceSeries)
    check_contract(files[-1][0], contract, series)
    book = PriceBook(
        prices=PriceTable(contracted(series, contract.discounts)),
        models=_records(files, "models", ModelCard),
        providers=_records(files, "providers", Provider),
        gpus=_records(files, "gpus", Gpu),
        cpus=_records(files, "cpus", Cpu),
        smallest_machines=MappingProxyType({k: v for one in machines for k, v in one.items()}),
        embeddings=_records(files, "embeddings", EmbeddingModel),
        vector_stores=_records(files, "vector_stores", VectorStorePlan),
        serverless=_records(files, "serverless", ServerlessTerms),
        spot_interruptions=_records(files, "spot_interruptions", SpotTerms),
        provisioned=_records(files, "provisioned", ProvisionedUnits),
        sha256=hashlib.sha256(orjson.dumps([text, own_text])).hexdigest(),
        contract=contract,
    )
    _check_references(path, overlay, book)
    return book


def _read(
    name: str, text: str, sources: Mapping[str, NamedSource]
) -> tuple[PriceFile, FileRecords]:
    """Read a file; it may refer to its own sources and to those of the file below it."""
    sections = _sections(name, text)
    place = PriceFile(name, sources)
    own = {
        str(key): _checked(place, Entry(f"sources: {key}", body), NamedSource, {})
        for key, body in sections["sources"].items()
    }
    file = PriceFile(name, {**sources, **own})
    contract = read_contract(file, sections, _checked)
    return file, replace(file_records(file, sections), contract=contract)


def _text(path: Path) -> str:
    if not path.is_file():
        raise PricingFileError(str(path), "there is no such file. Check the path.")
    try:
        return read_text(path)
    except InvalidText as error:
        raise PricingFileError(path.name, f"{error.problem} {error.remedy}") from error


def _sections(name: str, text: str) -> dict[str, Any]:
    """Return each section as a mapping or a list; a missing section is empty."""
    try:
        raw = parse_yaml(text, _PriceLoader)
    except InvalidText as error:
        where = f"{name}{error.position}"
        raise PricingFileError(where, f"{error.problem} {error.remedy}") from error
    if not isinstance(raw, dict):
        raise PricingFileError(name, "found no sections. Start with 'providers:'.")
    for section, body in raw.items():
        place = f"{name}: {section}"
        if section not in KNOWN_SECTIONS:
            raise PricingFileError(
                place, "there is no such section." + did_you_mean(str(section), KNOWN_SECTIONS)
            )
        if section in LIST_SECTIONS:
            if not isinstance(body, list | None):
                raise PricingFileError(
                    place,
                    f"found {shortened_repr(body)} instead of a list. Start each entry with '- '.",
                )
        elif not isinstance(body, dict | None):
            raise PricingFileError(
                place,
                f"found {body!r} instead of names with their entries. "
                "Write each on its own line, indented.",
            )
    return {s: raw.get(s) or (() if s in LIST_SECTIONS else {}) for s in KNOWN_SECTIONS}


def _check_references(path: Path, overlay: Path | None, book: PriceBook) -> None:
    """Refuse an offer or a price that refers to what is not in the book."""
    name = overlay.name if overlay else path.name
    for item in book.prices.series:
        _, _, machine_and_kind = item.partition("/")
        machine, _, kind = machine_and_kind.rpartition("/")
        known_machines = {"cpu_hour": book.cpus}.get(kind, book.gpus)
        if kind in MACHINE_KINDS and machine not in known_machines:
            problem = f"there is no machine '{machine}'.{did_you_mean(machine, known_machines)}"
            raise PricingFileError(f"{name}: prices: {item}", problem)
    for offer in book.offers:
        for key, reference, known in (
            ("card", offer.card, book.models),
            ("gpu", offer.gpu, book.gpus),
            ("served_like", offer.served_like, book.with_architecture),
            ("tokens_like", offer.tokens_like, book.models),
            ("hosting_item", offer.hosting_item, book.prices.series),
        ):
            if reference and reference not in known:
                place = f"{name}: providers: {offer.provider}: tuning: {offer.base}: {key}"
                problem = f"there is no '{reference}'.{did_you_mean(reference, known)}"
                raise PricingFileError(place, problem)


def _records(
    files: list[tuple[PriceFile, FileRecords]], section: str, kind: type[R]
) -> Mapping[str, R]:
    """Return the records of a section, by name, with the fields that follow from their place."""
    found: dict[str, R] = {}
    for number, (file, records) in enumerate(files):
        for name, entry in getattr(records, section).items():
            place = {"item": name, "own": number > 0, "id": name, "name": name}
            place["provider"] = str(name).split("/", 1)[0]
            implied = {key: value for key, value in place.items() if key in kind.model_fields}
            found[name] = _checked(file, entry, kind, implied)
    return MappingProxyType(found)


def _checked(file: PriceFile, entry: Entry, kind: type[R], implied: Mapping[str, Any]) -> R:
    body = entry.body
    if not isinstance(body, dict):
        raise file.error(entry.place, f"found {body!r} instead of a mapping. Indent its keys.")
    hidden = IMPLIED_FIELDS if implied else frozenset()
    for key in hidden & set(body):
        known = did_you_mean(key, set(kind.model_fields) - hidden)
        raise file.error(f"{entry.place}: {key}", f"there is no such key.{known}")
    try:
        return kind.model_validate({**body, **implied})
    except ValidationError as error:
        first = min(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        problem = explain_validation_error(kind, first["loc"], first, hidden)
        raise file.error(entry.where(first["loc"]), " ".join(problem).strip()) from error
