"""Scenarios with a name <-> files in the home folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from advisor.errors import UsageError
from trainer.database import home_folder

NAME: Final = re.compile(r"[\w][\w .,()+-]{0,59}")


class Kept(NamedTuple):
    """A scenario as it was saved."""

    scenario: dict[str, Any]
    dataset: Path | None


def names() -> list[str]:
    """Name what is saved."""
    folder = _folder()
    return sorted(path.stem for path in folder.glob("*.json")) if folder.is_dir() else []


def save(name: str, scenario: dict[str, Any], dataset: Path | None) -> None:
    """Save a scenario; one of the same name is replaced.

    Raises:
        UsageError: the name cannot be that of a file.
    """
    path = _path(name)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    record = {"scenario": scenario, "dataset": str(dataset) if dataset else None}
    part = path.with_suffix(".part")
    part.write_bytes(orjson.dumps(record, option=orjson.OPT_INDENT_2, default=str))
    part.replace(path)


def read(name: str) -> Kept:
    """Read a scenario that was saved.

    Raises:
        UsageError: there is none of this name, its file is broken, or its dataset is gone.
    """
    path = _path(name)
    try:
        record = orjson.loads(path.read_bytes())
        scenario, dataset = dict(record["scenario"]), record["dataset"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"saved scenario {name}", "it cannot be read.",
                         f"Delete or mend {path}.") from error  # fmt: skip
    if dataset and not Path(dataset).is_file():
        raise UsageError(f"saved scenario {name}", f"its dataset {dataset} is gone.",
                         "Put the file back, or upload it again.")  # fmt: skip
    return Kept(scenario, Path(dataset) if dataset else None)


def delete(name: str) -> None:
    """Delete a scenario that was saved."""
    _path(name).unlink(missing_ok=True)


def _folder() -> Path:
    return home_folder() / "scenarios"


def _path(name: str) -> Path:
    if not NAME.fullmatch(name):
        raise UsageError(f"the name '{name}'", "it cannot be that of a file.",
                         "Take up to 60 letters, digits, spaces and . , ( ) + -.")  # fmt: skip
    return _folder() / f"{name}.json"
