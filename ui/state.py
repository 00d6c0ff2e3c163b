"""One visitor's clicks -> what is asked at the moment, and its answer.

The page's way into the trainer: one office a process, and one thread that brings runs on.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import streamlit as st

from advisor.dataset.profile import Profile
from advisor.dataset.reader import Progress, profile_file
from advisor.decision.answer import Answer, Question, recommend
from advisor.errors import AdvisorError, ScenarioError
from advisor.evidence import Evidence
from advisor.inputs import Assumption
from advisor.loading import examples_folder, load_evidence, load_rule_catalogue, read_mapping
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from advisor.scenario.paths import get_path, set_path, without_path
from advisor.scenario.scenario import scenario_from
from trainer.context import TrainerContext, open_context
from trainer.home import home_folder
from trainer.providers.deployments import hosting_for
from trainer.runs.background import BackgroundReconciler
from trainer.runs.deployments import end_overdue
from trainer.storage.database import database_url

DEFAULT_EXAMPLE = "email-triage"
STATE_KEY = "whatif_state"
ERROR_KEY = "whatif_trouble"
PAGES_KEY = "whatif_pages"
LAUNCH_OPTION_KEY = "launch_option"
MAX_PROFILES = 32


@dataclass(frozen=True)
class CurrentScenario:
    """What the visitor asks at the moment, answered."""

    scenario: dict[str, Any]
    """The scenario as a file would say it."""
    where: str
    """Where it came from, for messages."""
    dataset: Path | None
    """File of examples, if there is one."""
    profile: Profile | None
    """What that file holds."""
    answer: Answer
    """The answer, without what would flip it."""


@dataclass(frozen=True)
class _ScenarioState:
    scenario: dict[str, Any]
    where: str
    dataset: Path | None
    epoch: int


def current_scenario() -> CurrentScenario:
    """Return what is asked, with its answer; a new visitor asks the bundled example.

    Raises:
        AdvisorError: the price book or the bundled example cannot be used.
    """
    now = _current_state()
    question = _question_of(now)
    return CurrentScenario(
        now.scenario, now.where, now.dataset, question.profile, _cached_answer(question)
    )


def current_question() -> Question:
    """Return the question that is asked at the moment."""
    return _question_of(_current_state())


def complete_answer() -> Answer:
    """Return the whole answer, with what would flip it: the bytes that every door returns."""
    return _cached_answer(replace(current_question(), with_sensitivity=True))


def answer_for(mapping: Mapping[str, Any], dataset: Path | None, where: str) -> Answer:
    """Answer another scenario without asking it.

    Raises:
        AdvisorError: it cannot be used.
    """
    return _cached_answer(_question_of(_ScenarioState(dict(mapping), where, dataset, 0)))


def scenario_epoch() -> int:
    """Count how often the whole scenario was replaced; a control of an older one is stale."""
    return _current_state().epoch


def set_field(path: str, value: Any) -> None:
    """Set one dotted path of the scenario; None takes it back to what is measured or assumed.

    A value that cannot be used changes nothing, and the page says why.
    """
    now = _current_state()
    kept = without_path(now.scenario, path)
    _try_state(replace(now, scenario=kept if value is None else set_path(kept, path, value)))


def replace_scenario(
    mapping: Mapping[str, Any], dataset: Path | None = None, where: str = "page"
) -> bool:
    """Ask another scenario; return whether it could be answered.

    One that cannot be used changes nothing, and the page says why.
    """
    scenario = copy.deepcopy(dict(mapping))
    return _try_state(_ScenarioState(scenario, where, dataset, _current_state().epoch + 1))


def open_example(name: str) -> bool:
    """Ask a bundled example."""
    state = _example_state(name)
    return replace_scenario(state.scenario, state.dataset, state.where)


def pop_error() -> str | None:
    """Return what was wrong with the last change, once."""
    found = st.session_state.pop(ERROR_KEY, None)
    return None if found is None else str(found)


def keep_error(error: Exception) -> None:
    """Keep an error for the next drawing of the page."""
    st.session_state[ERROR_KEY] = str(error)


def open_launch_page(option_id: str) -> None:
    """Open the launch page with an option chosen."""
    st.session_state[LAUNCH_OPTION_KEY] = option_id
    st.switch_page(st.session_state[PAGES_KEY]["Launch"])


def price_book() -> PriceBook:
    """Return the price book with the prices of the home folder; read anew when those change."""
    own = home_folder() / "prices.yaml"
    return _book(str(own), own.stat().st_mtime_ns if own.is_file() else 0)


def cached_profile(path: Path, progress: Progress | None = None) -> Profile:
    """Count a file once, however often it is asked about.

    Raises:
        DatasetError: it cannot be read, or holds no example.
    """
    stat = path.stat()
    key = (str(path), stat.st_mtime_ns, stat.st_size)
    kept = _profiles()
    if key not in kept:
        kept[key] = profile_file(path, progress=progress)
        while len(kept) > MAX_PROFILES:
            kept.pop(next(iter(kept)), None)
    return kept[key]


def _current_state() -> _ScenarioState:
    if STATE_KEY not in st.session_state:
        st.session_state[STATE_KEY] = _example_state(DEFAULT_EXAMPLE)
    state: _ScenarioState = st.session_state[STATE_KEY]
    return state


def _try_state(state: _ScenarioState) -> bool:
    try:
        _cached_answer(_question_of(state))
    except (AdvisorError, OSError) as error:
        keep_error(error)
        return False
    st.session_state[STATE_KEY] = state
    st.session_state.pop(ERROR_KEY, None)
    return True


def _example_state(name: str) -> _ScenarioState:
    path = examples_folder() / f"{name}.yaml"
    mapping = read_mapping(path)
    named = get_path(mapping, "dataset.path")
    return _ScenarioState(mapping, str(path), path.parent / named if named else None, 0)


def _question_of(state: _ScenarioState) -> Question:
    """Make the question as `advisor.loading.ask` does, with what does not change kept at hand."""
    mapping = dict(state.scenario)
    default_assumptions: tuple[Assumption, ...] = ()
    if "asked_on" not in mapping:
        today = datetime.now(tz=UTC).date().isoformat()
        mapping["asked_on"] = today
        says = "No day was given: today's prices and rules hold."
        default_assumptions = (Assumption(path="asked_on", value=today, says=says),)
    scenario = scenario_from(mapping, state.where)
    if scenario.dataset.path and state.dataset is None:
        raise ScenarioError(
            f"{state.where}: dataset.path",
            f"found '{scenario.dataset.path}'.",
            "Upload the file itself: the page opens no file by name.",
        )
    profile = cached_profile(state.dataset) if state.dataset else None
    return Question(
        scenario,
        price_book(),
        _evidence(),
        profile,
        with_sensitivity=False,
        default_assumptions=default_assumptions,
        catalogue=load_rule_catalogue(),
    )


def _cached_answer(asked_now: Question) -> Answer:
    day = asked_now.scenario.model_dump_json()
    rows = asked_now.profile.dataset_sha256 if asked_now.profile else ""
    text = "\n".join((day, rows, asked_now.book.sha256, repr(asked_now.default_assumptions)))
    key = hashlib.sha256(text.encode()).hexdigest()
    return _answer_by_key(key, asked_now.with_sensitivity, asked_now)


@st.cache_resource(max_entries=512, show_spinner=False)
def _answer_by_key(key: str, with_sensitivity: bool, _asked: Question) -> Answer:
    return recommend(_asked)


@st.cache_resource(show_spinner=False)
def _profiles() -> dict[tuple[str, int, int], Profile]:
    return {}


@st.cache_resource(max_entries=4, show_spinner=False)
def _book(overlay: str, changed_ns: int) -> PriceBook:
    return load_prices(overlay=Path(overlay) if changed_ns else None)


@st.cache_resource(show_spinner=False)
def _evidence() -> Evidence:
    return load_evidence()


@dataclass(frozen=True)
class PageContext:
    """What all visitors of this process share."""

    context: TrainerContext
    """Everything that working on a run needs."""
    driver: BackgroundReconciler
    """Brings open runs further, also while nobody looks."""


def page_context() -> PageContext:
    """Return the desk of the home folder that is set; a changed price overlay opens it anew.

    Raises:
        AdvisorError: the database or the price book cannot be opened.
    """
    own = home_folder() / "prices.yaml"
    changed = own.stat().st_mtime_ns if own.is_file() else 0
    return _open_page_context(str(home_folder()), database_url(), changed)


def trainer_context() -> TrainerContext:
    """Return the office of the desk."""
    return page_context().context


def _close_context(left: PageContext) -> None:
    left.driver.stop()
    left.context.store.engine.dispose()


@st.cache_resource(show_spinner=False, max_entries=1, on_release=_close_context)
def _open_page_context(home: str, database: str, prices_changed_ns: int) -> PageContext:
    opened = open_context()
    made = PageContext(opened, BackgroundReconciler(opened, lambda: _end_overdue(opened)))
    made.driver.start()
    return made


def _end_overdue(opened: TrainerContext) -> None:
    end_overdue(opened, lambda provider: hosting_for(provider, opened.book))
