"""Where a reply line departs from the RFCs: what classify() forgives, by name."""

from __future__ import annotations

from ._core import classify, find_enhanced
from .enhanced import read_enhanced
from .octets import octets
from .records import TYPE_CHECKING
from .reply import MALFORMED
from .status import DescribedName

if TYPE_CHECKING:
    from typing import Final

    from .octets import Octets

# RFC 5321 section 4.5.3.1.5, line end included.
_MAX_LINE_OCTETS: Final = 512
# RFC 5321 section 4.2: Reply-code = %x32-35 %x30-35 %x30-39.
_CODE: Final = rb"[2-5][0-5][0-9]"
# Three parts, not the four of an IP address.
_LIKE_ENHANCED: Final = rb"[0-9]\.[0-9]+\.[0-9]+(?!\.?[0-9])"
# RFC 5321 section 4.2: textstring = 1*(%d09 / %d32-126). CR, LF and 8-bit octets go by themselves.
_CONTROL: Final = rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
_EIGHT_BIT: Final = rb"[\x80-\xff]"


class Defect(DescribedName):
    """A departure of a reply line from RFC 5321, 2034 or 3463."""

    CODE_MISSING = (
        "code_missing",
        "The line does not begin with three digits and no fourth.",
        "Строка не начинается ровно с трёх цифр.",
    )
    CODE_OUTSIDE_GRAMMAR = (
        "code_outside_grammar",
        "The first digit is not 2–5 or the second is not 0–5 (RFC 5321 section 4.2).",
        "Первая цифра не из 2–5 или вторая не из 0–5 (RFC 5321, раздел 4.2).",
    )
    SEPARATOR_MISSING = (
        "separator_missing",
        "Neither a space nor a hyphen follows the code (RFC 5321 section 4.2.1).",
        "После кода нет ни пробела, ни дефиса (RFC 5321, раздел 4.2.1).",
    )
    TAB_SEPARATOR = (
        "tab_separator",
        "A TAB stands where a space or a hyphen belongs (RFC 5321 section 4.2).",
        "На месте пробела или дефиса стоит табуляция (RFC 5321, раздел 4.2).",
    )
    BARE_LF = (
        "bare_lf",
        "The line ends with LF alone (RFC 5321 section 2.3.8).",
        "Строка кончается одним LF без CR (RFC 5321, раздел 2.3.8).",
    )
    EXTRA_CR = (
        "extra_cr",
        "More than one CR stands before the LF (RFC 5321 section 2.3.8).",
        "Перед LF стоит больше одного CR (RFC 5321, раздел 2.3.8).",
    )
    CR_WITHOUT_LF = (
        "cr_without_lf",
        "A CR without its LF (RFC 5321 section 2.3.8).",
        "Символ CR без следующего за ним LF (RFC 5321, раздел 2.3.8).",
    )
    LF_IN_LINE = (
        "lf_in_line",
        "An LF stands inside the line, so it is more than one line.",
        "Внутри строки есть LF: строк на самом деле несколько.",
    )
    LINE_TOO_LONG = (
        "line_too_long",
        "The line has more than 512 octets with its CRLF (RFC 5321 section 4.5.3.1.5).",
        "В строке вместе с CRLF больше 512 байт (RFC 5321, раздел 4.5.3.1.5).",
    )
    CONTROL_CHARACTER = (
        "control_character",
        "A control character other than TAB (RFC 5321 section 4.2).",
        "Управляющий символ, кроме табуляции (RFC 5321, раздел 4.2).",
    )
    EIGHT_BIT = (
        "eight_bit",
        "An octet above 127; only an SMTPUTF8 session allows that (RFC 6531 section 3.7.4).",
        "Байт больше 127; это допустимо только в сеансе SMTPUTF8 (RFC 6531, раздел 3.7.4).",
    )
    INVALID_UTF8 = (
        "invalid_utf8",
        "Octets above 127 that are not UTF-8 (RFC 6531 section 3.7.4).",
        "Байты больше 127, не образующие UTF-8 (RFC 6531, раздел 3.7.4).",
    )
    ENHANCED_CLASS_MISMATCH = (
        "enhanced_class_mismatch",
        "The enhanced code's class is not the first digit of the code (RFC 2034 section 4).",
        "Класс расширенного кода не совпадает с первой цифрой кода (RFC 2034, раздел 4).",
    )
    ENHANCED_NOT_ALLOWED = (
        "enhanced_not_allowed",
        "An enhanced code in a reply that is not 2yz, 4yz or 5yz (RFC 2034 section 4).",
        "Расширенный код в ответе не из 2yz, 4yz, 5yz (RFC 2034, раздел 4).",
    )
    ENHANCED_MALFORMED = (
        "enhanced_malformed",
        "Like an enhanced code, but with another class, a leading zero, too many digits or the"
        " wrong thing behind it (RFC 3463 section 2, RFC 2034 section 4).",
        "Похоже на расширенный код, но класс другой, есть ведущий ноль, лишние цифры или после"
        " него стоит не то (RFC 3463, раздел 2; RFC 2034, раздел 4).",
    )
    ENHANCED_MISPLACED = (
        "enhanced_misplaced",
        "An enhanced code that does not stand directly before the text (RFC 2034 section 4).",
        "Расширенный код стоит не сразу перед текстом (RFC 2034, раздел 4).",
    )


def find_defects(line: Octets, /) -> tuple[Defect, ...]:
    """Every departure of one reply line from the RFCs, in the order of `Defect`, without repeats.

    Takes what `classify` takes. A line without a line end is taken as ending with CRLF, and
    nothing is expected of a line's place in a reply or in a session.
    """
    import re  # here, for it takes as long to load as all of smtpfast

    data = octets(line)
    content = data.removesuffix(b"\n").rstrip(b"\r")
    line_end = data[len(content) :]
    found = {
        Defect.BARE_LF: line_end == b"\n",
        Defect.EXTRA_CR: len(line_end) > 2 and line_end[-1:] == b"\n",
        Defect.CR_WITHOUT_LF: re.search(rb"\r(?!\n)", content) is not None
        or line_end[-1:] == b"\r",
        Defect.LF_IN_LINE: b"\n" in content,
        Defect.LINE_TOO_LONG: len(content) + max(2, len(line_end)) > _MAX_LINE_OCTETS,
        Defect.CONTROL_CHARACTER: re.search(_CONTROL, content) is not None,
        Defect.EIGHT_BIT: re.search(_EIGHT_BIT, content) is not None,
        Defect.INVALID_UTF8: not is_utf8(content),
    }
    parsed = classify(data)
    if parsed.code == MALFORMED:
        found[Defect.CODE_MISSING] = True
    else:
        separator = content[3:4]
        has_separator = separator in (b" ", b"-", b"\t")
        text = content[4 if has_separator else 3 :]
        behind = text.removeprefix(str(parsed.enhanced).encode()) if parsed.enhanced else b""
        found[Defect.CODE_OUTSIDE_GRAMMAR] = re.match(_CODE, content) is None
        found[Defect.SEPARATOR_MISSING] = not has_separator
        found[Defect.TAB_SEPARATOR] = separator == b"\t" or behind.startswith(b"\t")
        found[Defect.ENHANCED_CLASS_MISMATCH] = parsed.enhanced_class_mismatch
        # The text of a greeting begins with the server's name, which may look like anything.
        if parsed.enhanced is None and parsed.code != 220:
            if parsed.code // 100 not in (2, 4, 5):
                word = re.split(rb"[ \t]", text, maxsplit=1)[0]
                found[Defect.ENHANCED_NOT_ALLOWED] = read_enhanced(word) is not None
            elif re.match(_LIKE_ENHANCED, text):
                found[Defect.ENHANCED_MALFORMED] = True
            else:
                found[Defect.ENHANCED_MISPLACED] = find_enhanced(text) is not None
    return tuple(defect for defect in Defect if found.get(defect))


def is_utf8(data: bytes) -> bool:
    """Whether `data` is valid UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
