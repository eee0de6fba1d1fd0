"""What a line of a mail log says: `Entry` as written by the MTA, `LogRecord` with all the rest."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..reasons import Disposition, Reason


class Event(StrEnum):
    """What kind of thing a line tells.

    delivery: the outcome for a recipient, for now or for ever. attempt: a reply on the way to one,
    which is not counted. reject: what this server told a client. connection: that a connection
    could not be made or broke, beside any recipient. other: a line that looks like a delivery, but
    is not understood.
    """

    DELIVERY = "delivery"
    ATTEMPT = "attempt"
    REJECT = "reject"
    CONNECTION = "connection"
    OTHER = "other"


class Entry(NamedTuple):
    """What the text of one line says, without what stands in front of it; None: it does not say.

    recipients: one or more; none where it tells of none. relay: what was spoken to, as a name, an
    IP address (or the path of a socket) and a port. delay: in seconds. status: in the MTA's word,
    or sent, deferred, bounced where it has a sign for it. reply: what the server said, its lines
    joined by line feeds as far as the MTA lets us know them. stage: what the reply answers, a
    command of SMTP in capitals (CONNECT, EHLO, MAIL, RCPT, DATA, EOD, STARTTLS, AUTH …). dsn: the
    enhanced code that the MTA claims. text: the MTA's own words where no reply stands. problem:
    what is wrong with a line that is kept, but not understood. time: in microseconds since 1970, in
    UTC, where the text itself tells it.
    """

    event: Event
    queue_id: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    relay_host: str | None = None
    relay_ip: str | None = None
    relay_port: int | None = None
    delay: float | None = None
    status: str | None = None
    reply: str | None = None
    stage: str | None = None
    dsn: str | None = None
    text: str | None = None
    problem: str | None = None
    time: int | None = None


class LogRecord(NamedTuple):
    """A delivery, an attempt, a reject …, one for each recipient.

    time: microseconds since 1970, in UTC, or in the unknown zone of the log where
    `time_is_local`. mta: postfix, exim, sendmail, opensmtpd, qmail, haraka, kumomta, powermta or
    exchange. process: the program's name as logged. recipient_domain: in lower case. code:
    what the server said, enhanced: what it said, dsn: what the MTA claims; they differ often.
    reason, disposition, retry_after, blocklist, provider: as in `Diagnosis`; None where there is
    nothing to diagnose. line: from 1. All others as in `Entry`; None: the log does not say.
    """

    time: int | None
    time_is_local: bool
    host: str | None
    mta: str
    process: str | None
    event: Event
    queue_id: str | None
    sender: str | None
    recipient: str | None
    recipient_domain: str | None
    relay_host: str | None
    relay_ip: str | None
    relay_port: int | None
    delay: float | None
    status: str | None
    code: int | None
    enhanced: str | None
    dsn: str | None
    stage: str | None
    text: str | None
    reason: Reason | None
    disposition: Disposition | None
    retry_after: int | None
    blocklist: str | None
    provider: str | None
    problem: str | None
    file: str
    line: int
