"""The training script on tiny models: what it learns from, what stops it, what it comes back from.

Most of it runs in this process; where one is killed, it is a fork of this one.
"""

from __future__ import annotations

import errno
import importlib
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import tiny_models

pytestmark = pytest.mark.filterwarnings("default")  # the scripts' libraries warn of themselves
STRING_CHECK = json.dumps({"type": "string_check", "operation": "ilike"})
SEED_OF_KILLS = 20261121
KILLS = 20


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    sys.path.insert(0, str(tiny_models.SCRIPTS))
    os.environ["TUNE_OR_NOT_THREADS"] = "1"
    names = ("train", "generate", "merge", "manifest", "tokenize_rows")
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    sys.path.remove(str(tiny_models.SCRIPTS))
    del os.environ["TUNE_OR_NOT_THREADS"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, scripts: Any) -> Path:
    return tiny_models.make_causal(tmp_path_factory.mktemp("base"), hidden=32)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory, scripts: Any) -> Path:
    return tiny_models.make_encoder(tmp_path_factory.mktemp("encoder"), hidden=32)


@pytest.fixture
def job(tmp_path: Path, base: Path) -> Callable[..., Path]:
    """Lay down a job of four rows a step that learns fast, and tells of each step."""
    made = []

    def lay(rows: list[dict[str, Any]] | None = None, **recipe: Any) -> Path:
        place = recipe.pop("base", base)
        recipe = {"most_steps": 3, "log_steps": 1, "learning_rate": 5e-3, "micro_batch_rows": 4,
                  "accumulation_steps": 1, **recipe}  # fmt: skip
        folder = tmp_path / f"job{len(made)}"
        made.append(folder)
        return tiny_models.make_job(
            folder, place, tiny_models.task_rows(16) if rows is None else rows, **recipe
        )

    return lay


def trained(scripts: Any, folder: Path) -> Path:
    assert scripts.train.main(folder) == 0, read(folder, "failed.json")
    return folder


def expect_refusal(scripts: Any, folder: Path) -> str:
    """Train what cannot be trained; return why not."""
    assert scripts.train.main(folder) == 3
    assert not (folder / "model").exists()
    assert events(folder, "failed")[0]["message"] == read(folder, "failed.json")["why"]
    return str(read(folder, "failed.json")["why"])


def read(folder: Path, name: str) -> Any:
    path = folder / name
    return json.loads(path.read_text()) if path.exists() else {}


def change(folder: Path, **body: Any) -> None:
    (folder / "job.json").write_text(json.dumps(read(folder, "job.json") | body))


def events(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == kind]


def losses(folder: Path) -> list[float]:
    return [event["loss"] for event in events(folder, "metric")]


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def weight_distance(one: Path, other: Path) -> float:
    """The largest difference between the weights of two models."""
    left, right = weights(one / "model"), weights(other / "model")
    assert left.keys() == right.keys()
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def is_close(left: list[float], right: list[float], most: float = 1e-4) -> bool:
    return len(left) == len(right) and max(
        abs(a - b) for a, b in zip(left, right, strict=True)
    ) < most  # fmt: skip


# What is learned from


@pytest.mark.parametrize(
    ("objective", "method"),
    [("sft", "lora"), ("sft", "full"), ("classification", "full"), ("dpo", "lora")],
)
def test_many_small_batches_teach_what_one_big_one_does(
    scripts: Any, job: Any, base: Path, encoder: Path, tmp_path: Path, objective: str, method: str
) -> None:
    asked: dict[str, Any] = {"objective": objective, "method": method, "most_steps": 5,
                             "learning_rate": 1e-3, "weight_decay": 0.1}  # fmt: skip
    rows = preferences(40) if objective == "dpo" else tiny_models.task_rows(40)
    if objective == "classification":  # dropout draws otherwise in batches of another shape
        asked["base"] = Path(shutil.copytree(encoder, tmp_path / "steady"))
        config = read(asked["base"], "config.json")
        config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        (asked["base"] / "config.json").write_text(json.dumps(config))
    one = trained(scripts, job(rows, **asked, micro_batch_rows=8, accumulation_steps=1))
    many = trained(scripts, job(rows, **asked, micro_batch_rows=1, accumulation_steps=8))

    assert is_close(losses(one), losses(many))
    assert weight_distance(one, many) < 1e-4
    assert losses(one)[0] - losses(one)[-1] > 1e-4


def batch_loss(scripts: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[float, Any]:
    """Take the loss of the longest rows and its gradient, and train no further."""
    found: list[Any] = []

    def look(trainer: Any, recipe: Any, gpu: bool) -> None:
        rows = [trainer.train_dataset[n] for n in range(len(trainer.train_dataset))]
        loss = trainer.compute_loss(trainer.model, trainer.data_collator(rows))
        loss.backward()
        grads = {name: p.grad.clone() for name, p in trainer.model.named_parameters()
                 if p.grad is not None}  # fmt: skip
        found.extend((float(loss.detach()), grads))
        raise scripts.tokenize_rows.UntrainableData("seen")

    with monkeypatch.context() as patch:
        patch.setattr(scripts.train, "longest_batch", look)
        assert "seen" in expect_refusal(scripts, folder)
    return found[0], found[1]


def largest_difference(left: Any, right: Any) -> float:
    assert left.keys() == right.keys() != set()
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def test_packed_rows_do_not_see_each_other(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tiny_models.task_rows(12)
    plain = job(rows, method="full", max_tokens=256)
    packed = job(rows, method="full", max_tokens=256, packing=True)

    loss, gradient = batch_loss(scripts, monkeypatch, plain)
    loss_packed, gradient_packed = batch_loss(scripts, monkeypatch, packed)
    (told,) = events(packed, "derived")
    assert told["sequences"] < told["rows"] == 12
    assert abs(loss - loss_packed) < 1e-4
    assert largest_difference(gradient, gradient_packed) < 1e-4


@pytest.mark.parametrize("asked", [{"attention": "eager"}, {"method": "prefix"}])
def test_packing_is_refused_where_nothing_keeps_rows_apart(
    scripts: Any, job: Any, asked: dict[str, str]
) -> None:
    assert "keeps rows apart" in expect_refusal(scripts, job(packing=True, **asked))


def test_one_step_is_enough_to_learn_and_most_steps_is_no_more_than_the_epochs(
    scripts: Any, job: Any
) -> None:
    one = trained(scripts, job(most_steps=1))
    two = trained(scripts, job(tiny_models.task_rows(8), most_steps=50, epochs=1.0))

    assert events(one, "metric")[0]["learning_rate"] > 0
    assert read(one, "result.json")["steps_done"] == 1
    assert read(two, "result.json")["steps_done"] == read(two, "result.json")["steps"] == 2


def test_energy_is_what_was_taken_since_the_start(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter([117.0, 117.25])
    monkeypatch.setattr(scripts.train, "energy_kwh", lambda _: next(readings))

    assert read(trained(scripts, job()), "result.json")["gpu_energy_kwh"] == 0.25


def test_packed_rows_train_as_many_steps_as_there_are_sequences(scripts: Any, job: Any) -> None:
    folder = trained(scripts, job(tiny_models.task_rows(40), packing=True, max_tokens=256, epochs=2.0,
                                  most_steps=None, micro_batch_rows=2))  # fmt: skip

    result = read(folder, "result.json")
    assert result["sequences"] < 20
    assert result["steps"] == result["steps_done"] == math.ceil(result["sequences"] / 2) * 2


def test_what_is_masked_has_no_influence(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = tiny_models.task_rows(4)
    _, gradient = batch_loss(scripts, monkeypatch, job(rows, method="full"))

    # A longer row beside it changes the padding of the others, and a masked answer nothing at all.
    masked = {"messages": [{"role": "user", "content": "the old clerk " * 8}, {
        "role": "assistant", "content": "payment", "weight": 0},
        *rows[0]["messages"]]}  # fmt: skip
    other = json.loads(json.dumps(masked))
    other["messages"][1]["content"] = "returns"
    one = batch_loss(scripts, monkeypatch, job([masked, *rows[1:]], method="full", max_tokens=128))
    two = batch_loss(scripts, monkeypatch, job([other, *rows[1:]], method="full", max_tokens=128))
    assert one[0] != two[0]  # it is read, though not learned from

    real = scripts.train.prepare

    def spoil(what: str) -> Any:
        def prepare(*args: Any) -> Any:
            data, counted = real(*args)

            def scribble(row: dict[str, Any]) -> dict[str, Any]:
                ids, labels = list(row["input_ids"]), list(row["labels"])
                ends = max(n for n, label in enumerate(labels) if label != -100)
                if what == "behind":  # a model that looks back only cannot know what follows
                    ids, labels = [*ids, 7, 8, 9], [*labels, -100, -100, -100]
                else:
                    labels[ends - 1] = 5
                return {"input_ids": ids, "labels": labels}

            return data.map(scribble), counted

        return prepare

    monkeypatch.setattr(scripts.train, "prepare", spoil("behind"))
    _, behind = batch_loss(scripts, monkeypatch, job(rows, method="full"))
    assert largest_difference(gradient, behind) < 1e-6
    monkeypatch.setattr(scripts.train, "prepare", spoil("answer"))
    _, answered = batch_loss(scripts, monkeypatch, job(rows, method="full"))
    assert largest_difference(gradient, answered) > 1e-3


def test_general_rows_are_mixed_in_and_counted(scripts: Any, job: Any) -> None:
    folder = job(tiny_models.task_rows(12), replay_share=0.25)
    tiny_models.write_rows(folder / "general.jsonl", tiny_models.task_rows(30, seed=9))
    change(folder, general="general.jsonl")

    result = read(trained(scripts, folder), "result.json")
    assert (result["replayed_rows"], result["rows"]) == (4, 16)


def test_what_is_cut_is_told(scripts: Any, job: Any) -> None:
    texts = [{"text": tiny_models.sentence(random.Random(n)) * (1 + n)} for n in range(8)]
    folder = trained(scripts, job(texts, objective="text", max_tokens=64))

    (cut,) = events(folder, "cut")
    assert cut["rows"] == read(folder, "result.json")["rows_cut"] > 0
    assert read(folder, "result.json")["longest_tokens"] == 64


# What stops it


@pytest.mark.parametrize("value", ["nan", "0"])
def test_nonsense_stops_it_within_a_few_steps(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    real = scripts.train.SFTTrainer.compute_loss
    seen = []

    def loss(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        found = real(self, *args, **kwargs)
        return found * float(value) if len(seen) > 4 else found  # the first is the preflight

    monkeypatch.setattr(scripts.train.SFTTrainer, "compute_loss", loss)
    folder = job(most_steps=40, save_steps=2, log_steps=10)

    why = expect_refusal(scripts, folder)
    assert "3 steps in a row, up to step 6" in why
    assert "Lower learning_rate" in why
    assert [path.name for path in (folder / "checkpoints").glob("checkpoint-*")] == ["checkpoint-2"]


def test_a_step_size_that_blows_up_stops_it(scripts: Any, job: Any) -> None:
    folder = job(method="full", learning_rate=0.99, max_grad_norm=1e30, schedule="constant",
                 most_steps=4, weight_decay=1e30)  # fmt: skip

    assert "no usable loss" in expect_refusal(scripts, folder)


def fail_above(monkeypatch: pytest.MonkeyPatch, most: int, after: int = 0) -> list[int]:
    """Have the model run out of memory with more than so many rows, after so many calls."""
    import torch
    from transformers import LlamaModel

    real, calls = LlamaModel.forward, list[int]()

    def forward(self: Any, input_ids: Any = None, **kwargs: Any) -> Any:
        calls.append(len(input_ids))
        if len(input_ids) > most and len(calls) > after:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(LlamaModel, "forward", forward)
    return calls


@pytest.mark.parametrize("after", [0, 4])
def test_out_of_memory_halves_the_batch_once_and_learns_the_same(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole = trained(scripts, job(most_steps=6, save_steps=2))
    calls = fail_above(monkeypatch, 2, after)
    folder = trained(scripts, job(most_steps=6, save_steps=2))

    (event,) = events(folder, "degraded")
    smaller = {"micro_batch_rows": 2, "accumulation_steps": 2}
    assert read(folder, "degraded.json") == smaller
    assert {name: event[name] for name in smaller} == smaller
    result = read(folder, "result.json")
    assert {name: result["recipe"][name] for name in smaller} == smaller
    assert result["rows_per_step"] == 4
    assert calls[-1] == 2
    assert [event["message"] for event in events(folder, "resumed")] == (
        ["checkpoint-2"] if after else []
    )
    assert weight_distance(whole, folder) < 1e-4


def test_out_of_memory_a_second_time_ends_it(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_above(monkeypatch, 0)
    folder = job()

    assert "out of memory with 2 rows per micro-batch" in expect_refusal(scripts, folder)
    assert len(events(folder, "degraded")) == 1


def test_one_row_cannot_be_halved(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    fail_above(monkeypatch, 0)
    folder = job(micro_batch_rows=1)

    assert "out of memory with 1 rows" in expect_refusal(scripts, folder)
    assert not (folder / "degraded.json").exists()


def test_the_longest_rows_go_first_and_leave_nothing_behind(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    rows = tiny_models.task_rows(16)
    rows[11]["messages"][0]["content"] *= 3
    seen = list[Any]()
    real, real_loss = scripts.train.longest_batch, scripts.train.SFTTrainer.compute_loss

    def state(model: Any) -> list[Any]:
        kept = [p.detach().clone() for p in model.parameters()]
        return [*kept, torch.get_rng_state(), *random.getstate()[1][:5]]

    def look(trainer: Any, recipe: Any, gpu: bool) -> None:
        before = state(trainer.model)
        real(trainer, recipe, gpu)
        after = state(trainer.model)
        assert all(bool((torch.as_tensor(a) == torch.as_tensor(b)).all())
                   for a, b in zip(before, after, strict=True))  # fmt: skip
        assert all(p.grad is None for p in trainer.model.parameters())
        seen.append("back")

    def loss(self: Any, model: Any, inputs: Any, **kwargs: Any) -> Any:
        seen.append(tuple(inputs["input_ids"].shape))
        return real_loss(self, model, inputs, **kwargs)

    monkeypatch.setattr(scripts.train, "longest_batch", look)
    monkeypatch.setattr(scripts.train.SFTTrainer, "compute_loss", loss)
    folder = trained(scripts, job(rows, max_tokens=128, lora_dropout=0.3))

    longest = read(folder, "result.json")["longest_tokens"]
    assert seen[:2] == [(4, longest), "back"]
    monkeypatch.setattr(scripts.train, "longest_batch", lambda *_: None)
    without = trained(scripts, job(rows, max_tokens=128, lora_dropout=0.3))
    assert weight_distance(folder, without) == 0.0


def test_too_small_a_disk_is_told_before_the_first_step(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    folder = job()

    assert "the disk has 0.0 GB left" in expect_refusal(scripts, folder)
    assert not (folder / "checkpoints").exists()


def test_a_disk_that_fills_up_leaves_the_checkpoint_before_whole(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(scripts, job(most_steps=6))
    folder = job(most_steps=6, save_steps=2)

    def full(self: Any, state: Any, *_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        real = scripts.train.TrainingCallback.on_save
        patch.setattr(scripts.train.TrainingCallback, "on_save", lambda self, args, state, control, **more: (
            full(self, state) if state.global_step > 2
            else real(self, args, state, control, **more)))  # fmt: skip
        why = expect_refusal(scripts, folder)
    assert "No space left on device" in why
    assert "resume" in why
    newest, torn = scripts.manifest.newest_complete(folder / "checkpoints")
    assert (newest.name, len(torn)) == ("checkpoint-2", 1)

    trained(scripts, folder)
    assert not (folder / "failed.json").exists()
    assert weight_distance(whole, folder) < 1e-4


@pytest.mark.parametrize("most_bytes", [60_000, 5_000])
def test_files_that_cannot_grow_are_told_whoever_writes_them(
    scripts: Any, job: Any, most_bytes: int
) -> None:
    folder = job(save_steps=2)

    def small() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
        return int(scripts.train.main(folder))

    assert os.waitstatus_to_exitcode(os.waitpid(run_forked(small), 0)[1]) == 3
    assert "a checkpoint could not be written" in read(folder, "failed.json")["why"]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda base: (base / "model.safetensors").unlink(), "no safetensors"),
        (lambda base: (base / "config.json").write_text("{}\n"), "not the base model of the plan"),
    ],
)
def test_another_base_is_refused(
    scripts: Any, job: Any, base: Path, tmp_path: Path, spoil: Any, why: str
) -> None:
    copy = Path(shutil.copytree(base, tmp_path / "copy"))
    folder = job(base=copy)
    change(folder, base_sha256=scripts.train.base_hash(copy))
    spoil(copy)

    assert why in expect_refusal(scripts, folder)


# What it comes back from


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("step", [3, 8])
def test_a_pause_changes_nothing(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch, method: str, step: int
) -> None:
    asked = {"schedule": "constant", "method": method, "most_steps": 8, "micro_batch_rows": 2,
             "accumulation_steps": 2,
             "lora_dropout": 0.1 if method == "lora" else 0.0}  # fmt: skip
    whole, folder = trained(scripts, job(**asked)), job(**asked)
    pause_at(scripts, monkeypatch, folder, step, "pause")

    assert scripts.train.main(folder) == 4
    assert not (folder / "model").exists()
    assert events(folder, "paused")[0]["message"] == f"at step {step}"
    trained(scripts, folder)
    assert events(folder, "resumed")[0]["message"] == f"checkpoint-{step}"
    assert weight_distance(whole, folder) < 1e-4
    assert is_close(losses(whole), losses(folder))
    one, other = read(whole, "result.json"), read(folder, "result.json")
    assert abs(one["loss"] - other["loss"]) < 1e-4
    assert (one["resumed"], other["resumed"], other["steps_done"]) == (False, True, 8)


def pause_at(scripts: Any, patch: pytest.MonkeyPatch, folder: Path, step: int, word: str) -> None:
    real = scripts.train.TrainingCallback.on_step_end

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == step and not (folder / "asked").exists():
            (folder / "asked").touch()
            (folder / "control").write_text(f"{word}\n")
        real(self, args, state, control, **more)

    patch.setattr(scripts.train.TrainingCallback, "on_step_end", on_step_end)


def test_a_cancelled_run_leaves_no_model(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = job()
    pause_at(scripts, monkeypatch, folder, 2, "cancel")

    assert scripts.train.main(folder) == 5
    assert events(folder, "cancelled")[0]["message"] == "at step 2"
    assert not (folder / "model").exists()


def test_a_word_that_is_none_is_no_reason_to_stop(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = job()
    pause_at(scripts, monkeypatch, folder, 2, "hurry")

    trained(scripts, folder)


def run_forked(work: Callable[[], int], quiet: Path | None = None) -> int:
    """Start work in a copy of this process, which costs no imports; return its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null if quiet is None else os.open(quiet, os.O_WRONLY | os.O_CREAT), 2)
        signal.alarm(120)
        code = work()
    except BaseException:  # noqa: BLE001 - a fork must not go on with the tests
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def test_killed_at_twenty_moments_it_ends_with_the_same_model(
    scripts: Any, job: Any, record_property: Callable[[str, object], None]
) -> None:
    asked = {"most_steps": 60, "save_steps": 5, "lora_dropout": 0.1}
    whole, folder = job(**asked), job(**asked)
    began = time.monotonic()
    pid = run_forked(lambda: int(scripts.train.main(whole)))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    seconds = time.monotonic() - began

    draw, killed, steps = random.Random(SEED_OF_KILLS), 0, set[int]()
    for _ in range(10 * KILLS):
        if killed == KILLS:
            break
        pid = run_forked(lambda: int(scripts.train.main(folder)), folder / "stderr")
        time.sleep(draw.uniform(0.1, 1.0) * seconds)
        os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (-signal.SIGKILL, 0), (folder / "stderr").read_text()
        if code == 0:  # it was done before: once more, from the checkpoints in its middle
            assert weight_distance(whole, folder) < 1e-4
            for path in (folder / "checkpoints").glob("checkpoint-*"):
                shutil.rmtree(path)
            shutil.rmtree(folder / "model")
            continue
        killed += 1
        newest, _ = scripts.manifest.newest_complete(folder / "checkpoints")
        steps.add(int(newest.name.partition("-")[2]) if newest else 0)
    pid = run_forked(lambda: int(scripts.train.main(folder)), folder / "stderr")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, (folder / "stderr").read_text()

    record_property("seconds without a kill", round(seconds, 1))
    record_property("steps of the checkpoints after kills", sorted(steps))
    record_property("largest difference of a weight", weight_distance(whole, folder))
    assert killed == KILLS
    assert len(steps) > 3
    assert weight_distance(whole, folder) < 1e-4
    one, other = read(whole, "result.json"), read(folder, "result.json")
    assert abs(one["loss"] - other["loss"]) < 1e-4
    assert scripts.manifest.flaw_of(folder / "model") is None


@pytest.mark.parametrize("where", ["seal of a checkpoint", "seal of the model", "record"])
def test_killed_between_writing_and_sealing_it_ends_with_the_same_model(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    asked = {"most_steps": 6, "save_steps": 2, "schedule": "constant"}
    whole, folder = trained(scripts, job(**asked)), job(**asked)

    def seal(place: Path, **more: Any) -> None:
        if where == "seal of a checkpoint" and more.get("step") == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        if where == "seal of the model" and "base_sha256" in more:
            os.kill(os.getpid(), signal.SIGKILL)
        scripts.manifest.seal(place, **more)

    def write_json(path: Path, body: Any) -> None:
        if where == "record" and path.name == "result.json":
            os.kill(os.getpid(), signal.SIGKILL)
        scripts.manifest.write_json(path, body)

    with monkeypatch.context() as patch:
        patch.setattr(scripts.train, "seal", seal)
        patch.setattr(scripts.train, "write_json", write_json)
        pid = run_forked(lambda: int(scripts.train.main(folder)), folder / "stderr")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert not (folder / "result.json").exists()

    trained(scripts, folder)
    assert len(events(folder, "torn")) == (1 if where == "seal of a checkpoint" else 0)
    step = 2 if where == "seal of a checkpoint" else 6
    assert [event["message"] for event in events(folder, "resumed")] == [f"checkpoint-{step}"]
    assert weight_distance(whole, folder) == 0.0
    assert read(folder, "result.json")["loss"] == read(whole, "result.json")["loss"]


@pytest.fixture(scope="module")
def halfway(scripts: Any, base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of steps 2 and 4, and no model yet."""
    folder = tiny_models.make_job(tmp_path_factory.mktemp("halfway"), base, tiny_models.task_rows(16), most_steps=4,
                      save_steps=2, log_steps=1, learning_rate=5e-3, micro_batch_rows=4,
                      accumulation_steps=1)  # fmt: skip
    trained(scripts, folder)
    shutil.rmtree(folder / "model")
    (folder / "events.jsonl").unlink()
    return folder


def corruptions() -> list[tuple[str, str, float]]:
    files = ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json", "rng_state.pth",
             "scheduler.pt", "manifest.json")  # fmt: skip
    found = [(name, "missing", 0.0) for name in files]
    found += [(name, "cut", share) for name in files for share in (0.0, 0.3, 0.99)]
    found += [(name, "flipped", share) for name in files[:-1] for share in (0.0, 0.5, 0.99)]
    return found


def corrupt(path: Path, how: str, share: float) -> None:
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
        return
    at = int(len(content) * share)
    if how == "cut":
        content = content[:at]
    else:
        content[at] ^= 0x40
    path.write_bytes(content)


@pytest.mark.parametrize(("name", "how", "share"), corruptions())
def test_every_torn_checkpoint_is_seen(
    scripts: Any, halfway: Path, tmp_path: Path, name: str, how: str, share: float
) -> None:
    copy = Path(shutil.copytree(halfway / "checkpoints", tmp_path / "checkpoints"))
    corrupt(copy / "checkpoint-4" / name, how, share)

    newest, torn = scripts.manifest.newest_complete(copy)
    assert newest == copy / "checkpoint-2"
    assert len(torn) == 1
    assert torn[0].startswith("checkpoint-4: ")
    assert f"no readable {name}" in torn[0] if name == "manifest.json" else name in torn[0]


def test_a_torn_checkpoint_is_told_and_the_one_before_is_used(
    scripts: Any, halfway: Path, job: Any, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(halfway, tmp_path / "torn"))
    corrupt(folder / "checkpoints" / "checkpoint-4" / "optimizer.pt", "flipped", 0.5)
    (folder / "checkpoints" / "checkpoint-4" / "of an earlier life").touch()

    trained(scripts, folder)
    (torn,) = events(folder, "torn")
    assert torn["message"] == "checkpoint-4: the content of optimizer.pt has changed"
    assert not (folder / "checkpoints" / "checkpoint-4" / "of an earlier life").exists()
    assert [event["message"] for event in events(folder, "resumed")] == ["checkpoint-2"]
    assert weight_distance(folder, trained(scripts, job(most_steps=4))) < 1e-4


# What is saved


def test_an_adapter_that_changed_nothing_is_refused(
    scripts: Any, job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = expect_refusal(scripts, job(learning_rate=1e-12))
    assert "changed nothing" in why
    assert "Raise learning_rate" in why

    real = scripts.train.save

    def save(trainer: Any, *args: Any) -> None:
        for name, parameter in trainer.model.named_parameters():
            if "lora_B" in name:
                parameter.data.zero_()
        real(trainer, *args)

    monkeypatch.setattr(scripts.train, "save", save)
    assert "the adapter is empty" in expect_refusal(scripts, job())


METHODS: dict[str, dict[str, Any]] = {
    "lora": {}, "dora": {"use_dora": True}, "rslora": {"use_rslora": True},
    "qlora": {"method": "qlora"}, "prefix": {"method": "prefix"}, "ia3": {"method": "ia3"},
    "full": {"method": "full", "learning_rate": 1e-3},
    "checkpointed": {"gradient_checkpointing": True},
    "checkpointed prefix": {"method": "prefix", "gradient_checkpointing": True},
    "packed": {"packing": True, "max_tokens": 128},
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_saves_and_answers(scripts: Any, job: Any, name: str) -> None:
    folder = trained(scripts, job(**METHODS[name]))

    check_record(scripts, folder)
    found = weights(folder / "model")
    assert {str(tensor.dtype) for tensor in found.values()} == {"torch.float32"}
    answers(scripts, folder)
    if name == "checkpointed prefix":
        assert read(folder, "result.json")["recipe"]["gradient_checkpointing"] is False
        assert "gradient_checkpointing" in events(folder, "changed")[0]
    if name == "dora":
        assert any("lora_magnitude_vector" in key for key in found)


def check_record(scripts: Any, folder: Path) -> None:
    result, base = read(folder, "result.json"), Path(read(folder, "job.json")["base"])
    assert result["base_sha256"] == scripts.train.base_hash(base)
    assert result["training_sha256"] == scripts.manifest.sha256_of(folder / "rows.jsonl")
    assert set(result["packages"]) >= {"torch", "transformers", "peft", "trl"}
    assert result["peak_process_bytes"] > 1e8
    assert 0 < result["train_seconds"] < result["total_seconds"] < 100
    assert result["gpu_energy_kwh"] is None
    assert result["largest_weight_change"] > 1e-6
    assert result["steps"] == result["steps_done"] == 3
    assert scripts.manifest.flaw_of(folder / "model") is None
    from transformers import AutoTokenizer

    saved = AutoTokenizer.from_pretrained(folder / "model")
    assert scripts.tokenize_rows.template_hash(saved) == result["chat_template_sha256"]
    assert saved.chat_template
    assert saved.pad_token_id != saved.eos_token_id


def answers(scripts: Any, folder: Path) -> list[str]:
    tiny_models.write_rows(folder / "held_out.jsonl", tiny_models.task_rows(3, seed=5))
    change(folder, held_out="held_out.jsonl")
    scripts.generate.main(folder)
    found = [json.loads(line) for line in (folder / "answers.tuned.jsonl").read_text().splitlines()]
    assert [one["row"] for one in found] == [0, 1, 2]
    return [str(one["answer"]) for one in found]


def preferences(count: int) -> list[dict[str, Any]]:
    return [{"input": {"messages": row["messages"][:1]}, "preferred_output": row["messages"][1:],
             "non_preferred_output": [{"role": "assistant", "content": "no"}]}
            for row in tiny_models.task_rows(count)]  # fmt: skip


def test_preferences_are_learned(scripts: Any, job: Any) -> None:
    folder = trained(scripts, job(preferences(16), objective="dpo"))

    check_record(scripts, folder)
    assert losses(folder)[0] == pytest.approx(math.log(2), abs=1e-3)
    assert losses(folder)[-1] < losses(folder)[0]


def test_rewards_are_learned_from(scripts: Any, job: Any) -> None:
    rows = tiny_models.task_rows(8)
    for row in rows:
        row["messages"][-1]["content"] = "e"
    folder = job(rows, objective="grpo", max_answer_tokens=4)
    change(folder, grader=STRING_CHECK)

    check_record(scripts, trained(scripts, folder))


def test_rewards_that_tell_nothing_apart_are_told(scripts: Any, job: Any) -> None:
    folder = job(tiny_models.task_rows(8), objective="grpo", max_answer_tokens=4)
    change(folder, grader=STRING_CHECK)

    assert "a grader that distinguishes them" in expect_refusal(scripts, folder)


def test_rewards_need_a_grader(scripts: Any, job: Any) -> None:
    assert "--grader" in expect_refusal(scripts, job(tiny_models.task_rows(8), objective="grpo"))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_labels_are_learned(scripts: Any, job: Any, encoder: Path, method: str) -> None:
    folder = trained(
        scripts, job(objective="classification", method=method, base=encoder, learning_rate=1e-3)
    )

    check_record(scripts, folder)
    assert read(folder, "result.json")["labels"] == sorted(tiny_models.TOPICS)
    assert set(answers(scripts, folder)) <= set(tiny_models.TOPICS)


def test_a_text_is_read_alike_alone_and_beside_longer_ones(
    scripts: Any, job: Any, encoder: Path
) -> None:
    folder = trained(
        scripts, job(objective="classification", method="full", base=encoder, learning_rate=1e-3)
    )
    tuned = scripts.generate.ModelLoader(folder)
    model = tuned.load("tuned")
    texts = ["parcel", "parcel " * 6, "parcel " * 24]

    def logits(texts: list[str]) -> Any:
        return model(**tuned.tokenizer(texts, return_tensors="pt", padding=True)).logits

    together = logits(texts)
    apart = [float((together[n] - logits([text])[0]).abs().max()) for n, text in enumerate(texts)]

    assert max(apart) < 1e-5


def test_one_label_is_nothing_to_tell_apart(scripts: Any, job: Any, encoder: Path) -> None:
    rows = [row for row in tiny_models.task_rows(40) if row["messages"][-1]["content"] == "returns"]

    assert "another label" in expect_refusal(
        scripts, job(rows, objective="classification", method="full", base=encoder)
    )


def test_text_is_learned(scripts: Any, job: Any) -> None:
    folder = trained(scripts, job(tiny_models.general_rows(16), objective="text"))

    check_record(scripts, folder)
    assert losses(folder)[-1] < losses(folder)[0]


def test_another_template_is_refused_when_it_answers(scripts: Any, job: Any) -> None:
    folder = trained(scripts, job())
    model = folder / "model"
    from transformers import AutoTokenizer

    scripts.generate.ModelLoader(folder)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = tokenizer.chat_template.replace("<", "[")
    tokenizer.save_pretrained(model)
    with pytest.raises(scripts.tokenize_rows.UntrainableData, match=r"has changed|has \d+ bytes"):
        scripts.generate.ModelLoader(folder)
    scripts.manifest.seal(model)
    with pytest.raises(
        scripts.tokenize_rows.UntrainableData, match="the chat template differs from the one"
    ):
        scripts.generate.ModelLoader(folder)


@pytest.mark.parametrize("name", ["lora", "dora", "qlora", "ia3"])
def test_a_merged_model_answers_as_the_adapter_does(scripts: Any, job: Any, name: str) -> None:
    folder = trained(scripts, job(**METHODS[name] | {"learning_rate": 5e-2}))
    out = folder / "merged"
    scripts.merge.main(folder, out)

    told = read(out, "merged.json")
    assert told["dtype"] == "float32"
    assert told["largest_logit_difference"] < 1e-3 < told["largest_change_from_base"]
    assert scripts.manifest.flaw_of(out) is None
    assert "vllm serve" in (out / "serve.sh").read_text()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    assert "quantization_config" not in read(out, "config.json")
    assert (
        scripts.tokenize_rows.template_hash(AutoTokenizer.from_pretrained(out))
        == (read(folder, "result.json")["chat_template_sha256"])
    )
    tuned = scripts.generate.ModelLoader(folder)
    prompts = [
        scripts.generate.prompt_of(tuned.tokenizer, row) for row in tiny_models.task_rows(4, seed=7)
    ]
    merged = AutoModelForCausalLM.from_pretrained(out).eval()
    merged.generation_config = tuned.load("tuned").generation_config
    assert scripts.generate.generate(tuned, merged, prompts, 12) == (
        scripts.generate.generate(tuned, tuned.load("tuned"), prompts, 12)
    )


def test_a_classifier_is_merged_with_its_head(scripts: Any, job: Any, encoder: Path) -> None:
    folder = trained(scripts, job(objective="classification", base=encoder, learning_rate=5e-2))
    scripts.merge.main(folder, folder / "merged")

    assert read(folder / "merged", "merged.json")["largest_logit_difference"] < 1e-3
    assert any("classifier" in name for name in weights(folder / "merged"))


def test_what_cannot_be_merged_is_refused(scripts: Any, job: Any) -> None:
    folder = trained(scripts, job(method="prefix"))
    with pytest.raises(scripts.tokenize_rows.UntrainableData, match="prefix has nothing to merge"):
        scripts.merge.main(folder, folder / "merged")

    folder = trained(scripts, job())
    from safetensors.torch import save_file

    found = weights(folder / "model")
    zero = {name: t * 0 if "lora_B" in name else t for name, t in found.items()}
    save_file(zero, folder / "model" / "adapter_model.safetensors", {"format": "pt"})
    scripts.manifest.seal(folder / "model")
    with pytest.raises(scripts.tokenize_rows.UntrainableData, match="the adapter is empty"):
        scripts.merge.main(folder, folder / "merged")
    assert not (folder / "merged").exists()
