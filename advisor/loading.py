"""Reads files into questions, and answers them: the library functions and all file I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from advisor.console import today
from advisor.dataset.profile import Profile
from advisor.dataset.reader import Progress, profile_file
from advisor.decision import answer
from advisor.decision.answer import Answer, Question
from advisor.decision.sweep import SweepColumns
from advisor.decision.sweep import sweep as sweep_variants
from advisor.errors import (
    LocatedError,
    ScenarioError,
    TeamRuleError,
    UsageError,
    did_you_mean,
    unknown_name,
)
from advisor.evidence import Evidence
from advisor.inputs import Assumption
from advisor.interview.questions import Questionnaire
from advisor.interview.texts import (
    CONTRADICTIONS,
    InterviewTexts,
    flatten,
    required_keys,
    translation_errors,
)
from advisor.prices.book import PriceBook
from advisor.prices.loader import InvalidText, load_prices, parse_yaml, read_text
from advisor.report.sentences import Sentences
from advisor.rules.catalogue import RuleCatalogue
from advisor.rules.team_rules import TeamRule, team_rules_from
from advisor.scenario.contradictions import MESSAGES
from advisor.scenario.paths import get_path, set_path
from advisor.scenario.scenario import Scenario, scenario_from

HERE = Path(__file__).parent


@lru_cache(maxsize=4)
def load_evidence(path: Path | None = None) -> Evidence:
    """Read the published results that decisions are based on; a file is read once per process."""
    return Evidence.model_validate(_read(path or HERE / "data" / "evidence.yaml"))


@lru_cache(maxsize=1)
def load_rule_catalogue() -> RuleCatalogue:
    """Read the built-in rules, once per process."""
    return RuleCatalogue.model_validate(_read(HERE / "data" / "rules.yaml"))


@lru_cache(maxsize=1)
def load_sentences() -> Mapping[str, Sentences]:
    """Read the sentences that explain a decision, by language; once per process."""
    mapping = _read(HERE / "data" / "sentences.yaml")
    return {language: Sentences.model_validate(texts) for language, texts in mapping.items()}


def sentences_for(language: str) -> Sentences:
    """Return the sentences of a language.

    Raises:
        UsageError: there is no translation.
    """
    known = load_sentences()
    if language not in known:
        remedy = f"Use one of: {', '.join(sorted(known))}."
        raise UsageError(f"language {language}", "there are no sentences in this language.", remedy)
    return known[language]


def read_team_rules(path: Path) -> tuple[TeamRule, ...]:
    """Read the rules of a team: a YAML or JSON file with a list under `rules`.

    Raises:
        AdvisorError: the file cannot be read, or a rule cannot be used.
    """
    mapping = read_mapping(path)
    if set(mapping) != {"rules"}:
        raise TeamRuleError(
            str(path),
            f"found the keys {', '.join(sorted(map(str, mapping)))}.",
            "Put the list under 'rules:' and nothing else.",
        )
    return parse_team_rules(mapping["rules"], str(path))


def parse_team_rules(rules: object, where: str) -> tuple[TeamRule, ...]:
    """Check the rules of a team; none may have the name of a built-in rule.

    Raises:
        TeamRuleError: a rule cannot be used.
    """
    return team_rules_from(rules, where, load_rule_catalogue().by_code)


def examples_folder() -> Path:
    """Return the bundled examples: next to the package in a checkout, inside it if installed."""
    in_checkout = HERE.parent / "examples"
    return in_checkout if in_checkout.is_dir() else HERE / "examples"


def read_mapping(
    path: Path, start: str = "'name:' and 'traffic:'", error: type[LocatedError] = ScenarioError
) -> dict[str, Any]:
    """Read a YAML or JSON file that contains a mapping, such as a scenario.

    Messages about its content have the type *error* and name the keys to *start* with.

    Raises:
        UsageError: there is no such file.
        LocatedError: it is not a mapping, with line and column of a syntax error.
    """
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        remedy = f"Files there: {', '.join(near[:8])}." if near else "Check the path."
        raise UsageError(str(path), "there is no such file.", remedy)
    try:
        mapping = _read(path)
    except InvalidText as bad:
        raise error(f"{path}{bad.position}", bad.problem, bad.remedy) from bad
    if mapping is None:
        raise error(str(path), "the file is empty.", f"Start with {start}.")
    if not isinstance(mapping, dict):
        found = f"found a {type(mapping).__name__} instead of a mapping."
        raise error(str(path), found, f"Start with {start}.")
    return mapping


def _read(path: Path) -> Any:
    return parse_yaml(read_text(path))


def apply_set_flags(mapping: Mapping[str, Any], sets: Iterable[str]) -> dict[str, Any]:
    """Apply `KEY=VALUE` flags to a scenario; the value is parsed as YAML.

    Raises:
        UsageError: a flag is not KEY=VALUE, or a section of its path is not a mapping.
    """
    merged: dict[str, Any] = json.loads(json.dumps(dict(mapping), default=str))
    for flag in sets:
        key, equals, text = flag.partition("=")
        path = key.strip()
        if not equals or not path:
            raise UsageError(
                f"--set {flag}",
                "this is not KEY=VALUE.",
                "Write --set traffic.requests_per_month=1e6.",
            )
        for end, character in enumerate(path):
            section = get_path(merged, path[:end]) if character == "." else None
            if section is not None and not isinstance(section, dict):
                found = f"'{path[:end]}' is {section!r}, not a mapping."
                raise UsageError(f"--set {flag}", found, "Set that key itself.")
        merged = set_path(merged, path, parse_value(f"--set {flag}", text))
    return merged


def parse_value(where: str, text: str) -> Any:
    """Parse a number, word, list or mapping from a flag.

    Raises:
        UsageError: it is not valid YAML.
    """
    try:
        return float(text)
    except ValueError:
        pass  # a word, a list or a mapping: YAML parses those
    try:
        return parse_yaml(text)
    except InvalidText as error:
        raise UsageError(
            where, f"'{text}' is not a valid value.", "Quote it, or give a number or a word."
        ) from error


def make_question(
    mapping: Mapping[str, Any],
    where: str = "scenario",
    *,
    dataset: Path | Profile | None = None,
    book: PriceBook | None = None,
    today: date | None = None,
    progress: Progress | None = None,
) -> Question:
    """Build a question from a scenario, a dataset and the price book.

    Args:
        mapping: The scenario, as in its file or request.
        where: File or interface, for messages; a dataset path in the scenario is relative to it.
        dataset: File of examples, or its statistics; takes precedence over the scenario's.
        book: Price book; the bundled one by default.
        today: Day to assume if the scenario has none; it is then listed as an assumption.
        progress: Called with bytes read and bytes in total.

    Raises:
        AdvisorError: a part cannot be read or is not valid.
    """
    mapping = dict(mapping)
    default_assumptions: tuple[Assumption, ...] = ()
    if "asked_on" not in mapping and today is not None:
        mapping["asked_on"] = today.isoformat()
        says = "No date was given: today's prices and rules apply."
        default_assumptions = (Assumption(path="asked_on", value=today.isoformat(), says=says),)
    scenario = scenario_from(mapping, where)
    if dataset is None and scenario.dataset.path:
        dataset = Path(where).parent / scenario.dataset.path
    if isinstance(dataset, Path):
        dataset = profile_file(dataset, progress=progress)
    return Question(
        scenario,
        book or load_prices(),
        load_evidence(),
        dataset,
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
        prices: Price overlay file, applied to the bundled prices, or a complete `PriceBook`.
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
    """Build the question of a bundled example.

    Raises:
        UsageError: there is no such example.
    """
    examples = {path.stem: path for path in examples_folder().glob("*.yaml")}
    if name not in examples:
        raise unknown_name("example", name, examples)
    return make_question(read_mapping(examples[name]), str(examples[name]))


TEXTS_FOLDER = HERE / "data" / "interview"
ENGLISH = "en"
MAX_SHOWN_ERRORS = 5


@lru_cache(maxsize=1)
def load_questionnaire() -> Questionnaire:
    """Read the questions of the interview, once per process."""
    return Questionnaire.model_validate(_read(HERE / "data" / "questions.yaml"))


def available_languages() -> tuple[str, ...]:
    """List the languages of the interview."""
    return tuple(sorted(path.stem for path in TEXTS_FOLDER.glob("*.yaml")))


@lru_cache(maxsize=8)
def load_texts(language: str = ENGLISH) -> InterviewTexts:
    """Return the texts of a bundled language by its tag; a region in the tag is ignored.

    Raises:
        UsageError: there is no such language.
    """
    tag = language.replace("_", "-").split("-")[0].lower()
    if tag not in available_languages():
        remedy = did_you_mean(language, available_languages()).strip()
        raise UsageError(f"language {language}", "there are no texts in this language.", remedy)
    return read_texts(TEXTS_FOLDER / f"{tag}.yaml")


def read_texts(path: Path) -> InterviewTexts:
    """Read the texts of a language from a file.

    Raises:
        UsageError: it cannot be read, or texts are missing or unknown.
    """
    texts = dict(flatten(read_mapping(path, "'language:'", UsageError)))
    if path == TEXTS_FOLDER / f"{ENGLISH}.yaml":
        texts |= {f"{CONTRADICTIONS}.{code}": says for code, says in MESSAGES.items()}
        missing = [key for key in required_keys(load_questionnaire()) if key not in texts]
        errors = [f"{key} is missing" for key in dict.fromkeys(missing)]
    else:
        errors = list(translation_errors(texts, load_texts(ENGLISH).words))
    if errors:
        hidden = len(errors) - MAX_SHOWN_ERRORS
        more = f", and {hidden} more" if hidden > 0 else ""
        raise UsageError(
            str(path),
            f"{', '.join(errors[:MAX_SHOWN_ERRORS])}{more}.",
            "Use the keys and placeholders of the English file.",
        )
    return InterviewTexts(tag=path.stem, words={key: str(text) for key, text in texts.items()})
