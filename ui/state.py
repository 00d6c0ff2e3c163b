"""State of the page: the visitor's scenario with its answer, and what all visitors share."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import streamlit as st

from advisor.console import today
from advisor.dataset.profile import Profile
from advisor.dataset.reader import Progress, profile_file
from advisor.decision.answer import Answer, summarize
from advisor.decision.evaluate import EvaluatedQuestion, Question, evaluate
from advisor.errors import AdvisorError, ScenarioError
from advisor.inputs import ResolvedScenario
from advisor.loading import examples_folder, make_question, read_mapping
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from advisor.scenario.paths import get_path, set_path, without_path
from trainer.context import TrainerContext, open_context
from trainer.home import home_folder
from trainer.providers.deployments import hosting_for
from trainer.runs.background import BackgroundReconciler
from trainer.runs.deployments import end_overdue
from trainer.storage.database import database_url

DEFAULT_EXAMPLE = "email-triage"
STATE_KEY = "whatif_state"
HOLDER_KEY = "whatif_holder"
ERROR_KEY = "whatif_trouble"
PAGES_KEY = "whatif_pages"
LAUNCH_OPTION_KEY = "launch_option"
MAX_PROFILES = 32


@dataclass(frozen=True)
class CurrentScenario:
    """The visitor's scenario, checked and answered once; every part of the page reads it."""

    scenario: dict[str, Any]
    """The scenario, in the form of a scenario file."""
    where: str
    """Source of the scenario, for messages."""
    dataset: Path | None
    """File of examples, if there is one."""
    epoch: int
    """How often the scenario was replaced; controls of an earlier epoch are stale."""
    question: Question
    """The checked scenario with prices, evidence and the dataset's statistics."""
    resolved: ResolvedScenario
    """The numbers behind the answer."""
    answer: Answer
    """The answer, without the nearest changes."""

    @property
    def profile(self) -> Profile | None:
        """Statistics of the dataset."""
        return self.question.profile


def current_scenario() -> CurrentScenario:
    """Return the scenario with its answer; a new visitor starts with the bundled example.

    Raises:
        AdvisorError: the price book or the bundled example cannot be used.
    """
    current: CurrentScenario | None = st.session_state.get(STATE_KEY)
    if current is None:
        return _remember(_evaluated(*_example(DEFAULT_EXAMPLE), 0))
    if _is_outdated(current):
        return _remember(
            _evaluated(current.scenario, current.dataset, current.where, current.epoch)
        )
    return current


def complete_answer(current: CurrentScenario | None = None) -> Answer:
    """Return the answer with the nearest changes, as CLI, API and library do on request."""
    question = (current or current_scenario()).question
    return _cached_complete_answer(_key(question), question)


def answer_reader() -> Callable[[], Answer]:
    """Return a function that reads the complete answer outside of the script's thread.

    Streamlit calls the data of a download button in another thread, without a session.
    """
    current_scenario()
    holder: dict[str, CurrentScenario] = st.session_state[HOLDER_KEY]
    return lambda: complete_answer(holder["current"])


def answer_for(mapping: Mapping[str, Any], dataset: Path | None, where: str) -> Answer:
    """Return the answer for another scenario without opening it.

    Raises:
        AdvisorError: the scenario cannot be used.
    """
    return _evaluated(mapping, dataset, where, 0).answer


def set_field(path: str, value: Any) -> None:
    """Set one dotted path of the scenario; None restores the measured or assumed value.

    An invalid value changes nothing, and the page shows the error.
    """
    current = current_scenario()
    scenario = without_path(current.scenario, path)
    scenario = scenario if value is None else set_path(scenario, path, value)
    _try_scenario(scenario, current.dataset, current.where, current.epoch)


def replace_scenario(
    mapping: Mapping[str, Any], dataset: Path | None = None, where: str = "page"
) -> bool:
    """Open another scenario; return whether it could be answered.

    An invalid scenario changes nothing, and the page shows the error.
    """
    return _try_scenario(copy.deepcopy(dict(mapping)), dataset, where, current_scenario().epoch + 1)


def open_example(name: str) -> bool:
    """Open a bundled example."""
    return replace_scenario(*_example(name))


def pop_error() -> str | None:
    """Return the error of the last change, once."""
    error = st.session_state.pop(ERROR_KEY, None)
    return None if error is None else str(error)


@contextmanager
def errors_kept() -> Iterator[None]:
    """Keep an error for the next drawing of the page; for callbacks, which cannot draw."""
    try:
        yield
    except (AdvisorError, OSError) as error:
        st.session_state[ERROR_KEY] = str(error)


@contextmanager
def errors_drawn() -> Iterator[None]:
    """Draw an error where it occurs."""
    try:
        yield
    except (AdvisorError, OSError) as error:
        st.error(str(error))


def draw_kept_error() -> None:
    """Draw the error of the last change, once."""
    error = pop_error()
    if error:
        st.error(error)


def open_launch_page(option_id: str) -> None:
    """Open the Launch page with an option selected."""
    st.session_state[LAUNCH_OPTION_KEY] = option_id
    st.switch_page(st.session_state[PAGES_KEY]["Launch"])


def price_book() -> PriceBook:
    """Return the price book with the prices of the home folder; reloaded when those change."""
    overlay = home_folder() / "prices.yaml"
    return _cached_book(str(overlay), _changed_ns(overlay))


def cached_profile(path: Path, progress: Progress | None = None) -> Profile:
    """Return the statistics of a file, computed once per version of the file.

    Raises:
        DatasetError: it cannot be read, or contains no example.
    """
    stat = path.stat()
    key = (str(path), stat.st_mtime_ns, stat.st_size)
    profiles = _profiles()
    if key not in profiles:
        profiles[key] = profile_file(path, progress=progress)
        while len(profiles) > MAX_PROFILES:
            profiles.pop(next(iter(profiles)), None)
    return profiles[key]


def _is_outdated(current: CurrentScenario) -> bool:
    """Return whether prices, or the date of a scenario that names none, have changed since."""
    is_same_day = "asked_on" in current.scenario or current.question.scenario.asked_on == today()
    return not is_same_day or current.question.book is not price_book()


def _remember(current: CurrentScenario) -> CurrentScenario:
    st.session_state[STATE_KEY] = current
    st.session_state.setdefault(HOLDER_KEY, {})["current"] = current
    return current


def _try_scenario(scenario: dict[str, Any], dataset: Path | None, where: str, epoch: int) -> bool:
    st.session_state.pop(ERROR_KEY, None)
    with errors_kept():
        _remember(_evaluated(scenario, dataset, where, epoch))
        return True
    return False


def _example(name: str) -> tuple[dict[str, Any], Path | None, str]:
    path = examples_folder() / f"{name}.yaml"
    mapping = read_mapping(path)
    dataset = get_path(mapping, "dataset.path")
    return mapping, path.parent / dataset if dataset else None, str(path)


def _evaluated(
    mapping: Mapping[str, Any], dataset: Path | None, where: str, epoch: int
) -> CurrentScenario:
    question = _question(mapping, dataset, where)
    resolved, answer = _cached_answer(_key(question), question)
    return CurrentScenario(dict(mapping), where, dataset, epoch, question, resolved, answer)


def _question(mapping: Mapping[str, Any], dataset: Path | None, where: str) -> Question:
    path = get_path(mapping, "dataset.path")
    if path and dataset is None:
        raise ScenarioError(
            f"{where}: dataset.path",
            f"found '{path}'.",
            "Upload the file itself: the page opens no file by name.",
        )
    profile = cached_profile(dataset) if dataset else None
    return make_question(mapping, where, dataset=profile, book=price_book(), today=today())


def _key(question: Question) -> str:
    parts = (
        question.scenario.model_dump_json(),
        question.profile.dataset_sha256 if question.profile else "",
        question.book.sha256,
        repr(question.default_assumptions),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@st.cache_resource(max_entries=16, show_spinner=False)
def _cached_evaluation(key: str, _question: Question) -> EvaluatedQuestion:
    """Evaluate a question; few are kept, as each has the costs of all options over all draws."""
    return evaluate(_question)


@st.cache_resource(max_entries=512, show_spinner=False)
def _cached_answer(key: str, _question: Question) -> tuple[ResolvedScenario, Answer]:
    evaluated = _cached_evaluation(key, _question)
    return evaluated.resolved, summarize(evaluated)


@st.cache_resource(max_entries=512, show_spinner=False)
def _cached_complete_answer(key: str, _question: Question) -> Answer:
    evaluated = _cached_evaluation(key, _question)
    return summarize(replace(evaluated, question=replace(_question, with_sensitivity=True)))


@st.cache_resource(show_spinner=False)
def _profiles() -> dict[tuple[str, int, int], Profile]:
    return {}


@st.cache_resource(max_entries=4, show_spinner=False)
def _cached_book(overlay: str, changed_ns: int) -> PriceBook:
    return load_prices(overlay=Path(overlay) if changed_ns else None)


def _changed_ns(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


def reconciler() -> BackgroundReconciler:
    """Return what advances open runs, for all visitors; reopened when the price overlay changes.

    Raises:
        AdvisorError: the database or the price book cannot be opened.
    """
    changed_ns = _changed_ns(home_folder() / "prices.yaml")
    return _open_page_context(str(home_folder()), database_url(), changed_ns)


def trainer_context() -> TrainerContext:
    """Return the context of the current home folder, or raise as `reconciler` does."""
    return reconciler().context


def _close_context(reconciler: BackgroundReconciler) -> None:
    reconciler.stop()
    reconciler.context.store.engine.dispose()


@st.cache_resource(show_spinner=False, max_entries=1, on_release=_close_context)
def _open_page_context(home: str, database: str, changed_ns: int) -> BackgroundReconciler:
    context = open_context()

    def end_deployments() -> None:
        end_overdue(context, lambda provider: hosting_for(provider, context.book))

    opened = BackgroundReconciler(context, end_deployments)
    opened.start()
    return opened
