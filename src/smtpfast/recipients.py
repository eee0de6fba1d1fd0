"""What a refusal of several recipients means, for each of them."""

from __future__ import annotations

from collections.abc import Mapping

from .classifier import default_classifier
from .records import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from .classifier import Classifier
    from .octets import Octets
    from .reasons import Diagnosis


def diagnose_recipients(
    refused: BaseException | Mapping[str, tuple[int, Octets]],
    *,
    classifier: Classifier | None = None,
) -> dict[str, Diagnosis]:
    """What the refusal of each recipient means, by address, in the order of the refusals.

    refused: `SMTPRecipientsRefused` of smtplib or aiosmtplib, aiosmtplib's `SMTPRecipientRefused`,
        or what `sendmail` of either returns of recipients that were refused while the mail went to
        others: code and text by address. Another exception or type is a `TypeError`.
    classifier: whose rules decide; by default those of the package.

    An address that is not in the answer was not refused. It has the mail if `sendmail` returned;
    if it raised, nobody has: smtplib asks for no more recipients behind a 421.
    """
    diagnose = (classifier or default_classifier()).diagnose
    recipients = refused if isinstance(refused, Mapping) else getattr(refused, "recipients", None)
    errors: dict[str, Any]
    if isinstance(recipients, Mapping):
        from smtplib import SMTPResponseException  # here, for it loads slowly

        errors = {name: SMTPResponseException(*reply) for name, reply in recipients.items()}
    elif isinstance(recipients, list):
        errors = {each.recipient: each for each in recipients}
    elif hasattr(refused, "recipient"):
        errors = {refused.recipient: refused}
    else:
        raise TypeError(f"expected refused recipients, not {type(refused).__name__}")
    return {name: diagnose(error, "RCPT") for name, error in errors.items()}
