"""The reason rules: that each does what its examples say, and how files of rules are read."""

from __future__ import annotations

import copy
import pickle
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import smtpfast
from smtpfast import Classifier, Disposition, Reason, RuleError, Severity, SmtpFastError
from smtpfast.reasons import FAILURE_REASONS
from smtpfast.rules import (
    COMMANDS,
    DEFAULT_LEVEL,
    LAST_SUBJECT,
    LEVELS,
    OWN_LEVEL,
    RULES_WITHOUT_A_FILE,
    EnhancedPattern,
    admits,
    default_files,
    default_ruleset,
)
from smtpfast.rules.phrases import parse_phrase

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from smtpfast._core.pure_meaning import RuleMatcher
    from smtpfast.rules import Rule, Ruleset

    RulesOf = Callable[..., Ruleset]

RULESET = Classifier.default().ruleset
DEFAULT_FILES = [Path(path) for path in default_files()]
RULE_FILES = sorted({rule.file for rule in RULESET.rules})
IDS = {rule.id for rule in RULESET.rules}

RULE = """
[[rule]]
id = "own.rule"
reason = "spam"
phrases = ["own words"]
"""


def shown(lines: list[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)


def rules_in(file: str) -> list[Rule]:
    return [rule for rule in RULESET.rules if rule.file == file]


# --- The rules that come with the package ---------------------------------------------------


@pytest.mark.parametrize("file", RULE_FILES)
def test_a_rule_decides_its_examples(matcher: RuleMatcher, file: str) -> None:
    wrong = []
    for rule in rules_in(file):
        for example in rule.examples:
            # An example whose rule asks for a command is what a session would show.
            for command in rule.commands or [None]:
                found = matcher.diagnose(example, command=command)
                if (found.rule, found.reason) != (rule.id, rule.reason):
                    wrong.append(f"{rule.id} wanted, {found.rule} found: {example!r}")
    assert not wrong, f"{len(wrong)} examples:{shown(wrong)}"


@pytest.mark.parametrize("file", RULE_FILES)
def test_a_rule_does_not_decide_its_counterexamples(matcher: RuleMatcher, file: str) -> None:
    wrong = [
        f"{rule.id}: {counterexample!r}"
        for rule in rules_in(file)
        for counterexample in rule.counterexamples
        for command in rule.commands or [None]
        if matcher.diagnose(counterexample, command=command).rule == rule.id
    ]
    assert not wrong, f"{len(wrong)} counterexamples:{shown(wrong)}"


@pytest.mark.parametrize("file", RULE_FILES)
def test_an_example_shows_what_the_rule_says(matcher: RuleMatcher, file: str) -> None:
    for rule in rules_in(file):
        for example in rule.examples:
            found = matcher.diagnose(example, command=(rule.commands or [None])[0])
            if found.rule != rule.id:
                continue  # see above
            if rule.provider:
                assert found.provider == rule.provider, (rule.id, example)
            if rule.phrases or rule.hosts or rule.urls:
                assert found.evidence in example, (rule.id, example)
            else:
                assert re.fullmatch(r"([45][0-9]{2})?( ?[45]\.\d+\.\d+)?", found.evidence), rule.id
            is_permanent = re.match(r"\D*5", example) is not None
            severity = Severity(5 if is_permanent else 4)
            if rule.disposition in (None, found.disposition):
                continue
            assert found.disposition == rule.reason.disposition(severity), (rule.id, example)


def test_ids_are_unique() -> None:
    assert len(IDS) == len(RULESET.rules)
    assert not IDS & {*RULES_WITHOUT_A_FILE, "exception.no_answer"}
    assert len({rule_id.lower() for rule_id in IDS}) == len(IDS)


def test_every_rule_has_an_example() -> None:
    assert [rule.id for rule in RULESET.rules if not rule.examples] == []


def test_no_example_stands_twice() -> None:
    # As answers to different commands it may.
    seen: dict[tuple[str, str | None], str] = {}
    twice = [
        f"{rule.id} and {seen[example, command]}: {example!r}"
        for rule in RULESET.rules
        for example in rule.examples
        for command in rule.commands or [None]
        if seen.setdefault((example, command), rule.id) != rule.id
    ]
    assert not twice, shown(twice)


def test_every_failure_reason_has_a_rule_with_words() -> None:
    by_words = {rule.reason for rule in RULESET.rules if rule.phrases}
    assert {*FAILURE_REASONS} - by_words <= {Reason.UNKNOWN}
    assert not {rule.reason for rule in RULESET.rules} & {Reason.ACCEPTED, Reason.INTERMEDIATE}


def test_the_providers_that_rules_name_exist() -> None:
    known = {provider.name for provider in RULESET.providers}
    assert {rule.provider for rule in RULESET.rules} - {""} <= known
    assert len(known) == len(RULESET.providers), "two providers of one name"


def test_a_block_list_is_called_by_its_zone() -> None:
    zone = re.compile(r"([a-z0-9_-]+\.)+[a-z]{2,}")
    names = {blocklist.name for blocklist in RULESET.blocklists if blocklist.name}
    assert [name for name in sorted(names) if not zone.fullmatch(name)] == []


def test_a_command_is_one_of_those_that_are_known() -> None:
    assert {command.name for command in RULESET.commands} <= {*COMMANDS}


def test_a_delay_has_the_numbers_that_it_needs() -> None:
    for delay in RULESET.delays:
        for phrase in delay.phrases:
            for part in parse_phrase(phrase):
                assert all(not word[1:].isdigit() for way in part for word in way), phrase
            least = sum(
                min(sum(word.startswith("#") for word in way) for way in part)
                for part in parse_phrase(phrase)
            )
            assert least == 3 if delay.seconds == 0 else least <= 3, phrase


def test_levels_and_files_are_the_order() -> None:
    order = [(rule.level, rule.file) for rule in RULESET.rules]
    assert order == sorted(order)
    assert {rule.level for rule in RULESET.rules} == {1, 2, 3, 4, 5}
    codes_only = [rule for rule in RULESET.rules if rule.level in (3, 5)]
    assert {rule.file for rule in codes_only} == {"90-codes.toml"}
    assert all(rule.enhanced for rule in codes_only if rule.level == 3)
    assert not any(rule.phrases or rule.hosts or rule.urls for rule in codes_only)


@pytest.mark.parametrize("path", DEFAULT_FILES, ids=lambda path: path.stem)
def test_a_file_of_rules_can_be_read_by_people(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "\t" not in text
    assert "\r" not in text
    assert text.startswith(("#", "[[")), "say what the file is for"
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    too_long = [number for number, line in enumerate(text.split("\n"), 1) if len(line) > 100]
    assert path.parent.name == "signals" or too_long == []


def test_an_example_names_nobody() -> None:
    # RFC 5737, RFC 1918 and RFC 1122 set these addresses aside; the last is Yahoo's own code.
    an_ip = re.compile(r"(?<![\w.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![\w.])")
    set_aside = ("192.0.2.", "198.51.100.", "203.0.113.", "127.0.0.", "0.0.0.0", "10.", "192.168.")
    no_address = "4.16.55.1"
    strange = [
        f"{rule.id}: {address}"
        for rule in RULESET.rules
        for example in rule.examples + rule.counterexamples
        for address in an_ip.findall(example)
        if not address.startswith(set_aside) and address != no_address
    ]
    assert not strange, shown(strange)


def test_the_default_rules_are_read_as_the_files_say() -> None:
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in DEFAULT_FILES]
    written = [entry for table in tables for entry in table.get("rule", [])]
    rules = {rule.id: rule for rule in RULESET.rules}
    assert sorted(entry["id"] for entry in written) == sorted(rules)
    for entry in written:
        rule = rules[entry["id"]]
        assert rule.reason is Reason(entry["reason"])
        assert rule.level == entry.get("level", DEFAULT_LEVEL)
        for key in ("phrases", "hosts", "urls", "codes", "enhanced", "commands", "examples"):
            assert getattr(rule, key) == tuple(entry.get(key, ()))
        assert rule.with_ == tuple(entry.get("with", ()))
        assert rule.without == tuple(entry.get("without", ()))
        assert rule.disposition in (None, *Disposition)
        assert rule.disposition == entry.get("disposition")


CACHE = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from smtpfast import Classifier, rules

def state():
    ruleset = rules.default_ruleset()
    classifier = Classifier(ruleset)
    examples = [example for rule in ruleset.rules for example in rule.examples]
    diagnoses = [classifier.diagnose(example) for example in examples]
    kinds = [type(rule.reason) for rule in ruleset.rules], [
        type(rule.disposition) for rule in ruleset.rules
    ]
    return ruleset.rules, ruleset.signals, ruleset.rule_names, diagnoses, kinds

folder = Path(rules.__file__).parent
before = {{*folder.iterdir()}}
read = state()
rules.write_cache()
[cache] = {{*folder.iterdir()}} - before - {{folder / "__pycache__"}}
assert state() == read
# It was really taken from there: reading the files is what cannot be done now.
rules._read_defaults = None
assert state() == read
"""


def test_what_the_build_leaves_is_what_the_files_say(tmp_path: Path) -> None:
    package = Path(smtpfast.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "*.marshal", "parsed.json")
    shutil.copytree(package, tmp_path / "smtpfast", ignore=ignored)
    code = CACHE.format(root=str(tmp_path))
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")
    # A file that was changed since then counts, whatever the cache says.
    [path] = (tmp_path / "smtpfast" / "rules").glob("60-*.toml")
    path.write_text(path.read_text(encoding="utf-8") + RULE, encoding="utf-8")
    code = """
import sys
sys.path.insert(0, {root!r})
from smtpfast import diagnose
print(diagnose("599 own words").rule)
"""
    done = run(code.format(root=str(tmp_path)))
    assert (done.stdout, done.stderr) == ("own.rule\n", "")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-B", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_default_rules_are_there_in_the_installed_package() -> None:
    # Without their files there would be no rules, and no error either.
    assert len(DEFAULT_FILES) > 25
    assert len(default_ruleset().rules) > 1000


# --- Codes ----------------------------------------------------------------------------------


def test_the_pattern_of_a_code(meaning: ModuleType, rules_of: RulesOf) -> None:
    for pattern in ("550", "55x", "5xx", "5x0", "4xx", "45x", "x50", "xxx", "xx1", "499"):
        ruleset = rules_of(f'[[rule]]\nid = "a.b"\nreason = "spam"\ncodes = ["{pattern}"]\n')
        matcher = meaning.RuleMatcher(ruleset)
        # The oracle: a pattern of fnmatch's kind.
        expected = re.compile(pattern.replace("x", "[0-9]"))
        for code in range(1000):
            found = matcher.diagnose(f"{code:03} x").rule == "a.b"
            is_failure = not 200 <= code <= 399
            assert found == bool(is_failure and expected.fullmatch(f"{code:03}")), (pattern, code)


def test_the_pattern_of_an_enhanced_code(meaning: ModuleType, rules_of: RulesOf) -> None:
    cases = {
        "5.1.1": lambda c, s, d: (c, s, d) == (5, 1, 1),
        "x.1.1": lambda c, s, d: (s, d) == (1, 1),
        "4.x.0": lambda c, _, d: (c, d) == (4, 0),
        "5.7.x": lambda c, s, _: (c, s) == (5, 7),
        "x.x.x": lambda *_: True,
        "x.7.500-699": lambda _, s, d: s == 7 and 500 <= d <= 699,
        "5.7.0-0": lambda c, s, d: (c, s, d) == (5, 7, 0),
    }
    for pattern, expected in cases.items():
        ruleset = rules_of(f'[[rule]]\nid = "a.b"\nreason = "spam"\nenhanced = ["{pattern}"]\n')
        matcher = meaning.RuleMatcher(ruleset)
        for class_ in (4, 5):
            for subject in range(LAST_SUBJECT + 2):
                for detail in (0, 1, 9, 10, 99, 100, 499, 500, 501, 698, 699, 700, 999):
                    line = f"{class_}50 {class_}.{subject}.{detail} x"
                    is_found = matcher.diagnose(line).rule == "a.b"
                    is_right = subject <= LAST_SUBJECT and expected(class_, subject, detail)
                    assert is_found == bool(is_right), (pattern, line)


def test_no_pattern_admits_a_success() -> None:
    everything = EnhancedPattern(0, -1, 0, 999)
    assert not admits(everything, 0)
    assert not admits(everything, 2_001_005)
    assert not admits(everything, 5_008_001)
    assert admits(everything, 5_007_999)
    assert admits(everything, 4_000_000)


# --- Files that cannot be used --------------------------------------------------------------

BAD_FILES = {
    "no TOML": ("[[rule", "", "not TOML: "),
    "a key twice": (RULE + 'reason = "policy"', "", "not TOML: "),
    "another table": ("[[rules]]\nid = 'a.b'", "", "unknown table [[rules]]; known: rule, "),
    "a key outside": ('title = "x"', "", "unknown table [[title]]"),
    "one table": ("[rule]\nid = 'a.b'", "", "[rule] must be an array of tables, [[rule]]"),
    "a list of texts": ('rule = ["x"]', "rule 1", "must be a table"),
    "no id": ('[[rule]]\nreason = "spam"', "rule 1", "id: expected a text"),
    "second without id": (RULE + '[[rule]]\nreason="spam"', "rule 2", "id: expected a text"),
    "id of one word": ('[[rule]]\nid = "own"', "rule 1", "id 'own': expected lower-case words"),
    "id in capitals": ('[[rule]]\nid = "Own.x"', "rule 1", "id 'Own.x': expected lower-case"),
    "id with a space": ('[[rule]]\nid = "a.b c"', "rule 1", "id 'a.b c': expected"),
    "id with an end": ('[[rule]]\nid = "a.b\\n"', "rule 1", "id 'a.b\\n': expected"),
    "id of a number": ("[[rule]]\nid = 5", "rule 1", "id: expected a text"),
    "unknown key": (RULE + 'phrase = ["x"]', "own.rule", "unknown key 'phrase'; known: id, "),
    "key of the class": (RULE + 'with_ = ["x"]', "own.rule", "unknown key 'with_'"),
    "no reason": (
        '[[rule]]\nid = "own.rule"\nphrases = ["a"]',
        "own.rule",
        "reason None: expected",
    ),
    "unknown reason": (
        RULE.replace("spam", "ham"),
        "own.rule",
        "reason 'ham': expected one of bad_",
    ),
    "reason of 2yz": (RULE.replace("spam", "accepted"), "own.rule", "reason 'accepted': expected"),
    "reason of 3yz": (RULE.replace("spam", "intermediate"), "own.rule", "reason 'intermediate'"),
    "reason of a number": (RULE.replace('"spam"', "5"), "own.rule", "reason 5: expected one of"),
    "level 6": (RULE + "level = 6", "own.rule", "level 6: expected 0 to 5"),
    "level -1": (RULE + "level = -1", "own.rule", "level -1: expected 0 to 5"),
    "level as text": (RULE + 'level = "2"', "own.rule", "level '2': expected 0 to 5"),
    "level of truth": (RULE + "level = true", "own.rule", "level True: expected 0 to 5"),
    "level of 2.0": (RULE + "level = 2.0", "own.rule", "level 2.0: expected 0 to 5"),
    "phrases as text": (
        RULE.replace('["own words"]', '"x"'),
        "own.rule",
        "phrases: expected a list",
    ),
    "no phrases": (
        RULE.replace('["own words"]', "[]"),
        "own.rule",
        "phrases: expected a list, not",
    ),
    "phrase of a number": (
        RULE.replace('"own words"', "5"),
        "own.rule",
        "phrases: 5: expected texts",
    ),
    "bad phrase": (RULE.replace("own words", "(own"), "own.rule", "'(own': a parenthesis or |"),
    "empty phrase": (RULE.replace("own words", ""), "own.rule", "'': no word in it"),
    "bad host": (RULE + 'hosts = ["* a"]', "own.rule", "'* a': it needs a word at each end"),
    "bad url": (RULE + 'urls = ["."]', "own.rule", "'.': no word in it"),
    "code of 2yz": (RULE + 'codes = ["250"]', "own.rule", "codes: '250': expected three digits"),
    "code of two": (RULE + 'codes = ["55"]', "own.rule", "codes: '55': expected three digits"),
    "code as number": (RULE + "codes = [550]", "own.rule", "codes: 550: expected three digits"),
    "code with X": (RULE + 'codes = ["5XX"]', "own.rule", "codes: '5XX': expected three digits"),
    "code with an end": (RULE + 'codes = ["550\\n"]', "own.rule", "codes: '550\\n': expected"),
    "code of others": (RULE + 'codes = ["5٥0"]', "own.rule", "codes: '5٥0': expected three digits"),
    "enhanced 2": (
        RULE + 'enhanced = ["2.1.1"]',
        "own.rule",
        "enhanced: '2.1.1': expected such as",
    ),
    "enhanced 5.8": (RULE + 'enhanced = ["5.8.1"]', "own.rule", "enhanced: '5.8.1': expected such"),
    "enhanced of two": (
        RULE + 'enhanced = ["5.1"]',
        "own.rule",
        "enhanced: '5.1': expected such as",
    ),
    "enhanced 1000": (
        RULE + 'enhanced = ["5.1.1000"]',
        "own.rule",
        "enhanced: '5.1.1000': expected",
    ),
    "enhanced text": (RULE + 'enhanced = "5.1.1"', "own.rule", "enhanced: expected a list, not"),
    "enhanced range": (
        RULE + 'enhanced = ["5.1.x-9"]',
        "own.rule",
        "enhanced: '5.1.x-9': expected",
    ),
    "unknown command": (
        RULE + 'commands = ["MAIL FROM"]',
        "own.rule",
        "commands: 'MAIL FROM': exp",
    ),
    "small command": (
        RULE + 'commands = ["rcpt"]',
        "own.rule",
        "commands: 'rcpt': expected one of",
    ),
    "unknown provider": (RULE + 'provider = "Nobody"', "own.rule", "unknown provider 'Nobody'"),
    "empty provider": (RULE + 'provider = ""', "own.rule", "provider: expected a text"),
    "provider of a number": (RULE + "provider = 5", "own.rule", "provider: expected a text"),
    "unknown disposition": (
        RULE + 'disposition = "x"',
        "own.rule",
        "disposition 'x': expected one",
    ),
    "examples as text": (
        RULE + 'examples = "x"',
        "own.rule",
        "examples: expected a list, not empty",
    ),
    "an example of 5": (RULE + "examples = [5]", "own.rule", "examples: 5: expected texts"),
    "no condition": (
        '[[rule]]\nid = "a.b"\nreason = "spam"',
        "a.b",
        "no phrases, hosts, urls, codes",
    ),
    "with alone": (
        '[[rule]]\nid="a.b"\nreason="spam"\nwith=["x"]',
        "a.b",
        "no phrases, hosts, urls",
    ),
    "an id twice": (RULE + RULE, "own.rule", "another rule in {file} has this id"),
    "provider without name": ('[[provider]]\nhosts=["x"]', "provider 1", "name: expected a text"),
    "provider without all": (
        '[[provider]]\nname="X"',
        "provider 'X'",
        "no condition: give phrases",
    ),
    "provider with zone": ('[[provider]]\nzone="x"', "provider 1", "unknown key 'zone'"),
    "blocklist with name": ('[[blocklist]]\nname="x"', "blocklist 1", "unknown key 'name'"),
    "blocklist without zone": (
        '[[blocklist]]\nhosts=["x"]',
        "blocklist 1",
        "zone: expected a text",
    ),
    "delay without seconds": (
        '[[delay]]\nphrases=["x"]',
        "delay 1",
        "seconds: expected a positive",
    ),
    "delay of none": (
        '[[delay]]\nseconds=0\nphrases=["x"]',
        "delay 1",
        "seconds: expected a posit",
    ),
    "delay of truth": (
        '[[delay]]\nseconds=true\nphrases=["x"]',
        "delay 1",
        "seconds: expected a po",
    ),
    "delay of 1.5": (
        '[[delay]]\nseconds=1.5\nphrases=["x"]',
        "delay 1",
        "seconds: expected a posi",
    ),
    "bad provider": ('[[provider]]\nname="X"\nphrases=["("]', "X", "'(': a parenthesis or |"),
}


@pytest.mark.parametrize("mistake", BAD_FILES)
def test_a_bad_file(tmp_path: Path, mistake: str) -> None:
    text, rule, problem = BAD_FILES[mistake]
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    problem = problem.replace("{file}", str(path))
    with pytest.raises(RuleError) as caught:
        Classifier.from_toml(path, with_defaults=False)
    error = caught.value
    assert (error.file, error.rule) == (str(path), rule)
    assert error.problem.startswith(problem), error.problem
    assert str(error).startswith(": ".join(filter(None, [str(path), rule, problem]))), str(error)
    assert isinstance(error, SmtpFastError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("key", ["with", "without"])
def test_a_bad_phrase_in_another_condition(tmp_path: Path, key: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(f'{RULE}{key} = ["(own"]', encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        Classifier.from_toml(path, with_defaults=False)
    assert (caught.value.file, caught.value.rule) == (str(path), "own.rule")


@pytest.mark.parametrize("key", ["reason", "disposition"])
@pytest.mark.parametrize("value", ['["spam"]', "{a = 1}"], ids=["list", "table"])
def test_a_list_in_place_of_a_name(tmp_path: Path, key: str, value: str) -> None:
    path = tmp_path / "own.toml"
    rule = {"id": '"own.rule"', "reason": '"spam"', "phrases": '["x"]', key: value}
    lines = [f"{name} = {text}" for name, text in rule.items()]
    path.write_text("\n".join(["[[rule]]", *lines]), encoding="utf-8")
    with pytest.raises(RuleError, match=f"own.rule: {key} .*: expected one of"):
        Classifier.from_toml(path, with_defaults=False)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(RULE + 'enhanced = ["5.7.9-3"]', id="a range that goes down"),
        pytest.param(
            RULE + '[[provider]]\nname="X"\nphrases=["a"]\n[[provider]]\nname="X"\nphrases=["b"]',
            id="a provider twice",
        ),
        pytest.param(RULE.replace("own.rule", "code.2yz"), id="the id of no rule"),
        pytest.param('[[delay]]\nclock=true\nphrases=["in #"]', id="a clock of one number"),
        pytest.param(
            '[[delay]]\nclock=true\nphrases=["wait (# # #|soon) please"]', id="a clock of none"
        ),
        pytest.param('[[delay]]\nseconds=10000000000\nphrases=["x"]', id="a delay of centuries"),
    ],
)
def test_a_mistake_that_should_be_seen(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RuleError):
        Classifier.from_toml(path, with_defaults=False)


def test_a_bad_file_in_front_of_the_default_rules(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(BAD_FILES["unknown provider"][0], encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        Classifier.from_toml(path)
    assert (caught.value.file, caught.value.rule) == (str(path), "own.rule")


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(RULE.encode() + b"# gr\xfc\xdfe\n")
    with pytest.raises(RuleError, match="not UTF-8: ") as caught:
        Classifier.from_toml(path)
    assert (caught.value.file, caught.value.rule) == (str(path), "")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Classifier.from_toml(tmp_path / "none.toml")
    with pytest.raises(IsADirectoryError):
        Classifier.from_toml(tmp_path)


def test_an_id_in_two_files(tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text(RULE, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        Classifier.from_toml(tmp_path / "one.toml", tmp_path / "two.toml", with_defaults=False)
    assert caught.value.file == str(tmp_path / "two.toml")
    assert caught.value.problem == f"another rule in {tmp_path / 'one.toml'} has this id"


# --- A user's own rules ---------------------------------------------------------------------


def own(tmp_path: Path, text: str, name: str = "own.toml", **options: bool) -> Classifier:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return Classifier.from_toml(path, **options)


# What is replaced by an id: a default rule with words.
OLD = next(rule for rule in RULESET.rules if rule.level == 2 and rule.phrases)
OWN = f"""{RULE}
[[rule]]
id = "{OLD.id}"
reason = "virus"
phrases = ["other words"]
[[provider]]
name = "Them"
phrases = ["them"]
[[provider]]
name = "Google"
phrases = ["instead"]
[[blocklist]]
zone = "bl.them.example"
phrases = ["their list"]
[[delay]]
seconds = 1209600
phrases = ["# fortnights"]
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A user's own rules in front of the default ones."""
    return own(tmp_path_factory.mktemp("rules"), OWN)


def test_a_rule_of_ones_own_comes_first(extended: Classifier) -> None:
    line = "550 5.1.1 <a@example.com>: User unknown in our own words"
    default = Classifier.default()
    assert default.diagnose(line).reason is Reason.BAD_MAILBOX
    assert extended.diagnose(line)[::5] == (Reason.SPAM, "own.rule")
    # The others are still there.
    assert extended.diagnose("550 User unknown") == default.diagnose("550 User unknown")
    assert len(extended.ruleset.rules) == len(RULESET.rules) + 1
    assert {rule.level for rule in extended.ruleset.rules[:2]} == {OWN_LEVEL}


def test_an_id_of_a_default_rule_replaces_it(extended: Classifier) -> None:
    assert [rule.id for rule in extended.ruleset.rules].count(OLD.id) == 1
    assert extended.diagnose("550 other words")[::5] == (Reason.VIRUS, OLD.id)
    assert extended.diagnose(OLD.examples[0]).rule != OLD.id


def test_signals_of_ones_own(extended: Classifier) -> None:
    default = Classifier.default()
    found = extended.diagnose("450 them: on their list for 2 fortnights, gsmtp")
    assert (found.provider, found.blocklist, found.retry_after) == (
        *("Them", "bl.them.example", 2_419_200),
    )
    # A provider of a known name takes its place; all others are still there.
    assert default.diagnose("550 x - gsmtp").provider == "Google"
    assert extended.diagnose("550 x - gsmtp").provider is None
    assert extended.diagnose("550 instead").provider == "Google"
    for line in ("450 4.7.1 try again in 5 minutes", "554 blocked using zen.spamhaus.org"):
        assert extended.diagnose(line) == default.diagnose(line)


def test_a_classifier_is_copied_and_pickled(tmp_path: Path) -> None:
    classifier = own(tmp_path, OWN.replace("own words", "own words * User"), with_defaults=False)
    lines = ["550 own words, User", "550 other words", "450 them for 2 fortnights", "250"]
    for twin in (
        copy.copy(classifier),
        copy.deepcopy(classifier),
        *(
            pickle.loads(pickle.dumps(classifier, protocol))
            for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
        ),
    ):
        assert type(twin) is Classifier
        assert [*map(twin.diagnose, lines)] == [*map(classifier.diagnose, lines)]
        assert twin.ruleset.rule_names == classifier.ruleset.rule_names
    assert classifier.diagnose(lines[0]).rule == "own.rule"


def test_a_classifier_with_all_rules_is_pickled(extended: Classifier) -> None:
    twin = pickle.loads(pickle.dumps(extended))
    assert twin is not extended
    examples = [example for rule in RULESET.rules[::20] for example in rule.examples]
    assert [*map(twin.diagnose, examples)] == [*map(extended.diagnose, examples)]
    default = Classifier.default()
    assert copy.copy(default) is default
    assert copy.deepcopy(default) is default
    assert pickle.loads(pickle.dumps(default)) is default


def test_rules_alone(tmp_path: Path) -> None:
    classifier = own(tmp_path, RULE, with_defaults=False)
    assert [rule.id for rule in classifier.ruleset.rules] == ["own.rule"]
    assert classifier.diagnose("550 own words").reason is Reason.SPAM
    assert classifier.diagnose("550 5.1.1 User unknown")[::5] == (Reason.UNKNOWN, "none")
    assert classifier.diagnose("550 5.1.1 User unknown").disposition is Disposition.FAIL
    assert classifier.diagnose("450 again in 5 minutes, gsmtp").retry_after is None
    assert classifier.diagnose("250 ok").reason is Reason.ACCEPTED


def test_no_rules_at_all(tmp_path: Path, meaning: ModuleType, rules_of: RulesOf) -> None:
    classifier = own(tmp_path, "", with_defaults=False)
    assert classifier.diagnose("550 x")[::5] == (Reason.UNKNOWN, "none")
    matcher = meaning.RuleMatcher(rules_of())
    assert matcher.diagnose("550 5.1.1 User unknown").evidence == "550 5.1.1"
    assert [row.reason for row in matcher.diagnose_lines("250 a\n550 b\n")] == [
        Reason.ACCEPTED,
        Reason.UNKNOWN,
    ]


def test_a_level_puts_a_rule_of_ones_own_behind_the_codes(tmp_path: Path) -> None:
    codes = '[[rule]]\nid = "own.codes"\nreason = "virus"\nlevel = 3\nenhanced = ["5.1.1"]\n'
    classifier = own(tmp_path, f"{RULE}level = 4\n{codes}", with_defaults=False)
    assert classifier.diagnose("550 5.1.1 our own words").reason is Reason.VIRUS
    assert classifier.diagnose("550 our own words").reason is Reason.SPAM


@pytest.mark.parametrize("level", LEVELS)
def test_a_lower_level_decides_wherever_it_stands(
    meaning: ModuleType, rules_of: RulesOf, level: int
) -> None:
    first = f'[[rule]]\nid = "a.a"\nreason = "spam"\nphrases = ["x"]\nlevel = {level}\n'
    others = [
        f'[[rule]]\nid = "b.b{other}"\nreason = "virus"\nphrases = ["x"]\nlevel = {other}\n'
        for other in LEVELS
    ]
    for other, second in zip(LEVELS, others, strict=True):
        for text, is_first in ((first + second, level <= other), (second + first, level < other)):
            found = meaning.RuleMatcher(rules_of(text)).diagnose("550 x")
            assert found.rule == ("a.a" if is_first else f"b.b{other}")
        # Two files count as one in front of the other.
        found = meaning.RuleMatcher(rules_of(second, first)).diagnose("550 x")
        assert found.rule == ("a.a" if level < other else f"b.b{other}")


def test_each_condition_must_hold(meaning: ModuleType, rules_of: RulesOf) -> None:
    text = """
[[provider]]
name = "Them"
hosts = ["them.example"]
[[command]]
name = "RCPT"
phrases = ["in reply to rcpt to"]
[[rule]]
id = "a.all"
reason = "spam"
phrases = ["one", "two"]
hosts = ["three.example"]
urls = ["four.example/five"]
with = ["six"]
without = ["seven"]
codes = ["55x"]
enhanced = ["5.7.x"]
commands = ["RCPT"]
provider = "Them"
disposition = "retry"
"""
    matcher = meaning.RuleMatcher(rules_of(text))
    base = "550 5.7.1 {} six them.example (in reply to RCPT TO command)"
    for words in ("one", "x two", "a.three.example", "http://three.example/", "four.example/five"):
        found = matcher.diagnose(base.format(words))
        assert (found.rule, found.disposition, found.provider) == ("a.all", "retry", "Them"), words
    for words in ("three", "four.example", "x"):
        assert matcher.diagnose(base.format(words)).rule == "none", words
    whole = base.format("one")
    for old, new in (
        ("550", "540"),
        ("550", "450"),
        ("5.7.1", "5.1.1"),
        ("5.7.1", ""),
        ("six", ""),
        ("six", "seven six"),
        ("them.example", "others.example"),
        ("(in reply to RCPT TO command)", ""),
    ):
        assert matcher.diagnose(whole.replace(old, new)).rule == "none", (old, new)
    without_command = whole.replace("(in reply to RCPT TO command)", "")
    assert matcher.diagnose(without_command, command="RCPT").rule == "a.all"
    assert matcher.diagnose(without_command, command="MAIL").rule == "none"
    assert matcher.diagnose(whole, command="MAIL").rule == "none", "what the caller says counts"


@pytest.mark.parametrize("disposition", Disposition)
def test_a_disposition_of_its_own(
    meaning: ModuleType, rules_of: RulesOf, disposition: Disposition
) -> None:
    matcher = meaning.RuleMatcher(rules_of(f'{RULE}disposition = "{disposition}"'))
    assert matcher.diagnose("550 own words").disposition is disposition
    # Nobody is given up for what may pass.
    for line in ("450 own words", "own words", "199 own words", "4.1.1 own words"):
        given_up = disposition in (Disposition.SUPPRESS, Disposition.FAIL)
        expected = Reason.SPAM.disposition(Severity(4)) if given_up else disposition
        assert matcher.diagnose(line).disposition is expected, line


def test_many_different_words(meaning: ModuleType, rules_of: RulesOf) -> None:
    # Long ones too, which the compiled core compares otherwise, with a common beginning.
    words = [f"word{number}{'x' * (number % 30)}" for number in range(3000)]
    text = "".join(
        f'[[rule]]\nid = "a.r{number}"\nreason = "spam"\nphrases = ["{word} behind"]\n'
        for number, word in enumerate(words)
    )
    matcher = meaning.RuleMatcher(rules_of(text))
    for number, word in enumerate(words):
        for before in ("550 a", "550 é"):
            assert matcher.diagnose(f"{before} {word} behind").rule == f"a.r{number}"
            assert matcher.diagnose(f"{before} {word}x behind").rule == "none"
            assert matcher.diagnose(f"{before} x{word} behind").rule == "none"
