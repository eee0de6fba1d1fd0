"""`smtpfast codes`: the tables."""

from __future__ import annotations

from ..enhanced import REGISTERED
from ..records import TYPE_CHECKING
from ..status import SmtpStatusCode

if TYPE_CHECKING:
    from argparse import Namespace


def run(options: Namespace) -> int:
    """Print one row for each code."""
    if options.enhanced:
        for enhanced in REGISTERED.values():
            print(f"{enhanced!s:8} {enhanced.name}: {enhanced.describe(options.language)}")
    else:
        width = max(len(status.name) for status in SmtpStatusCode)
        for status in SmtpStatusCode:
            print(f"{status:3} {status.name:{width}}  {status.describe(options.language)}")
    return 0
