"""A server on loopback that answers as it is told, to compare with what an MTA logs of it."""

from __future__ import annotations

import contextlib
import smtplib
import socketserver
import threading
from typing import TYPE_CHECKING, Final

from private_postfix import HOST, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the server says, by what stands behind + in the sender: the command that is answered so, and
# the lines of the answer.
SCRIPT: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "taken": ("EOD", ("250 2.0.0 Ok: queued as 7F00AA",)),
    "plain": ("EOD", ("250 message accepted (id=1), status=sent (250 not this)",)),
    "bare": ("EOD", ("250",)),
    "lines": ("EOD", ("250-2.0.0 the first line", "250 2.0.0 and the last")),
    "nobody": ("RCPT", ("550 5.1.1 <nobody@mx.test>: no such user here",)),
    "full": ("RCPT", ("452 4.2.2 mailbox full, try again in 2 hours",)),
    "no_enhanced": ("RCPT", ("550 unknown user",)),
    "long_detail": ("RCPT", ("550 5.7.509 Access denied, DMARC verification failed",)),
    "hash": ("RCPT", ("550 #5.1.0 Address rejected.",)),
    "many": (
        "RCPT",
        ("550-5.7.1 Our filter says no.", "550-5.7.1 See https://mx.test/a?b=c;d", "550 5.7.1 Bye"),
    ),
    "other_codes": ("RCPT", ("550-5.2.1 This account is off.", "554 5.7.1 Go away")),
    "liar": (
        "RCPT",
        ("550 5.7.1 host a[192.0.2.1] said: 250 ok (in reply to end of DATA command)",),
    ),
    "sender": ("MAIL", ("553 5.1.8 <bob@client.test>: Domain of sender does not exist",)),
    "data": ("DATA", ("554 5.5.1 Error: no valid recipients",)),
    "spam": ("EOD", ("554 5.7.1 Message content rejected, looks like spam",)),
    "greylist": ("RCPT", ("451 4.7.1 Greylisted, please try again in 300 seconds",)),
    "busy": ("EOD", ("421 4.3.2 Shutting down",)),
    "quotes": (
        "RCPT",
        ('550 5.1.1 "quoted", <b@c>, relay=x[1.2.3.4]:25, dsn=2.0.0, status=sent (no)',),
    ),
    "letters": ("RCPT", ("550 5.1.1 Benutzer unbekannt – nicht zustellbar ✗",)),
}
MAIL: Final = b"Subject: x\r\n\r\nx\r\n"


class Scripted(socketserver.StreamRequestHandler):
    """A server that answers as `SCRIPT` says."""

    timeout = TIMEOUT

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def handle(self) -> None:
        self.say("220 mx.test ESMTP")
        script: dict[str, tuple[str, ...]] = {}
        sender = ""
        for raw in self.rfile:
            command = raw.decode().strip()
            verb = command[:4].upper()
            if verb == "MAIL":
                sender = command
                key = sender.partition("+")[2].partition("@")[0]
                script = dict([SCRIPT[key]]) if key in SCRIPT else {}  # not of a bounce
                self.say(*script.get("MAIL", ("250 2.1.0 Ok",)))
            elif verb == "RCPT":
                self.say(*script.get("RCPT", ("250 2.1.5 Ok",)))
            elif verb == "DATA" and "DATA" not in script:
                self.say("354 go on")
                while self.rfile.readline().rstrip() != b".":
                    pass
                self.say(*script.get("EOD", ("250 2.0.0 Ok",)))
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say(*script.get(verb, ("250 2.0.0 Ok",)))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextlib.contextmanager
def scripted_server() -> Iterator[int]:
    """The port of a server, which is stopped in the end."""
    with Server((HOST, 0), Scripted) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(TIMEOUT)


def submit(port: int, key: str, *recipients: str) -> None:
    """Send a mail that the server answers by `key`."""
    with smtplib.SMTP(HOST, port, timeout=TIMEOUT) as client:
        client.sendmail(f"bob+{key}@client.test", recipients or [f"{key}@mx.test"], MAIL)
