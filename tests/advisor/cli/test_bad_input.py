"""Bad input of every kind: one message with place, value and remedy; exit code 2; no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from advisor.cli import main
from tests.support.bad_inputs import CHAT, write_bad_inputs

MESSAGES = {
    "flags: nothing asked": "advisor: advisor recommend: no question. Give a scenario file, --dataset FILE or --set KEY=VALUE, or try 'advisor demo'.\n",
    "flags: no such file": "advisor: nowhere.yaml: there is no such file. Files there: broken.yaml, day.yaml, empty.yaml, gpu.yaml, infinite.yaml, latin1.yaml, list.yaml, misspelt.yaml.\n",
    "flags: no such dataset": "advisor: nowhere.jsonl: there is no such file. Check the path.\n",
    "flags: a folder": "advisor: .: this is a folder. Give the path of a file in it.\n",
    "flags: set without value": "advisor: --set traffic.turns: this is not KEY=VALUE. Write --set traffic.requests_per_month=1e6.\n",
    "flags: set through a word": "advisor: --set name.b=1: 'name' is 'a', not a mapping. Set that key itself.\n",
    "flags: set a misspelt path": "advisor: --set: trafic: there is no such key. Did you mean 'traffic'?\n",
    "flags: no such encoding": "advisor: encoding o200k: there is no such encoding. Did you mean 'o200k_base', 'o200k_harmony'?\n",
    "flags: no such option": "advisor: --option magic: no allowed option has this in its id. Approaches: distill, not_yet, prompt.\n",
    "flags: no such example": "advisor: example email: there is no such example. Did you mean 'email-triage'?\n",
    "flags: no day": "advisor: --on soon: not a date. Write YYYY-MM-DD.\n",
    "flags: no such price": "advisor: prices show gpt-99: no item has this in its name. Known: alibaba/qwen3-14b/training, alibaba/qwen3-14b/tuned_input, alibaba/qwen3-14b/tuned_output, alibaba/qwen3.7-plus/cached_input, alibaba/qwen3.7-plus/input, alibaba/qwen3.7-plus/long_cached_input, alibaba/qwen3.7-plus/long_input, alibaba/qwen3.7-plus/long_output, alibaba/qwen3.7-plus/output, alibaba/qwen3.8-flash/input, alibaba/qwen3.8-flash/output, alibaba/qwen3.8-max/cached_input, ....\n",
    "flags: no such overlay": "advisor: nowhere.yaml: there is no such file. Check the path.\n",
    "flags: no saved answer": "advisor: good.jsonl: not a saved answer. Save one with --format json.\n",
    "dataset: empty.jsonl": "advisor: empty.jsonl: the file is empty. Give at least one example.\n",
    "dataset: blank.jsonl": "advisor: blank.jsonl: the file is blank. Give at least one example.\n",
    "dataset: broken.jsonl": "advisor: broken.jsonl:1: no row can be used; first error: invalid JSON at column 15: unexpected character, expected a JSON value. Fix the line; each example is one line.\n",
    "dataset: truncated.json": "advisor: truncated.json, after row 1: the JSON array is not valid: parse error: premature EOF (right here) ------^. Fix the file at this location.\n",
    "dataset: prose.txt": "advisor: prose.txt: the file has no rows. Give at least one example.\n",
    "dataset: misspelt.jsonl": "advisor: misspelt.jsonl:1: no row can be used; first error: no known format has the keys mesages. Use messages, prompt and completion, or text and label. Did you mean 'messages'?\n",
    "dataset: role.jsonl": "advisor: role.jsonl:1: no row can be used; first error: messages[0] has the role 'asistant'. Choose one of assistant, developer, function, system, tool, user.\n",
    "dataset: image.jsonl": "advisor: image.jsonl:1: no row can be used; first error: messages[0] has a part of type image_url. Images and audio are not supported: remove such rows, or describe them in text.\n",
    "dataset: number.jsonl": "advisor: number.jsonl:1: no row can be used; first error: found 1 instead of a JSON object. Write each example as a JSON object.\n",
    "dataset: no_content.jsonl": "advisor: no_content.jsonl:1: no row can be used; first error: messages[0] has no content. Give text, or tool_calls if the assistant calls a tool.\n",
    "dataset: weight.jsonl": "advisor: weight.jsonl:1: no row can be used; first error: messages[0] has the weight 2. Use 0 or 1.\n",
    "dataset: fields.csv": "advisor: fields.csv:2: no row can be used; first error: the row has 1 more fields than the header. Quote fields that contain the delimiter.\n",
    "encoding: utf16.jsonl": "advisor: utf16.jsonl: the file is UTF-16. Save it as UTF-8.\n",
    "encoding: latin1.jsonl": "advisor: latin1.jsonl:1: no row can be used; first error: byte 0xe9 at column 16 is not UTF-8. Save the file as UTF-8.\n",
    "encoding: latin1.csv": "advisor: latin1.csv:2: no row can be used; first error: the row has bytes that are not UTF-8. Save the file as UTF-8.\n",
    "encoding: packed.jsonl": "advisor: packed.jsonl: the file is compressed with gzip. Decompress it first.\n",
    "encoding: null.jsonl": "advisor: null.jsonl:1: no row can be used; first error: invalid JSON at column 14: unexpected control character in string. Fix the line; each example is one line.\n",
    "scenario: negative.yaml": "advisor: negative.yaml: traffic.requests_per_month: found -5. Give a number of 0 or more.\n",
    "scenario: nan.yaml": "advisor: nan.yaml: traffic.user_tokens: found nan. Give a finite number.\n",
    "scenario: infinite.yaml": "advisor: infinite.yaml: traffic.user_tokens: found inf. Give a finite number.\n",
    "scenario: words.yaml": "advisor: words.yaml: traffic.requests_per_month: found 'a million'. Give a number without unit or separators, such as 1000000 or 1e6.\n",
    "scenario: misspelt.yaml": "advisor: misspelt.yaml: traffic.requests_per_moth: there is no such key. Did you mean 'requests_per_month', 'growth_per_month', 'churn_per_month'?\n",
    "scenario: task.yaml": "advisor: task.yaml: task: found 'classify'. Choose one of 'classification', 'extraction', 'generation', 'summarization', 'translation', 'knowledge_qa', 'structured_output', 'code', 'reasoning', 'agent' or 'other'.\n",
    "scenario: model.yaml": "advisor: the price book has no model 'openai/gpt-4o-mimi'. Did you mean 'openai/gpt-4o-mini', 'openai/gpt-5.4-mini', 'openai/gpt-4.1-mini'?\n",
    "scenario: gpu.yaml": "advisor: the price book has no GPU 'H100'. Did you mean 'H100_SXM', 'H100_NVL', 'H100_PCIE'?\n",
    "scenario: day.yaml": "advisor: day.yaml: asked_on: found 'tomorrow'. Give a date as YYYY-MM-DD.\n",
    "scenario: twice.yaml": "advisor: twice.yaml:3:1: duplicate key 'name'. Fix the YAML at this location.\n",
    "scenario: list.yaml": "advisor: list.yaml: found a list instead of a mapping. Start with 'name:' and 'traffic:'.\n",
    "scenario: broken.yaml": "advisor: broken.yaml:2:5: did not find expected ',' or '}'. Fix the YAML at this location.\n",
    "scenario: empty.yaml": "advisor: empty.yaml: the file is empty. Start with 'name:' and 'traffic:'.\n",
    "scenario: share.yaml": "advisor: share.yaml: traffic.cache_hit_share: found 90. Give a number of 1 or less.\n",
    "scenario: latin1.yaml": "advisor: latin1.yaml: byte 0xe9 at 9 is not UTF-8. Save the file as UTF-8.\n",
}


@pytest.mark.parametrize("kind", sorted(MESSAGES))
def test_bad_input_is_told_word_for_word(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls = write_bad_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["advisor", *calls[kind]])

    with pytest.raises(SystemExit) as stopped:
        main()

    printed = capsys.readouterr()
    assert stopped.value.code == 2
    assert printed.err == MESSAGES[kind]
    assert printed.out == ""


def test_every_kind_has_its_message_and_there_are_enough(tmp_path: Path) -> None:
    calls = write_bad_inputs(tmp_path)

    groups = [kind.split(":")[0] for kind in MESSAGES]
    assert set(calls) == set(MESSAGES)
    for group in ("dataset", "encoding", "scenario", "flags"):
        assert groups.count(group) >= 5


def test_a_line_of_50_mb_is_rejected_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    with path.open("w") as file:
        file.write(CHAT)
        file.write('{"prompt": "' + "a" * 50_000_000 + '", "completion": "x"}\n')
        file.write(CHAT)

    done = subprocess.run(
        [sys.executable, "-m", "advisor", "profile", str(path)], capture_output=True, text=True
    )

    assert done.returncode == 0
    assert "rejected rows" in done.stdout
    assert ":2: the line is longer than 16 MiB. Split the example" in done.stdout.replace("\n", " ")


def test_a_byte_order_mark_and_mixed_formats_are_read(tmp_path: Path) -> None:
    from advisor.dataset.reader import profile_file

    path = tmp_path / "mixed.jsonl"
    rows = CHAT + '{"instruction": "a", "input": "", "output": "b"}\n{"text": "c", "label": "d"}\n'
    path.write_bytes(b"\xef\xbb\xbf" + rows.encode())

    found = profile_file(path)

    assert dict(found.formats) == {"chat": 1, "alpaca": 1, "label": 1}


def test_a_real_child_prints_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "advisor", "recommend", "nowhere.yaml"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr == "advisor: nowhere.yaml: there is no such file. Check the path.\n"
