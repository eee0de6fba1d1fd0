"""What a line of a mail log says, as written by the MTA."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..log_record import Event


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
