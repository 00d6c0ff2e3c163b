"""A model, a GPU and tokens -> FLOPs, seconds and energy of training."""

from __future__ import annotations

import numpy as np

from advisor.estimate.memory import Method, Shape
from advisor.units import Number

Range = tuple[float, float, float]

HFU_PRIORS: dict[str, Range] = {
    "T4": (0.09, 0.18, 0.24),
    "A10G": (0.14, 0.25, 0.40),
    "RTX_3090": (0.25, 0.45, 0.70),
    "RTX_4090": (0.46, 0.55, 0.61),
    "L40S": (0.12, 0.22, 0.35),
    "A100_40GB_SXM": (0.21, 0.40, 0.62),
    "A100_80GB_SXM": (0.21, 0.40, 0.62),
    "A100_80GB_PCIE": (0.21, 0.38, 0.60),
    "H100_SXM": (0.30, 0.42, 0.50),
    "H100_PCIE": (0.30, 0.42, 0.50),
    "H100_NVL": (0.30, 0.42, 0.50),
    "H200_SXM": (0.30, 0.42, 0.50),
}
"""Share of the dense bf16 peak met, recomputation counted, as low, likely, high.
Source: published runs of fitcheck-llm (T4), litgpt (A10G), torchtune and XiongjieDai (3090, 4090),
peft (L40S), LLaMA-Factory and torchtune (A100), NeMo AutoModel and llm-foundry (H100)."""
HFU_ELSEWHERE: Range = (0.15, 0.30, 0.50)
"""For a GPU nobody published runs of; own judgement."""
QLORA_SLOWDOWN: Range = (1.02, 1.30, 2.0)
"""Time of QLoRA over LoRA: A100 packed 1.02, RTX 4090 1.28, A100 with short rows 1.56 to 2.0.
Source: torchtune, ninehills and litgpt tables."""


def matmul_parameters(shape: Shape) -> Number:
    """Count weights that are multiplied for each token: all but the embedding that is looked up."""
    looked_up = (1 - shape.tied_embeddings) * shape.vocabulary * shape.hidden_size
    return shape.parameters - looked_up


def train_flops_per_token(shape: Shape, method: Method, sequence_tokens: Number) -> Number:
    """FLOPs of one trained token with checkpointing.

    full = 8 N, adapters = 6 N (no gradient of the frozen weights); attention adds
    2 x layers x heads x head width x length a forward pass (the causal half), 4.5 passes in all

    Leaves out: norms, activations, the optimizer step (they cost bandwidth, not FLOPs).

    Source: PaLM appendix B, https://arxiv.org/abs/2204.02311; NeMo's printed TFLOP/s of 8B LoRA
    on H100 come out 3 % above theirs.
    """
    passes = 8.0 if method == "full" else 6.0
    width = shape.attention_heads * shape.head_dim
    attention = 2.0 * shape.layers * width * np.asarray(sequence_tokens, np.float64) * 4.5
    return passes * matmul_parameters(shape) + attention


def tokens_per_second(flops_per_token: Number, peak_tflops: Number, hfu_share: Number) -> Number:
    """Tokens trained a second on one GPU.

    speed = peak x share / FLOPs per token

    >>> round(float(tokens_per_second(6 * 8e9, 989.0, 0.42)))
    8654
    """
    return peak_tflops * 1e12 * np.asarray(hfu_share) / flops_per_token


def gpu_hours(tokens: Number, speed_tokens_per_second: Number) -> Number:
    """Hours of one GPU.

    >>> round(float(gpu_hours(10_500_000, 4_000)), 2), round(float(gpu_hours(10_500_000, 1_500)), 2)
    (0.73, 1.94)
    """
    return np.asarray(tokens) / speed_tokens_per_second / 3600.0


def energy_kwh(hours: Number, watts: Number) -> Number:
    """Energy at a mean power.

    >>> float(energy_kwh(2.0, 450.0))
    0.9
    """
    return np.asarray(hours) * watts / 1000.0


def hfu_prior(gpu: str, method: Method) -> Range:
    """Share of its peak that a GPU should meet, as low, likely, high.

    Small encoders and short rows meet less; that is inside the range.
    """
    low, likely, high = HFU_PRIORS.get(gpu, HFU_ELSEWHERE)
    return (low * 0.8, likely, high) if method == "full" else (low, likely, high)


def qlora_slowdown() -> Range:
    """Time of QLoRA over the time of LoRA, as low, likely, high."""
    return QLORA_SLOWDOWN
