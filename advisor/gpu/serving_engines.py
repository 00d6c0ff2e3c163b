"""What one generation of serving engines adds to the GPU's own limits, and what quantising does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from advisor.errors import UsageError, did_you_mean

HOST_SPREAD = 1.7
"""Time of one host over that of another, nine times in ten either way. Source: two hosts of A100,
engine and model the same, 32 streams: 3,973 and 2,387 tokens/s, little of it the GPU's."""
HARDWARE_SPREAD = 1.25
"""The same for shares of bandwidth and of FLOPs on a GPU that no row was fitted on. Source: raw
shares of bandwidth between 0.56 and 0.85 on twelve GPUs of AccelMark."""
UNFITTED_SPREAD = 1.5
"""The same on top, for an engine of which no row was there to fit on; own judgement."""


@dataclass(frozen=True)
class ServingEngine:
    """The constants of one generation of engines."""

    name: str
    """What it is asked for by."""
    step_seconds: float
    """What the host adds to each step."""
    sequence_seconds: float
    """What the host adds to a step for each sequence in the batch."""
    stream_seconds: float
    """What it adds on top for each sequence that is answered word by word over HTTP."""
    first_seconds: float
    """From a request to its first token, the prompt's own time left out."""
    fit: str
    """What the constants were fitted on."""
    bandwidth_share: float = 0.818
    """Share of the memory's bandwidth that is met."""
    compute_share: float = 0.65
    """Share of the dense peak that is met."""
    adapter_share: float = 0.80
    """Speed with adapters that are not merged, over the speed without: 10 to 35 % less on engines
    of today, own judgement."""
    layer_seconds: float = 0.0
    """Least time of a layer, where each kernel is launched by itself."""
    packed_layer_seconds: float = 0.0
    """The same with quantised weights."""
    hop_seconds: float = 31e-6
    """One sum over the GPUs of a layer."""
    max_sequences: float = 256.0
    """Largest batch."""
    kv_bytes: float = 2.0
    """Bytes of a number in the cache of keys and values."""
    fitted: bool = True
    """Whether rows were there to fit on."""

    def at(self, end: float) -> ServingEngine:
        """The same engine on a slower host and less willing hardware (-1), or on better (1)."""
        shares = (HARDWARE_SPREAD if self.fitted else HARDWARE_SPREAD * UNFITTED_SPREAD) ** end
        host = HOST_SPREAD**-end
        return replace(
            self,
            step_seconds=self.step_seconds * host,
            sequence_seconds=self.sequence_seconds * host,
            stream_seconds=self.stream_seconds * host,
            first_seconds=self.first_seconds * host,
            layer_seconds=self.layer_seconds * host,
            packed_layer_seconds=self.packed_layer_seconds * host,
            hop_seconds=self.hop_seconds * host,
            bandwidth_share=min(self.bandwidth_share * shares, 1.0),
            compute_share=min(self.compute_share * shares, 1.0),
        )


class Precision(NamedTuple):
    """How weights are held and multiplied."""

    weight_bytes: float
    """Bytes of a weight of the blocks, scales counted in."""
    native_from: float = 99.0
    """Compute capability from which the tensor cores multiply in it."""
    native_gain: float = 1.0
    """Their peak in it, over that in 16 bit."""
    compute_share: float = 1.0
    """Share of the peak that is met, over that of 16 bit."""
    bandwidth_share: float = 1.0
    """Share of the bandwidth that is met, over that of 16 bit."""
    least_capability: float = 0.0
    """Compute capability from which there are kernels for it."""
    launches: float = 1.0
    """Time of launching a layer's kernels, over that of other quantised weights."""


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
"""Bytes: the weight and its scales. Shares and launches: fit on 46 quantised rows of A100; those of
fp8 and fp4 where the tensor cores have them are taken from w8a8, as no A100 has them. Least
capability: vLLM, supported hardware of quantisation kernels."""

_SERVERS = "92 rows of T4 and A100, with the shares of the hardware in common"
ENGINES = {
    engine.name: engine
    for engine in (
        ServingEngine(
            "servers-2024",
            step_seconds=3.23e-3,
            sequence_seconds=1.1e-4,
            stream_seconds=1.8e-4,
            first_seconds=0.028,
            adapter_share=0.664,
            fit=f"{_SERVERS}; adapters: vLLM pull request 11267, 2,694 to 1,788 tokens/s",
        ),
        ServingEngine(
            "vllm-2025",
            step_seconds=2.76e-3,
            sequence_seconds=7.7e-5,
            stream_seconds=1.8e-4,
            first_seconds=0.028,
            adapter_share=0.664,
            fit=_SERVERS,
        ),
        ServingEngine(
            "vllm-2026",
            step_seconds=1.21e-3,
            sequence_seconds=2.6e-5,
            stream_seconds=0.0,
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
            stream_seconds=0.0,
            first_seconds=0.010,
            max_sequences=2048.0,
            kv_bytes=1.0,
            fit="no row of T4 or A100: the constants of vllm-2026",
            fitted=False,
        ),
        ServingEngine(
            "llama.cpp-2024",
            step_seconds=4.35e-3,
            sequence_seconds=0.0,
            stream_seconds=0.0,
            first_seconds=0.028,
            bandwidth_share=0.571,
            fit="12 rows of A100",
        ),
        ServingEngine(
            "eager-2024",
            step_seconds=0.0,
            sequence_seconds=0.0,
            stream_seconds=0.0,
            first_seconds=0.028,
            layer_seconds=9.8e-4,
            packed_layer_seconds=1.64e-3,
            fit="19 rows of A100",
        ),
    )
}
"""One generation each, by the name it is asked for."""
NEWEST_ENGINE = ENGINES["vllm-2026"]
"""What a price of hosting is reckoned with."""


def precision_named(name: str) -> Precision:
    """Return how weights are held, by its name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in PRECISIONS:
        remedy = did_you_mean(name, PRECISIONS).strip()
        raise UsageError(f"precision {name}", "weights are not held so.", remedy)
    return PRECISIONS[name]


def engine_named(name: str) -> ServingEngine:
    """Return a generation by its name.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in ENGINES:
        remedy = did_you_mean(name, ENGINES).strip()
        raise UsageError(f"engine {name}", "there is no engine of this name.", remedy)
    return ENGINES[name]
