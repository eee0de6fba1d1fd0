"""The logs that a command reads: files of all kinds, in the order of time."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
import zlib
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from functools import partial
from glob import glob
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..logs import LogReader, first_year
from .inputs import InputError, classifier_of, lines_of, open_input
from .terminal import harmless

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator
    from io import RawIOBase

    from ..logs import LogRecord

# More than any syslog daemon passes on; of a longer line the rest is left out.
_LONGEST_LINE = 1 << 20
# What a compressed file begins with: RFC 1952, bzip2, the xz file format, RFC 8878.
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_LONGEST_MAGIC = max(map(len, _MAGIC))
# A text has no NUL; this much of a file is looked at.
_SAMPLE_BYTES = 1 << 12


class LogFiles:
    """The records of all files that a command's options name, one after the other.

    A file that cannot be used is told on standard error, and the others go on. lines: of all that
    has been read. has_failed: whether a file could not be used. bytes_read: of the files as they
    are on the disk, compressed or not. after_chunk: called whenever some more has been read.
    """

    def __init__(self, options: Namespace, after_chunk: Callable[[], object] = int) -> None:
        self.names = _names(options.file)
        self.lines = 0
        self.has_failed = False
        self._options = options
        self._classifier = classifier_of(options.rules)
        self._after_chunk = after_chunk
        self._bytes_before = 0
        self._open_file: BufferedReader | None = None

    @property
    def bytes_total(self) -> int:
        """Of all files; 0 for what is none, as standard input."""
        return sum(map(_size, self.names))

    @property
    def bytes_read(self) -> int:
        """How many of them have been read, in blocks."""
        is_open = self._open_file is not None and not self._open_file.closed
        if not is_open or self._open_file is None or not self._open_file.seekable():
            return self._bytes_before
        return self._bytes_before + self._open_file.tell()

    def __iter__(self) -> Iterator[LogRecord]:
        for name in self.names:
            try:
                with ExitStack() as opened:
                    self._open_file, source = _open(name, opened)
                    year = self._options.year
                    if year is None:
                        year = _year_of(name, source)
                    reader = LogReader(name, year=year, classifier=self._classifier)
                    for line in _lines(name, source, self._after_chunk):
                        yield from reader.read(line)
                    self.lines += reader.lines
            except InputError as error:
                command = self._options.command
                print(f"smtpfast {command}: {harmless(str(error))}", file=sys.stderr)
                self.has_failed = True
            self._bytes_before += _size(name)


def _names(patterns: list[str]) -> list[str]:
    """All files, patterns of names expanded, the oldest first."""
    names: dict[str, None] = {}
    for pattern in patterns:
        found = [] if Path(pattern).exists() else glob(pattern)  # noqa: PTH207 (may be absolute)
        names |= dict.fromkeys(found or [pattern])
    return sorted(names, key=lambda name: Path(name).stat().st_mtime if Path(name).exists() else 0)


def _size(name: str) -> int:
    return Path(name).stat().st_size if Path(name).is_file() else 0


def _year_of(name: str, source: BufferedReader) -> int | Callable[[], int]:
    """The year of the first stamp that names none, by what a stream begins with; of a file what
    finds it out, by when it was last written: that takes reading all of it, once more."""
    if Path(name).is_file():
        return partial(_year_of_file, name)
    sample = _sample(name, source).decode("utf-8", "replace")
    return first_year(sample.split("\n"), datetime.now(UTC).date())


def _year_of_file(name: str) -> int:
    end = date.fromtimestamp(Path(name).stat().st_mtime)
    with ExitStack() as opened:
        lines = _lines(name, _open(name, opened)[1], int)
        return first_year((line.decode("utf-8", "replace") for line in lines), end)


def _lines(name: str, source: BufferedReader, after_chunk: Callable[[], object]) -> Iterator[bytes]:
    if b"\0" in _sample(name, source):
        raise InputError(f"{name}: not a text")
    try:
        yield from lines_of(source, _LONGEST_LINE, after_chunk)
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{name}: {error}") from None


def _sample(name: str, source: BufferedReader) -> bytes:
    try:
        return source.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES]
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{name}: {error}") from None


def _open(name: str, opened: ExitStack) -> tuple[BufferedReader, BufferedReader]:
    """A file, or standard input for "-", as it is, and as it was before it was compressed."""
    source = opened.enter_context(closing(cast("BufferedReader", open_input(name))))
    begin = source.peek(_LONGEST_MAGIC)
    kind = next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), "")
    if not kind:
        return source, source
    plain: object
    if kind == "gzip":
        plain = gzip.GzipFile(fileobj=source)
    elif kind == "bzip2":
        plain = bz2.BZ2File(source)
    elif kind == "xz":
        plain = lzma.LZMAFile(source)  # noqa: SIM115 (closed with the stack)
    else:
        try:
            import zstandard
        except ModuleNotFoundError:
            raise InputError(f"{name}: zstd needs smtpfast[fast-io]") from None
        plain = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
    return source, opened.enter_context(BufferedReader(cast("RawIOBase", plain)))
