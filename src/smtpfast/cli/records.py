"""`smtpfast records`: mail logs in, one record a delivery, attempt or reject out."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TextIO

from ..logs import Event, LogRecord
from .follow import until_signal
from .logfiles import LogFiles
from .outputs import BINARY, arrow_module, open_binary, open_text
from .rows import cell, printable, written_time

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Iterator

    from ..logs import LogBlock, LogReader


class _Writer(NamedTuple):
    """How the records of a block are written, and how all that was written is given away."""

    write: Callable[[LogReader, LogBlock], object]
    flush: Callable[[], object]


def run(options: Namespace) -> int:
    """Print the records of all files, and on standard error how many there were of each event."""
    counts: Counter[str] = Counter()
    with ExitStack() as opened:
        wait = opened.enter_context(until_signal(options))
        # Whoever reads from a pipe waits for what the log says now.
        logs = LogFiles(options, lambda: writer.flush(), wait)
        writer = opened.enter_context(_writer(options, logs.names))
        for reader, block in logs.blocks():
            counts.update(block.events())
            writer.write(reader, block)
    sys.stdout.flush()
    kinds = ", ".join(f"{counts[event]:,} {event}" for event in Event if counts[event])
    print(f"{logs.lines:,} lines: {kinds or 'no records'}", file=sys.stderr)
    return 1 if logs.has_failed else 0


@contextmanager
def _writer(options: Namespace, logs: list[str]) -> Iterator[_Writer]:
    if options.format in BINARY:
        arrow = arrow_module(options.format)
        with open_binary(options.output, logs) as file:
            columns = arrow.ColumnWriter(file, is_stream=options.format == "arrow")
            yield _Writer(columns.write, columns.flush)
            columns.close()
        return
    with open_text(options.output, logs) as out:
        write = _row_writer(out) if options.format == "csv" else partial(_write_json, out)
        yield _Writer(
            lambda reader, block: write(map(_values, block.records(reader.file))), out.flush
        )


def _row_writer(out: TextIO) -> Callable[[Iterable[dict[str, object]]], object]:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(LogRecord._fields)
    return lambda records: rows.writerows(map(cell, record.values()) for record in records)


def _write_json(out: TextIO, records: Iterable[dict[str, object]]) -> None:
    for record in records:
        print(json.dumps(record), file=out)


def _values(record: LogRecord) -> dict[str, object]:
    """The columns by name."""
    values = {name: printable(value) for name, value in record._asdict().items()}
    if record.time is not None:
        values["time"] = written_time(record.time, is_local=record.time_is_local)
    return values
