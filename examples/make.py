"""Writes the datasets of the bundled examples; the same seed gives the same bytes.

Run it as `python examples/make.py`. The rows are made up: names, companies and orders are not real.
"""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

SEED = 20261120
HERE = Path(__file__).parent / "data"
BOXES = {
    "invoice": ["Your invoice {n} is attached", "We have not received payment for invoice {n}"],
    "refund": ["I want my money back for order {n}", "Please refund order {n}, it never came"],
    "delivery": ["Where is my parcel {n}?", "The courier left order {n} at the wrong door"],
    "login": ["I cannot log in since {d}", "My password for account {n} does not work"],
    "cancel": ["Please cancel my subscription {n}", "I do not want to renew contract {n}"],
    "complaint": ["This is the third time I write about {n}", "I am very unhappy with case {n}"],
    "sales": ["Could you send an offer for {n} seats?", "We would like a demo on {d}"],
    "job": ["I apply for position {n}", "Attached is my CV, I could start on {d}"],
    "press": ["I write an article due on {d}", "May we quote you on case {n}?"],
    "partner": ["We would like to resell your product {n}", "Shall we meet on {d}?"],
    "spam": ["You have won {n} dollars", "Limited offer until {d}, click now"],
    "other": ["Is your office open on {d}?", "Thank you for your help with {n}"],
}
CLOSINGS = ["Kind regards", "Best", "Thanks a lot", "Yours sincerely", "Cheers"]
NAMES = ["Ana", "Ben", "Chloe", "Deniz", "Emil", "Farah", "Goran", "Hana", "Ivo", "Jana"]
FILLERS = [
    "I tried to call, but nobody answered.",
    "My colleague wrote about this last week as well.",
    "Could you please look at it soon?",
    "I have attached what I have.",
    "We have been customers for many years.",
    "It would help if you could answer today.",
]
VOICE = [
    ("late parcel", "Oh dear, that parcel took the scenic route. It should be with you on {d}."),
    ("broken mug", "A mug in pieces is no way to start the day. A new one leaves us on {d}."),
    ("wrong size", "Wrong size, right person. Send it back by {d}, and we swap it."),
    ("thanks", "You have just made our morning. Come back soon, the kettle is on."),
]
FIELDS = ["invoice_number", "date", "total", "currency", "supplier"]


def main() -> None:
    """Write every file."""
    HERE.mkdir(exist_ok=True)
    draw = random.Random(SEED)
    with (HERE / "email-triage.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["text", "label"])
        rows.writerows(email(draw) for _ in range(1200))
    write("brand-voice.jsonl", [reply(draw) for _ in range(800)])
    write("extraction.jsonl", [document(draw) for _ in range(300)])


def write(name: str, rows: list[dict[str, object]]) -> None:
    """Write rows as JSONL."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (HERE / name).write_text(text, encoding="utf-8")


def filled(draw: random.Random, text: str) -> str:
    """Put a number and a day into a sentence."""
    day = f"{draw.randint(1, 28)} {draw.choice(['March', 'May', 'June', 'October'])}"
    return text.format(n=draw.randint(1000, 99999), d=day)


def email(draw: random.Random) -> tuple[str, str]:
    """Make an e-mail and the box it belongs to."""
    box = draw.choice(sorted(BOXES))
    body = [filled(draw, draw.choice(BOXES[box])) + ".", *draw.sample(FILLERS, 3)]
    end = f"{draw.choice(CLOSINGS)}, {draw.choice(NAMES)}"
    return (" ".join([*body, end]), box)


def reply(draw: random.Random) -> dict[str, object]:
    """Make a customer's message and an answer in the voice of the house."""
    about, answer = draw.choice(VOICE)
    asked = f"About {about} {draw.randint(100, 9999)}. {' '.join(draw.sample(FILLERS, 2))}"
    told = f"Hello {draw.choice(NAMES)}! {filled(draw, answer)} {draw.choice(CLOSINGS)}"
    return {"messages": [{"role": "user", "content": asked},
                         {"role": "assistant", "content": told}]}  # fmt: skip


def document(draw: random.Random) -> dict[str, object]:
    """Make an invoice text and the fields in it."""
    values = {
        "invoice_number": f"R{draw.randint(10000, 99999)}",
        "date": f"2026-{draw.randint(1, 10):02d}-{draw.randint(1, 28):02d}",
        "total": f"{draw.randint(20, 9000)}.{draw.randint(0, 99):02d}",
        "currency": draw.choice(["EUR", "USD", "CHF"]),
        "supplier": f"{draw.choice(NAMES)} & Partners",
    }
    lines = [f"{draw.choice(FILLERS)}" for _ in range(6)]
    for key in FIELDS:
        lines.insert(draw.randint(0, len(lines)), f"{key.replace('_', ' ')}: {values[key]}")
    rules = f"Give these fields as JSON: {', '.join(FIELDS)}. Leave out what is not there."
    return {"messages": [{"role": "system", "content": rules},
                         {"role": "user", "content": "\n".join(lines)},
                         {"role": "assistant", "content": json.dumps(values)}]}  # fmt: skip


if __name__ == "__main__":
    main()
