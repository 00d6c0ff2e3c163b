"""The interview: closed questions in order, a stop that is computed, words in any language."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from advisor.api.app import planning_app
from advisor.dataset.language import LanguageDetector, language_hits
from advisor.dataset.profile import Profile
from advisor.dataset.reader import profile_file
from advisor.decision.answer import recommend
from advisor.errors import UsageError
from advisor.estimate.costs import MEASURED_EXAMPLES
from advisor.evidence import Evidence
from advisor.interview.cost_of_finding_out import finding_out_cost
from advisor.interview.next_question import (
    Interview,
    next_step,
    open_questions,
    trial_verdicts,
    unlocking_answers,
    verdict_changes,
)
from advisor.interview.questions import (
    DONT_KNOW,
    AnswerValue,
    Questionnaire,
    check_answer,
    check_answers,
)
from advisor.interview.texts import translation_errors
from advisor.interview.to_scenario import (
    apply_answers,
    cheapest_rental_usd,
    open_parts,
    scenario_settings,
)
from advisor.interview.view import finding_out_text, interview_state
from advisor.loading import (
    TEXTS_FOLDER,
    available_languages,
    load_questionnaire,
    load_texts,
    make_question,
    read_texts,
)
from advisor.prices.book import PriceBook
from advisor.scenario.contradictions import MESSAGES, contradictions
from advisor.scenario.paths import with_paths
from advisor.scenario.scenario import Scenario, scenario_from

DAY = "2026-11-20"
SURE: dict[str, AnswerValue] = {
    "prompt_effort": "systematic", "target": "p95", "prompt_score": "far", "knowledge": "none",
    "task": "classification", "must_change": (), "reviewer": "expert", "requests": "million_a_day",
    "has_eval": "yes", "held_out": "hundreds", "error_cost": "low", "may_leave": "yes",
}  # fmt: skip

FEW = {"asked_on": DAY, "limits": {"providers": ["google", "openai", "aws"]}}
"""What spares time: fewer options are ranked."""


@pytest.fixture(scope="module")
def sheet() -> Questionnaire:
    return load_questionnaire()


@pytest.fixture(scope="module")
def plain(sheet: Questionnaire, book: PriceBook) -> Interview:
    return Interview(sheet, make_question({"asked_on": DAY}, book=book))


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(planning_app(), raise_server_exceptions=False)


def asked_with(interview: Interview, truth: dict[str, AnswerValue]) -> Iterator[tuple[str, ...]]:
    """Answer from *truth* until the interview ends; yield the parts of each question."""
    answers: dict[str, AnswerValue] = {}
    while True:
        now = next_step(interview, answers)
        if now.next is None:
            return
        answers |= {code: truth.get(code, DONT_KNOW) for code in now.parts}
        yield now.parts


def test_there_are_twelve_questions_in_the_order_of_what_they_decide(sheet: Questionnaire) -> None:
    assert [asked.code for asked in sheet.questions] == [
        "prompt", "facts", "change", "examples", "traffic", "evaluation", "corpus", "retrieval",
        "data", "ceilings", "scale", "hands",
    ]  # fmt: skip
    codes = [part.code for asked in sheet.questions for part in asked.parts]
    assert len(codes) == len(set(codes)) == 33
    assert all(set(part.unless) <= set(codes) for part in sheet.parts.values())
    assert all(set(asked.together) <= set(codes) for asked in sheet.questions)


def test_every_coded_answer_makes_a_scenario(plain: Interview) -> None:
    count = 0
    for part in plain.sheet.parts.values():
        for value in part.tries:
            assert check_answer(part, list(value) if isinstance(value, tuple) else value) == value
            apply_answers(plain.sheet, {part.code: value, "gpu": "L4"}, plain.question)
            count += 1
    assert count > 140


def test_named_machines_and_providers_are_in_the_price_book(
    sheet: Questionnaire, book: PriceBook
) -> None:
    gpus = set(sheet.parts["gpu"].choices) - {"none"}
    clouds = {item.split("/")[0] for item in book.prices.series if item.endswith("/gpu_hour")}
    known = {card.provider for card in book.models.values()} | clouds
    known |= {offer.provider for offer in book.offers}

    assert gpus <= set(book.gpus)
    assert set(sheet.parts["providers"].choices) <= known


@pytest.mark.parametrize(
    ("code", "value", "says"),
    [
        ("targt", 90, "answers.targt: unknown question. Did you mean 'target'"),
        ("target", 0.9, "answers.target: found 0.9. Use a number from 1 to 100 percent."),
        ("target", float("nan"), "answers.target: found nan. Use a number from 1 to 100 percent."),
        ("requests", -1, "answers.requests: found -1. Use a number from 0 to 1e+12."),
        ("requests", "10k", "answers.requests: found '10k'. Use one of few, "),
        ("task", "labels", "answers.task: found 'labels'. Use one of classification, "),
        ("task", 3, "answers.task: found 3. Use one of classification, "),
        ("providers", ["openai", "me"], "answers.providers: found 'me'. Use one of openai, "),
        ("must_change", 7, "answers.must_change: found 7. Use one of form, "),
        ("must_change", [["form"]], "answers.must_change: found ['form']. Use one of form, "),
    ],
)
def test_an_answer_that_cannot_be_used_is_told_with_what_can(
    sheet: Questionnaire, code: str, value: object, says: str
) -> None:
    with pytest.raises(UsageError) as told:
        check_answers(sheet, {code: value})

    assert str(told.value).startswith(says)


def test_answers_come_in_every_form_that_means_the_same(sheet: Questionnaire) -> None:
    found = check_answers(sheet, {"citations": True, "has_eval": False, "target": "90", "task": None,
                            "must_change": "form", "providers": ["groq", "openai"]})  # fmt: skip

    assert found == {"citations": "yes", "has_eval": "no", "target": 90.0, "task": DONT_KNOW,
                     "must_change": ("form",), "providers": ("openai", "groq")}  # fmt: skip


def test_a_band_is_a_word_and_a_typed_score_stands_as_typed(plain: Interview) -> None:
    band = scenario_settings(plain.sheet, {"target": 90.0, "prompt_score": "short", "held_out": 50.0,
                                  "retrieval_score": 88.0}, plain.question)  # fmt: skip
    untold = scenario_settings(plain.sheet, {"retrieval_score": "far"}, plain.question)
    reached = scenario_settings(plain.sheet, {"prompt_score": "reached"}, plain.question)

    assert band["quality.measured"] == [{"approach": "rag", "value": 0.88, "n": 50.0}]
    assert (band["quality.target"], band["knowledge.retrieval_tried"]) == (0.9, True)
    assert (band["quality.prompting"], reached) == ("gap", {"quality.prompting": "meets"})
    assert untold["quality.target"] - untold["quality.measured"][0]["value"] == pytest.approx(0.3)
    assert scenario_settings(plain.sheet, {"prompt_score": DONT_KNOW}, plain.question) == {}


def test_a_gpu_without_an_own_price_costs_what_renting_it_does(plain: Interview) -> None:
    rented = apply_answers(plain.sheet, {"gpu": "L4"}, plain.question).hardware[0]
    own = apply_answers(plain.sheet, {"gpu": "L4", "gpu_hour": "electricity"}, plain.question)
    before = replace(plain.question, scenario=scenario_from({"asked_on": "2001-01-01"}))

    cheapest = cheapest_rental_usd(plain.question.book, "L4", plain.question.scenario)
    assert rented.usd_per_hour == cheapest is not None
    assert own.hardware[0].usd_per_hour == 0.1
    with pytest.raises(UsageError, match="no rental price for L4 on 2001-01-01"):
        apply_answers(plain.sheet, {"gpu": "L4"}, before)


def test_what_is_said_or_counted_already_is_not_asked(plain: Interview, tmp_path: Path) -> None:
    mapping = {"asked_on": DAY, "quality": {"target": 0.9, "measured": [
        {"approach": "prompt", "value": 0.8}]}, "dataset": {"label_quality": "expert"}}  # fmt: skip
    question = make_question(mapping, dataset=labels_file(tmp_path, "en"), book=plain.question.book)
    left = {asked.code: [part.code for part in open_parts(asked, question)]
            for asked in plain.sheet.questions}  # fmt: skip

    assert left["prompt"] == ["prompt_effort"]
    assert left["examples"] == []
    assert left["traffic"] == ["requests", "instruction_tokens"]
    assert left["scale"] == ["tenants"]


@pytest.mark.parametrize("seed", range(3))
def test_random_answers_end_in_a_stop_that_holds(plain: Interview, seed: int) -> None:
    draw = random.Random(seed)
    truth: dict[str, AnswerValue] = {
        code: DONT_KNOW if draw.random() < 0.2 else draw.choice(part.tries)
        for code, part in plain.sheet.parts.items()
    }
    answers: dict[str, AnswerValue] = {}
    turns = [parts for parts in asked_with(plain, truth) if answers.update(
        {code: truth[code] for code in parts}) is None]  # fmt: skip
    now = next_step(plain, answers)

    assert len(turns) == now.asked <= 12
    assert now.ended == ("no_answer_changes_it" if now.spared else "all_asked")
    assert len({code for parts in turns for code in parts}) == sum(map(len, turns))
    for asked in open_questions(plain, answers):
        for part in open_parts(asked, plain.question):
            for one in trial_verdicts(
                plain, answers, [((part.code, value),) for value in part.tries]
            ):
                assert one.verdict.act == now.verdict.act, (one, now.verdict)
    whole = recommend(replace(plain.question, scenario=now.scenario, with_sensitivity=False))
    assert whole.decision.recommended == now.verdict.option


def test_the_first_question_is_asked_because_an_answer_changes_the_verdict(
    plain: Interview,
) -> None:
    first = next_step(plain, {})

    assert (first.next, first.asked, first.ended) == ("prompt", 0, None)
    assert first.changes
    for change in first.changes:
        told = apply_answers(plain.sheet, dict(change.answers), plain.question)
        found = recommend(replace(plain.question, scenario=told, with_sensitivity=False))
        assert found.decision.recommended == change.verdict.option
        assert change.verdict.approach != first.verdict.approach


def test_who_knows_nothing_gets_to_an_end(plain: Interview) -> None:
    turns = list(asked_with(plain, {}))
    now = next_step(plain, {code: DONT_KNOW for parts in turns for code in parts})

    assert now.verdict.act == "not_yet"
    assert 1 <= len(turns) == now.asked <= 12
    assert now.scenario == plain.question.scenario


def test_a_question_that_says_little_without_an_earlier_one_is_tried_with_it(
    plain: Interview,
) -> None:
    answers = check_answers(plain.sheet, {"target": 90, "prompt_score": 60, "requests": 10_000})
    now = next_step(plain, answers).verdict
    (change,) = (asked for asked in plain.sheet.questions if asked.code == "change")
    skill = verdict_changes(plain, answers, change, now)

    assert skill
    assert all((one.verdict.act, one.verdict.approach) != (now.act, now.approach) for one in skill)


def test_before_not_yet_is_the_end_answers_to_several_questions_are_tried_together(
    plain: Interview,
) -> None:
    answers = check_answers(plain.sheet, {"may_leave": False, "target": 99, "prompt_score": "far"})
    left = open_questions(plain, answers)

    first, (change,) = unlocking_answers(plain, answers, left)

    asked = {part.code: one.code for one in left for part in one.parts}
    needed = {asked[code] for code, _ in change.answers}
    assert first
    assert first.code in needed
    assert change.verdict.act != "not_yet"
    for code in needed:
        rest = tuple(pair for pair in change.answers if asked[pair[0]] != code)
        assert [one.verdict.act for one in trial_verdicts(plain, answers, [rest])] == ["not_yet"]
    assert unlocking_answers(plain, answers, ()) == (None, ())


def test_not_knowing_is_priced_by_hours_labels_and_tokens(
    plain: Interview, evidence: Evidence
) -> None:
    asked = {one.code: one for one in plain.sheet.questions}
    paid = replace(plain.question, scenario=with_paths(
        plain.question.scenario, {"team.usd_per_hour": 100, "task": "classification"}))  # fmt: skip

    prompt, facts = (
        finding_out_cost(asked["prompt"], paid),
        finding_out_cost(asked["facts"], plain.question),
    )
    examples, tests = (
        finding_out_cost(asked["examples"], paid),
        finding_out_cost(asked["evaluation"], paid),
    )
    rag = finding_out_cost(asked["retrieval"], plain.question)

    assert prompt.hours == evidence.labour_hours.prompt
    assert prompt.tokens
    assert prompt.usd
    for end, hours in zip(("low", "likely", "high"), prompt.hours, strict=True):
        whole = hours * 100 + float(getattr(prompt.tokens, end))
        assert float(getattr(prompt.usd, end)) == pytest.approx(whole, abs=0.006)
    assert (facts.hours, facts.tokens, facts.usd) == ((0.5, 1, 4), None, None)
    kind = evidence.of("classification")
    assert examples.labels == (kind.tune_from_examples, kind.comfortable_examples)
    assert examples.hours == (examples.labels[0] / 60, examples.labels[0] * 3 / 60,
                              examples.labels[1] * 10 / 60)  # fmt: skip
    assert tests.labels == (MEASURED_EXAMPLES, MEASURED_EXAMPLES)
    assert rag.tokens
    assert float(rag.tokens.low) >= float(prompt.tokens.low)
    says = finding_out_text(prompt, load_texts("en"))
    assert says.startswith("4 to 40 hours of work; 200 requests = ")
    assert says.endswith(" in total")
    assert finding_out_text(facts, load_texts("de")) == (
        "0,5 bis 4 Stunden Arbeit; mal Ihre Kosten einer Stunde")  # fmt: skip


def test_where_nothing_may_leave_no_tokens_are_bought_to_find_out(plain: Interview) -> None:
    scenario = apply_answers(plain.sheet, {"may_leave": "no"}, plain.question)
    (prompt,) = (asked for asked in plain.sheet.questions if asked.code == "prompt")

    assert finding_out_cost(prompt, replace(plain.question, scenario=scenario)).tokens is None


def test_every_word_is_there_in_every_shipped_language() -> None:
    english = load_texts("en")

    assert available_languages() == ("de", "en")
    for tag in available_languages():
        assert translation_errors(load_texts(tag).words, english.words) == []
    assert load_texts("de-AT").tag == "de"
    same = {key for key, text in load_texts("de").words.items() if text == english.words[key]}
    assert not any(key.endswith((".asks", ".why")) or key.startswith("words.") for key in same)


def test_a_language_is_a_file_and_what_is_missing_in_it_is_said(tmp_path: Path) -> None:
    words = yaml.safe_load((TEXTS_FOLDER / "de.yaml").read_text(encoding="utf-8"))
    good, bad, torn = tmp_path / "bar.yaml", tmp_path / "fr.yaml", tmp_path / "xx.yaml"
    good.write_text(yaml.safe_dump(words), encoding="utf-8")
    del words["parts"]["target"]["asks"]
    words["words"]["so_far"] = "Alors."
    words["words"]["result"] = "{what"
    words["acts"]["prompt"] = 7
    words["surplus"] = "x"
    bad.write_text(yaml.safe_dump(words), encoding="utf-8")
    torn.write_text("a: [", encoding="utf-8")

    assert read_texts(good).words == load_texts("de").words
    with pytest.raises(UsageError) as told:
        read_texts(bad)
    for says in ("parts.target.asks is missing", "words.so_far needs the placeholders {what}",
                 "words.result needs the placeholders {what}", "acts.prompt is not a text",
                 "surplus is unknown"):  # fmt: skip
        assert says in str(told.value)
    with pytest.raises(UsageError, match="Fix the YAML"):
        read_texts(torn)
    with pytest.raises(UsageError, match="there is no such file"):
        read_texts(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="there are no texts in this language"):
        load_texts("fr")
    with pytest.raises(UsageError, match="there are no texts in this language"):
        load_texts("../en")


SPOKEN = {
    "en": (["Where is the parcel that I ordered for {n} people?", "Please cancel the order {n} for me.",
            "The invoice {n} is wrong, can you please look at it?"], ["delivery", "cancelling", "billing"]),
    "de": (["Wo ist das Paket, das ich für {n} Leute bestellt habe?", "Bitte stornieren Sie die Bestellung {n}.",
            "Die Rechnung {n} ist falsch, bitte sehen Sie sie an."], ["Lieferung", "Storno", "Rechnung"]),
    "ja": (["{n}人分の注文した荷物はどこですか。", "注文{n}をキャンセルしてください。",
            "請求書{n}が間違っています。確認してください。"], ["配送", "取消", "請求"]),
}  # fmt: skip


def labels_file(folder: Path, language: str) -> Path:
    """Write 150 tickets with one of three labels."""
    texts, labels = SPOKEN[language]
    path = folder / f"{language}.jsonl"
    rows = [(texts[n % 3].format(n=n), labels[n % 3]) for n in range(150)]
    path.write_text("\n".join(chat(asked, said) for asked, said in rows), encoding="utf-8")
    return path


def chat(asked: str, said: str, **more: Any) -> str:
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    return json.dumps({"messages": turns, **more}, ensure_ascii=False)


@pytest.mark.parametrize("truth", [SURE, SURE | {"target": "p80", "prompt_score": "reached"}],
                         ids=["a hard target", "a target that is reached"])  # fmt: skip
def test_one_file_in_three_languages_with_the_same_needs_has_one_decision(
    sheet: Questionnaire, book: PriceBook, tmp_path: Path, truth: dict[str, AnswerValue]
) -> None:
    known: dict[str, AnswerValue] = {}
    found = {}
    for language in SPOKEN:
        file = labels_file(tmp_path, language)
        question = make_question(FEW, dataset=file, book=book)
        assert question.profile
        assert (question.profile.language, question.profile.distinct_labels) == (language, 3)
        interview = Interview(sheet, question)
        if language == "en":
            turns = list(asked_with(interview, truth))
            known = {code: truth.get(code, DONT_KNOW) for parts in turns for code in parts}
        now = next_step(interview, known)
        doubts = contradictions(now.scenario, question.profile)
        found[language] = (now.verdict, now.ended, now.spared, doubts)

    assert found["en"] == found["de"] == found["ja"]
    _, ended, _, doubts = found["en"]
    assert ended is not None
    assert doubts == ()


def profile_of(folder: Path, rows: list[str]) -> Profile:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    return profile_file(path)


def told(**sections: Any) -> Scenario:
    return scenario_from({"asked_on": DAY, **sections})


def codes(scenario: Scenario, profile: Profile) -> list[str]:
    found = contradictions(scenario, profile)
    assert all("{" not in one.says for one in found)
    return [one.code for one in found]


def test_what_is_said_of_labels_and_counts_is_held_against_the_file(tmp_path: Path) -> None:
    profile = profile_file(labels_file(tmp_path, "en"))

    assert codes(told(task="generation"), profile) == ["labels-found"]
    assert codes(told(task="classification"), profile) == []
    assert codes(told(dataset={"examples": 5000, "classes": 40}), profile) == [
        "rows-differ", "classes-differ"]  # fmt: skip
    assert codes(told(dataset={"examples": 155, "classes": 3}), profile) == []
    assert codes(told(traffic={"user_tokens": 4000, "completion_tokens": 300}), profile) == [
        "request-differs", "answer-differs"]  # fmt: skip
    assert codes(told(), profile) == []
    assert contradictions(told(task="code"), None) == ()


def test_experts_are_doubted_where_rows_repeat_or_contradict_each_other(tmp_path: Path) -> None:
    rows = [chat(f"Is number {n} right?", f"I think that number {n} is right.") for n in range(60)]
    repeated = profile_of(tmp_path, rows + rows[:6])
    torn = profile_of(tmp_path, [*rows, chat("Is number 3 right?", "No, not at all."),
                                 chat("Is number 4 right?", "Never ever.")])  # fmt: skip
    expert = told(dataset={"label_quality": "expert"})

    assert (repeated.duplicates, repeated.conflicting) == (6, 0)
    assert (torn.duplicates, torn.conflicting) == (0, 2)
    assert codes(expert, repeated) == ["expert-duplicates"]
    assert codes(expert, torn) == ["expert-conflicts"]
    assert codes(told(dataset={"label_quality": "noisy"}), torn) == []
    assert codes(told(task="classification"), torn) == ["labels-missing"]


def test_facts_that_no_request_holds_are_seen_in_the_answers(tmp_path: Path) -> None:
    dear = profile_of(tmp_path, [chat(f"What does the ticket {n} cost and when is it?",
                                      f"It is $ {n}.50 on 2026-11-{n:02}.") for n in range(1, 29)])  # fmt: skip
    taken = profile_of(tmp_path, [chat(f"Take the date out of this: we met on 2026-11-{n:02}.",
                                       f"2026-11-{n:02}") for n in range(1, 29)])  # fmt: skip
    none = {"needs_fresh_facts": False}

    assert codes(told(needs=none), dear) == ["facts-in-answers"]
    assert codes(told(needs={"needs_fresh_facts": True}), dear) == []
    assert codes(told(), dear) == []
    assert codes(told(needs=none), taken) == []


def test_languages_pairs_and_tools_are_held_against_what_was_said(tmp_path: Path) -> None:
    german = "Das ist die Antwort auf Frage {n}, und wir haben sie nicht vergessen."
    across = profile_of(tmp_path, [chat(f"What is the answer to question {n}, and why is it that?",
                                        german.format(n=n)) for n in range(30)])  # fmt: skip
    within = profile_of(tmp_path, [chat(german.format(n=n), german.format(n=n + 100)) for n in range(30)])  # fmt: skip
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]  # fmt: skip
    calling = profile_of(tmp_path, [chat(f"Look at {n}", f"I look at the {n}", tools=tools) for n in range(30)])  # fmt: skip
    pairs = profile_of(tmp_path, [json.dumps({"prompt": f"Say {n}", "chosen": f"It is the {n}.",
                                              "rejected": f"{n}?!"}) for n in range(30)])  # fmt: skip

    assert (across.language, across.answer_language) == ("en", "de")
    assert codes(told(task="generation"), across) == ["two-languages"]
    assert codes(told(task="translation"), across) == []
    assert codes(told(task="translation"), within) == ["one-language"]
    assert codes(told(task="code"), calling) == ["tools-found"]
    assert codes(told(task="agent", needs={"agentic_tools": True}), calling) == []
    taste = {"preference_hard_to_specify": True}
    assert codes(told(needs={"preference_hard_to_specify": False}), pairs) == ["pairs-found"]
    assert codes(told(needs=taste), pairs) == []
    assert codes(told(needs=taste), within) == ["pairs-missing"]


def test_every_contradiction_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")

    assert [code for code in MESSAGES if f'"{code}"' not in text] == []


@pytest.mark.parametrize(("text", "language"), [
    ("Où est le colis que vous avez envoyé pour nous?", "fr"), ("荷物はどこですか", "ja"),
    ("包裹在哪里", "zh"), ("Где моя посылка", "ru"), ("소포는 어디에 있습니까", "ko"),
    ("¿Dónde está el paquete que pedí para la casa?", "es"),
])  # fmt: skip
def test_a_language_shows_in_small_words_or_in_its_script(text: str, language: str) -> None:
    signs = LanguageDetector()
    for _ in range(3):
        signs.add(text, "OK")

    assert language_hits(text).most_common(1)[0][0] == language
    assert (signs.language, signs.answer_language) == (language, "")


def test_the_api_says_what_the_library_says_and_keeps_nothing(
    client: TestClient, plain: Interview, book: PriceBook
) -> None:
    given = {"target": 90, "prompt_score": "short", "citations": False}
    body = {"answers": given, "language": "de", "question": {"asked_on": DAY}}

    first, again = (client.post("/api/v1/interview", json=body) for _ in range(2))
    known = check_answers(plain.sheet, given)
    expected = interview_state(plain, known, load_texts("de"))

    assert first.status_code == 200
    assert first.json() == json.loads(expected.model_dump_json())
    assert (again.content, again.headers["x-cache"]) == (first.content, "hit")
    assert first.json()["says"].startswith("Bisher: ")
    assert first.json()["next"]["finding_out_says"].startswith("Herausfinden: ")
    whole = client.post("/api/v1/recommend", json=first.json()["scenario"]).json()
    assert whole["decision"]["recommended"] == first.json()["verdict"]["option"]


def test_the_api_counts_instead_of_asking_where_a_profile_is_given(
    client: TestClient, tmp_path: Path
) -> None:
    file = labels_file(tmp_path, "en")
    profile = client.post("/api/v1/profile", content=file.read_bytes()).json()
    body = {"answers": {"task": "generation"}, "profile": profile, "question": {"asked_on": DAY}}

    found = client.post("/api/v1/interview", json=body).json()

    assert [one["code"] for one in found["contradictions"]] == ["labels-found"]


@pytest.mark.parametrize(("body", "where"), [
    ({"answers": {"x": 1}}, "answers.x"), ({"answers": 3}, "body.answers"),
    ({"language": "fr"}, "language fr"), ({"more": 1}, "body: more"),
    ({"question": {"dataset": {"path": "x"}}}, "dataset.path"),
    ({"question": {"asked_on": "1999-01-01"}, "answers": {"gpu": "L4"}}, "answers.gpu_hour"),
    ({"question": {"taks": 1}}, "scenario: taks"), ({"profile": {}}, "profile.examples"),
])  # fmt: skip
def test_the_api_refuses_with_place_and_remedy(
    client: TestClient, body: dict[str, Any], where: str
) -> None:
    found = client.post("/api/v1/interview", json=body)

    assert (found.status_code, found.json()["where"]) == (422, where)


def test_the_page_asks_goes_back_and_speaks_german() -> None:
    def script() -> None:
        from ui.views import interview

        interview.page()

    page = AppTest.from_function(script, default_timeout=120).run()
    english, german = load_texts("en"), load_texts("de")
    assert page.subheader[0].value == english.at("questions.prompt.asks")
    page.radio(key="interview_prompt_effort_en").set_value("none").run()
    asked = [radio.label for radio in page.radio]
    assert english.at("parts.prompt_score.asks") not in asked
    page.number_input(key="interview_target_en_number").set_value(85.0).run()
    next(one for one in page.button if one.label == "Next").click().run()

    assert not page.exception
    assert page.session_state["interview_answers"] == {"prompt_effort": "none", "target": 85.0}
    assert page.session_state["whatif_state"].scenario["quality"] == {
        "prompt_effort": "none", "target": 0.85}  # fmt: skip
    assert 'id="verdict"' in "\n".join(one.proto.body for one in page.get("html"))
    page.selectbox(key="interview_language").set_value("de").run()
    next(one for one in page.button if one.label == german.at("words.back")).click().run()
    assert page.subheader[0].value == german.at("questions.prompt.asks")
    assert page.session_state["interview_answers"] == {}
