"""The launch page and its neighbours without a browser: what they say, start, refuse and stop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from advisor.api.catalogues import list_prices
from advisor.decision.answer import Answer, recommend
from advisor.errors import UsageError
from advisor.inputs import resolve
from advisor.loading import example_question
from tests.support import tiny_models
from tests.support.fakes.together import FakeTogether
from tests.trainer.cli.test_runs import LLAMA, Shell
from trainer.context import close_contexts
from trainer.evaluation.report import Evaluation, SystemScores, evaluation_sentences
from trainer.evaluation.verdict import judge
from trainer.runs import deployments as standing
from trainer.runs.messages import event_sentence
from trainer.storage.database import write_transaction
from trainer.storage.model_version import ModelVersionInput
from trainer.storage.run_store import TimelineEvent
from trainer.storage.schema import deployments
from ui import state
from ui.charts import training_curves
from ui.charts.base import ChartStyle
from ui.charts.price_ages import price_histogram
from ui.formatting import facts_table
from ui.launch import progress
from ui.launch.choices import (
    BASELINE_OPTION,
    LaunchChoice,
    launch_choices,
    manual_commands,
    selected_choice,
)
from ui.launch.plan_form import form_request
from ui.launch.result import change_stage

WAIT_SECONDS = 60.0
PAGE_SCRIPT = """
import streamlit as st
from ui import state
from ui.views.{page} import page
if "opened" not in st.session_state:
    state.open_example("{example}")
    st.session_state["opened"] = True
page()
"""
BAR_SCRIPT = "from ui.launch.deployments_bar import draw_deployments\ndraw_deployments()\n"


@pytest.fixture
def together() -> Iterator[FakeTogether]:
    fake = FakeTogether()
    fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def home(tmp_path: Path, together: FakeTogether, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder of its own, and one provider on loopback."""
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUNE_OR_NOT_POLL_SECONDS", "0.02")
    monkeypatch.setenv("TOGETHER_API_KEY", "tgp-0123456789abcdef")
    monkeypatch.setenv("TOGETHER_PROJECT_ID", "acme")
    monkeypatch.setenv("TOGETHER_BASE_URL", f"{together.url}/v1")
    yield tmp_path / "home"
    state._open_page_context.clear()
    close_contexts()


@pytest.fixture(scope="session")
def email() -> Answer:
    return recommend(example_question("email-triage"))


def open_page(page: str, example: str = "brand-voice") -> AppTest:
    return AppTest.from_string(PAGE_SCRIPT.format(page=page, example=example), default_timeout=60)


def page_text(at: AppTest) -> str:
    """All that a page says."""
    parts = [*at.markdown, *at.caption, *at.info, *at.error, *at.success, *at.warning, *at.code,
             *at.subheader]  # fmt: skip
    return "\n".join(str(one.value) for one in parts) + "\n".join(
        str(one.proto.body) for one in at.get("html")
    )


def find_by_label(elements: Any, label: str) -> Any:
    """Find the control whose label holds a text."""
    return next(one for one in elements if label in one.label)


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def make_plan(together: FakeTogether, name: str = "voice") -> AppTest:
    """Open the page, choose a provider's option, and make a plan."""
    at = open_page("launch").run()
    at.selectbox[0].set_value(LLAMA).run()
    find_by_label(at.text_input, "Name of the tuned model").set_value(name)
    find_by_label(at.button, "Create plan").click().run()
    assert "plan" in at.query_params, at.error[0].value
    plan = state.trainer_context().store.plan(at.query_params["plan"])
    together.tokens = plan.figure.trained_tokens
    return at


def start_plan(at: AppTest, amount: str = "4.00") -> AppTest:
    find_by_label(at.text_input, "to spend up to").set_value(amount)
    find_by_label(at.button, "Start:").click().run()
    return at


def test_the_advice_comes_first_then_what_starts_from_here(email: Answer) -> None:
    found = launch_choices(email, None, has_gpu=False)

    assert found[0].id == email.decision.recommended
    assert found[0].recommended
    assert [one.how for one in found[1:]] == sorted(
        (one.how for one in found[1:]), key=("provider", "here", "elsewhere").index
    )
    assert {one.id for one in found if one.how == "here"} == {
        "lora:local", "full_ft:local", "encoder:local", "dpo:local", BASELINE_OPTION}  # fmt: skip
    assert not any(one.id.startswith(("prompt:", "rag:")) for one in found)
    launched = [one.id for one in found if one.how == "provider"]
    assert all(name.split(":")[0] in ("managed_lora", "ft_api") for name in launched)
    assert {name.split(":")[1] for name in launched} <= {"azure", "together", "nebius"}


def test_what_was_picked_on_the_other_page_is_kept_even_if_it_trains_nothing(
    email: Answer,
) -> None:
    prompt = next(one.id for one in email.options if one.approach == "prompt")

    found = launch_choices(email, prompt, has_gpu=True)

    assert selected_choice(found, prompt).id == prompt
    assert selected_choice(found, "gone") == found[0]
    assert "qlora:local" in {one.id for one in found}


def test_the_plain_baseline_is_one_thing_wherever_it_was_priced(email: Answer) -> None:
    priced = next(one.id for one in email.options if "tfidf" in one.id)

    assert selected_choice(launch_choices(email, None, has_gpu=False), priced).id == BASELINE_OPTION


def test_an_option_that_does_not_start_here_gives_commands_that_work(
    email: Answer, tmp_path: Path
) -> None:
    """The commands are run as the page says them, with a folder for FOLDER."""
    export = next(one for one in email.options if one.approach == "lora" and one.launch == "export")
    chosen = LaunchChoice(export.id, "", "elsewhere", "")
    rows = tiny_models.write_rows(tmp_path / "rows.jsonl", tiny_models.task_rows(60))
    base = tiny_models.make_causal(tmp_path / "base")
    (tmp_path / "scenario.yaml").write_text(json.dumps(
        {"name": "x", "task": "classification", "traffic": {"requests_per_month": 1000}}))  # fmt: skip
    plan, write, bring = manual_commands(chosen, export, str(rows))
    shell = Shell(tmp_path / "home")

    said = shell(*plan.replace("scenario.yaml", str(tmp_path / "scenario.yaml"))
                 .replace("FOLDER", str(base)).split())  # fmt: skip
    plan_id = said.rsplit("trainer launch ", 1)[1].strip()
    said = shell(*write.replace("PLAN", plan_id).replace("OUT_FOLDER", str(tmp_path / "o")).split())

    assert "Nothing was started" in said
    assert bring.split()[:2] == ["trainer", "import"]
    by_hand = next(one for one in email.options if one.launch == "by_hand" and one.objective)
    (convert,) = manual_commands(replace(chosen, id=by_hand.id), by_hand, str(rows))
    shell(*convert.replace("rows.jsonl --rejects", f"{tmp_path}/c.jsonl --rejects")
          .replace("rejects.jsonl", f"{tmp_path}/r.jsonl").split())  # fmt: skip
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 60


@pytest.mark.parametrize(
    ("typed", "says"),
    [({"n_epochs": "many"}, "found 'many'"), ({"more": "speed=9"}, "there is no such setting"),
     ({"more": "speed"}, "expected NAME=VALUE"), ({"name": "a b!"}, "found 'a b!'"),
     ({"cap": "x"}, "not an amount in USD"), ({"cap": "-1"}, "0 or more"),
     ({"cap": "0"}, "above 0"), ({"cap": "NaN"}, "0 or more"),
     ({"cap": "1,250"}, "two ways"), ({"cap": "1.250"}, "two ways")],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named(
    email: Answer, typed: dict[str, str], says: str
) -> None:
    chosen = LaunchChoice(LLAMA, "", "provider", "")
    question = example_question("email-triage")
    resolved = resolve(question.scenario, question.profile, question.evidence)
    current = state.CurrentScenario({}, "page", None, 0, question, resolved, email)

    with pytest.raises(UsageError, match=says):
        form_request(chosen, current, typed, None)


def test_losses_of_both_kinds_of_rows_are_drawn_and_said() -> None:
    told = [TimelineEvent(1, 0.0, "metric", "metric", {"step": 5, "train_loss": 2.0}),
            TimelineEvent(2, 0.0, "metric", "metric", {"step": 9, "train_loss": 1.0}),
            TimelineEvent(3, 0.0, "metric", "validation", {"step": 9, "eval_loss": 1.5})]  # fmt: skip

    points = training_curves.loss_points([*told, *told])

    assert len(points) == 3
    assert training_curves.loss_summary(points) == (
        "Loss on training rows: 2.000 at step 5, 1.000 at step 9. "
        "Loss on validation rows: 1.500 at step 9.")  # fmt: skip
    for theme in ("light", "dark"):
        drawn = training_curves.loss_chart(points, ChartStyle(theme, "en_US")).spec
        assert [layer["mark"]["type"] for layer in drawn["layer"]] == ["line", "circle"]
        assert drawn["config"]["background"] == "transparent"


def test_an_evaluation_is_said_with_what_is_better_than_the_tuned_model() -> None:
    base, tuned, plain = (0.0,) * 40, (1.0,) * 20 + (0.0,) * 20, (1.0,) * 40
    found = Evaluation("label", 40, (SystemScores("tfidf-logreg", plain), SystemScores("base", base),
                                     SystemScores("tuned", tuned)), judge(base, tuned, binary=True))  # fmt: skip

    assert evaluation_sentences(found)[0].startswith(
        "Tuned against base, better: 0.500 against 0.000"
    )
    chart = training_curves.score_chart(found, ChartStyle("dark", "en_US"))
    assert chart.says == (
        "Score (label) on 40 rows: TF-IDF baseline 1.000; base model 0.000; tuned model 0.500.")  # fmt: skip
    assert "TF-IDF baseline" in json.dumps([chart.spec, chart.rows])


def test_what_a_provider_says_is_written_as_text() -> None:
    bad = TimelineEvent(
        1, 1_795_000_000.0, "log", "message", {"message": "<script>alert(1)</script>"}
    )

    assert "<script>" not in facts_table([("12:00", event_sentence(bad))])
    assert "<script>" not in facts_table([("What", "<script>")])
    assert event_sentence(TimelineEvent(1, 0.0, "state", "settled", {"usd": "1.00"})) == "usd 1.00"


def test_an_option_that_cannot_be_launched_says_what_happens_instead(home: Path) -> None:
    at = open_page("launch", "email-triage").run()

    said = page_text(at)
    assert "You start this option yourself:" in said
    assert "It is trained on a T4, and served on CX43" in said
    assert (
        "trainer plan scenario.yaml --option encoder:hetzner:FacebookAI/roberta-base:CX43" in said
    )
    assert not any("Start" in one.label for one in at.button)
    find_by_label(at.button, "LoRA adapters").click().run()
    assert any("Create plan" in one.label for one in at.button)


def test_from_the_form_to_a_model_at_a_provider(home: Path, together: FakeTogether) -> None:
    at = make_plan(together)
    assert "Start: \\$" in find_by_label(at.button, "Start:").label
    assert "cap \\$4.00" in find_by_label(at.button, "Start:").label

    start_plan(at)

    run_id = at.query_params["run"]
    store = state.trainer_context().store
    wait_until(lambda: store.run(run_id).state == "settled")
    at.run()
    said = page_text(at)
    assert "Training finished." in said
    assert "The model is not deployed and costs nothing until it is." in said
    assert len(together.jobs) == 1
    assert "is a candidate version" in said
    find_by_label(at.button, "Promote").click().run()
    assert "not evaluated" in page_text(at)


def test_the_amount_is_typed_or_nothing_starts(home: Path, together: FakeTogether) -> None:
    at = make_plan(together)

    start_plan(at, "4")

    assert "the amount was not typed: nothing was started. Type 4.00." in page_text(at)
    assert state.trainer_context().store.listed() == ()
    assert together.asked == []


def test_rows_that_leave_are_shown_and_the_name_is_typed(
    home: Path, together: FakeTogether, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = make_plan(together)
    monkeypatch.setenv("TOGETHER_BASE_URL", "https://api.together.ai/v1")
    away = open_page("launch")
    away.query_params["plan"] = at.query_params["plan"]
    away.run()

    said = page_text(away)
    plan = state.trainer_context().store.plan(at.query_params["plan"])
    assert "Data that leaves this machine" in said
    assert f"{plan.training.rows:,}, {plan.training.bytes:,} bytes" in said
    assert "Together AI, host api.together.ai" in said
    assert "Personal data" in said
    find_by_label(away.text_input, "to allow sending these rows").set_value("fireworks")
    start_plan(away)
    assert "the name was not typed: nothing was sent. Type together." in page_text(away)
    assert state.trainer_context().store.listed() == ()


def test_one_plan_is_one_run_from_any_tab(home: Path, together: FakeTogether) -> None:
    together.script = ("pending", "running")
    first, second = make_plan(together), open_page("launch")
    second.query_params["plan"] = first.query_params["plan"]
    second.run()

    start_plan(first)
    start_plan(second)

    assert first.query_params["run"] == second.query_params["run"]
    assert len(state.trainer_context().store.listed()) == 1
    third = open_page("launch")
    third.query_params["plan"] = first.query_params["plan"]
    third.run()
    assert "This plan was already started" in page_text(third)
    assert find_by_label(third.button, "Started as").disabled
    find_by_label(third.button, "Plan another attempt").click().run()
    assert third.query_params["plan"] != first.query_params["plan"]
    assert "attempt 2" in page_text(third)
    assert len(state.trainer_context().store.listed()) == 1


def test_a_run_is_ended_from_the_page(home: Path, together: FakeTogether) -> None:
    together.script = ("pending", "running")
    at = start_plan(make_plan(together))
    run_id, store = at.query_params["run"], state.trainer_context().store
    wait_until(lambda: store.run(run_id).state == "running")
    at.run()

    find_by_label(at.button, "Cancel this run").click().run()

    wait_until(lambda: store.run(run_id).state == "settled")
    at.run()
    assert "The run ended without a model" in page_text(at)
    progress.send_action(run_id, "cancel")
    assert "there is nothing to cancel" in (state.pop_error() or "")


def test_a_run_that_needs_a_person_says_why(home: Path, together: FakeTogether) -> None:
    at = make_plan(together)
    together.usd = 4.60  # the provider reckons with far more than we do
    start_plan(at)
    run_id, store = at.query_params["run"], state.trainer_context().store
    wait_until(lambda: store.run(run_id).state == "needs_human")

    at.run()

    assert at.warning
    assert store.run(run_id).said("needs_human", "why") in at.warning[0].value
    assert any(one.label == "Resume" for one in at.button)


def test_a_cap_that_is_too_small_makes_no_plan(home: Path, together: FakeTogether) -> None:
    at = open_page("launch").run()
    at.selectbox[0].set_value(LLAMA).run()
    find_by_label(at.text_input, "Cap in USD").set_value("0.01")
    find_by_label(at.button, "Create plan").click().run()

    assert "this job may cost up to" in at.error[0].value or "cap" in at.error[0].value
    assert "plan" not in at.query_params


def test_no_base_and_no_rows_are_said(home: Path) -> None:
    at = open_page("launch", "too-little").run()
    at.selectbox[0].set_value("lora:local").run()
    find_by_label(at.button, "Create plan").click().run()
    assert "base: not selected. Put one into" in at.error[0].value
    find_by_label(at.text_input, "or a folder on this machine").set_value("/nowhere")
    find_by_label(at.button, "Create plan").click().run()
    assert "/nowhere: folder not found" in at.error[0].value
    at.selectbox[0].set_value(BASELINE_OPTION).run()
    find_by_label(at.button, "Create plan").click().run()
    assert "there are no training rows" in at.error[0].value


def test_a_plan_for_a_gpu_of_this_machine_names_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_models.make_causal(home / "bases" / "tiny")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    at = open_page("launch").run()
    at.selectbox[0].set_value("lora:local").run()
    find_by_label(at.selectbox, "GPU of this machine").set_value("RTX_4090")
    find_by_label(at.text_input, "USD per hour").set_value("0.25")
    find_by_label(at.button, "Create plan").click().run()

    plan = state.trainer_context().store.plan(at.query_params["plan"])
    assert plan.local is not None
    assert (plan.option_id, plan.local.gpu) == ("lora:local:tiny:RTX_4090", "RTX_4090")
    assert (plan.figure.price, plan.figure.own) == ("0.25", True)
    assert "on this RTX_4090" in page_text(at)


@pytest.mark.parametrize("what", ["plan", "run"])
def test_an_address_that_names_nothing_is_said(home: Path, what: str) -> None:
    at = open_page("launch")
    at.query_params[what] = "nothing"
    at.run()

    assert f"{what} not found" in at.error[0].value
    find_by_label(at.button, "Back to the form").click().run()
    assert not at.error


def test_runs_are_listed_with_their_money_and_opened(home: Path, together: FakeTogether) -> None:
    assert "No runs yet" in page_text(open_page("runs").run())
    run_id = start_plan(make_plan(together)).query_params["run"]
    wait_until(lambda: state.trainer_context().store.run(run_id).state == "settled")

    at = open_page("runs").run()

    row = at.dataframe[0].value.iloc[0]
    assert (row["run"], row["name"], row["state"], row["spent"]) == (
        run_id, "voice", "Settled", 4.0)  # fmt: skip
    find_by_label(at.selectbox, "Open a run").set_value(run_id).run()
    assert "Training finished." in page_text(at)
    assert at.query_params["run"] == run_id


def test_versions_are_promoted_compared_rolled_back_and_retired(
    home: Path, together: FakeTogether
) -> None:
    assert "No models yet" in page_text(open_page("models").run())
    context = state.trainer_context()
    made = ModelVersionInput(
        "p", "own", "tiny", "d" * 64, "s" * 64, "ft:1", "remote", usd=Decimal("1.25")
    )
    at = make_plan(together)
    plan = context.store.plan(at.query_params["plan"])
    for attempt in (1, 2):
        further = plan.model_copy(update={"attempt": attempt, "provider": "gone"})
        run_id, _ = context.store.start(further)
        version = context.registry.register(run_id, "voice", replace(made, model=f"ft:{attempt}"))
        context.registry.evaluated(version.version_id, {"verdict": {"word": "worse"}, "score": 0.4})

    at = open_page("models").run()
    find_by_label(at.selectbox, "Version").set_value("voice-v1").run()
    assert "Evaluated elsewhere: worse, score 0.400." in page_text(at)
    find_by_label(at.button, "Promote").click().run()
    assert "its evaluation found it worse" in at.error[0].value
    at.checkbox[0].set_value(True).run()
    find_by_label(at.button, "Promote").click().run()
    assert context.registry.version("voice-v1").stage == "champion"
    change_stage("promote", "voice-v2", anyway=True)
    change_stage("rollback", "voice-v2")
    assert context.registry.version("voice-v1").stage == "champion"
    find_by_label(at.selectbox, "Compare with").set_value("voice-v2").run()
    differ = at.dataframe[1].value
    assert "model" in list(differ["what"])
    assert set(differ[""]) == {"differs"}
    find_by_label(at.button, "Retire").click().run()
    assert context.registry.version("voice-v1").stage == "retired"


def test_prices_are_searched_with_source_and_age(home: Path) -> None:
    at = open_page("prices").run()
    everything = len(at.dataframe[0].value)
    find_by_label(at.text_input, "Search").set_value("gpt-5.4 output").run()
    found = at.dataframe[0].value
    assert 0 < len(found) < everything
    assert all("gpt-5.4" in item and "output" in item for item in found["item"])
    assert {"USD", "per", "since", "source", "read on", "age", "state"} <= set(found.columns)
    find_by_label(at.selectbox, "Price history").set_value(found["item"].iloc[0]).run()
    assert not at.exception
    find_by_label(at.text_input, "Search").set_value("nothing-like-it").run()
    assert "No item matches 'nothing-like-it'." in page_text(at)


def test_ages_are_drawn_with_the_day_they_turn_stale() -> None:
    book, style = state.price_book(), ChartStyle("light", "en_US")
    prices = list_prices(book, date(2026, 11, 28), "").prices

    drawn = price_histogram(prices, style)

    limit = next(row for row in drawn.rows if row["layer"] == "limit")
    assert limit["age"] == 30
    assert price_histogram((), style).rows == []


def test_settings_set_caps_and_never_show_a_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "bases" / "mine").mkdir(parents=True)
    (home / "bases" / "mine" / "config.json").write_text("{}")

    at = open_page("settings").run()

    everything = page_text(at) + "".join(
        str(one.value.to_dict()) for one in (*at.table, *at.dataframe)
    )
    assert "tgp-0123456789abcdef" not in everything
    assert "✓ found" in everything
    assert "no API key for openai. Set OPENAI_API_KEY" in everything
    assert str(home) in everything
    assert "mine" in everything
    find_by_label(at.text_input, "Daily budget").set_value("5")
    find_by_label(at.button, "Save budget").click().run()
    assert state.trainer_context().ledger.caps().per_day == 5_000_000
    find_by_label(at.text_input, "Daily budget").set_value("much")
    find_by_label(at.button, "Save budget").click().run()
    assert "daily budget much: not an amount in USD." in at.error[0].value
    assert state.trainer_context().ledger.caps().per_day == 5_000_000


def test_what_stands_in_the_way_is_said_before_a_start_and_while_it_waits(
    home: Path, together: FakeTogether, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = state.trainer_context()
    context.ledger.set_caps(Decimal(3), None)
    at = make_plan(together, "capped")
    assert (
        "would exceed the daily cap: $0.00 reserved or spent, $4.00 requested, cap $3.00"
        in at.error[0].value
    )

    run_id = start_plan(at).query_params["run"]
    wait_until(lambda: context.store.run(run_id).state == "validated")
    at.run()
    assert "Waiting: this job: would exceed the daily cap" in at.warning[0].value
    assert together.jobs == {}

    context.ledger.set_caps(None, None)
    wait_until(lambda: context.store.run(run_id).state == "settled")
    assert len(together.jobs) == 1
    monkeypatch.delenv("TOGETHER_API_KEY")
    keyless = make_plan(together, "keyless")
    assert "no API key for together. Set TOGETHER_API_KEY" in keyless.error[0].value


def test_what_costs_by_the_hour_is_in_sight_and_is_stopped(
    home: Path, together: FakeTogether
) -> None:
    assert not AppTest.from_string(BAR_SCRIPT, default_timeout=60).run().button
    context = state.trainer_context()
    at = make_plan(together)
    run_id = start_plan(at).query_params["run"]
    wait_until(lambda: context.store.run(run_id).state == "settled")
    made = standing.begin(context, context.store.run(run_id), 2.0, keep=True)
    with write_transaction(context.store.engine) as connection:
        connection.execute(deployments.update().values(state="ready"))

    bar = AppTest.from_string(BAR_SCRIPT, default_timeout=60).run()

    said = page_text(bar)
    assert "Deployed now" in said
    assert made.deployment_id in said
    assert "of at most 2 h" in said
    bar.button[0].click().run()
    assert standing.find_deployment(context, made.deployment_id).state == "stopped"
    assert "is stopped. It cost" in page_text(bar)


def test_a_broken_database_is_said_on_every_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNE_OR_NOT_HOME", str(tmp_path))
    (tmp_path / "state.db").mkdir()
    for page in ("runs", "models", "prices", "settings"):
        at = open_page(page).run()
        assert not at.exception, page
        assert "state.db" in at.error[0].value, page
    assert "cannot be listed" in page_text(
        AppTest.from_string(BAR_SCRIPT, default_timeout=60).run()
    )
