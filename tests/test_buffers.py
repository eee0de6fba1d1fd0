"""Buffers: `classify_lines` gives each line as `classify` does, in columns, without a copy."""

from __future__ import annotations

import array
import copy
import gc
import itertools
import mmap
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpfast import EnhancedStatusCode, ReplyLine, ReplyLines, SmtpStatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from smtpfast._core.pure import Octets

COLUMNS = {"code": "h", "is_last": "?", "enhanced": "i", "text_start": "q", "text_end": "q"}

# One line of each shape, each with its line end.
SHAPES = [
    b"250 ok\r\n",
    b"250-2.1.5 Recipient ok\r\n",
    b"550 5.7.26 Unauthenticated\n",
    b"450 4.999.999 x\r\r\n",
    b"354\n",
    b"250-\r\n",
    b"421 4.2.1\r\n",
    b"\n",
    b"\r\n",
    b"\r\r\r\n",
    b"25\n",
    b"0 ok\r\n",
    b"2500 ok\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"250\tTAB\r\n",
    b"250no blank\r\n",
    b"250 \xff\x00\xc3\xae\r\n",
    b"220 2.0.0 greeting\r\n",
    b"354 3.1.1 no such class\r\n",
    b"250 2.1.05 leading zero\r\n",
    b"250 2.1.5\ttab behind\r\n",
    b"550-5.1.1\n",
    b"999 9.9.9 x\n",
    b"250 a\rb\r\n",
]
MIXED = b"".join(SHAPES)


def lines_of(data: bytes) -> list[bytes]:
    """The lines with their LFs; what stands behind the last LF counts, if anything does."""
    *whole, last = data.split(b"\n")
    return [*(line + b"\n" for line in whole), *([last] if last else [])]


def contents(rows: ReplyLines) -> list[bytes]:
    """The columns as bytes: equal only when every row of every column is."""
    return [bytes(getattr(rows, name)) for name in COLUMNS]


def check(core: ModuleType, data: bytes) -> ReplyLines:
    """The rows of `data`, each compared with its line and with `classify`."""
    rows = core.classify_lines(data)
    lines = lines_of(data)
    assert len(rows) == len(lines)
    start = 0
    for line, code, is_last, enhanced, text_start, text_end in zip(
        lines, rows.code, rows.is_last, rows.enhanced, rows.text_start, rows.text_end, strict=True
    ):
        expected = core.classify(line)
        assert (code, is_last) == (expected.code, expected.is_last), line
        assert enhanced == int(expected.enhanced or 0), line
        assert text_end == start + len(line.rstrip(b"\r\n")), line
        text = data[text_start:text_end]
        assert start <= text_start <= text_end
        assert text.decode("utf-8", "surrogateescape") == expected.text, line
        start += len(line)
    return rows


# --- Columns --------------------------------------------------------------------------------


def test_columns_are_plain_memory(core: ModuleType) -> None:
    rows = core.classify_lines(MIXED)
    sizes = {"h": 2, "?": 1, "i": 4, "q": 8}
    for name, typecode in COLUMNS.items():
        column = getattr(rows, name)
        assert type(column) is memoryview
        assert (column.format, column.itemsize) == (typecode, sizes[typecode])
        assert column.readonly
        assert column.contiguous
        assert column.c_contiguous
        assert (column.ndim, column.shape) == (1, (len(rows),))
        assert column.nbytes == len(rows) * sizes[typecode]
        with pytest.raises(TypeError):
            column[0] = 1


def test_values_of_the_columns(core: ModuleType) -> None:
    data = b"250-2.1.5 a\r\n550 5.7.509 bc\nnonsense\r\n354"
    rows = core.classify_lines(data)
    assert rows.code.tolist() == [250, 550, -1, 354]
    assert rows.is_last.tolist() == [False, True, True, True]
    assert all(type(each) is bool for each in rows.is_last)
    assert rows.enhanced.tolist() == [2_001_005, 5_007_509, 0, 0]
    assert rows.text_start.tolist() == [10, 25, 28, 41]
    assert rows.text_end.tolist() == [11, 27, 36, 41]
    assert bytes(rows.data) == data
    assert list(rows) == [
        ReplyLine(250, SmtpStatusCode.OK, False, EnhancedStatusCode(2, 1, 5), "a"),
        ReplyLine(
            550, SmtpStatusCode.MAILBOX_UNAVAILABLE, True, EnhancedStatusCode(5, 7, 509), "bc"
        ),
        ReplyLine(-1, SmtpStatusCode.GENERAL_FAILURE, True, None, "nonsense"),
        ReplyLine(354, SmtpStatusCode.START_MAIL_INPUT, True, None, ""),
    ]


def test_numpy_reads_without_a_copy(core: ModuleType) -> None:
    numpy = pytest.importorskip("numpy")
    rows = core.classify_lines(MIXED)
    dtypes = {"h": "int16", "?": "bool", "i": "int32", "q": "int64"}
    for name, typecode in COLUMNS.items():
        column = getattr(rows, name)
        addresses = set()
        for seen in (
            numpy.frombuffer(column, dtype=dtypes[typecode]),
            numpy.asarray(column),
        ):
            assert seen.dtype == dtypes[typecode]
            assert not seen.flags.owndata
            assert not seen.flags.writeable
            assert seen.flags.aligned
            assert seen.tolist() == column.tolist()
            addresses.add(seen.__array_interface__["data"][0])
        assert len(addresses) == 1
    assert numpy.array_equal(numpy.asarray(rows.code[::2]), rows.code.tolist()[::2])
    codes = numpy.asarray(rows.code)
    expected = codes.tolist()
    del rows, seen
    gc.collect()
    assert codes.tolist() == expected, "the array keeps the memory alive"


def test_data_is_the_buffer_itself(core: ModuleType) -> None:
    data = bytearray(b"250 old\r\n")
    rows = core.classify_lines(data)
    data[4:7] = b"new"
    assert rows[0].text == "new"
    assert rows.data.obj is data


# --- What lines there are -------------------------------------------------------------------


@pytest.mark.parametrize("empty", [b"", "", bytearray(), memoryview(b""), array.array("q")])
def test_nothing_in_nothing_out(core: ModuleType, empty: Octets) -> None:
    rows = core.classify_lines(empty)
    assert len(rows) == 0
    assert list(rows) == []
    assert not rows
    assert [len(getattr(rows, name)) for name in COLUMNS] == [0] * 5
    assert [getattr(rows, name).format for name in COLUMNS] == list(COLUMNS.values())
    with pytest.raises(IndexError):
        rows[0]


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 4_095, 4_096, 4_097, 12_289])
@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\r\r\n"])
def test_blank_lines_are_malformed_lines(core: ModuleType, blank: bytes, count: int) -> None:
    rows = core.classify_lines(blank * count)
    assert len(rows) == count
    assert set(rows.code) == {-1}
    assert set(rows.is_last) == {True}
    assert set(rows.enhanced) == {0}
    starts = list(range(0, len(blank) * count, len(blank)))
    assert rows.text_start.tolist() == rows.text_end.tolist() == starts
    assert rows[-1] == core.classify(b"\n")


def test_last_line_without_a_line_end(core: ModuleType) -> None:
    for last in (b"2", b"250", b"250 ok", b"250-2.1.5", b"\r", b"250 ok\r", b"x", b" "):
        for before in (b"", b"250 a\r\n", b"\n"):
            rows = check(core, before + last)
            assert rows[-1] == core.classify(last)
            assert len(rows) == before.count(b"\n") + 1


def test_runs_of_cr(core: ModuleType) -> None:
    for count in (0, 1, 2, 15, 16, 17, 63, 64, 65, 5_000):
        for line in (b"250 ok", b"250 a\rb", b"", b"250-5.1.1", b"550 5.1.1"):
            check(core, b"250 a\n" + line + b"\r" * count + b"\n" + line + b"\r" * count)


def test_every_prefix_and_every_part(core: ModuleType) -> None:
    for end in range(len(MIXED) + 1):
        check(core, MIXED[:end])
        check(core, MIXED[end:])


def test_every_pair_of_shapes(core: ModuleType) -> None:
    for first, second in itertools.product(SHAPES, SHAPES):
        check(core, first + second)
        check(core, first + second.rstrip(b"\r\n"))


def test_bytes_behind_the_buffer_do_not_matter(core: ModuleType) -> None:
    for behind in (b"250 2.1.5 ok\r\n" * 3, b"0" * 64, b"\n" * 64, b".1.1 x\n" * 5):
        whole = MIXED + behind
        for end in range(len(MIXED) + 1):
            for start in (0, max(0, end - 5), max(0, end - 15), max(0, end - 33)):
                part = memoryview(whole)[start:end]
                rows = core.classify_lines(part)
                assert contents(rows) == contents(core.classify_lines(bytes(part)))


# In a process of its own, which may crash: the page behind the buffer cannot be read.
AT_THE_END_OF_MEMORY = """
import ctypes, importlib, mmap, sys
core = importlib.import_module(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
page = mmap.PAGESIZE
memory = mmap.mmap(-1, 4 * page)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
if libc.mprotect(ctypes.c_void_p(address + 3 * page), ctypes.c_size_t(page), 0):
    sys.exit("no mprotect")
mixed = bytes.fromhex(sys.argv[2])
for end in range(len(mixed) + 1):
    for data in (mixed[:end], mixed[end:], (mixed * 40)[-4096 - end:]):
        part = memoryview(memory)[3 * page - len(data) : 3 * page]
        part[:] = data
        rows = core.classify_lines(part)
        assert list(rows) == list(core.classify_lines(data))
print("read", len(mixed))
"""


@pytest.mark.skipif(not hasattr(mmap, "MAP_ANONYMOUS"), reason="no mprotect on this system")
def test_nothing_behind_the_buffer_is_read(core: ModuleType) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END_OF_MEMORY, core.__name__, MIXED.hex()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"read {len(MIXED)}\n"


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    parts=st.lists(
        st.one_of(
            st.sampled_from(SHAPES),
            st.sampled_from([b"\n", b"\r", b"250", b" ", b"-", b"2.1.5", b".", b"\x00", b"\xff"]),
            st.binary(max_size=20),
        ),
        max_size=60,
    )
)
def test_any_buffer(both: tuple[ModuleType, ModuleType], parts: list[bytes]) -> None:
    data = b"".join(parts)
    pure, compiled = (check(core, data) for core in both)
    assert contents(pure) == contents(compiled)
    assert pure == compiled


# --- Sizes ----------------------------------------------------------------------------------


def with_line_feed_at(offset: int, line: bytes) -> bytes:
    """Mixed lines, of which one is `line` with its LF at `offset`."""
    before = offset + 1 - len(line)
    filler = (MIXED * (before // len(MIXED) + 1))[: max(0, before - 1)]
    data = filler + b"\n" * (before > 0) + line + MIXED
    assert data[before : offset + 1] == line
    return data


@pytest.mark.parametrize("boundary", [64, 128, 4_096, 8_192])
def test_line_feeds_around_the_borders_of_blocks(
    both: tuple[ModuleType, ModuleType], boundary: int
) -> None:
    pure, compiled = both  # the pure core knows no blocks
    for line in (b"250-2.1.5 Recipient ok\r\n", b"\n", b"354\r\r\n", b"550 " + b"x" * 150 + b"\n"):
        for offset in range(max(boundary - 100, len(line) - 1), boundary + 101):
            data = with_line_feed_at(offset, line)
            for part in (data, data[: offset + 1], data[:offset]):
                rows = compiled.classify_lines(part)
                assert contents(rows) == contents(pure.classify_lines(part))


@pytest.mark.parametrize("size", [63, 64, 65, 4_095, 4_096, 4_097, 8_191, 8_192, 8_193, 20_000])
def test_lines_about_as_long_as_a_block(core: ModuleType, size: int) -> None:
    for line in (b"250 " + b"x" * (size - 4), b"550-5.1.1 " + b"y" * (size - 10)):
        for end in (b"\n", b"\r\n"):
            for behind in (b"", b"250 a", b"\n", MIXED):
                rows = check(core, line + end + behind)
                assert rows.text_end[0] == size
                check(core, MIXED + line + end + behind)
        check(core, line)


def test_one_huge_line(core: ModuleType) -> None:
    size = 5_000_000
    for end in (b"", b"\n", b"\r\n"):
        rows = core.classify_lines(b"550-5.1.1 " + b"x" * size + end)
        assert len(rows) == 1
        assert (rows.code[0], rows.is_last[0], rows.enhanced[0]) == (550, False, 5_001_001)
        assert (rows.text_start[0], rows.text_end[0]) == (10, 10 + size)
        assert rows[0].text == "x" * size
    rows = core.classify_lines(b"250 a\n" + b"\x00" * size + b"\n250 b")
    assert rows.code.tolist() == [250, -1, 250]
    assert rows.text_start.tolist() == [4, 6, size + 11]
    assert [rows[0].text, rows[2].text] == ["a", "b"]


def test_200_000_lines(both: tuple[ModuleType, ModuleType]) -> None:
    data = b"".join(
        b"%03d%c%d.%d.%d text of line %d%s"
        % (200 + at % 400, b"- "[at % 2], 2 + at % 4, at % 8, at % 1_000, at, b"\r\n"[at % 2 :])
        for at in range(200_000)
    )
    pure, compiled = (core.classify_lines(data) for core in both)
    assert len(pure) == len(compiled) == 200_000
    assert contents(pure) == contents(compiled)
    for at in (0, 1, 2, 1_023, 1_024, 99_999, 131_072, 199_999):
        assert compiled[at] == pure[at]
        assert compiled[at].text.endswith(f"text of line {at}")


LONG = [b"250 " + b"x" * 9_990 + b"\r\n"] * 60
SHORT = [b"\n", b"250\n", b"354 a\n"] * 20_000
MEMORY_GROWS = {
    "long, then short": LONG + SHORT,
    "short, then long": SHORT + LONG,
    "long, short, long, short": LONG + SHORT[:9_000] + LONG + SHORT,
    "one long, then blank": [LONG[0] * 10, *[b"\n"] * 150_000],
    "ever shorter": [b"x" * (3_000 // at) + b"\n" for at in range(1, 3_000) for _ in range(8)],
    "ever longer": [b"x" * (at // 8) + b"\n" for at in range(24_000)],
    "as many as first fit": [b"250\n"] * 1_024,
    "one more": [b"250\n"] * 1_025,
}


@pytest.mark.parametrize("lines", MEMORY_GROWS.values(), ids=MEMORY_GROWS)
def test_memory_that_must_grow(both: tuple[ModuleType, ModuleType], lines: list[bytes]) -> None:
    data = b"".join(lines)
    for part in (data, data[:-1], memoryview(data)[1:]):
        pure, compiled = (core.classify_lines(part) for core in both)
        assert len(compiled) == len(lines_of(bytes(part)))
        assert contents(compiled) == contents(pure)


# --- What goes in ---------------------------------------------------------------------------


def test_takes_what_classify_takes(core: ModuleType) -> None:
    text = MIXED.decode("utf-8", "surrogateescape")
    expected = core.classify_lines(MIXED)
    for data in (text, bytearray(MIXED), memoryview(MIXED), memoryview(bytearray(MIXED))):
        rows = core.classify_lines(data)
        assert contents(rows) == contents(expected)
        assert rows == expected
        assert bytes(rows.data) == MIXED


def test_offsets_of_a_str_are_those_of_its_utf8(core: ModuleType) -> None:
    rows = core.classify_lines("250 é\r\n250-2.1.5 Привет\n550 \udcff")
    octets = "250 é\r\n250-2.1.5 Привет\n550 ".encode() + b"\xff"
    assert bytes(rows.data) == octets
    assert rows == core.classify_lines(octets)
    ranges = zip(rows.text_start, rows.text_end, strict=True)
    texts = [octets[start:end] for start, end in ranges]
    assert texts == ["é".encode(), "Привет".encode(), b"\xff"]
    assert [row.text for row in rows] == ["é", "Привет", "\udcff"]
    # A surrogate that stands for no byte keeps its own.
    rows = core.classify_lines("250 é\n250 \ud800 x")
    assert bytes(rows.data) == "250 é\n250 ".encode() + b"\xed\xa0\x80 x"
    assert rows.text_end.tolist() == [6, 16]


def test_a_bytearray_is_locked_as_long_as_the_rows_live(core: ModuleType) -> None:
    data = bytearray(MIXED)
    rows = core.classify_lines(data)
    for part in (rows, rows[2:4]):
        assert len(part) > 0
        with pytest.raises(BufferError):
            data.append(10)
        with pytest.raises(BufferError):
            data.clear()
    del rows, part
    data.append(10)
    data.clear()
    with pytest.raises(TypeError):
        core.classify_lines([data])
    data.extend(b"250 a\n")
    assert core.classify_lines(data)[0].code == 250
    data.clear()


def test_slices_of_memory(core: ModuleType) -> None:
    view = memoryview(MIXED)
    for part in (view[5:], view[:-3], view[7:40], view[::2], view[::-1], view[3::5], view[9:9]):
        rows = core.classify_lines(part)
        assert rows == core.classify_lines(bytes(part))
        assert bytes(rows.data) == bytes(part)
        check(core, bytes(part))


def test_memory_of_other_formats(core: ModuleType) -> None:
    data = (MIXED + b"\n" * 7)[: len(MIXED) // 8 * 8]
    expected = core.classify_lines(data)
    views = [memoryview(data).cast(each) for each in "bBcHhIiQqfd"]
    views.append(memoryview(data).cast("B", [8, len(data) // 8]))
    views.append(memoryview(data).cast("H", [2, len(data) // 8, 2]))
    views.append(memoryview(data).cast("i", [2, len(data) // 8]))
    views += [memoryview(array.array(each, data)) for each in "bBHIQ"]
    for view in views:
        assert core.classify_lines(view) == expected
    every_other = memoryview(data).cast("H")[::2]
    assert core.classify_lines(every_other) == core.classify_lines(every_other.tobytes())


def test_other_buffers(core: ModuleType, tmp_path: Path) -> None:
    data = MIXED * 300
    expected = core.classify_lines(data)
    path = tmp_path / "replies"
    path.write_bytes(data)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    rows = core.classify_lines(mapped)
    assert contents(rows) == contents(expected)
    assert rows == expected
    with pytest.raises(BufferError):
        mapped.close()
    del rows
    mapped.close()
    assert core.classify_lines(array.array("B", data)) == expected
    assert core.classify_lines(pickle.PickleBuffer(data)) == expected


def test_arrays_of_numpy(core: ModuleType) -> None:
    numpy = pytest.importorskip("numpy")
    data = numpy.frombuffer(MIXED, dtype="uint8")
    assert core.classify_lines(data) == core.classify_lines(MIXED)
    assert core.classify_lines(data[::3]) == core.classify_lines(MIXED[::3])


@pytest.mark.parametrize("wrong", [None, 250, 2.5, [b"250 ok\n"], (), object(), iter(b"")])
def test_another_type_is_a_type_error(both: tuple[ModuleType, ModuleType], wrong: object) -> None:
    messages = []
    for core in both:
        with pytest.raises(TypeError) as caught:
            core.classify_lines(wrong)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    name = type(wrong).__name__
    assert messages[0] == f"expected bytes, bytearray, memoryview or str, not {name}"


# --- A sequence -----------------------------------------------------------------------------


def test_rows_are_those_of_classify(core: ModuleType) -> None:
    rows = core.classify_lines(MIXED)
    expected = [core.classify(line) for line in lines_of(MIXED)]
    assert list(rows) == expected
    assert [rows[at] for at in range(len(rows))] == expected
    assert [rows[at] for at in range(-len(rows), 0)] == expected
    assert list(reversed(rows)) == expected[::-1]
    assert {type(row) for row in rows} == {ReplyLine}
    assert {type(row.code) for row in rows} == {int}
    assert {type(row.is_last) for row in rows} == {bool}
    assert {type(row.status) for row in rows} == {SmtpStatusCode}
    assert {type(row.enhanced) for row in rows} == {EnhancedStatusCode, type(None)}
    assert core.classify_many(lines_of(MIXED)) == expected
    assert rows.index(expected[1]) == 1
    assert rows.count(expected[7]) == expected.count(expected[7])
    assert expected[3] in rows
    assert core.classify(b"250 not there") not in rows


@pytest.mark.parametrize("index", [24, 25, -25, 10**30, -(10**30)])
def test_no_such_row(core: ModuleType, index: int) -> None:
    rows = core.classify_lines(b"250 a\n" * 24)
    assert len(rows) == 24
    assert rows[23] == rows[-24]
    with pytest.raises(IndexError):
        rows[index]


@pytest.mark.parametrize("index", ["0", None, 1.5, (0, 1)])
def test_no_index(core: ModuleType, index: object) -> None:
    with pytest.raises(TypeError):
        core.classify_lines(MIXED)[index]


def slices() -> Iterator[slice]:
    edges = (None, 0, 1, 5, -1, -3, 100, -100)
    for start, stop, step in itertools.product(edges, edges, (None, 1, 2, -1, -3)):
        yield slice(start, stop, step)


def test_slices_are_rows_over_the_same_memory(core: ModuleType) -> None:
    rows = core.classify_lines(MIXED)
    whole = list(rows)
    for part in slices():
        cut = rows[part]
        assert type(cut) is ReplyLines
        assert list(cut) == whole[part]
        assert len(cut) == len(whole[part])
        for name in COLUMNS:
            assert getattr(cut, name).obj is getattr(rows, name).obj
            assert getattr(cut, name).tolist() == getattr(rows, name).tolist()[part]
    assert list(rows[2:9][1:5][::-2]) == whole[2:9][1:5][::-2]
    cut = rows[3:5]
    del rows
    gc.collect()
    assert list(cut) == whole[3:5]


def test_equality_is_that_of_the_rows(core: ModuleType) -> None:
    rows = core.classify_lines(MIXED)
    assert rows == core.classify_lines(MIXED)
    assert rows == core.classify_lines(bytearray(MIXED))
    assert core.classify_lines(b"250 a\n250 b\n")[1:] == core.classify_lines(b"250 b\r\r\n")
    assert rows != rows[:-1]
    assert rows[:-1] != rows
    assert core.classify_lines(b"250 a\n") != core.classify_lines(b"250 b\n")
    assert core.classify_lines(b"250 a\n") != core.classify_lines(b"250-a\n")
    assert core.classify_lines(b"") == rows[:0]
    assert rows != list(rows)
    assert (rows == 5) is False
    with pytest.raises(TypeError):
        hash(rows)


def test_pickles_and_copies(core: ModuleType) -> None:
    rows = core.classify_lines(bytearray(MIXED))
    for part in (rows, rows[2:7], rows[::-3], rows[:0]):
        pickled = [pickle.loads(pickle.dumps(part, each)) for each in range(6)]
        for again in (*pickled, copy.copy(part), copy.deepcopy(part)):
            assert type(again) is ReplyLines
            assert again == part
            assert contents(again) == contents(part)
            assert bytes(again.data) == MIXED
            assert [getattr(again, name).format for name in COLUMNS] == list(COLUMNS.values())
            assert all(getattr(again, name).readonly for name in COLUMNS)
            assert again[1:] == part[1:]


def test_repr_is_short(core: ModuleType) -> None:
    assert repr(core.classify_lines(b"250 a\r\n250 b")) == "<ReplyLines: 2 lines of 12 bytes>"
    rows = core.classify_lines("250 é\n" * 1_000)
    assert repr(rows[5:]) == "<ReplyLines: 995 lines of 7000 bytes>"
    assert not hasattr(rows, "__dict__")


# --- Threads --------------------------------------------------------------------------------


def test_threads_may_share_a_buffer(core: ModuleType) -> None:
    buffers = [bytes(MIXED[at:] + MIXED * 200) for at in range(4)]
    expected = [contents(core.classify_lines(buffer)) for buffer in buffers]
    start = threading.Barrier(4)

    def work(own: int) -> bool:
        start.wait(timeout=30)
        return all(
            contents(core.classify_lines(buffers[which])) == expected[which]
            for _ in range(5)
            for which in (own, 0)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4), timeout=60))


def other_threads_run(core: ModuleType, data: bytes, calls: int) -> bool:
    """Whether another thread can run while this one is in `classify_lines`.

    No thread has to give up the GIL within the switch interval. So between the start signal and
    the look at `ran`, the other thread runs only if the call itself lets go of the GIL.
    """
    ran = threading.Event()
    is_set = ran.is_set
    go = threading.Event()
    classify_lines = core.classify_lines

    def run() -> None:
        if go.wait(timeout=60):
            ran.set()

    other = threading.Thread(target=run)
    other.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    try:
        go.set()
        for _ in range(calls):
            classify_lines(data)
            if is_set():
                return True
        return False
    finally:
        sys.setswitchinterval(interval)
        other.join(timeout=60)
        assert not other.is_alive()


@pytest.mark.skipif(
    not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="there is no GIL to release"
)
def test_the_compiled_core_releases_the_gil(both: tuple[ModuleType, ModuleType]) -> None:
    pure, compiled = both
    # The pure core shows that the method can fail: it has the GIL all the time.
    assert not other_threads_run(pure, MIXED * 20, calls=20)
    # Many calls, since a thread that may run need not be given a processor at once.
    assert other_threads_run(compiled, b"250 " + b"x" * 4_000_000 + b"\n", calls=2_000)


# --- Memory that grows ----------------------------------------------------------------------


@pytest.mark.parametrize("early", range(40))
def test_a_block_of_line_feeds_fits_whatever_came_before(core: ModuleType, early: int) -> None:
    """The compiled core takes blocks of 4,096: few lines in the first, only LFs in the next."""
    first = b"250 ok\n" * early
    first += b"x" * (4095 - len(first)) + b"\n"
    for rest in (b"", b"\n", b"250 ok", b"\n" * 9000):
        data = first + b"\n" * 4096 + rest
        expected = data.count(b"\n") + (not data.endswith(b"\n"))
        assert len(core.classify_lines(data)) == expected


def test_short_lines_in_front_reserve_no_memory_for_what_follows(core: ModuleType) -> None:
    data = b"\n" * 8192 + b"x" * 20_000_000
    rows = core.classify_lines(data)
    assert len(rows) == 8193
    # What the columns stand in; the bound is one row for each 16 octets, with some room.
    reserved = {id(column.obj): column.obj for column in (rows.code, rows.text_end)}
    assert sum(len(memoryview(owner).cast("B")) for owner in reserved.values()) < 2 * len(data)
