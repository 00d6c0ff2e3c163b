"""An option and what is known of the task -> the fewest examples with which it is tried."""

from __future__ import annotations

from advisor.estimate.costs import LEAST_MANY_SHOTS
from advisor.facts import Resolved
from advisor.options.local import BASELINE
from advisor.options.option import Option
from advisor.quality import Evidence, Kind, fell_short

LEAST_SHOTS = 3


def least_examples(option: Option, resolved: Resolved, evidence: Evidence) -> float:
    """Fewest examples with which this approach is tried at all."""
    kind = evidence.of(resolved.task)
    if option.is_current or option.approach == "distill":
        return 0.0
    if option.approach == "few_shot":
        return LEAST_SHOTS
    if option.approach == "long_context":
        return LEAST_MANY_SHOTS
    if option.approach == "dpo":
        return evidence.preference_pairs.value
    if option.approach == "encoder":
        per_label = 1.0 if option.model == BASELINE else kind.encoder_from_per_label
        return max(50.0, per_label * (resolved.labels or 10))
    return _tuned_from(resolved, kind) if option.trains else 0.0


def _tuned_from(resolved: Resolved, kind: Kind) -> float:
    """Fewest examples of a tuning: sources differ, and what prompting does decides among them."""
    if resolved.scenario.quality.prompting == "meets":
        return kind.comfortable_examples  # what works already is not risked on a few rows
    return kind.tune_least_examples if fell_short(resolved.scenario) else kind.tune_from_examples
