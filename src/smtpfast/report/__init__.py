"""A log's summary: what came of the mail, who refused it and why, in plain values."""

from __future__ import annotations

from .shapes import shape_of
from .tally import Report

__all__ = ["Report", "shape_of"]
