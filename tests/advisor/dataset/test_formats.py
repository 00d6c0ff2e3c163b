"""Every format is recognised, converted to one record, and written canonically."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from advisor.dataset.convert import convert
from advisor.dataset.example import Example, Reject, canonical_row
from advisor.dataset.formats import UnusableRow, parse_row
from advisor.dataset.reader import profile_file, read_rows
from advisor.errors import DatasetError, UsageError

MODERN = [
    {"messages": [{"role": "user", "content": "2+2?"},
                  {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}]},
                  {"role": "tool", "tool_call_id": "c1", "content": "4"},
                  {"role": "assistant", "content": "4"}]},
    {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, {"role": "assistant", "content": "ho"}]},
    {"messages": [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]},
    {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}]},
]  # fmt: skip
FORMATS = {
    "chat": {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho", "weight": 0}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "ho"}]},
    "alpaca": {"instruction": "say", "input": "hi", "output": "ho"},
    "prompt-completion": {"prompt": "hi", "completion": "ho"},
    "kto": {"prompt": "hi", "completion": "ho", "label": True},
    "preference": {"prompt": "hi", "chosen": "ho", "rejected": "no"},
    "openai-preference": {"input": {"messages": [{"role": "user", "content": "hi"}]}, "preferred_output": [{"role": "assistant", "content": "ho"}], "non_preferred_output": [{"role": "assistant", "content": "no"}]},
    "question-answer": {"question": "hi", "answer": "ho"},
    "label": {"text": "hi", "category": "ho"},
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_each_format_is_recognised_with_its_last_answer(name: str) -> None:
    found = parse_row(FORMATS[name])

    assert found.format == name
    assert (found.turns[-1].role, found.turns[-1].content) == ("assistant", "ho")
    assert found.rejected == ("no" if "preference" in name else None)


@pytest.mark.parametrize("row", MODERN)
def test_rows_that_the_old_notebook_rejects_are_valid_and_lose_nothing(row: dict) -> None:
    written = json.loads(canonical_row(parse_row(row)))

    again = json.loads(canonical_row(parse_row(written)))
    assert again == written
    assert "tool_calls" not in json.dumps(row) or '"tool_call_id"' in json.dumps(written)


BAD = [
    (7, "not-a-mapping"),
    ({"messages": []}, "missing-messages"),
    ({"messages": [{"role": "user"}]}, "missing-content"),
    ({"messages": [{"role": "user", "content": "a", "contents": "b"}]}, "unknown-key"),
    ({"messages": [{"role": "bot", "content": "a"}]}, "unknown-role"),
    ({"messages": [{"role": "user", "content": 5}]}, "not-text"),
    ({"messages": ["hi"]}, "message-type"),
    ({"prompt": "a", "completion": ""}, "empty-field"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "image-part"),
    ({"foo": 1}, "unknown-format"),
]


@pytest.mark.parametrize(("row", "code"), BAD)
def test_each_mistake_has_its_code(row: object, code: str) -> None:
    with pytest.raises(UnusableRow) as error:
        parse_row(row)

    assert error.value.code == code
    assert error.value.remedy


def test_a_row_without_answer_is_kept_and_counted_as_untrainable(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"messages": [{"role": "user", "content": "hi"}]}\n'
        + json.dumps(FORMATS["chat"])
        + "\n"
        + json.dumps(FORMATS["alpaca"])
        + "\n"
    )

    found = profile_file(path)

    assert (found.examples, found.untrainable) == (3, 2)


def _write_all_kinds(folder: Path, rows: list[dict]) -> list[Path]:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    texts = {
        "rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "rows.json": json.dumps(rows),
        "rows.csv": "text,label\n" + "".join(f"{r['text']},{r['label']}\n" for r in rows),
        "rows.tsv": "text\tlabel\n" + "".join(f"{r['text']}\t{r['label']}\n" for r in rows),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    parquet.write_table(arrow.Table.from_pylist(rows), folder / "rows.parquet")
    return [folder / name for name in (*texts, "rows.parquet")]


def test_the_same_rows_in_five_kinds_of_file_are_the_same_dataset(tmp_path: Path) -> None:
    rows = [{"text": f"mail {i}", "label": ["a", "b"][i % 2]} for i in range(1200)]

    profiles = [profile_file(path) for path in _write_all_kinds(tmp_path, rows)]

    assert len({p.dataset_sha256 for p in profiles}) == 1
    assert {p.examples for p in profiles} == {1200}
    assert all(p.source_sha256 == hashlib.sha256(f.read_bytes()).hexdigest()
               for p, f in zip(profiles, sorted(tmp_path.iterdir(), key=lambda f: ["rows.jsonl", "rows.json", "rows.csv", "rows.tsv", "rows.parquet"].index(f.name)), strict=True))  # fmt: skip
    assert profiles[0].labels == (("a", 600), ("b", 600))


def test_an_unwanted_answer_is_kept_and_not_trained_on() -> None:
    found = parse_row({"prompt": "hi", "completion": "no", "label": False})

    assert json.loads(canonical_row(found))["messages"][-1]["weight"] == 0


def test_a_messy_file_is_read_row_by_row_with_line_numbers(tmp_path: Path) -> None:
    path = tmp_path / "messy.jsonl"
    lines = [json.dumps(FORMATS[name]) for name in ("chat", "sharegpt", "alpaca", "preference")]
    lines += [json.dumps(MODERN[0]), "{broken", json.dumps(FORMATS["label"])]
    path.write_text("\n".join(lines) + "\n")

    rows = list(read_rows(path))

    assert [type(row) for row in rows] == [Example] * 5 + [Reject, Example]
    assert isinstance(rows[5], Reject)
    assert (rows[5].line, rows[5].code) == (6, "broken-json")


def test_conversion_writes_canonical_rows_rejects_and_their_hash(tmp_path: Path) -> None:
    path, out, bad = (tmp_path / name for name in ("in.jsonl", "out.jsonl", "bad.jsonl"))
    path.write_text(json.dumps(FORMATS["alpaca"]) + "\nnonsense\n")

    done = convert(path, out, bad)

    assert (done.written, done.rejected) == (1, 1)
    assert done.dataset_sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert done.dataset_sha256 == profile_file(path).dataset_sha256
    assert json.loads(bad.read_text())["line"] == 2


def test_conversion_never_overwrites_its_input(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps(FORMATS["alpaca"]))

    with pytest.raises(UsageError, match="this is the input file"):
        convert(path, path, tmp_path / "bad.jsonl")


def test_parquet_without_its_extra_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1 and more")
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(DatasetError, match=r"tune-or-not\[parquet\]"):
        list(read_rows(path))
