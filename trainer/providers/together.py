"""Together: its own interface, absolute learning rates, a price it says beforehand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2

from advisor.errors import UsageError
from advisor.plan.training_plan import TrainingPlan, requested_epochs
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
from trainer.providers.http_client import (
    SEND_SECONDS,
    HttpClient,
    json_object,
    path_segment,
    raise_for_error,
)
from trainer.providers.openai_responses import check_complete, parse_time
from trainer.providers.status_words import TOGETHER, job_state
from trainer.run_states import JobEvent
from trainer.security.api_keys import ApiKey, origin_of

NANO_USD = 1_000_000_000
SUFFIX_KEY_HEX = 24
MIN_LORA_RANK = 8
FILE_STATES_WAITING = frozenset({"PENDING", "QUEUED", "RUNNING"})
BY_PARTS_FROM_BYTES = 100 * 1024 * 1024
PART_BYTES = 64 * 1024 * 1024


class Together:
    """Fine-tuning at Together. Source: together 3.1.1."""

    name = "together"
    idempotent = False
    serves_per_token = False
    failed_is_free = False
    max_file_bytes = 50 * 10**9
    reads_here = False

    def __init__(self, base_url: str, key: ApiKey) -> None:
        self._web = HttpClient(base_url, key)

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the suffix under which a job is found again."""
        return f"ton-{plan.plan_id[:SUFFIX_KEY_HEX]}"

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Send a file whole, by parts if it is large, with its checksum for them to compare."""
        size = path.stat().st_size
        if size > BY_PARTS_FROM_BYTES:
            file_id = self._send_parts(path, name, sha256, size)
        else:
            file_id = self._send_one(path, name, sha256)
        sent = self.file(file_id)
        if sent is None:
            raise UnknownOutcome(f"the file {file_id} is not there after it was sent")
        check_complete(sent, size)
        return sent

    def _send_one(self, path: Path, name: str, sha256: str) -> str:
        answer = self._web.raw(
            "POST",
            "/files",
            accepted={302, 409},
            data={
                "purpose": "fine-tune",
                "file_name": name,
                "file_type": "jsonl",
                "checksum": sha256,
            },
        )
        if answer.status_code == 409:
            return str(json_object(answer)["file_id"])  # these very bytes lie there already
        target = answer.headers.get("location")
        file_id = answer.headers.get("x-together-file-id")
        if not target or not file_id:
            raise UnknownOutcome("the answer names no place to send the file to")
        with path.open("rb") as rows:
            self._put(target, rows)
        self._web.ask("POST", f"/files/{path_segment(file_id)}/preprocess")
        return str(file_id)

    def _send_parts(self, path: Path, name: str, sha256: str, size: int) -> str:
        asked = {
            "file_name": name,
            "file_size": size,
            "num_parts": -(-size // PART_BYTES),
            "purpose": "fine-tune",
            "file_type": "jsonl",
            "checksum": sha256,
        }
        begun = self._web.ask("POST", "/files/multipart/initiate", json=asked)
        done = []
        with path.open("rb") as rows:
            for part in begun["parts"]:
                tag = self._put(part["URL"], rows.read(PART_BYTES)).headers.get("etag", "")
                done.append({"part_number": part["PartNumber"], "etag": tag.strip('"')})
        asked = {"upload_id": begun["upload_id"], "file_id": begun["file_id"], "parts": done}
        self._web.ask("POST", "/files/multipart/complete", json=asked)
        return str(begun["file_id"])

    def _put(self, target: str, content: Any) -> httpx2.Response:
        """Send bytes to the signed address we were given, without our key."""
        origin_of(target)
        with httpx2.Client(follow_redirects=False, timeout=SEND_SECONDS, trust_env=False) as bare:
            try:
                answer = bare.put(target, content=content)
            except httpx2.HTTPError as error:
                raise UnknownOutcome(f"the file was cut off: {type(error).__name__}") from None
        raise_for_error(answer)
        return answer

    def find_file(self, name: str) -> RemoteFile | None:
        """Find a file by the name it was sent under."""
        listed = self._web.ask("GET", "/files").get("data") or []
        found = [one for one in listed if one.get("filename") == name]
        return _file(found[0]) if found else None

    def file(self, file_id: str) -> RemoteFile | None:
        """Ask after a file; nothing if it is not there."""
        try:
            return _file(self._web.ask("GET", f"/files/{path_segment(file_id)}"))
        except ProviderDeclined as error:
            if error.status == 404:
                return None
            raise

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""
        self._web.ask("DELETE", f"/files/{path_segment(file_id)}")

    def quote(self, plan: TrainingPlan, files: JobFiles) -> Quote | None:
        """Ask what the job will cost, with the settings it will have."""
        asked = self.request(plan, files)
        kept = (
            "training_file",
            "validation_file",
            "model",
            "n_epochs",
            "n_evals",
            "training_method",
            "training_type",
        )
        body = {name: asked[name] for name in kept if name in asked}
        told_of = self._web.ask("POST", "/fine-tunes/estimate-price", json=body)
        if not told_of.get("estimation_available") or "estimated_total_price" not in told_of:
            return None
        limit = told_of.get("user_limit")
        return Quote(
            usd=f"{float(told_of['estimated_total_price']):.6f}",
            tokens=int(told_of.get("estimated_train_token_count") or 0) or None,
            allowed=told_of.get("allowed_to_proceed") is not False,
            limit_usd=None if limit is None else f"{float(limit):.2f}",
        )

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Write the body that starts a job; nothing is left to a default that costs money."""
        asked = plan.hyperparameters
        if asked.learning_rate_multiplier is not None or plan.method == "reinforcement":
            raise UsageError(
                "hyperparameters",
                "together takes learning_rate, supervised or dpo.",
                "Convert the rate, or change the method.",
            )
        rank = asked.lora_rank or MIN_LORA_RANK
        method: dict[str, Any] = {"method": "sft", "train_on_inputs": False}
        if plan.method == "dpo":
            method = {"method": "dpo", "dpo_beta": asked.beta or 0.1}
        body = {
            "model": plan.base_model,
            "training_file": files.training,
            "n_epochs": requested_epochs(plan),
            "n_checkpoints": 1,
            "batch_size": "max" if asked.batch_size == "auto" else asked.batch_size,
            "suffix": self.key_of(plan),
            "training_method": method,
            "training_type": {
                "type": "Lora",
                "lora_r": rank,
                "lora_alpha": asked.lora_alpha or 2 * rank,
            },
        }
        if asked.learning_rate is not None:
            body["learning_rate"] = asked.learning_rate
        if asked.seed is not None:
            body["random_seed"] = asked.seed
        if files.validation:
            body |= {"validation_file": files.validation, "n_evals": body["n_epochs"]}
        return body

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Start the job; the one request that costs money."""
        return _job(
            self._web.ask(
                "POST",
                "/fine-tunes",
                json=self.request(plan, files),
                headers={"Idempotency-Key": plan.plan_id},
            )
        )

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """List the jobs that carry the suffix of this plan."""
        key = self.key_of(plan)
        return [job for page in self.jobs(since) for job in page if key in (job.key or "")]

    def job(self, job_id: str) -> Job:
        """Ask after one job."""
        return _job(self._web.ask("GET", f"/fine-tunes/{path_segment(job_id)}"))

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """List jobs; Together tells all in one page."""
        listed = self._web.ask("GET", "/fine-tunes").get("data") or []
        yield [_job(one) for one in listed]

    def events(self, job_id: str) -> list[JobEvent]:
        """List what happened to a job, with its loss curve."""
        path = f"/fine-tunes/{path_segment(job_id)}"
        told_of = self._web.ask("GET", f"{path}/events").get("data") or []
        measured = self._web.ask("GET", f"{path}/metrics").get("metrics") or []
        return [*map(_event, told_of), *map(_metric, measured)]

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """List the models saved on the way."""
        listed = self._web.ask("GET", f"/fine-tunes/{path_segment(job_id)}/checkpoints").get("data")
        return [
            Checkpoint(f"{job_id}:{one.get('step', 0)}", int(one.get("step") or 0), {})
            for one in listed or []
        ]

    def cancel(self, job_id: str) -> Job:
        """Ask Together to stop a job."""
        return _job(self._web.ask("POST", f"/fine-tunes/{path_segment(job_id)}/cancel"))

    def pause(self, job_id: str) -> Job:
        """Together cannot hold a job."""
        raise NotOffered("together has no pause. Cancel the job, or let it run.")

    def resume(self, job_id: str) -> Job:
        """Together cannot hold a job, so there is none to go on with."""
        raise NotOffered("together has no resume. Plan again from a checkpoint.")

    def smoke(self, model: str) -> str:
        """Have the tuned model answer one short question."""
        body = {
            "model": model,
            "max_tokens": 16,
            "messages": [{"role": "user", "content": "Say OK."}],
        }
        choices = self._web.ask("POST", "/chat/completions", json=body).get("choices") or [{}]
        return str((choices[0].get("message") or {}).get("content") or "")

    def shutdown_on(self, model: str) -> str | None:
        """Together names no day."""
        return None

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Fetch the adapter as the archive that Together makes of it."""
        target = folder / f"{job.job_id}-adapter.tar.zst"
        part = target.with_suffix(".part")
        digest = hashlib.sha256()
        url = f"{self._web.base_url}/finetune/download"
        asked = {"ft_id": job.job_id, "checkpoint": "adapter"}
        try:
            with self._web.client.stream(
                "GET", url, headers=self._web.headers, params=asked, timeout=SEND_SECONDS
            ) as answer:
                if answer.status_code >= 300:
                    answer.read()
                    raise_for_error(answer)
                with part.open("wb") as out:
                    for chunk in answer.iter_bytes():
                        digest.update(chunk)
                        out.write(chunk)
        except httpx2.HTTPError as error:
            raise UnknownOutcome(f"the download was cut off: {type(error).__name__}") from None
        part.replace(target)
        target.with_suffix(".sha256").write_text(f"{digest.hexdigest()}  {target.name}\n")
        return [target]

    def close(self) -> None:
        """Let go of connections."""
        self._web.close()


def _file(body: Mapping[str, Any]) -> RemoteFile:
    state = str(body.get("processing_status") or "COMPLETED")
    report = body.get("validation_report") or {}
    broken = str(report.get("error") or state) if state in {"FAILED", "INVALID_FORMAT"} else None
    size = body.get("bytes")
    ready = state not in FILE_STATES_WAITING and broken is None
    return RemoteFile(str(body["id"]), int(size) if size is not None else None, ready, broken)


def _job(body: Mapping[str, Any]) -> Job:
    job_id, word = body.get("id"), body.get("status")
    if not isinstance(job_id, str) or not job_id or not isinstance(word, str):
        raise UnknownOutcome(f"the answer names no job (id {job_id!r}, status {word!r})")
    price, kind = body.get("total_price"), body.get("training_type") or {}
    echo = {name: body.get(name) for name in ("n_epochs", "batch_size", "learning_rate")}
    echo |= {"lora_rank": kind.get("lora_r"), "lora_alpha": kind.get("lora_alpha")}
    return Job(
        job_id=job_id,
        state=job_state(TOGETHER, word),
        word=word,
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
    told_of = [
        one.get("message") for one in body.get("events") or [] if one.get("level") == "error"
    ]
    return str(told_of[-1]) if told_of else "error, without a reason"


def _event(body: Mapping[str, Any]) -> JobEvent:
    at = parse_time(body.get("created_at")) or 0.0
    name = f"{body.get('type')}:{body.get('step') or 0}:{at:.3f}:{body.get('message')}"
    return JobEvent(
        hashlib.sha256(name.encode()).hexdigest()[:32],
        at,
        "message",
        str(body.get("level") or "info"),
        str(body.get("message") or ""),
        {"type": body.get("type"), "step": body.get("step")},
    )


def _metric(body: Mapping[str, Any]) -> JobEvent:
    step = int(body.get("global_step") or body.get("step") or 0)
    loss = body.get("train/loss", body.get("train_loss"))
    at = parse_time(body.get("timestamp") or body.get("created_at")) or 0.0
    return JobEvent(
        f"metric-{step}", at, "metrics", "info", f"step {step}", {"step": step, "train_loss": loss}
    )
