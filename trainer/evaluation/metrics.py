"""One answer and what was expected -> a score from 0 to 1, by one of five measures."""

from __future__ import annotations

import importlib
import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

from advisor.errors import UsageError, did_you_mean
from trainer.evaluation.near_duplicates import words

JSON_SHARE = 0.9  # of the expected answers that parse, from which the task is to write JSON
MAX_LABEL_WORDS = 8  # an answer with more is no label
ROWS_PER_LABEL = 5  # with fewer rows a label on average, the answers are no labels
BINARY = frozenset({"exact", "label", "json_schema"})  # these give 0 or 1, nothing between


def exact(answer: str, expected: str) -> float:
    r"""Score 1 for the same characters, apart from spaces around them (Unicode NFC).

    >>> exact(" Cafe\u0301\n", "Café"), exact("café", "Café")
    (1.0, 0.0)
    """
    return float(_plain(answer) == _plain(expected))


def label(answer: str, expected: str) -> float:
    """Score 1 for the same label: case, and punctuation at its ends, do not count.

    >>> label('"Refund".', "refund"), label("no refund", "refund")
    (1.0, 0.0)
    """
    return float(normalized_label(answer) == normalized_label(expected))


def normalized_label(text: str) -> str:
    """Return the label that an answer names: in small letters, without what stands around it.

    An answer of punctuation only is its own label.

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
    """Score by the longest common subsequence of words: the F-measure of its two shares.

    precision [0..1] = common words / words of the answer; recall = common words / words expected;
    score = 2 x precision x recall / (precision + recall). Characters stand for words in scripts
    without spaces. Two empty texts score 1, an empty one and another 0.

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
    """Score by character 1- to 6-grams, recall counting twice (chrF2 of sacrebleu).

    Raises:
        UsageError: sacrebleu is not installed.

    >>> chrf("the cat sat", "the cat sat"), chrf("", "the cat")
    (1.0, 0.0)
    """
    if not answer.strip() or not expected.strip():
        return exact(answer, expected)
    return min(1.0, float(_chrf().sentence_score(answer, [expected]).score) / 100)


def json_schema(answer: str, expected: str, schema: Mapping[str, Any] | None = None) -> float:
    """Score 1 for an answer that is JSON and valid under the schema, with none that equals.

    Order of keys and spaces do not count, and 1 equals 1.0 but not true.

    Raises:
        UsageError: the schema breaks the rules of schemas, or jsonschema is not installed.

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
    """Score each answer by the measure of this name [0..1].

    Raises:
        UsageError: no measure has this name, or there are more answers than rows or fewer.

    >>> scores("label", ["Yes.", "no"], ["yes", "yes"])
    [1.0, 0.0]
    """
    measure = METRICS.get(metric)
    if measure is None:
        raise UsageError("metric", f"there is no '{metric}'.", did_you_mean(metric, METRICS))
    if len(answers) != len(expected):
        raise UsageError(
            "metric",
            f"{len(answers)} answers for {len(expected)} rows.",
            "Give one answer a row, in the same order.",
        )
    if measure is json_schema:
        measure = partial(json_schema, schema=schema)
    return [measure(one, other) for one, other in zip(answers, expected, strict=True)]


def metric_for(expected: Sequence[str]) -> str:
    """Choose the measure that fits the expected answers.

    >>> metric_for(["yes", "no", "yes"]), metric_for(['{"a": 1}'] * 9 + ["none"])
    ('label', 'json_schema')
    >>> metric_for([f"Dear reader {n}, we have sent it." for n in range(9)])
    'chrf'
    """
    if not expected:
        raise UsageError("metric", "there are no rows.", "Give rows with an expected answer.")
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
    """Return the length of the longest common subsequence, a machine word of bits at a time."""
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
    """Write JSON in one way only, or return none if it is not JSON."""
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
    """Make a checker that looks up nothing outside the schema."""
    jsonschema, referencing = import_local_extra("jsonschema"), import_local_extra("referencing")
    kind = jsonschema.validators.validator_for(
        json.loads(schema), default=jsonschema.Draft202012Validator
    )
    try:
        kind.check_schema(json.loads(schema))
    except jsonschema.exceptions.SchemaError as error:
        raise UsageError("schema", f"{error.message}.", "Mend the schema.") from error
    return kind(json.loads(schema), registry=referencing.Registry())


def _is_valid(value: Any, schema: str) -> bool:
    unresolvable = import_local_extra("referencing").exceptions.Unresolvable
    try:
        return bool(_validator(schema).is_valid(value))
    except RecursionError:  # nested deeper than anybody would write
        return False
    except unresolvable as error:
        raise UsageError(
            "schema",
            f"it refers to {error.ref}, which is not in it.",
            "Put what it refers to under $defs; nothing is fetched.",
        ) from error


def import_local_extra(module: str) -> Any:
    """Import a module of the extra `local`.

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
