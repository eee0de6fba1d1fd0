"""Replies for a server to give: what `Reply.of` makes of a text, and what goes over the wire."""

from __future__ import annotations

import io
import pickle
import re
import smtplib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpfast import (
    Defect,
    EnhancedStatusCode,
    Reply,
    ReplyLine,
    ReplyParser,
    SmtpFastError,
    SmtpStatusCode,
    find_defects,
)
from smtpfast.octets import octets

if TYPE_CHECKING:
    from types import ModuleType

# The modules are the same for every example.
thorough = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

CODES = st.integers(200, 599)
# What an attacker or an accident would put into a text, and what is hard to cut.
PIECES = st.sampled_from(
    (
        *("\r\n", "\n", "\r", "\r\n250 2.0.0 Ok", "\n.\n", "550-", "250 "),
        *("5.1.1 ", "4.2.2", "2.0.0 x", "a" * 505 + " 5.1.1 b"),
        *("\0", "\t", "\x0b", "\x0c", "\x1b[2J", "\x1c", "\x7f", "\x85", "\x9b"),
        *("\u2028", "\u2029", "\u00a0", "\udcff", "\udcd0", "\udc9f", "\ud800", "ё", "€", "𝄞"),
        *(" ", "  ", " " * 520, "word ", "long " * 101, "x" * 498, "ё" * 300),
    )
)
# What the caller's code and words bring with them.
OF_THE_CALLER = {
    *(Defect.CODE_OUTSIDE_GRAMMAR, Defect.EIGHT_BIT, Defect.INVALID_UTF8),
    *(Defect.ENHANCED_NOT_ALLOWED, Defect.ENHANCED_MALFORMED, Defect.ENHANCED_MISPLACED),
}
TEXTS = st.lists(PIECES | st.text(max_size=20), max_size=8).map("".join)


def as_clients_have_it(text: str) -> str:
    """The text as its octets, read again, less what may not reach the wire."""
    read = octets(text).decode("utf-8", "surrogateescape")
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", " ", read)


def wire_lines(data: bytes) -> list[bytes]:
    """The lines with their ends, which are CRLF and nothing else is."""
    lines = re.findall(rb"[^\r\n]*\r\n", data)
    assert b"".join(lines) == data
    return lines


def check_wire(reply: Reply, data: bytes) -> None:
    """All that holds for any reply on the wire."""
    lines = wire_lines(data)
    assert len(lines) == len(reply.lines)
    assert max(map(len, lines)) <= 512
    for number, line in enumerate(lines, 1):
        separator = b" " if number == len(lines) else b"-"
        assert line.startswith(b"%d%b" % (reply.code, separator))
        assert not re.search(rb"[\x00-\x1f\x7f]", line[:-2])
        text = line[:-2].decode("utf-8", "surrogateescape")
        assert text.splitlines() == [text]
        assert set(find_defects(line)) <= OF_THE_CALLER
    oracle = smtplib.SMTP(local_hostname="client.example")
    oracle.file = io.BytesIO(data)
    assert oracle.getreply()[0] == reply.code
    assert oracle.file.read() == b""


# --- Any text -------------------------------------------------------------------------------


@thorough
@given(code=CODES, text=TEXTS, details=st.none() | st.tuples(*[st.integers(0, 999)] * 2))
def test_what_a_client_reads_is_the_reply(
    core: ModuleType, code: int, text: str, details: tuple[int, int] | None
) -> None:
    enhanced = None
    if details and code != 220 and code // 100 != 3:
        enhanced = EnhancedStatusCode(code // 100, *details)
    reply = Reply.of(code, text, enhanced)
    data = reply.to_bytes()
    check_wire(reply, data)
    assert core.StreamState().feed(data) == [reply]
    assert (type(reply), reply.code) == (Reply, code)
    assert {line.enhanced for line in reply.lines} == {reply.enhanced}
    expected = as_clients_have_it(text)
    if enhanced:
        assert reply.enhanced is enhanced or reply.enhanced == enhanced
        assert re.sub("[ \n]", "", reply.text) == re.sub("[ \n]", "", expected)
    elif reply.enhanced is None:
        assert re.sub("[ \n]", "", reply.text) == re.sub("[ \n]", "", expected)
    else:
        assert str(reply.enhanced) in expected or reply.enhanced[1:] == (0, 0)
    words = re.findall("[^ \n]+", expected)
    if enhanced and all(len(word.encode("utf-8", "surrogateescape")) < 480 for word in words):
        assert re.findall("[^ \n]+", reply.text) == words


@thorough
@given(code=CODES, text=TEXTS)
def test_a_reply_stays_as_it_is(core: ModuleType, code: int, text: str) -> None:
    reply = Reply.of(code, text)
    assert Reply.of(reply.code, reply.text, reply.enhanced) == reply
    [read] = core.StreamState().feed(reply.to_bytes())
    assert read.to_bytes() == reply.to_bytes()
    assert pickle.loads(pickle.dumps(reply)) == reply


@thorough
@given(lines=st.lists(st.tuples(CODES, TEXTS), min_size=1, max_size=4), code=CODES)
def test_a_reply_that_somebody_made_by_hand(
    core: ModuleType, lines: list[tuple[int, str]], code: int
) -> None:
    made = [
        ReplyLine(code_, SmtpStatusCode.OK, True, None, text)
        for code_, text in [(code, ""), *lines]
    ]
    data = Reply(code, SmtpStatusCode.OK, None, tuple(made)).to_bytes()
    [read] = core.StreamState().feed(data)
    check_wire(read, data)
    assert not read.has_mixed_codes
    assert read == Reply.of(code, "\n".join(line.text for line in made))


@thorough
@given(
    data=st.lists(
        st.binary(max_size=30) | PIECES.map(octets),
        max_size=5,
    ).map(b"".join)
)
def test_a_reply_that_another_server_gave(core: ModuleType, data: bytes) -> None:
    [read] = core.StreamState(max_line_bytes=10**6).feed(
        b"550-" + data.replace(b"\n", b"\r\n550-") + b"\r\n550 \r\n"
    )
    if read.enhanced and read.enhanced.class_ != 5:
        with pytest.raises(SmtpFastError):
            read.to_bytes()
        return
    again = read.to_bytes()
    [reply] = core.StreamState().feed(again)
    check_wire(reply, again)
    if read.enhanced or not reply.enhanced:
        assert reply.enhanced == read.enhanced
    else:  # it stood behind what is gone, or would have been misread
        assert str(reply.enhanced) in read.text or reply.enhanced == (5, 0, 0)


# --- One text at a time ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "wire"),
    [
        ((250,), b"250 \r\n"),
        ((250, ""), b"250 \r\n"),
        ((250, b"", "2.0.0"), b"250 2.0.0\r\n"),
        ((250, "Ok"), b"250 Ok\r\n"),
        ((250, "Ok", "2.1.5"), b"250 2.1.5 Ok\r\n"),
        ((SmtpStatusCode.OK, "Ok"), b"250 Ok\r\n"),
        ((550, bytearray(b"no"), EnhancedStatusCode(5, 7, 509)), b"550 5.7.509 no\r\n"),
        ((599, memoryview(b"x"), "5.999.0"), b"599 5.999.0 x\r\n"),
        ((200, "x"), b"200 x\r\n"),
        ((550, "Такого ящика нет"), "550 Такого ящика нет\r\n".encode()),
        ((550, b"caf\xe9"), b"550 caf\xe9\r\n"),
        # LF separates lines; CRLF does as well, since blanks around a line go.
        ((250, "a\nb", "2.0.0"), b"250-2.0.0 a\r\n250 2.0.0 b\r\n"),
        ((250, "a\r\nb"), b"250-a\r\n250 b\r\n"),
        ((250, "a\n\nb\n"), b"250-a\r\n250-\r\n250-b\r\n250 \r\n"),
        ((250, "\n", "2.0.0"), b"250-2.0.0\r\n250 2.0.0\r\n"),
        ((250, "  a \n b\t"), b"250-a\r\n250 b\r\n"),
        # All else is a space.
        ((550, "a\rb"), b"550 a b\r\n"),
        ((550, "a\r250 ok"), b"550 a 250 ok\r\n"),
        ((550, "a\0b\tc\x7fd\x85e\x1b[1m"), b"550 a b c d e [1m\r\n"),
        ((550, "a\u2028250 b\u2029c"), b"550 a 250 b c\r\n"),
        ((550, "x\r\n250 Ok", "5.7.1"), b"550-5.7.1 x\r\n550 5.7.1 250 Ok\r\n"),
        # None in the greeting, none in 3yz; there such words are words.
        ((220, "mx.example ESMTP"), b"220 mx.example ESMTP\r\n"),
        ((220, "2.0.0 Go ahead"), b"220 2.0.0 Go ahead\r\n"),
        ((354, "2.0.0 Go ahead"), b"354 2.0.0 Go ahead\r\n"),
        # The text has its own.
        ((550, "5.1.1 gone"), b"550 5.1.1 gone\r\n"),
        ((550, "5.1.1"), b"550 5.1.1\r\n"),
        ((550, "5.1.1   gone\n5.1.1 for good"), b"550-5.1.1 gone\r\n550 5.1.1 for good\r\n"),
        ((550, "gone\n5.1.1 for good"), b"550-5.1.1 gone\r\n550 5.1.1 for good\r\n"),
        ((550, "5.1.1 gone\nfor good"), b"550-5.1.1 gone\r\n550 5.1.1 for good\r\n"),
        ((550, "5.7.1 a\n5.1.1 b"), b"550-5.1.1 5.7.1 a\r\n550 5.1.1 b\r\n"),
        ((550, "5.1.1 a\n2.0.0 b"), b"550-5.1.1 a\r\n550 5.1.1 2.0.0 b\r\n"),
        ((550, "5.1.1: gone"), b"550 5.1.1: gone\r\n"),
        ((550, "05.1.1 gone"), b"550 05.1.1 gone\r\n"),
        # What is given counts, and the text is text.
        ((550, "5.7.1 x", "5.1.1"), b"550 5.1.1 5.7.1 x\r\n"),
        ((550, "5.1.1 x", "5.1.1"), b"550 5.1.1 5.1.1 x\r\n"),
        # What would be misread.
        ((554, "2.0.1 is too old"), b"554 5.0.0 2.0.1 is too old\r\n"),
        ((450, "a\n5.1.1 b"), b"450-4.0.0 a\r\n450 4.0.0 5.1.1 b\r\n"),
        (
            (550, "x" * 505 + " 5.1.1 y"),
            b"550-5.0.0 " + b"x" * 500 + b"\r\n550 5.0.0 xxxxx 5.1.1 y\r\n",
        ),
    ],
)
def test_one_reply(core: ModuleType, arguments: tuple[object, ...], wire: bytes) -> None:
    reply = Reply.of(*arguments)
    assert reply.to_bytes() == wire
    assert core.StreamState().feed(wire) == [reply]
    assert type(reply.code) is int


def test_a_text_of_smtplib_makes_the_reply_again() -> None:
    wire = b"550-5.7.1 Our filter says no.\r\n550-5.7.1\r\n550 5.7.1 Bye\r\n"
    client = smtplib.SMTP(local_hostname="client.example")
    client.file = io.BytesIO(wire)
    assert Reply.of(*client.getreply()) == ReplyParser().feed(wire)[0]
    assert Reply.of(550, b"5.7.1 Our filter says no.\n5.7.1\n5.7.1 Bye").to_bytes() == wire


# --- Folding --------------------------------------------------------------------------------


@pytest.mark.parametrize(("enhanced", "room"), [(None, 506), ("5.1.1", 500), ("5.100.100", 496)])
def test_a_line_is_as_long_as_it_may_be(enhanced: str | None, room: int) -> None:
    def folded(text: str) -> list[str]:
        reply = Reply.of(550, text, enhanced)
        lengths = [len(line) for line in wire_lines(reply.to_bytes())]
        assert max(lengths) <= 512
        return [line.text for line in reply.lines]

    assert folded("x" * room) == ["x" * room]
    assert len(wire_lines(Reply.of(550, "x" * room, enhanced).to_bytes())[0]) == 512
    assert folded("x" * (room + 1)) == ["x" * room, "x"]
    assert folded("x" * (2 * room)) == ["x" * room] * 2
    # At the last space that leaves the line short enough.
    assert folded("x" * room + " y") == ["x" * room, "y"]
    assert folded("x" * (room - 2) + " y z") == ["x" * (room - 2) + " y", "z"]
    assert folded("x" * (room - 1) + " y z") == ["x" * (room - 1), "y z"]
    assert folded("a " + "x" * room) == ["a", "x" * room]
    assert folded("a " + "x" * (room + 1)) == ["a", "x" * room, "x"]
    # Spaces around the cut are not needed, those elsewhere are nobody's business.
    assert folded("x" * 300 + " " * 700 + "y") == ["x" * 300, "y"]
    assert folded("a  b" + " " * room + "c") == ["a  b", "c"]
    assert folded(" " * 2000) == [""]
    assert folded("x" * (room + 1) + "\ny") == ["x" * room, "x", "y"]


@pytest.mark.parametrize("letter", ["x", "ё", "€", "𝄞"])
@pytest.mark.parametrize("shift", range(4))
def test_a_letter_is_never_cut(letter: str, shift: int) -> None:
    text = "x" * shift + letter * 700
    reply = Reply.of(550, text, "5.1.1")
    lines = [line.decode("utf-8") for line in wire_lines(reply.to_bytes())]
    assert "".join(line[10:-2] for line in lines) == text
    # Nor is a line shorter than it must be.
    size = len(letter.encode())
    assert all(len(line.encode()) > 512 - size for line in lines[:-1])


def test_octets_that_are_no_letters_are_cut_anywhere() -> None:
    for data in (b"\x80" * 2000, b"\xff" * 2000, b"\xf0\x9f" * 1000, b"\xe2" + b"\x82" * 1999):
        wire = Reply.of(550, data, "5.1.1").to_bytes()
        lines = wire_lines(wire)
        assert max(map(len, lines)) <= 512
        assert b"".join(line[10:-2] for line in lines) == data
        assert len(lines) <= 5


def test_a_long_text_takes_no_square_of_time(core: ModuleType) -> None:
    # A test of the work, not of the clock: with a copy a line this would not end.
    text = "word " * 400_000 + "x" * 2_000_000
    reply = Reply.of(550, text)
    assert reply.text.replace("\n", " ").split()[:400_000] == ["word"] * 400_000
    parser = core.StreamState(max_lines=10**6, max_reply_bytes=10**8)
    assert parser.feed(reply.to_bytes()) == [reply]


# --- What is no reply -----------------------------------------------------------------------


@pytest.mark.parametrize("code", [-1, 0, 25, 199, 600, 999, 1000, 2500, 10**30])
def test_a_code_beyond_the_digits_of_smtp(code: int) -> None:
    with pytest.raises(SmtpFastError) as error:
        Reply.of(code, "x")
    assert str(error.value) == f"reply code {code}: expected 200–599"
    with pytest.raises(SmtpFastError):
        Reply(code, SmtpStatusCode.NOT_DEFINED, None, ()).to_bytes()


def test_every_code_has_the_enhanced_codes_of_its_digit_and_no_others() -> None:
    for code in range(200, 600):
        digit = code // 100
        allowed = {digit} if digit != 3 and code != 220 else set()
        assert Reply.of(code, "x").enhanced is None
        for class_ in range(10):
            enhanced = EnhancedStatusCode(class_, 0, 0)
            if class_ in allowed:
                assert Reply.of(code, "x", enhanced).enhanced == enhanced
                continue
            with pytest.raises(SmtpFastError) as error:
                Reply.of(code, "x", enhanced)
            assert str(error.value) == (
                f"enhanced status code {enhanced} in a reply with the code {code}"
            )
            line = ReplyLine(code, SmtpStatusCode.OK, True, enhanced, "x")
            with pytest.raises(SmtpFastError):
                Reply(code, SmtpStatusCode.OK, enhanced, (line,)).to_bytes()


@pytest.mark.parametrize("enhanced", ["", "5.1", "5.1.1 ", "05.1.1", "5.1.1.1", "6.1.1", "x.1.1"])
def test_a_text_that_is_no_enhanced_code(enhanced: str) -> None:
    with pytest.raises(SmtpFastError, match="not an enhanced status code"):
        Reply.of(550, "x", enhanced)


@pytest.mark.parametrize(
    "arguments",
    [
        *(("550", "x"), (550.0, "x"), (None, "x"), (550, None), (550, 5), (550, ["x"])),
        *((550, "x", (5, 1, 1)), (550, "x", 5001001)),
    ],
    ids=repr,
)
def test_another_type_is_an_error(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        Reply.of(*arguments)
