"""What may be done only so often, by all workers together: each tells what it has taken, in its turn, and all go on from there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import orjson

from proxy.credentials import Fingerprint
from proxy.evidence.sampling import DenialSample
from proxy.knowledge.discovery import Schedule
from proxy.workers.changes import note
from proxy.workers.spreading import Spreading

_SAMPLED, _ASKED = "sampled", "asked"
_MOST_AT_ONCE: Final = 500
"""Tokens that one record tells of."""


class Rations:
    """One process's view of what is left of each vendor's bounds. Those who begin are told it."""

    def __init__(self, spreading: Spreading) -> None:
        self.spreading = spreading
        self.sampled: dict[str, tuple[float, float]] = {}
        """The balance of each vendor's sample, once something was taken."""
        self._schedules: dict[str, ScheduleInTurns] = {}
        spreading.on_note(_SAMPLED, self._hear_sampled)
        spreading.on_note(_ASKED, self._hear_asked)
        spreading.always_tell(self._everything)

    def sample(self, vendor: str, rate: float, per_minute: float, now: Callable[[], float], chance: Callable[[], float]) -> DenialSample:
        """Return a process's part in the sample of a vendor's denials."""
        return SampleInTurns(self, vendor, rate, per_minute, now, chance)

    def schedule(self, vendor: str) -> Schedule:
        """Return when a vendor may be asked about tokens."""
        schedule = self._schedules.get(vendor)
        if schedule is None:
            schedule = self._schedules[vendor] = ScheduleInTurns(self.spreading, vendor)
        return schedule

    def _hear_sampled(self, data: bytes) -> None:
        vendor, left, filled_at = orjson.loads(data)
        self.sampled[vendor] = (left, filled_at)

    def _hear_asked(self, data: bytes) -> None:
        vendor, (left, filled_at, paused_until), asked = orjson.loads(data)
        schedule = self.schedule(vendor)
        schedule.balance = (left, filled_at, paused_until)
        for token, until in asked:
            schedule.note_asked(bytes.fromhex(token), until)

    def _everything(self) -> Iterator[bytes]:
        for vendor, balance in self.sampled.items():
            yield note(_SAMPLED, orjson.dumps([vendor, *balance]))
        for schedule in self._schedules.values():
            asked = schedule.asked()
            for start in range(0, len(asked) or 1, _MOST_AT_ONCE):
                yield note(_ASKED, schedule.told(asked[start : start + _MOST_AT_ONCE]))


class SampleInTurns(DenialSample):
    """A sample whose bound holds for all processes."""

    def __init__(
        self, rations: Rations, vendor: str, rate: float, per_minute: float, now: Callable[[], float], chance: Callable[[], float]
    ) -> None:
        super().__init__(rate, per_minute, now, chance)
        self._rations = rations
        self._vendor = vendor

    def _spend(self) -> bool:
        spreading, balances = self._rations.spreading, self._rations.sampled
        with spreading.turn():
            self.balance = balances.get(self._vendor, self.balance)
            taken = super()._spend()
            if taken:
                balances[self._vendor] = self.balance
                spreading.note(_SAMPLED, orjson.dumps([self._vendor, *self.balance]))
        return taken


class ScheduleInTurns(Schedule):
    """A schedule that all processes keep together."""

    def __init__(self, spreading: Spreading, vendor: str) -> None:
        super().__init__(0.0)
        self._spreading = spreading
        self._vendor = vendor

    def take(self, token: Fingerprint, now: float) -> bool:
        """Say whether to ask about `token` at `now`; a yes is given to one process, once in its time."""
        with self._spreading.turn():
            taken = super().take(token, now)
            if taken:
                self._spreading.note(_ASKED, self.told([(token, now + self.lifetime)]))
        return taken

    def pause(self, now: float, seconds: float) -> None:
        """Have nobody ask anything for so many seconds."""
        with self._spreading.turn():
            super().pause(now, seconds)
            self._spreading.note(_ASKED, self.told([]))

    def told(self, asked: Iterable[tuple[Fingerprint, float]]) -> bytes:
        """Return what others must know: what is left, and about which tokens the vendor was asked."""
        return orjson.dumps([self._vendor, self.balance, [[token.hex(), until] for token, until in asked]])
