"""What a reply means: what can be diagnosed, what a diagnosis says, and what it never says."""

from __future__ import annotations

import copy
import io
import pickle
import smtplib
import subprocess
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations, product
from typing import TYPE_CHECKING

import aiosmtplib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import smtpfast
from smtpfast import (
    Category,
    Classifier,
    Diagnoses,
    Diagnosis,
    Disposition,
    Reason,
    ReplyLine,
    ReplyLines,
    ReplyParser,
    Severity,
    SmtpFastError,
    SmtpStatusCode,
    classify,
    classify_lines,
    diagnose,
    diagnose_lines,
)
from smtpfast.reasons import FAILURE_REASONS
from smtpfast.rules import COMMANDS, RULES_WITHOUT_A_FILE
from smtpfast.rules.words import MAX_TEXT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType
    from typing import Any

    from smtpfast import Reply
    from smtpfast._core.pure_meaning import RuleMatcher

RULESET = Classifier.default().ruleset
EXAMPLES = [example for rule in RULESET.rules for example in rule.examples]
GIVING_UP = (Disposition.SUPPRESS, Disposition.FAIL)
NO_ANSWER = (Reason.CONNECTION, Disposition.RETRY, None, None, None, "exception.no_answer", "")

BOUNCE = "550 5.1.1 <a@example.com>: Recipient address rejected: User unknown"
LINES = (
    "250 2.1.5 Ok",
    "354 End data with <CR><LF>.<CR><LF>",
    BOUNCE,
    "450 4.2.0 <b@example.com>: Greylisted, please try again in 299 seconds",
    "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
    "host mx.example.com[192.0.2.1] said: 552 5.2.2 Почтовый ящик переполнен",
    "SSH-2.0-OpenSSH_9.9",
    "550 5.1.1 The email account that you tried to reach does not exist - gsmtp",
    "",
    "599",
)

# The modules are the same for every example.
thorough = settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def reply_of(data: bytes) -> Reply:
    [reply] = ReplyParser().feed(data)
    return reply


# --- Kinds of input -------------------------------------------------------------------------


@pytest.mark.parametrize("line", LINES)
def test_every_kind_of_input_gives_the_same(matcher: RuleMatcher, line: str) -> None:
    data = line.encode()
    expected = matcher.diagnose(data)
    assert type(expected) is Diagnosis
    kinds = [
        line,
        bytearray(data),
        memoryview(data),
        memoryview(b"".join(b"%c\0" % octet for octet in data))[::2],
        classify(data),
        data + b"\r\n",
        line + "\n",
        type("Text", (str,), {})(line),
        type("Octets", (bytes,), {})(data),
        type("Line", (ReplyLine,), {"__slots__": ()})(*classify(data)),
    ]
    for kind in kinds:
        assert matcher.diagnose(kind) == expected, type(kind)
        assert [*map(type, matcher.diagnose(kind))] == [*map(type, expected)], type(kind)
    [row] = matcher.diagnose_lines(data + b"\n")
    assert row == expected
    if classify(data).code >= 0:
        assert matcher.diagnose(reply_of(data + b"\r\n")) == expected


@pytest.mark.parametrize("wrong", [None, 550, 5.5, object(), ["550 x"], ("550 x",), type], ids=repr)
def test_another_type_is_an_error(matcher: RuleMatcher, wrong: object) -> None:
    name = type(wrong).__name__
    said = f"expected bytes, bytearray, memoryview or str, not {name}"
    with pytest.raises(TypeError) as error:
        matcher.diagnose(wrong)
    assert str(error.value) == said
    with pytest.raises(TypeError) as error:
        matcher.diagnose_lines(wrong)
    assert str(error.value) == said
    with pytest.raises(TypeError):
        matcher.diagnose()
    with pytest.raises(TypeError):
        matcher.diagnose(reply="550 x")


def test_the_functions_are_those_of_the_default_classifier() -> None:
    assert Classifier.default() is Classifier.default()
    assert diagnose is smtpfast.diagnose
    for line in LINES:
        assert diagnose(line) == Classifier.default().diagnose(line)
        assert diagnose_lines(line) == Classifier.default().diagnose_lines(line)


IMPOSSIBLE_CODES = """
from smtpfast import Classifier, ReplyLine, SmtpStatusCode
from smtpfast._core import compiled_meaning, pure_meaning
ruleset = Classifier.default().ruleset
pure, compiled = (core.RuleMatcher(ruleset) for core in (pure_meaning, compiled_meaning))
for code in (1000, 1500, 10**8, 2**31 - 1, 2**31, 2**40, -2, -7):
    for text in ("zzz", "User unknown", "5.1.1 zzz"):
        line = ReplyLine(code, SmtpStatusCode.NOT_DEFINED, True, None, text)
        assert compiled.diagnose(line) == pure.diagnose(line), line
"""


@pytest.mark.usefixtures("both_meanings")
def test_a_line_of_a_code_that_cannot_be() -> None:
    # In a process of its own. Nothing but `ReplyLine` itself makes such lines.
    result = subprocess.run(
        [sys.executable, "-c", IMPOSSIBLE_CODES],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr


# --- Several lines --------------------------------------------------------------------------

FOLDS = ("\r\n", "\n", " ", "  ", "/ ", " / ", "\t", " | ")


def test_a_reply_of_several_lines_is_read_as_one(matcher: RuleMatcher) -> None:
    texts = ("The email account that you", "tried to reach does not", "exist - gsmtp")
    whole = matcher.diagnose("550 5.1.1 " + " ".join(texts))
    assert (whole.reason, whole.provider) == (Reason.BAD_MAILBOX, "Google")
    for enhanced in ("", "5.1.1 "):
        lines = [f"550{'-' * (text != texts[-1]) or ' '}{enhanced}{text}" for text in texts]
        reply = reply_of("\r\n".join(lines).encode() + b"\r\n")
        found = [matcher.diagnose(reply)]
        found += [matcher.diagnose(fold.join(lines)) for fold in FOLDS[:2]]
        # A log joins the lines with or without the codes.
        for fold in FOLDS:
            found.append(matcher.diagnose(fold.join(lines)))
            found.append(
                matcher.diagnose("550 " + fold.join(f"{enhanced}{text}" for text in texts))
            )
        for each in found:
            assert each[:6] == whole[:6]


@pytest.mark.parametrize("fold", ["\\n", "\\\\n"])
def test_a_reply_that_exim_has_folded(matcher: RuleMatcher, fold: str) -> None:
    lines = ("550-5.1.1 The email account that you", "550 5.1.1 tried to reach does not exist")
    whole = matcher.diagnose("550 5.1.1 The email account that you tried to reach does not exist")
    assert matcher.diagnose(fold.join(lines))[:6] == whole[:6]


def test_folding_changes_no_rule_of_an_example(matcher: RuleMatcher) -> None:
    for example in EXAMPLES[::3]:
        line = classify(example)
        words = line.text.split(" ")
        if line.code < 400 or len(words) < 4 or "\n" in example:
            continue
        expected = matcher.diagnose(example)
        middle = len(words) // 2
        enhanced = f"{line.enhanced} " if line.enhanced else ""
        first, last = " ".join(words[:middle]), " ".join(words[middle:])
        for between in ("\r\n", "\n", " "):
            folded = f"{line.code}-{enhanced}{first}{between}{line.code} {enhanced}{last}"
            found = matcher.diagnose(folded)
            if line.code in [int(word) for word in words if word.isdigit() and len(word) < 9]:
                continue
            # But the delay: see below.
            assert found[:2] + found[3:6] == expected[:2] + expected[3:6], folded


@pytest.mark.parametrize(
    "text",
    [
        "450-4.7.1 Greylisted, try again in 5\r\n450 4.7.1 minutes",
        "450 4.7.1 Greylisted, try again in 5 (4.7.1) minutes",
        "450 4.7.1 Greylisted, try again in 5 <a7@b.example> minutes",
        "450 4.7.1 Greylisted, try again in 5 (192.0.2.7) minutes",
    ],
)
def test_a_delay_around_what_is_hidden(matcher: RuleMatcher, text: str) -> None:
    assert matcher.diagnose(text).retry_after == 300


@pytest.mark.parametrize(
    "before",
    [
        "host mx.example.com[192.0.2.1] said: ",
        "smtp; ",
        "smtp;",
        "Remote host said: ",
        "mx.example.com (192.0.2.1):",
        "<mx.example.com #5.1.1 smtp; ",
        "SMTP error from remote mail server after RCPT TO:<a@example.com>: ",
        "relay says (",
        "reply='",
        'reply="',
        "status=bounced [",
        "x:\t ",
    ],
)
def test_a_reply_behind_other_words(matcher: RuleMatcher, before: str) -> None:
    for inner in (BOUNCE, "450 4.2.2 Mailbox full", "250 2.0.0 Ok", "550-no such user"):
        expected = matcher.diagnose(inner)
        found = matcher.diagnose(before + inner)
        assert found == expected
        rows = matcher.diagnose_lines(f"250 ok\n{before}{inner}\r\n250 ok\n")
        assert rows[1] == expected
        if rows.evidence_end[1]:
            start, end = rows.evidence_start[1], rows.evidence_end[1]
            assert bytes(rows.lines.data[start:end]).decode() == expected.evidence


@pytest.mark.parametrize(
    "text",
    [
        "said 550 5.1.1 x",  # no mark in front
        "said: 560 x",  # no second digit of RFC 5321
        "said: 350 x",
        "said: 650 x",
        "said: 5500 x",
        "said: 550",
        "said: 550x",
        "said: 55 x",
    ],
)
def test_what_is_no_reply_behind_other_words(matcher: RuleMatcher, text: str) -> None:
    found = matcher.diagnose(text)
    assert not found.evidence.startswith(("550", "560", "350", "650"))
    assert found.disposition not in GIVING_UP or "5.1.1" in text


def test_the_first_inner_reply_counts(matcher: RuleMatcher) -> None:
    found = matcher.diagnose("a said: 450 4.2.2 Mailbox full; b said: 550 5.1.1 User unknown")
    assert found.disposition is Disposition.RETRY
    # A line that has a code of its own has no inner one.
    found = matcher.diagnose("450 4.0.0 it said: 550 5.1.1 User unknown")
    assert found.disposition is Disposition.RETRY


def test_a_text_without_a_code(matcher: RuleMatcher) -> None:
    assert matcher.diagnose("") == (Reason.UNKNOWN, Disposition.RETRY, *[None] * 3, "none", "")
    assert matcher.diagnose("5.1.1 User unknown")[:2] == (Reason.BAD_MAILBOX, Disposition.SUPPRESS)
    assert matcher.diagnose("4.1.1 User unknown")[:2] == (Reason.BAD_MAILBOX, Disposition.RETRY)
    # Neither code: nobody is given up.
    assert matcher.diagnose("User unknown")[:2] == (Reason.BAD_MAILBOX, Disposition.RETRY)
    assert matcher.diagnose("5.1.1 zzz").evidence == "5.1.1"


# --- Exceptions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (smtplib.SMTPResponseException(550, b"5.1.1 User unknown"), "550 5.1.1 User unknown"),
        (smtplib.SMTPResponseException(550, "5.1.1 нет ящика"), "550 5.1.1 нет ящика"),
        (smtplib.SMTPDataError(554, b"5.7.1 Spam"), "554 5.7.1 Spam"),
        (smtplib.SMTPHeloError(501, b"Bad HELO"), "501 Bad HELO"),
        (smtplib.SMTPConnectError(421, b"4.3.2 busy"), "421 4.3.2 busy"),
        (smtplib.SMTPAuthenticationError(535, b"5.7.8 no"), "535 5.7.8 no"),
        (smtplib.SMTPSenderRefused(553, b"5.1.8 no domain", "a@b"), "553 5.1.8 no domain"),
        (
            smtplib.SMTPDataError(550, b"5.7.1 two lines\n5.7.1 of spam"),
            "550-5.7.1 two lines\r\n550 5.7.1 of spam",
        ),
        (smtplib.SMTPResponseException(-1, b"SSH-2.0"), "SSH-2.0"),
        (aiosmtplib.SMTPResponseException(550, "5.1.1 User unknown"), "550 5.1.1 User unknown"),
        (aiosmtplib.SMTPDataError(554, "5.7.1 Spam"), "554 5.7.1 Spam"),
        (aiosmtplib.SMTPHeloError(501, "Bad HELO"), "501 Bad HELO"),
        (aiosmtplib.SMTPConnectResponseError(421, "4.3.2 busy"), "421 4.3.2 busy"),
        (aiosmtplib.SMTPAuthenticationError(535, "5.7.8 no"), "535 5.7.8 no"),
        (aiosmtplib.SMTPSenderRefused(553, "5.1.8 no domain", "a@b"), "553 5.1.8 no domain"),
        (aiosmtplib.SMTPRecipientRefused(550, "5.1.1 gone", "a@b"), "550 5.1.1 gone"),
        (aiosmtplib.SMTPResponseException(-1, "SSH-2.0"), "SSH-2.0"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__module__,
)
def test_an_exception_that_has_a_reply(matcher: RuleMatcher, error: Exception, line: str) -> None:
    found = matcher.diagnose(error)
    assert found[:6] == matcher.diagnose(line)[:6]
    assert matcher.diagnose(error, command="RCPT") == matcher.diagnose(error, "RCPT")


REFUSED = {
    "a@example.com": (550, b"5.1.1 User unknown"),
    "b@example.com": (452, b"4.2.2 Mailbox full"),
    "c@example.com": (421, b"4.7.0 Too many connections"),
}


def test_of_several_recipients_the_best_hope_counts(matcher: RuleMatcher) -> None:
    def of_smtplib(*names: str) -> Exception:
        return smtplib.SMTPRecipientsRefused({name: REFUSED[name] for name in names})

    def of_aiosmtplib(*names: str) -> Exception:
        return aiosmtplib.SMTPRecipientsRefused(
            [
                aiosmtplib.SMTPRecipientRefused(code, text.decode(), name)
                for name, (code, text) in REFUSED.items()
                if name in names
            ]
        )

    each = {name: matcher.diagnose(b"%d %b" % reply) for name, reply in REFUSED.items()}
    a, b, c = REFUSED
    for names, wanted in (((a,), a), ((b,), b), ((a, b), b), ((b, a), b), ((a, c), c), ((c, a), c)):
        for make in (of_smtplib, of_aiosmtplib):
            assert matcher.diagnose(make(*names)) == each[wanted], names
    for make in (of_smtplib, of_aiosmtplib):
        assert matcher.diagnose(make(a, b, c)) in each.values()
        assert matcher.diagnose(make(a, b, c)).disposition not in GIVING_UP
    assert matcher.diagnose(of_smtplib(a)).disposition is Disposition.SUPPRESS


def test_the_order_of_recipients_does_not_matter(matcher: RuleMatcher) -> None:
    refused = [*REFUSED.items(), ("d@example.com", (554, b"5.7.1 Spam")), ("e@b", (599, b"zzz"))]
    for some in permutations(refused, 2):
        found = matcher.diagnose(smtplib.SMTPRecipientsRefused(dict(some)))
        other = matcher.diagnose(smtplib.SMTPRecipientsRefused(dict(reversed(some))))
        assert found.disposition is other.disposition
        dispositions = {matcher.diagnose(b"%d %b" % reply).disposition for _, reply in some}
        assert found.disposition in dispositions
        assert found.disposition not in GIVING_UP or dispositions <= {*GIVING_UP}


@pytest.mark.parametrize(
    "error",
    [
        smtplib.SMTPServerDisconnected("Connection unexpectedly closed"),
        aiosmtplib.SMTPServerDisconnected("Connection lost"),
        aiosmtplib.SMTPConnectError("no"),
        aiosmtplib.SMTPTimeoutError("no"),
        aiosmtplib.SMTPConnectTimeoutError("no"),
        aiosmtplib.SMTPReadTimeoutError("no"),
        ConnectionRefusedError(111, "refused"),
        ConnectionResetError(),
        TimeoutError(),
        OSError(113, "No route to host"),
    ],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__}",
)
def test_an_exception_without_a_reply(matcher: RuleMatcher, error: Exception) -> None:
    assert matcher.diagnose(error) == NO_ANSWER
    assert matcher.diagnose(error, command="MAIL") == NO_ANSWER


@pytest.mark.parametrize(
    "error",
    [ValueError("550 x"), KeyError("550"), Exception(), KeyboardInterrupt(), StopIteration()],
    ids=repr,
)
def test_an_exception_of_another_kind(matcher: RuleMatcher, error: BaseException) -> None:
    with pytest.raises(TypeError) as raised:
        matcher.diagnose(error)
    name = type(error).__name__
    assert str(raised.value) == f"expected an exception of SMTP, not {name}"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (smtplib.SMTPNotSupportedError("SMTP AUTH extension not supported by server."), None),
        (aiosmtplib.SMTPNotSupported("SMTP AUTH extension not supported by server."), None),
        (smtplib.SMTPException("No suitable authentication method found."), Reason.UNKNOWN),
        (aiosmtplib.SMTPException("?"), Reason.UNKNOWN),
        (smtplib.SMTPRecipientsRefused({}), Reason.UNKNOWN),
        (aiosmtplib.SMTPRecipientsRefused([]), Reason.UNKNOWN),
    ],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}",
)
def test_what_a_client_says_without_the_server(
    matcher: RuleMatcher, error: Exception, reason: Reason | None
) -> None:
    # The server was there, and has answered: it is not the connection that failed.
    found = matcher.diagnose(error)
    assert found.reason is not Reason.CONNECTION
    assert found.reason is reason or reason is None
    assert found.rule.startswith("exception.")
    assert found.disposition not in GIVING_UP


# --- Commands -------------------------------------------------------------------------------

OTHER_NAMES = {
    "EHLO": ["HELO", "LHLO", "ehlo", " helo "],
    "MAIL": ["mail", "MAIL FROM", "Mail From"],
    "RCPT": ["rcpt to", "Rcpt"],
    "EOD": [".", "end of data", "eod"],
}


def test_a_command_by_any_of_its_names(matcher: RuleMatcher) -> None:
    for command in COMMANDS:
        for name in (command, command.lower(), f" {command}\t", *OTHER_NAMES.get(command, [])):
            for line in ("550 x", "552 x", "452 x", "250 x"):
                assert matcher.diagnose(line, name) == matcher.diagnose(line, command=command)


@pytest.mark.parametrize("command", ["", "X", "RCPTTO", "MAIL-FROM", "RСPT", "x" * 1000])
def test_another_word_is_no_command(matcher: RuleMatcher, command: str) -> None:
    for line in ("550 x", "250 x", ""):
        with pytest.raises(SmtpFastError) as error:
            matcher.diagnose(line, command=command)
        assert str(error.value) == (
            f"command {command[:80]!r}: expected one of {', '.join(COMMANDS)}"
        )


@pytest.mark.parametrize("command", [b"RCPT", 5, ["RCPT"], SmtpStatusCode.OK], ids=repr)
def test_a_command_is_a_text(matcher: RuleMatcher, command: object) -> None:
    with pytest.raises(TypeError, match="expected a command as str, not "):
        matcher.diagnose("550 x", command=command)


def test_a_text_may_say_what_it_answers(matcher: RuleMatcher) -> None:
    said = {
        "MAIL": "(in reply to MAIL FROM command)",
        "RCPT": "(in reply to RCPT TO command)",
        "DATA": "(in reply to DATA command)",
        "EOD": "(in reply to end of DATA command)",
        "EHLO": "(in reply to EHLO command)",
    }
    for command, words in said.items():
        for line in ("552 zzz", "550 zzz", "452 zzz", "554 zzz"):
            found = matcher.diagnose(f"{line} {words}")
            assert found == matcher.diagnose(line, command=command), (line, command)
            # What the caller says counts more.
            found = matcher.diagnose(f"{line} {words}", command="RCPT")
            assert found == matcher.diagnose(line, command="RCPT"), (line, command)


# --- What RFC 5321 says ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "command", "reasons"),
    [
        # Section 4.5.3.1.10: 552 for too many recipients, as 452.
        ("552 zzz", "RCPT", {Reason.RATE_LIMITED}),
        ("452 zzz", "RCPT", {Reason.RATE_LIMITED}),
        ("552 zzz", "MAIL", {Reason.TOO_LARGE, Reason.MAILBOX_FULL}),
        ("552 zzz", "EOD", {Reason.TOO_LARGE, Reason.MAILBOX_FULL}),
        # Section 3.8 and 4.2.3: the server closes, whatever was asked.
        *[
            ("421 zzz", command, {Reason.SYSTEM})
            for command in (None, *COMMANDS)
            if command not in ("STARTTLS", "AUTH")
        ],
        # Section 4.2.4 and 4.1.4.
        *[(f"{code} zzz", None, {Reason.PROTOCOL}) for code in (500, 501, 502, 503, 504)],
        ("555 zzz", "MAIL", {Reason.PROTOCOL}),
        ("555 zzz", "RCPT", {Reason.PROTOCOL}),
        # Section 4.2.2.
        ("550 zzz", None, {Reason.BAD_MAILBOX}),
        ("550 zzz", "RCPT", {Reason.BAD_MAILBOX}),
        ("550 zzz", "MAIL", {Reason.BAD_SENDER, Reason.POLICY}),
        ("551 zzz", "RCPT", {Reason.RELAY_DENIED, Reason.BAD_MAILBOX, Reason.MAILBOX_MOVED}),
        ("553 zzz", "RCPT", {Reason.BAD_MAILBOX}),
        ("450 zzz", "RCPT", {Reason.SYSTEM, Reason.GREYLISTED}),
        ("451 zzz", None, {Reason.SYSTEM}),
        ("452 zzz", None, {Reason.SYSTEM}),
        # RFC 7504 and RFC 7505.
        ("521 zzz", None, {Reason.BAD_DOMAIN}),
        ("556 zzz", None, {Reason.BAD_DOMAIN}),
        # RFC 4954 section 6, RFC 3207 section 4.
        ("530 zzz", None, {Reason.LOGIN, Reason.TLS}),
        ("535 zzz", None, {Reason.LOGIN}),
        ("534 zzz", None, {Reason.LOGIN}),
        ("454 zzz", "STARTTLS", {Reason.TLS}),
        ("454 zzz", "AUTH", {Reason.LOGIN}),
    ],
)
def test_what_the_codes_alone_say(
    matcher: RuleMatcher, line: str, command: str | None, reasons: set[Reason]
) -> None:
    found = matcher.diagnose(line, command=command)
    assert found.reason in reasons
    assert found.evidence == line[:3]


@pytest.mark.parametrize("command", ["STARTTLS", "AUTH"])
def test_a_server_may_close_whatever_was_asked(matcher: RuleMatcher, command: str) -> None:
    # RFC 5321 section 3.8: nothing is said about TLS or the login, and it may be tried again.
    found = matcher.diagnose("421 zzz", command=command)
    assert found[:2] == (Reason.SYSTEM, Disposition.RETRY)


def test_words_say_more_than_codes(matcher: RuleMatcher) -> None:
    wanted = {
        "552 5.2.2 Mailbox is full": Reason.MAILBOX_FULL,
        "552 5.3.4 Message too big": Reason.TOO_LARGE,
        "550 Too many recipients": Reason.RATE_LIMITED,
        "550 5.7.1 User unknown": Reason.BAD_MAILBOX,
        "550 5.7.1 Relay access denied": Reason.RELAY_DENIED,
        "450 5.1.1 Greylisted": Reason.GREYLISTED,
        "554 SPF check failed": Reason.SENDER_AUTHENTICATION,
        "550 5.1.1 rejected": Reason.BAD_MAILBOX,  # a hint is less than an enhanced code
    }
    assert {line: matcher.diagnose(line).reason for line in wanted} == wanted


# --- How long to wait -----------------------------------------------------------------------

WAITS = {
    "Greylisted, please try again in 299 seconds": 299,
    "Greylisted, please try again in 5 minutes": 300,
    "try again in 5 min": 300,
    "try again in 5min": 300,
    "try again in 1 minute": 60,
    "please retry after 2 hours": 7200,
    "please retry in 1 hour": 3600,
    "try again in 00:04:59": 299,
    "try again in 1:00:00": 3600,
    "try again in 0 seconds": 0,
    "try again in 30s": 30,
    "try again in 999999999 seconds": 999_999_999,
    "Please try again later": None,
    "try again in 9999999999 seconds": None,
    "try again in 999999999 hours": None,
    "no more than 20 messages per 60 minutes": None,
    "mailbox is full since 5 minutes": None,
    "192.0.2.5 minutes": None,
}


@pytest.mark.parametrize("text", WAITS)
def test_how_long_to_wait(matcher: RuleMatcher, text: str) -> None:
    for line in (f"450 4.7.1 {text}", f"450 4.7.1 é {text}", f"550 {text}.", f"421-{text}\n421 x"):
        assert matcher.diagnose(line).retry_after == WAITS[text], line
        [wait] = matcher.diagnose_lines(line.replace("\n", " ")).retry_after
        assert wait == (-1 if WAITS[text] is None else WAITS[text])


def test_every_delay_of_the_default_rules_can_be_found(matcher: RuleMatcher) -> None:
    # A phrase without choice, as it is written, with a number for each #.
    for delay in RULESET.delays:
        for phrase in delay.phrases:
            if set("(*") & set(phrase) or delay.seconds == 0:
                continue
            found = matcher.diagnose("450 " + phrase.replace("#", "2")).retry_after
            assert found is not None, phrase
            assert found > 0, phrase


@pytest.mark.parametrize("seconds", [1, 60, 3600, 86400])
def test_the_largest_delay(meaning: object, rules_of: Callable[..., object], seconds: int) -> None:
    text = f'[[delay]]\nseconds = {seconds}\nphrases = ["in # units"]\n'
    matcher = meaning.RuleMatcher(rules_of(text))
    highest = min(999_999_999, (2**31 - 1) // seconds)
    for number in (0, 1, highest - 1, highest, highest + 1, 10**9, 10**20):
        found = matcher.diagnose(f"450 in {number} units").retry_after
        assert found == (number * seconds if number <= highest else None), number
    assert matcher.diagnose("450 in 000000007 units").retry_after == 7 * seconds
    assert matcher.diagnose("450 in 0000000007 units").retry_after is None


def test_the_first_delay_counts(matcher: RuleMatcher) -> None:
    text = "450 try again in 5 minutes, or try again in 2 hours"
    assert matcher.diagnose(text).retry_after == 300
    assert matcher.diagnose("450 try again in 2 hours or in 5 minutes").retry_after == 7200


# --- Lists and providers --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "blocklist"),
    [
        ("blocked using zen.spamhaus.org", "zen.spamhaus.org"),
        ("blocked using ZEN.Spamhaus.ORG.", "zen.spamhaus.org"),
        ("Client host [192.0.2.1] blocked using bl.spamcop.net; see x", "bl.spamcop.net"),
        (
            "Client host [192.0.2.1] blocked using bl.unheard-of.example; see x",
            "bl.unheard-of.example",
        ),
        ("blocked using BL.Unheard-Of.Example", "bl.unheard-of.example"),
        ("listed at dnsbl.some.example", "dnsbl.some.example"),
        ("User unknown", None),
        ("<zen.spamhaus.org@example.com> unknown", None),
        ("zen.spamhaus.org@example.com unknown", None),
    ],
)
def test_the_list_that_is_named(matcher: RuleMatcher, text: str, blocklist: str | None) -> None:
    for line in (f"554 5.7.1 {text}", f"554 é {text}"):
        assert matcher.diagnose(line).blocklist == blocklist
        rows = matcher.diagnose_lines(f"250 ok\n{line}\n{line}\n")
        assert [row.blocklist for row in rows] == [None, blocklist, blocklist]
        if blocklist:
            assert rows.blocklists[rows.blocklist[1]] == blocklist
            assert matcher.diagnose(line).reason is Reason.BLOCKLISTED
        assert rows.blocklist[0] == -1


def zones() -> list[str]:
    """The zones that are looked for by themselves."""
    lists = [blocklist for blocklist in RULESET.blocklists if blocklist.name in blocklist.hosts]
    return sorted({blocklist.name for blocklist in lists})


def test_every_list_with_a_zone_is_found_by_it(matcher: RuleMatcher) -> None:
    names = {blocklist.name for blocklist in RULESET.blocklists if blocklist.name}
    assert len(zones()) > len(names) // 2
    for zone in zones():
        found = matcher.diagnose(f"554 blocked using {zone}")
        assert found.blocklist in names
        assert zone.endswith(found.blocklist)
        assert matcher.diagnose(f"554 blocked using a.{zone}, x").blocklist == found.blocklist


def test_every_zone_is_named_itself(matcher: RuleMatcher) -> None:
    found = {zone: matcher.diagnose(f"554 blocked using {zone}").blocklist for zone in zones()}
    assert {zone: name for zone, name in found.items() if zone != name} == {}


@pytest.mark.parametrize("provider", [each.name for each in RULESET.providers])
def test_every_provider_can_be_found(matcher: RuleMatcher, provider: str) -> None:
    [signal] = [each for each in RULESET.providers if each.name == provider]
    spellings = [
        *(f"x {phrase} x" for phrase in signal.phrases if not set("(*#") & set(phrase)),
        *(f"x {host if '.' in host else f'a.{host}'} x" for host in signal.hosts),
        *(f"x http://{url} x" for url in signal.urls),
    ]
    found = {matcher.diagnose(f"550 {spelling}").provider for spelling in spellings}
    # One that stands before it in the file may have the same words, but not all.
    assert provider in found or not spellings, found


# --- Evidence -------------------------------------------------------------------------------


def test_the_evidence_is_in_the_text(matcher: RuleMatcher) -> None:
    examples = [example for example in EXAMPLES if "\n" not in example]
    rows = matcher.diagnose_lines("\n".join(examples))
    for number, (example, row) in enumerate(zip(examples, rows, strict=True)):
        start, end = rows.evidence_start[number], rows.evidence_end[number]
        rule = next((rule for rule in RULESET.rules if rule.id == row.rule), None)
        if rule and (rule.phrases or rule.hosts or rule.urls):
            assert bytes(rows.lines.data[start:end]).decode() == row.evidence
            assert row.evidence
            assert row.evidence in example
            assert start >= rows.lines.text_start[number]
            assert end <= rows.lines.text_end[number]
        else:
            assert (start, end) == (0, 0)
            assert row.evidence == "" or row.evidence[0] in "2345"


def test_codes_as_evidence(matcher: RuleMatcher) -> None:
    cases = {
        "250 2.1.5 Ok": "250 2.1.5",
        "250 Ok": "250",
        "250": "250",
        "354 2.0.0 go": "354",
        "354 go": "354",
        "599 zzz": "599",
        "550 5.1.1 zzz": "550 5.1.1",
        "550 zzz (#5.1.1)": "550 5.1.1",
        "zzz": "",
    }
    for line, evidence in cases.items():
        assert matcher.diagnose(line).evidence == evidence, line


# --- What is never said ---------------------------------------------------------------------

# The words of all rules at once.
ALL_PHRASES = [
    phrase for rule in RULESET.rules for phrase in (*rule.phrases, *rule.with_, *rule.hosts)
]
SOUP = " ".join(EXAMPLES)
HOSTILE = {
    "all phrases": " ".join(ALL_PHRASES),
    "all examples": SOUP,
    "all examples backwards": " ".join(reversed(SOUP.split())),
    "a megabyte": (SOUP * (1_000_000 // len(SOUP) + 1))[:1_000_000],
    "a megabyte of one word": "user unknown " * 77_000,
    "a megabyte without a space": "x" * 1_000_000,
    "signs": "邮箱不存在用户不存在" * 5000,
    "open brackets": "<" * 20_000,
    "ats": "a@" * 20_000,
    "dots": "a." * 20_000,
    "slashes": "://" * 20_000,
    "all octets": "".join(chr(0xDC00 + octet if octet > 127 else octet) for octet in range(256)),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_changes_no_severity(matcher: RuleMatcher, text: str) -> None:
    for code in (200, 250, 299, 300, 354, 399):
        found = matcher.diagnose(f"{code} {text}")
        is_accepted = code < 300
        assert found[:2] == (
            Reason.ACCEPTED if is_accepted else Reason.INTERMEDIATE,
            Disposition.DELIVERED if is_accepted else Disposition.CONTINUE,
        )
        assert found[2:6] == (None, None, None, RULES_WITHOUT_A_FILE[code >= 300])
    for code in (400, 421, 499):
        for before in ("", "5.1.1 "):
            found = matcher.diagnose(f"{code} {before}{text}")
            assert found.disposition not in GIVING_UP
            assert found.reason in FAILURE_REASONS


@pytest.mark.parametrize(
    "shape", ["<{}@example.com>", "<a@b.example {}>", "{}@example.com", "a@{}", "<{}@b@c>"]
)
def test_words_in_an_address_decide_nothing(matcher: RuleMatcher, shape: str) -> None:
    expected = matcher.diagnose("550 zzz")
    for rule in RULESET.rules:
        for phrase in rule.phrases[:4]:
            words = "".join(letter if letter.isalnum() else " " for letter in phrase).split()
            signs = any("\u3040" <= letter <= "\ud7ff" for letter in phrase)
            if signs and not shape.startswith("<"):
                continue  # see test_words.py
            inside = (" " if shape.startswith("<") else "-").join(words)
            if len(inside) > 255:
                continue
            found = matcher.diagnose(f"550 zzz {shape.format(inside)}")
            assert found == expected, (rule.id, inside)


def test_words_in_a_url_decide_nothing_but_what_asks_for_urls(matcher: RuleMatcher) -> None:
    expected = matcher.diagnose("550 zzz")
    asks = {rule.id for rule in RULESET.rules if rule.urls or rule.hosts}
    for rule in RULESET.rules:
        for phrase in rule.phrases[:3]:
            words = "".join(letter if letter.isalnum() else " " for letter in phrase).split()
            for shape in ("https://b.example/{}", "b.example/{}", "b.{}.example"):
                found = matcher.diagnose(f"550 zzz {shape.format('-'.join(words))}")
                if any("\u3040" <= letter <= "\ud7ff" for letter in phrase):
                    continue
                assert found[:2] == expected[:2] or found.rule in asks, (rule.id, phrase)


def test_no_code_of_success_is_ever_a_failure(matcher: RuleMatcher) -> None:
    texts = ["", "zzz", "5.1.1 User unknown", "4.2.2 full", "2.0.0 ok", *EXAMPLES[::400]]
    for code, text in product(range(1000), texts):
        found = matcher.diagnose(f"{code:03} {text}")
        if 200 <= code <= 299:
            assert found[:2] == (Reason.ACCEPTED, Disposition.DELIVERED)
            assert found.rule == "code.2yz"
        elif 300 <= code <= 399:
            assert found[:2] == (Reason.INTERMEDIATE, Disposition.CONTINUE)
            assert found.rule == "code.3yz"
        else:
            assert found.reason in FAILURE_REASONS
            assert found.disposition not in (Disposition.DELIVERED, Disposition.CONTINUE)
            if not 500 <= code <= 599:
                assert found.disposition not in GIVING_UP, (code, text)


def test_the_enhanced_code_does_not_make_it_permanent(matcher: RuleMatcher) -> None:
    for code, subject, detail in product((421, 450, 499), range(8), range(0, 100, 7)):
        found = matcher.diagnose(f"{code} 5.{subject}.{detail} zzz")
        assert found.disposition not in GIVING_UP


any_code = st.integers(0, 999).map(lambda code: f"{code:03}")
any_words = st.lists(
    st.one_of(
        st.sampled_from(EXAMPLES),
        st.sampled_from(ALL_PHRASES),
        st.sampled_from(SOUP.split()),
        st.sampled_from(["5.1.1", "4.2.2", "550", "450", "250", ":", ";", "<", ">", "@", "said: "]),
        st.text(st.characters(), max_size=8),
    ),
    max_size=12,
).map(" ".join)


@thorough
@given(code=any_code, separator=st.sampled_from([" ", "-", "\t", ""]), text=any_words)
def test_whatever_is_said_the_first_digit_counts(
    matcher: RuleMatcher, code: str, separator: str, text: str
) -> None:
    found = matcher.diagnose(code + separator + text)
    assert type(found) is Diagnosis
    line = classify(code + separator + text)
    if line.code == int(code):
        assert (found.reason is Reason.ACCEPTED) == (code[0] == "2")
        assert (found.reason is Reason.INTERMEDIATE) == (code[0] == "3")
        assert found.disposition not in GIVING_UP or code[0] == "5"
    assert found.retry_after is None or 0 <= found.retry_after < 2**31
    assert found.evidence == "" or line.code >= 0 or found.evidence


@pytest.mark.parametrize("code", ["550", ""])
def test_what_stands_behind_the_limit_changes_nothing(matcher: RuleMatcher, code: str) -> None:
    behind = (" 5.1.1 User unknown", " try again in 5 minutes", " zen.spamhaus.org", " gsmtp", "é")
    for filler in ("z ", "é", "<", "a.b "):
        text = (filler.encode() * MAX_TEXT_BYTES)[:MAX_TEXT_BYTES]
        before = code.encode() + b" " * bool(code)
        expected = matcher.diagnose(before + text)
        for more in behind:
            assert matcher.diagnose(before + text + more.encode()) == expected, (filler, more)
            assert matcher.diagnose(before + text + more.encode() * 5000) == expected


def test_an_inner_reply_behind_the_limit_is_not_seen(matcher: RuleMatcher) -> None:
    for room in range(3, 8):
        text = "z" * (MAX_TEXT_BYTES - room) + ": 550 5.1.1 User unknown"
        found = matcher.diagnose(text)
        assert found.reason == (Reason.BAD_MAILBOX if room >= 6 else Reason.UNKNOWN), room


# --- Values ---------------------------------------------------------------------------------


def test_a_diagnosis_is_a_plain_value(matcher: RuleMatcher) -> None:
    for line in LINES:
        found = matcher.diagnose(line)
        for twin in (
            copy.copy(found),
            copy.deepcopy(found),
            found._replace(),
            *(
                pickle.loads(pickle.dumps(found, protocol))
                for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
            ),
        ):
            assert twin == found
            assert type(twin) is Diagnosis
            assert (twin.reason, twin.disposition) == (found.reason, found.disposition)
            assert twin.reason is found.reason
        assert hash(found) == hash(matcher.diagnose(line))
        assert matcher.diagnose(line) == found
        assert repr(found).startswith("Diagnosis(reason=<Reason.")
        assert [*found._asdict()] == [
            *("reason", "disposition", "retry_after", "blocklist", "provider", "rule", "evidence")
        ]


@pytest.mark.parametrize("enum", [Reason, Disposition])
def test_a_reason_is_its_name(enum: type[Reason | Disposition]) -> None:
    for member in enum:
        assert member == member.value == str(member) == f"{member}"
        assert member.value == member.name.lower()
        assert enum(member.value) is member
        assert pickle.loads(pickle.dumps(member)) is member
        assert copy.deepcopy(member) is member
        assert {member.value: 1}[member] == 1
    with pytest.raises(ValueError, match="nonsense"):
        enum("nonsense")


@pytest.mark.parametrize("member", [*Reason, *Disposition], ids=lambda member: repr(member)[1:-1])
def test_a_reason_is_described_in_both_languages(member: Reason | Disposition) -> None:
    assert member.description == member.describe() == member.describe("en")
    for text in (member.describe("en"), member.describe("ru")):
        assert text.endswith(".")
        assert len(text) < 200
        assert text == text.strip()
    assert member.describe("en").isascii()
    assert any("а" <= letter <= "я" for letter in member.describe("ru"))
    with pytest.raises(SmtpFastError):
        member.describe("de")


@pytest.mark.parametrize("reason", Reason)
def test_what_a_reason_advises_and_leads_to(reason: Reason) -> None:
    assert reason.advice == reason.advise() == reason.advise("en")
    assert reason.advise("ru") != reason.advise("en")
    with pytest.raises(SmtpFastError):
        reason.advise("de")
    for severity in Severity:
        found = reason.disposition(severity)
        assert type(found) is Disposition
        is_permanent = severity is Severity.PERMANENT_NEGATIVE_COMPLETION
        assert found not in GIVING_UP or is_permanent
    assert len(reason.elsewhere) == 4
    assert [*map(type, reason.elsewhere)] == [str, str, int, str]
    # The numbers that SparkPost and others share.
    shared = {0, 1, 10, *range(15, 26), 30, 40, 50, 51, 52, 53, 54, 60, 70, 80, 90, 100}
    assert reason.elsewhere.number in shared


def test_severity_and_category_are_not_needed_to_tell_what_to_do() -> None:
    line = classify(BOUNCE)
    assert (line.severity, line.category) == (
        Severity.PERMANENT_NEGATIVE_COMPLETION,
        Category.MAIL_SYSTEM,
    )
    assert diagnose(line).disposition is Disposition.SUPPRESS


# --- Columns --------------------------------------------------------------------------------

BUFFER = "\r\n".join([*LINES, *EXAMPLES[::20], *LINES]).encode() + b"\r\n"
FORMATS = {
    "reason": "b",
    "disposition": "b",
    "retry_after": "i",
    "blocklist": "i",
    "provider": "i",
    "rule": "i",
    "evidence_start": "q",
    "evidence_end": "q",
}


def assert_columns_say_what_diagnose_does(rows: Diagnoses, diagnoses: list[Diagnosis]) -> None:
    assert len(rows) == len(diagnoses)
    data = bytes(rows.lines.data)
    for number, found in enumerate(diagnoses):
        assert rows.reasons[rows.reason[number]] is found.reason
        assert rows.dispositions[rows.disposition[number]] is found.disposition
        wait = rows.retry_after[number]
        assert (None if wait == -1 else wait) == found.retry_after
        for column, names, value in (
            (rows.blocklist, rows.blocklists, found.blocklist),
            (rows.provider, rows.providers, found.provider),
        ):
            assert column[number] >= -1
            assert (names[column[number]] if column[number] >= 0 else None) == value
        assert rows.rules[rows.rule[number]] == found.rule
        start, end = rows.evidence_start[number], rows.evidence_end[number]
        assert 0 <= start <= end <= len(data)
        if end:
            assert data[start:end].decode("utf-8", "surrogateescape") == found.evidence
        else:
            assert start == 0


def test_the_columns(matcher: RuleMatcher) -> None:
    rows = matcher.diagnose_lines(BUFFER)
    assert type(rows) is Diagnoses
    diagnoses = [matcher.diagnose(line) for line in BUFFER.split(b"\r\n")[:-1]]
    assert list(rows) == diagnoses
    assert_columns_say_what_diagnose_does(rows, diagnoses)
    for name, format_ in FORMATS.items():
        column = getattr(rows, name)
        assert type(column) is memoryview
        assert (column.format, column.ndim, column.shape) == (format_, 1, (len(rows),))
        assert column.readonly
        assert column.c_contiguous
    assert rows.reasons == tuple(Reason)
    assert rows.dispositions == tuple(Disposition)
    assert rows.rules == (*(rule.id for rule in RULESET.rules), *RULES_WITHOUT_A_FILE)
    assert rows.providers == tuple(provider.name for provider in RULESET.providers)
    assert len(set(rows.blocklists)) == len(rows.blocklists)
    assert repr(rows) == f"<Diagnoses: {len(rows)} lines of {len(BUFFER)} bytes>"
    assert rows.lines == classify_lines(BUFFER)


def test_numpy_reads_the_columns(matcher: RuleMatcher) -> None:
    rows = matcher.diagnose_lines(BUFFER)
    for name, format_ in FORMATS.items():
        column = np.frombuffer(getattr(rows, name), dtype=format_)
        assert column.tolist() == list(getattr(rows, name))
        assert column.dtype.itemsize == array(format_).itemsize
    counts = np.bincount(np.asarray(rows.reason), minlength=len(Reason))
    assert counts.sum() == len(rows)
    assert counts[list(Reason).index(Reason.ACCEPTED)] == sum(
        row.reason is Reason.ACCEPTED for row in rows
    )


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 1000])
def test_any_number_of_rows(matcher: RuleMatcher, count: int) -> None:
    rows = matcher.diagnose_lines((BOUNCE + "\n") * count)
    assert len(rows) == count
    assert {*rows} <= {matcher.diagnose(BOUNCE)}
    for name in FORMATS:
        assert len(getattr(rows, name)) == count
    assert rows == matcher.diagnose_lines((BOUNCE + "\n") * count)
    assert rows != matcher.diagnose_lines((BOUNCE + "\n") * (count + 1))
    assert rows != []
    with pytest.raises(TypeError):
        hash(rows)


def test_what_may_be_given_as_lines(matcher: RuleMatcher) -> None:
    expected = list(matcher.diagnose_lines(BUFFER))
    strided = memoryview(b"".join(b"%c\0" % octet for octet in BUFFER))[::2]
    for lines in (
        BUFFER.decode(),
        bytearray(BUFFER),
        memoryview(BUFFER),
        strided,
        classify_lines(BUFFER),
        classify_lines(bytearray(BUFFER)),
        classify_lines(strided),
        pickle.loads(pickle.dumps(classify_lines(BUFFER))),
    ):
        assert list(matcher.diagnose_lines(lines)) == expected
    lines = classify_lines(BUFFER)
    assert matcher.diagnose_lines(lines).lines is lines


@pytest.mark.parametrize(
    "part",
    [
        slice(None),
        slice(3, 9),
        slice(9, 3),
        slice(None, None, 2),
        slice(1, None, 3),
        slice(None, None, -1),
        slice(-5, None),
        slice(100, 0, -7),
        slice(10**6, None),
    ],
    ids=str,
)
def test_a_slice(matcher: RuleMatcher, part: slice) -> None:
    rows = matcher.diagnose_lines(BUFFER)
    found = rows[part]
    assert type(found) is Diagnoses
    assert list(found) == list(rows)[part]
    assert_columns_say_what_diagnose_does(found, list(rows)[part])
    assert list(found.lines) == list(rows.lines[part])
    assert found.blocklists == rows.blocklists
    # Of the lines first, or of the rows: the same.
    again = matcher.diagnose_lines(classify_lines(BUFFER)[part])
    assert again == found
    assert_columns_say_what_diagnose_does(again, list(rows)[part])
    assert found[::2] == rows[part][::2]
    for name in FORMATS:
        assert getattr(found, name).c_contiguous


def test_the_rows_are_a_sequence(matcher: RuleMatcher) -> None:
    rows = matcher.diagnose_lines(BUFFER)
    assert rows[0] == rows[-len(rows)] == matcher.diagnose(LINES[0])
    assert rows[-1] == rows[len(rows) - 1]
    assert matcher.diagnose(BOUNCE) in rows
    assert rows.index(matcher.diagnose(BOUNCE)) == LINES.index(BOUNCE)
    assert rows.count(matcher.diagnose(BOUNCE)) >= 2
    assert list(reversed(rows)) == list(rows)[::-1]
    for index in (len(rows), -len(rows) - 1):
        with pytest.raises(IndexError):
            rows[index]
    with pytest.raises(TypeError):
        rows["0"]


def test_rows_are_copied_and_pickled() -> None:
    rows = diagnose_lines(BUFFER)
    for twin in (
        copy.copy(rows),
        copy.deepcopy(rows),
        *(
            pickle.loads(pickle.dumps(rows, protocol))
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
        ),
        pickle.loads(pickle.dumps(rows[::-2]))[::-1],
    ):
        assert type(twin) is Diagnoses
        assert twin == (rows if len(twin) == len(rows) else rows[::-2][::-1])
        assert twin.blocklists == rows.blocklists
        for name in FORMATS:
            assert getattr(twin, name).format == FORMATS[name]
    assert pickle.loads(pickle.dumps(rows)).classifier is Classifier.default()


def test_rows_with_names_that_the_lines_bring(matcher: RuleMatcher) -> None:
    text = "554 5.7.1 Client host [192.0.2.1] blocked using {}.unheard-of.example; x\n"
    names = [f"bl{number % 7}" for number in range(50)]
    rows = matcher.diagnose_lines("".join(text.format(name) for name in names))
    assert [row.blocklist for row in rows] == [f"{name}.unheard-of.example" for name in names]
    assert_columns_say_what_diagnose_does(rows, list(rows))
    assert len(rows.blocklists) == len({*rows.blocklists})
    known = {blocklist.name for blocklist in RULESET.blocklists if blocklist.name}
    assert {*rows.blocklists} == known | {f"{name}.unheard-of.example" for name in names}


def test_evidence_spans_count_bytes(matcher: RuleMatcher) -> None:
    lines = ["250 é", "550 ящик é <a@b> User unknown é", "550 5.1.1 \udcff User unknown", BOUNCE]
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    rows = matcher.diagnose_lines(data)
    for number in (1, 2, 3):
        start, end = rows.evidence_start[number], rows.evidence_end[number]
        assert data[start:end] == b"User unknown"
    assert rows[2].evidence == "User unknown"


# --- Threads --------------------------------------------------------------------------------


def test_threads_share_a_matcher(matcher: RuleMatcher) -> None:
    lines = [*LINES, *EXAMPLES[::25]]
    data = "\n".join(line.replace("\n", " ") for line in lines)
    expected = [matcher.diagnose(line) for line in lines]
    expected_rows = [column_bytes(matcher.diagnose_lines(data))] * 2

    def work(shift: int) -> bool:
        order = [*range(shift % len(lines), len(lines)), *range(shift % len(lines))]
        found = all(matcher.diagnose(lines[number]) == expected[number] for number in order)
        rows = [column_bytes(matcher.diagnose_lines(data)) for _ in range(2)]
        return found and rows == expected_rows

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(work, range(0, 160, 10)))
    finally:
        sys.setswitchinterval(interval)


def column_bytes(rows: Diagnoses) -> list[bytes]:
    return [bytes(getattr(rows, name)) for name in FORMATS]


def test_the_lines_of_a_file_go_through_in_parts(tmp_path: Path, matcher: RuleMatcher) -> None:
    path = tmp_path / "replies.txt"
    path.write_bytes(BUFFER)
    whole = list(matcher.diagnose_lines(BUFFER))
    with path.open("rb") as file:
        parts: list[Diagnosis] = []
        while part := file.readlines(500):
            parts += matcher.diagnose_lines(b"".join(part))
    assert parts == whole
    assert [*map(matcher.diagnose, io.BytesIO(BUFFER))] == whole


# --- Objects that nobody should make --------------------------------------------------------


def test_a_matcher_without_rules_is_an_error(meaning: ModuleType) -> None:
    matcher = meaning.RuleMatcher.__new__(meaning.RuleMatcher)
    for call in (matcher.diagnose, matcher.diagnose_lines):
        with pytest.raises((TypeError, AttributeError)):
            call(b"550 x")


@pytest.mark.parametrize(
    "columns",
    [
        (array("h", [550] * 100), b"\0", array("i", [0]), array("q", [4]), array("q", [5])),
        (array("h", [550] * 2), b"\0\0", array("i", [0] * 2), array("q", [4]), array("q", [5] * 2)),
    ],
)
def test_columns_that_are_not_equally_long(matcher: RuleMatcher, columns: tuple[Any, ...]) -> None:
    with pytest.raises(IndexError):
        matcher.diagnose_lines(ReplyLines.of(b"550 x", *columns))


@pytest.mark.parametrize("start_and_end", [(4, 50_000), (-3, 5), (5, 4), (2**62, 2**62 + 1)])
@pytest.mark.parametrize("code", [550, 32_767, -32_768])
def test_rows_that_cannot_be(
    matcher: RuleMatcher, start_and_end: tuple[int, int], code: int
) -> None:
    columns = (
        array("h", [code]),
        b"\0",
        array("i", [0]),
        *(array("q", [x]) for x in start_and_end),
    )
    assert len(matcher.diagnose_lines(ReplyLines.of(b"550 x", *columns))) == 1
