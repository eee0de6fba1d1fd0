"""`smtpfast explain`: what a reply, its code or its enhanced code mean."""

from __future__ import annotations

import sys

from .. import EnhancedStatusCode, classify, describe, find_enhanced
from ..octets import octets
from ..records import TYPE_CHECKING
from ..registry import CLASSES, SUBJECTS
from ..status import MEMBERS, Category, Severity, choose
from .inputs import classifier_of
from .terminal import harmless

if TYPE_CHECKING:
    from argparse import Namespace

    from ..reasons import Diagnosis

_LABELS = {
    "severity": "исход",
    "category": "категория",
    "class": "класс",
    "subject": "область",
    "goes with": "с кодами",
    "source": "источник",
    "disposition": "что делать",
    "advice": "совет",
    "retry after": "подождать",
    "block list": "блок-лист",
    "provider": "провайдер",
    "rule": "правило",
    "evidence": "основание",
}


def run(options: Namespace) -> int:
    """Print what is known of the codes in `options.words`, and what a reply there means."""
    # Not above, for it reads how rules are written.
    from .._core.pure_meaning import inner_reply

    words = " ".join(options.words)
    line = classify(words)
    enhanced = line.enhanced or find_enhanced(line.text)
    # A log has words of its own in front of the reply.
    code = line.code if line.code >= 0 else inner_reply(octets(line.text))[0]
    if code >= 0:
        _explain_code(code, options.language)
    elif enhanced is None:
        print(
            f"smtpfast explain: neither a reply code nor an enhanced status code:"
            f" {harmless(words[:80])}\n"
            "hint: three digits, as in 550, or class.subject.detail, as in 5.1.1",
            file=sys.stderr,
        )
        return 2
    if enhanced is not None:
        if code >= 0:
            print()
        _explain_enhanced(enhanced, options.language)
        if code >= 0 and enhanced.class_ != code // 100:
            print()
            print(
                choose(
                    options.language,
                    f"{code} and {enhanced} contradict each other: the class of an enhanced"
                    " code must be the first digit of the reply code (RFC 2034 section 4).",
                    f"{code} и {enhanced} противоречат друг другу: класс расширенного кода"
                    " должен совпадать с первой цифрой кода ответа (RFC 2034, раздел 4).",
                )
            )
    if code >= 0:
        print()
        _explain_meaning(classifier_of(options.rules).diagnose(words), options.language)
    return 0


def _explain_code(code: int, language: str) -> None:
    severity, category = Severity.of(code), Category.of(code)
    known = MEMBERS.get(code)
    print(f"{code:03} {known.name if known is not None else ''}".rstrip())
    print(f"  {describe(code, language)}")
    _row("severity", severity.describe(language), language)
    _row("category", category.describe(language), language)
    if known is not None:
        _row("source", known.reference, language)


def _explain_enhanced(enhanced: EnhancedStatusCode, language: str) -> None:
    print(f"{enhanced} {enhanced.name}".rstrip())
    print(f"  {enhanced.describe(language)}")
    for label, table, number in (
        ("class", CLASSES, enhanced.class_),
        ("subject", SUBJECTS, enhanced.subject),
    ):
        row = table.get(number)
        if row is not None:
            # IANA's names are English; the sentences already stand above where it has no detail.
            name = choose(language, f"{row.name}. ", "")
            sentence = choose(language, row.english, row.russian)
            _row(label, name + sentence if enhanced.is_registered else row.name, language)
    if enhanced.basic_codes:
        _row("goes with", ", ".join(map(str, enhanced.basic_codes)), language)
    _row("source", enhanced.reference, language)


def _explain_meaning(found: Diagnosis, language: str) -> None:
    print(found.reason)
    print(f"  {found.reason.describe(language)}")
    what_to_do = f"{found.disposition}: {found.disposition.describe(language)}"
    _row("disposition", what_to_do, language)
    _row("advice", found.reason.advise(language), language)
    if found.retry_after is not None:
        seconds = choose(language, "seconds", "с")
        _row("retry after", f"{found.retry_after} {seconds}", language)
    for label, value in (
        ("block list", found.blocklist),
        ("provider", found.provider),
        ("rule", found.rule),
        ("evidence", found.evidence),
    ):
        if value:
            _row(label, harmless(value), language)


def _row(label: str, value: str, language: str) -> None:
    print(f"  {choose(language, label, _LABELS[label]):11} {value}")
