"""One hash over all files that affect decisions, so that a run names the rules it used."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).parent.parent
DECIDING_PATTERNS = (
    "advisor/data/*.yaml",
    "advisor/decision/checks.py",
    "advisor/decision/team_checks.py",
    "advisor/decision/ranking.py",
    "advisor/decision/answer.py",
    "advisor/evidence.py",
    "advisor/inputs.py",
    "advisor/options/*.py",
    "advisor/estimate/*.py",
    "advisor/gpu/*.py",
    "advisor/quality/*.py",
    "benchmarks/decision_cases.py",
    "benchmarks/decision_scenario.py",
    "benchmarks/decision_labels.py",
    "benchmarks/data/decision_history.yaml",
    "pricing.yaml",
)
"""Rules, evidence, numbers, prices, and the conversion of cases and labels."""


def deciding_files(top: Path = ROOT) -> list[Path]:
    """List the files that affect decisions, sorted by name."""
    return sorted({path for pattern in DECIDING_PATTERNS for path in top.glob(pattern)})


def rules_sha256(top: Path = ROOT) -> str:
    """Hash names and bytes of these files."""
    digest = hashlib.sha256()
    for path in deciding_files(top):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(top).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
