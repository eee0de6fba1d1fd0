"""The command `smtpfast`: the only code of the package that opens files, prints or exits."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from functools import partial

from .. import BACKEND, __version__
from ..records import TYPE_CHECKING
from ..status import LANGUAGES
from . import classify, codes, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

# What a shell reports of a program that SIGINT or SIGPIPE has ended.
_INTERRUPTED = 130
_PIPE_CLOSED = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit status: 0 done, 1 an input could not be read or the
    output not be written, 2 wrong usage."""
    if sys.stdout is None:
        print("smtpfast: standard output is closed", file=sys.stderr)
        return 1
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show Cyrillic gets escapes, not a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        options = _parser().parse_args(argv)
        status: int = options.run(options)
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


def _close_output() -> None:
    """Nothing may be written at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smtpfast", description="Understand what mail servers say.", allow_abbrev=False
    )
    core = f"{BACKEND} core, {platform.python_implementation()} {platform.python_version()}"
    parser.add_argument("--version", action="version", version=f"smtpfast {__version__} ({core})")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add = partial(commands.add_parser, allow_abbrev=False)

    command = add("explain", help="say what a reply or its codes mean")
    command.add_argument("words", nargs="+", metavar="CODE", help="550, 5.1.1, 550 5.1.1, a reply")
    command.add_argument("--language", choices=LANGUAGES, default="en")
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
    command.set_defaults(run=classify.run)
    return parser
