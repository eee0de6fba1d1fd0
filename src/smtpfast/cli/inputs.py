"""What the commands read: files, standard input, and a user's own rules."""

from __future__ import annotations

import sys
from contextlib import closing
from errno import EBADF
from pathlib import Path

from ..errors import InputError, SmtpFastError
from ..records import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from ..classifier import Classifier


_CHUNK_BYTES = 1 << 16


def open_input(name: str) -> BinaryIO:
    """A file, or standard input for "-"."""
    try:
        if name != "-":
            return Path(name).open("rb")
        if sys.stdin is None:
            raise OSError(EBADF, "standard input is closed")
    except OSError as error:
        raise InputError.of(name, error) from None
    return sys.stdin.buffer


def read_input(name: str) -> bytes:
    """All bytes of a file, or of standard input for "-"."""
    with closing(open_input(name)) as source:
        try:
            return source.read()
        except OSError as error:
            raise InputError.of(name, error) from None


def lines_of(source: BinaryIO, longest: int, after_chunk: Callable[[], object]) -> Iterator[bytes]:
    """The lines as they arrive, with their LF; of a line that is too long only the beginning."""
    waiting = bytearray()  # what has arrived of a line, unless that was given already
    is_given = False
    while chunk := _read(source):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            if not is_given:
                yield bytes(waiting) + end + b"\n"
            waiting.clear()
            is_given = False
        if not is_given:
            waiting += rest
        if len(waiting) > longest:
            yield bytes(waiting)
            waiting.clear()
            is_given = True
        after_chunk()
    if waiting:
        yield bytes(waiting)


def _read(source: BinaryIO) -> bytes:
    try:
        chunk: bytes = source.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]
    except OSError as error:
        # Not as OSError, which writing may raise just as well.
        raise InputError.of(source.name, error) from None
    return chunk


def classifier_of(files: Sequence[str]) -> Classifier:
    """The classifier of the default rules, behind those of `files`."""
    # Not above, for reading the rules takes longer than many a command.
    from ..classifier import Classifier

    if not files:
        return Classifier.default()
    try:
        return Classifier.from_toml(*files)
    except SmtpFastError as error:
        raise InputError(str(error)) from None
    except OSError as error:
        raise InputError.of(str(error.filename), error) from None
