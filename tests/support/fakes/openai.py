"""Fake of a provider with the OpenAI fine-tuning API, in any of its dialects."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Sequence
from typing import Any

from tests.support.fakes.http_server import FakeProvider, Reply, Request

JOB_STATUSES = ("validating_files", "queued", "running", "running", "succeeded")


class FakeOpenAI(FakeProvider):
    """Files, multipart uploads, jobs with events and checkpoints, models, and chat."""

    def __init__(
        self,
        dialect: str = "openai",
        script: Sequence[str] = JOB_STATUSES,
        honours_key: bool = False,
    ) -> None:
        super().__init__()
        self.dialect, self.script, self.honours_key = dialect, tuple(script), honours_key
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.at: dict[str, int] = {}
        self.first: dict[str, Reply] = {}
        self.echo: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}
        self.advance = True
        self.numbers = itertools.count(1)
        for method, path, do in (
            ("POST", "/v1/files", self.add_file),
            ("GET", "/v1/files", self.list_files),
            ("GET", "/v1/files/{id}", self.get_file),
            ("GET", "/v1/files/{id}/content", self.get_content),
            ("DELETE", "/v1/files/{id}", self.drop_file),
            ("POST", "/v1/uploads", self.begin_upload),
            ("POST", "/v1/uploads/{id}/parts", self.add_part),
            ("POST", "/v1/uploads/{id}/complete", self.end_upload),
            ("POST", "/v1/fine_tuning/jobs", self.create),
            ("GET", "/v1/fine_tuning/jobs", self.list_jobs),
            ("GET", "/v1/fine_tuning/jobs/{id}", self.get_job),
            ("GET", "/v1/fine_tuning/jobs/{id}/events", self.list_events),
            ("GET", "/v1/fine_tuning/jobs/{id}/checkpoints", self.list_checkpoints),
            ("POST", "/v1/fine_tuning/jobs/{id}/cancel", self.cancel),
            ("POST", "/v1/fine_tuning/jobs/{id}/pause", self.pause),
            ("POST", "/v1/fine_tuning/jobs/{id}/resume", self.resume),
            ("GET", "/v1/models/{id}", self.get_model),
            ("POST", "/v1/chat/completions", self.chat),
            ("GET", "/_truth", self.truth),
        ):
            self.route(method, path, do)

    def add_file(self, request: Request) -> Reply:
        """Store a file sent at once."""
        name, content = request.form()["file"]
        return Reply(self.keep(str(name), content))

    def keep(self, name: str, content: bytes) -> dict[str, Any]:
        """Store a file."""
        file_id = f"file-{next(self.numbers):06d}"
        self.contents[file_id] = content
        self.files[file_id] = {
            "id": file_id, "object": "file", "bytes": len(content), "filename": name,
            "purpose": "fine-tune", "created_at": int(time.time()), "status": "processed",
            "expires_at": None, "status_details": None,
        }  # fmt: skip
        return self.files[file_id]

    def list_files(self, request: Request) -> Reply:
        """List files."""
        data = list(self.files.values())
        return Reply({"object": "list", "data": data, "has_more": False,
                      "first_id": data[0]["id"] if data else "",
                      "last_id": data[-1]["id"] if data else ""})  # fmt: skip

    def get_file(self, request: Request, file_id: str) -> Reply:
        """Return a file."""
        return Reply(self.files[file_id]) if file_id in self.files else not_found(file_id)

    def get_content(self, request: Request, file_id: str) -> Reply:
        """Return the content of a file."""
        return Reply(self.contents[file_id]) if file_id in self.files else not_found(file_id)

    def drop_file(self, request: Request, file_id: str) -> Reply:
        """Delete a file."""
        if self.files.pop(file_id, None) is None:
            return not_found(file_id)
        return Reply({"id": file_id, "object": "file", "deleted": True})

    def begin_upload(self, request: Request) -> Reply:
        """Create a multipart upload."""
        upload = {"id": f"upload_{next(self.numbers)}", "object": "upload", "status": "pending",
                  "created_at": int(time.time()), "expires_at": int(time.time()) + 3600,
                  **request.json(), "file": None}  # fmt: skip
        self.uploads[upload["id"]] = {**upload, "parts": {}}
        return Reply(upload)

    def add_part(self, request: Request, upload_id: str) -> Reply:
        """Store a part."""
        part = f"part_{next(self.numbers)}"
        self.uploads[upload_id]["parts"][part] = request.form()["data"][1]
        return Reply({"id": part, "object": "upload.part", "created_at": int(time.time()),
                      "upload_id": upload_id})  # fmt: skip

    def end_upload(self, request: Request, upload_id: str) -> Reply:
        """Join the parts; refuse a wrong checksum."""
        upload, asked = self.uploads[upload_id], request.json()
        content = b"".join(upload["parts"][part] for part in asked["part_ids"])
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != asked["md5"]:
            return error_reply(400, "checksum_mismatch", "the checksum does not match")
        completed = {
            **upload,
            "status": "completed",
            "file": self.keep(upload["filename"], content),
        }
        return Reply({name: value for name, value in completed.items() if name != "parts"})

    def create(self, request: Request) -> Reply:
        """Create a job; return the first response to a repeated key, if keys are honored."""
        key = request.headers.get("idempotency-key", "")
        if self.honours_key and key in self.first:
            return self.first[key]
        reply = self.make(request.json())
        if self.honours_key and key:
            self.first[key] = reply
        return reply

    def make(self, asked: dict[str, Any]) -> Reply:
        """Create a job from a request body."""
        if asked.get("training_file") not in self.files:
            return error_reply(400, "invalid_file", "file not found")
        if self.dialect == "azure" and not asked.get("trainingType"):
            return error_reply(400, "unsupported", "base model does not support fine-tuning")
        method = asked.get("method") or {"type": "supervised", "supervised": {}}
        settings = {**self._settings(asked, method), **self.echo}
        job_id, now = f"ftjob-{next(self.numbers):06d}", int(time.time())
        self.jobs[job_id] = {
            "id": job_id, "object": "fine_tuning.job", "created_at": now, "error": None,
            "finished_at": None, "fine_tuned_model": None, "hyperparameters": settings,
            "model": asked["model"], "organization_id": "org-fake", "result_files": [],
            "status": self.script[0], "trained_tokens": None, "seed": asked.get("seed", 42),
            "training_file": asked["training_file"], "estimated_finish": None, "integrations": [],
            "validation_file": asked.get("validation_file"), "metadata": asked.get("metadata"),
            "method": {**method, method["type"]: {"hyperparameters": settings}}, **self.extra,
        }  # fmt: skip
        if self.dialect == "nebius":
            self.jobs[job_id] |= {"suffix": asked.get("suffix")}
        if self.dialect == "azure":
            self.jobs[job_id] |= {"organization_id": None, "result_files": None}
        self.at[job_id] = 0
        return Reply(dict(self.jobs[job_id]))

    def _settings(self, asked: dict[str, Any], method: dict[str, Any]) -> dict[str, Any]:
        given = asked.get("hyperparameters") or method.get(method["type"], {}).get(
            "hyperparameters", {})  # fmt: skip
        return {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 2.0} | {
            name: value for name, value in given.items() if value != "auto"
        }

    def list_jobs(self, request: Request) -> Reply:
        """List jobs by pages, newest first; only OpenAI applies the metadata filter."""
        jobs = sorted(self.jobs.values(), key=lambda job: job["id"], reverse=True)
        wanted = request.query.get("metadata[launch_key]")
        if wanted and self.dialect == "openai":
            jobs = [job for job in jobs if (job["metadata"] or {}).get("launch_key") == wanted]
        ids = [job["id"] for job in jobs]
        after = request.query.get("after")
        start = ids.index(after) + 1 if after in ids else 0
        page = jobs[start : start + int(request.query.get("limit", 20))]
        return Reply({"object": "list", "data": page, "has_more": start + len(page) < len(jobs)})

    def get_job(self, request: Request, job_id: str) -> Reply:
        """Return a job, one step further than last time."""
        if job_id not in self.jobs:
            return not_found(job_id)
        if self.advance and self.at[job_id] >= 0:
            self.step(job_id)
        return Reply(self.jobs[job_id])

    def step(self, job_id: str) -> None:
        """Advance a job by one step of the script."""
        self.at[job_id] = min(self.at[job_id] + 1, len(self.script) - 1)
        self.end(job_id, self.script[self.at[job_id]])

    def end(self, job_id: str, word: str) -> None:
        """Set the status of a job, with the fields of that status."""
        job = self.jobs[job_id]
        job["status"] = word
        if word == "succeeded":
            size = len(self.contents.get(job["training_file"], b"")) // 4
            suffix = (job["metadata"] or {}).get("name", "")
            job |= {"fine_tuned_model": f"ft:{job['model']}:fake:{suffix}:{job_id[-6:]}",
                    "finished_at": int(time.time()), "trained_tokens": size * 3}  # fmt: skip
            if self.dialect == "nebius":
                job["result_files"] = [self.keep("adapter_model.safetensors", b"weights")["id"]]
        if word == "failed":
            job["error"] = {"code": "invalid_data", "message": "bad rows", "param": None}

    def list_events(self, request: Request, job_id: str) -> Reply:
        """List the events so far, newest first."""
        words = self.script[: max(self.at[job_id], 0) + 1]
        data = [event(job_id, number, word) for number, word in enumerate(words)]
        return Reply({"object": "list", "data": data[::-1], "has_more": False})

    def list_checkpoints(self, request: Request, job_id: str) -> Reply:
        """Return one checkpoint."""
        checkpoint = {"id": "ftckpt_1", "object": "fine_tuning.job.checkpoint", "created_at": 1,
               "fine_tuned_model_checkpoint": f"ft:{job_id}:ckpt-step-1", "step_number": 1,
               "fine_tuning_job_id": job_id, "metrics": {"step": 1, "train_loss": 0.5}}  # fmt: skip
        return Reply({"object": "list", "data": [checkpoint], "has_more": False})

    def cancel(self, request: Request, job_id: str) -> Reply:
        """Cancel a job that has not ended."""
        if self.jobs[job_id]["status"] in ("succeeded", "failed", "cancelled"):
            return error_reply(400, "job_ended", "the job has ended")
        self.at[job_id] = -1
        self.end(job_id, "cancelled")
        return Reply(self.jobs[job_id])

    def pause(self, request: Request, job_id: str) -> Reply:
        """Pause a job."""
        self.at[job_id] = -1 - self.at[job_id]
        self.end(job_id, "paused")
        return Reply(self.jobs[job_id])

    def resume(self, request: Request, job_id: str) -> Reply:
        """Resume a job."""
        self.at[job_id] = -1 - self.at[job_id]
        self.end(job_id, "running")
        return Reply(self.jobs[job_id])

    def get_model(self, request: Request, model: str) -> Reply:
        """Return a model."""
        return Reply({"id": model, "object": "model", "created": 1, "owned_by": "fake",
                      "shutdown_date": "2027-01-14"})  # fmt: skip

    def chat(self, request: Request) -> Reply:
        """Answer OK, if the model was tuned by this fake."""
        model = request.json()["model"]
        if model not in {job["fine_tuned_model"] for job in self.jobs.values()}:
            return not_found(model)
        message = {"role": "assistant", "content": "OK", "refusal": None}
        choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}
        return Reply({"id": "chat-1", "object": "chat.completion", "created": 1, "model": model,
                      "choices": [choice]})  # fmt: skip

    def truth(self, request: Request) -> Reply:
        """Return the true state, for the test."""
        return Reply({"jobs": list(self.jobs.values()), "fired": dict(self.fired),
                      "files": list(self.files)})  # fmt: skip


def event(job_id: str, number: int, word: str) -> dict[str, Any]:
    """Return one event of a job: a message, or a metric while it runs."""
    running = word == "running"
    return {
        "id": f"{job_id}-event-{number}", "object": "fine_tuning.job.event",
        "created_at": 1_790_000_000 + number, "level": "info", "message": f"the job is {word}",
        "type": "metrics" if running else "message",
        "data": {"step": number, "train_loss": 1.0 / number} if running else {},
    }  # fmt: skip


def error_reply(status: int, code: str, message: str, retry_after: str | None = None) -> Reply:
    """Return an error in OpenAI's format."""
    kind = "invalid_request_error"
    headers = {"Retry-After": retry_after} if retry_after else {}
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Reply(body, status, headers)


def not_found(what: str) -> Reply:
    """Return a 404 response."""
    return error_reply(404, "not_found", f"{what} not found")
