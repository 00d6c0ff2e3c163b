"""`trainer pilot`: ways of answering, measured on the user's rows once all is agreed to."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml

from advisor.console import console, plain_table, write_json
from advisor.errors import UsageError
from trainer.cli.consent import Consent, agree_to_pay, agree_to_send
from trainer.cli.plan import PlanFlags, plan_request
from trainer.context import TrainerContext, open_context
from trainer.paid_calls.cost import Bill
from trainer.paid_calls.endpoint import Endpoint, find_endpoint
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
from trainer.plan.request import PlanRequest
from trainer.security.egress import personal_data_kinds

MIN_ROWS = 10


@dataclass(frozen=True)
class PilotFlags:
    """The flags of the command that are not those of `trainer plan`."""

    corpus: Path | None
    model: str | None
    embedding: str | None
    arms: str | None
    rows: int
    cap: str
    instruction: Path | None
    max_answer_tokens: int | None
    base_url: str | None
    out: Path | None
    yes: bool
    allow_egress: tuple[str, ...]


def start_pilot(asked: PlanFlags, flags: PilotFlags, as_json_: bool) -> None:
    """Lay a pilot out, have it agreed to, measure, and ask the advice again."""
    context = open_context(asked.prices)
    request = plan_request(asked)
    setup = prepare_pilot(_pilot_request(asked, flags, request), context)
    done = run_pilot(
        setup, context, lambda setup, bill: _agree(setup, bill, flags, context, as_json_)
    )
    found = pilot_result(done)
    path = flags.out or asked.asked.with_suffix(".measured.yaml")
    write_scenario(path, found, asked.asked)
    if as_json_:
        return write_json({**result_json(found), "scenario": str(path)})
    return _show_result(found, path)


def _pilot_request(asked: PlanFlags, flags: PilotFlags, request: PlanRequest) -> PilotRequest:
    if flags.rows < MIN_ROWS:
        raise UsageError(f"--rows {flags.rows}", "that shows nothing.", f"Give {MIN_ROWS} or more.")
    if flags.max_answer_tokens is not None and flags.max_answer_tokens < 1:
        raise UsageError("--max-answer-tokens", "an answer has 1 token or more.", "Give 512.")
    tunes = asked.base is not None or asked.option is not None
    return PilotRequest(
        scenario=request.scenario,
        where=request.where,
        cap=_amount(flags.cap),
        dataset=asked.dataset,
        corpus=flags.corpus,
        model=flags.model,
        embedding=flags.embedding,
        arms=parse_arms(flags.arms) if flags.arms else None,
        rows=flags.rows,
        instruction=_text(flags.instruction),
        metric=asked.metric,
        scorer=tuple(shlex.split(asked.scorer or "")),
        max_answer_tokens=flags.max_answer_tokens,
        base_url=flags.base_url,
        tuning=_tuning(asked, request) if tunes else None,
    )


def _tuning(asked: PlanFlags, request: PlanRequest) -> PlanRequest:
    """Read what is to be tuned; a folder is tuned as what its config says it is."""
    option = asked.option
    if option is None and asked.base is not None:
        config = asked.base / "config.json"
        text = config.read_text(encoding="utf-8") if config.is_file() else ""
        kind = "lora" if "CausalLM" in text else "encoder"
        option = f"{kind}:local:{asked.base.resolve().name}"
    return request.model_copy(update={"option": option, "decided": None})


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise UsageError(f"--cap {text}", "this is no amount.", "Write 3.50.") from error
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"--cap {text}", "an amount is 0 or more.", "Write 0 to pay nothing.")
    return amount


def _text(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--instruction {path}", f"it cannot be read ({error}).", "Give a text file."
        ) from error


def _agree(
    setup: PilotSetup, bill: Bill, flags: PilotFlags, context: TrainerContext, quiet: bool
) -> None:
    """Show what it costs and what leaves, and have each agreed to by itself."""
    if not quiet:
        _show_bill(setup, bill)
    if bill.at_most:
        agree_to_pay(bill.at_most, Consent(flags.yes, Decimal(flags.cap), None))
    for asked in external_endpoints(setup, bill, context):
        named = {one for one in flags.allow_egress if one == asked.provider}
        if not quiet:
            _show_egress(setup, asked)
        agree_to_send(asked.provider, Consent(flags.yes, None, next(iter(named), None)))


def external_endpoints(setup: PilotSetup, bill: Bill, context: TrainerContext) -> list[Endpoint]:
    """List who gets texts and is not this machine, each once."""
    found = {setup.chat.provider: setup.chat} if setup.chat else {}
    if isinstance(setup.embed, Endpoint):
        found.setdefault(setup.embed.provider, setup.embed)
    plan = setup.plan if bill.training else None
    if plan is not None and plan.local is None:
        named = f"{plan.provider}/{plan.base_model}"
        found.setdefault(
            plan.provider,
            find_endpoint("--option", named, None, context.book, setup.question.scenario),
        )
    trains = {plan.provider} if plan is not None and plan.local is None else set()
    paid = {*bill.providers, *trains}
    return [one for one in found.values() if not one.is_here and one.provider in paid]


def _show_bill(setup: PilotSetup, bill: Bill) -> None:
    out = console()
    held, shown = len(setup.held.cases), len(setup.held.shown)
    out.print(
        f"{len(setup.measure.cases)} of {held} held-out rows; {shown} rows are shown or "
        "learned from.",
        soft_wrap=True,
    )
    rows = [
        (
            part.what,
            part.provider,
            f"{part.requests:,}",
            f"{part.prompt_tokens:,}",
            f"{part.likely:.4f}",
            f"{part.at_most:.4f}",
        )
        for part in bill.parts
    ]
    if setup.plan is not None:
        rows.append(
            (
                "training",
                setup.plan.provider,
                "1",
                f"{setup.plan.figure.trained_tokens:,}",
                str(bill.training_likely),
                str(bill.training),
            )
        )
    head = ("what", "where", "requests", "tokens", "USD likely", "USD at most")
    out.print(plain_table(head, rows, set(head[2:])))
    before = setup.journal.usd()
    spent = f" {before:.4f} USD were spent before." if before else ""
    out.print(
        f"{bill.likely} USD likely, at most {bill.at_most} USD; the cap is "
        f"{setup.wanted.cap}.{spent}",
        soft_wrap=True,
    )


def _show_egress(setup: PilotSetup, asked: Endpoint) -> None:
    parts = [f"the questions of {len(setup.measure.cases)} held-out rows of your dataset"]
    if setup.prompts.shots and "few_shot" in setup.recipe.arms:
        parts.append(f"{len(setup.prompts.shots)} rows as worked examples")
    if setup.corpus is not None:
        parts.append(f"texts of {len(setup.corpus.documents)} documents")
    if setup.plan is not None and setup.plan.provider == asked.provider:
        parts.append(f"{len(setup.held.shown)} rows to learn from")
    kinds = ", ".join(f"{kind} in {n} texts" for kind, n in _personal(setup).items())
    console().print(
        f"\nWhat leaves this machine: {', '.join(parts)}, to {asked.provider} ({asked.host}).\n"
        f"Region: {asked.region}. Kept there: {asked.retention}.\n"
        f"What looks personal in them: {kinds or 'nothing'}.",
        soft_wrap=True,
    )


def _personal(setup: PilotSetup) -> Mapping[str, int]:
    """Count the texts that seem to hold personal data, by kind."""
    texts = [case.asked for case in setup.measure.cases]
    texts += [f"{case.asked}\n{case.expected}" for case in setup.prompts.shots]
    texts += [one.text for one in setup.corpus.documents] if setup.corpus else []
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(personal_data_kinds(text))
    return dict(sorted(counts.items()))


def write_scenario(path: Path, found: PilotResult, source: Path) -> None:
    """Write the scenario with what was measured."""
    body = yaml.safe_dump(dict(found.scenario), sort_keys=False, allow_unicode=True)
    path.write_text(f"# {source.name}, with what {found.name} measured.\n{body}", encoding="utf-8")


def _show_result(found: PilotResult, path: Path) -> None:
    out = console()
    out.print()
    out.print(plain_table(TABLE_COLUMNS, result_rows(found), NUMBER_COLUMNS))
    out.print("\n" + "\n".join(result_sentences(found)), soft_wrap=True, markup=False)
    out.print("\nThe advice", style="bold")
    out.print("\n".join(advice_sentences(found)), soft_wrap=True, markup=False)
    out.print(f"\nAsk with it: advisor recommend {path}", soft_wrap=True, markup=False)
