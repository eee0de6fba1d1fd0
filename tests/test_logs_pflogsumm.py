"""The report's totals beside those of pflogsumm, which reads Postfix alone.

On its terms: it counts deliveries and bounces by recipient, deferred mail by queue id and deferrals
by line. What we count beyond that is told by a rule for each line, and each rule is proved: without
those lines both say the same, and with them pflogsumm says no more. Facts: pflogsumm 1.1.5.
"""

from __future__ import annotations

import os
import re
import shutil
import smtplib
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from private_postfix import HOST, TIMEOUT, free_port, private_postfix
from scripted_server import SCRIPT, scripted_server, submit
from smtpfast.logs import LogRecord, read_log
from smtpfast.outcomes import Outcome, outcome_of
from smtpfast.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "mail.log"
DOCS: Final = Path(__file__).parents[1] / "docs" / "logs.md"

# What pflogsumm counts and we do not, for no delivery came of it and nobody was refused.
BESIDE: Final = {
    "received": rb"/(?:smtpd\[[0-9]+\]: \w+: client=|pickup\[[0-9]+\]: \w+: uid=)",
    "reject warnings": rb": reject_warning: |/cleanup\[[0-9]+\]: \w+: warning: (?:header|body) ",
    "held": rb"/(?:smtpd|cleanup)\[[0-9]+\]: \w+: hold: ",
    "discarded": rb"/(?:smtpd|cleanup)\[[0-9]+\]: \w+: discard: ",
}
# Of the form in which Postfix writes them, with what a live server of ours does not come to.
MADE: Final = rb"""
Nov 24 10:00:01 mx postfix/smtp[1]: 4A0001: to=<a@mx.test>, relay=mx.test[192.0.2.1]:25, conn_use=2, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok)
Nov 24 10:00:02 mx postfix/smtp[1]: 4A0002: to=<b@mx.test>, relay=mx.test[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok, forwarded as 7)
Nov 24 10:00:03 mx postfix-out/smtp[1]: 4A0003: to=<c@mx.test>, relay=mx.test[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx.test[192.0.2.1] said: 550 5.1.1 no such user (in reply to RCPT TO command))
Nov 24 10:00:04 mx postfix/smtp[1]: 4A0004: to=<"d>e"@mx.test>, relay=mx.test[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=4.2.2, status=deferred (host mx.test[192.0.2.1] said: 452 4.2.2 full (in reply to RCPT TO command))
Nov 24 10:00:05 mx postfix/smtpd[2]: NOQUEUE: milter-reject: RCPT from client.test[192.0.2.9]: 451 4.7.1 later; from=<x@client.test> to=<a@mx.test> proto=ESMTP helo=<client.test>
Nov 24 10:00:06 mx postfix/cleanup[3]: 4A0005: milter-reject: END-OF-MESSAGE from client.test[192.0.2.9]: 5.7.1 spam; from=<x@client.test> to=<a@mx.test> proto=ESMTP helo=<client.test>
Nov 24 10:00:07 mx postfix/smtpd[2]: NOQUEUE: proxy-reject: END-OF-MESSAGE: 554 5.7.1 spam; from=<x@client.test> to=<a@mx.test> proto=ESMTP helo=<client.test>
Nov 24 10:00:08 mx postfix/smtpd[2]: NOQUEUE: reject: RCPT from client.test[192.0.2.9]: 554 5.7.1 <a@mx.test>: Relay access denied; from=<x@client.test> to=<a@mx.test> proto=ESMTP helo=<client.test>
Nov 24 10:00:09 mx postfix/submission/smtpd[2]: NOQUEUE: reject: RCPT from client.test[192.0.2.9]: 554 5.7.1 <a@mx.test>: Relay access denied; from=<x@client.test> to=<a@mx.test> proto=ESMTP helo=<client.test>
Nov 24 10:00:10 mx postfix/submissions/smtpd[2]: NOQUEUE: reject: RCPT from client.test[192.0.2.9]: 554 5.7.1 <a@mx.test>: Relay access denied; from=<x@client.test> to=<a@mx.test> proto=ESMTP helo=<client.test>
Nov 24 10:00:11 mx postfix/qmgr[4]: 4A0004: from=<x@client.test>, status=expired, returned to sender
Nov 24 10:00:12 mx postfix/qmgr[4]: 4A0006: from=<x@client.test>, status=force-expired, returned to sender
"""  # noqa: E501

SETTINGS: Final = """
myhostname = mx.local.test
mydestination = local.test
mynetworks = 127.0.0.0/8
alias_maps = inline:{{ fred=anna@mx.test }}
smtp_host_lookup = native
relayhost = [127.0.0.1]:{port}
smtp_tls_security_level = none
default_destination_recipient_limit = 1
smtp_destination_recipient_limit = 1
maximal_queue_lifetime = 0
bounce_queue_lifetime = 0
enable_long_queue_ids = yes
address_verify_map =
address_verify_poll_delay = 1
transport_maps = inline:{{ soft.test=soft:[127.0.0.1]:{port} own.test=own:[127.0.0.1]:{port} }}
smtpd_recipient_restrictions =
  warn_if_reject check_recipient_access inline:{{ warned@mx.test=REJECT }}
  check_recipient_access inline:{{ refused@mx.test=REJECT held@mx.test=HOLD dropped@mx.test=DISCARD
  asked@mx.test=reject_unverified_recipient }}
"""
SERVICES: Final = """
smtp      unix       - - n -     -  smtp
relay     unix       - - n -     -  smtp
soft      unix       - - n -     -  smtp -o soft_bounce=yes
own       unix       - - n -     -  smtp -o syslog_name=relay-out
local     unix       - n n -     -  local
verify    unix       - - n -     1  verify
"""


def otherwise(record: LogRecord) -> str | None:
    """Why pflogsumm does not count what we count, or counts it as something else."""
    process, status = record.process or "", record.status or ""
    program = re.fullmatch(r"postfix/(?:(?:smtps|submission)/)?([^/]+)", process)
    if not process.startswith("postfix/"):
        return "the name of another instance, which takes --syslog-name"
    if status == "SOFTBOUNCE":
        return "a word that it does not know"
    if status in ("expired", "force-expired"):
        return "what qmgr gives up stands on a line without a recipient"
    if record.event == "delivery" and ">" in (record.recipient or ""):
        return "a quoted address with a bracket"
    if status == "sent" and "forwarded as " in (record.text or ""):
        return "forwarded"
    if record.event == "reject":
        if not program:
            return "a service by another name than smtps or submission"
        if status != "reject" and program[1] != "cleanup":
            return "refused by a milter or proxy, before there is a queue file"
    return None


def pflogsumm(log: bytes) -> Counter[str]:
    """Its grand totals."""
    command = shutil.which("pflogsumm", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if command is None:
        if os.environ.get("SMTPFAST_REQUIRE_PFLOGSUMM") == "1":
            pytest.fail("SMTPFAST_REQUIRE_PFLOGSUMM=1: pflogsumm is not installed")
        pytest.skip("pflogsumm is not installed")
    done = subprocess.run(
        ["perl", command], input=log, capture_output=True, timeout=TIMEOUT, check=True
    )
    totals = done.stdout.partition(b"Grand Totals")[2].partition(b"bytes received")[0].decode()
    found = {name: int(number) for number, name in re.findall(r"(\d+)   ?([a-z ]*[a-z])", totals)}
    assert len(found) >= 9, totals
    deferrals = re.search(r"\((\d+)  deferrals\)", totals)
    return Counter({**found, "deferrals": int(deferrals[1]) if deferrals else 0})


def ours(log: bytes) -> Counter[str]:
    """What the report says of the same, on the terms of pflogsumm."""
    records = list(read_log(log.split(b"\n"), "mail.log", year=2026))
    report = Report()
    for record in records:
        report.add(record)
    totals = report.totals()
    assert totals.unclear == totals.not_understood == 0
    deferred = {each.queue_id for each in records if outcome_of(each) is Outcome.DEFERRED}
    return Counter(
        {
            "delivered": totals.delivered,
            "deferred": len(deferred),
            "deferrals": totals.deferred,
            "bounced": totals.bounced,
            "rejected": totals.rejected,
        }
    )


def check(log: bytes) -> Counter[str]:
    """Compare both; returns how often which difference came."""
    records = list(read_log(log.split(b"\n"), "mail.log", year=2026))
    lines = log.split(b"\n")
    reasons = {record.line: why for record in records if (why := otherwise(record))}
    rest = b"\n".join(line for at, line in enumerate(lines, 1) if at not in reasons)
    theirs, mine = pflogsumm(rest), ours(rest)
    assert {name: theirs[name] for name in mine} == mine
    assert theirs["forwarded"] == 0

    differences = Counter(reasons.values())
    assert pflogsumm(log) == theirs + Counter(forwarded=differences["forwarded"])

    told = {record.line for record in records}
    for name, pattern in BESIDE.items():
        found = {at for at, line in enumerate(lines, 1) if re.search(pattern, line)}
        assert theirs[name] == len(found), name
        assert not found & told, name
    return differences


def test_the_example() -> None:
    assert not check(EXAMPLE.read_bytes())


def test_the_table_of_the_docs() -> None:
    log = EXAMPLE.read_bytes()
    theirs, mine = pflogsumm(log), ours(log)
    rows = re.findall(r"^\| ([a-z]+) \| (\d+) \| (\d+) \|", DOCS.read_text("utf-8"), re.MULTILINE)
    assert {row[0]: (int(row[1]), int(row[2])) for row in rows} == {
        name: (theirs[name], mine[name]) for name in mine
    }


@pytest.mark.parametrize("name", ["maillog_file", "rsyslog-trad", "rsyslog-iso", "soft_bounce"])
def test_real_logs(name: str, corpus: Callable[[str], Path]) -> None:
    check(corpus(f"logs/postfix-3.7.11-{name}.log").read_bytes())


@pytest.mark.parametrize("name", ["rsyslog-rfc5424", "rsyslog-json"])
def test_what_pflogsumm_cannot_read(name: str, corpus: Callable[[str], Path]) -> None:
    log = corpus(f"logs/postfix-3.7.11-{name}.log").read_bytes()
    assert not any(pflogsumm(log).values())
    assert all(ours(log).values())


def test_each_difference() -> None:
    differences = check(MADE.removeprefix(b"\n"))
    assert differences == Counter(
        {
            "the name of another instance, which takes --syslog-name": 1,
            "what qmgr gives up stands on a line without a recipient": 2,
            "a quoted address with a bracket": 1,
            "forwarded": 1,
            "a service by another name than smtps or submission": 1,
            "refused by a milter or proxy, before there is a queue file": 2,
        }
    )


@pytest.fixture
def live_log() -> bytes:
    """The log of a Postfix of ours with all that comes of mail within some seconds."""
    submissions = free_port()
    service = f"{HOST}:{submissions} inet n - n - - smtpd -o syslog_name=postfix/submissions"
    with (
        scripted_server() as server,
        private_postfix(SETTINGS.replace("{port}", str(server)), SERVICES + service) as (
            port,
            root,
        ),
    ):
        for key in SCRIPT:
            submit(port, key)
        submit(port, "greylist", "anna@mx.test", "ben@mx.test")
        submit(port, "nobody", "anna@soft.test")
        submit(port, "nobody", "anna@own.test")
        for name in ("fred@local", "warned@mx", "held@mx", "asked@mx", "dropped@mx"):
            submit(port, "taken", f"{name}.test")
        for refusing in (port, submissions):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                submit(refusing, "taken", "refused@mx.test")
        deadline = time.monotonic() + TIMEOUT
        while unfinished(log := (root / "maillog").read_bytes()) != 1:  # it is held
            assert time.monotonic() < deadline, log.decode()
            time.sleep(0.1)
        return log


def unfinished(log: bytes) -> int | None:
    """How much mail is in the queue; None before the last client has been refused."""
    if not re.search(rb"/submissions/smtpd\[\d+\]: NOQUEUE: reject: ", log):
        return None
    taken = re.findall(rb"/cleanup\[\d+\]: (\w+): message-id=", log)
    return len({*taken} - {*re.findall(rb"/qmgr\[\d+\]: (\w+): removed", log)})


def test_a_live_log(live_log: bytes) -> None:
    assert set(check(live_log)) == {
        "the name of another instance, which takes --syslog-name",
        "a word that it does not know",
        "what qmgr gives up stands on a line without a recipient",
        "forwarded",
        "a service by another name than smtps or submission",
    }
    assert all(pflogsumm(live_log).values())
