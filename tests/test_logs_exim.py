"""Exim's log: own samples of every shape and trap, and the corpus of real logs."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from smtpfast import classify
from smtpfast.logs import Entry, Event
from smtpfast.logs.envelope import Calendar, open_envelope
from smtpfast.logs.exim import Exim
from work import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ID = "1tAbCd-0001Ab-0C"
LONG_ID = "1tAbCd-00000001AbC-0dEf"
DATE = "2031-05-06 07:08:09"
SAID = "SMTP error from remote mail server after "
HOST = "H=mx.example.com [192.0.2.25]"
RELAY = ("mx.example.com", "192.0.2.25", None)


def read(*lines: str, tag: str = "") -> list[Entry]:
    """All entries of these lines."""
    exim = Exim()
    return [entry for line in lines for entry in exim.read(tag, line)]


def read_one(line: str, tag: str = "") -> Entry:
    """The only entry of a line."""
    [entry] = read(line, tag=tag)
    return entry


def relay_of(entry: Entry) -> tuple[str | None, str | None, int | None]:
    return entry.relay_host, entry.relay_ip, entry.relay_port


@pytest.mark.parametrize("queue_id", [ID, LONG_ID])
@pytest.mark.parametrize(
    "head", ["", "[77] ", f"{DATE} ", f"{DATE}.123 +0200 ", f"{DATE}.123 -0930 [1234567] "]
)
@pytest.mark.parametrize("tag", ["", "exim"])
def test_heads(head: str, queue_id: str, tag: str) -> None:
    """pid, date, fraction and zone in front; both forms of the id (4.97)."""
    line = f'{head}{queue_id} => to@example.com R=dns T=smtp {HOST} C="250 2.0.0 Ok"'
    assert Exim.knows(tag, line)
    assert read_one(line, tag) == Entry(
        Event.DELIVERY,
        queue_id=queue_id,
        recipients=("to@example.com",),
        relay_host="mx.example.com",
        relay_ip="192.0.2.25",
        status="sent",
        reply="250 2.0.0 Ok",
        stage="EOD",
    )


@pytest.mark.parametrize("flag", ["=>", "->", ">>", "*>"])
def test_flags_of_delivery(flag: str) -> None:
    entry = read_one(f'{ID} {flag} a@example.com R=r T=t {HOST} C="250 ok"')
    assert (entry.event, entry.status, entry.reply) == (Event.DELIVERY, "sent", "250 ok")


def test_sender_of_arrival() -> None:
    arrived = f"{ID} <= from@example.org H=a (b) [192.0.2.1] P=esmtp S=3 from <x@y> for to@example"
    sent = f"{ID} => to@example.com R=r T=t {HOST}"
    assert [entry.sender for entry in read(arrived, sent, f"{ID} Completed", sent)] == [
        "from@example.org",
        None,
    ]
    assert [entry.sender for entry in read(arrived, f"{ID} Completed QT=2s", sent)] == [None]
    assert [entry.sender for entry in read(f"{ID} (= fake@example.org S=1", sent)] == [
        "fake@example.org"
    ]


def test_sender_may_be_empty_or_quoted() -> None:
    bounced = f"{ID} ** to@example.com: Unrouteable address"
    assert [entry.sender for entry in read(f"{ID} <= <> R=1 U=mail P=local", bounced)] == [""]
    arrived = f'{ID} <= "two words"@example.org U=u P=local S=1'
    assert [entry.sender for entry in read(arrived, bounced)] == ['"two words"@example.org']


def test_sender_on_the_line() -> None:
    arrived = f"{ID} <= noted@example.org U=u"
    line = f"{ID} => a@example.com F=<{{}}> P=<path@example.org> R=r T=t {HOST}"
    assert read(arrived, line.format("own@example.org"))[0].sender == "own@example.org"
    assert read(arrived, line.format(""))[0].sender == ""
    without = f"{ID} => a@example.com P=<path@example.org> R=r T=t {HOST}"
    assert read(arrived, without)[0].sender == "noted@example.org"
    assert read_one(without).sender == "path@example.org"


def test_all_that_log_selector_adds() -> None:
    entry = read_one(
        f"[9] {ID} => a@example.com F=<f@example.org> P=<p@example.org> R=dns T=smtp S=812 "
        "H=mx.example.com DS [2001:db8::25]:2525* PRX=[192.0.2.9]:1080 I=[192.0.2.3]:40000 TFO** "
        "PS=EMRDQ "
        'X=TLS1.3:TLS_AES_256_GCM_SHA384:256* CV=dane DN="CN=mx "x" [192.0.2.66]" A=plain:me '
        'L* PRDR K C="250 2.6.0 <1@x> Queued" QT=1m2s DT=0.120s'
    )
    assert relay_of(entry) == ("mx.example.com", "2001:db8::25", 2525)
    assert (entry.sender, entry.delay) == ("f@example.org", 62)
    assert entry.reply == "250 2.6.0 <1@x> Queued"


@pytest.mark.parametrize(
    ("written", "relay"),
    [
        ("H=mx.example.com [192.0.2.25]", RELAY),
        ("H=mx.example.com [192.0.2.25]*", RELAY),
        ("H=mx.example.com [192.0.2.25]:26", ("mx.example.com", "192.0.2.25", 26)),
        ("H=mx.example.com [192.0.2.25]:26*", ("mx.example.com", "192.0.2.25", 26)),
        ("H=192.0.2.25 [192.0.2.25]", ("192.0.2.25", "192.0.2.25", None)),
        ("H=2001:db8::1 [2001:db8::1]:25", ("2001:db8::1", "2001:db8::1", 25)),
        ("H=[192.0.2.25]", (None, "192.0.2.25", None)),
        ("H= [192.0.2.25]:24", (None, "192.0.2.25", 24)),
        ("H=only.example.com", ("only.example.com", None, None)),
    ],
)
def test_relays(written: str, relay: tuple[str | None, str | None, int | None]) -> None:
    assert relay_of(read_one(f'{ID} => a@b.example R=r T=t {written} C="250 ok"')) == relay
    for separator in (":", " :"):
        line = f"{ID} ** a@b.example R=r T=t {written}{separator} {SAID}DATA: 550 no"
        assert relay_of(read_one(line)) == relay
        assert read_one(line).reply == "550 no"
    line = f"{ID} == a@b.example R=r T=t defer (-46) {written}: {SAID}DATA: 450 no"
    assert relay_of(read_one(line)) == relay
    assert read_one(line).reply == "450 no"


@pytest.mark.parametrize(
    ("written", "delay"),
    [
        ("0.027s", 0.027),
        ("5s", 5),
        ("0s", 0),
        ("1m2s", 62),
        ("1m", 60),
        ("3d4h", 3 * 86_400 + 4 * 3600),
        ("1w1d1h1m1s", 604_800 + 86_400 + 3600 + 60 + 1),
        ("soon", None),
        ("1s1m", None),
        ("", None),
    ],
)
def test_delay_is_the_time_in_the_queue(written: str, delay: float | None) -> None:
    for rest in (f'{HOST} C="250 ok QT=9s"', HOST, f"{HOST} L"):
        for tail in ("", " DT=3s"):
            assert read_one(f"{ID} => a@b.example R=r T=t {rest} QT={written}{tail}").delay == delay
    assert read_one(f'{ID} => a@b.example R=r T=t {HOST} C="250 ok QT=9s" DT=3s').delay is None


@pytest.mark.parametrize(
    ("written", "recipient"),
    [
        ("a@example.com", "a@example.com"),
        ("a@example.com <top@example.org>", "a@example.com"),
        ("a@example.com (one@x.example, two@x.example) <top@example.org>", "a@example.com"),
        ('"a b <c> R=x"@example.com', '"a b <c> R=x"@example.com'),
        ('"a\\"b : c"@example.com <top@example.org>', '"a\\"b : c"@example.com'),
        ("bob <bob@example.com>", "bob@example.com"),
        ("bob", "bob"),
        ("|/usr/bin/filter -a x@y -b <bob@example.com>", "bob@example.com"),
        ("/var/mail/my box/ <bob@example.com>", "bob@example.com"),
        ("save inbox/new <bob@example.com>", "bob@example.com"),
        (">reply@example.org <bob@example.com>", "bob@example.com"),
        ("|/bin/x (mid@example.com) <bob@example.com>", "bob@example.com"),
        (":blackhole: <bob@example.com>", "bob@example.com"),
        (
            'no route to it@example.com <"no route to it"@example.com>',
            '"no route to it"@example.com',
        ),
    ],
)
def test_recipients(written: str, recipient: str) -> None:
    """The first address is kept; a pipe, a file or a local part alone is none."""
    for line in (
        f'=> {written} R=r T=t {HOST} C="250 ok"',
        f"** {written} R=r T=t {HOST}: {SAID}DATA: 550 no",
        f"== {written} R=r T=t defer (-46) {HOST}: {SAID}DATA: 450 no",
    ):
        entry = read_one(f"{ID} {line}")
        assert (entry.event, entry.recipients) == (Event.DELIVERY, (recipient,))
        assert relay_of(entry) == RELAY
        assert entry.reply


def test_local_deliveries_name_the_transport() -> None:
    entry = read_one(f"{ID} => bob <bob@example.com> R=users T=mail_spool QT=1s")
    assert relay_of(entry) == ("mail_spool", None, None)
    assert (entry.status, entry.reply, entry.text, entry.delay) == ("sent", None, None, 1)
    entry = read_one(f"{ID} => :blackhole: <bob@example.com> R=aliases")
    assert entry.relay_host == ":blackhole:"
    entry = read_one(f'{ID} => bob <bob@example.com> R=u T=lda C="250 2.0.0 <bob> 1abc Saved"')
    assert (entry.relay_host, entry.reply) == ("lda", "250 2.0.0 <bob> 1abc Saved")
    full = f"{ID} == bob@example.com R=u T=spool defer (-22): mailbox is full (quota)"
    assert (read_one(full).relay_host, read_one(full).text) == (None, "mailbox is full (quota)")


def test_discarded_message() -> None:
    entry = read_one(f"{ID} => blackhole (DATA ACL discarded recipients): spam")
    assert (entry.event, entry.recipients, entry.relay_host) == (Event.DELIVERY, (), "blackhole")
    assert entry.text == "(DATA ACL discarded recipients): spam"
    entry = read_one(f"{ID} => blackhole <blackhole@example.com> R=u T=spool")
    assert (entry.recipients, entry.relay_host) == (("blackhole@example.com",), "spool")


@pytest.mark.parametrize(
    ("written", "reply"),
    [
        ("250", "250"),
        (r"250-2.0.0 one\\n250 2.0.0 two", "250-2.0.0 one\n250 2.0.0 two"),
        (r"250-\\n250", "250-\n250"),
        (r"250 \"in quotes\" C:\\Program", r'250 "in quotes" C:\Program'),
        (r"250 back\\slash \\new \\123", r"250 back\slash \new \123"),
        (r"250 gr\\303\\274n \\346\\227\\245", "250 grün 日"),
        (r"250 \\351\\350 latin", "250 \udce9\udce8 latin"),
        (r"250 bell\\007 del\\177", "250 bell\x07 del\x7f"),
        ("250 a\ttab", "250 a\ttab"),
        (r"250 ok\" QT=9d C=\"250 no", '250 ok" QT=9d C="250 no'),
        (
            r"250 H=evil [192.0.2.66] R=x T=y ** a@b: 550",
            "250 H=evil [192.0.2.66] R=x T=y ** a@b: 550",
        ),
    ],
)
def test_escapes_of_confirmation(written: str, reply: str) -> None:
    for tail in ("", " QT=0.027s DT=0.001s"):
        entry = read_one(f'{ID} => a@example.com R=r T=t {HOST} C="{written}"{tail}')
        assert (entry.reply, relay_of(entry)) == (reply, RELAY)
        assert entry.delay == (0.027 if tail else None)


def test_confirmation_that_is_cut_or_none() -> None:
    entry = read_one(f'{ID} => a@example.com R=r T=t {HOST} C="250-one\\\\n250 tw\\')
    assert entry.reply == "250-one\n250 tw"
    entry = read_one(f'{ID} => a@example.com R=r T=t {HOST} C="250-one\\\\n')
    assert entry.reply == "250-one"
    entry = read_one(f'{ID} *> a@example.com R=r T=t {HOST} C="delivery bypassed by -N option"')
    assert (entry.reply, entry.text) == (None, "delivery bypassed by -N option")


COMMANDS = [
    ("initial connection", "CONNECT"),
    ("EHLO client.example.org", "EHLO"),
    ("EHLO [IPv6:2001:db8::3]", "EHLO"),
    ("HELO client.example.org", "EHLO"),
    ("LHLO client.example.org", "EHLO"),
    ("STARTTLS", "STARTTLS"),
    ("AUTH PLAIN ****", "AUTH"),
    ("MAIL FROM:<>", "MAIL"),
    ("MAIL FROM:<f@example.org> SIZE=1234 BODY=8BITMIME", "MAIL"),
    ('MAIL FROM:<"a: 250 b>"@example.org> SIZE=9', "MAIL"),
    ("RCPT TO:<to@example.com>", "RCPT"),
    ("RCPT TO:<to@example.com> NOTIFY=FAILURE ORCPT=rfc822;to@example.com", "RCPT"),
    ('RCPT TO:<"x>: 250 ok"@example.com>', "RCPT"),
    ("DATA", "DATA"),
    ("BDAT 100 LAST", "BDAT"),
    ("sending data block", "EOD"),
    ("end of data", "EOD"),
]


@pytest.mark.parametrize("pipelined", ["", "pipelined "])
@pytest.mark.parametrize(("command", "stage"), COMMANDS)
def test_stages(command: str, stage: str, pipelined: str) -> None:
    reply = r"550-5.7.1 no: 250 ok\n550 5.7.1 see http://example.com"
    told = f"{SAID}{pipelined}{command}: {reply}"
    for line, event in (
        (f"** a@example.com R=r T=t {HOST}: {told}", Event.DELIVERY),
        (f"** a@example.com R=r T=t {HOST} : {told} DT=0.012s", Event.DELIVERY),
        (f"== a@example.com R=r T=t defer (-44) {HOST}: {told}", Event.DELIVERY),
        (
            f"== a@example.com R=r T=t defer (0) {HOST} I=[192.0.2.3]:4 DT=1s: {told}",
            Event.DELIVERY,
        ),
        (f"{HOST}: {told}", Event.ATTEMPT),
        (f"{HOST}:2525: {told}", Event.ATTEMPT),
        (f"{HOST} {told}", Event.ATTEMPT),
    ):
        entry = read_one(f"{ID} {line}")
        assert (entry.event, entry.stage, entry.relay_ip) == (event, stage, "192.0.2.25")
        assert entry.reply == "550-5.7.1 no: 250 ok\n550 5.7.1 see http://example.com"
        assert (entry.dsn, entry.text) == (None, None)


def test_lmtp_and_prdr_reply_after_the_dot() -> None:
    """transports/smtp.c answers for each recipient then; lmtp.c, which has no host, says so."""
    line = f"{ID} ** a@example.com R=r T=t {{}}LMTP error after DATA: 550 no"
    assert read_one(line.format(f"{HOST}: ")).stage == "EOD"
    assert read_one(line.format(": ")).stage == "DATA"
    assert (
        read_one(f"{ID} ** a@b.example R=r T=t {HOST}: PRDR error after DATA: 550 no").stage
        == "EOD"
    )
    assert (
        read_one(f"{ID} ** a@b.example R=r T=t: LMTP error after end of data: 550 no").stage
        == "EOD"
    )


def test_words_of_old_versions() -> None:
    """Up to 4.7, the host stands in the message."""
    entry = read_one(
        f"{ID} ** a@example.com R=r T=t: "
        "SMTP error from remote mailer after RCPT TO:<a@example.com>: "
        "host mx.example.com [192.0.2.25]: 550 5.1.1 unknown"
    )
    assert (entry.reply, entry.stage, relay_of(entry)) == ("550 5.1.1 unknown", "RCPT", RELAY)
    entry = read_one(
        f"{ID} == a@example.com R=r T=t defer (-44): {SAID}RCPT TO:<a@example.com>: "
        "host mx.example.com [192.0.2.25]: 450 later"
    )
    assert (entry.reply, entry.stage, relay_of(entry)) == ("450 later", "RCPT", RELAY)


def test_time_of_delivery_is_no_part_of_the_reply() -> None:
    line = f"{ID} ** a@example.com R=r T=t {HOST}: {SAID}DATA: 550 no"
    for time in ("0.000s", "5s", "1m2s", "3d4h"):
        assert read_one(f"{line} DT={time}").reply == "550 no"
    assert read_one(f"{line} DT=now").reply == "550 no DT=now"
    # Where the time stands in front of the message, what is behind is the server's.
    line = f"{ID} == a@example.com R=r T=t defer (-46) {HOST} DT=1s: {SAID}DATA: 450 no DT=2s"
    assert read_one(line).reply == "450 no DT=2s"
    entry = read_one(f"{ID} == a@example.com R=r T=t defer (111): Connection refused DT=0.000s")
    assert entry.text == "Connection refused"
    entry = read_one(f"{ID} ** a@example.com: Unrouteable address DT=0.000s")
    assert entry.text == "Unrouteable address"


@pytest.mark.parametrize(
    "reply",
    [
        '550 => x@example.org H=evil [192.0.2.66] C="250 ok"',
        f"550 {SAID}end of data: 250 ok",
        "550 rejected RCPT <x@example.org>: no",
        "550 host evil [192.0.2.66]: 250 ok",
        '550 "; , ) (in reply to RCPT TO) status=sent (250 ok)',
        r"550 C:\new \\server \b \t \9",
        "550 <a@b>: ** == defer (0): x",
        "550",
        "550 ",
        "550-",
    ],
)
def test_hostile_replies(reply: str) -> None:
    for line in (
        f"** a@example.com R=r T=t {HOST}: {SAID}RCPT TO:<a@example.com>: {reply}",
        f"== a@example.com R=r T=t defer (-44) {HOST}: {SAID}RCPT TO:<a@example.com>: {reply}",
        f"{HOST} {SAID}RCPT TO:<a@example.com>: {reply}",
    ):
        entry = read_one(f"{ID} {line}")
        assert (entry.reply, entry.stage, relay_of(entry)) == (reply, "RCPT", RELAY)
        assert entry.recipients == ("a@example.com",)


def test_reply_that_is_cut_within_a_line_end() -> None:
    line = f"{ID} ** a@example.com R=r T=t {HOST}: {SAID}DATA: 550-one"
    assert read_one(rf"{line}\n55").reply == "550-one\n55"
    assert read_one(rf"{line}\n").reply == "550-one"
    entry = read_one(f"{ID} ** a@example.com R=r T=t {HOST}: {SAID}RCPT TO:<a@exam")
    assert (entry.event, entry.reply, entry.status) == (Event.DELIVERY, None, "bounced")
    assert entry.text == f"{SAID}RCPT TO:<a@exam"


NO_REPLY = [
    ("Remote host closed connection in response to initial connection", "CONNECT"),
    ("Remote host closed connection in response to pipelined RCPT TO:<x@example.com>", "RCPT"),
    ("Remote host closed connection in response to HELO a (EHLO response was: 550 no)", "EHLO"),
    ("SMTP timeout after end of data (99 bytes written): Connection timed out", "EOD"),
    ("SMTP timeout after pipelined MAIL FROM:<f@example.org> SIZE=1", "MAIL"),
    ("LMTP connection closed after DATA", "DATA"),
    ("Malformed SMTP reply in response to initial connection: SSH-2.0-x", "CONNECT"),
    ("Malformed SMTP reply (an empty line) in response to DATA", "DATA"),
    ("a TLS session is required, but the server did not offer TLS support", None),
    ("TLS session: (SSL_connect): error:0A: no", None),
]


@pytest.mark.parametrize(("told", "stage"), NO_REPLY)
def test_without_a_reply(told: str, stage: str | None) -> None:
    for line, event in (
        (f"** a@example.com R=r T=t {HOST} : {told}", Event.DELIVERY),
        (f"== a@example.com R=r T=t defer (-18) {HOST}: {told}", Event.DELIVERY),
        (f"{HOST}: {told}", Event.CONNECTION),
    ):
        entry = read_one(f"{ID} {line}")
        assert (entry.event, entry.reply, entry.stage, entry.text) == (event, None, stage, told)
        assert relay_of(entry) == RELAY
        assert bool(entry.recipients) is (event is Event.DELIVERY)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("== a@b.example R=r T=t defer (111): Connection refused", "Connection refused"),
        ("== a@b.example routing defer (-52): retry time not reached", "retry time not reached"),
        ("== a@b.example defer (-23): domain is held", "domain is held"),
        ("== a@b.example R=r defer (-1)", None),
        ("** a@b.example: retry timeout exceeded", "retry timeout exceeded"),
        ("** a@b.example : Unrouteable address", "Unrouteable address"),
        ("** a@b.example R=r: no such user", "no such user"),
        ("** a@b.example F=<> R=r T=t : message is too big", "message is too big"),
        ("** a@b.example R=r T=t : Connection refused", "Connection refused"),
        ("** a@b.example", None),
        ("=> a@b.example", None),
        ("==  a@b.example", None),
    ],
)
def test_words_of_its_own(line: str, text: str | None) -> None:
    entry = read(f"{ID} {line}")[0]
    if line.startswith("==  "):
        assert (entry.event, entry.problem) == (Event.OTHER, "no recipient")
        return
    assert (entry.event, entry.reply, entry.text) == (Event.DELIVERY, None, text)
    assert entry.recipients == ("a@b.example",)
    assert relay_of(entry) == (None, None, None)


def test_error_of_the_system_with_a_message() -> None:
    for line in (
        f"== a@b.example R=r T=t defer (110): Connection timed out {HOST}: SMTP timeout after DATA",
        f"** a@b.example R=r T=t {HOST} : Connection timed out : SMTP timeout after DATA",
    ):
        entry = read_one(f"{ID} {line}")
        assert entry.text == "Connection timed out: SMTP timeout after DATA"
        assert (entry.stage, relay_of(entry)) == ("DATA", RELAY)
    line = f"{ID} == a@b.example R=r T=t defer (13): Permission denied: creating file x"
    assert read_one(line).text == "Permission denied: creating file x"


def test_attempts_tell_the_recipient_of_the_command() -> None:
    arrived = f"{ID} <= from@example.org U=u"
    line = f"{ID} {HOST} {SAID}RCPT TO:<to@example.com>: 451 4.7.1 later"
    assert read(arrived, line) == [
        Entry(
            Event.ATTEMPT,
            queue_id=ID,
            sender="from@example.org",
            recipients=("to@example.com",),
            relay_host="mx.example.com",
            relay_ip="192.0.2.25",
            reply="451 4.7.1 later",
            stage="RCPT",
        )
    ]
    assert read_one(f"{ID} {HOST}: {SAID}MAIL FROM:<f@example.org>: 451 no").recipients == ()


@pytest.mark.parametrize(
    "error",
    ["Connection refused", "Connection timed out", "No route to host", "Network is unreachable"],
)
def test_connections(error: str) -> None:
    entry = read_one(f"{ID} {HOST}:26 {error}")
    assert (entry.event, entry.text, entry.relay_port) == (Event.CONNECTION, error, 26)
    entry = read_one(f"{HOST} {error}")
    assert (entry.event, entry.queue_id, relay_of(entry)) == (Event.CONNECTION, None, RELAY)


def test_more_connections() -> None:
    entry = read_one(f"{ID} {HOST} TLS error on connection (recv): closed")
    assert (entry.event, entry.text) == (Event.CONNECTION, "TLS error on connection (recv): closed")
    entry = read_one(f"{ID} no IP address found for host gone.example.net")
    assert (entry.event, entry.relay_host) == (Event.CONNECTION, "gone.example.net")


CLIENT = "(h) [192.0.2.7]"
CLIENTS = [
    ("H=(helo.example) [192.0.2.7]", (None, "192.0.2.7", None)),
    ("H=c.example.net [192.0.2.7]", ("c.example.net", "192.0.2.7", None)),
    ("H=c.example.net (helo.example) [192.0.2.7]:4321", ("c.example.net", "192.0.2.7", 4321)),
    ("H=([192.0.2.66]) [2001:db8::7]:4321", (None, "2001:db8::7", 4321)),
    ("H=(two words) x) [192.0.2.7]", (None, "192.0.2.7", None)),
    ("H=[192.0.2.7] I=[192.0.2.1]:25", (None, "192.0.2.7", None)),
    ("H=(h) [192.0.2.7] Ci=abc", (None, "192.0.2.7", None)),
    ("H=(h) [192.0.2.7] U=two words", (None, "192.0.2.7", None)),
    ('H=(h) [192.0.2.7] X=TLS1.3:A:256 CV=no DN="CN=a b" SNI=mx', (None, "192.0.2.7", None)),
    ("U=someone", (None, None, None)),
]


@pytest.mark.parametrize(("client", "relay"), CLIENTS)
@pytest.mark.parametrize("status", ["rejected", "temporarily rejected"])
def test_rejects(
    client: str, relay: tuple[str | None, str | None, int | None], status: str
) -> None:
    line = f"{client} F=<f@example.org> {status} RCPT <to@example.com>: relay not permitted"
    assert Exim.knows("", line)
    assert read_one(f"[12] {line}") == Entry(
        Event.REJECT,
        sender="f@example.org",
        recipients=("to@example.com",),
        relay_host=relay[0],
        relay_ip=relay[1],
        relay_port=relay[2],
        status=status,
        stage="RCPT",
        text="relay not permitted",
    )


@pytest.mark.parametrize(
    ("what", "stage", "sender", "recipients", "text"),
    [
        ("F=<> rejected RCPT <to@example.com>", "RCPT", "", ("to@example.com",), None),
        ("F=<> rejected RCPT to@example.com: no", "RCPT", "", ("to@example.com",), "no"),
        ("F=<> rejected RCPT <" + "x" * 99 + ": no", "RCPT", "", (), "no"),
        ('F=<> rejected RCPT <"a: b>"@c.example>: no', "RCPT", "", ('"a: b>"@c.example',), "no"),
        (
            "F=<f@x.example> A=plain:me SPF=fail rejected RCPT <a@b>: no: 1",
            *("RCPT", "f@x.example"),
            ("a@b",),
            "no: 1",
        ),
        ("rejected MAIL <f@x.example>: no", "MAIL", "f@x.example", (), "no"),
        ("rejected MAIL <>: no", "MAIL", "", (), "no"),
        ("F=<f@x.example> rejected after DATA: virus", "EOD", "f@x.example", (), "virus"),
        ("F=<f@x.example> rejected after DATA PRDR: no", "EOD", "f@x.example", (), "no"),
        ("F=<f@x.example> rejected during MIME ACL checks: no", "EOD", "f@x.example", (), "no"),
        ("rejected DATA: no", "DATA", None, (), "no"),
        ("rejected EHLO or HELO helo.example: bad", "EHLO", None, (), "bad"),
        ("rejected AUTH LOGIN: no", "AUTH", None, (), "no"),
        ("rejected STARTTLS ", "STARTTLS", None, (), None),
        ("rejected AUTH PLAIN", "AUTH", None, (), None),
        ("rejected VRFY <a@b>: no", "VRFY", None, (), "no"),
        ('rejected connection in "connect" ACL: no', "CONNECT", None, (), "no"),
        ("rejected FOO bar: no", None, None, (), "no"),
        ("rejected DKIM : no", "EOD", None, (), "no"),
    ],
)
def test_what_is_rejected(
    what: str,
    stage: str | None,
    sender: str | None,
    recipients: tuple[str, ...],
    text: str | None,
) -> None:
    entry = read_one(f"{ID} H=(h) [192.0.2.7] {what}")
    assert (entry.event, entry.status, entry.queue_id) == (Event.REJECT, "rejected", ID)
    assert (entry.stage, entry.sender, entry.recipients) == (stage, sender, recipients)
    assert (entry.reply, entry.text, entry.relay_ip) == (None, text, "192.0.2.7")


def test_reject_with_a_code_of_ours() -> None:
    line = "H=(h) [192.0.2.7] F=<f@x.example> {}rejected RCPT <a@b.example>: {} own words"
    entry = read_one(line.format("", "554 5.7.1"))
    assert (entry.reply, entry.text) == ("554 5.7.1 own words", None)
    entry = read_one(line.format("temporarily ", "450"))
    assert entry.reply == "450 own words"
    # Exim does not use a code of the wrong class.
    entry = read_one(line.format("", "450"))
    assert (entry.reply, entry.text) == (None, "450 own words")
    assert read_one(line.format("", "5xx")).reply is None


def test_reject_with_the_reply_of_a_callout() -> None:
    callout = f"192.0.2.25 [192.0.2.25] : {SAID}RCPT TO:<a@b.example>: 550 5.1.1 unknown"
    line = f"H=(h) [192.0.2.7] F=<f@x.example> rejected RCPT <a@b.example>: {callout}"
    entry = read_one(line)
    assert (entry.event, entry.reply, entry.text) == (Event.REJECT, None, callout)
    assert entry.relay_ip == "192.0.2.7"


@pytest.mark.parametrize(
    ("line", "stage", "sender"),
    [
        (f"rejected EHLO from {CLIENT}: syntactically invalid argument(s): #", "EHLO", None),
        ("rejected MAIL from c.example [192.0.2.7]: no HELO/EHLO given", "MAIL", None),
        (f'temporarily rejected "EHLO h" from {CLIENT}', "EHLO", None),
        (f"rejected MAIL command H={CLIENT}: too many messages", "MAIL", None),
        (f"rejected MAIL FROM:<f@x.example> H={CLIENT}: too big", "MAIL", "f@x.example"),
        (f"{ID} rejected from <f@x.example> H={CLIENT}: too big", "EOD", "f@x.example"),
        (
            f"{ID} F=f@x.example H={CLIENT} P=smtp rejected by local_scan(): no",
            "EOD",
            "f@x.example",
        ),
        (f"{ID} F=<f@x.example> H={CLIENT} rejected by non-SMTP ACL: no", None, "f@x.example"),
        (
            f"too many recipients: message rejected: sender=<f@x.example> H={CLIENT}",
            "RCPT",
            "f@x.example",
        ),
        (f"unqualified sender rejected: <bob> H={CLIENT}", "MAIL", "bob"),
        (
            f'SMTP protocol synchronization error (x): rejected "data" H={CLIENT} next input="a"',
            "DATA",
            None,
        ),
        (f"refused connection from H={CLIENT} (host_reject_connection)", "CONNECT", None),
        ("Connection from [192.0.2.7] refused: too many connections", "CONNECT", None),
    ],
)
def test_rejects_of_other_shapes(line: str, stage: str | None, sender: str | None) -> None:
    assert Exim.knows("", line)
    entry = read_one(line)
    assert entry.event is Event.REJECT
    assert (entry.stage, entry.sender, entry.relay_ip) == (stage, sender, "192.0.2.7")
    assert entry.text or entry.stage == "EHLO"


@pytest.mark.parametrize(
    "line",
    [
        f"{ID} Completed",
        f"{ID} Frozen (delivery error message)",
        f"{ID} Spool file for {ID} is locked (another process is handling this message)",
        f"{ID} H=(h) [192.0.2.7] Warning: it was rejected RCPT <a@b>: once",
        "H=(h) [192.0.2.7] F=<a@b> RCPT <c@d>: discarded by RCPT ACL: rejected RCPT <c@d>",
        "H=(h) [192.0.2.7] sender verify fail for <a@b>: Unrouteable address",
        "H=(h) [192.0.2.7] incomplete transaction (QUIT) from <a@b> for c@d",
        "no host name found for IP address 192.0.2.7",
        "SMTP connection from (h) [192.0.2.7] lost while reading message data",
        "Start queue run: pid=77",
        "exim 4.98 daemon started: pid=1, -q30m, listening for SMTP on port 25",
    ],
)
def test_lines_of_no_interest(line: str) -> None:
    assert Exim.knows("", line)
    assert read(line) == []


def test_lines_that_are_not_understood() -> None:
    line = f"{ID} ** mua_wrapper is set but recipients cannot all be delivered in one transaction"
    assert read_one(line) == Entry(
        Event.OTHER, queue_id=ID, status="bounced", text=line, problem="no recipient"
    )
    for flag in ("==", "=>", "**"):
        assert read_one(f"{ID} {flag}").problem == "no recipient"
        assert read(f"{flag} a@example.com R=r T=t") == []  # no message: no line of Exim's own


def test_pieces_of_syslog() -> None:
    first = f"[1/2] {ID} ** a@example.com R=r T=t {HOST}: {SAID}DATA: 550-one"
    entry = read_one(first, "exim")
    assert (entry.event, entry.reply) == (Event.DELIVERY, "550-one")
    second = r"[2/2]  and\n550 the end"
    entry = read_one(second, "exim")
    assert (entry.event, entry.text) == (Event.OTHER, second)
    assert entry.problem
    reject = rf"[1\5] {DATE} {ID} H=(h) [192.0.2.7] F=<a@b.example> rejected after DATA: no"
    assert read_one(reject, "exim").event is Event.REJECT
    headers = (r"[2\5] Envelope-from: <a@b>", r"[3\5] P Received: from x", "[5/5]   Subject: x")
    assert read(*headers, tag="exim") == []
    assert read("[1/2] x", tag="exim") == []


@pytest.mark.parametrize(
    ("tag", "line"),
    [
        ("postfix/smtp", f'{ID} => a@example.com R=r T=t {HOST} C="250 ok"'),
        ("dovecot", f"{ID} Completed"),
        ("", "1774321890B: to=<a@example.com>, relay=none, status=bounced (x)"),
        ("", "imap-login: Login: user=<a@example.com>"),
        ("", "Accepted publickey for root from 192.0.2.7 port 22"),
        ("", "delivery 9: success: 192.0.2.25_accepted_message./"),
        ("", f"{ID}"),
        ("", f"{ID} hello"),
        ("", f"x{ID} => a@example.com"),
        ("", "1tAbCd-0001Ab-0 => a@example.com"),
        ("", "=> a@example.com R=r T=t"),
        ("", "Completed"),
        ("", "H=x y z"),
        ("", "   Subject: x"),
        ("", ""),
    ],
)
def test_lines_of_others(tag: str, line: str) -> None:
    assert not Exim.knows(tag, line)


def test_tags() -> None:
    assert Exim.knows("exim", "whatever it says")
    assert Exim.knows("exim4", "")
    assert not Exim.knows("eximstats", "")


SAMPLES = [
    f"{DATE}.123 +0200 [77] {ID} <= f@example.org H=(h) [192.0.2.7]:25 P=esmtp S=1",
    f'{ID} => "a b"@example.com <c@d> F=<f@x> P=<> R=r T=t {HOST}:25* L '
    'C="250-a\\\\n250 \\"b\\\\303" QT=1m DT=2s',
    f"{ID} ** a@example.com R=r T=t {HOST} : x : {SAID}RCPT TO:<a@example.com>: "
    r"550-a\n550 \303\274 DT=1s",
    f"{ID} == |/bin/x y <c@d> R=r T=t defer (110): Timed out {HOST} I=[::1]:2 DT=1s: "
    "SMTP timeout after DATA",
    f"{ID} {HOST}: {SAID}pipelined MAIL FROM:<f@x.example> SIZE=1: 451 x",
    'H=a (b) [192.0.2.7]:25 I=[::1]:25 U=u X=a:b DN="c d" F=<e@f> A=g '
    "temporarily rejected RCPT <h@i>: 451 j",
    "too many recipients: excess temporarily rejected: sender=<a@b> H=(c) [::1]",
    'SMTP protocol synchronization error (x): rejected "mail from:<a@b>" H=[::1] next input="x"',
    "rejected EHLO from (h) [192.0.2.7]: x",
    r"[2\3] Envelope-to: <a@b>",
]


def test_cut_anywhere_never_raises() -> None:
    exim = Exim()
    for line in SAMPLES:
        for end in range(len(line)):
            for part in (line[:end], line[end:]):
                for tag in ("", "exim"):
                    Exim.knows(tag, part)
                    exim.read(tag, part)


def test_mutations_never_raise() -> None:
    chance = random.Random(5)
    alphabet = '<>"\\[](){}:,=.@ 0aH*-\x00\n\r\t\udcff\ud800é'
    exim = Exim()
    for line in SAMPLES * 200:
        letters = list(line)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(letters))
            letters[at : at + chance.randint(0, 3)] = chance.choices(
                alphabet, k=chance.randint(0, 3)
            )
        text = "".join(letters)
        Exim.knows("", text)
        for entry in exim.read("exim", text):
            assert (entry.event is Event.OTHER) == bool(entry.problem)
    for _ in range(2000):
        exim.read("", f"{ID} " + "".join(chance.choices(alphabet, k=chance.randint(0, 40))))


STARTS = [
    "",
    "[1/2] ",
    "[2/2] ",
    f"{ID} <= ",
    f"{ID} => ",
    f"{ID} => |",
    f'{ID} => "',
    f"{ID} => a b",
    f"{ID} => a@b.example R=r T=t {HOST}",
    f'{ID} => a@b.example R=r T=t {HOST} C="250 ',
    f"{ID} ** a@b.example",
    f"{ID} ** a@b.example R=r T=t {HOST}: {SAID}RCPT TO:<",
    f"{ID} ** a@b.example R=r T=t {HOST}: {SAID}DATA: 550 ",
    f"{ID} == a@b.example defer (111): ",
    f"{ID} == a@b.example defer (0) H=",
    f"{ID} {HOST} ",
    f"{ID} {HOST}: {SAID}EHLO",
    "H=(",
    "H=[192.0.2.7] U=",
    "H=[192.0.2.7] F=<",
    "H=[192.0.2.7] rejected RCPT <",
    "H=[192.0.2.7] rejected ",
    "U=a b ",
    "Connection from a ",
    "SMTP protocol synchronization error (",
    "rejected EHLO ",
    "too many recipients: message rejected: sender=",
]
FILLINGS = [
    *("a", ": ", ' <"', ' <\\"', "\\\\", " (", ") [", ' A="', ' A=<\\"', " L", " rejected RCPT x"),
    *("\\n550 ", "\\303", ' C="', " DT=1s", "a@b <c@d> "),
]


def assert_linear(line: str) -> None:
    """Where one took the square of its length, this would take hours."""

    def knows_and_reads() -> None:
        Exim.knows("", line)
        Exim().read("exim", line)

    assert work(knows_and_reads) < 10 * len(line)


@pytest.mark.parametrize("start", STARTS)
def test_hostile_lines_are_linear(start: str) -> None:
    for filling in FILLINGS:
        assert_linear(start + filling * (250_000 // len(filling)))


@pytest.mark.parametrize("filling", FILLINGS)
def test_hostile_line_of_a_megabyte(filling: str) -> None:
    assert_linear(f"{ID} == a@b.example R=r T=t{filling * (1_000_000 // len(filling))}")


STAGES = {"rcpt": "RCPT", "mail": "MAIL", "data": "DATA", "dot": "EOD"}
# What differs from the corpus, and why.
NOT_ENHANCED = {"xcolon@dest.test"}  # "5.7.1:" is no enhanced code to the grammar of RFC 3463
NOT_THE_WHOLE_REPLY = {
    "xbare550s@dest.test": "the space at the end of the line was cut off",
    "xlatin1@dest.test": "the truth is read as Latin-1, we read UTF-8",
    "xlong3000@dest.test": "Exim cuts long replies",
    "xmulti40@dest.test": "Exim cuts long replies",
    "okgmail@dest.test": "another recipient of the same message, and one reply to both",
}


def test_corpus(corpus: Callable[[str], Path]) -> None:
    rows = [
        json.loads(line)
        for line in corpus("logs/expected-exim.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    right: Counter[str] = Counter()
    for row in rows:
        entry = read_one(row["line"])
        truth = row["truth"]
        lines = (entry.reply or "").split("\n")
        last = classify(lines[-1])
        port = f":{entry.relay_port}" if entry.relay_port else ""
        right["event"] += entry.event is Event.DELIVERY
        right["code"] += last.code == truth["code"]
        enhanced = str(last.enhanced) if last.enhanced else None
        right["enhanced"] += enhanced == truth["enhanced"] or row["to"] in NOT_ENHANCED
        right["status"] += entry.status == row["status"]
        right["recipient"] += entry.recipients == (row["to"],)
        right["relay"] += f"{entry.relay_host} [{entry.relay_ip}]{port}" == row["relay"]
        right["queue_id"] += entry.queue_id == row["queue_id"]
        right["stage"] += entry.stage == STAGES[truth["stage"]]
        right["reply"] += lines == truth["reply_lines"] or row["to"] in NOT_THE_WHOLE_REPLY
    assert len(rows) > 300
    assert dict(right) == dict.fromkeys(right, len(rows))


def entries_of(path: Path) -> Iterator[tuple[str, list[Entry]]]:
    exim, calendar = Exim(), Calendar(None)
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
        for line in lines:
            envelope = open_envelope(line.rstrip("\n"), calendar)
            entries = exim.read(envelope.tag, envelope.text)
            assert not entries or exim.knows(envelope.tag, envelope.text)
            yield envelope.text, entries


@pytest.mark.parametrize("name", ["default", "logall-tz", "rejectlog"])
def test_logs_of_the_corpus(name: str, corpus: Callable[[str], Path]) -> None:
    """What looks like a delivery, an attempt or a reject gives an entry that is understood."""
    found: Counter[Event] = Counter()
    for text, entries in entries_of(corpus(f"logs/exim-4.96-{name}.log")):
        flag = text.removeprefix("[").partition("] ")[2] if text.startswith("[") else text
        words = flag.split(" ", 2)
        if len(words) > 1 and words[1] in ("=>", "->", ">>", "*>", "==", "**"):
            [entry] = entries
            assert entry.event is Event.DELIVERY
            assert entry.sender is not None
            assert bool(entry.reply) == (SAID in text or " error after " in text or ' C="' in text)
        elif SAID in text or "rejected" in text or "Connection refused" in text:
            assert len(entries) == 1
        for entry in entries:
            assert entry.event is not Event.OTHER
            found[entry.event] += 1
    assert found[Event.REJECT] == 8
    if name != "rejectlog":
        assert found[Event.DELIVERY] > 250
        assert found[Event.ATTEMPT] == 12
        assert found[Event.CONNECTION] == 5


def test_no_line_of_others_is_taken(corpus: Callable[[str], Path]) -> None:
    paths = [path for path in corpus("logs").glob("*.log") if not path.name.startswith("exim")]
    assert paths
    for path in paths:
        for text, _ in entries_of(path):
            assert not Exim.knows("", text)
