"""Lines of logs, put together from what MTAs and syslog daemons write: for comparing cores."""

from __future__ import annotations

from itertools import chain, product
from typing import Final

# What stands in front of a text: {} is the program's name.
ENVELOPES: Final = (
    "Nov 24 12:44:34 mx {}[2311]: ",
    "<22>Nov  4 02:04:09 mx {}[1]: ",
    "Nov 24 12:44:34.123456 mx.example.com {}: ",
    "Feb 29 23:59:60 mx {}[99999]:",
    "Xyz 24 12:44:34 mx {}[2311]: ",
    "Nov 31 12:44:34 mx {}[2311]: ",
    "Nov 24 25:44:34 mx {}[2311]: ",
    "2026-11-24T12:44:34+00:00 mx {}[2311]: ",
    "2026-11-24T12:44:34.5-0130 mx {}[2311]: ",
    "2026-11-24T12:44:34,123456789Z mx {}: ",
    "2026-11-24T12:44:34 mx {}[2311]: ",
    "2026-02-29T12:44:34Z mx {}[2311]: ",
    "2026-11-24T12:44:34+99:00 mx {}[2311]: ",
    "<22>1 2026-11-24T12:44:34.000001+01:00 mx {} 2311 - - ",
    '<22>1 2026-11-24T12:44:34Z - {} - ID7 [a@1 b="c\\"]"][d] \ufeff',
    "1 - mx {} 2311 - - ",
    "mx\u00e4 {}[2311]: ",
    "Nov 24 12:44:34 m\u00e4x {}[2311]: ",
    "",
)
POSTFIX: Final = (
    "postfix/smtp",
    "postfix",
    "postfix-out/lmtp",
    "postfix/submission/smtpd",
    "mta/smtp",
)
OTHERS: Final = (
    "postfix-policyd-spf",
    "dovecot",
    "cron",
    "amavis",
    "postfix/smt\u00fc",
    "a/b/qmgr",
)

REPLIES: Final = (
    "250 2.0.0 Ok: queued as 4F1B2C3D4E5",
    "250",
    "250-2.0.0 first 250 2.0.0 second",
    "550 5.1.1 <jo@example.com>: User unknown",
    "550-5.7.26 Unauthenticated 550-5.7.26 mail 550 5.7.26 from there",
    "554-mx.example.com 554 Your access to this mail system has been rejected",
    "421-4.7.0 try??421 4.7.0 later?550 no",
    "550-first 551 another code",
    "550no space 554 5.5.1 no valid recipients",
    "5501 four digits",
    "450 4.7.1: Greylisted, come back in 5 minutes",
    "450 5.1.1: x",
    "550 5.7.1 host evil[192.0.2.9] said: 250 2.0.0 ok (in reply to end of DATA command)",
    "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org",
    "554 blocked using own.example.org; see http://example.org/?a=b, c",
    "452 4.2.2 \u041f\u0440\u0435\u0432\u044b\u0448\u0435\u043d\u0430 \u043a\u0432\u043e\u0442\u0430",
    "550 5.1.1 \udcff\udcfe",
    "550\t5.1.1 tab",
    "599 5.1.1",
    "",
)
COMMANDS: Final = ("RCPT TO command", "end of DATA command", "RCPT TO com", "nothing")
RELAYS: Final = (
    "mx1.example.com[192.0.2.25]:25",
    "mx.example.com[IPv6:2001:db8::25]:587",
    "unknown[192.0.2.7]",
    "127.0.0.1[private/dovecot-lmtp]",
    "none",
    "local",
    "a]b[c]",
    "a[b]:123456",
)
RECIPIENTS: Final = (
    "jo@example.com",
    "JO@Example.COM.",
    "root",
    "a@b@c",
    '"a>, relay=x"@b',
    "x@\u00e4.example",
)
STATUSES: Final = (
    "sent",
    "bounced",
    "deferred",
    "SOFTBOUNCE",
    "deliverable",
    "undeliverable",
    "odd",
)
KEYS: Final = (
    "delay=0.02, delays=0/0.02/0/0, dsn=2.0.0",
    "conn_use=2, delay=1e3, delays=0/0/0/0, dsn=5.1.1",
    "delay=12345678901.1234567, dsn=4.0.0, tls=none",
    "delay=, dsn=",
    "delay=3",
    "Delay=3, dsn=5.0.0",
)
TROUBLES: Final = (
    "connect to mx.example.com[192.0.2.25]:25: Connection refused",
    "connect to mx.example.com: no route",
    "connect to mx.example.com[192.0.2.25]:: odd",
    "lost connection with mx.example.com[192.0.2.25] while sending RCPT TO",
    "conversation with mx.example.com[192.0.2.25] timed out while sending message body",
    "lost connection with mx while thinking",
    "delivery temporarily suspended: connect to mx[192.0.2.25]:25: Connection timed out",
    "delivery via mx[192.0.2.25]:25: 250 ok",
    "TLS is required, but was not offered by host mx[192.0.2.25]",
    "Host or domain name not found. Name service error for name=x type=MX: Host not found",
    "mail for example.com loops back to myself",
    "delivered to maildir",
    "user unknown ",
    "user unknown\u00a0",
    "",
)


def _reasons() -> list[str]:
    said = [
        f"host {peer} said: {reply} (in reply to {command})"
        for peer, reply, command in product(("mx[192.0.2.25]", "mx"), REPLIES, COMMANDS)
    ]
    refused = [f"host mx[192.0.2.25] refused to talk to me: {reply}" for reply in REPLIES]
    suspended = [f"delivery temporarily suspended: {reason}" for reason in refused[:4]]
    return [*REPLIES, *said, *refused, *suspended, *TROUBLES]


def _rejects() -> list[str]:
    keys = (
        "; from=<a@b.example> to=<c@d.example> proto=ESMTP helo=<mx>",
        "; from=<> to=<c@d.example> proto=SMTP helo=<[192.0.2.7]>",
        "; from=<a@b> proto=ESMTP helo=<a>b>",
        '; from=<"a;b"@c> to=<unknown> proto=ESMTP helo=<mx> sasl_username=x',
        "; proto=ESMTP",
        ";",
        "",
    )
    fronts = (
        "NOQUEUE: reject: RCPT from mx[192.0.2.7]: ",
        "4F1B2C3D4E5: reject: END-OF-MESSAGE from mx[192.0.2.7]:4711: ",
        "NOQUEUE: reject: CONNECT from unknown[unknown]: ",
        "NOQUEUE: reject: UNKNOWN from mx[192.0.2.7]: ",
        "reject: RCPT from mx[192.0.2.7]: ",
        "warning: reject: RCPT from mx[192.0.2.7]: ",
        "NOQUEUE: milter-reject: RCPT from mx[192.0.2.7]: ",
        "4F1B2C3D4E5: reject: header Subject: x from mx[192.0.2.7]: ",
    )
    return [
        "".join(parts) for parts in product(fronts, ("554 5.7.1 <x>: no; not", "5.7.1 x"), keys)
    ]


OTHER_TEXTS: Final = (
    "4F1B2C3D4E5: from=<A@B.example>, size=312, nrcpt=1 (queue active)",
    "4F1B2C3D4E5: from=<>, size=1",
    "4F1B2C3D4E5: from=<a@b.example>, status=expired, returned to sender",
    '4F1B2C3D4E5: from=<"x>, size="@b>, size=1',
    "4F1B2C3D4E5: uid=0 from=<root>",
    "4F1B2C3D4E5: uid= from=<root>",
    "4F1B2C3D4E5: from=<b@c> orig_id=4kZ9Qb3wTnz1GhR",
    "4F1B2C3D4E5: removed",
    "4F1B2C3D4E5: removed ",
    "4F1B2C3D4E5: client=mx[192.0.2.7]",
    "4F1B2C3D4E5: message-id=<x@y>",
    "4F1B2C3D4E5: status=deferred (x)",
    "4F1B2C3D4E5: ",
    "4F1B: to=<a@b>, relay=none, delay=0, dsn=2.0.0, status=sent (x)",
    f"{'A' * 41}: to=<a@b>, relay=none, delay=0, dsn=2.0.0, status=sent (x)",
    "4F1B2C3D4E5: to=<a@b>, status=sent",
    "warning: host mx[192.0.2.7] said: 550 no",
    "warning: unknown",
    "error: 1",
    "connect from mx[192.0.2.7]",
    "connect to mx[192.0.2.7]:25: Connection refused",
    "connect to mx: odd",
    "SSL_connect error to mx[192.0.2.7]:25: -1",
    "disconnect from mx[192.0.2.7] ehlo=1 quit=1 commands=2",
    "host mx[192.0.2.7] said: 450 4.2.0 later (in reply to RCPT TO command)",
    "statistics: max connection rate 1/60s for (smtp:192.0.2.7) at Nov 24",
    "",
    ":",
    "a: b",
)


def texts() -> list[str]:
    """Texts of Postfix: all in which something differs, each with all else as it mostly is."""
    deliveries = chain(
        product(RECIPIENTS[:1], RELAYS[:1], KEYS[:1], STATUSES[:2], _reasons()),
        product(RECIPIENTS, RELAYS, KEYS, STATUSES, (REPLIES[0], REPLIES[3])),
    )
    lines = [
        f"4F1B2C3D4E5: to=<{recipient}>, relay={relay}, {keys}, status={status} ({reason})"
        for recipient, relay, keys, status, reason in deliveries
    ]
    delivery = lines[0]
    lines += [delivery[:-1], delivery.replace("relay", "orig_to=<x@y>, relay")]
    lines += [f"4F1B2C3D4E5: {reason}" for reason in _reasons()]
    return [*lines, *_rejects(), *OTHER_TEXTS]


def postfix_lines() -> list[bytes]:
    """Whole lines: every text in one envelope, some in all, by every program."""
    usual = ENVELOPES[0].format(POSTFIX[0])
    all_texts = texts()
    lines = [usual + text for text in all_texts]
    some = [all_texts[0], all_texts[30], *OTHER_TEXTS[:8], *_rejects()[:1]]
    for envelope, program, text in product(ENVELOPES, (*POSTFIX, *OTHERS), some):
        lines.append(envelope.format(program) + text)
    return [line.encode("utf-8", "surrogateescape") for line in lines]
