"""An example, a saved scenario or a file -> what is asked next.

Scenarios with a name <-> files in the home folder.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from advisor.errors import AdvisorError, UsageError
from advisor.loading import examples_folder, read_mapping
from advisor.scenario.paths import set_path, without_path
from trainer.home import home_folder
from ui import state

NAME_PATTERN: Final = re.compile(r"[\w][\w .,()+-]{0,59}")


class SavedScenario(NamedTuple):
    """A scenario as it was saved."""

    scenario: dict[str, Any]
    dataset: Path | None


def saved_names() -> list[str]:
    """Name what is saved."""
    folder = _saved_folder()
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []


def save_scenario(name: str, scenario: dict[str, Any], dataset: Path | None) -> None:
    """Save a scenario; one of the same name is replaced.

    Raises:
        UsageError: the name cannot be that of a file.
    """
    path = _saved_path(name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    record = {"scenario": scenario, "dataset": str(dataset) if dataset else None}
    part = path.with_suffix(".part")
    part.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2, default=str))
    part.replace(path)


def read_saved(name: str) -> SavedScenario:
    """Read a scenario that was saved.

    Raises:
        UsageError: there is none of this name, its file is broken, or its dataset is gone.
    """
    path = _saved_path(name)
    try:
        record = orjson.loads(path.read_bytes())
        scenario, dataset = dict(record["scenario"]), record["dataset"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"saved scenario {name}", "it cannot be read.", f"Delete or mend {path}."
        ) from error
    if dataset and not Path(dataset).is_file():
        raise UsageError(
            f"saved scenario {name}",
            f"its dataset {dataset} is gone.",
            "Put the file back, or upload it again.",
        )
    return SavedScenario(scenario, Path(dataset) if dataset else None)


def delete_saved(name: str) -> None:
    """Delete a scenario that was saved."""
    _saved_path(name).unlink(missing_ok=True)


def _saved_folder() -> Path:
    return home_folder() / "scenarios"


def _saved_path(name: str) -> Path:
    if not NAME_PATTERN.fullmatch(name):
        raise UsageError(
            f"the name '{name}'",
            "it cannot be that of a file.",
            "Take up to 60 letters, digits, spaces and . , ( ) + -.",
        )
    return _saved_folder() / f"{name}.json"


SCENARIO_ENDINGS: Final = (".yaml", ".yml")
ENDINGS: Final = ["jsonl", "json", "csv", "tsv", "parquet", "yaml", "yml"]
MAX_NAME_CHARS: Final = 60
UPLOAD_ERROR_KEY: Final = "upload_refused"


def draw_open_menu() -> None:
    """Draw the menu that opens things."""
    with st.popover("Question and data", key="opening"):
        _draw_examples()
        _draw_saved_scenarios()
        _draw_file_upload()


def _draw_examples() -> None:
    names = sorted(path.stem for path in examples_folder().glob("*.yaml"))

    def hear() -> None:
        if st.session_state["example"]:
            state.open_example(st.session_state["example"])

    st.selectbox(
        "Bundled examples",
        names,
        index=None,
        key="example",
        on_change=hear,
        placeholder="Choose one",
    )


def _draw_saved_scenarios() -> None:
    found = saved_names()
    if not found:
        return

    def hear() -> None:
        chosen = st.session_state["saved_scenario"]
        if chosen:
            try:
                kept = read_saved(chosen)
            except AdvisorError as error:
                state.keep_error(error)
                return
            state.replace_scenario(kept.scenario, kept.dataset, f"saved scenario {chosen}")

    st.selectbox(
        "Saved scenarios",
        found,
        index=None,
        key="saved_scenario",
        on_change=hear,
        placeholder="Choose one",
    )


def _draw_file_upload() -> None:
    found = st.file_uploader(
        "Your examples, or a scenario file",
        ENDINGS,
        key="upload",
        help="Rows as JSONL, JSON, CSV, TSV or Parquet; a scenario as YAML. "
        "It stays on this machine.",
    )
    if found is None:
        st.session_state.pop("upload_taken", None)
        return
    if st.session_state.get("upload_taken") == found.file_id:
        _draw_upload_error()
        return
    st.session_state["upload_taken"] = found.file_id
    st.session_state.pop(UPLOAD_ERROR_KEY, None)
    try:
        _open_upload(found)
    except (AdvisorError, OSError) as error:
        state.keep_error(error)
    wrong = state.pop_error()
    if wrong is None:
        st.rerun()
    st.session_state[UPLOAD_ERROR_KEY] = hide_upload_folder(str(wrong))
    _draw_upload_error()


def _draw_upload_error() -> None:
    if UPLOAD_ERROR_KEY in st.session_state:
        st.error(f"{st.session_state[UPLOAD_ERROR_KEY]} Nothing was changed.")


def _open_upload(found: UploadedFile) -> None:
    path = store_upload(found.name, found.getbuffer())
    if path.suffix in SCENARIO_ENDINGS:
        state.replace_scenario(read_mapping(path), where=found.name)
        return
    bar = st.progress(0.0, "Counting tokens ...")

    def progress(done: int, whole: int) -> None:
        bar.progress(min(done / whole, 1.0) if whole else 1.0, f"Counting tokens in {found.name}")

    state.cached_profile(path, progress)
    bar.empty()
    open_dataset(path, found.name)


def open_dataset(path: Path, name: str) -> None:
    """Ask the question of the moment about another file: its counts take the place of given ones.

    Args:
        path: The file.
        name: What the reader calls it.
    """
    asked = state.current_scenario()
    scenario = without_path(asked.scenario, "dataset")
    for path_counted in ("traffic.user_tokens", "traffic.completion_tokens"):
        scenario = without_path(scenario, path_counted)
    scenario = set_path(scenario, "dataset.path", name)
    state.replace_scenario(scenario, path, name)


def hide_upload_folder(message: str) -> str:
    """Leave the folder of kept files out of a message: the reader knows the file by its name."""
    return re.sub(rf"{re.escape(str(_upload_folder()))}/[0-9a-f]{{64}}/", "", message)


def _upload_folder() -> Path:
    return home_folder() / "page"


def store_upload(name: str, data: memoryview | bytes) -> Path:
    """Keep an uploaded file in the home folder under its hash, once."""
    sha = hashlib.sha256(data).hexdigest()
    folder = _upload_folder() / sha
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / Path(name).name[-MAX_NAME_CHARS:]
    if not path.exists():
        part = path.with_name(path.name + ".part")
        part.write_bytes(data)
        part.replace(path)
    return path
