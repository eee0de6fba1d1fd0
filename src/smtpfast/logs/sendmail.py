"""What Sendmail logs: one line for each attempt to deliver, one for each thing it refuses.

Grammar: giveresponse(), logdelivery() of sendmail/deliver.c, rscheck() of parseaddr.c, MILTER_REPLY
and smtp_data() of srvrsmtp.c, smtpdata() of usersmtp.c; real lines of 8.17.1.9, escapes too.
"""

from __future__ import annotations

import re
from typing import Final

from ..joins import Joins
from ..log_record import Event
from ..octets import octets
from .record import Entry
from .values import IP

# Who logs as what: the daemon and the client queue of the distributions, or just the program.
_TAG: Final = re.compile(
    r"sendmail(?:[-_.][0-9A-Za-z_.-]*)?|sm-(?:mta|msp|que|client|acceptingconn)[0-9A-Za-z_-]*"
)
# Solaris: what syslogd puts in front of a message.
_MESSAGE_ID: Final = re.compile(r"\[ID [0-9]+ [a-z0-9]+\.[a-z]+\] ")
# queue.c: 14 letters and digits, more with pids over 99999, 8 before 8.10.
_QUEUE_ID: Final = re.compile(r"(NOQUEUE|(?=[A-Za-z]*+[0-9])[0-9A-Za-z]{8,20}): ")

# What sm_syslog() makes of a line; the bytes of a letter of UTF-8 stand side by side.
_ESCAPE: Final = re.compile(r"((?:\\[0-3][0-7]{2})++)|\\([\\ntr])")
_ESCAPED: Final = {"\\": "\\", "n": "\n", "t": "\t", "r": "\r"}

# An address ends at a comma; quoted strings, and brackets, may hold some.
_QUOTED: Final = r'"(?:[^"\\]++|\\.)*+"'
_BRACKETED: Final = rf'<(?:[^<>"]++|{_QUOTED})*+>'
_ADDRESS: Final = re.compile(rf'(?:[^",<]++|{_BRACKETED}|{_QUOTED}|<)*+', re.DOTALL)

_KEY: Final = re.compile(r", ([a-z_]+)=")
_DELAY: Final = re.compile(r"(?:([0-9]{1,9})\+)?([0-9]{1,9}):([0-9]{2}):([0-9]{2})")
_REPLY: Final = re.compile(r"[0-9]{3}(?![^ \r\n-])")
_STAT: Final = ", stat="
_COPY: Final = ", stat=Deferred: "

# What is tried again without the word Deferred: deliver(), where it looks at the exit status.
_TRIED_AGAIN: Final = ("Deferred", "I/O error", "Operating system error")
# Mailers of a system by itself, which have no relay.
_LOCAL_MAILERS: Final = frozenset({"local", "prog", "*file*"})

# Which command a ruleset is asked at (srvrsmtp.c, main.c, collect.c).
_RULESET_STAGES: Final = {
    "check_relay": "CONNECT",
    "greet_pause": "CONNECT",
    "tls_client": "STARTTLS",
    "check_mail": "MAIL",
    "check_rcpt": "RCPT",
    "check_data": "DATA",
    "check_eoh": "EOD",
    "check_eom": "EOD",
    "check_etrn": "ETRN",
    "check_vrfy": "VRFY",
    "check_expn": "EXPN",
}
# Rulesets that look at the server which a message is for.
_OUTGOING_RULESETS: Final = frozenset({"tls_server", "tls_rcpt", "try_tls"})
# "Milter: data" stands for the end of the message, "Milter: cmd=data" for the command.
_MILTER_STAGES: Final = {
    "connect": "CONNECT",
    "helo": "EHLO",
    "from": "MAIL",
    "to": "RCPT",
    "cmd": "DATA",
    "data": "EOD",
}
_PROTOCOL_ERROR: Final = re.compile(r"(\S++)(?<=:) SMTP (MAIL|RCPT|DATA-[123]) protocol error: ")
# What another envelope is made for, the sender of which is <> (savemail.c).
_BOUNCE: Final = re.compile(
    r"([0-9A-Za-z]{8,20}): (?:DSN|return to sender|sender notify|postmaster notify): "
)
_CLONE: Final = "clone "
_TIMEOUT: Final = re.compile(r"timeout waiting for input from (\S++) during ")
_LOST: Final = re.compile(r"lost input channel from (\S++(?: \[[^\]\s]*+\])?) to ")
_TOO_EARLY: Final = re.compile(r"rejecting commands from (\S++(?: \[[^\]\s]*+\])?) due to ")


def _octets(match: re.Match[str]) -> str:
    if match[2]:
        return _ESCAPED[match[2]]
    octal = match[1].split("\\")[1:]
    return bytes(int(digits, 8) for digits in octal).decode("utf-8", "surrogateescape")


def _unescaped(text: str) -> str:
    """`text` as it was before sm_syslog() made it printable."""
    if "\\" not in text:
        return text
    # Some octets of a letter may stand there as they are.
    return octets(_ESCAPE.sub(_octets, text)).decode("utf-8", "surrogateescape")


def _addresses(text: str, start: int) -> tuple[list[str], int]:
    """The addresses of a list that begins at `start`, and where it ends: at a comma and a blank."""
    found = []
    is_balanced = True
    while True:
        end = start
        if is_balanced and (match := _ADDRESS.match(text, start)):
            end = match.end()
            is_balanced = not text.startswith('"', end)
        if not is_balanced:
            end = text.find(",", end)
            end = len(text) if end < 0 else end
        found.append(text[start:end])
        start = end + 1
        if start >= len(text) or text[start] == " ":
            return [_bare(address) for address in found if address], end


def _bare(address: str) -> str:
    address = address.strip()
    return address[1:-1] if address.startswith("<") and address.endswith(">") else address


def _fields(text: str, start: int) -> dict[str, str]:
    """What stands behind the addresses, up to reply= or stat=, which take all that follows."""
    fields: dict[str, str] = {}
    while start >= 0:
        match = _KEY.match(text, start)
        if not match:
            start = text.find(", ", start + 1)
            continue
        key, start = match[1], match.end()
        if key in ("reply", "stat"):
            fields[key] = text[start:]
            break
        end = _addresses(text, start)[1] if key == "ctladdr" else text.find(", ", start)
        fields.setdefault(key, text[start:] if end < 0 else text[start:end])
        start = end
    return fields


def _seconds(delay: str) -> float | None:
    match = _DELAY.fullmatch(delay)
    if not match:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _ip(literal: str) -> str | None:
    """The IP address, or the path of a socket, that stands in brackets."""
    if literal.startswith("UNIX: "):
        return literal[6:]
    literal = literal.removeprefix("IPv6:")
    return literal if literal.startswith("/") or IP.fullmatch(literal) else None


def _relay(relay: str) -> tuple[str | None, str | None]:
    """Host and IP address of `[ident@]host [ip] (may be forged)`; a host may be in brackets too."""
    relay = relay.strip().removesuffix(" (may be forged)")
    host, _, literal = relay.rpartition(" [")
    ip = _ip(literal[:-1]) if literal.endswith("]") else None
    host = (host if ip else relay).rpartition("@")[2]
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if own := _ip(host):
            return None, ip or own
    host = host.removesuffix(".")
    return (host if host not in ("", "none", "unknown", "-") else None), ip


def _said(words: str) -> str | None:
    """`words`, if they are a reply: its lines, as far as they are logged."""
    if not _REPLY.match(words):
        return None
    return words.replace("\r\n", "\n").rstrip("\r\n")


def _reply_and_stat(fields: dict[str, str]) -> tuple[str, str | None]:
    """The reply ends at the last `, stat=`, or where stat= repeats it to the letter."""
    if "reply" not in fields:
        return "", fields.get("stat")
    both = fields["reply"]
    length = (len(both) - len(_COPY)) // 2
    if both.startswith(_COPY, max(length, 0)) and both[:length] == both[length + len(_COPY) :]:
        return both[:length], both[length + len(_STAT) :]
    reply, found, stat = both.rpartition(_STAT)
    return (reply, stat) if found else (both, None)


class Sendmail:
    """The log of Sendmail 8, in all versions (grammar: deliver.c, parseaddr.c, srvrsmtp.c)."""

    name: Final = "sendmail"

    def __init__(self, senders: Joins[str] | None = None) -> None:
        self._senders = Joins[str]() if senders is None else senders

    @staticmethod
    def knows(tag: str, text: str) -> bool:
        """Whether a line is Sendmail's: the tag says so."""
        return bool(_TAG.fullmatch(tag))

    def read(self, tag: str, text: str) -> list[Entry]:
        """What a line says; the sender is known once the `from=` line of the queue id was read."""
        line = _unescaped(text)
        if match := _MESSAGE_ID.match(line):
            line = line[match.end() :]
        queue_id = ""
        if match := _QUEUE_ID.match(line):
            line = line[match.end() :]
            queue_id = match[1] if match[1] != "NOQUEUE" else ""
        if line.startswith("to="):
            entry = self._delivery(queue_id, line, text)
        elif line.startswith("ruleset="):
            entry = self._ruleset(queue_id, line, text)
        elif line.startswith("Milter: "):
            entry = self._milter(queue_id, line)
        else:
            if queue_id:
                self._note(queue_id, line)
            entry = self._user_error(queue_id, line) or self._trouble(queue_id, line)
        return [entry] if entry else []

    def _note(self, queue_id: str, line: str) -> None:
        """Remember the sender of an envelope, of a copy of it, or of a bounce."""
        if line.startswith("from="):
            senders, end = _addresses(line, 5)
            if line.startswith(", ", end):
                self._senders.note(queue_id, senders[0] if senders else "")
        elif match := _BOUNCE.match(line):
            self._senders.note(match[1], "")
        elif line.startswith(_CLONE) and ", owner=" in line:
            owner = line.partition(", owner=")[2]
            self._senders.note(queue_id, _bare(owner))

    def _sender(self, queue_id: str) -> str | None:
        return self._senders.get(queue_id) if queue_id else None

    def _delivery(self, queue_id: str, line: str, text: str) -> Entry | None:
        recipients, end = _addresses(line, 3)
        fields = _fields(line, end)
        reply, stat = _reply_and_stat(fields)
        mailer = fields.get("mailer")
        host, ip = _relay(fields.get("relay", ""))
        if mailer in _LOCAL_MAILERS and "relay" not in fields:
            host = mailer
        entry = Entry(
            event=Event.DELIVERY,
            queue_id=queue_id or None,
            sender=self._sender(queue_id),
            recipients=tuple(recipients),
            relay_host=host,
            relay_ip=ip,
            delay=_seconds(fields.get("delay", "")),
            reply=_said(reply),
            dsn=fields.get("dsn"),
        )
        if stat is None:
            return entry._replace(event=Event.OTHER, text=text, problem="no stat= on the line")
        stat = stat.strip()
        if stat in ("queued", "quarantined") or "quarantine" in fields:
            return None
        if mailer is None and "xdelay" not in fields and not stat.startswith(("Sent", "Deferred")):
            return self._undelivered(entry, stat)
        return self._outcome(entry, reply, stat)

    @staticmethod
    def _outcome(entry: Entry, reply: str, stat: str) -> Entry:
        """What stat= adds; its text is what it says beside Sent and Deferred."""
        if stat == "Sent" or stat.startswith(("Sent ", "Sent(")):
            status, words = "sent", stat[4:].strip()
            if words.startswith("(") and words.endswith(")"):
                words = words[1:-1]
            words = words.strip()
        elif stat.startswith(_TRIED_AGAIN) or (entry.dsn or "").startswith("4"):
            status = "deferred"
            words = stat.removeprefix("Deferred").removeprefix(":").strip()
        else:
            status, words = "bounced", stat
        if entry.reply is not None:
            return entry._replace(status=status)
        if status == "deferred" and (said := _said(words)):
            return entry._replace(status=status, reply=said)
        return entry._replace(status=status, text=words or reply.strip() or None)

    @staticmethod
    def _undelivered(entry: Entry, stat: str) -> Entry | None:
        """What logundelrcpts() says: why a message was not taken, for each of its recipients."""
        if stat == "discarded":
            return entry._replace(status=stat)
        if stat.isupper() and stat.isalpha():  # the command that the client gave it up with
            return None
        return entry._replace(event=Event.REJECT, text=stat)

    def _ruleset(self, queue_id: str, line: str, text: str) -> Entry | None:
        name, found, _ = line.removeprefix("ruleset=").partition(", arg1=")
        start = len("ruleset=") + len(name) + len(found)
        arguments: list[str] = []
        if name in ("check_mail", "check_rcpt", "check_compat"):
            arguments, start = _addresses(line, start)
            if name == "check_compat" and line.startswith(", arg2=", start):
                seconds, start = _addresses(line, start + len(", arg2="))
                arguments += seconds
        elif found:  # may be the client's words; what we answer is our own
            start = max(line.rfind(", relay="), start)
        before, rejects, reply = line[min(start, len(line)) :].partition(", reject=")
        if not rejects:
            if not found or not (", discard" in before or ", quarantine=" in before):
                return Entry(Event.OTHER, text=text, problem="a ruleset without an outcome")
            return None
        host, ip = _relay(before.partition(", relay=")[2])
        entry = self._reject(queue_id, reply, _RULESET_STAGES.get(name))
        entry = entry._replace(relay_host=host, relay_ip=ip)
        if name in ("check_mail", "check_compat") and arguments:
            entry = entry._replace(sender=arguments.pop(0))
        if name in _OUTGOING_RULESETS:  # nobody said this to anybody
            return entry._replace(event=Event.CONNECTION, reply=None, text=reply.strip())
        return entry._replace(recipients=tuple(arguments))

    def _milter(self, queue_id: str, line: str) -> Entry | None:
        start = len("Milter: ")
        what = line[start:]
        name = what.partition("=")[0].partition(",")[0].partition(":")[0]
        addresses: list[str] = []
        if what.startswith(("to=", "from=")):
            addresses, start = _addresses(line, start + len(name) + 1)
        before, rejects, reply = line[start:].partition(", reject=")
        if not rejects:
            return None
        stage = _MILTER_STAGES.get(name)
        if what.startswith("cmd=") and not what.startswith("cmd=data"):
            stage = None
        entry = self._reject(queue_id, reply.removesuffix(", errormode=4"), stage)
        if name == "to":
            entry = entry._replace(recipients=tuple(addresses))
        elif name == "from" and addresses:
            entry = entry._replace(sender=addresses[0])
        elif name == "connect":
            host, _, ip = before.partition("host=")[2].partition(", addr=")
            entry = entry._replace(relay_host=_relay(host)[0], relay_ip=_ip(ip))
        return entry

    def _reject(self, queue_id: str, reply: str, stage: str | None) -> Entry:
        said = _said(reply)
        return Entry(
            event=Event.REJECT,
            queue_id=queue_id or None,
            sender=self._sender(queue_id),
            reply=said,
            stage=stage,
            text=None if said else reply.strip() or None,
        )

    def _user_error(self, queue_id: str, line: str) -> Entry | None:
        """`<recipient>... User unknown`: what a client was told, without the code."""
        if not line.startswith("<"):
            return None
        match = _ADDRESS.match(line)
        address, found, words = (match[0] if match else "").partition("... ")
        if not found or not address.endswith(">"):
            return None
        words += line[match.end() :] if match else ""
        return self._reject(queue_id, words, None)._replace(recipients=(_bare(address),))

    def _trouble(self, queue_id: str, line: str) -> Entry | None:
        """Connections that broke, and replies that Sendmail could not make sense of."""
        entry = Entry(Event.CONNECTION, queue_id=queue_id or None, sender=self._sender(queue_id))
        if match := _PROTOCOL_ERROR.match(line):
            stage = match[2]
            if stage.startswith("DATA-"):
                stage = "DATA" if stage == "DATA-1" else "EOD"
            reply = line[match.end() :]
            said = _said(reply)
            entry = entry._replace(
                event=Event.ATTEMPT, reply=said, stage=stage, text=None if said else reply
            )
        elif match := _TOO_EARLY.match(line):
            entry = entry._replace(event=Event.REJECT, stage="CONNECT", text=line)
        elif match := _TIMEOUT.match(line) or _LOST.match(line):
            entry = entry._replace(text=line)
        else:
            return None
        host, ip = _relay(match[1].removesuffix(":"))
        return entry._replace(relay_host=host, relay_ip=ip)
