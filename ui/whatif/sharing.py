"""A scenario -> a link that holds it, and back."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from advisor.errors import UsageError
from ui import session

PARAMETER: Final = "q"
MOST_BYTES: Final = 64 * 1024
"""A scenario of a link is smaller unpacked: more is no scenario."""


def packed(scenario: Mapping[str, Any]) -> str:
    """Write a scenario small enough for a link.

    >>> unpacked(packed({"name": "x", "traffic": {"turns": 2}}))
    {'name': 'x', 'traffic': {'turns': 2}}
    """
    text = json.dumps(dict(scenario), separators=(",", ":"), sort_keys=True, default=str)
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpacked(text: str) -> dict[str, Any]:
    """Read a scenario out of a link.

    Raises:
        UsageError: the link holds none, or was cut off.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        reader = zlib.decompressobj()
        plain = reader.decompress(raw, MOST_BYTES)
        whole = reader.eof
        scenario = json.loads(plain) if whole else None
    except (binascii.Error, zlib.error, ValueError) as error:
        raise _broken() from error
    if not isinstance(scenario, dict):
        raise _broken()
    return scenario


def _broken() -> UsageError:
    return UsageError("the link", "it holds no whole scenario.",
                      "Copy it again, to its last character.")  # fmt: skip


def without_dataset(asked: session.Asked) -> dict[str, Any]:
    """Return the scenario with what was counted in the data written into it.

    A link holds no rows, so the numbers that came from them travel as numbers.
    """
    from advisor.facts import PATHS
    from ui.whatif.inputs import resolved_now

    scenario = session.set_path(asked.scenario, "dataset.path", None)
    resolved = resolved_now()
    for path, name in PATHS.items():
        if name in resolved.measured:
            value = float(getattr(resolved.facts, name)[0, 0])
            scenario = session.set_path(scenario, path, value)
    return scenario


def open_link() -> None:
    """Ask what the link of the page holds, once."""
    text = st.query_params.get(PARAMETER)
    if not text or st.session_state.get("whatif_link") == text:
        return
    st.session_state["whatif_link"] = text
    try:
        session.replace_scenario(unpacked(text), where="the link")
    except UsageError as error:
        session.report(error)
