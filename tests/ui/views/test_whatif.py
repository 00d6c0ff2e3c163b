"""The what-if page without a browser: state, figures in words, pictures, links, files to take."""

from __future__ import annotations

import csv
import doctest
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from advisor.decision.answer import Answer, canonical_json, recommend
from advisor.decision.sweep import sweep
from advisor.errors import UsageError
from advisor.loading import example_question, examples_folder
from advisor.prices.display_names import option_name
from advisor.report.markdown import cumulative_usd
from advisor.report.sentences import headline, saving_usd_per_month
from tests.support.paths import ROOT
from tests.support.questions import complete_question
from ui import formatting
from ui.charts import winner_map
from ui.charts.base import Chart, ChartStyle, chart_csv
from ui.charts.cumulative_cost import compared_options, cumulative_cost_chart
from ui.charts.monthly_cost import monthly_cost_chart
from ui.charts.price_ages import price_ages_chart
from ui.charts.row_lengths import row_lengths_chart
from ui.charts.tornado import Swing, tornado_chart
from ui.charts.winner_map import Axis, winner_map_chart
from ui.whatif import inputs, open_menu, share_menu, tables, verdict
from ui.whatif.share_menu import export_answer
from ui.whatif.verdict import figures_text, recommended_option, verdict_html

FRAME = ChartStyle("light", "en_US")
EXAMPLES = sorted(path.stem for path in examples_folder().glob("*.yaml"))


@pytest.fixture(scope="module")
def triage() -> Answer:
    return recommend(example_question("email-triage"))


@pytest.fixture
def page() -> AppTest:
    return AppTest.from_file(str(ROOT / "ui" / "app.py"), default_timeout=120)


def html_of(page: AppTest) -> str:
    return "\n".join(element.proto.body for element in page.get("html"))


def test_the_page_opens_on_the_bundled_example_with_the_answer_of_the_library(
    page: AppTest, triage: Answer
) -> None:
    page.run()

    assert not page.exception
    assert not page.error
    shown = html_of(page)
    assert f'data-recommended="{triage.decision.recommended}"' in shown
    assert "Train the classifier RoBERTa-base and serve it at Hetzner." in shown
    assert (
        "$106.84 per month after $0.13 one-off, saves $72,718 per month compared with today."
        in shown
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_opens_and_its_json_is_the_bytes_of_the_library(name: str) -> None:
    def script(name: str) -> None:
        import streamlit as st

        from advisor.decision.answer import canonical_json
        from ui import state
        from ui.whatif.verdict import verdict_html

        assert state.open_example(name)
        st.session_state["bytes"] = canonical_json(state.complete_answer())
        st.html(verdict_html(state.current_scenario().answer, "en_US"))

    page = AppTest.from_function(script, args=(name,), default_timeout=120).run()

    assert not page.exception
    expected = recommend(complete_question(name))
    assert page.session_state["bytes"] == canonical_json(expected)
    assert f'data-recommended="{expected.decision.recommended}"' in html_of(page)


def test_a_change_is_answered_and_a_bad_one_changes_nothing() -> None:
    def script() -> None:
        import streamlit as st

        from ui import state

        before = state.current_scenario().answer
        state.set_field("traffic.requests_per_month", -1)
        st.session_state["trouble"] = state.pop_error()
        assert state.current_scenario().answer is before
        state.set_field("traffic.requests_per_month", 20_000)
        st.session_state["after"] = (
            state.current_scenario().answer.question.traffic.requests_per_month
        )
        state.set_field("traffic.requests_per_month", None)
        st.session_state["assumed"] = [a.path for a in state.current_scenario().answer.assumptions]

    page = AppTest.from_function(script, default_timeout=120).run()

    assert not page.exception
    assert "traffic.requests_per_month: found -1." in page.session_state["trouble"]
    assert page.session_state["after"] == 20_000
    assert "traffic.requests_per_month" in page.session_state["assumed"]


def test_a_scenario_that_names_a_file_of_this_machine_is_refused() -> None:
    def script() -> None:
        import streamlit as st

        from ui import state

        mapping = {"asked_on": "2026-11-20", "dataset": {"path": "/etc/hostname"}}
        st.session_state["taken"] = state.replace_scenario(mapping, where="the link")
        st.session_state["trouble"] = state.pop_error()

    page = AppTest.from_function(script, default_timeout=120).run()

    assert page.session_state["taken"] is False
    assert "the page opens no file by name" in page.session_state["trouble"]


def test_the_page_changes_an_answer_by_its_controls(page: AppTest) -> None:
    page.run()
    chosen = next(box for box in page.multiselect if box.label == "Needs")
    assert chosen.value == ["narrow_label_task", "cost_reduction"]

    chosen.set_value(["narrow_label_task", "agentic_tools"]).run()

    assert not page.exception
    assert "Train the classifier" not in headline_of(page)


def headline_of(page: AppTest) -> str:
    return html_of(page).partition('<h1 class="ton-verdict">')[2].partition("</h1>")[0]


def test_the_verdict_says_its_figures_in_the_locale_of_the_reader(triage: Answer) -> None:
    assert headline(triage) == "Train the classifier RoBERTa-base and serve it at Hetzner."
    german = figures_text(triage, "de_DE").replace("\u00a0", " ")
    assert german == (
        "106,84 $ per month after 0,13 $ one-off, saves 72.718 $ per month compared with today."
    )
    assert "20.11.2026" in verdict_html(triage, "de_DE")
    assert saving_usd_per_month(triage) == pytest.approx(72718.15, abs=0.01)


def test_not_yet_says_why_and_shows_no_price_of_nothing() -> None:
    found = recommend(example_question("too-little"))

    assert headline(found) == "Not yet: measure first, then decide."
    assert figures_text(found, "en_US").startswith(found.decision.reasons[0].says)
    assert "Cost per month" not in verdict_html(found, "en_US")


def test_a_name_with_markup_is_shown_as_text(triage: Answer) -> None:
    named = triage.model_dump() | {"question": triage.question.model_dump() | {"name": "<b>x</b>"}}

    shown = verdict_html(Answer.model_validate(named), "en_US")

    assert "<b>x</b>" not in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown


def test_a_dial_stands_where_the_answer_takes_it_to_be() -> None:
    from advisor.inputs import resolve

    asked = example_question("email-triage")
    resolved = resolve(asked.scenario, asked.profile, asked.evidence)

    given = inputs.slider_for("traffic.requests_per_month", resolved)
    counted = inputs.slider_for("dataset.examples", resolved)
    assumed = inputs.slider_for("traffic.turns", resolved)
    unknown = inputs.slider_for("limits.budget_monthly_usd", resolved)

    assert (given.value, given.note) == (30e6, "")
    assert (counted.value, counted.note) == (1200, "measured in your data")
    assert assumed.note == "assumed: One question, one answer."
    assert (assumed.least, assumed.remedy) == (1, "Enter a number of 1 or more.")
    assert unknown.value is None


def texts(picture: Chart) -> str:
    return json.dumps([picture.spec, picture.rows, picture.says], default=str)


def test_the_stacked_costs_add_up_to_the_bill(triage: Answer) -> None:
    picture = monthly_cost_chart(triage, FRAME)

    lines = [row for row in picture.rows if row["layer"] == "line"]
    best = recommended_option(triage)
    ours = [row for row in lines if row["place"] == 0]
    assert best is not None
    assert ours[-1]["to"] == pytest.approx(float(best.per_month.likely), abs=0.01)
    assert {row["kind"] for row in lines} <= set(formatting.KIND_COLOURS)
    for row in lines:
        assert row["formula"]
        assert row["source"]
    assert "$106.85" in picture.says


def test_the_cumulative_cost_ends_at_the_total(triage: Answer) -> None:
    picture = cumulative_cost_chart(triage, FRAME)

    shown = compared_options(triage)
    assert shown[0].id == triage.decision.recommended
    assert "current" in [one.id for one in shown]
    for one in shown:
        assert cumulative_usd(one, float(one.months))[1] == pytest.approx(
            float(one.total.likely), rel=1e-3
        )
    assert any(row["layer"] == "even" for row in picture.rows)
    assert "Break-even in the first month." in picture.says


def test_the_map_shows_the_winner_of_each_cell_and_the_asked_point() -> None:
    asked = example_question("email-triage")
    x = Axis("Requests per month", (1e4, 1e6, 3e7), 3e7, True)
    y = Axis("System prompt", (100.0, 700.0), 700.0, True)
    variants = [{"traffic.requests_per_month": a, "traffic.prefix_tokens": b}
                for a in x.values for b in y.values]  # fmt: skip
    columns = sweep(asked, variants, ranges=False)

    picture = winner_map_chart(columns, x, y, FRAME)

    cells = [row for row in picture.rows if row["layer"] == "cell"]
    assert len(cells) == 6
    assert cells[5]["option"] == option_name(recommend(asked).decision.recommended)
    assert next(row for row in picture.rows if row["layer"] == "here")["x"] == 3e7
    assert "of the map" in picture.says


def test_the_tornado_is_sorted_and_says_where_the_way_changes(triage: Answer) -> None:
    asked = example_question("email-triage")
    swings = [Swing("Quality target", 0.8, 1.0, True), Swing("Requests per month", 15e6, 60e6)]
    variants: list[dict[str, Any]] = [
        {"quality.target": 0.8}, {"quality.target": 1.0},
        {"traffic.requests_per_month": 15e6}, {"traffic.requests_per_month": 60e6},
    ]  # fmt: skip
    best = recommended_option(triage)
    assert best is not None

    picture = tornado_chart(sweep(asked, variants, ranges=False), swings,
                              (best.id, best.per_month.likely), FRAME)  # fmt: skip

    sizes = [row["size"] for row in picture.rows if row["layer"] == "end"]
    assert sizes == sorted(sizes, reverse=True)
    assert "The recommended approach changes with quality target" in picture.says


def test_lengths_show_where_examples_are_cut(tmp_path: Path) -> None:
    from advisor.dataset.reader import profile_file

    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "\n".join(f"{'word ' * n},x" for n in (5, 50, 500)) + "\n")
    picture = row_lengths_chart(profile_file(path, limit_tokens=100), FRAME)

    assert any(row["layer"] == "cut" for row in picture.rows)
    assert sum(row.get("rows", 0) for row in picture.rows) == 3
    assert "Longer than the limit of 100 tokens and truncated: 1." in picture.says


def test_ages_name_what_is_stale(triage: Answer) -> None:
    picture = price_ages_chart(triage, FRAME)

    prices = [row for row in picture.rows if row["layer"] == "price"]
    days = [row["days"] for row in prices]
    assert days == sorted(days, reverse=True)
    assert {row["state"] for row in prices if row["days"] >= 30} == {"stale"}


def test_the_specification_of_a_picture_stays_while_its_figures_move(triage: Answer) -> None:
    other = recommend(example_question("email-triage-monthly"))

    for make in (monthly_cost_chart, cumulative_cost_chart, price_ages_chart):
        assert make(triage, FRAME).spec == make(other, FRAME).spec
        assert make(triage, FRAME).spec != make(triage, ChartStyle("dark", "de_DE")).spec
        assert b"," in chart_csv(make(triage, FRAME))


def test_a_link_holds_the_scenario_and_a_broken_one_is_refused() -> None:
    scenario = {"name": "\u00fc", "asked_on": "2026-11-20", "traffic": {"turns": 2}}
    text = share_menu.pack_scenario(scenario)

    assert share_menu.unpack_scenario(text) == scenario
    for broken in (text[:-6], "%%%", "AAAA", ""):
        with pytest.raises(UsageError, match="complete scenario"):
            share_menu.unpack_scenario(broken)


def test_a_link_that_unpacks_to_too_much_is_refused() -> None:
    text = share_menu.pack_scenario({"name": "x" * 1_000_000})

    with pytest.raises(UsageError, match="complete scenario"):
        share_menu.unpack_scenario(text)


def test_scenarios_are_saved_read_and_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path))
    rows = tmp_path / "rows.csv"
    rows.write_text("text,label\na,b\n")

    open_menu.save_scenario("first one", {"name": "x"}, rows)

    assert open_menu.saved_names() == ["first one"]
    assert open_menu.read_saved("first one") == open_menu.SavedScenario({"name": "x"}, rows)
    rows.unlink()
    with pytest.raises(UsageError, match="no longer exists"):
        open_menu.read_saved("first one")
    open_menu.delete_saved("first one")
    assert open_menu.saved_names() == []
    for name in ("../x", "", "a/b", "x" * 61):
        with pytest.raises(UsageError, match="not a valid name"):
            open_menu.save_scenario(name, {}, None)


def test_a_saved_scenario_that_is_broken_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path))
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "x.json").write_text("{")

    with pytest.raises(UsageError, match="cannot be read"):
        open_menu.read_saved("x")


def test_every_format_is_written(triage: Answer) -> None:
    assert export_answer("JSON", triage, "en_US") == canonical_json(triage)
    assert export_answer("Markdown", triage, "en_US").startswith(b"# E-mail triage")
    rows = list(csv.DictReader(io.StringIO(export_answer("CSV", triage, "en_US").decode())))
    assert len(rows) == len(triage.options)
    assert [row["id"] for row in rows if row["recommended"] == "True"] == [
        triage.decision.recommended
    ]
    report = share_menu.report_html(triage, "en_US").decode()
    for part in (
        "Reasons",
        "Nearest changes",
        "Assumptions",
        "Ruled out",
        "$106.84",
        "huggingface.co",
    ):
        assert part in report
    assert "<script" not in report


def test_what_is_ruled_out_stands_there_with_rule_and_source(triage: Answer) -> None:
    shown = tables.ruled_out_table(triage)

    for rule in {one.rule for one in triage.ruled_out}:
        assert f"<td>{rule}</td>" in shown
    assert "Retrieval" in shown


@pytest.mark.parametrize("module", [formatting, share_menu, verdict, winner_map],
                         ids=lambda module: module.__name__)  # fmt: skip
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    done = doctest.testmod(module)

    assert done.failed == 0
    assert done.attempted > 0
