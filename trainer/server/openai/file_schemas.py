"""Records of errors, files, uploads and models, with the field names OpenAI publishes.

Our own records rather than those of the `openai` package: its models accept any further field,
describe none of theirs in the OpenAPI document, and change with the installed SDK.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from advisor.units import Record

FILE_ID = "file-0f3a9c1b2d4e5f60718293a4"
TUNED = "ft:qwen-0.5b:triage-team:triage:1f2e3d4c"
LIMIT_ERROR = {
    "message": "limit: Input should be less than or equal to 1000.",
    "type": "invalid_request_error",
    "param": "limit",
    "code": "invalid_value",
}


def absent(*examples: Any) -> Any:
    """Declare a field that is left out where it has no value."""
    return Field(default=None, exclude_if=lambda value: value is None, examples=list(examples))


def always(value: str | None) -> Any:
    """Declare a field that always has the same value."""
    return Field(value, examples=[value], description=f"Always `{value or 'null'}`.")


class ErrorBody(Record):
    """An error."""

    message: str = Field(examples=[LIMIT_ERROR["message"]])
    """What is wrong, where, and what to do."""
    type: str = Field(examples=[LIMIT_ERROR["type"]])
    """Kind of error."""
    param: str | None = Field(examples=[LIMIT_ERROR["param"]])
    """Invalid parameter, if it is one."""
    code: str | None = Field(examples=[LIMIT_ERROR["code"]])
    """Stable code."""


class ErrorResponse(Record):
    """The body of an error response."""

    error: ErrorBody = Field(examples=[LIMIT_ERROR])
    """The error."""


class OpenAIFile(Record):
    """A stored file."""

    id: str = Field(examples=[FILE_ID])
    """Id of the file."""
    object: Literal["file"] = always("file")
    bytes: int = Field(examples=[48231])
    """Size."""
    created_at: int = Field(examples=[1795000000])
    """Time of the upload, in seconds since 1970."""
    expires_at: int | None = absent(1795086400)
    """Time it is deleted, if an expiry was requested."""
    filename: str = Field(examples=["tickets.jsonl"])
    """Name given by the sender."""
    purpose: Literal["fine-tune", "fine-tune-results"] = Field(examples=["fine-tune"])
    """Purpose."""
    status: Literal["uploaded", "processed", "error"] = Field("processed", examples=["processed"])
    """Always `processed`: files are checked before they are accepted."""


class Page(Record):
    """One page of a list."""

    object: Literal["list"] = always("list")
    has_more: bool = Field(examples=[False])
    """Whether more items follow."""


class ListFilesResponse(Page):
    """A page of files."""

    data: list[OpenAIFile] = Field(examples=[[]])
    """The files."""
    first_id: str = Field(examples=[FILE_ID])
    """Id of the first file; empty if there is none."""
    last_id: str = Field(examples=[FILE_ID])
    """Id of the last file; empty if there is none."""


class DeleteFileResponse(Record):
    """Result of deleting a file."""

    id: str = Field(examples=[FILE_ID])
    """Id of the file."""
    object: Literal["file"] = always("file")
    deleted: bool = Field(True, examples=[True])
    """Whether it was deleted."""


class Upload(Record):
    """A file uploaded in parts."""

    id: str = Field(examples=["upload_0f3a9c1b2d4e5f60718293a4"])
    """Id of the upload."""
    object: Literal["upload"] = always("upload")
    bytes: int = Field(examples=[134217728])
    """Announced size."""
    created_at: int = Field(examples=[1795000000])
    """Time it was started."""
    expires_at: int = Field(examples=[1795003600])
    """Time it expires."""
    filename: str = Field(examples=["tickets.jsonl"])
    """Name of the file."""
    purpose: Literal["fine-tune"] = Field("fine-tune", examples=["fine-tune"])
    """Purpose."""
    status: Literal["pending", "completed", "cancelled", "expired"] = Field(examples=["pending"])
    """Status."""
    file: OpenAIFile | None = absent(None)
    """The file, once the upload is completed."""


class UploadPart(Record):
    """A part of an upload."""

    id: str = Field(examples=["part_0f3a9c1b2d4e5f60718293a4"])
    """Id of the part."""
    object: Literal["upload.part"] = always("upload.part")
    created_at: int = Field(examples=[1795000000])
    """Time it was received."""
    upload_id: str = Field(examples=["upload_0f3a9c1b2d4e5f60718293a4"])
    """Upload it belongs to."""


class Model(Record):
    """A base model or a tuned model."""

    id: str = Field(examples=[TUNED])
    """Name of the model."""
    object: Literal["model"] = always("model")
    created: int = Field(examples=[1795000000])
    """Time it was made."""
    owned_by: str = Field(examples=["triage-team"])
    """Owner; `system` for base models of this server."""
    shutdown_date: str | None = Field(examples=[None])
    """Day it is shut down, if known."""


class ListModelsResponse(Record):
    """All models the caller can use."""

    object: Literal["list"] = always("list")
    data: list[Model] = Field(examples=[[]])
    """The models."""


class DeleteModelResponse(Record):
    """Result of deleting a model."""

    id: str = Field(examples=[TUNED])
    """Name of the model."""
    object: Literal["model"] = always("model")
    deleted: bool = Field(True, examples=[True])
    """Whether it was deleted."""
