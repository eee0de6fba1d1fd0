"""The part of the chosen core that reads and writes Arrow; loaded when it is first asked for."""

from __future__ import annotations

from ..records import TYPE_CHECKING
from . import BACKEND

if TYPE_CHECKING or BACKEND == "pure":
    from .pure_arrow import PLUGIN, ArrowStream, ArrowTable, packed, share_default, table
else:
    from .compiled_arrow import ArrowStream, ArrowTable, packed, share_default, table
    from .compiled_arrow import __file__ as PLUGIN  # noqa: N812

__all__ = ["PLUGIN", "ArrowStream", "ArrowTable", "packed", "share_default", "table"]
