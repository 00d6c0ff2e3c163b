"""The first rows of a dataset -> their languages, and facts in answers that nobody was told."""

from __future__ import annotations

import re
from collections import Counter as Tally

MAX_ROWS = 500
"""Rows that are looked through; what they show holds for a file of one kind."""
MIN_HITS = 3
"""Fewer words or characters of a language than this show nothing."""
MAX_CHARACTERS = 500
"""How much of a text is looked at."""
SCRIPTS = (
    ("ja", re.compile("[\u3041-\u30ff]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("ar", re.compile("[\u0600-\u06ff]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
)
"""Language that most often uses a script; kana are looked for before the characters they share."""
SMALL_WORDS = {
    "en": "the and is are you your have with this that for not was of to can please would",
    "de": "der die das und ist nicht ich sie mit ein eine den dem auf wir bitte haben wird",
    "fr": "le les des est vous nous une pas avec pour dans que qui sur votre bonjour sont",
    "es": "el los las es una por para con que del su como pero muy esta hola tiene",
    "it": "il gli della che una non per con sono questo buongiorno alla nel anche",
    "pt": "os das uma não para com por seu sua você obrigado está são mais",
    "nl": "het een van niet met voor zijn dat deze uw wij bij ook maar",
}
"""Language -> small words that its texts are full of."""
LANGUAGES_OF: dict[str, tuple[str, ...]] = {}
for _language, _words in SMALL_WORDS.items():
    for _word in _words.split():
        LANGUAGES_OF[_word] = (*LANGUAGES_OF.get(_word, ()), _language)
LETTERS = re.compile(r"[^\W\d_]+")
DATES_AND_PRICES = re.compile(
    r"\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\d{4}年\d{1,2}月\d{1,2}日"
    r"|[$€£¥]\s?\d[\d.,]*\d|[$€£¥]\s?\d|\d[\d.,]*\s?(?:EUR|USD|€|£|円)"
)
"""Dates and prices as people write them."""


class LanguageDetector:
    """Looks through the first rows, one by one."""

    def __init__(self) -> None:
        self.looked_through = 0
        """Rows looked through."""
        self.outside_facts = 0
        """Rows whose answer holds a date or a price that the request does not hold."""
        self._asked: Tally[str] = Tally()
        self._answered: Tally[str] = Tally()

    def add(self, asked: str, answered: str) -> None:
        """Look at the request and the answer of a row."""
        if self.looked_through >= MAX_ROWS:
            return
        self.looked_through += 1
        self._asked.update(language_hits(asked))
        self._answered.update(language_hits(answered))
        self.outside_facts += any(
            fact not in asked for fact in DATES_AND_PRICES.findall(answered[:MAX_CHARACTERS])
        )

    @property
    def language(self) -> str:
        """Language of the requests; empty where they show none."""
        return _most(self._asked)

    @property
    def answer_language(self) -> str:
        """Language of the answers; empty where they show none, as short ones may.

        Japanese answers of a few characters can have only those that Chinese has too.
        """
        found = _most(self._answered)
        return "" if (self.language, found) == ("ja", "zh") else found


def language_hits(text: str) -> Tally[str]:
    """Count what tells a language: small words, and characters of a script.

    >>> language_hits("Wo ist das Paket, und bitte, wann?").most_common(1)
    [('de', 4)]
    """
    some = text[:MAX_CHARACTERS]
    words = LETTERS.findall(some.lower())
    found = Tally([one for word in words for one in LANGUAGES_OF.get(word, ())])
    if some.isascii():
        return found
    for language, script in SCRIPTS:
        count = len(script.findall(some))
        if count:
            found[language] += count
        if language == "ja" and count:
            break  # its other characters are Chinese ones
    return found


def _most(tally: Tally[str]) -> str:
    """Return the language with the most hits, if it leads by half."""
    first, second = (*tally.most_common(2), ("", 0), ("", 0))[:2]
    return first[0] if first[1] >= max(MIN_HITS, 1.5 * second[1]) else ""
