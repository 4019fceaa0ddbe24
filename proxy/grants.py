"""Bounded, expiring knowledge per token: `Knowledge` is one entry, `GrantStore` holds them.

Pure: the clock is passed in. `now` is seconds of a clock that never jumps (the loop's), `observed_at` is wall time for people.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from proxy.credentials import Fingerprint
from proxy.model import NOTHING_KNOWN, Grants, Lack, Source
from proxy.prediction import WHOLE_RESOURCE

NEVER: Final = float("inf")
MAX_LACKS: Final = 64
MAX_BOUND: Final = 1024
_LEARNED: Final = frozenset({Source.REFUSAL, Source.SUCCESS})
"""Sources of knowledge that rests on what the catalogue says of single operations."""


@dataclass(frozen=True, slots=True)
class LackRecord:
    """A proven lack and until when it is believed.

    `changeable`: an administrator can end it while the token lives; from `recheck` on, a real request may find out.
    """

    lack: Lack
    observed_at: float
    expires: float
    changeable: bool = False
    recheck: float = NEVER

    def bears_on(self, scopes: frozenset[str], resources: frozenset[str]) -> bool:
        """Say whether this lack is a reason to deny `scopes` on `resources`."""
        return (self.lack.scope in scopes or self.lack.scope == WHOLE_RESOURCE) and self.lack.resources <= resources


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that is known about one token. `memo` is scratch space for whoever decides; it dies with the entry."""

    grants: Grants
    source: Source
    observed_at: float
    expires: float
    subject: str = ""
    chain: str = ""
    lacks: tuple[LackRecord, ...] = ()
    memo: dict[object, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def next_change(self) -> float:
        """The moment from which this entry must be looked at again."""
        return min(self.expires, *(record.expires for record in self.lacks)) if self.lacks else self.expires

    def unlearned(self) -> Knowledge | None:
        """Return what is left when the catalogue it was learned by counts no more: what a login granted; None where that is nothing."""
        if self.source in _LEARNED:
            return None
        if not self.lacks:
            return self
        return replace(self, grants=replace(self.grants, lacking=frozenset()), lacks=(), memo={})

    def evidence_for(self, scopes: frozenset[str], resources: frozenset[str] = frozenset()) -> tuple[Source, float]:
        """Return where the knowledge that `scopes` are lacking on `resources` comes from, and when it was observed."""
        for record in self.lacks:
            if record.bears_on(scopes, resources):
                return Source.REFUSAL, record.observed_at
        return self.source, self.observed_at

    def changeable_lacks(self, scopes: frozenset[str], resources: frozenset[str]) -> tuple[LackRecord, ...]:
        """Return the lacks behind a denial of `scopes` on `resources` that an administrator can end."""
        return tuple(record for record in self.lacks if record.changeable and record.bears_on(scopes, resources))

    def recheck_due(self, now: float) -> Knowledge:
        """Make every lack that an administrator can end due for a re-check at `now`."""
        return self.rechecked(tuple(record for record in self.lacks if record.changeable and record.recheck > now), now)

    def rechecked(self, records: tuple[LackRecord, ...], recheck: float) -> Knowledge:
        """Put the next re-check of these lacks off until `recheck`."""
        put_off = tuple(replace(record, recheck=recheck) if record in records else record for record in self.lacks)
        return self._rebuilt(self.grants, put_off)

    def with_lack(self, record: LackRecord, limit: int = MAX_LACKS) -> Knowledge:
        """Add a proven lack: the scope is no longer held. At most `limit` lacks are kept, the newest ones.

        What complete knowledge names stays named, outranked by the lack: else its silence would go on denying after the lack ended.
        """
        others = tuple(known for known in self.lacks if known.lack != record.lack)
        return self._rebuilt(_struck_off(self.grants, record.lack), (*others, record)[-limit:])

    def with_held(self, scopes: frozenset[str], resources: frozenset[str]) -> Knowledge:
        """Add scopes that a success proved; a lack that says otherwise is forgotten."""
        grants = self.grants
        if resources:
            proven = frozenset((scope, name) for scope in scopes for name in resources)
            grants = _with_bound(grants, proven)
        else:
            grants = replace(grants, scopes=grants.scopes | scopes)
        kept = tuple(record for record in self.lacks if not _contradicts(record.lack, scopes, resources))
        return self._rebuilt(grants, kept)

    def at(self, now: float) -> Knowledge | None:
        """Return the entry as it stands at `now`: without the lacks that ended; None where it has ended itself."""
        if now >= self.expires:
            return None
        kept = tuple(record for record in self.lacks if now < record.expires)
        return self if len(kept) == len(self.lacks) else self._rebuilt(self.grants, kept)

    def _rebuilt(self, grants: Grants, lacks: tuple[LackRecord, ...]) -> Knowledge:
        lacking = frozenset(record.lack for record in lacks)
        return replace(self, grants=replace(grants, lacking=lacking), lacks=lacks, memo={})


def _struck_off(grants: Grants, lack: Lack) -> Grants:
    """Take away what `lack` disproves, where no completeness rests on it. A lack on several resources blames none of them."""
    if grants.complete or grants.complete_for or len(lack.resources) > 1:
        return grants
    if not lack.resources:
        return replace(grants, scopes=grants.scopes - {lack.scope})
    kept = (pair for pair in grants.bound if pair[1] not in lack.resources or lack.scope not in (pair[0], WHOLE_RESOURCE))
    return replace(grants, bound=frozenset(kept))


def _with_bound(grants: Grants, proven: frozenset[tuple[str, str]]) -> Grants:
    """Add proven pairs; beyond the limit what was learned before is forgotten, but not what is configured for whole resources."""
    bound = grants.bound | proven
    if len(bound) <= MAX_BOUND:
        return replace(grants, bound=bound)
    if len(proven) > MAX_BOUND:
        return grants
    configured = frozenset(pair for pair in grants.bound if pair[1] in grants.complete_for)
    return replace(grants, bound=proven | configured, complete=False)


def _contradicts(lack: Lack, scopes: frozenset[str], resources: frozenset[str]) -> bool:
    """A success on `resources` with `scopes` disproves a lack of one of them (or of everything) on any part of those."""
    return (lack.scope in scopes or lack.scope == WHOLE_RESOURCE) and lack.resources <= resources


def learned(lack: LackRecord | None, now: float, observed_at: float, lifetime: float, source: Source) -> Knowledge:
    """Return a first entry for a token whose login was not seen: only what a refusal or success proved."""
    blank = Knowledge(NOTHING_KNOWN, source, observed_at, now + lifetime)
    return blank if lack is None else blank.with_lack(lack)


class Observer(Protocol):
    """Hears of every change of a store, on the caller's thread: it may neither wait nor raise. Being used is no change."""

    def kept(self, fingerprint: Fingerprint, knowledge: Knowledge) -> None:
        """Hear that this is now known about a token; its chain is in it."""

    def tied(self, fingerprint: Fingerprint, chain: str) -> None:
        """Hear that a token of which nothing else need be known (a refresh token) belongs to a chain."""

    def untied(self, fingerprint: Fingerprint) -> None:
        """Hear that such a tie was given up."""

    def gone(self, fingerprint: Fingerprint) -> None:
        """Hear that nothing more is known about a token, not even its chain: forgotten (known or not), ended or evicted."""

    def cleared(self) -> None:
        """Hear that everything was forgotten."""


class _Nobody:
    """Watches nothing."""

    def kept(self, fingerprint: Fingerprint, knowledge: Knowledge) -> None:
        pass

    def tied(self, fingerprint: Fingerprint, chain: str) -> None:
        pass

    def untied(self, fingerprint: Fingerprint) -> None:
        pass

    def gone(self, fingerprint: Fingerprint) -> None:
        pass

    def cleared(self) -> None:
        pass


NOBODY: Final[Observer] = _Nobody()


class GrantStore:
    """Knowledge by fingerprint, least recently used out first. Chains tie together tokens that end together.

    At most `max_entries` entries and chains, and twice as many ties: an access and a refresh token each. `observer` hears of every
    change from the moment it is set: set it after the store was filled with what it knows already.
    """

    def __init__(self, max_entries: int = 100_000, observer: Observer = NOBODY) -> None:
        self._max = max_entries
        self._entries: OrderedDict[Fingerprint, Knowledge] = OrderedDict()
        self._chains: OrderedDict[str, set[Fingerprint]] = OrderedDict()
        self._chain_of: OrderedDict[Fingerprint, str] = OrderedDict()
        self.observer = observer
        self.evictions = 0
        self.expirations = 0

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> Iterator[tuple[Fingerprint, Knowledge]]:
        """Yield a snapshot of all entries, the least recently used first."""
        yield from list(self._entries.items())

    def get(self, fingerprint: Fingerprint, now: float) -> Knowledge | None:
        """Return what is known at `now`, or None; ended knowledge is dropped on the way."""
        entry = self._entries.get(fingerprint)
        if entry is None:
            return None
        if now < entry.next_change:
            self._entries.move_to_end(fingerprint)
            return entry
        return self._refresh(fingerprint, entry, now)

    def _refresh(self, fingerprint: Fingerprint, entry: Knowledge, now: float) -> Knowledge | None:
        current = entry.at(now)
        if current is None:
            self.expirations += 1
            self.forget(fingerprint)
        else:
            self._entries[fingerprint] = current
            self._entries.move_to_end(fingerprint)
        return current

    def put(self, fingerprint: Fingerprint, knowledge: Knowledge) -> None:
        """Keep `knowledge`, replacing what was known; evict the least recently used beyond the limit."""
        self._entries[fingerprint] = knowledge
        self._entries.move_to_end(fingerprint)
        if knowledge.chain:
            self._tie(knowledge.chain, fingerprint)
        self.observer.kept(fingerprint, knowledge)
        if len(self._entries) > self._max:
            self._evict()

    def tie(self, chain: str, fingerprint: Fingerprint) -> None:
        """Make `fingerprint` (an access or refresh token's) end together with the others of `chain`."""
        self._tie(chain, fingerprint)
        self.observer.tied(fingerprint, chain)

    def _tie(self, chain: str, fingerprint: Fingerprint) -> None:
        self._untie(fingerprint)
        self._chains.setdefault(chain, set()).add(fingerprint)
        self._chains.move_to_end(chain)
        self._chain_of[fingerprint] = chain
        if len(self._chains) > self._max:
            _, members = self._chains.popitem(last=False)
            for member in members:
                del self._chain_of[member]
                self.observer.untied(member)
        if len(self._chain_of) > 2 * self._max:
            oldest = next(iter(self._chain_of))
            self._untie(oldest)
            self.observer.untied(oldest)

    def ties(self) -> Iterator[tuple[Fingerprint, str]]:
        """Yield a snapshot of all ties, the longest unchanged first."""
        yield from list(self._chain_of.items())

    def chain_of(self, fingerprint: Fingerprint) -> str | None:
        """Return the chain that an access or refresh token belongs to, or None."""
        return self._chain_of.get(fingerprint)

    def peek(self, fingerprint: Fingerprint) -> Knowledge | None:
        """Return an entry as it is kept, ended or not; it does not count as used."""
        return self._entries.get(fingerprint)

    def revise(self, judge: Callable[[Knowledge], Knowledge | None]) -> None:
        """Replace every entry by what `judge` makes of it; None drops it. No observer hears of it: tell them what is left."""
        for fingerprint in list(self._entries):
            knowledge = self._entries[fingerprint]
            left = judge(knowledge)
            if left is None:
                del self._entries[fingerprint]
                self._untie(fingerprint)
            elif left is not knowledge:
                self._entries[fingerprint] = left

    def forget_memos(self) -> None:
        """Empty the scratch space of every entry: what was decided counts no more, what is known still does."""
        for entry in self._entries.values():
            entry.memo.clear()

    def resize(self, max_entries: int) -> None:
        """Keep at most so many entries from now on; those that are too many go, the least recently used first."""
        self._max = max_entries
        while len(self._entries) > max_entries:
            self._evict()

    def _evict(self) -> None:
        evicted, _ = self._entries.popitem(last=False)
        self._untie(evicted)
        self.evictions += 1
        self.observer.gone(evicted)

    def forget(self, fingerprint: Fingerprint) -> bool:
        """Forget one token; say whether it was known. Observers hear of it in any case: somebody else may know it."""
        known = self._entries.pop(fingerprint, None) is not None
        self._untie(fingerprint)
        self.observer.gone(fingerprint)
        return known

    def forget_chain(self, chain: str) -> int:
        """Forget every token of a chain; return how many entries that were."""
        members = self._chains.pop(chain, set())
        for member in members:
            del self._chain_of[member]
            self.observer.gone(member)
        return sum(self._entries.pop(member, None) is not None for member in members)

    def clear(self) -> int:
        """Forget everything; return how many entries that were."""
        count = len(self._entries)
        for table in (self._entries, self._chains, self._chain_of):
            table.clear()
        self.observer.cleared()
        return count

    def _untie(self, fingerprint: Fingerprint) -> None:
        chain = self._chain_of.pop(fingerprint, None)
        if chain is None:
            return
        members = self._chains[chain]
        members.remove(fingerprint)
        if not members:
            del self._chains[chain]
