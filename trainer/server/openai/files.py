"""POST, GET and DELETE of /files: rows come in, and numbers of jobs go out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from advisor.api.uploads import UploadedFile, receive_file
from trainer.server.auth import Proposer, Viewer
from trainer.server.context import ServerContext, server_of
from trainer.server.openai.errors import BadParameter
from trainer.server.openai.file_schemas import DeleteFileResponse, ListFilesResponse, OpenAIFile
from trainer.server.openai.idempotency import (
    IdempotencyKey,
    IdempotentRequest,
    idempotent_request,
    json_response,
    respond_once,
)
from trainer.server.openai.ids import After, page_of
from trainer.server.openai.strict_route import StrictRoute
from trainer.storage.files import FileUpload, NoSuchFile, StoredFile, files_folder

PURPOSE: Literal["fine-tune"] = "fine-tune"
ROW_SUFFIXES = (".jsonl", ".json")
CHECKED_ROWS = 100
"""Rows at the beginning of a file that are looked at before it is taken."""
LONGEST_ROW_BYTES = 16 * 1024 * 1024
EXPIRY_SECONDS = range(3600, 2_592_001)
"""How long a file may be kept. Source: https://platform.openai.com/docs/api-reference/files/create"""
FIELDS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
FILE_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "examples": ["rows.jsonl"],
                            "description": "Rows as JSON, one a line.",
                        },
                        "purpose": {
                            "type": "string",
                            "enum": [PURPOSE],
                            "examples": [PURPOSE],
                            "description": "What it is for.",
                        },
                        "expires_after[anchor]": {
                            "type": "string",
                            "enum": ["created_at"],
                            "examples": ["created_at"],
                            "description": "From when.",
                        },
                        "expires_after[seconds]": {
                            "type": "integer",
                            "minimum": EXPIRY_SECONDS[0],
                            "maximum": EXPIRY_SECONDS[-1],
                            "examples": [86400],
                            "description": "How long it is kept.",
                        },
                    },
                }
            }
        },
    }
}
BYTES_RESPONSE: dict[str, Any] = {
    "description": "The bytes of the file.",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
router = APIRouter(route_class=StrictRoute, tags=["files"])


@router.post("/files", response_model=OpenAIFile, openapi_extra=FILE_FORM)
async def create_file(request: Request, caller: Proposer, key: IdempotencyKey = None) -> Response:
    """Take a file of rows, streamed to the disk."""
    server = server_of(request)
    require_form(request)
    came = await receive_file(request, files_folder(), server.settings.max_file_bytes)
    try:
        return await run_in_threadpool(_store_file, request, caller.owner, key, came)
    finally:
        came.path.unlink(missing_ok=True)


def _store_file(request: Request, owner: str, key: str | None, came: UploadedFile) -> Response:
    body = orjson.dumps([came.sha256, came.filename, came.fields], option=orjson.OPT_SORT_KEYS)
    caller = request.state.caller

    def work(turn: IdempotentRequest) -> OpenAIFile:
        seconds = _expiry_seconds(came.fields)
        check_rows(came.path, came.filename)
        sent = FileUpload(owner, came.filename, PURPOSE, came.sha256)
        return file_view(turn.server.file_store.keep(came.path, sent, seconds=seconds))

    return respond_once(idempotent_request(request, caller, key, body), work)


def require_form(request: Request) -> None:
    """See that a form is sent.

    Raises:
        BadParameter: it is something else.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise BadParameter("file", f"content-type: found '{kind[:80]}'. Send multipart/form-data.")


def check_purpose(purpose: str | None) -> None:
    """See that a file is for tuning.

    Raises:
        BadParameter: it is for something that is not done here.
    """
    if purpose != PURPOSE:
        raise BadParameter(
            "purpose",
            f"purpose: found '{(purpose or '')[:80]}', and files here are for: {PURPOSE}.",
        )


def _expiry_seconds(fields: Mapping[str, str]) -> float | None:
    """Check what is said of a file, and return how long it is to be kept."""
    for name in fields:
        if name not in FIELDS:
            raise BadParameter(
                name, f"{name}: there is no such parameter. Known: file, {', '.join(FIELDS)}."
            )
    check_purpose(fields.get("purpose"))
    anchor, seconds = (fields.get(name) for name in FIELDS[1:])
    if anchor is None and seconds is None:
        return None
    is_number = seconds is not None and seconds.isascii() and seconds.isdigit()
    if anchor != "created_at" or not is_number or int(str(seconds)[:12]) not in EXPIRY_SECONDS:
        raise BadParameter(
            "expires_after",
            "expires_after: give anchor 'created_at' and seconds "
            f"from {EXPIRY_SECONDS[0]} to {EXPIRY_SECONDS[-1]}.",
        )
    return float(str(seconds))


def check_rows(path: Path, filename: str) -> None:
    """See that a file begins as rows do: JSON objects, one a line.

    Raises:
        BadParameter: it does not, with the line.
    """
    if not filename.lower().endswith(ROW_SUFFIXES):
        raise BadParameter(
            "file", f"file: '{filename}' does not end in .jsonl. Send JSON, one row a line."
        )
    seen = False
    with path.open("rb") as file:
        lines = iter(lambda: file.readline(LONGEST_ROW_BYTES), b"")
        for number, line in enumerate(islice(lines, CHECKED_ROWS), start=1):
            if line.strip():
                seen = True
                _check_row(line, number)
    if not seen:
        raise BadParameter("file", "file: it holds no rows. Send JSON, one row a line.")


def _check_row(line: bytes, number: int) -> None:
    try:
        row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise BadParameter(
            "file", f"file: line {number} is no JSON ({error.msg}). Send JSON, one row a line."
        ) from error
    if not isinstance(row, dict):
        raise BadParameter("file", f"file: line {number} is no JSON object. Send one row a line.")


@router.get("/files", response_model=ListFilesResponse)
def list_files(
    request: Request,
    caller: Viewer,
    purpose: Annotated[str | None, Query(description="Only these.", examples=["fine-tune"])] = None,
    limit: Annotated[int, Query(description="Most on a page.", ge=1, le=10_000)] = 10_000,
    order: Annotated[Literal["asc", "desc"], Query(description="By the time it came.")] = "desc",
    after: After = None,
) -> Response:
    """List files, the newest first."""
    found = server_of(request).file_store.listed(caller.owner_filter, purpose)
    listed = found if order == "desc" else found[::-1]
    page, has_more = page_of(listed, lambda one: one.file_id, after, limit)
    return json_response(
        ListFilesResponse(
            data=[file_view(one) for one in page],
            first_id=page[0].file_id if page else "",
            last_id=page[-1].file_id if page else "",
            has_more=has_more,
        )
    )


@router.get("/files/{file_id}", response_model=OpenAIFile)
def retrieve_file(request: Request, caller: Viewer, file_id: str) -> Response:
    """Say what is known of a file."""
    return json_response(
        file_view(server_of(request).file_store.file(file_id, caller.owner_filter))
    )


@router.get(
    "/files/{file_id}/content", response_class=FileResponse, responses={200: BYTES_RESPONSE}
)
def download_file(request: Request, caller: Viewer, file_id: str) -> FileResponse:
    """Send the bytes of a file."""
    found = server_of(request).file_store.file(file_id, caller.owner_filter)
    if not found.path.is_file():
        raise NoSuchFile(f"the bytes of '{file_id}' are gone. Upload it again.")
    return FileResponse(found.path, media_type="application/octet-stream", filename=found.filename)


@router.delete("/files/{file_id}", response_model=DeleteFileResponse)
def delete_file(request: Request, caller: Proposer, file_id: str) -> Response:
    """Delete a file with its bytes; jobs keep the rows that they learn from."""
    server: ServerContext = server_of(request)
    found = server.file_store.file(file_id, caller.owner_filter)
    server.audit.write(caller, "delete_file", found.file_id)
    server.file_store.delete(found.file_id, caller.owner_filter)
    return json_response(DeleteFileResponse(id=found.file_id))


def file_view(stored_file: StoredFile) -> OpenAIFile:
    """Show a file; one that came by another door is a file of rows too."""
    ends = stored_file.expires_at
    purpose = "fine-tune-results" if stored_file.purpose == "fine-tune-results" else PURPOSE
    return OpenAIFile(
        id=stored_file.file_id,
        bytes=stored_file.bytes,
        created_at=int(stored_file.made_at),
        purpose=purpose,
        expires_at=None if ends is None else int(ends),
        filename=stored_file.filename,
    )
