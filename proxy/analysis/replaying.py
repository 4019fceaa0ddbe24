"""What recorded decisions would be under other rules, or with fewer scopes. Pure: the same `predict` and `allows` as traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from proxy.analysis.recordings import Recorded, Skipped, grants_of
from proxy.catalogs.catalog import Catalog
from proxy.identity.clients import ANONYMOUS, UNIDENTIFIED, Client
from proxy.model import (
    NO_RESOURCES,
    Deny,
    Grants,
    Indeterminate,
    Lack,
    Mode,
    NotApplicable,
    Operation,
    Permit,
    Prediction,
    Resources,
    Source,
    Unbounded,
)
from proxy.policy.rules import NotAllowed, Rules, Verdict, Within, allows, settle
from proxy.prediction import predict
from proxy.telemetry.exchange import Decision

MAX_GROUPS: Final = 50_000
_DECISIONS: Final = {
    Permit: Decision.PERMIT,
    Deny: Decision.DENY,
    Indeterminate: Decision.INDETERMINATE,
    NotApplicable: Decision.NOT_APPLICABLE,
}


@dataclass(frozen=True, slots=True)
class VendorRules:
    """By what one vendor's requests are decided. `demoted`: operations put back to shadow are not known to a file."""

    catalog: Catalog
    implied_by: Mapping[str, frozenset[str]]
    mode: Mode
    rules: Rules


@dataclass(frozen=True, slots=True)
class Rulebook:
    """By what everything is decided: a configuration and its catalogues, and the scopes that nobody shall have any more."""

    vendors: Mapping[str, VendorRules]
    clients: Mapping[str, Client]
    without: frozenset[str] = frozenset()

    def client(self, name: str) -> Client:
        """Return the client that a line names, as it is now; somebody unknown where there is none of this name."""
        return self.clients.get(name, UNIDENTIFIED) if self.clients else ANONYMOUS


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision made again. `lacking`: it rests on a lack that the vendor's refusal had shown, so it is tried again now and then."""

    decision: Decision
    missing: tuple[tuple[str, ...], ...] = ()
    reason: str = ""
    lacking: bool = False


def decide(recorded: Recorded, book: Rulebook) -> Decided | None:
    """Decide once more; None where the vendor is not in the configuration."""
    vendor = book.vendors.get(recorded.vendor)
    if vendor is None:
        return None
    client = book.client(recorded.client)
    mode = client.mode or vendor.mode
    if mode is Mode.OFF:
        return Decided(Decision.OFF)
    operation = _operation(recorded, vendor.catalog)
    grants = _reduced(grants_of(recorded), book.without, vendor)
    resources = _resources(recorded, operation)
    prediction = predict(operation, grants, resources, vendor.implied_by)
    verdict = _verdict(recorded, vendor, client, operation, grants, resources, prediction)
    denied = Decision.WOULD_DENY if mode is Mode.SHADOW else Decision.DENY
    if isinstance(verdict, NotAllowed):
        return Decided(denied, (), verdict.reason.value)
    if isinstance(prediction, Deny):
        return Decided(denied, prediction.missing, "", _rests_on_lack(prediction, grants))
    return Decided(_DECISIONS[type(prediction)])


def _operation(recorded: Recorded, catalog: Catalog) -> Operation | None:
    if not recorded.path:
        return catalog.by_id(recorded.operation)
    match = catalog.find(recorded.method, recorded.path)
    return None if match is None else match.operation


def _resources(recorded: Recorded, operation: Operation | None) -> Resources:
    """The resources that were named; open where this catalogue binds what the other one did not."""
    if operation is None or operation.resource is None:
        return NO_RESOURCES
    return Unbounded() if recorded.resources is NO_RESOURCES else recorded.resources


def _verdict(
    recorded: Recorded,
    vendor: VendorRules,
    client: Client,
    operation: Operation | None,
    grants: Grants,
    resources: Resources,
    prediction: Prediction,
) -> Verdict:
    known = recorded.knowledge is not None and recorded.knowledge.source is not Source.TOKEN_CLAIM
    verdict = allows(vendor.rules, client, operation, token_known=known, method=recorded.method, path=recorded.path)
    return settle(verdict, prediction, grants, resources, vendor.implied_by) if isinstance(verdict, Within) else verdict


def _rests_on_lack(deny: Deny, grants: Grants) -> bool:
    return any(lack.scope in deny.missing[0] or lack.scope == "*" for lack in grants.lacking)


def _reduced(grants: Grants, without: frozenset[str], vendor: VendorRules) -> Grants:
    """Take scopes away. Where not all scopes are known, one that no other implies is then known to be lacking."""
    gone = vendor.catalog.canonical(without)
    if not gone:
        return grants
    left = replace(grants, scopes=grants.scopes - gone, bound=frozenset(pair for pair in grants.bound if pair[0] not in gone))
    if grants.complete:
        return left
    certain = frozenset(Lack(scope) for scope in gone if vendor.implied_by.get(scope, frozenset()) <= gone)
    return replace(left, lacking=left.lacking | certain)


# --- counting ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Decisions that changed alike: whose, about what, from what to what, and for want of what."""

    vendor: str
    client: str
    operation: str
    was: Decision
    now: Decision
    missing: tuple[str, ...] = ()
    reason: str = ""


@dataclass(slots=True)
class Count:
    """How many, the first and the last of them, and one to look at."""

    number: int
    first: str
    last: str
    example: str


@dataclass(slots=True)
class Tally:
    """What a whole log comes to. `rechecks` are requests that were let through to try a denial again: no change."""

    decided: int = 0
    same: int = 0
    rechecks: int = 0
    other_groups: int = 0
    changes: dict[Group, Count] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)

    def skip(self, why: Skipped | str) -> None:
        """Count a line that is not decided again."""
        self.skipped[str(why)] = self.skipped.get(str(why), 0) + 1

    def add(self, recorded: Recorded, decided: Decided) -> None:
        """Count a decision that was made again."""
        self.decided += 1
        if decided.decision is recorded.decision:
            self.same += 1
        elif recorded.decision is Decision.INDETERMINATE and decided.lacking:
            self.rechecks += 1
        else:
            self._change(recorded, decided)

    def _change(self, recorded: Recorded, decided: Decided) -> None:
        missing = decided.missing[0] if decided.missing else ()
        group = Group(recorded.vendor, recorded.client, recorded.operation, recorded.decision, decided.decision, missing, decided.reason)
        count = self.changes.get(group)
        if count is not None:
            count.number += 1
            count.last = recorded.ts
        elif len(self.changes) < MAX_GROUPS:
            self.changes[group] = Count(1, recorded.ts, recorded.ts, recorded.decision_id)
        else:
            self.other_groups += 1


NOT_CONFIGURED: Final = "vendor_not_configured"


def replay(lines: Iterable[Recorded | Skipped], book: Rulebook) -> Tally:
    """Decide everything once more and count what changes."""
    tally = Tally()
    for line in lines:
        if isinstance(line, Skipped):
            if line is not Skipped.GRANTS:
                tally.skip(line)
            continue
        decided = decide(line, book)
        if decided is None:
            tally.skip(NOT_CONFIGURED)
        else:
            tally.add(line, decided)
    return tally
