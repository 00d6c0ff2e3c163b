"""Advice on a published case: label, reasons, hard limits, cost and regret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from advisor.decision.answer import Answer, Question, recommend
from advisor.decision.bill import OptionBill
from advisor.errors import AdvisorError
from advisor.gpu.memory import fits_in_memory, peak_process_bytes
from advisor.gpu.parameters import ModelShape
from advisor.gpu.recipe import RANK
from advisor.gpu.training_setup import Method
from advisor.loading import load_evidence, load_rule_catalogue
from advisor.options.eligibility import customer_type
from advisor.options.option import WITHOUT_TRAINING
from advisor.prices.book import PriceBook
from advisor.scenario.scenario import Scenario
from benchmarks.decision_cases import CaseError, PublishedCase
from benchmarks.decision_labels import LABELS, label_of
from benchmarks.decision_scenario import scenario_of

Checks = Mapping[str, bool]
"""Name of a hard limit -> whether the advice respects it; only limits that apply."""
METHODS: dict[str, Method] = {"lora": "lora", "dpo": "lora", "qlora": "qlora", "full_ft": "full"}
OWN_MACHINES = frozenset(
    {
        "gpu_hour",
        "spot_gpu_hour",
        "serverless_gpu_hour",
        "cpu_hour",
        "vcpu_hour",
        "gib_hour",
        "request",
        "electricity_kwh",
    }
)
"""Kinds of prices that are paid when the texts stay on the customer's own machines."""
ROW_TOKENS = 1000.0
"""Tokens of a training row if the case does not specify them."""


@dataclass(frozen=True)
class Advice:
    """Advice for a case on a date."""

    label: str
    """Label as the published cases use it."""
    option: str
    """Id of the recommended option."""
    reasons: tuple[str, ...]
    """Reason codes; the first one decides."""
    says: str
    """The deciding reason as text."""
    checks: Checks
    """The hard limits that apply."""
    regret_usd: float | None
    """Cost above the cheapest allowed training that meets the target [USD per month]; None if
    nothing is trained."""
    regret_at_all_usd: float | None
    """The same compared with the cheapest allowed training, whatever its expected quality."""
    cost_usd: float | None
    """Cost per month [USD]; None if the advice is to wait."""
    answer: Answer


def advise(case: PublishedCase, day: date, book: PriceBook) -> Advice:
    """Return the advice for one case.

    Raises:
        CaseError: the case cannot be converted to a question, or the question has no answer.
    """
    scenario = scenario_of(case, day)
    question = Question(scenario, book, load_evidence(), catalogue=load_rule_catalogue())
    try:
        found = recommend(question)
    except AdvisorError as error:
        raise CaseError(f"case {case.id} on {day}: {error}") from error
    decision = found.decision
    chosen = next(o for o in found.options if o.id == decision.recommended)
    waits = decision.recommended == "not_yet"
    return Advice(
        label=label_of(found),
        option=decision.recommended,
        reasons=tuple(reason.code for reason in decision.reasons),
        says=decision.reasons[0].says if decision.reasons else decision.verdict,
        checks={} if waits else check_limits(chosen, scenario, book),
        regret_usd=regret_usd(chosen, found),
        regret_at_all_usd=regret_usd(chosen, found, at_all=True),
        cost_usd=None if waits else _usd(chosen),
        answer=found,
    )


def is_training(option: OptionBill) -> bool:
    """Whether an option includes training."""
    waits = option.id in ("current", "not_yet")
    return not waits and option.approach not in WITHOUT_TRAINING


def check_limits(option: OptionBill, scenario: Scenario, book: PriceBook) -> Checks:
    """Check an option against the hard limits, which no saving may break."""
    found: dict[str, bool] = {}
    if scenario.needs.privacy_self_host or not scenario.limits.data_may_leave:
        found["privacy"] = not sends_text(option)
    if not is_training(option):
        return found
    found["evaluation exists"] = scenario.quality.has_eval is not False
    offers = [o for o in book.offers if (o.provider, o.base) == (option.provider, option.model)]
    if offers or option.launch == "provider":
        who = customer_type(scenario, option.provider)
        found["provider open"] = any(o.open_window(who, scenario.asked_on) for o in offers)
    needed = _training_bytes(option, scenario, book)
    if needed is not None and option.gpu:
        found["fits the GPU"] = bool(fits_in_memory(needed, book.gpu(option.gpu).memory_bytes))
    return found


def sends_text(option: OptionBill) -> bool:
    """Whether anything but machine hours is paid for: then a provider receives the texts."""
    kinds = {line.price_item.rsplit("/", 1)[-1] for line in option.bill if line.price_item}
    return bool(kinds - OWN_MACHINES)


def _training_bytes(option: OptionBill, scenario: Scenario, book: PriceBook) -> float | None:
    card = book.models.get(f"open/{option.model}")
    method = METHODS.get(option.approach)
    if card is None or card.architecture is None or method is None:
        return None
    traffic = scenario.traffic
    parts = (traffic.prefix_tokens, traffic.user_tokens, traffic.completion_tokens)
    tokens = sum(part or 0.0 for part in parts) or ROW_TOKENS
    return float(peak_process_bytes(ModelShape.of(card.architecture), method, RANK, tokens))


def regret_usd(chosen: OptionBill, found: Answer, at_all: bool = False) -> float | None:
    """Return the cost above the cheapest training that would do as well [USD per month].

    Args:
        chosen: The recommended option.
        found: The answer with all allowed options.
        at_all: Also compare with options that are not expected to meet the target.
    """
    if not is_training(chosen):
        return None
    rivals = [o for o in found.options if is_training(o) and (at_all or o.quality.reaches_target)]
    return _usd(chosen) - min(_usd(option) for option in (chosen, *rivals))


def _usd(option: OptionBill) -> float:
    return float(option.per_month.likely)


def why_not(given: Advice, label: str) -> str:
    """Explain why no option with a label was recommended."""
    if label == "not_yet":
        return "the advice is not to wait"
    named = [
        o for o in given.answer.options if LABELS.get(o.approach) == label and o.id != "current"
    ]
    good = [o for o in named if o.quality.reaches_target]
    if good:
        best = min(good, key=_usd)
        ours = "" if given.cost_usd is None else f" against {given.cost_usd:,.0f}"
        return f"{best.id} costs {_usd(best):,.0f} USD per month{ours}"
    if named:
        best = max(named, key=lambda o: float(o.quality.likely))
        return f"{best.id} has an expected quality of {best.quality.likely}, below the target"
    rules = Counter(
        one.rule for one in given.answer.ruled_out if LABELS.get(one.id.split(":")[0]) == label
    )
    told = ", ".join(f"{rule} ({count})" for rule, count in rules.most_common(3))
    return f"ruled out: {told}" if told else "not among the options"


def advice_record(given: Advice) -> dict[str, Any]:
    """Return an advice as JSON."""
    return {
        "label": given.label,
        "option": given.option,
        "reasons": list(given.reasons),
        "says": given.says,
        "limits": dict(given.checks),
        "usd_per_month": given.cost_usd,
        "regret_usd_per_month": given.regret_usd,
        "regret_at_all_usd_per_month": given.regret_at_all_usd,
    }
