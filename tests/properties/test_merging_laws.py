"""Two replicas that learned different things about one token: together they may know less, but never deny what one of them permits."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from proxy.grants import MAX_BOUND, MAX_LACKS, Knowledge, LackRecord
from proxy.model import Deny, Grants, Lack, Named, OneOf, Operation, Permit, Resources, Source
from proxy.prediction import predict
from proxy.stores.merging import merge
from tests import strategies as any_

moments = st.integers(0, 20).map(float)
records = st.builds(LackRecord, any_.lacks, moments, moments, st.booleans(), moments)
sources = st.sampled_from([Source.TOKEN_RESPONSE, Source.CONFIGURED, Source.TOKEN_CLAIM, Source.REFUSAL, Source.SUCCESS])


def _knowledge(grants: Grants, source: Source, moment: float, expires: float, lacks: list[LackRecord]) -> Knowledge:
    known = Knowledge(replace(grants, lacking=frozenset()), source, moment, expires, chain=f"chain {moment}")
    for record in sorted(lacks, key=lambda each: each.observed_at):
        known = known.with_lack(record)
    return known


knowledge = st.builds(_knowledge, any_.grants, sources, moments, moments, st.lists(records, max_size=3))


@given(knowledge, knowledge, any_.operations(), any_.resources)
def test_what_one_permits_for_certain_is_not_denied(one: Knowledge, other: Knowledge, operation: Operation, resources: Resources) -> None:
    alone = predict(operation, one.grants, resources)
    if isinstance(alone, Permit):
        assert not isinstance(predict(operation, merge(one, other).grants, resources), Deny)


@given(knowledge, knowledge)
def test_the_order_does_not_matter(one: Knowledge, other: Knowledge) -> None:
    assert merge(one, other) == merge(other, one)


@given(knowledge)
def test_equal_knowledge_stays_as_it_is(one: Knowledge) -> None:
    assert merge(one, one) == replace(one, lacks=tuple(sorted(one.lacks, key=_age)))


def _age(record: LackRecord) -> tuple[float, str, list[str]]:
    return record.observed_at, record.lack.scope, sorted(record.lack.resources)


@given(knowledge, knowledge, st.frozensets(any_.scopes, min_size=1), any_.place_sets)
def test_a_contradiction_is_never_lost(one: Knowledge, other: Knowledge, proven: frozenset[str], places: frozenset[str]) -> None:
    """A success that one of them saw disproves what the other still believes to be lacking."""
    seen = one.with_held(proven, places)
    operation = Operation("vendor", "operation", "GET", "/route", OneOf((tuple(sorted(proven)),)))
    for place in places or {""}:
        where = Named(frozenset({place}) - {""})
        if isinstance(predict(operation, seen.grants, where), Permit):
            assert not isinstance(predict(operation, merge(seen, other).grants, where), Deny)


# --- examples

LOGIN = Knowledge(Grants(frozenset({"A"}), complete=True), Source.TOKEN_RESPONSE, 1.0, 3600.0, "alice", "chain")
CALL_A, CALL_B = (Operation("vendor", name, "GET", f"/{name}", OneOf(((name,),))) for name in "AB")


def learned(lack: Lack, observed_at: float = 2.0) -> Knowledge:
    return Knowledge(Grants(), Source.REFUSAL, observed_at, 900.0).with_lack(LackRecord(lack, observed_at, 900.0))


def test_a_login_stays_complete_when_another_only_saw_a_refusal() -> None:
    merged = merge(learned(Lack("B")), LOGIN)
    assert (merged.source, merged.expires, merged.subject, merged.chain) == (Source.TOKEN_RESPONSE, 3600.0, "alice", "chain")
    assert isinstance(predict(CALL_A, merged.grants), Permit)
    assert isinstance(predict(CALL_B, merged.grants), Deny)
    assert [record.lack for record in merged.lacks] == [Lack("B")]


def test_a_refusal_of_what_the_login_named_is_left_to_the_vendor() -> None:
    assert isinstance(predict(CALL_A, merge(LOGIN, learned(Lack("A"))).grants), Permit)


def test_a_refusal_that_both_saw_counts_until_the_first_doubts_it() -> None:
    one = Knowledge(Grants(), Source.REFUSAL, 1.0, 500.0).with_lack(LackRecord(Lack("A"), 1.0, 500.0, True, 60.0))
    other = Knowledge(Grants(), Source.REFUSAL, 2.0, 400.0).with_lack(LackRecord(Lack("A"), 2.0, 400.0, False, 90.0))
    merged = merge(one, other)
    assert merged.lacks == (LackRecord(Lack("A"), 2.0, 400.0, True, 60.0),)
    assert merged.expires == 400.0


def test_a_login_that_is_complete_no_longer_makes_the_other_incomplete() -> None:
    gave_up = replace(LOGIN, grants=replace(LOGIN.grants, complete=False))
    assert not merge(LOGIN, gave_up).grants.complete


def test_two_claims_about_the_same_token_deny_what_neither_names() -> None:
    other = replace(LOGIN, grants=Grants(frozenset({"C"}), complete=True), source=Source.TOKEN_CLAIM, expires=10.0)
    merged = merge(other, LOGIN)
    assert merged.grants == Grants(frozenset({"A", "C"}), complete=True)
    assert (merged.source, merged.expires) == (Source.TOKEN_RESPONSE, 3600.0)


def test_what_is_too_much_is_not_known_at_all() -> None:
    one, other = (
        replace(LOGIN, grants=Grants(bound=frozenset(("A", f"{side}{n}") for n in range(MAX_BOUND)), complete=True)) for side in "xy"
    )
    merged = merge(one, other).grants
    assert (merged.bound, merged.complete, merged.complete_for) == (frozenset(), False, frozenset())


def test_the_newest_lacks_are_kept() -> None:
    one, other = LOGIN, LOGIN
    for number in range(MAX_LACKS):
        one = one.with_lack(LackRecord(Lack(f"one{number}"), float(number), 900.0))
        other = other.with_lack(LackRecord(Lack(f"other{number}"), float(1000 + number), 900.0))
    merged = merge(one, other)
    assert {record.lack.scope for record in merged.lacks} == {f"other{number}" for number in range(MAX_LACKS)}
    assert merged.grants.lacking == frozenset(record.lack for record in merged.lacks)
