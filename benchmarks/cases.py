"""What is measured: the inputs, the ways to handle them, and the answer that each way must give.

`ratios.py` and `test_speed.py` both take their cases from here.
"""

from __future__ import annotations

import asyncio
import gc
import http
import io
import os
import random
import re
import smtplib
import subprocess
import sys
import timeit
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import import_module
from itertools import chain
from operator import eq, is_
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smtpfast import EnhancedStatusCode, SmtpStatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from smtpfast import Reply, ReplyLine, ReplyLines

EXAMPLES = Path(__file__).parents[1] / "examples" / "replies.txt"
SEED = 5321


@dataclass(frozen=True)
class Way:
    """One way to do the work of a case: a statement, whose names are locals of the timed loop.

    who: the core, or the rival.
    statement: what is timed; the value of its last part is the answer.
    is_right: whether that answer is right.
    names: what the statement and the setup use.
    setup: runs before each round, not timed.
    size: an expression for how many calls, lines, replies or bytes one run handles.
    calls: how many times a round runs the statement.
    """

    who: str
    statement: str
    is_right: Callable[[Any], bool]
    names: dict[str, Any]
    setup: str = "pass"
    size: str = "1"
    calls: int = 1_000

    def check(self) -> int:
        """Run the statement once; raise unless its answer is right; return its size."""
        scope = dict(self.names)
        exec(self.setup, scope)
        *before, last = self.statement.split("; ")
        exec("; ".join(before), scope)
        answer = eval(last, scope)
        if not self.is_right(answer):
            raise RuntimeError(f"{self.who}: {self.statement}: a wrong answer: {answer!r:.200}")
        size: int = eval(self.size, scope)
        return size

    def timer(self) -> timeit.Timer:
        """A timer of the statement; the garbage collector stays on, as it is in programs."""
        names = [f"{name} = names[{name!r}]" for name in self.names]
        setup = "; ".join([*names, "gc.enable()", self.setup])
        return timeit.Timer(self.statement, setup, globals={"names": self.names, "gc": gc})


@dataclass(frozen=True)
class Case:
    """One piece of work and all the ways to do it.

    unit: "ns" for each of what `Way.size` counts, "GB/s" or "MB/s" where that is bytes, "ms" for
        a process.
    """

    name: str
    ways: Sequence[Way]
    unit: str = "ns"


absent: list[str] = []


def load(module: str, missing: str) -> Any:
    """The module, or None and a note in `absent`."""
    try:
        return import_module(module)
    except ImportError:
        absent.append(f"{missing}: left out")
        return None


compiled = load("smtpfast._core.compiled", "the compiled core is not built")
pure = import_module("smtpfast._core.pure")
CORES: dict[str, ModuleType] = {"compiled": compiled, "pure": pure} if compiled else {"pure": pure}
aiosmtplib = load("aiosmtplib.protocol", "aiosmtplib is not installed")
aspose = load("aspose.email.clients.smtp", "aspose.email is not installed")


def on_cores(
    function: str,
    statement: str,
    is_right: Callable[[Any], bool],
    *,
    size: str = "1",
    calls: int = 1_000,
    **names: Any,
) -> list[Way]:
    """The statement on each core, whose function is `f`."""
    return [
        Way(
            core,
            statement,
            is_right,
            {"f": getattr(module, function), **names},
            size=size,
            calls=calls,
        )
        for core, module in CORES.items()
    ]


def no_op(argument: object) -> Way:
    """A compiled call that does nothing.

    The package has none; this is the builtin that comes nearest: one argument by the same calling
    convention (METH_O), no work, no new object.
    """
    return Way("callable(x)", "f(x)", partial(is_, False), {"f": callable, "x": argument})


# --- The table ------------------------------------------------------------------------------


def lookup_cases() -> list[Case]:
    members = {int(member): member for member in SmtpStatusCode}
    texts = {code: member.description for code, member in members.items()}
    # Equal to a key, but another object, as is a code that was parsed. The key itself is found
    # faster by a dict.
    code = int("550")
    key = next(key for key in members if key == code)
    huge = 10**30
    member, text = SmtpStatusCode.MAILBOX_UNAVAILABLE, texts[code]
    russian = member.describe("ru")
    not_defined = partial(is_, SmtpStatusCode.NOT_DEFINED)

    def is_by_digits(answer: str) -> bool:
        return answer.startswith("This code has no registered meaning of its own.")

    def of_dict(table: dict[int, Any]) -> list[Way]:
        is_right = partial(is_, table[code])
        return [
            Way("d.get(x)", "d.get(x)", is_right, {"d": table, "x": code}),
            Way("get(x)", "get(x)", is_right, {"get": table.get, "x": code}),
            Way("get(key)", "get(x)", is_right, {"get": table.get, "x": key}),
        ]

    enum = Way("SmtpStatusCode(x)", "f(x)", partial(is_, member), {"f": SmtpStatusCode, "x": code})
    not_found = partial(is_, http.HTTPStatus.NOT_FOUND)
    others = [Way("HTTPStatus(404)", "f(x)", not_found, {"f": http.HTTPStatus, "x": 404})]
    if aspose:
        is_right = partial(is_, aspose.SmtpStatusCode.MAILBOX_UNAVAILABLE)
        names = {"f": aspose.SmtpStatusCode, "x": code}
        others.append(Way("Aspose's SmtpStatusCode(x)", "f(x)", is_right, names))
    description = replace(
        enum,
        who="SmtpStatusCode(x).description",
        statement="f(x).description",
        is_right=partial(is_, text),
    )

    def with_default(x: int) -> Way:
        names = {"get": members.get, "x": x, "y": SmtpStatusCode.NOT_DEFINED}
        return Way("get(x, y)", "get(x, y)", not_defined, names)

    return [
        Case(
            "lookup(550)",
            [
                *on_cores("lookup", "f(x)", partial(is_, member), x=code),
                *of_dict(members),
                enum,
                *others,
                no_op(code),
            ],
        ),
        Case(
            "describe(550)",
            [
                *on_cores("describe", "f(x)", partial(eq, text), x=code),
                *of_dict(texts),
                enum,
                description,
                no_op(code),
            ],
        ),
        Case(
            "lookup(599), which has no member",
            [*on_cores("lookup", "f(x)", not_defined, x=599), with_default(599)],
        ),
        Case(
            "lookup(10**30)",
            [*on_cores("lookup", "f(x)", not_defined, x=huge), with_default(huge)],
        ),
        Case(
            'describe(550, "ru")', on_cores("describe", "f(x, 'ru')", partial(eq, russian), x=code)
        ),
        Case(
            "describe(599), which has no member",
            on_cores("describe", "f(x)", is_by_digits, x=599),
        ),
    ]


# --- One line -------------------------------------------------------------------------------

# The code, its separator, the enhanced code and the text of a line, in one match: right for the
# lines below, not for every line.
FIELDS = (
    r"([0-9]{3})(?![0-9])([ \t-]?)"
    r"(?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|(?=[\r\n]*\Z)))?([^\r\n]*)"
)
REPLIES_IN_FILE = 1_000


def decode(text: bytes | str | None) -> str | None:
    return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text


def smtplib_ways(reply: bytes, is_right: Callable[[Any], bool]) -> list[Way]:
    """smtplib's `getreply`, whose file is in memory and holds the reply many times.

    What a socket gives it, `socket.makefile("rb")`, is a BufferedReader too, but here a refill
    costs a copy and there a system call.
    """
    ways = []
    for who, open_file in (
        ("smtplib", lambda data: io.BufferedReader(io.BytesIO(data))),
        ("smtplib, bare BytesIO", io.BytesIO),
    ):
        client = smtplib.SMTP()
        client.file = open_file(reply * REPLIES_IN_FILE)
        ways.append(
            Way(
                who,
                "client.getreply()",
                is_right,
                {"client": client},
                setup="client.file.seek(0)",
                calls=REPLIES_IN_FILE,
            )
        )
    return ways


def classify_case(
    what: str,
    line: bytes | bytearray | memoryview | str,
    code: int,
    enhanced: tuple[int, int, int] | None,
    text: str,
    *,
    is_last: bool = True,
) -> Case:
    written = str(EnhancedStatusCode(*enhanced)) if enhanced else None

    def line_is_right(answer: ReplyLine) -> bool:
        return answer == (code, SmtpStatusCode(code), is_last, enhanced, text)

    def fields_are_right(groups: Sequence[bytes | str | None]) -> bool:
        return [*map(decode, groups)] == [str(code), " " if is_last else "-", written, text]

    def reply_is_right(reply: tuple[int, bytes]) -> bool:
        return reply[0] == code and decode(reply[1]) == " ".join(filter(None, [written, text]))

    ways = on_cores("classify", "f(x)", line_is_right, x=line)
    if code != -1:
        match = re.compile(FIELDS if isinstance(line, str) else FIELDS.encode()).match
        ways.append(Way("re", "match(x).groups()", fields_are_right, {"match": match, "x": line}))
    if isinstance(line, bytes) and code != -1 and is_last:
        ways += smtplib_ways(line, reply_is_right)
    return Case(f"classify, {what}", [*ways, no_op(line)])


def example_lines() -> list[bytes]:
    """The lines of the examples, each with CRLF."""
    return [line + b"\r\n" for line in EXAMPLES.read_bytes().splitlines()]


def code_of(line: bytes) -> int:
    """The code of a line of the examples, by the simplest of all ways."""
    return int(line[:3]) if line[:3].isdigit() and not line[3:4].isdigit() else -1


def lines_cases() -> list[Case]:
    text = "<anna@example.org>: Recipient address rejected: no such user here"
    line = b"550 5.1.1 %b\r\n" % text.encode()
    russian = "Сообщение похоже на спам, попробуйте позже"
    latin_1 = "Boîte aux lettres indisponible".encode("latin-1")
    garbage = "SSH-2.0-OpenSSH_9.9"
    examples = example_lines()
    many = (examples * 28)[:10_000]
    codes = [*map(code_of, examples)]

    def codes_are_right(answers: Sequence[ReplyLine]) -> bool:
        return all(
            [answer.code for answer in answers[start : start + len(codes)]]
            == codes[: len(answers) - start]
            for start in range(0, len(answers), len(codes))
        )

    def matches_are_right(matches: Sequence[re.Match[bytes] | None]) -> bool:
        return [int(match[1]) if match else -1 for match in matches] == codes

    return [
        classify_case("bytes", line, 550, (5, 1, 1), text),
        classify_case("str", line.decode(), 550, (5, 1, 1), text),
        classify_case("no enhanced code", b"250 OK\r\n", 250, None, "OK"),
        classify_case("a reply goes on", b"250-SIZE 1\r\n", 250, None, "SIZE 1", is_last=False),
        classify_case(
            "unregistered enhanced code",
            line.replace(b"5.1.1", b"5.7.133"),
            550,
            (5, 7, 133),
            text,
        ),
        classify_case("500 bytes of text", b"250 %b\r\n" % (b"x" * 500), 250, None, "x" * 500),
        classify_case("malformed", f"{garbage}\r\n".encode(), -1, None, garbage),
        classify_case("UTF-8 text", f"451 4.7.1 {russian}\r\n".encode(), 451, (4, 7, 1), russian),
        classify_case("UTF-8 text, str", f"451 4.7.1 {russian}\r\n", 451, (4, 7, 1), russian),
        classify_case(
            "Latin-1 text", b"450 4.2.0 %b\r\n" % latin_1, 450, (4, 2, 0), str(decode(latin_1))
        ),
        classify_case("bytearray", bytearray(line), 550, (5, 1, 1), text),
        classify_case("memoryview", memoryview(line), 550, (5, 1, 1), text),
        Case(
            "classify, the lines of the examples in turn, a line",
            [
                *on_cores(
                    "classify",
                    "[f(line) for line in lines]",
                    codes_are_right,
                    size="len(lines)",
                    calls=1,
                    lines=examples,
                ),
                Way(
                    "re",
                    "[match(line) for line in lines]",
                    matches_are_right,
                    {"match": re.compile(FIELDS.encode()).match, "lines": examples},
                    size="len(lines)",
                    calls=1,
                ),
            ],
        ),
        Case(
            "classify_many, a list of 10,000 lines, a line",
            [
                *on_cores("classify_many", "f(x)", codes_are_right, size="len(x)", calls=1, x=many),
                *(
                    replace(way, who=f"[classify(x) …], {way.who}")
                    for way in on_cores(
                        "classify",
                        "[f(line) for line in x]",
                        codes_are_right,
                        size="len(x)",
                        calls=1,
                        x=many,
                    )
                ),
            ],
        ),
        *(
            Case(
                f"find_enhanced, {what}", on_cores("find_enhanced", "f(x)", partial(eq, found), x=x)
            )
            for what, x, found in [
                ("in front", b"5.1.1 no such user", EnhancedStatusCode(5, 1, 1)),
                ("at the end", b"Refused by our policy (#5.7.1)", EnhancedStatusCode(5, 7, 1)),
            ]
        ),
        *(
            Case(
                f"find_enhanced, {what}",
                on_cores("find_enhanced", "f(x)", partial(is_, None), calls=calls, x=x),
            )
            for what, x, calls in [
                ("none there", b"<anna@example.org>: Recipient address rejected", 1_000),
                ("10,000 dots", b"." * 10_000, 1),
                ("10,000 bytes of 5.5.5.5…", b"5." * 5_000, 1),
            ]
        ),
    ]


# --- Streams --------------------------------------------------------------------------------

TWO_LINES = (
    b"550-5.1.1 There is no mailbox here with the name that\r\n"
    b"550 5.1.1 you wrote. Please look for a typing error.\r\n"
)
TEXTS = (
    "There is no mailbox here with the name that",
    "you wrote. Please look for a typing error.",
)
AWAITED = 1_000


async def receive_and_await(data: bytes, times: int) -> Any:
    """aiosmtplib's whole path for one reply after the other, only without a socket."""
    protocol = aiosmtplib.SMTPProtocol()
    protocol.connection_made(asyncio.Transport())
    response = None
    for _ in range(times):
        protocol._response_pending = True  # which execute_command() does
        protocol.data_received(data)
        response = await protocol.read_response()
    return response


def aiosmtplib_ways(reply: bytes, is_right: Callable[[Any], bool]) -> list[Way]:
    if not aiosmtplib:
        return []
    loop = asyncio.new_event_loop()
    protocol = aiosmtplib.SMTPProtocol(loop=loop)  # wants a loop, whose future it does not use here
    loop.close()
    return [
        Way(
            "aiosmtplib's parser",
            "protocol._buffer.extend(x); protocol._read_response_from_buffer()",
            is_right,
            {"protocol": protocol, "x": reply},
        ),
        Way(
            "aiosmtplib, received and awaited",
            "run(receive(x, times))",
            is_right,
            {"run": asyncio.run, "receive": receive_and_await, "x": reply, "times": AWAITED},
            size="times",
            calls=1,
        ),
    ]


def stream_cases() -> list[Case]:
    def reply_is_right(reply: Reply) -> bool:
        texts = tuple([line.text for line in reply.lines])
        return reply.code == 550 and reply.enhanced == (5, 1, 1) and texts == TEXTS

    def peers_reply_is_right(reply: tuple[int, bytes | str]) -> bool:
        return reply[0] == 550 and decode(reply[1]) == "\n".join(f"5.1.1 {text}" for text in TEXTS)

    def replies_are_right(replies: list[Reply], expected: int) -> bool:
        return len(replies) == expected and all(map(reply_is_right, replies))

    def new_parser(core: ModuleType) -> Any:
        return type("ReplyParser", (core.StreamState,), {"__slots__": ()})()

    alone = [
        Way(
            name,
            "parser.feed(x)",
            partial(replies_are_right, expected=1),
            {"parser": new_parser(core), "x": TWO_LINES},
        )
        for name, core in CORES.items()
    ]

    def pipelined(count: int) -> Case:
        """So many replies in one call, beside as many calls whose replies go or stay."""

        def fed_are_right(fed: list[list[Reply]]) -> bool:
            return len(fed) == count and all(map(reply_is_right, chain.from_iterable(fed)))

        at_once = [
            replace(
                way,
                is_right=partial(replies_are_right, expected=count),
                names=way.names | {"x": TWO_LINES * count},
                size=str(count),
                calls=1,
            )
            for way in alone
        ]
        kept = [
            replace(
                way,
                who=f"alone and kept, {way.who}",
                statement="[parser.feed(x) for _ in times]",
                is_right=fed_are_right,
                names=way.names | {"times": range(count)},
                size=str(count),
                calls=1,
            )
            for way in alone
        ]
        one_by_one = [replace(way, who=f"alone, {way.who}") for way in alone]
        name = f"feed, {count:,} of these replies at once, a reply"
        return Case(name, [*at_once, *one_by_one, *kept])

    in_bytes = [
        replace(
            way,
            statement="[parser.feed(byte) for byte in pieces][-1]",
            names=way.names | {"pieces": [bytes([byte]) for byte in TWO_LINES]},
            calls=100,
        )
        for way in alone
    ]
    return [
        Case(
            "feed, one reply of two lines",
            [
                *alone,
                *smtplib_ways(TWO_LINES, peers_reply_is_right),
                *aiosmtplib_ways(TWO_LINES, peers_reply_is_right),
            ],
        ),
        pipelined(1_000),
        pipelined(10_000),
        Case("feed, one of these replies, a byte at a time, a reply", in_bytes),
    ]


# --- Buffers --------------------------------------------------------------------------------

BUFFER_BYTES = 100_000_000
HOSTILE_BYTES = 20_000_000
# The pure core gets this much: it is so much slower, and as slow whatever the size.
PURE_BYTES = 1_000_000


def cut(data: bytes, size: int) -> bytes:
    """The whole lines within the first bytes of `data`."""
    return data[: data.rindex(b"\n", 0, size) + 1]


def draw(pieces: Sequence[bytes]) -> bytes:
    """A buffer of pieces drawn at random, with a fixed seed."""
    expected = BUFFER_BYTES * len(pieces) // len(b"".join(pieces))
    drawn = random.Random(SEED).choices(pieces, k=expected + expected // 20)
    return cut(b"".join(drawn), BUFFER_BYTES)


@cache
def mixed_replies() -> bytes:
    """The replies of the examples, drawn at random."""
    # A reply is its lines with a hyphen and one line without.
    return draw(re.findall(rb"(?:...-.*\n)*.*\n", b"".join(example_lines())))


@cache
def long_lines() -> bytes:
    """The lines of the examples, each with the texts of others behind it, drawn at random."""
    choice = random.Random(SEED).choice
    lines = [line.removesuffix(b"\r\n") for line in example_lines()]
    longer = []
    for line in lines:
        while len(line) < 110:
            line += b" " + choice(lines)[4:]
        longer.append(line + b"\r\n")
    return draw(longer)


@cache
def line_feeds() -> bytes:
    return b"\n" * HOSTILE_BYTES


@cache
def one_line() -> bytes:
    return b"250-" + b"x" * (HOSTILE_BYTES - 4)


def columns_are_right(answer: ReplyLines) -> bool:
    """Every code by the simplest of all ways, every column of the front by the pure core."""
    data = bytes(answer.data)
    front = pure.classify_lines(cut(data, PURE_BYTES))
    return answer.code.tolist() == [*map(code_of, data.split(b"\n")[:-1])] and all(
        getattr(answer, column)[: len(front)] == getattr(front, column)
        for column in ("code", "is_last", "enhanced", "text_start", "text_end")
    )


def blank_lines_are_right(answer: ReplyLines) -> bool:
    ends = answer.text_end
    return bytes(answer.code) == b"\xff\xff" * len(ends) and ends[-1] == len(ends) - 1


def one_line_is_right(answer: ReplyLines) -> bool:
    columns = answer.code, answer.is_last, answer.enhanced, answer.text_start, answer.text_end
    return [column.tolist() for column in columns] == [[250], [False], [0], [4], [len(answer.data)]]


def buffer_case(
    what: str, make: Callable[[], bytes], is_right: Callable[[Any], bool], *, on_pure: bool
) -> Case:
    """A buffer that is made when its case's turn comes, for 100 MB are not made for nothing."""
    # A check on the pure core is one on the whole of what it gets, so it may be the same.
    front = {"make": lambda: cut(make(), PURE_BYTES)}
    ways = [
        replace(
            way,
            names=way.names | (front if way.who == "pure" else {"make": make}),
            setup="x = make()",
        )
        for way in on_cores("classify_lines", "f(x)", is_right, size="len(x)", calls=1)
        if on_pure or way.who != "pure"
    ]
    count = Way(
        'count(b"\\n")',
        'x.count(b"\\n")',
        lambda answer: answer == len(make().split(b"\n")) - 1,
        {"make": make},
        setup="x = make()",
        size="len(x)",
        calls=1,
    )
    return Case(f"classify_lines, {what}", [*ways, count], unit="GB/s")


def halves(data: bytes) -> list[memoryview]:
    middle = len(cut(data, len(data) // 2))
    return [memoryview(data)[:middle], memoryview(data)[middle:]]


def threads_case() -> Case:
    def is_right(answers: list[ReplyLines]) -> bool:
        return sum(map(len, answers)) == mixed_replies().count(b"\n")

    threads = ThreadPoolExecutor(2)
    return Case(
        "classify_lines, 100 MB of mixed replies in two halves",
        [
            replace(way, who=f"{who}, {way.who}", names=way.names | names, setup="x = halves()")
            for who, names in (
                ("one thread", {"each": map}),
                ("two threads", {"each": threads.map}),
            )
            for way in on_cores(
                "classify_lines",
                "list(each(f, x))",
                is_right,
                size="sum(map(len, x))",
                calls=1,
                halves=lambda: halves(mixed_replies()),
            )
            if way.who != "pure"
        ],
        unit="GB/s",
    )


def buffers_cases() -> list[Case]:
    line = example_lines()[0]
    rows = pure.classify_lines(line)
    expected = pure.classify(line)
    return [
        buffer_case("100 MB of mixed replies", mixed_replies, columns_are_right, on_pure=True),
        buffer_case(
            "100 MB of lines of 150 bytes on average", long_lines, columns_are_right, on_pure=True
        ),
        buffer_case("20 MB of LF", line_feeds, blank_lines_are_right, on_pure=True),
        buffer_case("20 MB in one line", one_line, one_line_is_right, on_pure=False),
        threads_case(),
        Case(
            "classify_lines, a buffer of one line",
            on_cores("classify_lines", "f(x)", lambda answer: [*answer] == [expected], x=line),
        ),
        Case(
            "ReplyLines, one row as a ReplyLine",
            [Way("either core", "rows[0]", partial(eq, expected), {"rows": rows})],
        ),
    ]


# --- Import ---------------------------------------------------------------------------------

NEW_MODULES = """
import sys
before = set(sys.modules)
import smtpfast
for name in set(sys.modules) - before:
    if getattr(sys.modules[name], "__file__", None):
        print(name.partition(".")[0])
"""


def start(code: str, core: str = "auto", *options: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a new interpreter that sees no user's settings."""
    return subprocess.run(
        [sys.executable, "-I", *options, "-c", code],
        env=os.environ | {"SMTPFAST_BACKEND": core},
        check=True,
        capture_output=True,
        text=True,
    )


def third_party_modules(core: str) -> set[str]:
    """What `import smtpfast` loads that is neither smtpfast nor the standard library."""
    loaded = set(start(NEW_MODULES, core).stdout.split())
    return loaded - sys.stdlib_module_names - {"smtpfast"}


def import_milliseconds(core: str) -> float:
    """What `-X importtime` says of smtpfast with all that it imports."""
    lines = start("import smtpfast", core, "-X", "importtime").stderr.splitlines()
    [cumulative] = [line.split("|")[1] for line in lines if line.endswith("| smtpfast")]
    return int(cumulative) / 1_000


def import_cases() -> list[Case]:
    def new_process(who: str, code: str, core: str, is_right: Callable[[Any], bool]) -> Way:
        names = {"start": start, "code": code, "core": core}
        return Way(who, "start(code, core)", is_right, names, calls=1)

    return [
        Case(
            "a new interpreter that imports",
            [
                *(
                    new_process(
                        core,
                        "import smtpfast",
                        core,
                        # Checked first, and so the byte code is cached before the clock starts.
                        lambda _, core=core: not third_party_modules(core),
                    )
                    for core in CORES
                ),
                new_process("nothing", "pass", "auto", lambda answer: not answer.stderr),
                new_process("smtplib", "import smtplib", "auto", lambda answer: not answer.stderr),
            ],
            unit="ms",
        )
    ]


GROUPS: dict[str, Callable[[], list[Case]]] = {
    "lookup": lookup_cases,
    "lines": lines_cases,
    "stream": stream_cases,
    "buffers": buffers_cases,
    "import": import_cases,
    "meaning": lambda: import_module("meaning").meaning_cases(),
}
