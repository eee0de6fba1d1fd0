"""What is right: what a reply means by a set of rules, in Python."""

from __future__ import annotations

import re
from array import array

from ..errors import SmtpFastError
from ..meaning import Diagnoses
from ..octets import Octets, octets
from ..reasons import Diagnosis, Disposition, Reason
from ..records import TYPE_CHECKING
from ..reply import MALFORMED, Reply, ReplyLine, ReplyLines
from ..rules import COMMANDS, RULES_WITHOUT_A_FILE, admits
from ..rules.phrases import MAX_GAP
from ..rules.words import MAX_TEXT_BYTES, number_class, words_of
from ..status import Severity
from .pure import classify, classify_lines, find_enhanced

if TYPE_CHECKING:
    from typing import Any, Final

    from ..rules import Rule, Ruleset
    from ..rules.words import Word

    # Code (-1: none), packed enhanced code (0: none), text.
    Parts = tuple[int, int, bytes]
    # Where something stands in a text.
    Span = tuple[int, int]

# RFC 5321 section 3.8: 421 may come at any time, and is no answer to the command.
SERVICE_CLOSING: Final = 421

ACCEPTED_RULE, INTERMEDIATE_RULE, NO_RULE = RULES_WITHOUT_A_FILE
# For exceptions that tell of no reply: the server was not reached or went away; the library says
# that the server lacks something; the library says something else.
NO_ANSWER: Final = Diagnosis(
    Reason.CONNECTION, Disposition.RETRY, None, None, None, "exception.no_answer", ""
)
NOT_SUPPORTED: Final = NO_ANSWER._replace(
    reason=Reason.PROTOCOL,
    disposition=Disposition.FIX_CONFIGURATION,
    rule="exception.not_supported",
)
NO_TLS: Final = NO_ANSWER._replace(
    reason=Reason.TLS,
    disposition=Reason.TLS.disposition(Severity.TRANSIENT_NEGATIVE_COMPLETION),
    rule="exception.no_tls",
)
NO_REPLY: Final = NO_ANSWER._replace(reason=Reason.UNKNOWN, rule="exception.no_reply")

# What the exceptions of both libraries that hold a reply say that it answers.
_ANSWERED: Final = {
    "SMTPConnectError": "CONNECT",
    "SMTPConnectResponseError": "CONNECT",
    "SMTPHeloError": "EHLO",
    "SMTPAuthenticationError": "AUTH",
    "SMTPSenderRefused": "MAIL",
    "SMTPRecipientRefused": "RCPT",
    "SMTPRecipientsRefused": "RCPT",
    "SMTPDataError": "EOD",
}

# Which of several recipients' dispositions speaks for all: nobody is given up because of another.
_HOPES: Final = (
    Disposition.RETRY,
    Disposition.SLOW_DOWN,
    Disposition.FIX_CONFIGURATION,
    Disposition.FIX_SENDER,
    Disposition.FIX_MESSAGE,
    Disposition.FAIL,
    Disposition.SUPPRESS,
    Disposition.CONTINUE,
    Disposition.DELIVERED,
)

_REASONS: Final = tuple(Reason)
_DISPOSITIONS: Final = tuple(Disposition)
_OTHER_NAMES: Final = {
    "HELO": "EHLO",
    "LHLO": "EHLO",
    "MAIL FROM": "MAIL",
    "RCPT TO": "RCPT",
    "END OF DATA": "EOD",
    ".": "EOD",
}
# Where a log or a report puts a reply behind words of its own: "host mx said: 550 no".
_INNER_REPLY: Final = re.compile(rb"[:;<>'\"(\[][ \t]*(?=[245][0-5][0-9][ -])")
_NUMBER: Final = re.compile(r"[0-9]+")
_LONGEST_DELAY: Final = 2**31 - 1
_DIGITS_OF_DELAY: Final = 9
_HOST: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]*")
_NOT_OF_HOST: Final = re.compile(r"[^A-Za-z0-9.-]")
_UP_TO_HOST: Final = re.compile(r"[^0-9A-Za-z]{1,3}")


class RuleMatcher:
    """Decides by a `Ruleset`: the work of `Classifier`."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.ruleset = ruleset
        self._nodes = ruleset.phrases.nodes()
        self._code_rules = [number for number, group in enumerate(ruleset.rule_groups) if group < 0]

    def diagnose(self, reply: Any, /, command: str | None = None) -> Diagnosis:
        """What a reply means.

        Takes a `ReplyLine`, a `Reply`, an exception of smtplib or aiosmtplib, or the text of a
        reply as bytes, bytearray, memoryview or str: one line, several, or as a log has folded
        them; another type is a `TypeError`. `command` is what the reply answers, in SMTP's words
        (MAIL, RCPT, DATA, EOD for the end of DATA …); another word is a `SmtpFastError`. Never
        raises on content; reads the first 16,384 bytes of the text. Of several refused recipients
        the most hopeful one counts.
        """
        number = -1 if command is None else command_number(command)
        if isinstance(reply, BaseException):
            return diagnosis_of_exception(self, reply, command)
        return self._decide(*parts_of(reply), number)[0]

    def diagnose_lines(self, lines: Octets | ReplyLines, /) -> Diagnoses:
        """What each line of a buffer means, in columns: see `Diagnoses`.

        Takes what `classify_lines` takes, or its answer.
        """
        if not isinstance(lines, ReplyLines):
            lines = classify_lines(lines)
        ruleset = self.ruleset
        columns = [array(typecode) for typecode in "bbiiiiqq"]
        names = (blocklist.name for blocklist in ruleset.blocklists if blocklist.name)
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        for row in range(len(lines)):
            text = bytes(lines.data[lines.text_start[row] : lines.text_end[row]])
            parts = lines.code[row], lines.enhanced[row], text
            if parts[0] == MALFORMED:
                parts = inner_reply(text)
            found, start, end = self._decide(*parts, -1)
            shift = lines.text_end[row] - len(parts[2]) if end else 0
            cells = (
                _REASONS.index(found.reason),
                _DISPOSITIONS.index(found.disposition),
                -1 if found.retry_after is None else found.retry_after,
                -1
                if found.blocklist is None
                else numbers.setdefault(found.blocklist, len(numbers)),
                ruleset.provider_names.index(found.provider) if found.provider else -1,
                ruleset.rule_names.index(found.rule),
                start + shift,
                end + shift,
            )
            for column, cell in zip(columns, cells, strict=True):
                column.append(cell)
        return Diagnoses(lines, self, tuple(numbers), columns)

    def _decide(
        self, code: int, enhanced: int, text: bytes, command: int
    ) -> tuple[Diagnosis, int, int]:
        """The diagnosis, and the span of its evidence in `text`; (0, 0) where codes decided."""
        if 200 <= code <= 299:
            evidence = codes_as_evidence(code, enhanced)
            return _plain(Reason.ACCEPTED, Disposition.DELIVERED, ACCEPTED_RULE, evidence), 0, 0
        if 300 <= code <= 399:
            reason, evidence = Reason.INTERMEDIATE, codes_as_evidence(code, 0)
            return _plain(reason, Disposition.CONTINUE, INTERMEDIATE_RULE, evidence), 0, 0
        rules = self.ruleset
        if code == SERVICE_CLOSING:
            command = -1
        text = text[:MAX_TEXT_BYTES]
        enhanced = enhanced or enhanced_in(text)
        seen = text.decode("utf-8", "surrogateescape")
        hits = self._hits(seen, code)
        if command < 0 and code != SERVICE_CLOSING:
            found = _first(hits, 0, len(rules.commands))
            command = rules.command_numbers[found] if found >= 0 else -1
        provider = _first(hits, rules.first_provider_group, len(rules.providers))
        number = self._deciding_rule(code, enhanced, command, provider, hits)
        severity = severity_of(code, enhanced)
        start = end = 0
        evidence = codes_as_evidence(code, enhanced)
        if number is None:
            reason, disposition, name = Reason.UNKNOWN, None, NO_RULE
        else:
            rule = rules.rules[number]
            reason, disposition, name = rule.reason, rule.disposition, rule.id
            if rules.rule_groups[number] >= 0:
                first, last = hits[rules.rule_groups[number]]
                evidence = seen[first:last]
                start = len(octets(seen[:first]))
                end = start + len(octets(evidence))
            elif not rule.enhanced:
                evidence = codes_as_evidence(code, 0)
        if disposition is None or severity_forbids(disposition, severity):
            disposition = reason.disposition(severity)
        diagnosis = Diagnosis(
            reason,
            disposition,
            self._retry_after(seen, code, hits),
            self._blocklist(seen, hits),
            rules.providers[provider].name if provider >= 0 else None,
            name,
            evidence,
        )
        return diagnosis, start, end

    def _deciding_rule(
        self, code: int, enhanced: int, command: int, provider: int, hits: dict[int, Span]
    ) -> int | None:
        rules = self.ruleset
        first = rules.first_rule_group
        found = [rules.rule_of_group[group - first] for group in hits if group >= first]
        for number in sorted(found + self._code_rules):
            rule = rules.rules[number]
            if (
                rules.rule_providers[number] in (-1, provider)
                and _holds(rules, rule, code, enhanced, command)
                and (not rule.with_ or any(map(hits.__contains__, rules.with_groups[number])))
                and not any(map(hits.__contains__, rules.without_groups[number]))
            ):
                return number
        return None

    def _hits(self, text: str, code: int) -> dict[int, Span]:
        """The groups that have a phrase in `text`, each with its first span there."""
        hits: dict[int, Span] = {}
        words = words_of(text, code)
        rows = words.plain, words.hosts, words.urls, words.plain, words.plain
        for root, row in enumerate(rows):
            for start in range(len(row)):
                self._follow(root, row, start, start, hits)
        return hits

    def _follow(
        self, node: int, words: list[Word], start: int, at: int, hits: dict[int, Span]
    ) -> None:
        """Note all phrases of `node` and below that go on at `words[at]`."""
        gap, edges, groups = self._nodes[node]
        for group in groups:
            hits.setdefault(group, (words[start].start, words[at - 1].end))
        if at == len(words) or not words[at].key:
            return
        key = words[at].key
        for edge in dict.fromkeys((key, number_class(key))):
            if edge in edges:
                self._follow(edges[edge], words, start, at + 1, hits)
        if gap:
            for after in range(at, min(at + MAX_GAP + 1, len(words))):
                self._follow(gap, words, start, after, hits)
                if not words[after].key:
                    break

    def _retry_after(self, text: str, code: int, hits: dict[int, Span]) -> int | None:
        """The delay that stands first in the text."""
        rules = self.ruleset
        first = rules.first_delay_group
        groups = [group for group in range(first, first + len(rules.delays)) if group in hits]
        if not groups:
            return None
        group = min(groups, key=lambda group: hits[group])
        words = words_of(text[slice(*hits[group])], code).plain
        numbers = [word.key for word in words if number_class(word.key)]
        return delay_of(numbers, rules.delays[group - first].seconds)

    def _blocklist(self, text: str, hits: dict[int, Span]) -> str | None:
        rules = self.ruleset
        number = _first(hits, rules.first_blocklist_group, len(rules.blocklists))
        if number < 0:
            return None
        span = hits[rules.first_blocklist_group + number]
        return rules.blocklists[number].name or list_named_at(text, *span)


def _plain(reason: Reason, disposition: Disposition, rule: str, evidence: str) -> Diagnosis:
    return Diagnosis(reason, disposition, None, None, None, rule, evidence)


def _first(hits: dict[int, Span], first: int, count: int) -> int:
    """The first of `count` groups that was hit, from 0; -1 for none."""
    return next((number for number in range(count) if first + number in hits), -1)


def _holds(rules: Ruleset, rule: Rule, code: int, enhanced: int, command: int) -> bool:
    """Whether the codes and the command are the rule's."""
    if rule.codes and not any(code in rules.codes[pattern] for pattern in rule.codes):
        return False
    if rule.commands and (command < 0 or COMMANDS[command] not in rule.commands):
        return False
    if not rule.enhanced:
        return True
    return any(admits(rules.enhanced[pattern], enhanced) for pattern in rule.enhanced)


def command_number(command: str) -> int:
    """Where a command stands in `COMMANDS`; another word is a `SmtpFastError`."""
    if not isinstance(command, str):
        raise TypeError(f"expected a command as str, not {type(command).__name__}")
    name = command.strip().upper()
    name = _OTHER_NAMES.get(name, name)
    if name not in COMMANDS:
        raise SmtpFastError(f"command {command[:80]!r}: expected one of {', '.join(COMMANDS)}")
    return COMMANDS.index(name)


def parts_of(reply: Any) -> Parts:
    """What a reply of any kind says."""
    said = reply if isinstance(reply, Reply | ReplyLine) else classify(reply)
    text = octets(said.text)
    if 0 <= said.code <= 999:
        return said.code, int(said.enhanced or 0), text
    return inner_reply(text)


def inner_reply(text: bytes) -> Parts:
    """The first reply behind other words, or the whole text without a code."""
    match = _INNER_REPLY.search(text[:MAX_TEXT_BYTES])
    if not match:
        return MALFORMED, 0, text
    line = classify(text[match.end() :])
    return line.code, int(line.enhanced or 0), octets(line.text)


def diagnosis_of_exception(
    matcher: RuleMatcher, error: BaseException, command: str | None
) -> Diagnosis:
    """What an exception of smtplib or aiosmtplib means.

    Known by its attributes and names, so that neither library need be there; one that has nothing
    to do with SMTP is a `TypeError`. Unless a command is given, the class says what was answered.
    """
    names = {base.__name__ for base in type(error).__mro__}
    replies = _replies_in(error)
    if replies:
        answered = command or next((_ANSWERED[name] for name in names & _ANSWERED.keys()), None)
        found = [matcher.diagnose(reply, answered) for reply in replies]
        return min(found, key=lambda each: _HOPES.index(each.disposition))
    if names & {"SMTPNotSupported", "SMTPNotSupportedError"}:
        return NOT_SUPPORTED
    if "SSLError" in names:
        return NO_TLS
    if names & {"SMTPServerDisconnected", "ConnectionError", "TimeoutError"}:
        return NO_ANSWER
    if "SMTPException" in names:
        return NO_REPLY
    if isinstance(error, OSError):
        return NO_ANSWER
    raise TypeError(f"expected an exception of SMTP, not {type(error).__name__}")


def _replies_in(error: Any) -> list[bytes]:
    """smtplib's exceptions have `smtp_code` and `smtp_error`, or a dict of (code, text);
    aiosmtplib's `code` and `message`, or a list of exceptions."""
    recipients = getattr(error, "recipients", None)
    if isinstance(recipients, dict):
        return [_joined(*reply) for reply in recipients.values()]
    if isinstance(recipients, list):
        return [_joined(each.code, each.message) for each in recipients]
    if hasattr(error, "smtp_code"):
        return [_joined(error.smtp_code, error.smtp_error)]
    if hasattr(error, "code") and hasattr(error, "message"):
        return [_joined(error.code, error.message)]
    return []


def _joined(code: int, text: Octets) -> bytes:
    return b"%03d %b" % (code, octets(text)) if code >= 0 else octets(text)


def enhanced_in(text: bytes) -> int:
    """The enhanced code of a failure that stands somewhere in the text; 0 for none."""
    found = find_enhanced(text)
    # A 2 first is the version of some software there.
    return int(found) if found and found.class_ != 2 else 0


def severity_of(code: int, enhanced: int) -> Severity:
    """By the reply code; where there is none, by the class of the enhanced code."""
    return Severity.of(enhanced // 10_000 if code == MALFORMED else code)


def severity_forbids(disposition: Disposition, severity: Severity) -> bool:
    """Nobody is given up for what may pass."""
    is_permanent = severity is Severity.PERMANENT_NEGATIVE_COMPLETION
    return disposition in (Disposition.SUPPRESS, Disposition.FAIL) and not is_permanent


def codes_as_evidence(code: int, enhanced: int) -> str:
    """The codes as a reply has them: "550 5.1.1"."""
    words = [f"{code:03}"] if code >= 0 else []
    if enhanced:
        words.append(f"{enhanced // 1_000_000}.{enhanced // 1_000 % 1_000}.{enhanced % 1_000}")
    return " ".join(words)


def delay_of(words: list[str], seconds: int) -> int | None:
    """The delay that a phrase with these numbers ("5", "5min") has matched.

    `seconds` is what its unit is, 0 for a clock. None for a number that cannot be meant.
    """
    numbers = [match[0] for match in map(_NUMBER.match, words[-3:]) if match]
    if any(len(number) > _DIGITS_OF_DELAY for number in numbers):
        return None
    if seconds:
        delay = int(numbers[-1]) * seconds if numbers else seconds
    else:
        hours, minutes, rest = map(int, numbers)
        delay = hours * 3600 + minutes * 60 + rest
    return delay if delay <= _LONGEST_DELAY else None


def list_named_at(text: str, start: int, end: int) -> str | None:
    """The host name around or right behind text[start:end], in lower case; None for none."""
    cuts = [match.end() for match in _NOT_OF_HOST.finditer(text, max(0, start - 255), start)]
    match = _HOST.match(text, cuts[-1] if cuts else max(0, start - 255))
    if match is None or match.end() < end:
        behind = _UP_TO_HOST.match(text, end)
        match = _HOST.match(text, behind.end()) if behind else None
    return match[0].lower() if match else None
