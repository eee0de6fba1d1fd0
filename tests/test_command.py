"""The command: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import smtpfast
from smtpfast.cli import main
from smtpfast.cli.classify import _lines as read_lines
from smtpfast.cli.terminal import harmless

EXAMPLES = Path(__file__).parents[1] / "examples" / "replies.txt"
COMMAND = (sys.executable, "-m", "smtpfast")


def run(*arguments: str | Path, data: bytes = b"", **environment: str):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=data,
        capture_output=True,
        timeout=30,
        env={**os.environ, **environment},
        check=False,
    )


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


def test_json_is_strict_and_loses_no_byte():
    done = run("classify", "--json", data=b"550 5.1.1 bo\xeete pleine\r\n550 bo\xc3\xaete\r\n")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["text"] == "bo\ufffdte pleine"
    assert first["text_base64"] == "Ym/udGUgcGxlaW5l"
    assert second["text"] == "boîte"
    assert "text_base64" not in second
    done.stdout.decode("ascii")


def test_standard_input_is_the_default():
    data = b"250-a\r\n250 b"
    assert run("classify", data=data).stdout == run("classify", "-", data=data).stdout
    assert run("classify", data=data).stdout.splitlines() == [
        b"250-           success   Ok                                       a",
        b"250            success   Ok                                       b",
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
        (["--language", "ru", "550", "5.1.1"], ["Отказано", "получателя", "источник"]),
    ],
)
def test_explain(words, expected):
    done = run("explain", *words, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, b"")
    for part in expected:
        assert part in done.stdout.decode()


def test_explain_in_english_and_russian_say_the_same_things():
    english = run("explain", "550", "5.1.1").stdout.decode().splitlines()
    russian = run("explain", "550", "5.1.1", "--language", "ru", PYTHONIOENCODING="utf-8")
    assert len(english) == len(russian.stdout.decode().splitlines())


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


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["explain"], ["classify", "--jso"]])
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

    assert list(read_lines(Trickle(b"250-a\r\n\n250 b"))) == [b"250-a\r\n", b"\n", b"250 b"]
