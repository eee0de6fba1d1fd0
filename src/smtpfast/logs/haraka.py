"""The log of Haraka: `[LEVEL] [uuid] [origin] text`, the same as logfmt, or as JSON.

Source of the grammar: logger.js, outbound/hmail.js and connection.js of haraka/Haraka, 3.3.
"""

from __future__ import annotations

import json
import re
from typing import Final, NamedTuple

from ..joins import Joins
from ..log_record import Event
from ..octets import octets
from .record import Entry
from .values import IP

_LEVEL: Final = "(?:DATA|PROTOCOL|DEBUG|INFO|NOTICE|WARN|ERROR|CRIT|ALERT|EMERG)"
# Of a connection, with the number of the transaction, and with that of the message made of it.
_UUID: Final = r"(-|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?:\.[0-9]++)*+)"
_PLAIN_HEAD: Final = re.compile(rf"\[{_LEVEL}\] \[{_UUID}\] \[([^\]]*+)\] ")
_LOGFMT_HEAD: Final = re.compile(rf"level={_LEVEL} uuid={_UUID} ")
_JSON_HEAD: Final = re.compile(rf'\{{"level":"{_LEVEL}","uuid":"{_UUID}",')
# logger.js, stringify: a value with a space, "=", a quote or a backslash is quoted; a line may be
# cut within one.
_PAIR: Final = re.compile(
    r'([^="]++)=(?:"((?:[^"\\]|\\.|\\\Z)*+)(?:"|\Z)|([^" ]*+))(?: |\Z)', re.DOTALL
)
_ESCAPE: Final = re.compile(r'\\(["\\])')

# A local part in quotes may hold all that ends an address elsewhere.
_ADDRESS: Final = r'<((?:"(?:[^"\\]|\\.)*+")?+[^<>]*+)>'
_OUTCOME: Final = re.compile(rf"recipient {_ADDRESS} (rejected|deferred): ")
_ANSWERED: Final = re.compile(rf"(?:(recipient|sender) {_ADDRESS}|queue|message)(?: |\Z)")
_LISTED: Final = re.compile(rf"{_ADDRESS}(?:, |\Z)")
_TEMPORARY: Final = re.compile(r"Temp failing [^ ]++ for [^ ]++ seconds: ")
_REPLY: Final = re.compile(r"[2-5][0-9]{2}(?: |\Z)")
_REFUSAL: Final = re.compile(r"[45][0-9]{2}(?:[ -]|\Z)")
_NUMBER: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")

_SENT: Final = "delivered file"
_BOUNCING: Final = "bouncing mail: "
_GIVEN_UP: Final = "Too many failures ("
_SOME_DEFERRED: Final = "Some recipients temp failed: "
_SOME_REJECTED: Final = "Some recipients failed: "
_UPSTREAM: Final = "Upstream error: "
_UNRECOGNIZED: Final = "Unrecognized response from upstream server: "
# What a line of outbound/hmail.js has that is worth telling when it cannot be read.
_SIGNS: Final = (_SENT, "recipient <", "Temp failing ", _BOUNCING)
# As they stand behind an unrecognized response: the line end, raw and as logger.js writes it.
_LINE_ENDS: Final = ("\r", "\n", "\\r", "\\n", " ")

# RFC 5321 section 4.5.3.1.8 asks for 100; what a transaction has above this is not joined.
_MOST_RECIPIENTS: Final = 1_000


class _Line(NamedTuple):
    uuid: str
    origin: str
    message: str
    values: dict[str, str]

    @property
    def queue_id(self) -> str | None:
        return None if self.uuid == "-" else self.uuid


class _Transaction:
    """What a client handed over: waiting are the recipients that have no final outcome yet.

    deferred: those of the attempt that runs, each with the message it was deferred in.
    """

    __slots__ = ("deferred", "sender", "waiting")

    def __init__(self, sender: str | None) -> None:
        self.sender = sender
        self.waiting: dict[str, None] = {}
        self.deferred: dict[str, str] = {}

    @classmethod
    def unpacked(cls, packed: str) -> _Transaction:
        """The transaction again that `packed` has made a text of."""
        sender, *fields = packed.split("\0")
        transaction = cls(sender[1:-1] if sender else None)
        transaction.waiting = dict.fromkeys(fields[::2])
        messages = zip(fields[::2], fields[1::2], strict=True)
        transaction.deferred = {recipient: message for recipient, message in messages if message}
        return transaction

    def packed(self) -> str:
        """All of it in one text: the sender, then each recipient and the message it waits in."""
        fields = ["" if self.sender is None else f"<{self.sender}>"]
        for recipient in self.waiting:
            fields += recipient, self.deferred.get(recipient, "")
        return "\0".join(field.replace("\0", " ") for field in fields)

    def end_attempt(self, uuid: str) -> None:
        for recipient in [one for one, message in self.deferred.items() if message == uuid]:
            del self.deferred[recipient]

    def take_delivered(self, domain: str, number: int) -> tuple[str, ...]:
        """The recipients of a domain that are delivered now, if they are as many as `number`."""
        ours = tuple(
            recipient
            for recipient in self.waiting
            if recipient not in self.deferred and _domain(recipient) == domain
        )
        if len(ours) != number:
            return ()
        for recipient in ours:
            del self.waiting[recipient]
        return ours


class Haraka:
    """Haraka 3 in its three formats, by logger.js and outbound/hmail.js of 3.3.

    Haraka drops the code of what it delivers, which is then no reply but a text. It logs refused
    recipients one by one; with LMTP such a reply may be to the message, which no line tells.
    """

    name: Final = "haraka"

    def __init__(self, transactions: Joins[str] | None = None) -> None:
        self._transactions = Joins[str]() if transactions is None else transactions

    @staticmethod
    def knows(tag: str, text: str) -> bool:
        """Whether the line has a level and a UUID in one of the three ways of Haraka."""
        return (
            tag in ("", "haraka")
            and (_PLAIN_HEAD.match(text) or _LOGFMT_HEAD.match(text) or _JSON_HEAD.match(text))
            is not None
        )

    def read(self, tag: str, text: str) -> list[Entry]:
        """What the line says of a delivery; nothing for all other lines."""
        if not self.knows(tag, text):
            return []
        line = _line(text)
        if line is None:
            is_outbound = '"origin":"outbound"' in text and any(sign in text for sign in _SIGNS)
            return [_not_understood("not JSON", text)] if is_outbound else []
        if line.origin == "outbound":
            return self._outbound(line, text)
        if line.origin == "core":
            return self._core(line)
        return []

    def _outbound(self, line: _Line, text: str) -> list[Entry]:
        message = line.message
        if _SENT in line.values:
            return [self._delivered(line, text)]
        if message.startswith("recipient <"):
            return [self._recipient(line, text)]
        temporary = _TEMPORARY.match(message)
        if temporary:
            return self._deferred(line, message[temporary.end() :])
        if message.startswith(_BOUNCING):
            return self._bounced(line, message[len(_BOUNCING) :])
        if message.startswith("Temp failing "):
            return [_not_understood("no reason for the deferral", text)]
        return _connection(line)

    def _delivered(self, line: _Line, text: str) -> Entry:
        values = line.values
        if "response" not in values:
            return _not_understood("no response", text)
        transaction = self._transaction(line)
        recipients: tuple[str, ...] = ()
        number = values.get("rcpts", "").partition("/")[0]
        if transaction and number.isascii() and number.isdigit() and len(number) < 6:
            recipients = transaction.take_delivered(values.get("domain", "").lower(), int(number))
            transaction.end_attempt(line.uuid)
            self._note(line, transaction)
        delay = values.get("delay", "")
        port = values.get("port", "")
        ip = values.get("ip", "")
        return Entry(
            Event.DELIVERY,
            queue_id=line.queue_id,
            sender=transaction.sender if transaction else None,
            recipients=recipients,
            relay_host=values.get("host") or None,
            relay_ip=ip if IP.fullmatch(ip) or ip.startswith("/") else None,
            relay_port=int(port) if _is_port(port) else None,
            delay=float(delay) if _NUMBER.fullmatch(delay) else None,
            status="sent",
            stage="EOD",
            text=values["response"],
        )

    def _recipient(self, line: _Line, text: str) -> Entry:
        match = _OUTCOME.match(line.message)
        if not match:
            return _not_understood("a recipient that is neither rejected nor deferred", text)
        recipient = match[1]
        transaction = self._transaction(line)
        if transaction and recipient in transaction.waiting:
            if match[2] == "rejected":
                del transaction.waiting[recipient]
                transaction.deferred.pop(recipient, None)
            else:
                transaction.deferred[recipient] = line.uuid
            self._note(line, transaction)
        return Entry(
            Event.DELIVERY,
            queue_id=line.queue_id,
            sender=transaction.sender if transaction else None,
            recipients=(recipient,),
            status="bounced" if match[2] == "rejected" else "deferred",
            reply=line.message[match.end() :],
            stage="RCPT",
        )

    def _deferred(self, line: _Line, reason: str) -> list[Entry]:
        transaction = self._transaction(line)
        if transaction:
            transaction.end_attempt(line.uuid)
            self._note(line, transaction)
        if reason.startswith(_SOME_DEFERRED):  # each had a line of its own
            return []
        return [self._message(line, reason, "deferred")]

    def _bounced(self, line: _Line, reason: str) -> list[Entry]:
        if reason.startswith(_SOME_REJECTED):  # each had a line of its own
            return []
        if reason.startswith(_GIVEN_UP):
            cause = reason[len(_GIVEN_UP) :].removesuffix(")")
            if not cause.startswith(_SOME_DEFERRED):
                return [self._message(line, cause, "bounced")]
            recipients = _listed(cause[len(_SOME_DEFERRED) :])
            transaction = self._transaction(line)
            if transaction:
                for recipient in recipients:
                    transaction.waiting.pop(recipient, None)
                    transaction.deferred.pop(recipient, None)
                self._note(line, transaction)
            return [
                Entry(
                    Event.DELIVERY,
                    queue_id=line.queue_id,
                    sender=transaction.sender if transaction else None,
                    recipients=recipients,
                    status="bounced",
                    text=reason,
                )
            ]
        return [self._message(line, reason, "bounced")]

    def _message(self, line: _Line, reason: str, status: str) -> Entry:
        """What became of a message as a whole, for all recipients that the line does not name."""
        reply = None
        if reason.startswith(_UPSTREAM):
            reply = reason[len(_UPSTREAM) :]
        elif reason.startswith(_UNRECOGNIZED):
            said = _without_line_end(reason[len(_UNRECOGNIZED) :])
            reason = _UNRECOGNIZED + said
            if _REFUSAL.match(said):  # nothing else is why the message bounces
                reply = said
        elif _REPLY.match(reason):
            reply = reason
        transaction = self._transaction(line)
        return Entry(
            Event.ATTEMPT,
            queue_id=line.queue_id,
            sender=transaction.sender if transaction else None,
            status=status,
            reply=reply,
            text=reason if reply is None else None,
        )

    def _core(self, line: _Line) -> list[Entry]:
        """What this server answered a client, by connection.js: noted, and told if it refused."""
        match = _ANSWERED.fullmatch(line.message)
        code = line.values.get("code", "")
        if not match or not code or line.queue_id is None:
            return []
        packed = self._transactions.get(line.uuid)
        transaction = None if packed is None else _Transaction.unpacked(packed)
        is_refused = code.startswith("DENY")
        address = match[2]
        if match[1] == "sender" and not is_refused:
            self._transactions.note(line.uuid, _Transaction(address).packed())
        elif match[1] == "recipient" and code == "OK":
            if transaction is None:
                transaction = _Transaction(line.values.get("sender"))
            if len(transaction.waiting) < _MOST_RECIPIENTS:
                transaction.waiting[address] = None
            self._transactions.note(line.uuid, transaction.packed())
        if not is_refused:
            return []
        recipients: tuple[str, ...] = ()
        sender = transaction.sender if transaction else line.values.get("sender")
        if match[1] == "recipient":
            recipients = (address,)
        elif match[1] == "sender":
            sender = address
        elif transaction:
            recipients = tuple(transaction.waiting)
        return [
            Entry(
                Event.REJECT,
                queue_id=line.queue_id,
                sender=sender,
                recipients=recipients,
                status=code,
                stage={"recipient": "RCPT", "sender": "MAIL"}.get(match[1], "EOD"),
                text=line.values.get("msg") or None,
            )
        ]

    def _transaction(self, line: _Line) -> _Transaction | None:
        """Of a message UUID.transaction.number, what is known of UUID.transaction."""
        packed = self._transactions.get(line.uuid.rpartition(".")[0])
        return None if packed is None else _Transaction.unpacked(packed)

    def _note(self, line: _Line, transaction: _Transaction) -> None:
        self._transactions.note(line.uuid.rpartition(".")[0], transaction.packed())


def _line(text: str) -> _Line | None:
    """The line, whose head is known; None for JSON that is none."""
    plain = _PLAIN_HEAD.match(text)
    if plain:
        return _Line(plain[1], plain[2], *_message_and_values(text[plain.end() :]))
    if text.startswith("{"):
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            return None
        values = {
            key: octets(str(value)).decode("utf-8", "surrogateescape")
            for key, value in record.items()
            if isinstance(value, str | int | float)
        }
    else:
        values = _pairs(text)
    return _Line(
        values.get("uuid", "-"), values.get("origin", ""), values.get("message", ""), values
    )


def _message_and_values(message: str) -> tuple[str, dict[str, str]]:
    """The default format writes the values behind the message."""
    stripped = message.lstrip(" ")
    if stripped.startswith(f"{_SENT}="):
        return "", _pairs(stripped)
    answered = _ANSWERED.match(message)
    if answered:
        values = _pairs(message[answered.end() :])
        if "code" in values:
            return answered[0].removesuffix(" "), values
    return message, {}


def _pairs(text: str) -> dict[str, str]:
    values = {}
    pair = _PAIR.match(text)
    while pair:
        quoted = pair[2]
        values[pair[1]] = pair[3] if quoted is None else _ESCAPE.sub(r"\1", quoted)
        pair = _PAIR.match(text, pair.end())
    return values


def _connection(line: _Line) -> list[Entry]:
    """That a connection could not be made or broke; nothing for other lines."""
    message = line.message
    if message.startswith("Remote end "):
        peer, sign, _ = message[len("Remote end ") :].partition(" closed connection")
    elif message.startswith("Ongoing connection failed to "):
        peer, sign, _ = message[len("Ongoing connection failed to ") :].partition(" : ")
    elif message.startswith("Failed to get socket: "):
        sign = peer = message.rpartition(" ")[2]
    else:
        return []
    if not sign:
        return []
    host, _, port = peer.rpartition(":")
    if not _is_port(port):
        host = port = ""
    is_ip = IP.fullmatch(host) is not None or host.startswith("/")
    return [
        Entry(
            Event.CONNECTION,
            queue_id=line.queue_id,
            relay_host=None if is_ip else host or None,
            relay_ip=host if is_ip else None,
            relay_port=int(port) if port else None,
            text=message,
        )
    ]


def _listed(text: str) -> tuple[str, ...]:
    addresses = []
    match = _LISTED.match(text)
    while match:
        addresses.append(match[1])
        match = _LISTED.match(text, match.end())
    return tuple(addresses)


def _without_line_end(text: str) -> str:
    end = len(text)
    while text.endswith(_LINE_ENDS, 0, end):
        end -= 1 if text[end - 1] in "\r\n " else 2
    return text[:end]


def _is_port(text: str) -> bool:
    return 0 < len(text) < 6 and text.isascii() and text.isdigit()


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _not_understood(problem: str, text: str) -> Entry:
    return Entry(Event.OTHER, text=text, problem=problem)
