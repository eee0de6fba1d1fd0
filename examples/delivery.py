"""Send a mail to one recipient with smtplib, so that what is raised tells of the mail."""

from __future__ import annotations

import contextlib
import smtplib


def deliver(host: str, port: int, sender: str, recipient: str, message: str) -> None:
    """Send a mail to one recipient; an `OSError`, such as smtplib's, says why it was not taken."""
    server = smtplib.SMTP(host, port, timeout=60)
    try:
        server.sendmail(sender, recipient, message)
    finally:
        # Whatever comes of this: `with smtplib.SMTP(…)` would raise it.
        with contextlib.suppress(OSError):
            server.quit()
