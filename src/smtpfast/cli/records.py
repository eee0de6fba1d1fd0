"""`smtpfast records`: mail logs in, one record a delivery, attempt or reject out."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from ..logs import Event, LogRecord
from .logfiles import LogFiles
from .rows import cell, printable, written_time

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable


def run(options: Namespace) -> int:
    """Print the records of all files, and on standard error how many there were of each event."""
    logs = LogFiles(options)
    write = _writer(options.format)
    counts: Counter[str] = Counter()
    for record in logs:
        counts[record.event] += 1
        write(record)
    sys.stdout.flush()
    kinds = ", ".join(f"{counts[event]:,} {event}" for event in Event if counts[event])
    print(f"{logs.lines:,} lines: {kinds or 'no records'}", file=sys.stderr)
    return 1 if logs.has_failed else 0


def _writer(form: str) -> Callable[[LogRecord], None]:
    if form == "csv":
        rows = csv.writer(sys.stdout, lineterminator="\n")
        rows.writerow(LogRecord._fields)
        return lambda record: rows.writerow(map(cell, _values(record).values()))
    return lambda record: print(json.dumps(_values(record)))


def _values(record: LogRecord) -> dict[str, object]:
    """The columns by name."""
    values = {name: printable(value) for name, value in record._asdict().items()}
    if record.time is not None:
        values["time"] = written_time(record.time, is_local=record.time_is_local)
    return values
