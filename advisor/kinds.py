"""The closed list of what is priced, and the one unit each kind has."""

from __future__ import annotations

from typing import Literal

Unit = Literal[
    "USD/1M tokens", "USD/1M training tokens", "USD/GPU hour", "USD/hour", "USD/1K searches",
    "USD/GB month", "USD/month", "USD/job", "USD/1M read units", "USD/1M write units", "USD/kWh",
]  # fmt: skip

_TOKENS = (
    "input", "cached_input", "cache_write", "cache_write_1h", "output", "batch_input",
    "batch_cached_input", "batch_output", "long_input", "long_cached_input", "long_cache_write",
    "long_output", "tuned_input", "tuned_cached_input", "tuned_output", "tuned_batch_input",
    "tuned_batch_cached_input", "tuned_batch_output", "embedding", "batch_embedding",
    "rerank_tokens",
)  # fmt: skip

KINDS: dict[str, Unit] = {
    **dict.fromkeys(_TOKENS, "USD/1M tokens"),
    "training": "USD/1M training tokens",
    "dpo_training": "USD/1M training tokens",
    "gpu_hour": "USD/GPU hour",
    "hosting_hour": "USD/hour",
    "rerank_search": "USD/1K searches",
    "file_search_call": "USD/1K searches",
    "web_search_call": "USD/1K searches",
    "vector_storage_gb_month": "USD/GB month",
    "vector_minimum_month": "USD/month",
    "vector_read": "USD/1M read units",
    "vector_write": "USD/1M write units",
    "storage_month": "USD/month",
    "job_minimum": "USD/job",
    "electricity_kwh": "USD/kWh",
}
"""Last segment of an item -> its unit."""
