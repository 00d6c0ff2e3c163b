"""Routes of files: training rows are uploaded, and step metrics of jobs are downloaded."""

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
from trainer.server.context import CurrentServer
from trainer.server.idempotency import IdempotencyKey, idempotent
from trainer.server.openai.errors import BadParameter
from trainer.server.openai.file_schemas import DeleteFileResponse, ListFilesResponse, OpenAIFile
from trainer.server.openai.ids import After, page_of
from trainer.server.openai.strict_route import StrictRoute
from trainer.storage.files import FileUpload, NoSuchFile, StoredFile, files_folder

PURPOSE: Literal["fine-tune"] = "fine-tune"
ROW_SUFFIXES = (".jsonl", ".json")
CHECKED_ROWS = 100
"""Rows at the beginning of a file that are checked before it is accepted."""
MAX_ROW_BYTES = 16 * 1024 * 1024
EXPIRY_SECONDS = range(3600, 2_592_001)
"""Allowed expiry. Source: https://platform.openai.com/docs/api-reference/files/create"""
FIELDS = ("purpose", "expires_after[anchor]", "expires_after[seconds]")
JSON_LINES = "Send JSON, one row per line."


def form_field(kind: str, example: Any, description: str, **more: Any) -> dict[str, Any]:
    """Describe a field of a multipart form."""
    return {"type": kind, "examples": [example], "description": description, **more}


def form_body(required: list[str], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a multipart form for the OpenAPI document."""
    schema = {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": properties,
    }
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


FILE_FORM = form_body(
    ["file", "purpose"],
    {
        "file": form_field("string", "rows.jsonl", "Rows as JSON, one per line.", format="binary"),
        "purpose": form_field("string", PURPOSE, "Purpose.", enum=[PURPOSE]),
        "expires_after[anchor]": form_field(
            "string", "created_at", "Start of the expiry period.", enum=["created_at"]
        ),
        "expires_after[seconds]": form_field(
            "integer",
            86400,
            "Expiry period.",
            minimum=EXPIRY_SECONDS[0],
            maximum=EXPIRY_SECONDS[-1],
        ),
    },
)
BYTES_RESPONSE: dict[str, Any] = {
    "description": "The bytes of the file.",
    "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
}
router = APIRouter(route_class=StrictRoute, tags=["files"])


@router.post("/files", response_model=OpenAIFile, openapi_extra=FILE_FORM)
async def create_file(
    request: Request, server: CurrentServer, caller: Proposer, key: IdempotencyKey = None
) -> Response:
    """Upload a file of rows, streamed to disk."""
    require_form(request)
    upload = await receive_file(request, files_folder(), server.settings.max_file_bytes)
    try:
        return await run_in_threadpool(_store_file, request, key, upload)
    finally:
        upload.path.unlink(missing_ok=True)


def _store_file(request: Request, key: str | None, upload: UploadedFile) -> Response:
    identity = [upload.sha256, upload.filename, upload.fields]
    body = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
    with idempotent(request, request.state.caller, key, body) as turn:
        if turn.stored is not None:
            return turn.stored
        seconds = _expiry_seconds(upload.fields)
        check_rows(upload.path, upload.filename)
        sent = FileUpload(turn.owner, upload.filename, PURPOSE, upload.sha256)
        stored_file = turn.server.file_store.keep(upload.path, sent, seconds=seconds)
        return turn.respond(file_view(stored_file))


def require_form(request: Request) -> None:
    """Raise BadParameter unless the request is a multipart form."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise BadParameter(
            "file", f"found '{kind[:80]}'. Send multipart/form-data.", where="content-type"
        )


def _expiry_seconds(fields: Mapping[str, str]) -> float | None:
    """Check the text fields of the form, and return how long the file is stored."""
    for name in fields:
        if name not in FIELDS:
            raise BadParameter(name, f"unknown parameter. Known: file, {', '.join(FIELDS)}.")
    purpose, anchor, seconds = (fields.get(name) for name in FIELDS)
    if purpose != PURPOSE:
        raise BadParameter("purpose", f"found '{(purpose or '')[:80]}'. Use '{PURPOSE}'.")
    if anchor is None and seconds is None:
        return None
    is_number = seconds is not None and seconds.isascii() and seconds.isdigit()
    if anchor != "created_at" or not is_number or int(str(seconds)[:12]) not in EXPIRY_SECONDS:
        raise BadParameter(
            "expires_after",
            "give anchor 'created_at' and seconds "
            f"from {EXPIRY_SECONDS[0]} to {EXPIRY_SECONDS[-1]}.",
        )
    return float(str(seconds))


def check_rows(path: Path, filename: str) -> None:
    """Check that a file begins with JSON objects, one per line.

    Raises:
        BadParameter: it does not, with the line.
    """
    if not filename.lower().endswith(ROW_SUFFIXES):
        raise BadParameter("file", f"'{filename}' does not end in .jsonl. {JSON_LINES}")
    has_rows = False
    with path.open("rb") as file:
        lines = iter(lambda: file.readline(MAX_ROW_BYTES), b"")
        for number, line in enumerate(islice(lines, CHECKED_ROWS), start=1):
            if line.strip():
                has_rows = True
                _check_row(line, number)
    if not has_rows:
        raise BadParameter("file", f"it has no rows. {JSON_LINES}")


def _check_row(line: bytes, number: int) -> None:
    try:
        row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        text = f"line {number} is not valid JSON ({error.msg}). {JSON_LINES}"
        raise BadParameter("file", text) from error
    if not isinstance(row, dict):
        raise BadParameter("file", f"line {number} is not a JSON object. {JSON_LINES}")


@router.get("/files")
def list_files(
    server: CurrentServer,
    caller: Viewer,
    purpose: Annotated[
        str | None, Query(description="Only files of this purpose.", examples=["fine-tune"])
    ] = None,
    limit: Annotated[int, Query(description="Maximum per page.", ge=1, le=10_000)] = 10_000,
    order: Annotated[Literal["asc", "desc"], Query(description="By upload time.")] = "desc",
    after: After = None,
) -> ListFilesResponse:
    """List files, newest first."""
    files = server.file_store.listed(caller.owner_filter, purpose)
    ordered = files if order == "desc" else files[::-1]
    page, has_more = page_of(ordered, lambda file: file.file_id, after, limit)
    return ListFilesResponse(
        data=[file_view(file) for file in page],
        first_id=page[0].file_id if page else "",
        last_id=page[-1].file_id if page else "",
        has_more=has_more,
    )


@router.get("/files/{file_id}")
def retrieve_file(server: CurrentServer, caller: Viewer, file_id: str) -> OpenAIFile:
    """Return a file's name, size and dates."""
    return file_view(server.file_store.file(file_id, caller.owner_filter))


@router.get(
    "/files/{file_id}/content", response_class=FileResponse, responses={200: BYTES_RESPONSE}
)
def download_file(server: CurrentServer, caller: Viewer, file_id: str) -> FileResponse:
    """Download the bytes of a file."""
    file = server.file_store.file(file_id, caller.owner_filter)
    if not file.path.is_file():
        raise NoSuchFile(f"the bytes of '{file_id}' no longer exist. Upload it again.")
    return FileResponse(file.path, media_type="application/octet-stream", filename=file.filename)


@router.delete("/files/{file_id}")
def delete_file(server: CurrentServer, caller: Proposer, file_id: str) -> DeleteFileResponse:
    """Delete a file with its bytes; jobs keep a copy of their training rows."""
    file = server.file_store.file(file_id, caller.owner_filter)
    server.audit.write(caller, "delete_file", file.file_id)
    server.file_store.delete(file.file_id, caller.owner_filter)
    return DeleteFileResponse(id=file.file_id)


def file_view(stored_file: StoredFile) -> OpenAIFile:
    """Return a file as OpenAI shows one; a file of the working API counts as training rows."""
    expires_at = stored_file.expires_at
    purpose = "fine-tune-results" if stored_file.purpose == "fine-tune-results" else PURPOSE
    return OpenAIFile(
        id=stored_file.file_id,
        bytes=stored_file.bytes,
        created_at=int(stored_file.made_at),
        purpose=purpose,
        expires_at=None if expires_at is None else int(expires_at),
        filename=stored_file.filename,
    )
