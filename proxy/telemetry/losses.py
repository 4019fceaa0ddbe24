"""Counts what a log could not take, until a record tells of it. Used by two threads."""

from __future__ import annotations

import threading
from typing import NamedTuple


class Gap(NamedTuple):
    """So many events are missing, the first and the last of these moments (seconds since the epoch)."""

    missing: int
    since: float
    until: float


class Losses:
    """Losses that no record has told of yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gap: Gap | None = None

    def note(self, at: float, count: int = 1) -> None:
        """Count events that were lost just now."""
        self.give_back(Gap(count, at, at))

    def take(self) -> Gap | None:
        """Return what is to be told, and forget it."""
        with self._lock:
            gap, self._gap = self._gap, None
        return gap

    def give_back(self, gap: Gap) -> None:
        """Add what could not be told after all."""
        with self._lock:
            known = self._gap
            self._gap = gap if known is None else Gap(known.missing + gap.missing, min(known.since, gap.since), max(known.until, gap.until))
