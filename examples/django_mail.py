"""What came of a mail that Django sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smtpfast import diagnose

if TYPE_CHECKING:
    from django.core.mail import EmailMessage

    from smtpfast import Diagnosis


def send(message: EmailMessage) -> Diagnosis | None:
    """Send a mail to its one recipient; None if the server took it, else why it did not."""
    try:
        message.send()
    except OSError as error:  # smtplib.SMTPException is one
        return diagnose(error)
    return None
