"""Equal values kept once. Thousands of tokens of one app have the same scopes, and one set of them is enough. Pure."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

MAX_SHARED: Final = 1024

Value = TypeVar("Value")


class Sharing(Generic[Value]):
    """Returns for each value the first equal one it saw. Beyond `limit` it begins anew, which costs memory and nothing else."""

    def __init__(self, limit: int = MAX_SHARED) -> None:
        self._limit = limit
        self._kept: dict[Value, Value] = {}

    def __call__(self, value: Value) -> Value:
        """Return the value that is shared."""
        if len(self._kept) >= self._limit:
            self._kept.clear()
        return self._kept.setdefault(value, value)
