"""Parsers that we did not write: smtplib's and aiosmtplib's, where they are right and where not."""

from __future__ import annotations

import asyncio
import io
import re
import smtplib
from typing import TYPE_CHECKING, NamedTuple

import aiosmtplib
import pytest
from aiosmtplib.protocol import SMTPProtocol
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpfast import ReplySyntaxError, ReplyTooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from smtpfast import Reply, ReplyLine

PROPERTY = settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# What a parser makes of some bytes: the code and the text of each reply, and how it ends.
Answer = list[tuple[int, str] | str]
ERROR, WAITS = "error", "waits for more"


# --- Three parsers that answer in the same words --------------------------------------------


def written(line: ReplyLine) -> str:
    """The text with its enhanced code, which the two others leave in the text."""
    return f"{line.enhanced} {line.text}".rstrip() if line.enhanced else line.text


def pair(reply: Reply) -> tuple[int, str]:
    return reply.code, "\n".join(written(line) for line in reply.lines)


def ask_smtpfast(core: ModuleType, stream: bytes) -> Answer:
    parser = core.StreamState()
    try:
        replies = parser.feed(stream)
    except (ReplySyntaxError, ReplyTooLarge) as error:
        return [*map(pair, error.replies), ERROR]
    return [*map(pair, replies), *([WAITS] if parser.close() else [])]


class Connection(smtplib.SMTP):
    """A client whose server has said `stream` and then closed the connection."""

    def __init__(self, stream: bytes) -> None:
        super().__init__(local_hostname="client.example")
        self.file = io.BytesIO(stream)

    def answers(self) -> Answer:
        found: Answer = []
        size = len(self.file.getvalue())
        while self.file is not None and self.file.tell() < size:
            try:
                code, text = self.getreply()
            except smtplib.SMTPServerDisconnected:
                return [*found, WAITS]
            except smtplib.SMTPResponseException:
                return [*found, ERROR]
            if code == -1:
                return [*found, ERROR]
            found.append((code, text.decode("utf-8", "surrogateescape")))
        return found


def ask_smtplib(stream: bytes) -> Answer:
    return Connection(stream).answers()


class Transport(asyncio.Transport):
    """A connection that only receives."""

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        raise AssertionError(f"nothing is sent here: {data!r}")


class Client(NamedTuple):
    """aiosmtplib's protocol on a loop that never touches a socket of a peer."""

    loop: asyncio.AbstractEventLoop

    def ask(self, *chunks: bytes) -> Answer:
        """What it reads from one connection; each reply but the first waits for its own read."""
        return self.loop.run_until_complete(self._read(chunks))

    async def _read(self, chunks: tuple[bytes, ...]) -> Answer:
        protocol = SMTPProtocol(loop=self.loop)
        protocol.connection_made(Transport())
        for chunk in chunks:
            protocol.data_received(chunk)
        found: Answer = []
        while len(found) < 9:
            try:
                reply = await protocol.read_response(timeout=0)
            except aiosmtplib.SMTPReadTimeoutError:
                return found or [WAITS]
            except aiosmtplib.SMTPResponseException:
                return [*found, ERROR]
            found.append((reply.code, reply.message))
        raise AssertionError("it does not end")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    loop = asyncio.new_event_loop()
    yield Client(loop)
    loop.close()


# --- Where all are right --------------------------------------------------------------------

ENHANCED = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}([ \t]|$)")
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=70)
# They strip blanks at both ends, which are part of the text, and a text that happens to be an
# enhanced code would not be rebuilt with all its blanks.
TEXTS = PRINTABLE.map(str.strip).filter(lambda text: not ENHANCED.match(text))
CODES = st.integers(200, 599)
ENHANCED_CODES = st.builds(
    "{}.{}.{}".format, st.sampled_from("245"), st.integers(0, 999), st.integers(0, 999)
)
LINE_TEXTS = st.one_of(
    TEXTS, st.builds("{} {}".format, ENHANCED_CODES, TEXTS.filter(len)), ENHANCED_CODES
)
LINE_ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r\r\n"])


@st.composite
def well_formed(draw: st.DrawFn) -> tuple[int, list[str], bytes]:
    """A reply: its code, the text of each line, and its bytes."""
    code = draw(CODES)
    texts = draw(st.lists(LINE_TEXTS, min_size=1, max_size=5))
    separators = "-" * (len(texts) - 1) + " "
    lines = [
        f"{code}{separator}{text}{draw(LINE_ENDS)}"
        for separator, text in zip(separators, texts, strict=True)
    ]
    return code, texts, "".join(lines).encode()


@PROPERTY
@given(reply=well_formed())
def test_all_say_the_same_of_a_good_reply(
    core: ModuleType, client: Client, reply: tuple[int, list[str], bytes]
) -> None:
    code, texts, stream = reply
    expected = [(code, "\n".join(texts))]
    # aiosmtplib drops the line end between an empty text and the next.
    assert [(code, "\n".join(texts).lstrip("\n"))] == client.ask(stream)
    assert ask_smtplib(stream) == expected
    assert ask_smtpfast(core, stream) == expected


@PROPERTY
@given(replies=st.lists(well_formed(), max_size=6))
def test_pipelined_replies_are_those_of_smtplib(
    core: ModuleType, replies: list[tuple[int, list[str], bytes]]
) -> None:
    stream = b"".join(octets for _, _, octets in replies)
    expected = [(code, "\n".join(texts)) for code, texts, _ in replies]
    assert ask_smtpfast(core, stream) == ask_smtplib(stream) == expected


@PROPERTY
@given(codes=st.lists(CODES, min_size=1, max_size=5))
def test_the_last_code_counts(core: ModuleType, client: Client, codes: list[int]) -> None:
    lines = [f"{code}-x\r\n" for code in codes[:-1]] + [f"{codes[-1]} x\r\n"]
    stream = "".join(lines).encode()
    expected = [(codes[-1], "\n".join("x" * len(codes)))]
    assert ask_smtpfast(core, stream) == ask_smtplib(stream) == client.ask(stream) == expected


AGREED = {
    "bare code": b"250\r\n",
    "code and blank": b"250 \r\n",
    "bare code and LF": b"250\n",
    "TAB": b"250\ttext\r\n",
    "bare last line": b"250-a\r\n250\r\n",
    "LF only": b"250-a\n250 b\n",
    "CRCRLF": b"250 ok\r\r\n",
    "CR in the text": b"250 a\rb\r\n",
    "NUL in the text": b"250 a\x00b\r\n",
    "terminal escape": b"250 \x1b[31mred\r\n",
    "Latin-1": b"550 bo\xeete pleine\r\n",
    "UTF-8": "550 boîte pleine\r\n".encode(),
    "GBK": b"535 Error: \xc7\xeb\xca\xb9\xd3\xc3\r\n",
    "NEL, no line end": b"250 a\xc2\x85b\r\n",
    "VT and FF": b"250 a\x0bb\x0cc\r\n",
    "second digit 7": b"571 blocked\r\n",
    "code 000": b"000 ok\r\n",
    "code 100": b"100 prelim\r\n",
    "code 999": b"999 odd\r\n",
    "mixed codes": b"220-host ESMTP\r\n521 5.7.1 blocked\r\n",
    "8,192 octets": b"250 " + b"x" * 8_186 + b"\r\n",
    "nothing": b"",
    "unfinished reply": b"250-first\r\n",
    "code only, no line end yet": b"250-",
    "letters": b"abc text\r\n",
    "letter in the code": b"2x0 text\r\n",
    "POP3": b"+OK POP3 ready\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n",
    "NUL in the code": b"2\x0050 ok\r\n",
    "full-width digits": "２５０ ok\r\n".encode(),
    "Arabic digits": "٢٥٠ ok\r\n".encode(),
    "blank line first": b"\r\n250 ok\r\n",
    "blank line inside": b"250-a\r\n\r\n250 c\r\n",
    "line without a code inside": b"250-a\r\nstray text\r\n250 c\r\n",
}


@pytest.mark.parametrize("stream", AGREED.values(), ids=AGREED)
def test_all_agree(core: ModuleType, client: Client, stream: bytes) -> None:
    ours = ask_smtpfast(core, stream)
    assert ours == ask_smtplib(stream)
    # A client without an open question has no answer either.
    assert (ours or [WAITS]) == client.ask(stream)


# --- Where they are wrong, or differ --------------------------------------------------------


class Difference(NamedTuple):
    reason: str
    stream: bytes
    smtpfast: Answer
    smtplib: Answer
    aiosmtplib: Answer


INT = "int() takes more than three ASCII digits"
CUT = "they cut four octets off the line, whatever the fourth is"
BLANKS = "they strip the text, whose blanks RFC 5321 section 4.2 gives to the text"
DIFFERENCES = {
    "leading blank": Difference(INT, b" 250 ok\r\n", [ERROR], [(25, "ok")], [(25, "ok")]),
    "leading CR": Difference(INT, b"\r250 ok\r\n", [ERROR], [(25, "ok")], [(25, "ok")]),
    "plus": Difference(INT, b"+25 ok\r\n", [ERROR], [(25, "ok")], [(25, "ok")]),
    "minus": Difference(INT, b"-25 ok\r\n", [ERROR], [(-25, "ok")], [(-25, "ok")]),
    "underscore": Difference(INT, b"2_5 ok\r\n", [ERROR], [(25, "ok")], [(25, "ok")]),
    "two digits": Difference(INT, b"25 ok\r\n", [ERROR], [(25, "k")], [(25, "k")]),
    "one digit": Difference(INT, b"2\r\n", [ERROR], [(2, "")], [(2, "")]),
    "four digits": Difference(CUT, b"2500 ok\r\n", [ERROR], [(250, "ok")], [(250, "ok")]),
    "no separator": Difference(CUT, b"250OK\r\n", [(250, "OK")], [(250, "K")], [(250, "K")]),
    "colon": Difference(CUT, b"250: ok\r\n", [(250, ": ok")], [(250, "ok")], [(250, "ok")]),
    "blanks behind": Difference(
        BLANKS, b"250 ok  \t \r\n", [(250, "ok  \t ")], [(250, "ok")], [(250, "ok")]
    ),
    "blanks in front": Difference(
        BLANKS, b"250   ok\r\n", [(250, "  ok")], [(250, "ok")], [(250, "ok")]
    ),
    "CR in front": Difference(
        BLANKS, b"250 \rok\r\n", [(250, "\rok")], [(250, "ok")], [(250, "ok")]
    ),
    "empty first text": Difference(
        "aiosmtplib puts a line end only behind a text that is not empty",
        b"250-\r\n250 a\r\n",
        [(250, "\na")],
        [(250, "\na")],
        [(250, "a")],
    ),
    "no line end": Difference(
        "smtplib takes what was cut by the end of the connection as a whole reply",
        b"250 ok",
        [WAITS],
        [(250, "ok")],
        [WAITS],
    ),
    "code that was cut": Difference(
        "smtplib takes what was cut by the end of the connection as a whole reply",
        b"25",
        [WAITS],
        [(25, "")],
        [WAITS],
    ),
    "bare CR": Difference(
        "smtplib takes what was cut by the end of the connection as a whole reply",
        b"250 a\r250 b\r",
        [WAITS],
        [(250, "a\r250 b")],
        [WAITS],
    ),
    "8,193 octets": Difference(
        "their limit of a line is 8,192 octets, ours 16,384 by default",
        b"250 " + b"x" * 8_187 + b"\r\n",
        [(250, "x" * 8_187)],
        [ERROR],
        [ERROR],
    ),
    "two replies at once": Difference(
        "aiosmtplib parses one reply a segment: the second waits for a third",
        b"250 a\r\n550 b\r\n",
        [(250, "a"), (550, "b")],
        [(250, "a"), (550, "b")],
        [(250, "a")],
    ),
}


@pytest.mark.parametrize("case", DIFFERENCES.values(), ids=DIFFERENCES)
def test_differences(core: ModuleType, client: Client, case: Difference) -> None:
    assert ask_smtpfast(core, case.stream) == case.smtpfast, case.reason
    assert ask_smtplib(case.stream) == case.smtplib, case.reason
    assert client.ask(case.stream) == case.aiosmtplib, case.reason
    assert case.smtpfast != case.smtplib or case.smtpfast != case.aiosmtplib


def test_cuts_do_not_matter_to_aiosmtplib_either(core: ModuleType, client: Client) -> None:
    stream = b"550-5.1.1 <a@b.example>: no\r\n550-such\r\n550 5.1.1 user\r\n"
    expected = ask_smtpfast(core, stream)
    for at in range(1, len(stream)):
        assert client.ask(stream[:at], stream[at:]) == expected
