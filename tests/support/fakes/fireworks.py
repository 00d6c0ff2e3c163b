"""Fake of Fireworks AI on loopback: datasets, jobs under the caller's ids, deployments."""

from __future__ import annotations

from typing import Any

from tests.support.fakes.http_server import FakeProvider, Reply, Request

JOB_STATES = ("JOB_STATE_CREATING", "JOB_STATE_PENDING", "JOB_STATE_RUNNING",
          "JOB_STATE_WRITING_RESULTS", "JOB_STATE_COMPLETED")  # fmt: skip
ACCOUNT = "acme"


class FakeFireworks(FakeProvider):
    """The requests of fireworks-ai 1.2.28."""

    def __init__(self) -> None:
        super().__init__()
        self.script = JOB_STATES
        self.datasets: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.at: dict[str, int] = {}
        self.deployments: dict[str, dict[str, Any]] = {}
        root = f"/v1/accounts/{ACCOUNT}"
        for method, path, do in (
            ("POST", f"{root}/datasets", self.add_dataset),
            ("GET", f"{root}/datasets/{{id}}", self.get_dataset),
            ("DELETE", f"{root}/datasets/{{id}}", self.drop_dataset),
            ("POST", f"{root}/datasets/{{id}}:upload", self.upload),
            ("POST", f"{root}/datasets/{{id}}:getUploadEndpoint", self.place),
            ("PUT", "/store/{id}", self.store),
            ("POST", f"{root}/datasets/{{id}}:validateUpload", self.validate),
            ("POST", f"{root}/{{kind}}FineTuningJobs", self.create),
            ("POST", f"{root}/{{kind}}Jobs", self.create),
            ("GET", f"{root}/supervisedFineTuningJobs", self.list_jobs),
            ("GET", f"{root}/dpoJobs", self.list_jobs),
            ("POST", f"{root}/supervisedFineTuningJobs/{{id}}:cancel", self.cancel),
            ("GET", f"{root}/supervisedFineTuningJobs/{{id}}", self.get_job),
            ("GET", f"{root}/dpoJobs/{{id}}", self.get_job),
            ("GET", f"{root}/models/{{id}}:getDownloadEndpoint", self.weights),
            ("GET", "/weights/{name}", lambda request, name: Reply(b"weights of " + name.encode())),
            ("POST", f"{root}/deployments", self.deploy),
            ("GET", f"{root}/deployments", self.list_deployments),
            ("GET", f"{root}/deployments/{{id}}", self.get_deployment),
            ("DELETE", f"{root}/deployments/{{id}}", self.drop_deployment),
            ("POST", "/inference/v1/chat/completions", self.chat),
            ("GET", "/_truth", self.truth),
        ):
            self.route(method, path, do)

    def add_dataset(self, request: Request) -> Reply:
        """Create a dataset; its number of examples is required."""
        asked = request.json()
        name = asked["datasetId"]
        if not asked["dataset"].get("exampleCount"):
            return error_reply(400, "INVALID_ARGUMENT", "exampleCount is missing")
        if name in self.datasets:
            return error_reply(409, "ALREADY_EXISTS", f"{name} already exists")
        self.datasets[name] = {"name": f"accounts/{ACCOUNT}/datasets/{name}", "state": "UPLOADING",
                               **asked["dataset"]}  # fmt: skip
        return Reply(self.datasets[name])

    def upload(self, request: Request, name: str) -> Reply:
        """Store a file."""
        content = request.form()["file"][1]
        self._keep(name, content)
        return Reply({"id": name, "bytes": len(content), "filename": name, "object": "file"})

    def _keep(self, name: str, content: bytes) -> None:
        self.contents[name] = content
        is_complete = content.count(b"\n") == int(self.datasets[name]["exampleCount"])
        self.datasets[name]["state"] = "READY" if is_complete else "UPLOADING"

    def place(self, request: Request, name: str) -> Reply:
        """Return the signed URL for a large file."""
        (file_name,) = request.json()["filenameToSize"]
        return Reply({"filenameToSignedUrls": {file_name: f"{self.url}/store/{name}"}})

    def store(self, request: Request, name: str) -> Reply:
        """Store a large file; the key must not be sent along."""
        if "authorization" in request.headers:
            return error_reply(400, "INVALID_ARGUMENT", "a signed URL accepts no key")
        self.contents[name] = request.body
        return Reply(None, 200)

    def validate(self, request: Request, name: str) -> Reply:
        """Count the rows of a large file."""
        self._keep(name, self.contents[name])
        return Reply({})

    def get_dataset(self, request: Request, name: str) -> Reply:
        """Return a dataset."""
        return Reply(self.datasets[name]) if name in self.datasets else not_found(name)

    def drop_dataset(self, request: Request, name: str) -> Reply:
        """Delete a dataset."""
        return not_found(name) if self.datasets.pop(name, None) is None else Reply({})

    def create(self, request: Request, kind: str) -> Reply:
        """Create a job under the caller's id, once."""
        collection = request.path.rsplit("/", 1)[-1]
        parameter = {"dpoJobs": "dpoJobId"}.get(collection, "supervisedFineTuningJobId")
        name, asked = request.query[parameter], request.json()
        if asked["dataset"].rsplit("/", 1)[-1] not in self.datasets:
            return error_reply(400, "INVALID_ARGUMENT", "dataset not found")
        if name in self.jobs:
            return error_reply(409, "ALREADY_EXISTS", f"{name} already exists")
        self.jobs[name] = {
            **asked, "name": f"accounts/{ACCOUNT}/{collection}/{name}", "state": self.script[0],
            "createTime": "2026-11-20T10:00:00Z", "updateTime": "2026-11-20T10:00:00Z",
            "estimatedCost": {"currencyCode": "USD", "units": "3", "nanos": 250_000_000},
            "status": {"code": "OK"}, "jobProgress": {"percent": 0, "epoch": 0},
        }  # fmt: skip
        self.at[name] = 0
        return Reply(self.jobs[name])

    def list_jobs(self, request: Request) -> Reply:
        """List the jobs of a method."""
        collection = request.path.rsplit("/", 1)[-1]
        jobs = [job for job in self.jobs.values() if f"/{collection}/" in job["name"]]
        return Reply({collection: jobs, "nextPageToken": ""})

    def get_job(self, request: Request, name: str) -> Reply:
        """Return a job, one step further than last time."""
        if name not in self.jobs:
            return not_found(name)
        if self.at[name] >= 0:
            self.at[name] = min(self.at[name] + 1, len(self.script) - 1)
            self.jobs[name] |= {"state": self.script[self.at[name]],
                                "jobProgress": {"percent": 25 * self.at[name], "epoch": 0}}  # fmt: skip
        return Reply(self.jobs[name])

    def cancel(self, request: Request, name: str) -> Reply:
        """Cancel a job."""
        self.at[name] = -1
        self.jobs[name]["state"] = "JOB_STATE_CANCELLED"
        return Reply({})

    def weights(self, request: Request, name: str) -> Reply:
        """Return the signed URLs of the tuned weights."""
        file = "adapter_model.safetensors"
        return Reply({"filenameToSignedUrls": {file: f"{self.url}/weights/{name}"}})

    def deploy(self, request: Request) -> Reply:
        """Start a deployment under the caller's id, once."""
        name = request.query["deploymentId"]
        if name in self.deployments:
            return error_reply(409, "ALREADY_EXISTS", f"{name} already exists")
        self.deployments[name] = {
            **request.json(), "name": f"accounts/{ACCOUNT}/deployments/{name}", "state": "READY",
        }  # fmt: skip
        return Reply(self.deployments[name])

    def list_deployments(self, request: Request) -> Reply:
        """List deployments."""
        return Reply({"deployments": list(self.deployments.values())})

    def get_deployment(self, request: Request, name: str) -> Reply:
        """Return a deployment."""
        return Reply(self.deployments[name]) if name in self.deployments else not_found(name)

    def drop_deployment(self, request: Request, name: str) -> Reply:
        """Stop a deployment."""
        return not_found(name) if self.deployments.pop(name, None) is None else Reply({})

    def chat(self, request: Request) -> Reply:
        """Answer OK."""
        return Reply({"choices": [{"message": {"role": "assistant", "content": "OK"}}]})

    def truth(self, request: Request) -> Reply:
        """Return the true state, for the test."""
        return Reply({"jobs": list(self.jobs.values()), "fired": dict(self.fired)})


def error_reply(status: int, code: str, message: str) -> Reply:
    """Return an error in the format of Google's APIs."""
    return Reply({"code": code, "message": message}, status)


def not_found(what: str) -> Reply:
    """Return a 404 response."""
    return error_reply(404, "NOT_FOUND", f"{what} not found")
