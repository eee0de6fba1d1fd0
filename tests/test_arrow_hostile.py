"""Arrays made by hand that break the rules of Arrow, or come near: answers or errors, no crash.

They are read in a process of their own, which says what became of each; where it dies, another one
goes on with the next.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import json
import struct
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from arrow_made import (
    Array,
    ArraySource,
    ArrowArray,
    ArrowSchema,
    GetLastError,
    GetNext,
    GetSchema,
    Maker,
    Schema,
    StreamSource,
    answers,
    arrow_on,
    labelled,
    octets_of,
    odd_octets,
    odd_texts,
    struct_in,
)
from conftest import load_core
from smtpfast.arrow import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    Octets = bytes | None
    # What is given, and the name of its column if it is a table.
    Make = Callable[[Maker], tuple[Any, str | None]]

pa = pytest.importorskip("pyarrow")

WAYS = ("array", "stream", "table", "passed")
# Of a case, in place of the cells: it is refused, or anything but a crash is right.
REFUSED = "refused"
ANYTHING = "anything"


class Case(NamedTuple):
    """A column, what is wanted of it, and the ways in which it is given."""

    schema: Schema
    array: Array
    wanted: Sequence[Octets] | str = REFUSED
    ways: Sequence[str] = WAYS


# --- Columns --------------------------------------------------------------------------------

SOME = (b"550 5.1.1 User unknown", b"250 ok", b"x")
SIZES = {"u": "i", "z": "i", "U": "q", "Z": "q"}


def packed(kind: str, *numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}{kind}", *numbers)


def bits(*flags: int) -> bytes:
    number = sum(flag << row for row, flag in enumerate(flags))
    return number.to_bytes((len(flags) + 7) // 8, "little")


def texts(cells: Sequence[bytes] = SOME, kind: str = "u", **fields: Any) -> Array:
    """An array of texts with offsets; `offsets`, `data` and `valid` in place of its own."""
    offsets, data = [0], b""
    for cell in cells:
        data += cell
        offsets.append(len(data))
    own = {"offsets": packed(SIZES[kind], *offsets), "data": data, "valid": None}
    own |= {name: fields.pop(name) for name in list(fields) if name in own}
    length = fields.pop("length", len(cells))
    return Array(length, [own["valid"], own["offsets"], own["data"]], **fields)


def view(size: int, start: bytes = b"550 ", piece: int = 0, offset: int = 0) -> bytes:
    """A view of what stands elsewhere."""
    return packed("i", size) + start + packed("i", piece, offset)


def inline(cell: bytes, junk: bytes = b"\0") -> bytes:
    return packed("i", len(cell)) + cell.ljust(12, junk)


PIECES = (b"550 5.1.1 User unknown", b"..421 4.7.0 Try again in 5 minutes..")


def views(
    *given: bytes,
    pieces: Sequence[Octets] = PIECES,
    sizes: Any = (),
    valid: Octets = None,
    **fields: Any,
) -> Array:
    """An array of views; `sizes` in place of those of the pieces."""
    if sizes == ():
        sizes = packed("q", *(len(piece or b"") for piece in pieces))
    return Array(len(given), [valid, b"".join(given), *pieces, sizes], **fields)


def words(
    *indexes: int,
    kind: str = "b",
    dictionary: Array | None = None,
    valid: Octets = None,
    **fields: Any,
) -> Array:
    """An array of numbers in a dictionary."""
    buffers = [valid, packed(kind, *indexes)]
    buffers = fields.pop("buffers", buffers)
    if dictionary is None:
        dictionary = texts()
    return Array(len(indexes), buffers, dictionary=dictionary, **fields)


def of_words(index: bytes | None = b"c", value: bytes | None = b"u", **fields: Any) -> Schema:
    return Schema(index, dictionary=Schema(value, **fields))


TEXT, VIEW = Schema(b"u"), Schema(b"vu")
ALONE = ("array", "stream")
# Where pyarrow, which reads what is passed on, does not take it.
NOT_PASSED = ("array", "stream", "table")
INDEXES = {"c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I", "l": "q", "L": "Q"}

COLUMNS: dict[str, Case] = {}
# Right, if unusual.
for kind in SIZES:
    COLUMNS |= {
        f"{kind}": Case(Schema(kind.encode()), texts(kind=kind), SOME),
        f"{kind} cut": Case(
            Schema(kind.encode()), texts((b"550 no", *SOME, b"y"), kind, length=3, offset=1), SOME
        ),
        f"{kind} cut, with nulls": Case(
            Schema(kind.encode()),
            texts((b"550 no",) * 9 + SOME, kind, length=3, offset=9, valid=bits(*[1] * 9, 0, 1, 1)),
            (None, *SOME[1:]),
        ),
        f"{kind} empty texts without data": Case(
            Schema(kind.encode()), texts((b"",) * 3, kind, data=None), (b"",) * 3
        ),
        f"{kind} no row, no memory": Case(
            Schema(kind.encode()), texts((), kind, data=None, offsets=None), (), NOT_PASSED
        ),
        f"{kind} no row, no offset": Case(
            Schema(kind.encode()), texts((), kind, data=None, offsets=b""), ()
        ),
    }
COLUMNS |= {
    "first offset is not 0": Case(
        TEXT,
        texts(offsets=packed("i", 4, 22, 28, 29), data=b"550 " + b"".join(SOME)[4:]),
        (b"".join(SOME)[4:22], b"250 ok", b"x"),
        ALONE,
    ),
    "all null": Case(TEXT, texts(valid=bits(0, 0, 0), null_count=3), (None,) * 3),
    "a null with data": Case(TEXT, texts(valid=bits(1, 0, 1), null_count=1), (SOME[0], None, b"x")),
    "a bitmap without a null": Case(TEXT, texts(valid=bits(1, 1, 1), null_count=0), SOME),
    "flags 0": Case(Schema(b"u", flags=0), texts(), SOME),
    "no name": Case(Schema(b"u", None), texts(), SOME, ALONE),
    "no children, but a place for them": Case(TEXT, texts(children=(), n_children=0), SOME),
    "texts that are no UTF-8": Case(TEXT, texts((b"550 \xff", b"\xd0", b"x")), ANYTHING),
    "octets": Case(Schema(b"z"), texts((b"550 \xff", b"\xd0", b"")), (b"550 \xff", b"\xd0", b"")),
    "views": Case(
        Schema(b"vz"),
        views(view(22), view(32, b"421 ", 1, 2), inline(b"250 ok"), inline(b"550 12345678")),
        (PIECES[0], PIECES[1][2:34], b"250 ok", b"550 12345678"),
    ),
    "views with junk": Case(
        Schema(b"vz"),
        views(inline(b"250", b"\xff"), inline(b"", b"5"), view(22), valid=bits(1, 1, 1)),
        (b"250", b"", PIECES[0]),
        NOT_PASSED,
    ),
    "views without pieces": Case(
        Schema(b"vz"), views(inline(b"250 a"), inline(b""), pieces=(), sizes=b""), (b"250 a", b"")
    ),
    "views without pieces and sizes": Case(
        Schema(b"vz"), views(inline(b"250 a"), inline(b""), pieces=(), sizes=None), (b"250 a", b"")
    ),
    "no view at all": Case(Schema(b"vz"), Array(0, [None, None, None]), ()),
    "junk in views that are null": Case(
        Schema(b"vz"),
        views(view(-5), view(99, piece=7), view(2**31 - 1), view(22), valid=bits(0, 0, 0, 1)),
        (None, None, None, PIECES[0]),
    ),
    "views into the end of a piece": Case(
        Schema(b"vz"), views(view(13, PIECES[0][9:13], 0, 9)), (PIECES[0][9:],)
    ),
    "views with a piece that nobody needs": Case(
        Schema(b"vz"),
        views(view(22), pieces=(PIECES[0], None), sizes=packed("q", 22, 0)),
        PIECES[:1],
    ),
    "views cut": Case(
        Schema(b"vz"),
        Array(
            2,
            [bits(0, 1, 1), view(-1) + inline(b"250 ok") + view(22), PIECES[0], packed("q", 22)],
            offset=1,
        ),
        (b"250 ok", PIECES[0]),
    ),
    "words, ordered": Case(
        Schema(b"c", flags=3, dictionary=TEXT), words(2, 0, 1), (b"x", *SOME[:2])
    ),
    "numbers of nulls are junk": Case(
        of_words(), words(-7, 99, -128, 1, valid=bits(0, 0, 0, 1)), (None, None, None, b"250 ok")
    ),
    "a null among the words": Case(
        of_words(), words(0, 1, 2, dictionary=texts(valid=bits(1, 0, 1))), (SOME[0], None, b"x")
    ),
    "words cut": Case(
        of_words(),
        words(1, 0, dictionary=texts(length=2, offset=1, valid=bits(0, 1, 1))),
        (b"x", b"250 ok"),
    ),
    "numbers cut": Case(
        of_words(), Array(2, [None, packed("b", 99, 1, 2)], offset=1, dictionary=texts()), SOME[1:]
    ),
    "a number of a word that is cut off": Case(of_words(), words(0, 2, dictionary=texts(length=2))),
    "a number of a word that is cut off in front": Case(
        of_words(), words(0, -1, dictionary=texts(length=2, offset=1))
    ),
    "a number of a view that is cut off": Case(
        of_words(b"c", b"vu"),
        words(0, 2, dictionary=Array(2, views(*[inline(b"250 ok")] * 3).buffers)),
    ),
    "no word, all null": Case(
        of_words(), words(0, 5, valid=bits(0, 0), dictionary=texts(())), (None, None)
    ),
    "no number, no memory": Case(
        of_words(),
        Array(0, [None, None], dictionary=texts((), data=None, offsets=None)),
        (),
        NOT_PASSED,
    ),
    "words that are views": Case(
        of_words(b"S", b"vz"),
        words(1, 0, 1, kind="H", dictionary=views(inline(b"250 ok"), view(22))),
        (PIECES[0], b"250 ok", PIECES[0]),
    ),
    # What contradicts itself, but can be read.
    "nulls without a bitmap": Case(TEXT, texts(null_count=3), ANYTHING),
    "a bitmap, but no null": Case(TEXT, texts(valid=bits(1, 0, 1), null_count=0), ANYTHING),
    "too many nulls": Case(TEXT, texts(valid=bits(1, 0, 1), null_count=99), ANYTHING),
    "less than no nulls": Case(TEXT, texts(valid=bits(1, 0, 1), null_count=-99), ANYTHING),
    "a dictionary that the schema has not": Case(TEXT, texts(dictionary=texts()), ANYTHING),
    "children of a text": Case(TEXT, texts(children=[texts()]), ANYTHING),
    "a bad word that nobody has": Case(
        of_words(),
        words(0, 0, dictionary=texts(offsets=packed("i", 0, 22, 5, 29))),
        ANYTHING,
    ),
    "an extension": Case(
        Schema(b"u", metadata=packed("i", 1, 20) + b"ARROW:extension:name" + packed("i", 1) + b"x"),
        texts(),
        ANYTHING,
    ),
}
for index, number in INDEXES.items():
    COLUMNS[f"words by {index}"] = Case(
        of_words(index.encode()), words(2, 0, 1, 0, kind=number), (b"x", *SOME[:2], SOME[0])
    )
    COLUMNS[f"words by {index}, too large a number"] = Case(
        of_words(index.encode()), words(0, 3, 1, kind=number)
    )
    largest = (1 << 8 * struct.calcsize(number) - number.islower()) - 1
    COLUMNS[f"words by {index}, the largest number"] = Case(
        of_words(index.encode()), words(0, 1, largest, kind=number)
    )
    if number.islower():
        for lowest in (-1, -largest - 1):
            COLUMNS[f"words by {index}, the number {lowest}"] = Case(
                of_words(index.encode()), words(lowest, 1, 0, kind=number)
            )
# Formats: not one of ours, or none.
for name in (
    *("", "x", "uu", "u:", "u ", "i", "l", "n", "b", "g", "w:5", "d:9,2", "tsu:", "tdD", "v", "vx"),
    *("vuu", "+s", "+l", "+L", "+w:2", "+vl", "+r", "+m", "+ud:0", "Uu", "\xff", "ü", "%s%n%s"),
    "u" * 100_000,
):
    COLUMNS[f"format {name[:9]}"] = Case(Schema(name.encode("latin-1")), texts())
    COLUMNS[f"words of the format {name[:9]}"] = Case(
        of_words(b"c", name.encode("latin-1")), words(0)
    )
    if name not in ("i", "l"):
        COLUMNS[f"numbers of the format {name[:9]}"] = Case(
            of_words(name.encode("latin-1")), words(0)
        )
COLUMNS |= {
    "no format": Case(Schema(None), texts()),
    "no format of words": Case(of_words(b"c", None), words(0, 1)),
    "no format of numbers": Case(of_words(None), words(0, 1)),
    "words of words": Case(
        Schema(b"c", dictionary=of_words()), words(0, 1, dictionary=words(0, 1))
    ),
}
# Numbers of buffers, and buffers that are not there.
for count in (-(2**63), -1, 0, 1, 2, 4, 2**62):
    COLUMNS[f"{count} buffers"] = Case(TEXT, texts(n_buffers=count))
    COLUMNS[f"{count} buffers of words"] = Case(
        of_words(), words(0, dictionary=texts(n_buffers=count))
    )
    if count < 3:
        COLUMNS[f"{count} buffers of views"] = Case(VIEW, views(view(22), n_buffers=count))
    if count != 2:
        COLUMNS[f"{count} buffers of numbers"] = Case(of_words(), words(0, n_buffers=count))
COLUMNS |= {
    "no buffers": Case(TEXT, Array(3, None, n_buffers=3)),
    "no buffers of views": Case(VIEW, Array(3, None, n_buffers=4)),
    "no buffers of numbers": Case(of_words(), Array(3, None, n_buffers=2, dictionary=texts())),
    "no buffers of words": Case(of_words(), words(0, dictionary=Array(3, None, n_buffers=3))),
    "no offsets": Case(TEXT, texts(offsets=None)),
    "no data": Case(TEXT, texts(data=None)),
    "no data for the last": Case(TEXT, texts((b"", b"", b"x"), data=None)),
    "no large offsets": Case(Schema(b"U"), texts(kind="U", offsets=None)),
    "no large data": Case(Schema(b"U"), texts(kind="U", data=None)),
    "no views": Case(VIEW, Array(3, [None, None, *PIECES, packed("q", 22, 36)])),
    "no sizes": Case(VIEW, views(view(22), sizes=None)),
    "no piece": Case(VIEW, views(view(22), pieces=(None,), sizes=packed("q", 22))),
    "no numbers": Case(of_words(), words(0, 1, buffers=[None, None])),
    "no offsets of words": Case(of_words(), words(0, 1, dictionary=texts(offsets=None))),
    "no data of words": Case(of_words(), words(0, 1, dictionary=texts(data=None))),
    "no words": Case(of_words(), Array(2, [None, packed("b", 0, 1)])),
    "no words for a null": Case(of_words(), Array(1, [bits(0), packed("b", 0)])),
    "released words": Case(of_words(), words(0, 1, dictionary=texts(release=None))),
}
# Lengths and offsets.
for length in (-(2**63), -1, 2**48, 2**56, 2**62, 2**63 - 1):
    # Of a table's column no more than the table's rows are read.
    ways = WAYS if length < 0 else ALONE
    COLUMNS[f"length {length}"] = Case(TEXT, texts(length=length), ways=ways)
    COLUMNS[f"length {length} of words"] = Case(
        of_words(), words(0, dictionary=texts(length=length))
    )
    large = Array(length, texts(kind="U").buffers)
    COLUMNS[f"length {length}, large"] = Case(Schema(b"U"), large, ways=ways)
    COLUMNS[f"length {length}, views"] = Case(
        VIEW, Array(length, views(view(22)).buffers), ways=ways
    )
    numbers = Array(length, words(0).buffers, dictionary=texts())
    COLUMNS[f"length {length}, numbers"] = Case(of_words(), numbers, ways=ways)
    COLUMNS[f"offset {length}"] = Case(TEXT, texts(offset=length))
    COLUMNS[f"offset {length} of words"] = Case(
        of_words(), words(0, dictionary=texts(offset=length))
    )
    COLUMNS[f"offset {length}, views"] = Case(VIEW, views(view(22), offset=length))
    COLUMNS[f"offset {length}, numbers"] = Case(of_words(), words(0, offset=length))
    COLUMNS[f"length and offset {length}"] = Case(TEXT, texts(length=length, offset=length))
# Offsets.
for name, given in {
    "out of order": (0, 22, 5, 29),
    "the last before the first": (29, 28, 22, 0),
    "back to 0": (0, 22, 28, 0),
    "the first negative": (-1, 22, 28, 29),
    "all negative": (-9, -8, -7, -6),
    "one negative": (0, -22, 28, 29),
    "the last negative": (0, 22, 28, -1),
    "far out": (0, 2**31 - 1, 28, 29),
    "far out and back": (0, 22, 2**31 - 1, 29),
    "lowest": (0, -(2**31), 28, 29),
}.items():
    COLUMNS[f"offsets {name}"] = Case(TEXT, texts(offsets=packed("i", *given)))
    COLUMNS[f"large offsets {name}"] = Case(
        Schema(b"Z"), texts(kind="Z", offsets=packed("q", *given))
    )
    COLUMNS[f"offsets of words {name}"] = Case(
        of_words(), words(0, 1, 2, dictionary=texts(offsets=packed("i", *given)))
    )
for name, first, second in (
    ("2^62", 2**62, 2**62 + 6),
    ("-2^63", -(2**63), 28),
    ("2^63", 2**63 - 1, 28),
):
    COLUMNS[f"large offsets {name}"] = Case(
        Schema(b"U"), texts(kind="U", offsets=packed("q", 0, first, second, 29))
    )
COLUMNS["offsets out of order, at nulls"] = Case(
    TEXT, texts(offsets=packed("i", 0, 2**30, 28, 29), valid=bits(1, 0, 1))
)
# Views.
for name, given in {
    "size -1": view(-1),
    "size -2^31": view(-(2**31)),
    "size beyond the piece": view(23),
    "size 2^31": view(2**31 - 1),
    "piece 2": view(22, piece=2),
    "piece 2^31": view(22, piece=2**31 - 1),
    "piece -1": view(22, piece=-1),
    "piece -2^31": view(22, piece=-(2**31)),
    "offset 1": view(22, offset=1),
    "offset 22": view(13, offset=22),
    "offset 2^31": view(22, offset=2**31 - 1),
    "offset -1": view(22, offset=-1),
    "offset -2^31": view(22, offset=-(2**31)),
}.items():
    COLUMNS[f"view {name}"] = Case(VIEW, views(given, view(22)))
    COLUMNS[f"view {name}, the last"] = Case(VIEW, views(inline(b"250"), view(22), given))
    COLUMNS[f"view {name} of words"] = Case(
        of_words(b"c", b"vu"), words(1, 0, dictionary=views(given, view(22)))
    )
COLUMNS |= {
    "view of no piece": Case(VIEW, views(view(22), pieces=(), sizes=b"")),
    "view of no piece, no sizes": Case(VIEW, views(view(22), pieces=(), sizes=None)),
    "view of a piece of size 0": Case(VIEW, views(view(22), sizes=packed("q", 0, 36))),
    "view of a piece of size -1": Case(VIEW, views(view(22), sizes=packed("q", -1, 36))),
    "view of a piece of size -2^63": Case(VIEW, views(view(22), sizes=packed("q", -(2**63), 36))),
}
# Gone.
COLUMNS |= {
    "a released schema": Case(Schema(b"u", release=None), texts(), ways=ALONE),
    # In a stream it is the end.
    "a released array": Case(TEXT, texts(release=None), ways=("array", "table", "passed")),
}

# --- Tables ---------------------------------------------------------------------------------


def pair(*children: Schema | None, **fields: Any) -> Schema:
    return Schema(
        b"+s", children=children or (Schema(b"u", b"reply"), Schema(b"i", b"n")), **fields
    )


def numbers(length: int = 3, **fields: Any) -> Array:
    return Array(length, [None, packed("i", *range(9))], **fields)


def batch(*children: Array | None, length: int = 3, valid: Octets = None, **fields: Any) -> Array:
    rows = min(max(length, 0), 3)
    return Array(
        length, [valid], children=children or (texts(SOME[:rows]), numbers(rows)), **fields
    )


NINE = texts((b"250 ok",) * 9, valid=bits(*[1, 0, 1] * 3))
STRUCT = Schema(b"+s", b"reply", children=[Schema(b"u", b"a")])
TABLES: dict[str, Case] = {
    "table": Case(pair(), batch(), SOME),
    "table without a row": Case(pair(), batch(length=0), ()),
    "table of longer columns": Case(
        pair(), batch(NINE, numbers(9)), (b"250 ok", None, b"250 ok"), ALONE
    ),
    "table with nulls": Case(pair(), batch(valid=bits(1, 0, 1)), (SOME[0], None, SOME[2]), ALONE),
    "table with nulls, cut": Case(
        pair(),
        batch(NINE, numbers(9), valid=bits(1, 1, 0, 0, 1), offset=2),
        (None, None, None),
        ALONE,
    ),
    "cut column in a cut table": Case(
        pair(),
        batch(
            texts((b"250 a", b"250 b", b"250 c", b"250 d", b"550 e"), length=3, offset=2),
            numbers(),
            length=1,
            offset=2,
        ),
        (b"550 e",),
        ALONE,
    ),
    "table without a name": Case(
        pair(Schema(b"u", b"reply"), Schema(b"i", None)), batch(), SOME, ALONE
    ),
    "a name that is no UTF-8": Case(
        pair(Schema(b"u", b"reply"), Schema(b"i", b"\xff\xc3")), batch(), ANYTHING
    ),
    "table without a buffer": Case(pair(), batch(n_buffers=0), ANYTHING),
    "table without buffers": Case(
        pair(), Array(3, None, n_buffers=1, children=(texts(), numbers())), ANYTHING
    ),
    "table of many buffers": Case(pair(), batch(n_buffers=3), ANYTHING),
    "another column without a format": Case(
        pair(Schema(b"u", b"reply"), Schema(None, b"n")), batch(), ANYTHING
    ),
    "another column of junk": Case(
        pair(Schema(b"u", b"reply"), Schema(b"\xff?", b"n")), batch(), ANYTHING
    ),
    "another column without buffers": Case(pair(), batch(texts(), numbers(n_buffers=0)), ANYTHING),
    "metadata of -1 pairs": Case(pair(metadata=packed("i", -1)), batch(), ANYTHING),
    "metadata of a negative size": Case(pair(metadata=packed("i", 1, -5)), batch(), ANYTHING),
    "metadata of a column": Case(
        pair(Schema(b"u", b"reply", metadata=packed("i", 1, -5)), Schema(b"i", b"n")),
        batch(),
        ANYTHING,
    ),
    "a column that was moved away": Case(
        pair(Schema(b"u", b"reply", release=None), Schema(b"i", b"n")), batch(), ANYTHING
    ),
    "no such column": Case(pair(Schema(b"u", b"replies"), Schema(b"i", b"n")), batch()),
    "no name of the column": Case(pair(Schema(b"u", None), Schema(b"i", b"n")), batch()),
    "the column twice": Case(
        pair(Schema(b"u", b"reply"), Schema(b"u", b"reply")), batch(texts(), texts())
    ),
    "the column of structs": Case(
        pair(STRUCT, Schema(b"i", b"n")), batch(batch(texts()), numbers())
    ),
    "a released table": Case(pair(release=None), batch()),
    "a released batch": Case(pair(), batch(release=None), ways=("array",)),
    "a released column": Case(pair(), batch(texts(release=None), numbers())),
    "another released column": Case(
        pair(), batch(texts(), numbers(release=None)), ways=("passed",)
    ),
    "no children": Case(pair(), Array(3, [None], children=None, n_children=2)),
    "no column": Case(pair(), batch(None, numbers())),
    "no other column": Case(pair(), batch(texts(), None), ways=("passed",)),
    "no children in the schema": Case(Schema(b"+s", children=None, n_children=2), batch()),
    "no columns in the schema": Case(pair(None, None), batch()),
    "no column in the schema": Case(pair(None, Schema(b"i", b"n")), batch()),
    "less than no columns in the schema": Case(pair(n_children=-1), batch()),
    "no columns, in the schema only": Case(pair(n_children=0), batch()),
    "a column more, in the schema only": Case(
        pair(Schema(b"u", b"reply"), Schema(b"i", b"n"), Schema(b"i", b"m")), batch()
    ),
    "a column less, in the schema only": Case(pair(Schema(b"u", b"reply")), batch()),
    "a short column": Case(pair(), batch(texts(length=2), numbers())),
    "another short column": Case(pair(), batch(texts(), numbers(2)), ways=("passed",)),
    "a column without rows": Case(pair(), batch(texts(()), numbers())),
    "a short column in a cut table": Case(pair(), batch(offset=1)),
    "a long cut": Case(pair(), batch(length=0, offset=4)),
    "a column of a negative length": Case(pair(), batch(texts(length=-1), numbers())),
}
for count in (-(2**63), -1, 0, 1, 3, 2**62):
    TABLES[f"{count} columns"] = Case(pair(), batch(n_children=count))
for length in (-(2**63), -1, 2**48, 2**56, 2**62, 2**63 - 1):
    TABLES[f"{length} rows"] = Case(pair(), batch(length=length))
    TABLES[f"{length} rows of all"] = Case(
        pair(), batch(texts(length=length), numbers(length), length=length)
    )
    TABLES[f"from row {length} on"] = Case(pair(), batch(offset=length))
    TABLES[f"no row from row {length} on"] = Case(pair(), batch(length=0, offset=length))


# --- Streams and capsules -------------------------------------------------------------------


class Trial(NamedTuple):
    """What is given, whether it is passed on in a stream, what is wanted, words of the error."""

    make: Make
    is_passed: bool
    wanted: Sequence[Octets] | str
    words: str = ""


def streams_of() -> dict[str, tuple[Callable[[Maker], Any], Sequence[Octets] | str, str]]:
    """Streams of tables, what is wanted, and words of the error."""
    one, gone = pair(), b"the disk is gone"
    end = Array(3, [None], n_children=2, release=None)

    def of(
        *arrays: Array | int,
        schemas: Sequence[Schema | int] = (one,),
        error: bytes | None = None,
        **fields: int | None,
    ) -> Callable[[Maker], Any]:
        return lambda maker: maker.stream_source(schemas, arrays, error, **fields)

    return {
        "no batch": (of(), (), ""),
        "two batches": (of(batch(), batch()), SOME * 2, ""),
        "empty batches": (of(batch(length=0), batch(), batch(length=0)), SOME, ""),
        "junk at the end": (of(batch(), end), SOME, ""),
        "no schema": (of(schemas=[22], error=gone), REFUSED, "the disk is gone"),
        "no schema, no message": (of(schemas=[5]), REFUSED, ""),
        "no schema, an empty message": (of(schemas=[5], error=b""), REFUSED, ""),
        "no schema, -1": (of(schemas=[-1], error=gone), REFUSED, "the disk is gone"),
        "no first batch": (of(5, error=gone), REFUSED, "the disk is gone"),
        "no second batch": (of(batch(), 5, batch(), error=gone), REFUSED, "the disk is gone"),
        "no batch, no message": (of(batch(), 12), REFUSED, ""),
        "no batch, an empty message": (of(22, error=b""), REFUSED, ""),
        "no batch, -1": (of(-1, error=gone), REFUSED, "the disk is gone"),
        "no batch, an odd message": (of(22, error=b"\xff\xfe gone"), REFUSED, "gone"),
        "no batch, a long message": (of(22, error=b"gone " * 99_999), REFUSED, "gone"),
        "no batch, a message of forms": (of(22, error=b"%s%n%d gone"), REFUSED, "%s%n%d gone"),
        "a released schema": (of(batch(), schemas=[pair(release=None)]), REFUSED, ""),
        "a schema without a format": (of(schemas=[Schema(None)]), REFUSED, ""),
        "a schema of texts": (of(texts(), schemas=[TEXT]), REFUSED, ""),
        "a released stream": (of(batch(), release=None), REFUSED, ""),
        "no get_schema": (of(batch(), get_schema=None), REFUSED, ""),
        "no get_next": (of(batch(), get_next=None), REFUSED, ""),
        "no get_last_error": (of(22, get_last_error=None), REFUSED, ""),
        "a bad batch": (of(batch(), batch(texts()), batch()), REFUSED, ""),
        "a bad cell": (
            of(batch(), batch(texts(offsets=packed("i", 0, 22, 5, 29)), numbers())),
            REFUSED,
            "",
        ),
        "another schema then": (of(batch(), schemas=[one, pair(Schema(b"u", b"x"))]), ANYTHING, ""),
        "no children then": (
            of(batch(), schemas=[one, Schema(b"+s", children=None, n_children=2)]),
            ANYTHING,
            "",
        ),
        "no child then": (of(batch(), schemas=[one, pair(None, None)]), ANYTHING, ""),
        "no struct then": (of(batch(), schemas=[one, TEXT]), ANYTHING, ""),
        "a released schema then": (of(batch(), schemas=[one, pair(release=None)]), ANYTHING, ""),
        "no schema then": (of(batch(), schemas=[one, 22], error=gone), ANYTHING, ""),
    }


def capsules_of() -> dict[str, Callable[[Maker], Any]]:
    """What gives no capsules, or wrong ones; all are refused."""

    def array(give: Callable[[Maker], object]) -> Callable[[Maker], Any]:
        return lambda maker: ArraySource(lambda: give(maker))

    def stream(give: Callable[[Maker], object]) -> Callable[[Maker], Any]:
        return lambda maker: StreamSource(lambda: give(maker))

    def schema_of(maker: Maker, name: str = "arrow_schema") -> object:
        return maker.capsule(maker.schema(TEXT), name)

    def array_of(maker: Maker, name: str = "arrow_array") -> object:
        return maker.capsule(maker.array(texts()), name)

    class NotCallable:
        __arrow_c_array__ = 5

    class NotCallableStream:
        __arrow_c_stream__ = 5

    return {
        "None": array(lambda _: None),
        "a number": array(lambda _: 5),
        "a text": array(lambda _: "ab"),
        "no capsule": array(lambda _: ()),
        "one capsule": array(lambda maker: (schema_of(maker),)),
        "three capsules": array(lambda maker: (schema_of(maker), array_of(maker), array_of(maker))),
        "a capsule alone": array(schema_of),
        "no capsules": array(lambda _: (1, 2)),
        "nothing": array(lambda _: (None, None)),
        "no array": array(lambda maker: (schema_of(maker), None)),
        "no schema": array(lambda maker: (None, array_of(maker))),
        "the other order": array(lambda maker: (array_of(maker), schema_of(maker))),
        "two schemas": array(lambda maker: (schema_of(maker), schema_of(maker))),
        "another name of the schema": array(
            lambda maker: (schema_of(maker, "arrow_schem"), array_of(maker))
        ),
        "another name of the array": array(
            lambda maker: (schema_of(maker), array_of(maker, "arrow_array_stream"))
        ),
        "an empty name": array(lambda maker: (schema_of(maker, ""), array_of(maker, ""))),
        "what cannot be called": lambda _: NotCallable(),
        "None for a stream": stream(lambda _: None),
        "a number for a stream": stream(lambda _: 5),
        "two for a stream": stream(lambda maker: (schema_of(maker), array_of(maker))),
        "a schema for a stream": stream(schema_of),
        "an array for a stream": stream(array_of),
        "another name of the stream": stream(
            lambda maker: maker.capsule(maker.stream([pair()], [batch()]), "arrow_array")
        ),
        "a stream that cannot be called": lambda _: NotCallableStream(),
    }


def column_made(case: Case, way: str) -> Make:
    """A column in one of the ways."""
    rows = case.array.length if 0 <= case.array.length < 9 else 3
    if way == "array":
        return lambda maker: (maker.array_source(case.schema, case.array), None)
    if way == "stream":
        return lambda maker: (maker.stream_source([case.schema], [case.array]), None)

    def make(maker: Maker) -> tuple[Any, str]:
        own = case.schema
        fields: Any = {"children": own.children, "dictionary": own.dictionary, **own.fields}
        column = Schema(own.format, b"reply", metadata=own.metadata, **fields)
        schema = pair(column, Schema(b"i", b"n"))
        array = batch(case.array, numbers(rows), length=rows)
        if way == "table":
            return maker.array_source(schema, array), "reply"
        return maker.stream_source([schema], [array]), "reply"

    return make


def table_made(case: Case, way: str) -> Make:
    if way == "array":
        return lambda maker: (maker.array_source(case.schema, case.array), "reply")
    return lambda maker: (maker.stream_source([case.schema], [case.array]), "reply")


@cache
def trials() -> dict[str, Trial]:
    """All that is tried, by its name."""
    made: dict[str, Trial] = {}
    for name, case in COLUMNS.items():
        for way in case.ways:
            make = column_made(case, way)
            made[f"column: {name}, {way}"] = Trial(make, way == "passed", case.wanted)
    for name, case in TABLES.items():
        for way in case.ways:
            if way != "table":
                make = table_made(case, way)
                made[f"table: {name}, {way}"] = Trial(make, way == "passed", case.wanted)
    for name, (give, wanted, error) in streams_of().items():
        for is_passed in (False, True):

            def make_stream(maker: Maker, give: Callable[[Maker], Any] = give) -> tuple[Any, str]:
                return give(maker), "reply"

            way = "passed" if is_passed else "table"
            made[f"stream: {name}, {way}"] = Trial(make_stream, is_passed, wanted, error)
    for name, give in capsules_of().items():
        for is_passed in (False, True):
            if is_passed and "stream" not in name:
                continue

            def make_capsule(
                maker: Maker,
                give: Callable[[Maker], Any] = give,
                column: str | None = "reply" if is_passed else None,
            ) -> tuple[Any, str | None]:
                return give(maker), column

            way = "passed" if is_passed else "table"
            made[f"capsule: {name}, {way}"] = Trial(make_capsule, is_passed, REFUSED)
    return made


# --- What becomes of them: in a process of its own ------------------------------------------


GUARDED = (*SIZES, "vu", "vz", "c, u", "c, vu", "c, U")


def in_guarded_memory(arrow: ModuleType, kind: str) -> tuple[str, list[str]]:
    """What becomes of each cell where nothing can be read behind it, its view or its bitmap."""
    index, _, value = kind.rpartition(", ")
    cells = octets_of([*odd_texts(), *labelled()[::9]]) + [*odd_octets()] * ("z" in kind.lower())
    schema = Schema(value.encode())
    for number, cell in enumerate(cells):
        given = [b"250 ok", None, cell] if number % 3 else [cell]
        there = [each or b"" for each in given]
        valid = None if number % 3 else bits(*[each is not None for each in given])
        if number % 3 and number % 2:
            valid = bits(*[1] * len(given))
        wanted = [b"" if each is None and valid != bits(1, 0, 1) else each for each in given]
        if value in SIZES:
            made = texts(there, value, valid=valid)
        else:
            long = b"".join(each for each in there if len(each) > 12)
            made = views(*views_of(there), pieces=[long] if long else [], valid=valid)
        gc.freeze()
        maker = Maker(is_guarded=True)
        source = maker.array_source(schema, made)
        if index:
            numbers = words(*range(len(given)), dictionary=made)
            source = maker.array_source(Schema(index.encode(), dictionary=schema), numbers)
        for fields in (FIELDS, ["code"]):
            result = arrow.diagnose(source, fields=fields)
            maker.settle()
            if as_octets(pa.table(result).to_pylist()) != answers(wanted, fields):
                return f"wrong: {cell!r:.300}", []
        if maker.problems():
            return f"wrong: {cell!r:.300}", maker.problems()
    return "right", []


def views_of(cells: Sequence[bytes]) -> list[bytes]:
    """Views of these, the long ones one behind the other in one piece."""
    made, place = [], 0
    for cell in cells:
        made.append(inline(cell) if len(cell) <= 12 else view(len(cell), cell[:4], 0, place))
        place += len(cell) if len(cell) > 12 else 0
    return made


class Failed(Exception):  # noqa: N818
    """What a stream says by a number and a message."""


def rows_by_hand(stream: Any, is_read: bool) -> list[Any]:
    """The rows that a stream gives, or none where nobody dares to read them."""
    capsule = stream.__arrow_c_stream__()
    struct_ = struct_in(capsule, "arrow_array_stream")
    place = ctypes.addressof(struct_)

    def check(code: int) -> None:
        if code:
            message = GetLastError(struct_.get_last_error)(place)
            words = ctypes.string_at(message).decode("utf-8", "replace") if message else ""
            raise Failed(f"{code} {words}")

    schema, rows, kind = ArrowSchema(), [], None
    check(GetSchema(struct_.get_schema)(place, ctypes.addressof(schema)))
    try:
        if is_read:
            kind = pa.DataType._import_from_c(ctypes.addressof(schema))
        while True:
            array = ArrowArray()
            check(GetNext(struct_.get_next)(place, ctypes.addressof(array)))
            if not array.release:
                return rows
            if kind is None:
                ctypes.CFUNCTYPE(None, ctypes.c_void_p)(array.release)(ctypes.addressof(array))
                continue
            found = pa.Array._import_from_c(ctypes.addressof(array), kind)
            found.validate(full=True)
            rows += [{name: row[f"its_{name}"] for name in FIELDS} for row in found.to_pylist()]
    finally:
        if schema.release:
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(schema.release)(ctypes.addressof(schema))


def outcome_of(arrow: ModuleType, maker: Maker, trial: Trial) -> str:
    """What becomes of it, in words."""
    data, column = trial.make(maker)
    is_read = not isinstance(trial.wanted, str)
    try:
        if trial.is_passed:
            stream = arrow.stream(data, column, fields=FIELDS, prefix="its_")
            found = rows_by_hand(stream, is_read)
        else:
            result = arrow.diagnose(data, column, fields=FIELDS)
            del data
            # What was given is gone: the result has to stand on its own.
            maker.settle()
            if is_read:
                table = pa.table(result)
                table.validate(full=True)
                found = table.to_pylist()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if isinstance(trial.wanted, str):
        return "answered"
    return "right" if as_octets(found) == answers(trial.wanted) else f"wrong: {found}"


def as_octets(rows: list[Any]) -> list[Any]:
    return [{name: as_octet(name, value) for name, value in row.items()} for row in rows]


def as_octet(name: str, value: Any) -> Any:
    is_given = name in ("text", "evidence") and isinstance(value, str)
    return value.encode() if is_given else value


def run(core: str, first: int) -> None:
    """Try all from that number on, and say what became of each."""
    with pytest.MonkeyPatch.context() as patch:
        arrow = arrow_on(core, patch)
        for number, (name, trial) in enumerate(trials().items()):
            if number < first or not is_for(core, trial):
                continue
            print(json.dumps([number, name]), flush=True)
            gc.freeze()  # what is there stays, and need not be looked at again
            faulthandler.dump_traceback_later(30, exit=True)
            maker, unraisable = Maker(), []
            sys.unraisablehook = lambda told, kept=unraisable: kept.append(repr(told.exc_value))  # type: ignore[misc]
            outcome = outcome_of(arrow, maker, trial)
            problems = maker.problems() + unraisable
            print(json.dumps([number, name, outcome, problems]), flush=True)


def run_guarded(core: str, kind: str) -> None:
    """Say what becomes of all cells of that kind."""
    with pytest.MonkeyPatch.context() as patch:
        faulthandler.dump_traceback_later(300, exit=True)
        print(json.dumps(in_guarded_memory(arrow_on(core, patch), kind)), flush=True)


def is_for(core: str, trial: Trial) -> bool:
    """The reference is pyarrow, which believes what it is told."""
    return core == "compiled" or not isinstance(trial.wanted, str)


@cache
def outcomes(core: str) -> dict[str, tuple[str, list[str]]]:
    """What becomes of each, by its name."""
    found: dict[str, tuple[str, list[str]]] = {}
    first = 0
    while first < len(trials()):
        command = [sys.executable, "-X", "faulthandler", __file__, core, str(first)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for _, name, *told in lines:
            found[name] = told or ("crashed", [done.stderr[-2_000:]])  # type: ignore[assignment]
        if done.returncode == 0:
            break
        assert lines, done.stderr
        first = lines[-1][0] + 1
    return found


if __name__ == "__main__":
    if sys.argv[2] in GUARDED:
        run_guarded(sys.argv[1], sys.argv[2])
    else:
        run(sys.argv[1], int(sys.argv[2]))


# --- Tests ----------------------------------------------------------------------------------


GIVEN = [*dict.fromkeys(name.rpartition(", ")[0] for name in trials())]


@pytest.mark.parametrize("given", GIVEN)
def test_whatever_is_given(given: str) -> None:
    load_core("compiled_arrow")
    for name, trial in trials().items():
        if name.rpartition(", ")[0] != given:
            continue
        outcome, problems = outcomes("compiled")[name]
        kind, _, words = outcome.partition(": ")
        assert kind not in ("crashed", "wrong"), (name, outcome, *problems)
        assert problems == [], (name, outcome)
        if trial.wanted == REFUSED:
            assert kind in ("SmtpFastError", "TypeError", "MemoryError", "Failed"), (name, outcome)
            assert trial.words in words, name
            # There is never room for so many rows; of all else it is said what is wrong.
            may_lack_memory = "length" in name or "rows" in name
            assert len(words) > 8 or (kind == "MemoryError" and may_lack_memory), (name, outcome)
        elif trial.wanted != ANYTHING:
            assert outcome == "right", name


def test_the_reference_says_the_same() -> None:
    found = outcomes("pure")
    assert len(found) > 200
    wrong = {name: told for name, told in found.items() if told != ["right", []]}
    # Of which pyarrow says that it is no array.
    refused = {name for name in wrong if "no memory" in name or "without a name" in name}
    assert {name: told for name, told in wrong.items() if name not in refused} == {}


@pytest.mark.skipif(sys.platform == "win32", reason="memory is guarded by mprotect")
@pytest.mark.parametrize("kind", GUARDED)
def test_nothing_is_read_behind_the_end(kind: str) -> None:
    load_core("compiled_arrow")
    command = [sys.executable, "-X", "faulthandler", __file__, "compiled", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert json.loads(done.stdout) == ["right", []]


def test_what_is_made_by_hand_is_right() -> None:
    """The makers above, read by pyarrow."""
    maker = Maker()
    array = pa.array(maker.array_source(TEXT, texts(valid=bits(1, 0, 1))))
    array.validate(full=True)
    assert array.to_pylist() == [SOME[0].decode(), None, "x"]
    assert maker.problems() == ["array of 3 was released 0 times"]
    del array
    assert maker.problems() == []
    array = pa.array(
        maker.array_source(VIEW, views(view(22), inline(b"250"), view(32, b"421 ", 1, 2)))
    )
    array.validate(full=True)
    assert array.to_pylist() == [PIECES[0].decode(), "250", PIECES[1][2:34].decode()]
    array = pa.array(maker.array_source(of_words(b"S"), words(2, 0, kind="H")))
    array.validate(full=True)
    assert array.to_pylist() == ["x", SOME[0].decode()]
    table = pa.table(maker.stream_source([pair()], [batch(), batch()]))
    table.validate(full=True)
    assert table.to_pydict() == {"reply": [cell.decode() for cell in SOME] * 2, "n": [0, 1, 2] * 2}
    del array, table
    assert maker.problems() == []


def test_what_is_not_released_or_twice_is_seen() -> None:
    maker = Maker()
    capsules = maker.array_source(TEXT, texts()).__arrow_c_array__()
    assert maker.problems()[0] == "a capsule of ArrowArray is held"
    struct_ = struct_in(capsules[1], "arrow_array")
    callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(struct_.release)
    callback(ctypes.addressof(struct_))
    assert struct_.release is None
    callback(ctypes.addressof(struct_))
    del capsules
    assert maker.problems() == ["array of 3 was released 2 times"]
