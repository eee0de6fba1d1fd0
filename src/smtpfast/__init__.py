"""Understand what mail servers say: SMTP status codes, reply lines and reply streams."""

from ._core import BACKEND, classify, classify_lines, classify_many, describe, find_enhanced, lookup
from .defects import Defect, find_defects
from .enhanced import EnhancedStatusCode
from .errors import ReplySyntaxError, ReplyTooLarge, SmtpFastError
from .reply import Reply, ReplyLine, ReplyLines
from .status import Category, Severity, SmtpStatusCode
from .stream import ReplyParser

# As in records.py, and gone at once: it is no name of ours.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from .classifier import Classifier, diagnose, diagnose_lines
    from .meaning import Diagnoses
    from .reasons import Diagnosis, Disposition, Reason
    from .recipients import diagnose_recipients
    from .rules import RuleError
del TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "BACKEND",
    "Category",
    "Classifier",
    "Defect",
    "Diagnoses",
    "Diagnosis",
    "Disposition",
    "EnhancedStatusCode",
    "Reason",
    "Reply",
    "ReplyLine",
    "ReplyLines",
    "ReplyParser",
    "ReplySyntaxError",
    "ReplyTooLarge",
    "RuleError",
    "Severity",
    "SmtpFastError",
    "SmtpStatusCode",
    "__version__",
    "classify",
    "classify_lines",
    "classify_many",
    "describe",
    "diagnose",
    "diagnose_lines",
    "diagnose_recipients",
    "find_defects",
    "find_enhanced",
    "lookup",
]


def __getattr__(name: str) -> object:
    """What says what replies mean is loaded when it is first asked for: it takes its time."""
    if name in ("Diagnosis", "Disposition", "Reason"):
        from . import reasons

        value = getattr(reasons, name)
    elif name in ("Classifier", "Diagnoses", "RuleError", "diagnose", "diagnose_lines"):
        from . import classifier

        value = getattr(classifier, name)
    elif name == "diagnose_recipients":
        from . import recipients

        value = recipients.diagnose_recipients
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
