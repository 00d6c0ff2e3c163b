"""Fake of Together AI on loopback: uploads to signed URLs, price quotes, its own statuses."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime
from typing import Any

from tests.support.fakes.http_server import FakeProvider, Reply, Request

JOB_STATUSES = ("pending", "queued", "running", "compressing", "uploading", "completed")
USD_PER_TOKEN = 0.34e-6
ROOT = "/v2/projects/acme/endpoints"


class FakeTogether(FakeProvider):
    """Files, price estimates and jobs, as together 3.1.1 requests them."""

    def __init__(self) -> None:
        super().__init__()
        self.script = JOB_STATUSES
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.sums: dict[str, str] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.at: dict[str, int] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.usd: float | None = None
        self.tokens = 0
        self.allowed = True
        self.numbers = itertools.count(1)
        for method, path, do in (
            ("POST", "/v1/files", self.place), ("GET", "/v1/files", self.list_files),
            ("PUT", "/store/{id}", self.store), ("PUT", "/store/{id}/{part}", self.store_part),
            ("POST", "/v1/files/multipart/initiate", self.begin),
            ("POST", "/v1/files/multipart/complete", self.complete),
            ("POST", "/v1/files/{id}/preprocess", self.get_file),
            ("GET", "/v1/files/{id}", self.get_file), ("DELETE", "/v1/files/{id}", self.drop_file),
            ("POST", "/v1/fine-tunes/estimate-price", self.estimate),
            ("POST", "/v1/fine-tunes", self.create), ("GET", "/v1/fine-tunes", self.list_jobs),
            ("GET", "/v1/fine-tunes/{id}", self.get_job),
            ("GET", "/v1/fine-tunes/{id}/events", self.list_events),
            ("GET", "/v1/fine-tunes/{id}/metrics", self.list_metrics),
            ("GET", "/v1/fine-tunes/{id}/checkpoints", self.list_checkpoints),
            ("POST", "/v1/fine-tunes/{id}/cancel", self.cancel),
            ("GET", "/v1/finetune/download", self.download),
            ("POST", "/v1/chat/completions", self.chat), ("GET", "/_truth", self.truth),
            ("POST", f"{ROOT}", self.make_endpoint), ("GET", f"{ROOT}", self.list_endpoints),
            ("POST", f"{ROOT}/{{id}}/deployments", self.deploy),
            ("GET", f"{ROOT}/{{id}}/deployments", self.list_deployments),
            ("DELETE", f"{ROOT}/{{id}}/deployments/{{name}}", self.drop_deployment),
            ("DELETE", f"{ROOT}/{{id}}", self.drop_endpoint),
        ):  # fmt: skip
            self.route(method, path, do)

    def place(self, request: Request) -> Reply:
        """Return the upload URL of a file."""
        form = request.form()
        file_id = f"file-{next(self.numbers):06d}"
        self.sums[file_id] = form["checksum"][1].decode()
        self._begin_file(file_id, form["file_name"][1].decode())
        return Reply(None, 302, {"Location": f"{self.url}/store/{file_id}",
                                 "X-Together-File-Id": file_id})  # fmt: skip

    def _begin_file(self, file_id: str, name: str) -> None:
        self.files[file_id] = {
            "id": file_id, "object": "file", "bytes": 0, "created_at": 1, "filename": name,
            "FileType": "jsonl", "purpose": "fine-tune", "processing_status": "PENDING",
        }  # fmt: skip

    def store(self, request: Request, file_id: str) -> Reply:
        """Store a file; the key must not be sent along."""
        if "authorization" in request.headers:
            return Reply({"message": "a signed URL accepts no key"}, 400)
        self._keep(file_id, request.body)
        return Reply(None, 200)

    def _keep(self, file_id: str, content: bytes) -> None:
        is_complete = hashlib.sha256(content).hexdigest() == self.sums[file_id]
        self.contents[file_id] = content
        self.files[file_id] |= {"bytes": len(content),
                                "processing_status": "COMPLETED" if is_complete else "FAILED"}  # fmt: skip

    def begin(self, request: Request) -> Reply:
        """Return the upload URLs of the parts of a file."""
        asked, file_id = request.json(), f"file-{next(self.numbers):06d}"
        self.sums[file_id], self.parts[file_id] = asked["checksum"], {}
        self._begin_file(file_id, asked["file_name"])
        urls = [{"PartNumber": n, "URL": f"{self.url}/store/{file_id}/{n}", "Headers": {}}
                  for n in range(1, asked["num_parts"] + 1)]  # fmt: skip
        return Reply({"upload_id": f"up-{file_id}", "file_id": file_id, "parts": urls})

    def store_part(self, request: Request, file_id: str, part: str) -> Reply:
        """Store a part."""
        self.parts[file_id][int(part)] = request.body
        return Reply(None, 200, {"ETag": f'"{part}"'})

    def complete(self, request: Request) -> Reply:
        """Join the parts."""
        asked = request.json()
        parts = self.parts[asked["file_id"]]
        self._keep(
            asked["file_id"], b"".join(parts[part["part_number"]] for part in asked["parts"])
        )
        return Reply({"file": self.files[asked["file_id"]]})

    def list_files(self, request: Request) -> Reply:
        """List files."""
        return Reply({"data": list(self.files.values())})

    def get_file(self, request: Request, file_id: str) -> Reply:
        """Return a file."""
        return Reply(self.files[file_id]) if file_id in self.files else not_found(file_id)

    def drop_file(self, request: Request, file_id: str) -> Reply:
        """Delete a file."""
        if self.files.pop(file_id, None) is None:
            return not_found(file_id)
        return Reply({"id": file_id, "deleted": True})

    def estimate(self, request: Request) -> Reply:
        """Quote the price of a job."""
        usd = self.usd if self.usd is not None else self.tokens * USD_PER_TOKEN
        return Reply({"estimation_available": True, "allowed_to_proceed": self.allowed,
                      "estimated_total_price": usd, "estimated_train_token_count": self.tokens,
                      "estimated_eval_token_count": 0, "user_limit": 100.0})  # fmt: skip

    def create(self, request: Request) -> Reply:
        """Create a job."""
        asked = request.json()
        job_id = f"ft-{next(self.numbers):06d}"
        self.jobs[job_id] = {
            **asked, "id": job_id, "status": self.script[0], "user_id": "u-fake", "events": [],
            "created_at": datetime.now(tz=UTC).isoformat(), "total_price": None, "token_count": 0,
            "model_output_name": f"fake/{asked['model']}-{asked['suffix']}",
        }  # fmt: skip
        self.at[job_id] = 0
        return Reply(self.jobs[job_id])

    def list_jobs(self, request: Request) -> Reply:
        """List jobs, all in one page, as Together does."""
        return Reply({"data": list(self.jobs.values())[::-1]})

    def get_job(self, request: Request, job_id: str) -> Reply:
        """Return a job, one step further than last time."""
        if job_id not in self.jobs:
            return not_found(job_id)
        if self.at[job_id] >= 0:
            self.at[job_id] = min(self.at[job_id] + 1, len(self.script) - 1)
            self.jobs[job_id]["status"] = self.script[self.at[job_id]]
        if self.jobs[job_id]["status"] == "completed":
            usd = max(self.tokens * USD_PER_TOKEN, 4.0)
            self.jobs[job_id] |= {"total_price": int(usd * 1e9), "token_count": self.tokens}
        return Reply(self.jobs[job_id])

    def list_events(self, request: Request, job_id: str) -> Reply:
        """List the events so far."""
        words = self.script[: max(self.at[job_id], 0) + 1]
        return Reply({"data": [
            {"object": "fine-tune-event", "created_at": f"2026-11-20T10:00:{n:02d}Z",
             "type": "training_start", "level": "info", "message": f"the job is {word}"}
            for n, word in enumerate(words)]})  # fmt: skip

    def list_metrics(self, request: Request, job_id: str) -> Reply:
        """Return the loss of two steps."""
        return Reply({"metrics": [{"global_step": n, "train/loss": 1.0 / n, "timestamp": n}
                                  for n in (1, 2)]})  # fmt: skip

    def list_checkpoints(self, request: Request, job_id: str) -> Reply:
        """Return one checkpoint."""
        return Reply({"data": [{"step": 2, "path": "x", "checkpoint_type": "adapter"}]})

    def cancel(self, request: Request, job_id: str) -> Reply:
        """Cancel a job."""
        self.at[job_id] = -1
        self.jobs[job_id] |= {"status": "cancelled", "total_price": int(1e9)}
        return Reply(self.jobs[job_id])

    def download(self, request: Request) -> Reply:
        """Return the adapter."""
        return Reply(b"adapter of " + request.query["ft_id"].encode())

    def make_endpoint(self, request: Request) -> Reply:
        """Create an endpoint, once per name."""
        name = f"acme/{request.json()['name']}"
        if name in {endpoint["name"] for endpoint in self.endpoints.values()}:
            return Reply({"error": {"message": "already exists", "code": "conflict"}}, 409)
        number = f"endpoint-{next(self.numbers)}"
        self.endpoints[number] = {"id": number, "name": name, "deployments": []}
        return Reply(self.endpoints[number])

    def list_endpoints(self, request: Request) -> Reply:
        """List endpoints."""
        return Reply({"data": list(self.endpoints.values())})

    def deploy(self, request: Request, endpoint: str) -> Reply:
        """Start a replica, which is billed."""
        deployment = {**request.json(), "id": f"dep-{next(self.numbers)}",
                      "status": {"state": "DEPLOYMENT_STATE_READY"}}  # fmt: skip
        self.endpoints[endpoint]["deployments"].append(deployment)
        return Reply(deployment)

    def list_deployments(self, request: Request, endpoint: str) -> Reply:
        """List replicas."""
        return Reply({"data": self.endpoints[endpoint]["deployments"]})

    def drop_deployment(self, request: Request, endpoint: str, name: str) -> Reply:
        """Stop a replica."""
        remaining = [d for d in self.endpoints[endpoint]["deployments"] if d["id"] != name]
        self.endpoints[endpoint]["deployments"] = remaining
        return Reply({})

    def drop_endpoint(self, request: Request, name: str) -> Reply:
        """Delete an endpoint that has no replica."""
        if self.endpoints.get(name, {}).get("deployments"):
            return Reply({"error": {"message": "it still has replicas", "code": "conflict"}}, 409)
        return not_found(name) if self.endpoints.pop(name, None) is None else Reply({})

    def chat(self, request: Request) -> Reply:
        """Answer OK."""
        return Reply({"choices": [{"message": {"role": "assistant", "content": "OK"}}]})

    def truth(self, request: Request) -> Reply:
        """Return the true state, for the test."""
        return Reply({"jobs": list(self.jobs.values()), "fired": dict(self.fired)})


def not_found(what: str) -> Reply:
    """Return a 404 response."""
    return Reply({"error": {"message": f"{what} not found", "code": "not_found"}}, 404)
