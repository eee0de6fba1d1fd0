"""Measures the reading of mail logs beside its rivals: python benchmarks/logs.py.

A big log is written, with what is in it counted; every answer is checked against that before the
clock starts, and the ways of a case take turns, as in ratios.py. Reading columns takes one thread,
as do mawk and the loop; Polars, DuckDB, ripgrep and our own command take what there is.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache, partial
from mmap import ACCESS_READ, mmap
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import logrivals as rivals
from biglog import BigLog, Outcomes, write_log
from cases import Case, Way, absent, load
from ratios import Figure, Target, circumstances, compare, measure, table, version_of
from smtpfast.logs import LogColumns, read_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

PURE_MEGABYTES = 20
YEAR = 2026

COLUMNS = "columns of Postfix"
REPORT = "report of Postfix"
EXIM = "Exim"
PURE = "columns of Postfix, the pure core"

WITHOUT = "ours without reason"
WITH = "ours"
RIPGREP = "rg -c -F status="
MAWK = "mawk: histogram of status, dsn, code"
TWO_COLUMNS = "Polars: status, code"
TO_PARQUET = "Polars: 8 columns to Parquet"
PFLOGSUMM = "pflogsumm"
EXIMSTATS = "eximstats"
LOOP = "CPython: re in a loop, 12 fields"

duckdb = load("duckdb", "duckdb is not installed")
polars = load("polars", "polars is not installed")
pyarrow = load("pyarrow", "pyarrow is not installed")


@cache
def program(name: str) -> str | None:
    """Where the program is; or None, and a note."""
    found = shutil.which(name)
    if not found:
        absent.append(f"{name} is not installed: left out")
    return found


# --- Ours -----------------------------------------------------------------------------------


def read(path: Path, *, diagnose: bool) -> LogColumns:
    """All columns of a log, read where it lies."""
    with path.open("rb") as file:
        data = mmap(file.fileno(), 0, access=ACCESS_READ)
    return read_columns(memoryview(data), str(path), year=YEAR, diagnose=diagnose)


def counted_in_columns(columns: LogColumns) -> Outcomes:
    names = ("event", "status", "code")
    rows: Iterable[Any] = zip(*map(columns.column, names), strict=True)
    return Counter((status, code) for event, status, code in rows if event == "delivery")


def smtpfast_command(*arguments: str | Path) -> str:
    return rivals.run(sys.executable, "-m", "smtpfast", *arguments)


def records_to_parquet(path: Path) -> Path:
    written = path.with_suffix(".parquet")
    smtpfast_command("records", path, "--format", "parquet", "-o", written)
    return written


def counted_in_report(page: str) -> dict[str, int]:
    """The totals of the report; a mail that has expired counts as bounced."""
    totals = page.partition("\nTotals\n")[2].partition("\n\n")[0]
    found = re.findall(r"^  (delivered|deferred|bounced) +([0-9,]+)", totals, re.MULTILINE)
    return {name: int(count.replace(",", "")) for name, count in found}


def report_is_right(page: str, log: BigLog) -> bool:
    by_status = log.by_status()
    return counted_in_report(page) == {
        "delivered": by_status["sent"],
        "deferred": by_status["deferred"],
        "bounced": by_status["bounced"] + by_status["expired"],
    }


# --- Cases ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """A log and how its ways are made."""

    log: BigLog

    def way(
        self, who: str, function: Callable[[Path], Any], is_right: Callable[[Any], bool]
    ) -> Way:
        names = {"f": function, "path": self.log.path}
        return Way(who, "f(path)", is_right, names, size=str(self.log.size), calls=1)

    def counting(
        self, who: str, function: Callable[[Path], Any], count: Callable[[Any], Outcomes]
    ) -> Way:
        """A way of whose answer all outcomes can be counted."""
        return self.way(who, function, lambda answer: count(answer) == self.log.outcomes)

    def elsewhere(
        self,
        who: str,
        function: Callable[[Path], Any],
        count: Callable[[Any], Outcomes],
        environment: Mapping[str, str],
    ) -> Way:
        """The same in a process of its own, which has been started before."""
        process = started(tuple(environment.items()))

        def is_right(_: None) -> bool:
            found: Outcomes = process.submit(rivals.ask, count).result()
            return found == self.log.outcomes

        return self.way(
            who, lambda path: process.submit(rivals.keep, function, path).result(), is_right
        )


@cache
def started(environment: tuple[tuple[str, str], ...]) -> ProcessPoolExecutor:
    """A process with these variables."""
    process = ProcessPoolExecutor(1, get_context("spawn"))
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        process.submit(int).result()  # which starts it
    finally:
        os.environ.clear()
        os.environ.update(before)
    return process


def our_columns(
    make: Callable[[str, Callable[[Path], Any], Callable[[Any], Outcomes]], Way],
) -> list[Way]:
    """Both ways to read columns; `make` is given what they are called, do and can be asked."""
    return [
        make(who, partial(read, diagnose=diagnose), counted_in_columns)
        for who, diagnose in ((WITHOUT, False), (WITH, True))
    ]


def mawk_ways(work: Work) -> list[Way]:
    if not program("mawk"):
        return []
    return [work.counting(MAWK, rivals.mawk, rivals.counted_by_mawk)]


def columns_case(directory: Path, megabytes: float) -> Case:
    work = Work(write_log("postfix", directory, megabytes))
    deliveries = work.log.outcomes.total()
    ways = our_columns(work.counting)
    if program("rg"):
        ways.append(
            work.way(
                RIPGREP,
                partial(rivals.run, "rg", "-c", "-F", "status="),
                lambda printed: int(printed) == deliveries,
            )
        )
    if program("wc"):
        ways.append(
            work.way(
                "wc -l",
                partial(rivals.run, "wc", "-l"),
                lambda printed: int(printed.split()[0]) == work.log.lines,
            )
        )
    ways += mawk_ways(work)
    if polars:
        count = rivals.counted_by_polars
        ways += [
            work.counting(TWO_COLUMNS, rivals.polars_two_columns, count),
            work.elsewhere(
                f"{TWO_COLUMNS}, one thread",
                rivals.polars_two_columns,
                count,
                {"POLARS_MAX_THREADS": "1"},
            ),
            work.counting(f"{TWO_COLUMNS}, by scan_csv", rivals.polars_csv, count),
        ]
    if polars and pyarrow:
        ways.append(work.counting(TO_PARQUET, rivals.polars_parquet, rivals.counted_in_parquet))
    if duckdb:
        ways.append(
            work.counting(
                "DuckDB: status, code", rivals.duckdb_two_columns, rivals.counted_by_duckdb
            )
        )
    ways.append(work.counting(LOOP, rivals.re_loop, rivals.counted_by_re))
    return Case(COLUMNS, ways, unit="MB/s")


def report_case(directory: Path, megabytes: float) -> Case:
    work = Work(write_log("postfix", directory, megabytes))
    ways = [
        work.way(
            "smtpfast report",
            partial(smtpfast_command, "report"),
            partial(report_is_right, log=work.log),
        )
    ]
    if pyarrow:
        deliveries = [("event", "==", "delivery")]
        ways.append(
            work.counting(
                "smtpfast records to Parquet",
                records_to_parquet,
                partial(rivals.counted_in_parquet, filters=deliveries),
            )
        )
    if program("pflogsumm"):
        by_status = work.log.by_status()
        ways.append(
            work.way(
                PFLOGSUMM,
                partial(rivals.run, "pflogsumm"),
                lambda printed: all(
                    by_status[status] in total
                    for status, total in rivals.counted_by_pflogsumm(printed).items()
                ),
            )
        )
    ways += mawk_ways(work)
    return Case(REPORT, ways, unit="MB/s")


def exim_case(directory: Path, megabytes: float) -> Case:
    work = Work(write_log("exim", directory, megabytes / 4))
    ways = [
        *our_columns(work.counting),
        work.way(
            "smtpfast report",
            partial(smtpfast_command, "report"),
            partial(report_is_right, log=work.log),
        ),
    ]
    if program("eximstats"):
        sent = work.log.by_status()["sent"]
        ways.append(
            work.way(
                EXIMSTATS,
                partial(rivals.run, "eximstats"),
                lambda printed: rivals.counted_by_eximstats(printed) == sent,
            )
        )
    return Case(EXIM, ways, unit="MB/s")


def pure_case(directory: Path, megabytes: float) -> Case:
    few = directory / "few"
    few.mkdir(exist_ok=True)
    work = Work(write_log("postfix", few, min(megabytes, PURE_MEGABYTES)))
    pure = {"SMTPFAST_BACKEND": "pure"}
    return Case(
        PURE,
        [
            *our_columns(partial(work.elsewhere, environment=pure)),
            work.elsewhere(LOOP, rivals.re_loop, rivals.counted_by_re, pure),
        ],
        unit="MB/s",
    )


CASES: dict[str, Callable[[Path, float], Case]] = {
    "columns": columns_case,
    "report": report_case,
    "exim": exim_case,
    "pure": pure_case,
}


# --- Targets --------------------------------------------------------------------------------


def targets(figures: list[Figure]) -> list[Target]:
    """What was promised. Of ripgrep's speed 0.15, but no more than 1 GB/s."""
    share = min(
        [0.15, *(1e9 * each.min for each in figures if (each.case, each.who) == (COLUMNS, RIPGREP))]
    )
    return [
        Target(COLUMNS, WITHOUT, RIPGREP, faster=round(share, 3)),
        Target(COLUMNS, WITHOUT, TWO_COLUMNS, faster=2.5),
        Target(COLUMNS, WITHOUT, MAWK, faster=2.5),
        Target(COLUMNS, WITHOUT, TO_PARQUET, faster=8),
        Target(COLUMNS, WITH, WITHOUT, faster=0.7),
        Target(REPORT, "smtpfast report", PFLOGSUMM, faster=20),
        Target(REPORT, "smtpfast report", MAWK, faster=2),
        Target(EXIM, WITH, EXIMSTATS, faster=20),
        Target(EXIM, "smtpfast report", EXIMSTATS, faster=20),
        Target(PURE, WITHOUT, LOOP, faster=1),
    ]


def by_way(figures: list[Figure]) -> list[list[str]]:
    """A row for each way, with how many times as fast the first of its case is."""
    first: dict[str, Figure] = {}
    rows = []
    for figure in figures:
        ours = first.setdefault(figure.case, figure)
        ratio = f"{figure.min / ours.min:.2f} ({figure.median / ours.median:.2f})"
        rows.append([figure.case, figure.who, str(figure), ratio])
    return rows


def versions() -> dict[str, str]:
    """Of the rivals that were found."""
    of_modules = {name: version_of(name) for name in ("polars", "duckdb", "pyarrow")}
    options = {"rg": "--version", "mawk": "-Wversion", "pflogsumm": "--version"}
    of_programs = {
        name: rivals.run(name, option).partition("\n")[0]
        for name, option in options.items()
        if program(name)
    }
    return of_modules | of_programs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=float, default=500, help="default: %(default)s")
    parser.add_argument(
        "--directory", type=Path, help="where the logs are, or are left; default: for now only"
    )
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--only", choices=CASES, action="append", help="these cases alone")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name, fact in (circumstances() | versions()).items():
        print(f"{name}: {fact}")
    with ExitStack() as opened:
        directory = arguments.directory or Path(opened.enter_context(tempfile.TemporaryDirectory()))
        directory.mkdir(parents=True, exist_ok=True)
        for name in arguments.only or CASES:
            case = CASES[name](directory, arguments.megabytes)
            print(f"measuring: {case.name}", file=sys.stderr)
            of_case = measure(case, 0, arguments.rounds)
            for figure in of_case:
                print(f"  {figure.who}: {figure} {figure.unit}", file=sys.stderr)
            figures += of_case
    for note in dict.fromkeys(absent):
        print(note)
    measured = {(figure.case, figure.who) for figure in figures}
    rows = [
        compare(target, figures)
        for target in targets(figures)
        if {(target.case, target.ours), (target.case, target.rival)} <= measured
    ]
    print("\nThe best of all rounds, and the median in brackets.\n")
    print(
        table(
            ["what", "ours", "rival", "ratio", "target", "reached"],
            [[*asdict(row).values()] for row in rows],
        )
    )
    print()
    print(table(["case", "who", "MB/s", "the first is so many times as fast"], by_way(figures)))


if __name__ == "__main__":
    main()
