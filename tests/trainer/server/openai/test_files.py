"""Files and uploads of the OpenAI surface."""

from __future__ import annotations

import json

import openai
import pytest

from tests.support import tiny_models
from tests.support.openai_api import (
    OpenAIHarness,
    expect_error,
)


def test_a_file_comes_by_parts(still: OpenAIHarness) -> None:
    sdk = still.sdk()
    rows = "".join(json.dumps(row) + "\n" for row in tiny_models.task_rows(30)).encode()
    halves = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    upload = sdk.uploads.create(filename="big.jsonl", purpose="fine-tune", bytes=len(rows),
                                mime_type="application/jsonl")  # fmt: skip
    parts = [sdk.uploads.parts.create(upload.id, data=half).id for half in halves]
    error = expect_error(
        still, 400, "POST", f"/uploads/{upload.id}/complete", json={"part_ids": parts[:1]}
    )
    assert f"{len(rows)} were announced" in error["message"]

    done = sdk.uploads.complete(upload.id, part_ids=parts)

    assert (done.status, done.file.bytes) == ("completed", len(rows))
    assert sdk.files.content(done.file.id).read() == rows
    other = sdk.uploads.create(filename="x.jsonl", purpose="fine-tune", bytes=9, mime_type="text/x")
    assert sdk.uploads.cancel(other.id).status == "cancelled"
    expect_error(still, 400, "POST", f"/uploads/{other.id}/cancel")
    expect_error(still, 404, "POST", f"/uploads/{other.id}/cancel", owner="eve")
    expect_error(still, 413, "POST", "/uploads", json={
        "filename": "x.jsonl", "purpose": "fine-tune", "bytes": 3_000_000, "mime_type": "x"})  # fmt: skip


def test_files_are_listed_sent_back_and_deleted(still: OpenAIHarness) -> None:
    sdk = still.sdk("fay")
    made = [still.rows(owner="fay") for _ in range(3)]
    expiring = sdk.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune",
                                expires_after={"anchor": "created_at", "seconds": 3600})  # fmt: skip
    assert expiring.expires_at - expiring.created_at == 3600

    assert [one.id for one in sdk.files.list(order="asc", limit=2)] == [*made, expiring.id]
    assert [one.id for one in sdk.files.list(after=made[1])] == [made[0]]
    assert list(sdk.files.list(purpose="fine-tune-results")) == []
    assert sdk.files.delete(made[0]).deleted
    with pytest.raises(openai.NotFoundError):
        sdk.files.retrieve(made[0])


@pytest.mark.parametrize(
    ("form", "content", "says"),
    [
        ({"purpose": "assistants"}, b"{}\n", "purpose: found 'assistants'"),
        ({}, b"{}\n", "purpose: found ''"),
        ({"purpose": "fine-tune"}, b'{"a": 1}\n{"a": \n', "line 2 is not valid JSON"),
        ({"purpose": "fine-tune"}, b"[1]\n", "line 1 is not a JSON object"),
        ({"purpose": "fine-tune"}, b" \n", "it has no rows"),
        ({"purpose": "fine-tune", "porpose": "x"}, b"{}\n", "porpose: unknown parameter"),
        ({"purpose": "fine-tune", "expires_after[seconds]": "5"}, b"{}\n", "give anchor"),
    ],
)
def test_a_file_that_cannot_be_learned_from_is_refused(
    still: OpenAIHarness, form: dict[str, str], content: bytes, says: str
) -> None:
    left = set((still.folder / "home" / "files").glob("*"))

    error = expect_error(
        still, 400, "POST", "/files", data=form, files={"file": ("a.jsonl", content)}
    )

    assert says in error["message"]
    assert set((still.folder / "home" / "files").glob("*")) == left


def test_a_file_that_is_too_large_leaves_nothing(still: OpenAIHarness) -> None:
    left = set((still.folder / "home" / "files").glob("*"))

    error = expect_error(still, 413, "POST", "/files", data={"purpose": "fine-tune"},
                    files={"file": ("a.jsonl", b"x" * 2_200_000)})  # fmt: skip

    assert error["code"] == "too_large"
    assert set((still.folder / "home" / "files").glob("*")) == left
    expect_error(
        still, 400, "POST", "/files", content=b"{}\n", headers={"content-type": "text/plain"}
    )
