"""Reply streams: the same replies and the same errors however the bytes are cut."""

from __future__ import annotations

import contextlib
import copy
import gc
import inspect
import pickle
import sys
import tracemalloc
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import smtpfast
from smtpfast import (
    Category,
    EnhancedStatusCode,
    Reply,
    ReplyParser,
    ReplySyntaxError,
    ReplyTooLarge,
    Severity,
    SmtpFastError,
    SmtpStatusCode,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType
    from typing import Self

    from smtpfast._core.pure import Octets, StreamState

# The fixtures give modules, which no example can change.
PROPERTY = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Outcome(NamedTuple):
    """Whatever may be seen of a stream that has been fed to its end."""

    replies: list[Reply]
    end: str  # "whole", "cut", the error's class or the limit's name
    detail: object = None  # octets that waited, the offending line or the limit's value


def feed_all(parser: StreamState, chunks: Iterable[Octets]) -> Outcome:
    """Feed all chunks, or those up to an error."""
    replies: list[Reply] = []
    for chunk in chunks:
        try:
            replies += parser.feed(chunk)
        except ReplySyntaxError as error:
            return Outcome([*replies, *error.replies], "ReplySyntaxError", error.line)
        except ReplyTooLarge as error:
            return Outcome([*replies, *error.replies], error.limit, error.allowed)
    waiting = parser.buffered
    return Outcome(replies, "cut" if parser.close() else "whole", waiting)


def one_at_a_time(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def chunkings(data: bytes) -> Iterator[list[bytes]]:
    """The whole, byte by byte, and every cut in two."""
    yield [data]
    yield list(one_at_a_time(data))
    for at in range(len(data) + 1):
        yield [data[:at], data[at:]]


def said(reply: Reply) -> tuple[int, str, str]:
    return reply.code, str(reply.enhanced or ""), reply.text


# --- What comes out -------------------------------------------------------------------------

SESSION = (
    b"220 mx.example ESMTP\r\n"
    b"250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250 SMTPUTF8\r\n"
    b"250 2.1.0 Ok\r\n"
    b"550-5.1.1 <a@b.example>: no such user\r\n550 5.1.1 here\r\n"
    b"450 4.7.1 later\n"
    b"354\r\n"
    b"250 2.0.0 queued\r\r\n"
    b"599 a\rb\x00\xff\xc3\xae\r\n"
    b"221-\r\n221 \r\n"
)
SAID = [
    (220, "", "mx.example ESMTP"),
    (250, "", "mx.example\nPIPELINING\nSIZE 10240000\nSMTPUTF8"),
    (250, "2.1.0", "Ok"),
    (550, "5.1.1", "<a@b.example>: no such user\nhere"),
    (450, "4.7.1", "later"),
    (354, "", ""),
    (250, "2.0.0", "queued"),
    (599, "", "a\rb\x00\udcff\u00ee"),
    (221, "", "\n"),
]


def test_pipelined_replies_come_out_of_one_feed(core: ModuleType) -> None:
    parser = core.StreamState()
    assert [said(reply) for reply in parser.feed(SESSION)] == SAID
    assert parser.buffered == 0
    assert parser.close() is False


def test_every_cut_gives_the_same_replies(core: ModuleType) -> None:
    for chunks in chunkings(SESSION):
        replies, end, waiting = feed_all(core.StreamState(), chunks)
        assert [said(reply) for reply in replies] == SAID
        assert (end, waiting) == ("whole", 0)


def test_a_reply_comes_with_the_octet_that_ends_it(core: ModuleType) -> None:
    parser = core.StreamState()
    fed = b""
    for octet in one_at_a_time(b"250-a\r\n250 b\r\n"):
        fed += octet
        replies = parser.feed(octet)
        assert len(replies) == (fed == b"250-a\r\n250 b\r\n")
        assert parser.buffered == (0 if replies else len(fed))


def test_nothing_in_nothing_out(core: ModuleType) -> None:
    parser = core.StreamState()
    assert parser.feed(b"") == []
    assert parser.feed("") == []
    assert parser.feed(b"25") == []
    assert parser.feed(b"") == []
    assert parser.buffered == 2


@pytest.mark.parametrize(
    ("stream", "texts"),
    [
        (b"250-a\n250 b\n", ["a\nb"]),
        (b"250-a\n250 b\r\n", ["a\nb"]),
        (b"250-a\r\n250 b\n", ["a\nb"]),
        (b"250-a\r\r\n250 b\r\r\r\n", ["a\nb"]),
        (b"250 a\n250 b\r\n", ["a", "b"]),
        (b"250 a\r250 b\r\n", ["a\r250 b"]),  # a bare CR ends no line
        (b"250 \r\r a\r\n", ["\r\r a"]),
        (b"250\n", [""]),
        (b"250-\n250\n", ["\n"]),
        (b"250\tTAB\r\n", ["TAB"]),
        (b"250no blank\r\n", ["no blank"]),
    ],
)
def test_line_ends(core: ModuleType, stream: bytes, texts: list[str]) -> None:
    for chunks in chunkings(stream):
        replies, end, _ = feed_all(core.StreamState(), chunks)
        assert [reply.text for reply in replies] == texts
        assert end == "whole"


def test_a_bare_cr_completes_nothing(core: ModuleType) -> None:
    parser = core.StreamState()
    assert parser.feed(b"250 a\r250 b\r") == []
    assert parser.buffered == 12
    assert [reply.text for reply in parser.feed(b"\n")] == ["a\r250 b"]


def test_takes_what_classify_takes(core: ModuleType) -> None:
    stream = "250-2.1.0 é\r\n250 2.1.0 ok\r\n"
    octets = stream.encode()
    spread = memoryview(bytes(part for octet in octets for part in (octet, 0)))[::2]
    feeds: list[Octets] = [
        stream,
        octets,
        bytearray(octets),
        memoryview(octets),
        memoryview(bytearray(octets)),
        memoryview(octets + b"\r\n250 behind")[: len(octets)],
        spread,
    ]
    expected = core.StreamState().feed(octets)
    assert said(expected[0]) == (250, "2.1.0", "é\nok")
    for data in feeds:
        assert core.StreamState().feed(data) == expected


def test_types_may_alternate(core: ModuleType) -> None:
    parser = core.StreamState()
    chunks = ["250-\udcc3", b"\xae\r", bytearray(b"\n25"), memoryview(b"0 "), "ok\r\n"]
    assert said(feed_all(parser, chunks).replies[0]) == (250, "", "î\nok")


def test_a_buffer_may_change_after_it_was_fed(core: ModuleType) -> None:
    parser = core.StreamState()
    data = bytearray(b"250-first\r\n250 sec")
    parser.feed(data)
    data[:] = b"x" * len(data)
    data.clear()
    assert parser.feed(b"ond\r\n")[0].text == "first\nsecond"


@pytest.mark.parametrize("wrong", [None, 250, ["250 ok\r\n"], object()])
def test_another_type_is_a_type_error_that_does_no_harm(core: ModuleType, wrong: object) -> None:
    parser = core.StreamState()
    parser.feed(b"250-a\r\n25")
    with pytest.raises(TypeError, match="expected bytes, bytearray, memoryview or str, not"):
        parser.feed(wrong)
    assert parser.buffered == 9
    assert parser.feed(b"0 b\r\n")[0].text == "a\nb"


def test_mixed_codes_the_last_wins_and_it_shows(core: ModuleType) -> None:
    (mixed,) = core.StreamState().feed(b"220-mx.example\r\n521 5.7.1 blocked\r\n")
    assert (mixed.code, mixed.status) == (521, SmtpStatusCode.HOST_DOES_NOT_ACCEPT_MAIL)
    assert mixed.has_mixed_codes
    assert not mixed.is_positive
    assert [line.code for line in mixed.lines] == [220, 521]
    (middle,) = core.StreamState().feed(b"250-a\r\n550-b\r\n250 c\r\n")
    assert (middle.code, middle.has_mixed_codes) == (250, True)
    (same,) = core.StreamState().feed(b"250-a\r\n250 c\r\n")
    assert not same.has_mixed_codes


@pytest.mark.parametrize(
    ("stream", "enhanced", "is_mixed"),
    [
        (b"550-5.1.1 a\r\n550 5.7.1 b\r\n", "5.7.1", True),
        (b"550-5.1.1 a\r\n550 b\r\n", "5.1.1", False),
        (b"550-a\r\n550 5.1.1 b\r\n", "5.1.1", False),
        (b"550-5.1.1 a\r\n550-b\r\n550 5.1.1 c\r\n", "5.1.1", False),
        (b"550-5.1.1 a\r\n550-5.7.1 b\r\n550 c\r\n", "5.7.1", True),
        (b"550-5.1.1 a\r\n550-5.7.1 b\r\n550 5.1.1 c\r\n", "5.1.1", True),
        (b"550-5.1.999 a\r\n550 5.1.999 b\r\n", "5.1.999", False),
        (b"550-a\r\n550 b\r\n", "", False),
        (b"354-5.1.1 a\r\n354 b\r\n", "", False),  # RFC 2034 has none in 3yz
    ],
)
def test_enhanced_code_of_the_last_line_that_has_one(
    core: ModuleType, stream: bytes, enhanced: str, is_mixed: bool
) -> None:
    (reply,) = core.StreamState().feed(stream)
    assert str(reply.enhanced or "") == enhanced
    assert reply.has_mixed_enhanced_codes == is_mixed


def test_the_lines_are_those_of_classify(core: ModuleType) -> None:
    lines = SESSION.splitlines(keepends=True)
    raw = [part + b"\n" for part in SESSION.split(b"\n")[:-1]]
    assert len(lines) > len(raw), "the sample has a bare CR"
    replies = core.StreamState().feed(SESSION)
    assert [line for reply in replies for line in reply.lines] == [
        core.classify(line) for line in raw
    ]


# --- However it is cut ----------------------------------------------------------------------

# Small pieces that together make replies, broken replies and every kind of error.
PIECES = st.sampled_from(
    [
        *(b"250", b"550", b"354", b"220", b"000", b"999"),
        *(b" ", b"-", b"\t", b"2.1.5 ", b"5.7.1 ", b"4.2", b"\xc3", b"\xae", b"\x00"),
        *(b"ok", b"x" * 30, b"\r", b"\n", b"\r\n", b"\r\r\n"),
        *(b"250-more\r\n", b"250 ok\r\n", b"550-5.1.1 a\r\n550 5.1.1 b\r\n"),
        *(b"SSH-2.0-x\r\n", b"25", b"2500 x\r\n"),
    ]
)
STREAMS = st.lists(PIECES, max_size=25).map(b"".join)
REPLY_LINES = st.builds(
    lambda code, separator, text, end: code + separator + text + end,
    st.sampled_from([b"250", b"550", b"421", b"354"]),
    st.sampled_from([b" ", b"-", b"-", b"-"]),
    st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"")),
    st.sampled_from([b"\r\n", b"\r\n", b"\n", b"\r\r\n"]),
)
LIMITS = st.fixed_dictionaries(
    {
        "max_line_bytes": st.integers(1, 60),
        "max_lines": st.integers(1, 5),
        "max_reply_bytes": st.integers(1, 100),
    }
)


@st.composite
def cut_streams(draw: st.DrawFn, streams: st.SearchStrategy[bytes]) -> list[bytes]:
    """The chunks of a stream that is cut anywhere; some may be empty."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@PROPERTY
@given(chunks=cut_streams(STREAMS), limits=LIMITS)
def test_chunks_do_not_matter(core: ModuleType, chunks: list[bytes], limits: dict) -> None:
    stream = b"".join(chunks)
    whole = feed_all(core.StreamState(**limits), [stream])
    assert feed_all(core.StreamState(**limits), chunks) == whole
    assert feed_all(core.StreamState(**limits), one_at_a_time(stream)) == whole


@PROPERTY
@given(chunks=cut_streams(st.lists(REPLY_LINES, max_size=20).map(b"".join)))
def test_chunks_of_good_lines_do_not_matter(core: ModuleType, chunks: list[bytes]) -> None:
    stream = b"".join(chunks)
    lines = [core.classify(line) for line in stream.split(b"\n")[:-1]]
    finished = max([at for at, line in enumerate(lines, 1) if line.is_last], default=0)
    replies, end, _ = feed_all(core.StreamState(), chunks)
    assert [line for reply in replies for line in reply.lines] == lines[:finished]
    assert all(reply.lines[-1].is_last for reply in replies)
    assert not any(line.is_last for reply in replies for line in reply.lines[:-1])
    assert end == ("whole" if finished == len(lines) else "cut")


@PROPERTY
@given(chunks=cut_streams(STREAMS), limits=LIMITS)
def test_both_cores_say_the_same(
    both: tuple[ModuleType, ModuleType], chunks: list[bytes], limits: dict
) -> None:
    seen = []
    for core in both:
        parser = core.StreamState(**limits)
        steps: list[object] = []
        for chunk in chunks:
            try:
                steps.append(parser.feed(chunk))
            except SmtpFastError as error:
                steps.append((type(error), str(error), getattr(error, "replies", None)))
            steps.append(parser.buffered)
        steps.append(parser.close())
        seen.append(steps)
    assert seen[0] == seen[1]


# --- Limits ---------------------------------------------------------------------------------

DEFAULTS = {"max_line_bytes": 16_384, "max_lines": 2_000, "max_reply_bytes": 131_072}


def line_of(size: int, start: bytes = b"250 ") -> bytes:
    """A reply line of so many octets."""
    return start + b"x" * (size - len(start) - 2) + b"\r\n"


# Each limit with a stream that just fits and one that is just too large.
EDGES = {
    "one line": ("max_line_bytes", 20, line_of(20), line_of(21)),
    "last line": (
        "max_line_bytes",
        20,
        b"250-a\r\n" + line_of(20),
        b"250-a\r\n" + line_of(21),
    ),
    "first line": (
        "max_line_bytes",
        20,
        line_of(20, b"250-") + b"250 a\r\n",
        line_of(21, b"250-") + b"250 a\r\n",
    ),
    "LF counts": ("max_line_bytes", 6, b"250 a\n", b"250 ab\n"),
    "CRs count": ("max_line_bytes", 7, b"250 a\r\n", b"250 a\r\r\n"),
    "one octet": ("max_line_bytes", 4, b"250\n", b"250\r\n"),
    "one line only": ("max_lines", 1, b"250 a\r\n", b"250-a\r\n250 b\r\n"),
    "three lines": (
        "max_lines",
        3,
        b"250-a\r\n250-b\r\n250 c\r\n",
        b"250-a\r\n250-b\r\n250-c\r\n250 d\r\n",
    ),
    "reply of one line": ("max_reply_bytes", 20, line_of(20), line_of(21)),
    "reply of two lines": (
        "max_reply_bytes",
        30,
        line_of(15, b"250-") + line_of(15),
        line_of(15, b"250-") + line_of(16),
    ),
    "reply full before its last line": (
        "max_reply_bytes",
        14,
        b"250-a\r\n250 a\r\n",
        b"250-abcdefgh\r\n" + b"250 a\r\n",
    ),
}


@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_limits_at_both_edges(core: ModuleType, edge: tuple[str, int, bytes, bytes]) -> None:
    limit, allowed, fits, too_large = edge
    before = b"220 hello\r\n"
    before = b"250\n" if limit == "max_line_bytes" and allowed < len(before) else before
    for chunks in chunkings(before + fits):
        replies, end, _ = feed_all(core.StreamState(**{limit: allowed}), chunks)
        assert (len(replies), end) == (2, "whole")
    for chunks in chunkings(before + too_large):
        replies, end, value = feed_all(core.StreamState(**{limit: allowed}), chunks)
        assert (len(replies), end, value) == (1, limit, allowed)


def test_limits_are_counted_anew_for_each_reply(core: ModuleType) -> None:
    reply = b"250-a\r\n250-b\r\n250 c\r\n"
    parser = core.StreamState(max_line_bytes=7, max_lines=3, max_reply_bytes=21)
    for chunks in ([reply * 500], [reply] * 500, one_at_a_time(reply * 50)):
        assert feed_all(parser, chunks).end == "whole"


def test_default_limits(core: ModuleType) -> None:
    parser = core.StreamState()
    assert {name: getattr(parser, name) for name in DEFAULTS} == DEFAULTS
    assert feed_all(core.StreamState(), [line_of(16_384)]).end == "whole"
    assert feed_all(core.StreamState(), [line_of(16_385)]).end == "max_line_bytes"
    more, last = b"250-x\r\n", b"250 x\r\n"
    assert feed_all(core.StreamState(), [more * 1_999 + last]).end == "whole"
    assert feed_all(core.StreamState(), [more * 2_000 + last]).end == "max_lines"
    more = line_of(1_024, b"250-") * 127
    assert feed_all(core.StreamState(), [more + line_of(1_024)]).end == "whole"
    assert feed_all(core.StreamState(), [more + line_of(1_025)]).end == "max_reply_bytes"


def test_limits_that_are_set_are_those_that_hold(core: ModuleType) -> None:
    limits = {"max_line_bytes": 100_000, "max_lines": 5_000, "max_reply_bytes": 1_000_000}
    parser = core.StreamState(**limits)
    assert {name: getattr(parser, name) for name in limits} == limits
    stream = line_of(100_000, b"250-") + b"250-x\r\n" * 4_998 + b"250 x\r\n"
    assert len(parser.feed(stream)[0].lines) == 5_000
    parser = core.StreamState(max_line_bytes=sys.maxsize, max_reply_bytes=sys.maxsize)
    assert len(parser.feed(line_of(1_000_000))) == 1


def test_a_limit_is_met_before_the_line_ends(core: ModuleType) -> None:
    parser = core.StreamState(max_line_bytes=20)
    assert parser.feed(b"250 " + b"x" * 16) == []
    with pytest.raises(ReplyTooLarge) as caught:
        parser.feed(b"x")
    assert (caught.value.limit, caught.value.allowed) == ("max_line_bytes", 20)
    parser = core.StreamState(max_lines=2)
    assert parser.feed(b"250-a\r\n") == []
    with pytest.raises(ReplyTooLarge) as caught:
        parser.feed(b"250-b\r\n")  # no line that may follow would be allowed
    assert (caught.value.limit, caught.value.allowed) == ("max_lines", 2)


def test_the_first_limit_that_is_met_is_the_one_named(core: ModuleType) -> None:
    for line, reply, named in (
        (20, 20, "max_line_bytes"),
        (20, 21, "max_line_bytes"),
        (21, 20, "max_reply_bytes"),
    ):
        limits = {"max_line_bytes": line, "max_reply_bytes": reply}
        for chunks in chunkings(b"x" * 30 + b"\r\n"):
            assert feed_all(core.StreamState(**limits), chunks).end == named
    # Garbage that is too long is too long, whether or not its LF is there.
    assert feed_all(core.StreamState(max_line_bytes=5), [b"garbage\r\n"]).end == "max_line_bytes"


@pytest.mark.parametrize("limit", DEFAULTS)
@pytest.mark.parametrize("value", [0, -1, -(10**30)])
def test_limits_must_be_positive(core: ModuleType, limit: str, value: int) -> None:
    with pytest.raises(SmtpFastError):
        core.StreamState(**{limit: value})


@pytest.mark.parametrize("limit", DEFAULTS)
@pytest.mark.parametrize("value", [1.5, 16_384.0, float("nan"), "16384", None, b"5", [5]])
def test_limits_must_be_ints(core: ModuleType, limit: str, value: object) -> None:
    with pytest.raises((TypeError, SmtpFastError)):
        core.StreamState(**{limit: value})


@pytest.mark.parametrize("limit", DEFAULTS)
@pytest.mark.parametrize("value", [True, 2**31, 2**63 - 1, 2**63, 2**64, 10**30])
def test_both_cores_take_the_same_limits(
    both: tuple[ModuleType, ModuleType], limit: str, value: int
) -> None:
    seen: list[object] = []
    for core in both:
        try:
            seen.append(core.StreamState(**{limit: value}).buffered)
        except (TypeError, ValueError, OverflowError) as error:
            seen.append(type(error))
    assert seen[0] == seen[1]


def test_limits_are_named_arguments_only(core: ModuleType) -> None:
    with pytest.raises(TypeError):
        core.StreamState(512)
    with pytest.raises(TypeError):
        core.StreamState(max_octets=512)


def test_a_flood_without_a_line_end_costs_nothing(core: ModuleType) -> None:
    chunk = b"250 " + b"x" * 1_020
    parser = core.StreamState()
    fed = 0
    tracemalloc.start()
    try:
        errors: list[str] = []
        for _ in range(50_000):
            try:
                parser.feed(chunk)
            except SmtpFastError as error:
                errors.append(type(error).__name__)
                del error
            else:
                fed += len(chunk)
        assert fed == 16_384
        assert errors == ["ReplyTooLarge"] + ["SmtpFastError"] * (50_000 - 17)
        del errors
        parser.reset()
        tracemalloc.clear_traces()
        with pytest.raises(ReplyTooLarge):
            parser.feed(b"x" * 16_000 + chunk)
        for _ in range(1_000):
            with pytest.raises(SmtpFastError):
                parser.feed(chunk)
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 64 * 1_024
    assert parser.buffered <= 16_384


def test_one_huge_chunk_is_not_kept(core: ModuleType) -> None:
    huge = b"250 " + b"x" * 50_000_000
    parser = core.StreamState()
    tracemalloc.start()
    try:
        with pytest.raises(ReplyTooLarge, match="max_line_bytes=16384"):
            parser.feed(huge)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000
    assert parser.buffered == 0


# --- Errors ---------------------------------------------------------------------------------

GARBAGE = {
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "http": b"HTTP/1.1 400 Bad Request\r\n",
    "pop3": b"+OK ready\r\n",
    "blank": b"\r\n",
    "lf": b"\n",
    "four digits": b"2500 ok\r\n",
    "two digits": b"25 ok\r\n",
    "blank first": b" 250 ok\r\n",
    "nul": b"2\x0050 ok\r\n",
    "full-width": "２５０ ok\r\n".encode(),
    "tls alert": b"\x15\x03\x01\x00\x02\x02\n",
}


@pytest.mark.parametrize("line", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_a_syntax_error_with_the_line(core: ModuleType, line: bytes) -> None:
    for before, count in (
        (b"", 0),
        (b"250 ok\r\n", 1),
        (b"250 a\r\n250-b\r\n250 c\r\n", 2),
        (b"250-a\r\n", 0),
        (b"250 a\r\n250-b\r\n", 1),
    ):
        for chunks in chunkings(before + line + b"250 behind\r\n"):
            replies, end, offending = feed_all(core.StreamState(), chunks)
            assert (len(replies), end, offending) == (count, "ReplySyntaxError", line)


def test_replies_before_an_error_are_not_lost(core: ModuleType) -> None:
    parser = core.StreamState(max_lines=2)
    good = core.StreamState().feed(b"250 a\r\n450-b\r\n450 4.2.1 c\r\n")
    with pytest.raises(ReplySyntaxError) as syntax:
        parser.feed(b"250 a\r\n450-b\r\n450 4.2.1 c\r\nnonsense\r\n250 d\r\n")
    assert syntax.value.replies == good
    parser.reset()
    with pytest.raises(ReplyTooLarge) as too_large:
        parser.feed(b"250 a\r\n450-b\r\n450 4.2.1 c\r\n250-1\r\n250-2\r\n250 3\r\n")
    assert too_large.value.replies == good


def errors_of(core: ModuleType) -> list[SmtpFastError]:
    """One of each kind, with a reply in front."""
    found: list[SmtpFastError] = []
    for bad in (b"HTTP/1.1\r\n", b"250-a\r\n250-b\r\n250 c\r\n", b"x" * 99, b"250-" + b"x" * 55):
        parser = core.StreamState(max_lines=2, max_line_bytes=60, max_reply_bytes=50)
        with pytest.raises((ReplySyntaxError, ReplyTooLarge)) as caught:
            parser.feed(b"250 2.1.0 ok\r\n" + bad)
        found.append(caught.value)
    return found


def test_after_an_error_only_reset_helps(core: ModuleType) -> None:
    for bad in (b"nonsense\r\n", b"250 " + b"x" * 100, b"250-a\r\n" * 3, b"250-a\r\n" + b"x" * 44):
        for revive in ("reset", "close"):
            parser = core.StreamState(max_lines=3, max_line_bytes=50, max_reply_bytes=50)
            with pytest.raises((ReplySyntaxError, ReplyTooLarge)):
                parser.feed(b"250 ok\r\n" + bad)
            for _ in range(3):
                with pytest.raises(SmtpFastError, match="reset") as caught:
                    parser.feed(b"250 ok\r\n")
                assert type(caught.value) is SmtpFastError
            with pytest.raises(SmtpFastError):
                parser.feed(b"")
            # close() says that something was cut, an error being no clean end.
            assert getattr(parser, revive)() is (True if revive == "close" else None)
            assert parser.buffered == 0
            assert [reply.text for reply in parser.feed(b"250-a\r\n250 b\r\n")] == ["a\nb"]
            assert parser.close() is False


def test_errors_pickle_and_copy(core: ModuleType) -> None:
    for error in errors_of(core):
        protocols = [pickle.loads(pickle.dumps(error, each)) for each in range(6)]
        for again in (*protocols, copy.copy(error), copy.deepcopy(error)):
            assert type(again) is type(error)
            assert vars(again) == vars(error)
            assert (again.args, str(again)) == (error.args, str(error))
            assert len(again.replies) == 1


def test_errors_are_those_of_the_house(core: ModuleType) -> None:
    for error in errors_of(core):
        assert isinstance(error, SmtpFastError)
        assert isinstance(error, ValueError)
    assert [getattr(error, "limit", None) for error in errors_of(core)] == [
        None,
        "max_lines",
        "max_reply_bytes",
        "max_reply_bytes",
    ]


@pytest.mark.parametrize("fill", [b"x", b"\x1b", b"\x00", b"\xff", b"'", b'"', b"\\", b"\r"])
def test_messages_show_80_octets_and_no_control_character(core: ModuleType, fill: bytes) -> None:
    for size in (1, 80, 81, 5_000):
        with pytest.raises(ReplySyntaxError) as caught:
            core.StreamState().feed(b"!" + fill * size + b"\n")
        line = caught.value.line
        message = str(caught.value)
        assert message.isprintable()
        assert repr(line[:80]) in message
        assert len(message) <= len("not an SMTP reply line: …") + len(repr(line[:80]))
        assert ("…" in message) == (len(line) > 80)


def test_messages_of_limits_name_them(core: ModuleType) -> None:
    assert [str(error) for error in errors_of(core)[1:]] == [
        "reply beyond max_lines=2",
        "reply beyond max_reply_bytes=50",
        "reply beyond max_reply_bytes=50",
    ]


# --- Ends and STARTTLS ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "waiting"),
    [
        (b"", 0),
        (b"250 ok\r\n", 0),
        (b"250 ok\r\n2", 1),
        (b"250 ok", 6),
        (b"250 ok\r", 7),
        (b"250-a\r\n", 7),
        (b"250-a\r\n250-b", 12),
        (b"250-a\r\n250 b\r\n250-c\r\n", 7),
    ],
)
def test_close_says_whether_something_was_cut(
    core: ModuleType, stream: bytes, waiting: int
) -> None:
    parser = core.StreamState()
    parser.feed(stream)
    assert parser.buffered == waiting
    assert parser.close() is (waiting > 0)
    assert parser.buffered == 0
    assert parser.close() is False
    assert [reply.text for reply in parser.feed(b"250 new\r\n")] == ["new"]


def test_reset_forgets(core: ModuleType) -> None:
    # Three lines, the first of 20 octets, 35 in all: no limit would bear anything left over.
    full = line_of(20, b"250-") + b"250-\r\n" + b"250 abc\r\n"
    for left in (b"250-a\r\n250-b\r\n", b"25", b"550-5.1.1 a\r\n550", b"250 ok\r\n"):
        parser = core.StreamState(max_lines=3, max_line_bytes=20, max_reply_bytes=35)
        parser.feed(left)
        parser.reset()
        assert parser.buffered == 0
        (reply,) = parser.feed(full)
        assert said(reply) == (250, "", "x" * 14 + "\n\nabc")
        assert not reply.has_mixed_codes
        limits = parser.max_lines, parser.max_line_bytes, parser.max_reply_bytes
        assert limits == (3, 20, 35)


def may_start_tls(parser: StreamState, replies: list[Reply]) -> bool:
    """What a client must ask between the 220 to STARTTLS and the TLS handshake."""
    return len(replies) == 1 and replies[0].code == 220 and parser.buffered == 0


def test_starttls_without_anything_behind_the_220(core: ModuleType) -> None:
    parser = core.StreamState()
    parser.feed(b"250-mx.example\r\n250 STARTTLS\r\n")
    replies = parser.feed(b"220 2.0.0 Ready to start TLS\r\n")
    assert may_start_tls(parser, replies)


@pytest.mark.parametrize(
    ("injected", "waiting"),
    [
        (b"250 injected\r\n", 0),
        (b"250-injected\r\n250 AUTH PLAIN\r\n", 0),
        (b"250-injected\r\n", 14),
        (b"2", 1),
        (b"250 injected\r", 13),
        (b"250 a\r\n250 b", 5),
    ],
)
def test_starttls_with_plaintext_behind_the_220(
    core: ModuleType, injected: bytes, waiting: int
) -> None:
    parser = core.StreamState()
    replies = parser.feed(b"220 2.0.0 Ready to start TLS\r\n" + injected)
    assert not may_start_tls(parser, replies)
    assert parser.buffered == waiting
    assert len(replies) == 1 + injected.count(b"250 ") - (waiting > 0 and b"250 " in injected)
    # Even a client that goes on reads nothing of it as if it came through TLS.
    parser.reset()
    assert parser.buffered == 0
    assert [reply.text for reply in parser.feed(b"250 through TLS\r\n")] == ["through TLS"]


def test_plaintext_that_comes_after_the_220_but_before_tls(core: ModuleType) -> None:
    parser = core.StreamState()
    assert may_start_tls(parser, parser.feed(b"220 Ready\r\n"))
    assert parser.feed(b"250-inj") == []
    assert parser.buffered == 7
    parser.reset()
    assert parser.buffered == 0


def test_plaintext_that_came_before_the_220(core: ModuleType) -> None:
    parser = core.StreamState()
    assert parser.feed(b"220-") == []
    assert parser.buffered == 4
    replies = parser.feed(b"\r\n250 injected\r\n220 Ready\r\n")
    assert [reply.code for reply in replies] == [250, 220]
    assert not may_start_tls(parser, replies)


# --- What it costs --------------------------------------------------------------------------


def octets_allocated(parser: StreamState, chunks: Iterable[bytes]) -> int:
    """The sum over all calls of how far the memory in use rose within the call.

    A call that copies what it already has, or parses it again, shows here with its size.
    """
    total = 0
    tracemalloc.start()
    try:
        for chunk in chunks:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            parser.feed(chunk)
            _, peak = tracemalloc.get_traced_memory()
            total += max(0, peak - before)
    finally:
        tracemalloc.stop()
    return total


@pytest.mark.parametrize("lines", [1, 2_000])
def test_no_call_copies_what_waits(core: ModuleType, lines: int) -> None:
    size = 100_000
    line = b"x" * (size // lines - 6)
    stream = (b"250-" + line + b"\r\n") * (lines - 1) + b"250 " + line + b"\r\n"
    parser = core.StreamState(max_line_bytes=size, max_reply_bytes=size)
    chunks = list(one_at_a_time(stream))
    assert len(chunks) == size
    # Some small objects a call; copying what waits in each call would make 50,000 a call.
    assert octets_allocated(parser, chunks) < 300 * len(chunks)
    assert parser.buffered == 0


class CountingBytes(bytearray):
    """The waiting part of a line, which counts what is copied into it and out of it."""

    taken = given = 0

    def __iadd__(self, more: bytes) -> Self:
        CountingBytes.taken += len(more)
        super().__iadd__(more)
        return self

    def __bytes__(self) -> bytes:
        CountingBytes.given += len(self)
        return bytes(memoryview(self))


@pytest.mark.parametrize("lines", [1, 2_000])
def test_pure_parses_and_moves_each_octet_once(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    from smtpfast._core import pure

    size = 100_000
    line = b"x" * (size // lines - 6)
    stream = (b"250-" + line + b"\r\n") * (lines - 1) + b"250 " + line + b"\r\n"
    parsed: list[int] = []
    classify = pure.classify

    def counting_classify(raw: bytes) -> smtpfast.ReplyLine:
        parsed.append(len(raw))
        return classify(raw)

    monkeypatch.setattr(pure, "classify", counting_classify)
    for step in (1, 7, 50, size):
        parser = pure.StreamState(max_line_bytes=size, max_reply_bytes=size)
        parser._partial = CountingBytes()
        CountingBytes.taken = CountingBytes.given = 0
        parsed.clear()
        replies = [
            reply for at in range(0, size, step) for reply in parser.feed(stream[at : at + step])
        ]
        assert len(replies) == 1
        assert type(parser._partial) is CountingBytes
        assert (sum(parsed), len(parsed)) == (size, lines)
        assert CountingBytes.taken <= size
        assert CountingBytes.given <= size


def test_an_idle_parser_takes_less_than_a_kilobyte(core: ModuleType) -> None:
    def use(parser: StreamState) -> StreamState:
        parser.feed(SESSION)
        for octet in one_at_a_time(b"550-5.1.1 a\r\n550 " + b"b" * 60 + b"\r\n"):
            parser.feed(octet)
        # Room for many lines and for a long one, which must not stay.
        parser.feed(b"250-x\r\n" * 150 + b"250 " + b"x" * 10_000)
        parser.feed(b"\r\n")
        return parser

    use(core.StreamState())
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        parsers = [None] * 1_000
        for index in range(1_000):
            parsers[index] = use(core.StreamState())
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(parser.buffered == 0 for parser in parsers)
    assert (after - before) / 1_000 < 1_024


def misuse(core: ModuleType) -> None:
    """Every way into and out of a parser, the errors included."""
    parser = core.StreamState(max_line_bytes=60, max_lines=20, max_reply_bytes=600)
    parser.feed(SESSION)
    for octet in one_at_a_time(SESSION):
        parser.feed(octet)
    parser.feed(b"550-5.1.999 x\r\n" * 18 + b"550 5.1.1 x\r\n")  # more than a few lines
    for bad in (
        b"550-5.1.1 a\r\n550-5.1.999 b\r\nnonsense\r\n",
        b"550 5.1.1 a\r\n" * 3 + b"x" * 100,
        b"550-5.1.1 a\r\n" * 30,
        (b"550-5.1.1 a" + b"x" * 40 + b"\r\n") * 15,
        b"250-a\r\n!\r\n",
    ):
        for chunks in ([bad], one_at_a_time(bad)):
            feed_all(parser, chunks)
            try:
                parser.feed(b"250 ok\r\n")
            except SmtpFastError:
                parser.reset()
    for wrong in (None, 5):
        try:
            parser.feed(wrong)
        except TypeError:
            parser.feed(b"550-5.1.1 half a reply\r\n55")
            parser.reset()
    parser.feed(b"550-5.1.1 a\r\n" * 10)
    parser.__init__(max_lines=7)
    parser.feed(b"550-5.1.1 a\r\n" * 6 + b"550-")
    parser.close()
    parser.feed(b"550-5.1.1 a\r\n" * 5 + b"550-5")
    del parser  # with five lines and a half
    with contextlib.suppress(SmtpFastError):
        core.StreamState(max_lines=0)


def test_nothing_leaks(core: ModuleType) -> None:
    watched = [
        EnhancedStatusCode(5, 1, 1),
        SmtpStatusCode.MAILBOX_UNAVAILABLE,
        SmtpStatusCode.GENERAL_FAILURE,
        smtpfast.ReplyLine,
        smtpfast.Reply,
        EnhancedStatusCode,
    ]
    rounds = 2_000 if core.__name__.endswith("compiled") else 300
    for _ in range(50):
        misuse(core)
    gc.collect()
    references = [sys.getrefcount(each) for each in watched]
    blocks = sys.getallocatedblocks()
    for _ in range(rounds):
        misuse(core)
    gc.collect()
    # Less than one object in ten rounds of hundreds.
    assert abs(sys.getallocatedblocks() - blocks) < rounds / 10
    for each, count in zip(watched, references, strict=True):
        assert abs(sys.getrefcount(each) - count) < rounds / 10, each


def test_no_memory_leaks(core: ModuleType) -> None:
    """As above, in octets: the compiled core holds memory that is no Python object."""
    tracemalloc.start()
    try:
        for _ in range(20):
            misuse(core)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(100):
            misuse(core)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 100 * 32


def test_replies_outlive_their_parser(core: ModuleType) -> None:
    parser = core.StreamState()
    replies = [reply for _ in range(100) for reply in parser.feed(SESSION)]
    expected = pickle.loads(pickle.dumps(replies))
    parser.feed(b"250-more\r\n" * 100)
    del parser
    gc.collect()
    assert replies == expected
    assert [said(reply) for reply in replies] == SAID * 100


# --- Reply ----------------------------------------------------------------------------------


def test_reply_properties(core: ModuleType) -> None:
    (reply,) = core.StreamState().feed(b"550-4.1.1 first\r\n550 second\r\n")
    assert isinstance(reply, Reply)
    assert type(reply) is Reply
    assert (reply.code, reply.status) == (550, SmtpStatusCode.MAILBOX_UNAVAILABLE)
    assert reply.enhanced == EnhancedStatusCode(4, 1, 1)
    assert reply.text == "first\nsecond"
    assert (reply.severity, reply.category) == (Severity.of(550), Category.of(550))
    assert (reply.is_positive, reply.is_transient, reply.is_permanent) == (False, False, True)
    assert reply.enhanced_class_mismatch
    assert reply == (reply.code, reply.status, reply.enhanced, reply.lines)
    assert type(reply.lines) is tuple
    assert {type(line) for line in reply.lines} == {smtpfast.ReplyLine}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (199, (False, False, False)),
        (200, (True, False, False)),
        (399, (True, False, False)),
        (400, (False, True, False)),
        (499, (False, True, False)),
        (500, (False, False, True)),
        (599, (False, False, True)),
        (600, (False, False, False)),
        (0, (False, False, False)),
        (999, (False, False, False)),
    ],
)
def test_reply_verdict_at_both_edges(
    core: ModuleType, code: int, expected: tuple[bool, bool, bool]
) -> None:
    (reply,) = core.StreamState().feed(b"%03d text\r\n" % code)
    assert reply.code == code
    assert (reply.is_positive, reply.is_transient, reply.is_permanent) == expected


def test_reply_is_a_value(core: ModuleType) -> None:
    replies = core.StreamState().feed(SESSION)
    again = core.StreamState().feed(SESSION)
    assert replies == again
    assert [hash(reply) for reply in replies] == [hash(reply) for reply in again]
    assert len({*replies, *again}) == len(SAID)
    for reply in replies:
        copies = [pickle.loads(pickle.dumps(reply, each)) for each in range(6)]
        for each in (*copies, copy.copy(reply), copy.deepcopy(reply)):
            assert each == reply
            assert type(each) is Reply
            assert {type(line) for line in each.lines} == {smtpfast.ReplyLine}
            assert (each.text, each.status) == (reply.text, reply.status)
        with pytest.raises(AttributeError):
            reply.code = 250
    assert len(set(map(repr, replies))) == len(SAID)


def test_replies_of_both_cores_are_equal(both: tuple[ModuleType, ModuleType]) -> None:
    pure, compiled = both
    mine, yours = pure.StreamState().feed(SESSION), compiled.StreamState().feed(SESSION)
    assert mine == yours
    assert list(map(hash, mine)) == list(map(hash, yours))
    assert repr(mine) == repr(yours)
    assert pickle.dumps(mine) == pickle.dumps(yours)


# --- The public class -----------------------------------------------------------------------


def test_reply_parser_is_the_core_that_was_chosen() -> None:
    assert ReplyParser.__mro__[1].__module__ == f"smtpfast._core.{smtpfast.BACKEND}"
    parser = ReplyParser(max_lines=5)
    assert (parser.max_lines, parser.max_line_bytes) == (5, 16_384)
    assert [said(reply) for reply in parser.feed(SESSION)] == SAID
    assert not hasattr(parser, "__dict__")
    for chunks in chunkings(SESSION):
        assert [said(reply) for reply in feed_all(ReplyParser(), chunks).replies] == SAID


def test_reply_parser_can_be_extended(core: ModuleType) -> None:
    class Logged(core.StreamState):
        """As a program would: with a log of what came."""

        def __init__(self, **limits: int) -> None:
            super().__init__(**limits)
            self.seen = 0

        def feed(self, data: Octets, /) -> list[Reply]:
            self.seen += len(data)
            return super().feed(data)

    parser = Logged(max_lines=3)
    assert [said(reply) for reply in parser.feed(b"250-a\r\n250 b\r\n")] == [(250, "", "a\nb")]
    assert (parser.seen, parser.max_lines) == (14, 3)
    parser.feed(b"250-x\r\n")
    parser.me = parser  # a cycle, which the collector must be able to free
    del parser
    gc.collect()


def test_names_and_signatures_are_the_same(both: tuple[ModuleType, ModuleType]) -> None:
    def public(core: ModuleType) -> set[str]:
        return {name for name in dir(core.StreamState) if not name.startswith("_")}

    assert public(both[0]) == public(both[1])
    for name in ("feed", "reset", "close"):
        pure, compiled = (inspect.signature(getattr(core.StreamState, name)) for core in both)
        kinds = [(each.name, each.kind) for each in pure.parameters.values()]
        assert [each.name for each in compiled.parameters.values()] == [name for name, _ in kinds]
        assert [each.kind for each in compiled.parameters.values()][1:] == [
            kind for _, kind in kinds
        ][1:]


def test_a_parser_can_be_neither_copied_nor_pickled(core):
    state = core.StreamState()
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="belongs to its connection"):
            make(state)
