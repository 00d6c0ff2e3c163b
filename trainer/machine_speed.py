"""What trains -> how fast, within which range, and how that is known."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.estimate.speeds import (
    CPU,
    CPU_RANGE,
    PAST_RANGE,
    PROBED_RANGE,
    TIME_RANGE,
    Range,
    Speeds,
    prior_speeds,
)
from advisor.models import Gpu
from trainer.database import home_folder
from trainer.past_runs import Past, past_of
from trainer.probing import Probe, kept_probe

UNKNOWN_SAVE = (1.0, 5e-9)
"""Of a checkpoint: seconds of one of nothing, and for each byte; own judgement, a plain disk."""


@dataclass(frozen=True)
class Known:
    """How fast a machine trains, as far as anybody knows."""

    speeds: Speeds
    range: Range
    """Real over reckoned time: low, likely, high."""
    basis: str
    """How that is known, in words for a person."""
    save: tuple[float, float] = UNKNOWN_SAVE
    """Of a checkpoint: seconds of one of nothing, and for each byte."""
    own_bytes: float | None = None
    """What a process takes beside tensors, where it was measured."""
    memory_factor: float = 1.0
    """Taken for each byte of tensors."""


def known_of(machine: str, gpu: Gpu | None, method: str, is_here: bool) -> Known:
    """Take past runs of the machine, else its probe, else its data sheet.

    Args:
        machine: GPU as in the price book, or `cpu`.
        gpu: Its numbers there.
        method: How is trained; past runs teach of their own method only.
        is_here: Whether it is this machine: a probe is of no other.

    Raises:
        Refused: what is kept in the home folder cannot be read.
    """
    probe = kept_probe(machine) if is_here else None
    past = past_of(home_folder(), machine, method)
    known = _probed(probe) if probe else _guessed(machine, gpu)
    return _corrected(known, past) if past else known


def _probed(probe: Probe) -> Known:
    return Known(
        probe.as_speeds, PROBED_RANGE, f"a probe of {probe.device} on {probe.made_on}",
        (probe.save_seconds, probe.save_seconds_per_byte), probe.own_bytes, probe.memory_factor,
    )  # fmt: skip


def _guessed(machine: str, gpu: Gpu | None) -> Known:
    wide = "wide, for nobody probed this machine: run trainer probe"
    if gpu is None:
        return Known(CPU, CPU_RANGE, f"a guess of a few cores; {wide}")
    return Known(prior_speeds(machine, gpu), TIME_RANGE,
                 f"the data sheet of {gpu.name} and published runs; {wide}")  # fmt: skip


def _corrected(known: Known, past: Past) -> Known:
    """Let past runs move the middle; they lie apart as far as they do, and the next one further."""
    low, _, high = min(known.range, PAST_RANGE, key=lambda one: one[2])
    runs = "1 past run" if past.runs == 1 else f"{past.runs} past runs"
    spread = (past.low * low, past.likely, past.high * high)
    return Known(known.speeds, spread, f"{runs} of yours, {past.likely:.2f} times {_short(known)}",
                 known.save, known.own_bytes, known.memory_factor)  # fmt: skip


def _short(known: Known) -> str:
    return known.basis.partition(";")[0]
