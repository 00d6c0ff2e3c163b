"""Seeded names, days, amounts and products for the rows of the twelve datasets."""

from __future__ import annotations

import random

NAMES = (
    "Ana",
    "Ben",
    "Chloe",
    "Deniz",
    "Emil",
    "Farah",
    "Goran",
    "Hana",
    "Ivo",
    "Jana",
    "Kofi",
    "Lena",
    "Marek",
    "Nadia",
    "Otto",
    "Petra",
    "Quentin",
    "Rosa",
    "Samir",
    "Tilda",
    "Uwe",
    "Vera",
    "Wanda",
)
SURNAMES = (
    "Adler",
    "Brandt",
    "Conti",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Horvat",
    "Ivanov",
    "Jansen",
    "Keller",
    "Lindgren",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
    "Rossi",
    "Schmidt",
)
PRODUCTS = (
    "oak side table",
    "wool blanket",
    "enamel kettle",
    "linen shirt",
    "bicycle lamp",
    "desk fan",
    "cast iron pan",
    "rain jacket",
    "garden chair",
    "tea set",
    "reading lamp",
    "canvas bag",
    "pepper mill",
    "floor cushion",
    "bread knife",
    "picnic basket",
    "wall clock",
    "travel mug",
)
MONTHS = ("January", "March", "April", "June", "July", "September", "October", "November")
TOWNS = ("Lyon", "Graz", "Leeds", "Ghent", "Turin", "Porto", "Malmo", "Bremen", "Utrecht", "Brno")


class WordSource(random.Random):
    """Random words; the same seed gives the same words."""

    def one(self, texts: tuple[str, ...]) -> str:
        """Draw one of some texts."""
        return self.choice(texts)

    def number(self) -> str:
        """Draw an order number."""
        return str(self.randint(10_000, 99_999))

    def day(self) -> str:
        """Draw a day of the year."""
        return f"{self.randint(1, 28)} {self.one(MONTHS)}"

    def person(self) -> str:
        """Draw a full name."""
        return f"{self.one(NAMES)} {self.one(SURNAMES)}"

    def price(self, least: int = 4, most: int = 400) -> str:
        """Draw a sum with cents."""
        return f"{self.randint(least, most)}.{self.randint(0, 99):02d}"

    def filled(self, text: str) -> str:
        """Fill the places {n}, {d}, {p}, {who} and {town} of a text."""
        return text.format(
            n=self.number(),
            d=self.day(),
            p=self.one(PRODUCTS),
            who=self.one(NAMES),
            town=self.one(TOWNS),
        )
