"""The same replies through all that the library has: each says of each row what the others say."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import smtpfast
from arrow_made import SEED, answers, labelled, octets_of, odd_octets, odd_texts, printable
from smtpfast import BACKEND, arrow
from smtpfast.arrow import CLASSIFY_FIELDS, DIAGNOSE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arrow_made import Cell, Row

    # Takes the cells; gives rows of some fields, None where a cell is none of its.
    Engine = Callable[[Sequence[Cell]], list[Row | None]]

pa = pytest.importorskip("pyarrow")
# As PySpark and DuckDB say of others.
pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
]

COUNT = 10_000
FEW = 600
SINGLE_FIELDS = ("code", "enhanced", "reason", "disposition")


@cache
def replies(count: int) -> tuple[str | None, ...]:
    """Labelled replies as they are, cut, mixed or spoilt; odd ones; and nulls."""
    chance = random.Random(SEED)
    good, odd = labelled(), [text for text in odd_texts() if len(text) < 5_000]
    junk = ["\r\n", "\n", "\0", "-", " ", "5", "я", "📭", "550 ", "\t", "x" * 30]
    cells: list[str | None] = []
    while len(cells) < count:
        reply, other = chance.choice(good), chance.choice(good)
        at = chance.randrange(len(reply) + 1)
        kinds = (reply, reply, reply[:at], reply[at:], f"{reply}\r\n{other}", chance.choice(odd))
        spoilt = reply[:at] + chance.choice(junk) + reply[at:]
        cells.append(chance.choice((*kinds, spoilt, None)))
    return tuple(cells)


@cache
def octet_replies(count: int) -> tuple[bytes | None, ...]:
    """The same as octets, some of which are no UTF-8."""
    chance = random.Random(SEED)
    cells = octets_of(replies(count))
    for row in range(0, count, 7):
        cell = cells[row] or b"550 "
        at = chance.randrange(len(cell) + 1)
        spoilt = cell[:at] + chance.choice((b"\xff", b"\xd0", b"\xf0\x9f", b"\x00\xfe")) + cell[at:]
        cells[row] = chance.choice((spoilt, chance.choice(odd_octets())))
    return tuple(cells)


def to_rows(columns: Any, fields: Sequence[str] = DIAGNOSE_FIELDS) -> list[Row | None]:
    """Rows of the columns of a table of pyarrow's."""
    rows: list[Row | None] = pa.table(columns).select(list(fields)).to_pylist()
    return rows


def whole(rows: Sequence[Row | None], fields: Sequence[str] = DIAGNOSE_FIELDS) -> list[Row | None]:
    """Rows where a null stands for one of nulls."""
    return [row or dict.fromkeys(fields) for row in rows]


# --- Lists and buffers ----------------------------------------------------------------------


def by_list(cells: Sequence[Cell]) -> list[Row | None]:
    """Lists have no null."""
    there = [cell for cell in cells if cell is not None]
    lines = iter(smtpfast.classify_many(there))
    diagnoses = map(smtpfast.diagnose, there)
    return [None if cell is None else row_of(next(lines), next(diagnoses)) for cell in cells]


def row_of(line: Any, found: Any) -> Row:
    enhanced = line.enhanced
    return {
        "code": line.code,
        "status": line.status.name,
        "enhanced": enhanced and str(enhanced),
        "enhanced_class": enhanced and enhanced.class_,
        "enhanced_subject": enhanced and enhanced.subject,
        "enhanced_detail": enhanced and enhanced.detail,
        "is_last": line.is_last,
        "severity": line.severity.name.lower(),
        "category": line.category.name.lower(),
        "reason": str(found.reason),
        "disposition": str(found.disposition),
        "retry_after": found.retry_after,
        "blocklist": found.blocklist,
        "provider": found.provider,
        "rule": found.rule,
    }


def in_buffer(cells: Sequence[Cell]) -> list[tuple[int, bytes]]:
    """The cells of one line, and their rows."""
    octets = enumerate(octets_of(cells))
    return [(row, cell) for row, cell in octets if cell is not None and b"\n" not in cell]


def by_buffer(cells: Sequence[Cell]) -> list[Row | None]:
    """Of those cells that are one line, which is all that a buffer can say."""
    there = in_buffer(cells)
    data = b"".join(cell + b"\n" for _, cell in there)
    lines, found = smtpfast.classify_lines(data), smtpfast.diagnose_lines(data)
    assert len(lines) == len(found) == len(there)
    rows: list[Row | None] = [None] * len(cells)
    for number, (row, _) in enumerate(there):
        rows[row] = row_of(lines[number], found[number])
    return rows


def by_columns_of_buffer(cells: Sequence[Cell]) -> list[Row | None]:
    """By the columns themselves, without a row."""
    there = in_buffer(cells)
    found = smtpfast.diagnose_lines(b"".join(cell + b"\n" for _, cell in there))
    lines = found.lines
    rows: list[Row | None] = [None] * len(cells)
    for number, (row, _) in enumerate(there):
        packed, blocklist = lines.enhanced[number], found.blocklist[number]
        retry_after, provider = found.retry_after[number], found.provider[number]
        numbers = (packed // 1_000_000, packed // 1_000 % 1_000, packed % 1_000)
        rows[row] = {
            "code": lines.code[number],
            "is_last": lines.is_last[number],
            "enhanced": "{}.{}.{}".format(*numbers) if packed else None,
            "reason": str(found.reasons[found.reason[number]]),
            "disposition": str(found.dispositions[found.disposition[number]]),
            "retry_after": None if retry_after < 0 else retry_after,
            "blocklist": None if blocklist < 0 else found.blocklists[blocklist],
            "provider": None if provider < 0 else found.providers[provider],
            "rule": found.rules[found.rule[number]],
        }
        start, end = found.evidence_start[number], found.evidence_end[number]
        if end:  # else codes decided
            rows[row]["evidence"] = bytes(lines.data[start:end])  # type: ignore[index]
    return rows


# --- Arrow ----------------------------------------------------------------------------------


def array_of(cells: Sequence[Cell]) -> Any:
    """Of texts, or of octets if any of them are."""
    has_octets = any(isinstance(cell, bytes) for cell in cells)
    return pa.array(cells, pa.binary() if has_octets else pa.string())


def table_of(cells: Sequence[Cell]) -> Any:
    """In several chunks."""
    array = array_of(cells)
    size = len(cells) // 3
    chunks = pa.chunked_array([array[:size], array[size : 2 * size], array[2 * size :]])
    return pa.table({"id": range(len(cells)), "reply": chunks})


def by_arrow(cells: Sequence[Cell]) -> list[Row | None]:
    return to_rows(arrow.diagnose(table_of(cells), "reply"))


def by_arrow_views(cells: Sequence[Cell]) -> list[Row | None]:
    array = array_of(cells)
    kind = pa.string_view() if array.type == pa.string() else pa.binary_view()
    return to_rows(arrow.diagnose(array.cast(kind)))


def by_arrow_words(cells: Sequence[Cell]) -> list[Row | None]:
    return to_rows(arrow.diagnose(array_of(cells).dictionary_encode()))


def by_arrow_classify(cells: Sequence[Cell]) -> list[Row | None]:
    return to_rows(arrow.classify(array_of(cells)), CLASSIFY_FIELDS)


def by_arrow_stream(cells: Sequence[Cell]) -> list[Row | None]:
    return to_rows(arrow.stream(table_of(cells), "reply", fields=DIAGNOSE_FIELDS))


# --- Polars ---------------------------------------------------------------------------------


def polars_frame(cells: Sequence[Cell]) -> tuple[Any, Any]:
    pl = pytest.importorskip("polars")
    pytest.importorskip("smtpfast.polars")
    return pl, pl.DataFrame(table_of(cells))


def by_polars_series(cells: Sequence[Cell]) -> list[Row | None]:
    _, frame = polars_frame(cells)
    return whole(frame["reply"].smtp.diagnose().to_list())


def by_polars(cells: Sequence[Cell]) -> list[Row | None]:
    pl, frame = polars_frame(cells)
    return whole(frame.select(pl.col("reply").smtp.diagnose()).to_series().to_list())


def by_polars_streaming(cells: Sequence[Cell]) -> list[Row | None]:
    pl, frame = polars_frame(cells)
    reply = pl.col("reply").smtp
    query = frame.lazy().select("id", reply.diagnose().alias("said")).sort("id")
    return whole(query.collect(engine="streaming")["said"].to_list())


def by_polars_classify(cells: Sequence[Cell]) -> list[Row | None]:
    pl, frame = polars_frame(cells)
    said = frame.select(pl.col("reply").smtp.classify()).to_series()
    assert said.to_list() == frame["reply"].smtp.classify().to_list()
    return whole(said.to_list(), CLASSIFY_FIELDS)


def by_polars_words(cells: Sequence[Cell]) -> list[Row | None]:
    """Of a Categorical, which octets cannot be."""
    pl, frame = polars_frame(cells)
    if frame["reply"].dtype == pl.Binary:
        pytest.skip("Polars has no Categorical of octets")
    words = frame.select(pl.col("reply").cast(pl.Categorical).smtp.diagnose())
    return whole(words.to_series().to_list())


def by_polars_fields(cells: Sequence[Cell]) -> list[Row | None]:
    """Each by its own expression, which the compiled core gives Polars without Python."""
    pl, frame = polars_frame(cells)
    said = frame.select(
        getattr(pl.col("reply").smtp, field)().alias(field) for field in SINGLE_FIELDS
    )
    series = [getattr(frame["reply"].smtp, field)().alias(field) for field in SINGLE_FIELDS]
    assert pl.DataFrame(series).equals(said)
    rows: list[Row | None] = said.to_dicts()
    return rows


# --- DuckDB ---------------------------------------------------------------------------------


@contextmanager
def duckdb_of(cells: Sequence[Cell]) -> Iterator[Any]:
    functions = pytest.importorskip("smtpfast.duckdb")
    with pytest.importorskip("duckdb").connect() as connection:
        functions.register(connection)
        connection.register("given", table_of(cells))
        yield connection


def by_duckdb(cells: Sequence[Cell]) -> list[Row | None]:
    with duckdb_of(cells) as connection:
        found = connection.sql("select smtp_diagnose(reply) from given order by id").fetchall()
    return whole([row for (row,) in found])


def by_duckdb_classify(cells: Sequence[Cell]) -> list[Row | None]:
    with duckdb_of(cells) as connection:
        found = connection.sql("select smtp_classify(reply) from given order by id").fetchall()
    return whole([row for (row,) in found], CLASSIFY_FIELDS)


def by_duckdb_fields(cells: Sequence[Cell]) -> list[Row | None]:
    fields = (*SINGLE_FIELDS, "severity", "category", "retry_after")
    columns = ", ".join(f"smtp_{field}(reply)" for field in fields)
    with duckdb_of(cells) as connection:
        found = connection.sql(f"select {columns} from given order by id").fetchall()
    return [dict(zip(fields, row, strict=True)) for row in found]


def by_duckdb_relation(cells: Sequence[Cell]) -> list[Row | None]:
    """In and out by Arrow: the fast way."""
    with duckdb_of(cells) as connection:
        result = arrow.diagnose(connection.sql("select reply from given order by id"), "reply")
        assert len(result) == len(cells)
        found = connection.sql("from result")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


# --- pandas ---------------------------------------------------------------------------------


def pandas_rows(said: Any) -> list[Row | None]:
    pd = pytest.importorskip("pandas")
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in said.astype(object).to_dict("records")
    ]


def pandas_series(cells: Sequence[Cell]) -> Any:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("smtpfast.pandas")
    has_octets = any(isinstance(cell, bytes) for cell in cells)
    return pd.Series(cells, dtype=object if has_octets else None)


def by_pandas(cells: Sequence[Cell]) -> list[Row | None]:
    return pandas_rows(pandas_series(cells).smtp.diagnose())


def by_pandas_objects(cells: Sequence[Cell]) -> list[Row | None]:
    return pandas_rows(pandas_series(cells).astype(object).smtp.diagnose())


def by_pandas_words(cells: Sequence[Cell]) -> list[Row | None]:
    return pandas_rows(pandas_series(cells).astype("category").smtp.classify())


def by_pandas_fields(cells: Sequence[Cell]) -> list[Row | None]:
    pd = pytest.importorskip("pandas")
    replies = pandas_series(cells).smtp
    return pandas_rows(pd.DataFrame({each: getattr(replies, each)() for each in SINGLE_FIELDS}))


# --- Spark ----------------------------------------------------------------------------------

SPARK = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
    "spark.sql.shuffle.partitions": "2",
}


@contextmanager
def spark_session(warehouse: Path) -> Iterator[Any]:
    """A session whose workers run this Python; the JVM ends with it."""
    pytest.importorskip("pyspark")
    pytest.importorskip("smtpfast.spark")
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java") and not (home and Path(home, "bin", "java").exists()):
        pytest.skip("Spark needs Java")
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master("local[2]").config(map=SPARK)
        session = builder.config("spark.sql.warehouse.dir", str(warehouse)).getOrCreate()
        gateway: Any = SparkContext._gateway
        try:
            yield session
        finally:
            session.stop()
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait(60)
            SparkContext._gateway = SparkContext._jvm = None


def by_spark(session: Any) -> Engine:
    functions = pytest.importorskip("smtpfast.spark")
    is_needed = BACKEND == "compiled"
    functions.register(session, require_compiled=is_needed)

    def read(cells: Sequence[Cell]) -> list[Row | None]:
        given = session.createDataFrame(table_of(cells)).repartition(3)
        given.createOrReplaceTempView("given")
        said = functions.diagnose("reply", require_compiled=is_needed).alias("said")
        rows = [
            row.said and row.said.asDict() for row in given.select("id", said).sort("id").collect()
        ]
        fields = ", ".join(f"smtp_{field}(reply) as {field}" for field in SINGLE_FIELDS)
        query = f"select id, smtp_classify(reply) as said, {fields} from given order by id"
        for row, other in zip(whole(rows), session.sql(query).collect(), strict=True):
            assert row is not None
            assert {field: other[field] for field in SINGLE_FIELDS} == {
                field: row[field] for field in SINGLE_FIELDS
            }
            classified = other.said.asDict() if other.said else dict.fromkeys(CLASSIFY_FIELDS)
            assert classified == {field: row[field] for field in CLASSIFY_FIELDS}
        return whole(rows)

    return read


# --- All of them ----------------------------------------------------------------------------

ENGINES: dict[str, Engine] = {
    "list": by_list,
    "buffer": by_buffer,
    "columns of a buffer": by_columns_of_buffer,
    "arrow": by_arrow,
    "arrow, views": by_arrow_views,
    "arrow, words": by_arrow_words,
    "arrow, classify": by_arrow_classify,
    "arrow, stream": by_arrow_stream,
    "polars": by_polars,
    "polars, series": by_polars_series,
    "polars, streaming": by_polars_streaming,
    "polars, classify": by_polars_classify,
    "polars, words": by_polars_words,
    "polars, fields": by_polars_fields,
    "duckdb": by_duckdb,
    "duckdb, classify": by_duckdb_classify,
    "duckdb, fields": by_duckdb_fields,
    "duckdb, relation": by_duckdb_relation,
    "pandas": by_pandas,
    "pandas, objects": by_pandas_objects,
    "pandas, words": by_pandas_words,
    "pandas, fields": by_pandas_fields,
}
# Whose texts have U+FFFD for what is no UTF-8.
OF_TEXTS = ("duckdb", "duckdb, classify", "pandas", "pandas, objects", "pandas, words", "spark")


def difference(name: str, engine: Engine, cells: Sequence[Cell]) -> str:
    """The first row that is another than the functions for one reply say; "" if there is none."""
    found = engine(cells)
    if len(found) != len(cells):
        return f"{len(found)} rows of {len(cells)}"
    said, compared = answers(cells), 0
    for cell, row, wanted in zip(cells, found, said, strict=True):
        if row is None:
            continue
        compared += 1
        for field, value in row.items():
            other = wanted[field]
            if isinstance(other, bytes) and name in OF_TEXTS:
                other = printable(other)
            if isinstance(value, bytes) and isinstance(other, str):
                other = other.encode()
            if value != other or type(value) is not type(other):
                return f"{field} of {cell!r:.300}: {value!r}, not {other!r}"
    return "" if compared > len(cells) // 2 else f"{compared} rows only"


@pytest.mark.parametrize("kind", ["texts", "octets"])
@pytest.mark.parametrize("name", ENGINES)
def test_all_say_the_same(name: str, kind: str) -> None:
    count = COUNT if BACKEND == "compiled" else FEW
    cells = replies(count) if kind == "texts" else octet_replies(count)
    assert difference(name, ENGINES[name], cells) == ""


def test_spark_says_the_same(tmp_path: Path) -> None:
    count = COUNT if BACKEND == "compiled" else FEW
    with spark_session(tmp_path) as session:
        for cells in (replies(count), octet_replies(count)):
            assert difference("spark", by_spark(session), cells) == ""


def test_the_replies_are_of_all_kinds() -> None:
    said = [row for row in answers(replies(COUNT)) if row["code"] is not None]
    for field, least in (
        ("code", 60),
        ("status", 20),
        ("reason", 25),
        ("rule", 150),
        ("text", 500),
    ):
        assert len({row[field] for row in said}) > least, field
    for field in ("blocklist", "provider", "retry_after", "enhanced"):
        assert 50 < sum(row[field] is not None for row in said) < len(said)
    assert 500 < sum(cell is None for cell in replies(COUNT)) < 3_000
    assert sum(row["code"] == -1 for row in said) > 500
    assert sum("\n" in cell for cell in replies(COUNT) if cell) > 500
    assert len({*replies(COUNT)}) > 5_000


def test_all_say_the_same_on_the_pure_core(tmp_path: Path) -> None:
    if BACKEND == "pure":
        pytest.skip("the tests above are on it")
    environment = os.environ | {"SMTPFAST_BACKEND": "pure"}
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    [backend, *found] = map(json.loads, done.stdout.splitlines())
    assert backend == "pure"
    assert len(found) == 2 * len(ENGINES) + 2
    assert [(name, words) for name, words in found if words not in ("", "absent")] == []
    assert ["list", ""] in found
    assert ["arrow", ""] in found


def main(folder: Path) -> None:
    """Say, for each engine and each kind of cells, what is different."""
    print(json.dumps(BACKEND), flush=True)
    kinds = replies(FEW), octet_replies(FEW)
    for name, engine in ENGINES.items():
        for cells in kinds:
            tell(name, lambda engine=engine: engine, cells)  # type: ignore[misc]
    try:
        with spark_session(folder) as session:
            for cells in kinds:
                tell("spark", lambda: by_spark(session), cells)
    except pytest.skip.Exception:
        print('["spark", "absent"]\n["spark", "absent"]', flush=True)


def tell(name: str, engine: Callable[[], Engine], cells: Sequence[Cell]) -> None:
    try:
        words = difference(name, engine(), cells)
    except pytest.skip.Exception:
        words = "absent"
    print(json.dumps([name, words]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
