"""Restart with many open jobs: time and requests until all are polled.

`python -m benchmarks.reconcile --jobs 500` compares our paged list requests with one
request per job, with a fake provider on loopback.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.support.fakes.openai import FakeOpenAI
from tests.support.runs import RunHarness, open_run_harness
from trainer.runs.reconcile import reconcile, reconcile_all

PATH = "/v1/fine_tuning/jobs"


def start_runs(desk: RunHarness, fake: FakeOpenAI, count: int) -> None:
    """Record runs whose jobs are running at the provider."""
    store, file = desk.context.store, fake.keep("x", b"x")["id"]
    for number in range(count):
        run_id, _ = store.start(desk.plan(attempt=number + 1))
        lease = store.take(run_id)
        for kind in ("validated", "reserved", "uploading"):
            store.append(lease, kind)
        store.append(lease, "uploaded", training=file, validation=None)
        store.append(lease, "creating")
        job = fake.make({"model": "tiny-model", "training_file": file, "metadata": {}}).body
        fake.end(job["id"], "running")
        store.append(lease, "created", job_id=job["id"])
        store.append(lease, "running", word="running")
        store.release(lease)


def poll_each_job(desk: RunHarness) -> None:
    """Poll every job with its own request, as a simple loop does."""
    for one in desk.context.store.listed(open_only=True):
        reconcile(desk.context, one.run_id)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=500)
    count = parser.parse_args().jobs
    os.environ["OWN_API_KEY"] = "key-0123456789"
    seconds = {}
    print(f"{'method':<12} {'jobs':>5} {'seconds':>8} {'list pages':>10} {'job requests':>12}")
    for way, go in (
        ("paged list", lambda desk: reconcile_all(desk.context)),
        ("one by one", poll_each_job),
    ):
        with tempfile.TemporaryDirectory() as folder:
            fake = FakeOpenAI()
            fake.start()
            fake.advance = False
            os.environ["OWN_BASE_URL"] = f"{fake.url}/v1"
            desk = open_run_harness(Path(folder))
            start_runs(desk, fake, count)
            started = time.perf_counter()
            go(desk)
            seconds[way] = time.perf_counter() - started
            pages, single = fake.count("GET", PATH), fake.count("GET", PATH + r"/[\w-]+")
            print(f"{way:<12} {count:>5} {seconds[way]:>8.2f} {pages:>10} {single:>12}")
            desk.context.store.engine.dispose()
            fake.stop()
    print(f"one by one takes {seconds['one by one'] / seconds['paged list']:.1f} times as long")


if __name__ == "__main__":
    main()
