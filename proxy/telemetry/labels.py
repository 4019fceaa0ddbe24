"""Which label values exist: configuration, catalogues and closed lists, nothing a caller could choose.

Whatever is not in here becomes `unknown` (`none` for a vendor, `other` for a fault), so no request can make a new series.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from proxy.model import OPERATION_SCOPE_PREFIX, Mode, Objection, Reason, Source
from proxy.telemetry.exchange import Actual, CacheResult, Decision, Exchange, Outcome, Predicted, ResponseKind

NO_VENDOR: Final = "none"
"""The vendor label of requests that match no mount."""
UNKNOWN: Final = "unknown"
OTHER_FAULT: Final = "other"

MODES: Final = frozenset(mode.value for mode in Mode)
REASONS: Final = tuple(reason.value for reason in Reason)
OBJECTIONS: Final = tuple(objection.value for objection in Objection)
SOURCES: Final = frozenset(source.value for source in Source)


class Row(NamedTuple):
    """The fields of an `Exchange` that choose a label value: the key of the one combined counter. Names as in `Exchange`."""

    vendor: str
    client: str
    mode: str
    operation: str
    decision: Decision
    predicted: Predicted
    outcome: Outcome
    reason: str
    missing: tuple[tuple[str, ...], ...]
    evidence: str
    cache: CacheResult
    status: int
    answered_by: str
    actual: Actual
    response_kind: ResponseKind
    fault: str
    policy: str


ROW_INDEXES: Final = tuple(Exchange._fields.index(name) for name in Row._fields)


@dataclass(frozen=True, slots=True)
class VendorLabels:
    """The operation ids and scope names that a vendor's catalogue knows."""

    operations: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()

    def union(self, other: VendorLabels) -> VendorLabels:
        """Return what either knows."""
        return VendorLabels(self.operations | other.operations, self.scopes | other.scopes)


NO_LABELS: Final = VendorLabels()


@dataclass(frozen=True, slots=True)
class KnownLabels:
    """Every label value of a configuration. `clients` includes the name of callers who are nobody's; `faults` all of `errors.py`."""

    vendors: Mapping[str, VendorLabels] = field(default_factory=dict)
    clients: frozenset[str] = frozenset()
    faults: frozenset[str] = frozenset()

    def union(self, other: KnownLabels) -> KnownLabels:
        """Return what either knows: a reload must not take away the label of something already counted."""
        names = self.vendors.keys() | other.vendors.keys()
        vendors = {name: self.vendors.get(name, NO_LABELS).union(other.vendors.get(name, NO_LABELS)) for name in names}
        return KnownLabels(vendors, self.clients | other.clients, self.faults | other.faults)

    def vendor(self, name: str) -> str:
        """Return the label for a vendor's name."""
        return name if name in self.vendors else NO_VENDOR

    def clean(self, row: Row) -> Row:
        """Return `row` with every free text replaced by a label value; scopes of the first alternative only."""
        vendor = self.vendors.get(row.vendor, NO_LABELS)
        return row._replace(
            vendor=self.vendor(row.vendor),
            client=row.client if row.client in self.clients else UNKNOWN,
            mode=row.mode if row.mode in MODES else UNKNOWN,
            operation=row.operation if row.operation in vendor.operations else UNKNOWN,
            reason=row.reason if row.reason in REASONS else UNKNOWN,
            missing=(_scope_labels(row.missing[0], vendor.scopes),) if row.missing else (),
            evidence=(row.evidence or Source.NONE.value) if (row.evidence or Source.NONE.value) in SOURCES else UNKNOWN,
            policy=row.policy if not row.policy or row.policy in OBJECTIONS else UNKNOWN,
            fault=row.fault if not row.fault or row.fault in self.faults else OTHER_FAULT,
        )


def _scope_labels(scopes: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
    named = (scope if scope in known and not scope.startswith(OPERATION_SCOPE_PREFIX) else UNKNOWN for scope in scopes)
    return tuple(dict.fromkeys(named))


Values = Mapping[tuple[str, ...], float]
"""Numbers by label values; the key is `()` where there are no labels."""


class Together(StrEnum):
    """What the numbers of several worker processes make together: a sum (how many), the largest (a moment, a yes or no), or the least."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric whose numbers somebody else keeps: asked for, on the event loop, once per scrape.

    `name` is complete (a counter ends in `_total`); `read` is quick and gives label values in the order of `labels`.
    `together` says what the numbers of several worker processes make.
    """

    name: str
    help: str
    read: Callable[[], Values]
    labels: tuple[str, ...] = ()
    counter: bool = False
    together: Together = Together.SUM
