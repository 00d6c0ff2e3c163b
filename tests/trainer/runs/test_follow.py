"""A job at the provider is watched, never guessed: who is silent has not failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.fakes.http_server import Fault, Reply, Request
from tests.support.fakes.openai import FakeOpenAI, error_reply, event
from tests.support.runs import RunHarness, open_run_harness
from trainer.runs.reconcile import reconcile_all

JOBS = "/v1/fine_tuning/jobs"
ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""For cases about what a provider returns, in which the database plays no part."""


@pytest.fixture
def desk(tmp_path: Path, fake: FakeOpenAI, engine: Engine) -> RunHarness:
    return open_run_harness(tmp_path, engine)


def at_work(desk: RunHarness, fake: FakeOpenAI) -> str:
    run_id = desk.start()
    desk.go(run_id, lambda run: run.state == "running")
    fake.advance = False
    return run_id


def polls(fault: Fault) -> object:
    return lambda request: fault if request.method == "GET" and "jobs" in request.path else None


@ON_SQLITE
@pytest.mark.parametrize(
    "fault", [Fault("lost"), Fault("error"), Fault("html"), Fault("reply", reply=Reply([])),
              Fault("reply", reply=Reply({"id": None})), Fault("reply", reply=error_reply(404, "x", "gone")),
              Fault("reply", reply=error_reply(401, "invalid_api_key", "no")),
              Fault("limited", reply=error_reply(429, "rate_limit_exceeded", "slow"))],
    ids=["lost", "500", "html", "list", "no id", "404", "401", "429"],
)  # fmt: skip
def test_an_hour_without_word_neither_ends_nor_repeats_a_job(
    desk: RunHarness, fake: FakeOpenAI, fault: Fault
) -> None:
    """T8: unreachable is not failed."""
    run_id = at_work(desk, fake)
    fake.fault = polls(fault)  # type: ignore[assignment]
    until = desk.clock.mono + 3600
    while desk.clock.mono < until:
        pause = desk.look(run_id)
        assert pause is not None
        desk.clock.pass_(pause.seconds)

    run = desk.context.store.run(run_id)
    assert run.state == "running"
    assert run.count("unreachable") == 1
    assert fake.count("POST", JOBS) == 1

    fake.fault, fake.advance = (lambda request: None), True
    assert desk.go(run_id).outcome == "succeeded"
    assert len(fake.jobs) == 1


def test_a_new_word_is_shown_and_ends_nothing(desk: RunHarness, fake: FakeOpenAI) -> None:
    run_id = at_work(desk, fake)
    fake.end(next(iter(fake.jobs)), "hibernating")

    for _ in range(3):
        pause = desk.look(run_id)
        assert pause is not None
        assert "'hibernating'" in pause.says

    run = desk.context.store.run(run_id)
    assert run.state == "running"
    assert run.count("unknown_word") == 1
    fake.advance = True
    assert desk.go(run_id).outcome == "succeeded"


def test_events_are_kept_once_and_in_order(desk: RunHarness, fake: FakeOpenAI) -> None:
    """T8: pages overlap, repeat, come in any order, and `has_more` lies."""
    run_id = at_work(desk, fake)
    everything = [event("told", number, "running") for number in range(1, 8)]

    def pages(request: Request) -> Fault | None:
        if not request.path.endswith("/events"):
            return None
        after = request.query.get("after")
        page = everything[2:5] + everything[0:3] if after is None else everything[3:][::-1]
        return Fault("reply", reply=Reply({"object": "list", "data": page, "has_more": True}))

    fake.fault = pages
    desk.look(run_id)
    desk.look(run_id)

    kept = desk.context.store.job_events(run_id)
    mine = [one for one in kept if one.event_id.startswith("told")]
    assert [one.event_id for one in mine] == [one["id"] for one in everything]
    assert [one.body["train_loss"] for one in mine] == [1.0 / n for n in range(1, 8)]


def test_cancel_that_comes_too_late_leaves_the_success(desk: RunHarness, fake: FakeOpenAI) -> None:
    """T9: cancel races finish; there is one end, and its cost is settled."""
    run_id = at_work(desk, fake)
    fake.end(next(iter(fake.jobs)), "succeeded")
    desk.context.store.note(run_id, "cancel_asked")

    run = desk.go(run_id)

    assert run.outcome == "succeeded"
    assert "refused" in run.said("asked_provider", "heard")
    assert [e.kind for e in run.events if e.kind in ("succeeded", "failed", "cancelled")] == [
        "succeeded"
    ]


def test_cancel_ends_a_job_and_settles_it(desk: RunHarness, fake: FakeOpenAI) -> None:
    run_id = at_work(desk, fake)
    fake.jobs[next(iter(fake.jobs))]["trained_tokens"] = 250_000
    desk.context.store.note(run_id, "cancel_asked")

    run = desk.go(run_id)

    assert run.outcome == "cancelled"
    assert run.said("settled", "usd") == "0.25"
    assert fake.count("POST", f"{JOBS}/.*/cancel") == 1


def test_a_cost_that_nobody_says_waits_for_a_person(desk: RunHarness, fake: FakeOpenAI) -> None:
    run_id = at_work(desk, fake)
    desk.context.store.note(run_id, "cancel_asked")

    pause = None
    for _ in range(3):
        pause = desk.look(run_id)

    assert pause is not None
    assert "trainer settle" in pause.says
    entry = desk.context.ledger.entry(run_id)
    assert entry is not None
    assert entry.settled is None


def test_pause_and_resume_where_they_are_sold(
    tmp_path: Path, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T9: asked for once each, and the job ends as one."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-own-0123456789abcdef")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{fake.url}/v1")
    monkeypatch.setattr("trainer.runs.launch.check_plan", lambda *_: [])
    desk = open_run_harness(tmp_path)
    run_id = desk.start(provider="openai", base="gpt-4.1-mini")
    desk.go(run_id, lambda run: run.state == "running")
    for kind, state in (("pause_asked", "paused"), ("resume_asked", "running")):
        desk.context.store.note(run_id, kind)
        desk.look(run_id)
        fake.advance = kind == "resume_asked"
        assert desk.go(run_id, lambda run, s=state: run.state == s).state == state  # type: ignore[misc]

    assert desk.go(run_id).outcome == "succeeded"
    assert fake.count("POST", f"{JOBS}/.*/pause") == 1
    assert fake.count("POST", f"{JOBS}/.*/resume") == 1


def test_a_stranger_has_no_pause(desk: RunHarness, fake: FakeOpenAI) -> None:
    run_id = at_work(desk, fake)
    desk.context.store.note(run_id, "pause_asked")
    desk.look(run_id)

    assert "cannot pause" in desk.context.store.run(run_id).said("asked_provider", "heard")


def test_a_model_that_stays_silent_is_told(desk: RunHarness, fake: FakeOpenAI) -> None:
    fake.fault = lambda request: (
        Fault("reply", reply=error_reply(404, "model_not_found", "no such model"))
        if request.path.endswith("completions") else None
    )  # fmt: skip

    run = desk.go(desk.start())

    assert run.state == "settled"
    assert run.count("smoke_failed") == desk.context.limits.smoke_tries
    assert run.last("verified") is None


def test_files_that_cannot_be_deleted_are_told(desk: RunHarness, fake: FakeOpenAI) -> None:
    fake.fault = lambda request: (
        Fault("reply", reply=error_reply(403, "forbidden", "no"))
        if request.method == "DELETE"
        else None
    )

    run = desk.go(desk.start())

    assert run.said("remote_deleted", "verified") is False
    assert run.said("remote_deleted", "left") == list(fake.files)


@ON_SQLITE
def test_many_open_jobs_are_looked_at_by_the_page(desk: RunHarness, fake: FakeOpenAI) -> None:
    """T10: after a restart, three list pages cover all jobs, and nothing else is requested."""
    fake.advance = False
    ids = []
    for number in range(250):
        run_id = desk.start(desk.plan(suffix=f"n{number}"))
        plan_id = desk.context.store.run(run_id).plan_id
        file = fake.keep("x", b"x")["id"]
        job = fake.make({"model": "tiny-model", "training_file": file,
                         "metadata": {"launch_key": plan_id}}).body  # fmt: skip
        lease = desk.context.store.take(run_id)
        for kind in ("validated", "reserved", "uploading"):
            desk.context.store.append(lease, kind)
        desk.context.store.append(lease, "uploaded", training=file)
        desk.context.store.append(lease, "creating")
        desk.context.store.append(lease, "created", job_id=job["id"])
        desk.context.store.append(lease, "running", word="running")
        desk.context.store.release(lease)
        fake.end(job["id"], "running")
        ids.append(run_id)
    fake.asked.clear()

    done = reconcile_all(desk.context)

    assert set(done) == set(ids)
    assert fake.count("GET", JOBS) == 3
    assert len(fake.asked) == 3


def test_a_sweep_that_is_stopped_leaves_the_other_runs(desk: RunHarness) -> None:
    ids = [desk.start(usd="1.00"), desk.start(usd="1.50")]
    answers = iter([False, True])

    done = reconcile_all(desk.context, lambda: next(answers))

    assert len(done) == 1
    assert [len(desk.kinds(run_id)) > 1 for run_id in ids].count(False) == 1
