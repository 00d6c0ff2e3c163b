"""Vectors of a provider, cached and paid."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np

from tests.support.fakes.chat_model import FakeChatModel, hash_vector
from tests.support.pilots import TEXTS
from tests.support.runs import RunHarness
from trainer.paid_calls.client import ChatClient, RetryPolicy
from trainer.paid_calls.journal import PaidCallJournal, reserve_budgets
from trainer.pilot.embeddings import CachedVectors, RemoteEmbedder
from trainer.security.api_keys import ApiKey, origin_of


def test_vectors_of_a_provider_come_back_in_their_order_and_are_paid(
    fake_model: FakeChatModel, harness: RunHarness, tmp_path: Path
) -> None:
    client = ChatClient(fake_model.url + "/v1", ApiKey(origin_of(fake_model.url), "k"))
    journal = PaidCallJournal(tmp_path / "rows.jsonl")
    with (
        journal.file,
        reserve_budgets(harness.context, journal, "pilot", {"own": Decimal(1)}) as paid,
    ):
        remote = RemoteEmbedder("embed", client, Decimal(2),
                        paid["own"], RetryPolicy("own", harness.clock))  # fmt: skip
        found = CachedVectors(tmp_path / "vectors.jsonl", remote, 2).of(TEXTS, [8] * 4)
        client.close()

    assert fake_model.count("POST", "/v1/embeddings") == 2
    for text, vector in zip(TEXTS, found, strict=True):
        expected = np.array(hash_vector(text))
        assert np.allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)
    used = sum(len(text) // 4 for text in TEXTS)
    (entry,) = harness.context.ledger.entries()
    assert (entry.purpose, entry.settled) == ("pilot", 2 * used)
