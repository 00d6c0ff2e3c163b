"""Names of models in exports -> names of the price book, by rules that the providers document.

A name that no rule turns into a name of the forecast is listed as not in the forecast; it is never
matched by similarity. Own rules: a file that maps names in the export to names of the book.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

OPENAI_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""gpt-4o-2024-08-06 is a snapshot of gpt-4o: https://platform.openai.com/docs/models."""
ANTHROPIC_SNAPSHOT = re.compile(r"-\d{8}$")
"""claude-sonnet-4-5-20250929 is a snapshot of claude-sonnet-4-5:
https://platform.claude.com/docs/en/about-claude/models/overview."""
FINE_TUNED = re.compile(r"ft[:-](?P<base>[\w.-]+?)(:.*)?$")
"""ft:gpt-4.1-mini-2025-04-14:organisation::id: https://platform.openai.com/docs/guides/fine-tuning."""


def openai_model(name: str) -> tuple[str, str]:
    """Return the model and the prefix of the kinds of a tuned model.

    >>> openai_model("gpt-4o-2024-08-06"), openai_model("ft:gpt-4.1-mini-2025-04-14:acme::a1")
    (('gpt-4o', ''), ('gpt-4.1-mini', 'tuned_'))
    """
    tuned = FINE_TUNED.match(name)
    base = tuned["base"] if tuned else name
    return OPENAI_SNAPSHOT.sub("", base), "tuned_" if tuned else ""


def anthropic_model(name: str) -> str:
    """Return the model of an id or of a display name.

    >>> anthropic_model("claude-sonnet-4-5-20250929"), anthropic_model("Claude Haiku 4.5")
    ('claude-sonnet-4-5', 'claude-haiku-4-5')
    """
    plain = name.lower().replace(" ", "-").replace(".", "-") if " " in name else name.lower()
    return ANTHROPIC_SNAPSHOT.sub("", plain)


def kind_name(text: str) -> str:
    """Return a meter's own name as a kind.

    >>> kind_name("Web search tool calls")
    'web-search-tool-calls'
    """
    return re.sub(r"[^a-z0-9_.]+", "-", text.lower()).strip("-")


def renamed(sku: str, names: Mapping[str, str]) -> str:
    """Apply own names to an id: the longest name that the id is, or starts with, is replaced.

    >>> renamed("bedrock/Claude4.6Opus/input", {"bedrock/Claude4.6Opus": "bedrock/opus"})
    'bedrock/opus/input'
    """
    for name in sorted(names, key=len, reverse=True):
        if sku == name or sku.startswith(f"{name}/"):
            return names[name] + sku[len(name) :]
    return sku
