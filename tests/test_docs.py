"""The pages: made from the data as it is, and every example in them runs."""

from __future__ import annotations

import doctest
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from smtpfast import Classifier, Disposition, Reason, RuleError
from smtpfast.reasons import FAILURE_REASONS
from smtpfast.rules import COMMANDS, LEVELS, ruleset_from
from smtpfast.rules.phrases import MAX_WAYS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
RENDER = runpy.run_path(str(DOCS / "render.py"))


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def render(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_pages_are_current() -> None:
    done = render(DOCS / "render.py", "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_check_sees_a_page_that_is_old_or_missing(tmp_path: Path) -> None:
    script = tmp_path / "render.py"
    script.write_bytes((DOCS / "render.py").read_bytes())
    done = render(script, "--check")
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stderr.splitlines()] == [
        "reasons.md",
        "rules-reference.md",
    ]
    assert sorted(tmp_path.iterdir()) == [script]
    assert render(script).returncode == 0
    assert render(script, "--check").returncode == 0
    assert (tmp_path / "reasons.md").read_bytes() == (DOCS / "reasons.md").read_bytes()
    with (tmp_path / "reasons.md").open("a") as page:
        page.write("more")
    assert render(script, "--check").returncode == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_examples_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")
    assert text.count(">>>") == sum(block.count(">>>") for block in blocks(text, "python"))
    failed, _ = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert failed == 0


def test_there_are_python_examples() -> None:
    assert blocks(read("rules.md"), "python")


def test_the_commands_run_and_print_what_the_page_shows() -> None:
    for block in blocks(read("rules.md"), "console"):
        commands = re.findall(r"^\$ smtpfast (.*)\n((?:[^$].*\n|\n)*)", block, re.MULTILINE)
        assert commands
        for command, output in commands:
            words = shlex.split(command.replace(" replies.txt", " examples/replies.txt"))
            done = subprocess.run(
                [sys.executable, "-m", "smtpfast", *words],
                cwd=ROOT,
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                capture_output=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, command
            if output:
                assert done.stdout.decode() == output


def test_the_readme_shows_what_the_report_says() -> None:
    [shown, *_] = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "text")
    done = subprocess.run(
        [sys.executable, "-m", "smtpfast", "report", "examples/mail.log"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert shown in done.stdout.decode()


def test_the_rules_that_the_page_shows_are_good(tmp_path: Path) -> None:
    own, signals = blocks(read("rules.md"), "toml")
    assert own == read("own.toml")
    (tmp_path / "signals.toml").write_text(signals, encoding="utf-8")
    found = Classifier.from_toml(tmp_path / "signals.toml", with_defaults=False).diagnose(
        "450 bl.mail.example lists you; come back in 5 minutes; https://postmaster.mail.example/"
    )
    assert found[2:5] == (300, "bl.mail.example", "Example Mail")


def test_the_page_names_every_key_level_and_command(tmp_path: Path) -> None:
    page = read("rules.md")
    (tmp_path / "strange.toml").write_text('[[rule]]\nid = "a.b"\nstrange = 1\n')
    with pytest.raises(RuleError, match="known: ") as caught:
        ruleset_from([tmp_path / "strange.toml"], with_defaults=False)
    keys = caught.value.problem.partition("known: ")[2].split(", ")
    assert {"id", "counterexamples"} <= set(keys)
    tables = re.findall(r"^\| `?([a-z0-9]+)`? \|", page, re.MULTILINE)
    assert set(keys) | set(map(str, LEVELS)) <= set(tables)
    for command in COMMANDS[:8]:
        assert re.search(rf"\b{command}\b", page), command
    assert f"at most {MAX_WAYS}" in page


def test_every_reason_and_disposition_has_its_place() -> None:
    page = read("reasons.md")
    assert re.findall(r"^## `(\w+)`$", page, re.MULTILINE) == list(Reason)
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(Disposition)
    examples = [block.splitlines() for block in blocks(page, "text")]
    assert len(examples) == len(FAILURE_REASONS)
    diagnose = Classifier.default().diagnose
    for reason, replies in zip(FAILURE_REASONS, examples, strict=True):
        assert {diagnose(reply).reason for reply in replies} == {reason}


def test_every_rule_has_its_line() -> None:
    page = read("rules-reference.md")
    ids = re.findall(r"^- `([a-z0-9_.]+)` [1-5] \[", page, re.MULTILINE)
    rules = Classifier.default().ruleset.rules
    assert sorted(ids) == sorted(rule.id for rule in rules)
    assert f"\n{len(rules)} rules: " in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in set(re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))):
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), target
        if anchor:
            headings = re.findall(r"^## `?([^`\n]+)`?$", other.read_text("utf-8"), re.MULTILINE)
            assert anchor in [heading.lower().replace(" ", "-") for heading in headings], target


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a `b` c", "``a `b` c``"),
        ("`a`", "`` `a` ``"),
        ("``", "``` `` ```"),
        (" a", "`  a `"),
        ("a|b*c_d<e>\\", "`a|b*c_d<e>\\`"),
        ("550-a\r\n550 b", "`550-a ⏎ 550 b`"),
    ],
)
def test_code_is_shown_as_it_is(text: str, shown: str) -> None:
    assert RENDER["code"](text) == shown


def test_prose_is_shown_as_it_is() -> None:
    assert RENDER["prose"]("a_b *c* <d> [e](f) `g` #h |i| \\ &amp;") == (
        r"a\_b \*c\* \<d\> \[e\](f) \`g\` \#h \|i\| \\ \&amp;"
    )
    assert RENDER["prose"]("Plain words, and a full stop.") == "Plain words, and a full stop."
