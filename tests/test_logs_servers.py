"""The logs of a real Postfix, a real Exim and a real OpenSMTPD, compared with what the server
really said to them.

Postfix and Exim tell all of it. OpenSMTPD glues the lines of a reply together, with the code and
the enhanced code of the first, and tells what was answered of none but a mail that is through.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from private_opensmtpd import private_opensmtpd
from private_postfix import HOST, TIMEOUT, private_postfix
from scripted_server import MAIL, SCRIPT, scripted_server, submit
from smtpfast import classify
from smtpfast.logs import Event, LogRecord, read_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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

OPENSMTPD = """
action "relay" relay host "smtp+notls://127.0.0.1:{port}"
match from any for any action "relay"
"""
PROCESSES: Final = {"postfix": "postfix/smtp", "exim": None, "opensmtpd": "smtpd"}


@pytest.fixture(scope="module")
def scripted() -> Iterator[int]:
    """The port of the server."""
    with scripted_server() as port:
        yield port


def finished(read: Callable[[], bytes], outcome: bytes) -> list[bytes]:
    """The lines of a log, as soon as each recipient has an outcome, or after a while."""
    deadline = time.monotonic() + TIMEOUT
    while len(re.findall(outcome, log := read())) < len(SCRIPT) and time.monotonic() < deadline:
        time.sleep(0.1)
    return log.split(b"\n")


@pytest.fixture(scope="module")
def postfix_log(scripted: int) -> list[bytes]:
    """The lines of the log of a Postfix through which a mail to each recipient has gone."""
    settings = SETTINGS.replace("{port}", str(scripted))
    with private_postfix(settings, SERVICES) as (port, root):
        for key in SCRIPT:
            submit(port, key)
        log = root / "maillog"
        return finished(
            lambda: log.read_bytes() if log.exists() else b"", rb"@mx\.test>.*, status="
        )


@pytest.fixture(scope="module")
def opensmtpd_log(scripted: int) -> list[bytes]:
    """The same of an OpenSMTPD, as its log goes to syslog."""
    with private_opensmtpd(OPENSMTPD.format(port=scripted)) as (port, lines):
        for key in SCRIPT:
            submit(port, key)
        return finished(lambda: b"\n".join(lines), rb" mta delivery .*@mx\.test> rcpt=")


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


@pytest.fixture(scope="module", params=PROCESSES)
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


def told(mta: str, said: tuple[str, ...]) -> tuple[int, str | None, str]:
    """Code, enhanced code and words of an answer, as far as this MTA logs them."""
    lines = [classify(line) for line in said]
    enhanced = [str(line.enhanced) for line in lines if line.enhanced]
    if mta == "opensmtpd":
        # The blank behind an enhanced code that is left out stays.
        behind = [f" {line.text}" if line.enhanced else line.text for line in lines[1:]]
        first = str(lines[0].enhanced) if lines[0].enhanced else None
        return lines[0].code, first, "".join([lines[0].text, *behind])
    last = enhanced[-1] if enhanced else None
    return lines[-1].code, last, "\n".join(line.text for line in lines)


@pytest.mark.parametrize("key", SCRIPT)
def test_what_the_server_said(key: str, records: dict[str, LogRecord]) -> None:
    record = records[key]
    stage, said = SCRIPT[key]
    assert (record.code, record.enhanced, record.text) == told(record.mta, said)
    assert record.code is not None
    # Success is told of the end of DATA alone, and not by this word.
    tells_stage = record.mta != "opensmtpd" or record.code < 300
    assert record.stage == (stage if tells_stage else None)
    assert record.status == {2: "sent", 4: "deferred", 5: "bounced"}[record.code // 100]
    assert record.process == PROCESSES[record.mta]
    assert record.sender == f"bob+{key}@client.test"
    assert record.recipient_domain == "mx.test"
    assert (record.relay_ip, record.queue_id is None) == (HOST, False)
    assert record.problem is None
    assert record.reason is not None
