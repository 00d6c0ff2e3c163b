"""An answer -> what each way costs a month, stacked by kind of cost."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from advisor.decision.answer import Answer
from advisor.decision.bill import BillLine, OptionBill
from advisor.report.markdown import best_of_each, usd_per_month
from ui import formatting
from ui.charts.base import Frame, Picture, Row, dressed, filtered, tips

MOST: Final = 10
KINDS: Final = {
    "input": "Input",
    "cached_input": "Input",
    "cache_write": "Input",
    "output": "Output",
    "gpu_hour": "Machines by the hour",
    "hosting_hour": "Machines by the hour",
    "electricity_kwh": "Machines by the hour",
    "training": "Training",
    "dpo_training": "Training",
    "job_minimum": "Training",
    "embedding": "Knowledge store",
    "rerank_tokens": "Knowledge store",
    "rerank_search": "Knowledge store",
    "file_search_call": "Knowledge store",
    "web_search_call": "Knowledge store",
    "vector_storage_gb_month": "Knowledge store",
    "vector_minimum_month": "Knowledge store",
    "vector_read": "Knowledge store",
    "vector_write": "Knowledge store",
}
"""Kind of price -> kind of cost; what is not here is work and the rest."""
REST: Final = "Work and the rest"


def kind_of(line: BillLine) -> str:
    """Return the kind of cost of a line of a bill."""
    if line.item.startswith(("GPU hours of training", "training")):
        return "Training"
    kind = (line.price_item or "").rsplit("/", 1)[-1]
    for prefix in ("tuned_", "batch_", "long_"):
        kind = kind.removeprefix(prefix)
    return KINDS.get(kind, REST)


def cost_picture(answer: Answer, frame: Frame) -> Picture:
    """Show the best option of each way, line by line."""
    shown = [one for one in best_of_each(answer) if one.id != "not_yet"][:MOST]
    today = next((one for one in shown if one.id == "current"), None)
    most = max((float(one.per_month.likely) for one in shown), default=0.0)
    edge = float(today.per_month.likely) if today else most
    edge = max(edge, float(shown[0].per_month.likely) if shown else 0.0)
    rows = [row for place, one in enumerate(shown) for row in _rows(one, place, edge, frame.locale)]
    if rows:
        rows.append({"layer": "edge", "to": edge * 1.12, "way": rows[0]["way"]})
    return Picture("monthly-cost", _spec(frame), rows, _says(shown, frame.locale))


def _rows(option: OptionBill, place: int, edge: float, locale: str) -> list[Row]:
    name = f"{formatting.way(option.id, option.approach)} \u00b7 {option.model.rsplit('/', 1)[-1]}"
    total = float(option.per_month.likely)
    same = {"way": name, "place": place, "option": formatting.option_name(option.id)}
    rows: list[Row] = []
    at = 0.0
    for line in option.bill:
        usd = usd_per_month(line, option)
        when = " (paid once, spread)" if line.cadence == "once" else ""
        rows.append(
            {
                **same,
                "layer": "line",
                "from": min(at, edge),
                "to": min(at + usd, edge),
                "kind": kind_of(line),
                "what": f"{line.item}{when}",
                "figure": formatting.money(usd, locale),
                "formula": f"{formatting.number(float(line.quantity), locale)} {line.unit} \u00d7 "
                f"{line.price} {line.price_unit}",
                "since": formatting.day(line.since, locale),
                "source": line.source,
                "read": formatting.day(line.read_on, locale),
            }
        )
        at += usd
    arrow = " \u2192" if total > edge else ""
    label = f"{formatting.money(total, locale)}{arrow}"
    return [*rows, {**same, "layer": "total", "to": min(total, edge), "label": label}]


def _says(shown: list[OptionBill], locale: str) -> str:
    said = "; ".join(
        f"{formatting.option_name(one.id)} {formatting.money(one.per_month.likely, locale)}"
        for one in shown[:4]
    )
    return f"What each way costs a month, all spread, the recommended one first: {said}."


@lru_cache(maxsize=16)
def _spec(frame: Frame) -> dict[str, Any]:
    y = {
        "field": "way",
        "type": "nominal",
        "title": None,
        "sort": {"field": "place", "op": "min"},
        "axis": {"labelLimit": 260, "grid": False},
    }
    axis = {"title": "a month", "format": "$,.0f", "tickCount": 5}
    colours = {
        "domain": list(formatting.KIND_COLOURS),
        "range": [frame.pick(pair) for pair in formatting.KIND_COLOURS.values()],
    }
    paper = frame.colour(formatting.PAPER)
    bars = {
        "transform": filtered("line"),
        "mark": {"type": "bar", "height": {"band": 0.62}, "stroke": paper, "strokeWidth": 1},
        "encoding": {
            "x": {"field": "from", "type": "quantitative", "axis": axis},
            "x2": {"field": "to"},
            "color": {"field": "kind", "type": "nominal", "scale": colours},
            "tooltip": tips(
                ("option", "option"),
                ("what", "what"),
                ("figure", "a month"),
                ("formula", "formula"),
                ("since", "price since"),
                ("source", "source"),
                ("read", "last read"),
            ),
        },
    }
    totals = {
        "transform": filtered("total"),
        "mark": {"type": "text", "align": "left", "dx": 6, "fontWeight": 600},
        "encoding": {"x": {"field": "to", "type": "quantitative"}, "text": {"field": "label"}},
    }
    room = {
        "transform": filtered("edge"),
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": {"field": "to", "type": "quantitative"}},
    }
    return dressed({"encoding": {"y": y}, "layer": [bars, totals, room]}, frame, 300)
