"""calibration.yaml for the commands: where it is found, how it is read and written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import platformdirs
import typer
import yaml

from advisor.actuals.calibration import calibrated, calibration_factors
from advisor.decision.answer import Question
from advisor.errors import ActualsFileError

CALIBRATION_FILE = "calibration.yaml"
REMEDY = "Write it as `advisor actuals --calibration` prints it."
CalibrationFlag = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        help="Corrected inputs; calibration.yaml next to the scenario or in the home folder.",
    ),
]


def calibrate(question: Question, path: Path | None, scenario: Path | None) -> Question:
    """Correct the inputs of a question by the file given, else by one that is found.

    Raises:
        ActualsFileError: the file cannot be read.
    """
    path = path or find_calibration(scenario)
    if path is None:
        return question
    factors = calibration_factors(_entries(path), str(path))
    return calibrated(question, factors, path.name)


def find_calibration(scenario: Path | None) -> Path | None:
    """Return calibration.yaml next to the scenario, else in the home folder, if there is one."""
    named = os.environ.get("TUNE_OR_NOT_HOME")
    home = Path(named) if named else Path(platformdirs.user_data_dir("tune-or-not"))
    folders = [scenario.parent] if scenario else []
    files = (folder / CALIBRATION_FILE for folder in (*folders, home))
    return next((file for file in files if file.is_file()), None)


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield every factor; one that was appended twice is yielded twice."""
    try:
        tree = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise ActualsFileError(str(path), "it cannot be read.", "Check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ActualsFileError(str(path), f"not valid YAML: {error}.", REMEDY) from error
    if tree is None:
        return
    if not isinstance(tree, yaml.MappingNode):
        raise ActualsFileError(str(path), "expected factors with their steps.", REMEDY)
    reader = yaml.SafeLoader("")
    for key, value in tree.value:
        yield str(key.value), reader.construct_object(value, deep=True)


def calibration_text(entries: Mapping[str, Any]) -> str:
    """Write factors as the lines of calibration.yaml."""
    if not entries:
        return ""
    body = yaml.dump(dict(entries), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)
    return str(body)


class _PlainDumper(yaml.SafeDumper):
    """Writes each value in full, never a reference to another."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeat equal values."""
        return True
