"""Settings of a training that memory and time depend on, for one run or many as arrays."""

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
    """How a model is trained; the defaults are those of our training script.

    Text fields are the same for all runs; numbers can be arrays.
    """

    method: Method
    """Which weights are trained, and whether frozen ones are packed into 4 bits."""
    tokens: Number
    """Rows of a micro-batch times tokens of its longest row, padding included."""
    longest: Number = 0.0
    """Tokens of the longest row; used if attention is not fused."""
    rank: Number = RANK
    """Rank of the adapters."""
    targets: tuple[Module, ...] = ALL_LINEAR
    """Matrices with adapters."""
    objective: Objective = "sft"
    """Objective; a preference is two sequences of this length."""
    optimizer: Optimizer = "adamw"
    """Optimizer; the states of `paged` move to the host when memory is short."""
    weight_bytes: Number = 2.0
    """Bytes per base weight that is not packed."""
    stream_bytes: float = 2.0
    """Bytes per activation between two matrices; 4 if all is in float32, as on a CPU."""
    mixes: bool = False
    """Whether float32 weights are copied to 16 bits for products."""
    adapter_bytes: float = 4.0
    """Bytes per adapter weight, its gradient and each of its two states."""
    checkpointing: bool = True
    """Whether activations are recomputed in backward."""
    attention: Attention = "fused"
    """`masked`: fused with a padding mask, which needs a copy of the keys per query head."""
    head: Head = "fused"
    """How the loss is computed: in tiles, from all logits, or in chunks."""
    loss_share: Number = 1.0
    """Share of positions with a label; the tiled head computes only those."""
    upcast: bool = False
    """Whether peft's 4-bit preparation converted embeddings, head and norms to float32."""
    autocast: bool = True
    """Whether float32 adapters use 16-bit copies of their inputs."""
    drops_out: bool = False
    """Whether adapter inputs have dropout."""
    compiled: bool = False
    """Whether the model is compiled."""
    accumulates: bool = True
    """Whether gradients of an earlier micro-batch are in memory during the next forward pass."""
    optimizer_in_backward: bool = False
    """Whether each gradient is applied and freed immediately."""
    offloads_activations: bool = False
    """Whether checkpointed activations are moved to host memory."""
    double_quantised: bool = True
    """Whether the scales of 4-bit weights are quantised too."""
    empties_cache: bool = False
    """Whether the allocator's cache is emptied."""
    packs_head: bool = False
    """Whether 4-bit loading packs the head too; transformers does not."""
    sharding: Sharding = "none"
    """What is sharded between GPUs."""
    gpus: Number = 1.0
    """Number of GPUs."""
    offloads_shards: bool = False
    """Whether shards are stored in host memory."""

    @property
    def positions(self) -> Number:
        """Tokens of one forward pass."""
        return self.tokens * (2 if self.objective == "dpo" else 1)

    @property
    def is_full(self) -> bool:
        """Whether all weights are trained."""
        return self.method == "full"

    def with_changes(self, **changes: Any) -> TrainingSetup:
        """Return a copy with some settings changed."""
        return replace(self, **changes)
