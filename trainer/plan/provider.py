"""A scenario and a dataset -> the plan of one job, with its files in the home folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from advisor.dataset.example import Example, Reject, canonical_row
from advisor.dataset.reader import profile_file, read_rows
from advisor.decision.answer import Answer, evaluate, summarize
from advisor.errors import UsageError, did_you_mean
from advisor.loading import make_question
from advisor.options.option import Option
from advisor.plan.provider_plan import make_plan
from advisor.plan.training_plan import DataFile, PlanData, PlanSettings, TrainingPlan
from advisor.prices.book import PriceBook
from advisor.rules.team_rules import TeamRule
from trainer.errors import Refused
from trainer.evaluation.split import TEST, TRAIN, VALIDATION
from trainer.evaluation.split import split as deal
from trainer.home import file_of, uploads_folder

TRAINED_APPROACHES = frozenset({"ft_api", "managed_lora", "dpo", "combo"})
MAX_SUFFIX = 18
"""Characters of a tuned model's name that every provider takes."""


@dataclass(frozen=True)
class PlanRequest:
    """What is to be planned."""

    scenario: Mapping[str, Any]
    where: str
    """File that the scenario came from; its dataset path is relative to it."""
    decided: str | None = None
    """Option that an earlier answer recommended."""
    option: str | None = None
    """Option that the user names instead."""
    rules: tuple[TeamRule, ...] = ()
    """What the team added to the rules when it asked."""
    dataset: Path | None = None
    held_out_share: float = 0.1
    sends_held_out: bool = False
    validation_share: float = 0.0
    """Of the rows; their loss is told while a training here goes on."""
    held_out: Path | None = None
    """A file of rows to measure with, instead of a share of the dataset."""
    owner: str | None = None
    """Whose token asks."""


def plan_provider_job(
    request: PlanRequest, plan_settings: PlanSettings, book: PriceBook, now: datetime
) -> TrainingPlan:
    """Ask again with the prices of today, and lay down the job that follows.

    Raises:
        Refused: the answer of today is another one, or the option is ruled out.
        UsageError: no provider starts such an option, or there are no rows to learn from.
    """
    asked = {**request.scenario, "asked_on": now.date().isoformat()}
    path = request.dataset or _named(request)
    question = make_question(asked, request.where, dataset=path, book=book)
    evaluated = evaluate(replace(question, rules=request.rules))
    said = summarize(evaluated)
    option_id = request.option or said.decision.recommended
    if request.decided and not request.option and said.decision.recommended != request.decided:
        raise Refused(
            f"flipped: the answer said {request.decided}, and today it is "
            f"{said.decision.recommended}. Name one with --option."
        )
    if not request.option and option_id.split(":")[0] not in TRAINED_APPROACHES:
        raise Refused(
            f"the advice is {option_id}, which trains nothing at a provider. "
            f"{said.decision.verdict} Name an option with --option to tune all the "
            "same."
        )
    option = _option(evaluated.candidates.options, said, option_id)
    if plan_settings.method == "supervised" and option.objective == "dpo":
        plan_settings = plan_settings.model_validate(
            {**plan_settings.model_dump(), "method": "dpo"}
        )
    if plan_settings.suffix and len(plan_settings.suffix) > MAX_SUFFIX:
        raise UsageError(
            f"suffix '{plan_settings.suffix}'",
            f"it has {len(plan_settings.suffix)} characters.",
            f"A provider takes up to {MAX_SUFFIX}.",
        )
    data = split_rows(training_dataset(request), request, plan_settings.method).data
    made = make_plan(said, option, data, plan_settings, now)
    return made.model_copy(update={"owner": request.owner})


def training_dataset(request: PlanRequest) -> Path:
    """Return the file of rows that is learned from.

    Raises:
        UsageError: there is none.
    """
    path = request.dataset or _named(request)
    if path is None:
        raise UsageError("dataset", "there are no rows to learn from.", "Give --dataset FILE.")
    return path


def _named(request: PlanRequest) -> Path | None:
    named = (request.scenario.get("dataset") or {}).get("path")
    return Path(request.where).parent / named if named else None


def _option(options: tuple[Option, ...], said: Answer, option_id: str) -> Option:
    for out in said.ruled_out:
        if out.id == option_id:
            raise Refused(f"{option_id}: ruled out by {out.rule}: {out.says}")
    found = next((one for one in options if one.id == option_id), None)
    starts = [
        one.id for one in options if one.launch == "provider" and one.approach in TRAINED_APPROACHES
    ]
    if found is None:
        raise UsageError(
            f"--option {option_id}",
            "there is no such option.",
            did_you_mean(option_id, starts).strip(),
        )
    if found.id not in starts:
        can = f" What can be started from here: {', '.join(starts[:5])}." if starts else ""
        raise Refused(f"{option_id}: {found.launch_says}{can}")
    return found


class SplitRows(NamedTuple):
    """The rows of a file, in parts."""

    data: PlanData
    validation: DataFile | None


def split_rows(path: Path, request: PlanRequest, method: str) -> SplitRows:
    """Write the rows of a file as files of their own: learned from, watched, and held out.

    Rows that nearly repeat each other stay on one side, so that a paraphrase of what was learned
    is never asked for. The file is read twice, in flat memory.
    """
    wanted = "preference" if method == "dpo" else "chat"
    shares = request.validation_share, 0.0 if request.held_out else request.held_out_share
    dealt = deal((_user_text(row) for row in _rows(path, wanted)), *shares) if any(shares) else None
    folder, token = uploads_folder(), secrets.token_hex(8)
    parts = [folder / f"{token}.{half}.part" for half in ("train", "watched", "held")]
    whole, source = hashlib.sha256(), list[str]()
    counts = [0, 0, 0]
    with ExitStack() as stack:
        outs = [stack.enter_context(part.open("wb")) for part in parts]
        for number, row in enumerate(_rows(path, wanted, source)):
            line = canonical_row(row) + b"\n"
            whole.update(line)
            half = int(dealt.half[number]) if dealt is not None else TRAIN
            counts[half] += 1
            outs[half].write(line)
    for part, count in zip(parts, counts, strict=True):
        if not count:
            part.unlink()
    files = [_stored(part) if count else None for part, count in zip(parts, counts, strict=True)]
    if files[TRAIN] is None:
        raise UsageError(
            str(path), f"it holds no rows for {method}.", "`advisor profile` says what it holds."
        )
    if request.held_out is not None:
        files[TEST] = _canonical(request.held_out, wanted)
    data = PlanData(
        training=files[TRAIN],
        held_out=files[TEST],
        sends_held_out=request.sends_held_out,
        source_sha256=source[0],
        dataset_sha256=whole.hexdigest(),
        encoding="o200k_base",
    )
    return SplitRows(data, files[VALIDATION])


def _canonical(path: Path, wanted: str) -> DataFile:
    """Keep the rows of a file in the form that is trained on."""
    part = uploads_folder() / f"{secrets.token_hex(8)}.part"
    with part.open("wb") as out:
        out.writelines(canonical_row(row) + b"\n" for row in _rows(path, wanted))
    if not part.stat().st_size:
        part.unlink()
        raise UsageError(
            str(path), f"it holds no {wanted} rows.", "`advisor profile` says what it holds."
        )
    return _stored(part)


def _rows(path: Path, wanted: str, source: list[str] | None = None) -> Iterator[Example]:
    for row in read_rows(path, None, source if source is not None else []):
        if not isinstance(row, Reject) and (row.kind == "preference") == (wanted == "preference"):
            yield row


def _user_text(row: Example) -> str:
    """Return what the user asks in a row: near-duplicates are told by it."""
    return "\n".join(turn.content for turn in row.turns if turn.role == "user")


def store_rows(path: Path) -> DataFile:
    """Keep a file of rows by its hash, as it is."""
    part = uploads_folder() / f"{secrets.token_hex(8)}.part"
    shutil.copyfile(path, part)
    return _stored(part)


def _stored(part: Path) -> DataFile:
    profile = profile_file(part.rename(part.with_suffix(".jsonl")))
    written = part.with_suffix(".jsonl")
    target = file_of(profile.dataset_sha256)
    size = written.stat().st_size
    os.replace(written, target)
    return DataFile(
        sha256=profile.dataset_sha256,
        bytes=size,
        rows=profile.examples,
        tokens=profile.total_tokens,
        longest_tokens=profile.max_tokens,
    )
