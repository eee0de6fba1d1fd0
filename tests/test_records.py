"""`smtpfast records`: files of all kinds in, records out."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from smtpfast.cli import main
from smtpfast.logs import LogReader, LogRecord, read_columns

if TYPE_CHECKING:
    from collections.abc import Callable

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


# --- Parquet and Arrow ----------------------------------------------------------------------

EXAMPLE = Path(__file__).parents[1] / "examples" / "mail.log"


def table_of(path: Path, form: str) -> Any:
    pa = pytest.importorskip("pyarrow")
    if form == "arrow":
        return pa.ipc.open_stream(path.read_bytes()).read_all()
    return pytest.importorskip("pyarrow.parquet").read_table(path)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_columns_say_what_ndjson_says(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa = pytest.importorskip("pyarrow")
    out = tmp_path / "out"
    known = tmp_path / "known"  # a log whose zone is known, and what is no UTF-8
    hostile = LINE.replace("Nov  3 14:52:45", "2026-11-03T14:52:45+01:00").encode()
    known.write_bytes(hostile.replace(b"User", b"\xff\x01\xc3"))
    arguments = (EXAMPLE, known, "--year", 2026)
    status, output, errors = run(capsys, *arguments)
    assert run(capsys, *arguments, "--format", form, "-o", out) == (status, "", errors)
    table = table_of(out, form)
    wanted = [json.loads(line) for line in output.splitlines()]
    found = table.to_pylist()
    for row in found:
        row["time"] = row["time"].isoformat() + ("" if row["time_is_local"] else "Z")
    assert found == wanted
    assert table.schema.names == list(LogRecord._fields)
    assert {row["time_is_local"] for row in found} == {False, True}
    assert "\ufffd\x01\ufffd" in table["text"].to_pylist()[-1]
    texts = {pa.utf8(), pa.dictionary(pa.int32(), pa.utf8())}
    kinds = {
        "time": pa.timestamp("us"),
        "time_is_local": pa.bool_(),
        "relay_port": pa.int32(),
        "delay": pa.float64(),
        "code": pa.int16(),
        "retry_after": pa.int32(),
        "line": pa.int64(),
    }
    for field in table.schema:
        assert field.type == kinds[field.name] if field.name in kinds else field.type in texts


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_columns_through_a_pipe(form: str, log: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    command = [sys.executable, "-m", "smtpfast", "records", str(log), "--format", form]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    (tmp_path / "out").write_bytes(done.stdout)
    assert table_of(tmp_path / "out", form)["recipient"].to_pylist() == ["ann@example.org"]
    assert done.stderr == b"2 lines: 1 delivery\n"


def test_an_empty_table_has_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "log").touch()
    for form in ("parquet", "arrow"):
        assert run(capsys, tmp_path / "log", "--format", form, "-o", tmp_path / "out")[0] == 0
        table = table_of(tmp_path / "out", form)
        assert (table.num_rows, table.schema.names) == (0, list(LogRecord._fields))


def test_a_batch_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    from smtpfast.cli import records_arrow

    monkeypatch.setattr(records_arrow, "_MOST_ROWS", 3)
    monkeypatch.setattr(records_arrow, "_MOST_LETTERS", 100)
    with (tmp_path / "out").open("wb") as file:
        rows = records_arrow.RowWriter(("line", "text"), file)
        for number, text in enumerate(("a", "b", "c", "d", "x" * 100, "e")):
            rows.write((number, text))
        rows.close()
    groups = pq.ParquetFile(tmp_path / "out").metadata
    assert [groups.row_group(each).num_rows for each in range(groups.num_row_groups)] == [3, 2, 1]
    monkeypatch.setattr(records_arrow, "_MOST_BLOCKS", 2)
    reader, other = LogReader("a"), LogReader("b")
    with (tmp_path / "out").open("wb") as file:
        columns = records_arrow.ColumnWriter(file, is_stream=True)
        for each in (reader, reader, reader, other, reader):
            columns.write(each, each.join(each.begin(EXAMPLE.read_bytes())))
        columns.close()
    batches = list(pa.ipc.open_stream((tmp_path / "out").read_bytes()))
    count = len(read_columns(EXAMPLE.read_bytes()))
    assert [batch.num_rows for batch in batches] == [2 * count, count, count, count]
    files = [batch["file"].to_pylist()[0] for batch in batches]
    assert files == ["a", "a", "b", "a"]


def test_what_a_column_cannot_hold_is_null(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from smtpfast.cli.records_arrow import RowWriter

    with (tmp_path / "out").open("wb") as file:
        rows = RowWriter(("time", "relay_port", "code", "line"), file)
        for number in (2**70, 2**62, 2**31, 2**15, -(2**15)):
            rows.write((number,) * 4)
        rows.close()
    columns = table_of(tmp_path / "out", "parquet").to_pydict()
    assert columns["line"] == [None, 2**62, 2**31, 2**15, -(2**15)]
    assert columns["relay_port"] == [None, None, None, 2**15, -(2**15)]
    assert columns["code"] == [None] * 4 + [-(2**15)]
    assert [moment is None for moment in columns["time"]] == [True, True, False, False, False]


@pytest.mark.parametrize("command", ["records", "report"])
def test_without_pyarrow_it_is_said_what_to_install(
    command: str, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "smtpfast.cli.records_arrow", raising=False)
    monkeypatch.delattr("smtpfast.cli.records_arrow", raising=False)
    assert main([command, str(log), "--format", "parquet"]) == 1
    assert capsys.readouterr().err == (
        f"smtpfast {command}: --format parquet needs pyarrow: pip install smtpfast[arrow]\n"
    )


def test_a_terminal_gets_no_columns(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    status, output, errors = run(capsys, log, "--format", "arrow")
    assert (status, output) == (1, "")
    assert errors == "smtpfast records: standard output is a terminal: name a file with -o\n"


def test_records_go_into_a_file_that_is_no_log(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for form in ("ndjson", "csv"):
        assert run(capsys, log, "--format", form, "-o", tmp_path / "out")[1] == ""
        written = (tmp_path / "out").read_text(encoding="utf-8")
        assert written == run(capsys, log, "--format", form)[1] != ""
    status, _, errors = run(capsys, log, "-o", log)
    assert (status, errors) == (1, f"smtpfast records: {log}: is one of the logs\n")
    assert log.read_text(encoding="utf-8") == LOG
