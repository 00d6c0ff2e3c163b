"""One request to one provider: never twice, never elsewhere, never trusted further than it goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from trainer.errors import ApiKeyError
from trainer.providers.base import NotSent, ProviderDeclined, UnknownOutcome
from trainer.providers.status_words import limit_error
from trainer.security.api_keys import ApiKey, origin_of

MAX_BYTES = 64 * 1024 * 1024
ASK_SECONDS = httpx2.Timeout(30.0, connect=10.0)
SEND_SECONDS = httpx2.Timeout(600.0, connect=10.0)
NOT_SENT_ERRORS = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)
UNKNOWN_OUTCOME_STATUSES = frozenset({408, 425})


class _LimitedStream(httpx2.SyncByteStream):
    """A body that ends with an error where it grows out of all reason."""

    def __init__(self, inner: httpx2.SyncByteStream) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        seen = 0
        for part in self._inner:
            seen += len(part)
            if seen > MAX_BYTES:
                raise httpx2.ReadError(f"the answer is longer than {MAX_BYTES} bytes")
            yield part

    def close(self) -> None:
        self._inner.close()


class BoundTransport(httpx2.HTTPTransport):
    """Sends to one origin only, so that a key cannot go astray."""

    def __init__(self, origin: str, **options: Any) -> None:
        super().__init__(**options)
        self._origin = origin

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, if it goes where the key belongs."""
        if origin_of(str(request.url)) != self._origin:
            raise ApiKeyError(f"the key of {self._origin} does not go to {request.url.host}.")
        response = super().handle_request(request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _LimitedStream(response.stream)
        return response


def bound_client(origin: str) -> httpx2.Client:
    """Return a client that follows no redirect and repeats nothing."""
    certificates = origin.startswith("https:")  # there are none to check on loopback
    transport = BoundTransport(origin, retries=0, verify=certificates)
    return httpx2.Client(
        transport=transport, follow_redirects=False, timeout=ASK_SECONDS, trust_env=False
    )


class HttpClient:
    """A provider's REST interface, with its key."""

    def __init__(self, base_url: str, key: ApiKey) -> None:
        self.base_url = base_url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {key.value}"}
        self.client = bound_client(key.origin)

    def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send one request and return the JSON object of its answer.

        Raises:
            Declined, Limited, NotSent, Unknown: as `trainer.providers.base` says.
        """
        response = self.raw(method, path, **options)
        return json_object(response)

    def raw(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send one request and return its answer, if it is no error but one of `accepted`."""
        headers = {**self.headers, **options.pop("headers", {})}
        accepted = options.pop("accepted", frozenset())
        try:
            response = self.client.request(method, self.base_url + path, headers=headers, **options)
        except NOT_SENT_ERRORS as error:
            raise NotSent(_why(error)) from None
        except httpx2.HTTPError as error:
            raise UnknownOutcome(_why(error)) from None
        if response.status_code not in accepted:
            raise_for_error(response)
        return response

    def close(self) -> None:
        """Let go of connections."""
        self.client.close()


def path_segment(name: str) -> str:
    """Write a provider's id as one part of a path, whatever is in it.

    >>> path_segment("../files/x")
    '..%2Ffiles%2Fx'
    """
    return quote(name, safe="")


def json_object(response: httpx2.Response) -> dict[str, Any]:
    """Read the JSON object of an answer; a page, a list or half an object is no answer."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        kind = response.headers.get("content-type", "no type")
        raise UnknownOutcome(f"{response.status_code} with no JSON object in it ({kind})")
    return body


def raise_for_error(response: httpx2.Response) -> None:
    """Turn an answer that is an error into one of ours."""
    status = response.status_code
    if status < 300:
        return
    if status < 400:
        host = httpx2.URL(response.headers.get("location", "")).host or "elsewhere"
        raise ProviderDeclined(status, "redirect", f"it points to {host}, and no request follows")
    code, message = error_details(response.content)
    if status == 429:
        raise limit_error(code, message, response.headers.get("retry-after"))
    if status >= 500 or status in UNKNOWN_OUTCOME_STATUSES:
        raise UnknownOutcome(f"{status} {code}: {message}")
    raise ProviderDeclined(status, code, message)


def error_details(content: bytes) -> tuple[str, str]:
    """Read code and message of an error, in each shape that providers use."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "no-json", content[:200].decode(errors="replace")
    if not isinstance(body, Mapping):
        return "no-object", str(body)[:200]
    error = body.get("error")
    if isinstance(error, Mapping):
        return str(error.get("code") or error.get("type") or "error"), str(error.get("message"))
    detail = body.get("detail")
    if isinstance(detail, list):
        parts = [f"{'.'.join(map(str, d.get('loc', ())))}: {d.get('msg')}" for d in detail]
        return "invalid", "; ".join(parts)[:500]
    code = body.get("code") or body.get("error") or "error"
    return str(code), str(body.get("message") or detail or body)[:500]


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
