"""Enhanced status codes (RFC 3463) as values, described by IANA's registry."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, final

from .errors import SmtpFastError, excerpt
from .registry import CLASSES, DETAILS, SUBJECTS, Registration
from .status import choose

# RFC 3463 section 2: class "." subject "." detail, one to three digits each, without leading
# zeros; no class but 2, 4 and 5 is defined.
GRAMMAR: Final = r"[245](?:\.(?:0|[1-9][0-9]{0,2})){2}"

_WHOLE: Final = re.compile(GRAMMAR, re.ASCII)
_UNREGISTERED: Final = Registration("", "", "", (), "")


class _Parts(NamedTuple):
    class_: int
    subject: int
    detail: int


@final
class EnhancedStatusCode(_Parts):
    """An enhanced status code such as 5.1.1: a tuple of three ints, each from 0 to 999.

    Immutable, hashable, ordered by its numbers; `str` gives the dotted form and `int` the packed
    one, class × 1,000,000 + subject × 1,000 + detail. Each registered code is one object.
    """

    __slots__ = ()

    def __new__(cls, class_: int, subject: int, detail: int) -> EnhancedStatusCode:
        """The code of three ints; `SmtpFastError` when one is not within 0–999."""
        if not (0 <= class_ <= 999 and 0 <= subject <= 999 and 0 <= detail <= 999):
            raise SmtpFastError(f"not within 0–999: {class_!r}, {subject!r}, {detail!r}")
        code = super().__new__(cls, class_, subject, detail)
        return REGISTERED.get(code, code)

    @classmethod
    def parse(cls, text: str | bytes) -> EnhancedStatusCode:
        """The code that is the whole of `text`, as RFC 3463 section 2 writes it.

        Anything else raises `SmtpFastError`: white space, leading zeros, a class but 2, 4 and 5.
        """
        written = text.decode("latin-1") if isinstance(text, bytes) else text
        if _WHOLE.fullmatch(written) is None:
            octets = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
            raise SmtpFastError(f"not an enhanced status code: {excerpt(octets)}")
        return cls(*map(int, written.split(".")))

    @classmethod
    def from_int(cls, number: int) -> EnhancedStatusCode | None:
        """The code of a packed int, as the column `ReplyLines.enhanced` holds it; 0 is None."""
        if number == 0:
            return None
        return cls(number // 1_000_000, number // 1_000 % 1_000, number % 1_000)

    def __int__(self) -> int:
        return self.class_ * 1_000_000 + self.subject * 1_000 + self.detail

    def __str__(self) -> str:
        return f"{self.class_}.{self.subject}.{self.detail}"

    @property
    def is_registered(self) -> bool:
        """Whether class, subject and detail stand in IANA's registry."""
        return self in REGISTERED

    @property
    def name(self) -> str:
        """The registry's name of the detail, "" where it has none."""
        return self._detail.name

    @property
    def class_name(self) -> str:
        """The registry's name of the class, "" where it has none."""
        return CLASSES.get(self.class_, _UNREGISTERED).name

    @property
    def subject_name(self) -> str:
        """The registry's name of the subject, "" where it has none."""
        return SUBJECTS.get(self.subject, _UNREGISTERED).name

    @property
    def basic_codes(self) -> tuple[int, ...]:
        """The reply codes that the registry associates with the detail; often none."""
        return self._detail.basic_codes

    @property
    def reference(self) -> str:
        """The RFC that defines the detail, or RFC 3463 section 2 where none does."""
        return self._detail.reference or "RFC 3463 2"

    @property
    def description(self) -> str:
        """One sentence in English; see `describe`."""
        return self.describe()

    def describe(self, language: str = "en") -> str:
        """What the detail means, in "en" or "ru"; another language is a `SmtpFastError`.

        A detail that is not registered is described by its class and its subject.
        """
        if self._detail is not _UNREGISTERED:
            return choose(language, self._detail.english, self._detail.russian)
        known = [
            choose(language, row.english, row.russian)
            for row in (CLASSES.get(self.class_), SUBJECTS.get(self.subject))
            if row is not None
        ]
        unknown = choose(
            language,
            "The registry does not list this enhanced status code.",
            "В реестре такого расширенного кода нет.",
        )
        return " ".join([unknown, *known])

    @property
    def _detail(self) -> Registration:
        return DETAILS.get((self.subject, self.detail), _UNREGISTERED)


REGISTERED: dict[tuple[int, int, int], EnhancedStatusCode] = {}
REGISTERED.update(
    {
        (class_, *detail): EnhancedStatusCode(class_, *detail)
        for class_ in CLASSES
        for detail in DETAILS
    }
)
