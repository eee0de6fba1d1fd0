"""Reply lines: `classify`, `classify_many`, `find_enhanced` and `find_defects`."""

from __future__ import annotations

import copy
import pickle
from array import array
from typing import TYPE_CHECKING

import pytest

from smtpfast import (
    Category,
    Defect,
    EnhancedStatusCode,
    ReplyLine,
    Severity,
    SmtpFastError,
    SmtpStatusCode,
    defects,
    find_defects,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

LINE_ENDS = (b"", b"\n", b"\r\n", b"\r\r\n", b"\r", b"\r\r\r\n", b"\r\n\r\n", b"\n\n", b"\n\r")


NO_CODE = (
    *(b" 25", b"-25", b"+25", b"2_5", b" 250 x", b"\t250", b"+250 x", b"-250", b"2_50 x", b"25_ x"),
    *(b"2", b"25", b"25 x", b"2500", b"2500 x", b"25000", b"0250", b"2 50", b"2.5 x"),
    *(b"25o x", b"0x2 x", b"2\x0050", b"abc", b"", b" ", b"-"),
)


class SpecialBytes(bytes):
    """A type of a caller's own."""


class SpecialStr(str):
    """A type of a caller's own."""

    __slots__ = ()


def brief(line: ReplyLine) -> tuple[int, bool, str | None, str]:
    """The parts of a line, written shortly; `status` goes with the code."""
    assert type(line) is ReplyLine
    assert type(line.code) is int
    assert type(line.is_last) is bool
    assert type(line.text) is str
    assert line.enhanced is None or type(line.enhanced) is EnhancedStatusCode
    known = {member.value: member for member in SmtpStatusCode}
    assert line.status is known.get(line.code, SmtpStatusCode.NOT_DEFINED)
    return line.code, line.is_last, line.enhanced and str(line.enhanced), line.text


# --- The code and its separator -------------------------------------------------------------


@pytest.mark.parametrize("line_end", LINE_ENDS, ids=repr)
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"250", (250, True, None, "")),
        (b"250 ", (250, True, None, "")),
        (b"250-", (250, False, None, "")),
        (b"250\t", (250, True, None, "")),
        (b"250 Done", (250, True, None, "Done")),
        (b"250-Done", (250, False, None, "Done")),
        (b"250\tDone", (250, True, None, "Done")),
        # Only one octet separates: the rest is text as it came.
        (b"250  Done  ", (250, True, None, " Done  ")),
        (b"250--Done", (250, False, None, "-Done")),
        (b"250 -Done", (250, True, None, "-Done")),
        (b"250\t\tDone\t", (250, True, None, "\tDone\t")),
        # Any other octet begins the text.
        (b"550no space", (550, True, None, "no space")),
        (b"250: ok", (250, True, None, ": ok")),
        (b"250:", (250, True, None, ":")),
        (b"250.", (250, True, None, ".")),
        (b"250\x00", (250, True, None, "\x00")),
        (b"250\x0bx", (250, True, None, "\x0bx")),
        (b"250\xa0x", (250, True, None, "\udca0x")),
        (b"250\xe2\x80\x94x", (250, True, None, "—x")),
        # Codes outside the grammar of RFC 5321 are codes.
        (b"571 Blocked", (571, True, None, "Blocked")),
        (b"299 Odd", (299, True, None, "Odd")),
        (b"000 Odd", (0, True, None, "Odd")),
        (b"050 Trace", (50, True, None, "Trace")),
        (b"999-Odd", (999, False, None, "Odd")),
        # What int() would take is none, nor what only looks like digits.
        *((each, (-1, True, None, each.decode())) for each in NO_CODE),
        ("２５０ ok".encode(), (-1, True, None, "２５０ ok")),
        ("٢٥٠ ok".encode(), (-1, True, None, "٢٥٠ ok")),
        ("25０ ok".encode(), (-1, True, None, "25０ ok")),
        # A fourth digit is ASCII too.
        ("250０ ok".encode(), (250, True, None, "０ ok")),
        # Other protocols.
        (b"SSH-2.0-Server", (-1, True, None, "SSH-2.0-Server")),
        (b"HTTP/1.0 404 Gone", (-1, True, None, "HTTP/1.0 404 Gone")),
        (b"+OK ready", (-1, True, None, "+OK ready")),
        (b"* OK IMAP", (-1, True, None, "* OK IMAP")),
    ],
    ids=repr,
)  # fmt: skip
def test_classify(
    core: ModuleType,
    content: bytes,
    expected: tuple[int, bool, str | None, str],
    line_end: bytes,
) -> None:
    line = content + line_end
    assert brief(core.classify(line)) == expected
    # The same whatever the type: a str is UTF-8 with surrogateescape.
    text = line.decode("utf-8", "surrogateescape")
    for other in (text, SpecialStr(text), SpecialBytes(line), bytearray(line), memoryview(line)):
        assert brief(core.classify(other)) == expected


def test_every_three_digits_are_a_code_and_nothing_else_is(core: ModuleType) -> None:
    for number in range(1000):
        assert brief(core.classify(f"{number:03} x")) == (number, True, None, "x")
        assert brief(core.classify(f"{number}-"))[0] == (number if number > 99 else -1)
    for place in range(3):
        for octet in range(256):
            line = bytearray(b"250 x")
            line[place] = octet
            is_digit = 0x30 <= octet <= 0x39
            assert (core.classify(line).code != -1) is is_digit, line


def test_what_follows_three_digits(core: ModuleType) -> None:
    for octet in set(range(256)) - {0x0A, 0x0D}:
        line = core.classify(b"250%cx" % octet)
        separates = octet in b" -\t"
        assert line.code == (-1 if octet in b"0123456789" else 250)
        assert line.is_last is (octet != 0x2D)
        if line.code == 250:
            text = "x" if separates else bytes([octet]).decode("utf-8", "surrogateescape") + "x"
            assert line.text == text


def test_a_line_end_within_the_line_is_text(core: ModuleType) -> None:
    assert brief(core.classify(b"250 a\rb\r\n")) == (250, True, None, "a\rb")
    assert brief(core.classify(b"250 a\nb\n")) == (250, True, None, "a\nb")
    assert brief(core.classify(b"250\rb")) == (250, True, None, "\rb")
    assert brief(core.classify(b"\r\n250 a\r\n")) == (-1, True, None, "\r\n250 a")


def test_nothing_of_the_text_is_lost(core: ModuleType) -> None:
    octets = bytes(range(1, 10)) + bytes(range(11, 13)) + bytes(range(14, 256)) + b"\0 \xe2\x82"
    line = core.classify(b"250 " + octets)
    assert line.text.encode("utf-8", "surrogateescape") == octets
    whole = core.classify(b"x" + octets)
    assert whole.text.encode("utf-8", "surrogateescape") == b"x" + octets


def test_text_is_utf_8(core: ModuleType) -> None:
    assert core.classify("550 ящик полон".encode()).text == "ящик полон"
    assert core.classify("550 ящик полон").text == "ящик полон"
    assert core.classify(b"550 bo\xeete").text == "bo\udceete"
    assert core.classify("550 🎉 \x85 \u2028 end\r\n").text == "🎉 \x85 \u2028 end"


def test_a_surrogate_in_a_str(core: ModuleType) -> None:
    # One that stands for an octet is that octet, which may be part of a character.
    assert core.classify("250 \udcff").text == "\udcff"
    assert core.classify("250 \udcc3\udcae").text == "î"
    # One that stands for none keeps its own octets.
    assert core.classify("250 \ud800").text == "\udced\udca0\udc80"
    assert core.classify("\ud80050").code == -1
    assert core.classify("250\ud800").text == "\udced\udca0\udc80"


# --- Types ----------------------------------------------------------------------------------


def test_any_memoryview_will_do(core: ModuleType) -> None:
    expected = brief(core.classify(b"550-5.1.1 Gone"))
    spread = bytearray(2 * 14)
    spread[::2] = b"550-5.1.1 Gone"
    assert brief(core.classify(memoryview(spread)[::2])) == expected
    assert brief(core.classify(memoryview(b"550-5.1.1 Gone"[::-1])[::-1])) == expected
    assert brief(core.classify(memoryview(b"x550-5.1.1 Gone\r\nx")[1:-1])) == expected
    wide = array("H", b"550-5.1.1 Gone")
    assert brief(core.classify(memoryview(wide))) == expected
    square = memoryview(b"550-5.1.1 Gone").cast("B", (2, 7))
    assert brief(core.classify(square)) == expected
    assert brief(core.classify(memoryview(b""))) == (-1, True, None, "")


def test_what_lies_around_a_view_does_not_matter(core: ModuleType) -> None:
    whole = b"9550-5.1.1 Gone9"
    for start in range(len(whole)):
        for stop in range(start, len(whole) + 1):
            part = whole[start:stop]
            assert core.classify(memoryview(whole)[start:stop]) == core.classify(part)


@pytest.mark.parametrize(
    "function", ["classify", "find_enhanced", "classify_many", "classify_lines"]
)
@pytest.mark.parametrize("wrong", [None, 250, 2.5, True, object], ids=repr)
def test_another_type_is_the_same_type_error_on_both_cores(
    both: tuple[ModuleType, ModuleType], function: str, wrong: object
) -> None:
    messages = []
    for core in both:
        with pytest.raises(TypeError) as caught:
            getattr(core, function)(wrong)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    if function != "classify_many":
        expected = "expected bytes, bytearray, memoryview or str, not "
        assert messages[0] == expected + type(wrong).__name__


@pytest.mark.parametrize("wrong", [[b"250"], (b"250",), array("B", b"250"), {}], ids=repr)
def test_a_container_is_no_line(core: ModuleType, wrong: object) -> None:
    for function in (core.classify, core.find_enhanced):
        with pytest.raises(TypeError, match=f"not {type(wrong).__name__}$"):
            function(wrong)


def test_a_released_view_raises(core: ModuleType) -> None:
    view = memoryview(b"250 x")
    view.release()
    for function in (core.classify, core.find_enhanced, core.classify_lines):
        with pytest.raises(ValueError, match="released"):
            function(view)


# --- The enhanced code ----------------------------------------------------------------------


@pytest.mark.parametrize("line_end", LINE_ENDS, ids=repr)
@pytest.mark.parametrize(
    ("content", "enhanced", "text"),
    [
        (b"550 5.1.1 Gone", "5.1.1", "Gone"),
        (b"550-5.1.1 Gone", "5.1.1", "Gone"),
        (b"550\t5.1.1 Gone", "5.1.1", "Gone"),
        (b"550 5.1.1", "5.1.1", ""),
        (b"550-5.1.1", "5.1.1", ""),
        (b"550 5.1.1 ", "5.1.1", ""),
        # One or more spaces follow it; a TAB counts as one.
        (b"550 5.1.1   Gone  ", "5.1.1", "Gone  "),
        (b"550 5.1.1\tGone", "5.1.1", "Gone"),
        (b"550 5.1.1 \t Gone away", "5.1.1", "Gone away"),
        (b"550 5.1.1\tGone away", "5.1.1", "Gone away"),
        (b"550 5.1.1 5.7.1 Gone", "5.1.1", "5.7.1 Gone"),
        # Up to three digits a part, registered or not.
        (b"550 5.7.26 Unsigned", "5.7.26", "Unsigned"),
        (b"550 5.7.509 Unsigned", "5.7.509", "Unsigned"),
        (b"550 5.999.999 Odd", "5.999.999", "Odd"),
        (b"250 2.0.0 Done", "2.0.0", "Done"),
        (b"421 4.3.2 Later", "4.3.2", "Later"),
        (b"221 2.0.0 Bye", "2.0.0", "Bye"),
        (b"571 5.7.1 No", "5.7.1", "No"),
        # The classes need not agree.
        (b"550 4.7.1 Later", "4.7.1", "Later"),
        (b"450 5.1.1 Gone", "5.1.1", "Gone"),
        (b"250 5.1.1 Gone", "5.1.1", "Gone"),
        # No replies but 2yz, 4yz and 5yz have one, and the greeting has none.
        (b"220 2.0.0 Ready", None, "2.0.0 Ready"),
        (b"220-4.1.2 Ready", None, "4.1.2 Ready"),
        (b"354 2.0.0 Go on", None, "2.0.0 Go on"),
        (b"334 2.0.0", None, "2.0.0"),
        *((b"%d00 2.0.0 Odd" % first, None, "2.0.0 Odd") for first in (1, 3, 6, 7, 8, 9)),
        (b"050 2.0.0 Odd", None, "2.0.0 Odd"),
        # Not there, but near.
        (b"550  5.1.1 Gone", None, " 5.1.1 Gone"),
        (b"550 \t5.1.1 Gone", None, "\t5.1.1 Gone"),
        (b"550 x 5.1.1 Gone", None, "x 5.1.1 Gone"),
        (b"550 550 5.1.1 Gone", None, "550 5.1.1 Gone"),
        (b"550: 5.1.1 Gone", None, ": 5.1.1 Gone"),
        (b"550x5.1.1 Gone", None, "x5.1.1 Gone"),
        # Written otherwise than RFC 3463 has it.
        (b"550 #5.1.1 Gone", None, "#5.1.1 Gone"),
        (b"550 Gone (#5.1.1)", None, "Gone (#5.1.1)"),
        (b"550 5.1.1: Gone", None, "5.1.1: Gone"),
        (b"550 [5.1.1] Gone", None, "[5.1.1] Gone"),
        (b"550 5.7.1. Gone", None, "5.7.1. Gone"),
        (b"550 5.1.1Gone", None, "5.1.1Gone"),
        (b"550 5.1.1-Gone", None, "5.1.1-Gone"),
        (b"550 5.1.1\x00 Gone", None, "5.1.1\x00 Gone"),
        (b"550 5.1.1\xa0Gone", None, "5.1.1\udca0Gone"),
        (b"550 5.1.1\x0bGone", None, "5.1.1\x0bGone"),
        (b"550 5.1.1\rGone", None, "5.1.1\rGone"),
        (b"550 5.01.1 Gone", None, "5.01.1 Gone"),
        (b"550 5.1.01 Gone", None, "5.1.01 Gone"),
        (b"550 5.1.001 Gone", None, "5.1.001 Gone"),
        (b"550 05.1.1 Gone", None, "05.1.1 Gone"),
        (b"550 5.7.5090 Gone", None, "5.7.5090 Gone"),
        (b"550 5.1000.1 Gone", None, "5.1000.1 Gone"),
        (b"550 5.1 Gone", None, "5.1 Gone"),
        (b"550 5.1. Gone", None, "5.1. Gone"),
        (b"550 5..1 Gone", None, "5..1 Gone"),
        (b"550 5.1.1.1 Gone", None, "5.1.1.1 Gone"),
        (b"550 5.1.1.1", None, "5.1.1.1"),
        (b"550 3.1.1 Gone", None, "3.1.1 Gone"),
        (b"550 0.0.0 Gone", None, "0.0.0 Gone"),
        (b"550 1.1.1 Gone", None, "1.1.1 Gone"),
        (b"550 9.1.1 Gone", None, "9.1.1 Gone"),
        (b"550 -5.1.1 Gone", None, "-5.1.1 Gone"),
        (b"550 5.-1.1 Gone", None, "5.-1.1 Gone"),
        ("550 ５.1.1 Gone".encode(), None, "５.1.1 Gone"),
    ],
    ids=repr,
)  # fmt: skip
def test_the_enhanced_code(
    core: ModuleType, content: bytes, enhanced: str | None, text: str, line_end: bytes
) -> None:
    code, is_last = int(content[:3]), content[3:4] != b"-"
    assert brief(core.classify(content + line_end)) == (code, is_last, enhanced, text)


def test_an_unregistered_enhanced_code_has_its_parts(core: ModuleType) -> None:
    enhanced = core.classify(b"550 5.7.509 Unsigned").enhanced
    assert (enhanced.class_, enhanced.subject, enhanced.detail) == (5, 7, 509)


# --- What a line says of itself -------------------------------------------------------------


def test_the_properties_of_every_code(core: ModuleType) -> None:
    for number in range(1000):
        line = core.classify(f"{number:03}-x")
        first, second = number // 100, number // 10 % 10
        assert line.severity is Severity.of(number)
        assert line.category is Category.of(number)
        assert (line.severity == Severity.UNDEFINED) is (first not in (2, 3, 4, 5))
        # 000 is the number that stands for no code at all.
        assert (line.category == Category.UNDEFINED) is (second > 5 or number == 0)
        assert line.is_positive is (first in (2, 3))
        assert line.is_transient is (first == 4)
        assert line.is_permanent is (first == 5)


def test_the_properties_of_a_malformed_line(core: ModuleType) -> None:
    line = core.classify(b"Hello")
    assert line.status is SmtpStatusCode.GENERAL_FAILURE
    assert (line.severity, line.category) == (Severity.UNDEFINED, Category.UNDEFINED)
    assert (line.is_positive, line.is_transient, line.is_permanent) == (False, False, False)
    assert not line.enhanced_class_mismatch


@pytest.mark.parametrize("first", [2, 4, 5])
@pytest.mark.parametrize("class_", [2, 4, 5])
def test_whether_the_classes_differ(core: ModuleType, first: int, class_: int) -> None:
    assert core.classify(f"{first}50 {class_}.7.1 x").enhanced_class_mismatch is (first != class_)
    assert core.classify(f"{first}50-{class_}.7.509 x").enhanced_class_mismatch is (first != class_)
    assert core.classify(f"{first}50 x").enhanced_class_mismatch is False


def test_a_line_is_a_tuple_that_compares_and_hashes(core: ModuleType) -> None:
    line = core.classify(b"550-5.1.1 Gone\r\n")
    code, status, is_last, enhanced, text = line
    assert line == (code, status, is_last, enhanced, text)
    assert line._fields == ("code", "status", "is_last", "enhanced", "text")
    assert line == core.classify("550-5.1.1   Gone")
    assert hash(line) == hash(core.classify("550-5.1.1   Gone")) == hash(tuple(line))
    for other in (
        b"550 5.1.1 Gone",
        b"550-5.1.2 Gone",
        b"551-5.1.1 Gone",
        b"550-5.1.1 gone",
        b"550-Gone",
    ):
        assert line != core.classify(other)
    assert len({core.classify(b"250 a"), core.classify(b"250 a\r\n"), core.classify(b"250-a")}) == 2
    with pytest.raises(AttributeError):
        line.code = 250
    with pytest.raises(AttributeError):
        line.anything = 1
    assert repr(line) == (
        "ReplyLine(code=550, status=<SmtpStatusCode.MAILBOX_UNAVAILABLE: 550>, is_last=False,"
        " enhanced=EnhancedStatusCode(class_=5, subject=1, detail=1), text='Gone')"
    )


LINES = (b"250 Done", b"550-5.7.509 x", b"450 4.2.2 Full", b"599", b"?", b"550 \xff", b"550 4.1.1")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_line_pickles(core: ModuleType, protocol: int) -> None:
    for line in map(core.classify, LINES):
        again = pickle.loads(pickle.dumps(line, protocol))
        assert brief(again) == brief(line)
        assert (again, hash(again), repr(again)) == (line, hash(line), repr(line))
        assert again.status is line.status


def test_a_line_copies(core: ModuleType) -> None:
    for line in map(core.classify, LINES):
        for again in (copy.copy(line), copy.deepcopy(line)):
            assert brief(again) == brief(line)
            assert (again, hash(again), repr(again)) == (line, hash(line), repr(line))


def test_lines_of_both_cores_are_equal(both: tuple[ModuleType, ModuleType]) -> None:
    pure, compiled = both
    for each in LINES:
        ours, theirs = pure.classify(each), compiled.classify(each)
        assert (ours, hash(ours), repr(ours)) == (theirs, hash(theirs), repr(theirs))
        assert {ours: 1}[theirs] == 1


# --- Many -----------------------------------------------------------------------------------


def test_classify_many_takes_any_iterable(core: ModuleType) -> None:
    lines = [b"250-a\r\n", "250 ü", bytearray(b"550 5.1.1 c"), memoryview(b"?")]
    expected = [core.classify(line) for line in lines]
    for many in (
        lines,
        tuple(lines),
        iter(lines),
        (line for line in lines),
        dict(enumerate(lines)).values(),
    ):
        found = core.classify_many(many)
        assert type(found) is list
        assert [brief(line) for line in found] == [brief(line) for line in expected]


def test_classify_many_of_nothing(core: ModuleType) -> None:
    for nothing in ([], (), iter(()), {}, set()):
        assert core.classify_many(nothing) == []


def test_classify_many_keeps_order_and_number(core: ModuleType) -> None:
    lines = [b"%03d x" % (number % 1000) for number in range(5000)]
    assert [line.code for line in core.classify_many(lines)] == [n % 1000 for n in range(5000)]


@pytest.mark.parametrize(
    "wrong",
    [
        *("250 a", b"250 a", bytearray(b"250 a"), memoryview(b"250 a"), "", b""),
        *(SpecialStr("250"), SpecialBytes(b"250")),
    ],
    ids=lambda each: type(each).__name__,
)
def test_classify_many_of_one_line_is_a_type_error(core: ModuleType, wrong: object) -> None:
    message = f"^expected an iterable of lines, not {type(wrong).__name__}$"
    with pytest.raises(TypeError, match=message):
        core.classify_many(wrong)


@pytest.mark.parametrize("wrong", [None, 250, [b"250"]], ids=repr)
def test_classify_many_with_what_is_no_line_is_a_type_error(
    core: ModuleType, wrong: object
) -> None:
    message = f"^expected bytes, bytearray, memoryview or str, not {type(wrong).__name__}$"
    for many in ([b"250 a", wrong], (wrong, b"250 a"), iter([wrong])):
        with pytest.raises(TypeError, match=message):
            core.classify_many(many)


def test_an_error_of_the_iterable_passes_through(core: ModuleType) -> None:
    def broken() -> object:
        yield b"250 a"
        raise LookupError("of its own")

    with pytest.raises(LookupError, match="of its own"):
        core.classify_many(broken())


# --- find_enhanced --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # as RFC 2034 has it, and behind the reply code
        ("5.1.1 Gone", "5.1.1"),
        ("5.1.1", "5.1.1"),
        ("550 5.1.1 Gone", "5.1.1"),
        ("  5.1.1 Gone", "5.1.1"),
        ("\t4.7.1 Later", "4.7.1"),
        # as servers have it
        ("#5.1.0 Refused.", "5.1.0"),
        ("No such box (#5.7.1)", "5.7.1"),
        ("(#5.1.1) Gone", "5.1.1"),
        ("(5.1.1) Gone", "5.1.1"),
        ("5.1.1: Gone", "5.1.1"),
        ("[5.1.1] Gone", "5.1.1"),
        ("<5.1.1> Gone", "5.1.1"),
        ("5.7.1. Refused", "5.7.1"),
        ("Refused, 5.7.1.", "5.7.1"),
        ("5.1.1Gone", "5.1.1"),
        ("5.1.1-Gone", "5.1.1"),
        ("5.1.1, Gone", "5.1.1"),
        ("5.1.1; Gone", "5.1.1"),
        ('said "5.1.1" again', "5.1.1"),
        ("dsn=5.1.1, status=bounced", "5.1.1"),
        ("550 550 5.1.1 Gone", "5.1.1"),
        ("5.01.001 Gone", "5.1.1"),
        ("5.000.000", "5.0.0"),
        ("5.7.509 Refused", "5.7.509"),
        ("Refused 4.7.650", "4.7.650"),
        ("5.1.1\r\n", "5.1.1"),
        ("5.1.1\x00", "5.1.1"),
        ("ошибка 5.1.1 – ящика нет", "5.1.1"),
        # the first counts
        ("4.4.7 after 5.1.1", "4.4.7"),
        ("3.1.1 and 5.1.1", "5.1.1"),
        ("5.8.1 and 5.1.1", "5.1.1"),
        ("host 192.0.2.1 said 5.7.1", "5.7.1"),
        ("<a@5.1.1.example> 5.7.1", "5.7.1"),
    ],
    ids=repr,
)
def test_find_enhanced(core: ModuleType, text: str, expected: str) -> None:
    code = EnhancedStatusCode.parse(expected)
    data = text.encode()
    for form in (
        text,
        data,
        bytearray(data),
        memoryview(data),
        SpecialStr(text),
        SpecialBytes(data),
    ):
        found = core.find_enhanced(form)
        assert (found, type(found)) == (code, EnhancedStatusCode)
        assert found is code or not code.is_registered


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "5",
        "5.1",
        "5.1.",
        "5..1",
        ".5.1",
        "5.1 Gone",
        "5,1,1",
        # no class, no subject, too many digits
        "0.0.0",
        "1.1.1 Gone",
        "3.1.1 Gone",
        "6.1.1",
        "5.8.1 Gone",
        "5.10.1 Gone",
        "5.999.1 Gone",
        "55.1.1 Gone",
        "5.7.5090 Gone",
        "5.0001.1 Gone",
        # addresses
        "a@5.1.1",
        "<a@5.1.1.example>",
        "5.1.1@b.example",
        "<5.1.1@b.example> unknown",
        "user5.1.1@b.example",
        "user.5.1.1@b.example",
        "user+5.1.1@b.example",
        # IP addresses
        "5.1.1.1",
        "client 5.1.1.1 blocked",
        "[5.1.1.1]",
        "[192.5.1.1]",
        "192.0.2.5",
        "2.0.0.1",
        "15.1.1.2",
        "net 10.5.1.1/24",
        # URLs and paths
        "see http://b.example/5.1.1",
        "see http://b.example/5.1.1/more",
        "see https://5.1.1.example/",
        r"see \\share\5.1.1",
        # host names
        "mx5.1.1.b.example",
        "mx-5.1.1.b.example",
        "b.example.5.1.1",
        "2.0.0.b.example",
        "5.1.1.in-addr.arpa",
        "b.example 5.1.1.b.example",
        # versions
        "Exim 4.94.2",
        "ESMTP Exim 4.96 #2",
        "Sendmail 8.17.1",
        "Postfix 3.7.11",
        "OpenSSH_5.1.1",
        "v5.1.1",
        "release-5.1.1",
        "build 4.2.1-3",
        "build 4.2.1_3",
    ],
    ids=repr,
)
def test_find_enhanced_finds_nothing_else(core: ModuleType, text: str) -> None:
    assert core.find_enhanced(text) is None
    assert core.find_enhanced(text.encode()) is None


def test_find_enhanced_sees_only_its_view(core: ModuleType) -> None:
    assert core.find_enhanced(memoryview(b"5.1.11")[:5]) == (5, 1, 1)
    assert core.find_enhanced(memoryview(b"15.1.1")[1:]) == (5, 1, 1)
    assert core.find_enhanced(memoryview(b"5.1.1")[:4]) is None


def test_find_enhanced_in_a_long_text(core: ModuleType) -> None:
    assert core.find_enhanced("5." * 100_000 + " (#5.7.1)") == (5, 7, 1)
    assert core.find_enhanced("." * 100_000) is None
    assert core.find_enhanced(" " * 100_000 + "5.1.1x") == (5, 1, 1)


# --- find_defects ---------------------------------------------------------------------------


@pytest.fixture
def defects_of(
    core: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> Callable[[object], tuple[Defect, ...]]:
    """`find_defects`, which exists once over whichever core there is, over each of them."""
    monkeypatch.setattr(defects, "classify", core.classify)
    monkeypatch.setattr(defects, "find_enhanced", core.find_enhanced)
    return find_defects


CLEAN = (
    b"250 Done\r\n",
    b"250-Done\r\n",
    b"250 \r\n",
    b"250-\r\n",
    b"250 Done",
    b"250 a\tb  \t \r\n",
    b"550 5.1.1 Gone\r\n",
    b"550-5.1.1 Gone\r\n",
    b"550 5.7.509   Gone\r\n",
    b"550 5.1.1\r\n",
    b"220 4.1.2 Ready\r\n",
    b"220 5.10.20.30 Ready\r\n",
    b"250 5.1.1.1 is a fine address\r\n",
    b"554 Exim 4.94.2 refuses\r\n",
    b"354 Go on\r\n",
    b"334 NS4xLjE=\r\n",
    b"250 " + b"x" * 506 + b"\r\n",
    b"250 " + b"x" * 506,
    *(b"%d%d%d x\r\n" % (x, y, z) for x in (2, 3, 4, 5) for y in (0, 5) for z in (0, 9)),
)


@pytest.mark.parametrize("line", CLEAN, ids=lambda line: repr(line[:24]))
def test_a_line_without_defects(
    defects_of: Callable[[object], tuple[Defect, ...]], line: bytes
) -> None:
    assert defects_of(line) == ()


DEFECTS = [
    ("code_missing", b"Hello\r\n"),
    ("code_missing", b"\r\n"),
    ("code_missing", b""),
    ("code_missing", b" 250 Done\r\n"),
    ("code_missing", b"2500 Done\r\n"),
    ("code_missing", b"25 Done\r\n"),
    *(("code_outside_grammar", b"%03d x\r\n" % code) for code in (0, 50, 100, 199, 600, 999)),
    *(("code_outside_grammar", b"%d x\r\n" % code) for code in (260, 299, 360, 490, 571, 599)),
    ("separator_missing", b"250\r\n"),
    ("separator_missing", b"250Done\r\n"),
    ("separator_missing", b"250: Done\r\n"),
    ("tab_separator", b"250\tDone\r\n"),
    ("tab_separator", b"550 5.1.1\tGone\r\n"),
    ("bare_lf", b"250 Done\n"),
    ("extra_cr", b"250 Done\r\r\n"),
    ("extra_cr", b"250 Done\r\r\r\n"),
    ("cr_without_lf", b"250 Do\rne\r\n"),
    ("cr_without_lf", b"250 Done\r"),
    ("lf_in_line", b"250 Do\nne\r\n"),
    ("lf_in_line", b"250 Do\r\nne\r\n"),
    ("line_too_long", b"250 " + b"x" * 507 + b"\r\n"),
    ("line_too_long", b"250 " + b"x" * 507),
    *(("control_character", b"250 a%cb\r\n" % octet) for octet in b"\0\1\b\v\f\x0e\x1b\x1f\x7f"),
    ("eight_bit", "250 ü\r\n".encode()),
    ("eight_bit", b"250 \xc2\x85\r\n"),
    ("eight_bit invalid_utf8", b"250 \xff\r\n"),
    ("eight_bit invalid_utf8", b"250 \xc3\r\n"),
    ("enhanced_class_mismatch", b"550 4.7.1 Later\r\n"),
    ("enhanced_class_mismatch", b"450-5.1.1 Gone\r\n"),
    ("enhanced_not_allowed", b"354 2.0.0 Go on\r\n"),
    ("enhanced_not_allowed", b"334 2.0.0\r\n"),
    ("code_outside_grammar enhanced_not_allowed", b"150 2.0.0 x\r\n"),
    ("enhanced_malformed", b"550 3.1.1 Gone\r\n"),
    ("enhanced_malformed", b"550 5.01.001 Gone\r\n"),
    ("enhanced_malformed", b"550 5.7.5090 Gone\r\n"),
    ("enhanced_malformed", b"550 5.7.1. Gone\r\n"),
    ("enhanced_malformed", b"550 5.1.1: Gone\r\n"),
    ("enhanced_malformed", b"550 5.1.1Gone\r\n"),
    ("enhanced_malformed", b"550 5.1.1-Gone\r\n"),
    ("enhanced_misplaced", b"550 #5.1.1 Gone\r\n"),
    ("enhanced_misplaced", b"550 Gone (#5.1.1)\r\n"),
    ("enhanced_misplaced", b"550 [5.1.1] Gone\r\n"),
    ("enhanced_misplaced", b"550  5.1.1 Gone\r\n"),
    ("enhanced_misplaced", b"550 550 5.1.1 Gone\r\n"),
    ("separator_missing enhanced_misplaced", b"550: 5.1.1 Gone\r\n"),
    ("separator_missing enhanced_misplaced", b"550:5.1.1 Gone\r\n"),
    # several at once, in the order of the enumeration
    ("separator_missing bare_lf", b"250\n"),
    ("code_missing control_character", b"2\x0050 Done\r\n"),
    ("code_missing eight_bit", "２５０ Done\r\n".encode()),
    ("code_outside_grammar tab_separator bare_lf", b"571\tNo\n"),
    ("tab_separator extra_cr control_character", b"250\t\x1b\r\r\n"),
    ("bare_lf line_too_long enhanced_class_mismatch", b"250 5.1.1 " + b"x" * 600 + b"\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "line"), DEFECTS, ids=lambda each: each if type(each) is str else repr(each[:24])
)
def test_the_defects_of_a_line(
    defects_of: Callable[[object], tuple[Defect, ...]], names: str, line: bytes
) -> None:
    expected = tuple(map(Defect, names.split()))
    assert defects_of(line) == expected
    for form in (bytearray(line), memoryview(line), line.decode("utf-8", "surrogateescape")):
        assert defects_of(form) == expected


def test_every_defect_has_an_input_here() -> None:
    assert {name for names, _ in DEFECTS for name in names.split()} == set(Defect)


def test_which_codes_are_outside_the_grammar(
    defects_of: Callable[[object], tuple[Defect, ...]],
) -> None:
    for number in range(1000):
        digits = f"{number:03}"
        outside = digits[0] not in "2345" or digits[1] not in "012345"
        expected = (Defect.CODE_OUTSIDE_GRAMMAR,) if outside else ()
        assert defects_of(f"{digits} x\r\n") == expected


@pytest.mark.parametrize("octet", range(256))
def test_what_each_octet_of_the_text_is(octet: int) -> None:
    found = set(find_defects(b"250 a%cb\r\n" % octet))
    if octet == 0x0A:
        assert found == {Defect.LF_IN_LINE}
    elif octet == 0x0D:
        assert found == {Defect.CR_WITHOUT_LF}
    elif octet > 0x7F:
        assert found == {Defect.EIGHT_BIT, Defect.INVALID_UTF8}
    elif octet == 0x09 or 0x20 <= octet <= 0x7E:
        assert found == set()
    else:
        assert found == {Defect.CONTROL_CHARACTER}


@pytest.mark.parametrize("wrong", [None, 250, [b"250"]], ids=repr)
def test_find_defects_takes_what_classify_takes(wrong: object) -> None:
    with pytest.raises(TypeError, match=f"memoryview or str, not {type(wrong).__name__}$"):
        find_defects(wrong)


def test_a_defect_is_a_str_that_explains_itself() -> None:
    english = [defect.description for defect in Defect]
    russian = [defect.describe("ru") for defect in Defect]
    assert len(set(english)) == len(set(russian)) == len(Defect)
    for defect in Defect:
        assert defect == str(defect) == defect.value == defect.name.lower()
        assert defect.describe() == defect.describe("en") == defect.description
        assert defect.description.endswith(".")
        assert defect.describe("ru").endswith(".")
        assert any("а" <= letter <= "я" for letter in defect.describe("ru"))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(defect, protocol)) is defect
        assert copy.copy(defect) is copy.deepcopy(defect) is defect
        with pytest.raises(SmtpFastError, match="unknown language 'de'"):
            defect.describe("de")


def test_a_foreign_surrogate_leaves_the_octets_of_the_others_alone(core: ModuleType) -> None:
    assert core.classify("550 \udcff\ud800").text == "\udcff\udced\udca0\udc80"


def test_a_subclass_is_read_by_its_memory(core: ModuleType) -> None:
    class Liar(bytes):
        def __bytes__(self) -> bytes:
            return b"550 lie"

    assert core.classify(Liar(b"250 truth")).text == "truth"
    assert core.classify_lines(Liar(b"250 truth"))[0].text == "truth"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("said: 550-5.7.1 first 550-5.7.1 second 550 5.7.1 last", "5.7.1"),
        ("550-5.7.1 first", "5.7.1"),
        ("1550-5.7.1 first", None),
        ("650-5.7.1 first", None),
        ("a550-5.7.1 first", None),
        ("see http://b.example/?c=5.1.1", None),
        ("see http://b.example/?c=5.1.1 (#5.7.1)", "5.7.1"),
        ("see http://b.example/?c=5.1.1\t5.2.2", "5.2.2"),
        ("://5.1.1 5.2.2", "5.2.2"),
        ("dsn=5.1.1", "5.1.1"),
    ],
)
def test_find_enhanced_in_joined_lines_and_beside_urls(
    core: ModuleType, text: str, expected: str | None
) -> None:
    found = core.find_enhanced(text)
    assert (None if found is None else str(found)) == expected
