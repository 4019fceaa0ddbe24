"""Which local denials are sent through to keep the score honest: a random share, and never more than so many a minute.

Pure: clock and chance are passed in.
"""

from __future__ import annotations

from collections.abc import Callable


class DenialSample:
    """Chooses a share `rate` (0 to 1) of denials, at most `per_minute` on average and at once.

    `now` returns seconds of a clock that never jumps, `chance` a number from 0 up to but without 1.
    """

    def __init__(self, rate: float, per_minute: float, now: Callable[[], float], chance: Callable[[], float]) -> None:
        self._rate = rate
        self._per_second = per_minute / 60.0
        self._most = max(1.0, per_minute)
        self._now = now
        self._chance = chance
        self._left = self._most
        self._filled_at = now()

    def take(self) -> bool:
        """Say whether this denial is sent through; it counts against the bound then."""
        return self._chance() < self._rate and self._spend()

    @property
    def balance(self) -> tuple[float, float]:
        """How many could be sent through, and when that was, on the clock that never jumps."""
        return self._left, self._filled_at

    @balance.setter
    def balance(self, balance: tuple[float, float]) -> None:
        self._left, self._filled_at = balance

    def _spend(self) -> bool:
        now = self._now()
        left = min(self._most, self._left + (now - self._filled_at) * self._per_second)
        if left < 1.0:
            return False  # and nothing is noted: several processes then round alike, however often each was asked
        self._left, self._filled_at = left - 1.0, now
        return True
