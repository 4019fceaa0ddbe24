"""Changes on their way to the disk: per row only the newest counts, and there is a bound. Handed over between two threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_PENDING: Final = 50_000

GRANT: Final = "grant"
TIE: Final = "tie"
SHAPE: Final = "shape"
USER: Final = "user"
USAGE: Final = "usage"
SCORE: Final = "score"
PROPOSAL: Final = "proposal"
KINDS: Final = (GRANT, TIE, SHAPE, USER, USAGE, SCORE, PROPOSAL)
OF_TOKENS: Final = (GRANT, TIE)
OF_EVIDENCE: Final = (USAGE, SCORE, PROPOSAL)
"""Rows of ledgers: they end by the wall clock, and are not wiped, because what is out of date in them denies nothing."""


class Place(NamedTuple):
    """Which row: there is at most one per place. `key` tells nothing to whoever lacks the keys."""

    kind: str
    vendor: str
    key: bytes

    def label(self) -> bytes:
        """Return the place as bytes, no two places alike: what a sealed row is bound to."""
        kind, vendor = self.kind.encode(), self.vendor.encode()
        return b"%d:%s%d:%s%s" % (len(kind), kind, len(vendor), vendor, self.key)


class Value(NamedTuple):
    """What a row shall hold. `encode` is called on the writing thread; `ends` is a moment, None: never.

    It is one of the steady clock, or of the wall clock where the row is evidence.
    """

    encode: Callable[[], bytes]
    ends: float | None = None


@dataclass(slots=True)
class Batch:
    """Changes to be made together: first everything but evidence goes (`wiped`) or what vendors' tokens had (`cleared`), then
    `changes` are made.

    A change to None takes the row away.
    """

    changes: dict[Place, Value | None] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)
    wiped: bool = False

    def __bool__(self) -> bool:
        return bool(self.changes or self.cleared or self.wiped)

    def clear(self, vendor: str) -> None:
        """Take away what is known about the tokens of a vendor."""
        self.changes = {place: value for place, value in self.changes.items() if place.vendor != vendor or place.kind not in OF_TOKENS}
        self.cleared.add(vendor)

    def before(self, newer: Batch) -> Batch:
        """Return this batch and a newer one as one."""
        if newer.wiped:
            newer.changes = evidence_in(self.changes) | newer.changes
            return newer
        for vendor in newer.cleared:
            self.clear(vendor)
        self.changes |= newer.changes
        return self


class Pending:
    """The changes that are not written yet.

    Beyond `limit` rows nothing more is remembered: all that is waiting is dropped, and so must be what is on the disk, because
    some of it would be out of date. Knowledge may be lost, but what was forgotten never comes back. Evidence stays, unless it is
    too much itself.
    """

    def __init__(self, limit: int = MAX_PENDING) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._batch = Batch()
        self._taken = 0
        self.overflowed = 0
        """How many changes were dropped."""

    def __len__(self) -> int:
        return len(self._batch.changes) + self._taken

    def put(self, place: Place, value: Value | None) -> None:
        """Add a change."""
        with self._lock:
            self._batch.changes[place] = value
            self._bound()

    def clear(self, vendor: str) -> None:
        """Take away what is known about the tokens of a vendor."""
        with self._lock:
            self._batch.clear(vendor)

    def wipe(self) -> None:
        """Take away every row of knowledge, the changes until now included."""
        with self._lock:
            self._batch = Batch(evidence_in(self._batch.changes), wiped=True)

    def take(self) -> Batch:
        """Take the changes out, to write them; until `done` or `give_back` they still count as not written."""
        with self._lock:
            batch, self._batch = self._batch, Batch()
            self._taken = len(batch.changes)
        return batch

    def done(self) -> None:
        """Note that what was taken is written."""
        self._taken = 0

    def give_back(self, batch: Batch) -> None:
        """Put changes that could not be written back, before those that came in the meantime."""
        with self._lock:
            self._batch = batch.before(self._batch)
            self._taken = 0
            self._bound()

    def _bound(self) -> None:
        if len(self._batch.changes) > self._limit:
            kept = evidence_in(self._batch.changes)
            if len(kept) > self._limit // 2:
                kept = {}
            self.overflowed += len(self._batch.changes) - len(kept)
            self._batch = Batch(kept, wiped=True)


def evidence_in(changes: Mapping[Place, Value | None]) -> dict[Place, Value | None]:
    """Return the changes of rows that are evidence."""
    return {place: value for place, value in changes.items() if place.kind in OF_EVIDENCE}
