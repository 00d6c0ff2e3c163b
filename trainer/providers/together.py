"""Together AI adapter: its own API, absolute learning rates, a price quote before the job."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan, requested_epochs
from trainer.providers.base import (
    Adapter,
    Checkpoint,
    Job,
    JobFiles,
    NotOffered,
    Quote,
    RemoteFile,
    UnknownOutcome,
)
from trainer.providers.http_client import (
    BY_PARTS_FROM_BYTES,
    PART_BYTES,
    SEND_SECONDS,
    HttpClient,
    json_object,
    none_if_declined,
    path_segment,
    raise_for_error,
    request_signed_url,
)
from trainer.providers.openai_responses import check_complete, job_id_and_status, parse_time
from trainer.providers.status_words import TOGETHER, job_state
from trainer.run_states import JobEvent
from trainer.security.api_keys import ApiKey

NANO_USD = 1_000_000_000
SUFFIX_KEY_HEX = 24
MIN_LORA_RANK = 8
FILE_STATES_WAITING = frozenset({"PENDING", "QUEUED", "RUNNING"})
QUOTED_FIELDS = (
    "training_file",
    "validation_file",
    "model",
    "n_epochs",
    "n_evals",
    "training_method",
    "training_type",
)


class Together(Adapter):
    """Fine-tuning at Together AI. Source: together 3.1.1."""

    name = "together"
    max_file_bytes = 50 * 10**9

    def __init__(self, base_url: str, key: ApiKey) -> None:
        self._web = HttpClient(base_url, key)

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the suffix that identifies the job of a plan."""
        return f"ton-{plan.plan_id[:SUFFIX_KEY_HEX]}"

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Upload a file, in parts if it is large; Together AI verifies its checksum."""
        size = path.stat().st_size
        form = {"purpose": "fine-tune", "file_name": name, "file_type": "jsonl"}
        form["checksum"] = sha256
        send = self._upload_by_parts if size > BY_PARTS_FROM_BYTES else self._upload_at_once
        file_id = send(path, form)
        sent = self.file(file_id)
        if sent is None:
            raise UnknownOutcome(f"the file {file_id} does not exist after its upload")
        check_complete(sent, size)
        return sent

    def _upload_at_once(self, path: Path, form: Mapping[str, str]) -> str:
        response = self._web.raw("POST", "/files", accepted={302, 409}, data=form)
        if response.status_code == 409:
            return str(json_object(response)["file_id"])  # the same bytes were uploaded before
        url = response.headers.get("location")
        file_id = response.headers.get("x-together-file-id")
        if not url or not file_id:
            raise UnknownOutcome("the response has no upload URL")
        with path.open("rb") as rows:
            request_signed_url("PUT", url, content=rows)
        self._web.ask("POST", f"/files/{path_segment(file_id)}/preprocess")
        return str(file_id)

    def _upload_by_parts(self, path: Path, form: Mapping[str, str]) -> str:
        size = path.stat().st_size
        body = {**form, "file_size": size, "num_parts": -(-size // PART_BYTES)}
        upload = self._web.ask("POST", "/files/multipart/initiate", json=body)
        parts = []
        with path.open("rb") as rows:
            for part in upload["parts"]:
                sent = request_signed_url("PUT", part["URL"], content=rows.read(PART_BYTES))
                etag = sent.headers.get("etag", "").strip('"')
                parts.append({"part_number": part["PartNumber"], "etag": etag})
        body = {name: upload[name] for name in ("upload_id", "file_id")} | {"parts": parts}
        self._web.ask("POST", "/files/multipart/complete", json=body)
        return str(upload["file_id"])

    def find_file(self, name: str) -> RemoteFile | None:
        """Return the file with this upload name, or None."""
        files = self._web.ask("GET", "/files").get("data") or []
        matches = [file for file in files if file.get("filename") == name]
        return _file(matches[0]) if matches else None

    def file(self, file_id: str) -> RemoteFile | None:
        """Return a file, or None if it does not exist."""
        path = f"/files/{path_segment(file_id)}"
        return none_if_declined(lambda: _file(self._web.ask("GET", path)), 404)

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""
        self._web.ask("DELETE", f"/files/{path_segment(file_id)}")

    def quote(self, plan: TrainingPlan, files: JobFiles) -> Quote | None:
        """Return the price of the job with its exact settings, or None if it quotes none."""
        settings = self.request(plan, files)
        body = {name: settings[name] for name in QUOTED_FIELDS if name in settings}
        estimate = self._web.ask("POST", "/fine-tunes/estimate-price", json=body)
        if not estimate.get("estimation_available") or "estimated_total_price" not in estimate:
            return None
        limit = estimate.get("user_limit")
        return Quote(
            usd=f"{float(estimate['estimated_total_price']):.6f}",
            tokens=int(estimate.get("estimated_train_token_count") or 0) or None,
            allowed=estimate.get("allowed_to_proceed") is not False,
            limit_usd=None if limit is None else f"{float(limit):.2f}",
        )

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Build the request body; every setting that affects the price is explicit."""
        settings = plan.hyperparameters
        if settings.learning_rate_multiplier is not None or plan.method == "reinforcement":
            raise UsageError(
                "hyperparameters",
                "Together AI accepts learning_rate, and the methods supervised and dpo.",
                "Convert the learning rate, or change the method.",
            )
        rank = settings.lora_rank or MIN_LORA_RANK
        method: dict[str, Any] = {"method": "sft", "train_on_inputs": False}
        if plan.method == "dpo":
            method = {"method": "dpo", "dpo_beta": settings.beta or 0.1}
        body = {
            "model": plan.base_model,
            "training_file": files.training,
            "n_epochs": requested_epochs(plan),
            "n_checkpoints": 1,
            "batch_size": "max" if settings.batch_size == "auto" else settings.batch_size,
            "suffix": self.key_of(plan),
            "training_method": method,
            "training_type": {
                "type": "Lora",
                "lora_r": rank,
                "lora_alpha": settings.lora_alpha or 2 * rank,
            },
        }
        if settings.learning_rate is not None:
            body["learning_rate"] = settings.learning_rate
        if settings.seed is not None:
            body["random_seed"] = settings.seed
        if files.validation:
            body |= {"validation_file": files.validation, "n_evals": body["n_epochs"]}
        return body

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Start the job; the only request that costs money."""
        headers = {"Idempotency-Key": plan.plan_id}
        body = self.request(plan, files)
        return _job(self._web.ask("POST", "/fine-tunes", json=body, headers=headers))

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """List the jobs that carry the suffix of this plan."""
        key = self.key_of(plan)
        return [job for page in self.jobs(since) for job in page if key in (job.key or "")]

    def job(self, job_id: str) -> Job:
        """Return one job."""
        return _job(self._web.ask("GET", f"/fine-tunes/{path_segment(job_id)}"))

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """List jobs; Together AI returns all in one page."""
        yield [_job(body) for body in self._web.ask("GET", "/fine-tunes").get("data") or []]

    def events(self, job_id: str) -> list[JobEvent]:
        """List the events of a job, with its loss curve."""
        path = f"/fine-tunes/{path_segment(job_id)}"
        events = self._web.ask("GET", f"{path}/events").get("data") or []
        metrics = self._web.ask("GET", f"{path}/metrics").get("metrics") or []
        return [*map(_event, events), *map(_metric, metrics)]

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """List the models saved during training."""
        page = self._web.ask("GET", f"/fine-tunes/{path_segment(job_id)}/checkpoints")
        return [
            Checkpoint(f"{job_id}:{body.get('step', 0)}", int(body.get("step") or 0), {})
            for body in page.get("data") or []
        ]

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return _job(self._web.ask("POST", f"/fine-tunes/{path_segment(job_id)}/cancel"))

    def resume(self, job_id: str) -> Job:
        """Refuse: Together AI pauses no jobs."""
        raise NotOffered("together cannot resume a job. Create a new plan from a checkpoint.")

    def smoke(self, model: str) -> str:
        """Send one short question to the tuned model; return its answer."""
        return self._web.smoke("/chat/completions", model)

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Download the adapter as an archive, with its sha256 next to it."""
        target = folder / f"{job.job_id}-adapter.tar.zst"
        part = target.with_suffix(".part")
        digest = hashlib.sha256()
        url = f"{self._web.base_url}/finetune/download"
        query = {"ft_id": job.job_id, "checkpoint": "adapter"}
        try:
            with self._web.client.stream(
                "GET", url, headers=self._web.headers, params=query, timeout=SEND_SECONDS
            ) as response:
                if response.status_code >= 300:
                    response.read()
                    raise_for_error(response)
                with part.open("wb") as out:
                    for chunk in response.iter_bytes():
                        digest.update(chunk)
                        out.write(chunk)
        except httpx2.HTTPError as error:
            raise UnknownOutcome(f"the download was cut off: {type(error).__name__}") from None
        part.replace(target)
        target.with_suffix(".sha256").write_text(f"{digest.hexdigest()}  {target.name}\n")
        return [target]

    def close(self) -> None:
        """Close all connections."""
        self._web.close()


def _file(body: Mapping[str, Any]) -> RemoteFile:
    state = str(body.get("processing_status") or "COMPLETED")
    report = body.get("validation_report") or {}
    broken = str(report.get("error") or state) if state in {"FAILED", "INVALID_FORMAT"} else None
    size = body.get("bytes")
    ready = state not in FILE_STATES_WAITING and broken is None
    return RemoteFile(str(body["id"]), int(size) if size is not None else None, ready, broken)


def _job(body: Mapping[str, Any]) -> Job:
    job_id, status = job_id_and_status(body)
    price, kind = body.get("total_price"), body.get("training_type") or {}
    echo = {name: body.get(name) for name in ("n_epochs", "batch_size", "learning_rate")}
    echo |= {"lora_rank": kind.get("lora_r"), "lora_alpha": kind.get("lora_alpha")}
    return Job(
        job_id=job_id,
        state=job_state(TOGETHER, status),
        word=status,
        base_model=body.get("model"),
        key=body.get("suffix") or body.get("model_output_name"),
        created_at=parse_time(body.get("created_at")),
        model=body.get("model_output_name"),
        error=_error(body),
        trained_tokens=body.get("token_count"),
        usd=None if price is None else f"{float(price) / NANO_USD:.6f}",
        echo=echo,
        raw=body,
    )


def _error(body: Mapping[str, Any]) -> str | None:
    if body.get("status") != "error":
        return None
    events = body.get("events") or []
    messages = [event.get("message") for event in events if event.get("level") == "error"]
    return str(messages[-1]) if messages else "error without a message"


def _event(body: Mapping[str, Any]) -> JobEvent:
    at = parse_time(body.get("created_at")) or 0.0
    name = f"{body.get('type')}:{body.get('step') or 0}:{at:.3f}:{body.get('message')}"
    event_id = hashlib.sha256(name.encode()).hexdigest()[:32]
    level, message = str(body.get("level") or "info"), str(body.get("message") or "")
    data = {"type": body.get("type"), "step": body.get("step")}
    return JobEvent(event_id, at, "message", level, message, data)


def _metric(body: Mapping[str, Any]) -> JobEvent:
    step = int(body.get("global_step") or body.get("step") or 0)
    loss = body.get("train/loss", body.get("train_loss"))
    at = parse_time(body.get("timestamp") or body.get("created_at")) or 0.0
    return JobEvent(
        f"metric-{step}", at, "metrics", "info", f"step {step}", {"step": step, "train_loss": loss}
    )
