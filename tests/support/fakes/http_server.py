"""A small HTTP server on loopback whose responses can be lost, late or wrong."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

HTML = b"<html><body>The service is being maintained.</body></html>"


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Read the body as JSON."""
        return json.loads(self.body or b"{}")

    def form(self) -> dict[str, tuple[str | None, bytes]]:
        """Read the body as a form: name -> file name and content."""
        kind = self.headers.get("content-type", "")
        if "multipart" not in kind:
            return {k: (None, v[0].encode()) for k, v in parse_qs(self.body.decode()).items()}
        message = BytesParser(policy=policy.HTTP).parsebytes(
            b"Content-Type: " + kind.encode() + b"\r\n\r\n" + self.body
        )
        fields = {}
        for part in message.iter_parts():  # type: ignore[attr-defined]
            name = part.get_param("name", header="content-disposition")
            fields[name] = (part.get_filename(), part.get_payload(decode=True))
        return fields


@dataclass
class Reply:
    """One response."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """How a request goes wrong.

    kinds: lost (not done), dropped (done, response lost), error_after (done, then 500), error
    (not done, 500), limited (429), late (response lost, done later), html (responds with a
    page), slow (done, response too late), cut (only a part of the body is read)
    """

    kind: str
    share: float = 0.0
    seconds: float = 0.0
    reply: Reply | None = None


Route = tuple[str, re.Pattern[str], Callable[..., Reply]]


class FakeProvider:
    """Serves routes on loopback, in threads of this process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.asked: list[Request] = []
        self.fired: Counter[str] = Counter()
        self.fault: Callable[[Request], Fault | None] = lambda request: None
        self.routes: list[Route] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> FakeProvider:
        """Serve until `stop`."""
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def serve(self) -> None:
        """Serve in this thread."""
        self._server.serve_forever(0.02)

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def route(self, method: str, path: str, do: Callable[..., Reply]) -> None:
        """Add a route; each `{name}` in the path is passed to *do* by position."""
        pattern = re.compile("^" + re.sub(r"\{\w+\}", "([^/]+)", path) + "$")
        self.routes.append((method, pattern, do))

    def count(self, method: str, path: str) -> int:
        """Count the requests whose path matches."""
        return sum(r.method == method and re.fullmatch(path, r.path) is not None
                   for r in list(self.asked))  # fmt: skip

    def answer(self, request: Request) -> Reply:
        """Handle a request, under one lock."""
        for method, pattern, do in self.routes:
            match = pattern.match(request.path)
            if match and method == request.method:
                with self.lock:
                    return do(request, *match.groups())
        return Reply({"error": {"message": f"no route {request.path}", "type": "invalid",
                                "param": None, "code": "not_found"}}, 404)  # fmt: skip

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            wbufsize = -1
            disable_nagle_algorithm = True

            def log_message(self, *args: Any) -> None:
                pass

            def do(self) -> None:
                fake.handle(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do

        return Handler

    def handle(self, http: BaseHTTPRequestHandler) -> None:
        """Read a request, apply a fault if one is set, and respond."""
        parts = urlsplit(http.path)
        length = int(http.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in http.headers.items()}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        request = Request(http.command, parts.path, query, headers, b"")
        fault = self.fault(request)
        if fault:
            self.fired[fault.kind] += 1
        if fault and fault.kind == "cut":
            http.rfile.read(int(length * fault.share))
            return _hang_up(http)
        request.body = _read_body(http, length)
        self.asked.append(request)
        if fault is None:
            return _send(http, self.answer(request))
        return self._go_wrong(http, request, fault)

    def _go_wrong(self, http: BaseHTTPRequestHandler, request: Request, fault: Fault) -> None:
        if fault.kind in ("dropped", "error_after"):
            self.answer(request)
        if fault.kind == "late":
            threading.Timer(fault.seconds, self.answer, (request,)).start()
        if fault.kind in ("lost", "dropped", "late"):
            return _hang_up(http)
        if fault.kind == "slow":
            done = self.answer(request)
            time.sleep(fault.seconds)
            return _send(http, done)
        if fault.kind == "html":
            return _send_bytes(http, 200, HTML, "text/html")
        internal = Reply({"error": {"message": "internal", "code": "internal"}}, 500)
        return _send(http, fault.reply or internal)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # the client was killed on purpose


def _read_body(http: BaseHTTPRequestHandler, length: int) -> bytes:
    if "chunked" not in (http.headers.get("transfer-encoding") or ""):
        return http.rfile.read(length)
    parts = []
    while size := int(http.rfile.readline().strip() or b"0", 16):
        parts.append(http.rfile.read(size))
        http.rfile.readline()
    http.rfile.readline()
    return b"".join(parts)


def _send(http: BaseHTTPRequestHandler, reply: Reply) -> None:
    if isinstance(reply.body, bytes):
        return _send_bytes(http, reply.status, reply.body, "application/octet-stream",
                           reply.headers)  # fmt: skip
    data = json.dumps(reply.body).encode() if reply.body is not None else b""
    return _send_bytes(http, reply.status, data, "application/json", reply.headers)


def _send_bytes(
    http: BaseHTTPRequestHandler, status: int, data: bytes, kind: str,
    headers: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    http.send_response(status)
    for name, value in {"Content-Type": kind, "Content-Length": str(len(data)),
                        **(headers or {})}.items():  # fmt: skip
        http.send_header(name, value)
    http.end_headers()
    http.wfile.write(data)


def _hang_up(http: BaseHTTPRequestHandler) -> None:
    http.close_connection = True
    try:
        http.connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
