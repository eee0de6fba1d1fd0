"""What stands in front of a line of a mail log: when, on which host, by which program.

RFC 3164 section 4.1 and RFC 5424 section 6, with a priority or as files have them without; ISO 8601
as rsyslog and `journalctl -o short-iso` write it; JSON of `journalctl -o json`
(systemd.journal-fields(7)); the time stamps of Exim and Haraka; TAI64N and seconds of multilog and
splogger (cr.yp.to/libtai/tai64.html).
"""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Envelope(NamedTuple):
    """What stands in front of a line, and the line without it.

    time: microseconds since 1970, in UTC, or in an unknown zone where `time_is_local`. tag: the
    program, without its process id; "" where none is named.
    """

    time: int | None
    time_is_local: bool
    host: str | None
    tag: str
    text: str


_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_MICROSECONDS: Final = 1_000_000
_EPOCH: Final = date(1970, 1, 1)
# As many days back are no disorder, but the next year; as many ahead are a late line of the last.
_NEXT_YEAR: Final = 6 * 31
_LATE: Final = 11 * 31

_PRIORITY: Final = re.compile(r"<[0-9]{1,3}>")
_RFC3164: Final = re.compile(
    r"(?P<month>[A-Z][a-z]{2}) (?P<day>[ 0-3][0-9]) (?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.[0-9]{1,9})? "
)
_ISO: Final = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<gap>[T ])(?P<clock>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?(?P<zone>Z| ?[+-][0-9]{2}:?[0-9]{2})? "
)
_RFC5424: Final = re.compile(
    r"1 (?P<stamp>\S{1,40}) (?P<host>\S{1,255}) (?P<tag>\S{1,48}) \S{1,128} \S{1,32} "
)
# STRUCTURED-DATA: elements in brackets, whose values stand in quotes.
_STRUCTURED: Final = re.compile(
    r"(?:-|(?:\[[^\]\"]*+(?:\"(?:[^\"\\]|\\.)*+\"[^\]\"]*+)*+\])++)(?: |$)", re.DOTALL
)
# Of the years 1970 to 2106: what is later or earlier is no time of a log.
_TAI64N: Final = re.compile(r"@(?P<seconds>40000000[0-9a-f]{8})(?P<nanoseconds>[0-9a-f]{8}) ")
_SECONDS: Final = re.compile(r"(?P<seconds>[0-9]{9,11})\.(?P<fraction>[0-9]{6}) ")
# A host and a program; some put nothing but a colon behind it, some no process id.
_TAG: Final = re.compile(r"(?P<host>\S{1,255}) (?P<tag>[^\s\[:]{1,64})(?:\[[0-9]{1,10}\])?: ?")
# Seconds of TAI64 at the beginning of 1970, as the tools that write it reckon.
_TAI_EPOCH: Final = 2**62 + 10


class Calendar:
    """The year of stamps that name none: it goes on when December is followed by January.

    year: of the first stamp, or what finds it out when that comes; None, if it is not known.
    """

    def __init__(self, year: int | Callable[[], int] | None) -> None:
        self._year = year
        self._last = 0

    def year_of(self, month: int, day: int) -> int | None:
        """The year of a stamp; stamps come in their order, apart from some disorder."""
        if self._year is None:
            return None
        if not isinstance(self._year, int):
            self._year = self._year()
        days = 31 * month + day
        if days < self._last - _NEXT_YEAR:
            self._year += 1
            self._last = days
        elif self._last and days > self._last + _LATE:
            return self._year - 1
        self._last = max(self._last, days)
        return self._year


def first_year(lines: Iterable[str], end: date) -> int:
    """The year in which a file begins whose stamps name none, if it was last written on `end`.

    Stamps with a year that stand behind all of them say it better, where there are some. It is
    enough to give some of the lines, in their order, with less than half a year between them.
    """
    calendar = Calendar(0)
    year = month = day = 0
    dated: date | None = None
    known = ""
    for line in lines:
        if line[:7] == known:  # nearly all are of the same day as the one before
            dated = None
            continue
        stamp = _RFC3164.match(_without_priority(line))
        if stamp and stamp["month"] in _MONTHS:
            month, day = _MONTHS[stamp["month"]], int(stamp["day"])
            year = calendar.year_of(month, day) or 0
            dated = None
            known = line[:7] if line.startswith(stamp["month"]) else ""
        elif dated is None and month:
            dated = _date_of(line)
    if dated is not None:
        end = min(end, dated)
    if not month:
        return end.year
    try:
        last = date(end.year, month, day)
    except ValueError:  # the 29th of February, of another year
        last = date(end.year, month, 28)
    return end.year - year - (last > end + timedelta(days=1))


def _date_of(line: str) -> date | None:
    """The day of a stamp that has a year."""
    stamp = _ISO.match(_without_priority(line).removeprefix("1 "))
    try:
        return date.fromisoformat(stamp["day"]) if stamp else None
    except ValueError:
        return None


def _without_priority(line: str) -> str:
    match = _PRIORITY.match(line)
    return line[match.end() :] if match else line


def open_envelope(line: str, calendar: Calendar) -> Envelope:
    """Take off a line what stands in front of it; whatever is unknown stays in the text."""
    if line.startswith("{"):
        return _journal(line) or Envelope(None, False, None, "", line)
    line = _without_priority(line)
    first = line[:1]
    if first == "1":
        match = _RFC5424.match(line)
        if match:
            return _rfc5424(line, match)
    if first.isupper():
        match = _RFC3164.match(line)
        if match:
            return _rfc3164(line, match, calendar)
    match = _ISO.match(line)
    if match:
        time, is_local = _iso_time(match)
        rest = line[match.end() :]
        # Exim and Haraka write no host.
        if match["gap"] == " " or rest.startswith(("[", "{", "level=")):
            return Envelope(time, is_local, None, "", rest)
        return _tagged(time, is_local, rest)
    match = _TAI64N.match(line)
    if match:
        seconds = int(match["seconds"], 16) - _TAI_EPOCH
        time = seconds * _MICROSECONDS + int(match["nanoseconds"], 16) // 1000
        return Envelope(time, False, None, "", line[match.end() :])
    match = _SECONDS.match(line)
    if match:
        time = int(match["seconds"]) * _MICROSECONDS + int(match["fraction"])
        return Envelope(time, False, None, "", line[match.end() :])
    return Envelope(None, False, None, "", line)


def _tagged(time: int | None, is_local: bool, rest: str) -> Envelope:
    match = _TAG.match(rest)
    if not match:
        return Envelope(time, is_local, None, "", rest)
    return Envelope(time, is_local, match["host"], match["tag"], rest[match.end() :])


def _rfc3164(line: str, match: re.Match[str], calendar: Calendar) -> Envelope:
    time = None
    if match["month"] in _MONTHS:
        month, day = _MONTHS[match["month"]], int(match["day"])
        year = calendar.year_of(month, day)
        if year is not None:
            time = _moment(year, month, day, match["clock"])
    return _tagged(time, True, line[match.end() :])


def _rfc5424(line: str, match: re.Match[str]) -> Envelope:
    stamp = _ISO.match(match["stamp"] + " ")
    time, is_local = _iso_time(stamp) if stamp else (None, False)
    data = _STRUCTURED.match(line, match.end())
    text = line[data.end() if data else match.end() :].removeprefix("\ufeff")
    # rsyslog passes on what stood behind the tag, its space too.
    host, tag = (None if word == "-" else word for word in (match["host"], match["tag"]))
    return Envelope(time, is_local, host, tag or "", text.removeprefix(" "))


def _iso_time(match: re.Match[str]) -> tuple[int | None, bool]:
    year, month, day = map(int, match["day"].split("-"))
    time = _moment(year, month, day, match["clock"])
    zone = (match["zone"] or "").strip().replace(":", "")
    if time is None or zone[3:5] > "59" or zone[1:3] > "23":
        return None, False
    time += int((match["fraction"] or "0")[:6].ljust(6, "0"))
    if zone not in ("", "Z"):
        offset = (int(zone[1:3]) * 60 + int(zone[3:5])) * 60 * _MICROSECONDS
        time += offset if zone[0] == "-" else -offset
    return time, not zone


def _moment(year: int, month: int, day: int, clock: str) -> int | None:
    """Microseconds since 1970; None, if there is no such moment. `clock` is 12:34:56."""
    start = _start_of(year, month, day)
    hour, minute, second = clock[:2], clock[3:5], clock[6:]
    if start is None or hour > "23" or minute > "59" or second > "60":
        return None
    return start + ((int(hour) * 60 + int(minute)) * 60 + int(second)) * _MICROSECONDS


# The lines of a log are of few days.
@lru_cache(maxsize=64)
def _start_of(year: int, month: int, day: int) -> int | None:
    try:
        return (date(year, month, day) - _EPOCH).days * 86_400 * _MICROSECONDS
    except ValueError:
        return None


def _journal(line: str) -> Envelope | None:
    """A line of `journalctl -o json`, where a text that is no UTF-8 is a list of its octets."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    message = entry.get("MESSAGE")
    if isinstance(message, list):
        try:
            message = bytes(message).decode("utf-8", "surrogateescape")
        except (TypeError, ValueError):
            return None
    if not isinstance(message, str):
        return None
    stamp = entry.get("__REALTIME_TIMESTAMP") or entry.get("_SOURCE_REALTIME_TIMESTAMP")
    time = int(stamp) if isinstance(stamp, str) and stamp.isdecimal() and len(stamp) < 19 else None
    host, tag = entry.get("_HOSTNAME"), entry.get("SYSLOG_IDENTIFIER")
    return Envelope(
        time,
        False,
        host if isinstance(host, str) else None,
        tag if isinstance(tag, str) else "",
        message,
    )
