"""Price lists of other projects, as plain mappings -> one shape that can be compared with the book.

Three formats, recognised by their content:

* genai-prices: a list of providers, each with `models` that have `prices`; the package's data, or
  https://github.com/pydantic/genai-prices/blob/main/prices/data.json
* models.dev: providers by id, each with `models` that have `cost` and `limit`;
  https://models.dev/api.json
* litellm: models by name with `litellm_provider` and costs per token;
  https://github.com/BerriAI/litellm/blob/main/model_prices_and_context_window.json
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from advisor.errors import PricingFileError
from advisor.units import Record

SourceName = Literal["genai-prices", "models.dev", "litellm"]
Value = Decimal | date | bool | None
Steps = tuple[tuple[date, Value], ...]
ALWAYS = date.min
"""Start of a value without a date."""
CONTEXT, OUTPUT, LONG, ENDS = (
    "context_tokens",
    "max_output_tokens",
    "long_context_from_tokens",
    "ends_on",
)
"""What is compared besides prices; ends_on is a day, or true without one."""


class SourceNames(Record):
    """How one source names what the book calls provider/model."""

    prefixes: Mapping[str, str]
    """Provider of the book -> start of the name in the source; other providers are not in it."""
    models: Mapping[str, str] = {}
    """provider/model of the book -> complete name in the source, where the rest differs."""

    def name_of(self, model: str) -> str | None:
        """Return the name of a model of the book in the source; None without its provider.

        >>> SourceNames(prefixes={"google": "gemini/"}).name_of("google/gemini-3")
        'gemini/gemini-3'
        """
        provider, _, rest = model.partition("/")
        if model in self.models:
            return self.models[model]
        return f"{self.prefixes[provider]}{rest}" if provider in self.prefixes else None


@dataclass(frozen=True)
class OtherSource:
    """One price list of another project."""

    name: SourceName
    version: str
    """Version of the package, or name of the file."""
    models: Mapping[str, Mapping[str, Steps]]
    """Name in the source -> kind of price or fact -> its values, oldest first."""

    def can_state(self, kind: str) -> bool:
        """Whether its format has a place for a kind of price; models.dev has no tiers."""
        if self.name != "models.dev":
            return True
        return kind.removeprefix("long_") in MODELS_DEV_KINDS.values()

    @property
    def is_dated(self) -> bool:
        """Whether it lists announced steps; other sources state what applies today only."""
        return self.name == "genai-prices"


def read_source(document: object, version: str) -> OtherSource:
    """Recognise a price list by its content.

    Raises:
        PricingFileError: it is none of the known formats, or a value in it is not a number.
    """
    entries = document.values() if isinstance(document, Mapping) else ()
    first = [entry for entry in entries if isinstance(entry, Mapping)]
    try:
        if isinstance(document, list) and document and "models" in document[0]:
            return OtherSource("genai-prices", version, dict(_genai(document)))
        if any("litellm_provider" in entry for entry in first):
            return OtherSource("litellm", version, dict(_litellm(document)))
        if first and all(isinstance(entry.get("models"), Mapping) for entry in first):
            return OtherSource("models.dev", version, dict(_models_dev(first)))
    except (InvalidOperation, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PricingFileError(
            version, f"a value has an unexpected form ({error!r}). Download the file again."
        ) from error
    raise PricingFileError(
        version,
        "this is not a price list of genai-prices, models.dev or litellm. Give prices/data.json, "
        "api.json or model_prices_and_context_window.json.",
    )


GENAI_KINDS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
}
GENAI_TIERS = {("processing", "batch"): "batch_", ("service_tier", "flex"): "flex_"}


def _genai(providers: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Steps]]]:
    """Yield provider/model and its values; prices by time of day and other tiers are left out."""
    for provider in providers:
        for model in provider["models"]:
            prices = model["prices"]
            found = _genai_prices(prices if isinstance(prices, list) else [{"prices": prices}])
            for variant in model.get("price_variants") or ():
                tiers = [GENAI_TIERS.get(pair) for pair in variant["when"].items()]
                if len(tiers) == 1 and tiers[0]:
                    for kind, price in _genai_entry(variant["prices"], tiers[0]).items():
                        found.setdefault(kind, {})[_since(variant) or ALWAYS] = price
            if model.get("context_window"):
                found[CONTEXT] = {ALWAYS: _number(model["context_window"])}
            if model.get("deprecated"):
                found[ENDS] = {ALWAYS: True}
            yield f"{provider['id']}/{model['id']}", _steps(found)


def _genai_prices(entries: Iterable[Mapping[str, Any]]) -> dict[str, dict[date, Value]]:
    """Return the steps of each kind: a later entry replaces all prices of an earlier one."""
    found: dict[str, dict[date, Value]] = {}
    for entry in entries:
        since = _since(entry)
        if since is None:
            continue  # a time of day: the book lists the full price
        prices = _genai_entry(entry["prices"], "")
        found |= {kind: found.get(kind, {}) | {since: price} for kind, price in prices.items()}
        for kind in found.keys() - prices.keys():
            found[kind][since] = None
    return found


def _since(entry: Mapping[str, Any]) -> date | None:
    constraint = entry.get("constraint") or {}
    if constraint and "start_date" not in constraint:
        return None
    return _day(constraint["start_date"]) if constraint else ALWAYS


def _genai_entry(prices: Mapping[str, Any], tier: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for key, price in prices.items():
        kind = GENAI_KINDS.get(key)
        if kind is None or price is None:
            continue
        is_tiered = isinstance(price, Mapping)
        found[f"{tier}{kind}"] = _number(price["base"] if is_tiered else price)
        if is_tiered and price["tiers"] and tier in ("", "batch_"):
            found[f"{tier}long_{kind}"] = _number(price["tiers"][0]["price"])
            if not tier:
                found[LONG] = _number(price["tiers"][0]["start"])
    return found


LITELLM_KINDS = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cached_input",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_token": "output",
}
LITELLM_TIERS = {"": "", "_batches": "batch_", "_flex": "flex_"}
LITELLM_THRESHOLDS = (100, 128, 200, 256, 272, 512)
LITELLM_PRICES: Mapping[str, tuple[str, int]] = {
    **{
        f"{key}{ending}": (f"{tier}{kind}", 0)
        for key, kind in LITELLM_KINDS.items()
        for ending, tier in LITELLM_TIERS.items()
    },
    **{
        f"{key}_above_{size}k_tokens{ending}": (f"{tier}long_{kind}", size * 1000)
        for key, kind in LITELLM_KINDS.items()
        for ending, tier in (("", ""), ("_batches", "batch_"))
        for size in LITELLM_THRESHOLDS
    },
}
"""Key there -> kind, and the prompt above which it applies [tokens]."""
TOKENS_PER_PRICE = 1_000_000


def _litellm(document: Any) -> Iterator[tuple[str, Mapping[str, Steps]]]:
    """Yield the name of each model and its values."""
    for name, entry in document.items():
        if not isinstance(entry, Mapping) or name == "sample_spec":
            continue
        yield name, _steps({kind: {ALWAYS: value} for kind, value in _litellm_values(entry)})


def _litellm_values(entry: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """Yield kinds and values, prices per million tokens."""
    for key, (kind, threshold) in LITELLM_PRICES.items():
        if entry.get(key) is not None:
            yield kind, (_number(entry[key]) * TOKENS_PER_PRICE).normalize()
            if threshold:
                yield LONG, Decimal(threshold)
    for key, fact in (("max_input_tokens", CONTEXT), ("max_output_tokens", OUTPUT)):
        if isinstance(entry.get(key), int):
            yield fact, _number(entry[key])
    if entry.get("deprecation_date"):
        yield ENDS, _day(entry["deprecation_date"])


MODELS_DEV_KINDS = {
    "input": "input",
    "cache_read": "cached_input",
    "cache_write": "cache_write",
    "output": "output",
}


def _models_dev(
    providers: Iterable[Mapping[str, Any]],
) -> Iterator[tuple[str, Mapping[str, Steps]]]:
    """Yield provider/model and its values."""
    for provider in providers:
        for name, model in provider["models"].items():
            found = {kind: {ALWAYS: value} for kind, value in _models_dev_values(model)}
            yield f"{provider['id']}/{name}", _steps(found)


def _models_dev_values(model: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """Yield kinds and values; the first tier of the context is the long-context price."""
    cost, limit = model.get("cost") or {}, model.get("limit") or {}
    long: Mapping[str, Any] = next(iter(cost.get("tiers") or ()), {})
    for prefix, prices in (("", cost), ("long_", long)):
        for key, kind in MODELS_DEV_KINDS.items():
            if prices.get(key) is not None:
                yield f"{prefix}{kind}", _number(prices[key])
    if long:
        yield LONG, _number(long["tier"]["size"])
    for key, fact in (("context", CONTEXT), ("output", OUTPUT)):
        if limit.get(key):
            yield fact, _number(limit[key])
    if model.get("status") == "deprecated":
        yield ENDS, True


def _steps(found: Mapping[str, Mapping[date, Value]]) -> dict[str, Steps]:
    return {kind: tuple(sorted(values.items())) for kind, values in found.items()}


def _number(value: object) -> Decimal:
    if isinstance(value, bool):
        raise TypeError(f"{value} is not a number")
    return Decimal(str(value))


def _day(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))
