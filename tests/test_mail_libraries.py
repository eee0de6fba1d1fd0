"""Exceptions of smtplib and aiosmtplib as they are really raised, and the examples that use them.

The clients are the libraries' own, the servers on loopback: one that says what it is told, one of
aiosmtpd. No exception is made by hand but in the part that says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.message
import importlib
import inspect
import re
import smtplib
import socketserver
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP

from private_postfix import HOST, TIMEOUT
from scripted_server import Server
from smtpfast import Classifier, Diagnosis, Disposition, Reason, Reply, diagnose
from smtpfast.recipients import diagnose_recipients

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import ModuleType
    from typing import Any

    Answers = dict[str, list[str]]

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs" / "mail-libraries.md").read_text(encoding="utf-8")
MAIL = "Subject: Hello\r\n\r\nHello\r\n"
SENDER = "bob@client.example"
# How long a client waits for a server that says nothing.
SHORT = 0.3

NO_ANSWER = (Reason.CONNECTION, Disposition.RETRY, None, None, None, "exception.no_answer", "")


# --- A server that says what it is told -----------------------------------------------------

SILENT, HANGS_UP = "silent", "hangs up"


class Told(socketserver.StreamRequestHandler):
    """Answers each command by its verb; the last answer counts for all that follow."""

    timeout = TIMEOUT
    answers: Answers

    def say(self, name: str, default: str) -> bool:
        """Whether to go on."""
        answers = self.answers.get(name, [default])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer not in (SILENT, HANGS_UP):
            self.wfile.write(f"{answer}\r\n".encode())
        return answer != HANGS_UP

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            self.talk()

    def talk(self) -> None:
        if not self.say("CONNECT", "220 mx.example ESMTP"):
            return
        for raw in self.rfile:
            command = raw.decode("utf-8", "replace").strip()
            verb, _, rest = command.partition(" ")
            address = re.search("<(.*)>", rest)
            name = verb.upper()
            if name == "RCPT" and address and address[1] in self.answers:
                name = address[1]
            default = {"DATA": "354 Go on", "QUIT": "221 Bye"}.get(name, "250 Ok")
            told = self.answers.get(name, [default])[0]
            if not self.say(name, default):
                return
            if name == "DATA" and told.startswith("354"):
                while self.rfile.readline().rstrip() != b".":
                    pass
                if not self.say("EOD", "250 Ok"):
                    return
            if name == "STARTTLS" and told.startswith("220"):
                self.rfile.read()  # and no handshake
            if name == "QUIT":
                return


@contextlib.contextmanager
def told(**answers: str | list[str]) -> Iterator[int]:
    """The port of a server that gives these answers, by verb, CONNECT, EOD or recipient."""
    lists = {
        name: [said] if isinstance(said, str) else list(said) for name, said in answers.items()
    }
    handler = type("Handler", (Told,), {"answers": lists})
    with Server((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(TIMEOUT)


def closed_port() -> int:
    """A port where nobody listens."""
    with told() as port:
        pass
    return port


# --- All exceptions -------------------------------------------------------------------------


def exceptions_of(library: str) -> set[type[BaseException]]:
    """Every exception class that a library has, whether it names it in public or not."""
    module = importlib.import_module(library)
    found = {value for value in vars(module).values() if inspect.isclass(value)}
    below = [module.SMTPException]
    while below:
        found.add(below[-1])
        below += below.pop().__subclasses__()
    return {
        each
        for each in found
        if issubclass(each, BaseException) and each.__module__.partition(".")[0] == library
    }


async def connected(port: int, **options: Any) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(
        hostname=HOST, port=port, timeout=TIMEOUT, local_hostname="client.example", start_tls=False
    )
    await client.connect(**options)
    return client


def plainly(
    act: Callable[[smtplib.SMTP], object], timeout: float = TIMEOUT
) -> Callable[[int], None]:
    """What smtplib does with a server at that port."""

    def run(port: int) -> None:
        client = smtplib.SMTP(local_hostname="client.example", timeout=timeout)
        try:
            code, said = client.connect(HOST, port)
            assert code == 220, said
            act(client)
        finally:
            client.close()

    return run


def soon(
    act: Callable[[aiosmtplib.SMTP], Awaitable[object]], **options: Any
) -> Callable[[int], None]:
    """What aiosmtplib does with a server at that port."""

    async def run(port: int) -> None:
        client = await connected(port, **options)
        try:
            await act(client)
        finally:
            client.close()

    return lambda port: asyncio.run(run(port))


def greeted(port: int) -> None:
    smtplib.SMTP(HOST, port, "client.example", timeout=TIMEOUT).close()


def sends(client: Any) -> Any:
    return client.sendmail(SENDER, ["a@mx.example"], MAIL)


def logs_in(client: Any) -> Any:
    return client.login("bob", "secret")


class Case(NamedTuple):
    """How a client comes to raise exactly `raised`, and what that means.

    command: the one that was answered; "" where the exception has no reply.
    """

    raised: type[BaseException]
    act: Callable[[int], None]
    answers: dict[str, str]
    command: str
    reason: Reason


BLOCKED = "554 5.7.1 Client host [192.0.2.7] blocked using zen.spamhaus.org"
BAD_HELO = "502 5.5.1 Command not implemented"
BAD_LOGIN = "535 5.7.8 Error: authentication failed"
NO_TLS = "454 4.7.0 TLS not available due to local problem"
BAD_SENDER = (
    "553-5.1.8 <bob@client.example>: Sender address rejected:\r\n553 5.1.8 Domain not found"
)
NO_USER = "550 5.1.1 <a@mx.example>: Recipient address rejected: User unknown"
SPAM = "554 5.7.1 Message content rejected, looks like spam"
GARBAGE = "SSH-2.0-OpenSSH_9.9"
HELO = {"EHLO": BAD_HELO, "HELO": BAD_HELO}
AUTH = {"EHLO": "250-mx.example\r\n250 AUTH PLAIN"}

OF_SMTPLIB = [
    Case(smtplib.SMTPConnectError, greeted, {"CONNECT": BLOCKED}, "CONNECT", Reason.BLOCKLISTED),
    Case(smtplib.SMTPConnectError, greeted, {"CONNECT": GARBAGE}, "CONNECT", Reason.UNKNOWN),
    Case(smtplib.SMTPHeloError, plainly(sends), HELO, "EHLO", Reason.PROTOCOL),
    Case(
        smtplib.SMTPAuthenticationError,
        plainly(logs_in),
        {**AUTH, "AUTH": BAD_LOGIN},
        "AUTH",
        Reason.LOGIN,
    ),
    Case(
        smtplib.SMTPResponseException,
        plainly(lambda client: client.starttls()),
        {"EHLO": "250-mx.example\r\n250 STARTTLS", "STARTTLS": NO_TLS},
        "STARTTLS",
        Reason.TLS,
    ),
    Case(
        smtplib.SMTPSenderRefused, plainly(sends), {"MAIL": BAD_SENDER}, "MAIL", Reason.BAD_SENDER
    ),
    Case(
        smtplib.SMTPRecipientsRefused, plainly(sends), {"RCPT": NO_USER}, "RCPT", Reason.BAD_MAILBOX
    ),
    Case(smtplib.SMTPDataError, plainly(sends), {"DATA": SPAM}, "DATA", Reason.SPAM),
    Case(smtplib.SMTPDataError, plainly(sends), {"EOD": SPAM}, "EOD", Reason.SPAM),
    # Without a reply.
    Case(smtplib.SMTPNotSupportedError, plainly(logs_in), {}, "", Reason.PROTOCOL),
    Case(
        smtplib.SMTPException,
        plainly(logs_in),
        {"EHLO": "250-mx.example\r\n250 AUTH GSSAPI"},
        "",
        Reason.UNKNOWN,
    ),
    Case(smtplib.SMTPServerDisconnected, plainly(sends), {"MAIL": HANGS_UP}, "", Reason.CONNECTION),
    Case(
        smtplib.SMTPServerDisconnected,
        plainly(sends, SHORT),
        {"EOD": SILENT},
        "",
        Reason.CONNECTION,
    ),
    Case(ConnectionRefusedError, lambda _: greeted(closed_port()), {}, "", Reason.CONNECTION),
]
OF_AIOSMTPLIB = [
    Case(
        aiosmtplib.SMTPConnectResponseError,
        soon(sends),
        {"CONNECT": BLOCKED},
        "CONNECT",
        Reason.BLOCKLISTED,
    ),
    Case(aiosmtplib.SMTPHeloError, soon(sends), HELO, "EHLO", Reason.PROTOCOL),
    Case(
        aiosmtplib.SMTPAuthenticationError,
        soon(logs_in),
        {**AUTH, "AUTH": BAD_LOGIN},
        "AUTH",
        Reason.LOGIN,
    ),
    Case(
        aiosmtplib.SMTPResponseException,
        soon(lambda client: client.vrfy("a@mx.example")),
        {"VRFY": NO_USER},
        "VRFY",
        Reason.BAD_MAILBOX,
    ),
    Case(
        aiosmtplib.SMTPSenderRefused, soon(sends), {"MAIL": BAD_SENDER}, "MAIL", Reason.BAD_SENDER
    ),
    Case(
        aiosmtplib.SMTPRecipientRefused,
        soon(lambda client: client.rcpt("a@mx.example")),
        {"RCPT": NO_USER},
        "RCPT",
        Reason.BAD_MAILBOX,
    ),
    Case(
        aiosmtplib.SMTPRecipientsRefused, soon(sends), {"RCPT": NO_USER}, "RCPT", Reason.BAD_MAILBOX
    ),
    Case(aiosmtplib.SMTPDataError, soon(sends), {"DATA": SPAM}, "DATA", Reason.SPAM),
    Case(aiosmtplib.SMTPDataError, soon(sends), {"EOD": SPAM}, "EOD", Reason.SPAM),
    # Without a reply.
    Case(
        aiosmtplib.SMTPNotSupported,
        soon(lambda client: client.sendmail(SENDER, ["a@b"], MAIL, mail_options=["SMTPUTF8"])),
        {"EHLO": "250 mx.example"},
        "",
        Reason.PROTOCOL,
    ),
    Case(aiosmtplib.SMTPException, soon(logs_in), {}, "", Reason.UNKNOWN),
    Case(aiosmtplib.SMTPServerDisconnected, soon(sends), {"MAIL": HANGS_UP}, "", Reason.CONNECTION),
    Case(
        aiosmtplib.SMTPConnectError,
        lambda _: soon(sends)(closed_port()),
        {},
        "",
        Reason.CONNECTION,
    ),
    Case(aiosmtplib.SMTPConnectError, soon(sends), {"CONNECT": HANGS_UP}, "", Reason.CONNECTION),
    Case(
        aiosmtplib.SMTPConnectTimeoutError,
        soon(sends, timeout=SHORT),
        {"CONNECT": SILENT},
        "",
        Reason.CONNECTION,
    ),
    Case(
        aiosmtplib.SMTPReadTimeoutError,
        soon(lambda client: client.noop(timeout=SHORT)),
        {"NOOP": SILENT},
        "",
        Reason.CONNECTION,
    ),
    Case(
        aiosmtplib.SMTPTimeoutError,
        soon(lambda client: client.starttls(timeout=SHORT)),
        {"EHLO": "250-mx.example\r\n250 STARTTLS", "STARTTLS": "220 2.0.0 Go ahead"},
        "",
        Reason.CONNECTION,
    ),
]


def raised_by(case: Case) -> BaseException:
    with told(**case.answers) as port, pytest.raises(Exception) as caught:  # noqa: PT011
        case.act(port)
    assert type(caught.value) is case.raised, repr(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("library", "cases"), [("smtplib", OF_SMTPLIB), ("aiosmtplib", OF_AIOSMTPLIB)]
)
def test_there_is_a_case_for_every_exception(library: str, cases: list[Case]) -> None:
    found = exceptions_of(library)
    assert len(found) >= 10
    assert found - {case.raised for case in cases} == set()


@pytest.mark.parametrize(
    "case",
    OF_SMTPLIB + OF_AIOSMTPLIB,
    ids=lambda case: f"{case.raised.__module__.partition('.')[0]}.{case.raised.__name__}",
)
def test_an_exception_that_a_client_really_raises(case: Case) -> None:
    error = raised_by(case)
    found = diagnose(error)
    assert found.reason is case.reason
    has_reply = any(hasattr(error, name) for name in ("smtp_code", "code", "recipients"))
    assert has_reply == bool(case.command)
    if not case.command:
        assert found.rule.startswith("exception.")
        assert (found == NO_ANSWER) == (case.reason is Reason.CONNECTION)
        return
    said = case.answers[case.command]
    assert found[:6] == diagnose(error, case.command)[:6] == diagnose(said, case.command)[:6]


# Bare codes, of which the command is the only hint.
BARE = ("550 zzz", "552 zzz", "452 zzz", "454 zzz", "501 zzz")


@pytest.mark.parametrize("said", BARE)
@pytest.mark.parametrize(
    "case",
    [case for case in OF_SMTPLIB + OF_AIOSMTPLIB if case.command not in ("", "VRFY", "STARTTLS")],
    ids=lambda case: f"{case.raised.__module__.partition('.')[0]}.{case.raised.__name__}",
)
def test_the_command_may_be_said(case: Case, said: str) -> None:
    answers = {
        name: said if name in (case.command, "HELO") else each
        for name, each in case.answers.items()
    }
    error = raised_by(case._replace(answers=answers))
    assert diagnose(error, case.command) == diagnose(said, case.command)


@pytest.mark.parametrize(
    ("error", "command"),
    [
        (smtplib.SMTPSenderRefused(550, b"zzz", SENDER), "MAIL"),
        (aiosmtplib.SMTPSenderRefused(550, "zzz", SENDER), "MAIL"),
        (smtplib.SMTPRecipientsRefused({"a@mx.example": (552, b"zzz")}), "RCPT"),
        (aiosmtplib.SMTPRecipientRefused(552, "zzz", "a@mx.example"), "RCPT"),
        (smtplib.SMTPAuthenticationError(454, b"zzz"), "AUTH"),
        (aiosmtplib.SMTPAuthenticationError(454, "zzz"), "AUTH"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__module__,
)
def test_the_exception_says_which_command_was_answered(error: Exception, command: str) -> None:
    assert diagnose(error) == diagnose(error, command)


# --- Each recipient -------------------------------------------------------------------------

REFUSALS = {
    "gone@mx.example": "550 5.1.1 No such user here",
    "full@mx.example": "452-4.2.2 The mailbox is full\r\n452 4.2.2 try again in 2 hours",
    "bare@mx.example": "552 zzz",
    "почта@mx.example": "550 5.1.1 Такого ящика нет",
}
TAKEN = "taken@mx.example"


def meaning_of_each(*recipients: str) -> dict[str, Diagnosis]:
    return {each: diagnose(REFUSALS[each], "RCPT") for each in recipients}


def without_evidence(found: dict[str, Diagnosis]) -> dict[str, tuple[object, ...]]:
    """The words of several lines are joined in other ways."""
    return {name: each[:6] for name, each in found.items()}


def sent_by_smtplib(port: int, *recipients: str) -> Any:
    """What `sendmail` returns or raises."""
    with contextlib.closing(smtplib.SMTP(HOST, port, "client.example", TIMEOUT)) as client:
        client.command_encoding = "utf-8"
        try:
            return client.sendmail(SENDER, recipients, MAIL)
        except smtplib.SMTPException as error:
            return error


def sent_by_aiosmtplib(port: int, *recipients: str) -> Any:
    async def send() -> Any:
        client = await connected(port)
        try:
            options = ["SMTPUTF8"]
            return (await client.sendmail(SENDER, recipients, MAIL, mail_options=options))[0]
        except aiosmtplib.SMTPException as error:
            return error
        finally:
            client.close()

    return asyncio.run(send())


EHLO = "250-mx.example\r\n250 SMTPUTF8"
both_libraries = pytest.mark.parametrize(
    "send", [sent_by_smtplib, sent_by_aiosmtplib], ids=["smtplib", "aiosmtplib"]
)


@both_libraries
def test_everybody_is_refused(send: Callable[..., Any]) -> None:
    with told(EHLO=EHLO, **REFUSALS) as port:
        error = send(port, *REFUSALS)
    assert type(error).__name__ == "SMTPRecipientsRefused"
    found = diagnose_recipients(error)
    assert list(found) == list(REFUSALS)
    assert without_evidence(found) == without_evidence(meaning_of_each(*REFUSALS))
    assert {type(each) for each in found.values()} == {Diagnosis}
    assert [str(each.disposition) for each in found.values()] == [
        *("suppress", "retry", "slow_down", "suppress")
    ]
    assert found["full@mx.example"].retry_after == 7200
    assert found["bare@mx.example"].reason is Reason.RATE_LIMITED  # of RCPT, and of nothing else


@both_libraries
@pytest.mark.parametrize("count", range(len(REFUSALS)))
def test_somebody_is_refused(send: Callable[..., Any], count: int) -> None:
    refused = list(REFUSALS)[:count]
    with told(EHLO=EHLO, **REFUSALS) as port:
        returned = send(port, *refused[1:], TAKEN, *refused[:1])
    assert type(returned) is dict
    found = diagnose_recipients(returned)
    assert list(found) == refused[1:] + refused[:1]
    assert without_evidence(found) == without_evidence(meaning_of_each(*refused))


def test_one_is_refused_alone() -> None:
    error = raised_by(next(each for each in OF_AIOSMTPLIB if "tRefused" in each.raised.__name__))
    assert diagnose_recipients(error) == {"a@mx.example": diagnose(NO_USER, "RCPT")}


def test_an_answer_that_is_no_reply() -> None:
    with told(RCPT=GARBAGE) as port:
        found = diagnose_recipients(sent_by_smtplib(port, "a@mx.example"))
    # smtplib has cut off what should have been the code.
    assert found == {"a@mx.example": diagnose(GARBAGE[4:], "RCPT")}


def test_the_rules_of_another_classifier_decide(tmp_path: Path) -> None:
    rules = tmp_path / "own.toml"
    rules.write_text(
        '[[rule]]\nid = "own.user"\nreason = "policy"\nphrases = ["no such user"]\n'
        'examples = ["550 no such user"]\n'
    )
    own = Classifier.from_toml(rules)
    refused = {"a@b": (550, b"5.1.1 No such user here"), "c@d": (452, "4.2.2 full")}
    found = diagnose_recipients(refused, classifier=own)
    assert found == {
        "a@b": own.diagnose("550 5.1.1 No such user here", "RCPT"),
        "c@d": own.diagnose("452 4.2.2 full", "RCPT"),
    }
    assert found["a@b"].rule == "own.user"
    assert diagnose_recipients(refused)["a@b"].reason is Reason.BAD_MAILBOX


@pytest.mark.parametrize(
    "wrong",
    [
        smtplib.SMTPSenderRefused(553, b"no", "a@b"),
        smtplib.SMTPDataError(554, b"no"),
        aiosmtplib.SMTPDataError(554, "no"),
        ValueError("a@b"),
        [("a@b", (550, b"no"))],
        email.message.EmailMessage(),
        "a@b",
        None,
    ],
    ids=lambda wrong: type(wrong).__name__,
)
def test_what_refuses_no_recipients_is_an_error(wrong: Any) -> None:
    with pytest.raises(TypeError) as error:
        diagnose_recipients(wrong)
    assert str(error.value) == f"expected refused recipients, not {type(wrong).__name__}"


def test_nobody_is_refused() -> None:
    assert diagnose_recipients({}) == {}
    assert diagnose_recipients(smtplib.SMTPRecipientsRefused({})) == {}
    assert diagnose_recipients(aiosmtplib.SMTPRecipientsRefused([])) == {}


def test_the_libraries_are_not_loaded_before_they_are_needed() -> None:
    code = "import sys, smtpfast.recipients; print({'smtplib', 'aiosmtplib'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "set()\n"


# --- What the page says of the libraries ----------------------------------------------------


def test_smtplib_asks_for_nobody_behind_a_421() -> None:
    with told(**{"busy@mx.example": "421 4.7.0 Too many connections", **REFUSALS}) as port:
        error = sent_by_smtplib(
            port, TAKEN, "gone@mx.example", "busy@mx.example", "full@mx.example"
        )
    found = diagnose_recipients(error)
    assert list(found) == ["gone@mx.example", "busy@mx.example"]
    assert found["gone@mx.example"].disposition is Disposition.SUPPRESS
    assert found["busy@mx.example"].disposition in (Disposition.RETRY, Disposition.SLOW_DOWN)


@both_libraries
def test_a_refused_mail_hides_the_refused_recipients(send: Callable[..., Any]) -> None:
    with told(EHLO=EHLO, EOD=SPAM, **REFUSALS) as port:
        error = send(port, TAKEN, "gone@mx.example")
    assert type(error).__name__ == "SMTPDataError"
    assert "gone@mx.example" not in str(error)


def test_smtplib_miscounts_an_address_that_comes_twice() -> None:
    with told(DATA="503 5.5.1 No valid recipients", **REFUSALS) as port:
        error = sent_by_smtplib(port, "gone@mx.example", "gone@mx.example")
    assert type(error) is smtplib.SMTPDataError


def test_the_answer_to_quit_hides_what_came_of_the_mail(
    example: Callable[[str], ModuleType],
) -> None:
    deliver = example("delivery").deliver
    mail = SENDER, "a@mx.example", MAIL
    for answers, raised in (
        ({"QUIT": "421 4.3.2 Busy"}, None),
        ({"QUIT": HANGS_UP}, None),
        ({"QUIT": "421 4.3.2 Busy", "RCPT": NO_USER}, smtplib.SMTPRecipientsRefused),
    ):
        with told(**answers) as port:
            if answers["QUIT"] != HANGS_UP:
                with (
                    pytest.raises(smtplib.SMTPResponseException, match="Busy"),
                    smtplib.SMTP(HOST, port, "client.example", TIMEOUT) as client,
                ):
                    client.sendmail(*mail)
            with pytest.raises(raised) if raised else contextlib.nullcontext():
                deliver(HOST, port, *mail)


def test_every_program_of_the_page_is_part_of_an_example() -> None:
    examples = [path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*.py")]
    shown = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    programs = [block for block in shown if ">>>" not in block]
    assert len(programs) == 7
    for program in programs:
        assert any(f"\n{program}" in example for example in examples), program


# --- The examples ---------------------------------------------------------------------------


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports an example by its name, as it stands beside the others."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


def test_the_server_that_refuses_and_its_client() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / "refusing_server.py")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    [shown] = re.findall(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert done.stdout == shown


def with_aiosmtpd(handler: object, act: Callable[[int], Any], **options: bool) -> Any:
    """What `act` returns for the port of a server with that handler."""

    async def run() -> Any:
        server = await asyncio.get_running_loop().create_server(
            lambda: SMTP(handler, hostname="mx.example", **options), HOST, 0
        )
        async with server:
            return await asyncio.to_thread(act, server.sockets[0].getsockname()[1])

    return asyncio.run(run())


ANSWERS = {
    "plain": Reply.of(550, "No such user here", "5.1.1"),
    "lines": Reply.of(452, "Mailbox full\n\nTry again in 2 hours", "4.2.2"),
    "folded": Reply.of(450, "word " * 400 + "x" * 1000, "4.7.1"),
    "russian": Reply.of(550, "Такого ящика нет\n" + "ё" * 700, "5.1.1"),
    "octets": Reply.of(550, b"caf\xe9", "5.1.1"),
    "bare": Reply.of(550),
    "attack": Reply.of(550, "x\r\n250 2.1.5 Ok\r250 Ok\r\n", "5.7.1"),
}


def test_real_clients_read_what_the_handler_answers(
    example: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = example("refusing_server")
    monkeypatch.setattr(module, "REFUSALS", ANSWERS)
    recipients = [f"{name}@mx.example" for name in ANSWERS]

    def raised(port: int) -> tuple[Any, Any]:
        async def send() -> Any:
            client = await connected(port)
            with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as caught:
                await client.sendmail(SENDER, recipients, MAIL)
            await client.quit()
            return caught.value

        with smtplib.SMTP(HOST, port, "client.example", TIMEOUT) as client:
            with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
                client.sendmail(SENDER, recipients, MAIL)
            # The session is in step.
            assert client.sendmail(SENDER, [TAKEN, recipients[0]], MAIL).keys() == {recipients[0]}
        return caught.value, asyncio.run(send())

    plain, other = with_aiosmtpd(module.RefusingHandler(), raised)
    assert {name: Reply.of(*said) for name, said in plain.recipients.items()} == dict(
        zip(recipients, ANSWERS.values(), strict=True)
    )
    assert [Reply.of(each.code, each.message) for each in other.recipients] == [*ANSWERS.values()]
    expected = {
        f"{name}@mx.example": diagnose(reply, "RCPT")[:6] for name, reply in ANSWERS.items()
    }
    for error in (plain, other):
        assert without_evidence(diagnose_recipients(error)) == expected


@pytest.mark.parametrize("as_bytes", [False, True])
def test_aiosmtpd_takes_octets_where_a_text_fails(
    example: Callable[[str], ModuleType], as_bytes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    handler = example("refusing_server").RefusingHandler
    reply = Reply.of(250, "Добро пожаловать", "2.1.5")
    answer = example("refusing_server").answer(reply)

    class Welcoming(handler):  # type: ignore[misc, valid-type]
        async def handle_RCPT(self, *_: object) -> Any:  # noqa: N802
            return answer if as_bytes else answer.decode()

    def ask(port: int) -> Any:
        with smtplib.SMTP(HOST, port, "client.example", TIMEOUT) as client:
            client.ehlo()
            client.mail(SENDER)
            return client.rcpt(TAKEN)

    code, text = with_aiosmtpd(Welcoming(), ask)
    if as_bytes:
        assert Reply.of(code, text) == reply
    else:
        assert (code, b"UnicodeEncodeError" in text) == (500, True)
        assert caplog.records


MINUTE, HOUR = 60, 3600


@pytest.mark.parametrize(
    ("said", "delays"),
    [
        ("450 4.7.1 Greylisted", {1: 5 * MINUTE, 2: 10 * MINUTE, 6: 160 * MINUTE, 7: 4 * HOUR}),
        ("450 4.7.1 Greylisted", {35: 4 * HOUR, 36: None, 1000: None}),
        ("450 4.7.1 Greylisted, try again in 60 seconds", {1: 5 * MINUTE}),
        ("450 4.7.1 Greylisted, try again in 30 minutes", {1: 30 * MINUTE, 6: 160 * MINUTE}),
        ("450 4.7.1 Greylisted, try again in 90000 seconds", {1: 24 * HOUR}),
        ("421 4.7.0 Too many connections", {1: 30 * MINUTE, 4: 4 * HOUR}),
        ("550 5.1.1 No such user", {1: None}),
        ("554 5.7.1 Message content rejected, looks like spam", {1: None}),
        ("535 5.7.8 Authentication failed", {1: None}),
    ],
)
def test_the_delay_before_another_attempt(
    example: Callable[[str], ModuleType], said: str, delays: dict[int, int | None]
) -> None:
    retry_delay = example("retry_policy").retry_delay
    code, text = int(said[:3]), said[4:]
    for attempt, delay in delays.items():
        for error in (
            smtplib.SMTPDataError(code, text.encode()),
            aiosmtplib.SMTPDataError(code, text),
            smtplib.SMTPRecipientsRefused({"a@b": (code, text.encode())}),
        ):
            assert retry_delay(error, attempt) == delay


def test_the_attempts_last_as_long_as_rfc_5321_wants(
    example: Callable[[str], ModuleType],
) -> None:
    retry_delay = example("retry_policy").retry_delay
    for error in (ConnectionResetError(), smtplib.SMTPDataError(421, b"Too many connections")):
        delays = []
        while (delay := retry_delay(error, len(delays) + 1)) is not None:
            delays.append(delay)
        assert 4 * 24 <= sum(delays) / HOUR <= 6 * 24
    assert retry_delay(ValueError("550 x"), 1) is None


GREYLISTED = "450 4.7.1 Greylisted, please try again"


def test_tenacity_waits_as_the_policy_says(example: Callable[[str], ModuleType]) -> None:
    pytest.importorskip("tenacity")
    slept: list[float] = []
    deliver = example("retry_tenacity").deliver_with_patience.retry_with(sleep=slept.append)
    mail = SENDER, "a@mx.example", MAIL
    with told(RCPT=[GREYLISTED, GREYLISTED, "250 Ok"]) as port:
        deliver(HOST, port, *mail)
    assert slept == [5 * MINUTE, 10 * MINUTE]
    slept.clear()
    # The third delay is longer than a process may sleep.
    with told(RCPT=GREYLISTED) as port, pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        deliver(HOST, port, *mail)
    assert slept == [5 * MINUTE, 10 * MINUTE]
    assert diagnose(caught.value).reason is Reason.GREYLISTED
    slept.clear()
    with told(RCPT=NO_USER) as port, pytest.raises(smtplib.SMTPRecipientsRefused):
        deliver(HOST, port, *mail)
    # An error of our own comes out as it is.
    with told() as port, pytest.raises(UnicodeEncodeError):
        deliver(HOST, port, SENDER, "a@mx.example", "Привет")
    assert slept == []


def test_celery_waits_as_the_policy_says(
    example: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("celery")
    task = example("retry_celery").deliver_later
    waited: list[float] = []
    retry = task.retry
    monkeypatch.setattr(
        task, "retry", lambda *, exc, countdown: (waited.append(countdown), retry(exc=exc))[1]
    )

    def apply(port: int) -> Any:
        # At once, in this process.
        return task.apply(args=(HOST, port, SENDER, "a@mx.example", MAIL))

    with told(RCPT=[GREYLISTED] * 5 + ["250 Ok"]) as port:
        assert apply(port).state == "SUCCESS"
    assert waited == [5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 80 * MINUTE]
    waited.clear()
    with told(RCPT=NO_USER) as port:
        done = apply(port)
    assert (done.state, type(done.result)) == ("FAILURE", smtplib.SMTPRecipientsRefused)
    assert waited == []


def test_what_came_of_a_mail_of_django(example: Callable[[str], ModuleType]) -> None:
    django = pytest.importorskip("django")
    from django.conf import settings
    from django.core import mail

    send = example("django_mail").send
    backend = "django.core.mail.backends.smtp.EmailBackend"

    def message(*recipients: str) -> mail.EmailMessage:
        return mail.EmailMessage("Hello", "Hello", SENDER, recipients)

    with told(**REFUSALS) as port:
        if django.VERSION >= (6, 1):
            options = {"host": HOST, "port": port}
            settings.configure(MAILERS={"default": {"BACKEND": backend, "OPTIONS": options}})
            connection = mail.mailers.default
        else:
            settings.configure(EMAIL_BACKEND=backend, EMAIL_HOST=HOST, EMAIL_PORT=port)
            connection = mail.get_connection()
        assert send(message(TAKEN)) is None
        assert send(message("gone@mx.example")) == diagnose(REFUSALS["gone@mx.example"], "RCPT")
        # What the page says of it.
        assert send(message(TAKEN, "gone@mx.example")) is None
        taken = []
        with connection:
            for each in ([message("gone@mx.example"), message(TAKEN)], [message(TAKEN)]):
                with contextlib.suppress(smtplib.SMTPRecipientsRefused):
                    taken.append(connection.send_messages(each))
        assert taken == [1]
    assert send(message(TAKEN)) == NO_ANSWER
