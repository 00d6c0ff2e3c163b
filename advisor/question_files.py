"""The shipped files, or one of the user's -> the questions of the interview and their words."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from advisor.errors import UsageError, did_you_mean
from advisor.questions import Sheet
from advisor.wording import Texts, english_contradictions, faults, flat, wanted

HERE = Path(__file__).parent
FOLDER = HERE / "interview_texts"
ENGLISH = "en"
SHOWN_FAULTS = 5
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@lru_cache(maxsize=1)
def load_sheet() -> Sheet:
    """Read the questions; once a process."""
    return Sheet.model_validate(_read(HERE / "questions.yaml"))


def languages() -> tuple[str, ...]:
    """Name the languages that are shipped."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


@lru_cache(maxsize=8)
def load_texts(language: str = ENGLISH) -> Texts:
    """Return the words of a shipped language, by its tag; a region in the tag does not matter.

    Raises:
        UsageError: there is no such language.
    """
    tag = language.replace("_", "-").split("-")[0].lower()
    if tag not in languages():
        raise UsageError(f"language {language}", "there are no texts in this language.",
                         did_you_mean(language, languages()).strip())  # fmt: skip
    return texts_of(FOLDER / f"{tag}.yaml")


def texts_of(path: Path) -> Texts:
    """Read the words of a language from a file.

    Raises:
        UsageError: it cannot be read, or some words are missing or unknown.
    """
    words = dict(flat(_mapping(path)))
    if path == FOLDER / f"{ENGLISH}.yaml":
        words |= english_contradictions()
        needed = dict.fromkeys(wanted(load_sheet()), "")
        found = [key for key in needed if key not in words]
        wrong = [f"{key} is missing" for key in found]
    else:
        wrong = list(faults(words, load_texts(ENGLISH).words))
    if wrong:
        more = f", and {len(wrong) - SHOWN_FAULTS} more" if len(wrong) > SHOWN_FAULTS else ""
        raise UsageError(str(path), f"{', '.join(wrong[:SHOWN_FAULTS])}{more}.",
                         "Take the keys and the blanks of the English file.")  # fmt: skip
    return Texts(tag=path.stem, words={key: str(text) for key, text in words.items()})


def _mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(str(path), "there is no such file.", "Check the path.")
    try:
        found = _read(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(str(path), f"this is no YAML in UTF-8: {error}.", "Mend it.") from error
    if not isinstance(found, dict):
        raise UsageError(str(path), "found no mapping.", "Start with 'language:'.")
    return found


def _read(path: Path) -> Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader)
