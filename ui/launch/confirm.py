"""Confirmation of a plan: facts, obstacles, data that leaves, and the form that starts the run."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import streamlit as st
from babel.numbers import format_decimal

from advisor.errors import AdvisorError
from advisor.plan.training_plan import TrainingPlan
from advisor.prices.display_names import at_provider, provider_name
from trainer.clock import utc_datetime
from trainer.context import TrainerContext
from trainer.errors import NoConsent, Refused
from trainer.runs.preflight import check_plan
from trainer.runs.start import LaunchConsent, egress_of, next_attempt, start_run
from trainer.security.egress import EgressSummary
from trainer.storage.ledger import LedgerEntry, micro_usd
from ui import formatting, state
from ui.formatting import escape_dollars, facts_table

METHOD_LABELS = {
    "supervised": "Supervised fine-tuning",
    "dpo": "Preference tuning",
    "reinforcement": "Reinforcement fine-tuning",
}
SERVING_LABELS = {
    "per_token": "billed per token",
    "per_hour": "billed per hour once deployed",
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
CENT = Decimal("0.01")


def obstacles(context: TrainerContext, plan: TrainingPlan) -> Iterator[str]:
    """Yield what would block a job now: a failed check, a missing key, an exceeded cap."""
    now, amount = context.clock.now(), micro_usd(plan.figure.at_most)
    day = utc_datetime(now).date().isoformat()
    entry = LedgerEntry("this job", "training", plan.provider, day, amount, None, "")
    for check in (
        lambda: check_plan(plan, context.book, now),
        lambda: context.adapter(plan.provider).close(),  # reads address and key, sends no request
        lambda: context.ledger.check(entry),
    ):
        try:
            check()
        except AdvisorError as error:
            yield str(error)


def exact_amount(amount: str, locale: str) -> str:
    """Format an amount with all its digits, as a user types it.

    >>> exact_amount("0.10", "en_US"), exact_amount("1250.00", "de_DE")
    ('0.10', '1250,00')
    """
    return str(format_decimal(Decimal(amount), "0.00####", locale=locale))


def spent_text(amount: str, locale: str) -> str:
    """Format an amount spent; less than a cent does not become 0.

    >>> spent_text("0.0017", "en_US"), spent_text("0", "en_US"), spent_text("2.5", "en_US")
    ('under $0.01', '$0.00', '$2.50')
    """
    if 0 < Decimal(amount) < CENT:
        return f"under {formatting.money_text('0.01', locale, cents=True)}"
    return formatting.money_text(amount, locale, cents=True)


def is_amount_typed(text: str, amount: str, locale: str) -> bool:
    """Return whether a text is exactly this amount.

    >>> is_amount_typed(" $0.10 ", "0.10", "en_US"), is_amount_typed("0,1", "0.10", "de_DE")
    (True, False)
    """
    plain = text.replace("USD", "").replace("$", "").strip()
    return plain in (amount, exact_amount(amount, locale))


def price_range(plan: TrainingPlan, locale: str) -> str:
    """Return the label of the start button: cost range and cap."""
    low, most, cap = (
        formatting.money_text(amount, locale, cents=True)
        for amount in (plan.figure.low, plan.figure.at_most, plan.cap_usd)
    )
    return f"Start: {most if low == most else f'{low} to {most}'}, cap {cap}"


def plan_facts(plan: TrainingPlan, locale: str) -> tuple[tuple[str, str], ...]:
    """Return the contents of a plan as facts."""
    figure, rows = plan.figure, formatting.number_text(plan.training.rows, locale)
    held_out = formatting.number_text(plan.held_out.rows, locale) if plan.held_out else "none"
    own = "your own price" if figure.own else f"since {figure.since}, read {figure.read_on}"
    likely, low, most = (
        formatting.money_text(amount, locale, cents=True)
        for amount in (figure.likely, figure.low, figure.at_most)
    )
    method = METHOD_LABELS.get(plan.method, plan.method)
    return (
        ("Job", f"{method} of {plan.base_model}, {_target_text(plan)}"),
        ("Rows", f"{rows} for training, {held_out} held out for evaluation"),
        ("Settings", settings_text(plan)),
        ("Cost", f"{likely} likely; range {low} to {most}"),
        ("Price", f"{figure.price} {figure.unit}, {own}"),
        ("Source", figure.source),
        ("Serving", "from this machine" if plan.local else SERVING_LABELS[plan.serving]),
        ("Plan", f"{plan.plan_id[:12]}, attempt {plan.attempt}; valid for one day"),
    )


def settings_text(plan: TrainingPlan) -> str:
    """Return the main settings of a plan."""
    if plan.local is None:
        settings: dict[str, Any] = plan.hyperparameters.model_dump(exclude_none=True)
    elif plan.local.is_plain:
        return "none"
    else:
        settings = {name: getattr(plan.local.recipe, name) for name in SHOWN_SETTINGS}
    return ", ".join(
        f"{name.removeprefix('n_').replace('_', ' ')} {value}" for name, value in settings.items()
    )


def _target_text(plan: TrainingPlan) -> str:
    if plan.local is None:
        return at_provider(plan.provider)
    return "on this machine's CPU" if plan.local.gpu == "cpu" else f"on this {plan.local.gpu}"


def draw_confirmation(plan: TrainingPlan) -> None:
    """Draw a plan and the form that starts it, or a link to the run that it started."""
    context, locale = state.trainer_context(), formatting.reader_locale()
    st.html(facts_table(plan_facts(plan, locale)))
    run_id = context.store.run_of(plan)
    if run_id is not None:
        _draw_started(plan, run_id)
        return
    for problem in obstacles(context, plan):
        st.error(problem)
    egress = _egress_summary(context, plan)
    if egress is not None:
        _draw_egress(egress, locale)
    state.draw_kept_error()
    amount = exact_amount(plan.figure.at_most, locale)
    with st.form("start_form", border=True, clear_on_submit=False):
        if egress is not None:
            label = f"Type **{plan.provider}** to allow sending these rows"
            st.text_input(label, key="typed_provider", autocomplete="off")
        label = f"Type **{amount}** to spend up to {amount} USD"
        st.text_input(label, key="typed_amount", autocomplete="off")
        st.form_submit_button(
            escape_dollars(price_range(plan, locale)),
            type="primary",
            key="start_button",
            icon=":material/rocket_launch:",
            on_click=_start_run,
            args=(plan.plan_id,),
        )
    st.button("Back to the form", on_click=close_plan)


def close_plan() -> None:
    """Return to the form; the plan stays stored and costs nothing."""
    for name in ("plan", "run"):
        st.query_params.pop(name, None)


def _draw_started(plan: TrainingPlan, run_id: str) -> None:
    st.info(f"This plan was already started as {run_id}. A plan starts one run, from any tab.")
    with st.container(horizontal=True):
        st.button(f"Started as {run_id}", disabled=True, key="start_button_done")
        st.button(
            "Open its run", type="primary", on_click=st.query_params.update, args=({"run": run_id},)
        )
        st.button(
            "Plan another attempt",
            on_click=_plan_next_attempt,
            args=(plan.plan_id,),
            help="The same job again, at the same cost.",
        )
        st.button("Back to the form", on_click=close_plan)


def _plan_next_attempt(plan_id: str) -> None:
    context = state.trainer_context()
    with state.errors_kept():
        plan = next_attempt(context, context.store.plan(plan_id), again=True)
        context.store.keep_plan(plan)
        st.query_params["plan"] = plan.plan_id


def _egress_summary(context: TrainerContext, plan: TrainingPlan) -> EgressSummary | None:
    """Return what would leave this machine; the rows are scanned once per plan and session."""
    key = f"egress {plan.plan_id}"
    if key not in st.session_state:
        st.session_state[key] = egress_of(context, plan)
    egress: EgressSummary | None = st.session_state[key]
    return egress


def _draw_egress(egress: EgressSummary, locale: str) -> None:
    rows, size = (formatting.number_text(n, locale) for n in (egress.rows, egress.bytes))
    personal = ", ".join(
        f"{kind} in {formatting.number_text(count, locale)} rows"
        for kind, count in egress.personal.items()
    )
    facts = (
        ("Rows", f"{rows}, {size} bytes"),
        ("To", f"{provider_name(egress.provider)}, host {egress.host}"),
        ("Region", egress.region),
        ("Retention", f"{egress.retention}; we delete the files after the job"),
        (
            "Personal data",
            personal
            or "no e-mail address, phone number or key found; names and addresses are not checked",
        ),
    )
    st.markdown("**Data that leaves this machine**")
    st.html(facts_table(facts))


def _start_run(plan_id: str) -> None:
    """Start the job if both confirmations were typed; a second click finds the first one's run."""
    reconciler = state.reconciler()
    with state.errors_kept():
        context = reconciler.context
        plan = context.store.plan(plan_id)
        run_id, _ = start_run(context, plan, _consent(context, plan))
        reconciler.wake()
        st.query_params["run"] = run_id


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
