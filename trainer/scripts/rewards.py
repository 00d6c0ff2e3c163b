"""Rewards from a grader in JSON, with the fields of OpenAI's graders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from tokenize_rows import UntrainableData

Reward = Callable[..., list[float]]
CHECKS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda answer, expected: answer == expected,
    "ne": lambda answer, expected: answer != expected,
    "like": lambda answer, expected: expected in answer,
    "ilike": lambda answer, expected: expected.lower() in answer.lower(),
}


def reward_of(grader: str | None) -> Reward:
    """Return the reward function of a grader: `string_check`, `regex` or `json`.

    Raises:
        UntrainableData: there is no grader, or its type is not supported here.
    """
    if not grader:
        raise UntrainableData("reinforcement needs a grader. Add one with --grader FILE.")
    asked = json.loads(grader)
    score = _score(asked)

    def reward(completions: Sequence[Any], expected: Sequence[str], **_: Any) -> list[float]:
        answers = [one[-1]["content"] if isinstance(one, list) else one for one in completions]
        return [
            score(answer.strip(), right) for answer, right in zip(answers, expected, strict=True)
        ]

    return reward


def _score(asked: dict[str, Any]) -> Callable[[str, str], float]:
    kind = asked.get("type")
    if kind == "string_check" and asked.get("operation") in CHECKS:
        check = CHECKS[asked["operation"]]
        return lambda answer, expected: float(check(answer, expected.strip()))
    if kind == "regex" and asked.get("pattern"):
        pattern = re.compile(asked["pattern"])
        return lambda answer, _: float(bool(pattern.search(answer)))
    if kind == "json":
        return lambda answer, _: _parses(answer)
    raise UntrainableData(
        f"a grader of type {kind!r} is not supported here. Use string_check with an "
        f"operation of {', '.join(CHECKS)}, regex with a pattern, or json."
    )


def _parses(text: str) -> float:
    try:
        json.loads(text)
    except ValueError:
        return 0.0
    return 1.0
