"""POST of /uploads: a large file that comes by parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from advisor.api.uploads import UploadedFile, display_name, receive_file, too_large_error
from trainer.errors import Refused
from trainer.server.auth import Proposer
from trainer.server.context import MAX_PART_BYTES, ServerContext, server_of
from trainer.server.openai.errors import BadParameter
from trainer.server.openai.file_schemas import Upload, UploadPart
from trainer.server.openai.files import PURPOSE, check_rows, file_view, require_form
from trainer.server.openai.idempotency import (
    IdempotencyKey,
    IdempotentRequest,
    canonical_bytes,
    idempotent_request,
    respond_once,
)
from trainer.server.openai.job_schemas import StrictRequest, Text
from trainer.server.openai.strict_route import StrictRoute
from trainer.storage import multipart_uploads
from trainer.storage.files import files_folder

T = TypeVar("T")
PART_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "additionalProperties": False,
                    "properties": {
                        "data": {
                            "type": "string",
                            "format": "binary",
                            "examples": ["part of rows"],
                            "description": "Up to 64 MiB of the file.",
                        }
                    },
                }
            }
        },
    }
}
router = APIRouter(route_class=StrictRoute, tags=["uploads"])


class CreateUploadRequest(StrictRequest):
    """A file that will come by parts."""

    filename: Text = Field(examples=["tickets.jsonl"])
    """What it is called."""
    purpose: Literal["fine-tune"] = Field(examples=["fine-tune"])
    """What it is for."""
    bytes: Annotated[int, Field(ge=1, le=1 << 53)] = Field(examples=[134217728])
    """Its size."""
    mime_type: Text = Field(examples=["application/jsonl"])
    """What it holds."""


class CompleteUploadRequest(StrictRequest):
    """The parts of a file, in their order."""

    part_ids: list[Text] = Field(
        min_length=1, max_length=10_000, examples=[["part_0f3a9c1b2d4e5f60718293a4"]]
    )
    """Names of the parts."""
    md5: str | None = Field(None, pattern="^[0-9a-f]{32}$", examples=[None])
    """Sum of the whole file, to compare."""


@router.post("/uploads", response_model=Upload)
def create_upload(
    request: Request, caller: Proposer, body: CreateUploadRequest, key: IdempotencyKey = None
) -> Response:
    """Begin a file that comes by parts."""

    def work(turn: IdempotentRequest) -> Upload:
        if body.bytes > turn.server.settings.max_file_bytes:
            raise too_large_error(turn.server.settings.max_file_bytes)
        name = display_name(body.filename)
        begun = turn.server.uploads.begin(caller.owner, name, PURPOSE, body.bytes)
        return _upload_view(turn.server, begun)

    return respond_once(idempotent_request(request, caller, key, canonical_bytes(body)), work)


@router.post("/uploads/{upload_id}/parts", response_model=UploadPart, openapi_extra=PART_FORM)
async def add_upload_part(
    request: Request, caller: Proposer, upload_id: str, key: IdempotencyKey = None
) -> Response:
    """Take one part, streamed to the disk."""
    server = server_of(request)
    require_form(request)
    await run_in_threadpool(server.uploads.upload, upload_id, caller.owner_filter)
    came = await receive_file(request, files_folder(), MAX_PART_BYTES, "data")
    try:
        return await run_in_threadpool(_store_part, request, upload_id, key, came)
    finally:
        came.path.unlink(missing_ok=True)


def _store_part(request: Request, upload_id: str, key: str | None, came: UploadedFile) -> Response:
    caller = request.state.caller

    def work(turn: IdempotentRequest) -> UploadPart:
        upload = turn.server.uploads.upload(upload_id, caller.owner_filter)
        if came.fields:
            raise BadParameter(next(iter(came.fields)), "a part has one field: data.")
        part = _with_openai_errors(lambda: turn.server.uploads.add_part(upload, came.path))
        return UploadPart(id=part.part_id, created_at=int(part.made_at), upload_id=upload_id)

    return respond_once(idempotent_request(request, caller, key, came.sha256.encode()), work)


@router.post("/uploads/{upload_id}/complete", response_model=Upload)
def complete_upload(
    request: Request,
    caller: Proposer,
    upload_id: str,
    body: CompleteUploadRequest,
    key: IdempotencyKey = None,
) -> Response:
    """Put the parts together: a file, whole, with the bytes that were announced."""

    def work(turn: IdempotentRequest) -> Upload:
        server = turn.server
        upload = server.uploads.upload(upload_id, caller.owner_filter)
        done = _with_openai_errors(lambda: server.uploads.complete(upload, body.part_ids, body.md5))
        made = server.file_store.file(str(done.file_id), caller.owner_filter)
        try:
            check_rows(made.path, made.filename)
        except BadParameter:
            server.file_store.delete(made.file_id, caller.owner_filter)
            raise
        return _upload_view(server, done)

    return respond_once(idempotent_request(request, caller, key, canonical_bytes(body)), work)


@router.post("/uploads/{upload_id}/cancel", response_model=Upload)
def cancel_upload(
    request: Request, caller: Proposer, upload_id: str, key: IdempotencyKey = None
) -> Response:
    """Give an upload up; its parts are deleted."""

    def work(turn: IdempotentRequest) -> Upload:
        upload = turn.server.uploads.upload(upload_id, caller.owner_filter)
        return _upload_view(
            turn.server, _with_openai_errors(lambda: turn.server.uploads.cancel(upload))
        )

    return respond_once(idempotent_request(request, caller, key, b""), work)


def _with_openai_errors(step: Callable[[], T]) -> T:
    """Say as OpenAI does what an upload refuses: the parameters do not go with its state."""
    try:
        return step()
    except Refused as error:
        raise BadParameter(None, str(error)) from error


def _upload_view(server: ServerContext, upload: multipart_uploads.MultipartUpload) -> Upload:
    known = {"completed": "completed", "cancelled": "cancelled", "expired": "expired"}
    stored_file = server.file_store.file(upload.file_id, None) if upload.file_id else None
    return Upload.model_validate(
        {
            "id": upload.upload_id,
            "bytes": upload.bytes,
            "created_at": int(upload.made_at),
            "expires_at": int(upload.expires_at),
            "filename": upload.filename,
            "status": known.get(upload.status, "pending"),
            "file": file_view(stored_file) if stored_file else None,
        }
    )
