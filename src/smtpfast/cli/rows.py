"""What the values of a row become in JSON and in CSV, whoever has written them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from .terminal import harmless

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def printable(value: object) -> object:
    """The value; in a text, what is no UTF-8 has U+FFFD in its place."""
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula, and no terminal for commands."""
    if not isinstance(value, str):
        return value
    value = "\n".join(map(harmless, value.split("\n")))
    return f"'{value}" if value.startswith(_FORMULA) else value


def written_time(microseconds: int, *, is_local: bool) -> str | None:
    """ISO 8601, with a Z where the zone is known; None for a year that it cannot write."""
    try:
        moment = _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
    return moment.replace(tzinfo=None).isoformat() + ("" if is_local else "Z")
