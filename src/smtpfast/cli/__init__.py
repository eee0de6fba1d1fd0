"""The command `smtpfast`: the only code of the package that opens files, prints or exits."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from functools import partial

from .. import BACKEND, __version__
from ..errors import InputError
from ..reasons import Reason
from ..records import TYPE_CHECKING
from ..status import LANGUAGES
from . import classify, codes, explain, rules
from .terminal import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

# Of `records`, and of `report`.
FORMATS = ("ndjson", "csv", "parquet", "arrow")
REPORT_FORMATS = ("text", "json", "csv", "ndjson", "html", "parquet")
# What a shell reports of a program that SIGINT or SIGPIPE has ended.
_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status: 0 done, 1 an input could not be used or the
    output not be written, or a test of rules has failed, 2 wrong usage."""
    if sys.stdout is None:
        print("smtpfast: standard output is closed", file=sys.stderr)
        return 1
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show Cyrillic gets escapes, not a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
        status = _run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()
        return _PIPE_CLOSED
    except OSError as error:
        print(f"smtpfast: cannot write: {error.strerror}", file=sys.stderr)
        _close_output()
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _run(options: argparse.Namespace) -> int:
    try:
        status: int = options.run(options)
    except InputError as error:
        print(f"smtpfast {options.command}: {harmless(str(error))}", file=sys.stderr)
        return 1
    return status


def _joined(argv: Sequence[str]) -> list[str]:
    """The arguments, with "rules test" as the one name under which argparse knows it."""
    is_test = list(argv[:2]) == ["rules", "test"]
    return ["rules test", *argv[2:]] if is_test else list(argv)


def _close_output() -> None:
    """Nothing may be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smtpfast", description="Understand what mail servers say.", allow_abbrev=False
    )
    core = f"{BACKEND} core, {platform.python_implementation()} {platform.python_version()}"
    parser.add_argument("--version", action="version", version=f"smtpfast {__version__} ({core})")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add = partial(commands.add_parser, allow_abbrev=False)

    command = add("explain", help="say what a reply or its codes mean")
    command.add_argument("words", nargs="+", metavar="CODE", help="550, 5.1.1, 550 5.1.1, a reply")
    command.add_argument("--language", choices=LANGUAGES, default="en")
    _take_rules(command)
    command.set_defaults(run=explain.run)

    command = add("codes", help="list all codes with their meaning")
    command.add_argument("--enhanced", action="store_true", help="the enhanced status codes")
    command.add_argument("--language", choices=LANGUAGES, default="en")
    command.set_defaults(run=codes.run)

    command = add("classify", help="take reply lines apart, one row a line")
    command.add_argument("file", nargs="?", default="-", metavar="FILE", help="default: -, stdin")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.add_argument(
        "--defects", action="store_true", help="also say where a line departs from the RFCs"
    )
    _take_rules(command)
    command.set_defaults(run=classify.run)

    command = add("report", help="read mail logs, and say who refused what and why")
    _take_logs(command)
    command.add_argument("--format", choices=REPORT_FORMATS, default=REPORT_FORMATS[0])
    command.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    command.add_argument(
        "--top", type=int, default=10, metavar="N", help="rows of each table of the text; 10"
    )
    _take_filters(command)
    command.set_defaults(run=_run_report)

    command = add("records", help="read mail logs, one record a delivery, attempt or reject")
    _take_logs(command)
    command.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    command.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    command.set_defaults(run=_run_records)

    command = add("rules", help="list the rules in the order in which they decide, or show one")
    command.add_argument("id", nargs="?", metavar="ID", help="the rule to show, with all it says")
    command.add_argument("--json", action="store_true", help="one JSON object a rule")
    _take_rules(command)
    command.set_defaults(run=rules.run)

    command = add("rules test", help="say how right the rules are on labelled replies")
    command.add_argument(
        "file",
        nargs="+",
        metavar="FILE",
        help="JSON Lines, or a reason, a tab and a reply a line; -: stdin",
    )
    _take_rules(command)
    command.set_defaults(run=rules.run_test)
    return parser


def _run_records(options: argparse.Namespace) -> int:
    from . import records  # here, for what it needs takes long to load

    return records.run(options)


def _run_report(options: argparse.Namespace) -> int:
    from . import report  # as above

    return report.run(options)


def _take_logs(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "file", nargs="+", metavar="FILE", help="logs, also compressed; patterns; -: stdin"
    )
    command.add_argument(
        "--follow", action="store_true", help="go on with what comes, rotated or not; Ctrl-C ends"
    )
    command.add_argument(
        "--year", type=int, help="of the first line, where stamps have none; default: by the file"
    )
    _take_rules(command)


def _take_filters(command: argparse.ArgumentParser) -> None:
    """What chooses among records; all but the times may be repeated, and any of them will do."""
    command.add_argument("--since", metavar="TIME", help="ISO 8601: 2026-11-24, 2026-11-24T12:30")
    command.add_argument("--until", metavar="TIME", help="the last moment, or the last day")
    add = partial(command.add_argument, action="append", default=[])
    add("--domain", metavar="NAME", help="of recipients, or one above it")
    add("--relay", metavar="NAME", help="an IP address, a host name, or a domain above it")
    add("--reason", metavar="REASON", choices=[*map(str, Reason)], help="as in docs/reasons.md")
    add("--status", help="in the MTA's word; or delivered, deferred, bounced")
    add("--event", help="delivery, attempt, reject, connection, other")


def _take_rules(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="FILE",
        help="rules of your own (TOML), which decide before the others; may be repeated",
    )
