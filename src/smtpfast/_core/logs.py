"""The part of the chosen core that reads logs by blocks; loaded when it is first asked for."""

from __future__ import annotations

from ..records import TYPE_CHECKING
from . import BACKEND

if TYPE_CHECKING or BACKEND == "pure":
    from .pure_logs import LogBlock, Senders, columns_of, count_blocks
else:
    from .compiled_logs import LogBlock, Senders, columns_of, count_blocks

__all__ = ["LogBlock", "Senders", "columns_of", "count_blocks"]
