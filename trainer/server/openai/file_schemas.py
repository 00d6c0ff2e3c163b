"""What the surface gives of errors, files, uploads and models, named as OpenAI publishes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from advisor.units import Record

FILE_ID = "file-0f3a9c1b2d4e5f60718293a4"
TUNED = "ft:qwen-0.5b:triage-team:triage:1f2e3d4c"


def is_none(value: object) -> bool:
    """Whether a field is left out of what is sent."""
    return value is None


def absent(*examples: Any) -> Any:
    """Make a field that is left out where it has no value."""
    return Field(default=None, exclude_if=is_none, examples=list(examples))


class ErrorBody(Record):
    """What went wrong."""

    message: str = Field(examples=["limit: Input should be less than or equal to 1000."])
    """What was found, where, and what to do."""
    type: str = Field(examples=["invalid_request_error"])
    """Which kind of error it is."""
    param: str | None = Field(examples=["limit"])
    """Parameter that cannot be used, where it is one."""
    code: str | None = Field(examples=["invalid_value"])
    """Stable name of the error."""


class ErrorResponse(Record):
    """An answer that is an error."""

    error: ErrorBody = Field(
        examples=[
            {
                "message": "limit: Input should be less than or equal to 1000.",
                "type": "invalid_request_error",
                "param": "limit",
                "code": "invalid_value",
            }
        ]
    )
    """The error."""


class OpenAIFile(Record):
    """A file that is kept here."""

    id: str = Field(examples=[FILE_ID])
    """Its name here."""
    object: Literal["file"] = Field("file", examples=["file"])
    """Always `file`."""
    bytes: int = Field(examples=[48231])
    """Size."""
    created_at: int = Field(examples=[1795000000])
    """When it came, in seconds since 1970."""
    expires_at: int | None = absent(1795086400)
    """When it is deleted, where a time was asked for."""
    filename: str = Field(examples=["tickets.jsonl"])
    """What its sender calls it."""
    purpose: Literal["fine-tune", "fine-tune-results"] = Field(examples=["fine-tune"])
    """What it is for."""
    status: Literal["uploaded", "processed", "error"] = Field("processed", examples=["processed"])
    """Always `processed`: a file is looked at before it is taken."""


class ListFilesResponse(Record):
    """A page of files."""

    object: Literal["list"] = Field("list", examples=["list"])
    """Always `list`."""
    data: list[OpenAIFile] = Field(examples=[[]])
    """The files."""
    first_id: str = Field(examples=[FILE_ID])
    """Name of the first one; empty where there is none."""
    last_id: str = Field(examples=[FILE_ID])
    """Name of the last one; empty where there is none."""
    has_more: bool = Field(examples=[False])
    """Whether there are more after the last one."""


class DeleteFileResponse(Record):
    """What became of a file."""

    id: str = Field(examples=[FILE_ID])
    """Its name."""
    object: Literal["file"] = Field("file", examples=["file"])
    """Always `file`."""
    deleted: bool = Field(True, examples=[True])
    """Whether it is gone."""


class Upload(Record):
    """A file that comes by parts."""

    id: str = Field(examples=["upload_0f3a9c1b2d4e5f60718293a4"])
    """Its name."""
    object: Literal["upload"] = Field("upload", examples=["upload"])
    """Always `upload`."""
    bytes: int = Field(examples=[134217728])
    """Size that was announced."""
    created_at: int = Field(examples=[1795000000])
    """When it was begun."""
    expires_at: int = Field(examples=[1795003600])
    """When it ends by itself."""
    filename: str = Field(examples=["tickets.jsonl"])
    """What the file will be called."""
    purpose: Literal["fine-tune"] = Field("fine-tune", examples=["fine-tune"])
    """What it is for."""
    status: Literal["pending", "completed", "cancelled", "expired"] = Field(examples=["pending"])
    """How far it is."""
    file: OpenAIFile | None = absent(None)
    """The file, once its parts are put together."""


class UploadPart(Record):
    """A part of an upload."""

    id: str = Field(examples=["part_0f3a9c1b2d4e5f60718293a4"])
    """Its name."""
    object: Literal["upload.part"] = Field("upload.part", examples=["upload.part"])
    """Always `upload.part`."""
    created_at: int = Field(examples=[1795000000])
    """When it came."""
    upload_id: str = Field(examples=["upload_0f3a9c1b2d4e5f60718293a4"])
    """Upload that it belongs to."""


class Model(Record):
    """A model: one that can be tuned here, or one that was."""

    id: str = Field(examples=[TUNED])
    """Its name."""
    object: Literal["model"] = Field("model", examples=["model"])
    """Always `model`."""
    created: int = Field(examples=[1795000000])
    """When it was made."""
    owned_by: str = Field(examples=["triage-team"])
    """Whose it is; `system` for bases of this server."""
    shutdown_date: str | None = Field(examples=[None])
    """Day on which it ends, where one is known."""


class ListModelsResponse(Record):
    """Every model that the caller may use."""

    object: Literal["list"] = Field("list", examples=["list"])
    """Always `list`."""
    data: list[Model] = Field(examples=[[]])
    """The models."""


class DeleteModelResponse(Record):
    """What became of a model."""

    id: str = Field(examples=[TUNED])
    """Its name."""
    object: Literal["model"] = Field("model", examples=["model"])
    """Always `model`."""
    deleted: bool = Field(True, examples=[True])
    """Whether it is gone."""
