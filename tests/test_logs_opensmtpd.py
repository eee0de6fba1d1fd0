"""What a line of OpenSMTPD's log says."""

from __future__ import annotations

import json
import random
from functools import partial
from typing import TYPE_CHECKING

import pytest

from smtpfast import classify
from smtpfast.logs import Entry, Event
from smtpfast.logs.envelope import Calendar, open_envelope
from smtpfast.logs.opensmtpd import OpenSmtpd
from work import work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SESSION = "0f1e2d3c4b5a6978"
ENVELOPE = "00c0ffee00c0ffee"
MTA = (
    f"{SESSION} mta delivery evpid={ENVELOPE} from=<al@example.org> to=<bob@example.com> rcpt=<-> "
    'source="192.0.2.1" relay="192.0.2.25 (mx.example.com)"'
)
DELIVERY = Entry(
    Event.DELIVERY,
    ENVELOPE,
    sender="al@example.org",
    recipients=("bob@example.com",),
    relay_host="mx.example.com",
    relay_ip="192.0.2.25",
    delay=2.0,
)
MDA = f"{SESSION} mda delivery evpid={ENVELOPE} from=<al@example.org> to=<bob@example.com>"
LOCAL = DELIVERY._replace(relay_host="mda", relay_ip=None)


def read(*lines: str) -> list[Entry]:
    """What the last of these lines says."""
    reader = OpenSmtpd()
    entries: list[Entry] = []
    for line in lines:
        entries = reader.read("smtpd", line)
    return entries


def only(*lines: str) -> Entry:
    assert OpenSmtpd.knows("smtpd", lines[-1])
    (entry,) = read(*lines)
    return entry


OUTCOMES = {
    "sent": (
        'delay=2s result="Ok" stat="250 2.0.0 Ok: queued as 0A1B2C"',
        {"status": "sent", "reply": "250 2.0.0 Ok: queued as 0A1B2C", "stage": "EOD"},
    ),
    "sent, a bare code": (
        'delay=2s result="Ok" stat="250"',
        {"status": "sent", "reply": "250", "stage": "EOD"},
    ),
    "sent, without a reply": (
        'delay=2s result="Ok" stat="No envelope"',
        {"status": "sent", "text": "No envelope"},
    ),
    "bounced": (
        'delay=2s result="PermFail" stat="550 5.1.1 no such user"',
        {"status": "bounced", "reply": "550 5.1.1 no such user"},
    ),
    "bounced, quotation marks": (
        'delay=2s result="PermFail" stat="554 5.7.1 "quoted" result="Ok" stat="250 ok""',
        {"status": "bounced", "reply": '554 5.7.1 "quoted" result="Ok" stat="250 ok"'},
    ),
    "bounced, several lines": (
        'delay=2s result="PermFail" stat="550-5.7.1 first line5.7.1 last line"',
        {"status": "bounced", "reply": "550-5.7.1 first line5.7.1 last line"},
    ),
    "deferred": (
        'delay=2s result="TempFail" stat="451 4.7.1 #011 stays, \udce9 as well"',
        {"status": "deferred", "reply": "451 4.7.1 #011 stays, \udce9 as well"},
    ),
    "deferred, no reply": (
        'delay=2s result="TempFail" stat="Network error on destination MXs"',
        {"status": "deferred", "text": "Network error on destination MXs"},
    ),
    "no reply, but digits": (
        'delay=2s result="TempFail" stat="4500 tries"',
        {"status": "deferred", "text": "4500 tries"},
    ),
    "cut": (
        'delay=2s result="PermFail" stat="550 5.1.1 no su',
        {"status": "bounced", "reply": "550 5.1.1 no su"},
    ),
    "no words": ('delay=2s result="TempFail" stat=""', {"status": "deferred"}),
    "an unknown result": (
        'delay=2s result="Perhaps" stat="250 ok"',
        {
            "event": Event.OTHER,
            "relay_host": None,
            "relay_ip": None,
            "delay": None,
            "text": f'{MTA} delay=2s result="Perhaps" stat="250 ok"',
            "problem": "no result on the line",
        },
    ),
}


@pytest.mark.parametrize(("end", "said"), OUTCOMES.values(), ids=OUTCOMES)
def test_outcomes(end: str, said: dict[str, str]) -> None:
    entry = DELIVERY._replace(**said)  # type: ignore[arg-type]
    assert only(f"{MTA} {end}") == entry
    if entry.problem is None:
        assert only(f"{MTA} {end}".replace("mta delivery", "mta event=delivery")) == entry


RELAYS = {
    "192.0.2.25 (mx.example.com)": ("mx.example.com", "192.0.2.25"),
    "192.0.2.25 (192.0.2.25)": (None, "192.0.2.25"),
    "192.0.2.25 (<unknown>)": (None, "192.0.2.25"),
    "192.0.2.25": (None, "192.0.2.25"),
    "[2001:db8::25] (mx.example.com)": ("mx.example.com", "2001:db8::25"),
    "[IPv6:2001:db8::25]": (None, "2001:db8::25"),
    "example.com": ("example.com", None),
    "local (localhost)": ("localhost", None),
    "-": (None, None),
    "": (None, None),
}


@pytest.mark.parametrize(("logged", "relay"), RELAYS.items())
def test_relays(logged: str, relay: tuple[str | None, str | None]) -> None:
    line = MTA.replace("192.0.2.25 (mx.example.com)", logged)
    entry = only(f'{line} delay=0s result="Ok" stat="250 ok"')
    assert (entry.relay_host, entry.relay_ip, entry.relay_port) == (*relay, None)


DELAYS = {
    "0s": 0.0,
    "51s": 51.0,
    "1m2s": 62.0,
    "2h3m4s": 7384.0,
    "1d2h": 93600.0,
    "5d": 432000.0,
    "1d1s": 86401.0,
    "-3s": None,
    "s": None,
    "1s2m": None,
    "9" * 5000 + "s": None,
    "": None,
}


@pytest.mark.parametrize(("logged", "delay"), DELAYS.items(), ids=range(len(DELAYS)))
def test_delays(logged: str, delay: float | None) -> None:
    assert only(f'{MTA} delay={logged} result="Ok" stat="250 ok"').delay == delay


ENTRIES = {
    "no sender, an alias": (
        f"{SESSION} mta delivery evpid={ENVELOPE} from=<> to=<bob@example.com> rcpt=<b@local> "
        'source="-" relay="example.com" delay=2s result="TempFail" stat="Connection timeout"',
        DELIVERY._replace(
            sender="",
            relay_host="example.com",
            relay_ip=None,
            status="deferred",
            text="Connection timeout",
        ),
    ),
    "as version 6.0 wrote it": (
        f'{MTA.replace("mta ", "mta event=")} delay=2s result=PermFail stat=550 5.1.1 "no"'.replace(
            'source="192.0.2.1" relay="192.0.2.25 (mx.example.com)"',
            "source=192.0.2.1 relay=192.0.2.25 (mx.example.com)",
        ),
        DELIVERY._replace(status="bounced", reply='550 5.1.1 "no"'),
    ),
    "mda": (
        f"{MDA} rcpt=<alias@example.com> user=bob delay=2s result=Ok stat=Delivered",
        LOCAL._replace(status="sent", text="Delivered"),
    ),
    "mda that fails": (
        f'{MDA} user=bob delay=2s result=PermFail stat=Error ("mail.lmtp: 550 no, result=Ok")',
        LOCAL._replace(status="bounced", text='Error ("mail.lmtp: 550 no, result=Ok")'),
    ),
    "mda of an old version": (
        f"{MDA.replace('mda ', 'mda event=')} user=bob method=mbox delay=2s result=TempFail "
        "stat=Out of memory",
        LOCAL._replace(status="deferred", text="Out of memory"),
    ),
    "mda without a result": (
        f"{MDA} user=bob delay=2s",
        LOCAL._replace(
            event=Event.OTHER,
            relay_host=None,
            delay=None,
            text=f"{MDA} user=bob delay=2s",
            problem="no result on the line",
        ),
    ),
    "a delivery of nothing": (
        f"{SESSION} mta delivery evpid=12",
        Entry(
            Event.OTHER,
            text=f"{SESSION} mta delivery evpid=12",
            problem="no envelope on the line",
        ),
    ),
    "expired": (
        f"relay: Expire for {ENVELOPE}: from=<al@example.org>, to=<bob@example.com>, rcpt=<->, "
        "delay=4d2s, stat=Envelope expired",
        DELIVERY._replace(
            relay_host=None,
            relay_ip=None,
            delay=345602.0,
            status="bounced",
            text="Envelope expired",
        ),
    ),
    "removed": (
        f"delivery: Remove for {ENVELOPE}: from=<@>, to=<bob@example.com>, rcpt=<->, delay=2s, "
        "stat=Removed by administrator",
        LOCAL._replace(sender="", status="Remove", text="Removed by administrator"),
    ),
    "as version 5.4 wrote it": (
        f"relay: PermFail for {ENVELOPE}: session={SESSION}, from=<al@example.org>, "
        "to=<bob@example.com>, rcpt=<->, source=192.0.2.1, relay=192.0.2.25 (mx.example.com), "
        "delay=2s, stat=550 5.1.1 no, stat=250 ok",
        DELIVERY._replace(status="bounced", reply="550 5.1.1 no, stat=250 ok"),
    ),
    "as version 5.4 wrote it, cut": (
        f"relay: Ok for {ENVELOPE}: from=<al@example.org>, to=<bob@example.com>, delay=2s",
        DELIVERY._replace(
            event=Event.OTHER,
            relay_host=None,
            relay_ip=None,
            delay=None,
            text=f"relay: Ok for {ENVELOPE}: from=<al@example.org>, to=<bob@example.com>, delay=2s",
            problem="no stat= on the line",
        ),
    ),
    "banner": (
        f"{SESSION} mta error reason=BANNER rejected: 421 4.3.2 busy, EHLO rejected: 550",
        Entry(Event.ATTEMPT, reply="421 4.3.2 busy, EHLO rejected: 550", stage="CONNECT"),
    ),
    "HELO": (
        f"{SESSION} mta event=error reason=HELO rejected: 550 5.7.1 no",
        Entry(Event.ATTEMPT, reply="550 5.7.1 no", stage="EHLO"),
    ),
    "AUTH": (
        f"{SESSION} mta error reason=AUTH rejected: 535 5.7.8 no",
        Entry(Event.ATTEMPT, reply="535 5.7.8 no", stage="AUTH"),
    ),
    "STARTTLS, later on": (
        f"smtp-out: Error on session {SESSION} after 2 messages sent: STARTTLS rejected: 454 no",
        Entry(Event.ATTEMPT, reply="454 no", stage="STARTTLS"),
    ),
    "connection": (
        f"{SESSION} mta error reason=Connection closed unexpectedly",
        Entry(Event.CONNECTION, text="Connection closed unexpectedly"),
    ),
    "connection, after a message": (
        f"smtp-out: Error on session {SESSION} after 1 message sent: IO Error: broken",
        Entry(Event.CONNECTION, text="IO Error: broken"),
    ),
    "a banner that is no reply": (
        f"{SESSION} mta error reason=BANNER rejected: SSH-2.0",
        Entry(Event.CONNECTION, text="BANNER rejected: SSH-2.0"),
    ),
    "TLS": (
        f"{SESSION} mta closing reason=tls-failure",
        Entry(Event.CONNECTION, text="tls-failure"),
    ),
    "rcpt": (
        f'{SESSION} smtp failed-command command="rcpt TO:<bob@example.com>" '
        'result="550 Invalid recipient: <bob@example.com>"',
        Entry(
            Event.REJECT,
            recipients=("bob@example.com",),
            reply="550 Invalid recipient: <bob@example.com>",
            stage="RCPT",
        ),
    ),
    "rcpt that fakes its result": (
        f'{SESSION} smtp failed-command command="RCPT TO:<a" result="250 ok">" result="501 no"',
        Entry(Event.REJECT, recipients=('a" result="250 ok"',), reply="501 no", stage="RCPT"),
    ),
    "mail": (
        f'{SESSION} smtp failed-command command="MAIL FROM: <al@example.org> SIZE=9" '
        'result="451 4.7.1 later"',
        Entry(Event.REJECT, sender="al@example.org", reply="451 4.7.1 later", stage="MAIL"),
    ),
    "helo": (
        f'{SESSION} smtp failed-command command="HELO x" result="550 5.7.1 no"',
        Entry(Event.REJECT, reply="550 5.7.1 no", stage="EHLO"),
    ),
    "auth": (
        f'{SESSION} smtp failed-command command="AUTH PLAIN (...)" result="535 no"',
        Entry(Event.REJECT, reply="535 no", stage="AUTH"),
    ),
    "data": (
        f'{SESSION} smtp failed-command command="DATA" result="550 5.7.1 spam"',
        Entry(Event.REJECT, reply="550 5.7.1 spam", stage="DATA"),
    ),
    "end of data": (
        f'{SESSION} smtp failed-command command="." result="550 5.7.1 spam"',
        Entry(Event.REJECT, reply="550 5.7.1 spam", stage="EOD"),
    ),
    "no command": (
        f'{SESSION} smtp failed-command command="" result="421 4.3.2 no"',
        Entry(Event.REJECT, reply="421 4.3.2 no", stage="CONNECT"),
    ),
    "an unknown command": (
        f'{SESSION} smtp failed-command command="GET / HTTP/1.1" result="500 5.5.1 no"',
        Entry(Event.REJECT, reply="500 5.5.1 no"),
    ),
    "bad input": (
        f'{SESSION} smtp bad-input result="500 5.0.0 Line too long"',
        Entry(Event.REJECT, reply="500 5.0.0 Line too long"),
    ),
    "rcpt of version 5.9": (
        f"{SESSION} smtp event=failed-command address=192.0.2.9 host=client.example.net "
        'command="RCPT TO:<bob@example.com>" result="550 no"',
        Entry(
            Event.REJECT,
            recipients=("bob@example.com",),
            relay_host="client.example.net",
            relay_ip="192.0.2.9",
            reply="550 no",
            stage="RCPT",
        ),
    ),
    "rcpt of version 5.4": (
        f'smtp-in: Failed command on session {SESSION}: "RCPT TO:<bob@example.com>" => 550 no',
        Entry(Event.REJECT, recipients=("bob@example.com",), reply="550 no", stage="RCPT"),
    ),
    "bad input of version 5.4": (
        f"smtp-in: Bad input on session {SESSION}: 500 5.0.0 Line too long",
        Entry(Event.REJECT, reply="500 5.0.0 Line too long"),
    ),
    "a command without a result": (
        f'{SESSION} smtp failed-command command="rcpt TO',
        Entry(
            Event.OTHER,
            text=f'{SESSION} smtp failed-command command="rcpt TO',
            problem="no result of a command",
        ),
    ),
}


@pytest.mark.parametrize(("line", "entry"), ENTRIES.values(), ids=ENTRIES)
def test_entries(line: str, entry: Entry) -> None:
    assert only(line) == entry


def test_a_session_is_with_somebody() -> None:
    for address, ip, port in (
        ("smtp+notls://192.0.2.25:2525", "192.0.2.25", 2525),
        ("smtp://[2001:db8::25]:25", "2001:db8::25", 25),
        ("smtps://[IPv6:2001:db8::25]:465", "2001:db8::25", 465),
    ):
        connecting = f"{SESSION} mta connecting address={address} host=mx.example.com"
        assert read(connecting) == []
        entry = only(connecting, f"{SESSION} mta error reason=BANNER rejected: 421 no")
        assert (entry.relay_host, entry.relay_ip, entry.relay_port) == ("mx.example.com", ip, port)
        later = f"smtp-out: Error on session {SESSION} after 1 message sent: IO Error: x"
        assert only(connecting, later).relay_ip == ip
        assert only(connecting, later.replace(SESSION, ENVELOPE)).relay_ip is None
    for event in ("connected", "event=connected"):
        connected = f"{SESSION} smtp {event} address=192.0.2.9 host=<unknown>"
        refused = f'{SESSION} smtp failed-command command="DATA" result="550 no"'
        entry = only(connected, refused)
        assert (entry.relay_host, entry.relay_ip, entry.relay_port) == (None, "192.0.2.9", None)


SILENT = [
    f"{SESSION} mta connected",
    f"{SESSION} mta disconnected reason=quit messages=1",
    f"{SESSION} smtp message msgid=0a1b2c3d size=9 nrcpt=1 proto=ESMTP",
    f"{SESSION} smtp envelope evpid={ENVELOPE} from=<> to=<bob@example.com>",
    f"{SESSION} smtp disconnected reason=quit",
    f"{SESSION} mta",
    "smtp-out: Disabling route [] <-> 192.0.2.25 (mx.example.com) for 15s",
    "info: OpenSMTPD 7.4.0 starting",
    "",
]


@pytest.mark.parametrize("line", SILENT)
def test_lines_that_tell_nothing(line: str) -> None:
    assert read(line) == []


def test_which_lines_are_opensmtpds() -> None:
    line = f'{MTA} delay=0s result="Ok" stat="250 ok"'
    for tag in ("smtpd", "opensmtpd"):
        assert OpenSmtpd.knows(tag, line)
        for other in ("connect from x", "warn: mta: x", SESSION, line[1:], line.upper(), ""):
            assert not OpenSmtpd.knows(tag, other), other
    for tag in ("", "postfix/smtpd", "postfix", "sendmail", "exim", "sshd", "qmail-smtpd"):
        assert not OpenSmtpd.knows(tag, line), tag


SAMPLES = [
    *(f"{MTA} {end}" for end, _ in OUTCOMES.values()),
    *(line for line, _ in ENTRIES.values()),
    f"{SESSION} mta connecting address=smtp://[2001:db8::25]:25 host=mx.example.com",
    *SILENT,
]


def test_samples_that_are_cut_never_raise() -> None:
    reader = OpenSmtpd()
    for sample in SAMPLES:
        for end in range(len(sample)):
            for entry in reader.read("smtpd", sample[:end]):
                assert (entry.problem is None) == (entry.event is not Event.OTHER)


def test_odd_lines_never_raise() -> None:
    odd = random.Random(4)
    reader = OpenSmtpd()
    pieces = [piece for sample in SAMPLES for piece in sample.replace("=", "= ").split(" ")]
    for _ in range(20_000):
        line = list(odd.choice(SAMPLES))
        for _ in range(odd.randrange(1, 6)):
            line[odd.randrange(len(line) + 1) : odd.randrange(len(line) + 1)] = odd.choice(
                [
                    "",
                    '"',
                    "<",
                    ">",
                    ",",
                    ", ",
                    "\\",
                    "\udcff",
                    "\ud800",
                    "\n",
                    "=",
                    ":",
                    "(",
                    "9" * 9,
                ]
            )
        reader.read("smtpd", "".join(line) or " ")
        reader.read("smtpd", "".join(odd.choices(pieces, k=odd.randrange(9))))
        reader.read("smtpd", "".join(map(chr, odd.choices(range(0x3000), k=20))))


HOSTILE = ["a", '"', "<", ">", "1", 'result="', '" => ', ", a=", "a=b, ", "f:", " (", "1d", ","]
FRONTS = [
    f"{SESSION} mta delivery evpid={ENVELOPE} from=<",
    f"{SESSION} mta delivery evpid={ENVELOPE} from=<a> to=<b> ",
    f'{MTA} delay=0s result="Ok" stat="',
    f"{MTA} delay=",
    f'{MTA[:-30]} relay="',
    f"{MDA} user=",
    f"{SESSION} mta error reason=",
    f"{SESSION} mta connecting address=",
    f'{SESSION} smtp failed-command command="RCPT TO:<',
    f"{SESSION} smtp failed-command ",
    f"relay: Ok for {ENVELOPE}: from=<a>, to=<b>, ",
    f"smtp-out: Error on session {SESSION}",
    f'smtp-in: Failed command on session {SESSION}: "',
]


@pytest.mark.parametrize("front", FRONTS)
def test_a_megabyte_costs_a_megabyte(front: str) -> None:
    """Each step is in C and goes over some of the line; there are a few of them for a letter."""
    reader = OpenSmtpd()
    for hostile in HOSTILE:
        line = front + hostile * (1_000_000 // len(hostile))
        assert work(partial(reader.read, "smtpd", line)) < 8 * len(line), hostile


# Where the line and the server differ: the lines of a reply are glued, with the code of the first
# and without the others'; an enhanced code with a colon is none to `classify`.
SAID_OTHERWISE = {
    "code": {"450-4.2.1 code differs between lines last line wins"},
    "enhanced": {
        "550-5.7.1 firstno enhanced herelast without enhanced",
        "550-no enhanced enhanced only on last line",
        "450-4.2.1 code differs between lines last line wins",
        "550 5.7.1: colon after enhanced",
    },
}


def test_corpus(corpus: Callable[[str], Path]) -> None:
    rows = [*map(json.loads, corpus("logs/expected-opensmtpd.jsonl").read_bytes().splitlines())]
    assert len(rows) > 900
    replies = stages = 0
    for row in rows:
        envelope = open_envelope(row["line"], Calendar(2026))
        assert OpenSmtpd.knows(envelope.tag, envelope.text)
        (entry,) = OpenSmtpd().read(envelope.tag, envelope.text)
        assert entry.event is Event.DELIVERY
        assert (entry.queue_id, entry.recipients) == (row["queue_id"], (row["to"],)), row
        assert entry.status == row["status"], row
        assert row["relay"] == f"{entry.relay_ip} ({entry.relay_host})", row
        assert entry.delay is not None
        assert entry.sender is not None
        if entry.stage is not None:
            stages += 1
            assert (entry.stage, row["truth"]["stage"]) == ("EOD", "dot"), row
        if entry.reply is None:  # too long for OpenSMTPD, which says that and nothing more
            assert entry.text == "Bad response: line too long", row
            continue
        replies += 1
        line = classify(entry.reply)
        enhanced = str(line.enhanced) if line.enhanced else None
        if entry.reply not in SAID_OTHERWISE["code"]:
            assert line.code == row["code"], row
        if entry.reply not in SAID_OTHERWISE["enhanced"]:
            assert enhanced == row["enhanced"], row
    assert replies > 900
    assert stages > 400


@pytest.mark.parametrize("kind", ["iso", "rfc5424", "trad"])
def test_corpus_logs(corpus: Callable[[str], Path], kind: str) -> None:
    reader = OpenSmtpd()
    path = corpus(f"logs/opensmtpd-6.8.0p2-rsyslog-{kind}.log")
    looked = 0
    for line in path.read_text("utf-8", "surrogateescape").split("\n"):
        envelope = open_envelope(line, Calendar(2026))
        if not OpenSmtpd.knows(envelope.tag, envelope.text):
            assert "delivery" not in line, line
            continue
        entries = reader.read(envelope.tag, envelope.text)
        assert all(entry.event is not Event.OTHER for entry in entries), line
        if " delivery " in line:
            looked += 1
            assert [entry.event for entry in entries] == [Event.DELIVERY], line
        elif " mta error " in line:
            (entry,) = entries
            assert entry.relay_ip == "127.0.0.1", line
            assert entry.relay_port is not None, line
    assert looked > 300
