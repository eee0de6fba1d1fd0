"""`smtpfast rules`: which rules there are, what one says, and how right they are."""

from __future__ import annotations

import json
import sys

from ..errors import InputError, SmtpFastError
from ..records import TYPE_CHECKING
from .inputs import classifier_of, read_input
from .terminal import harmless

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from ..accuracy import Judged, Labelled
    from ..rules import Rule


def run(options: Namespace) -> int:
    """Print all rules in the order in which they decide, or the one that `options.id` names."""
    rules = classifier_of(options.rules).ruleset.rules
    if options.id is not None:
        rules = [rule for rule in rules if rule.id == options.id]
        if not rules:
            print(f"smtpfast rules: no rule has the id {harmless(options.id)}", file=sys.stderr)
            return 2
    if options.json:
        for rule in rules:
            print(json.dumps(_table(rule)))
    elif options.id is not None:
        print(*map(_toml, rules), sep="\n")
    else:
        width = max(len(rule.id) for rule in rules)
        for rule in rules:
            print(f"{rule.id:{width}}  {rule.level}  {rule.reason:21}  {harmless(rule.file)}")
    return 0


def _table(rule: Rule) -> dict[str, object]:
    """A rule by the keys of its file."""
    return {key.removesuffix("_"): value for key, value in rule._asdict().items()}


def _toml(rule: Rule) -> str:
    """A rule as a rule file has it: to be copied and changed there."""
    lines = [f"# {rule.file}", "[[rule]]"]
    for key, value in _table(rule).items():
        if isinstance(value, tuple) and value:
            lines += [f"{key} = [", *(f"    {_quoted(text)}," for text in value), "]"]
        elif key != "file" and value not in ((), "", None):
            lines.append(f"{key} = {_quoted(value)}")
    return "\n".join(map(harmless, lines))


def _quoted(value: object) -> str:
    """A text or number as TOML has it, which takes JSON's."""
    return json.dumps(value, ensure_ascii=False)


def run_test(options: Namespace) -> int:
    """Print how right the rules are on the labelled replies in `options.file`, and each mistake.

    The exit status: 0 all are right, 1 some are not, or there are none.
    """
    from ..accuracy import is_decided, is_right, judge, reason_table, score

    judged = judge(_labelled(options.file), classifier_of(options.rules))
    figures = score(judged)
    right, decided = sum(map(is_right, judged)), sum(map(is_decided, judged))
    print(
        f"{figures.total} replies: {right} right ({figures.accuracy:.1%}),"
        f" {decided} decided ({figures.coverage:.1%})\n"
    )
    for line in reason_table(judged):
        print(line)
    mistakes = [each for each in judged if not is_right(each)]
    _list("wrong", [each for each in mistakes if is_decided(each)])
    _list("unknown, no rule decides", [each for each in mistakes if not is_decided(each)])
    return 1 if mistakes else 0


def _labelled(files: Sequence[str]) -> list[Labelled]:
    from ..accuracy import read_labelled

    try:
        rows = [row for file in files for row in read_labelled(read_input(file), file)]
    except SmtpFastError as error:
        raise InputError(str(error)) from None
    if not rows:
        raise InputError(f"{', '.join(files)}: no labelled replies")
    return rows


def _list(title: str, mistakes: list[Judged]) -> None:
    if mistakes:
        print(f"\n{title}:")
    for row, found in mistakes:
        wanted = " or ".join(sorted(row.accept))
        shown = f"{found.reason} by {found.rule} ({found.evidence}), {wanted} wanted: {row.reply}"
        print(f"  {harmless(f'{row.file}:{row.line}: {shown}')}")
