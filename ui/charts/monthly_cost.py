"""An answer -> what each way costs a month, stacked by kind of cost."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from advisor.decision.answer import Answer
from advisor.decision.bill import BillLine, OptionBill
from advisor.report.markdown import best_per_approach, line_usd_per_month
from ui import formatting
from ui.charts.base import Chart, ChartRow, ChartStyle, layer_filter, styled_spec, tooltip

MAX_OPTIONS: Final = 10
COST_KINDS: Final = {
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
OTHER_KIND: Final = "Work and the rest"


def cost_kind(line: BillLine) -> str:
    """Return the kind of cost of a line of a bill."""
    if line.item.startswith(("GPU hours of training", "training")):
        return "Training"
    kind = (line.price_item or "").rsplit("/", 1)[-1]
    for prefix in ("tuned_", "batch_", "long_"):
        kind = kind.removeprefix(prefix)
    return COST_KINDS.get(kind, OTHER_KIND)


def monthly_cost_chart(answer: Answer, frame: ChartStyle) -> Chart:
    """Show the best option of each way, line by line."""
    shown = [one for one in best_per_approach(answer) if one.id != "not_yet"][:MAX_OPTIONS]
    today = next((one for one in shown if one.id == "current"), None)
    most = max((float(one.per_month.likely) for one in shown), default=0.0)
    edge = float(today.per_month.likely) if today else most
    edge = max(edge, float(shown[0].per_month.likely) if shown else 0.0)
    rows = [
        row for place, one in enumerate(shown) for row in _bar_rows(one, place, edge, frame.locale)
    ]
    if rows:
        rows.append({"layer": "edge", "to": edge * 1.12, "way": rows[0]["way"]})
    return Chart("monthly-cost", _spec(frame), rows, _summary(shown, frame.locale))


def _bar_rows(option: OptionBill, place: int, edge: float, locale: str) -> list[ChartRow]:
    approach = formatting.approach_label(option.id, option.approach)
    name = f"{approach} \u00b7 {option.model.rsplit('/', 1)[-1]}"
    total = float(option.per_month.likely)
    same = {"way": name, "place": place, "option": formatting.option_name(option.id)}
    rows: list[ChartRow] = []
    at = 0.0
    for line in option.bill:
        usd = line_usd_per_month(line, option)
        when = " (paid once, spread)" if line.cadence == "once" else ""
        rows.append(
            {
                **same,
                "layer": "line",
                "from": min(at, edge),
                "to": min(at + usd, edge),
                "kind": cost_kind(line),
                "what": f"{line.item}{when}",
                "figure": formatting.money_text(usd, locale),
                "formula": f"{formatting.number_text(float(line.quantity), locale)} "
                f"{line.unit} \u00d7 "
                f"{line.price} {line.price_unit}",
                "since": formatting.day_text(line.since, locale),
                "source": line.source,
                "read": formatting.day_text(line.read_on, locale),
            }
        )
        at += usd
    arrow = " \u2192" if total > edge else ""
    label = f"{formatting.money_text(total, locale)}{arrow}"
    return [*rows, {**same, "layer": "total", "to": min(total, edge), "label": label}]


def _summary(shown: list[OptionBill], locale: str) -> str:
    said = "; ".join(
        f"{formatting.option_name(one.id)} {formatting.money_text(one.per_month.likely, locale)}"
        for one in shown[:4]
    )
    return f"What each way costs a month, all spread, the recommended one first: {said}."


@lru_cache(maxsize=16)
def _spec(frame: ChartStyle) -> dict[str, Any]:
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
        "transform": layer_filter("line"),
        "mark": {"type": "bar", "height": {"band": 0.62}, "stroke": paper, "strokeWidth": 1},
        "encoding": {
            "x": {"field": "from", "type": "quantitative", "axis": axis},
            "x2": {"field": "to"},
            "color": {"field": "kind", "type": "nominal", "scale": colours},
            "tooltip": tooltip(
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
        "transform": layer_filter("total"),
        "mark": {"type": "text", "align": "left", "dx": 6, "fontWeight": 600},
        "encoding": {"x": {"field": "to", "type": "quantitative"}, "text": {"field": "label"}},
    }
    room = {
        "transform": layer_filter("edge"),
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"x": {"field": "to", "type": "quantitative"}},
    }
    return styled_spec({"encoding": {"y": y}, "layer": [bars, totals, room]}, frame, 300)
