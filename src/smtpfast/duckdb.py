"""Replies in DuckDB: functions of SQL, and the fast way through Arrow.

    import smtpfast.duckdb

    con = duckdb.connect()
    smtpfast.duckdb.register(con)
    con.sql("select smtp_reason(reply), count(*) from t group by all")

Functions
=========

It takes DuckDB 1.1.1. Each function takes a reply, as `smtpfast.classify` and `smtpfast.diagnose`
take it, in a VARCHAR, an ENUM or a BLOB; other types are an error when the query runs. They give

smtp_code: SMALLINT; -1 for what is no reply. smtp_enhanced: VARCHAR, as '5.1.1', or NULL.
smtp_severity, smtp_category, smtp_reason, smtp_disposition: VARCHAR. smtp_retry_after: INTEGER, in
seconds, or NULL. smtp_classify, smtp_diagnose: a STRUCT of `smtpfast.arrow.CLASSIFY_FIELDS` and of
`smtpfast.arrow.DIAGNOSE_FIELDS`: code SMALLINT; status VARCHAR, the name of the `SmtpStatusCode`;
enhanced VARCHAR; enhanced_class TINYINT, enhanced_subject, enhanced_detail SMALLINT; is_last
BOOLEAN; severity, category, reason, disposition VARCHAR; retry_after INTEGER; blocklist, provider
VARCHAR or NULL; rule, evidence VARCHAR, the latter with U+FFFD for octets that are no UTF-8.

NULL gives NULL, and no struct either: `smtp_classify(reply).code` is NULL then too. (With pyarrow
and before DuckDB 1.2, a NULL that has no type, as in `smtp_code(NULL)`, is an error.) Give octets
as they are: `decode` fails for those that are no UTF-8, and a cast of BLOB to VARCHAR writes them
as `\\xFF`, which is another reply. `encode` makes a BLOB of a VARCHAR, with the same answers.

With pyarrow the functions take up to 2,048 rows at a time. Without it they take one, by the
functions for one reply: the same answers, but many times slower. (DuckDB 2 needs NumPy for that.)

The fast way
============

Several times faster than the functions, and without pyarrow:

    result = smtpfast.arrow.diagnose(con.sql("select reply from t"), "reply")
    con.sql("select reason, count(*) from result group by all")

DuckDB finds `result` by the name of the variable, as often as it is asked. From 1.5 a relation made
of it can be read twice too, and `con.register("result", result)` works. Before 1.5 use each
relation once, and none after `register`, where the second reading invalidates the database: what is
to stay goes into a table by `create table said as from result`.

Other columns come along, a batch at a time, by

    source = con.cursor()
    result = smtpfast.arrow.stream(source.sql("from t"), "reply", fields=["code", "reason"])
    con.sql("select day, reason, count(*) from result group by all")

What is read needs a connection of its own, as this cursor: a query that reads from itself hangs
before 2.0, and is an error from then on. It is the variable `source` that keeps the cursor open.
Before 1.3 a relation can be read once, and so can the stream.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from . import arrow
from ._core import classify
from ._core.pure_arrow import OF_LINE
from .arrow_columns import CLASSIFY_FIELDS, DIAGNOSE_FIELDS, KINDS, MEANING_FIELDS
from .classifier import default_classifier
from .octets import octets

try:
    import duckdb
except ModuleNotFoundError as error:
    message = "DuckDB is needed: pip install 'smtpfast[duckdb]'"
    raise ModuleNotFoundError(message, name=error.name) from None

if TYPE_CHECKING:
    from collections.abc import Callable

    from .classifier import Classifier
    from .octets import Octets

__all__ = ["register"]

_SINGLE_FIELDS: Final = (
    *("code", "enhanced", "severity", "category"),
    *("reason", "disposition", "retry_after"),
)
_FUNCTIONS: Final = {
    **{f"smtp_{field}": (field,) for field in _SINGLE_FIELDS},
    "smtp_classify": CLASSIFY_FIELDS,
    "smtp_diagnose": DIAGNOSE_FIELDS,
}
# By Arrow's format strings; all others, and what is in a dictionary, are texts.
_TYPES: Final = {"b": "BOOLEAN", "c": "TINYINT", "s": "SMALLINT", "i": "INTEGER"}


def register(
    connection: duckdb.DuckDBPyConnection, *, classifier: Classifier | None = None
) -> None:
    """Make the functions known to the database of a connection: see the module for what they give.

    `classifier` is the default one if None. All connections to the database have them, as cursors
    of this one; but only the connection that made them known can do so again, with another
    classifier: for the others that is a `duckdb.CatalogException`.
    """
    if classifier is None:
        classifier = default_classifier()
    try:
        import pyarrow
    except ModuleNotFoundError:
        pyarrow = None
    # Typed as enumerations, which are in another place before DuckDB 1.5.
    kind: Any
    special: Any = "special"
    for name, fields in _FUNCTIONS.items():
        if pyarrow is None:
            function, kind = _of_row(fields, classifier), "native"
        else:
            function, kind = _of_column(fields, classifier, pyarrow), "arrow"
        with suppress(duckdb.InvalidInputException):  # there is none of that name
            connection.remove_function(name)
        # There is no overloading. Without types of parameters, one of any type is taken.
        # Nulls are ours to answer, or null would be no answer to anything else.
        connection.create_function(
            name, function, None, _type(fields), type=kind, null_handling=special
        )


def _type(fields: tuple[str, ...]) -> str:
    kinds = [KINDS[field] for field in fields]
    types = [_TYPES.get(kind.format) if kind.words is None else None for kind in kinds]
    if len(fields) == 1:
        return types[0] or "VARCHAR"
    columns = [f"{field} {kind or 'VARCHAR'}" for field, kind in zip(fields, types, strict=True)]
    return f"STRUCT({', '.join(columns)})"


# Lambdas, for DuckDB reads annotations as its types. Kept, for it lets go of them with the
# connection that made them known, and would crash on another one.


@cache
def _of_row(fields: tuple[str, ...], classifier: Classifier) -> Callable[[Any], Any]:
    is_meaning_wanted = not {*fields}.isdisjoint(MEANING_FIELDS)

    def row(reply: Octets) -> tuple[Any, ...]:
        line = classify(reply)
        found = classifier.diagnose(reply) if is_meaning_wanted else None
        return tuple(
            OF_LINE[field](line) if field in OF_LINE else _plain(getattr(found, field))
            for field in fields
        )

    if len(fields) == 1:
        return lambda reply: None if reply is None else row(reply)[0]
    return lambda reply: None if reply is None else row(reply)


def _plain(value: str | int | None) -> str | int | None:
    return str(octets(value), "utf-8", "replace") if isinstance(value, str) else value


@cache
def _of_column(fields: tuple[str, ...], classifier: Classifier, pa: Any) -> Callable[[Any], Any]:
    def column(replies: Any) -> Any:
        if pa.types.is_null(replies.type):  # as NULL itself is, of which nobody says the type
            replies = replies.cast(pa.utf8())
        made = pa.record_batch(arrow.diagnose(replies, fields=fields, classifier=classifier))
        columns = [_plain_column(each, pa) for each in made.columns]
        if len(fields) == 1:
            return columns[0]
        is_null = replies.combine_chunks().is_null()
        return pa.StructArray.from_arrays(columns, fields, mask=is_null)

    return lambda replies: column(replies)


def _plain_column(column: Any, pa: Any) -> Any:
    if column.type == pa.large_binary():
        texts = [
            None if each is None else str(each, "utf-8", "replace") for each in column.to_pylist()
        ]
        return pa.array(texts, pa.large_utf8())
    # DuckDB before 1.3 crashes on a struct with several dictionaries.
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
