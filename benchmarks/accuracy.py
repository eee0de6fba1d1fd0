"""How often the reason is right, on labelled replies: python benchmarks/accuracy.py [FILE ...].

Without files it takes tests/data/. docs/rules.md says how a file is written; here JSON Lines may
also have `family` and `language`. The rules may be mended by the lines of labelled/, which are
called *seen*, never by those of held/, whose wordings stand neither there nor in the rules. Beside
us stand two baselines that anybody can run: the registry of enhanced codes alone, and the reply
code alone. The figures decide nothing: the exit status is 0.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path

from smtpfast import Classifier
from smtpfast.accuracy import (
    Judged,
    Labelled,
    confusion,
    judge,
    read_labelled,
    reason_table,
    score,
)
from smtpfast.rules import RULES_WITHOUT_A_FILE, Ruleset, default_ruleset

DATA = Path(__file__).parents[1] / "tests" / "data"


def is_held(row: Labelled) -> bool:
    return Path(row.file).parent.name == "held"


def only(level: int) -> Classifier:
    """The rules of one level alone: 3 are the enhanced codes, 5 the reply codes."""
    ruleset = default_ruleset()
    rules = [rule for rule in ruleset.rules if rule.level == level and not rule.phrases]
    return Classifier(Ruleset(rules, ruleset.signals))


def show_scores(judged: list[Judged]) -> None:
    groups: dict[str, list[Judged]] = defaultdict(list)
    groups["smtpfast, all"] = judged
    for each in judged:
        half = "held" if is_held(each.row) else "seen"
        groups[f"smtpfast, families {half}"].append(each)
        groups[f"  {half}, {Path(each.row.file).stem}"].append(each)
        if each.row.language not in ("", "en"):
            groups[f"  {half}, not in English"].append(each)
    groups = dict(sorted(groups.items(), key=lambda item: item[0].startswith(" ")))
    rows = [each.row for each in judged]
    groups["enhanced codes alone (IANA)"] = judge(rows, only(3))
    groups["reply code alone"] = judge(rows, only(5))
    print(f"{'':28} {'lines':>5}  coverage     right  no also  macro-F1")
    for name, some in groups.items():
        found = score(some)
        print(
            f"{name:28} {found.total:5}  {found.coverage:8.1%}  {found.accuracy:8.1%}"
            f"  {found.strict:7.1%}  {found.macro_f1:8.3f}"
        )


def show_reasons(judged: list[Judged]) -> None:
    print()
    for line in reason_table(judged):
        print(line)
    cells = [
        (count, wanted, taken)
        for wanted, counts in confusion(judged).items()
        for taken, count in counts.items()
        if taken is not wanted
    ]
    print("\nthe worst cells:")
    for count, wanted, taken in sorted(cells, reverse=True)[:3]:
        print(f"  {count} {wanted} taken for {taken}")


def show_single(judged: list[Judged], others: set[str]) -> None:
    """The rules that decide one of the lines, and none of our own, and what comes without them."""
    deciding = Counter(found.rule for _, found in judged)
    ruleset = default_ruleset()
    print("\nrules of a single line:")
    for row, found in judged:
        if deciding[found.rule] > 1 or found.rule in others | {*RULES_WITHOUT_A_FILE}:
            continue
        rules = [rule for rule in ruleset.rules if rule.id != found.rule]
        without = Classifier(Ruleset(rules, ruleset.signals)).diagnose(row.reply, row.command)
        needed = found.reason in row.accept and without.reason not in row.accept
        verdict = "right by it alone" if needed else "the same without it"
        print(f"  {found.rule}: {verdict} ({found.reason}; else {without.reason})")


def show_wrong(judged: list[Judged]) -> None:
    print("\nwrong:")
    for row, found in judged:
        if found.reason not in row.accept:
            wanted = "/".join(sorted(row.accept))
            print(
                f"  {found.reason} by {found.rule} {found.evidence!r}; {wanted} wanted"
                f" [{row.family}]: {row.reply!r}"
            )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="*", type=Path)
    parser.add_argument("--wrong", action="store_true", help="list wrong lines, none of held/")
    parser.add_argument(
        "--single", action="store_true", help="list rules that decide one line of FILE alone"
    )
    options = parser.parse_args()
    own = sorted(DATA.glob("*/*.jsonl"))
    paths = options.file or own
    rows = [row for path in paths for row in read_labelled(path.read_bytes(), str(path))]
    judged = judge(rows, Classifier.default())
    show_scores(judged)
    show_reasons(judged)
    if options.wrong:
        show_wrong([each for each in judged if not is_held(each.row)])
    if options.single:
        rows = [row for path in own for row in read_labelled(path.read_bytes(), str(path))]
        show_single(judged, {found.rule for _, found in judge(rows, Classifier.default())})


if __name__ == "__main__":
    main()
