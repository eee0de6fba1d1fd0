"""Measures the engines beside their rivals: python benchmarks/engines.py.

Replies are drawn in the mix of meaning.py, but shorter, and what the scalar functions say of each
is counted; every answer is checked against that before the clock starts, and the ways of a case
take turns, as in ratios.py. Polars, DuckDB and Spark take the threads that there are, unless a way
says otherwise; our own calls take one, unless an engine makes them in several.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import random
import shutil
import sys
import tempfile
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from importlib import import_module
from itertools import accumulate, chain
from operator import eq, getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any

import logrivals
from biglog import BigLog, Template, write_log
from cases import SEED, Case, Way, absent, load
from logs import by_way, read
from meaning import SHARE_OF_FAILURES, TAKEN, PatternRules, failures
from ratios import Figure, Target, circumstances, compare, measure, table, version_of
from smtpfast import BACKEND, arrow, classify, classify_many, diagnose
from smtpfast.rules import default_ruleset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

duckdb = load("duckdb", "duckdb is not installed")
pandas = load("pandas", "pandas is not installed")
polars = load("polars", "polars is not installed")
pyarrow = load("pyarrow", "pyarrow is not installed")
compute = load("pyarrow.compute", "pyarrow is not installed")
parquet = load("pyarrow.parquet", "pyarrow is not installed")
pyspark = load("pyspark", "pyspark is not installed")

# How many replies have a code and an enhanced one.
Outcomes = Counter[tuple[int, str | None]]


def surface(engine: str) -> Any:
    """Our module for an engine; or None, and a note."""
    return load(f"smtpfast.{engine}", f"smtpfast.{engine} cannot be had here")


# --- Replies --------------------------------------------------------------------------------

# How often each of TAKEN is drawn here, so that a reply has 74 octets on average.
TIMES_TAKEN = (55, 33, 4, 5, 3)
BATCH = 250_000


@cache
def templates() -> tuple[list[Template], list[float]]:
    """Replies about nobody yet, and their weights, which add up."""
    of_failure = SHARE_OF_FAILURES / len(failures())
    of_taken = (1 - SHARE_OF_FAILURES) / sum(TIMES_TAKEN)
    weights = [of_failure] * len(failures()) + [times * of_taken for times in TIMES_TAKEN]
    return [Template(line.decode()) for line in (*failures(), *TAKEN)], [*accumulate(weights)]


def drawn(rows: int) -> Iterator[list[str]]:
    """So many replies in batches, each with other addresses, names and numbers."""
    rng = random.Random(SEED)
    some, weights = templates()
    for start in range(0, rows, BATCH):
        count = min(BATCH, rows - start)
        numbers = [rng.getrandbits(64) for _ in range(count)]
        yield [
            template.about(
                f"user{number % 10**6}@host{(number >> 20) % 10**4}.example",
                f"198.51.100.{number >> 56}",
                f"{number:016x}",
            )
            for template, number in zip(
                rng.choices(some, cum_weights=weights, k=count), numbers, strict=True
            )
        ]


@dataclass(frozen=True)
class Inputs:
    """What is asked for, where files may lie, and what is to be closed at the end."""

    rows: int
    spark_rows: int
    megabytes: float
    directory: Path
    opened: ExitStack


@dataclass
class Expected:
    """What is in some replies, counted by the scalar functions one by one."""

    rows: int = 0
    octets: int = 0
    letters_of_text: int = 0
    outcomes: Outcomes = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, texts: Sequence[str]) -> None:
        self.rows += len(texts)
        self.octets += sum(len(text.encode()) for text in texts)
        lines = [*map(classify, texts)]
        self.letters_of_text += sum(len(line.text) for line in lines)
        pairs = Counter((line.code, line.enhanced) for line in lines)
        for (code, enhanced), count in pairs.items():
            self.outcomes[code, str(enhanced) if enhanced else None] += count
        self.reasons.update(str(diagnosis.reason) for diagnosis in map(diagnose, texts))

    @property
    def codes(self) -> Counter[int]:
        found: Counter[int] = Counter()
        for (code, _), count in self.outcomes.items():
            found[code] += count
        return found


@cache
def replies(rows: int) -> tuple[list[str], Expected]:
    texts = [*chain.from_iterable(drawn(rows))]
    expected = Expected()
    expected.add(texts)
    return texts, expected


# --- What an answer says --------------------------------------------------------------------


def plain(column: Any) -> Any:
    """A column that pyarrow can group by: not of views, nor of a dictionary."""
    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        parts = [plain(chunk.dictionary).take(chunk.indices) for chunk in column.chunks]
        return pyarrow.chunked_array(parts, None if parts else pyarrow.string())
    return column.cast(pyarrow.large_string()) if pyarrow.types.is_string_view(kind) else column


def counted(answer: Any, *names: str) -> Counter[Any]:
    """How often each row of these columns is there, of anything that speaks Arrow."""
    rows = pyarrow.table(answer)
    columns = pyarrow.table([plain(rows.column(name)) for name in names], names=[*names])
    found = columns.group_by([*names]).aggregate([([], "count_all")]).to_pydict()
    keys = found[names[0]] if len(names) == 1 else zip(*map(found.get, names), strict=True)
    return Counter(dict(zip(keys, found["count_all"], strict=True)))


def codes_in(counts: Iterable[tuple[Any, int]]) -> Counter[int]:
    """By number, of those that may be texts."""
    return Counter({int(code): count for code, count in counts})


def has_codes(answer: Any, expected: Expected) -> bool:
    return codes_in(counted(answer, "code").items()) == expected.codes


def has_outcomes(answer: Any, expected: Expected) -> bool:
    """Where a text is empty for some rivals, there is none."""
    found = counted(answer, "code", "enhanced").items()
    pairs = Counter({(int(code), enhanced or None): count for (code, enhanced), count in found})
    return pairs == expected.outcomes


def has_texts(answer: Any, expected: Expected) -> bool:
    rows = pyarrow.table(answer)
    letters = compute.sum(compute.utf8_length(rows["text"])).as_py()
    return has_outcomes(rows, expected) and letters == expected.letters_of_text


def has_reasons(answer: Any, expected: Expected) -> bool:
    """And the outcomes, where all was asked for."""
    rows = pyarrow.table(answer)
    is_right = counted(rows, "reason") == expected.reasons
    return is_right and ("code" not in rows.column_names or has_outcomes(rows, expected))


def columns_way(
    who: str,
    function: Callable[[Any], Any],
    given: Any,
    is_right: Callable[[Any, Expected], bool],
    expected: Expected,
) -> Way:
    """A way that takes a column, a frame or a connection, and answers for each of its replies."""
    return Way(
        who,
        "f(x)",
        partial(is_right, expected=expected),
        {"f": function, "x": given},
        size=str(expected.rows),
        calls=1,
    )


# --- Arrow ----------------------------------------------------------------------------------

CODE_PATTERN = r"^([0-9]{3})"
NAMED_CODE = r"^(?P<code>[0-9]{3})"
ENHANCED_PATTERN = r"^[0-9]{3}[ -]([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)"
BOTH_PATTERN = r"^(?P<code>[0-9]{3})(?:[ -](?P<enhanced>[245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$))?"

CODE = "Arrow, the code"
OUTCOME = "Arrow, all but text and meaning"
TEXT = "Arrow, all but meaning"
MEANING = "Arrow, all with the meaning"
DICTIONARY = "Arrow, a dictionary of replies, each 25 times, {}"
HALVES = "Arrow, two halves, {}"
THREADS = "What two threads give here: SHA-256 of two halves of 200 MB"

OURS = "ours, of pyarrow's utf8"
OF_VIEWS = "ours, of a Polars Series"
EXTRACT = "Polars: extract"
HEAD = "Polars: head(3), cast"
TWO_EXTRACTS = "Polars: two times extract"
ONE_EXTRACT = "Polars: extract_groups"
ONE_THREAD = "one thread"
TWO_THREADS = "two threads"
TIMES_IN_DICTIONARY = 25
WITH_TEXT = (*arrow.CLASSIFY_FIELDS, "text")


def code_by_head() -> Any:
    return polars.col("reply").str.head(3).cast(polars.Int16, strict=False).alias("code")


def code_by_extract() -> Any:
    return polars.col("reply").str.extract(CODE_PATTERN).alias("code")


def two_extracts() -> list[Any]:
    return [
        code_by_extract(),
        polars.col("reply").str.extract(ENHANCED_PATTERN).alias("enhanced"),
    ]


def selected(*expressions: Any) -> Callable[[Any], Any]:
    return lambda frame: frame.select(*expressions)


def streamed(*expressions: Any) -> Callable[[Any], Any]:
    return lambda frame: frame.lazy().select(*expressions).collect(engine="streaming")


def extracted_in_groups(frame: Any) -> Any:
    return frame.select(polars.col("reply").str.extract_groups(BOTH_PATTERN)).unnest("reply")


def code_by_pyarrow(column: Any) -> Any:
    """The fastest of its ways: octets are sliced without a look at what letters they are."""
    octets = compute.binary_slice(column.cast(pyarrow.binary()), 0, 3)
    return pyarrow.table({"code": octets.cast(pyarrow.string()).cast(pyarrow.int16())})


def extracted_by_pyarrow(column: Any, pattern: str) -> Any:
    found = compute.extract_regex(column, pattern)
    return pyarrow.RecordBatch.from_struct_array(found)


def asked_of_duckdb(columns: str) -> Callable[[Any], Any]:
    return lambda connection: pyarrow.table(connection.sql(f"select {columns} from replies"))


SQL_HEAD = "try_cast(left(reply, 3) as smallint) code"
SQL_EXTRACT = f"regexp_extract(reply, '{CODE_PATTERN}') code"
SQL_BOTH = f"unnest(regexp_extract(reply, '{BOTH_PATTERN}', ['code', 'enhanced']))"


def arrow_cases(inputs: Inputs) -> list[Case]:
    if not pyarrow:
        return []
    texts, expected = replies(inputs.rows)
    column = pyarrow.array(texts)
    # Who asks, what for, and of what.
    codes: list[tuple[str, Callable[[Any], Any], Any]] = [
        (OURS, partial(arrow.classify, fields=("code",)), column),
        ("pyarrow: binary_slice, cast", code_by_pyarrow, column),
        ("pyarrow: extract_regex", partial(extracted_by_pyarrow, pattern=NAMED_CODE), column),
    ]
    outcomes: list[tuple[str, Callable[[Any], Any], Any]] = [
        (OURS, arrow.classify, column),
        ("pyarrow: extract_regex", partial(extracted_by_pyarrow, pattern=BOTH_PATTERN), column),
    ]
    meanings: list[tuple[str, Callable[[Any], Any], Any]] = [
        (OURS, arrow.diagnose, column),
        (f"{OURS}, the reason alone", partial(arrow.diagnose, fields=("reason",)), column),
    ]
    with_text = [(OURS, partial(arrow.classify, fields=WITH_TEXT), column)]
    if polars:
        frame = polars.DataFrame({"reply": texts})
        series = frame["reply"]
        codes[1:1] = [
            (OF_VIEWS, partial(arrow.classify, fields=("code",)), series),
            (EXTRACT, selected(code_by_extract()), frame),
            (f"{EXTRACT}, cast", selected(code_by_extract().cast(polars.Int16)), frame),
            (f"{EXTRACT}, streaming", streamed(code_by_extract()), frame),
            (HEAD, selected(code_by_head()), frame),
            (f"{HEAD}, streaming", streamed(code_by_head()), frame),
        ]
        outcomes[1:1] = [
            (OF_VIEWS, arrow.classify, series),
            (TWO_EXTRACTS, selected(*two_extracts()), frame),
            (f"{TWO_EXTRACTS}, streaming", streamed(*two_extracts()), frame),
            (ONE_EXTRACT, extracted_in_groups, frame),
            (
                "Polars: head(3), cast, and extract",
                selected(code_by_head(), two_extracts()[1]),
                frame,
            ),
        ]
        meanings.append((OF_VIEWS, arrow.diagnose, series))
        with_text.append((OF_VIEWS, partial(arrow.classify, fields=WITH_TEXT), series))
    if duckdb:
        connection = duckdb.connect()
        connection.register("replies", pyarrow.table({"reply": column}))
        codes += [
            ("DuckDB: try_cast(left(…))", asked_of_duckdb(SQL_HEAD), connection),
            ("DuckDB: regexp_extract", asked_of_duckdb(SQL_EXTRACT), connection),
        ]
        outcomes.append(("DuckDB: regexp_extract", asked_of_duckdb(SQL_BOTH), connection))
    return [
        Case(name, [columns_way(*way, is_right, expected) for way in ways])
        for name, ways, is_right in (
            (CODE, codes, has_codes),
            (OUTCOME, outcomes, has_outcomes),
            (TEXT, with_text, has_texts),
            (MEANING, meanings, has_reasons),
        )
    ] + [
        *dictionary_cases(texts),
        *(
            halves_case(what, function, column, is_right, expected)
            for what, function, is_right in (
                ("classify", arrow.classify, has_outcomes),
                ("diagnose", arrow.diagnose, has_reasons),
            )
        ),
        threads_case(),
    ]


def dictionary_cases(texts: list[str]) -> list[Case]:
    some = texts[: len(texts) // TIMES_IN_DICTIONARY]
    indexes = random.Random(SEED).choices(range(len(some)), k=len(texts))
    expected = Expected()
    expected.add([some[index] for index in indexes])
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array(indexes, pyarrow.int32()), some)
    as_utf8 = column.cast(pyarrow.string())
    return [
        Case(
            DICTIONARY.format(what),
            [
                columns_way("ours, of the dictionary", function, column, is_right, expected),
                columns_way("ours, of the same as utf8", function, as_utf8, is_right, expected),
            ],
        )
        for what, function, is_right in (
            ("the code", partial(arrow.classify, fields=("code",)), has_codes),
            ("classify", arrow.classify, has_outcomes),
            ("diagnose", arrow.diagnose, has_reasons),
        )
    ]


def halves_case(
    what: str,
    function: Callable[[Any], Any],
    column: Any,
    is_right: Callable[[Any, Expected], bool],
    expected: Expected,
) -> Case:
    """The same work in one thread and in two, for each half of a column."""
    middle = len(column) // 2

    def whole_is_right(answers: list[Any], expected: Expected) -> bool:
        tables = [pyarrow.table(answer) for answer in answers]
        return is_right(pyarrow.concat_tables(tables), expected)

    return Case(
        HALVES.format(what),
        [
            columns_way(
                who,
                lambda halves, each=each: [*each(function, halves)],
                [column[:middle], column[middle:]],
                whole_is_right,
                expected,
            )
            for who, each in ((TWO_THREADS, two_threads().map), (ONE_THREAD, map))
        ],
    )


@cache
def two_threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2)


def threads_case() -> Case:
    """Work that never waits for the memory or the GIL: no more than this can be had of threads."""
    halves = [bytes(100_000_000)] * 2
    digests = [hashlib.sha256(half).digest() for half in halves]
    return Case(
        THREADS,
        [
            Way(
                who,
                "[half.digest() for half in each(f, x)]",
                partial(eq, digests),
                {"f": hashlib.sha256, "x": halves, "each": each},
                size="sum(map(len, x))",
                calls=1,
            )
            for who, each in ((TWO_THREADS, two_threads().map), (ONE_THREAD, map))
        ],
        unit="GB/s",
    )


# --- Lists ----------------------------------------------------------------------------------

LISTS = (10_000, 1_000_000)
# A short list is handled so often in a round that so many lines are timed.
LEAST_TIMED = 500_000
MANY = "A list of {:,} str"
NO_OP_AND_RESULT = "a no-op for each, and the result"
THREE_NO_OPS_AND_RESULT = "three no-ops for each, and the result"


def no_ops(items: list[Any]) -> None:
    """Call for each item, from C, the cheapest builtin that does nothing."""
    deque(map(callable, items), 0)


def list_case(texts: list[str]) -> Case:
    """`classify_many`, a no-op for each item, and the least that making the same result takes.

    That least is all in C, as the no-op is: a new text is cut from each line and put into a new
    tuple, beside a code, a status and an enhanced code that were there before. A ReplyLine can be
    had of builtins too, but takes them longer.
    """
    expected = [*map(classify, texts)]
    codes, statuses, are_last, enhanced, rests = map(list, zip(*expected, strict=True))
    cuts = [slice(len(text) - len(rest), None) for text, rest in zip(texts, rests, strict=True)]

    def result(lines: list[str]) -> list[tuple[Any, ...]]:
        rests = map(getitem, lines, cuts)
        return [*zip(codes, statuses, are_last, enhanced, rests, strict=True)]

    def with_no_ops(lines: list[str], times: int) -> list[tuple[Any, ...]]:
        for _ in range(times):
            no_ops(lines)
        return result(lines)

    ways: dict[str, tuple[Callable[[list[str]], Any], Any]] = {
        "classify_many": (classify_many, expected),
        "[classify(line) for line in lines]": (
            lambda lines: [classify(line) for line in lines],
            expected,
        ),
        NO_OP_AND_RESULT: (partial(with_no_ops, times=1), expected),
        THREE_NO_OPS_AND_RESULT: (partial(with_no_ops, times=3), expected),
        "a no-op for each": (no_ops, None),
    }
    count = len(texts)
    return Case(
        MANY.format(count),
        [
            Way(
                who,
                "f(x)",
                partial(eq, answer),
                {"f": function, "x": texts, "freeze": gc.freeze},
                # Or the collector looks through all that the benchmark has made so far.
                setup="freeze()",
                size=str(count),
                calls=max(LEAST_TIMED // count, 1),
            )
            for who, (function, answer) in ways.items()
        ],
    )


def list_cases(inputs: Inputs) -> list[Case]:
    texts, _ = replies(inputs.rows)
    return [
        list_case(texts[:count]) for count in dict.fromkeys(min(each, len(texts)) for each in LISTS)
    ]


# --- Polars ---------------------------------------------------------------------------------

NAMESPACE = "Polars, {}"
SELECT = "select of the expression"
CALL = "the Arrow call on its Series"


def polars_cases(inputs: Inputs) -> list[Case]:
    if not polars or not pyarrow or not surface("polars"):
        return []
    texts, expected = replies(inputs.rows)
    frame = polars.DataFrame({"reply": texts})
    reply = polars.col("reply").smtp
    cases = []
    for name, expression, call, is_right in (
        ("code", reply.code(), partial(arrow.classify, fields=("code",)), has_codes),
        ("reason", reply.reason(), partial(arrow.diagnose, fields=("reason",)), has_reasons),
        ("classify", reply.classify(), arrow.classify, has_outcomes),
        ("diagnose", reply.diagnose(), arrow.diagnose, has_reasons),
    ):
        select, stream = (make(expression.alias("said")) for make in (selected, streamed))
        check = partial(said_is_right, name=name, is_right=is_right)
        cases.append(
            Case(
                NAMESPACE.format(f".smtp.{name}()"),
                [
                    columns_way(SELECT, select, frame, check, expected),
                    columns_way(f"{SELECT}, streaming", stream, frame, check, expected),
                    columns_way(CALL, call, frame["reply"], is_right, expected),
                    columns_way(
                        f"{CALL}, as a DataFrame",
                        lambda series, call=call: polars.DataFrame(call(series)),
                        frame["reply"],
                        is_right,
                        expected,
                    ),
                ],
            )
        )
    return cases


def said_is_right(
    frame: Any, expected: Expected, name: str, is_right: Callable[[Any, Expected], bool]
) -> bool:
    """Of the one column that was made: a struct, or what its name says."""
    is_struct = frame.schema["said"] == polars.Struct
    return is_right(frame.unnest("said") if is_struct else frame.rename({"said": name}), expected)


# --- Streams --------------------------------------------------------------------------------

STREAM = "DuckDB to pyarrow, (id, reply), drained"
THROUGH = "through stream()"
THROUGH_TWO = "through stream(), code and category"
STRAIGHT = "straight"
SHARE_OF_STREAM = 0.6  # 3 of 5 million


def drain(source: Any) -> int:
    """Let go of each batch when it has been counted."""
    return sum(len(batch) for batch in pyarrow.RecordBatchReader.from_stream(source))


def stream_cases(inputs: Inputs) -> list[Case]:
    if not duckdb or not pyarrow:
        return []
    rows = int(SHARE_OF_STREAM * inputs.rows)
    texts, expected = replies(rows)
    connection = duckdb.connect()
    connection.register("made", pyarrow.table({"id": range(rows), "reply": texts}))
    connection.execute("create table replies as from made")
    connection.unregister("made")

    def passes(make: Callable[[], Any]) -> bool:
        """All rows, in their order and untouched, and what is appended is right."""
        found = pyarrow.table(make())
        return found["reply"].to_pylist() == texts and found["id"].to_pylist() == [*range(rows)]

    def relation() -> Any:
        return connection.sql("from replies")

    def through(fields: tuple[str, ...]) -> Any:
        return arrow.stream(relation(), "reply", fields=fields)

    return [
        Case(
            STREAM,
            [
                Way(
                    who,
                    "f(make())",
                    # A way's answer is a number; what else goes through, another run says.
                    lambda count, make=make, is_right=is_right: (
                        count == rows and passes(make) and is_right(make(), expected)
                    ),
                    {"f": drain, "make": make},
                    size=str(rows),
                    calls=1,
                )
                for who, make, is_right in (
                    (THROUGH, partial(through, arrow.CLASSIFY_FIELDS), has_outcomes),
                    (THROUGH_TWO, partial(through, ("code", "category")), has_codes),
                    ("through stream(), the reason", partial(through, ("reason",)), has_reasons),
                    (STRAIGHT, relation, lambda _, expected: True),
                )
            ],
        )
    ]


# --- DuckDB ---------------------------------------------------------------------------------


def rows_in(columns: str) -> Callable[[Any], Any]:
    """What DuckDB says when it groups by a column."""
    return lambda connection: connection.sql(
        f"select {columns}, count(*) from replies group by all"
    ).fetchall()


def grouped_through_arrow(connection: Any, field: str) -> list[Any]:
    result = arrow.diagnose(  # noqa: F841 (DuckDB finds it by its name)
        connection.sql("select reply from replies"), "reply", fields=(field,)
    )
    return connection.sql(f"select {field}, count(*) from result group by all").fetchall()


def duckdb_cases(inputs: Inputs) -> list[Case]:
    ours = surface("duckdb") if duckdb and pyarrow else None
    if not ours:
        return []
    texts, expected = replies(inputs.rows)
    connection = duckdb.connect()
    connection.register("made", pyarrow.table({"reply": texts}))
    connection.execute("create table replies as from made")
    connection.unregister("made")
    ours.register(connection)
    through_arrow = "through Arrow"
    cases = {
        "DuckDB, group by code": (
            {
                through_arrow: partial(grouped_through_arrow, field="code"),
                "smtp_code": rows_in("smtp_code(reply)"),
                "regexp_extract": rows_in(SQL_EXTRACT),
                "try_cast(left(…))": rows_in(SQL_HEAD),
            },
            lambda rows, expected: codes_in(rows) == expected.codes,
        ),
        "DuckDB, group by reason": (
            {
                through_arrow: partial(grouped_through_arrow, field="reason"),
                "smtp_reason": rows_in("smtp_reason(reply)"),
            },
            lambda rows, expected: Counter(dict(rows)) == expected.reasons,
        ),
    }
    return [
        Case(
            name,
            [
                columns_way(who, function, connection, is_right, expected)
                for who, function in functions.items()
            ],
        )
        for name, (functions, is_right) in cases.items()
    ]


# --- pandas ---------------------------------------------------------------------------------


def pandas_cases(inputs: Inputs) -> list[Case]:
    if not pandas or not pyarrow or not surface("pandas"):
        return []
    texts, expected = replies(inputs.rows)
    series = pandas.Series(texts)
    # Before pandas 3 they are objects in any case.
    objects = series.astype(object)

    def ways(is_right: Callable[[Any, Expected], bool], functions: dict[str, Any]) -> list[Way]:
        return [
            columns_way(who, function, given, is_right, expected)
            for who, (function, given) in functions.items()
        ]

    return [
        Case(
            "pandas, the code",
            ways(
                lambda answer, expected: has_codes(answer.to_frame("code"), expected),
                {
                    ".smtp.code()": (lambda cells: cells.smtp.code(), series),
                    ".smtp.code() of objects": (lambda cells: cells.smtp.code(), objects),
                    ".str.slice(0, 3).astype": (
                        lambda cells: cells.str.slice(0, 3).astype("int16"),
                        series,
                    ),
                    ".str.extract": (
                        lambda cells: cells.str.extract(CODE_PATTERN, expand=False),
                        series,
                    ),
                },
            ),
        ),
        Case(
            "pandas, all but text and meaning",
            ways(
                has_outcomes,
                {
                    ".smtp.classify()": (lambda cells: cells.smtp.classify(), series),
                    ".str.extract": (lambda cells: cells.str.extract(BOTH_PATTERN), series),
                },
            ),
        ),
        Case(
            "pandas, all with the meaning",
            ways(
                has_reasons,
                {
                    ".smtp.diagnose()": (lambda cells: cells.smtp.diagnose(), series),
                    ".smtp.reason()": (
                        lambda cells: cells.smtp.reason().to_frame("reason"),
                        series,
                    ),
                },
            ),
        ),
    ]


# --- Spark ----------------------------------------------------------------------------------

REPLIES = "Spark, replies from Parquet"
MAIL_LOG = "Spark, status, dsn and code of a log"

REASON = "group by diagnose: reason"
REASON_OF_ALL = "group by diagnose: reason, all fields asked for"
BY_PATTERNS = "group by the rules as re patterns, Python UDF, 1 row of {:,}"
CODE_IN_SPARK = "group by classify: code"
TRANSPORT = "group by an Arrow UDF that answers null"
SCAN = "sum(octet_length)"
SUBSTRING = "group by Spark's substring, cast"
KERNEL = "diagnose: reason, without Spark, one thread"
OURS_OF_LOG = 'format("maillog")'
TEXT_OF_LOG = "read.text, filter, regexp_extract"
# The patterns take some hundred times as long; of what a job costs anyway a row has more, then.
ROWS_FOR_ONE = 500
# So that both processors have some of the few rows too.
FILES_OF_FEW = 2

SPARK_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
    # Small parts, so that no processor has to wait long for what the other has left.
    "spark.sql.files.maxPartitionBytes": "32m",
}


@contextmanager
def session(directory: Path) -> Iterator[Any]:
    """A session on two processors, whose workers run this Python and find this module."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    before = dict(os.environ)
    places = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ |= {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(places),
    }
    builder = SparkSession.builder.master("local[2]").config(map=SPARK_SETTINGS)
    builder = builder.config("spark.sql.warehouse.dir", str(directory / "warehouse"))
    try:
        spark = builder.getOrCreate()
        gateway: Any = SparkContext._gateway
        try:
            yield spark
        finally:
            spark.stop()
            gateway.shutdown()
            gateway.proc.stdin.close()
            gateway.proc.wait(60)
    finally:
        os.environ.clear()
        os.environ.update(before)


def spark_cases(inputs: Inputs) -> list[Case]:
    java = os.environ.get("JAVA_HOME")
    if not shutil.which("java") and not (java and Path(java, "bin", "java").exists()):
        absent.append("Java is not installed: Spark left out")
        return []
    if not pyspark or not pyarrow or not surface("spark"):
        return []
    spark = inputs.opened.enter_context(session(inputs.directory))
    surface("spark").register(spark)
    return [replies_in_spark(spark, inputs), log_in_spark(spark, inputs)]


def written(rows: int, path: Path) -> Expected:
    """Replies in a Parquet file."""
    expected = Expected()
    schema = pyarrow.schema({"reply": pyarrow.string()})
    with parquet.ParquetWriter(path, schema) as writer:
        for texts in drawn(rows):
            expected.add(texts)
            writer.write_table(pyarrow.table({"reply": texts}, schema))
    return expected


@cache
def pattern_rules() -> PatternRules:
    return PatternRules(default_ruleset())


def reason_by_patterns(reply: str) -> str:
    return str(pattern_rules().reason(classify(reply)))


def patterns_agree(rows: dict[str, int], expected: Expected) -> bool:
    """The patterns see host names as words, so they may differ now and then (see meaning.py)."""
    found, reasons = Counter(rows), Counter(expected.reasons)
    are_accepted = found.pop("accepted") == reasons.pop("accepted")
    return are_accepted and (found & reasons).total() >= 0.85 * reasons.total()


def replies_in_spark(spark: Any, inputs: Inputs) -> Case:
    functions = import_module("pyspark.sql.functions")
    types = import_module("pyspark.sql.types")
    said = surface("spark")
    path = inputs.directory / "replies.parquet"
    expected = written(inputs.spark_rows, path)
    few = inputs.directory / "few_replies.parquet"
    few.mkdir(exist_ok=True)
    few_texts, expected_of_few = replies(max(inputs.spark_rows // ROWS_FOR_ONE, FILES_OF_FEW))
    for number in range(FILES_OF_FEW):
        texts = few_texts[number::FILES_OF_FEW]
        parquet.write_table(pyarrow.table({"reply": texts}), few / f"{number}.parquet")
    source, few_source = (spark.read.parquet(str(each)) for each in (path, few))

    def grouped(column: Any, rows: Any = source) -> dict[Any, int]:
        return dict(rows.groupBy(column.alias("key")).count().collect())

    by_patterns = functions.udf(
        # By name, for a worker finds this module, but not what it is as a program.
        lambda reply: import_module("engines").reason_by_patterns(reply),
        types.StringType(),
    )
    nulls = functions.arrow_udf(
        lambda texts: pyarrow.nulls(len(texts), pyarrow.int16()), types.ShortType()
    )
    reply = functions.col("reply")
    keys: dict[str, tuple[Callable[[], Any], Callable[[Any, Expected], bool]]] = {
        REASON: (lambda: said.diagnose(reply, fields=("reason",))["reason"], reasons_are_right),
        REASON_OF_ALL: (lambda: said.diagnose(reply)["reason"], reasons_are_right),
        CODE_IN_SPARK: (lambda: said.classify(reply, fields=("code",))["code"], codes_are_right),
        "group by classify: code, all fields asked for": (
            lambda: said.classify(reply)["code"],
            codes_are_right,
        ),
        TRANSPORT: (
            lambda: nulls(reply),
            lambda rows, expected: rows == {None: expected.rows},
        ),
        SUBSTRING: (lambda: functions.substring(reply, 1, 3).cast("smallint"), codes_are_right),
        "group by Spark's regexp_extract": (
            lambda: functions.regexp_extract(reply, CODE_PATTERN, 1),
            codes_are_right,
        ),
    }
    ways = [
        columns_way(who, lambda _, key=key: grouped(key()), None, is_right, expected)
        for who, (key, is_right) in keys.items()
    ]

    def total() -> int:
        length = functions.sum(functions.octet_length(reply))
        return source.select(length).collect()[0][0]

    some, expected_of_some = replies(min(inputs.spark_rows, BATCH))
    ways += [
        columns_way(
            SCAN,
            lambda _: total(),
            None,
            lambda octets, expected: octets == expected.octets,
            expected,
        ),
        Way(
            BY_PATTERNS.format(ROWS_FOR_ONE),
            "f(x)",
            partial(patterns_agree, expected=expected_of_few),
            {"f": partial(grouped, by_patterns(reply)), "x": few_source},
            # Spark ends workers that wait; new ones have to make the patterns first.
            setup="f(x)",
            size=str(expected_of_few.rows),
            calls=1,
        ),
        columns_way(
            KERNEL,
            partial(arrow.diagnose, fields=("reason",)),
            pyarrow.array(some),
            has_reasons,
            expected_of_some,
        ),
    ]
    return Case(REPLIES, ways)


def reasons_are_right(rows: dict[str, int], expected: Expected) -> bool:
    return rows == expected.reasons


def codes_are_right(rows: dict[Any, int], expected: Expected) -> bool:
    return codes_in(rows.items()) == expected.codes


def triples(log: BigLog) -> Counter[tuple[str, str, int | None]]:
    """How many deliveries have a status, a dsn and a code; the first and last as was counted."""
    columns = read(log.path, diagnose=False)
    names = ("event", "status", "dsn", "code")
    rows: Iterable[Any] = zip(*map(columns.column, names), strict=True)
    found = Counter(row[1:] for row in rows if row[0] == "delivery")
    outcomes: Counter[tuple[str, int | None]] = Counter()
    for (status, _, code), count in found.items():
        outcomes[status, code] += count
    if outcomes != log.outcomes:
        raise RuntimeError(f"{log.path}: a wrong answer: {outcomes}")
    return found


def log_in_spark(spark: Any, inputs: Inputs) -> Case:
    functions = import_module("pyspark.sql.functions")
    log = write_log("postfix", inputs.directory, inputs.megabytes)
    expected = triples(log)

    def ours(path: Path) -> Any:
        wanted = "event string, status string, dsn string, code smallint"
        records = spark.read.format("maillog").schema(wanted).load(str(path))
        return records.where("event = 'delivery'").groupBy("status", "dsn", "code").count()

    def by_text(path: Path, *, is_filtered: bool) -> Any:
        lines = spark.read.text(str(path))
        if is_filtered:
            lines = lines.where(functions.col("value").contains(" status="))
        columns = [
            functions.regexp_extract("value", pattern, 1).alias(name)
            for name, pattern in (
                ("status", logrivals.STATUS),
                ("dsn", r", dsn=([0-9.]+)"),
                ("code", logrivals.CODE),
            )
        ]
        return lines.select(*columns).groupBy("status", "dsn", "code").count()

    def is_right(rows: list[Any]) -> bool:
        return (
            Counter(
                {
                    (status, dsn or None, int(code) if code else None): count
                    for status, dsn, code, count in rows
                    if status  # those that are no deliveries, where nothing was filtered
                }
            )
            == expected
        )

    return Case(
        MAIL_LOG,
        [
            Way(
                who,
                "f(x).collect()",
                is_right,
                {"f": frame, "x": log.path},
                size=str(log.size),
                calls=1,
            )
            for who, frame in (
                (OURS_OF_LOG, ours),
                (TEXT_OF_LOG, partial(by_text, is_filtered=True)),
                ("read.text, regexp_extract", partial(by_text, is_filtered=False)),
            )
        ],
        unit="MB/s",
    )


def substring_beside_classify(figures: list[Figure]) -> str:
    least = {figure.who: figure.min for figure in figures if figure.case == REPLIES}
    times = least[CODE_IN_SPARK] / least[SUBSTRING]
    return f"For the code alone, Spark's own substring is {times:.1f} times as fast as classify."


def cost_in_spark(figures: list[Figure]) -> list[list[str]]:
    """Where the time of a row goes: nanoseconds of one processor, of which Spark has two."""
    least = {figure.who: figure.min * 1e9 for figure in figures if figure.case == REPLIES}
    parts = {
        f"the scan, by {SCAN}": 2 * least[SCAN],
        "transport: to Python and back, without an answer": 2 * (least[TRANSPORT] - least[SCAN]),
        "the reason, and its way back": 2 * (least[REASON] - least[TRANSPORT]),
        "of which the kernel, as measured without Spark": least[KERNEL],
        "all fields instead of the reason": 2 * (least[REASON_OF_ALL] - least[REASON]),
    }
    return [[what, f"{nanoseconds:,.0f}"] for what, nanoseconds in parts.items()]


# --- What was promised ----------------------------------------------------------------------

GROUPS: dict[str, Callable[[Inputs], list[Case]]] = {
    "arrow": arrow_cases,
    "list": list_cases,
    "polars": polars_cases,
    "stream": stream_cases,
    "duckdb": duckdb_cases,
    "pandas": pandas_cases,
    "spark": spark_cases,
}


def targets(figures: list[Figure]) -> list[Target]:
    """Those whose two ways were measured."""
    promised = [
        *(
            target
            for ours in (OURS, OF_VIEWS)
            for target in (
                Target(CODE, ours, EXTRACT, faster=8),
                Target(CODE, ours, HEAD, faster=1),
                Target(OUTCOME, ours, TWO_EXTRACTS, faster=3),
                Target(OUTCOME, ours, ONE_EXTRACT, faster=3),
            )
        ),
        *(
            Target(HALVES.format(what), TWO_THREADS, ONE_THREAD, faster=1.7)
            for what in ("classify", "diagnose")
        ),
        *(
            target
            for case in dict.fromkeys(f.case for f in figures if f.who == NO_OP_AND_RESULT)
            for target in (
                Target(case, "classify_many", NO_OP_AND_RESULT, at_most=3),
                Target(case, "classify_many", THREE_NO_OPS_AND_RESULT, at_most=1),
            )
        ),
        *(
            Target(NAMESPACE.format(f".smtp.{name}()"), SELECT, CALL, at_most=1.3)
            for name in ("code", "reason", "classify", "diagnose")
        ),
        *(Target(STREAM, who, STRAIGHT, at_most=1.25) for who in (THROUGH, THROUGH_TWO)),
        *(
            Target(REPLIES, who, BY_PATTERNS.format(ROWS_FOR_ONE), faster=2)
            for who in (REASON, REASON_OF_ALL)
        ),
        Target(MAIL_LOG, OURS_OF_LOG, TEXT_OF_LOG, faster=1.3),
    ]
    measured = {(figure.case, figure.who) for figure in figures}
    return [
        target
        for target in promised
        if {(target.case, target.ours), (target.case, target.rival)} <= measured
    ]


def versions() -> dict[str, str]:
    names = ("pyarrow", "polars", "duckdb", "pandas", "pyspark")
    return {name: version_of(name) for name in names}


def chosen_groups(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in GROUPS:
            raise argparse.ArgumentTypeError(f"{name!r}: there are {', '.join(GROUPS)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000_000, help="default: %(default)s")
    parser.add_argument("--spark-rows", type=int, default=12_000_000, help="default: %(default)s")
    parser.add_argument(
        "--megabytes", type=float, default=500, help="of the log for Spark; default: %(default)s"
    )
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--directory",
        type=Path,
        help="where the log is, or is left, and replies in Parquet; default: for now only",
    )
    parser.add_argument(
        "--groups", type=chosen_groups, default=[*GROUPS], help=f"of {','.join(GROUPS)}"
    )
    arguments = parser.parse_args()
    for name, fact in (circumstances() | versions()).items():
        print(f"{name}: {fact}")
    if BACKEND != "compiled":
        parser.error("the pure core is not measured here: it takes hours")
    figures: list[Figure] = []
    with ExitStack() as opened:
        directory = arguments.directory or Path(opened.enter_context(tempfile.TemporaryDirectory()))
        directory.mkdir(parents=True, exist_ok=True)
        inputs = Inputs(
            arguments.rows, arguments.spark_rows, arguments.megabytes, directory, opened
        )
        for name in arguments.groups:
            print(f"making: {name}", file=sys.stderr)
            for case in GROUPS[name](inputs):
                print(f"measuring: {case.name}", file=sys.stderr)
                of_case = measure(case, 0, arguments.rounds)
                for figure in of_case:
                    print(f"  {figure.who}: {figure} {figure.unit}", file=sys.stderr)
                figures += of_case
    for note in dict.fromkeys(absent):
        print(note)
    print("\nThe best of all rounds, and the median in brackets; ns: for a reply.\n")
    rows = [[*asdict(compare(target, figures)).values()] for target in targets(figures)]
    print(table(["what", "ours", "rival", "ratio", "target", "reached"], rows))
    print()
    rows = by_way(figures)
    for row, figure in zip(rows, figures, strict=True):
        row[2] += f" {figure.unit}"
    print(table(["case", "who", "took", "the first is so many times as fast"], rows))
    if REPLIES in {figure.case for figure in figures}:
        print()
        head = ["Spark, the reason of a reply", "ns of one processor"]
        print(table(head, cost_in_spark(figures)))
        print()
        print(substring_beside_classify(figures))


if __name__ == "__main__":
    main()
