"""All MTAs whose lines are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .exchange import Exchange
from .exim import Exim
from .haraka import Haraka
from .kumomta import KumoMta
from .opensmtpd import OpenSmtpd
from .postfix import Postfix
from .powermta import PowerMta
from .qmail import Qmail
from .sendmail import Sendmail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core.logs import Senders
    from .record import Entry


class Mta(Protocol):
    """What the lines of one MTA say."""

    @property
    def name(self) -> str:
        """As records tell it."""

    def knows(self, tag: str, text: str) -> bool:
        """Whether a line of the program `tag` with this text is one of the MTA's."""

    def read(self, tag: str, text: str) -> list[Entry]:
        """What the line says; nothing, if it is of no interest. Never raises on content."""


def all_mtas(senders: Sequence[Senders]) -> tuple[Mta, ...]:
    """One of each, in the order in which a line is tried; senders: of those that the core reads."""
    return (
        *(Postfix(senders[0]), Exim(senders[1]), Sendmail(senders[2]), OpenSmtpd(senders[3])),
        *(Qmail(senders[4]), Haraka(senders[5]), KumoMta(), PowerMta(), Exchange()),
    )
