"""Display names of providers, models, approaches and options; ids stay in ids and flags."""

from __future__ import annotations

import re

PROVIDER_NAMES = {
    "anthropic": "Anthropic",
    "aws": "Amazon Web Services",
    "azure": "Azure OpenAI",
    "bedrock": "Amazon Bedrock",
    "cohere": "Cohere",
    "deepseek": "DeepSeek",
    "fireworks": "Fireworks AI",
    "gcp": "Google Cloud",
    "google": "Google",
    "groq": "Groq",
    "hf_jobs": "Hugging Face Jobs",
    "hyperstack": "Hyperstack",
    "lambda": "Lambda",
    "mistral": "Mistral AI",
    "nebius": "Nebius",
    "openai": "OpenAI",
    "own": "your hardware",
    "prime_intellect": "Prime Intellect",
    "runpod_community": "RunPod Community Cloud",
    "runpod_secure": "RunPod",
    "tinker": "Tinker",
    "together": "Together AI",
    "vast_median": "Vast.ai",
    "x-ai": "xAI",
}
APPROACH_NAMES = {
    "prompt": "Prompt",
    "few_shot": "Prompt with examples",
    "long_context": "Long context",
    "rag": "Retrieval",
    "ft_api": "Hosted fine-tuning",
    "managed_lora": "Managed LoRA",
    "lora": "LoRA",
    "qlora": "QLoRA",
    "full_ft": "Full fine-tuning",
    "dpo": "Preference tuning",
    "encoder": "Small classifier",
    "distill": "Distillation",
    "combo": "Retrieval with a tuned model",
    "not_yet": "Not yet",
    "current": "Current solution",
}
MODEL_NAMES = {"roberta-base": "RoBERTa-base", "bert-base-uncased": "BERT-base-uncased"}
SPACED_FAMILIES = ("claude", "gemini", "grok", "mistral")
"""Families of hosted models whose names have spaces instead of hyphens."""


def provider_name(provider: str) -> str:
    """Return the display name of a provider; an unknown id is returned unchanged.

    >>> provider_name("hf_jobs")
    'Hugging Face Jobs'
    """
    return PROVIDER_NAMES.get(provider, provider)


def at_provider(provider: str) -> str:
    """Return a provider with its preposition.

    >>> at_provider("gcp"), at_provider("own")
    ('at Google Cloud', 'on your hardware')
    """
    return f"{'on' if provider == 'own' else 'at'} {provider_name(provider)}"


def model_name(model: str) -> str:
    """Return the display name of a model: the last part of its id, as its owner writes it.

    >>> [model_name(name) for name in ("FacebookAI/roberta-base", "openai/gpt-5.4-mini")]
    ['RoBERTa-base', 'GPT-5.4 mini']
    >>> [model_name(name) for name in ("anthropic/claude-haiku-4-5", "Qwen/Qwen3-8B")]
    ['Claude Haiku 4.5', 'Qwen3-8B']
    """
    last = model.rpartition("/")[2]
    family, _, version = last.partition("-")
    if family == "gpt" and not version.startswith("oss"):
        return "GPT-" + version.replace("-", " ")
    if family in SPACED_FAMILIES and last == last.lower():
        words = re.sub(r"(?<=\d)-(?=\d)", ".", last).split("-")
        return " ".join(word.capitalize() for word in words)
    return MODEL_NAMES.get(last, last)


def option_name(option_id: str) -> str:
    """Return the display name of an option: approach, model, GPU and provider.

    >>> option_name("encoder:hf_jobs:FacebookAI/roberta-base:T4")
    'Small classifier, RoBERTa-base on T4 at Hugging Face Jobs'
    """
    approach, *rest = option_id.split(":")
    name = APPROACH_NAMES.get(approach, approach)
    if len(rest) < 2 or rest[0] == "*":
        return name
    gpu = f" on {rest[2]}" if len(rest) > 2 else ""
    return f"{name}, {model_name(rest[1])}{gpu} {at_provider(rest[0])}"
