from __future__ import annotations

from dataclasses import replace

import pytest

from proxy.grants import MAX_BOUND, MAX_LACKS, NEVER, GrantStore, Knowledge, LackRecord, learned
from proxy.model import NOTHING_KNOWN, Grants, Holding, Lack, Named, Source
from proxy.prediction import WHOLE_RESOURCE, holding

NORTH, SOUTH = "pbx:north", "pbx:south"


def lack(scope: str, *resources: str, expires: float = 100.0, observed_at: float = 5.0) -> LackRecord:
    return LackRecord(Lack(scope, frozenset(resources)), observed_at, expires)


def knowing(grants: Grants = NOTHING_KNOWN, expires: float = 1000.0, chain: str = "") -> Knowledge:
    return Knowledge(grants, Source.TOKEN_RESPONSE, 1.0, expires, chain=chain)


def later(knowledge: Knowledge, now: float) -> Knowledge:
    current = knowledge.at(now)
    assert current is not None
    return current


# --- one entry -----------------------------------------------------------------------------------------


def test_an_entry_must_be_looked_at_again_when_it_or_one_of_its_lacks_ends() -> None:
    assert knowing().next_change == 1000.0
    assert knowing().with_lack(lack("A", expires=50)).with_lack(lack("B", expires=70)).next_change == 50
    assert knowing(expires=10).with_lack(lack("A", expires=50)).next_change == 10
    assert knowing(expires=NEVER).next_change == NEVER


def test_an_entry_ends_at_its_end() -> None:
    assert knowing(expires=10).at(9.9) is not None
    assert knowing(expires=10).at(10) is None


def test_an_entry_without_a_change_stays_itself_and_keeps_its_memo() -> None:
    knowledge = knowing().with_lack(lack("A"))
    knowledge.memo["x"] = 1
    assert knowledge.at(99.9) is knowledge
    assert later(knowledge, 100).memo == {}
    assert knowledge.with_lack(lack("B")).memo == {}
    assert knowledge.with_held(frozenset({"B"}), frozenset()).memo == {}


def test_a_lack_ends_on_its_own_and_the_others_stay() -> None:
    knowledge = knowing().with_lack(lack("A", expires=50)).with_lack(lack("B", expires=70))
    assert later(knowledge, 50).grants.lacking == {Lack("B")}
    assert later(knowledge, 50).lacks == (lack("B", expires=70),)
    assert later(knowledge, 70).grants.lacking == frozenset()


def test_what_a_success_proved_is_struck_off_by_a_refusal() -> None:
    proved = knowing(Grants(frozenset({"A", "B"}))).with_lack(lack("A"))
    assert proved.grants == Grants(frozenset({"B"}), lacking=frozenset({Lack("A")}))
    assert holding("A", later(proved, 100).grants) is Holding.UNKNOWN


def test_a_bound_right_is_struck_off_by_a_refusal_for_its_resource() -> None:
    rights = Grants(frozenset({"CDR"}), frozenset({("CDR", NORTH), ("CDR", SOUTH), ("Chat", NORTH)}))
    refused = knowing(rights).with_lack(lack("CDR", NORTH))
    assert refused.grants.bound == {("CDR", SOUTH), ("Chat", NORTH)}
    assert refused.grants.scopes == {"CDR"}


def test_no_access_to_a_resource_strikes_off_every_right_on_it() -> None:
    rights = Grants(frozenset({"X"}), frozenset({("CDR", NORTH), ("CDR", SOUTH), ("Chat", NORTH)}))
    refused = knowing(rights).with_lack(lack(WHOLE_RESOURCE, NORTH))
    assert refused.grants.bound == {("CDR", SOUTH)}
    assert refused.grants.scopes == {"X"}


def test_a_refusal_for_several_resources_blames_none_of_them() -> None:
    rights = Grants(bound=frozenset({("CDR", NORTH), ("CDR", SOUTH)}))
    assert knowing(rights).with_lack(lack("CDR", NORTH, SOUTH)).grants.bound == rights.bound


@pytest.mark.parametrize(
    ("grants", "record"),
    [
        (Grants(frozenset({"A"}), complete=True), lack("A")),
        (Grants(bound=frozenset({("A", NORTH)}), complete_for=frozenset({NORTH})), lack("A", NORTH)),
        (Grants(frozenset({"A"}), complete_for=frozenset({NORTH})), lack("A")),
        (Grants(bound=frozenset({("A", NORTH)}), complete=True), lack("A", NORTH)),
    ],
)
def test_complete_knowledge_stands_again_when_the_lack_has_ended(grants: Grants, record: LackRecord) -> None:
    resources = Named(record.lack.resources)
    refused = knowing(grants).with_lack(record)
    assert holding("A", refused.grants, resources) is Holding.LACKING
    assert later(refused, 100).grants == grants


def test_the_same_lack_is_kept_once_and_anew() -> None:
    again = knowing().with_lack(lack("A", expires=10)).with_lack(lack("B")).with_lack(lack("A", expires=90))
    assert again.lacks == (lack("B"), lack("A", expires=90))


def test_lacks_are_bounded() -> None:
    knowledge = knowing()
    for number in range(MAX_LACKS + 1):
        knowledge = knowledge.with_lack(lack(f"scope {number}"))
    assert MAX_LACKS == 64
    assert [record.lack.scope for record in knowledge.lacks] == [f"scope {number}" for number in range(1, MAX_LACKS + 1)]
    assert knowledge.with_lack(lack("A"), limit=1).lacks == (lack("A"),)


def test_a_success_adds_what_it_proved() -> None:
    assert knowing().with_held(frozenset({"A", "B"}), frozenset()).grants == Grants(frozenset({"A", "B"}))
    on_both = knowing().with_held(frozenset({"A"}), frozenset({NORTH, SOUTH}))
    assert on_both.grants == Grants(bound=frozenset({("A", NORTH), ("A", SOUTH)}))


@pytest.mark.parametrize(
    ("record", "resources", "kept"),
    [
        (lack("A"), [], False),
        (lack("A"), [NORTH], False),
        (lack("A", NORTH), [NORTH], False),
        (lack("A", NORTH), [NORTH, SOUTH], False),
        (lack("A", NORTH, SOUTH), [NORTH, SOUTH], False),
        (lack("A", NORTH, SOUTH), [NORTH], True),
        (lack("A", NORTH), [SOUTH], True),
        (lack("A", NORTH), [], True),
        (lack("B"), [], True),
        (lack(WHOLE_RESOURCE, NORTH), [NORTH], False),
        (lack(WHOLE_RESOURCE, NORTH), [SOUTH], True),
    ],
)
def test_a_success_disproves_the_lacks_that_it_covers(record: LackRecord, resources: list[str], kept: bool) -> None:
    knowledge = knowing().with_lack(record).with_held(frozenset({"A"}), frozenset(resources))
    assert (record in knowledge.lacks) is kept
    assert (record.lack in knowledge.grants.lacking) is kept


def proved_on(count: int, grants: Grants = NOTHING_KNOWN) -> Knowledge:
    return knowing(grants).with_held(frozenset({"A"}), frozenset(f"pbx:{number}" for number in range(count)))


def test_bound_rights_are_bounded() -> None:
    assert MAX_BOUND == 1024
    assert len(proved_on(MAX_BOUND).grants.bound) == MAX_BOUND
    assert proved_on(MAX_BOUND + 1).grants.bound == frozenset()
    assert proved_on(MAX_BOUND, Grants(bound=frozenset({("A", NORTH)}))).grants.bound == proved_on(MAX_BOUND).grants.bound
    assert proved_on(MAX_BOUND).with_held(frozenset({"A"}), frozenset({"pbx:0"})).grants == proved_on(MAX_BOUND).grants


def test_beyond_the_limit_learned_rights_give_way_but_not_configured_ones_and_nothing_is_called_complete() -> None:
    configured = Grants(bound=frozenset({("A", NORTH), ("A", SOUTH)}), complete=True, complete_for=frozenset({NORTH}))
    full = proved_on(MAX_BOUND - 2, configured)
    assert len(full.grants.bound) == MAX_BOUND
    assert full.grants.complete
    over = full.with_held(frozenset({"A"}), frozenset({"pbx:new"}))
    assert over.grants == Grants(bound=frozenset({("A", NORTH), ("A", "pbx:new")}), complete=False, complete_for=frozenset({NORTH}))


def test_evidence_is_the_refusal_where_there_was_one_and_else_the_login() -> None:
    knowledge = knowing().with_lack(lack("A", observed_at=7.0))
    assert knowledge.evidence_for(frozenset({"A", "B"})) == (Source.REFUSAL, 7.0)
    assert knowledge.evidence_for(frozenset({"B"})) == (Source.TOKEN_RESPONSE, 1.0)


def test_a_token_whose_login_was_not_seen_is_known_by_what_it_proved_for_a_while() -> None:
    first = learned(lack("A"), now=100.0, observed_at=5.0, lifetime=60.0, source=Source.REFUSAL)
    assert first == Knowledge(NOTHING_KNOWN, Source.REFUSAL, 5.0, 160.0).with_lack(lack("A"))
    blank = learned(None, now=100.0, observed_at=5.0, lifetime=60.0, source=Source.SUCCESS)
    assert blank == Knowledge(NOTHING_KNOWN, Source.SUCCESS, 5.0, 160.0)


def test_a_new_entry_says_nothing_of_user_session_and_lacks_and_hides_its_memo() -> None:
    assert (knowing().subject, knowing().chain, knowing().lacks, knowing().memo) == ("", "", (), {})
    assert not lack("A").changeable
    knowledge = knowing()
    knowledge.memo["x"] = 1
    assert knowledge == knowing()
    assert "memo" not in repr(knowledge)


# --- the store -----------------------------------------------------------------------------------------


def test_what_was_put_is_found_until_it_ends() -> None:
    store, entry = GrantStore(), knowing(expires=10)
    store.put(b"1", entry)
    assert store.get(b"1", 9.9) is entry
    assert store.get(b"2", 0) is None
    assert store.get(b"1", 10) is None
    store.put(b"1", entry)
    assert store.get(b"1", 11) is None
    assert (len(store), store.expirations, store.evictions) == (0, 2, 0)


def test_an_entry_ends_even_while_its_lacks_go_on() -> None:
    store = GrantStore()
    store.put(b"1", knowing(expires=10).with_lack(lack("A", expires=50)))
    assert store.get(b"1", 10) is None


def test_an_entry_whose_lack_has_ended_is_found_without_it_from_then_on() -> None:
    store = GrantStore()
    store.put(b"1", knowing().with_lack(lack("A", expires=10)))
    current = store.get(b"1", 10)
    assert current == knowing()
    assert store.get(b"1", 10) is current


def test_the_least_recently_used_entry_gives_way() -> None:
    store = GrantStore(2)
    store.put(b"1", knowing())
    store.put(b"2", knowing())
    store.get(b"1", 0)
    store.put(b"3", knowing())
    assert [token for token, _ in store.items()] == [b"1", b"3"]
    store.put(b"1", knowing())
    store.put(b"4", knowing())
    assert [token for token, _ in store.items()] == [b"1", b"4"]
    assert store.evictions == 2


def test_reading_an_entry_whose_lack_has_ended_is_a_use_too() -> None:
    store = GrantStore(2)
    store.put(b"1", knowing().with_lack(lack("A", expires=10)))
    store.put(b"2", knowing())
    store.get(b"1", 10)
    store.put(b"3", knowing())
    assert [token for token, _ in store.items()] == [b"1", b"3"]


def test_items_are_a_snapshot() -> None:
    store = GrantStore()
    store.put(b"1", knowing())
    store.put(b"2", knowing())
    for entry in store.items():
        store.forget(entry[0])
    assert len(store) == 0


def test_forgetting_says_whether_there_was_something_to_forget() -> None:
    store = GrantStore()
    store.put(b"1", knowing(chain="session"))
    assert store.forget(b"1")
    assert not store.forget(b"1")
    assert store.chain_of(b"1") is None


def test_a_session_ends_whole_and_nothing_else_with_it() -> None:
    store = GrantStore()
    store.put(b"1", knowing(chain="session"))
    store.put(b"2", knowing(chain="session"))
    store.put(b"3", knowing(chain="other"))
    store.put(b"4", knowing())
    store.tie("session", b"refresh")
    assert store.chain_of(b"refresh") == store.chain_of(b"1") == "session"
    assert store.forget_chain("session") == 2
    assert [token for token, _ in store.items()] == [b"3", b"4"]
    assert store.chain_of(b"refresh") is None
    assert store.chain_of(b"1") is None
    assert store.chain_of(b"3") == "other"
    assert store.forget_chain("session") == 0


def test_a_token_is_tied_to_one_session_only() -> None:
    store = GrantStore()
    store.put(b"1", knowing(chain="old"))
    store.tie("new", b"1")
    assert store.forget_chain("old") == 0
    assert store.forget_chain("new") == 1


def test_an_evicted_or_ended_token_leaves_its_session() -> None:
    store = GrantStore(1)
    store.put(b"1", knowing(chain="session"))
    store.put(b"2", knowing(chain="session", expires=10))
    assert store.chain_of(b"1") is None
    assert store.get(b"2", 10) is None
    assert store.chain_of(b"2") is None


def test_the_session_that_was_tied_longest_ago_gives_way() -> None:
    store = GrantStore(2)
    store.tie("one", b"1")
    store.tie("two", b"2")
    store.tie("one", b"3")
    store.tie("three", b"4")
    assert [store.chain_of(token) for token in (b"1", b"2", b"3", b"4")] == ["one", None, "one", "three"]


def test_one_long_session_does_not_grow_without_end() -> None:
    store = GrantStore(2)
    for number in range(10):
        store.tie("session", b"%d" % number)
    assert [store.chain_of(b"%d" % number) for number in range(10)] == [None] * 6 + ["session"] * 4


def test_the_store_holds_a_hundred_thousand_entries_unless_told_otherwise() -> None:
    store, entry = GrantStore(), knowing()
    for number in range(100_001):
        store.put(b"%d" % number, entry)
    assert (len(store), store.evictions) == (100_000, 1)


# --- another configuration ------------------------------------------------------------------------------


def entry(source: Source, *lacks: str) -> Knowledge:
    known = Knowledge(Grants(frozenset({"a"}), complete=True), source, 0.0, NEVER)
    for scope in lacks:
        known = known.with_lack(LackRecord(Lack(scope, frozenset()), 0.0, NEVER))
    return known


class Heard:
    """Notes what an observer is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def kept(self, fingerprint: bytes, knowledge: Knowledge) -> None:
        self.told.append("kept")

    def tied(self, fingerprint: bytes, chain: str) -> None:
        self.told.append("tied")

    def untied(self, fingerprint: bytes) -> None:
        self.told.append("untied")

    def gone(self, fingerprint: bytes) -> None:
        self.told.append("gone")

    def cleared(self) -> None:
        self.told.append("cleared")


def test_what_a_login_granted_outlives_what_single_answers_taught() -> None:
    left = entry(Source.TOKEN_RESPONSE, "b").unlearned()
    assert left is not None
    assert (left.grants, left.lacks) == (entry(Source.TOKEN_RESPONSE).grants, ())
    assert [entry(source).unlearned() for source in (Source.REFUSAL, Source.SUCCESS)] == [None, None]


def test_a_store_is_revised_without_anybody_hearing() -> None:
    store, heard = GrantStore(), Heard()
    store.put(b"1", replace(entry(Source.TOKEN_RESPONSE, "b"), chain="c"))
    store.put(b"2", replace(entry(Source.REFUSAL), chain="c"))
    store.tie("c", b"3")
    store.observer = heard
    store.revise(lambda known: known.unlearned())
    assert [fingerprint for fingerprint, _ in store.items()] == [b"1"]
    assert dict(store.ties()) == {b"1": "c", b"3": "c"}
    assert heard.told == []
    store.clear()
    assert heard.told == ["cleared"]


def test_a_smaller_store_gives_up_the_least_recently_used() -> None:
    store = GrantStore(3)
    for number in range(3):
        store.put(bytes([number]), entry(Source.TOKEN_RESPONSE))
    store.get(b"\0", 0.0)
    store.resize(1)
    assert ([fingerprint for fingerprint, _ in store.items()], store.evictions) == ([b"\0"], 2)


def test_scratch_space_is_emptied_and_knowledge_stays() -> None:
    store, known = GrantStore(), entry(Source.TOKEN_RESPONSE)
    known.memo["decided"] = "before"
    store.put(b"1", known)
    store.forget_memos()
    assert (store.get(b"1", 0.0) is known, known.memo) == (True, {})
