"""What a visitor chose or typed -> the folder of a base."""

from __future__ import annotations

from pathlib import Path

from advisor.errors import UsageError
from trainer.bases import bases, bases_folder


def base_of(name: str | None, typed: str) -> Path:
    """Return the folder that was typed, else the one that was chosen.

    Raises:
        UsageError: neither names one, or there is no such folder.
    """
    remedy = f"Put one into {bases_folder()}, or type its folder."
    if not typed.strip():
        if name is None or name not in bases():
            raise UsageError("base", "none was named.", remedy)
        return bases()[name]
    path = Path(typed.strip()).expanduser()
    if not path.is_dir():
        raise UsageError(f"base {path}", "there is no such folder.", remedy)
    return path
