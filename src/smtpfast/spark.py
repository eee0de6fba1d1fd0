"""Replies and mail logs in Spark: functions of columns, of SQL, and a data source.

    import smtpfast.spark

    replies.select(smtpfast.spark.diagnose("reply").alias("said")).select("said.*")
    smtpfast.spark.register(spark)
    spark.sql("SELECT smtp_reason(reply), count(*) FROM replies GROUP BY ALL")
    spark.read.format("maillog").load("/var/log/mail/*.log.gz")

It takes PySpark 4.1, whose Arrow UDFs and data sources work without pandas, and smtpfast with its
compiled core on every executor. Where the pure one runs instead, a task fails and says so, unless
`require_compiled=False`: the answers are the same, but slow. The wheel belongs into the image of
the executors; or rename it to .zip and have Spark unpack it, for --py-files would not:

    spark-submit --archives smtpfast.zip#deps --conf spark.executorEnv.PYTHONPATH=./deps …

Replies are a column of strings or of binaries; each cell is one, as `smtpfast.classify` and
`smtpfast.diagnose` take it. What comes out is a struct with the fields asked for, of these types;
it is null itself where the reply is:

code: smallint; -1 for what is no reply. status: string, the name of the `SmtpStatusCode`.
enhanced: string, as "5.1.1"; enhanced_class: tinyint, enhanced_subject, enhanced_detail: smallint;
all four null where there is none. is_last: boolean. severity, category: string, the names in lower
case. text: string; not there unless asked for. reason, disposition: string. retry_after: int, in
seconds, or null. blocklist, provider: string or null. rule, evidence: string. In text and evidence
stands U+FFFD for octets that are no UTF-8.

The data source `maillog`
=========================

`load` takes the path of a file, of a folder or a pattern such as `/logs/*/mail.log*`, or a list of
these, also as URIs such as `s3://…`, for which fsspec is asked, or pyarrow.fs if that is not
installed. Of folders and by patterns, files whose names begin with . or _ are left out, as Spark
does, and folders in folders too. Columns are those of `smtpfast.logs.LogRecord`: time
timestamp_ntz, in UTC, or where time_is_local in the log's own zone; time_is_local boolean;
relay_port int; delay double, in seconds; code smallint; retry_after int; line bigint; all others
string. Spark asks a data source in Python for all its columns: `schema("recipient string, code
smallint")` in front of `load` says which are wanted, and without one of the reasons none are worked
out. Options:

splitBytes: a file that is larger is read in parts of so many octets; 134217728 if not given. One
that is compressed by gzip, bzip2, xz or zstd, as its first octets say, is no more than one part,
nor is one that begins with a header of PowerMTA or Exchange. year: of the first stamp of each file
that names none (RFC 3164). diagnose: whether reasons are asked for; true if not given.
requireCompiled: as above; if not given, what `register` was told.

Each line is read once, with the part in which it begins. What it says by itself does not depend on
the parts; but in a file of several parts

- line is null, for it would take reading all that is in front of a part to count it;
- sender is null where it stands in an earlier part, and so is whatever else earlier lines of the
  same message say: with qmail and Haraka the recipients, for which there is one record then;
- the year of stamps without one is worked out for each part, from the stamps between it and the end
  of the file and from when that was last written, or from the year given; up to 256 places are
  looked at for that. Without either, where the file system does not say when, time is null.

Spark makes the parts in a process of its own beside the driver, with the Python and the PYTHONPATH
that the executors have: smtpfast must be found there too.

Of a line longer than 4 MiB the rest is left out. What is no log has no records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import arrow
from .arrow_columns import CLASSIFY_FIELDS, DIAGNOSE_FIELDS, KINDS, chosen

try:
    import pyarrow as pa
    from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]
    from pyspark.sql.types import (
        BooleanType,
        ByteType,
        IntegerType,
        ShortType,
        StringType,
        StructField,
        StructType,
    )

    from .spark_maillog import MailLog, MailLogOnAnyCore, check_core
except ModuleNotFoundError as error:
    message = "Spark needs pyspark and pyarrow: pip install 'smtpfast[spark]'"
    raise ModuleNotFoundError(message, name=error.name) from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyspark.sql import Column, SparkSession
    from pyspark.sql.types import DataType

    from .classifier import Classifier

__all__ = ["classify", "diagnose", "register"]

# By Arrow's format strings; all others, and what is in a dictionary, are texts.
_TYPES: Final = {"b": BooleanType(), "c": ByteType(), "s": ShortType(), "i": IntegerType()}
_SINGLE_FIELDS: Final = ("code", "enhanced", "reason", "disposition")


def classify(
    column: Column | str,
    *,
    fields: Iterable[str] = CLASSIFY_FIELDS,
    require_compiled: bool = True,
) -> Column:
    """What each reply of a column says, as a struct: see the module for its fields.

    `column` is one of strings or binaries, or its name. `fields` are those wanted, in this order,
    of `smtpfast.arrow.FIELDS`; an unknown one is a `SmtpFastError`. A column of another type fails
    the task by a `TypeError`, and an executor without the compiled core by a `SmtpFastError`,
    unless `require_compiled` is False; Spark raises its own `PythonException` with their text.
    """
    function = _function("classify", chosen(fields), is_compiled_required=require_compiled)
    return function(column)


def diagnose(
    column: Column | str,
    *,
    fields: Iterable[str] = DIAGNOSE_FIELDS,
    require_compiled: bool = True,
    classifier: Classifier | None = None,
) -> Column:
    """What each reply of a column says and means; all as `classify` has it.

    `classifier` is the default one if None; one of your own travels to the executors.
    """
    function = _function(
        "diagnose", chosen(fields), classifier, is_compiled_required=require_compiled
    )
    return function(column)


def register(spark: SparkSession, *, require_compiled: bool = True) -> None:
    """Make functions of SQL and the data source `maillog` known to a session.

    `smtp_code(reply)`, `smtp_enhanced`, `smtp_reason` and `smtp_disposition` give a field each,
    `smtp_classify` and `smtp_diagnose` the struct that `classify` and `diagnose` do.
    """
    functions = {"smtp_classify": CLASSIFY_FIELDS, "smtp_diagnose": DIAGNOSE_FIELDS}
    functions |= {f"smtp_{field}": (field,) for field in _SINGLE_FIELDS}
    for name, fields in functions.items():
        function = _function(
            name, fields, is_compiled_required=require_compiled, is_struct=len(fields) > 1
        )
        spark.udf.register(name, function)
    spark.dataSource.register(MailLog if require_compiled else MailLogOnAnyCore)


def _function(
    name: str,
    fields: tuple[str, ...],
    classifier: Classifier | None = None,
    *,
    is_compiled_required: bool,
    is_struct: bool = True,
) -> Callable[[Column | str], Column]:
    """An Arrow UDF that gives these fields in a struct, or the only one without it."""
    struct = StructType([StructField(field, _type_of(field)) for field in fields])

    def said(replies: pa.Array) -> pa.Array:
        # Pickled with all that it names: so what is to be looked up there is behind another name.
        check_core(is_compiled_required=is_compiled_required)
        return _said(replies, fields, classifier, is_struct=is_struct)

    said.__name__ = name  # as plans show it
    function: Callable[[Column | str], Column]
    function = arrow_udf(said, struct if is_struct else struct[0].dataType)
    return function


def _type_of(field: str) -> DataType:
    kind = KINDS[field]
    return StringType() if kind.words is not None else _TYPES.get(kind.format, StringType())


def _said(
    replies: Any, fields: tuple[str, ...], classifier: Classifier | None, *, is_struct: bool
) -> Any:
    if pa.types.is_null(replies.type):  # of the literal NULL
        replies = replies.cast(pa.utf8())
    batch = pa.record_batch(arrow.diagnose(replies, fields=fields, classifier=classifier))
    columns = [*map(_as_spark_has_it, batch.columns)]
    if not is_struct:
        return columns[0]
    return pa.StructArray.from_arrays(columns, [*fields], mask=replies.is_null())


def _as_spark_has_it(column: Any) -> Any:
    """A column without a dictionary, and texts as UTF-8."""
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    if column.type not in (pa.large_utf8(), pa.large_binary()):
        return column
    octets = column.cast(pa.large_binary())
    try:
        return octets.cast(pa.utf8())
    except pa.ArrowInvalid:
        texts = [
            None if each is None else str(each, "utf-8", "replace") for each in octets.to_pylist()
        ]
        return pa.array(texts, pa.utf8())
