"""An answer -> files to take along: options as CSV, a report as HTML that prints well."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from html import escape
from typing import Final

from advisor.answer import Answer
from advisor.report import best_of_each, footer
from ui import look
from ui.whatif import tables
from ui.whatif.verdict import headline, in_figures

Writer = Callable[[], bytes]
COLUMNS: Final = ("id", "approach", "provider", "model", "gpu", "launch", "months")
MONEY: Final = ("one_off", "monthly", "total", "per_month")
SHEET: Final = """
body{font:15px/1.5 "Source Sans 3","Segoe UI",sans-serif;color:#1d2421;max-width:60rem;
margin:2.5rem auto;padding:0 1.5rem}h1,h2{font-family:"Source Serif 4",Georgia,serif;
font-weight:500;line-height:1.15}h1{font-size:2rem;margin:.2rem 0}h2{font-size:1.25rem;
margin:2rem 0 .5rem}.lead{color:#0b6e5f;font-weight:600;font-size:1.15rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;
padding:.3rem .8rem .3rem 0;border-bottom:1px solid #dfdad0;vertical-align:top}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.ton-source,footer,.ton-eyebrow{color:#59625d;font-size:.82rem;display:block}
ul{padding-left:1.1rem}@page{margin:18mm}tr,li{break-inside:avoid}
"""


def options_csv(answer: Answer) -> bytes:
    """Write one row per option, the best first; amounts in USD as they stand in the answer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = [f"{name}_{end}_usd" for name in MONEY for end in ("low", "likely", "high")]
    writer.writerow([*COLUMNS, *ends, "quality", "reaches_target", "recommended"])
    for option in answer.options:
        amounts = [getattr(getattr(option, name), end)
                   for name in MONEY for end in ("low", "likely", "high")]  # fmt: skip
        writer.writerow([
            *(getattr(option, name) or "" for name in COLUMNS), *amounts, option.quality.likely,
            option.quality.reaches_target, option.id == answer.decision.recommended,
        ])  # fmt: skip
    return text.getvalue().encode()


def report_html(answer: Answer, locale: str) -> bytes:
    """Write the whole answer as one page without anything from elsewhere; it prints well."""
    title, decision = escape(answer.question.name), answer.decision
    parts = [
        f'<p class="ton-eyebrow">{title}</p><h1>{escape(headline(answer))}</h1>',
        f'<p class="lead">{escape(in_figures(answer, locale))}</p>',
        f"<p>{escape(decision.verdict)} It wins in {look.share(decision.win_share, locale)} of "
        "the draws of what is uncertain.</p>",
        "<h2>Every way</h2>", tables.ways(best_of_each(answer), decision.recommended, locale),
        "<h2>Why</h2>", tables.reasons(answer),
        "<h2>What would flip it</h2>", tables.flips(decision.flips),
        "<h2>Assumed</h2>", tables.assumed(answer),
        "<h2>Ruled out</h2>", tables.ruled_out(answer),
    ]  # fmt: skip
    recommended = next((o for o in answer.options if o.id == decision.recommended), None)
    if recommended:
        parts += ["<h2>The bill of the recommended way</h2>", tables.bill(recommended, locale)]
    body = "\n".join(parts)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{SHEET}</style></head><body><main>{body}</main>"
        f"<footer><p>{escape(footer(answer))}</p></footer></body></html>"
    ).encode()
