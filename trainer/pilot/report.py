"""What a pilot found -> a table with its sentences, the advice before and after, or JSON."""

from __future__ import annotations

from typing import Any

from advisor.answer import Answer
from trainer.pilot.outcome import Line, Outcome

COLUMNS = ("arm", "score", "95 % interval", "rows", "target", "USD", "seconds")
NUMBERS = {"score", "rows", "USD", "seconds"}


def rows_of(found: Outcome) -> list[tuple[str, ...]]:
    """Write a row an arm."""
    return [
        (line.arm, f"{line.score:.3f}", f"{line.low:.2f} to {line.high:.2f}",
         str(line.rows), line.standing, f"{line.usd:.4f}",
         "-" if line.seconds is None else f"{line.seconds:.2f}")
        for line in found.lines
    ]  # fmt: skip


def sentences(found: Outcome) -> list[str]:
    """Say what the table means."""
    says = [f"{found.metric} on the user's own held-out rows; the target is {found.target:.2f}. "
            "Intervals hold at every look, all arms together."]  # fmt: skip
    if found.stopped:
        says.append(f"It ended early: {found.stopped}.")
    if found.recall is not None:
        says.append(f"The passage that a row names as its source was found for "
                    f"{found.recall:.0%} of {found.recall_rows} questions.")  # fmt: skip
    for pair in found.pairs:
        if pair.low > 0 or pair.high < 0:
            ahead, behind = (pair.one, pair.other) if pair.low > 0 else (pair.other, pair.one)
            low, high = sorted((abs(pair.low), abs(pair.high)))
            says.append(f"{ahead} is better than {behind} by {abs(pair.difference):.3f} on "
                        f"{pair.rows} rows ({low:.2f} to {high:.2f}).")  # fmt: skip
    return [*says, *found.notes]


def advice(found: Outcome) -> list[str]:
    """Say the advice before and after."""
    before, after = found.before.decision, found.after.decision
    lines = [f"before: {before.recommended}. {before.verdict}",
             f"after:  {after.recommended}. {after.verdict}"]  # fmt: skip
    is_same = before.recommended == after.recommended
    lines.append(f"The pilot {'leaves the advice as it was' if is_same else 'changes the advice'}.")
    if not found.is_measured:
        lines.append("What is advised was not measured itself: its quality is an estimate.")
    return lines


def as_json(found: Outcome) -> dict[str, Any]:
    """Return all of it ready for JSON."""
    return {
        "pilot": found.name, "metric": found.metric, "target": found.target,
        "stopped": found.stopped or None, "usd": round(found.usd, 6),
        "recall": found.recall, "recall_rows": found.recall_rows,
        "arms": [_arm(line) for line in found.lines],
        "pairs": [vars(pair) for pair in found.pairs], "notes": list(found.notes),
        "measured": list(found.scenario["quality"]["measured"]),
        "before": _decision(found.before), "after": _decision(found.after),
        "advised_was_measured": found.is_measured,
    }  # fmt: skip


def _arm(line: Line) -> dict[str, Any]:
    return dict(vars(line))


def _decision(said: Answer) -> dict[str, Any]:
    decision = said.decision
    return {"recommended": decision.recommended, "verdict": decision.verdict,
            "win_share": decision.win_share}  # fmt: skip
