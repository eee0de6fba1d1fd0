"""Mail logs: what every line says of a delivery, whichever MTA has written it."""

from __future__ import annotations

from .._core.logs import LogBlock
from ..log_columns import LogColumns
from ..log_record import Event, LogRecord
from .envelope import first_year
from .reader import LogReader, read_blocks, read_columns, read_log
from .record import Entry

__all__ = [
    "Entry",
    "Event",
    "LogBlock",
    "LogColumns",
    "LogReader",
    "LogRecord",
    "first_year",
    "read_blocks",
    "read_columns",
    "read_log",
]
