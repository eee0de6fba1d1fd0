"""What is counted of a log, in bounded memory whatever the log holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ..logs.reader import CLASS_OF_STATUS, SENT
from ..logs.record import Event
from ..reasons import Disposition, Reason
from .delays import DelayRow, Delays
from .providers import provider_of
from .shapes import shape_of, urls_of

if TYPE_CHECKING:
    from ..logs.record import LogRecord

# Of each kind of name: shapes, domains, relays, hours …; those that come later are "others".
MOST_NAMES: Final = 10_000
# So much of a reply is looked at, and so much of its shape and of a name is kept.
LONGEST_TEXT: Final = 4096
LONGEST_SHAPE: Final = 512
LONGEST_NAME: Final = 255

HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR
# The years 1 to 9999, which ISO 8601 can write: others are no times, but what somebody made up.
_TIMES: Final = range(-719_162 * DAY, 2_932_897 * DAY)
# What two days touch at most.
_HOURS_TOLD: Final = 49


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
_OUTCOME_OF_STATUS: Final = {
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
    outcome = _OUTCOME_OF_STATUS.get((record.status or "").lower())
    if outcome is not None:
        return outcome
    if record.disposition is Disposition.DELIVERED:
        return Outcome.DELIVERED
    code = record.dsn or ("" if record.code is None else str(record.code))
    return _OUTCOME_OF_CLASS.get(code[:1])


@dataclass(frozen=True, slots=True)
class Totals:
    """How many records there were of each kind; together they are all.

    unclear: deliveries of which the line does not say what they came to.
    """

    delivered: int
    deferred: int
    bounced: int
    unclear: int
    rejected: int
    attempts: int
    connections: int
    not_understood: int


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """A reason: how often, and what to do. share: of all of its kind."""

    reason: Reason
    count: int
    share: float
    advice: str


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """Replies of one reason that say the same; text, file and line: of the first one."""

    reason: Reason
    code: int | None
    enhanced: str | None
    shape: str
    count: int
    text: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class NameRow:
    """How often a block list or a URL was named."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class PartyRow:
    """What a domain, a provider or a relay made of the mail; name None: the log tells none.

    share: of those refused. reason: why most often.
    """

    name: str | None
    delivered: int
    deferred: int
    bounced: int
    share: float
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class TimeRow:
    """An hour or a day, which begins at `time` (microseconds since 1970)."""

    time: int
    delivered: int
    deferred: int
    bounced: int
    rejected: int


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """Lines that are not understood for the same reason; text, file and line: of the first one."""

    mta: str
    problem: str
    count: int
    text: str
    file: str
    line: int


class Names:
    """How often each name came; others: how often such as came when there were too many."""

    def __init__(self, most: int) -> None:
        self.others = 0
        self._counts: Counter[str] = Counter()
        self._most = most

    def add(self, name: str) -> None:
        """Count `name`, or what is kept of it."""
        name = name[:LONGEST_NAME]
        if name in self._counts or len(self._counts) < self._most:
            self._counts[name] += 1
        else:
            self.others += 1

    def rows(self) -> list[NameRow]:
        """The names, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [NameRow(*item) for item in ordered]


class _First:
    """How many there were of a kind, and where the first one stands."""

    __slots__ = ("count", "file", "line", "text")

    def __init__(self, record: LogRecord) -> None:
        self.count = 0
        self.text = (record.text or "")[:LONGEST_SHAPE]
        self.file = record.file
        self.line = record.line


class Refusals:
    """Why something was not taken: the reasons, the replies behind them, and what they name.

    other_replies: how many were not kept by their shape, for there were too many shapes.
    """

    def __init__(self, most: int) -> None:
        self.other_replies = 0
        self.blocklists = Names(most)
        self.urls = Names(most)
        self._reasons: Counter[Reason] = Counter()
        self._replies: dict[tuple[Reason, int | None, str | None, str], _First] = {}
        self._most = most

    @property
    def count(self) -> int:
        """Of all."""
        return self._reasons.total()

    def add(self, record: LogRecord) -> None:
        """Count a record; what has nothing to diagnose has an unknown reason."""
        reason = record.reason or Reason.UNKNOWN
        self._reasons[reason] += 1
        if record.blocklist:
            self.blocklists.add(record.blocklist)
        text = (record.text or "")[:LONGEST_TEXT]
        for url in dict.fromkeys(urls_of(text)):
            self.urls.add(url)
        key = reason, record.code, record.enhanced, _cut(shape_of(text))
        found = self._replies.get(key)
        if found is None:
            if len(self._replies) >= self._most:
                self.other_replies += 1
                return
            found = self._replies[key] = _First(record)
        found.count += 1

    def reasons(self) -> list[ReasonRow]:
        """The reasons, the most frequent first."""
        total = self.count
        ordered = sorted(self._reasons.items(), key=lambda item: (-item[1], item[0]))
        return [ReasonRow(reason, count, count / total, reason.advice) for reason, count in ordered]

    def replies(self, reason: Reason | None = None) -> list[ReplyRow]:
        """The replies behind a reason, or behind all, the most frequent first."""
        rows = [
            ReplyRow(*key, found.count, found.text, found.file, found.line)
            for key, found in self._replies.items()
            if reason in (None, key[0])
        ]
        return sorted(rows, key=lambda row: (-row.count, row.reason, row.code or 0, row.shape))


class Parties:
    """What each of those who are called by names made of the mail.

    others: how many outcomes came from such as were too many to be kept.
    """

    def __init__(self, most: int) -> None:
        self.others = 0
        self._outcomes: dict[str | None, Counter[Outcome]] = {}
        self._reasons: dict[str | None, Counter[Reason]] = {}
        self._most = most

    def add(self, name: str | None, outcome: Outcome, reason: Reason | None) -> None:
        """Count an outcome."""
        name = None if name is None else name[:LONGEST_NAME]
        counts = self._outcomes.get(name)
        if counts is None:
            if len(self._outcomes) >= self._most:
                self.others += 1
                return
            counts = self._outcomes[name] = Counter()
        counts[outcome] += 1
        if outcome is not Outcome.DELIVERED:
            self._reasons.setdefault(name, Counter())[reason or Reason.UNKNOWN] += 1

    def rows(self) -> list[PartyRow]:
        """All, those who refused most first."""
        return sorted(
            (self._row(name, counts) for name, counts in self._outcomes.items()),
            key=lambda row: (-row.deferred - row.bounced, -row.delivered, row.name or ""),
        )

    def _row(self, name: str | None, counts: Counter[Outcome]) -> PartyRow:
        share = 1 - counts[Outcome.DELIVERED] / counts.total()
        reasons = self._reasons.get(name)
        most = min(reasons, key=lambda reason: (-reasons[reason], reason)) if reasons else None
        delivered, deferred, bounced = (counts[outcome] for outcome in Outcome)
        return PartyRow(name, delivered, deferred, bounced, share, most)


class Report:
    """The summary of a log: `add` every record, then ask.

    most: how many names of each kind are kept. lines: of the log, which the reader knows.
    time_is_local: whether records have times of an unknown zone. failed: why mail was deferred or
    bounced. rejected: why this server refused some. attempted: what was said on the way to an
    outcome, and of connections that could not be made; they count as no outcome, for a next server
    may have taken the mail.
    """

    def __init__(self, most: int = MOST_NAMES) -> None:
        self.lines = 0
        self.first: int | None = None
        self.last: int | None = None
        self.time_is_local = False
        self.failed = Refusals(most)
        self.rejected = Refusals(most)
        self.attempted = Refusals(most)
        self.domains = Parties(most)
        self.providers = Parties(most)
        self.relays = Parties(most)
        self.delays = {outcome: Delays() for outcome in Outcome}
        self.other_problems = 0
        self.other_times = 0
        self._events: Counter[Event] = Counter()
        self._outcomes: Counter[Outcome] = Counter()
        self._hours: dict[int, Counter[str]] = {}
        self._days: dict[int, Counter[str]] = {}
        self._problems: dict[tuple[str, str], _First] = {}
        self._most = most

    @property
    def records(self) -> int:
        """How many were added."""
        return self._events.total()

    def add(self, record: LogRecord) -> None:
        """Count a record."""
        self._events[record.event] += 1
        outcome = outcome_of(record)
        if record.time is not None and record.time in _TIMES:
            self._note_time(record.time, outcome or record.event, is_local=record.time_is_local)
        if outcome is not None:
            self._note_outcome(record, outcome)
        elif record.event is Event.REJECT:
            self.rejected.add(record)
        elif record.event is Event.OTHER:
            self._note_problem(record)
        elif record.reason is not Reason.ACCEPTED and record.event is not Event.DELIVERY:
            self.attempted.add(record)

    def _note_outcome(self, record: LogRecord, outcome: Outcome) -> None:
        self._outcomes[outcome] += 1
        self.domains.add(record.recipient_domain, outcome, record.reason)
        provider = record.provider or provider_of(record.relay_host)
        self.providers.add(provider, outcome, record.reason)
        self.relays.add(record.relay_host or record.relay_ip, outcome, record.reason)
        if record.delay is not None:
            self.delays[outcome].add(record.delay)
        if outcome is not Outcome.DELIVERED:
            self.failed.add(record)

    def _note_time(self, time: int, kind: str, *, is_local: bool) -> None:
        self.first = time if self.first is None else min(self.first, time)
        self.last = time if self.last is None else max(self.last, time)
        self.time_is_local |= is_local
        day = time // DAY
        if day not in self._days and len(self._days) >= self._most:
            self.other_times += 1
            return
        self._days.setdefault(day, Counter())[kind] += 1
        hour = time // HOUR
        # With more of them the log spans more than two days, and it is these that are told.
        if hour in self._hours or len(self._hours) <= _HOURS_TOLD:
            self._hours.setdefault(hour, Counter())[kind] += 1

    def _note_problem(self, record: LogRecord) -> None:
        key = record.mta, (record.problem or "not understood")[:LONGEST_NAME]
        found = self._problems.get(key)
        if found is None:
            if len(self._problems) >= self._most:
                self.other_problems += 1
                return
            found = self._problems[key] = _First(record)
        found.count += 1

    def totals(self) -> Totals:
        """How many records there were of each kind."""
        outcomes, events = self._outcomes, self._events
        return Totals(
            delivered=outcomes[Outcome.DELIVERED],
            deferred=outcomes[Outcome.DEFERRED],
            bounced=outcomes[Outcome.BOUNCED],
            unclear=events[Event.DELIVERY] - outcomes.total(),
            rejected=events[Event.REJECT],
            attempts=events[Event.ATTEMPT],
            connections=events[Event.CONNECTION],
            not_understood=events[Event.OTHER],
        )

    @property
    def step(self) -> int:
        """What the timeline counts by: an hour, or a day if the log spans more than two."""
        if self.first is None or self.last is None or self.last - self.first <= 2 * DAY:
            return HOUR
        return DAY

    def timeline(self) -> list[TimeRow]:
        """The hours or days in which something was delivered, deferred, bounced or rejected."""
        buckets = self._hours if self.step == HOUR else self._days
        kinds = (*Outcome, Event.REJECT)
        return [
            TimeRow(number * self.step, *(counts[kind] for kind in kinds))
            for number, counts in sorted(buckets.items())
            if any(counts[kind] for kind in kinds)
        ]

    def delay_rows(self) -> dict[Outcome, DelayRow]:
        """How long it took, by what came of it, where the log tells delays."""
        return {outcome: delays.row() for outcome, delays in self.delays.items() if delays.count}

    def problems(self) -> list[ProblemRow]:
        """What is not understood, the most frequent first."""
        rows = [
            ProblemRow(*key, found.count, found.text, found.file, found.line)
            for key, found in self._problems.items()
        ]
        return sorted(rows, key=lambda row: (-row.count, row.mta, row.problem))


def _cut(shape: str) -> str:
    return shape if len(shape) <= LONGEST_SHAPE else f"{shape[: LONGEST_SHAPE - 1]}…"
