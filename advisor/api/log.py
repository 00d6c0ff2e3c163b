"""One event of a server -> one line of JSON on standard error."""

from __future__ import annotations

import sys
from typing import Any

import orjson
import structlog


def access_log() -> Any:
    """Return a log that writes one JSON object a line to standard error."""
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(
                lambda event, **_: orjson.dumps(event, option=orjson.OPT_SORT_KEYS).decode()
            ),
        ],
    )
