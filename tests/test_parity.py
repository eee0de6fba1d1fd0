"""The two cores against each other: pure says what is right, compiled says the same.

What can be enumerated is enumerated: random input misses a wrong digit range in the compiled core.
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpfast import ReplySyntaxError, ReplyTooLarge, SmtpFastError, _core

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from smtpfast import ReplyLine, ReplyLines

    Both = tuple[ModuleType, ModuleType]

FUNCTIONS = (
    "classify",
    "classify_lines",
    "classify_many",
    "describe",
    "find_enhanced",
    "lookup",
)
METHODS = ("close", "feed", "reset")
ATTRIBUTES = ("buffered", "max_line_bytes", "max_lines", "max_reply_bytes")

ALL_CODES = range(-2, 1201)

# What may stand where an enhanced code may, each with the text behind it.
SHAPES = (
    b"",
    b"text",
    b"5.1.1",
    b"5.1.1 ",
    b"5.1.1 text",
    b"5.1.1  text",
    b"5.1.1\ttext",
    b"5.1.1text",
    b"2.0.0 text",
    b"4.7.509 text",
    b"4.10.0 text",
    b"3.1.1 text",
    b"5.01.1 text",
    b"5.1.1000 text",
    b"5.1.1.1 text",
    b"5.1 text",
    b" 5.1.1 text",
)
LINE_ENDS = (b"", b"\n", b"\r\n", b"\r\r\n", b"\r")
SEPARATORS = (b" ", b"-", b"\t", b"", b":", b"0")

# Codes that differ in what a core may ask of them: each first digit, and the greeting.
TELLING_CODES = [*(100 * first + rest for first in range(10) for rest in (0, 50, 99)), 220]


def shown(line: ReplyLine) -> tuple[object, ...]:
    """A line with the types of its parts, which equality does not see: True == 1."""
    return *line, type(line), *map(type, line)


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a buffer: LF ends one, and a last one without LF counts."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def columns_of(lines: ReplyLines) -> dict[str, tuple[str, bytes]]:
    names = ("code", "is_last", "enhanced", "text_start", "text_end")
    columns = {name: getattr(lines, name) for name in names}
    return {name: (column.format, column.tobytes()) for name, column in columns.items()}


def outcome(function: Callable[..., object], *arguments: object) -> tuple[str, ...]:
    """What a call gives or raises, in words, so that types count."""
    try:
        return "gives", repr(function(*arguments))
    except Exception as error:
        return "raises", type(error).__name__, str(error)


def assert_rows_are_classified(both: Both, data: bytes) -> None:
    """Both cores' columns are the same, and say of each line what `classify` says."""
    pure, compiled = both
    found = compiled.classify_lines(data)
    assert [shown(line) for line in found] == [
        shown(pure.classify(line)) for line in lines_of(data)
    ], data[:200]
    assert columns_of(found) == columns_of(pure.classify_lines(data)), data[:200]


# --- The surface ----------------------------------------------------------------------------


def test_the_compiled_core_offers_what_the_pure_one_does_and_nothing_more(both: Both) -> None:
    pure, compiled = both
    offered = {*FUNCTIONS, "StreamState"}
    made_here = {
        name
        for name, value in vars(compiled).items()
        if getattr(value, "__module__", None) == compiled.__name__ and not name.startswith("_")
    }
    assert made_here == offered
    assert all(getattr(pure, name).__module__ == pure.__name__ for name in offered)
    assert set(_core.__all__) == offered | {"BACKEND"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_the_same_face_on_both_cores(both: Both, name: str) -> None:
    pure, compiled = (getattr(core, name) for core in both)
    assert face(pure) == face(compiled)
    assert pure.__name__ == compiled.__name__ == name
    assert inspect.getdoc(pure) == inspect.getdoc(compiled)
    assert inspect.getdoc(pure)


def face(function: Callable[..., object]) -> list[tuple[str, object, object]]:
    """Name, kind and default of each parameter; types are only written in the pure core."""
    parameters = inspect.signature(function).parameters.values()
    return [(each.name, each.kind, each.default) for each in parameters]


def test_the_state_of_a_stream_has_the_same_members_on_both_cores(both: Both) -> None:
    members = [
        sorted(name for name in dir(core.StreamState) if not name.startswith("_")) for core in both
    ]
    assert members[0] == members[1] == sorted(METHODS + ATTRIBUTES)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_same_face_on_both_cores(both: Both, name: str) -> None:
    # Bound, for a method in C calls its `self` positional-only.
    pure, compiled = (getattr(core.StreamState(), name) for core in both)
    assert face(pure) == face(compiled)
    assert inspect.getdoc(pure) == inspect.getdoc(compiled)
    assert inspect.getdoc(pure)


def test_an_attribute_is_documented_alike_on_both_cores(both: Both) -> None:
    pure, compiled = (core.StreamState.buffered for core in both)
    assert inspect.getdoc(pure) == inspect.getdoc(compiled)
    assert "CVE-2011-0411" in inspect.getdoc(pure)


def test_the_constructor_has_the_same_face_on_both_cores(both: Both) -> None:
    pure, compiled = (core.StreamState for core in both)
    assert face(pure) == face(compiled)
    assert inspect.getdoc(pure) == inspect.getdoc(compiled)
    for limit in ("max_line_bytes", "max_lines", "max_reply_bytes"):
        assert getattr(pure(), limit) == getattr(compiled(), limit)
        assert getattr(pure(**{limit: 7}), limit) == getattr(compiled(**{limit: 7}), limit) == 7


# --- Codes ----------------------------------------------------------------------------------


def test_lookup_and_describe_of_every_code(both: Both) -> None:
    pure, compiled = both
    huge = (2**31, 2**63, 2**64, 10**30, -(2**31) - 1, -(2**63) - 1, -(10**30))
    for code in (*ALL_CODES, *huge):
        assert compiled.lookup(code) is pure.lookup(code), code
        assert compiled.describe(code) == pure.describe(code), code
        for language in ("en", "ru", "de", None):
            ours, theirs = (outcome(core.describe, code, language) for core in both)
            assert ours == theirs, (code, language)


@pytest.mark.parametrize("wrong", [None, 5, 2.5, [b"250"], object], ids=repr)
@pytest.mark.parametrize("name", [*FUNCTIONS, "feed"])
def test_a_wrong_type_is_the_same_error(both: Both, name: str, wrong: object) -> None:
    pure, compiled = (core.StreamState() if name == "feed" else core for core in both)
    assert outcome(getattr(pure, name), wrong) == outcome(getattr(compiled, name), wrong)


@pytest.mark.parametrize("limit", ["max_line_bytes", "max_lines", "max_reply_bytes"])
@pytest.mark.parametrize("value", [0, -1, -(2**63), -(10**30), None, "5"], ids=repr)
def test_a_wrong_limit_is_the_same_error(both: Both, limit: str, value: object) -> None:
    pure, compiled = (outcome(lambda c=core: c.StreamState(**{limit: value})) for core in both)
    assert pure == compiled
    assert pure[0] == "raises"


# --- Lines, enumerated ----------------------------------------------------------------------


def enumerated_lines() -> Iterator[bytes]:
    """Every code with every octet behind it, and every code with every shape."""
    codes = [b"%03d" % code for code in range(1000)]
    for code in codes:
        yield code
        for octet in range(256):
            yield code + b"%c5.1.1 text" % octet
    for code, separator, shape, line_end in product(codes, SEPARATORS, SHAPES, LINE_ENDS):
        yield code + separator + shape + line_end


def test_classify_of_every_code_separator_shape_and_line_end(both: Both) -> None:
    pure, compiled = both[0].classify, both[1].classify
    count = 0
    for line in enumerated_lines():
        ours, theirs = pure(line), compiled(line)
        assert ours == theirs, line
        assert ours.is_last is theirs.is_last, line
        assert ours.status is theirs.status, line
        assert type(theirs.enhanced) is type(ours.enhanced), line
        count += 1
    assert count == 1000 * 257 + 1000 * 6 * 17 * 5


def test_classify_lines_of_every_code_separator_shape_and_line_end(both: Both) -> None:
    pure, compiled = both
    batch: list[bytes] = []

    def check() -> None:
        data = b"".join(batch)
        rows = compiled.classify_lines(data)
        assert columns_of(rows) == columns_of(pure.classify_lines(data))
        batch.clear()

    for line in enumerated_lines():
        batch.append(line if line.endswith(b"\n") else line + b"\n")
        if len(batch) == 20_000:
            check()
    check()


def telling_lines() -> Iterator[bytes]:
    """What the fast road of the compiled core tells apart, without the repetition."""
    codes = [b"%03d" % code for code in TELLING_CODES]
    for code, separator, shape in product(codes, SEPARATORS, SHAPES):
        yield code + separator + shape


def test_classify_lines_gives_what_classify_gives(both: Both) -> None:
    for line_end in LINE_ENDS[1:4]:
        assert_rows_are_classified(both, b"".join(line + line_end for line in telling_lines()))


@pytest.mark.parametrize("line_end", LINE_ENDS, ids=repr)
def test_a_line_at_the_very_end_of_the_buffer(both: Both, line_end: bytes) -> None:
    pure, compiled = both
    # What lies behind the buffer in memory would make another line of it.
    trap = b" 5.1.1 trap trap\n"
    for content in telling_lines():
        line = content + line_end
        expected = shown(pure.classify(line))
        for before in (b"", b"250-2.1.5 before\r\n"):
            data = before + line
            view = memoryview(data + trap)[: len(data)]
            for buffer in (data, view):
                rows = compiled.classify_lines(buffer)
                # A CR alone ends no line, but it ends the text.
                assert len(rows) == 1 + bool(before), line
                assert shown(rows[-1]) == expected, line


TEMPLATES = (
    b"250 2.1.5 Ok and more of it",
    b"550-5.7.26 Unsigned and more",
    b"421 4.3.2",
    b"220 2.0.0 ready",
    b"354 2.0.0 go on",
    b"250-SIZE 1000",
    b"250 a.b text",
    b"250",
)


@pytest.mark.parametrize("template", TEMPLATES, ids=repr)
def test_every_octet_at_every_place(both: Both, template: bytes) -> None:
    pure, compiled = both
    batch = []
    for place, octet in product(range(min(16, len(template))), range(256)):
        line = bytearray(template)
        line[place] = octet
        line = bytes(line)
        batch.append(line)
        assert shown(compiled.classify(line)) == shown(pure.classify(line)), line
        # Alone it ends the buffer; below it has others behind it.
        assert columns_of(compiled.classify_lines(line)) == columns_of(pure.classify_lines(line))
    for line_end in (b"\n", b"\r\n"):
        assert_rows_are_classified(both, line_end.join(batch))


@pytest.mark.parametrize("template", TEMPLATES, ids=repr)
def test_every_length(both: Both, template: bytes) -> None:
    cuts = [template[:length] for length in range(len(template) + 1)]
    for first, second, line_end in product(cuts, cuts, (b"", b"\n", b"\r\n")):
        assert_rows_are_classified(both, first + b"\n" + second + line_end)


# --- Buffers --------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097, 8193])
@pytest.mark.parametrize("line", [b"", b"\r", b"250", b"250 2.1.5 Ok\r", b"550-" + b"x" * 90])
def test_many_lines_of_one_length(both: Both, line: bytes, count: int) -> None:
    for last in (b"", b"2", b"250 5.1.1"):
        assert_rows_are_classified(both, (line + b"\n") * count + last)


def test_a_line_end_around_the_edges_of_a_block(both: Both) -> None:
    for edge, shift in product((64, 4096, 8192), range(-20, 21)):
        start = b"250 " + b"x" * (edge + shift - 4)
        assert_rows_are_classified(both, start + b"\n550-5.1.1 Gone\r\n450 4.2.2 Full\n354")
        assert_rows_are_classified(both, start + b"\n")
        assert_rows_are_classified(both, start)


@pytest.mark.parametrize("count", [1, 4096, 100_000])
def test_short_lines_behind_long_ones(both: Both, count: int) -> None:
    # The rows that the first part lets expect are too few, or far too many.
    long = (b"250 " + b"x" * 5000 + b"\n") * 20
    for short in (b"\n", b"250 2.1.5 Ok\r\n"):
        assert_rows_are_classified(both, long + short * count)
        assert_rows_are_classified(both, short * count + long)


@pytest.mark.parametrize(
    "data",
    [
        "550 5.1.1 ящика нет\r\n250-\udcff\n250 \ud800",
        bytearray(b"250-a\r\n250 b"),
        memoryview(b"250-a\r\n250 b"),
        memoryview(b"250-a\r\n250 b\n" * 2)[::2],
        memoryview(b"b 052\n\ra-052")[::-1],
        memoryview(b"250-a\r\n250 b").cast("B", (4, 3)),
        memoryview(b""),
        "",
    ],
    ids=lambda data: f"{type(data).__name__}-{len(data)}",
)  # fmt: skip
def test_a_buffer_of_any_kind(both: Both, data: object) -> None:
    pure, compiled = (core.classify_lines(data) for core in both)
    assert columns_of(pure) == columns_of(compiled)
    assert bytes(pure.data) == bytes(compiled.data)
    assert [shown(line) for line in pure] == [shown(line) for line in compiled]


READ_TO_THE_EDGE = """
import ctypes, mmap, sys
from smtpfast._core import compiled, pure

PAGE = mmap.PAGESIZE
memory = mmap.mmap(-1, 2 * PAGE)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
mprotect = ctypes.CDLL(None).mprotect
mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
assert mprotect(address + PAGE, PAGE, 0) == 0
for template in (b"250 2.1.5 Ok and more of it", b"550-x", b"220 2.0.0 ready\\r\\n", b"250 2.1"):
    for count in (0, 1, 200):
        for length in range(len(template) + 1):
            data = b"250-before\\n" * count + template[:length]
            memory[PAGE - len(data) : PAGE] = data
            view = memoryview(memory)[PAGE - len(data) : PAGE]
            assert compiled.classify_lines(view) == pure.classify_lines(data), data
            assert compiled.find_enhanced(view) == pure.find_enhanced(data), data
            assert compiled.classify(view) == pure.classify(data), data
print("no octet beyond was read")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no mprotect")
def test_nothing_behind_the_buffer_is_read(both: Both) -> None:
    # In a process of its own: the memory behind the buffer is forbidden, and reading it kills.
    package_root = str(Path(both[0].__file__ or "").parents[2])
    path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        [sys.executable, "-c", READ_TO_THE_EDGE],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "no octet beyond was read\n"), result.stderr


# --- Whatever there is ----------------------------------------------------------------------

TOKENS = (
    *(b"2", b"25", b"250", b"220", b"354", b"421", b"550", b"571", b"999", b"0", b"9"),
    *(b" ", b"-", b"\t", b":", b".", b"#", b"(", b")", b"@", b"/", b"x", b"_", b"+"),
    *(b"5.1.1", b"2.0.0", b"4.7.509", b"5.01.1", b"5.", b".1", b"4.2", b"5.1.1.1", b"5.8.1"),
    *(b"\r", b"\n", b"\r\n", b"\r\r\n", b"\0", b"\x7f", b"\xff", b"\xc3\xa9", b"\xed\xb3\xbf"),
    *(b"text", b"x" * 61, b"250-a\r\n", b"250 b\r\n", b"550-5.1.1 c\r\n", b"550 5.7.1 d\r\n"),
)
TEXT_TOKENS = ("250", " ", "-", "5.1.1", "\r\n", "\ud800", "\udcff", "２", "é", "\x85", "🎉")
data_like_replies = st.lists(st.sampled_from(TOKENS), max_size=24).map(b"".join)
any_data = st.one_of(data_like_replies, st.binary(max_size=120))
any_text = st.one_of(
    any_data.map(lambda data: data.decode("utf-8", "surrogateescape")),
    st.text(st.characters(), max_size=60),
    st.lists(st.sampled_from(TEXT_TOKENS), max_size=9).map("".join),
)
# The modules are the same for every example.
thorough = settings(
    max_examples=1500,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@thorough
@given(line=st.one_of(any_data, any_text))
def test_classify_of_anything(both: Both, line: bytes | str) -> None:
    pure, compiled = both
    assert shown(compiled.classify(line)) == shown(pure.classify(line))


@thorough
@given(data=st.one_of(any_data, any_text))
def test_classify_lines_of_anything(both: Both, data: bytes | str) -> None:
    pure, compiled = both
    octets = pure.octets(data)
    assert_rows_are_classified(both, octets)
    assert columns_of(compiled.classify_lines(data)) == columns_of(pure.classify_lines(octets))


@thorough
@given(text=st.one_of(any_data, any_text))
def test_find_enhanced_in_anything(both: Both, text: bytes | str) -> None:
    pure, compiled = (core.find_enhanced(text) for core in both)
    assert (pure, type(pure)) == (compiled, type(compiled))


def test_find_enhanced_with_every_octet_around_it(both: Both) -> None:
    pure, compiled = both[0].find_enhanced, both[1].find_enhanced
    for octet, code in product(range(256), (b"5.1.1", b"4.7.509", b"5.8.1", b"5.07.001")):
        for text in (
            b"%c%b" % (octet, code),
            b"x %c%b y" % (octet, code),
            b"%b%c" % (code, octet),
            b"%b%cx" % (code, octet),
            b"%b.%c" % (code, octet),
            b"x %b%c" % (code, octet),
            b"x %b%cx" % (code, octet),
            b"x %b.%c" % (code, octet),
            b"%b%c5.1.1" % (code, octet),
            b" \t%b%cx" % (code, octet),
            b"%c%bx" % (octet, code),
        ):
            assert pure(text) == compiled(text), text
    for octet, place in product(range(256), range(5)):
        text = bytearray(b"5.1.1")
        text[place] = octet
        for whole in (text, b"x " + text, text + b"1", b"x " + text + b"1 2.0.0"):
            assert pure(whole) == compiled(whole), whole


# --- Streams --------------------------------------------------------------------------------


def history(core: ModuleType, limits: dict[str, int], steps: Iterable[bytes | str]) -> list[object]:
    """All that can be seen of a stream's state while it is fed, reset and closed."""
    state = core.StreamState(**limits)
    seen: list[object] = []
    for step in steps:
        if step in ("reset", "close"):
            seen.append(repr(getattr(state, step)()))
        else:
            try:
                seen.append(repr(state.feed(step)))
            except (ReplySyntaxError, ReplyTooLarge) as error:
                seen.append((type(error), str(error), repr(error.args)))
            except SmtpFastError as error:
                seen.append((type(error), str(error)))
        seen.append(state.buffered)
    seen.append(state.close())
    return seen


small_limits = st.fixed_dictionaries(
    {},
    optional={
        "max_line_bytes": st.integers(1, 40),
        "max_lines": st.integers(1, 5),
        "max_reply_bytes": st.integers(1, 60),
    },
)


@thorough
@given(
    limits=small_limits,
    steps=st.lists(st.one_of(any_data, any_data, any_text, st.sampled_from(["reset", "close"]))),
)
def test_a_stream_of_anything(both: Both, limits: dict[str, int], steps: list[bytes | str]) -> None:
    assert history(both[0], limits, steps) == history(both[1], limits, steps)


reply_lines = st.builds(
    lambda code, separator, shape, line_end: code + separator + shape + line_end,
    st.sampled_from([b"250", b"550", b"220", b"354", b"421"]),
    st.sampled_from([b" ", b"-", b"-", b"\t", b":"]),
    st.sampled_from(SHAPES),
    st.sampled_from([b"\n", b"\r\n", b"\r\n", b"\r\r\n"]),
)


@thorough
@given(
    limits=small_limits,
    data=st.lists(reply_lines, max_size=12).map(b"".join),
    cuts=st.sets(st.integers(0, 400), max_size=12),
)
def test_replies_however_they_are_cut(
    both: Both, limits: dict[str, int], data: bytes, cuts: set[int]
) -> None:
    edges = sorted({0, len(data)} | {cut for cut in cuts if cut < len(data)})
    chunks = [data[start:end] for start, end in pairwise(edges)]
    assert history(both[0], limits, chunks) == history(both[1], limits, chunks)
    if not limits:
        # Nothing is malformed and nothing too large: the cuts must not show.
        whole = both[0].StreamState().feed(data)
        for core in both:
            state = core.StreamState()
            assert [reply for chunk in chunks for reply in state.feed(chunk)] == whole


def test_every_limit_at_its_edges(both: Both) -> None:
    data = b"250-one\r\n250-5.1.1 two\n250 three\r\n550 5.1.1 Gone\r\n"
    for name, highest in (("max_line_bytes", 20), ("max_lines", 5), ("max_reply_bytes", 45)):
        for value, size in product(range(1, highest), (1, 2, 7, len(data))):
            chunks = [data[start : start + size] for start in range(0, len(data), size)]
            pure, compiled = (history(core, {name: value}, chunks) for core in both)
            assert pure == compiled, (name, value, size)
