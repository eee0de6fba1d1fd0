"""What is right of reading logs by blocks: a block is its lines, read one by one."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING

from ..joins import Joins
from ..log_columns import LogColumns
from .pure import view_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from ..log_record import Event, LogRecord
    from ..octets import Octets
    from ..outcomes import CountedBy, LogCounts
    from .meaning import RuleMatcher

    class RecordCounter(Protocol):
        """What counts records, one by one, or takes what has been counted."""

        def add(self, record: LogRecord) -> None: ...

        def add_problem(self, record: LogRecord) -> None: ...

        def absorb(self, counts: LogCounts) -> None: ...


class Senders(Joins[str]):
    """The senders of queue ids."""


class LogBlock:
    """Lines of a log: first what each says by itself, then, in their order, all the rest.

    data: whole lines; a last one without LF counts. matcher: says why something was said; None,
    if that is not asked for. This much may be done by any thread, for any block.
    """

    def __init__(self, data: Octets, matcher: RuleMatcher | None) -> None:
        self._lines = list(BytesIO(view_of(data)))
        self._records: list[LogRecord] = []

    @property
    def lines(self) -> int:
        """How many there are."""
        return len(self._lines)

    def join(
        self,
        read: Callable[[bytes, int], list[LogRecord]],
        lines_before: int,
        year_of: Callable[[int, int], int | None],
        senders: tuple[Senders, ...],
    ) -> None:
        """Add what earlier lines have said, once for each block, in the order of the log.

        read: the records of a line, by its octets and its number in the file. year_of: the year of
        a stamp that tells but month and day. senders: of each of TEXT_MTAS.
        """
        for number, line in enumerate(self._lines, lines_before + 1):
            self._records += read(line, number)

    def records(self, file: str) -> list[LogRecord]:
        """The records of the lines."""
        return self._records

    def events(self) -> dict[Event, int]:
        """How many records there are of each event."""
        return Counter(record.event for record in self._records)


def columns_of(blocks: Iterable[LogBlock], file: str, expected: int = 0) -> LogColumns:
    """The records of joined blocks of one file, in columns.

    expected: how many blocks there are, if that is known: memory is asked for accordingly.
    """
    records = (record for block in blocks for record in block.records(file))
    return LogColumns.of_records(records, file)


def count_blocks(
    counter: RecordCounter,
    blocks: Iterable[tuple[LogBlock, str]],
    counted_by: CountedBy,
    takes: Callable[[LogRecord], bool] | None,
) -> int:
    """Count the records of joined blocks, each given with the name of its file.

    counted_by: the same that `counter.add` goes by. takes: whether a record is to be counted.
    Returns how many were passed over.
    """
    passed_over = 0
    for block, file in blocks:
        for record in block.records(file):
            if takes is None or takes(record):
                counter.add(record)
            else:
                passed_over += 1
    return passed_over
