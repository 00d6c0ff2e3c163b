"""Command table of `trainer`: name, function and help of every command, by section.

The flags of a command are the parameters of its function (see `advisor.cli.commands`).
"""

from __future__ import annotations

from collections.abc import Mapping

from advisor.cli.commands import CommandGroup, command_table

SECTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Plan and launch": {
        "plan": (
            "plan:make_plan",
            "Create the plan of one job: rows, settings, provider, price, cap. Sends nothing.",
        ),
        "launch": ("runs:launch_plan", "Start the job of a plan, once, after you type the amount."),
        "pilot": (
            "pilot:start_pilot",
            "Measure prompts, retrieval and tuning on your held-out rows, and recommend again.",
        ),
        "distil": (
            "distil:distil_questions",
            "Have a larger model write training answers, under a cap; no row is paid for twice.",
        ),
        "probe": (
            "machine:probe_machine",
            "Measure how fast this machine trains (30 s); later plans use the result.",
        ),
    },
    "Runs and money": {
        "runs": ("runs:show_runs", "List runs, and which no process is advancing."),
        "show": ("runs:show_run", "Show a run: plan, state, money, model."),
        "events": ("runs:show_events", "List the events of a run, and those of its job."),
        "follow": (
            "runs:follow_runs",
            "Follow a run until it is settled; Ctrl-C does not stop the job.",
        ),
        "cancel": ("runs:cancel", "Request cancellation; it takes effect at the next poll."),
        "pause": ("runs:pause", "Request a pause, if the provider supports it."),
        "resume": ("runs:resume_run", "Resume a run that is paused or needs your decision."),
        "settle": (
            "runs:settle_by_hand",
            "Record the cost of a job that its provider does not report.",
        ),
        "budget": ("runs:show_budget", "Show or set the caps over all runs, and the money spent."),
    },
    "Tuned models": {
        "evaluate": (
            "evaluation:evaluate_run",
            "Compare base, tuned model and baselines on held-out rows.",
        ),
        "versions": ("versions:show_versions", "List model versions with stage and verdict."),
        "promote": (
            "versions:promote_version",
            "Make an evaluated version the champion of its name.",
        ),
        "rollback": ("versions:rollback_model", "Make the previous champion champion again."),
        "retire": ("versions:retire_version", "Retire a version."),
        "compare": ("versions:compare_versions", "Compare two versions field by field."),
        "deploy": (
            "deployments:start_deployment",
            "Serve a tuned model by the hour, test it, and stop it unless --keep is given.",
        ),
        "deployments": ("deployments:show_deployments", "List what costs by the hour."),
        "stop": ("deployments:end_deployment", "Stop a deployment, and verify that it is gone."),
        "download": (
            "deployments:download_weights",
            "Download tuned weights, if the provider allows it.",
        ),
        "merge": (
            "versions:merge_run",
            "Merge adapter and base model in 16 bits, and compare them.",
        ),
    },
    "Other machines": {
        "export": (
            "export:export_plan",
            "Write a folder that trains on any machine: rows, script, requirements, task.",
        ),
        "import": (
            "export:import_folder",
            "Import a training run elsewhere: check, score, register and settle it.",
        ),
    },
    "Server": {
        "serve": (
            "serve:run_server",
            "Serve planning, launching and OpenAI's fine-tuning protocol, under access tokens.",
        ),
        "token make": ("serve:make_token", "Create a token, and print it once."),
        "token list": ("serve:show_tokens", "List all tokens ever created, without their secrets."),
        "token revoke": ("serve:end_token", "Revoke a token."),
    },
    "This machine": {
        "disk": ("versions:show_disk", "List what uses disk space in the home folder."),
        "gc": ("versions:delete_garbage", "Delete what nothing refers to, and print its size."),
        "delete": (
            "versions:delete_item",
            "Delete a dataset, run or version everywhere on this machine.",
        ),
        "doctor": (
            "machine:run_doctor",
            "Check home folder, database, price book, API keys and time limits.",
        ),
    },
}
"""Section -> name of a command -> module and function in `trainer.cli`, and help."""
COMMANDS = command_table("trainer.cli", SECTIONS)
GROUPS = {"token": "Create, list and revoke access tokens of the working API."}
app = CommandGroup(
    "trainer",
    "Start what the advisor recommends: one plan, one paid job, under a cap.",
    COMMANDS,
    GROUPS,
)
