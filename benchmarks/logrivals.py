"""How others read the delivery lines of a log: the rivals of `logs.py`.

Each takes the path of a log; `counted_…` makes outcomes of its answer, for the check. What need not
be installed is imported where it is used, and so that a process may start without it.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from biglog import Outcomes

# What stands between a status and its code, as RE2 and Rust's regex have to be told it.
_HEAD = r"(?:(?:delivery temporarily suspended: )?host \S+ (?:said|refused to talk to me): )?"
STATUS = r", status=([A-Za-z-]+)"
CODE = rf", status=[A-Za-z-]+ \({_HEAD}([0-9]{{3}})[^0-9]"
ENHANCED = rf", status=[A-Za-z-]+ \({_HEAD}[0-9]{{3}}[ -]([245]\.[0-9]{{1,3}}\.[0-9]{{1,3}}) "


def run(*command: str | Path) -> str:
    """What a program prints, without a locale that would cost it time."""
    finished = subprocess.run(
        command, check=True, capture_output=True, env=os.environ | {"LC_ALL": "C"}
    )
    return finished.stdout.decode("utf-8", "replace")


def integer(code: str | None) -> int | None:
    return int(code) if code else None


# --- Programs -------------------------------------------------------------------------------

# A histogram of status, dsn and code.
MAWK = r"""
BEGIN {
  said = "^(delivery temporarily suspended: )?host [^ ]+ (said|refused to talk to me): "
  said = said "[0-9][0-9][0-9]"
}
/ status=/ {
  at = index($0, " dsn=")
  rest = substr($0, index($0, " status=") + 8)
  dsn = "-"
  if (at) { dsn = substr($0, at + 5, 12); sub(/,.*/, "", dsn) }
  match(rest, /^[A-Za-z-]+/)
  status = substr(rest, 1, RLENGTH)
  code = "-"
  words = substr(rest, RLENGTH + 3)
  if (match(words, /^[0-9][0-9][0-9][^0-9]/))
    code = substr(words, 1, 3)
  else if (match(words, said))
    code = substr(words, RLENGTH - 2, 3)
  count[status " " dsn " " code]++
}
END { for (key in count) print count[key], key }
"""


def mawk(path: Path) -> str:
    return run("mawk", MAWK, path)


def counted_by_mawk(printed: str) -> Outcomes:
    found: Outcomes = Counter()
    for line in printed.splitlines():
        count, status, _, code = line.split()
        found[status, integer(code.strip("-"))] += int(count)
    return found


def counted_by_pflogsumm(printed: str) -> dict[str, range]:
    """Its totals, each as what it may be: from 524,288 on they are written as 512k."""
    number = r"([0-9.]+)(k?) +"
    found = re.search(
        rf"{number}delivered\n.*\n.*deferred +\({number}deferrals\)\n *{number}bounced", printed
    )
    if not found:
        raise RuntimeError(f"pflogsumm: no totals: {printed:.200}")
    totals = {}
    for status, at in (("sent", 1), ("deferred", 3), ("bounced", 5)):
        unit = 1_024 if found[at + 1] else 1
        total = int(float(found[at]) * unit)
        totals[status] = range(total, total + unit)
    return totals


def counted_by_eximstats(printed: str) -> int:
    """The addresses to which mail was delivered."""
    found = re.search(r"\n  Delivered +\S+ +\d+ +(\d+)", printed)
    if not found:
        raise RuntimeError(f"eximstats: no totals: {printed:.200}")
    return int(found[1])


# --- Data frames ----------------------------------------------------------------------------


def _polars_lines(path: Path) -> Any:
    import polars

    lines = polars.scan_lines(path, name="line")
    return lines.filter(polars.col("line").str.contains(" status=", literal=True))


def polars_two_columns(path: Path) -> Any:
    """The fastest of its ways: line by line, the streaming engine, the literal first."""
    import polars

    line = polars.col("line")
    columns = _polars_lines(path).select(
        status=line.str.extract(STATUS), code=line.str.extract(CODE)
    )
    return columns.group_by("status", "code").len().collect(engine="streaming")


def polars_csv(path: Path) -> Any:
    """The same as one would write it who knows scan_csv and collect."""
    import polars

    lines = polars.scan_csv(
        path, has_header=False, separator="\1", quote_char=None, schema={"line": polars.String}
    )
    line = polars.col("line")
    columns = lines.select(status=line.str.extract(STATUS), code=line.str.extract(CODE))
    return columns.drop_nulls("status").group_by("status", "code").len().collect()


def counted_by_polars(frame: Any) -> Outcomes:
    return Counter({(status, integer(code)): count for status, code, count in frame.rows()})


def polars_parquet(path: Path) -> Path:
    """Eight columns to a Parquet file beside the log."""
    import polars

    line = polars.col("line")
    columns = _polars_lines(path).select(
        time=line.str.slice(0, 15),
        queue_id=line.str.extract(r"\]: ([0-9A-Za-z]+): "),
        recipient_domain=line.str.extract(r" to=<[^>]*@([^>@]+)>"),
        relay_host=line.str.extract(r", relay=([^\[,]+)"),
        dsn=line.str.extract(r", dsn=([0-9.]+)"),
        status=line.str.extract(STATUS),
        code=line.str.extract(CODE),
        enhanced=line.str.extract(ENHANCED),
    )
    written = path.with_suffix(".polars.parquet")
    columns.sink_parquet(written)
    return written


def counted_in_parquet(path: Path, filters: Any = None) -> Outcomes:
    """The outcomes in a file of which every row is a delivery, or is made so by filters."""
    read_table = import_module("pyarrow.parquet").read_table
    table = read_table(path, columns=["status", "code"], filters=filters).to_pydict()
    pairs = zip(table["status"], table["code"], strict=True)
    return Counter((status, integer(code)) for status, code in pairs)


def duckdb_two_columns(path: Path) -> list[tuple[str, str, int]]:
    import duckdb

    return (
        duckdb.connect()
        .execute(
            """
            SELECT regexp_extract(line, ?, 1), regexp_extract(line, ?, 1), count(*)
            FROM read_csv(?, columns = {'line': 'VARCHAR'}, delim = '\1', quote = '', escape = '',
                          header = false, auto_detect = false)
            WHERE contains(line, ' status=') GROUP BY ALL
            """,
            [STATUS, CODE, str(path)],
        )
        .fetchall()
    )


def counted_by_duckdb(rows: list[tuple[str, str, int]]) -> Outcomes:
    return Counter({(status, integer(code)): count for status, code, count in rows})


# --- CPython --------------------------------------------------------------------------------

DELIVERY = re.compile(
    rb"(?P<time>.{15}) \S+ [^\[]+\[[0-9]+\]: (?P<queue_id>[0-9A-Za-z]+): "
    rb"(?:to=<(?P<recipient>[^>]*)>,(?: orig_to=<[^>]*>,)?"
    rb" relay=(?P<relay_host>[^\[,]+)(?:\[(?P<relay_ip>[^\]]*)\](?::(?P<relay_port>[0-9]+))?)?,"
    rb"(?: conn_use=[0-9]+,)? delay=(?P<delay>[0-9.]+), delays=[^,]*, dsn=(?P<dsn>[0-9.]+), "
    rb"|from=<[^>]*>, )status=(?P<status>[A-Za-z-]+)"
    rb"(?: \((?P<text>" + _HEAD.encode() + rb"(?:(?P<code>[0-9]{3})(?![0-9])"
    rb"(?:[ -](?P<enhanced>[245]\.[0-9]{1,3}\.[0-9]{1,3}) )?)?.*)\)|, .*)$"
)


def re_loop(path: Path) -> list[tuple[bytes | None, ...]]:
    """All fields of the delivery lines, as a careful programmer would get them."""
    match = DELIVERY.match
    with path.open("rb") as lines:
        found = [match(line) for line in lines if b" status=" in line]
        return [each.groups() for each in found if each]


_STATUS_GROUP = DELIVERY.groupindex["status"] - 1
_CODE_GROUP = DELIVERY.groupindex["code"] - 1


def counted_by_re(rows: list[tuple[bytes | None, ...]]) -> Outcomes:
    pairs = ((row[_STATUS_GROUP], row[_CODE_GROUP]) for row in rows)
    return Counter(
        (status.decode(), int(code) if code else None) for status, code in pairs if status
    )


# --- In another process ---------------------------------------------------------------------

_answers: list[Any] = []


def keep(function: Callable[[Any], Any], argument: Any) -> None:
    """Call the function where this is called, and leave its answer there."""
    _answers[:] = [function(argument)]


def ask(function: Callable[[Any], Any]) -> Any:
    """What the function makes of the answer that was kept."""
    return function(_answers[0])
