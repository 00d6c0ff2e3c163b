"""What each rule that can put an option out decides, in a sentence."""

from __future__ import annotations

GATES = {
    "model-ends": "The model answers no more before the first month of use is over.",
    "ends-too-soon": "A model that ends within three months is not begun with.",
    "too-few-examples": "Each approach is tried from a number of examples on; see the evidence.",
    "examples-at-hand": "Distilling asks a teacher for examples: needless with enough of them.",
    "no-documents": "Retrieval needs documents to look up.",
    "window": "Instructions, documents, question and answer fit the window of the model.",
    "corpus-too-large": "Documents above a size are not put into every prompt whole.",
    "gpu-memory": "Training fits the memory of the GPU, with one longest row at a time.",
    "latency": "Where a quick answer is asked for, no model is used that always reasons first.",
    "budget-one-off": "What is paid once stays within limits.budget_one_off_usd.",
    "budget-monthly": "What is paid a month stays within limits.budget_monthly_usd.",
}
"""Rules that numbers decide; a sweep tries them for every variant."""

MENU = {
    "data-stays": "Where data may not leave your machines, no provider is used.",
    "provider-not-allowed": "Where limits.providers names some, no other is used.",
    "shut-down": "The model answers no more on the day of the question.",
    "closed-to-you": "The provider lets users like you start no job on that day.",
    "unpriced": "Nobody published a price, and no own quote was laid over the book.",
    "no-bf16": "The GPU cannot compute in bf16, which training here needs.",
    "facts-need-retrieval": "New facts are looked up; training does not bring them in reliably.",
    "permissions": "Documents that not everybody may read are not put into one prompt for all.",
    "no-labels": "An encoder picks one of fixed labels, and the task has none.",
}
"""Rules that decide which options stand on the menu at all."""
