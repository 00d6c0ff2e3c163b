"""A training and a GPU -> its memory drawn by phase, and what would make it fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.console import Console

from advisor.estimate.gpus import Training, shape_of
from advisor.estimate.memory import allocated_bytes, process_bytes, reserved_bytes
from advisor.estimate.room import Change, breakdown, changes_that_fit, needed_bytes, picture
from advisor.models import Gpu
from advisor.units import GIB


@dataclass(frozen=True)
class Lying:
    """How one training lies in the memory of one GPU, the step of its own recipe."""

    gpu: Gpu
    phases: dict[str, dict[str, float]]
    """By phase, every part [bytes]."""
    allocated_bytes: float
    """Tensors at their peak."""
    reserved_bytes: float
    """With what the allocator keeps."""
    process_bytes: float
    """With kernels and buffers: what the GPU shows."""
    needed_bytes: float
    """High end of its range: what has to fit."""
    changes: list[Change]
    """Single changes with which it fits, the one that costs least first; none where it fits."""

    @property
    def fits(self) -> bool:
        """Whether the high end of the range lies within the GPU."""
        return self.needed_bytes <= self.gpu.memory_bytes


def lying(training: Training, gpu: Gpu) -> Lying:
    """Lay one training into one GPU; the longest row decides, as it does when it runs."""
    shape = shape_of(training.base)
    rows = max(round(float(training.setup.tokens) / float(training.setup.longest)), 1)
    longest = training.longest_tokens
    setup = training.setup.but(tokens=rows * longest, longest=longest)
    return Lying(
        gpu, breakdown(shape, setup), float(allocated_bytes(shape, setup)),
        float(reserved_bytes(shape, setup)), float(process_bytes(shape, setup)),
        needed_bytes(shape, setup), changes_that_fit(shape, setup, float(gpu.memory_bytes)),
    )  # fmt: skip


def show_lying(out: Console, found: Lying) -> None:
    """Draw the memory, and say whether it fits, and what would make it."""
    out.print(f"\n[bold]Memory on one {found.gpu.name}[/bold]")
    out.print(picture(found.phases, float(found.gpu.memory_bytes)), markup=False, soft_wrap=True)
    out.print(
        f"allocated {found.allocated_bytes / GIB:.1f} GiB, reserved "
        f"{found.reserved_bytes / GIB:.1f}, process {found.process_bytes / GIB:.1f}; up to "
        f"{found.needed_bytes / GIB:.1f} of {found.gpu.memory_bytes / GIB:.0f} GiB: "
        f"{'fits' if found.fits else 'does not fit'}.",
        markup=False,
    )  # fmt: skip
    for change in found.changes[:1]:
        out.print(f"It fits with {change.setting} {change.says}: up to "
                  f"{change.process_bytes / GIB:.1f} GiB.", markup=False)  # fmt: skip
    for change in found.changes[1:]:
        most = f"up to {change.process_bytes / GIB:.1f} GiB"
        out.print(f"  or {change.setting} {change.says}: {most}", markup=False, style="dim")
    if not found.fits and not found.changes:
        out.print("No single change makes it fit.", markup=False)


def record_of(found: Lying) -> dict[str, Any]:
    """Lay it out as JSON."""
    return {
        "gpu": found.gpu.name, "gpu_memory_bytes": found.gpu.memory_bytes, "fits": found.fits,
        "phases_bytes": found.phases, "allocated_bytes": found.allocated_bytes,
        "reserved_bytes": found.reserved_bytes, "process_bytes": found.process_bytes,
        "needed_bytes": found.needed_bytes,
        "changes": [{"setting": c.setting, "to": c.says, "needed_bytes": c.process_bytes}
                    for c in found.changes],
    }  # fmt: skip
