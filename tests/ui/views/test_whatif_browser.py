"""The what-if page in a real Chromium: what a visitor sees and does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.decision.answer import recommend
from tests.support.browser import (
    VIEW,
    axe_violations,
    check_layout,
    chromium,
    needs_chromium,
    open_page,
    page_server,
    save_screenshot,
    wait_until_idle,
)
from tests.support.questions import complete_question
from ui.whatif.share_menu import report_html

HEADER_PIXELS = 60
"""The bar of pages lies over what is above it."""
DRAWN = ".st-key-pictures_tabs svg.marks:visible"
pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page_server(tmp_path_factory.mktemp("home")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


def recommended(page: Any) -> str:
    return str(page.locator("#verdict").get_attribute("data-recommended"))


def set_field(page: Any, label: str, text: str) -> None:
    """Type a number into a field, and wait until another answer is shown."""
    before = page.locator("#verdict").inner_text()
    page.get_by_role("textbox", name=label).fill(text)
    page.wait_for_function("old => document.querySelector('#verdict').innerText !== old",
                           arg=before, timeout=30_000)  # fmt: skip


@pytest.mark.parametrize(("scheme", "locale", "figure", "day"), [
    ("light", "en-US", "$106.84", "Nov 20, 2026"), ("dark", "de-DE", "106,84\u00a0$", "20.11.2026"),
])  # fmt: skip
def test_the_first_screen_holds_verdict_and_inputs_without_scrolling(
    address: str, browser: Any, tmp_path: Path, scheme: str, locale: str, figure: str, day: str
) -> None:
    page = open_page(browser, address, scheme, locale)
    page.locator("canvas, svg.marks").first.wait_for()
    wait_until_idle(page)

    save_screenshot(page, f"first-{scheme}", tmp_path)
    check_layout(page)
    text = page.locator("#verdict").inner_text().replace("\u202f", "\u00a0")
    assert "Train the classifier RoBERTa-base" in text
    assert figure in text
    assert day in text
    for part in ("#verdict", ".st-key-whatif_inputs"):
        box = page.locator(part).bounding_box()
        assert box["y"] >= HEADER_PIXELS
        assert box["y"] + box["height"] <= VIEW["height"], part
        assert box["x"] + box["width"] <= VIEW["width"], part
    assert page.locator("input.slider").count() == 5
    page.context.close()


def test_a_slider_changes_the_verdict_by_key_and_a_field_by_typing(
    address: str, browser: Any
) -> None:
    page = open_page(browser, address)
    wait_until_idle(page)
    before = page.locator("#verdict").inner_text()
    slider = page.get_by_role("slider", name="Requests per month")
    slider.focus()
    slider.press("ArrowLeft")
    page.wait_for_function("old => document.querySelector('#verdict').innerText !== old",
                           arg=before, timeout=30_000)  # fmt: skip
    assert page.get_by_role("textbox", name="Requests per month").input_value() != "30,000,000"

    set_field(page, "Requests per month", "20,000")
    wait_until_idle(page)

    assert recommended(page) != "encoder:hf_jobs:FacebookAI/roberta-base:T4"
    field = page.get_by_role("textbox", name="Quality target")
    field.fill("many")
    page.get_by_text("Enter a number from 0 to 100.").wait_for()
    check_layout(page)
    page.context.close()


def test_every_picture_is_drawn_and_says_itself_in_words(
    address: str, browser: Any, tmp_path: Path
) -> None:
    page = open_page(browser, address)
    said = {
        "Monthly cost": "Monthly cost by option", "Cumulative cost": "Cumulative cost over 12",
        "Winner map": "Recommended approach by", "Sensitivity": "Largest changes",
        "Your data": "1,200 examples", "Price age": "prices used",
    }  # fmt: skip
    for name, words in said.items():
        page.get_by_role("tab", name=name).click()
        page.get_by_text(words).wait_for(timeout=60_000)
        page.locator(DRAWN).first.wait_for()
        wait_until_idle(page)
        check_layout(page)
        save_screenshot(page, "picture-" + name.lower().replace(" ", "-"), tmp_path)
    page.context.close()


def test_a_point_of_the_map_says_its_figure_on_hover(address: str, browser: Any) -> None:
    page = open_page(browser, address)
    wait_until_idle(page)
    page.get_by_role("tab", name="Winner map").click()
    page.get_by_text("Recommended approach by").wait_for(timeout=60_000)
    chart = page.locator(DRAWN).first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5)
    page.mouse.move(box["x"] + box["width"] * 0.71, box["y"] + box["height"] * 0.5)

    tip = page.locator("#vg-tooltip-element")
    tip.wait_for(timeout=10_000)
    assert "wins" in tip.inner_text()
    assert re.search(r"\$[\d,.]+", tip.inner_text())
    page.context.close()


def test_ten_thousand_and_three_rows_are_uploaded_and_counted(
    address: str, browser: Any, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    lines = [f"Question number {i} about an invoice,billing" for i in range(10_003)]
    rows.write_text("\n".join(["text,label", *lines]) + "\n")
    page = open_page(browser, address)
    page.get_by_role("button", name="Scenario and data").click()
    page.locator("input[type=file]").set_input_files(str(rows))
    page.get_by_role("button", name="Remove rows.csv").wait_for(timeout=60_000)
    wait_until_idle(page)
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Your data").click()

    page.get_by_text("10,003 examples").wait_for(timeout=60_000)
    check_layout(page)
    page.context.close()


def test_a_bad_file_is_refused_with_a_reason_and_nothing_is_lost(
    address: str, browser: Any, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"messages": [\n')
    page = open_page(browser, address)
    wait_until_idle(page)
    before = recommended(page)
    page.get_by_role("button", name="Scenario and data").click()
    page.locator("input[type=file]").set_input_files(str(broken))

    error = page.locator("[data-testid=stAlertContentError]").filter(has_text="broken.jsonl:1")
    error.wait_for(timeout=30_000)
    assert "Nothing was changed." in error.inner_text()
    assert recommended(page) == before
    assert page.locator("[data-testid=stException]").count() == 0
    page.context.close()


def test_a_link_opens_the_same_question_elsewhere(address: str, browser: Any) -> None:
    page = open_page(browser, address)
    wait_until_idle(page)
    set_field(page, "Requests per month", "20,000")
    wait_until_idle(page)
    page.get_by_role("button", name="Save and share").click()
    page.get_by_role("button", name="Create link").click()
    page.wait_for_url("**/?q=*", timeout=30_000)
    wait_until_idle(page)
    link, headline = page.url, page.locator(".ton-verdict").inner_text()
    other = open_page(browser, link)
    wait_until_idle(other)

    assert other.locator(".ton-verdict").inner_text() == headline
    assert other.get_by_role("textbox", name="Requests per month").input_value() == "20,000"
    check_layout(other)
    broken = open_page(browser, link[:-30])
    wait_until_idle(broken)
    assert (
        "it does not contain a complete scenario"
        in broken.locator("[data-testid=stAlertContentError]").inner_text()
    )
    for one in (page, other, broken):
        one.context.close()


def test_an_example_is_opened_and_exported_as_it_was_changed(
    address: str, browser: Any, tmp_path: Path
) -> None:
    page = open_page(browser, address)
    wait_until_idle(page)
    page.get_by_role("button", name="Scenario and data").click()
    page.get_by_role("combobox", name="Bundled examples").click()
    page.get_by_role("option", name="brand-voice").click()
    page.get_by_text("Brand-voice replies").first.wait_for(timeout=30_000)
    page.keyboard.press("Escape")
    wait_until_idle(page)
    set_field(page, "Requests per month", "20,000")
    wait_until_idle(page)
    page.get_by_role("button", name="Save and share").click()

    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()

    answer = json.loads(Path(download.value.path()).read_text())
    assert answer["question"]["name"] == "Brand-voice replies"
    assert answer["question"]["traffic"]["requests_per_month"] == 20_000
    assert answer["decision"]["recommended"] == recommended(page)
    page.context.close()


def test_a_saved_scenario_is_held_against_the_one_of_the_moment(
    address: str, browser: Any, tmp_path: Path
) -> None:
    page = open_page(browser, address)
    wait_until_idle(page)
    page.get_by_role("button", name="Save and share").click()
    page.get_by_role("textbox", name="Name of the saved scenario").fill("as it was")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved as as it was.").wait_for(timeout=30_000)
    page.keyboard.press("Escape")
    set_field(page, "Requests per month", "20,000")
    page.get_by_role("tab", name="Compare").click()

    table = page.locator("table.ton-table", has_text="as it was")
    table.wait_for(timeout=60_000)
    wait_until_idle(page)
    text = table.inner_text()
    assert "Current scenario" in text
    assert "30,000,000" in text
    assert "20,000" in text
    save_screenshot(page, "compare", tmp_path)
    page.context.close()


def test_an_assumption_is_changed_in_place(address: str, browser: Any) -> None:
    page = open_page(browser, address)
    page.get_by_role("tab", name="Assumptions").click()
    field = page.get_by_role("textbox", name="Turns per conversation")
    field.wait_for(timeout=30_000)
    wait_until_idle(page)
    before = page.locator("#verdict").inner_text()
    field.fill("4")

    page.wait_for_function("old => document.querySelector('#verdict').innerText !== old",
                           arg=before, timeout=30_000)  # fmt: skip
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(address: str, browser: Any, scheme: str) -> None:
    page = open_page(browser, address, scheme)
    wait_until_idle(page)

    for part in (".st-key-whatif", "#verdict", ".st-key-whatif_inputs"):
        assert axe_violations(page, part) == []
    page.context.close()


def test_every_main_control_is_reached_by_tab(address: str, browser: Any) -> None:
    page = open_page(browser, address)
    wait_until_idle(page)
    reached = []
    for _ in range(45):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("""() => {
          let e = document.activeElement;
          while (e && e.shadowRoot && e.shadowRoot.activeElement) e = e.shadowRoot.activeElement;
          return (e.labels?.[0]?.innerText || e.ariaLabel || e.innerText || '') + '|' + e.type;
        }"""))  # fmt: skip

    for label in ("Requests per month", "Prompt prefix", "Quality target"):
        assert any(one.startswith(label) and one.endswith("range") for one in reached), label
    assert any("Needs" in one for one in reached)
    assert any(one.startswith("Monthly cost") for one in reached)
    page.context.close()


def test_one_click_leads_from_the_verdict_to_its_launch(
    address: str, browser: Any, tmp_path: Path
) -> None:
    page = open_page(browser, address)
    button = page.get_by_role("button", name="Export for a rented GPU: $0.09 \u2013 $0.34 one-off")
    button.wait_for()
    assert button.bounding_box()["y"] < VIEW["height"]

    button.click()

    page.get_by_role("heading", name="Launch").wait_for()
    wait_until_idle(page)
    save_screenshot(page, "launch-from-verdict", tmp_path)
    page.get_by_text("served on CX43").wait_for()
    page.context.close()


def test_the_report_prints_on_paper(address: str, browser: Any, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_bytes(report_html(recommend(complete_question("email-triage")), "en_US"))
    page = browser.new_page(viewport={"width": 794, "height": 1123})
    page.goto(report.as_uri())
    page.emulate_media(media="print")

    wide = page.evaluate("document.documentElement.scrollWidth")
    paper = page.pdf(format="A4")

    assert wide <= 794
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Type /Page") > 1
    assert "Train the classifier" in page.inner_text("body")
    page.close()
