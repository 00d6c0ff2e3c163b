"""From a recommended option to a plan, a run and a model in use, on one page."""


def page() -> None:
    """Draw the page; what it needs is read when it is first opened."""
    from ui.launch import flow

    flow.page()
