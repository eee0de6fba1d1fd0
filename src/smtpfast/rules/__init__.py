"""Reason rules: what they say, how they are read from TOML, and in what order they decide.

The rules themselves are the TOML files beside this module; docs/rules.md says how to write one.
"""

from __future__ import annotations

import marshal
import os
import re
import sys
from itertools import product
from zlib import crc32

from ..errors import SmtpFastError
from ..reasons import FAILURE_REASONS, Disposition, Reason
from ..records import TYPE_CHECKING, NamedTuple
from .phrases import GAP, Group, Phrase, PhraseError, Phrases, numbers_in, parse_phrase

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike
    from typing import Any, Final, TypeVar

    _Member = TypeVar("_Member", Reason, Disposition)

# What a reply may answer. EOD is the end of DATA, the lone dot.
COMMANDS: Final = (
    *("CONNECT", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "EOD"),
    *("BDAT", "RSET", "NOOP", "VRFY", "EXPN", "ETRN", "QUIT"),
)
# Which rules decide first: 0 a user's own, 1 exact wording of one provider, 2 clear wording,
# 3 enhanced codes, 4 wording that hints, 5 basic codes.
LEVELS: Final = range(6)
OWN_LEVEL: Final = 0
DEFAULT_LEVEL: Final = 2
HINT_LEVEL: Final = 4
NUMBERS_OF_CLOCK: Final = 3
# A month: no unit in which a server counts its delays is longer.
LONGEST_UNIT: Final = 31 * 86_400

# The registry's last subject (RFC 3463 section 3).
LAST_SUBJECT: Final = 7
# What decides where no rule of a file does: 2yz, 3yz, and a failure of which no rule says more.
RULES_WITHOUT_A_FILE: Final = ("code.2yz", "code.3yz", "none")

_FOLDER: Final = os.path.dirname(__file__)
_CACHE: Final = os.path.join(_FOLDER, "default.marshal")
_MAKERS: Final = [os.path.join(_FOLDER, f"{name}.py") for name in ("__init__", "phrases", "words")]
_REASONS: Final = {str(reason): reason for reason in Reason}
_DISPOSITIONS: Final = {str(disposition): disposition for disposition in Disposition}
_ID: Final = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
_COMMAND: Final = re.compile("|".join(COMMANDS))
_CODE: Final = re.compile(r"[45x][0-9x]{2}")
_ENHANCED: Final = re.compile(r"([45x])\.([0-7]|x)\.(?:([0-9]{1,3})(?:-([0-9]{1,3}))?|x)", re.ASCII)


_ENHANCED_FORM: Final = "such as 5.1.1, x.7.1, 5.7.x, x.7.500-699"


class RuleError(SmtpFastError):
    """A rule file cannot be used.

    file: the file's name. rule: the id or the number of the rule, "" where it is the file itself.
    """

    def __init__(self, file: str, rule: str, problem: str) -> None:
        super().__init__(file, rule, problem)
        self.file = file
        self.rule = rule
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.rule}: {self.problem}"
            if self.rule
            else (f"{self.file}: {self.problem}")
        )


class EnhancedPattern(NamedTuple):
    """Enhanced status codes: of a class (0: any), a subject (-1: any), a range of details."""

    class_: int
    subject: int
    first: int
    last: int


def admits(pattern: EnhancedPattern, enhanced: int) -> bool:
    """Whether a packed enhanced code is one of a pattern's; of subjects after 7 none is."""
    class_, subject, detail = enhanced // 1_000_000, enhanced // 1_000 % 1_000, enhanced % 1_000
    return (
        class_ in (4, 5)
        and pattern.class_ in (0, class_)
        and pattern.subject in (-1, subject)
        and subject <= LAST_SUBJECT
        and pattern.first <= detail <= pattern.last
    )


class Rule(NamedTuple):
    """A rule: its reason, and the conditions that must all hold; an empty one always does.

    phrases, hosts, urls: one condition, any of them in the text. `with_`: any of these too.
    without: none of these. codes, enhanced, commands: any of these. provider: who speaks.
    """

    id: str
    reason: Reason
    level: int
    phrases: tuple[str, ...]
    hosts: tuple[str, ...]
    urls: tuple[str, ...]
    with_: tuple[str, ...]
    without: tuple[str, ...]
    codes: tuple[str, ...]
    enhanced: tuple[str, ...]
    commands: tuple[str, ...]
    provider: str
    disposition: Disposition | None
    examples: tuple[str, ...]
    counterexamples: tuple[str, ...]
    file: str


class Signal(NamedTuple):
    """What a text shows beside the reason: a provider, a block list, a command or a delay.

    name: of the provider, list or command; "" for a list that names itself. seconds: what one unit
    of a delay is; 0 for a clock.
    """

    name: str
    seconds: int
    phrases: tuple[str, ...]
    hosts: tuple[str, ...]
    urls: tuple[str, ...]
    file: str


class Ruleset:
    """Rules in the order in which they decide, with all that the two cores need of them.

    The phrases of a condition are a group of the automaton `phrases`. The groups of the commands,
    providers, block lists and delays come first, in that order, the rules' own ones last; a rule
    whose group is -1 has no such condition.
    """

    def __init__(
        self, rules: Iterable[Rule], signals: dict[str, list[Signal]], plan: Plan | None = None
    ) -> None:
        self.rules = sorted(rules, key=lambda rule: rule.level)  # stable: files, then places
        self.signals = signals
        self.commands = signals["command"]
        self.providers = signals["provider"]
        self.blocklists = signals["blocklist"]
        self.delays = signals["delay"]
        self.first_provider_group = len(self.commands)
        self.first_blocklist_group = self.first_provider_group + len(self.providers)
        self.first_delay_group = self.first_blocklist_group + len(self.blocklists)
        self.first_condition_group = self.first_delay_group + len(self.delays)
        self.rule_of_group = [
            number
            for number, rule in enumerate(self.rules)
            if rule.phrases or rule.hosts or rule.urls
        ]
        self.plan = plan = plan or self._plan()
        self.phrases = plan.phrases
        self.with_groups, self.without_groups = plan.with_groups, plan.without_groups
        self.first_rule_group = self.first_condition_group + len(plan.condition_needs)
        self.rule_groups = [-1] * len(self.rules)
        for group, number in enumerate(self.rule_of_group, self.first_rule_group):
            self.rule_groups[number] = group
        self.command_numbers = [COMMANDS.index(command.name) for command in self.commands]
        self.provider_names = tuple([provider.name for provider in self.providers])
        self.rule_names = (*[rule.id for rule in self.rules], *RULES_WITHOUT_A_FILE)
        self.rule_providers = [
            self.provider_names.index(rule.provider) if rule.provider else -1 for rule in self.rules
        ]
        self.codes = {
            pattern: _codes(pattern)
            for pattern in {pattern for rule in self.rules for pattern in rule.codes}
        }
        self.enhanced = {
            pattern: _enhanced(pattern)
            for pattern in {pattern for rule in self.rules for pattern in rule.enhanced}
        }

    def _plan(self) -> Plan:
        conditions: dict[Phrase, int] = {}

        def numbers(rule: Rule, texts: tuple[str, ...]) -> tuple[int, ...]:
            """One group for each phrase of a condition, whichever rules share it."""
            phrases = [part for text in texts for part in _alternatives(_phrase(rule, text))]
            first = self.first_condition_group
            return tuple([first + conditions.setdefault(each, len(conditions)) for each in phrases])

        with_groups = [numbers(rule, rule.with_) for rule in self.rules]
        without_groups = [numbers(rule, rule.without) for rule in self.rules]
        signals = (self.commands, self.providers, self.blocklists, self.delays)
        groups = [_group(signal) for kind in signals for signal in kind]
        groups += [Group((), (), (), (), (phrase,)) for phrase in conditions]
        groups += [_group(self.rules[number]) for number in self.rule_of_group]
        needs = [_needs(phrase) for phrase in conditions]
        return Plan(with_groups, without_groups, needs, Phrases.of(groups))


class Plan(NamedTuple):
    """What takes long to work out of a rule set, and what the build leaves behind.

    with_groups, without_groups: for each rule, the groups of its conditions. condition_needs: for
    each of those groups, words of which its phrase needs one, and whether it is no more than that.
    """

    with_groups: list[tuple[int, ...]]
    without_groups: list[tuple[int, ...]]
    condition_needs: list[tuple[tuple[str, ...], bool]]
    phrases: Phrases


def _alternatives(phrase: Phrase) -> list[Phrase]:
    """The ways of a phrase that is nothing but alternatives; else the phrase itself."""
    return [((way,),) for way in phrase[0]] if len(phrase) == 1 else [phrase]


def _needs(phrase: Phrase) -> tuple[tuple[str, ...], bool]:
    """Words of which a phrase needs one, as few and as long as can be; whether one is all of it."""
    parts = [
        tuple(dict.fromkeys(max(way, key=len) for way in ways))
        for ways in phrase
        if () not in ways and ways != ((GAP,),)
    ]
    best = min(parts, key=lambda words: (len(words), -min(map(len, words))))
    return best, phrase == ((best,),)


def _phrase(owner: Rule | Signal, text: str) -> Phrase:
    try:
        return parse_phrase(text)
    except PhraseError as error:
        name = owner.id if isinstance(owner, Rule) else owner.name or str(owner.seconds)
        raise RuleError(owner.file, name, str(error)) from None


def _group(owner: Rule | Signal) -> Group:
    texts, hosts, urls = (
        tuple(_phrase(owner, text) for text in some)
        for some in (owner.phrases, owner.hosts, owner.urls)
    )
    is_hint = isinstance(owner, Rule) and owner.level >= HINT_LEVEL
    return Group(() if is_hint else texts, hosts, (*hosts, *urls), texts if is_hint else (), ())


def _codes(pattern: str) -> frozenset[int]:
    digits = ["0123456789" if digit == "x" else digit for digit in pattern]
    return frozenset(int("".join(code)) for code in product(*digits))


def _enhanced(pattern: str) -> EnhancedPattern:
    match = _ENHANCED.fullmatch(pattern)
    assert match is not None, pattern  # the reader has seen to it
    class_, subject, first, last = match.groups()
    return EnhancedPattern(
        0 if class_ == "x" else int(class_),
        -1 if subject == "x" else int(subject),
        int(first or 0),
        int(last or first or 999),
    )


# --- Reading --------------------------------------------------------------------------------

_Table = dict[str, object]  # of a TOML file


def default_ruleset() -> Ruleset:
    """The rules that come with the package, as far as possible as the build has left them."""
    try:
        made, rules, signals, plan, phrases = marshal.loads(_content(_CACHE))
    except (FileNotFoundError, ValueError, EOFError, TypeError):  # none, or another Python's
        made = None
    if made != _fingerprint():
        return _read_defaults()
    return Ruleset(
        [_known(rule) for rule in rules],
        {kind: [Signal(*signal) for signal in some] for kind, some in signals.items()},
        Plan(plan[0], plan[1], plan[2], Phrases(*phrases)),
    )


def write_cache() -> None:
    """Leave the default rules behind, worked out, for `default_ruleset`: the build calls it.

    Reading the TOML and making one automaton of all phrases takes twenty times as long.
    """
    ruleset = _read_defaults()
    plan, phrases = ruleset.plan[:3], ruleset.phrases
    cached: Any = (
        _fingerprint(),
        [(rule.id, str(rule.reason), *rule[2:]) for rule in map(_plain, ruleset.rules)],
        {kind: [tuple(signal) for signal in some] for kind, some in ruleset.signals.items()},
        plan,
        (phrases.words, *phrases.columns),
    )
    with open(_CACHE, "wb") as file:
        file.write(marshal.dumps(cached))


def _plain(rule: Rule) -> Rule:
    """`rule` with nothing but built-in types."""
    disposition = None if rule.disposition is None else str(rule.disposition)
    return rule._replace(disposition=disposition)  # type: ignore[arg-type]


def _known(row: tuple[Any, ...]) -> Rule:
    """The rule of such a row."""
    rule = Rule(row[0], _REASONS[row[1]], *row[2:])
    if rule.disposition is None:
        return rule
    return rule._replace(disposition=_DISPOSITIONS[rule.disposition])


def default_files() -> list[str]:
    """The paths of the default rules' files, in the order in which they decide."""
    folders = _FOLDER, os.path.join(_FOLDER, "signals")
    return [
        os.path.join(folder, name)
        for folder in folders
        for name in sorted(os.listdir(folder))
        if name.endswith(".toml")
    ]


def _read_defaults() -> Ruleset:
    tables = {os.path.basename(path): _parse(path) for path in default_files()}
    return _checked(*_read_all(tables))


def _fingerprint() -> str:
    """Of the default rules' files and what reads them: whether the cache was made from them."""
    marks: list[object] = [sys.byteorder]
    for path in (*default_files(), *_MAKERS):
        content = _content(path)
        marks += [os.path.basename(path), len(content), crc32(content)]
    return " ".join(map(str, marks))


def _content(path: str | PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _parse(path: str | PathLike[str]) -> _Table:
    import tomllib  # here, for it takes as long to load as all the rest

    try:
        return tomllib.loads(_content(path).decode())
    except UnicodeDecodeError as error:
        raise RuleError(str(path), "", f"not UTF-8: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise RuleError(str(path), "", f"not TOML: {error}") from None


def ruleset_from(paths: Iterable[str | PathLike[str]], *, with_defaults: bool) -> Ruleset:
    """The rules of these files, in front of the default ones or alone.

    A rule whose id a default rule has replaces it. A bad file or rule is a `RuleError`.
    """
    rules, signals = _read_all({str(path): _parse(path) for path in paths}, OWN_LEVEL)
    if with_defaults:
        own = {rule.id for rule in rules}
        defaults = default_ruleset()
        rules += [rule for rule in defaults.rules if rule.id not in own]
        for kind in _SIGNALS:
            names = {signal.name for signal in signals[kind]}
            signals[kind] += [
                signal
                for signal in defaults.signals[kind]
                if kind == "delay" or signal.name not in names
            ]
    return _checked(rules, signals)


def _checked(rules: list[Rule], signals: dict[str, list[Signal]]) -> Ruleset:
    files: dict[str, str] = {}
    providers = {signal.name for signal in signals["provider"]}
    for rule in rules:
        if rule.id in files:
            raise RuleError(rule.file, rule.id, f"another rule in {files[rule.id]} has this id")
        files[rule.id] = rule.file
        if rule.provider and rule.provider not in providers:
            raise RuleError(rule.file, rule.id, f"unknown provider {rule.provider!r}")
    for number, provider in enumerate(signals["provider"]):
        if any(provider.name == other.name for other in signals["provider"][:number]):
            raise RuleError(provider.file, f"provider {provider.name!r}", "this provider again")
    for command in signals["command"]:
        if command.name not in COMMANDS:
            raise RuleError(command.file, command.name, f"expected one of {', '.join(COMMANDS)}")
    return Ruleset(rules, signals)


def _read_all(
    tables: dict[str, _Table], default_level: int = DEFAULT_LEVEL
) -> tuple[list[Rule], dict[str, list[Signal]]]:
    rules: list[Rule] = []
    signals: dict[str, list[Signal]] = {kind: [] for kind in _SIGNALS}
    for file, table in tables.items():
        for kind, entries in table.items():
            if kind != "rule" and kind not in _SIGNALS:
                known = ", ".join(["rule", *_SIGNALS])
                raise RuleError(file, "", f"unknown table [[{kind}]]; known: {known}")
            if not isinstance(entries, list):
                raise RuleError(file, "", f"[{kind}] must be an array of tables, [[{kind}]]")
            for number, entry in enumerate(entries, 1):
                reader = _Reader(file, kind, number, entry, default_level)
                if kind == "rule":
                    rules.append(reader.rule())
                else:
                    signals[kind].append(reader.signal())
    return rules, signals


class _Reader:
    """One table of a rule file, read key by key."""

    def __init__(self, file: str, kind: str, number: int, table: Any, default_level: int) -> None:
        self._file = file
        self._default_level = default_level
        self._name = f"{kind} {number}"
        if not isinstance(table, dict):
            raise self._error("must be a table")
        self._kind = kind
        self._table = table

    def rule(self) -> Rule:
        table = self._table
        id_ = self._text("id")
        if not _ID.fullmatch(id_):
            raise self._error(f"id {id_!r}: expected lower-case words with a dot between them")
        if id_ in RULES_WITHOUT_A_FILE or id_.startswith("exception."):
            raise self._error(f"id {id_!r} is taken by what is decided without a rule")
        self._name = id_
        strange = table.keys() - _RULE_KEYS
        if strange:
            raise self._error(f"unknown key {min(strange)!r}; known: {', '.join(_RULE_KEYS)}")
        for pattern in self._texts("enhanced", _ENHANCED, _ENHANCED_FORM):
            first, dash, last = pattern.rpartition(".")[2].partition("-")
            if dash and int(first) > int(last):
                raise self._error(f"enhanced: {pattern!r}: the range goes down")
        rule = Rule(
            id_,
            self._member("reason", {str(reason): reason for reason in FAILURE_REASONS}),
            self._level(),
            self._texts("phrases"),
            self._texts("hosts"),
            self._texts("urls"),
            self._texts("with"),
            self._texts("without"),
            self._texts("codes", _CODE, "three digits, 4 or 5 first, x for any digit"),
            self._texts("enhanced", _ENHANCED, _ENHANCED_FORM),
            self._texts("commands", _COMMAND, "one of " + ", ".join(COMMANDS)),
            self._text("provider") if "provider" in table else "",
            self._member("disposition", _DISPOSITIONS) if "disposition" in table else None,
            self._texts("examples"),
            self._texts("counterexamples"),
            self._file,
        )
        if not any(rule[3:6]) and not any(rule[8:11]):
            raise self._error("no phrases, hosts, urls, codes, enhanced or commands")
        return rule

    def signal(self) -> Signal:
        key = _SIGNALS[self._kind]
        strange = self._table.keys() - {key, "clock", "phrases", "hosts", "urls"}
        if strange:
            raise self._error(f"unknown key {min(strange)!r}")
        seconds, name = 0, ""
        if self._kind == "delay":
            if self._table.get("clock") is not True:
                seconds = self._table.get("seconds", 0)
                if type(seconds) is not int or not 0 < seconds <= LONGEST_UNIT:
                    raise self._error(f"seconds: expected a positive number up to {LONGEST_UNIT}")
            elif any(numbers_in(text) < NUMBERS_OF_CLOCK for text in self._texts("phrases")):
                raise self._error("a clock has three numbers: # # #")
        else:
            name = self._text(key, may_be_empty=self._kind == "blocklist")
            self._name = f"{self._kind} {name!r}"
        signal = Signal(
            name,
            seconds,
            self._texts("phrases"),
            self._texts("hosts"),
            self._texts("urls"),
            self._file,
        )
        if self._kind == "delay" and (signal.hosts or signal.urls):
            raise self._error("a delay has phrases alone")
        if not any(signal[2:5]):
            raise self._error("no condition: give phrases, hosts or urls")
        return signal

    def _error(self, problem: str) -> RuleError:
        return RuleError(self._file, self._name, problem)

    def _text(self, key: str, *, may_be_empty: bool = False) -> str:
        value = self._table.get(key)
        if not isinstance(value, str) or not (value or may_be_empty):
            raise self._error(f"{key}: expected a text")
        return value

    def _texts(
        self, key: str, pattern: re.Pattern[str] | None = None, expected: str = "texts"
    ) -> tuple[str, ...]:
        values = self._table.get(key)
        if values is None:
            return ()
        if not isinstance(values, list) or not values:
            raise self._error(f"{key}: expected a list, not empty")
        for value in values:
            if not isinstance(value, str) or (pattern and not pattern.fullmatch(value)):
                raise self._error(f"{key}: {value!r}: expected {expected}")
        return tuple(values)

    def _level(self) -> int:
        level = self._table.get("level", self._default_level)
        if type(level) is not int or level not in LEVELS:
            raise self._error(f"level {level!r}: expected {LEVELS[0]} to {LEVELS[-1]}")
        return level

    def _member(self, key: str, members: dict[str, _Member]) -> _Member:
        value = self._table.get(key)
        if not isinstance(value, str) or value not in members:
            raise self._error(f"{key} {value!r}: expected one of {', '.join(members)}")
        return members[value]


_RULE_KEYS: Final = (
    *("id", "reason", "level", "phrases", "hosts", "urls", "with", "without"),
    *("codes", "enhanced", "commands", "provider", "disposition", "examples", "counterexamples"),
)
# The kinds of signals, each with the key that names it.
_SIGNALS: Final = {
    "command": "name",
    "provider": "name",
    "blocklist": "zone",
    "delay": "seconds",
}
