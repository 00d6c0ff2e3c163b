"""A team's use of OpenAI's fine-tuning, with the openai SDK that is on the path.

    python sdk_flow.py BASE_URL ROWS MODEL

The token is read from OPENAI_API_KEY. Prints one JSON object with the results.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import openai


def main(base_url: str, rows: str, model: str) -> None:
    """Upload, tune, read the result, chat; print the results."""
    client = openai.OpenAI(base_url=base_url, _strict_response_validation=True, max_retries=0)

    with Path(rows).open("rb") as data:
        training = client.files.create(file=data, purpose="fine-tune")
    question = json.loads(Path(rows).read_text(encoding="utf-8").splitlines()[0])["messages"][:-1]
    job = client.fine_tuning.jobs.create(
        model=model,
        training_file=training.id,
        suffix="triage",
        seed=7,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}}},
        metadata={"team": "triage", "ton_most_steps": "8", "ton_cap_usd": "5"},
    )
    listed = [one.id for one in client.fine_tuning.jobs.list(limit=1)]
    until = time.monotonic() + 800
    while job.status not in ("succeeded", "failed", "cancelled") and time.monotonic() < until:
        time.sleep(0.5)
        job = client.fine_tuning.jobs.retrieve(job.id)
    if job.status != "succeeded":
        raise SystemExit(f"the job is {job.status}: {job.error}")
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=5))
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    result = client.files.content(job.result_files[0]).text
    tuned = client.models.retrieve(job.fine_tuned_model)
    answer = client.chat.completions.create(
        model=job.fine_tuned_model, messages=question, max_tokens=8, temperature=0
    )
    pieces = [
        chunk.choices[0].delta.content or ""
        for chunk in client.chat.completions.create(
            model=job.fine_tuned_model, messages=question, max_tokens=8, temperature=0, stream=True
        )
        if chunk.choices
    ]
    try:
        client.fine_tuning.jobs.retrieve("ftjob-none")
    except openai.NotFoundError as error:
        missing = error.code
    sys.stdout.write(json.dumps({
        "sdk": openai.__version__, "file": training.status, "listed": job.id in listed,
        "model": job.fine_tuned_model, "events": len(events), "result": result.splitlines()[:2],
        "metrics": sum(event.type == "metrics" for event in events), "missing": missing,
        "checkpoints": len(checkpoints), "owner": tuned.owned_by,
        "answer": answer.choices[0].message.content, "streamed": "".join(pieces),
        "tokens": answer.usage.total_tokens,
    }) + "\n")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:4])
