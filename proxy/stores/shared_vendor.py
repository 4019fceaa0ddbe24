"""One vendor's part of the shared store: hears what becomes of its memory here, and makes the changes that other replicas made."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from proxy.credentials import Fingerprint
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.memory import UserRecord, VendorMemory
from proxy.model import Grants, RefusalTemplate
from proxy.sharing import Sharing
from proxy.stores import codec
from proxy.stores.items import Buried, ClockWentBackError, Instant, Item, Known, Shape, Tied, TokenItem, User, decode_item, encode_item
from proxy.stores.keys import Keys
from proxy.stores.merging import merge
from proxy.stores.shared_names import MAX_LIFE_S, Namespace
from proxy.stores.token_ledger import Slot, TokenLedger
from proxy.vendors.base import ShapeSeen

UNREADABLE: Final = "unreadable"
OTHER_VERSION: Final = "other_version"
CLOCK_WENT_BACK: Final = "clock_went_back"
EXPIRED: Final = "expired"
TOO_MANY: Final = "too_many"
TOO_LARGE: Final = "too_large"
UNENCODABLE: Final = "unencodable"
STALE: Final = "stale"
DROP_REASONS: Final = (UNREADABLE, OTHER_VERSION, CLOCK_WENT_BACK, EXPIRED, TOO_MANY, TOO_LARGE, UNENCODABLE, STALE)
MAX_VALUE_BYTES: Final = 1_048_576
MAX_OTHERS: Final = 10_000
"""How many changes of refusal shapes and users may wait."""
UNKNOWN_LIFE_S: Final = 60.0
"""How long the end of a token is remembered of which nothing is known here: another replica may be about to tell of it."""
ANY_VERSION: Final = "-"
MICROSECONDS: Final = 1e6


class Write(NamedTuple):
    """One item to be written: where, on top of which version, for how long, and the sealed value."""

    key: bytes
    base: str
    life_ms: int
    sealed: bytes
    item: Item
    fingerprint: Fingerprint | None = None
    buries: bool = False


class Place(NamedTuple):
    """One vendor's memory in this process, and how many tokens others may add to it."""

    grants: GrantStore
    memory: VendorMemory
    max_tokens: int


class Received(NamedTuple):
    """One item as the store has it."""

    key: bytes
    version: int
    sealed: bytes


class SharedVendor:
    """Stands between one vendor's memory and the store. Belongs to the event loop, waits for nothing.

    It must hear of every change of `grants` and `memory`; what it changes there itself, it tells nobody but the other observers.
    `clock` returns the present moment, `wake` is called when there is something to write.
    """

    def __init__(self, names: Namespace, keys: Keys, place: Place, clock: Callable[[], Instant], wake: Callable[[], None]) -> None:
        self.names = names
        self._keys = keys
        self._grants, self._memory, self._max_tokens = place
        self._clock = clock
        self._wake = wake
        self._changing: object = None
        self._evictions = self._grants.evictions
        self._share = Sharing[Grants]()
        self._others: OrderedDict[bytes, Shape | User] = OrderedDict()
        self._seen: dict[Fingerprint, int] | None = None
        self._marker = 0
        self.ledger = TokenLedger(self._max_tokens)
        self.clearing = False
        self.dropped: Counter[str] = Counter()
        self._begin()

    def _begin(self) -> None:
        """Take what is in memory already for something that others may know more of."""
        for fingerprint, _ in self._grants.ties():
            self.ledger.keep(fingerprint, NEVER)
        for fingerprint, knowledge in self._grants.items():
            self.ledger.keep(fingerprint, knowledge.expires)
        for slot in self.ledger.slots.values():
            slot.shared = True

    # --- what is heard (see `proxy.grants.Observer`)

    def kept(self, fingerprint: Fingerprint, knowledge: Knowledge) -> None:
        """Note what is known about a token."""
        if fingerprint != self._changing:
            self.ledger.keep(fingerprint, knowledge.expires)
            self._wake()

    def tied(self, fingerprint: Fingerprint, chain: str) -> None:  # noqa: ARG002 - it is read when it is written
        """Note which chain a refresh token belongs to."""
        if fingerprint != self._changing:
            self.ledger.keep(fingerprint, NEVER)
            self._wake()

    def untied(self, fingerprint: Fingerprint) -> None:
        """Ties are given up for want of room only: that concerns nobody else."""
        slot = self.ledger.slots.get(fingerprint)
        if slot is not None and slot.ends == NEVER and not slot.burying:
            self.ledger.drop(fingerprint)

    def gone(self, fingerprint: Fingerprint) -> None:
        """Note that a token was given up, unless it ended by itself or went for want of room."""
        slot, now = self.ledger.slots.get(fingerprint), self._clock().now
        if self._grants.evictions != self._evictions:
            self._evictions = self._grants.evictions
            if slot is not None and not slot.burying:
                self.ledger.drop(fingerprint)
        elif fingerprint == self._changing:
            return
        elif slot is None:
            self._bury(fingerprint, now + UNKNOWN_LIFE_S, whole_chain=True)
        elif slot.ends <= now:
            self.ledger.drop(fingerprint)
        elif not slot.buried:
            self._bury(fingerprint, min(slot.ends, now + MAX_LIFE_S), whole_chain=False)

    def _bury(self, fingerprint: Fingerprint, ends: float, *, whole_chain: bool) -> None:
        self.ledger.bury(fingerprint, ends, whole_chain=whole_chain)
        self._wake()

    def cleared(self) -> None:
        """Note that everything was given up."""
        self.ledger.clear()
        if self._changing is None:
            self.clearing = True
            self._wake()

    def shape_kept(self, variant: str, template: RefusalTemplate) -> None:
        """Note the newest shape of a refusal."""
        if variant != self._changing:
            self._put_other(self.names.shape(self._keys.hidden(variant)), Shape(variant, template))

    def user_kept(self, user_id: str, record: UserRecord) -> None:
        """Note what is known of a user now."""
        if user_id != self._changing:
            self._put_other(self.names.user(self._keys.hidden(user_id)), _user(user_id, record))

    def user_gone(self, user_id: str) -> None:
        """Users go for want of room only: that concerns nobody else."""

    def _put_other(self, key: bytes, item: Shape | User) -> None:
        self._others[key] = item
        self._others.move_to_end(key)
        if len(self._others) > MAX_OTHERS:
            self._others.popitem(last=False)
            self.dropped[TOO_MANY] += 1
        self._wake()

    # --- what is to be written

    def __len__(self) -> int:
        return len(self.ledger) + len(self._others) + self.clearing

    def writes(self, count: int) -> list[Write]:
        """Return up to `count` writes; give each one's outcome to `written`, `conflicted`, `was_cleared` or `failed`."""
        found = (self._token_write(fingerprint) for fingerprint in self.ledger.take(count))
        writes = [write for write in found if write is not None]
        while self._others and len(writes) < count:
            key, item = self._others.popitem(last=False)
            write = self._write(key, ANY_VERSION, MAX_LIFE_S, item)
            writes.extend([write] if write is not None else [])
        return writes

    def _token_write(self, fingerprint: Fingerprint) -> Write | None:
        slot, now = self.ledger.slots[fingerprint], self._clock().now
        key, ends = self.names.token(fingerprint), min(slot.ends, now + MAX_LIFE_S)
        if slot.burying:
            ends = max(ends, now + 1.0)
            write = self._write(key, ANY_VERSION, ends - now, Buried(ends, slot.whole_chain))
            return write and write._replace(fingerprint=fingerprint, buries=True)
        item = self._present(fingerprint)
        if item is None:
            self.ledger.drop(fingerprint)
            return None
        write = self._write(key, str(slot.version), ends - now, item)
        return write and write._replace(fingerprint=fingerprint)

    def _present(self, fingerprint: Fingerprint) -> Known | Tied | None:
        knowledge = self._grants.get(fingerprint, self._clock().now)
        if knowledge is not None:
            return Known(knowledge)
        chain = self._grants.chain_of(fingerprint)
        return None if chain is None else Tied(chain)

    def _write(self, key: bytes, base: str, life: float, item: Item) -> Write | None:
        try:
            plain = encode_item(item, self.names.basis, self._clock())
        except (TypeError, ValueError):
            self.dropped[UNENCODABLE] += 1
            return None
        if len(plain) > MAX_VALUE_BYTES:
            self.dropped[TOO_LARGE] += 1
            return None
        return Write(key, base, max(1, int(life * 1000)), self._keys.seal(plain, key), item)

    # --- what became of it

    def written(self, write: Write, version: int) -> None:
        """Note that the store took a write, in this version."""
        slot = self._slot(write)
        if slot is None or write.fingerprint is None:
            return
        slot.version, slot.shared = max(slot.version, version), True
        self._see(write.fingerprint, version)
        if write.buries:
            slot.burying = slot.whole_chain = False
        if write.buries and not slot.buried:
            self.ledger.queue(write.fingerprint)

    def conflicted(self, write: Write, present: Received) -> None:
        """Learn what another replica wrote in the meantime, and try again with both."""
        slot = self._slot(write)
        if slot is None or write.fingerprint is None or slot.buried or slot.burying:
            return
        item = self._opened(present)
        if isinstance(item, Buried):
            self._rest_in_peace(write.fingerprint, present.version, item)
            return
        slot.version = present.version
        if isinstance(item, Known):
            mine = self._grants.get(write.fingerprint, self._clock().now)
            both = item.knowledge if mine is None else merge(mine, item.knowledge)
            self._take(write.fingerprint, Known(both), present.version)
        if write.fingerprint in self.ledger.slots:
            self.ledger.queue(write.fingerprint)

    def was_cleared(self, write: Write) -> None:
        """Learn that another replica gave everything up in the meantime."""
        if write.fingerprint is not None:
            self._give_up(write.fingerprint)

    def failed(self, writes: Iterable[Write]) -> None:
        """Put back what may not have been written."""
        for write in writes:
            if isinstance(write.item, Shape | User):
                self._others.setdefault(write.key, write.item)
            elif write.fingerprint is not None and write.fingerprint in self.ledger.slots:
                self.ledger.queue(write.fingerprint)

    def _slot(self, write: Write) -> Slot | None:
        return None if write.fingerprint is None else self.ledger.slots.get(write.fingerprint)

    # --- what others wrote

    def receive(self, received: Received) -> bool:
        """Take over what another replica wrote; say whether that was news."""
        fingerprint = self.names.token_in(received.key)
        if fingerprint is not None:
            return self._receive_token(fingerprint, received)
        item = self._opened(received)
        if isinstance(item, Shape) and received.key not in self._others:
            with self._telling_others(item.variant):
                self._memory.remember_shape(ShapeSeen(item.template, item.variant))
        elif isinstance(item, User) and received.key not in self._others:
            with self._telling_others(item.user_id):
                self._memory.restore_user(item.user_id, item.record)
        return item is not None

    def _receive_token(self, fingerprint: Fingerprint, received: Received) -> bool:
        slot = self.ledger.slots.get(fingerprint)
        self._see(fingerprint, received.version)
        if self.clearing or received.version <= self._marker:
            return False
        if slot is not None and (received.version <= slot.version or slot.burying):
            return False
        item = self._opened(received)
        if isinstance(item, Buried):
            self._rest_in_peace(fingerprint, received.version, item)
        elif self.ledger.is_queued(fingerprint):
            return False  # writing it will show the conflict, and merge
        elif isinstance(item, Known | Tied):
            self._take(fingerprint, item, received.version)
        elif slot is not None:
            self._give_up(fingerprint)  # it was replaced by something that cannot be read here
        return item is not None

    def _take(self, fingerprint: Fingerprint, item: TokenItem, version: int) -> None:
        """Put what another replica knows into memory; everybody else who listens here hears of it."""
        if fingerprint not in self.ledger.slots and len(self._grants) >= self._max_tokens:
            self.dropped[TOO_MANY] += 1
            return
        with self._telling_others(fingerprint):
            match item:
                case Known(knowledge):
                    current = knowledge.at(self._clock().now)
                    if current is None:
                        self.dropped[EXPIRED] += 1
                        return
                    self._grants.put(fingerprint, current)
                    self.ledger.took(fingerprint, version, current.expires)
                case Tied(chain):
                    self._grants.tie(chain, fingerprint)
                    self.ledger.took(fingerprint, version, NEVER)

    def _rest_in_peace(self, fingerprint: Fingerprint, version: int, buried: Buried) -> None:
        chain = self._grants.chain_of(fingerprint) if buried.whole_chain else None
        self.ledger.was_buried(fingerprint, version, buried.ends)
        self._forget(fingerprint)
        if chain is not None:
            self._grants.forget_chain(chain)  # heard here too: nobody else may know the rest of this chain

    @contextmanager
    def _telling_others(self, subject: object) -> Iterator[None]:
        """Hear nothing of a change that is made here to `subject`."""
        self._changing = subject
        try:
            yield
        finally:
            self._changing = None

    def _forget(self, fingerprint: Fingerprint) -> None:
        with self._telling_others(fingerprint):
            self._grants.forget(fingerprint)

    def receive_clear(self, version: int) -> None:
        """Give up everything that is older than this version, because another replica did."""
        self._marker = max(self._marker, version)
        for fingerprint, slot in list(self.ledger.slots.items()):
            if slot.version <= version and not slot.buried:
                self._give_up(fingerprint)
        self.ledger.bury_again()

    def _opened(self, received: Received) -> Item | None:
        return self._decoded(received.key, received.sealed)

    def _decoded(self, key: bytes, sealed: bytes) -> Item | None:
        """Return what is sealed at a place, or None, counted, where it cannot be trusted."""
        plain = self._keys.open(sealed, key)
        try:
            if plain is not None:
                return decode_item(plain, self.names.basis, self._clock(), self._share)
            self.dropped[UNREADABLE] += 1
        except ClockWentBackError:
            self.dropped[CLOCK_WENT_BACK] += 1
        except codec.CodecError:
            self.dropped[OTHER_VERSION] += 1
        return None

    # --- after an outage

    def begin_comparing(self, marker: int) -> None:
        """Prepare for receiving everything that the store has; what is older than `marker` was cleared in the meantime."""
        self._seen = {}
        self.ledger.forget_ended(self._clock().now)
        if self.ledger.overflowed:
            self.ledger.overflowed, self.clearing = False, True
        if marker > self._marker:
            self._marker = marker
            for fingerprint, slot in list(self.ledger.slots.items()):
                if slot.shared and not slot.buried and self._is_older(fingerprint, slot, marker):
                    self._give_up(fingerprint)

    def _is_older(self, fingerprint: Fingerprint, slot: Slot, marker: int) -> bool:
        if slot.version:
            return slot.version <= marker
        knowledge = self._grants.get(fingerprint, self._clock().now)
        return knowledge is None or knowledge.observed_at <= marker / MICROSECONDS

    def _see(self, fingerprint: Fingerprint, version: int) -> None:
        if self._seen is not None:
            self._seen[fingerprint] = max(version, self._seen.get(fingerprint, 0))

    def is_cleared(self, version: int) -> bool:
        """Say whether an item of this version counts no more."""
        return version <= self._marker

    def end_comparing(self, other_keys: set[bytes]) -> None:
        """Queue what the store lacks, or has in an older version than this replica."""
        seen, self._seen = self._seen or {}, None
        for fingerprint, slot in self.ledger.slots.items():
            version = seen.get(fingerprint, 0)
            if version >= slot.version > 0:
                continue
            slot.burying = slot.burying or slot.buried
            slot.version = version
            self.ledger.queue(fingerprint)
        for key, item in self._all_others():
            if key not in other_keys:
                self._others.setdefault(key, item)

    def _all_others(self) -> Iterator[tuple[bytes, Shape | User]]:
        for variant, template in self._memory.shapes.items():
            yield self.names.shape(self._keys.hidden(variant)), Shape(variant, template)
        for user_id, record in self._memory.users():
            yield self.names.user(self._keys.hidden(user_id)), _user(user_id, record)

    def expire(self, fingerprints: Iterable[Fingerprint]) -> None:
        """Give up what others know too: they may have seen its end, and this replica could not hear of it."""
        for fingerprint in fingerprints:
            slot = self.ledger.slots.get(fingerprint)
            if slot is not None and slot.shared and not slot.buried:
                self._forget(fingerprint)
                if slot.burying:
                    self.ledger.bury(fingerprint, slot.ends, whole_chain=slot.whole_chain)
                else:
                    self.ledger.drop(fingerprint)
                self.dropped[STALE] += 1

    def _give_up(self, fingerprint: Fingerprint) -> None:
        """Forget a token without telling the store."""
        self._forget(fingerprint)
        self.ledger.drop(fingerprint)


def _user(user_id: str, record: UserRecord) -> User:
    """Return a copy: the record goes on changing."""
    return User(user_id, UserRecord(record.observed_at, record.page_count, dict(record.pages)))
