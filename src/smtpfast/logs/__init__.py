"""Mail logs: what every line says of a delivery, whichever MTA has written it."""

from __future__ import annotations

from .envelope import first_year
from .reader import LogReader, read_log
from .record import Entry, Event, LogRecord

__all__ = ["Entry", "Event", "LogReader", "LogRecord", "first_year", "read_log"]
