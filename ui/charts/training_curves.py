"""Loss and score charts of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.evaluation.report import Evaluation
from trainer.storage.run_store import TimelineEvent
from ui import formatting
from ui.charts.base import Chart, ChartRow, ChartStyle, channel, colour_channel, layer, styled_spec

TRAINING_ROWS, VALIDATION_ROWS = "training rows", "validation rows"
LOSS_FIELDS = {
    "train_loss": TRAINING_ROWS,
    "eval_loss": VALIDATION_ROWS,
    "valid_loss": VALIDATION_ROWS,
}
SYSTEM_LABELS = {
    "majority": "most frequent answer",
    "tfidf-logreg": "TF-IDF baseline",
    "base": "base model",
    "tuned": "tuned model",
}


def loss_points(events: Sequence[TimelineEvent]) -> list[dict[str, Any]]:
    """Return the loss at each step of a run.

    >>> loss_points([TimelineEvent(1, 0.0, "metric", "metric", {"step": 5, "train_loss": 2.5})])
    [{'step': 5, 'loss': 2.5, 'of': 'training rows'}]
    """
    points = {}
    for event in events:
        for name, rows in LOSS_FIELDS.items():
            value, step = event.body.get(name), event.body.get("step")
            if isinstance(value, int | float) and isinstance(step, int | float):
                points[rows, step] = {"step": step, "loss": value, "of": rows}
    return [points[key] for key in sorted(points)]


def loss_summary(points: Sequence[Mapping[str, Any]]) -> str:
    """Return a loss curve as a sentence.

    >>> loss_summary([{"step": 5, "loss": 2.5, "of": TRAINING_ROWS}])
    'Loss on training rows: 2.500 at step 5.'
    """
    parts = []
    for rows in (TRAINING_ROWS, VALIDATION_ROWS):
        curve = [point for point in points if point["of"] == rows]
        if curve:
            ends = (curve[0], curve[-1]) if len(curve) > 1 else (curve[0],)
            losses = ", ".join(f"{point['loss']:.3f} at step {point['step']}" for point in ends)
            parts.append(f"Loss on {rows}: {losses}.")
    return " ".join(parts)


def loss_chart(points: Sequence[Mapping[str, Any]], style: ChartStyle) -> Chart:
    """Draw the loss by step: a solid line for training rows, a dashed one for validation rows."""
    colours = {TRAINING_ROWS: style.pick(formatting.ACCENT), VALIDATION_ROWS: style.warning}
    dashes = {"domain": list(colours), "range": [[1, 0], [5, 3]]}
    encoding = {
        "x": channel("step", axis={"title": "step", "tickMinStep": 1, "grid": False}),
        "y": channel("loss", axis={"title": "loss"}, scale={"zero": False}),
        "color": colour_channel("of", colours),
        "tooltip": [
            channel("of", "nominal", title="loss on"),
            channel("step", title="step"),
            channel("loss", title="loss", format=".4f"),
        ],
    }
    dashed = {**encoding, "strokeDash": channel("of", "nominal", scale=dashes, legend=None)}
    layers = [
        layer("loss", "line", dashed, strokeWidth=2.5, interpolate="monotone"),
        layer("loss", "circle", encoding, size=42),
    ]
    rows = [{"layer": "loss", **point} for point in points]
    return Chart("loss", styled_spec({"layer": layers}, style, 260), rows, loss_summary(points))


def score_rows(evaluation: Evaluation) -> list[ChartRow]:
    """Return each system's score with its 95% interval, simplest system first."""
    rows = []
    for column in evaluation.columns:
        low, high = column.interval()
        rows.append(
            {
                "layer": "score",
                "system": SYSTEM_LABELS.get(column.name, column.name),
                "score": column.score,
                "low": low,
                "high": high,
                "tuned": "yes" if column.name == "tuned" else "no",
            }
        )
    return rows


def score_chart(evaluation: Evaluation, style: ChartStyle) -> Chart:
    """Draw every system's score on the same rows, with its 95% interval."""
    rows = score_rows(evaluation)
    colours = {"yes": style.pick(formatting.ACCENT), "no": style.pick(formatting.MUTED)}
    encoding = {
        "y": channel("system", "nominal", sort=[row["system"] for row in rows], title=None),
        "color": colour_channel("tuned", colours, legend=None),
        "tooltip": [
            channel("system", "nominal", title="system"),
            channel("score", title="score", format=".3f"),
            channel("low", title="lower bound (95%)", format=".3f"),
            channel("high", title="upper bound (95%)", format=".3f"),
        ],
    }
    axis = {"title": f"{evaluation.metric}, 95% interval"}
    low = {"x": channel("low", axis=axis, scale={"domain": [0, 1]}), "x2": {"field": "high"}}
    layers = [
        layer("score", "rule", {**encoding, **low}, strokeWidth=2),
        layer("score", "circle", {**encoding, "x": channel("score")}, size=130, opacity=1),
    ]
    scores = "; ".join(f"{row['system']} {row['score']:.3f}" for row in rows)
    says = f"Score ({evaluation.metric}) on {evaluation.rows} rows: {scores}."
    return Chart("scores", styled_spec({"layer": layers}, style, 44 * len(rows) + 40), rows, says)
