"""Files of mail logs: which there are, what is in them, and in which year they begin."""

from __future__ import annotations

import lzma
import os
import zlib
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, date, datetime
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from .blocks import blocks_of, plain_blocks
from .compression import LONGEST_MAGIC, Source, compression_of, decompressed
from .errors import InputError
from .logs import first_year

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

# A text has no NUL; this much of a file is looked at.
_SAMPLE_BYTES: Final = 1 << 12
# So many places of a large file are looked at for their stamps.
_SAMPLES: Final = 1 << 12


def names_of(patterns: Iterable[str]) -> list[str]:
    """All files, patterns of names expanded, the oldest first."""
    names: dict[str, None] = {}
    for pattern in patterns:
        found = [] if Path(pattern).exists() else glob(pattern)  # noqa: PTH207 (may be absolute)
        names |= dict.fromkeys(found or [pattern])
    return sorted(names, key=lambda name: Path(name).stat().st_mtime if Path(name).exists() else 0)


def size_of(name: str) -> int:
    """In octets; 0 for what is no file."""
    return Path(name).stat().st_size if Path(name).is_file() else 0


def _open(name: str) -> BufferedReader:
    with _input_errors(name):
        return Path(name).open("rb")


def open_log(name: str, file: BufferedReader, opened: ExitStack) -> tuple[BufferedReader, Source]:
    """A file as it is, and as it was before it was compressed; both are closed with the stack."""
    opened.enter_context(closing(file))
    with _input_errors(name):
        begin = file.peek(LONGEST_MAGIC)
    kind = compression_of(begin)
    if not kind:
        return file, cast("Source", file)
    try:
        return file, opened.enter_context(closing(decompressed(file, kind)))
    except ModuleNotFoundError as error:
        raise InputError(f"{name}: {error}") from None


def file_blocks(name: str) -> Iterator[bytes | memoryview]:
    """A file in blocks of whole lines; an `InputError` where it cannot be read, or is no text."""
    with ExitStack() as opened:
        file, source = open_log(name, _open(name), opened)
        yield from text_blocks(name, source, plain_of(file, source))


def plain_of(file: BufferedReader, source: Source) -> Iterable[bytes | memoryview]:
    """What can be had without a copy of a file that is not compressed, and no pipe."""
    is_plain = source is cast("Source", file) and file.seekable() and hasattr(os, "pread")
    return plain_blocks(file) if is_plain else ()


def year_of_file(name: str) -> int:
    """The year of the first stamp that names none, by when the file was last written."""
    try:
        end = date.fromtimestamp(Path(name).stat().st_mtime)
    except FileNotFoundError:  # it was rotated just now
        end = datetime.now(UTC).date()
    return first_year(_stamped_lines(name), end)


def _stamped_lines(name: str) -> Iterator[str]:
    """All lines, or of a large plain file some; that it breaks is told when it is read."""
    with ExitStack() as opened, suppress(InputError, OSError):
        file, source = open_log(name, _open(name), opened)
        if source is file and size_of(name) > _SAMPLES * _SAMPLE_BYTES:
            yield from _some_lines(file, size_of(name))
            return
        for block in text_blocks(name, source):
            yield from str(block, "utf-8", "replace").split("\n")


def _some_lines(file: BufferedReader, size: int) -> Iterator[str]:
    """The first whole lines from places all over a file: a log of its size has many a day."""
    for number in range(_SAMPLES):
        file.seek(size * number // _SAMPLES)
        if number:
            file.readline(_SAMPLE_BYTES)
        yield file.readline(_SAMPLE_BYTES).decode("utf-8", "replace")


def text_blocks(
    name: str,
    source: Source,
    plain: Iterable[bytes | memoryview] = (),
    *,
    is_live: bool = False,
) -> Iterator[bytes | memoryview]:
    """The blocks of a text; `plain` gives the first ones, where they can be had more cheaply."""
    check_text(name, sample_of(name, source))
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


def check_text(name: str, begin: bytes) -> None:
    """What a file begins with; an `InputError` if that is no text."""
    if b"\0" in begin:
        raise InputError(f"{name}: not a text")


def sample_of(name: str, source: Source) -> bytes:
    """What comes first."""
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
