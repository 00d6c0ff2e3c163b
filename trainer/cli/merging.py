"""`trainer merge`: a tuned adapter made one with its base, and the command that serves it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

from advisor.cli.console import console
from advisor.errors import UsageError
from trainer.database import home_folder
from trainer.desk import open_office
from trainer.errors import Refused
from trainer.local.folder import JobFolder
from trainer.local.process import environment
from trainer.local.work import SCRIPTS


def merge(named: str, out: Path | None) -> None:
    """Merge in 16 bits, compare with base and adapter, and say how it is served."""
    office = open_office()
    run = office.store.run(named)
    plan = office.store.plan(run.plan_id)
    folder = JobFolder(home_folder() / "runs" / str(run.job_id))
    if plan.local is None or plan.local.is_plain or not folder.is_trained():
        raise Refused(f"{run.run_id} is {run.state}: only a model that was tuned on this machine "
                      "is merged.")  # fmt: skip
    target = out or home_folder() / "models" / run.run_id
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"--out {target}", "it is not empty.", "Name another folder.")
    done = subprocess.run([sys.executable, str(SCRIPTS / "merge.py"), str(folder.path),
                           str(target)], env=dict(environment()), capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode:
        why = done.stderr.strip().splitlines()[-1:] or ["it gave no reason"]
        raise Refused(f"{run.run_id}: {why[0]} Unmerged it is served with:\n"
                      f"{adapter_command(plan.local.base, folder.path / 'model')}")  # fmt: skip
    told = json.loads(done.stdout.strip().splitlines()[-1])
    console().print(f"{target}: merged in {told['dtype']}. Its logits differ from base and adapter "
                    f"by at most {told['largest_logit_difference']:.2g}, and from the base alone "
                    f"by up to {told['largest_change_from_base']:.2g}.\n"
                    f"Serve it with: sh {target}/serve.sh", soft_wrap=True)  # fmt: skip


def adapter_command(base: str, model: Path) -> str:
    """Write the command that serves base and adapter side by side."""
    return (f"vllm serve {shlex.quote(base)} --enable-lora "
            f"--lora-modules tuned={shlex.quote(str(model))}")  # fmt: skip
