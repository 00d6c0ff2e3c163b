"""Hours of work: setting up, tuning again, upkeep, labels; priced where an hour has a price."""

from __future__ import annotations

import numpy as np

from advisor.estimate.line import Cadence, CostLine
from advisor.estimate.sampling import EstimateContext
from advisor.estimate.tuning import models_trained, trainings_per_month
from advisor.evidence import Range
from advisor.options.batch import OptionBatch
from advisor.options.option import Option
from advisor.units import Number

NO_HOURS: Range = (0.0, 0.0, 0.0)


def labour_lines(batch: OptionBatch, context: EstimateContext, months: Number) -> list[CostLine]:
    """List the hours of work; without the price of an hour they cost nothing, and are shown.

    Leaves out: the work on a prompt after it is set up.
    """
    if batch.family in ("measuring", "paid"):
        return []
    facts = context.evidence.operations

    def start(option: Option) -> Range:
        hours: Range = getattr(context.evidence.labour_hours, option.approach)
        return NO_HOURS if option.is_current else hours

    hours = context.sampling.value("labour", *batch.bounds(start))
    upkeep = context.sampling.value("labour", *batch.bounds(lambda o: _upkeep(o, context)))
    lines = [_hours("hours of work", hours, context, "once")]
    if batch.trains:
        share = context.sampling.value("labour", *facts.retuning_hours.share)
        again = hours * np.asarray(share) * trainings_per_month(months, context.inputs)
        lines.append(_hours("hours of work, tuning again", again, context, "month"))
        lines += _label_lines(batch, context)
    lines.append(_hours("hours of upkeep", upkeep, context, "month"))
    return lines


def _upkeep(option: Option, context: EstimateContext) -> Range:
    """Hours per month to operate what an option runs on; the largest part counts."""
    hours = context.evidence.operations.upkeep_hours
    if option.is_current:
        return NO_HOURS
    if option.approach == "encoder":
        return hours.cpus
    if option.gpu is not None and option.offer is None:
        return hours.gpus
    if option.offer is not None and option.offer.serving == "per_hour":
        return hours.endpoint
    return hours.vector_store if option.stores else NO_HOURS


def _label_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the labels that people still have to write, bought or in hours of the team.

    A teacher model writes the answers of a distilled model.
    """
    inputs = context.inputs
    people = ~batch.approach_is("distill")
    labels = inputs.examples_to_label * people * models_trained(batch, context)
    if not labels.any():
        return []
    are_bought = ~np.isnan(inputs.usd_per_label)
    price = np.nan_to_num(inputs.usd_per_label)
    hours = np.where(are_bought, 0.0, labels * inputs.minutes_per_label / 60.0)
    bought = np.where(are_bought, labels, 0.0)
    return [
        CostLine("labels", bought, price, "once", "label", always_shown=True),
        _hours("hours of labelling", hours, context, "once"),
    ]


def _hours(what: str, hours: Number, context: EstimateContext, cadence: Cadence) -> CostLine:
    rate = np.nan_to_num(context.inputs.usd_per_hour)
    return CostLine(what, rate * 0 + np.asarray(hours), rate, cadence, "hour", always_shown=True)
