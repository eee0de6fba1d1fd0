"""Spark says what the scalar functions and the readers of logs say, on whichever executor."""

from __future__ import annotations

import bz2
import datetime
import gzip
import importlib
import io
import json
import lzma
import os
import random
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import smtpfast
from smtpfast import BACKEND, SmtpFastError
from smtpfast.arrow import CLASSIFY_FIELDS, DIAGNOSE_FIELDS, FIELDS
from smtpfast.logs import LogRecord, first_year, read_log

pyspark = pytest.importorskip("pyspark")
pytest.importorskip("pyarrow")

import pyarrow as pa  # noqa: E402
from pyspark.errors import PythonException  # noqa: E402

import smtpfast.spark as spark_functions  # noqa: E402
from smtpfast import spark_maillog  # noqa: E402
from smtpfast.spark_maillog import LogSplits, MailLog, Split, lines_between  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pyspark.sql import DataFrame, DataFrameReader, SparkSession

# PySpark says so of each session.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
LOG = EXAMPLES / "mail.log"
# What may be asked for wherever these tests run.
COMPILED = BACKEND == "compiled"
COLUMNS = LogRecord._fields
EPOCH = datetime.datetime(1970, 1, 1)
QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
}


def java_is_there() -> bool:
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java") is not None or bool(home and Path(home, "bin", "java").exists())


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session whose workers run this Python; the JVM ends with it."""
    if not java_is_there():
        pytest.skip("Spark needs Java")
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master("local[2]").config(map=QUIET)
        warehouse = str(tmp_path_factory.mktemp("warehouse"))
        session = builder.config("spark.sql.warehouse.dir", warehouse).getOrCreate()
        gateway: Any = SparkContext._gateway
        try:
            yield session
        finally:
            session.stop()
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait(60)
            SparkContext._gateway = SparkContext._jvm = None


# --- Replies --------------------------------------------------------------------------------


def replies() -> list[str]:
    """Labelled ones and those of servers, and what becomes of them where they are cut or mixed."""
    found = []
    for path in sorted((HERE / "data" / "labelled").glob("*.jsonl")):
        with path.open(encoding="utf-8") as file:
            found += [json.loads(line)["reply"] for line in file]
    found += (EXAMPLES / "replies.txt").read_text(encoding="utf-8", errors="replace").split("\n")
    chance = random.Random(7)
    for reply in chance.sample(found, 700):
        other, cut = chance.choice(found), chance.randrange(len(reply) + 1)
        found.append(chance.choice((reply[:cut], reply[cut:], f"{reply}\r\n{other}", reply + "\n")))
    found += ["", " ", "25", " 250 ok", "+50 ok", "2\n50", "550", "550-", "\0", "٥٥٠ нет", "550 🙈"]
    found += ["550 5.1.1 Почтовый ящик не найден", "450 4.2.1 " + "x" * 70_000, "999 5.5.5 y"]
    return found


def printable(text: str | None) -> str | None:
    """As a string of Spark has it."""
    return text and text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def said(
    reply: str | bytes | None,
    fields: Iterable[str],
    diagnose: Callable[..., Any] = smtpfast.diagnose,
) -> tuple[Any, ...] | None:
    """What the scalar functions say of a reply."""
    if reply is None:
        return None
    line, found = smtpfast.classify(reply), diagnose(reply)
    enhanced = line.enhanced
    values = {
        "code": line.code,
        "status": line.status.name,
        "enhanced": enhanced and str(enhanced),
        "enhanced_class": enhanced and enhanced.class_,
        "enhanced_subject": enhanced and enhanced.subject,
        "enhanced_detail": enhanced and enhanced.detail,
        "is_last": line.is_last,
        "severity": line.severity.name.lower(),
        "category": line.category.name.lower(),
        "text": printable(line.text),
        **found._asdict(),
        "evidence": printable(found.evidence),
    }
    return tuple(values[field] for field in fields)


def table(spark: SparkSession, rows: Sequence[str | bytes | None], kind: str) -> DataFrame:
    return spark.createDataFrame([(row,) for row in rows], f"reply {kind}").coalesce(2)


def structs(frame: DataFrame) -> list[tuple[Any, ...] | None]:
    return [row[0] if row[0] is None else tuple(row[0]) for row in frame.collect()]


@pytest.mark.parametrize("kind", ["string", "binary"])
def test_each_row_says_what_the_scalar_functions_say(spark: SparkSession, kind: str) -> None:
    rows: list[str | bytes | None] = [*replies()]
    if kind == "binary":
        rows = [reply.encode() for reply in replies()]
        rows += [b"\xff", b"550 5.1.1 \xff\xfe unknown", b"550 5.1.1 user unknown \xc3"]
    for place in (0, 5, 1000, len(rows)):
        rows.insert(place, None)
    assert len(rows) > 2000
    frame = table(spark, rows, kind)
    both = frame.select(
        spark_functions.classify("reply", require_compiled=COMPILED).alias("classified"),
        spark_functions.diagnose(frame["reply"], fields=FIELDS, require_compiled=COMPILED).alias(
            "diagnosed"
        ),
    ).cache()
    assert structs(both.select("classified")) == [said(row, CLASSIFY_FIELDS) for row in rows]
    assert structs(both.select("diagnosed")) == [said(row, FIELDS) for row in rows]
    # A null of the struct is one of its fields.
    assert both.where("diagnosed is null").count() == 4
    assert both.select("diagnosed.*").where("code is null and reason is null").count() == 4
    both.unpersist()


def test_spark_itself_reads_the_same_codes(spark: SparkSession) -> None:
    # In a greeting, an enhanced code would be none.
    simple = [reply for reply in replies() if re.match(r"([45])[0-5]\d \1\.\d\.\d+ ", reply)]
    frame = table(spark, simple, "string")
    found = frame.select(
        spark_functions.classify(
            "reply", fields=("enhanced", "code"), require_compiled=COMPILED
        ).alias("ours"),
    )
    theirs = frame.selectExpr(
        r"struct(regexp_extract(reply, '^... ([0-9.]+) ', 1), cast(substring(reply, 1, 3) as int))"
    )
    assert len(simple) > 300
    assert structs(found) == structs(theirs)


def test_the_types_are_those_of_the_docstring(spark: SparkSession) -> None:
    frame = table(spark, ["250 ok"], "string")
    struct = frame.select(
        spark_functions.diagnose("reply", fields=FIELDS, require_compiled=COMPILED).alias("r")
    )
    types = dict(struct.select("r.*").dtypes)
    assert list(types) == list(FIELDS)
    others = {"code": "smallint", "enhanced_class": "tinyint", "is_last": "boolean"}
    others |= {"enhanced_subject": "smallint", "enhanced_detail": "smallint", "retry_after": "int"}
    assert types == dict.fromkeys(FIELDS, "string") | others


def test_no_rows_give_none(spark: SparkSession) -> None:
    frame = table(spark, [], "string")
    assert structs(frame.select(spark_functions.diagnose("reply", require_compiled=COMPILED))) == []


def test_a_users_own_rules_travel_to_the_executors(spark: SparkSession) -> None:
    classifier = smtpfast.Classifier.from_toml(HERE.parent / "docs" / "own.toml")
    rows = [*replies()[:300], None]
    found = table(spark, rows, "string").select(
        spark_functions.diagnose("reply", classifier=classifier, require_compiled=COMPILED)
    )
    wanted = [said(row, DIAGNOSE_FIELDS, classifier.diagnose) for row in rows]
    assert structs(found) == wanted


def test_what_is_wrong_is_told_before_anything_runs() -> None:
    with pytest.raises(SmtpFastError, match="no field 'cod'"):
        spark_functions.classify("reply", fields=("cod",))
    with pytest.raises(SmtpFastError, match="each name once"):
        spark_functions.diagnose("reply", fields=())


def test_other_columns_are_refused(spark: SparkSession) -> None:
    number = spark.sql("SELECT 550 AS reply")
    with pytest.raises(PythonException, match="texts or octets"):
        number.select(spark_functions.classify("reply", require_compiled=COMPILED)).collect()


# --- SQL ------------------------------------------------------------------------------------


def test_the_functions_of_sql(spark: SparkSession) -> None:
    spark_functions.register(spark, require_compiled=COMPILED)
    rows = [*replies()[::4], None]
    table(spark, rows, "string").createOrReplaceTempView("replies")
    found = spark.sql(
        "SELECT smtp_code(reply), smtp_enhanced(reply), smtp_reason(reply),"
        " smtp_disposition(reply), smtp_classify(reply), smtp_diagnose(reply) FROM replies"
    )
    assert [kind for _, kind in found.dtypes[:4]] == ["smallint", "string", "string", "string"]
    fields = ("code", "enhanced", "reason", "disposition")
    got = found.collect()
    assert [tuple(row[:4]) for row in got] == [said(row, fields) or (None,) * 4 for row in rows]
    assert [row[4] and tuple(row[4]) for row in got] == [said(row, CLASSIFY_FIELDS) for row in rows]
    assert [row[5] and tuple(row[5]) for row in got] == [said(row, DIAGNOSE_FIELDS) for row in rows]
    counts = spark.sql("SELECT smtp_reason(reply), count(*) FROM replies GROUP BY ALL")
    assert sum(row[1] for row in counts.collect()) == len(rows)
    octets = spark.sql("SELECT smtp_code(encode('550 no', 'utf-8')), smtp_code(NULL)").collect()
    assert tuple(octets[0]) == (550, None)


# --- Which core -----------------------------------------------------------------------------


def test_an_executor_with_the_pure_core_says_so(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What spark.executorEnv sets when a session starts.
    monkeypatch.setitem(spark.sparkContext.environment, "SMTPFAST_BACKEND", "pure")
    frame = table(spark, ["550 5.1.1 user unknown", None], "string")
    for function in (spark_functions.classify, spark_functions.diagnose):
        with pytest.raises(PythonException, match=r"pure core of smtpfast.*spark\.archives"):
            frame.select(function("reply")).collect()
    [row, null] = structs(frame.select(spark_functions.diagnose("reply", require_compiled=False)))
    assert (row, null) == (said("550 5.1.1 user unknown", DIAGNOSE_FIELDS), None)

    spark_functions.register(spark)
    with pytest.raises(PythonException, match="pure core of smtpfast"):
        spark.sql("SELECT smtp_code('250 ok')").collect()
    with pytest.raises(PythonException, match="pure core of smtpfast"):
        spark.read.format("maillog").load(str(LOG)).collect()
    as_it_is = spark.read.format("maillog").options(year=2026, requireCompiled=False)
    assert records(as_it_is.load(str(LOG))) == expected(LOG)
    spark_functions.register(spark, require_compiled=False)
    assert records(spark.read.format("maillog").load(str(LOG), year=2026)) == expected(LOG)
    with pytest.raises(PythonException, match="pure core of smtpfast"):
        spark.read.format("maillog").load(str(LOG), requireCompiled=True).collect()


def test_without_pyspark_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql.functions", None)
    monkeypatch.delitem(sys.modules, "smtpfast.spark")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'smtpfast\[spark\]'"):
        importlib.import_module("smtpfast.spark")


# --- Logs in Spark --------------------------------------------------------------------------


def row_of(record: LogRecord) -> tuple[Any, ...]:
    """A record as a row of Spark."""
    texts = [printable(value) if isinstance(value, str) else value for value in record]
    moment = record.time
    time = None if moment is None else EPOCH + datetime.timedelta(microseconds=moment)
    return (time, *texts[1:])


def expected(
    path: Path, split_bytes: int | None = None, name: str | None = None
) -> list[tuple[Any, ...]]:
    """The rows of a plain log; in parts the lines have no number, and know nothing of others.

    name: of the file, if the records are to tell another one than its path.
    """
    data = path.read_bytes()
    whole = [*read_log(io.BytesIO(data), name or str(path), year=2026)]
    if split_bytes is None or split_bytes >= len(data):
        return [row_of(record) for record in whole]
    parts: dict[int, list[bytes]] = {}
    at = 0
    for line in io.BytesIO(data):
        parts.setdefault(at // split_bytes, []).append(line)
        at += len(line)
    senders = [each.sender for part in parts.values() for each in read_log(part)]
    return [
        (*row_of(record._replace(sender=sender))[:-1], None)
        for record, sender in zip(whole, senders, strict=True)
    ]


def records(frame: DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame.collect()]


@pytest.fixture
def logs(spark: SparkSession) -> Callable[..., DataFrameReader]:
    """Gives what reads logs of 2026."""
    spark_functions.register(spark, require_compiled=COMPILED)
    return lambda **options: spark.read.format("maillog").options(**{"year": 2026} | options)


@pytest.mark.parametrize("split_bytes", [None, 500, 3001, 26_296])
def test_the_data_source_says_what_read_log_says(
    logs: Callable[..., DataFrameReader], split_bytes: int | None
) -> None:
    frame = logs(**{} if split_bytes is None else {"splitBytes": split_bytes}).load(str(LOG))
    assert frame.columns == list(COLUMNS)
    found = records(frame)
    assert found == expected(LOG, split_bytes)
    assert len(found) > 30
    parts = -(-LOG.stat().st_size // (split_bytes or 10**9))
    assert frame.rdd.getNumPartitions() == parts


def test_the_types_of_records(logs: Callable[..., DataFrameReader]) -> None:
    types = {"time": "timestamp_ntz", "time_is_local": "boolean", "delay": "double"}
    types |= {"relay_port": "int", "code": "smallint", "retry_after": "int", "line": "bigint"}
    assert dict(logs().load(str(LOG)).dtypes) == dict.fromkeys(COLUMNS, "string") | types


def test_several_files_compressed_and_empty_ones(
    logs: Callable[..., DataFrameReader], tmp_path: Path
) -> None:
    for day in ("a", "b"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "mail.log").write_bytes(LOG.read_bytes())
        (tmp_path / day / "empty.log").touch()
    (tmp_path / "old.log.1").write_bytes(gzip.compress(LOG.read_bytes()))
    split = {"splitBytes": 20_000}
    plain = [row for day in ("a", "b") for row in expected(tmp_path / day / "mail.log", 20_000)]
    assert records(logs(**split).load(f"{tmp_path}/?/*.log")) == plain
    known = expected(LOG, name=str(tmp_path / "old.log.1"))
    found = records(logs(**split).load([str(tmp_path / "old.log.1"), str(tmp_path / "a")]))
    assert found == known + expected(tmp_path / "a" / "mail.log", 20_000)
    assert records(logs().load(str(tmp_path / "a" / "empty.log"))) == []


def test_columns_that_are_asked_for(
    logs: Callable[..., DataFrameReader], spark: SparkSession
) -> None:
    places = [COLUMNS.index(name) for name in ("recipient", "reason", "code")]
    wanted = [tuple(row[place] for place in places) for row in expected(LOG)]
    frame = logs().schema("recipient string, reason string, code smallint").load(str(LOG))
    assert records(frame) == wanted
    assert records(frame.where("code >= 500").select("code")) == [
        row[2:] for row in wanted if row[2] is not None and row[2] >= 500
    ]
    assert frame.count() == len(wanted)
    without = logs(diagnose=False).load(str(LOG)).select("reason", "code")
    assert records(without) == [(None, code) for _, _, code in wanted]
    spark.sql(f"CREATE TEMPORARY VIEW log USING maillog OPTIONS (path '{LOG}')")
    assert spark.sql("SELECT count(*) FROM log").collect()[0][0] == len(wanted)
    spark.catalog.dropTempView("log")


def test_errors_of_the_data_source_are_told(
    logs: Callable[..., DataFrameReader], tmp_path: Path
) -> None:
    with pytest.raises(Exception, match="no such file"):
        logs().load(str(tmp_path / "none")).collect()
    with pytest.raises(Exception, match="no column code:string"):
        logs().schema("code string").load(str(LOG)).collect()
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(LOG.read_bytes())[:-100])
    with pytest.raises(PythonException, match=r"broken\.gz, from octet 0"):
        logs().load(str(broken)).collect()


# --- Splits, without Spark ------------------------------------------------------------------


def lines_of_splits(data: bytes, size: int) -> list[bytes]:
    """What each split of a file of these octets gives."""
    ends = [min(start + size, len(data)) for start in range(0, len(data), size)]
    starts = [0, *ends[:-1]] if ends else []
    return [
        b"".join(map(bytes, lines_between(io.BytesIO(data), start, end)))
        for start, end in zip(starts, ends, strict=True)
    ]


def lines_by_their_beginning(data: bytes, size: int) -> list[bytes]:
    """The same, line by line."""
    parts = [b""] * -(-len(data) // size)
    at = 0
    for line in io.BytesIO(data):
        parts[at // size] += line
        at += len(line)
    return parts


TRICKY = b"\n\na\nbc\r\n\r\n" + b"d" * 90 + b"\r\n\rx\n" + b"e" * 40 + b"\nf"


@pytest.mark.parametrize("data", [TRICKY, TRICKY + b"\n", b"", b"\n", b"a", b"a\n", b"\n" * 9])
def test_each_line_is_in_the_split_where_it_begins(data: bytes) -> None:
    for size in range(1, len(data) + 3):
        assert lines_of_splits(data, size) == lines_by_their_beginning(data, size), size


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_all_sizes_of_splits_of_a_log(line_end: bytes) -> None:
    data = LOG.read_bytes()[:6000].replace(b"\n", line_end)
    for size in range(1, 700):
        found = lines_of_splits(data, size)
        assert b"".join(found) == data
        assert found == lines_by_their_beginning(data, size), size


def test_blocks_make_no_difference_but_for_lines_that_are_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(5)
    for _ in range(4000):
        longest = chance.choice((1, 2, 3, 7, 16, 64))
        monkeypatch.setattr(spark_maillog, "_BLOCK_BYTES", longest)
        lengths = chance.choices((0, 1, 2, 6, 7, 8, 15, 16, 17, 33, 150), k=chance.randrange(9))
        data = b"\n".join(bytes(chance.choices(b"abc\r", k=length)) for length in lengths)
        data += b"\n" * chance.randrange(2)
        size = chance.randrange(1, len(data) + 3)
        wanted = [
            b"".join(
                line if len(line.rstrip(b"\n")) <= longest else line[:longest] + b"\n"
                for line in io.BytesIO(part)
            )
            for part in lines_by_their_beginning(data, size)
        ]
        assert lines_of_splits(data, size) == wanted, (longest, size, data)


def test_a_split_reads_no_further_than_its_last_line() -> None:
    data = b"x" * 99 + b"\n"
    source = io.BytesIO(data * 1000)
    read: list[int] = []
    original = source.read

    class Counted:
        seek = source.seek

        @staticmethod
        def read(size: int) -> bytes:
            read.append(size)
            return original(min(size, 1000))

    assert b"".join(map(bytes, lines_between(Counted(), 5000, 7050))) == data * 21
    assert len(read) == 3
    # A line that goes on behind the split belongs to another.
    assert list(lines_between(io.BytesIO(b"x" * 50), 10, 20)) == []


# --- Files, without Spark -------------------------------------------------------------------


def rows_of(*paths: str, names: tuple[str, ...] = COLUMNS, **options: Any) -> list[tuple[Any, ...]]:
    """What the data source reads, one split after the other."""
    options = {"year": 2026, "is_compiled_required": COMPILED} | options
    reader = LogSplits(paths, names, **options)
    batches = [batch for part in reader.partitions() for batch in reader.read(part)]
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def names_of(path: str) -> list[str]:
    return [
        part.name for part in LogSplits((path,), COLUMNS).partitions() if isinstance(part, Split)
    ]


@pytest.mark.parametrize("split_bytes", [97, 200, 333, 1000, 7777, 26_295, 26_296])
def test_records_of_splits(split_bytes: int) -> None:
    assert rows_of(str(LOG), split_bytes=split_bytes) == expected(LOG, split_bytes)


def test_records_of_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_maillog, "_BLOCK_BYTES", 2000)
    assert rows_of(str(LOG)) == expected(LOG)
    assert rows_of(str(LOG), split_bytes=9000) == expected(LOG, 9000)


def test_octets_that_are_no_utf8(tmp_path: Path) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(LOG.read_bytes().replace(b"user", b"us\xff\xc3r").replace(b"said", b"s\xe9d"))
    assert rows_of(str(path)) == expected(path)
    assert "\ufffd" in str(rows_of(str(path)))


def zstd(data: bytes) -> bytes:
    compressed: bytes = pytest.importorskip("zstandard").ZstdCompressor().compress(data)
    return compressed


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd])
def test_a_compressed_file_is_one_split_by_its_first_octets(
    compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    data = LOG.read_bytes()
    path = tmp_path / "plain-by-its-name"
    path.write_bytes(compress(data[:9999]) + compress(data[9999:]))
    wanted = expected(LOG, name=str(path))
    assert rows_of(str(path), split_bytes=100) == wanted
    assert rows_of(str(path)) == wanted
    assert names_of(str(path)) == [str(path)]


def test_a_name_does_not_make_a_file_compressed(tmp_path: Path) -> None:
    path = tmp_path / "mail.log.gz"
    path.write_bytes(LOG.read_bytes())
    assert rows_of(str(path), split_bytes=5000) == expected(path, 5000)


@pytest.mark.parametrize(
    "lines",
    [
        [
            "type,timeLogged,rcpt,dsnAction,dsnStatus,dsnDiag",
            *["b,2026-11-03 10:00:00+0000,ann@example.org,failed,5.1.1 (no),smtp;550 5.1.1 no"] * 9,
        ],
        [
            "#Software: Microsoft Exchange Server",
            "#Log-type: SMTP Send Protocol Log",
            "#Fields: date-time,session-id,remote-endpoint,event,data,context",
            *[f"2026-11-03T10:00:00.000Z,{number},192.0.2.7:25,*,,Failed" for number in range(5)],
            "2026-11-03T10:00:00.000Z,7,192.0.2.7:25,<,550 5.1.1 no,",
        ],
    ],
    ids=["powermta", "exchange"],
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_rows_below_a_header_stay_with_it(lines: list[str], line_end: str, tmp_path: Path) -> None:
    path = tmp_path / "mail.csv"
    path.write_text("".join(line + line_end for line in lines), encoding="utf-8", newline="")
    found = rows_of(str(path), split_bytes=100)
    assert found == expected(path)
    assert len(found) > 0
    path.write_text("no header\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert len(names_of(str(path))) == 1
    assert len(LogSplits((str(path),), COLUMNS, split_bytes=100).partitions()) > 3


def test_without_zstandard_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mail.log.zst"
    path.write_bytes(zstd(LOG.read_bytes()))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'smtpfast\[fast-io\]'"):
        rows_of(str(path))


def test_which_files_a_path_stands_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/1.log", "a/2.log", "a/.x.log", "a/_y.log", "a/deep/3.log", "b/1.log", "b/[1]"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"line\n")

    def found(*path: str) -> list[str]:
        return [str(Path(name).relative_to(tmp_path)) for each in path for name in names_of(each)]

    top = str(tmp_path)
    assert found(f"{top}/a") == found(f"{top}/a/") == ["a/1.log", "a/2.log"]
    assert found(f"{top}/a/_y.log") == ["a/_y.log"]
    assert found(f"{top}/*/1.log") == ["a/1.log", "b/1.log"]
    assert found(f"{top}/?/[12].*") == ["a/1.log", "a/2.log", "b/1.log"]
    assert found(f"{top}/a/de*") == ["a/deep/3.log"]
    assert found(f"{top}/b/[1]") == ["b/[1]"]
    monkeypatch.chdir(tmp_path)
    assert found("a/1.log") == ["a/1.log"]
    for pattern in (f"{top}/none", f"{top}/a/*.gz", f"{top}/none/*"):
        with pytest.raises(FileNotFoundError, match=re.escape(pattern)):
            names_of(pattern)
    (tmp_path / "c").mkdir()
    assert found(f"{top}/c") == []
    (tmp_path / "c" / "empty").touch()
    assert found(f"{top}/c") == found(f"{top}/c/empty") == []
    twice = LogSplits((f"{top}/a/1.log", f"{top}/a"), COLUMNS).partitions()
    assert len(twice) == 2


def test_uris_without_fsspec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    path = tmp_path / "mail.log"
    path.write_bytes(LOG.read_bytes())
    for uri in (path.as_uri(), f"{tmp_path.as_uri()}/*.log", tmp_path.as_uri()):
        wanted = expected(path, 9000, path.as_uri())
        assert rows_of(uri, split_bytes=9000) == wanted
    with pytest.raises(FileNotFoundError):
        rows_of((tmp_path / "none").as_uri())


def test_uris_by_fsspec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/logs/mail.log", LOG.read_bytes())
    memory.pipe("/logs/old.gz", gzip.compress(LOG.read_bytes()))
    try:
        for uri in ("memory://logs/mail.log", "memory://logs/*.log"):
            wanted = expected(LOG, 9000, "memory://logs/mail.log")
            assert rows_of(uri, split_bytes=9000) == wanted
        assert names_of("memory://logs/") == ["memory://logs/mail.log", "memory://logs/old.gz"]
        [part] = LogSplits(("memory://logs/mail.log",), COLUMNS).partitions()
        now = datetime.datetime.now().astimezone().date()
        assert isinstance(part, Split)
        assert part.written in (now, now - datetime.timedelta(1))
    finally:
        memory.rm("/logs", recursive=True)
    # A file of which many a piece is read, not one of memory, whose position all have together.
    monkeypatch.setattr(spark_maillog, "_BLOCK_BYTES", 1000)
    path = tmp_path / "mail.log"
    path.write_bytes(LOG.read_bytes())
    os.utime(path, (1_700_000_000, 1_700_000_000))  # in November 2023
    found = rows_of(path.as_uri(), split_bytes=9000, year=None, names=("time",))
    assert found == [(row[0].replace(year=2022),) for row in expected(path)]


# --- Options --------------------------------------------------------------------------------


def reader_of(**options: str) -> LogSplits:
    from pyspark.sql.datasource import CaseInsensitiveDict

    source = MailLog(CaseInsensitiveDict(options))
    return source.reader(source.schema())


def test_options() -> None:
    reader = reader_of(path="x")
    assert reader == LogSplits(("x",), COLUMNS, split_bytes=128 << 20)
    assert reader_of(paths='["a,b", "c"]').paths == ("a,b", "c")
    reader = reader_of(
        path="x", SPLITBYTES="7", year="1999", diagnose="False", requirecompiled="FALSE"
    )
    assert (reader.split_bytes, reader.year, reader.is_diagnosed) == (7, 1999, False)
    assert not reader.is_compiled_required


@pytest.mark.parametrize(
    ("option", "value"),
    [("splitBytes", "0"), ("splitBytes", "1k"), ("year", "-1"), ("year", ""), ("diagnose", "yes")],
)
def test_options_that_are_no_good(option: str, value: str) -> None:
    with pytest.raises(SmtpFastError, match=f"{option}='{value}'"):
        reader_of(path="x", **{option: value})


def test_a_path_is_needed() -> None:
    with pytest.raises(SmtpFastError, match="which logs"):
        reader_of()


def test_reasons_are_not_worked_out_where_no_column_holds_them() -> None:
    from pyspark.sql.types import StructType

    source = MailLog({"path": "x"})
    for names, is_diagnosed in ((("code", "line"), False), (("code", "provider"), True)):
        schema = StructType([MailLog({}).schema()[name] for name in names])
        assert source.reader(schema).is_diagnosed is is_diagnosed


# --- Years ----------------------------------------------------------------------------------


def line_of(day: str) -> bytes:
    head = f"{day} mx postfix/smtp[71]: 4F1B2C3D4E5: to=<ann@example.org>, relay=none, delay=1, "
    return f"{head}dsn=4.4.1, status=deferred (no route)\n".encode()


# Three years and a half; on New Year's Day comes a late line of the old year.
DAYS = [
    *("Nov  1 10:00:00", "Dec 31 23:59:58", "Jan  1 00:00:01", "Dec 31 23:59:59"),
    *("Jan  1 00:00:02", "Feb 28 10:00:00", "Jun 30 10:00:00", "Oct 10 10:00:00"),
    *("Dec 24 18:00:00", "Feb 29 10:00:00", "May 15 10:00:00", "Aug 30 10:00:00"),
    *("Dec 31 10:00:00", "Jan  1 10:00:00", "Apr  1 10:00:00"),
]
YEARS = [*(2021, 2021, 2022, 2021), *(2022,) * 5, *(2023,) * 4, 2024, 2024]
# There was no 29th of February in 2023.
TIMES = [
    None if day.startswith("Feb 29") else datetime.datetime.strptime(f"{year} {day}", "%Y %b %d %X")
    for year, day in zip(YEARS, DAYS, strict=True)
]


def times_of(path: Path, **options: Any) -> list[datetime.datetime | None]:
    return [time for (time,) in rows_of(str(path), names=("time",), **options)]


@pytest.fixture
def years(tmp_path: Path) -> Path:
    """A log whose stamps have no year, last written in May 2024."""
    path = tmp_path / "mail.log"
    path.write_bytes(b"".join(map(line_of, DAYS)))
    written = datetime.datetime(2024, 5, 2, 12).timestamp()
    os.utime(path, (written, written))
    return path


def test_the_year_is_the_same_however_a_file_is_split(years: Path) -> None:
    text = years.read_text(encoding="utf-8")
    assert first_year(text.split("\n"), datetime.date(2024, 5, 2)) == 2021
    whole = [record.time for record in read_log(io.BytesIO(text.encode()), year=2021)]
    given = [each and (each - EPOCH) // datetime.timedelta(microseconds=1) for each in TIMES]
    assert whole == given
    for size in (None, *range(1, 300, 7), 1000, len(text) - 1):
        split = {} if size is None else {"split_bytes": size}
        assert times_of(years, year=None, **split) == TIMES, size
        # As the option says it, the time of the file means nothing.
        assert times_of(years, year=2021, **split) == TIMES, size


def test_the_year_of_a_compressed_file(years: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_maillog, "_BLOCK_BYTES", 200)
    written = years.stat().st_mtime
    years.write_bytes(gzip.compress(years.read_bytes()))
    os.utime(years, (written, written))
    assert times_of(years, year=None, split_bytes=10) == TIMES


def test_of_a_large_file_some_places_are_looked_at(
    years: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each line as often as it takes for the places to be less than half a year apart.
    years.write_bytes(b"".join(line_of(day) * 60 for day in DAYS))
    written = datetime.datetime(2024, 5, 2, 12).timestamp()
    os.utime(years, (written, written))
    monkeypatch.setattr(spark_maillog, "_BLOCK_BYTES", 700)
    monkeypatch.setattr(spark_maillog, "_SAMPLES", 40)
    monkeypatch.setattr(spark_maillog, "_SAMPLE_BYTES", 300)
    looked: list[int] = []
    piece = spark_maillog._piece

    def noting(file: Split, start: int, length: int) -> bytes:
        looked.append(start)
        return piece(file, start, length)

    monkeypatch.setattr(spark_maillog, "_piece", noting)
    wanted = [time for time in TIMES for _ in range(60)]
    for size in (years.stat().st_size, 30_001, 50_000):
        for year in (None, 2021):
            assert times_of(years, year=year, split_bytes=size) == wanted, (size, year)
    assert 100 < len(looked) < 1000


def test_where_the_time_of_a_file_is_not_known_no_year_is_made_up(
    years: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark_maillog, "_written", lambda *_: None)
    assert times_of(years, year=None, split_bytes=500) == [None] * len(DAYS)
    assert times_of(years, year=2021, split_bytes=500) == TIMES


def test_a_file_whose_stamps_have_years_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mail.log"
    path.write_bytes(line_of("2024-05-02T10:00:00Z") * 9)

    def unwanted(*_: object) -> None:
        raise AssertionError("the year was asked for")

    monkeypatch.setattr(spark_maillog, "_year_of", unwanted)
    wanted = [datetime.datetime(2024, 5, 2, 10)] * 9
    assert times_of(path, year=None, split_bytes=300) == wanted


# --- Shipping -------------------------------------------------------------------------------

# Run by a Python that has smtpfast, with executors whose Python lacks it.
SHIPPING = """
import json, sys

from pyspark.sql import SparkSession

import smtpfast
import smtpfast.spark

package, log, settings = sys.argv[1:]
found = {}


def session(**more):
    builder = SparkSession.builder.master("local-cluster[1,1,1024]")
    return builder.config(map=json.loads(settings) | more).getOrCreate()


def core(_):
    import smtpfast

    return [(smtpfast.BACKEND, smtpfast.__file__)]


def select(column):
    return spark.sql("SELECT '550 5.1.1 no' AS reply").select(column).collect()[0][0]


def told(action):
    try:
        return action()
    except Exception as error:
        return str(error)


def logs(**options):
    smtpfast.spark.register(spark)
    return spark.read.format("maillog").options(year=2026, **options).load(log).count()


def note(way):
    found[way] = {
        "core": told(lambda: spark.sparkContext.parallelize([0], 1).mapPartitions(core).first()),
        "classify": told(lambda: list(select(smtpfast.spark.classify("reply")))),
        "any": told(lambda: list(select(smtpfast.spark.classify("reply", require_compiled=False)))),
        "logs": told(logs),
    }


spark = session()
found["nothing"] = {"core": told(lambda: spark.sparkContext.parallelize([0], 1).map(core).first())}
spark.sparkContext.addPyFile(package)
note("py-files")
spark.stop()
spark = session(**{"spark.archives": package + "#deps", "spark.executorEnv.PYTHONPATH": "./deps"})
note("archives")
spark.stop()
print(json.dumps(found))
"""


def python_without_smtpfast(folder: Path) -> Path:
    """A virtual environment with all that is installed here, but for smtpfast."""
    venv.EnvBuilder(symlinks=True).create(folder)
    [site] = folder.glob("lib/python*/site-packages")
    for installed in {Path(module.__file__).parents[1] for module in (pyspark, pa)}:
        for entry in installed.iterdir():
            if "smtpfast" not in entry.name and not (site / entry.name).exists():
                (site / entry.name).symlink_to(entry)
    return folder / "bin" / "python"


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_how_the_compiled_core_gets_to_executors(tmp_path: Path) -> None:
    if not COMPILED:
        pytest.skip("there is no compiled core to ship")
    if not java_is_there():
        pytest.skip("Spark needs Java")
    python = python_without_smtpfast(tmp_path / "environment")
    lacking = subprocess.run(
        [python, "-c", "import pyspark, pyarrow, smtpfast"], capture_output=True, check=False
    )
    assert b"No module named 'smtpfast'" in lacking.stderr

    package = tmp_path / "smtpfast.zip"
    source = Path(smtpfast.__file__).parent
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in source.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(source.parent))
    # The driver makes the splits with the Python and the PYTHONPATH that executors have.
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "deps")
    # Executors have the environment of the driver, and take whichever core they can.
    unwanted = ("PYTHONPATH", "SMTPFAST_BACKEND")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    environment |= {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": str(python)}
    # Workers write into Spark's own folder.
    environment["SPARK_HOME"] = str(tmp_path / "spark")
    (tmp_path / "spark").mkdir()
    for entry in Path(pyspark.__file__).parent.iterdir():
        (tmp_path / "spark" / entry.name).symlink_to(entry)
    settings = QUIET | {"spark.executor.memory": "900m", "spark.task.maxFailures": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SHIPPING, str(package), str(LOG), json.dumps(settings)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    wanted = list(said("550 5.1.1 no", CLASSIFY_FIELDS) or ())
    assert "No module named 'smtpfast'" in found["nothing"]["core"]

    backend, file = found["py-files"]["core"]
    assert (backend, "smtpfast.zip" in file) == ("pure", True)
    assert "this executor runs the pure core" in found["py-files"]["classify"]
    assert "spark.archives" in found["py-files"]["classify"]
    assert "this executor runs the pure core" in found["py-files"]["logs"]
    assert found["py-files"]["any"] == wanted

    backend, file = found["archives"]["core"]
    assert (backend, "/deps/smtpfast/" in file) == ("compiled", True)
    assert found["archives"]["classify"] == found["archives"]["any"] == wanted
    assert found["archives"]["logs"] == len(expected(LOG))
