"""Words and phrases: how a text is cut, how a phrase is read, and where one is found.

What is found is held against Python's `re`: a phrase is written out as a pattern over words.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smtpfast import Reason
from smtpfast.rules import Rule, Ruleset
from smtpfast.rules.phrases import (
    MAX_GAP,
    MAX_GAPS,
    MAX_UNIT,
    MAX_WAYS,
    MAX_WORD_BYTES,
    MAX_WORDS,
    PhraseError,
    parse_phrase,
)
from smtpfast.rules.words import MAX_TEXT_BYTES, fold, number_class, words_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from smtpfast._core.pure_meaning import RuleMatcher

SPACES = [*map(chr, range(0x21)), "\x7f"]
SEPARATORS = [chr(code) for code in range(0x80) if not chr(code).isalnum()]
SENTENCE_ENDS = ".!?;"
WIDE_SENTENCE_ENDS = "。！？；"
TWO_BYTES = [chr(code) for code in range(0xC0, 0x800)]

# The modules and what they made are the same for every example.
thorough = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def plain(text: str, code: int = -1) -> list[str]:
    """The words of the sentences; "" stands for a boundary."""
    return [word.key for word in words_of(text, code).plain]


def hosts(text: str) -> list[str]:
    return [word.key for word in words_of(text).hosts]


def urls(text: str) -> list[str]:
    return [word.key for word in words_of(text).urls]


def rule(number: int = 0, **conditions: tuple[str, ...]) -> Rule:
    """A rule that says spam, with these conditions and no others."""
    names = ("phrases", "hosts", "urls", "with_", "without", "codes", "enhanced", "commands")
    given = {name: conditions.get(name, ()) for name in names}
    return Rule(
        f"test.{number}",
        Reason.SPAM,
        2,
        **given,
        provider="",
        disposition=None,
        examples=(),
        counterexamples=(),
        file="test",
    )


def matcher_of(meaning: ModuleType, *rules: Rule) -> RuleMatcher:
    signals = {kind: [] for kind in ("command", "provider", "blocklist", "delay")}
    matcher: RuleMatcher = meaning.RuleMatcher(Ruleset(rules, signals))
    return matcher


@pytest.fixture
def sees(meaning: ModuleType) -> Callable[..., bool]:
    """Whether a core finds the phrase, host or URL in a text."""
    matchers: dict[tuple[str, str], RuleMatcher] = {}

    def look(text: str | bytes, phrase: str = "user unknown", kind: str = "phrases") -> bool:
        matcher = matchers.get((phrase, kind))
        if matcher is None:
            matcher = matchers[phrase, kind] = matcher_of(meaning, rule(**{kind: (phrase,)}))
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        return matcher.diagnose(b"550 " + data).rule == "test.0"

    return look


# --- What separates -------------------------------------------------------------------------


@pytest.mark.parametrize("mark", SEPARATORS, ids=ascii)
def test_a_mark_between_two_words(sees: Callable[..., bool], mark: str) -> None:
    text = f"user{mark}unknown"
    assert plain(text) == ([] if mark in ".@" else ["user", "unknown"])
    assert hosts(text) == (["user", "unknown", ""] if mark == "." else [])
    assert urls(text) == []
    # With a letter beyond ASCII the compiled core takes another road.
    for seen in (text, f"é {text}"):
        assert sees(seen) == (mark not in ".@")
        assert sees(seen, kind="hosts") == (mark == ".")
        assert not sees(seen, kind="urls")


@pytest.mark.parametrize("mark", SEPARATORS, ids=ascii)
def test_two_marks_between_two_words(sees: Callable[..., bool], mark: str) -> None:
    for other in SEPARATORS:
        text = f"user{mark}{other}unknown"
        if "@" in (mark, other):
            # What a mark of no address stands between stays a word.
            continue
        is_sentence_end = mark in SENTENCE_ENDS and other in SPACES
        assert plain(text) == ["user", *[""] * is_sentence_end, "unknown"], text
        assert (hosts(text), urls(text)) == ([], []), text
        for seen in (text, f"é {text}"):
            assert sees(seen) != is_sentence_end, seen


@pytest.mark.parametrize("mark", WIDE_SENTENCE_ENDS)
def test_a_wide_mark_ends_a_sentence_without_a_space(sees: Callable[..., bool], mark: str) -> None:
    for text in (f"user{mark}unknown", f"user {mark} unknown"):
        assert plain(text) == ["user", "", "unknown"]
        assert not sees(text)
    assert plain(f"不{mark}存") == ["不", "", "存"]


@pytest.mark.parametrize("mark", "、，：（）「」…—–·«»“”„’′№€§°±")
def test_a_mark_beyond_ascii_only_separates(sees: Callable[..., bool], mark: str) -> None:
    text = f"user{mark}unknown"
    assert plain(text) == ["user", "unknown"]
    assert sees(text)


def test_the_end_of_the_text_is_no_boundary() -> None:
    assert plain("User unknown.") == ["user", "unknown"]
    assert plain("User unknown. ") == ["user", "unknown"]
    assert plain(". User unknown") == ["", "user", "unknown"]
    assert plain("") == plain(" ") == plain(".") == plain("。") == []


def test_a_sentence_end_in_front_of_a_hidden_name_is_seen() -> None:
    assert plain("user. <a@b.example> unknown") == ["user", "", "unknown"]
    assert plain("user <a@b.example>. unknown") == ["user", "", "unknown"]
    assert plain("user 192.0.2.1. unknown") == ["user", "", "unknown"]
    assert plain("user https://example.com/a. unknown") == ["user", "", "unknown"]


@pytest.mark.parametrize("shift", range(130))
def test_words_at_the_edges_of_a_block(sees: Callable[..., bool], shift: int) -> None:
    # The compiled core reads 64 bytes at once.
    for before in ("x" * shift, "-" * shift, f"{'x' * shift}!"):
        assert sees(f"{before} user unknown")
        assert sees(f"{before} user unknown{' ' * (shift % 7)}")
        assert not sees(f"{before} user. unknown")
        assert not sees(f"{before} user.\nunknown")
        assert not sees(f"{before} user.unknown")
        assert sees(f"{before} user <a@b.example> unknown")
        assert not sees(f"{before} <user unknown@b.example>")
        assert sees(f"{before} user http://b.example/ unknown")
        assert sees(f"{before} a.user.unknown", kind="hosts")
        assert not sees(f"{before}user unknown") or before == "" or not before[-1].isalnum()


# --- Letters --------------------------------------------------------------------------------


def test_every_ascii_letter_and_digit_is_part_of_a_word(sees: Callable[..., bool]) -> None:
    for code in range(0x80):
        if not (letter := chr(code)).isalnum():
            continue
        assert plain(f"x{letter}y") == [f"x{letter.lower()}y"]
        assert not sees(f"user{letter} unknown")
        assert sees(f"{letter} USER uNkNoWn {letter}")


def test_every_letter_of_two_bytes_is_part_of_a_word(sees: Callable[..., bool]) -> None:
    for letter in TWO_BYTES:
        # A combining accent is none, but it does not separate either.
        is_accent = fold(letter) == ""
        assert is_accent <= bool(unicodedata.combining(letter)), letter
        assert plain(f"x{letter}y") == [f"x{fold(letter)}y"], letter
        assert sees(f"user{letter} unknown") == is_accent, letter
        assert sees(f"{letter}user unknown") == is_accent, letter
        assert sees(f"{letter} user unknown {letter}"), letter
        assert len(fold(letter).encode()) <= 2, letter


def test_case_does_not_matter_in_any_letter_of_two_bytes() -> None:
    for letter in TWO_BYTES:
        for other in {letter.upper(), letter.lower(), letter.title()}:
            if len(other) == 1 and "\u00c0" <= other <= "\u07ff":
                assert fold(letter) == fold(other), (letter, other)


def test_accents_do_not_matter_in_latin_greek_and_cyrillic_letters() -> None:
    # The oracle is the name that Unicode gives: LATIN SMALL LETTER E WITH ACUTE.
    script = re.compile(r"(LATIN|GREEK|CYRILLIC) (CAPITAL|SMALL) LETTER ([A-Z]+) WITH (.*)")
    marks = {"ACUTE", "GRAVE", "CIRCUMFLEX", "DIAERESIS", "TILDE", "CARON", "CEDILLA", "OGONEK"}
    marks |= {"MACRON", "BREVE", "RING ABOVE", "DOT ABOVE", "DOUBLE ACUTE", "TONOS", "DIALYTIKA"}
    count = 0
    for letter in TWO_BYTES:
        match = script.fullmatch(unicodedata.name(letter, ""))
        if match and match[4] in marks and match[3] not in ("AE", "DZ"):
            base = unicodedata.lookup(f"{match[1]} SMALL LETTER {match[3]}")
            assert fold(letter) == fold(base), letter
            count += 1
    assert count > 150


@pytest.mark.parametrize(
    ("word", "folded"),
    [
        ("Boîte", "boite"),
        ("größe", "grosse"),
        ("GRÖSSE", "grosse"),
        ("Ærø", "aero"),
        ("Łódź", "lodz"),
        ("İstanbul", "istanbul"),
        ("ılık", "ilik"),
        ("Œuvre", "oeuvre"),
        ("þæð", "thaed"),
        ("ЯЩИК", "ящик"),
        ("Приём", "прием"),
        ("ΚΏΔΙΚΑΣ", "κωδικασ"),
        ("κωδικας", "κωδικασ"),
        ("çğşöü", "cgsou"),
        ("用户", "用户"),
        ("5MIN", "5min"),
        ("", ""),
    ],
)
def test_folding(word: str, folded: str) -> None:
    assert fold(word) == folded


def test_folding_twice_changes_nothing() -> None:
    assert [letter for letter in TWO_BYTES if fold(fold(letter)) != fold(letter)] == []


def test_case_and_accents_do_not_matter_in_vietnamese() -> None:
    assert fold("HỘP THƯ") == fold("hộp thư") == "hop thu"


def test_a_combining_accent_does_not_matter() -> None:
    assert fold(unicodedata.normalize("NFD", "boîte")) == "boite"


def test_every_stray_byte(sees: Callable[..., bool]) -> None:
    for byte in range(0x80, 0x100):
        text = decoded(b"x%cy" % byte)
        if byte < 0xC0:
            assert plain(text) == ["x", "y"], byte
        else:
            # It counts as the letter of Latin-1 that it would be.
            assert plain(text) == [f"x{fold(chr(byte))}y"], byte
        assert sees(b"user%c unknown" % byte) == (byte < 0xC0)
        assert sees(b"user %c unknown" % byte) == (byte < 0xC0)


def test_latin_1_and_utf_8_are_the_same_word(sees: Callable[..., bool]) -> None:
    for byte in range(0xC0, 0x100):
        word = f"a{chr(byte)}b"
        for encoding in ("latin-1", "utf-8"):
            assert sees(word.encode(encoding), word), (word, encoding)
            assert sees(word.upper().encode(encoding, "ignore"), word) or byte in (0xDF, 0xFF)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"a\xe2\x82b", ["aa", "b"]),  # a cut euro sign: E2 is the letter a, 82 separates
        (b"\xc0\x80", ["a"]),
        (b"\xed\xa0\x80", ["i"]),  # a surrogate is no UTF-8
        (b"\xf4\x90\x80\x80", ["o"]),  # beyond Unicode
        (b"\xf5\xf8\xfe\xff", ["oothy"]),
        (b"a\xf0\x9f\x98\x80b", ["a", "b"]),  # an emoji separates
        (b"a\x80\xbfb", ["a", "b"]),
    ],
)
def test_invalid_utf_8(sees: Callable[..., bool], text: bytes, words: list[str]) -> None:
    assert plain(decoded(text)) == words
    assert sees(b"user unknown " + text)
    assert sees(text + b" user unknown")


# --- Signs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "keys"),
    [
        ("\u1fff", ["x\u1fffy"]),  # the last letter
        ("\u2000", ["x", "y"]),
        ("\u303f", ["x", "y"]),
        ("\u3040", ["x", "\u3040", "y"]),  # the first sign
        ("あ", ["x", "あ", "y"]),
        ("カ", ["x", "カ", "y"]),
        ("用", ["x", "用", "y"]),
        ("한", ["x", "한", "y"]),
        ("\ud7ff", ["x", "\ud7ff", "y"]),  # the last sign
        ("\ue000", ["x", "y"]),
        ("\uff21", ["x", "y"]),
        ("\U00020000", ["x", "y"]),
    ],
    ids=ascii,
)
def test_a_sign_is_a_word_of_its_own(sees: Callable[..., bool], sign: str, keys: list[str]) -> None:
    assert plain(f"x{sign}y") == keys
    # Seen by the cores as well: x and y are neighbours where it separates only.
    assert sees(f"x{sign}y", "x y") == (keys == ["x", "y"])
    if len(keys) == 3:
        assert sees(f"x{sign}y", f"x{sign}y")
        assert sees(f"x {sign} y", f"{sign}")
        assert not sees(f"x{sign}y", f"{sign}{sign}")


def test_words_of_signs_are_found_anywhere(sees: Callable[..., bool]) -> None:
    assert plain("该用户不存在") == list("该用户不存在")
    assert sees("该用户不存在的", "用户不存在")
    assert sees("该用户 不存在", "用户不存在")
    assert sees("该用户a@b.example不存在", "用户不存在")
    assert not sees("该用户。不存在", "用户不存在")
    assert sees("ユーザーが見つかりません", "ユーザー*見つかりません")


# --- What is hidden -------------------------------------------------------------------------

ADDRESSES = (
    "<{}@b.example>",
    "<a@{}.example>",
    "<a@b.example {}>",
    '<"{}"@b.example>',
    "<@a.example,@b.example:{}@c.example>",
    "< {} @ b.example >",
)
RUNS = (
    "{}@b.example",
    "a+{}@b.example",
    "a@{}.example",
    "{}=a.example@b.example",
    "=?{}?=@b",
    "почта-{}@пример.рф",
    "a@{}",
    "@{}",
    "{}@",
    "x@y@{}",
)


@pytest.mark.parametrize("shape", ADDRESSES)
def test_an_address_in_angle_brackets_is_hidden(sees: Callable[..., bool], shape: str) -> None:
    for inside in ("user unknown", "user-unknown", "a. user unknown", "用户不存在", "é", ""):
        address = shape.format(inside)
        assert plain(address) == []
        assert (hosts(address), urls(address)) == ([], [])
        assert plain(f"user {address} unknown") == ["user", *[""] * (". " in inside), "unknown"]
        for kind in ("phrases", "hosts", "urls"):
            assert not sees(address, kind=kind)
            assert not sees(f"é{address}", kind=kind)
        assert not sees(address, "用户不存在")


@pytest.mark.parametrize("shape", RUNS)
def test_an_address_without_brackets_is_hidden(sees: Callable[..., bool], shape: str) -> None:
    for inside in ("user-unknown", "user_unknown", "user.unknown", "user/unknown", "user+unknown"):
        address = shape.format(inside)
        assert plain(f"a {address} b") == ["a", "b"]
        assert (hosts(address), urls(address)) == ([], [])
        for kind in ("phrases", "hosts", "urls"):
            assert not sees(address, kind=kind)
            assert not sees(f"é {address}", kind=kind)
        assert sees(f"user {address} unknown")
        assert sees(f"user: {address}: unknown é")


def test_what_is_no_address_is_not_hidden(sees: Callable[..., bool]) -> None:
    for text in ("<user unknown>", "<user> unknown", "<user @> unknown <", "a<b@c user unknown"):
        assert sees(text) == (text != "<user @> unknown <"), text
    assert plain("<user<a@b> unknown>") == ["user", "unknown"]
    assert plain("user > a@b > unknown") == ["user", "unknown"]
    assert plain("<a@b user unknown") == ["user", "unknown"]


@pytest.mark.parametrize(("local", "domain"), [(255, 255), (256, 255), (255, 256), (0, 0)])
def test_the_longest_address(sees: Callable[..., bool], local: int, domain: int) -> None:
    # In brackets all of it is hidden, spaces too; what is longer is not even an address.
    for letter in "xé用":
        text = f"<{('user unknown ' + letter * local)[:local]}@{letter * domain}>"
        assert sees(text) == (max(local, domain) > 255), text


def test_a_quoted_local_part_is_hidden_in_brackets() -> None:
    assert plain('<"user unknown"@b.example>') == []
    assert plain('user <"a b"@c.example> unknown') == ["user", "unknown"]


def test_a_quoted_local_part_is_hidden_without_brackets() -> None:
    assert plain('"user unknown"@b.example') == []


def test_an_address_of_signs_is_hidden_in_brackets_only() -> None:
    # Without brackets nobody can tell where it begins: the words before it have no space either.
    assert plain("<用户@例子.中国>") == []
    assert plain("邮箱 用户@例子.中国") == [*"邮箱用户例子中国"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://b.example/user/unknown?a=1#c", "https b example user unknown a 1 c"),
        ("HTTP://user.unknown", "http user unknown"),
        ("http://user@unknown/", "http user unknown"),
        ("http://[2001:db8::1]/user", "http 2001 db8 1 user"),
        ("://user-unknown", "user unknown"),
        ("b.example/user-unknown", "b example user unknown"),
        ("b.example/user-unknown.", "b example user unknown"),
        ("x-y://a(b)c", "x y a b c"),
        ("http://пример.рф/ЯЩИК", "http пример рф ящик"),
        ("http://例/用户", "http 例 用 户"),
    ],
)
def test_the_words_of_a_url(sees: Callable[..., bool], text: str, found: str) -> None:
    assert urls(text) == [*found.split(), ""]
    assert (plain(text), hosts(text)) == ([], [])
    for before in ("", "x ", "(", "<", "é: "):
        assert sees(before + text, found, "urls")
        assert sees(before + text, found, "hosts")
        assert not sees(before + text, found)


@pytest.mark.parametrize("end", [*SPACES, "<", ">", '"'], ids=ascii)
def test_what_ends_a_url(end: str) -> None:
    text = f"http://a{end}b"
    assert urls(text) == ["http", "a", ""]
    assert plain(text) == ["b"]


@pytest.mark.parametrize("mark", sorted(set(SEPARATORS) - {*SPACES, *'<>"'}))
def test_what_does_not_end_a_url(mark: str) -> None:
    assert urls(f"http://a{mark}b") == ["http", "a", "b", ""]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mx.example.com", "mx example com"),
        ("192.0.2.1", "192 0 2 1"),
        ("5.1.1", "5 1 1"),
        ("RESOLVER.ADR.RecipNotFound", "resolver adr recipnotfound"),
        ("a-b.c_d", "a b c d"),
        (".a.b.", "a b"),
        ("пример.рф", "пример рф"),
        ("a.5", "a 5"),
    ],
)
def test_the_words_of_a_name(sees: Callable[..., bool], text: str, found: str) -> None:
    assert hosts(text) == [*found.split(), ""]
    assert (plain(text), urls(text)) == ([], [])
    assert plain(f"user ({text}) unknown") == ["user", "unknown"]
    for before, behind in product(("x ", "x: ", "(", "[", "é:"), ("", " x", ")", ",", "]é")):
        whole = before + text + behind
        assert sees(whole, found, "hosts"), whole
        assert not sees(whole, found, "urls"), whole
        assert not sees(whole, found), whole


def test_no_phrase_goes_from_one_name_to_the_next(sees: Callable[..., bool]) -> None:
    assert hosts("a.b c.d") == ["a", "b", "", "c", "d", ""]
    assert urls("a.b/ c.d/") == ["a", "b", "", "c", "d", ""]
    assert not sees("a.b c.d", "b c", "hosts")
    assert not sees("a.b c.d", "a * d", "hosts")
    assert not sees("http://a/b http://c/d", "b * c", "urls")
    assert sees("a.b c.d", "c d", "hosts")


def test_an_ip_address_of_the_sixth_version_is_words() -> None:
    # No rule looks for them, and they cannot be told from a time.
    assert plain("[2001:db8::1]") == ["2001", "db8", "1"]


# --- Repeated codes -------------------------------------------------------------------------


def test_a_repeated_reply_code_is_hidden(sees: Callable[..., bool]) -> None:
    assert plain("user 550 unknown", 550) == ["user", "unknown"]
    assert plain("user 550 unknown", 551) == ["user", "550", "unknown"]
    assert plain("user 550 unknown") == ["user", "550", "unknown"]
    assert plain("550-user\r\n550-5.1.1 is 0550 x550 550x\n550 unknown", 550) == [
        *("user", "is", "0550", "x550", "550x", "unknown")
    ]
    for text in ("user\n550-unknown", "user\r\n550 5.1.1 unknown", "user 550 unknown é"):
        assert sees(text)
    assert not sees("user 551 unknown")
    assert not sees("user 0550 unknown é")


# --- Where things stand ---------------------------------------------------------------------


@thorough
@given(st.text(st.sampled_from("aB 5.-_:/@<>\"'!?;\n\u00e9用。\udcfc\udc80é😀"), max_size=60))
def test_a_word_is_where_it_says(text: str) -> None:
    words = words_of(text)
    for row in words:
        spans = [word for word in row if word.key]
        assert [fold(text[word.start : word.end]) for word in spans] == [word.key for word in spans]
        assert all(one.end <= other.start for one, other in pairwise(spans))
        # Neither begins nor ends with what separates, nor is it cut out of a longer word.
        assert all(word.key[0].isalnum() or word.key[0] >= "\x80" for word in spans)
    taken = [word[1:] for row in words for word in row if word.key]
    assert len(taken) == len(set(taken)), "a word is of one kind"


@pytest.mark.parametrize("filler", ["x", "x ", ". ", "é", "用", "<", "a.b ", "@ ", "http://x "])
def test_no_more_of_a_text_is_read_than_is_said(sees: Callable[..., bool], filler: str) -> None:
    for room in range(8, 17):
        count = MAX_TEXT_BYTES - room
        padding = (filler.encode() * count)[: count - 3].decode("utf-8", "ignore").encode()
        # A URL or an address that is cut ends here.
        padding = padding.ljust(count, b" ")
        assert sees(padding + b"user unknown") == (room >= len("user unknown")), room
        assert sees(padding + b"user unknown" + b"x" * 1000) == (room == len("user unknown")), room


# --- How a phrase is written ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "phrase"),
    [
        ("user unknown", ((("user",),), (("unknown",),))),
        ("USER-Unknown!", ((("user",),), (("unknown",),))),
        ("doesn't", ((("doesn",),), (("t",),))),
        ("Boîte pleine", ((("boite",),), (("pleine",),))),
        ("不存在", ((("不",),), (("存",),), (("在",),))),
        ("a * b", ((("a",),), (("*",),), (("b",),))),
        ("a*b", ((("a",),), (("*",),), (("b",),))),
        ("limit of # messages", ((("limit",),), (("of",),), (("#",),), (("messages",),))),
        ("# min", ((("#",),), (("min",),))),
        ("#min", ((("#min",),),)),
        ("ofr 506", ((("ofr",),), (("506",),))),
        ("(a|b c|) d", ((("a",), ("b", "c"), ()), (("d",),))),
        ("( a | B-c ) d", ((("a",), ("b", "c")), (("d",),))),
        ("(a)", ((("a",),),)),
        ("(#|#s) left", ((("#",), ("#s",)), (("left",),))),
    ],
)
def test_a_phrase(written: str, phrase: object) -> None:
    assert parse_phrase(written) == phrase


NO_FIT = "a parenthesis or | that does not fit"
ENDS = "it needs a word at each end, and on both sides of a *"


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "no word in it"),
        (" .-! ", "no word in it"),
        ("(a", NO_FIT),
        ("a)", NO_FIT),
        ("a | b", NO_FIT),
        ("(a (b) c)", NO_FIT),
        ("((a))", NO_FIT),
        ("* a", ENDS),
        ("a *", ENDS),
        ("*", ENDS),
        ("(a|) * b", ENDS),
        ("a * * b", ENDS),
        ("a * (z|) * b", ENDS),
        ("a * (b|)", ENDS),
        ("(a|)", ENDS),
        ("()", ENDS),
        ("(|)", ENDS),
        ("(a * b) c", "* inside a parenthesis"),
        ("(a|*) c", "* inside a parenthesis"),
        ("a * b * c * d * e", f"more than {MAX_GAPS} times *"),
        ("(a|b|c|d|e|f|g|h|i) " * 3, f"729 ways to read it, at most {MAX_WAYS} are allowed"),
        (f"a {'x' * 201}", f"a word of more than {MAX_WORD_BYTES} bytes"),
        (f"a {'ж' * 101}", f"a word of more than {MAX_WORD_BYTES} bytes"),
        ("# #" + "m" * MAX_UNIT, f"a # with more than {MAX_UNIT - 1} letters"),
        ("a " * (MAX_WORDS + 1), f"longer than {MAX_WORDS} words"),
        ("a (b|" + "c " * MAX_WORDS + ")", f"longer than {MAX_WORDS} words"),
    ],
)
def test_a_bad_phrase(written: str, problem: str) -> None:
    with pytest.raises(PhraseError) as error:
        parse_phrase(written)
    assert str(error.value) == f"{written!r}: {problem}"


def test_the_limits_of_a_phrase_are_allowed() -> None:
    assert len(parse_phrase("a " * MAX_WORDS)) == MAX_WORDS
    assert parse_phrase("a * b * c * d").count((("*",),)) == MAX_GAPS
    assert len(parse_phrase("(a|b) " * 9)) == 9
    assert MAX_WAYS == 2**9


@pytest.mark.parametrize(
    ("key", "class_"),
    [
        ("5", "#"),
        ("007", "#"),
        ("5min", "#min"),
        ("10s", "#s"),
        ("min", ""),
        ("5min5", ""),
        ("m5", ""),
        ("٥", ""),
        ("５", ""),
        ("5ü", ""),
        ("", ""),
    ],
)
def test_the_class_of_a_number(key: str, class_: str) -> None:
    assert number_class(key) == class_


# --- Where a phrase is found ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("phrase", "found", "not_found"),
    [
        ("a b", ["a b", "x a b x", "A-B", "a a b b"], ["a", "ab", "b a", "a x b", "a. b", "aa b"]),
        ("a * b", ["a b", "a x b", "a x y b", "a x y z b", "a a x y z b"], ["a w x y z b", "a. b"]),
        ("a # b", ["a 5 b", "a 0123 b"], ["a b", "a x b", "a 5min b", "a 5 5 b", "a 5.5 b"]),
        ("#min", ["5min", "0min", "a 10MIN"], ["min", "5 min", "5mins", "x5min", "5min5"]),
        ("5 b", ["5 b"], ["6 b", "05 b", "5b"]),
        ("(a|b c|) d", ["d", "a d", "b c d", "x d"], ["a", "b c", "a. x"]),
        ("x (a|) d", ["x d", "x a d"], ["d", "x b d", "x a a d"]),
        ("a * # * b", ["a 5 b", "a x 5 y b", "a 5 5 b"], ["a x b", "a b"]),
        ("(#|some) left", ["5 left", "some left"], ["left", "5min left"]),
        ("a b a b c", ["a b a b a b c"], ["a b a b"]),
        ("doesn't", ["doesn't", "doesn t", "doesn’t"], ["doesnt"]),
        ("a * b * c", ["a b c", "a x b x c", "a b x b y y y c"], ["a c", "a b x x x x c"]),
    ],
)
def test_where_a_phrase_is_found(
    sees: Callable[..., bool], phrase: str, found: list[str], not_found: list[str]
) -> None:
    for text in found:
        assert sees(text, phrase), text
        assert sees(f"é {text} é", phrase), text
    for text in not_found:
        assert not sees(text, phrase), text
        assert not sees(f"é {text} é", phrase), text


def test_a_gap_is_as_long_as_it_is_said(sees: Callable[..., bool]) -> None:
    for count in range(MAX_GAP + 3):
        assert sees(f"a {'x ' * count}b", "a * b") == (count <= MAX_GAP)
        assert sees(f"a {'用' * count}b", "a * b") == (count <= MAX_GAP)


# Words as letters, for patterns: a number is a class of two letters.
LETTERS = {"aa": "a", "bb": "b", "cc": "c", "7": "7", "12": "8", "5min": "m", "用": "w"}
PATTERN_OF = {**LETTERS, "#": "[78]", "#min": "m", "*": f"[^.]{{0,{MAX_GAP}}}"}

words = st.sampled_from([*LETTERS, "#", "#min"])
way = st.lists(words, min_size=1, max_size=2).map(tuple)
needed = st.one_of(words.map(lambda word: [(word,)]), st.lists(way, min_size=1, max_size=2))
optional = way.map(lambda way: [way, ()])
# With a word that is needed on both sides of each gap, as a phrase must have.
segments = st.one_of(
    needed.map(lambda part: [part]),
    st.tuples(needed, needed).map(list),
    st.tuples(needed, optional).map(list),
    st.tuples(optional, needed).map(list),
)
phrases = st.lists(segments, min_size=1, max_size=3).map(
    lambda segments: [part for segment in segments for part in ([("*",)], *segment)][1:]
)
groups = st.lists(st.lists(phrases, min_size=1, max_size=2), min_size=1, max_size=5)
texts = st.lists(st.sampled_from([*LETTERS, "."]), max_size=12)


def written(phrase: list[list[tuple[str, ...]]]) -> str:
    return " ".join(
        ways[0][0] if len(ways) == 1 and len(ways[0]) == 1 else
        "(" + "|".join(" ".join(way) for way in ways) + ")"
        for ways in phrase
    )  # fmt: skip


def patterns_of(phrase: list[list[tuple[str, ...]]]) -> list[str]:
    """The phrase by brute force: one pattern for each way to read it."""
    return [
        "".join(PATTERN_OF[word] for way in chosen for word in way) for chosen in product(*phrase)
    ]


def sequence(text: list[str]) -> str:
    return "".join(LETTERS.get(word, word) for word in text)


@thorough
@given(groups=groups, text=texts)
def test_the_automaton_finds_what_patterns_find(
    both_meanings: tuple[ModuleType, ModuleType],
    groups: list[list[list[list[tuple[str, ...]]]]],
    text: list[str],
) -> None:
    # A code of its own tells which rule found something.
    rules = [
        rule(number, phrases=tuple(map(written, group)), codes=(f"50{number}",))
        for number, group in enumerate(groups)
    ]
    shown = " ".join(text).replace(" .", ".") + " "
    for meaning in both_meanings:
        matcher = matcher_of(meaning, *rules)
        for number, group in enumerate(groups):
            patterns = [re.compile(each) for phrase in group for each in patterns_of(phrase)]
            matches = [match for each in patterns if (match := each.search(sequence(text)))]
            for line in (f"50{number} {shown}", f"50{number} {shown}é"):
                rows = matcher.diagnose_lines(line)
                [found] = rows
                assert found.rule == (f"test.{number}" if matches else "none"), line
                if not matches:
                    continue
                # The evidence is what a pattern matches, and begins where the first match does.
                words = sequence(re.findall(r"\w+|\.", found.evidence))
                assert any(each.fullmatch(words) for each in patterns), found
                assert line.encode()[rows.evidence_start[0] : rows.evidence_end[0]] == (
                    found.evidence.encode()
                )
                before = sequence(re.findall(r"\w+|\.", line[4 : line.index(found.evidence, 4)]))
                assert len(before) == min(match.start() for match in matches) or (
                    line.count(found.evidence) > 1
                ), found


def test_hosts_are_found_in_urls_too_and_urls_nowhere_else(sees: Callable[..., bool]) -> None:
    texts = ("x b.example x", "x http://b.example/q x", "x b.example/q x", "x b example x")
    assert [sees(text, "b.example", "hosts") for text in texts] == [True, True, True, False]
    assert [sees(text, "b.example", "urls") for text in texts] == [False, True, True, False]
    assert [sees(text, "b.example", "phrases") for text in texts] == [False, False, False, True]
    for text in ("a@b.example", "<a@b.example>", "<http://b.example/q@x>"):
        assert not sees(text, "b.example", "hosts")
    assert sees("zen.b.example", "b.example", "hosts")
    assert not sees("ab.example", "b.example", "hosts")


def test_with_and_without(meaning: ModuleType) -> None:
    conditions = {"phrases": ("a b",), "with_": ("c", "d e"), "without": ("f g", "h")}
    matcher = matcher_of(meaning, rule(**conditions))
    found = {
        text: matcher.diagnose(f"550 {text}").rule == "test.0"
        for text in (
            "a b",
            "a b c",
            "c a b",
            "d a b e",
            "a b. d e",
            "a b c f",
            "a b c f g",
            "h a b c",
        )
    }
    assert [text for text, is_found in found.items() if is_found] == [
        *("a b c", "c a b", "a b. d e", "a b c f")
    ]
    # They are phrases: names do not count.
    assert matcher.diagnose("550 a b c f.g h.x").rule == "test.0"
    assert matcher.diagnose("550 a b c.x").rule == "none"
