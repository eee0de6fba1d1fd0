"""What OpenSMTPD logs: one line for each envelope and attempt, one for each command it refuses.

Grammar: mta_log() of mta.c, mta_error() of mta_session.c, mda_log() of mda.c, queue_log() of
queue.c, smtp_reply() of smtp_session.c, duration_to_text() of to.c, with their history since 2013;
real lines of 6.8.0p2.

The lines of a multi-line reply are logged as one, without the codes of all but the first and
without a separator; nothing can undo that. What a syslog daemon made of control characters (#011)
stays as well: OpenSMTPD has no part in it, and a reply may say #011 by itself.
"""

from __future__ import annotations

import re
from typing import Final

from ..joins import Joins
from ..log_record import Event
from .record import Entry
from .values import IP

_TAGS: Final = frozenset({"smtpd", "opensmtpd"})
_SESSION: Final = re.compile(r"([0-9a-f]{16}) (mta|mda|smtp) (?:event=)?")
# Lines without a session in front: of routes, of old versions, of the queue.
_OTHER_LINES: Final = re.compile(
    r"smtp-out: Error on session |smtp-in: (?:Failed command|Bad input) on session "
    r"|(?:relay|delivery): [A-Z]"
)

# No address that OpenSMTPD takes holds a blank or a bracket (util.c: valid_localpart).
_ENVELOPE: Final = re.compile(
    r"delivery evpid=([0-9a-f]{16}) from=<([^>]*+)> to=<([^>]*+)> (?:rcpt=<[^>]*+> )?"
)
# Versions 6.0 to 6.3 began without quotation marks.
_BY_RELAY: Final = re.compile(
    r'(?:source=(?:"[^"]*+"|\S*+) )?relay=(?:"(?P<relay>[^"]*+)"|(?P<bare>\S*+(?: \([^)]*+\))?)) '
    r'delay=(?P<delay>\S*+) result="?(?P<result>[A-Za-z]++)"? stat=(?P<quote>"?)'
)
_BY_MDA: Final = re.compile(
    r"(?:user=\S*+ )?(?:method=\S*+ )?delay=(?P<delay>\S*+) result=(?P<result>[A-Za-z]++) stat="
)
_QUEUE: Final = re.compile(
    r"(relay|delivery): ([A-Za-z]++) for ([0-9a-f]{16}): (?:session=[0-9a-f]++, )?"
    r"from=<([^>]*+)>, to=<([^>]*+)>, "
)
_QUEUE_KEY: Final = re.compile(r"([a-z]++)=((?:[^,]|,(?! ))*+), ")
_STATUSES: Final = {
    "Ok": "sent",
    "TempFail": "deferred",
    "PermFail": "bounced",
    "Expire": "bounced",
}

_ERROR: Final = re.compile(r"error reason=|closing reason=")
_SESSION_ERROR: Final = re.compile(
    r"smtp-out: Error on session ([0-9a-f]{16})(?: after [0-9]++ messages? sent)?: "
)
_REJECTED: Final = re.compile(r"(BANNER|EHLO|HELO|LHLO|STARTTLS|AUTH) rejected: ")
_CONNECTING: Final = re.compile(r"connecting address=(\S++) host=(\S++)")
_CONNECTED: Final = re.compile(r"connected (?:session=\S++ )?address=(\S++) host=(\S++)")

_FAILED: Final = re.compile(
    r'failed-command (?:address=(\S++) host=(\S++) )?command="|bad-input (?:address=(\S++) '
    r'host=(\S++) )?(?=result=")'
)
_OLD_FAILED: Final = re.compile(
    r'smtp-in: (?:Failed command on session ([0-9a-f]{16}): "'
    r"|Bad input on session ([0-9a-f]{16}): )"
)
_VERB: Final = re.compile(r"[A-Za-z]*+")
_PATH: Final = re.compile(r"(?:MAIL FROM|RCPT TO):\s*+<([^>]*+)>", re.IGNORECASE)
_STAGES: Final = {"BANNER": "CONNECT", "HELO": "EHLO", "LHLO": "EHLO", ".": "EOD", "": "CONNECT"}
_COMMANDS: Final = frozenset(
    {"EHLO", "MAIL", "RCPT", "DATA", "AUTH", "STARTTLS"}
    | {"RSET", "NOOP", "HELP", "VRFY", "EXPN", "QUIT"}
)

_REPLY: Final = re.compile(r"[0-9]{3}(?![^ -])")
_DELAY: Final = re.compile(r"(?:([0-9]{1,9})d)?(?:([0-9]++)h)?(?:([0-9]++)m)?(?:([0-9]++)s)?")


def _seconds(delay: str) -> float | None:
    match = _DELAY.fullmatch(delay)
    if not match or not delay or len(delay) > 40:
        return None
    days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _ip(address: str) -> str | None:
    address = address.removeprefix("[").removesuffix("]").removeprefix("IPv6:")
    return address if IP.fullmatch(address) else None


def _name(host: str) -> str | None:
    """`host`, unless it is an address, or the sign for none."""
    if host in ("", "-", "unknown", "<unknown>") or _ip(host):
        return None
    return host


def _relay(host: str, address: str) -> str:
    """Who a session is with, as it is noted: host, IP address and port, a blank between them."""
    address = address.rpartition("://")[2]
    ip, port = _ip(address), ""
    if not ip:
        address, _, port = address.rpartition(":")
        ip = _ip(address)
        is_port = port.isdecimal() and port.isascii() and len(port) <= 5
        port = str(int(port)) if is_port else ""
    return f"{_name(host) or ''} {ip or ''} {port}"


def _said(words: str) -> tuple[str | None, str | None]:
    """`words` as a reply, or else as text."""
    return (words, None) if _REPLY.match(words) else (None, words or None)


def _stage(command: str) -> str | None:
    """The command of SMTP that a line begins with, or what a server says of itself."""
    if command in ("", "."):
        return _STAGES[command]
    match = _VERB.match(command)
    verb = match[0].upper() if match and match.end() <= 8 else ""
    verb = _STAGES.get(verb, verb) if verb else verb
    return verb if verb in _COMMANDS or verb == "CONNECT" else None


class OpenSmtpd:
    """The log of OpenSMTPD 5.3 and later (grammar: mta.c, mda.c, smtp_session.c, queue.c)."""

    name: Final = "opensmtpd"

    def __init__(self, relays: Joins[str] | None = None) -> None:
        self._relays = Joins[str]() if relays is None else relays

    @staticmethod
    def knows(tag: str, text: str) -> bool:
        """Whether a line is OpenSMTPD's: by its tag, and the session that it begins with."""
        return tag in _TAGS and bool(_SESSION.match(text) or _OTHER_LINES.match(text))

    def read(self, tag: str, text: str) -> list[Entry]:
        """What a line says; whom a session is with is known from its first line."""
        match = _SESSION.match(text)
        if not match:
            entry = _queue_entry(text) or self._session_error(text) or self._old_failure(text)
            return [entry] if entry else []
        session, process, start = match[1], match[2], match.end()
        entry = None
        if text.startswith("delivery ", start):
            entry = _delivery(process, text, start)
        elif process == "mta" and (error := _ERROR.match(text, start)):
            entry = self._error(session, text[error.end() :])
        elif process == "smtp" and text.startswith(("failed-command ", "bad-input "), start):
            entry = self._failure(session, text, start)
        elif match := (_CONNECTING if process == "mta" else _CONNECTED).match(text, start):
            self._relays.note(session, _relay(match[2], match[1]))
        return [entry] if entry else []

    def _with_relay(self, session: str, entry: Entry, relay: str | None = None) -> Entry:
        relay = relay or self._relays.get(session)
        if not relay:
            return entry
        host, ip, port = relay.split(" ")
        return entry._replace(
            relay_host=host or None, relay_ip=ip or None, relay_port=int(port) if port else None
        )

    def _error(self, session: str, reason: str) -> Entry:
        """Why a session with a server ended: what it said, or what happened."""
        entry = Entry(Event.CONNECTION, text=reason)
        if match := _REJECTED.match(reason):
            reply, _ = _said(reason[match.end() :])
            if reply:
                entry = Entry(Event.ATTEMPT, reply=reply, stage=_STAGES.get(match[1], match[1]))
        return self._with_relay(session, entry)

    def _session_error(self, text: str) -> Entry | None:
        match = _SESSION_ERROR.match(text)
        return self._error(match[1], text[match.end() :]) if match else None

    def _failure(self, session: str, text: str, start: int) -> Entry:
        """A command that was refused; the client's words end at the last `result=`."""
        match = _FAILED.match(text, start)
        command, found, result = text[match.end() if match else start :].rpartition('result="')
        if not match or not found:
            return Entry(Event.OTHER, text=text, problem="no result of a command")
        is_command = text.startswith("failed-command", start)
        entry = _refusal(command.removesuffix('" ') if is_command else None, result)
        relay = None
        if address := match[1] or match[3]:
            relay = _relay(match[2] or match[4], address)
        return self._with_relay(session, entry, relay)

    def _old_failure(self, text: str) -> Entry | None:
        """As versions up to 5.9 wrote it: `"RCPT TO:<…>" => 550 …`."""
        match = _OLD_FAILED.match(text)
        if not match:
            return None
        rest = text[match.end() :]
        if match[2]:
            return self._with_relay(match[2], _refusal(None, rest))
        command, found, result = rest.rpartition('" => ')
        if not found:
            return Entry(Event.OTHER, text=text, problem="no result of a command")
        return self._with_relay(match[1], _refusal(command, result))


def _refusal(command: str | None, result: str) -> Entry:
    reply, words = _said(result.removesuffix('"'))
    stage = None if command is None else _stage(command)
    entry = Entry(Event.REJECT, reply=reply, stage=stage, text=words)
    path = _PATH.match(command or "")
    if path and stage == "RCPT":
        entry = entry._replace(recipients=(path[1],))
    elif path and stage == "MAIL":
        entry = entry._replace(sender=path[1])
    return entry


def _delivery(process: str, text: str, start: int) -> Entry:
    envelope = _ENVELOPE.match(text, start)
    if not envelope:
        return Entry(Event.OTHER, text=text, problem="no envelope on the line")
    entry = Entry(
        event=Event.DELIVERY,
        queue_id=envelope[1],
        sender=envelope[2],
        recipients=(envelope[3],),
    )
    outcome = (_BY_MDA if process == "mda" else _BY_RELAY).match(text, envelope.end())
    if not outcome or outcome["result"] not in _STATUSES:
        return entry._replace(event=Event.OTHER, text=text, problem="no result on the line")
    stat = text[outcome.end() :]
    if process == "mda":
        entry = entry._replace(relay_host="mda")
    else:
        if outcome["quote"] and '"' in stat:  # those within are not escaped: the last one ends it
            stat = stat[: stat.rfind('"')]
        entry = _by_relay(entry, outcome["relay"] or outcome["bare"] or "")
    return _with_outcome(entry, outcome["delay"], outcome["result"], stat)


def _by_relay(entry: Entry, relay: str) -> Entry:
    """With `relay`, an address with a name in brackets, or a domain that was not looked up."""
    address, found, pointer = relay.partition(" (")
    host = pointer.removesuffix(")") if found else address
    return entry._replace(relay_host=_name(host), relay_ip=_ip(address))


def _with_outcome(entry: Entry, delay: str, result: str, stat: str) -> Entry:
    """What is sent was accepted at the end of its data; of other replies nothing says it."""
    reply, words = _said(stat)
    return entry._replace(
        delay=_seconds(delay),
        status=_STATUSES.get(result, result),
        reply=reply,
        stage="EOD" if result == "Ok" and reply else None,
        text=words,
    )


def _queue_entry(text: str) -> Entry | None:
    """`relay: Expire for …`: what the queue says, and what all said up to version 5.9."""
    match = _QUEUE.match(text)
    if not match:
        return None
    fields = {}
    start = match.end()
    while not text.startswith("stat=", start) and (pair := _QUEUE_KEY.match(text, start)):
        fields[pair[1]] = pair[2]
        start = pair.end()
    entry = Entry(
        event=Event.DELIVERY,
        queue_id=match[3],
        sender=match[4] if match[4] != "@" else "",
        recipients=(match[5],),
    )
    if not text.startswith("stat=", start):
        return entry._replace(event=Event.OTHER, text=text, problem="no stat= on the line")
    if match[1] == "delivery":
        entry = entry._replace(relay_host="mda")
    else:
        entry = _by_relay(entry, fields.get("relay", ""))
    return _with_outcome(entry, fields.get("delay", ""), match[2], text[start + 5 :])
