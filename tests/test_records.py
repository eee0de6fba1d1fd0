"""`smtpfast records`: files of all kinds in, records out."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
from typing import TYPE_CHECKING

import pytest

from smtpfast.cli import main
from smtpfast.logs import LogRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINE = (
    "Nov  3 14:52:45 mx1 postfix/smtp[71]: 4F1B2C3D4E5: to=<ann@example.org>,"
    " relay=mx.example.org[192.0.2.7]:25, delay=1.5, delays=0.1/0/1/0.4, dsn=5.1.1, status=bounced"
    " (host mx.example.org[192.0.2.7] said: 550 5.1.1 <ann@example.org>: User unknown"
    " (in reply to RCPT TO command))\n"
)
LOG = f"Nov  3 14:52:44 mx1 postfix/smtpd[70]: connect from x[192.0.2.1]\n{LINE}"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["records", *map(str, arguments)])
    return (status, *capsys.readouterr())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "mail.log"
    path.write_text(LOG, encoding="utf-8")
    return path


def test_a_file_as_ndjson(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, output, errors = run(capsys, log, "--year", 2026)
    [row] = map(json.loads, output.splitlines())
    assert status == 0
    assert list(row) == list(LogRecord._fields)
    assert row["time"] == "2026-11-03T14:52:45"
    assert (row["code"], row["enhanced"], row["dsn"]) == (550, "5.1.1", "5.1.1")
    assert (row["reason"], row["disposition"]) == ("bad_mailbox", "suppress")
    assert (row["sender"], row["file"], row["line"]) == (None, str(log), 2)
    assert errors == "2 lines: 1 delivery\n"


def test_a_file_as_csv(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, output, _ = run(capsys, log, "--year", 2026, "--format", "csv")
    [row] = csv.DictReader(io.StringIO(output))
    assert status == 0
    assert list(row) == list(LogRecord._fields)
    assert (row["code"], row["recipient"], row["sender"]) == ("550", "ann@example.org", "")


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_are_known_by_their_content(
    compress: Callable[[bytes], bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log"
    path.write_bytes(compress(LOG.encode()))
    status, output, _ = run(capsys, path)
    assert (status, len(output.splitlines())) == (0, 1)


def test_a_file_in_zstd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "log"
    half = len(LOG) // 2
    frames = [zstandard.compress(part.encode()) for part in (LOG[:half], LOG[half:])]
    path.write_bytes(b"".join(frames))
    status, output, _ = run(capsys, path)
    assert (status, len(output.splitlines())) == (0, 1)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bad_file_is_an_error_and_the_others_go_on(
    compress: Callable[[bytes], bytes],
    log: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = compress(os.urandom(100_000))
    bad = {
        "cut": whole[: len(whole) // 2],
        "broken": whole[:200] + bytes(300) + whole[500:],
        "binary": b"MZ" + bytes(500),
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    names = [tmp_path / name for name in ("missing", *bad)]
    status, output, errors = run(capsys, *names, log, tmp_path)
    assert (status, len(output.splitlines())) == (1, 1)
    for name in (*names, tmp_path):
        assert f"smtpfast records: {name}: " in errors


def test_rotated_files_come_in_the_order_of_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for age, name in enumerate(("mail.log", "mail.log.1", "mail.log.2")):
        path = tmp_path / name
        path.write_text(LOG, encoding="utf-8")
        os.utime(path, (1_800_000_000 - 86_400 * age,) * 2)
    status, output, _ = run(capsys, tmp_path / "mail.log*")
    files = [json.loads(line)["file"] for line in output.splitlines()]
    assert status == 0
    assert files == [str(tmp_path / f"mail.log{end}") for end in (".2", ".1", "")]


def test_the_year_is_inferred_from_the_file(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.utime(log, (1_700_000_000,) * 2)  # November 2023
    assert '"time": "2023-11-03T14:52:45"' in run(capsys, log)[1]
    os.utime(log, (1_680_000_000,) * 2)  # March 2023
    assert '"time": "2022-11-03T14:52:45"' in run(capsys, log)[1]


def test_what_a_server_says_is_no_formula_and_no_command(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = LINE.replace(
        "<ann@example.org>: User unknown", "=cmd|' /C calc'!A0 \x1b[31m\x9b\u202e"
    )
    log.write_text(hostile, encoding="utf-8")
    [row] = csv.DictReader(io.StringIO(run(capsys, log, "--format", "csv")[1]))
    assert row["text"] == "'=cmd|' /C calc'!A0 \\x1b[31m\\x9b\\u202e"
    assert run(capsys, log)[1].isprintable() or "\x1b" not in run(capsys, log)[1]


def test_a_line_without_end_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "long"
    path.write_text(LINE.rstrip() + "x" * 3_000_000 + "\n" + LINE, encoding="utf-8")
    status, output, errors = run(capsys, path)
    assert status == 0
    assert len(output.splitlines()) == 2
    assert errors.startswith("2 lines: ")


def test_no_record_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert run(capsys, path) == (0, "", "0 lines: no records\n")


def test_a_time_that_nobody_can_write_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "current"
    path.write_text("@ffffffffffffffff00000000 delivery 1: success: x\n", encoding="utf-8")
    status, output, _ = run(capsys, path)
    assert (status, json.loads(output)["time"]) == (0, None)
