"""Haraka's log: own samples of every shape in all three formats, and the corpus of real logs."""

from __future__ import annotations

import json
import random
import re
from typing import TYPE_CHECKING

import pytest

from smtpfast import classify
from smtpfast.logs import Entry, Event
from smtpfast.logs.haraka import Haraka
from work import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONNECTION = "0A1B2C3D-0000-4000-8000-00000000BEEF"
TRANSACTION = f"{CONNECTION}.1"
MESSAGE = f"{TRANSACTION}.1"
FORMATS = ("plain", "logfmt", "json")
SENT = {
    "delivered file": "1700000000000_1700000000000_0_77_abcdef_1_mx",
    "domain": "example.com",
    "host": "mx.example.com",
    "ip": "192.0.2.25",
    "port": 25,
    "mode": "SMTP",
    "tls": "Y",
    "auth": "N",
    "response": "Ok: queued as 1234",
    "delay": 1.25,
    "fails": 0,
    "rcpts": "1/0/0",
}
FILE = "1700000000000_1700000000000_1_77_abcdef_2_mx"


def stringified(values: dict[str, object]) -> str:
    """As `stringify` of logger.js does."""
    parts = []
    for key, value in values.items():
        written = str(value)
        if written == "" or re.search(r'[ ="\\]', written):
            escaped = re.sub(r'(["\\])', r"\\\1", written)
            written = f'"{escaped}"'
        parts.append(f"{key}={written}")
    return " ".join(parts)


def logged(
    format_: str,
    message: str,
    values: dict[str, object] | None = None,
    *,
    uuid: str = MESSAGE,
    origin: str = "outbound",
    level: str = "NOTICE",
) -> str:
    """A line as logger.js writes it, without its time stamp."""
    values = values or {}
    head: dict[str, object] = {"level": level, "uuid": uuid, "origin": origin, "message": message}
    if format_ == "plain":
        behind = f"{message} {stringified(values)}" if values else message
        return f"[{level}] [{uuid}] [{origin}] {behind}"
    if format_ == "logfmt":
        return stringified({**head, **values})
    return json.dumps({**head, **values}, separators=(",", ":"), ensure_ascii=False)


def read(*lines: str) -> list[Entry]:
    """All entries of these lines."""
    haraka = Haraka()
    return [entry for line in lines for entry in haraka.read("", line)]


def accepted(format_: str, *recipients: str, uuid: str = TRANSACTION) -> Iterator[str]:
    """A client's transaction."""
    answer: dict[str, object] = {"code": "OK", "msg": ""}
    yield logged(format_, "sender <from@example.org>", answer, uuid=uuid, origin="core")
    for recipient in recipients:
        values = {**answer, "sender": "from@example.org"}
        yield logged(format_, f"recipient <{recipient}>", values, uuid=uuid, origin="core")


@pytest.fixture(params=FORMATS)
def format_(request: pytest.FixtureRequest) -> str:
    """The three formats of logger.js."""
    name: str = request.param
    return name


def test_rejected(format_: str) -> None:
    line = logged(format_, "recipient <to@example.com> rejected: 550 5.1.1 No such user here")
    assert read(line) == [
        Entry(
            Event.DELIVERY,
            queue_id=MESSAGE,
            recipients=("to@example.com",),
            status="bounced",
            reply="550 5.1.1 No such user here",
            stage="RCPT",
        )
    ]


def test_deferred(format_: str) -> None:
    [entry] = read(logged(format_, "recipient <to@example.com> deferred: 451 Later, please"))
    assert (entry.event, entry.status) == (Event.DELIVERY, "deferred")
    assert (entry.reply, entry.dsn) == ("451 Later, please", None)


def test_delivered(format_: str) -> None:
    lines = [*accepted(format_, "to@example.com"), logged(format_, "", SENT)]
    assert read(*lines) == [
        Entry(
            Event.DELIVERY,
            queue_id=MESSAGE,
            sender="from@example.org",
            recipients=("to@example.com",),
            relay_host="mx.example.com",
            relay_ip="192.0.2.25",
            relay_port=25,
            delay=1.25,
            status="sent",
            stage="EOD",
            text="Ok: queued as 1234",
        )
    ]


def test_code_of_delivery_is_not_invented(format_: str) -> None:
    [entry] = read(logged(format_, "", {**SENT, "response": "2.0.0 250 looks like a reply"}))
    assert (entry.reply, entry.text) == (None, "2.0.0 250 looks like a reply")
    assert (entry.sender, entry.recipients) == (None, ())


@pytest.mark.parametrize(
    "response",
    [
        "",
        'said "yes" \\ twice',
        'x" delay=9 rcpts="9/9/9" y="',
        "recipient <x@example.com> rejected: 550 no",
        "a=b c=d",
        "принято 好",
        "ends with \\",
    ],
)
def test_response_is_unescaped(format_: str, response: str) -> None:
    [entry] = read(logged(format_, "", {**SENT, "response": response}))
    assert (entry.text, entry.delay) == (response, 1.25)


def test_hosts_of_delivery(format_: str) -> None:
    values = {**SENT, "host": "/run/lmtp.sock", "ip": "/run/lmtp.sock"}
    [entry] = read(logged(format_, "", values))
    assert entry.relay_ip == "/run/lmtp.sock"
    [entry] = read(logged(format_, "", {**SENT, "ip": "2001:db8::25", "port": 24}))
    assert (entry.relay_ip, entry.relay_port) == ("2001:db8::25", 24)
    [entry] = read(logged(format_, "", {**SENT, "ip": "mx.example.com", "port": "x", "delay": "x"}))
    assert (entry.relay_ip, entry.relay_port, entry.delay) == (None, None, None)


def test_recipients_by_domain_and_outcome(format_: str) -> None:
    """Haraka makes a message of each domain; those that failed are told for themselves."""
    recipients = ("a@example.com", "b@Example.COM", "c@example.net", "d@example.com")
    entries = read(
        *accepted(format_, *recipients),
        logged(format_, "recipient <d@example.com> rejected: 550 no"),
        logged(format_, "recipient <b@Example.COM> deferred: 450 wait"),
        logged(format_, "", {**SENT, "domain": "example.net"}, uuid=f"{TRANSACTION}.2"),
        logged(format_, "", {**SENT, "rcpts": "1/1/1"}),
        logged(format_, f"Temp failing {FILE} for 60 seconds: Some recipients temp failed: <b@x>"),
        logged(format_, "bouncing mail: Some recipients failed: <d@example.com>"),
        logged(format_, "", SENT),
    )
    assert [(entry.status, entry.recipients) for entry in entries] == [
        ("bounced", ("d@example.com",)),
        ("deferred", ("b@Example.COM",)),
        ("sent", ("c@example.net",)),
        ("sent", ("a@example.com",)),
        ("sent", ("b@Example.COM",)),
    ]
    assert {entry.sender for entry in entries} == {"from@example.org"}


def test_recipients_that_do_not_add_up_are_not_told(format_: str) -> None:
    lines = [*accepted(format_, "a@example.com", "b@example.com"), logged(format_, "", SENT)]
    assert read(*lines)[0].recipients == ()


def test_deferred_again(format_: str) -> None:
    """Only what was deferred in this attempt is not delivered by it."""
    failing = f"Temp failing {FILE} for 60 seconds: Some recipients temp failed: <a@example.com>"
    entries = read(
        *accepted(format_, "a@example.com"),
        logged(format_, "recipient <a@example.com> deferred: 450 wait"),
        logged(format_, failing),
        logged(format_, "recipient <a@example.com> deferred: 450 wait more"),
        logged(format_, failing),
        logged(format_, "", SENT),
    )
    assert [entry.status for entry in entries] == ["deferred", "deferred", "sent"]
    assert entries[-1].recipients == ("a@example.com",)


def test_many_recipients_are_bounded() -> None:
    recipients = [f"{number}@example.com" for number in range(1_200)]
    lines = [*accepted("plain", *recipients), logged("plain", "", {**SENT, "rcpts": "1200/0/0"})]
    assert read(*lines)[0].recipients == ()


@pytest.mark.parametrize(
    ("message", "status", "reply"),
    [
        (f"Temp failing {FILE} for 60 seconds: Upstream error: 421 4.7.0 Busy", "deferred", None),
        (f"Temp failing {FILE} for NaN seconds: Upstream error: 421 4.7.0 Busy", "deferred", None),
        ("bouncing mail: 421 4.7.0 Busy", "bounced", None),
        ("bouncing mail: Too many failures (Upstream error: 421 4.7.0 Busy)", "bounced", None),
        ("bouncing mail: Unrecognized response from upstream server: 550", "bounced", "550"),
        (
            "bouncing mail: Unrecognized response from upstream server: 550 \r\n \\r\\n",
            "bounced",
            "550",
        ),
        ("bouncing mail: 550", "bounced", "550"),
    ],
)
def test_message_with_reply(format_: str, message: str, status: str, reply: str | None) -> None:
    lines = [*accepted(format_, "to@example.com"), logged(format_, message, level="INFO")]
    assert read(*lines) == [
        Entry(
            Event.ATTEMPT,
            queue_id=MESSAGE,
            sender="from@example.org",
            status=status,
            reply=reply or "421 4.7.0 Busy",
        )
    ]


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        (f"Temp failing {FILE} for 60 seconds: Tried all MXs", "deferred", "Tried all MXs"),
        ("bouncing mail: No MX for example.com", "bounced", "No MX for example.com"),
        (
            "bouncing mail: Unrecognized response from upstream server: 250\\r\\n",
            "bounced",
            "Unrecognized response from upstream server: 250",
        ),
        (
            "bouncing mail: Unrecognized response from upstream server: SSH-2\r\n",
            "bounced",
            "Unrecognized response from upstream server: SSH-2",
        ),
        ("bouncing mail: 5 is no code", "bounced", "5 is no code"),
        ("bouncing mail: 5501 is none", "bounced", "5501 is none"),
        ("bouncing mail: Too many failures (Tried all MXs)", "bounced", "Tried all MXs"),
    ],
)
def test_message_without_reply(format_: str, message: str, status: str, text: str) -> None:
    [entry] = read(logged(format_, message, level="INFO"))
    assert (entry.event, entry.status) == (Event.ATTEMPT, status)
    assert (entry.reply, entry.text) == (None, text)


def test_given_up(format_: str) -> None:
    """Recipients that were deferred too often bounce without a line of their own."""
    cause = 'Some recipients temp failed: <a@example.com>, <"b>, <c"@example.com>'
    entries = read(
        *accepted(format_, "a@example.com", '"b>, <c"@example.com'),
        logged(format_, f"bouncing mail: Too many failures ({cause})"),
    )
    assert [(entry.event, entry.status, entry.recipients) for entry in entries] == [
        (Event.DELIVERY, "bounced", ("a@example.com", '"b>, <c"@example.com'))
    ]
    assert entries[0].text == f"Too many failures ({cause})"


@pytest.mark.parametrize(
    ("reply", "address"),
    [
        ("550 <b@example.com> rejected: 250 ok", "a@example.com"),
        ("550 recipient <b@example.com> deferred: 451 no", "a@example.com"),
        ('550 delivered file=x response="250 ok"', "a@example.com"),
        ("550 > rejected: > deferred: (in reply to RCPT TO)", "a@example.com"),
        ('550 quoted "\\" text', '"a> rejected: 250 <"@example.com'),
        ("550 5.7.1 first 5.7.1 second", '"\\"> deferred: "@example.com'),
        ("550 ", "a@example.com"),
        ("550 Пользователь не найден", "я@example.com"),
    ],
)
def test_hostile_replies(format_: str, reply: str, address: str) -> None:
    [entry] = read(logged(format_, f"recipient <{address}> rejected: {reply}"))
    assert (entry.reply, entry.recipients, entry.status) == (reply, (address,), "bounced")


@pytest.mark.parametrize(
    ("message", "ip", "host", "port"),
    [
        (
            "Remote end 192.0.2.1:25 closed connection while we were processing mail.",
            "192.0.2.1",
            None,
            25,
        ),
        (
            "Ongoing connection failed to mx.example.com:25 : Error: socket timeout",
            None,
            "mx.example.com",
            25,
        ),
        ("Failed to get socket: connect ECONNREFUSED 2001:db8::1:25", "2001:db8::1", None, 25),
        ("Failed to get socket: connection timed out", None, None, None),
    ],
)
def test_connections(
    format_: str, message: str, ip: str | None, host: str | None, port: int | None
) -> None:
    assert read(logged(format_, message, level="ERROR")) == [
        Entry(
            Event.CONNECTION,
            queue_id=MESSAGE,
            relay_host=host,
            relay_ip=ip,
            relay_port=port,
            text=message,
        )
    ]


def test_rejects(format_: str) -> None:
    """What a plugin says goes to the client behind a code that is not logged."""
    denied: dict[str, object] = {"code": "DENY", "msg": "I do not like you"}
    entries = read(
        logged(format_, "sender <x@example.org>", denied, uuid=TRANSACTION, origin="core"),
        *accepted(format_, "a@example.com"),
        logged(
            format_,
            "recipient <b@example.com>",
            {"code": "DENYSOFT", "msg": "", "sender": "from@example.org"},
            uuid=TRANSACTION,
            origin="core",
        ),
        logged(format_, "queue", denied, uuid=TRANSACTION, origin="core"),
    )
    assert entries == [
        Entry(
            Event.REJECT,
            queue_id=TRANSACTION,
            sender="x@example.org",
            status="DENY",
            stage="MAIL",
            text="I do not like you",
        ),
        Entry(
            Event.REJECT,
            queue_id=TRANSACTION,
            sender="from@example.org",
            recipients=("b@example.com",),
            status="DENYSOFT",
            stage="RCPT",
        ),
        Entry(
            Event.REJECT,
            queue_id=TRANSACTION,
            sender="from@example.org",
            recipients=("a@example.com",),
            status="DENY",
            stage="EOD",
            text="I do not like you",
        ),
    ]


@pytest.mark.parametrize(
    ("message", "origin"),
    [
        ("Unrecognized response from upstream server: 550", "outbound"),
        ("Transaction delivery for domain: example.com", "outbound"),
        ("bouncing mail: Some recipients failed: <a@example.com>", "outbound"),
        (f"Temp failing {FILE} for 9 seconds: Some recipients temp failed: <a@b>", "outbound"),
        ("recipient <a@example.com> rejected: 550 no", "some_plugin"),
        ("bouncing mail: 550 no", "core"),
        ("loading tls.ini", "core"),
    ],
)
def test_nothing_of_interest(format_: str, message: str, origin: str) -> None:
    line = logged(format_, message, origin=origin)
    assert Haraka.knows("", line)
    assert read(line) == []


@pytest.mark.parametrize(
    "message",
    [
        "recipient <a@example.com> reject",
        "recipient <a@example.com",
        f"Temp failing {FILE} for 60 sec",
    ],
)
def test_cut_lines_are_told(format_: str, message: str) -> None:
    line = logged(format_, message)
    [entry] = read(line)
    assert (entry.event, entry.text) == (Event.OTHER, line)
    assert entry.problem


def test_cut_delivery_is_told(format_: str) -> None:
    line = logged(format_, "", SENT)
    [entry] = read(line[: line.index("response") - 2])
    assert entry.event is Event.OTHER
    assert entry.problem


def test_knows() -> None:
    line = logged("plain", "x")
    assert Haraka.knows("", line)
    assert Haraka.knows("haraka", line)
    assert Haraka.knows("", logged("plain", "x", uuid="-"))
    assert Haraka.knows("", logged("json", "x", uuid=CONNECTION))
    assert not Haraka.knows("postfix/smtp", line)
    assert Haraka().read("postfix/smtp", line) == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[NOTICE] something of another program",
        "[NOTICE] [12345] [outbound] recipient <a@example.com> rejected: 550 no",
        "[notice] [-] [outbound] x",
        "level=info msg=started",
        "level=NOTICE uuid=1 origin=x",
        '{"level":"info","msg":"x"}',
        '{"type":"Delivery","recipient":"a@example.com"}',
        "1vN5Qx-000000001Ab-2cDe => a@example.com R=dns T=smtp",
        "ABCDEF0123: to=<a@example.com>, relay=none, status=sent (250 ok)",
        "type,timeLogged,orig,rcpt",
    ],
)
def test_lines_of_others(line: str) -> None:
    assert not Haraka.knows("", line)
    assert read(line) == []


def samples(format_: str) -> list[str]:
    return [
        *accepted(format_, "to@example.com"),
        logged(format_, "", {**SENT, "response": 'a "b" \\ c'}),
        logged(format_, 'recipient <"a>b"@example.com> rejected: 550 5.1.1 no "such" \\ user'),
        logged(format_, f"Temp failing {FILE} for 60 seconds: Upstream error: 421 Busy"),
        logged(format_, "bouncing mail: Too many failures (Some recipients temp failed: <a@b>)"),
        logged(format_, "Remote end 192.0.2.1:25 closed connection while we were"),
        logged(format_, "queue", {"code": "DENY", "msg": "no"}, uuid=TRANSACTION, origin="core"),
    ]


def test_cut_anywhere_never_raises(format_: str) -> None:
    haraka = Haraka()
    for line in samples(format_):
        for end in range(len(line)):
            haraka.read("", line[:end])
            haraka.read("", line[end:])


def test_mutations_never_raise(format_: str) -> None:
    chance = random.Random(6)
    alphabet = '<>"\\[]{}:,=.@ 0ax\x00\n\r\udcff{}é'
    haraka = Haraka()
    for line in samples(format_) * 150:
        letters = list(line)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(letters))
            letters[at : at + chance.randint(0, 3)] = chance.choices(
                alphabet, k=chance.randint(0, 3)
            )
        for entry in haraka.read("", "".join(letters)):
            assert entry.event is not Event.OTHER or entry.problem


HEAD = f"[NOTICE] [{MESSAGE}] [outbound] "


@pytest.mark.parametrize(
    "line",
    [
        HEAD + "recipient <" + "<" * 1_000_000,
        HEAD + 'recipient <"' + '\\"' * 500_000,
        HEAD + 'recipient <"' + '"<' * 500_000,
        HEAD + "recipient <a@b> rejected: 550 " + "> rejected: " * 90_000,
        HEAD + "bouncing mail: Too many failures (Some recipients temp failed: " + "<" * 1_000_000,
        HEAD
        + "bouncing mail: Too many failures (Some recipients temp failed: "
        + "<a>, " * 200_000,
        HEAD + "bouncing mail: Unrecognized response from upstream server: " + "\\r" * 500_000,
        HEAD + "delivered file=" + "a=b " * 250_000,
        HEAD + "delivered file=" + '"' * 1_000_000,
        HEAD + 'delivered file="' + "\\" * 1_000_001,
        HEAD + " " * 1_000_000 + "delivered file=x",
        HEAD + "Temp failing " + " for" * 250_000,
        HEAD + "Remote end " + ":" * 1_000_000 + " closed connection",
        HEAD + "delivered file=x ip=" + ":" * 1_000_000 + "x response=x",
        f"level=NOTICE uuid={MESSAGE} " + "=" * 1_000_000,
        f'{{"level":"NOTICE","uuid":"{MESSAGE}","origin":"outbound","x":' + "[" * 1_000_000,
        f"[NOTICE] [{CONNECTION}" + ".1" * 500_000,
        "[NOTICE] [" + "0" * 1_000_000,
    ],
    ids=lambda line: line[40:90],
)
def test_hostile_lines_are_linear(line: str) -> None:
    haraka = Haraka()
    assert work(lambda: haraka.read("", line)) < 10 * len(line)


def entries_of(path: Path) -> Iterator[tuple[str, list[Entry]]]:
    haraka = Haraka()
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        for line in lines:
            text = line.rstrip("\n").partition(" ")[2]
            yield text, haraka.read("", text)


# What the log or the grammar of enhanced codes makes different from what the corpus expects:
EXCEPTIONS = {
    "550 5.1.0 Address rejected.": "Haraka drops the # of IronPort, which makes a code of it",
    "554 5.5.4 hash prefixed (IronPort)": "likewise",
    "550 5.7.1: colon after enhanced": "no enhanced code by RFC 2034: no space behind it",
}


def test_corpus_agrees(corpus: Callable[[str], Path]) -> None:
    rows = corpus("logs/expected-haraka.jsonl").read_text(encoding="utf-8").splitlines()
    misses: dict[str, list[str]] = {}
    for row in map(json.loads, rows):
        text = row["line"].partition(" ")[2]
        [entry] = Haraka().read("", text)
        assert entry.reply is not None
        line = classify(entry.reply.rpartition("\n")[2])
        uuid = text.split("] [")[1]
        found = {
            "code": (line.code, row["code"]),
            "enhanced": (str(line.enhanced) if line.enhanced else None, row["enhanced"]),
            "status": (entry.status, row["status"]),
            "recipient": (entry.recipients, (row["to"],)),
            "relay": (entry.relay_host, row["relay"]),
            "queue_id": (entry.queue_id, uuid),
            "stage": (entry.stage, row["truth"]["stage"].upper()),
            "reply": (entry.reply, joined(row["truth"]["reply_lines"])),
        }
        for field, (ours, theirs) in found.items():
            if field == "enhanced" and entry.reply in EXCEPTIONS:
                continue
            if field == "reply" and "\ufffd" in entry.reply:  # what is no UTF-8, Haraka replaces
                continue
            if ours != theirs:
                misses.setdefault(field, []).append(text)
    assert len(rows) > 100
    assert {field for field, texts in misses.items() if len(texts) > 0.005 * len(rows)} == set()


def joined(lines: list[str]) -> str:
    """What is left of a reply, by the regular expression of outbound/hmail.js."""
    parts = [re.fullmatch(r"([2-5]\d\d)([ -])#?(?:(\d\.\d\.\d)\s)?(.*)", line) for line in lines]
    matches = [part for part in parts if part]
    assert len(matches) == len(lines)
    enhanced = f"{matches[-1][3]} " if matches[-1][3] else ""
    return f"{matches[-1][1]} {enhanced}{' '.join(match[4] for match in matches)}"


@pytest.mark.parametrize("name", ["haraka-3.3.4-default.log", "haraka-3.3.4-json.log"])
def test_corpus_is_understood(corpus: Callable[[str], Path], name: str) -> None:
    counts = dict.fromkeys(Event, 0)
    for text, entries in entries_of(corpus(f"logs/{name}")):
        looks_so = re.search(r"> (?:rejected|deferred): |delivered file|Upstream error: ", text)
        assert bool(entries) >= bool(looks_so), text
        for entry in entries:
            counts[entry.event] += 1
            assert Haraka.knows("", text)
    assert counts[Event.OTHER] == 0
    assert counts[Event.DELIVERY] == 229
    assert counts[Event.ATTEMPT] == 27
    assert counts[Event.CONNECTION] == 3


def test_corpus_joins_recipients(corpus: Callable[[str], Path]) -> None:
    """Every message of a client is told with its recipients; bounces of Haraka's own are not."""
    for _, entries in entries_of(corpus("logs/haraka-3.3.4-default.log")):
        for entry in entries:
            if entry.status == "sent" and entry.queue_id:
                assert len(entry.recipients) == (entry.queue_id.count(".") == 2)
