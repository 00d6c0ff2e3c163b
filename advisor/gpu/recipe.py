"""Every setting of a training on one's own GPU, said aloud: the script and the estimator read it.

A library's silent default is a setting that nobody chose. Here each one is chosen, once.
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
"""Preference tuning takes a twentieth of the step size; trl's DPO default is 1e-6 for full."""
ENCODER_LEARNING_RATE = 3e-5
"""Source: BERT, https://arxiv.org/abs/1810.04805, appendix A.3: 2e-5 to 5e-5."""
ROWS_PER_STEP = 16
ENCODER_EPOCHS = 5.0


class Recipe(Record):
    """What a training does, to the last setting."""

    objective: Objective
    """What is learned: plain text, answers, preferences, a reward, or labels."""
    method: Method
    """Which weights are trained."""
    dtype: Dtype
    """Of the base weights and the arithmetic."""
    adapter_dtype: Dtype = "float32"
    """Of the adapters: small updates are lost in bfloat16."""
    gradient_checkpointing: bool
    """Whether activations are computed again on the way back: less memory, a third more work."""
    max_tokens: WholeNumber
    """Longest row; what is longer is cut, and that is told."""
    packing: bool = False
    """Whether short rows share a sequence, kept apart by their positions."""
    loss_on: Literal["assistant", "completion"] = "assistant"
    """Every answer of a conversation, or the last one only."""
    epochs: Annotated[float, Field(gt=0)]
    """Passes over the rows."""
    micro_batch_rows: WholeNumber
    """Rows that are in memory at once."""
    accumulation_steps: WholeNumber
    """Micro-batches of one step."""
    learning_rate: Annotated[float, Field(gt=0, lt=1)]
    """Largest step size."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the step size falls."""
    warmup_share: Share = 0.03
    """Share of the steps in which it rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Pull towards zero."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    """Longest gradient."""
    optimizer: Literal["adamw_torch", "adamw_torch_fused", "adamw_8bit"] = "adamw_torch"
    """AdamW, and in whose arithmetic."""
    lora_rank: WholeNumber = RANK
    """Rank of the adapters; tokens of the prefix in prefix tuning."""
    lora_alpha: WholeNumber = ALPHA
    """Scale of the adapters."""
    lora_dropout: Share = 0.0
    """Share of adapter inputs that is dropped."""
    use_rslora: bool = False
    """Scale by the root of the rank."""
    use_dora: bool = False
    """Train length and direction apart."""
    double_quantised: bool = True
    """Whether the scales of 4-bit weights are quantised too."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    """Kernel of the attention."""
    beta: Annotated[float, Field(gt=0)] = 0.1
    """How far preference or reward tuning may leave the base."""
    samples_per_prompt: WholeNumber = 4
    """Answers that are drawn for each question in reward tuning."""
    max_answer_tokens: WholeNumber = 128
    """Longest answer that is drawn."""
    replay_share: Share = 0.0
    """Share of general rows mixed in against forgetting."""
    save_steps: WholeNumber = 50
    """Steps between checkpoints."""
    most_checkpoints: Annotated[int, Field(ge=2)] = 2
    """How many are kept: with two, one is whole whatever happens to the other."""
    log_steps: WholeNumber = 5
    """Steps between two lines of progress."""
    most_steps: int | None = None
    """Stop after so many steps, whatever the epochs say."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Of the order of rows, of new weights, of dropout."""

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if (self.use_dora or self.use_rslora) and self.method not in ("lora", "qlora"):
            raise ValueError(f"use_dora and use_rslora are of lora and qlora, not of {self.method}")
        if self.packing and (self.method == "prefix" or self.objective not in ("sft", "text")):
            raise ValueError("packing is for sft and text, and not under a prefix")
        return self

    @property
    def rows_per_step(self) -> int:
        """Rows that one step learns from.

        >>> recipe_for("sft", "lora", True, 512, 3.0).rows_per_step
        16
        """
        return self.micro_batch_rows * self.accumulation_steps


def recipe_for(
    objective: Objective, method: Method, has_gpu: bool, longest_tokens: int, epochs: float
) -> Recipe:
    """Choose every setting for one training.

    Args:
        objective: What is learned.
        method: Which weights are trained.
        has_gpu: Whether it runs on one; without, in float32 and without checkpointing.
        longest_tokens: Longest row; the limit is the next power of two above it.
        epochs: Passes over the rows.

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
