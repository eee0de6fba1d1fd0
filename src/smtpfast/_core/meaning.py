"""The part of the chosen core that says what replies mean; loaded when it is first asked for."""

from __future__ import annotations

from ..records import TYPE_CHECKING
from . import BACKEND

if TYPE_CHECKING or BACKEND == "pure":
    from .pure_meaning import RuleMatcher
else:
    from .compiled_meaning import RuleMatcher

__all__ = ["RuleMatcher"]
