"""Fireworks AI adapter: its own API; we choose the job id, so no job is created twice."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan, requested_epochs
from trainer.errors import ApiKeyError
from trainer.providers.base import Adapter, Job, JobFiles, RemoteFile, UnknownOutcome
from trainer.providers.http_client import (
    SEND_SECONDS,
    HttpClient,
    none_if_declined,
    path_segment,
    request_signed_url,
)
from trainer.providers.openai_responses import check_complete, job_id_and_status, parse_time
from trainer.providers.status_words import FIREWORKS, job_state
from trainer.run_states import JobEvent
from trainer.security.api_keys import ApiKey, environment_name

ID_HEX = 24
PAGE = 200
SIGNED_FROM_BYTES = 100 * 1024 * 1024
COLLECTIONS = {"supervised": "supervisedFineTuningJobs", "dpo": "dpoJobs"}
ID_PARAMETERS = {"supervised": "supervisedFineTuningJobId", "dpo": "dpoJobId"}
LARGEST_LORA_RANK = 32


class Fireworks(Adapter):
    """Fine-tuning at Fireworks AI. Source: fireworks-ai 1.2.28."""

    name = "fireworks"
    idempotent = True
    max_file_bytes = 1024**4

    def __init__(self, base_url: str, key: ApiKey) -> None:
        account = os.environ.get(environment_name(self.name, "ACCOUNT_ID"), "")
        if not account:
            raise ApiKeyError("fireworks: no account. Set FIREWORKS_ACCOUNT_ID to your account id.")
        self.account = account
        self._web = HttpClient(f"{base_url.rstrip('/')}/v1/accounts/{path_segment(account)}", key)
        self._inference = HttpClient(f"{base_url.rstrip('/')}/inference/v1", key)

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the id that the job of a plan gets."""
        return f"ton-{plan.plan_id[:ID_HEX]}"

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Create a dataset and upload its file; an incomplete upload is repeated."""
        dataset, size = dataset_id(name), path.stat().st_size
        details = {"displayName": name, "format": "CHAT", "exampleCount": str(rows)}
        body = {"datasetId": dataset, "dataset": {**details, "userUploaded": {}}}
        none_if_declined(lambda: self._web.ask("POST", "/datasets", json=body), 409)
        if size > SIGNED_FROM_BYTES:
            self._upload_signed(path, dataset, name, size)
        else:
            with path.open("rb") as content:
                form = {"file": (name, content)}
                url = f"/datasets/{dataset}:upload"
                response = self._web.ask("POST", url, files=form, timeout=SEND_SECONDS)
            check_complete(RemoteFile(dataset, response.get("bytes"), ready=False), size)
        sent = self.file(dataset)
        if sent is None:
            raise UnknownOutcome(f"the dataset {dataset} does not exist after its upload")
        return sent

    def _upload_signed(self, path: Path, dataset: str, name: str, size: int) -> None:
        body = {"filenameToSize": {name: size}}
        urls = self._web.ask("POST", f"/datasets/{dataset}:getUploadEndpoint", json=body)
        headers = {"x-goog-content-length-range": f"{size},{size}"}
        with path.open("rb") as content:
            url = urls["filenameToSignedUrls"][name]
            request_signed_url("PUT", url, content=content, headers=headers)
        self._web.ask("POST", f"/datasets/{dataset}:validateUpload", json={})

    def find_file(self, name: str) -> RemoteFile | None:
        """Return the dataset with this upload name, or None."""
        return self.file(dataset_id(name))

    def file(self, file_id: str) -> RemoteFile | None:
        """Return a dataset, or None if it does not exist."""
        path = f"/datasets/{path_segment(file_id)}"
        body = none_if_declined(lambda: self._web.ask("GET", path), 404)
        if body is None:
            return None
        status = body.get("status") or {}
        broken = status.get("code") not in (None, "OK")
        is_ready = body.get("state") == "READY" and not broken
        return RemoteFile(file_id, None, is_ready, str(status.get("message")) if broken else None)

    def delete_file(self, file_id: str) -> None:
        """Delete a dataset."""
        self._web.ask("DELETE", f"/datasets/{path_segment(file_id)}")

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Build the request body that starts a job."""
        settings, path = plan.hyperparameters, f"accounts/{self.account}/datasets"
        if settings.learning_rate_multiplier is not None or plan.method not in COLLECTIONS:
            raise UsageError(
                "hyperparameters",
                "Fireworks AI accepts learning_rate, and the methods supervised and dpo.",
                "Convert the learning rate, or change the method.",
            )
        rank = settings.lora_rank or 8
        if rank > LARGEST_LORA_RANK or rank & (rank - 1):
            raise UsageError(
                "lora_rank",
                f"expected a power of two up to {LARGEST_LORA_RANK}, found {rank}.",
                "Use 8, 16 or 32.",
            )
        training: dict[str, Any] = {"epochs": requested_epochs(plan), "loraRank": rank}
        if settings.learning_rate is not None:
            training["learningRate"] = settings.learning_rate
        if settings.batch_size != "auto":
            training["batchSizeSamples"] = settings.batch_size
        base = plan.base_model
        if "/" not in base:
            base = f"accounts/fireworks/models/{base}"
        name = plan.suffix or "tune-or-not"
        common = {"dataset": f"{path}/{files.training}", "displayName": name}
        if files.validation:
            common["evaluationDataset"] = f"{path}/{files.validation}"
        if plan.method == "dpo":
            return {**common, "trainingConfig": {"baseModel": base, **training}}
        return {**common, "baseModel": base, "outputModel": self._model(plan), **training}

    def _model(self, plan: TrainingPlan) -> str:
        return f"accounts/{self.account}/models/{self.key_of(plan)}"

    def _job_id(self, plan: TrainingPlan) -> str:
        return f"{COLLECTIONS[plan.method]}/{self.key_of(plan)}"

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Start the job under our id; if it exists already, return it."""
        path, body = f"/{COLLECTIONS[plan.method]}", self.request(plan, files)
        query = {ID_PARAMETERS[plan.method]: self.key_of(plan)}
        post = partial(self._web.ask, "POST", path, params=query, json=body)
        created = none_if_declined(post, 409)
        return self.job(self._job_id(plan)) if created is None else _job(created)

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """Return the job with our id, if it exists."""
        job = none_if_declined(lambda: self.job(self._job_id(plan)), 404)
        return [] if job is None else [job]

    def job(self, job_id: str) -> Job:
        """Return one job."""
        return _job(self._web.ask("GET", f"/{_path(job_id)}"))

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """List the jobs of both methods page by page."""
        for collection in COLLECTIONS.values():
            token, seen = "", set[str]()
            while token not in seen:
                seen.add(token)
                query = {"pageSize": PAGE, "pageToken": token}
                page = self._web.ask("GET", f"/{collection}", params=query)
                yield [_job(body) for body in page.get(collection) or []]
                token = str(page.get("nextPageToken") or "")

    def events(self, job_id: str) -> list[JobEvent]:
        """Return the progress in the job as an event; Fireworks AI has no list of events."""
        body = self.job(job_id).raw or {}
        progress, at = body.get("jobProgress") or {}, parse_time(body.get("updateTime")) or 0.0
        if not progress:
            return []
        percent, epoch = int(progress.get("percent") or 0), int(progress.get("epoch") or 0)
        data = {"percent": percent, "epoch": epoch}
        message = f"epoch {epoch}, {percent}%"
        return [JobEvent(f"progress-{epoch}-{percent}", at, "message", "info", message, data)]

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        self._web.ask("POST", f"/{_path(job_id)}:cancel", json={})
        return self.job(job_id)

    def resume(self, job_id: str) -> Job:
        """Resume a job that Fireworks AI itself paused."""
        self._web.ask("POST", f"/{_path(job_id)}:resume", json={})
        return self.job(job_id)

    def smoke(self, model: str) -> str:
        """Send one short question to the tuned model; return its answer."""
        return self._inference.smoke("/chat/completions", model)

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Download each file of the tuned model from its signed URL."""
        model = str(job.model or "").rsplit("/", 1)[-1]
        urls = self._web.ask("GET", f"/models/{path_segment(model)}:getDownloadEndpoint")
        paths = []
        for name, url in (urls.get("filenameToSignedUrls") or {}).items():
            paths.append(folder / Path(name).name)
            paths[-1].write_bytes(request_signed_url("GET", url).content)
        return paths

    def close(self) -> None:
        """Close all connections."""
        self._web.close()
        self._inference.close()


def dataset_id(name: str) -> str:
    """Return the dataset id of a file name: letters, digits and dashes only.

    >>> dataset_id("ton-0a1b.train.jsonl")
    'ton-0a1b-train'
    """
    return name.removesuffix(".jsonl").replace(".", "-").replace("_", "-")[:62]


def _path(job_id: str) -> str:
    """Return the path of a job: the last two segments of its resource name."""
    collection, _, name = job_id.rpartition("/")
    return f"{collection.rsplit('/', 1)[-1] or COLLECTIONS['supervised']}/{path_segment(name)}"


def _job(body: Mapping[str, Any]) -> Job:
    name, state = job_id_and_status(body, "name", "state")
    if "/" not in name:
        raise UnknownOutcome(f"the response has no resource name (name {name!r})")
    settings = {**body, **(body.get("trainingConfig") or {})}
    status, base = body.get("status") or {}, settings.get("baseModel")
    cost = body.get("estimatedCost") or {}
    usd = Decimal(cost.get("units") or 0) + Decimal(cost.get("nanos") or 0) / Decimal(10**9)
    return Job(
        job_id="/".join(name.split("/")[-2:]),
        state=job_state(FIREWORKS, state),
        word=state,
        base_model=str(base).rsplit("/", 1)[-1] if base else None,
        key=name.rsplit("/", 1)[-1],
        created_at=parse_time(body.get("createTime")),
        model=settings.get("outputModel") or body.get("outputModel"),
        error=status.get("message") if job_state(FIREWORKS, state) == "failed" else None,
        usd=f"{usd:.6f}" if cost else None,
        raw=body,
        echo={
            "n_epochs": settings.get("epochs"),
            "lora_rank": settings.get("loraRank"),
            "learning_rate": settings.get("learningRate"),
            "batch_size": settings.get("batchSizeSamples"),
        },
    )
