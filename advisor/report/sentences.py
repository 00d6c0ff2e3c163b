"""Every sentence about an answer: verdict, cost, certainty, runner-up, break-even, sensitivity.

CLI, Markdown, page and API text take their wording from here; tables and layout are theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.decision.verdict import cost_text
from advisor.prices.display_names import (
    APPROACH_NAMES,
    model_name,
    option_name,
    provider_name,
)
from advisor.prices.series import STALE_AFTER_DAYS
from advisor.units import SYMBOLS, Approach, Currency, Record, amount_text, rounded_money_text

SURE_SHARE, LIKELY_SHARE = 0.9, 0.6
"""Win shares from which a decision is called sure, or likely; our own judgement."""
MAX_NAMED_ASSUMPTIONS = 3
MoneyFormat = Callable[[float], str]


def approach_name(option: OptionBill) -> str:
    """Return the display name of an option's approach; the current solution is its own kind."""
    return APPROACH_NAMES[_kind(option)]


def option_of(answer: Answer, option_id: str | None) -> OptionBill | None:
    """Return an option of an answer by its id, or None."""
    return next((option for option in answer.options if option.id == option_id), None)


def saving_usd_per_month(answer: Answer) -> float | None:
    """Return the monthly saving of the recommended option; None without a current solution.

    saving = current USD per month - recommended USD per month, with one-off costs spread
    """
    current, chosen = option_of(answer, "current"), option_of(answer, answer.decision.recommended)
    if current is None or chosen is None or chosen is current:
        return None
    return float(current.per_month.likely) - float(chosen.per_month.likely)


def headline(answer: Answer) -> str:
    """Return what to do, without figures: the verdict up to its colon."""
    chosen = option_of(answer, answer.decision.recommended)
    if chosen is None or chosen.approach == "not_yet":
        return answer.decision.verdict
    return answer.decision.verdict.partition(": ")[0] + "."


def figures_sentence(answer: Answer, format_money: MoneyFormat | None = None) -> str:
    """Return the cost and saving of the recommended option, in the answer's currency."""
    format_money = format_money or partial(rounded_money_text, currency=answer.currency)
    chosen = option_of(answer, answer.decision.recommended)
    if chosen is None:
        return ""
    if chosen.approach == "not_yet":
        why = answer.decision.reasons[0].says if answer.decision.reasons else ""
        cost = f" Measuring costs about {format_money(float(chosen.one_off.likely))}."
        return why + cost if chosen.bill else why
    saving = saving_usd_per_month(answer) or 0.0
    once = float(chosen.one_off.likely)
    return cost_text(float(chosen.monthly.likely), once, saving, format_money) + "."


def verdict_sentences(answer: Answer) -> list[str]:
    """Return the verdict, what limits it, its certainty, the runner-up and the break-even."""
    decision = answer.decision
    return [
        decision.verdict,
        *decision.notes,
        _certainty(decision.win_share, decision.approach_share),
        f"Runner-up: {option_name(decision.runner_up)}." if decision.runner_up else "No runner-up.",
        *break_even_sentences(answer),
    ]


def _certainty(win_share: str, approach_share: str) -> str:
    own, approach = float(win_share), float(approach_share)
    text = f"Best option in {own:.0%} of simulations"
    return f"{text}." if approach - own < 0.05 else f"{text}, its approach in {approach:.0%}."


def break_even_sentences(answer: Answer) -> list[str]:
    """Return the sentence about the break-even, or nothing if there is none."""
    point = answer.decision.break_even
    if point is None:
        return []
    other = "the current solution" if point.against == "current" else option_name(point.against)
    name = "" if point.option == answer.decision.recommended else option_name(point.option)
    if point.requests is None:
        subject = name or "The recommended option"
        return [f"{subject} does not break even with {other} at any number of requests."]
    is_slow = point.months and float(point.months) >= 0.1
    months = f", {point.months} months at this traffic" if is_slow else ""
    return [
        f"Break-even{f' of {name}' if name else ''} at {point.requests:,} requests "
        f"({point.requests_per_month:,} per month{months}) compared with {other}."
    ]


def sensitivity_sentences(answer: Answer) -> list[str]:
    """Return the nearest changes that would change the recommended approach."""
    if not answer.decision.flips:
        return ["No single change of a value alters the recommendation, even by a factor of 100."]
    return [
        f"--set {flip.path}={flip.after} (now {flip.before}): {option_name(flip.becomes)}"
        for flip in answer.decision.flips
    ]


class NumberFormat(Record):
    """Number format of a language."""

    thousands: str
    """Thousands separator."""
    decimal: str
    """Decimal separator."""


class Sentences(Record):
    """The sentences of one language that explain a decision, from sentences.yaml."""

    numbers: NumberFormat
    money: str
    act: dict[Approach | str, str]
    short: dict[Approach | str, str]
    cost: str
    cost_exact: str
    once: str
    cost_of_measuring: str
    saving: str
    costs_more: str
    old_prices: str
    measured: str
    expected: str
    reasons: dict[str, str]
    looked_at: str
    looked_at_alone: str
    sure: dict[str, str]
    flip: str
    no_flip: str
    unknown: str
    and_more: str
    all_known: str
    measure: str
    nothing_to_measure: str
    measure_by_path: dict[str, str]
    labels: dict[str, str]
    words: dict[str, str]

    def number(self, text: str, digits: int = 2) -> str:
        """Return a number in the language's format; text that is not a number is translated."""
        try:
            value = float(text)
        except ValueError:
            return self.words.get(text, text)
        shown = f"{value:,.{digits}f}" if digits else f"{value:,.10g}"
        signs = {",": self.numbers.thousands, ".": self.numbers.decimal}
        return "".join(signs.get(sign, sign) for sign in shown)

    def amount(self, usd: str | float, currency: Currency) -> str:
        """Return an amount of USD in a currency, in the language's format."""
        number = self.number(amount_text(usd, currency).replace(",", ""))
        is_first = self.money.startswith("{currency}")
        sign = SYMBOLS.get(currency.code, f"{currency.code} ") if is_first else currency.code
        return self.money.format(amount=number, currency=sign)


def decision_sentences(
    answer: Answer, texts: Sentences, with_sensitivity: bool = False
) -> tuple[str, ...]:
    """Explain a decision: action, cost, reasons, alternatives, sensitivity, unknowns, next step."""
    sentences = (
        *_action_and_cost(answer, texts),
        _old_prices(answer, texts),
        *_reasons(answer, texts),
        _alternatives(answer, texts),
        _nearest_change(answer, texts, with_sensitivity),
        _unknowns(answer, texts),
        _next_step(answer, texts),
    )
    return tuple(sentence for sentence in sentences if sentence)


def _recommended(answer: Answer) -> OptionBill:
    option = option_of(answer, answer.decision.recommended)
    assert option is not None, "an answer contains its recommended option"
    return option


def _kind(option: OptionBill) -> str:
    return "current" if option.id == "current" else option.approach


def _named(option: OptionBill, templates: Mapping[str, str]) -> str:
    return templates[_kind(option)].format(
        model=model_name(option.model), provider=provider_name(option.provider)
    )


def _old_prices(answer: Answer, texts: Sentences) -> str:
    """Say how old the prices of the recommended option are, if they are stale."""
    day = answer.question.asked_on
    lines = (line for line in _recommended(answer).bill if line.source != "your scenario")
    ages = [(day - line.read_on).days for line in lines if line.read_on]
    oldest = max(ages, default=0)
    return texts.old_prices.format(days=oldest) if oldest >= STALE_AFTER_DAYS else ""


def _action_and_cost(answer: Answer, texts: Sentences) -> Iterator[str]:
    option = _recommended(answer)
    yield _named(option, texts.act)
    money = partial(texts.amount, currency=answer.currency)
    monthly, once = option.monthly, money(option.one_off.likely)
    if option.approach == "not_yet":
        yield texts.cost_of_measuring.format(once=once)
        return
    saving, comparison = saving_usd_per_month(answer), ""
    if saving is not None:
        template = texts.saving if saving >= 0 else texts.costs_more
        comparison = template.format(amount=money(abs(saving)))
    template = texts.cost_exact if monthly.low == monthly.high else texts.cost
    yield template.format(
        monthly=money(monthly.likely),
        low=money(monthly.low),
        high=money(monthly.high),
        saving=comparison,
        once=texts.once.format(amount=once) if float(option.one_off.likely) else "",
    )


def _reasons(answer: Answer, texts: Sentences) -> Iterator[str]:
    """Explain the decision; a share of correct answers is named only if the user measured it."""
    option = _recommended(answer)
    quality, target = option.quality, answer.question.quality.target
    is_measured = quality.basis.startswith("measured")
    if option.approach != "not_yet":
        if is_measured and target is not None:
            yield texts.measured.format(
                likely=_percent(quality.likely, texts), target=_percent(str(target), texts)
            )
        elif not is_measured:
            yield texts.expected.format(source=quality.source)
    codes = (reason.code for reason in answer.decision.reasons)
    yield next((texts.reasons[code] for code in codes if code in texts.reasons), "")


def _percent(share: str, texts: Sentences) -> str:
    return texts.number(f"{round(100 * float(share), 1)}", 0)


def _alternatives(answer: Answer, texts: Sentences) -> str:
    decision = answer.decision
    share = float(decision.win_share)
    level = "high" if share >= SURE_SHARE else "middle" if share >= LIKELY_SHARE else "low"
    fields = {
        "costed": str(len(answer.options)),
        "out": str(len(answer.ruled_out)),
        "sure": "" if decision.recommended == "not_yet" else texts.sure[level],
    }
    second = option_of(answer, decision.runner_up)
    if second is None:
        return texts.looked_at_alone.format(**fields)
    return texts.looked_at.format(second=_named(second, texts.short), **fields)


def _nearest_change(answer: Answer, texts: Sentences, with_sensitivity: bool) -> str:
    if not answer.decision.flips:
        return texts.no_flip if with_sensitivity else ""
    flip = answer.decision.flips[0]
    option = option_of(answer, flip.becomes)
    return texts.flip.format(
        becomes=_named(option, texts.short) if option else option_name(flip.becomes),
        what=texts.labels.get(flip.path, flip.path),
        before=texts.number(flip.before, 0),
        after=texts.number(flip.after, 0),
    )


def _unknowns(answer: Answer, texts: Sentences) -> str:
    names = [texts.labels.get(item.path, item.path) for item in answer.assumptions]
    if not names:
        return texts.all_known
    what, more = ", ".join(names[:MAX_NAMED_ASSUMPTIONS]), len(names) - MAX_NAMED_ASSUMPTIONS
    return texts.unknown.format(
        what=texts.and_more.format(what=what, more=more) if more > 0 else what
    )


def _next_step(answer: Answer, texts: Sentences) -> str:
    """Name the next measurements; each one in the answer ends with the path that it fills."""
    steps = []
    for sentence in answer.decision.measure_next[:2]:
        text = sentence.rstrip(".")
        steps.append(texts.measure_by_path.get(text.rpartition(" ")[2], text))
    return texts.measure.format(what="; ".join(steps)) if steps else texts.nothing_to_measure
