"""First screen of an answer: recommendation, cost, saving, certainty."""

from __future__ import annotations

from html import escape

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.prices.display_names import option_name
from advisor.report.sentences import figures_sentence, headline, option_of, saving_usd_per_month
from advisor.units import US_DOLLARS, Currency, Money
from ui import formatting


def recommended_option(answer: Answer) -> OptionBill | None:
    """Return the recommended option."""
    return option_of(answer, answer.decision.recommended)


def figures_text(answer: Answer, locale: str) -> str:
    """Return cost and saving of the recommendation as a sentence."""
    return figures_sentence(
        answer, lambda usd: formatting.money_text(usd, locale, currency=answer.currency)
    )


def start_label(answer: Answer, locale: str) -> str | None:
    """Return the label of the button that starts the recommendation; None if nothing starts."""
    chosen = recommended_option(answer)
    if chosen is None or chosen.approach == "not_yet" or chosen.id == "current":
        return None
    if chosen.launch == "by_hand":
        return "How to start it"
    verb = "Export for a rented GPU" if chosen.launch == "export" else "Launch"
    return f"{verb}: {money_range_text(chosen.one_off, locale, answer.currency)} one-off"


def money_range_text(money: Money, locale: str, currency: Currency = US_DOLLARS) -> str:
    """Format a range of money.

    >>> money_range_text(Money(low="1.00", likely="1.00", high="1.00"), "en_US")
    '$1.00'
    """
    cents = None if float(money.high) < 100 else False
    low, high = (
        formatting.money_text(end, locale, cents, currency) for end in (money.low, money.high)
    )
    return low if low == high else f"{low} \u2013 {high}"


def verdict_html(answer: Answer, locale: str) -> str:
    """Return the first screen as HTML."""
    decision = answer.decision
    rate = "" if answer.currency == US_DOLLARS else f" \u00b7 {answer.currency.note}"
    name, prices = answer.question.name, formatting.day_text(answer.question.asked_on, locale)
    return (
        f'<section class="ton-hero" id="verdict" aria-live="polite" '
        f'data-recommended="{escape(decision.recommended)}">'
        f'<p class="ton-eyebrow">{escape(name)} \u00b7 prices for {escape(prices)}'
        f"{escape(rate)}</p>"
        f'<h1 class="ton-verdict">{escape(headline(answer))}</h1>'
        f'<p class="ton-lead">{escape(figures_text(answer, locale))}</p>'
        f"{_notes_html(answer)}"
        f'<div class="ton-tiles">{_figure_tiles(answer, locale)}</div>'
        f"{_runner_up_text(answer, locale)}</section>"
    )


def _notes_html(answer: Answer) -> str:
    return "".join(f'<p class="ton-note">{escape(note)}</p>' for note in answer.decision.notes)


def _figure_tiles(answer: Answer, locale: str) -> str:
    chosen = recommended_option(answer)
    if chosen is None:
        return ""
    if chosen.approach == "not_yet":
        return _break_even_tile(answer, locale)
    target = formatting.share_text(quality_target_text(answer), locale)
    is_exact = chosen.per_month.low == chosen.per_month.high
    tile = formatting.figure_tile
    html = tile(
        "Cost per month",
        money_range_text(chosen.per_month, locale, answer.currency),
        "exact" if is_exact else "90% range",
        "One-off costs are spread over the planning horizon.",
    )
    saved = saving_usd_per_month(answer)
    if saved is not None:
        label = "Saving per month" if saved >= 0 else "Extra cost per month"
        amount = formatting.money_text(abs(saved), locale, currency=answer.currency)
        html += tile(label, amount, "compared with today")
    win_share = formatting.share_text(answer.decision.win_share, locale)
    approach = formatting.share_text(answer.decision.approach_share, locale)
    hint = f"Best option in {win_share} of simulations; its approach is best in {approach}."
    html += tile("Win share", win_share, "best option in simulations", hint)
    html += tile(
        "Expected quality",
        formatting.share_text(chosen.quality.likely, locale),
        f"the target is {target}",
        f"{chosen.quality.basis}; {chosen.quality.source}",
    )
    return html + _break_even_tile(answer, locale)


def quality_target_text(answer: Answer) -> str:
    """Return the quality target, given or assumed, as a share."""
    given = answer.question.quality.target
    assumed = next((a.value for a in answer.assumptions if a.path == "quality.target"), "0")
    return assumed if given is None else f"{given:g}"


def _break_even_tile(answer: Answer, locale: str) -> str:
    found = answer.decision.break_even
    if found is None:
        return ""
    pair = (option_name(found.option), option_name(found.against))
    hint = f"{pair[0]} compared with {pair[1]}"
    if found.requests_per_month is None:
        return formatting.figure_tile("Break-even", "never", "at any number of requests", hint)
    requests = formatting.short_number_text(found.requests_per_month, locale)
    return formatting.figure_tile("Break-even", requests, "requests per month", hint)


def _runner_up_text(answer: Answer, locale: str) -> str:
    other = option_of(answer, answer.decision.runner_up)
    if other is None:
        return ""
    cost = formatting.money_text(other.per_month.likely, locale, currency=answer.currency)
    return (
        f'<p class="ton-second"><span class="ton-label">Runner-up</span> '
        f"{escape(option_name(other.id))}: <b>{escape(cost)}</b> per month</p>"
    )
