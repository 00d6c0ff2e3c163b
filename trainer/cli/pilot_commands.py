"""The command of `trainer` that measures before anything is decided, with its flags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.app import JsonFlag, PricesFlag, SetFlag, WithFlag, app


@app.command()
def pilot(
    asked: Annotated[Path, typer.Argument(help="Scenario, or an answer saved with --format json.")],
    cap: Annotated[str, typer.Option(help="Most it may cost [USD].")],
    dataset: Annotated[Path | None, typer.Option(help="Rows with questions and answers.")] = None,
    corpus: Annotated[Path | None, typer.Option(help="Documents: a file or a folder.")] = None,
    model: Annotated[str | None, typer.Option(help="PROVIDER/MODEL that is asked.")] = None,
    embedding: Annotated[
        str | None, typer.Option(help="PROVIDER/MODEL, or the folder of an encoder.")
    ] = None,
    base: Annotated[Path | None, typer.Option(help="Folder of a base to tune here.")] = None,
    option: Annotated[
        str | None, typer.Option(help="Option to tune, as in `trainer plan`.")
    ] = None,
    arms: Annotated[
        str | None,
        typer.Option(help="zero_shot, few_shot, rag, long_context, plain, tuned; all by default."),
    ] = None,
    rows: Annotated[int, typer.Option(help="Most held-out rows to measure on.")] = 100,
    instruction: Annotated[
        Path | None, typer.Option(help="Text to put before every question.")
    ] = None,
    max_answer_tokens: Annotated[int | None, typer.Option(help="Longest answer.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="exact, label, rouge_l, chrf or json_schema.")
    ] = None,
    scorer: Annotated[str | None, typer.Option(help="Command that scores answers.")] = None,
    with_: WithFlag = None,
    usd_per_hour: Annotated[
        str | None, typer.Option(help="What an hour of this machine costs, power too [USD].")
    ] = None,
    set_: SetFlag = None,
    out: Annotated[Path | None, typer.Option(help="Takes the scenario with the scores.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Where the model is asked.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; --cap is agreed to.")] = False,
    allow_egress: Annotated[
        list[str] | None, typer.Option(help="Agree that texts go to this provider; repeatable.")
    ] = None,
    prices: PricesFlag = None,
    json: JsonFlag = False,
) -> None:
    """Measure prompts, retrieval and tuning on your own held-out rows, and ask the advice again."""
    from trainer.cli.pilot import PilotFlags
    from trainer.cli.pilot import start_pilot as go
    from trainer.cli.plan import PlanFlags

    flags = PilotFlags(
        corpus,
        model,
        embedding,
        arms,
        rows,
        cap,
        instruction,
        max_answer_tokens,
        base_url,
        out,
        yes,
        tuple(allow_egress or ()),
    )
    wanted = PlanFlags(
        asked,
        option,
        dataset,
        tuple(set_ or ()),
        tuple(with_ or ()),
        "supervised",
        None,
        None,
        "pilot",
        0.1,
        False,
        False,
        prices,
        base,
        usd_per_hour,
        None,
        scorer,
        metric,
    )
    go(wanted, flags, json)
