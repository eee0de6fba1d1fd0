"""What `diagnose` and `diagnose_lines` are measured with, and beside whom.

The replies are the labelled ones of tests/data/, with other addresses, names and numbers each time
they are drawn, and what servers say when they take a mail. In the mix 12.93% are failures, as of
the first attempts that "Bounce in the Wild" (IMC 2024) counted.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cases import CORES, PURE_BYTES, SEED, Case, Way, cut, load, start
from smtpfast import Reason, ReplyLine, classify, classify_lines
from smtpfast._core import pure, pure_meaning
from smtpfast.rules import HINT_LEVEL, Rule, Ruleset, default_ruleset
from smtpfast.rules.phrases import GAP, Phrase, parse_phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smtpfast import Diagnoses, Diagnosis

compiled_meaning = load("smtpfast._core.compiled_meaning", "the compiled core is not built")
hyperscan = load("hyperscan", "hyperscan is not installed")
CORES_OF_MEANING = {"compiled": compiled_meaning, "pure": pure_meaning} if compiled_meaning else {}

LABELLED = Path(__file__).parents[1] / "tests" / "data" / "labelled"
SHARE_OF_FAILURES = 0.1293
BUFFER_BYTES = 100_000_000
RIVAL_BYTES = 10_000_000
ADDRESS = re.compile(rb"[\w.+-]+@[\w.-]+")
NUMBER = re.compile(rb"(?<=[\w.])[0-9]{2,}(?=[\w.])")

# What the big makers of servers say of a mail that they take, and how often here: the mix has 150
# bytes a line on average.
TAKEN = (
    b"250 2.0.0 Ok: queued as 4Yd2Kq1xWzz9sQ",
    b"250 2.0.0 OK  1763970000 d2e1a72fcca58-7b0f8c1d2e3si1234567b3a.123 - gsmtp",
    b"250 2.6.0 <0a1b2c3d4e5f.12345@mail.example.com> [InternalId=12345678901234,"
    b" Hostname=AM0PR01MB1234.eurprd01.prod.exchangelabs.com] 12345 bytes in 0.123,"
    b" 98.765 KB/sec Queued mail for delivery",
    b"250 2.0.0 (1a2b3c4d) Message accepted for delivery from [192.0.2.25] by mx12.example.net"
    b" with id 5F3A1B2C-7D8E-4F90-A1B2-C3D4E5F60718; thank you",
    b"250 OK id=1tHxYz-00000001abc-2DeF message of 12345 bytes accepted for delivery by"
    b" mx2.example.org, queue time 0.42 s, remote [198.51.100.25]:25 TLS1.3"
    b" ECDHE X25519, 2 recipients",
)

TIMES_TAKEN = (1, 1, 10, 3, 7)


@cache
def failures() -> list[bytes]:
    """The labelled replies that are failures, each in one line."""
    replies = [
        json.loads(line)["reply"]
        for path in sorted(LABELLED.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return [" ".join(reply.split()).encode() for reply in replies if reply[0] in "45"]


def drawn(rng: random.Random, line: bytes) -> bytes:
    """`line` about somebody else: other addresses, other numbers inside names."""
    user = b"user%d@host%d.example" % (rng.randrange(10**6), rng.randrange(10**4))
    line = ADDRESS.sub(user, line)
    return line[:12] + NUMBER.sub(lambda found: b"%d" % rng.randrange(10, 250), line[12:])


def lines(share: float) -> Iterator[bytes]:
    """Replies without end, of which this share are failures."""
    rng = random.Random(SEED)
    while True:
        is_failure = rng.random() < share
        line = rng.choice(failures()) if is_failure else rng.choices(TAKEN, TIMES_TAKEN)[0]
        yield drawn(rng, line) + b"\r\n"


@cache
def buffer(share: float, size: int = BUFFER_BYTES) -> bytes:
    """So many bytes of replies; 1 MB that is drawn anew, over and over."""
    some = lines(share)
    once = b""
    while len(once) < min(size, 4_000_000):
        once += b"".join(next(some) for _ in range(1_000))
    return cut(once * (size // len(once) + 1), size)


@cache
def sample(share: float, count: int = 400) -> list[bytes]:
    some = lines(share)
    return [next(some) for _ in range(count)]


# --- The same rules as a list of patterns -----------------------------------------------------


def as_pattern(phrase: Phrase) -> str:
    """A phrase as a regular expression, for the words of a text that have one space between."""
    gap = "(?: [^ .]+){0,3}"
    written = ""
    for part in phrase:
        if part == ((GAP,),):
            written += gap
            continue
        ways = [
            "".join(rf" {'[0-9]+' if word == '#' else re.escape(word)}" for word in way)
            for way in part
        ]
        written += ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"
    return written + r"(?= |$)"


class PatternRules:
    """The default rules as a programmer would write them: patterns, tried one after the other."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.rules = [
            (
                rule.reason,
                frozenset(code for each in rule.codes for code in ruleset.codes[each]),
                [ruleset.enhanced[each] for each in rule.enhanced],
                self.patterns((*rule.phrases, *rule.hosts, *rule.urls)),
                self.patterns(rule.with_),
                self.patterns(rule.without),
            )
            for rule in ruleset.rules
            if not rule.commands and not rule.provider
        ]

    @staticmethod
    def patterns(texts: tuple[str, ...]) -> list[re.Pattern[str]]:
        return [re.compile(as_pattern(parse_phrase(text))) for text in texts]

    def reason(self, line: ReplyLine) -> Reason:
        if line.code < 400:
            return Reason.ACCEPTED
        text = " " + " ".join(re.findall(r"[^\W_]+", re.sub(r"\S+@\S+", "", line.text.lower())))
        for reason, codes, enhanced, phrases, with_, without in self.rules:
            if codes and line.code not in codes:
                continue
            if enhanced and not self.admits(enhanced, line):
                continue
            if phrases and not any(pattern.search(text) for pattern in phrases):
                continue
            if with_ and not any(pattern.search(text) for pattern in with_):
                continue
            if any(pattern.search(text) for pattern in without):
                continue
            return reason
        return Reason.UNKNOWN

    @staticmethod
    def admits(patterns: list[Any], line: ReplyLine) -> bool:
        if line.enhanced is None:
            return False
        class_, subject, detail = line.enhanced
        return any(
            pattern.class_ in (0, class_)
            and pattern.subject in (-1, subject)
            and pattern.first <= detail <= pattern.last
            for pattern in patterns
        )


def mostly_agree(answers: list[Reason], expected: list[Diagnosis]) -> bool:
    """The patterns see host names as words, so they may differ now and then."""
    same = sum(
        answer == diagnosis.reason for answer, diagnosis in zip(answers, expected, strict=True)
    )
    return same >= 0.85 * len(expected)


# --- Cases -----------------------------------------------------------------------------------


def one_by_one(what: str, share: float) -> Case:
    ruleset = default_ruleset()
    raw = sample(share)
    parsed = [classify(line) for line in raw]
    matchers = {core: module.RuleMatcher(ruleset) for core, module in CORES_OF_MEANING.items()}
    expected = [matchers["pure"].diagnose(line) for line in parsed]
    ways = [
        Way(
            f"{core}, {given}",
            "[f(line) for line in some]",
            expected.__eq__,
            {"f": matcher.diagnose, "some": some},
            size="len(some)",
            # Long enough that what the way before has left in the caches does not count.
            calls=50 if core == "compiled" else 1,
        )
        for core, matcher in matchers.items()
        for given, some in (("a ReplyLine", parsed), ("bytes", raw))
    ]
    ways += [
        Way(
            "classify",
            "[f(line) for line in some]",
            parsed.__eq__,
            {"f": CORES["compiled"].classify, "some": raw},
            size="len(some)",
            calls=50,
        ),
        Way(
            "the rules as re patterns",
            "[f(line) for line in some]",
            lambda answers: mostly_agree(answers, expected[:40]),
            {"f": PatternRules(ruleset).reason, "some": parsed[:40]},
            size="len(some)",
            calls=1,
        ),
    ]
    return Case(f"diagnose, {what}", ways)


def columns_are_right(answer: Diagnoses) -> bool:
    """The front by the pure core, row by row; all reasons of the rest must be known ones."""
    front = cut(bytes(answer.lines.data), PURE_BYTES // 20)
    expected = pure_meaning.RuleMatcher(answer.classifier.ruleset).diagnose_lines(front)
    count = len(expected)
    names = ("reason", "disposition", "retry_after", "provider", "rule", "evidence_start")
    return all(
        getattr(answer, name)[:count].tolist() == getattr(expected, name).tolist() for name in names
    )


def literals(ruleset: Ruleset) -> list[bytes]:
    """All words in a row that the phrases of the rules can have between two gaps."""
    found: set[str] = set()
    owners = [*ruleset.rules, *ruleset.providers, *ruleset.blocklists, *ruleset.delays]
    for owner in owners:
        texts = (*owner.phrases, *owner.hosts, *owner.urls)
        if isinstance(owner, Rule):
            texts += owner.with_ + owner.without
        for text in texts:
            rows: list[tuple[str, ...]] = [()]
            for part in (*parse_phrase(text), ((GAP,),)):
                if part == ((GAP,),):
                    found |= {" ".join(row) for row in rows if row}
                    rows = [()]
                else:
                    rows = [row + way for row in rows for way in part]
    return sorted(text.encode() for text in found if "#" not in text)


@cache
def hyperscan_database(count: int | None = None) -> Any:
    texts = literals(default_ruleset())
    if count is not None:
        texts = random.Random(SEED).sample(texts, count)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SINGLEMATCH
    database.compile(
        expressions=texts,
        ids=range(len(texts)),
        elements=len(texts),
        flags=[flags] * len(texts),
        literal=True,
    )
    return database


def scan(database: Any, data: bytes) -> int:
    found = []
    database.scan(data, match_event_handler=lambda number, *_: found.append(number))
    return len(found)


def in_columns(what: str, share: float) -> Case:
    def data() -> bytes:
        return buffer(share)

    def front() -> bytes:
        return cut(buffer(share), RIVAL_BYTES)

    ruleset = default_ruleset()
    ways = [
        Way(
            who,
            "f(x)",
            columns_are_right,
            {"f": matcher.diagnose_lines, "make": make},
            setup=f"x = make(){parse}",
            size="len(x.data)" if parse else "len(x)",
            calls=1,
        )
        for who, core, make, parse in (
            ("compiled", "compiled", data, ""),
            ("compiled, of ReplyLines", "compiled", data, "; x = classify_lines(x)"),
            ("pure", "pure", lambda: cut(data(), PURE_BYTES // 10), ""),
        )
        if core in CORES_OF_MEANING
        for matcher in [CORES_OF_MEANING[core].RuleMatcher(ruleset)]
    ]
    ways = [replace(way, names={**way.names, "classify_lines": classify_lines}) for way in ways]
    ways.append(
        Way(
            'count(b"\\n")',
            'x.count(b"\\n")',
            lambda answer: answer == len(data().split(b"\n")) - 1,
            {"make": data},
            setup="x = make()",
            size="len(x)",
            calls=1,
        )
    )
    if hyperscan:
        ways += [
            Way(
                f"hyperscan, {who}",
                "scan(database, x)",
                lambda answer: answer > 10,
                {"scan": scan, "make": front, "database": hyperscan_database(count)},
                setup="x = make()",
                size="len(x)",
                calls=1,
            )
            for who, count in (("all literals", None), ("2,000 of them", 2_000))
        ]
    return Case(f"diagnose_lines, 100 MB, {what}", ways, unit="GB/s")


WORDS = [f"{one}{two}{three}" for one in "bdfglm" for two in "aeiou" for three in "knprstvz"]


def many_phrases(count: int) -> Ruleset:
    """A rule of one phrase each, of words that look like words, and the default signals."""
    rng = random.Random(SEED)
    phrases = {" ".join(rng.choices(WORDS, k=rng.randint(2, 4))) for _ in range(2 * count)}
    blank = (
        default_ruleset()
        .rules[0]
        ._replace(
            **dict.fromkeys(
                ("hosts", "urls", "with_", "without", "codes", "enhanced", "commands"), ()
            ),
            provider="",
            level=HINT_LEVEL - 2,
            disposition=None,
        )
    )
    rules = [
        blank._replace(id=f"many.r{number}", phrases=(phrase,))
        for number, phrase in enumerate(sorted(phrases)[:count])
    ]
    return Ruleset(rules, {kind: [] for kind in default_ruleset().signals})


def by_number_of_phrases() -> Case:
    rng = random.Random(SEED)
    text = b"".join(
        b"550 5.7.1 " + " ".join(rng.choices(WORDS, k=24)).encode() + b"\r\n" for _ in range(20_000)
    )
    return Case(
        "diagnose_lines, 2 MB of the words of these phrases",
        [
            Way(
                f"{count:,} phrases",
                "f(x)",
                columns_are_right,
                {
                    "f": CORES_OF_MEANING["compiled"]
                    .RuleMatcher(many_phrases(count))
                    .diagnose_lines,
                    "text": text,
                },
                setup="x = text",
                size="len(x)",
                calls=1,
            )
            for count in (50, 500, 5_000)
            if "compiled" in CORES_OF_MEANING
        ],
        unit="GB/s",
    )


def first_use() -> Case:
    def new_process(who: str, code: str, is_right: Callable[[Any], bool]) -> Way:
        return Way(
            who,
            "start(code, core)",
            is_right,
            {"start": start, "code": code, "core": "auto"},
            calls=1,
        )

    return Case(
        "a new interpreter that diagnoses a reply",
        [
            new_process(
                "diagnose",
                "from smtpfast import diagnose; print(diagnose(b'550 5.1.1 no such user').reason)",
                lambda answer: answer.stdout == "bad_mailbox\n",
            ),
            new_process("import smtpfast", "import smtpfast", lambda answer: not answer.stderr),
        ],
        unit="ms",
    )


def matcher_case() -> Case:
    ways = (
        [
            Way(
                "read and build, compiled",
                "build(read())",
                lambda matcher: matcher.diagnose(b"550 no such user").reason == "bad_mailbox",
                {"read": default_ruleset, "build": compiled_meaning.RuleMatcher},
                calls=1,
            )
        ]
        if compiled_meaning
        else []
    )
    return Case("the matcher of the default rules", ways, unit="ms")


def meaning_cases() -> list[Case]:
    """All cases; nothing where there is no compiled core to compare."""
    if not compiled_meaning:
        return []
    assert pure.classify(failures()[0]).code >= 400
    return [
        one_by_one("mixed replies", SHARE_OF_FAILURES),
        one_by_one("failures alone", 1.0),
        in_columns("mixed replies", SHARE_OF_FAILURES),
        in_columns("failures alone", 1.0),
        by_number_of_phrases(),
        matcher_case(),
        first_use(),
    ]
