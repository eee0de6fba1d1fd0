"""The protocol logs of Microsoft Exchange: CSV, each line of a dialogue in a row of its own.

Source of the grammar: "Protocol logging in Exchange Server" on learn.microsoft.com, for 2007 to
2019. A delivery is told by the rows of a session only, which stand among those of others.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import timedelta
from typing import Final, NamedTuple

from ..joins import Joins
from ..log_record import Event
from .record import Entry
from .values import IP, row_of, since_1970

DEFAULT_FIELDS: Final = (
    "date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,"
    "context"
)
_NEEDED_FIELDS: Final = ("date-time", "session-id", "event", "data")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]++Z?,")
_REPLY: Final = re.compile(r"[0-9]{3}(?:([ -])|\Z)")
# What Exchange says of a message that it has; other servers may say it too, but of nothing else.
_QUEUED: Final = re.compile(r"2[0-9]{2} 2\.6\.[0-9] ")
_VERB: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*+")
# RFC 5321 and its extensions; those that begin with X are Exchange's own.
_VERBS: Final = frozenset(
    ("EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT", "NOOP")
)
# RFC 2920 section 3.1 and RFC 3030 section 4.2: these may be sent before the commands in front of
# them are answered. MAIL may too, but Exchange waits between messages.
_GROUPED: Final = ("RCPT", "DATA", "BDAT")
_OF_MESSAGE: Final = ("MAIL", "RCPT", "DATA", "BDAT", "EOD")
# A local part in quotes may hold all that ends an address elsewhere.
_PATH: Final = re.compile(
    r'[A-Za-z]++ +(?:FROM|TO) *: *(?:<((?:"(?:[^"\\]|\\.)*+")?+[^<>]*+)>|([^ <>]++))', re.IGNORECASE
)
_ENDPOINT: Final = re.compile(r"(?:\[([^\[\]]*+)\]|([^\[\]:]*+)):([0-9]{1,5})")
_NO_CONNECTION: Final = "Failed to connect"
_STATUS: Final = {"2": "sent", "4": "deferred", "5": "bounced"}

_MOST_SESSIONS: Final = 10_000
# Many times the recipients of a message, of which RFC 5321 section 4.5.3.1.8 asks for 100.
_MOST_COMMANDS: Final = 10_000
# Of the lines of a reply, more are not kept, but the last one.
_MOST_LINES: Final = 500


class _Command(NamedTuple):
    verb: str
    address: str | None = None


class _Row(NamedTuple):
    session_id: str
    endpoint: str
    event: str
    data: str
    context: str
    text: str


class _Session:
    """What a connection waits for and has heard.

    is_send: whether this server is the client; None as long as that is not known. is_whole: every
    command so far has its answer in the log. pending: commands without an answer, in order.
    accepted: the recipients of the message. is_refused: its MAIL was. lines: of a reply so far.
    """

    __slots__ = (
        "accepted",
        "is_refused",
        "is_send",
        "is_whole",
        "lines",
        "pending",
        "sender",
    )

    def __init__(self, is_send: bool | None, *, is_whole: bool) -> None:
        self.is_send = is_send
        self.is_whole = is_whole
        self.pending: deque[_Command] = deque()
        self.lines: list[str] = []
        self.begin_message(None)

    def begin_message(self, sender: str | None) -> None:
        self.sender = sender
        self.accepted: list[str] = []
        self.is_refused = False

    def accept(self, recipient: str | None) -> None:
        if recipient is not None and len(self.accepted) < _MOST_COMMANDS:
            self.accepted.append(recipient)

    def settle(self) -> None:
        """The answers to all pending commands are not in the log: they were not bad."""
        if self.pending:
            self.is_whole = False
        for command in self.pending:
            if command.verb == "RCPT":
                self.accept(command.address)
        self.pending.clear()


class Exchange:
    """Exchange 2007 to 2019: SMTP send and receive protocol logs, by Microsoft's documentation.

    In a send log, replies to RCPT and to the message are deliveries; in a receive log, what this
    server refused are rejects. Where no line says which log it is, the first reply tells.
    """

    name: Final = "exchange"

    def __init__(self) -> None:
        self._columns = _columns_of(DEFAULT_FIELDS)
        self._has_header = False
        self._is_protocol = True
        self._is_send: bool | None = None
        self._sessions: Joins[_Session] = Joins(_MOST_SESSIONS)

    def knows(self, tag: str, text: str) -> bool:
        """Whether the line is a header of Exchange, or a row behind one of a protocol log."""
        if tag != "":
            return False
        line = text.removeprefix("\ufeff")
        if line.startswith("#"):
            name, _, value = line.partition(":")
            value = value.strip()
            return (
                (name == "#Software" and value.startswith("Microsoft Exchange"))
                or (name == "#Fields" and _is_protocol(value))
                or (name.lower() == "#log-type" and value.startswith("SMTP "))
            )
        return self._has_header and self._is_protocol and _DATE.match(line) is not None

    def read(self, tag: str, text: str) -> list[Entry]:
        """What the row ends: an outcome, a refusal; nothing for rows on the way and headers."""
        line = text.removeprefix("\ufeff")
        if tag != "" or not line.strip():
            return []
        if line.startswith("#"):
            self._read_header(line)
            return []
        if not self._is_protocol:
            return []
        values = row_of(line)
        if values is None:
            return [_not_understood("not CSV", text)]
        if len(values) != len(self._columns):
            return [_not_understood("not as wide as the header", text)]
        row = _Row(
            self._value(values, "session-id"),
            self._value(values, "remote-endpoint"),
            self._value(values, "event"),
            self._value(values, "data"),
            self._value(values, "context"),
            text,
        )
        # Exchange says it in UTC.
        time = since_1970(self._value(values, "date-time"), default_zone=timedelta())
        return [entry._replace(time=time) for entry in self._row(row)]

    def _read_header(self, line: str) -> None:
        name, _, value = line.partition(":")
        name = name.lower()
        value = value.strip()
        if name == "#software":
            self._has_header = False
            self._is_send = None
        elif name == "#log-type":
            words = value.lower()
            self._is_send = {"smtp send": True, "smtp receive": False}.get(
                words.removesuffix(" protocol log")
            )
        elif name == "#fields":
            self._has_header = True
            self._is_protocol = _is_protocol(value)
            if self._is_protocol:
                self._columns = _columns_of(value)

    def _row(self, row: _Row) -> list[Entry]:
        session = self._sessions.get(row.session_id)
        if row.event == "+" or session is None:
            session = _Session(self._is_send, is_whole=row.event == "+")
            self._sessions.note(row.session_id, session)
        if row.event == "+":
            session.pending.append(_Command("CONNECT"))
        elif row.event == "-":
            self._sessions.forget(row.session_id)
            return _closed(session, row)
        elif row.event == "*":
            if row.context.startswith(_NO_CONNECTION):
                return [_entry(Event.CONNECTION, session, row, text=row.context)]
        elif row.event in ("<", ">") and row.data:
            if session.is_send is None:
                session.is_send = (row.event == "<") == (_REPLY.match(row.data) is not None)
            if (row.event == "<") == session.is_send:
                return _answer(session, row)
            return _command(session, row)
        return []

    def _value(self, values: list[str], name: str) -> str:
        at = self._columns.get(name)
        return "" if at is None else values[at]


def _command(session: _Session, row: _Row) -> list[Entry]:
    """A command is sent or received: what it says is kept until it is answered."""
    match = _VERB.match(row.data)
    verb = match[0].upper() if match else ""
    if verb not in _VERBS and not verb.startswith("X"):  # what AUTH says, for one
        return []
    if verb not in _GROUPED or (verb != "RCPT" and not session.is_whole):
        session.settle()
    if len(session.pending) >= _MOST_COMMANDS:
        return [_not_understood("more commands without an answer than are remembered", row.text)]
    path = _PATH.match(row.data)
    address = None
    if path and verb in ("MAIL", "RCPT"):
        address = path[2] if path[1] is None else path[1]
    if verb in ("MAIL", "RSET", "EHLO", "HELO"):
        session.begin_message(address)
    if verb == "BDAT" and row.data.upper().rstrip().endswith(" LAST"):
        verb = "EOD"
    session.pending.append(_Command(verb, address))
    return []


def _answer(session: _Session, row: _Row) -> list[Entry]:
    """A line of a reply; the last one answers the command that waits longest."""
    match = _REPLY.match(row.data)
    if not match:
        return [_not_understood("an answer without a reply code", row.text)]
    if match[1] == "-":
        if len(session.lines) < _MOST_LINES:
            session.lines.append(row.data)
        return []
    reply = "\n".join((*session.lines, row.data))
    session.lines.clear()
    if not session.is_whole and _QUEUED.match(row.data):
        session.settle()
        session.pending.append(_Command("EOD"))
    command = session.pending.popleft() if session.pending else _Command("")
    if row.data.startswith("354"):
        while command.verb != "DATA" and session.pending:
            if command.verb == "RCPT":
                session.accept(command.address)
            command = session.pending.popleft()
        session.pending.appendleft(_Command("EOD"))
        return []
    if row.data.startswith("3"):  # of AUTH, which goes on
        if command.verb:
            session.pending.appendleft(command)
        return []
    if command.verb == "DATA" and row.data.startswith("2"):  # the log leaves the 354 out
        command = _Command("EOD")
    if row.data[0] not in _STATUS:
        return [_not_understood("a reply of no known class", row.text)]
    if session.is_send:
        return _outcome(session, command, row, reply)
    return _refusal(session, command, row, reply)


def _outcome(session: _Session, command: _Command, row: _Row, reply: str) -> list[Entry]:
    """What a server answered us."""
    status = _STATUS[row.data[0]]
    stage = command.verb or None
    recipients: list[tuple[str, ...]] = []
    if command.verb == "RCPT":
        if status == "sent":
            session.accept(command.address)
            return []
        if not session.is_refused and command.address is not None:
            recipients = [(command.address,)]
    elif command.verb == "EOD" or (command.verb in ("DATA", "BDAT") and status != "sent"):
        recipients = [(recipient,) for recipient in session.accepted]
        session.accepted = []
        if not recipients and (status == "sent" or not session.is_whole):
            recipients = [()]  # the log does not say which
    elif status == "sent":
        return []
    elif command.verb == "MAIL":
        session.is_refused = True
    if not recipients:
        to = () if command.verb != "RCPT" or command.address is None else (command.address,)
        return [_entry(Event.ATTEMPT, session, row, recipients=to, reply=reply, stage=stage)]
    return [
        _entry(Event.DELIVERY, session, row, recipients=to, status=status, reply=reply, stage=stage)
        for to in recipients
    ]


def _refusal(session: _Session, command: _Command, row: _Row, reply: str) -> list[Entry]:
    """What we answered a client: told if we refused."""
    is_accepted = row.data.startswith("2")
    recipients: tuple[str, ...] = ()
    if command.verb == "RCPT" and command.address is not None:
        if is_accepted:
            session.accept(command.address)
        recipients = (command.address,)
    elif command.verb in ("DATA", "BDAT", "EOD"):
        recipients = tuple(session.accepted)
        if command.verb == "EOD":
            session.accepted = []
    if is_accepted:
        return []
    return [
        _entry(
            Event.REJECT,
            session,
            row,
            recipients=recipients,
            reply=reply,
            stage=command.verb or None,
        )
    ]


def _closed(session: _Session, row: _Row) -> list[Entry]:
    """The end of a connection; that it was in the midst of a message is worth telling."""
    if session.lines:
        return [_not_understood("a reply without its last line", "\n".join(session.lines))]
    if session.is_send and session.is_whole and session.pending:
        command = session.pending[0]
        if command.verb in _OF_MESSAGE:
            text = row.context or None
            return [_entry(Event.CONNECTION, session, row, stage=command.verb, text=text)]
    return []


def _entry(
    event: Event,
    session: _Session,
    row: _Row,
    *,
    recipients: tuple[str, ...] = (),
    status: str | None = None,
    reply: str | None = None,
    stage: str | None = None,
    text: str | None = None,
) -> Entry:
    host, ip, port = _relay(row.endpoint)
    return Entry(
        event,
        queue_id=row.session_id or None,
        sender=session.sender,
        recipients=recipients,
        relay_host=host,
        relay_ip=ip,
        relay_port=port,
        status=status,
        reply=reply,
        stage=stage,
        text=text,
    )


def _relay(endpoint: str) -> tuple[str | None, str | None, int | None]:
    match = _ENDPOINT.fullmatch(endpoint)
    if not match:
        return None, endpoint if IP.fullmatch(endpoint) else None, None
    address = match[1] or match[2] or ""
    port = int(match[3])
    if IP.fullmatch(address):
        return None, address, port
    return address or None, None, port


def _is_protocol(fields: str) -> bool:
    names = fields.lower().split(",")
    return all(name in names for name in _NEEDED_FIELDS)


def _columns_of(fields: str) -> dict[str, int]:
    """Where each field stands, by its name in lower case."""
    return {name.strip().lower(): number for number, name in enumerate(fields.split(","))}


def _not_understood(problem: str, text: str) -> Entry:
    return Entry(Event.OTHER, text=text, problem=problem)
