"""Reads a model's config.json into an `Architecture`, for 24 model families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from advisor.errors import UsageError
from advisor.gpu.parameters import ModelShape, parameter_count
from advisor.prices.models import Architecture

Config = Mapping[str, Any]
Traits = Mapping[str, Any]

ALIASES: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layers", "n_layer"),
    "hidden_size": ("hidden_size", "n_embd", "dim"),
    "attention_heads": ("num_attention_heads", "n_heads", "n_head"),
    "vocabulary": ("vocab_size",),
    "max_position_tokens": ("max_position_embeddings", "n_positions", "max_seq_len"),
}
"""Names of the same number in different families."""
MLP_SIZES = ("intermediate_size", "ffn_hidden_size", "hidden_dim", "n_inner")
DEFAULT_POSITIONS = 2048
"""Longest sequence of a family whose config does not state it, such as Falcon."""


def _biases(linear: object) -> Traits:
    """Norms with biases, and linear layers with or without."""
    names = ("attention_bias", "output_bias", "mlp_bias")
    return {**dict.fromkeys(names, bool(linear)), "norm_biases": True}


ALL_BIASES = _biases(True)
ENCODER = {**ALL_BIASES, "mlp_matrices": 2, "tied_embeddings": True}


def _llama(config: Config) -> Traits:
    bias = bool(config.get("attention_bias", False))
    return {"attention_bias": bias, "output_bias": bias, "mlp_bias": bool(config.get("mlp_bias"))}


def _qwen3(config: Config) -> Traits:
    return {"head_norms": True, **_llama(config)}


def _phi(config: Config) -> Traits:
    other = {"norms_per_layer": 1, "other_parameters": int(config["vocab_size"])}
    return {**ALL_BIASES, "mlp_matrices": 2, **other}


def _falcon(config: Config) -> Traits:
    is_new = bool(config.get("new_decoder_architecture", False))
    kv_heads = config.get("num_kv_heads") if is_new else None
    alone = config.get("multi_query", True) and not is_new
    norms = 1 if config.get("parallel_attn", True) and not is_new else 2
    return {
        **_biases(config.get("bias")),
        "mlp_matrices": 2,
        "fused_projections": True,
        "norms_per_layer": norms,
        "kv_heads": 1 if alone else int(kv_heads or config["num_attention_heads"]),
        "tied_embeddings": bool(config.get("tie_word_embeddings", True)),
    }


def _stablelm(config: Config) -> Traits:
    return {
        "attention_bias": bool(config.get("use_qkv_bias")),
        "norm_biases": True,
        "norms_per_layer": 1 if config.get("use_parallel_residual") else 2,
    }


def _starcoder2(config: Config) -> Traits:
    bias = config.get("use_bias", True)
    return {**_biases(bias), "mlp_matrices": 2, "tied_embeddings": True}


def _qwen3_moe(config: Config) -> Traits:
    return {
        "head_norms": True,
        "adapted_experts": True,
        "experts": _first(config, ("num_experts", "num_local_experts")),
        "experts_per_token": config["num_experts_per_tok"],
        "expert_size": config["moe_intermediate_size"],
        "dense_layers": len(config.get("mlp_only_layers") or ()),
    }


def _mixtral(config: Config) -> Traits:
    return {
        "experts": config["num_local_experts"],
        "expert_size": config["intermediate_size"],
        "experts_per_token": config["num_experts_per_tok"],
        "adapted_experts": True,
    }


def _gpt_oss(config: Config) -> Traits:
    h, f, experts = config["hidden_size"], config["intermediate_size"], config["num_local_experts"]
    biases = experts * (2 * f + h + 1) + config["num_attention_heads"]
    return {
        **_mixtral(config),
        "adapted_experts": False,
        "attention_bias": True,
        "output_bias": True,
        "other_parameters": config["num_hidden_layers"] * biases,
    }


def _bert(config: Config) -> Traits:
    h = config["hidden_size"]
    rows = config["max_position_embeddings"] + config.get("type_vocab_size", 2)
    return {**ENCODER, "other_parameters": rows * h + h * h + h}


def _distilbert(config: Config) -> Traits:
    return {**ENCODER, "other_parameters": int(config["max_position_embeddings"]) * config["dim"]}


FAMILIES: Mapping[str, Traits | Callable[[Config], Traits]] = {
    "llama": _llama,
    "mistral": _llama,
    "granite": _llama,
    "smollm3": _llama,
    "qwen2": {"attention_bias": True},
    "qwen3": _qwen3,
    "gemma": {"tied_embeddings": True},
    "gemma2": {"tied_embeddings": True, "norms_per_layer": 4},
    "gemma3_text": {"tied_embeddings": True, "norms_per_layer": 4, "head_norms": True},
    "phi3": {"fused_projections": True},
    "phi": _phi,
    "gpt_neox": {**ALL_BIASES, "mlp_matrices": 2, "fused_projections": True},
    "falcon": _falcon,
    "olmo2": {"wide_norms": True},
    "stablelm": _stablelm,
    "starcoder2": _starcoder2,
    "qwen3_moe": _qwen3_moe,
    "mixtral": _mixtral,
    "gpt_oss": _gpt_oss,
    "bert": _bert,
    "roberta": _bert,
    "xlm-roberta": _bert,
    "distilbert": _distilbert,
    "modernbert": {"fused_projections": True, "tied_embeddings": True},
}
"""Traits of each `model_type`, or a function of its config. Source: the classes of transformers
5.23; the counts are equal to their numel() (tests/advisor/gpu/test_parameters.py)."""


def is_known_family(config: Config) -> bool:
    """Whether the parameters of a config's family can be counted exactly."""
    return _text(config).get("model_type") in FAMILIES


def architecture_of(config: Config, source: str = "your config.json") -> Architecture:
    """Read a config.json as downloaded; of a vision model, the text part.

    Raises:
        UsageError: the family is not supported, or a number is missing.
    """
    text = _text(config)
    family = str(text.get("model_type"))
    if family not in FAMILIES:
        raise UsageError(
            "config.json",
            f"model_type '{family}' is not supported.",
            f"Use a model of one of these: {', '.join(sorted(FAMILIES))}.",
        )
    try:
        read = {
            name: int(_first(text, keys))
            for name, keys in ALIASES.items()
            if name != "max_position_tokens"
        }
        traits = FAMILIES[family]
        special = traits(text) if callable(traits) else traits
        sizes = {**_sizes(text, read), **special, "source": source}
        draft = Architecture.model_validate({**sizes, "parameters": 1})
        counted = int(parameter_count(ModelShape.of(draft)))
        return Architecture.model_validate({**sizes, "parameters": counted})
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            "config.json",
            f"a number is missing or not valid: {error}.",
            "Use the file as downloaded.",
        ) from error


def _text(config: Config) -> Config:
    inner = config.get("text_config")
    return inner if isinstance(inner, Mapping) else config


def _first(config: Config, keys: tuple[str, ...]) -> Any:
    for key in keys:
        if config.get(key) is not None:
            return config[key]
    raise KeyError(keys[0])


def _sizes(config: Config, read: Mapping[str, int]) -> dict[str, Any]:
    hidden, heads = read["hidden_size"], read["attention_heads"]
    sizes = [config[key] for key in MLP_SIZES if config.get(key)]
    positions = [config[key] for key in ALIASES["max_position_tokens"] if config.get(key)]
    return {
        **read,
        "intermediate_size": int(sizes[0]) if sizes else 4 * hidden,
        "kv_heads": int(config.get("num_key_value_heads") or heads),
        "head_dim": int(config.get("head_dim") or hidden // heads),
        "tied_embeddings": bool(config.get("tie_word_embeddings", False)),
        "max_position_tokens": int(positions[0]) if positions else DEFAULT_POSITIONS,
    }
