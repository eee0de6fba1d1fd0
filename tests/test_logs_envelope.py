"""What stands in front of the lines of a log."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from smtpfast.logs.envelope import Calendar, Envelope, first_year, open_envelope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXT = "4F1B2C3D4E5: to=<a@example.com>, status=sent (250 ok)"


def microseconds(*moment: int) -> int:
    year, month, day, *clock = moment
    at = datetime(year, month, day, tzinfo=UTC)
    units = ("hours", "minutes", "seconds", "microseconds")
    at += timedelta(**dict(zip(units, clock, strict=False)))
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def opened(line: str, year: int | None = 2026) -> Envelope:
    return open_envelope(line, Calendar(year))


AT = microseconds(2026, 11, 3, 14, 52, 45)
AT_EXACTLY = AT + 255211

ENVELOPES = {
    "RFC 3164": (
        f"Nov  3 14:52:45 mx1 postfix/smtp[16315]: {TEXT}",
        Envelope(AT, True, "mx1", "postfix/smtp", TEXT),
    ),
    "RFC 3164 with a priority": (
        f"<22>Nov  3 14:52:45 mx1 postfix/smtp[16315]: {TEXT}",
        Envelope(AT, True, "mx1", "postfix/smtp", TEXT),
    ),
    "RFC 3164 with a fraction": (
        f"Nov  3 14:52:45.255 mx1 postfix/smtp[16315]: {TEXT}",
        Envelope(AT, True, "mx1", "postfix/smtp", TEXT),
    ),
    "RFC 3164 with a leading nought": (
        f"Nov 03 14:52:45 mx1 qmail: {TEXT}",
        Envelope(AT, True, "mx1", "qmail", TEXT),
    ),
    "ISO 8601": (
        f"2026-11-03T14:52:45.255211+00:00 mx1 postfix/submission/smtpd[1]: {TEXT}",
        Envelope(AT_EXACTLY, False, "mx1", "postfix/submission/smtpd", TEXT),
    ),
    "ISO 8601 east of Greenwich": (
        f"2026-11-03T16:22:45.255211+01:30 mx1.example.com sendmail[1]: {TEXT}",
        Envelope(AT_EXACTLY, False, "mx1.example.com", "sendmail", TEXT),
    ),
    "ISO 8601 as journalctl -o short-iso": (
        f"2026-11-03T07:52:45-0700 mx1 postfix/smtp[1]: {TEXT}",
        Envelope(AT, False, "mx1", "postfix/smtp", TEXT),
    ),
    "ISO 8601 without a zone": (
        f"2026-11-03T14:52:45 mx1 smtpd[7]: {TEXT}",
        Envelope(AT, True, "mx1", "smtpd", TEXT),
    ),
    "RFC 5424": (
        f"<22>1 2026-11-03T14:52:45.255211+00:00 mx1 postfix 16315 - -  {TEXT}",
        Envelope(AT_EXACTLY, False, "mx1", "postfix", TEXT),
    ),
    "RFC 5424 with structured data": (
        "<22>1 2026-11-03T14:52:45.255211Z mx1 postfix/smtp 16315 ID47"
        f' [a@1 k="v ] \\" \\\\"][b x="y"] {TEXT}',
        Envelope(AT_EXACTLY, False, "mx1", "postfix/smtp", TEXT),
    ),
    "RFC 5424 with nothing but nils": (
        f"<22>1 - - - - - - {TEXT}",
        Envelope(None, False, None, "", TEXT),
    ),
    "Exim": (
        "2026-11-03 14:52:45 1tHxYz-00000001abc-2DeF => a@example.com",
        Envelope(AT, True, None, "", "1tHxYz-00000001abc-2DeF => a@example.com"),
    ),
    "Exim with all that it can log": (
        "2026-11-03 14:52:45.255 +0000 [3544] 1tHxYz-0000v9-2P Completed",
        Envelope(AT + 255000, False, None, "", "[3544] 1tHxYz-0000v9-2P Completed"),
    ),
    "Haraka": (
        "2026-11-03T14:52:45.255Z [NOTICE] [-] [core] connect",
        Envelope(AT + 255000, False, None, "", "[NOTICE] [-] [core] connect"),
    ),
    "Haraka in JSON": (
        '2026-11-03T14:52:45.255Z {"level":"NOTICE"}',
        Envelope(AT + 255000, False, None, "", '{"level":"NOTICE"}'),
    ),
    "TAI64N": (
        f"@{2**62 + 10 + AT // 1_000_000:016x}0f363f28 delivery 9: success: ok/",
        Envelope(AT_EXACTLY + 2, False, None, "", "delivery 9: success: ok/"),
    ),
    "seconds": (
        f"{AT // 1_000_000}.255211 delivery 9: success: ok/",
        Envelope(AT_EXACTLY, False, None, "", "delivery 9: success: ok/"),
    ),
    "the journal": (
        json.dumps(
            {
                "__REALTIME_TIMESTAMP": str(AT_EXACTLY),
                "_HOSTNAME": "mx1",
                "SYSLOG_IDENTIFIER": "postfix/smtp",
                "MESSAGE": TEXT,
            }
        ),
        Envelope(AT_EXACTLY, False, "mx1", "postfix/smtp", TEXT),
    ),
    "the journal, octets": (
        json.dumps({"SYSLOG_IDENTIFIER": "postfix/smtp", "MESSAGE": [97, 233, 98]}),
        Envelope(None, False, None, "postfix/smtp", "a\udce9b"),
    ),
    "other JSON": ('{"type": "Delivery"}', Envelope(None, False, None, "", '{"type": "Delivery"}')),
    "nothing": (TEXT, Envelope(None, False, None, "", TEXT)),
    "an empty line": ("", Envelope(None, False, None, "", "")),
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_an_envelope(name: str) -> None:
    line, expected = ENVELOPES[name]
    assert opened(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "Nov 31 14:52:45 mx1 postfix/smtp[1]: x",
        "Nov  3 24:00:00 mx1 postfix/smtp[1]: x",
        "Nox  3 14:52:45 mx1 postfix/smtp[1]: x",
        "2026-02-30T14:52:45Z mx1 postfix/smtp[1]: x",
        "2026-11-03T14:52:45+99:99 mx1 postfix/smtp[1]: x",
    ],
)
def test_a_time_that_is_none_leaves_the_rest(line: str) -> None:
    found = opened(line)
    assert (found.time, found.host, found.tag, found.text) == (None, "mx1", "postfix/smtp", "x")


def test_without_a_year_there_is_no_time() -> None:
    found = opened(ENVELOPES["RFC 3164"][0], year=None)
    assert found == ENVELOPES["RFC 3164"][1]._replace(time=None)


def test_the_year_goes_on_at_new_year() -> None:
    calendar = Calendar(2023)
    days = [(12, 30), (12, 31), (1, 1), (12, 31), (1, 1), (2, 29), (7, 1), (12, 31), (1, 1)]
    years = [calendar.year_of(*day) for day in days]
    assert years == [2023, 2023, 2024, 2023, 2024, 2024, 2024, 2024, 2025]


def test_the_year_is_found_out_when_it_is_needed_and_once() -> None:
    asked = []
    calendar = Calendar(lambda: asked.append("year") or 2025)
    with_a_year = [name for name in ENVELOPES if not name.startswith("RFC 3164")]
    for name in with_a_year:
        assert open_envelope(ENVELOPES[name][0], calendar) == ENVELOPES[name][1]
    assert asked == []
    assert [calendar.year_of(*day) for day in ((12, 31), (1, 1))] == [2025, 2026]
    assert asked == ["year"]


def stamps(*days: str) -> list[str]:
    return [f"{day} 12:00:00 mx1 postfix/smtp[1]: x" for day in days]


@pytest.mark.parametrize(
    ("days", "end", "year"),
    [
        (("Nov  1", "Nov  3"), date(2026, 11, 3), 2026),
        (("Nov  1", "Nov  3"), date(2026, 11, 2), 2026),  # the clocks of two hosts
        (("Nov  1", "Nov  3"), date(2026, 3, 1), 2025),
        (("Dec 31", "Jan  1"), date(2026, 1, 1), 2025),
        (("Mar  1", "Dec 31", "Jan  1", "Nov 30", "Jan  2"), date(2026, 2, 1), 2024),
        (("Feb 28", "Feb 29"), date(2025, 2, 10), 2024),
        ((), date(2026, 2, 1), 2026),
    ],
)
def test_the_year_in_which_a_file_begins(days: tuple[str, ...], end: date, year: int) -> None:
    assert first_year(stamps(*days), end) == year
    assert first_year((line for line in stamps(*days) for _ in range(3)), end) == year


@pytest.mark.parametrize(
    ("days", "year"),
    [
        (("Jun 29", "Jul  2", "2025-07-03T", "2026-11-23T"), 2025),
        (("Dec 30", "Jan  2", "2025-01-03T", "2026-11-23T"), 2024),
        (("Jun 29", "1 2025-07-03T"), 2025),
        # Only those behind all that have none.
        (("Jun 29", "2025-07-03T", "Jul  3"), 2026),
        (("Jun 29", "2025-07-03T", "Jun 29"), 2026),
        (("2025-07-03T", "Jul  4"), 2026),
        (("Jun 29", "2025-99-03T"), 2026),
    ],
)
def test_a_stamp_with_a_year_says_that_of_those_before(days: tuple[str, ...], year: int) -> None:
    lines = [f"{day}{' ' * (day[-1] != 'T')}12:00:00 mx1 postfix/smtp[1]: x" for day in days]
    assert first_year(lines, date(2026, 11, 24)) == year


def test_every_minute_of_a_day_in_every_zone() -> None:
    for minutes in range(-14 * 60, 14 * 60, 15):
        sign = "-" if minutes < 0 else "+"
        zone = f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
        line = f"2026-11-03T14:52:45{zone} mx1 postfix/smtp[1]: x"
        expected = datetime.fromisoformat(line[: line.index(" ")])
        assert opened(line).time == int(expected.timestamp()) * 1_000_000, zone


def test_a_line_that_is_cut_anywhere_and_any_mutation_of_it() -> None:
    rng = random.Random(1)
    for line, _ in ENVELOPES.values():
        for end in range(len(line)):
            opened(line[:end])
        for _ in range(200):
            at = rng.randrange(len(line) + 1)
            opened(line[:at] + chr(rng.choice((0, 32, 34, 49, 93, 0xDC80, 0x1F600))) + line[at:])


@pytest.mark.parametrize("text", ["[" * 1_000_000, "[a=" + '"\\' * 500_000, "x" * 1_000_000])
def test_a_hostile_line_takes_no_time_to_speak_of(text: str) -> None:
    for front in ("", "<22>1 - - - - - ", '<22>1 2026-11-03T14:52:45Z mx1 a 1 - [a b="', "Nov  3 "):
        assert opened(front + text).text


def test_every_real_line_has_an_envelope(corpus: Callable[[str], Path]) -> None:
    for path in sorted(corpus("logs").glob("*.log")):
        for line in path.read_text(encoding="utf-8", errors="surrogateescape").split("\n"):
            if not line or "haraka" in path.name:
                continue
            found = opened(line)
            assert found.time is not None, line
            assert found.tag or path.name.startswith("exim"), line
