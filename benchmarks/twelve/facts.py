"""Generators of rows whose answers depend on documents: rules, price lists, a private library."""

from __future__ import annotations

from benchmarks.twelve.styles import Row, chat
from benchmarks.twelve.words import PRODUCTS, TOWNS, WordSource

RULES = (
    ("How long may I send the {p} back?", "You may send it back within {a} days.", "returns.md"),
    ("What does it cost to ship a {p} to {town}?", "Shipping there costs {a}.90 EUR.", "ship.md"),
    ("How long is the {p} under warranty?", "Its warranty lasts {a} months.", "warranty.md"),
    ("When is the shop in {town} open?", "It opens at {b} and closes at {c}.", "hours.md"),
    ("How many days of leave do new colleagues get?", "They get {a} days.", "handbook.md"),
    ("Who signs an order above {a}00 EUR?", "The head of buying signs.", "buying.md"),
    ("How do I report a broken {p}?", "Use form {a}-{b} within {c} days.", "claims.md"),
    ("What is the fee for a late payment?", "The fee is {a} EUR after {b} days.", "payment.md"),
)
QUESTION_PREFIXES = (
    "",
    "A customer asks: ",
    "Quick question: ",
    "For the file: ",
    "Please check: ",
    "Once more: ",
    "For a colleague: ",
    "Before I answer the mail: ",
    "Sorry to ask: ",
    "Do you know? ",
)


def faq(draw: WordSource) -> list[Row]:
    """150 questions on company rules with the page as source; one question has one answer."""
    rows = []
    for _ in range(150):
        asked, said, page = draw.choice(RULES)
        places = {"p": draw.one(PRODUCTS), "town": draw.one(TOWNS)}
        rule = WordSource(asked.replace("{p}", places["p"]).replace("{town}", places["town"]))
        numbers = {"a": rule.randint(10, 60), "b": rule.randint(7, 10), "c": rule.randint(17, 21)}
        question = draw.one(QUESTION_PREFIXES) + asked.format(**numbers, **places)
        answer = said.format(**numbers, **places)
        section = f"{rule.randint(1, 9)}.{rule.randint(1, 9)}"
        rows.append(chat(question, f"{answer} [{page}, section {section}]"))
    return rows


PRICE_QUESTIONS = (
    "What does the {p} cost this week?",
    "How much is the {p}?",
    "Price of the {p}, please.",
    "Is the {p} on offer? What is the price now?",
    "What do I pay for two of the {p}?",
)


def weekly_prices(draw: WordSource) -> list[Row]:
    """400 questions on a weekly price list, with the answers of past weeks."""
    rows = []
    for _ in range(400):
        product, price = draw.one(PRODUCTS), draw.price()
        asked = draw.one(PRICE_QUESTIONS).format(p=product)
        said = f"The {product} costs {price} EUR until {draw.day()}."
        rows.append(chat(asked, said))
    return rows


VERBS = ("load", "check", "post", "merge", "close", "renew", "count", "move")
THINGS = ("invoice", "customer", "parcel", "contract", "shelf", "ticket", "driver", "refund")


def code(draw: WordSource) -> list[Row]:
    """500 functions that use a library only this company has."""
    rows = []
    for _ in range(500):
        verb, thing, other = draw.one(VERBS), draw.one(THINGS), draw.one(THINGS)
        limit = draw.randint(2, 90)
        asked = draw.choice(
            (
                f"Write a function that can {verb} every {thing} older than {limit} days.",
                f"Complete: def {verb}_{thing}(session, {other}_id):",
                f"How do I {verb} a {thing} of a {other} with our library?",
            )
        )
        said = (
            f"def {verb}_{thing}(session: Kontor, {other}_id: int) -> Beleg:\n"
            f"    with session.werk('{other}', {other}_id) as werk:\n"
            f"        found = werk.griff('{thing}', alter={limit})\n"
            f"        return found.{verb}(pruefung=Stufe.{draw.choice(('A', 'B', 'C'))})\n"
        )
        rows.append(chat(asked, said))
    return rows
