"""How often the reason is right: guards, so that no change makes it worse unseen.

The figures themselves, by reason and beside others, are what benchmarks/accuracy.py prints.
"""

from __future__ import annotations

import json
import runpy
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from smtpfast import Classifier, Reason, classify
from smtpfast.accuracy import is_right, judge, read_labelled, score
from smtpfast.reasons import FAILURE_REASONS
from smtpfast.rules import COMMANDS
from smtpfast.rules.words import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from smtpfast.accuracy import Labelled

DATA = Path(__file__).parent / "data"
PATHS = sorted(DATA.glob("*/*.jsonl"))
BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "accuracy.py"
# What must be right of all, whatever the rules are tuned for.
LEAST = 0.9

KEYS = {
    *("reply", "reason", "also", "provider", "blocklist", "retry_after", "command", "language"),
    "family",
}


@pytest.fixture(scope="module")
def is_held() -> Callable[[Labelled], bool]:
    """Which ones the benchmark holds back."""
    split: Callable[[Labelled], bool] = runpy.run_path(str(BENCHMARK))["is_held"]
    return split


@pytest.fixture(scope="module")
def rows() -> list[Labelled]:
    """All labelled replies."""
    return [row for path in PATHS for row in read_labelled(path.read_bytes(), str(path))]


def entries_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_enough_are_right(rows: list[Labelled], shows_wrong: bool) -> None:
    judged = judge(rows, Classifier.default())
    wrong = [each for each in judged if not is_right(each)]
    right = score(judged).accuracy
    assert right == pytest.approx(1 - len(wrong) / len(rows))
    few = "".join(
        f"\n  {'/'.join(sorted(each.row.accept))}, not {each.found.reason}: {each.row.reply!r}"
        for each in wrong[: 5 * shows_wrong]
    )
    # What is held back is not shown, or it would be mended line by line.
    assert right >= LEAST, f"{right:.1%} of {len(rows)} are right, {LEAST:.0%} are wanted{few}"


# --- The labelled replies -------------------------------------------------------------------


def test_there_are_enough_labelled_replies(rows: list[Labelled]) -> None:
    assert len(rows) >= 600
    labelled = Counter(row.reason for row in rows)
    assert {*labelled} >= {*FAILURE_REASONS}, {*FAILURE_REASONS} - {*labelled}
    assert len({row.family for row in rows}) >= 100
    assert len({row.language for row in rows}) >= 8


def test_no_labelled_reply_stands_twice(rows: list[Labelled]) -> None:
    replies = Counter((row.reply, row.command) for row in rows)
    assert [reply for reply, count in replies.items() if count > 1] == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_file_of_labelled_replies(path: Path) -> None:
    reasons = {str(reason) for reason in Reason}
    assert len(read_labelled(path.read_bytes(), path.name)) == len(entries_of(path))
    for number, row in enumerate(entries_of(path), 1):
        where = f"line {number}: {row}"
        assert {*row} == KEYS, where
        assert isinstance(row["reply"], str), where
        assert row["reply"].strip(), where
        assert row["reason"] in reasons, where
        assert {*row["also"]} <= reasons - {row["reason"]}, where
        assert isinstance(row["also"], list), where
        assert row["command"] in (None, *COMMANDS), where
        assert row["retry_after"] is None or type(row["retry_after"]) is int, where
        for key in ("provider", "blocklist"):
            assert row[key] is None or (isinstance(row[key], str) and row[key]), where
        assert len(row["language"]) == 2, where
        assert row["family"], where


def shape(reply: str) -> tuple[str, ...]:
    """The words of a reply, whatever addresses, names and numbers stand between them."""
    line = classify(reply)
    return tuple([word.key for word in words_of(line.text, line.code).plain if word.key.isalpha()])


def test_no_wording_that_is_held_back_was_seen(
    rows: list[Labelled], is_held: Callable[[Labelled], bool]
) -> None:
    held = {shape(row.reply) for row in rows if is_held(row)}
    assert len(held) >= 300
    rules = Classifier.default().ruleset.rules
    seen = {shape(row.reply) for row in rows if not is_held(row)}
    seen |= {shape(example) for rule in rules for example in rule.examples + rule.counterexamples}
    assert [words for words in held & seen if len(words) > 2] == []


# --- The guards -----------------------------------------------------------------------------


@pytest.mark.parametrize("half", [True, False], ids=["held", "seen"])
def test_the_share_that_is_right(
    rows: list[Labelled], is_held: Callable[[Labelled], bool], half: bool
) -> None:
    assert_enough_are_right([row for row in rows if is_held(row) == half], shows_wrong=not half)


def test_the_share_of_foreign_labels_that_is_right(corpus: Callable[[str], Path]) -> None:
    rows = entries_of(corpus("replies/labelled-sisimai.jsonl"))
    assert len(rows) >= 100
    diagnose = Classifier.default().diagnose
    found = [(row, diagnose(row["line"]).reason) for row in rows]
    wrong = [
        f"\n  {'/'.join(row['accept'])}, not {reason}: {row['line']!r}"
        for row, reason in found
        if reason not in row["accept"]
    ]
    right = 1 - len(wrong) / len(rows)
    assert right >= LEAST, f"{right:.1%} of {len(rows)} are right:{''.join(wrong[:5])}"


# Who speaks is often known from the address alone, which a reply does not hold.
@pytest.mark.parametrize(
    ("key", "least"), [("provider", 0.7), ("blocklist", LEAST), ("retry_after", LEAST)]
)
def test_the_share_of_other_answers_that_is_right(key: str, least: float) -> None:
    entries = [row for path in PATHS for row in entries_of(path) if row[key] is not None]
    diagnose = Classifier.default().diagnose
    found = [getattr(diagnose(row["reply"], command=row["command"]), key) for row in entries]
    wrong = [
        f"\n  {row[key]!r}, not {value!r}: {row['reply']!r}"
        for row, value in zip(entries, found, strict=True)
        if value != row[key]
    ]
    right = 1 - len(wrong) / len(entries)
    assert right >= least, f"{right:.1%} of {len(entries)} are right:{''.join(wrong[:5])}"
