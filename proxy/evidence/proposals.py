"""Catalogue rows that the vendor's own answers contradict, as proposals with their evidence. Pure: nothing here changes a decision.

A proposal becomes a row only by a person's hand. It is kept under the requirement that it contradicts: where the catalogue changes
that, the proposal has been dealt with and ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, Final, NamedTuple

import orjson

from proxy.evidence.ledger import NOWHERE, SAVE_EVERY_S, Sink
from proxy.evidence.score_rows import requirement_digest
from proxy.evidence.scores import Rules
from proxy.evidence.scoring import Score, score
from proxy.model import OPERATION_SCOPE_PREFIX, Deny, NotKnown, Operation, Permit
from proxy.prediction import WHOLE_RESOURCE
from proxy.telemetry.exchange import Actual, Exchange, Repetition
from proxy.telemetry.labels import Reading

MAX_PROPOSALS: Final = 2_000
MAX_EXAMPLES: Final = 5
VERSION: Final = 1
_DAY_S: Final = 86_400.0


class Kind(StrEnum):
    """In which way a row is contradicted."""

    NEEDS_MORE = "needs_more"
    NEEDS_KNOWN = "needs_known"
    NOT_IMPLIED = "not_implied"
    NEEDS_LESS = "needs_less"


class Key(NamedTuple):
    """Which proposal: `scope` is the one that the refusal names, or those (joined with "+") that were not needed after all."""

    vendor: str
    operation: str
    kind: str
    scope: str


class Example(NamedTuple):
    """One answer that contradicts the row. `at`: seconds since the epoch."""

    at: float
    decision_id: str
    client: str
    status: int


class Proposal:
    """One proposal and its evidence: how often, since when, and the newest examples. `digest`: of the requirement it contradicts."""

    __slots__ = ("clients", "count", "digest", "examples", "first", "kept", "key", "last", "save_at")

    def __init__(self, key: Key, digest: str, first: float) -> None:
        self.key = key
        self.digest = digest
        self.count = self.kept = 0
        self.first = self.last = self.save_at = first
        self.clients: set[str] = set()
        self.examples: list[Example] = []

    def note(self, exchange: Exchange) -> None:
        """Add one answer to the evidence."""
        self.count += 1
        self.first, self.last = min(self.first, exchange.started_at), max(self.last, exchange.started_at)
        self.clients.add(exchange.client)
        example = Example(exchange.started_at, exchange.decision_id, exchange.client, exchange.status)
        self.examples = [*self.examples, example][-MAX_EXAMPLES:]

    def merge(self, other: Proposal) -> None:
        """Add the evidence of the same proposal from elsewhere."""
        self.count += other.count
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.clients |= other.clients
        self.examples = sorted({*self.examples, *other.examples})[-MAX_EXAMPLES:]

    def encode(self) -> bytes:
        """Return the proposal as bytes, as it is now; called on another thread."""
        fields = [VERSION, self.key, self.digest, self.count, self.first, self.last, sorted(self.clients), list(self.examples)]
        return orjson.dumps(fields, default=list)


def decode(data: bytes) -> Proposal:
    """Return a proposal; raise `ValueError`, `TypeError` or `KeyError` where it cannot be read."""
    version, key, digest, count, first, last, clients, examples = orjson.loads(data)
    if version != VERSION:
        raise ValueError("written by another version")
    proposal = Proposal(Key(*key), digest, first)
    proposal.count = proposal.kept = count
    proposal.last, proposal.clients = last, set(clients)
    proposal.examples = [Example(*example) for example in examples]
    return proposal


class Proposals:
    """Collects contradictions; a recorder and a ledger. `adopt` tells which operations there are. Kept `keep_s` after the last one."""

    def __init__(self, keep_s: float = 400 * _DAY_S, max_proposals: int = MAX_PROPOSALS) -> None:
        self._keep_s = keep_s
        self._max = max_proposals
        self._rules: Mapping[str, Rules] = {}
        self._proposals: dict[Key, Proposal] = {}
        self.unrecorded = 0
        self.sink: Sink = NOWHERE

    @property
    def kind(self) -> str:
        """Return the kind of its rows in a store."""
        return "proposal"

    def adopt(self, rules: Mapping[str, Rules]) -> None:
        """Take over other catalogues: what contradicts rows that are not there any more ends."""
        self._rules = rules
        for key, proposal in list(self._proposals.items()):
            if not self._is_current(proposal):
                del self._proposals[key]
                self.sink.gone(key.vendor, _row_key(key))

    def record(self, exchange: Exchange) -> None:
        """Look whether an answer contradicts its row. Answers that do are rare, and the first look tells most apart."""
        if exchange.actual is Actual.REFUSED_PERMISSION or type(exchange.prediction) is Deny:
            found = contradiction(exchange, self._implied(exchange.vendor))
            if found is not None:
                self._note(found, exchange)

    def repeat(self, repetition: Repetition) -> None:
        """Look at one more exchange like an earlier one; what the vendor was not asked contradicts nothing."""
        like = repetition.like
        if like.actual is Actual.REFUSED_PERMISSION or (type(like.prediction) is Deny and like.actual is not Actual.NOT_SENT):
            self.record(repetition.exchange())

    def _implied(self, vendor: str) -> Mapping[str, frozenset[str]]:
        rules = self._rules.get(vendor)
        return {} if rules is None else rules.implied_by

    def _note(self, key: Key, exchange: Exchange) -> None:
        rules, operation = self._rules.get(key.vendor), exchange.row
        if rules is None or operation is None or rules.catalog.by_id(operation.id) is not operation:
            return  # decided under a catalogue that is not in force any more
        proposal = self._proposals.get(key)
        if proposal is None and len(self._proposals) >= self._max:
            self.unrecorded += 1
            return
        if proposal is None:
            proposal = self._proposals[key] = Proposal(key, requirement_digest(operation, rules.implied_by), exchange.started_at)
        proposal.note(exchange)
        if exchange.started_at >= proposal.save_at:
            self._keep(proposal, exchange.started_at)

    def _keep(self, proposal: Proposal, now: float) -> None:
        proposal.save_at, proposal.kept = now + SAVE_EVERY_S, proposal.count
        self.sink.put(proposal.key.vendor, _row_key(proposal.key), proposal.encode, proposal.last + self._keep_s)

    def add(self, more: Proposal) -> None:
        """Add what another process has found since it last said so, as far as the catalogue still says what it contradicts."""
        if not self._is_current(more):
            return
        proposal = self._proposals.get(more.key)
        if proposal is None and len(self._proposals) >= self._max:
            self.unrecorded += more.count
            return
        if proposal is None:
            proposal = self._proposals[more.key] = Proposal(more.key, more.digest, more.first)
        proposal.merge(more)
        if more.last >= proposal.save_at:
            self._keep(proposal, more.last)

    def _is_current(self, proposal: Proposal) -> bool:
        rules = self._rules.get(proposal.key.vendor)
        operation = None if rules is None else rules.catalog.by_id(proposal.key.operation)
        return operation is not None and rules is not None and requirement_digest(operation, rules.implied_by) == proposal.digest

    # --- keeping

    def decode(self, data: bytes) -> Proposal:
        """Return what was kept; raise `ValueError`, `TypeError` or `KeyError` where it cannot be read."""
        return decode(data)

    def restore(self, rows: Iterable[Any]) -> None:
        """Take over what earlier runs found, as far as the catalogue still says what it contradicts."""
        for proposal in rows:
            if isinstance(proposal, Proposal) and len(self._proposals) < self._max and self._is_current(proposal):
                self._proposals[proposal.key] = proposal

    def save(self) -> None:
        """Put every proposal that changed since it was last put."""
        for proposal in self._proposals.values():
            if proposal.count != proposal.kept:
                self._keep(proposal, proposal.last)

    # --- reading

    def all(self, now: float) -> list[Proposal]:
        """Return the proposals whose time is not over at `now` (seconds since the epoch), the strongest evidence first."""
        current = [proposal for proposal in self._proposals.values() if proposal.last + self._keep_s > now]
        return sorted(current, key=lambda proposal: (-proposal.count, proposal.key))

    def row(self, proposal: Proposal) -> dict[str, object] | None:
        """Return the row that is proposed, as it would stand in the catalogue; None for an operation that is not there any more."""
        rules = self._rules.get(proposal.key.vendor)
        operation = None if rules is None else rules.catalog.by_id(proposal.key.operation)
        return None if operation is None else proposed_row(operation, proposal.key)

    def readings(self, vendors: Callable[[], Iterable[str]]) -> tuple[Reading, ...]:
        """Return the metric of proposals; `vendors` are those of the configuration."""
        text = "Catalogue rows that the vendor's answers contradict, waiting for a person."
        return (Reading("scopegate_catalog_proposals", text, partial(self._counts, vendors), ("vendor", "kind")),)

    def _counts(self, vendors: Callable[[], Iterable[str]]) -> Mapping[tuple[str, ...], float]:
        counts: dict[tuple[str, ...], float] = {(vendor, kind.value): 0.0 for vendor in vendors() for kind in Kind}
        for key in self._proposals:
            counts[key.vendor, key.kind] = counts.get((key.vendor, key.kind), 0.0) + 1.0
        return counts


def _row_key(key: Key) -> str:
    return f"{key.operation}\n{key.kind}\n{key.scope}"


# --- what contradicts what --------------------------------------------------------------------------------


def contradiction(exchange: Exchange, implied_by: Mapping[str, frozenset[str]]) -> Key | None:
    """Say in which way an answer contradicts the catalogue's row; None where it does not, or nobody can say how."""
    row, prediction = exchange.row, exchange.prediction
    if row is None:
        return None
    if isinstance(prediction, Deny):
        return _needs_less(exchange, row, prediction)
    scope = exchange.refused_for
    if exchange.actual is not Actual.REFUSED_PERMISSION or not scope or scope == WHOLE_RESOURCE or scope.startswith(OPERATION_SCOPE_PREFIX):
        return None
    if isinstance(row.requirement, NotKnown):
        return Key(exchange.vendor, row.id, Kind.NEEDS_KNOWN, scope) if row.requirement.learnable else None
    if not isinstance(prediction, Permit):
        return None
    if prediction.presumed and any(scope in alternative for alternative in row.alternatives()):
        return _not_implied(exchange, row, scope, implied_by)
    return Key(exchange.vendor, row.id, Kind.NEEDS_MORE, scope)


def _needs_less(exchange: Exchange, row: Operation, deny: Deny) -> Key | None:
    if score(exchange).score is not Score.FALSE_DENIAL:
        return None
    return Key(exchange.vendor, row.id, Kind.NEEDS_LESS, "+".join(deny.missing[0]))


def _not_implied(exchange: Exchange, row: Operation, scope: str, implied_by: Mapping[str, frozenset[str]]) -> Key | None:
    """A scope that was presumed to be held because another one implies it; which one is told if only one can have been meant."""
    held = exchange.knowledge.grants.scopes if exchange.knowledge is not None else frozenset[str]()
    holders = implied_by.get(scope, frozenset()) & held
    return Key(exchange.vendor, row.id, Kind.NOT_IMPLIED, f"{next(iter(holders))} > {scope}") if len(holders) == 1 else None


def proposed_row(operation: Operation, key: Key) -> dict[str, object]:
    """Return the row that would agree with the evidence; for what a scope implies, the row as it is."""
    requires: object = [list(alternative) for alternative in operation.alternatives()] or "unknown"
    if key.kind == Kind.NEEDS_KNOWN:
        requires = [[key.scope]]
    elif key.kind == Kind.NEEDS_MORE:
        requires = [list(dict.fromkeys([*alternative, key.scope])) for alternative in operation.alternatives()] or [[key.scope]]
    elif key.kind == Kind.NEEDS_LESS:
        requires = "unknown"
    return {"id": operation.id, "method": operation.method, "path": operation.route, "requires": requires, "origin": "proposed"}
