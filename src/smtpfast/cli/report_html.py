"""The report as one HTML file: charts, and tables that sort and filter; it fetches nothing.

What a server says is text and nothing else: escaped, in no attribute, script or style, and its URLs
are no links, for whoever refuses mail would choose where the reader of this page goes.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO

from .. import __version__
from ..report.delays import DELAY_ERROR, PERCENTILES
from ..report.tally import DAY, HOUR, MOST_NAMES, TimeRow
from .report_page import nothing_found, shown_duration, shown_time
from .terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..outcomes import Outcome
    from ..report import Report
    from ..report.delays import DelayRow
    from ..report.tally import (
        NameRow,
        Names,
        Parties,
        PartyRow,
        ProblemRow,
        ReasonRow,
        Refusals,
        ReplyRow,
    )

# Of each table: enough to search in, and no page that a mailbox refuses, whatever replies hold.
MOST_ROWS: Final = 500
LONGEST_TABLE: Final = 1 << 19
# Of the timeline: thinner ones cannot be told apart on a telephone.
_MOST_BARS: Final = 120
# Share of the width, in percent: a bar of one hour that fills the page looks like a wall.
_WIDEST_BAR: Final = 5.0
_MOST_TICKS: Final = 6

# From the ground up: what failed stands there, where heights compare best.
_SERIES: Final = ("bounced", "deferred", "rejected", "delivered")
# How each is told from the others without colour.
_PATTERNS: Final = (
    '<svg class="patterns" aria-hidden="true"><defs>'
    '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><rect class="deferred" width="6" height="6"/>'
    '<path d="M0 0V6"/></pattern>'
    '<pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse">'
    '<rect class="rejected" width="6" height="6"/><circle cx="3" cy="3" r="1.4"/></pattern>'
    "</defs></svg>"
)
# Where an axis of delays may have a mark, in seconds.
_DURATIONS: Final = {
    0.001: "1 ms",
    0.01: "10 ms",
    0.1: "0.1 s",
    1.0: "1 s",
    10.0: "10 s",
    60.0: "1 min",
    600.0: "10 min",
    3600.0: "1 h",
    86400.0: "1 d",
    864000.0: "10 d",
    8640000.0: "100 d",
    1e9: "32 years",
}
# As `DelayRow` names them, with a shape for each.
_MARKS: Final = {
    "p50": '<circle r="5"/>',
    "p90": '<path d="M0 -6L6 0L0 6L-6 0Z"/>',
    "p99": '<path d="M0 -6L6 5H-6Z"/>',
    "longest": '<path d="M0 -7V7"/>',
}
_MASK: Final = re.compile(r"&lt;(?:addr|host|id|ip|n|quoted|time|empty)&gt;")


def write_html(report: Report, passed_over: int, out: TextIO) -> None:
    """Write the page."""
    for piece in _page(report, passed_over):
        print(piece, file=out)


# --- The page -------------------------------------------------------------------------------


def _page(report: Report, passed_over: int) -> Iterator[str]:
    style, script = (
        files(__package__).joinpath(name).read_text("ascii") for name in ("report.css", "report.js")
    )
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )
    period = _period(report)
    yield f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>Mail report{f", {period}" if period else ""}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">To the report</a>
{_PATTERNS}"""
    sections = list(_sections(report))
    yield from _head(report, passed_over, sections)
    yield '<main id="main">'
    if not report.records:
        nothing = nothing_found(report.lines, passed_over)
        yield f'<section><p class="nothing">{nothing}</p></section>'
    for section in sections:
        yield f'<section id="{section.name}" aria-labelledby="{section.name}-title">'
        yield f'<h2 id="{section.name}-title">{section.title}</h2>'
        yield from section.body
        yield "</section>"
    yield f"""</main>
<footer><small>Made by smtpfast {__version__}. This file fetches nothing and sends nothing.
URLs in replies are the servers' words, and no links.</small></footer>
<script>{script}</script>
</body>
</html>"""


def _hash(content: str) -> str:
    return f"sha256-{b64encode(sha256(content.encode()).digest()).decode()}"


class _Section(NamedTuple):
    """A part of the page: its id, its title (and what the list of contents calls it), its body."""

    name: str
    title: str
    short: str
    body: Iterable[str]


def _sections(report: Report) -> Iterator[_Section]:
    """What there is to say, the most important first."""
    if not report.records:
        return
    totals = report.totals()
    yield _Section("totals", "What came of the mail", "Totals", _totals(report))
    failed, rejected, attempted = report.failed, report.rejected, report.attempted
    if failed.count or totals.delivered:
        title = f"Why mail failed: {_count(failed.count, 'deferred or bounced', '')}"
        yield _Section("failed", title, "Why mail failed", _reasons(failed, "failed"))
        yield _Section("refusers", "Who refuses", "Who refuses", _refusers(report))
    if failed.count:
        yield _Section("said", "What they said", "What they said", _said(failed, "failed"))
    yield _Section("timeline", "Timeline", "Timeline", _timeline(report))
    yield _Section("delays", "How long it took", "Delays", _delays(report))
    if rejected.count:
        title = f"What this server refused: {rejected.count:,}"
        body = (*_reasons(rejected, "rejected", is_ours=False), *_said(rejected, "rejected"))
        yield _Section("rejected", title, "Refused here", body)
    if attempted.count:
        title = f"On the way: {attempted.count:,}"
        intro = (
            "<p>Replies and connections before an outcome; they are in no total above, for a next"
            " server may have taken the mail.</p>"
        )
        body = (intro, *_reasons(attempted, "attempted"), *_said(attempted, "attempted"))
        yield _Section("attempted", title, "On the way", body)
    if totals.not_understood:
        title = f"Lines not understood: {totals.not_understood:,}"
        yield _Section("problems", title, "Not understood", _problems(report))


def _head(report: Report, passed_over: int, sections: list[_Section]) -> Iterator[str]:
    records = _count(report.records, "record")
    if passed_over:
        records += f" chosen of {report.records + passed_over:,}"
    zone = "in the zone of the log" if report.time_is_local else "UTC"
    period = _period(report)
    yield f"""<header><div><h1>Mail report</h1>
<p>{f"{period}, {zone}" if period else "The log tells no times"}<br>
<small>{_count(report.lines, "line")}, {records}</small></p></div>
<button type="button" id="theme" hidden>Dark colours</button></header>"""
    yield (
        '<noscript><p class="left">Long tables scroll in their frames; to sort and to filter them'
        " needs JavaScript.</p></noscript>"
    )
    if sections:
        links = "".join(f'<li><a href="#{each.name}">{each.short}</a></li>' for each in sections)
        yield f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def _period(report: Report) -> str:
    if report.first is None or report.last is None:
        return ""
    first, last = shown_time(report.first), shown_time(report.last)
    return first if first == last else f"{first} to {last}"


# --- Totals ---------------------------------------------------------------------------------


def _totals(report: Report) -> Iterator[str]:
    totals = report.totals()
    outcomes = {
        "delivered": totals.delivered,
        "deferred": totals.deferred,
        "bounced": totals.bounced,
    }
    whole = sum(outcomes.values()) + totals.unclear
    if whole:
        delivered, deferred, bounced = (_percent(count, whole) for count in outcomes.values())
        yield (
            f'<p class="verdict">Of {_count(whole, "outcome")}, {delivered} are delivered,'
            f" {deferred} deferred, {bounced} bounced."
        )
        reasons = report.failed.reasons()
        if reasons:
            most = reasons[0]
            yield (
                f" The commonest reason of failure is <b>{most.reason}</b> ({most.share:.1%}):"
                f" {_text(_lowered(most.reason.description))}"
            )
            first = report.domains.rows()[0]
            if first.name is not None:
                yield (
                    f" The recipient domain that refuses most is <b>{_text(first.name)}</b>"
                    f" ({first.deferred + first.bounced:,})."
                )
        yield "</p>"
    else:
        yield '<p class="verdict">The log tells of no delivery.</p>'
    tiles = {**outcomes, "rejected": totals.rejected}
    yield '<ul class="totals">'
    for name, count in tiles.items():
        share = "by this server" if name == "rejected" else _percent(count, whole, "of outcomes")
        yield (
            f'<li class="{name}"><b>{count:,}</b>{_swatch(name)}{name}'
            f"<small>{share or '&nbsp;'}</small></li>"
        )
    yield "</ul>"
    if whole:
        yield _bar(outcomes, whole, "whole")
    besides = [
        f"{_count(totals.unclear, 'outcome')} that the log does not make clear",
        f"{_count(totals.attempts, 'attempt')} on the way",
        f"{_count(totals.connections, 'connection')} that could not be made or broke",
        f"{_count(totals.not_understood, 'line')} not understood",
    ]
    counts = (totals.unclear, totals.attempts, totals.connections, totals.not_understood)
    told = [words for words, count in zip(besides, counts, strict=True) if count]
    if told:
        yield f'<p class="left">Besides: {", ".join(told)}.</p>'


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


# --- Reasons, and what was said -------------------------------------------------------------


def _reasons(found: Refusals, kind: str, *, is_ours: bool = True) -> Iterator[str]:
    if not found.count:
        yield '<p class="nothing">Nothing was deferred or bounced.</p>'
        return
    if not is_ours:
        yield "<p>What clients were told; the advice would be theirs.</p>"
    reasons = found.reasons()
    heads = ["Reason", "#Count", "#Share", *["What to do"] * is_ours]
    yield from _table(
        f"{kind}-reasons",
        "Reasons",
        heads,
        [_reason_row(row, reasons[0].share, kind, is_ours=is_ours) for row in reasons],
        kind="reasons stack",
    )


def _reason_row(row: ReasonRow, most: float, kind: str, *, is_ours: bool) -> str:
    advice = f'<td class="whole-row">{_text(row.advice)}</td>' if is_ours else ""
    return (
        f'<tr><th scope="row" class="whole-row">'
        f'<a href="#{kind}-replies" data-reason="{row.reason}">{row.reason}</a>'
        f"<small>{_text(row.reason.description)}</small></th>"
        f"{_number(row.count)}{_share(row.share, most)}{advice}</tr>"
    )


def _said(found: Refusals, kind: str) -> Iterator[str]:
    """The replies by their shape, and what they name."""
    rows = found.replies()
    most = rows[0].count / found.count
    shown = _first(_reply_row(row, found.count, most) for row in rows)
    left = rows[len(shown) :]
    yield f"<h3>Replies{'' if kind == 'failed' else ' there'}, by what they have in common</h3>"
    yield from _table(
        f"{kind}-replies",
        "Replies",
        ("#Count", "#Share", "Codes", "Reason", "Reply"),
        shown,
        kind="replies stack",
        reasons=list(dict.fromkeys(str(row.reason) for row in rows[: len(shown)])),
    )
    count = sum(row.count for row in left)
    yield from _left(count, f"in {len(left):,} rarer forms are not on this page")
    yield from _left(found.other_replies, f"came in forms behind the first {MOST_NAMES:,}")
    yield '<div class="pair">'
    yield from _names("Block lists named there", "Block list", found.blocklists, f"{kind}-lists")
    yield from _names("URLs named there", "URL", found.urls, f"{kind}-urls")
    yield "</div>"


def _reply_row(row: ReplyRow, total: int, most: float) -> str:
    codes = f"{'' if row.code is None else f'{row.code:03}'} {row.enhanced or ''}".strip()
    shape = _MASK.sub(r"<i>\g<0></i>", _text(row.shape)) or '<i class="quiet">(no words)</i>'
    where = _text(f"{row.file}:{row.line}")
    example = f'<small class="where">First in {where}</small>'
    if row.text != row.shape:
        example = (
            f"<details><summary>First in {where}</summary>"
            f'<span class="said">{_text(row.text)}</span></details>'
        )
    return (
        f'<tr data-reason="{row.reason}">{_number(row.count)}{_share(row.count / total, most)}'
        f'<td class="codes">{_text(codes)}</td><td class="reason">{row.reason}</td>'
        f'<td class="whole-row"><div class="said">{shape}</div>{example}</td></tr>'
    )


def _names(title: str, head: str, names: Names, name: str) -> Iterator[str]:
    rows = names.rows()
    if not rows:
        return
    yield f"<div><h3>{title}</h3>"
    shown = _first(map(_name_row, rows))
    left = rows[len(shown) :]
    yield from _table(name, title, ("#Count", head), shown)
    count = sum(row.count for row in left)
    yield from _left(count, f"of {len(left):,} others are not on this page")
    yield from _left(names.others, f"came behind the first {MOST_NAMES:,}")
    yield "</div>"


def _name_row(row: NameRow) -> str:
    return f'<tr>{_number(row.count)}<td class="said">{_text(row.name)}</td></tr>'


# --- Who refuses ----------------------------------------------------------------------------


def _refusers(report: Report) -> Iterator[str]:
    if not report.failed.count:
        yield '<p class="nothing">Nobody refused anything.</p>'
        return
    for name, words, parties in (
        ("domain", "recipient domain", report.domains),
        ("provider", "provider", report.providers),
        ("relay", "relay", report.relays),
    ):
        yield from _parties(name, words, parties)


def _parties(name: str, words: str, parties: Parties) -> Iterator[str]:
    every = parties.rows()
    rows = [row for row in every if row.deferred or row.bounced]
    yield f"<h3>By {words}</h3>"
    if all(row.name is None for row in rows):
        yield f'<p class="nothing">The log tells no {words}.</p>'
        return
    shown = _first(map(_party_row, rows))
    left = rows[len(shown) :]
    yield from _table(
        f"by-{name}",
        f"Who refuses, by {words}",
        (words.capitalize(), "#Deferred", "#Bounced", "#Delivered", "#Refused", "Mostly"),
        shown,
        kind="parties stack",
    )
    count = sum(row.deferred + row.bounced for row in left)
    yield from _left(count, f"refused by {len(left):,} others are not on this page")
    if len(every) > len(rows):
        yield f'<p class="left">{len(every) - len(rows):,} more refused nothing.</p>'
    yield from _left(
        parties.others, f"are outcomes of such as came behind the first {MOST_NAMES:,}"
    )


def _party_row(row: PartyRow) -> str:
    counts = {"bounced": row.bounced, "deferred": row.deferred, "delivered": row.delivered}
    name = '<span class="quiet">(none)</span>' if row.name is None else _text(row.name)
    numbers = "".join(
        _number(counts[kind], label=kind) for kind in ("deferred", "bounced", "delivered")
    )
    bar = _bar(counts, sum(counts.values()), "bar", is_told=False)
    return (
        f'<tr><th scope="row" class="said whole-row">{name}</th>{numbers}'
        f'<td class="n share" data-n="{row.share:.6f}"><b>{row.share:.1%}</b>{bar}</td>'
        f'<td class="reason" data-label="mostly">{row.reason or ""}</td></tr>'
    )


# --- Charts ---------------------------------------------------------------------------------


def _timeline(report: Report) -> Iterator[str]:
    rows = report.timeline()
    if not rows:
        yield '<p class="nothing">The log tells no times.</p>'
        return
    step, bins = _bins(rows, report.step)
    each = "an hour" if step == HOUR else "a day" if step == DAY else f"{step // DAY} days"
    yield f"<p>Each bar stands for {each}.</p>"
    kinds = [kind for kind in _SERIES if any(getattr(row, kind) for row in bins)]
    legend = "".join(f"<li>{_swatch(kind)}{kind}</li>" for kind in reversed(kinds))
    yield f'<ul class="legend">{legend}</ul>'
    is_hourly = step == HOUR
    yield from _stacks(bins, kinds, "All mail", "plot", is_hourly=is_hourly)
    refused = [kind for kind in kinds if kind != "delivered"]
    delivered, others = (
        sum(getattr(row, kind) for row in bins for kind in some)
        for some in (("delivered",), refused)
    )
    # Else they can be seen above well enough.
    if refused and delivered > 3 * others:
        yield from _stacks(bins, refused, "What failed, larger", "plot low", is_hourly=is_hourly)
    heads = ["Time", *[f"#{kind.capitalize()}" for kind in reversed(kinds)]]
    body = [
        f'<tr><th scope="row">{_label(row.time, is_hourly=is_hourly)}</th>'
        f"{''.join(_number(getattr(row, kind)) for kind in reversed(kinds))}</tr>"
        for row in bins
    ]
    yield "<details><summary>The numbers</summary>"
    yield from _table("times", "Timeline", heads, body)
    yield "</details>"
    yield from _left(report.other_times, f"happened on days behind the first {MOST_NAMES:,}")


def _bins(rows: list[TimeRow], step: int) -> tuple[int, list[TimeRow]]:
    """The rows with those between them in which nothing was; weeks, or some, if days are many."""
    first = rows[0].time
    spanned = (rows[-1].time - first) // step + 1
    if spanned > _MOST_BARS:
        step *= 7 * -(-spanned // (7 * _MOST_BARS))
        spanned = (rows[-1].time - first) // step + 1
    counts = [[0] * len(_SERIES) for _ in range(spanned)]
    for row in rows:
        bin_ = counts[(row.time - first) // step]
        for at, kind in enumerate(_SERIES):
            bin_[at] += getattr(row, kind)
    return step, [
        TimeRow(first + at * step, **dict(zip(_SERIES, bin_, strict=True)))
        for at, bin_ in enumerate(counts)
    ]


def _stacks(
    bins: list[TimeRow], kinds: Sequence[str], title: str, form: str, *, is_hourly: bool
) -> Iterator[str]:
    """A stack of bars for each time; in percent of a plot as wide as there is room."""
    most = max(sum(getattr(row, kind) for kind in kinds) for row in bins)
    grid = _grid(most)
    top = grid[-1]
    slot = 100 / len(bins)
    width = min(0.82 * slot, _WIDEST_BAR)
    marks = "".join(f"<span>{_short(value)}</span>" for value in reversed(grid))
    yield f"<figure><figcaption>{title}</figcaption>"
    yield f'<div class="chart"><div class="ys" aria-hidden="true">{marks}</div>'
    yield f'<svg class="{form}" role="img" aria-label="{title}, by time; the numbers stand below">'
    for value in reversed(grid):
        height = f"{100 - 100 * value / top:.2f}%"
        yield f'<line x1="0" x2="100%" y1="{height}" y2="{height}"/>'
    for at, row in enumerate(bins):
        bars, below = [], 0
        for kind in kinds:
            count = getattr(row, kind)
            below += count
            if count:
                bars.append(
                    f'<rect class="{kind}" x="{at * slot + (slot - width) / 2:.3f}%"'
                    f' y="{100 - 100 * below / top:.3f}%"'
                    f' width="{width:.3f}%" height="{100 * count / top:.3f}%"/>'
                )
        told = ", ".join(f"{getattr(row, kind):,} {kind}" for kind in reversed(kinds))
        yield (
            f'<g class="slot"><title>{_label(row.time, is_hourly=is_hourly)}: {told}</title>'
            f'<rect class="hit" x="{at * slot:.3f}%" width="{slot:.3f}%" height="100%"/>'
            f"{''.join(bars)}</g>"
        )
    times = _times(bins, slot, is_hourly=is_hourly)
    yield f'</svg><svg class="xs" aria-hidden="true">{times}</svg></div></figure>'


def _grid(most: int) -> list[int]:
    """Round numbers from 0 to `most` or a little above, three to six of them."""
    rough = most / 4
    power = 10 ** max(0, math.floor(math.log10(rough))) if rough >= 1 else 1
    step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough)
    return list(range(0, most + step, step))


def _times(bins: list[TimeRow], slot: float, *, is_hourly: bool) -> str:
    """The marks below the bars; every second one only where there is room."""
    every = -(-len(bins) // _MOST_TICKS)
    marks = []
    for number, at in enumerate(range(0, len(bins), every)):
        middle = (at + 0.5) * slot
        # Near the edges they would be cut off.
        anchor = "start" if middle < 6 else "end" if middle > 94 else "middle"
        place = {"start": at * slot, "end": (at + 1) * slot, "middle": middle}[anchor]
        label = _label(bins[at].time, is_hourly=is_hourly)
        marks.append(
            f'<text x="{place:.2f}%" y="1.1em" text-anchor="{anchor}"{_fine(number)}>'
            f"{label[5:] if is_hourly else label}</text>"
        )
    return "".join(marks)


def _label(moment: int, *, is_hourly: bool) -> str:
    return shown_time(moment)[: 16 if is_hourly else 10]


def _delays(report: Report) -> Iterator[str]:
    rows = report.delay_rows()
    if not rows:
        yield '<p class="nothing">The log tells no delays.</p>'
        return
    *some, most = PERCENTILES
    yield (
        f"<p>What {', '.join(map(str, some))} and {most} mails in a hundred do not exceed, to"
        f" within {DELAY_ERROR:.0%}, and the longest.</p>"
    )
    percents = dict(zip(("p50", "p90", "p99"), PERCENTILES, strict=True))
    keys = "".join(
        f'<li><svg class="key" viewBox="-8 -8 16 16" aria-hidden="true">{shape}</svg>'
        f"{f'{percents[name]}%' if name in percents else name}</li>"
        for name, shape in _MARKS.items()
    )
    yield f'<ul class="legend">{keys}</ul>'
    yield from _ranges(rows)
    heads = "".join(f'<th scope="col" class="n">{percent}%</th>' for percent in PERCENTILES)
    yield (
        '<table class="delays" aria-label="Delays"><thead><tr><th scope="col">Outcome</th>'
        f'<th scope="col" class="n">Count</th>{heads}<th scope="col" class="n">Longest</th></tr>'
        "</thead><tbody>"
    )
    for outcome, row in rows.items():
        times = "".join(
            f'<td class="n">{shown_duration(getattr(row, name))}</td>' for name in _MARKS
        )
        yield f'<tr><th scope="row">{outcome}</th>{_number(row.count)}{times}</tr>'
    yield "</tbody></table>"


def _ranges(rows: dict[Outcome, DelayRow]) -> Iterator[str]:
    """A line from the middle delay to the longest for each outcome, on an axis of logarithms."""
    least = min(row.p50 for row in rows.values())
    most = max(row.longest for row in rows.values())
    marks = list(_DURATIONS)
    low = max((mark for mark in marks if mark <= least), default=marks[0])
    high = next((mark for mark in marks if mark >= most and mark > low), marks[-1])
    axis = [mark for mark in marks if low <= mark <= high]

    def place(seconds: float) -> str:
        share = math.log(max(low, min(seconds, high)) / low) / math.log(high / low)
        return f"{100 * share:.2f}%"

    lines = "".join(
        f'<line x1="{place(mark)}" x2="{place(mark)}" y1="0" y2="100%"/>' for mark in axis
    )
    yield '<div class="chart ranges" aria-hidden="true">'
    for outcome, row in rows.items():
        shapes = "".join(
            f'<svg x="{place(getattr(row, name))}" y="50%">{shape}</svg>'
            for name, shape in reversed(_MARKS.items())
        )
        yield (
            f'<span>{outcome}</span><svg class="range">{lines}<line class="span"'
            f' x1="{place(row.p50)}" x2="{place(row.longest)}" y1="50%" y2="50%"/>{shapes}</svg>'
        )
    texts = "".join(
        f'<text x="{place(mark)}" y="1.1em" text-anchor="{_anchor(at, len(axis))}"'
        f"{_fine(at)}>{_DURATIONS[mark]}</text>"
        for at, mark in enumerate(axis)
    )
    yield f'<svg class="xs">{texts}</svg></div>'


def _fine(number: int) -> str:
    """Every second mark is left out where there is no room for all."""
    return ' class="fine"' if number % 2 else ""


def _anchor(at: int, count: int) -> str:
    return "start" if at == 0 else "end" if at == count - 1 else "middle"


# --- What is not understood -----------------------------------------------------------------


def _problems(report: Report) -> Iterator[str]:
    rows = report.problems()
    shown = _first(map(_problem_row, rows))
    left = rows[len(shown) :]
    yield "<p>Such lines look like deliveries; they are in no total above.</p>"
    yield from _table(
        "lines",
        "Lines not understood",
        ("#Count", "MTA", "What is wrong", "Line"),
        shown,
        kind="stack",
    )
    count = sum(row.count for row in left)
    yield from _left(count, f"for {len(left):,} other reasons are not on this page")
    yield from _left(report.other_problems, f"came behind the first {MOST_NAMES:,} reasons")


def _problem_row(row: ProblemRow) -> str:
    return (
        f"<tr>{_number(row.count)}<td>{_text(row.mta)}</td><td>{_text(row.problem)}</td>"
        f'<td class="whole-row"><div class="said">{_text(row.text)}</div>'
        f'<small class="where">First in {_text(f"{row.file}:{row.line}")}</small></td></tr>'
    )


# --- Parts ----------------------------------------------------------------------------------


def _table(
    name: str,
    label: str,
    heads: Iterable[str],
    rows: Iterable[str],
    *,
    kind: str = "",
    reasons: Sequence[str] = (),
) -> Iterator[str]:
    """A table that the script sorts and filters; of numbers the head begins with a "#"."""
    options = "".join(f"<option>{reason}</option>" for reason in reasons)
    # Of one alone there is nothing to choose.
    select = f'<label>Reason <select><option value="">all</option>{options}</select></label>'
    cells = "".join(f'<th scope="col"{_form(head)}>{head.lstrip("#")}</th>' for head in heads)
    yield (
        f'<div class="table" id="{name}" role="region" aria-label="{label}" tabindex="0">'
        '<div class="tools" hidden><label>Filter <input type="search"></label>'
        f'{select if len(reasons) > 1 else ""}<output aria-live="polite"></output></div>'
        f'<table class="{kind}"><thead><tr>{cells}</tr></thead><tbody>'
    )
    yield from rows
    yield "</tbody></table></div>"


def _first(rows: Iterable[str]) -> list[str]:
    """As many of the rows as a table may have."""
    shown: list[str] = []
    room = LONGEST_TABLE
    for row in rows:
        room -= len(row)
        if len(shown) == MOST_ROWS or (shown and room < 0):
            break
        shown.append(row)
    return shown


def _form(head: str) -> str:
    if head in ("#Share", "#Refused"):
        return ' class="n share"'
    return ' class="n"' if head.startswith("#") else ""


def _number(count: int, label: str = "") -> str:
    said = f' data-label="{label}"' if label else ""
    return f'<td class="n" data-n="{count}"{said}>{count:,}</td>'


def _share(share: float, most: float) -> str:
    """A share, with a bar that is the longest for the greatest one."""
    return (
        f'<td class="n share" data-n="{share:.6f}"><b>{share:.1%}</b>'
        f'<svg class="bar" aria-hidden="true"><rect class="track" width="100%" height="100%"/>'
        f'<rect class="fill" width="{100 * share / most:.2f}%" height="100%"/></svg></td>'
    )


def _bar(counts: dict[str, int], total: int, form: str, *, is_told: bool = True) -> str:
    """A bar of parts, which may be less than the whole."""
    bars, start = [], 0.0
    for kind, count in counts.items():
        width = 100 * count / total
        if count:
            bars.append(
                f'<rect class="{kind}" x="{start:.3f}%" width="{width:.3f}%" height="100%"/>'
            )
        start += width
    told = ", ".join(f"{kind} {_percent(count, total)}" for kind, count in counts.items())
    role = f'role="img" aria-label="{told}"' if is_told else 'aria-hidden="true"'
    return f'<svg class="{form}" {role}>{"".join(bars)}</svg>'


def _swatch(kind: str) -> str:
    return (
        f'<svg class="swatch" aria-hidden="true"><rect class="{kind}" width="100%" height="100%"/>'
        "</svg>"
    )


def _left(count: int, words: str) -> Iterator[str]:
    """What a table leaves out, if there is any."""
    if count:
        yield f'<p class="left">{count:,} more {words}.</p>'


def _text(said: str) -> str:
    """What somebody has written, as text of the page; control characters as escapes.

    In ASCII, so that the page is the same whatever its output can encode.
    """
    harmless_lines = "\n".join(map(harmless, said.split("\n")))
    return escape(harmless_lines).encode("ascii", "xmlcharrefreplace").decode()


def _count(count: int, noun: str, plural: str = "s") -> str:
    return f"{count:,} {noun}{plural if count != 1 else ''}"


def _percent(count: int, total: int, words: str = "") -> str:
    return f"{count / total:.1%} {words}".strip() if total else ""


def _short(count: int) -> str:
    """As an axis has it: 1,200, 15k, 2.5M."""
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**4)):
        if count >= size:
            return f"{count / (1000 if unit == 'k' else size):g}{unit}"
    return f"{count:,}"
