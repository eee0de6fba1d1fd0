"""Percentiles of delays in bounded memory: a histogram whose steps grow with the delay."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..outcomes import DelayCounts

# What a percentile may be wrong by, as a share of it.
DELAY_ERROR: Final = 0.01
PERCENTILES: Final = (50, 90, 99)
# Each step is wider than the one before it by this; its middle is at most the error off its ends.
GROWTH: Final = (1 + DELAY_ERROR) / (1 - DELAY_ERROR)
# No log tells shorter ones than microseconds, and no queue keeps mail for 30 years.
_SHORTEST: Final = 1e-6
_LONGEST: Final = 1e9


@dataclass(frozen=True, slots=True)
class DelayRow:
    """How long it took, in seconds; `longest` is exact, the others to within 1%."""

    count: int
    p50: float
    p90: float
    p99: float
    longest: float


class Delays:
    """The delays that were added, as a histogram."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self._steps: Counter[int] = Counter()
        self._zeros = 0

    def add(self, seconds: float) -> None:
        """Count a delay; one below 0, of a clock that was set back, is 0; no number is none."""
        if not math.isfinite(seconds):
            return
        self.count += 1
        self.longest = max(self.longest, seconds)
        if seconds < _SHORTEST:
            self._zeros += 1
        else:
            self._steps[round(math.log(min(seconds, _LONGEST), GROWTH))] += 1

    def absorb(self, counts: DelayCounts) -> None:
        """Add what was counted elsewhere."""
        self.count += counts.total
        self.longest = max(self.longest, counts.longest)
        self._zeros += counts.zeros
        self._steps.update(counts.steps)

    def percentile(self, percent: int) -> float:
        """The shortest delay that at least `percent` in a hundred do not exceed."""
        rank = max(1, math.ceil(self.count * percent / 100))
        passed = self._zeros
        if rank <= passed:
            return 0.0
        for step in sorted(self._steps):
            passed += self._steps[step]
            if passed >= rank:
                return min(GROWTH**step, self.longest)
        return 0.0

    def row(self) -> DelayRow:
        """The percentiles; all 0 where there was no delay."""
        p50, p90, p99 = map(self.percentile, PERCENTILES)
        return DelayRow(self.count, p50, p90, p99, self.longest)
