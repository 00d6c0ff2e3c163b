"""Model shape -> config.json for a peer."""

from __future__ import annotations

from typing import Any

from advisor.gpu.parameters import ModelShape

FAMILIES = (
    ("gemma-2", "gemma2"),
    ("gemma", "gemma"),
    ("Qwen2", "qwen2"),
    ("Qwen3", "qwen3"),
    ("Phi-", "phi3"),
    ("phi-", "phi"),
    ("falcon", "falcon"),
    ("stablelm", "gpt_neox"),
    ("Mixtral", "mixtral"),
    ("Mistral", "mistral"),
    ("OLMo-2", "olmo2"),
    ("gpt-oss", "gpt_oss"),
)
"""Words of a model's name -> `model_type`; all others are Llamas."""


def config_of(model: str, shape: ModelShape) -> dict[str, Any]:
    """Return a shape as a config.json."""
    family = next((kind for words, kind in FAMILIES if words in model), "llama")
    config = {
        "_name_or_path": model,
        "model_type": family,
        "hidden_size": int(shape.hidden_size),
        "num_hidden_layers": int(shape.layers),
        "num_attention_heads": int(shape.attention_heads),
        "num_key_value_heads": int(shape.kv_heads),
        "head_dim": int(shape.head_dim),
        "intermediate_size": int(shape.intermediate_size),
        "vocab_size": int(shape.vocabulary),
        "tie_word_embeddings": bool(shape.tied_embeddings),
        "max_position_embeddings": 1_000_000,
    }
    if family == "falcon":
        return {**config, "ffn_hidden_size": config.pop("intermediate_size"), "multi_query": True}
    if shape.experts:
        return {**config, "num_local_experts": int(shape.experts)}
    return config
