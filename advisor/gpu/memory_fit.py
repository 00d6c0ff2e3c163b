"""A drawing of the memory of a training on a GPU, and single changes that make it fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from advisor.gpu.memory import (
    CONTEXT_BYTES,
    MEMORY_RANGE,
    allocator_cache_bytes,
    collective_bytes,
    memory_phases,
    process_bytes,
)
from advisor.gpu.parameters import ModelShape
from advisor.gpu.training_setup import TrainingSetup
from advisor.units import GIB

PICTURE_WIDTH = 60
PART_LETTERS: Mapping[str, str] = {
    "weights": "W",
    "adapters": "A",
    "gradients": "G",
    "optimizer": "O",
    "activations": "a",
    "head": "h",
    "copies": "c",
    "gathered": "s",
    "allocator": "~",
    "context": "x",
}
"""Letter of each part in the drawing."""
MIN_TOKENS = 64


@dataclass(frozen=True)
class SetupChange:
    """One change to a training, and the memory it needs with it."""

    setting: str
    """Setting that is changed."""
    says: str
    """New value."""
    setup: TrainingSetup
    """Training with the change."""
    process_bytes: float
    """Upper bound of the memory that the GPU reports [bytes]."""


def memory_breakdown(
    shape: ModelShape, setup: TrainingSetup, context_bytes: float = CONTEXT_BYTES
) -> dict[str, dict[str, float]]:
    """Memory of one training by phase and part [bytes].

    Returns:
        The parts by phase; allocator cache and context are the same in all phases, because they
        are not released.
    """
    kept = float(allocator_cache_bytes(shape, setup))
    outside = context_bytes + float(collective_bytes(setup))
    return {
        phase: {name: float(size) for name, size in parts._asdict().items()}
        | {"allocator": kept, "context": outside}
        for phase, parts in memory_phases(shape, setup).items()
    }


def draw_memory(layout: Mapping[str, Mapping[str, float]], gpu_memory_bytes: float) -> str:
    """Draw the parts of each phase as one bar, compared with the memory of a GPU.

    >>> print(draw_memory({"step": {"weights": 6.0 * GIB, "context": 2.0 * GIB}}, 16.0 * GIB))
    step         8.00 GiB WWWWWWWWWWWWWWWWWWWWWWxxxxxxxx                              |
                          W weights, x context; | 16 GiB
    """
    highest = max(gpu_memory_bytes, *(sum(parts.values()) for parts in layout.values()))
    wall = round(PICTURE_WIDTH * gpu_memory_bytes / highest)
    lines = []
    for name, parts in layout.items():
        bar = "".join(_bar(parts, highest))
        bar = f"{bar:{PICTURE_WIDTH}}"
        lines.append(f"{name:10} {sum(parts.values()) / GIB:6.2f} GiB {bar[:wall]}|{bar[wall:]}")
    used = dict.fromkeys(name for parts in layout.values() for name in parts if parts[name])
    legend = ", ".join(f"{PART_LETTERS[name]} {name}" for name in used)
    lines.append(f"{'':22}{legend}; | {gpu_memory_bytes / GIB:.0f} GiB")
    return "\n".join(line.rstrip() for line in lines)


def _bar(parts: Mapping[str, float], highest: float) -> Iterator[str]:
    drawn, summed = 0, 0.0
    for name, size in parts.items():
        summed += size
        until = int(PICTURE_WIDTH * summed / highest)
        yield PART_LETTERS[name] * (until - drawn)
        drawn = until


def needed_bytes(shape: ModelShape, setup: TrainingSetup) -> float:
    """Upper bound of the memory of one training: decides whether it fits."""
    return float(process_bytes(shape, setup)) * MEMORY_RANGE[1]


def changes_that_fit(
    shape: ModelShape, setup: TrainingSetup, gpu_memory_bytes: float
) -> list[SetupChange]:
    """List single changes with which a training fits, cheapest first.

    `setup.longest` separates rows from tokens.

    Returns:
        Empty if it fits as it is, or if no single change is enough.
    """
    if needed_bytes(shape, setup) <= gpu_memory_bytes:
        return []
    found: dict[str, SetupChange] = {}
    for setting, value, after in _candidates(setup):
        need = needed_bytes(shape, after)
        if setting not in found and need <= gpu_memory_bytes:
            found[setting] = SetupChange(setting, value, after, need)
    return list(found.values())


def _candidates(setup: TrainingSetup) -> Iterator[tuple[str, str, TrainingSetup]]:
    """Yield single changes: free ones, then those that cost time, then quality, then money."""
    if setup.attention == "eager":
        yield "attention", "sdpa", setup.with_changes(attention="masked")
    if setup.head != "fused":
        yield "head", "tiled, without all logits", setup.with_changes(head="fused")
    if not setup.checkpointing:
        yield "gradient_checkpointing", "on", setup.with_changes(checkpointing=True)
    yield from _fewer_rows(setup)
    if setup.optimizer == "adamw":
        yield "optimizer", "adamw_8bit", setup.with_changes(optimizer="adamw_8bit")
    if setup.is_full:
        yield "method", "lora", setup.with_changes(method="lora")
    if setup.method != "qlora":
        yield "method", "qlora", setup.with_changes(method="qlora")
    yield from _shorter_rows(setup)
    for gpus in (2, 4, 8):
        yield "gpus", f"{gpus}, sharded", setup.with_changes(sharding="zero3", gpus=float(gpus))


def _rows(setup: TrainingSetup) -> int:
    longest = float(setup.longest)
    return max(round(float(setup.tokens) / longest), 1) if longest else 1


def _fewer_rows(setup: TrainingSetup) -> Iterator[tuple[str, str, TrainingSetup]]:
    """Smaller micro-batches with more accumulation: the same step."""
    rows = _rows(setup)
    for fewer in range(rows - 1, 0, -1):
        tokens = float(setup.tokens) * fewer / rows
        yield "micro_batch_rows", str(fewer), setup.with_changes(tokens=tokens, accumulates=True)


def _shorter_rows(setup: TrainingSetup) -> Iterator[tuple[str, str, TrainingSetup]]:
    rows = _rows(setup)
    shorter = float(setup.tokens) / rows / 2
    while shorter >= MIN_TOKENS:
        after = setup.with_changes(tokens=shorter * rows, longest=shorter)
        yield "max_tokens", f"{shorter:.0f}", after
        shorter /= 2
