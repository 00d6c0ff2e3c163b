"""Words that are never right in this project, each with the plain word to use instead.

Code, messages and docs are written in plain technical English (CONTRIBUTING.md, Style). The words
here come from one habit: household and rare words where the field has a noun or a verb of its own.
A pattern is matched case-insensitively as a complete word or phrase, inside identifiers too.
"""

from __future__ import annotations

from typing import NamedTuple

PLAIN_WORDS = {
    # rare and archaic words
    r"anew": "again, or a verb with re-",
    r"mend(?:s|ed|ing)?": "fix",
    r"dear": "expensive; 'at the dear end' is 'worst case'",
    r"dearer": "more expensive",
    r"dearest": "most expensive",
    r"reckon(?:s|ed|ing)?": "estimate",
    r"aloud": "explicitly",
    r"beside": "next to, with, in addition to",
    r"torn": "incomplete, corrupt",
    r"parted": "split",
    r"pupils?": "student",
    r"ought": "should",
    r"how-manieth": "position",
    # pronouns without a person
    r"nobody": "the noun: 'not specified', 'unknown', 'no process'",
    r"somebody": "the noun: a user, another process",
    r"anybody": "any user",
    r"whoever": "the noun: user, caller, operator, lease owner",
    r"whom": "who, or a noun: endpoint, provider",
    r"unsaid": "not specified",
    r"one's own": "your, local",
    # household phrases for technical acts
    r"la(?:y|ys|id) down": "create, store",
    r"let(?:s|ting)? go": "release, close, forget",
    r"bring(?:s)? further|brought further": "advance",
    r"said twice": "duplicate",
    r"hidden thought": "reasoning tokens",
    r"no word of": "no response from",
    r"be had": "available",
}
"""Pattern of a word or phrase -> what to write instead."""


class Allowed(NamedTuple):
    """One legitimate use: a stable code, a stored value, or a quoted title."""

    path: str
    """End of the file's path; empty for every file."""
    text: str
    """The text that is left out of the search."""


ALLOWED: tuple[Allowed, ...] = (
    # code of a rule: part of the public interface, answers and team rules refer to it
    Allowed("", "safety-is-measured-anew"),
    # text of a customer in an example dataset; a change would alter its token counts
    Allowed("examples/make.py", "but nobody answered"),
    Allowed("examples/make.py", "Oh dear, that parcel"),
    # kind of an event in events.jsonl, written by released versions
    Allowed("trainer/scripts/train.py", 'say("torn"'),
    # stored in the idempotency table by released versions
    Allowed("trainer/storage/idempotency.py", '= "nobody"'),
)
"""Keep this short: each entry needs its reason in a comment."""
