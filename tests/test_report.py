"""`smtpfast report`: every number against a plain recount, whatever the log holds."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import random
import re
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from records_made import record, report_of
from smtpfast import Disposition, Reason
from smtpfast.cli import main
from smtpfast.cli.page_text import page_lines, page_width
from smtpfast.cli.report_page import page_parts
from smtpfast.logs import Event, LogRecord, read_log
from smtpfast.outcomes import Outcome, outcome_of
from smtpfast.report import Report, shape_of
from smtpfast.report.delays import DELAY_ERROR, Delays
from smtpfast.report.providers import provider_of
from smtpfast.report.shapes import urls_of
from smtpfast.report.tally import DAY, HOUR, LONGEST_NAME, LONGEST_SHAPE

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE = Path(__file__).parents[1] / "examples" / "mail.log"
LOGS = (
    *("exim-4.96-default.log", "exim-4.96-logall-tz.log", "exim-4.96-rejectlog.log"),
    *("haraka-3.3.4-default.log", "opensmtpd-6.8.0p2-rsyslog-iso.log"),
    *("postfix-3.7.11-rsyslog-rfc5424.log", "postfix-3.7.11-rsyslog-trad.log"),
    *("postfix-3.7.11-soft_bounce.log", "sendmail-8.17.1.9-rsyslog-trad.log"),
)
# Written out here, for the recount not to lean on what it checks.
DELIVERED = {"sent", "success", "relayed", "delivered", "delivery", "expanded"}
DEFERRED = {"deferred", "deferral", "delayed", "transientfailure", "softbounce"}
BOUNCED = {"bounced", "failure", "failed", "bounce", "adminbounce", "expiration", "expired"}


def refusal(number: int, **values: object) -> LogRecord:
    """One of many that differ in everything that may be named."""
    letters = "".join(chr(97 + int(digit)) for digit in str(number))
    return record(
        **{
            "time": number * HOUR,
            "status": "bounced",
            "recipient_domain": f"{letters}.example",
            "relay_host": f"mx.{letters}.example",
            "provider": letters,
            "blocklist": f"bl.{letters}.example",
            "code": 550,
            "reason": Reason.BLOCKLISTED,
            "text": f"no {letters}, see http://x.example/{letters}",
            "line": number + 1,
            **values,
        }
    )


@cache
def records_of(path: Path) -> list[LogRecord]:
    with path.open("rb") as file:
        return list(read_log(file, str(path), year=2026))


def plain_outcome(each: LogRecord) -> str | None:
    if each.event != "delivery":
        return None
    status = (each.status or "").lower()
    for name, words in (("delivered", DELIVERED), ("deferred", DEFERRED), ("bounced", BOUNCED)):
        if status in words:
            return name
    raise AssertionError(f"the recount does not know {status}")


def page(report: Report, top: int = 9, width: int = 80) -> list[str]:
    return list(page_lines(page_parts(report, 0, top, width), width))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["report", *map(str, arguments)])
    return (status, *capsys.readouterr())


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    status, output, _ = run(capsys, *arguments, "--format", "json")
    assert status == 0
    found: dict[str, Any] = json.loads(output)
    return found


# --- The numbers ----------------------------------------------------------------------------


def check(records: list[LogRecord]) -> None:
    """Every number of the report, recounted."""
    report = report_of(records)
    outcomes = [(each, plain_outcome(each)) for each in records]
    totals = report.totals()
    for outcome in Outcome:
        assert getattr(totals, outcome) == sum(found == outcome for _, found in outcomes)
    events = [each.event for each in records]
    assert (totals.rejected, totals.attempts, totals.connections, totals.not_understood) == (
        *(events.count(kind) for kind in (Event.REJECT, Event.ATTEMPT, Event.CONNECTION)),
        events.count(Event.OTHER),
    )
    assert totals.unclear == 0
    assert report.records == len(records)

    failed = [each for each, found in outcomes if found in ("deferred", "bounced")]
    for kind, wanted in (
        (report.failed, failed),
        (report.rejected, [each for each in records if each.event == "reject"]),
        (
            report.attempted,
            [
                each
                for each in records
                if each.event in ("attempt", "connection") and each.reason != "accepted"
            ],
        ),
    ):
        counts = Counter(each.reason or Reason.UNKNOWN for each in wanted)
        assert {row.reason: row.count for row in kind.reasons()} == counts
        assert sum(row.share for row in kind.reasons()) == pytest.approx(1 if wanted else 0)
        assert all(row.advice == row.reason.advice for row in kind.reasons())
        ordered = [row.count for row in kind.reasons()]
        assert ordered == sorted(ordered, reverse=True)
        shapes = Counter(
            (each.reason or Reason.UNKNOWN, each.code, each.enhanced, shape_of(each.text or ""))
            for each in wanted
            if len(shape_of(each.text or "")) <= LONGEST_SHAPE and len(each.text or "") < 4096
        )
        found = {(row.reason, row.code, row.enhanced, row.shape): row for row in kind.replies()}
        assert {key: found[key].count for key in shapes} == shapes
        assert sum(row.count for row in kind.replies()) == len(wanted) == kind.count
        for reason in counts:
            assert sum(row.count for row in kind.replies(reason)) == counts[reason]
        lists = Counter(each.blocklist for each in wanted if each.blocklist)
        assert {row.name: row.count for row in kind.blocklists.rows()} == lists
        urls = Counter(url for each in wanted for url in set(urls_of((each.text or "")[:4096])))
        assert {row.name: row.count for row in kind.urls.rows()} == urls

    for parties, name_of in (
        (report.domains, lambda each: each.recipient_domain),
        (report.relays, lambda each: each.relay_host or each.relay_ip),
        (report.providers, lambda each: each.provider or provider_of(each.relay_host)),
    ):
        by_name = {row.name: row for row in parties.rows()}
        assert set(by_name) == {name_of(each) for each, found in outcomes if found}
        for name, row in by_name.items():
            ours = [(each, found) for each, found in outcomes if found and name_of(each) == name]
            numbers = [sum(found == outcome for _, found in ours) for outcome in Outcome]
            assert [row.delivered, row.deferred, row.bounced] == numbers
            assert row.share == pytest.approx((numbers[1] + numbers[2]) / len(ours))
            reasons = Counter(
                each.reason or Reason.UNKNOWN for each, found in ours if found != "delivered"
            )
            assert reasons[row.reason] == max(reasons.values()) if row.reason else not reasons

    times = [each.time for each in records if each.time is not None]
    assert (report.first, report.last) == (min(times, default=None), max(times, default=None))
    assert report.step == (DAY if times and max(times) - min(times) > 2 * DAY else HOUR)
    rows = report.timeline()
    for at, kind_name in enumerate(("delivered", "deferred", "bounced", "reject")):
        buckets = Counter(
            each.time // report.step * report.step
            for each, found in outcomes
            if each.time is not None and (found or each.event) == kind_name
        )
        numbers = [(row.delivered, row.deferred, row.bounced, row.rejected)[at] for row in rows]
        assert Counter(dict(zip((row.time for row in rows), numbers, strict=True))) == buckets

    for outcome in Outcome:
        delays = sorted(
            each.delay for each, found in outcomes if found == outcome and each.delay is not None
        )
        row = report.delay_rows().get(outcome)
        assert (row is None) == (not delays)
        if row is not None:
            assert (row.count, row.longest) == (len(delays), max(delays))
            for percent, value in ((50, row.p50), (90, row.p90), (99, row.p99)):
                exact = delays[math.ceil(len(delays) * percent / 100) - 1]
                assert value == pytest.approx(exact, rel=DELAY_ERROR * 1.001)


@pytest.mark.parametrize("name", LOGS)
def test_the_numbers_of_real_logs(name: str, corpus: Callable[[str], Path]) -> None:
    check(records_of(corpus(f"logs/{name}")))


def test_the_numbers_of_all_real_logs_together(corpus: Callable[[str], Path]) -> None:
    check([each for name in LOGS for each in records_of(corpus(f"logs/{name}"))])


def test_the_numbers_of_the_example() -> None:
    records = records_of(EXAMPLE)
    assert len(records) > 20
    check(records)


def test_the_numbers_of_made_records() -> None:
    chance = random.Random(4)
    reasons = [*Reason, None]
    check(
        [
            record(
                time=chance.choice((None, chance.randrange(9 * DAY))),
                event=chance.choice(list(Event)),
                status=chance.choice(sorted(DELIVERED | DEFERRED | BOUNCED)).upper(),
                recipient_domain=chance.choice((None, "a.example", "b.example")),
                relay_host=chance.choice((None, "mx.a.example", "x.mail.protection.outlook.com")),
                relay_ip=chance.choice((None, "192.0.2.7")),
                provider=chance.choice((None, None, "Google")),
                delay=chance.choice((None, 0.0, chance.expovariate(0.01))),
                code=chance.choice((None, 450, 550)),
                enhanced=chance.choice((None, "5.1.1")),
                reason=chance.choice(reasons),
                blocklist=chance.choice((None, "zen.spamhaus.org")),
                text=chance.choice((None, "no", f"no <{chance.random()}@b>", "see http://x/y?z")),
            )
            for _ in range(3000)
        ]
    )


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"status": "sent"}, "delivered"),
        ({"status": "Delivery"}, "delivered"),
        ({"status": "SOFTBOUNCE", "code": 550}, "deferred"),
        ({"status": "TransientFailure"}, "deferred"),
        ({"status": "deferred", "code": 554}, "deferred"),
        ({"status": "bounced", "code": 450}, "bounced"),
        ({"status": "Expiration"}, "bounced"),
        ({"status": "force-expired"}, "bounced"),
        ({"disposition": Disposition.DELIVERED, "code": 250}, "delivered"),
        ({"dsn": "4.4.1"}, "deferred"),
        ({"code": 550}, "bounced"),
        ({"status": "discarded"}, None),
        ({"status": "deliverable", "event": Event.ATTEMPT, "dsn": "2.1.5"}, None),
        ({"status": "reject", "event": Event.REJECT, "code": 550}, None),
    ],
)
def test_what_a_delivery_came_to(values: dict[str, object], outcome: str | None) -> None:
    assert outcome_of(record(**values)) == outcome


def test_a_delivery_of_unclear_outcome_is_counted() -> None:
    report = report_of([record(status="discarded"), record(status="sent")])
    assert (report.totals().unclear, report.totals().delivered, report.records) == (1, 1, 2)
    assert any(line.split()[:2] == ["unclear", "1"] for line in page(report))


def test_probes_are_no_outcomes() -> None:
    probe = record(event=Event.ATTEMPT, status="undeliverable", reason=Reason.BAD_MAILBOX)
    report = report_of([probe])
    assert report.totals().attempts == report.attempted.count == 1
    assert not report.failed.count
    assert not report.domains.rows()


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("aspmx.l.google.com", "Google"),
        ("ALT1.ASPMX.L.GOOGLE.COM.", "Google"),
        ("a-b.mail.protection.outlook.com", "Microsoft"),
        ("mta5.am0.yahoodns.net", "Yahoo"),
        ("mx01.mail.icloud.com", "Apple"),
        ("eu-smtp-inbound-1.mimecast.com", "Mimecast"),
        ("za-smtp.mimecast.co.za", "Mimecast"),
        ("mxa-1.gslb.pphosted.com", "Proofpoint"),
        ("d1.ess.barracudanetworks.com", "Barracuda"),
        ("mx1.hc1-2.eu.iphmx.com", "Cisco"),
        ("mxs.mail.ru", "Mail.ru"),
        ("mx.yandex.ru", "Yandex"),
        ("mx3.qq.com", "QQ"),
        ("mx00.emig.gmx.net", "GMX"),
        ("mx-ha.web.de", "WEB.DE"),
        ("mx00.kundenserver.de", "IONOS"),
        ("mx00.t-online.de", "T-Online"),
        ("notgoogle.com", None),
        ("google.com.example", None),
        ("", None),
        (None, None),
    ],
)
def test_the_provider_of_a_host(host: str | None, provider: str | None) -> None:
    assert provider_of(host) == provider


def test_the_provider_that_the_reply_shows_comes_first() -> None:
    hosts = {"relay_host": "aspmx.l.google.com", "status": "bounced"}
    report = report_of([record(**hosts), record(**hosts, provider="Mimecast")])
    assert sorted(row.name or "" for row in report.providers.rows()) == ["Google", "Mimecast"]


def test_percentiles_are_as_right_as_they_say() -> None:
    chance = random.Random(9)
    values = [0.0] * 50 + [chance.lognormvariate(2, 4) for _ in range(5000)]
    delays = Delays()
    for value in (*values, math.nan, math.inf):
        delays.add(value)
    values.sort()
    assert delays.count == len(values)
    for percent in range(1, 101):
        exact = values[math.ceil(len(values) * percent / 100) - 1]
        assert delays.percentile(percent) == pytest.approx(exact, rel=DELAY_ERROR * 1.001)
    assert delays.longest == values[-1]
    for value in (-5.0, 1e300, 5e-324):
        delays.add(value)
    assert delays.percentile(1) == 0


def test_the_timeline_goes_by_days_beyond_two() -> None:
    start = 20_000 * DAY
    for span, step in ((2 * DAY, HOUR), (2 * DAY + 1, DAY)):
        report = report_of([record(status="sent", time=start + at) for at in (0, span // 2, span)])
        assert report.step == step
        assert [row.time for row in report.timeline()] == [
            (start + at) // step * step for at in (0, span // 2, span)
        ]


def test_times_of_no_year_are_none() -> None:
    report = report_of([record(status="sent", time=at) for at in (2**70, -(2**70), 5)])
    assert (report.first, report.last) == (5, 5)
    edges = (-62_135_596_800_000_000, 253_402_300_799_999_999)  # datetime's
    assert report_of([record(status="sent", time=at) for at in edges]).last == edges[1]
    assert report_of([record(status="sent", time=at + 1) for at in edges]).last == edges[0] + 1
    page(report_of([record(status="sent", time=at) for at in edges]))


# --- Shapes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("<ann@example.org>: User unknown", "<addr>: User unknown"),
        ("ann@example.org: User unknown", "<addr>: User unknown"),
        ('"a b"@example.org no', "<addr> no"),
        ("<ann>: not here", "<quoted>: not here"),
        ("from=<> proto=SMTP", "from=<> proto=SMTP"),
        ("said: no: again: 5", "said: no: again: <n>"),
        ("host mx1.example.org[192.0.2.7]:25 said no", "host <host>[<ip>]:<n> said no"),
        ("[IPv6:2001:db8::1] fe80::1%eth0 ::1 10.0.0.0/8", "[<ip>] <ip> <ip> <ip>"),
        ("blocked using zen.spamhaus.org", "blocked using zen.spamhaus.org"),
        ("blocked using key.zen.dq.spamhaus.net", None),
        ("listed in rbl.example.net.", "listed in rbl.example.net."),
        ("queued as 4F1B2C3D4E5", "queued as <id>"),
        ("OK id=1tHxYz-0000ab-2D", "OK id=<id>"),
        ("w10-20020a170902d68a00b001c3e2b1a3ffsi123456plg.12 - gsmtp", "<id> - gsmtp"),
        ("deadbeefdeadbeefdeadbeef and decade", "<id> and decade"),
        (
            "(S3150) TSS04 OU-001 AUP#1310 IPv4 TLSv1.2",
            "(S3150) TSS04 OU-001 AUP#1310 IPv4 TLSv1.2",
        ),
        ("AS(201806281)", "AS(<n>)"),
        ("5.1.1 550-5.7.1 (#5.2.2)", "5.1.1 550-5.7.1 (#5.2.2)"),
        ("in 300 seconds, 5min, 30% of 1,234,567", "in <n> seconds, <n>min, <n>% of <n>"),
        ("at 12:30:45 or 2026-11-24T12:44:34.123Z or 2026-11-24", "at <time> or <time> or <time>"),
        ("on Mon, 3 Nov 2026 14:52:45 +0100 it was", "on <time> it was"),
        ("Mon Nov  3 14:52:45 2026", "<time>"),
        ("May 5 times, 3 Decades", "<time> times, <n> Decades"),
        ("user 'foo' and `bar' don't, can't", "user '<quoted>' and `<quoted>' don't, can't"),
        (
            "see http://x.example/a?b=c#d, or HTTP://Y.example.",
            "see http://x.example/a, or http://y.example.",
        ),
        ("https://www.spamhaus.org/query/ip/192.0.2.7", "https://www.spamhaus.org/query/ip/<ip>"),
        (
            "https://support.google.com/mail/answer/81126",
            "https://support.google.com/mail/answer/81126",
        ),
        ("http://x.example/u/ann@b/4f1b2c3d4e5/123456789", "http://x.example/u/<addr>/<id>/<n>"),
        ("http://postgrey.example/help/b.example.html", "http://postgrey.example/help/<host>.html"),
        ('"see http://x.example/a?b"', '"see http://x.example/a"'),
        ("user.Please see e.g. this", "user.Please see e.g. this"),
        ("two\nlines \t and   gaps ", "two lines and gaps"),
        ("Benutzer unbekannt – 不存在 ✗", "Benutzer unbekannt – 不存在 ✗"),
        ("\udcff\udcfe raw", "\udcff\udcfe raw"),
        ("", ""),
    ],
)
def test_the_shape_of_a_reply(text: str, shape: str | None) -> None:
    assert shape is None or shape_of(text) == shape
    assert shape_of(shape_of(text)) == shape_of(text)


@pytest.mark.parametrize(
    "texts",
    [
        ("<a@b.example>: no such user 1", "<cd@e.example>: no such user 27"),
        ("[192.0.2.7] is listed, id 4F1B2C3D4E5", "[2001:db8::7] is listed, id 9A8B7C6D5E4F"),
        ("try later: mx1.a.example at 10:00", "try later: relay.b.c.example at 23:59:59"),
        ("No http://a.example/x?u=1&v=2", "No http://a.example/x?u=ann@b.example"),
    ],
)
def test_replies_that_say_the_same_fall_together(texts: tuple[str, str]) -> None:
    assert shape_of(texts[0]) == shape_of(texts[1])


def test_what_stands_behind_a_colon_counts() -> None:
    assert shape_of("<a@b>: Rejected: unknown") != shape_of("<a@b>: Rejected: full")


MEGABYTE = 1_000_000
HOSTILE = ("x", "1", "<", "@", "<@", "a@", '"a', " 'a", "`'", "a=", ":", "a:", "1.1.", "a.", "1-")
HOSTILE += ("a1-", "http://a1/", "www.", "%40/", "1,111", "1 Jan ", " ", "\n", "\u00e9", "\udcff")


@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_a_megabyte_takes_time_by_its_length(piece: str) -> None:
    text = piece * (MEGABYTE // len(piece))
    start = time.perf_counter()
    shape_of(text)
    urls_of(text)
    assert time.perf_counter() - start < 30, "a quadratic one takes hours"


# --- Bounds ---------------------------------------------------------------------------------


def test_no_more_names_are_kept_than_may_be() -> None:
    report = report_of(map(refusal, range(100)), most=10)
    failed = report.failed
    for kept, others in (
        (failed.replies(), failed.other_replies),
        (failed.blocklists.rows(), failed.blocklists.others),
        (failed.urls.rows(), failed.urls.others),
        (report.domains.rows(), report.domains.others),
        (report.providers.rows(), report.providers.others),
        (report.relays.rows(), report.relays.others),
    ):
        assert (len(kept), others) == (10, 90)
    assert report.totals().bounced == failed.count == 100
    assert [row.count for row in failed.reasons()] == [100]
    assert "\n".join(page(report, 5)).count("behind the first 10,000") >= 6


def test_no_more_days_are_kept_than_may_be() -> None:
    report = report_of([record(status="sent", time=day * DAY) for day in range(100)], most=10)
    assert (len(report.timeline()), report.other_times) == (10, 90)
    assert report.last == 99 * DAY


def test_no_more_problems_are_kept_than_may_be() -> None:
    problems = [record(event=Event.OTHER, problem=f"problem {n}") for n in range(100)]
    report = report_of(problems, most=10)
    assert (len(report.problems()), report.other_problems) == (10, 90)
    assert report.totals().not_understood == 100


def test_long_names_and_replies_are_cut() -> None:
    long = "y" * MEGABYTE
    values = dict.fromkeys(("recipient_domain", "relay_host", "provider", "blocklist"), long)
    each = record(**values, status="bounced", text=f"http://x/{long} {long}")
    report = report_of([each, each._replace(event=Event.OTHER, problem=long)])
    [reply], [problem] = report.failed.replies(), report.problems()
    assert max(map(len, (reply.shape, reply.text, problem.text))) <= LONGEST_SHAPE
    names = [row.name for row in (*report.failed.urls.rows(), *report.failed.blocklists.rows())]
    names += [row.name or "" for row in (*report.domains.rows(), *report.relays.rows())]
    assert {len(name) for name in (*names, problem.problem)} == {LONGEST_NAME}


# --- The command ----------------------------------------------------------------------------


def test_the_example_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    status, output, errors = run(capsys, EXAMPLE)
    lines = output.splitlines()
    totals = report_of(records_of(EXAMPLE)).totals()
    assert (status, errors) == (0, "")
    assert max(map(len, lines)) <= 80
    assert output.isascii()
    rows = dict(re.findall(r"^  ([a-z_]+) +([0-9]+)", output, re.MULTILINE))
    for name in ("delivered", "deferred", "bounced"):
        assert f"  {name:14} {getattr(totals, name):11,}" in output
    for row in report_of(records_of(EXAMPLE)).failed.reasons()[:10]:
        assert rows[row.reason] == str(row.count)
        assert row.advice in re.sub(r"\s+", " ", output)
    for title in ("Totals", "Why mail failed", "Who refuses, by recipient domain", "Timeline"):
        assert title in output


def test_all_formats_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    whole = as_json(capsys, EXAMPLE)
    lines = [json.loads(row) for row in run(capsys, EXAMPLE, "--format", "ndjson")[1].splitlines()]
    for section, rows in whole.items():
        wanted = rows if isinstance(rows, list) else [rows]
        found = [row for row in lines if row["section"] == section]
        assert [{"section": section, **row} for row in wanted] == found
    table = list(csv.DictReader(io.StringIO(run(capsys, EXAMPLE, "--format", "csv")[1])))
    replies = whole["replies"]
    assert len(table) == len(replies)
    for row, reply in zip(table, replies, strict=True):
        assert (row["kind"], row["reason"], row["count"], row["shape"]) == (
            *(reply["kind"], reply["reason"], str(reply["count"]), reply["shape"]),
        )
        assert row["advice"] == Reason(reply["reason"]).advice
    shares = sum(float(row["share"]) for row in table if row["kind"] == "failed")
    assert shares == pytest.approx(1, abs=1e-3)


def test_parquet_says_what_csv_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "replies"
    assert run(capsys, EXAMPLE, "--format", "parquet", "-o", path) == (0, "", "")
    table = parquet.read_table(path)
    rows = list(csv.DictReader(io.StringIO(run(capsys, EXAMPLE, "--format", "csv")[1])))
    assert [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in table.to_pylist()
    ] == rows
    assert [str(table.schema.field(name).type) for name in ("count", "share", "code")] == [
        *("int64", "double", "int16"),
    ]


def test_the_report_counts_what_records_tells(capsys: pytest.CaptureFixture[str]) -> None:
    whole = as_json(capsys, EXAMPLE)
    assert main(["records", str(EXAMPLE)]) == 0
    output, errors = capsys.readouterr()
    rows = [json.loads(line) for line in output.splitlines()]
    assert errors.startswith(f"{whole['log']['lines']:,} lines: ")
    assert whole["log"]["records"] == len(rows)
    times = [row["time"] for row in rows]
    assert (whole["log"]["first"], whole["log"]["last"]) == (min(times), max(times))


def test_the_filters_choose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def count(*arguments: object) -> int:
        return int(as_json(capsys, EXAMPLE, "--year", 2026, *arguments)["log"]["records"])

    records = records_of(EXAMPLE)
    domains = Counter(each.recipient_domain for each in records)
    domain = max(name for name in domains if name)
    assert count("--domain", domain.upper()) == domains[domain] > 0
    above = domain.rpartition(".")[2]
    assert count("--domain", above) == sum(
        (each.recipient_domain or "").endswith(f".{above}") for each in records
    )
    assert count("--domain", domain[1:]) == domains[domain[1:]]
    relay = next(each.relay_ip for each in records if each.relay_ip)
    assert count("--relay", relay) == sum(
        relay in (each.relay_ip, each.relay_host) for each in records
    )
    reasons = Counter(each.reason for each in records)
    first, second = [reason for reason in reasons if reason and reason != "accepted"][:2]
    assert count("--reason", first) == reasons[first]
    assert count("--reason", first, "--reason", second) == reasons[first] + reasons[second]
    for status in ("sent", "BOUNCED", "delivered"):
        wanted = sum(
            status.lower() in ((each.status or "").lower(), plain_outcome(each)) for each in records
        )
        assert count("--status", status) == wanted > 0
    for event in Event:
        assert count("--event", event) == sum(each.event == event for each in records)
    assert count("--status", "sent", "--reason", first) == 0


DAYS = "".join(
    f"2026-11-{day:02}T{hour:02}:00:00+01:00 mx postfix/smtp[1]: A{day:02}{hour:02}:"
    " to=<a@b.example>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred"
    " (connection timed out)\n"
    for day in (3, 4, 5)
    for hour in (0, 1, 12)
)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ((), 9),
        (("--since", "2026-11-04"), 5),  # in UTC it begins at 01:00
        (("--until", "2026-11-04"), 7),
        (("--since", "2026-11-04", "--until", "2026-11-04"), 3),
        (("--since", "2026-11-04T00:00:00+01:00"), 6),
        (("--since", "2026-11-04T11:00"), 4),
        (("--since", "2026-11-04T11:00:00.000001Z"), 3),
        (("--until", "2026-11-04T11:00"), 6),
        (("--until", "2026-11-04T10:59:59"), 5),
        (("--since", "2027-01-01"), 0),
    ],
)
def test_times_choose(
    options: tuple[str, ...], count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    log.write_text(DAYS, encoding="utf-8")
    found = as_json(capsys, log, *options)
    assert (found["log"]["records"], found["log"]["records_passed_over"]) == (count, 9 - count)
    assert {row["step"] for row in found["timeline"]} <= {"hour", "day"}


def test_a_record_without_a_time_is_in_no_span(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    log.write_text("postfix/smtp[1]: A1: to=<a@b.c>, relay=none, dsn=4.4.1, status=deferred (x)\n")
    whole = as_json(capsys, log)
    assert as_json(capsys, log, "--since", "1970-01-01")["log"]["records"] == 0
    assert whole["log"]["first"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--since", "yesterday"), "neither a date nor a time of ISO 8601: yesterday"),
        (("--until", "2026-13-01"), "neither a date nor a time"),
        (("--event", "bounce"), "no event is called bounce"),
        (("--top", "0"), "--top needs a number from 1"),
    ],
)
def test_wrong_usage_is_said(
    options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, output, errors = run(capsys, EXAMPLE, *options)
    assert (status, output) == (2, "")
    assert message in errors


def test_an_unknown_reason_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(capsys, EXAMPLE, "--reason", "weather")
    assert stopped.value.code == 2


@pytest.mark.parametrize("form", ["text", "json", "csv", "ndjson"])
def test_nothing_found_is_said(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "empty"
    log.write_bytes(b"")
    status, output, errors = run(capsys, log, "--format", form)
    assert status == 0
    assert "Nothing found: 0 lines, no records." in (output if form == "text" else errors)
    status, output, errors = run(capsys, EXAMPLE, "--domain", "nobody.example", "--format", form)
    assert status == 0
    said = f"Nothing found: the options choose none of {len(records_of(EXAMPLE))} records."
    assert said in (output if form == "text" else errors)


def test_a_bad_file_is_an_error_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad"
    bad.write_bytes(b"MZ" + bytes(500))
    status, output, errors = run(capsys, bad, tmp_path / "missing", EXAMPLE)
    assert status == 1
    assert f"{len(records_of(EXAMPLE))} records" in output
    for name in (bad, tmp_path / "missing"):
        assert f"smtpfast report: {name}: " in errors


HOSTILE_LINE = (
    "Nov  3 14:52:45 mx1 postfix/smtp[71]: 4F1B2C3D4E5: to=<ann@=cmd|x\x1b]0;y\x07>,"
    " relay=@mx\x1b[2J.example[192.0.2.7]:25, delay=1.5, delays=0.1/0/1/0.4, dsn=5.1.1,"
    " status=bounced (host @mx[192.0.2.7] said: 550 =cmd|' /C calc'!A0 \x1b[31m\x9b\u202e\udcff"
    " http://x.example/\x1b[1m (in reply to RCPT TO command))\n"
)


@pytest.mark.parametrize("form", ["text", "json", "csv", "ndjson"])
def test_what_a_server_says_is_no_formula_and_no_command(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    log.write_text(HOSTILE_LINE * 2, encoding="utf-8", errors="surrogateescape")
    status, output, _ = run(capsys, log, "--format", form)
    assert status == 0
    assert all(line.isprintable() for line in output.split("\n"))
    if form == "csv":
        [row] = csv.DictReader(io.StringIO(output))
        assert row["count"] == "2"
        assert row["text"].startswith("'=cmd|' /C calc'!A0 \\x1b[31m\\x9b")
        assert not any((value or " ")[0] in "=+-@" for value in row.values())
    assert "calc" in output or form == "text"


def test_a_megabyte_of_a_reply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    line = HOSTILE_LINE.replace("http://x", "x1 " * 330_000)
    log.write_text(line, encoding="utf-8", errors="surrogateescape")
    status, output, _ = run(capsys, log)
    assert status == 0
    assert len(output) < 5000
    assert max(map(len, output.splitlines())) <= 80


def test_what_is_not_understood_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    log.write_text(
        "Nov  3 14:52:45 mx1 postfix/smtp[71]: 4F1B2C3D4E5: to=<a@b.c>, relay=x[1.2.3.4\n"
    )
    status, output, _ = run(capsys, log)
    assert status == 0
    assert "Not understood" in output
    assert f"firstin{log}:1" in re.sub(r"\s+", "", output)  # wherever the path is broken
    [problem] = as_json(capsys, log)["problems"]
    assert (problem["mta"], problem["count"], problem["line"]) == ("postfix", 1, 1)


def test_the_report_goes_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report"
    for form in ("text", "json", "csv", "ndjson"):
        assert run(capsys, EXAMPLE, "--format", form, "-o", path) == (0, "", "")
        assert path.read_text(encoding="utf-8") == run(capsys, EXAMPLE, "--format", form)[1]


def test_no_log_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    log.write_text(DAYS, encoding="utf-8")
    (tmp_path / "link").symlink_to(log)
    for name in (log, tmp_path / "link"):
        status, _, errors = run(capsys, EXAMPLE, log, "-o", name)
        assert (status, errors) == (1, f"smtpfast report: {name}: is one of the logs\n")
    assert log.read_text(encoding="utf-8") == DAYS
    status, _, errors = run(capsys, log, "-o", tmp_path / "no" / "report")
    assert status == 1
    assert "No such file" in errors


def test_top_is_how_many_rows_a_table_has(capsys: pytest.CaptureFixture[str]) -> None:
    advised = run(capsys, EXAMPLE, "--top", 2)[1].count("    -> ")
    assert advised == 2
    everything = run(capsys, EXAMPLE, "--top", 1000)[1].count("    -> ")
    assert everything == len(report_of(records_of(EXAMPLE)).failed.reasons())


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, width in ((20, 60), (72, 72), (120, 120), (500, 160)):
        monkeypatch.setattr(
            "shutil.get_terminal_size", lambda _, columns=columns: os.terminal_size((columns, 24))
        )
        assert page_width(is_terminal=True) == width
        assert page_width(is_terminal=False) == 80
        assert max(map(len, page(report_of(records_of(EXAMPLE)), 10, width))) <= width


# --- In a terminal --------------------------------------------------------------------------


def pretend_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def words_of(output: str) -> list[str]:
    """What a page says, without colours, bars and rules."""
    return re.sub(r"\x1b\[[0-9;]*m|[#\u2500\u2588-\u258f]", " ", output).split()


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_a_terminal_shows_what_a_file_gets(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = run(capsys, EXAMPLE, "--top", 5)[1]
    assert "\x1b[32mdelivered" in shown
    assert "\u2588" in shown
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert max(map(len, lines)) == columns
    report = report_of(records_of(EXAMPLE))
    report.lines = len(EXAMPLE.read_bytes().splitlines())
    assert words_of(shown) == words_of("\n".join(page(report, 5, columns)))


def test_colours_may_be_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_a_terminal(monkeypatch)
    coloured = run(capsys, EXAMPLE)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    plain = run(capsys, EXAMPLE)[1]
    assert words_of(plain) == words_of(coloured)
    assert set(re.findall(r"\x1b\[([0-9;]*)m", plain)) == {"0", "1", "2"}  # bold and dim are none
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in run(capsys, EXAMPLE)[1]


def test_without_rich_a_terminal_gets_plain_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setitem(sys.modules, "smtpfast.cli.page_rich", None)
    in_terminal = run(capsys, EXAMPLE)[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert in_terminal == run(capsys, EXAMPLE)[1]


def test_what_a_server_says_commands_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_a_terminal(monkeypatch)
    log = tmp_path / "log"
    said = HOSTILE_LINE.replace("http://x", "[red]:smile:[/red] [link=http://y]z[/link] http://x")
    log.write_text(said + said[:90] + "\n", encoding="utf-8", errors="surrogateescape")
    output = re.sub(r"\x1b\[[0-9;]+m", "", run(capsys, log)[1])
    assert all(line.isprintable() for line in output.split("\n"))
    assert "[red]:smile:[/red] [link=http://y" in re.sub(r"\s+", " ", output)


def test_a_terminal_of_ascii_gets_bars_of_ascii() -> None:
    pytest.importorskip("rich")
    from smtpfast.cli.page_rich import print_page

    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_page(page_parts(report_of(records_of(EXAMPLE)), 0, 9, 80), 80, out)
    assert "####" in cast("io.BytesIO", out.buffer).getvalue().decode("ascii")


def test_a_long_reading_tells_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    log = tmp_path / "log"
    log.write_text(DAYS * 200, encoding="utf-8")
    monkeypatch.setattr("smtpfast.blocks.BLOCK_BYTES", 1 << 16)
    monkeypatch.setenv("TERM", "xterm")
    for is_terminal, seconds in ((True, 0.0), (False, 0.0), (True, 1e9)):
        monkeypatch.setattr("sys.stderr.isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr("smtpfast.cli.progress.FIRST_SECONDS", seconds)
        status, _, errors = run(capsys, log, EXAMPLE)
        assert status == 0
        size = log.stat().st_size + EXAMPLE.stat().st_size
        done = f"{size / 1000:.1f}/{size / 1000:.1f} kB"
        assert (done in errors) == bool(errors) == (is_terminal and not seconds)


def test_without_rich_there_is_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("smtpfast.cli.progress.FIRST_SECONDS", 0.0)
    assert run(capsys, EXAMPLE)[::2] == (0, "")
