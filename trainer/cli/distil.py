"""`trainer distil`: show the cost and the data that leaves, get consent, and run the teacher."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from advisor.cli.flags import PricesFlag
from advisor.console import print_text
from advisor.dataset.example import Reject
from advisor.dataset.reader import read_rows
from advisor.errors import UsageError
from advisor.units import parse_usd
from trainer.cli.consent import Consent, agree_to_pay, agree_to_send
from trainer.clock import utc_datetime
from trainer.context import TrainerContext, open_context
from trainer.distil import Distillation, DistillationCost, distil, sidecar_path, summary
from trainer.paid_calls.client import ChatClient
from trainer.paid_calls.cost import TokenPrices, token_prices
from trainer.paid_calls.endpoint import find_endpoint


@dataclass(frozen=True)
class Teacher:
    """Flags that describe the teacher."""

    named: Annotated[
        str, typer.Option("--teacher", metavar="PROVIDER/MODEL", help="Model that answers.")
    ]
    base_url: Annotated[str | None, typer.Option(help="Base URL of the teacher.")] = None
    usd_input: Annotated[
        str | None,
        typer.Option(help="USD per 1M prompt tokens, if the price book has no price."),
    ] = None
    usd_output: Annotated[
        str | None,
        typer.Option(help="USD per 1M completion tokens, if the price book has no price."),
    ] = None
    max_answer_tokens: Annotated[int, typer.Option(help="Maximum tokens of an answer.")] = 1024
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature.")] = None
    cap: Annotated[str | None, typer.Option(help="Maximum cost [USD].")] = None
    review_rows: Annotated[
        int, typer.Option("--review", help="Number of answers to write to a file for review.")
    ] = 20


def distil_questions(
    rows_in: Annotated[
        Path, typer.Argument(metavar="QUESTIONS", help="Rows with questions; answers are ignored.")
    ],
    rows_out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Training rows; resumes where it stopped.")
    ],
    teacher: Teacher,
    consent: Consent,
    prices: PricesFlag = None,
) -> None:
    """Show the cost, get consent for the amount and the data, and have the questions answered."""
    context = open_context(prices)
    endpoint = find_endpoint("--teacher", teacher.named, teacher.base_url, context.book, None)
    if teacher.max_answer_tokens < 1:
        raise UsageError(
            f"--max-answer-tokens {teacher.max_answer_tokens}",
            "expected 1 or more.",
            "Set it to 512, for example.",
        )
    distillation = Distillation(
        provider=endpoint.provider,
        model=endpoint.model,
        prices=_prices(context, teacher),
        cap_usd=parse_usd(teacher.cap, "--cap") if teacher.cap is not None else None,
        max_answer_tokens=teacher.max_answer_tokens,
        limit_name=endpoint.limit_name,
        temperature=teacher.temperature,
        review_rows=teacher.review_rows,
    )

    def agree(cost: DistillationCost) -> None:
        _show_cost(cost, distillation)
        agree_to_pay(cost.at_most, consent)
        if not endpoint.is_local or consent.allow_egress is not None:
            content = f"the questions of {cost.missing} rows of {rows_in}"
            print_text(endpoint.egress_notice(content, _question_texts(rows_in)))
            agree_to_send(endpoint.provider, consent)

    with closing(ChatClient(endpoint.base_url, endpoint.key())) as client:
        result = distil(distillation, rows_in, rows_out, context, client, agree)
    print_text(summary(result))
    for what in ("review.md", "rejects.jsonl"):
        if sidecar_path(rows_out, what).stat().st_size:
            print_text(f"{sidecar_path(rows_out, what)}")


def _prices(context: TrainerContext, teacher: Teacher) -> TokenPrices:
    """Return the prices from the flags, else from the price book."""
    day = utc_datetime(context.clock.now()).date()
    if teacher.usd_input is None and teacher.usd_output is None:
        return token_prices(teacher.named, context.book, day)
    input_price, output_price = (
        context.book.prices.on(f"{teacher.named}/{kind}", day).value
        if text is None
        else parse_usd(text, f"--usd-{kind}")
        for kind, text in (("input", teacher.usd_input), ("output", teacher.usd_output))
    )
    return TokenPrices(input_price, output_price)


def _show_cost(cost: DistillationCost, distillation: Distillation) -> None:
    done = cost.questions - cost.missing
    before = f", {done:,} already answered" if done else ""
    prices = distillation.prices
    print_text(
        f"{cost.missing:,} questions to {distillation.provider}/{distillation.model}{before}; "
        f"{cost.prompt_tokens:,} prompt tokens, answers of up to "
        f"{distillation.max_answer_tokens:,} tokens.\n{cost.likely} USD likely, at most "
        f"{cost.at_most} USD, at {prices.input} USD per million input tokens and "
        f"{prices.output} USD per million output tokens."
    )


def _question_texts(path: Path) -> Iterator[str]:
    for row in read_rows(path):
        if not isinstance(row, Reject):
            turns = row.turns[:-1] if row.turns[-1].role == "assistant" else row.turns
            yield "\n".join(turn.content for turn in turns)
