"""KumoMTA's log: own records of every type and shape; there is no corpus of real ones."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from smtpfast import classify
from smtpfast.logs import Entry, Event
from smtpfast.logs.kumomta import KumoMta
from work import work

TIME = 1_790_000_000
RECORD: dict[str, Any] = {
    "type": "Delivery",
    "id": "0123456789abcdef0123456789abcdef",
    "sender": "from@example.org",
    "recipient": "to@example.com",
    "queue": "news:acme@example.com",
    "site": "source1->(mx1|mx2).example.com",
    "size": 1234,
    "response": {
        "code": 250,
        "enhanced_code": {"class": 2, "subject": 0, "detail": 0},
        "content": "Ok, thanks",
        "command": ".",
    },
    "peer_address": {"name": "mx1.example.com.", "addr": "192.0.2.25"},
    "timestamp": TIME,
    "event_time": "2026-09-21T14:13:20.250000999Z",
    "created": TIME - 2,
    "created_time": "2026-09-21T14:13:18.000000000Z",
    "num_attempts": 0,
    "bounce_classification": "Uncategorized",
    "meta": {},
    "headers": {},
}
INTERNAL = "KumoMTA internal: no sources for example.com are eligible"


def logged(**changes: Any) -> str:
    """A record with other values; None leaves a value out."""
    record = {key: value for key, value in {**RECORD, **changes}.items() if value is not None}
    return json.dumps(record, separators=(",", ":"))


def replied(
    code: object, content: object, enhanced: str | None = None, command: object = "."
) -> dict[str, object]:
    """A response; `enhanced` as text."""
    parts = enhanced and dict(
        zip(("class", "subject", "detail"), map(int, enhanced.split(".")), strict=True)
    )
    return {"code": code, "enhanced_code": parts, "content": content, "command": command}


def read(line: str) -> list[Entry]:
    return KumoMta().read("", line)


def test_delivery() -> None:
    assert read(logged()) == [
        Entry(
            Event.DELIVERY,
            queue_id="0123456789abcdef0123456789abcdef",
            sender="from@example.org",
            recipients=("to@example.com",),
            relay_host="mx1.example.com",
            relay_ip="192.0.2.25",
            delay=2.25,
            status="Delivery",
            reply="250 2.0.0 Ok, thanks",
            stage="EOD",
            dsn="2.0.0",
            time=TIME * 1_000_000 + 250_000,
        )
    ]


@pytest.mark.parametrize("type_", ["Delivery", "TransientFailure", "Bounce"])
def test_outcomes(type_: str) -> None:
    [entry] = read(logged(type=type_, response=replied(450, "wait", command="RCPT TO:<a@b>")))
    assert (entry.event, entry.status) == (Event.DELIVERY, type_)
    assert (entry.reply, entry.stage, entry.dsn) == ("450 wait", "RCPT", None)


@pytest.mark.parametrize(
    ("type_", "content"),
    [
        ("Expiration", "Next delivery time 5d > 4d"),
        ("AdminBounce", "no longer wanted"),
        ("TransientFailure", INTERNAL),
        ("Bounce", INTERNAL),
    ],
)
def test_own_words_are_no_reply(type_: str, content: str) -> None:
    """No server said them: the enhanced code is what KumoMTA claims."""
    [entry] = read(
        logged(type=type_, response=replied(551, content, "5.4.7", None), peer_address=None)
    )
    assert (entry.event, entry.status) == (Event.DELIVERY, type_)
    assert (entry.reply, entry.text, entry.dsn) == (None, content, "5.4.7")
    assert (entry.stage, entry.relay_host, entry.relay_ip) == (None, None, None)


def test_rejection() -> None:
    line = logged(
        type="Rejection",
        recipient="",
        response=replied(550, "relaying denied", "5.7.1", "RCPT TO:<to@example.com>"),
        peer_address={"name": "client.example.net", "addr": "198.51.100.7"},
    )
    assert read(line) == [
        Entry(
            Event.REJECT,
            queue_id=RECORD["id"],
            sender="from@example.org",
            relay_host="client.example.net",
            relay_ip="198.51.100.7",
            reply="550 5.7.1 relaying denied",
            stage="RCPT",
            dsn="5.7.1",
            time=TIME * 1_000_000 + 250_000,
        )
    ]


@pytest.mark.parametrize(
    "type_",
    [
        *("Reception", "OOB", "Feedback", "AdminRebind", "DeferredInjectionRebind", "Delayed"),
        *("XferOut", "XferIn"),
    ],
)
def test_other_types(type_: str) -> None:
    line = logged(type=type_)
    assert KumoMta.knows("", line)
    assert read(line) == []


@pytest.mark.parametrize(
    ("code", "enhanced", "content", "reply"),
    [
        (550, "5.7.1", "blocked", "550 5.7.1 blocked"),
        (550, None, "blocked", "550 blocked"),
        (550, "5.7.1", "5.7.1 blocked", "550 5.7.1 blocked"),
        (550, None, "5.7.1 blocked", "550 5.7.1 blocked"),
        (550, "5.7.1", "550 5.7.1 blocked", "550 5.7.1 blocked"),
        (550, None, "550 5.7.1 blocked", "550 5.7.1 blocked"),
        (451, "4.4.4", "451 try later", "451 4.4.4 try later"),
        (550, "5.7.1", "5.7.10 blocked", "550 5.7.1 5.7.10 blocked"),
        (550, "5.7.1", "5.7.1: blocked", "550 5.7.1 5.7.1: blocked"),
        (550, "5.7.1", "550-5.7.1 first 550 5.7.1 last", "550-5.7.1 first 550 5.7.1 last"),
        (550, None, "5501 blocked", "550 5501 blocked"),
        (550, "5.7.1", "", "550 5.7.1"),
        (250, None, "", "250"),
        (250, None, "250", "250"),
        (250, "2.0.0", "250", "250 2.0.0"),
        (250, "2.0.0", "2.0.0", "250 2.0.0"),
        (550, None, "one\r\ntwo\nthree\rfour", "550 one two three four"),
        (550, None, 'said: "250 ok" (in reply to end of DATA)', None),
        (550, None, "status=sent (250 2.0.0 ok)", None),
        (550, None, "好 \udcff", None),
    ],
)
def test_reply_is_put_together_again(
    code: int, enhanced: str | None, content: str, reply: str | None
) -> None:
    [entry] = read(logged(type="Bounce", response=replied(code, content, enhanced)))
    assert entry.reply == (reply or f"{code} {content}")
    assert entry.dsn == enhanced
    assert classify(entry.reply).code == code


@pytest.mark.parametrize("code", [None, 0, 99, 1000, -550, "550", 550.0, True, [550]])
def test_no_code_is_no_reply(code: object) -> None:
    [entry] = read(logged(type="Bounce", response=replied(code, "gone")))
    assert (entry.reply, entry.text) == (None, "gone")


@pytest.mark.parametrize("response", [None, "gone", [], {}, {"content": None}, {"content": [1]}])
def test_no_response(response: object) -> None:
    [entry] = read(logged(type="Bounce", response=response))
    assert (entry.event, entry.reply, entry.text, entry.dsn) == (Event.DELIVERY, None, None, None)


@pytest.mark.parametrize(
    "enhanced",
    [5, "5.1.1", {}, {"class": 5}, {"class": 5, "subject": 1, "detail": "1"}]
    + [{"class": 5, "subject": 1, "detail": value} for value in (-1, 1000, 1.5, None, True)],
)
def test_odd_enhanced_codes(enhanced: object) -> None:
    response = {"code": 550, "enhanced_code": enhanced, "content": "no"}
    [entry] = read(logged(type="Bounce", response=response))
    assert (entry.reply, entry.dsn) == ("550 no", None)


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        (".", "EOD"),
        (".\r\n", "EOD"),
        ("MAIL FROM:<a@b>", "MAIL"),
        ("RCPT TO:<a@b>\r\n", "RCPT"),
        ("rcpt to:<a@b>", "RCPT"),
        ("DATA", "DATA"),
        ("EHLO mx.example.org", "EHLO"),
        ("LHLO mx.example.org", "LHLO"),
        ("STARTTLS", "STARTTLS"),
        ("AUTH PLAIN", "AUTH"),
        ("DATABASE", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_stages(command: object, stage: str | None) -> None:
    [entry] = read(logged(type="Bounce", response=replied(550, "no", command=command)))
    assert entry.stage == stage


@pytest.mark.parametrize(
    ("peer", "host", "ip", "port"),
    [
        ({"name": "mx.example.com.", "addr": "192.0.2.1"}, "mx.example.com", "192.0.2.1", None),
        ({"name": "mx.example.com", "addr": "192.0.2.1:2525"}, "mx.example.com", "192.0.2.1", 2525),
        ({"name": "mx.example.com.", "addr": "2001:db8::1"}, "mx.example.com", "2001:db8::1", None),
        ({"name": "a.", "addr": "[2001:db8::1]:25"}, "a", "2001:db8::1", 25),
        ({"name": "/run/l.sock", "addr": "/run/l.sock"}, None, "/run/l.sock", None),
        ({"name": "", "addr": "mx.example.com:25"}, "mx.example.com", None, 25),
        ({"name": 7, "addr": 8}, None, None, None),
        ({}, None, None, None),
        ("192.0.2.1", None, None, None),
        (None, None, None, None),
    ],
)
def test_peers(peer: object, host: str | None, ip: str | None, port: int | None) -> None:
    [entry] = read(logged(peer_address=peer))
    assert (entry.relay_host, entry.relay_ip, entry.relay_port) == (host, ip, port)


def test_several_recipients() -> None:
    [entry] = read(logged(recipient=["a@example.com", "b@example.com", 7, ""]))
    assert entry.recipients == ("a@example.com", "b@example.com")


@pytest.mark.parametrize("recipient", [None, "", [], [None], {}, 7])
def test_no_recipient_is_told(recipient: object) -> None:
    line = logged(recipient=recipient)
    time = TIME * 1_000_000 + 250_000
    assert read(line) == [Entry(Event.OTHER, text=line, problem="no recipient", time=time)]


def test_null_sender() -> None:
    assert read(logged(sender=""))[0].sender == ""
    assert read(logged(sender=None))[0].sender is None


@pytest.mark.parametrize(
    ("changes", "time", "delay"),
    [
        ({}, TIME * 1_000_000 + 250_000, 2.25),
        ({"event_time": None}, TIME * 1_000_000, 2.0),
        ({"event_time": "no time"}, TIME * 1_000_000, 2.0),
        ({"event_time": "2026-09-21T14:13:20"}, TIME * 1_000_000, 2.0),
        ({"created_time": None}, TIME * 1_000_000 + 250_000, 2.0),
        ({"event_time": "1970-01-01T01:00:00.000001+01:00"}, 1, None),
        ({"event_time": None, "timestamp": TIME + 0.5}, TIME * 1_000_000 + 500_000, 2.5),
        ({"event_time": None, "timestamp": "soon"}, None, None),
        ({"event_time": None, "timestamp": True}, None, None),
        ({"event_time": None, "timestamp": -1}, None, None),
        ({"event_time": None, "timestamp": 10**12}, None, None),
        ({"event_time": None, "timestamp": float("nan")}, None, None),
        ({"event_time": None, "timestamp": float("inf")}, None, None),
        ({"event_time": None, "timestamp": None}, None, None),
        ({"event_time": "9" * 10_000, "timestamp": None}, None, None),
    ],
)
def test_times(changes: dict[str, object], time: int | None, delay: float | None) -> None:
    line = logged(**changes)
    [entry] = read(line)
    assert entry.time == time
    assert entry.delay == delay


@pytest.mark.parametrize("line", ["", "{", "[]", "null", "7", "no JSON", "[" * 9_000])
def test_other_lines(line: str) -> None:
    assert read(line) == []


def test_order_and_spaces_do_not_matter() -> None:
    line = json.dumps(dict(reversed(RECORD.items())), indent=None, separators=(", ", " : "))
    assert KumoMta.knows("", line)
    assert read(line) == read(logged())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        '{"type":"Delivery"}',
        '{"type":"bounce","recipient":"a@example.com"}',
        '{"type":"Unknown","recipient":"a@example.com","queue":"x"}',
        '{"notificationType":"Delivery","mail":{"destination":["a@example.com"]}}',
        '{"level":"NOTICE","uuid":"-","origin":"outbound","message":"recipient"}',
        '{"MESSAGE":"to=<a@example.com>","SYSLOG_IDENTIFIER":"postfix/smtp"}',
        "ABCDEF0123: to=<a@example.com>, relay=none, status=sent (250 ok)",
    ],
)
def test_lines_of_others(line: str) -> None:
    assert not KumoMta.knows("", line)
    assert read(line) == []


def test_other_tags() -> None:
    assert not KumoMta.knows("postfix/smtp", logged())
    assert KumoMta().read("postfix/smtp", logged()) == []


def test_type_of_another_object() -> None:
    line = json.dumps({"recipient": "a@example.com", "inner": {"type": "Bounce"}})
    assert KumoMta.knows("", line)
    assert read(line) == []


def test_broken_json_is_told() -> None:
    line = logged()[:-1]
    assert read(line) == [Entry(Event.OTHER, text=line, problem="not JSON")]
    assert read(logged(type="Reception")[:-1]) == []


SAMPLES = [
    logged(),
    logged(type="Bounce", recipient=["a@b", "c@d"], response=replied(550, 'no "x" \\ é', "5.1.1")),
    logged(type="Expiration", response=replied(551, INTERNAL, "5.4.7", None)),
    logged(type="Rejection", peer_address={"name": "x.", "addr": "[::1]:25"}),
]


@pytest.mark.parametrize("line", SAMPLES)
def test_cut_anywhere_never_raises(line: str) -> None:
    for end in range(len(line)):
        for part in (line[:end], line[end:], line[:end] + line[end + 1 :]):
            for entry in KumoMta().read("", part):
                assert entry.event is not Event.OTHER or entry.problem


def test_mutations_never_raise() -> None:
    """Other values in all places, of all types of JSON."""
    chance = random.Random(7)
    odd: list[Any] = [
        None,
        True,
        -1,
        2**70,
        1e308,
        float("nan"),
        "",
        "x",
        "\udcff",
        [],
        {},
        [{}],
        {"a": [1]},
    ]
    places = [*RECORD, *RECORD["response"], *RECORD["peer_address"]]
    for _ in range(3_000):
        record = json.loads(chance.choice(SAMPLES))
        for name in chance.sample(places, 2):
            inner = chance.choice([record, record.get("response"), record.get("peer_address")])
            if isinstance(inner, dict):
                inner[name] = chance.choice(odd)
        line = json.dumps(record)
        for entry in KumoMta().read("", line):
            assert entry.event is not Event.OTHER or entry.problem


@pytest.mark.parametrize(
    "line",
    [
        '{"type":"Delivery","recipient":' + "[" * 1_000_000,
        '{"type":"Delivery","recipient":"' + "\\" * 1_000_000,
        '{"recipient":"","type"' + '"type" ' * 150_000,
        '{"recipient":"","type"' + " " * 1_000_000,
        '{"type":"Delivery","recipient":' + "9" * 1_000_000 + "}",
        logged(response=replied(250, "250-" * 250_000)),
        logged(response=replied(250, "\r\n" * 500_000)),
        logged(peer_address={"name": "." * 1_000_000, "addr": ":" * 1_000_000 + "x"}),
        logged(peer_address={"name": "x", "addr": "[" * 1_000_000}),
        logged(recipient=["a"] * 250_000),
    ],
    ids=lambda line: line[:60],
)
def test_hostile_lines_are_linear(line: str) -> None:
    kumomta = KumoMta()
    assert work(lambda: kumomta.read("", line)) < 10 * len(line)
