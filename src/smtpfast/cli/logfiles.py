"""The logs that a command reads: files of all kinds, in the order of time."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
import zlib
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, date, datetime
from functools import partial
from glob import glob
from io import BufferedReader, RawIOBase
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from .._core import BACKEND
from ..logs import LogReader, first_year, read_blocks
from .blocks import blocks_of, plain_blocks
from .follow import POLL_SECONDS, FollowedFile
from .inputs import InputError, classifier_of, open_input
from .terminal import harmless

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Iterator

    from _typeshed import WriteableBuffer

    from ..logs import LogBlock, LogRecord

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
# So many places of a large file are looked at for their stamps.
_SAMPLES = 1 << 12


def _threads() -> int:
    """As many as there are processors, of which the pure core can use but one."""
    if BACKEND == "pure":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LogFiles:
    """The records of all files that a command's options name, one after the other.

    A file that cannot be used is told on standard error, and the others go on. lines: of all that
    has been read. has_failed: whether a file could not be used. bytes_read: of the files as they
    are on the disk, compressed or not. after_chunk: called whenever some more has been read. wait:
    if given, the files are followed until it says no more; called with the seconds to wait.
    """

    def __init__(
        self,
        options: Namespace,
        after_chunk: Callable[[], object] = int,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.names = _names(options.file)
        self.lines = 0
        self.has_failed = False
        self._options = options
        self._classifier = classifier_of(options.rules)
        self._after_chunk = after_chunk
        self._wait = wait
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
        for reader, block in self.blocks():
            yield from block.records(reader.file)

    def blocks(self) -> Iterator[tuple[LogReader, LogBlock]]:
        """All that is read, by blocks of whole lines, each with the reader of its file."""
        found = self._followed_files(self._wait) if self._wait else self._whole_files()
        # Of what is still written to, every line is wanted as it comes.
        is_live = self._wait is not None or not all(map(os.path.isfile, self.names))
        for reader, block in read_blocks(found, 1 if is_live else _threads()):
            yield reader, block
            self.lines += block.lines
            self._after_chunk()

    def _whole_files(self) -> Iterator[tuple[LogReader, bytes | memoryview]]:
        for name in self.names:
            try:
                with ExitStack() as opened:
                    self._open_file, source = _open(name, opened)
                    year = self._options.year
                    if year is None:
                        year = _year_of(name, source)
                    reader = self._reader(name, year)
                    # From a pipe lines are wanted as they arrive.
                    is_live = not self._open_file.seekable()
                    is_plain = source is self._open_file and not is_live and hasattr(os, "pread")
                    plain = plain_blocks(self._open_file) if is_plain else ()
                    for block in _text_blocks(name, source, plain, is_live=is_live):
                        yield reader, block
            except InputError as error:
                self._tell(error)
            self._bytes_before += _size(name)

    def _followed_files(self, wait: Callable[[float], bool]) -> Iterator[tuple[LogReader, bytes]]:
        with ExitStack() as opened:
            files = [
                opened.enter_context(closing(self._followed_file(name))) for name in self.names
            ]
            pause = 0.0
            while files and wait(pause):
                pause = POLL_SECONDS
                for file in files.copy():
                    try:
                        found = file.next_block()
                    except InputError as error:
                        self._tell(error)
                        files.remove(file)
                        continue
                    if found is not None:
                        pause = 0.0
                        yield found

    def _followed_file(self, name: str) -> FollowedFile:
        # A year that is given is that of the first line; a later file may be of a later year.
        years = chain((self._options.year,), repeat(None))

        def new_reader() -> LogReader:
            year = next(years)
            return self._reader(name, partial(_year_of_file, name) if year is None else year)

        def check(begin: bytes) -> None:
            if _compression(begin):
                raise InputError(f"{name}: is compressed, and only a plain file can be followed")
            _check_text(name, begin)

        return FollowedFile(name, new_reader, check)

    def _reader(self, name: str, year: int | Callable[[], int]) -> LogReader:
        return LogReader(name, year=year, classifier=self._classifier)

    def _tell(self, error: InputError) -> None:
        print(f"smtpfast {self._options.command}: {harmless(str(error))}", file=sys.stderr)
        self.has_failed = True


def _names(patterns: list[str]) -> list[str]:
    """All files, patterns of names expanded, the oldest first."""
    names: dict[str, None] = {}
    for pattern in patterns:
        found = [] if Path(pattern).exists() else glob(pattern)  # noqa: PTH207 (may be absolute)
        names |= dict.fromkeys(found or [pattern])
    return sorted(names, key=lambda name: Path(name).stat().st_mtime if Path(name).exists() else 0)


def _size(name: str) -> int:
    return Path(name).stat().st_size if Path(name).is_file() else 0


def _year_of(name: str, source: _Source) -> int | Callable[[], int]:
    """The year of the first stamp that names none, by what a stream begins with; of a file what
    finds it out, by when it was last written: that takes looking at its stamps once more."""
    if Path(name).is_file():
        return partial(_year_of_file, name)
    sample = _sample(name, source).decode("utf-8", "replace")
    return first_year(sample.split("\n"), datetime.now(UTC).date())


def _year_of_file(name: str) -> int:
    try:
        end = date.fromtimestamp(Path(name).stat().st_mtime)
    except FileNotFoundError:  # it was rotated just now
        end = datetime.now(UTC).date()
    return first_year(_stamped_lines(name), end)


def _stamped_lines(name: str) -> Iterator[str]:
    """All lines, or of a large plain file some; that it breaks is told when it is read."""
    with ExitStack() as opened, suppress(InputError, OSError):
        file, source = _open(name, opened)
        if source is file and _size(name) > _SAMPLES * _SAMPLE_BYTES:
            yield from _some_lines(file, _size(name))
            return
        for block in _text_blocks(name, source):
            yield from str(block, "utf-8", "replace").split("\n")


def _some_lines(file: BufferedReader, size: int) -> Iterator[str]:
    """The first whole lines from places all over a file: a log of its size has many a day."""
    for number in range(_SAMPLES):
        file.seek(size * number // _SAMPLES)
        if number:
            file.readline(_SAMPLE_BYTES)
        yield file.readline(_SAMPLE_BYTES).decode("utf-8", "replace")


def _text_blocks(
    name: str,
    source: _Source,
    plain: Iterable[bytes | memoryview] = (),
    *,
    is_live: bool = False,
) -> Iterator[bytes | memoryview]:
    """The blocks of a text; `plain` gives the first ones, where they can be had more cheaply."""
    _check_text(name, _sample(name, source))
    with _input_errors(name):
        yield from plain
    is_first = True

    def readinto(buffer: memoryview) -> int:
        nonlocal is_first
        with _input_errors(name):
            if not is_first:
                return source.readinto1(buffer)
            is_first = False
            # What was peeked at; `readinto1` would wait for more.
            begin = source.read1(len(buffer))
            buffer[: len(begin)] = begin
            return len(begin)

    yield from blocks_of(readinto, is_live=is_live)


def _check_text(name: str, begin: bytes) -> None:
    if b"\0" in begin:
        raise InputError(f"{name}: not a text")


def _sample(name: str, source: _Source) -> bytes:
    with _input_errors(name):
        return source.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES]


@contextmanager
def _input_errors(name: str) -> Iterator[None]:
    """What the system and the decompressors raise, as an `InputError`."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{name}: {error.strerror or error}") from None
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{name}: {error}") from None


class _Source(Protocol):
    """A file that was opened, or what takes the compression off it."""

    def peek(self, size: int, /) -> bytes:
        """What comes next, without going there."""

    def read1(self, size: int, /) -> bytes:
        """Read at most once; nothing at the end."""

    def readinto1(self, buffer: memoryview, /) -> int:
        """Read once; how many octets there were, 0 at the end."""


def _compression(begin: bytes) -> str:
    """What a file is compressed by that begins so; "" for a plain one."""
    return next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), "")


def _open(name: str, opened: ExitStack) -> tuple[BufferedReader, _Source]:
    """A file, or standard input for "-", as it is, and as it was before it was compressed."""
    source = opened.enter_context(closing(cast("BufferedReader", open_input(name))))
    with _input_errors(name):
        begin = source.peek(_LONGEST_MAGIC)
    kind = _compression(begin)
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
            plain = BufferedReader(_Zstd(source))
        except ModuleNotFoundError:
            raise InputError(f"{name}: zstd needs smtpfast[fast-io]") from None
    return source, cast("_Source", opened.enter_context(closing(cast("BufferedReader", plain))))


class _Zstd(RawIOBase):
    """What a file of zstd holds; an error of its decompressor is none of the standard library's."""

    def __init__(self, source: BufferedReader) -> None:
        import zstandard  # may be missing

        self._error = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor()
        self._stream = decompressor.stream_reader(source, read_across_frames=True)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read once."""
        try:
            return self._stream.readinto(buffer)
        except self._error as error:
            raise OSError(str(error)) from None
