"""Fireworks: its own interface; the job's name is ours to choose, so no job is made twice."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2

from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan, requested_epochs
from trainer.errors import ApiKeyError
from trainer.providers.base import (
    Checkpoint,
    Job,
    JobFiles,
    NotOffered,
    ProviderDeclined,
    Quote,
    RemoteFile,
    UnknownOutcome,
)
from trainer.providers.http_client import SEND_SECONDS, HttpClient, path_segment, raise_for_error
from trainer.providers.openai_responses import check_complete, parse_time
from trainer.providers.status_words import FIREWORKS, job_state
from trainer.run_states import JobEvent
from trainer.security.api_keys import ApiKey, environment_name

ID_HEX = 24
PAGE = 200
SIGNED_FROM_BYTES = 100 * 1024 * 1024
COLLECTIONS = {"supervised": "supervisedFineTuningJobs", "dpo": "dpoJobs"}
ID_PARAMETERS = {"supervised": "supervisedFineTuningJobId", "dpo": "dpoJobId"}
LARGEST_LORA_RANK = 32


class Fireworks:
    """Fine-tuning at Fireworks. Source: fireworks-ai 1.2.28."""

    name = "fireworks"
    idempotent = True
    serves_per_token = False
    failed_is_free = False
    max_file_bytes = 1024**4
    reads_here = False

    def __init__(self, base_url: str, key: ApiKey) -> None:
        account = os.environ.get(environment_name(self.name, "ACCOUNT_ID"), "")
        if not account:
            raise ApiKeyError("fireworks: set FIREWORKS_ACCOUNT_ID to the name of your account.")
        self.account = account
        self._web = HttpClient(f"{base_url.rstrip('/')}/v1/accounts/{path_segment(account)}", key)
        self._inference = HttpClient(f"{base_url.rstrip('/')}/inference/v1", key)

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the name that the job will have."""
        return f"ton-{plan.plan_id[:ID_HEX]}"

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Make a dataset, send its file, and see that it arrived; a half-sent one is sent anew."""
        dataset, size = dataset_id(name), path.stat().st_size
        body = {
            "datasetId": dataset,
            "dataset": {
                "displayName": name,
                "format": "CHAT",
                "exampleCount": str(rows),
                "userUploaded": {},
            },
        }
        try:
            self._web.ask("POST", "/datasets", json=body)
        except ProviderDeclined as error:
            if error.status != 409:
                raise
        if size > SIGNED_FROM_BYTES:
            self._send_signed(path, dataset, name, size)
        else:
            with path.open("rb") as content:
                place, sent_as = f"/datasets/{dataset}:upload", {"file": (name, content)}
                answer = self._web.ask("POST", place, files=sent_as, timeout=SEND_SECONDS)
            check_complete(RemoteFile(dataset, answer.get("bytes"), ready=False), size)
        sent = self.file(dataset)
        if sent is None:
            raise UnknownOutcome(f"the dataset {dataset} is not there after it was sent")
        return sent

    def _send_signed(self, path: Path, dataset: str, name: str, size: int) -> None:
        asked = {"filenameToSize": {name: size}}
        places = self._web.ask("POST", f"/datasets/{dataset}:getUploadEndpoint", json=asked)
        target = places["filenameToSignedUrls"][name]
        with (
            path.open("rb") as content,
            httpx2.Client(follow_redirects=False, timeout=SEND_SECONDS, trust_env=False) as bare,
        ):
            try:
                raise_for_error(
                    bare.put(
                        target,
                        content=content,
                        headers={"x-goog-content-length-range": f"{size},{size}"},
                    )
                )
            except httpx2.HTTPError as error:
                raise UnknownOutcome(f"the file was cut off: {type(error).__name__}") from None
        self._web.ask("POST", f"/datasets/{dataset}:validateUpload", json={})

    def find_file(self, name: str) -> RemoteFile | None:
        """Find a dataset by the name it was sent under."""
        return self.file(dataset_id(name))

    def file(self, file_id: str) -> RemoteFile | None:
        """Ask after a dataset; nothing if it is not there."""
        try:
            body = self._web.ask("GET", f"/datasets/{path_segment(file_id)}")
        except ProviderDeclined as error:
            if error.status == 404:
                return None
            raise
        status = body.get("status") or {}
        bad = status.get("code") not in (None, "OK")
        return RemoteFile(
            file_id,
            None,
            ready=body.get("state") == "READY" and not bad,
            broken=str(status.get("message")) if bad else None,
        )

    def delete_file(self, file_id: str) -> None:
        """Delete a dataset."""
        self._web.ask("DELETE", f"/datasets/{path_segment(file_id)}")

    def quote(self, plan: TrainingPlan, files: JobFiles) -> Quote | None:
        """Fireworks says its estimate in the job only."""
        return None

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Write the body that starts a job."""
        asked, path = plan.hyperparameters, f"accounts/{self.account}/datasets"
        if asked.learning_rate_multiplier is not None or plan.method not in COLLECTIONS:
            raise UsageError(
                "hyperparameters",
                "fireworks takes learning_rate, and supervised or dpo.",
                "Convert the rate, or change the method.",
            )
        rank = asked.lora_rank or 8
        if rank > LARGEST_LORA_RANK or rank & (rank - 1):
            raise UsageError(
                "lora_rank",
                f"found {rank}, fireworks takes powers of two up to 32.",
                "Take 8, 16 or 32.",
            )
        settings: dict[str, Any] = {"epochs": requested_epochs(plan), "loraRank": rank}
        if asked.learning_rate is not None:
            settings["learningRate"] = asked.learning_rate
        if asked.batch_size != "auto":
            settings["batchSizeSamples"] = asked.batch_size
        base = (
            plan.base_model
            if "/" in plan.base_model
            else (f"accounts/fireworks/models/{plan.base_model}")
        )
        common = {
            "dataset": f"{path}/{files.training}",
            "displayName": plan.suffix or "tune-or-not",
        }
        if files.validation:
            common["evaluationDataset"] = f"{path}/{files.validation}"
        if plan.method == "dpo":
            return {**common, "trainingConfig": {"baseModel": base, **settings}}
        return {**common, "baseModel": base, "outputModel": self._model(plan), **settings}

    def _model(self, plan: TrainingPlan) -> str:
        return f"accounts/{self.account}/models/{self.key_of(plan)}"

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Start the job under a name of ours; if it is there already, that is the job."""
        path, key = f"/{COLLECTIONS[plan.method]}", self.key_of(plan)
        try:
            body = self._web.ask(
                "POST",
                path,
                params={ID_PARAMETERS[plan.method]: key},
                json=self.request(plan, files),
            )
        except ProviderDeclined as error:
            if error.status != 409:
                raise
            return self.job(f"{COLLECTIONS[plan.method]}/{key}")
        return _job(body)

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """Ask for the job of our name."""
        try:
            return [self.job(f"{COLLECTIONS[plan.method]}/{self.key_of(plan)}")]
        except ProviderDeclined as error:
            if error.status == 404:
                return []
            raise

    def job(self, job_id: str) -> Job:
        """Ask after one job."""
        return _job(self._web.ask("GET", f"/{_path(job_id)}"))

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """List jobs of both methods, a page at a time."""
        for collection in COLLECTIONS.values():
            token, seen = "", set[str]()
            while token not in seen:
                seen.add(token)
                page = self._web.ask(
                    "GET", f"/{collection}", params={"pageSize": PAGE, "pageToken": token}
                )
                yield [_job(one) for one in page.get(collection) or []]
                token = str(page.get("nextPageToken") or "")

    def events(self, job_id: str) -> list[JobEvent]:
        """Fireworks tells progress in the job itself: one event for each step of it."""
        body = self.job(job_id).raw or {}
        progress, at = body.get("jobProgress") or {}, parse_time(body.get("updateTime")) or 0.0
        if not progress:
            return []
        percent, epoch = int(progress.get("percent") or 0), int(progress.get("epoch") or 0)
        says, told = f"epoch {epoch}, {percent} %", {"percent": percent, "epoch": epoch}
        return [JobEvent(f"progress-{epoch}-{percent}", at, "message", "info", says, told)]

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """Fireworks lists none."""
        return []

    def cancel(self, job_id: str) -> Job:
        """Ask Fireworks to stop a job."""
        self._web.ask("POST", f"/{_path(job_id)}:cancel", json={})
        return self.job(job_id)

    def pause(self, job_id: str) -> Job:
        """Fireworks holds jobs only by itself."""
        raise NotOffered("fireworks has no pause. Cancel the job, or let it run.")

    def resume(self, job_id: str) -> Job:
        """Ask Fireworks to go on with a job that it holds."""
        self._web.ask("POST", f"/{_path(job_id)}:resume", json={})
        return self.job(job_id)

    def smoke(self, model: str) -> str:
        """Have the tuned model answer one short question."""
        body = {
            "model": model,
            "max_tokens": 16,
            "messages": [{"role": "user", "content": "Say OK."}],
        }
        choices = self._inference.ask("POST", "/chat/completions", json=body).get("choices")
        return str(((choices or [{}])[0].get("message") or {}).get("content") or "")

    def shutdown_on(self, model: str) -> str | None:
        """Fireworks names no day."""
        return None

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Fetch each file of the tuned model from the signed address it is given."""
        model = str(job.model or "").rsplit("/", 1)[-1]
        places = self._web.ask("GET", f"/models/{path_segment(model)}:getDownloadEndpoint")
        found = []
        for name, url in (places.get("filenameToSignedUrls") or {}).items():
            target = folder / Path(name).name
            with httpx2.Client(follow_redirects=False, timeout=SEND_SECONDS, trust_env=False) as c:
                answer = c.get(url)
            raise_for_error(answer)
            target.write_bytes(answer.content)
            found.append(target)
        return found

    def close(self) -> None:
        """Let go of connections."""
        self._web.close()
        self._inference.close()


def dataset_id(name: str) -> str:
    """Return the dataset of a file name: Fireworks takes letters, digits and dashes.

    >>> dataset_id("ton-0a1b.train.jsonl")
    'ton-0a1b-train'
    """
    return name.removesuffix(".jsonl").replace(".", "-").replace("_", "-")[:62]


def _path(job_id: str) -> str:
    """Return collection and id of a job; a full resource name is cut to its last two parts."""
    collection, _, name = job_id.rpartition("/")
    return f"{collection.rsplit('/', 1)[-1] or COLLECTIONS['supervised']}/{path_segment(name)}"


def _job(body: Mapping[str, Any]) -> Job:
    name, word = body.get("name"), body.get("state")
    if not isinstance(name, str) or "/" not in name or not isinstance(word, str):
        raise UnknownOutcome(f"the answer names no job (name {name!r}, state {word!r})")
    settings = {**body, **(body.get("trainingConfig") or {})}
    status, base = body.get("status") or {}, settings.get("baseModel")
    cost = body.get("estimatedCost") or {}
    usd = Decimal(cost.get("units") or 0) + Decimal(cost.get("nanos") or 0) / Decimal(10**9)
    return Job(
        job_id="/".join(name.split("/")[-2:]),
        state=job_state(FIREWORKS, word),
        word=word,
        base_model=str(base).rsplit("/", 1)[-1] if base else None,
        key=name.rsplit("/", 1)[-1],
        created_at=parse_time(body.get("createTime")),
        model=settings.get("outputModel") or body.get("outputModel"),
        error=status.get("message") if job_state(FIREWORKS, word) == "failed" else None,
        usd=f"{usd:.6f}" if cost else None,
        raw=body,
        echo={
            "n_epochs": settings.get("epochs"),
            "lora_rank": settings.get("loraRank"),
            "learning_rate": settings.get("learningRate"),
            "batch_size": settings.get("batchSizeSamples"),
        },
    )
