"""Reply streams for programs that speak SMTP: bytes go in, replies come out, no I/O."""

from __future__ import annotations

from ._core import StreamState


class ReplyParser(StreamState):
    """Turns the bytes that an SMTP server sends into replies, however they are cut.

    `feed` takes the bytes, `buffered` tells what waits, `reset` forgets it. LF ends a line, with
    any number of CR before it. Memory and work are linear in the input: a line is parsed once,
    when its LF arrives. Limits, each a positive int, beyond which `feed` raises `ReplyTooLarge`:

    max_line_bytes: octets of one line with its line end (RFC 5321 section 4.5.3.1.5 says 512).
    max_lines: lines of one reply.
    max_reply_bytes: octets of one reply with its line ends.

    One parser serves one connection, and one thread at a time. While no reply is under way it
    holds nothing of the connection.
    """

    __slots__ = ()
