"""Bar of running deployments on every page, with their hourly cost and a stop button."""

from __future__ import annotations

from contextlib import closing

import streamlit as st

from advisor.errors import AdvisorError
from advisor.prices.display_names import at_provider
from trainer.providers.base import NotOffered
from trainer.providers.deployments import hosting_for
from trainer.runs import deployments
from trainer.runs.deployments import Deployment
from ui import formatting, state
from ui.formatting import escape_dollars

REFRESH_SECONDS = 20.0
MESSAGE_KEY = "deployments_said"


@st.fragment(run_every=REFRESH_SECONDS)
def draw_deployments() -> None:
    """Draw one line per running deployment, or nothing."""
    try:
        context = state.trainer_context()
        running = [
            deployment
            for deployment in deployments.all_deployments(context)
            if deployment.state in deployments.OPEN_STATES
        ]
        cost, now = deployments.current_hourly_cost(context), context.clock.now()
    except AdvisorError as error:
        st.warning(f"Running deployments cannot be listed: {error}")
        return
    message = st.session_state.pop(MESSAGE_KEY, None)
    if message:
        st.info(message)
    if not running:
        return
    locale = formatting.reader_locale()
    with st.container(border=True, key="deployments_bar"):
        total = formatting.money_text(cost, locale, cents=True)
        st.markdown(escape_dollars(f":material/bolt: **Deployed now: {total} per hour**"))
        for deployment in running:
            _draw_deployment(deployment, now, locale)


def _draw_deployment(deployment: Deployment, now: float, locale: str) -> None:
    text, button = st.columns([6, 1], vertical_alignment="center")
    text.markdown(escape_dollars(deployment_line(deployment, now, locale)))
    button.button(
        "Stop",
        key=f"stop {deployment.deployment_id}",
        on_click=stop_deployment,
        width="stretch",
        args=(deployment.deployment_id,),
        help="Stop the deployment at the provider.",
    )


def deployment_line(deployment: Deployment, now: float, locale: str) -> str:
    """Return state and cost of a deployment as one line."""
    hours, limit = (
        formatting.number_text(value, locale, 2)
        for value in (deployment.hours(now), deployment.max_hours)
    )
    spent, price = (
        formatting.money_text(str(value), locale, cents=True)
        for value in (deployment.spent(now), deployment.usd_per_hour)
    )
    return (
        f"`{deployment.deployment_id}` {at_provider(deployment.provider)}, {deployment.state}: "
        f"{price} per hour, {hours} of at most {limit} h, {spent} so far"
    )


def stop_deployment(deployment_id: str) -> None:
    """Stop a deployment, and keep the result as a message."""
    context = state.trainer_context()
    try:
        deployment = deployments.find_deployment(context, deployment_id)
        with closing(hosting_for(deployment.provider, context.book)) as hosting:
            stopped = deployments.stop(context, deployment, hosting)
        spent = str(stopped.spent(context.clock.now()))
        cost = formatting.money_text(spent, formatting.reader_locale(), cents=True)
        message = f"{stopped.deployment_id} is stopped. It cost {cost}."
    except (AdvisorError, NotOffered) as error:
        message = str(error)
    st.session_state[MESSAGE_KEY] = escape_dollars(message)
