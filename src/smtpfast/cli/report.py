"""`smtpfast report`: mail logs in, what came of the mail, who refused it and why out."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TextIO, cast

from ..logs import Event
from ..outcomes import outcome_of
from ..report import Report
from ..report.delays import DELAY_ERROR
from ..report.tally import DAY, HOUR, MOST_NAMES
from .follow import until_signal
from .logfiles import LogFiles
from .outputs import BINARY, arrow_module, open_binary, open_text
from .page_text import page_lines, page_width
from .progress import Progress
from .report_html import write_html
from .report_page import nothing_found, page_parts
from .rows import cell, printable, written_time
from .terminal import harmless

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Iterator

    from ..logs import LogRecord
    from ..report.tally import Refusals
    from .records_arrow import RowWriter
    from .report_page import Part

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Of the table of CSV and Parquet: a row for each reason and shape.
_COLUMNS = (
    *("kind", "reason", "count", "share", "code", "enhanced", "shape", "text", "file", "line"),
    "advice",
)


def run(options: Namespace) -> int:
    """Print the report of all files; the exit status is that of `smtpfast records`."""
    try:
        selection = Selection.of(options)
    except ValueError as error:
        print(f"smtpfast report: {harmless(str(error))}", file=sys.stderr)
        return 2
    report = Report()
    with ExitStack() as opened:
        wait = opened.enter_context(until_signal(options))
        logs = LogFiles(options, int if options.follow else lambda: progress.show(), wait)
        progress = Progress(logs)
        write = _writer(options, logs.names, opened)
        if options.follow and sys.stderr is not None and sys.stderr.isatty():
            print("smtpfast report: following; Ctrl-C ends it, and prints", file=sys.stderr)
        try:
            blocks = ((block, reader.file) for reader, block in logs.blocks())
            passed_over = report.add_blocks(blocks, selection.takes if any(selection) else None)
        finally:
            progress.clear()
        report.lines = logs.lines
        write(report, passed_over)
        if not report.records and options.format != "text":
            print(nothing_found(report.lines, passed_over), file=sys.stderr)
    return 1 if logs.has_failed else 0


def _writer(
    options: Namespace, logs: list[str], opened: ExitStack
) -> Callable[[Report, int], object]:
    """What writes the report; its output is opened before hours of reading."""
    if options.format in BINARY:
        arrow = arrow_module(options.format)
        file = opened.enter_context(open_binary(options.output, logs))
        return lambda report, _: _write_rows(report, arrow.RowWriter(_COLUMNS, file))
    out = opened.enter_context(open_text(options.output, logs))
    if options.format == "text":
        return partial(_write_text, options.top, out)
    return partial(_WRITERS[options.format], out=out)


def _write_text(top: int, out: TextIO, report: Report, passed_over: int) -> None:
    is_terminal = out is sys.stdout and out.isatty()
    width = page_width(is_terminal=is_terminal)
    parts = page_parts(report, passed_over, top, width)
    print_page = _rich_printer() if is_terminal else None
    if print_page is not None:
        print_page(parts, width, out)
        return
    for line in page_lines(parts, width):
        print(line, file=out)


def _rich_printer() -> Callable[[Iterable[Part], int, TextIO], None] | None:
    """What prints pages in colour; None where rich is missing."""
    try:
        from .page_rich import print_page
    except ModuleNotFoundError:
        return None
    return print_page


# --- Which records --------------------------------------------------------------------------


class Selection(NamedTuple):
    """Which records the options choose; those of one kind by any of them, of several by all.

    since, until: microseconds since 1970, both taken in; a record without a time is neither.
    """

    since: int | None
    until: int | None
    domains: tuple[str, ...]
    relays: tuple[str, ...]
    reasons: frozenset[str]
    statuses: frozenset[str]
    events: frozenset[str]

    @classmethod
    def of(cls, options: Namespace) -> Selection:
        """What the command line says; a `ValueError` tells what cannot be meant."""
        events = frozenset(options.event)
        unknown = sorted(events - set(Event))
        if unknown:
            raise ValueError(f"no event is called {unknown[0]}, but {', '.join(Event)}")
        if options.top < 1:
            raise ValueError("--top needs a number from 1")
        return cls(
            None if options.since is None else _moments(options.since)[0],
            None if options.until is None else _moments(options.until)[1],
            tuple(name.rstrip(".").lower() for name in options.domain),
            tuple(name.rstrip(".").lower() for name in options.relay),
            frozenset(options.reason),
            frozenset(status.lower() for status in options.status),
            events,
        )

    def takes(self, record: LogRecord) -> bool:
        """Whether the record is chosen."""
        if self.since is not None and (record.time is None or record.time < self.since):
            return False
        if self.until is not None and (record.time is None or record.time > self.until):
            return False
        if self.events and record.event not in self.events:
            return False
        if self.reasons and record.reason not in self.reasons:
            return False
        if self.statuses and self.statuses.isdisjoint(
            ((record.status or "").lower(), outcome_of(record))
        ):
            return False
        if self.domains and not _is_below(record.recipient_domain, self.domains):
            return False
        return not self.relays or (
            _is_below(record.relay_host, self.relays)
            or (record.relay_ip or "").lower() in self.relays
        )


def _is_below(name: str | None, domains: tuple[str, ...]) -> bool:
    name = (name or "").rstrip(".").lower()
    return any(name == domain or name.endswith(f".{domain}") for domain in domains)


def _moments(written: str) -> tuple[int, int]:
    """The first and the last microsecond of a day, or a moment and itself.

    Without a zone it is compared with what the log says, whose zone may be unknown.
    """
    try:
        day = date.fromisoformat(written)
    except ValueError:
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise ValueError(f"neither a date nor a time of ISO 8601: {written[:80]}") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        first = (moment - _EPOCH) // timedelta(microseconds=1)
        return first, first
    first = (day - _EPOCH.date()).days * DAY
    return first, first + DAY - 1


# --- Other formats --------------------------------------------------------------------------


def _kinds(report: Report) -> dict[str, Refusals]:
    return {
        "failed": report.failed,
        "rejected": report.rejected,
        "attempted": report.attempted,
    }


def sections_of(report: Report, passed_over: int) -> dict[str, object]:
    """All that the report says, by its sections: an object, or a list of them."""

    def when(moment: int | None) -> str | None:
        return None if moment is None else written_time(moment, is_local=report.time_is_local)

    kinds = _kinds(report)
    return {
        "log": {
            "lines": report.lines,
            "records": report.records,
            "records_passed_over": passed_over,
            "first": when(report.first),
            "last": when(report.last),
            "time_is_local": report.time_is_local,
        },
        "totals": asdict(report.totals()),
        "reasons": [
            {"kind": kind, **asdict(row)}
            for kind, found in kinds.items()
            for row in found.reasons()
        ],
        "replies": [
            {"kind": kind, **asdict(row)}
            for kind, found in kinds.items()
            for row in found.replies()
        ],
        "domains": [asdict(row) for row in report.domains.rows()],
        "providers": [asdict(row) for row in report.providers.rows()],
        "relays": [asdict(row) for row in report.relays.rows()],
        "blocklists": [
            {"kind": kind, **asdict(row)}
            for kind, found in kinds.items()
            for row in found.blocklists.rows()
        ],
        "urls": [
            {"kind": kind, **asdict(row)}
            for kind, found in kinds.items()
            for row in found.urls.rows()
        ],
        "timeline": [
            {
                **asdict(row),
                "time": when(row.time),
                "step": "hour" if report.step == HOUR else "day",
            }
            for row in report.timeline()
        ],
        "delays": [
            {"outcome": outcome, **asdict(row), "relative_error": DELAY_ERROR}
            for outcome, row in report.delay_rows().items()
        ],
        "problems": [asdict(row) for row in report.problems()],
        # What came when there were too many names of its kind, and is only counted.
        "others": {
            "most_names": MOST_NAMES,
            **{f"replies_{kind}": found.other_replies for kind, found in kinds.items()},
            **{f"blocklists_{kind}": found.blocklists.others for kind, found in kinds.items()},
            **{f"urls_{kind}": found.urls.others for kind, found in kinds.items()},
            "domains": report.domains.others,
            "providers": report.providers.others,
            "relays": report.relays.others,
            "timeline": report.other_times,
            "problems": report.other_problems,
        },
    }


def _printable_row(row: object) -> dict[str, object]:
    return {name: printable(value) for name, value in cast("dict[str, object]", row).items()}


def _write_json(report: Report, passed_over: int, out: TextIO) -> None:
    sections = {
        name: [_printable_row(row) for row in rows] if isinstance(rows, list) else rows
        for name, rows in sections_of(report, passed_over).items()
    }
    print(json.dumps(sections, indent=1), file=out)


def _write_ndjson(report: Report, passed_over: int, out: TextIO) -> None:
    for name, rows in sections_of(report, passed_over).items():
        for row in cast("Iterable[object]", rows if isinstance(rows, list) else [rows]):
            print(json.dumps({"section": name, **_printable_row(row)}), file=out)


def _write_csv(report: Report, _: int, out: TextIO) -> None:
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for row in _reply_rows(report):
        rows.writerow(map(cell, row))


def _write_rows(report: Report, rows: RowWriter) -> None:
    for row in _reply_rows(report):
        rows.write(row)
    rows.close()


def _reply_rows(report: Report) -> Iterator[tuple[object, ...]]:
    for kind, found in _kinds(report).items():
        total = found.count
        for row in found.replies():
            yield (
                *(kind, str(row.reason), row.count, round(row.count / total, 6), row.code),
                *(row.enhanced, row.shape, row.text, row.file, row.line, row.reason.advice),
            )
        if found.other_replies:
            share = round(found.other_replies / total, 6)
            yield (kind, "others", found.other_replies, share, *[None] * (len(_COLUMNS) - 4))


_WRITERS = {
    "json": _write_json,
    "ndjson": _write_ndjson,
    "csv": _write_csv,
    "html": write_html,
}
