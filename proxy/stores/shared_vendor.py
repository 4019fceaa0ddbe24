"""One vendor's part of the shared store: tells what is learned here, and makes the changes that other replicas made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from proxy.credentials import Fingerprint
from proxy.grants import NEVER
from proxy.stores import codec
from proxy.stores.items import Buried, ClockWentBackError, Item, Known, Shape, Tied, TokenItem, User, decode_item
from proxy.stores.merging import merge
from proxy.stores.shared_memory import (
    CLOCK_WENT_BACK,
    EXPIRED,
    MICROSECONDS,
    OTHER_VERSION,
    STALE,
    TOO_MANY,
    UNREADABLE,
    Received,
    SharedMemory,
    Write,
    user_item,
)
from proxy.stores.token_ledger import Slot
from proxy.vendors.facts import ShapeSeen


class SharedVendor(SharedMemory):
    """Stands between one vendor's memory and the store. Belongs to the event loop, waits for nothing."""

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
            yield self.names.user(self._keys.hidden(user_id)), user_item(user_id, record)

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
