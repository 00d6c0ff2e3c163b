"""Where things lie, what may be spent, which keys and bases are here, and which versions run."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import streamlit as st

from advisor import __version__
from advisor.errors import AdvisorError
from trainer.context import TrainerContext
from trainer.home import bases_folder, home_folder, list_bases
from trainer.local.process import devices
from trainer.providers import NATIVE_PROVIDERS, base_url_of
from trainer.security.api_keys import api_key_for, environment_name
from trainer.security.redact import redact
from trainer.storage.database import database_url, schema_version
from ui import state
from ui.formatting import muted_text
from ui.launch.budget import draw_budget

PACKAGES = ("streamlit", "altair", "torch", "transformers", "peft", "trl", "openai", "sqlalchemy")


def page() -> None:
    """Draw every setting; only the caps can be changed here."""
    st.title("Settings", anchor=False)
    try:
        context = state.trainer_context()
        draw_budget(context)
        _draw_folders(context)
        _draw_api_keys(context)
        _draw_base_models()
        _draw_package_versions()
    except (AdvisorError, OSError) as error:
        st.error(str(error))


def _draw_folders(context: TrainerContext) -> None:
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
                    f"{schema_version(context.store.engine)}",
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


def api_key_rows(context: TrainerContext) -> Iterator[dict[str, str]]:
    """Say of each provider whether its key is there; what the key is, nobody is told."""
    for name, provider in sorted(context.book.providers.items()):
        if provider.protocol != "openai" and name not in NATIVE_PROVIDERS:
            continue
        try:
            url = base_url_of(name, context.book)
            api_key_for(name, url)
            yield {"provider": name, "key": "✓ found", "says": f"for {url}"}
        except AdvisorError as error:
            yield {"provider": name, "key": "not there", "says": str(error)}


def _draw_api_keys(context: TrainerContext) -> None:
    st.subheader("Keys", anchor=False)
    muted_text(
        f"A key is read from the environment, such as {environment_name('openai')}, or from "
        "the file that NAME_FILE names. It is never shown."
    )
    st.dataframe(list(api_key_rows(context)), hide_index=True, width="stretch")


def _draw_base_models() -> None:
    st.subheader("Bases", anchor=False)
    there = list_bases()
    if not there:
        st.info(
            f"No base is here. Put folders with config.json, safetensors and tokenizer into "
            f"{bases_folder()}."
        )
        return
    st.table([{"name": name, "folder": str(path)} for name, path in there.items()])


def _draw_package_versions() -> None:
    st.subheader("Software", anchor=False)
    found = [("tune-or-not", __version__), ("Python", platform.python_version())]
    found += [(name, _package_version(name)) for name in PACKAGES]
    st.table([{"what": name, "version": says} for name, says in found])


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
