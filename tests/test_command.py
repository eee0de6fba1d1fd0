"""The command: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import smtpfast
from smtpfast.accuracy import LabelError, Labelled, Score, judge, read_labelled, score
from smtpfast.cli import main
from smtpfast.cli.inputs import lines_of
from smtpfast.cli.rules import _toml as toml_of
from smtpfast.cli.terminal import harmless
from smtpfast.rules import ruleset_from

EXAMPLES = Path(__file__).parents[1] / "examples" / "replies.txt"
LABELLED = Path(__file__).parent / "data" / "labelled" / "languages.jsonl"
COMMAND = (sys.executable, "-m", "smtpfast")
# One phrase for a reply that no rule of ours knows.
OWN_RULE = """
[[rule]]
id = "own.teapot"
reason = "greylisted"
phrases = ["short and stout"]
examples = ["550 5.1.1 I am short and stout"]
"""
TEAPOT = "550 5.1.1 I am short and stout"


def run(*arguments: str | Path, data: bytes = b"", **environment: str):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=data,
        capture_output=True,
        timeout=30,
        env={**os.environ, **environment},
        check=False,
    )


def run_here(capsys, *arguments: str | Path) -> tuple[int, str, str]:
    """The command in this process, which has read the rules: the status, output and errors."""
    status = main([*map(str, arguments)])
    return (status, *capsys.readouterr())


def test_classify_prints_one_row_for_each_line_of_the_examples():
    done = run("classify", EXAMPLES)
    rows = done.stdout.decode().splitlines()
    lines = EXAMPLES.read_bytes().split(b"\n")[:-1]
    assert done.returncode == 0
    assert len(rows) == len(lines) > 300
    for row, line in zip(rows, map(smtpfast.classify, lines), strict=True):
        assert row[:4].strip(" -") == (f"{line.code:03}" if line.code >= 0 else "")
        assert row[5:14].strip() == ("" if line.enhanced is None else str(line.enhanced))
        assert row.endswith(harmless(line.text).rstrip())
    assert done.stderr.decode().startswith(f"{len(lines)} lines: ")


def test_classify_shows_the_reason_of_failures_and_the_meaning_of_other_codes():
    rows = run("classify", EXAMPLES).stdout.decode().splitlines()
    lines = EXAMPLES.read_bytes().split(b"\n")[:-1]
    for row, line in zip(rows, map(smtpfast.classify, lines), strict=True):
        shown, reason = row[25:46].strip(), smtpfast.diagnose(line).reason
        if reason in ("accepted", "intermediate"):
            assert shown != reason
        else:
            assert shown == reason
    assert run("classify", data=b"354 \n250 2.1.5 x\n250 2.0.0 x\n259 x\n").stdout.splitlines() == [
        b"354            go on     Start mail input",
        b"250  2.1.5     success   Destination address v x",
        b"250  2.0.0     success   Ok                    x",
        b"259            success                         x",
    ]


def test_classify_json_holds_the_same_as_the_library():
    done = run("classify", "--json", "--defects", EXAMPLES)
    objects = [json.loads(row) for row in done.stdout.splitlines()]
    lines = EXAMPLES.read_bytes().split(b"\n")[:-1]
    assert len(objects) == len(lines)
    for number, (found, raw) in enumerate(zip(objects, lines, strict=True), 1):
        line = smtpfast.classify(raw)
        assert found["line"] == number
        assert found["code"] == line.code
        assert found["status"] == line.status.name
        assert found["is_last"] is line.is_last
        assert found["enhanced"] == (None if line.enhanced is None else str(line.enhanced))
        assert found["severity"] == line.severity.name.lower()
        assert found["category"] == line.category.name.lower()
        assert found["defects"] == list(smtpfast.find_defects(raw))
        diagnosis = smtpfast.diagnose(line)._asdict()
        assert {key: found[key] for key in diagnosis} == {
            **diagnosis,
            "evidence": harmless_bytes(diagnosis["evidence"]),
        }


def harmless_bytes(text):
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def test_json_is_strict_and_loses_no_byte():
    done = run("classify", "--json", data=b"550 5.1.1 bo\xeete pleine\r\n550 bo\xc3\xaete\r\n")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["text"] == "bo\ufffdte pleine"
    assert first["text_base64"] == "Ym/udGUgcGxlaW5l"
    assert second["text"] == "boîte"
    assert "text_base64" not in second
    assert (first["reason"], first["evidence"]) == ("mailbox_full", "bo\ufffdte pleine")
    assert b"\\udc" not in done.stdout
    done.stdout.decode("ascii")


def test_standard_input_is_the_default():
    data = b"250-a\r\n250 b"
    assert run("classify", data=data).stdout == run("classify", "-", data=data).stdout
    assert run("classify", data=data).stdout.splitlines() == [
        b"250-           success   Ok                    a",
        b"250            success   Ok                    b",
    ]


def test_an_empty_input_is_no_error():
    done = run("classify")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"no lines\n")


def test_text_that_the_server_controls_cannot_command_the_terminal():
    hostile = bytes(range(256)).replace(b"\n", b"") + "\u202e\u2066\x9b".encode()
    shown = run("classify", "--defects", data=b"550 " + hostile + b"\n").stdout
    assert not set(shown) & {*range(10), *range(11, 32), 127}
    for letter in ("\u202e", "\u2066", "\x9b", "\x85"):
        assert letter not in shown.decode()
    assert b"\\x1b" in shown
    assert b"\\u202e" in shown


@pytest.mark.parametrize("words", ["\x1b[31m", "abc\x07"])
def test_explain_repeats_no_escape(words):
    done = run("explain", words)
    assert done.returncode == 2
    assert done.stdout == b""
    assert not set(done.stderr) & {*range(10), *range(11, 32), 127}


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch, capsys):
    for environment, is_coloured in (
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ):
        with monkeypatch.context() as patch:
            patch.delenv("NO_COLOR", raising=False)
            patch.setenv("TERM", "xterm")
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
            assert main(["classify", str(EXAMPLES)]) == 0
        assert ("\x1b[31mpermanent" in capsys.readouterr().out) is is_coloured
    assert b"\x1b" not in run("classify", EXAMPLES).stdout


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read memory from")
def test_a_line_without_end_takes_no_memory_and_does_not_shift_the_others():
    code = (
        "import pathlib, re, sys\n"
        "from smtpfast.cli import main\n"
        "status = main(['classify', '--json', '-'])\n"
        "proc = pathlib.Path('/proc/self/status').read_text()\n"
        "print(re.search(r'VmHWM:\\s+([0-9]+) kB', proc)[1], file=sys.stderr)\n"
        "sys.exit(status)\n"
    )
    data = b"250 first\n550 " + b"x" * 80_000_000 + b"\n251 third\n"
    done = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, timeout=60, check=True
    )
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert [(row["line"], row["code"]) for row in rows] == [(1, 250), (2, 550), (3, 251)]
    assert b"line 2 is longer than" in done.stderr
    assert int(done.stderr.split()[-1]) < 100_000  # KiB


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["550"], ["550 MAILBOX_UNAVAILABLE", "RFC 5321"]),
        (["550", "5.1.1"], ["550 MAILBOX_UNAVAILABLE", "5.1.1 Bad destination mailbox address"]),
        (["5.7.509"], ["5.7.509\n", "Security or Policy Status"]),
        (["599"], ["599\n", "This code has no registered meaning of its own."]),
        (["550 5.1.1 <a@b.example>: User unknown"], ["550 MAILBOX", "5.1.1 Bad"]),
        (["553", "sorry (#5.7.1)"], ["553 MAILBOX_NAME", "5.7.1 Delivery not authorized"]),
        (["550", "4.7.1"], ["contradict each other"]),
        (["#5.1.1"], ["5.1.1 Bad destination mailbox address"]),
        (["050"], ["050\n"]),
        (["550"], ["bad_mailbox\n", "disposition suppress: Give up", "rule        code."]),
        (
            ["554 5.7.1 [192.0.2.1] blocked using zen.spamhaus.org, in reply to RCPT TO"],
            ["blocklisted\n  A DNS block list", "advice      Find", "block list  zen.spamhaus.org"],
        ),
        (["451 4.7.1 Greylisted, try again in 5 minutes"], ["retry after 300 seconds\n"]),
        (
            ["550 5.1.1 No such user - gsmtp"],
            ["provider    Google\n", "evidence    No such user\n"],
        ),
        (["450", "mailbox full"], ["disposition retry: Keep"]),
        (
            ["--language", "ru", "452 4.2.2 mailbox full"],
            ["mailbox_full\n  Ящик", "что делать  retry"],
        ),
        (["host mx said: 550 5.1.1 User unknown"], ["550 MAILBOX", "5.1.1 Bad", "bad_mailbox\n"]),
        (["mx said: 550 User unknown"], ["550 MAILBOX", "bad_mailbox\n"]),
        (["--language", "ru", "550", "5.1.1"], ["Отказано", "получателя", "источник"]),
    ],
)
def test_explain(words, expected, capsys):
    status, output, errors = run_here(capsys, "explain", *words)
    assert (status, errors) == (0, "")
    for part in expected:
        assert part in output


def test_explain_in_english_and_russian_say_the_same_things():
    words = "554 5.7.1 zen.spamhaus.org lists you, try again in 5 minutes - gsmtp"
    english = run("explain", words).stdout.decode().splitlines()
    russian = run("explain", words, "--language", "ru", PYTHONIOENCODING="utf-8")
    assert len(english) == len(russian.stdout.decode().splitlines())
    assert all(line.isascii() for line in english)


@pytest.mark.parametrize("words", ["5.1.1", "#4.2.2"])
def test_explain_diagnoses_no_enhanced_code_alone(words):
    assert b"disposition" not in run("explain", words).stdout


def test_explain_repeats_no_escape_of_a_reply(tmp_path):
    rules = tmp_path / "own.toml"
    rules.write_text(
        '[[provider]]\nname = "\\u001b[31m"\nphrases = ["user unknown"]\n'
        '[[blocklist]]\nzone = "\\u009b31m"\nphrases = ["user unknown"]\n'
    )
    done = run("explain", "--rules", rules, "550 user\x1b \x9bunknown", PYTHONIOENCODING="utf-8")
    assert done.returncode == 0
    assert "evidence    user\\x1b \\x9bunknown\n" in done.stdout.decode()
    assert not set(done.stdout) & {*range(10), *range(11, 32), 127}
    assert "\x9b" not in done.stdout.decode()


@pytest.mark.parametrize("word", ["abc", "2500", "5.1", "25", "5.1.1.1", "３５４"])
def test_explain_refuses_what_is_no_code(word):
    done = run("explain", word, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"hint:" in done.stderr


def test_codes_lists_both_tables():
    rows = run("codes").stdout.decode().splitlines()
    assert len(rows) == 44
    for row, status in zip(rows, smtpfast.SmtpStatusCode, strict=True):
        assert row.split()[:2] == [str(int(status)), status.name]
        assert row.endswith(status.description)
    assert len(run("codes", "--enhanced").stdout.splitlines()) == 3 * 81
    russian = run("codes", "--language", "ru", PYTHONIOENCODING="utf-8").stdout.decode()
    assert smtpfast.describe(550, "ru") in russian


def test_a_terminal_without_cyrillic_gets_escapes():
    done = run("codes", "--language", "ru", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert b"\\u0412" in done.stdout


def test_version_says_which_core_runs():
    for core in {"pure", smtpfast.BACKEND}:
        done = run("--version", SMTPFAST_BACKEND=core)
        assert done.stdout.decode().startswith(f"smtpfast {smtpfast.__version__} ({core} core, ")


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["explain"], ["classify", "--jso"], ["rules", "a", "b"], ["rules", "test"]],
)
def test_wrong_usage_ends_with_2(arguments):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"usage:" in done.stderr


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_cannot_be_read_is_an_error_without_a_traceback(name, tmp_path):
    done = run("classify", tmp_path / name)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"smtpfast classify: ")
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="no SIGPIPE and no SIGINT from outside on Windows")
def test_a_closed_pipe_is_no_traceback():
    big = EXAMPLES.read_bytes() * 100
    with subprocess.Popen(
        [*COMMAND, "classify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        _, errors = None, b""
        try:
            process.stdin.write(big)
            process.stdin.close()
        except BrokenPipeError:
            pass
        errors = process.stderr.read()
        assert process.wait(30) == 141
    assert errors == b""


@pytest.mark.skipif(os.name == "nt", reason="no SIGPIPE and no SIGINT from outside on Windows")
def test_an_interrupt_is_no_traceback():
    with subprocess.Popen(
        [*COMMAND, "classify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(b"250 ok\n")
        process.stdin.flush()
        # The row comes at once, though more may follow: a log can be followed through a pipe.
        assert process.stdout.readline().startswith(b"250 ")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() == b""


@pytest.mark.skipif(os.name == "nt", reason="a shell closes the streams")
@pytest.mark.parametrize(
    ("redirection", "arguments", "message"),
    [
        ("<&-", "classify", "smtpfast classify: -: standard input is closed"),
        (">&-", "codes", "smtpfast: standard output is closed"),
        (">/dev/full", "codes", "smtpfast: cannot write: "),
        (">/dev/full", f"classify {EXAMPLES}", "smtpfast: cannot write: "),
    ],
)
def test_a_stream_that_is_closed_or_full_is_no_traceback(redirection, arguments, message):
    if "/dev/full" in redirection and not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    done = subprocess.run(
        ["sh", "-c", f'"$0" -m smtpfast {arguments} {redirection}', sys.executable],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.decode().startswith(message)
    assert len(done.stderr.splitlines()) == 1


def test_lines_that_arrive_in_single_octets_are_whole():
    class Trickle:
        def __init__(self, data):
            self.pieces = [data[at : at + 1] for at in range(len(data))]

        def read1(self, _):
            return self.pieces.pop(0) if self.pieces else b""

    assert list(lines_of(Trickle(b"250-a\r\n\n250 b"), 99, int)) == [b"250-a\r\n", b"\n", b"250 b"]


# --- Rules ------------------------------------------------------------------------------------


@pytest.fixture
def own_rules(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OWN_RULE)
    return path


def test_own_rules_decide_first(own_rules):
    for rules, reason in (([], "bad_mailbox"), (["--rules", own_rules], "greylisted")):
        assert f"\n\n{reason}\n" in run("explain", *rules, TEAPOT).stdout.decode()
        [row] = run("classify", "--json", *rules, data=TEAPOT.encode()).stdout.splitlines()
        assert json.loads(row)["reason"] == reason


def test_rules_may_be_repeated(own_rules, tmp_path):
    second = tmp_path / "second.toml"
    second.write_text(OWN_RULE.replace("own.teapot", "own.second"))
    done = run("rules", "--rules", second, "--rules", own_rules)
    assert [row.split()[:2] for row in done.stdout.decode().splitlines()[:2]] == [
        ["own.second", "0"],
        ["own.teapot", "0"],
    ]


@pytest.mark.parametrize(
    "command",
    [["explain", "550"], ["classify", EXAMPLES], ["rules"], ["rules", "test", LABELLED]],
)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "No such file"),
        (b"[[rule]\n", "line 1"),
        (b"\xff", "not UTF-8"),
        (b"[[rule]]\nid = 'a.b'\nreason = 'no\x1b'", "not TOML"),
        (b'[[rule]]\nid = "a.b"\nreason = "\\u001b"', "a.b: reason '"),
        (b'[[rule]]\nid = "a.b"\nreason = "spam"\nphrases = ["("]', "a.b: '('"),
    ],
)
def test_a_bad_file_of_rules_is_an_error_without_a_traceback(
    command, text, problem, tmp_path, capsys
):
    path = tmp_path / "bad.toml"
    if text is not None:
        path.write_bytes(text)
    status, output, errors = run_here(capsys, *command, "--rules", path)
    assert (status, output if command[0] != "explain" else "") == (1, "")
    name = "rules test" if command[1:2] == ["test"] else command[0]
    assert errors.startswith(f"smtpfast {name}: {path}: ")
    assert problem in errors
    assert len(errors.splitlines()) == 1
    assert "\x1b" not in errors


def test_rules_lists_all_in_deciding_order(capsys):
    rules = smtpfast.Classifier.default().ruleset.rules
    rows = run_here(capsys, "rules")[1].splitlines()
    objects = [json.loads(row) for row in run_here(capsys, "rules", "--json")[1].splitlines()]
    for row, found, rule in zip(rows, objects, rules, strict=True):
        assert row.split() == [rule.id, str(rule.level), rule.reason, rule.file]
        assert found["with"] == list(rule.with_)
        for key in ("id", "level", "reason", "file", "phrases", "disposition"):
            value = getattr(rule, key)
            assert found[key] == (list(value) if isinstance(value, tuple) else value)
    levels = [found["level"] for found in objects]
    assert levels == sorted(levels)


def test_a_rule_is_shown_as_a_file_has_it(own_rules, tmp_path):
    shown = run("rules", "--rules", own_rules, "own.teapot").stdout.decode()
    assert shown == (
        f"# {own_rules}\n"
        "[[rule]]\n"
        'id = "own.teapot"\n'
        'reason = "greylisted"\n'
        "level = 0\n"
        'phrases = [\n    "short and stout",\n]\n'
        'examples = [\n    "550 5.1.1 I am short and stout",\n]\n'
    )
    [found] = run("rules", "--rules", own_rules, "own.teapot", "--json").stdout.splitlines()
    assert json.loads(found)["phrases"] == ["short and stout"]
    # All of ours can be copied so.
    rules = smtpfast.Classifier.default().ruleset.rules
    copies = tmp_path / "copies.toml"
    copies.write_text("\n".join(map(toml_of, rules)), encoding="utf-8")
    found = ruleset_from([copies], with_defaults=True).rules
    assert [rule._replace(file="") for rule in found] == [rule._replace(file="") for rule in rules]


def test_what_a_rule_says_cannot_command_the_terminal():
    rule = ruleset_from([], with_defaults=True).rules[0]
    shown = toml_of(rule._replace(examples=("\x1b[31m\r\n\u202e",), file="\x1b"))
    assert set(shown) >= {"\n"}
    assert not set(shown) & {"\x1b", "\r", "\u202e"}
    assert tomllib.loads(shown)["rule"][0]["examples"] == ["\x1b[31m\r\n\u202e"]


@pytest.mark.parametrize("name", ["none", "test", "\x1b[31m"])
def test_a_rule_that_is_not_there_is_an_error(name, capsys):
    status, output, errors = run_here(capsys, "rules", "--json", name)
    assert (status, output) == (2, "")
    assert errors.startswith("smtpfast rules: no rule has the id ")
    assert "\x1b" not in errors


# --- Labelled replies -------------------------------------------------------------------------


def test_rules_test_is_content_with_right_answers(tmp_path, own_rules):
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text(
        '{"reply": "550-5.1.1 User\\r\\n550 5.1.1 unknown", "reason": "bad_mailbox"}\n'
        '{"reply": "452 mailbox full", "reason": "system", "also": ["mailbox_full"]}\n'
    )
    data = f"# mine\r\n\r\ngreylisted\t{TEAPOT}\r\n".encode()
    done = run("rules", "test", "--rules", own_rules, labelled, "-", data=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == (
        "3 replies: 3 right (100.0%), 3 decided (100.0%)\n\n"
        "reason                 lines  recall  precision     F1  taken for\n"
        "bad_mailbox                1  100.0%     100.0%  1.000\n"
        "greylisted                 1  100.0%     100.0%  1.000\n"
        "system                     1  100.0%     100.0%  1.000\n"
    )


def test_rules_test_shows_mistakes_and_what_no_rule_decides():
    data = (
        b"bad_mailbox\t550 user unknown\n"
        b"spam\t550 user\x1b unknown\n"
        b"tls\t599 \xff neither known\n"
        b"unknown\t599 nor this\n"
    )
    done = run("rules", "test", "-", data=data)
    assert (done.returncode, done.stderr) == (1, b"")
    shown = done.stdout.decode().splitlines()
    assert shown[0] == "4 replies: 2 right (50.0%), 3 decided (75.0%)"
    assert "spam                       1    0.0%       0.0%  0.000  1 bad_mailbox" in shown
    assert "bad_mailbox                1  100.0%      50.0%  0.667" in shown
    wrong, unknown = shown.index("wrong:"), shown.index("unknown, no rule decides:")
    assert [line[:33] for line in shown[wrong + 1 : unknown - 1]] == [
        "  -:2: bad_mailbox by bad_mailbox"
    ]
    assert shown[wrong + 1].endswith("(user\\x1b unknown), spam wanted: 550 user\\x1b unknown")
    assert len(shown) == unknown + 2
    assert shown[-1].startswith("  -:3: unknown by ")
    assert shown[-1].endswith(", tls wanted: 599 \\xff neither known")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("550 user unknown", "expected a JSON object, or a reason, a tab and a reply"),
        ("[]", "expected a JSON object, or a reason, a tab and a reply"),
        ("typo\t550 x", "unknown reason 'typo': expected one of accepted, "),
        ("spam\t", "reply: expected a text"),
        ("{", "not JSON: "),
        ('{"a":' * 100_000, "not JSON: "),
        ('{"reply": ' + "1" * 5000 + "}", "not JSON: "),
        ("{}", "reply: expected a text"),
        ('{"reply": 550, "reason": "spam"}', "reply: expected a text"),
        ('{"reply": "550 x"}', "no reason"),
        ('{"reply": "550 x", "reason": ["spam"]}', "unknown reason \"['spam']\""),
        ('{"reply": "550 x", "reason": "spam", "also": "tls"}', "accept and also: expected lists"),
        ('{"reply": "550 x", "accept": ["no"]}', "no reason"),
        ('{"reply": "550 x", "reason": "spam", "command": "FROB"}', "command 'FROB'"),
        ('{"reply": "550 x", "reason": "spam", "command": 5}', "command '5'"),
    ],
)
def test_a_label_that_cannot_be_used_is_named_with_file_and_line(line, problem, tmp_path, capsys):
    path = tmp_path / "labels"
    path.write_text(f"\nspam\t550 spam\n{line}\n")
    with pytest.raises(LabelError) as caught:
        read_labelled(path.read_bytes(), str(path))
    assert (caught.value.file, caught.value.line) == (str(path), 3)
    assert str(caught.value).startswith(f"{path}:3: {problem}")
    assert run_here(capsys, "rules", "test", path) == (
        1,
        "",
        f"smtpfast rules test: {caught.value}\n",
    )


@pytest.mark.parametrize("data", [b"", b"\n# nothing\n"])
def test_no_labels_are_no_success(data, tmp_path, capsys):
    path = tmp_path / "labels"
    path.write_bytes(data)
    status, output, errors = run_here(capsys, "rules", "test", path)
    assert (status, output) == (1, "")
    assert errors == f"smtpfast rules test: {path}: no labelled replies\n"


def test_labels_that_cannot_be_read_are_an_error(tmp_path, capsys):
    for name in ("missing", "."):
        status, output, errors = run_here(capsys, "rules", "test", tmp_path / name)
        assert (status, output) == (1, "")
        assert errors.startswith("smtpfast rules test: ")
        assert len(errors.splitlines()) == 1


def test_labels_say_all_that_the_page_lists():
    [row] = read_labelled(
        b'\xef\xbb\xbf{"line": "550 \\u2028\\ud800", "accept": ["spam", "tls"], "command": "rcpt",'
        b' "family": "f", "language": "de", "provider": null}\r\n',
        "file",
    )
    assert row == Labelled(
        "550 \u2028\ud800", row.reason, frozenset({"spam", "tls"}), "rcpt", "f", "de", "file", 1
    )
    assert row.reason == "spam"
    [row] = read_labelled("tls\t550 a\tb \u2028\x85\udcff\n".encode("utf-8", "surrogateescape"), "")
    assert row.reply == "550 a\tb \u2028\x85\udcff"
    judge([row], smtpfast.Classifier.default())


def test_the_command_of_a_label_counts():
    data = b'{"reply": "550 x", "reason": "spam", "command": "MAIL"}\n'
    [judged] = judge(read_labelled(data, ""), smtpfast.Classifier.default())
    assert judged.found == smtpfast.diagnose("550 x", command="MAIL")


def test_the_score_by_hand():
    data = (
        "bad_mailbox\t550 user unknown\nspam\t550 user unknown\nbad_mailbox\t599 what\n"
        '{"reply": "550 user unknown", "reason": "policy", "also": ["bad_mailbox"]}\n'
    )
    judged = judge(read_labelled(data.encode(), ""), smtpfast.Classifier.default())
    # F1: bad_mailbox 2·1/(2+2), spam 0, policy 1.
    assert score(judged) == Score(4, 3 / 4, 2 / 4, 1 / 4, (1 / 2 + 0 + 1) / 3)
