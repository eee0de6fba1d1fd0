"""Columns of replies through Arrow, on both cores, with the libraries that speak it."""

from __future__ import annotations

import ctypes
import gc
import random
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from arrow_made import (
    SEED,
    ArrowArray,
    ArrowSchema,
    GetNext,
    answers,
    arrow_on,
    few_octets,
    few_texts,
    labelled,
    octets_of,
    odd_octets,
    odd_texts,
    printable,
    release,
    simple_lines,
    struct_in,
)
from conftest import CORES
from smtpfast import Classifier, SmtpFastError, arrow_columns
from smtpfast.arrow import CLASSIFY_FIELDS, DIAGNOSE_FIELDS, FIELDS
from smtpfast.logs import LogRecord, read_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from arrow_made import Cell, Row

    # What is given, the name of its column if it has several, and what it holds.
    Given = tuple[Any, str | None, Sequence[Cell]]

pa = pytest.importorskip("pyarrow")

# Before a test puts that of a core in its place.
CLASSIFIER = Classifier.default()
EXAMPLE = Path(__file__).parents[1] / "examples" / "mail.log"

# As smtpfast/arrow.py says.
TYPES = {
    "code": pa.int16(),
    "status": pa.dictionary(pa.int8(), pa.utf8()),
    "enhanced": pa.utf8(),
    "enhanced_class": pa.int8(),
    "enhanced_subject": pa.int16(),
    "enhanced_detail": pa.int16(),
    "is_last": pa.bool_(),
    "severity": pa.dictionary(pa.int8(), pa.utf8()),
    "category": pa.dictionary(pa.int8(), pa.utf8()),
    "text": pa.large_utf8(),
    "reason": pa.dictionary(pa.int8(), pa.utf8()),
    "disposition": pa.dictionary(pa.int8(), pa.utf8()),
    "retry_after": pa.int32(),
    "blocklist": pa.large_utf8(),
    "provider": pa.dictionary(pa.int32(), pa.utf8()),
    "rule": pa.dictionary(pa.int32(), pa.utf8()),
    "evidence": pa.large_utf8(),
}
TEXT_KINDS = ("string", "large_string", "string_view")
OCTET_KINDS = ("binary", "large_binary", "binary_view")
INDEX_KINDS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
KINDS = (
    *(TEXT_KINDS + OCTET_KINDS),
    *(f"{index} of string" for index in INDEX_KINDS),
    *(f"uint32 of {value}" for value in TEXT_KINDS[1:] + OCTET_KINDS),
)


@pytest.fixture(params=CORES)
def arrow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """`smtpfast.arrow` on both cores, one after the other."""
    return arrow_on(request.param, monkeypatch)


def cells_of(kind: str) -> tuple[Cell, ...]:
    return few_octets() if "binary" in kind else few_texts()


def array_of(kind: str, cells: Sequence[Cell]) -> Any:
    """An array of pyarrow's; a dictionary has its words in the order of the cells."""
    index, _, value = kind.rpartition(" of ")
    made = getattr(pa, value)()
    if not index:
        return pa.array(cells, made)
    words = [*dict.fromkeys(cell for cell in cells if cell is not None)]
    numbers = {word: number for number, word in enumerate(words)}
    indexes = [None if cell is None else numbers[cell] for cell in cells]
    return pa.DictionaryArray.from_arrays(
        pa.array(indexes, getattr(pa, index)()), pa.array(words, made)
    )


def rows_of(result: Any) -> list[Row]:
    """The rows of a result, by pyarrow, which looks at all that it says."""
    table = pa.table(result)
    table.validate(full=True)
    rows: list[Row] = table.to_pylist()
    return rows


def check(arrow: ModuleType, given: Given, fields: Sequence[str] = FIELDS) -> None:
    data, column, cells = given
    result = arrow.diagnose(data, column, fields=fields)
    assert len(result) == len(cells)
    assert rows_of(result) == answers(cells, fields)


# --- What goes in: pyarrow ------------------------------------------------------------------


def beside(array: Any) -> dict[str, Any]:
    """The column between others."""
    numbers = pa.array(range(len(array)))
    return {"n": numbers, "reply": array, "m": numbers}


def in_struct(array: Any, mask: Sequence[bool]) -> Any:
    columns = beside(array)
    return pa.StructArray.from_arrays([*columns.values()], [*columns], mask=pa.array(mask))


def given_by_pyarrow(array: Any, cells: Sequence[Cell]) -> Iterator[tuple[str, Given]]:
    """The array in all that pyarrow has, with the cells that are left of it."""
    size = len(cells)
    table = pa.table(beside(array))
    chunked = pa.chunked_array([array[:5], array[5:5], array[5:22], array[22:]], array.type)
    chunks = pa.table({"reply": chunked, "n": pa.array(range(size))})
    batch = pa.record_batch(beside(array))
    masked = [row % 5 == 2 for row in range(size)]
    with_nulls = [None if is_null else cell for cell, is_null in zip(cells, masked, strict=True)]
    struct = in_struct(array, masked)
    cut = in_struct(array[3:], masked[3:])
    nothing: list[Cell] = []
    yield "array", (array, None, cells)
    for start, stop in ((1, size), (3, size - 2), (8, 29), (13, 14), (5, 5), (size, size)):
        yield f"array[{start}:{stop}]", (array[start:stop], None, cells[start:stop])
        yield f"batch[{start}:{stop}]", (batch[start:stop], "reply", cells[start:stop])
        yield f"table[{start}:{stop}]", (chunks[start:stop], "reply", cells[start:stop])
        yield f"struct[{start}:{stop}]", (struct[start:stop], "reply", with_nulls[start:stop])
    yield "array[7:][2:]", (array[7:][2:], None, cells[9:])
    yield "struct of array[3:], [2:]", (cut[2:], "reply", with_nulls[5:])
    yield "chunks", (chunked, None, cells)
    yield "chunks[2:9]", (chunked[2:9], None, cells[2:9])
    yield "one chunk, cut", (pa.chunked_array([array[3:]]), None, cells[3:])
    yield "no chunks", (pa.chunked_array([], array.type), None, nothing)
    yield "an empty chunk", (pa.chunked_array([array[:0]]), None, nothing)
    yield (
        "chunks of structs",
        (
            pa.chunked_array([struct[1:9], struct[:0], cut]),
            "reply",
            [*with_nulls[1:9], *with_nulls[3:]],
        ),
    )
    yield "table", (table, "reply", cells)
    yield "table of chunks", (chunks, "reply", cells)
    yield "table of one column", (pa.table({"it": array}), None, cells)
    yield "table of one column, named", (pa.table({"it": array}), "it", cells)
    yield "table without a row", (table[:0], "reply", nothing)
    yield "table without a batch", (table.schema.empty_table(), "reply", nothing)
    yield "batch", (batch, "reply", cells)
    yield "reader", (chunks.to_reader(), "reply", cells)
    empty = batch[:0]
    batches = [empty, batch[:3], empty, batch[3:], empty]
    yield (
        "reader of empty batches",
        (
            pa.RecordBatchReader.from_batches(batch.schema, batches),
            "reply",
            cells,
        ),
    )
    yield "reader of none", (pa.RecordBatchReader.from_batches(batch.schema, []), "reply", nothing)


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_pyarrow_has(arrow: ModuleType, kind: str) -> None:
    cells = cells_of(kind)
    for name, given in given_by_pyarrow(array_of(kind, cells), cells):
        data, column, left = given
        result = arrow.diagnose(data, column, fields=FIELDS)
        assert rows_of(result) == answers(left), name
        assert len(result) == len(left), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nulls", ["none", "some", "all"])
def test_nulls(arrow: ModuleType, kind: str, nulls: str) -> None:
    for size in (1, 7, 8, 9, 63, 64, 65, 130):
        check_nulls(arrow, kind, size, nulls)


def check_nulls(arrow: ModuleType, kind: str, size: int, nulls: str) -> None:
    chance = random.Random(size)
    cells: list[Cell] = [chance.choice(cells_of(kind)) for _ in range(size)]
    if nulls == "none":
        cells = [cell or (b"" if "binary" in kind else "") for cell in cells]
    elif nulls == "all":
        cells = [None] * size
    array = array_of(kind, cells)
    has_bitmap = array.buffers()[0] is not None
    assert has_bitmap == (None in cells)
    fields = ("code", "text", "is_last", "enhanced", "enhanced_detail")
    check(arrow, (array, None, cells))
    check(arrow, (Uncounted(array), None, cells), fields)
    check(arrow, (Uncounted(array[size // 3 :]), None, cells[size // 3 :]), fields)
    if nulls == "none":  # a bitmap that says of each that it is there
        every = pa.array([True] * (size + 8)).buffers()[1]
        indexes = array.indices if isinstance(array, pa.DictionaryArray) else array
        buffers = [every, *indexes.buffers()[1:]]
        made = pa.Array.from_buffers(indexes.type, size, buffers)
        if indexes is not array:
            made = pa.DictionaryArray.from_arrays(made, array.dictionary)
        check(arrow, (Uncounted(made), None, cells), fields)
        check(arrow, (made[size // 2 :], None, cells[size // 2 :]), fields)


class Uncounted:
    """An array that does not say how many nulls it has; pyarrow counts them before it gives one."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        schema, capsule = self._array.__arrow_c_array__(requested_schema)
        struct_in(capsule, "arrow_array").null_count = -1
        return schema, capsule


@pytest.mark.parametrize("value", TEXT_KINDS + OCTET_KINDS)
def test_dictionaries_as_they_may_be(arrow: ModuleType, value: str) -> None:
    """With a null, with a word twice, with one that nobody has, and cut; each chunk its own."""
    words = ["550 5.1.1 User unknown, sorry", None, "250 ok", "250 ok", "x", "421 4.7.0 \x00 later"]
    given: list[Cell] = list(octets_of(words) if "binary" in value else words)
    dictionary = pa.array(given, getattr(pa, value)())
    indexes = [0, None, 1, 2, 3, 2, 5, 0, None, 1]
    cells = [None if index is None else given[index] for index in indexes]
    array = pa.DictionaryArray.from_arrays(pa.array(indexes, pa.int16()), dictionary)
    check(arrow, (array, None, cells))
    check(arrow, (array[3:9], None, cells[3:9]))
    cut = pa.DictionaryArray.from_arrays(pa.array([1, None, 0, 2], pa.int16()), dictionary[2:])
    rest = [given[3], None, given[2], given[4]]
    check(arrow, (cut, None, rest))
    no_word = pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int16()), dictionary[:0])
    check(arrow, (no_word, None, [None, None]))
    chunks = pa.chunked_array([array, no_word, array[9:], cut[1:]])
    check(arrow, (chunks, None, [*cells, None, None, *cells[9:], *rest[1:]]))
    check(arrow, (pa.table({"reply": chunks}), None, [*cells, None, None, *cells[9:], *rest[1:]]))


@pytest.mark.parametrize("value", ["string_view", "binary_view"])
def test_views_of_several_buffers(arrow: ModuleType, value: str) -> None:
    """Where pyarrow joins arrays of views it keeps the buffers of each."""
    given: list[Cell] = list(few_octets() if value == "binary_view" else few_texts())
    parts = [pa.array(given[start : start + 9], getattr(pa, value)()) for start in range(0, 60, 9)]
    array = pa.concat_arrays(parts)
    assert len(array.buffers()) > 4
    check(arrow, (array, None, given[:63]))
    check(arrow, (array[11:], None, given[11:63]))


@pytest.mark.parametrize("seed", range(30))
def test_columns_by_chance(arrow: ModuleType, seed: int) -> None:
    chance = random.Random(SEED + seed)
    kind = chance.choice(KINDS)
    some = [
        *cells_of(kind),
        *([*odd_octets(), *octets_of(odd_texts())] if kind == "binary" else []),
    ]
    cells: list[Cell] = [chance.choice(some) for _ in range(chance.randrange(1, 1_500))]
    array = array_of(kind, cells)
    chunks, left = [], []
    for _ in range(chance.randrange(5)):
        start = chance.randrange(len(cells))
        stop = chance.randrange(start, len(cells) + 1)
        chunks.append(array[start:stop])
        left += cells[start:stop]
    names = chance.sample(FIELDS, chance.randrange(1, len(FIELDS)))
    check(arrow, (pa.chunked_array(chunks, array.type), None, left), names)


@pytest.mark.parametrize("kind", ["string", "binary_view", "uint16 of string"])
def test_many_chunks(arrow: ModuleType, kind: str) -> None:
    """Each begins at another bit, and the table grows again and again."""
    cells = [*cells_of(kind)] * 3
    array = array_of(kind, cells)
    sizes = [*range(90), 0, 513, 512, 511, 1]
    starts = [size * 7 % 90 for size in sizes]
    cuts = [
        (start, min(start + size, len(cells))) for start, size in zip(starts, sizes, strict=True)
    ]
    chunks = pa.chunked_array([array[start:stop] for start, stop in cuts])
    left = [cell for start, stop in cuts for cell in cells[start:stop]]
    assert len(left) > 4_000
    check(arrow, (chunks, None, left))
    check(arrow, (pa.table({"n": range(len(left)), "reply": chunks}), "reply", left), ["is_last"])


# --- What goes in: the others ---------------------------------------------------------------


def given_by_polars(cells: list[str | None]) -> Iterator[tuple[str, Given]]:
    pl = pytest.importorskip("polars")
    octets = octets_of(cells)
    series = pl.Series("s", cells, pl.String)
    words = [*dict.fromkeys(cell for cell in cells if cell is not None)]
    frame = pl.DataFrame({"n": range(len(cells)), "reply": series})
    chunks = pl.concat([series[:5], series[:0], series[5:]], rechunk=False)
    yield "String", (series, None, cells)
    yield "String, cut", (series[3:20], None, cells[3:20])
    yield "String, in chunks", (chunks, None, cells)
    yield "String, in chunks, cut", (chunks[2:9], None, cells[2:9])
    yield "String, empty", (series[:0], None, [])
    yield "String, all null", (pl.Series([None] * 9, dtype=pl.String), None, [None] * 9)
    yield "Binary", (pl.Series(octets, dtype=pl.Binary), None, octets)
    yield "Binary, cut", (pl.Series(octets, dtype=pl.Binary)[11:], None, octets[11:])
    yield "Categorical", (series.cast(pl.Categorical), None, cells)
    yield "Categorical, cut", (series.cast(pl.Categorical)[7:], None, cells[7:])
    yield "Enum", (series.cast(pl.Enum(words)), None, cells)
    yield "DataFrame", (frame, "reply", cells)
    yield "DataFrame, cut", (frame[5:], "reply", cells[5:])
    yield "DataFrame, in chunks", (pl.concat([frame, frame], rechunk=False), "reply", cells * 2)
    yield "DataFrame of one column", (frame.select("reply"), None, cells)
    yield "DataFrame without a row", (frame.clear(), "reply", [])
    yield "filtered", (frame.filter(pl.col("n") % 3 == 1), "reply", cells[1::3])


def given_by_duckdb(cells: list[str | None]) -> Iterator[tuple[str, Given]]:
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect()
    table = pa.table({"n": range(len(cells)), "reply": pa.array(cells)})
    connection.register("given", table)
    words = [*dict.fromkeys(cell for cell in cells if cell is not None)]
    quoted = ", ".join("'" + word.replace("'", "''") + "'" for word in words if "\0" not in word)
    connection.execute(f"create type word as enum ({quoted})")
    known = [cell if cell is None or "\0" not in cell else None for cell in cells]
    yield "VARCHAR", (connection.sql("from given order by n"), "reply", cells)
    yield "one VARCHAR", (connection.sql("select reply from given order by n"), None, cells)
    yield (
        "BLOB",
        (
            connection.sql("select encode(reply) as reply from given order by n"),
            None,
            octets_of(cells),
        ),
    )
    yield (
        "ENUM",
        (
            connection.sql("select try_cast(reply as word) as reply from given order by n"),
            None,
            known,
        ),
    )
    yield "no row", (connection.sql("from given where n < 0"), "reply", [])
    many = connection.sql("select r.range as k, reply from range(90) r, given order by k, n")
    yield "many rows", (many, "reply", cells * 90)


def given_by_pandas(cells: list[str | None]) -> Iterator[tuple[str, Given]]:
    pd = pytest.importorskip("pandas")
    if not hasattr(pd.Series, "__arrow_c_stream__"):
        pytest.skip("pandas before 3 has no Series for Arrow")
    octets = octets_of(cells)
    kinds: list[Any] = ["str", "string[pyarrow]", "string[python]", "object", "category"]
    kinds += [pd.ArrowDtype(each()) for each in (pa.string, pa.large_string, pa.string_view)]
    for kind in kinds:
        series = pd.Series(cells, dtype=kind)
        yield str(kind), (series, None, cells)
        yield f"{kind}, cut", (series[3:20], None, cells[3:20])
        if "string_view" not in str(kind):  # of which pyarrow takes none out
            yield f"{kind}, each second", (series[1::2], None, cells[1::2])
    yield "str, all null", (pd.Series([None] * 3, dtype="str"), None, [None] * 3)
    yield "str, empty", (pd.Series([], dtype="str"), None, [])
    yield "octets", (pd.Series(octets, dtype=object), None, octets)
    kind = pd.ArrowDtype(pa.binary())
    yield "binary", (pd.Series(octets, dtype=kind), None, octets)
    frame = pd.DataFrame({"n": range(len(cells)), "reply": cells})
    yield "DataFrame", (frame, "reply", cells)
    yield "DataFrame, cut", (frame[4:], "reply", cells[4:])


def given_by_nanoarrow(cells: list[str | None]) -> Iterator[tuple[str, Given]]:
    na = pytest.importorskip("nanoarrow")
    octets = octets_of(cells)
    kinds = (na.string(), na.large_string(), na.binary(), na.large_binary())
    for kind in kinds:
        given: Any = octets if "binary" in str(kind) else cells
        yield str(kind), (na.Array(given, kind), None, given)
    yield "c_array", (na.c_array(cells, na.string()), None, cells)
    yield "stream", (na.ArrayStream(pa.chunked_array([cells, cells[3:]])), None, cells + cells[3:])
    table = pa.table({"n": range(len(cells)), "reply": cells})
    yield "stream of a table", (na.ArrayStream(table), "reply", cells)
    yield "array of a table", (na.Array(table), "reply", cells)


def given_by_arro3(cells: list[str | None]) -> Iterator[tuple[str, Given]]:
    core = pytest.importorskip("arro3.core")
    table = pa.table({"n": range(len(cells)), "reply": cells})
    array = core.Array.from_arrow(pa.array(cells))
    yield "Array", (array, None, cells)
    yield "Array, cut", (array.slice(3), None, cells[3:])
    yield "ChunkedArray", (core.ChunkedArray([array, array]), None, cells * 2)
    yield "RecordBatch", (core.RecordBatch.from_arrow(table.to_batches()[0]), "reply", cells)
    yield (
        "RecordBatch, cut",
        (
            core.RecordBatch.from_arrow(table.to_batches()[0]).slice(5),
            "reply",
            cells[5:],
        ),
    )
    yield "Table", (core.Table.from_arrow(table), "reply", cells)
    yield "RecordBatchReader", (core.RecordBatchReader.from_arrow(table), "reply", cells)


def given_by_datafusion(cells: list[str | None]) -> Iterator[tuple[str, Given]]:
    context = pytest.importorskip("datafusion").SessionContext()
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.large_binary()):
        given: Any = octets_of(cells) if kind == pa.large_binary() else cells
        table = pa.table({"n": range(len(cells)), "reply": pa.array(given, kind)})
        frame = context.from_arrow(table)
        yield str(kind), (frame, "reply", given)
        yield f"{kind}, sorted", (frame.sort("n").select("reply"), None, given)


@pytest.mark.parametrize(
    "given_by",
    [
        given_by_polars,
        given_by_duckdb,
        given_by_pandas,
        given_by_nanoarrow,
        given_by_arro3,
        given_by_datafusion,
    ],
)
def test_all_that_others_have(
    arrow: ModuleType, given_by: Callable[[list[str | None]], Iterator[tuple[str, Given]]]
) -> None:
    for name, (data, column, cells) in given_by([*few_texts()]):
        result = arrow.diagnose(data, column, fields=FIELDS)
        assert rows_of(result) == answers(cells), name


# --- What comes out -------------------------------------------------------------------------


def by_duckdb(take: Callable[[Any, Any], Any]) -> Callable[[Any], list[Row]]:
    def read(result: Any) -> list[Row]:
        with pytest.importorskip("duckdb").connect() as connection:
            found = take(connection, result)
            return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    return read


def registered(connection: Any, result: Any) -> Any:
    connection.register("given", result)
    return connection.sql("select * from given")


def replaced(connection: Any, result: Any) -> Any:
    """By the name of the variable."""
    assert result is not None
    return connection.sql("from result")


def by_polars(take: Callable[[Any, Any], Any]) -> Callable[[Any], list[Row]]:
    def read(result: Any) -> list[Row]:
        taken = take(pytest.importorskip("polars"), result)
        rows: list[Row] = taken.to_dicts() if hasattr(taken, "to_dicts") else taken.to_list()
        return rows

    return read


def by_pandas(result: Any) -> list[Row]:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame.from_arrow(result)
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def by_nanoarrow(take: Callable[[Any, Any], Any]) -> Callable[[Any], list[Row]]:
    return lambda result: take(pytest.importorskip("nanoarrow"), result).to_pylist()


def by_arro3(name: str) -> Callable[[Any], list[Row]]:
    def read(result: Any) -> list[Row]:
        taken = getattr(pytest.importorskip("arro3.core"), name).from_arrow(result)
        if name == "Array":
            return rows_of(pa.record_batch(pa.array(taken)))
        return rows_of(pa.RecordBatchReader.from_stream(taken) if "Reader" in name else taken)

    return read


def by_datafusion(result: Any) -> list[Row]:
    rows: list[Row] = (
        pytest.importorskip("datafusion").SessionContext().from_arrow(result).to_pylist()
    )
    return rows


def by_pyarrow(take: Callable[[Any], Any]) -> Callable[[Any], list[Row]]:
    def read(result: Any) -> list[Row]:
        taken = take(result)
        taken.validate(full=True)
        rows: list[Row] = taken.to_pylist()
        return rows

    return read


READERS = {
    "pa.table": by_pyarrow(pa.table),
    "pa.record_batch": by_pyarrow(pa.record_batch),
    "pa.array": by_pyarrow(pa.array),
    "pa.chunked_array": by_pyarrow(pa.chunked_array),
    "pa.RecordBatchReader": by_pyarrow(
        lambda result: pa.RecordBatchReader.from_stream(result).read_all()
    ),
    "pl.DataFrame": by_polars(lambda pl, result: pl.DataFrame(result)),
    "pl.Series": by_polars(lambda pl, result: pl.Series(result)),
    "pl.from_arrow": by_polars(lambda pl, result: pl.from_arrow(result)),
    "pl.scan": by_polars(lambda pl, result: pl.scan_arrow_c_stream(result).collect()),
    "pl.scan, streaming": by_polars(
        lambda pl, result: pl.scan_arrow_c_stream(result).collect(engine="streaming")
    ),
    "duckdb": by_duckdb(replaced),
    "duckdb.register": by_duckdb(registered),
    "duckdb.from_arrow": by_duckdb(lambda connection, result: connection.from_arrow(result)),
    "pandas": by_pandas,
    "na.Array": by_nanoarrow(lambda na, result: na.Array(result)),
    "na.ArrayStream": by_nanoarrow(lambda na, result: na.ArrayStream(result).read_all()),
    **{
        f"arro3.{name}": by_arro3(name)
        for name in ("Array", "RecordBatch", "Table", "RecordBatchReader")
    },
    "datafusion": by_datafusion,
}
# As they say themselves, or as they do with structs.
MAY_CHANGE = pytest.mark.filterwarnings("ignore:.*unstable:Warning")


@MAY_CHANGE
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["string", "binary"])
def test_all_can_read_it(arrow: ModuleType, kind: str, reader: str) -> None:
    cells = cells_of(kind)
    result = arrow.diagnose(array_of(kind, cells), fields=FIELDS)
    wanted = answers(cells)
    read = READERS[reader]
    if reader == "pl.Series":
        # A struct of nulls stays one of nulls.
        assert [row or dict.fromkeys(FIELDS) for row in read(result)] == wanted
    assert read(result) == wanted
    assert read(result) == wanted, "it can be read once only"
    assert len(read(arrow.diagnose(array_of(kind, cells[:1]), fields=FIELDS))) == 1


@MAY_CHANGE
@pytest.mark.parametrize("reader", READERS)
def test_all_can_read_no_row(arrow: ModuleType, reader: str) -> None:
    for data in (pa.array([], pa.string()), pa.chunked_array([], pa.binary())):
        result = arrow.diagnose(data, fields=FIELDS)
        assert len(result) == 0
        assert READERS[reader](result) == []


@pytest.mark.parametrize("kind", TEXT_KINDS + OCTET_KINDS)
def test_types_are_those_of_the_docs(arrow: ModuleType, kind: str) -> None:
    assert tuple(TYPES) == FIELDS
    is_text = kind in TEXT_KINDS
    types = TYPES | ({} if is_text else dict.fromkeys(("text", "evidence"), pa.large_binary()))
    wanted = pa.schema(list(types.items()))
    for cells in (cells_of(kind), ()):
        result = arrow.diagnose(array_of(kind, cells), fields=FIELDS)
        for schema in (pa.schema(result), pa.table(result).schema, pa.record_batch(result).schema):
            assert schema.equals(wanted, check_metadata=True)
        array = pa.array(result)
        assert array.type == pa.struct(wanted)
        assert (array.null_count, array.offset) == (0, 0)
        source = pa.table({"a": array_of(kind, cells)})
        stream = pa.table(arrow.stream(source, "a", fields=FIELDS)).schema
        assert pa.schema([*stream][1:]).equals(wanted, check_metadata=True)


@pytest.mark.parametrize("kind", ["string", "binary"])
def test_what_is_made_for_polars(arrow: ModuleType, kind: str) -> None:
    pl = pytest.importorskip("polars")
    cells = cells_of(kind)
    matcher = arrow.matcher_for(FIELDS, None)
    result = arrow.table(array_of(kind, cells), None, FIELDS, matcher, for_polars=True)
    assert rows_of(result) == answers(cells)
    frame = pl.DataFrame(result)
    assert frame.to_dicts() == answers(cells)
    assert frame["enhanced"].dtype == pl.String


def test_dictionaries_have_each_word_once(arrow: ModuleType) -> None:
    batch = pa.record_batch(arrow.diagnose(pa.array(labelled()), fields=FIELDS))
    for name, kind in TYPES.items():
        if pa.types.is_dictionary(kind):
            words = batch[name].dictionary.to_pylist()
            assert len({*words}) == len(words) > 1
            assert None not in words
    numbers = arrow_columns.STATUSES
    assert batch["status"].dictionary.to_pylist() == list(numbers)


def test_the_result_itself(arrow: ModuleType) -> None:
    result = arrow.classify(pa.array(["550 x", None, "y"]), fields=["code", "text"])
    assert (len(result), result.fields) == (3, ("code", "text"))
    assert repr(result) == "<ArrowTable: 3 rows of code, text>"
    assert isinstance(result, arrow.ArrowTable)
    assert arrow.classify(pa.array([], pa.string())).fields == CLASSIFY_FIELDS
    assert arrow.diagnose(pa.array([], pa.string())).fields == DIAGNOSE_FIELDS
    # A wish for other types may be left unheard, and is here.
    wish = pa.struct([("code", pa.int64()), ("text", pa.string())]).__arrow_c_schema__()
    for capsules in (
        result.__arrow_c_array__(wish),
        result.__arrow_c_array__(requested_schema=wish),
    ):
        assert pa.Array._import_from_c_capsule(*capsules).type == pa.struct(pa.schema(result))
    for capsule in (result.__arrow_c_stream__(wish), result.__arrow_c_stream__(None)):
        reader = pa.RecordBatchReader._import_from_c_capsule(capsule)
        assert reader.read_all().num_rows == 3


# --- What it says ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TEXT_KINDS + OCTET_KINDS)
def test_each_row_is_what_the_functions_say(arrow: ModuleType, kind: str) -> None:
    cells: list[Cell] = [*labelled(), *odd_texts()]
    if kind in OCTET_KINDS:
        cells = [*octets_of(cells), *odd_octets()]
    found = rows_of(arrow.diagnose(array_of(kind, cells), fields=FIELDS))
    for row, wanted, cell in zip(found, answers(cells), cells, strict=True):
        assert row == wanted, repr(cell)[:200]
    for fields in (CLASSIFY_FIELDS, ["code"], ["code", "is_last"], ["enhanced"], ["evidence"]):
        found = rows_of(arrow.classify(array_of(kind, cells), fields=fields))
        assert found == answers(cells, fields)
    words = array_of("int32 of binary", octets_of(cells))
    assert rows_of(arrow.classify(words, fields=["code"])) == answers(cells, ["code"])


def test_what_others_find_in_simple_lines(arrow: ModuleType) -> None:
    """By the regular expressions of pyarrow and of Polars."""
    pc = pytest.importorskip("pyarrow.compute")
    lines = simple_lines()
    assert len(lines) > 900
    table = pa.table(arrow.classify(pa.array(lines)))
    pattern = r"^(?P<code>\d{3}) (?P<enhanced>[245]\.\d{1,3}\.\d{1,3}(?: |$))?"
    parts = pc.extract_regex(pa.array(lines), pattern)
    codes = pc.struct_field(parts, "code").cast(pa.int16())
    enhanced = pc.utf8_trim_whitespace(pc.struct_field(parts, "enhanced"))
    assert table["code"].combine_chunks() == codes
    assert pc.fill_null(table["enhanced"], "").to_pylist() == enhanced.to_pylist()
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"reply": lines}).select(
        pl.col("reply").str.head(3).cast(pl.Int16).alias("code"),
        pl.col("reply").str.extract(r"^\d+ ([245]\.\d{1,3}\.\d{1,3})(?: |$)").alias("enhanced"),
    )
    assert pl.DataFrame(table)["code", "enhanced"].equals(frame)
    assert frame["enhanced"].null_count() < 500


def test_rules_of_ones_own(arrow: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        '[[rule]]\nid = "own.full"\nreason = "mailbox_full"\nphrases = ["kein platz mehr"]\n'
        'examples = ["550 kein Platz mehr"]\n',
        encoding="utf-8",
    )
    matcher_of_core = type(arrow.matcher_for(["reason"], None))
    classifier = matcher_of_core(Classifier.from_toml(path, with_defaults=False).ruleset)
    given = pa.array(["550 5.0.0 kein Platz mehr", None, "550 5.1.1 User unknown"])
    [row, null, other] = rows_of(
        arrow.diagnose(given, classifier=classifier, fields=["rule", "reason", "evidence"])
    )
    assert row == {"rule": "own.full", "reason": "mailbox_full", "evidence": "kein Platz mehr"}
    assert {*null.values()} == {None}
    assert other["reason"] == "unknown"
    stream = arrow.stream(pa.table({"r": given}), "r", fields=["rule"], classifier=classifier)
    assert rows_of(stream)[0]["rule"] == "own.full"
    assert rows_of(arrow.diagnose(given, fields=["rule"]))[0]["rule"] != "own.full"


# --- Fields, columns and what is refused -----------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        *([name] for name in FIELDS),
        FIELDS[::-1],
        ("text", "code"),
        ("evidence", "is_last", "rule"),
        ("enhanced_detail", "enhanced_class"),
        ["code", "reason"],
        {"blocklist": 1, "provider": 2},
    ],
    ids=str,
)
def test_fields_are_those_asked_for(arrow: ModuleType, fields: Any) -> None:
    names = [*fields]
    for kind in ("large_string", "binary_view", "uint8 of string"):
        cells = cells_of(kind)
        array = array_of(kind, cells)
        for answer in (arrow.classify, arrow.diagnose):
            result = answer(array, fields=iter(names))
            assert result.fields == tuple(names)
            assert rows_of(result) == answers(cells, names)
        rows = rows_of(arrow.stream(pa.table({"given": array}), "given", fields=iter(names)))
        wanted = zip(cells, answers(cells, names), strict=True)
        assert rows == [{"given": cell} | answer for cell, answer in wanted]


@pytest.mark.parametrize(
    "fields",
    ["code", "", [], ["codes"], ["code", "code"], ["code", "x"], ["Code"], [""], [b"code"], [None]],
    ids=repr,
)
def test_other_fields_are_refused(arrow: ModuleType, fields: Any) -> None:
    given = pa.table({"reply": ["550 x"]})
    for answer in (arrow.classify, arrow.diagnose):
        with pytest.raises(SmtpFastError, match="field"):
            answer(given, "reply", fields=fields)
    with pytest.raises(SmtpFastError, match="field"):
        arrow.stream(given, "reply", fields=fields)


def twice() -> Any:
    return pa.table([pa.array(["550 x"])] * 2, names=["reply", "reply"])


@pytest.mark.parametrize(
    ("data", "column", "words"),
    [
        (pa.table({"a": ["x"], "b": ["y"]}), None, "several columns"),
        (pa.table({"a": ["x"], "b": ["y"]}), "c", "no column 'c'"),
        (pa.table({"a": ["x"], "b": ["y"]}), "", "no column ''"),
        (pa.table({"a": ["x"], "b": ["y"]}), "A", "no column 'A'"),
        (pa.table({"a": ["x"]}), "a\0", "no column"),
        (pa.table({"a": ["x"]}), "\ud800", "no column"),
        (pa.array([{"a": "x", "b": "y"}]), None, "several columns"),
        (pa.array([{"a": "x", "b": "y"}]), "reply", "no column 'reply'"),
        (twice(), "reply", "'reply'"),
        (pa.record_batch([pa.array(["x"])] * 2, names=["r", "r"]), "r", "'r'"),
        (pa.array(["x"]), "reply", "'reply'"),
        (pa.chunked_array([["x"]]), "reply", "'reply'"),
        (pa.array([], pa.struct([])), None, "column"),
        (pa.table({"a": ["x"]}).slice(1), "b", "no column 'b'"),
    ],
)
def test_columns_that_cannot_be_found(
    arrow: ModuleType, data: Any, column: str | None, words: str
) -> None:
    with pytest.raises(SmtpFastError) as caught:
        arrow.classify(data, column)
    assert words in str(caught.value)
    with pytest.raises(SmtpFastError):
        arrow.diagnose(data, column)


def test_a_name_is_a_text(arrow: ModuleType) -> None:
    for column in (5, b"reply", ["reply"], 1.5, object()):
        with pytest.raises((TypeError, SmtpFastError)):
            arrow.classify(pa.table({"reply": ["550 x"]}), column)
        with pytest.raises((TypeError, SmtpFastError)):
            arrow.stream(pa.table({"reply": ["550 x"]}), column).__arrow_c_stream__()


def test_a_name_may_be_any_text(arrow: ModuleType) -> None:
    for name in ("", "Ответ 📭", "a.b", "x" * 3_000):
        table = pa.table(
            {"n": [1], name: ["550 x"], "": [2]} if name else {"n": [1], "": ["550 x"]}
        )
        check(arrow, (table, name, ["550 x"]))
        rows = rows_of(arrow.stream(table, name, fields=["code"], prefix="я"))
        assert rows[0]["яcode"] == 550


WRONG_COLUMNS = {
    "null": pa.nulls(3),
    "int": pa.array([550, 250]),
    "int, empty": pa.array([], pa.int64()),
    "float": pa.array([1.5]),
    "bool": pa.array([True, None]),
    "list": pa.array([["550 x"]]),
    "large_list": pa.array([["550 x"]], pa.large_list(pa.string())),
    "list_view": pa.array([["550 x"]], pa.list_view(pa.string())),
    "fixed list": pa.array([["550 x"]], pa.list_(pa.string(), 1)),
    "map": pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())),
    "fixed_size_binary": pa.array([b"550 x"], pa.binary(5)),
    "timestamp": pa.array([0], pa.timestamp("us", "UTC")),
    "duration": pa.array([0], pa.duration("us")),
    "decimal": pa.array([1], pa.decimal128(9)),
    "run_end_encoded": pa.RunEndEncodedArray.from_arrays([1], ["550 x"]),
    "union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array(["550 x"])]),
    "dictionary of int": pa.array([550, None, 250]).dictionary_encode(),
    "dictionary of float": pa.array([1.5]).dictionary_encode(),
}


@pytest.mark.parametrize("name", WRONG_COLUMNS)
def test_columns_of_other_types_are_refused(arrow: ModuleType, name: str) -> None:
    column = WRONG_COLUMNS[name]
    table = pa.table({"n": column, "reply": column})
    for data, named in (
        (column, None),
        (pa.chunked_array([column]), None),
        (pa.chunked_array([], column.type), None),
        (table, "reply"),
        (pa.record_batch({"n": column, "reply": column}), "reply"),
        (table.select(["n"]), None),
    ):
        for answer in (arrow.classify, arrow.diagnose):
            with pytest.raises(TypeError, match="column of texts or octets"):
                answer(data, named)
    with pytest.raises(TypeError, match="column of texts or octets"):
        arrow.stream(table, "reply").__arrow_c_stream__()


def test_a_column_of_structs_is_refused(arrow: ModuleType) -> None:
    table = pa.table({"n": [1], "reply": [{"text": "550 x"}]})
    with pytest.raises(TypeError, match="column of texts or octets"):
        arrow.classify(table, "reply")
    with pytest.raises(TypeError, match="column of texts or octets"):
        arrow.stream(table, "reply").__arrow_c_stream__()


@pytest.mark.parametrize(
    "data", [None, 550, "550 x", b"550 x", ["550 x"], ("550 x",), {"reply": ["550 x"]}, object()]
)
def test_what_does_not_speak_arrow_is_refused(arrow: ModuleType, data: Any) -> None:
    for answer in (arrow.classify, arrow.diagnose):
        with pytest.raises(TypeError, match=f"^{type(data).__name__} .*__arrow_c_array__"):
            answer(data)
    with pytest.raises(TypeError, match=f"^{type(data).__name__} .*__arrow_c_stream__"):
        arrow.stream(data, "reply")


def test_what_cannot_be_read_lazily_is_refused(arrow: ModuleType) -> None:
    pl = pytest.importorskip("polars")
    with pytest.raises(TypeError, match="LazyFrame"):
        arrow.classify(pl.LazyFrame({"reply": ["550 x"]}), "reply")
    with pytest.raises(TypeError, match="StringArray has no __arrow_c_stream__"):
        arrow.stream(pa.array(["550 x"]), "reply")


def test_an_error_of_the_giver_is_its_own(arrow: ModuleType) -> None:
    class Broken:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise KeyError("it is gone")

    class BrokenArray:
        def __arrow_c_array__(self, requested_schema: object = None) -> object:
            raise KeyError("it is gone")

    for data in (Broken(), BrokenArray()):
        with pytest.raises(KeyError, match="it is gone"):
            arrow.classify(data)
    with pytest.raises(KeyError, match="it is gone"):
        arrow.stream(Broken(), "reply").__arrow_c_stream__()


def test_an_error_within_the_giver_reaches_the_caller(arrow: ModuleType) -> None:
    def batches() -> Iterator[Any]:
        yield pa.record_batch({"reply": ["550 x"]})
        raise RuntimeError("the source broke")

    for _ in range(3):
        reader = pa.RecordBatchReader.from_batches(pa.schema([("reply", pa.string())]), batches())
        with pytest.raises(Exception, match="the source broke"):
            arrow.classify(reader, "reply")


# --- A stream -------------------------------------------------------------------------------


def all_kinds(rows: int) -> Any:
    """A table of whatever columns there are, some with metadata, some without nulls."""
    numbers = [None if row % 3 == 1 else row for row in range(rows)]
    words = [None if row % 4 == 2 else f"word {row % 5} " + "x" * (row % 20) for row in range(rows)]
    lists = [None if row % 5 == 3 else [row, None] * (row % 3) for row in range(rows)]
    structs = [None if row % 6 == 4 else {"a": row, "b": {"c": str(row)}} for row in range(rows)]
    days = [datetime(2026, 11, 1 + row % 28, tzinfo=UTC) for row in range(rows)]
    maps = [None if row % 7 == 1 else [("k", row), ("m", None)] for row in range(rows)]
    kind = pa.array([row % 2 for row in range(rows)], pa.int8())
    columns = {
        "int8": pa.array([number and number % 100 for number in numbers], pa.int8()),
        "uint64": pa.array(numbers, pa.uint64()),
        "float16": pa.array([float(row % 9) for row in range(rows)], pa.float16()),
        "double": pa.array(numbers, pa.float64()),
        "bool": pa.array([word and len(word) % 2 == 1 for word in words], pa.bool_()),
        "null": pa.nulls(rows),
        "decimal": pa.array(numbers, pa.decimal128(20, 2)),
        "date": pa.array(days, pa.date32()),
        "time": pa.array(numbers, pa.time64("us")),
        "timestamp": pa.array(days, pa.timestamp("ms", "Europe/Berlin")),
        "duration": pa.array(numbers, pa.duration("us")),
        "interval": pa.array([(1, 2, row) for row in range(rows)], pa.month_day_nano_interval()),
        "string": pa.array(words),
        "large_string": pa.array(words, pa.large_string()),
        "string_view": pa.array(words, pa.string_view()),
        "binary": pa.array(octets_of(words), pa.binary()),
        "binary_view": pa.array(octets_of(words), pa.binary_view()),
        "fixed": pa.array([b"abcd"] * rows, pa.binary(4)),
        "list": pa.array(lists, pa.list_(pa.int32())),
        "large_list": pa.array(lists, pa.large_list(pa.int32())),
        "list_view": pa.array(lists, pa.list_view(pa.int32())),
        "fixed_list": pa.array([[row, row] for row in range(rows)], pa.list_(pa.int64(), 2)),
        "struct": pa.array(structs),
        "map": pa.array(maps, pa.map_(pa.string(), pa.int16())),
        "dictionary": pa.array(words).dictionary_encode(),
        "sparse": pa.UnionArray.from_sparse(kind, [pa.array(numbers), pa.array(words)]),
        "dense": pa.UnionArray.from_dense(
            kind, pa.array(range(rows), pa.int32()), [pa.array(numbers), pa.array(words)]
        ),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([rows], pa.int32()), pa.array(["run"])),
        "uuid": pa.array([bytes(16)] * rows, pa.uuid()),
        "json": pa.array(['{"a": 1}'] * rows, pa.json_()),
    }
    given = pa.array([few_texts()[row % len(few_texts())] for row in range(rows)])
    columns = {"reply": given} | columns | {"last": given}
    fields = [pa.field(name, column.type) for name, column in columns.items()]
    fields[2] = fields[2].with_metadata({"unit": "apples", "": "\0", "long": "x" * 3_000})
    fields[4] = pa.field("double", pa.float64(), metadata={b"\xff": b"\xfe"})
    never = [
        pa.field(each.name, each.type, nullable=each.name not in ("fixed", "uuid"))
        for each in fields
    ]
    fields = [each.with_metadata(field.metadata) for each, field in zip(never, fields, strict=True)]
    schema = pa.schema(fields, metadata={"made by": "tests", "pandas": "{}", "\u044f": ""})
    return pa.table([*columns.values()], schema=schema)


@pytest.mark.parametrize("column", ["reply", "last", "string_view", "binary", "dictionary"])
def test_other_columns_are_as_they_were(arrow: ModuleType, column: str) -> None:
    whole = all_kinds(50)
    for source in (whole, whole[7:], whole[3:3], pa.concat_tables([whole[5:20], whole[:9], whole])):
        stream = arrow.stream(source, column, fields=FIELDS, prefix="its ")
        found = pa.table(stream)
        found.validate(full=True)
        theirs = found.select(source.column_names)
        assert theirs.schema.equals(source.schema, check_metadata=True)
        assert theirs.equals(source)
        ours = found.select(found.column_names[len(source.column_names) :])
        assert ours.column_names == [f"its {name}" for name in FIELDS]
        cells = source[column].to_pylist()
        assert ours.rename_columns(list(FIELDS)).to_pylist() == answers(cells)


def test_types_that_pyarrow_does_not_know_pass(arrow: ModuleType) -> None:
    """An extension type is metadata, which stays."""
    metadata = {"ARROW:extension:name": "of.nobody", "ARROW:extension:metadata": "x\0y"}
    schema = pa.schema([pa.field("own", pa.int32(), metadata=metadata), ("reply", pa.string())])
    table = pa.table([pa.array([1, None], pa.int32()), pa.array(["550 x", None])], schema=schema)
    found = pa.table(arrow.stream(table, "reply", fields=["code"]))
    assert found.schema.field("own").equals(schema.field("own"), check_metadata=True)
    assert found.to_pylist()[1] == {"own": None, "reply": None, "code": None}


class Counted:
    """Batches that are counted as they are read."""

    def __init__(self, count: int, rows: int = 10, *, breaks_at: int | None = None) -> None:
        self.read = self.closed = 0
        self.count, self.rows, self.breaks_at = count, rows, breaks_at
        self.cells = [few_texts()[row % len(few_texts())] for row in range(rows)]

    def batches(self) -> Iterator[Any]:
        try:
            for number in range(self.count):
                if number == self.breaks_at:
                    raise RuntimeError("the source broke")
                self.read += 1
                ids = pa.array([number] * self.rows, pa.int32())
                yield pa.record_batch({"id": ids, "reply": pa.array(self.cells, pa.string())})
        finally:
            self.closed += 1

    def reader(self) -> Any:
        schema = pa.schema([("id", pa.int32()), ("reply", pa.string())])
        return pa.RecordBatchReader.from_batches(schema, self.batches())


def test_a_batch_is_read_when_it_is_asked_for(arrow: ModuleType) -> None:
    source = Counted(5)
    stream = arrow.stream(source.reader(), "reply", fields=["code"])
    assert source.read == 0
    reader = pa.RecordBatchReader.from_stream(stream)
    assert source.read == 0
    assert reader.schema.names == ["id", "reply", "code"]
    assert source.read == 0
    for number in range(5):
        batch = reader.read_next_batch()
        assert (source.read, batch.num_rows) == (number + 1, 10)
        assert batch["id"].to_pylist() == [number] * 10
        assert batch["code"].to_pylist() == [row["code"] for row in answers(source.cells, ["code"])]
    for _ in range(3):
        with pytest.raises(StopIteration):
            reader.read_next_batch()
    assert source.closed == 1


@pytest.mark.parametrize("rows", [0, 1, 1_000])
@pytest.mark.parametrize("count", [0, 1, 60])
def test_many_batches_and_none(arrow: ModuleType, rows: int, count: int) -> None:
    source = Counted(count, rows)
    table = pa.table(arrow.stream(source.reader(), "reply", fields=["code", "enhanced"]))
    table.validate(full=True)
    assert (table.num_rows, source.read) == (count * rows, count)
    assert table.schema.names == ["id", "reply", "code", "enhanced"]
    assert not rows or table["reply"].num_chunks == count
    wanted = answers(source.cells, ["code", "enhanced"]) * count
    assert table.select(["code", "enhanced"]).to_pylist() == wanted


def test_batches_may_be_of_any_size(arrow: ModuleType) -> None:
    cells = [*labelled(), *odd_texts()]
    batch = pa.record_batch({"reply": pa.array(cells)})
    cuts = [0, 0, 1, 9, 9, 500, 501, 1_000, len(cells), len(cells)]
    parts = [batch[start:stop] for start, stop in pairwise(cuts)]
    source = pa.RecordBatchReader.from_batches(batch.schema, parts)
    reader = pa.RecordBatchReader.from_stream(arrow.stream(source, "reply", fields=FIELDS))
    sizes, rows = [], []
    for each in reader:
        each.validate(full=True)
        sizes.append(each.num_rows)
        rows += each.select(list(FIELDS)).to_pylist()
    assert sizes == [part.num_rows for part in parts]
    assert rows == answers(cells)


def test_a_dictionary_may_be_another_in_each_batch(arrow: ModuleType) -> None:
    parts = [[*few_texts()[start : start + 9]] for start in range(0, 54, 9)]
    batches = [pa.record_batch({"reply": array_of("int8 of string", part)}) for part in parts]
    source = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
    found = pa.table(arrow.stream(source, "reply", fields=FIELDS))
    cells = [cell for part in parts for cell in part]
    assert found["reply"].to_pylist() == cells
    assert found.select(list(FIELDS)).to_pylist() == answers(cells)


def test_names_that_are_there_already(arrow: ModuleType) -> None:
    table = pa.table({"reply": ["550 x"], "code": [1], "x_status": ["y"]})
    stream = arrow.stream(table, "reply", fields=["enhanced", "code"])
    for _ in range(2):
        with pytest.raises(SmtpFastError, match=r"\['code'\].*prefix"):
            stream.__arrow_c_stream__()
    assert isinstance(stream, arrow.ArrowStream)
    with pytest.raises(SmtpFastError, match="NUL"):
        arrow.stream(table, "reply", prefix="a\0b")
    found = pa.table(arrow.stream(table, "reply", fields=["code", "status"], prefix="smtp_"))
    assert found.schema.names == ["reply", "code", "x_status", "smtp_code", "smtp_status"]
    assert found["code"].to_pylist() == [1]
    with pytest.raises(SmtpFastError, match="x_status"):
        arrow.stream(table, "reply", prefix="x_").__arrow_c_stream__()
    # The column itself is one of the source's.
    with pytest.raises(SmtpFastError, match="text"):
        arrow.stream(pa.table({"text": ["x"]}), "text", fields=["text"]).__arrow_c_stream__()


def test_columns_that_a_stream_has_not(arrow: ModuleType) -> None:
    table = pa.table({"reply": ["550 x"], "n": [1]})
    with pytest.raises(SmtpFastError, match="no column 'replies'"):
        arrow.stream(table, "replies").__arrow_c_stream__()
    with pytest.raises(SmtpFastError, match="'reply'"):
        arrow.stream(twice(), "reply").__arrow_c_stream__()
    with pytest.raises(TypeError, match="column of texts or octets"):
        arrow.stream(table, "n").__arrow_c_stream__()
    # A column is no table.
    with pytest.raises((TypeError, ValueError)):
        arrow.stream(pa.chunked_array([["550 x"]]), "reply").__arrow_c_stream__()
    # Others may be there twice.
    table = pa.table([pa.array(["550 x"]), pa.array([1]), pa.array([2])], names=["reply", "n", "n"])
    found = pa.table(arrow.stream(table, "reply", fields=["code"]))
    assert [column.to_pylist() for column in found.columns] == [["550 x"], [1], [2], [550]]


def test_batches_that_pyarrow_does_not_take(arrow: ModuleType) -> None:
    """Structs with an offset or with nulls: they come out right, or as an error."""
    cells = [*few_texts()]
    masked = [row % 5 == 2 for row in range(len(cells))]
    for struct, left in (
        (in_struct(pa.array(cells), [False] * len(cells))[3:], cells[3:]),
        (in_struct(pa.array(cells)[2:], [False] * (len(cells) - 2))[3:9], cells[5:11]),
        (in_struct(pa.array(cells), masked), cells),
    ):
        stream = arrow.stream(pa.chunked_array([struct]), "reply", fields=["code", "text"])
        try:
            found = pa.chunked_array(stream)
        except (ValueError, OSError):
            continue
        found.validate(full=True)
        wanted = [
            {"n": row["n"], "reply": cell, "m": row["m"], **answer} if row else None
            for row, cell, answer in zip(
                struct.to_pylist(), left, answers(left, ["code", "text"]), strict=True
            )
        ]
        assert found.to_pylist() == wanted


STREAM_READERS = {
    "pa.table": by_pyarrow(pa.table),
    "pl.DataFrame": READERS["pl.DataFrame"],
    "pl.scan": READERS["pl.scan"],
    "pl.scan, streaming": READERS["pl.scan, streaming"],
    "duckdb": READERS["duckdb"],
    "duckdb.register": READERS["duckdb.register"],
    "pandas": by_pandas,
    "na.ArrayStream": READERS["na.ArrayStream"],
    "arro3.Table": READERS["arro3.Table"],
    "arro3.RecordBatchReader": READERS["arro3.RecordBatchReader"],
    "datafusion": by_datafusion,
}


@MAY_CHANGE
@pytest.mark.parametrize("reader", STREAM_READERS)
def test_all_can_read_a_stream(arrow: ModuleType, reader: str) -> None:
    source = Counted(7, 40)
    stream = arrow.stream(source.reader(), "reply", fields=FIELDS, prefix="its_")
    found = STREAM_READERS[reader](stream)
    wanted = [
        {"id": number, "reply": cell} | {f"its_{name}": value for name, value in row.items()}
        for number in range(7)
        for cell, row in zip(source.cells, answers(source.cells), strict=True)
    ]
    assert sorted(found, key=lambda row: row["id"]) == wanted  # type: ignore[arg-type,return-value]
    assert (source.read, source.closed) == (7, 1)


@MAY_CHANGE
@pytest.mark.parametrize("reader", STREAM_READERS)
@pytest.mark.parametrize("breaks_at", [0, 2])
def test_an_error_of_the_source_reaches_who_reads(
    arrow: ModuleType, reader: str, breaks_at: int
) -> None:
    # Skips where the reader is absent, which `raises` would take for the error.
    STREAM_READERS[reader](arrow.stream(Counted(1).reader(), "reply", fields=["code"]))
    source = Counted(5, breaks_at=breaks_at)
    stream = arrow.stream(source.reader(), "reply", fields=["code"])
    with pytest.raises(BaseException, match="the source broke"):
        STREAM_READERS[reader](stream)
    assert source.read == breaks_at


@MAY_CHANGE
@pytest.mark.parametrize("reader", STREAM_READERS)
def test_what_can_be_opened_twice_is(arrow: ModuleType, reader: str) -> None:
    table = pa.table({"reply": few_texts()})
    stream = arrow.stream(table, "reply", fields=["code"])
    first, second = (STREAM_READERS[reader](stream) for _ in range(2))
    assert first == second
    codes = [row["code"] for row in answers(few_texts(), ["code"])]
    assert [row["code"] for row in first] == codes


def test_two_readers_of_one_stream(arrow: ModuleType) -> None:
    table = pa.concat_tables([pa.table({"reply": few_texts()})] * 4)
    stream = arrow.stream(table, "reply", fields=["code"])
    readers = [pa.RecordBatchReader.from_stream(stream) for _ in range(3)]
    codes = [row["code"] for row in answers(few_texts(), ["code"])]
    for _ in range(4):
        assert [each.read_next_batch()["code"].to_pylist() for each in readers] == [codes] * 3


def test_a_stream_of_a_stream(arrow: ModuleType) -> None:
    source = Counted(3)
    once = arrow.stream(source.reader(), "reply", fields=["text", "code"], prefix="a_")
    both = arrow.stream(once, "a_text", fields=["code"], prefix="b_")
    table = pa.table(both)
    rows = answers(source.cells, ["code", "text"]) * 3
    assert table["a_code"].to_pylist() == [row["code"] for row in rows]
    inner = answers([row["text"] for row in rows], ["code"])  # type: ignore[misc]
    assert table["b_code"].to_pylist() == [row["code"] for row in inner]
    check(
        arrow,
        (arrow.stream(Counted(3).reader(), "reply"), "reply", source.cells * 3),
        CLASSIFY_FIELDS,
    )


def test_what_can_be_read_once_is_empty_then_or_says_so(arrow: ModuleType) -> None:
    def once_more(stream: Any) -> list[Row]:
        try:
            return rows_of(stream)
        except (OSError, ValueError, RuntimeError):
            return []

    source = Counted(3)
    stream = arrow.stream(source.reader(), "reply", fields=["code"])
    assert len(rows_of(stream)) == 30
    assert once_more(stream) == []
    na = pytest.importorskip("nanoarrow")
    stream = arrow.stream(na.ArrayStream(Counted(3).reader()), "reply", fields=["code"])
    assert len(rows_of(stream)) == 30
    assert once_more(stream) == []
    reader = Counted(2).reader()
    assert [len(arrow.classify(reader, "reply")) for _ in range(2)] == [20, 0]


def test_who_stops_early_lets_go(arrow: ModuleType) -> None:
    source = Counted(100)
    stream = arrow.stream(source.reader(), "reply", fields=FIELDS)
    reader = pa.RecordBatchReader.from_stream(stream)
    batch = reader.read_next_batch()
    del reader, stream
    gc.collect()
    assert (source.read, source.closed) == (1, 1)
    assert batch.select(list(FIELDS)).to_pylist() == answers(source.cells)
    # Opened, and never read.
    source = Counted(100)
    capsule = arrow.stream(source.reader(), "reply").__arrow_c_stream__()
    del capsule
    gc.collect()
    assert source.read == 0
    pl = pytest.importorskip("polars")
    source = Counted(100)
    stream = arrow.stream(source.reader(), "reply", fields=["code"])
    assert pl.scan_arrow_c_stream(stream).head(3).collect().height == 3
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        connection.register("given", arrow.stream(Counted(100).reader(), "reply", fields=["code"]))
        assert connection.sql("from given limit 3").fetchall()[0][0] == 0


# --- Records of logs ------------------------------------------------------------------------

RECORD_TYPES = {
    "time": pa.timestamp("us"),
    "time_is_local": pa.bool_(),
    "relay_port": pa.int32(),
    "delay": pa.float64(),
    "code": pa.int16(),
    "retry_after": pa.int32(),
    "line": pa.int64(),
    **dict.fromkeys(("mta", "event", "reason", "disposition"), pa.dictionary(pa.int8(), pa.utf8())),
    "file": pa.dictionary(pa.int32(), pa.utf8()),
}


@pytest.mark.parametrize("log", ["example", "octets", "empty", "one"])
def test_records(arrow: ModuleType, log: str) -> None:
    data = EXAMPLE.read_bytes()
    if log == "octets":
        data = data.replace(b"User", b"\xff\xd0User").replace(b"said", b"\xf0\x9f\x93\xad said")
    elif log == "empty":
        data = b""
    elif log == "one":
        data = next(line for line in data.splitlines(keepends=True) if b"status=" in line)
    columns = read_columns(data, "mail.log", year=2026, classifier=CLASSIFIER)
    wanted = [
        {name: printable(value) for name, value in row._asdict().items()} for row in columns.rows()
    ]
    assert len(wanted) == {"empty": 0, "one": 1}.get(log, len(columns))
    result = arrow.records(columns)
    table = pa.table(result)
    table.validate(full=True)
    assert (result.fields, len(result)) == (LogRecord._fields, len(columns))
    assert table.schema.types == [RECORD_TYPES.get(name, pa.utf8()) for name in LogRecord._fields]
    times = table["time"].cast(pa.int64())
    numbers = table.set_column(table.schema.names.index("time"), "time", times)
    assert numbers.to_pylist() == wanted
    some = ("code",), ("file", "line"), ("text", "time_is_local", "event"), LogRecord._fields[::-1]
    for names in some:
        assert pa.table(arrow.records(columns, names)).equals(table.select(names))
    with pytest.raises(KeyError):
        arrow.records(columns, ["codes"])
    del columns, data
    gc.collect()
    churn(200)
    assert pa.table(result).equals(table)


# --- Who outlives whom ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["string", "binary_view", "uint8 of string"])
def test_results_outlive_inputs(arrow: ModuleType, kind: str) -> None:
    cells = cells_of(kind)
    data = array_of(kind, cells)
    result = arrow.diagnose(data, fields=FIELDS)
    table = pa.table(result)
    column = pa.array(result).field(FIELDS.index("evidence"))
    del data
    gc.collect()
    churn(200)
    assert rows_of(result) == table.to_pylist() == answers(cells)
    del result, table
    gc.collect()
    churn(200)
    assert column.to_pylist() == [row["evidence"] for row in answers(cells)]


def test_inputs_outlive_results(arrow: ModuleType) -> None:
    data = pa.table({"reply": pa.array(few_texts())})
    before = pa.total_allocated_bytes()
    batch = pa.RecordBatchReader.from_stream(arrow.stream(data, "reply")).read_next_batch()
    result = arrow.diagnose(data, "reply", fields=FIELDS)
    del batch, result
    gc.collect()
    churn(200)
    assert data["reply"].to_pylist() == list(few_texts())
    assert pa.total_allocated_bytes() == before


def test_batches_of_a_stream_outlive_it(arrow: ModuleType) -> None:
    source = all_kinds(60)
    wanted, rows = source.to_pylist(), answers(source["reply"].to_pylist())
    stream = arrow.stream(source, "reply", fields=FIELDS, prefix="its ")
    found = pa.table(stream)
    theirs = found["struct"]
    names = source.column_names
    del source, stream
    gc.collect()
    churn(200)
    assert found.select(names).to_pylist() == wanted
    del found
    gc.collect()
    churn(200)
    assert theirs.to_pylist() == [row["struct"] for row in wanted]
    assert len(rows) == 60


def churn(rounds: int) -> None:
    """Use memory that was given back."""
    for number in range(rounds):
        bytes(bytearray(b"\xee" * (100 + number * 37)))


class Gone:
    """An input of which can be seen that it is gone."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__()


def test_inputs_are_not_held(arrow: ModuleType) -> None:
    given = Gone(pa.table({"reply": few_texts()}))
    result = arrow.classify(given, "reply", fields=["code"])
    seen = weakref.ref(given)
    del given
    gc.collect()
    assert seen() is None
    assert len(result) == len(few_texts())
    given = Gone(pa.table({"reply": few_texts()}))
    stream = arrow.stream(given, "reply", fields=["code"])
    seen = weakref.ref(given)
    del given
    assert len(rows_of(stream)) == len(few_texts())
    del stream
    gc.collect()
    assert seen() is None


def test_rules_are_let_go(arrow: ModuleType) -> None:
    """Streams need them; whoever releases a stream may be in no position to drop an object."""
    table = pa.table({"reply": few_texts()})
    classifier = Classifier.default()
    once = sys.getrefcount(classifier)
    for _ in range(50):
        stream = arrow.stream(table, "reply", fields=["reason"], classifier=classifier)
        capsule = stream.__arrow_c_stream__()
        in_thread(lambda opened=capsule: release(struct_in(opened, "arrow_array_stream")))  # type: ignore[misc]
        arrow.diagnose(table, "reply", fields=["reason"], classifier=classifier)
        del stream, capsule
    arrow.stream(table, "reply", fields=["code"]).__arrow_c_stream__()
    arrow.classify(table, "reply", fields=["code"])
    gc.collect()
    assert sys.getrefcount(classifier) <= once + 2


def test_a_child_may_be_moved_away(arrow: ModuleType) -> None:
    """As the specification lets consumers do: the parent is released at once, the child later."""
    cells = few_texts()
    result = arrow.diagnose(pa.array(cells), fields=FIELDS)
    kept = []
    for number in range(len(FIELDS)):
        schema_capsule, capsule = result.__arrow_c_array__()
        parent = struct_in(capsule, "arrow_array")
        child = ArrowArray.from_address(parent.children[number])
        moved = ArrowArray.from_buffer_copy(child)
        child.release = None
        release(parent)
        assert parent.release is None
        schema = struct_in(schema_capsule, "arrow_schema")
        kept.append((number, moved, schema, schema_capsule))
        del capsule, parent, child
    del result
    gc.collect()
    churn(200)
    for number, moved, schema, _ in kept:
        kind = schema.children[number]
        array = pa.Array._import_from_c(ctypes.addressof(moved), kind)
        array.validate(full=True)
        assert array.to_pylist() == [row[FIELDS[number]] for row in answers(cells)]


# --- Threads --------------------------------------------------------------------------------


def in_thread(work: Callable[[], object]) -> None:
    """Do it in a thread that Python did not know before, to its end."""
    wrong: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            wrong.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if wrong:
        raise wrong[0]


def test_results_may_be_read_and_dropped_in_another_thread(arrow: ModuleType) -> None:
    held: list[Any] = [arrow.diagnose(pa.array(few_texts()), fields=FIELDS)]
    streams: list[Any] = [arrow.stream(pa.table({"reply": few_texts()}), "reply", fields=FIELDS)]

    def use() -> None:
        wanted = answers(few_texts())
        assert rows_of(held[0]) == wanted
        held.append(pa.table(held[0]))
        assert pa.table(streams[0]).select(list(FIELDS)).to_pylist() == wanted
        held.pop(0)
        streams.clear()
        gc.collect()

    in_thread(use)
    assert held[0].to_pylist() == answers(few_texts())
    in_thread(held.clear)


@pytest.mark.parametrize("name", ["arrow_schema", "arrow_array", "arrow_array_stream"])
def test_release_needs_no_python(arrow: ModuleType, name: str) -> None:
    """Engines release on threads of their own, which do not hold the GIL."""
    result = arrow.diagnose(pa.array(few_texts()), fields=FIELDS)
    stream = arrow.stream(Counted(3).reader(), "reply", fields=FIELDS)
    for _ in range(20):
        capsules: list[Any] = []
        if name == "arrow_array_stream":
            capsules = [
                result.__arrow_c_stream__(),
                arrow.stream(result, "rule", prefix="x").__arrow_c_stream__(),
            ]
        else:
            schema, array = result.__arrow_c_array__()
            capsules = [schema if name == "arrow_schema" else array]
            if name == "arrow_schema":
                capsules.append(result.__arrow_c_schema__())
            del schema, array
        structs = [struct_in(capsule, name) for capsule in capsules]
        in_thread(lambda structs=structs: [release(each) for each in structs])  # type: ignore[misc]
        assert [each.release for each in structs] == [None] * len(structs)
        capsules.clear()
    del stream
    assert rows_of(result) == answers(few_texts())


def test_a_stream_is_read_on_another_thread(arrow: ModuleType) -> None:
    """By hand, as an engine does: `get_next` without the GIL, and the rest dropped at once."""
    source = Counted(9)
    capsule = arrow.stream(source.reader(), "reply", fields=FIELDS).__arrow_c_stream__()
    stream = struct_in(capsule, "arrow_array_stream")
    schema, arrays = ArrowSchema(), [ArrowArray() for _ in range(3)]

    def read() -> None:
        place = ctypes.addressof(stream)
        assert GetNext(stream.get_schema)(place, ctypes.addressof(schema)) == 0
        for array in arrays:
            assert GetNext(stream.get_next)(place, ctypes.addressof(array)) == 0
        release(stream)

    in_thread(read)
    assert (source.read, stream.release) == (3, None)
    del capsule
    gc.collect()
    kind = pa.DataType._import_from_c(ctypes.addressof(schema))
    for array in arrays:
        found = pa.Array._import_from_c(ctypes.addressof(array), kind)
        found.validate(full=True)
        rows = [{name: row[name] for name in FIELDS} for row in found.to_pylist()]
        assert rows == answers(source.cells)


def test_four_threads_say_the_same(arrow: ModuleType) -> None:
    texts = [*labelled()[:300], *few_texts()]
    given = [array_of(kind, texts) for kind in ("string", "string_view", "uint32 of string")]
    table = pa.table({"reply": given[0]})
    wanted = answers(texts)

    def work(number: int) -> bool:
        result = arrow.diagnose(given[number % 3], fields=FIELDS)
        stream = arrow.stream(table, "reply", fields=FIELDS)
        return rows_of(result) == wanted == pa.table(stream).select(list(FIELDS)).to_pylist()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(12)))


def test_one_result_in_four_threads(arrow: ModuleType) -> None:
    result = arrow.diagnose(pa.array(few_texts()), fields=FIELDS)
    stream = arrow.stream(pa.table({"reply": few_texts()}), "reply", fields=FIELDS)
    wanted = answers(few_texts())

    def work(_: int) -> bool:
        for _ in range(5):
            capsules = result.__arrow_c_array__(), result.__arrow_c_stream__()
            del capsules
        return rows_of(result) == wanted == pa.table(stream).select(list(FIELDS)).to_pylist()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(24)))


# --- Memory ---------------------------------------------------------------------------------


def resident() -> int:
    """The bytes of memory that this process has."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except FileNotFoundError:
        pytest.skip("no /proc/self/statm")
    return int(pages) * 4096


@pytest.fixture
def connection() -> Iterator[Any]:
    with pytest.importorskip("duckdb").connect() as opened:
        opened.execute("set threads = 1")
        yield opened


# What is done again and again, and how often, so that a leak would be many megabytes.
ROUNDS = {
    "texts": 200,
    "octets": 200,
    "words": 200,
    "stream": 200,
    "stopped": 400,
    "small": 4_000,
    "schemas": 9_000,
    "arrays": 9_000,
    "streams": 9_000,
    "opened": 9_000,
    "refused": 900,
    "broken": 400,
}


def work_of(arrow: ModuleType, connection: Any) -> dict[str, Callable[[], object]]:
    pl = pytest.importorskip("polars")
    some = [*labelled()[:200], *few_texts()]
    few = pa.array(few_texts()[:9])
    table = pa.table({"id": range(len(some)), "reply": pa.array(some)})
    octets = pa.array(octets_of(some), pa.binary_view())
    words = array_of("uint16 of string", some)
    small = arrow.diagnose(few, fields=FIELDS)
    again = arrow.stream(pa.table({"reply": few}), "reply", fields=FIELDS)

    def read(result: Any) -> None:
        assert pa.table(result).num_rows == pl.DataFrame(result).height == len(some)
        [(count, _)] = connection.sql("select count(*), max(reason) from result").fetchall()
        assert count == len(some)

    def refused() -> None:
        for data, column in ((pa.array([1]), None), (table, "x"), (table, "id"), (table, None)):
            with pytest.raises((TypeError, SmtpFastError)):
                arrow.classify(data, column)
        for column, prefix in (("reply", ""), ("replies", "x"), ("id", "x")):
            with pytest.raises((TypeError, SmtpFastError)):
                arrow.stream(once, column, fields=["code"], prefix=prefix).__arrow_c_stream__()

    once = pa.table({"reply": some, "id": range(len(some)), "code": range(len(some))})

    def broken() -> None:
        stream = arrow.stream(Counted(3, breaks_at=1).reader(), "reply", fields=FIELDS)
        with pytest.raises(Exception, match="broke"):
            pa.table(stream)
        with pytest.raises(Exception, match="broke"):
            arrow.classify(Counted(3, breaks_at=1).reader(), "reply")

    def stopped() -> None:
        stream = arrow.stream(table, "reply", fields=FIELDS)
        pa.RecordBatchReader.from_stream(stream).read_next_batch()

    return {
        "texts": lambda: read(arrow.diagnose(table, "reply", fields=FIELDS)),
        "octets": lambda: read(arrow.diagnose(octets, fields=FIELDS)),
        "words": lambda: read(arrow.diagnose(words, fields=FIELDS)),
        "stream": lambda: read(arrow.stream(table, "reply", fields=FIELDS)),
        "stopped": stopped,
        "small": lambda: arrow.diagnose(few, fields=FIELDS),
        "schemas": small.__arrow_c_schema__,
        "arrays": small.__arrow_c_array__,
        "streams": small.__arrow_c_stream__,
        "opened": again.__arrow_c_stream__,
        "refused": refused,
        "broken": broken,
    }


# Who holds what of the reference, pyarrow and Python say.
@pytest.mark.parametrize("arrow", ["compiled"], indirect=True)
@pytest.mark.parametrize("name", ROUNDS)
def test_memory_does_not_grow(arrow: ModuleType, name: str, connection: Any) -> None:
    work = work_of(arrow, connection)[name]
    for _ in range(ROUNDS[name] // 3):
        work()
    gc.collect()
    before = resident()
    for _ in range(ROUNDS[name]):
        work()
    gc.collect()
    assert resident() - before < 8 << 20


def test_nothing_stands_under_a_null(arrow: ModuleType) -> None:
    # So many codes that each has pushed out whatever is remembered of others.
    cells = [
        f"550 5.{subject}.{detail} x" if has_code else "550 x"
        for subject in range(4)
        for detail in range(250)
        for has_code in (True, False)
    ]
    column = pa.record_batch(arrow.classify(pa.array(cells), fields=["enhanced"])).column(0)
    assert column.to_pylist()[::2] == [cell.split()[1] for cell in cells[::2]]
    offsets = memoryview(column.buffers()[1]).cast("i")
    assert all(offsets[row] == offsets[row + 1] for row in range(1, len(cells), 2))
