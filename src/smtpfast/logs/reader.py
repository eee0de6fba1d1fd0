"""From the lines of a mail log to records, whichever MTAs have written them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from .._core import classify, find_enhanced
from ..classifier import Classifier
from ..octets import octets
from ..reasons import Disposition, Reason
from ..reply import MALFORMED
from ..rules import COMMANDS
from .envelope import Calendar, open_envelope
from .exchange import Exchange
from .exim import Exim
from .haraka import Haraka
from .kumomta import KumoMta
from .opensmtpd import OpenSmtpd
from .postfix import Postfix
from .powermta import PowerMta
from .qmail import Qmail
from .record import Event, LogRecord
from .sendmail import Sendmail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..octets import Octets
    from ..reply import ReplyLine
    from .envelope import Envelope
    from .record import Entry


class Mta(Protocol):
    """What the lines of one MTA say."""

    @property
    def name(self) -> str:
        """As records tell it."""

    def knows(self, tag: str, text: str) -> bool:
        """Whether a line of the program `tag` with this text is one of the MTA's."""

    def read(self, tag: str, text: str) -> list[Entry]:
        """What the line says; nothing, if it is of no interest. Never raises on content."""


# What MTAs call a mail that is through, where they do not log what the server said.
SENT: Final = frozenset({"sent", "success", "relayed", "delivered", "delivery", "expanded"})
# Whether it is over, for those that log no enhanced code either.
CLASS_OF_STATUS: Final = {
    **dict.fromkeys(("deferred", "deferral", "delayed", "transientfailure"), "4.0.0"),
    **dict.fromkeys(("bounced", "failure", "failed", "bounce", "adminbounce"), "5.0.0"),
    **dict.fromkeys(("expiration", "rejected"), "5.0.0"),
    "temporarily rejected": "4.0.0",
}


class LogReader:
    """Reads the lines of one file in their order, MTAs and envelopes mixed as they may be.

    file: its name, as the records tell it. year: of the first stamp that names none (RFC 3164), or
    what finds it out when that comes; such times are None where it is not known. classifier:
    decides the reasons; the default one, if None.
    """

    def __init__(
        self,
        file: str = "",
        *,
        year: int | Callable[[], int] | None = None,
        classifier: Classifier | None = None,
    ) -> None:
        self.file = file
        self.lines = 0
        self._calendar = Calendar(year)
        self._diagnose = (classifier or Classifier.default()).diagnose
        self._mtas: tuple[Mta, ...] = (
            *(Postfix(), Exim(), Sendmail(), OpenSmtpd(), Qmail(), Haraka()),
            *(KumoMta(), PowerMta(), Exchange()),
        )

    def read(self, line: Octets) -> list[LogRecord]:
        """The records of the next line, with or without its line end; never raises on content."""
        self.lines += 1
        written = octets(line).decode("utf-8", "surrogateescape").rstrip("\r\n")
        envelope = open_envelope(written, self._calendar)
        for mta in self._mtas:
            if mta.knows(envelope.tag, envelope.text):
                return [
                    record
                    for entry in mta.read(envelope.tag, envelope.text)
                    for record in self._records(envelope, mta.name, entry)
                ]
        return []

    def _records(self, envelope: Envelope, mta: str, entry: Entry) -> Iterator[LogRecord]:
        code, enhanced, text = _parts_of(entry)
        found = self._diagnosis(entry)
        for recipient in entry.recipients or (None,):
            yield LogRecord(
                envelope.time if entry.time is None else entry.time,
                envelope.time_is_local and entry.time is None,
                envelope.host,
                mta,
                envelope.tag or None,
                entry.event,
                entry.queue_id,
                entry.sender,
                recipient,
                domain_of(recipient),
                entry.relay_host,
                entry.relay_ip,
                entry.relay_port,
                entry.delay,
                entry.status,
                code,
                enhanced,
                entry.dsn,
                entry.stage,
                text,
                *found,
                entry.problem,
                self.file,
                self.lines,
            )

    def _diagnosis(
        self, entry: Entry
    ) -> tuple[Reason | None, Disposition | None, int | None, str | None, str | None]:
        """reason, disposition, retry_after, blocklist and provider."""
        if entry.event is Event.OTHER:
            return None, None, None, None, None
        status = (entry.status or "").lower()
        if entry.reply is not None:
            said = entry.reply.replace("\n", "\r\n")
        elif status in SENT:
            return Reason.ACCEPTED, Disposition.DELIVERED, None, None, None
        else:
            said = f"{entry.dsn or CLASS_OF_STATUS.get(status, '')} {entry.text or ''}".strip()
        if not said:
            return None, None, None, None, None
        command = entry.stage if entry.stage in COMMANDS else None
        found = self._diagnose(said, command=command)
        return found.reason, found.disposition, found.retry_after, found.blocklist, found.provider


def _parts_of(entry: Entry) -> tuple[int | None, str | None, str | None]:
    """The code and the enhanced code of the reply's last line, and the words of all lines."""
    if entry.reply is None:
        return None, None, entry.text
    lines = [classify(line) for line in entry.reply.split("\n")]
    last = lines[-1]
    text = "\n".join(line.text for line in lines)
    # "550x" ends no reply (RFC 5321 section 4.2): some MTAs log what came next behind it.
    if last.code == MALFORMED or entry.reply.rpartition("\n")[2][3:4] not in ("", " ", "-"):
        return None, None, text
    return last.code, _enhanced_of(last), text


def _enhanced_of(line: ReplyLine) -> str | None:
    """The enhanced code in front of the text, with a colon behind it too."""
    enhanced = line.enhanced
    first, _, _ = line.text.partition(" ")
    if enhanced is None and first[:1].isdigit() and first.endswith(":"):
        enhanced = find_enhanced(first)
        if enhanced is not None and enhanced.class_ != line.code // 100:
            return None
    return None if enhanced is None else str(enhanced)


def domain_of(address: str | None) -> str | None:
    """What stands behind the last @ of an address, in lower case; None, if there is no @."""
    if address is None or "@" not in address:
        return None
    return address.rpartition("@")[2].rstrip(".").lower() or None


def read_log(
    lines: Iterable[Octets],
    file: str = "",
    *,
    year: int | Callable[[], int] | None = None,
    classifier: Classifier | None = None,
) -> Iterator[LogRecord]:
    """The records of all lines of a file, as `LogReader` reads them."""
    reader = LogReader(file, year=year, classifier=classifier)
    for line in lines:
        yield from reader.read(line)
