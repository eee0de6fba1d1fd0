"""What Postfix logs of deliveries, replies and rejects.

Facts: Postfix 3.12-20260821 (github vdukhovni/postfix @17830e5): src/global/log_adhoc.c, sent.c,
bounce.c, verify.c and trace.c, src/smtp/smtp_proto.c, smtp_trouble.c, smtp_chat.c, smtp_connect.c
and smtp_sasl_glue.c, src/qmgr/qmgr_active.c and qmgr_deliver.c, src/smtpd/smtpd_check.c and
smtpd.c, src/postscreen/postscreen.c and postscreen_smtpd.c, src/cleanup/cleanup_message.c and
cleanup_milter.c, src/milter/milter8.c, src/util/msg_logger.c; and lines of Postfix 3.7.11.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ..joins import Joins
from ..log_record import Event
from .record import Entry

# `syslog_name`, "postfix" or the name of an instance, and the program; RFC 5424 may leave only the
# former. Policy servers in Perl call themselves alike.
_TAG: Final = re.compile(r"postfix(?:-(?!policyd)[^/\s]*+)?+(?:/|$)")
# Whoever has changed `syslog_name` still has these behind it, and a queue id or NOQUEUE in front.
_PROGRAM: Final = re.compile(
    r"[^/\s]++(?:/[^/\s]++)*?/(?:smtpd?|lmtp|relay|local|virtual|pipe|error|retry|discard"
    r"|o?qmgr|postscreen|cleanup|pickup|bounce)"
)
_QUEUE_ID: Final = re.compile(r"[0-9A-Za-z]{5,40}")
_SEVERITIES: Final = frozenset({"warning", "error", "fatal", "panic"})

# No group captures within a possessive one: Python may not find it (CPython issue 101955).

# An address in <>, up to what stands behind it; a quoted local part may contain that too.
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"'


def _address(behind: str) -> str:
    return rf"(?:{_QUOTED})?[^>]*+(?:>(?!{behind})[^>]*+)*+"


# log_adhoc(). A status stands behind the keys; all that is behind it may be the server's words.
_DELIVERY: Final = re.compile(
    rf"to=<(?P<to>{_address(', (?:orig_to=<|relay=)')})>"
    rf"(?:, orig_to=<{_address(', relay=')}>)?+"
    r", relay=(?P<relay>[^,]*+)"
    r"(?P<keys>(?:, (?!status=)[a-z_]++=[^,]*+)*+)"
    r", status=(?P<status>[A-Za-z-]++)(?: \((?P<reason>.*+))?",
    re.DOTALL,
)
_OUTCOMES: Final = frozenset({"sent", "bounced", "deferred", "SOFTBOUNCE"})
# Nobody's mail, but a question whether there is a mailbox (verify(8), `sendmail -bv`).
_PROBES: Final = frozenset(
    {"deliverable", "undeliverable", "undeliverable-but-not-cached", "expanded", "relayed"}
)
_POSITIVE: Final = frozenset({"sent", "deliverable"})
# qmgr(8) and pickup(8).
_FROM: Final = re.compile(
    rf"(?:uid=[0-9]++ )?from=<(?P<sender>{_address('(?:, (?:size|status)=| orig_id=|$)')})>"
    r"(?:, status=(?P<status>[a-z-]++), (?P<text>.*+))?",
    re.DOTALL,
)

# smtp(8) and lmtp(8): host[address], host[path] or a host alone, with or without a port.
_PEER: Final = r"[^\s\[\]]*+(?:\[[^\]]*+\](?::[0-9]++)?+)?+"
_PARTS_OF_PEER: Final = re.compile(
    r"(?P<host>[^\[\]]*+)(?:\[(?P<ip>[^\]]*+)\](?::(?P<port>[0-9]{1,5}))?)?"
)
_UNKNOWN: Final = frozenset({"", "-", "none", "unknown"})
# error(8) and retry(8) quote smtp(8); Postfix before 2.3 named a probe's server twice.
_QUOTING: Final = rf"(?:delivery temporarily suspended: )*+(?:delivery via {_PEER}: )?+"
_SAID: Final = re.compile(
    rf"{_QUOTING}(?:Protocol error: )?+(?P<lead>(?:TLS is required, but |Sender requested "
    r"REQUIRETLS, but )?+host |SASL (?:\[CACHED\] )?+authentication failed; server )"
    rf"(?P<peer>{_PEER}) (?P<verb>said|refused to talk to me|refused to start TLS): "
)
# A greeting or EHLO is meant by the second; which of them, nobody is told.
_STAGE_OF_VERB: Final = {"refused to talk to me": "CONNECT", "refused to start TLS": "STARTTLS"}
_IN_REPLY_TO: Final = " (in reply to "
# smtp_proto.c: xfer_request.
_STAGE_OF_COMMAND: Final = {
    "XFORWARD name/address command": "XFORWARD",
    "XFORWARD helo/protocol command": "XFORWARD",
    "MAIL FROM command": "MAIL",
    "RCPT TO command": "RCPT",
    "DATA command": "DATA",
    "end of DATA command": "EOD",
    "final RSET command": "RSET",
    "RSET probe": "RSET",
    "QUIT command": "QUIT",
}
# Trouble without a reply, as it begins, and what would have been answered.
_TROUBLE: Final = re.compile(
    rf"{_QUOTING}(?:(?:lost connection with|conversation with) (?P<peer>{_PEER})"
    r"(?: timed out)?+ while (?P<doing>[A-Za-z /]*+)"
    rf"|connect to (?P<target>{_PEER}): "
    rf"|(?P<tls>TLS is required, but|Cannot start TLS: |Server certificate not )"
    rf"(?: was not offered by host (?P<plain>{_PEER}))?"
    rf"|(?P<sasl>SASL authentication failed[;:])(?: cannot authenticate to server "
    rf"(?P<strange>{_PEER}):)?"
    rf"|local data error while talking to (?P<local>{_PEER})"
    r"|unexpected server message|client TLS configuration problem)"
)
# smtp_proto.c: xfer_states and `where`. HELO and LHLO count as EHLO.
_STAGE_OF_DOING: Final = {
    "receiving the initial server greeting": "CONNECT",
    "performing the EHLO handshake": "EHLO",
    "performing the HELO handshake": "EHLO",
    "performing the LHLO handshake": "EHLO",
    "receiving the STARTTLS response": "STARTTLS",
    "sending XFORWARD name/address": "XFORWARD",
    "sending XFORWARD protocol/helo": "XFORWARD",  # _name
    "sending MAIL FROM": "MAIL",
    "sending RCPT TO": "RCPT",
    "sending DATA command": "DATA",
    "sending message body": "EOD",
    "sending end of data ": "EOD",  # -- message may be sent more than once
    "sending final RSET": "RSET",
    "sending RSET probe": "RSET",
    "sending QUIT": "QUIT",
}
_CONNECT: Final = re.compile(
    rf"(?:connect to|(?P<tls>SSL_connect error to)) (?P<peer>{_PEER}): ", re.DOTALL
)

# smtp_chat.c takes three digits with more behind them for no reply; they stand in front of one.
_REPLY: Final = re.compile(r"[0-9]{3}(?![0-9])")
_ACCEPTED: Final = re.compile(
    rf"(?:delivery via {_PEER}: )?+(?P<reply>[0-9]{{3}}(?![0-9]).*+)", re.DOTALL
)
_CONTINUED: Final = re.compile(r"([0-9]{3})-")
# A line end has become a space; a question mark where SASL failed, two where a milter said so.
_LINE_END: Final = re.compile(r"(?: |\?{1,2})(?P<code>[0-9]{3})(?=(?P<last>[- ]|$))")

# log_whatsup() of smtpd(8), postscreen(8), milters in smtpd(8) and cleanup(8), header_checks.
_REJECT: Final = re.compile(
    r"(?:(?:NOQUEUE|(?P<id>[0-9A-Za-z]{5,40})): )?"
    r"(?P<action>(?:milter-(?:(?:header|body)-)?+|proxy-)?+reject): ",
)
_WHERE: Final = re.compile(
    rf"(?P<where>[A-Za-z-]++)(?P<content> content)?(?: from (?P<client>{_PEER}))?: "
)
_CONTENT: Final = re.compile(r"(?:header|body|content|mime-error) ")
_ORIGIN: Final = re.compile(_PEER)
_STAGE_OF_WHERE: Final = {"HELO": "EHLO", "END-OF-MESSAGE": "EOD", "UNKNOWN": None}
# All that is behind the last ";": a client may say one, but not what looks like all of this.
_VALUE: Final = rf'(?:{_QUOTED}[^">]*+|[^">]*+)'
_KEYS: Final = re.compile(
    rf"(?=.)(?: from=<(?P<sender>{_VALUE})>)?(?:,? to=<(?P<to>{_VALUE})>)?"
    r"(?:,? proto=[^\s,:;]*+)?+(?:,? helo=<(?:[^>]|>(?=[^:\s]))*+>)?+(?: sasl_.*+)?+"
    r"(?:: (?P<behind>.*+))?",
    re.DOTALL,
)
# msg_logger.c and msg_syslog.c: MSG_LOGGER_RECLEN and MSG_SYSLOG_RECLEN; no text is longer.
_MOST_OCTETS: Final = 2000
_DSN: Final = re.compile(r"(?P<dsn>[245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


class _Peer(NamedTuple):
    """The parts of host[address]:port."""

    host: str | None
    ip: str | None
    port: int | None


class _Words(NamedTuple):
    """What stands behind a status: a reply and what it answers, or Postfix's own words."""

    peer: str
    reply: str | None
    stage: str | None
    text: str | None


class Postfix:
    """Postfix 2 and 3, all its programs; the grammar is that of their sources, see above."""

    name: Final = "postfix"

    def __init__(self, senders: Joins[str] | None = None) -> None:
        self._senders = Joins[str]() if senders is None else senders

    @staticmethod
    def knows(tag: str, text: str) -> bool:
        """Whether one of Postfix's programs has written a line, by the name that it bears."""
        if _TAG.match(tag):
            return True
        if not _PROGRAM.fullmatch(tag):
            return False
        head = text[:42].partition(": ")[0]
        return head not in _SEVERITIES and bool(_QUEUE_ID.fullmatch(head))

    def read(self, tag: str, text: str) -> list[Entry]:
        """What the line says; nothing, if it tells of no delivery, reply or reject."""
        entry = self._entry(text)
        return [entry] if entry else []

    def _entry(self, text: str) -> Entry | None:
        if text.startswith(("connect to ", "SSL_connect error to ")):
            return _connection(text)
        head, colon, rest = text.partition(": ")
        if not colon:
            return None
        match = _REJECT.match(text)
        if match:
            return _reject(text, match["id"], match["action"], text[match.end() :])
        if head == "warning":
            # What the server thinks of XFORWARD does not matter to the delivery.
            return self._attempt(text, None, rest) if rest.startswith("host ") else None
        if head in _SEVERITIES or not _QUEUE_ID.fullmatch(head):
            return None
        if rest.startswith("to=<"):
            return self._delivery(text, head, rest)
        if rest.startswith(("from=<", "uid=")):
            return self._sender(head, rest)
        if rest == "removed":
            self._senders.forget(head)
            return None
        if rest.startswith("status=deferred ("):  # bounce.c: the sender could not be told
            words = rest.partition("(")[2].removesuffix(")")
            return Entry(
                Event.ATTEMPT, head, self._senders.get(head), status="deferred", text=words
            )
        return self._attempt(text, head, rest)

    def _sender(self, queue_id: str, rest: str) -> Entry | None:
        match = _FROM.match(rest)
        if not match:
            return None
        sender = match["sender"]
        self._senders.note(queue_id, sender)
        if not match["status"]:
            return None
        return Entry(
            Event.DELIVERY, queue_id, sender, status=match["status"], text=match["text"] or None
        )

    def _delivery(self, text: str, queue_id: str, rest: str) -> Entry:
        match = _DELIVERY.match(rest)
        if not match:
            return Entry(
                Event.OTHER, queue_id, problem="a delivery without a relay or a status", text=text
            )
        keys = dict(key.partition("=")[::2] for key in match["keys"].split(", "))
        status = match["status"]
        if status not in _OUTCOMES and status not in _PROBES:
            return Entry(Event.OTHER, queue_id, problem="an unknown status", text=text)
        relay = _peer(match["relay"])
        reason = match["reason"] or ""
        is_whole = reason.endswith(")")
        reason = reason.removesuffix(")")
        # Programs that deliver by themselves, without an address, have no reply to tell.
        accepted = _ACCEPTED.match(reason) if relay.ip and status in _POSITIVE else None
        if accepted:
            words = _accepted(accepted["reply"], status, is_whole=is_whole)
        else:
            words = _words(reason, is_whole=is_whole)
        return Entry(
            Event.ATTEMPT if status in _PROBES else Event.DELIVERY,
            queue_id,
            self._senders.get(queue_id),
            (match["to"],),
            *relay,
            delay=_number(keys.get("delay")),
            status=status,
            reply=words.reply,
            stage=words.stage,
            dsn=keys.get("dsn"),
            text=words.text,
        )

    def _attempt(self, text: str, queue_id: str | None, rest: str) -> Entry | None:
        """What went wrong with one server, before another one is tried."""
        if not _SAID.match(rest) and not _TROUBLE.match(rest):
            if rest.startswith("host ") and (" said: " in rest or " refused to " in rest):
                return Entry(Event.OTHER, queue_id, problem="a reply without a server", text=text)
            return None
        words = _words(rest, is_whole=False)
        return Entry(
            Event.CONNECTION if words.reply is None else Event.ATTEMPT,
            queue_id,
            self._senders.get(queue_id) if queue_id else None,
            (),
            *_peer(words.peer),
            reply=words.reply,
            stage=words.stage,
            text=words.text,
        )


def _connection(text: str) -> Entry:
    match = _CONNECT.match(text)
    if not match:
        return Entry(Event.OTHER, problem="a connection without a server", text=text)
    stage = "STARTTLS" if match["tls"] else "CONNECT"
    return Entry(Event.CONNECTION, None, None, (), *_peer(match["peer"]), stage=stage, text=text)


def _peer(words: str) -> _Peer:
    """Host, address and port of what a relay or a client is called."""
    match = _PARTS_OF_PEER.fullmatch(words)
    if not match:
        return _Peer(words, None, None)
    host, ip = match["host"], (match["ip"] or "").removeprefix("IPv6:")
    return _Peer(
        None if host in _UNKNOWN else host,
        None if ip in _UNKNOWN else ip,
        int(match["port"]) if match["port"] else None,
    )


def _number(words: str | None) -> float | None:
    try:
        return float(words or "")
    except ValueError:
        return None


def _words(words: str, *, is_whole: bool) -> _Words:
    """What the words of smtp(8) say; `is_whole`: nothing has been cut off behind them."""
    said = _SAID.match(words)
    if not said:
        return _trouble(words)
    reply = words[said.end() :]
    stage = _STAGE_OF_VERB.get(said["verb"])
    if said["lead"].startswith("SASL"):
        stage = "AUTH"
    elif stage is None:
        # The server may have said as much, but then it is not the last, or more stands behind it.
        before, marker, command = reply.rpartition(_IN_REPLY_TO)
        stages = _stages_answered(command.removesuffix(")")) if marker else set()
        if stages:
            reply = before
            is_whole = True
        if len(stages) == 1:
            stage = stages.pop()
    return _Words(said["peer"], _unfolded(reply, is_whole=is_whole), stage, None)


def _stages_answered(command: str) -> set[str]:
    """What the words behind "in reply to" stand for: some of it, where they have been cut."""
    return {stage for whole, stage in _STAGE_OF_COMMAND.items() if whole.startswith(command)}


def _accepted(reply: str, status: str, *, is_whole: bool) -> _Words:
    """A reply that stands alone: to the mail, or to RCPT or DATA of a probe."""
    stage = "EOD" if status == "sent" else "DATA" if reply.startswith("3") else "RCPT"
    return _Words("", _unfolded(reply, is_whole=is_whole), stage, None)


def _trouble(words: str) -> _Words:
    """Words without a reply, with the server and the stage if they tell them."""
    match = _TROUBLE.match(words)
    if not match:
        return _Words("", None, None, words or None)
    stage = None
    if match["doing"]:
        stage = _STAGE_OF_DOING.get(match["doing"])
    elif match["target"] is not None:
        stage = "CONNECT"
    elif match["tls"]:
        stage = "STARTTLS"
    elif match["sasl"]:
        stage = "AUTH"
    peers = match.group("peer", "target", "plain", "strange", "local")
    return _Words(next(filter(None, peers), ""), None, stage, words)


def _unfolded(reply: str, *, is_whole: bool) -> str:
    r"""The lines of a reply, with "\n" between them; only a first line with "-" has others.

    The last line should have the code of the first one. A whole reply which has no such line ends
    with one of another code.
    """
    first = _CONTINUED.match(reply)
    if not first:
        return reply
    ends: list[re.Match[str]] = []
    other = None
    for match in _LINE_END.finditer(reply, first.end()):
        if match["code"] == first[1]:
            ends.append(match)
            other = None
            if match["last"] != "-":
                break
        elif match["last"] != "-" and match["code"][0] in "2345":
            other = match
    if other and is_whole:
        ends.append(other)
    lines = []
    start = 0
    for match in ends:
        lines.append(reply[start : match.start()])
        start = match.start("code")
    return "\n".join([*lines, reply[start:]])


def _reject(text: str, queue_id: str | None, action: str, rest: str) -> Entry:
    keys = _keys(rest)
    front = rest[: keys.start() - 1] if keys else rest.removesuffix(";")
    behind = keys["behind"] if keys else None
    parts = _content(front, behind) if _CONTENT.match(rest) else _command(front)
    if parts is None:
        return Entry(Event.OTHER, queue_id, problem="a reject without a client", text=text)
    client, stage, said = parts
    reply, dsn, words = _rejection(said)
    recipient = keys["to"] if keys else None
    return Entry(
        Event.REJECT,
        queue_id,
        keys["sender"] if keys else None,
        (recipient,) if recipient and recipient != "unknown" else (),
        *_peer(client),
        status=action,
        reply=reply,
        stage=stage,
        dsn=dsn,
        text=words,
    )


def _command(front: str) -> tuple[str, str | None, str] | None:
    """Client, stage and what it was told, of `RCPT from host[address]: 550 …`."""
    match = _WHERE.match(front)
    if not match:
        return None
    command = match["where"].upper()
    stage = "EOD" if match["content"] else _STAGE_OF_WHERE.get(command, command)
    return match["client"] or "", stage, front[match.end() :]


def _content(front: str, behind: str | None) -> tuple[str, str | None, str] | None:
    """The same of `header Subject: … from host[address]`; behind the keys stands what is told."""
    content, origin, client = front.rpartition(" from ")
    if not origin or not _ORIGIN.fullmatch(client):
        return None
    if "[" not in client:  # no client of smtpd(8): pickup(8) has it
        return "", None, behind or content
    return client, "EOD", behind or content


def _rejection(said: str) -> tuple[str | None, str | None, str | None]:
    """Reply, enhanced code and words: cleanup(8) logs no reply code."""
    if _REPLY.match(said):
        return _unfolded(said, is_whole=True), None, None
    match = _DSN.match(said)
    if match:
        return None, match["dsn"], said[match.end() :] or None
    return None, None, said or None


def _keys(rest: str) -> re.Match[str] | None:
    """`from=<…> to=<…> proto=… helo=<…>` at the end, the last that can be meant."""
    first = max(0, len(rest) - _MOST_OCTETS)
    end = rest.rfind(";", first)
    while end >= 0:
        match = _KEYS.fullmatch(rest, end + 1)
        if match and not match[0].startswith(":"):
            return match
        end = rest.rfind(";", first, end)
    return None
