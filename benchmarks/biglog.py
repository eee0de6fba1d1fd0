"""Big logs as Postfix and Exim write them, with what is in them counted: the inputs of `logs.py`.

Every mail has its own queue id, message id, addresses and times, so that nobody profits from what
was seen before. Replies are those of examples/mail.log and the labelled ones of tests/data/.
"""

from __future__ import annotations

import json
import random
import re
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from cases import SEED
from meaning import TAKEN, failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

EXAMPLE = Path(__file__).parents[1] / "examples" / "mail.log"
DAY = 86_400
# Of the deliveries; a deferred one has some attempts before it.
SENT, DEFERRED = 0.88, 0.08
LOCAL = 0.12
DOMAINS = 6_000
RELAYS = 300
CLIENTS = 4_000
BATCH = 2_000

# A line and when it comes, in seconds.
Line = tuple[float, str]
# How many deliveries have a status and a code.
Outcomes = Counter[tuple[str, int | None]]


@dataclass(frozen=True)
class BigLog:
    """A log that has been written: where, how big, and the outcomes in it."""

    path: Path
    size: int
    lines: int
    outcomes: Outcomes

    def by_status(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (status, _), count in self.outcomes.items():
            found[status] += count
        return found


# --- Replies --------------------------------------------------------------------------------

_VARYING = re.compile(
    r"(?P<to>[\w.+-]+@[\w.-]+)"
    r"|(?P<ip>\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b)"
    r"|(?P<short>(?<=queued as )[0-9A-Z]+|(?<= id=)[\w-]+)"
    r"|(?P<id>\b(?=(?:[A-Za-z]*[0-9]){3})(?=[0-9]*[A-Za-z])[0-9A-Za-z]{8,}\b)"
    r"|(?P<number>\b[0-9]{9,}\b)"
    r"|(?P<percent>%)"
)
_WRITTEN = {
    "to": "%(to)s",
    "ip": "%(ip)s",
    "short": "%(id).11s",
    "id": "%(id)s",
    "number": "%(number)s",
    "percent": "%%",
}
_ENHANCED = re.compile(r"[0-9]{3}[- ]((?P<class>[245])\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


class Template:
    """A reply about nobody yet; its lines are joined by spaces."""

    def __init__(self, reply: str) -> None:
        self.text = _VARYING.sub(lambda found: _WRITTEN[found.lastgroup or ""], reply)
        self.code = int(reply[:3])
        found = _ENHANCED.match(reply)
        is_its_class = found and found["class"] == reply[0]
        self.dsn = found[1] if found and is_its_class else f"{reply[0]}.0.0"

    def about(self, to: str, own_ip: str, some_id: str) -> str:
        values = {"to": to, "ip": own_ip, "id": some_id, "number": int(some_id[:12], 16)}
        return self.text % values


def zipf(count: int) -> list[float]:
    """Weights that add up, as `random.choices` wants them."""
    return list(accumulate(1 / (rank + 3) for rank in range(count)))


class Drawn(Generic[T]):
    """Things drawn at random, the first ones far more often than the last."""

    def __init__(self, rng: random.Random, things: Sequence[T]) -> None:
        self._rng, self._things = rng, things
        self._weights = zipf(len(things))
        self._ready: list[T] = []

    def next(self) -> T:
        if not self._ready:
            self._ready = self._rng.choices(self._things, cum_weights=self._weights, k=10_000)
        return self._ready.pop()


# --- A world to write about -----------------------------------------------------------------

_FIRST = ("amber", "brook", "cedar", "delta", "fjord", "grove", "iris", "juniper", "lark", "maple")
_SECOND = ("bank", "cloud", "craft", "data", "farm", "field", "forge", "house", "media", "press")
_ENDINGS = ("example", "test", "co.example", "example.net")
_NAMES = ("ann", "ben", "carla", "dirk", "eva", "finn", "gina", "hugo", "ines", "jan", "karl")


class World:
    """Domains, their relays, clients, people and replies, the same for every run."""

    def __init__(self) -> None:
        rng = self.rng = random.Random(SEED)
        names = [f"{a}{b}" for a in _FIRST for b in _SECOND]
        rng.shuffle(names)
        domains = [
            f"{names[number % len(names)]}{number // len(names) or ''}.{rng.choice(_ENDINGS)}"
            for number in range(DOMAINS)
        ]
        self.relays = [
            (f"mx{1 + number % 4}.{rng.choice(domains)}", self._ip()) for number in range(RELAYS)
        ]
        relay_of = [number if number < 40 else rng.randrange(RELAYS) for number in range(DOMAINS)]
        self.domains = Drawn(rng, list(zip(domains, relay_of, strict=True)))
        self.clients = Drawn(rng, [self._client(rng.choice(domains)) for _ in range(CLIENTS)])
        example = EXAMPLE.read_text(encoding="utf-8")
        refused = re.findall(r" said: (.*) \(in reply to ", example)
        known = dict.fromkeys([*refused, *(reply.decode() for reply in failures())])
        templates = [Template(reply) for reply in known]
        rng.shuffle(templates)
        self.permanent = Drawn(rng, [each for each in templates if each.code >= 500])
        self.transient = Drawn(rng, [each for each in templates if each.code < 500])
        taken = [reply.decode() for reply in TAKEN]
        accepted = re.findall(r"status=sent \((.*)\)", example)
        self.taken = Drawn(
            rng, [Template(reply) for reply in dict.fromkeys([taken[0], *accepted, *taken[1:]])]
        )
        self.own_ip = self._ip()
        self._people = 0

    def _ip(self) -> str:
        return f"198.18.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}"

    def _client(self, domain: str) -> tuple[str, str]:
        draw = self.rng.random()
        name = f"{'mail' if draw < 0.5 else 'h'}{int(draw * 1e3)}.{domain}"
        return "unknown" if draw < 0.2 else name, self._ip()

    def person(self) -> str:
        """A local part that nobody had before."""
        self._people += 1
        return f"{_NAMES[self._people % len(_NAMES)]}.{self._people * 7919 % 10_000_019:x}"

    def some_id(self) -> str:
        return f"{self.rng.getrandbits(96):024x}"


def drawn_recipients(random: Callable[[], float]) -> int:
    """Most mails have one."""
    draw = random()
    return 1 if draw < 0.85 else 2 if draw < 0.95 else 3 if draw < 0.98 else 6


# --- Postfix --------------------------------------------------------------------------------

_STAGES = ("RCPT TO command", "RCPT TO command", "end of DATA command", "MAIL FROM command")
_CIPHER = (
    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 "
    "server-signature RSA-PSS (2048 bits) server-digest SHA256"
)


class PostfixStories:
    """What Postfix logs of one mail, connection or refused client after the other."""

    def __init__(self) -> None:
        self.outcomes: Outcomes = Counter()
        self._world = World()
        self._random = self._world.rng.random
        self._number = 0

    def __iter__(self) -> Iterator[list[Line]]:
        while True:
            draw = self._random()
            if draw < 0.65:
                yield self._mail()
            elif draw < 0.75:
                yield self._refused()
            else:
                yield self._idle()

    def _queue_id(self) -> str:
        # An odd factor takes each number to another one.
        self._number += 1
        return f"{self._number * 0x9E3779B97F5 & 0xFFFFFFFFFFF:011X}"

    def _pid(self, first: int, count: int) -> int:
        return first + int(self._random() * count) * 3

    def _mail(self) -> list[Line]:
        world, random = self._world, self._random
        queue_id, some_id = self._queue_id(), world.some_id()
        host, ip = world.clients.next()
        client = f"{host}[{ip}]"
        domain, _ = world.domains.next()
        sender = f"{world.person()}@{domain}"
        smtpd = f"postfix/smtpd[{self._pid(20_311, 40)}]: "
        qmgr = f"postfix/qmgr[2309]: {queue_id}: "
        recipients = drawn_recipients(random)
        lines = [(0.0, f"{smtpd}connect from {client}")]
        if random() < 0.08:
            established = "Anonymous TLS connection established from"
            lines.append((0.1, f"{smtpd}{established} {client}: {_CIPHER}"))
            tls, commands = "ehlo=2 starttls=1 ", 7
        else:
            tls, commands = "ehlo=1 ", 5
        login = f", sasl_method=PLAIN, sasl_username={sender}" if random() < 0.2 else ""
        lines += [
            (0.2, f"{smtpd}{queue_id}: client={client}{login}"),
            (
                0.3,
                f"postfix/cleanup[{self._pid(20_400, 20)}]: {queue_id}: "
                f"message-id=<{some_id:.16}.{self._number}@{domain}>",
            ),
            (
                0.4,
                f"{qmgr}from=<{sender}>, size={900 + int(random() ** 4 * 4e6)}, "
                f"nrcpt={recipients} (queue active)",
            ),
            (
                0.5,
                f"{smtpd}disconnect from {client} {tls}mail=1 rcpt={recipients} data=1 quit=1 "
                f"commands={commands + recipients - 1}",
            ),
        ]
        at = 0.6
        is_done = True
        for _ in range(recipients):
            at += random()
            draw = random()
            if draw < SENT:
                lines.append((at, self._sent(queue_id, some_id)))
            elif draw < SENT + DEFERRED:
                lines += self._deferred(at, queue_id, some_id)
                is_done = False
            else:
                lines.append((at, self._bounced(queue_id, some_id)))
                lines.append(
                    (
                        at,
                        f"postfix/bounce[{self._pid(20_500, 5)}]: {queue_id}: "
                        f"sender non-delivery notification: {self._queue_id()}",
                    )
                )
        if is_done:
            lines.append((at, f"{qmgr}removed"))
        elif random() < 0.02:
            self.outcomes["expired", None] += 1
            lines.append((at + 9, f"{qmgr}from=<{sender}>, status=expired, returned to sender"))
            lines.append((at + 9, f"{qmgr}removed"))
        return lines

    def _delays(self) -> str:
        random = self._random
        before, queue, setup, data = (
            round(random() ** 3 * most, 2) for most in (0.4, 0.1, 2.0, 9.0)
        )
        total = round(before + queue + setup + data, 2)
        return f"delay={total:g}, delays={before:g}/{queue:g}/{setup:g}/{data:g}"

    def _sent(self, queue_id: str, some_id: str) -> str:
        world, random = self._world, self._random
        domain, relay = world.domains.next()
        to = f"{world.person()}@{domain}"
        if random() < LOCAL:
            self.outcomes["sent", None] += 1
            program, words = (
                ("virtual", "delivered to maildir")
                if random() < 0.5
                else ("pipe", "delivered via dovecot service")
            )
            relay_name = "virtual" if program == "virtual" else "dovecot"
            return (
                f"postfix/{program}[{self._pid(20_600, 5)}]: {queue_id}: to=<{to}>, "
                f"relay={relay_name}, {self._delays()}, dsn=2.0.0, status=sent ({words})"
            )
        template = world.taken.next()
        self.outcomes["sent", template.code] += 1
        host, ip = world.relays[relay]
        reply = template.about(to, world.own_ip, some_id)
        again = f" conn_use={2 + int(random() * 9)}," if random() < 0.1 else ""
        alias = f" orig_to=<{to[:3]}@{domain}>," if random() < 0.05 else ""
        return (
            f"postfix/smtp[{self._pid(20_700, 60)}]: {queue_id}: to=<{to}>,{alias} "
            f"relay={host}[{ip}]:25,{again} {self._delays()}, dsn=2.0.0, status=sent ({reply})"
        )

    def _deferred(self, at: float, queue_id: str, some_id: str) -> list[Line]:
        """The servers that were asked before the last one, and what that said."""
        world, random = self._world, self._random
        domain, relay = world.domains.next()
        to = f"{world.person()}@{domain}"
        smtp = f"postfix/smtp[{self._pid(20_700, 60)}]: "
        template = world.transient.next()
        host, ip = world.relays[relay]
        lines: list[Line] = []
        for number in range(2 + int(random() * 4)):
            other = f"mx{10 + number}.{domain}[198.19.{relay & 255}.{10 + number}]"
            if random() < 0.1:
                lines.append((at, f"{smtp}connect to {other}:25: Connection timed out"))
            else:
                reply = template.about(to, world.own_ip, world.some_id())
                stage = _STAGES[int(random() * len(_STAGES))]
                words = f"host {other} said: {reply} (in reply to {stage})"
                lines.append((at, f"{smtp}{queue_id}: {words}"))
            at += random() * 5
        code: int | None = template.code
        where, dsn = f"{host}[{ip}]", template.dsn
        relay_name = f"{where}:25"
        draw = random()
        reply = template.about(to, world.own_ip, some_id)
        if draw < 0.78:
            stage = _STAGES[int(random() * len(_STAGES))]
            words = f"host {where} said: {reply} (in reply to {stage})"
        elif draw < 0.86:
            words = f"host {where} refused to talk to me: {reply}"
        elif draw < 0.9:  # error(8) and retry(8) quote what smtp(8) was told
            smtp = f"postfix/error[{self._pid(20_560, 4)}]: "
            relay_name = "none"
            words = f"delivery temporarily suspended: host {where} refused to talk to me: {reply}"
        else:
            relay_name, dsn, code = "none", "4.4.1", None
            words = f"connect to {where}:25: Connection timed out"
        self.outcomes["deferred", code] += 1
        lines.append(
            (
                at,
                f"{smtp}{queue_id}: to=<{to}>, relay={relay_name}, {self._delays()}, dsn={dsn}, "
                f"status=deferred ({words})",
            )
        )
        return lines

    def _bounced(self, queue_id: str, some_id: str) -> str:
        world, random = self._world, self._random
        domain, relay = world.domains.next()
        to = f"{world.person()}@{domain}"
        head = f"{queue_id}: to=<{to}>, relay="
        if random() < 0.05:
            self.outcomes["bounced", None] += 1
            return (
                f"postfix/smtp[{self._pid(20_700, 60)}]: {head}none, {self._delays()}, dsn=5.4.4, "
                f"status=bounced (Host or domain name not found. Name service error for "
                f"name={domain} type=AAAA: Host not found)"
            )
        template = world.permanent.next()
        self.outcomes["bounced", template.code] += 1
        host, ip = world.relays[relay]
        reply = template.about(to, world.own_ip, some_id)
        stage = _STAGES[int(random() * len(_STAGES))]
        return (
            f"postfix/smtp[{self._pid(20_700, 60)}]: {head}{host}[{ip}]:25, {self._delays()}, "
            f"dsn={template.dsn}, status=bounced (host {host}[{ip}] said: {reply} "
            f"(in reply to {stage}))"
        )

    def _refused(self) -> list[Line]:
        """A client whose mail is not wanted."""
        world, random = self._world, self._random
        host, ip = world.clients.next()
        client = f"{host}[{ip}]"
        smtpd = f"postfix/smtpd[{self._pid(20_311, 40)}]: "
        sender = f"{world.person()}@{world.domains.next()[0]}"
        to = f"{world.person()}@{world.domains.next()[0]}"
        draw = random()
        if draw < 0.3:
            words = f"554 5.7.1 <{to}>: Relay access denied"
        elif draw < 0.6:
            words = (
                f"554 5.7.1 Service unavailable; Client host [{ip}] blocked using "
                f"zen.spamhaus.org; https://www.spamhaus.org/query/ip/{ip}"
            )
        elif draw < 0.8:
            words = f"450 4.7.1 <{to}>: Recipient address rejected: Greylisted for 300 seconds"
        else:
            words = f"550 5.1.1 <{to}>: Recipient address rejected: User unknown"
        return [
            (0.0, f"{smtpd}connect from {client}"),
            (
                0.3,
                f"{smtpd}NOQUEUE: reject: RCPT from {client}: {words}; from=<{sender}> to=<{to}> "
                f"proto=ESMTP helo=<{host}>",
            ),
            (
                0.5,
                f"{smtpd}disconnect from {client} ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4",
            ),
        ]

    def _idle(self) -> list[Line]:
        """A client that brings no mail."""
        world, random = self._world, self._random
        host, ip = world.clients.next()
        client = f"{host}[{ip}]"
        smtpd = f"postfix/smtpd[{self._pid(20_311, 40)}]: "
        draw = random()
        if draw < 0.3:
            return [
                (0.0, f"{smtpd}warning: hostname {host} does not resolve to address {ip}"),
                (0.0, f"{smtpd}connect from {client}"),
                (0.2, f"{smtpd}lost connection after CONNECT from {client}"),
                (0.2, f"{smtpd}disconnect from {client} commands=0/0"),
            ]
        if draw < 0.6:
            return [
                (0.0, f"{smtpd}connect from {client}"),
                (
                    0.4,
                    f"{smtpd}warning: {client}: SASL LOGIN authentication failed: "
                    f"UGFzc3dvcmQ6, sasl_username={world.person()}",
                ),
                (0.5, f"{smtpd}lost connection after AUTH from {client}"),
                (0.5, f"{smtpd}disconnect from {client} ehlo=1 auth=0/1 commands=1/2"),
            ]
        screen = f"postfix/postscreen[{self._pid(20_300, 2)}]: "
        port = 1_024 + int(random() * 60_000)
        return [
            (0.0, f"{screen}CONNECT from [{ip}]:{port} to [{world.own_ip}]:25"),
            (0.1, f"{screen}PREGREET 11 after 0.09 from [{ip}]:{port}: EHLO {host}\\r\\n"),
            (0.2, f"{screen}DISCONNECT [{ip}]:{port}"),
        ]


# --- Exim -----------------------------------------------------------------------------------

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SAID = "SMTP error from remote mail server after "
_TLS = "X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256"


def base62(number: int, digits: int) -> str:
    written = ""
    for _ in range(digits):
        number, digit = divmod(number, 62)
        written = _DIGITS[digit] + written
    return written


class EximStories:
    """What Exim logs, with the log selectors that it has by itself."""

    def __init__(self) -> None:
        self.outcomes: Outcomes = Counter()
        self._world = World()
        self._random = self._world.rng.random
        self._number = 0

    def __iter__(self) -> Iterator[list[Line]]:
        while True:
            yield self._mail() if self._random() < 0.75 else self._refused()

    def _queue_id(self) -> str:
        self._number += 1
        written = base62(self._number * 1_000_003 % 62**8, 8)
        return f"1xV{written[:3]}-00{written[3:7]}-{written[7]}{_DIGITS[self._number % 62]}"

    def _mail(self) -> list[Line]:
        world, random = self._world, self._random
        queue_id, some_id = self._queue_id(), world.some_id()
        host, ip = world.clients.next()
        domain, _ = world.domains.next()
        lines = [
            (
                0.0,
                f"{queue_id} <= {world.person()}@{domain} {_client(host, ip)} P=esmtps {_TLS} "
                f"CV=no S={900 + int(random() ** 4 * 4e6)} id={some_id}.{self._number}@{domain}",
            )
        ]
        at = 0.3
        is_done = True
        for _ in range(drawn_recipients(random)):
            at += random()
            draw = random()
            if draw < SENT:
                lines.append((at, f"{queue_id} {self._sent(some_id)}"))
            elif draw < SENT + DEFERRED:
                lines += self._deferred(at, queue_id, some_id)
                is_done = False
            else:
                lines.append((at, f"{queue_id} {self._bounced(some_id)}"))
        if is_done:
            lines.append((at, f"{queue_id} Completed"))
        return lines

    def _sent(self, some_id: str) -> str:
        world, random = self._world, self._random
        domain, relay = world.domains.next()
        person = world.person()
        if random() < LOCAL:
            self.outcomes["sent", None] += 1
            return f"=> {person} <{person}@{domain}> R=local_user T=maildir_home"
        template = world.taken.next()
        self.outcomes["sent", template.code] += 1
        host, ip = world.relays[relay]
        reply = _folded(template.about(f"{person}@{domain}", world.own_ip, some_id), "\\\\n")
        flag = "->" if random() < 0.05 else "=>"
        return (
            f"{flag} {person}@{domain} R=dnslookup T=remote_smtp H={host} [{ip}] {_TLS} CV=yes "
            f'C="{reply}"'
        )

    def _deferred(self, at: float, queue_id: str, some_id: str) -> list[Line]:
        world, random = self._world, self._random
        domain, relay = world.domains.next()
        to = f"{world.person()}@{domain}"
        template = world.transient.next()
        host, ip = world.relays[relay]
        head = f"{queue_id} == {to} R=dnslookup T=remote_smtp defer"
        draw = random()
        if draw < 0.2:
            self.outcomes["deferred", None] += 1
            return [
                (at, f"{queue_id} H={host} [{ip}] Connection timed out"),
                (at, f"{head} (110): Connection timed out"),
            ]
        if draw < 0.4:
            self.outcomes["deferred", None] += 1
            return [(at, f"{head} (-53): retry time not reached for any host for '{domain}'")]
        reply = _folded(template.about(to, world.own_ip, some_id), "\\n")
        self.outcomes["deferred", template.code] += 1
        other = _folded(template.about(to, world.own_ip, world.some_id()), "\\n")
        return [
            (at, f"{queue_id} H=mx9.{domain} [{ip}]: {_SAID}RCPT TO:<{to}>: {other}"),
            (at, f"{head} (-44) H={host} [{ip}]: {_SAID}RCPT TO:<{to}>: {reply}"),
        ]

    def _bounced(self, some_id: str) -> str:
        world, random = self._world, self._random
        domain, relay = world.domains.next()
        to = f"{world.person()}@{domain}"
        if random() < 0.05:
            self.outcomes["bounced", None] += 1
            return f"** {to}: Unrouteable address"
        template = world.permanent.next()
        self.outcomes["bounced", template.code] += 1
        host, ip = world.relays[relay]
        reply = _folded(template.about(to, world.own_ip, some_id), "\\n")
        command = "end of data" if random() < 0.3 else f"RCPT TO:<{to}>"
        return (
            f"** {to} R=dnslookup T=remote_smtp H={host} [{ip}] {_TLS} CV=yes: "
            f"{_SAID}{command}: {reply}"
        )

    def _refused(self) -> list[Line]:
        world, random = self._world, self._random
        host, ip = world.clients.next()
        client = f"{_client(host, ip)} F=<{world.person()}@{world.domains.next()[0]}>"
        to = f"{world.person()}@{world.domains.next()[0]}"
        draw = random()
        if draw < 0.3:
            return [(0.0, f"{client} rejected RCPT <{to}>: relay not permitted")]
        if draw < 0.5:
            words = "Greylisted, try again in 300 seconds"
            return [(0.0, f"{client} temporarily rejected RCPT <{to}>: {words}")]
        if draw < 0.75:
            return [(0.0, f"no host name found for IP address {ip}")]
        return [(0.0, f"SMTP connection from [{ip}] lost D=0.{self._number % 1000:03}s")]


def _client(host: str, ip: str) -> str:
    return f"H=(localhost) [{ip}]" if host == "unknown" else f"H={host} [{ip}]"


def _folded(reply: str, line_end: str) -> str:
    """The reply with its lines told apart again."""
    if reply[3:4] != "-":
        return reply
    return re.sub(rf" (?={reply[:3]}[- ])", lambda _: line_end, reply)


# --- Writing --------------------------------------------------------------------------------

KINDS: dict[str, tuple[type[PostfixStories | EximStories], str]] = {
    "postfix": (PostfixStories, "Nov 23 %H:%M:%S mx1 "),
    "exim": (EximStories, "2026-11-23 %H:%M:%S "),
}


def write_log(kind: str, directory: Path, megabytes: float) -> BigLog:
    """A log of a day with so many megabytes; taken as it is if it has been written before."""
    path, facts_path = directory / f"{kind}.log", directory / f"{kind}.json"
    known = _known(path, facts_path, megabytes)
    if known:
        return known
    make, stamp = KINDS[kind]
    stories = make()
    stamps = [time.strftime(stamp, time.gmtime(second)) for second in range(DAY)]
    size = lines = 0
    with path.open("wb") as file:
        for some in _in_order(iter(stories), stamps, int(megabytes * 1e6)):
            size += file.write(some.encode())
            lines += some.count("\n")
    facts = {
        "megabytes": megabytes,
        "seed": SEED,
        "size": size,
        "lines": lines,
        "outcomes": [[*key, count] for key, count in stories.outcomes.items()],
    }
    facts_path.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    return BigLog(path, size, lines, stories.outcomes)


def _known(path: Path, facts_path: Path, megabytes: float) -> BigLog | None:
    if not path.exists() or not facts_path.exists():
        return None
    facts = json.loads(facts_path.read_text(encoding="utf-8"))
    wanted = (megabytes, SEED, path.stat().st_size)
    if (facts["megabytes"], facts["seed"], facts["size"]) != wanted:
        return None
    outcomes = Counter({(status, code): count for status, code, count in facts["outcomes"]})
    return BigLog(path, facts["size"], facts["lines"], outcomes)


def _in_order(stories: Iterator[list[Line]], stamps: list[str], size: int) -> Iterator[str]:
    """The lines of all stories in the order of time, which goes on as the log grows."""
    by_time = itemgetter(0)
    length = len(stamps[0]) + 1
    waiting: list[Line] = []
    made = 0
    while made < size:
        for _ in range(BATCH):
            start = DAY * made / size
            for offset, text in next(stories):
                waiting.append((start + offset, text))
                made += len(text) + length
            if made >= size:
                break
        waiting.sort(key=by_time)
        ready = bisect_left(waiting, DAY * made / size, key=by_time)
        yield _written(waiting[:ready], stamps)
        del waiting[:ready]
    yield _written(waiting, stamps)


def _written(lines: list[Line], stamps: list[str]) -> str:
    last = DAY - 1
    return "".join([f"{stamps[min(int(at), last)]}{text}\n" for at, text in lines])
