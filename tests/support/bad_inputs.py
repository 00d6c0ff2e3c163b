"""Every kind of bad input: the files it needs, and the command line that meets it."""

from __future__ import annotations

from pathlib import Path

CHAT = '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]}\n'

DATASETS: dict[str, bytes] = {
    "empty.jsonl": b"",
    "blank.jsonl": b"\n\n  \n",
    "broken.jsonl": b'{"messages": [}\n',
    "truncated.json": b'[{"text": "a", "label": "b"}, {"text": ',
    "prose.txt": b"Dear all, this is no dataset.\n",
    "misspelt.jsonl": b'{"mesages": [{"role": "user", "content": "hi"}]}\n',
    "role.jsonl": b'{"messages": [{"role": "asistant", "content": "hi"}]}\n',
    "image.jsonl": b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}\n',
    "number.jsonl": b"[1, 2, 3]",
    "no_content.jsonl": b'{"messages": [{"role": "assistant"}]}\n',
    "weight.jsonl": b'{"messages": [{"role": "assistant", "content": "a", "weight": 2}]}\n',
    "fields.csv": b"text,label\na,b,c\n",
}
ENCODINGS: dict[str, bytes] = {
    "utf16.jsonl": CHAT.encode("utf-16"),
    "latin1.jsonl": '{"prompt": "caf\xe9", "completion": "x"}\n'.encode("latin-1"),
    "latin1.csv": "text,label\ncaf\xe9,drink\n".encode("latin-1"),
    "packed.jsonl": b"\x1f\x8b\x08\x00rest",
    "null.jsonl": b'{"prompt": "a\x00b", "completion": "x"}\n',
}
SCENARIOS: dict[str, bytes] = {
    "negative.yaml": b"asked_on: 2026-11-20\ntraffic: {requests_per_month: -5}\n",
    "nan.yaml": b"asked_on: 2026-11-20\ntraffic: {user_tokens: .nan}\n",
    "infinite.yaml": b"asked_on: 2026-11-20\ntraffic: {user_tokens: .inf}\n",
    "words.yaml": b"asked_on: 2026-11-20\ntraffic: {requests_per_month: a million}\n",
    "misspelt.yaml": b"asked_on: 2026-11-20\ntraffic: {requests_per_moth: 5}\n",
    "task.yaml": b"asked_on: 2026-11-20\ntask: classify\n",
    "model.yaml": b"asked_on: 2026-11-20\ncurrent: {model: openai/gpt-4o-mimi}\n",
    "gpu.yaml": b"asked_on: 2026-11-20\nhardware: [{gpu: H100, usd_per_hour: 1}]\n",
    "day.yaml": b"asked_on: tomorrow\n",
    "twice.yaml": b"asked_on: 2026-11-20\nname: a\nname: b\n",
    "list.yaml": b"- a\n- b\n",
    "broken.yaml": b"traffic: {requests_per_month: 5\nname: [\n",
    "empty.yaml": b"",
    "share.yaml": b"asked_on: 2026-11-20\ntraffic: {cache_hit_share: 90}\n",
    "latin1.yaml": "name: caf\xe9\n".encode("latin-1"),
}
COMMANDS: dict[str, list[str]] = {
    "nothing asked": ["recommend"],
    "no such file": ["recommend", "nowhere.yaml"],
    "no such dataset": ["profile", "nowhere.jsonl"],
    "a folder": ["profile", "."],
    "set without value": ["recommend", "--set", "traffic.turns"],
    "set through a word": ["recommend", "--set", "name=a", "--set", "name.b=1"],
    "set a misspelt path": ["recommend", "--set", "trafic.turns=1"],
    "no such encoding": ["profile", "good.jsonl", "--encoding", "o200k"],
    "no such option": ["estimate", "--set", "asked_on=2026-11-20", "--option", "magic"],
    "no such example": ["demo", "email"],
    "no day": ["prices", "age", "--on", "soon"],
    "no such price": ["prices", "show", "gpt-99"],
    "no such overlay": ["recommend", "--set", "task=code", "--prices", "nowhere.yaml"],
    "no saved answer": ["again", "good.jsonl"],
}


def write_bad_inputs(folder: Path) -> dict[str, list[str]]:
    """Write every file and return the command line of each kind."""
    (folder / "good.jsonl").write_text(CHAT)
    calls = {f"flags: {name}": argv for name, argv in COMMANDS.items()}
    for kind, files in (("dataset", DATASETS), ("encoding", ENCODINGS), ("scenario", SCENARIOS)):
        for name, content in files.items():
            (folder / name).write_bytes(content)
            command = "recommend" if kind == "scenario" else "profile"
            calls[f"{kind}: {name}"] = [command, name]
    return calls
