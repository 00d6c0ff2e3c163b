"""`trainer pilot`: show cost and data that leaves, get consent, measure, and show the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
import yaml

from advisor.console import console, plain_table, print_text, write_json
from advisor.errors import UsageError
from trainer.cli.consent import Consent, agree_to_pay, agree_to_send
from trainer.cli.flags import JsonFlag, TuningFlags, usd_option
from trainer.cli.plan import PlanFlags, plan_request
from trainer.context import open_context
from trainer.paid_calls.cost import Bill
from trainer.pilot.cost import egress_notice, external_endpoints
from trainer.pilot.result import (
    NUMBER_COLUMNS,
    TABLE_COLUMNS,
    PilotResult,
    advice_sentences,
    pilot_result,
    result_json,
    result_rows,
    result_sentences,
)
from trainer.pilot.run import run_pilot
from trainer.pilot.settings import parse_arms
from trainer.pilot.setup import PilotRequest, PilotSetup, prepare_pilot

MIN_ROWS = 10
CONSENT_FLAGS = ("out", "yes", "allow_egress")
"""Flags that are not part of the request."""


@dataclass(frozen=True)
class PilotFlags:
    """Flags that `trainer plan` does not have."""

    cap: Annotated[Decimal, usd_option("--cap", "Maximum cost [USD].")]
    corpus: Annotated[
        Path | None, typer.Option(help="Documents for retrieval: a file or a folder.")
    ] = None
    model: Annotated[str | None, typer.Option(help="PROVIDER/MODEL to measure.")] = None
    embedding: Annotated[
        str | None, typer.Option(help="PROVIDER/MODEL, or the folder of an encoder.")
    ] = None
    arms: Annotated[
        str | None,
        typer.Option(help="zero_shot, few_shot, rag, long_context, plain, tuned; default: all."),
    ] = None
    rows: Annotated[int, typer.Option(help="Maximum held-out rows to measure on.")] = 100
    instruction: Annotated[
        Path | None, typer.Option(help="File with a text to put before every question.")
    ] = None
    max_answer_tokens: Annotated[int | None, typer.Option(help="Maximum tokens of an answer.")] = (
        None
    )
    base_url: Annotated[str | None, typer.Option(help="Base URL of the model.")] = None
    out: Annotated[
        Path | None, typer.Option(help="File for the scenario with the measured qualities.")
    ] = None
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not prompt; accepts the amount of --cap.")
    ] = False
    allow_egress: Annotated[
        list[str], typer.Option(help="Provider that may receive the texts; repeatable.")
    ] = field(default_factory=list)


def start_pilot(tuning: TuningFlags, flags: PilotFlags, as_json: JsonFlag = False) -> None:
    """Prepare a pilot, get consent, measure, and recommend again."""
    plan_flags = PlanFlags(**vars(tuning), suffix="pilot")
    context = open_context(plan_flags.prices)
    setup = prepare_pilot(_pilot_request(plan_flags, flags), context)

    def agree(setup: PilotSetup, bill: Bill) -> None:
        if not as_json:
            _show_bill(setup, bill)
        if bill.at_most:
            agree_to_pay(bill.at_most, Consent(flags.yes, setup.request.cap, None))
        for endpoint in external_endpoints(setup, bill, context.book):
            if not as_json:
                print_text(egress_notice(setup, endpoint))
            provider = endpoint.provider
            allowed = provider if provider in flags.allow_egress else None
            agree_to_send(provider, Consent(flags.yes, None, allowed))

    result = pilot_result(run_pilot(setup, context, agree))
    path = flags.out or plan_flags.asked.with_suffix(".measured.yaml")
    source, name = plan_flags.asked.name, result.run.setup.folder.name
    body = yaml.safe_dump(dict(result.scenario), sort_keys=False, allow_unicode=True)
    path.write_text(f"# {source} with the scores of {name}.\n{body}", encoding="utf-8")
    if as_json:
        write_json({**result_json(result), "scenario": str(path)})
    else:
        _show_result(result, path)


def _pilot_request(plan_flags: PlanFlags, flags: PilotFlags) -> PilotRequest:
    if flags.rows < MIN_ROWS:
        raise UsageError(f"--rows {flags.rows}", "too few.", f"Give {MIN_ROWS} or more.")
    if flags.max_answer_tokens is not None and flags.max_answer_tokens < 1:
        raise UsageError(
            f"--max-answer-tokens {flags.max_answer_tokens}",
            "expected 1 or more.",
            "Set it to 512, for example.",
        )
    fields = {name: value for name, value in vars(flags).items() if name not in CONSENT_FLAGS}
    fields["arms"] = parse_arms(flags.arms) if flags.arms else None
    fields["instruction"] = _read_text(flags.instruction) if flags.instruction else None
    return PilotRequest(plan=plan_request(plan_flags), **fields)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--instruction {path}", f"cannot read the file ({error}).", "Give a text file."
        ) from error


def _show_bill(setup: PilotSetup, bill: Bill) -> None:
    print_text(
        f"{len(setup.measure.cases)} of {len(setup.held.cases)} held-out rows; "
        f"{len(setup.held.shown)} rows for few-shot examples and training."
    )
    rows = [
        (
            part.what,
            part.provider,
            f"{part.requests:,}",
            f"{part.tokens:,}",
            f"{part.likely:.4f}",
            f"{part.at_most:.4f}",
        )
        for part in bill.parts
    ]
    head = ("purpose", "provider", "requests", "tokens", "USD likely", "USD at most")
    console().print(plain_table(head, rows, set(head[2:])))
    spent = setup.journal.usd()
    before = f" {spent:.4f} USD were spent before." if spent else ""
    print_text(
        f"{bill.likely} USD likely, at most {bill.at_most} USD; the cap is "
        f"{setup.request.cap}.{before}"
    )


def _show_result(result: PilotResult, path: Path) -> None:
    out = console()
    out.print()
    out.print(plain_table(TABLE_COLUMNS, result_rows(result), NUMBER_COLUMNS))
    print_text("", *result_sentences(result))
    out.print("\nRecommendation", style="bold")
    print_text(*advice_sentences(result), "", f"Use the scores: advisor recommend {path}")
