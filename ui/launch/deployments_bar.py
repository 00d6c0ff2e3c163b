"""What costs by the hour now -> a bar on top of every page, with a button that ends it."""

from __future__ import annotations

import streamlit as st

from advisor.errors import AdvisorError
from trainer.providers.base import NotOffered
from trainer.providers.deployments import hosting_for
from trainer.runs import deployments as standing
from trainer.runs.deployments import Deployment
from ui import formatting, state

REFRESH_SECONDS = 20.0
MESSAGE_KEY = "deployments_said"


@st.fragment(run_every=REFRESH_SECONDS)
def draw_deployments() -> None:
    """Draw a line for each deployment that stands; nothing where none does."""
    try:
        context = state.trainer_context()
        there = [
            one for one in standing.all_deployments(context) if one.state in standing.OPEN_STATES
        ]
        cost, now = standing.current_hourly_cost(context), context.clock.now()
    except AdvisorError as error:
        st.warning(f"What costs by the hour cannot be seen now: {error}")
        return
    said = st.session_state.pop(MESSAGE_KEY, None)
    if said:
        st.info(said)
    if not there:
        return
    locale = formatting.reader_locale()
    with st.container(border=True, key="deployments_bar"):
        total = formatting.money_text(cost, locale, cents=True).replace("$", "\\$")
        st.markdown(f":material/bolt: **Deployed now: {total} an hour**")
        for one in there:
            _draw_deployment(one, now, locale)


def _draw_deployment(one: Deployment, now: float, locale: str) -> None:
    words, button = st.columns([6, 1], vertical_alignment="center")
    words.markdown(deployment_line(one, now, locale).replace("$", "\\$"))
    button.button(
        "Stop",
        key=f"stop {one.deployment_id}",
        on_click=stop_deployment,
        width="stretch",
        args=(one.deployment_id,),
        help="It is ended at the provider.",
    )


def deployment_line(one: Deployment, now: float, locale: str) -> str:
    """Say what a deployment is, costs and has cost."""
    hours = formatting.number_text(one.hours(now), locale, 2)
    spent = formatting.money_text(str(one.spent(now)), locale, cents=True)
    price = formatting.money_text(str(one.usd_per_hour), locale, cents=True)
    return (
        f"`{one.deployment_id}` at {one.provider}, {one.state}: {price} an hour, {hours} of "
        f"at most {formatting.number_text(one.max_hours, locale, 2)} h, {spent} so far"
    )


def stop_deployment(deployment_id: str) -> None:
    """End a deployment, and say how that went."""
    context = state.trainer_context()
    try:
        deployment = standing.find_deployment(context, deployment_id)
        hosting = hosting_for(deployment.provider, context.book)
        try:
            ended = standing.stop(context, deployment, hosting)
        finally:
            hosting.close()
        spent = formatting.money_text(
            str(ended.spent(context.clock.now())), formatting.reader_locale(), cents=True
        )
        said = f"{ended.deployment_id} is stopped. It cost {spent}."
    except (AdvisorError, NotOffered) as error:
        said = str(error)
    st.session_state[MESSAGE_KEY] = said.replace("$", "\\$")
