"""Check and CheckContext: what a check is, and the quantities that checks read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from advisor.decision.team_checks import TeamRuleResult, apply_team_rules
from advisor.estimate.costs import MIN_MANY_SHOTS, BatchCosts, batch_costs, extra_tokens
from advisor.estimate.line import option_row
from advisor.estimate.sampling import EstimateContext
from advisor.estimate.tuning import training_method
from advisor.gpu.memory import peak_process_bytes
from advisor.gpu.parameters import ModelShape
from advisor.gpu.recipe import RANK
from advisor.inputs import prompting_fell_short
from advisor.options.batch import OptionBatch
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.options.option import Option
from advisor.options.price_column import Column
from advisor.scenario.scenario import Scenario

Mask = NDArray[np.bool_]
Reads = tuple[tuple[str, Any], ...]
"""Name and value of each quantity that a check reads, as the trace lists them."""
MIN_SHOTS = 3
MIN_ENCODER_EXAMPLES = 50.0
DEFAULT_LABELS = 10
MAX_ENCODER_TOKENS = 512.0


@dataclass(frozen=True)
class CheckContext(EstimateContext):
    """The options of a batch, with everything that a check reads."""

    batch: OptionBatch

    @cached_property
    def costs(self) -> BatchCosts:
        """Costs of each option."""
        return batch_costs(self.batch, self)

    @property
    def scenario(self) -> Scenario:
        """The scenario of the first variant."""
        return self.resolved.scenario

    @cached_property
    def team(self) -> TeamRuleResult:
        """Results of the team's rules for each option."""
        return apply_team_rules(self.batch, self)

    @cached_property
    def minimum_examples(self) -> Column:
        """Fewest examples from which each option is considered."""
        kinds = self.batch.kinds
        least = [minimum_examples(o, self) for o in kinds.first]
        shape = np.broadcast_shapes((1, 1), *(np.shape(number) for number in least))
        return np.stack([np.broadcast_to(number, shape) for number in least])[kinds.of]

    @cached_property
    def prompt_tokens(self) -> NDArray[np.float64]:
        """Tokens of the longest prompt of each option, with its completion."""
        inputs = self.inputs
        tokens = inputs.prefix_tokens + inputs.context_tokens + inputs.user_tokens
        tokens = tokens + inputs.completion_tokens + inputs.tool_tokens
        tokens = tokens + (inputs.turns - 1) * (inputs.user_tokens + inputs.completion_tokens)
        prefix, varying = extra_tokens(self.batch.approach_is, inputs)
        # an encoder truncates its input, and has no instructions
        has_prompt = ~self.batch.approach_is("encoder")
        return np.asarray((tokens + prefix + varying) * has_prompt)

    @cached_property
    def memory_bytes(self) -> NDArray[np.float64] | None:
        """Memory of training each option on its GPU, with one longest row at a time [bytes]."""
        batch, inputs = self.batch, self.inputs
        if batch.family not in ("encoder", "lora", "qlora", "full"):
            return None
        tokens = inputs.prefix_tokens + inputs.user_tokens + inputs.completion_tokens
        if not np.isnan(self.resolved.longest_tokens):
            tokens = tokens * 0 + self.resolved.longest_tokens
        if batch.family == "encoder":
            tokens = np.minimum(tokens, MAX_ENCODER_TOKENS)
        shape = ModelShape.among(batch.architecture)
        return np.asarray(peak_process_bytes(shape, training_method(batch), RANK, tokens))


def minimum_examples(option: Option, context: EstimateContext) -> NDArray[np.float64] | float:
    """Fewest examples from which an option is considered: a number, or [variants, 1]."""
    kind, resolved = context.task_evidence, context.resolved
    fixed: dict[str, float] = {
        "distill": 0.0,
        "few_shot": MIN_SHOTS,
        "long_context": MIN_MANY_SHOTS,
        "dpo": context.evidence.preference_pairs.value,
    }
    if option.is_current or option.approach in fixed:
        return 0.0 if option.is_current else fixed[option.approach]
    if option.approach == "encoder":
        per_label = 1.0 if option.model == BASELINE_MODEL else kind.encoder_from_per_label
        return max(MIN_ENCODER_EXAMPLES, per_label * (resolved.labels or DEFAULT_LABELS))

    def fewest(scenario: Scenario) -> float:
        if scenario.quality.prompting == "meets":
            return kind.comfortable_examples  # a working prompt is not risked on a few rows
        fell_short = prompting_fell_short(scenario)
        return kind.tune_least_examples if fell_short else kind.tune_from_examples

    # for tuning sources differ, and the result of prompting decides
    return resolved.column(fewest) if option.trains else 0.0


def first_at(value: object, row: int) -> Any:
    """Return the value of one option in the first variant; None where there is none."""
    return None if value is None else option_row(np.asarray(value), row).flat[0]


def value_text(value: Any) -> str:
    """Write a value for a trace or a change."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "not given"
    if isinstance(value, float) and np.isinf(value):
        return "no limit"
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    return f"{float(value):,.10g}" if isinstance(value, int | float) else str(value)


@dataclass(frozen=True)
class Check:
    """A rule about quantities: which options pass, what it reads, and why an option does not pass.

    `rules.yaml` describes the rule under the same code, with its sources and a case against it.
    """

    code: str
    passes: Callable[[CheckContext], Mask]
    reads: Callable[[CheckContext], Reads]
    explain: Callable[[CheckContext, int], str]
    """Why the option in this row is ruled out, in the first variant."""
    source: Callable[[CheckContext, Option], str] = lambda _, __: "your scenario"
