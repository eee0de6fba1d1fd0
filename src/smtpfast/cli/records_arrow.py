"""Records and replies as columns: Parquet, and the stream format of Arrow (needs pyarrow)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

import pyarrow as pa
from pyarrow import compute, parquet

from ..log_columns import Members, Texts
from ..log_record import LogRecord
from .rows import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..logs import LogBlock, LogColumns, LogReader

# Of a batch of records: so many blocks, of 4 MiB of log each.
_MOST_BLOCKS = 16
# Of one of rows: so many, or so many letters of texts, which may be a megabyte each.
_MOST_ROWS = 1 << 16
_MOST_LETTERS = 1 << 26
# What few different texts are in: each is written once, and the rows have its number.
_FEW = pa.dictionary(pa.int32(), pa.utf8())
# Without a zone, for there is none that fits all: in UTC, or where `time_is_local` in that of the
# log.
_TIME = pa.timestamp("us")
# By the name of the column; all others are texts.
_TYPES = {
    "time": _TIME,
    "time_is_local": pa.bool_(),
    "relay_port": pa.int32(),
    "delay": pa.float64(),
    "code": pa.int16(),
    "retry_after": pa.int32(),
    "line": pa.int64(),
    **dict.fromkeys(("host", "mta", "process", "event", "status", "stage"), _FEW),
    **dict.fromkeys(("reason", "disposition", "blocklist", "provider", "problem", "file"), _FEW),
    # Of the report's replies.
    "kind": _FEW,
    "count": pa.int64(),
    "share": pa.float64(),
    "advice": _FEW,
}
# What ISO 8601 can write, as the other formats do: the years 1 to 9999.
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_TIMES = range(
    (datetime.min - _EPOCH) // _MICROSECOND,
    (datetime.max - _EPOCH) // _MICROSECOND + 1,
)


class ColumnWriter:
    """Writes the records of blocks, in batches.

    is_stream: Arrow's stream, of which `flush` gives away all that there is; else Parquet, which
    is one after `close`.
    """

    def __init__(self, out: BinaryIO, *, is_stream: bool = False) -> None:
        self._schema = _schema_of(LogRecord._fields)
        self._reader: LogReader | None = None
        self._blocks: list[LogBlock] = []
        self._stream = out if is_stream else None
        self._writer = _writer_of(out, self._schema, is_stream=is_stream)

    def write(self, reader: LogReader, block: LogBlock) -> None:
        """Write the records of a block, some time."""
        if reader is not self._reader or len(self._blocks) >= _MOST_BLOCKS:
            self._write_batch()
        self._reader = reader
        self._blocks.append(block)

    def flush(self) -> None:
        """Give away what has been written, if the format can."""
        if self._stream is not None:
            self._write_batch()
            self._stream.flush()

    def close(self) -> None:
        """Write the rest and the end."""
        self._write_batch()
        self._writer.close()

    def _write_batch(self) -> None:
        if self._reader is None or not self._blocks:
            return
        columns = self._reader.columns(self._blocks)
        self._blocks.clear()
        if len(columns):
            arrays = [_column(columns, field) for field in self._schema]
            self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))


def _column(columns: LogColumns, field: pa.Field) -> pa.Array:
    """A column without a copy where that can be; what is no UTF-8 becomes U+FFFD."""
    if field.name == "file":
        return _array([columns.file] * len(columns), field.type)
    column, rows = columns.columns[field.name], len(columns)
    if isinstance(column, Texts):
        buffers = [pa.py_buffer(part) for part in column]
        array = pa.Array.from_buffers(pa.binary(), rows, buffers)
        try:
            array = array.cast(pa.utf8())
        except pa.ArrowInvalid:
            return _array([*column.values()], field.type)
        return array.dictionary_encode() if field.type == _FEW else array
    buffers = [pa.py_buffer(part) for part in column[:2]]
    if isinstance(column, Members):
        indexes = pa.Array.from_buffers(pa.int8(), rows, buffers).cast(pa.int32())
        return pa.DictionaryArray.from_arrays(indexes, [*map(str, column.names)])
    if field.type == pa.bool_():  # one octet each
        return pa.Array.from_buffers(pa.int8(), rows, buffers).cast(pa.bool_())
    array = pa.Array.from_buffers(field.type, rows, buffers)
    if field.type == _TIME and not _are_times(array):
        return _array([*column.values()], field.type)
    return array


def _are_times(array: pa.Array) -> bool:
    """Whether all can be written."""
    ends = compute.min_max(array.view(pa.int64()))
    return all(not end.is_valid or end.as_py() in _TIMES for end in (ends["min"], ends["max"]))


class RowWriter:
    """Writes rows with columns of these names as Parquet, which is one after `close`."""

    def __init__(self, names: Sequence[str], out: BinaryIO) -> None:
        self._schema = _schema_of(names)
        self._rows: list[Sequence[object]] = []
        self._letters = 0
        self._writer = _writer_of(out, self._schema, is_stream=False)

    def write(self, row: Sequence[object]) -> None:
        """Write a row, some time."""
        self._rows.append(row)
        self._letters += sum(len(value) for value in row if isinstance(value, str))
        if len(self._rows) >= _MOST_ROWS or self._letters >= _MOST_LETTERS:
            self._write_batch()

    def close(self) -> None:
        """Write the rest and the end."""
        self._write_batch()
        self._writer.close()

    def _write_batch(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            self._writer.write_batch(
                pa.record_batch(
                    [
                        _array(values, field.type)
                        for values, field in zip(columns, self._schema, strict=True)
                    ],
                    schema=self._schema,
                )
            )
            self._rows.clear()
            self._letters = 0


def _schema_of(names: Sequence[str]) -> pa.Schema:
    return pa.schema([(name, _TYPES.get(name, pa.utf8())) for name in names])


def _writer_of(
    out: BinaryIO, schema: pa.Schema, *, is_stream: bool
) -> pa.RecordBatchStreamWriter | parquet.ParquetWriter:
    if is_stream:
        return pa.ipc.new_stream(out, schema)
    return parquet.ParquetWriter(out, schema, compression="zstd")


def _array(values: Sequence[object], kind: pa.DataType) -> pa.Array:
    """A column; what its type cannot hold is null, and U+FFFD in a text."""
    try:
        if kind == _TIME:
            values = [value if value in _TIMES else None for value in values]
        return pa.array(values, kind)
    except UnicodeEncodeError:
        return pa.array(map(printable, values), kind)
    except (OverflowError, pa.ArrowInvalid):
        numbers = range(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1))
        return pa.array([value if value in numbers else None for value in values], kind)
