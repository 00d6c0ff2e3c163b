"""A large file to `trainer serve`: whole and by parts, with the memory that the server takes.

    python -m benchmarks.uploads [--mb 500]

Whole: one multipart request. By parts: 64 MiB each, one of them broken off and sent again.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai

from tests.support.servers import RunningServer, run_server

MIB = 1024**2
PART_BYTES = 64 * MIB
MAX_READ_BYTES = 8 * MIB  # in MiB: 8 TiB


def make_rows(path: Path, megabytes: int) -> str:
    """Write rows of about a kilobyte; return the hash of the file."""
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as out:
        n = 0
        while size < megabytes * MIB:
            row = {
                "messages": [
                    {"role": "user", "content": f"question {n} " + "word " * 180},
                    {"role": "assistant", "content": f"answer {n}"},
                ]
            }
            line = json.dumps(row).encode() + b"\n"
            digest.update(line)
            out.write(line)
            size, n = size + len(line), n + 1
    return digest.hexdigest()


def peak_mib(pid: int) -> float:
    """Return the most memory that a process ever took."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this system does not tell the memory of a process")


def upload_by_parts(client: openai.OpenAI, served: RunningServer, path: Path) -> str:
    """Send a file by parts; the second one breaks off in the middle, and is sent again."""
    size = path.stat().st_size
    upload = client.uploads.create(
        filename=path.name, purpose="fine-tune", bytes=size, mime_type="application/jsonl"
    )
    parts = []
    with path.open("rb") as rows:
        while block := rows.read(PART_BYTES):
            if len(parts) == 1:
                abort_part(served, upload.id, block)
            parts.append(client.uploads.parts.create(upload.id, data=block).id)
    done = client.uploads.complete(upload.id, part_ids=parts)
    assert done.file is not None
    return done.file.id


def abort_part(served: RunningServer, upload_id: str, block: bytes) -> None:
    """Begin a part, and hang up in the middle of it."""
    way = http.client.HTTPConnection(urlsplit(served.url).netloc)
    head = b'--b\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n'
    way.putrequest("POST", f"/v1/uploads/{upload_id}/parts")
    for name, value in (
        ("Authorization", f"Bearer {served.token}"),
        ("Content-Type", "multipart/form-data; boundary=b"),
        ("Content-Length", str(len(head) + len(block) + 9)),
    ):
        way.putheader(name, value)
    way.endheaders(head + block[: len(block) // 2])
    way.close()


def refused_status(served: RunningServer, megabytes: int) -> int:
    """Announce a file, send none of it, and return the status."""
    way = http.client.HTTPConnection(urlsplit(served.url).netloc)
    way.putrequest("POST", "/v1/files")
    for name, value in (
        ("Authorization", f"Bearer {served.token}"),
        ("Content-Type", "multipart/form-data; boundary=b"),
        ("Content-Length", str(megabytes * MIB)),
    ):
        way.putheader(name, value)
    way.endheaders()
    status = way.getresponse().status
    way.close()
    return status


def time_with_memory(served: RunningServer, do: Callable[[], Any]) -> tuple[float, float, Any]:
    """Run something; return its seconds, and by how much the server's peak memory grew."""
    before, began = peak_mib(served.pid), time.perf_counter()
    found = do()
    return time.perf_counter() - began, peak_mib(served.pid) - before, found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=500)
    megabytes = parser.parse_args().mb
    with (
        tempfile.TemporaryDirectory() as name,
        run_server(Path(name), "--most-file-mb", str(megabytes + 8)) as served,
    ):
        path = Path(name) / "rows.jsonl"
        digest = make_rows(path, megabytes)
        client = openai.OpenAI(
            base_url=f"{served.url}/v1", api_key=served.token, timeout=600, max_retries=0
        )
        client.models.list()  # what is loaded at the first request is not counted

        def whole() -> str:
            with path.open("rb") as rows:
                return client.files.create(file=rows, purpose="fine-tune").id

        print(
            f"{'what':<34}{'MiB':>6}{'seconds':>9}{'MiB/s':>8}{'memory grew MiB':>17}  same bytes"
        )
        for what, do in (
            ("whole", whole),
            ("by parts, one broken off", lambda: upload_by_parts(client, served, path)),
        ):
            seconds, grew, file_id = time_with_memory(served, do)
            kept = served.home / "files" / file_id
            same = hashlib.file_digest(kept.open("rb"), "sha256").hexdigest() == digest
            print(
                f"{what:<34}{megabytes:>6}{seconds:>9.1f}{megabytes / seconds:>8.0f}"
                f"{grew:>17.1f}  {'yes' if same else 'NO'}"
            )
        _print_row("above --most-file-mb", megabytes + 16, refused_status(served, megabytes + 16))
        left = sorted(
            one.name for one in (served.home / "files").iterdir() if one.suffix == ".part"
        )
        print(f"left over on disk: {', '.join(left) or 'nothing'}")
    with (
        tempfile.TemporaryDirectory() as name,
        run_server(Path(name), "--most-file-mb", str(8 * MAX_READ_BYTES)) as served,
    ):
        _print_row(
            "more than the disk has room for",
            MAX_READ_BYTES,
            refused_status(served, MAX_READ_BYTES),
        )


def _print_row(what: str, size: int, status: int) -> None:
    print(f"{what:<34}{size:>6}  announced, and answered {status} before a byte of it was sent")


if __name__ == "__main__":
    main()
