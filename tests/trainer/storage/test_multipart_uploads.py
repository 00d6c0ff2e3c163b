"""Multipart uploads, in either database."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.runs import FakeClock
from tests.trainer.storage.test_files import received_file
from trainer.errors import Refused
from trainer.storage.files import FileStore, NoSuchFile, files_folder
from trainer.storage.multipart_uploads import UPLOAD_SECONDS, UploadStore


def send_parts(uploads: UploadStore, upload_id: str, tmp_path: Path, *data: bytes) -> list[str]:
    upload = uploads.upload(upload_id, "a")
    return [uploads.add_part(upload, received_file(tmp_path, content)).part_id for content in data]


def test_parts_are_joined_in_the_given_order(file_store: FileStore, tmp_path: Path) -> None:
    uploads = UploadStore(file_store)
    upload = uploads.begin("a", "x.jsonl", "fine-tune", 6)
    late, early = send_parts(uploads, upload.upload_id, tmp_path, b"def", b"abc")

    done = uploads.complete(upload, [early, late], hashlib.md5(b"abcdef").hexdigest())

    assert done.status == "completed"
    assert file_store.file(str(done.file_id), "a").path.read_bytes() == b"abcdef"
    left = {path.name for path in files_folder().iterdir()} & {late, early}
    assert left == set()
    with pytest.raises(Refused, match="the upload is completed"):
        uploads.complete(upload, [early, late], None)


@pytest.mark.parametrize(
    ("announced", "order", "md5", "says"),
    [(6, ["part_none"], None, "part_none not received"), (6, [], None, "empty or not unique"),
     (7, None, None, "have 6 bytes, 7"), (6, None, "0" * 32, "Send the parts again")],
)  # fmt: skip
def test_an_upload_with_wrong_parts_stays_open(
    file_store: FileStore, tmp_path: Path, announced: int, order: list[str] | None, md5: str | None,
    says: str,
) -> None:  # fmt: skip
    uploads = UploadStore(file_store)
    upload = uploads.begin("a", "x.jsonl", "fine-tune", announced)
    parts = send_parts(uploads, upload.upload_id, tmp_path, b"abc", b"def")

    with pytest.raises(Refused, match=says):
        uploads.complete(upload, parts if order is None else order, md5)

    assert uploads.upload(upload.upload_id, "a").status == "pending"
    assert list(uploads.parts(upload.upload_id)) == parts


def test_an_upload_closes_when_it_is_cancelled_or_expires(
    file_store: FileStore, clock: FakeClock, tmp_path: Path
) -> None:
    uploads = UploadStore(file_store)
    left, ended = (uploads.begin("a", "x", "fine-tune", 3) for _ in range(2))
    (part,) = send_parts(uploads, left.upload_id, tmp_path, b"abc")

    assert uploads.cancel(ended).status == "cancelled"
    clock.sleep(UPLOAD_SECONDS + 1)

    assert uploads.sweep() == 1
    assert uploads.upload(left.upload_id, "a").status == "expired"
    assert not (files_folder() / part).exists()
    with pytest.raises(NoSuchFile):
        uploads.upload(left.upload_id, "b")


def test_an_upload_accepts_at_most_twice_its_announced_size(
    file_store: FileStore, tmp_path: Path
) -> None:
    uploads = UploadStore(file_store)
    upload = uploads.begin("a", "x", "fine-tune", 3)
    send_parts(uploads, upload.upload_id, tmp_path, b"abc", b"abc")

    with pytest.raises(Refused, match="3 bytes announced, 6 received"):
        uploads.add_part(upload, received_file(tmp_path, b"a"))
