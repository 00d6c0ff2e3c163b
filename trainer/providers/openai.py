"""Adapter of all providers that implement OpenAI's fine-tuning API, through OpenAI's SDK."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import openai
import orjson

from advisor.plan.training_plan import TrainingPlan
from trainer.providers.base import (
    Adapter,
    Checkpoint,
    Job,
    JobFiles,
    NotOffered,
    NotSent,
    ProviderDeclined,
    RemoteFile,
    UnknownOutcome,
)
from trainer.providers.http_client import (
    BY_PARTS_FROM_BYTES,
    NOT_SENT_ERRORS,
    PART_BYTES,
    SEND_SECONDS,
    SMOKE_TEST,
    answer_text,
    bound_client,
    json_object,
    none_if_declined,
    raise_for_error,
)
from trainer.providers.openai_dialects import Dialect
from trainer.providers.openai_responses import (
    check_complete,
    parse_checkpoint,
    parse_event,
    parse_file,
    parse_job,
)
from trainer.run_states import JobEvent
from trainer.security.api_keys import ApiKey

PAGE = 100
DAY_SECONDS = 86_400.0


class OpenAIProtocol(Adapter):
    """One provider that implements the API, in its dialect."""

    def __init__(self, dialect: Dialect, base_url: str, key: ApiKey, serving: ApiKey) -> None:
        self.name, self.dialect = dialect.name, dialect
        self.serves_per_token = dialect.serves_per_token
        self.idempotent, self.failed_is_free = dialect.idempotent, dialect.failed_is_free
        self.max_file_bytes = dialect.max_file_bytes
        self._http = bound_client(key.origin)
        client = self._sdk_client(base_url, key)
        self._files = client.files.with_raw_response
        self._uploads = client.uploads.with_raw_response
        self._jobs = client.fine_tuning.jobs.with_raw_response
        self._models = client.models.with_raw_response
        self._chat = self._sdk_client(base_url, serving).chat.completions.with_raw_response

    def _sdk_client(self, base_url: str, key: ApiKey) -> openai.OpenAI:
        return openai.OpenAI(
            api_key=key.value,
            base_url=base_url,
            max_retries=0,
            http_client=self._http,
            _strict_response_validation=self.dialect.strict,
        )

    def key_of(self, plan: TrainingPlan) -> str:
        """Return the plan's hash, shortened if it has to fit into a suffix."""
        return self.dialect.key_of(plan)

    def request(self, plan: TrainingPlan, files: JobFiles) -> dict[str, Any]:
        """Build the request body that starts a job."""
        return self.dialect.request(plan, files)

    def upload(self, path: Path, name: str, sha256: str, rows: int) -> RemoteFile:
        """Upload a file, in parts above 100 MB, and check that it arrived complete."""
        size = path.stat().st_size
        if size > BY_PARTS_FROM_BYTES:
            sent = self._upload_by_parts(path, name, size)
        else:
            with path.open("rb") as content:
                options = {"purpose": "fine-tune", "timeout": SEND_SECONDS}
                sent = parse_file(call_json(self._files.create, file=(name, content), **options))
        check_complete(sent, size)
        if self.dialect.reads_back and size <= BY_PARTS_FROM_BYTES:
            digest = hashlib.sha256(self._content(sent.file_id)).hexdigest()
            if digest != sha256:
                raise UnknownOutcome(
                    f"the uploaded file has the sha256 {digest[:12]}, expected {sha256[:12]}"
                )
        return sent

    def _content(self, file_id: str) -> bytes:
        return _call(partial(self._files.content, file_id)).content

    def _upload_by_parts(self, path: Path, name: str, size: int) -> RemoteFile:
        file = {"filename": name, "bytes": size, "mime_type": "application/jsonl"}
        upload = call_json(self._uploads.create, purpose="fine-tune", **file)
        part_ids, digest = [], hashlib.md5(usedforsecurity=False)
        with path.open("rb") as rows:
            while part := rows.read(PART_BYTES):
                digest.update(part)
                send = self._uploads.parts.create
                sent = call_json(send, upload["id"], data=part, timeout=SEND_SECONDS)
                part_ids.append(str(sent["id"]))
        content = {"part_ids": part_ids, "md5": digest.hexdigest()}
        complete = self._uploads.complete
        done = call_json(complete, upload["id"], timeout=SEND_SECONDS, **content)
        return parse_file(done.get("file") or {})

    def find_file(self, name: str) -> RemoteFile | None:
        """Return the file with this upload name, or None."""
        files = call_json(self._files.list, purpose="fine-tune", limit=1000).get("data", [])
        matches = [file for file in files if file.get("filename") == name]
        return parse_file(matches[0]) if matches else None

    def file(self, file_id: str) -> RemoteFile | None:
        """Return a file, or None if it does not exist."""
        return none_if_declined(lambda: parse_file(call_json(self._files.retrieve, file_id)), 404)

    def delete_file(self, file_id: str) -> None:
        """Delete a file."""
        _call(partial(self._files.delete, file_id))

    def create(self, plan: TrainingPlan, files: JobFiles) -> Job:
        """Start the job; the only request that costs money."""
        body = self.request(plan, files)
        create = partial(
            self._jobs.create,
            model=body.pop("model"),
            training_file=body.pop("training_file"),
            timeout=60.0,
            extra_body=body,
            extra_headers={"Idempotency-Key": plan.plan_id},
        )
        try:
            response = _call(create, strict=self.dialect.strict)
        except ProviderDeclined as error:
            if error.status == 409:  # another request with this key is in progress
                raise UnknownOutcome(str(error)) from None
            raise
        return parse_job(json_object(response), self.dialect)

    def find(self, plan: TrainingPlan, since: float) -> list[Job]:
        """List the jobs that carry the key of this plan."""
        key = self.key_of(plan)
        metadata = {"launch_key": key} if self.dialect.key_in == "metadata" else None
        # not every provider applies the metadata filter, so the key is compared again
        return [job for page in self._pages(since, metadata) for job in page if job.key == key]

    def job(self, job_id: str) -> Job:
        """Return one job."""
        return parse_job(call_json(self._jobs.retrieve, job_id), self.dialect)

    def jobs(self, since: float) -> Iterator[list[Job]]:
        """List jobs page by page, newest first, until they are older than *since*."""
        yield from self._pages(since, None)

    def _pages(self, since: float, metadata: dict[str, str] | None) -> Iterator[list[Job]]:
        after: str | openai.Omit = openai.omit
        seen: set[str] = set()
        while True:
            page = call_json(
                self._jobs.list, limit=PAGE, after=after, metadata=metadata or openai.omit
            )
            bodies = [body for body in page.get("data") or [] if body.get("id") not in seen]
            jobs = [parse_job(body, self.dialect) for body in bodies]
            if not jobs:
                return  # has_more can be wrong: a page without new jobs is the last one
            seen |= {job.job_id for job in jobs}
            yield jobs
            oldest = min(job.created_at or since for job in jobs)
            if not page.get("has_more") or oldest < since - DAY_SECONDS:
                return
            after = jobs[-1].job_id

    def events(self, job_id: str) -> list[JobEvent]:
        """List the events of a job, each once even if pages overlap."""
        events: dict[str, JobEvent] = {}
        after: str | openai.Omit = openai.omit
        while True:
            page = call_json(self._jobs.list_events, job_id, limit=PAGE, after=after)
            parsed = map(parse_event, page.get("data") or [])
            new = [event for event in parsed if event.event_id not in events]
            events |= {event.event_id: event for event in new}
            if not new or not page.get("has_more"):
                return list(events.values())
            after = new[-1].event_id

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """List the models saved during training."""
        page = call_json(self._jobs.checkpoints.list, job_id, limit=PAGE)
        return [parse_checkpoint(body) for body in page.get("data") or []]

    def cancel(self, job_id: str) -> Job:
        """Cancel a job."""
        return parse_job(call_json(self._jobs.cancel, job_id), self.dialect)

    def pause(self, job_id: str) -> Job:
        """Pause a job, if the provider can."""
        if not self.dialect.pauses:
            return super().pause(job_id)
        return parse_job(call_json(self._jobs.pause, job_id), self.dialect)

    def resume(self, job_id: str) -> Job:
        """Resume a paused job, if the provider can."""
        if not self.dialect.pauses:
            return super().resume(job_id)
        return parse_job(call_json(self._jobs.resume, job_id), self.dialect)

    def smoke(self, model: str) -> str:
        """Send one short question to the tuned model, with the key that will serve it."""
        return answer_text(call_json(self._chat.create, model=model, **SMOKE_TEST))

    def shutdown_on(self, model: str) -> str | None:
        """Return the day on which the model is shut down, or None if not announced."""
        return call_json(self._models.retrieve, model).get("shutdown_date")

    def download(self, job: Job, folder: Path) -> list[Path]:
        """Download the result files of a job, if the provider releases the weights."""
        if not self.dialect.downloads:
            raise NotOffered(
                f"{self.name} does not release the weights. Export the data and the recipe instead."
            )
        paths = []
        for file_id in map(str, (job.raw or {}).get("result_files") or []):
            file = call_json(self._files.retrieve, file_id)
            paths.append(folder / f"{file_id}-{Path(str(file.get('filename') or 'file')).name}")
            paths[-1].write_bytes(self._content(file_id))
        return paths

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


def call_json(method: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Call a method of the SDK once; return the JSON object of the response.

    Raises:
        ProviderError: the SDK's error, translated.
    """
    return json_object(_call(partial(method, *args, **kwargs)))


def _call(send: Callable[[], Any], strict: bool = False) -> httpx2.Response:
    """Send a request once; return the raw response, or raise the SDK's error as a ProviderError."""
    try:
        answer = send()
        if strict:
            answer.parse()
    except openai.APIStatusError as error:
        raise_for_error(error.response)
        raise UnknownOutcome(str(error)) from None
    except openai.APIResponseValidationError as error:
        raise UnknownOutcome(f"the response violates OpenAI's own schema: {error}") from None
    except openai.APIConnectionError as error:
        why = type(error.__cause__ or error).__name__
        is_unsent = isinstance(error.__cause__, NOT_SENT_ERRORS)
        raise (NotSent if is_unsent else UnknownOutcome)(why) from None
    except orjson.JSONDecodeError as error:
        raise UnknownOutcome(f"not valid JSON: {error}") from None
    response: httpx2.Response = answer.http_response
    if response.status_code >= 300:
        raise_for_error(response)
    return response
