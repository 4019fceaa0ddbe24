"""Rows of the ledger of usage, by vendor and app (and token subject, where asked for). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proxy.catalogs.catalog import Catalog
from proxy.evidence.usage_rows import DAY_S, RowKind, UsageRow
from proxy.model import Operation

DEFAULT_MIN_DAYS: Final = 30
"""Days that a window should have: a monthly job is not seen in a shorter one."""


class VendorFacts(NamedTuple):
    """What a report must know of a vendor. `implied_by` is empty where scopes are read to the letter."""

    catalog: Catalog
    implied_by: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Question:
    """What a report shall be about; "" is everybody. `since` is a wall time in seconds: use before it is left out.

    `by_subject`: tell the subjects of tokens (users, accounts) apart. They are personal data.
    """

    vendor: str = ""
    client: str = ""
    since: float = 0.0
    by_subject: bool = False
    min_days: int = DEFAULT_MIN_DAYS


class GroupKey(NamedTuple):
    """Whose rows. `subject` is None where subjects are not told apart."""

    vendor: str
    client: str
    subject: str | None


class Used(NamedTuple):
    """A row and its operation in the catalogue as it is now."""

    row: UsageRow
    operation: Operation


@dataclass(slots=True)
class Group:
    """Everything that was seen of one app at one vendor. Moments are wall times in seconds."""

    key: GroupKey
    facts: VendorFacts
    observed_from: float
    lost_rows: int
    used: list[Used] = field(default_factory=list)
    partial: list[UsageRow] = field(default_factory=list)
    routes: list[UsageRow] = field(default_factory=list)
    removed: list[UsageRow] = field(default_factory=list)
    """Use of operations that the catalogue has no longer."""
    tokens: list[UsageRow] = field(default_factory=list)

    @property
    def successes(self) -> list[UsageRow]:
        """Return all rows that count successful calls."""
        return [*(used.row for used in self.used), *self.routes, *self.removed]

    def active_days(self) -> set[int]:
        """Return the days (since 1970) with successful calls."""
        return {day for row in self.successes for day in row.active_days()}

    def add(self, row: UsageRow, operations: Mapping[str, Operation]) -> None:
        """Put a row where it belongs."""
        operation = operations.get(row.key.name)
        if row.key.kind is RowKind.TOKEN:
            self.tokens.append(row)
        elif row.key.kind is RowKind.ROUTE:
            self.routes.append(row)
        elif row.key.kind is RowKind.PARTIAL:
            self.partial.append(row)
        elif operation is None:
            self.removed.append(row)
        else:
            self.used.append(Used(row, operation))


def grouped(rows: Iterable[UsageRow], vendors: Mapping[str, VendorFacts], question: Question) -> list[Group]:
    """Return what a question is about, by group, in a fixed order. Rows of vendors that are not configured are left out."""
    kept = [row for row in rows if row.key.vendor in vendors and question.vendor in ("", row.key.vendor)]
    windows = {row.key.vendor: row for row in kept if row.key.kind is RowKind.WINDOW}
    operations = {name: {operation.id: operation for operation in facts.catalog.operations} for name, facts in vendors.items()}
    groups = dict[GroupKey, Group]()
    for row in sorted(kept, key=lambda row: row.text):
        if row.key.kind is RowKind.WINDOW or question.client not in ("", row.key.client) or row.last < question.since:
            continue
        key = GroupKey(row.key.vendor, row.key.client, row.key.subject if question.by_subject else None)
        if key not in groups:
            groups[key] = _group(key, vendors[key.vendor], windows.get(key.vendor), row, question)
        groups[key].add(row, operations[key.vendor])
    return [groups[key] for key in sorted(groups, key=lambda key: (key.vendor, key.client, key.subject or ""))]


def _group(key: GroupKey, facts: VendorFacts, window: UsageRow | None, row: UsageRow, question: Question) -> Group:
    begun = row.first if window is None else window.first
    return Group(key, facts, max(begun, question.since), 0 if window is None else window.lost)


def day_of(at: float) -> int:
    """Return the day (since 1970, UTC) of a wall time."""
    return int(at // DAY_S)
