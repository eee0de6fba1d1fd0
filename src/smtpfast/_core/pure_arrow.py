"""What is right: replies in a column of Arrow to a table of Arrow, by pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..arrow_columns import AS_GIVEN, ENUM_KEY, KINDS, Kind, enum_value
from ..errors import SmtpFastError
from ..octets import octets
from .pure import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..arrow_columns import Packed
    from ..reasons import Diagnosis
    from ..reply import ReplyLine
    from .pure_meaning import RuleMatcher

_TEXT_TYPES: Final = ("string", "large_string", "string_view")
_OCTET_TYPES: Final = ("binary", "large_binary", "binary_view")

# What a line says in each field that is of no meaning.
OF_LINE: Final[dict[str, Callable[[ReplyLine], Any]]] = {
    "code": lambda line: line.code,
    "status": lambda line: line.status.name,
    "enhanced": lambda line: line.enhanced and str(line.enhanced),
    "enhanced_class": lambda line: line.enhanced and line.enhanced.class_,
    "enhanced_subject": lambda line: line.enhanced and line.enhanced.subject,
    "enhanced_detail": lambda line: line.enhanced and line.enhanced.detail,
    "is_last": lambda line: line.is_last,
    "severity": lambda line: line.severity.name.lower(),
    "category": lambda line: line.category.name.lower(),
    "text": lambda line: octets(line.text),
}


def pyarrow() -> Any:
    """The library; the error says why the pure core needs it."""
    try:
        import pyarrow as library
    except ModuleNotFoundError as error:
        message = "without the compiled core, Arrow needs pyarrow: pip install 'smtpfast[arrow]'"
        raise ModuleNotFoundError(message, name=error.name) from None
    return library


class ArrowTable:
    """Some columns with one row for each row given, which anything that speaks Arrow takes.

    By `__arrow_c_array__` (a struct array, or a record batch) and `__arrow_c_stream__` (one batch).
    `fields` are the names of the columns.
    """

    __slots__ = ("_batch", "fields")

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self.fields: tuple[str, ...] = tuple(batch.schema.names)

    def __len__(self) -> int:
        return int(self._batch.num_rows)

    def __repr__(self) -> str:
        return f"<ArrowTable: {len(self)} rows of {', '.join(self.fields)}>"

    def __arrow_c_schema__(self) -> object:
        return self._batch.schema.__arrow_c_schema__()

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self._batch.__arrow_c_array__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        pa = pyarrow()
        return pa.Table.from_batches([self._batch]).__arrow_c_stream__()


class ArrowStream:
    """A table's batches with some columns more, each made when it is asked for.

    The source is read through `__arrow_c_stream__`: what can be read once only, can be so here.
    """

    __slots__ = ("_column", "_fields", "_matcher", "_names", "_source")

    def __init__(
        self,
        source: Any,
        column: str,
        fields: tuple[str, ...],
        names: tuple[str, ...],
        matcher: RuleMatcher | None,
    ) -> None:
        if isinstance(source, type) or not hasattr(source, "__arrow_c_stream__"):
            raise TypeError(f"{type(source).__name__} has no __arrow_c_stream__")
        self._source, self._column, self._matcher = source, column, matcher
        self._fields, self._names = fields, names

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        pa = pyarrow()
        reader = pa.RecordBatchReader.from_stream(self._source)
        kind = reader.schema.field(_index(reader.schema, self._column)).type
        twice = {*reader.schema.names} & {*self._names}
        if twice:
            raise SmtpFastError(f"the source has columns {sorted(twice)} itself: give a prefix")
        is_text = _is_text(kind)
        schema = reader.schema
        for name, field in zip(self._names, self._fields, strict=True):
            schema = schema.append(pa.field(name, _type(KINDS[field], is_text=is_text)))

        def batches() -> Iterator[Any]:
            for batch in reader:
                cells = _cells(batch.column(self._column))
                made = _arrays(cells, self._fields, self._matcher, is_text=is_text)
                yield pa.record_batch([*batch.columns, *made], schema=schema)

        return pa.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__()


# The file whose symbols Polars can call by itself: the pure core has none.
PLUGIN: str | None = None


def share_default(matcher: RuleMatcher) -> None:
    """Let the symbols of `PLUGIN` decide by this matcher, for ever."""


def table(
    data: Any,
    column: str | None,
    fields: tuple[str, ...],
    matcher: RuleMatcher | None,
    *,
    for_polars: bool = False,
) -> ArrowTable:
    """The fields of each reply in a column; there is a matcher where a field is of a meaning.

    for_polars: as Polars has them itself, so that nothing need be turned over: enhanced as
    utf8_view; the words that never change as metadata, of which Polars makes an Enum.
    """
    pa = pyarrow()
    cells = _given(data, column)
    is_text = _is_text(cells.type)
    arrays = _arrays(_cells(cells), fields, matcher, is_text=is_text)
    made = []
    for number, field in enumerate(fields):
        metadata = None
        if for_polars and field == "enhanced":
            arrays[number] = arrays[number].cast(pa.string_view())
        elif for_polars and (words := KINDS[field].words):
            metadata = {ENUM_KEY: enum_value(words)}
        made.append(pa.field(field, arrays[number].type, metadata=metadata))
    return ArrowTable(pa.record_batch(arrays, pa.schema(made)))


def packed(rows: int, columns: Iterable[Packed]) -> ArrowTable:
    """A table of columns whose memory is given, which they copy or keep."""
    pa = pyarrow()
    types = {"u": pa.utf8(), "c": pa.int8(), "?": pa.int8(), "s": pa.int16(), "i": pa.int32()}
    types |= {"l": pa.int64(), "g": pa.float64(), "tsu:": pa.timestamp("us")}
    arrays, names = [], []
    for name, kind, buffers in columns:
        array = pa.Array.from_buffers(types[kind.format], rows, [*map(pa.py_buffer, buffers)])
        if kind.format == "?":
            array = array.cast(pa.bool_())
        if kind.words is not None:
            array = pa.DictionaryArray.from_arrays(array, pa.array(kind.words, pa.utf8()))
        arrays.append(array)
        names.append(name)
    return ArrowTable(pa.record_batch(arrays, names))


def _given(data: Any, column: str | None) -> Any:
    """The column, chunked."""
    pa = pyarrow()
    if isinstance(data, type):
        raise TypeError(f"expected a column or a table, not the class {data.__name__}")
    if hasattr(data, "__arrow_c_array__"):
        given = pa.chunked_array([pa.array(data)])
    elif hasattr(data, "__arrow_c_stream__"):
        given = pa.chunked_array(data)
    else:
        raise TypeError(
            f"{type(data).__name__} has neither __arrow_c_array__ nor __arrow_c_stream__"
            " (for a list there is classify_many)"
        )
    if not pa.types.is_struct(given.type):
        if column is not None:
            raise SmtpFastError(f"column={column!r}: what was given is one column, and no table")
        return given
    if column is None and given.type.num_fields != 1:
        raise SmtpFastError("a table of several columns: say which, by column=")
    index = 0 if column is None else _index(pa.schema(given.type), column)
    # A null of a struct is one of all its fields.
    children = [chunk.flatten()[index] for chunk in given.chunks]
    return pa.chunked_array(children, given.type.field(index).type)


def _index(schema: Any, column: str) -> int:
    found = [number for number, name in enumerate(schema.names) if name == column]
    if len(found) != 1:
        how_many = "are several columns" if found else "is no column"
        raise SmtpFastError(f"there {how_many} {column!r} in the table")
    return found[0]


def _is_text(kind: Any) -> bool:
    """Whether a column is of texts, and not of octets; another type is a `TypeError`."""
    pa = pyarrow()
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if str(value) not in (*_TEXT_TYPES, *_OCTET_TYPES):
        raise TypeError(f"expected a column of texts or octets, not of {kind}")
    return str(value) in _TEXT_TYPES


def _cells(column: Any) -> list[bytes | None]:
    pa = pyarrow()
    cells: list[bytes | None] = []
    for chunk in getattr(column, "chunks", [column]):
        if pa.types.is_dictionary(chunk.type):
            values = _cells(chunk.dictionary)
            indexes = chunk.indices.to_pylist()
            cells += [None if index is None else values[index] for index in indexes]
        else:
            cells += chunk.cast(pa.large_binary()).to_pylist()
    return cells


def _arrays(
    cells: Sequence[bytes | None],
    fields: tuple[str, ...],
    matcher: RuleMatcher | None,
    *,
    is_text: bool,
) -> list[Any]:
    lines = [None if cell is None else classify(cell) for cell in cells]
    found: list[Diagnosis | None] = []
    if matcher:
        found = [None if cell is None else matcher.diagnose(cell) for cell in cells]
    return [
        _array(
            [line and OF_LINE[field](line) for line in lines]
            if field in OF_LINE
            else [each and getattr(each, field) for each in found],
            _type(KINDS[field], is_text=is_text),
            _words(KINDS[field], field, matcher),
        )
        for field in fields
    ]


def _words(kind: Kind, field: str, matcher: RuleMatcher | None) -> tuple[str, ...] | None:
    if field == "rule" and matcher:
        return matcher.ruleset.rule_names
    if field == "provider" and matcher:
        return matcher.ruleset.provider_names
    return kind.words


def _type(kind: Kind, *, is_text: bool) -> Any:
    pa = pyarrow()
    types = {"b": pa.bool_(), "c": pa.int8(), "s": pa.int16(), "i": pa.int32()}
    types |= {"u": pa.utf8(), "U": pa.large_utf8()}
    types |= {AS_GIVEN: pa.large_utf8() if is_text else pa.large_binary()}
    made = types[kind.format]
    return made if kind.words is None else pa.dictionary(made, pa.utf8())


def _array(values: Sequence[Any], kind: Any, words: tuple[str, ...] | None) -> Any:
    pa = pyarrow()
    if words is None:
        if kind in (pa.large_utf8(), pa.large_binary()):
            written = [None if value is None else octets(value) for value in values]
            return pa.array(written, pa.large_binary()).view(kind)
        return pa.array(values, kind)
    numbers = {word: number for number, word in enumerate(words)}
    indexes = [None if value is None else numbers[value] for value in values]
    return pa.DictionaryArray.from_arrays(
        pa.array(indexes, kind.index_type), pa.array(words, pa.utf8())
    )
