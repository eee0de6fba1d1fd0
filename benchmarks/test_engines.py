"""The cases of engines.py on few replies: whether ours and the rivals that are there agree."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

import engines
from engines import GROUPS, Inputs, drawn, targets
from logs import by_way
from ratios import compare, measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# PySpark says so of each session.
pytestmark = pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")

ROWS = 2_000


# A virtual machine that starts soon, for it has little to do.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inputs]:
    monkeypatch.setitem(engines.SPARK_SETTINGS, "spark.driver.extraJavaOptions", JAVA)
    with ExitStack() as opened:
        yield Inputs(ROWS, ROWS, 1, tmp_path, opened)


# How many promises there are, if all rivals are there; Polars is one of Arrow's.
PROMISED = {"arrow": 10, "list": 2, "polars": 4, "stream": 2, "duckdb": 0, "pandas": 0, "spark": 3}


@pytest.mark.parametrize("name", GROUPS)
def test_answers(name: str, inputs: Inputs) -> None:
    cases = GROUPS[name](inputs)
    if not cases:
        pytest.skip(f"{name} is not there")
    figures = []
    for case in cases:
        of_case = measure(case, 0, min_rounds=1)  # raises where an answer is wrong
        assert [row[1] for row in by_way(of_case)] == [way.who for way in case.ways]
        figures += of_case
    rows = [compare(target, figures) for target in targets(figures)]
    if engines.polars or name != "arrow":
        assert len(rows) == PROMISED[name]
    if name == "spark":
        assert len(engines.cost_in_spark(figures)) == 5
        assert "substring" in engines.substring_beside_classify(figures)


@pytest.mark.parametrize("name", ["arrow", "polars", "stream", "duckdb", "pandas"])
def test_a_wrong_answer_is_seen(name: str, inputs: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """One reply that is another than was counted is enough, for each way that reads replies."""

    def with_another(rows: int) -> tuple[list[str], engines.Expected]:
        texts, expected = replies(rows)
        at = next(number for number, text in enumerate(texts) if text[0] == "2")
        return [*texts[:at], "451 4.7.1 Greylisted", *texts[at + 1 :]], expected

    replies = engines.replies
    monkeypatch.setattr(engines, "replies", with_another)
    cases = GROUPS[name](inputs)
    if not cases:
        pytest.skip(f"{name} is not there")
    with_expected_of_their_own = (engines.THREADS, engines.DICTIONARY.format(""))
    for case in cases:
        if case.name.startswith(with_expected_of_their_own):
            continue
        for way in case.ways:
            if way.who != engines.STRAIGHT:
                with pytest.raises(RuntimeError, match="a wrong answer"):
                    way.check()


def test_replies() -> None:
    """They are the same again, mostly different ones, as long and as often failures as is said."""
    texts = [text for batch in drawn(50_000) for text in batch]
    assert texts == [text for batch in drawn(50_000) for text in batch]
    assert len(texts) == 50_000
    assert len(set(texts)) > 0.9 * len(texts)
    assert 73 < sum(len(text.encode()) for text in texts) / len(texts) < 75
    assert 0.12 < sum(text[0] in "45" for text in texts) / len(texts) < 0.14


def test_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--rows", "1000", "--rounds", "1", "--groups", "list"]
    monkeypatch.setattr(sys, "argv", ["engines.py", *arguments])
    engines.main()
    assert "classify_many" in capsys.readouterr().out
