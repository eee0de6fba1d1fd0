"""What parsing a reply gives: a line, a reply, a buffer of lines."""

from __future__ import annotations

from collections.abc import Sequence

from .enhanced import EnhancedStatusCode
from .records import TYPE_CHECKING, NamedTuple
from .status import MEMBERS, NOT_DEFINED, Category, Severity, SmtpStatusCode

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, overload

    # `collections.abc.Buffer` came with Python 3.12.
    Buffer = Any

MALFORMED = -1


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
