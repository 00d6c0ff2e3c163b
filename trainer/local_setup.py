"""A recipe and the lengths of its rows -> what the formulas of time and memory read of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from advisor.estimate.memory import allocated_bytes
from advisor.estimate.parameters import ALL_LINEAR, Shape
from advisor.estimate.setup import Method, Objective, Optimizer, Setup
from advisor.estimate.tokens import longest_of_batch
from advisor.recipe import Method as RecipeMethod
from advisor.recipe import Objective as RecipeObjective
from advisor.recipe import Recipe

METHODS: Mapping[RecipeMethod, Method] = {
    "full": "full", "lora": "lora", "qlora": "qlora", "prefix": "lora", "ia3": "lora",
}  # fmt: skip
OBJECTIVES: Mapping[RecipeObjective, Objective] = {
    "text": "sft", "sft": "sft", "grpo": "sft", "dpo": "dpo", "classification": "classification",
}  # fmt: skip
"""Drawing the answers of reward tuning is left out; that is told."""
TILE = (4096.0, 32768.0)
"""Tokens and words of a tile of the loss head. Source: trl 1.16."""
TILE_BYTES = 22.0
"""Of a number in it, beside what is counted for a GPU: on a CPU scores, their exponentials and
gradients stand in memory at once. Counted in trl 1.16."""
OPTIMIZERS: Mapping[str, Optimizer] = {"adamw_8bit": "adamw_8bit"}


class Run(NamedTuple):
    """One training as the formulas read it."""

    usual: Setup
    """With a micro-batch as it is in the middle, padding included."""
    largest: Setup
    """With the longest rows at once: memory has to do for them."""
    steps: int
    micro_batches: int
    saves: int
    """Checkpoints that are written."""


def run_of(recipe: Recipe, lengths: NDArray[np.int64]) -> Run:
    """Lay a training out.

    Args:
        recipe: Every setting.
        lengths: Tokens of each row, before the cut.
    """
    cut = np.minimum(np.asarray(lengths), recipe.max_tokens)
    longest, rows, count = float(cut.max()), recipe.micro_batch_rows, cut.size
    usual = longest_of_batch(cut, rows)
    scored = usual
    if recipe.packing:  # rows are kept apart: a token looks back in its own
        longest = usual = float(recipe.max_tokens)
        count = math.ceil(int(cut.sum()) / recipe.max_tokens)
        scored = float((cut.astype(np.float64) ** 2).sum() / cut.sum())
    steps = math.ceil(math.ceil(count / recipe.rows_per_step) * recipe.epochs)
    steps = min(steps, recipe.most_steps or steps)
    return Run(
        setup_of(recipe, usual * rows, scored), setup_of(recipe, longest * rows, longest),
        steps, recipe.accumulation_steps, math.ceil(steps / recipe.save_steps),
    )  # fmt: skip


def setup_of(recipe: Recipe, tokens: float, longest: float) -> Setup:
    """Read of a recipe what time and memory depend on.

    Args:
        recipe: Every setting.
        tokens: Of a micro-batch, padding included.
        longest: Tokens that attention spans.
    """
    half = recipe.dtype != "float32"
    return Setup(
        METHODS[recipe.method], tokens, longest, rank=recipe.lora_rank,
        targets=() if recipe.method == "prefix" else ALL_LINEAR,
        objective=OBJECTIVES[recipe.objective],
        optimizer=OPTIMIZERS.get(recipe.optimizer, "adamw"),
        weight_bytes=2.0 if half else 4.0,
        adapter_bytes=4.0 if recipe.adapter_dtype == "float32" else 2.0,
        checkpointing=recipe.gradient_checkpointing,
        attention="eager" if recipe.attention == "eager" else "fused",
        autocast=half, drops_out=recipe.lora_dropout > 0,
        accumulates=recipe.accumulation_steps > 1, double_quantised=recipe.double_quantised,
    )  # fmt: skip


def cpu_bytes(shape: Shape, setup: Setup) -> float:
    """Count the peak of a training's tensors where no kernels of their own work the loss out."""
    tokens, words = np.minimum(setup.positions, TILE[0]), np.minimum(shape.vocabulary, TILE[1])
    told = setup.head == "fused" and setup.objective != "classification"
    return float(allocated_bytes(shape, setup) + TILE_BYTES * tokens * words * told)
