"""Templates of the export folder: `run.sh`, the SkyPilot task and the README."""

from __future__ import annotations

from collections.abc import Mapping

ACCELERATORS: Mapping[str, tuple[str, ...]] = {
    "A10": ("A10",),
    "A10G": ("A10G",),
    "A6000": ("RTXA6000", "A6000"),
    "A100_40GB_SXM": ("A100",),
    "A100_80GB_PCIE": ("A100-80GB",),
    "A100_80GB_SXM": ("A100-80GB-SXM", "A100-80GB"),
    "B200": ("B200",),
    "H100_NVL": ("H100-NVL",),
    "H100_PCIE": ("H100",),
    "H100_SXM": ("H100-SXM", "H100"),
    "H200_SXM": ("H200-SXM", "H200"),
    "L4": ("L4",),
    "L40S": ("L40S",),
    "RTX_3090": ("RTX3090",),
    "RTX_4090": ("RTX4090",),
    "RTX_5090": ("RTX5090",),
    "RTX_PRO_6000_BW": ("RTXPRO6000",),
    "T4": ("T4",),
}
"""GPU of the price book -> its equivalent names in SkyPilot's catalog."""


def skypilot_accelerators(gpu: str) -> str:
    """Return the resources line of a SkyPilot task.

    >>> skypilot_accelerators("L4"), skypilot_accelerators("H100_SXM"), skypilot_accelerators("cpu")
    ('accelerators: L4:1', 'accelerators: {H100-SXM:1, H100:1}', 'cpus: 4+')
    """
    if gpu == "cpu":
        return "cpus: 4+"
    names = ", ".join(f"{name}:1" for name in ACCELERATORS.get(gpu, (gpu.replace("_", "-"),)))
    return f"accelerators: {{{names}}}" if "," in names else f"accelerators: {names}"


RUN_SCRIPT = """\
#!/bin/sh
# Trains, then answers the held-out rows. After an interruption, run it again: it resumes.
# SKIP_INSTALL=1 uses the packages of $PYTHON (python3) as installed. BASE is the folder of the
# base, if this folder has none. The exit code is that of the script that failed, or 0.
set -eu
cd "$(dirname "$0")"
ANSWER=yes
if [ "${SKIP_INSTALL:-}" = 1 ]; then
    python=${PYTHON:-python3}
else
    [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
    python=.venv/bin/python
    "$python" -m pip install --quiet -r requirements.txt
fi
if [ ! -e base ]; then
    if [ ! -f "${BASE:-}/config.json" ]; then
        echo "run.sh: no base in this folder. Set BASE to the folder of the base." >&2
        exit 2
    fi
    rm -f base
    ln -s "$(cd "$BASE" && pwd)" base
fi
rm -f control failed.json

# Record when the machine was used: it is billed by the hour.
now() { "$python" -I -c 'import time; print(time.time())'; }
if [ -s clock.jsonl ] && tail -n 1 clock.jsonl | grep -q from; then
    beat=$(cat heartbeat 2>/dev/null || true)
    printf '{"to": %s}\\n' "${beat:-0}" >> clock.jsonl
fi
printf '{"from": %s}\\n' "$(now)" >> clock.jsonl
trap 'printf "{\\"to\\": %s}\\n" "$(now)" >> clock.jsonl' EXIT
child=
trap '[ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true' TERM INT

run() {
    "$python" -I "$@" &
    child=$!
    code=0
    wait "$child" || code=$?
    while kill -0 "$child" 2>/dev/null; do
        code=0
        wait "$child" || code=$?
    done
    child=
    [ "$code" -eq 0 ] || exit "$code"
}

[ -f result.json ] || run train.py .
[ "$ANSWER" = no ] || [ -f perplexity.json ] || run generate.py .
"""

SKYPILOT_TASK = """\
# {model} on {gpu}: {hours}; ${likely}, worst case ${at_most}, at ${price} per hour.
# The cap of the plan is ${cap}: check the price that `sky launch` shows before you confirm.
#   sky launch -c tune -i 10 task.yaml
#   rsync -a --exclude .venv --exclude checkpoints tune:sky_workdir/ .
#   sky down tune
name: tune-or-not-{plan}
resources:
  {accelerators}
workdir: .
{base_env}
setup: |
  [ -x .venv/bin/python ] || python3 -m venv .venv
  .venv/bin/python -m pip install --quiet -r requirements.txt
run: |
  SKIP_INSTALL=1 PYTHON=.venv/bin/python sh run.sh
"""

README = """\
# Plan {plan}: {model}, tuned on {rows} rows

On a machine with {gpu}, run `sh run.sh`. It installs the pinned packages into `.venv`, trains, and
then has the base and the tuned model answer the held-out rows, if there are any. After an
interruption, run it again: it resumes.{base_note} The plan estimates {hours}: ${likely}, worst case
${at_most}, at ${price} per hour; its cap is ${cap}. For SkyPilot, use `task.yaml`.

Copy the complete folder back, without `.venv` and `checkpoints`, and run `trainer import FOLDER
--usd COST` on the machine that created the plan. It checks rows, base and model by their hashes,
scores the answers, and adds the model to its registry.
"""
