"""A GPU's peak and bandwidth -> the speeds that training meets on it, where nobody measured it."""

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
"""Share of the dense bf16 peak that the best large matrix product meets.
Source: ml-engineering, accelerators, maximum achievable matmul FLOPS."""
SUSTAINED_ELSEWHERE = 0.80
"""The same where it was not measured; the lower of A100 and H100."""


class PeakShares(NamedTuple):
    """What of a GPU's peak training meets."""

    matmul: float
    """In matrix products of wide layers, of the dense 16-bit peak."""
    attention: float
    """In scores and weighted values, of the same."""
    wide: float
    """In 32-bit products, of the same."""
    launch_seconds: float
    """What the host takes to launch one pass through one layer."""


T4 = PeakShares(0.24, 0.079, 0.047, 1.54e-3)
"""Fit on 40 rows of fitcheck-llm 0.3.1, Tesla T4 in fp16."""
A100 = PeakShares(0.71, 0.32, 0.047, 1.27e-3)
"""Fit on 109 rows of llm-foundry, torchtune, LLaMA-Factory and litgpt, A100 in bf16."""
NARROW_HIDDEN = 64.0
"""Hidden width at which matrix products meet half of the speed of wide ones; best of 0, 64, 128
on the same 149 rows."""
TIME_RANGE: Range = (1 / 1.65, 1.0, 1.65)
"""Measured over reckoned time of a GPU that nobody probed: the fit's rows lie within 1.4, and other
hosts and images move the same work by 1.35 (peft's method comparison, one L40S)."""

PROBED_RANGE: Range = (1 / 1.22, 1.0, 1.22)
"""The same on a machine that was probed: what the formulas leave out, and other work on it."""
PAST_RUN_RANGE: Range = (1 / 1.35, 1.0, 1.35)
"""The same where one past run of a machine nobody probed corrects it: the same training took 1.35
times as long on another day and image (peft's method comparison, one L40S)."""
CPU_RANGE: Range = (1 / 5, 1.0, 5.0)
"""The same on a CPU that nobody probed; own judgement."""


class Speeds(NamedTuple):
    """How fast a machine trains, or many side by side."""

    matmul: Number
    """Matrix products of wide layers [FLOP/s]."""
    attention: Number
    """Scores and weighted values [FLOP/s]."""
    wide: Number
    """Products in 32 bit where the rest is in 16 [FLOP/s]."""
    bandwidth: Number
    """Of the memory [bytes/s]."""
    launch_seconds: Number
    """What the host takes to launch one pass through one layer [s]."""
    step_seconds: Number = 0.0
    """What a step takes beside: progress, schedule, the loader [s]."""
    link: Number = 12e9
    """To the other GPUs [bytes/s]."""
    logit_seconds: Number = 0.0
    """What a logit of the tiled loss head takes beside products, where no kernel of its own works
    it out; 0 on a GPU [s]."""
    overlaps: Number = 1.0
    """1 where launching, computing and sending go on at once, as on a GPU; 0 where by turns."""


CPU = Speeds(60e9, 30e9, 60e9, 8e9, 1e-3, 0.03, logit_seconds=2e-8, overlaps=0.0)
"""A few cores in 32 bit; own judgement, hence the wide range."""


def prior_speeds(name: str, gpu: Gpu) -> Speeds:
    """Reckon the speeds of a GPU from its data sheet and what training met on T4 and A100.

    Half precision is what the GPU has: bf16, or fp16 on Turing and Volta.

    Args:
        name: As in the price book.
        gpu: Its numbers.
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
    """Say what of its peak a GPU meets: as fitted, else A100's in the ratio of large products."""
    if name == "T4":
        return T4
    ratio = SUSTAINED.get(name, SUSTAINED_ELSEWHERE) / SUSTAINED["A100_80GB_SXM"]
    return A100._replace(
        matmul=A100.matmul * ratio, attention=A100.attention * ratio, wide=A100.wide * ratio
    )
