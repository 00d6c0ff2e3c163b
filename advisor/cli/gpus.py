"""`advisor gpus`: GPUs to train and to serve a model, and the memory of a training."""

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
from advisor.decision.answer import Question
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
from advisor.estimate.sampling import LIKELY, EstimateContext
from advisor.gpu.memory import allocated_bytes, process_bytes, reserved_bytes
from advisor.gpu.memory_fit import (
    changes_that_fit,
    draw_memory,
    memory_breakdown,
    needed_bytes,
)
from advisor.gpu.model_config import architecture_of
from advisor.gpu.serving import usd_per_million_tokens
from advisor.gpu.serving_engines import engine_named, precision_named
from advisor.gpu.training_setup import Method
from advisor.inputs import resolve
from advisor.loading import read_mapping
from advisor.options.eligibility import eligibility_key
from advisor.options.machines import available_gpus
from advisor.options.option import RuledOutOption
from advisor.prices.display_names import at_provider, option_name
from advisor.prices.models import Gpu, ModelCard, TokenFactor
from advisor.units import GIB, Record


class MemoryPicture(Record):
    """Memory of one training on one GPU [bytes]."""

    gpu: str
    gpu_memory_bytes: int
    phases_bytes: dict[str, dict[str, float]]
    """Phase -> part -> bytes."""
    allocated_bytes: float
    """Peak of the tensors."""
    reserved_bytes: float
    """Tensors and the allocator's cache."""
    process_bytes: float
    """Total of the process, as the GPU reports it."""
    needed_bytes: float
    """Upper bound, which must fit."""
    fits: bool
    """Whether the upper bound fits into the GPU."""
    changes: list[dict[str, str | float]]
    """Single changes that make it fit, cheapest first: setting, new value, bytes needed."""


def memory_picture(training: TrainingWorkload, gpu: Gpu) -> MemoryPicture:
    """Return the memory of a training on a GPU, for batches of the longest row."""
    shape = model_shape(training.base)
    rows = max(round(float(training.setup.tokens) / float(training.setup.longest)), 1)
    longest = training.longest_tokens
    setup = training.setup.with_changes(tokens=rows * longest, longest=longest)
    needed = needed_bytes(shape, setup)
    return MemoryPicture(
        gpu=gpu.name,
        gpu_memory_bytes=gpu.memory_bytes,
        phases_bytes=memory_breakdown(shape, setup),
        allocated_bytes=float(allocated_bytes(shape, setup)),
        reserved_bytes=float(reserved_bytes(shape, setup)),
        process_bytes=float(process_bytes(shape, setup)),
        needed_bytes=needed,
        fits=needed <= gpu.memory_bytes,
        changes=[
            {"setting": change.setting, "to": change.says, "needed_bytes": change.process_bytes}
            for change in changes_that_fit(shape, setup, float(gpu.memory_bytes))
        ],
    )


def show_memory_picture(out: Console, picture: MemoryPicture) -> None:
    """Print the memory by phase, whether it fits, and the changes that make it fit."""
    out.print(f"\n[bold]Memory on one {picture.gpu}[/bold]")
    total = float(picture.gpu_memory_bytes)
    lines = [
        draw_memory(picture.phases_bytes, total),
        f"allocated {picture.allocated_bytes / GIB:.1f} GiB, reserved "
        f"{picture.reserved_bytes / GIB:.1f}, process {picture.process_bytes / GIB:.1f}; up to "
        f"{picture.needed_bytes / GIB:.1f} of {total / GIB:.0f} GiB: "
        f"{'fits' if picture.fits else 'does not fit'}.",
    ]
    for index, change in enumerate(picture.changes):
        start = "  or" if index else "It fits with"
        at_most = f"up to {float(change['needed_bytes']) / GIB:.1f} GiB."
        lines.append(f"{start} {change['setting']} {change['to']}: {at_most}")
    if not picture.fits and not picture.changes:
        lines.append("No single change makes it fit.")
    for line in lines:
        out.print(line, markup=False, soft_wrap=True)


METHODS: tuple[Method, ...] = ("lora", "qlora", "full")
UTILISATIONS = (0.05, 0.20, 0.50, 0.80)
UNPROBED_NOTE = "Times are based on data sheets and published T4 and A100 runs, not on a probe."
MAX_SHOWN_CHOICES = 8
"""Rows of a table, cheapest first."""


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
    """GPUs for training or serving, and the choices among them."""

    work: str
    choices: list[GpuChoice]
    ruled_out: list[RuledOutOption]
    budget_usd: float | None
    basis: str
    """Basis of the times."""
    memory_picture: MemoryPicture | None = None
    """Memory of the training on one GPU."""

    @property
    def picks(self) -> dict[str, GpuChoice | None]:
        """Cheapest, fastest, and fastest within the budget."""
        picks = {"cheapest": cheapest(self.choices), "fastest": fastest(self.choices)}
        if self.budget_usd is not None:
            picks[f"fastest within {self.budget_usd:g} USD"] = fastest_within_budget(
                self.choices, self.budget_usd
            )
        return picks


def gpus(question: ScenarioFlags, wanted: GpuFlags, format_: FormatFlag = Format.text) -> None:
    """Compare GPUs for a question and print them."""
    show_gpus(question.question(), wanted, format_)


def show_gpus(question: Question, wanted: GpuFlags, format_: str) -> None:
    """Print GPUs for a question as text or JSON."""
    selections = select_gpus(question, wanted)
    if format_ == "json":
        records = [_record(selection) for selection in selections]
        write_bytes(orjson.dumps(records, option=orjson.OPT_SORT_KEYS))
        return
    out = console()
    for selection in selections:
        _show(out, selection)


def select_gpus(question: Question, wanted: GpuFlags) -> tuple[GpuSelection, GpuSelection]:
    """Return the GPUs to train a model on a question's examples, and to serve its traffic."""
    if wanted.method not in METHODS:
        raise UsageError(
            f"--method {wanted.method}",
            "unknown method.",
            did_you_mean(wanted.method, METHODS).strip(),
        )
    resolved = resolve(question.scenario, question.profile, question.evidence)
    eligibility = eligibility_key(resolved, question.profile)
    machines = list(available_gpus(eligibility, question.book))
    base = _base(wanted.base, question)
    method = next(name for name in METHODS if name == wanted.method)
    training = training_workload(resolved, base, method)
    context = EstimateContext(resolved, resolved.inputs, question.evidence, LIKELY)
    load = replace(
        serving_workload(context, base),
        engine=engine_named(wanted.engine),
        precision=precision_named(wanted.precision),
        unmerged=wanted.unmerged,
    )
    limits = resolved.scenario.limits
    trained = _split(
        f"Training {base.id}, {method}, {training.tokens:,.0f} tokens",
        training_choices(training, machines, eligibility.licences),
        limits.budget_one_off_usd,
    )
    best = cheapest(trained.choices)
    gpu = question.book.gpu(wanted.gpu) if wanted.gpu else best.machine.gpu if best else None
    return (
        replace(trained, memory_picture=memory_picture(training, gpu) if gpu else None),
        _split(
            f"Serving {base.id}, {wanted.engine}, {wanted.precision}, "
            f"{load.peak_tokens_per_second:,.1f} tokens per second at peak load",
            serving_choices(load, machines, eligibility.licences),
            limits.budget_monthly_usd,
            f"Speeds are based on {load.engine.fit}.",
        ),
    )


def _base(name: str, question: Question) -> ModelCard:
    """Return a model of the price book, or one from its config.json."""
    path = Path(name)
    if path.suffix != ".json":
        return question.book.model(name)
    architecture = architecture_of(read_mapping(path), str(path))
    return ModelCard(
        id=f"open/{path.parent.resolve().name}",
        provider="open",
        tier="small",
        token_factor=TokenFactor(low=1, likely=1, high=1, source="not counted"),
        architecture=architecture,
        open_weights=True,
        context_tokens=architecture.max_position_tokens,
    )


def _split(
    work: str, results: GpuChoices, budget_usd: float | None, basis: str = UNPROBED_NOTE
) -> GpuSelection:
    found = list(results)
    choices = [result for result in found if isinstance(result, GpuChoice)]
    ruled_out = [result for result in found if isinstance(result, RuledOutOption)]
    return GpuSelection(work, choices, ruled_out, budget_usd, basis)


def _show(out: Console, selection: GpuSelection) -> None:
    out.print(f"\n[bold]{selection.work}[/bold]")
    serves = selection.work.startswith("Serving")
    cadence = "USD per month" if serves else "USD one-off"
    head = ("GPUs", "GiB per GPU", "seconds", cadence, "range", "tokens per second")
    best = sorted(selection.choices, key=lambda choice: choice.usd[1])[:MAX_SHOWN_CHOICES]
    out.print(plain_table(head, [_row(choice) for choice in best], set(head[1:])))
    if serves:
        out.print("\nUSD per 1M output tokens, by utilization")
        shares = tuple(f"{share:.0%}" for share in UTILISATIONS)
        rows = [(_shown_name(choice), *_per_million(choice)) for choice in best]
        out.print(plain_table(("GPUs", *shares), rows, set(shares)))
    for name, pick in selection.picks.items():
        out.print(f"{name}: {_shown_name(pick) if pick else 'none'}", markup=False)
    out.print(selection.basis, markup=False, style="dim")
    if selection.memory_picture:
        show_memory_picture(out, selection.memory_picture)
    for option in selection.ruled_out:
        shown = option_name(option.id).removeprefix("gpu, ")
        out.print(f"  ruled out {shown}: {option.says}", markup=False, style="dim")


def _row(choice: GpuChoice) -> tuple[str, ...]:
    return (
        _shown_name(choice),
        f"{choice.memory_bytes / GIB:.1f}",
        f"{choice.seconds[1]:,.2f}",
        f"{choice.usd[1]:,.2f}",
        f"{choice.usd[0]:,.2f}-{choice.usd[2]:,.2f}",
        f"{choice.tokens_per_second:,.0f}",
    )


def _shown_name(choice: GpuChoice) -> str:
    return f"{choice.count} x {choice.machine.gpu.name} {at_provider(choice.machine.provider)}"


def _per_million(choice: GpuChoice) -> tuple[str, ...]:
    hour = float(choice.machine.price.value) * choice.count
    return tuple(
        f"{float(usd_per_million_tokens(hour, choice.tokens_per_second, share)):,.2f}"
        for share in UTILISATIONS
    )


def _record(selection: GpuSelection) -> dict[str, Any]:
    picture = selection.memory_picture
    return {
        "work": selection.work,
        "rests_on": selection.basis,
        "choices": [_choice_record(choice) for choice in selection.choices],
        "picks": {name: pick.name if pick else None for name, pick in selection.picks.items()},
        **({"memory": picture.model_dump()} if picture else {}),
        "ruled_out": [option.model_dump(mode="json") for option in selection.ruled_out],
    }


def _choice_record(choice: GpuChoice) -> dict[str, Any]:
    price = choice.machine.price
    return {
        "name": choice.name,
        "gpu": choice.machine.gpu.name,
        "provider": choice.machine.provider,
        "count": choice.count,
        "usd_per_gpu_hour": str(price.value),
        "price_source": price.source,
        "memory_bytes": choice.memory_bytes,
        "seconds": choice.seconds,
        "usd": choice.usd,
        "tokens_per_second": choice.tokens_per_second,
    }
