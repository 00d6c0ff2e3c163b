"""Events and evaluations -> charts, each with a sentence that says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from trainer.evaluation.report import Evaluation
from trainer.storage.run_store import TimelineEvent
from ui import formatting

TRAINING_ROWS, VALIDATION_ROWS = "rows learned from", "rows watched"
LOSS_FIELDS = {
    "train_loss": TRAINING_ROWS,
    "eval_loss": VALIDATION_ROWS,
    "valid_loss": VALIDATION_ROWS,
}
SYSTEM_LABELS = {
    "majority": "most frequent answer",
    "tfidf-logreg": "plain baseline",
    "base": "before",
    "tuned": "tuned",
}
CHART_HEIGHT = 260


def loss_points(told: Sequence[TimelineEvent]) -> list[dict[str, Any]]:
    """Read the loss at each step off the events of a run.

    >>> loss_points([TimelineEvent(1, 0.0, "metric", "metric", {"step": 5, "train_loss": 2.5})])
    [{'step': 5, 'loss': 2.5, 'of': 'rows learned from'}]
    """
    found = {}
    for one in told:
        for name, of in LOSS_FIELDS.items():
            value, step = one.body.get(name), one.body.get("step")
            if isinstance(value, int | float) and isinstance(step, int | float):
                found[of, step] = {"step": step, "loss": value, "of": of}
    return [found[key] for key in sorted(found, key=lambda key: (key[0], key[1]))]


def loss_summary(points: Sequence[Mapping[str, Any]]) -> str:
    """Say a loss curve in a sentence.

    >>> loss_summary([{"step": 5, "loss": 2.5, "of": TRAINING_ROWS}])
    'Loss on rows learned from: 2.500 at step 5.'
    """
    parts = []
    for of in (TRAINING_ROWS, VALIDATION_ROWS):
        mine = [one for one in points if one["of"] == of]
        if mine:
            first, last = mine[0], mine[-1]
            parts.append(
                f"Loss on {of}: {first['loss']:.3f} at step {first['step']}"
                + (f", {last['loss']:.3f} at step {last['step']}." if len(mine) > 1 else ".")
            )
    return " ".join(parts)


def loss_chart(points: Sequence[Mapping[str, Any]], theme: str) -> alt.LayerChart:
    """Draw the loss over the steps: a line for rows learned from, dots for rows watched."""
    shade = 1 if theme == "dark" else 0
    colour = alt.Color(
        "of:N",
        title=None,
        legend=alt.Legend(orient="top", symbolType="stroke"),
        scale=alt.Scale(
            domain=[TRAINING_ROWS, VALIDATION_ROWS],
            range=[formatting.ACCENT[theme], formatting.APPROACH_COLOURS["ft_api"][shade]],
        ),
    )
    hover = [
        alt.Tooltip("of:N", title="loss on"),
        alt.Tooltip("step:Q", title="step"),
        alt.Tooltip("loss:Q", title="loss", format=".4f"),
    ]
    pattern = alt.Scale(domain=[TRAINING_ROWS, VALIDATION_ROWS], range=[[1, 0], [5, 3]])
    dashes = alt.StrokeDash("of:N", legend=None, scale=pattern)
    base = alt.Chart(alt.InlineData(values=list(points))).encode(
        x=alt.X("step:Q", title="step", axis=alt.Axis(tickMinStep=1, grid=False)),
        y=alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False)),
        color=colour,
        tooltip=hover,
    )
    line = base.mark_line(strokeWidth=2.5, interpolate="monotone").encode(strokeDash=dashes)
    return alt.LayerChart(
        layer=[line, base.mark_circle(size=42)], height=CHART_HEIGHT, config=chart_config(theme)
    )


def score_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Lay each system's score down with its interval, plainest first."""
    rows = []
    for column in evaluation.columns:
        low, high = column.interval()
        rows.append(
            {
                "system": SYSTEM_LABELS.get(column.name, column.name),
                "score": column.score,
                "low": low,
                "high": high,
                "tuned": column.name == "tuned",
            }
        )
    return rows


def score_summary(evaluation: Evaluation) -> str:
    """Say every system's score in a sentence."""
    scores = "; ".join(f"{row['system']} {row['score']:.3f}" for row in score_rows(evaluation))
    return f"Score ({evaluation.metric}) on {evaluation.rows} rows: {scores}."


def score_chart(evaluation: Evaluation, theme: str) -> alt.LayerChart:
    """Draw every system's score on the same rows, with its 95 % interval."""
    rows = score_rows(evaluation)
    names = [row["system"] for row in rows]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("system:N", sort=names, title=None),
        tooltip=[
            alt.Tooltip("system:N"),
            alt.Tooltip("score:Q", format=".3f"),
            alt.Tooltip("low:Q", format=".3f", title="low (95 %)"),
            alt.Tooltip("high:Q", format=".3f", title="high (95 %)"),
        ],
    )
    colour = alt.condition(
        "datum.tuned", alt.value(formatting.ACCENT[theme]), alt.value(formatting.MUTED[theme])
    )
    span = base.mark_rule(strokeWidth=2).encode(
        x=alt.X(
            "low:Q", title=f"{evaluation.metric}, 95 % interval", scale=alt.Scale(domain=[0, 1])
        ),
        x2="high:Q",
        color=colour,
    )
    dot = base.mark_circle(size=130, opacity=1).encode(x="score:Q", color=colour)
    return alt.LayerChart(layer=[span, dot], height=44 * len(rows) + 40, config=chart_config(theme))


def chart_config(theme: str) -> alt.Config:
    """Take frame and background away, and write in the page's ink."""
    muted, rule = formatting.MUTED[theme], formatting.RULE[theme]
    axis = alt.AxisConfig(
        labelColor=muted,
        titleColor=muted,
        gridColor=rule,
        domainColor=rule,
        tickColor=rule,
        labelFontSize=12,
        titleFontSize=12,
        titleFontWeight="normal",
        labelLimit=220,
    )
    legend = alt.LegendConfig(labelColor=formatting.INK[theme], labelFontSize=12)
    return alt.Config(
        background="transparent", view=alt.ViewConfig(stroke=None), axis=axis, legend=legend
    )
