"""Upload of a large file to `trainer serve`: in one request and in parts, with server memory.

    python -m benchmarks.uploads [--mb 500]

Parts are 64 MiB; one of them is interrupted and sent again.
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
MAX_READ_BYTES = 8 * MIB  # [MiB]: 8 TiB


def make_rows(path: Path, megabytes: int) -> str:
    """Write rows of about a kilobyte; return the SHA-256 of the file."""
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
    """Return the peak memory of a process [MiB]."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("/proc/PID/status has no VmHWM on this system")


def upload_by_parts(client: openai.OpenAI, served: RunningServer, path: Path) -> str:
    """Upload a file in parts; the second one is interrupted and sent again."""
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
    """Start a part and close the connection in the middle."""
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc)
    head = b'--b\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n'
    connection.putrequest("POST", f"/v1/uploads/{upload_id}/parts")
    for name, value in (
        ("Authorization", f"Bearer {served.token}"),
        ("Content-Type", "multipart/form-data; boundary=b"),
        ("Content-Length", str(len(head) + len(block) + 9)),
    ):
        connection.putheader(name, value)
    connection.endheaders(head + block[: len(block) // 2])
    connection.close()


def refused_status(served: RunningServer, megabytes: int) -> int:
    """Announce a file with its length, send nothing, and return the status."""
    connection = http.client.HTTPConnection(urlsplit(served.url).netloc)
    connection.putrequest("POST", "/v1/files")
    for name, value in (
        ("Authorization", f"Bearer {served.token}"),
        ("Content-Type", "multipart/form-data; boundary=b"),
        ("Content-Length", str(megabytes * MIB)),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def time_with_memory(served: RunningServer, do: Callable[[], Any]) -> tuple[float, float, Any]:
    """Run a call; return its seconds, the growth of the server's peak memory, and its result."""
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
        client.models.list()  # warm-up: what the first request loads is not counted

        def in_one_request() -> str:
            with path.open("rb") as rows:
                return client.files.create(file=rows, purpose="fine-tune").id

        print(
            f"{'upload':<34}{'MiB':>6}{'seconds':>9}{'MiB/s':>8}{'memory grew MiB':>17}  same bytes"
        )
        for what, do in (
            ("one request", in_one_request),
            ("in parts, one interrupted", lambda: upload_by_parts(client, served, path)),
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
        print(f"left on disk: {', '.join(left) or 'nothing'}")
    with (
        tempfile.TemporaryDirectory() as name,
        run_server(Path(name), "--most-file-mb", str(8 * MAX_READ_BYTES)) as served,
    ):
        _print_row(
            "larger than the free disk space",
            MAX_READ_BYTES,
            refused_status(served, MAX_READ_BYTES),
        )


def _print_row(what: str, size: int, status: int) -> None:
    print(f"{what:<34}{size:>6}  announced; status {status} before any byte was sent")


if __name__ == "__main__":
    main()
