"""HTTP client of one provider: one attempt, one origin per key, typed errors, bounded responses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import orjson

from trainer.errors import ApiKeyError
from trainer.providers.base import NotSent, ProviderDeclined, UnknownOutcome
from trainer.providers.status_words import limit_error
from trainer.security.api_keys import ApiKey, origin_of

T = TypeVar("T")
MAX_BYTES = 64 * 1024 * 1024
PART_BYTES = 64 * 1024 * 1024
BY_PARTS_FROM_BYTES = 100 * 1024 * 1024
"""Larger files are uploaded in parts."""
ASK_SECONDS = httpx2.Timeout(30.0, connect=10.0)
SEND_SECONDS = httpx2.Timeout(600.0, connect=10.0)
NOT_SENT_ERRORS = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.UnsupportedProtocol,
)
UNKNOWN_OUTCOME_STATUSES = frozenset({408, 425})
SMOKE_TEST: Mapping[str, Any] = {
    "max_tokens": 16,
    "messages": [{"role": "user", "content": "Say OK."}],
}


class _LimitedStream(httpx2.SyncByteStream):
    """A response body that fails once it is longer than any valid response."""

    def __init__(self, inner: httpx2.SyncByteStream) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        seen = 0
        for part in self._inner:
            seen += len(part)
            if seen > MAX_BYTES:
                raise httpx2.ReadError(f"the response is longer than {MAX_BYTES} bytes")
            yield part

    def close(self) -> None:
        self._inner.close()


class BoundTransport(httpx2.HTTPTransport):
    """Sends to one origin only, so that a key cannot reach another host."""

    def __init__(self, origin: str, **options: Any) -> None:
        super().__init__(**options)
        self._origin = origin

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the origin of the key."""
        if origin_of(str(request.url)) != self._origin:
            raise ApiKeyError(f"the key of {self._origin} does not go to {request.url.host}.")
        response = super().handle_request(request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _LimitedStream(response.stream)
        return response


def bound_client(origin: str) -> httpx2.Client:
    """Return a client that follows no redirects and retries nothing."""
    certificates = origin.startswith("https:")  # loopback has none to verify
    transport = BoundTransport(origin, retries=0, verify=certificates)
    return httpx2.Client(
        transport=transport, follow_redirects=False, timeout=ASK_SECONDS, trust_env=False
    )


class HttpClient:
    """Client of a provider's REST API, with its key."""

    def __init__(self, base_url: str, key: ApiKey) -> None:
        self.base_url = base_url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {key.value}"}
        self.client = bound_client(key.origin)

    def ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send one request and return the JSON object of its response.

        Raises:
            ProviderError: the provider declined, is rate limited, or did not respond.
        """
        return json_object(self.raw(method, path, **options))

    def raw(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send one request; return its response if it succeeded or has an `accepted` status."""
        headers = {**self.headers, **options.pop("headers", {})}
        accepted = options.pop("accepted", frozenset())
        try:
            response = self.client.request(method, self.base_url + path, headers=headers, **options)
        except httpx2.HTTPError as error:
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise (NotSent if isinstance(error, NOT_SENT_ERRORS) else UnknownOutcome)(why) from None
        if response.status_code not in accepted:
            raise_for_error(response)
        return response

    def smoke(self, path: str, model: str) -> str:
        """Send one short question to a model; return its answer."""
        return answer_text(self.ask("POST", path, json={"model": model, **SMOKE_TEST}))

    def close(self) -> None:
        """Close all connections."""
        self.client.close()


def request_signed_url(method: str, url: str, **options: Any) -> httpx2.Response:
    """Send one request to a signed URL, which needs no key.

    Raises:
        ApiKeyError: the URL is not https.
        ProviderError: the transfer failed.
    """
    origin_of(url)
    with httpx2.Client(follow_redirects=False, timeout=SEND_SECONDS, trust_env=False) as client:
        try:
            response = client.request(method, url, **options)
        except httpx2.HTTPError as error:
            raise UnknownOutcome(f"the transfer was cut off: {type(error).__name__}") from None
    raise_for_error(response)
    return response


def none_if_declined(send: Callable[[], T], *statuses: int) -> T | None:
    """Return the result of a request, or None if it is declined with one of these statuses."""
    try:
        return send()
    except ProviderDeclined as error:
        if error.status not in statuses:
            raise
    return None


def answer_text(body: Mapping[str, Any]) -> str:
    """Return the text of a chat completion; empty if it has none."""
    choices = body.get("choices") or [{}]
    return str((choices[0].get("message") or {}).get("content") or "")


def path_segment(name: str) -> str:
    """Return a provider's id as one segment of a path, with all special characters escaped.

    >>> path_segment("../files/x")
    '..%2Ffiles%2Fx'
    """
    return quote(name, safe="")


def json_object(response: httpx2.Response) -> dict[str, Any]:
    """Return the JSON object of a response.

    Raises:
        UnknownOutcome: the body is something else, for example an HTML page.
    """
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        kind = response.headers.get("content-type", "no type")
        raise UnknownOutcome(f"{response.status_code} without a JSON object ({kind})")
    return body


def raise_for_error(response: httpx2.Response) -> None:
    """Raise the ProviderError of a response that is an error."""
    status = response.status_code
    if status < 300:
        return
    if status < 400:
        host = httpx2.URL(response.headers.get("location", "")).host or "another address"
        raise ProviderDeclined(status, "redirect", f"redirects to {host} are not followed")
    code, message = error_details(response.content)
    if status == 429:
        raise limit_error(code, message, response.headers.get("retry-after"))
    if status >= 500 or status in UNKNOWN_OUTCOME_STATUSES:
        raise UnknownOutcome(f"{status} {code}: {message}")
    raise ProviderDeclined(status, code, message)


def error_details(content: bytes) -> tuple[str, str]:
    """Return code and message of an error, from each format that providers use."""
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
