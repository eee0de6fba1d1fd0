"""How a file is compressed, by what it begins with, and what is in it."""

from __future__ import annotations

import bz2
import gzip
import lzma
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from typing import Any

    from _typeshed import WriteableBuffer

# RFC 1952, bzip2, the xz file format, RFC 8878.
_MAGIC: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
}
LONGEST_MAGIC: Final = max(map(len, _MAGIC))


class Source(Protocol):
    """A file that was opened, or what takes the compression off it."""

    def peek(self, size: int, /) -> bytes:
        """What comes next, without going there."""

    def read(self, size: int, /) -> bytes:
        """So many octets, fewer at the end only."""

    def read1(self, size: int, /) -> bytes:
        """Read at most once; nothing at the end."""

    def readinto1(self, buffer: memoryview, /) -> int:
        """Read once; how many octets there were, 0 at the end."""

    def seek(self, position: int, /) -> object:
        """Go there, from the beginning."""

    def close(self) -> None:
        """Nothing more is wanted."""


def compression_of(begin: bytes) -> str:
    """What a file is compressed by that begins so; "" for a plain one."""
    return next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), "")


def decompressed(source: Any, kind: str) -> Source:
    """What is in a file that is compressed so; zstd needs zstandard (`ModuleNotFoundError`)."""
    plain: object
    if kind == "gzip":
        plain = gzip.GzipFile(fileobj=source, mode="rb")
    elif kind == "bzip2":
        plain = bz2.BZ2File(source)
    elif kind == "xz":
        plain = lzma.LZMAFile(source)  # noqa: SIM115 (the caller closes it)
    else:
        plain = BufferedReader(_Zstd(source))
    return cast("Source", plain)


class _Zstd(RawIOBase):
    """What a file of zstd holds; an error of its decompressor is none of the standard library's."""

    def __init__(self, source: Any) -> None:
        try:
            import zstandard
        except ModuleNotFoundError as error:
            message = "zstd needs zstandard: pip install 'smtpfast[fast-io]'"
            raise ModuleNotFoundError(message, name=error.name) from None
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
