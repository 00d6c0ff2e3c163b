"""Table of the `advisor` commands, and the adapter that loads each one only when it is needed.

A command is declared once, as a `Command`. Its flags are the parameters of its function; a
dataclass parameter contributes one flag per field. The module of a command is imported when the
command runs or shows its own help, so that `advisor --help` needs no more than typer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib import import_module
from typing import Any, get_type_hints

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True)
class Command:
    """One command of a command line."""

    name: str
    """Words after the program name: `recommend`, or `prices show` for a command in a group."""
    target: str
    """Its function, as `package.module:function`."""
    section: str
    """Heading above it in the list of commands."""
    help: str


SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Data": {
        "profile": (
            "dataset:profile",
            "Profile a dataset: examples, tokens, lengths, labels, rejected rows.",
        ),
        "convert": (
            "dataset:convert",
            "Write canonical chat rows for training, and the rejected rows.",
        ),
    },
    "Recommendation": {
        "ask": (
            "ask:ask",
            "Create a scenario from at most 12 questions; stop when no answer changes the verdict.",
        ),
        "recommend": (
            "recommend:recommend",
            "Recommend an option: cost, reasons, runner-up, caveats.",
        ),
        "estimate": (
            "recommend:estimate",
            "Print the bill of every option, line by line, with price, date and source.",
        ),
        "bill": (
            "bill:bill",
            "Write the bill of one option by month: text, Markdown, CSV, HTML, XLSX, JSON, FOCUS.",
        ),
        "actuals": (
            "actuals:actuals",
            "Compare a forecast with exports of usage and costs; offer lines for calibration.yaml.",
        ),
        "sweep": (
            "sweep:sweep",
            "Recommend for every combination of some values; up to 10,000 in one call.",
        ),
        "again": ("again:again", "Repeat a saved question on another date and list what changed."),
        "demo": ("recommend:demo", "Answer a bundled example."),
    },
    "GPUs and prices": {
        "gpus": (
            "gpus:gpus",
            "Compare GPUs to train and serve a model: cheapest, fastest, within a budget.",
        ),
        "prices show": ("prices:show", "List prices on a date, with their sources."),
        "prices age": (
            "prices:age",
            "List how long ago prices were read; prices are stale from 30 days on.",
        ),
        "prices check": (
            "price_check:check",
            "Compare the price book with genai-prices, models.dev or litellm, line by line.",
        ),
    },
    "Server": {
        "serve": ("serve:serve", "Serve the planning API over HTTP; it stores nothing."),
    },
}
"""Section -> name of a command -> module and function in `advisor.cli`, and help."""
GROUPS = {"prices": "Show the prices of the price book, their sources and their age."}


def command_table(
    package: str, sections: Mapping[str, Mapping[str, tuple[str, str]]]
) -> tuple[Command, ...]:
    """Return the commands of a table like `SECTIONS`; their modules are in *package*."""
    return tuple(
        Command(name, f"{package}.{target}", section, text)
        for section, commands in sections.items()
        for name, (target, text) in commands.items()
    )


class CommandGroup(TyperGroup):
    """A group whose commands are listed from a table and loaded by name."""

    def __init__(
        self, name: str, help: str, commands: Sequence[Command], groups: Mapping[str, str]
    ) -> None:
        super().__init__(name=name, help=help, no_args_is_help=True, rich_markup_mode=None)
        self.table: dict[str, Command] = {}
        self.sections: dict[str, list[str]] = {}
        nested: dict[str, list[Command]] = {}
        for command in commands:
            first, _, rest = command.name.partition(" ")
            if rest:
                inner = Command(rest, command.target, "Commands", command.help)
                nested.setdefault(first, []).append(inner)
            else:
                self.table[first] = command
            names = self.sections.setdefault(command.section, [])
            if first not in names:
                names.append(first)
                # Lists and suggestions need name and help only.
                self.add_command(TyperCommand(first, help=command.help, rich_markup_mode=None))
        for group, inner_commands in nested.items():
            self.add_command(CommandGroup(group, groups[group], inner_commands, {}))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with its flags, importing its module."""
        command = self.table.get(cmd_name)
        return load_command(command) if command else super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by section, without importing any of them."""
        width = formatter.width - 6 - max(map(len, self.commands))
        for section, names in self.sections.items():
            with formatter.section(section):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(width)) for name in names]
                )


def load_command(command: Command) -> Any:
    """Import the function of a command and return the click command with its flags."""
    module, _, function = command.target.partition(":")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    callback = _with_flat_parameters(getattr(import_module(module), function))
    app.command(command.name, help=command.help)(callback)
    return typer.main.get_command(app)


def _with_flat_parameters(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function with one parameter per field of every dataclass parameter."""
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    records: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name in records:
            parameters += _field_parameters(records[name])
        else:
            keyword = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=keyword))

    def call(**values: Any) -> None:
        for name, record in records.items():
            values[name] = record(**{item.name: values.pop(item.name) for item in fields(record)})
        function(**values)

    # typer reads the signature and the annotations
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _field_parameters(record: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(record, include_extras=True)
    for field in fields(record):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        if field.default_factory is not MISSING:
            default = field.default_factory()
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=hints[field.name],
        )


COMMANDS = command_table("advisor.cli", SECTIONS)
app = CommandGroup(
    "advisor",
    "Prompt, retrieve, fine-tune or LoRA: what each costs on your data, and which to choose.",
    COMMANDS,
    GROUPS,
)
