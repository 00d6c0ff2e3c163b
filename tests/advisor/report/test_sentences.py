"""A decision in sentences: what a manager needs, in each language, with no number made up."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from string import Formatter
from typing import get_args

import pytest

from advisor.decision.answer import Answer, recommend
from advisor.errors import UsageError
from advisor.loading import (
    example_question,
    load_rule_catalogue,
    load_sentences,
    make_question,
    sentences_for,
)
from advisor.prices.display_names import model_name
from advisor.report.sentences import decision_sentences
from advisor.scenario.fields import FIELDS
from advisor.units import Approach
from tests.support.paths import ROOT
from tests.support.questions import complete_question

NAMES = ["email-triage", "email-triage-monthly", "brand-voice", "policy-faq",
         "nightly-extraction", "too-little"]  # fmt: skip


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    return {name: recommend(complete_question(name)) for name in NAMES}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("name", NAMES)
def test_a_decision_is_told_in_five_to_nine_sentences(
    answers: dict[str, Answer], name: str, language: str
) -> None:
    found = answers[name]

    told = decision_sentences(found, sentences_for(language))

    assert 5 <= len(told) <= 9
    assert all(sentence.endswith(".") and "{" not in sentence for sentence in told)
    recommended = next(o for o in found.options if o.id == found.decision.recommended)
    if recommended.approach != "not_yet":
        assert model_name(recommended.model) in told[0]
        likely = sentences_for(language).number(recommended.monthly.likely)
        assert likely in told[1]


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_share_of_right_answers_is_told_that_nobody_measured(
    answers: dict[str, Answer], language: str
) -> None:
    for found in answers.values():
        chosen = next(o for o in found.options if o.id == found.decision.recommended)
        shares = re.findall(r"\d ?%", " ".join(decision_sentences(found, sentences_for(language))))
        assert not shares or chosen.quality.basis.startswith("measured")


def test_what_the_user_measured_is_told_as_measured() -> None:
    scenario = {"asked_on": "2026-11-20", "task": "classification", "traffic": {"requests_per_month": 5000},
                "quality": {"target": 0.8, "has_eval": True,
                            "measured": [{"approach": "prompt", "value": 0.915, "n": 200}]}}  # fmt: skip

    found = recommend(replace(make_question(scenario), with_sensitivity=True))

    english, german = (
        " ".join(decision_sentences(found, sentences_for(one))) for one in ("en", "de")
    )
    assert "You measured 91.5% correct answers with it; the target is 80%." in english
    assert "Sie haben damit 91,5 % richtige Antworten gemessen, und 80 % genügen." in german


def test_every_language_has_the_same_sentences_with_the_same_gaps() -> None:
    languages = load_sentences()
    gaps = {name: _gaps(words.model_dump()) for name, words in languages.items()}

    assert set(languages) >= {"en", "de"}
    assert all(found == gaps["en"] for found in gaps.values())


def _gaps(part: object, path: str = "") -> dict[str, set[str]]:
    if isinstance(part, dict):
        inner = [_gaps(value, f"{path}.{key}") for key, value in part.items()]
        return {key: value for one in inner for key, value in one.items()}
    names = {str(name) for _, name, _, _ in Formatter().parse(str(part)) if name}
    return {path: names}


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_way_reason_and_path_has_its_words(language: str) -> None:
    words = sentences_for(language)
    reasons = {rule.code for rule in load_rule_catalogue().rules if "reason" in rule.by}

    assert set(words.act) == set(words.short) == {*get_args(Approach), "current", "not_yet"}
    assert set(words.reasons) == reasons - {"reaches-target", "cheapest-good-enough"}
    assert {*FIELDS, "asked_on"} - {"team.ml"} <= set(words.labels)


def test_everything_to_measure_next_has_its_words(answers: dict[str, Answer]) -> None:
    for found in answers.values():
        for sentence in found.decision.measure_next:
            path = sentence.rstrip(".").rpartition(" ")[2]
            assert path in sentences_for("de").measure_by_path, sentence


def test_numbers_are_written_as_the_language_does() -> None:
    assert sentences_for("en").number("1234567.5") == "1,234,567.50"
    assert sentences_for("de").number("1234567.5") == "1.234.567,50"
    assert sentences_for("de").number("true") == "ja"
    assert sentences_for("en").number("weekly") == "weekly"


def test_a_language_that_nobody_wrote_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="Use one of: de, en"):
        sentences_for("fr")


def test_nothing_flips_and_nothing_is_open_where_all_is_said() -> None:
    question = replace(example_question("policy-faq"), with_sensitivity=False)
    bare = recommend(question)
    closed = bare.model_copy(update={"assumptions": ()})

    told = " ".join(decision_sentences(closed, sentences_for("en"), with_sensitivity=True))

    assert "Everything is specified." in told
    assert "No single change of a value alters the recommendation" in told


def test_the_command_line_tells_it_first() -> None:
    def run(*flags: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "advisor", "recommend", "examples/too-little.yaml", *flags],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    assert run("--explain", "en").startswith("Recommended: do not decide yet; measure first.")
    markdown = run("--explain", "de", "--format", "markdown")
    assert "Empfehlung: noch nicht entscheiden; zuerst messen." in markdown
