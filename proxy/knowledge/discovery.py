"""Which tokens the vendor may be asked about, and when: each once in its time, and not many in a short time. Pure; clock passed in.

Somebody who sends made-up tokens must not make the proxy ask the vendor about each: what may be asked is a bucket that fills
slowly, and a vendor that says "too many" is left alone.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from proxy.credentials import Fingerprint

MAX_REMEMBERED: Final = 10_000
"""Tokens of which it is remembered that they were asked about; the oldest is forgotten first."""
BURST: Final = 5
PER_SECOND: Final = BURST / 60.0
"""RingCentral lets an app ask its login endpoints five times a minute (usage plan group "Auth")."""
MAX_PAUSE_S: Final = 3600.0

LEARNED: Final = "learned"
KNOWN: Final = "known"
NOTHING: Final = "nothing"
REFUSED: Final = "refused"
FAILED: Final = "failed"
RATE_LIMITED: Final = "rate_limited"
RESULTS: Final = (LEARNED, KNOWN, NOTHING, REFUSED, FAILED, RATE_LIMITED)
"""What comes of wanting to ask; `rate_limited` was not asked, the others were."""


class Schedule:
    """Decides whether to ask, and counts what came of it. `lifetime`: seconds until a token may be asked about again."""

    def __init__(self, lifetime: float, limit: int = MAX_REMEMBERED) -> None:
        self.lifetime = lifetime
        self.counts = dict.fromkeys(RESULTS, 0)
        self._limit = limit
        self._asked: OrderedDict[Fingerprint, float] = OrderedDict()
        self._tokens = float(BURST)
        self._filled_at = 0.0
        self._paused_until = 0.0

    def take(self, token: Fingerprint, now: float) -> bool:
        """Say whether to ask about `token` at `now`; a yes is given once in its time."""
        if now < self._asked.get(token, now):
            return False
        if not self._may_ask(now):
            self.counts[RATE_LIMITED] += 1
            return False
        self.note_asked(token, now + self.lifetime)
        return True

    def note_asked(self, token: Fingerprint, until: float) -> None:
        """Take note that the vendor was asked about `token`, and is not to be asked again before `until`."""
        self._asked[token] = until
        self._asked.move_to_end(token)
        if len(self._asked) > self._limit:
            self._asked.popitem(last=False)

    def asked(self) -> tuple[tuple[Fingerprint, float], ...]:
        """Return which tokens the vendor was asked about and until when each is left alone, the oldest first."""
        return tuple(self._asked.items())

    @property
    def balance(self) -> tuple[float, float, float]:
        """How many could be asked about, when that was, and until when the vendor is left alone."""
        return self._tokens, self._filled_at, self._paused_until

    @balance.setter
    def balance(self, balance: tuple[float, float, float]) -> None:
        self._tokens, self._filled_at, self._paused_until = balance

    def _may_ask(self, now: float) -> bool:
        self._tokens = min(float(BURST), self._tokens + (now - self._filled_at) * PER_SECOND) if self._filled_at else float(BURST)
        self._filled_at = now
        if now < self._paused_until or self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def pause(self, now: float, seconds: float) -> None:
        """Ask nothing for so many seconds, at most an hour: the vendor said that it is asked too often."""
        self._paused_until = max(self._paused_until, now + min(seconds, MAX_PAUSE_S))

    def count(self, result: str) -> None:
        """Count one answer."""
        self.counts[result] += 1
