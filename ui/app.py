"""The Streamlit app: navigation, style, and the bar of running deployments on every page."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib import import_module
from typing import Final

import streamlit as st

from ui import formatting, state
from ui.launch.deployments_bar import draw_deployments

PAGES: Final = {
    "What-if": "ui.views.whatif",
    "Interview": "ui.views.interview",
    "Launch": "ui.views.launch",
    "Runs": "ui.views.runs",
    "Models": "ui.views.models",
    "Prices": "ui.views.prices",
    "Settings": "ui.views.settings",
}


def page_loader(module: str) -> Callable[[], None]:
    """Return a function that draws a page; its module is imported when the page is first opened."""

    def page() -> None:
        import_module(module).page()

    return page


@st.cache_resource(show_spinner=False)
def freeze_startup_objects() -> None:
    """Exclude objects that live as long as the process from garbage collection.

    Streamlit collects garbage after each run; over the price book and all modules that takes 0.2 s.
    """
    gc.collect()
    gc.freeze()


st.set_page_config(page_title="Tune or Not", layout="wide", initial_sidebar_state="collapsed")
pages = {
    title: st.Page(
        page_loader(module), title=title, url_path=title.lower(), default=title == "What-if"
    )
    for title, module in PAGES.items()
}
st.session_state[state.PAGES_KEY] = pages
formatting.apply_style()
selected_page = st.navigation(list(pages.values()), position="top")
draw_deployments()
selected_page.run()
freeze_startup_objects()
