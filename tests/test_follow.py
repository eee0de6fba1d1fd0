"""Files are followed while others write to them, rotate them and cut them."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import subprocess
import sys
from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from smtpfast.cli import main
from smtpfast.cli.follow import POLL_SECONDS
from smtpfast.cli.logfiles import LogFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from smtpfast.logs import LogRecord

    Step = Callable[[], object]


def line(name: str, stamp: str = "Nov  3 14:52:45") -> bytes:
    return (
        f"{stamp} mx1 postfix/smtp[71]: 4F1B2C3D4E5: to=<{name}@example.org>,"
        " relay=mx.example.org[192.0.2.7]:25, delay=1.5, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
    ).encode()


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def follow(
    *files: Path, steps: list[Step], year: int | None = 2026
) -> tuple[list[list[LogRecord]], LogFiles]:
    """What is read before each step, and behind the last one."""
    found: list[list[LogRecord]] = [[]]
    left = list(steps)

    def wait(seconds: float) -> bool:
        if not seconds:  # something has come, and more may
            return True
        assert seconds == POLL_SECONDS
        if not left:
            return False
        left.pop(0)()
        found.append([])
        return True

    options = Namespace(command="records", file=[*map(str, files)], year=year, rules=[])
    logs = LogFiles(options, int, wait)
    for record in logs:
        found[-1].append(record)
    assert not left, "all files were given up"
    return found, logs


def names(found: list[list[LogRecord]]) -> list[list[str]]:
    return [[(each.recipient or "").partition("@")[0] for each in part] for part in found]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "mail.log"
    path.write_bytes(line("a"))
    return path


def test_what_is_appended_comes_when_its_line_ends(log: Path) -> None:
    found, logs = follow(
        log,
        steps=[
            lambda: append(log, line("b") + line("c")[:30]),
            int,
            lambda: append(log, line("c")[30:-1]),
            lambda: append(log, b"\n" + line("d")),
        ],
    )
    assert names(found) == [["a"], ["b"], [], [], ["c", "d"]]
    assert [each.line for part in found for each in part] == [1, 2, 3, 4]
    assert logs.lines == 4
    assert not logs.has_failed


def test_a_renamed_file_is_read_to_its_end(log: Path) -> None:
    old = log.with_suffix(".1")
    found, logs = follow(
        log,
        steps=[
            lambda: log.rename(old),
            lambda: append(old, line("b")),  # the daemon has not been told yet
            log.touch,
            lambda: append(old, line("c") + line("d").rstrip()),
            lambda: append(log, line("e")),
            lambda: append(log, line("f")),
            lambda: append(old, line("nobody")),
        ],
    )
    assert names(found) == [["a"], [], ["b"], [], ["c"], ["d", "e"], ["f"], []]
    assert [each.line for part in found for each in part] == [1, 2, 3, 4, 1, 2]
    assert {each.file for part in found for each in part} == {str(log)}
    assert logs.lines == 6


def test_all_that_comes_between_two_looks_is_read(log: Path) -> None:
    def rotate() -> None:
        append(log, line("b"))
        log.rename(log.with_suffix(".1"))
        append(log, line("c"))

    assert names(follow(log, steps=[rotate, rotate])[0]) == [["a"], ["b", "c"], ["b", "c"]]


def test_a_file_that_is_cut_begins_anew(log: Path) -> None:
    append(log, line("b")[:-1])
    found, logs = follow(
        log,
        steps=[
            lambda: log.write_bytes(b""),
            lambda: append(log, line("c")),
            lambda: append(log, line("d") * 3),
            lambda: log.write_bytes(line("e")),
        ],
    )
    assert names(found) == [["a"], ["b"], ["c"], ["d"] * 3, ["e"]]
    assert [part[-1].line for part in found] == [1, 2, 1, 4, 1]
    assert logs.lines == 7


def test_a_file_may_come_late_and_vanish_for_a_while(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    found, logs = follow(
        log,
        steps=[
            int,
            log.touch,
            lambda: append(log, line("a")),
            log.unlink,
            lambda: append(log, line("b")),
        ],
    )
    assert names(found) == [[], [], [], ["a"], [], ["b"]]
    assert not logs.has_failed


def test_files_are_followed_in_turns(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtpfast.blocks.BLOCK_BYTES", 2 * len(line("a")))
    other = log.with_name("other")
    log.write_bytes(line("a") * 5)
    other.write_bytes(line("b") * 3)
    os.utime(log, (1, 1))  # the older one comes first
    found, _ = follow(log, other, steps=[lambda: append(other, line("c"))])
    assert names(found) == [["a", "a", "b", "b", "a", "a", "b", "a"], ["c"]]


def test_a_running_file_passes_new_years_eve(log: Path) -> None:
    log.write_bytes(line("a", "Dec 31 23:59:58"))
    os.utime(log, (1_767_225_598,) * 2)  # the last seconds of 2025, in UTC

    def rotate() -> None:
        log.rename(log.with_suffix(".1"))
        append(log, line("c", "Jan  1 00:00:02"))
        os.utime(log, (1_767_312_000,) * 2)  # the 2nd of January 2026

    found, _ = follow(
        log, steps=[lambda: append(log, line("b", "Jan  1 00:00:01")), rotate], year=None
    )
    second = 1_767_225_600_000_000  # 2026-01-01T00:00:00
    times = [each.time for part in found for each in part]
    assert times == [second - 2_000_000, second + 1_000_000, second + 2_000_000]


def test_a_year_that_is_given_is_that_of_the_first_file(log: Path) -> None:
    os.utime(log, (1_700_000_000,) * 2)

    def rotate() -> None:
        log.rename(log.with_suffix(".1"))
        append(log, line("b"))
        os.utime(log, (1_768_000_000,) * 2)  # January 2026

    found, _ = follow(log, steps=[rotate], year=2024)
    assert [(each.time or 0) // 31_556_952_000_000 + 1970 for [each] in found] == [2024, 2025]


def test_only_plain_files_can_be_followed(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packed, binary = tmp_path / "log.gz", tmp_path / "binary"
    packed.write_bytes(gzip.compress(line("x")))
    binary.write_bytes(b"MZ" + bytes(500))
    found, logs = follow(packed, binary, tmp_path, log, steps=[lambda: append(log, line("b"))])
    errors = capsys.readouterr().err
    assert names(found) == [["a"], ["b"]]
    assert logs.has_failed
    assert f"records: {packed}: is compressed, and only a plain file can be followed\n" in errors
    assert f"records: {binary}: not a text\n" in errors
    assert f"records: {tmp_path}: only a plain file can be followed\n" in errors


def test_standard_input_cannot_be_followed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["records", "--follow", "-"]) == 1
    assert "records: -: standard input cannot be followed, but is read as it comes" in (
        capsys.readouterr().err
    )


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT for another process, no pipe to wait for")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_well(number: signal.Signals, log: Path) -> None:
    command = [sys.executable, "-m", "smtpfast", "records", "--follow", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        for name, data in (("a", line("b")), ("b", b"Nov")):
            assert select.select([process.stdout], [], [], 60)[0], "nothing came"
            assert json.loads(process.stdout.readline())["recipient"] == f"{name}@example.org"
            append(log, data)
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, b"", b"2 lines: 2 delivery\n")


def test_the_report_comes_with_the_signal(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    pauses = iter((lambda: append(log, line("b")), lambda: signal.raise_signal(signal.SIGTERM)))
    monkeypatch.setattr("time.sleep", lambda seconds: next(pauses)() if seconds else None)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["report", "--follow", "--format", "json", str(log)]) == 0
    output, errors = capsys.readouterr()
    assert json.loads(output)["totals"]["delivered"] == 2
    assert errors == "smtpfast report: following; Ctrl-C ends it, and prints\n"
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def test_a_second_signal_ends_it_at_once(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt_twice(_: float) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("time.sleep", interrupt_twice)
    assert main(["report", "--follow", str(log)]) == 130
