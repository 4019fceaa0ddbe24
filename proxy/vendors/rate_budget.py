"""What a vendor's answers say is left of its rate limits: the least of the last minute or two, by group. Pure.

Looked at now and then, on answers that are complete already (`wire/channel.py`), never on the way of a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

WINDOW_S: Final = 60.0
"""The window of RingCentral's limits, and for how long a low number is told at least; at most twice as long."""
OTHER_GROUP: Final = "other"
_MOST: Final = 1_000_000_000


class RateFields(NamedTuple):
    """The names of the fields in which a vendor tells its limits, in lower case, and the closed list of its groups."""

    group: str
    limit: str
    remaining: str
    groups: frozenset[str]


class Left(NamedTuple):
    """So many requests of so many."""

    remaining: int
    limit: int

    @property
    def share(self) -> float:
        """The part that is left, from 0 to 1."""
        return self.remaining / self.limit


class RateBudget:
    """The least that was left in each group; times are seconds of any one clock."""

    def __init__(self, fields: RateFields) -> None:
        self.fields = fields
        names = "|".join(map(re.escape, fields[:3]))
        self._pattern = re.compile(rf"^({names}):[ \t]*([!-~]{{1,32}})[ \t]*\r?$".encode(), re.IGNORECASE | re.MULTILINE)
        self._now: dict[str, Left] = {}
        self._before: dict[str, Left] = {}
        self._begun = 0.0

    def heard(self, block: bytes, now: float) -> None:
        """Take note of the header lines of one answer; those that do not tell all three things plainly are passed over."""
        told = {name.decode().lower(): value.decode() for name, value in self._pattern.findall(block)}
        left = _read_left(told.get(self.fields.remaining, ""), told.get(self.fields.limit, ""))
        group = told.get(self.fields.group, "").lower()
        if left is None or not group:
            return
        self._turn(now)
        group = group if group in self.fields.groups else OTHER_GROUP
        self._now[group] = _least(self._now.get(group), left)

    def _turn(self, now: float) -> None:
        """Begin a new minute where one is over."""
        age = now - self._begun
        if age >= WINDOW_S:
            self._before = self._now if age < 2 * WINDOW_S else {}
            self._now, self._begun = {}, now

    def least(self, now: float) -> Mapping[str, Left]:
        """Return by group the least that was left lately; nothing of a group that was not heard of."""
        self._turn(now)
        found = dict(self._before)
        for group, left in self._now.items():
            found[group] = _least(found.get(group), left)
        return found


def _read_left(remaining: str, limit: str) -> Left | None:
    if not (remaining.isdigit() and limit.isdigit()):
        return None
    left = Left(int(remaining), int(limit))
    return left if 0 < left.limit <= _MOST and left.remaining <= _MOST else None


def _least(known: Left | None, left: Left) -> Left:
    return left if known is None or left.share <= known.share else known
