"""From the lines of a mail log to records, whichever MTAs have written them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Final

from .._core import classify, find_enhanced
from .._core.logs import LogBlock, Senders, columns_of
from .._core.pure import view_of
from ..classifier import Classifier
from ..log_record import TEXT_MTAS, Event, LogRecord
from ..octets import octets
from ..outcomes import CLASS_OF_STATUS, SENT
from ..reasons import Disposition, Reason
from ..reply import MALFORMED
from ..rules import COMMANDS
from .envelope import Calendar, open_envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from ..log_columns import LogColumns
    from ..octets import Octets
    from ..reply import ReplyLine
    from .envelope import Envelope
    from .mtas import Mta
    from .record import Entry


# What the columns can hold; what is beyond is no time, and no port.
_INT64: Final = range(-(2**63), 2**63)
_PORTS: Final = range(2**31)


class LogReader:
    """Reads the lines of one file in their order, MTAs and envelopes mixed as they may be.

    file: its name, as the records tell it. year: of the first stamp that names none (RFC 3164), or
    what finds it out when that comes; such times are None where it is not known. classifier:
    decides the reasons; the default one, if None. diagnose: whether reasons are asked for; without
    them reason, disposition, retry_after, blocklist and provider are None.
    """

    def __init__(
        self,
        file: str = "",
        *,
        year: int | Callable[[], int] | None = None,
        classifier: Classifier | None = None,
        diagnose: bool = True,
    ) -> None:
        self.file = file
        self.lines = 0
        self._calendar = Calendar(year)
        self._classifier = (classifier or Classifier.default()) if diagnose else None
        self._senders = tuple(Senders() for _ in TEXT_MTAS)

    @cached_property
    def _mtas(self) -> tuple[Mta, ...]:
        from .mtas import all_mtas  # here, for many a log has no line that needs them

        return all_mtas(self._senders)

    def read(self, line: Octets) -> list[LogRecord]:
        """The records of the next line, with or without its line end; never raises on content."""
        self.lines += 1
        return self._read(line, self.lines)

    def begin(self, block: Octets) -> LogBlock:
        """Read what the lines of a block say by themselves, in any thread and for any block.

        block: whole lines, of which the last one may lack its LF; less than 1 GiB.
        """
        return LogBlock(block, self._classifier)

    def join(self, block: LogBlock) -> LogBlock:
        """Read all the rest, of each block once and in the order of the file; returns the block."""
        block.join(self._read, self.lines, self._calendar.year_of, self._senders)
        self.lines += block.lines
        return block

    def columns(self, blocks: Iterable[LogBlock], expected: int = 0) -> LogColumns:
        """The records of joined blocks, in columns; expected: how many blocks, if that is known."""
        return columns_of(blocks, self.file, expected)

    def _read(self, line: Octets, number: int) -> list[LogRecord]:
        written = octets(line).decode("utf-8", "surrogateescape").rstrip("\r\n")
        envelope = open_envelope(written, self._calendar)
        for mta in self._mtas:
            if mta.knows(envelope.tag, envelope.text):
                return [
                    record
                    for entry in mta.read(envelope.tag, envelope.text)
                    for record in self._records(envelope, mta.name, entry, number)
                ]
        return []

    def _records(
        self, envelope: Envelope, mta: str, entry: Entry, number: int
    ) -> Iterator[LogRecord]:
        code, enhanced, text = _parts_of(entry)
        found = self._diagnosis(entry)
        time = envelope.time if entry.time is None else entry.time
        for recipient in entry.recipients or (None,):
            yield LogRecord(
                time if time is not None and time in _INT64 else None,
                envelope.time_is_local and entry.time is None,
                envelope.host,
                mta,
                envelope.tag or None,
                entry.event,
                entry.queue_id,
                entry.sender,
                recipient,
                domain_of(recipient),
                entry.relay_host,
                entry.relay_ip,
                entry.relay_port
                if entry.relay_port is not None and entry.relay_port in _PORTS
                else None,
                entry.delay if entry.delay is not None and isfinite(entry.delay) else None,
                entry.status,
                code,
                enhanced,
                entry.dsn,
                entry.stage,
                text,
                *found,
                entry.problem,
                self.file,
                number,
            )

    def _diagnosis(
        self, entry: Entry
    ) -> tuple[Reason | None, Disposition | None, int | None, str | None, str | None]:
        """reason, disposition, retry_after, blocklist and provider."""
        if entry.event is Event.OTHER or self._classifier is None:
            return None, None, None, None, None
        status = (entry.status or "").lower()
        if entry.reply is not None:
            said = entry.reply.replace("\n", "\r\n")
        elif status in SENT:
            return Reason.ACCEPTED, Disposition.DELIVERED, None, None, None
        else:
            said = f"{entry.dsn or CLASS_OF_STATUS.get(status, '')} {entry.text or ''}".strip()
        if not said:
            return None, None, None, None, None
        command = entry.stage if entry.stage in COMMANDS else None
        found = self._classifier.diagnose(said, command=command)
        return found.reason, found.disposition, found.retry_after, found.blocklist, found.provider


def _parts_of(entry: Entry) -> tuple[int | None, str | None, str | None]:
    """The code and the enhanced code of the reply's last line, and the words of all lines."""
    if entry.reply is None:
        return None, None, entry.text
    lines = [classify(line) for line in entry.reply.split("\n")]
    last = lines[-1]
    text = "\n".join(line.text for line in lines)
    # "550x" ends no reply (RFC 5321 section 4.2): some MTAs log what came next behind it.
    if last.code == MALFORMED or entry.reply.rpartition("\n")[2][3:4] not in ("", " ", "-"):
        return None, None, text
    return last.code, _enhanced_of(last), text


def _enhanced_of(line: ReplyLine) -> str | None:
    """The enhanced code in front of the text, with a colon behind it too."""
    enhanced = line.enhanced
    first, _, _ = line.text.partition(" ")
    if enhanced is None and first[:1].isdigit() and first.endswith(":"):
        enhanced = find_enhanced(first)
        if enhanced is not None and enhanced.class_ != line.code // 100:
            return None
    return None if enhanced is None else str(enhanced)


def domain_of(address: str | None) -> str | None:
    """What stands behind the last @ of an address, in lower case; None, if there is no @."""
    if address is None or "@" not in address:
        return None
    return address.rpartition("@")[2].rstrip(".").lower() or None


def read_log(
    lines: Iterable[Octets],
    file: str = "",
    *,
    year: int | Callable[[], int] | None = None,
    classifier: Classifier | None = None,
) -> Iterator[LogRecord]:
    """The records of all lines of a file, as `LogReader` reads them."""
    reader = LogReader(file, year=year, classifier=classifier)
    for line in lines:
        yield from reader.read(line)


def read_blocks(
    blocks: Iterable[tuple[LogReader, Octets]], threads: int = 1
) -> Iterator[tuple[LogReader, LogBlock]]:
    """The joined blocks of files in their order, each given with the reader of its file.

    threads: how many read at the same time; a block more than there are threads is then taken
    before the first one is given, and an error of `blocks` comes in front of those. Without the
    compiled core more than one are of no use.
    """
    if threads == 1:
        for reader, block in blocks:
            yield reader, reader.join(reader.begin(block))
        return
    with ThreadPoolExecutor(threads) as pool:
        begun: deque[tuple[LogReader, Future[LogBlock]]] = deque()
        for reader, block in blocks:
            begun.append((reader, pool.submit(reader.begin, block)))
            if len(begun) > threads:
                first, result = begun.popleft()
                yield first, first.join(result.result())
        for reader, result in begun:
            yield reader, reader.join(result.result())


# As many bytes of lines are read together, and stay in the caches of the processor; in so many
# behind them an end of a line is looked for.
_BLOCK_BYTES: Final = 1 << 20
_SEARCHED: Final = 1 << 12


def read_columns(
    data: Octets,
    file: str = "",
    *,
    year: int | Callable[[], int] | None = None,
    classifier: Classifier | None = None,
    diagnose: bool = True,
) -> LogColumns:
    """The records of a whole log in memory, in columns; all as `LogReader` reads them.

    data: bytes, bytearray, memoryview, mmap or str.
    """
    reader = LogReader(file, year=year, classifier=classifier, diagnose=diagnose)
    view = view_of(data)
    blocks = (reader.join(reader.begin(block)) for block in _blocks_of(view))
    return reader.columns(blocks, len(view) // _BLOCK_BYTES + 1)


def _blocks_of(view: memoryview) -> Iterator[memoryview]:
    """Pieces of whole lines."""
    start = 0
    while start < len(view):
        end = start + _BLOCK_BYTES
        while end < len(view) and (cut := bytes(view[end : end + _SEARCHED]).find(b"\n")) < 0:
            end += _SEARCHED
        end = end + cut + 1 if end < len(view) else len(view)
        yield view[start:end]
        start = end
