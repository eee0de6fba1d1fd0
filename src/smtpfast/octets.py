"""What may be given as text, and how it becomes bytes."""

from __future__ import annotations

Octets = bytes | bytearray | memoryview | str


def octets(data: Octets, /) -> bytes:
    """The bytes of any input; a str is read as UTF-8 with surrogateescape, else a `TypeError`.

    A surrogate that stands for no byte, which a str from elsewhere may hold, keeps its own bytes.
    """
    if type(data) is bytes:
        return data
    if isinstance(data, str):
        try:
            return data.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            return b"".join(map(_letter_octets, data))
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(memoryview(data))
    raise TypeError(f"expected bytes, bytearray, memoryview or str, not {type(data).__name__}")


def _letter_octets(letter: str) -> bytes:
    is_escaped = "\udc80" <= letter <= "\udcff"
    return letter.encode("utf-8", "surrogateescape" if is_escaped else "surrogatepass")
