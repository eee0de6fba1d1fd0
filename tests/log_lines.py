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
    "452 4.2.2 \u041f\u043e\u0447\u0442\u0430 \u043f\u043e\u043b\u043d\u0430",
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


_EXIM_STAMP = "2026-11-24 12:44:34"
_EXIM_ID = "1tAbCd-0001Ab-0C"
_EXIM = (
    f"{_EXIM_ID} <= news@client.test H=mx.client.test [192.0.2.7] P=esmtp S=312 id=x@client.test",
    f'{_EXIM_ID} => ann@mx.test R=dns T=smtp H=mx1.test [192.0.2.25]:25 C="250 2.0.0 Ok: q \\\\n"',
    f'{_EXIM_ID} -> b@mx.test R=dns T=smtp H=mx1.test [192.0.2.25] C="250-a\\\\n250 2.0.0 b" QT=2s',
    f"{_EXIM_ID} == c@mx.test R=dns T=smtp defer (-44) H=mx1.test [192.0.2.25]: SMTP error from"
    " remote mail server after RCPT TO:<c@mx.test>: 451 4.7.1 Greylisted, 5 minutes",
    f"{_EXIM_ID} ** D@MX.test R=dns T=smtp H=mx1.test [192.0.2.25]: SMTP error from remote mail"
    r" server after end of data: 550-5.7.26 no\n550 5.7.26 proof \303\244",
    f"{_EXIM_ID} == e@mx.test R=dns T=smtp defer (111): Connection refused",
    f"{_EXIM_ID} H=mx1.test [192.0.2.25]: SMTP error from remote mail server after initial"
    " connection: 421 4.3.2 closing",
    f"{_EXIM_ID} H=mx1.test [192.0.2.25] Connection timed out",
    f"{_EXIM_ID} Completed",
    f"{_EXIM_ID} Completed QT=3s",
    "H=(client) [192.0.2.7] F=<a@b.test> rejected RCPT <f@mx.test>: 550 no such user",
    'H=(client) [192.0.2.7] temporarily rejected connection in "connect" ACL: slow down',
    "Start queue run: pid=77",
    "no host name found for IP address 192.0.2.7",
)
_SENDMAIL = (
    "4AOCiYx4001234: from=<a@b.test>, size=312, class=0, nrcpts=1, relay=client.test [192.0.2.7]",
    "4AOCiYx4001234: to=<ann@mx.test>,<b@mx.test>, delay=00:00:01, xdelay=00:00:01, mailer=esmtp,"
    " pri=1, relay=mx1.test. [192.0.2.25], dsn=2.0.0, stat=Sent (ok queued as 7F00AA)",
    "4AOCiYx4001234: to=<c@mx.test>, delay=00:00:01, mailer=esmtp, relay=mx1.test. [192.0.2.25],"
    " dsn=5.1.1, reply=550 5.1.1 no such user, stat=User unknown",
    "4AOCiYx4001234: to=<d@mx.test>, delay=1+02:03:04, mailer=esmtp, relay=mx1.test., dsn=4.0.0,"
    r" stat=Deferred: 451 4.7.1 sp\303\244ter",
    "4AOCiYx4001234: ruleset=check_rcpt, arg1=<x@y.test>, relay=[192.0.2.7], reject=550 5.7.1 no",
    "4AOCiYx4001234: timeout waiting for input from mx1.test. during client greeting",
)
_SESSION = "0f1e2d3c4b5a6978"
_OPENSMTPD = (
    f"{_SESSION} mta connecting address=smtp://192.0.2.25:25 host=mx1.test",
    f"{_SESSION} mta connected",
    f"{_SESSION} mta delivery evpid=00c0ffee00c0ffee from=<a@b.test> to=<ann@mx.test> rcpt=<->"
    ' source="192.0.2.1" relay="192.0.2.25 (mx1.test)" delay=1s result="Ok" stat="250 2.0.0 q"',
    f"{_SESSION} mta delivery evpid=00c0ffee00c0ffef from=<a@b.test> to=<b@mx.test> rcpt=<->"
    ' source="-" relay="mx1.test" delay=1h2m result="PermFail" stat="550 5.1.1 no such user"',
    f'{_SESSION} mta error reason="Connection closed unexpectedly"',
    f"{_SESSION} smtp connected address=192.0.2.7 host=client.test",
    f'{_SESSION} smtp failed-command command="RCPT TO:<x@y>" result="550 Invalid recipient"',
    f"{_SESSION} mta disconnected reason=quit messages=1",
)
_QMAIL = (
    "new msg 12345",
    "info msg 12345: bytes 312 from <a@b.test> qp 77 uid 1000",
    "starting delivery 1: msg 12345 to remote ann@mx.test",
    "delivery 1: success: 192.0.2.25_accepted_message./Remote_host_said:_250_2.0.0_Ok/",
    "starting delivery 2: msg 12345 to remote b@mx.test",
    "delivery 2: failure: 192.0.2.25_does_not_like_recipient./Remote_host_said:_550_5.1.1_no_user"
    "/Giving_up_on_192.0.2.25./",
    "starting delivery 3: msg 12345 to local c@mx.test",
    "delivery 3: deferral: Unable_to_open_mailbox./",
    "status: local 0/10 remote 1/20",
    "end msg 12345",
)
_UUID = "0A1B2C3D-0000-4000-8000-00000000BEEF.1"
_HARAKA = (
    f"[NOTICE] [{_UUID}] [outbound] delivered file=1_2_3 domain=mx.test host=mx1.test"
    ' ip=192.0.2.25 port=25 mode=SMTP tls=no auth=no response="Ok: queued as 7F" delay=1.5'
    " fails=0 rcpts=1/0/0",
    f"[INFO] [{_UUID}] [core] connect ip=192.0.2.7 port=4711",
    f"[NOTICE] [{_UUID}] [outbound] recipient <b@mx.test> rejected: 550 5.1.1 no such user",
)
_WHOLE = (
    '{"type":"Delivery","id":"x","sender":"a@b.test","recipient":"ann@mx.test","queue":"mx.test",'
    '"peer_address":{"name":"mx1.test.","addr":"192.0.2.25:25"},"timestamp":1790000000,'
    '"response":{"code":250,"enhanced_code":{"class":2,"subject":0,"detail":0},"content":"Ok"}}',
    "type,timeLogged,orig,rcpt,dsnAction,dsnStatus,dsnDiag,dlvDestinationIp",
    'b,2026-11-24 12:44:34+0000,a@b.test,ann@mx.test,failed,5.1.1,"smtp;550 5.1.1 no",192.0.2.25',
    "#Software: Microsoft Exchange Server",
    "#Log-type: SMTP Send Protocol Log",
    "#Fields: date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,"
    "event,data,context",
    "2026-11-24T12:44:34.000Z,c,08DEAD0000000001,0,192.0.2.1:1,192.0.2.25:25,>,MAIL FROM:<a@b>,",
    "2026-11-24T12:44:34.000Z,c,08DEAD0000000001,1,192.0.2.1:1,192.0.2.25:25,<,550 5.7.1 no,",
)


def other_lines() -> list[bytes]:
    """Lines of all other MTAs, in their own envelopes and in those of syslog."""
    syslog = [
        envelope.format(program) + text
        for program, texts_ in (
            *(("sendmail", _SENDMAIL), ("sm-mta", _SENDMAIL), ("smtpd", _OPENSMTPD)),
            *(("qmail", _QMAIL), ("exim", _EXIM), ("haraka", _HARAKA)),
        )
        for envelope in (ENVELOPES[0], ENVELOPES[7])
        for text in texts_
    ]
    own = [f"{_EXIM_STAMP} {text}" for text in _EXIM]
    own += [f"{_EXIM_STAMP}.123 +0200 [77] {text}" for text in _EXIM]
    own += [f"@4000000069244f5c12345678 {text}" for text in _QMAIL]
    own += [f"1790000000.123456 {text}" for text in _QMAIL]
    own += [f"2026-11-24T12:44:34.000Z {text}" for text in _HARAKA]
    return [line.encode("utf-8", "surrogateescape") for line in (*syslog, *own, *_WHOLE)]


def all_lines() -> list[bytes]:
    """Of Postfix and of all others."""
    return [*postfix_lines(), *other_lines()]
