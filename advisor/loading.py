"""Files and mappings -> questions and answers: the one place where the line meets the disk.

The shipped files, or one of the user's -> the questions of the interview and their words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from advisor.console import today
from advisor.dataset.reader import profile_file
from advisor.decision import answer
from advisor.decision.answer import Answer, Question
from advisor.decision.sweep import SweepColumns
from advisor.decision.sweep import sweep as sweep_variants
from advisor.errors import ScenarioError, TeamRuleError, UsageError, did_you_mean
from advisor.evidence import Evidence
from advisor.inputs import Assumption
from advisor.interview.questions import Questionnaire
from advisor.interview.texts import (
    InterviewTexts,
    english_contradictions,
    flatten,
    required_keys,
    translation_errors,
)
from advisor.prices.book import PriceBook
from advisor.prices.loader import load_prices
from advisor.report.sentences import Sentences
from advisor.rules.catalogue import RuleCatalogue
from advisor.rules.team_rules import TeamRule, team_rules_from
from advisor.scenario.scenario import Scenario, scenario_from

Progress = Callable[[int, int], None]
HERE = Path(__file__).parent
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@lru_cache(maxsize=4)
def load_evidence(path: Path | None = None) -> Evidence:
    """Read what the decision takes from published work; a file is read once a process."""
    text = (path or HERE / "data" / "evidence.yaml").read_text(encoding="utf-8")
    return Evidence.model_validate(yaml.load(text, Loader))


@lru_cache(maxsize=1)
def load_rule_catalogue() -> RuleCatalogue:
    """Read the program's own rules; once a process."""
    text = (HERE / "data" / "rules.yaml").read_text(encoding="utf-8")
    return RuleCatalogue.model_validate(yaml.load(text, Loader))


@lru_cache(maxsize=1)
def load_sentences() -> Mapping[str, Sentences]:
    """Read the sentences in which a decision is told, by language; once a process."""
    mapping = yaml.load((HERE / "data" / "sentences.yaml").read_text(encoding="utf-8"), Loader)
    return {language: Sentences.model_validate(words) for language, words in mapping.items()}


def sentences_for(language: str) -> Sentences:
    """Return the sentences of a language.

    Raises:
        UsageError: nobody wrote them yet.
    """
    known = load_sentences()
    if language not in known:
        raise UsageError(
            f"language {language}",
            "there are no sentences in it.",
            f"There are: {', '.join(sorted(known))}.",
        )
    return known[language]


def read_team_rules(path: Path) -> tuple[TeamRule, ...]:
    """Read the rules of a team: a YAML or JSON file with a list under `rules`.

    Raises:
        AdvisorError: the file cannot be read, or one of the rules cannot be used.
    """
    mapping = read_mapping(path)
    if set(mapping) != {"rules"}:
        raise TeamRuleError(
            str(path),
            f"found the keys {', '.join(sorted(map(str, mapping)))}.",
            "Put the list under 'rules:', alone.",
        )
    return parse_team_rules(mapping["rules"], str(path))


def parse_team_rules(given: object, where: str) -> tuple[TeamRule, ...]:
    """Check the rules of a team; none has the name of one of the program's own.

    Raises:
        TeamRuleError: one of them cannot be used.
    """
    return team_rules_from(given, where, load_rule_catalogue().by_code)


def examples_folder() -> Path:
    """Find the bundled examples: beside the package in a checkout, inside it when installed."""
    beside = HERE.parent / "examples"
    return beside if beside.is_dir() else HERE / "examples"


def read_mapping(path: Path) -> dict[str, Any]:
    """Read a scenario file of YAML or JSON.

    Raises:
        UsageError: there is no such file, or it cannot be read.
        ScenarioError: it is not a mapping, with line and column where the text breaks.
    """
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        remedy = f"Files there: {', '.join(near[:8])}." if near else "Check the path."
        raise UsageError(str(path), "there is no such file.", remedy)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ScenarioError(
            str(path),
            f"byte {error.object[error.start]:#04x} at {error.start} is not UTF-8.",
            "Save the file as UTF-8.",
        ) from error
    if not text.strip():
        raise ScenarioError(str(path), "the file is empty.", "Start with 'name:' and 'traffic:'.")
    try:
        mapping = yaml.load(text, _Strict)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise ScenarioError(where, f"{problem}.", "Mend the YAML there.") from error
    if not isinstance(mapping, dict):
        raise ScenarioError(
            str(path),
            f"found a {type(mapping).__name__} instead of a mapping.",
            "Start with 'name:' and 'traffic:'.",
        )
    return mapping


class _Strict(Loader):  # type: ignore[misc, valid-type]
    """Refuses a key said twice, and reads 1e6 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is said twice", key_node.start_mark
                )
            seen.add(key)
        return dict(super().construct_mapping(node, deep))


def apply_set_flags(mapping: Mapping[str, Any], sets: Iterable[str]) -> dict[str, Any]:
    """Apply `KEY=VALUE` flags to a scenario; the value is read as YAML.

    Raises:
        UsageError: a flag is not KEY=VALUE, or goes through something that is not a mapping.
    """
    merged: dict[str, Any] = json.loads(json.dumps(dict(mapping), default=str))
    for flag in sets:
        key, equals, raw = flag.partition("=")
        if not equals or not key.strip():
            raise UsageError(
                f"--set {flag}",
                "this is not KEY=VALUE.",
                "Write --set traffic.requests_per_month=1e6.",
            )
        inner = merged
        *sections, last = key.strip().split(".")
        for section in sections:
            inner = inner.setdefault(section, {})
            if not isinstance(inner, dict):
                raise UsageError(
                    f"--set {flag}",
                    f"'{section}' holds {inner!r}, no mapping.",
                    "Set that key itself.",
                )
        inner[last] = _value(flag, raw)
    return merged


def _value(flag: str, raw: str) -> Any:
    try:
        return float(raw)
    except ValueError:
        pass  # a word, a list or a mapping: YAML reads those
    try:
        return yaml.load(raw, Loader)
    except yaml.YAMLError as error:
        raise UsageError(
            f"--set {flag}",
            f"found '{raw}', which is no value.",
            "Quote it, or give a number or a word.",
        ) from error


def make_question(
    mapping: Mapping[str, Any],
    where: str = "scenario",
    *,
    dataset: Path | None = None,
    book: PriceBook | None = None,
    today: date | None = None,
    progress: Progress | None = None,
) -> Question:
    """Make a question of a scenario, a dataset and the price book.

    Args:
        mapping: The scenario as its file or request says it.
        where: File or door, for messages; a dataset path in the scenario is relative to it.
        dataset: File that takes precedence over the scenario's.
        book: Price book; the shipped one by default.
        today: Day to assume where the scenario names none; it is then listed as assumed.
        progress: Called with bytes read and bytes in all.

    Raises:
        AdvisorError: any part cannot be read or understood.
    """
    asked = dict(mapping)
    default_assumptions: tuple[Assumption, ...] = ()
    if "asked_on" not in asked and today is not None:
        asked["asked_on"] = today.isoformat()
        says = "No day was given: today's prices and rules hold."
        default_assumptions = (Assumption(path="asked_on", value=today.isoformat(), says=says),)
    scenario = scenario_from(asked, where)
    path = dataset
    if path is None and scenario.dataset.path:
        path = Path(where).parent / scenario.dataset.path
    profile = profile_file(path, progress=progress) if path else None
    return Question(
        scenario,
        book or load_prices(),
        load_evidence(),
        profile,
        default_assumptions=default_assumptions,
        catalogue=load_rule_catalogue(),
    )


ScenarioSource = str | Path | Mapping[str, Any] | Scenario | Question
"""What the library accepts as a question; text is the path of a scenario file."""


def load_scenario(path: str | Path) -> Scenario:
    """Read a scenario file; `asked_on` is today if the file does not set it.

    A relative `dataset.path` is resolved against the folder of the file.

    Raises:
        AdvisorError: the file cannot be read, or a value in it is not valid.
    """
    path = Path(path)
    mapping = {"asked_on": today().isoformat(), **read_mapping(path)}
    scenario = scenario_from(mapping, str(path))
    if not scenario.dataset.path:
        return scenario
    dataset = {"path": str(path.parent / scenario.dataset.path)}
    return scenario.model_copy(update={"dataset": scenario.dataset.model_copy(update=dataset)})


def recommend(
    question: ScenarioSource,
    *,
    dataset: str | Path | None = None,
    prices: str | Path | PriceBook | None = None,
    rules: str | Path | Sequence[TeamRule | Mapping[str, Any]] | None = None,
    sensitivity: bool = False,
) -> Answer:
    """Recommend an option: prompt, retrieve, fine-tune, or measure first.

    Args:
        question: Path of a scenario file, a mapping with the same keys, or a `Scenario`.
        dataset: File of examples; replaces `dataset.path` of the scenario.
        prices: Price overlay file, laid over the bundled prices, or a complete `PriceBook`.
        rules: Your team's rules: a file, or a list of {id, when, then, says, source}.
        sensitivity: Whether to search for the nearest changes that change the recommendation;
            takes about four times as long.

    Raises:
        AdvisorError: an input cannot be used; the message states where and what to do.
    """
    return answer.recommend(_question(question, dataset, prices, rules, sensitivity))


def sweep(
    question: ScenarioSource,
    variants: Sequence[Mapping[str, Any]],
    *,
    dataset: str | Path | None = None,
    prices: str | Path | PriceBook | None = None,
    ranges: bool = True,
    win_share: bool = False,
) -> SweepColumns:
    """Recommend an option for each variant of a question, in one pass.

    Args:
        question: As for `recommend`.
        variants: One mapping of scenario path to value per variant, for example
            `[{"traffic.requests_per_month": 1e5}, {"traffic.requests_per_month": 1e6}]`.
        dataset: As for `recommend`.
        prices: As for `recommend`.
        ranges: Whether to simulate the 90% range of each cost.
        win_share: Whether to simulate how often each recommended option wins.

    Raises:
        AdvisorError: an input cannot be used; the message states where and what to do.
    """
    base = _question(question, dataset, prices, None, False)
    return sweep_variants(base, variants, ranges=ranges, win_share=win_share)


def _question(
    source: ScenarioSource,
    dataset: str | Path | None,
    prices: str | Path | PriceBook | None,
    rules: str | Path | Sequence[TeamRule | Mapping[str, Any]] | None,
    sensitivity: bool,
) -> Question:
    file = Path(dataset) if dataset else None
    book = load_prices(overlay=Path(prices)) if isinstance(prices, str | Path) else prices
    if isinstance(source, Question):
        profile = profile_file(file) if file else source.profile
        question = replace(source, profile=profile, book=book or source.book)
    else:
        if isinstance(source, Scenario):
            mapping, where = source.model_dump(mode="json", exclude_unset=True), "scenario"
        elif isinstance(source, str | Path):
            mapping, where = read_mapping(Path(source)), str(source)
        else:
            mapping, where = dict(source), "scenario"
        question = make_question(mapping, where, dataset=file, book=book, today=today())
    if isinstance(rules, str | Path):
        checked = read_team_rules(Path(rules))
    elif rules is None:
        checked = question.rules
    else:
        checked = parse_team_rules([dict(rule) for rule in rules], "rules")
    return replace(question, rules=checked, with_sensitivity=sensitivity)


def example_question(name: str) -> Question:
    """Make the question of a bundled example.

    Raises:
        UsageError: there is no such example.
    """
    path = examples_folder() / f"{name}.yaml"
    names = [example.stem for example in examples_folder().glob("*.yaml")]
    if name not in names:
        raise UsageError(
            f"example {name}", "there is no such example.", did_you_mean(name, names).strip()
        )
    return make_question(read_mapping(path), str(path))


TEXTS_FOLDER = HERE / "data" / "interview"
ENGLISH = "en"
MAX_SHOWN_ERRORS = 5


@lru_cache(maxsize=1)
def load_questionnaire() -> Questionnaire:
    """Read the questions; once a process."""
    return Questionnaire.model_validate(_read(HERE / "data" / "questions.yaml"))


def available_languages() -> tuple[str, ...]:
    """Name the languages that are shipped."""
    return tuple(sorted(path.stem for path in TEXTS_FOLDER.glob("*.yaml")))


@lru_cache(maxsize=8)
def load_texts(language: str = ENGLISH) -> InterviewTexts:
    """Return the words of a shipped language, by its tag; a region in the tag does not matter.

    Raises:
        UsageError: there is no such language.
    """
    tag = language.replace("_", "-").split("-")[0].lower()
    if tag not in available_languages():
        raise UsageError(
            f"language {language}",
            "there are no texts in this language.",
            did_you_mean(language, available_languages()).strip(),
        )
    return read_texts(TEXTS_FOLDER / f"{tag}.yaml")


def read_texts(path: Path) -> InterviewTexts:
    """Read the words of a language from a file.

    Raises:
        UsageError: it cannot be read, or some words are missing or unknown.
    """
    words = dict(flatten(_mapping(path)))
    if path == TEXTS_FOLDER / f"{ENGLISH}.yaml":
        words |= english_contradictions()
        needed = dict.fromkeys(required_keys(load_questionnaire()), "")
        found = [key for key in needed if key not in words]
        wrong = [f"{key} is missing" for key in found]
    else:
        wrong = list(translation_errors(words, load_texts(ENGLISH).words))
    if wrong:
        more = (
            f", and {len(wrong) - MAX_SHOWN_ERRORS} more" if len(wrong) > MAX_SHOWN_ERRORS else ""
        )
        raise UsageError(
            str(path),
            f"{', '.join(wrong[:MAX_SHOWN_ERRORS])}{more}.",
            "Take the keys and the blanks of the English file.",
        )
    return InterviewTexts(tag=path.stem, words={key: str(text) for key, text in words.items()})


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
