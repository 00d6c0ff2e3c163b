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
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.errors import NoConsent, OverBudget, Refused
from trainer.runs.preflight import check_plan
from trainer.runs.start import LaunchConsent, egress_of, next_attempt, start_run
from trainer.security.egress import EgressSummary
from trainer.storage.ledger import LedgerEntry, micro_usd
from ui import formatting, state
from ui.formatting import PlanFact, facts_table


def obstacles(context: TrainerContext, plan: TrainingPlan) -> list[str]:
    """Name what would hold a job back: a rule, a missing key, a cap over all runs."""
    return [
        *_rule_obstacles(context, plan),
        *_provider_obstacles(context, plan),
        *_cap_obstacles(context, plan),
    ]


def _rule_obstacles(context: TrainerContext, plan: TrainingPlan) -> Iterator[str]:
    try:
        check_plan(plan, context.book, context.clock.now())
    except AdvisorError as error:
        yield str(error)


def _provider_obstacles(context: TrainerContext, plan: TrainingPlan) -> Iterator[str]:
    """Open the way to the provider and close it: it reads address and key, and asks nothing."""
    try:
        context.adapter(plan.provider).close()
    except AdvisorError as error:
        yield str(error)


def _cap_obstacles(context: TrainerContext, plan: TrainingPlan) -> Iterator[str]:
    day = utc_datetime(context.clock.now()).date().isoformat()
    amount = micro_usd(plan.figure.at_most)
    try:
        context.ledger.check(
            LedgerEntry("this job", "training", plan.provider, day, amount, None, "")
        )
    except OverBudget as error:
        yield str(error)


METHOD_LABELS = {
    "supervised": "Tuning on answers",
    "dpo": "Tuning on preferences",
    "reinforcement": "Reinforcement",
}
CENT = Decimal("0.01")
SERVING_LABELS = {
    "per_token": "billed by the token",
    "per_hour": "billed by the hour, once it is deployed",
}
SHOWN_SETTINGS = (
    "epochs",
    "learning_rate",
    "micro_batch_rows",
    "accumulation_steps",
    "max_tokens",
    "lora_rank",
    "seed",
)


def exact_amount(amount: str, locale: str) -> str:
    """Write an amount to its last digit, as a person types it.

    >>> exact_amount("0.10", "en_US"), exact_amount("1250.00", "de_DE")
    ('0.10', '1250,00')
    """
    return str(format_decimal(Decimal(amount), "0.00####", locale=locale))


def spent_text(amount: str, locale: str) -> str:
    """Write what was spent; less than a cent is said as that, not as 0.

    >>> spent_text("0.0017", "en_US"), spent_text("0", "en_US"), spent_text("2.5", "en_US")
    ('under $0.01', '$0.00', '$2.50')
    """
    if 0 < Decimal(amount) < CENT:
        return f"under {formatting.money_text('0.01', locale, cents=True)}"
    return formatting.money_text(amount, locale, cents=True)


def is_amount_typed(text: str, amount: str, locale: str) -> bool:
    """Whether a person typed this very amount.

    >>> is_amount_typed(" $0.10 ", "0.10", "en_US"), is_amount_typed("0,1", "0.10", "de_DE")
    (True, False)
    """
    plain = text.replace("USD", "").replace("$", "").strip()
    return plain in (amount, exact_amount(amount, locale))


def price_range(plan: TrainingPlan, locale: str) -> str:
    """Say what a job costs, as it stands on the button."""
    low, most, cap = (
        formatting.money_text(one, locale, cents=True)
        for one in (plan.figure.low, plan.figure.at_most, plan.cap_usd)
    )
    amount = most if low == most else f"{low} to {most}"
    return f"Start: {amount}, cap {cap}"


def plan_facts(plan: TrainingPlan, locale: str) -> tuple[PlanFact, ...]:
    """Say what a plan holds, a line each."""
    figure, rows = plan.figure, formatting.number_text(plan.training.rows, locale)
    held = formatting.number_text(plan.held_out.rows, locale) if plan.held_out else "none"
    own = "your own price" if figure.own else f"since {figure.since}, read {figure.read_on}"
    return (
        PlanFact(
            "What",
            f"{METHOD_LABELS.get(plan.method, plan.method)} of {plan.base_model}, "
            f"{_target_text(plan)}",
        ),
        PlanFact("Rows", f"{rows} to learn from, {held} held out to measure with"),
        PlanFact("Settings", settings_text(plan)),
        PlanFact(
            "Cost",
            f"{formatting.money_text(figure.likely, locale, cents=True)} likely; "
            f"{formatting.money_text(figure.low, locale, cents=True)} to "
            f"{formatting.money_text(figure.at_most, locale, cents=True)}",
        ),
        PlanFact("Price", f"{figure.price} {figure.unit}, {own}"),
        PlanFact("Source", figure.source),
        PlanFact(
            "Afterwards", "served from this machine" if plan.local else SERVING_LABELS[plan.serving]
        ),
        PlanFact("Plan", f"{plan.plan_id[:12]}, attempt {plan.attempt}; good for a day"),
    )


def settings_text(plan: TrainingPlan) -> str:
    """Say the settings that a person looks at first."""
    if plan.local is None:
        given: dict[str, Any] = plan.hyperparameters.model_dump(exclude_none=True)
    elif plan.local.is_plain:
        return "none: it has no settings"
    else:
        given = {name: getattr(plan.local.recipe, name) for name in SHOWN_SETTINGS}
    return ", ".join(
        f"{name.removeprefix('n_').replace('_', ' ')} {value}" for name, value in given.items()
    )


def _target_text(plan: TrainingPlan) -> str:
    if plan.local is None:
        return f"at {plan.provider}"
    where = "the CPU of this machine" if plan.local.gpu == "cpu" else f"this {plan.local.gpu}"
    return f"on {where}"


ERROR_KEY = "start_trouble"


def draw_confirmation(plan: TrainingPlan) -> None:
    """Draw a plan and the form that starts it; a plan that was started shows its run."""
    context, locale = state.trainer_context(), formatting.reader_locale()
    st.html(facts_table(plan_facts(plan, locale)))
    run_id = context.store.run_of(plan)
    if run_id is not None:
        _draw_started(plan, run_id)
        return
    for problem in obstacles(context, plan):
        st.error(problem)
    leaving = _egress_summary(context, plan)
    if leaving is not None:
        _draw_egress(leaving, locale)
    trouble = st.session_state.pop(ERROR_KEY, None)
    if trouble:
        st.error(trouble)
    amount = exact_amount(plan.figure.at_most, locale)
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
            _escape_dollars(price_range(plan, locale)),
            type="primary",
            key="start_button",
            icon=":material/rocket_launch:",
            on_click=_start_run,
            args=(plan.plan_id,),
        )
    st.button("Back to the form", on_click=close_plan)


def close_plan() -> None:
    """Go back to the form; the plan stays on record and costs nothing."""
    for name in ("plan", "run"):
        st.query_params.pop(name, None)


def open_run(run_id: str) -> None:
    """Show a run in the place of its plan."""
    st.query_params["run"] = run_id


def _draw_started(plan: TrainingPlan, run_id: str) -> None:
    st.info(f"This plan was started already, as {run_id}: a plan is started once, from any tab.")
    with st.container(horizontal=True):
        st.button(f"Started as {run_id}", disabled=True, key="start_button_done")
        st.button("Open its run", type="primary", on_click=open_run, args=(run_id,))
        st.button(
            "Plan a further attempt",
            on_click=_plan_next_attempt,
            args=(plan.plan_id,),
            help="The same job once more: it costs as much again.",
        )
        st.button("Back to the form", on_click=close_plan)


def _plan_next_attempt(plan_id: str) -> None:
    store = state.trainer_context().store
    try:
        further = next_attempt(state.trainer_context(), store.plan(plan_id), again=True)
        store.keep_plan(further)
        st.query_params["plan"] = further.plan_id
    except AdvisorError as error:
        st.session_state[ERROR_KEY] = str(error)


def _egress_summary(context: TrainerContext, plan: TrainingPlan) -> EgressSummary | None:
    """Return what would leave; looked through once for a plan, however often it is drawn."""
    key = f"leaving {plan.plan_id}"
    if key not in st.session_state:
        st.session_state[key] = egress_of(context, plan)
    found: EgressSummary | None = st.session_state[key]
    return found


def _draw_egress(leaving: EgressSummary, locale: str) -> None:
    personal = ", ".join(
        f"{kind} in {formatting.number_text(rows, locale)} rows"
        for kind, rows in leaving.personal.items()
    )
    st.markdown("**What leaves this machine**")
    st.html(
        facts_table(
            (
                PlanFact(
                    "Rows",
                    f"{formatting.number_text(leaving.rows, locale)}, "
                    f"{formatting.number_text(leaving.bytes, locale)} bytes",
                ),
                PlanFact("To", f"{leaving.provider}, host {leaving.host}"),
                PlanFact("Region", leaving.region),
                PlanFact("Kept there", f"{leaving.retention}; deleted by us after the job"),
                PlanFact("Looks personal", personal or "nothing that we know by its form"),
            )
        )
    )


def _start_run(plan_id: str) -> None:
    """Start the job of a plan, if both words were typed; a second click finds the first's run."""
    desk = state.page_context()
    try:
        plan = desk.context.store.plan(plan_id)
        agreed = _consent(desk.context, plan)
        run_id, _ = start_run(desk.context, plan, agreed)
        desk.driver.wake()
        st.query_params["run"] = run_id
    except AdvisorError as error:
        st.session_state[ERROR_KEY] = str(error)


def _consent(context: TrainerContext, plan: TrainingPlan) -> LaunchConsent:
    locale, most = formatting.reader_locale(), plan.figure.at_most
    if not is_amount_typed(st.session_state.get("typed_amount", ""), most, locale):
        raise Refused(
            f"the amount was not typed: nothing was started. Type {exact_amount(most, locale)}."
        )
    if _egress_summary(context, plan) is None:
        return LaunchConsent(Decimal(most))
    typed = str(st.session_state.get("typed_provider", "")).strip()
    if typed != plan.provider:
        raise NoConsent(f"the name was not typed: nothing was sent. Type {plan.provider}.")
    return LaunchConsent(Decimal(most), plan.provider)


def _escape_dollars(text: str) -> str:
    """Keep dollar signs what they are: two of them would be read as a formula."""
    return text.replace("$", "\\$")
