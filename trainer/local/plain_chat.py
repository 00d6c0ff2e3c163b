"""The process that answers for a plain baseline: requests in, labels out, without torch.

`python -m trainer.local.plain_chat FOLDER`. Lines are those of `trainer/scripts/asks.py`; tokens
are counted by words.
"""

from __future__ import annotations

import sys
from pathlib import Path

from advisor.errors import UsageError
from trainer.evaluation.plain import Plain
from trainer.scripts.asks import Asks, Refused, last_question
from trainer.scripts.manifest import flaw_of

UNFIT = 3


def main(folder: Path) -> int:
    """Load, say so, and answer until stdin ends; 3 where the model is not whole."""
    asks = Asks.of_this_process()
    flaw = flaw_of(folder / "model")
    if flaw:
        sys.stderr.write(f"{folder / 'model'}: {flaw}. Train it again.\n")
        return UNFIT
    model = Plain.load(folder / "model")
    try:
        model.answer(["a first question, so that what is missing is told before it is asked"])
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return UNFIT
    asks.tell(ready=True)
    for ask in asks:
        try:
            text = last_question(ask)
        except Refused as error:
            asks.tell(id=ask["id"], refused=str(error), code=error.code)
            continue
        label = model.answer([text])[0]
        asks.tell_label(ask, label, len(text.split()), len(label.split()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
