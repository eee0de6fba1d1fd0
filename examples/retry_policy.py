"""When to try again, and when to give up, by what the server said: for any queue."""

from __future__ import annotations

from smtpfast import Disposition, diagnose

MINUTE, HOUR = 60.0, 3600.0
FIRST_DELAY = {Disposition.RETRY: 5 * MINUTE, Disposition.SLOW_DOWN: 30 * MINUTE}
LONGEST_DELAY = 4 * HOUR
# However long a server wants us to wait: anybody may write a number.
LONGEST_BY_REQUEST = 24 * HOUR
# Five days of the delays above: RFC 5321 section 4.5.4.1 wants four to five before giving up.
ATTEMPTS = 36


def retry_delay(error: BaseException, attempt: int) -> float | None:
    """The seconds to wait behind attempt number `attempt` (1, 2 …), which ended in `error`.

    None if another one is no use: the server's answer will stay the same, there have been enough,
    or the error has nothing to do with SMTP.
    """
    try:
        found = diagnose(error)
    except TypeError:
        return None
    first = FIRST_DELAY.get(found.disposition)
    if first is None or attempt >= ATTEMPTS:
        return None
    delay = min(first * 2.0 ** (attempt - 1), LONGEST_DELAY)
    return max(delay, min(found.retry_after or 0, LONGEST_BY_REQUEST))
