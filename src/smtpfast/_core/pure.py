"""What is right: the core's functions in Python, and the only documentation of both cores."""

from __future__ import annotations

from array import array
from functools import partial
from io import BytesIO
from itertools import chain
from operator import index

from ..enhanced import WRITTEN, EnhancedStatusCode, read_enhanced
from ..errors import ReplySyntaxError, ReplyTooLarge, SmtpFastError
from ..octets import Octets, octets
from ..records import TYPE_CHECKING
from ..registry import SUBJECTS
from ..reply import MALFORMED, Reply, ReplyLine, ReplyLines
from ..status import MEMBERS, NOT_DEFINED, Category, Severity, describe_unregistered

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final, NoReturn

    from ..status import SmtpStatusCode

# As much as real servers need, several times over: RFC 5321 section 4.5.3.1.5 gives a line 512
# octets, and nothing a limit to the lines of a reply.
MAX_LINE_BYTES: Final = 16_384
MAX_LINES: Final = 2_000
MAX_REPLY_BYTES: Final = 131_072

# RFC 5321 section 4.2, as servers write it: three digits and no fourth, then a hyphen (the reply
# goes on), a space, a TAB or nothing, then the text.
_CODES: Final = {b"%03d" % code: code for code in range(1000)}
_SEPARATORS: Final = frozenset((b" ", b"-", b"\t"))
# RFC 2034 section 4: enhanced status codes stand in 2yz, 4yz and 5yz replies but the greeting.
_WITH_ENHANCED: Final = frozenset({*range(200, 300), *range(400, 600)} - {220})

_make_line: Final = partial(tuple.__new__, ReplyLine)

# What `find_enhanced` looks for: first at the very start, where anything but more of a number or
# an address may follow; then wherever it is no part of a word, number, address, host name or path,
# though it may follow the code of another line that a log has joined: "550-5.7.1 a 550 5.7.1 b".
_LOOSE: Final = rb"([245])\.([0-9]{1,3})\.([0-9]{1,3})"
_IN_FRONT: Final = rb"[ \t]*%b(?![0-9@]|\.\w)" % _LOOSE
_FREE: Final = rb"(?:(?<![\w.@/\\+-])|(?<=\s[245][0-9]{2}-)|(?<=\A[245][0-9]{2}-))"
_ANYWHERE: Final = rb"%b%b(?![\w@/\\+-]|\.\w)" % (_FREE, _LOOSE)
_IN_URL: Final = rb"://\S*"


def lookup(code: int, /) -> SmtpStatusCode:
    """The member of a reply code; `SmtpStatusCode.NOT_DEFINED` for any int without one.

    Takes any int, however large; what is no integer is a `TypeError`.
    """
    return MEMBERS.get(index(code), NOT_DEFINED)


def describe(code: int, /, language: str = "en") -> str:
    """What a reply code means, in "en" or "ru"; another language is a `SmtpFastError`.

    Takes any int; one without a member is described by its severity and its category.
    """
    code = index(code)
    member = MEMBERS.get(code)
    if member is None:
        return describe_unregistered(Severity.of(code), Category.of(code), language)
    return member.describe(language)


def classify(line: Octets, /) -> ReplyLine:
    r"""The parts of one reply line, with or without a line end (any CR and LF at its end).

    Takes bytes, bytearray, memoryview or str; another type is a `TypeError`. Never raises on
    content: what does not begin with three ASCII digits (and no fourth) has the code -1, the
    status `GENERAL_FAILURE` and the whole line, less its line end, as its text.
    """
    content = (line if type(line) is bytes else octets(line)).rstrip(b"\r\n")
    code = _CODES.get(content[:3], MALFORMED)
    separator = content[3:4]
    is_last, enhanced = True, None
    if separator in _SEPARATORS and code != MALFORMED:
        is_last, text = separator != b"-", content[4:]
        # RFC 2034 section 4: it stands first in the text, with one or more spaces behind it.
        if text[1:2] == b"." and code in _WITH_ENHANCED:
            word, _, rest = text.partition(b" ")
            if 0x09 in word:
                word, _, rest = text.partition(b"\t")
            enhanced = WRITTEN.get(word) or read_enhanced(word)
            if enhanced is not None:
                text = rest.lstrip(b" \t")
    elif code == MALFORMED or separator.isdigit():
        code, text = MALFORMED, content
    else:
        text = content[3:]
    status = MEMBERS.get(code, NOT_DEFINED)
    return _make_line((code, status, is_last, enhanced, text.decode("utf-8", "surrogateescape")))


def classify_many(lines: Iterable[Octets], /) -> list[ReplyLine]:
    """`classify` for each of some lines; a single str or buffer is a `TypeError`."""
    if isinstance(lines, str | bytes | bytearray | memoryview):
        raise TypeError(f"expected an iterable of lines, not {type(lines).__name__}")
    return [classify(line) for line in lines]


def classify_lines(data: Octets, /) -> ReplyLines:
    """All reply lines of a buffer, in columns: see `ReplyLines`; each line as `classify` has it.

    Takes what `classify` takes, and anything else with the buffer protocol (mmap, array). LF
    ends a line; a last line without one counts, a blank line is a malformed line. The columns
    take 23 bytes a line, the buffer is not copied unless it is a str or not contiguous.
    """
    view = view_of(data)
    columns = [array(typecode) for typecode in ("h", "b", "i", "q", "q")]
    start = 0
    for whole in BytesIO(view):
        line = classify(whole)
        end = start + len(whole.rstrip(b"\r\n"))
        text_start = end - len(octets(line.text))
        row = (line.code, line.is_last, int(line.enhanced or 0), text_start, end)
        for column, value in zip(columns, row, strict=True):
            column.append(value)
        start += len(whole)
    return ReplyLines.of(view, *columns)


def find_enhanced(text: Octets, /) -> EnhancedStatusCode | None:
    """The first enhanced status code that stands anywhere in a text, however it is written.

    For meaning and logs, where servers write "#5.1.1", "(#5.7.1)" at the end, "5.1.1:", "[5.1.1]"
    or "5.7.1."; `classify` never guesses so. Leading zeros are dropped. Parts of addresses, host
    names, URLs, IP addresses and longer numbers do not count, nor do subjects that IANA's registry
    lacks, since versions of software look like them.
    """
    import re  # here, for it takes as long to load as all of smtpfast

    data = re.sub(_IN_URL, b"://", octets(text))
    in_front = re.match(_IN_FRONT, data)
    for match in chain([in_front] if in_front else [], re.finditer(_ANYWHERE, data)):
        class_, subject, detail = map(int, match.groups())
        if subject in SUBJECTS:
            return EnhancedStatusCode(class_, subject, detail)
    return None


class StreamState:
    """What `ReplyParser` keeps between two calls, and the work of one."""

    __slots__ = (
        "_failed",
        "_lines",
        "_partial",
        "_size",
        "max_line_bytes",
        "max_lines",
        "max_reply_bytes",
    )

    def __init__(
        self,
        *,
        max_line_bytes: int = MAX_LINE_BYTES,
        max_lines: int = MAX_LINES,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> None:
        self.max_line_bytes = limit("max_line_bytes", max_line_bytes)
        self.max_lines = limit("max_lines", max_lines)
        self.max_reply_bytes = limit("max_reply_bytes", max_reply_bytes)
        self.reset()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a parser belongs to its connection: it can be neither copied nor pickled")

    def reset(self) -> None:
        """Forget all input: for a new connection, after an error, and after STARTTLS."""
        self._partial = bytearray()  # of a line
        self._lines: list[ReplyLine] = []  # of a reply
        self._size = 0  # of those lines, in octets
        self._failed = False

    def close(self) -> bool:
        """The input has ended: whether that, or an error, cut a reply short. Also resets."""
        was_cut = self._failed or self.buffered > 0
        self.reset()
        return was_cut

    @property
    def buffered(self) -> int:
        """How many octets of an unfinished reply have arrived.

        Look at it when the 220 to STARTTLS has come: unless it is 0, and `feed` returned nothing
        behind that 220, somebody has put plaintext in front of the TLS session, and it must not
        be read as if it came through TLS (CVE-2011-0411 and its kin). Close the connection.
        """
        return self._size + len(self._partial)

    def feed(self, data: Octets, /) -> list[Reply]:
        """All replies that `data` completes, in order; often none, with pipelining many.

        Raises `ReplySyntaxError` for a line without a reply code and `ReplyTooLarge` beyond a
        limit. Both hold the replies that this call had completed (`error.replies`); after them
        the session is out of step, and `feed` raises `SmtpFastError` until `reset`.
        """
        data = octets(data)
        if self._failed:
            raise SmtpFastError("the parser met an error before: reset() it first")
        replies: list[Reply] = []
        start = 0
        self._failed = True
        while True:
            end = data.find(b"\n", start) + 1
            length = len(self._partial) + (end or len(data)) - start
            room = self.max_reply_bytes - self._size
            if length > self.max_line_bytes <= room:
                raise ReplyTooLarge("max_line_bytes", self.max_line_bytes, replies)
            if length > room:
                raise ReplyTooLarge("max_reply_bytes", self.max_reply_bytes, replies)
            if not end:
                self._partial += data[start:]
                break
            raw = bytes(self._partial) + data[start:end]
            self._partial.clear()
            line = classify(raw)
            if line.code == MALFORMED:
                raise ReplySyntaxError(raw, replies)
            self._lines.append(line)
            self._size += length
            if line.is_last:
                replies.append(_join(self._lines))
                self._lines.clear()
                self._size = 0
            elif len(self._lines) >= self.max_lines:
                raise ReplyTooLarge("max_lines", self.max_lines, replies)
            start = end
        self._failed = False
        return replies


def limit(name: str, value: int) -> int:
    """A limit as `StreamState` holds it: a positive int, cut to what a C int can hold."""
    value = index(value)
    if value < 1:
        raise SmtpFastError(f"{name}={value}: expected a positive number")
    return min(value, 2**31 - 1)


def _join(lines: list[ReplyLine]) -> Reply:
    """The reply of these lines: the last one's code, the last enhanced code that there is."""
    enhanced = next((line.enhanced for line in reversed(lines) if line.enhanced), None)
    return Reply(lines[-1].code, lines[-1].status, enhanced, tuple(lines))


def view_of(data: Octets) -> memoryview:
    """A contiguous view of bytes, without a copy where that can be."""
    if isinstance(data, str):
        data = octets(data)
    try:
        view = memoryview(data)
    except TypeError:
        return memoryview(octets(data))
    return view.cast("B") if view.c_contiguous else memoryview(bytes(view))
