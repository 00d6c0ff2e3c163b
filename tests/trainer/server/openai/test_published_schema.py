"""Responses of the OpenAI surface against the published schemas, and the validator itself."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from openai.types import Upload
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.fine_tuning.alpha import GraderRunResponse, GraderValidateResponse
from openai.types.uploads import UploadPart

from tests.support import tiny_models
from tests.support.openai_api import BASELINE_MODEL, OpenAIHarness, expect_error, serve_openai_api
from tests.support.openai_schema import malformed_bodies, operations, schema_errors, schemas
from trainer.home import home_folder
from trainer.run_states import JobEvent
from trainer.scripts.manifest import seal

LEAST_REJECTED_SHARE = 0.95
NOT_SERVED = {
    "GET /chat/completions",  # completions are not stored
    "GET /fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions",
    "POST /fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions",
    "DELETE /fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions/{permission_id}",
}
ROWS = "".join(json.dumps(row) + "\n" for row in tiny_models.task_rows(40)).encode()
GRADER = {"type": "string_check", "name": "x", "operation": "eq",
          "input": "{{sample.output_text}}", "reference": "{{item.label}}"}  # fmt: skip


class RecordedExchanges:
    """Every response of the surface, by operation."""

    def __init__(self, surface: OpenAIHarness) -> None:
        self.surface = surface
        self.bodies: dict[str, list[Any]] = {}

    def __call__(self, operation: str, path: str = "", **more: Any) -> Any:
        method, template = operation.split()
        found: httpx2.Response = self.surface.call(method, path or template, **more)
        assert found.status_code == 200, found.text
        kind = found.headers["content-type"]
        body = found.json() if kind.startswith("application/json") else found.text
        self.bodies.setdefault(operation, []).append(body)
        return body


def _files_and_uploads(seen: RecordedExchanges) -> str:
    sent = {"files": {"file": ("rows.jsonl", ROWS)}, "data": {"purpose": "fine-tune"}}
    seen("GET /files")
    file_id: str = seen("POST /files", **sent)["id"]
    ends = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    other = seen("POST /files", files=sent["files"], data={"purpose": "fine-tune", **ends})["id"]
    seen("GET /files")
    seen("GET /files/{file_id}", f"/files/{other}")
    seen("DELETE /files/{file_id}", f"/files/{other}")
    begin = {"filename": "a.jsonl", "purpose": "fine-tune", "bytes": len(ROWS), "mime_type": "x"}
    begun = [seen("POST /uploads", json=begin)["id"] for _ in range(2)]
    part = seen("POST /uploads/{upload_id}/parts", f"/uploads/{begun[0]}/parts",
                files={"data": ROWS})["id"]  # fmt: skip
    seen("POST /uploads/{upload_id}/complete", f"/uploads/{begun[0]}/complete",
         json={"part_ids": [part]})  # fmt: skip
    seen("POST /uploads/{upload_id}/cancel", f"/uploads/{begun[1]}/cancel")
    return file_id


def _jobs(seen: RecordedExchanges, file_id: str) -> Any:
    surface, job_path = seen.surface, "/fine_tuning/jobs/{fine_tuning_job_id}"
    asks = [
        {"model": BASELINE_MODEL, "training_file": file_id, "validation_file": file_id, "suffix": "s",
         "seed": 3, "metadata": {"team": "t"}, "hyperparameters": {"n_epochs": 2}},
        {"model": BASELINE_MODEL, "training_file": file_id,
         "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "auto"}}}},
        {"model": BASELINE_MODEL, "training_file": surface.rows(
            [{"messages": [{"role": "user", "content": str(n)},
                           {"role": "assistant", "content": "yes"}]} for n in range(12)])},
    ]  # fmt: skip
    first, second, third = (seen("POST /fine_tuning/jobs", json=ask)["id"] for ask in asks)
    for what in ("pause", "resume", "cancel"):
        seen(f"POST {job_path}/{what}", f"/fine_tuning/jobs/{second}/{what}")
    surface.driver.start()
    ended = {"succeeded", "failed", "cancelled"}
    for job_id in (first, second, third):
        path = f"/fine_tuning/jobs/{job_id}"
        surface.until(lambda it=path: surface.call("GET", it).json()["status"] in ended)
    run_id = surface.call("GET", f"/fine_tuning/jobs/{first}").json()["x_tune_or_not"]["run_id"]
    told = JobEvent("m1", 1.0, "metric", "info", "", {"step": 2, "of_steps": 4, "train_loss": 0.5})
    surface.server.context.store.keep_job_events(run_id, [told])
    saved = home_folder() / "runs" / run_id / "checkpoints" / "checkpoint-4"
    saved.mkdir(parents=True)
    (saved / "weights").write_bytes(b"x")
    seal(saved, step=4)
    for job_id in (first, second, third):
        seen(f"GET {job_path}", f"/fine_tuning/jobs/{job_id}")
        seen(f"GET {job_path}/events", f"/fine_tuning/jobs/{job_id}/events?limit=100")
        seen(f"GET {job_path}/checkpoints", f"/fine_tuning/jobs/{job_id}/checkpoints")
    seen("GET /fine_tuning/jobs")
    seen("GET /fine_tuning/jobs", "/fine_tuning/jobs?metadata[team]=none")
    return seen.bodies[f"GET {job_path}"][0]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RecordedExchanges]:
    with serve_openai_api(tmp_path_factory.mktemp("schema"), drives=False) as surface:
        seen = RecordedExchanges(surface)
        job = _jobs(seen, _files_and_uploads(seen))
        assert job["status"] == "succeeded", job
        seen("GET /files/{file_id}/content", f"/files/{job['result_files'][0]}/content")
        model, asked = job["fine_tuned_model"], [{"role": "user", "content": "my parcel"}]
        seen("GET /models")
        seen("GET /models/{model}", f"/models/{model}")
        seen("POST /chat/completions", json={"model": model, "messages": asked})
        seen("POST /chat/completions", json={"model": model, "messages": asked, "stream": True})
        graders = "/fine_tuning/alpha/graders"
        seen(f"POST {graders}/validate", json={"grader": GRADER})
        seen(
            f"POST {graders}/run",
            json={"grader": GRADER, "model_sample": "a", "item": {"label": "a"}},
        )
        seen("DELETE /models/{model}", f"/models/{model}")
        yield seen


def _by_schema(seen: RecordedExchanges) -> Iterator[tuple[str, Any]]:
    """Pair every response with its published schema, if the extract has one."""
    for operation, bodies in seen.bodies.items():
        for body in bodies if operations()[operation] in schemas() else ():
            yield operations()[operation], body


def test_every_operation_of_the_extract_is_served_or_named_as_not(seen: RecordedExchanges) -> None:
    assert set(seen.bodies) | NOT_SERVED == set(operations())
    assert not set(seen.bodies) & NOT_SERVED


def test_every_answer_is_as_openai_publishes_it(seen: RecordedExchanges) -> None:
    checked = Counter(name for name, body in _by_schema(seen) if schema_errors(name, body) == [])

    assert [
        (name, schema_errors(name, body))
        for name, body in _by_schema(seen)
        if schema_errors(name, body)
    ] == []
    assert set(checked) == {
        "OpenAIFile", "ListFilesResponse", "DeleteFileResponse", "Model", "ListModelsResponse",
        "DeleteModelResponse", "FineTuningJob", "ListPaginatedFineTuningJobsResponse",
        "ListFineTuningJobEventsResponse", "ListFineTuningJobCheckpointsResponse",
    }  # fmt: skip
    statuses = {one["status"] for one in seen.bodies["GET /fine_tuning/jobs/{fine_tuning_job_id}"]}
    assert statuses == {"succeeded", "failed", "cancelled"}


def test_what_the_extract_does_not_hold_fits_the_types_of_the_sdk(seen: RecordedExchanges) -> None:
    kinds: dict[str, Callable[..., Any]] = {
        "POST /uploads": Upload.model_validate_json,
        "POST /uploads/{upload_id}/parts": UploadPart.model_validate_json,
        "POST /uploads/{upload_id}/complete": Upload.model_validate_json,
        "POST /uploads/{upload_id}/cancel": Upload.model_validate_json,
        "POST /fine_tuning/alpha/graders/validate": GraderValidateResponse.model_validate_json,
        "POST /fine_tuning/alpha/graders/run": GraderRunResponse.model_validate_json,
    }
    checked = 0
    for operation, read in kinds.items():
        for body in seen.bodies[operation]:
            read(json.dumps(body), strict=True)
            checked += 1
    whole, streamed = seen.bodies["POST /chat/completions"]
    ChatCompletion.model_validate_json(json.dumps(whole), strict=True)
    events = [line.removeprefix("data: ") for line in streamed.split("\n\n") if line]
    for event in events[:-1]:
        ChatCompletionChunk.model_validate_json(event, strict=True)
    assert (checked, events[-1]) == (7, "[DONE]")
    assert len(events) > 3


def test_errors_are_as_openai_publishes_them(seen: RecordedExchanges) -> None:
    asked = [(401, "GET", "/files", {"headers": {"Authorization": "Bearer x"}}),
             (404, "GET", "/models/none", {}), (404, "GET", "/nowhere", {}),
             (405, "PUT", "/files", {}), (400, "GET", "/files?limit=0", {}),
             (403, "POST", "/uploads", {"role": "view", "json": {}})]  # fmt: skip

    for status, method, path, more in asked:
        body = {"error": expect_error(seen.surface, status, method, path, **more)}
        assert schema_errors("ErrorResponse", body) == []


def test_the_validator_rejects_bodies_that_are_malformed(seen: RecordedExchanges) -> None:
    kinds, rejected, missed = Counter[str](), Counter[str](), list[str]()
    valid = 0
    for name, body in [*_by_schema(seen), *_requests()]:
        assert schema_errors(name, body) == []
        valid += 1
        for one in malformed_bodies(name, body):
            kinds[one.kind] += 1
            if schema_errors(name, one.body):
                rejected[one.kind] += 1
            else:
                missed.append(f"{name}.{one.place}: {one.kind}")

    report = "\n".join(f"{kind:<24} {rejected[kind]:>6} of {kinds[kind]:>6} rejected"
                       for kind in sorted(kinds))  # fmt: skip
    sys.stdout.write(f"\n{report}\n{'valid bodies':<24} {valid:>6} of {valid:>6} passed\n")
    assert set(kinds) == {"required key dropped", "type swapped", "enum word replaced",
                          "null where not allowed"}  # fmt: skip
    assert min(kinds.values()) > 50
    for kind in kinds:
        assert rejected[kind] >= LEAST_REJECTED_SHARE * kinds[kind], (report, missed[:20])


def _requests() -> Iterator[tuple[str, Any]]:
    """Yield valid requests: request schemas are published too."""
    settings = {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": 0.5}
    for method in ({"type": "supervised", "supervised": {"hyperparameters": settings}},
                   {"type": "dpo", "dpo": {"hyperparameters": {**settings, "beta": 0.1}}},
                   {"type": "reinforcement", "reinforcement": {"grader": GRADER}}):  # fmt: skip
        yield "CreateFineTuningJobRequest", {
            "model": "m", "training_file": "f", "validation_file": None, "suffix": None, "seed": 1,
            "hyperparameters": settings, "method": method, "metadata": {"a": "b"},
            "integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["t"]}}],
        }  # fmt: skip


def test_the_surface_refuses_malformed_requests_too(seen: RecordedExchanges) -> None:
    file_id = seen.surface.rows()
    tried = 0
    for name, body in _requests():
        whole = {**body, "model": BASELINE_MODEL, "training_file": file_id}
        del whole["integrations"], whole["hyperparameters"]
        for one in malformed_bodies(name, whole):
            tried += 1
            assert (
                seen.surface.call("POST", "/fine_tuning/jobs", json=one.body).status_code == 400
            ), one

    assert tried > 60
