"""Split of the published cases into a development and a check half, by contrast group.

python -m benchmarks.decision_split FILE BUILD CHECK
"""

from __future__ import annotations

import re
import sys
from hashlib import sha256
from pathlib import Path

import yaml

HEADER = """\
# Split of the published cases by `python -m benchmarks.decision_split`: a case is in the half to
# build on where the first hexadecimal digit of sha256(counterfactual_group, or its id) is even.
# The rules of the advice were written without reading the half to check on.
"""


def half_of(case: dict[str, object]) -> str:
    """Return the half of a case; cases of one contrast group stay together.

    >>> half_of({"id": "a", "counterfactual_group": "email_classifier_volume"})
    'build'
    """
    key = str(case["counterfactual_group"] or case["id"])
    return "check" if int(sha256(key.encode()).hexdigest()[0], 16) % 2 else "build"


def split_cases(text: str) -> dict[str, str]:
    """Split a file of cases as text, so that no case changes."""
    start = text.index("\n- id:") + 1
    head, blocks = text[:start], re.split(r"(?m)^(?=- id:)", text[start:])
    halves = {"build": HEADER + head, "check": HEADER + head}
    for block in filter(str.strip, blocks):
        halves[half_of(yaml.safe_load(block)[0])] += block
    return halves


if __name__ == "__main__":
    halves = split_cases(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name, target in zip(("build", "check"), sys.argv[2:4], strict=True):
        Path(target).write_text(halves[name], encoding="utf-8")
