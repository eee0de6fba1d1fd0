"""What the lines of Exim's main log say, in its own file or through syslog.

Exim 4 (github.com/Exim/exim, src/src): deliver.c (delivery_log, deferral_log, failure_log,
string_log_address, d_hostlog), transports/smtp.c and lmtp.c (check_response, write_logs),
smtp_in.c (smtp_handle_acl_fail), receive.c, host.c (host_and_ident), log.c, string.c
(string_printing); chapter "Log files" of its specification for what old versions write.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ..joins import Joins
from ..log_record import Event
from ..octets import octets
from ..rules import COMMANDS
from .record import Entry

# log_timestamp, millisec, log_timezone; log_selector +pid; the two forms of a message id (4.97).
_HEAD: Final = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?: [+-][0-9]{4})? )?"
    r"(?:\[[0-9]{1,10}\] )?"
    r"(?:(?P<id>[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4}))"
    r"(?: |$))?"
)
# log.c, write_syslog(): a line of more than 870 characters, or one with the headers of a rejected
# message behind it, comes in pieces; a backslash says that a piece ends where a line does.
_PIECE: Final = re.compile(r"\[(?P<number>[0-9]{1,5})[/\\][0-9]{1,5}\] ?")
_REJECTED_HEADER: Final = re.compile(r"Envelope-(?:from|to): <|[ A-Z*] [!-9;-~]{1,64}:")

# Words of the program that follow a message id, or stand alone, beside flags and keys.
_ITS_OWN: Final = re.compile(
    r"(?:<=|\(=|=>|->|>>|\*>|==|\*\*)(?: |$)|Completed(?: QT=|$)|(?:[HUFR]|Ci)=\S"
    r"|no (?:IP address|host name) found for |no immediate delivery: |Spool file |Message is frozen"
    r"|rejected from <"
    r"|(?:un)?frozen (?:by )?|Unfrozen by |Frozen(?: \(|$)|(?:removed|cancelled) by "
)
_ALONE: Final = re.compile(
    r"H=(?:[^ (\[]++ )?[(\[]|U=\S++ .*?rejected |F=<"
    r"|no (?:IP address|host name) found for "
    r"|(?:temporarily )?rejected (?:\"|(?:EHLO|HELO|MAIL|XCLIENT) |from <|MAIL FROM:<)"
    r"|too many recipients: |unqualified (?:sender|recipient|verify) |refused connection from "
    r"|Connection from \S++ .*?refused: "
    r"|SMTP (?:connection|call|syntax error|protocol|command|data) "
    r"|(?:Start|End) (?:'\S++ )?queue run: pid=|exim [45]\.\S++ daemon started: pid=",
    re.DOTALL,
)

# deliver.c: what stands in front of a recipient's address.
_STATUS: Final = {
    "=>": "sent",
    "->": "sent",
    ">>": "sent",
    "*>": "sent",
    "==": "deferred",
    "**": "bounced",
}

# receive.c: an ACL or a scan discarded all recipients.
_DISCARDED: Final = re.compile(r"=> blackhole (?!<)")

# A quoted local part may hold whatever it likes; RFC 5321 section 4.5.3.1 bounds it.
_QUOTED: Final = r"\"(?:[^\"\\]|\\.){0,300}+\""
_IN_ANGLES: Final = rf"<(?:{_QUOTED})?[^<>\" ]{{0,999}}+>"
_ADDRESS: Final = re.compile(rf"{_QUOTED}[^ ]*+|[^ ]++", re.DOTALL)
# The addresses between (log_selector +all_parents) and the one at the top.
_PARENTS: Final = re.compile(rf"(?: \([^()]*+\))?(?P<top> {_IN_ANGLES})?", re.DOTALL)
# The top of a pipe, a file or an automatic reply, whose text may hold spaces.
_TOP: Final = re.compile(rf"(?: \([^()]*+\))? (?P<top>{_IN_ANGLES})(?=[ :]|$)", re.DOTALL)
_FIELD: Final = re.compile(
    rf" (?P<key>[A-Z][A-Za-z]{{0,4}})=(?P<value>{_IN_ANGLES}|\"[^\"]*+\"|[^ ]*+)", re.DOTALL
)
# What stands between keys by itself: DNSSEC, TCP fast open, pipelining, CHUNKING, PRDR, SPF, DMARC.
_MARK: Final = re.compile(r" (?:DS|TFO\*{0,2}|L[*.]?-?|K|PRDR|SPF|DMARC)(?=[ :]|$)")
# d_hostlog(), write_logs(): what was spoken to; the star says that the connection was in use.
_SERVER: Final = re.compile(
    r"(?P<name>[^ \[]*+)"
    r"(?:(?: DS)? ?\[(?P<ip>[^\] ]*+)\](?::(?P<port>[0-9]{1,5})(?![0-9]))?\*?)?"
)
# host.c: a name that was looked up, the name of HELO in parentheses, the address.
_CLIENT: Final = re.compile(
    r"(?:(?P<name>[^ (\[]++) )?(?:\((?:(?!\) \[).)*+\) )?"
    r"\[(?P<ip>[^\] ]*+)\](?::(?P<port>[0-9]{1,5})(?![0-9]))?",
    re.DOTALL,
)
_DEFER: Final = re.compile(r"(?: routing)? defer \((?P<number>[^() ]{0,12})\)")
_ERROR_END: Final = re.compile(r"(?: H=| DT=|: |$)")

# What a transport says of a reply, and of none; the commands in front of it.
_SAID: Final = re.compile(
    r"(?P<protocol>SMTP|LMTP|PRDR) error (?:from remote mail(?:er| server) )?after (?:pipelined )?"
)
_UNSAID: Final = re.compile(
    r"(?:[SL]MTP (?:timeout|connection closed) after"
    r"|Remote host closed connection in response to"
    r"|Malformed SMTP reply (?:\(an empty line\) )?in response to) (?:pipelined )?"
)
_COMMAND: Final = re.compile(
    r"(?P<verb>initial connection|end of data|sending data block|[A-Z]{4,8}(?![A-Za-z]))"
    rf"(?: (?:FROM|TO):(?P<address>{_IN_ANGLES}))?",
    re.DOTALL,
)
_STAGES: Final = {
    "initial connection": "CONNECT",
    "end of data": "EOD",
    "sending data block": "EOD",
    "HELO": "EHLO",
    "LHLO": "EHLO",
}
# Exim up to 4.7 put the host here, not behind H=.
_OLD_HOST: Final = re.compile(
    r"host (?P<name>[^ ]{1,255}) \[(?P<ip>[^\] ]{1,64})\](?::(?P<port>[0-9]{1,5}))?: "
)
_CODE: Final = re.compile(r"[0-9]{3}(?![0-9A-Za-z])")
# What stands behind the host without a colon: a 4yz for RCPT, tls-gnu.c's errors, strerror(3).
_COLONLESS: Final = re.compile(
    r" (?:[SL]MTP error |TLS error on |(?!(?:temporarily )?rejected )[A-Za-z][A-Za-z ,'/-]*+$)"
)

# smtp_in.c, receive.c: our own refusals.
_REJECTED: Final = re.compile(r" ?(?P<status>(?:temporarily )?rejected) (?=\S)")
_REJECTED_COMMAND: Final = re.compile(
    r" (?P<status>(?:temporarily )?rejected)"
    r" (?=RCPT |MAIL |DATA(?::|$)|after DATA|EHLO or HELO |AUTH |connection in )"
)
_WHAT: Final = re.compile(
    r"after DATA(?: PRDR)?|during MIME ACL checks|by local_scan\(\)|by non-SMTP ACL|by DCC"
    r"|connection in \"connect\" ACL|EHLO or HELO|from(?= <)|MAIL FROM(?=:<)|MAIL command"
    r"|connection from|\"?(?P<verb>[A-Za-z]{3,10})(?![A-Za-z])"
)
_WHAT_STAGES: Final = {
    "after DATA": "EOD",
    "after DATA PRDR": "EOD",
    "during MIME ACL checks": "EOD",
    "by local_scan()": "EOD",
    "by DCC": "EOD",
    "from": "EOD",
    'connection in "connect" ACL': "CONNECT",
    "connection from": "CONNECT",
    "EHLO or HELO": "EHLO",
    "MAIL FROM": "MAIL",
    "MAIL command": "MAIL",
    "DKIM": "EOD",
    "HELO": "EHLO",
}
_ARGUMENT: Final = re.compile(rf":?(?:(?: |(?<=:))(?P<angles>{_IN_ANGLES})| (?P<bare>[^ <>]++))")
_FROM: Final = re.compile(r"(?: [^\"]*+\")? from ")
_REFUSED_ITS_OWN_WAY: Final = re.compile(
    r"SMTP protocol synchronization error \([^()]*+\): (?P<protocol>rejected) "
    r"|too many recipients: (?:message |excess )(?P<many>(?:temporarily )?rejected): sender="
    r"|unqualified (?P<what>sender|recipient) (?P<unqualified>rejected): (?=<)"
)
_REFUSED_CONNECTION: Final = re.compile(r"(?:refused connection|Connection) from (?:H=)?")
_NO_ADDRESS: Final = re.compile(r"no IP address found for host (?P<name>\S{1,255})$")

# string_printing(): a line feed is \n, other octets that do not print are octal. A backslash that
# the server sent stays single; so \n is a line end only where a line of a reply begins (or where
# the text is cut), and octal digits that stand for a printing character are the server's own.
_PRINTED: Final = re.compile(
    rb"\\n(?=[0-9]{3}(?:[ -]|\\n|$)|[0-9]{0,2}$)|(?:\\(?:0[0-3][0-7]|177|[23][0-7]{2}))++"
)
_BACKSLASHED: Final = re.compile(r"\\(.)", re.DOTALL)
_CONFIRMATION: Final = re.compile(r"(?:[^\"\\]|\\.)*+", re.DOTALL)
# readconf_printtime(), or seconds with milliseconds (log_selector +millisec).
_TIME: Final = re.compile(
    r"(?:(?P<w>[0-9]{1,9})w)?(?:(?P<d>[0-9]{1,9})d)?(?:(?P<h>[0-9]{1,9})h)?"
    r"(?:(?P<m>[0-9]{1,9})m)?(?:(?P<s>[0-9]{1,9}(?:\.[0-9]{1,6})?)s)?"
)
_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}


class _Host(NamedTuple):
    name: str | None = None
    ip: str | None = None
    port: int | None = None


class _Recipient(NamedTuple):
    address: str | None
    end: int


class _Fields(NamedTuple):
    """Keys with their first values, without angle brackets and quotes, and where they end."""

    values: dict[str, str]
    host: _Host
    end: int


class _Message(NamedTuple):
    """What a transport tells: the reply and what it answers, or its own words."""

    text: str
    reply: str | None = None
    stage: str | None = None
    recipient: str | None = None
    host: _Host = _Host()


class Exim:
    """Exim 4, from its main log or from syslog; written after Exim's source of 2026, tried on 4.96.

    Exim claims no enhanced codes of its own, so `dsn` is always None.
    """

    name: Final = "exim"

    def __init__(self, senders: Joins[str] | None = None) -> None:
        self._senders = Joins[str]() if senders is None else senders

    @staticmethod
    def knows(tag: str, text: str) -> bool:
        """Whether it is a line of Exim: by its tag, or by what begins a line of its main log."""
        if tag:
            return tag in ("exim", "exim4")
        head = _HEAD.match(text)
        if head is None:
            return False
        known = _ITS_OWN if head["id"] else _ALONE
        return known.match(text, head.end()) is not None

    def read(self, tag: str, text: str) -> list[Entry]:
        """What the line says."""
        line = text
        piece = _PIECE.match(text) if tag else None
        if piece:
            line = text[piece.end() :]
            if piece["number"].lstrip("0") != "1":
                if _REJECTED_HEADER.match(line):
                    return []
                return [
                    Entry(Event.OTHER, text=text, problem="a piece of a line, without its head")
                ]
        head = _HEAD.match(line)
        queue_id = head["id"] if head else None
        rest = line[head.end() :] if head else line
        if queue_id and rest[2:3] in ("", " "):
            flag = rest[:2]
            if flag in ("<=", "(="):
                self._arrived(queue_id, rest)
                return []
            if flag in _STATUS:
                return [self._delivery(flag, queue_id, rest, text)]
        if queue_id and (rest == "Completed" or rest.startswith("Completed ")):
            self._senders.forget(queue_id)
            return []
        entry = self._attempt(queue_id, rest) or _reject(queue_id, rest)
        return [entry] if entry else []

    def _arrived(self, queue_id: str, rest: str) -> None:
        match = _ADDRESS.match(rest, 3)
        if match:
            self._senders.note(queue_id, "" if match[0] == "<>" else match[0])

    def _sender(self, queue_id: str | None, values: dict[str, str]) -> str | None:
        """The sender as the line has it, as the message arrived with, or the path of its bounce."""
        noted = self._senders.get(queue_id) if queue_id else None
        return values.get("F", values.get("P") if noted is None else noted)

    def _delivery(self, flag: str, queue_id: str, rest: str, text: str) -> Entry:
        status = _STATUS[flag]
        if _DISCARDED.match(rest):
            sender = self._sender(queue_id, {})
            words = rest.removeprefix("=> blackhole ")
            return Entry(
                *(Event.DELIVERY, queue_id, sender, (), "blackhole"), status=status, text=words
            )
        recipient = _recipient(rest, 3)
        if recipient.address is None:
            return Entry(*(Event.OTHER, queue_id), status=status, text=text, problem="no recipient")
        if status == "sent":
            fields, message, delay = _sent(rest, recipient.end)
        else:
            read = _deferred if status == "deferred" else _bounced
            fields, message = read(rest, recipient.end)
            delay = None
        host = fields.host if fields.host != _Host() else message.host
        if status == "sent" and host == _Host():  # a local one; Exim names the transport
            host = _Host(fields.values.get("T", _blackhole(rest)))
        return Entry(
            Event.DELIVERY,
            queue_id,
            self._sender(queue_id, fields.values),
            (recipient.address,),
            *host,
            delay,
            status,
            message.reply,
            message.stage,
            text=(message.text or None) if message.reply is None else None,
        )

    def _attempt(self, queue_id: str | None, rest: str) -> Entry | None:
        """What a host said, or that it could not be talked to, before another one is tried."""
        sender = self._sender(queue_id, {})
        missing = _NO_ADDRESS.match(rest)
        if missing:
            host = _Host(missing["name"])
            return Entry(Event.CONNECTION, queue_id, sender, (), *host, text=rest)
        match = _SERVER.match(rest, 2) if rest.startswith("H=") else None
        if match is None or match["ip"] is None:
            return None
        told = rest[match.end() :]
        if told.startswith(": "):
            told = told[2:]
        elif _COLONLESS.match(told):
            told = told[1:]
        else:
            return None
        message = _message(told, has_host=True)
        if message.reply is None:
            return Entry(
                *(Event.CONNECTION, queue_id, sender, (), *_host(match)),
                stage=message.stage,
                text=message.text,
            )
        recipients = () if message.recipient is None else (message.recipient,)
        return Entry(
            *(Event.ATTEMPT, queue_id, sender, recipients, *_host(match)),
            reply=message.reply,
            stage=message.stage,
        )


def _host(match: re.Match[str]) -> _Host:
    port = match["port"]
    return _Host(match["name"] or None, match["ip"] or None, int(port) if port else None)


def _recipient(rest: str, start: int) -> _Recipient:
    """The address behind a flag, or the one at the top where a pipe or a file stands there."""
    if rest.startswith(("|", "/", ">", "save "), start):
        match = _TOP.search(rest, start)
        if match:
            return _Recipient(_bare(match["top"]), match.end())
    match = _ADDRESS.match(rest, start)
    if match is None:
        return _Recipient(None, start)
    first, end = match[0], match.end()
    if first.endswith(":") and not first.startswith(":"):
        first, end = first[:-1], end - 1
    parents = _PARENTS.match(rest, end)
    top = _bare(parents["top"].strip()) if parents and parents["top"] else None
    end = parents.end() if parents else end
    if "@" in first:
        return _Recipient(first, end)
    if top is not None:
        return _Recipient(top if "@" in top else first, end)
    is_address = end == len(rest) or rest.startswith((": ", " : "), end)
    if is_address or _FIELD.match(rest, end) or _DEFER.match(rest, end):
        return _Recipient(first, end)
    # An address that could not be routed may hold spaces, too.
    match = _TOP.search(rest, end)
    if match and _FIELD.match(rest, match.end()):
        return _Recipient(_bare(match["top"]), match.end())
    return _Recipient(None, end)  # words: "mua_wrapper is set but …"


def _blackhole(rest: str) -> str | None:
    return ":blackhole:" if rest.startswith(":blackhole:", 3) else None


def _bare(written: str) -> str:
    """Without the angle brackets or the quotes around it."""
    if len(written) > 1 and written[0] + written[-1] in ("<>", '""'):
        return written[1:-1]
    return written


def _fields(rest: str, start: int, *, stop: str = "") -> _Fields:
    """The keys from `start` on; the key `stop` ends them."""
    values: dict[str, str] = {}
    host = _Host()
    end = start
    while True:
        match = _FIELD.match(rest, end)
        if match is None:
            mark = _MARK.match(rest, end)
            if mark is None:
                return _Fields(values, host, end)
            end = mark.end()
            continue
        key, value, last = match["key"], match["value"], match.end()
        if key == stop:
            return _Fields(values, host, end)
        if key == "H" and "H" not in values:
            server = _SERVER.match(rest, match.start("value"))
            if server:
                host, value, last = _host(server), server[0], server.end()
        if value.endswith(":"):  # the colon in front of the message
            value, last = value[:-1], last - 1
            if host.name and host.name.endswith(":"):
                host = host._replace(name=host.name[:-1] or None)
        values.setdefault(key, _bare(value))
        end = last


def _sent(rest: str, start: int) -> tuple[_Fields, _Message, float | None]:
    """A delivery: its fields, what the server said, and the time in the queue."""
    fields = _fields(rest, start, stop="C")
    # A quote in the reply has a backslash before it: this can be no part of it.
    at = rest.rfind(' C="', fields.end)
    if at < 0:
        return fields, _Message(""), _time_in_queue(rest[fields.end :], fields.values)
    confirmation = _CONFIRMATION.match(rest, at + 4)
    said = confirmation[0] if confirmation else ""
    reply = _unprinted(_BACKSLASHED.sub(r"\1", said)).rstrip("\n")
    delay = _time_in_queue(rest[at + 4 + len(said) :], fields.values)
    if not _CODE.match(reply):
        return fields, _Message(reply), delay
    return fields, _Message("", reply, "EOD"), delay


def _time_in_queue(tail: str, values: dict[str, str]) -> float | None:
    for word in tail.rsplit(" ", 2)[-2:]:
        if word.startswith("QT="):
            return _seconds(word[3:])
    return _seconds(values.get("QT", ""))


def _seconds(written: str) -> float | None:
    match = _TIME.fullmatch(written)
    if match is None or not written:
        return None
    return sum(float(match[unit] or 0) * length for unit, length in _SECONDS.items())


def _deferred(rest: str, start: int) -> tuple[_Fields, _Message]:
    """`== address … defer (number)[: error][ H=…][ DT=…][: message]`."""
    fields = _fields(rest, start)
    match = _DEFER.match(rest, fields.end)
    if match is None:
        return fields, _message(rest[fields.end :].lstrip(" "), has_host=False)
    end = match.end()
    error = ""
    if match["number"].strip("-0") and "-" not in match["number"] and rest.startswith(": ", end):
        stop = _ERROR_END.search(rest, end + 2)
        error = rest[end + 2 : stop.start() if stop else len(rest)]
        end += 2 + len(error)
    behind = _fields(rest, end)
    told = rest[behind.end :].removeprefix(":").lstrip(" ")
    if "DT" not in behind.values:
        told = _without_time(told)
    fields = _Fields(fields.values | behind.values, behind.host, behind.end)
    return fields, _with_error(error, _message(told, has_host=fields.host != _Host()))


def _bounced(rest: str, start: int) -> tuple[_Fields, _Message]:
    """`** address … ( : |: )[error : ]message[ DT=…]`."""
    fields = _fields(rest, start)
    told = rest[fields.end :].lstrip(" ").removeprefix(":").lstrip(" ")
    message = _message(_without_time(told), has_host=fields.host != _Host())
    if message.stage is None and message.reply is None:
        error, _, behind = message.text.partition(" : ")
        if _SAID.match(behind) or _UNSAID.match(behind):
            return fields, _with_error(error, _message(behind, has_host=fields.host != _Host()))
    return fields, message


def _with_error(error: str, message: _Message) -> _Message:
    return message._replace(text=": ".join(part for part in (error, message.text) if part))


def _without_time(told: str) -> str:
    """Without the time of delivery that log_selector +deliver_time puts behind a message."""
    before, mark, last = told.rpartition(" DT=")
    if not mark and last.startswith("DT="):
        last, mark = last[3:], "DT="
    return before if mark and last and _TIME.fullmatch(last) else told


def _message(told: str, *, has_host: bool) -> _Message:
    """What a transport tells: `… after command: reply`, or what else went wrong."""
    match = _SAID.match(told)
    lost = None if match else _UNSAID.match(told)
    start = match.end() if match else lost.end() if lost else -1
    command = _COMMAND.match(told, start) if start >= 0 else None
    if command is None:
        return _Message(_unprinted(told))
    stage: str | None = _STAGES.get(command["verb"], command["verb"])
    stage = stage if stage in COMMANDS else None
    address = command["address"]
    recipient = _bare(address) if address and stage == "RCPT" else None
    if match is None:
        return _Message(_unprinted(told), None, stage, recipient)
    # transports/smtp.c: with LMTP and PRDR these are the replies for each recipient after the dot.
    of_each = match["protocol"] == "PRDR" or (match["protocol"] == "LMTP" and has_host)
    if of_each and stage in ("DATA", "BDAT"):
        stage = "EOD"
    at = told.find(": ", command.end())
    said = told[at + 2 :] if at >= 0 else ""
    old = _OLD_HOST.match(said)
    host = _host(old) if old else _Host()
    said = said[old.end() :] if old else said
    if not _CODE.match(said):
        return _Message(_unprinted(told), None, stage, recipient, host)
    return _Message(_unprinted(told), _unprinted(said).rstrip("\n"), stage, recipient, host)


def _unprinted(written: str) -> str:
    """What string_printing() made of octets that do not print, made octets again."""
    if "\\" not in written:
        return written
    # Some octets of a letter may stand there as they are.
    return _PRINTED.sub(_octets, octets(written)).decode("utf-8", "surrogateescape")


def _octets(match: re.Match[bytes]) -> bytes:
    if match[0] == b"\\n":
        return b"\n"
    return bytes(int(number, 8) for number in match[0][1:].split(b"\\"))


def _reject(queue_id: str | None, rest: str) -> Entry | None:
    """What this server refused, of which the log has the reason but not always the reply."""
    match = _REFUSED_ITS_OWN_WAY.match(rest)
    if match:
        return _reject_its_own_way(queue_id, rest, match)
    match = _REFUSED_CONNECTION.match(rest)
    if match:
        client = _CLIENT.match(rest, match.end())
        if client is None or (rest[0] == "C" and " refused: " not in rest[client.end() :]):
            return None
        host = _host(client)
        return Entry(
            *(Event.REJECT, queue_id, None, (), *host), status="refused", stage="CONNECT", text=rest
        )
    fields = _client_fields(f" {rest}", 0)
    end = fields.end - 1
    match = _REJECTED.match(rest, max(end, 0))
    if match is None and end >= 0 and ("U" in fields.values or "A" in fields.values):
        # What ident or AUTH tells of a client may hold spaces.
        match = _REJECTED_COMMAND.search(rest, end)
        at = rest.rfind(" F=<", end, match.start()) if match else -1
        if at >= 0:
            fields = fields._replace(values=fields.values | _fields(rest, at).values)
    if match is None:
        return None
    return _reject_of(queue_id, rest, match.end(), match["status"], fields)


def _reject_of(
    queue_id: str | None, rest: str, start: int, status: str, fields: _Fields
) -> Entry | None:
    what = _WHAT.match(rest, start)
    if what is None:
        return Entry(
            *(Event.REJECT, queue_id, fields.values.get("F"), (), *fields.host),
            status=status,
            text=rest,
        )
    verb = what[0].strip('"')
    stage: str | None = _WHAT_STAGES.get(verb, verb.upper())
    stage = stage if stage in COMMANDS else None
    recipients: tuple[str, ...] = ()
    sender, end = fields.values.get("F"), what.end()
    argument = _ARGUMENT.match(rest, end)
    if argument and verb in ("RCPT", "MAIL", "MAIL FROM", "from"):
        address = _bare((argument["angles"] or argument["bare"]).rstrip(":"))
        if stage == "RCPT":
            recipients = (address,) if "@" in address or argument["angles"] else ()
        elif argument["angles"]:
            sender = address
        end = argument.end() - argument[0].endswith(":")
    if fields.host == _Host():
        # What is refused without an ACL has its client behind it.
        fields = _client_fields(rest, end)
        behind = _FROM.match(rest, what.end())
        client = _CLIENT.match(rest, behind.end()) if behind else None
        fields = fields._replace(host=_host(client)) if client else fields
    at = rest.find(": ", end)
    text = rest[at + 2 :] if at >= 0 else ""
    reply = None
    if text.startswith("4" if status.startswith("temp") else "5") and _CODE.match(text):
        reply, text = text, ""
    return Entry(
        *(Event.REJECT, queue_id, sender, recipients, *fields.host),
        status=status,
        reply=reply,
        stage=stage,
        text=_unprinted(text) or None,
    )


def _reject_its_own_way(queue_id: str | None, rest: str, match: re.Match[str]) -> Entry | None:
    """Lines that begin with what is wrong."""
    if match["protocol"]:
        at = rest.find(" H=", match.end())
        fields = _client_fields(rest, at) if at >= 0 else _Fields({}, _Host(), match.end())
        entry = _reject_of(queue_id, rest, match.end(), "rejected", fields)
        return entry._replace(recipients=(), text=rest) if entry else None
    angles = _ADDRESS.match(rest, match.end())
    address = _bare(angles[0]) if angles else None
    host = _client_fields(rest, angles.end()).host if angles else _Host()
    is_sender = match["what"] != "recipient"
    return Entry(
        Event.REJECT,
        queue_id,
        address if is_sender else None,
        () if is_sender or address is None else (address,),
        *host,
        status=match["many"] or match["unqualified"],
        stage="RCPT" if match["many"] or not is_sender else "MAIL",
        text=rest,
    )


def _client_fields(rest: str, start: int) -> _Fields:
    """The keys of a line about a client, from the space at `start` on."""
    before = _fields(rest, start, stop="H")
    at = before.end
    if not rest.startswith(" H=", at):
        return before
    client = _CLIENT.match(rest, at + 3)
    if client is None:
        return before
    behind = _fields(rest, client.end())
    return _Fields(before.values | behind.values, _host(client), behind.end)
