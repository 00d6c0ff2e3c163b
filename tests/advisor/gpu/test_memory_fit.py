"""Single changes that make a training fit, and the picture of its memory."""

from __future__ import annotations

from dataclasses import fields

import pytest

from advisor.gpu.memory import process_bytes
from advisor.gpu.memory_fit import changes_that_fit, draw_memory, memory_breakdown, needed_bytes
from advisor.gpu.parameters import ModelShape
from advisor.gpu.training_setup import TrainingSetup
from advisor.units import GIB

LLAMA_8B = ModelShape(32, 4096, 14336, 32, 8, 128, 128256, False, 8_030_261_248)


def test_a_change_that_is_named_fits_and_changes_one_thing() -> None:
    setup = TrainingSetup("lora", 8 * 4096.0, longest=4096.0, head="all", checkpointing=False)
    room = 40.0 * GIB

    changes = changes_that_fit(LLAMA_8B, setup, room)

    assert needed_bytes(LLAMA_8B, setup) > room
    assert [change.setting for change in changes] == ["max_tokens"]
    assert all(needed_bytes(LLAMA_8B, change.setup) <= room for change in changes)
    for change in changes:
        differ = {f.name for f in fields(TrainingSetup)
                  if getattr(change.setup, f.name) != getattr(setup, f.name)}  # fmt: skip
        assert differ <= {"tokens", "longest"}


def test_the_cheapest_change_comes_first_and_none_is_named_in_vain() -> None:
    tight = TrainingSetup("full", 4 * 2048.0, longest=2048.0)

    named = [(c.setting, c.says) for c in changes_that_fit(LLAMA_8B, tight, 24.0 * GIB)]
    assert named == [("method", "lora"), ("gpus", "8, sharded")]
    assert changes_that_fit(LLAMA_8B, tight, 200.0 * GIB) == []
    huge = ModelShape(126, 16384, 53248, 128, 8, 128, 128256, False, 405_853_388_800)
    assert changes_that_fit(huge, TrainingSetup("lora", 2048.0, longest=2048.0), 8.0 * GIB) == []


def test_the_picture_stacks_every_part_up_to_the_wall_of_the_gpu() -> None:
    layout = memory_breakdown(LLAMA_8B, TrainingSetup("qlora", 4096.0, longest=2048.0))

    drawn = draw_memory(layout, 24.0 * GIB)

    lines = drawn.splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["loss", "backward", "last", "step"]
    assert all(line.count("|") == 1 for line in lines)
    assert "W weights" in lines[-1]
    assert "| 24 GiB" in lines[-1]
    highest = max(sum(parts.values()) for parts in layout.values())
    assert highest == pytest.approx(float(process_bytes(LLAMA_8B, TrainingSetup("qlora", 4096.0))))
