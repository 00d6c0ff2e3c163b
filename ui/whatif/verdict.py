"""An answer -> the first screen: what to do, what it costs, what it saves, how sure."""

from __future__ import annotations

from html import escape

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.decision.decide import WORDS
from advisor.report.markdown import saving_usd
from advisor.units import Money
from ui import formatting


def option_of(answer: Answer, option_id: str | None) -> OptionBill | None:
    """Return an option of the answer by its id."""
    return next((one for one in answer.options if one.id == option_id), None)


def headline(answer: Answer) -> str:
    """Say in a few words what to do."""
    chosen = option_of(answer, answer.decision.recommended)
    if chosen is None or chosen.approach == "not_yet":
        return "Not yet: measure first, then decide."
    if chosen.id == "current":
        return "Keep what you do today."
    where = "" if chosen.provider == "own" else f" at {chosen.provider}"
    model = chosen.model.rsplit("/", 1)[-1]
    return f"{WORDS[chosen.approach]} {model}{where}."


def in_figures(answer: Answer, locale: str) -> str:
    """Say what that costs and saves."""
    chosen = option_of(answer, answer.decision.recommended)
    if chosen is None:
        return ""
    if chosen.approach == "not_yet":
        why = answer.decision.reasons[0].says if answer.decision.reasons else ""
        cost = formatting.money(chosen.one_off.likely, locale)
        return f"{why} Measuring costs about {cost}." if chosen.bill else why
    says = f"{formatting.money(chosen.monthly.likely, locale)} a month"
    if float(chosen.one_off.likely) >= 0.005:
        says += f" after {formatting.money(chosen.one_off.likely, locale)} once"
    saved = saving_usd(answer)
    if saved is not None and saved > 0:
        says += f", {formatting.money(saved, locale)} a month less than today"
    return says + "."


def start_words(answer: Answer, locale: str) -> str | None:
    """Return what the button says that starts the recommended way; None where nothing starts."""
    chosen = option_of(answer, answer.decision.recommended)
    if chosen is None or chosen.approach == "not_yet" or chosen.id == "current":
        return None
    if chosen.launch == "by_hand":
        return "How to start it"
    verb = "Take it to a GPU" if chosen.launch == "export" else "Launch it"
    return f"{verb}: {range_of(chosen.one_off, locale)} once"


def range_of(money: Money, locale: str) -> str:
    """Write a range of money.

    >>> range_of(Money(low="1.00", likely="1.00", high="1.00"), "en_US")
    '$1.00'
    """
    cents = None if float(money.high) < 100 else False
    low, high = (formatting.money(end, locale, cents) for end in (money.low, money.high))
    return low if low == high else f"{low} \u2013 {high}"


def hero(answer: Answer, locale: str) -> str:
    """Return the first screen's verdict as HTML."""
    decision = answer.decision
    name, prices = answer.question.name, formatting.day(answer.question.asked_on, locale)
    tiles = "".join(tile for tile in _tiles(answer, locale) if tile)
    return (
        f'<section class="ton-hero" id="verdict" aria-live="polite" '
        f'data-recommended="{escape(decision.recommended)}">'
        f'<p class="ton-eyebrow">{escape(name)} \u00b7 prices of {escape(prices)}</p>'
        f'<h1 class="ton-verdict">{escape(headline(answer))}</h1>'
        f'<p class="ton-lead">{escape(in_figures(answer, locale))}</p>'
        f'<div class="ton-tiles">{tiles}</div>{_second(answer, locale)}</section>'
    )


def _tiles(answer: Answer, locale: str) -> tuple[str, ...]:
    decision = answer.decision
    chosen = option_of(answer, decision.recommended)
    if chosen is None:
        return ()
    if chosen.approach == "not_yet":
        return (_pays_from(answer, locale),)
    saved = saving_usd(answer)
    target = formatting.share(answer_target(answer), locale)
    note = f"{target} is good enough"
    exact = chosen.per_month.low == chosen.per_month.high
    spread = "nothing in it is uncertain" if exact else "in nine of ten draws"
    return (
        formatting.tile(
            "Cost a month",
            range_of(chosen.per_month, locale),
            spread,
            "What is paid once is spread over the months of use.",
        ),
        ""
        if saved is None
        else formatting.tile(
            "Saves a month" if saved >= 0 else "Costs more a month",
            formatting.money(abs(saved), locale),
            "against what is done today",
        ),
        formatting.tile(
            "How sure",
            formatting.share(decision.win_share, locale),
            "of the draws of what is uncertain",
            "The share of draws in which it wins.",
        ),
        formatting.tile(
            "Right answers",
            formatting.share(chosen.quality.likely, locale),
            note,
            f"{chosen.quality.basis}; {chosen.quality.source}",
        ),
        _pays_from(answer, locale),
    )


def answer_target(answer: Answer) -> str:
    """Return the share of right answers that is good enough, as given or as assumed."""
    given = answer.question.quality.target
    taken = next((a.value for a in answer.assumptions if a.path == "quality.target"), "0")
    return taken if given is None else f"{given:g}"


def _pays_from(answer: Answer, locale: str) -> str:
    found = answer.decision.break_even
    if found is None:
        return ""
    hint = f"{formatting.option_name(found.option)} against {formatting.option_name(found.against)}"
    if found.requests_per_month is None:
        return formatting.tile("Training pays from", "never", "however many requests", hint)
    short = formatting.short_number(found.requests_per_month, locale)
    return formatting.tile("Training pays from", short, "requests a month", hint)


def _second(answer: Answer, locale: str) -> str:
    other = option_of(answer, answer.decision.runner_up)
    if other is None:
        return ""
    cost = formatting.money(other.per_month.likely, locale)
    return (
        f'<p class="ton-second"><span class="ton-label">Runner-up</span> '
        f"{escape(formatting.option_name(other.id))}: <b>{escape(cost)}</b> a month</p>"
    )
