"""Chooses the core: SMTPFAST_BACKEND is `auto` (the default), `pure` or `compiled`.

`auto` takes the compiled core where it was built. One that was built but does not load raises its
own ImportError: absent is fine, broken is loud.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..errors import SmtpFastError

BACKEND = os.environ.get("SMTPFAST_BACKEND", "auto")

if BACKEND not in ("auto", "pure", "compiled"):
    raise SmtpFastError(f"SMTPFAST_BACKEND={BACKEND!r}: expected auto, pure or compiled")
if BACKEND == "auto":
    BACKEND = "pure" if find_spec(f"{__name__}.compiled") is None else "compiled"

if TYPE_CHECKING or BACKEND == "pure":
    from .pure import (
        StreamState,
        classify,
        classify_lines,
        classify_many,
        describe,
        find_enhanced,
        lookup,
        octets,
    )
else:
    from .compiled import (
        StreamState,
        classify,
        classify_lines,
        classify_many,
        describe,
        find_enhanced,
        lookup,
        octets,
    )

__all__ = [
    "BACKEND",
    "StreamState",
    "classify",
    "classify_lines",
    "classify_many",
    "describe",
    "find_enhanced",
    "lookup",
    "octets",
]
