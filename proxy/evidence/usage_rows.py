"""One row of usage: who did what with which rights, first, last, how often, on which days; and rows ⇄ bytes. Pure."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, Final, NamedTuple

VERSION: Final = 1
DAY_S: Final = 86_400
MAX_DAYS: Final = 4096
"""Days after the first one for which a row notes whether it was used."""

Right = tuple[str, str]
"""A scope and the resource it is bound to, "" where it holds everywhere."""


class RowKind(StrEnum):
    """What a row counts."""

    OPERATION = "operation"
    """Calls of a catalogued operation that the vendor answered with success."""
    PARTIAL = "partial"
    """Calls of it that the vendor answered with 207: which parts succeeded stands in the body, which nobody reads."""
    ROUTE = "route"
    """Calls that succeeded, of no catalogued operation; `name` is method and path without whatever looks like a value."""
    TOKEN = "token"  # noqa: S105 - a kind of row
    """Requests with a token whose rights are known; `name` is where that knowledge comes from."""
    WINDOW = "window"
    """Since when a vendor's traffic is observed; `lost` counts rows that had to be given up."""


class Granted(NamedTuple):
    """Rights that a token was seen to be granted. `whole`: all of them; else all of them on `resources`."""

    rights: frozenset[Right]
    whole: bool = True
    resources: frozenset[str] = frozenset()


class UsageKey(NamedTuple):
    """Which row. `granted` is None where it is not known; `resources` are those the request named, None where it named none of many."""

    vendor: str
    client: str
    subject: str
    kind: RowKind
    name: str
    resources: tuple[str, ...] | None = ()
    granted: Granted | None = None


class UsageRow:
    """One row. Moments are wall times in seconds; bit n of `days` says that it was used n days after `base_day` (days since 1970)."""

    __slots__ = ("base_day", "count", "days", "first", "key", "last", "live", "lost", "quiet_from", "quiet_until", "saved", "text", "token")

    def __init__(self, key: UsageKey, first: float, last: float, count: int = 0, days: int = 0, base_day: int = 0, lost: int = 0) -> None:
        self.key = key
        self.first = first
        self.last = last
        self.count = count
        self.days = days
        self.base_day = base_day or int(first // DAY_S)
        self.lost = lost
        self.saved = -1
        self.live = True
        self.quiet_from = 0.0
        self.quiet_until = 0.0
        self.token: UsageRow | None = None
        self.text = json.dumps(_key_members(key))

    def mark(self, day: int) -> None:
        """Note that it was used on a day (since 1970)."""
        if 0 <= day - self.base_day < MAX_DAYS:
            self.days |= 1 << (day - self.base_day)

    def add(self, other: UsageRow) -> None:
        """Add what another row of the same key counted."""
        if other.base_day < self.base_day:
            self.days <<= self.base_day - other.base_day
            self.base_day = other.base_day
        for day in other.active_days():
            self.mark(day)
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.count += other.count
        self.lost += other.lost

    def active_days(self) -> list[int]:
        """Return the days (since 1970) on which it was used."""
        return [self.base_day + bit for bit in range(self.days.bit_length()) if self.days >> bit & 1]

    def encode(self) -> bytes:
        """Return the row as bytes, as it is now."""
        values = [self.first, self.last, self.count, f"{self.days:x}", self.base_day, self.lost]
        return json.dumps([VERSION, _key_members(self.key), *values]).encode("ascii")


def decode_row(data: bytes) -> UsageRow:
    """Return a row that `encode` wrote; raise `ValueError`, `TypeError` or `KeyError`."""
    version, key, first, last, count, days, base_day, lost = json.loads(data)
    if version != VERSION:
        raise ValueError("written by another version")
    row = UsageRow(_key(key), float(first), float(last), int(count), int(days, 16), int(base_day), int(lost))
    row.saved = row.count
    return row


def _key_members(key: UsageKey) -> list[Any]:
    granted = key.granted
    members = None if granted is None else [sorted(granted.rights), granted.whole, sorted(granted.resources)]
    return [key.vendor, key.client, key.subject, key.kind.value, key.name, key.resources, members]


def _key(members: list[Any]) -> UsageKey:
    vendor, client, subject, kind, name, resources, granted = members
    named = None if resources is None else tuple(resources)
    return UsageKey(vendor, client, subject, RowKind(kind), name, named, None if granted is None else _granted(*granted))


def _granted(rights: list[list[str]], whole: bool, resources: list[str]) -> Granted:
    return Granted(frozenset((scope, resource) for scope, resource in rights), whole, frozenset(resources))
