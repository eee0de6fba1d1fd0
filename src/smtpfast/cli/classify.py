"""`smtpfast classify`: reply lines in, one row or one JSON object a line out."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections import Counter
from contextlib import closing

from .. import classify, find_defects
from ..defects import is_utf8
from ..reasons import Reason
from ..records import TYPE_CHECKING
from ..status import Severity
from .inputs import classifier_of, lines_of, open_input
from .terminal import coloured, harmless, wants_colour

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from ..defects import Defect
    from ..reasons import Diagnosis
    from ..reply import ReplyLine

# No reply line is nearly as long; a file without line ends is not kept in memory.
_LONGEST_LINE = 1 << 20

_SEVERITIES = {
    Severity.POSITIVE_COMPLETION: "success",
    Severity.POSITIVE_INTERMEDIATE: "go on",
    Severity.TRANSIENT_NEGATIVE_COMPLETION: "temporary",
    Severity.PERMANENT_NEGATIVE_COMPLETION: "permanent",
    Severity.UNDEFINED: "undefined",
}
_MALFORMED = "malformed"
# As wide as the longest reason is, so that much of the text can be seen.
_MEANING_WIDTH = max(map(len, Reason))


def run(options: Namespace) -> int:
    """Print all lines of `options.file`, and on standard error how many there were of each kind."""
    diagnose = classifier_of(options.rules).diagnose
    show = _json_row if options.json else _text_row(wants_colour())
    counts: Counter[str] = Counter()
    with closing(open_input(options.file)) as source:
        for number, raw in enumerate(lines_of(source, _LONGEST_LINE, sys.stdout.flush), 1):
            line = classify(raw)
            counts[_kind(line)] += 1
            print(show(number, line, diagnose(line), _defects(raw) if options.defects else None))
            if len(raw) > _LONGEST_LINE and not raw.endswith(b"\n"):
                print(
                    f"smtpfast classify: line {number} is longer than {_LONGEST_LINE} bytes:"
                    " the rest of it is left out",
                    file=sys.stderr,
                )
    kinds = [*_SEVERITIES.values(), _MALFORMED]
    totals = ", ".join(f"{counts[kind]} {kind}" for kind in kinds if counts[kind])
    sys.stdout.flush()
    print(f"{counts.total()} lines: {totals}" if totals else "no lines", file=sys.stderr)
    return 0


def _defects(raw: bytes) -> tuple[Defect, ...]:
    """The line's defects, but not that a file ends its lines with LF alone, as text files do."""
    return find_defects(raw if raw.endswith(b"\r\n") else raw.removesuffix(b"\n"))


def _kind(line: ReplyLine) -> str:
    return _MALFORMED if line.code < 0 else _SEVERITIES[line.severity]


def _text_row(is_coloured: bool) -> Callable[..., str]:
    def row(
        _: int, line: ReplyLine, diagnosis: Diagnosis, defects: tuple[Defect, ...] | None
    ) -> str:
        code = "---" if line.code < 0 else f"{line.code:03}{'' if line.is_last else '-'}"
        kind = f"{_kind(line):9}"
        columns = [
            f"{code:4}",
            f"{'' if line.enhanced is None else str(line.enhanced):9}",
            coloured(kind, line.severity) if is_coloured else kind,
            f"{_meaning(line, diagnosis):{_MEANING_WIDTH}}",
            harmless(line.text),
        ]
        if defects:
            columns.append(f"[{', '.join(defects)}]")
        return " ".join(columns).rstrip()

    return row


def _meaning(line: ReplyLine, diagnosis: Diagnosis) -> str:
    """The reason of a failure; of what is none, where it says no more than the first digit, that
    of the codes."""
    if diagnosis.reason not in (Reason.ACCEPTED, Reason.INTERMEDIATE):
        return diagnosis.reason
    meaning = line.status.name.capitalize().replace("_", " ") if line.status else ""
    # X.0.0 says no more than the first digit either.
    if line.enhanced is not None and line.enhanced[1:] != (0, 0):
        meaning = line.enhanced.name or meaning
    return meaning[:_MEANING_WIDTH]


def _json_row(
    number: int, line: ReplyLine, diagnosis: Diagnosis, defects: tuple[Defect, ...] | None
) -> str:
    row = {
        "line": number,
        "code": line.code,
        "status": line.status.name,
        "is_last": line.is_last,
        "enhanced": None if line.enhanced is None else str(line.enhanced),
        "severity": line.severity.name.lower(),
        "category": line.category.name.lower(),
        "text": line.text,
        **diagnosis._asdict(),
    }
    text = line.text.encode("utf-8", "surrogateescape")
    if not is_utf8(text):
        # JSON has no way to write such bytes: the text gets U+FFFD for them, and they come apart.
        row["text"] = text.decode("utf-8", "replace")
        row["text_base64"] = b64encode(text).decode()
        evidence = diagnosis.evidence.encode("utf-8", "surrogateescape")
        row["evidence"] = evidence.decode("utf-8", "replace")
    if defects is not None:
        row["defects"] = defects
    return json.dumps(row)
