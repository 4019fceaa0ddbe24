"""What one vendor's part of the shared store has to tell: it hears what becomes of the memory here, and makes writes of it."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.credentials import Fingerprint
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.knowledge.memory import UserRecord, VendorMemory
from proxy.knowledge.sharing import Sharing
from proxy.model import Grants, RefusalTemplate
from proxy.stores.items import Buried, Instant, Item, Known, Shape, Tied, User, encode_item
from proxy.stores.keys import Keys
from proxy.stores.shared_names import MAX_LIFE_S, Namespace
from proxy.stores.token_ledger import TokenLedger

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


class SharedMemory:
    """The half of `SharedVendor` that tells others. Belongs to the event loop, waits for nothing.

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

    def retire(self) -> None:
        """Have nothing to do with this vendor's memory any more, and nothing left to tell."""
        self._grants, self._memory = GrantStore(1), VendorMemory()
        self.ledger = TokenLedger(self._max_tokens)
        self._others.clear()
        self.clearing = False

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
            self._put_other(self.names.user(self._keys.hidden(user_id)), user_item(user_id, record))

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


def user_item(user_id: str, record: UserRecord) -> User:
    """Return a copy of what is known of a user: the record goes on changing."""
    return User(user_id, UserRecord(record.observed_at, record.page_count, dict(record.pages)))
