"""The cases of logs.py on small logs: whether ours and the rivals that are there agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from biglog import write_log
from logs import CASES, by_way, targets
from ratios import compare, measure

if TYPE_CHECKING:
    from pathlib import Path

MEGABYTES = 1


@pytest.mark.parametrize("name", CASES)
def test_answers(name: str, tmp_path: Path) -> None:
    case = CASES[name](tmp_path, MEGABYTES)
    figures = measure(case, 0, min_rounds=1)  # raises where an answer is wrong
    assert [row[1] for row in by_way(figures)] == [way.who for way in case.ways]
    measured = {(figure.case, figure.who) for figure in figures}
    for target in targets(figures):
        if {(target.case, target.ours), (target.case, target.rival)} <= measured:
            assert compare(target, figures).target == str(target)


@pytest.mark.parametrize("kind", ["postfix", "exim"])
def test_log(kind: str, tmp_path: Path) -> None:
    """It is as big as it should be, in the order of time, the same again, and nothing twice."""
    log = write_log(kind, tmp_path, MEGABYTES)
    text = log.path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert len(lines) == log.lines
    assert MEGABYTES * 1e6 <= log.size == log.path.stat().st_size < MEGABYTES * 1.02e6
    stamps = [line[:19] if kind == "exim" else line[:15] for line in lines]
    assert stamps == sorted(stamps)
    assert write_log(kind, tmp_path, MEGABYTES) == log
    deliveries = [line for line in lines if ", status=" in line or " => " in line or " ** " in line]
    assert len(set(deliveries)) == len(deliveries) > 500
    log.path.write_bytes(b"")
    assert write_log(kind, tmp_path, MEGABYTES) == log
    assert log.path.read_text(encoding="utf-8") == text
