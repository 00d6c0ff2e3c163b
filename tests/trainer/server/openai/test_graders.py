"""Graders of the OpenAI surface, compared with the training script."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support import tiny_models
from tests.support.openai_api import (
    OpenAIHarness,
    expect_error,
)


def test_graders_score_as_a_training_does(still: OpenAIHarness) -> None:
    grader = {"type": "string_check", "name": "label", "operation": "eq",
              "input": "{{sample.output_text}}", "reference": "{{ item.label }}"}  # fmt: skip
    sdk = still.sdk()
    graders = sdk.fine_tuning.alpha.graders

    assert graders.validate(grader=grader).grader.model_dump() == grader
    cases = [("eq", "red", "red"), ("eq", "red", "Red"), ("ne", "a", "b"), ("like", "a red box", "red"),
             ("like", "a box", "red"), ("ilike", "A RED box", "red"), ("ilike", "x", "red")]  # fmt: skip
    said = [graders.run(grader={**grader, "operation": word}, model_sample=sample, item={"label": label}).reward
            for word, sample, label in cases]  # fmt: skip
    code = ("import json, sys; from rewards import reward_of; print(json.dumps([reward_of(json.dumps("
            "{'type': 'string_check', 'operation': w}))([s], [l])[0] for w, s, l in json.loads(sys.argv[1])]))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, json.dumps(cases)], cwd=tiny_models.SCRIPTS,
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert said == json.loads(done.stdout) == [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    odd = {**grader, "type": "python", "source": "def grade(): ..."}
    error = expect_error(
        still, 400, "POST", "/fine_tuning/alpha/graders/validate", json={"grader": odd}
    )
    assert error["param"].startswith("grader.")
    error = expect_error(still, 400, "POST", "/fine_tuning/alpha/graders/run",
                    json={"grader": grader, "model_sample": "x", "item": {}})  # fmt: skip
    assert "'item.label' not found" in error["message"]
