"""Lease owner ids, and whether the process of a lease owner has exited."""

from __future__ import annotations

import os
import secrets
import socket

_own: set[str] = set()


def own_lease_owner() -> str:
    """Return a new lease owner id of this process.

    >>> owner = own_lease_owner()
    >>> is_process_gone(owner)
    False
    """
    owner = f"{_machine()}:{os.getpid()}:{secrets.token_hex(4)}"
    _own.add(owner)
    return owner


def is_process_gone(name: str | None) -> bool:
    """Return whether a lease owner ran on this machine and has exited."""
    machine, _, process = (name or "").partition(":")
    pid = process.partition(":")[0]
    if machine != _machine() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return name not in _own  # an earlier process that had the same process id
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """Return the scope in which process ids are unique: the host, and its container if any."""
    try:
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        namespace = "0"
    return f"{socket.gethostname()}/{namespace}"
