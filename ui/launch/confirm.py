"""A plan -> what it costs, what leaves the machine, and the typed word that starts it, once.

A plan -> what stands in its way now, said before a start and while a run cannot go on.

A plan -> what the page says of it: a line each, its price range, the amount to type.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import streamlit as st
from babel.numbers import format_decimal

from advisor.errors import AdvisorError
from advisor.plan.training_plan import TrainingPlan
from trainer.clock import moment
from trainer.context import Office
from trainer.errors import NoConsent, OverBudget, Refused
from trainer.runs.preflight import check_plan
from trainer.runs.start import Agreed, leaving_of, next_attempt, start
from trainer.security.egress import Leaving
from trainer.storage.ledger import Entry, micro
from ui import formatting, state
from ui.formatting import Fact, facts_table


def obstacles(office: Office, plan: TrainingPlan) -> list[str]:
    """Name what would hold a job back: a rule, a missing key, a cap over all runs."""
    return [*_forbidden(office, plan), *_no_way(office, plan), *_over_caps(office, plan)]


def _forbidden(office: Office, plan: TrainingPlan) -> Iterator[str]:
    try:
        check_plan(plan, office.book, office.clock.now())
    except AdvisorError as error:
        yield str(error)


def _no_way(office: Office, plan: TrainingPlan) -> Iterator[str]:
    """Open the way to the provider and close it: it reads address and key, and asks nothing."""
    try:
        office.adapter(plan.provider).close()
    except AdvisorError as error:
        yield str(error)


def _over_caps(office: Office, plan: TrainingPlan) -> Iterator[str]:
    day = moment(office.clock.now()).date().isoformat()
    amount = micro(plan.figure.at_most)
    try:
        office.ledger.check(Entry("this job", "training", plan.provider, day, amount, None, ""))
    except OverBudget as error:
        yield str(error)


METHODS = {
    "supervised": "Tuning on answers",
    "dpo": "Tuning on preferences",
    "reinforcement": "Reinforcement",
}
CENT = Decimal("0.01")
SERVED = {"per_token": "billed by the token", "per_hour": "billed by the hour, once it is deployed"}
SHOWN = (
    "epochs",
    "learning_rate",
    "micro_batch_rows",
    "accumulation_steps",
    "max_tokens",
    "lora_rank",
    "seed",
)


def exact(amount: str, locale: str) -> str:
    """Write an amount to its last digit, as a person types it.

    >>> exact("0.10", "en_US"), exact("1250.00", "de_DE")
    ('0.10', '1250,00')
    """
    return str(format_decimal(Decimal(amount), "0.00####", locale=locale))


def spent_words(amount: str, locale: str) -> str:
    """Write what was spent; less than a cent is said as that, not as 0.

    >>> spent_words("0.0017", "en_US"), spent_words("0", "en_US"), spent_words("2.5", "en_US")
    ('under $0.01', '$0.00', '$2.50')
    """
    if 0 < Decimal(amount) < CENT:
        return f"under {formatting.money('0.01', locale, cents=True)}"
    return formatting.money(amount, locale, cents=True)


def is_typed(text: str, amount: str, locale: str) -> bool:
    """Whether a person typed this very amount.

    >>> is_typed(" $0.10 ", "0.10", "en_US"), is_typed("0,1", "0.10", "de_DE")
    (True, False)
    """
    plain = text.replace("USD", "").replace("$", "").strip()
    return plain in (amount, exact(amount, locale))


def price_range(plan: TrainingPlan, locale: str) -> str:
    """Say what a job costs, as it stands on the button."""
    low, most, cap = (
        formatting.money(one, locale, cents=True)
        for one in (plan.figure.low, plan.figure.at_most, plan.cap_usd)
    )
    amount = most if low == most else f"{low} to {most}"
    return f"Start: {amount}, cap {cap}"


def plan_facts(plan: TrainingPlan, locale: str) -> tuple[Fact, ...]:
    """Say what a plan holds, a line each."""
    figure, rows = plan.figure, formatting.number(plan.training.rows, locale)
    held = formatting.number(plan.held_out.rows, locale) if plan.held_out else "none"
    own = "your own price" if figure.own else f"since {figure.since}, read {figure.read_on}"
    return (
        Fact("What", f"{METHODS.get(plan.method, plan.method)} of {plan.base_model}, {_at(plan)}"),
        Fact("Rows", f"{rows} to learn from, {held} held out to measure with"),
        Fact("Settings", settings_of(plan)),
        Fact(
            "Cost",
            f"{formatting.money(figure.likely, locale, cents=True)} likely; "
            f"{formatting.money(figure.low, locale, cents=True)} to "
            f"{formatting.money(figure.at_most, locale, cents=True)}",
        ),
        Fact("Price", f"{figure.price} {figure.unit}, {own}"),
        Fact("Source", figure.source),
        Fact("Afterwards", "served from this machine" if plan.local else SERVED[plan.serving]),
        Fact("Plan", f"{plan.plan_id[:12]}, attempt {plan.attempt}; good for a day"),
    )


def settings_of(plan: TrainingPlan) -> str:
    """Say the settings that a person looks at first."""
    if plan.local is None:
        given: dict[str, Any] = plan.hyperparameters.model_dump(exclude_none=True)
    elif plan.local.is_plain:
        return "none: it has no settings"
    else:
        given = {name: getattr(plan.local.recipe, name) for name in SHOWN}
    return ", ".join(
        f"{name.removeprefix('n_').replace('_', ' ')} {value}" for name, value in given.items()
    )


def _at(plan: TrainingPlan) -> str:
    if plan.local is None:
        return f"at {plan.provider}"
    where = "the CPU of this machine" if plan.local.gpu == "cpu" else f"this {plan.local.gpu}"
    return f"on {where}"


TROUBLE = "start_trouble"


def agree(plan: TrainingPlan) -> None:
    """Draw a plan and the form that starts it; a plan that was started shows its run."""
    office, locale = state.office(), formatting.reader()
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
            st.text_input(
                f"Type **{plan.provider}** to let these rows go there",
                key="typed_provider",
                autocomplete="off",
            )
        st.text_input(
            f"Type **{amount}** to spend up to {amount} USD", key="typed_amount", autocomplete="off"
        )
        st.form_submit_button(
            _plain(price_range(plan, locale)),
            type="primary",
            key="start_button",
            icon=":material/rocket_launch:",
            on_click=_start,
            args=(plan.plan_id,),
        )
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
        st.button(
            "Plan a further attempt",
            on_click=_again,
            args=(plan.plan_id,),
            help="The same job once more: it costs as much again.",
        )
        st.button("Back to the form", on_click=leave_plan)


def _again(plan_id: str) -> None:
    store = state.office().store
    try:
        further = next_attempt(state.office(), store.plan(plan_id), again=True)
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
    personal = ", ".join(
        f"{kind} in {formatting.number(rows, locale)} rows"
        for kind, rows in leaving.personal.items()
    )
    st.markdown("**What leaves this machine**")
    st.html(
        facts_table(
            (
                Fact(
                    "Rows",
                    f"{formatting.number(leaving.rows, locale)}, "
                    f"{formatting.number(leaving.bytes, locale)} bytes",
                ),
                Fact("To", f"{leaving.provider}, host {leaving.host}"),
                Fact("Region", leaving.region),
                Fact("Kept there", f"{leaving.retention}; deleted by us after the job"),
                Fact("Looks personal", personal or "nothing that we know by its form"),
            )
        )
    )


def _start(plan_id: str) -> None:
    """Start the job of a plan, if both words were typed; a second click finds the first's run."""
    desk = state.desk()
    try:
        plan = desk.office.store.plan(plan_id)
        agreed = _agreed(desk.office, plan)
        run_id, _ = start(desk.office, plan, agreed)
        desk.driver.wake()
        st.query_params["run"] = run_id
    except AdvisorError as error:
        st.session_state[TROUBLE] = str(error)


def _agreed(office: Office, plan: TrainingPlan) -> Agreed:
    locale, most = formatting.reader(), plan.figure.at_most
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
