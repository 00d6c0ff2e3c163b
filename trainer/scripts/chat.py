"""Serve a model that `train.py` saved: one JSON request per line on stdin.

    python chat.py FOLDER --system tuned|base

The protocol is in `stdin_requests.py`. Greedy answers equal those of `generate.py`. A classifier
answers with its label, and truncates texts as in training.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
sys.path.insert(0, str(Path(__file__).parent))

import jinja2
import torch
import transformers
from generate import ModelLoader, generate_answers, prompt_of, run_script
from tokenize_rows import PLAIN_TEMPLATE, end_token_ids
from trainer.scripts.stdin_requests import (
    StdinRequests,
    RequestRejected,
    last_question,
    message_text,
)
from trainer.scripts.text_stream import StreamedAnswer

MIN_TEMPERATURE = 1e-3
"""Below it, sampling is greedy, and numbers overflow."""
MAX_SEED = 1 << 63


class StreamingCriteria(transformers.StoppingCriteria):  # type: ignore[misc]
    """Streams each new token, and stops rows that are finished or cancelled."""

    def __init__(
        self, asks: StdinRequests, ask: dict[str, Any], asked: int, rows: list[StreamedAnswer]
    ) -> None:
        self.asks, self.ask, self.asked, self.rows = asks, ask, asked, rows

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        """Return which rows are finished."""
        for place, token in enumerate(ids[:, -1].tolist()):
            if self.rows[place].finish is None:
                self.show(place, self.rows[place].take(token))
        off = self.asks.is_cancelled(self.ask["id"])
        return torch.tensor([off or row.finish is not None for row in self.rows], device=ids.device)

    def show(self, place: int, text: str) -> None:
        """Send the new text of a row; one row stands for all answers if they are equal."""
        row, count = self.rows[place], self.ask["n"]
        if not text and row.finish is None:
            return
        ended = {
            "finish": row.finish,
            "prompt_tokens": self.asked,
            "completion_tokens": len(row.ids),
        }
        if row.finish is None:
            ended = {}
        for index in range(count) if len(self.rows) < count else [place]:
            self.asks.tell(id=self.ask["id"], index=index, text=text, **ended)


def answer_with_label(
    tuned: ModelLoader, model: Any, asks: StdinRequests, ask: dict[str, Any]
) -> None:
    """Answer a request with the label of a classifier."""
    text = last_question(ask)
    row = {"messages": [{"role": "user", "content": text}]}
    label = next(generate_answers(tuned, model, [row]))["answer"]
    read = tuned.tokenizer(text, truncation=True, max_length=tuned.recipe["max_tokens"])
    answered = tuned.tokenizer(label, add_special_tokens=False)
    asks.send_label(ask, label, len(read["input_ids"]), len(answered["input_ids"]))


def answer_with_text(
    tuned: ModelLoader, model: Any, asks: StdinRequests, ask: dict[str, Any]
) -> None:
    """Answer a request with generated text, streamed token by token."""
    ends = end_token_ids(model.generation_config.eos_token_id)
    asked = prompt_ids(tuned, ask, ends)
    window, most = window_of(model), ask["max_tokens"]
    if window is not None and len(asked) >= window:
        raise RequestRejected(
            "context-length",
            f"the messages have {len(asked)} tokens, and the context "
            f"window of this model is {window}, answer included. Shorten them.",
        )
    most = most if window is None else min(most, window - len(asked))
    is_greedy = ask["temperature"] < MIN_TEMPERATURE
    count = 1 if is_greedy else ask["n"]

    def decode(ids: list[int]) -> str:
        return str(tuned.tokenizer.decode(ids, skip_special_tokens=True))

    rows = [StreamedAnswer(decode, ends, ask["stop"], most) for _ in range(count)]
    how: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if not is_greedy:
        how = {
            "do_sample": True,
            "temperature": float(ask["temperature"]),
            "top_k": 0,
            "top_p": float(ask["top_p"]),
            "num_return_sequences": count,
        }
        if ask["seed"] is None:
            torch.seed()
        else:
            torch.manual_seed(ask["seed"] % MAX_SEED)
    ids = torch.tensor([asked], device=model.device)
    with torch.inference_mode():
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=most,
            use_cache=True,
            stopping_criteria=[StreamingCriteria(asks, ask, len(asked), rows)],
            **how,
        )


def prompt_ids(tuned: ModelLoader, ask: dict[str, Any], ends: set[int]) -> list[int]:
    """Format the messages for the model: with its chat template, or as plain text.

    Raises:
        RequestRejected: the template cannot format them, or there is no text to continue.
    """
    template = str(tuned.tokenizer.chat_template or "")
    messages = [{**message, "content": message_text(message)} for message in ask["messages"]]
    if ask["tools"] and "tools" not in template:
        raise RequestRejected(
            "messages-unfit",
            "the chat template of this model does not support tools. Send none.",
        )
    if tuned.recipe["objective"] == "text" and template in ("", PLAIN_TEMPLATE):
        text = "\n".join(message["content"] or "" for message in messages)
        ids = list(tuned.tokenizer(text)["input_ids"])
        ids = ids[:-1] if ids and ids[-1] in ends else ids
    else:
        row = {"messages": [*messages, {"role": "assistant", "content": ""}], "tools": ask["tools"]}
        try:
            text = prompt_of(tuned.tokenizer, row)
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise RequestRejected(
                "messages-unfit",
                "the chat template cannot format these messages: "
                f"{error}. Use roles and contents that it supports.",
            ) from None
        ids = list(tuned.tokenizer(text, add_special_tokens=False)["input_ids"])
    if not ids:
        raise RequestRejected(
            "messages-unfit", "the messages contain no text. Send at least one text."
        )
    return ids


def window_of(model: Any) -> int | None:
    """Return the context window of the model; None if its config has none."""
    window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    adapters = getattr(model, "peft_config", {}).values()
    learned = sum(getattr(adapter, "num_virtual_tokens", None) or 0 for adapter in adapters)
    return None if window is None else int(window) - learned


def main(folder: Path, system: str) -> None:
    """Load the model and answer requests until stdin ends."""
    asks = StdinRequests.of_this_process()
    transformers.utils.logging.disable_progress_bar()
    tuned = ModelLoader(folder)
    model = tuned.load(system)
    is_classifier = tuned.recipe["objective"] == "classification"
    answer = answer_with_label if is_classifier else answer_with_text
    asks.tell(ready=True)
    for ask in asks:
        try:
            answer(tuned, model, asks, ask)
        except RequestRejected as error:
            asks.tell(id=ask["id"], refused=str(error), code=error.code)
        except torch.OutOfMemoryError:
            asks.tell(
                id=ask["id"],
                failed="the request does not fit the memory of the GPU. "
                "Use fewer tokens, or fewer answers at once.",
            )
            torch.cuda.empty_cache()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--system", choices=("tuned", "base"), default="tuned")
    flags = parser.parse_args()
    run_script(main, flags.folder, flags.system)
