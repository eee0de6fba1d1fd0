"""qmail's log: own samples of every shape and trap; the corpus has no log of qmail."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from smtpfast.logs import Entry, Event
from smtpfast.logs.envelope import Calendar, open_envelope
from smtpfast.logs.qmail import Qmail
from work import work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAID = "Remote_host_said:_"
IP = "192.0.2.25"
GIVING_UP = f"/Giving_up_on_{IP}./"
DISLIKED = f"{IP}_does_not_like_recipient./{SAID}"
TOO_OLD = "I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long./"
QUEUED = [
    "new msg 4711",
    "info msg 4711: bytes 812 from <from@example.org> qp 99 uid 64011",
]
STARTED = "starting delivery 7: msg 4711 to remote to@example.com"
STAMPS = ["", "1700000000.123456 ", "@4000000065551234075bca14 "]


def read(*lines: str, tag: str = "") -> list[Entry]:
    """All entries of these lines."""
    qmail = Qmail()
    return [entry for line in lines for entry in qmail.read(tag, line)]


def report(status: str, text: str) -> Entry:
    """The only entry of a report of a delivery that started before."""
    [entry] = read(*QUEUED, STARTED, f"delivery 7: {status}: {text}")
    assert (entry.event, entry.status) == (Event.DELIVERY, status)
    assert (entry.queue_id, entry.recipients) == ("4711", ("to@example.com",))
    return entry


@pytest.mark.parametrize("stamp", STAMPS)
@pytest.mark.parametrize("tag", ["", "qmail"])
def test_life_of_a_message(stamp: str, tag: str) -> None:
    lines = [
        *QUEUED,
        STARTED,
        "status: local 0/10 remote 1/20",
        f"delivery 7: success: {IP}_accepted_message./{SAID}250_2.0.0_Ok:_queued/",
        "status: local 0/10 remote 0/20",
        "end msg 4711",
    ]
    for line in lines:
        assert Qmail.knows(tag, stamp + line)
    assert read(*(stamp + line for line in lines), tag=tag) == [
        Entry(
            Event.DELIVERY,
            queue_id="4711",
            sender="from@example.org",
            recipients=("to@example.com",),
            relay_ip=IP,
            status="success",
            reply="250 2.0.0 Ok: queued",
            stage="EOD",
        )
    ]


def test_deliveries_are_told_apart() -> None:
    entries = read(
        *QUEUED,
        "info msg 4712: bytes 1 from <> qp 5 uid 0",
        "starting delivery 1: msg 4711 to remote a@example.com",
        "starting delivery 2: msg 4712 to remote b@example.com",
        "starting delivery 3: msg 4711 to local c@example.org",
        "delivery 3: success: did_1+0+0/",
        "delivery 1: deferral: Unable_to_read_message._(#4.3.0)/",
        "delivery 2: failure: CNAME_lookup_failed._(#5.4.3)/",
        "starting delivery 4: msg 4711 to remote a@example.com",
        "delivery 4: success: /",
    )
    assert [
        (entry.queue_id, entry.sender, *entry.recipients, entry.status) for entry in entries
    ] == [
        ("4711", "from@example.org", "c@example.org", "success"),
        ("4711", "from@example.org", "a@example.com", "deferral"),
        ("4712", "", "b@example.com", "failure"),
        ("4711", "from@example.org", "a@example.com", "success"),
    ]


def test_numbers_are_used_again() -> None:
    [entry] = read(*QUEUED, "end msg 4711", STARTED, "delivery 7: success: x/")
    assert (entry.sender, entry.queue_id) == (None, "4711")
    [entry] = read(*QUEUED, "new msg 4711", STARTED, "delivery 7: success: x/")
    assert entry.sender is None
    first, second = read(*QUEUED, STARTED, "delivery 7: success: x/", "delivery 7: success: x/")
    assert (first.recipients, second.recipients) == (("to@example.com",), ())
    assert (second.queue_id, second.sender, second.event) == (None, None, Event.DELIVERY)


def test_senders() -> None:
    for written in ("", "#@[]", "a_b@example.org", "qp>_<@example.org"):
        info = f"info msg 4711: bytes 8 from <{written}> qp 9 uid 1"
        assert read(info, STARTED, "delivery 7: success: x/")[0].sender == written
    cut = "info msg 4711: bytes 8 from <from@exam"
    assert read(cut, STARTED, "delivery 7: success: x/")[0].sender is None


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        ("Connected_to_{}_but_greeting_failed", "CONNECT"),
        ("Connected_to_{}_but_my_name_was_rejected", "EHLO"),
        ("Connected_to_{}_but_sender_was_rejected", "MAIL"),
        ("{}_does_not_like_recipient", "RCPT"),
        ("{}_failed_on_DATA_command", "DATA"),
        ("{}_failed_after_I_sent_the_message", "EOD"),
        ("{}_accepted_message", "EOD"),
        ("(to@example.com)_{}_accepted_message", "EOD"),
        ("STARTTLS_proto=TLSv1.2;_subject=/CN=192.0.2.9;_{}_accepted_message", "EOD"),
        (
            "No_password,_continuing_without_authentication./<to@example.com>_{}_accepted_message",
            "EOD",
        ),
    ],
)
@pytest.mark.parametrize("ip", ["192.0.2.25", "2001:db8::25", "[2001:db8::25]"])
def test_stages(words: str, stage: str, ip: str) -> None:
    entry = report("deferral", f"{words.format(ip)}./{SAID}451_4.7.1_x_(#5.1.1)/")
    assert (entry.stage, entry.relay_ip, entry.relay_host) == (stage, ip.strip("[]"), None)
    assert (entry.reply, entry.dsn, entry.text) == ("451 4.7.1 x (#5.1.1)", None, None)


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ("550_5.1.1_unknown", "550 5.1.1 unknown"),
        ("550", "550"),
        ("550_", "550 "),
        ("550_see_https://example.com/a/b/", "550 see https://example.com/a/b/"),
        ("550_a/550_b", "550 a/550 b"),
        ("550-one/550_two", "550-one\n550 two"),
        ("550-one/550-/550", "550-one\n550-\n550"),
        ("550-5.7.1_a/550-5.7.1_b/550_5.7.1_c", "550-5.7.1 a\n550-5.7.1 b\n550 5.7.1 c"),
        (
            "550-see_http://x.example/y/451_z/550_two/550_x",
            "550-see http://x.example/y/451 z\n550 two/550 x",
        ),
        ("450-differs/550_at_the_end", "450-differs\n550 at the end"),
        ("550-one/and_more", "550-one/and more"),
        ("550-one/550-cut_of", "550-one\n550-cut of"),
        ("550_Remote_host_said:_250_ok", "550 Remote host said: 250 ok"),
        (f"550_x/{SAID}250_ok", "550 x/Remote host said: 250 ok"),
        ("550_x/Giving_up_on_192.0.2.66./y", "550 x/Giving up on 192.0.2.66./y"),
        (f"550_x{GIVING_UP}y", f"550 x/Giving up on {IP}./y"),
        (f"550_{IP}_accepted_message./", f"550 {IP} accepted message./"),
        ("SSH-2.0-x", "SSH-2.0-x"),
    ],
)
def test_replies(said: str, reply: str) -> None:
    """The line ends that are qmail's, whatever the server says."""
    entry = report("failure", f"{DISLIKED}{said}{GIVING_UP}")
    assert (entry.reply, entry.stage, entry.relay_ip) == (reply, "RCPT", IP)
    entry = report("failure", f"{DISLIKED}{said}{GIVING_UP}{TOO_OLD}")
    assert entry.reply == reply
    entry = report("failure", f"{IP}_failed_on_DATA_command./{SAID}{said}/")
    assert (entry.reply, entry.stage, entry.relay_ip) == (reply, "DATA", IP)


def test_giving_up_is_qmails_only_behind_a_recipient() -> None:
    entry = report("failure", f"{IP}_failed_on_DATA_command./{SAID}550_x{GIVING_UP}")
    assert entry.reply == f"550 x/Giving up on {IP}."


def test_cut_lines() -> None:
    whole = f"{DISLIKED}550_5.1.1_unknown{GIVING_UP}"
    mark = whole.index("Giving_up_on_") + len("Giving_up_on_")
    for end in range(mark, len(whole) + 1):
        assert report("failure", whole[:end]).reply == "550 5.1.1 unknown"
    assert report("failure", whole[: mark - 17]).reply == "550 5.1.1 unkn"
    entry = report("failure", DISLIKED)
    assert (entry.reply, entry.stage) == (None, "RCPT")
    assert entry.text == f"{IP} does not like recipient.\nRemote host said: ".strip()


@pytest.mark.parametrize(
    ("written", "text", "dsn"),
    [
        ("Sorry,_I_couldn't_find_any_host_named_x.example._(#5.1.2)/", None, "5.1.2"),
        ("Sorry,_I_wasn't_able_to_establish_an_SMTP_connection._(#4.4.1)/", None, "4.4.1"),
        (
            "Sorry._Although_I'm_listed_as_a_best-preference_MX_or_A_for_that_host,/"
            "it_isn't_in_my_control/locals_file,_so_I_don't_treat_it_as_local._(#5.4.6)/",
            "Sorry. Although I'm listed as a best-preference MX or A for that host,\n"
            "it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)",
            "5.4.6",
        ),
        (
            f"CNAME_lookup_failed_temporarily._(#4.4.3)/{TOO_OLD}",
            "CNAME lookup failed temporarily. (#4.4.3)\n"
            "I'm not going to try again; this message has been in the queue too long.",
            "4.4.3",
        ),
        ("qmail-remote_crashed./", "qmail-remote crashed.", None),
        (
            "Unable_to_chdir_to_/home/x/Maildir/:_no/",
            "Unable to chdir to /home/x/Maildir/: no",
            None,
        ),
        ("(#6.1.1)_(#4.1.1000)_(5.1.1)/", "(#6.1.1) (#4.1.1000) (5.1.1)", None),
        ("(#4.2.1)_then_(#4.3.0)/", "(#4.2.1) then (#4.3.0)", "4.3.0"),
        ("", None, None),
        ("/", None, None),
    ],
)
def test_words_of_its_own(written: str, text: str | None, dsn: str | None) -> None:
    if text is None and written.strip("/"):
        text = written.rstrip("/").replace("_", " ")
    entry = report("failure", written)
    assert (entry.reply, entry.text, entry.dsn, entry.stage) == (None, text, dsn, None)


def test_connection_that_died() -> None:
    entry = report("deferral", f"Connected_to_{IP}_but_connection_died._(#4.4.2)/")
    assert (entry.relay_ip, entry.dsn, entry.stage) == (IP, "4.4.2", None)
    entry = report(
        "deferral", f"Connected_to_{IP}_but_connection_died._Possible_duplicate!_(#4.4.2)/"
    )
    assert (entry.relay_ip, entry.dsn, entry.stage) == (IP, "4.4.2", "EOD")


def test_local_deliveries() -> None:
    """What a user's program prints is no reply, whatever it looks like."""
    start = "starting delivery 8: msg 4711 to local user-to@example.com"
    for status, text, dsn in (
        ("success", "did_0+0+1/", None),
        ("failure", "Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/", "5.1.1"),
        ("failure", f"{DISLIKED}550_5.1.1_forged{GIVING_UP}", None),
    ):
        [entry] = read(*QUEUED, start, f"delivery 8: {status}: {text}")
        assert (entry.relay_host, entry.relay_ip, entry.stage) == ("local", None, None)
        assert (entry.status, entry.reply, entry.dsn) == (status, None, dsn)
        assert entry.recipients == ("user-to@example.com",)
        assert entry.text


def test_reports_that_are_not_understood() -> None:
    [entry] = read(*QUEUED, STARTED, "delivery 7: report mangled, will defer")
    assert (entry.event, entry.status) == (Event.DELIVERY, "deferral")
    assert (entry.recipients, entry.text) == (("to@example.com",), "report mangled, will defer")
    for line in ("delivery 7: fail", "delivery 7: ", "delivery x: success: y", "delivery 7"):
        assert read(line, tag="qmail") == [
            Entry(Event.OTHER, text=line, problem="no report of a delivery")
        ]
    # Without the space that some syslogs cut off.
    assert read("delivery 7: success:")[0].status == "success"


@pytest.mark.parametrize(
    "line",
    [
        "status: exiting",
        "status: local 1/10 remote 2/20 exitasap",
        "bounce msg 4711 qp 4712",
        "triple bounce: discarding bounce/4711",
    ],
)
def test_lines_of_no_interest(line: str) -> None:
    assert Qmail.knows("", line)
    assert read(line) == []


@pytest.mark.parametrize(
    ("tag", "line"),
    [
        ("", "delivery 7: fail"),
        ("", "delivery of 7: success: "),
        ("", "new msg 4711 from x"),
        ("", "info msg 4711"),
        ("", "status: ok"),
        ("", "1tAbCd-0001Ab-0C => a@example.com R=r T=t"),
        ("", "warning: something"),
        ("", "@4000000065551234075bca14 tcpserver: status: 1/40"),
        ("", ""),
        ("postfix/smtp", "delivery 7: success: x/"),
        ("smtpd", "new msg 4711"),
    ],
)
def test_lines_of_others(tag: str, line: str) -> None:
    assert not Qmail.knows(tag, line)


def test_tags() -> None:
    assert Qmail.knows("qmail", "whatever it says")
    assert Qmail.knows("qmail-send", "")
    assert not Qmail.knows("qmail-smtpd", "")


SAMPLES = [
    *QUEUED,
    STARTED,
    f"@4000000065551234075bca14 delivery 7: failure: {DISLIKED}550-a/550_b{GIVING_UP}{TOO_OLD}",
    f"1700000000.123456 delivery 7: deferral: Connected_to_{IP}_but_connection_died._(#4.4.2)/",
    f"delivery 7: success: [2001:db8::1]_accepted_message./{SAID}250_ok/",
    "end msg 4711",
]


def test_cut_anywhere_never_raises() -> None:
    qmail = Qmail()
    for line in SAMPLES:
        for end in range(len(line)):
            for part in (line[:end], line[end:]):
                Qmail.knows("", part)
                qmail.read("qmail", part)


def test_mutations_never_raise() -> None:
    chance = random.Random(7)
    alphabet = "/_:.-()#<> 09ad\x00\n\udcff\ud800é٣"
    qmail = Qmail()
    for line in SAMPLES * 300:
        letters = list(line)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(letters))
            letters[at : at + chance.randint(0, 3)] = chance.choices(
                alphabet, k=chance.randint(0, 3)
            )
        text = "".join(letters)
        Qmail.knows("", text)
        for entry in qmail.read("qmail", text):
            assert (entry.event is Event.OTHER) == bool(entry.problem)


@pytest.mark.parametrize(
    "start",
    [
        "",
        "1700000000.123456 ",
        "info msg 1: bytes 1 from <",
        "starting delivery 1: msg 1 to remote ",
        "delivery 1: ",
        "delivery 1: failure: ",
        f"delivery 1: failure: {SAID}",
        f"delivery 1: failure: {DISLIKED}550-",
        f"delivery 1: failure: {DISLIKED}550_",
    ],
)
def test_hostile_lines_are_linear(start: str) -> None:
    """Where one took the square of its length, this would take days."""

    def knows_and_reads() -> None:
        Qmail.knows("", line)
        Qmail().read("qmail", line)

    for filling in (
        *("a", "_", "/", "1", ":", "1:", "1.1.1.1_", "::_", "/550-", "/550_", "/451_", "(#5.1.1)"),
        *("/Giving_up_on_", f"/{SAID}", GIVING_UP, TOO_OLD, f"{IP}_accepted_message", "> qp "),
    ):
        line = start + filling * (1_000_000 // len(filling))
        assert work(knows_and_reads) < 10 * len(line)


def test_no_line_of_others_is_taken(corpus: Callable[[str], Path]) -> None:
    paths = list(corpus("logs").glob("*.log"))
    assert paths
    for path in paths:
        calendar = Calendar(None)
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for line in lines:
                envelope = open_envelope(line.rstrip("\n"), calendar)
                assert not Qmail.knows(envelope.tag, envelope.text)
                assert not Qmail.knows("", envelope.text)
