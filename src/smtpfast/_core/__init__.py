"""Chooses the core: SMTPFAST_BACKEND is `auto` (the default), `pure` or `compiled`.

`auto` takes the compiled core where it was built. One that was built but does not load raises its
own ImportError: absent is fine, broken is loud.
"""

from __future__ import annotations

import os

from ..errors import SmtpFastError
from ..records import TYPE_CHECKING

wanted = os.environ.get("SMTPFAST_BACKEND", "auto")
if wanted not in ("auto", "pure", "compiled"):
    raise SmtpFastError(f"SMTPFAST_BACKEND={wanted!r}: expected auto, pure or compiled")

# What meaning.py, logs.py and arrow.py load when they are asked for.
PARTS = ("meaning", "logs", "arrow")
BACKEND = "pure"
if not TYPE_CHECKING and wanted != "pure":
    try:
        from .compiled import (
            StreamState,
            classify,
            classify_lines,
            classify_many,
            describe,
            find_enhanced,
            lookup,
        )
        from .compiled import __file__ as extension

        # The build may leave out each extension; one without the others is no compiled core.
        folder, name = os.path.split(extension)
        if {name.replace(".", f"_{part}.", 1) for part in PARTS} - {*os.listdir(folder)}:
            message = "the compiled core is incomplete: install smtpfast again"
            raise ModuleNotFoundError(message, name=f"{__name__}.compiled")
        BACKEND = "compiled"
    except ModuleNotFoundError as error:
        if wanted == "compiled" or error.name != f"{__name__}.compiled":
            raise

if BACKEND == "pure":
    from .pure import (
        StreamState,
        classify,
        classify_lines,
        classify_many,
        describe,
        find_enhanced,
        lookup,
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
]
