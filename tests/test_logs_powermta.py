"""PowerMTA's accounting files: own rows under several headers; there is no corpus of real ones."""

from __future__ import annotations

import csv
import io
import random

import pytest

from smtpfast import classify
from smtpfast.logs import Entry, Event
from smtpfast.logs.powermta import DEFAULT_COLUMNS, PowerMta
from work import work

SHORT_HEADER = "type,timeLogged,orig,rcpt,dsnAction,dsnStatus,dsnDiag,dsnMta"
TIME = 1_790_000_000
SENT = {
    "type": "d",
    "timeLogged": "2026-09-21 14:13:20+0000",
    "timeQueued": "2026-09-21 16:13:10+0200",
    "orig": "from@example.org",
    "rcpt": "to@example.com",
    "dsnAction": "relayed",
    "dsnStatus": "2.0.0 (success)",
    "dsnDiag": "smtp;250 2.0.0 Ok, thanks",
    "dsnMta": "mx.example.com (192.0.2.25)",
    "dlvType": "smtp",
    "dlvSourceIp": "198.51.100.1",
    "dlvDestinationIp": "192.0.2.25",
    "vmta": "pool1",
    "jobId": "job7",
    "envId": "env7",
}


def row(header: str = DEFAULT_COLUMNS, **changes: str) -> str:
    """A row below this header, by RFC 4180."""
    values = {**SENT, **changes}
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(
        values.get(name, "") for name in header.split(",")
    )
    return written.getvalue()


def read(*lines: str) -> list[Entry]:
    powermta = PowerMta()
    return [entry for line in lines for entry in powermta.read("", line)]


def test_delivered() -> None:
    assert read(DEFAULT_COLUMNS, row()) == [
        Entry(
            Event.DELIVERY,
            sender="from@example.org",
            recipients=("to@example.com",),
            relay_host="mx.example.com",
            relay_ip="192.0.2.25",
            delay=10.0,
            status="relayed",
            reply="250 2.0.0 Ok, thanks",
            dsn="2.0.0",
            time=TIME * 1_000_000,
        )
    ]


@pytest.mark.parametrize(
    ("type_", "status"),
    [
        ("d", "sent"),
        ("b", "bounced"),
        ("t", "deferred"),
        ("tq", "deferred"),
        ("rb", "bounced"),
        ("rs", "deferred"),
        ("delivery", "sent"),
        ("bounce", "bounced"),
        ("transient", "deferred"),
        ("B", "bounced"),
    ],
)
def test_types(type_: str, status: str) -> None:
    [said, unsaid] = read(
        SHORT_HEADER,
        row(SHORT_HEADER, type=type_, dsnAction="failed"),
        row(SHORT_HEADER, type=type_, dsnAction=""),
    )
    assert (said.event, said.status) == (Event.DELIVERY, "failed")
    assert (unsaid.event, unsaid.status) == (Event.DELIVERY, status)


@pytest.mark.parametrize("type_", ["r", "f", "receipt", "feedback-loop", "x", ""])
def test_other_types(type_: str) -> None:
    assert read(SHORT_HEADER, row(SHORT_HEADER, type=type_)) == []


def test_queue_that_waits() -> None:
    """A tq record is of a queue, often without a recipient."""
    lines = [
        row(type="tq", rcpt="", dsnDiag="smtp;421 4.7.0 Busy"),
        row(type="tq", rcpt="", dsnDiag="", dsnStatus="4.4.1 (no answer from host)"),
    ]
    [attempt, connection] = read(*lines)
    assert (attempt.event, attempt.reply) == (Event.ATTEMPT, "421 4.7.0 Busy")
    assert (connection.event, connection.text) == (Event.CONNECTION, "no answer from host")
    assert attempt.recipients == connection.recipients == ()


@pytest.mark.parametrize(
    ("diagnostic", "reply", "text"),
    [
        ("smtp;550 5.1.1 no such user", "550 5.1.1 no such user", None),
        ("smtp; 550 5.1.1 no such user", "550 5.1.1 no such user", None),
        ("SMTP;550 no", "550 no", None),
        ("250 ok", "250 ok", None),
        ("550", "550", None),
        ("550-5.7.1 first 550 5.7.1 last", "550-5.7.1 first 550 5.7.1 last", None),
        ('smtp;554 said: "250 ok", no; (really', '554 said: "250 ok", no; (really', None),
        ("smtp;550 smtp;250 ok", "550 smtp;250 ok", None),
        ("smtp;", None, "smtp;"),
        ("smtp;5501 no", None, "smtp;5501 no"),
        ("smtp;650 no", None, "smtp;650 no"),
        ("x-unix;exit 75", None, "x-unix;exit 75"),
        ("", None, "a comment (with more)"),
    ],
)
def test_diagnostics(diagnostic: str, reply: str | None, text: str | None) -> None:
    status = "5.1.1 (a comment (with more))"
    [entry] = read(row(type="b", dsnDiag=diagnostic, dsnStatus=status))
    assert (entry.reply, entry.text, entry.dsn) == (reply, text, "5.1.1")
    if reply:
        assert classify(reply).code == int(reply[:3])


@pytest.mark.parametrize(
    ("status", "dsn"),
    [
        ("5.1.1", "5.1.1"),
        ("5.1.2 (bad destination system: no such domain)", "5.1.2"),
        ("4.7.500", "4.7.500"),
        ("9.1.1 (x)", None),
        ("550 5.1.1", None),
        ("", None),
        ("\udcff", None),
    ],
)
def test_dsn(status: str, dsn: str | None) -> None:
    assert read(row(dsnStatus=status))[0].dsn == dsn


@pytest.mark.parametrize(
    ("mta", "kind", "to", "host", "ip"),
    [
        ("mx.example.com (192.0.2.1)", "smtp", "", "mx.example.com", "192.0.2.1"),
        ("mx.example.com (2001:db8::1)", "smtp", "", "mx.example.com", "2001:db8::1"),
        ("mx.example.com", "smtp", "192.0.2.2", "mx.example.com", "192.0.2.2"),
        ("mx.example.com (unknown)", "smtp", "", "mx.example.com", None),
        ("(192.0.2.1)", "smtp", "", None, "192.0.2.1"),
        ("", "smtp", "", None, None),
        ("", "file", "", "file", None),
        ("", "smtp-lmtp", "", None, None),
        ("", "", "no address", None, None),
    ],
)
def test_relays(mta: str, kind: str, to: str, host: str | None, ip: str | None) -> None:
    [entry] = read(row(dsnMta=mta, dlvType=kind, dlvDestinationIp=to))
    assert (entry.relay_host, entry.relay_ip) == (host, ip)


def test_columns_go_by_name() -> None:
    header = "TYPE,bounceCat,DSNMTA,rcpt,dsndiag"
    [entry] = read(header, "b,bad-mailbox,mx.example.com,to@example.com,smtp;550 no")
    assert entry == Entry(
        Event.DELIVERY,
        recipients=("to@example.com",),
        relay_host="mx.example.com",
        status="bounced",
        reply="550 no",
    )


def test_headers_follow_each_other() -> None:
    lines = [SHORT_HEADER, row(SHORT_HEADER), "type,rcpt", "b,x@example.com"]
    assert [entry.recipients for entry in read(*lines)] == [
        ("to@example.com",),
        ("x@example.com",),
    ]


def test_header_with_a_mark_and_a_line_end() -> None:
    [entry] = read(f"\ufeff{SHORT_HEADER}\r", row(SHORT_HEADER) + "\r")
    assert (entry.relay_host, entry.relay_ip) == ("mx.example.com", "192.0.2.25")


def test_default_columns_without_a_header() -> None:
    older = ",".join(DEFAULT_COLUMNS.split(",")[:-2])
    entries = read(row(), row(older))
    assert [entry.recipients for entry in entries] == [("to@example.com",)] * 2


def test_null_sender() -> None:
    assert read(row(orig=""))[0].sender == ""
    assert read("type,rcpt", "d,a@example.com")[0].sender is None


@pytest.mark.parametrize(
    "line",
    [
        row(SHORT_HEADER),
        "d",
        "d,",
        "b,2026-09-21 14:13:20+0000,from@example.org,to@example.com",
        f"{row()},one more",
    ],
)
def test_other_widths_are_told(line: str) -> None:
    if line == "d":
        assert read(line) == []
    else:
        assert read(line) == [Entry(Event.OTHER, text=line, problem="not as wide as the header")]


@pytest.mark.parametrize(
    "line",
    ['d,"open', 'd,"closed" too early",x', "d,line\nend", "d," + "x" * 200_000],
    ids=("open quote", "text behind a quote", "line end", "huge"),
)
def test_no_csv_is_told(line: str) -> None:
    assert read(line) == [Entry(Event.OTHER, text=line, problem="not CSV")]


def test_quotes_and_commas() -> None:
    [entry] = read(row(rcpt='"a,""b"@example.com', dsnDiag='smtp;550 a,b,"c",,'))
    assert entry.recipients == ('"a,""b"@example.com',)
    assert entry.reply == '550 a,b,"c",,'


@pytest.mark.parametrize(
    ("logged", "time"),
    [
        (str(TIME), TIME * 1_000_000),
        ("0", 0),
        ("2026-09-21 14:13:20+0000", TIME * 1_000_000),
        ("2026-09-21 07:13:20-0700", TIME * 1_000_000),
        ("2026-09-21T14:13:20.5Z", TIME * 1_000_000 + 500_000),
        ("2026-09-21 14:13:20", None),
        ("2026-09-31 14:13:20+0000", None),
        ("-5", None),
        ("9" * 30, None),
        ("9" * 3_000, None),
        ("", None),
        ("soon", None),
        ("\u0661\u0662", None),
    ],
)
def test_times(logged: str, time: int | None) -> None:
    def times(*lines: str) -> list[int | None]:
        return [entry.time for entry in read(*lines)]

    assert times(row(timeLogged=logged)) == [time]
    assert times(SHORT_HEADER, row(SHORT_HEADER, timeLogged=logged)) == [time]
    for other in ("d,a@example.com", row(timeLogged=logged), 'd,"open'):
        assert times("type,rcpt", other) == [None]
    for other in (SHORT_HEADER, ""):
        assert times("type,rcpt", other) == []


@pytest.mark.parametrize(
    ("queued", "delay"),
    [
        ("2026-09-21 14:13:20+0000", 0.0),
        (str(TIME - 3600), 3600.0),
        (str(TIME + 1), None),
        ("", None),
        ("2026-09-21 14:13:20", None),
    ],
)
def test_delays(queued: str, delay: float | None) -> None:
    assert read(row(timeQueued=queued))[0].delay == delay


def test_knows() -> None:
    powermta = PowerMta()
    assert not powermta.knows("", row())
    assert powermta.knows("", SHORT_HEADER)
    powermta.read("", SHORT_HEADER)
    assert powermta.knows("", row(SHORT_HEADER))
    assert powermta.knows("", row(SHORT_HEADER, type="r"))
    assert powermta.knows("", row())
    assert powermta.knows("", row(SHORT_HEADER)[:40])
    assert not powermta.knows("", row(SHORT_HEADER)[:20])
    assert not powermta.knows("", row(SHORT_HEADER, type="x"))
    powermta.read("", "type,rcpt")
    assert powermta.knows("", "d,a@example.com")
    assert not powermta.knows("", row())
    powermta.read("", SHORT_HEADER)
    assert not powermta.knows("postfix/smtp", SHORT_HEADER)
    assert powermta.read("postfix/smtp", row(SHORT_HEADER)) == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "type",
        "type,",
        "type,1,2",
        "type,one,two",
        "type,timeLogged,with space",
        "type=AVC msg=audit(1,rcpt",
        "d,a line, of prose",
        "date-time,connector-id,session-id",
        "ABCDEF0123: to=<a@example.com>, relay=none, status=sent (250 ok)",
        '{"type":"Delivery","recipient":"a@example.com"}',
    ],
)
def test_lines_of_others(line: str) -> None:
    powermta = PowerMta()
    powermta.read("", SHORT_HEADER)
    assert not powermta.knows("", line)


SAMPLES = [
    DEFAULT_COLUMNS,
    SHORT_HEADER,
    row(SHORT_HEADER, type="b", dsnDiag='smtp;550 5.1.1 "no", such\\ user é'),
    row(type="t", dsnMta="mx.example.com (2001:db8::1)"),
    row(type="tq", rcpt="", dsnDiag=""),
]


@pytest.mark.parametrize("line", SAMPLES)
def test_cut_anywhere_never_raises(line: str) -> None:
    for end in range(len(line)):
        for part in (line[:end], line[end:], line[:end] + line[end + 1 :]):
            powermta = PowerMta()
            for entry in powermta.read("", part):
                assert entry.event is not Event.OTHER or entry.problem
            powermta.knows("", part)


def test_mutations_never_raise() -> None:
    chance = random.Random(8)
    alphabet = '",;() .59dbt\x00\n\r\udcffé'
    powermta = PowerMta()
    for line in SAMPLES * 300:
        letters = list(line)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(letters))
            letters[at : at + chance.randint(0, 3)] = chance.choices(
                alphabet, k=chance.randint(0, 3)
            )
        mutated = "".join(letters)
        powermta.knows("", mutated)
        for entry in powermta.read("", mutated):
            assert entry.event is not Event.OTHER or entry.problem


@pytest.mark.parametrize(
    "line",
    [
        "d," + "," * 1_000_000,
        "d" * 1_000_000,
        "d," + '"' * 1_000_001,
        "d," + '"",' * 300_000,
        "type" + ",a" * 500_000,
        "type" + ",rcpt" * 200_000 + ",1",
        "type," + "a" * 1_000_000,
        *(
            row(**{name: text * (100_000 // len(text))})
            for name in ("dsnStatus", "dsnDiag", "dsnMta", "timeLogged", "dlvDestinationIp")
            for text in ("(", " ", "x (", "smtp; ", "1:", "5", ") (")
        ),
    ],
    ids=lambda line: f"{line[:20]} {len(line)}",
)
def test_hostile_lines_are_linear(line: str) -> None:
    powermta = PowerMta()
    powermta.read("", SHORT_HEADER)
    lines = (DEFAULT_COLUMNS, line)

    def use() -> None:
        for one in lines:
            powermta.knows("", one)
            powermta.read("", one)

    assert work(use) < 10 * len(line)
