"""Provider adapters: statuses, request bodies, units, uploads, downloads and errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from advisor.errors import UsageError
from advisor.plan.training_plan import Hyperparameters
from tests.support.fakes.fireworks import ACCOUNT, FakeFireworks
from tests.support.fakes.http_server import FakeProvider, Fault, Reply
from tests.support.fakes.openai import FakeOpenAI, error_reply
from tests.support.fakes.together import FakeTogether
from tests.support.runs import RunHarness, open_run_harness
from trainer.providers import status_words
from trainer.providers.base import JobFiles
from trainer.providers.openai_dialects import DIALECTS
from trainer.providers.openai_responses import changed_settings
from trainer.run_states import STATES

TOGETHER_WORDS = {"pending", "queued", "running", "compressing", "uploading", "cancel_requested",
                  "cancelled", "error", "completed"}  # fmt: skip
FIREWORKS_WORDS = {f"JOB_STATE_{name}" for name in (
    "UNSPECIFIED", "CREATING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "DELETING",
    "WRITING_RESULTS", "VALIDATING", "DELETING_CLEANING_UP", "PENDING", "EXPIRED", "RE_QUEUEING",
    "CREATING_INPUT_DATASET", "IDLE", "CANCELLING", "EARLY_STOPPED", "PAUSED")}  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunHarness:
    monkeypatch.setattr("trainer.runs.launch.check_plan", lambda *_: [])
    for name in ("OWN", "OPENAI", "AZURE", "NEBIUS", "TOGETHER", "FIREWORKS"):
        monkeypatch.setenv(f"{name}_API_KEY", f"key-{name}-0123456789")
    monkeypatch.setenv("FIREWORKS_ACCOUNT_ID", ACCOUNT)
    return open_run_harness(tmp_path)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    started: list[FakeProvider] = []

    def start(fake: FakeProvider, provider: str, path: str = "/v1") -> Any:
        started.append(fake.start())
        monkeypatch.setenv(f"{provider.upper()}_BASE_URL", fake.url + path)
        return fake

    yield start
    for fake in started:
        fake.stop()


def test_every_status_of_every_provider_has_exactly_one_run_state() -> None:
    from openai.types.fine_tuning import FineTuningJob

    official = set(get_args(FineTuningJob.__annotations__["status"]))
    assert official <= set(status_words.OPENAI)
    assert set(status_words.TOGETHER) == TOGETHER_WORDS
    assert set(status_words.FIREWORKS) == FIREWORKS_WORDS
    assert official <= set(status_words.AZURE)
    assert "pending" in status_words.AZURE
    counts = {
        name: len(getattr(status_words, name))
        for name in ("OPENAI", "AZURE", "TOGETHER", "FIREWORKS")
    }
    assert counts == {"OPENAI": 9, "AZURE": 15, "TOGETHER": 9, "FIREWORKS": 18}
    for table in (
        status_words.OPENAI,
        status_words.AZURE,
        status_words.TOGETHER,
        status_words.FIREWORKS,
    ):
        assert set(table.values()) <= set(STATES)
        ends = Counter(table.values())
        assert all(ends[end] >= 1 for end in ("succeeded", "failed", "cancelled"))


@pytest.mark.parametrize("table", ["OPENAI", "AZURE", "TOGETHER", "FIREWORKS"])
def test_an_unknown_status_ends_no_job(table: str) -> None:
    assert status_words.job_state(getattr(status_words, table), "hibernating") == "unknown_word"


@pytest.mark.parametrize("dialect", ["openai", "azure", "nebius", "local"])
def test_each_dialect_ends_in_one_settled_job(desk: RunHarness, serve: Any, dialect: str) -> None:
    provider = "own" if dialect == "local" else dialect
    fake = serve(FakeOpenAI(dialect), provider)
    if dialect == "azure":
        fake.script = ("pending", "running", "succeeded")
    settings = {"n_epochs": 3, "learning_rate": 2e-5, "lora_rank": 16, "lora_alpha": 32}
    if dialect != "nebius":
        settings = {"n_epochs": 3, "learning_rate_multiplier": 2.0}
    run_id = desk.start(provider=provider, base="tiny-model", hyperparameters=settings)

    run = desk.go(run_id)

    assert (run.state, run.outcome) == ("settled", "succeeded")
    (job,) = fake.jobs.values()
    (create,) = [r for r in fake.asked if r.method == "POST" and r.path == "/v1/fine_tuning/jobs"]
    body = create.json()
    if dialect == "azure":
        assert body["trainingType"] == "1"
        assert run.last("smoke_skipped") is not None
    if dialect == "nebius":
        assert body["hyperparameters"] == {"n_epochs": 3, "batch_size": "auto", "learning_rate": 2e-5,
                                           "lora": True, "lora_r": 16, "lora_alpha": 32}  # fmt: skip
        assert body["suffix"] == "ton-" + run.plan_id[:24]
        assert "metadata" not in body
    else:
        assert body["method"]["supervised"]["hyperparameters"]["learning_rate_multiplier"] == 2.0
        assert body["metadata"] == {"launch_key": run.plan_id}
    assert create.headers["idempotency-key"] == run.plan_id
    assert job["id"] == run.job_id


def test_an_azure_job_is_found_although_azure_ignores_the_filter(
    desk: RunHarness, serve: Any
) -> None:
    fake = serve(FakeOpenAI("azure", script=("pending", "running", "succeeded")), "azure")
    other = fake.keep("other", b"x")["id"]
    for number in range(250):
        fake.make({"model": "m", "training_file": other, "trainingType": "1",
                   "metadata": {"launch_key": f"other-{number}"}})  # fmt: skip
    left = [1]

    def drop(request: Any) -> Fault | None:
        if request.method == "POST" and request.path.endswith("/jobs") and left[0]:
            left[0] = 0
            return Fault("dropped")
        return None

    fake.fault = drop

    run = desk.go(desk.start(provider="azure"), lambda run: run.job_id is not None)

    assert run.said("created", "how") == "adopted"
    assert len(fake.jobs) == 251


@pytest.mark.parametrize(
    ("provider", "settings"),
    [("openai", {"learning_rate": 2e-5}), ("nebius", {"learning_rate_multiplier": 2.0}),
     ("openai", {"lora_rank": 16})],
)  # fmt: skip
def test_a_rate_in_the_wrong_unit_is_refused(
    desk: RunHarness, serve: Any, provider: str, settings: dict[str, Any]
) -> None:
    fake = serve(FakeOpenAI(provider), provider)
    run_id = desk.start(provider=provider, hyperparameters=settings)

    with pytest.raises(UsageError, match="hyperparameters: "):
        desk.look(run_id)

    assert fake.asked == []


def test_a_response_of_openai_must_match_its_own_schema(desk: RunHarness, serve: Any) -> None:
    """The SDK's strict mode rejects a seed that is text, so the job is searched for."""
    fake = serve(FakeOpenAI("openai"), "openai")
    fake.extra = {"seed": "forty-two"}

    run = desk.go(desk.start(provider="openai"), lambda run: run.job_id is not None)

    assert run.count("unknown_outcome") == 1
    assert "schema" in run.said("unknown_outcome", "why")
    assert run.said("created", "how") == "adopted"
    assert len(fake.jobs) == 1


def test_the_quote_of_together_is_accepted_within_ten_percent(desk: RunHarness, serve: Any) -> None:
    fake = serve(FakeTogether(), "together")
    fake.usd, fake.tokens = 1.05, 1_000_000

    run = desk.go(desk.start(provider="together", base="Qwen/Qwen3.5-9B"))

    assert run.outcome == "succeeded"
    assert run.said("estimated", "usd") == "1.050000"
    assert run.said("settled", "usd") == "4.00"
    assert [e.body["train_loss"] for e in desk.context.store.job_events(run.run_id)
            if e.kind == "metrics"] == [1.0, 0.5]  # fmt: skip
    assert fake.files == {}


@pytest.mark.parametrize(
    ("usd", "allowed", "says"),
    [(1.2, True, "20% apart"), (0.5, True, "50% apart"), (2.5, True, "the cap is $2.00"),
     (1.0, False, "would refuse the job")],
)  # fmt: skip
def test_a_quote_that_differs_from_our_estimate_stops_the_run(
    desk: RunHarness, serve: Any, usd: float, allowed: bool, says: str
) -> None:
    fake = serve(FakeTogether(), "together")
    fake.usd, fake.tokens, fake.allowed = usd, 1_200_000, allowed

    run = desk.go(desk.start(provider="together", base="Qwen/Qwen3.5-9B"))

    assert run.state == "needs_human"
    assert says in run.said("needs_human", "why")
    assert fake.jobs == {}


def test_large_files_are_uploaded_to_together_in_parts(
    desk: RunHarness, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.providers.together.BY_PARTS_FROM_BYTES", 1000)
    monkeypatch.setattr("trainer.providers.together.PART_BYTES", 700)
    fake = serve(FakeTogether(), "together")
    fake.usd = 1.0

    run = desk.go(desk.start(provider="together"), lambda run: run.job_id is not None)

    assert run.job_id is not None
    assert fake.count("PUT", "/store/[^/]+/[0-9]+") == 3
    assert len(next(iter(fake.contents.values()))) == desk.data.bytes


def test_a_file_that_together_cannot_read_stops_the_run(desk: RunHarness, serve: Any) -> None:
    fake = serve(FakeTogether(), "together")
    fake.usd = 1.0
    keep = fake._keep
    fake._keep = lambda file_id, content: keep(file_id, content[:-1] + b"x")  # type: ignore[method-assign]

    run = desk.go(desk.start(provider="together"))

    assert run.state in ("settled", "needs_human")
    assert fake.jobs == {}


@pytest.mark.parametrize("method", ["supervised", "dpo"])
def test_fireworks_creates_no_second_job_under_our_id(
    desk: RunHarness, serve: Any, method: str
) -> None:
    """The response is lost twice: the id is ours, so the request is repeated."""
    fake = serve(FakeFireworks(), "fireworks", "")
    left = [2]

    def drop(request: Any) -> Fault | None:
        if request.method == "POST" and request.path.endswith("Jobs") and left[0]:
            left[0] -= 1
            return Fault("dropped")
        return None

    fake.fault = drop
    run = desk.go(desk.start(provider="fireworks", base="qwen3-8b", method=method,
                             hyperparameters={"n_epochs": 2, "lora_rank": 16}))  # fmt: skip

    assert run.outcome == "succeeded"
    assert len(fake.jobs) == 1
    assert list(fake.jobs) == ["ton-" + run.plan_id[:24]]
    assert run.said("settled", "usd") == "3.25"
    assert fake.datasets == {}


def test_large_files_are_uploaded_to_fireworks_by_signed_url(
    desk: RunHarness, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.providers.fireworks.SIGNED_FROM_BYTES", 10)
    fake = serve(FakeFireworks(), "fireworks", "")

    run = desk.go(desk.start(provider="fireworks", base="qwen3-8b"))

    assert run.outcome == "succeeded"
    assert fake.count("PUT", "/store/.*") == 1


def test_weights_are_downloaded_where_the_provider_releases_them(
    desk: RunHarness, serve: Any, tmp_path: Path
) -> None:
    for provider, fake, path in (("together", FakeTogether(), "/v1"), ("fireworks", FakeFireworks(), ""),
                                 ("nebius", FakeOpenAI("nebius"), "/v1")):  # fmt: skip
        serve(fake, provider, path)
        if provider == "together":
            fake.usd = 1.0  # type: ignore[attr-defined]
        run = desk.go(desk.start(provider=provider, base="qwen3-8b"))
        adapter = desk.context.adapter(provider)
        folder = tmp_path / provider
        folder.mkdir()
        files = adapter.download(adapter.job(str(run.job_id)), folder)
        adapter.close()
        assert files
        assert all(file.stat().st_size > 0 for file in files)


def test_settings_are_in_the_units_of_each_provider() -> None:
    asked = Hyperparameters(n_epochs=2, batch_size=8, learning_rate_multiplier=1.5, seed=7)
    assert DIALECTS["openai"].settings(asked) == {
        "n_epochs": 2, "batch_size": 8, "learning_rate_multiplier": 1.5}  # fmt: skip
    with pytest.raises(UsageError, match="nebius accepts learning_rate"):
        DIALECTS["nebius"].settings(asked)


def test_auto_can_become_any_value_but_a_number_must_not_change() -> None:
    assert (
        changed_settings({"n_epochs": "auto", "batch_size": 8}, {"n_epochs": 4, "batch_size": 8})
        == []
    )
    assert changed_settings({"learning_rate": 2e-5}, {"learning_rate": 0.2}) == [
        "learning_rate: asked 2e-05, got 0.2"]  # fmt: skip


def test_a_reinforcement_job_contains_its_grader(desk: RunHarness) -> None:
    grader = '{"type": "string_check", "name": "g"}'
    plan = desk.plan(provider="azure", method="reinforcement", grader=grader)
    body = DIALECTS["azure"].request(plan, JobFiles("file-1"))
    assert body["method"]["reinforcement"]["grader"] == {"type": "string_check", "name": "g"}


def test_an_html_page_is_not_a_job(desk: RunHarness, serve: Any) -> None:
    fake = serve(FakeFireworks(), "fireworks", "")
    fake.fault = lambda request: Fault("html") if request.method == "GET" else None
    run_id = desk.start(provider="fireworks", base="qwen3-8b")

    pause = desk.look(run_id)

    assert pause is not None
    assert fake.jobs == {}


def test_errors_are_read_in_every_format() -> None:
    from trainer.providers.http_client import error_details

    assert error_details(b'{"error": {"code": "c", "message": "m"}}') == ("c", "m")
    assert error_details(b'{"detail": [{"loc": ["body", "model"], "msg": "missing"}]}') == (
        "invalid",
        "body.model: missing",
    )
    assert error_details(b'{"code": 3, "message": "m"}') == ("3", "m")
    assert error_details(b"<html>") == ("no-json", "<html>")
    assert error_details(b"[1]") == ("no-object", "[1]")
    assert error_reply(400, "c", "m").status == Reply(None, 400).status
