"""Records of logs as tests want them, and reports of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smtpfast.logs import Event, LogRecord
from smtpfast.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_RECORD = LogRecord(
    *(None, False, None, "postfix", None, Event.DELIVERY),
    *[None] * (len(LogRecord._fields) - 8),  # type: ignore[arg-type]
    *("mail.log", 1),
)


def record(**values: object) -> LogRecord:
    """One that says no more than these values."""
    return NO_RECORD._replace(**values)  # type: ignore[arg-type]


def report_of(records: Iterable[LogRecord], most: int = 10_000) -> Report:
    """The report of some records, each of them counted."""
    report = Report(most)
    for each in records:
        report.add(each)
    return report
