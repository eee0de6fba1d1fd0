"""Exchange's protocol logs: own dialogues of send and receive connectors; there is no corpus."""

from __future__ import annotations

import csv
import io
import random
from typing import TYPE_CHECKING

import pytest

from smtpfast.logs import Entry, Event
from smtpfast.logs.exchange import DEFAULT_FIELDS, Exchange
from work import work

if TYPE_CHECKING:
    from collections.abc import Iterable

SESSION = "08DEAD0000000001"
HEADER = ("#Software: Microsoft Exchange Server", "#Version: 15.0.0.0")
FIELDS = (f"#Fields: {DEFAULT_FIELDS}",)
SEND = (*HEADER, "#Log-type: SMTP Send Protocol Log", "#Date: 2026-10-01T00:00:00.000Z", *FIELDS)
RECEIVE = (*HEADER, "#Log-Type: SMTP Receive Protocol Log", *FIELDS)
GREETED = (
    *("+", "<220 mx.example.com ready", ">EHLO out.example.org"),
    *("<250-mx.example.com", "<250-SIZE", "<250 OK"),
)
SENDER = (">MAIL FROM:<from@example.org> SIZE=2048", "<250 2.1.0 Sender OK")


def rows(
    *lines: str, session: str = SESSION, endpoint: str = "192.0.2.25:25", context: str = ""
) -> list[str]:
    """Rows of a session: the first letter of each is the event, the rest the data."""
    written = []
    for number, line in enumerate(lines):
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow(
            [
                f"2026-10-01T08:00:{number % 60:02}.125Z",
                "Outbound, to all",
                session,
                number,
                "198.51.100.1:40000",
                endpoint,
                line[0],
                line[1:],
                context,
            ]
        )
        written.append(text.getvalue())
    return written


def time_of_row(number: int) -> int:
    """Of one of `rows`, in microseconds since 1970."""
    return 1_790_841_600_125_000 + number * 1_000_000


def read(*lines: str) -> list[Entry]:
    exchange = Exchange()
    return [entry for line in lines for entry in exchange.read("", line)]


def told(entries: Iterable[Entry]) -> list[tuple[str, str | None, tuple[str, ...], str | None]]:
    """What matters most of each."""
    return [(entry.event, entry.stage, entry.recipients, entry.reply) for entry in entries]


def test_sent() -> None:
    entries = read(
        *SEND,
        *rows(
            *GREETED,
            *SENDER,
            ">RCPT TO:<to@example.com>",
            "<250 2.1.5 Recipient OK",
            ">BDAT 2048 LAST",
            "<250 2.6.0 <id@example.org> [InternalId=1, Hostname=mx.example.com] Queued mail",
            ">QUIT",
            "<221 2.0.0 Bye",
            "-",
        ),
    )
    assert entries == [
        Entry(
            Event.DELIVERY,
            queue_id=SESSION,
            sender="from@example.org",
            recipients=("to@example.com",),
            relay_ip="192.0.2.25",
            relay_port=25,
            status="sent",
            reply="250 2.6.0 <id@example.org> [InternalId=1, Hostname=mx.example.com] Queued mail",
            stage="EOD",
            time=time_of_row(11),
        )
    ]


def test_commands_in_a_group() -> None:
    """Recipients are answered one by one, in the order of their commands."""
    entries = read(
        *SEND,
        *rows(
            *GREETED,
            ">MAIL FROM:<from@example.org>",
            ">RCPT TO:<a@example.com>",
            ">RCPT TO:<b@example.com>",
            ">RCPT TO:<c@example.com>",
            ">RCPT TO:<d@example.com>",
            "<250 2.1.0 Sender OK",
            "<250 2.1.5 OK",
            "<550-5.1.1 no such",
            "<550 5.1.1 user",
            "<451 4.2.1 later",
            "<250 2.1.5 OK",
            ">DATA",
            "<354 go ahead",
            "<250 2.0.0 queued",
        ),
    )
    assert told(entries) == [
        ("delivery", "RCPT", ("b@example.com",), "550-5.1.1 no such\n550 5.1.1 user"),
        ("delivery", "RCPT", ("c@example.com",), "451 4.2.1 later"),
        ("delivery", "EOD", ("a@example.com",), "250 2.0.0 queued"),
        ("delivery", "EOD", ("d@example.com",), "250 2.0.0 queued"),
    ]
    assert [entry.status for entry in entries] == ["bounced", "deferred", "sent", "sent"]


def test_data_in_the_group() -> None:
    """RFC 2920 lets DATA and BDAT be sent before RCPT is answered."""
    group = (">MAIL FROM:<from@example.org>", ">RCPT TO:<a@example.com>")
    refused = (">DATA", "<250 2.1.0 OK", "<250 2.1.5 OK", "<354 go", "<550 5.7.1 spam")
    assert told(read(*SEND, *rows(*GREETED, *group, *refused))) == [
        ("delivery", "EOD", ("a@example.com",), "550 5.7.1 spam")
    ]
    data = (">BDAT 9 LAST", "<250 2.1.0 OK", "<550 5.1.1 no", "<503 5.5.1 no recipients")
    assert told(read(*SEND, *rows(*GREETED, *group, *data))) == [
        ("delivery", "RCPT", ("a@example.com",), "550 5.1.1 no"),
        ("attempt", "EOD", (), "503 5.5.1 no recipients"),
    ]


@pytest.mark.parametrize(
    ("answers", "stage", "status"),
    [
        ((">DATA", "<354 go", "<451 4.3.0 later"), "EOD", "deferred"),
        ((">DATA", "<354-go", "<354 on", "<550 5.7.1 spam"), "EOD", "bounced"),
        ((">DATA", "<451 4.3.0 later"), "DATA", "deferred"),
        ((">BDAT 10 LAST", "<550 5.7.1 spam"), "EOD", "bounced"),
        ((">BDAT 10", "<250 ok", ">BDAT 0 last", "<550 5.7.1 spam"), "EOD", "bounced"),
        ((">BDAT 10", "<552 5.2.3 too big"), "BDAT", "bounced"),
        ((">data", "<354 go", "<250 ok"), "EOD", "sent"),
    ],
)
def test_end_of_message(answers: tuple[str, ...], stage: str, status: str) -> None:
    lines = (*SENDER, ">RCPT TO:<a@b.example>", "<250 ok", ">RCPT TO:<c@d.example>", "<250 ok")
    entries = read(*SEND, *rows(*GREETED, *lines, *answers))
    assert [(entry.recipients, entry.stage, entry.status) for entry in entries] == [
        (("a@b.example",), stage, status),
        (("c@d.example",), stage, status),
    ]


@pytest.mark.parametrize(
    ("lines", "stage", "reply"),
    [
        (("+", "<421 4.3.2 not now"), "CONNECT", "421 4.3.2 not now"),
        (("+", "<554-no", "<554 service"), "CONNECT", "554-no\n554 service"),
        (("+", "<220 hi", ">EHLO x", "<550 5.7.1 bad name"), "EHLO", "550 5.7.1 bad name"),
        ((*GREETED, ">STARTTLS", "<454 4.7.0 no"), "STARTTLS", "454 4.7.0 no"),
        ((*GREETED, ">AUTH LOGIN", "<334 VXNl", ">dXNl", "<535 no"), "AUTH", "535 no"),
        ((*GREETED, ">X-ANONYMOUSTLS", "<550 no"), "X-ANONYMOUSTLS", "550 no"),
        ((*GREETED, ">MAIL FROM:<a@b>", "<550 5.7.1 SPF"), "MAIL", "550 5.7.1 SPF"),
        (("<421 4.4.2 timeout",), None, "421 4.4.2 timeout"),
    ],
)
def test_refused_before_a_recipient(lines: tuple[str, ...], stage: str | None, reply: str) -> None:
    entries = read(*SEND, *rows(*lines))
    assert told(entries) == [("attempt", stage, (), reply)]


def test_recipients_of_a_refused_sender() -> None:
    """What they are answered is not why they fail."""
    entries = read(
        *SEND,
        *rows(*GREETED, ">MAIL FROM:<a@b>", ">RCPT TO:<c@d>", "<451 4.1.8 who", "<503 5.5.2 MAIL?"),
    )
    assert told(entries) == [
        ("attempt", "MAIL", (), "451 4.1.8 who"),
        ("attempt", "RCPT", ("c@d",), "503 5.5.2 MAIL?"),
    ]


def test_messages_of_a_session() -> None:
    message = (*SENDER, ">RCPT TO:<a@b.example>", "<250 ok", ">DATA", "<354 go", "<250 ok")
    refused = (">MAIL FROM:<>", "<250 ok", ">RCPT TO:<x@b.example>", "<550 no", ">RSET", "<250 ok")
    entries = read(*SEND, *rows(*GREETED, *message, *refused, *message))
    assert [(entry.sender, entry.recipients, entry.status) for entry in entries] == [
        ("from@example.org", ("a@b.example",), "sent"),
        ("", ("x@b.example",), "bounced"),
        ("from@example.org", ("a@b.example",), "sent"),
    ]


def test_sessions_among_each_other() -> None:
    def dialogue(name: str) -> list[str]:
        return rows(
            *GREETED,
            f">MAIL FROM:<{name}@example.org>",
            "<250 ok",
            f">RCPT TO:<{name}@example.com>",
            "<250 ok",
            ">BDAT 5 LAST",
            f"<250 {name}",
            "-",
            session=name,
            endpoint=f"[2001:db8::{name}]:25",
        )

    lines = [line for pair in zip(dialogue("a"), dialogue("b"), strict=True) for line in pair]
    entries = read(*SEND, *lines)
    assert [
        (entry.queue_id, entry.relay_ip, entry.relay_port, entry.sender, entry.recipients)
        for entry in entries
    ] == [
        ("a", "2001:db8::a", 25, "a@example.org", ("a@example.com",)),
        ("b", "2001:db8::b", 25, "b@example.org", ("b@example.com",)),
    ]


def test_log_that_leaves_answers_out() -> None:
    """Then the recipients whose answers it leaves out were accepted."""
    group = ("+", ">EHLO out", ">MAIL FROM:<a@b> SIZE=1", ">RCPT TO:<c@d>")
    for data in (">BDAT 1 LAST", ">DATA"):
        assert told(read(*SEND, *rows(*group, data, "<250 2.6.0 queued", "-"))) == [
            ("delivery", "EOD", ("c@d",), "250 2.6.0 queued")
        ]
    assert told(read(*SEND, *rows(*group, "<250 2.6.0 queued", "-"))) == [
        ("delivery", "EOD", ("c@d",), "250 2.6.0 queued")
    ]
    answers = (">RCPT TO:<e@f>", ">DATA", "<354 go", "<550 no")
    assert told(read(*SEND, *rows(*group, *answers))) == [
        ("delivery", "EOD", ("c@d",), "550 no"),
        ("delivery", "EOD", ("e@f",), "550 no"),
    ]


def test_log_that_begins_within_a_session() -> None:
    [entry] = read(*SEND, *rows(">DATA", "<354 go", "<250 queued"))
    assert (entry.event, entry.recipients, entry.sender) == (Event.DELIVERY, (), None)
    [entry] = read(*SEND, *rows(">RCPT TO:<a@b>", "<550 no"))
    assert (entry.event, entry.recipients) == (Event.DELIVERY, ("a@b",))


def test_connections() -> None:
    failed = "Failed to connect. Winsock error code: 10061, Win32 error code: 10061"
    entries = read(*SEND, *rows("*attempting to connect"), *rows("*", context=failed), *rows("-"))
    assert entries == [
        Entry(
            Event.CONNECTION,
            queue_id=SESSION,
            relay_ip="192.0.2.25",
            relay_port=25,
            text=failed,
            time=time_of_row(0),
        )
    ]
    lost = (*SENDER, ">RCPT TO:<a@b>", "<250 ok", ">DATA", "<354 go")
    [entry] = read(*SEND, *rows(*GREETED, *lost), *rows("-", context="Remote"))
    assert (entry.event, entry.stage, entry.text) == (Event.CONNECTION, "EOD", "Remote")
    assert read(*SEND, *rows(*GREETED, ">QUIT", "-")) == []


def test_reply_that_never_ends() -> None:
    [entry] = read(*SEND, *rows("+", "<554-no", "<554-service", "-"))
    assert (entry.event, entry.text) == (Event.OTHER, "554-no\n554-service")
    assert entry.problem


def test_rejects() -> None:
    entries = read(
        *RECEIVE,
        *rows(
            "+",
            ">220 mx.example.com",
            "<EHLO client",
            ">250 mx.example.com Hello [192.0.2.25] SIZE PIPELINING",
            "<MAIL FROM:<from@example.org>",
            "*08DE;1 receiving message",
            ">250 2.1.0 Sender OK",
            "<RCPT TO:<a@example.com>",
            ">250 2.1.5 Recipient OK",
            "<RCPT TO:<b@example.com>",
            "*Tarpit for '0.00:00:05'",
            ">550-5.1.1 no",
            ">550 5.1.1 such user",
            "<DATA",
            ">354 Start mail input",
            ">451 4.7.0 Temporary server error",
            "<QUIT",
            ">221 2.0.0 Bye",
            "-",
        ),
    )
    both = Entry(
        Event.REJECT,
        queue_id=SESSION,
        sender="from@example.org",
        relay_ip="192.0.2.25",
        relay_port=25,
    )
    assert entries == [
        both._replace(
            recipients=("b@example.com",),
            reply="550-5.1.1 no\n550 5.1.1 such user",
            stage="RCPT",
            time=time_of_row(12),
        ),
        both._replace(
            recipients=("a@example.com",),
            reply="451 4.7.0 Temporary server error",
            stage="EOD",
            time=time_of_row(15),
        ),
    ]


@pytest.mark.parametrize(
    ("lines", "stage"),
    [
        (("+", ">421 4.3.2 not now"), "CONNECT"),
        (("+", ">220 hi", "<EHLO x", ">250 x", "<MAIL FROM:<", ">501 5.1.7 bad"), "MAIL"),
        (("+", ">220 hi", "<EHLO x", ">250 x", "<AUTH LOGIN", ">334 x", "<y", ">535 no"), "AUTH"),
        ((">500 5.3.3 what",), None),
    ],
)
def test_rejects_before_a_recipient(lines: tuple[str, ...], stage: str | None) -> None:
    [entry] = read(*RECEIVE, *rows(*lines))
    assert (entry.event, entry.stage, entry.recipients) == (Event.REJECT, stage, ())
    assert entry.reply == lines[-1][1:]


def test_deliveries_to_us_are_not_ours() -> None:
    greeted = ("+", ">220 hi", "<EHLO x", ">250 x", "<MAIL FROM:<a@b>", ">250 ok")
    lines = ("<RCPT TO:<c@d>", ">250 ok", "<DATA", ">354 go", ">250 2.6.0 queued")
    assert read(*RECEIVE, *rows(*greeted, *lines)) == []


def test_direction_by_the_first_reply() -> None:
    untold = (*HEADER, *FIELDS)
    refused = (*GREETED, *SENDER, ">RCPT TO:<a@b>", "<550 no")
    assert [entry.event for entry in read(*untold, *rows(*refused))] == [Event.DELIVERY]
    swapped = [{"<": ">", ">": "<"}.get(line[0], line[0]) + line[1:] for line in refused]
    assert [entry.event for entry in read(*untold, *rows(*swapped))] == [Event.REJECT]
    assert [entry.event for entry in read(*rows(*refused))] == [Event.DELIVERY]


def test_logs_follow_each_other() -> None:
    ours = rows(*GREETED, *SENDER, ">RCPT TO:<a@b>", "<550 no")
    swapped = [{"<": ">", ">": "<"}.get(line[0], line[0]) + line[1:] for line in GREETED]
    theirs = rows(*swapped, "<MAIL FROM:<a@b>", ">550 no", session="other")
    tracking = (*HEADER, "#Log-type: Message Tracking Log", "#Fields: date-time,client-ip,event-id")
    lines = (*SEND, *ours, *RECEIVE, *theirs, *tracking, "2026-10-01T08:00:00.000Z,192.0.2.1,FAIL")
    assert [entry.event for entry in read(*lines)] == [Event.DELIVERY, Event.REJECT]


def test_fields_go_by_name() -> None:
    fields = "#Fields: date-time,session-id,event,data"
    lines = ("+,", "<,220 hi", ">,EHLO x", "<,550 no")
    entries = read(*SEND, fields, *(f"2026-10-01T08:00:00Z,s1,{line}" for line in lines))
    at = time_of_row(0) - 125_000
    assert entries == [Entry(Event.ATTEMPT, queue_id="s1", reply="550 no", stage="EHLO", time=at)]


@pytest.mark.parametrize(
    ("command", "address"),
    [
        ("MAIL FROM:<a@example.org>", "a@example.org"),
        ("mail from: <a@example.org> SIZE=1 BODY=8BITMIME", "a@example.org"),
        ("MAIL FROM:<>", ""),
        ("MAIL FROM:a@example.org SIZE=1", "a@example.org"),
        ('MAIL FROM:<"a> b, <c"@example.org> SIZE=1', '"a> b, <c"@example.org'),
        ("MAIL FROM:<я@пример.example> SMTPUTF8", "я@пример.example"),
        ("MAIL FROM:<a@example.org", None),
        ("MAIL", None),
    ],
)
def test_addresses(command: str, address: str | None) -> None:
    [entry] = read(*SEND, *rows(*GREETED, f">{command}", "<550 no"))
    assert (entry.stage, entry.sender) == ("MAIL", address)


@pytest.mark.parametrize(
    ("endpoint", "host", "ip", "port"),
    [
        ("192.0.2.1:25", None, "192.0.2.1", 25),
        ("[2001:db8::1]:2525", None, "2001:db8::1", 2525),
        ("[fe80::1%11]:25", None, "fe80::1%11", 25),
        ("192.0.2.1", None, "192.0.2.1", None),
        ("2001:db8::1", None, "2001:db8::1", None),
        ("mx.example.com:25", "mx.example.com", None, 25),
        ("", None, None, None),
        ("nonsense", None, None, None),
    ],
)
def test_endpoints(endpoint: str, host: str | None, ip: str | None, port: int | None) -> None:
    [entry] = read(*SEND, *rows("+", "<421 no", endpoint=endpoint))
    assert (entry.relay_host, entry.relay_ip, entry.relay_port) == (host, ip, port)


@pytest.mark.parametrize(
    "reply",
    [
        '550 said: "250 2.0.0 ok", (in reply to RCPT TO)',
        "550 ,<,250 ok,",
        "550 #Fields: date-time,session-id",
        "550",
        "550 \udcff 好",
    ],
)
def test_hostile_replies(reply: str) -> None:
    [entry] = read(*SEND, *rows(*GREETED, *SENDER, ">RCPT TO:<a@b>", f"<{reply}"))
    assert (entry.reply, entry.status) == (reply, "bounced")


@pytest.mark.parametrize("reply", ["no code", "5501 no", "150 no", "650 no", "099 no"])
def test_answers_that_are_none_are_told(reply: str) -> None:
    [line] = rows(f"<{reply}")
    [entry] = read(*SEND, *rows(*GREETED, *SENDER, ">RCPT TO:<a@b>"), line)
    assert (entry.event, entry.text) == (Event.OTHER, line)
    assert entry.problem


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (rows("+")[0] + ",more", "not as wide as the header"),
        (rows("+")[0][:24], "not as wide as the header"),
        (rows(">RCPT TO:<a,b@c>")[0].rstrip(",")[:-3], "not CSV"),
        ("nothing of the kind", "not as wide as the header"),
        ("2026-10-01T08:00:00Z," + "x" * 200_000, "not CSV"),
    ],
    ids=("wide", "cut", "open quote", "prose", "huge"),
)
def test_other_rows_are_told(line: str, problem: str) -> None:
    assert read(*SEND, line) == [Entry(Event.OTHER, text=line, problem=problem)]


def test_memory_is_bounded() -> None:
    exchange = Exchange()
    for line in (*SEND, *rows(*GREETED, *SENDER)):
        exchange.read("", line)
    [command] = rows(">RCPT TO:<a@b>")
    entries = [entry for _ in range(10_002) for entry in exchange.read("", command)]
    assert {entry.event for entry in entries} == {Event.OTHER}
    assert len(entries) == 2
    [line] = rows("<250-more")
    assert [entry for _ in range(1_000) for entry in exchange.read("", line)] == []
    [line] = rows("<550 no")
    [entry] = exchange.read("", line)
    assert entry.reply is not None
    assert entry.reply.count("\n") == 500
    for number in range(10_001):
        exchange.read("", rows("+", session=str(number))[0])


def test_time() -> None:
    def times(*lines: str) -> list[int | None]:
        return [entry.time for entry in read(*SEND, *lines)]

    [line] = rows("*", context="Failed to connect.")
    assert times(line) == [1_790_841_600_125_000]
    assert times(line.replace("Z", "", 1)) == [1_790_841_600_125_000]
    assert times(line.replace("Z", "+02:00", 1)) == [1_790_834_400_125_000]
    for other in ("x", line[:40], line.replace("-10-", "-13-", 1), 'a,"b'):
        assert times(other) == [None]
    for other in ("", SEND[0], FIELDS[0]):
        assert times(other) == []
    assert times(line.replace("2026", "9" * 1_000, 1)) == [None]
    fields = "#Fields: session-id,event,data,context,date-time"
    assert times(fields, "s,*,,Failed to connect.,2026-10-01T08:00:00.125Z") == [
        1_790_841_600_125_000
    ]


def test_knows() -> None:
    exchange = Exchange()
    [line] = rows("+")
    assert not exchange.knows("", line)
    for header in SEND:
        assert exchange.knows("", header) == (not header.startswith(("#Version", "#Date")))
        assert not exchange.knows("postfix/smtp", header)
        exchange.read("", header)
    assert exchange.knows("", line)
    assert exchange.knows("", line + ",more")
    assert not exchange.knows("postfix/smtp", line)
    assert exchange.read("postfix/smtp", line) == []
    assert exchange.knows("", "\ufeff#Software: Microsoft Exchange Server")
    exchange.read("", "#Software: Microsoft Exchange Server")
    assert not exchange.knows("", line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# a comment",
        "#Software: Microsoft Internet Information Services 10.0",
        "#Fields: date time s-sitename cs-method sc-status",
        "#Log-type: Message Tracking Log",
        "2026-10-01 08:00:00 1vN5Qx-000000001Ab-2cDe => a@example.com",
        "2026-10-01T08:00:00.000Z [NOTICE] [-] [core] x",
        "d,2026-10-01 08:00:00+0000,a@example.com",
    ],
)
def test_lines_of_others(line: str) -> None:
    exchange = Exchange()
    for header in SEND:
        exchange.read("", header)
    assert not exchange.knows("", line)


DIALOGUE = [
    *SEND,
    *rows(
        *GREETED,
        ">MAIL FROM:<from@example.org>",
        '>RCPT TO:<"a,b"@example.com>',
        ">RCPT TO:<c@example.com>",
        "<250 ok",
        "<550-no,",
        '<550 "such" user',
        "<250 ok",
        ">DATA",
        "<354 go",
        "<250 ok",
    ),
    *rows("-", context="Remote"),
]


def test_cut_anywhere_never_raises() -> None:
    for number, line in enumerate(DIALOGUE):
        for end in range(len(line)):
            exchange = Exchange()
            for other in (*DIALOGUE[:number], line[:end], line[end:], *DIALOGUE[number + 1 :]):
                exchange.read("", other)
            exchange.knows("", line[:end])


def test_mutations_never_raise() -> None:
    """Rows are changed, left out, doubled and put elsewhere."""
    chance = random.Random(9)
    alphabet = '",<>+-*: 2345RDx\x00\n\r\udcffé#'
    for _ in range(300):
        exchange = Exchange()
        lines = [line for line in DIALOGUE if chance.random() < 0.9]
        lines += chance.choices(DIALOGUE, k=3)
        if chance.random() < 0.5:
            chance.shuffle(lines)
        for line in lines:
            letters = list(line)
            for _ in range(chance.choice((0, 0, 1, 4))):
                at = chance.randrange(len(letters))
                letters[at : at + chance.randint(0, 3)] = chance.choices(alphabet, k=2)
            mutated = "".join(letters)
            exchange.knows("", mutated)
            for entry in exchange.read("", mutated):
                assert entry.event is not Event.OTHER or entry.problem


@pytest.mark.parametrize(
    "line",
    [
        "2026-10-01T" + "0" * 1_000_000,
        "2026-10-01T08:00:00Z," + "," * 1_000_000,
        "2026-10-01T08:00:00Z," + '"' * 1_000_001,
        "#Fields: " + "date-time," * 100_000,
        "#" * 1_000_000,
        " " * 1_000_000,
        *(
            rows(data)[0]
            for data in (
                ">" + "X" * 100_000,
                ">MAIL " + " " * 100_000,
                ">MAIL FROM:" + " " * 100_000,
                ">MAIL FROM:" + "<" * 100_000,
                '>MAIL FROM:<"' + '\\"' * 50_000,
                ">BDAT" + " LAST" * 20_000,
                "<" + "5" * 100_000,
                "<550" + "-" * 100_000,
            )
        ),
        rows("+", endpoint=":" * 100_000 + "x")[0],
        rows("<550 no", endpoint="[" * 100_000)[0],
    ],
    ids=lambda line: f"{line[:20]} {line[-12:]} {len(line)}",
)
def test_hostile_lines_are_linear(line: str) -> None:
    exchange = Exchange()

    def use() -> None:
        for one in (*SEND, line):
            exchange.knows("", one)
            exchange.read("", one)

    assert work(use) < 10 * len(line)


def test_many_recipients_are_linear() -> None:
    """Each row costs the same, however many recipients wait; the last tells of them all."""
    exchange = Exchange()
    lines = [*SEND, *rows(*GREETED, *SENDER)]
    lines += rows(*(f">RCPT TO:<{number}@b>" for number in range(5_000)))
    lines += rows(*["<250 ok"] * 5_000, ">DATA", "<354 go", "<250 ok")
    entries: list[Entry] = []

    def use() -> None:
        for line in lines:
            entries.extend(exchange.read("", line))

    assert work(use) < 200 * len(lines)
    assert len(entries) == 5_000
