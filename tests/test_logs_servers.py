"""The logs of a real Postfix and a real Exim, compared with what the server really said to them."""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from private_postfix import HOST, TIMEOUT, private_postfix
from smtpfast import classify
from smtpfast.logs import Event, LogRecord, read_log

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the server says, by the local part of the recipient: the command that is answered so, and
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
SETTINGS = """
myhostname = mx.local.test
mydestination =
mynetworks = 127.0.0.0/8
smtp_host_lookup = native
relayhost = [127.0.0.1]:{port}
smtp_tls_security_level = none
smtp_destination_concurrency_limit = 1
smtp_destination_recipient_limit = 1
default_destination_recipient_limit = 1
"""
SERVICES = """
smtp      unix       - - n -     -  smtp
relay     unix       - - n -     -  smtp
"""

EXIM = """
exim_path = {exim}
spool_directory = {root}/spool
log_file_path = {root}/log/%slog
primary_hostname = mx.local.test
qualify_domain = local.test
never_users =
keep_environment =
tls_advertise_hosts =
disable_ipv6
local_interfaces = 127.0.0.1.1
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1::{port}
  transport = smtp
  self = send
begin transports
smtp:
  driver = smtp
  allow_localhost
  hosts_try_fastopen =
begin retry
* * F,2h,15m
"""


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


@pytest.fixture(scope="module")
def scripted() -> Iterator[int]:
    """The port of the server."""
    with Server((HOST, 0), Scripted) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(TIMEOUT)


def outcomes(log: Path) -> int:
    return len(re.findall(rb"@mx\.test>.*, status=", log.read_bytes())) if log.exists() else 0


@pytest.fixture(scope="module")
def postfix_log(scripted: int) -> list[bytes]:
    """The lines of the log of a Postfix through which a mail to each recipient has gone."""
    settings = SETTINGS.replace("{port}", str(scripted))
    with private_postfix(settings, SERVICES) as (port, root):
        for key in SCRIPT:
            with smtplib.SMTP(HOST, port, timeout=TIMEOUT) as client:
                client.sendmail(f"bob+{key}@client.test", [f"{key}@mx.test"], MAIL)
        deadline = time.monotonic() + TIMEOUT
        while outcomes(root / "maillog") < len(SCRIPT) and time.monotonic() < deadline:
            time.sleep(0.1)
        return (root / "maillog").read_bytes().split(b"\n")


@pytest.fixture(scope="module")
def exim_log(scripted: int) -> list[bytes]:
    """The same of an Exim, which needs no daemon."""
    exim = os.environ.get("SMTPFAST_EXIM") or shutil.which("exim4", path="/usr/sbin") or ""
    if not exim:
        pytest.skip("Exim is not installed; SMTPFAST_EXIM may say where it is")
    with tempfile.TemporaryDirectory(prefix="exim-", ignore_cleanup_errors=True) as directory:
        root = Path(directory)
        for path in (root, root / "spool", root / "log"):
            path.mkdir(exist_ok=True)
            path.chmod(0o755)
            if os.geteuid() == 0:
                shutil.chown(path, "Debian-exim")
        (root / "exim.conf").write_text(EXIM.format(exim=exim, root=root, port=scripted))
        for key in SCRIPT:
            mail = ("-f", f"bob+{key}@client.test", f"{key}@mx.test")
            subprocess.run(
                [exim, "-C", str(root / "exim.conf"), "-odf", "-oi", *mail],
                input=MAIL,
                capture_output=True,
                timeout=TIMEOUT,
                check=True,
            )
        return (root / "log" / "mainlog").read_bytes().split(b"\n")


@pytest.fixture(scope="module", params=["postfix", "exim"])
def records(request: pytest.FixtureRequest) -> dict[str, LogRecord]:
    """The outcome for each recipient."""
    log: list[bytes] = request.getfixturevalue(f"{request.param}_log")
    all_found = list(read_log(log, "maillog", year=2026))
    assert {record.mta for record in all_found} == {request.param}
    found = [
        record
        for record in all_found
        if record.recipient_domain == "mx.test" and record.event == "delivery"
    ]
    assert len(found) == len(SCRIPT)
    assert all(record.event is not Event.OTHER for record in all_found)
    return {str(record.recipient).partition("@")[0]: record for record in found}


@pytest.mark.parametrize("key", SCRIPT)
def test_what_the_server_said(key: str, records: dict[str, LogRecord]) -> None:
    record = records[key]
    stage, said = SCRIPT[key]
    lines = [classify(line) for line in said]
    enhanced = [str(line.enhanced) for line in lines if line.enhanced]
    assert record.code == lines[-1].code
    assert record.enhanced == (enhanced[-1] if enhanced else None)
    # Success is told of the end of DATA alone, and not by this word.
    assert record.stage == stage
    assert record.text == "\n".join(line.text for line in lines)
    assert record.status == {2: "sent", 4: "deferred", 5: "bounced"}[record.code // 100]
    assert record.process == ("postfix/smtp" if record.mta == "postfix" else None)
    assert record.sender == f"bob+{key}@client.test"
    assert record.recipient_domain == "mx.test"
    assert (record.relay_ip, record.queue_id is None) == (HOST, False)
    assert record.problem is None
    assert record.reason is not None
