"""Who works on a run: the name of a process, and whether the process of a name is still there."""

from __future__ import annotations

import os
import secrets
import socket

_own: set[str] = set()


def own_lease_owner() -> str:
    """Name this process, as nobody else is named.

    >>> name = own_lease_owner()
    >>> is_process_gone(name)
    False
    """
    name = f"{_machine()}:{os.getpid()}:{secrets.token_hex(4)}"
    _own.add(name)
    return name


def is_process_gone(name: str | None) -> bool:
    """Say whether the process of a name ran on this machine and does so no more."""
    machine, _, rest = (name or "").partition(":")
    pid = rest.partition(":")[0]
    if machine != _machine() or not pid.isdigit():
        return False
    if int(pid) == os.getpid():
        return name not in _own  # of a process before this one that had its number
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """Name what process numbers count in: the host, and the container where there is one."""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = "0"
    return f"{socket.gethostname()}/{space}"
