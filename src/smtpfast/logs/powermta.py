"""The accounting files of PowerMTA: CSV with a header line.

Source of the grammar: the chapter on accounting of PowerMTA's User's Guide, 4.0 to 5.5.
"""

from __future__ import annotations

import re
from typing import Final

from ..enhanced import read_enhanced
from ..log_record import Event
from .record import Entry
from .values import IP, row_of, since_1970

# Without a header: the fields of deliveries and bounces in the order of the guide. Older files have
# no pools: they end at envId.
DEFAULT_COLUMNS: Final = (
    "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag,dsnMta,bounceCat,"
    "srcType,srcMta,dlvType,dlvSourceIp,dlvDestinationIp,dlvEsmtpAvailable,dlvSize,vmta,jobId,"
    "envId,queue,vmtaPool"
)
_DEFAULT_WIDTHS: Final = (21, 23)
_HEADER: Final = re.compile(r"type(?:,[a-z][\w-]*+)++", re.IGNORECASE | re.ASCII)
# One of these is in every file that can be made use of.
_TELLING: Final = ("timelogged", "rcpt", "orig", "dsnstatus", "dsndiag")
# The letters of the types, and the names that the guide has for them.
_TYPES: Final = {
    "d": "sent",
    "delivery": "sent",
    "b": "bounced",
    "bounce": "bounced",
    "t": "deferred",
    "transient": "deferred",
    "tq": "deferred",
    "transient-queue": "deferred",
    "rb": "bounced",
    "remote-bounce": "bounced",
    "rs": "deferred",
    "remote-status": "deferred",
    "r": "",
    "receipt": "",
    "f": "",
    "feedback-loop": "",
}
_QUEUE_TYPES: Final = ("tq", "transient-queue")
_DIAGNOSTIC_TYPE: Final = re.compile(r"smtp; *+", re.IGNORECASE)
_REPLY: Final = re.compile(r"[2-5][0-9]{2}(?:[ -]|\Z)")
_MTA: Final = re.compile(r"([^ ()]*+) ?\(([^()]*+)\)")
_COMMENT: Final = re.compile(r"[^ ]*+ \((.*)\)", re.DOTALL)
_SECONDS: Final = re.compile(r"[0-9]{1,11}")
_TIMED: Final = re.compile(
    r"[A-Za-z-]{1,20},(?:[0-9]{9,11}|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}[^,]{0,9}),"
)


class PowerMta:
    """PowerMTA 4.0 to 5.5, by its User's Guide; the columns are those of the last header line."""

    name: Final = "powermta"

    def __init__(self) -> None:
        self._columns = _columns_of(DEFAULT_COLUMNS.split(","))
        self._widths: tuple[int, ...] = _DEFAULT_WIDTHS
        self._has_header = False

    def knows(self, tag: str, text: str) -> bool:
        """Whether the line is a header, or a row as wide as the header before it.

        One of another width, which a type and a time begin, is known too: it is told as broken.
        """
        if tag != "":
            return False
        if _is_header(text):
            return True
        if not self._has_header or _type_of(text) not in _TYPES:
            return False
        if self._columns.get("timelogged") == 1 and _TIMED.match(text):
            return True
        row = row_of(text)
        return row is not None and len(row) in self._widths

    def read(self, tag: str, text: str) -> list[Entry]:
        """The outcome that a row tells; nothing for headers, receipts and feedback."""
        if tag != "":
            return []
        if _is_header(text):
            columns = text.removeprefix("\ufeff").rstrip("\r\n").split(",")
            self._columns = _columns_of(columns)
            self._widths = (len(columns),)
            self._has_header = True
            return []
        status = _TYPES.get(_type_of(text))
        if not status:
            return []
        row = row_of(text)
        if row is None:
            return [_not_understood("not CSV", text)]
        if len(row) not in self._widths:
            return [_not_understood("not as wide as the header", text)]
        return [self._entry(row, status)]

    def _entry(self, row: list[str], status: str) -> Entry:
        reply, words = _diagnostic(self._value(row, "dsndiag"))
        dsn = self._value(row, "dsnstatus")
        code = dsn.partition(" ")[0]
        if reply is None and words is None:
            comment = _COMMENT.fullmatch(dsn)
            words = comment[1] if comment else None
        recipient = self._value(row, "rcpt")
        event = Event.DELIVERY
        if not recipient and row[0].lower() in _QUEUE_TYPES:  # a whole queue had to wait
            event = Event.CONNECTION if reply is None else Event.ATTEMPT
        host, ip = self._relay(row)
        logged = _moment(self._value(row, "timelogged"))
        queued = _moment(self._value(row, "timequeued"))
        delay = None
        if logged is not None and queued is not None and logged >= queued:
            delay = (logged - queued) / 1_000_000
        return Entry(
            event,
            sender=self._value(row, "orig") if "orig" in self._columns else None,
            recipients=(recipient,) if recipient else (),
            relay_host=host,
            relay_ip=ip,
            delay=delay,
            status=self._value(row, "dsnaction") or status,
            reply=reply,
            dsn=code if read_enhanced(code.encode("utf-8", "surrogateescape")) else None,
            text=words,
            time=logged,
        )

    def _relay(self, row: list[str]) -> tuple[str | None, str | None]:
        """The name and the IP address of dsnMta, else where the connection went to."""
        written = self._value(row, "dsnmta")
        both = _MTA.fullmatch(written)
        host, ip = (both[1], both[2]) if both else (written, "")
        if not IP.fullmatch(ip):
            ip = self._value(row, "dlvdestinationip")
        kind = self._value(row, "dlvtype")
        if not host and not ip and kind and "mtp" not in kind:  # file, pipe, discard
            host = kind
        return host or None, ip if IP.fullmatch(ip) else None

    def _value(self, row: list[str], name: str) -> str:
        at = self._columns.get(name, len(row))
        return row[at] if at < len(row) else ""


def _columns_of(names: list[str]) -> dict[str, int]:
    """Where each column stands, by its name in lower case."""
    return {name.lower(): number for number, name in enumerate(names)}


def _is_header(text: str) -> bool:
    line = text.removeprefix("\ufeff").rstrip("\r\n")
    if not _HEADER.fullmatch(line):
        return False
    names = line.lower().split(",")
    return any(name in names for name in _TELLING)


def _type_of(text: str) -> str:
    return text[: text.find(",", 0, 20) + 1].removesuffix(",").lower()


def _diagnostic(text: str) -> tuple[str | None, str | None]:
    """The reply in a diagnostic of type smtp or of none, or the words where there is no reply."""
    type_ = _DIAGNOSTIC_TYPE.match(text)
    diagnostic = text[type_.end() :] if type_ else text
    if _REPLY.match(diagnostic):
        return diagnostic, None
    return None, text or None


def _moment(written: str) -> int | None:
    """Microseconds since 1970 of seconds since then or of a date with a zone."""
    if _SECONDS.fullmatch(written):
        return int(written) * 1_000_000
    return since_1970(written)


def _not_understood(problem: str, text: str) -> Entry:
    return Entry(Event.OTHER, text=text, problem=problem)
