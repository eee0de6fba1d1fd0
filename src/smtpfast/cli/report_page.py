"""What the report says on a page: titles, paragraphs and tables, however they are shown."""

from __future__ import annotations

from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, NamedTuple

from ..report.delays import DELAY_ERROR, PERCENTILES
from ..report.tally import DAY, HOUR, MOST_NAMES
from .rows import written_time
from .terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..report import Report
    from ..report.tally import NameRow, Parties, ReasonRow, Refusals, ReplyRow, TimeRow

_LONGEST_BAR = 20
# So far from its numbers a name may be.
_LONGEST_NAME = 50
# A reply that goes on and on.
_MOST_LINES = 3
# Of the timeline: two days, or a month; the time before is in the other formats.
_MOST_HOURS = 49
_MOST_DAYS = 31


class Title(NamedTuple):
    """What the parts behind it are about."""

    text: str


class Paragraph(NamedTuple):
    """Words; lead: what stands in front of them. most_lines: what does not fit is left out."""

    text: str
    lead: str = ""
    most_lines: int | None = None


class Left(NamedTuple):
    """How much a table leaves out, and of what."""

    amount: int
    words: str
    indent: int = 2


class Bar(NamedTuple):
    """A part of a whole, as a bar of so many letters if it is all of it."""

    part: int
    whole: int
    longest: int = _LONGEST_BAR

    @property
    def length(self) -> int:
        """In letters; of what there is any, it has a sign."""
        return -(-self.part * self.longest // self.whole) if self.whole else 0


class Column(NamedTuple):
    """A column of a table; width 0: the rest of the line. gap: spaces in front of it."""

    width: int = 0
    gap: int = 2
    head: str = ""
    is_number: bool = False
    most_lines: int | None = None


class Row(NamedTuple):
    """A row of a table, and what is said of it below."""

    cells: tuple[str | Bar, ...]
    details: tuple[Part, ...] = ()


class Table(NamedTuple):
    """Rows in columns; it has a head if its columns have any."""

    columns: tuple[Column, ...]
    rows: list[Row]


Part = Title | Paragraph | Table | Left


def _number(width: int, head: str = "", *, gap: int = 1) -> Column:
    return Column(width, gap, head, is_number=True)


_COUNT = _number(11, gap=2)


def nothing_found(lines: int, passed_over: int) -> str:
    """The sentence for a report without a record."""
    if passed_over:
        return f"Nothing found: the options choose none of {passed_over:,} records."
    return f"Nothing found: {lines:,} lines, no records."


def page_parts(report: Report, passed_over: int, top: int, width: int) -> Iterator[Part]:
    """The page; `top` is how many rows a table has, `width` how many letters a line."""
    if not report.records:
        yield Paragraph(nothing_found(report.lines, passed_over))
        return
    yield _head(report, passed_over)
    yield from _totals(report)
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
    yield from _problems(report, top)


def _head(report: Report, passed_over: int) -> Paragraph:
    said = [f"{report.lines:,} lines", f"{report.records:,} records"]
    if passed_over:
        said[1] += f" chosen of {report.records + passed_over:,}"
    if report.first is not None and report.last is not None:
        said.append(f"{shown_time(report.first)} to {shown_time(report.last)}")
        said.append("in the zone of the log" if report.time_is_local else "UTC")
    return Paragraph(", ".join(said))


def _totals(report: Report) -> Iterator[Part]:
    totals = report.totals()
    yield Title("Totals")
    of_mail = totals.delivered + totals.deferred + totals.bounced + totals.unclear
    rows = []
    for field, count in asdict(totals).items():
        if not count and field == "unclear":
            continue
        row: tuple[str | Bar, ...] = (field.replace("_", " "), f"{count:,}")
        if count and field in ("delivered", "deferred", "bounced", "unclear"):
            row += (f"{count / of_mail:.1%}", Bar(count, of_mail))
        rows.append(Row(row))
    yield Table((Column(14), _number(11), _number(6, gap=2), Column(_LONGEST_BAR)), rows)


def _refusals(
    title: str, what: str, found: Refusals, *, top: int, width: int, is_ours: bool = True
) -> Iterator[Part]:
    """The reasons, with what to do, if it is for us to do, and what was said."""
    if not found.count:
        return
    yield Title(f"{title}: {found.count:,} {what}")
    reasons = found.reasons()
    longest = min(width - 46, _LONGEST_BAR)
    yield Table(
        (Column(22), _number(11), _number(6, gap=2), Column(longest)),
        [
            Row(
                (
                    *(row.reason, f"{row.count:,}", f"{row.share:.1%}"),
                    Bar(row.count, found.count, longest),
                ),
                tuple(_of_reason(row, found, top, is_ours=is_ours)),
            )
            for row in reasons[:top]
        ],
    )
    yield from _left(sum(row.count for row in reasons[top:]), "of other reasons")
    yield from _left(found.other_replies, f"in shapes that came behind the first {MOST_NAMES:,}")
    yield from _names("Block lists named there", found.blocklists.rows(), top, width)
    yield from _left(found.blocklists.others, f"behind the first {MOST_NAMES:,}")
    yield from _names("URLs named there", found.urls.rows(), top, width)
    yield from _left(found.urls.others, f"behind the first {MOST_NAMES:,}")


def _of_reason(reason: ReasonRow, found: Refusals, top: int, *, is_ours: bool) -> Iterator[Part]:
    if is_ours:
        yield Paragraph(reason.advice, lead="    -> ")
    # A third as many as there are reasons, or the page would have no end.
    replies = found.replies(reason.reason)
    shown = replies[: -(-top // 3)]
    yield Table(
        (_number(11, gap=4), Column(9), Column(gap=1, most_lines=_MOST_LINES)),
        [
            Row((f"{reply.count:,}", _codes(reply), harmless(reply.shape) or "(no words)"))
            for reply in shown
        ],
    )
    shapes = len(replies) - len(shown)
    left = sum(reply.count for reply in replies[len(shown) :])
    yield from _left(left, f"in {shapes:,} other shape{'s' * (shapes > 1)}", indent=4)


def _codes(reply: ReplyRow) -> str:
    return f"{'' if reply.code is None else f'{reply.code:03}'} {reply.enhanced or ''}".strip()


def _names(title: str, rows: list[NameRow], top: int, width: int) -> Iterator[Part]:
    if not rows:
        return
    yield Title(title)
    shown = [Row((f"{row.count:,}", _fitted(row.name, width - 15))) for row in rows[:top]]
    yield Table((_COUNT, Column()), shown)
    yield from _left(sum(row.count for row in rows[top:]), f"of {len(rows) - top:,} others")


def _parties(title: str, parties: Parties, top: int, width: int) -> Iterator[Part]:
    rows = [row for row in parties.rows() if row.deferred or row.bounced]
    if all(row.name is None for row in rows):
        return
    yield Title(title)
    room = min(width - 55, _LONGEST_NAME)
    heads = ("deferred", "bounced", "delivered")
    yield Table(
        (Column(room), *(_number(9, head) for head in heads), Column(21, head="mostly")),
        [
            Row(
                (
                    "(none)" if row.name is None else _fitted(row.name, room),
                    *(f"{getattr(row, head):,}" for head in heads),
                    str(row.reason),
                )
            )
            for row in rows[:top]
        ],
    )
    left = rows[top:]
    count = sum(row.deferred + row.bounced for row in left)
    yield from _left(count, f"refused by {len(left):,} others")
    yield from _left(parties.others, f"outcomes of others behind the first {MOST_NAMES:,}")


def _timeline(report: Report, width: int) -> Iterator[Part]:
    rows = report.timeline()
    if not rows:
        return
    is_hourly = report.step == HOUR
    yield Title(f"Timeline, by {'hour' if is_hourly else 'day'}")
    by_time = {row.time: row for row in rows}
    last = rows[-1].time
    shown = _MOST_HOURS if is_hourly else _MOST_DAYS
    first = max(rows[0].time, last - (shown - 1) * report.step)
    most = max(sum(_counts(row)) for row in rows)
    longest = min(width - 60, _LONGEST_BAR)
    moments = []
    for moment in range(first, last + 1, report.step):
        row = by_time.get(moment)
        counts = _counts(row) if row else (0, 0, 0, 0)
        label = shown_time(moment)[: 16 if is_hourly else 10]
        columns = (f"{count:,}" for count in counts)
        moments.append(Row((label, *columns, Bar(sum(counts), most, longest))))
    heads = ("delivered", "deferred", "bounced", "rejected")
    numbers = (_number(9, head) for head in heads)
    bars = (Column(longest),) if longest else ()
    yield Table((Column(16), *numbers, *bars), moments)
    earlier = sum(sum(_counts(row)) for row in rows if row.time < first)
    yield from _left(earlier, "earlier")
    yield from _left(report.other_times, f"on days behind the first {MOST_NAMES:,}")


def _counts(row: TimeRow) -> tuple[int, int, int, int]:
    return row.delivered, row.deferred, row.bounced, row.rejected


def _delays(report: Report) -> Iterator[Part]:
    rows = report.delay_rows()
    if not rows:
        return
    yield Title(f"Delays, of so many in a hundred at most, to within {DELAY_ERROR:.0%}")
    heads = (*(f"{percent}%" for percent in PERCENTILES), "longest")
    yield Table(
        (Column(9), _number(11, "count"), *(_number(8, head) for head in heads)),
        [
            Row(
                (
                    outcome,
                    f"{row.count:,}",
                    *map(shown_duration, astuple(row)[1:]),
                )
            )
            for outcome, row in rows.items()
        ],
    )


def _problems(report: Report, top: int) -> Iterator[Part]:
    rows = report.problems()
    if not rows:
        return
    yield Title("Not understood")
    yield Table(
        (_COUNT, Column()),
        [
            Row(
                (
                    f"{row.count:,}",
                    harmless(f"{row.mta}: {row.problem}, first in {row.file}:{row.line}"),
                ),
                (Paragraph(harmless(row.text), lead=" " * 15, most_lines=_MOST_LINES),),
            )
            for row in rows[:top]
        ],
    )
    yield from _left(sum(row.count for row in rows[top:]), "for other reasons")
    yield from _left(report.other_problems, f"behind the first {MOST_NAMES:,} reasons")


def _left(count: int, words: str, indent: int = 2) -> Iterable[Left]:
    """What a table leaves out, if there is any."""
    return (Left(count, words, indent),) if count else ()


def _fitted(name: str, room: int) -> str:
    """A name with its end in sight, for there it says whose it is."""
    name = harmless(name)
    return name if len(name) <= room else f"...{name[len(name) - room + 3 :]}"


def shown_time(moment: int) -> str:
    """A moment, to the second."""
    written = written_time(moment // 1_000_000 * 1_000_000, is_local=True)
    return (written or "").replace("T", " ")


def shown_duration(seconds: float) -> str:
    """In the unit that a person would take."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    for unit, size in (("d", DAY / 1e6), ("h", HOUR / 1e6), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
