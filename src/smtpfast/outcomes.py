"""What came of a mail, by what MTAs call it; and how often, as it is counted of many records."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from .log_record import Event
from .reasons import Disposition, Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from .log_record import LogRecord

# What MTAs call a mail that is through, where they do not log what the server said.
SENT: Final = frozenset({"sent", "success", "relayed", "delivered", "delivery", "expanded"})
# Whether it is over, for those that log no enhanced code either.
CLASS_OF_STATUS: Final = {
    **dict.fromkeys(("deferred", "deferral", "delayed", "transientfailure"), "4.0.0"),
    **dict.fromkeys(("bounced", "failure", "failed", "bounce", "adminbounce"), "5.0.0"),
    **dict.fromkeys(("expiration", "rejected"), "5.0.0"),
    "temporarily rejected": "4.0.0",
}


class Outcome(StrEnum):
    """What came of a mail for a recipient, for now or for ever."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"


# By the first digit of an enhanced code or of a reply.
_OUTCOME_OF_CLASS: Final = {
    "2": Outcome.DELIVERED,
    "4": Outcome.DEFERRED,
    "5": Outcome.BOUNCED,
}
# Postfix: `soft_bounce = yes`; qmgr(8) when it gives up.
_OWN_WORDS: Final = {
    "softbounce": Outcome.DEFERRED,
    "expired": Outcome.BOUNCED,
    "force-expired": Outcome.BOUNCED,
}
OUTCOME_OF_STATUS: Final = {
    **dict.fromkeys(SENT, Outcome.DELIVERED),
    **{word: _OUTCOME_OF_CLASS[code[0]] for word, code in CLASS_OF_STATUS.items()},
    **_OWN_WORDS,
}


def outcome_of(record: LogRecord) -> Outcome | None:
    """What a delivery came to; None where the line does not say, and for all that is none.

    What the MTA makes of it counts first: Postfix defers what a server refuses with 5yz, if told
    so.
    """
    if record.event is not Event.DELIVERY:
        return None
    outcome = OUTCOME_OF_STATUS.get((record.status or "").lower())
    if outcome is not None:
        return outcome
    if record.disposition is Disposition.DELIVERED:
        return Outcome.DELIVERED
    code = record.dsn or ("" if record.code is None else str(record.code))
    return _OUTCOME_OF_CLASS.get(code[:1])


class PartyCounts(NamedTuple):
    """What each of those who are called by names made of the mail, the first one first.

    names: with the counts of each `Outcome`, and those of the reasons of what was not delivered.
    others: how many outcomes came from such as were too many to be kept.
    """

    names: list[tuple[str | None, dict[Outcome, int], dict[Reason, int]]]
    others: int


class NameCounts(NamedTuple):
    """How often each name came, the first one first; others: such as were too many."""

    names: list[tuple[str, int]]
    others: int


class ReplyCount(NamedTuple):
    """Replies of one reason, with one code and one shape; text, file and line: of the first."""

    reason: Reason
    code: int | None
    enhanced: str | None
    shape: str
    total: int
    text: str
    file: str
    line: int


class RefusalCounts(NamedTuple):
    """Why something was not taken; others: replies whose shapes were too many to be kept."""

    reasons: dict[Reason, int]
    replies: list[ReplyCount]
    others: int
    blocklists: NameCounts
    urls: NameCounts


class DelayCounts(NamedTuple):
    """Delays by the steps of a histogram; longest: in seconds; zeros: too short for any step."""

    total: int
    longest: float
    zeros: int
    steps: dict[int, int]


class LogCounts(NamedTuple):
    """What is counted of records.

    first, last: times of them, in microseconds; time_is_local: whether some have no zone. days,
    hours: since 1970, with the counts of each outcome and of each event that is none. parties:
    by recipient domain, provider and relay. refusals: what failed, what was rejected, what was
    attempted. delays: by outcome.
    """

    events: dict[Event, int]
    outcomes: dict[Outcome, int]
    first: int | None
    last: int | None
    time_is_local: bool
    days: list[tuple[int, dict[str, int]]]
    hours: list[tuple[int, dict[str, int]]]
    other_times: int
    parties: tuple[PartyCounts, ...]
    refusals: tuple[RefusalCounts, ...]
    delays: dict[Outcome, DelayCounts]


class CountedBy(NamedTuple):
    """What counting goes by.

    most: how many names of each kind are kept, most_hours: how many hours. providers: names by the
    domains of their hosts. zones: of block lists, the longest first. growth: of the steps of
    delays, each to the next. times: all that are some; hour, day: in microseconds. shape_of,
    urls_of: what a text is counted by, with as much of it as is kept.
    """

    most: int
    most_hours: int
    providers: dict[str, str]
    zones: tuple[str, ...]
    growth: float
    times: range
    hour: int
    day: int
    shape_of: Callable[[str], str]
    urls_of: Callable[[str], list[str]]
