"""How far the reading is: a bar on standard error, by `rich`, if that is a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from .logfiles import LogFiles

# Shorter is not worth a bar.
FIRST_SECONDS = 1.0


class Progress:
    """The bar of what `logs` has read; none without rich, or if standard error is no terminal."""

    def __init__(self, logs: LogFiles) -> None:
        self._logs = logs
        self._bar: Bar | None = None
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._first = time.monotonic() + FIRST_SECONDS if is_terminal else float("inf")

    def show(self) -> None:
        """Say it again, if it is time."""
        if self._bar is None and time.monotonic() >= self._first:
            self._bar = _bar(self._logs.bytes_total)
            self._first = float("inf")
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._logs.bytes_read)

    def clear(self) -> None:
        """Take the bar away, if there is one."""
        if self._bar is not None:
            self._bar.stop()


def _bar(total: int) -> Bar | None:
    try:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
    except ModuleNotFoundError:
        return None
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("", total=total or None)  # of standard input nobody knows
    bar.start()
    return bar
