"""Training speeds of a GPU estimated from its data sheet, for machines that were not probed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from advisor.prices.models import Gpu
from advisor.units import Number

Range = tuple[float, float, float]

SUSTAINED: Mapping[str, float] = {
    "A100_40GB_SXM": 0.87,
    "A100_80GB_SXM": 0.87,
    "A800_80GB_SXM": 0.87,
    "A100_80GB_PCIE": 0.81,
    "H100_SXM": 0.80,
    "H200_SXM": 0.80,
    "B200": 0.78,
}
"""Share of the dense bf16 peak that the best large matrix product achieves.
Source: ml-engineering, accelerators, maximum achievable matmul FLOPS."""
SUSTAINED_ELSEWHERE = 0.80
"""The same for GPUs that were not measured; the lower of A100 and H100."""


class PeakShares(NamedTuple):
    """Shares of a GPU's peak that training achieves."""

    matmul: float
    """Matrix products of wide layers, of the dense 16-bit peak."""
    attention: float
    """Attention scores and weighted values, of the same peak."""
    wide: float
    """32-bit products, of the same peak."""
    launch_seconds: float
    """Host time to launch one pass through one layer [s]."""


T4 = PeakShares(0.24, 0.079, 0.047, 1.54e-3)
"""Fit on 40 rows of fitcheck-llm 0.3.1, Tesla T4 in fp16."""
A100 = PeakShares(0.71, 0.32, 0.047, 1.27e-3)
"""Fit on 109 rows of llm-foundry, torchtune, LLaMA-Factory and litgpt, A100 in bf16."""
NARROW_HIDDEN = 64.0
"""Hidden width at which matrix products reach half the speed of wide ones; best of 0, 64, 128 on
the same 149 rows."""
TIME_RANGE: Range = (1 / 1.65, 1.0, 1.65)
"""Measured over estimated time of a GPU that was not probed: the fitted rows are within 1.4, and
other hosts and images change the same work by 1.35 (peft's method comparison, one L40S)."""
PROBED_RANGE: Range = (1 / 1.22, 1.0, 1.22)
"""The same on a probed machine: what the formulas leave out, and other load."""
PAST_RUN_RANGE: Range = (1 / 1.35, 1.0, 1.35)
"""The same for a machine that was not probed, corrected by one past run: the same training took
1.35 times as long on another day and image (peft's method comparison, one L40S)."""
CPU_RANGE: Range = (1 / 5, 1.0, 5.0)
"""The same on a CPU that was not probed; own judgement."""


class Speeds(NamedTuple):
    """Training speeds of one machine, or of many as arrays."""

    matmul: Number
    """Matrix products of wide layers [FLOP/s]."""
    attention: Number
    """Attention scores and weighted values [FLOP/s]."""
    wide: Number
    """32-bit products if the rest is in 16 bit [FLOP/s]."""
    bandwidth: Number
    """Memory bandwidth [bytes/s]."""
    launch_seconds: Number
    """Host time to launch one pass through one layer [s]."""
    step_seconds: Number = 0.0
    """Fixed overhead of a step: progress, schedule, data loader [s]."""
    link: Number = 12e9
    """Bandwidth to the other GPUs [bytes/s]."""
    logit_seconds: Number = 0.0
    """Time per logit of the tiled loss head beyond products, without a fused kernel; 0 on a GPU
    [s]."""
    overlaps: Number = 1.0
    """1 if launching, computing and sending overlap, as on a GPU; 0 if they are sequential."""


CPU = Speeds(60e9, 30e9, 60e9, 8e9, 1e-3, 0.03, logit_seconds=2e-8, overlaps=0.0)
"""A few cores in 32 bit; own judgement, so the range is wide."""


def prior_speeds(name: str, gpu: Gpu) -> Speeds:
    """Estimate the speeds of a GPU from its data sheet and the shares achieved on T4 and A100.

    16 bit means bf16, or fp16 on Turing and Volta.
    """
    peak = (gpu.bf16_tflops or gpu.fp16_tflops) * 1e12
    shares = peak_shares(name)
    return Speeds(
        peak * shares.matmul,
        peak * shares.attention,
        peak * shares.wide,
        gpu.bandwidth_bytes_per_second,
        shares.launch_seconds,
        link=gpu.link_bytes_per_second,
    )


def peak_shares(name: str) -> PeakShares:
    """Shares of the peak a GPU achieves: fitted, else A100's scaled by its large products."""
    if name == "T4":
        return T4
    ratio = SUSTAINED.get(name, SUSTAINED_ELSEWHERE) / SUSTAINED["A100_80GB_SXM"]
    return A100._replace(
        matmul=A100.matmul * ratio, attention=A100.attention * ratio, wide=A100.wide * ratio
    )
