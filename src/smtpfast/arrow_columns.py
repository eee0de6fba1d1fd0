"""The columns of a table of replies: names, Arrow types, and the words of those that have few.

https://arrow.apache.org/docs/format/CDataInterface.html has the format strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from .errors import SmtpFastError
from .reasons import Disposition, Reason
from .status import Category, Severity, SmtpStatusCode

if TYPE_CHECKING:
    from collections.abc import Iterable

# The words that dictionaries have, by the number that stands for each in the rows.
STATUSES: Final = tuple(status.name for status in SmtpStatusCode)
SEVERITIES: Final = tuple(severity.name.lower() for severity in Severity)
CATEGORIES: Final = tuple(category.name.lower() for category in Category)
REASONS: Final = tuple(map(str, Reason))
DISPOSITIONS: Final = tuple(map(str, Disposition))
# What those of providers and rules are, the classifier says.
OF_CLASSIFIER: Final[tuple[str, ...]] = ()


AS_GIVEN: Final = "="


class Kind(NamedTuple):
    """What a column holds.

    format: Arrow's format string, of the indexes where there is a dictionary (of utf8), or
    one of ours: AS_GIVEN for large_utf8 or large_binary, as texts or octets were given, "?" for
    bool of one octet each, where memory is given. words: of the dictionary.
    """

    format: str
    words: tuple[str, ...] | None = None


if TYPE_CHECKING:
    from .reply import Buffer

    # A column whose memory is there: its name, and the buffers as Arrow has them for the format.
    Packed = tuple[str, Kind, Iterable[Buffer]]


KINDS: Final = {
    "code": Kind("s"),
    "status": Kind("c", STATUSES),
    "enhanced": Kind("u"),
    "enhanced_class": Kind("c"),
    "enhanced_subject": Kind("s"),
    "enhanced_detail": Kind("s"),
    "is_last": Kind("b"),
    "severity": Kind("c", SEVERITIES),
    "category": Kind("c", CATEGORIES),
    "text": Kind(AS_GIVEN),
    "reason": Kind("c", REASONS),
    "disposition": Kind("c", DISPOSITIONS),
    "retry_after": Kind("i"),
    "blocklist": Kind("U"),
    "provider": Kind("i", OF_CLASSIFIER),
    "rule": Kind("i", OF_CLASSIFIER),
    "evidence": Kind(AS_GIVEN),
}
FIELDS: Final = tuple(KINDS)
MEANING_FIELDS: Final = FIELDS[FIELDS.index("reason") :]
# What there is unless other fields are asked for; the text itself is in the column given.
CLASSIFY_FIELDS: Final = FIELDS[: FIELDS.index("text")]
DIAGNOSE_FIELDS: Final = CLASSIFY_FIELDS + MEANING_FIELDS


# The metadata of a column that Polars reads as an Enum: crates/polars-core/src/datatypes/field.rs.
ENUM_KEY: Final = "_PL_ENUM_VALUES2"


def enum_value(words: Iterable[str]) -> str:
    """The words of an Enum as Polars writes them: the octets of each, and the word."""
    return "".join(f"{len(word.encode())};{word}" for word in words)


def chosen(fields: Iterable[str]) -> tuple[str, ...]:
    """The fields, each a known one and there once; anything else is a `SmtpFastError`."""
    if isinstance(fields, str):
        raise SmtpFastError(f"fields={fields!r}: expected some names, not one")
    names = tuple(fields)
    for name in names:
        if name not in KINDS:
            raise SmtpFastError(f"no field {name!r}: there are {', '.join(FIELDS)}")
    if len({*names}) < len(names) or not names:
        raise SmtpFastError(f"fields={names!r}: expected each name once, and one at least")
    return names
