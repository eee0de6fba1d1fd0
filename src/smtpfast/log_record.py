"""A record of a mail log: what one of its lines says of a delivery, and all that follows."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .reasons import Disposition, Reason

# In the order in which a line is tried; first those whose logs are text, which the core reads.
TEXT_MTAS: Final = ("postfix", "exim", "sendmail", "opensmtpd", "qmail", "haraka")
MTAS: Final = (*TEXT_MTAS, "kumomta", "powermta", "exchange")


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


class LogRecord(NamedTuple):
    """A delivery, an attempt, a reject …, one for each recipient.

    time: microseconds since 1970, in UTC, or in the unknown zone of the log where
    `time_is_local`. mta: postfix, exim, sendmail, opensmtpd, qmail, haraka, kumomta, powermta or
    exchange. process: the program's name as logged. recipient_domain: in lower case. code:
    what the server said, enhanced: what it said, dsn: what the MTA claims; they differ often.
    reason, disposition, retry_after, blocklist, provider: as in `Diagnosis`; None where there is
    nothing to diagnose. line: from 1. All others as in `Entry` of
    logs/record.py; None: the log does not say.
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
