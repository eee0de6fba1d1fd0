"""What may be shown to a person: text that cannot command a terminal, and colour if wanted."""

from __future__ import annotations

import os
import sys

from ..status import Severity

_COLOURS = {
    Severity.POSITIVE_COMPLETION: "32",
    Severity.POSITIVE_INTERMEDIATE: "36",
    Severity.TRANSIENT_NEGATIVE_COMPLETION: "33",
    Severity.PERMANENT_NEGATIVE_COMPLETION: "31",
    Severity.UNDEFINED: "35",
}
# Spaces that `str.isprintable` does not take for printable, but people write.
_SPACES = "\u00a0\u3000"


def harmless(text: str) -> str:
    r"""`text` with everything invisible, control characters and escapes above all, as "\x1b"."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in _SPACES else _escape(letter) for letter in text
    )


def _escape(letter: str) -> str:
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:  # surrogateescape: a byte that is not UTF-8
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def wants_colour() -> bool:
    """Whether standard output is a terminal and nobody objects (https://no-color.org)."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def coloured(text: str, severity: Severity) -> str:
    """`text` in the colour of a severity, for a terminal."""
    return f"\x1b[{_COLOURS[severity]}m{text}\x1b[0m"
