"""What smtpfast answers to odd input, and why: one row for each input of the corpus.

Each row holds bytes of our own with the same oddity, which are tested everywhere; where the corpus
is, its bytes of that name must get the same answer.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

import pytest

from smtpfast import Defect, ReplySyntaxError, defects, find_defects

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    from smtpfast import Reply


class Answer(NamedTuple):
    """One reply: its code, its enhanced code, how many lines it has, and its text."""

    code: int
    text: str
    enhanced: str | None = None
    lines: int = 1


class Case(NamedTuple):
    """One input.

    sent: our bytes.
    replies: the replies that come of it.
    why: the rule.
    error: the line that no reply can have, when there is one.
    cut: whether close() says that something was cut short.
    defects: what find_defects() says of the first line; None where there is no line.
    mixed: whether the last reply has lines with different reply codes.
    mixed_enhanced: whether it has lines with different enhanced codes.
    """

    sent: bytes
    replies: list[Answer]
    why: str
    error: bytes | None = None
    cut: bool = False
    defects: str | None = ""
    mixed: bool = False
    mixed_enhanced: bool = False


def garbage(sent: bytes, why: str, defects: str = "code_missing", line: bytes = b"") -> Case:
    """An input with a line that is no reply line: the first one, or `line`."""
    return Case(sent, [], why, error=line or sent, cut=True, defects=defects)


CASES = {
    # --- The code and its separator ---
    "plain": Case(
        b"250 Done\r\n",
        [Answer(250, "Done")],
        "A space behind the code says that the line is the last.",
    ),
    "bare_code": Case(
        b"250\r\n",
        [Answer(250, "")],
        "RFC 5321 4.2.1: a client must be prepared for the last line to lack its space.",
        defects="separator_missing",
    ),
    "bare_code_sp": Case(
        b"250 \r\n",
        [Answer(250, "")],
        "The text behind the space may be empty.",
    ),
    "bare_code_lf": Case(
        b"250\n",
        [Answer(250, "")],
        "LF alone ends a line as well; nothing of what follows may be looked at for a separator.",
        defects="separator_missing bare_lf",
    ),
    "tab_sep": Case(
        b"250\tDone\r\n",
        [Answer(250, "Done")],
        "A TAB separates as a space does: nothing else can be meant.",
        defects="tab_separator",
    ),
    "no_sep_text": Case(
        b"250Done\r\n",
        [Answer(250, "Done")],
        "Three digits and no fourth are a code; what follows begins the text.",
        defects="separator_missing",
    ),
    "colon_sep": Case(
        b"250: done\r\n",
        [Answer(250, ": done")],
        "A colon separates nothing, so it belongs to the text.",
        defects="separator_missing",
    ),
    "hyphen_then_end": Case(
        b"250-\r\n250 \r\n",
        [Answer(250, "\n", lines=2)],
        "A hyphen continues the reply whether or not text follows it.",
    ),
    "cont_unterminated": Case(
        b"250-Hello\r\n",
        [],
        "The reply goes on, so there is none yet, and the end of input cuts it short.",
        cut=True,
    ),
    "multi": Case(
        b"250-one\r\n250-two\r\n250 three\r\n",
        [Answer(250, "one\ntwo\nthree", lines=3)],
        "Lines with hyphens up to one without are one reply.",
    ),
    "multi_bare_last": Case(
        b"250-one\r\n250\r\n",
        [Answer(250, "one\n", lines=2)],
        "The last line may lack its space (RFC 5321 4.2.1), in a long reply too.",
    ),
    "multi_esc": Case(
        b"550-5.1.1 There is no\r\n550-5.1.1 such box\r\n550 5.1.1 here\r\n",
        [Answer(550, "There is no\nsuch box\nhere", "5.1.1", 3)],
        "Each line has the enhanced code and each loses it from its text.",
    ),
    "multi_esc_first_only": Case(
        b"550-5.1.1 There is no\r\n550 such box\r\n",
        [Answer(550, "There is no\nsuch box", "5.1.1", 2)],
        "A reply has the enhanced code of the last line that has one.",
    ),
    "multi_esc_differs": Case(
        b"550-5.1.1 Nobody\r\n550 5.7.1 Refused\r\n",
        [Answer(550, "Nobody\nRefused", "5.7.1", 2)],
        "The last enhanced code counts, as the last code does; has_mixed_enhanced_codes says so.",
        mixed_enhanced=True,
    ),
    "mismatch_codes": Case(
        b"220-mx.example welcomes you\r\n521 5.7.1 Go away\r\n",
        [Answer(521, "mx.example welcomes you\nGo away", "5.7.1", 2)],
        "The last line's code counts: a refusal that comes late is one. has_mixed_codes says so.",
        mixed=True,
    ),
    "mismatch_mid": Case(
        b"250-one\r\n451-two\r\n250 three\r\n",
        [Answer(250, "one\ntwo\nthree", lines=3)],
        "The last line's code counts, and has_mixed_codes says that another was there.",
        mixed=True,
    ),
    "cont_no_code": garbage(
        b"250-one\r\nno code here\r\n250 three\r\n",
        "Every line of a reply bears the code; without it the session is out of step.",
        defects="",
        line=b"no code here\r\n",
    ),
    "blank_line_first": garbage(
        b"\r\n220 mx.example\r\n",
        "A blank line is no reply line; to skip it would be to guess.",
        line=b"\r\n",
    ),
    "blank_line_mid": garbage(
        b"214-one\r\n\r\n214 three\r\n",
        "A blank line is no reply line, within a reply neither.",
        defects="",
        line=b"\r\n",
    ),
    # --- What is no code ---
    "leading_space": garbage(
        b" 354 go on\r\n",
        "The code stands at the very start of the line.",
    ),
    "letters": garbage(b"xyz Hello\r\n", "Letters are no digits."),
    "mixed_letters": garbage(b"25o Done\r\n", "All three must be digits."),
    "pop3_banner": garbage(b"+OK mail is here\r\n", "A POP3 server greets so."),
    "ssh_banner": garbage(
        b"SSH-1.99-Example_1\r\n",
        "An SSH server greets so; the hyphen at the place of the separator changes nothing.",
    ),
    "http_banner": garbage(
        b"HTTP/1.0 501 Not Implemented\r\n",
        "An HTTP server answers so; the code of its own does not stand first.",
    ),
    "two_digit": garbage(b"35 go on\r\n", "Two digits are no code."),
    "one_digit": garbage(b"5\r\n", "One digit is no code."),
    "four_digit": garbage(b"3540 go on\r\n", "Four digits are no code and no code with a text."),
    "plus": garbage(b"+35 go on\r\n", "A sign is no digit, though int() takes it."),
    "negative": garbage(b"-35 go on\r\n", "A sign is no digit, though int() takes it."),
    "underscore": garbage(b"3_5 go on\r\n", "An underscore is no digit, though int() takes it."),
    # --- Codes outside RFC 5321's grammar ---
    "zero": Case(
        b"000 nothing\r\n",
        [Answer(0, "nothing")],
        "Three digits are a code; that no RFC has it shows in severity, category and defects.",
        defects="code_outside_grammar",
    ),
    "sendmail_verb": Case(
        b"050 <<< RCPT\r\n250 done\r\n",
        [Answer(50, "<<< RCPT"), Answer(250, "done")],
        "A trace line of sendmail's is a reply of its own here: the caller may skip severity 0.",
        defects="code_outside_grammar",
    ),
    "one_hundred": Case(
        b"100 wait\r\n",
        [Answer(100, "wait")],
        "1yz existed in RFC 821 and FTP; three digits are a code.",
        defects="code_outside_grammar",
    ),
    "six_hundred": Case(
        b"600 strange\r\n",
        [Answer(600, "strange")],
        "Three digits are a code, of no severity.",
        defects="code_outside_grammar",
    ),
    "nine99": Case(
        b"999 strange\r\n",
        [Answer(999, "strange")],
        "The highest code there can be.",
        defects="code_outside_grammar",
    ),
    "second_digit_7": Case(
        b"571 refused\r\n",
        [Answer(571, "refused")],
        "Real servers send it; the first digit says enough.",
        defects="code_outside_grammar",
    ),
    "second_digit_9": Case(
        b"299 strange\r\n",
        [Answer(299, "strange")],
        "The first digit says enough.",
        defects="code_outside_grammar",
    ),
    # --- Octets ---
    "nul_in_text": Case(
        b"250 Do\x00ne\r\n",
        [Answer(250, "Do\0ne")],
        "NUL ends nothing; it is text as it came.",
        defects="control_character",
    ),
    "nul_in_code": garbage(
        b"35\x004 go on\r\n",
        "NUL is no digit.",
        defects="code_missing control_character",
    ),
    "fullwidth_digits": garbage(
        "３５４ go on\r\n".encode(),
        "Digits are ASCII; str.isdigit() would take these.",
        defects="code_missing eight_bit",
    ),
    "arabic_digits_latin": garbage(
        "٣٥٤ go on\r\n".encode(),
        "Digits are ASCII; int() would take these.",
        defects="code_missing eight_bit",
    ),
    "latin1": Case(
        b"550 M\xfcll ist voll\r\n",
        [Answer(550, "M\udcfcll ist voll")],
        "What is not UTF-8 must not cost the code; surrogateescape keeps each octet.",
        defects="eight_bit invalid_utf8",
    ),
    "gbk_qq": Case(
        b"535 No: \xb5\xc7\xc2\xbc\r\n",
        [Answer(535, "No: \udcb5\udcc7\u00bc")],
        "GBK is not known from its octets; surrogateescape keeps each one for who knows better.",
        defects="eight_bit invalid_utf8",
    ),
    "utf8": Case(
        "550 Müll ist voll\r\n".encode(),
        [Answer(550, "Müll ist voll")],
        "Text is UTF-8 where it can be.",
        defects="eight_bit",
    ),
    "nel_in_text": Case(
        "250 Do\x85ne\r\n".encode(),
        [Answer(250, "Do\x85ne")],
        "Only LF ends a line; str.splitlines() would cut here.",
        defects="eight_bit",
    ),
    "vt_ff_text": Case(
        b"250 D\x0bon\x0ce\r\n",
        [Answer(250, "D\x0bon\x0ce")],
        "Only LF ends a line, and VT and FF are no blanks.",
        defects="control_character",
    ),
    "esc_ansi": Case(
        b"250 \x1b[1mDone\r\n",
        [Answer(250, "\x1b[1mDone")],
        "Text is given as it came; who shows it on a terminal makes it harmless.",
        defects="control_character",
    ),
    # --- Sizes ---
    "long_600": Case(
        b"250 " + b"y" * 700 + b"\r\n",
        [Answer(250, "y" * 700)],
        "Longer than the 512 octets of RFC 5321 4.5.3.1.5, but far below the parser's limit.",
        defects="line_too_long",
    ),
    "long_5000": Case(
        b"250 " + b"y" * 4500 + b"\r\n",
        [Answer(250, "y" * 4500)],
        "Below the parser's limit, however it is cut in chunks.",
        defects="line_too_long",
    ),
    "long_9000": Case(
        b"250 " + b"y" * 9500 + b"\r\n",
        [Answer(250, "y" * 9500)],
        "Below the parser's limit, though beyond that of many clients.",
        defects="line_too_long",
    ),
    "cont_1000": Case(
        b"".join(b"250-topic %d\r\n" % number for number in range(1000)) + b"250 that is all\r\n",
        [Answer(250, "\n".join([*map("topic {}".format, range(1000)), "that is all"]), lines=1001)],
        "Below the parser's limit of lines.",
    ),
    # --- Line ends ---
    "lf_only": Case(
        b"250-one\n250 two\n",
        [Answer(250, "one\ntwo", lines=2)],
        "LF alone ends a line; to wait for a CR would be to hang.",
        defects="bare_lf",
    ),
    "cr_only": Case(
        b"250 one\r250 two\r",
        [],
        "CR alone ends no line (RFC 5321 2.3.8), so the line is still under way.",
        cut=True,
        defects="cr_without_lf",
    ),
    "crcrlf": Case(
        b"250 Done\r\r\n",
        [Answer(250, "Done")],
        "All CRs before an LF belong to the line end.",
        defects="extra_cr",
    ),
    "cr_in_text": Case(
        b"250 Do\rne\r\n",
        [Answer(250, "Do\rne")],
        "A CR that stands before no LF is text.",
        defects="cr_without_lf",
    ),
    "lf_in_multi_mixed": Case(
        b"250-one\n250 two\r\n",
        [Answer(250, "one\ntwo", lines=2)],
        "Each line has its own line end.",
        defects="bare_lf",
    ),
    "trailing_ws": Case(
        b"250 Done \t  \r\n",
        [Answer(250, "Done \t  ")],
        "Blanks at the end are text: nothing is lost.",
    ),
    # --- Enhanced codes ---
    "esc_ok": Case(
        b"550 5.1.1 Nobody\r\n",
        [Answer(550, "Nobody", "5.1.1")],
        "RFC 2034 4: the enhanced code stands first in the text, with a space behind it.",
    ),
    "esc_only": Case(
        b"550 5.1.1\r\n",
        [Answer(550, "", "5.1.1")],
        "Nothing must follow it.",
    ),
    "esc_two_digit": Case(
        b"550 5.7.26 Unsigned\r\n",
        [Answer(550, "Unsigned", "5.7.26")],
        "RFC 3463 2: a detail has up to three digits.",
    ),
    "esc_three_digit": Case(
        b"550 5.7.509 Refused here\r\n",
        [Answer(550, "Refused here", "5.7.509")],
        "Three digits, though more than an octet holds and not registered.",
    ),
    "esc_4digit_detail": Case(
        b"550 5.7.5090 Refused\r\n",
        [Answer(550, "5.7.5090 Refused")],
        "Four digits are outside RFC 3463's grammar.",
        defects="enhanced_malformed",
    ),
    "esc_mismatch": Case(
        b"550 4.7.1 Not now\r\n",
        [Answer(550, "Not now", "4.7.1")],
        "Both are kept; enhanced_class_mismatch says that they disagree.",
        defects="enhanced_class_mismatch",
    ),
    "esc_mismatch2": Case(
        b"450 5.1.1 Nobody\r\n",
        [Answer(450, "Nobody", "5.1.1")],
        "Both are kept, the other way round too.",
        defects="enhanced_class_mismatch",
    ),
    "esc_on_3xx": Case(
        b"354 2.5.0 go on\r\n",
        [Answer(354, "2.5.0 go on")],
        "RFC 2034 4 has enhanced codes in 2yz, 4yz and 5yz only.",
        defects="enhanced_not_allowed",
    ),
    "esc_class_3": Case(
        b"550 3.7.1 Refused\r\n",
        [Answer(550, "3.7.1 Refused")],
        "RFC 3463 2 has the classes 2, 4 and 5 only.",
        defects="enhanced_malformed",
    ),
    "esc_dot_end": Case(
        b"550 5.1.1. Nobody\r\n",
        [Answer(550, "5.1.1. Nobody")],
        "A blank must follow; find_enhanced() finds it.",
        defects="enhanced_malformed",
    ),
    "esc_hash": Case(
        b"550 #5.7.1 Refused.\r\n",
        [Answer(550, "#5.7.1 Refused.")],
        "It must stand first; find_enhanced() finds it.",
        defects="enhanced_misplaced",
    ),
    "esc_paren_hash": Case(
        b"553 nobody of that name (#5.7.1)\r\n",
        [Answer(553, "nobody of that name (#5.7.1)")],
        "It must stand first; find_enhanced() finds it where qmail puts it.",
        defects="enhanced_misplaced",
    ),
    "esc_paren_front": Case(
        b"550 (#5.7.1) Refused\r\n",
        [Answer(550, "(#5.7.1) Refused")],
        "It must stand first; find_enhanced() finds it.",
        defects="enhanced_misplaced",
    ),
    "esc_colon": Case(
        b"550 5.7.1: refused\r\n",
        [Answer(550, "5.7.1: refused")],
        "A blank must follow; find_enhanced() finds it.",
        defects="enhanced_malformed",
    ),
    "esc_bracket": Case(
        b"550 [5.7.1] refused\r\n",
        [Answer(550, "[5.7.1] refused")],
        "It must stand first; find_enhanced() finds it.",
        defects="enhanced_misplaced",
    ),
    "esc_angle": Case(
        b"550 <5.7.1> refused\r\n",
        [Answer(550, "<5.7.1> refused")],
        "It must stand first; find_enhanced() finds it.",
        defects="enhanced_misplaced",
    ),
    "esc_nospace_text": Case(
        b"550 5.7.1Refused\r\n",
        [Answer(550, "5.7.1Refused")],
        "A blank must follow; find_enhanced() finds it.",
        defects="enhanced_malformed",
    ),
    "esc_dash": Case(
        b"550 5.7.1-refused\r\n",
        [Answer(550, "5.7.1-refused")],
        "A blank must follow; find_enhanced() finds it.",
        defects="enhanced_malformed",
    ),
    "esc_lead_ws": Case(
        b"550   5.7.1 refused\r\n",
        [Answer(550, "  5.7.1 refused")],
        "It must stand directly behind the code and its one separator.",
        defects="enhanced_misplaced",
    ),
    "esc_tab": Case(
        b"550 5.1.1\trefused\r\n",
        [Answer(550, "refused", "5.1.1")],
        "A TAB is a blank, as behind the reply code.",
        defects="tab_separator",
    ),
    "esc_lead_zero": Case(
        b"550 5.07.001 refused\r\n",
        [Answer(550, "5.07.001 refused")],
        "RFC 3463 2 forbids leading zeros; find_enhanced() drops them.",
        defects="enhanced_malformed",
    ),
    "esc_short": Case(
        b"550 5.7 refused\r\n",
        [Answer(550, "5.7 refused")],
        "Two parts are no enhanced code and nothing like one.",
    ),
    "esc_four_parts": Case(
        b"550 5.7.1.2 refused\r\n",
        [Answer(550, "5.7.1.2 refused")],
        "Four parts are an IP address.",
    ),
    "esc_ip": Case(
        b"550 5.7.1.2\r\n",
        [Answer(550, "5.7.1.2")],
        "Four parts are an IP address, at the end of the line too.",
    ),
    "esc_dup_code": Case(
        b"550 550 5.1.1 nobody\r\n",
        [Answer(550, "550 5.1.1 nobody")],
        "It must stand first; find_enhanced() finds it.",
        defects="enhanced_misplaced",
    ),
    "esc_sep_dash_final": Case(
        b"550-5.1.1 not\r\n550 5.1.1 here\r\n",
        [Answer(550, "not\nhere", "5.1.1", 2)],
        "The hyphen separates the code from the enhanced code as the space does.",
    ),
    "version_like": Case(
        b"220 2.5.1 Example mailer\r\n",
        [Answer(220, "2.5.1 Example mailer")],
        "RFC 2034 4: the greeting has none, since its text begins with the server's name.",
    ),
    "ip_text": Case(
        b"220 4.10.20.30 welcomes you\r\n",
        [Answer(220, "4.10.20.30 welcomes you")],
        "An address in a greeting is none.",
    ),
    # --- Several, none, the end ---
    "two_replies": Case(
        b"250 one\r\n250 two\r\n",
        [Answer(250, "one"), Answer(250, "two")],
        "One feed gives all that is complete, in order; pipelining sends so.",
    ),
    "no_eol": Case(
        b"354 go on",
        [],
        "Without LF the line may go on; the end of input cuts it short, and that is not a reply.",
        cut=True,
    ),
    "quit_no_reply": Case(
        b"",
        [],
        "Nothing came, so nothing was cut.",
        defects=None,
    ),
}


@pytest.fixture
def corpus_inputs(corpus: Callable[[str], Path]) -> dict[str, bytes]:
    """The corpus's bytes by name."""
    lines = corpus("replies/tricky.jsonl").read_text(encoding="ascii").splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["name"]: bytes.fromhex(row["hex"]) for row in rows}


@pytest.fixture(autouse=True)
def _defects_by_the_same_core(core: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """`find_defects` exists once, over whichever core there is: here over the one of the test."""
    monkeypatch.setattr(defects, "classify", core.classify)
    monkeypatch.setattr(defects, "find_enhanced", core.find_enhanced)


class Outcome(NamedTuple):
    """What came of some bytes, without the words."""

    replies: list[tuple[int, str | None, int]]
    has_error: bool
    cut: bool
    defects: tuple[Defect, ...] | None
    mixed: bool
    mixed_enhanced: bool


def parse(core: ModuleType, chunks: list[bytes]) -> tuple[list[Reply], bytes | None, bool]:
    """All replies, the line that was none, and what close() says."""
    state = core.StreamState()
    replies: list[Reply] = []
    error = None
    try:
        for chunk in chunks:
            replies += state.feed(chunk)
    except ReplySyntaxError as caught:
        replies += caught.replies
        error = caught.line
    return replies, error, state.close()


def outcome(core: ModuleType, sent: bytes) -> Outcome:
    replies, error, cut = parse(core, [sent])
    first_line = sent[: sent.find(b"\n") + 1 or None]
    return Outcome(
        [
            (reply.code, reply.enhanced and str(reply.enhanced), len(reply.lines))
            for reply in replies
        ],
        error is not None,
        cut,
        find_defects(first_line) if sent else None,
        bool(replies) and replies[-1].has_mixed_codes,
        bool(replies) and replies[-1].has_mixed_enhanced_codes,
    )


def expected_outcome(case: Case) -> Outcome:
    return Outcome(
        [(answer.code, answer.enhanced, answer.lines) for answer in case.replies],
        case.error is not None,
        case.cut,
        None if case.defects is None else tuple(map(Defect, case.defects.split())),
        case.mixed,
        case.mixed_enhanced,
    )


@pytest.mark.parametrize("name", CASES)
def test_our_bytes(core: ModuleType, name: str) -> None:
    case = CASES[name]
    assert outcome(core, case.sent) == expected_outcome(case), case.why
    replies, error, _ = parse(core, [case.sent])
    assert [reply.text for reply in replies] == [answer.text for answer in case.replies], case.why
    assert error == case.error, case.why


@pytest.mark.parametrize("name", CASES)
def test_our_bytes_one_at_a_time(core: ModuleType, name: str) -> None:
    sent = CASES[name].sent
    assert parse(core, [bytes([octet]) for octet in sent]) == parse(core, [sent])


@pytest.mark.parametrize("name", CASES)
def test_the_corpus_gets_the_same_answer(
    core: ModuleType, corpus_inputs: dict[str, bytes], name: str
) -> None:
    assert outcome(core, corpus_inputs[name]) == expected_outcome(CASES[name]), CASES[name].why


def test_every_input_of_the_corpus_has_its_row(corpus_inputs: dict[str, bytes]) -> None:
    assert set(corpus_inputs) == set(CASES)


def test_there_are_89_rows_with_a_reason_each() -> None:
    assert len(CASES) == 89
    assert all(case.why.endswith(".") for case in CASES.values())
