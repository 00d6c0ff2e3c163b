"""Where things lie, what may be spent, which keys and bases are here, and which versions run."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import streamlit as st

from advisor import __version__
from advisor.errors import AdvisorError
from trainer.context import Office
from trainer.home import bases, bases_folder, home_folder
from trainer.local.process import devices
from trainer.providers import OWN, base_url_of
from trainer.security.api_keys import environment_name, key_for
from trainer.security.redact import redact
from trainer.storage.database import database_url, schema_version
from ui import state
from ui.formatting import quiet
from ui.launch.budget import budget

PACKAGES = ("streamlit", "altair", "torch", "transformers", "peft", "trl", "openai", "sqlalchemy")


def page() -> None:
    """Draw every setting; only the caps can be changed here."""
    st.title("Settings", anchor=False)
    try:
        office = state.office()
        budget(office)
        _places(office)
        _keys(office)
        _bases()
        _versions()
    except (AdvisorError, OSError) as error:
        st.error(str(error))


def _places(office: Office) -> None:
    st.subheader("Places", anchor=False)
    own = home_folder() / "prices.yaml"
    st.table(
        [
            {"what": what, "is": says}
            for what, says in (
                ("Home folder", f"{home_folder()} (TUNE_OR_NOT_HOME moves it)"),
                (
                    "Database",
                    f"{redact(database_url().split('@')[-1])}, schema "
                    f"{schema_version(office.store.engine)}",
                ),
                ("Own prices", str(own) if own.is_file() else f"none; put them into {own}"),
                (
                    "Trains here on",
                    "the CPU"
                    if devices() == ["cpu"]
                    else f"{len(devices())} GPU: {', '.join(devices())}",
                ),
            )
        ]
    )


def key_rows(office: Office) -> Iterator[dict[str, str]]:
    """Say of each provider whether its key is there; what the key is, nobody is told."""
    for name, provider in sorted(office.book.providers.items()):
        if provider.protocol != "openai" and name not in OWN:
            continue
        try:
            url = base_url_of(name, office.book)
            key_for(name, url)
            yield {"provider": name, "key": "✓ found", "says": f"for {url}"}
        except AdvisorError as error:
            yield {"provider": name, "key": "not there", "says": str(error)}


def _keys(office: Office) -> None:
    st.subheader("Keys", anchor=False)
    quiet(
        f"A key is read from the environment, such as {environment_name('openai')}, or from "
        "the file that NAME_FILE names. It is never shown."
    )
    st.dataframe(list(key_rows(office)), hide_index=True, width="stretch")


def _bases() -> None:
    st.subheader("Bases", anchor=False)
    there = bases()
    if not there:
        st.info(
            f"No base is here. Put folders with config.json, safetensors and tokenizer into "
            f"{bases_folder()}."
        )
        return
    st.table([{"name": name, "folder": str(path)} for name, path in there.items()])


def _versions() -> None:
    st.subheader("Software", anchor=False)
    found = [("tune-or-not", __version__), ("Python", platform.python_version())]
    found += [(name, _version(name)) for name in PACKAGES]
    st.table([{"what": name, "version": says} for name, says in found])


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
