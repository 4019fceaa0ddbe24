"""A change of knowledge ⇄ the record that tells other processes of it. Pure.

A record: kind, vendor (its number), length of the key, key, value. Values are written as the embedded store writes them; life times
are moments of the steady clock, which is the same for all processes of a machine.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from proxy.credentials import Fingerprint
from proxy.grants import GrantStore, Knowledge
from proxy.knowledge.memory import UserRecord, VendorMemory
from proxy.knowledge.sharing import Sharing
from proxy.model import Grants, RefusalTemplate
from proxy.stores import codec
from proxy.vendors.facts import ShapeSeen

KEPT: Final = 1
TIED: Final = 2
GONE: Final = 3
CLEARED: Final = 4
SHAPE: Final = 5
USER: Final = 6
NOTE: Final = 7
_HEAD: Final = struct.Struct("<BBH")


class RecordError(ValueError):
    """The bytes are no record of this version."""


@dataclass(frozen=True, slots=True)
class Change:
    """One record: what happened (`kind`) at the vendor with this number, to whom (`key`), and what is so now (`value`)."""

    kind: int
    vendor: int
    key: bytes = b""
    value: bytes = b""

    def encoded(self) -> bytes:
        """Return the record."""
        return _HEAD.pack(self.kind, self.vendor, len(self.key)) + self.key + self.value


def read_change(record: bytes) -> Change:
    """Return what a record tells; raise `RecordError`."""
    if len(record) < _HEAD.size:
        raise RecordError("too short")
    kind, vendor, length = _HEAD.unpack_from(record)
    end = _HEAD.size + length
    if not KEPT <= kind <= NOTE or len(record) < end:
        raise RecordError("not a change")
    return Change(kind, vendor, record[_HEAD.size : end], record[end:])


def note(name: str, data: bytes) -> bytes:
    """Return the record that tells all processes something else, for whoever listens to that name."""
    return Change(NOTE, 0, name.encode(), data).encoded()


class Writer:
    """Writes the records of one vendor: `number` in the order of the configuration, `basis` what its knowledge rests on."""

    def __init__(self, number: int, basis: str) -> None:
        self._number = number
        self._basis = basis

    def kept(self, fingerprint: Fingerprint, knowledge: Knowledge) -> bytes:
        """Tell what is known about a token; where that cannot be written, that nothing is."""
        try:
            value = codec.encode_knowledge(knowledge, self._basis)
        except TypeError:  # a text that is not valid Unicode
            return self.gone(fingerprint)
        return self._record(KEPT, fingerprint, value)

    def tied(self, fingerprint: Fingerprint, chain: str) -> bytes:
        """Tell that a token belongs to a chain."""
        return self._record(TIED, fingerprint, codec.encode_tie(chain))

    def gone(self, fingerprint: Fingerprint) -> bytes:
        """Tell that nothing is known about a token any more."""
        return self._record(GONE, fingerprint)

    def cleared(self) -> bytes:
        """Tell that nothing is known about any token any more."""
        return self._record(CLEARED)

    def shape(self, variant: str, template: RefusalTemplate) -> bytes | None:
        """Tell the shape of a refusal; None where it cannot be written."""
        try:
            return self._record(SHAPE, b"", codec.encode_shape(variant, template))
        except TypeError:
            return None

    def user(self, user_id: str, record: UserRecord) -> bytes | None:
        """Tell what is known of a user; None where it cannot be written."""
        try:
            return self._record(USER, b"", codec.encode_user(user_id, record))
        except TypeError:
            return None

    def _record(self, kind: int, key: bytes = b"", value: bytes = b"") -> bytes:
        return Change(kind, self._number, key, value).encoded()

    def everything(self, store: GrantStore, memory: VendorMemory) -> Iterator[bytes]:
        """Return records that make another's store and memory like these are now; each is written when it is asked for."""
        ties, items = list(store.ties()), list(store.items())
        told = [self.shape(variant, template) for variant, template in memory.shapes.items()]
        told += [self.user(user_id, record) for user_id, record in memory.users()]
        return chain(
            [self.cleared(), *(record for record in told if record is not None)],
            (self.tied(fingerprint, name) for fingerprint, name in ties),
            (self.kept(fingerprint, knowledge) for fingerprint, knowledge in items),
        )


class Reader:
    """Makes the changes that records tell of. `vendors` are name and basis in the order of the configuration."""

    def __init__(
        self,
        vendors: Sequence[tuple[str, str]],
        stores: Mapping[str, GrantStore],
        memories: Mapping[str, VendorMemory],
        notes: dict[str, Callable[[bytes], None]] | None = None,
    ) -> None:
        self._vendors = tuple(vendors)
        self._stores = stores
        self._memories = memories
        self.notes: dict[str, Callable[[bytes], None]] = {} if notes is None else notes
        self._share: Callable[[Grants], Grants] = Sharing[Grants]()

    def vendor(self, change: Change) -> str:
        """Return the name of the vendor concerned; raise `RecordError`."""
        if change.vendor >= len(self._vendors):
            raise RecordError("no such vendor")
        return self._vendors[change.vendor][0]

    def make(self, change: Change) -> None:
        """Make a change here; raise `RecordError` where it cannot be read, and forget the token then: better nothing than old."""
        if change.kind == NOTE:
            self._hear(change)
            return
        store, memory = self._stores[self.vendor(change)], self._memories[self.vendor(change)]
        try:
            self._make(change, store, memory)
        except (ValueError, TypeError, KeyError) as error:
            store.forget(change.key)
            raise RecordError("the value cannot be read") from error

    def _hear(self, change: Change) -> None:
        handler = self.notes.get(change.key.decode("utf-8", "replace"))
        if handler is not None:
            try:
                handler(change.value)
            except (ValueError, TypeError, KeyError) as error:
                raise RecordError("the note cannot be read") from error

    def _make(self, change: Change, store: GrantStore, memory: VendorMemory) -> None:
        if change.kind == KEPT:
            store.put(change.key, codec.decode_knowledge(change.value, self._vendors[change.vendor][1], 0.0, self._share))
        elif change.kind == TIED:
            store.tie(codec.decode_tie(change.value), change.key)
        elif change.kind == GONE:
            store.forget(change.key)
        elif change.kind == CLEARED:
            store.clear()
        elif change.kind == SHAPE:
            variant, template = codec.decode_shape(change.value)
            memory.remember_shape(ShapeSeen(variant=variant, template=template))
        else:
            memory.restore_user(*codec.decode_user(change.value))
