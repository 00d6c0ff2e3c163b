"""Refuses every address but loopback, in this process and, by PYTHONPATH, in every child."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Any


class NetworkRefused(OSError):
    """A test reached for an address that is not this machine."""


def _is_here(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _check(host: object) -> None:
    if not _is_here(host):
        raise NetworkRefused(f"refused: {host!s} is not this machine")


def guard() -> None:
    """Put the guard in; a second call changes nothing."""
    if getattr(socket, "is_guarded", False):
        return
    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        setattr(socket.socket, name, _guarded_send(getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        setattr(socket, name, _guarded_look_up(getattr(socket, name)))
    socket.is_guarded = True  # type: ignore[attr-defined]


def _guarded_send(send: Callable[..., Any]) -> Callable[..., Any]:
    """Check the address, which is the last argument of each of these calls if it has one."""

    def guarded(self: socket.socket, *args: Any) -> Any:
        match args:
            case [*_, (host, int(), *_)]:
                _check(host)
        return send(self, *args)

    return guarded


def _guarded_look_up(look_up: Callable[..., Any]) -> Callable[..., Any]:
    """Check the name, which is the first argument of each of these calls."""

    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return look_up(host, *args, **kwargs)

    return guarded


guard()

if any("scripts" in word for word in sys.orig_argv[1:2]):
    from forked import hand_over

    hand_over()
