"""What the lines of qmail-send say, whether multilog or splogger has written them.

netqmail 1.06 and notqmail (github.com/notqmail/notqmail): qmail-log.5; qmail-send.c and qsutil.c
(logsafe), qmail-remote.c (quit, outsmtptext), qmail-rspawn.c, qmail-lspawn.c, qmail-local.c.
"""

from __future__ import annotations

import re
from typing import Final

from ..joins import Joins
from ..log_record import Event
from .record import Entry

# What multilog and splogger put in front; it stays there where syslog adds a stamp of its own.
_STAMP: Final = re.compile(r"(?:@[0-9a-f]{24}|[0-9]{9,11}\.[0-9]{6}) ")
_LINE: Final = re.compile(
    r"new (?P<new>msg [0-9]{1,20})$"
    r"|info (?P<info>msg [0-9]{1,20}): bytes [0-9]{1,20} from <"
    r"|starting (?P<starting>delivery [0-9]{1,20}): "
    r"(?P<what>msg [0-9]{1,20} to (?:local|remote) \S.*)"
    r"|(?P<delivery>delivery [0-9]{1,20}): "
    r"(?:(?P<status>success|deferral|failure):(?: |$)|(?P<mangled>report mangled, will defer$))"
    r"|end (?P<end>msg [0-9]{1,20})$",
    re.DOTALL,
)
_OTHERS: Final = re.compile(
    r"status: (?:local [0-9]|exiting$)|bounce msg [0-9]{1,20} qp |triple bounce: discarding "
)

# qmail-send.c, del_dochan(): a deferral of a message that is too old becomes a failure.
_TOO_OLD: Final = "I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long."
_SAID: Final = "Remote_host_said:_"
_GIVING_UP: Final = "/Giving_up_on_"
# qmail-remote.c: what was spoken to, and what its reply answers; patches put words in front.
_REMOTE: Final = re.compile(
    r"(?:^|_|/)\[?(?P<ip>[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})\]?_"
    r"(?P<what>does_not_like_recipient|accepted_message|failed_on_DATA_command"
    r"|failed_after_I_sent_the_message|but_(?:greeting_failed|my_name_was_rejected"
    r"|sender_was_rejected|connection_died))\."
)
_STAGES: Final = {
    "but_greeting_failed": "CONNECT",
    "but_my_name_was_rejected": "EHLO",
    "but_sender_was_rejected": "MAIL",
    "does_not_like_recipient": "RCPT",
    "failed_on_DATA_command": "DATA",
    "failed_after_I_sent_the_message": "EOD",
    "accepted_message": "EOD",
}
# A line of a reply that others follow, and where a line may begin.
_GOES_ON: Final = re.compile(r"[0-9]{3}-")
_NEXT_LINE: Final = re.compile(r"/(?=(?P<code>[2-5][0-9]{2})(?P<mark>[-_]|/?$))")
_DSN: Final = re.compile(r"\(#(?P<code>[245]\.[0-9]{1,3}\.[0-9]{1,3})\)")


class Qmail:
    """netqmail 1.06 and notqmail 1.9, after their source.

    qmail logs a space, a control character and all that is not ASCII as `_`, and a line end as `/`:
    what was a `_` of the server's own comes out as a space.
    """

    name: Final = "qmail"

    def __init__(self, noted: Joins[str] | None = None) -> None:
        # The sender of "msg 12"; of "delivery 7" what its start has told: "msg 12 to remote …".
        self._noted = Joins[str]() if noted is None else noted

    @staticmethod
    def knows(tag: str, text: str) -> bool:
        """Whether it is a line of qmail-send: by its tag, or as multilog has it without one."""
        if tag:
            return tag in ("qmail", "qmail-send")
        stamp = _STAMP.match(text)
        start = stamp.end() if stamp else 0
        return (_LINE.match(text, start) or _OTHERS.match(text, start)) is not None

    def read(self, tag: str, text: str) -> list[Entry]:
        """What the line says."""
        stamp = _STAMP.match(text)
        rest = text[stamp.end() :] if stamp else text
        line = _LINE.match(rest)
        if line is None:
            if rest.startswith("delivery "):
                return [Entry(Event.OTHER, text=text, problem="no report of a delivery")]
            return []
        if line["delivery"]:
            return [self._delivery(line, rest)]
        if line["starting"]:
            self._noted.note(line["starting"], line["what"])
        elif line["info"]:
            sender, mark, _ = rest[line.end() :].partition("> qp ")
            if mark:
                self._noted.note(line["info"], sender)
        else:  # its number is free for another message
            self._noted.forget(line["new"] or line["end"])
        return []

    def _delivery(self, line: re.Match[str], rest: str) -> Entry:
        noted = self._noted.get(line["delivery"])
        self._noted.forget(line["delivery"])
        _, message, _, channel, recipient = noted.split(" ", 4) if noted else [""] * 5
        is_local = channel == "local"
        report = rest[line.end() :]
        if line["mangled"]:
            entry = Entry(Event.DELIVERY, status="deferral", text=line["mangled"])
        elif is_local:  # what a user's program prints may look like anything
            entry = _in_own_words(line["status"], report, report)
        else:
            entry = _report(line["status"], report)
        if noted is None:
            return entry
        return entry._replace(
            queue_id=message,
            sender=self._noted.get(f"msg {message}"),
            recipients=(recipient,),
            relay_host="local" if is_local else None,
        )


def _report(status: str, report: str) -> Entry:
    """What qmail-remote reported, and what the remote host said."""
    words, reply = _parted(report.removesuffix(f"/{_TOO_OLD}/"))
    remote = _REMOTE.search(f"{words}.")
    ip = stage = None
    if remote:
        ip, stage = remote["ip"], _STAGES.get(remote["what"])
        if remote["what"] == "but_connection_died" and "_Possible_duplicate!" in words:
            stage = "EOD"
    if reply is not None and remote and stage == "RCPT":
        reply = _without_giving_up(reply, remote["ip"])
    entry = _in_own_words(status, words, report)._replace(relay_ip=ip, stage=stage)
    return entry if reply is None else entry._replace(reply=_lines(reply), text=None)


def _in_own_words(status: str, words: str, report: str) -> Entry:
    """A report without a reply; its enhanced code stands at the end of the `words`."""
    codes = _DSN.findall(words)
    return Entry(
        Event.DELIVERY,
        status=status,
        dsn=codes[-1] if codes else None,
        text=_spaced(report) or None,
    )


def _parted(report: str) -> tuple[str, str | None]:
    """qmail's own words, and what stands behind `Remote host said`, if it said something."""
    if report.startswith(_SAID):
        words, said = "", report[len(_SAID) :]
    else:
        words, mark, said = report.partition(f"/{_SAID}")
        if not mark:
            return report, None
    return (words, said) if said.strip("/") else (report, None)


def _without_giving_up(reply: str, ip: str) -> str:
    """Without qmail's own line behind the reply to RCPT, even if the log has cut it off."""
    before, mark, last = reply.rpartition(_GIVING_UP)
    is_own = mark and f"{ip}./".startswith(last.replace("[", "").replace("]", ""))
    return f"{before}/" if is_own else reply


def _lines(reply: str) -> str:
    """The reply with its line ends: a `/` is one where a line went on and a code follows."""
    reply = reply.removesuffix("/")
    lines = []
    start = 0
    if _GOES_ON.match(reply):
        first = reply[:3]
        marks = list(_NEXT_LINE.finditer(reply))
        # A server may end a reply with another code, and an address may hold what looks like one.
        ends = any(mark["code"] == first and mark["mark"] != "-" for mark in marks)
        for mark in marks:
            if mark["code"] == first or not ends:
                lines.append(reply[start : mark.start()])
                start = mark.end()
                if mark["mark"] != "-":
                    break
    lines.append(reply[start:])
    return "\n".join(lines).replace("_", " ")


def _spaced(report: str) -> str:
    """qmail's words; of the line ends in what a program printed, only the last one is known."""
    words = report.removesuffix("/")
    for begin in (f"/{_TOO_OLD[:20]}", _GIVING_UP, f"/{_SAID}", "/it_isn't_in_my_control/locals"):
        words = words.replace(begin, f"\n{begin[1:]}")
    return words.replace("_", " ").strip()
