"""How right a classifier is on labelled replies: how those are read, and the figures."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

from ._core.pure_meaning import command_number
from .errors import SmtpFastError
from .reasons import Reason
from .records import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Final

    from .classifier import Classifier
    from .reasons import Diagnosis


class LabelError(SmtpFastError):
    """A line of labelled replies cannot be used.

    file: the file's name. line: the number of the line, from 1. problem: what is wrong with it.
    """

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(file, line, problem)
        self.file = file
        self.line = line
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}"


class Labelled(NamedTuple):
    """A reply, the reason that it should get, and where that was said.

    accept: all reasons that are right, `reason` among them. command: what the reply answers, if
    that is told. family, language: what replies may be grouped by; "" where it is not told.
    """

    reply: str
    reason: Reason
    accept: frozenset[Reason]
    command: str | None
    family: str
    language: str
    file: str
    line: int


class Judged(NamedTuple):
    """A labelled reply, and what a classifier has found."""

    row: Labelled
    found: Diagnosis


class Score(NamedTuple):
    """Of some replies: the shares of those decided and right, the mean F1 of the reasons.

    strict: the share of right ones if only `Labelled.reason` is right.
    """

    total: int
    coverage: float
    accuracy: float
    strict: float
    macro_f1: float


# --- Reading --------------------------------------------------------------------------------

_REASONS: Final = {reason.value: reason for reason in Reason}


def read_labelled(data: bytes, file: str) -> list[Labelled]:
    """The labelled replies of a file, one a line; a line that cannot be used is a `LabelError`.

    A line is a JSON object, or a reason, a tab and a reply; blank lines and those that begin with
    "#" are passed over. docs/rules.md says what the object may hold.
    """
    rows = []
    for number, line in enumerate(data.decode("utf-8-sig", "surrogateescape").split("\n"), 1):
        if line.strip() and not line.startswith("#"):
            try:
                rows.append(_labelled(_entry(line.removesuffix("\r")), file, number))
            except SmtpFastError as error:
                raise LabelError(file, number, str(error)) from None
    return rows


def _entry(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        reason, tab, reply = line.partition("\t")
        if not tab:
            raise SmtpFastError("expected a JSON object, or a reason, a tab and a reply")
        return {"reason": reason, "reply": reply}
    try:
        entry: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SmtpFastError(f"not JSON: {getattr(error, 'msg', error)}") from None
    return entry


def _labelled(entry: dict[str, Any], file: str, number: int) -> Labelled:
    reply = entry.get("reply", entry.get("line"))
    if not isinstance(reply, str) or not reply:
        raise SmtpFastError("reply: expected a text")
    first = [] if entry.get("reason") is None else [entry["reason"]]
    others = [entry.get(key) or [] for key in ("accept", "also")]
    if not all(isinstance(some, list) for some in others):
        raise SmtpFastError("accept and also: expected lists of reasons")
    # In `accept` names of other classifications may stand beside ours, and can never be right.
    accept = [name for name in others[0] if not isinstance(name, str) or name in _REASONS]
    reasons = [_reason(name) for name in first + accept + others[1]]
    if not reasons:
        raise SmtpFastError("no reason")
    command = str(entry["command"]) if entry.get("command") else None
    if command is not None:
        command_number(command)  # or it is an error
    return Labelled(
        reply,
        reasons[0],
        frozenset(reasons),
        command,
        str(entry.get("family") or ""),
        str(entry.get("language") or ""),
        file,
        number,
    )


def _reason(name: object) -> Reason:
    if not isinstance(name, str) or name not in _REASONS:
        raise SmtpFastError(
            f"unknown reason {str(name)[:80]!r}: expected one of {', '.join(_REASONS)}"
        )
    return _REASONS[name]


# --- Judging --------------------------------------------------------------------------------


def judge(rows: Iterable[Labelled], classifier: Classifier) -> list[Judged]:
    """The rows with what the classifier says of them."""
    return [Judged(row, classifier.diagnose(row.reply, command=row.command)) for row in rows]


def is_right(judged: Judged) -> bool:
    """Whether the reason found is one of those that are right."""
    return judged.found.reason in judged.row.accept


def is_decided(judged: Judged) -> bool:
    """Whether a reason was found, or none should be."""
    return judged.found.reason is not Reason.UNKNOWN or judged.row.reason is Reason.UNKNOWN


def score(judged: Sequence[Judged]) -> Score:
    """The figures of some replies, at least one."""
    table = confusion(judged)
    given = _given(table)
    each = [
        2 * counts[wanted] / (counts.total() + given[wanted]) for wanted, counts in table.items()
    ]
    total = len(judged)
    return Score(
        total,
        sum(map(is_decided, judged)) / total,
        sum(map(is_right, judged)) / total,
        sum(row.reason is found.reason for row, found in judged) / total,
        sum(each) / len(each),
    )


def confusion(judged: Iterable[Judged]) -> dict[Reason, Counter[Reason]]:
    """How often each wanted reason was taken for which; one that is right as well is no mistake."""
    table: dict[Reason, Counter[Reason]] = defaultdict(Counter)
    for each in judged:
        taken = each.row.reason if is_right(each) else each.found.reason
        table[each.row.reason][taken] += 1
    return table


def reason_table(judged: Iterable[Judged]) -> Iterator[str]:
    """The figures of each reason, and what it was taken for, as lines of text."""
    table = confusion(judged)
    given = _given(table)
    yield f"{'reason':22} lines  recall  precision     F1  taken for"
    for reason in Reason:
        counts = table.get(reason)
        if not counts:
            continue
        right, total = counts[reason], counts.total()
        precision = right / given[reason] if given[reason] else 0
        f1 = 2 * right / (total + given[reason])
        others = [f"{count} {name}" for name, count in counts.most_common() if name is not reason]
        row = f"{reason:22} {total:5}  {right / total:6.1%}  {precision:9.1%}  {f1:.3f}"
        yield "  ".join([row, ", ".join(others)]).rstrip()


def _given(table: dict[Reason, Counter[Reason]]) -> Counter[Reason]:
    return sum(table.values(), Counter[Reason]())
