"""An answer -> the decision in a few sentences that somebody who reads no tables understands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.units import Approach, Record

SURE_SHARE, LIKELY_SHARE = 0.9, 0.6
"""From which share of draws on a decision is called sure, or likely; own judgement."""
MAX_NAMED_OPTIONS = 3


class NumberFormat(Record):
    """How a language writes numbers."""

    thousands: str
    """Between three digits each."""
    decimal: str
    """Before the fraction."""


class Sentences(Record):
    """The sentences of one language."""

    numbers: NumberFormat
    act: dict[Approach | str, str]
    short: dict[Approach | str, str]
    cost: str
    cost_exact: str
    once: str
    cost_of_measuring: str
    saving: str
    dearer: str
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
        """Write a number as the language does; whatever is none stays as it is."""
        try:
            value = float(text)
        except ValueError:
            return self.words.get(text, text)
        shown = f"{value:,.{digits}f}" if digits else f"{value:,.10g}"
        signs = {",": self.numbers.thousands, ".": self.numbers.decimal}
        return "".join(signs.get(sign, sign) for sign in shown)


def decision_sentences(answer: Answer, words: Sentences) -> tuple[str, ...]:
    """Tell a decision: what to do, the cost, why, what else, what changes it, what is unknown."""
    told = (
        *_what_to_do(answer, words),
        *_why(answer, words),
        _what_else(answer, words),
        _change(answer, words),
        _unknown(answer, words),
        _next(answer, words),
    )
    return tuple(sentence for sentence in told if sentence)


def _recommended(answer: Answer) -> OptionBill:
    return _option(answer, answer.decision.recommended)


def _option(answer: Answer, name: str) -> OptionBill:
    return next(option for option in answer.options if option.id == name)


def _kind(option: OptionBill) -> str:
    return "current" if option.id == "current" else option.approach


def _named(option: OptionBill, texts: Mapping[str, str]) -> str:
    model = option.model.rsplit("/", 1)[-1]
    return texts[_kind(option)].format(model=model, provider=option.provider)


def _what_to_do(answer: Answer, words: Sentences) -> Iterator[str]:
    option = _recommended(answer)
    yield _named(option, words.act)
    monthly, once = option.monthly, words.number(option.one_off.likely)
    if option.approach == "not_yet":
        yield words.cost_of_measuring.format(once=once)
        return
    template = words.cost_exact if monthly.low == monthly.high else words.cost
    yield template.format(
        monthly=words.number(monthly.likely),
        low=words.number(monthly.low),
        high=words.number(monthly.high),
        saving=_against_today(answer, option, words),
        once=words.once.format(amount=once) if float(option.one_off.likely) else "",
    )


def _against_today(answer: Answer, option: OptionBill, words: Sentences) -> str:
    today = next((one for one in answer.options if one.id == "current"), None)
    if today is None or option is today:
        return ""
    saving = float(today.per_month.likely) - float(option.per_month.likely)
    template = words.saving if saving >= 0 else words.dearer
    return template.format(amount=words.number(f"{abs(saving):.2f}"))


def _why(answer: Answer, words: Sentences) -> Iterator[str]:
    """Say why; a share of right answers is named only where the user measured it."""
    option = _recommended(answer)
    quality, target = option.quality, answer.question.quality.target
    codes = [reason.code for reason in answer.decision.reasons]
    if option.approach != "not_yet":
        if quality.basis.startswith("measured") and target is not None:
            yield words.measured.format(
                likely=_percent(quality.likely, words), target=_percent(str(target), words)
            )
        elif not quality.basis.startswith("measured"):
            yield words.expected.format(source=quality.source)
    yield next((words.reasons[code] for code in codes if code in words.reasons), "")


def _percent(share: str, words: Sentences) -> str:
    return words.number(f"{round(100 * float(share), 1)}", 0)


def _what_else(answer: Answer, words: Sentences) -> str:
    decision = answer.decision
    share = float(decision.win_share)
    level = "high" if share >= SURE_SHARE else "middle" if share >= LIKELY_SHARE else "low"
    filled = {
        "costed": str(len(answer.options)),
        "out": str(len(answer.ruled_out)),
        "sure": "" if decision.recommended == "not_yet" else words.sure[level],
    }
    if decision.runner_up is None:
        return words.looked_at_alone.format(**filled)
    second = _named(_option(answer, decision.runner_up), words.short)
    return words.looked_at.format(second=second, **filled)


def _change(answer: Answer, words: Sentences) -> str:
    flips = answer.decision.flips
    if not flips:
        return words.no_flip
    flip = flips[0]
    found = next((one for one in answer.options if one.id == flip.becomes), None)
    becomes = _named(found, words.short) if found else flip.becomes
    return words.flip.format(
        becomes=becomes,
        what=words.labels.get(flip.path, flip.path),
        before=words.number(flip.before, 0),
        after=words.number(flip.after, 0),
    )


def _unknown(answer: Answer, words: Sentences) -> str:
    names = [words.labels.get(one.path, one.path) for one in answer.assumptions]
    if not names:
        return words.all_known
    what, more = ", ".join(names[:MAX_NAMED_OPTIONS]), len(names) - MAX_NAMED_OPTIONS
    return words.unknown.format(
        what=words.and_more.format(what=what, more=more) if more > 0 else what
    )


def _next(answer: Answer, words: Sentences) -> str:
    """Say what to measure next; each sentence of the answer ends with the path that it fills."""
    wanted = answer.decision.measure_next
    paths = [sentence.rstrip(".").rpartition(" ")[2] for sentence in wanted]
    told = [
        words.measure_by_path.get(path, sentence.rstrip("."))
        for path, sentence in zip(paths, wanted, strict=True)
    ]
    if not told:
        return words.nothing_to_measure
    return words.measure.format(what="; ".join(told[:2]))
