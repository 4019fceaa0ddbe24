"""Moments as the logs write them: ISO 8601 in UTC with milliseconds."""

from __future__ import annotations

import time
from typing import Final

_MILLISECONDS: Final = tuple(f".{number:03d}Z" for number in range(1000))


class Timestamps:
    """Writes seconds since the epoch as ISO 8601 in UTC with milliseconds; remembers the last whole second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, at: float) -> str:
        """Return `2026-11-21T20:00:00.123Z` for a moment."""
        second = int(at)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return self._text + _MILLISECONDS[int((at - second) * 1e3)]


def timestamp(at: float) -> str:
    """Return a moment (seconds since the epoch) as ISO 8601 in UTC with milliseconds."""
    return Timestamps()(at)
