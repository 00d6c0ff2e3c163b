"""Properties of the answers on random questions; `python -m benchmarks.properties` asks 1,000."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from advisor.prices.book import PriceBook
from benchmarks import random_questions
from benchmarks.option_amounts import Ends, option_amounts, reordered, with_lower_price
from benchmarks.properties import Tallies, tallied
from benchmarks.property_checks import CHECKS, Subject, never_less
from benchmarks.random_questions import leaf_paths, random_question

QUESTIONS = 12
CHECKED = (
    "more traffic never costs less",
    "a lower price never costs more",
    "more batch never costs more",
    "more flex never costs more",
    "caching never costs more, against none",
    "caching never costs more, against a share of 0",
    "a cache share of 0.01 does not jump",
    "best caching never costs more than implicit",
    "a longer horizon never costs less",
    "more growth never costs less",
    "more churn never costs more",
    "a higher spike never costs less",
    "a sweep equals single answers",
    "the order of the book does not matter",
    "every provider in a bill is allowed",
    "no option is offered after its end",
    "no data is sent where it must stay",
    "no crash",
)


@pytest.fixture(scope="module")
def found() -> Tallies:
    return tallied([f"test-{number}" for number in range(QUESTIONS)], CHECKS)


@pytest.mark.parametrize("name", CHECKED)
def test_no_random_question_violates(name: str, found: Tallies) -> None:
    assert found[name].compared > 0

    assert found[name].example == ""


def test_every_field_of_the_scenario_is_drawn() -> None:
    drawn = {*random_questions.NUMBERS, *random_questions.WORDS, *random_questions.FROM_BOOK}

    assert drawn | random_questions.NOT_DRAWN == set(leaf_paths())
    assert not drawn & random_questions.NOT_DRAWN


def test_a_seed_always_gives_the_same_question(book: PriceBook) -> None:
    first, again = random_question("7", book), random_question("7", book)

    assert first.scenario == again.scenario
    assert first.scenario != random_question("8", book).scenario


def test_a_cost_that_falls_is_found_at_each_end_of_its_range() -> None:
    less = {"a": SimpleNamespace(total=Ends(10.0, 9.0, 12.0))}
    more = {"a": SimpleNamespace(total=Ends(10.0, 8.9, 12.5))}

    compared = list(never_less("name", less, more))  # type: ignore[arg-type]

    assert [one.violation for one in compared] == ["", "a, low: 8.90 < 9.00", ""]
    assert [one.has_effect for one in compared] == [False, True, True]


def test_a_lower_price_lowers_the_bills_that_read_it(book: PriceBook) -> None:
    question = Subject("test-1", random_question("test-1", book)).question
    before = option_amounts(question)
    option_id, item = next(
        (name, item)
        for name, found in before.items()
        for item in sorted(found.price_items)
        if item.endswith("/output")
    )

    cut = with_lower_price(book, item, 0.7)

    day = question.scenario.asked_on
    assert float(cut.prices.on(item, day).value) == pytest.approx(
        0.7 * float(book.prices.on(item, day).value)
    )
    after = option_amounts(random_question("test-1", cut))
    assert after[option_id].total.likely < before[option_id].total.likely


def test_a_reordered_book_has_the_same_entries(book: PriceBook) -> None:
    again = reordered(book, list.reverse)

    assert list(again.models) == list(book.models)[::-1]
    assert dict(again.prices.series) == dict(book.prices.series)
