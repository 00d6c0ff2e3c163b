"""An answer -> the first screen: what to do, what it costs, what it saves, how sure."""

from __future__ import annotations

from html import escape

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.decision.verdict import APPROACH_VERBS
from advisor.report.markdown import saving_usd_per_month
from advisor.units import Money
from ui import formatting


def option_by_id(answer: Answer, option_id: str | None) -> OptionBill | None:
    """Return an option of the answer by its id."""
    return next((one for one in answer.options if one.id == option_id), None)


def headline(answer: Answer) -> str:
    """Say in a few words what to do."""
    chosen = option_by_id(answer, answer.decision.recommended)
    if chosen is None or chosen.approach == "not_yet":
        return "Not yet: measure first, then decide."
    if chosen.id == "current":
        return "Keep what you do today."
    where = "" if chosen.provider == "own" else f" at {chosen.provider}"
    model = chosen.model.rsplit("/", 1)[-1]
    return f"{APPROACH_VERBS[chosen.approach]} {model}{where}."


def figures_text(answer: Answer, locale: str) -> str:
    """Say what that costs and saves."""
    chosen = option_by_id(answer, answer.decision.recommended)
    if chosen is None:
        return ""
    if chosen.approach == "not_yet":
        why = answer.decision.reasons[0].says if answer.decision.reasons else ""
        cost = formatting.money_text(chosen.one_off.likely, locale)
        return f"{why} Measuring costs about {cost}." if chosen.bill else why
    says = f"{formatting.money_text(chosen.monthly.likely, locale)} a month"
    if float(chosen.one_off.likely) >= 0.005:
        says += f" after {formatting.money_text(chosen.one_off.likely, locale)} once"
    saved = saving_usd_per_month(answer)
    if saved is not None and saved > 0:
        says += f", {formatting.money_text(saved, locale)} a month less than today"
    return says + "."


def start_label(answer: Answer, locale: str) -> str | None:
    """Return what the button says that starts the recommended way; None where nothing starts."""
    chosen = option_by_id(answer, answer.decision.recommended)
    if chosen is None or chosen.approach == "not_yet" or chosen.id == "current":
        return None
    if chosen.launch == "by_hand":
        return "How to start it"
    verb = "Take it to a GPU" if chosen.launch == "export" else "Launch it"
    return f"{verb}: {money_range_text(chosen.one_off, locale)} once"


def money_range_text(money: Money, locale: str) -> str:
    """Write a range of money.

    >>> money_range_text(Money(low="1.00", likely="1.00", high="1.00"), "en_US")
    '$1.00'
    """
    cents = None if float(money.high) < 100 else False
    low, high = (formatting.money_text(end, locale, cents) for end in (money.low, money.high))
    return low if low == high else f"{low} \u2013 {high}"


def verdict_html(answer: Answer, locale: str) -> str:
    """Return the first screen's verdict as HTML."""
    decision = answer.decision
    name, prices = answer.question.name, formatting.day_text(answer.question.asked_on, locale)
    tiles = "".join(tile for tile in _figure_tiles(answer, locale) if tile)
    return (
        f'<section class="ton-hero" id="verdict" aria-live="polite" '
        f'data-recommended="{escape(decision.recommended)}">'
        f'<p class="ton-eyebrow">{escape(name)} \u00b7 prices of {escape(prices)}</p>'
        f'<h1 class="ton-verdict">{escape(headline(answer))}</h1>'
        f'<p class="ton-lead">{escape(figures_text(answer, locale))}</p>'
        f'<div class="ton-tiles">{tiles}</div>{_runner_up_text(answer, locale)}</section>'
    )


def _figure_tiles(answer: Answer, locale: str) -> tuple[str, ...]:
    decision = answer.decision
    chosen = option_by_id(answer, decision.recommended)
    if chosen is None:
        return ()
    if chosen.approach == "not_yet":
        return (_break_even_text(answer, locale),)
    saved = saving_usd_per_month(answer)
    target = formatting.share_text(quality_target_text(answer), locale)
    note = f"{target} is good enough"
    exact = chosen.per_month.low == chosen.per_month.high
    spread = "nothing in it is uncertain" if exact else "in nine of ten draws"
    return (
        formatting.figure_tile(
            "Cost a month",
            money_range_text(chosen.per_month, locale),
            spread,
            "What is paid once is spread over the months of use.",
        ),
        ""
        if saved is None
        else formatting.figure_tile(
            "Saves a month" if saved >= 0 else "Costs more a month",
            formatting.money_text(abs(saved), locale),
            "against what is done today",
        ),
        formatting.figure_tile(
            "How sure",
            formatting.share_text(decision.win_share, locale),
            "of the draws of what is uncertain",
            "The share of draws in which it wins.",
        ),
        formatting.figure_tile(
            "Right answers",
            formatting.share_text(chosen.quality.likely, locale),
            note,
            f"{chosen.quality.basis}; {chosen.quality.source}",
        ),
        _break_even_text(answer, locale),
    )


def quality_target_text(answer: Answer) -> str:
    """Return the share of right answers that is good enough, as given or as assumed."""
    given = answer.question.quality.target
    taken = next((a.value for a in answer.assumptions if a.path == "quality.target"), "0")
    return taken if given is None else f"{given:g}"


def _break_even_text(answer: Answer, locale: str) -> str:
    found = answer.decision.break_even
    if found is None:
        return ""
    hint = f"{formatting.option_name(found.option)} against {formatting.option_name(found.against)}"
    if found.requests_per_month is None:
        return formatting.figure_tile("Training pays from", "never", "however many requests", hint)
    short = formatting.short_number_text(found.requests_per_month, locale)
    return formatting.figure_tile("Training pays from", short, "requests a month", hint)


def _runner_up_text(answer: Answer, locale: str) -> str:
    other = option_by_id(answer, answer.decision.runner_up)
    if other is None:
        return ""
    cost = formatting.money_text(other.per_month.likely, locale)
    return (
        f'<p class="ton-second"><span class="ton-label">Runner-up</span> '
        f"{escape(formatting.option_name(other.id))}: <b>{escape(cost)}</b> a month</p>"
    )
