"""File store, in either database."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.support.runs import FakeClock
from trainer.storage.files import FileStore, FileUpload, NoSuchFile, files_folder


def received_file(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "received.part"
    path.write_bytes(data)
    return path


def test_a_file_has_a_generated_id_and_is_visible_to_its_owner_only(
    file_store: FileStore, tmp_path: Path
) -> None:
    stored = file_store.keep(
        received_file(tmp_path, b"rows"), FileUpload("a", "../../x.jsonl", "fine-tune")
    )

    assert stored.path.parent == files_folder()
    assert stored.path.read_bytes() == b"rows"
    assert stored.sha256 == hashlib.sha256(b"rows").hexdigest()
    assert file_store.file(stored.file_id, "a") == file_store.file(stored.file_id, None) == stored
    with pytest.raises(NoSuchFile):
        file_store.file(stored.file_id, "b")
    assert file_store.listed("b") == ()
    with pytest.raises(NoSuchFile):
        file_store.delete(stored.file_id, "b")
    file_store.delete(stored.file_id, "a")
    assert not stored.path.exists()


def test_a_file_expires_after_its_lifetime(
    file_store: FileStore, clock: FakeClock, tmp_path: Path
) -> None:
    stored = file_store.keep(
        received_file(tmp_path, b"rows"), FileUpload("a", "x", "fine-tune"), seconds=3600.0
    )

    clock.sleep(3599)
    assert file_store.listed("a") == (stored,)
    clock.sleep(2)
    assert file_store.listed("a") == ()
    assert file_store.sweep() == 1
    assert not stored.path.exists()
