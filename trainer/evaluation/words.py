"""Text -> its words; in scripts that put no spaces between words, its characters."""

from __future__ import annotations

import re
import unicodedata

# Thai, Lao, Burmese, Khmer, kana, Han: each character counts as a word
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003ffff"
)
# signs that belong to the letter before them, which `\w` leaves out
MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
WORD = re.compile(f"[{UNSPACED}]|(?:(?![{UNSPACED}_])[\\w{MARKS}])+")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


def words(text: str) -> list[str]:
    """Return the words of a text in order, in small letters, without punctuation.

    >>> words("Don't STOP, 东京!")
    ['don', 't', 'stop', '东', '京']
    """
    return WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def folded(text: str) -> list[str]:
    """Return the words of a text with every number as 0, so that only the wording is compared.

    A text without a word is one word itself, so that a lone emoji is still told from another.

    >>> folded("Order 12 of 1,300.50 USD"), folded("?!")
    (['order', '0', 'of', '0', 'usd'], ['?!'])
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return WORD.findall(NUMBER.sub("0", plain)) or [plain.strip()]
