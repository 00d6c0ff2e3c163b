"""Costs of hosting your own language model on GPUs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from advisor.estimate.line import CostLine, priced_line
from advisor.estimate.machine_hours import (
    awake_hours,
    cold_starts_allowed,
    gpu_hour_lines,
    nightly_starts,
    stopped_after_seconds,
)
from advisor.estimate.periods import peak_factor
from advisor.estimate.sampling import EstimateContext
from advisor.estimate.tuning import SETUP_HOURS, models_trained
from advisor.gpu.parameters import ModelShape
from advisor.gpu.roofline import ServingSetup
from advisor.gpu.serving import (
    answer_seconds,
    gpus_per_copy,
    mean_output_tokens_per_second,
    output_range,
    output_tokens_per_second,
    replicas_needed,
)
from advisor.operations import Range
from advisor.options.batch import OptionBatch
from advisor.options.option import Option
from advisor.options.price_column import Mask
from advisor.units import HOURS_PER_MONTH, Number


@dataclass(frozen=True)
class ServedLoad:
    """The load of a month, and what one copy of the model carries."""

    requests: Number
    mean: Number
    """Mean output tokens per second."""
    peak: Number
    """Output tokens per second at the peak."""
    capacity: Number
    """Output tokens per second of one copy at full load; infinite if it is not known."""
    gpus: Number
    """GPUs of one copy."""
    answer_seconds: Number
    """Seconds of one answer on an idle machine."""


@dataclass(frozen=True)
class Fleet:
    """The machines that serve a load."""

    copies: Number
    """Copies of the model that the peak, and the tenants, need."""
    models: Number
    """Models that do not share a copy."""
    machine_gpus: Number
    """GPUs of one machine."""
    copies_per_machine: Number
    machines: Number
    """Machines that run at the peak, with a spare where one is asked for."""


def hosting_lines(
    batch: OptionBatch, context: EstimateContext, extra: tuple[Number, Number]
) -> list[CostLine]:
    """List the monthly cost of hosting a model on as many GPUs as the peak needs.

    GPU hours [h per month] = machines x GPUs of a machine x 730; only while running if all requests
    can be batched, or if the seller stops idle machines and requests may wait for a start.
    *extra*: tokens that an approach adds to each request, see `extra_tokens`.

    Leaves out: network traffic and storage of the weights.
    """
    load = _served_load(batch, context, extra)
    fleet = _fleet(batch, context, load)
    gpus = fleet.machines * fleet.machine_gpus
    hours = _gpu_hours(batch, context, load, fleet)
    lines = _priced(batch, "hosting", hours, gpus)
    spot = batch.flags(lambda option: option.billing == "spot")
    if spot.any():
        share = context.sampling.value(
            "interruptions", *context.evidence.operations.spot.repeated_share
        )
        repeated = hours * spot * np.asarray(share)
        lines += _priced(batch, "hosting, repeated after interruptions", repeated, 0.0)
    return lines


def _served_load(
    batch: OptionBatch, context: EstimateContext, extra: tuple[Number, Number]
) -> ServedLoad:
    shape, inputs, known = ModelShape.among(batch.architecture), context.inputs, batch.on_known_gpu
    prefix = inputs.tuned_prefix_tokens if batch.trains else inputs.prefix_tokens
    read = prefix + inputs.user_tokens + inputs.context_tokens + (extra[0] + np.asarray(extra[1]))
    per_copy = gpus_per_copy(shape, batch.gpus.memory_bytes, read + inputs.completion_tokens)
    serving = ServingSetup(shape, batch.gpus._replace(gpu_count=per_copy))
    if context.sampling.kind == "likely":  # a sweep has no use for the ends
        speed = output_tokens_per_second(serving, read, inputs.completion_tokens)
    else:
        speeds = output_range(serving, read, inputs.completion_tokens)
        speed = context.sampling.value("serving speed", *speeds, worst="low")
    if _shares_base(batch).any():
        adapters = context.evidence.operations.shared_adapters.speed_share
        slowed = context.sampling.value("adapters", *adapters, worst="low")
        many = _shares_base(batch) & (np.asarray(models_trained(batch, context)) > 1)
        speed = speed * np.where(many, slowed, 1.0)
    idle: Number = 0.0
    if batch.flags(_stops_when_idle).any():
        idle = np.where(known, answer_seconds(serving, read, inputs.completion_tokens), 0.0)
    mean = mean_output_tokens_per_second(inputs.requests_per_month, inputs.completion_tokens)
    return ServedLoad(
        requests=inputs.requests_per_month,
        mean=mean,
        peak=mean * peak_factor(context),
        capacity=np.where(known, speed, np.inf),
        gpus=np.where(known, per_copy, 1.0),
        answer_seconds=idle,
    )


def _fleet(batch: OptionBatch, context: EstimateContext, load: ServedLoad) -> Fleet:
    """Size the machines: head-room, adapters per copy, machines of several GPUs, one spare."""
    tenants, shares = models_trained(batch, context), _shares_base(batch)
    carried = load.capacity * context.inputs.max_load_share
    per_copy = batch.column(_adapters_per_copy(context))
    copies = np.maximum(replicas_needed(load.peak, carried), np.ceil(tenants / per_copy))
    models: Number = 1.0
    if np.any(np.asarray(tenants) > 1):
        models = np.where(shares, 1.0, tenants)
        copies = np.where(shares, copies, tenants * replicas_needed(load.peak / tenants, carried))
    least = batch.column(lambda option: option.least_gpus)
    machine = np.ceil(load.gpus / least) * least
    held = np.maximum(np.floor(machine / load.gpus), 1.0)
    spare = context.resolved.mask(lambda scenario: scenario.hosting.high_availability)
    return Fleet(copies, models, machine, held, np.ceil(copies / held) + spare)


def _gpu_hours(
    batch: OptionBatch, context: EstimateContext, load: ServedLoad, fleet: Fleet
) -> Number:
    always = fleet.machines * fleet.machine_gpus * HOURS_PER_MONTH
    waits = context.inputs.batchable_share >= 1.0
    stops = batch.flags(_stops_when_idle)
    hours = always
    if stops.any():
        cold = _cold_start(batch, context, likely=True)
        may_stop = stops & cold_starts_allowed(context, cold)
        hours = np.where(
            may_stop, np.minimum(_stopping(batch, context, load, fleet), always), hours
        )
    if waits.any():
        nightly = np.minimum(_nightly(batch, context, load, fleet), always)
        hours = np.where(waits, np.minimum(nightly, hours), hours)
    return hours


def _stopping(
    batch: OptionBatch, context: EstimateContext, load: ServedLoad, fleet: Fleet
) -> Number:
    """GPU hours of machines that stop when idle: one is awake, and more follow the load."""
    idle = batch.column(lambda option: _idle_seconds(option, context))
    cold = _cold_start(batch, context)
    awake = awake_hours(load.requests / fleet.models, load.answer_seconds + idle, cold)
    busy = load.mean / (load.capacity * context.inputs.max_load_share) * HOURS_PER_MONTH
    copies = np.maximum(awake * fleet.models, busy)
    return copies * fleet.machine_gpus / fleet.copies_per_machine


def _nightly(
    batch: OptionBatch, context: EstimateContext, load: ServedLoad, fleet: Fleet
) -> Number:
    """GPU hours of machines that are started each night, work off the day and stop."""
    busy = load.mean / load.capacity * HOURS_PER_MONTH / fleet.copies_per_machine
    rented = batch.flags(lambda option: not option.gpu_usd_is_own)
    setup = np.asarray(context.sampling.value("setup", *SETUP_HOURS))
    if batch.flags(_is_deployed_by_seller).any():
        deployed = _cold_start(batch, context) / 3600.0
        setup = np.where(batch.flags(_is_deployed_by_seller), deployed, setup)
    starts = nightly_starts(load.requests / fleet.models) * fleet.models
    return np.asarray((busy + starts * rented * setup) * fleet.machine_gpus)


def _priced(batch: OptionBatch, name: str, hours: Number, gpus: Number) -> list[CostLine]:
    """List hours at the price they are billed at: of a deployment, serverless, or a machine."""
    if "hosting_hour" in batch.prices:
        return [replace(priced_line(name, hours, batch.prices["hosting_hour"]), machines=gpus)]
    if "serverless_gpu_hour" not in batch.prices:
        return gpu_hour_lines(name, hours, batch, machines=gpus)
    serverless = batch.flags(lambda option: option.billing == "serverless")
    stopping = priced_line(f"{name}, serverless", hours, batch.prices["serverless_gpu_hour"])
    return [
        replace(stopping, machines=gpus),
        *gpu_hour_lines(name, np.where(serverless, 0.0, hours), batch, machines=gpus),
    ]


def _is_deployed_by_seller(option: Option) -> bool:
    return option.offer is not None or option.billing == "serverless"


def _stops_when_idle(option: Option) -> bool:
    scales = option.offer is not None and option.offer.scale_to_zero
    return scales or option.billing == "serverless"


def _shares_base(batch: OptionBatch) -> Mask:
    """Which options serve several tuned models as adapters of one base."""
    return batch.flags(
        lambda o: (
            o.gpu is not None
            and (o.offer is not None or o.approach in ("lora", "qlora", "dpo", "combo"))
        )
    )


def _adapters_per_copy(context: EstimateContext) -> Callable[[Option], float]:
    usual = context.evidence.operations.shared_adapters.per_copy

    def read(option: Option) -> float:
        limit = option.offer.max_adapters if option.offer else None
        return float(limit or usual)

    return read


def _idle_seconds(option: Option, context: EstimateContext) -> float:
    """Seconds that are billed after the last request."""
    usual = context.evidence.operations.scale_to_zero.idle_seconds
    if option.offer is None:
        return stopped_after_seconds(option, usual)
    given = option.offer.idle_seconds_before_zero
    return max(usual if given is None else given, option.offer.minimum_billed_seconds or 0.0)


def _cold_start(batch: OptionBatch, context: EstimateContext, likely: bool = False) -> Number:
    def seconds(option: Option) -> Range:
        usual = context.evidence.operations.scale_to_zero.cold_start_seconds
        known = option.offer or option.terms
        return (known.cold_start_seconds if known else None) or usual

    bounds = batch.bounds(seconds)
    return bounds[1] if likely else np.asarray(context.sampling.value("cold start", *bounds))
