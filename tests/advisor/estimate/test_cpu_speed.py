"""Speed of encoders on CPU cores, compared with the measured rows of the evidence."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pytest

from advisor.estimate.cpu_speed import encoder_cpu_requests_per_second, relative_token_cost
from advisor.evidence import CpuRuntime, Evidence

BERT_BASE = 85_054_464


def relative_errors(evidence: Evidence, runtime: CpuRuntime, refined: bool = True) -> list[float]:
    """Estimated / measured requests per second on the measured core - 1."""
    known, speed = evidence.encoder_cpu, evidence.encoder_cpu.runtimes[runtime]
    off = []
    for name, measured in speed.requests_per_second.items():
        encoder = known.encoders[name]
        for tokens, per_second in measured.items():
            cost = relative_token_cost(
                tokens, encoder.hidden_size, speed.fixed_tokens, speed.attention_cost
            )
            estimated = encoder_cpu_requests_per_second(
                encoder.parameters_without_embeddings,
                tokens,
                speed.gflops_per_core[2],
                1,
                cost if refined else 1.0,
            )
            off.append(float(estimated) / per_second - 1.0)
    return off


@pytest.mark.parametrize(
    ("runtime", "mean", "worst"),
    [("torch_fp32", 0.06, 0.12), ("onnx_fp32", 0.06, 0.15), ("onnx_int8", 0.15, 0.30)],
)
def test_estimates_are_close_to_the_measured_rows(
    evidence: Evidence, runtime: CpuRuntime, mean: float, worst: float
) -> None:
    """Ten rows each: two encoders, 16 to 512 tokens, one request at a time."""
    off = relative_errors(evidence, runtime)

    assert len(off) == 10
    assert fmean(map(abs, off)) < mean
    assert max(map(abs, off)) < worst


@pytest.mark.parametrize("runtime", ["torch_fp32", "onnx_fp32", "onnx_int8"])
def test_the_relative_cost_makes_estimates_better(evidence: Evidence, runtime: CpuRuntime) -> None:
    refined = fmean(map(abs, relative_errors(evidence, runtime)))

    assert fmean(map(abs, relative_errors(evidence, runtime, refined=False))) > 2 * refined


def test_a_request_takes_two_flops_per_weight_and_token() -> None:
    """2 x 85M x 100 tokens = 17.01 GFLOP, of which three cores of 100 GFLOP/s do 17.6 a second."""
    speed = encoder_cpu_requests_per_second(BERT_BASE, 100, 100.0, 3)

    assert float(speed) == pytest.approx(300.0 / (2 * 0.085054464 * 100))


def test_ranges_and_lengths_broadcast() -> None:
    lengths = np.array([[16.0], [512.0]])
    cost = relative_token_cost(lengths, 768, 20.0, 10.0)

    speed = encoder_cpu_requests_per_second(
        BERT_BASE, lengths, np.array([40.0, 80.0, 200.0]), 2, cost
    )

    assert np.shape(speed) == (2, 3)
    assert np.all(np.diff(speed, axis=1) > 0)
    assert np.all(np.diff(speed, axis=0) < 0)


def test_the_reference_request_has_the_cost_one() -> None:
    assert float(relative_token_cost(128, 768, 20.0, 10.0)) == 1.0


def test_every_range_of_the_evidence_is_ordered(evidence: Evidence) -> None:
    known = evidence.encoder_cpu
    ranges = [one.gflops_per_core for one in known.runtimes.values()]

    for low, likely, high in (*ranges, known.tfidf.requests_per_second_per_core):
        assert 0 < low < likely < high
