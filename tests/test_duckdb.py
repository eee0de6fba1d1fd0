"""Replies in DuckDB: functions of SQL, with pyarrow and without, and the way through Arrow."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import smtpfast
from arrow_made import answers, arrow_on, labelled, octets_of, odd_octets, odd_texts, simple_lines
from conftest import CORES, default_matcher, load_core
from smtpfast import Classifier, SmtpFastError
from smtpfast.arrow import CLASSIFY_FIELDS, DIAGNOSE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from arrow_made import Cell, Row

duckdb = pytest.importorskip("duckdb")
from smtpfast.duckdb import register  # noqa: E402

# DuckDB reads local variables that it finds by their names in the query.
# ruff: noqa: F841

VERSION = tuple(map(int, duckdb.__version__.split(".")[:2]))

# As smtpfast/duckdb.py says.
TYPES = {
    "code": "SMALLINT",
    "enhanced": "VARCHAR",
    "severity": "VARCHAR",
    "category": "VARCHAR",
    "reason": "VARCHAR",
    "disposition": "VARCHAR",
    "retry_after": "INTEGER",
}
CLASSIFIED = (
    "code SMALLINT, status VARCHAR, enhanced VARCHAR, enhanced_class TINYINT,"
    " enhanced_subject SMALLINT, enhanced_detail SMALLINT, is_last BOOLEAN, severity VARCHAR,"
    " category VARCHAR"
)
DIAGNOSED = (
    f"{CLASSIFIED}, reason VARCHAR, disposition VARCHAR, retry_after INTEGER, blocklist VARCHAR,"
    " provider VARCHAR, rule VARCHAR, evidence VARCHAR"
)


@pytest.fixture(params=[f"{kind}-{core}" for kind in ("arrow", "native") for core in CORES])
def con(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A connection that knows the functions: with pyarrow or without, on either core."""
    kind, _, core = request.param.partition("-")
    pytest.importorskip("pyarrow" if kind == "arrow" else "numpy")
    arrow_on(core, monkeypatch)
    monkeypatch.setattr("smtpfast.duckdb.classify", load_core(core).classify)
    with duckdb.connect() as connection:
        with monkeypatch.context() as patch:
            if kind == "native":
                patch.setitem(sys.modules, "pyarrow", None)
            register(connection, classifier=default_matcher(core))
        yield connection


def fill(con: Any, cells: Sequence[Cell], kind: str = "VARCHAR") -> None:
    """A table t with these replies, and their numbers."""
    con.execute(
        "create or replace table t as select unnest(range(len(given))) as n, unnest(given) as reply"
        f" from (select $1::{kind}[] as given)",
        [[*cells]],
    )


def expected(cells: Sequence[Cell]) -> list[Row]:
    """What a table says of these cells; in SQL there are no octets in texts."""
    rows = answers(cells, DIAGNOSE_FIELDS)
    for row in rows:
        evidence = row["evidence"]
        if isinstance(evidence, bytes):
            row["evidence"] = evidence.decode("utf-8", "replace")
    return rows


def check(con: Any, cells: Sequence[Cell]) -> None:
    """All functions of the replies in the table t."""
    singles = ", ".join(f"smtp_{field}(reply)" for field in TYPES)
    query = f"select smtp_classify(reply), smtp_diagnose(reply), {singles} from t order by n"
    found = con.execute(query).fetchall()
    wanted = [
        (
            None if cell is None else {field: row[field] for field in CLASSIFY_FIELDS},
            None if cell is None else row,
            *(row[field] for field in TYPES),
        )
        for cell, row in zip(cells, expected(cells), strict=True)
    ]
    assert found == wanted


# --- Functions ------------------------------------------------------------------------------


def test_texts(con: Any) -> None:
    cells = [*labelled(), None, *odd_texts(), None]
    fill(con, cells)
    check(con, cells)
    assert len(cells) > 2048  # more than DuckDB gives at a time


def test_octets(con: Any) -> None:
    marked = b"550 5.1.1 \xff no such user", b"550 no \xff\xfe such\xff user", b"421 \xff try again"
    cells = [*octets_of(labelled()), None, *odd_octets(), *marked]
    fill(con, cells, "BLOB")
    check(con, cells)


def test_words_of_an_enum(con: Any) -> None:
    words = [*dict.fromkeys(labelled()[:300])]
    cells = [None, *words, *words[5:9], None]
    quoted = ", ".join("'" + word.replace("'", "''") + "'" for word in words)
    con.execute(f"create type word as enum ({quoted})")
    fill(con, cells, "word")
    check(con, cells)


@pytest.mark.parametrize("cells", [(), (None,), (None,) * 3000], ids=len)
def test_no_rows_and_nulls_alone(con: Any, cells: tuple[None, ...]) -> None:
    fill(con, cells)
    check(con, cells)


def test_null_is_no_struct(con: Any) -> None:
    fill(con, [None, "250 ok"])
    query = "select smtp_{0}(reply) is null, smtp_{0}(reply).code from t order by n"
    for name in ("classify", "diagnose"):
        assert con.execute(query.format(name)).fetchall() == [(True, None), (False, 250)]


@pytest.mark.skipif(
    VERSION < (1, 2), reason="DuckDB before 1.2 has no null without a type in Arrow"
)
def test_null_without_a_type(con: Any) -> None:
    for name in ("code", "retry_after", "classify", "diagnose"):
        assert con.execute(f"select smtp_{name}(null)").fetchall() == [(None,)]
        assert con.execute(f"select smtp_{name}(?)", [None]).fetchall() == [(None,)]


def test_types(con: Any) -> None:
    for field, kind in TYPES.items():
        assert con.execute(f"select typeof(smtp_{field}('250 ok'))").fetchall() == [(kind,)]
    for name, fields in (("classify", CLASSIFIED), ("diagnose", DIAGNOSED)):
        [[found]] = con.execute(f"select typeof(smtp_{name}('250 ok'))").fetchall()
        assert found.replace('"', "") == f"STRUCT({fields})"


def test_parameters_and_parts_of_rows(con: Any) -> None:
    replies = ["550 5.1.1 User unknown", b"552 5.2.2 Mailbox full \xff"]
    found = con.execute("select smtp_reason(?), smtp_reason(?)", replies)
    assert found.fetchall() == [("bad_mailbox", "mailbox_full")]
    fill(con, ["250 ok", None, "450 x"])
    query = "select n, smtp_code(reply) from t where smtp_code(reply) > 300 or n = 1 order by n"
    assert con.execute(query).fetchall() == [(1, None), (2, 450)]


@pytest.mark.parametrize("value", ["550", "550.5", "date '2026-11-24'", "['550 x']", "true"])
def test_other_types_are_errors(con: Any, value: str) -> None:
    for name in ("smtp_code", "smtp_diagnose"):
        with pytest.raises(duckdb.InvalidInputException, match="TypeError"):
            con.execute(f"select {name}({value})").fetchall()
    with pytest.raises(duckdb.BinderException):
        con.execute(f"select smtp_code('550 x', {value})")


def test_what_duckdb_itself_finds(con: Any) -> None:
    fill(con, simple_lines())
    query = r"""
        select count(*) from t
        where smtp_code(reply) is distinct from try_cast(left(reply, 3) as smallint)
        or smtp_enhanced(reply) is distinct from nullif(
            regexp_extract(reply, '^\d{3} ((2|4|5)\.\d{1,3}\.\d{1,3})( |$)', 1), '')
    """
    assert con.execute(query).fetchall() == [(0,)]
    query = "select smtp_reason(reply), count(*) from t group by all"
    wanted = Counter(str(smtpfast.diagnose(reply).reason) for reply in simple_lines())
    assert dict(con.execute(query).fetchall()) == wanted


@pytest.mark.parametrize("con", ["arrow-compiled", "native-compiled"], indirect=True)
def test_many_rows_on_two_threads(con: Any) -> None:
    cells = [*simple_lines()[:25], None, "", "no reply"]
    fill(con, cells)
    con.execute("set threads=2")
    con.execute("create table many as select t.* from t, range(4000)")  # of several row groups
    query = "select smtp_reason(reply) as reason, smtp_code(reply) as code, count(*) from many"
    found = con.execute(f"{query} group by all").fetchall()
    wanted: Counter[tuple[object, ...]] = Counter()
    for row in expected(cells):
        wanted[row["reason"], row["code"]] += 4000
    assert {row[:2]: row[2] for row in found} == wanted
    assert len(found) == len(wanted)


# --- Who knows them -------------------------------------------------------------------------

RULES = """
[[rule]]
id = "own.house"
reason = "policy"
phrases = ["not in my house"]
"""


def reason(con: Any, reply: str = "550 not in my house") -> object:
    return con.execute("select smtp_reason(?)", [reply]).fetchall()[0][0]


def test_again_with_another_classifier(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(RULES, encoding="utf-8")
    own = Classifier.from_toml(tmp_path / "own.toml", with_defaults=False)
    with duckdb.connect() as con:
        register(con)
        register(con)
        before = str(smtpfast.diagnose("550 not in my house").reason)
        assert (reason(con), before != "policy") == (before, True)
        register(con, classifier=own)
        assert reason(con) == "policy"
        query = "select smtp_diagnose('550 not in my house').rule"
        assert con.execute(query).fetchall() == [("own.house",)]


def test_all_connections_to_a_database_know_them() -> None:
    with duckdb.connect() as con, duckdb.connect() as other:
        with con.cursor() as cursor:
            register(cursor)
            assert reason(con, "552 5.2.2 Mailbox full") == "mailbox_full"
            with pytest.raises(duckdb.CatalogException):
                register(con)
        assert reason(con, "552 5.2.2 Mailbox full") == "mailbox_full"
        with pytest.raises(duckdb.CatalogException):
            reason(other)


def test_without_duckdb_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.delitem(sys.modules, "smtpfast.duckdb")
    monkeypatch.delattr("smtpfast.duckdb")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'smtpfast\[duckdb\]'"):
        __import__("smtpfast.duckdb")


# --- Through Arrow --------------------------------------------------------------------------


@pytest.fixture(params=CORES)
def arrow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`smtpfast.arrow` on both cores, one after the other."""
    if request.param == "pure":
        pytest.importorskip("pyarrow")
    return arrow_on(request.param, monkeypatch)


@pytest.fixture
def plain() -> Iterator[Any]:
    """A connection that knows no function of ours."""
    with duckdb.connect() as connection:
        yield connection


def test_the_fast_way(plain: Any, arrow: Any) -> None:
    cells = [*labelled(), None, *odd_texts(), None]
    fill(plain, cells)
    result = arrow.diagnose(plain.sql("select reply from t order by n"), "reply")
    query = plain.sql("select * from result")
    assert query.columns == [*DIAGNOSE_FIELDS]
    assert [dict(zip(DIAGNOSE_FIELDS, row, strict=True)) for row in query.fetchall()] == expected(
        cells
    )
    wanted = Counter(row["reason"] for row in expected(cells))
    for _ in range(3):  # as often as it is asked by name
        found = plain.sql("select reason, count(*) from result group by all").fetchall()
        assert dict(found) == wanted
    plain.execute("create table said as from result")
    del result
    assert plain.sql("select count(code), count(*) from said").fetchall() == [
        (len(cells) - 2, len(cells))
    ]


def test_the_fast_way_for_octets(plain: Any, arrow: Any) -> None:
    cells = [b"550 5.1.1 \xff no such user", None, b"\xff"]
    fill(plain, cells, "BLOB")
    result = arrow.diagnose(plain.sql("select reply from t order by n"), fields=["code", "text"])
    assert plain.sql("from result").fetchall() == [
        (550, b"\xff no such user"),
        (None, None),
        (-1, b"\xff"),
    ]


@pytest.mark.skipif(VERSION < (1, 5), reason="DuckDB before 1.5 reads what it found once")
def test_a_result_that_stays(plain: Any, arrow: Any) -> None:
    fill(plain, ["550 5.1.1 User unknown", None, "250 ok"])
    result = arrow.classify(plain.sql("select reply from t order by n"))
    relation = plain.sql("select code from result")
    plain.register("said", result)
    for _ in range(3):
        assert relation.fetchall() == [(550,), (None,), (250,)]
        assert relation.count("code").fetchall() == [(2,)]
        assert plain.sql("select max(code) from said").fetchall() == [(550,)]
    query = "select count(*) from result a join result b on a.code = b.code"
    assert plain.sql(query).fetchall() == [(2,)]


def test_a_stream_keeps_the_other_columns(plain: Any, arrow: Any) -> None:
    cells = [*labelled(), None, *labelled(), ""]
    fill(plain, cells)
    plain.execute("alter table t add column day date")
    plain.execute("update t set day = date '2026-11-20' + n::int % 7")
    source = plain.cursor()
    result = arrow.stream(source.sql("from t"), "reply", fields=["code", "reason"])
    query = "select n, reply, day - date '2026-11-20', code, reason from result order by n"
    found = plain.sql(query).fetchall()
    wanted = [
        (n, cell, n % 7, row["code"], row["reason"])
        for n, (cell, row) in enumerate(zip(cells, expected(cells), strict=True))
    ]
    assert found == wanted
    if VERSION >= (1, 3):
        query = "select day, reason, count(*) from result group by all"
        counts = {row[:2]: row[2] for row in plain.sql(query).fetchall()}
        assert sum(counts.values()) == len(cells)
    source.close()


@pytest.mark.skipif(VERSION < (2,), reason="DuckDB before 2.0 waits for itself forever")
def test_a_query_cannot_read_from_its_own_connection(plain: Any, arrow: Any) -> None:
    fill(plain, ["250 ok"])
    result = arrow.stream(plain.sql("from t"), "reply")
    with pytest.raises(duckdb.InvalidInputException, match=r"cursor\(\)"):
        plain.sql("select count(*) from result").fetchall()
    assert isinstance(result, arrow.ArrowStream)


def test_a_column_that_the_table_has_already(plain: Any, arrow: Any) -> None:
    plain.execute("create table u as select 1 as code, '250 ok' as reply")
    source = plain.cursor()
    result = arrow.stream(source.sql("from u"), "reply", fields=["code"])
    with pytest.raises((duckdb.Error, SmtpFastError), match="prefix"):
        plain.sql("from result").fetchall()
    result = arrow.stream(source.sql("from u"), "reply", fields=["code"], prefix="smtp_")
    assert plain.sql("from result").fetchall() == [(1, "250 ok", 250)]
    source.close()


WITHOUT_PYARROW = """
import sys
sys.modules["pyarrow"] = None
import duckdb
import smtpfast.arrow, smtpfast.duckdb

con = duckdb.connect()
con.execute("create table t as select unnest(['550 5.1.1 User unknown', null, '250 ok']) as reply")
smtpfast.duckdb.register(con)
print(con.sql("select smtp_reason(reply) from t").fetchall())
print(con.sql("select smtp_diagnose(reply).evidence from t").fetchall())
if smtpfast.BACKEND == "compiled":
    result = smtpfast.arrow.diagnose(con.sql("select reply from t"), "reply")
    print(con.sql("select reason from result").fetchall())
    source = con.cursor()
    result = smtpfast.arrow.stream(source.sql("from t"), "reply", fields=["reason"])
    print(con.sql("select reason from result where reply is not null").fetchall())
print([name for name in sys.modules if name.startswith("pyarrow.")])
"""


def test_all_of_it_without_pyarrow() -> None:
    pytest.importorskip("numpy")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYARROW],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    wanted = [
        "[('bad_mailbox',), (None,), ('accepted',)]",
        "[('User unknown',), (None,), ('250',)]",
    ]
    if smtpfast.BACKEND == "compiled":
        wanted += [wanted[0], "[('bad_mailbox',), ('accepted',)]"]
    assert done.stdout.splitlines() == [*wanted, "[]"]
