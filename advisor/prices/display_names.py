"""Display names of providers, models, approaches and options; ids stay in ids and flags."""

from __future__ import annotations

import re

PROVIDER_NAMES = {
    "alibaba": "Alibaba Cloud",
    "anthropic": "Anthropic",
    "aws": "Amazon Web Services",
    "azure": "Azure OpenAI",
    "bedrock": "Amazon Bedrock",
    "cohere": "Cohere",
    "coreweave": "CoreWeave",
    "deepseek": "DeepSeek",
    "fireworks": "Fireworks AI",
    "gcp": "Google Cloud",
    "google": "Google",
    "groq": "Groq",
    "hetzner": "Hetzner",
    "hf_endpoints": "Hugging Face Endpoints",
    "hf_jobs": "Hugging Face Jobs",
    "hyperstack": "Hyperstack",
    "lambda": "Lambda",
    "minimax": "MiniMax",
    "mistral": "Mistral AI",
    "modal": "Modal",
    "moonshot": "Moonshot AI",
    "nebius": "Nebius",
    "openai": "OpenAI",
    "own": "your hardware",
    "pinecone": "Pinecone",
    "prime_intellect": "Prime Intellect",
    "qdrant": "Qdrant",
    "replicate": "Replicate",
    "runpod_community": "RunPod Community Cloud",
    "runpod_secure": "RunPod",
    "supabase": "Supabase",
    "tinker": "Tinker",
    "together": "Together AI",
    "turbopuffer": "turbopuffer",
    "vast_median": "Vast.ai",
    "verda": "Verda",
    "vertex": "Google Vertex AI",
    "voyageai": "Voyage AI",
    "weaviate": "Weaviate",
    "x-ai": "xAI",
    "z-ai": "Z.ai",
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
MODEL_NAMES = {
    "roberta-base": "RoBERTa-base",
    "bert-base-uncased": "BERT-base-uncased",
    "llama3-1-8b-instruct": "Llama 3.1 8B Instruct",
    "llama3-3-70b-instruct": "Llama 3.3 70B Instruct",
}
DOTTED_FAMILIES = {"claude": "Claude", "gemini": "Gemini", "grok": "Grok", "mistral": "Mistral"}
"""Families of hosted models whose names have spaces instead of hyphens, and dots in versions."""
SPACED_FAMILIES = {
    "deepseek": "DeepSeek",
    "glm": "GLM",
    "kimi": "Kimi",
    "minimax": "MiniMax",
    "nemotron": "Nemotron",
    "nova": "Nova",
    "qwen": "Qwen",
}
"""Families whose names have spaces, and a `p` for the dot of a version at some providers."""
MAKER = re.compile(r"^(global\.)?(amazon|anthropic|openai|meta|qwen)\.")
"""What Amazon Bedrock puts in front of the name of a model."""


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
    >>> [model_name(name) for name in ("fireworks/glm-5p3-flash", "alibaba/qwen3.8-27b")]
    ['GLM 5.3 Flash', 'Qwen3.8 27B']
    >>> model_name("bedrock/global.amazon.nova-2-lite")
    'Nova 2 Lite'
    """
    last = MAKER.sub("", model.rpartition("/")[2])
    family, _, version = last.partition("-")
    if family == "gpt" and not version.startswith("oss"):
        return "GPT-" + version.replace("-", " ")
    letters = re.match("[a-z]*", last)
    family = letters.group() if letters else ""
    if last != last.lower() or family not in DOTTED_FAMILIES | SPACED_FAMILIES:
        return MODEL_NAMES.get(last, last)
    if family in DOTTED_FAMILIES:
        last = re.sub(r"(?<=\d)-(?=\d)", ".", last)
    first, *words = re.sub(r"(?<=\d)p(?=\d)", ".", last).split("-")
    first = (DOTTED_FAMILIES | SPACED_FAMILIES)[family] + first.removeprefix(family)
    sizes = [word.upper() if re.fullmatch(r"a?\d+b", word) else word.capitalize() for word in words]
    return " ".join([first, *sizes])


def option_name(option_id: str) -> str:
    """Return the display name of an option: approach, model, machine and provider.

    >>> option_name("encoder:hf_jobs:FacebookAI/roberta-base:T4")
    'Small classifier, RoBERTa-base on T4 at Hugging Face Jobs'
    """
    approach, *rest = option_id.split(":")
    name = APPROACH_NAMES.get(approach, approach)
    if len(rest) < 2 or rest[0] == "*":
        return name
    return f"{name}, {model_name(rest[1])}{machine_text(option_id)} {at_provider(rest[0])}"


def machine_text(option_id: str) -> str:
    """Return the machine that serves an option, with its preposition; empty without one.

    >>> machine_text("encoder:hetzner:FacebookAI/roberta-base:CX43"), machine_text("current")
    (' on CX43', '')
    """
    machine = option_id.split(":")[3:]
    return f" on {', '.join(machine)}" if machine else ""
