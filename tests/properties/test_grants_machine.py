"""The grant store against a naive model: a list of entries in order of use, and sets of tied tokens."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.grants import GrantStore, Knowledge, LackRecord
from proxy.model import NOTHING_KNOWN, Lack, Source

LIMIT = 3
tokens = st.sampled_from([bytes([number]) for number in range(8)])
chains = st.sampled_from(["one", "two", "three", "four", "five"])
lifetimes = st.integers(0, 12)


class Model:
    """What the store promises, written as plainly as possible and as slowly as it likes."""

    def __init__(self) -> None:
        self.entries: list[tuple[bytes, Knowledge]] = []
        self.chains: list[tuple[str, set[bytes]]] = []
        self.ties: list[bytes] = []
        self.evictions = 0
        self.expirations = 0

    def find(self, token: bytes) -> Knowledge | None:
        return dict(self.entries).get(token)

    def drop(self, token: bytes) -> bool:
        known = self.find(token) is not None
        self.entries = [(other, entry) for other, entry in self.entries if other != token]
        return known

    def untie(self, token: bytes) -> None:
        self.chains = [(name, members - {token}) for name, members in self.chains if members - {token}]
        self.ties = [other for other in self.ties if other != token]

    def chain_of(self, token: bytes) -> str | None:
        return next((name for name, members in self.chains if token in members), None)

    def tie(self, chain: str, token: bytes) -> None:
        self.untie(token)
        members = dict(self.chains).get(chain, set())
        self.chains = [(name, others) for name, others in self.chains if name != chain] + [(chain, members | {token})]
        self.ties.append(token)
        for name, _ in self.chains[:-LIMIT]:
            self.forget_ties(name)
        for oldest in self.ties[: -2 * LIMIT]:
            self.untie(oldest)

    def forget_ties(self, chain: str) -> set[bytes]:
        members = dict(self.chains).get(chain, set())
        for member in members:
            self.untie(member)
        return members

    def put(self, token: bytes, knowledge: Knowledge) -> None:
        self.drop(token)
        self.entries.append((token, knowledge))
        if knowledge.chain:
            self.tie(knowledge.chain, token)
        for oldest, _ in self.entries[:-LIMIT]:
            self.drop(oldest)
            self.untie(oldest)
            self.evictions += 1

    def get(self, token: bytes, now: float) -> Knowledge | None:
        entry = self.find(token)
        if entry is None:
            return None
        self.drop(token)
        if now >= entry.expires:
            self.expirations += 1
            self.untie(token)
            return None
        lacks = tuple(record for record in entry.lacks if record.expires > now)
        if lacks != entry.lacks:
            lacking = frozenset(record.lack for record in lacks)
            entry = replace(entry, lacks=lacks, grants=replace(entry.grants, lacking=lacking))
        self.entries.append((token, entry))
        return entry


class GrantStoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = GrantStore(LIMIT)
        self.model = Model()
        self.now = 0.0

    @rule(seconds=st.integers(0, 5))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule(token=tokens, lifetime=lifetimes, chain=st.just("") | chains, lack_lifetime=st.none() | lifetimes)
    def put(self, token: bytes, lifetime: int, chain: str, lack_lifetime: int | None) -> None:
        knowledge = Knowledge(NOTHING_KNOWN, Source.GIVEN, self.now, self.now + lifetime, chain=chain)
        if lack_lifetime is not None:
            knowledge = knowledge.with_lack(LackRecord(Lack("A"), self.now, self.now + lack_lifetime))
        self.store.put(token, knowledge)
        self.model.put(token, knowledge)

    @rule(token=tokens)
    def get(self, token: bytes) -> None:
        found = self.store.get(token, self.now)
        assert found == self.model.get(token, self.now)
        if found is not None:
            assert self.now < found.expires
            assert all(self.now < record.expires for record in found.lacks)
            assert found.grants.lacking == {record.lack for record in found.lacks}

    @rule(chain=chains, token=tokens)
    def tie(self, chain: str, token: bytes) -> None:
        self.store.tie(chain, token)
        self.model.tie(chain, token)

    @rule(token=tokens)
    def forget(self, token: bytes) -> None:
        self.model.untie(token)
        assert self.store.forget(token) == self.model.drop(token)

    @precondition(lambda self: self.model.chains)
    @rule(data=st.data())
    def forget_chain(self, data: st.DataObject) -> None:
        chain = data.draw(st.sampled_from([name for name, _ in self.model.chains]))
        members = self.model.forget_ties(chain)
        others = [token for token, _ in self.model.entries if token not in members]
        assert self.store.forget_chain(chain) == sum(self.model.drop(member) for member in members)
        assert [token for token, _ in self.store.items()] == others

    @rule()
    def forget_a_chain_that_is_not_there(self) -> None:
        assert self.store.forget_chain("no such chain") == 0

    @invariant()
    def the_entries_and_their_order_are_those_of_the_model(self) -> None:
        assert list(self.store.items()) == self.model.entries
        assert (self.store.evictions, self.store.expirations) == (self.model.evictions, self.model.expirations)

    @invariant()
    def every_tie_is_that_of_the_model(self) -> None:
        for number in range(8):
            token = bytes([number])
            assert self.store.chain_of(token) == self.model.chain_of(token)

    @invariant()
    def memory_is_bounded(self) -> None:
        assert len(self.store) <= LIMIT
        assert sum(self.store.chain_of(bytes([number])) is not None for number in range(8)) <= 2 * LIMIT


TestGrantStore = GrantStoreMachine.TestCase
