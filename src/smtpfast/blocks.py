"""A file in blocks of whole lines, in memory that does not grow with it or with its lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from .errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

    # Fills a part of what it is given, and says how much; 0 at the end.
    ReadInto = Callable[[memoryview], int | None]

BLOCK_BYTES: Final = 4 << 20
# More than any syslog daemon passes on; of a longer line the rest is left out.
LONGEST_LINE: Final = 1 << 20


class LineBuffer:
    """What has been read of a file and was not taken yet, which is always less than a block.

    A line longer than `LONGEST_LINE` ends there, and the rest of it is left out.
    """

    def __init__(self) -> None:
        self._data = bytearray(BLOCK_BYTES)
        self._view = memoryview(self._data)
        self._filled = 0
        # So far there is no line end.
        self._searched = 0
        # Whether what comes next belongs to a line whose beginning was taken.
        self._is_left_out = False

    @property
    def is_full(self) -> bool:
        """Whether nothing can be read before something is taken."""
        return self._filled == len(self._data)

    def fill(self, readinto: ReadInto) -> int:
        """Read once, so much as there is room for; how much there was, 0 at the end."""
        count = readinto(self._view[self._filled :]) or 0
        self._filled += count
        if self._is_left_out and count:
            end = self._data.find(b"\n", 0, self._filled) + 1
            self._is_left_out = not end
            self._drop(end or self._filled)
        return count

    def take(self, *, is_end: bool = False) -> bytes:
        """The whole lines; at the end of the file also a last one that has no line end."""
        end = self._filled
        if not is_end:
            end = self._data.rfind(b"\n", self._searched, self._filled) + 1
            if self._filled - end > LONGEST_LINE:
                end = self._filled
        block = bytes(self._view[:end])
        if block:
            block, self._is_left_out = _shortened(block)
            self._drop(end)
        self._searched = self._filled
        return block

    def _drop(self, end: int) -> None:
        self._view[: self._filled - end] = bytes(self._view[end : self._filled])
        self._filled -= end
        self._searched = 0


def _shortened(block: bytes) -> tuple[bytes, bool]:
    """The block without the rests of lines that are too long; whether the last one goes on."""
    parts: list[bytes] = []
    start = at = 0
    # It is enough to find any line end that is near: from there on it is the same again.
    while len(block) - at > LONGEST_LINE:
        end = block.rfind(b"\n", at, at + LONGEST_LINE + 1)
        if end < 0:
            parts += block[start : at + LONGEST_LINE], b"\n"
            end = block.find(b"\n", at + LONGEST_LINE)
            if end < 0:
                return b"".join(parts), True
            start = end + 1
        at = end + 1
    return b"".join((*parts, block[start:])) if parts else block, False


def blocks_of(readinto: ReadInto, *, is_live: bool = False) -> Iterator[bytes]:
    """The blocks of a file, full ones, or as the lines arrive where it is live; each ends with a
    line end, apart from the last one. Of a file that breaks all whole lines come before the error.
    """
    buffer = LineBuffer()
    try:
        while buffer.fill(readinto):
            if (is_live or buffer.is_full) and (block := buffer.take()):
                yield block
    except InputError:
        if block := buffer.take():
            yield block
        raise
    if block := buffer.take(is_end=True):
        yield block


def plain_blocks(file: BufferedReader) -> Iterator[bytes | memoryview]:
    """Full blocks of a plain file, without a copy, up to a line that is too long or has no end:
    from there on the file is to be read by `blocks_of`.
    """
    position = 0
    while block := os.pread(file.fileno(), BLOCK_BYTES, position):
        end = block.rfind(b"\n") + 1
        if not end or _shortened(block)[0] is not block:
            break
        position += end
        file.seek(position)
        yield memoryview(block)[:end]
