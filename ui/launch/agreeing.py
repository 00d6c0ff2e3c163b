"""A plan -> what it costs, what leaves the machine, and the typed word that starts it, once."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from advisor.errors import AdvisorError
from advisor.plan import TrainingPlan
from trainer.egress import Leaving
from trainer.errors import NoConsent, Refused
from trainer.office import Office
from trainer.starting import Agreed, leaving_of, next_attempt, start
from ui import look, work
from ui.launch.blocks import facts_table
from ui.launch.obstacles import obstacles
from ui.launch.plan_words import Fact, exact, is_typed, plan_facts, price_range

TROUBLE = "start_trouble"


def agree(plan: TrainingPlan) -> None:
    """Draw a plan and the form that starts it; a plan that was started shows its run."""
    office, locale = work.office(), look.reader()
    st.html(facts_table(plan_facts(plan, locale)))
    run_id = office.store.run_of(plan)
    if run_id is not None:
        _started(plan, run_id)
        return
    for problem in obstacles(office, plan):
        st.error(problem)
    leaving = _leaving(office, plan)
    if leaving is not None:
        _leaves(leaving, locale)
    trouble = st.session_state.pop(TROUBLE, None)
    if trouble:
        st.error(trouble)
    amount = exact(plan.figure.at_most, locale)
    with st.form("start_form", border=True, clear_on_submit=False):
        if leaving is not None:
            st.text_input(f"Type **{plan.provider}** to let these rows go there",
                          key="typed_provider", autocomplete="off")  # fmt: skip
        st.text_input(f"Type **{amount}** to spend up to {amount} USD", key="typed_amount",
                      autocomplete="off")  # fmt: skip
        st.form_submit_button(
            _plain(price_range(plan, locale)), type="primary", key="start_button",
            icon=":material/rocket_launch:", on_click=_start, args=(plan.plan_id,),
        )  # fmt: skip
    st.button("Back to the form", on_click=leave_plan)


def leave_plan() -> None:
    """Go back to the form; the plan stays on record and costs nothing."""
    for name in ("plan", "run"):
        st.query_params.pop(name, None)


def open_run(run_id: str) -> None:
    """Show a run in the place of its plan."""
    st.query_params["run"] = run_id


def _started(plan: TrainingPlan, run_id: str) -> None:
    st.info(f"This plan was started already, as {run_id}: a plan is started once, from any tab.")
    with st.container(horizontal=True):
        st.button(f"Started as {run_id}", disabled=True, key="start_button_done")
        st.button("Open its run", type="primary", on_click=open_run, args=(run_id,))
        st.button("Plan a further attempt", on_click=_again, args=(plan.plan_id,),
                  help="The same job once more: it costs as much again.")  # fmt: skip
        st.button("Back to the form", on_click=leave_plan)


def _again(plan_id: str) -> None:
    store = work.office().store
    try:
        further = next_attempt(work.office(), store.plan(plan_id), again=True)
        store.keep_plan(further)
        st.query_params["plan"] = further.plan_id
    except AdvisorError as error:
        st.session_state[TROUBLE] = str(error)


def _leaving(office: Office, plan: TrainingPlan) -> Leaving | None:
    """Return what would leave; looked through once for a plan, however often it is drawn."""
    key = f"leaving {plan.plan_id}"
    if key not in st.session_state:
        st.session_state[key] = leaving_of(office, plan)
    found: Leaving | None = st.session_state[key]
    return found


def _leaves(leaving: Leaving, locale: str) -> None:
    personal = ", ".join(f"{kind} in {look.number(rows, locale)} rows"
                         for kind, rows in leaving.personal.items())  # fmt: skip
    st.markdown("**What leaves this machine**")
    st.html(facts_table((
        Fact("Rows", f"{look.number(leaving.rows, locale)}, "
                     f"{look.number(leaving.bytes, locale)} bytes"),
        Fact("To", f"{leaving.provider}, host {leaving.host}"),
        Fact("Region", leaving.region),
        Fact("Kept there", f"{leaving.retention}; deleted by us after the job"),
        Fact("Looks personal", personal or "nothing that we know by its form"),
    )))  # fmt: skip


def _start(plan_id: str) -> None:
    """Start the job of a plan, if both words were typed; a second click finds the first's run."""
    desk = work.desk()
    try:
        plan = desk.office.store.plan(plan_id)
        agreed = _agreed(desk.office, plan)
        run_id, _ = start(desk.office, plan, agreed)
        desk.driver.wake()
        st.query_params["run"] = run_id
    except AdvisorError as error:
        st.session_state[TROUBLE] = str(error)


def _agreed(office: Office, plan: TrainingPlan) -> Agreed:
    locale, most = look.reader(), plan.figure.at_most
    if not is_typed(st.session_state.get("typed_amount", ""), most, locale):
        raise Refused(f"the amount was not typed: nothing was started. Type {exact(most, locale)}.")
    if _leaving(office, plan) is None:
        return Agreed(Decimal(most))
    typed = str(st.session_state.get("typed_provider", "")).strip()
    if typed != plan.provider:
        raise NoConsent(f"the name was not typed: nothing was sent. Type {plan.provider}.")
    return Agreed(Decimal(most), plan.provider)


def _plain(text: str) -> str:
    """Keep dollar signs what they are: two of them would be read as a formula."""
    return text.replace("$", "\\$")
