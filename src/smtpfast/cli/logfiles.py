"""The logs that a command reads: files of all kinds, in the order of time."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .._core import BACKEND
from ..compression import compression_of
from ..errors import InputError
from ..logfiles import (
    check_text,
    names_of,
    open_log,
    plain_of,
    sample_of,
    size_of,
    text_blocks,
    year_of_file,
)
from ..logs import LogReader, first_year, read_blocks
from .follow import POLL_SECONDS, FollowedFile
from .inputs import classifier_of, open_input
from .terminal import harmless

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator
    from io import BufferedReader

    from ..compression import Source
    from ..logs import LogBlock, LogRecord


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
        self.names = names_of(options.file)
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
        return sum(map(size_of, self.names))

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
                    given = cast("BufferedReader", open_input(name))
                    self._open_file, source = open_log(name, given, opened)
                    year = self._options.year
                    if year is None:
                        year = _year_of(name, source)
                    reader = self._reader(name, year)
                    # From a pipe lines are wanted as they arrive.
                    is_live = not self._open_file.seekable()
                    plain = plain_of(self._open_file, source)
                    for block in text_blocks(name, source, plain, is_live=is_live):
                        yield reader, block
            except InputError as error:
                self._tell(error)
            self._bytes_before += size_of(name)

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
            return self._reader(name, partial(year_of_file, name) if year is None else year)

        def check(begin: bytes) -> None:
            if compression_of(begin):
                raise InputError(f"{name}: is compressed, and only a plain file can be followed")
            check_text(name, begin)

        return FollowedFile(name, new_reader, check)

    def _reader(self, name: str, year: int | Callable[[], int]) -> LogReader:
        return LogReader(name, year=year, classifier=self._classifier)

    def _tell(self, error: InputError) -> None:
        print(f"smtpfast {self._options.command}: {harmless(str(error))}", file=sys.stderr)
        self.has_failed = True


def _year_of(name: str, source: Source) -> int | Callable[[], int]:
    """The year of the first stamp that names none, by what a stream begins with; of a file what
    finds it out, by when it was last written: that takes looking at its stamps once more."""
    if Path(name).is_file():
        return partial(year_of_file, name)
    sample = sample_of(name, source).decode("utf-8", "replace")
    return first_year(sample.split("\n"), datetime.now(UTC).date())
