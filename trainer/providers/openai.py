"""The OpenAI fine-tuning protocol, spoken through its SDK to whoever speaks it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import openai
import orjson

from advisor.plan.training_plan import TrainingPlan
from trainer.providers.base import (
    Checkpoint,
    Job,
    JobFiles,
    NotOffered,
    NotSent,
    ProviderDeclined,
    Quote,
    RemoteFile,
    UnknownOutcome,
)
from trainer.providers.http_client import (
    NOT_SENT_ERRORS,
    SEND_SECONDS,
    bound_client,
    json_object,
    raise_for_error,
)
from trainer.providers.openai_dialects import Dialect
from trainer.providers.openai_responses import (
    check_complete,
    parse_checkpoint,
    parse_event,
    parse_job,
)
from trainer.run_states import JobEvent
from trainer.security.api_keys import ApiKey

PART_BYTES = 64 * 1024 * 1024
BY_PARTS_FROM_BYTES = 100 * 1024 * 1024
PAGE = 100
SMOKE_TOKENS = 16
DAY_SECONDS = 86_400.0


class OpenAIProtocol:
    """One provider that speaks the protocol, in its dialect."""

    def __init__(self, dialect: Dialect, base_url: str, key: ApiKey, serving: ApiKey) -> None:
        self.name, self.dialect = dialect.name, dialect
        self.serves_per_token = dialect.serves_per_token
        self.idempotent, self.failed_is_free = dialect.idempotent, dialect.failed_is_free
        self.max_file_bytes, self.reads_here = dialect.max_file_bytes, False
        self._http = bound_client(key.origin)
        self._client = self._made(base_url, key)
        self._serving = self._made(base_url, serving)

    def _made(self, base_url: str, key: ApiKey) -> openai.OpenAI:
        return openai.OpenAI(
            api_key=key.value,
            base_url=base_url,
            max_retries=0,
            http_client=self._http,
            _strict_response_validation=self.dialect.strict,
        )

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the plan's hash, or as much of it as a suffix takes."""
        return self.dialect.key_of(plan)

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Write the body that starts a job."""
        return self.dialect.request(plan, files)

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Send a file whole, by parts above 100 MB, and see that it arrived."""
        size = path.stat().st_size
        if size > BY_PARTS_FROM_BYTES:
            sent = self._upload_by_parts(path, name, size)
        else:
            with path.open("rb") as rows_of:
                sent = self._file(
                    _call(
                        lambda: self._client.files.with_raw_response.create(
                            file=(name, rows_of), purpose="fine-tune", timeout=SEND_SECONDS
                        )
                    )
                )
        check_complete(sent, size)
        if self.dialect.reads_back and size <= BY_PARTS_FROM_BYTES:
            self._compare(sent.file_id, sha256)
        return sent

    def _compare(self, file_id: str, sha256: str) -> None:
        digest = hashlib.sha256(
            _call(lambda: self._client.files.with_raw_response.content(file_id)).content
        ).hexdigest()
        if digest != sha256:
            raise UnknownOutcome(
                f"the file that arrived hashes to {digest[:12]}, ours to {sha256[:12]}"
            )

    def _upload_by_parts(self, path: Path, name: str, size: int) -> RemoteFile:
        uploads = self._client.uploads.with_raw_response
        upload = json_object(
            _call(
                lambda: uploads.create(
                    bytes=size, filename=name, mime_type="application/jsonl", purpose="fine-tune"
                )
            )
        )
        parts, digest = [], hashlib.md5(usedforsecurity=False)
        with path.open("rb") as rows:
            while part := rows.read(PART_BYTES):
                digest.update(part)
                parts.append(str(json_object(_call(self._sender(upload["id"], part)))["id"]))
        done = json_object(
            _call(
                lambda: uploads.complete(
                    upload["id"], part_ids=parts, md5=digest.hexdigest(), timeout=SEND_SECONDS
                )
            )
        )
        return _remote(done.get("file") or {})

    def _sender(self, upload_id: str, part: bytes) -> Callable[[], Any]:
        parts = self._client.uploads.parts.with_raw_response
        return lambda: parts.create(upload_id, data=part, timeout=SEND_SECONDS)

    def find_file(self, name: str) -> RemoteFile | None:
        """Find a file by the name it was sent under."""
        listed = json_object(
            _call(
                lambda: self._client.files.with_raw_response.list(purpose="fine-tune", limit=1000)
            )
        )
        found = [one for one in listed.get("data", []) if one.get("filename") == name]
        return _remote(found[0]) if found else None

    def file(self, file_id: str) -> RemoteFile | None:
        """Ask after a file; nothing if it is not there."""
        try:
            return self._file(_call(lambda: self._client.files.with_raw_response.retrieve(file_id)))
        except ProviderDeclined as error:
            if error.status == 404:
                return None
            raise

    def _file(self, response: httpx2.Response) -> RemoteFile:
        return _remote(json_object(response))

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""
        _call(lambda: self._client.files.with_raw_response.delete(file_id))

    def quote(self, plan: TrainingPlan, files: JobFiles) -> Quote | None:
        """Nobody who speaks this protocol says beforehand what a job costs."""
        return None

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Start the job; the one request that costs money."""
        body = self.request(plan, files)
        try:
            jobs = self._client.fine_tuning.jobs.with_raw_response
            response = _call(
                lambda: jobs.create(
                    model=body.pop("model"),
                    training_file=body.pop("training_file"),
                    timeout=60.0,
                    extra_body=body,
                    extra_headers={"Idempotency-Key": plan.plan_id},
                ),
                strict=self.dialect.strict,
            )
        except ProviderDeclined as error:
            if error.status == 409:  # a twin of this request is at work
                raise UnknownOutcome(str(error)) from None
            raise
        return self._job(json_object(response))

    def _job(self, body: Mapping[str, Any]) -> Job:
        return parse_job(body, self.dialect)

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """List the jobs that carry the key of this plan."""
        key = self.key_of(plan)
        named = {"launch_key": key} if self.dialect.key_in == "metadata" else None
        pages = self._job_pages(since, named)
        return [job for page in pages for job in page if job.key == key]

    def job(self, job_id: str) -> Job:
        """Ask after one job."""
        jobs = self._client.fine_tuning.jobs.with_raw_response
        return self._job(json_object(_call(lambda: jobs.retrieve(job_id))))

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """List jobs, newest first, a page at a time, until they are older than *since*."""
        yield from self._job_pages(since, None)

    def _job_pages(self, since: float, named: dict[str, str] | None) -> Iterator[list[Job]]:
        """List jobs; not all who speak the protocol heed the filter, so the caller looks again."""
        jobs = self._client.fine_tuning.jobs.with_raw_response
        after: str | openai.Omit = openai.omit
        seen: set[str] = set()
        while True:
            last, wanted = after, named or openai.omit
            page = json_object(_call(lambda: jobs.list(limit=PAGE, after=last, metadata=wanted)))  # noqa: B023
            fresh = [self._job(one) for one in page.get("data") or [] if one.get("id") not in seen]
            if not fresh:
                return  # has_more may lie: a page without news is the end
            seen |= {job.job_id for job in fresh}
            yield fresh
            oldest = min(job.created_at or since for job in fresh)
            if not page.get("has_more") or oldest < since - DAY_SECONDS:
                return
            after = fresh[-1].job_id

    def events(self, job_id: str) -> list[JobEvent]:
        """List what happened to a job, each event once however the pages overlap."""
        found: dict[str, JobEvent] = {}
        jobs = self._client.fine_tuning.jobs.with_raw_response
        after: str | openai.Omit = openai.omit
        while True:
            last = after
            page = json_object(_call(lambda: jobs.list_events(job_id, limit=PAGE, after=last)))  # noqa: B023
            fresh = [e for e in map(parse_event, page.get("data") or []) if e.event_id not in found]
            found |= {event.event_id: event for event in fresh}
            if not fresh or not page.get("has_more"):
                return list(found.values())
            after = fresh[-1].event_id

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """List the models saved on the way."""
        resource = self._client.fine_tuning.jobs.checkpoints.with_raw_response
        listed = json_object(_call(lambda: resource.list(job_id, limit=PAGE)))
        return [parse_checkpoint(one) for one in listed.get("data") or []]

    def cancel(self, job_id: str) -> Job:
        """Ask the provider to stop a job."""
        return self._act(job_id, "cancel")

    def pause(self, job_id: str) -> Job:
        """Ask the provider to hold a job."""
        return self._act(job_id, "pause")

    def resume(self, job_id: str) -> Job:
        """Ask the provider to go on with a job."""
        return self._act(job_id, "resume")

    def _act(self, job_id: str, what: str) -> Job:
        if what != "cancel" and not self.dialect.pauses:
            raise NotOffered(f"{self.name} has no {what}. Cancel the job, or let it run.")
        asked = getattr(self._client.fine_tuning.jobs.with_raw_response, what)
        return self._job(json_object(_call(lambda: asked(job_id))))

    def smoke(self, model: str) -> str:
        """Have the tuned model answer one short question with the key that will serve."""
        chat = self._serving.chat.completions.with_raw_response
        body = json_object(
            _call(
                lambda: chat.create(
                    model=model,
                    max_tokens=SMOKE_TOKENS,
                    messages=[{"role": "user", "content": "Say OK."}],
                )
            )
        )
        choices = body.get("choices") or [{}]
        return str((choices[0].get("message") or {}).get("content") or "")

    def shutdown_on(self, model: str) -> str | None:
        """Return the day on which a model ends, where the provider says so."""
        body = json_object(_call(lambda: self._client.models.with_raw_response.retrieve(model)))
        return body.get("shutdown_date")

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Fetch the result files of a job, where the provider lets the weights go."""
        if not self.dialect.downloads:
            raise NotOffered(
                f"{self.name} keeps the weights: they cannot be fetched. "
                "Export the data and the recipe instead."
            )
        files = [str(one) for one in (job.raw or {}).get("result_files") or []]
        return [self._fetch(one, folder) for one in files]

    def _fetch(self, file_id: str, folder: Path) -> Path:
        told_of = json_object(_call(lambda: self._client.files.with_raw_response.retrieve(file_id)))
        target = folder / f"{file_id}-{Path(str(told_of.get('filename') or 'file')).name}"
        content = _call(lambda: self._client.files.with_raw_response.content(file_id)).content
        target.write_bytes(content)
        return target

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()


def _remote(body: Mapping[str, Any]) -> RemoteFile:
    if not body.get("id"):
        raise UnknownOutcome("the answer names no file")
    status = str(body.get("status") or "processed")
    size = body.get("bytes")
    return RemoteFile(
        str(body["id"]),
        int(size) if size is not None else None,
        ready=status in {"processed", "uploaded"},
        broken=str(body.get("status_details") or status) if status == "error" else None,
    )


def _call(send: Callable[[], Any], strict: bool = False) -> httpx2.Response:
    """Send once; return the raw answer, or say in our words what came of it."""
    try:
        answer = send()
        if strict:
            answer.parse()
    except openai.APIStatusError as error:
        raise_for_error(error.response)
        raise UnknownOutcome(str(error)) from None
    except openai.APIResponseValidationError as error:
        raise UnknownOutcome(f"the answer breaks OpenAI's own schema: {error}") from None
    except openai.APIConnectionError as error:
        why = f"{type(error.__cause__ or error).__name__}"
        if isinstance(error.__cause__, NOT_SENT_ERRORS):
            raise NotSent(why) from None
        raise UnknownOutcome(why) from None
    except orjson.JSONDecodeError as error:
        raise UnknownOutcome(f"no JSON: {error}") from None
    response: httpx2.Response = answer.http_response
    if response.status_code >= 300:
        raise_for_error(response)
    return response
