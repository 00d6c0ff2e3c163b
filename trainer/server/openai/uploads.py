"""Routes of uploads: a large file sent in parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from advisor.api.uploads import UploadedFile, display_name, receive_file, too_large_error
from trainer.errors import Refused
from trainer.server.auth import Proposer
from trainer.server.context import MAX_PART_BYTES, ServerContext, server_of
from trainer.server.idempotency import IdempotencyKey, canonical_bytes, idempotent
from trainer.server.openai.errors import BadParameter
from trainer.server.openai.file_schemas import Upload, UploadPart
from trainer.server.openai.files import (
    PURPOSE,
    check_rows,
    file_view,
    form_body,
    form_field,
    require_form,
)
from trainer.server.openai.job_schemas import StrictRequest, Text
from trainer.server.openai.strict_route import StrictRoute
from trainer.storage.files import files_folder
from trainer.storage.multipart_uploads import MultipartUpload

PART = form_field("string", "part of rows", "Up to 64 MiB of the file.", format="binary")
PART_FORM = form_body(["data"], {"data": PART})
router = APIRouter(route_class=StrictRoute, tags=["uploads"])


class CreateUploadRequest(StrictRequest):
    """A request to upload a file in parts."""

    filename: Text = Field(examples=["tickets.jsonl"])
    """Name of the file."""
    purpose: Literal["fine-tune"] = Field(examples=["fine-tune"])
    """Purpose."""
    bytes: Annotated[int, Field(ge=1, le=1 << 53)] = Field(examples=[134217728])
    """Size."""
    mime_type: Text = Field(examples=["application/jsonl"])
    """Media type."""


class CompleteUploadRequest(StrictRequest):
    """The parts of a file, in order."""

    part_ids: list[Text] = Field(
        min_length=1, max_length=10_000, examples=[["part_0f3a9c1b2d4e5f60718293a4"]]
    )
    """Ids of the parts."""
    md5: str | None = Field(None, pattern="^[0-9a-f]{32}$", examples=[None])
    """Checksum of the complete file, to verify it."""


@router.post("/uploads", response_model=Upload)
def create_upload(
    request: Request, caller: Proposer, body: CreateUploadRequest, key: IdempotencyKey = None
) -> Response:
    """Start the upload of a file in parts."""
    with idempotent(request, caller, key, canonical_bytes(body)) as turn:
        if turn.stored is not None:
            return turn.stored
        if body.bytes > turn.server.settings.max_file_bytes:
            raise too_large_error(turn.server.settings.max_file_bytes)
        name = display_name(body.filename)
        upload = turn.server.uploads.begin(caller.owner, name, PURPOSE, body.bytes)
        return turn.respond(_upload_view(turn.server, upload))


@router.post("/uploads/{upload_id}/parts", response_model=UploadPart, openapi_extra=PART_FORM)
async def add_upload_part(
    request: Request, caller: Proposer, upload_id: str, key: IdempotencyKey = None
) -> Response:
    """Add a part, streamed to disk."""
    require_form(request)
    await run_in_threadpool(server_of(request).uploads.upload, upload_id, caller.owner_filter)
    received = await receive_file(request, files_folder(), MAX_PART_BYTES, "data")
    try:
        return await run_in_threadpool(_store_part, request, upload_id, key, received)
    finally:
        received.path.unlink(missing_ok=True)


def _store_part(
    request: Request, upload_id: str, key: str | None, received: UploadedFile
) -> Response:
    caller = request.state.caller
    with idempotent(request, caller, key, received.sha256.encode()) as turn:
        if turn.stored is not None:
            return turn.stored
        upload = turn.server.uploads.upload(upload_id, caller.owner_filter)
        with _refusals_as_bad_parameter():
            part = turn.server.uploads.add_part(upload, received.path)
        view = UploadPart(id=part.part_id, created_at=int(part.made_at), upload_id=upload_id)
        return turn.respond(view)


@router.post("/uploads/{upload_id}/complete", response_model=Upload)
def complete_upload(
    request: Request,
    caller: Proposer,
    upload_id: str,
    body: CompleteUploadRequest,
    key: IdempotencyKey = None,
) -> Response:
    """Join the parts to a file of the announced size."""
    with idempotent(request, caller, key, canonical_bytes(body)) as turn:
        if turn.stored is not None:
            return turn.stored
        server = turn.server
        upload = server.uploads.upload(upload_id, caller.owner_filter)
        with _refusals_as_bad_parameter():
            completed = server.uploads.complete(upload, body.part_ids, body.md5)
        file = server.file_store.file(str(completed.file_id), caller.owner_filter)
        try:
            check_rows(file.path, file.filename)
        except BadParameter:
            server.file_store.delete(file.file_id, caller.owner_filter)
            raise
        return turn.respond(_upload_view(server, completed))


@router.post("/uploads/{upload_id}/cancel", response_model=Upload)
def cancel_upload(
    request: Request, caller: Proposer, upload_id: str, key: IdempotencyKey = None
) -> Response:
    """Cancel an upload; its parts are deleted."""
    with idempotent(request, caller, key, b"") as turn:
        if turn.stored is not None:
            return turn.stored
        upload = turn.server.uploads.upload(upload_id, caller.owner_filter)
        with _refusals_as_bad_parameter():
            cancelled = turn.server.uploads.cancel(upload)
        return turn.respond(_upload_view(turn.server, cancelled))


@contextmanager
def _refusals_as_bad_parameter() -> Iterator[None]:
    """Raise BadParameter, as OpenAI does, where the upload's state does not allow the request."""
    try:
        yield
    except Refused as error:
        raise BadParameter(None, str(error), where="") from error


def _upload_view(server: ServerContext, upload: MultipartUpload) -> Upload:
    final = {"completed", "cancelled", "expired"}
    stored_file = server.file_store.file(upload.file_id, None) if upload.file_id else None
    return Upload.model_validate(
        {
            "id": upload.upload_id,
            "bytes": upload.bytes,
            "created_at": int(upload.made_at),
            "expires_at": int(upload.expires_at),
            "filename": upload.filename,
            "status": upload.status if upload.status in final else "pending",
            "file": file_view(stored_file) if stored_file else None,
        }
    )
