"""Timed runs of encoders and TF-IDF classifiers on one CPU core, for benchmarks/encoder_cpu.py.

Time is CPU time of the process, which runs on one thread, because other load on the machine only
changes wall time; wall time is recorded next to it. Weights are random and texts are filled with
random tokens: neither changes the speed. Left out: tokenizing, HTTP, and padding of batches.
"""

from __future__ import annotations

import csv
import importlib
import logging
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from benchmarks.encoder_cpu_rows import ENCODERS, CpuRow

BATCHES, LENGTHS = (1, 32), (16, 64, 128, 256, 512)
LEAST_SECONDS = 2.0
LEAST_CALLS = {1: 5, 32: 3}
"""Calls by batch size; they are repeated until time and calls are reached, after a first call that
is not counted."""
VOCABULARY = 30522
TEXTS = Path(__file__).parent.parent / "examples" / "data" / "email-triage.csv"
JOINED = (1, 8)
"""Texts of the example dataset that are joined into one request."""
INSTALL = (
    "Run pip install torch==2.13.0 transformers onnx onnxruntime scikit-learn "
    "in a virtual environment of its own"
)
Call = Callable[[], object]


class CallTime(NamedTuple):
    """Median time of one call."""

    cpu_seconds: float
    wall_seconds: float
    calls: int


def optional_module(name: str) -> Any:
    """Import a package that only this benchmark needs.

    Raises:
        SystemExit: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        sys.exit(f"benchmarks.encoder_cpu: package {package} not found. {INSTALL}.")


def call_time(call: Call, least_seconds: float, least_calls: int = LEAST_CALLS[1]) -> CallTime:
    """Repeat a call and return the medians of its CPU time and wall time."""
    call()
    cpu, wall, began = [], [], time.perf_counter()
    while len(cpu) < least_calls or time.perf_counter() - began < least_seconds:
        cpu_before, wall_before = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - cpu_before)
        wall.append(time.perf_counter() - wall_before)
    return CallTime(median(cpu), median(wall), len(cpu))


def use_one_thread() -> None:
    """Limit every library to one thread; must run before they are imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"


def encoder_model(name: str) -> Any:
    """Create an encoder with a classification head and random weights."""
    torch, transformers = optional_module("torch"), optional_module("transformers")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    shape = ENCODERS[name]
    config = transformers.BertConfig(
        hidden_size=shape.hidden_size,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.attention_heads,
        intermediate_size=4 * shape.hidden_size,
        vocab_size=VOCABULARY,
    )
    model = transformers.BertForSequenceClassification(config).eval()
    counted = sum(weight.numel() for weight in model.bert.encoder.parameters())
    if counted != shape.parameters_without_embeddings:
        raise AssertionError(f"{name}: {counted} weights in the layers")
    return model


def export_onnx(model: Any, folder: Path) -> dict[str, Path]:
    """Export a model to ONNX in fp32, and with matrices in int8 (dynamic quantization)."""
    torch, quantization = optional_module("torch"), optional_module("onnxruntime.quantization")
    optional_module("onnx")
    paths = {name: folder / f"{name}.onnx" for name in ("onnx_fp32", "onnx_int8")}
    ids = torch.ones((1, 16), dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about tracing; the lengths are dynamic
        torch.onnx.export(
            model,
            (ids, ids),
            str(paths["onnx_fp32"]),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes},
            opset_version=17,
            dynamo=False,
        )
    logging.disable(logging.WARNING)  # about a preparation that changes no matrix
    quantization.quantize_dynamic(
        paths["onnx_fp32"], paths["onnx_int8"], weight_type=quantization.QuantType.QInt8
    )
    logging.disable(logging.NOTSET)
    return paths


def onnx_session(path: Path) -> Any:
    """Open an ONNX model on one thread, with the default graph optimizations."""
    onnxruntime = optional_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def token_inputs(batch: int, tokens: int) -> dict[str, Any]:
    """Create a batch of random tokens without padding."""
    ids = np.random.default_rng(0).integers(1000, VOCABULARY, (batch, tokens))
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}


def torch_call(model: Any, inputs: dict[str, Any]) -> Call:
    """Return a call of the model in torch."""
    torch = optional_module("torch")
    tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}

    def call() -> None:
        with torch.inference_mode():
            model(**tensors)

    return call


def onnx_call(session: Any, inputs: dict[str, Any]) -> Call:
    """Return a call of the model in ONNX Runtime."""
    return lambda: session.run(None, inputs)


def encoder_rows(name: str, least_seconds: float) -> Iterator[CpuRow]:
    """Measure an encoder in each runtime, at each batch size and length."""
    model = encoder_model(name)
    with tempfile.TemporaryDirectory() as folder:
        sessions = {
            runtime: onnx_session(path)
            for runtime, path in export_onnx(model, Path(folder)).items()
        }
        for batch in BATCHES:
            for tokens in LENGTHS:
                inputs = token_inputs(batch, tokens)
                calls = {"torch_fp32": torch_call(model, inputs)}
                calls |= {name: onnx_call(one, inputs) for name, one in sessions.items()}
                for runtime, call in calls.items():
                    yield _row(
                        name,
                        runtime,
                        batch,
                        tokens,
                        call_time(call, least_seconds, LEAST_CALLS[batch]),
                    )


def tfidf_rows(least_seconds: float) -> Iterator[CpuRow]:
    """Measure TF-IDF with logistic regression, trained and run on texts of an example dataset."""
    with TEXTS.open(encoding="utf-8", newline="") as file:
        examples = list(csv.DictReader(file))
    texts = [one["text"] for one in examples]
    answers = tfidf_classifiers(texts, [one["label"] for one in examples])
    for joined in JOINED:
        requests = [" ".join(texts[at : at + joined]) for at in range(len(texts) - joined)]
        words = round(np.mean([len(text.split()) for text in requests]))
        for batch in BATCHES:
            for name, answer in answers.items():
                call = next_batch(answer, requests, batch)
                yield _row(
                    "tfidf", name, batch, words, call_time(call, least_seconds, LEAST_CALLS[batch])
                )


def tfidf_classifiers(
    texts: Sequence[str], labels: Sequence[str]
) -> dict[str, Callable[[list[str]], object]]:
    """Train scikit-learn pipelines on words, and on words and characters, and our baseline."""
    text = optional_module("sklearn.feature_extraction.text")
    linear, pipeline = optional_module("sklearn.linear_model"), optional_module("sklearn.pipeline")
    from trainer.evaluation.baselines import VECTORIZER_SETTINGS, TfidfClassifier

    words = text.TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    union = pipeline.make_union(*(text.TfidfVectorizer(**one) for one in VECTORIZER_SETTINGS))
    made = {
        name: pipeline.make_pipeline(maker, linear.LogisticRegression(C=10.0)).fit(texts, labels)
        for name, maker in (("words", words), ("words_and_characters", union))
    }
    ours = TfidfClassifier.fit(texts, labels)
    return {**{name: one.predict for name, one in made.items()}, "our_baseline": ours.answer}


def next_batch(answer: Callable[[list[str]], object], texts: list[str], batch: int) -> Call:
    """Return a call that answers the next texts each time, from the first again at the end."""
    starts = iter(range(0, 10**9, batch))

    def call() -> object:
        start = next(starts)
        return answer([texts[(start + place) % len(texts)] for place in range(batch)])

    return call


def speed_with_other_core_busy(seconds: float = 4.0) -> float:
    """Speed of the int8 encoder with the same encoder on another core, relative to without.

    About 1 if each CPU of this machine is a whole core, 0.5 to 0.65 if two share one.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = export_onnx(encoder_model("minilm_l6"), Path(folder))
        call = onnx_call(onnx_session(paths["onnx_int8"]), token_inputs(1, 128))
        alone = call_time(call, seconds).cpu_seconds
        other = multiprocessing.get_context("spawn").Process(
            target=keep_busy, args=(paths["onnx_int8"],), daemon=True
        )
        other.start()
        time.sleep(3.0)  # until it has imported its libraries
        together = call_time(call, seconds).cpu_seconds
        other.terminate()
        other.join()
    return alone / together


def keep_busy(path: Path) -> None:
    """Run an encoder until the process is terminated."""
    call = onnx_call(onnx_session(path), token_inputs(1, 128))
    while True:
        call()


def _row(model: str, runtime: str, batch: int, tokens: int, timed: CallTime) -> CpuRow:
    return CpuRow(
        model,
        runtime,
        batch,
        tokens,
        1e3 * timed.cpu_seconds / batch,
        1e3 * timed.wall_seconds / batch,
        timed.calls,
    )
