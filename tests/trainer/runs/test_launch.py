"""One plan, one paid job: whatever is lost, late, repeated, refused or asked twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fakes.http_server import Fault, Request
from tests.support.fakes.openai import FakeOpenAI, error_reply
from tests.support.runs import RunHarness, open_run_harness
from trainer.errors import LeaseLost, NoConsent, Refused
from trainer.runs.reconcile import reconcile
from trainer.storage.run_store import RunStore

JOBS = "/v1/fine_tuning/jobs"


@pytest.fixture
def desk(tmp_path: Path, fake: FakeOpenAI) -> RunHarness:
    return open_run_harness(tmp_path)


def once(
    fault: Fault, method: str = "POST", path: str = JOBS, times: int = 1
) -> Callable[[Request], Fault | None]:
    left = [times]

    def decide(request: Request) -> Fault | None:
        if request.method == method and request.path == path and left[0] > 0:
            left[0] -= 1
            return fault
        return None

    return decide


def test_a_plan_becomes_one_settled_job(desk: RunHarness, fake: FakeOpenAI) -> None:
    run = desk.go(desk.start())

    assert run.state == "settled"
    assert run.outcome == "succeeded"
    assert len(fake.jobs) == 1
    assert run.job_id in fake.jobs
    assert [kind for kind in desk.kinds(run.run_id) if kind != "queued"] == [
        "intent", "validated", "reserved", "uploading", "uploaded", "creating", "created",
        "running", "succeeded", "verified", "remote_deleted", "registered", "settled"]  # fmt: skip
    tokens = fake.jobs[run.job_id]["trained_tokens"]
    assert float(run.said("settled", "usd")) == pytest.approx(tokens * 1e-6, abs=1e-6)
    assert run.said("verified", "shutdown_on") == "2027-01-14"
    assert fake.files == {}


@pytest.mark.parametrize("kind", ["dropped", "error_after", "html", "lost", "error"])
def test_an_unknown_outcome_never_makes_a_second_job(
    desk: RunHarness, fake: FakeOpenAI, kind: str
) -> None:
    """T2: the answer is lost or wrong; the job is adopted, or made once it is sure."""
    fake.fault = once(Fault(kind))

    run = desk.go(desk.start(), lambda run: run.job_id is not None)

    assert fake.fired[kind] == 1
    assert run.count("unknown_outcome") == 1
    made = kind in ("dropped", "error_after")
    assert run.said("created", "how") == ("adopted" if made else "answered")
    assert len(fake.jobs) == 1


def test_a_late_job_is_waited_for(desk: RunHarness, fake: FakeOpenAI) -> None:
    """The list stays empty until the quarantine is nearly over."""
    fake.fault = once(Fault("lost"))
    run_id = desk.start()
    pause = desk.look(run_id)
    assert pause is not None
    assert "unknown whether" in pause.says
    plan = desk.context.store.plan(desk.context.store.run(run_id).plan_id)
    desk.clock.pass_(desk.context.limits.quarantine_seconds - 10)
    assert desk.look(run_id) is not None
    fake.make({"model": "tiny-model", "training_file": next(iter(fake.files)),
               "metadata": {"launch_key": plan.plan_id}})  # fmt: skip

    run = desk.go(run_id, lambda run: run.job_id is not None)

    assert run.said("created", "how") == "adopted"
    assert len(fake.jobs) == 1


def test_a_jump_of_the_clock_ends_no_wait(desk: RunHarness, fake: FakeOpenAI) -> None:
    """T7: a day forward, a day back, another boot: nothing is tried early."""
    fake.fault = once(Fault("lost"))
    run_id = desk.start()
    desk.look(run_id)
    for jump in (86_400.0, -2 * 86_400.0):
        desk.clock.wall += jump
        assert desk.look(run_id) is not None
        assert fake.count("POST", JOBS) == 1
    desk.clock.boot = "boot-2"
    desk.clock.pass_(desk.context.limits.quarantine_seconds - 5)
    assert desk.look(run_id) is not None
    assert fake.count("POST", JOBS) == 1

    desk.go(run_id, lambda run: run.job_id is not None)

    assert len(fake.jobs) == 1


def test_two_unknowns_ask_a_person(desk: RunHarness, fake: FakeOpenAI) -> None:
    fake.fault = once(Fault("lost"), times=2)
    run_id = desk.start()

    run = desk.go(run_id)

    assert run.state == "needs_human"
    assert "two requests" in run.said("needs_human", "why")
    assert "--adopt" in run.said("needs_human", "remedy")
    assert len(fake.jobs) == 0


def test_two_jobs_under_one_key_ask_a_person(desk: RunHarness, fake: FakeOpenAI) -> None:
    fake.fault = once(Fault("dropped"))
    run_id = desk.start()
    store = desk.context.store
    plan_id = store.run(run_id).plan_id
    original = fake.answer

    def twice(request: Request) -> object:
        if request.method == "POST" and request.path == JOBS:
            fake.make(request.json())
        return original(request)

    fake.answer = twice  # type: ignore[assignment, method-assign]
    run = desk.go(run_id)

    assert run.state == "needs_human"
    assert "2 jobs have the key" in run.said("needs_human", "why")
    assert all(job["metadata"]["launch_key"] == plan_id for job in fake.jobs.values())


@pytest.mark.parametrize(
    ("code", "retry_after", "waits", "state"),
    [
        ("rate_limit_exceeded", "7", 7.0, "uploaded"),
        ("daily_rate_limit_exceeded", None, 86_400.0, "uploaded"),
        ("insufficient_quota", None, None, "needs_human"),
        ("project_spend_limit_exceeded", None, None, "needs_human"),
        ("organization_spend_limit_exceeded", "1", None, "needs_human"),
    ],
)
def test_429_in_its_four_meanings(
    desk: RunHarness,
    fake: FakeOpenAI,
    code: str,
    retry_after: str | None,
    waits: float | None,
    state: str,
) -> None:
    """T3: told apart by code; nothing is asked before the time that was named."""
    fake.fault = once(Fault("limited", reply=error_reply(429, code, "no", retry_after)))
    run_id = desk.start()

    pause = desk.look(run_id)

    assert desk.context.store.run(run_id).state == state
    if waits is None:
        assert pause is None
        return
    assert pause is not None
    assert pause.seconds == pytest.approx(waits)
    desk.clock.pass_(waits - 1)
    desk.look(run_id)
    assert fake.count("POST", JOBS) == 1
    desk.clock.pass_(2)
    desk.go(run_id, lambda run: run.job_id is not None)
    assert fake.count("POST", JOBS) == 2
    assert len(fake.jobs) == 1


@pytest.mark.parametrize("launchers", [2, 10])
def test_many_launchers_make_one_job(desk: RunHarness, fake: FakeOpenAI, launchers: int) -> None:
    """T4: the same plan from many processes at once; each has its own connection and name."""
    plan = desk.plan()
    runs: list[str] = []
    gate = threading.Barrier(launchers)

    def launch(number: int) -> None:
        context = replace(
            desk.context, store=RunStore(desk.context.store.engine, desk.clock, f"me-{number}")
        )
        gate.wait()
        run_id, _ = context.store.start(plan)
        runs.append(run_id)
        try:
            reconcile(context, run_id)
        except LeaseLost:
            return

    threads = [threading.Thread(target=launch, args=(number,)) for number in range(launchers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(runs)) == 1
    assert len(fake.jobs) == 1
    assert fake.count("POST", JOBS) == 1


def test_a_double_click_twenty_times_is_one_run(desk: RunHarness, fake: FakeOpenAI) -> None:
    plan = desk.plan()
    started = [desk.context.store.start(plan) for _ in range(20)]

    assert [new for _, new in started] == [True] + [False] * 19
    desk.go(started[0][0])
    assert len(fake.jobs) == 1


def test_who_was_overtaken_writes_nothing_more(desk: RunHarness, fake: FakeOpenAI) -> None:
    """The fence: a launcher that slept through its lease cannot append or create."""
    run_id = desk.start()
    slow = desk.context.store.take(run_id)
    desk.clock.pass_(500)
    other = RunStore(desk.context.store.engine, desk.clock, "other")
    other.take(run_id)

    with pytest.raises(LeaseLost):
        desk.context.store.append(slow, "validated", checked=[])
    with pytest.raises(LeaseLost):
        desk.context.store.renew(slow)
    assert desk.kinds(run_id) == ["intent"]


def test_a_lease_is_not_taken_while_it_holds(desk: RunHarness) -> None:
    run_id = desk.start()
    desk.context.store.take(run_id)

    with pytest.raises(LeaseLost, match="has the lease"):
        RunStore(desk.context.store.engine, desk.clock, "other").take(run_id)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_cut_upload_never_becomes_a_job(desk: RunHarness, fake: FakeOpenAI, share: float) -> None:
    """T6: the file is sent anew, and the job is made on a whole one."""
    fake.fault = once(Fault("cut", share=share), path="/v1/files")

    run = desk.go(desk.start(), lambda run: run.job_id is not None)

    assert fake.fired["cut"] == 1
    assert run.count("uploading") == 2
    (job,) = fake.jobs.values()
    assert (
        fake.contents[job["training_file"]]
        == (desk.folder / f"{desk.data.sha256}.jsonl").read_bytes()
    )


def test_half_a_file_that_the_provider_keeps_is_replaced(
    desk: RunHarness, fake: FakeOpenAI
) -> None:
    half = (desk.folder / f"{desk.data.sha256}.jsonl").read_bytes()[:100]
    fake.keep(f"ton-{desk.data.sha256[:24]}.train.jsonl", half)

    desk.go(desk.start(), lambda run: run.job_id is not None)

    (job,) = fake.jobs.values()
    assert len(fake.contents[job["training_file"]]) == desk.data.bytes


def test_a_file_that_arrives_changed_is_not_used(desk: RunHarness, fake: FakeOpenAI) -> None:
    """Only the `openai` and `local` dialects read back; a stranger is held to the size."""
    original = fake.keep
    fake.keep = lambda name, content: original(name, content[:-1])  # type: ignore[method-assign]

    run = desk.go(desk.start())

    assert run.state == "needs_human"
    assert "5 times" in run.said("needs_human", "why")
    assert fake.jobs == {}


def test_a_large_file_goes_by_parts(
    desk: RunHarness, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.providers.openai.BY_PARTS_FROM_BYTES", 1000)
    monkeypatch.setattr("trainer.providers.openai.PART_BYTES", 700)

    desk.go(desk.start(), lambda run: run.job_id is not None)

    assert fake.count("POST", "/v1/files") == 0
    assert fake.count("POST", "/v1/uploads/[^/]+/parts") == -(-desk.data.bytes // 700)
    (job,) = fake.jobs.values()
    assert len(fake.contents[job["training_file"]]) == desk.data.bytes


def test_other_settings_than_asked_for_stop_the_job(desk: RunHarness, fake: FakeOpenAI) -> None:
    """T12: the batch size was ignored."""
    fake.echo = {"n_epochs": 1}

    run = desk.go(desk.start())

    assert run.said("echo_differs", "differs") == ["n_epochs: asked 3, got 1"]
    assert run.outcome == "cancelled"
    assert next(iter(fake.jobs.values()))["status"] == "cancelled"


def test_a_refused_job_is_settled_with_nothing(desk: RunHarness, fake: FakeOpenAI) -> None:
    fake.fault = once(Fault("reply", reply=error_reply(400, "model_not_tunable", "not this one")))

    run = desk.go(desk.start())

    assert run.outcome == "failed"
    assert "model_not_tunable" in run.said("failed", "why")
    assert run.said("settled", "usd") == "0.00"


def test_a_redirect_is_not_followed(desk: RunHarness, fake: FakeOpenAI) -> None:
    """307 would carry the rows to another host."""
    other = FakeOpenAI("openai")
    other.start()
    reply = error_reply(307, "x", "x")
    reply.headers = {"Location": f"{other.url}{JOBS}"}
    fake.fault = once(Fault("reply", reply=reply))

    run = desk.go(desk.start())
    other.stop()

    assert other.asked == []
    assert run.outcome == "failed"
    assert "redirect" in run.said("failed", "why")


def test_nobody_there_is_not_an_unknown_outcome(desk: RunHarness, fake: FakeOpenAI) -> None:
    run_id = desk.start()
    fake.stop()

    pause = desk.look(run_id)

    assert pause is not None
    assert desk.context.store.run(run_id).state == "uploading"
    assert desk.context.store.run(run_id).count("unknown_outcome") == 0


def test_rows_leave_only_after_a_word(
    desk: RunHarness, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.runs.launch.is_loopback", lambda url: False)
    run_id = desk.start()

    with pytest.raises(NoConsent, match="--allow-egress own"):
        desk.look(run_id)

    assert fake.asked == []
    assert desk.context.store.run(run_id).state == "reserved"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"planned_at": "2026-11-01T00:00:00+00:00"}, "a plan expires after 24"),
        ({"prices_sha256": "other"}, "the price book has changed"),
        ({"base_model": "gone"}, "no longer tunes gone"),
        ({"cap_usd": "0.50"}, "less than the .2.00"),
    ],
)
def test_a_plan_that_no_longer_holds_is_refused(
    desk: RunHarness, fake: FakeOpenAI, change: dict[str, str], says: str
) -> None:
    run_id = desk.start(desk.plan(**change))

    with pytest.raises(Refused, match=says):
        desk.look(run_id)

    assert fake.asked == []
    assert desk.kinds(run_id) == ["intent", "refused"]


def test_changed_rows_are_refused(desk: RunHarness, fake: FakeOpenAI) -> None:
    run_id = desk.start()
    (desk.folder / f"{desk.data.sha256}.jsonl").write_bytes(b"{}\n")

    with pytest.raises(Refused, match="changed since"):
        desk.look(run_id)
    assert fake.asked == []


def test_too_few_rows_are_refused(desk: RunHarness, fake: FakeOpenAI) -> None:
    data = desk.data.model_copy(update={"rows": 9})
    run_id = desk.start(desk.plan(training=data))

    with pytest.raises(Refused, match="needs 10 examples or more, found 9"):
        desk.look(run_id)


@pytest.mark.parametrize(("kind", "jobs"), [("dropped", 1), ("lost", 0)])
def test_cancel_while_it_is_not_known_whether_a_job_was_made(
    desk: RunHarness, fake: FakeOpenAI, kind: str, jobs: int
) -> None:
    """T9: a job that shows up is cancelled; none that shows up is none."""
    made, listed = once(Fault(kind)), once(Fault("error"), "GET")
    fake.fault = lambda request: made(request) or listed(request)
    run_id = desk.start()
    desk.look(run_id)
    assert desk.context.store.run(run_id).state == "unknown_outcome"
    desk.context.store.note(run_id, "cancel_asked")

    run = desk.go(run_id)

    assert run.outcome == "cancelled"
    assert run.state == "settled"
    assert len(fake.jobs) == jobs
    assert fake.count("POST", JOBS) == 1
