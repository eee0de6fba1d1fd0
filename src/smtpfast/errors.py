"""The errors of smtpfast: one root, and a child where a caller would act differently."""

from __future__ import annotations

from .records import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .reply import Reply

_SHOWN_BYTES = 80


def excerpt(line: bytes) -> str:
    """The `repr` of at most the first 80 bytes of `line`, for a message."""
    return repr(line) if len(line) <= _SHOWN_BYTES else f"{line[:_SHOWN_BYTES]!r}…"


class SmtpFastError(ValueError):
    """The root of all errors that smtpfast raises on purpose, wrong types (`TypeError`) apart."""


class ReplySyntaxError(SmtpFastError):
    """What arrived is no SMTP reply: the session is out of step or the peer speaks something else.

    line: the offending line with its line end, as bytes.
    replies: the replies that the same call had completed before that line.
    """

    def __init__(self, line: bytes, replies: Sequence[Reply] = ()) -> None:
        super().__init__(line, replies)
        self.line = line
        self.replies = replies

    def __str__(self) -> str:
        return f"not an SMTP reply line: {excerpt(self.line)}"


class ReplyTooLarge(SmtpFastError):  # noqa: N818
    """A reply went beyond one of the parser's limits.

    limit: the limit's name, as `ReplyParser` takes it.
    allowed: the limit's value.
    replies: the replies that the same call had completed before the one that is too large.
    """

    def __init__(self, limit: str, allowed: int, replies: Sequence[Reply] = ()) -> None:
        super().__init__(limit, allowed, replies)
        self.limit = limit
        self.allowed = allowed
        self.replies = replies

    def __str__(self) -> str:
        return f"reply beyond {self.limit}={self.allowed}"


class InputError(SmtpFastError):
    """An input cannot be used: the text says which, where and why."""

    @classmethod
    def of(cls, name: str, error: OSError) -> InputError:
        """An input that the system does not give."""
        return cls(f"{name}: {error.strerror or error}")
