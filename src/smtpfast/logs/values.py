"""Values that several MTAs write alike: IP addresses, times, rows of CSV."""

from __future__ import annotations

import csv
import re
from datetime import UTC, datetime, timedelta
from typing import Final

# Anything of that shape, whether there is such an address or not; a zone behind IPv6.
IP: Final = re.compile(
    r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]*+:[0-9A-Fa-f]*+:[0-9A-Fa-f:.]*+(?:%\w++)?"
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Longer than any time of RFC 3339 with nanoseconds.
_LONGEST_TIME: Final = 40


def since_1970(written: str, default_zone: timedelta | None = None) -> int | None:
    """Microseconds since 1970 of a time of ISO 8601; None for what is none, or has no zone."""
    if len(written) > _LONGEST_TIME:
        return None
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    if moment.tzinfo is None:
        if default_zone is None:
            return None
        moment = moment.replace(tzinfo=UTC) - default_zone
    return (moment - _EPOCH) // timedelta(microseconds=1)


def row_of(text: str) -> list[str] | None:
    """The values of a line of CSV; None where a quote is open or out of place, or one is huge."""
    try:
        return next(csv.reader((text,), strict=True), None)
    except csv.Error:
        return None
