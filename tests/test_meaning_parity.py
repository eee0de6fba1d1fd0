"""The two cores against each other in what replies mean: see test_parity.py."""

from __future__ import annotations

import inspect
import json
import os
import random
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpfast import (
    Classifier,
    Disposition,
    EnhancedStatusCode,
    Reason,
    ReplyParser,
    SmtpFastError,
    classify,
    classify_lines,
)
from smtpfast.reasons import FAILURE_REASONS
from smtpfast.rules import COMMANDS, Rule, Ruleset, Signal
from smtpfast.rules.phrases import MAX_GAPS, MAX_WORD_BYTES
from smtpfast.rules.words import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from smtpfast import Diagnoses, Diagnosis
    from smtpfast._core.pure_meaning import RuleMatcher

    Matchers = tuple[RuleMatcher, RuleMatcher]
    Modules = tuple[ModuleType, ModuleType]

RULESET = Classifier.default().ruleset
EXAMPLES = [
    example for rule in RULESET.rules for example in (*rule.examples, *rule.counterexamples)
]
LABELLED = sorted((Path(__file__).parent / "data" / "labelled").glob("*.jsonl"))
REPLIES = [
    str(json.loads(line)["reply"])
    for path in LABELLED
    for line in path.read_text(encoding="utf-8").splitlines()
]
COLUMNS = (
    *("reason", "disposition", "retry_after", "blocklist", "provider", "rule"),
    *("evidence_start", "evidence_end"),
)
SEED = 20_260_101

thorough = settings(
    max_examples=1000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def shown(found: Diagnosis) -> tuple[object, ...]:
    """A diagnosis with the types of its parts, which equality does not see."""
    return *found, type(found), *map(type, found)


def columns_of(rows: Diagnoses) -> dict[str, object]:
    columns = {name: getattr(rows, name) for name in COLUMNS}
    return {
        "blocklists": rows.blocklists,
        **{name: (column.format, column.tobytes()) for name, column in columns.items()},
    }


def as_bytes(line: str | bytes) -> bytes:
    return line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")


def assert_same(
    matchers: Matchers, lines: Iterable[str | bytes], commands: Iterable[str | None] = (None,)
) -> None:
    """Both cores say the same of each line, in every way in which it can be given."""
    pure, compiled = matchers
    lines = [as_bytes(line) for line in lines]
    for line in lines:
        for command in commands:
            expected = shown(pure.diagnose(line, command=command))
            assert shown(compiled.diagnose(line, command=command)) == expected, (line, command)
        # A `ReplyLine` and a str take other roads.
        others = classify(line), line.decode("utf-8", "surrogateescape")
        for other in others:
            assert shown(compiled.diagnose(other, command=command)) == expected, other
    assert_same_rows(matchers, b"\n".join(line.replace(b"\n", b" ") for line in lines))


def assert_same_rows(matchers: Matchers, data: bytes) -> None:
    pure, compiled = (matcher.diagnose_lines(data) for matcher in matchers)
    assert columns_of(compiled) == columns_of(pure), data[:200]


# --- The surface ----------------------------------------------------------------------------


def test_the_compiled_core_offers_what_the_pure_one_does(both_meanings: Modules) -> None:
    pure, compiled = (
        {name for name in vars(module.RuleMatcher) if not name.startswith("_")}
        for module in both_meanings
    )
    assert pure | {"ruleset"} == compiled == {"diagnose", "diagnose_lines", "ruleset"}
    made_here = {
        name
        for name, value in vars(both_meanings[1]).items()
        if getattr(value, "__module__", None) == both_meanings[1].__name__
        and not name.startswith("_")
    }
    assert made_here == {"RuleMatcher"}


@pytest.mark.parametrize("name", ["diagnose", "diagnose_lines"])
def test_a_method_has_the_same_face_on_both_cores(both_matchers: Matchers, name: str) -> None:
    def face(function: Callable[..., object]) -> list[tuple[str, object, object]]:
        parameters = inspect.signature(function).parameters.values()
        return [(each.name, each.kind, each.default) for each in parameters]

    pure, compiled = (getattr(matcher, name) for matcher in both_matchers)
    assert face(pure) == face(compiled)
    assert pure.__name__ == compiled.__name__ == name
    assert inspect.getdoc(pure) == inspect.getdoc(compiled)
    assert inspect.getdoc(pure)


def test_both_know_their_rules(both_matchers: Matchers) -> None:
    pure, compiled = both_matchers
    assert pure.ruleset is compiled.ruleset
    with pytest.raises(AttributeError):
        compiled.ruleset = RULESET


def test_the_compiled_header_has_the_limits_of_the_pure_core() -> None:
    header = Path(__file__).parents[1] / "src" / "smtpfast" / "_core" / "words.h"
    if not header.exists():
        pytest.skip("the source of the compiled core is not here")
    text = header.read_text(encoding="utf-8")
    assert f"MEANING_MAX_TEXT = {MAX_TEXT_BYTES}," in text


@pytest.mark.parametrize("wrong", [None, 5, [b"x"], object, ValueError("x")], ids=repr)
@pytest.mark.parametrize("name", ["diagnose", "diagnose_lines"])
def test_a_wrong_type_is_the_same_error(both_matchers: Matchers, name: str, wrong: object) -> None:
    errors = []
    for matcher in both_matchers:
        with pytest.raises(TypeError) as error:
            getattr(matcher, name)(wrong)
        errors.append(str(error.value))
    assert errors[0] == errors[1]


def test_a_wrong_command_is_the_same_error(both_matchers: Matchers) -> None:
    for command in ("", "x", "RCPT ", 5, b"RCPT"):
        outcomes = []
        for matcher in both_matchers:
            try:
                outcomes.append(repr(matcher.diagnose("550 x", command=command)))
            except (SmtpFastError, TypeError) as error:
                outcomes.append(repr(error))
        assert outcomes[0] == outcomes[1]


# --- Real replies ---------------------------------------------------------------------------


def test_every_labelled_reply(both_matchers: Matchers) -> None:
    assert_same(both_matchers, REPLIES, (None, "RCPT", "EOD"))


def test_every_example_of_a_rule(both_matchers: Matchers) -> None:
    assert_same(both_matchers, EXAMPLES)


def test_every_example_answering_every_command(both_matchers: Matchers) -> None:
    assert_same(both_matchers, EXAMPLES[::40], (None, *COMMANDS))


def test_the_corpus_of_labels(both_matchers: Matchers, corpus: Callable[[str], Path]) -> None:
    path = corpus("replies/labelled-sisimai.jsonl")
    lines = [json.loads(line)["line"] for line in path.read_text(encoding="utf-8").splitlines()]
    assert_same(both_matchers, lines, (None, "RCPT", "MAIL"))


def test_the_corpus_of_tricky_replies(
    both_matchers: Matchers, corpus: Callable[[str], Path]
) -> None:
    path = corpus("replies/tricky.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]
    replies = [bytes.fromhex(row["hex"]) for row in rows]
    assert_same(both_matchers, replies)
    for reply in replies:
        assert_same_rows(both_matchers, reply)


def test_the_corpus_of_logs(both_matchers: Matchers, corpus: Callable[[str], Path]) -> None:
    # Lines of logs are no replies, but hold many, behind much else.
    for path in sorted(corpus("logs").glob("*.log")):
        data = path.read_bytes()
        if len(data) > 50_000:
            data = data[: data.index(b"\n", 50_000)]
        pure, compiled = (matcher.diagnose_lines(data) for matcher in both_matchers)
        assert columns_of(pure) == columns_of(compiled), path


def test_replies_of_several_lines(both_matchers: Matchers) -> None:
    pure, compiled = both_matchers
    for example in EXAMPLES[::5]:
        code, text = example[:3], example[4:]
        words = text.split(" ")
        middle = len(words) // 2
        if not code.isdigit() or "\n" in example or not "1" < code[0] < "6":
            continue
        lines = f"{code}-{' '.join(words[:middle])}\r\n{code} {' '.join(words[middle:])}\r\n"
        [reply] = ReplyParser().feed(lines)
        for given_ in (reply, lines, lines.encode(), reply.lines[0], reply.lines[1]):
            assert shown(pure.diagnose(given_)) == shown(compiled.diagnose(given_)), given_


# --- What can be enumerated -----------------------------------------------------------------

TEXTS = (
    "",
    "zzz",
    "5.1.1 zzz",
    "4.2.2 User unknown",
    "2.0.0 Ok",
    "try again in 300 seconds, gsmtp",
    "é blocked using zen.spamhaus.org",
)


def test_every_code(both_matchers: Matchers) -> None:
    lines = [f"{code:03} {text}" for code, text in product(range(1000), TEXTS)]
    assert_same(both_matchers, lines)


def test_a_repeated_code_that_begins_with_a_nought(both_matchers: Matchers) -> None:
    lines = [
        f"{code:03} try again in {number} minutes"
        for code in range(100)
        for number in (f"{code}", f"{code:03}", f"{code:02}")
    ]
    assert_same(both_matchers, lines)


def test_every_repeated_code(both_matchers: Matchers) -> None:
    shapes = ("zzz {0} zzz", "try again in {0} minutes", "user {0} unknown", "é user-{0}-unknown")
    codes = [*range(400, 600), 100, 199, 600, 999]
    assert_same(
        both_matchers, [f"{code} {shape.format(code)}" for code in codes for shape in shapes]
    )


def test_every_code_answering_every_command(both_matchers: Matchers) -> None:
    codes = [*range(400, 460), *range(500, 560), 199, 499, 599, 600, 999]
    assert_same(both_matchers, [f"{code} zzz" for code in codes], (None, *COMMANDS))


def test_every_enhanced_code(both_matchers: Matchers) -> None:
    details = [*range(64), 99, 100, 350, 499, 500, 509, 699, 700, 705, 999]
    assert_same(
        both_matchers,
        [
            f"{code} {place}{class_}.{subject}.{detail} zzz"
            for class_, subject, detail in product((2, 4, 5), range(9), details)
            for code, place in (("550", ""), ("450", "zzz #"), ("x", ""))
        ],
    )


def test_every_octet_in_every_place(both_matchers: Matchers) -> None:
    templates = (
        b"550 a. b.c <d@e> User unknown",
        "450 é. 用 again in 5 min".encode(),
    )
    for template in templates:
        lines = []
        for place, octet in product(range(len(template)), range(256)):
            lines.append(template[:place] + bytes([octet]) + template[place + 1 :])
        assert_same(both_matchers, lines)


def test_every_octet_between_two_words(both_matchers: Matchers) -> None:
    shapes = (
        b"550 user%cunknown",
        b"550 user %c unknown",
        b"550 user%c unknown",
        b"550 a.%c user unknown",
    )
    assert_same(both_matchers, [shape % octet for shape in shapes for octet in range(256)])
    pairs = [b"550 user%c%cunknown" % pair for pair in product(range(0x1F, 0x80), repeat=2)]
    assert_same(both_matchers, pairs)


def test_every_letter_of_two_and_many_of_three_bytes(both_matchers: Matchers) -> None:
    letters = [
        *range(0x80, 0x820),
        *range(0x1E00, 0x2001),
        *range(0x900, 0x10000, 97),
        0x3002,
        0x303F,
    ]
    letters += [0x3040, 0xD7FF, 0xE000, 0xFF01, 0xFF1B, 0xFF1F, 0xFFFF, 0x10000, 0x10FFFF]
    lines = []
    for letter in letters:
        if not 0xD800 <= letter < 0xE000:
            lines += [f"550 user{chr(letter)}unknown", f"550 user unknown{chr(letter)}"]
            lines += [f"550 {chr(letter)}.b user {chr(letter)}@c unknown"]
    assert_same(both_matchers, lines)


def test_every_way_to_begin_a_sequence_of_utf_8(both_matchers: Matchers) -> None:
    continuations = (b"", b"\x80", b"\xbf", b"\x80\x80", b"\xa0\x80", b"\x9f\xbf", b"\x90\x80\x80")
    continuations += (b"\x8f\xbf\xbf", b"\x80\x80\x80", b"\xbf\xbf\xbf\xbf", b"A", b"\xc3\xa9")
    lines = [
        b"550 user %c%b unknown%c%b" % (octet, more, octet, more)
        for octet, more in product(range(0x80, 0x100), continuations)
    ]
    lines += [
        b"550 user%c%bunknown" % (octet, more)
        for octet, more in product(range(0x80, 0x100), continuations)
    ]
    assert_same(both_matchers, lines)


def test_every_cut_of_a_sample(both_matchers: Matchers) -> None:
    sample = [line.encode() for line in (*REPLIES[::120], *EXAMPLES[::250])]
    for line in sample:
        assert_same(both_matchers, [line[:cut] for cut in range(len(line))])
        assert_same(both_matchers, [line[cut:] for cut in range(len(line))])


def test_every_length_around_the_blocks(both_matchers: Matchers) -> None:
    ends = (b" user unknown", b". user unknown.", b" a.b", b" a@b", b" <a@b>", b" http://a/b")
    lines = [
        b"550 " + filler * count + end
        for filler in (b"z", b"z ", b"<")
        for count in (*range(40, 80), *range(110, 140))
        for end in ends
    ]
    assert_same(both_matchers, lines)


def test_texts_around_the_limit(both_matchers: Matchers) -> None:
    lines = [
        b"550 " + (filler * MAX_TEXT_BYTES)[: MAX_TEXT_BYTES - room] + end
        for filler in (b"z", "é".encode(), b"a. b.c ")
        for room in (0, 1, 2, 3, 13)
        for end in (b" user unknown", " ё用".encode(), b" <a@b>", b": 550 a")
    ]
    assert_same(both_matchers, lines)


def test_addresses_around_their_limit(both_matchers: Matchers) -> None:
    lines = [
        f"550 user <{letter * local}@{other * domain}> unknown {letter}"
        for letter, other in product("zé用@ ", "zé用@ ")
        for local, domain in product((0, 1, 254, 255, 256), (0, 254, 255, 256))
    ]
    assert_same(both_matchers, lines)


def test_inner_replies(both_matchers: Matchers) -> None:
    marks = [b"%c" % octet for octet in range(256)]
    lines = [b"said%b550 5.1.1 zzz" % mark for mark in marks]
    lines += [b"said: %b50 zzz" % mark for mark in marks]
    lines += [b"said: 5%b0 zzz" % mark for mark in marks]
    lines += [b"said: 550%bzzz" % mark for mark in marks]
    lines += [b"said:%b550 zzz" % mark for mark in marks]
    lines += [
        b"said: 550 User unknown" + end for end in (b"\r", b"\r\r", b"\n\n", b"\r\n\r\n", b" \r")
    ]
    lines += [b"a: 450 b: 550 c", b"a:550", b":550 ", b"::::550 x", b": \t 550-5.1.1 x", b":" * 500]
    assert_same(both_matchers, lines)
    for line in lines:
        assert_same_rows(both_matchers, line + b"\r\n" + line)


NUMBERS = ("0", "5", "05", "42", "60", "999999999", "1000000000", "9" * 30, "5min", "5m", "5x", "")


def test_delays(both_matchers: Matchers) -> None:
    shapes = (
        *(
            "try again in {} minutes",
            "try again in {} {} seconds",
            "again in {} hours",
            "wait {} s",
        ),
        *("try again in {}:{}:{}", "retry after {} days", "try again in {}", "wait for {} weeks"),
    )
    lines = [
        f"450 {before}{shape.format(first, second, first)}"
        for before in ("", "é ")
        for shape in shapes
        for first, second in product(NUMBERS, ("5", "59", "1000000000"))
    ]
    assert_same(both_matchers, lines)


def test_each_delay_of_the_default_rules(both_matchers: Matchers) -> None:
    lines = []
    for delay in RULESET.delays:
        for phrase in delay.phrases[:40]:
            lines.append("450 " + phrase.replace("#", "7"))
            words = phrase.replace("(", " ").replace(")", " ").replace("|", " ")
            lines.append("450 " + words.replace("#", "7"))
    assert_same(both_matchers, lines)


def test_a_very_long_number(both_meanings: Modules) -> None:
    ruleset = ruleset_of(phrases=("a # b", "a #s b", "a #abcdefghijk b"))
    matchers = tuple(module.RuleMatcher(ruleset) for module in both_meanings)
    numbers = ["1" * digits + unit for digits in (1, 199, 200, 201, 254, 255, 256, 257, 1000)
               for unit in ("", "s", "x", "abcdefghijk", "abcdefghijkl", "z" * 300)]  # fmt: skip
    assert_same(
        matchers, [f"550 {before}a {number} b" for before in ("", "é ") for number in numbers]
    )


@pytest.mark.parametrize(
    "text",
    [
        "450 try again in \u03015 minutes",
        "450 try again in 5\u03010 minutes",
        "450 \u00e9 try again in " + "5" * 260 + "MIN",
        "450 \u00e9 try again in " + "5" * 260 + "\u0301 min",
        "450 try again in 5\u00e9 minutes",
        "550 mailbox \u0301550 full",
        "550 mailbox \\\u00f1550 full",
        "550 mailbox \\n550 full",
        "451 4 5 451\u0301 remaining",
    ],
)
def test_accents_in_numbers(both_matchers: Matchers, text: str) -> None:
    assert_same(both_matchers, [text])


def test_codes_of_any_size_as_evidence(both_matchers: Matchers) -> None:
    for code, enhanced in (("251", (5, 1, 1)), ("250", (15, 1, 1)), ("250", (999, 999, 999))):
        line = classify(f"{code} x")._replace(enhanced=EnhancedStatusCode(*enhanced))
        pure, compiled = both_matchers
        assert compiled.diagnose(line) == pure.diagnose(line)


def test_long_words(both_meanings: Modules) -> None:
    # Words of two, four and six bytes more or less than what the compiled core compares at once.
    for length in (*range(1, 40), 99, 100):
        for letter in "xé":
            word = letter * length
            ruleset = ruleset_of(phrases=(f"a {word} b", f"{word[1:]}y"))
            matchers = tuple(module.RuleMatcher(ruleset) for module in both_meanings)
            others = (word, word[:-1] + "z", word + "z", "z" + word[1:], word.upper(), word * 3)
            lines = [f"550 {before}a {other} b" for before in ("", "é ") for other in others]
            lines += [f"550 {word[1:]}y", f"550 {word[1:]}Y é", f"550 {word}y"]
            assert_same(matchers, lines)
    longest = "x" * MAX_WORD_BYTES
    matchers = tuple(
        module.RuleMatcher(ruleset_of(phrases=(f"a {longest} b",))) for module in both_meanings
    )
    words = (longest, longest[1:], longest + "x", longest * 2, longest[:-1] + "é")
    lines = [f"550 {before}a {word} b" for before in ("", "é ") for word in words]
    assert_same(matchers, lines)
    assert [matchers[1].diagnose(line).rule for line in lines] == (["test.0"] + ["none"] * 4) * 2


# --- Soup and mutations ---------------------------------------------------------------------

WORDS = sorted({word for example in (*EXAMPLES, *REPLIES) for word in example.split()})
PIECES = (
    *(".", ". ", ";", "; ", "!", ": ", "<", ">", "@", "://", "/", '"', "(", ")", "-", "_", "\\n"),
    *("5.1.1", "4.7.0", "550", "450", "192.0.2.1", "a@b.example", "mx.b.example", "http://b/", "é"),
    *("\udcff", "\udce9", "用户", "。", "\x00", "\x7f", "\r", "\u2028", "😀", "said: 550 "),
)


def test_soup_of_words(both_matchers: Matchers) -> None:
    dice = random.Random(SEED)
    lines = [
        f"{dice.choice((550, 450, 421, 554, 552))} "
        + " ".join(dice.choices(WORDS, k=dice.randrange(1, 30)))
        for _ in range(2000)
    ]
    assert_same(both_matchers, lines)


def test_soup_of_words_and_marks(both_matchers: Matchers) -> None:
    dice = random.Random(SEED)
    lines = []
    for _ in range(2000):
        pieces = [
            dice.choice(WORDS if dice.random() < 0.6 else PIECES) + dice.choice(("", " ", " "))
            for _ in range(dice.randrange(1, 24))
        ]
        lines.append(f"{dice.choice(('550', '450', '', '599'))} " + "".join(pieces))
    assert_same(both_matchers, lines)


def test_mutated_bytes(both_matchers: Matchers) -> None:
    dice = random.Random(SEED)
    sample = [line.encode() for line in (*REPLIES, *EXAMPLES)]
    lines = []
    for _ in range(2500):
        line = bytearray(dice.choice(sample))
        for _ in range(dice.randrange(1, 4)):
            place = dice.randrange(len(line) + 1)
            kind = dice.randrange(4)
            if kind == 0:
                line[place:place] = bytes([dice.randrange(256)])
            elif kind == 1:
                del line[place : place + dice.randrange(1, 4)]
            elif kind == 2:
                line[place : place + 1] = bytes([dice.randrange(256)])
            else:
                other = dice.choice(sample)
                line[place:place] = other[dice.randrange(len(other)) :][:20]
        lines.append(bytes(line))
    assert_same(both_matchers, lines)


any_text = st.one_of(
    st.lists(st.sampled_from([*PIECES, *WORDS[::7]]), max_size=20).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=20).map("".join),
    st.text(st.characters(), max_size=60),
)
any_code = st.one_of(st.integers(100, 999).map(str), st.sampled_from(["", "550", "450", "5.1.1"]))


@thorough
@given(code=any_code, text=any_text)
def test_anything(both_matchers: Matchers, code: str, text: str) -> None:
    line = f"{code} {text}"
    pure, compiled = (matcher.diagnose(line) for matcher in both_matchers)
    assert shown(pure) == shown(compiled)
    assert_same_rows(both_matchers, line.encode("utf-8", "surrogatepass"))


@thorough
@given(data=st.binary(max_size=80), code=st.sampled_from([b"550 ", b"450-", b"", b"x: 550 "]))
def test_any_bytes(both_matchers: Matchers, data: bytes, code: bytes) -> None:
    line = code + data
    for given_ in (line, bytearray(line), memoryview(line)):
        pure, compiled = (matcher.diagnose(given_) for matcher in both_matchers)
        assert shown(pure) == shown(compiled)
    assert_same_rows(both_matchers, line)


# --- Buffers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part", [slice(None, None, 2), slice(None, None, -1), slice(3, 90)], ids=str
)
def test_some_of_the_lines(both_matchers: Matchers, part: slice) -> None:
    lines = classify_lines("\n".join(REPLIES))[part]
    pure, compiled = (matcher.diagnose_lines(lines) for matcher in both_matchers)
    assert columns_of(pure) == columns_of(compiled)
    assert columns_of(pure[part]) == columns_of(compiled[part])


READ_TO_THE_EDGE = """
import ctypes, mmap
from smtpfast import Classifier
from smtpfast._core import compiled_meaning, pure_meaning

ruleset = Classifier.default().ruleset
pure, compiled = (core.RuleMatcher(ruleset) for core in (pure_meaning, compiled_meaning))
PAGE = mmap.PAGESIZE
memory = mmap.mmap(-1, 2 * PAGE)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
mprotect = ctypes.CDLL(None).mprotect
mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
assert mprotect(address + PAGE, PAGE, 0) == 0
templates = (
    b"550 5.1.1 <a@b.example>: User unknown. See http://b.example/a?b=1 now",
    "450 \\u00e9 \\u7528\\u6237 again in 5 minutes \\u00e9\\u7528".encode(),
    b"host said: 554 blocked using bl.b.example",
    b"550 \\xc3\\xe7\\x94\\xf0\\x9f\\x98 a.b.c.d <a@",
    b"550 5.1.1",
)
for template in templates:
    for count in (0, 1, 3):
        for length in range(len(template) + 1):
            data = b"250-before\\n" * count + template[:length]
            memory[PAGE - len(data) : PAGE] = data
            view = memoryview(memory)[PAGE - len(data) : PAGE]
            assert compiled.diagnose_lines(view) == pure.diagnose_lines(data), data
            assert compiled.diagnose(view) == pure.diagnose(data), data
print("no octet beyond was read")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no mprotect")
def test_nothing_behind_the_buffer_is_read(both_meanings: Modules) -> None:
    # In a process of its own: the memory behind the buffer is forbidden, and reading it kills.
    package_root = str(Path(both_meanings[0].__file__ or "").parents[2])
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


# --- Any rules ------------------------------------------------------------------------------


def ruleset_of(**conditions: tuple[str, ...]) -> Ruleset:
    return Ruleset([rule_of(0, **conditions)], {kind: [] for kind in KINDS})


KINDS = ("command", "provider", "blocklist", "delay")
LISTS = ("phrases", "hosts", "urls", "with_", "without", "codes", "enhanced", "commands")


def rule_of(
    number: int,
    reason: Reason = Reason.SPAM,
    level: int = 2,
    provider: str = "",
    disposition: Disposition | None = None,
    **conditions: tuple[str, ...],
) -> Rule:
    lists = {name: conditions.get(name, ()) for name in LISTS}
    return Rule(
        f"test.{number}",
        reason,
        level,
        **lists,
        provider=provider,
        disposition=disposition,
        examples=(),
        counterexamples=(),
        file="test",
    )


atoms = st.sampled_from(["a", "b", "é", "用", "#", "#min", "7", "(a|b)", "(c|)", "(a b|#)", "b*a"])
phrase = (
    st.lists(atoms, min_size=1, max_size=4)
    .map(" ".join)
    .filter(lambda text: text.count("*") <= MAX_GAPS and any(map(text.__contains__, "abé用#7")))
)
some_phrases = st.lists(phrase, max_size=3).map(tuple)
one_or_two = st.lists(phrase, max_size=1).map(tuple)
own_rules = st.builds(
    dict,
    reason=st.sampled_from(FAILURE_REASONS),
    level=st.integers(0, 5),
    provider=st.sampled_from(["", "", "", "P0", "P1"]),
    disposition=st.sampled_from([None, None, *Disposition]),
    phrases=some_phrases,
    hosts=one_or_two,
    urls=one_or_two,
    with_=one_or_two,
    without=one_or_two,
    codes=st.lists(st.sampled_from(["550", "5xx", "45x", "xx0"]), max_size=2).map(tuple),
    enhanced=st.lists(st.sampled_from(["x.1.1", "5.7.x", "x.x.0-9"]), max_size=2).map(tuple),
    commands=st.lists(st.sampled_from(["RCPT", "EOD", "AUTH"]), max_size=2).map(tuple),
)
own_signals = st.fixed_dictionaries(
    {
        "command": st.lists(st.tuples(st.sampled_from(["RCPT", "EOD"]), some_phrases), max_size=2),
        "provider": st.tuples(some_phrases, one_or_two),
        "blocklist": st.lists(
            st.tuples(st.sampled_from(["", "z.example"]), some_phrases, one_or_two), max_size=2
        ),
        "delay": st.lists(st.tuples(st.sampled_from([1, 60]), some_phrases), max_size=2),
    }
)
own_text = st.lists(
    st.one_of(
        st.sampled_from(
            ["a", "b", "c", "é", "用", "7", "5min", "12", ".", "550", "5.1.1", "5.7.9"]
        ),
        st.sampled_from(["a.b", "http://a/b", "a/b.a", "x@y", "<a b@c>", "b.7.a", "-", "A", "É"]),
    ),
    max_size=14,
)


@settings(thorough, max_examples=300)
@given(
    rules=st.lists(own_rules, max_size=6),
    signals=own_signals,
    texts=st.lists(own_text, min_size=1, max_size=4),
    command=st.sampled_from([None, None, "RCPT", "AUTH"]),
)
def test_any_rules_on_any_text(
    both_meanings: Modules,
    rules: list[dict[str, object]],
    signals: dict[str, list[tuple[object, ...]]],
    texts: list[list[str]],
    command: str | None,
) -> None:
    named: dict[str, list[Signal]] = {
        "command": [Signal(name, 0, phrases, (), (), "") for name, phrases in signals["command"]],
        "provider": [
            Signal("P0", 0, signals["provider"][0], (), (), ""),
            Signal("P1", 0, (), signals["provider"][1], signals["provider"][1], ""),
        ],
        "blocklist": [Signal(name, 0, *lists, (), "") for name, *lists in signals["blocklist"]],
        "delay": [Signal("", unit, phrases, (), (), "") for unit, phrases in signals["delay"]],
    }
    ruleset = Ruleset([rule_of(number, **rule) for number, rule in enumerate(rules)], named)
    matchers = tuple(module.RuleMatcher(ruleset) for module in both_meanings)
    lines = [
        f"{code} {' '.join(words).replace(' .', '.')}"
        for words in texts
        for code in ("550", "450 5.1.1", "")
    ]
    assert_same(matchers, lines, (command,))


def test_the_phrases_of_the_default_rules_alone(both_meanings: Modules) -> None:
    # Every rule is seen, also those that another one stands in front of.
    for level in (1, 2, 4):
        rules = [rule for rule in RULESET.rules if rule.level == level]
        ruleset = Ruleset(rules, RULESET.signals)
        matchers = tuple(module.RuleMatcher(ruleset) for module in both_meanings)
        assert_same(matchers, EXAMPLES[::4])
