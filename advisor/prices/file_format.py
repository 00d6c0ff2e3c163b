"""Price files as people write them -> records as mappings: one normalisation of both forms.

The grouped form (`sources`, `providers`, `open_models`, `gpus`, `cpus`) is that of pricing.yaml.
The long form (`prices: {provider/model/kind: {unit, steps}}`, `models`, offers as a list) is that
of older overlays. The loader validates the records, whichever form they were written in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from types import MappingProxyType
from typing import Any

from advisor.errors import did_you_mean, shortened_repr
from advisor.prices.contract import NO_CONTRACT, Contract
from advisor.prices.long_form import long_model, long_provider
from advisor.prices.models import Cpu, Gpu, ModelCard
from advisor.prices.named_sources import PriceFile
from advisor.prices.price_lines import Entry, ended, price_lines
from advisor.prices.providers import Provider, TuningOffer
from advisor.prices.services import (
    EmbeddingModel,
    ProvisionedUnits,
    ServerlessTerms,
    SpotTerms,
    VectorStorePlan,
)
from advisor.units import GIB, Record

SECTIONS = ("sources", "providers", "open_models", "gpus", "cpus", "prices", "models")
"""Sections of a price file; the last two are of the long form."""
BLOCKS = {
    "prices": "",
    "gpu_hours": "gpu_hour",
    "spot_gpu_hours": "spot_gpu_hour",
    "serverless_gpu_hours": "serverless_gpu_hour",
    "cpu_hours": "cpu_hour",
}
"""Block of prices of a provider -> kind of all of them."""
NAMES_IN_FILES: Mapping[str, str] = MappingProxyType(
    {
        "ttl_low_seconds": "ttl_seconds",
        "ttl_high_seconds": "ttl_seconds",
        "memory_bytes": "memory_gib",
        "bandwidth_bytes_per_second": "bandwidth_gb_per_second",
        "link_bytes_per_second": "link_gb_per_second",
        "windows": "open_to",
        "closed_since": "until",
    }
)
"""Field of a record -> its name in the grouped form."""
SIZES = {
    "memory_gib": ("memory_bytes", GIB),
    "bandwidth_gb_per_second": ("bandwidth_bytes_per_second", 10**9),
    "link_gb_per_second": ("link_bytes_per_second", 10**9),
}
"""Size in the grouped form -> field of the record, and bytes in one unit."""


def _keys(record: type[Record], without: str, more: str) -> frozenset[str]:
    names = set(record.model_fields) - NAMES_IN_FILES.keys()
    return frozenset(names - set(without.split()) | set(more.split()))


LIMITS = ("context_tokens", "max_output_tokens", "long_context_from_tokens", "source")
"""Fields of a model that share a line."""
MODEL_KEYS = _keys(ModelCard, "id provider cache_steps thinking_steps", "prices")
SERVICES: Mapping[str, type[Record]] = MappingProxyType(
    {
        "embeddings": EmbeddingModel,
        "vector_stores": VectorStorePlan,
        "spot_interruptions": SpotTerms,
    }
)
"""Block of a provider with one record per name."""
TERMS: Mapping[str, type[Record]] = MappingProxyType(
    {"serverless": ServerlessTerms, "provisioned": ProvisionedUnits}
)
"""Block of a provider that is one record."""
PROVIDER_KEYS = (
    _keys(Provider, "name", "models access min_gpus every_model every_offer")
    | BLOCKS.keys()
    | SERVICES.keys()
    | TERMS.keys()
)
OFFER_KEYS = _keys(TuningOffer, "provider base", "open_to prices")
MACHINE_KEYS = {
    "gpus": _keys(Gpu, "name", " ".join(SIZES)),
    "cpus": _keys(Cpu, "name", "memory_gib"),
}


@dataclass(frozen=True)
class FileRecords:
    """The records of one file as mappings, by section and name."""

    prices: dict[str, Entry] = field(default_factory=dict)
    models: dict[str, Entry] = field(default_factory=dict)
    providers: dict[str, Entry] = field(default_factory=dict)
    gpus: dict[str, Entry] = field(default_factory=dict)
    cpus: dict[str, Entry] = field(default_factory=dict)
    smallest_machines: dict[str, int] = field(default_factory=dict)
    embeddings: dict[str, Entry] = field(default_factory=dict)
    vector_stores: dict[str, Entry] = field(default_factory=dict)
    spot_interruptions: dict[str, Entry] = field(default_factory=dict)
    serverless: dict[str, Entry] = field(default_factory=dict)
    provisioned: dict[str, Entry] = field(default_factory=dict)
    contract: Contract = NO_CONTRACT


def file_records(file: PriceFile, sections: Mapping[str, Mapping[Any, Any]]) -> FileRecords:
    """Return the records of a file in either form, as mappings.

    Raises:
        PricingFileError: a place in the file cannot be read.
    """
    reader = _Reader(file, FileRecords())
    for item, body in sections["prices"].items():
        reader.found.prices[str(item)] = Entry(f"prices: {item}", body)
    for name, body in sections["models"].items():
        reader.found.models[name] = Entry(f"models: {name}", long_model(file.name, body))
    for name, body in sections["providers"].items():
        reader.read_provider(str(name), body)
    for name, body in sections["open_models"].items():
        reader.read_model(f"open_models: {name}", f"open/{name}", body)
    for section in MACHINE_KEYS:
        for name, body in sections[section].items():
            reader.read_machine(section, str(name), body)
    return reader.found


def in_bytes(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a machine with its sizes in bytes.

    >>> in_bytes({"memory_gib": 24, "tdp_watts": 72})
    {'memory_bytes': 25769803776, 'tdp_watts': 72}
    """
    found = {}
    for key, value in body.items():
        name, unit = SIZES.get(key, (key, 1))
        is_size = key in SIZES and not isinstance(value, str | dict | list | None)
        found[name] = round(value * unit) if is_size and isfinite(value) and value > 0 else value
    return found


@dataclass(frozen=True)
class _Reader:
    """Collects the records of a file."""

    file: PriceFile
    found: FileRecords

    def read_provider(self, name: str, body: Any) -> None:
        """Read a provider: its models, prices, machines and offers, and its own record."""
        place = f"providers: {name}"
        body = self.file.mapping(place, body)
        if isinstance(body.get("tuning"), list):
            self.found.providers[name] = Entry(place, long_provider(self.file.name, name, body))
            return
        self.file.check_keys(place, body, PROVIDER_KEYS)
        defaults = self._part(place, body, "every_model")
        for model, one in self._part(place, body, "models").items():
            self.read_model(f"{place}: models: {model}", f"{name}/{model}", one, defaults)
        self._read_services(place, name, body)
        for block, kind in BLOCKS.items():
            lines = {"source": body.get("source"), **self._part(place, body, block)}
            for line, entry in price_lines(self.file, f"{place}: {block}", lines, kind):
                self._add_price(f"{name}/{line}/{kind}" if kind else f"{name}/{line}", entry)
        for gpu, count in self._part(place, body, "min_gpus").items():
            if type(count) is not int or count < 1:
                problem = f"found {shortened_repr(count)}. Give an integer of 1 or more."
                raise self.file.error(f"{place}: min_gpus: {gpu}", problem)
            self.found.smallest_machines[f"{name}/{gpu}"] = count
        own = {key: value for key, value in body.items() if key in Provider.model_fields}
        if own.keys() - {"source"}:
            offers = self._offers(place, name, body)
            own["tuning"] = list(offers.values())
            self.found.providers[name] = Entry(
                place, self.file.sourced(place, own), bases=tuple(offers), names=NAMES_IN_FILES
            )

    def read_model(
        self, place: str, name: str, body: Any, defaults: Mapping[str, Any] | None = None
    ) -> None:
        """Read the prices of a model, and its card if the file says more than prices."""
        body = self._with_defaults(place, body, defaults or {})
        limits = self._part(place, body, "limits")
        self.file.check_keys(f"{place}: limits", limits, LIMITS)
        body = {**limits, **{key: value for key, value in body.items() if key != "limits"}}
        self.file.check_keys(place, body, MODEL_KEYS)
        card = self._card(place, {key: value for key, value in body.items() if key != "prices"})
        if name.startswith("open/"):
            card = {"open_weights": True, **card}
        if card:
            self.found.models[name] = Entry(place, card, names=NAMES_IN_FILES)
        self._add_prices(place, name, body, card.get("available"))

    def read_machine(self, section: str, name: str, body: Any) -> None:
        """Read a GPU or a CPU machine; the long form has its sizes in bytes."""
        place = f"{section}: {name}"
        body = self.file.mapping(place, body)
        in_long_form = "memory_bytes" in body
        if not in_long_form:
            self.file.check_keys(place, body, MACHINE_KEYS[section])
        sizes = in_bytes(self.file.sourced(place, body))
        names = {} if in_long_form else NAMES_IN_FILES
        getattr(self.found, section)[name] = Entry(place, sizes, names=names)

    def _with_defaults(self, place: str, body: Any, defaults: Mapping[str, Any]) -> dict[Any, Any]:
        """Return a model or offer with what `every_model` or `every_offer` says of all of them."""
        own = self.file.mapping(place, body)
        if not defaults or not own.keys() - {"prices"}:
            return own
        prices = self._part(place, defaults, "prices") | self._part(place, own, "prices")
        return {**defaults, **own} | ({"prices": prices} if prices else {})

    def _read_services(self, place: str, name: str, body: Mapping[Any, Any]) -> None:
        """Read what a provider rents out, in addition to chat models and machines."""
        for block, kind in SERVICES.items():
            for key, one in self._part(place, body, block).items():
                where, known = f"{place}: {block}: {key}", _keys(kind, "name", "prices")
                fields = self._service(where, one, known)
                stem, available = f"{name}/{key}", fields.get("available")
                if available is not None:
                    sourced = self.file.sourced(f"{where}: available", available)
                    fields["available"] = available = sourced
                self._add_prices(where, stem, fields, available)
                card = {k: value for k, value in fields.items() if k != "prices"}
                getattr(self.found, block)[stem] = Entry(where, card)
        for block, kind in TERMS.items():
            if block in body:
                where = f"{place}: {block}"
                fields = self._service(where, body[block], _keys(kind, "name", ""))
                getattr(self.found, block)[name] = Entry(where, fields)

    def _service(self, place: str, body: Any, known: Collection[str]) -> dict[str, Any]:
        """Return the fields of a service, with its sources in full."""
        body = self.file.mapping(place, body)
        self.file.check_keys(place, body, known)
        fields: dict[str, Any] = self._with_other_sources(place, self.file.sourced(place, body))
        if isinstance(fields.get("models"), dict):
            stated = {k: fields[k] for k in ("source", "read_on", "confidence") if k in fields}
            models = fields["models"].items()
            fields["models"] = {k: {**stated, **v} if isinstance(v, dict) else v for k, v in models}
        return fields

    def _with_other_sources(self, place: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the fields with the sources that only some of them have, such as idle_source."""
        others = {
            key: self.file.sourced(f"{place}: {key}", {"source": value})
            for key, value in body.items()
            if key.endswith("_source") and isinstance(value, str)
        }
        return {**body, **others}

    def _part(self, place: str, body: Mapping[Any, Any], key: str) -> dict[Any, Any]:
        return self.file.mapping(f"{place}: {key}", body.get(key))

    def _add_price(self, item: str, entry: Entry) -> None:
        if item in self.found.prices:
            other = self.found.prices[item].place
            problem = f"'{item}' is priced twice, here and at {other}. Remove one."
            raise self.file.error(entry.place, problem)
        self.found.prices[item] = entry

    def _add_prices(self, place: str, stem: str, body: Mapping[Any, Any], available: Any) -> None:
        """Add the prices of a model or offer; they end when it is no longer available."""
        has_end = isinstance(available, dict) and type(available.get("until")) is date
        lines = self._part(place, body, "prices")
        for kind, entry in price_lines(self.file, f"{place}: prices", lines):
            series = ended(self.file, entry, available) if has_end else entry
            self._add_price(f"{stem}/{kind}", series)

    def _card(self, place: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a model card."""
        card: dict[str, Any] = {**self.file.sourced(place, body)}
        for key in ("cache", "thinking"):
            if card.get(key) is not None:
                given = card[key] if isinstance(card[key], list) else [card[key]]
                steps = [self._fact(f"{place}: {key}", step) for step in given]
                card[key] = steps[-1]
                if len(steps) > 1 or (isinstance(steps[0], dict) and "since" in steps[0]):
                    card[f"{key}_steps"] = steps
        if "available" in card:
            card["available"] = self.file.sourced(f"{place}: available", card["available"])
        if isinstance(card.get("architecture"), dict):
            config = self._source_text(f"{place}: architecture", card["architecture"])
            card["architecture"] = {**card["architecture"], **config}
        if isinstance(card.get("token_factor"), list):
            where = f"{place}: token_factor"
            if len(card["token_factor"]) != 4:
                problem = f"found {shortened_repr(card['token_factor'])}."
                raise self.file.error(where, f"{problem} Write [low, likely, high, source].")
            names = ("low", "likely", "high", "source")
            factor = dict(zip(names, card["token_factor"], strict=True))
            card["token_factor"] = {**factor, **self._source_text(where, factor)}
        return card

    def _source_text(self, place: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the source without its day, for what does not age."""
        sourced = self.file.sourced(place, dict(body))
        return {"source": sourced["source"]} if "source" in sourced else {}

    def _fact(self, place: str, body: Any) -> Any:
        """Return one step of a fact."""
        body = self.file.sourced(place, body)
        if not isinstance(body, dict) or "ttl_seconds" not in body:
            return body
        ttl = body["ttl_seconds"]
        low, high = ttl if isinstance(ttl, list) and len(ttl) == 2 else (ttl, ttl)
        others = {key: value for key, value in body.items() if key != "ttl_seconds"}
        return {**others, "ttl_low_seconds": low, "ttl_high_seconds": high}

    def _offers(self, place: str, name: str, body: Mapping[Any, Any]) -> dict[str, Any]:
        """Return the offers of a provider, and add their prices."""
        lists = self._part(place, body, "access")
        windows = {
            key: [self._window(f"{place}: access: {key}", rule) for rule in rules or ()]
            for key, rules in lists.items()
        }
        offers = {}
        defaults = self._part(place, body, "every_offer")
        for base, one in self._part(place, body, "tuning").items():
            where = f"{place}: tuning: {base}"
            one = self._with_defaults(where, one, defaults)
            self.file.check_keys(where, one, OFFER_KEYS)
            fields = {key: value for key, value in one.items() if key not in ("open_to", "prices")}
            sourced = self._with_other_sources(where, self.file.sourced(where, fields))
            offer = {**sourced, "provider": name, "base": str(base)}
            if "available" in offer:
                offer["available"] = self.file.sourced(f"{where}: available", offer["available"])
            offer["windows"] = self._windows(where, one.get("open_to"), windows, offer)
            item = f"{name}/{base}/hosting_hour"
            if "hosting_hour" in self._part(where, one, "prices"):
                offer.setdefault("hosting_item", item)
            self._add_prices(where, f"{name}/{base}", one, offer.get("available"))
            offers[str(base)] = offer
        return offers

    def _windows(
        self, place: str, name: Any, windows: Mapping[str, Any], offer: Mapping[str, Any]
    ) -> Any:
        """Return the access rules that an offer names; without a name it is open to everybody."""
        if name is None:
            sourced = {k: offer[k] for k in ("source", "read_on", "confidence") if k in offer}
            return [{"who": "anyone", "says": "open to everybody.", **sourced}]
        if name not in windows:
            problem = f"there is no access list '{name}'.{did_you_mean(str(name), windows)}"
            raise self.file.error(f"{place}: open_to", problem)
        return windows[name]

    def _window(self, place: str, rule: Any) -> Any:
        """Return one access rule."""
        rule = self.file.sourced(place, rule)
        if not isinstance(rule, dict):
            return rule
        return {("closed_since" if key == "until" else key): value for key, value in rule.items()}
