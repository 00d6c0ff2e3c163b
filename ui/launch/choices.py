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
from trainer.home import bases_folder, list_bases
from trainer.plan.provider import TRAINED_APPROACHES
from ui.formatting import option_name

LaunchMethod = Literal["provider", "here", "elsewhere"]
BASELINE_OPTION = f"encoder:local:{BASELINE_MODEL}"
LOCAL_LABELS = {
    "lora": "LoRA adapters on this machine",
    "qlora": "QLoRA adapters on this machine",
    "full_ft": "All weights on this machine",
    "encoder": "A small classifier on this machine",
    "dpo": "Preference tuning on this machine",
}
"""What is trained on a base in a folder."""
NEEDS_GPU = frozenset({"qlora"})
STARTS_HERE = "starts from here"
LAUNCH_LABELS = {
    "provider": STARTS_HERE,
    "local": STARTS_HERE,
    "export": "a folder to take along",
    "by_hand": "by hand",
}


@dataclass(frozen=True)
class LaunchChoice:
    """One thing that could be launched."""

    id: str
    """Option of the answer, or `approach:local` for a base of the visitor's."""
    label: str
    """In words."""
    how: LaunchMethod
    """Who trains: a provider, this machine, or nobody from here."""
    says: str
    """What happens."""
    note: str = ""
    """How it is started, in a few words."""
    recommended: bool = False
    """Whether it is the advice."""

    @property
    def is_plain(self) -> bool:
        """Whether it is the plain baseline, which has no base."""
        return self.id == BASELINE_OPTION

    @property
    def is_bare(self) -> bool:
        """Whether the name of the base has still to be put into its id."""
        return self.how == "here" and self.id.count(":") == 1

    def option_id(self, base: Path | None, gpu: str | None) -> str:
        """Return the option as the trainer takes it.

        >>> LaunchChoice("lora:local", "", "here", "").option_id(Path("/list_bases/tiny"), None)
        'lora:local:tiny'
        """
        if not self.is_bare:
            return self.id
        return ":".join([self.id, base.name if base else "base", *([gpu] if gpu else [])])


def launch_choices(answer: Answer, picked: str | None, has_gpu: bool) -> tuple[LaunchChoice, ...]:
    """List what can be launched: the advice, what starts from here, then all other training."""
    advised = answer.decision.recommended
    wanted = [one for one in answer.options if _is_listed(one, {advised, picked})]
    found = [_choice_from(one, one.id == advised) for one in wanted]
    bare = [
        LaunchChoice(
            f"{approach}:local",
            label,
            "here",
            "It is trained on a base in a folder of yours.",
            STARTS_HERE,
        )
        for approach, label in LOCAL_LABELS.items()
        if has_gpu or approach not in NEEDS_GPU
    ]
    plain = LaunchChoice(
        BASELINE_OPTION,
        "The plain baseline: TF-IDF with logistic regression",
        "here",
        "It trains on a CPU in a minute, and needs no base.",
        STARTS_HERE,
    )
    kept = [one for one in found if one.id != BASELINE_OPTION or one.recommended]
    known = {one.id for one in kept}
    here = [one for one in (*bare, plain) if one.id not in known]
    return tuple(sorted((*kept, *here), key=lambda one: (not one.recommended, _sort_key(one))))


def selected_choice(found: tuple[LaunchChoice, ...], picked: str | None) -> LaunchChoice:
    """Return the choice of a name, else the first."""
    return next(
        (one for one in found if picked and one.id in (picked, _trainer_option_id(picked))),
        found[0],
    )


def manual_commands(choice: LaunchChoice, bill: OptionBill | None, dataset: str) -> tuple[str, ...]:
    """Return the command lines that do by hand what no button does here."""
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


def _is_listed(one: OptionBill, named: set[str | None]) -> bool:
    trains = one.approach not in WITHOUT_TRAINING and one.id not in ("current", "not_yet")
    return one.id in named or trains


def _choice_from(one: OptionBill, recommended: bool) -> LaunchChoice:
    option_id = _trainer_option_id(one.id) if one.launch == "local" else one.id
    if one.launch == "provider" and one.approach in TRAINED_APPROACHES:
        how: LaunchMethod = "provider"
    else:
        how = "here" if one.launch == "local" else "elsewhere"
    says, note = one.launch_says, LAUNCH_LABELS[one.launch]
    if one.launch == "provider" and how == "elsewhere":
        says = "The rows are written by a larger model first: `trainer distil` makes them."
        note = LAUNCH_LABELS["by_hand"]
    return LaunchChoice(option_id, option_name(one.id), how, says, note, recommended)


def _trainer_option_id(option_id: str) -> str:
    """Name the plain baseline as the trainer takes it, wherever it was priced."""
    parts = option_id.split(":")
    return BASELINE_OPTION if len(parts) > 2 and parts[2] == BASELINE_MODEL else option_id


def _sort_key(one: LaunchChoice) -> int:
    return ("provider", "here", "elsewhere").index(one.how)


def selected_base(name: str | None, typed: str) -> Path:
    """Return the folder that was typed, else the one that was chosen.

    Raises:
        UsageError: neither names one, or there is no such folder.
    """
    remedy = f"Put one into {bases_folder()}, or type its folder."
    if not typed.strip():
        if name is None or name not in list_bases():
            raise UsageError("base", "none was named.", remedy)
        return list_bases()[name]
    path = Path(typed.strip()).expanduser()
    if not path.is_dir():
        raise UsageError(f"base {path}", "there is no such folder.", remedy)
    return path
