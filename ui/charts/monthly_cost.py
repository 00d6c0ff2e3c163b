"""Monthly cost chart: the best option of each approach, stacked by kind of cost."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from advisor.decision.answer import Answer
from advisor.decision.bill import BillLine, OptionBill
from advisor.prices.display_names import model_name, option_name
from advisor.report.markdown import best_per_approach, line_usd_per_month
from advisor.report.sentences import approach_name
from ui import formatting
from ui.charts.base import (
    LABEL_ROOM,
    USD_AXIS,
    Chart,
    ChartRow,
    ChartStyle,
    Spec,
    category_axis,
    channel,
    colour_channel,
    layer,
    styled_spec,
    tooltip,
)

MAX_OPTIONS: Final = 10
COST_KINDS: Final = {
    "input": "Input",
    "cached_input": "Input",
    "cache_write": "Input",
    "output": "Output",
    "gpu_hour": "Machine hours",
    "hosting_hour": "Machine hours",
    "electricity_kwh": "Machine hours",
    "training": "Training",
    "dpo_training": "Training",
    "job_minimum": "Training",
    "embedding": "Retrieval",
    "rerank_tokens": "Retrieval",
    "rerank_search": "Retrieval",
    "file_search_call": "Retrieval",
    "web_search_call": "Retrieval",
    "vector_storage_gb_month": "Retrieval",
    "vector_minimum_month": "Retrieval",
    "vector_read": "Retrieval",
    "vector_write": "Retrieval",
}
"""Kind of price -> kind of cost; any other kind is `OTHER_KIND`."""
OTHER_KIND: Final = "Labor and other"


def cost_kind(line: BillLine) -> str:
    """Return the kind of cost of a bill line."""
    if line.item.startswith(("GPU hours of training", "training")):
        return "Training"
    kind = (line.price_item or "").rsplit("/", 1)[-1]
    for prefix in ("tuned_", "batch_", "long_"):
        kind = kind.removeprefix(prefix)
    return COST_KINDS.get(kind, OTHER_KIND)


def monthly_cost_chart(answer: Answer, style: ChartStyle) -> Chart:
    """Draw the best option of each approach, one segment per bill line."""
    shown = [option for option in best_per_approach(answer) if option.id != "not_yet"][:MAX_OPTIONS]
    costs = {option.id: style.amount(option.per_month.likely) for option in shown}
    # Bars longer than the current or the recommended option are cut, or the others would vanish.
    edge = costs.get("current", max(costs.values(), default=0.0))
    edge = max(edge, costs[shown[0].id] if shown else 0.0)
    rows = [
        row for place, option in enumerate(shown) for row in _bar_rows(option, place, edge, style)
    ]
    return Chart("monthly-cost", _spec(style), rows, _summary(shown, style))


def _bar_rows(option: OptionBill, place: int, edge: float, style: ChartStyle) -> list[ChartRow]:
    name = f"{approach_name(option)} \u00b7 {model_name(option.model)}"
    total, locale = style.amount(option.per_month.likely), style.locale
    same = {"way": name, "place": place, "option": option_name(option.id)}
    rows: list[ChartRow] = []
    start = 0.0
    for line in option.bill:
        usd = line_usd_per_month(line, option)
        quantity = formatting.number_text(float(line.quantity), locale)
        spread = " (one-off, spread)" if line.cadence == "once" else ""
        rows.append(
            {
                **same,
                "layer": "line",
                "from": min(start, edge),
                "to": min(start + style.amount(usd), edge),
                "kind": cost_kind(line),
                "what": f"{line.item}{spread}",
                "figure": style.money(usd),
                "formula": f"{quantity} {line.unit} \u00d7 {line.price} {line.price_unit}",
                "since": formatting.day_text(line.since, locale),
                "source": line.source,
                "read": formatting.day_text(line.read_on, locale),
            }
        )
        start += style.amount(usd)
    label = style.money(option.per_month.likely) + (" \u2192" if total > edge else "")
    label += "" if option.quality.reaches_target else " *"
    return [*rows, {**same, "layer": "total", "to": min(total, edge), "label": label}]


def _summary(shown: list[OptionBill], style: ChartStyle) -> str:
    costs = "; ".join(
        f"{option_name(option.id)} {style.money(option.per_month.likely)}" for option in shown[:4]
    )
    text = f"Monthly cost by option, one-off costs spread, recommended first: {costs}."
    is_marked = not all(option.quality.reaches_target for option in shown)
    return f"{text} * Expected quality is below the target." if is_marked else text


@lru_cache(maxsize=16)
def _spec(style: ChartStyle) -> Spec:
    y = category_axis("way", 230, {"field": "place", "op": "min"})
    kinds = {kind: style.pick(pair) for kind, pair in formatting.KIND_COLOURS.items()}
    details = tooltip(
        ("option", "option"),
        ("what", "item"),
        ("figure", "per month"),
        ("formula", "formula"),
        ("since", "price since"),
        ("source", "source"),
        ("read", "last read"),
    )
    bars = {
        "x": channel("from", axis={**USD_AXIS, "title": "per month"}),
        "x2": {"field": "to"},
        "color": colour_channel("kind", kinds),
        "tooltip": details,
    }
    totals = {"x": channel("to"), "text": {"field": "label"}}
    border = {"stroke": style.pick(formatting.PAPER), "strokeWidth": 1}
    layers = [
        layer("line", "bar", bars, height={"band": 0.62}, **border),
        layer("total", "text", totals, align="left", dx=6, fontWeight=600),
    ]
    return styled_spec({"encoding": {"y": y}, "layer": layers, "padding": LABEL_ROOM}, style, 300)
