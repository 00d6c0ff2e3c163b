"""Estimated and measured memory of ten trainings of tiny models on the CPU of this machine.

python -m benchmarks.memory_here
The measurement is the peak size of all live tensors over two steps in float32.
"""

from __future__ import annotations

import sys
import warnings
import weakref
from typing import Any, NamedTuple

import torch
import transformers
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from advisor.gpu.memory import allocated_bytes
from advisor.gpu.model_config import architecture_of
from advisor.gpu.parameters import ModelShape
from advisor.gpu.training_setup import Method, TrainingSetup
from benchmarks.scores import HEADING, ErrorSummary, EstimatePair

SIZES = {
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "vocab_size": 2048,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
RANK = 8
MIB = 2**20


class TinyTraining(NamedTuple):
    """One training."""

    family: str
    method: Method
    checkpointing: bool
    rows: int
    length: int


TRAININGS = (
    TinyTraining("llama", "full", False, 4, 128),
    TinyTraining("llama", "full", True, 4, 128),
    TinyTraining("llama", "lora", False, 4, 128),
    TinyTraining("llama", "lora", True, 4, 512),
    TinyTraining("qwen3", "full", False, 2, 256),
    TinyTraining("qwen3", "lora", False, 8, 128),
    TinyTraining("mistral", "full", True, 8, 256),
    TinyTraining("qwen2", "lora", False, 4, 256),
    TinyTraining("gemma", "full", False, 4, 128),
    TinyTraining("phi3", "lora", False, 4, 256),
)


class StorageCounter(TorchDispatchMode):
    """Counts the bytes of tensor storages from allocation until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[int, int] = {}
        self.now = self.peak = 0

    def see(self, tensor: torch.Tensor) -> None:
        """Count a tensor, once for all views of it."""
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.sizes:
            return
        self.sizes[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self.sizes.pop(key, 0)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and count its results."""
        made = func(*args, **(kwargs or {}))
        for tensor in tree_flatten(made)[0]:
            if isinstance(tensor, torch.Tensor):
                self.see(tensor)
        return made


def model_of(run: TinyTraining) -> tuple[Any, ModelShape]:
    """Build a tiny model, with adapters for LoRA."""
    config = transformers.AutoConfig.for_model(run.family, **SIZES)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    shape = ModelShape.of(architecture_of(config.to_dict()))
    if run.method == "lora":
        import peft

        model.enable_input_require_grads()
        wanted = peft.LoraConfig(task_type="CAUSAL_LM", r=RANK, target_modules="all-linear")
        model = peft.get_peft_model(model, wanted)
    if run.checkpointing:
        model.gradient_checkpointing_enable()
    return model.train(), shape


def measured_bytes(model: Any, run: TinyTraining) -> int:
    """Train two steps; return the peak of the second."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, foreach=False)
    ids = torch.randint(3, SIZES["vocab_size"], (run.rows, run.length))
    alive = StorageCounter()
    for weight in model.parameters():
        alive.see(weight.data)
    with alive:
        for _ in range(2):
            alive.peak = alive.now
            model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return alive.peak


def estimated_bytes(shape: ModelShape, run: TinyTraining) -> float:
    """Estimate the same peak from the config alone."""
    setup = TrainingSetup(
        run.method,
        run.rows * run.length,
        longest=run.length,
        rank=RANK,
        weight_bytes=4.0,
        stream_bytes=4.0,
        head="all_plain",
        autocast=False,
        accumulates=False,
        checkpointing=run.checkpointing,
    )
    return float(allocated_bytes(shape, setup))


def measured_pair(run: TinyTraining) -> EstimatePair:
    """Measure a training and pair it with its estimate."""
    model, shape = model_of(run)
    estimated = estimated_bytes(shape, run)
    return EstimatePair(
        run.family, float(measured_bytes(model, run)), estimated, 0.9 * estimated, 1.11 * estimated
    )


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore")
    sys.stdout.write(f"torch {torch.__version__}, transformers {transformers.__version__}, CPU\n")
    pairs = []
    for run in TRAININGS:
        pair = measured_pair(run)
        pairs.append(pair)
        sys.stdout.write(
            f"{run.family:8} {run.method:5} {'checkpointed' if run.checkpointing else '':12} "
            f"{run.rows} x {run.length:4} {pair.measured / MIB:7.1f} MiB measured "
            f"{pair.estimated / MIB:7.1f} estimated {pair.error:+6.1%}\n"
        )
    sys.stdout.write(
        HEADING + ErrorSummary.of(pairs).line("tiny models on this CPU, nothing fitted")
    )


if __name__ == "__main__":
    main()
