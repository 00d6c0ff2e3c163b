"""Menu "Scenario and data": bundled examples, saved scenarios, uploads of rows or scenarios."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from advisor.errors import UsageError
from advisor.loading import examples_folder, read_mapping
from advisor.scenario.paths import set_path, without_path
from trainer.home import home_folder
from ui import state

NAME_PATTERN: Final = re.compile(r"[\w][\w .,()+-]{0,59}")
SCENARIO_ENDINGS: Final = (".yaml", ".yml")
ENDINGS: Final = ["jsonl", "json", "csv", "tsv", "parquet", "yaml", "yml"]
MAX_NAME_CHARS: Final = 60
UPLOAD_ERROR_KEY: Final = "upload_refused"
OPENED_KEY: Final = "scenario_opened"


class SavedScenario(NamedTuple):
    """A scenario as it was saved."""

    scenario: dict[str, Any]
    dataset: Path | None


def saved_names() -> list[str]:
    """Return the names of the saved scenarios."""
    folder = _saved_folder()
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []


def save_scenario(name: str, scenario: dict[str, Any], dataset: Path | None) -> None:
    """Save a scenario, replacing one of the same name.

    Raises:
        UsageError: the name is not a valid file name.
    """
    path = _saved_path(name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    record = {"scenario": scenario, "dataset": str(dataset) if dataset else None}
    _write_file(path, orjson.dumps(record, option=orjson.OPT_INDENT_2, default=str))


def read_saved(name: str) -> SavedScenario:
    """Read a saved scenario.

    Raises:
        UsageError: it does not exist, its file is corrupt, or its dataset was deleted.
    """
    path, where = _saved_path(name), f"saved scenario {name}"
    try:
        record = orjson.loads(path.read_bytes())
        scenario, dataset = dict(record["scenario"]), record["dataset"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(where, "it cannot be read.", f"Delete or fix {path}.") from error
    if dataset and not Path(dataset).is_file():
        remedy = "Restore the file, or upload it again."
        raise UsageError(where, f"its dataset {dataset} no longer exists.", remedy)
    return SavedScenario(scenario, Path(dataset) if dataset else None)


def delete_saved(name: str) -> None:
    """Delete a saved scenario."""
    _saved_path(name).unlink(missing_ok=True)


def _saved_folder() -> Path:
    return home_folder() / "scenarios"


def _saved_path(name: str) -> Path:
    if not NAME_PATTERN.fullmatch(name):
        raise UsageError(
            f"name '{name}'",
            "not a valid name.",
            "Use up to 60 letters, digits, spaces and . , ( ) + -.",
        )
    return _saved_folder() / f"{name}.json"


def _write_file(path: Path, data: memoryview | bytes) -> None:
    """Write a file in one step, so that no reader sees half of it."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def draw_open_menu() -> None:
    """Draw the menu."""
    with st.popover("Scenario and data", key="opening"):
        _draw_choice(
            "Bundled examples",
            sorted(path.stem for path in examples_folder().glob("*.yaml")),
            "example",
            state.open_example,
        )
        names = saved_names()
        if names:
            _draw_choice("Saved scenarios", names, "saved_scenario", _open_saved)
            chosen = st.session_state.get("saved_scenario")
            if chosen in names:
                label = f"Delete \u201c{chosen}\u201d"
                st.button(label, on_click=delete_saved, args=(chosen,))
        _draw_file_upload()
    if st.session_state.pop(OPENED_KEY, False):
        st.rerun()  # this menu is a fragment: the rest of the page shows the scenario before


def _draw_choice(label: str, names: list[str], key: str, open_: Callable[[str], object]) -> None:
    def change() -> None:
        if st.session_state[key]:
            open_(st.session_state[key])
            st.session_state[OPENED_KEY] = True

    st.selectbox(label, names, index=None, key=key, on_change=change, placeholder="Choose one")


def _open_saved(name: str) -> None:
    with state.errors_kept():
        saved = read_saved(name)
        state.replace_scenario(saved.scenario, saved.dataset, f"saved scenario {name}")


def _draw_file_upload() -> None:
    upload = st.file_uploader(
        "Your examples, or a scenario file",
        ENDINGS,
        key="upload",
        help="Examples as JSONL, JSON, CSV, TSV or Parquet; a scenario as YAML. "
        "The file stays on this machine.",
    )
    if upload is None:
        st.session_state.pop("upload_taken", None)
        return
    if st.session_state.get("upload_taken") != upload.file_id:
        st.session_state["upload_taken"] = upload.file_id
        st.session_state.pop(UPLOAD_ERROR_KEY, None)
        with state.errors_kept():
            _open_upload(upload)
        message = state.pop_error()
        if message is None:
            st.rerun()
        st.session_state[UPLOAD_ERROR_KEY] = hide_upload_folder(message)
    if UPLOAD_ERROR_KEY in st.session_state:
        st.error(f"{st.session_state[UPLOAD_ERROR_KEY]} Nothing was changed.")


def _open_upload(upload: UploadedFile) -> None:
    path = store_upload(upload.name, upload.getbuffer())
    if path.suffix in SCENARIO_ENDINGS:
        state.replace_scenario(read_mapping(path), where=upload.name)
        return
    bar = st.progress(0.0, "Counting tokens ...")

    def progress(done: int, total: int) -> None:
        share = min(done / total, 1.0) if total else 1.0
        bar.progress(share, f"Counting tokens in {upload.name}")

    state.cached_profile(path, progress)
    bar.empty()
    open_dataset(path, upload.name)


def open_dataset(path: Path, name: str) -> None:
    """Open another dataset, under the name the user knows; its counts replace the values given."""
    scenario = state.current_scenario().scenario
    for counted in ("dataset", "traffic.user_tokens", "traffic.completion_tokens"):
        scenario = without_path(scenario, counted)
    state.replace_scenario(set_path(scenario, "dataset.path", name), path, name)


def hide_upload_folder(message: str) -> str:
    """Remove the folder of stored uploads from a message: the user knows only the file name."""
    return re.sub(rf"{re.escape(str(_upload_folder()))}/[0-9a-f]{{64}}/", "", message)


def _upload_folder() -> Path:
    return home_folder() / "page"


def store_upload(name: str, data: memoryview | bytes) -> Path:
    """Store an uploaded file in the home folder under its hash, once."""
    folder = _upload_folder() / hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / Path(name).name[-MAX_NAME_CHARS:]
    if not path.exists():
        _write_file(path, data)
    return path
