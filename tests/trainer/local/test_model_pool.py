"""Tuned models that answer requests from processes of their own: what they say, and how they end."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import tiny_models
from trainer.local import baseline
from trainer.local.model_pool import ModelPool
from trainer.local.model_process import (
    AnswerChunk,
    ChatRequest,
    ContextTooLong,
    ModelProcessFailed,
    UnsupportedMessages,
)
from trainer.local.run_folder import RunFolder
from trainer.scripts.text_stream import StreamedAnswer

pytestmark = pytest.mark.filterwarnings("default")  # the scripts' libraries warn of themselves
WINDOW = 2048
ASKED = [row["messages"][0]["content"] for row in tiny_models.task_rows(8, seed=5)]
LONG = ChatRequest([{"role": "user", "content": ASKED[0]}], max_tokens=1900)
"""A base with random weights goes on and on."""
LIGHT = """
from trainer.scripts.stdin_requests import StdinRequests

asks = StdinRequests.of_this_process()
asks.tell(ready=True)
for ask in asks:
    asks.send_label(ask, "yes", 1, 1)
"""
"""A worker without a model: it starts at once."""


def chat_request(text: str, **settings: Any) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": text}], **settings)


def complete_answer(pieces: list[AnswerChunk], index: int = 0) -> str:
    return "".join(piece.text for piece in pieces if piece.index == index)


def wait_until(is_so: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has fetched its code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    sys.path.insert(0, str(tiny_models.SCRIPTS))
    os.environ["TUNE_OR_NOT_THREADS"] = "1"
    names = ("train", "generate", "tokenize_rows", "chat")
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    sys.path.remove(str(tiny_models.SCRIPTS))
    del os.environ["TUNE_OR_NOT_THREADS"]


def trained(scripts: Any, folder: Path) -> Path:
    assert scripts.train.main(folder) == 0
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, scripts: Any) -> Path:
    folder = tiny_models.make_causal(tmp_path_factory.mktemp("base"), hidden=32)
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": WINDOW}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory, scripts: Any, base: Path) -> Path:
    """A run that has learned to answer with a word, and then to stop."""
    return trained(scripts, tiny_models.make_job(
        tmp_path_factory.mktemp("chat") / "run_chat", base, tiny_models.task_rows(16),
        method="full", most_steps=40, learning_rate=5e-3, micro_batch_rows=16,
        accumulation_steps=1))  # fmt: skip


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the plain baseline."""
    folder = tmp_path_factory.mktemp("plain") / "run_plain"
    folder.mkdir()
    tiny_models.write_rows(folder / "rows.jsonl", tiny_models.task_rows(200))
    (folder / "job.json").write_text(json.dumps(
        {"plain": True, "training": "rows.jsonl", "recipe": {"seed": 1}}))  # fmt: skip
    assert baseline.train_baseline(RunFolder(folder)) == 0
    return folder


@pytest.fixture(scope="module")
def model_pool(scripts: Any) -> Iterator[ModelPool]:
    made = ModelPool(most=4)
    yield made
    made.close()


@pytest.fixture
def small() -> Iterator[Callable[..., ModelPool]]:
    """Make pools that are closed after the test."""
    made: list[ModelPool] = []

    def make(**settings: Any) -> ModelPool:
        made.append(ModelPool(**settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def light(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Make run folders whose workers start at once."""
    monkeypatch.setattr(
        "trainer.local.model_process.command", lambda *_: [sys.executable, "-c", LIGHT]
    )

    def make(number: int) -> Path:
        return tmp_path / f"run_{number}"

    return make


# What it says


def test_greedy_says_what_the_script_says(
    model_pool: ModelPool, scripts: Any, chat: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for text in ASKED[:3]:
        scripts.generate.answer_question(chat, text, 20)
        said.append(json.loads(capsys.readouterr().out.splitlines()[-1])["answer"])

    found = [list(model_pool.ask(chat, chat_request(text, max_tokens=20))) for text in ASKED[:3]]

    assert [complete_answer(pieces) for pieces in found] == said
    assert any(word in tiny_models.TOPICS for word in said)
    ends = [pieces[-1] for pieces in found]
    assert {end.finish for end in ends} == {"stop"}
    tokenizer = scripts.generate.ModelLoader(chat).tokenizer
    for text, end in zip(ASKED, ends, strict=False):
        row = {"messages": [{"role": "user", "content": text}]}
        prompt = tokenizer(scripts.generate.prompt_of(tokenizer, row))["input_ids"]
        assert end.prompt_tokens == len(prompt)
        assert 1 < (end.completion_tokens or 0) < 20


def test_pieces_are_the_whole_in_order(model_pool: ModelPool, scripts: Any, chat: Path) -> None:
    tuned = scripts.generate.ModelLoader(chat)
    row = {"messages": LONG.messages}
    prompt = scripts.generate.prompt_of(tuned.tokenizer, row)
    (text,), (count,) = scripts.generate.generate(tuned, tuned.load("base"), [prompt], 300)

    pieces = list(model_pool.ask(chat, replace(LONG, max_tokens=300), "base"))

    assert complete_answer(pieces) == text
    assert len(pieces) > 10
    assert [piece.finish for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert (pieces[-1].finish, pieces[-1].completion_tokens) == ("length", count)


def test_the_window_ends_an_answer_and_refuses_what_has_no_room(
    model_pool: ModelPool, chat: Path
) -> None:
    def ask(words: int) -> list[AnswerChunk]:
        return list(model_pool.ask(chat, chat_request("x" * words, max_tokens=50), "base"))

    start = ask(1)[-1].prompt_tokens or 0
    nearly = ask(WINDOW - start - 2)[-1]
    with pytest.raises(
        ContextTooLong, match=rf"{WINDOW} tokens, and the context window.* {WINDOW}"
    ) as refused:
        ask(WINDOW - start + 1)

    assert (nearly.prompt_tokens, nearly.finish) == (WINDOW - 3, "length")
    assert nearly.completion_tokens == 3
    assert (refused.value.code, refused.value.http_status) == ("context-length", 400)
    assert ask(1)


def test_an_answer_ends_before_a_stop_string(model_pool: ModelPool, chat: Path) -> None:
    asked = replace(LONG, max_tokens=200)
    text = complete_answer(list(model_pool.ask(chat, asked, "base")))
    stop = text[60:75]

    pieces = list(model_pool.ask(chat, replace(asked, stop=("never said", stop)), "base"))

    assert complete_answer(pieces) == text[: text.index(stop)]
    assert pieces[-1].finish == "stop"
    assert (pieces[-1].completion_tokens or 0) < 200


def test_the_same_seed_draws_the_same_words(model_pool: ModelPool, chat: Path) -> None:
    def draw(seed: int | None) -> list[str]:
        asked = replace(LONG, max_tokens=30, temperature=1.0, top_p=0.9, seed=seed, n=2)
        pieces = list(model_pool.ask(chat, asked, "base"))
        assert sorted(p.index for p in pieces if p.finish) == [0, 1]
        return [complete_answer(pieces, 0), complete_answer(pieces, 1)]

    first = draw(7)
    assert first[0] != first[1]
    assert draw(7) == first
    assert draw(8) != first
    assert draw(None) != draw(None)
    assert draw(-(1 << 70)) != first  # any whole number is a seed


def test_greedy_answers_are_alike(model_pool: ModelPool, chat: Path) -> None:
    pieces = list(model_pool.ask(chat, chat_request(ASKED[0], n=3)))

    ends = [piece for piece in pieces if piece.finish]
    assert [end.index for end in ends] == [0, 1, 2]
    assert len({(complete_answer(pieces, n), ends[n].completion_tokens) for n in range(3)}) == 1
    assert complete_answer(pieces) != ""


def test_threads_ask_at_once_and_each_gets_its_own(model_pool: ModelPool, chat: Path) -> None:
    asks = [(chat_request(text, max_tokens=25), system)
            for text in ASKED[:4] for system in ("tuned", "base")]  # fmt: skip

    def answer(one: Any) -> str:
        return complete_answer(list(model_pool.ask(chat, one[0], one[1])))

    alone = [answer(one) for one in asks]
    with ThreadPoolExecutor(len(asks)) as pool:
        together = list(pool.map(answer, asks))

    assert together == alone
    assert len(set(alone)) > 2


def test_a_client_that_leaves_ends_the_work_on_its_answer(
    model_pool: ModelPool, chat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list(model_pool.ask(chat, replace(LONG, max_tokens=1), "base"))
    (pid,) = [one.pid for one in model_pool.loaded() if one.system == "base"]
    heard: list[dict[str, Any]] = []

    def loads(line: str) -> Any:
        heard.append(json.loads(line))
        return heard[-1]

    monkeypatch.setattr(
        "trainer.local.model_process.json", SimpleNamespace(loads=loads, dumps=json.dumps)
    )
    pieces = model_pool.ask(chat, LONG, "base")
    next(pieces)
    pieces.close()
    list(model_pool.ask(chat, replace(LONG, max_tokens=1), "base"))

    assert [one["id"] - heard[0]["id"] for one in heard if one.get("finish")] == [1]
    assert [(one.pid, one.at_work) for one in model_pool.loaded() if one.system == "base"] == [
        (pid, 0)
    ]


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (ChatRequest([]), "messages. Give one or more"),
        (ChatRequest([{"content": "no role"}]), "each with a role"),
        (chat_request("x", max_tokens=0), "max_tokens is 0"),
        (chat_request("x", temperature=float("nan")), "temperature is nan"),
        (chat_request("x", top_p=0.0), "top_p is 0.0"),
        (chat_request("x", n=0), "n is 0"),
        (chat_request("x", stop=("",)), "non-empty"),
        (chat_request("\ud800"), "an unpaired surrogate"),
        (chat_request("x", tools=[{"type": "function"}]), "does not support tools"),
        (ChatRequest([{"role": "user", "content": None}]), "the chat template cannot format"),
        (ChatRequest([{"role": "user", "content": [{"type": "image_url"}]}]), "image_url"),
        (ChatRequest([{"role": "user", "content": ["x"]}]), "reads text"),
    ],
)
def test_what_cannot_be_asked_is_told_and_harms_nobody(
    model_pool: ModelPool, chat: Path, ask: ChatRequest, message: str
) -> None:
    with pytest.raises(UnsupportedMessages, match=message):
        list(model_pool.ask(chat, ask))

    assert list(model_pool.ask(chat, chat_request("x", max_tokens=1)))


def test_parts_of_text_are_one_text(model_pool: ModelPool, chat: Path) -> None:
    parts = [{"type": "text", "text": ASKED[0][:9]}, {"type": "text", "text": ASKED[0][9:]}]

    pieces = list(model_pool.ask(chat, ChatRequest([{"role": "user", "content": parts}])))

    assert pieces == list(model_pool.ask(chat, chat_request(ASKED[0])))


# Which kinds there are


def test_an_encoder_answers_with_its_label(
    model_pool: ModelPool, scripts: Any, tmp_path: Path
) -> None:
    encoder = tiny_models.make_encoder(tmp_path / "base", hidden=32)
    folder = trained(scripts, tiny_models.make_job(
        tmp_path / "run_encoder", encoder, tiny_models.task_rows(16), objective="classification",
        method="full", most_steps=3))  # fmt: skip
    tuned = scripts.generate.ModelLoader(folder)
    model = tuned.load("tuned")
    rows = [{"messages": [{"role": "user", "content": text}]} for text in ASKED]
    said = [next(scripts.generate.generate_answers(tuned, model, [row]))["answer"] for row in rows]

    found = [list(model_pool.ask(folder, chat_request(text, n=2))) for text in ASKED]

    assert [complete_answer(pieces, 1) for pieces in found] == said
    ids = tuned.tokenizer(ASKED[0])["input_ids"], tuned.tokenizer(said[0])["input_ids"]
    assert found[0] == [AnswerChunk(n, said[0], "stop", len(ids[0]), len(ids[1])) for n in (0, 1)]


@pytest.mark.usefixtures("started_for_real")
def test_an_adapter_of_plain_text_goes_on_from_what_was_said(
    model_pool: ModelPool, scripts: Any, base: Path, tmp_path: Path
) -> None:
    folder = trained(scripts, tiny_models.make_job(tmp_path / "run_text", base, tiny_models.general_rows(8),
                                       objective="text", most_steps=2))  # fmt: skip
    tuned = scripts.generate.ModelLoader(folder)
    text, _ = scripts.generate.generate(tuned, tuned.load("tuned"), ["the old\nclerk"], 20)

    turns = [{"role": "system", "content": "the old"}, {"role": "user", "content": "clerk"}]
    pieces = list(model_pool.ask(folder, ChatRequest(turns, max_tokens=20)))

    assert [complete_answer(pieces)] == text
    assert pieces[-1].prompt_tokens == len(tuned.tokenizer("the old\nclerk")["input_ids"])
    with pytest.raises(UnsupportedMessages, match="contain no text"):
        list(model_pool.ask(folder, chat_request("")))


def test_the_plain_baseline_answers_with_its_label(
    small: Callable[..., ModelPool], labels: Path
) -> None:
    pool = small()
    text = "my card was charged and the invoice paid"

    assert list(pool.ask(labels, chat_request(text))) == [AnswerChunk(0, "payment", "stop", 8, 1)]
    with pytest.raises(UnsupportedMessages, match="no user message contains text"):
        list(pool.ask(labels, ChatRequest([{"role": "system", "content": text}])))
    with pytest.raises(UnsupportedMessages, match="has no base"):
        list(pool.ask(labels, chat_request(text), "base"))


# How processes end


def test_a_killed_process_is_told_and_the_next_request_starts_another(
    model_pool: ModelPool, chat: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        pieces = model_pool.ask(chat, LONG, "base")
        next(pieces)
        (pid,) = [one.pid for one in model_pool.loaded() if one.system == "base"]
        queued = pool.submit(list, model_pool.ask(chat, LONG, "base"))
        wait_until(lambda: any(one.at_work == 2 for one in model_pool.loaded()))

        os.kill(pid, signal.SIGKILL)

        with pytest.raises(
            ModelProcessFailed, match=r"run_chat: .*by SIGKILL, before the answer was complete"
        ):
            list(pieces)
        with pytest.raises(ModelProcessFailed, match="SIGKILL"):
            queued.result()
    assert (
        list(model_pool.ask(chat, replace(LONG, max_tokens=2), "base"))[-1].completion_tokens == 2
    )
    assert pid not in [one.pid for one in model_pool.loaded()]


@pytest.mark.parametrize("kind", ["chat", "labels"])
def test_a_model_that_does_not_load_says_why(
    small: Callable[..., ModelPool], chat: Path, labels: Path, tmp_path: Path, kind: str
) -> None:
    torn = Path(shutil.copytree(chat if kind == "chat" else labels, tmp_path / "torn"))
    name = "model.safetensors" if kind == "chat" else "plain.npz"
    (torn / "model" / name).unlink()
    pool = small()

    with pytest.raises(
        ModelProcessFailed, match=f"with code 3.*{name} is missing. Train it again"
    ) as told:
        list(pool.ask(torn, chat_request("hello")))

    assert (told.value.code, told.value.http_status) == ("model-not-answering", 503)
    assert pool.loaded() == []
    with pytest.raises(ModelProcessFailed, match=r"job\.json not found"):
        list(pool.ask(tmp_path, chat_request("hello")))


def test_a_model_that_loads_too_long_is_given_up(
    small: Callable[..., ModelPool], labels: Path
) -> None:
    with pytest.raises(ModelProcessFailed, match=r"did not load within 0\.01 s"):
        list(small(start_seconds=0.01).ask(labels, chat_request("hello")))


def test_the_longest_unused_makes_room(
    small: Callable[..., ModelPool], light: Callable[[int], Path]
) -> None:
    pool = small(most=2)
    pids = []
    for number in (0, 1, 0, 2):
        list(pool.ask(light(number), chat_request("hello")))
        pids.append(next(one.pid for one in pool.loaded() if one.folder == light(number)))

    assert {one.folder for one in pool.loaded()} == {light(0), light(2)}
    assert pids[0] == pids[2]
    assert is_gone(pids[1])


def test_a_model_at_work_is_waited_for(
    small: Callable[..., ModelPool], light: Callable[[int], Path]
) -> None:
    pool = small(most=1, start_seconds=20.0)
    at_work = pool.ask(light(0), chat_request("hello", n=2))
    next(at_work)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(list, pool.ask(light(1), chat_request("hello")))
        time.sleep(0.3)
        assert not waiting.done()
        assert [one.folder for one in pool.loaded()] == [light(0)]

        at_work.close()

        assert waiting.result()[-1].finish == "stop"
    assert [one.folder for one in pool.loaded()] == [light(1)]
    pool.start_seconds = 0.2
    held = pool.ask(light(1), chat_request("hello", n=2))
    next(held)
    with pytest.raises(ModelProcessFailed, match="all 1 model processes were busy"):
        list(pool.ask(light(0), chat_request("hello")))


def test_one_that_waits_long_is_not_passed_by_for_ever(
    small: Callable[..., ModelPool], light: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainer.local.model_pool.FAIR_SECONDS", 0.1)
    pool = small(most=1)
    at_work = pool.ask(light(0), chat_request("hello", n=2))
    next(at_work)
    order: list[str] = []

    def take(run: Path) -> None:
        for piece in pool.ask(run, chat_request("hello", n=2)):
            if piece.index == 0:
                order.append(run.name)

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(take, light(1))
        time.sleep(0.4)
        second = threads.submit(take, light(0))
        time.sleep(0.3)
        assert not second.done()
        at_work.close()
        first.result()
        second.result()

    assert order == ["run_1", "run_0"]


def test_an_unused_model_ends_by_itself(
    small: Callable[..., ModelPool], light: Callable[[int], Path]
) -> None:
    pool = small(idle_seconds=0.5)
    list(pool.ask(light(0), chat_request("hello")))
    (one,) = pool.loaded()

    wait_until(lambda: is_gone(one.pid))

    assert pool.loaded() == []
    assert list(pool.ask(light(0), chat_request("hello")))[-1].finish == "stop"


def test_closing_ends_what_is_at_work_and_takes_no_more(
    small: Callable[..., ModelPool], light: Callable[[int], Path]
) -> None:
    pool = small()
    list(pool.ask(light(0), chat_request("hello")))
    (one,) = pool.loaded()
    os.kill(one.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        at_work = threads.submit(list, pool.ask(light(0), chat_request("hello")))
        wait_until(lambda: pool.loaded()[0].at_work == 1)

        pool.close()

        with pytest.raises(ModelProcessFailed, match="SIGKILL"):
            at_work.result()
    assert is_gone(one.pid)
    with pytest.raises(ModelProcessFailed, match="is shutting down"):
        list(pool.ask(light(0), chat_request("hello")))


def test_many_threads_and_few_places(
    small: Callable[..., ModelPool], light: Callable[[int], Path]
) -> None:
    pool = small(most=2)

    def ask(number: int) -> int:
        pieces = pool.ask(light(number % 4), chat_request("hello", n=3))
        if number % 3 == 0:  # one in three leaves early
            next(pieces)
            pieces.close()
            return 3
        return sum(1 for piece in pieces if piece.finish)

    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(ask, range(48)))

    assert found == [3] * 48
    assert len(pool.loaded()) <= 2
    assert {one.at_work for one in pool.loaded()} == {0}


def test_a_worker_ends_with_its_parent_and_sees_no_key(labels: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from trainer.local.model_pool import ModelPool; "
        "from trainer.local.model_process import ChatRequest\n"
        "pool = ModelPool(); ask = ChatRequest([{'role': 'user', 'content': 'hello'}])\n"
        f"list(pool.ask(Path({str(labels)!r}), ask))\n"
        "print(pool.loaded()[0].pid, 'torch' in sys.modules, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "OPENAI_API_KEY": "sk-told"}) as parent:  # fmt: skip
        assert parent.stdout is not None
        pid, has_torch = parent.stdout.readline().split()
        seen = Path(f"/proc/{pid}/environ").read_text()
        loaded = Path(f"/proc/{pid}/maps").read_text()
        parent.kill()

    wait_until(lambda: is_gone(int(pid)))
    assert has_torch == "False"
    assert "libtorch" not in loaded
    assert "sk-told" not in seen


# Text that no later token can change


def shown_pieces(text: str, stops: list[str], most: int = 99) -> tuple[list[str], str | None]:
    """Grow a text byte by byte."""
    answer = StreamedAnswer(lambda ids: bytes(ids).decode(errors="replace"), {0}, stops, most)
    shown = []
    for token in [*text.encode(), 0]:
        shown.append(answer.take(token))
        if answer.finish:
            break
    return [piece.replace("\0", "") for piece in shown], answer.finish


@pytest.mark.parametrize("text", ["naïve, 日本 🦜!", "plain"])
def test_no_half_character_is_shown(text: str) -> None:
    shown, finish = shown_pieces(text, [])

    assert "".join(shown) == text
    assert "\ufffd" not in "".join(shown)
    assert finish == "stop"


def test_half_a_character_at_the_end_is_shown_as_what_it_is() -> None:
    shown, finish = shown_pieces("a日", [], most=2)

    assert (shown, finish) == (["a", "\ufffd"], "length")


@pytest.mark.parametrize(
    ("text", "stops", "wanted"),
    [
        ("one END two", ["END"], "one "),
        ("one ENENEND two", ["END"], "one ENEN"),
        ("one EN", ["END"], "one EN"),
        ("aab", ["aab", "x"], ""),
        ("a\n\nb", ["\n\n"], "a"),
    ],
)
def test_no_part_of_a_stop_string_is_shown(text: str, stops: list[str], wanted: str) -> None:
    shown, finish = shown_pieces(text, stops)

    assert "".join(shown) == wanted
    assert finish == "stop"
