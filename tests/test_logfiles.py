"""Files are read in blocks of whole lines, and in memory that does not grow with them."""

from __future__ import annotations

import gzip
import json
import os
import random
import select
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from smtpfast import blocks, logfiles
from smtpfast.blocks import blocks_of, plain_blocks
from smtpfast.cli.logfiles import LogFiles
from smtpfast.cli.rows import written_time
from smtpfast.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE = (
    b"Nov  3 14:52:45 mx1 postfix/smtp[71]: 4F1B2C3D4E5: to=<ann@example.org>,"
    b" relay=mx.example.org[192.0.2.7]:25, delay=1.5, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n"
)


def options(*files: object) -> Namespace:
    return Namespace(command="records", file=[*map(str, files)], year=2026, rules=[])


def reading(pieces: list[bytes]) -> Callable[[memoryview], int]:
    """Something to read that gives no more than a piece at once."""
    left = list(pieces)

    def readinto(buffer: memoryview) -> int:
        if not left:
            return 0
        piece, rest = left[0][: len(buffer)], left[0][len(buffer) :]
        left[:1] = [rest] if rest else []
        buffer[: len(piece)] = piece
        return len(piece)

    return readinto


def shortened(data: bytes, longest: int) -> bytes:
    """What is to come out: whole lines, and the beginnings of those that are too long."""
    *whole, last = data.split(b"\n")
    given = b"".join(line[:longest] + b"\n" for line in whole)
    return given + (last if len(last) <= longest else last[:longest] + b"\n")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    monkeypatch.setattr(blocks, "LONGEST_LINE", 16)


@pytest.mark.parametrize("is_live", [False, True])
@pytest.mark.usefixtures("small")
def test_blocks_hold_all_lines_whole(is_live: bool) -> None:
    chance = random.Random(3)
    for _ in range(3000):
        lengths = chance.choices((0, 1, 7, 15, 16, 17, 30, 63, 64, 65, 200), k=chance.randrange(9))
        data = b"\n".join(chance.randbytes(length).replace(b"\n", b"x") for length in lengths)
        data += b"\n" * chance.randrange(2)
        size = chance.choice((1, 3, 64, 1000))
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        given = list(blocks_of(reading(pieces), is_live=is_live))
        assert b"".join(given) == shortened(data, 16)
        assert all(block.endswith(b"\n") for block in given[:-1])
        assert all(0 < len(block) <= 65 for block in given)


@pytest.mark.usefixtures("small")
def test_blocks_of_a_plain_file_are_the_same(tmp_path: Path) -> None:
    chance = random.Random(4)
    given_whole = 0
    for _ in range(1000):
        lengths = chance.choices((0, 1, 7, 15, 16, 17, 65), (5, 5, 5, 5, 5, 1, 1), k=30)
        data = b"\n".join(b"x" * length for length in lengths) + b"\n" * chance.randrange(2)
        (tmp_path / "log").write_bytes(data)
        with (tmp_path / "log").open("rb") as file:
            whole = [bytes(block) for block in plain_blocks(file)]
            given_whole += len(whole)
            assert all(block.endswith(b"\n") and len(block) <= 64 for block in whole)
            given = b"".join([*whole, *blocks_of(file.readinto1)])
        assert given == shortened(data, 16)
    assert given_whole > 1000


@pytest.mark.usefixtures("small")
def test_blocks_of_a_file_are_full_and_those_of_a_stream_are_not_waited_for() -> None:
    pieces = [b"a\n", b"b", b"c\nd\ne", b"f\n"]
    assert list(blocks_of(reading(pieces))) == [b"".join(pieces)]
    assert list(blocks_of(reading(pieces), is_live=True)) == [b"a\n", b"bc\nd\n", b"ef\n"]
    given = list(blocks_of(reading([b"0123456\n"] * 80)))
    assert [len(block) for block in given] == [64] * 10


@pytest.mark.parametrize("is_live", [False, True])
def test_the_whole_lines_of_what_breaks_are_given(is_live: bool) -> None:
    read = reading([b"a\nb\n", b"c"])

    def readinto(buffer: memoryview) -> int:
        count = read(buffer)
        if not count:
            raise InputError("broken")
        return count

    given = []
    with pytest.raises(InputError, match="broken"):
        given.extend(blocks_of(readinto, is_live=is_live))
    # `extend` keeps what came before the error.
    assert given == [b"a\nb\n"]


def test_a_cut_file_gives_what_could_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(1)
    lines = [LINE[:-2] + b"%s)\n" % chance.randbytes(40).hex().encode() for _ in range(60_000)]
    whole = gzip.compress(b"".join(lines), 1)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[: len(whole) * 9 // 10])
    (tmp_path / "log").write_bytes(LINE)
    logs = LogFiles(options(cut, tmp_path / "log"))
    given: dict[str, list[bytes]] = {}
    for record in logs:
        given.setdefault(record.file, []).append((record.text or "").encode())
    found = given[str(cut)]
    # All but the last octets, which nothing can be made of.
    assert len(lines) * 0.89 < len(found) < len(lines) * 0.91
    assert all(text in line for text, line in zip(found, lines, strict=False))
    assert len(given[str(tmp_path / "log")]) == 1
    assert logs.has_failed
    assert f"{cut}: Compressed file ended before" in capsys.readouterr().err


def test_the_year_of_a_large_file_is_found_by_some_of_its_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfiles, "_SAMPLES", 50)
    days = ("Nov 30", "Dec 31", "Jan  1", "Nov 20", "Dec  9", "Jan  3")
    log = tmp_path / "log"
    log.write_bytes(b"".join(LINE.replace(b"Nov  3", day.encode()) * 400 for day in days))
    assert log.stat().st_size > 300_000
    asked = []
    some_lines = logfiles._some_lines
    monkeypatch.setattr(
        logfiles, "_some_lines", lambda *given: asked.append(given) or some_lines(*given)
    )
    os.utime(log, (1_767_700_000,) * 2)  # the 6th of January 2026
    given = options(log)
    given.year = None
    times = [written_time(record.time or 0, is_local=True) or "" for record in LogFiles(given)]
    years = [int(times[number * 400 + 200][:4]) for number in range(6)]
    assert years == [2024, 2024, 2025, 2025, 2025, 2026]
    assert len(asked) == 1


def test_a_file_that_breaks_behind_its_first_lines_has_its_year(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = gzip.compress(LINE + random.Random(1).randbytes(9999).hex().encode())
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole[:-100])
    each = options(cut)
    each.year = None
    [record] = LogFiles(each)
    assert record.time is not None
    assert "ended before" in capsys.readouterr().err


@pytest.mark.parametrize("has_zstd_error", [False, True])
def test_broken_zstd_is_an_error(
    has_zstd_error: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zstandard = pytest.importorskip("zstandard")
    path = tmp_path / "log"
    whole = zstandard.compress(LINE * 1000)
    path.write_bytes(whole[:5] + b"\xff" * 30 + whole[35:] if has_zstd_error else whole)
    logs = LogFiles(options(path))
    assert bool(list(logs)) != has_zstd_error
    assert logs.has_failed == has_zstd_error
    assert (f"{path}: zstd decompress error" in capsys.readouterr().err) == has_zstd_error


def test_a_line_is_counted_once_however_long(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(LINE.rstrip() + b"x" * 9_000_000 + b"\n" + LINE * 2)
    logs = LogFiles(options(path))
    assert [record.line for record in logs] == [1, 2, 3]
    assert logs.lines == 3
    assert logs.bytes_read == logs.bytes_total == path.stat().st_size


@pytest.mark.skipif(os.name == "nt", reason="no pipe can be waited for")
def test_lines_are_given_as_they_arrive() -> None:
    command = [sys.executable, "-m", "smtpfast", "records", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number, piece in enumerate((LINE + LINE[:50], LINE[50:]), 1):
            process.stdin.write(piece)
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 60)[0], "nothing came"
            assert json.loads(process.stdout.readline())["line"] == number
        process.stdin.close()
        assert process.wait(60) == 0


# --- Memory ---------------------------------------------------------------------------------

MEGABYTE = 1 << 20
# Of a program that no MTA is.
LONG_LINE = b"Nov 24 12:00:00 mx cron[1]: " + b"x" * 3999 + b"\n"
PROGRAM = """
import sys
from smtpfast.cli import main
status = main(["records", *sys.argv[1:]])
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")]
print(peak)
sys.exit(status)
"""


def lines(megabytes: int) -> Iterator[bytes]:
    piece = LONG_LINE * (MEGABYTE // len(LONG_LINE))
    return (piece for _ in range(megabytes))


def one_line(megabytes: int) -> Iterator[bytes]:
    return (b"x" * MEGABYTE for _ in range(megabytes))


def peak_of(pieces: Iterator[bytes], path: Path | None) -> int:
    """The most megabytes that reading a file, or else a pipe, has ever taken."""
    if path is not None:
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.writelines(pieces)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path or "-")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        if path is None:
            process.stdin.writelines(pieces)
        output, errors = process.communicate(timeout=600)
    assert (process.returncode, errors.count(b"lines: no records")) == (0, 1), errors
    return int(output) // 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="nothing tells the memory")
@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("pieces", [lines, one_line])
def test_memory_is_flat(
    pieces: Callable[[int], Iterator[bytes]], is_compressed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "log.gz" if is_compressed else None
    assert peak_of(pieces(300), path) - peak_of(lines(1), path) <= 60
