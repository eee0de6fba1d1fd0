"""What is counted of a log, in bounded memory whatever the log holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .._core.logs import count_blocks
from ..log_record import Event
from ..outcomes import CountedBy, Outcome, outcome_of
from ..reasons import Reason
from .delays import GROWTH, DelayRow, Delays
from .providers import PROVIDERS, provider_of
from .shapes import shape_of, urls_of, zones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._core.logs import LogBlock
    from ..log_record import LogRecord
    from ..outcomes import LogCounts, NameCounts, PartyCounts, RefusalCounts, ReplyCount

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

    def add(self, name: str, count: int = 1) -> None:
        """Count `name`, or what is kept of it."""
        name = name[:LONGEST_NAME]
        if name in self._counts or len(self._counts) < self._most:
            self._counts[name] += count
        else:
            self.others += count

    def absorb(self, counts: NameCounts) -> None:
        """Add what was counted elsewhere."""
        for name, count in counts.names:
            self.add(name, count)
        self.others += counts.others

    def rows(self) -> list[NameRow]:
        """The names, the most frequent first."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        return [NameRow(*item) for item in ordered]


class _First:
    """How many there were of a kind, and where the first one stands."""

    __slots__ = ("count", "file", "line", "text")

    def __init__(self, record: LogRecord | ReplyCount) -> None:
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
        for url in _urls_of(record.text or ""):
            self.urls.add(url)
        key = reason, record.code, record.enhanced, _shape_of(record.text or "")
        found = self._replies.get(key)
        if found is None:
            if len(self._replies) >= self._most:
                self.other_replies += 1
                return
            found = self._replies[key] = _First(record)
        found.count += 1

    def absorb(self, counts: RefusalCounts) -> None:
        """Add what was counted elsewhere."""
        self._reasons.update(counts.reasons)
        self.blocklists.absorb(counts.blocklists)
        self.urls.absorb(counts.urls)
        self.other_replies += counts.others
        for reply in counts.replies:
            key = reply.reason, reply.code, reply.enhanced, reply.shape
            found = self._replies.get(key)
            if found is None and len(self._replies) >= self._most:
                self.other_replies += reply.total
                continue
            if found is None or (found.file == reply.file and reply.line < found.line):
                counted = 0 if found is None else found.count
                found = self._replies[key] = _First(reply)
                found.count = counted
            found.count += reply.total

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

    def absorb(self, counts: PartyCounts) -> None:
        """Add what was counted elsewhere."""
        self.others += counts.others
        for name, outcomes, reasons in counts.names:
            if name not in self._outcomes and len(self._outcomes) >= self._most:
                self.others += sum(outcomes.values())
                continue
            self._outcomes.setdefault(name, Counter()).update(outcomes)
            if reasons:
                self._reasons.setdefault(name, Counter()).update(reasons)

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
            self.add_problem(record)
        elif record.reason is not Reason.ACCEPTED and record.event is not Event.DELIVERY:
            self.attempted.add(record)

    def add_blocks(
        self,
        blocks: Iterable[tuple[LogBlock, str]],
        takes: Callable[[LogRecord], bool] | None = None,
    ) -> int:
        """Count the records of joined blocks, each with the name of its file.

        takes: whether a record is to be counted; returns how many were passed over.
        """
        counted_by = CountedBy(
            *(self._most, _HOURS_TOLD + 1, PROVIDERS, zones(), GROWTH, _TIMES, HOUR, DAY),
            *(_shape_of, _urls_of),
        )
        return count_blocks(self, blocks, counted_by, takes)

    def absorb(self, counts: LogCounts) -> None:
        """Add what was counted elsewhere."""
        self._events.update(counts.events)
        self._outcomes.update(counts.outcomes)
        if counts.first is not None and counts.last is not None:
            self._note_times(counts.first, counts.last, is_local=counts.time_is_local)
        self.other_times += counts.other_times
        for day, kinds in counts.days:
            if day not in self._days and len(self._days) >= self._most:
                self.other_times += sum(kinds.values())
            else:
                self._days.setdefault(day, Counter()).update(kinds)
        for hour, kinds in counts.hours:
            if hour in self._hours or len(self._hours) <= _HOURS_TOLD:
                self._hours.setdefault(hour, Counter()).update(kinds)
        parties = self.domains, self.providers, self.relays
        for party, party_counts in zip(parties, counts.parties, strict=True):
            party.absorb(party_counts)
        refusals = self.failed, self.rejected, self.attempted
        for refusal, refusal_counts in zip(refusals, counts.refusals, strict=True):
            refusal.absorb(refusal_counts)
        for outcome, delay_counts in counts.delays.items():
            self.delays[outcome].absorb(delay_counts)

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
        self._note_times(time, time, is_local=is_local)
        day = time // DAY
        if day not in self._days and len(self._days) >= self._most:
            self.other_times += 1
            return
        self._days.setdefault(day, Counter())[kind] += 1
        hour = time // HOUR
        # With more of them the log spans more than two days, and it is these that are told.
        if hour in self._hours or len(self._hours) <= _HOURS_TOLD:
            self._hours.setdefault(hour, Counter())[kind] += 1

    def _note_times(self, first: int, last: int, *, is_local: bool) -> None:
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)
        self.time_is_local |= is_local

    def add_problem(self, record: LogRecord) -> None:
        """Count what is wrong with a line that is not understood, and nothing else of it."""
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


def _shape_of(text: str) -> str:
    shape = shape_of(text[:LONGEST_TEXT])
    return shape if len(shape) <= LONGEST_SHAPE else f"{shape[: LONGEST_SHAPE - 1]}…"


def _urls_of(text: str) -> list[str]:
    urls = dict.fromkeys(urls_of(text[:LONGEST_TEXT]))
    return [*dict.fromkeys(url[:LONGEST_NAME] for url in urls)]
