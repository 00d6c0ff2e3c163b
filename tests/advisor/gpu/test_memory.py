"""Memory of training: what autograd keeps, phases, shards, states, objectives and experts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.gpu.activations import activation_bytes, head_bytes, saved_bytes_per_token
from advisor.gpu.memory import (
    allocated_bytes,
    memory_phases,
    optimizer_bytes,
    process_bytes,
    reserved_bytes,
    resting_parts,
)
from advisor.gpu.model_config import architecture_of
from advisor.gpu.parameters import ModelShape
from advisor.gpu.training_setup import TrainingSetup
from advisor.prices.book import PriceBook
from advisor.units import GIB

LLAMA_3B = ModelShape(28, 3072, 8192, 24, 8, 128, 128256, True, 3_212_749_824)
LLAMA_8B = ModelShape(32, 4096, 14336, 32, 8, 128, 128256, False, 8_030_261_248)


SIZES: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 192, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 64, "pad_token_id": 0,
}  # fmt: skip


def kept_by_autograd(family: str, layers: int, setup: TrainingSetup) -> float:
    """Bytes a token that autograd saves of a model, counted while it goes forward."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    peft = pytest.importorskip("peft")
    config = transformers.AutoConfig.for_model(family, **SIZES, num_hidden_layers=layers)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    model = model.to(torch.bfloat16)
    if not setup.is_full:
        model.enable_input_require_grads()
        names = [f"{name}_proj" for name in setup.targets]
        model = peft.get_peft_model(model, peft.LoraConfig(r=int(setup.rank), target_modules=names))
        for weight in model.parameters():
            weight.data = weight.data.float() if weight.requires_grad else weight.data
    model.train()
    ours = {
        tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())
    }
    seen: dict[int, int] = {}
    alive = []

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        alive.append(tensor)
        if storage.data_ptr() not in ours:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens = torch.ones((2, 64), dtype=torch.long)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=tokens, use_cache=False)
    return sum(seen.values()) / tokens.numel()


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3"])
@pytest.mark.parametrize("targets", [None, ("q", "v"), ("q", "k", "v", "o", "gate", "up", "down")])
def test_what_a_layer_keeps_is_what_autograd_saves(family: str, targets: Any) -> None:
    setup = TrainingSetup("full" if targets is None else "lora", 128, rank=8, targets=targets or (),
                  autocast=False)  # fmt: skip
    shape = ModelShape.of(architecture_of({**SIZES, "num_hidden_layers": 2, "model_type": family}))

    counted = kept_by_autograd(family, 3, setup) - kept_by_autograd(family, 2, setup)

    assert float(saved_bytes_per_token(shape, setup)) == pytest.approx(counted, rel=0.02)


def test_the_highest_phase_is_the_peak_and_phases_are_not_added() -> None:
    setup = TrainingSetup("full", 8192, longest=4096)
    totals = {name: float(parts.total) for name, parts in memory_phases(LLAMA_3B, setup).items()}

    assert float(allocated_bytes(LLAMA_3B, setup)) == max(totals.values())
    assert totals["step"] == pytest.approx(8 * LLAMA_3B.parameters)
    assert list(totals) == ["loss", "backward", "last layer", "step"]


def test_all_logits_of_a_long_batch_take_more_than_the_model() -> None:
    """8,192 x 128,256 logits of 14 bytes are 13.7 GiB; tiles of ours take a quarter of one."""
    every, ours = (TrainingSetup("lora", 8192, head=head) for head in ("all", "fused"))  # type: ignore[arg-type]

    assert f"{float(head_bytes(LLAMA_8B, every)) / GIB:.1f}" == "13.7"
    assert float(head_bytes(LLAMA_8B, ours)) / GIB < 0.4
    assert allocated_bytes(LLAMA_8B, every) > allocated_bytes(LLAMA_8B, ours)


def test_a_preference_is_two_sequences_and_full_tuning_keeps_a_reference() -> None:
    lora, full = (TrainingSetup(method, 1024) for method in ("lora", "full"))  # type: ignore[arg-type]

    twice = activation_bytes(LLAMA_3B, lora.with_changes(objective="dpo"))
    assert twice.stored == 2 * np.asarray(activation_bytes(LLAMA_3B, lora).stored)
    one, two = (
        resting_parts(LLAMA_3B, s).weights for s in (full, full.with_changes(objective="dpo"))
    )
    assert two == 2 * np.asarray(one)
    one, two = (
        resting_parts(LLAMA_3B, s).weights for s in (lora, lora.with_changes(objective="dpo"))
    )
    assert two == one


def test_shards_divide_what_their_level_says() -> None:
    alone = resting_parts(LLAMA_8B, TrainingSetup("full", 1024))
    parts = {
        level: resting_parts(LLAMA_8B, TrainingSetup("full", 1024, sharding=level, gpus=4.0))  # type: ignore[arg-type]
        for level in ("ddp", "zero1", "zero2", "zero3")
    }

    divided = {
        level: [float(a) / float(b) for a, b in zip(alone[:4], p[:4], strict=True) if float(b)]
        for level, p in parts.items()
    }
    assert divided == {"ddp": [1, 1, 1], "zero1": [1, 1, 4], "zero2": [1, 4, 4],
                       "zero3": [4, 4, 4]}  # fmt: skip
    assert float(parts["zero3"].gathered) > 0 == float(parts["zero2"].gathered)
    off = TrainingSetup("full", 1024, sharding="zero3", gpus=4.0, offloads_shards=True)
    assert float(resting_parts(LLAMA_8B, off).weights) == 0


def test_states_follow_the_optimizer() -> None:
    sizes = {
        name: float(optimizer_bytes(LLAMA_3B, TrainingSetup("full", 1, optimizer=name)))  # type: ignore[arg-type]
        / LLAMA_3B.parameters
        for name in ("adamw", "adamw_8bit", "paged", "sgd")
    }

    assert sizes == {"adamw": 4.0, "adamw_8bit": pytest.approx(2.03), "paged": 0.0, "sgd": 0.0}


def test_an_encoder_is_trained_in_a_gigabyte_or_two_and_has_no_logits(book: PriceBook) -> None:
    architecture = book.model("open/FacebookAI/roberta-base").architecture
    assert architecture is not None
    shape, setup = (
        ModelShape.of(architecture),
        TrainingSetup("full", 16 * 512, objective="classification"),
    )

    assert float(head_bytes(shape, setup)) == 0
    assert 1.0 < float(allocated_bytes(shape, setup)) / GIB < 2.0
    assert shape.parameters == 124_645_632


def test_all_experts_are_held_and_few_are_passed(book: PriceBook) -> None:
    mixture, dense = (
        ModelShape.of(book.model(f"open/Qwen/{name}").architecture)  # type: ignore[arg-type]
        for name in ("Qwen3-30B-A3B", "Qwen3-32B")
    )
    setup = TrainingSetup("lora", 2048, targets=("q", "v"))

    weights = [float(resting_parts(shape, setup).weights) for shape in (mixture, dense)]
    moving = [float(activation_bytes(shape, setup).layer) for shape in (mixture, dense)]
    assert weights[0] / weights[1] == pytest.approx(30.53 / 32.76, rel=0.001)
    assert moving[0] < 0.6 * moving[1]


CHOICES = st.fixed_dictionaries({
    "method": st.sampled_from(["full", "lora", "qlora"]),
    "head": st.sampled_from(["fused", "all", "all_fp32", "all_bf16", "chunked"]),
    "attention": st.sampled_from(["fused", "masked", "eager"]),
    "checkpointing": st.booleans(), "upcast": st.booleans(), "compiled": st.booleans(),
    "accumulates": st.booleans(), "drops_out": st.booleans(),
    "objective": st.sampled_from(["sft", "dpo", "classification"]),
})  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=60)
@given(CHOICES, st.integers(16, 8192), st.integers(1, 8))
def test_more_tokens_or_less_help_never_take_less(
    chosen: dict[str, Any], longest: int, rows: int
) -> None:
    setup = TrainingSetup(tokens=float(rows * longest), longest=float(longest), **chosen)
    base = float(allocated_bytes(LLAMA_3B, setup))

    longer = setup.with_changes(tokens=2.0 * rows * longest, longest=2.0 * longest)
    assert float(allocated_bytes(LLAMA_3B, longer)) >= base
    assert float(allocated_bytes(LLAMA_3B, setup.with_changes(checkpointing=True))) <= base * 1.02
    assert float(allocated_bytes(LLAMA_3B, setup.with_changes(accumulates=True))) >= base
    assert float(reserved_bytes(LLAMA_3B, setup)) >= base
    assert float(process_bytes(LLAMA_3B, setup)) > float(reserved_bytes(LLAMA_3B, setup))


def test_many_setups_side_by_side_are_each_alone() -> None:
    tokens = np.array([512.0, 4096.0, 32768.0])

    together = np.asarray(process_bytes(LLAMA_8B, TrainingSetup("lora", tokens, longest=tokens)))

    alone = [float(process_bytes(LLAMA_8B, TrainingSetup("lora", t, longest=t))) for t in tokens]
    assert together.tolist() == alone
