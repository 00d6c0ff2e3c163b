"""Measured speeds on a CPU as the section `encoder_cpu` of advisor/data/evidence.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.encoder_cpu_rows import (
    ENCODERS,
    PUBLISHED_SOURCE,
    RUNTIMES,
    CpuRow,
    fit_speed,
    online_rows,
    published_gflops,
)

EVIDENCE = Path(__file__).parent.parent / "advisor" / "data" / "evidence.yaml"
SECTION = re.compile(r"^encoder_cpu:\n(?: .*\n)*", re.MULTILINE)
VCPU_SHARE = 0.4
"""Speed of a cloud vCPU relative to the measured core: half, because it is one of two threads of a
core, times 0.8 for a core that is older; own judgement."""
OLD_VCPU_SHARE = 0.3
"""The same for Python code on a core of 2021; own judgement."""
TFIDF_RUNTIMES = ("words", "words_and_characters", "our_baseline")
BASIS = (
    f"high is the measured core, used alone; likely is {VCPU_SHARE} of it, own, because a cloud "
    f"vCPU is mostly one of the two threads of a core "
    f"(https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-optimize-cpu.html), and the "
    f"core is mostly older; low is the published speed per vCPU of c6i.xlarge of 2021, with four "
    f"vCPUs on one request ({PUBLISHED_SOURCE}), for torch in proportion to ONNX, and "
    f"{OLD_VCPU_SHARE} of the measured core for TF-IDF, own"
)


def evidence_section(header: Mapping[str, str], rows: Sequence[CpuRow]) -> str:
    """Write the section from stored rows and the header of their file."""
    lines = [
        "encoder_cpu:",
        f"  cpu: {header['cpu']}",
        f"  measured_on: {header['day']}",
        "  encoders:",
        *_encoder_lines(),
        "  runtimes:",
    ]
    for runtime in RUNTIMES:
        lines += _runtime_lines(runtime, rows)
    lines += _tfidf_lines(rows)
    source = f"benchmarks/encoder_cpu.py on {header['cpu']}, {header['day']}"
    lines += [f"  basis: {BASIS}", f"  source: {source}"]
    return "\n".join(lines) + "\n"


def write_evidence(section: str, path: Path = EVIDENCE) -> None:
    """Replace the section in the evidence, or append it."""
    text = path.read_text(encoding="utf-8")
    if SECTION.search(text):
        text = SECTION.sub(lambda _: section, text)
    else:
        text += section
    path.write_text(text, encoding="utf-8")


def _encoder_lines() -> Iterator[str]:
    for name, shape in ENCODERS.items():
        weights = shape.parameters_without_embeddings
        yield (
            f"    {name}: {{parameters_without_embeddings: {weights}, "
            f"hidden_size: {shape.hidden_size}}}"
        )


def _runtime_lines(runtime: str, rows: Sequence[CpuRow]) -> Iterator[str]:
    online = online_rows(rows, runtime)
    speed = fit_speed(online)
    published = "onnx_fp32" if runtime == "torch_fp32" else runtime
    onnx = fit_speed(online_rows(rows, published))
    low = published_gflops(published, onnx) * speed.gflops / onnx.gflops
    bounds = (low, VCPU_SHARE * speed.gflops, speed.gflops)
    yield f"    {runtime}:"
    yield f"      gflops_per_core: {_list(bounds)}"
    yield f"      fixed_tokens: {speed.fixed_tokens:.3g}"
    yield f"      attention_cost: {speed.attention_cost:.3g}"
    yield "      requests_per_second:"
    for name in ENCODERS:
        yield f"        {name}: {_speeds([row for row in online if row.model == name])}"


def _tfidf_lines(rows: Sequence[CpuRow]) -> Iterator[str]:
    each = {name: [row for row in rows if row.runtime == name] for name in TFIDF_RUNTIMES}
    words = min(row.tokens for row in each["words"])
    fast, ours = (
        next(row for row in online_rows(rows, name) if row.tokens == words).requests_per_second
        for name in ("words", "our_baseline")
    )
    yield "  tfidf:"
    yield (
        f"    requests_per_second_per_core: "
        f"{_list((OLD_VCPU_SHARE * ours, VCPU_SHARE * ours, fast))}"
    )
    yield f"    words: {words}"
    for title, batch in (("one_at_a_time", 1), ("in_batches", 32)):
        yield f"    {title}:"
        for name, found in each.items():
            yield f"      {name}: {_speeds([row for row in found if row.batch == batch])}"


def _speeds(rows: Sequence[CpuRow]) -> str:
    pairs = (f"{row.tokens}: {_figure(row.requests_per_second)}" for row in rows)
    return f"{{{', '.join(pairs)}}}"


def _list(values: Sequence[float]) -> str:
    return f"[{', '.join(map(_figure, values))}]"


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100.0 else f"{value:.3g}"
