"""Real servers on loopback: aiosmtpd always, Postfix where it is installed and may be started.

Every octet that a server says goes through the parser, cut as it came or smaller, and afterwards
through smtplib, which must have read the same.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiosmtpd.controller import Controller

from private_postfix import HOST, free_port, private_postfix
from smtpfast import Reply, ReplyParser, SmtpStatusCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType
    from typing import Self

    from aiosmtpd.smtp import SMTP, Envelope
    from aiosmtpd.smtp import Session as ServerSession

TIMEOUT = 10.0
STARTUP_ATTEMPTS = 5


# --- A client that only sends and parses ----------------------------------------------------


class Session:
    """One connection: the socket, the parser, and all that has been received."""

    def __init__(self, core: ModuleType, port: int, *, octets_at_once: int = 4_096) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=TIMEOUT)
        self.parser = core.StreamState()
        self.octets_at_once = octets_at_once
        self.received = b""
        self.waiting: list[Reply] = []
        self.said: list[Reply] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def read(self, count: int) -> list[Reply]:
        """The next replies; an `AssertionError` where the server closes before them."""
        deadline = time.monotonic() + TIMEOUT
        while len(self.waiting) < count:
            assert time.monotonic() < deadline, f"only {self.waiting} came"
            octets = self.socket.recv(self.octets_at_once)
            assert octets, f"the server closed behind {self.waiting}"
            self.received += octets
            self.waiting += self.parser.feed(octets)
        replies, self.waiting = self.waiting[:count], self.waiting[count:]
        self.said += replies
        return replies

    def send(self, *commands: str, replies: int | None = None) -> list[Reply]:
        """Send the commands in one segment; the replies, of which there is one a command."""
        self.socket.sendall("".join(f"{command}\r\n" for command in commands).encode())
        return self.read(len(commands) if replies is None else replies)

    def start_tls(self) -> None:
        """The handshake; nothing said before it may be read behind it."""
        assert self.waiting == []
        assert self.parser.buffered == 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)
        self.parser.reset()

    def finish(self) -> None:
        """The server has closed; nothing is left, and smtplib reads the same in what came."""
        assert self.socket.recv(1) == b""
        assert self.waiting == []
        assert self.parser.buffered == 0
        assert self.parser.close() is False
        oracle = smtplib.SMTP(local_hostname="client.example")
        oracle.file = io.BytesIO(self.received)
        for reply in self.said:
            assert (reply.code, text_of(reply)) == read_reply(oracle)
        assert oracle.file.read() == b""


def read_reply(oracle: smtplib.SMTP) -> tuple[int, str]:
    code, text = oracle.getreply()
    return code, text.decode("utf-8", "surrogateescape")


def text_of(reply: Reply) -> str:
    """The text as smtplib has it: with the enhanced codes, without blanks around the lines."""
    return "\n".join(
        " ".join([*([str(line.enhanced)] if line.enhanced else []), line.text]).strip(" \t")
        for line in reply.lines
    )


def codes(replies: list[Reply]) -> list[str]:
    """Code and enhanced code of each reply: "550 5.1.1"."""
    return [f"{reply.code} {reply.enhanced or ''}".rstrip() for reply in replies]


def check_greeting(reply: Reply, name: str) -> None:
    assert (reply.code, reply.enhanced) == (220, None)
    assert reply.status is SmtpStatusCode.SERVICE_READY
    assert reply.text.startswith(name)


def keywords(ehlo: Reply) -> set[str]:
    """The keywords that a server offers, each on its own line behind the first."""
    assert ehlo.code == 250
    assert not ehlo.has_mixed_codes
    assert ehlo.enhanced is None
    assert [line.is_last for line in ehlo.lines] == [False] * (len(ehlo.lines) - 1) + [True]
    return {line.text.split()[0] for line in ehlo.lines[1:]}


@pytest.fixture(scope="module")
def certificate() -> Iterator[tuple[Path, Path] | None]:
    """A certificate that the server signs for itself and its key; None without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as directory:
        chain, key = Path(directory, "cert.pem"), Path(directory, "key.pem")
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        files = ["-keyout", str(key), "-out", str(chain)]
        subprocess.run(
            [openssl, "req", "-x509", *kind, *files, "-days", "2", "-subj", "/CN=mx.example"],
            check=True,
            capture_output=True,
            timeout=30,
        )
        yield chain, key


# --- aiosmtpd -------------------------------------------------------------------------------

# What the server answers to RCPT, by local part, and what the parser must make of it.
RECIPIENTS = {
    "ok": ("250 2.1.5 Recipient ok", "250 2.1.5", "Recipient ok"),
    "plain": ("250 fine", "250", "fine"),
    "forward": ("251 2.1.5 will forward", "251 2.1.5", "will forward"),
    "grey": ("450 4.7.1 Greylisted; wait 300 s", "450 4.7.1", "Greylisted; wait 300 s"),
    "busy": ("451 Try later", "451", "Try later"),
    "full": ("452-4.2.2 Mailbox full\r\n452 4.2.2 now", "452 4.2.2", "Mailbox full\nnow"),
    "unknown": (
        "550-5.1.1 <unknown@b.example>: no such user\r\n550-5.1.1\r\n550 5.1.1 here",
        "550 5.1.1",
        "<unknown@b.example>: no such user\n\nhere",
    ),
    "policy": ("554 5.7.1 Policy", "554 5.7.1", "Policy"),
    "exchange": ("550 5.7.509 Access denied", "550 5.7.509", "Access denied"),
    "mismatch": ("550 4.7.1 both", "550 4.7.1", "both"),
    "last": ("550-no\r\n550 5.1.1 user", "550 5.1.1", "no\nuser"),
    "bare": ("550", "550", ""),
    "odd": ("571 blocked", "571", "blocked"),
    "utf8": ("550 5.6.7 Ящик не найден", "550 5.6.7", "Ящик не найден"),
    "mixed": ("450-4.2.1 a\r\n550 5.2.1 b", "550 5.2.1", "a\nb"),
}


class Handler:
    """Answers what the local part says."""

    async def handle_EHLO(  # noqa: N802
        self,
        server: SMTP,
        session: ServerSession,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_MAIL(  # noqa: N802
        self,
        server: SMTP,
        session: ServerSession,
        envelope: Envelope,
        address: str,
        mail_options: list[str],
    ) -> str:
        if address.startswith("spammer@"):
            return "554-5.7.1 Sender\r\n554 5.7.1 blocked"
        envelope.mail_from = address
        return "250 2.1.0 Sender ok"

    async def handle_RCPT(  # noqa: N802
        self,
        server: SMTP,
        session: ServerSession,
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],
    ) -> str:
        answer = RECIPIENTS[address.partition("@")[0]][0]
        if answer.startswith("25"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: ServerSession, envelope: Envelope
    ) -> str:
        if b"refuse" in envelope.content:
            return "554-5.6.0 no\r\n554 5.6.0 thanks"
        return f"250 2.0.0 queued for {len(envelope.rcpt_tos)}"


@contextlib.contextmanager
def aiosmtpd_server(certificate: tuple[Path, Path] | None) -> Iterator[int]:
    """The port of a server that lives as long as the block."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    for attempt in range(1, STARTUP_ATTEMPTS + 1):
        controller = Controller(
            Handler(),
            hostname=HOST,
            port=free_port(),
            server_hostname="mx.example",
            ready_timeout=TIMEOUT,
            tls_context=context,
        )
        try:
            controller.start()
            break
        except OSError:  # somebody else took the port
            controller.loop.close()
            if attempt == STARTUP_ATTEMPTS:
                raise
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def aiosmtpd(certificate: tuple[Path, Path] | None) -> Iterator[int]:
    with aiosmtpd_server(certificate) as port:
        yield port


@pytest.fixture(params=[4_096, 5, 1], ids="recv {}".format)
def session(request: pytest.FixtureRequest, core: ModuleType, aiosmtpd: int) -> Iterator[Session]:
    """A session that has read the greeting and said EHLO."""
    with Session(core, aiosmtpd, octets_at_once=request.param) as started:
        check_greeting(*started.read(1), "mx.example")
        started.send("EHLO client.example")
        yield started


def check_recipients(replies: list[Reply]) -> None:
    assert len(replies) == len(RECIPIENTS)
    for reply, (sent, expected, text) in zip(replies, RECIPIENTS.values(), strict=True):
        assert codes([reply]) == [expected]
        assert reply.text == text
        assert len(reply.lines) == sent.count("\r\n") + 1
        assert reply.is_positive == (expected[0] == "2")
        assert reply.is_transient == (expected[0] == "4")
        assert reply.is_permanent == (expected[0] == "5")
        assert reply.has_mixed_codes == sent.startswith("450-4.2.1")
        assert reply.enhanced_class_mismatch == (sent == "550 4.7.1 both")


def test_aiosmtpd_one_command_at_a_time(session: Session) -> None:
    assert codes(session.send("MAIL FROM:<a@client.example>")) == ["250 2.1.0"]
    replies = [
        reply for name in RECIPIENTS for reply in session.send(f"RCPT TO:<{name}@b.example>")
    ]
    check_recipients(replies)
    assert codes(session.send("DATA")) == ["354"]
    (queued,) = session.send("Subject: x", "", "text", ".", replies=1)
    assert (codes([queued]), queued.text) == (["250 2.0.0"], "queued for 3")
    assert codes(session.send("QUIT")) == ["221"]
    session.finish()


def test_aiosmtpd_pipelined_commands(session: Session) -> None:
    mail, *recipients, data = session.send(
        "MAIL FROM:<a@client.example>",
        *(f"RCPT TO:<{name}@b.example>" for name in RECIPIENTS),
        "DATA",
    )
    assert codes([mail, data]) == ["250 2.1.0", "354"]
    check_recipients(recipients)
    replies = session.send("refuse", ".", "RSET", "NOOP", "QUIT", replies=4)
    assert codes(replies) == ["554 5.6.0", "250", "250", "221"]
    assert replies[0].text == "no\nthanks"
    session.finish()


def test_aiosmtpd_errors(session: Session) -> None:
    replies = [
        *session.send("NONSENSE"),
        *session.send("RCPT TO:<ok@b.example>"),
        *session.send("MAIL FROM:<spammer@client.example>"),
        *session.send("MAIL TO:<a@client.example>"),
        *session.send("VRFY somebody"),
        *session.send("QUIT"),
    ]
    assert [reply.code for reply in replies] == [500, 503, 554, 501, 252, 221]
    assert replies[2].text == "Sender\nblocked"
    session.finish()


def test_aiosmtpd_ehlo_is_a_reply_of_many_lines(session: Session) -> None:
    (ehlo,) = session.send("EHLO client.example")
    assert ehlo.lines[0].text == "mx.example"
    assert keywords(ehlo) >= {"SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "HELP"}
    session.send("QUIT")
    session.finish()


def test_aiosmtpd_starttls(
    core: ModuleType, aiosmtpd: int, certificate: tuple[Path, Path] | None
) -> None:
    if certificate is None:
        pytest.skip("no openssl to make a certificate with")
    with Session(core, aiosmtpd) as session:
        session.read(1)
        (plain,) = session.send("EHLO client.example")
        assert "STARTTLS" in keywords(plain)
        (ready,) = session.send("STARTTLS")
        assert ready.status is SmtpStatusCode.SERVICE_READY
        session.start_tls()
        (encrypted,) = session.send("EHLO client.example")
        assert keywords(encrypted) == keywords(plain) - {"STARTTLS"} | {"AUTH"}
        assert codes(session.send("MAIL FROM:<a@client.example>")) == ["250 2.1.0"]
        assert codes(session.send("RCPT TO:<unknown@b.example>")) == ["550 5.1.1"]


class TappedFile:
    """The file that smtplib reads, with a copy of what it has read."""

    def __init__(self, file: io.BufferedIOBase, tap: list[bytes]) -> None:
        self.file = file
        self.tap = tap

    def readline(self, limit: int = -1) -> bytes:
        line = self.file.readline(limit)
        self.tap.append(line)
        return line

    def close(self) -> None:
        self.file.close()


class TappedClient(smtplib.SMTP):
    """smtplib's client, with all lines that it has read and what it made of them."""

    def __init__(self, port: int) -> None:
        self.lines: list[bytes] = []
        self.answers: list[tuple[int, str]] = []
        super().__init__(HOST, port, local_hostname="client.example", timeout=TIMEOUT)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None:
            self.file = TappedFile(self.sock.makefile("rb"), self.lines)
        code, text = super().getreply()
        self.answers.append((code, text.decode("utf-8", "surrogateescape")))
        return code, text


def test_smtplib_on_the_same_session_reads_the_same(core: ModuleType, aiosmtpd: int) -> None:
    client = TappedClient(aiosmtpd)
    recipients = [f"{name}@b.example" for name in RECIPIENTS]
    refused = client.sendmail("a@client.example", recipients, b"Subject: x\r\n\r\ntext\r\n")
    assert set(refused) == {
        each for each in recipients if RECIPIENTS[each.partition("@")[0]][1][0] in "45"
    }
    with pytest.raises(smtplib.SMTPSenderRefused):
        client.sendmail("spammer@client.example", recipients, b"x")
    client.noop()
    client.quit()
    stream = b"".join(client.lines)
    for size in (1, 3, 64, len(stream)):
        parser = core.StreamState()
        replies = [
            reply
            for at in range(0, len(stream), size)
            for reply in parser.feed(stream[at : at + size])
        ]
        assert [(reply.code, text_of(reply)) for reply in replies] == client.answers
        assert parser.close() is False
    # Greeting, EHLO, MAIL, the recipients, DATA, the message; MAIL, RSET; NOOP; QUIT.
    assert len(client.answers) == 3 + len(RECIPIENTS) + 6


def test_the_public_parser_speaks_to_a_server(aiosmtpd: int) -> None:
    parser = ReplyParser()
    with socket.create_connection((HOST, aiosmtpd), timeout=TIMEOUT) as server:
        server.sendall(b"EHLO client.example\r\nQUIT\r\n")
        replies: list[Reply] = []
        while octets := server.recv(4_096):
            replies += parser.feed(octets)
    assert [reply.code for reply in replies] == [220, 250, 221]
    assert parser.close() is False


# --- Postfix --------------------------------------------------------------------------------

# Nothing is delivered anywhere.
SETTINGS = """
myhostname = mx.local.test
mydestination = local.test
mynetworks =
local_transport = discard:
default_transport = discard:
relay_transport = discard:
message_size_limit = 10240000
smtpd_error_sleep_time = 0
smtpd_helo_required = yes
smtpd_reject_footer = Ask postmaster@local.test about it.
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{{
 {{unknown@local.test=550 5.1.1 No such user}},
 {{grey@local.test=450 4.7.1 Greylisted for 300 seconds}},
 {{gone@local.test=521 5.7.1 go away}} }}
"""
TLS_SETTINGS = """
smtpd_tls_cert_file = {root}/etc/cert.pem
smtpd_tls_key_file = {root}/etc/key.pem
smtpd_tls_security_level = may
"""


@pytest.fixture(scope="module")
def postfix(certificate: tuple[Path, Path] | None) -> Iterator[int]:
    """The port of a private Postfix."""
    settings = SETTINGS + (TLS_SETTINGS if certificate else "")
    with private_postfix(settings, files=certificate or ()) as (port, _):
        yield port


@pytest.fixture(params=[4_096, 3], ids="recv {}".format)
def postfix_session(
    request: pytest.FixtureRequest, core: ModuleType, postfix: int
) -> Iterator[Session]:
    """A session with Postfix that has read the greeting and said EHLO."""
    with Session(core, postfix, octets_at_once=request.param) as started:
        check_greeting(*started.read(1), "mx.local.test ESMTP Postfix")
        (ehlo,) = started.send("EHLO client.example")
        assert ehlo.lines[0].text == "mx.local.test"
        assert keywords(ehlo) >= {"PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES"}
        yield started


def test_postfix_pipelined_commands(postfix_session: Session) -> None:
    replies = postfix_session.send(
        "MAIL FROM:<a@client.example>",
        "RCPT TO:<ok@local.test>",
        "RCPT TO:<unknown@local.test>",
        "RCPT TO:<somebody@elsewhere.test>",
        "RCPT TO:<grey@local.test>",
        "RCPT TO:<ok2@local.test>",
        "DATA",
    )
    expected = ["250 2.1.0", "250 2.1.5", "550 5.1.1", "554 5.7.1", "450 4.7.1", "250 2.1.5"]
    assert codes(replies) == [*expected, "354"]
    _, _, unknown, relay, grey, _, data = replies
    # The footer makes a second line of each refusal, with the same two codes.
    for refused, words in ((unknown, "No such user"), (relay, "Relay access denied")):
        assert words in refused.lines[0].text
        assert refused.is_permanent
    for refused in (unknown, relay, grey):
        assert refused.lines[1:] == (
            refused.lines[0]._replace(is_last=True, text="Ask postmaster@local.test about it."),
        )
        assert not refused.has_mixed_codes
        assert not refused.has_mixed_enhanced_codes
        assert not refused.enhanced_class_mismatch
    assert grey.is_transient
    assert data.status is SmtpStatusCode.START_MAIL_INPUT
    queued, bye = postfix_session.send("Subject: x", "", "text", ".", "QUIT", replies=2)
    assert codes([queued, bye]) == ["250 2.0.0", "221 2.0.0"]
    assert queued.text.startswith("Ok: queued as ")
    postfix_session.finish()


def test_postfix_one_command_at_a_time(postfix_session: Session) -> None:
    for command, expected in (
        ("MAIL FROM:<a@client.example>", "250 2.1.0"),
        ("RCPT TO:<unknown@local.test>", "550 5.1.1"),
        ("DATA", "554 5.5.1"),
        ("RSET", "250 2.0.0"),
        ("NOOP", "250 2.0.0"),
        ("VRFY ok@local.test", "252 2.0.0"),
        ("VRFY unknown@local.test", "550 5.1.1"),
        ("RCPT TO:<ok@local.test>", "503 5.5.1"),
        ("MAIL FROM:<a@client.example> SIZE=99999999", "552 5.3.4"),
        ("MAIL FROM:<a@client.example> NONSENSE=1", "555 5.5.4"),
        ("MAIL", "501 5.5.4"),
        ("QUIT", "221 2.0.0"),
    ):
        assert codes(postfix_session.send(command)) == [expected], command
    postfix_session.finish()


def test_postfix_unknown_command(postfix_session: Session) -> None:
    (reply,) = postfix_session.send("NONSENSE")
    # 502 up to Postfix 3.8, 500 since.
    assert codes([reply]) in (["502 5.5.2"], ["500 5.5.2"])
    assert reply.is_permanent
    assert len(reply.lines) == 2
    postfix_session.send("QUIT")
    postfix_session.finish()


def test_postfix_closes_with_521(postfix_session: Session) -> None:
    replies = [
        *postfix_session.send("MAIL FROM:<a@client.example>"),
        *postfix_session.send("RCPT TO:<gone@local.test>"),
    ]
    assert codes(replies) == ["250 2.1.0", "521 5.7.1"]
    assert replies[1].status is SmtpStatusCode.HOST_DOES_NOT_ACCEPT_MAIL
    postfix_session.finish()


def test_postfix_without_ehlo(core: ModuleType, postfix: int) -> None:
    with Session(core, postfix) as session:
        check_greeting(*session.read(1), "mx.local.test")
        assert codes(session.send("MAIL FROM:<a@client.example>")) == ["503 5.5.1"]
        assert codes(session.send("HELO client.example", "QUIT")) == ["250", "221 2.0.0"]
        session.finish()


def test_postfix_starttls(
    core: ModuleType, postfix: int, certificate: tuple[Path, Path] | None
) -> None:
    with Session(core, postfix) as session:
        session.read(1)
        (plain,) = session.send("EHLO client.example")
        assert ("STARTTLS" in keywords(plain)) == (certificate is not None)
        (ready,) = session.send("STARTTLS")
        if certificate is None:
            assert ready.code in (454, 500, 502)
            return
        assert codes([ready]) == ["220"]  # a code that may be a greeting's has no enhanced one
        assert ready.text == "2.0.0 Ready to start TLS"
        session.start_tls()
        (encrypted,) = session.send("EHLO client.example")
        assert keywords(encrypted) == keywords(plain) - {"STARTTLS"}
        assert codes(session.send("QUIT")) == ["221 2.0.0"]


def test_postfix_answers_no_plaintext_behind_starttls(
    core: ModuleType, postfix: int, certificate: tuple[Path, Path] | None
) -> None:
    """CVE-2011-0411: what stands behind STARTTLS in the same segment must not be executed."""
    with Session(core, postfix) as session:
        session.read(1)
        session.send("EHLO client.example")
        (reply,) = session.send("STARTTLS", "NOOP", replies=1)
        if certificate is None or reply.code != 220:
            # No TLS, or a Postfix that takes this for an attack.
            assert reply.code in (454, 500, 502, 503, 554)
            return
        # start_tls() asks the parser whether there is anything behind the 220.
        session.start_tls()
        (ehlo,) = session.send("EHLO client.example")
        assert keywords(ehlo) >= {"PIPELINING"}, "the answer to EHLO, not to NOOP"
        assert codes(session.send("QUIT")) == ["221 2.0.0"]
        assert session.waiting == []
        assert session.parser.buffered == 0
