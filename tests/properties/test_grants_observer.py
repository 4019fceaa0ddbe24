"""Whoever hears every change of a grant store knows what is in it: that is all the embedded store relies on."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proxy.grants import GrantStore, Knowledge, LackRecord
from proxy.model import NOTHING_KNOWN, Lack, Source

ACCESS = [bytes([number]) for number in range(6)]
REFRESH = [bytes([number]) for number in range(10, 16)]
access_tokens, refresh_tokens, chains = st.sampled_from(ACCESS), st.sampled_from(REFRESH), st.sampled_from(["one", "two", "three"])


class Listener:
    """Believes what it is told."""

    def __init__(self) -> None:
        self.entries: dict[bytes, Knowledge] = {}
        self.ties: dict[bytes, str] = {}

    def kept(self, fingerprint: bytes, knowledge: Knowledge) -> None:
        self.entries[fingerprint] = knowledge

    def tied(self, fingerprint: bytes, chain: str) -> None:
        self.ties[fingerprint] = chain

    def untied(self, fingerprint: bytes) -> None:
        self.ties.pop(fingerprint, None)

    def gone(self, fingerprint: bytes) -> None:
        self.entries.pop(fingerprint, None)
        self.untied(fingerprint)

    def cleared(self) -> None:
        self.entries.clear()
        self.ties.clear()


class ObservedStore(RuleBasedStateMachine):
    limit = 100

    def __init__(self) -> None:
        super().__init__()
        self.listener = Listener()
        self.store = GrantStore(self.limit, self.listener)
        self.now = 0.0

    @rule(seconds=st.integers(0, 5))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule(token=access_tokens, lifetime=st.integers(1, 12), chain=chains, lack_lifetime=st.none() | st.integers(1, 12))
    def put(self, token: bytes, lifetime: int, chain: str, lack_lifetime: int | None) -> None:
        knowledge = Knowledge(NOTHING_KNOWN, Source.GIVEN, self.now, self.now + lifetime, chain=chain)
        if lack_lifetime is not None:
            knowledge = knowledge.with_lack(LackRecord(Lack("A"), self.now, self.now + lack_lifetime))
        self.store.put(token, knowledge)

    @rule(token=access_tokens)
    def get(self, token: bytes) -> None:
        self.store.get(token, self.now)

    @rule(token=refresh_tokens, chain=chains)
    def tie(self, token: bytes, chain: str) -> None:
        self.store.tie(chain, token)

    @rule(token=access_tokens | refresh_tokens)
    def forget(self, token: bytes) -> None:
        self.store.forget(token)

    @rule(chain=chains)
    def forget_chain(self, chain: str) -> None:
        self.store.forget_chain(chain)

    @rule()
    def clear(self) -> None:
        count = len(self.listener.entries)
        assert self.store.clear() == count
        assert not list(self.store.items())

    @invariant()
    def entries_are_those_of_the_store_but_for_lacks_that_ended(self) -> None:
        heard = {token: knowledge.at(self.now) for token, knowledge in self.listener.entries.items()}
        assert heard == {token: knowledge.at(self.now) for token, knowledge in self.store.items()}


class RoomyStore(ObservedStore):
    """Without bounds in the way, a store that is filled with what was heard ties the same tokens together."""

    @invariant()
    def ties_are_those_of_the_store(self) -> None:
        again = GrantStore(self.limit)
        for token, chain in self.listener.ties.items():
            again.tie(chain, token)
        for token, knowledge in self.listener.entries.items():
            again.put(token, knowledge)
        assert dict(again.ties()) == dict(self.store.ties())


class CrampedStore(ObservedStore):
    """With three places, evictions come in between."""

    limit = 3

    @invariant()
    def nothing_is_heard_of_that_is_not_there(self) -> None:
        assert all(self.store.chain_of(token) == chain for token, chain in self.listener.ties.items())


TestRoomyStore = RoomyStore.TestCase
TestCrampedStore = CrampedStore.TestCase
