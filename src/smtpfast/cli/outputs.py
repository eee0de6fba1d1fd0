"""What the commands that read logs write to."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

# The formats that are no text.
BINARY = ("parquet", "arrow")


def open_text(name: str | None, logs: Sequence[str]) -> AbstractContextManager[TextIO]:
    """A file to write text to, or standard output; never one of the logs."""
    if name is None:
        return nullcontext(sys.stdout)
    try:
        return _kept_apart(name, logs).open(
            "w", encoding="utf-8", errors="backslashreplace", newline=""
        )
    except OSError as error:
        raise InputError.of(name, error) from None


def open_binary(name: str | None, logs: Sequence[str]) -> AbstractContextManager[BinaryIO]:
    """The same for what is no text, which no terminal can show."""
    if name is None:
        if sys.stdout.isatty():
            raise InputError("standard output is a terminal: name a file with -o")
        return nullcontext(cast("BinaryIO", sys.stdout.buffer))
    try:
        return _kept_apart(name, logs).open("wb")
    except OSError as error:
        raise InputError.of(name, error) from None


def _kept_apart(name: str, logs: Sequence[str]) -> Path:
    path = Path(name)
    if path.exists() and any(Path(log).exists() and path.samefile(log) for log in logs):
        raise InputError(f"{name}: is one of the logs")
    return path


def arrow_module(form: str) -> ModuleType:
    """The module that writes with pyarrow, which may be missing."""
    try:
        from . import records_arrow
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise InputError(f"--format {form} needs pyarrow: pip install smtpfast[arrow]") from None
    return records_arrow
