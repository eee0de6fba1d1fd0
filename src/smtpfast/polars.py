"""Replies in columns of Polars, and mail logs as LazyFrames; importing this registers `.smtp`.

`pl.col("reply").smtp.code()`, `.enhanced()`, `.reason()`, `.disposition()`, `.classify()` and
`.diagnose()` take a column of String, Binary, Categorical or Enum, each cell of which is a reply,
and work row by row, lazily, eagerly and on the streaming engine; a Series has the same under
`.smtp`. Null stays null, and the name of the column stays its name. It takes Polars 2.0.

The types are those of `smtpfast.arrow` as Polars has them. Words that are the same for all rows
that there can be (status, severity, category, reason, disposition, and mta and event of a log) are
an Enum in the order of the library, so that they are the same in all batches, frames and engines;
those of a classifier's rules (provider, rule) and names of files are Categorical. text and evidence
are Binary of a column of octets, else String.
"""

from __future__ import annotations

from functools import cache, partial
from os import PathLike
from typing import TYPE_CHECKING, Final

from . import arrow
from ._core.arrow import PLUGIN, share_default, table
from .arrow_columns import (
    AS_GIVEN,
    CLASSIFY_FIELDS,
    DIAGNOSE_FIELDS,
    KINDS,
    MEANING_FIELDS,
    Kind,
    chosen,
)
from .classifier import default_classifier
from .log_columns import MEMBERS, LogColumns
from .logfiles import file_blocks, names_of, year_of_file
from .logs import LogReader, read_blocks

try:
    import polars as pl
except ModuleNotFoundError as error:
    message = "smtpfast.polars needs Polars: pip install 'smtpfast[polars]'"
    raise ModuleNotFoundError(message, name=error.name) from None
from polars.io.plugins import register_io_source
from polars.plugins import register_plugin_function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .classifier import Classifier

    # Some fields, in a struct; or one of them, alone.
    Fields = tuple[str, ...] | str

__all__ = ["ReplyExpr", "ReplySeries", "scan_maillog"]

# The fields that the compiled core can give to Polars without Python.
_NATIVE: Final = ("code", "enhanced", "reason", "disposition")
# Of Arrow's format strings.
_TYPES: Final = {
    "b": pl.Boolean(),
    "c": pl.Int8(),
    "s": pl.Int16(),
    "i": pl.Int32(),
    "u": pl.String(),
    "U": pl.String(),
}


@pl.api.register_expr_namespace("smtp")
class ReplyExpr:
    """What the replies of an expression say and mean: `.smtp` of `pl.Expr`.

    A column of another type is a `TypeError` when the query is planned.
    """

    def __init__(self, expr: pl.Expr) -> None:
        self._expr = expr

    def code(self) -> pl.Expr:
        """The reply code (Int16); -1 for what is no reply."""
        return _column(self._expr, "code", None)

    def enhanced(self) -> pl.Expr:
        """The enhanced status code, as "5.1.1" (String); null where there is none."""
        return _column(self._expr, "enhanced", None)

    def reason(self) -> pl.Expr:
        """Why the server said it: the `smtpfast.Reason` (Enum), by the default rules."""
        return _column(self._expr, "reason", None)

    def disposition(self) -> pl.Expr:
        """What to do: the `smtpfast.Disposition` (Enum), by the default rules."""
        return _column(self._expr, "disposition", None)

    def classify(self, fields: Iterable[str] = CLASSIFY_FIELDS) -> pl.Expr:
        """What the reply says (Struct): `fields` of `smtpfast.arrow.FIELDS`.

        An unknown field is a `SmtpFastError`.
        """
        return _column(self._expr, chosen(fields), None)

    def diagnose(
        self, fields: Iterable[str] = DIAGNOSE_FIELDS, classifier: Classifier | None = None
    ) -> pl.Expr:
        """What the reply says and means (Struct); `classifier` is the default one if None."""
        return _column(self._expr, chosen(fields), classifier)


@pl.api.register_series_namespace("smtp")
class ReplySeries:
    """What the replies of a Series say and mean: `.smtp` of `pl.Series`; all as in `ReplyExpr`."""

    def __init__(self, series: pl.Series) -> None:
        self._series = series

    def code(self) -> pl.Series:
        """The reply code (Int16); -1 for what is no reply."""
        return _answers(self._series, "code", None)

    def enhanced(self) -> pl.Series:
        """The enhanced status code, as "5.1.1" (String); null where there is none."""
        return _answers(self._series, "enhanced", None)

    def reason(self) -> pl.Series:
        """Why the server said it: the `smtpfast.Reason` (Enum), by the default rules."""
        return _answers(self._series, "reason", None)

    def disposition(self) -> pl.Series:
        """What to do: the `smtpfast.Disposition` (Enum), by the default rules."""
        return _answers(self._series, "disposition", None)

    def classify(self, fields: Iterable[str] = CLASSIFY_FIELDS) -> pl.Series:
        """What the reply says (Struct): `fields` of `smtpfast.arrow.FIELDS`."""
        return _answers(self._series, chosen(fields), None)

    def diagnose(
        self, fields: Iterable[str] = DIAGNOSE_FIELDS, classifier: Classifier | None = None
    ) -> pl.Series:
        """What the reply says and means (Struct); `classifier` is the default one if None."""
        return _answers(self._series, chosen(fields), classifier)


def _column(expr: pl.Expr, fields: Fields, classifier: Classifier | None) -> pl.Expr:
    """The fields of each reply; what type they have depends on that of the expression."""
    return expr.pipe_with_dtype(partial(_planned, fields=fields, classifier=classifier))


def _planned(
    expr: pl.Expr, dtype: pl.DataType, *, fields: Fields, classifier: Classifier | None
) -> pl.Expr:
    return_type = _type_of(fields, dtype)
    if fields in _NATIVE and classifier is None and _has_plugin():
        return _plugin(expr, str(fields))
    return expr.map_batches(
        partial(_answers, fields=fields, classifier=classifier),
        return_dtype=return_type,
        is_elementwise=True,
    )


def _plugin(expr: pl.Expr, field: str) -> pl.Expr:
    """A field as the compiled core gives it, which Polars calls by itself and without the GIL."""
    if field in MEANING_FIELDS:
        share_default(default_classifier())
    return register_plugin_function(
        plugin_path=str(PLUGIN),
        function_name=f"smtp_{field}",
        args=[expr],
        is_elementwise=True,
    )


@cache
def _has_plugin() -> bool:
    """Whether this Polars takes the symbols of the compiled core: it may change what it expects."""
    if PLUGIN is None:
        return False
    try:
        answer = pl.select(_plugin(pl.lit("250 2.0.0 Ok"), "code")).item()
    except pl.exceptions.PolarsError:
        return False
    return bool(answer == 250)


def _answers(series: pl.Series, fields: Fields, classifier: Classifier | None) -> pl.Series:
    names = (fields,) if isinstance(fields, str) else fields
    types = pl.Schema({name: _type_of(name, series.dtype) for name in names})
    matcher = arrow.matcher_for(names, classifier)
    frame = pl.DataFrame(table(series, None, names, matcher, for_polars=True)).cast(types)
    if isinstance(fields, str):
        return frame.to_series().alias(series.name)
    struct = frame.to_struct(series.name)
    if not series.null_count():
        return struct
    # Null itself, not only in all its fields, as Polars' own functions have it.
    return pl.select(pl.when(series.is_not_null()).then(struct)).to_series()


def _type_of(fields: Fields, given: pl.DataType) -> pl.DataType:
    """The type of the answers for a column of a type; a `TypeError` if that is none of replies."""
    if given not in (pl.String, pl.Binary, pl.Categorical, pl.Enum):
        raise TypeError(f"expected a column of texts or octets, not of {given}")
    if not isinstance(fields, str):
        return pl.Struct({name: _type_of(name, given) for name in fields})
    kind = KINDS[fields]
    if kind.format == AS_GIVEN:
        return pl.Binary() if given == pl.Binary else pl.String()
    return _type(kind)


@cache
def _type(kind: Kind) -> pl.DataType:
    if kind.words is None:
        return _TYPES[kind.format]
    return pl.Enum(kind.words) if kind.words else pl.Categorical()


def scan_maillog(
    path: str | PathLike[str] | Iterable[str | PathLike[str]],
    *,
    year: int | None = None,
    classifier: Classifier | None = None,
    diagnose: bool = True,
) -> pl.LazyFrame:
    """The records of mail logs, whichever MTAs have written them, as `smtpfast.logs` reads them.

    path: a file, a pattern of names, or several of these; files are read in the order in which
    they were last written, and may be compressed by gzip, bzip2, xz or zstd. year: of the first
    stamp of each file, where stamps name none; by default found out by when the file was last
    written. classifier: decides the reasons; the default one, if None. diagnose: whether there are
    reasons; without them reason, disposition, retry_after, blocklist and provider are null.

    The columns are those of `LogRecord`, with the types of `smtpfast.arrow.records`. Only those
    that the query needs are made, reasons only if it needs them, and it reads no further than it
    has to; the memory does not grow with the files. A line that looks like a delivery, but is not
    understood, is a row with event "other" and a problem. When the query runs, a file that cannot
    be read, or is no text, is a `smtpfast.errors.InputError` (a `SmtpFastError`).
    """
    names = (path,) if isinstance(path, str | PathLike) else tuple(path)
    return register_io_source(
        partial(_frames, names, year, classifier, diagnose),
        schema=_log_types(),
        validate_schema=True,
        is_pure=True,
    )


@cache
def _log_types() -> pl.Schema:
    """The types of a log's columns, by those that no records have."""
    frame = pl.DataFrame(arrow.records(LogColumns.of_records((), "")))
    enums = {name: pl.Enum(map(str, words)) for name, words in MEMBERS.items()}
    return pl.Schema({**frame.schema, **enums})


def _frames(
    paths: Iterable[str | PathLike[str]],
    year: int | None,
    classifier: Classifier | None,
    diagnose: bool,
    with_columns: list[str] | None,
    predicate: pl.Expr | None,
    n_rows: int | None,
    batch_size: int | None,
) -> Iterator[pl.DataFrame]:
    """The records in batches; what the last four are, `register_io_source` says.

    The columns that the predicate needs are among `with_columns`, and it comes behind `n_rows`.
    """
    types = _log_types()
    if with_columns is not None:
        types = pl.Schema({name: types[name] for name in with_columns})
    has_reasons = diagnose and not types.keys().isdisjoint(MEANING_FIELDS)

    def new_reader(name: str) -> LogReader:
        first = partial(year_of_file, name) if year is None and "time" in types else year
        return LogReader(name, year=first, classifier=classifier, diagnose=has_reasons)

    for reader, block in read_blocks(_blocks(paths, new_reader), pl.thread_pool_size()):
        frame = pl.DataFrame(arrow.records(reader.columns([block]), types)).cast(types)
        if n_rows is not None:
            frame = frame.head(n_rows)
            n_rows -= len(frame)
        if predicate is not None:
            frame = frame.filter(predicate)
        yield from frame.iter_slices(batch_size or len(frame) or 1)
        if n_rows == 0:
            return


def _blocks(
    paths: Iterable[str | PathLike[str]], new_reader: Callable[[str], LogReader]
) -> Iterator[tuple[LogReader, bytes | memoryview]]:
    """All lines of all files, the oldest file first, in blocks with the reader of their file."""
    for name in names_of(map(str, paths)):
        reader = new_reader(name)
        for block in file_blocks(name):
            yield reader, block
