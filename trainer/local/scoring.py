"""Score the answers of base and tuned model on the held-out rows, with a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from trainer.evaluation.baselines import majority, tfidf_logreg
from trainer.evaluation.custom_scorer import AnsweredRow, run_scorer
from trainer.evaluation.label_metrics import macro_f1
from trainer.evaluation.metrics import metric_for, scores
from trainer.evaluation.report import Evaluation, SystemScores, forgetting
from trainer.evaluation.verdict import NOT_BETTER, WORSE, Verdict, judge
from trainer.local.baseline import last_user_text
from trainer.local.run_folder import RunFolder
from trainer.scripts.tokenize_rows import read_rows

HOUR_SECONDS = 3600.0
SYSTEMS = ("base", "tuned")
ENOUGH_ROWS = 5000
"""Rows that are enough to distinguish labels from free text."""
RIVAL_SYSTEMS = frozenset({"majority", "base"})
"""The tuned model has to beat both: a model that learned noise still beats an untrained base."""
BINARY = frozenset({"exact", "label", "json_schema"})


def score_run(folder: RunFolder) -> dict[str, Any]:
    """Score majority, TF-IDF baseline, base and tuned model on the held-out rows.

    Returns:
        The evaluation as JSON; the verdict compares the tuned model with the better of base
        and majority.
    """
    job = folder.read("job.json")
    held = read_rows(folder.path / job["held_out"])
    expected = [row["messages"][-1]["content"] for row in held]
    train = read_rows(folder.path / job["training"])
    metric = job.get("metric") or _metric(job, [*train[:ENOUGH_ROWS], *held])
    usd_per_second = float(job.get("usd_per_hour") or 0.0) / HOUR_SECONDS
    columns = _baselines(train, held, expected) if metric == "label" else []
    for system in SYSTEMS:
        if not folder.has(f"answers.{system}.jsonl"):
            continue  # the TF-IDF baseline has no base model
        lines = read_rows(folder.path / f"answers.{system}.jsonl")
        answers = [line["answer"] for line in lines]
        seconds = sum(line["seconds"] for line in lines) / len(lines)
        scored = _scored(metric, job, held, answers, expected)
        f1 = macro_f1(answers, expected) if metric == "label" else None
        columns.append(SystemScores(system, scored, f1, seconds, seconds * usd_per_second))
    tuned = columns[-1]
    rivals = [column for column in columns[:-1] if column.name in RIVAL_SYSTEMS]
    rival = max(rivals, key=lambda column: column.score)
    verdict = _verdict(columns, rival, metric in BINARY)
    perplexity, forgot = folder.read("perplexity.json") or {}, None
    if before := perplexity.get("base", {}).get("general"):
        forgot = forgetting(before["perplexity"], perplexity["tuned"]["general"]["perplexity"])
    found = Evaluation(metric, len(held), tuple(columns), verdict, forgot, rival.name)
    return {**found.as_dict(), "score": tuned.score}


def _verdict(columns: Sequence[SystemScores], rival: SystemScores, binary: bool) -> Verdict:
    """Compare with the stronger rival; "worse" only applies to a model worse than its base."""
    tuned, base = columns[-1], next((one for one in columns if one.name == "base"), rival)
    verdict = judge(rival.scores, tuned.scores, binary)
    if rival is base or verdict.word != WORSE:
        return verdict
    if judge(base.scores, tuned.scores, binary).word == WORSE:
        return verdict
    return replace(verdict, word=NOT_BETTER, says=verdict.says.replace(WORSE, NOT_BETTER, 1))


def _metric(job: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    if job["recipe"]["objective"] == "classification":
        return "label"
    if job.get("schema"):
        return "json_schema"
    return metric_for([row["messages"][-1]["content"] for row in rows])


def _baselines(
    train: list[dict[str, Any]], held: list[dict[str, Any]], expected: Sequence[str]
) -> list[SystemScores]:
    answers = [row["messages"][-1]["content"] for row in train]
    most = majority(answers, len(held))
    plain, _, seconds = tfidf_logreg(
        [last_user_text(row) for row in train], answers, [last_user_text(row) for row in held], 0
    )
    return [
        SystemScores(name, tuple(scores("label", given, expected)), macro_f1(given, expected), took)
        for name, given, took in (("majority", most, None), ("tfidf-logreg", plain, seconds))
    ]


def _scored(
    metric: str,
    job: dict[str, Any],
    held: list[dict[str, Any]],
    answers: Sequence[str],
    expected: Sequence[str],
) -> tuple[float, ...]:
    if job.get("scorer"):
        rows = [
            AnsweredRow(last_user_text(row), right, answer)
            for row, right, answer in zip(held, expected, answers, strict=True)
        ]
        return tuple(run_scorer(job["scorer"], rows))
    return tuple(scores(metric, answers, expected, job.get("schema")))
