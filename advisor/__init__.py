"""Prompt, retrieve, fine-tune or LoRA: what each would cost, and which to do."""

__version__ = "0.1.0"
