"""Costs of serving an encoder or TF-IDF: on GPUs, on CPU machines, and on serverless CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from advisor.estimate.cpu_speed import encoder_cpu_requests_per_second, relative_token_cost
from advisor.estimate.line import CostLine, priced_line, scaling_lines
from advisor.estimate.machine_hours import (
    awake_hours,
    cold_starts_allowed,
    gpu_hour_lines,
    nightly_starts,
    request_hours,
    stopped_after_seconds,
)
from advisor.estimate.periods import peak_factor
from advisor.estimate.sampling import EstimateContext
from advisor.estimate.tuning import SETUP_HOURS, models_trained
from advisor.evidence import CpuRuntime
from advisor.gpu.flops import block_parameters
from advisor.gpu.parameters import ModelShape
from advisor.gpu.serving import encoder_requests_per_second
from advisor.options.batch import OptionBatch
from advisor.options.option import Option
from advisor.options.price_column import Mask
from advisor.units import HOURS_PER_MONTH, SECONDS_PER_MONTH, Number

RUNTIME: CpuRuntime = "onnx_fp32"
"""Runtime of an encoder on a CPU; weights in 8 bits are faster and change some answers."""
WORDS_PER_TOKEN = 0.75
MEMORY_FOR_MODELS_SHARE = 0.75
"""Share of the memory of a machine that models can take; own judgement."""
BYTES_PER_WEIGHT = 4.0


@dataclass(frozen=True)
class ClassifierLoad:
    """Requests of a month, and how fast one machine answers them."""

    requests: Number
    speed: Number
    """Requests per second of one machine, or of one instance of serverless CPU."""
    busy: Number
    """Machines that are busy on average."""
    machines: Number
    """Machines that the peak, the models in memory and a spare need."""


def encoder_lines(batch: OptionBatch, context: EstimateContext) -> list[CostLine]:
    """List the monthly cost of serving a classifier.

    machine hours [h per month] = machines x 730; in nightly batches, or where the seller stops idle
    machines and requests may wait, the hours that they run. Serverless CPU bills each request by
    the time it takes.

    Leaves out: network traffic.
    """
    load = _load(batch, context)
    hours = load.machines * HOURS_PER_MONTH
    on_gpu, serverless = batch.flags(_serves_on_gpu), batch.flags(_is_serverless_cpu)
    stops = batch.flags(lambda o: _serves_on_gpu(o) and o.billing == "serverless")
    if stops.any():
        hours = np.where(stops, _stopping_hours(batch, context, load), hours)
    waits = context.inputs.batchable_share >= 1.0
    if waits.any():
        hours = np.where(waits, np.minimum(_nightly_hours(batch, context, load), hours), hours)
    name, gpus = "machine hours of inference", batch.column(lambda o: o.least_gpus)
    machines = np.where(on_gpu, load.machines * gpus, 0.0)
    lines = _gpu_lines(batch, name, np.where(on_gpu, hours * gpus, 0.0), machines)
    if "cpu_hour" in batch.prices:
        on_cpu = ~on_gpu & ~serverless
        hours = np.where(on_cpu, hours, 0.0)
        line = priced_line(f"{name} on CPUs", hours, batch.prices["cpu_hour"])
        lines.append(replace(line, machines=np.where(on_cpu, load.machines, 0.0)))
    return lines + _serverless_cpu_lines(batch, context, load)


def _serves_on_gpu(option: Option) -> bool:
    """Whether requests are answered on the machine that is paid by the GPU hour."""
    kinds = option.prices
    return not any(kind in kinds for kind in ("cpu_hour", "vcpu_hour", "gib_hour"))


def _is_serverless_cpu(option: Option) -> bool:
    return "vcpu_hour" in option.prices or "gib_hour" in option.prices


def _load(batch: OptionBatch, context: EstimateContext) -> ClassifierLoad:
    inputs, tenants = context.inputs, models_trained(batch, context)
    speed = _speed(batch, context)
    busy = inputs.requests_per_month / (SECONDS_PER_MONTH * np.asarray(speed))
    peak = busy * peak_factor(context) / inputs.max_load_share
    machines = np.maximum(np.ceil(peak), 1.0)
    if np.any(np.asarray(tenants) > 1):
        machines = np.maximum(machines, np.ceil(tenants / batch.column(_models_per_machine)))
    spare = context.resolved.mask(lambda scenario: scenario.hosting.high_availability)
    return ClassifierLoad(inputs.requests_per_month, speed, busy, machines + spare)


def _models_per_machine(option: Option) -> float:
    """Models that fit into the memory of a machine; any number of the baseline."""
    if option.base is None or option.base.architecture is None:
        return np.inf
    memory = option.cpu.memory_bytes if option.cpu else option.gpu.memory_bytes if option.gpu else 0
    each = BYTES_PER_WEIGHT * option.base.architecture.parameters
    return float(max(MEMORY_FOR_MODELS_SHARE * memory // each, 1.0))


def _speed(batch: OptionBatch, context: EstimateContext) -> Number:
    """Requests per second of one machine of each option."""
    vcpus = batch.column(lambda option: _vcpus(option, context))
    speed = np.where(_is_baseline(batch), _tfidf_speed(context), _cpu_speed(batch, context)) * vcpus
    on_gpu = batch.flags(lambda o: _serves_on_gpu(o) and o.base is not None)
    if not on_gpu.any():
        return speed
    speeds = encoder_requests_per_second(
        batch.architecture["parameters"], context.inputs.user_tokens, batch.fp16_tflops
    )
    fast = context.sampling.value("serving speed", *speeds, worst="low")
    return np.where(on_gpu, fast, speed)


def _is_baseline(batch: OptionBatch) -> Mask:
    return batch.flags(lambda option: option.base is None)


def _vcpus(option: Option, context: EstimateContext) -> float:
    """VCPUs of a machine; one for an own machine, whose CPU is not known."""
    if option.cpu:
        return option.cpu.vcpus
    return context.evidence.operations.serverless_cpu.vcpus if _is_serverless_cpu(option) else 1.0


def _cpu_speed(batch: OptionBatch, context: EstimateContext) -> Number:
    """Texts per second that one vCPU classifies with an encoder."""
    shape = ModelShape.among(batch.architecture)
    weights = np.maximum(block_parameters(shape), 1.0)
    return cpu_speed(weights, shape.hidden_size, context.inputs.user_tokens, context)


def cpu_speed(
    parameters: Number, hidden_size: Number, tokens: Number, context: EstimateContext
) -> Number:
    """Texts per second that one vCPU processes with an encoder."""
    runtime = context.evidence.encoder_cpu.runtimes[RUNTIME]
    gflops = context.sampling.value("cpu speed", *runtime.gflops_per_core, worst="low")
    cost = relative_token_cost(tokens, hidden_size, runtime.fixed_tokens, runtime.attention_cost)
    return encoder_cpu_requests_per_second(parameters, tokens, gflops, 1.0, cost)


def _tfidf_speed(context: EstimateContext) -> Number:
    """Texts per second that one vCPU classifies with TF-IDF, in proportion to their length."""
    facts = context.evidence.encoder_cpu.tfidf
    low, likely, high = facts.requests_per_second_per_core
    speed = context.sampling.value("cpu speed", low, likely, high, worst="low")
    words = np.maximum(context.inputs.user_tokens * WORDS_PER_TOKEN, 1.0)
    return np.asarray(speed) * np.minimum(facts.words / words, 1.0)


def _nightly_hours(batch: OptionBatch, context: EstimateContext, load: ClassifierLoad) -> Number:
    """Hours of machines that are started each night, work off the day and stop."""
    rented = batch.flags(lambda option: not option.gpu_usd_is_own or not _serves_on_gpu(option))
    setup = rented * np.asarray(context.sampling.value("setup", *SETUP_HOURS))
    return np.asarray(load.busy * HOURS_PER_MONTH + nightly_starts(load.requests) * setup)


def _stopping_hours(batch: OptionBatch, context: EstimateContext, load: ClassifierLoad) -> Number:
    """Hours of GPU machines that stop when idle, where requests may wait for a start."""
    facts = context.evidence.operations.scale_to_zero
    likely = facts.encoder_cold_start_seconds[1]
    cold = context.sampling.value("cold start", *facts.encoder_cold_start_seconds)
    idle = batch.column(lambda option: stopped_after_seconds(option, facts.idle_seconds))
    awake = awake_hours(load.requests, 1.0 / np.asarray(load.speed) + idle, cold)
    busy = load.busy / context.inputs.max_load_share * HOURS_PER_MONTH
    always = load.machines * HOURS_PER_MONTH
    stopping = np.minimum(np.maximum(awake, busy), always)
    return np.where(cold_starts_allowed(context, likely), stopping, always)


def _gpu_lines(batch: OptionBatch, name: str, hours: Number, machines: Number) -> list[CostLine]:
    if "serverless_gpu_hour" not in batch.prices:
        return gpu_hour_lines(name, hours, batch, machines=machines)
    stops = batch.flags(lambda option: option.billing == "serverless")
    running, rented = np.where(stops, hours, 0.0), np.where(stops, 0.0, hours)
    line = priced_line(f"{name}, serverless", running, batch.prices["serverless_gpu_hour"])
    return [
        replace(line, machines=machines),
        *gpu_hour_lines(name, rented, batch, machines=machines),
    ]


def _serverless_cpu_lines(
    batch: OptionBatch, context: EstimateContext, load: ClassifierLoad
) -> list[CostLine]:
    """List requests, and the vCPU and GiB hours they take; without cold starts one stays on."""
    serverless = batch.flags(_is_serverless_cpu)
    if not serverless.any():
        return []
    facts, idle = context.evidence.operations.serverless_cpu, context.evidence.operations
    likely = idle.scale_to_zero.encoder_cold_start_seconds[1]
    cold = context.sampling.value("cold start", *idle.scale_to_zero.encoder_cold_start_seconds)
    each = np.maximum(1.0 / np.asarray(load.speed), facts.least_seconds)
    hours = request_hours(load.requests, each, facts.idle_seconds, cold)
    at_least_one = np.maximum(hours, HOURS_PER_MONTH)
    hours = np.where(cold_starts_allowed(context, likely), hours, at_least_one)
    hours = np.where(serverless, hours, 0.0)
    lines = []
    for kind, what, size in (
        ("vcpu_hour", "vCPU hours of inference", facts.vcpus),
        ("gib_hour", "GiB hours of inference", facts.memory_gib),
    ):
        if kind in batch.prices:
            lines.append(priced_line(what, hours * size, batch.prices[kind]))
    requests = np.where(serverless, load.requests, 0.0)
    return lines + scaling_lines([priced_line("requests", requests, batch.prices["request"])])
