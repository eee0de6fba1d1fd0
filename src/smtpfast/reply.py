"""What parsing a reply gives: a line, a reply, a buffer of lines."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index

from .enhanced import EnhancedStatusCode, read_enhanced
from .errors import SmtpFastError
from .octets import octets
from .records import TYPE_CHECKING, NamedTuple
from .status import MEMBERS, NOT_DEFINED, Category, Severity, SmtpStatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final, overload

    from .octets import Octets

    # `collections.abc.Buffer` came with Python 3.12.
    Buffer = Any

MALFORMED = -1
# RFC 5321 section 4.5.3.1.5, line end included.
MAX_LINE_OCTETS: Final = 512

# What a reader may take for a line end or a terminal for an order: every control character but LF,
# and Unicode's own line ends. A space keeps the words apart and, unlike U+FFFD, needs no SMTPUTF8.
_MADE_SPACES: Final = dict.fromkeys(
    {*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029} - {ord("\n")}, " "
)


class _Verdict:
    """What a reply code and an enhanced status code say, whoever holds them."""

    __slots__ = ()

    if TYPE_CHECKING:

        @property
        def code(self) -> int: ...
        @property
        def enhanced(self) -> EnhancedStatusCode | None: ...

    @property
    def severity(self) -> Severity:
        """What the first digit says (RFC 5321 section 4.2.1)."""
        return Severity.of(self.code)

    @property
    def category(self) -> Category:
        """What the second digit says (RFC 5321 section 4.2.1)."""
        return Category.of(self.code)

    @property
    def is_positive(self) -> bool:
        """Whether the code is 2yz or 3yz."""
        return 200 <= self.code <= 399

    @property
    def is_transient(self) -> bool:
        """Whether the code is 4yz: the same may succeed later."""
        return 400 <= self.code <= 499

    @property
    def is_permanent(self) -> bool:
        """Whether the code is 5yz: the same will not succeed."""
        return 500 <= self.code <= 599

    @property
    def enhanced_class_mismatch(self) -> bool:
        """Whether there is an enhanced code of another class than the first digit (RFC 2034 4)."""
        return self.enhanced is not None and self.enhanced.class_ != self.code // 100


class _LineFields(NamedTuple):
    code: int
    status: SmtpStatusCode
    is_last: bool
    enhanced: EnhancedStatusCode | None
    text: str


class ReplyLine(_LineFields, _Verdict):
    """One line of a reply.

    code: 0–999, or -1 where the line does not begin with three ASCII digits.
    status: the code's member; `NOT_DEFINED` for a code without one, `GENERAL_FAILURE` for -1.
    is_last: False where a hyphen says that the reply goes on.
    enhanced: the enhanced status code, where RFC 2034 has one; else None.
    text: what follows, decoded as UTF-8 with surrogateescape; the whole line where code is -1.
    """

    __slots__ = ()


class _ReplyFields(NamedTuple):
    code: int
    status: SmtpStatusCode
    enhanced: EnhancedStatusCode | None
    lines: tuple[ReplyLine, ...]


class Reply(_ReplyFields, _Verdict):
    """One whole reply.

    code, status: those of the last line. RFC 5321 section 4.2.1 gives all lines the same code;
        where they differ, `has_mixed_codes` says so.
    enhanced: that of the last line that has one; else None.
    lines: one or more `ReplyLine`s.
    """

    __slots__ = ()

    @classmethod
    def of(
        cls, code: int, text: Octets = "", enhanced: EnhancedStatusCode | str | None = None
    ) -> Reply:
        r"""A reply for a server to give, exactly as a client will read it: see `to_bytes`.

        code: 200–599. text: anything, or nothing; "\n" separates lines, every other control
        character becomes a space, blanks around a line go, and a line that would be longer than
        512 octets is folded (RFC 5321 section 4.5.3.1.5): at a space where there is one, never
        within a letter. enhanced: the enhanced status code, which all lines get, or its dotted
        form; its class is the code's first digit, and 220 and 3yz have none (RFC 2034 section 4).
        Whatever contradicts this is a `SmtpFastError`; no text does.

        Without `enhanced`, one that a line of the text begins with is taken for it, the last if
        they differ, for that is how clients read it: so `smtp_code` and `smtp_error` of smtplib
        make a reply again. Where a line would be misread, since it begins with a code of another
        class or folding has put one there, the reply gets x.0.0, "other" (RFC 3463 section 3.1).
        """
        code = index(code)
        if not 200 <= code <= 599:
            raise SmtpFastError(f"reply code {code}: expected 200–599")
        if enhanced is not None and not isinstance(enhanced, EnhancedStatusCode):
            enhanced = EnhancedStatusCode.parse(enhanced)
        class_ = None if code == 220 or code // 100 == 3 else code // 100
        if enhanced is not None and enhanced.class_ != class_:
            raise SmtpFastError(f"enhanced status code {enhanced} in a reply with the code {code}")
        harmless = str(octets(text), "utf-8", "surrogateescape").translate(_MADE_SPACES)
        texts = [line.strip(" ") for line in harmless.split("\n")]
        if enhanced is None and class_ is not None:
            enhanced, texts = _enhanced_apart(texts, class_)
        status, pieces = MEMBERS.get(code, NOT_DEFINED), _folded(texts, enhanced)
        lines = [ReplyLine(code, status, False, enhanced, piece) for piece in pieces]
        lines[-1] = lines[-1]._replace(is_last=True)
        return cls(code, status, enhanced, tuple(lines))

    def to_bytes(self) -> bytes:
        r"""The reply as it goes over the wire, each line with its CRLF.

        Whoever made the reply, it goes out as `Reply.of(code, text, enhanced)` has it: one code and
        one enhanced code on all lines, no line of more than 512 octets, and no CR, LF or other
        control character but those of the line ends. A code or an enhanced code that `Reply.of`
        refuses is a `SmtpFastError`. As UTF-8, which a client without SMTPUTF8 may not expect;
        octets that were no UTF-8 when they were read are as they were.
        """
        wire = []
        for line in Reply.of(self.code, self.text, self.enhanced).lines:
            words = [str(line.enhanced)] if line.enhanced else []
            words += [line.text] if line.text else []
            # Section 4.2.1 wants the space where no text follows, too.
            wire.append(f"{line.code}{' ' if line.is_last else '-'}{' '.join(words)}\r\n")
        return octets("".join(wire))

    @property
    def text(self) -> str:
        r"""The lines' texts, joined with "\n"."""
        return "\n".join([line.text for line in self.lines])

    @property
    def has_mixed_codes(self) -> bool:
        """Whether the lines' reply codes differ, which RFC 5321 section 4.2.1 forbids."""
        return any(line.code != self.code for line in self.lines)

    @property
    def has_mixed_enhanced_codes(self) -> bool:
        """Whether lines bear different enhanced codes; lines without one do not count."""
        return any(line.enhanced not in (None, self.enhanced) for line in self.lines)


def _enhanced_apart(texts: list[str], class_: int) -> tuple[EnhancedStatusCode | None, list[str]]:
    """The enhanced code that a client would read in a reply of these texts, and the rest of them.

    One of x.0.0 where it would read what is none.
    """
    found = [each for each in map(_enhanced_in_front, texts) if each and each.class_ == class_]
    if found:
        apart = [
            text.partition(" ")[2].lstrip(" ") if _enhanced_in_front(text) == found[-1] else text
            for text in texts
        ]
        return found[-1], apart
    is_misread = any(map(_enhanced_in_front, _folded(texts, None)))
    return EnhancedStatusCode(class_, 0, 0) if is_misread else None, texts


def _enhanced_in_front(text: str) -> EnhancedStatusCode | None:
    return read_enhanced(octets(text.partition(" ")[0]))


def _folded(texts: list[str], enhanced: EnhancedStatusCode | None) -> list[str]:
    """The texts, in pieces that have room on a line behind the codes."""
    # Three digits, a separator, CRLF.
    room = MAX_LINE_OCTETS - 6 - (len(f"{enhanced} ") if enhanced else 0)
    return [piece for text in texts for piece in _pieces(octets(text), room)]


def _pieces(text: bytes, room: int) -> Iterator[str]:
    """A text without blanks around it, in pieces of at most `room` octets without such."""
    start = 0
    while len(text) - start > room:
        end = text.rfind(b" ", start, start + room + 1)
        if end < 0:
            # A letter of UTF-8 has at most three octets, 10xxxxxx each, behind its first.
            ends = range(start + room, start + room - 4, -1)
            end = next((at for at in ends if text[at] & 0xC0 != 0x80), ends[0])
        yield text[start:end].rstrip(b" ").decode("utf-8", "surrogateescape")
        start = end
        while text[start : start + 1] == b" ":
            start += 1
    yield text[start:].decode("utf-8", "surrogateescape")


class ReplyLines(Sequence[ReplyLine]):
    """A buffer of reply lines in columns, one row a line.

    Each column is a read-only, contiguous `memoryview` of one dimension, which NumPy and Arrow
    read without a copy:

    code: int16 ("h"), -1 for a malformed line.
    is_last: bool ("?").
    enhanced: int32 ("i"), class × 1,000,000 + subject × 1,000 + detail; 0 for none.
    text_start, text_end: int64 ("q"), byte offsets of the text in `data`.

    `data` is the buffer itself, without a copy: as long as the object lives, a bytearray cannot
    be resized, and whoever changes its bytes changes the texts. Indexing gives a `ReplyLine`,
    slicing another `ReplyLines` over the same memory.
    """

    __slots__ = ("code", "data", "enhanced", "is_last", "text_end", "text_start")

    def __init__(
        self,
        data: memoryview,
        code: memoryview,
        is_last: memoryview[bool],
        enhanced: memoryview,
        text_start: memoryview,
        text_end: memoryview,
    ) -> None:
        self.data = data
        self.code = code
        self.is_last = is_last
        self.enhanced = enhanced
        self.text_start = text_start
        self.text_end = text_end

    @classmethod
    def of(cls, data: Buffer, *columns: Buffer) -> ReplyLines:
        """The lines of `data` from the raw memory of the columns, which must be contiguous."""
        code, is_last, enhanced, text_start, text_end = (
            memoryview(column).cast("B").toreadonly() for column in columns
        )
        return cls(
            memoryview(data),
            code.cast("h"),
            is_last.cast("?"),
            enhanced.cast("i"),
            text_start.cast("q"),
            text_end.cast("q"),
        )

    def __len__(self) -> int:
        return len(self.code)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> ReplyLine: ...
        @overload
        def __getitem__(self, index: slice) -> ReplyLines: ...

    def __getitem__(self, index: int | slice) -> ReplyLine | ReplyLines:
        if isinstance(index, slice):
            return ReplyLines(
                self.data,
                self.code[index],
                self.is_last[index],
                self.enhanced[index],
                self.text_start[index],
                self.text_end[index],
            )
        text = self.data[self.text_start[index] : self.text_end[index]]
        return ReplyLine(
            self.code[index],
            MEMBERS.get(self.code[index], NOT_DEFINED),
            self.is_last[index],
            EnhancedStatusCode.from_int(self.enhanced[index]),
            str(text, "utf-8", "surrogateescape"),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReplyLines):
            return NotImplemented
        return len(self) == len(other) and all(map(ReplyLine.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # the buffer may change

    def __repr__(self) -> str:
        return f"<ReplyLines: {len(self)} lines of {self.data.nbytes} bytes>"

    def __reduce__(self) -> tuple[Callable[..., ReplyLines], tuple[bytes, ...]]:
        columns = self.code, self.is_last, self.enhanced, self.text_start, self.text_end
        return ReplyLines.of, (bytes(self.data), *(bytes(column) for column in columns))
