"""The retry policy in a task of Celery."""

from __future__ import annotations

from celery import Celery, Task
from delivery import deliver
from retry_policy import retry_delay

app = Celery("mailing", broker="memory://")


@app.task(bind=True, max_retries=None)
def deliver_later(
    task: Task, host: str, port: int, sender: str, recipient: str, message: str
) -> None:
    """Send a mail to one recipient, again and again if that may help."""
    try:
        deliver(host, port, sender, recipient, message)
    except OSError as error:  # smtplib.SMTPException, ConnectionError and TimeoutError are such
        delay = retry_delay(error, task.request.retries + 1)
        if delay is None:
            raise
        raise task.retry(exc=error, countdown=delay) from error
