"""The long form of models and providers, as older overlays have them -> the fields of today.

There `released`, `shutdown_on`, `replacement` and `result_ends_on` stood for what is `available`
now, offers were a list with their access windows, and every source was written in full.
"""

from __future__ import annotations

from typing import Any

OF_MODELS = {"released": "since", "shutdown_on": "until", "replacement": "replaced_by"}
OF_OFFERS = {"result_ends_on": "until"}


def long_model(file: str, body: Any) -> Any:
    """Return the fields of a model card.

    >>> long_model("own.yaml", {"tier": "mid", "shutdown_on": "2027-01-14"})
    {'tier': 'mid', 'available': {'until': '2027-01-14', 'source': 'own.yaml'}}
    """
    return _with_available(file, body, OF_MODELS)


def long_provider(file: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a provider whose offers are a list."""
    offers = [_with_available(file, offer, OF_OFFERS) for offer in body["tuning"]]
    named = [{**offer, "provider": name} if isinstance(offer, dict) else offer for offer in offers]
    return {**body, "tuning": named}


def _with_available(file: str, body: Any, old_names: dict[str, str]) -> Any:
    if not isinstance(body, dict) or not old_names.keys() & body:
        return body
    available = {new: body[old] for old, new in old_names.items() if old in body}
    stated = {key: body[key] for key in ("read_on", "confidence") if key in body}
    others = {key: value for key, value in body.items() if key not in old_names}
    return {**others, "available": {**available, "source": body.get("source", file), **stated}}
