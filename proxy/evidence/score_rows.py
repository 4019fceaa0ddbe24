"""What a ledger of scores is made of: rows, false denials, and their bytes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from proxy.evidence.scoring import CAUSES, SCORES
from proxy.model import Operation
from proxy.telemetry.exchange import Exchange

VERSION: Final = 1
Implied = Mapping[str, frozenset[str]]


class FalseDenial(NamedTuple):
    """One proven false denial: which decision, whose, and what the denial had rested on. `at`: seconds since the epoch."""

    vendor: str
    operation: str
    client: str
    at: float
    decision_id: str
    evidence: str
    missing: tuple[tuple[str, ...], ...]
    status: int
    mode: str
    digest: str


def false_denial_of(exchange: Exchange, digest: str) -> FalseDenial:
    """Return the false denial that an exchange proves."""
    return FalseDenial(
        exchange.vendor,
        exchange.operation,
        exchange.client,
        exchange.started_at,
        exchange.decision_id,
        exchange.evidence,
        exchange.missing,
        exchange.status,
        exchange.mode,
        digest,
    )


class Key(NamedTuple):
    """Which row."""

    vendor: str
    client: str
    operation: str


class Row:
    """What was scored under one key, under the requirement of `digest`. Times are seconds since the epoch."""

    __slots__ = ("causes", "counts", "digest", "false_denial", "first", "key", "last", "save_at")

    def __init__(self, key: Key, digest: str, first: float) -> None:
        self.key = key
        self.digest = digest
        self.counts = [0] * len(SCORES)
        self.causes = [0] * len(CAUSES)
        self.first = first
        self.last = first
        self.false_denial: FalseDenial | None = None
        self.save_at = first

    def add(self, more: Row) -> None:
        """Add what was scored elsewhere."""
        self.counts = [mine + its for mine, its in zip(self.counts, more.counts, strict=True)]
        self.causes = [mine + its for mine, its in zip(self.causes, more.causes, strict=True)]
        self.first, self.last = min(self.first, more.first), max(self.last, more.last)
        if more.false_denial is not None and (self.false_denial is None or more.false_denial.at >= self.false_denial.at):
            self.false_denial = more.false_denial

    def since(self, earlier: Row) -> Row:
        """Return what was scored since this row was as `earlier`."""
        rest = Row(self.key, self.digest, self.first)
        rest.counts = [now - then for now, then in zip(self.counts, earlier.counts, strict=True)]
        rest.causes = [now - then for now, then in zip(self.causes, earlier.causes, strict=True)]
        rest.last, rest.false_denial = self.last, self.false_denial
        return rest

    def encode(self) -> bytes:
        """Return the row as bytes, as it is now; called on another thread."""
        fields = [VERSION, "row", self.key, self.digest, list(self.counts), list(self.causes), self.first, self.last, self.false_denial]
        return orjson.dumps(fields, default=list)


def totals(row: Row) -> dict[tuple[str, ...], int]:
    """Return a row's counts by the labels vendor, client and score."""
    return {(row.key.vendor, row.key.client, str(each)): row.counts[position] for position, each in enumerate(SCORES)}


def requirement_digest(operation: Operation, implied_by: Implied) -> str:
    """Return 16 hexadecimal digits that change with whatever a prediction about this operation rests on in the catalogue."""
    scopes = {scope for alternative in operation.alternatives() for scope in alternative}
    implied = sorted((scope, sorted(implied_by[scope])) for scope in scopes if scope in implied_by)
    parts = [operation.method, operation.route, repr(operation.requirement), operation.auth, repr(operation.resource)]
    written = orjson.dumps([*parts, sorted(operation.partial), implied])
    return hashlib.sha256(written).hexdigest()[:16]


# --- bytes ----------------------------------------------------------------------------------------------


def row_key(key: Key) -> str:
    """Return under which key of its vendor a row is kept."""
    return f"row\n{key.client}\n{key.operation}"


def demotion_key(operation: str) -> str:
    """Return under which key of its vendor the demotion of an operation is kept."""
    return f"demotion\n{operation}"


def encode_demotion(found: FalseDenial) -> bytes:
    """Return a demotion as bytes."""
    return orjson.dumps([VERSION, "demotion", *found], default=list)


def decode(data: bytes) -> Row | FalseDenial:
    """Return what was kept; raise `ValueError`, `TypeError` or `KeyError` where it cannot be read."""
    version, what, *fields = orjson.loads(data)
    if version != VERSION:
        raise ValueError("written by another version")
    return _decode_row(fields) if what == "row" else _decode_false_denial(*fields)


def _decode_row(fields: list[Any]) -> Row:
    key, digest, counts, causes, first, last, found = fields
    if len(counts) != len(SCORES) or len(causes) != len(CAUSES):
        raise ValueError("written by another version")
    row = Row(Key(*key), digest, first)
    row.counts, row.causes, row.last = counts, causes, last
    row.false_denial = None if found is None else _decode_false_denial(*found)
    return row


def _decode_false_denial(*fields: Any) -> FalseDenial:
    vendor, operation, client, at, decision_id, evidence, missing, status, mode, digest = fields
    scopes = tuple(tuple(alternative) for alternative in missing)
    return FalseDenial(vendor, operation, client, at, decision_id, evidence, scopes, status, mode, digest)
