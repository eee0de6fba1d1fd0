"""Files that are still written to: what has come since, also when they are rotated."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from ..blocks import LineBuffer
from ..errors import InputError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator
    from io import BufferedReader

    from ..logs import LogReader

# Nobody reads faster, and it costs nothing.
POLL_SECONDS = 0.3


class FollowedFile:
    """A file by its name, as it grows; whatever is found there later goes on behind it.

    new_reader: makes the reader of the file, and of each one that takes its place: one that is
    another (the old one is read to its end, which is when the new one holds something), or the same
    that has become shorter. check: raises an `InputError` on what a file begins with.
    """

    def __init__(
        self, name: str, new_reader: Callable[[], LogReader], check: Callable[[bytes], None]
    ) -> None:
        self._name = name
        self._new_reader = new_reader
        self._check = check
        self._buffer = LineBuffer()
        self._file: BufferedReader | None = None
        self._reader = new_reader()

    def next_block(self) -> tuple[LogReader, bytes] | None:
        """The next whole lines, which may be none yet; None, if nothing has come.

        A last line without an end waits for it, or for the end of the file.
        """
        try:
            if self._file is None:
                return self._begin()
            return self._go_on(self._file)
        except OSError as error:
            raise InputError.of(self._name, error) from None

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> tuple[LogReader, bytes] | None:
        if self._name == "-":
            raise InputError("-: standard input cannot be followed, but is read as it comes")
        found = self._found()
        if found is None:
            return None
        if not S_ISREG(found.st_mode):
            raise InputError(f"{self._name}: only a plain file can be followed")
        try:
            self._file = Path(self._name).open("rb")  # noqa: SIM115 (until `close`)
        except FileNotFoundError:  # it was renamed just now
            return None
        self._check(self._file.peek())
        return self._go_on(self._file)

    def _go_on(self, file: BufferedReader) -> tuple[LogReader, bytes] | None:
        # Looked at before the last lines are read, for nobody writes to the old one from then on.
        found = self._found()
        is_over = found is not None and not os.path.samestat(found, os.fstat(file.fileno()))
        if os.fstat(file.fileno()).st_size < file.tell():
            file.seek(0)
            return self._end()
        if self._buffer.fill(file.readinto):
            return self._reader, self._buffer.take()
        if is_over:
            self.close()
            return self._end()
        return None

    def _found(self) -> os.stat_result | None:
        """What has the name now; None, if that is nothing or still empty."""
        try:
            found = Path(self._name).stat()
        except FileNotFoundError:
            return None
        return found if found.st_size or not S_ISREG(found.st_mode) else None

    def _end(self) -> tuple[LogReader, bytes]:
        """What is left of the old file; the next block is from a new one."""
        old, self._reader = self._reader, self._new_reader()
        return old, self._buffer.take(is_end=True)


@contextmanager
def until_signal(options: Namespace) -> Iterator[Callable[[float], bool] | None]:
    """What waits for some seconds and says whether to go on, if files are to be followed: until
    SIGINT or SIGTERM has come. A second one does what it does else.
    """
    if not options.follow:
        yield None
        return
    has_come = False

    def note(*_: object) -> None:
        nonlocal has_come
        has_come = True
        restore()

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    def wait(seconds: float) -> bool:
        if not has_come:
            time.sleep(seconds)
        return not has_come

    handlers = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wait
    finally:
        restore()
