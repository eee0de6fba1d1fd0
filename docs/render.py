"""Writes the pages that are made from data: python docs/render.py [--check].

With --check it writes nothing, and the exit status is 1 if a page is not current.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from smtpfast import Classifier, Disposition, Reason, Severity
from smtpfast.rules import DEFAULT_LEVEL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smtpfast.rules import Rule

DOCS = Path(__file__).parent
EXAMPLES_OF_A_REASON = 4
LONGEST_EXAMPLE = 90
NOTE = "<!-- Made by docs/render.py: change the data, not this page. -->"


def prose(text: str) -> str:
    """Text that Markdown must show as it is."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", text)


def code(text: str) -> str:
    """Text as code, on one line, whatever backticks it holds."""
    text = " ⏎ ".join(text.splitlines())
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    pad = " " if text[:1] in ("`", " ") or text[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def codes(texts: Sequence[str], shown: int = 3) -> str:
    """The first of some texts as code, and how many there are beside them."""
    more = f" (and {len(texts) - shown} more)" if len(texts) > shown else ""
    return ", ".join(map(code, texts[:shown])) + more


# --- docs/reasons.md ------------------------------------------------------------------------


def reasons_page(rules: Sequence[Rule]) -> Iterator[str]:
    """Every reason, with what is known of it."""
    yield "# Reasons"
    yield NOTE
    yield (
        "A reason says why the server answered as it did, and the disposition what to do about it."
        " [How rules find the reason](rules.md), [all rules](rules-reference.md)."
    )
    yield "| disposition | what to do |\n| --- | --- |\n" + "\n".join(
        f"| {code(disposition)} | {prose(disposition.description)} |" for disposition in Disposition
    )
    yield (
        "Nobody is given up for what may pass: a 4yz reply has never the disposition"
        f" {code(Disposition.SUPPRESS)} or {code(Disposition.FAIL)}."
    )
    for reason in Reason:
        yield f"## {code(reason)}"
        yield prose(reason.description)
        yield "\n".join(f"- {fact}" for fact in facts(reason))
        if found := examples(reason, rules):
            yield "```text\n" + "\n".join(found) + "\n```"


def facts(reason: Reason) -> Iterator[str]:
    """What to do, and what others call it."""
    transient = reason.disposition(Severity.TRANSIENT_NEGATIVE_COMPLETION)
    permanent = reason.disposition(Severity.PERMANENT_NEGATIVE_COMPLETION)
    if reason in (Reason.ACCEPTED, Reason.INTERMEDIATE):
        yield f"Disposition: {code(permanent)}"
    else:
        yield f"Disposition: {code(transient)} at 4yz, {code(permanent)} at 5yz"
    yield f"Advice: {prose(reason.advice)}"
    elsewhere = reason.elsewhere
    names = {
        "sisimai": elsewhere.sisimai,
        "KumoMTA": elsewhere.kumomta,
        "SparkPost and Adobe Campaign": str(elsewhere.number or ""),
        "Amazon SES": elsewhere.ses,
    }
    others = [f"{system} {code(name)}" for system, name in names.items() if name]
    if others:
        yield f"Elsewhere: {', '.join(others)}"


def examples(reason: Reason, rules: Sequence[Rule]) -> list[str]:
    """Short replies, one a rule: of rules in English first, clear ones, and different files."""
    found: list[tuple[bool, bool, int, str]] = []
    files: Counter[str] = Counter()
    for rule in rules:
        text = next(filter(is_short, rule.examples), "")
        if rule.reason is reason and text:
            is_foreign = rule.file.startswith("80-")
            found.append((is_foreign, rule.level != DEFAULT_LEVEL, files[rule.file], text))
            files[rule.file] += 1
    return [text for *_, text in sorted(found, key=lambda row: row[:3])][:EXAMPLES_OF_A_REASON]


def is_short(example: str) -> bool:
    """Whether it fits into one line that everybody can read."""
    return len(example) <= LONGEST_EXAMPLE and example.isascii() and example.isprintable()


# --- docs/rules-reference.md ----------------------------------------------------------------


def rules_page(rules: Sequence[Rule]) -> Iterator[str]:
    """Every rule in a line, file by file, within a file in the order in which they decide."""
    yield "# All rules"
    yield NOTE
    yield (
        f"{len(rules)} rules: the id, the level, the reason, the conditions in short and an"
        " example. [How a rule is written](rules.md), [what the reasons mean](reasons.md);"
        " `smtpfast rules ID` shows a rule whole."
    )
    for file, some in groupby(sorted(rules, key=lambda rule: rule.file), lambda rule: rule.file):
        yield f"## [{prose(file)}](../src/smtpfast/rules/{file})"
        yield "\n".join(map(rule_line, some))


def rule_line(rule: Rule) -> str:
    """A rule as an entry of a list."""
    line = f"- {code(rule.id)} {rule.level} [{code(rule.reason)}](reasons.md#{rule.reason})"
    line = f"{line}: {'; '.join(conditions(rule))}."
    if rule.disposition:
        line += f" Disposition {code(rule.disposition)}."
    return f"{line} {code(min(rule.examples, key=len))}" if rule.examples else line


def conditions(rule: Rule) -> Iterator[str]:
    """What must all hold."""
    texts = {"words": rule.phrases, "host": rule.hosts, "URL": rule.urls}
    wanted = [f"{what} {codes(some, 1)}" for what, some in texts.items() if some]
    if wanted:
        yield " or ".join(wanted)
    if rule.with_:
        yield f"with {codes(rule.with_, 1)}"
    if rule.without:
        yield f"without {codes(rule.without, 1)}"
    if rule.codes:
        yield f"code {codes(rule.codes)}"
    if rule.enhanced:
        yield f"enhanced code {codes(rule.enhanced)}"
    if rule.commands:
        yield f"answers {codes(rule.commands)}"
    if rule.provider:
        yield f"from {prose(rule.provider)}"


# --- The command ----------------------------------------------------------------------------


def pages() -> dict[Path, str]:
    """The text of each page."""
    rules = Classifier.default().ruleset.rules
    return {
        DOCS / "reasons.md": "\n\n".join(reasons_page(rules)) + "\n",
        DOCS / "rules-reference.md": "\n\n".join(rules_page(rules)) + "\n",
    }


def main() -> int:
    """Write the pages, or say which are not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, only say what is old")
    options = parser.parse_args()
    status = 0
    for path, text in pages().items():
        if not options.check:
            path.write_text(text, encoding="utf-8", newline="\n")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{path.name} is not current: run python docs/render.py", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
