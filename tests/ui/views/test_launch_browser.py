"""The launch page in a real browser: one run whatever is clicked, live to its evaluation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import tiny_models
from tests.support.browser import (
    VIEW,
    axe_violations,
    chromium,
    needs_chromium,
    page_server,
    save_screenshot,
    wait_until_idle,
)

pytestmark = [pytest.mark.browser, needs_chromium]
STEP_SECONDS = 120_000
PAGES = ("launch", "runs", "models", "prices", "settings")
OVERFLOWS = """() => [...document.querySelectorAll('[data-testid=stMain] *')]
  .filter(e => e.children.length === 0 && e.innerText && e.checkVisibility()
          && !e.closest('.vega-embed, [role=toolbar], canvas, pre')
          && getComputedStyle(e).display !== 'inline' && getComputedStyle(e).overflow !== 'hidden'
          && e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 2)
  .map(e => e.innerText.slice(0, 60))"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder with a tiny base in it."""
    folder = tmp_path_factory.mktemp("page")
    tiny_models.make_causal(folder / "bases" / "tiny")
    return folder


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNE_OR_NOT_THREADS", "1")
        with page_server(home) as address:
            yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as one:
        yield one


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return tiny_models.write_rows(tmp_path / "rows.jsonl", tiny_models.task_rows(400))


def open_launch_page(browser: Any, url: str, scheme: str = "light", locale: str = "en-US") -> Any:
    """Open a page in a context of its own, as another visitor would."""
    page = browser.new_context(viewport=VIEW, color_scheme=scheme, locale=locale).new_page()
    page.set_default_timeout(30_000)
    page.goto(url)
    page.locator("h1").wait_for(timeout=60_000)
    wait_until_idle(page)
    return page


def text_box(page: Any, name: str) -> Any:
    return page.get_by_role("textbox", name=name)


def button(page: Any, name: str) -> Any:
    return page.get_by_role("button", name=name)


def choose_option(page: Any, what: str) -> None:
    """Choose what to launch by keyboard alone."""
    page.get_by_role("combobox", name="Option to launch").click()
    page.keyboard.type(what)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Enter")
    wait_until_idle(page)


def fill(page: Any, rows: Path, name: str, **settings: str) -> None:
    """Fill the form of a training on this machine."""
    choose_option(page, "LoRA adapters on this")
    page.locator("input[type=file]").set_input_files(rows)
    page.get_by_text(rows.name).wait_for()
    text_box(page, "Name of the tuned model").fill(name)
    page.get_by_text("Settings and cap").click()
    for label, value in settings.items():
        text_box(page, label.replace("_", " ")).fill(value)


def make_plan(page: Any, rows: Path, name: str, **settings: str) -> str:
    """Make a plan; returns the amount that has to be typed."""
    fill(page, rows, name, Learning_rate="0.005", **settings)
    button(page, "Create plan").click()
    text_box(page, "to spend up to").wait_for()
    label = page.get_by_text("to spend up to").first.inner_text()
    found = re.search(r"up to ([\d.,]+) USD", label)
    assert found is not None
    return found[1]


def runs_of(home: Path) -> set[str]:
    folder = home / "runs"
    return {path.name for path in folder.glob("run_*")} if folder.is_dir() else set()


def open_run_id(page: Any) -> str:
    found = re.search(r"run=(run_[0-9a-f]+)", page.url)
    assert found is not None, page.url
    return found[1]


def check_accessible(page: Any) -> None:
    """Assert that nothing failed and that text is inside its elements."""
    assert page.locator("[data-testid=stException]").count() == 0
    assert page.locator("[data-testid=stAlertContentError]").count() == 0
    assert page.evaluate(OVERFLOWS) == []


def test_double_click_two_tabs_and_a_reload_are_one_run_up_to_its_evaluation(
    browser: Any, url: str, home: Path, rows: Path, tmp_path: Path
) -> None:
    first = open_launch_page(browser, f"{url}/launch")
    amount = make_plan(first, rows, "topics", Epochs="2")
    check_accessible(first)
    save_screenshot(first, "launch-agree-light", tmp_path)
    assert re.fullmatch(r"Start: \$\d+\.\d\d(?: to \$\d+\.\d\d)?, cap \$\d+\.\d\d",
                        button(first, "Start:").inner_text().splitlines()[-1])  # fmt: skip
    second = open_launch_page(browser, first.url)
    assert runs_of(home) == set()

    text_box(first, "to spend up to").fill(amount)
    button(first, "Start:").dblclick()
    text_box(second, "to spend up to").fill(amount)
    button(second, "Start:").click()
    first.get_by_text("Events (UTC)").wait_for()
    second.get_by_text("Events (UTC)").wait_for()

    run_id = open_run_id(first)
    assert open_run_id(second) == run_id
    second.context.close()
    first.reload()
    first.get_by_text(re.compile(r"at step \d+")).first.wait_for(timeout=STEP_SECONDS)
    first.get_by_text(run_id).first.wait_for()
    first.locator(".vega-embed canvas, .vega-embed svg").first.wait_for(timeout=STEP_SECONDS)
    save_screenshot(first, "launch-live-light", tmp_path)
    first.get_by_text("Training finished.").wait_for(timeout=STEP_SECONDS)
    wait_until_idle(first)
    assert runs_of(home) == {run_id}
    first.get_by_text("Evaluation on held-out rows").wait_for()
    first.get_by_text("Tuned against", exact=False).first.wait_for()
    button(first, "Promote").click()
    first.get_by_text("is the champion of topics").wait_for()
    check_accessible(first)
    assert axe_violations(first, "[data-testid=stMain]") == []
    save_screenshot(first, "launch-result-light", tmp_path)
    first.context.close()

    dark = open_launch_page(browser, f"{url}/launch?run={run_id}", scheme="dark", locale="de-DE")
    dark.get_by_text("Training finished.").wait_for()
    wait_until_idle(dark)
    assert "0,01\xa0$" in dark.inner_text("body")
    check_accessible(dark)
    assert axe_violations(dark, "[data-testid=stMain]") == []
    save_screenshot(dark, "launch-result-dark", tmp_path)
    dark.context.close()


def test_a_run_is_held_goes_on_and_is_ended(browser: Any, url: str, home: Path, rows: Path) -> None:
    page = open_launch_page(browser, f"{url}/launch")
    amount = make_plan(page, rows, "long", Epochs="50")
    text_box(page, "to spend up to").fill(amount)
    page.keyboard.press("Enter")
    page.get_by_text(re.compile(r"at step \d+")).first.wait_for(timeout=STEP_SECONDS)

    button(page, "Pause").click()
    button(page, "Resume").wait_for(timeout=STEP_SECONDS)
    button(page, "Resume").click()
    button(page, "Pause").wait_for(timeout=STEP_SECONDS)
    page.get_by_role("button", name="Cancel", exact=True).click()
    button(page, "Cancel this run").click()

    page.get_by_text("The run ended without a model").wait_for(timeout=STEP_SECONDS)
    page.goto(f"{url}/runs")
    page.get_by_role("combobox", name="Open a run").wait_for()
    check_accessible(page)
    page.context.close()


def test_a_bad_file_and_a_small_cap_are_said_and_nothing_is_lost(
    browser: Any, url: str, home: Path, tmp_path: Path, rows: Path
) -> None:
    before = runs_of(home)
    bad = tmp_path / "broken.jsonl"
    bad.write_bytes(b"\x00\xff\xfe not a row\n" * 20)
    page = open_launch_page(browser, f"{url}/launch")
    fill(page, bad, "kept")

    button(page, "Create plan").click()
    error = page.locator("[data-testid=stAlertContentError]")
    error.wait_for()
    assert "broken.jsonl" in error.inner_text()
    assert "Traceback" not in page.inner_text("body")
    assert text_box(page, "Name of the tuned model").input_value() == "kept"
    page.locator("input[type=file]").set_input_files(rows)
    page.get_by_text(rows.name).wait_for()
    text_box(page, "Cap in USD").fill("0.001")
    button(page, "Create plan").click()
    page.get_by_text("this job may cost up to").wait_for()
    assert text_box(page, "Name of the tuned model").input_value() == "kept"
    assert runs_of(home) == before
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_sound_and_accessible(
    browser: Any, url: str, tmp_path: Path, scheme: str
) -> None:
    for name in PAGES:
        page = open_launch_page(browser, f"{url}/{name}", scheme)
        check_accessible(page)
        assert axe_violations(page, "[data-testid=stMain]") == [], name
        save_screenshot(page, f"{name}-{scheme}", tmp_path)
        page.context.close()
