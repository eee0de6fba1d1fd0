"""From lines of several MTAs in several envelopes to records."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from smtpfast import Disposition, Reason
from smtpfast.logs import Event, LogReader, LogRecord, read_log

if TYPE_CHECKING:
    from collections.abc import Callable

POSTFIX = (
    "Nov  3 14:52:45 mx1 postfix/smtp[71]: 4F1B2C3D4E5: to=<Ann@Example.ORG>,"
    " relay=mx.example.org[192.0.2.7]:25, delay=1.5, delays=0.1/0/1/0.4, dsn=5.1.1, status=bounced"
    " (host mx.example.org[192.0.2.7] said: 550 5.1.1 <Ann@Example.ORG>: User unknown"
    " (in reply to RCPT TO command))"
)
MIXED = (
    "Nov  3 14:52:44 mx1 postfix/qmgr[70]: 4F1B2C3D4E5: from=<bob@example.com>, size=9, nrcpt=1",
    POSTFIX,
    "Nov  3 14:52:46 mx1 dovecot: imap-login: Login: user=<x>, method=PLAIN, rip=192.0.2.9",
    "2026-11-03 14:52:47 1tHxYz-00000001abc-2DeF => c@example.net R=dnslookup T=remote_smtp"
    ' H=mx.example.net [198.51.100.4] C="250 2.0.0 Ok: queued"',
    "<22>1 2026-11-03T14:52:48.5+00:00 mx2 sendmail 8 - -  6ANF43Px009898: to=<d@example.net>,"
    " delay=00:00:05, mailer=esmtp, pri=1, relay=mx.example.net. [198.51.100.4], dsn=4.2.0,"
    " reply=450 4.2.0 <d@example.net>: Greylisted for 5 minutes, stat=Deferred: 450 4.2.0 no",
    "",
)


def records_of(*lines: str, year: int | None = 2026) -> list[LogRecord]:
    return list(read_log([line.encode() for line in lines], "mail.log", year=year))


def test_one_line_of_postfix_in_all_columns() -> None:
    [record] = records_of(*MIXED[:2])
    assert record._asdict() == {
        "time": 1_793_717_565_000_000,
        "time_is_local": True,
        "host": "mx1",
        "mta": "postfix",
        "process": "postfix/smtp",
        "event": Event.DELIVERY,
        "queue_id": "4F1B2C3D4E5",
        "sender": "bob@example.com",
        "recipient": "Ann@Example.ORG",
        "recipient_domain": "example.org",
        "relay_host": "mx.example.org",
        "relay_ip": "192.0.2.7",
        "relay_port": 25,
        "delay": 1.5,
        "status": "bounced",
        "code": 550,
        "enhanced": "5.1.1",
        "dsn": "5.1.1",
        "stage": "RCPT",
        "text": "<Ann@Example.ORG>: User unknown",
        "reason": Reason.BAD_MAILBOX,
        "disposition": Disposition.SUPPRESS,
        "retry_after": None,
        "blocklist": None,
        "provider": None,
        "problem": None,
        "file": "mail.log",
        "line": 2,
    }


def test_several_mtas_and_envelopes_in_one_file() -> None:
    found = records_of(*MIXED)
    assert [(record.mta, record.host, record.line) for record in found] == [
        ("postfix", "mx1", 2),
        ("exim", None, 4),
        ("sendmail", "mx2", 5),
    ]
    assert [record.recipient for record in found] == [
        "Ann@Example.ORG",
        "c@example.net",
        "d@example.net",
    ]
    assert [(record.code, record.enhanced) for record in found] == [
        (550, "5.1.1"),
        (250, "2.0.0"),
        (450, "4.2.0"),
    ]
    assert [record.reason for record in found] == [
        Reason.BAD_MAILBOX,
        Reason.ACCEPTED,
        Reason.GREYLISTED,
    ]
    assert found[2].retry_after == 300
    assert found[1].time == found[0].time + 2_000_000  # type: ignore[operator]
    assert [record.time_is_local for record in found] == [True, True, False]


def test_without_a_year_there_is_no_time() -> None:
    assert records_of(POSTFIX, year=None)[0].time is None


def test_the_year_goes_on_at_new_year() -> None:
    december = POSTFIX.replace("Nov  3", "Dec 31")
    january = POSTFIX.replace("Nov  3", "Jan  1")
    first, second = records_of(december, january, year=2025)
    assert second.time - first.time == 86_400_000_000  # type: ignore[operator]


def test_stamps_without_a_year_go_on_over_new_years_and_among_stamps_with_one() -> None:
    year_less = [POSTFIX.replace("Nov  3", day) for day in ("Jan  1", "Jul  1", "Dec 31", "Jan  1")]
    with_year = POSTFIX.replace("Nov  3 14:52:45", "2027-01-02T14:52:45.5+01:00")
    found = records_of(POSTFIX, *year_less, with_year, year_less[-1], year=2025)
    assert [
        str(datetime.fromtimestamp(record.time // 1_000_000, UTC).date())  # type: ignore[operator]
        for record in found
    ] == [
        *("2025-11-03", "2026-01-01", "2026-07-01", "2026-12-31", "2027-01-01"),
        *("2027-01-02", "2027-01-01"),
    ]
    assert [record.time_is_local for record in found] == [*[True] * 5, False, True]


def test_lines_as_str_bytes_and_with_line_ends() -> None:
    reader = LogReader(year=2026)
    assert reader.read(POSTFIX)[0][:-1] == reader.read(POSTFIX.encode() + b"\r\n")[0][:-1]
    assert reader.lines == 2


def test_a_hostile_reply_stays_a_text() -> None:
    hostile = POSTFIX.replace("User unknown", "x, status=sent (250 ok) said: 250 (in reply to DATA")
    [record] = records_of(hostile)
    assert (record.status, record.code, record.stage) == ("bounced", 550, "RCPT")
    assert record.text is not None
    assert "status=sent" in record.text


# What other tools leave in one text, take apart wrongly, or miss; see docs/logs.md.
ASKED = {
    "a reject": (
        "smtpd[1]: NOQUEUE: reject: RCPT from x.test[192.0.2.9]: 554 5.7.1 Service unavailable;"
        " Client host [192.0.2.9] blocked using zen.spamhaus.org; from=<a@x.test> to=<b@mx.test>"
        " proto=ESMTP helo=<x.test>",
        ("reject", "reject", 554, "5.7.1", "RCPT", "blocklisted"),
    ),
    "a URL with keys": (
        "smtp[1]: 4F1B2C3D4E5: to=<b@mx.test>, relay=mx.test[192.0.2.7]:25, conn_use=3, delay=1,"
        " delays=0/0/0/1, dsn=5.2.1, status=bounced (host mx.test[192.0.2.7] said: 550 5.2.1 The"
        " account is disabled, see https://mx.test/?hl=en&answer=6596 (in reply to RCPT TO"
        " command))",
        ("delivery", "bounced", 550, "5.2.1", "RCPT", "mailbox_disabled"),
    ),
    "soft_bounce": (
        "smtp[1]: 4F1B2C3D4E5: to=<root>, relay=mx.test[192.0.2.7]:25, delay=1, delays=0/0/0/1,"
        " dsn=5.1.10, status=SOFTBOUNCE (host mx.test[192.0.2.7] said: 550 5.1.10 Recipient not"
        " found (in reply to RCPT TO command))",
        ("delivery", "SOFTBOUNCE", 550, "5.1.10", "RCPT", "bad_mailbox"),
    ),
    "a probe": (
        "smtp[1]: 4F1B2C3D4E5: to=<b@mx.test>, relay=mx.test[192.0.2.7]:25, delay=1,"
        " delays=0/0/0/1, dsn=5.1.1, status=undeliverable (host mx.test[192.0.2.7] said: 550 5.1.1"
        " No such user (in reply to RCPT TO command))",
        ("attempt", "undeliverable", 550, "5.1.1", "RCPT", "bad_mailbox"),
    ),
    "error(8)": (
        "error[1]: 4F1B2C3D4E5: to=<b@mx.test>, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1,"
        " status=deferred (delivery temporarily suspended: connect to mx.test[192.0.2.7]:25:"
        " Connection timed out)",
        ("delivery", "deferred", None, None, "CONNECT", "connection"),
    ),
    "retry(8)": (
        "retry[1]: 4F1B2C3D4E5: to=<b@mx.test>, relay=none, delay=1, delays=0/0/0/1, dsn=4.7.0,"
        " status=deferred (delivery temporarily suspended: host mx.test[192.0.2.7] refused to talk"
        " to me: 421 4.7.0 Too many connections)",
        ("delivery", "deferred", 421, "4.7.0", "CONNECT", "rate_limited"),
    ),
    "a connection": (
        "smtp[1]: connect to mx.test[192.0.2.7]:25: Connection refused",
        ("connection", None, None, None, "CONNECT", "connection"),
    ),
}


@pytest.mark.parametrize(("text", "said"), ASKED.values(), ids=ASKED)
def test_what_users_of_other_tools_asked_for(text: str, said: tuple[object, ...]) -> None:
    [record] = records_of(f"Nov  3 14:52:45 mx1 postfix/{text}")
    assert (
        *(record.event, record.status, record.code, record.enhanced, record.stage),
        record.reason,
    ) == said


def test_mail_that_goes_through_a_filter_is_delivered_to_it_and_from_it() -> None:
    lines = (
        "Nov  3 14:52:45 mx1 postfix/smtp[1]: 4F1B2C3D4E5: to=<b@mx.test>, relay=127.0.0.1"
        "[127.0.0.1]:10024, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 from MTA"
        "(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 5A1B2C3D4E5)",
        "Nov  3 14:52:46 mx1 postfix/smtp[1]: 5A1B2C3D4E5: to=<b@mx.test>, relay=mx.test"
        "[192.0.2.7]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
    )
    into, out_of = records_of(*lines)
    assert (into.status, into.relay_ip, into.relay_port) == ("sent", "127.0.0.1", 10024)
    assert (out_of.status, out_of.relay_ip, out_of.relay_port) == ("sent", "192.0.2.7", 25)
    page = (Path(__file__).parents[1] / "docs" / "logs.md").read_text("utf-8")
    [pattern] = re.findall(r"grep -v '([^']+)' [^|]* \| smtpfast report -", page)
    assert [bool(re.search(pattern, line)) for line in lines] == [True, False]


def test_nothing_raises_and_nothing_is_taken_for_what_it_is_not() -> None:
    rng = random.Random(2)
    reader = LogReader(year=2026)
    for line in MIXED:
        for _ in range(300):
            data = bytearray(line.encode())
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(len(data) + 1)
                data[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 2))
            for record in reader.read(bytes(data)):
                assert (record.problem is not None) == (record.event is Event.OTHER)


STAGES = {"rcpt": "RCPT", "mail": "MAIL", "data": "DATA", "dot": "EOD"}
# Of a reply of several lines Sendmail logs the first one, OpenSMTPD the code of the first one.
LOGS_FIRST_CODE = {"sendmail", "opensmtpd"}
# Which command was answered is not in the line.
LOGS_NO_STAGE = {"sendmail", "opensmtpd"}


def expected_of(row: dict[str, Any], mta: str) -> dict[str, object]:
    """What the line holds of what is expected."""
    said = row["truth"]["reply_lines"]
    expected: dict[str, object] = {
        key: row[name]
        for key, name in (("status", "status"), ("recipient", "to"), ("queue_id", "queue_id"))
        if name in row
    }
    is_cut = mta == "postfix" and not row["line"].endswith(")")
    if mta not in LOGS_NO_STAGE and not is_cut:
        expected["stage"] = STAGES[row["truth"]["stage"]]
    logs_all = len(said) == 1 or mta not in LOGS_FIRST_CODE
    # Haraka takes the # off, Sendmail and Haraka the codes of success, and a line that is too long
    # for OpenSMTPD is no reply.
    is_whole = "#" not in said[-1] and "line too long" not in row["line"]
    if logs_all and is_whole and f"{row['code']}" in row["line"].replace(row["to"], ""):
        expected |= {"code": row["code"], "enhanced": row["enhanced"]}
    return expected


@pytest.mark.parametrize("mta", ["postfix", "exim", "sendmail", "opensmtpd", "haraka"])
def test_the_real_lines_of(mta: str, corpus: Callable[[str], Path]) -> None:
    path = corpus(f"logs/expected-{mta}.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    for row in rows:
        found = LogReader(year=2026).read(row["line"])
        assert len(found) == 1, row["line"]
        assert found[0].mta == mta
        for key, value in expected_of(row, mta).items():
            asked[key] += 1
            right[key] += getattr(found[0], key) == value
    assert asked["code"] >= len(rows) / 3
    shares = {key: right[key] / count for key, count in asked.items()}
    assert min(shares.values()) >= 0.995, shares


def test_no_real_line_that_tells_of_a_delivery_is_not_understood(
    corpus: Callable[[str], Path],
) -> None:
    for path in sorted(corpus("logs").glob("*.log")):
        lines = path.read_bytes().split(b"\n")
        others = [
            record for record in read_log(lines, path.name, year=2026) if record.event == "other"
        ]
        assert others == [], path.name
