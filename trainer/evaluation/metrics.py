"""Text metrics: an answer and the expected answer -> a score from 0 to 1."""

from __future__ import annotations

import importlib
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from advisor.errors import UsageError, did_you_mean
from trainer.evaluation.near_duplicates import words

JSON_SHARE = 0.9  # share of expected answers that must parse for the task to be JSON output
MAX_LABEL_WORDS = 8  # a longer answer is not a label
ROWS_PER_LABEL = 5  # with fewer rows per label on average, the answers are not labels


def exact(answer: str, expected: str) -> float:
    r"""Score 1 for equal text, ignoring surrounding white space (Unicode NFC).

    >>> exact(" Cafe\u0301\n", "Café"), exact("café", "Café")
    (1.0, 0.0)
    """
    return float(_plain(answer) == _plain(expected))


def label(answer: str, expected: str) -> float:
    """Score 1 for the same label, ignoring case and punctuation at both ends.

    >>> label('"Refund".', "refund"), label("no refund", "refund")
    (1.0, 0.0)
    """
    return float(normalized_label(answer) == normalized_label(expected))


def normalized_label(text: str) -> str:
    """Return the label in an answer: in lower case, without surrounding punctuation and spaces.

    An answer of punctuation only is returned unchanged.

    >>> normalized_label(" **Lost card!** "), normalized_label("-")
    ('lost card', '-')
    """
    plain = " ".join(_plain(text).casefold().split())
    start, end = 0, len(plain)
    while start < end and _is_edge(plain[start]):
        start += 1
    while end > start and _is_edge(plain[end - 1]):
        end -= 1
    return plain[start:end] or plain


def rouge_l(answer: str, expected: str) -> float:
    """Score by the longest common subsequence of words (ROUGE-L F1).

    precision [0..1] = common words / words of the answer; recall = common words / expected words;
    score = 2 x precision x recall / (precision + recall). In scripts without spaces, each
    character is a word. Two empty texts score 1; an empty text against any other scores 0.

    Source:
        Lin 2004, ROUGE, section 3; equal to rouge-score 0.1.2 on English texts.

    >>> rouge_l("the cat sat", "the cat sat down"), rouge_l("", "")
    (0.8571428571428571, 1.0)
    """
    given, wanted = words(answer), words(expected)
    if not given or not wanted:
        return exact(answer, expected)
    return 2 * _common(given, wanted) / (len(given) + len(wanted))


def chrf(answer: str, expected: str) -> float:
    """Score by character 1- to 6-grams with recall weighted twice (chrF2 of sacrebleu).

    Raises:
        UsageError: sacrebleu is not installed.

    >>> chrf("the cat sat", "the cat sat"), chrf("", "the cat")
    (1.0, 0.0)
    """
    if not answer.strip() or not expected.strip():
        return exact(answer, expected)
    return min(1.0, float(_chrf().sentence_score(answer, [expected]).score) / 100)


def json_schema(answer: str, expected: str, schema: Mapping[str, Any] | None = None) -> float:
    """Score 1 for JSON that is valid under the schema, or without a schema equals the expected.

    Key order and white space are ignored; 1 equals 1.0 but not true.

    Raises:
        UsageError: the schema is invalid, or jsonschema is not installed.

    >>> json_schema('{"b": 1.0, "a": "x"}', '{"a": "x", "b": 1}'), json_schema("{", "{")
    (1.0, 0.0)
    >>> json_schema('{"a": 1}', "", {"type": "object", "required": ["b"]})
    0.0
    """
    given = _canonical(answer)
    if given is None:
        return 0.0
    if schema is None:
        return float(given == _canonical(expected))
    return float(_is_valid(json.loads(given), json.dumps(schema, sort_keys=True)))


METRICS: Mapping[str, Callable[[str, str], float]] = {
    "exact": exact,
    "label": label,
    "rouge_l": rouge_l,
    "chrf": chrf,
    "json_schema": json_schema,
}


def scores(
    metric: str,
    answers: Sequence[str],
    expected: Sequence[str],
    schema: Mapping[str, Any] | None = None,
) -> list[float]:
    """Score each answer with the named metric [0..1].

    Raises:
        UsageError: there is no such metric, or the numbers of answers and rows differ.

    >>> scores("label", ["Yes.", "no"], ["yes", "yes"])
    [1.0, 0.0]
    """
    measure = METRICS.get(metric)
    if measure is None:
        raise UsageError("metric", f"there is no metric '{metric}'.", did_you_mean(metric, METRICS))
    if len(answers) != len(expected):
        raise UsageError(
            "metric",
            f"{len(answers)} answers for {len(expected)} rows.",
            "Give one answer per row, in the same order.",
        )
    if measure is json_schema:
        measure = partial(json_schema, schema=schema)
    return [measure(one, other) for one, other in zip(answers, expected, strict=True)]


def metric_for(expected: Sequence[str]) -> str:
    """Choose the metric that fits the expected answers.

    >>> metric_for(["yes", "no", "yes"]), metric_for(['{"a": 1}'] * 9 + ["none"])
    ('label', 'json_schema')
    >>> metric_for([f"Hello reader {n}, we have sent it." for n in range(9)])
    'chrf'
    """
    if not expected:
        raise UsageError("metric", "there are no rows.", "Add rows with an expected answer.")
    parsed = sum(1 for text in expected if (_canonical(text) or "")[:1] in ("{", "["))
    if parsed >= JSON_SHARE * len(expected):
        return "json_schema"
    known = {normalized_label(text) for text in expected}
    is_short = all(len(words(text)) <= MAX_LABEL_WORDS for text in known)
    return "label" if is_short and len(known) <= max(2, len(expected) / ROWS_PER_LABEL) else "chrf"


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _is_edge(character: str) -> bool:
    return character.isspace() or unicodedata.category(character).startswith("P")


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence (bit-parallel)."""
    places: dict[str, int] = {}
    for at, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << at
    whole = (1 << len(one)) - 1
    row = whole
    for word in other:
        hit = row & places.get(word, 0)
        row = ((row + hit) | (row - hit)) & whole
    return len(one) - row.bit_count()


def _canonical(text: str) -> str | None:
    """Return JSON in canonical form, or None if it is not JSON."""
    try:
        value = json.loads(text, parse_float=_number, parse_constant=_no_number)
        return json.dumps(value, sort_keys=True)
    except (ValueError, RecursionError):
        return None


def _number(digits: str) -> float:
    value = float(digits)
    return int(value) if value.is_integer() else value


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


@lru_cache(maxsize=1)
def _chrf() -> Any:
    return import_local_extra("sacrebleu.metrics.chrf").CHRF()


@lru_cache(maxsize=16)
def _validator(schema: str) -> Any:
    """Build a validator that resolves no references outside the schema."""
    jsonschema, referencing = import_local_extra("jsonschema"), import_local_extra("referencing")
    kind = jsonschema.validators.validator_for(
        json.loads(schema), default=jsonschema.Draft202012Validator
    )
    try:
        kind.check_schema(json.loads(schema))
    except jsonschema.exceptions.SchemaError as error:
        raise UsageError("schema", f"{error.message}.", "Fix the schema.") from error
    return kind(json.loads(schema), registry=referencing.Registry())


def _is_valid(value: Any, schema: str) -> bool:
    unresolvable = import_local_extra("referencing").exceptions.Unresolvable
    try:
        return bool(_validator(schema).is_valid(value))
    except RecursionError:  # nested too deeply
        return False
    except unresolvable as error:
        raise UsageError(
            "schema",
            f"it refers to {error.ref}, which it does not contain.",
            "Add the referenced schema under $defs; nothing is fetched.",
        ) from error


def import_local_extra(module: str) -> Any:
    """Import a module that the extra `local` installs.

    Raises:
        UsageError: it is not installed.

    >>> import_local_extra("json").dumps(1)
    '1'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            "evaluation",
            f"{module.split('.')[0]} is not installed.",
            "Install the extra: pip install 'tune-or-not[local]'.",
        ) from error
