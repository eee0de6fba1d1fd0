"""What diagnosing gives: a reply's meaning, and a buffer's in columns."""

from __future__ import annotations

from collections.abc import Sequence

from .reasons import Diagnosis, Disposition, Reason
from .records import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol, overload

    from .reply import Buffer, ReplyLine, ReplyLines
    from .rules import Ruleset

    class Matcher(Protocol):
        """What a column of diagnoses asks of the classifier that made it."""

        @property
        def ruleset(self) -> Ruleset:  # noqa: D102
            ...

        def diagnose(self, reply: ReplyLine, /) -> Diagnosis:  # noqa: D102
            ...


class Diagnoses(Sequence[Diagnosis]):
    """What the lines of a buffer mean, in columns, one row a line.

    Each column is a read-only, contiguous `memoryview` of one dimension:

    reason: int8 ("b"), an index into `reasons`.
    disposition: int8 ("b"), an index into `dispositions`.
    retry_after: int32 ("i"), seconds; -1 for none.
    blocklist: int32 ("i"), an index into `blocklists`; -1 for none.
    provider: int32 ("i"), an index into `providers`; -1 for none.
    rule: int32 ("i"), an index into `rules`.
    evidence_start, evidence_end: int64 ("q"), byte offsets in `lines.data` of the words that
        decided; 0 and 0 where codes did.

    `lines` are the lines themselves. Indexing gives a `Diagnosis`.
    """

    reasons = tuple(Reason)
    dispositions = tuple(Disposition)

    __slots__ = (
        "blocklist",
        "blocklists",
        "classifier",
        "disposition",
        "evidence_end",
        "evidence_start",
        "lines",
        "provider",
        "reason",
        "retry_after",
        "rule",
    )

    def __init__(
        self,
        lines: ReplyLines,
        classifier: Matcher,
        blocklists: tuple[str, ...],
        columns: Iterable[Buffer],
    ) -> None:
        self.lines = lines
        self.classifier = classifier
        self.blocklists = blocklists
        raw = [memoryview(column).cast("B").toreadonly() for column in columns]
        self.reason, self.disposition = raw[0].cast("b"), raw[1].cast("b")
        self.retry_after, self.blocklist = raw[2].cast("i"), raw[3].cast("i")
        self.provider, self.rule = raw[4].cast("i"), raw[5].cast("i")
        self.evidence_start, self.evidence_end = raw[6].cast("q"), raw[7].cast("q")

    @property
    def rules(self) -> tuple[str, ...]:
        """The ids of the rules, as the column `rule` counts them."""
        return self.classifier.ruleset.rule_names

    @property
    def providers(self) -> tuple[str, ...]:
        """The names of the providers, as the column `provider` counts them."""
        return self.classifier.ruleset.provider_names

    def __len__(self) -> int:
        return len(self.reason)

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> Diagnosis: ...
        @overload
        def __getitem__(self, index: slice) -> Diagnoses: ...

    def __getitem__(self, index: int | slice) -> Diagnosis | Diagnoses:
        if isinstance(index, slice):
            columns = [bytes(column[index]) for column in self._columns]
            return Diagnoses(self.lines[index], self.classifier, self.blocklists, columns)
        return self.classifier.diagnose(self.lines[index])

    @property
    def _columns(self) -> tuple[memoryview, ...]:
        return (
            *(self.reason, self.disposition, self.retry_after, self.blocklist),
            *(self.provider, self.rule, self.evidence_start, self.evidence_end),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Diagnoses):
            return NotImplemented
        return len(self) == len(other) and all(map(Diagnosis.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # the buffer may change

    def __repr__(self) -> str:
        return f"<Diagnoses: {len(self)} lines of {self.lines.data.nbytes} bytes>"

    def __reduce__(self) -> tuple[type[Diagnoses], tuple[object, ...]]:
        columns = [bytes(column) for column in self._columns]
        return Diagnoses, (self.lines, self.classifier, self.blocklists, columns)
