"""Requests to the OpenAI surface: roles, invalid parameters and bodies, documentation."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.support.openai_api import (
    OpenAIHarness,
    expect_error,
    job_body,
)


def test_tokens_and_their_roles_are_asked_for(still: OpenAIHarness) -> None:
    found = still.call("GET", "/files", headers={"Authorization": "Bearer nobody"})
    assert (found.status_code, found.json()["error"]["code"]) == (401, "invalid_api_key")
    assert found.json()["error"]["type"] == "authentication_error"
    error = expect_error(
        still, 403, "POST", "/fine_tuning/jobs", role="propose", json=job_body(still)
    )
    assert (error["type"], error["code"]) == ("permission_error", "insufficient_permissions")
    expect_error(still, 403, "POST", "/files", role="view", files={"file": ("a.jsonl", b"{}")})
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=still.url, api_key="sk-none").models.list()


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"modle": "x"}, 400, "modle"),
        ({"model": "tyni"}, 404, "model"),
        ({"model": "ft:tiny:ann::12345678"}, 404, "model"),
        ({"training_file": "file-none"}, 400, "training_file"),
        ({"validation_file": "file-none"}, 400, "validation_file"),
        ({"suffix": "s" * 65}, 400, "suffix"),
        ({"suffix": "two words"}, 400, "suffix"),
        ({"seed": -1}, 400, "seed"),
        ({"seed": "7"}, 400, "seed"),
        ({"metadata": {"k": "v" * 513}}, 400, "metadata.k"),
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, 400, "metadata"),
        ({"metadata": {"ton_lora_rnak": "8"}}, 400, "metadata.ton_lora_rnak"),
        ({"metadata": {"ton_lora_rank": "many"}}, 400, "metadata.ton_lora_rank"),
        ({"metadata": {"ton_method": "rlhf"}}, 400, "metadata.ton_method"),
        ({"metadata": {"ton_cap_usd": "much"}}, 400, "metadata.ton_cap_usd"),
        ({"metadata": {"ton_cap_usd": "0.001"}}, 409, "metadata.ton_cap_usd"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, 400, "integrations"),
        ({"hyperparameters": {"n_epochs": 51}}, 400, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": 2.5}}, 400, "hyperparameters.n_epochs"),
        ({"method": {"type": "dpo", "supervised": {}}}, 400, "method.supervised"),
        ({"method": {"type": "sft"}}, 400, "method.type"),
        ({"method": {"type": "reinforcement"}}, 400, "method.reinforcement"),
        ({"method": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 3}}}}, 400,
         "method.dpo.hyperparameters.beta"),
        ({"method": {"type": "supervised"}, "metadata": {"ton_cap_usd": "1e30"}}, 400,
         "metadata.ton_cap_usd"),
        ({"method": {"type": "reinforcement", "reinforcement": {"grader": {
            "type": "string_check", "name": "x", "operation": "eq", "input": "fixed",
            "reference": "{{item.a}}"}}}}, 400, "method.reinforcement.grader.input"),
        ({"method": {"type": "dpo"}, "metadata": {"ton_method": "lora"}}, 400, "training_file"),
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_named(
    still: OpenAIHarness, more: dict[str, Any], status: int, param: str
) -> None:
    body = {**job_body(still), "model": "tiny", **more}

    error = expect_error(still, status, "POST", "/fine_tuning/jobs", json=body)

    assert error["param"] == param
    assert str(still.folder) not in error["message"]


def test_near_names_are_offered(still: OpenAIHarness) -> None:
    body = job_body(still, metadata={"ton_lora_rnak": "8"})

    error = expect_error(still, 400, "POST", "/fine_tuning/jobs", json=body)
    assert "Did you mean 'ton_lora_rank'" in error["message"]
    error = expect_error(still, 400, "POST", "/fine_tuning/jobs", json=job_body(still, sufix="x"))
    assert "Did you mean 'suffix'" in error["message"]
    error = expect_error(still, 400, "GET", "/files?porpose=fine-tune")
    assert "Did you mean 'purpose'" in error["message"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"model": "a\\u0000b", "training_file": "x"}', "NUL character"),
        (b'{"model": "\\ud800", "training_file": "x"}', "line 1"),
        (b'{"model": ', "line 1"),
        (b"[]", "Input should be a valid"),
        (b"", "Field required"),
        (b"\xff", "line 1"),
        (b'{"seed": NaN}', "line 1"),
        (b"[" * 80 + b"]" * 80, "levels"),
    ],
)
def test_a_body_that_is_no_request_is_refused(still: OpenAIHarness, body: bytes, says: str) -> None:
    error = expect_error(still, 400, "POST", "/fine_tuning/jobs", content=body,
                    headers={"content-type": "application/json"})  # fmt: skip

    assert says in error["message"]


def test_paths_that_are_not_here_answer_in_the_same_shape(still: OpenAIHarness) -> None:
    assert expect_error(still, 404, "GET", "/assistants")["code"] == "unknown_url"
    assert expect_error(still, 405, "PUT", "/files")["code"] == "wrong_method"
    assert (
        expect_error(still, 404, "GET", "/fine_tuning/jobs/ftjob-%25")["param"]
        == "fine_tuning_job_id"
    )
    assert expect_error(still, 400, "GET", "/files/a%00b")["param"] == "path"
    assert expect_error(still, 404, "GET", "/files/a%0Ab")["code"] == "no_such_file"
    assert expect_error(still, 404, "GET", "/models/a%0Ab")["code"] == "unknown_url"
    assert expect_error(still, 404, "GET", "/files/")["code"] == "unknown_url"
    says = expect_error(still, 404, "GET", "/fine_tuning/checkpoints/ft:a:b::12345678/permissions")
    assert "not served here" in says["message"]


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"n": 0}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"audio": {}}, "audio"),
    ],
)
def test_what_a_chat_cannot_do_is_refused(
    still: OpenAIHarness, more: dict[str, Any], param: str
) -> None:
    body = {"model": "ft:x:y::12345678", "messages": [{"role": "user", "content": "x"}], **more}

    assert expect_error(still, 400, "POST", "/chat/completions", json=body)["param"] == param


def test_every_operation_is_documented_with_what_it_can_answer(still: OpenAIHarness) -> None:
    document = still.call("GET", "/openapi.json").json()
    operations = [one for path in document["paths"].values() for one in path.values()]

    assert len(operations) >= 23
    for one in operations:
        assert {"200", "400", "401", "403", "404", "413", "429", "500"} <= set(one["responses"])
        assert one["summary"]
        assert one["description"]
        assert all(parameter.get("description") for parameter in one["parameters"]
                   if parameter["in"] != "path") if "parameters" in one else True  # fmt: skip
    lacking = [f"{name}.{field}" for name, schema in document["components"]["schemas"].items()
               for field, body in schema.get("properties", {}).items()
               if not body.get("description") or "examples" not in body]  # fmt: skip
    assert lacking == []
