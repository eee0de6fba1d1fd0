"""The report as a page of text: plain, aligned, and of the width that there is."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING

from ..report.delays import DELAY_ERROR, PERCENTILES
from ..report.tally import DAY, HOUR, MOST_NAMES
from ..status import Severity
from .rows import written_time
from .terminal import coloured, harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..report import Report
    from ..report.tally import NameRow, Parties, Refusals, ReplyRow, TimeRow

# Names and URLs stay whole.
_wrap = partial(wrap, break_on_hyphens=False)

_WIDTH = 80
# Longer lines are hard to read, shorter ones have no room for a table.
_WIDTHS = range(60, 161)
_LONGEST_BAR = 20
# A reply that goes on and on.
_MOST_LINES = 3
# Of the timeline: two days, or a month; the time before is in the other formats.
_MOST_HOURS = 49
_MOST_DAYS = 31
_SEVERITIES = {
    "delivered": Severity.POSITIVE_COMPLETION,
    "deferred": Severity.TRANSIENT_NEGATIVE_COMPLETION,
    "bounced": Severity.PERMANENT_NEGATIVE_COMPLETION,
    "rejected": Severity.PERMANENT_NEGATIVE_COMPLETION,
    "not understood": Severity.UNDEFINED,
}


def page_width(*, is_terminal: bool) -> int:
    """The width of the terminal, or 80, within what can be read."""
    if not is_terminal:
        return _WIDTH
    columns = shutil.get_terminal_size((_WIDTH, 24)).columns
    return min(max(columns, _WIDTHS.start), _WIDTHS.stop - 1)


def nothing_found(lines: int, passed_over: int) -> str:
    """The sentence for a report without a record."""
    if passed_over:
        return f"Nothing found: the options choose none of {passed_over:,} records."
    return f"Nothing found: {lines:,} lines, no records."


def page_lines(
    report: Report, passed_over: int, top: int, width: int, is_coloured: bool
) -> Iterator[str]:
    """The page, line by line; `top` is how many rows a table has."""
    if not report.records:
        yield nothing_found(report.lines, passed_over)
        return
    yield from _head(report, passed_over, width)
    yield from _totals(report, is_coloured)
    yield from _refusals(
        "Why mail failed", "deferred or bounced", report.failed, top=top, width=width
    )
    yield from _refusals(
        "Why this server refused", "rejected", report.rejected, top=top, width=width, is_ours=False
    )
    yield from _refusals(
        "On the way",
        "attempts and connections, which count as no outcome",
        report.attempted,
        top=top,
        width=width,
    )
    yield from _parties("Who refuses, by recipient domain", report.domains, top, width)
    yield from _parties("Who refuses, by provider", report.providers, top, width)
    yield from _parties("Who refuses, by relay", report.relays, top, width)
    yield from _timeline(report, width)
    yield from _delays(report)
    yield from _problems(report, top, width)


def _head(report: Report, passed_over: int, width: int) -> Iterator[str]:
    said = [f"{report.lines:,} lines", f"{report.records:,} records"]
    if passed_over:
        said[1] += f" chosen of {report.records + passed_over:,}"
    if report.first is not None and report.last is not None:
        said.append(f"{_time(report.first)} to {_time(report.last)}")
        said.append("in the zone of the log" if report.time_is_local else "UTC")
    yield from _wrap(", ".join(said), width)


def _totals(report: Report, is_coloured: bool) -> Iterator[str]:
    totals = report.totals()
    yield from _title("Totals")
    of_mail = totals.delivered + totals.deferred + totals.bounced + totals.unclear
    for field, count in asdict(totals).items():
        if not count and field == "unclear":
            continue
        name = field.replace("_", " ")
        label = f"{name:14}"
        if is_coloured and count and name in _SEVERITIES:
            label = coloured(label, _SEVERITIES[name])
        row = f"  {label} {count:11,}"
        if count and name in ("delivered", "deferred", "bounced", "unclear"):
            row += f"  {count / of_mail:6.1%}  {_bar(count, of_mail)}"
        yield row


def _refusals(
    title: str, what: str, found: Refusals, *, top: int, width: int, is_ours: bool = True
) -> Iterator[str]:
    """The reasons, with what to do, if it is for us to do, and what was said."""
    if not found.count:
        return
    yield from _title(f"{title}: {found.count:,} {what}")
    reasons = found.reasons()
    for row in reasons[:top]:
        bar = _bar(row.count, found.count, width - 46)
        yield f"  {row.reason:22} {row.count:11,}  {row.share:6.1%}  {bar}"
        if is_ours:
            yield from _wrap(
                row.advice, width, initial_indent="    -> ", subsequent_indent="       "
            )
        # A third as many as there are reasons, or the page would have no end.
        replies = found.replies(row.reason)
        shown = replies[: -(-top // 3)]
        for reply in shown:
            yield from _reply(reply, width)
        left = sum(reply.count for reply in replies[len(shown) :])
        if left:
            shapes = len(replies) - len(shown)
            yield f"    {left:11,}  in {shapes:,} other shape{'s' * (shapes > 1)}"
    yield from _left(sum(row.count for row in reasons[top:]), "of other reasons")
    yield from _left(found.other_replies, f"in shapes that came behind the first {MOST_NAMES:,}")
    yield from _names("Block lists named there", found.blocklists.rows(), top, width)
    yield from _left(found.blocklists.others, f"behind the first {MOST_NAMES:,}")
    yield from _names("URLs named there", found.urls.rows(), top, width)
    yield from _left(found.urls.others, f"behind the first {MOST_NAMES:,}")


def _reply(reply: ReplyRow, width: int) -> Iterator[str]:
    codes = f"{'' if reply.code is None else f'{reply.code:03}'} {reply.enhanced or ''}".strip()
    front = f"    {reply.count:11,}  {codes:9} "
    yield from _wrap(
        harmless(reply.shape) or "(no words)",
        width,
        initial_indent=front,
        subsequent_indent=" " * len(front),
        max_lines=_MOST_LINES,
        placeholder=" ...",
    )


def _names(title: str, rows: list[NameRow], top: int, width: int) -> Iterator[str]:
    if not rows:
        return
    yield from _title(title)
    for row in rows[:top]:
        yield f"  {row.count:11,}  {_fitted(row.name, width - 15)}"
    yield from _left(sum(row.count for row in rows[top:]), f"of {len(rows) - top:,} others")


def _parties(title: str, parties: Parties, top: int, width: int) -> Iterator[str]:
    rows = [row for row in parties.rows() if row.deferred or row.bounced]
    if all(row.name is None for row in rows):
        return
    yield from _title(title)
    room = width - 55
    yield f"  {'':{room}} {'deferred':>9} {'bounced':>9} {'delivered':>9}  mostly"
    for row in rows[:top]:
        name = "(none)" if row.name is None else _fitted(row.name, room)
        yield (
            f"  {name:{room}} {row.deferred:9,} {row.bounced:9,} {row.delivered:9,}  {row.reason}"
        )
    left = rows[top:]
    if left:
        count = sum(row.deferred + row.bounced for row in left)
        yield from _left(count, f"refused by {len(left):,} others")
    yield from _left(parties.others, f"outcomes of others behind the first {MOST_NAMES:,}")


def _timeline(report: Report, width: int) -> Iterator[str]:
    rows = report.timeline()
    if not rows:
        return
    is_hourly = report.step == HOUR
    yield from _title(f"Timeline, by {'hour' if is_hourly else 'day'}")
    yield (f"  {'':16} {'delivered':>9} {'deferred':>9} {'bounced':>9} {'rejected':>9}")
    by_time = {row.time: row for row in rows}
    last = rows[-1].time
    shown = _MOST_HOURS if is_hourly else _MOST_DAYS
    first = max(rows[0].time, last - (shown - 1) * report.step)
    most = max(sum(_counts(row)) for row in rows)
    for moment in range(first, last + 1, report.step):
        row = by_time.get(moment)
        counts = _counts(row) if row else (0, 0, 0, 0)
        label = _time(moment)[: 16 if is_hourly else 10]
        columns = " ".join(f"{count:9,}" for count in counts)
        yield f"  {label:16} {columns}  {_bar(sum(counts), most, width - 60)}".rstrip()
    earlier = sum(sum(_counts(row)) for row in rows if row.time < first)
    yield from _left(earlier, "earlier")
    yield from _left(report.other_times, f"on days behind the first {MOST_NAMES:,}")


def _counts(row: TimeRow) -> tuple[int, int, int, int]:
    return row.delivered, row.deferred, row.bounced, row.rejected


def _delays(report: Report) -> Iterator[str]:
    rows = report.delay_rows()
    if not rows:
        return
    yield from _title(f"Delays, of so many in a hundred at most, to within {DELAY_ERROR:.0%}")
    heads = " ".join(f"{percent:>7}%" for percent in PERCENTILES)
    yield f"  {'':9} {'count':>11} {heads} {'longest':>8}"
    for outcome, row in rows.items():
        times = " ".join(
            f"{_duration(value):>8}" for value in (row.p50, row.p90, row.p99, row.longest)
        )
        yield f"  {outcome:9} {row.count:11,} {times}"


def _problems(report: Report, top: int, width: int) -> Iterator[str]:
    rows = report.problems()
    if not rows:
        return
    yield from _title("Not understood")
    for row in rows[:top]:
        where = harmless(f"{row.mta}: {row.problem}, first in {row.file}:{row.line}")
        front = f"  {row.count:11,}  "
        yield from _wrap(where, width, initial_indent=front, subsequent_indent=" " * len(front))
        yield from _wrap(
            harmless(row.text),
            width,
            initial_indent=" " * len(front),
            subsequent_indent=" " * len(front),
            max_lines=_MOST_LINES,
            placeholder=" ...",
        )
    yield from _left(sum(row.count for row in rows[top:]), "for other reasons")
    yield from _left(report.other_problems, f"behind the first {MOST_NAMES:,} reasons")


# --- Parts of lines -------------------------------------------------------------------------


def _title(words: str) -> Iterator[str]:
    yield ""
    yield words


def _left(count: int, words: str) -> Iterator[str]:
    """What a table leaves out, if there is any."""
    if count:
        yield f"  {count:11,}  {words}"


def _bar(count: int, total: int, room: int = _LONGEST_BAR) -> str:
    """A bar of its share, where there is room; of what there is any, it has a sign."""
    longest = min(room, _LONGEST_BAR)
    return "#" * (-(-count * longest // total) if total else 0)


def _fitted(name: str, room: int) -> str:
    """A name with its end in sight, for there it says whose it is."""
    name = harmless(name)
    return name if len(name) <= room else f"...{name[len(name) - room + 3 :]}"


def _time(moment: int) -> str:
    written = written_time(moment // 1_000_000 * 1_000_000, is_local=True)
    return (written or "").replace("T", " ")


def _duration(seconds: float) -> str:
    """In the unit that a person would take."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    for unit, size in (("d", DAY / 1e6), ("h", HOUR / 1e6), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
