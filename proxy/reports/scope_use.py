"""Which scopes apps were granted and used last, as metrics: kept up to date as rows change, so that a scrape only reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from proxy.evidence.usage_rows import DAY_S, RowKind, UsageRow
from proxy.reports.grouping import Group, GroupKey, Used, VendorFacts
from proxy.reports.privileges import Privileges
from proxy.telemetry.labels import UNKNOWN, KnownLabels, Reading, Values

_Labels = tuple[str, ...]
FRESH_S: Final = float(DAY_S)
"""A scope counts as granted while it was seen granted within this time of the app's newest known token."""


class ScopeUse:
    """Hears of rows that changed (`heard`), and tells numbers by vendor, app and scope; labels are known ones only."""

    def __init__(self, vendors: Mapping[str, VendorFacts], known: KnownLabels) -> None:
        self.know(vendors, known)
        self._used: dict[_Labels, float] = {}
        self._granted: dict[_Labels, float] = {}
        self._newest: dict[_Labels, float] = {}

    def know(self, vendors: Mapping[str, VendorFacts], known: KnownLabels) -> None:
        """Read rows as a new configuration says from now on."""
        self._vendors, self._known = vendors, known
        self._operations = {name: {row.id: row for row in facts.catalog.operations} for name, facts in vendors.items()}

    def heard(self, row: UsageRow) -> None:
        """Take note of a row as it is now."""
        vendor = row.key.vendor
        if vendor not in self._vendors:
            return
        client = row.key.client if row.key.client in self._known.clients else UNKNOWN
        table = self._granted if row.key.kind is RowKind.TOKEN else self._used
        for scope in self._scopes(row):
            labels = (vendor, client, scope if scope in self._known.vendors[vendor].scopes else UNKNOWN)
            table[labels] = max(row.last, table.get(labels, 0.0))
        if row.key.kind is RowKind.TOKEN:
            self._newest[vendor, client] = max(row.last, self._newest.get((vendor, client), 0.0))

    def _scopes(self, row: UsageRow) -> set[str]:
        if row.key.kind is RowKind.TOKEN:
            return set() if row.key.granted is None else {scope for scope, _ in row.key.granted.rights}
        operation = self._operations[row.key.vendor].get(row.key.name)
        if row.key.kind is not RowKind.OPERATION or operation is None:
            return set()
        group = Group(GroupKey(row.key.vendor, row.key.client, None), self._vendors[row.key.vendor], row.first, 0, [Used(row, operation)])
        privileges = Privileges(group)
        return {scope for call in privileges.calls for scope, _ in privileges.served(call)}

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics."""
        labels = ("vendor", "client", "scope")
        used = "When a scope last served, or may have served, a call that the vendor answered with success."
        granted = "Whether the app's tokens of the last day on which one was seen are granted a scope."
        return (
            Reading("scopegate_scope_last_used_timestamp_seconds", used, lambda: self._used, labels),
            Reading("scopegate_scope_granted", granted, self._granted_now, labels),
        )

    def _granted_now(self) -> Values:
        return {labels: float(self._newest[labels[:2]] - seen <= FRESH_S) for labels, seen in self._granted.items()}
