"""Replicas that learn, forget, lose messages and compare end up knowing the same, and never again what one of them gave up."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from proxy.credentials import Secret
from proxy.grants import GrantStore, Knowledge, LackRecord
from proxy.knowledge.memory import VendorMemory
from proxy.model import Grants, Lack, Source
from proxy.stores.fanout import listen
from proxy.stores.items import Instant
from proxy.stores.keys import Keys
from proxy.stores.shared_memory import ANY_VERSION, Place, Received, Write
from proxy.stores.shared_names import Namespace
from proxy.stores.shared_vendor import SharedVendor

KEYS = Keys((Secret(b"k" * 32),))
TOKENS = [bytes([number]) * 16 for number in range(3)]
tokens, numbers = st.sampled_from(TOKENS), st.integers(0, 2)
LIFE = 1_000_000.0


@dataclass
class Store:
    """The store and its scripts, as `scripts.py` has them, without a clock of its own."""

    items: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    marker: int = 0
    version: int = 0

    def write(self, write: Write) -> int | Received | None:
        version, _ = self.items.get(write.key, (0, b""))
        if version > self.marker and write.base not in {ANY_VERSION, str(version)}:
            return Received(write.key, *self.items[write.key])
        if write.base != ANY_VERSION and 0 < int(write.base) <= self.marker:
            return None
        self.version += 1
        self.items[write.key] = (self.version, write.sealed)
        return self.version

    def clear(self) -> int:
        self.version += 1
        self.marker = self.version
        return self.marker


class Replica:
    def __init__(self) -> None:
        self.now = 0.0
        self.grants, self.memory = GrantStore(100), VendorMemory()
        place = Place(self.grants, self.memory, 100)
        self.vendor = SharedVendor(Namespace(KEYS.root, "v", "b"), KEYS, place, lambda: Instant(self.now, self.now), lambda: None)
        listen(self.grants, self.memory, self.vendor)
        self.heard: list[Received | int] = []

    def known(self) -> dict[bytes, tuple[Grants, tuple[LackRecord, ...]]]:
        return {token: (known.grants, tuple(sorted(known.lacks, key=str))) for token, known in self.grants.items()}


class Replicas(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.all = [Replica(), Replica(), Replica()]
        self.revoked: set[bytes] = set()
        self.proven: dict[bytes, set[str]] = {token: set() for token in TOKENS}
        """The scopes of which a success was the last that anybody saw."""
        self.count = 0

    def _moment(self) -> float:
        self.count += 1
        return float(self.count)

    # --- what happens at one replica

    @rule(number=numbers, token=tokens, scope=st.sampled_from("AB"))
    def log_in(self, number: int, token: bytes, scope: str) -> None:
        if token not in self.revoked:
            grants = Grants(frozenset({scope}), complete=True)
            self.all[number].grants.put(token, Knowledge(grants, Source.TOKEN_RESPONSE, self._moment(), LIFE))
            self.proven[token].clear()

    @rule(number=numbers, token=tokens, scope=st.sampled_from("AB"), succeeds=st.booleans())
    def answer(self, number: int, token: bytes, scope: str, succeeds: bool) -> None:
        if token in self.revoked:
            return
        store, moment = self.all[number].grants, self._moment()
        known = store.get(token, 0.0) or Knowledge(Grants(), Source.REFUSAL, moment, LIFE)
        lack = LackRecord(Lack(scope), moment, LIFE)
        store.put(token, known.with_held(frozenset({scope}), frozenset()) if succeeds else known.with_lack(lack))
        (self.proven[token].add if succeeds else self.proven[token].discard)(scope)

    @rule(number=numbers, token=tokens)
    def revoke(self, number: int, token: bytes) -> None:
        self.revoked.add(token)
        self.all[number].grants.forget(token)

    @rule(number=numbers)
    def clear(self, number: int) -> None:
        self.all[number].grants.clear()
        for proven in self.proven.values():
            proven.clear()

    # --- what passes between them

    @rule(number=numbers, count=st.integers(1, 3))
    def tell(self, number: int, count: int) -> None:
        replica = self.all[number]
        if replica.vendor.clearing:
            marker = self.store.clear()
            self._publish(number, marker)
            replica.vendor.clearing = False
            self.compare(number)
            return
        for write in replica.vendor.writes(count):
            reply = self.store.write(write)
            if isinstance(reply, int):
                replica.vendor.written(write, reply)
                self._publish(number, Received(write.key, reply, write.sealed))
            elif reply is None:
                replica.vendor.was_cleared(write)
            else:
                replica.vendor.conflicted(write, reply)

    def _publish(self, number: int, message: Received | int) -> None:
        for other, replica in enumerate(self.all):
            if other != number:
                replica.heard.append(message)

    @rule(number=numbers)
    def lose_the_outcome(self, number: int) -> None:
        """The line breaks after a write: it was made, and nobody here knows."""
        replica = self.all[number]
        if replica.vendor.clearing:
            return
        writes = replica.vendor.writes(1)
        for write in writes:
            reply = self.store.write(write)
            if isinstance(reply, int):
                self._publish(number, Received(write.key, reply, write.sealed))
        replica.vendor.failed(writes)
        self.lose_messages(number)

    @rule(number=numbers, count=st.integers(1, 3))
    def hear(self, number: int, count: int) -> None:
        replica = self.all[number]
        for message in replica.heard[:count]:
            if isinstance(message, int):
                replica.vendor.receive_clear(message)
            else:
                replica.vendor.receive(message)
        del replica.heard[:count]

    @rule(number=numbers)
    def lose_messages(self, number: int) -> None:
        """The line breaks, and everything is compared when it is mended."""
        self.all[number].heard.clear()
        self.compare(number)

    def compare(self, number: int) -> None:
        vendor = self.all[number].vendor
        vendor.begin_comparing(self.store.marker)
        if vendor.clearing:
            return
        for key, (version, sealed) in self.store.items.items():
            if not vendor.is_cleared(version):
                vendor.receive(Received(key, version, sealed))
        vendor.end_comparing(set(self.store.items))

    @rule()
    def restart_the_store_empty(self) -> None:
        """It comes back without anything; its clock went on."""
        self.store.items, self.store.marker = {}, 0
        for number in range(len(self.all)):
            self.lose_messages(number)

    def teardown(self) -> None:
        for _ in range(60):
            for number, replica in enumerate(self.all):
                while len(replica.vendor):
                    self.tell(number, 3)
                self.hear(number, len(replica.heard))
            if not any(replica.heard or len(replica.vendor) for replica in self.all):
                break
        else:
            raise AssertionError("they never come to rest")
        one, *others = [replica.known() for replica in self.all]
        assert all(other == one for other in others)
        assert not one.keys() & self.revoked
        for token, (_, lacks) in one.items():
            assert not {record.lack.scope for record in lacks} & self.proven[token]


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
