"""The report as HTML: whole, harmless whatever servers say, and alive in a real browser."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from records_made import record, report_of
from smtpfast import Reason
from smtpfast.cli import main
from smtpfast.cli.report_html import LONGEST_TABLE, MOST_ROWS, write_html
from smtpfast.logs import Event, LogRecord, read_log
from smtpfast.report.tally import DAY, HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from io import FileIO

EXAMPLE = Path(__file__).parents[1] / "examples" / "mail.log"
NOON = 20_000 * DAY + 12 * HOUR
# Each would do something if it were markup, a script, or sent to a terminal.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "'><svg onload=alert(3)>",
    "</script></style></title></textarea><script>alert(4)</script>",
    "<!-- no end <b>",
    "]]><iframe src=javascript:alert(5)>",
    "&lt;script&gt; &#60;b&#62; &amp",
    "http://evil.example/steal?a=<b>'\"",
    "javascript:alert(6)",
    "{{7*7}} ${alert(7)} {report}",
)
INVISIBLE = "bell\x07 esc\x1b[31m nul\x00 rlo\u202e zwsp\u200b byte\udcff sep\u2028 bom\ufeff end"
WITHOUT_INVISIBLE = (
    r"bell\x07 esc\x1b[31m nul\x00 rlo\u202e zwsp\u200b byte\xff sep\u2028 bom\ufeff end"
)
LONG_WORD = "w" * 250


def page_of(records: Iterable[LogRecord], passed_over: int = 0) -> str:
    out = io.StringIO()
    write_html(report_of(records), passed_over, out)
    return out.getvalue()


def hostile_records() -> list[LogRecord]:
    """What servers choose, in every place where they choose it."""
    texts = [*HOSTILE, INVISIBLE, LONG_WORD, "\u05d0\u05d1 \u202b two\nlines"]
    events = (Event.DELIVERY, Event.REJECT, Event.ATTEMPT, Event.OTHER)
    return [
        record(
            event=event,
            time=NOON,
            status="bounced",
            recipient_domain=text,
            relay_host=text,
            provider=text,
            mta=text,
            problem=text,
            blocklist=text,
            file=text,
            enhanced=text,
            code=550,
            reason=Reason.SPAM,
            # Two of a shape, so that there is an example.
            text=f"{text} {number} http://x.example/{text}",
        )
        for event in events
        for number, text in enumerate(texts)
    ]


def name(number: int) -> str:
    """A name without digits, which a shape would not keep."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


def many_records(count: int) -> list[LogRecord]:
    reasons = [reason for reason in Reason if reason not in (Reason.ACCEPTED, Reason.INTERMEDIATE)]
    refused = [
        record(
            time=NOON + number * HOUR,
            status="deferred" if number % 3 else "bounced",
            recipient_domain=f"{name(number)}.example",
            relay_host=f"mx.{name(number)}.example",
            blocklist=f"bl.{name(number)}.example",
            code=450 if number % 3 else 550,
            reason=reasons[number * number % len(reasons)],
            delay=0.001 * number**2,
            text=f"no {name(number)}, see http://x.example/{name(number)}",
            line=number + 1,
        )
        for number in range(count)
        for _ in range(count // (number + 1) if number < 20 else 1)
    ]
    rest: list[dict[str, object]] = [
        {"status": "sent", "delay": 0.4, "recipient_domain": "a.example"},
        {"event": Event.REJECT, "code": 554, "reason": Reason.RELAY_DENIED, "text": "no relay"},
        {"event": Event.ATTEMPT, "code": 421, "reason": Reason.RATE_LIMITED, "text": "too fast"},
        {"event": Event.OTHER, "problem": "no result", "text": "to=<a@b>, strange"},
    ]
    return refused + [
        record(time=NOON + number % count * HOUR, **values)
        for values in rest
        for number in range(4 * count)
    ]


# --- Without a browser ----------------------------------------------------------------------

VOID = {"meta", "input", "br"}
FETCHING = {"src", "srcset", "href", "action", "data", "poster", "background", "xlink:href"}


class Page(HTMLParser):
    """What a page is made of; a tag that does not close is an error."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.text = ""
        self.raw: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(content)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            self.raw[self._open[-1]] = self.raw.get(self._open[-1], "") + data
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data[:80]}")


def example_records() -> list[LogRecord]:
    with EXAMPLE.open("rb") as file:
        return list(read_log(file, "mail.log", year=2026))


KINDS: dict[str, Callable[[], list[LogRecord]]] = {
    "example": example_records,
    "hostile": hostile_records,
    "many": lambda: many_records(600),
    "nothing": list,
    "only rejects": lambda: [record(event=Event.REJECT, text="no", code=550)],
    "only deliveries": lambda: [record(status="sent", time=NOON)],
    "only strange lines": lambda: [record(event=Event.OTHER, problem="?")],
    "no times": lambda: [record(status="bounced", text="no", delay=0.0)],
    "all years": lambda: [
        record(status="bounced", time=year * 365 * DAY) for year in (-1900, 7900)
    ],
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_whole_and_fetches_nothing(kind: str) -> None:
    content = page_of(KINDS[kind]())
    page = Page(content)
    assert content.isascii()
    assert content.startswith("<!DOCTYPE html>")
    assert len(page.ids) == len(set(page.ids))
    assert page.tags.isdisjoint(
        {"link", "img", "iframe", "object", "embed", "base", "form", "image"}
    )
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name != "style", "the policy forbids it"
        if name in FETCHING:
            assert (tag, value[:1]) == ("a", "#")
            assert value[1:] in page.ids
        if name in ("aria-labelledby", "for"):
            assert value in page.ids
    assert "://" not in "".join(page.raw.values())
    assert set(re.findall(r"url\([^)]*\)?", page.raw["style"])) <= {
        "url(#hatch)",
        "url(#dots)",
    }
    assert "@import" not in page.raw["style"]

    [policy] = [value for _, name, value in page.attributes if value.startswith("default-src")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("form-action") == "'none'"
    assert rules == {f"{tag}-src": digest(page.raw[tag]) for tag in ("style", "script")}


def digest(content: str) -> str:
    """As a policy names what it allows."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_what_servers_say_is_text() -> None:
    page = Page(page_of(hostile_records()))
    plain = Page(page_of(example_records()))
    for said in (*HOSTILE, WITHOUT_INVISIBLE, LONG_WORD):
        # Of all three kinds; a shape has the word beside what it masks.
        assert page.text.count(said) > 3, said
    assert page.tags <= plain.tags
    assert {name for _, name, _ in page.attributes} <= {name for _, name, _ in plain.attributes}
    said_in_attributes = re.compile("alert|evil|bell|www|{{")
    assert not [each for each in page.attributes if said_in_attributes.search(each[2])]
    assert page.raw == plain.raw
    assert all(letter.isprintable() or letter == "\n" for letter in page.text)


def test_what_a_page_says() -> None:
    text = Page(page_of(example_records(), passed_over=4)).text
    for said in (
        *("36 records chosen of 40", "Of 36 outcomes, 58.3% are delivered", "15 deferred or"),
        *("bad_mailbox", Reason.BAD_MAILBOX.advice, "20.0%", "550 5.1.1", "<addr>: no such user"),
        *("zen.spamhaus.org", "mx.test", "127.0.0.1", "2026-11-24 12:00: 21 delivered, 4 deferred"),
    ):
        assert said in text, said


@pytest.mark.parametrize(
    ("kind", "said", "unsaid"),
    [
        ("nothing", "Nothing found: 0 lines, no records.", "Totals"),
        ("only rejects", "The log tells of no delivery.", "Who refuses"),
        ("only deliveries", "Nothing was deferred or bounced.", "What they said"),
        ("only strange lines", "1 line not understood", "Why mail failed"),
        ("no times", "The log tells no times.", "The numbers"),
    ],
)
def test_what_is_not_there_is_said(kind: str, said: str, unsaid: str) -> None:
    text = Page(page_of(KINDS[kind]())).text
    assert said in text
    assert unsaid not in text


def test_what_is_left_out_is_said() -> None:
    content = page_of(many_records(600))
    assert content.count('<tr data-reason="') == MOST_ROWS + 2
    text = Page(content).text
    assert "100 more in 100 rarer forms are not on this page." in text
    assert "100 more refused by 100 others are not on this page." in text
    assert len(content) < 1_000_000


def test_long_replies_do_not_make_a_page_endless() -> None:
    long = "\u4e00" * 400
    content = page_of(record(status="bounced", text=f"{long} {name(n)}") for n in range(300))
    shown = content.count('<tr data-reason="')
    assert 50 < shown < 300
    assert f"{300 - shown} more in {300 - shown} rarer forms are not" in content
    assert LONGEST_TABLE < len(content) < LONGEST_TABLE + 50_000


def test_many_days_are_few_bars() -> None:
    report = [record(status="bounced", time=day * DAY) for day in range(1000)]
    content = page_of(report)
    assert "Each bar stands for 14 days." in content
    assert content.count('class="slot"') == 72
    assert "1970-01-01: 14 bounced" in content


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(EXAMPLE), "--format", "html", "-o", str(tmp_path / "a.html")]) == 0
    assert main(["report", str(EXAMPLE), "--format", "html"]) == 0
    assert (tmp_path / "a.html").read_text("ascii") == capsys.readouterr().out


# --- In a browser ---------------------------------------------------------------------------


def chromium() -> str:
    """The browser's path; absent, the test is skipped, if it may be."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        if os.environ.get("SMTPFAST_REQUIRE_CHROMIUM"):
            pytest.fail("chromium is not installed, and SMTPFAST_REQUIRE_CHROMIUM is set")
        pytest.skip("chromium is not installed")
    return found


# The protocol's file descriptors are 3 and 4; what stands there may be the pipes.
LAUNCHER = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(pipe), fcntl.F_DUPFD_CLOEXEC, 10) for pipe in sys.argv[1:3]]
os.dup2(pipes[0], 3)
os.dup2(pipes[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """A tab of a headless Chromium, spoken to by its DevTools protocol over a pair of pipes."""

    def __init__(self, commands: FileIO, answers: FileIO) -> None:
        self.events: list[dict[str, Any]] = []
        self._commands = commands
        self._answers = answers
        self._last = 0
        self._session: str | None = None
        self._read = b""
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: object) -> Any:
        """Send a command and wait for its answer; events before it are kept."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        self._commands.write(json.dumps(command).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def wait(self, event: str) -> None:
        """Until the event has come, since the last `open`."""
        while not any(each["method"] == event for each in self.events):
            self._next()

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._read:
            piece = self._answers.read(1 << 16)
            assert piece, "the browser has gone"
            self._read += piece
        message, _, self._read = self._read.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        if "method" in answer:
            self.events.append(answer)
        return answer

    def open(self, path: Path, *, width: int = 1200, with_script: bool = True) -> None:
        """Load a page, and forget what was before."""
        self.events.clear()
        self.do("Emulation.setScriptExecutionDisabled", value=not with_script)
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.do("Page.navigate", url=path.as_uri())
        self.wait("Page.loadEventFired")

    def ask(self, expression: str) -> Any:
        """What a JavaScript expression comes to."""
        answer = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """With the mouse, where the element is."""
        x, y = self.ask(
            f"(() => {{ const found = document.querySelector({selector!r});"
            " found.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const box = found.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.do("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str, code: int, text: str = "") -> None:
        """A key, as from the keyboard."""
        named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.do("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self.do("Input.dispatchKeyEvent", type="keyUp", **named)

    def quit(self) -> None:
        """End the browser."""
        self._session = None
        self.do("Browser.close")

    def complaints(self) -> list[dict[str, Any]]:
        """Errors, messages of the console, dialogs, and requests for anything but the page."""
        told = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [
            each
            for each in self.events
            if each["method"] in (*told, "Page.javascriptDialogOpening")
            or (
                each["method"] == "Network.requestWillBeSent"
                and each["params"]["type"] != "Document"
            )
        ]


@contextmanager
def running(program: str, profile: Path) -> Iterator[Browser]:
    """A browser that knows no host, and ends with the block."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    options = (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"),
        f"--user-data-dir={profile}",
    )
    launcher = (sys.executable, "-c", LAUNCHER, str(theirs_in), str(theirs_out))
    with (
        os.fdopen(ours_out, "wb", buffering=0) as commands,
        os.fdopen(ours_in, "rb", buffering=0) as answers,
        subprocess.Popen(
            [*launcher, program, *options],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            browser = Browser(commands, answers)
            yield browser
            browser.quit()
            process.wait(30)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all tests, for it takes a second to start."""
    with running(chromium(), tmp_path_factory.mktemp("profile")) as started:
        yield started


def saved(folder: Path, kind: str) -> Path:
    path = folder / "report.html"
    path.write_text(page_of(KINDS[kind]()), "ascii")
    return path


def column(browser: Browser, table: str, number: int) -> list[str]:
    """What the cells of a column say, in the rows that are shown."""
    found: list[str] = browser.ask(
        f"[...document.querySelectorAll('#{table} tbody tr')].filter(row => row.checkVisibility())"
        f".map(row => row.cells[{number - 1}].innerText.trim())"
    )
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_fits_and_fetches_nothing(browser: Browser, tmp_path: Path, kind: str) -> None:
    path = saved(tmp_path, kind)
    for width in (390, 1200):
        browser.open(path, width=width)
        # As wide as was asked for: a telephone widens its window for what sticks out.
        assert browser.ask("document.scrollingElement.scrollWidth") <= width
        assert browser.ask("document.documentElement.className") == "js"
        assert browser.complaints() == []


def test_the_policy_stops_what_is_not_ours(browser: Browser, tmp_path: Path) -> None:
    """And the browser tells of it, on which the tests above rely."""
    path = saved(tmp_path, "example")
    bad = "<script>alert(1)</script><img src=x.png onerror=alert(2)><p style='color:red'>"
    path.write_text(path.read_text("ascii").replace("<main", f"{bad}<main"), "ascii")
    browser.open(path)
    told = [str(each["params"].get("entry")) for each in browser.complaints()]
    assert len([text for text in told if "Content Security Policy" in text]) == 4


def test_hostile_replies_do_nothing_and_are_seen(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, "hostile"))
    for more in ("#by-domain .more", "#failed-lists .more", "#failed-replies .more"):
        browser.click(more)
    for said in (*HOSTILE, WITHOUT_INVISIBLE, LONG_WORD):
        assert said in column(browser, "by-domain", 1)
        assert said in column(browser, "failed-lists", 2)
        assert any(said in text for text in column(browser, "failed-replies", 3))
    strange = "document.querySelectorAll('script, img, iframe, a:not([href^=\"#\"])').length"
    assert browser.ask(strange) == 1
    assert browser.complaints() == []


def test_tables_sort(browser: Browser, tmp_path: Path) -> None:
    parties = report_of(KINDS["many"]()).domains.rows()[:MOST_ROWS]
    browser.open(saved(tmp_path, "many"))
    head = "#by-domain th:nth-child({})"
    for number, values in (
        (1, [str(row.name) for row in parties]),
        (2, [f"{count:,}" for count in sorted((row.deferred for row in parties), reverse=True)]),
    ):
        # Names begin with the first, numbers with the greatest, and all are sorted, not only those
        # that are shown.
        wanted = {"ascending": sorted(values), "descending": sorted(values, reverse=True)}
        if number == 2:
            wanted = {"descending": values, "ascending": values[::-1]}
        for order, sorted_values in wanted.items():
            browser.click(head.format(number) + " button")
            assert browser.ask(f"document.querySelector('{head.format(number)}').ariaSort") == order
            assert column(browser, "by-domain", number) == sorted_values[:12]
    assert browser.ask("document.querySelectorAll('#by-domain [aria-sort]').length") == 1
    assert browser.complaints() == []


def test_the_keyboard_reaches_what_the_mouse_does(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, "many"))
    browser.click("#by-domain input")
    browser.press("Tab", 9)
    browser.press("Tab", 9)
    browser.press("Enter", 13, "\r")
    assert column(browser, "by-domain", 2)[:2] == ["300", "200"]
    browser.ask("document.querySelector('#by-domain .more').focus()")
    browser.press("Enter", 13, "\r")
    assert len(column(browser, "by-domain", 1)) == MOST_ROWS
    # Where the button was, it goes on.
    assert browser.ask(
        "document.activeElement.parentElement.children[12] === document.activeElement"
    )


def test_tables_filter(browser: Browser, tmp_path: Path) -> None:
    browser.open(saved(tmp_path, "many"))
    browser.click("#by-domain input")
    browser.do("Input.insertText", text="BCD. bounced")
    assert column(browser, "by-domain", 1) == []
    browser.ask("document.activeElement.select()")
    browser.do("Input.insertText", text="BCD. example")
    assert column(browser, "by-domain", 1) == ["bcd.example"]
    assert browser.ask("document.querySelector('#by-domain output').innerText") == "1 of 500 rows"

    browser.click("#failed-reasons a[data-reason=virus]")
    assert set(column(browser, "failed-replies", 4)) == {"virus"}
    assert browser.complaints() == []


def test_the_page_is_light_and_dark(browser: Browser, tmp_path: Path) -> None:
    path = saved(tmp_path, "example")
    seen = []
    for scheme in ("light", "dark"):
        media = {"name": "prefers-color-scheme", "value": scheme}
        browser.do("Emulation.setEmulatedMedia", features=[media])
        browser.open(path)
        for _ in range(3):
            seen.append(browser.ask("getComputedStyle(document.body).backgroundColor"))
            browser.click("#theme")
    browser.do("Emulation.setEmulatedMedia", features=[])
    light, dark = seen[:2]
    assert light != dark
    assert seen == [light, dark, light, dark, light, dark]


def test_a_page_without_scripts_has_everything(browser: Browser, tmp_path: Path) -> None:
    path = saved(tmp_path, "many")
    browser.open(path, width=390, with_script=False)
    assert browser.ask("document.documentElement.className") == ""
    assert browser.ask("document.scrollingElement.scrollWidth") == 390
    assert len(column(browser, "by-domain", 1)) == MOST_ROWS
    shown = browser.ask("document.body.innerText")
    assert "to sort and to filter them needs JavaScript" in shown
    assert "Dark colours" not in shown
    assert "Show all" not in shown
