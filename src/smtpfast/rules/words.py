"""What phrases are looked for in: the words of a reply's text, without names and addresses.

The text is read as UTF-8; a byte that is none counts as the Latin-1 letter that it would be. Words
are compared without case and accents. What belongs to an address is never seen, what belongs to a
host name, a URL or another dotted word is kept apart.
"""

from __future__ import annotations

import re
import unicodedata

from ..records import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Final

# No more of a text is read: as much as one line of `ReplyParser`, many times what servers send.
MAX_TEXT_BYTES: Final = 16_384
# RFC 5321 section 4.5.3.1: 64 octets of local part, 255 of domain; what is longer is no address.
_MAX_ADDRESS_PART: Final = 255

# Letters of alphabets (U+07FF is the last of two bytes in UTF-8), with the surrogates that stand
# for stray bytes; signs that are a word each (kana, Han, Hangul); all else separates.
_LETTER: Final = r"0-9A-Za-z\u00c0-\u1fff\udcc0-\udcff"
_SIGN: Final = r"[\u3040-\ud7ff]"
WORD: Final = re.compile(rf"[{_LETTER}]+|{_SIGN}")
_SPACE: Final = r"\x00-\x20\x7f"
# What may be part of an address, a host name or a path: atext of RFC 5322 section 3.2.3 and more.
_RUN: Final = rf"[{_LETTER}!#$%&'*+./=?@^_`{{|}}~-]"
_INNER_DOT: Final = re.compile(rf"[{_LETTER}]\.[{_LETTER}]")
_SENTENCE_END: Final = re.compile(rf"[.!?;][{_SPACE}]|[\u3002\uff01\uff1b\uff1f]")
_PIECE: Final = re.compile(
    rf"<[^<>@]{{0,{_MAX_ADDRESS_PART}}}@[^<>]{{0,{_MAX_ADDRESS_PART}}}>"
    rf"|\"[^\"@<>]{{0,{_MAX_ADDRESS_PART}}}\"@{_RUN}*"
    rf"|(?P<url>{_RUN}*+://[^{_SPACE}<>\"]*)"
    rf"|(?P<run>{_RUN}+)"
    rf"|(?P<sign>{_SIGN})"
)
_SUFFIXED_NUMBER: Final = re.compile(r"[0-9]+([a-z]+)")


class Word(NamedTuple):
    """A word of a text: `key` as rules know it, and where it stands in the text.

    An empty key stands for what no phrase may cross: the end of a sentence or of a name.
    """

    key: str
    start: int
    end: int


BOUNDARY: Final = Word("", 0, 0)


# What Unicode does not take apart, in as many bytes of UTF-8 at most.
_PLAIN: Final = {
    "æ": "ae",
    "ð": "d",
    "ø": "o",
    "þ": "th",
    "đ": "d",
    "ħ": "h",
    "ı": "i",
    "ł": "l",
    "œ": "oe",
    "ŧ": "t",
    "ŋ": "n",
}
# Letters of two bytes, and Latin (Vietnamese) and Greek ones of three.
FOLDED_RANGES: Final = (range(0xC0, 0x800), range(0x1E00, 0x2000))


def _folded(letter: str) -> str:
    """Without case and accents; nothing is left of an accent by itself."""
    parts = unicodedata.normalize("NFD", letter.casefold())
    return "".join(_PLAIN.get(part, part) for part in parts if not unicodedata.combining(part))


def _fold_table() -> dict[int, str]:
    """Every letter that is compared as something else, which has two bytes of UTF-8 at most."""
    table = {code: chr(code + 32) for code in range(ord("A"), ord("Z") + 1)}
    for code in (code for some in FOLDED_RANGES for code in some):
        letter = _folded(chr(code))
        if letter != chr(code) and len(letter.encode()) <= 2:
            table[code] = letter
    for byte in range(0xC0, 0x100):
        table[0xDC00 + byte] = table.get(byte, chr(byte))
    return table


FOLD: Final = _fold_table()


def fold(word: str) -> str:
    """`word` without case and accents."""
    return word.translate(FOLD)


def number_class(key: str) -> str:
    """`#` for a number, `#min` for one with letters behind it ("5min"), "" for another word."""
    if key.isdecimal() and key.isascii():
        return "#"
    match = _SUFFIXED_NUMBER.fullmatch(key)
    return f"#{match[1]}" if match else ""


class Words(NamedTuple):
    """The words of a text, in order, with boundaries between them.

    plain: of sentences. hosts: of host names and other dotted words. urls: of URLs.
    """

    plain: list[Word]
    hosts: list[Word]
    urls: list[Word]


def words_of(text: str, code: int = -1) -> Words:
    """The words of a text that is decoded with surrogateescape.

    Numbers that repeat the reply code `code` do not count: a log has joined lines there, with the
    letter that Exim writes for a line end or without.
    """
    words = Words([], [], [])
    repeated = f"{code:03}"
    seen_to = 0
    for piece in _PIECE.finditer(text):
        run = piece["run"] or piece["sign"]
        if piece["url"] or (run and "@" not in run and _INNER_DOT.search(run)):
            names = words.urls if "/" in piece[0] else words.hosts
            names += _keyed(text, piece)
            names.append(BOUNDARY)
        elif run and "@" not in run:
            for word in _keyed(text, piece):
                is_line_end = text[word.start - 1 : word.start] == "\\"
                if word.key == repeated or (is_line_end and word.key == f"n{repeated}"):
                    continue
                if _SENTENCE_END.search(text, seen_to, word.start):
                    words.plain.append(BOUNDARY)
                words.plain.append(word)
                seen_to = word.end
    return words


def _keyed(text: str, piece: re.Match[str]) -> Iterator[Word]:
    for match in WORD.finditer(text, *piece.span()):
        key = fold(match[0])
        if key:
            yield Word(key, *match.span())
