"""Every command of `advisor`, with its flags; what a command does is imported when it runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="advisor",
    help="Prompt, retrieve, fine-tune or LoRA: what each costs on your data, and which to do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: starting rich takes longer than all the rest
)
prices_app = typer.Typer(
    help="The price book: what things cost, since when, and who says so.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(prices_app, name="prices")


class Format(StrEnum):
    """How an answer is written."""

    text = "text"
    markdown = "markdown"
    json = "json"


class SweepFormat(StrEnum):
    """How a sweep is written."""

    text = "text"
    csv = "csv"
    json = "json"


FormatFlag = Annotated[Format, typer.Option("--format", help="How to write it.")]
SetFlag = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one path of the scenario; repeatable."),
]
DatasetFlag = Annotated[Path | None, typer.Option("--dataset", help="File of examples.")]
PricesFlag = Annotated[
    Path | None, typer.Option("--prices", help="Your own prices, laid over the book.")
]
RulesFlag = Annotated[Path | None, typer.Option("--rules", help="Rules that your team adds.")]
ScenarioArgument = Annotated[
    Path | None, typer.Argument(help="Scenario as YAML or JSON.", show_default=False)
]


@app.command()
def profile(
    file: Annotated[Path, typer.Argument(help="File of examples.")],
    encoding: Annotated[str, typer.Option(help="Encoding, or a tokenizer.json.")] = "o200k_base",
    limit: Annotated[int, typer.Option(help="Truncate examples above this many tokens.")] = 65536,
    format_: FormatFlag = Format.text,
) -> None:
    """Say what a dataset holds: examples, tokens, lengths, labels, and rows that will not train."""
    from advisor.cli.dataset import show_profile

    show_profile(file, encoding, limit, format_.value)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="File of examples.")],
    out: Annotated[Path, typer.Option(help="Canonical rows go here.")],
    rejects: Annotated[Path, typer.Option(help="Rejected rows go here.")],
    format_: FormatFlag = Format.text,
) -> None:
    """Write the canonical chat rows that are trained on, and the rows that cannot be used."""
    from advisor.cli.dataset import convert_file

    convert_file(file, out, rejects, format_.value)


@app.command()
def recommend(
    scenario: ScenarioArgument = None,
    dataset: DatasetFlag = None,
    set_: SetFlag = None,
    prices: PricesFlag = None,
    rules: RulesFlag = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show every rule tried.")] = False,
    explain: Annotated[
        str | None, typer.Option(metavar="LANGUAGE", help="Tell it in sentences: en or de.")
    ] = None,
    format_: FormatFlag = Format.text,
) -> None:
    """Say which way to take, what it costs, why, and what would flip it."""
    from advisor.cli.recommend import AnswerFlags, question_from_flags, show_answer

    question = question_from_flags(scenario, dataset, set_ or [], prices, rules)
    show_answer(question, format_.value, AnswerFlags(trace, explain))


@app.command()
def estimate(
    scenario: ScenarioArgument = None,
    dataset: DatasetFlag = None,
    set_: SetFlag = None,
    prices: PricesFlag = None,
    rules: RulesFlag = None,
    option: Annotated[str | None, typer.Option(help="Only options whose id holds this.")] = None,
    format_: FormatFlag = Format.text,
) -> None:
    """Write the bill of every option, line by line, with price, day and source."""
    from advisor.cli.recommend import question_from_flags, show_bills

    show_bills(
        question_from_flags(scenario, dataset, set_ or [], prices, rules), option, format_.value
    )


@app.command()
def sweep(
    scenario: Annotated[Path, typer.Argument(help="Scenario as YAML or JSON.")],
    axis: Annotated[
        list[str],
        typer.Option("--axis", metavar="PATH=VALUES", help="Values by commas; repeatable."),
    ],
    dataset: DatasetFlag = None,
    set_: SetFlag = None,
    prices: PricesFlag = None,
    rules: RulesFlag = None,
    format_: Annotated[SweepFormat, typer.Option("--format")] = SweepFormat.text,
) -> None:
    """Say which way wins at every combination of some values; up to 10,000 in one pass."""
    from advisor.cli.recommend import question_from_flags
    from advisor.cli.sweep import show_sweep

    question = question_from_flags(scenario, dataset, set_ or [], prices, rules)
    show_sweep(question, axis, format_.value)


@app.command()
def ask(
    dataset: Annotated[
        Path | None, typer.Argument(help="File of examples.", show_default=False)
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Answers as YAML: code and value; the rest is asked.")
    ] = None,
    language: Annotated[str, typer.Option(help="en, de, or a file of texts.")] = "en",
    out: Annotated[Path | None, typer.Option(help="Where the scenario is written.")] = None,
    note: Annotated[
        str | None, typer.Option(help="Text to keep with it; it is never read.")
    ] = None,
    prices: PricesFlag = None,
) -> None:
    """Ask at most 12 questions, until no answer can change the verdict; end with a scenario."""
    from advisor.cli.ask import AskFlags, run_interview

    run_interview(AskFlags(dataset, answers, language, out, note, prices))


@app.command()
def again(
    answer: Annotated[Path, typer.Argument(help="An answer saved with --format json.")],
    on: Annotated[str | None, typer.Option(help="Day to ask for; today by default.")] = None,
    dataset: DatasetFlag = None,
    prices: PricesFlag = None,
    format_: FormatFlag = Format.text,
) -> None:
    """Ask an old question again: did the verdict change, and through which price, date or rule."""
    from advisor.cli.again import show_again

    show_again(answer, on, dataset, prices, format_.value)


@app.command()
def gpus(
    scenario: ScenarioArgument = None,
    base: Annotated[
        str, typer.Option(help="Open model of the price book, or a config.json.")
    ] = "open/Qwen/Qwen3-8B",
    method: Annotated[str, typer.Option(help="lora, qlora or full.")] = "qlora",
    gpu: Annotated[str | None, typer.Option(help="Draw the memory of this GPU.")] = None,
    engine: Annotated[str, typer.Option(help="What serves it, and of which year.")] = "vllm-2026",
    precision: Annotated[str, typer.Option(help="How weights are held to serve.")] = "16bit",
    unmerged: Annotated[bool, typer.Option(help="Serve adapters beside the weights.")] = False,
    dataset: DatasetFlag = None,
    set_: SetFlag = None,
    prices: PricesFlag = None,
    format_: FormatFlag = Format.text,
) -> None:
    """Say which GPUs train a model and serve it: cheapest, fastest, and within a budget."""
    from advisor.cli.gpus import GpuFlags, show_gpus
    from advisor.cli.recommend import question_from_flags

    wanted = GpuFlags(base, method, engine, precision, unmerged, gpu)
    show_gpus(question_from_flags(scenario, dataset, set_ or [], prices), wanted, format_.value)


@app.command()
def demo(
    name: Annotated[str, typer.Argument(help="Which bundled example.")] = "email-triage",
    format_: FormatFlag = Format.text,
) -> None:
    """Answer a bundled example."""
    from advisor.cli.recommend import show_answer
    from advisor.loading import example_question

    show_answer(example_question(name), format_.value)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    prices: PricesFlag = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer.")] = 1,
    most_upload_mb: Annotated[int, typer.Option(min=1, help="Largest dataset, in MiB.")] = 1024,
) -> None:
    """Serve the planning API over HTTP: the same answers, and nothing is kept."""
    from advisor.cli.serve import PlanningServerFlags, serve

    serve(PlanningServerFlags(host, port, prices, workers, most_upload_mb))


@prices_app.command("show")
def prices_show(
    item: Annotated[str | None, typer.Argument(help="Only items whose name holds this.")] = None,
    on: Annotated[str | None, typer.Option(help="Day; today by default.")] = None,
    prices: PricesFlag = None,
    format_: FormatFlag = Format.text,
) -> None:
    """List prices as they hold on a day, each with its source."""
    from advisor.cli.prices import show_prices

    show_prices(item, on, prices, format_.value)


@prices_app.command("age")
def prices_age(
    on: Annotated[str | None, typer.Option(help="Day; today by default.")] = None,
    prices: PricesFlag = None,
    format_: FormatFlag = Format.text,
) -> None:
    """Say how old the prices are: which were not read for 30 days or more."""
    from advisor.cli.prices import show_age

    show_age(on, prices, format_.value)
