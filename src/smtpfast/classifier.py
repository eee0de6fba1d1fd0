"""Classifiers: rules that say what a reply means, the default ones and a user's own."""

from __future__ import annotations

from functools import cache

from ._core.meaning import RuleMatcher
from .meaning import Diagnoses
from .records import TYPE_CHECKING
from .rules import RuleError, default_ruleset, ruleset_from

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike


class Classifier(RuleMatcher):
    """Says of replies why the server said it and what to do, by a set of rules.

    `Classifier.default()` has the rules that come with the package, as the functions
    `smtpfast.diagnose` and `smtpfast.diagnose_lines` do. It never changes: any number of threads
    may use one.
    """

    __slots__ = ()

    @classmethod
    def from_toml(cls, *paths: str | PathLike[str], with_defaults: bool = True) -> Classifier:
        """The rules of these files, in front of the default ones or, if so wanted, alone.

        A rule with the id of a default one replaces it. A rule that is no good is a `RuleError`
        with its file, itself and what is wrong; an unreadable file an `OSError`.
        """
        return cls(ruleset_from(paths, with_defaults=with_defaults))

    @staticmethod
    def default() -> Classifier:
        """The classifier of the default rules, always the same."""
        return default_classifier()

    def __reduce__(self) -> tuple[Callable[..., Classifier], tuple[object, ...]]:
        if self is default_classifier():
            return default_classifier, ()
        return Classifier, (self.ruleset,)


@cache
def default_classifier() -> Classifier:
    """The classifier of the default rules, which are read when it is first asked for."""
    return Classifier(default_ruleset())


diagnose = default_classifier().diagnose
diagnose_lines = default_classifier().diagnose_lines

__all__ = [
    "Classifier",
    "Diagnoses",
    "RuleError",
    "default_classifier",
    "diagnose",
    "diagnose_lines",
]
