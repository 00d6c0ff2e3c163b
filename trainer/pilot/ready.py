"""A scenario, files and flags -> all that a pilot needs, and its bill; nothing is sent yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from advisor.answer import Answer, Question, answer, prepare
from advisor.catalog import Book
from advisor.errors import UsageError
from advisor.estimate.costs import SHOTS
from advisor.files import ask
from advisor.plan import TrainingPlan
from advisor.tokenizers import Counter, counter
from trainer.clock import moment
from trainer.database import home_folder
from trainer.home import PILOT_OF
from trainer.office import Office
from trainer.pilot.choosing import (
    Wanted,
    best_prompted,
    choose_arms,
    choose_metric,
    score_by,
)
from trainer.pilot.corpus import Chunking, Corpus, Passage, passages, read_corpus
from trainer.pilot.held import Case, Held, hold_out
from trainer.pilot.journal import Journal
from trainer.pilot.measuring import Measure
from trainer.pilot.prompts import Prompts, choose_shots, instruction_for
from trainer.pilot.recipe import PROMPTED, ArmName, Recipe
from trainer.pilot.tuned import plan_tuning
from trainer.pilot.whom import Whom, whom

ENCODING = "o200k_base"
OVERLAP_SHARE = 8
"""A passage says again an eighth of the one before it, at most."""
ANSWER_SLACK, SPARE_TOKENS = 2, 32
"""An answer may take twice as many tokens as the longest expected one, and some more."""
REASONING_TOKENS = 4096
"""Room for hidden thought, where a model always thinks."""


@dataclass(frozen=True)
class Ready:
    """A pilot laid out."""

    wanted: Wanted
    question: Question
    before: Answer
    """The advice before anything was measured."""
    held: Held
    recipe: Recipe
    skipped: Mapping[ArmName, str]
    """Arms that are not measured, and why."""
    metric: str
    measure: Measure
    prompts: Prompts
    corpus: Corpus | None
    passages: tuple[Passage, ...]
    chat: Whom | None
    embed: Whom | Path | None
    plan: TrainingPlan | None
    folder: Path
    journal: Journal

    @property
    def vectors_path(self) -> Path:
        """Where vectors are kept."""
        return self.folder / "vectors.jsonl"

    @property
    def spoken(self) -> tuple[ArmName, ...]:
        """Arms that ask the chat model."""
        return tuple(arm for arm in self.recipe.arms if arm in PROMPTED)


def make_ready(wanted: Wanted, office: Office) -> Ready:
    """Read everything, choose arms, and lay the pilot out.

    Raises:
        AdvisorError: anything of it cannot be read, used, or is forbidden by the scenario.
    """
    now = moment(office.clock.now())
    path = wanted.dataset or _named(wanted)
    question = ask(wanted.scenario, wanted.where, dataset=path, book=office.book, today=now.date())
    question = replace(question, with_flips=False)
    held, tokens = hold_out(path), counter(ENCODING)
    cases = held.cases[: wanted.rows]
    metric = choose_metric(wanted, held)
    corpus = read_corpus(wanted.corpus, tokens) if wanted.corpus else None
    before = answer(question)
    model = wanted.model or best_prompted(before, office.book)
    arms, skipped = choose_arms(wanted, question, corpus, metric, model)
    recipe = _recipe(wanted, question, arms, model, _instruction(wanted, metric, held),
                     _longest(held.cases, tokens))  # fmt: skip
    asks = any(arm in PROMPTED for arm in arms)
    return Ready(
        wanted, question, before, held, recipe, skipped, metric,
        Measure(cases, score_by(wanted, metric), _target(question), recipe.alpha / len(arms),
                recipe.batch_rows),
        Prompts(recipe.instruction, choose_shots(held.shown, recipe.shots, metric),
                corpus.whole if corpus and "long_context" in arms else ""),
        corpus, passages(corpus, recipe.chunking, tokens) if corpus and "rag" in arms else (),
        whom("--model", model, wanted.base_url, office.book, question.scenario)
        if asks and model else None,
        _embedder(wanted, question, office.book) if "rag" in arms else None,
        plan_tuning(wanted.tuning, held.shown, cases, office.book, now)
        if wanted.tuning and "tuned" in arms else None,
        *_kept(recipe, held, corpus),
    )  # fmt: skip


def _named(wanted: Wanted) -> Path:
    named: str | None = (wanted.scenario.get("dataset") or {}).get("path")
    if not named:
        raise UsageError("dataset", "there are no rows to measure on.", "Give --dataset FILE.")
    return Path(wanted.where).parent / named


def _kept(recipe: Recipe, held: Held, corpus: Corpus | None) -> tuple[Path, Journal]:
    name = recipe.name(held.sha256, corpus.sha256 if corpus else "")
    folder = home_folder() / "pilots" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PILOT_OF).write_text(held.sha256 + "\n", encoding="utf-8")
    return folder, Journal.read(folder / "rows.jsonl")


def _instruction(wanted: Wanted, metric: str, held: Held) -> str:
    if wanted.instruction is not None:
        return wanted.instruction
    return instruction_for(metric, held.shown)


def _recipe(
    wanted: Wanted, question: Question, arms: tuple[ArmName, ...], model: str | None,
    instruction: str, longest: int,
) -> Recipe:  # fmt: skip
    facts = prepare(question, question.scenario)[0].facts
    chunk = max(int(facts.chunk_tokens[0, 0]), 16)
    card = question.book.models.get(model or "")
    thought = REASONING_TOKENS if card and card.reasoning == "always" else 0
    return Recipe(
        arms=arms, model=model, embedding=wanted.embedding,
        chunking=Chunking(chunk, chunk // OVERLAP_SHARE), top_k=max(int(facts.top_k[0, 0]), 1),
        shots=SHOTS, instruction=instruction, rows=wanted.rows,
        max_answer_tokens=wanted.max_answer_tokens or longest + thought,
    )  # fmt: skip


def _longest(cases: Sequence[Case], tokens: Counter) -> int:
    counts = tokens.count_batch([case.expected for case in cases])
    return ANSWER_SLACK * max(counts) + SPARE_TOKENS


def _target(question: Question) -> float:
    """Return what is good enough: as the scenario says, else as the advice assumes."""
    return float(prepare(question, question.scenario)[0].facts.target[0, 0])


def _embedder(wanted: Wanted, question: Question, book: Book) -> Whom | Path | None:
    if wanted.embedding is None:
        return None
    if Path(wanted.embedding).is_dir():
        return Path(wanted.embedding)
    url = (
        wanted.base_url
        if wanted.embedding.split("/")[0] == (wanted.model or "").split("/")[0]
        else None
    )
    return whom("--embedding", wanted.embedding, url, book, question.scenario)
