"""Training settings: one explicit value for each, read by the script and by the estimates.

Library defaults can change without notice, so no setting is left to them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from advisor.units import Record

Method = Literal["full", "lora", "qlora", "prefix", "ia3"]
Objective = Literal["text", "sft", "dpo", "grpo", "classification"]
Dtype = Literal["bfloat16", "float16", "float32"]
Share = Annotated[float, Field(ge=0, le=1)]
WholeNumber = Annotated[int, Field(ge=1)]

RANK = 16
ALPHA = 32
LEARNING_RATES: dict[str, float] = {
    "full": 1e-5,
    "lora": 2e-4,
    "qlora": 2e-4,
    "prefix": 1e-2,
    "ia3": 5e-3,
}
"""Source: LoRA Without Regret, https://thinkingmachines.ai/blog/lora/ (adapters about ten times
full tuning); peft's method comparison for prefix tuning and IA3."""
PREFERENCE_SHARE = 0.05
"""Learning rate of preference tuning over supervised; trl's DPO default is 1e-6 for full."""
ENCODER_LEARNING_RATE = 3e-5
"""Source: BERT, https://arxiv.org/abs/1810.04805, appendix A.3: 2e-5 to 5e-5."""
ROWS_PER_STEP = 16
ENCODER_EPOCHS = 5.0


class Recipe(Record):
    """All settings of a training."""

    objective: Objective
    """What is trained for: plain text, answers, preferences, a reward, or labels."""
    method: Method
    """Which weights are trained."""
    dtype: Dtype
    """Data type of the base weights and the arithmetic."""
    adapter_dtype: Dtype = "float32"
    """Data type of the adapters; small updates are lost in bfloat16."""
    gradient_checkpointing: bool
    """Whether activations are recomputed in backward: less memory, a third more work."""
    max_tokens: WholeNumber
    """Longest row [tokens]; longer rows are truncated, and their number is reported."""
    packing: bool = False
    """Whether short rows share a sequence, separated by their positions."""
    loss_on: Literal["assistant", "completion"] = "assistant"
    """Whether every answer of a conversation is trained on, or only the last."""
    epochs: Annotated[float, Field(gt=0)]
    """Passes over the rows."""
    micro_batch_rows: WholeNumber
    """Rows per micro-batch."""
    accumulation_steps: WholeNumber
    """Micro-batches per step."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Peak learning rate."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate decreases."""
    warmup_share: Share = 0.03
    """Share of the steps with an increasing learning rate."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Norm above which gradients are clipped."""
    optimizer: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit"] = "adamw_torch"
    """Implementation of AdamW."""
    lora_rank: WholeNumber = RANK
    """Rank of the adapters; number of prefix tokens in prefix tuning."""
    lora_alpha: WholeNumber = ALPHA
    """Scale of the adapters."""
    lora_dropout: Share = 0.0
    """Share of adapter inputs that is dropped."""
    use_rslora: bool = False
    """Whether adapters are scaled by the square root of the rank."""
    use_dora: bool = False
    """Whether magnitude and direction are trained separately."""
    double_quantised: bool = True
    """Whether the scales of 4-bit weights are quantised too."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    """Attention kernel."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """How far preference or reward tuning may move from the base model."""
    samples_per_prompt: WholeNumber = 4
    """Answers sampled per question in reward tuning."""
    max_answer_tokens: WholeNumber = 128
    """Longest sampled answer [tokens]."""
    replay_share: Share = 0.0
    """Share of general rows mixed in to reduce forgetting."""
    save_steps: WholeNumber = 50
    """Steps between checkpoints."""
    most_checkpoints: Annotated[int, Field(ge=2)] = 2
    """Checkpoints kept: with two, one is complete even if the other is being written."""
    log_steps: WholeNumber = 5
    """Steps between two progress lines."""
    most_steps: int | None = None
    """Maximum number of steps, whatever the epochs."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Random seed of row order, new weights and dropout."""

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if (self.use_dora or self.use_rslora) and self.method not in ("lora", "qlora"):
            raise ValueError(f"use_dora and use_rslora need lora or qlora, not {self.method}")
        if self.packing and (self.method == "prefix" or self.objective not in ("sft", "text")):
            raise ValueError(
                "packing needs the objective sft or text, and a method other than prefix"
            )
        return self

    @property
    def rows_per_step(self) -> int:
        """Rows per optimizer step.

        >>> recipe_for("sft", "lora", True, 512, 3.0).rows_per_step
        16
        """
        return self.micro_batch_rows * self.accumulation_steps


def recipe_for(
    objective: Objective, method: Method, has_gpu: bool, longest_tokens: int, epochs: float
) -> Recipe:
    """Choose all settings for one training; without a GPU, float32 and no checkpointing.

    The limit of a row is the power of two from *longest_tokens* on.

    >>> recipe_for("sft", "full", True, 700, 3.0).max_tokens
    1024
    """
    rate = LEARNING_RATES[method]
    if objective in ("dpo", "grpo"):
        rate *= PREFERENCE_SHARE
    if objective == "classification" and method == "full":
        rate = ENCODER_LEARNING_RATE
    micro = 4 if has_gpu else 8
    return Recipe(
        objective=objective,
        method=method,
        dtype="bfloat16" if has_gpu else "float32",
        gradient_checkpointing=has_gpu and method != "prefix",
        epochs=epochs,
        micro_batch_rows=micro,
        max_tokens=max(64, 1 << max(longest_tokens - 1, 1).bit_length()),
        accumulation_steps=ROWS_PER_STEP // micro,
        learning_rate=rate,
        optimizer="adamw_torch_fused" if has_gpu else "adamw_torch",
        loss_on="completion" if objective == "classification" else "assistant",
    )
