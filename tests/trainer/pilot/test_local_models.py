"""What a pilot does on this machine alone: vectors of an encoder, and a model that is tuned here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from advisor.errors import UsageError
from tests.support import tiny_models
from tests.support.pilots import EMBEDDING, MODEL, PilotHarness, arms_by_name, open_pilot
from trainer.pilot.embeddings import CachedVectors, LocalEmbedder

LABELS = """
name: topics
asked_on: 2026-11-20
task: classification
needs: {narrow_label_task: true}
traffic: {requests_per_month: 3000000}
quality: {target: 0.9}
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[PilotHarness]:
    with open_pilot(tmp_path) as made:
        yield made


def test_an_encoder_in_a_folder_makes_vectors_once(tmp_path: Path) -> None:
    folder = tiny_models.make_encoder(tmp_path / "encoder")
    kept = CachedVectors(tmp_path / "vectors.jsonl", LocalEmbedder(folder))
    asked: list[int] = []

    class Counted(LocalEmbedder):
        def embed(self, texts: Sequence[str], counts: Sequence[int]) -> list[Sequence[float]]:
            asked.append(len(texts))
            return [[1.0] * 64 for _ in texts]

    texts = ["the red box", "a quiet lamp in the garden", "the red box"]

    first = kept.of(texts, [3, 6, 3])
    kept.embedder = Counted(folder)
    again = kept.of([*texts, "another text"], [3, 6, 3, 2])

    assert first.shape == (3, 64)
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-4)
    assert np.array_equal(first[0], first[2])
    assert not np.allclose(first[0], first[1])
    assert np.array_equal(again[:3], first)
    assert asked == [1]
    assert len((tmp_path / "vectors.jsonl").read_text().splitlines()) == 3
    with pytest.raises(UsageError, match="cannot compute vectors"):
        LocalEmbedder(tmp_path).embed(["text"], [1])


def test_passages_are_found_with_an_encoder_here_and_only_the_answers_are_paid(
    tmp_path: Path, bench: PilotHarness
) -> None:
    folder = tiny_models.make_encoder(tmp_path / "encoder")
    flags = [str(folder) if flag == EMBEDDING else flag for flag in bench.flags("--cap", "5")]

    found = bench.shell.json(*flags, "--yes", "--json", "--arms", "rag", "--rows", "10")

    # it answers rightly where the passage was found; an encoder that learned nothing hides some
    assert arms_by_name(found)["rag"]["score"] == found["recall"] > 0.4
    assert bench.fake.embedded == {}
    assert len(bench.ledger()) == 1


def test_labels_are_measured_by_the_plain_baseline_and_a_model_tuned_here(
    tmp_path: Path, bench: PilotHarness
) -> None:
    """A chat model that guesses, the plain baseline, and an encoder that is really tuned."""
    tiny_models.write_rows(tmp_path / "rows.jsonl", tiny_models.task_rows(340))
    (tmp_path / "s.yaml").write_text(LABELS)
    base = tiny_models.make_encoder(tmp_path / "tiny-encoder")
    bench.fake.think = lambda prompt: "returns"
    bench.shell.env["TUNE_OR_NOT_THREADS"] = "1"
    flags = ["trainer", "pilot", str(tmp_path / "s.yaml"), "--dataset", str(tmp_path / "rows.jsonl"),
             "--model", MODEL, "--base", str(base), "--usd-per-hour", "0.05", "--cap", "5",
             "--with", "n_epochs=2", "--yes", "--json"]  # fmt: skip

    found = bench.shell.json(*flags)

    by_arm = arms_by_name(found)
    assert set(by_arm) == {"zero_shot", "few_shot", "plain", "tuned"}
    assert (by_arm["plain"]["model"], by_arm["plain"]["standing"]) == ("tfidf-logreg", "reaches")
    assert by_arm["zero_shot"]["standing"] == "falls short"
    assert (by_arm["tuned"]["approach"], by_arm["tuned"]["rows"]) == ("encoder", 100)
    assert "Answer with one of these labels and nothing else: account, delivery" in next(
        iter(bench.fake.billed))  # fmt: skip
    assert any("No candidate option tunes tiny-encoder" in note for note in found["notes"])
    assert found["after"]["recommended"].startswith("encoder:")
    runs = bench.shell.json("trainer", "runs", "--json")
    assert [run["state"] for run in runs] == ["settled"]

    flags.remove("--yes")
    again = bench.shell.json(*flags)  # nobody is asked to agree

    assert len(bench.shell.json("trainer", "runs", "--json")) == 1
    assert arms_by_name(again)["tuned"] == by_arm["tuned"]
