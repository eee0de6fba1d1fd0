"""Understand what mail servers say: SMTP status codes, reply lines and reply streams."""

from ._core import BACKEND, classify, classify_lines, classify_many, describe, find_enhanced, lookup
from .defects import Defect, find_defects
from .enhanced import EnhancedStatusCode
from .errors import ReplySyntaxError, ReplyTooLarge, SmtpFastError
from .reply import Reply, ReplyLine, ReplyLines
from .status import Category, Severity, SmtpStatusCode
from .stream import ReplyParser

__version__ = "0.1.0"

__all__ = [
    "BACKEND",
    "Category",
    "Defect",
    "EnhancedStatusCode",
    "Reply",
    "ReplyLine",
    "ReplyLines",
    "ReplyParser",
    "ReplySyntaxError",
    "ReplyTooLarge",
    "Severity",
    "SmtpFastError",
    "SmtpStatusCode",
    "__version__",
    "classify",
    "classify_lines",
    "classify_many",
    "describe",
    "find_defects",
    "find_enhanced",
    "lookup",
]
