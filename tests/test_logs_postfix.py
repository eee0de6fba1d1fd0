"""What Postfix logs: every shape with each of its traps, hostile lines, and a real Postfix's logs.

The corpus knows what the servers said in truth (the expected-*.jsonl); the rest is our own.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpfast import classify
from smtpfast.logs import Entry, Event
from smtpfast.logs.postfix import Postfix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUEUE_ID = "7C0FFEE1D2"
LONG_QUEUE_ID = "4kZ9Qb3wTnz1GhR"
RELAY = "mx1.example.com[192.0.2.25]:25"
PEER = "mx1.example.com[192.0.2.25]"


def entry(text: str, tag: str = "postfix/smtp") -> Entry:
    """The one entry of a line, which Postfix knows for its own."""
    reader = Postfix()
    assert reader.knows(tag, text)
    (only,) = reader.read(tag, text)
    return only


def delivery(
    reason: str, status: str = "bounced", *, relay: str = RELAY, dsn: str = "5.0.0"
) -> str:
    return (
        f"{QUEUE_ID}: to=<jo@example.com>, relay={relay}, delay=1.5, delays=0.1/0/0.4/1, "
        f"dsn={dsn}, status={status} ({reason})"
    )


def said(reply: str, command: str = "RCPT TO command", status: str = "bounced") -> str:
    return delivery(f"host {PEER} said: {reply} (in reply to {command})", status)


# --- Whose line it is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "tag",
    [
        *("postfix", "postfix/smtp", "postfix/relay/smtp", "postfix/submission/smtpd"),
        *("postfix-mx2/smtp", "postfix-192.0.2.7/qmgr", "postfix-out", "postfix/proxymap"),
    ],
)
def test_knows_its_tags(tag: str) -> None:
    assert Postfix.knows(tag, "connect from unknown[192.0.2.1]")


@pytest.mark.parametrize(
    "tag",
    [
        *("", "dovecot", "sshd", "amavis", "sendmail", "exim", "smtpd", "opendkim", "postgrey"),
        *("postfixadmin", "postfix-policyd-spf-perl", "mypostfix/x", "postfix_exporter"),
    ],
)
def test_does_not_know_the_tags_of_others(tag: str) -> None:
    assert not Postfix.knows(tag, delivery("250 ok", "sent"))


def test_knows_programs_under_another_name_by_their_queue_ids() -> None:
    assert Postfix.knows("mailout/smtp", delivery("250 ok", "sent"))
    assert Postfix.knows("mailout/submission/smtpd", "NOQUEUE: reject: RCPT from x[192.0.2.1]: 5")
    assert not Postfix.knows("mailout/imap", delivery("250 ok", "sent"))
    assert not Postfix.knows("dovecot/lmtp", "lmtp(jo)<42>: saved mail to INBOX")
    assert not Postfix.knows("mailout/smtp", "warning: no such thing")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "connect from unknown[192.0.2.1]",
        "disconnect from unknown[192.0.2.1] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4",
        "lost connection after AUTH from unknown[192.0.2.1]",
        f"{QUEUE_ID}: client=mail.example.org[192.0.2.4], sasl_method=PLAIN, sasl_username=jo",
        f"{QUEUE_ID}: message-id=<host x said: 550 (status=sent (250@example.org>",
        f"{QUEUE_ID}: from=<jo@example.org>, size=1234, nrcpt=1 (queue active)",
        f"{QUEUE_ID}: removed",
        f"{QUEUE_ID}: sender non-delivery notification: 8D0FFEE1D2",
        f"{QUEUE_ID}: enabling PIX workarounds: disable_esmtp for {RELAY}",
        f"warning: {QUEUE_ID}: non-ESMTP response from {RELAY}: 550no space",
        f"warning: {RELAY}: response longer than 2048: 550 5.7.1 long...",
        "warning: connect to transport private/smtp-amavis: Connection refused",
        "warning: hostname h.example.net does not resolve to address 192.0.2.1: host x said: 5",
        "proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as AB12; from=<a@example.org> "
        "to=<b@example.com> proto=ESMTP helo=<c.example.org>",
        "statistics: max connection rate 1/60s for (smtp:192.0.2.1) at Jan  1 00:00:00",
        "proxymap: table hash:/etc/postfix/x(0,lock|fold_fix) has changed -- restarting",
        f"{QUEUE_ID}: host mx1.example.com is not what it seems",
        f"Untrusted TLS connection established to {RELAY}: TLSv1.3",
    ],
)
def test_tells_nothing_of_interest(text: str) -> None:
    assert Postfix().read("postfix/smtpd", text) == []


# --- Deliveries -----------------------------------------------------------------------------


def test_delivery_with_all_its_fields() -> None:
    assert entry(said("550 5.1.1 <jo@example.com>: User unknown")) == Entry(
        event=Event.DELIVERY,
        queue_id=QUEUE_ID,
        recipients=("jo@example.com",),
        relay_host="mx1.example.com",
        relay_ip="192.0.2.25",
        relay_port=25,
        delay=1.5,
        status="bounced",
        reply="550 5.1.1 <jo@example.com>: User unknown",
        stage="RCPT",
        dsn="5.0.0",
    )


def test_the_tag_of_rfc_5424_is_enough() -> None:
    assert entry(said("550 no"), tag="postfix") == entry(said("550 no"), tag="postfix-mx2/smtp")


def test_sent() -> None:
    found = entry(delivery("250 2.0.0 Ok: queued as 9A8B7C", "sent", dsn="2.0.0"))
    assert (found.event, found.status, found.stage) == (Event.DELIVERY, "sent", "EOD")
    assert (found.reply, found.text) == ("250 2.0.0 Ok: queued as 9A8B7C", None)


@pytest.mark.parametrize(
    "reply",
    [
        "250",
        "250 Ok (queued as 1), status=bounced (host x said: 550 no)",
        "250 2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 5E6F",
        "250 see 250-2 and 250 3",
        "250 a?250 b",
    ],
)
def test_sent_keeps_the_whole_reply(reply: str) -> None:
    assert entry(delivery(reply, "sent")).reply == reply


@pytest.mark.parametrize(
    ("relay", "text"),
    [
        ("local", "delivered to maildir"),
        ("virtual", "delivered to maildir"),
        ("local", "forwarded as 4E5F6A"),
        ("dovecot", "delivered via dovecot service (250 ok)"),
        ("local", "250 is no reply of anyone"),
    ],
)
def test_sent_without_a_server(relay: str, text: str) -> None:
    found = entry(delivery(text, "sent", relay=relay), tag="postfix/local")
    assert (found.relay_host, found.relay_ip, found.relay_port) == (relay, None, None)
    assert (found.reply, found.text, found.stage) == (None, text, None)


def test_discard_has_no_relay() -> None:
    found = entry(delivery("250 silently", "sent", relay="none"), tag="postfix/discard")
    assert (found.relay_host, found.reply, found.text) == (None, None, "250 silently")


@pytest.mark.parametrize(
    ("relay", "parts"),
    [
        ("mx.example.com[192.0.2.25]:2525", ("mx.example.com", "192.0.2.25", 2525)),
        ("mx.example.com[2001:db8::25]:25", ("mx.example.com", "2001:db8::25", 25)),
        ("mx.example.com[IPv6:2001:db8::25]:25", ("mx.example.com", "2001:db8::25", 25)),
        ("192.0.2.25[192.0.2.25]:25", ("192.0.2.25", "192.0.2.25", 25)),
        (
            "mail.example.com[private/dovecot-lmtp]",
            ("mail.example.com", "private/dovecot-lmtp", None),
        ),
        ("mail.example.com[/run/lmtp.sock]", ("mail.example.com", "/run/lmtp.sock", None)),
        ("unknown[192.0.2.25]:25", (None, "192.0.2.25", 25)),
        ("none", (None, None, None)),
        ("maildrop", ("maildrop", None, None)),
        ("odd]name", ("odd]name", None, None)),
    ],
)
def test_relay(relay: str, parts: tuple[str | None, str | None, int | None]) -> None:
    found = entry(delivery("x", "deferred", relay=relay))
    assert (found.relay_host, found.relay_ip, found.relay_port) == parts


def test_lmtp_socket_says_a_reply() -> None:
    reason = "host mail.example.com[private/lmtp] said: 552 5.2.2 <jo> Quota exceeded (in reply to "
    found = entry(
        delivery(f"{reason}end of DATA command)", relay="mail.example.com[private/lmtp]"),
        tag="postfix/lmtp",
    )
    assert (found.reply, found.stage) == ("552 5.2.2 <jo> Quota exceeded", "EOD")


@pytest.mark.parametrize(
    "queue_id", [QUEUE_ID, LONG_QUEUE_ID, "A1B2C3", "4kZ9Qb3wTnz1Gh", "3ABCDEF0123456789"]
)
def test_queue_ids(queue_id: str) -> None:
    assert entry(said("550 no").replace(QUEUE_ID, queue_id)).queue_id == queue_id


@pytest.mark.parametrize(
    "between",
    [
        ", conn_use=7, delay=0.2, delays=0/0/0.1/0.1, dsn=5.1.1",
        ", delay=0.2, delays=0/0/0.1/0.1, tls=dane:encrypt/!requiretls?, dsn=5.1.1",
        ", delay=3, dsn=5.1.1",
        ", delay=0.2, delays=0.1/0/0/0.1, some_new_key=of 2031, dsn=5.1.1",
    ],
)
def test_keys_before_the_status(between: str) -> None:
    found = entry(f"{QUEUE_ID}: to=<jo@example.com>, relay={RELAY}{between}, status=bounced (no)")
    assert (found.dsn, found.status, found.text) == ("5.1.1", "bounced", "no")


def test_keys_of_postfix_before_2_3() -> None:
    text = f"{QUEUE_ID}: to=<jo@example.com>, relay={PEER}, delay=12, status=sent (250 ok 1 qp 2)"
    found = entry(text)
    assert (found.delay, found.dsn, found.reply) == (12.0, None, "250 ok 1 qp 2")


@pytest.mark.parametrize(
    ("to", "recipient"),
    [
        ("<jo@example.com>, orig_to=<postmaster>", "jo@example.com"),
        ("<root>", "root"),
        ("<>", ""),
        (
            '<"a>, relay=none, status=sent (250 "@example.com>',
            '"a>, relay=none, status=sent (250 "@example.com',
        ),
        (
            '<"a\\">, relay=x"@example.com>, orig_to=<"b>, relay=y"@example.com>',
            '"a\\">, relay=x"@example.com',
        ),
        ('<a"b@example.com>', 'a"b@example.com'),
        ('<"a@example.com>', '"a@example.com'),
        ("<a>b@example.com>", "a>b@example.com"),
    ],
)
def test_recipient(to: str, recipient: str) -> None:
    found = entry(f'{QUEUE_ID}: to={to}, relay={RELAY}, dsn=5.1.1, status=bounced (a "no")')
    assert found.recipients == (recipient,)
    assert (found.relay_ip, found.status, found.text) == ("192.0.2.25", "bounced", 'a "no"')


def test_soft_bounce() -> None:
    found = entry(said("550 5.1.1 no such user", status="SOFTBOUNCE"))
    assert (found.event, found.status) == (Event.DELIVERY, "SOFTBOUNCE")
    assert found.reply == "550 5.1.1 no such user"


@pytest.mark.parametrize(
    ("status", "reason", "reply", "stage"),
    [
        ("deliverable", "250 2.1.5 Ok", "250 2.1.5 Ok", "RCPT"),
        ("deliverable", "354 End with <CR><LF>.<CR><LF>", "354 End with <CR><LF>.<CR><LF>", "DATA"),
        ("deliverable", f"delivery via {RELAY}: 250 2.1.5 Ok", "250 2.1.5 Ok", "RCPT"),
        ("deliverable", "delivers to mailbox", None, None),
        ("undeliverable", f"host {PEER} said: 550 (in reply to RCPT TO command)", "550", "RCPT"),
        ("undeliverable", f"delivery via {PEER}: host {PEER} said: 550 a (in reply to MAIL FROM "
         "command)", "550 a", "MAIL"),
        ("undeliverable-but-not-cached", 'unknown user: "jo"', None, None),
    ],
)  # fmt: skip
def test_probes_are_no_mail(status: str, reason: str, reply: str | None, stage: str | None) -> None:
    found = entry(delivery(reason, status))
    assert (found.event, found.status) == (Event.ATTEMPT, status)
    assert (found.reply, found.stage) == (reply, stage)
    assert found.text == (reason if reply is None else None)


# --- What the server said -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        ("MAIL FROM command", "MAIL"),
        ("RCPT TO command", "RCPT"),
        ("DATA command", "DATA"),
        ("end of DATA command", "EOD"),
        ("XFORWARD name/address command", "XFORWARD"),
        ("final RSET command", "RSET"),
        ("RSET probe", "RSET"),
        ("QUIT command", "QUIT"),
    ],
)
def test_stage_of_a_reply(command: str, stage: str) -> None:
    assert entry(said("554 5.7.1 no", command)).stage == stage


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.7.1 host evil.example.net[192.0.2.66] said: 250 2.0.0 ok (in reply to DATA command)",
        "550 5.1.1 <jo@example.com>, status=sent (250 2.0.0 fake)",
        "550 5.7.1 no (in reply to end of DATA command))",
        "550 5.7.1 (in reply to nothing",
        '550 "5.7.1"; a, b (c) d) refused to talk to me: 554',
        "550",
        "550 ",
        "550no space 554 5.5.1 No valid recipients",
        "5501 four digits 554 5.5.1 No valid recipients",
        "550 5.1.1 пользователь не найден",
        "550 5.1.1 stray \udce9 octet",
    ],
)
def test_hostile_replies_are_kept_whole(reply: str) -> None:
    found = entry(said(reply))
    assert (found.reply, found.stage, found.text) == (reply, "RCPT", None)
    assert (found.status, found.relay_ip) == ("bounced", "192.0.2.25")


@pytest.mark.parametrize(
    ("folded", "lines"),
    [
        ("250-2.0.0 a 250 2.0.0 b", ["250-2.0.0 a", "250 2.0.0 b"]),
        ("550-5.1.1 a 550-5.1.1 b 550 5.1.1 c", ["550-5.1.1 a", "550-5.1.1 b", "550 5.1.1 c"]),
        ("550-a 550", ["550-a", "550"]),
        ("550- 550 ", ["550-", "550 "]),
        ("550-a  550 b", ["550-a ", "550 b"]),
        ("550-a 551-b 550 c", ["550-a 551-b", "550 c"]),
        ("550-call 555-0123 550 c 550 d", ["550-call 555-0123", "550 c 550 d"]),
        ("450-4.2.1 differs 550 5.1.1 wins", ["450-4.2.1 differs", "550 5.1.1 wins"]),
        ("450-a 450-b 550 c", ["450-a", "450-b", "550 c"]),
        ("550-a 550-b", ["550-a", "550-b"]),
        ("550-a about 100 b", ["550-a about 100 b"]),
        ("550 a 550-b 550 c", ["550 a 550-b 550 c"]),
        ("550 5.1.1 a 550 b", ["550 5.1.1 a 550 b"]),
        ("550-a 5500 b 550 c", ["550-a 5500 b", "550 c"]),
        ("550-x550 a 550 c", ["550-x550 a", "550 c"]),
    ],
)
def test_folded_replies(folded: str, lines: list[str]) -> None:
    assert entry(said(folded)).reply == "\n".join(lines)
    assert entry(delivery(folded, "sent")).reply == "\n".join(lines)


def test_protocol_error() -> None:
    reason = f"Protocol error: host {PEER} said: 220 what? (in reply to DATA command)"
    found = entry(delivery(reason))
    assert (found.reply, found.stage) == ("220 what?", "DATA")


def test_refused_greeting() -> None:
    reply = "554 5.7.1 Blocked (in reply to RCPT TO command), see https://example.net/?ip=192.0.2.7"
    found = entry(delivery(f"host {PEER} refused to talk to me: {reply}", "deferred", dsn="4.7.1"))
    assert (found.reply, found.stage, found.dsn) == (reply, "CONNECT", "4.7.1")


def test_refused_greeting_of_several_lines() -> None:
    reason = f"host {PEER} refused to talk to me: 554-mx1.example.com 554 No SMTP here"
    assert entry(delivery(reason, "deferred")).reply == "554-mx1.example.com\n554 No SMTP here"


@pytest.mark.parametrize("who", ["TLS is required", "Sender requested REQUIRETLS"])
def test_refused_starttls(who: str) -> None:
    reason = f"{who}, but host {PEER} refused to start TLS: 454 4.7.0 not now"
    found = entry(delivery(reason, "deferred"))
    assert (found.reply, found.stage) == ("454 4.7.0 not now", "STARTTLS")


@pytest.mark.parametrize(
    ("words", "server"),
    [
        ("SASL authentication failed", "smtp.example.net[192.0.2.87]"),
        ("SASL [CACHED] authentication failed", "smtp.example.net"),
        ("delivery temporarily suspended: SASL authentication failed", "h.example.net[::1]"),
    ],
)
def test_failed_authentication(words: str, server: str) -> None:
    reason = (
        f"{words}; server {server} said: 535-5.7.8 Not accepted. See?535 5.7.8 https://x.example"
    )
    found = entry(delivery(reason, "deferred"))
    assert found.reply == "535-5.7.8 Not accepted. See\n535 5.7.8 https://x.example"
    assert (found.stage, found.text) == ("AUTH", None)


def test_suspended_delivery_has_the_reply() -> None:
    reason = f"delivery temporarily suspended: host {PEER} refused to talk to me: 421 4.7.0 busy"
    found = entry(delivery(reason, "deferred", relay="none"), tag="postfix/error")
    assert (found.event, found.reply, found.stage) == (Event.DELIVERY, "421 4.7.0 busy", "CONNECT")
    assert found.relay_host is None


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        (f"lost connection with {PEER} while receiving the initial server greeting", "CONNECT"),
        (f"lost connection with {PEER} while performing the EHLO handshake", "EHLO"),
        (f"conversation with {PEER} timed out while performing the HELO handshake", "EHLO"),
        (f"conversation with {PEER} timed out while performing the LHLO handshake", "EHLO"),
        (f"conversation with {PEER} timed out while receiving the STARTTLS response", "STARTTLS"),
        (f"lost connection with {PEER} while sending MAIL FROM", "MAIL"),
        (f"lost connection with {PEER} while sending RCPT TO", "RCPT"),
        (f"lost connection with {PEER} while sending DATA command", "DATA"),
        (f"lost connection with {PEER} while sending message body", "EOD"),
        (f"conversation with {PEER} timed out while sending end of data -- message may be sent "
         "more than once", "EOD"),
        (f"lost connection with {PEER} while sending XFORWARD protocol/helo_name", "XFORWARD"),
        (f"lost connection with {PEER} while doing something new", None),
        (f"connect to {RELAY}: Connection refused", "CONNECT"),
        ("connect to mail.example.com[private/lmtp]: No such file or directory", "CONNECT"),
        (f"delivery temporarily suspended: connect to {RELAY}: Connection timed out", "CONNECT"),
        (f"TLS is required, but was not offered by host {PEER}", "STARTTLS"),
        ("Cannot start TLS: handshake failure", "STARTTLS"),
        ("Server certificate not verified", "STARTTLS"),
        (f"SASL authentication failed; cannot authenticate to server {PEER}: no mechanism", "AUTH"),
        (f"SASL authentication failed: server {PEER} offered no mechanisms", "AUTH"),
        ("Host or domain name not found. Name service error for name=example.net type=MX", None),
        ("mail for example.com loops back to myself", None),
        ('unknown user: "host x said: 550"', None),
        ("temporary failure. Command output: host x[192.0.2.1] said: 550 no ", None),
    ],
)  # fmt: skip
def test_no_reply(words: str, stage: str | None) -> None:
    found = entry(delivery(words, "deferred"))
    assert (found.event, found.status) == (Event.DELIVERY, "deferred")
    assert (found.reply, found.text, found.stage) == (None, words, stage)


# --- Lines that have been cut ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("cut", "reply", "stage"),
    [
        ("550 5.7.1 lo", "550 5.7.1 lo", None),
        ("550 no (in reply to RCPT TO command)", "550 no", "RCPT"),
        ("550 no (in reply to RCPT TO command", "550 no", "RCPT"),
        ("550 no (in reply to MAI", "550 no", "MAIL"),
        ("550 no (in reply to end of", "550 no", "EOD"),
        ("550 no (in reply to ", "550 no", None),
        ("550 (in reply to RSET probe) is forg", "550 (in reply to RSET probe) is forg", None),
        ("550-a 550-b 550-", "550-a\n550-b\n550-", None),
        ("550-a 450 is no end in a cut li", "550-a 450 is no end in a cut li", None),
    ],
)  # fmt: skip
def test_cut_replies(cut: str, reply: str, stage: str | None) -> None:
    text = delivery(f"host {PEER} said: {cut}")[:-1]
    found = entry(text)
    assert (found.event, found.reply, found.stage) == (Event.DELIVERY, reply, stage)


def test_cut_success() -> None:
    assert entry(delivery("250 2.0.0 very lo", "sent")[:-1]).reply == "250 2.0.0 very lo"


def test_a_delivery_that_is_not_understood_is_kept() -> None:
    for text, problem in (
        (f"{QUEUE_ID}: to=<jo@example.com>, rel", "a delivery without a relay or a status"),
        (f"{QUEUE_ID}: to=<jo@example.com>, relay=none, status=boun", "an unknown status"),
        (f"{QUEUE_ID}: host said: 550", "a reply without a server"),
        (f"{QUEUE_ID}: reject: what is this", "a reject without a client"),
        ("NOQUEUE: reject: header Subject: x", "a reject without a client"),
        ("connect to nowhere", "a connection without a server"),
    ):
        found = entry(text)
        assert (found.event, found.problem, found.text) == (Event.OTHER, problem, text)


# --- Attempts and connections ---------------------------------------------------------------


def test_attempt() -> None:
    text = f"{QUEUE_ID}: host {PEER} said: 450-4.2.0 a 450 4.2.0 b (in reply to RCPT TO command)"
    assert entry(text) == Entry(
        event=Event.ATTEMPT,
        queue_id=QUEUE_ID,
        relay_host="mx1.example.com",
        relay_ip="192.0.2.25",
        reply="450-4.2.0 a\n450 4.2.0 b",
        stage="RCPT",
    )


@pytest.mark.parametrize(
    ("words", "reply", "stage"),
    [
        (f"host {PEER} refused to talk to me: 421 busy", "421 busy", "CONNECT"),
        (f"Protocol error: host {PEER} said: 299 x (in reply to DATA command)", "299 x", "DATA"),
        (f"TLS is required, but host {PEER} refused to start TLS: 454 no", "454 no", "STARTTLS"),
        (f"SASL authentication failed; server {PEER} said: 535 no", "535 no", "AUTH"),
    ],
)
def test_attempts(words: str, reply: str, stage: str) -> None:
    found = entry(f"{LONG_QUEUE_ID}: {words}")
    assert (found.event, found.reply, found.stage) == (Event.ATTEMPT, reply, stage)
    assert (found.queue_id, found.relay_ip) == (LONG_QUEUE_ID, "192.0.2.25")


def test_attempt_at_xforward() -> None:
    found = entry(
        f"warning: host {RELAY} said: 501 5.5.4 no (in reply to XFORWARD name/address command)"
    )
    assert (found.event, found.queue_id) == (Event.ATTEMPT, None)
    assert (found.reply, found.stage, found.relay_port) == ("501 5.5.4 no", "XFORWARD", 25)


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        (f"connect to {RELAY}: Connection timed out", "CONNECT"),
        (f"SSL_connect error to {RELAY}: lost connection", "STARTTLS"),
    ],
)
def test_connection(text: str, stage: str) -> None:
    assert entry(text) == Entry(
        event=Event.CONNECTION,
        relay_host="mx1.example.com",
        relay_ip="192.0.2.25",
        relay_port=25,
        stage=stage,
        text=text,
    )


@pytest.mark.parametrize(
    ("words", "stage", "ip"),
    [
        (f"lost connection with {PEER} while sending RCPT TO", "RCPT", "192.0.2.25"),
        (f"conversation with {PEER} timed out while sending QUIT", "QUIT", "192.0.2.25"),
        (f"TLS is required, but was not offered by host {PEER}", "STARTTLS", "192.0.2.25"),
        ("Cannot start TLS: handshake failure", "STARTTLS", None),
    ],
)
def test_trouble_with_one_server(words: str, stage: str, ip: str | None) -> None:
    found = entry(f"{QUEUE_ID}: {words}")
    assert (found.event, found.queue_id) == (Event.CONNECTION, QUEUE_ID)
    assert (found.reply, found.text, found.stage, found.relay_ip) == (None, words, stage, ip)


def test_a_bounce_that_failed() -> None:
    found = entry(f"{QUEUE_ID}: status=deferred (bounce failed)", tag="postfix/qmgr")
    assert (found.event, found.status, found.text) == (Event.ATTEMPT, "deferred", "bounce failed")


# --- Senders --------------------------------------------------------------------------------


def test_the_sender_comes_from_earlier_lines() -> None:
    reader = Postfix()
    reader.read("postfix/pickup", f"{QUEUE_ID}: uid=0 from=<root>")
    assert reader.read("postfix/smtp", said("550 no"))[0].sender == "root"
    reader.read(
        "postfix/qmgr", f"{QUEUE_ID}: from=<root@example.org>, size=9, nrcpt=1 (queue active)"
    )
    assert reader.read("postfix/smtp", said("550 no"))[0].sender == "root@example.org"
    attempt = f"{QUEUE_ID}: host {PEER} refused to talk to me: 421 busy"
    assert reader.read("postfix/smtp", attempt)[0].sender == "root@example.org"
    other = said("550 no").replace(QUEUE_ID, LONG_QUEUE_ID)
    assert reader.read("postfix/smtp", other)[0].sender is None
    reader.read("postfix/qmgr", f"{QUEUE_ID}: removed")
    assert reader.read("postfix/smtp", said("550 no"))[0].sender is None


@pytest.mark.parametrize(
    ("written", "sender"),
    [
        ("from=<>, size=1, nrcpt=1 (queue active)", ""),
        ("uid=1000 from=<jo> orig_id=8D0FFEE1D2", "jo"),
        ('from=<"a>, size=1"@example.org>, size=2, nrcpt=1', '"a>, size=1"@example.org'),
        ('from=<"a>, status=expired, b"@x>, size=2', '"a>, status=expired, b"@x'),
        ("from=<jo@exam", None),
    ],
)  # fmt: skip
def test_senders(written: str, sender: str | None) -> None:
    reader = Postfix()
    assert reader.read("postfix/qmgr", f"{QUEUE_ID}: {written}") == []
    assert reader.read("postfix/smtp", said("550 no"))[0].sender == sender


def test_what_is_known_of_senders_is_bounded() -> None:
    reader = Postfix()
    for number in range(100_001):
        reader.read("postfix/qmgr", f"{number:010X}: from=<{number}>, size=1, nrcpt=1")
    old, new = (said("550 no").replace(QUEUE_ID, f"{number:010X}") for number in (0, 100_000))
    assert reader.read("postfix/smtp", old)[0].sender is None
    assert reader.read("postfix/smtp", new)[0].sender == "100000"


@pytest.mark.parametrize("status", ["expired", "force-expired"])
def test_expired(status: str) -> None:
    text = f"{QUEUE_ID}: from=<jo@example.org>, status={status}, returned to sender"
    assert entry(text, tag="postfix/qmgr") == Entry(
        event=Event.DELIVERY,
        queue_id=QUEUE_ID,
        sender="jo@example.org",
        status=status,
        text="returned to sender",
    )


# --- Rejects --------------------------------------------------------------------------------

KEYS = "from=<jo@example.org> to=<ann@example.com> proto=ESMTP helo=<mail.example.org>"
CLIENT = "mail.example.org[192.0.2.4]"


def test_reject() -> None:
    reply = "450 4.7.1 <ann@example.com>: Recipient address rejected: Greylisted"
    assert entry(f"NOQUEUE: reject: RCPT from {CLIENT}: {reply}; {KEYS}", "postfix/smtpd") == Entry(
        event=Event.REJECT,
        sender="jo@example.org",
        recipients=("ann@example.com",),
        relay_host="mail.example.org",
        relay_ip="192.0.2.4",
        status="reject",
        reply=reply,
        stage="RCPT",
    )


@pytest.mark.parametrize(
    "action",
    [
        *("reject_warning", "warn", "hold", "discard", "filter", "redirect", "bcc", "delay"),
        *("info", "milter-hold", "milter-discard", "proxy-accept", "permit", "prepend"),
    ],
)
def test_other_actions_reject_nobody(action: str) -> None:
    text = f"NOQUEUE: {action}: RCPT from {CLIENT}: 450 4.7.1 reject: no; {KEYS}"
    assert Postfix().read("postfix/smtpd", text) == []


@pytest.mark.parametrize(
    ("where", "stage"),
    [
        *(("CONNECT", "CONNECT"), ("EHLO", "EHLO"), ("HELO", "EHLO"), ("MAIL", "MAIL")),
        *(("RCPT", "RCPT"), ("DATA", "DATA"), ("END-OF-MESSAGE", "EOD"), ("DATA content", "EOD")),
        *(("BDAT", "BDAT"), ("VRFY", "VRFY"), ("ETRN", "ETRN"), ("UNKNOWN", None)),
    ],
)
def test_stage_of_a_reject(where: str, stage: str | None) -> None:
    found = entry(f"NOQUEUE: reject: {where} from {CLIENT}: 554 5.7.1 no; {KEYS}", "postfix/smtpd")
    assert (found.stage, found.reply) == (stage, "554 5.7.1 no")


@pytest.mark.parametrize(
    "reply",
    [
        "554 5.7.1 see http://x.example/?a=b;c=d",
        "554 5.7.1 a; b; from=<evil@example.net> to=<you@example.net> proto=ESMTP helo=<x>",
        '554 5.7.1 <"; from=<evil@example.net> to=<you@example.net>"@example.org>: Sender rejected',
        "554 <x>: Relay access denied",
        "521 5.7.1 from x[192.0.2.66]: 250 ok",
        "554 5.7.1 Service unavailable; Client host [192.0.2.4] blocked using bl.example; busy;",
    ],
)
def test_hostile_rejects(reply: str) -> None:
    found = entry(f"{QUEUE_ID}: reject: RCPT from {CLIENT}: {reply}; {KEYS}", "postfix/smtpd")
    assert (found.reply, found.sender, found.recipients) == (
        *(reply, "jo@example.org", ("ann@example.com",)),
    )
    assert (found.queue_id, found.relay_ip) == (QUEUE_ID, "192.0.2.4")


@pytest.mark.parametrize(
    ("keys", "sender", "recipients"),
    [
        ("; from=<jo@example.org> proto=ESMTP helo=<x>", "jo@example.org", ()),
        ("; from=<> to=<ann@example.com> proto=SMTP helo=<[192.0.2.4]>", "", ("ann@example.com",)),
        ("; proto=SMTP", None, ()),
        ("; proto=ESMTP helo=<a;b>", None, ()),
        ("; proto=ESMTP helo=<a>b>", None, ()),
        (f"; from=<jo> proto=ESMTP helo=<{'a;' * 400}>", "jo", ()),
        ("", None, ()),
        (";", None, ()),
        ("; from=<a@x.org>, to=<b@y.com>, proto=ESMTP, helo=<c>", "a@x.org", ("b@y.com",)),
        ("; from=<a@x.org> to=<b@y.com> proto=ESMTP helo=<c> sasl_method=PLAIN "
         "sasl_username=j;o sasl_sender=k", "a@x.org", ("b@y.com",)),
        ('; from=<"a; from=<b"@x.example> to=<"c> proto="@y.example> proto=ESMTP helo=<d>',
         '"a; from=<b"@x.example', ('"c> proto="@y.example',)),
    ],
)  # fmt: skip
def test_keys_of_a_reject(keys: str, sender: str | None, recipients: tuple[str, ...]) -> None:
    found = entry(f"NOQUEUE: reject: RCPT from {CLIENT}: 550 5.7.1 no{keys}", "postfix/smtpd")
    assert (found.reply, found.sender, found.recipients) == ("550 5.7.1 no", sender, recipients)


@pytest.mark.parametrize(
    ("client", "parts"),
    [
        ("unknown[192.0.2.4]", (None, "192.0.2.4", None)),
        ("unknown[unknown]", (None, None, None)),
        ("h.example.org[2001:db8::4]:4711", ("h.example.org", "2001:db8::4", 4711)),
        ("[192.0.2.4]:4711", (None, "192.0.2.4", 4711)),
        ("[2001:db8::4]:4711", (None, "2001:db8::4", 4711)),
    ],
)
def test_client_of_a_reject(client: str, parts: tuple[str | None, str | None, int | None]) -> None:
    found = entry(
        f"NOQUEUE: reject: RCPT from {client}: 550 5.7.1 no; {KEYS}", "postfix/postscreen"
    )
    assert (found.relay_host, found.relay_ip, found.relay_port) == parts


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ("NOQUEUE: reject: CONNECT", "too many connections"),
        ("reject: connect", "all screening ports busy"),
    ],
)
def test_postscreen_does_not_log_every_reply(front: str, words: str) -> None:
    found = entry(f"{front} from [192.0.2.4]:4711: {words}", "postfix/postscreen")
    assert (found.event, found.stage, found.relay_port) == (Event.REJECT, "CONNECT", 4711)
    assert (found.reply, found.text) == (None, words)


def test_milter_in_smtpd_has_the_reply() -> None:
    found = entry(
        f"NOQUEUE: milter-reject: MAIL from {CLIENT}: 550-5.7.1 a??550 5.7.1 b; "
        "from=<jo@example.org> proto=ESMTP helo=<x>"
    )
    assert (found.status, found.reply) == ("milter-reject", "550-5.7.1 a\n550 5.7.1 b")
    assert (found.stage, found.sender) == ("MAIL", "jo@example.org")


def test_milter_in_cleanup_has_no_code() -> None:
    text = f"{QUEUE_ID}: milter-reject: END-OF-MESSAGE from {CLIENT}: 5.7.1 Spam; it is; {KEYS}"
    found = entry(text, "postfix/cleanup")
    assert (found.reply, found.dsn, found.text) == (None, "5.7.1", "Spam; it is")
    assert (found.stage, found.recipients) == ("EOD", ("ann@example.com",))


def test_proxy() -> None:
    for front in ("", "NOQUEUE: "):
        found = entry(f"{front}proxy-reject: END-OF-MESSAGE: 554 5.7.0 Reject, id=1; x; {KEYS}")
        assert (found.event, found.status, found.stage) == (Event.REJECT, "proxy-reject", "EOD")
        assert (found.reply, found.sender) == ("554 5.7.0 Reject, id=1; x", "jo@example.org")
    found = entry(f"proxy-reject: END-OF-MESSAGE: ; {KEYS}")
    assert (found.reply, found.text, found.sender) == (None, None, "jo@example.org")


@pytest.mark.parametrize(
    "content",
    [
        "header Subject: cheap",
        "header Subject: x from evil[192.0.2.66]; from=<e@example.net> to=<f@example.net> "
        "proto=ESMTP helo=<g>: 5.0.0 fake",
        "body a; b: c from d",
        "content Received: reject: RCPT from x[192.0.2.1]: 550 no",
    ],
)
@pytest.mark.parametrize("action", ["reject", "milter-header-reject"])
def test_content(content: str, action: str) -> None:
    found = entry(
        f"{QUEUE_ID}: {action}: {content} from {CLIENT}; {KEYS}: 5.7.1 no; see x: y",
        "postfix/cleanup",
    )
    assert (found.event, found.status, found.stage) == (Event.REJECT, action, "EOD")
    assert (found.reply, found.dsn, found.text) == (None, "5.7.1", "no; see x: y")
    assert (found.sender, found.recipients) == ("jo@example.org", ("ann@example.com",))
    assert (found.relay_host, found.relay_ip) == ("mail.example.org", "192.0.2.4")


def test_content_without_words_or_without_a_client() -> None:
    found = entry(f"{QUEUE_ID}: reject: header Subject: x from local; from=<jo> to=<ann>: no")
    assert (found.stage, found.relay_host, found.dsn, found.text) == (None, None, None, "no")
    found = entry(f"{QUEUE_ID}: reject: body cheap from {CLIENT}; {KEYS}")
    assert (found.reply, found.text) == (None, "body cheap")
    found = entry(
        f"{QUEUE_ID}: reject: mime-error nesting too deep: x from {CLIENT}; from=<a> to=<unknown>"
    )
    assert (found.text, found.recipients) == ("mime-error nesting too deep: x", ())


# --- Hostile lines --------------------------------------------------------------------------

SAMPLES = [
    said("550-5.1.1 a 550 5.1.1 b (in reply to DATA command)"),
    delivery("250 2.0.0 Ok: queued as 1", "sent"),
    delivery(f"delivery temporarily suspended: lost connection with {PEER} while sending RCPT TO"),
    delivery(f"SASL authentication failed; server {PEER} said: 535-a?535 b", "deferred"),
    f"{QUEUE_ID}: to=<jo@example.com>, orig_to=<ann>, relay={RELAY}, conn_use=2, dsn=5.1.1, "
    f"status=undeliverable (host {PEER} said: 550 no (in reply to RCPT TO command))",
    f"{QUEUE_ID}: host {PEER} refused to talk to me: 421 4.7.0 busy",
    f"{QUEUE_ID}: TLS is required, but host {PEER} refused to start TLS: 454 no",
    f"{QUEUE_ID}: from=<jo@example.org>, status=expired, returned to sender",
    f"{QUEUE_ID}: uid=0 from=<root>",
    f"connect to {RELAY}: Connection refused",
    f"NOQUEUE: reject: RCPT from {CLIENT}: 450 4.7.1 <x>: a; b; {KEYS} sasl_method=PLAIN",
    f"{QUEUE_ID}: reject: header Subject: x from {CLIENT}; {KEYS}: 5.7.1 no",
    f"{QUEUE_ID}: milter-reject: END-OF-MESSAGE from {CLIENT}: 5.7.1 no; {KEYS}",
    f"proxy-reject: END-OF-MESSAGE: 554 5.7.0 no; {KEYS}",
]


def check_entries(text: str) -> None:
    """Nothing is raised, and nothing is told that the line does not hold."""
    reader = Postfix()
    for tag in ("postfix/smtp", "", "x/smtp"):
        reader.knows(tag, text)
    for found in reader.read("postfix/smtp", text):
        told = (found.queue_id, found.sender, *found.recipients, found.relay_host, found.text)
        assert all(part in text for part in told if part is not None)
        for line in (found.reply or "").split("\n"):
            assert line in text
        assert (found.problem is not None) == (found.event is Event.OTHER)
        assert found.problem is None or found.text == text


@pytest.mark.parametrize("sample", SAMPLES)
def test_cut_at_each_octet(sample: str) -> None:
    octets = sample.encode()
    for length in range(len(octets) + 1):
        check_entries(octets[:length].decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if ": to=<" in sample])
def test_a_delivery_is_never_dropped(sample: str) -> None:
    for length in range(sample.index("to=<") + 4, len(sample) + 1):
        assert len(Postfix().read("postfix/smtp", sample[:length])) == 1


PIECES = st.sampled_from(
    [
        *(" said: ", "host ", " (in reply to ", "RCPT TO command", ", status=sent (", ">, relay="),
        *(">", "<", '"', "\\", "; ", ": ", "550-", " 550 ", "?550 ", "from=<", " to=<", "helo=<"),
        *("[", "]:25", " from ", ")", "reject: ", "delivery temporarily suspended: ", "\x00", "é"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES | st.text(max_size=8), max_size=30).map("".join), st.sampled_from(SAMPLES))
def test_random_lines(noise: str, sample: str) -> None:
    check_entries(noise)
    check_entries(f"{QUEUE_ID}: {noise}")
    check_entries(f"NOQUEUE: reject: {noise}")
    check_entries(delivery(noise))
    check_entries(sample + noise)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(SAMPLES), st.integers(0, 300), st.integers(0, 300), PIECES)
def test_mutated_lines(sample: str, start: int, length: int, piece: str) -> None:
    check_entries(sample[:start] + piece + sample[start + length :])
    check_entries(sample[:start] + sample[start : start + length] * 3)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")).filter(
            lambda text: not re.search(r"(?: |\?)550(?:[- ]|$)|[ ?]$|^ ", text)
        ),
        min_size=1,
        max_size=4,
    )
)
def test_what_smtp_folds_is_unfolded(texts: list[str]) -> None:
    lines = [*(f"550-{text}" for text in texts[:-1]), f"550 {texts[-1]}"]
    folded = " ".join(lines)
    assert entry(said(folded)).reply == "\n".join(lines)
    assert entry(said(folded)).stage == "RCPT"


MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("front", "piece"),
    [
        (f"{QUEUE_ID}: to=<", ">, relay=x, orig_to=<"),
        (f"{QUEUE_ID}: to=<", '"'),
        (f"{QUEUE_ID}: to=<", '\\">, orig_to=<"'),
        (f"{QUEUE_ID}: to=<jo>, relay=x", ", a=b"),
        (delivery(f"host {PEER} said: 550-")[:-1], " (in reply to RCPT TO command)"),
        (delivery(f"host {PEER} said: 550-")[:-1], " 550-x"),
        (delivery("250-", "sent")[:-1], " 251 "),
        (delivery("")[:-1], "delivery temporarily suspended: "),
        (delivery("")[:-1], "delivery via x: "),
        (f"{QUEUE_ID}: from=<", ">, size"),
        (f"{QUEUE_ID}: host ", "[]"),
        ("NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 ", '; from=<"'),
        ("NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 ", "; from=<a> to=<"),
        ("NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 ", ";"),
        ("NOQUEUE: reject: RCPT from h[192.0.2.1]: 550; from=<a> helo=<", ">x"),
        ("NOQUEUE: reject: header ", " from h[192.0.2.1]; from=<>"),
        ("NOQUEUE: reject: ", "A"),
        ("connect to ", "["),
        ("", "A"),
        ("", ": "),
    ],
)
def test_a_line_of_a_megabyte(front: str, piece: str) -> None:
    """Work that grew faster than the line would take days here; nor may the answer be larger."""
    text = front + piece * (MEGABYTE // len(piece))
    reader = Postfix()
    reader.knows("x/smtp", text)
    told = sum(
        len(str(part)) for found in reader.read("postfix/smtp", text) for part in found if part
    )
    assert told <= 2 * len(text)


# --- The corpus -----------------------------------------------------------------------------

LOGS = (
    *("maillog_file", "rsyslog-iso", "rsyslog-json", "rsyslog-rfc5424", "rsyslog-trad"),
    "soft_bounce",
)
ENVELOPE = re.compile(
    r"(?:<[0-9]+>1 \S+ \S+ (?P<app>\S+) \S+ - -  ?"
    r"|(?:[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8}|[0-9]{4}-\S+) \S+ (?P<tag>[^\s\[:]+)(?:\[[0-9]+\])?: )"
)
STAGES = {"mail": "MAIL", "rcpt": "RCPT", "data": "DATA", "dot": "EOD"}
# Where our own `classify` differs from who wrote the file down: three digits are a code whatever
# stands behind them, and a colon is no part of an enhanced one.
NOT_OURS = {"code": {"xnosp@dest.test"}, "enhanced": {"xcolon@dest.test"}}


def opened(line: str) -> tuple[str, str]:
    """Tag and text of a line of the corpus."""
    if line.startswith("{"):
        entry = json.loads(line)
        return entry["SYSLOG_IDENTIFIER"], entry["MESSAGE"].removeprefix(" ")
    match = ENVELOPE.match(line)
    assert match, line
    return match["app"] or match["tag"], line[match.end() :]


def lines_of(path: Path) -> Iterator[str]:
    yield from path.read_text("utf-8", "surrogateescape").splitlines()


def fields_of(found: Entry) -> dict[str, Any]:
    """What the corpus expects of a line."""
    last = classify((found.reply or "").rpartition("\n")[2])
    return {
        "code": last.code if last.code >= 0 else None,
        "enhanced": str(last.enhanced) if last.enhanced else None,
        "status": found.status,
        "to": ",".join(found.recipients),
        "relay": f"{found.relay_host}[{found.relay_ip}]:{found.relay_port}",
        "queue_id": found.queue_id,
        "dsn": found.dsn,
    }


def test_expected_lines_of_the_corpus(corpus: Callable[[str], Path]) -> None:
    wrong: Counter[str] = Counter()
    total = without_stage = 0
    for line in lines_of(corpus("logs/expected-postfix.jsonl")):
        expected = json.loads(line)
        found = entry(*reversed(opened(expected["line"])))
        assert found.event is (
            Event.ATTEMPT if expected["status"] == "undeliverable" else Event.DELIVERY
        )
        total += 1
        for name, value in fields_of(found).items():
            if value != expected[name]:
                assert expected["to"] in NOT_OURS.get(name, ()), (name, value, expected)
                wrong[name] += 1
        # What Postfix has cut off does not tell the stage, nor all of the reply.
        is_cut = "(in reply to" not in expected["line"] and expected["status"] != "sent"
        without_stage += is_cut
        assert found.stage == (None if is_cut else STAGES[expected["truth"]["stage"]])
        # Postfix has written "?" for what is no printable UTF-8.
        said_lines = expected["truth"]["reply_lines"]
        if not is_cut and "note" not in expected["truth"] and "?" not in (found.reply or ""):
            assert found.reply == "\n".join(said_lines)
    assert total > 600
    assert without_stage <= 8
    assert all(count <= total * 0.01 for count in wrong.values())


@pytest.mark.parametrize("name", LOGS)
def test_logs_of_the_corpus(corpus: Callable[[str], Path], name: str) -> None:
    reader = Postfix()
    events: Counter[Event] = Counter()
    for line in lines_of(corpus(f"logs/postfix-3.7.11-{name}.log")):
        tag, text = opened(line)
        if not reader.knows(tag, text):
            assert "rsyslog" in tag
            continue
        found = reader.read(tag, text)
        head = re.match(r"[0-9A-Za-z]+: (?:to=<|host |reject: )|connect to ", text)
        is_told = head or ", status=" in text
        assert len(found) == bool(is_told), text
        for one in found:
            events[one.event] += 1
            assert one.problem is None, text
            if one.event in (Event.DELIVERY, Event.ATTEMPT):
                assert one.sender is not None, text
    assert events[Event.DELIVERY] >= 190
    assert events[Event.REJECT] == 17
    assert events[Event.CONNECTION] == 1
    assert events[Event.ATTEMPT] >= 6
