"""The page's way into the trainer: one office a process, and one thread that brings runs on."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from trainer.database import database_url, home_folder
from trainer.deployments import end_overdue
from trainer.desk import open_office
from trainer.driver import Driver
from trainer.office import Office
from trainer.providers.hosting import hosting_for


@dataclass(frozen=True)
class Desk:
    """What all visitors of this process share."""

    office: Office
    """Everything that working on a run needs."""
    driver: Driver
    """Brings open runs further, also while nobody looks."""


def desk() -> Desk:
    """Return the desk of the home folder that is set; a changed price overlay opens it anew.

    Raises:
        AdvisorError: the database or the price book cannot be opened.
    """
    own = home_folder() / "prices.yaml"
    changed = own.stat().st_mtime_ns if own.is_file() else 0
    return _desk(str(home_folder()), database_url(), changed)


def office() -> Office:
    """Return the office of the desk."""
    return desk().office


def _leave(left: Desk) -> None:
    left.driver.stop()
    left.office.store.engine.dispose()


@st.cache_resource(show_spinner=False, max_entries=1, on_release=_leave)
def _desk(home: str, database: str, prices_changed_ns: int) -> Desk:
    opened = open_office()
    made = Desk(opened, Driver(opened, lambda: _end_overdue(opened)))
    made.driver.start()
    return made


def _end_overdue(opened: Office) -> None:
    end_overdue(opened, lambda provider: hosting_for(provider, opened.book))
