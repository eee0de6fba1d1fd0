"""The shape of a reply: its words, without what differs from mail to mail.

The text is cut into pieces, every piece is looked at by itself and none twice, so that the time is
linear in the text, whoever has written it. What a server says by colons means nothing here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from ..classifier import Classifier
from ..logs.values import IP

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 5321 section 4.5.3.1: 64 octets of local part, 255 of domain, and what forwarders put around.
_LONGEST_PART: Final = 320
_LONGEST_LOCAL_PART: Final = 128
_LONGEST_QUOTED: Final = 200

_MONTH: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK: Final = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
# RFC 5322 section 3.3, asctime(3) and ISO 8601, with as much as there is of it.
_TIME: Final = (
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? {1,2})?"
    rf"(?:[0-9]{{1,2}} {_MONTH}|{_MONTH} {{1,2}}[0-9]{{1,2}})(?![\w-])"
    rf"(?:,? [0-9]{{4}}(?!\w))?(?:,? {_CLOCK}(?: [0-9]{{4}}(?!\w))?)?"
    r"(?: ?[+-][0-9]{4}(?!\w)| (?:GMT|UTC)(?!\w))?"
    rf"|[0-9]{{4}}[-/][0-9]{{2}}[-/][0-9]{{2}}(?:[T ]{_CLOCK}(?:Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?"
    r"(?![\w-])"
)
# Not in words, and not at what ends a piece.
_PIECE: Final = re.compile(
    rf"(?P<space>\s++)"
    # An address; what stands in <> without an @ is as much of somebody's choice.
    rf"|(?P<angle><[^<>@\s]{{0,{_LONGEST_PART}}}+(?P<at>@[^<>\s]{{0,{_LONGEST_PART}}}+)?>)"
    rf"|(?P<local>\"[^\"@<>\n]{{0,{_LONGEST_LOCAL_PART}}}+\"@[^\s<>()\[\]\"'`,;@]++)"
    rf"|(?P<quoted>\"[^\"\n]{{1,{_LONGEST_QUOTED}}}+\""
    rf"|(?<!\w)'[^'\n]{{1,{_LONGEST_QUOTED}}}+'(?!\w)"
    rf"|`[^`'\n]{{1,{_LONGEST_QUOTED}}}+[`'])"
    rf"|(?P<time>(?<![\w.-])(?:{_TIME}))"
    r"|(?P<url>(?:[A-Za-z][A-Za-z0-9+.-]{0,15}+://|www\.)[^\s<>\"'`]++)"
    rf"|(?P<address>[^\s<>()\[\]\"'`,;:@]{{1,{_LONGEST_LOCAL_PART}}}+@[^\s<>()\[\]\"'`,;@]++)"
    r"|(?P<number>(?<![\w.,-])[0-9]{1,3}(?:,[0-9]{3})++(?![\w,]))"
    r"|(?P<word>[^\s<>()\[\]{}\"'`,;!?|=]++)"
    r"|(?P<sign>.)",
    re.DOTALL,
)
# Behind a piece they end the sentence.
_ENDS: Final = ".,:;!?)]}*"

# An enhanced code, behind a reply code or alone.
_CODES: Final = re.compile(r"(?:[245][0-5][0-9][- ]?#?)?[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_NUMBER: Final = re.compile(
    r"[+-]?[0-9]++(?:\.[0-9]++)?+([A-Za-z]{1,7}|%|(?:st|nd|rd|th))?|[0-9]++(?:[/:-][0-9]++)++"
)
_CLOCK_ALONE: Final = re.compile(_CLOCK)
_ADDRESS: Final = re.compile(rf"(?:{IP.pattern})")
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9_\u0080-\uffff-]{1,63}+\.){1,126}+(?P<top>[A-Za-z\u0080-\uffff]{2,63}|xn--[\w-]++)"
)
# Labels of DNS block lists: bl.spamcop.net, dnsbl.sorbs.net.
_LIST_LABEL: Final = re.compile(r"(?:^|\.)[a-z0-9-]*bl[0-9]?\.")
# What Authentication-Results (RFC 8601 section 2.7) names in this way is no host.
_PROPERTIES: Final = frozenset({"smtp", "header", "policy", "body"})
# A server's own name for what it says (S3150, TSS04, OU-001), or of a version (TLSv1.2).
_LABEL: Final = re.compile(r"[A-Z]{1,4}[-#]?[0-9]{1,6}|[A-Za-z]{1,5}v[0-9](?:\.[0-9])?")
# Shorter ones are words: IPv4, TLS1, p0f.
_SHORTEST_ID: Final = 6
# So long only ids are, if they are hexadecimal.
_LONGEST_HEX_WORD: Final = 16
_HEX: Final = re.compile(r"(?:0x)?[0-9A-Fa-f]+")
_BEHIND_PATH: Final = re.compile(r"[?#;&=]")
_PAGE: Final = re.compile(r"\.(?:html?|php|cgi|aspx?)\Z")
# Numbers of pages and articles are shorter.
_SHORTEST_ID_OF_URL: Final = 8

_MASK: Final = re.compile(r"<(?:addr|host|id|ip|n|quoted|time|empty)>")


def shape_of(text: str) -> str:
    """The text with addresses, host names, IP addresses, ids, numbers, times and quoted words
    masked: `<addr>`, `<host>`, `<ip>`, `<id>`, `<n>`, `<time>`, `<quoted>`.

    Replies that say the same have the same shape. URLs keep host and path, block lists their zone.
    """
    return "".join(_masked(text)).strip()


def urls_of(text: str) -> list[str]:
    """The URLs that a text names, without queries and ids."""
    if "://" not in text and "www." not in text:
        return []
    return [_url(match["url"])[0] for match in _PIECE.finditer(text) if match.lastgroup == "url"]


def _masked(text: str) -> Iterator[str]:
    for piece in _PIECE.finditer(text):
        found = piece[0]
        match piece.lastgroup:
            case "space":
                yield " "
            case "angle":
                is_known = found == "<>" or _MASK.fullmatch(found)
                yield found if is_known else "<addr>" if piece["at"] else "<quoted>"
            case "quoted":
                if "://" in found:
                    yield found[0] + shape_of(found[1:-1]) + found[-1]
                else:
                    yield f"{found[0]}<quoted>{found[-1]}"
            case "time":
                yield "<time>"
            case "url":
                yield "".join(_url(found))
            case "address" | "local":
                yield "<addr>" + found[len(found.rstrip(_ENDS)) :]
            case "number":
                yield "<n>"
            case "word":
                yield _word(found)
            case _:
                yield found


def _word(found: str) -> str:
    """A word as it is, or the mask of what it is, between the signs around it."""
    word = found.strip(".:#*/")
    if not word:
        return found
    start = found.index(word)
    if found.startswith("::"):  # the beginning of an IPv6 address
        start, word = 0, found.rstrip(".*/#")
    return found[:start] + _mask_of(word) + found[start + len(word) :]


def _mask_of(word: str) -> str:
    if word.isalpha() and not (len(word) >= _LONGEST_HEX_WORD and _HEX.fullmatch(word)):
        return word
    if _CODES.fullmatch(word):
        return word
    if _CLOCK_ALONE.fullmatch(word):
        return "<time>"
    if len(word) <= _LONGEST_PART:
        without_tag = word[5:] if word[:5].lower() == "ipv6:" else word
        if _ADDRESS.match(without_tag) and without_tag.count(":") != 1:
            whole = _ADDRESS.fullmatch(without_tag.partition("/")[0])
            if whole and len(without_tag) > 2:
                return "<ip>"
        host, colon, port = word.rpartition(":")
        if colon and port.isdecimal() and (host.count(".") or host.endswith("]")):
            return f"{_mask_of(host)}:<n>"
    number = _NUMBER.fullmatch(word)
    if number:
        return f"<n>{number[1] or ''}"
    return _host(word) or _id(word)


@cache
def zones() -> tuple[str, ...]:
    """The zones of the block lists that the default rules know, the longest first."""
    lists = Classifier.default().ruleset.blocklists
    return tuple(sorted({one.name for one in lists if one.name}, key=lambda name: -len(name)))


def _host(word: str) -> str | None:
    """The mask of a host name, the zone of a block list, or None for what is neither."""
    match = _HOST.fullmatch(word) if len(word) <= _LONGEST_PART else None
    # "user.Please" is where a sentence ends and another one begins.
    if not match or match["top"].istitle() or word.partition(".")[0].lower() in _PROPERTIES:
        return None
    name = word.lower()
    for zone in zones():
        if name == zone or name.endswith(f".{zone}"):
            return zone
    return word if _LIST_LABEL.search(name) else "<host>"


def _id(word: str) -> str:
    """`<id>` for what nobody would write by hand; what joins words and numbers part by part."""
    has_digit = any(map(str.isdecimal, word))
    if not has_digit and not (len(word) >= _LONGEST_HEX_WORD and _HEX.fullmatch(word)):
        return word
    if len(word) < _SHORTEST_ID or _LABEL.fullmatch(word):
        return word
    name, sign, rest = word.partition(":")
    if sign and name.isalpha() and rest and len(word) <= _LONGEST_PART:  # "queue:4F1B2C3D4E5"
        return f"{name}:{_mask_of(rest)}"
    return "<id>"


def _url(found: str) -> tuple[str, str]:
    """A URL without queries and ids, and what stands behind it."""
    url = found.rstrip(_ENDS)
    behind = found[len(url) :]
    place = _BEHIND_PATH.split(url, maxsplit=1)[0]
    scheme, sign, rest = place.partition("://")
    if not sign:
        scheme, rest = "", place
    host, *path = rest.split("/")
    host = host.rpartition("@")[2]
    kept = [_part_of_path(part) for part in path]
    return f"{scheme.lower()}{sign}{'/'.join([host.lower(), *kept])}", behind


def _part_of_path(part: str) -> str:
    if "@" in part or "%40" in part:
        return "<addr>"
    if len(part) <= _LONGEST_PART and _ADDRESS.fullmatch(part) and len(part) > 2:
        return "<ip>"
    # Postgrey names the recipient's domain: /help/example.org.html.
    page = _PAGE.search(part)
    name = part[: page.start()] if page else part
    if len(name) <= _LONGEST_PART and _HOST.fullmatch(name):
        return f"<host>{page[0] if page else ''}"
    digits = sum(map(str.isdecimal, part))
    if len(part) < _SHORTEST_ID_OF_URL or not digits:
        return part
    # "bounce-codes-2024" and "error-5710.html" are pages: mostly words, with nothing mixed.
    words = re.split(r"[-_.]", part)
    is_page = digits * 2 < len(part) and all(
        word.isdecimal() or word.isalpha() or not word for word in words
    )
    return part if is_page else "<n>" if part.isdecimal() else "<id>"
