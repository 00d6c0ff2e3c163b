"""Costs of evaluation: calls on held-out examples, and answers graded by a judge model."""

from __future__ import annotations

import numpy as np

from advisor.estimate.inference import request_tokens
from advisor.estimate.line import CostLine, priced_line, scaling_lines
from advisor.estimate.sampling import EstimateContext
from advisor.estimate.tuning import models_trained
from advisor.options.batch import OptionBatch
from advisor.units import Number

MEASURED_EXAMPLES = 200.0
"""Held-out examples if not given: 92% correct is then known within 3 points."""


def evaluation_lines(
    batch: OptionBatch, context: EstimateContext, extra: tuple[Number, Number]
) -> list[CostLine]:
    """List the cost of one evaluation: an answer to each held-out example, and its judge.

    A model that is hosted by the hour answers on machines that are paid for already. *extra*:
    tokens that an approach adds to each request, see `extra_tokens`.
    """
    if batch.family in ("paid", "measuring"):
        return []
    held_out = context.inputs.held_out_examples
    count = np.where(np.isnan(held_out), MEASURED_EXAMPLES, held_out) * ~batch.is_current
    count = count * np.asarray(models_trained(batch, context))
    lines = []
    if "input" in batch.prices:
        prompt = request_tokens(batch, context, extra)
        read = count * (prompt.prefix + np.asarray(prompt.varying))
        written = count * np.asarray(prompt.output)
        lines = [
            priced_line("evaluation input", read, batch.prices["input"], "once"),
            priced_line("evaluation output", written, batch.prices["output"], "once"),
        ]
    is_judged = context.resolved.mask(lambda scenario: scenario.quality.judge is not None)
    is_judged = is_judged | (context.inputs.judged_per_month > 0)
    if is_judged.any() and "judge_input" in batch.prices:
        read, written = _judge_tokens(context)
        graded = count * is_judged * ~batch.approach_is("encoder")
        lines += [
            priced_line(
                "evaluation, judge input", graded * read, batch.prices["judge_input"], "once"
            ),
            priced_line(
                "evaluation, judge output", graded * written, batch.prices["judge_output"], "once"
            ),
        ]
    return lines


def judging_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the monthly cost of a judge model that grades a number of answers."""
    graded = context.inputs.judged_per_month
    is_fixed = batch.family in ("paid", "measuring")
    if is_fixed or "judge_input" not in batch.prices or not graded.any():
        return []
    read, written = _judge_tokens(context)
    graded = graded * ~batch.approach_is("encoder")
    return scaling_lines(
        [
            priced_line("judge input", graded * read, batch.prices["judge_input"]),
            priced_line("judge output", graded * written, batch.prices["judge_output"]),
        ]
    )


def _judge_tokens(context: EstimateContext) -> tuple[Number, Number]:
    """Tokens that a judge reads and writes per answer: instructions, question and answer."""
    facts, inputs = context.evidence.operations.judged_answer, context.inputs
    instructions = context.sampling.value("judge", *facts.instruction_tokens)
    written = context.sampling.value("judge", *facts.verdict_tokens)
    seen = inputs.user_tokens + inputs.context_tokens + inputs.completion_tokens
    return seen + instructions, written
