"""Laws of one entry: what was learned last holds, and what ends leaves no trace that denies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.grants import Knowledge, LackRecord
from proxy.model import Grants, Holding, Lack, Named, Source
from proxy.prediction import WHOLE_RESOURCE, holding
from tests import strategies as some

lack_records = st.lists(st.builds(LackRecord, some.lacks, st.just(0.0), st.floats(1, 100)), max_size=4)
claims = st.builds(Grants, some.scope_sets, some.pair_sets, st.booleans(), some.place_sets)


def knowing(grants: Grants, records: list[LackRecord]) -> Knowledge:
    knowledge = Knowledge(grants, Source.GIVEN, 0.0, 1000.0)
    for record in records:
        knowledge = knowledge.with_lack(record)
    return knowledge


@given(claims, lack_records, some.lacks, some.scopes)
def test_a_refusal_is_believed_at_once(grants: Grants, before: list[LackRecord], lack: Lack, scope: str) -> None:
    knowledge = knowing(grants, before).with_lack(LackRecord(lack, 0.0, 100.0))
    refused = scope if lack.scope == WHOLE_RESOURCE else lack.scope
    assert holding(refused, knowledge.grants, Named(lack.resources)) is Holding.LACKING


@given(claims, lack_records, some.scope_sets, some.place_sets)
def test_a_success_is_believed_at_once(grants: Grants, before: list[LackRecord], scopes: frozenset[str], places: frozenset[str]) -> None:
    knowledge = knowing(grants, before).with_held(scopes, places)
    for scope in scopes:
        assert holding(scope, knowledge.grants, Named(places)) is Holding.HELD


@given(claims, lack_records, some.resources, some.scopes)
def test_when_its_lacks_have_ended_a_token_is_denied_only_what_it_was_denied_before(
    grants: Grants, records: list[LackRecord], resources: Named, scope: str
) -> None:
    later = knowing(grants, records).at(100.0)
    assert later is not None
    assert later.lacks == ()
    assert later.grants.lacking == frozenset()
    assert (holding(scope, later.grants, resources) is Holding.LACKING) == (holding(scope, grants, resources) is Holding.LACKING)


@given(claims, lack_records, st.floats(0, 2000))
def test_an_entry_is_never_read_at_or_after_its_end(grants: Grants, records: list[LackRecord], now: float) -> None:
    knowledge = knowing(grants, records)
    current = knowledge.at(now)
    assert (current is None) == (now >= knowledge.expires)
    assert knowledge.next_change <= knowledge.expires
    if now < knowledge.next_change:
        assert current is knowledge


@given(claims, lack_records, st.integers(1, 3))
def test_lacks_are_bounded_and_the_newest_are_kept(grants: Grants, records: list[LackRecord], limit: int) -> None:
    knowledge = Knowledge(grants, Source.GIVEN, 0.0, 1000.0)
    newest: list[LackRecord] = []
    for record in records:
        knowledge = knowledge.with_lack(record, limit)
        newest = [*(other for other in newest if other.lack != record.lack), record][-limit:]
    assert list(knowledge.lacks) == newest
    assert knowledge.grants.lacking == {record.lack for record in newest}
