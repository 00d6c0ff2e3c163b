"""Record each function of the product that is called in this process, at its first call.

A link to this file in a folder on PYTHONPATH is imported by Python at the start of each child
process, which then writes to `calls` in that folder; an environment variable would not work, as
a training starts with few of them. Code that runs during an import is excluded.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

TOP = str(Path(__file__).resolve().parent.parent.parent)
PRODUCT = tuple(f"{TOP}{os.sep}{package}{os.sep}" for package in ("advisor", "trainer", "ui"))
_seen: set[CodeType] = set()
_calls: list[Path] = []


def begin(calls: Path) -> None:
    """Start a new trace in this file."""
    calls.write_text("")
    _calls[:] = [calls]
    _seen.clear()


def end() -> None:
    """Stop recording until `begin` is called again."""
    _calls.clear()


def install() -> None:
    """Trace this thread and all threads started later."""
    threading.setprofile(_on_call)
    sys.setprofile(_on_call)


def _on_call(frame: FrameType, event: str, _: Any) -> None:
    code = frame.f_code
    if event != "call" or code in _seen:
        return
    if not code.co_filename.startswith(PRODUCT) or not code.co_flags & inspect.CO_OPTIMIZED:
        _seen.add(code)
    elif _calls and not _is_import(frame):
        _seen.add(code)
        path = code.co_filename.removeprefix(TOP + os.sep)
        # opened for each line: a process may be killed
        with _calls[0].open("ab", buffering=0) as calls:
            calls.write(f"{path}:{code.co_firstlineno}:{code.co_qualname}\n".encode())


def _is_import(frame: FrameType) -> bool:
    """Whether a module is being imported further up."""
    caller: FrameType | None = frame
    while caller and not caller.f_code.co_filename.startswith("<frozen importlib"):
        caller = caller.f_back
    return caller is not None


if __name__ == "sitecustomize":
    _calls.append(Path(__file__).parent / "calls")
    install()
