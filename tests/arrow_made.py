"""Columns of replies as the tests of Arrow want them, what they mean, and arrays made by hand."""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import random
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_void_p, py_object
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import smtpfast
from conftest import default_matcher, load_core
from smtpfast import arrow
from smtpfast.arrow import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import ModuleType

    import pytest

    Cell = str | bytes | None
    Row = dict[str, object]

SEED: Final = 20_261_124
LABELLED: Final = sorted((Path(__file__).parent / "data" / "labelled").glob("*.jsonl"))


def arrow_on(core: str, patch: pytest.MonkeyPatch) -> ModuleType:
    """`smtpfast.arrow` on the core of that name, which skips the test if it is not built."""
    module = load_core(f"{core}_arrow")
    suffix = Path(module.__file__ or "").suffix
    assert (suffix == ".py") == (core == "pure"), "the test does not run the core it names"
    for name in ("ArrowStream", "ArrowTable", "packed", "table"):
        patch.setattr(arrow, name, getattr(module, name))
    matcher = default_matcher(core)
    patch.setattr("smtpfast.classifier.default_classifier", lambda: matcher)
    return arrow


# --- Replies --------------------------------------------------------------------------------


@cache
def labelled() -> tuple[str, ...]:
    """The replies of tests/data/, some of several lines."""
    lines = [line for path in LABELLED for line in path.read_text(encoding="utf-8").splitlines()]
    return tuple(str(json.loads(line)["reply"]) for line in lines)


def simple_lines() -> list[str]:
    """Those that any regular expression reads: one line, a code that RFC 5321 has, a space."""
    return [
        reply
        for reply in labelled()
        if "\n" not in reply and "\r" not in reply and reply[0] in "245" and reply[3:4] == " "
    ]


@cache
def odd_texts() -> tuple[str, ...]:
    """Replies that are no everyday ones, and what is no reply."""
    good = "450-4.2.0 <ann@example.org>: Greylisted, try again in 5 minutes\r\n"
    # What stands in a string view itself, and what does not: 12 octets are the border.
    short = [("550 5.1.1 no such user!")[:size] for size in range(21)]
    short += ["x" * size for size in range(21)] + ["250 " + "я" * size for size in range(9)]
    codes = [f"{code:03d} text" for code in range(1000)]
    enhanced = [f"{first}50 {first}.{second}" for first in "245" for second in ("0.0", "999.999")]
    enhanced += ["550 5.1000.1 x", "550 5.01.1 x", "550 4.1.1 x", "250 5.1.1 x", "354 3.1.1 x"]
    enhanced += ["550 5.1.1", "550 5.1.1\tx", "550  5.1.1 x", "550-5.7.1  x", "550 5.1. x"]
    lines = ["250-a\r\n250 b", "550-5.1.1 a\n550 5.1.1 b", "\r\n", "\n\n550 x", "550", "550\r\n"]
    lines += ["550-5.7.1 We block\r\n550-5.7.1 all of you\r\n550 5.7.1 spam\r\n", "550-x\r550 y"]
    broken = ["", " ", "-", "5", "55", "5500 x", "5 0 x", " 550 x", "55０ x", "٥٥٠ x", "550_x"]
    broken += ["550\x00x", "\x00", "550 \x00\x00", "550 5.1.1 \x00no", "550\t5.1.1 x", "EHLO x"]
    broken += ["host mx[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command)"]
    letters = ["550 5.1.1 Пользователь не найден", "550 Нет такого ящика 📭", "📭", "é\u0301" * 7]
    letters += ["421 4.7.0 Попробуйте через 5 минут", "250 2.0.0 Ок 👍🏽", "550 \u202e\ufeff x"]
    long = ["550 5.7.1 " + "spam " * 20_000, "x" * 100_000, "550 " + "я" * 50_000, "\n" * 100_000]
    # With the names of block lists, which are lower case wherever they come from.
    loud = [reply.upper() for reply in labelled() if "blocked using" in reply]
    # Around the end of what diagnosing reads.
    long += ["550 " + " " * size + "User unknown" for size in range(16_365, 16_389)]
    long += ["550 " + "я " * 5_000 + "😀" * size + " User unknown" for size in range(325, 353, 3)]
    texts = (short, codes, enhanced, lines, broken, letters, loud, long)
    return (
        *(good[:size] for size in range(len(good) + 1)),
        *(each for some in texts for each in some),
    )


@cache
def odd_octets() -> tuple[bytes, ...]:
    """Cells of octets that are no UTF-8, among them random ones."""
    chance = random.Random(SEED)
    broken = [
        b"\xff",
        b"550 \xff",
        b"550 5.1.1 \xd0",
        b"\xf0\x9f\x93",
        b"550\xa0x",
        b"\xed\xa0\x80",
    ]
    broken += [b"550 5.1.1 \xcd\xee \xff user unknown", b"421 \xc0\x80", b"\x00\xff" * 40]
    broken += [bytes([each]) for each in range(256)] + [
        b"550 " + bytes([each]) for each in range(256)
    ]
    # In KOI8-R and in Windows-1251.
    broken += ["550 Нет такого".encode(name) for name in ("koi8-r", "cp1251")]
    chaos = [chance.randbytes(chance.randrange(60)) for _ in range(200)]
    chaos += [b"550 5.7.1 " + chance.randbytes(chance.randrange(60)) for _ in range(200)]
    return (*broken, *chaos)


@cache
def few_texts() -> tuple[str | None, ...]:
    """A column of less than a hundred distinct cells with all kinds in it, some of them null."""
    chance = random.Random(SEED)
    texts: list[str | None] = [
        *chance.sample(labelled(), 40),
        *("", "x", "550", "250 ok", "550 5.1.1 ab", "550 5.1.1 abc", "550 5.1.1 abcd"),
        *("550-5.1.1 a\n550 5.1.1 b", "550 Нет 📭", "451 4.7.1 \x00 later", "x" * 300),
        *("250-first", "354 go on", "599 5.999.999 x", "550 5.7.1 " + "spam " * 50),
        *([None] * 12),
    ]
    chance.shuffle(texts)
    return tuple(texts)


def octets_of(cells: Iterable[Cell]) -> list[bytes | None]:
    return [cell.encode() if isinstance(cell, str) else cell for cell in cells]


def few_octets() -> tuple[bytes | None, ...]:
    return (*octets_of(few_texts()), b"\xff", b"550 5.1.1 \xff\xfe", None, b"\xd0")


# --- What they mean -------------------------------------------------------------------------


@cache
def _said(cell: str | bytes) -> Row:
    """What the functions for one reply say of it, by the names of Arrow's columns."""
    line, found = smtpfast.classify(cell), smtpfast.diagnose(cell)
    numbers = line.enhanced or (None, None, None)
    return {
        "code": line.code,
        "status": line.status.name,
        "enhanced": None if line.enhanced is None else str(line.enhanced),
        "enhanced_class": numbers[0],
        "enhanced_subject": numbers[1],
        "enhanced_detail": numbers[2],
        "is_last": line.is_last,
        "severity": line.severity.name.lower(),
        "category": line.category.name.lower(),
        "text": _as_given(line.text, cell),
        "reason": str(found.reason),
        "disposition": str(found.disposition),
        "retry_after": found.retry_after,
        "blocklist": found.blocklist,
        "provider": found.provider,
        "rule": found.rule,
        "evidence": _as_given(found.evidence, cell),
    }


def _as_given(text: str, cell: str | bytes) -> str | bytes:
    octets = text.encode("utf-8", "surrogateescape")
    return octets if isinstance(cell, bytes) else octets.decode()


def printable(value: Any) -> Any:
    """A text with U+FFFD for what is no UTF-8; anything else as it is."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def answers(cells: Iterable[Cell], fields: Sequence[str] = FIELDS) -> list[Row]:
    """The rows of a table of these cells; a null is one in all columns."""
    return [
        {name: None if cell is None else _said(cell)[name] for name in fields} for cell in cells
    ]


# --- Arrow's structs, https://arrow.apache.org/docs/format/CDataInterface.html ----------------


class ArrowSchema(ctypes.Structure):
    pass


class ArrowArray(ctypes.Structure):
    pass


class ArrowArrayStream(ctypes.Structure):
    _fields_ = (
        ("get_schema", c_void_p),
        ("get_next", c_void_p),
        ("get_last_error", c_void_p),
        ("release", c_void_p),
        ("private_data", c_void_p),
    )


ArrowSchema._fields_ = (
    ("format", c_void_p),
    ("name", c_void_p),
    ("metadata", c_void_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(c_void_p)),
    ("dictionary", c_void_p),
    ("release", c_void_p),
    ("private_data", c_void_p),
)
ArrowArray._fields_ = (
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(c_void_p)),
    ("dictionary", c_void_p),
    ("release", c_void_p),
    ("private_data", c_void_p),
)

# Whoever calls these has let go of the GIL, as engines have.
Release = ctypes.CFUNCTYPE(None, c_void_p)
GetSchema = GetNext = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)
GetLastError = ctypes.CFUNCTYPE(c_void_p, c_void_p)

new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.argtypes, new_capsule.restype = (c_void_p, c_char_p, c_void_p), py_object
capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
capsule_pointer.argtypes, capsule_pointer.restype = (py_object, c_char_p), c_void_p
_fetch_error = ctypes.pythonapi.PyErr_Fetch
_fetch_error.restype = None
# Made before: while an exception is set, there is little that can be called.
_FETCHED = (c_void_p * 3)()
_PLACES: Final = [byref(_FETCHED, number * ctypes.sizeof(c_void_p)) for number in range(3)]


def struct_in(capsule: object, name: str) -> Any:
    """The struct that a capsule of that name holds."""
    kinds: dict[str, Any] = {
        "arrow_schema": ArrowSchema,
        "arrow_array": ArrowArray,
        "arrow_array_stream": ArrowArrayStream,
    }
    return kinds[name].from_address(capsule_pointer(capsule, name.encode()))


def release(struct: Any) -> None:
    """Release a struct as engines do: without the GIL."""
    Release(struct.release)(ctypes.addressof(struct))


class Schema:
    """An `ArrowSchema` to be made; `fields` are set as they are, whatever they ought to be."""

    def __init__(
        self,
        format_: bytes | None,
        name: bytes | None = b"",
        *,
        children: Sequence[Schema | None] | None = (),
        dictionary: Schema | None = None,
        metadata: bytes | None = None,
        **fields: int | None,
    ) -> None:
        self.format, self.name, self.metadata = format_, name, metadata
        self.children, self.dictionary, self.fields = children, dictionary, fields


class Array:
    """An `ArrowArray` to be made, as a `Schema`; a buffer is its bytes, or NULL if None."""

    def __init__(
        self,
        length: int,
        buffers: Sequence[bytes | None] | None,
        *,
        children: Sequence[Array | None] | None = (),
        dictionary: Array | None = None,
        **fields: int | None,
    ) -> None:
        self.length, self.buffers = length, buffers
        self.children, self.dictionary, self.fields = children, dictionary, fields


class _Entry:
    """A struct that was made: what it owns, how often it was released, and ought to be."""

    def __init__(self, what: str, struct: Any) -> None:
        self.what, self.struct, self.released, self.wanted = what, struct, 0, 1
        self.memory: list[Any] = []
        self.owned: list[Any] = []


class Maker:
    """Makes structs and keeps count of what becomes of them.

    A struct that is released has its memory overwritten, so that reading it is seen. The capsules
    have no destructor, for one in Python might run while an exception is set: `settle` does its
    work for those capsules that nobody holds any more. With `is_guarded`, all memory ends where no
    more can be read.
    """

    def __init__(self, *, is_guarded: bool = False) -> None:
        self._is_guarded = is_guarded
        self._entries: list[_Entry] = []
        self._capsules: list[tuple[object, Any]] = []
        self._problems: list[str] = []
        self._kept: list[object] = []
        self._release = {kind: self._releaser(kind) for kind in (ArrowSchema, ArrowArray)}
        self._release_stream = self._releaser(ArrowArrayStream)

    # --- Making ---

    def schema(self, schema: Schema) -> ArrowSchema:
        struct = ArrowSchema()
        entry = self._entry(f"schema {schema.format!r} {schema.name!r}", struct)
        struct.format = self._memory(entry, schema.format, end=b"\0")
        struct.name = self._memory(entry, schema.name, end=b"\0")
        struct.metadata = self._memory(entry, schema.metadata)
        struct.flags = 2
        self._finish(entry, schema, self.schema)
        return struct

    def array(self, array: Array) -> ArrowArray:
        struct = ArrowArray()
        entry = self._entry(f"array of {array.length}", struct)
        struct.length, struct.null_count = array.length, -1
        if array.buffers is not None:
            pointers = [self._memory(entry, buffer) for buffer in array.buffers]
            struct.buffers = self._pointers(entry, pointers)
            struct.n_buffers = len(pointers)
        self._finish(entry, array, self.array)
        return struct

    def _finish(self, entry: _Entry, wanted: Any, make: Callable[[Any], Any]) -> None:
        struct = entry.struct
        if wanted.children is not None:
            made = [None if child is None else make(child) for child in wanted.children]
            entry.owned += [child for child in made if child is not None]
            pointers = [None if child is None else ctypes.addressof(child) for child in made]
            struct.children = self._pointers(entry, pointers)
            struct.n_children = len(made)
        if wanted.dictionary is not None:
            entry.owned.append(make(wanted.dictionary))
            struct.dictionary = ctypes.addressof(entry.owned[-1])
        self._set(entry, wanted.fields)

    def _set(self, entry: _Entry, fields: dict[str, int | None]) -> None:
        for name, value in fields.items():
            setattr(entry.struct, name, value)
        if "release" in fields:
            self._give_up(entry)

    def _give_up(self, entry: _Entry) -> None:
        """Nobody can release what says that it is released, nor what it owns."""
        entry.wanted = 0
        for owned in entry.owned:
            self._give_up(self._entries[owned.private_data - 1])

    def _entry(self, what: str, struct: Any) -> _Entry:
        entry = _Entry(what, struct)
        self._entries.append(entry)
        releaser = self._release.get(type(struct), self._release_stream)
        struct.release = ctypes.cast(releaser, c_void_p).value
        struct.private_data = len(self._entries)
        return entry

    def _memory(self, entry: _Entry, content: bytes | None, end: bytes = b"") -> int | None:
        if content is None:
            return None
        if self._is_guarded:
            return self._guarded(entry, content + end)
        # With room for the alignment that engines expect.
        room = ctypes.create_string_buffer(len(content) + len(end) + 64)
        start = -ctypes.addressof(room) % 64
        ctypes.memmove(ctypes.addressof(room) + start, content + end, len(content + end))
        entry.memory.append(room)
        return ctypes.addressof(room) + start

    def _guarded(self, entry: _Entry, content: bytes) -> int:
        size = -(-len(content) // mmap.PAGESIZE) * mmap.PAGESIZE
        room = mmap.mmap(-1, size + mmap.PAGESIZE)
        stop = ctypes.addressof(ctypes.c_char.from_buffer(room)) + size
        assert ctypes.CDLL(None).mprotect(c_void_p(stop), mmap.PAGESIZE, 0) == 0
        ctypes.memmove(stop - len(content), content, len(content))
        entry.memory.append((ctypes.c_char * size).from_buffer(room))
        return stop - len(content)

    def _pointers(self, entry: _Entry, pointers: Sequence[int | None]) -> Any:
        room = (c_void_p * (len(pointers) + 1))(*pointers)
        self._kept.append(room)
        return ctypes.cast(room, POINTER(c_void_p))

    # --- Handing over ---

    def capsule(self, struct: Any, name: str) -> object:
        capsule = new_capsule(ctypes.addressof(struct), self._text(name), None)
        self._capsules.append((capsule, struct))
        return capsule

    def array_source(self, schema: Schema, array: Array) -> ArraySource:
        """What has `__arrow_c_array__`."""
        return ArraySource(
            lambda: (
                self.capsule(self.schema(schema), "arrow_schema"),
                self.capsule(self.array(array), "arrow_array"),
            )
        )

    def stream_source(
        self,
        schemas: Sequence[Schema | int],
        arrays: Iterable[Array | int],
        error: bytes | None = None,
        **fields: int | None,
    ) -> StreamSource:
        """What has `__arrow_c_stream__`: see `stream`."""
        return StreamSource(
            lambda: self.capsule(
                self.stream(schemas, arrays, error, **fields), "arrow_array_stream"
            )
        )

    def stream(
        self,
        schemas: Sequence[Schema | int],
        arrays: Iterable[Array | int],
        error: bytes | None = None,
        **fields: int | None,
    ) -> ArrowArrayStream:
        """A stream that gives these; a number in place of a struct is the code of an error.

        The last of the schemas is given as often as it is asked for.
        """
        struct = ArrowArrayStream()
        entry = self._entry("stream", struct)
        message = self._memory(entry, error, end=b"\0")
        first, rest = [*schemas], iter(arrays)

        def give(made: Any, place: int) -> int:
            if isinstance(made, int):
                return made
            ctypes.memmove(place, ctypes.addressof(made), ctypes.sizeof(made))
            return 0

        def get_schema(_: int, place: int) -> int:
            self._note_exception("get_schema")
            wanted = first.pop(0) if len(first) > 1 else first[0]
            return give(wanted if isinstance(wanted, int) else self.schema(wanted), place)

        def get_next(_: int, place: int) -> int:
            self._note_exception("get_next")
            wanted = next(rest, None)
            if wanted is None:
                ctypes.memset(place, 0, ctypes.sizeof(ArrowArray))
                return 0
            return give(wanted if isinstance(wanted, int) else self.array(wanted), place)

        callbacks = GetSchema(get_schema), GetNext(get_next), GetLastError(lambda _: message)
        self._kept += callbacks
        names = ("get_schema", "get_next", "get_last_error")
        for name, callback in zip(names, callbacks, strict=True):
            setattr(struct, name, ctypes.cast(callback, c_void_p).value)
        self._set(entry, fields)
        return struct

    def _text(self, name: str) -> bytes:
        self._kept.append(name.encode())
        return self._kept[-1]  # type: ignore[return-value]

    # --- What became of them ---

    def _releaser(self, kind: Any) -> Any:
        def released(address: int) -> None:
            self._note_exception("release")
            struct = kind.from_address(address)
            number = struct.private_data
            if not number or number > len(self._entries):
                self._problems.append("something else was released")
                return
            entry = self._entries[number - 1]
            entry.released += 1
            for owned in entry.owned:
                if owned.release:
                    self._release[kind](ctypes.addressof(owned))
            for room in entry.memory:
                ctypes.memset(room, 0xEE, ctypes.sizeof(room))
            struct.release = None

        return Release(released)

    def _note_exception(self, what: str) -> None:
        """Callbacks may run Python, which cannot be while an exception is set."""
        _fetch_error(*_PLACES)
        if _FETCHED[0]:
            self._problems.append(f"{what} was called while an exception was set")

    def settle(self) -> None:
        """Destroy the capsules that only we hold, as their destructors would."""
        rest, alone = [], object()
        while self._capsules:
            capsule, struct = self._capsules.pop()
            if sys.getrefcount(capsule) > sys.getrefcount(alone):
                rest.append((capsule, struct))
            elif struct.release:
                releaser = self._release.get(type(struct), self._release_stream)
                releaser(ctypes.addressof(struct))
        self._capsules = rest

    def problems(self) -> list[str]:
        """What went wrong, when all that was handed over ought to be gone."""
        gc.collect()
        self.settle()
        held = [f"a capsule of {type(struct).__name__} is held" for _, struct in self._capsules]
        wrong = [
            f"{entry.what} was released {entry.released} times"
            for entry in self._entries
            if entry.released != entry.wanted
        ]
        return [*self._problems, *held, *wrong]


class ArraySource:
    """Anything with `__arrow_c_array__`."""

    def __init__(self, give: Callable[[], object]) -> None:
        self._give = give

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self._give()


class StreamSource:
    """Anything with `__arrow_c_stream__`."""

    def __init__(self, give: Callable[[], object]) -> None:
        self._give = give

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._give()
