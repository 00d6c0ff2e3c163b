"""Serving engines and quantisation formats: overhead and achieved shares of GPU limits."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from advisor.errors import unknown_name

HOST_SPREAD = 1.7
"""90% range of the time of one host over another. Source: two A100 hosts with the same engine and
model, 32 streams: 3,973 and 2,387 tokens/s, little of the difference from the GPU."""
HARDWARE_SPREAD = 1.25
"""The same for achieved bandwidth and FLOPs on a GPU without fitted rows. Source: raw shares of
bandwidth between 0.56 and 0.85 on twelve GPUs of AccelMark."""
UNFITTED_SPREAD = 1.5
"""Additional factor for an engine without fitted rows; own judgement."""


@dataclass(frozen=True)
class ServingEngine:
    """Constants of one generation of an engine."""

    name: str
    """Name, as in --engine."""
    fit: str
    """What the constants were fitted on."""
    step_seconds: float = 0.0
    """Host overhead per step [s]."""
    sequence_seconds: float = 0.0
    """Host overhead per step and sequence of the batch [s]."""
    stream_seconds: float = 0.0
    """Additional host overhead per sequence streamed over HTTP [s]."""
    first_seconds: float = 0.028
    """Time from a request to its first token, without prefill [s]."""
    bandwidth_share: float = 0.818
    """Achieved share of the memory bandwidth."""
    compute_share: float = 0.65
    """Achieved share of the dense peak."""
    adapter_share: float = 0.80
    """Speed with unmerged adapters over the speed without: 10 to 35 % less on current engines,
    own judgement."""
    layer_seconds: float = 0.0
    """Minimum time of a layer if each kernel is launched separately [s]."""
    packed_layer_seconds: float = 0.0
    """The same with quantised weights [s]."""
    hop_seconds: float = 31e-6
    """One all-reduce of a layer between GPUs [s]."""
    max_sequences: float = 256.0
    """Largest batch."""
    kv_bytes: float = 2.0
    """Bytes per value in the KV cache."""
    fitted: bool = True
    """Whether the constants were fitted."""

    def at(self, end: float) -> ServingEngine:
        """The engine on a slower host with lower achieved shares (-1), or on a faster one (1)."""
        shares = (HARDWARE_SPREAD if self.fitted else HARDWARE_SPREAD * UNFITTED_SPREAD) ** end
        names = [field.name for field in fields(self) if field.name.endswith("_seconds")]
        seconds: dict[str, Any] = {name: getattr(self, name) * HOST_SPREAD**-end for name in names}
        return replace(
            self,
            **seconds,
            bandwidth_share=min(self.bandwidth_share * shares, 1.0),
            compute_share=min(self.compute_share * shares, 1.0),
        )


class Precision(NamedTuple):
    """Storage format of weights and its speed."""

    weight_bytes: float
    """Bytes per weight of the blocks, scales included."""
    native_from: float = 99.0
    """Compute capability from which tensor cores support it."""
    native_gain: float = 1.0
    """Peak of tensor cores in it, relative to 16 bit."""
    compute_share: float = 1.0
    """Achieved share of the peak, relative to 16 bit."""
    bandwidth_share: float = 1.0
    """Achieved share of the bandwidth, relative to 16 bit."""
    least_capability: float = 0.0
    """Compute capability from which kernels exist for it."""
    launches: float = 1.0
    """Time to launch the kernels of a layer, relative to other quantised weights."""


SIXTEEN_BIT = "16bit"
PRECISIONS = {
    SIXTEEN_BIT: Precision(2.0),
    "w8a8": Precision(1.0, 7.5, 2.0, compute_share=0.734, least_capability=7.5),
    "fp8": Precision(1.0, 8.9, 2.0, compute_share=0.734, least_capability=8.0),
    "w8a16": Precision(1.03, compute_share=0.734, least_capability=8.0),
    "w4a16": Precision(0.53, compute_share=0.369, least_capability=8.0),
    "awq": Precision(0.53, compute_share=0.369, bandwidth_share=0.42, least_capability=7.5),
    "fp4": Precision(0.56, 10.0, 4.0, compute_share=0.734, least_capability=10.0),
    "q4": Precision(0.61),
    "q8": Precision(1.06),
    "nf4": Precision(0.5625),
    "nf4-dq": Precision(0.516, launches=1.034),
    "int8-mixed": Precision(1.0, launches=3.21),
}
"""Bytes: the weight and its scales. Shares and launches: fit on 46 quantised rows of A100; fp8 and
fp4 on tensor cores use the values of w8a8, because A100 does not support them. Minimum capability:
vLLM, supported hardware of quantisation kernels."""

_SERVERS = "92 rows of T4 and A100, with shared hardware constants"
ENGINES = {
    engine.name: engine
    for engine in (
        ServingEngine(
            "servers-2024",
            step_seconds=3.23e-3,
            sequence_seconds=1.1e-4,
            stream_seconds=1.8e-4,
            adapter_share=0.664,
            fit=f"{_SERVERS}; adapters: vLLM pull request 11267, 2,694 to 1,788 tokens/s",
        ),
        ServingEngine(
            "vllm-2025",
            step_seconds=2.76e-3,
            sequence_seconds=7.7e-5,
            stream_seconds=1.8e-4,
            adapter_share=0.664,
            fit=_SERVERS,
        ),
        ServingEngine(
            "vllm-2026",
            step_seconds=1.21e-3,
            sequence_seconds=2.6e-5,
            first_seconds=0.010,
            packed_layer_seconds=5.1e-4,
            fit=_SERVERS,
        ),
        ServingEngine(
            "sglang-2026",
            step_seconds=1.02e-3,
            sequence_seconds=6.9e-5,
            stream_seconds=1.2e-5,
            first_seconds=0.015,
            fit=_SERVERS,
        ),
        ServingEngine(
            "tensorrt-llm-2025",
            step_seconds=1.21e-3,
            sequence_seconds=2.6e-5,
            first_seconds=0.010,
            max_sequences=2048.0,
            kv_bytes=1.0,
            fit="no row of T4 or A100: the constants of vllm-2026",
            fitted=False,
        ),
        ServingEngine(
            "llama.cpp-2024",
            step_seconds=4.35e-3,
            bandwidth_share=0.571,
            fit="12 rows of A100",
        ),
        ServingEngine(
            "eager-2024",
            layer_seconds=9.8e-4,
            packed_layer_seconds=1.64e-3,
            fit="19 rows of A100",
        ),
    )
}
"""Engines by name."""
NEWEST_ENGINE = ENGINES["vllm-2026"]
"""Engine used for hosting costs."""


def precision_named(name: str) -> Precision:
    """Return a precision by name.

    Raises:
        UsageError: there is no such name.
    """
    if name not in PRECISIONS:
        raise unknown_name("precision", name, PRECISIONS)
    return PRECISIONS[name]


def engine_named(name: str) -> ServingEngine:
    """Return an engine by name.

    Raises:
        UsageError: there is no such name.
    """
    if name not in ENGINES:
        raise unknown_name("engine", name, ENGINES)
    return ENGINES[name]
