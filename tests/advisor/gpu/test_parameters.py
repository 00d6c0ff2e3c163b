"""Counts of weights and adapters from a config, against the models themselves, built empty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from advisor.errors import AdvisorError
from advisor.gpu.model_config import architecture_of
from advisor.gpu.parameters import (
    ModelShape,
    active_parameters,
    embedding_parameters,
    linear_parameters,
    lora_parameters,
    parameter_count,
)
from advisor.prices.book import PriceBook

SIZES: dict[str, Any] = {
    "hidden_size": 256, "intermediate_size": 640, "num_hidden_layers": 3,
    "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 1000,
    "pad_token_id": 0,
}  # fmt: skip
NO_GROUPS = {k: v for k, v in SIZES.items() if k not in ("num_key_value_heads", "head_dim")}
BUILT: dict[str, dict[str, Any]] = {
    "llama": SIZES,
    "mistral": {**SIZES, "head_dim": 64},
    "qwen2": SIZES | {"tie_word_embeddings": True},
    "qwen3": {**SIZES, "head_dim": 48},
    "gemma": SIZES,
    "gemma2": SIZES,
    "gemma3_text": SIZES,
    "phi3": SIZES,
    "phi": NO_GROUPS,
    "gpt_neox": NO_GROUPS,
    "falcon": {k: v for k, v in NO_GROUPS.items() if k != "intermediate_size"},
    "olmo2": SIZES,
    "stablelm": SIZES,
    "starcoder2": SIZES,
    "qwen3_moe": {**SIZES, "num_experts": 6, "num_experts_per_tok": 2,
                  "moe_intermediate_size": 96},
    "mixtral": {**SIZES, "num_local_experts": 4},
    "gpt_oss": {**SIZES, "num_local_experts": 4},
    "bert": NO_GROUPS,
    "roberta": NO_GROUPS,
    "modernbert": NO_GROUPS,
}  # fmt: skip
ENCODERS = ("bert", "roberta", "modernbert")
peft_warns = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::RuntimeWarning")
"""Of names that peft 0.21 takes from transformers, and of patterns that match no expert."""


def built(family: str) -> tuple[Any, ModelShape]:
    """A model without memory, and the shape that its config gives."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    config = transformers.AutoConfig.for_model(family, **BUILT[family])
    of = transformers.AutoModel if family in ENCODERS else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        model = of.from_config(config)
    model.tie_weights()
    return model, ModelShape.of(architecture_of(config.to_dict()))


@pytest.mark.parametrize("family", BUILT)
def test_weights_counted_from_a_config_are_those_of_the_built_model(family: str) -> None:
    model, shape = built(family)

    assert parameter_count(shape) == sum(weight.numel() for weight in model.parameters())
    assert shape.parameters == parameter_count(shape)


@peft_warns
@pytest.mark.parametrize("family", sorted(set(BUILT) - set(ENCODERS)))
def test_adapters_counted_from_a_config_are_those_that_peft_makes(family: str) -> None:
    model, shape = built(family)
    peft = pytest.importorskip("peft")

    adapted = peft.get_peft_model(
        model, peft.LoraConfig(task_type="CAUSAL_LM", r=8, target_modules="all-linear")
    )

    trained = sum(w.numel() for w in adapted.parameters() if w.requires_grad)
    assert lora_parameters(shape, 8) == trained


@peft_warns
@pytest.mark.parametrize("targets", [("q", "v"), ("q", "k", "v", "o"), ("gate", "up", "down")])
def test_adapters_on_some_matrices_are_those_that_peft_makes(targets: tuple[Any, ...]) -> None:
    model, shape = built("qwen3")
    peft = pytest.importorskip("peft")

    names = [f"{name}_proj" for name in targets]
    adapted = peft.get_peft_model(
        model, peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=names)
    )

    trained = sum(w.numel() for w in adapted.parameters() if w.requires_grad)
    assert lora_parameters(shape, 4, targets) == trained


def test_four_bit_loading_packs_linear_layers_and_no_head() -> None:
    torch = pytest.importorskip("torch")
    for family in ("llama", "qwen2", "mixtral"):
        model, shape = built(family)
        packed = sum(
            module.weight.numel()
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and name != "lm_head"
        )

        assert linear_parameters(shape) == packed
        assert embedding_parameters(shape) == parameter_count(shape) - packed


def test_a_token_meets_few_experts_and_all_of_a_dense_model(book: PriceBook) -> None:
    shapes = {
        name.removeprefix("open/"): ModelShape.of(card.architecture)
        for name, card in book.models.items()
        if card.architecture
    }

    mixture = shapes["Qwen/Qwen3-30B-A3B"]
    assert f"{parameter_count(mixture) / 1e9:.2f}" == "30.53"
    assert f"{active_parameters(mixture) / 1e9:.2f}" == "3.35"
    dense = shapes["Qwen/Qwen3-8B"]
    assert active_parameters(dense) == dense.parameters == 8_190_735_360


def test_forty_open_models_are_in_the_catalogue_with_all_their_weights(book: PriceBook) -> None:
    """What their publishers say [billions], from the names of files and model cards."""
    known = {name: card for name, card in book.models.items() if card.architecture}
    published = {
        "meta-llama/Llama-2-7b-hf": 6_738_415_616, "meta-llama/Llama-3.1-8B": 8_030_261_248,
        "Qwen/Qwen2.5-1.5B": 1_543_714_304, "HuggingFaceTB/SmolLM2-135M": 134_515_008,
        "HuggingFaceTB/SmolLM2-1.7B": 1_711_376_384, "google/gemma-2-9b": 9_241_705_984,
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0": 1_100_048_384, "microsoft/phi-2": 2_779_683_840,
        "microsoft/Phi-3-mini-4k-instruct": 3_821_079_552, "tiiuae/falcon-7b": 6_921_720_704,
        "mistralai/Mixtral-8x7B-v0.1": 46_702_792_704, "google/gemma-7b": 8_537_680_896,
        "mistralai/Mistral-7B-v0.1": 7_241_732_096, "openai/gpt-oss-20b": 20_914_757_184,
        "FacebookAI/roberta-base": 124_645_632,
    }  # fmt: skip

    assert len(known) >= 40
    for card in known.values():
        assert card.architecture is not None
        assert parameter_count(ModelShape.of(card.architecture)) == card.architecture.parameters, (
            card.id
        )
        assert card.architecture.source.startswith("https://huggingface.co/")
    for name, weights in published.items():
        assert ModelShape.of(known[f"open/{name}"].architecture).parameters == weights, name  # type: ignore[arg-type]


def test_counts_of_many_models_side_by_side_are_those_of_each() -> None:
    two = [
        ModelShape.of(architecture_of({**SIZES, "model_type": kind}))
        for kind in ("llama", "gemma2")
    ]
    together = ModelShape(*(np.array(pair, float) for pair in zip(*two, strict=True)))

    assert np.asarray(parameter_count(together)).tolist() == [parameter_count(s) for s in two]
    assert np.asarray(lora_parameters(together, 8)).tolist() == [lora_parameters(s, 8) for s in two]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "mamba"}, "model_type 'mamba' is not supported.*Use a model of one of these: bert"),
        ({"model_type": "llama"}, "missing or not valid: 'num_hidden_layers'.*as downloaded"),
        ({**SIZES, "model_type": "llama", "vocab_size": "many"}, "missing or not valid"),
        ({**SIZES, "model_type": "llama", "num_hidden_layers": 0}, "layers"),
        ({}, "model_type 'None' is not supported"),
    ],
)  # fmt: skip
def test_a_config_that_cannot_be_read_is_refused_by_name(
    config: dict[str, Any], words: str
) -> None:
    with pytest.raises(AdvisorError, match=f"(?s){words}"):
        architecture_of(config)
