"""A scenario and a base model -> tables of the GPUs to train and serve it, and the choice.

A training and a GPU -> its memory drawn by phase, and what would make it fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console

from advisor.cli.flags import Format, FormatFlag
from advisor.cli.recommend import ScenarioFlags
from advisor.console import console, plain_table, write_bytes
from advisor.decision.answer import Question, prepare
from advisor.errors import UsageError, did_you_mean
from advisor.estimate.gpu_choice import (
    GpuChoice,
    GpuChoices,
    TrainingWorkload,
    cheapest,
    fastest,
    fastest_within_budget,
    model_shape,
    serving_choices,
    serving_workload,
    training_choices,
    training_workload,
)
from advisor.gpu.memory import allocated_bytes, process_bytes, reserved_bytes
from advisor.gpu.memory_fit import (
    SetupChange,
    changes_that_fit,
    draw_memory,
    memory_breakdown,
    needed_bytes,
)
from advisor.gpu.model_config import architecture_of
from advisor.gpu.serving import usd_per_million_tokens
from advisor.gpu.serving_engines import engine_named, precision_named
from advisor.gpu.training_setup import Method
from advisor.loading import read_mapping
from advisor.options.eligibility import eligibility_key
from advisor.options.gpu_tuning import available_gpus
from advisor.options.option import RuledOutOption
from advisor.prices.models import Gpu, ModelCard, TokenFactor
from advisor.units import GIB


@dataclass(frozen=True)
class MemoryPicture:
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
    changes: list[SetupChange]
    """Single changes with which it fits, the one that costs least first; none where it fits."""

    @property
    def fits(self) -> bool:
        """Whether the high end of the range lies within the GPU."""
        return self.needed_bytes <= self.gpu.memory_bytes


def memory_picture(training: TrainingWorkload, gpu: Gpu) -> MemoryPicture:
    """Lay one training into one GPU; the longest row decides, as it does when it runs."""
    shape = model_shape(training.base)
    rows = max(round(float(training.setup.tokens) / float(training.setup.longest)), 1)
    longest = training.longest_tokens
    setup = training.setup.with_changes(tokens=rows * longest, longest=longest)
    return MemoryPicture(
        gpu,
        memory_breakdown(shape, setup),
        float(allocated_bytes(shape, setup)),
        float(reserved_bytes(shape, setup)),
        float(process_bytes(shape, setup)),
        needed_bytes(shape, setup),
        changes_that_fit(shape, setup, float(gpu.memory_bytes)),
    )


def show_memory_picture(out: Console, found: MemoryPicture) -> None:
    """Draw the memory, and say whether it fits, and what would make it."""
    out.print(f"\n[bold]Memory on one {found.gpu.name}[/bold]")
    out.print(
        draw_memory(found.phases, float(found.gpu.memory_bytes)), markup=False, soft_wrap=True
    )
    out.print(
        f"allocated {found.allocated_bytes / GIB:.1f} GiB, reserved "
        f"{found.reserved_bytes / GIB:.1f}, process {found.process_bytes / GIB:.1f}; up to "
        f"{found.needed_bytes / GIB:.1f} of {found.gpu.memory_bytes / GIB:.0f} GiB: "
        f"{'fits' if found.fits else 'does not fit'}.",
        markup=False,
    )
    for change in found.changes[:1]:
        out.print(
            f"It fits with {change.setting} {change.says}: up to "
            f"{change.process_bytes / GIB:.1f} GiB.",
            markup=False,
        )
    for change in found.changes[1:]:
        most = f"up to {change.process_bytes / GIB:.1f} GiB"
        out.print(f"  or {change.setting} {change.says}: {most}", markup=False, style="dim")
    if not found.fits and not found.changes:
        out.print("No single change makes it fit.", markup=False)


def memory_picture_record(found: MemoryPicture) -> dict[str, Any]:
    """Lay it out as JSON."""
    return {
        "gpu": found.gpu.name,
        "gpu_memory_bytes": found.gpu.memory_bytes,
        "fits": found.fits,
        "phases_bytes": found.phases,
        "allocated_bytes": found.allocated_bytes,
        "reserved_bytes": found.reserved_bytes,
        "process_bytes": found.process_bytes,
        "needed_bytes": found.needed_bytes,
        "changes": [
            {"setting": c.setting, "to": c.says, "needed_bytes": c.process_bytes}
            for c in found.changes
        ],
    }


METHODS: tuple[Method, ...] = ("lora", "qlora", "full")
UTILISATIONS = (0.05, 0.20, 0.50, 0.80)
UNPROBED_NOTE = "Times rest on data sheets and on rows of T4 and A100; no machine was probed."
MAX_SHOWN_CHOICES = 8
"""Choices of a table; the cheapest come first."""


@dataclass(frozen=True)
class GpuFlags:
    """Settings of `advisor gpus`."""

    base: Annotated[str, typer.Option(help="Open model of the price book, or a config.json.")] = (
        "open/Qwen/Qwen3-8B"
    )
    method: Annotated[str, typer.Option(help="lora, qlora or full.")] = "qlora"
    engine: Annotated[str, typer.Option(help="Serving engine and year.")] = "vllm-2026"
    precision: Annotated[str, typer.Option(help="Precision of the served weights.")] = "16bit"
    unmerged: Annotated[
        bool, typer.Option("--unmerged", help="Serve adapters separately from the base weights.")
    ] = False
    gpu: Annotated[
        str | None,
        typer.Option(help="Show the memory of this GPU; default: the cheapest to train on."),
    ] = None


@dataclass(frozen=True)
class GpuSelection:
    """The GPUs for one kind of work, and which of them are taken."""

    work: str
    choices: list[GpuChoice]
    refused: list[RuledOutOption]
    budget_usd: float | None
    rests_on: str
    """What the times were reckoned from."""
    memory_picture: MemoryPicture | None = None
    """How a training lies in the memory of one GPU."""

    @property
    def picks(self) -> dict[str, GpuChoice | None]:
        """The answers to the three questions that can be asked."""
        found = {"cheapest": cheapest(self.choices), "fastest": fastest(self.choices)}
        if self.budget_usd is not None:
            found[f"fastest within {self.budget_usd:g} USD"] = fastest_within_budget(
                self.choices, self.budget_usd
            )
        return found


def gpus(question: ScenarioFlags, wanted: GpuFlags, format_: FormatFlag = Format.text) -> None:
    """Compare GPUs for a question and print them."""
    show_gpus(question.question(), wanted, format_)


def show_gpus(question: Question, wanted: GpuFlags, format_: str) -> None:
    """Choose GPUs for a question and write them.

    Raises:
        UsageError: There is no such method, engine or precision, or the model is not open.
    """
    chosen = select_gpus(question, wanted)
    if format_ == "json":
        write_bytes(orjson.dumps([_record(one) for one in chosen], option=orjson.OPT_SORT_KEYS))
        return
    out = console()
    for one in chosen:
        _show(out, one)


def select_gpus(question: Question, wanted: GpuFlags) -> tuple[GpuSelection, GpuSelection]:
    """Choose GPUs to train a base model on the examples of a question, and to serve its traffic."""
    if wanted.method not in METHODS:
        raise UsageError(
            f"--method {wanted.method}",
            "there is no such method.",
            did_you_mean(wanted.method, METHODS).strip(),
        )
    resolved, _ = prepare(question, question.scenario)
    eligibility = eligibility_key(resolved, question.profile)
    machines = list(available_gpus(eligibility, question.book))
    base = _base(wanted.base, question)
    method = next(name for name in METHODS if name == wanted.method)
    training = training_workload(resolved, base, method)
    engine, precision = engine_named(wanted.engine), precision_named(wanted.precision)
    load = serving_workload(resolved, base, engine, precision, wanted.unmerged)
    limits = resolved.scenario.limits
    trained = _split(
        f"Training {base.id}, {method}, {training.tokens:,.0f} tokens",
        training_choices(training, machines, eligibility.licences),
        limits.budget_one_off_usd,
    )
    drawn = _pictured_gpu(wanted, trained, question)
    return (
        replace(trained, memory_picture=memory_picture(training, drawn) if drawn else None),
        _split(
            f"Serving {base.id}, {wanted.engine}, {wanted.precision}, "
            f"{load.peak_tokens_per_second:,.1f} tokens a second at the peak",
            serving_choices(load, machines, eligibility.licences),
            limits.budget_monthly_usd,
            f"Speeds rest on {engine.fit}.",
        ),
    )


def _base(name: str, question: Question) -> ModelCard:
    """Look a base up by its name, or read its config.json."""
    path = Path(name)
    if path.suffix != ".json":
        return question.book.model(name)
    read = architecture_of(read_mapping(path), str(path))
    return ModelCard(
        id=f"open/{path.parent.resolve().name}",
        provider="open",
        tier="small",
        token_factor=TokenFactor(low=1, likely=1, high=1, source="not counted"),
        architecture=read,
        open_weights=True,
        context_tokens=read.max_position_tokens,
    )


def _split(
    work: str, found: GpuChoices, budget_usd: float | None, rests_on: str = UNPROBED_NOTE
) -> GpuSelection:
    every = list(found)
    choices = [one for one in every if isinstance(one, GpuChoice)]
    refused = [one for one in every if isinstance(one, RuledOutOption)]
    return GpuSelection(work, choices, refused, budget_usd, rests_on)


def _pictured_gpu(wanted: GpuFlags, trained: GpuSelection, question: Question) -> Gpu | None:
    """Name the GPU whose memory is drawn."""
    if wanted.gpu:
        return question.book.gpu(wanted.gpu)
    best = cheapest(trained.choices)
    return best.machine.gpu if best else None


def _show(out: Console, chosen: GpuSelection) -> None:
    out.print(f"\n[bold]{chosen.work}[/bold]")
    serves = chosen.work.startswith("Serving")
    per = "a month" if serves else "once"
    head = ("GPUs", "GiB on each", "seconds", f"USD {per}", "range", "tokens a second")
    best = sorted(chosen.choices, key=lambda one: one.usd[1])[:MAX_SHOWN_CHOICES]
    out.print(plain_table(head, [_row(one) for one in best], set(head[1:])))
    if serves:
        out.print("\nUSD for a million tokens written, by the share of the time that is worked")
        shares = tuple(f"{share:.0%}" for share in UTILISATIONS)
        rows = [(one.name, *_per_million(one)) for one in best]
        out.print(plain_table(("GPUs", *shares), rows, set(shares)))
    for question, pick in chosen.picks.items():
        out.print(f"{question}: {pick.name if pick else 'none'}", markup=False)
    out.print(chosen.rests_on, markup=False, style="dim")
    if chosen.memory_picture:
        show_memory_picture(out, chosen.memory_picture)
    for one in chosen.refused:
        out.print(f"  not {one.id}: {one.says}", markup=False, style="dim")


def _row(one: GpuChoice) -> tuple[str, ...]:
    return (
        one.name,
        f"{one.memory_bytes / GIB:.1f}",
        f"{one.seconds[1]:,.2f}",
        f"{one.usd[1]:,.2f}",
        f"{one.usd[0]:,.2f}-{one.usd[2]:,.2f}",
        f"{one.tokens_per_second:,.0f}",
    )


def _per_million(one: GpuChoice) -> tuple[str, ...]:
    hour = float(one.machine.price.value) * one.count
    return tuple(
        f"{float(usd_per_million_tokens(hour, one.tokens_per_second, share)):,.2f}"
        for share in UTILISATIONS
    )


def _record(chosen: GpuSelection) -> dict[str, Any]:
    return {
        "work": chosen.work,
        "rests_on": chosen.rests_on,
        "choices": [_choice(one) for one in chosen.choices],
        "picks": {name: one.name if one else None for name, one in chosen.picks.items()},
        **(
            {"memory": memory_picture_record(chosen.memory_picture)}
            if chosen.memory_picture
            else {}
        ),
        "ruled_out": [one.model_dump(mode="json") for one in chosen.refused],
    }


def _choice(one: GpuChoice) -> dict[str, Any]:
    price = one.machine.price
    return {
        "name": one.name,
        "gpu": one.machine.gpu.name,
        "provider": one.machine.provider,
        "count": one.count,
        "usd_per_gpu_hour": str(price.value),
        "price_source": price.source,
        "memory_bytes": one.memory_bytes,
        "seconds": one.seconds,
        "usd": one.usd,
        "tokens_per_second": one.tokens_per_second,
    }
