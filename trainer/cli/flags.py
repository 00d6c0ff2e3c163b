"""Flags that several commands of `trainer` share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from advisor.cli.flags import DatasetFlag, PricesFlag, SetFlag
from advisor.units import parse_usd

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or its beginning.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Write JSON.")]
HourPriceFlag = Annotated[
    str | None,
    typer.Option("--usd-per-hour", help="Cost of an hour of this machine, with power [USD]."),
]


def usd_option(flag: str, text: str) -> Any:
    """Declare a flag with an amount in USD."""
    return typer.Option(flag, metavar="USD", help=text, parser=lambda usd: parse_usd(usd, flag))


@dataclass(frozen=True)
class TuningFlags:
    """Flags that describe what to tune: those `trainer plan` and `trainer pilot` share."""

    asked: Annotated[
        Path,
        typer.Argument(metavar="SCENARIO", help="Scenario, or an answer saved with --format json."),
    ]
    option: Annotated[
        str | None, typer.Option(help="Option to tune instead of the recommended one.")
    ] = None
    dataset: DatasetFlag = None
    sets: SetFlag = field(default_factory=list)
    settings: Annotated[
        list[str],
        typer.Option(
            "--with",
            metavar="NAME=VALUE",
            help="Hyperparameter: n_epochs, batch_size, learning_rate, "
            "learning_rate_multiplier, lora_rank, lora_alpha, beta, seed; repeatable.",
        ),
    ] = field(default_factory=list)
    prices: PricesFlag = None
    base: Annotated[
        Path | None, typer.Option(help="Folder of a base model to tune on this machine.")
    ] = None
    usd_per_hour: HourPriceFlag = None
    scorer: Annotated[str | None, typer.Option(help="Command that scores answers.")] = None
    metric: Annotated[
        str | None, typer.Option(help="exact, label, rouge_l, chrf or json_schema.")
    ] = None
