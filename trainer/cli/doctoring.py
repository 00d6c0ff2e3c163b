"""`trainer doctor`: is everything here that a launch needs, and what is not, and what to do."""

from __future__ import annotations

import os

from advisor.cli.console import console
from advisor.errors import AdvisorError
from trainer.database import database_url, home_folder, schema_version
from trainer.desk import open_office
from trainer.errors import TrainerError
from trainer.providers import OWN, base_url_of
from trainer.redact import redact
from trainer.secret import key_for


def look() -> None:
    """Look at each part, and say what is wrong.

    Raises:
        TrainerError: a part without which nothing can be started is broken.
    """
    folder = home_folder()
    if not os.access(folder, os.W_OK):
        raise TrainerError(f"{folder}: cannot be written. Set TUNE_OR_NOT_HOME to one that can.")
    office = open_office()
    shown = redact(database_url().split("@")[-1])
    _line("home", True, str(folder))
    _line("database", True, f"{shown}, schema {schema_version(office.store.engine)}")
    _line("prices", True, f"{len(office.book.prices.series)} series")
    waits = office.limits
    _line("waits", waits.quarantine_seconds >= 900,
          f"quarantine {waits.quarantine_seconds:g} s, poll {waits.poll_seconds:g} s")  # fmt: skip
    for name, provider in sorted(office.book.providers.items()):
        if provider.protocol != "openai" and name not in OWN:
            continue
        try:
            url = base_url_of(name, office.book)
            key_for(name, url)
            _line(name, True, f"key found, for {url}")
        except AdvisorError as error:
            _line(name, False, str(error))
    open_runs = office.store.listed(open_only=True)
    alone = sum(not one.watched for one in open_runs)
    _line("runs", not alone, f"{len(open_runs)} open, {alone} that nobody is watching")


def _line(name: str, good: bool, says: str) -> None:
    console().print(f"{'ok' if good else '--'}  {name:<16} {says}", soft_wrap=True)
