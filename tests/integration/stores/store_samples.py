"""A store on the disk, what is put into it, and clocks that a test sets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from proxy.credentials import Secret
from proxy.grants import GrantStore, Knowledge, LackRecord
from proxy.knowledge.memory import VendorMemory
from proxy.model import Grants, Lack, RefusalTemplate, Source
from proxy.stores.embedded import EmbeddedStore, StoreOptions
from proxy.stores.keys import KeyFile, Keys
from proxy.stores.loading import Decoder, Expected
from proxy.stores.pending import SCORE, USAGE
from proxy.stores.timeline import Anchor
from proxy.vendors.facts import ShapeSeen, UserAccess

WAIT_S = 20.0
KEY = Secret(b"k" * 32)
SECRETS = (b"ReadCallLogCanary", b"alice-canary@example.com", b"user-canary-42", b"chain-canary", b"CannotCanary", b"canary-permission")
"""Texts of which the file may show nothing."""


@dataclass
class SetClocks:
    """Both clocks, as a test sets them."""

    now: float = 1_000.0
    wall: float = 1_795_000_000.0

    def __call__(self) -> Anchor:
        return Anchor(self.now, self.wall)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def reboot(self, down: float) -> None:
        """Let the steady clock begin anew."""
        self.now, self.wall = 5.0, self.wall + down


def fingerprint(number: int) -> bytes:
    return number.to_bytes(16, "big")


def entry(scope: str = "ReadCallLogCanary", expires: float = 5_000.0, chain: str = "chain-canary") -> Knowledge:
    lack = LackRecord(Lack("CannotCanary"), 1_795_000_000.0, expires, changeable=True, recheck=1_060.0)
    grants = Grants(frozenset({scope}), complete=True)
    known = Knowledge(grants, Source.TOKEN_RESPONSE, 1_795_000_000.0, expires, "alice-canary@example.com", chain)
    return known.with_lack(lack)


def decode_text(data: bytes) -> str:
    """Read a row of a ledger whose rows are texts."""
    return data.decode("utf-8")


SHAPE = ShapeSeen(RefusalTemplate(403, {"errorCode": "CannotCanary"}, {"x": "y"}), "variant")
ACCESS = UserAccess("user-canary-42", 1, 2, {"canary-permission": "read"})


@dataclass
class Run:
    """One run of a proxy, as far as its knowledge is concerned."""

    store: EmbeddedStore
    vendor: str
    grants: GrantStore
    memory: VendorMemory = field(default_factory=VendorMemory)
    evidence: dict[str, list[str]] = field(default_factory=dict)

    def begin(self) -> None:
        found = self.store.start().result(WAIT_S)
        if self.vendor in found:
            found[self.vendor].fill(self.grants, self.memory)
            self.evidence = found[self.vendor].evidence
        self.grants.observer = self.memory.observer = self.store.watcher(self.vendor)

    def flush(self) -> None:
        assert self.store.flush(WAIT_S), self.store.trouble

    def known(self) -> dict[bytes, Knowledge]:
        return dict(self.grants.items())

    def reading(self, name: str) -> Mapping[tuple[str, ...], float]:
        """Return the values of a metric that are not 0."""
        (found,) = [reading for reading in self.store.readings() if reading.name == name]
        return {labels: value for labels, value in found.read().items() if value}

    @property
    def dropped(self) -> dict[str, float]:
        return {reason: value for (reason,), value in self.reading("scopegate_store_dropped_total").items()}


@dataclass
class Disk:
    """Where the runs of one test keep their knowledge."""

    path: Path
    clocks: SetClocks = field(default_factory=SetClocks)

    @contextmanager
    def run(
        self,
        keys: Keys | KeyFile | None = None,
        *,
        vendor: str = "ringcentral",
        basis: str = "basis",
        max_tokens: int = 1_000_000,
        max_bytes: int = 2**28,
        decoders: Mapping[str, Decoder] = MappingProxyType({USAGE: decode_text, SCORE: decode_text}),
    ) -> Iterator[Run]:
        options = StoreOptions(self.path, max_bytes, linger_s=0.001, retry_s=0.01)
        store = EmbeddedStore(options, keys or Keys((KEY,)), {vendor: Expected(basis, max_tokens)}, self.clocks, decoders)
        run = Run(store, vendor, GrantStore(max_tokens))
        run.begin()
        try:
            yield run
        finally:
            store.close(WAIT_S)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.path.parent.iterdir() if path.name.startswith(self.path.name)}

    @contextmanager
    def other_hand(self) -> Iterator[sqlite3.Connection]:
        """Open the file as somebody else would."""
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=WAIT_S)
        try:
            yield connection
        finally:
            connection.close()
