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
from advisor.decision.answer import Answer, Question, answer
from advisor.errors import AdvisorError, ScenarioError
from advisor.evidence import Evidence
from advisor.inputs import Assumption
from advisor.loading import examples_folder, load_catalogue, load_evidence, read_mapping
from advisor.prices.book import Book
from advisor.prices.loader import load_book
from advisor.scenario.scenario import scenario_from
from trainer.context import Office, open_office
from trainer.home import home_folder
from trainer.providers.deployments import hosting_for
from trainer.runs.background import Driver
from trainer.runs.deployments import end_overdue
from trainer.storage.database import database_url

OPENS_ON = "email-triage"
STATE = "whatif_state"
TROUBLE = "whatif_trouble"
PAGES = "whatif_pages"
LAUNCH_OPTION = "launch_option"
MOST_PROFILES = 32


@dataclass(frozen=True)
class Asked:
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
class _State:
    scenario: dict[str, Any]
    where: str
    dataset: Path | None
    epoch: int


def asked() -> Asked:
    """Return what is asked, with its answer; a new visitor asks the bundled example.

    Raises:
        AdvisorError: the price book or the bundled example cannot be used.
    """
    now = _now()
    question = _question(now)
    return Asked(now.scenario, now.where, now.dataset, question.profile, _answered(question))


def question() -> Question:
    """Return the question that is asked at the moment."""
    return _question(_now())


def with_flips() -> Answer:
    """Return the whole answer, with what would flip it: the bytes that every door returns."""
    return _answered(replace(question(), with_flips=True))


def answered(mapping: Mapping[str, Any], dataset: Path | None, where: str) -> Answer:
    """Answer another scenario without asking it.

    Raises:
        AdvisorError: it cannot be used.
    """
    return _answered(_question(_State(dict(mapping), where, dataset, 0)))


def epoch() -> int:
    """Count how often the whole scenario was replaced; a control of an older one is stale."""
    return _now().epoch


def change(path: str, value: Any) -> None:
    """Set one dotted path of the scenario; None takes it back to what is measured or assumed.

    A value that cannot be used changes nothing, and the page says why.
    """
    now = _now()
    _try(replace(now, scenario=set_path(now.scenario, path, value)))


def replace_scenario(
    mapping: Mapping[str, Any], dataset: Path | None = None, where: str = "page"
) -> bool:
    """Ask another scenario; return whether it could be answered.

    One that cannot be used changes nothing, and the page says why.
    """
    scenario = copy.deepcopy(dict(mapping))
    return _try(_State(scenario, where, dataset, _now().epoch + 1))


def open_example(name: str) -> bool:
    """Ask a bundled example."""
    state = _example(name)
    return replace_scenario(state.scenario, state.dataset, state.where)


def trouble() -> str | None:
    """Return what was wrong with the last change, once."""
    found = st.session_state.pop(TROUBLE, None)
    return None if found is None else str(found)


def report(error: Exception) -> None:
    """Keep an error for the next drawing of the page."""
    st.session_state[TROUBLE] = str(error)


def goto_launch(option_id: str) -> None:
    """Open the launch page with an option chosen."""
    st.session_state[LAUNCH_OPTION] = option_id
    st.switch_page(st.session_state[PAGES]["Launch"])


def set_path(mapping: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return the mapping with one dotted path set, or taken out where the value is None.

    >>> set_path({"traffic": {"turns": 2}}, "traffic.turns", None)
    {}
    >>> set_path({}, "quality.target", 0.9)
    {'quality': {'target': 0.9}}
    """
    section, _, rest = path.partition(".")
    made = dict(mapping)
    if not rest:
        made[section] = value
    else:
        inner = made.get(section)
        made[section] = set_path(inner if isinstance(inner, Mapping) else {}, rest, value)
    if made[section] is None or made[section] == {}:
        del made[section]
    return made


def get_path(mapping: Mapping[str, Any], path: str) -> Any:
    """Return what stands at a dotted path, or None.

    >>> get_path({"quality": {"target": 0.9}}, "quality.target")
    0.9
    """
    found: Any = mapping
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def book() -> Book:
    """Return the price book with the prices of the home folder; read anew when those change."""
    own = home_folder() / "prices.yaml"
    return _book(str(own), own.stat().st_mtime_ns if own.is_file() else 0)


def profile_of(path: Path, progress: Progress | None = None) -> Profile:
    """Count a file once, however often it is asked about.

    Raises:
        DatasetError: it cannot be read, or holds no example.
    """
    stat = path.stat()
    key = (str(path), stat.st_mtime_ns, stat.st_size)
    kept = _profiles()
    if key not in kept:
        kept[key] = profile_file(path, progress=progress)
        while len(kept) > MOST_PROFILES:
            kept.pop(next(iter(kept)), None)
    return kept[key]


def _now() -> _State:
    if STATE not in st.session_state:
        st.session_state[STATE] = _example(OPENS_ON)
    state: _State = st.session_state[STATE]
    return state


def _try(state: _State) -> bool:
    try:
        _answered(_question(state))
    except (AdvisorError, OSError) as error:
        report(error)
        return False
    st.session_state[STATE] = state
    st.session_state.pop(TROUBLE, None)
    return True


def _example(name: str) -> _State:
    path = examples_folder() / f"{name}.yaml"
    mapping = read_mapping(path)
    named = get_path(mapping, "dataset.path")
    return _State(mapping, str(path), path.parent / named if named else None, 0)


def _question(state: _State) -> Question:
    """Make the question as `advisor.loading.ask` does, with what does not change kept at hand."""
    mapping = dict(state.scenario)
    defaulted: tuple[Assumption, ...] = ()
    if "asked_on" not in mapping:
        today = datetime.now(tz=UTC).date().isoformat()
        mapping["asked_on"] = today
        says = "No day was given: today's prices and rules hold."
        defaulted = (Assumption(path="asked_on", value=today, says=says),)
    scenario = scenario_from(mapping, state.where)
    if scenario.dataset.path and state.dataset is None:
        raise ScenarioError(
            f"{state.where}: dataset.path",
            f"found '{scenario.dataset.path}'.",
            "Upload the file itself: the page opens no file by name.",
        )
    profile = profile_of(state.dataset) if state.dataset else None
    return Question(
        scenario,
        book(),
        _evidence(),
        profile,
        with_flips=False,
        defaulted=defaulted,
        catalogue=load_catalogue(),
    )


def _answered(asked_now: Question) -> Answer:
    day = asked_now.scenario.model_dump_json()
    rows = asked_now.profile.dataset_sha256 if asked_now.profile else ""
    text = "\n".join((day, rows, asked_now.book.sha256, repr(asked_now.defaulted)))
    key = hashlib.sha256(text.encode()).hexdigest()
    return _answer(key, asked_now.with_flips, asked_now)


@st.cache_resource(max_entries=512, show_spinner=False)
def _answer(key: str, with_flips: bool, _asked: Question) -> Answer:
    return answer(_asked)


@st.cache_resource(show_spinner=False)
def _profiles() -> dict[tuple[str, int, int], Profile]:
    return {}


@st.cache_resource(max_entries=4, show_spinner=False)
def _book(overlay: str, changed_ns: int) -> Book:
    return load_book(overlay=Path(overlay) if changed_ns else None)


@st.cache_resource(show_spinner=False)
def _evidence() -> Evidence:
    return load_evidence()


@dataclass(frozen=True)
class Desk:
    """What all visitors of this process share."""

    office: Office
    """Everything that working on a run needs."""
    driver: Driver
    """Brings open runs further, also while nobody looks."""


def desk() -> Desk:
    """Return the desk of the home folder that is set; a changed price overlay opens it anew.

    Raises:
        AdvisorError: the database or the price book cannot be opened.
    """
    own = home_folder() / "prices.yaml"
    changed = own.stat().st_mtime_ns if own.is_file() else 0
    return _desk(str(home_folder()), database_url(), changed)


def office() -> Office:
    """Return the office of the desk."""
    return desk().office


def _leave(left: Desk) -> None:
    left.driver.stop()
    left.office.store.engine.dispose()


@st.cache_resource(show_spinner=False, max_entries=1, on_release=_leave)
def _desk(home: str, database: str, prices_changed_ns: int) -> Desk:
    opened = open_office()
    made = Desk(opened, Driver(opened, lambda: _end_overdue(opened)))
    made.driver.start()
    return made


def _end_overdue(opened: Office) -> None:
    end_overdue(opened, lambda provider: hosting_for(provider, opened.book))
