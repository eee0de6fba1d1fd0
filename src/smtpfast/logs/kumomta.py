"""The log of KumoMTA: a JSON object a line.

Source of the grammar: crates/kumo-log-types/src/lib.rs (JsonLogRecord) and
crates/rfc5321/src/client_types.rs (Response) of KumoCorp/kumomta, 2026.
"""

from __future__ import annotations

import json
import re
from typing import Final

from ..enhanced import EnhancedStatusCode
from ..errors import SmtpFastError
from ..log_record import Event
from .record import Entry
from .values import IP, since_1970

# The types that tell of an outcome; all but the first say that there is none or a bad one.
_OUTCOMES: Final = ("Delivery", "TransientFailure", "Bounce", "AdminBounce", "Expiration")
_REJECTION: Final = "Rejection"
# These have a response of KumoMTA's own making: no server said it.
_OWN_WORDS: Final = ("AdminBounce", "Expiration")
_OWN_PREFIX: Final = "KumoMTA internal: "
_KIND: Final = re.compile(
    r'"type"\s*+:\s*+"'
    r"(Delivery|TransientFailure|Bounce|AdminBounce|Expiration|Rejection|Reception|OOB|Feedback"
    r'|AdminRebind|DeferredInjectionRebind|Delayed|XferOut|XferIn)"'
)
_STAGE: Final = re.compile(
    r"(MAIL|RCPT|DATA|BDAT|EHLO|HELO|LHLO|STARTTLS|AUTH|RSET|QUIT|NOOP|VRFY|EXPN|HELP|XCLIENT)\b",
    re.IGNORECASE | re.ASCII,
)
_ENHANCED: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |\Z)")
# HostOrSocketAddress: an IP address or a host, with a port or without, or the path of a socket.
_WITH_PORT: Final = re.compile(r"(?:\[([^\[\]]*+)\]|([^\[\]:]*+)):([0-9]{1,5})")
_MICROSECONDS: Final = 1_000_000
# 9999-12-31, the last day of a calendar with four digits.
_LAST_SECOND: Final = 253_402_300_799


class KumoMta:
    """KumoMTA with the default format of its log, by JsonLogRecord of 2026."""

    name: Final = "kumomta"

    @staticmethod
    def knows(tag: str, text: str) -> bool:
        """Whether the line is JSON with a type of KumoMTA and a recipient or a queue."""
        return (
            tag == ""
            and text.startswith("{")
            and ('"recipient"' in text or '"queue"' in text)
            and _KIND.search(text) is not None
        )

    def read(self, tag: str, text: str) -> list[Entry]:
        """The outcome of a delivery or a rejection; nothing for all other records."""
        if not self.knows(tag, text):
            return []
        record = _record(text)
        if record is None:
            kind = _KIND.search(text)
            is_of_interest = kind is not None and kind[1] in (*_OUTCOMES, _REJECTION)
            return [_not_understood("not JSON", text)] if is_of_interest else []
        kind_name = record.get("type")
        if kind_name != _REJECTION and kind_name not in _OUTCOMES:
            return []
        recipients = _recipients(record.get("recipient"))
        if kind_name != _REJECTION and not recipients:
            return [_not_understood("no recipient", text)._replace(time=_time(record))]
        return [_entry(record, str(kind_name), recipients)]


def _entry(record: dict[str, object], kind: str, recipients: tuple[str, ...]) -> Entry:
    response = record.get("response")
    if not isinstance(response, dict):
        response = {}
    host, ip, port = _peer(record.get("peer_address"))
    enhanced = _enhanced(response.get("enhanced_code"))
    content = _single_line(_text(response.get("content")) or "")
    reply = None
    if kind not in _OWN_WORDS and not content.startswith(_OWN_PREFIX):
        reply = _reply(response.get("code"), enhanced, content)
    return Entry(
        Event.REJECT if kind == _REJECTION else Event.DELIVERY,
        queue_id=_text(record.get("id")) or None,
        sender=_text(record.get("sender")),
        recipients=recipients,
        relay_host=host,
        relay_ip=ip,
        relay_port=port,
        delay=None if kind == _REJECTION else _delay(record),
        status=None if kind == _REJECTION else kind,
        reply=reply,
        stage=_stage(response.get("command")),
        dsn=enhanced,
        text=content or None if reply is None else None,
        time=_time(record),
    )


def _reply(code: object, enhanced: str | None, content: str) -> str | None:
    """The reply that KumoMTA took apart, in one line; None where there is no code.

    It takes code and enhanced code off the content; what fills its log may have left them there.
    """
    if not isinstance(code, int) or isinstance(code, bool) or not 100 <= code <= 999:
        return None
    if content.startswith(f"{code}-"):  # a reply of several lines, as it was said
        return content
    if content.startswith(f"{code} ") or content == str(code):
        content = content[4:]
    repeated = _ENHANCED.match(content)
    parts = [str(code)]
    if enhanced is not None and (not repeated or repeated[0] != enhanced):
        parts.append(enhanced)
    if content:
        parts.append(content)
    return " ".join(parts)


def _single_line(content: str) -> str:
    """As KumoMTA writes it, if it does: others that fill its log leave line ends."""
    return content.replace("\r\n", " ").replace("\r", " ").replace("\n", " ")


def _time(record: dict[str, object]) -> int | None:
    """`event_time`, or `timestamp`, which has no fractions."""
    exact = since_1970(_text(record.get("event_time")) or "")
    return _seconds(record.get("timestamp")) if exact is None else exact


def _delay(record: dict[str, object]) -> float | None:
    """From when the message was received, as exact as both times are."""
    logged = since_1970(_text(record.get("event_time")) or "")
    created = since_1970(_text(record.get("created_time")) or "")
    if logged is None or created is None:
        logged, created = (_seconds(record.get(name)) for name in ("timestamp", "created"))
    if logged is None or created is None or logged < created:
        return None
    return (logged - created) / _MICROSECONDS


def _enhanced(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    parts = [value.get(name) for name in ("class", "subject", "detail")]
    numbers = [part for part in parts if isinstance(part, int) and not isinstance(part, bool)]
    if len(numbers) != 3:
        return None
    try:
        return str(EnhancedStatusCode(*numbers))
    except SmtpFastError:
        return None


def _stage(command: object) -> str | None:
    if not isinstance(command, str):
        return None
    if command.startswith("."):
        return "EOD"
    match = _STAGE.match(command)
    return match[1].upper() if match else None


def _peer(value: object) -> tuple[str | None, str | None, int | None]:
    """The name, the IP address or the path, and the port of whom KumoMTA spoke to."""
    if not isinstance(value, dict):
        return None, None, None
    host = (_text(value.get("name")) or "").removesuffix(".") or None
    address = _text(value.get("addr")) or ""
    port = None
    with_port = _WITH_PORT.fullmatch(address)
    if with_port:
        address = with_port[1] or with_port[2] or ""
        port = int(with_port[3])
    if address.startswith("/"):
        return None if host == address else host, address, None
    if IP.fullmatch(address):
        return host, address, port
    return host or address or None, None, port


def _recipients(value: object) -> tuple[str, ...]:
    several = value if isinstance(value, list) else [value]
    return tuple(one for one in several if isinstance(one, str) and one)


def _seconds(value: object) -> int | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value * _MICROSECONDS) if 0 <= value <= _LAST_SECOND else None


def _record(text: str) -> dict[str, object] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _not_understood(problem: str, text: str) -> Entry:
    return Entry(Event.OTHER, text=text, problem=problem)
