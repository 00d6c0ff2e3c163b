"""Rows as tokens: what is learned from, where it ends, and which rows and tokenizers are refused."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import tiny_models

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + eos_token + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
REWRITES = (
    "{% for m in messages %}{{ '<' + m.role + '>' }}"
    "{{ m.content if loop.last or m.role == 'user' else m.content.split('###')[-1] }}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)
"""As templates do that take the thoughts out of all answers but the last."""
TURNS = [
    {"role": "system", "content": "be short"},
    {"role": "user", "content": "a red box"},
    {"role": "assistant", "content": "returns"},
    {"role": "user", "content": "an old lamp"},
    {"role": "assistant", "content": "payment"},
]
MOST = 200


@pytest.fixture(scope="module")
def scripts() -> Any:
    sys.path.insert(0, str(tiny_models.SCRIPTS))
    yield importlib.import_module("tokenize_rows")
    sys.path.remove(str(tiny_models.SCRIPTS))


@pytest.fixture
def tokenizer(scripts: Any, tmp_path: Path) -> Any:
    made = tiny_models.make_tokenizer(tmp_path)
    scripts.prepare_tokenizer(made, {made.eos_token_id})
    return made


def row(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages or TURNS)}


def learned(tokenizer: Any, one: Any) -> str:
    """What is learned from, with a bar wherever something in between is not."""
    parts, open_ = list[list[int]](), False
    for label in one.labels:
        if label == -100:
            open_ = False
            continue
        if not open_:
            parts.append([])
        parts[-1].append(label)
        open_ = True
    return "|".join(tokenizer.decode(part) for part in parts)


def encode(scripts: Any, tokenizer: Any, one: dict[str, Any], loss_on: str = "assistant") -> Any:
    return scripts.encode(tokenizer, one, loss_on, MOST, {tokenizer.eos_token_id})


def encode_all(scripts: Any, tokenizer: Any, rows: list[Any], most: int = MOST) -> Any:
    return scripts.encode_rows(tokenizer, rows, "assistant", most, {tokenizer.eos_token_id})


def test_only_what_the_assistant_says_is_learned_from(scripts: Any, tokenizer: Any) -> None:
    found = encode(scripts, tokenizer, row())

    assert learned(tokenizer, found) == "returns<|end|>|payment<|end|>"
    assert all(label in (-100, token) for label, token in zip(found.labels, found.ids, strict=True))
    assert tokenizer.decode(found.ids).startswith("<system>\nbe short")


def test_on_request_only_the_last_answer_is(scripts: Any, tokenizer: Any) -> None:
    found = encode(scripts, tokenizer, row(), "completion")

    assert learned(tokenizer, found) == "payment<|end|>"


def test_an_answer_with_weight_0_is_left_out(scripts: Any, tokenizer: Any) -> None:
    light = [dict(turn) for turn in TURNS]
    light[2]["weight"] = 0

    assert learned(tokenizer, encode(scripts, tokenizer, row(*light))) == "payment<|end|>"
    light[2]["weight"] = 1
    assert learned(tokenizer, encode(scripts, tokenizer, row(*light))) == (
        "returns<|end|>|payment<|end|>"
    )


def test_the_end_token_is_the_last_thing_learned_although_a_line_break_follows(
    scripts: Any, tokenizer: Any
) -> None:
    tokenizer.chat_template = CHATML

    found = encode(scripts, tokenizer, row())
    assert tokenizer.decode(found.ids).endswith("payment<|end|>\n")
    assert learned(tokenizer, found) == "returns<|end|>|payment<|end|>"
    assert [label for label in found.labels if label != -100][-1] == tokenizer.eos_token_id
    assert found.labels[-1] == -100


def test_an_answer_that_never_ends_is_refused_with_the_numbers_of_its_rows(
    scripts: Any, tokenizer: Any
) -> None:
    tokenizer.chat_template = CHATML.replace("eos_token", "'.'")

    with pytest.raises(
        scripts.UntrainableData, match=r"rows 1, 2: the answer does not end .* Set eos_token"
    ):
        encode_all(scripts, tokenizer, [row(), row()])


def test_a_template_that_rewrites_earlier_turns_is_refused(scripts: Any, tokenizer: Any) -> None:
    tokenizer.chat_template = REWRITES
    thinking = [dict(turn) for turn in TURNS]
    thinking[2]["content"] = "it is sent back ### returns"

    with pytest.raises(
        scripts.UntrainableData, match=r"rewrites earlier turns.*loss_on completion"
    ):
        encode(scripts, tokenizer, row(*thinking))
    found = encode(scripts, tokenizer, row(*thinking), "completion")
    assert learned(tokenizer, found) == "payment<|end|>"


def test_rows_without_an_answer_or_with_all_of_it_masked_are_named(
    scripts: Any, tokenizer: Any
) -> None:
    mute, light = row(TURNS[1]), row(TURNS[1], {**TURNS[2], "weight": 0})

    with pytest.raises(scripts.UntrainableData, match=r"rows 2, 4: no token to train on"):
        encode_all(scripts, tokenizer, [row(), mute, row(), light])
    with pytest.raises(scripts.UntrainableData, match=r"rows 1, 2, 3, 4, 5 and 3 more:"):
        encode_all(scripts, tokenizer, [mute] * 8)
    with pytest.raises(scripts.UntrainableData, match="no training rows"):
        encode_all(scripts, tokenizer, [])


def test_two_start_tokens_are_refused(scripts: Any, tokenizer: Any) -> None:
    tokenizer.bos_token = "<|im_start|>"
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    )
    twice = row({"role": "user", "content": "<|im_start|>a box"}, TURNS[2])

    with pytest.raises(scripts.UntrainableData, match=r"rows 2: two start tokens"):
        encode_all(scripts, tokenizer, [row(*TURNS[1:3]), twice])
    found, _ = encode_all(scripts, tokenizer, [row(*TURNS[1:3])])
    assert found[0].ids.count(tokenizer.bos_token_id) == 1
    assert found[0].ids[0] == tokenizer.bos_token_id


def test_padding_with_the_end_token_is_replaced_or_refused(scripts: Any, tokenizer: Any) -> None:
    end, pad = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|pad|>")
    tokenizer.pad_token = tokenizer.eos_token

    scripts.prepare_tokenizer(tokenizer, {end})
    assert tokenizer.pad_token_id == pad
    tokenizer.pad_token = tokenizer.eos_token
    with pytest.raises(scripts.UntrainableData, match=r"pads with its end token.*Set pad_token"):
        scripts.prepare_tokenizer(tokenizer, {end, pad})


def test_a_tokenizer_without_an_end_is_refused(scripts: Any, tokenizer: Any) -> None:
    tokenizer.eos_token = None

    with pytest.raises(scripts.UntrainableData, match="no end token"):
        scripts.prepare_tokenizer(tokenizer, set())


def test_a_row_that_is_cut_is_counted_and_an_answer_behind_the_cut_refused(
    scripts: Any, tokenizer: Any
) -> None:
    whole = encode(scripts, tokenizer, row())

    found, counted = encode_all(scripts, tokenizer, [row(), row(*TURNS[:3])], len(whole.ids) - 1)
    assert (counted["rows_cut"], counted["rows"]) == (1, 2)
    assert [one.was_cut for one in found] == [True, False]
    assert counted["longest_tokens"] == len(found[0].ids) == len(whole.ids) - 1
    assert counted["learned_tokens"] == sum(one.learned for one in found)
    with pytest.raises(
        scripts.UntrainableData, match=r"rows 1: the answer starts after the limit of 10"
    ):
        encode_all(scripts, tokenizer, [row()], 10)


def test_a_row_that_just_fits_is_not_cut(scripts: Any, tokenizer: Any) -> None:
    whole = encode(scripts, tokenizer, row())

    _, counted = encode_all(scripts, tokenizer, [row()], len(whole.ids))
    assert counted["rows_cut"] == 0


def test_the_hash_names_the_template_and_nothing_else(
    scripts: Any, tokenizer: Any, tmp_path: Path
) -> None:
    plain = scripts.template_hash(tokenizer)
    tokenizer.pad_token = "<|im_start|>"

    assert scripts.template_hash(tokenizer) == plain
    tokenizer.chat_template += " "
    assert scripts.template_hash(tokenizer) != plain
    tokenizer.save_pretrained(tmp_path / "saved")
    from transformers import AutoTokenizer

    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert scripts.template_hash(again) == scripts.template_hash(tokenizer)


def test_a_preference_reads_as_the_conversation_with_the_better_answer(scripts: Any) -> None:
    preference = {"input": {"messages": [TURNS[1]]}, "preferred_output": [TURNS[2]],
                  "non_preferred_output": [TURNS[4]]}  # fmt: skip

    assert scripts.conversation(preference)["messages"] == [TURNS[1], TURNS[2]]
    assert scripts.conversation(row()) == row()
