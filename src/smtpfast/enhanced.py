"""Enhanced status codes (RFC 3463) as values, described by IANA's registry."""

from __future__ import annotations

from operator import index

from .errors import SmtpFastError, excerpt
from .octets import octets
from .records import TYPE_CHECKING, NamedTuple
from .registry import CLASSES, DETAILS, SUBJECTS, Registration
from .status import choose

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Final

    from .octets import Octets

_UNREGISTERED: Final = Registration("", "", "", (), "")


class _Parts(NamedTuple):
    class_: int
    subject: int
    detail: int


class EnhancedStatusCode(_Parts):
    """An enhanced status code such as 5.1.1: a tuple of three ints, each from 0 to 999.

    Immutable, hashable, ordered by its numbers; `str` gives the dotted form and `int` the packed
    one, class × 1,000,000 + subject × 1,000 + detail. Each registered code is one object.
    """

    __slots__ = ()

    def __new__(cls, class_: int, subject: int, detail: int) -> EnhancedStatusCode:  # noqa: PYI034
        """The code of three ints; `SmtpFastError` when one is not within 0–999."""
        code = super().__new__(cls, index(class_), index(subject), index(detail))
        if min(code) < 0 or max(code) > 999:
            raise SmtpFastError(f"not within 0–999: {class_}, {subject}, {detail}")
        return REGISTERED.get(code, code)

    @classmethod
    def parse(cls, text: Octets) -> EnhancedStatusCode:
        """The code that is the whole of `text`, as RFC 3463 section 2 writes it.

        Anything else raises `SmtpFastError`: white space, leading zeros, a class but 2, 4 and 5.
        """
        written = octets(text)
        code = read_enhanced(written)
        if code is None:
            raise SmtpFastError(f"not an enhanced status code: {excerpt(written)}")
        return code

    @classmethod
    def _make(cls, iterable: Iterable[int]) -> EnhancedStatusCode:  # type: ignore[override]
        return cls(*iterable)

    @classmethod
    def from_int(cls, number: int) -> EnhancedStatusCode | None:
        """The code of a packed int, as the column `ReplyLines.enhanced` holds it; 0 is None."""
        if number == 0:
            return None
        return cls(number // 1_000_000, number // 1_000 % 1_000, number % 1_000)

    def __reduce__(self) -> tuple[type[EnhancedStatusCode], tuple[int, int, int]]:
        return EnhancedStatusCode, (self.class_, self.subject, self.detail)

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


def read_enhanced(written: bytes) -> EnhancedStatusCode | None:
    """The code that is the whole of `written`, by the grammar of RFC 3463 section 2; else None.

    That is class "." subject "." detail, the class 2, 4 or 5 (no other is defined), the others of
    one to three digits without a leading zero.
    """
    parts = written.split(b".")
    if len(parts) != 3 or parts[0] not in (b"2", b"4", b"5"):
        return None
    for part in parts:
        if not part.isdigit() or len(part) > 3 or (part[:1] == b"0" and part != b"0"):
            return None
    return EnhancedStatusCode(*map(int, parts))


# The registered codes by their dotted form: what is parsed most.
WRITTEN: Final = {str(code).encode(): code for code in REGISTERED.values()}
