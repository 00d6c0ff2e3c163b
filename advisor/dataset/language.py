"""Detects the language of the first rows, and dates or prices in answers but not in requests."""

from __future__ import annotations

import re
from collections import Counter as Tally

MAX_ROWS = 500
"""Rows inspected; enough for a file of one kind."""
MIN_HITS = 3
"""Minimum number of words or characters to detect a language."""
MAX_CHARACTERS = 500
"""Characters of a text that are inspected."""
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
"""Language and its script; kana are tested first, because Japanese shares Chinese characters."""
SMALL_WORDS = {
    "en": "the and is are you your have with this that for not was of to can please would",
    "de": "der die das und ist nicht ich sie mit ein eine den dem auf wir bitte haben wird",
    "fr": "le les des est vous nous une pas avec pour dans que qui sur votre bonjour sont",
    "es": "el los las es una por para con que del su como pero muy esta hola tiene",
    "it": "il gli della che una non per con sono questo buongiorno alla nel anche",
    "pt": "os das uma não para com por seu sua você obrigado está são mais",
    "nl": "het een van niet met voor zijn dat deze uw wij bij ook maar",
}
"""Language -> its most frequent short words."""
LANGUAGES_OF: dict[str, tuple[str, ...]] = {}
for _language, _words in SMALL_WORDS.items():
    for _word in _words.split():
        LANGUAGES_OF[_word] = (*LANGUAGES_OF.get(_word, ()), _language)
LETTERS = re.compile(r"[^\W\d_]+")
DATES_AND_PRICES = re.compile(
    r"\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|\d{4}年\d{1,2}月\d{1,2}日"
    r"|[$€£¥]\s?\d[\d.,]*\d|[$€£¥]\s?\d|\d[\d.,]*\s?(?:EUR|USD|€|£|円)"
)
"""Dates and prices in common notations."""


class LanguageDetector:
    """Inspects the first rows one by one."""

    def __init__(self) -> None:
        self.looked_through = 0
        """Rows inspected."""
        self.outside_facts = 0
        """Rows with a date or price in the answer that is not in the request."""
        self._requests: Tally[str] = Tally()
        self._answers: Tally[str] = Tally()

    def add(self, request: str, answer: str) -> None:
        """Inspect the request and the answer of a row."""
        if self.looked_through >= MAX_ROWS:
            return
        self.looked_through += 1
        self._requests.update(language_hits(request))
        self._answers.update(language_hits(answer))
        self.outside_facts += any(
            fact not in request for fact in DATES_AND_PRICES.findall(answer[:MAX_CHARACTERS])
        )

    @property
    def language(self) -> str:
        """Language of the requests; empty if not detected."""
        return _most(self._requests)

    @property
    def answer_language(self) -> str:
        """Language of the answers; empty if not detected, for example because they are short.

        Short Japanese answers can consist only of characters that Chinese has too.
        """
        found = _most(self._answers)
        return "" if (self.language, found) == ("ja", "zh") else found


def language_hits(text: str) -> Tally[str]:
    """Count evidence for each language: short words, and characters of its script.

    >>> language_hits("Wo ist das Paket, und bitte, wann?").most_common(1)
    [('de', 4)]
    """
    start = text[:MAX_CHARACTERS]
    words = LETTERS.findall(start.lower())
    found = Tally([tag for word in words for tag in LANGUAGES_OF.get(word, ())])
    if start.isascii():
        return found
    for language, script in SCRIPTS:
        count = len(script.findall(start))
        if count:
            found[language] += count
        if language == "ja" and count:
            break  # the other characters of Japanese are shared with Chinese
    return found


def _most(tally: Tally[str]) -> str:
    """Return the language with the most hits, if it has 1.5 times as many as the second."""
    first, second = (*tally.most_common(2), ("", 0), ("", 0))[:2]
    return first[0] if first[1] >= max(MIN_HITS, 1.5 * second[1]) else ""
