"""`.smtp` of Polars against the scalar functions; `scan_maillog` against `read_log`."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from log_lines import all_lines
from smtpfast import BACKEND, Classifier, Disposition, Reason, SmtpFastError, classify, diagnose
from smtpfast.arrow_columns import CLASSIFY_FIELDS, DIAGNOSE_FIELDS, FIELDS
from smtpfast.errors import InputError
from smtpfast.log_record import MTAS
from smtpfast.logs import Event, LogReader, LogRecord, read_log
from smtpfast.octets import octets

pl = pytest.importorskip("polars")
surface = pytest.importorskip("smtpfast.polars")

if TYPE_CHECKING:
    from collections.abc import Callable

CELLS = [
    "550 5.1.1 <ann@example.org>: User unknown",
    "250 2.0.0 Ok: queued as 4F1B2C3D4E5",
    None,
    "450-4.7.1 Greylisted,\r\n450 4.7.1 come back in 5 minutes\r\n",
    "",
    "no reply at all",
    "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org",
    "552 5.2.2 Почтовый ящик переполнен 📬",
    "550-5.7.26 This mail has been blocked because the sender is unauthenticated."
    " 550 5.7.26 https://support.google.com/mail/answer/81126 x-gsmtp",
    None,
    "599 5.999.999 " + "x" * 5000,
    "354",
    "250-SIZE 1000\n",
    "1e3 \x00 5.1.1",
]
OCTETS = [None if cell is None else cell.encode() for cell in CELLS]
OCTETS += [b"550 5.1.1 \xff\xfe unknown user \xc3", b"\xff", b"421 4.7.0 \x80later\r\n"]
TEXTS = pl.Series("reply", CELLS, pl.String)
CATEGORIES = pl.Enum([cell for cell in dict.fromkeys(CELLS) if cell is not None])
COLUMNS = {
    "String": TEXTS,
    "Binary": pl.Series("reply", OCTETS, pl.Binary),
    "Categorical": pl.Series("reply", CELLS, pl.Categorical),
    "Enum": pl.Series("reply", CELLS, CATEGORIES),
    "sliced": pl.concat([TEXTS, TEXTS, TEXTS]).slice(3, 2 * len(CELLS)),
    "chunked": pl.concat([TEXTS[:3], TEXTS[3:3], TEXTS[3:4], TEXTS[4:]], rechunk=False),
    "empty": TEXTS[:0],
    "nulls": pl.Series("reply", [None, None], pl.String),
}
ENGINES = ("in-memory", "streaming")


@pytest.fixture(params=COLUMNS)
def column(request: pytest.FixtureRequest) -> pl.Series:
    return COLUMNS[request.param]


def answer(cell: str | bytes | None, classifier: Any = None) -> dict[str, Any] | None:
    """What the scalar functions say of a cell, with the texts as they are in such a column."""
    if cell is None:
        return None
    line = classify(cell)
    found = classifier.diagnose(cell) if classifier else diagnose(cell)
    enhanced = line.enhanced
    as_given = octets if isinstance(cell, bytes) else str
    return {
        "code": line.code,
        "status": line.status.name,
        "enhanced": None if enhanced is None else str(enhanced),
        "enhanced_class": None if enhanced is None else enhanced.class_,
        "enhanced_subject": None if enhanced is None else enhanced.subject,
        "enhanced_detail": None if enhanced is None else enhanced.detail,
        "is_last": line.is_last,
        "severity": line.severity.name.lower(),
        "category": line.category.name.lower(),
        "text": as_given(line.text),
        "reason": str(found.reason),
        "disposition": str(found.disposition),
        "retry_after": found.retry_after,
        "blocklist": found.blocklist,
        "provider": found.provider,
        "rule": found.rule,
        "evidence": None if found.evidence is None else as_given(found.evidence),
    }


def answers(column: pl.Series, fields: tuple[str, ...] = FIELDS) -> list[dict[str, Any] | None]:
    rows = map(answer, column.to_list())
    return [None if row is None else {name: row[name] for name in fields} for row in rows]


# --- The namespace ---------------------------------------------------------------------------


def test_the_cells_differ_in_all_that_is_told() -> None:
    found = [answer(cell) for cell in {*CELLS} - {None}]
    for name in FIELDS:
        assert len({row[name] for row in found if row}) > 1, name


@pytest.mark.parametrize("engine", ENGINES)
def test_an_expression_says_what_the_functions_say(engine: str, column: pl.Series) -> None:
    query = column.to_frame().lazy().select(pl.col("reply").smtp.diagnose(FIELDS))
    schema = query.collect_schema()
    found = query.collect(engine=engine)
    assert found.schema == schema
    assert schema.names() == ["reply"]
    assert found["reply"].to_list() == answers(column)
    assert found["reply"].is_null().to_list() == column.is_null().to_list()


def test_a_series_says_what_an_expression_says(column: pl.Series) -> None:
    calls: list[Callable[[Any], Any]] = [
        lambda of: of.smtp.code(),
        lambda of: of.smtp.enhanced(),
        lambda of: of.smtp.reason(),
        lambda of: of.smtp.disposition(),
        lambda of: of.smtp.classify(),
        lambda of: of.smtp.diagnose(),
        lambda of: of.smtp.classify(("text",)),
        lambda of: of.smtp.diagnose(["evidence", "code"]),
    ]
    for call in calls:
        lazy = column.to_frame().lazy().select(call(pl.col("reply")))
        found = call(column)
        assert found.to_frame().schema == lazy.collect_schema()
        for engine in ENGINES:
            assert found.to_frame().equals(lazy.collect(engine=engine))


def test_one_field_alone(column: pl.Series) -> None:
    found = column.to_frame().select(
        pl.col("reply"),
        code=pl.col("reply").smtp.code(),
        enhanced=pl.col("reply").smtp.enhanced(),
        reason=pl.col("reply").smtp.reason(),
        disposition=pl.col("reply").smtp.disposition(),
    )
    for name in ("code", "enhanced", "reason", "disposition"):
        assert found[name].to_list() == [row and row[name] for row in answers(column)]
    types = [pl.Int16, pl.String, pl.Enum(map(str, Reason)), pl.Enum(map(str, Disposition))]
    assert found.dtypes[1:] == types


def test_the_fields_that_are_there_unless_others_are_asked_for(column: pl.Series) -> None:
    assert column.smtp.classify().to_list() == answers(column, CLASSIFY_FIELDS)
    assert column.smtp.diagnose().to_list() == answers(column, DIAGNOSE_FIELDS)
    assert column.smtp.classify(iter(["is_last", "code"])).struct.fields == ["is_last", "code"]


def test_the_same_types_whatever_the_words_are() -> None:
    types = {
        "code": pl.Int16,
        "enhanced": pl.String,
        "enhanced_class": pl.Int8,
        "enhanced_subject": pl.Int16,
        "enhanced_detail": pl.Int16,
        "is_last": pl.Boolean,
        "text": pl.String,
        "retry_after": pl.Int32,
        "blocklist": pl.String,
        "provider": pl.Categorical(),
        "rule": pl.Categorical(),
        "evidence": pl.String,
    }
    found = TEXTS[:1].smtp.diagnose(FIELDS).struct.unnest()
    assert found.schema == pl.Schema({name: types.get(name, found.schema[name]) for name in FIELDS})
    enums = {name for name in FIELDS if isinstance(found.schema[name], pl.Enum)}
    assert enums == {*FIELDS} - {*types}
    assert found["reason"].dtype.categories.to_list() == list(Reason)
    for column in COLUMNS.values():
        is_binary = column.dtype == pl.Binary
        other = column.smtp.diagnose(FIELDS).struct.unnest()
        for name in FIELDS:
            as_given = is_binary and name in ("text", "evidence")
            assert other[name].dtype == (pl.Binary if as_given else found[name].dtype), name
    # So that frames of any columns fit together.
    parts = [column.smtp.classify().to_frame() for column in COLUMNS.values()]
    assert len(pl.concat(parts)) == sum(map(len, parts))


def test_the_library_agrees_on_simple_lines() -> None:
    path = Path(__file__).parents[1] / "examples" / "replies.txt"
    reply = pl.col("reply")
    enhanced = [reply.str.extract(rf"^{digit}[0-5]\d[ -]({digit}\.\d\.\d+) ") for digit in "245"]
    frame = pl.DataFrame({"reply": path.read_text("utf-8", "replace").split("\n")})
    simple = frame.select(
        reply, code=reply.str.head(3).cast(pl.Int16, strict=False), enhanced=pl.coalesce(enhanced)
    ).drop_nulls()
    simple = simple.filter(pl.col("code") != 220)  # a greeting has no enhanced code
    assert len(simple) > 100
    found = simple.select(reply, code=reply.smtp.code(), enhanced=reply.smtp.enhanced())
    assert found.equals(simple)


@pytest.mark.parametrize("engine", ENGINES)
def test_in_all_places_where_an_expression_can_stand(engine: str) -> None:
    rows = [row for row in answers(TEXTS) for _ in range(500)]
    cells = [cell for cell in CELLS for _ in range(500)]
    frame = pl.DataFrame(
        {"reply": cells, "number": range(len(cells))}, schema_overrides={"reply": pl.String}
    ).with_columns(group=pl.col("number") % 7)
    lazy, reply = frame.lazy(), pl.col("reply")
    codes = [row and row["code"] for row in rows]
    found = lazy.with_columns(code=reply.smtp.code()).collect(engine=engine)
    assert found["code"].to_list() == codes
    found = lazy.filter(reply.smtp.code() == 550).collect(engine=engine)
    assert found["number"].to_list() == [at for at, code in enumerate(codes) if code == 550]
    found = lazy.select("number", reply.smtp.code().over("group")).collect(engine=engine)
    assert found.sort("number")["reply"].to_list() == codes
    found = lazy.group_by(reply.smtp.reason()).len().collect(engine=engine)
    reasons = [row and row["reason"] for row in rows]
    assert dict(found.iter_rows()) == {reason: reasons.count(reason) for reason in reasons}
    found = lazy.group_by("group").agg("number", reply.smtp.code()).collect(engine=engine)
    pairs = found.explode("number", "reply").sort("number")
    assert pairs["reply"].to_list() == codes
    found = lazy.sort(reply.smtp.code(), "number", nulls_last=True).collect(engine=engine)
    ranked = sorted(range(len(codes)), key=lambda at: (codes[at] is None, codes[at] or 0, at))
    assert found["number"].to_list() == ranked


def test_names_are_as_polars_has_them() -> None:
    frame = pl.DataFrame({"a": ["550 x"], "b": [b"250 x"]})
    assert frame.select(pl.col("a", "b").smtp.code()).to_dict(as_series=False) == {
        "a": [550],
        "b": [250],
    }
    kinds = frame.select(pl.all().smtp.classify(["text"])).schema
    assert kinds == {"a": pl.Struct({"text": pl.String}), "b": pl.Struct({"text": pl.Binary})}
    assert frame.select(pl.col("a").alias("c").smtp.code()).columns == ["c"]
    assert frame.select(pl.col("a").str.head(2).smtp.code().name.suffix("_code"))["a_code"][0] == -1
    assert pl.select(pl.lit("421 x").smtp.code()).item() == 421
    nested = pl.DataFrame({"replies": [["250 x", None], [], ["451 y"]]})
    found = nested.select(pl.col("replies").list.eval(pl.element().smtp.code()))
    assert found["replies"].to_list() == [[250, None], [], [451]]


def test_long_columns_in_many_batches() -> None:
    cells = CELLS * 20_000
    query = pl.LazyFrame({"reply": pl.Series(cells, dtype=pl.Categorical)}).select(
        pl.col("reply").smtp.code()
    )
    codes = [row and row["code"] for row in answers(TEXTS)] * 20_000
    for engine in ENGINES:
        assert query.collect(engine=engine)["reply"].to_list() == codes


@pytest.mark.parametrize(
    "wrong",
    [
        pl.Series("reply", [550]),
        pl.Series("reply", [["550 x"]]),
        pl.Series("reply", [{"code": 550}]),
        pl.Series("reply", [None]),
        pl.Series("reply", [5.5]),
    ],
    ids=lambda series: str(series.dtype),
)
def test_a_column_of_another_type_is_an_error(wrong: pl.Series) -> None:
    for fields in (["code"], ["text"]):
        query = wrong.to_frame().lazy().select(pl.col("reply").smtp.classify(fields))
        calls: list[Callable[[], object]] = [
            query.collect_schema,
            query.collect,
            lambda query=query: query.collect(engine="streaming"),
            lambda fields=fields: wrong.smtp.classify(fields),
            wrong.smtp.reason,
        ]
        for call in calls:
            with pytest.raises(TypeError, match=r"^expected a column of texts or octets, not of "):
                call()


def test_a_wrong_field_is_an_error_at_once() -> None:
    for of in (pl.col("reply"), TEXTS):
        for fields in (["cod"], [], ["code", "code"], "code"):
            for call in (of.smtp.classify, of.smtp.diagnose):
                with pytest.raises(SmtpFastError, match="field"):
                    call(fields)


def test_a_classifier_of_ones_own(tmp_path: Path) -> None:
    rules = tmp_path / "own.toml"
    rules.write_text(
        '[[rule]]\nid = "own.rule"\nreason = "policy"\nphrases = ["user unknown"]\n',
        encoding="utf-8",
    )
    classifier = Classifier.from_toml(rules)
    expr = pl.col("reply").smtp.diagnose(["rule", "reason"], classifier)
    expected = [answer(cell, classifier) for cell in CELLS]
    assert expected[0] is not None
    assert expected[0]["rule"] == "own.rule"
    wanted = [row and {"rule": row["rule"], "reason": row["reason"]} for row in expected]
    # As Polars sends expressions elsewhere.
    for each in (expr, pickle.loads(pickle.dumps(expr))):
        for engine in ENGINES:
            found = TEXTS.to_frame().lazy().select(each).collect(engine=engine)
            assert found["reply"].to_list() == wanted
    assert TEXTS.smtp.diagnose(classifier=classifier, fields=["rule", "reason"]).to_list() == wanted
    # Frames by one classifier fit to those by another.
    both = pl.concat([TEXTS.smtp.diagnose().to_frame(), TEXTS.smtp.diagnose().to_frame()])
    assert len(both) == 2 * len(CELLS)


# --- Logs -------------------------------------------------------------------------------------

EXAMPLE = Path(__file__).parents[1] / "examples" / "mail.log"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpfast.blocks.BLOCK_BYTES", 1 << 13)


@pytest.fixture(scope="module")
def made() -> bytes:
    """Thousands of lines of all MTAs."""
    return b"\n".join(all_lines()[::3]) + b"\n"


@pytest.fixture
def made_log(made: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "made.log"
    path.write_bytes(made)
    return path


def printable(value: object) -> object:
    """U+FFFD for what is no UTF-8; of a member of an enumeration its text."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value


def records(path: Path, year: int = 2026, *, with_reasons: bool = True) -> list[tuple[object, ...]]:
    data = path.read_bytes()
    lines = data.split(b"\n")[: None if not data.endswith(b"\n") else -1]
    if with_reasons:
        found = list(read_log(lines, str(path), year=year))
    else:
        reader = LogReader(str(path), year=year, diagnose=False)
        found = [record for line in lines for record in reader.read(line)]
    return [tuple(map(printable, record)) for record in found]


def rows(frame: pl.DataFrame) -> list[tuple[object, ...]]:
    """The records of a frame, with the times as they are in a `LogRecord`."""
    return frame.with_columns(pl.col("time").to_physical()).rows()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_example_as_it_is_read_line_by_line(engine: str) -> None:
    found = surface.scan_maillog(EXAMPLE, year=2026).collect(engine=engine)
    assert rows(found) == records(EXAMPLE)
    assert len(found) > 30


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("engine", ENGINES)
def test_thousands_of_lines_in_many_blocks(engine: str, made_log: Path) -> None:
    query = surface.scan_maillog(str(made_log), year=2026)
    found = query.collect(engine=engine)
    assert found.schema == query.collect_schema()
    assert found.columns == list(LogRecord._fields)
    expected = records(made_log)
    assert {row[LogRecord._fields.index("event")] for row in expected} == {*map(str, Event)}
    assert rows(found) == expected
    assert "\ufffd" in "".join(found["text"].drop_nulls())


def test_the_types_are_known_without_reading(tmp_path: Path) -> None:
    kinds = {
        "time": pl.Datetime("us"),
        "time_is_local": pl.Boolean,
        "relay_port": pl.Int32,
        "delay": pl.Float64,
        "code": pl.Int16,
        "retry_after": pl.Int32,
        "line": pl.Int64,
        "mta": pl.Enum(MTAS),
        "event": pl.Enum(map(str, Event)),
        "reason": pl.Enum(map(str, Reason)),
        "disposition": pl.Enum(map(str, Disposition)),
        "file": pl.Categorical(),
    }
    schema = surface.scan_maillog(tmp_path / "missing").collect_schema()
    assert schema == pl.Schema({name: kinds.get(name, pl.String) for name in LogRecord._fields})
    (tmp_path / "empty").touch()
    (tmp_path / "other").write_text("nothing of ours\n", encoding="utf-8")
    for name in ("empty", "other"):
        found = surface.scan_maillog(tmp_path / name).collect()
        assert (found.schema, len(found)) == (schema, 0)
    assert surface.scan_maillog([]).collect().schema == schema


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_query_answers_as_on_a_whole_frame(engine: str, made_log: Path) -> None:
    log = surface.scan_maillog(made_log, year=2026)
    whole = log.collect().lazy()
    is_bounced = pl.col("status") == "bounced"
    queries: list[Callable[[pl.LazyFrame], pl.LazyFrame]] = [
        lambda lf: lf.select("line", "code"),
        lambda lf: lf.select("text", "file", "time"),
        lambda lf: lf.filter(is_bounced),
        lambda lf: lf.filter(is_bounced).select("line"),
        lambda lf: lf.filter(is_bounced, pl.col("reason") == "bad_mailbox").select("recipient"),
        lambda lf: lf.filter(pl.col("code").is_in([450, 550])).select(pl.len()),
        lambda lf: lf.filter(pl.col("time").dt.month() == 11).select("line", "mta"),
        lambda lf: lf.filter(pl.col("text").smtp.reason() == "bad_mailbox").select("line"),
        lambda lf: lf.filter(pl.col("code") == 1).select("line"),
        lambda lf: lf.select(pl.len()),
        lambda lf: lf.head(0),
        lambda lf: lf.head(1),
        lambda lf: lf.head(777).select("line"),
        lambda lf: lf.slice(1000, 50),
        lambda lf: lf.tail(3),
        lambda lf: lf.head(999).filter(is_bounced),
        lambda lf: lf.filter(is_bounced).head(9),
        lambda lf: lf.head(10**9).select("line"),
        lambda lf: lf.group_by("mta", "reason").len().sort("mta", "reason"),
        lambda lf: lf.with_columns(pl.col("text").smtp.code().alias("said")).filter(
            pl.col("said") == -1
        ),
        lambda lf: lf.join(lf.filter(is_bounced), on="line", how="semi").select("line"),
    ]
    for number, query in enumerate(queries):
        found = query(log).collect(engine=engine)
        assert found.schema == query(log).collect_schema(), number
        assert found.equals(query(whole).collect()), number
        unpushed = pl.QueryOptFlags(predicate_pushdown=False, projection_pushdown=False)
        assert found.equals(query(log).collect(engine=engine, optimizations=unpushed)), number


def test_the_predicate_and_the_rows_reach_the_reader(made_log: Path) -> None:
    log = surface.scan_maillog(made_log, year=2026)
    plan = log.filter(pl.col("text").smtp.code() == 550).select("line").explain()
    assert "FILTER" not in plan
    assert "2/28" in plan


def test_only_what_is_wanted_is_made(made_log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[list[str], bool]] = []
    has_reasons = False

    def new_reader(file: str, *, diagnose: bool, **options: Any) -> LogReader:
        nonlocal has_reasons
        has_reasons = diagnose
        return LogReader(file, diagnose=diagnose, **options)

    def made_of(columns: Any, fields: Any) -> Any:
        made.append(([*fields], has_reasons))
        return records_of(columns, fields)

    records_of = surface.arrow.records
    log = surface.scan_maillog(made_log, year=2026)
    without = surface.scan_maillog(made_log, year=2026, diagnose=False)
    monkeypatch.setattr(surface, "LogReader", new_reader)
    monkeypatch.setattr(surface.arrow, "records", made_of)
    is_spam = pl.col("reason") == "spam"
    for query, fields, is_asked in (
        (log.select("line", "code"), ["code", "line"], False),
        (log.select("line", "blocklist"), ["blocklist", "line"], True),
        (log.filter(is_spam).select("line"), ["reason", "line"], True),
        (log, [*LogRecord._fields], True),
        (without, [*LogRecord._fields], False),
        (without.filter(is_spam).select("line"), ["reason", "line"], False),
    ):
        query.collect()
        assert made == [(fields, is_asked)]
        made.clear()


def test_without_reasons_they_are_null(made_log: Path) -> None:
    found = surface.scan_maillog(made_log, year=2026, diagnose=False).collect()
    assert rows(found) == records(made_log, with_reasons=False)


@pytest.mark.usefixtures("small_blocks")
def test_a_classifier_of_ones_own_reads_logs(made_log: Path, tmp_path: Path) -> None:
    rules = tmp_path / "own.toml"
    rules.write_text(
        '[[rule]]\nid = "own.rule"\nreason = "policy"\nphrases = ["user unknown"]\n',
        encoding="utf-8",
    )
    classifier = Classifier.from_toml(rules)
    lines = made_log.read_bytes().split(b"\n")
    expected = [record.reason for record in read_log(lines, classifier=classifier)]
    log = surface.scan_maillog(made_log, classifier=classifier).select("reason").collect()
    assert log["reason"].to_list() == expected
    assert log["reason"].to_list() != surface.scan_maillog(made_log).collect()["reason"].to_list()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("engine", ENGINES)
def test_no_further_is_read_than_has_to_be(
    engine: str, made_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = 0
    blocks_of = surface.file_blocks

    def counted(name: str) -> Any:
        nonlocal taken
        for block in blocks_of(name):
            taken += 1
            yield block

    monkeypatch.setattr(surface, "file_blocks", counted)
    log = surface.scan_maillog(made_log, year=2026)
    log.collect(engine=engine)
    everything, taken = taken, 0
    assert everything > 40
    assert (
        log.head(3).collect(engine=engine)["line"].to_list() == log.collect()["line"][:3].to_list()
    )
    taken = 0
    log.head(3).collect(engine=engine)
    # A block that has three records, and what is read ahead of it.
    assert taken <= 3 + pl.thread_pool_size()


@pytest.mark.usefixtures("small_blocks")
def test_batches_are_no_larger_than_wanted(made_log: Path) -> None:
    paths, expected = (made_log,), records(made_log)

    def frames(n_rows: int | None = None, batch_size: int | None = None) -> list[pl.DataFrame]:
        arguments = (paths, 2026, None, True, None, None, n_rows, batch_size)
        return [frame for frame in surface._frames(*arguments) if len(frame)]

    for found in (frames(), frames(batch_size=10)):
        assert rows(pl.concat(found)) == expected
    assert max(map(len, frames())) < len(expected) / 10
    assert max(map(len, frames(batch_size=10))) == 10
    assert sum(map(len, frames(n_rows=123, batch_size=50))) == 123


def test_a_line_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = EXAMPLE.read_bytes().splitlines(keepends=True)[20]
    path = tmp_path / "log"
    path.write_bytes(line + line[:-1] + b"x" * 5_000_000 + b"\n" + line + line[:-1])
    for block, longest in ((1 << 14, 1 << 12), (4 << 20, 1 << 20)):
        monkeypatch.setattr("smtpfast.blocks.BLOCK_BYTES", block)
        monkeypatch.setattr("smtpfast.blocks.LONGEST_LINE", longest)
        query = surface.scan_maillog(path, year=2026).filter(pl.col("line") != 2)
        found = query.select("line", "recipient").collect()
        assert found["line"].to_list() == [1, 3, 4]
        assert found["recipient"].n_unique() == 1


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_known_by_their_content(
    compress: Callable[[bytes], bytes], made: bytes, made_log: Path, tmp_path: Path
) -> None:
    path = tmp_path / "compressed"
    half = len(made) // 2
    path.write_bytes(compress(made[:half]) + compress(made[half:]))
    found = surface.scan_maillog(path, year=2026).drop("file").collect()
    assert found.equals(surface.scan_maillog(made_log, year=2026).drop("file").collect())
    assert len(found) > 1500


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("engine", ENGINES)
def test_several_files_the_oldest_first(engine: str, made: bytes, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("mail.log.2.gz", "mail.log.1", "mail.log")]
    third = made.index(b"\n", len(made) // 3) + 1
    parts = (made[:third], made[third : 2 * third], EXAMPLE.read_bytes())
    expected = []
    for age, (path, part) in enumerate(zip(paths, parts, strict=True)):
        path.write_bytes(part)
        expected += records(path)
        path.write_bytes(gzip.compress(part) if path.suffix == ".gz" else part)
        os.utime(path, (1_800_000_000 + 86_400 * age,) * 2)
    patterns: list[Any] = [
        str(tmp_path / "mail.log*"),
        tmp_path / "mail.log*",
        sorted(paths),
        iter(map(str, paths)),
        [tmp_path / "mail.log.?", str(paths[0]), tmp_path / "*.log"],
    ]
    for pattern in patterns:
        log = surface.scan_maillog(pattern, year=2026)
        assert rows(log.collect(engine=engine)) == expected
        # A plan may be run again.
        counts = log.group_by("file").len().sort("file").collect(engine=engine)
        assert dict(counts.iter_rows()) == {
            str(path): sum(row[-2] == str(path) for row in expected) for path in paths
        }


def test_scans_of_two_files_are_two_in_one_plan(tmp_path: Path) -> None:
    lines = EXAMPLE.read_bytes().splitlines(keepends=True)
    (tmp_path / "a").write_bytes(b"".join(lines[:50]))
    (tmp_path / "b").write_bytes(b"".join(lines))
    a, b = (surface.scan_maillog(tmp_path / name, year=2026) for name in "ab")
    for engine in ENGINES:
        for one, other in ((a, b), (b, a), (a, a)):
            found = pl.concat([one, other]).collect(engine=engine)
            assert found.equals(pl.concat([one.collect(), other.collect()]))


def test_a_name_with_signs_of_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "mail[1].log"
    path.write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "mail1.log").touch()  # which the name matches, as a pattern
    assert rows(surface.scan_maillog(path, year=2026).collect()) == records(path)


def test_the_year_is_inferred_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(EXAMPLE.read_bytes())
    log = surface.scan_maillog(path)
    for written, year in ((1_700_000_000, 2022), (1_701_000_000, 2023)):  # Nov 14 and Nov 26, 2023
        os.utime(path, (written,) * 2)
        assert rows(log.collect()) == records(path, year)


def test_the_year_is_not_looked_for_if_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def year_of(name: str) -> int:
        raise AssertionError(name)

    monkeypatch.setattr(surface, "year_of_file", year_of)
    log = surface.scan_maillog(EXAMPLE)
    expected = [row[-1] for row in records(EXAMPLE)]
    assert log.select("line").collect()["line"].to_list() == expected
    with pytest.raises(AssertionError):
        log.select("time").collect()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_file_that_cannot_be_read_is_an_error(engine: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    for path in (
        tmp_path / "missing",
        tmp_path / "none*",
        [EXAMPLE, tmp_path / "missing"],
        tmp_path / "directory",
    ):
        log = surface.scan_maillog(path)
        with pytest.raises(InputError, match=str(tmp_path).replace("\\", ".")):
            log.collect(engine=engine)
    whole = os.urandom(100_000)
    bad = {"binary": b"MZ" + bytes(500)}
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        name, data = compress.__module__, compress(whole)
        bad[f"{name}-cut"] = data[: len(data) // 2]
        bad[f"{name}-broken"] = data[:200] + bytes(300) + data[500:]
    for name, data in bad.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(SmtpFastError, match=name):
            surface.scan_maillog(path).collect(engine=engine)


def test_a_line_that_is_not_understood_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"Nov 24 12:44:34 mx postfix/smtp[1]: 4F1B2C3D4E5: to=<a@b>, status=sent\n")
    [row] = surface.scan_maillog(path, year=2026).collect().to_dicts()
    assert row["event"] == "other"
    assert row["problem"]
    assert row["reason"] is None


# --- What is installed ------------------------------------------------------------------------


def test_without_polars_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.delitem(sys.modules, "smtpfast.polars")
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'smtpfast\[polars\]'") as raised:
        importlib.import_module("smtpfast.polars")
    assert raised.value.name == "polars"


def test_pyarrow_is_not_needed() -> None:
    pytest.importorskip("smtpfast._core.compiled_arrow")
    code = f"""
import sys
sys.modules["pyarrow"] = None
import polars as pl
from smtpfast import classify, diagnose
from smtpfast.polars import scan_maillog
for dtype in (pl.String, pl.Categorical):
    series = pl.Series("reply", {CELLS!r}, dtype)
    lazy = series.to_frame().lazy().select(pl.col("reply").smtp.diagnose(["text", "reason"]))
    for cell, row in zip(series, lazy.collect(engine="streaming")["reply"], strict=True):
        if cell is None:
            assert row is None
        else:
            assert row == {{"text": classify(cell).text, "reason": diagnose(cell).reason}}
assert len(scan_maillog({str(EXAMPLE)!r}).collect()) == {len(records(EXAMPLE))}
"""
    environment = {**os.environ, "SMTPFAST_BACKEND": "compiled"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()


# --- The expressions that Polars calls by itself --------------------------------------------


@pytest.mark.skipif(BACKEND != "compiled", reason="the pure core has no symbols")
@pytest.mark.parametrize("engine", ENGINES)
def test_without_python_the_answers_are_the_same(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert surface._has_plugin(), "this Polars does not take the symbols any more"
    made = frame_of_all_types()
    wanted = [
        getattr(pl.col(name).smtp, field)().alias(f"{name} {field}")
        for name in made.columns
        for field in ("code", "enhanced", "reason", "disposition")
    ]
    native = made.lazy().select(wanted)
    assert "smtp_reason" in native.explain(optimized=False)
    found = native.collect(engine=engine)
    monkeypatch.setattr(surface, "_has_plugin", lambda: False)
    by_python = made.lazy().select(wanted)
    assert "smtp_reason" not in by_python.explain(optimized=False)
    assert found.schema == by_python.collect_schema()
    assert found.equals(by_python.collect(engine=engine))


def frame_of_all_types() -> pl.DataFrame:
    """Replies and nulls of every type that is taken, in several chunks."""
    texts = CELLS * 3
    words = pl.Series(texts, dtype=pl.String)
    words = pl.concat([words[:7], words[:0], words[7:]], rechunk=False)
    columns = [
        words.alias("String"),
        words.cast(pl.Binary).alias("Binary"),
        words.cast(pl.Categorical).alias("Categorical"),
        words.cast(pl.Enum(words.drop_nulls().unique(maintain_order=True))).alias("Enum"),
    ]
    return pl.DataFrame(columns)[3:]
