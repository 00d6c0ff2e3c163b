"""The Settings page: budget, folders, API keys, base models and software versions."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import streamlit as st

from advisor import __version__
from trainer.context import TrainerContext
from trainer.home import bases_folder, home_folder, list_bases
from trainer.local.process import devices
from trainer.providers import api_key_checks
from trainer.security.api_keys import environment_name
from trainer.security.redact import redact
from trainer.storage.database import database_url, schema_version
from ui import state
from ui.formatting import muted_text
from ui.launch.budget import draw_budget

PACKAGES = ("streamlit", "torch", "transformers", "peft", "trl", "openai", "sqlalchemy")


@state.errors_drawn()
def page() -> None:
    """Draw every setting; only the budget can be changed here."""
    st.title("Settings", anchor=False)
    context = state.trainer_context()
    draw_budget(context)
    _draw_folders(context)
    _draw_api_keys(context)
    _draw_base_models()
    _draw_package_versions()


def _draw_folders(context: TrainerContext) -> None:
    st.subheader("Folders and hardware", anchor=False)
    own = home_folder() / "prices.yaml"
    database = redact(database_url().split("@")[-1])
    found = devices()
    rows = {
        "Home folder": f"{home_folder()} (set by TUNE_OR_NOT_HOME)",
        "Database": f"{database}, schema {schema_version(context.store.engine)}",
        "Own prices": str(own) if own.is_file() else f"none; add them to {own}",
        "Training hardware": "CPU" if found == ["cpu"] else f"{len(found)} GPU: {', '.join(found)}",
    }
    st.table([{"setting": name, "value": value} for name, value in rows.items()])


def _draw_api_keys(context: TrainerContext) -> None:
    st.subheader("API keys", anchor=False)
    muted_text(
        f"Keys are read from environment variables such as {environment_name('openai')}, or from "
        f"the file named by {environment_name('openai')}_FILE. They are never shown."
    )
    rows = [
        {"provider": name, "key": "✓ found", "details": f"for {text}"}
        if is_found
        else {"provider": name, "key": "missing", "details": text}
        for name, is_found, text in api_key_checks(context.book)
    ]
    st.dataframe(rows, hide_index=True, width="stretch")


def _draw_base_models() -> None:
    st.subheader("Base models", anchor=False)
    bases = list_bases()
    if not bases:
        st.info(
            "No base models found. Add folders with config.json, safetensors files and a tokenizer "
            f"to {bases_folder()}."
        )
        return
    st.table([{"name": name, "folder": str(path)} for name, path in bases.items()])


def _draw_package_versions() -> None:
    st.subheader("Software", anchor=False)
    versions = {"tune-or-not": __version__, "Python": platform.python_version()}
    versions |= {name: _package_version(name) for name in PACKAGES}
    st.table([{"package": name, "version": found} for name, found in versions.items()])


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
