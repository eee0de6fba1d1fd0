"""What earlier lines said of a queue id, for as long as it may matter; memory is bounded."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

Value = TypeVar("Value")

MOST_IDS: Final = 100_000


class Joins(Generic[Value]):
    """A dict that forgets what was noted first, once it has too much to remember."""

    def __init__(self, most: int = MOST_IDS) -> None:
        self._values: dict[str, Value] = {}
        self._most = most

    def note(self, key: str, value: Value) -> None:
        """Remember `value`, as the newest one."""
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._most:
            del self._values[next(iter(self._values))]

    def get(self, key: str) -> Value | None:
        """What was noted last for `key`, if that is still known."""
        return self._values.get(key)

    def forget(self, key: str) -> None:
        """Forget `key`, if it is known."""
        self._values.pop(key, None)
