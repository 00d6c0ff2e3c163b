"""`trainer pilot`: ways of answering, measured on the user's rows once all is agreed to."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

import yaml

from advisor.console import console, plain_table, write_json
from advisor.errors import UsageError
from trainer.cli.consent import Consent, agree_to_pay, agree_to_send
from trainer.cli.plan import Asked, here_of, request_of, wish_of
from trainer.context import Office, open_office
from trainer.paid_calls.cost import Bill
from trainer.paid_calls.endpoint import Whom, whom
from trainer.pilot.result import (
    COLUMNS,
    NUMBERS,
    Outcome,
    advice,
    as_json,
    outcome_of,
    rows_of,
    sentences,
)
from trainer.pilot.run import go
from trainer.pilot.settings import arms_of
from trainer.pilot.setup import Ready, Wanted, make_ready
from trainer.pilot.tuned_arm import Tuning
from trainer.plan.provider import Request
from trainer.security.egress import kinds_in

LEAST_ROWS = 10


@dataclass(frozen=True)
class Flags:
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


def pilot(asked: Asked, flags: Flags, as_json_: bool) -> None:
    """Lay a pilot out, have it agreed to, measure, and ask the advice again."""
    office = open_office(asked.prices)
    request = request_of(asked)
    ready = make_ready(_wanted(asked, flags, request), office)
    done = go(ready, office, lambda ready, bill: _agree(ready, bill, flags, office, as_json_))
    found = outcome_of(done)
    path = flags.out or asked.asked.with_suffix(".measured.yaml")
    write_scenario(path, found, asked.asked)
    if as_json_:
        return write_json({**as_json(found), "scenario": str(path)})
    return _show(found, path)


def _wanted(asked: Asked, flags: Flags, request: Request) -> Wanted:
    if flags.rows < LEAST_ROWS:
        raise UsageError(
            f"--rows {flags.rows}", "that shows nothing.", f"Give {LEAST_ROWS} or more."
        )
    if flags.max_answer_tokens is not None and flags.max_answer_tokens < 1:
        raise UsageError("--max-answer-tokens", "an answer has 1 token or more.", "Give 512.")
    tunes = asked.base is not None or asked.option is not None
    return Wanted(
        scenario=request.scenario,
        where=request.where,
        cap=_amount(flags.cap),
        dataset=asked.dataset,
        corpus=flags.corpus,
        model=flags.model,
        embedding=flags.embedding,
        arms=arms_of(flags.arms) if flags.arms else None,
        rows=flags.rows,
        instruction=_text(flags.instruction),
        metric=asked.metric,
        scorer=tuple(shlex.split(asked.scorer or "")),
        max_answer_tokens=flags.max_answer_tokens,
        base_url=flags.base_url,
        tuning=_tuning(asked, request) if tunes else None,
    )


def _tuning(asked: Asked, request: Request) -> Tuning:
    """Read what is to be tuned; a folder is tuned as what its config says it is."""
    option = asked.option
    if option is None and asked.base is not None:
        config = asked.base / "config.json"
        text = config.read_text(encoding="utf-8") if config.is_file() else ""
        kind = "lora" if "CausalLM" in text else "encoder"
        option = f"{kind}:local:{asked.base.resolve().name}"
    return Tuning(replace(request, option=option, decided=None), wish_of(asked), here_of(asked))


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


def _agree(ready: Ready, bill: Bill, flags: Flags, office: Office, quiet: bool) -> None:
    """Show what it costs and what leaves, and have each agreed to by itself."""
    if not quiet:
        _show_bill(ready, bill)
    if bill.at_most:
        agree_to_pay(bill.at_most, Consent(flags.yes, Decimal(flags.cap), None))
    for asked in leaving(ready, bill, office):
        named = {one for one in flags.allow_egress if one == asked.provider}
        if not quiet:
            _show_leaving(ready, asked)
        agree_to_send(asked.provider, Consent(flags.yes, None, next(iter(named), None)))


def leaving(ready: Ready, bill: Bill, office: Office) -> list[Whom]:
    """List who gets texts and is not this machine, each once."""
    found = {ready.chat.provider: ready.chat} if ready.chat else {}
    if isinstance(ready.embed, Whom):
        found.setdefault(ready.embed.provider, ready.embed)
    plan = ready.plan if bill.training else None
    if plan is not None and plan.local is None:
        named = f"{plan.provider}/{plan.base_model}"
        found.setdefault(
            plan.provider, whom("--option", named, None, office.book, ready.question.scenario)
        )
    trains = {plan.provider} if plan is not None and plan.local is None else set()
    paid = {*bill.providers, *trains}
    return [one for one in found.values() if not one.is_here and one.provider in paid]


def _show_bill(ready: Ready, bill: Bill) -> None:
    out = console()
    held, shown = len(ready.held.cases), len(ready.held.shown)
    out.print(
        f"{len(ready.measure.cases)} of {held} held-out rows; {shown} rows are shown or "
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
    if ready.plan is not None:
        rows.append(
            (
                "training",
                ready.plan.provider,
                "1",
                f"{ready.plan.figure.trained_tokens:,}",
                str(bill.training_likely),
                str(bill.training),
            )
        )
    head = ("what", "where", "requests", "tokens", "USD likely", "USD at most")
    out.print(plain_table(head, rows, set(head[2:])))
    before = ready.journal.usd()
    spent = f" {before:.4f} USD were spent before." if before else ""
    out.print(
        f"{bill.likely} USD likely, at most {bill.at_most} USD; the cap is "
        f"{ready.wanted.cap}.{spent}",
        soft_wrap=True,
    )


def _show_leaving(ready: Ready, asked: Whom) -> None:
    parts = [f"the questions of {len(ready.measure.cases)} held-out rows of your dataset"]
    if ready.prompts.shots and "few_shot" in ready.recipe.arms:
        parts.append(f"{len(ready.prompts.shots)} rows as worked examples")
    if ready.corpus is not None:
        parts.append(f"texts of {len(ready.corpus.documents)} documents")
    if ready.plan is not None and ready.plan.provider == asked.provider:
        parts.append(f"{len(ready.held.shown)} rows to learn from")
    kinds = ", ".join(f"{kind} in {n} texts" for kind, n in _personal(ready).items())
    console().print(
        f"\nWhat leaves this machine: {', '.join(parts)}, to {asked.provider} ({asked.host}).\n"
        f"Region: {asked.region}. Kept there: {asked.retention}.\n"
        f"What looks personal in them: {kinds or 'nothing'}.",
        soft_wrap=True,
    )


def _personal(ready: Ready) -> Mapping[str, int]:
    """Count the texts that seem to hold personal data, by kind."""
    texts = [case.asked for case in ready.measure.cases]
    texts += [f"{case.asked}\n{case.expected}" for case in ready.prompts.shots]
    texts += [one.text for one in ready.corpus.documents] if ready.corpus else []
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(kinds_in(text))
    return dict(sorted(counts.items()))


def write_scenario(path: Path, found: Outcome, source: Path) -> None:
    """Write the scenario with what was measured."""
    body = yaml.safe_dump(dict(found.scenario), sort_keys=False, allow_unicode=True)
    path.write_text(f"# {source.name}, with what {found.name} measured.\n{body}", encoding="utf-8")


def _show(found: Outcome, path: Path) -> None:
    out = console()
    out.print()
    out.print(plain_table(COLUMNS, rows_of(found), NUMBERS))
    out.print("\n" + "\n".join(sentences(found)), soft_wrap=True, markup=False)
    out.print("\nThe advice", style="bold")
    out.print("\n".join(advice(found)), soft_wrap=True, markup=False)
    out.print(f"\nAsk with it: advisor recommend {path}", soft_wrap=True, markup=False)
