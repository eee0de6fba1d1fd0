"""Columns of replies, from and to anything that speaks Arrow, without pyarrow.

What goes in has `__arrow_c_array__` or `__arrow_c_stream__` (Arrow's PyCapsule interface): what
pyarrow, Polars, DuckDB, pandas 3, nanoarrow, arro3 and DataFusion make. It is a column of utf8,
large_utf8, utf8_view, binary, large_binary or binary_view, or a dictionary of these; or a table
with such a column. Each cell is a reply, as `smtpfast.classify` and `smtpfast.diagnose` take it.

What comes out has a row for each row given, null in all columns where that is null:

code: int16; -1 for what is no reply. status: dictionary<int8, utf8>, the name of the
`SmtpStatusCode`. enhanced: utf8, as "5.1.1"; enhanced_class: int8, enhanced_subject,
enhanced_detail: int16; all four null where there is none. is_last: bool. severity, category:
dictionary<int8, utf8>, the names in lower case. text: large_utf8, or large_binary of a column of
octets; not there unless asked for. reason, disposition: dictionary<int8, utf8>. retry_after:
int32, in seconds, or null. blocklist: large_utf8 or null. provider: dictionary<int32, utf8> or
null. rule: dictionary<int32, utf8>. evidence: of the type of text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core.arrow import ArrowStream, ArrowTable, packed, table
from .arrow_columns import (
    CLASSIFY_FIELDS,
    DIAGNOSE_FIELDS,
    FIELDS,
    MEANING_FIELDS,
    Kind,
    chosen,
)
from .errors import SmtpFastError
from .log_columns import Members, Texts
from .log_record import LogRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .arrow_columns import Packed
    from .classifier import Classifier
    from .log_columns import LogColumns
    from .reply import Buffer

__all__ = [
    "CLASSIFY_FIELDS",
    "DIAGNOSE_FIELDS",
    "FIELDS",
    "ArrowStream",
    "ArrowTable",
    "classify",
    "diagnose",
    "records",
    "stream",
]

# Of the columns of numbers of a log.
_FORMATS = {"time": "tsu:", "time_is_local": "?", "relay_port": "i", "delay": "g", "code": "s"}
_FORMATS |= {"retry_after": "i", "line": "l"}


def classify(
    data: Any, column: str | None = None, *, fields: Iterable[str] = CLASSIFY_FIELDS
) -> ArrowTable:
    """What each reply of a column says: see the module for what goes in and comes out.

    `column` names the one of a table, which may be left out if there is no other. `fields` are
    those wanted, of FIELDS. A wrong type is a `TypeError`; a column that is not there, an unknown
    field, or an array that breaks the rules of Arrow is a `SmtpFastError`.
    """
    names = chosen(fields)
    return table(data, column, names, matcher_for(names, None))


def diagnose(
    data: Any,
    column: str | None = None,
    *,
    fields: Iterable[str] = DIAGNOSE_FIELDS,
    classifier: Classifier | None = None,
) -> ArrowTable:
    """What each reply of a column says and means; `classifier` is the default one if None."""
    names = chosen(fields)
    return table(data, column, names, matcher_for(names, classifier))


def stream(
    source: Any,
    column: str,
    *,
    fields: Iterable[str] = CLASSIFY_FIELDS,
    prefix: str = "",
    classifier: Classifier | None = None,
) -> ArrowStream:
    """A table's batches, as they are, with the fields of one column's replies behind their own.

    `source` has `__arrow_c_stream__`, and so has what is returned; it reads a batch when one is
    asked for. The new columns have the names of the fields behind `prefix`; a name that the source
    has already is a `SmtpFastError` when the stream is opened.
    """
    if "\0" in prefix:  # a name of Arrow ends there
        raise SmtpFastError(f"prefix={prefix!r}: expected a text without NUL")
    names = chosen(fields)
    written = tuple(prefix + name for name in names)
    return ArrowStream(source, column, names, written, matcher_for(names, classifier))


def matcher_for(fields: Iterable[str], classifier: Classifier | None) -> Classifier | None:
    """The classifier that some fields need, if they need one; its rules take time to load."""
    if not {*fields} & {*MEANING_FIELDS}:
        return None
    if classifier is None:
        from .classifier import default_classifier

        return default_classifier()
    return classifier


def records(columns: LogColumns, fields: Iterable[str] = LogRecord._fields) -> ArrowTable:
    """The records of a log: what `smtpfast.logs.read_columns` and `LogReader.columns` give.

    `fields` are those wanted, of `LogRecord`; another name is a `KeyError`. time: timestamp[us],
    in UTC, or in the log's own zone where time_is_local (bool). relay_port, retry_after: int32.
    delay: double, in seconds. code: int16. line: int64. mta, event, reason, disposition:
    dictionary<int8, utf8>; file: dictionary<int32, utf8>. All others: utf8, with U+FFFD where the
    log has something else than UTF-8.
    """
    return packed(len(columns), [_packed(columns, name) for name in fields])


def _packed(columns: LogColumns, name: str) -> Packed:
    rows = len(columns)
    if name == "file":
        every = b"\xff" * ((rows + 7) // 8)
        words = (columns.file.encode("utf-8", "replace").decode(),)
        return name, Kind("i", words), (every, bytes(4 * rows))
    column = columns.columns[name]
    if isinstance(column, Texts):
        return name, Kind("u"), _utf8(column)
    if isinstance(column, Members):
        return name, Kind("c", tuple(map(str, column.names))), column[:2]
    return name, Kind(_FORMATS[name]), column


def _utf8(column: Texts) -> tuple[Buffer, ...]:
    try:
        str(column.data, "utf-8")
    except UnicodeDecodeError:
        return column.in_utf8()
    return column
