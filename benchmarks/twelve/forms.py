"""Generators of rows with one answer format: labels, JSON, translations, and a broken file."""

from __future__ import annotations

import json

from benchmarks.twelve.styles import Row, chat
from benchmarks.twelve.words import WordSource

BOXES: dict[str, tuple[str, ...]] = {
    "invoice": (
        "Your invoice {n} is attached",
        "We miss your payment for invoice {n}",
        "Please correct the address on bill {n}",
    ),
    "refund": (
        "I want my money back for order {n}",
        "The {p} from {n} never came, pay it back",
        "Have you refunded {n} yet?",
    ),
    "delivery": (
        "Where is my parcel {n}?",
        "The courier left {n} at the wrong door in {town}",
        "Tracking of {n} has not moved since {d}",
    ),
    "login": (
        "I cannot sign in since {d}",
        "My password for account {n} does not work",
        "The code for signing in never comes",
    ),
    "cancel": (
        "Please end my subscription {n}",
        "I do not want to renew contract {n}",
        "Cancel the {p}, order {n}",
    ),
    "complaint": (
        "This is the third time I write about {n}",
        "I am very unhappy with the {p}",
        "Nobody in {town} answers me",
    ),
    "sales": (
        "Could you send an offer for {n} seats?",
        "We would like a demo on {d}",
        "What does it cost for our office in {town}?",
    ),
    "job": (
        "I apply for position {n}",
        "Attached is my CV, I could start on {d}",
        "Do you have openings in {town}?",
    ),
    "press": (
        "I write an article due on {d}",
        "May we quote you on case {n}?",
        "Our paper in {town} would like an interview",
    ),
    "partner": (
        "We would like to resell your {p}",
        "Shall we meet in {town} on {d}?",
        "Our agency works with {n} shops",
    ),
    "spam": (
        "You have won {n} dollars",
        "Offer until {d}, click now",
        "Rank first in {town} today",
    ),
    "other": (
        "Is your office open on {d}?",
        "Thank you for your help with {n}",
        "I sent this to the wrong address",
    ),
}
FILLERS = (
    "I tried to call, but nobody answered.",
    "My colleague wrote about this last week as well.",
    "Could you please look at it soon?",
    "I have attached what I have.",
    "We have been customers for many years.",
    "It would help if you could answer today.",
    "Sorry for the long mail.",
    "I am writing from my phone.",
)


def email(draw: WordSource) -> tuple[str, str]:
    """Return a random e-mail and its mailbox."""
    box = draw.choice(sorted(BOXES))
    said = draw.filled(draw.one(BOXES[box]))
    body = [said if said.endswith("?") else f"{said}.", *draw.sample(FILLERS, draw.randint(1, 3))]
    return f"{' '.join(body)} {draw.person()}", box


def labels(draw: WordSource) -> list[Row]:
    """800 e-mails, each with one of twelve mailboxes."""
    return [{"text": text, "label": box} for text, box in (email(draw) for _ in range(800))]


def extraction(draw: WordSource) -> list[Row]:
    """200 invoices as text, with their fields as JSON."""
    rows = []
    for _ in range(200):
        supplier, total = draw.person() + " Ltd", draw.price(20, 9000)
        fields = {
            "number": f"R-{draw.number()}",
            "date": draw.day(),
            "total": total,
            "currency": draw.one(("EUR", "USD", "GBP")),
            "supplier": supplier,
        }
        lines = [
            f"Invoice {fields['number']}",
            f"From: {supplier}, {draw.filled('{town}')}",
            f"{draw.randint(1, 9)} x {draw.filled('{p}')}",
            draw.filled("Delivered to {who} on {d}"),
            f"Date: {fields['date']}",
            f"To pay: {total} {fields['currency']}",
            draw.one(FILLERS),
        ]
        head, *rest = lines
        draw.shuffle(rest)
        rows.append(chat("\n".join([head, *rest]), json.dumps(fields)))
    return rows


CLAUSES: tuple[tuple[str, str], ...] = (
    ("Tighten the four bolts of the {a} by hand", "Ziehen Sie die vier Schrauben {ag} von Hand an"),
    ("Check the {a} for cracks before each use", "Prüfen Sie {an} vor jedem Einsatz auf Risse"),
    ("Never reach into the {a} while it turns", "Greifen Sie nie in {an}, solange sie sich dreht"),
    ("Replace the {a} after {n} hours", "Tauschen Sie {an} nach {n} Stunden aus"),
    ("Clean the {a} with a dry cloth", "Reinigen Sie {an} mit einem trockenen Tuch"),
    ("Let the {a} cool down for {n} minutes", "Lassen Sie {an} {n} Minuten lang abkühlen"),
)
PARTS: tuple[tuple[str, str, str], ...] = (
    ("pump", "der Pumpe", "die Pumpe"),
    ("roller", "der Walze", "die Walze"),
    ("clutch", "der Kupplung", "die Kupplung"),
    ("shaft", "der Welle", "die Welle"),
    ("brake disc", "der Bremsscheibe", "die Bremsscheibe"),
    ("conveyor", "der Förderanlage", "die Förderanlage"),
)
WHEN: tuple[tuple[str, str], ...] = (
    (" of machine {k}", " an Maschine {k}"),
    ("; the manual of {d} applies", "; es gilt das Handbuch vom {d}"),
    (". Wear gloves in hall {k}", ". Tragen Sie in Halle {k} Handschuhe"),
    (". Switch station {k} off first", ". Schalten Sie zuerst Station {k} ab"),
)


def translation(draw: WordSource) -> list[Row]:
    """800 sentences of manuals, English and German."""
    rows = []
    for _ in range(800):
        english, german = draw.choice(CLAUSES)
        part, genitive, accusative = draw.choice(PARTS)
        tail, schwanz = draw.choice(WHEN)
        number, station = draw.randint(2, 900), draw.randint(1, 60)
        day = f"{draw.randint(1, 28)}.{draw.randint(1, 12)}.2026"
        source = f"{english}{tail}.".format(a=part, n=number, d=day, k=station)
        target = f"{german}{schwanz}.".format(
            ag=genitive, an=accusative, n=number, d=day, k=station
        )
        rows.append(chat(f"Translate into German: {source}", target))
    return rows


def dirty(draw: WordSource) -> list[Row | str]:
    """240 lines of labels: five formats, repeats, two answers to one question, and broken lines."""
    lines: list[Row | str] = []
    mails = [email(draw) for _ in range(120)]
    boxes = sorted(BOXES)
    for i, (text, box) in enumerate(mails):
        shape = i % 5
        if shape == 0:
            lines.append({"text": text, "label": box})
        elif shape == 1:
            lines.append(chat(text, box))
        elif shape == 2:
            lines.append({"instruction": "Choose a box.", "input": text, "output": box.upper()})
        elif shape == 3:
            lines.append(
                {
                    "conversations": [
                        {"from": "human", "value": text},
                        {"from": "gpt", "value": f"Box: {box}"},
                    ]
                }
            )
        else:
            lines.append(f'{{"text": "{text[:40]}')
    lines += [chat(text, draw.choice(boxes)) for text, _ in mails[:80]]
    lines += [chat(*mails[draw.randint(0, 9)]) for _ in range(40)]
    draw.shuffle(lines)
    return lines
