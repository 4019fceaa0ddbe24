"""The ledger of usage: which operations each app and token subject used with success, against which grants. Pure.

Only what the vendor itself answered with success counts as use: 2xx, and 304, which a server may only answer to a request that
would else have succeeded (RFC 9110 section 13.2.1). A 207 has a status per part in its body, so it is noted apart. Which scopes
served a call follows from the operation and from what its token was granted; `proxy/reports` derives it when somebody asks.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from proxy.evidence.ledger import NOWHERE, SAVE_EVERY_S, Sink
from proxy.evidence.usage_rows import DAY_S, Granted, RowKind, UsageKey, UsageRow, decode_row
from proxy.grants import Knowledge
from proxy.model import OPERATION_SCOPE_PREFIX, Grants, Named, Resources, Source
from proxy.telemetry.exchange import Actual, Exchange, Repetition
from proxy.telemetry.labels import NO_VENDOR

MAX_ROWS: Final = 20_000
"""Rows in memory (about 20 MB); beyond it the longest unused ones go, and reports say how many did."""
MAX_ROUTES: Final = 300
"""Routes of uncatalogued calls that are told apart, per vendor."""
MAX_RESOURCES: Final = 32
"""Resources of one call that are told apart."""
OTHER_ROUTES: Final = ""
_MAX_SEGMENTS: Final = 12
_EVICTED_SHARE: Final = 16
_WORD: Final = re.compile(r"v\d{1,2}(\.\d{1,2})?|[A-Za-z][A-Za-z_-]{0,39}|~|\.[a-z]{2,4}")
_FOREVER: Final = float("inf")


class _Context(NamedTuple):
    """What all calls of an app with one token have in common."""

    subject: str
    granted: Granted | None
    token: UsageRow | None


_NO_TOKEN: Final = _Context("", None, None)


def is_use(exchange: Exchange) -> bool:
    """Say whether the vendor answered a request with success, so that it counts as use."""
    return exchange.actual is Actual.ACCEPTED and (exchange.status == 304 or (200 <= exchange.status < 300 and exchange.status != 207))


class UsageLedger:
    """Counts use in rows; belongs to the event loop. `retention_s`: for how long a row is kept after it was last used."""

    kind: Final = "usage"

    def __init__(self, retention_s: float, max_rows: int = MAX_ROWS) -> None:
        self.retention_s = retention_s
        self.sink: Sink = NOWHERE
        self.on_change: Callable[[UsageRow], None] = _nothing
        """Told of each row when it is new, and then at most once a minute while it is used."""
        self.on_use: Callable[[Exchange], None] = _nothing
        """Told of the first exchange of each row, and then of one a minute while it is used."""
        self._max = max_rows
        self._rows: dict[UsageKey, UsageRow] = {}
        self._routes: dict[str, set[str]] = {}
        self._nothing = UsageRow(UsageKey("", "", "", RowKind.TOKEN, ""), 0.0, _FOREVER)
        self._nothing.quiet_from, self._nothing.quiet_until = -_FOREVER, _FOREVER

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Iterator[UsageRow]:
        """Yield a snapshot of all rows. May be called on any thread."""
        yield from list(self._rows.values())

    def kept(self, now: float) -> Iterator[UsageRow]:
        """Yield the rows that are within the retention at the wall time `now`; the window reaches back no further either."""
        begin = now - self.retention_s
        for row in self.rows():
            if row.key.kind is RowKind.WINDOW:
                yield UsageRow(row.key, max(row.first, begin), row.last, row.count, row.days, row.base_day, row.lost)
            elif row.last >= begin:
                yield row

    # --- what is heard

    def record(self, exchange: Exchange) -> None:
        """Take note of one exchange."""
        memo = exchange.memo
        row: UsageRow | None = memo.get(self) if memo is not None else None
        if row is None or not row.live:
            row = self._row(exchange)
            if memo is not None:
                memo[self] = row
        if self._use(row, exchange.started_at):
            self.on_use(exchange)

    def repeat(self, repetition: Repetition) -> None:
        """Take note of one more exchange like an earlier one."""
        row: UsageRow | None = repetition.memo.get(self)
        if row is None or not row.live:
            self.record(repetition.exchange())
        elif self._use(row, repetition.started_at):
            self.on_use(repetition.exchange())

    def _use(self, row: UsageRow, at: float) -> bool:
        """Count in a row; say whether it was looked at for the first time in a while."""
        row.count += 1
        if at > row.last:  # noqa: PLR1730 - calling max() costs more
            row.last = at
        if row.quiet_from <= at < row.quiet_until:
            return False
        self._look(row, at)
        return True

    def _row(self, exchange: Exchange) -> UsageRow:
        """Return the row in which an exchange counts."""
        if exchange.vendor == NO_VENDOR:
            return self._nothing
        context = self._context(exchange)
        if is_use(exchange):
            kind = RowKind.ROUTE if exchange.row is None else RowKind.OPERATION
        elif exchange.actual is Actual.ACCEPTED and exchange.status == 207 and exchange.row is not None:
            kind = RowKind.PARTIAL
        else:
            return context.token or self._nothing
        name, resources = exchange.operation, _resources(exchange.resources)
        if kind is RowKind.ROUTE:
            name, resources = self._route(exchange), ()
        key = UsageKey(exchange.vendor, exchange.client, context.subject, kind, name, resources, context.granted)
        row = self._at(key, exchange.started_at)
        row.token = context.token
        return row

    def _context(self, exchange: Exchange) -> _Context:
        """Return what is known of the token; remembered with that knowledge."""
        knowledge = exchange.knowledge
        if knowledge is None or (knowledge.source is Source.TOKEN_CLAIM and exchange.actual is not Actual.ACCEPTED):
            return _NO_TOKEN  # what an unverified token says of itself counts once the vendor has accepted it
        mark = (self, exchange.client)
        kept: _Context | None = knowledge.memo.get(mark)
        if kept is None or (kept.token is not None and not kept.token.live):
            kept = knowledge.memo[mark] = self._fresh_context(exchange, knowledge)
        return kept

    def _fresh_context(self, exchange: Exchange, knowledge: Knowledge) -> _Context:
        granted = granted_rights(knowledge.grants)
        if granted is None:
            return _Context(knowledge.subject, None, None)
        key = UsageKey(exchange.vendor, exchange.client, knowledge.subject, RowKind.TOKEN, knowledge.source.value, (), granted)
        return _Context(knowledge.subject, granted, self._at(key, exchange.started_at))

    def _route(self, exchange: Exchange) -> str:
        """Return method and path without values; one name for all further ones where there are too many."""
        name, known = f"{exchange.method} {path_shape(exchange.path)}", self._routes.setdefault(exchange.vendor, set())
        if name not in known and len(known) >= MAX_ROUTES:
            return OTHER_ROUTES
        known.add(name)
        return name

    # --- rows

    def _at(self, key: UsageKey, at: float) -> UsageRow:
        row = self._rows.get(key)
        if row is None:
            row = UsageRow(key, at, at)
            self._add(row)
        return row

    def _add(self, row: UsageRow) -> None:
        self._rows[row.key] = row
        if row.key.kind is RowKind.ROUTE:
            self._routes.setdefault(row.key.vendor, set()).add(row.key.name)
        if len(self._rows) > self._max:
            self._evict(row)

    def _evict(self, newest: UsageRow) -> None:
        """Give up the rows that were not used for the longest time, several at once: looking for them takes a while."""
        others = (row for row in self._rows.values() if row.key.kind is not RowKind.WINDOW and row is not newest)
        for row in heapq.nsmallest(max(1, self._max // _EVICTED_SHARE), others, key=lambda row: row.last):
            row.live = False
            del self._rows[row.key]
            self.sink.gone(row.key.vendor, row.text)
            self._window(row.key.vendor, row.last).lost += 1

    def _look(self, row: UsageRow, at: float) -> None:
        """Note the day, and have the row kept: when it is new, on a new day, and now and then."""
        day = int(at // DAY_S)
        row.mark(day)
        row.quiet_from, row.quiet_until = max(float(day * DAY_S), at - SAVE_EVERY_S), min(float((day + 1) * DAY_S), at + SAVE_EVERY_S)
        self._put(row)
        for other in (row.token, self._window(row.key.vendor, at)):
            if other is not None and other is not row:
                other.last = max(other.last, at)
                other.mark(day)
                self._put(other)
        self.on_change(row)
        if row.token is not None:
            self.on_change(row.token)

    def _window(self, vendor: str, at: float) -> UsageRow:
        return self._at(UsageKey(vendor, "", "", RowKind.WINDOW, ""), at)

    def _put(self, row: UsageRow) -> None:
        row.saved = row.count
        self.sink.put(row.key.vendor, row.text, row.encode, row.last + self.retention_s)

    # --- life

    def watch(self, vendors: Iterable[str], at: float) -> None:
        """Note that the traffic of these vendors is observed from now on, unless it was before."""
        for vendor in vendors:
            self._put(self._window(vendor, at))

    def decode(self, data: bytes) -> UsageRow:
        """Return a row of an earlier run; raise `ValueError`, `TypeError` or `KeyError`."""
        return decode_row(data)

    def restore(self, rows: Iterable[UsageRow]) -> None:
        """Take over rows of earlier runs."""
        for row in rows:
            self._add(row)
            self.on_change(row)

    def add(self, row: UsageRow) -> None:
        """Add what somebody else counted, and have it kept."""
        known = self._rows.get(row.key)
        if known is None:
            known = row
            self._add(row)
        else:
            known.add(row)
        self._put(known)
        self.on_change(known)

    def save(self) -> None:
        """Have every row kept that changed since it was last kept."""
        for row in self.rows():
            if row.count != row.saved:
                self._put(row)


def _nothing(_: UsageRow | Exchange) -> None:
    pass


def granted_rights(grants: Grants) -> Granted | None:
    """Return what a token is granted, None where only part of it is known. What was learned from single answers does not count."""
    if not grants.complete and not grants.complete_for:
        return None
    bound = {pair for pair in grants.bound if grants.complete or pair[1] in grants.complete_for}
    everywhere = {(scope, "") for scope in grants.scopes} if grants.complete else set()
    rights = frozenset((scope, resource) for scope, resource in bound | everywhere if not scope.startswith(OPERATION_SCOPE_PREFIX))
    return Granted(rights, grants.complete, frozenset() if grants.complete else grants.complete_for)


def _resources(resources: Resources) -> tuple[str, ...] | None:
    if not isinstance(resources, Named) or len(resources.resources) > MAX_RESOURCES:
        return None
    return tuple(sorted(resources.resources))


def path_shape(path: str) -> str:
    """Return a path with `{}` for every segment that may be a value, such as an id or a name with digits; bounded."""
    segments = path.split("/")[1 : _MAX_SEGMENTS + 1]
    shape = "/".join(segment if _WORD.fullmatch(segment) else "{}" for segment in segments)
    return f"/{shape}" + ("/…" if path.count("/") > _MAX_SEGMENTS else "")
