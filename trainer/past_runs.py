"""Lines of `calibration.yaml` in the home folder -> what a training took over what was reckoned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from trainer.errors import Refused

FILE = "calibration.yaml"
RATIO = "train_ratio"
"""First part of the factor's name: seconds of training, measured over reckoned."""
NEWEST = 5
"""So many of the newest runs are looked at."""


class Past(NamedTuple):
    """What past runs of a machine and a method taught."""

    runs: int
    low: float
    likely: float
    high: float


def factor_of(machine: str, method: str) -> str:
    """Name the factor.

    >>> factor_of("T4", "qlora")
    'train_ratio/T4/qlora'
    """
    return f"{RATIO}/{machine}/{method}"


def past_of(home: Path, machine: str, method: str) -> Past | None:
    """Read what past runs taught: the middle of the newest, and how far they lie apart.

    Raises:
        Refused: the file cannot be read.
    """
    path = home / FILE
    if not path.is_file():
        return None
    wanted = factor_of(machine, method)
    try:
        found = [step for name, step in _steps(path) if name == wanted]
        found = sorted(found, key=lambda step: str(step["since"]))[-NEWEST:]
        likely = sorted(float(step["likely"]) for step in found)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"{path}: {wanted} cannot be read ({error}). Write it as `trainer show RUN "
                      "--calibration` prints it.") from error  # fmt: skip
    if not likely:
        return None
    if likely[0] <= 0:
        raise Refused(f"{path}: {wanted} cannot be read: {likely[0]:g} is not above 0. Remove the "
                      "line.")  # fmt: skip
    return Past(len(likely), likely[0], likely[len(likely) // 2], likely[-1])


def _steps(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give every step; a factor that was appended twice has the steps of both."""
    tree = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    if tree is None:
        return
    reader = yaml.SafeLoader("")
    for key, value in tree.value:
        for step in reader.construct_object(value, deep=True)["steps"]:
            yield str(key.value), step
