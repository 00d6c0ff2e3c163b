"""The words of an exported folder: `run.sh`, the task of SkyPilot, and the page for a reader."""

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
"""GPU of the price book -> its names in SkyPilot's catalogue; any of them will do."""


def skypilot_accelerators(gpu: str) -> str:
    """Write what SkyPilot is asked for.

    >>> skypilot_accelerators("L4"), skypilot_accelerators("H100_SXM"), skypilot_accelerators("cpu")
    ('accelerators: L4:1', 'accelerators: {H100-SXM:1, H100:1}', 'cpus: 4+')
    """
    if gpu == "cpu":
        return "cpus: 4+"
    names = [f"{name}:1" for name in ACCELERATORS.get(gpu, (gpu.replace("_", "-"),))]
    return (
        f"accelerators: {names[0]}" if len(names) == 1 else f"accelerators: {{{', '.join(names)}}}"
    )


RUN_SCRIPT = """\
#!/bin/sh
# Train, then answer the rows that were held out. Run it again after a stop: it goes on where it
# was. SKIP_INSTALL=1 takes the packages of $PYTHON (python3) as they are; BASE names the folder of
# the base where none lies here. It ends with the exit code of the script that ended it.
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
        echo "run.sh: no base here: set BASE to its folder" >&2
        exit 2
    fi
    rm -f base
    ln -s "$(cd "$BASE" && pwd)" base
fi
rm -f control failed.json

# What the machine was used for, from when to when: its hours are money.
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
# {model} on {gpu}: {hours}; {likely} USD likely, at most {at_most}, at {price} USD an hour.
# The cap of the plan is {cap} USD: look at the price that `sky launch` shows before you agree.
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

On a machine with {gpu}: `sh run.sh`. It installs the pinned packages into `.venv`, trains, and has
base and tuned model answer the rows that were held out, if there are any. Stopped in the middle, it
goes on when it is run again.{base_says} The plan says {hours}: {likely} USD
likely, {at_most} USD at most, at {price} USD an hour; its cap is {cap} USD. For SkyPilot there is
`task.yaml`.

Bring the whole folder back, `.venv` and `checkpoints` left out, and say `trainer import FOLDER
--usd WHAT_IT_COST` on the machine that made the plan: it checks rows, base and model by their
hashes, scores the answers, and puts the model into its registry.
"""
