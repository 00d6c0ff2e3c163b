"""Options of an answer that can be launched, and the bases found in the home folder."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from advisor.decision.answer import Answer
from advisor.decision.bill import OptionBill
from advisor.errors import UsageError
from advisor.options.gpu_tuning import BASELINE_MODEL
from advisor.options.option import WITHOUT_TRAINING
from advisor.prices.display_names import option_name
from trainer.home import bases_folder, list_bases
from trainer.plan.provider import TRAINED_APPROACHES

LaunchMethod = Literal["provider", "here", "elsewhere"]
BASELINE_OPTION = f"encoder:local:{BASELINE_MODEL}"
LOCAL_LABELS = {
    "lora": "LoRA adapters on this machine",
    "qlora": "QLoRA adapters on this machine",
    "full_ft": "All weights on this machine",
    "encoder": "A small classifier on this machine",
    "dpo": "Preference tuning on this machine",
}
"""Approaches that train a base model on this machine."""
NEEDS_GPU = frozenset({"qlora"})
STARTS_HERE = "can be started here"
LAUNCH_LABELS = {
    "provider": STARTS_HERE,
    "local": STARTS_HERE,
    "export": "export a folder",
    "by_hand": "manual",
}


@dataclass(frozen=True)
class LaunchChoice:
    """One option that can be launched, or how it is run otherwise."""

    id: str
    """Option of the answer, or `approach:local` for the user's own base."""
    label: str
    how: LaunchMethod
    """Where it trains: at a provider, on this machine, or elsewhere."""
    says: str
    note: str = ""
    """How it is started, as a short note."""
    recommended: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is the TF-IDF baseline, which has no base model."""
        return self.id == BASELINE_OPTION

    @property
    def is_bare(self) -> bool:
        """Whether its id lacks the name of the base."""
        return self.how == "here" and self.id.count(":") == 1

    def option_id(self, base: Path | None, gpu: str | None) -> str:
        """Return the option id for the trainer.

        >>> LaunchChoice("lora:local", "", "here", "").option_id(Path("/list_bases/tiny"), None)
        'lora:local:tiny'
        """
        if not self.is_bare:
            return self.id
        return ":".join([self.id, base.name if base else "base", *([gpu] if gpu else [])])


def launch_choices(answer: Answer, picked: str | None, has_gpu: bool) -> tuple[LaunchChoice, ...]:
    """List the choices: the recommendation, what can be started here, then all other training."""
    advised = answer.decision.recommended
    listed = [
        _choice_from(bill, bill.id == advised)
        for bill in answer.options
        if bill.id in (advised, picked)
        or (bill.approach not in WITHOUT_TRAINING and bill.id not in ("current", "not_yet"))
    ]
    bare = [
        LaunchChoice(
            f"{approach}:local",
            label,
            "here",
            "It trains a base model in a folder on this machine.",
            STARTS_HERE,
        )
        for approach, label in LOCAL_LABELS.items()
        if has_gpu or approach not in NEEDS_GPU
    ]
    plain = LaunchChoice(
        BASELINE_OPTION,
        "Baseline: TF-IDF with logistic regression",
        "here",
        "It trains on a CPU within a minute and needs no base model.",
        STARTS_HERE,
    )
    kept = [choice for choice in listed if choice.id != BASELINE_OPTION or choice.recommended]
    known = {choice.id for choice in kept}
    here = [choice for choice in (*bare, plain) if choice.id not in known]
    order = ("provider", "here", "elsewhere")
    return tuple(
        sorted((*kept, *here), key=lambda choice: (not choice.recommended, order.index(choice.how)))
    )


def selected_choice(choices: tuple[LaunchChoice, ...], picked: str | None) -> LaunchChoice:
    """Return the choice with this id, else the first."""
    return next(
        (
            choice
            for choice in choices
            if picked and choice.id in (picked, _trainer_option_id(picked))
        ),
        choices[0],
    )


def manual_commands(choice: LaunchChoice, bill: OptionBill | None, dataset: str) -> tuple[str, ...]:
    """Return the command lines for an option that cannot be started here."""
    rows = shlex.quote(dataset or "ROWS.jsonl")
    if bill is not None and bill.launch == "export":
        plan = f"trainer plan scenario.yaml --option {shlex.quote(choice.id)}"
        return (
            f"{plan} --dataset {rows} --base FOLDER",
            "trainer export PLAN OUT_FOLDER",
            "trainer import OUT_FOLDER",
        )
    if bill is not None and bill.objective is not None:
        return (f"advisor convert {rows} --out rows.jsonl --rejects rejects.jsonl",)
    return (f"advisor estimate scenario.yaml --option {shlex.quote(choice.id)}",)


def _choice_from(bill: OptionBill, recommended: bool) -> LaunchChoice:
    option_id = _trainer_option_id(bill.id) if bill.launch == "local" else bill.id
    if bill.launch == "provider" and bill.approach in TRAINED_APPROACHES:
        how: LaunchMethod = "provider"
    else:
        how = "here" if bill.launch == "local" else "elsewhere"
    says, note = bill.launch_says, LAUNCH_LABELS[bill.launch]
    if bill.launch == "provider" and how == "elsewhere":
        says = "A larger model writes the rows first: run `trainer distil`."
        note = LAUNCH_LABELS["by_hand"]
    return LaunchChoice(option_id, option_name(bill.id), how, says, note, recommended)


def _trainer_option_id(option_id: str) -> str:
    """Return the trainer's id of an option: the TF-IDF baseline always trains locally."""
    parts = option_id.split(":")
    return BASELINE_OPTION if len(parts) > 2 and parts[2] == BASELINE_MODEL else option_id


def selected_base(name: str | None, typed: str) -> Path:
    """Return the folder that was typed, else the selected base.

    Raises:
        UsageError: there is neither, or no such folder.
    """
    remedy = f"Put one into {bases_folder()}, or enter its folder."
    if not typed.strip():
        if name is None or name not in list_bases():
            raise UsageError("base", "not selected.", remedy)
        return list_bases()[name]
    path = Path(typed.strip()).expanduser()
    if not path.is_dir():
        raise UsageError(f"base {path}", "folder not found.", remedy)
    return path
