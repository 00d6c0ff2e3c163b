"""Time from a key press on a slider to the changed verdict and chart, with a baseline page.

python -m benchmarks.page [--moves N] [--tab NAME]

The baseline page has the same control, text and chart, and alternates between two answers computed
before it starts: its time is that of the browser and of Streamlit.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.browser import chromium, page_server, wait_until_idle

EMPTY_APP = """
import gc
import streamlit as st
from advisor.decision.answer import recommend
from advisor.loading import example_question
from ui import formatting
from ui.charts.base import ChartStyle, draw_chart
from ui.charts.monthly_cost import monthly_cost_chart
from ui.components.in_view import redraw, track_visibility
from ui.components.sliders import Slider, draw_sliders
from ui.whatif.verdict import verdict_html

st.set_page_config(layout="wide")
formatting.apply_style()

@st.cache_resource
def constant():
    return [recommend(example_question(name)) for name in ("email-triage", "email-triage-monthly")]

@st.cache_resource
def settle():
    gc.collect()
    gc.freeze()

def turn():
    return st.session_state.get("turn", 0)

def moved(values):
    st.session_state["turn"] = turn() + 1
    redraw("verdict")

@st.fragment(key="verdict")
def board(verdict):
    found = constant()[turn() % 2]
    verdict.html(verdict_html(found, "en_US"))
    slider = Slider("traffic.requests_per_month", "Requests per month", "", "", 100, 1e9, 0, 1e15,
                    True, 2, False, 3e7, "", "")
    draw_sliders("main_dials", [slider], "en_US", (0, str(turn())), moved)

@st.fragment(key="pictures")
def picture():
    track_visibility("pictures", str(turn()), 0)
    with st.container(key="pictures_tabs"):
        chart_style = ChartStyle(formatting.theme(), "en_US")
        draw_chart(monthly_cost_chart(constant()[turn() % 2], chart_style))

left, right = st.columns([0.68, 0.32])
verdict = left.container()
with right:
    board(verdict)
with left:
    picture()
settle()
"""
PROBE_SCRIPT = """() => {
  const probe = window.__probe = { start: 0, verdict: 0, chart: 0, text: null };
  window.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow")) return;
    probe.start = event.timeStamp; probe.verdict = 0; probe.chart = 0;
    probe.text = document.querySelector("#verdict").innerText;
  }, true);
  new MutationObserver(() => {
    const verdict = document.querySelector("#verdict");
    if (probe.start && !probe.verdict && verdict && verdict.innerText !== probe.text)
      probe.verdict = performance.now();
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
  new MutationObserver((changes) => {
    if (probe.start && changes.some((one) => one.target.closest?.(".st-key-pictures_tabs svg")))
      probe.chart = performance.now();
  }).observe(document.body, { subtree: true, childList: true, attributes: true });
  for (const name of ["fillText", "fill", "fillRect", "clearRect", "stroke"]) {
    const draw = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...given) {
      if (probe.start && this.canvas.isConnected) probe.chart = performance.now();
      return draw.apply(this, given);
    };
  }
}"""
SETTLED_SCRIPT = """() => {
  const probe = window.__probe, now = performance.now();
  return (probe.verdict && probe.chart && now - Math.max(probe.verdict, probe.chart) > 400)
    || now - probe.start > 5000;
}"""
Times = list[tuple[float, float]]


def move_slider(page: Any, moves: int) -> Times:
    """Press an arrow key repeatedly; return the ms to verdict and chart of each press."""
    page.evaluate(PROBE_SCRIPT)
    slider = page.locator("input.slider").first
    slider.focus()
    times: Times = []
    for turn in range(moves):
        slider.press("ArrowLeft" if turn // 5 % 2 else "ArrowRight")
        page.wait_for_function(SETTLED_SCRIPT, timeout=30_000)
        found = page.evaluate("() => window.__probe")
        if found["verdict"] and found["chart"]:
            times.append((found["verdict"] - found["start"], found["chart"] - found["start"]))
    return times


def measure_page(url: str, moves: int, tab: str | None) -> Times:
    """Open a page and move its first slider."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1366, "height": 768}, locale="en-US")
        page.goto(url)
        page.locator("#verdict").wait_for(timeout=60_000)
        page.locator(
            ".st-key-pictures_tabs canvas, .st-key-pictures_tabs svg.marks"
        ).first.wait_for()
        if tab:
            page.get_by_role("tab", name=tab).click()
        wait_until_idle(page)
        move_slider(page, 3)
        page.reload()
        page.locator("#verdict").wait_for(timeout=60_000)
        if tab:
            page.get_by_role("tab", name=tab).click()
        wait_until_idle(page)
        return move_slider(page, moves)


def table_row(name: str, times: Times, moves: int) -> str:
    """Return one line of the table."""
    if len(times) < 2:
        return f"| {name} | no change detected | | | | {len(times)} of {moves} |\n"
    columns = [sorted(values) for values in zip(*times, strict=True)]
    cells = []
    for values in columns:
        p95 = values[min(round(0.95 * (len(values) - 1)), len(values) - 1)]
        cells += [f"{statistics.median(values):.0f}", f"{p95:.0f}"]
    return f"| {name} | {' | '.join(cells)} | {len(times)} of {moves} |\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--tab", default=None, help="chart tab to open; the first by default")
    flags = parser.parse_args()
    sys.stdout.write(
        "| page | verdict p50 ms | p95 | chart p50 ms | p95 | moves |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY_APP)
        with page_server(Path(folder) / "home") as url:
            times = measure_page(url, flags.moves, flags.tab)
        sys.stdout.write(table_row("what-if", times, flags.moves))
        sys.stdout.flush()
        with page_server(Path(folder) / "home", empty) as url:
            times = measure_page(url, flags.moves, None)
        sys.stdout.write(table_row("same page, constant answers", times, flags.moves))


if __name__ == "__main__":
    main()
