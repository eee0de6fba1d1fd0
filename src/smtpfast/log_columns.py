"""Records of mail logs in columns, in the memory layout of Arrow.

https://arrow.apache.org/docs/format/Columnar.html: "Variable-size Binary Layout" with 32-bit
offsets for texts, "Fixed-Size Primitive Layout" for numbers, validity bitmaps.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from .log_record import MTAS, Event, LogRecord
from .reasons import Disposition, Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .reply import Buffer

# The columns by what they hold; file is the same for all rows.
TEXTS: Final = (
    *("host", "process", "queue_id", "sender", "recipient", "recipient_domain", "relay_host"),
    *("relay_ip", "status", "enhanced", "dsn", "stage", "text", "blocklist", "provider"),
    "problem",
)
# With the type codes of the module `array`; "?" stands for bool, as in `memoryview`.
NUMBERS: Final = {
    "time": "q",
    "relay_port": "i",
    "delay": "d",
    "code": "h",
    "retry_after": "i",
    "line": "q",
    "time_is_local": "?",
}
MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    "mta": MTAS,
    "event": tuple(Event),
    "reason": tuple(Reason),
    "disposition": tuple(Disposition),
}


# Of a column of texts, for its offsets have 32 bits.
MOST_TEXT_BYTES: Final = 2**31 - 1
TOO_MUCH_TEXT: Final = "a column has more than 2 GiB of text: read the log in parts"


class Texts(NamedTuple):
    """Texts: the bytes of all, one behind the other, and where each begins.

    valid: a bit for each row, the lowest of the first byte first; 0: null. offsets: int32 ("i"),
    one more than there are rows. data: as the log has them, so not always UTF-8.
    """

    valid: memoryview
    offsets: memoryview
    data: memoryview

    def values(self) -> Iterator[str | None]:
        """The texts, decoded as UTF-8 with surrogateescape."""
        start = 0
        for row, end in enumerate(self.offsets[1:]):
            is_valid = _is_valid(self.valid, row)
            yield str(self.data[start:end], "utf-8", "surrogateescape") if is_valid else None
            start = end

    def in_utf8(self) -> Texts:
        """The same with U+FFFD for what is not UTF-8."""
        valid, offsets, data = map(_bytes, _texts([*map(_printable, self.values())]))
        return Texts(valid, offsets.cast("i"), data)


class Numbers(NamedTuple):
    """Numbers: `values` has 0 where the bit of `valid` says that there is none."""

    valid: memoryview
    data: memoryview

    def values(self) -> Iterator[float | None]:
        """The numbers."""
        for row, value in enumerate(self.data):
            yield value if _is_valid(self.valid, row) else None


class Members(NamedTuple):
    """Members of a list of names: `data` (int8, "b") is the index into `names`, -1 for none."""

    valid: memoryview
    data: memoryview
    names: tuple[str, ...]

    def values(self) -> Iterator[str | None]:
        """The names."""
        for number in self.data:
            yield None if number < 0 else self.names[number]


def _is_valid(valid: memoryview, row: int) -> bool:
    return bool(valid[row >> 3] >> (row & 7) & 1)


class LogColumns:
    """Records of one file, one row each: the columns of `LogRecord` by name, and `file`.

    `columns[name]` is a `Texts`, `Numbers` or `Members`: read-only memory that NumPy and Arrow
    take without a copy. Texts are octets; whoever needs UTF-8 has to check them.
    """

    __slots__ = ("columns", "file")

    def __init__(self, columns: dict[str, Texts | Numbers | Members], file: str) -> None:
        self.columns = columns
        self.file = file

    @classmethod
    def of_memory(cls, memory: Sequence[Sequence[Buffer]], file: str) -> LogColumns:
        """From the raw memory of the columns, in the order of TEXTS, NUMBERS and MEMBERS."""
        parts = [[_bytes(part) for part in column] for column in memory]
        texts, numbers = parts[: len(TEXTS)], parts[len(TEXTS) : len(TEXTS) + len(NUMBERS)]
        members = parts[len(TEXTS) + len(NUMBERS) :]
        columns: dict[str, Texts | Numbers | Members] = {}
        for name, (valid, offsets, data) in zip(TEXTS, texts, strict=True):
            columns[name] = Texts(valid, offsets.cast("i"), data)
        for (name, typecode), (valid, data) in zip(NUMBERS.items(), numbers, strict=True):
            columns[name] = Numbers(valid, data.cast(cast("Any", typecode)))
        for (name, names), (valid, data) in zip(MEMBERS.items(), members, strict=True):
            columns[name] = Members(valid, data.cast("b"), names)
        return cls(columns, file)

    @classmethod
    def of_records(cls, records: Iterable[LogRecord], file: str) -> LogColumns:
        """From records, which must be those of one file."""
        rows = list(zip(*records, strict=True)) or [()] * len(LogRecord._fields)
        values = dict(zip(LogRecord._fields, rows, strict=True))
        memory: list[tuple[Buffer, ...]] = [_texts(values[name]) for name in TEXTS]
        memory += [_numbers(values[name], typecode) for name, typecode in NUMBERS.items()]
        memory += [_members(values[name], names) for name, names in MEMBERS.items()]
        return cls.of_memory(memory, file)

    def __len__(self) -> int:
        return len(self.columns["line"].data)

    def column(self, name: str) -> list[object]:
        """The values of a column, as they are in a `LogRecord`."""
        if name == "file":
            return [self.file] * len(self)
        values = list(self.columns[name].values())
        return [*map(bool, values)] if name == "time_is_local" else cast("list[object]", values)

    def rows(self) -> Iterator[LogRecord]:
        """The records themselves."""
        for values in zip(*map(self.column, LogRecord._fields), strict=True):
            yield LogRecord(*cast("tuple[object, ...]", values))  # type: ignore[arg-type]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LogColumns):
            return NotImplemented
        return self.file == other.file and self.columns == other.columns

    __hash__ = None  # type: ignore[assignment]  # columns compare by what they hold

    def __repr__(self) -> str:
        return f"<LogColumns: {len(self)} records of {self.file!r}>"


def _printable(text: str | None) -> str | None:
    return text and text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _bytes(part: Buffer) -> memoryview:
    return memoryview(part).cast("B").toreadonly()


def _bitmap(values: Sequence[object]) -> bytes:
    """A bit for each value, 1 where it is not None."""
    number = sum((value is not None) << row for row, value in enumerate(values))
    return number.to_bytes((len(values) + 7) // 8, "little")


def _texts(values: Sequence[str | None]) -> tuple[Buffer, ...]:
    data = bytearray()
    offsets = array("i", [0])
    for value in values:
        data += (value or "").encode("utf-8", "surrogateescape")
        if len(data) > MOST_TEXT_BYTES:
            raise OverflowError(TOO_MUCH_TEXT)
        offsets.append(len(data))
    return _bitmap(values), offsets, data


def _numbers(values: Sequence[float | None], typecode: str) -> tuple[Buffer, ...]:
    numbers = array(typecode.replace("?", "b"), [0 if value is None else value for value in values])
    return _bitmap(values), numbers


def _members(values: Sequence[str | None], names: tuple[str, ...]) -> tuple[Buffer, ...]:
    numbers = {name: number for number, name in enumerate(names)} | {None: -1}
    return _bitmap(values), array("b", [numbers[value] for value in values])
