"""Every choice of a training that its memory depends on, for one run or for many side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from advisor.gpu.parameters import ALL_LINEAR, Module
from advisor.gpu.recipe import RANK
from advisor.units import Number

Method = Literal["full", "lora", "qlora"]
Objective = Literal["sft", "dpo", "classification"]
Attention = Literal["fused", "masked", "eager"]
Head = Literal["fused", "all", "all_copied", "all_fp32", "all_plain", "all_bf16", "chunked"]
Optimizer = Literal["adamw", "adamw_8bit", "paged", "sgd"]
Sharding = Literal["none", "ddp", "zero1", "zero2", "zero3"]


@dataclass(frozen=True)
class TrainingSetup:
    """How a model is trained; the defaults are those of our own training script.

    Words are the same for all runs that are laid side by side, numbers may be arrays.
    """

    method: Method
    """Which weights are trained, and whether the frozen ones are packed into 4 bits."""
    tokens: Number
    """Rows of a micro-batch times tokens of its longest row, padding included."""
    longest: Number = 0.0
    """Tokens of the longest row; read where attention is not fused."""
    rank: Number = RANK
    """Of the adapters."""
    targets: tuple[Module, ...] = ALL_LINEAR
    """Matrices with adapters."""
    objective: Objective = "sft"
    """What is learned; a preference is two sequences of this length."""
    optimizer: Optimizer = "adamw"
    """Whose states are held; those of `paged` lie outside the GPU when room is short."""
    weight_bytes: Number = 2.0
    """Of a base weight that is not packed."""
    stream_bytes: float = 2.0
    """Of an activation between two matrices; 4 where all arithmetic is in float32, as on a CPU."""
    mixes: bool = False
    """Whether float32 weights are copied into 16 bits to be multiplied."""
    adapter_bytes: float = 4.0
    """Of an adapter weight, its gradient and each of its two states."""
    checkpointing: bool = True
    """Whether activations are computed again on the way back."""
    attention: Attention = "fused"
    """`masked`: fused, with padding told by a mask, for which keys are copied to each query."""
    head: Head = "fused"
    """How the loss is reckoned: in tiles, from all logits, or from those of a chunk."""
    loss_share: Number = 1.0
    """Share of the positions that have a label; the tiled head projects no others."""
    upcast: bool = False
    """Whether peft's preparation for 4 bits turned embeddings, head and norms into float32."""
    autocast: bool = True
    """Whether adapters in float32 work on 16-bit copies of their inputs."""
    drops_out: bool = False
    """Whether adapter inputs are dropped at random."""
    compiled: bool = False
    """Whether the model is compiled."""
    accumulates: bool = True
    """Whether gradients of an earlier micro-batch are there while the next goes forward."""
    optimizer_in_backward: bool = False
    """Whether each gradient is used and freed as soon as it is there."""
    offloads_activations: bool = False
    """Whether what a checkpoint keeps is moved to the memory of the host."""
    double_quantised: bool = True
    """Whether the scales of 4-bit weights are packed too."""
    empties_cache: bool = False
    """Whether the allocator is told to give back what no tensor fills."""
    packs_head: bool = False
    """Whether 4-bit loading packs the head too; transformers leaves it alone."""
    sharding: Sharding = "none"
    """What GPUs that train together share out."""
    gpus: Number = 1.0
    """How many they are."""
    offloads_shards: bool = False
    """Whether shards rest in the memory of the host."""

    @property
    def positions(self) -> Number:
        """Tokens of one forward pass."""
        return self.tokens * (2 if self.objective == "dpo" else 1)

    @property
    def is_full(self) -> bool:
        """Whether all weights are trained."""
        return self.method == "full"

    def with_changes(self, **changes: Any) -> TrainingSetup:
        """Return the same training with something changed."""
        return replace(self, **changes)
