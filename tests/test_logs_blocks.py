"""Blocks of a log against its lines: `LogReader.read`, line after line, says what is right.

On the compiled core most lines of a block are read in C; on the pure core this tests the blocks
alone.
"""

from __future__ import annotations

import random
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from log_lines import all_lines, other_lines
from smtpfast import BACKEND
from smtpfast._core.logs import Senders
from smtpfast.cli.report import sections_of
from smtpfast.joins import Joins
from smtpfast.log_columns import LogColumns
from smtpfast.log_record import MTAS
from smtpfast.logs import LogReader, LogRecord, read_blocks, read_columns
from smtpfast.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ROOT = Path(__file__).parents[1]
CORPUS = ROOT.parent / "shared" / "corpus" / "logs"
EXAMPLE = (ROOT / "examples" / "mail.log").read_bytes()
CORPUS_LOGS = sorted(CORPUS.glob("*.log"))


def lines_of(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def read_by_lines(lines: Iterable[bytes], *, diagnose: bool = True) -> list[LogRecord]:
    reader = LogReader("mail.log", year=2027, diagnose=diagnose)
    return [record for line in lines for record in reader.read(line)]


def assert_same(data: bytes) -> None:
    """Told by the first record that differs, and its line."""
    lines = lines_of(data)
    expected = read_by_lines(lines)
    got = list(read_columns(data, "mail.log", year=2027).rows())
    for one, other in zip(expected, got, strict=False):
        assert other == one, lines[one.line - 1]
    assert len(got) == len(expected)


def mutated(lines: list[bytes], number: int, chance: random.Random) -> list[bytes]:
    """Lines with some bytes changed, left out, put in, or taken from other lines."""
    bytes_ = b" :;<>()[]-,=/\"'?\\@.\r\t0159aZ\xc3\xa9\xff\x00\x85\xa0{}|_*"
    found = []
    for _ in range(number):
        line = bytearray(chance.choice(lines))
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(line) + 1)
            other = chance.choice(lines)
            start = chance.randrange(len(other) + 1)
            match chance.randrange(5):
                case 0:
                    line[at : at + 1] = bytes([chance.choice(bytes_)])
                case 1:
                    del line[at : at + chance.choice((1, 2, 20))]
                case 2:
                    line[at:at] = bytes([chance.choice(bytes_)])
                case 3:
                    line[at:at] = other[start : start + chance.choice((3, 10, 40))]
                case _:
                    line[at:] = other[start:]
        found.append(bytes(line).replace(b"\n", b""))
    return found


# --- Records --------------------------------------------------------------------------------


def test_of_lines_of_all_kinds() -> None:
    assert_same(b"\n".join(all_lines()))
    assert_same(
        rb"Nov 24 12:44:34 mx sendmail[1]: 4AOCiYx4001234: to=<a@b>, stat=Sent (\342\234" b"\x85)"
    )
    assert_same(rb"2026-11-24 12:44:34 1tAbCd-0001Ab-0C ** a@b.test R=r T=t: x \303" b"\xa4")
    assert {record.mta for record in read_by_lines(other_lines())} == {*MTAS[1:]}


def test_of_the_example() -> None:
    assert_same(EXAMPLE)
    assert len(read_columns(EXAMPLE)) > 30


@pytest.mark.parametrize("path", CORPUS_LOGS, ids=lambda path: path.name)
def test_of_logs_of_the_corpus(path: Path) -> None:
    assert_same(path.read_bytes())


@pytest.mark.skipif(not CORPUS_LOGS, reason="there is no corpus")
def test_the_corpus_has_logs_of_all_text_mtas() -> None:
    names = {path.name.partition("-")[0] for path in CORPUS_LOGS}
    assert names >= {"postfix", "exim", "sendmail", "opensmtpd", "haraka"}


@pytest.mark.parametrize("seed", range(6))
def test_of_mutated_lines(seed: int) -> None:
    chance = random.Random(seed)
    lines = [*all_lines(), *other_lines() * 20, *lines_of(EXAMPLE)]
    lines += chain.from_iterable(lines_of(path.read_bytes()) for path in CORPUS_LOGS)
    assert_same(b"\n".join(mutated(lines, 4000, chance)))


def test_of_random_bytes() -> None:
    chance = random.Random(7)
    assert_same(chance.randbytes(50_000))
    assert_same(bytes(chance.choices(b" :;<>()[]-,=postfix/24NovT\r\n", k=50_000)))


def test_of_lines_cut_at_every_byte() -> None:
    some = [*lines_of(EXAMPLE)[20:24], *other_lines()]
    assert_same(b"\n".join(line[:end] for line in some for end in range(len(line) + 1)))


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r\r\n", b" \n"])
def test_of_line_ends(ending: bytes) -> None:
    lines = lines_of(EXAMPLE)
    assert_same(ending.join(lines))
    assert_same(ending.join(lines) + ending)
    assert_same(ending * 3 + ending.join(lines) + ending * 3)


def test_of_nothing() -> None:
    assert len(read_columns(b"")) == 0
    assert len(read_columns(b"\n\n")) == 0
    assert read_columns(b"", "a").column("file") == []


def test_of_a_line_longer_than_a_block() -> None:
    line = lines_of(EXAMPLE)[20]
    assert line.endswith(b")")
    long_one = line[:-1] + b"x" * 5_000_000 + b")"
    assert_same(b"\n".join([line, long_one, line]))


@pytest.mark.parametrize("size", [1, 3, 50, 1000])
def test_of_blocks_of_any_size(size: int) -> None:
    lines = lines_of(EXAMPLE)
    blocks = [b"\n".join(lines[at : at + size]) + b"\n" for at in range(0, len(lines), size)]
    for threads in (1, 2):
        reader = LogReader("mail.log", year=2027)
        joined = read_blocks(((reader, block) for block in blocks), threads)
        found = [record for _, block in joined for record in block.records("mail.log")]
        assert found == read_by_lines(lines)
        assert reader.lines == len(lines)


@pytest.mark.parametrize("given", [bytearray, memoryview, lambda data: data.decode()])
def test_of_all_that_may_be_given(given: Callable[[bytes], bytes]) -> None:
    assert read_columns(given(EXAMPLE), year=2027) == read_columns(EXAMPLE, year=2027)


def test_without_reasons() -> None:
    columns = read_columns(EXAMPLE, "mail.log", year=2027, diagnose=False)
    assert list(columns.rows()) == read_by_lines(lines_of(EXAMPLE), diagnose=False)
    for name in ("reason", "disposition", "retry_after", "blocklist", "provider"):
        assert {*columns.column(name)} == {None}
    assert len({*columns.column("code")}) > 5


def test_the_columns_are_those_of_the_records() -> None:
    lines = all_lines()
    expected = LogColumns.of_records(read_by_lines(lines), "mail.log")
    assert read_columns(b"\n".join(lines), "mail.log", year=2027) == expected


@pytest.mark.skipif(BACKEND == "pure", reason="on the pure core all lines are read in Python")
def test_everyday_lines_are_read_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    read = LogReader._read

    def spy(self: LogReader, line: bytes, number: int) -> list[LogRecord]:
        asked.append(line)
        return read(self, line, number)

    monkeypatch.setattr(LogReader, "_read", spy)
    assert len(read_columns(EXAMPLE, year=2027)) > 30
    assert asked == []


# --- What earlier lines say -----------------------------------------------------------------


def test_years_go_on_with_the_lines_whoever_reads_them() -> None:
    stamps = (
        "Dec 30",
        "Dec 31",
        "Jan  1",
        "Dec 31",
        "Jan  2",
        "Jun  3",
        "Feb 29",
        "Jan  1",
        "Xxx 99",
    )
    programs = ("postfix/smtp", "own/smtp", "cron")
    text = "4F1B2C3D4E5: to=<a@b>, relay=none, delay=0, dsn=2.0.0, status=sent (x)"
    chance = random.Random(3)
    for _ in range(50):
        lines = [
            f"{chance.choice(stamps)} 12:00:00 mx {chance.choice(programs)}[1]: {text}".encode()
            for _ in range(40)
        ]
        assert_same(b"\n".join(lines))


@pytest.mark.parametrize("most", [1, 2, 7, 1000])
def test_senders_are_those_of_joins(most: int) -> None:
    """`Joins` is the specification; the core's own table must forget the same ones."""
    chance = random.Random(most)
    senders, joins = Senders(most), Joins[str](most)
    keys = ["", "A", *(f"{'4F1B2C3D' * (number % 3)}{number:X}" for number in range(40))]
    values = ["", "a@b.example", "x" * 100, "\u00e4@b", "\udcff"]
    for _ in range(20_000):
        key, value = chance.choice(keys), chance.choice(values)
        match chance.randrange(4):
            case 0 | 1:
                senders.note(key, value)
                joins.note(key, value)
            case 2:
                senders.forget(key)
                joins.forget(key)
            case _:
                assert senders.get(key) == joins.get(key)
    assert [senders.get(key) for key in keys] == [joins.get(key) for key in keys]


def test_senders_by_the_hundred_thousand() -> None:
    senders, joins = Senders(50_000), Joins[str](50_000)
    for number in range(150_000):
        for some in (senders, joins):
            some.note(f"{number:X}", f"{number}@b.example")
            some.forget(f"{number - 7:X}") if number % 3 else None
    for number in range(0, 150_000, 11):
        assert senders.get(f"{number:X}") == joins.get(f"{number:X}")


# --- Counting -------------------------------------------------------------------------------


def counted_by_lines(
    lines: list[bytes], most: int, takes: Callable[[LogRecord], bool]
) -> tuple[Report, int]:
    report, passed_over = Report(most), 0
    for record in read_by_lines(lines):
        if takes(record):
            report.add(record)
        else:
            passed_over += 1
    return report, passed_over


def counted_by_blocks(
    lines: list[bytes], most: int, takes: Callable[[LogRecord], bool] | None
) -> tuple[Report, int]:
    reader, report = LogReader("mail.log", year=2027), Report(most)
    blocks = [b"\n".join(lines[at : at + 700]) + b"\n" for at in range(0, len(lines), 700)]
    joined = read_blocks((reader, block) for block in blocks)
    passed_over = report.add_blocks(((block, "mail.log") for _, block in joined), takes)
    return report, passed_over


def is_delivery(record: LogRecord) -> bool:
    return record.event == "delivery"


@pytest.mark.parametrize("most", [3, 40, 10_000])
@pytest.mark.parametrize("takes", [None, is_delivery])
def test_a_report_of_blocks_is_one_of_records(
    most: int, takes: Callable[[LogRecord], bool] | None
) -> None:
    lines = [*all_lines(), *lines_of(EXAMPLE)] * 2
    expected, left = counted_by_lines(lines, most, takes or bool)
    got, passed_over = counted_by_blocks(lines, most, takes)
    assert passed_over == left
    assert (left > 0) == (takes is not None)
    for name, section in sections_of(expected, left).items():
        assert sections_of(got, passed_over)[name] == section, name


def test_shapes_are_those_of_the_specification() -> None:
    """Of replies put together from all that a shape masks, and of what is only like it."""
    pieces = (
        *(
            "550",
            "5.7.1",
            "550-5.7.1",
            "4.7.0.",
            "192.0.2.7",
            "[192.0.2.7]:25",
            "2001:db8::25/32",
            "::1",
        ),
        *(
            "<ann@mx.test>",
            "ann@mx.test,",
            "<x y>",
            "<>",
            "<addr>",
            "mx1.example.com.",
            "bl.test.org",
        ),
        *(
            "1.2.3.zen.spamhaus.org",
            "header.from",
            "4F1B2C3D4E5",
            "queue:4F1B2C3D4E5",
            "a:b:c:d:e1",
        ),
        *(
            "Mon, 24 Nov 2026 12:44:34 +0100",
            "2026-11-24T12:44:34Z",
            "Nov 24",
            "12:44",
            "1,234,567",
        ),
        *(
            "foo,1,234",
            "300",
            "5MB",
            "1st",
            "7/10",
            "S3150",
            "IPv4",
            "TLSv1.2",
            "dead" * 5,
            "a-1-b-22",
        ),
        *("https://e.test/a/4F1B2C3D4E5?q=1).", "www.e.test/p", "http://", "see:http://e.test/x@y"),
        *(
            '"quoted words"',
            "'a b'",
            "it's",
            "`x'",
            "don't",
            "(",
            "]",
            "|",
            "=",
            ":",
            "...",
            "\u00fc\u0442",
        ),
        *("\u65e5\u672c", "\U0001f600", "\u00a0", "\udcff", "unknown", "user"),
    )
    chance = random.Random(11)
    front = (
        "Nov 24 12:44:34 mx postfix/smtp[1]: 4F1B2C3D4E5: to=<a@b.test>, relay=mx[192.0.2.25]:25,"
        " delay=1, dsn=5.1.1, status=bounced (host mx[192.0.2.25] said: 550 "
    )
    lines = []
    for _ in range(5000):
        chosen = chance.choices(pieces, k=chance.randrange(1, 9))
        text = "".join(piece + chance.choice((" ", " ", "", ", ")) for piece in chosen)
        lines.append(f"{front}{text})".encode("utf-8", "surrogateescape"))
    assert_same_report(lines)


def test_names_and_urls_of_many_octets_are_cut_by_letters() -> None:
    """And the block is not changed by counting."""
    wide = "\u00e9" * 200
    long_host = f"{'x' * 60}.{'y' * 200}.mail.protection.outlook.com"
    lines = [
        f"Nov 24 12:44:34 mx postfix/smtp[1]: 4F1B2C3D4E5: to=<jo@{domain}>, relay={relay}"
        f"[192.0.2.25]:25, delay=1, dsn=5.1.1, status=bounced (host mx[192.0.2.25] said: {reply})"
        for domain, relay in (
            (f"{wide}.example", "mx.test"),
            (f"{wide}{wide}", f"{wide}{wide}"),
            ("a.test", long_host),
            (f"{'a' * 300}.test", f"{long_host}x"),
        )
        for reply in (
            "550 5.1.1 no",
            f"550 5.1.1 see http://e.test/{wide}",
            f"550 see http://e.test/{wide}{wide}a or http://e.test/{wide}{wide}b",
            "550 " + " ".join(f"http://e.test/{number % 90:x}" for number in range(200)),
        )
    ]
    encoded = [line.encode() for line in lines]
    assert_same_report(encoded)
    reader = LogReader("mail.log", year=2027)
    block = reader.join(reader.begin(b"\n".join(encoded)))
    before = block.records("mail.log")
    Report().add_blocks([(block, "mail.log")])
    assert block.records("mail.log") == before == read_by_lines(encoded)


def assert_same_report(lines: list[bytes]) -> None:
    expected, _ = counted_by_lines(lines, 10_000, bool)
    got, _ = counted_by_blocks(lines, 10_000, None)
    assert sections_of(got, 0) == sections_of(expected, 0)


@pytest.mark.parametrize("path", CORPUS_LOGS, ids=lambda path: path.name)
def test_a_report_of_the_corpus_is_one_of_records(path: Path) -> None:
    assert_same_report(lines_of(path.read_bytes()))


@pytest.mark.parametrize("seed", range(3))
def test_a_report_of_mutated_lines_is_one_of_records(seed: int) -> None:
    assert_same_report(mutated([*all_lines(), *lines_of(EXAMPLE)], 4000, random.Random(seed)))
