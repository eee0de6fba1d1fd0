"""The retry policy with tenacity, for delays that a process may sleep through."""

from __future__ import annotations

from delivery import deliver
from retry_policy import retry_delay
from tenacity import RetryCallState, retry

PATIENCE = 15 * 60.0


def delay_behind(state: RetryCallState) -> float | None:
    """What `retry_delay` says of the attempt that has just failed."""
    error = state.outcome.exception() if state.outcome else None
    return retry_delay(error, state.attempt_number) if error else None


def is_enough(state: RetryCallState) -> bool:
    """Whether to leave the mail to the caller, who may queue it or give it up."""
    delay = delay_behind(state)
    return delay is None or delay > PATIENCE


def time_to_wait(state: RetryCallState) -> float:
    """The delay in seconds; tenacity asks even where it will stop."""
    return delay_behind(state) or 0.0


deliver_with_patience = retry(wait=time_to_wait, stop=is_enough, reraise=True)(deliver)
