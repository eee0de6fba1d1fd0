"""Measures what smtpfast promises, beside its rivals, in one run: python benchmarks/ratios.py.

The ways of a case take turns (A B A B …), so that what disturbs one disturbs the others too.
Every answer is checked before the clock starts. The figures decide nothing: the exit status is 0
unless an answer is wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import sysconfig
import time
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import smtpfast
from cases import CORES, GROUPS, absent, import_milliseconds, third_party_modules

if TYPE_CHECKING:
    from cases import Case

MIN_ROUNDS = 20


@dataclass(frozen=True)
class Target:
    """A promise: a way of a case, against another way of the same case.

    at_most: ours may take so many times the rival's time.
    faster: the rival must take so many times ours.
    """

    case: str
    ours: str
    rival: str
    at_most: float | None = None
    faster: float | None = None

    def ratio(self, ours: float, rival: float) -> float:
        return ours / rival if self.at_most is not None else rival / ours

    def is_reached(self, ratio: float) -> bool:
        return ratio <= self.at_most if self.at_most is not None else ratio >= self.faster

    def __str__(self) -> str:
        return f"≤ {self.at_most} ×" if self.at_most is not None else f"≥ {self.faster} × as fast"


LINE = "classify, bytes"
REPLY = "feed, one reply of two lines"
MANY = "feed, 10,000 of these replies at once, a reply"
BUFFER = "classify_lines, 100 MB of mixed replies"
MEANING = "diagnose, mixed replies"
COLUMNS = "diagnose_lines, 100 MB, mixed replies"
FAILURES = "diagnose_lines, 100 MB, failures alone"
PHRASES = "diagnose_lines, 2 MB of the words of these phrases"
IMPORT = "a new interpreter that imports"
IMPORT_LIMIT = 15  # milliseconds

TARGETS = [
    *(
        Target(case, "compiled", rival, at_most=1.2)
        for case in ("lookup(550)", "describe(550)")
        for rival in ("d.get(x)", "get(x)", "get(key)")
    ),
    *(
        Target(case, "compiled", "SmtpStatusCode(x)", faster=8)
        for case in ("lookup(550)", "describe(550)")
    ),
    Target(LINE, "compiled", "smtplib", faster=4),
    Target(LINE, "compiled", "callable(x)", at_most=10),
    Target(REPLY, "compiled", "smtplib", faster=4),
    Target(REPLY, "compiled", "aiosmtplib's parser", faster=6),
    Target(MANY, "compiled", "alone, compiled", at_most=1),
    Target(MANY, "compiled", "alone and kept, compiled", at_most=1),
    Target(BUFFER, "compiled", 'count(b"\\n")', faster=1.3),
    Target(LINE, "pure", "smtplib", at_most=2),
    Target(MEANING, "compiled, a ReplyLine", "the rules as re patterns", faster=20),
    Target(MEANING, "compiled, a ReplyLine", "classify", at_most=3),
    Target(MEANING, "compiled, bytes", "classify", at_most=3),
    *(
        Target(case, "compiled", rival, faster=times)
        for case in (COLUMNS, FAILURES)
        for rival, times in (("hyperscan, all literals", 1), ('count(b"\\n")', 0.25))
    ),
    Target(PHRASES, "5,000 phrases", "50 phrases", at_most=1.5),
]


@dataclass(frozen=True)
class Figure:
    """What one way of a case took: seconds for each of what it handles."""

    case: str
    who: str
    unit: str
    rounds: int
    min: float
    median: float

    def __str__(self) -> str:
        return f"{self._in_unit(self.min)} ({self._in_unit(self.median)})"

    def _in_unit(self, seconds: float) -> str:
        if self.unit == "GB/s":
            return f"{1e-9 / seconds:.3g}"
        if self.unit == "MB/s":
            value = 1e-6 / seconds
        else:
            value = seconds * {"ns": 1e9, "ms": 1e3}[self.unit]
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measure(case: Case, seconds: float, min_rounds: int = MIN_ROUNDS) -> list[Figure]:
    """Time the ways of a case in turn, for so many seconds in all and at least so many rounds."""
    sizes = [way.check() for way in case.ways]
    timers = [way.timer() for way in case.ways]
    taken: list[list[float]] = [[] for _ in case.ways]
    end = time.perf_counter() + seconds
    while len(taken[0]) < min_rounds or time.perf_counter() < end:
        for way, timer, size, rounds in zip(case.ways, timers, sizes, taken, strict=True):
            rounds.append(timer.timeit(way.calls) / way.calls / size)
    return [
        Figure(case.name, way.who, case.unit, len(rounds), min(rounds), median(rounds))
        for way, rounds in zip(case.ways, taken, strict=True)
    ]


def verdict(*are_reached: bool) -> str:
    """Of the ratio of the minima and of that of the medians."""
    by_min, by_median = are_reached
    if by_min == by_median:
        return "yes" if by_min else "**no**"
    return f"by the {'min' if by_min else 'median'} only"


@dataclass(frozen=True)
class Row:
    """One line of the table of targets."""

    what: str
    ours: str
    rival: str
    ratio: str
    target: str
    reached: str


def compare(target: Target, figures: list[Figure]) -> Row:
    ours, rival = (
        next(figure for figure in figures if (figure.case, figure.who) == (target.case, who))
        for who in (target.ours, target.rival)
    )
    ratios = target.ratio(ours.min, rival.min), target.ratio(ours.median, rival.median)
    return Row(
        f"{target.case}, {target.ours}",
        f"{ours} {ours.unit}",
        f"{target.rival}: {rival} {rival.unit}",
        "{:.2f} ({:.2f})".format(*ratios),
        str(target),
        verdict(*map(target.is_reached, ratios)),
    )


def compare_import(core: str, figures: list[Figure]) -> list[Row]:
    """The import by the clock, above a bare interpreter, and by what the interpreter says."""
    clock = {figure.who: figure for figure in figures if figure.case == IMPORT}
    bare, ours = clock["nothing"], clock[core]
    above = (ours.min - bare.min) * 1e3, (ours.median - bare.median) * 1e3
    foreign = f"third-party modules: {', '.join(third_party_modules(core)) or 'none'}"
    said = [import_milliseconds(core) for _ in range(MIN_ROUNDS)]
    return [
        Row(what, "{:.1f} ({:.1f}) ms".format(*values), rival, "", f"≤ {IMPORT_LIMIT} ms", reached)
        for what, values, rival in (
            (
                f"import smtpfast, {core}, by the clock",
                above,
                f"above a bare interpreter's {bare} ms",
            ),
            (f"import smtpfast, {core}, -X importtime", (min(said), median(said)), foreign),
        )
        for reached in [verdict(*(value <= IMPORT_LIMIT for value in values))]
    ]


def processor() -> str:
    """The processor as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        facts.setdefault(name.strip(), value.strip())
    family = f"family {facts.get('cpu family', '?')}, model {facts.get('model', '?')}"
    return f"{facts.get('model name', platform.machine())} ({family})"


def version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


def circumstances() -> dict[str, str]:
    """What the figures depend on."""
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    load = " ".join(f"{load:.1f}" for load in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "processor": f"{os.cpu_count()} × {processor()}",
        "system": platform.platform(),
        "load before": load,
        "python": f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.python_compiler()}, {'with' if optimised else 'without'} PGO",
        "smtpfast": f"{smtpfast.__version__}, cores: {', '.join(CORES)}",
        "cython installed": version_of("cython"),
        "aiosmtplib": version_of("aiosmtplib"),
        "aspose.email": version_of("aspose.email-for-python-via-net"),
        "hyperscan": version_of("hyperscan"),
    }


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows])


def by_case(figures: list[Figure]) -> list[list[str]]:
    """A row for each case: the cores, then who else did the same."""
    cases: dict[str, list[Figure]] = {}
    for figure in figures:
        cases.setdefault(figure.case, []).append(figure)
    rows = []
    for case, ways in cases.items():
        cores = {figure.who: str(figure) for figure in ways if figure.who in ("compiled", "pure")}
        others = [f"{figure.who} {figure}" for figure in ways if figure.who not in cores]
        cells = [f"{case}, {ways[0].unit}", cores.get("compiled", ""), cores.get("pure", "")]
        rows.append([*cells, " · ".join(others)])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="for each way of a case (default: %(default)s)"
    )
    parser.add_argument("--group", choices=GROUPS, action="append", help="these cases alone")
    arguments = parser.parse_args()
    facts = circumstances()
    for name, fact in facts.items():
        print(f"{name}: {fact}")
    for note in absent:
        print(note)
    figures: list[Figure] = []
    for group in arguments.group or GROUPS:
        for case in GROUPS[group]():
            if case.ways:
                print(f"measuring: {case.name}", file=sys.stderr)
                figures += measure(case, arguments.seconds * len(case.ways))
    measured = {(figure.case, figure.who) for figure in figures}
    rows = [
        compare(target, figures)
        for target in TARGETS
        if {(target.case, target.ours), (target.case, target.rival)} <= measured
    ]
    for core in CORES if IMPORT in {figure.case for figure in figures} else ():
        rows += compare_import(core, figures)
    print("\nThe least of all rounds, and the median in brackets.\n")
    head = ["what", "ours", "rival", "ratio", "target", "reached"]
    print(table(head, [[*asdict(row).values()] for row in rows]))
    print()
    print(table(["case", "compiled", "pure", "beside"], by_case(figures)))
    if arguments.json:
        report = {
            "circumstances": facts,
            "absent": absent,
            "targets": [asdict(row) for row in rows],
            "figures": [asdict(figure) for figure in figures],
        }
        arguments.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
