"""Scores by vendor, client and operation, and the operations that a proven false denial put back to shadow. Pure: times are told.

A row belongs to one requirement of one operation: where the catalogue changes it, counting begins anew and the operation is
enforced again, because the fault is taken to be corrected. Rows are bounded; what finds no room is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from proxy.catalogs.catalog import Catalog
from proxy.evidence.ledger import NOWHERE, SAVE_EVERY_S, Sink
from proxy.evidence.score_numbers import Numbers
from proxy.evidence.score_rows import (
    FalseDenial,
    Implied,
    Key,
    Row,
    decode,
    demotion_key,
    encode_demotion,
    false_denial_of,
    requirement_digest,
    row_key,
    totals,
)
from proxy.evidence.scoring import CAUSES, NOT_SCORED, SCORES, Cause, Score, is_deniable, score
from proxy.model import Operation, Permit
from proxy.telemetry.exchange import Actual, Exchange, Outcome, Repetition

MAX_ROWS: Final = 20_000
"""Rows kept (about 1 KB each): clients times operations with traffic."""
FOR_EVER: Final = 100 * 365 * 86_400.0
"""How long a demotion is kept, in seconds: until an operator lifts it or its row changes."""
_SCORE_AT: Final[Mapping[Score, int]] = {each: position for position, each in enumerate(SCORES)}
_CAUSE_AT: Final[Mapping[Cause, int]] = {each: position for position, each in enumerate(CAUSES)} | {Cause.NONE: -1}


class Rules(NamedTuple):
    """By which a vendor's requests are predicted."""

    catalog: Catalog
    implied_by: Implied


class _Cell:
    """Where one kind of exchange is counted."""

    def __init__(self, row: Row | None, score: int, cause: int) -> None:
        self.row = row
        self.score = score
        self.cause = cause


_FALSE_AT: Final = _SCORE_AT[Score.FALSE_DENIAL]
_ACCEPTED: Final = Actual.ACCEPTED
_NOWHERE: Final = _Cell(None, 0, -1)
_FULL: Final = _Cell(None, 0, -1)


class Scores:
    """Counts scores; the recorder of readiness. `on_false_denial` hears of each operation that is put back to shadow.

    Rows end `keep_s` seconds after the last call that they count. `adopt` tells which operations there are.
    """

    def __init__(self, on_false_denial: Callable[[FalseDenial], None], keep_s: float, max_rows: int = MAX_ROWS) -> None:
        self._on_false_denial = on_false_denial
        self._keep_s = keep_s
        self._max = max_rows
        self._rows: dict[Key, Row] = {}
        self._digests: dict[tuple[str, Operation], str] = {}
        self._current: dict[tuple[str, str], str] = {}
        self._demoted: dict[str, dict[str, FalseDenial]] = {}
        self._permits: dict[tuple[str, str, Operation | None], _Cell] = {}
        """The cells of correct permits, at most one for each row."""
        self._era = object()
        """The key of these cells in recorders' scratch space; a new one makes all remembered cells forgotten."""
        self.numbers = Numbers(self._rows, self._demoted)
        self.unrecorded = 0
        """Calls that found no room for a row of their own."""
        self.sink: Sink = NOWHERE

    @property
    def kind(self) -> str:
        """Return the kind of its rows in a store."""
        return "score"

    # --- recording

    def record(self, exchange: Exchange) -> None:
        """Score one exchange."""
        memo = exchange.memo
        cell: _Cell | None = memo.get(self._era) if memo is not None else None
        if cell is None:
            cell = self._accepted_cell(exchange) or self._cell(exchange)
            if memo is not None and cell is not _FULL:
                memo[self._era] = cell
        row = cell.row
        if row is None:
            return
        if cell.score == _FALSE_AT:
            self._prove_false(exchange, row)
        self._count(cell, row, exchange.started_at)

    def repeat(self, repetition: Repetition) -> None:
        """Score one more exchange like an earlier one."""
        cell: _Cell | None = repetition.memo.get(self._era)
        if cell is None or cell.score == _FALSE_AT:
            self.record(repetition.exchange())
        elif cell.row is not None:
            self._count(cell, cell.row, repetition.started_at)

    def _count(self, cell: _Cell, row: Row, at: float) -> None:
        row.counts[cell.score] += 1
        if cell.cause >= 0:
            row.causes[cell.cause] += 1
        if at > row.last:
            row.last = at
        elif at < row.first:
            row.first = at
        if at >= row.save_at:
            self._keep(row, at)

    def _accepted_cell(self, exchange: Exchange) -> _Cell | None:
        """Return the cell of what is most frequent by far, an accepted request that was predicted to be, if it is known."""
        if type(exchange.prediction) is not Permit or exchange.actual is not _ACCEPTED or exchange.fault:
            return None
        status = exchange.status
        if not 200 <= status < 300 or status == 207:
            return None
        return self._permits.get((exchange.vendor, exchange.client, exchange.row))

    def _cell(self, exchange: Exchange) -> _Cell:
        """Return where to count."""
        scored = score(exchange)
        operation = exchange.row
        digest = None if operation is None else self._digests.get((exchange.vendor, operation))
        if scored is NOT_SCORED or operation is None or digest is None:
            return _NOWHERE
        if exchange.outcome is Outcome.WOULD_DENY and exchange.mode == "enforce":
            self.numbers.samples[exchange.vendor] += 1
        row = self._row(Key(exchange.vendor, exchange.client, operation.id), digest, exchange.started_at)
        if row is None:
            if scored.score is Score.FALSE_DENIAL:
                self._prove_false(exchange, None)
            return _FULL
        cell = _Cell(row, _SCORE_AT[scored.score], _CAUSE_AT[scored.cause])
        if scored.score is Score.CORRECT_PERMIT:
            self._permits[exchange.vendor, exchange.client, operation] = cell
        return cell

    def _row(self, key: Key, digest: str, at: float) -> Row | None:
        row = self._rows.get(key)
        if row is None and len(self._rows) >= self._max:
            self.unrecorded += 1
        elif row is None:
            row = self._rows[key] = Row(key, digest, at)
        return row

    def _prove_false(self, exchange: Exchange, row: Row | None) -> None:
        found = false_denial_of(exchange, self._current[exchange.vendor, exchange.operation])
        self.numbers.false[found.vendor, found.operation] += 1
        if row is not None:
            row.false_denial, row.save_at = found, found.at
        if self.demote(found):
            self._on_false_denial(found)

    def demote(self, found: FalseDenial) -> bool:
        """Put an operation back to shadow; say whether it was not there yet."""
        demoted = self._demoted.setdefault(found.vendor, {})
        if found.operation in demoted:
            return False
        demoted[found.operation] = found
        self.sink.put(found.vendor, demotion_key(found.operation), partial(encode_demotion, found), found.at + FOR_EVER)
        return True

    def add(self, more: Row) -> None:
        """Add what another process has scored since it last said so; the metrics of that process count it."""
        if not self._is_current(more.key.vendor, more.key.operation, more.digest):
            return
        row = self._row(more.key, more.digest, more.first)
        if row is not None:
            row.add(more)
            self.numbers.before.update(totals(more))
            if more.last >= row.save_at:
                self._keep(row, more.last)

    # --- reading

    def demoted(self, vendor: str) -> Mapping[str, FalseDenial]:
        """Return the operations of a vendor whose denials are forwarded, by id; a live view."""
        return self._demoted.setdefault(vendor, {})

    def demotions(self) -> Iterator[FalseDenial]:
        """Yield why each operation was put back to shadow."""
        return (found for each in self._demoted.values() for found in each.values())

    def rows(self, now: float) -> list[Row]:
        """Return what was scored, without rows whose time is over at `now` (seconds since the epoch)."""
        over = [row for row in self._rows.values() if row.last + self._keep_s <= now]
        if over:
            self._drop(over)
        return list(self._rows.values())

    # --- forgetting

    def lift(self, vendor: str, operation: str) -> bool:
        """Enforce an operation again and score it afresh; say whether it had been put back to shadow."""
        if self._demoted.get(vendor, {}).pop(operation, None) is None:
            return False
        self.numbers.lifted.add((vendor, operation))
        self.sink.gone(vendor, demotion_key(operation))
        self._drop([row for row in self._rows.values() if row.key.vendor == vendor and row.key.operation == operation])
        return True

    def keep_for(self, seconds: float) -> None:
        """End rows so many seconds after the last call that they count."""
        self._keep_s = seconds

    def adopt(self, vendors: Mapping[str, Rules]) -> list[FalseDenial]:
        """Take over the catalogues in force; return the demotions that ended because their operation's requirement changed.

        They stay in the store: should a later start bring the faulty requirement back, its denials are still known to be false.
        """
        self._digests, self._current = {}, {}
        for vendor, rules in vendors.items():
            for operation in filter(is_deniable, rules.catalog.operations):
                digest = requirement_digest(operation, rules.implied_by)
                self._digests[vendor, operation] = self._current[vendor, operation.id] = digest
        self._drop([row for row in self._rows.values() if not self._is_current(row.key.vendor, row.key.operation, row.digest)])
        ended = [found for found in self.demotions() if not self._is_current(found.vendor, found.operation, found.digest)]
        for found in ended:
            del self._demoted[found.vendor][found.operation]
            self.numbers.lifted.add((found.vendor, found.operation))
        return ended

    def _is_current(self, vendor: str, operation: str, digest: str) -> bool:
        return self._current.get((vendor, operation)) == digest

    def _drop(self, rows: Iterable[Row]) -> None:
        for row in rows:
            del self._rows[row.key]
            self.numbers.retired.update(totals(row))
            self.sink.gone(row.key.vendor, row_key(row.key))
        self._permits.clear()
        self._era = object()

    # --- keeping

    def _keep(self, row: Row, now: float) -> None:
        row.save_at = now + SAVE_EVERY_S
        self.sink.put(row.key.vendor, row_key(row.key), row.encode, row.last + self._keep_s)

    def save(self) -> None:
        """Put every row, as it is at the end."""
        for row in self._rows.values():
            self._keep(row, row.last)

    def decode(self, data: bytes) -> Row | FalseDenial:
        """Return what was kept; raise `ValueError`, `TypeError` or `KeyError` where it cannot be read."""
        return decode(data)

    def restore(self, rows: Iterable[Any]) -> None:
        """Take over what earlier runs scored, as far as the operations are still the same."""
        for kept in rows:
            if isinstance(kept, FalseDenial) and self._is_current(kept.vendor, kept.operation, kept.digest):
                self._demoted.setdefault(kept.vendor, {})[kept.operation] = kept
            elif (
                isinstance(kept, Row) and len(self._rows) < self._max and self._is_current(kept.key.vendor, kept.key.operation, kept.digest)
            ):
                self._rows[kept.key] = kept
                self.numbers.before.update(totals(kept))
