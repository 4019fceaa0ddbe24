"""Rows → what memory is filled with. Whatever cannot be trusted is left out, counted, and taken off the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from proxy.credentials import Fingerprint
from proxy.grants import GrantStore, Knowledge
from proxy.knowledge.memory import UserRecord, VendorMemory
from proxy.knowledge.sharing import Sharing
from proxy.model import Grants, RefusalTemplate
from proxy.stores import codec
from proxy.stores.keys import Keys
from proxy.stores.pending import GRANT, OF_EVIDENCE, SHAPE, TIE, Place, Value
from proxy.stores.sqlite import StoredRow
from proxy.stores.timeline import Anchor

UNREADABLE: Final = "unreadable"
OTHER_VERSION: Final = "other_version"
OTHER_BASIS: Final = "other_configuration"
EXPIRED: Final = "expired"
CLOCK_WENT_BACK: Final = "clock_went_back"
TOO_MANY: Final = "too_many"
MAX_EVIDENCE: Final = 100_000
"""Most rows of evidence of one kind and vendor that are taken over."""
LOADING_REASONS: Final = (UNREADABLE, OTHER_VERSION, OTHER_BASIS, EXPIRED, CLOCK_WENT_BACK, TOO_MANY)


Decoder = Callable[[bytes], Any]
"""Reads the bytes of one row of evidence; raises `ValueError`, `TypeError` or `KeyError`."""


class Expected(NamedTuple):
    """What is taken over for a vendor: knowledge of this basis, about at most so many tokens."""

    basis: str
    max_tokens: int


@dataclass(slots=True)
class Remembered:
    """What an earlier run knew about one vendor, the newest first."""

    grants: list[tuple[Fingerprint, Knowledge]] = field(default_factory=list)
    ties: list[tuple[Fingerprint, str]] = field(default_factory=list)
    shapes: list[tuple[str, RefusalTemplate]] = field(default_factory=list)
    users: list[tuple[str, UserRecord]] = field(default_factory=list)
    evidence: dict[str, list[Any]] = field(default_factory=dict)
    """Decoded rows of evidence, by kind."""

    def fill(self, store: GrantStore, memory: VendorMemory) -> None:
        """Put everything into a vendor's empty store and memory, the newest last, because that is the last to be evicted."""
        for fingerprint, chain in reversed(self.ties):
            store.tie(chain, fingerprint)
        for fingerprint, knowledge in reversed(self.grants):
            store.put(fingerprint, knowledge)
        for variant, template in reversed(self.shapes):
            memory.shapes[variant] = template
        for user, record in reversed(self.users):
            memory.restore_user(user, record)


class _NotTakenError(Exception):
    """A row is not taken over; the text is the reason under which that is counted."""


class Loading:
    """Takes rows over, one after the other, the newest first."""

    def __init__(
        self, keys: Keys, expected: Mapping[str, Expected], shifts: Mapping[int, float], here: Anchor, decoders: Mapping[str, Decoder]
    ) -> None:
        self._keys = keys
        self._expected = expected
        self._shifts = shifts
        self._here = here
        self._decoders = decoders
        self.found: dict[str, Remembered] = {vendor: Remembered() for vendor in expected}
        self._share = Sharing[Grants]()
        self.dropped: Counter[str] = Counter()
        self.gone: list[Place] = []
        self.reseal: list[tuple[Place, Value]] = []
        """What was sealed with an older key and is to be written anew."""

    def take(self, rows: Iterable[StoredRow]) -> None:
        """Take rows over; those of vendors that are not configured, and evidence that nobody reads, stay where they are."""
        for row in rows:
            if row.place.vendor not in self._expected or (row.place.kind in OF_EVIDENCE and row.place.kind not in self._decoders):
                continue
            try:
                self._take(row)
            except _NotTakenError as reason:
                self.dropped[str(reason)] += 1
                self.gone.append(row.place)

    def _take(self, row: StoredRow) -> None:
        plain = self._keys.open(row.value, sealed_place(row.place, row.run))
        if plain is None:
            raise _NotTakenError(UNREADABLE)
        try:
            self._decode(row, plain)
        except codec.OtherBasisError:
            raise _NotTakenError(OTHER_BASIS) from None
        except (ValueError, TypeError, KeyError):
            raise _NotTakenError(OTHER_VERSION) from None

    def _decode(self, row: StoredRow, plain: bytes) -> None:
        place, found, encode = row.place, self.found[row.place.vendor], partial(_same, plain)
        ends = None
        if place.kind in OF_EVIDENCE:
            ends = row.ends
            self._take_evidence(row, plain, found)
        elif place.kind == GRANT:
            knowledge = self._grant(row, plain, found)
            encode, ends = partial(codec.encode_knowledge, knowledge, self._expected[place.vendor].basis), knowledge.expires
        elif place.kind == TIE:
            self._room(len(found.ties), place)
            found.ties.append((place.key, codec.decode_tie(plain)))
        elif place.kind == SHAPE:
            found.shapes.append(codec.decode_shape(plain))
        else:
            found.users.append(codec.decode_user(plain))
        if not self._keys.is_newest(row.value):
            self.reseal.append((place, Value(encode, ends)))

    def _take_evidence(self, row: StoredRow, plain: bytes, found: Remembered) -> None:
        if row.ends is not None and row.ends <= self._here.wall:
            raise _NotTakenError(EXPIRED)
        kept = found.evidence.setdefault(row.place.kind, [])
        if len(kept) >= MAX_EVIDENCE:
            raise _NotTakenError(TOO_MANY)
        kept.append(self._decoders[row.place.kind](plain))

    def _grant(self, row: StoredRow, plain: bytes, found: Remembered) -> Knowledge:
        if row.run not in self._shifts:
            raise _NotTakenError(CLOCK_WENT_BACK)
        basis = self._expected[row.place.vendor].basis
        knowledge = codec.decode_knowledge(plain, basis, self._shifts[row.run], self._share).at(self._here.now)
        if knowledge is None:
            raise _NotTakenError(EXPIRED)
        self._room(len(found.grants), row.place)
        found.grants.append((row.place.key, knowledge))
        return knowledge

    def _room(self, count: int, place: Place) -> None:
        if count >= self._expected[place.vendor].max_tokens:
            raise _NotTakenError(TOO_MANY)


def _same(plain: bytes) -> bytes:
    return plain


def sealed_place(place: Place, run: int) -> bytes:
    """Return what a row's seal is bound to: its place, and the run whose clock its moments are told by."""
    return b"%d:" % run + place.label()
