"""A right that an administrator can grant while a token lives is tried again now and then, by a safe request only."""

from __future__ import annotations

from proxy.credentials import Fingerprinter, Secret
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.knowledge.learning import Learner, Moment
from proxy.knowledge.memory import VendorMemory
from proxy.model import Deny, Grants, Indeterminate, Lack, Named, OneOf, Operation, Resources, Source
from proxy.prediction import predict
from proxy.vendors.facts import Issued, Lacks

TOKEN = b"f" * 16
OPERATION = Operation("8x8", "call-detail-records", "GET", "/v2/call-records", OneOf((("CDR",),)))
ACME: Resources = Named(frozenset({"pbx:acme"}))
LACK = Lack("CDR", frozenset({"pbx:acme"}))


def make_learner() -> tuple[Learner, GrantStore]:
    store = GrantStore()
    return Learner("8x8", store, VendorMemory(), Fingerprinter(Secret(b"k" * 32)), lifetime=900.0, recheck=60.0), store


def known(store: GrantStore, now: float) -> Knowledge:
    entry = store.get(TOKEN, now)
    assert entry is not None
    return entry


def denial(store: GrantStore, now: float) -> Deny:
    prediction = predict(OPERATION, known(store, now).grants, ACME)
    assert isinstance(prediction, Deny)
    return prediction


def may_recheck(learner: Learner, store: GrantStore, now: float) -> bool:
    return learner.take_recheck(known(store, now), TOKEN, denial(store, now), Moment(now, 0.0))


def test_one_request_is_let_through_per_interval() -> None:
    learner, store = make_learner()
    learner.apply(Lacks(LACK, changeable=True), TOKEN, Moment(0.0, 0.0))
    asked = [(now, may_recheck(learner, store, now)) for now in (1.0, 59.9, 60.0, 60.1, 119.9, 120.0)]
    assert [now for now, let in asked if let] == [60.0, 120.0]


def test_a_scope_fixed_at_login_is_never_tried_again() -> None:
    learner, store = make_learner()
    learner.apply(Lacks(LACK, changeable=False), TOKEN, Moment(0.0, 0.0))
    assert not may_recheck(learner, store, 800.0)
    assert known(store, 800.0).lacks[0].recheck == NEVER


def test_success_of_the_real_request_ends_the_denial() -> None:
    learner, store = make_learner()
    learner.apply(Lacks(LACK, changeable=True), TOKEN, Moment(0.0, 0.0))
    assert may_recheck(learner, store, 60.0)
    learner.accepted(Indeterminate(OPERATION, "re-check"), ACME, TOKEN, Moment(61.0, 0.0))
    assert not isinstance(predict(OPERATION, known(store, 61.0).grants, ACME), Deny)


def test_another_refusal_starts_the_interval_anew() -> None:
    learner, store = make_learner()
    learner.apply(Lacks(LACK, changeable=True), TOKEN, Moment(0.0, 0.0))
    assert may_recheck(learner, store, 60.0)
    learner.apply(Lacks(LACK, changeable=True), TOKEN, Moment(61.0, 0.0))
    assert not may_recheck(learner, store, 120.5)
    assert may_recheck(learner, store, 121.0)


def test_a_lack_on_another_pbx_is_no_ground() -> None:
    learner, store = make_learner()
    learner.apply(Lacks(LACK, changeable=True), TOKEN, Moment(0.0, 0.0))
    other = Lack("CDR", frozenset({"pbx:other"}))
    learner.apply(Lacks(other, changeable=True), TOKEN, Moment(50.0, 0.0))
    assert may_recheck(learner, store, 60.0)
    assert [record.recheck for record in known(store, 61.0).lacks] == [120.0, 110.0]


def test_an_operator_makes_changeable_lacks_due_at_once_and_no_others() -> None:
    learner, store = make_learner()
    learner.apply(Lacks(LACK, changeable=True), TOKEN, Moment(0.0, 0.0))
    learner.apply(Lacks(Lack("fixed", frozenset({"pbx:acme"}))), TOKEN, Moment(0.0, 0.0))
    due = known(store, 5.0).recheck_due(5.0)
    assert {record.lack.scope: record.recheck for record in due.lacks} == {"CDR": 5.0, "fixed": NEVER}
    assert due.recheck_due(9.0).lacks == due.lacks  # what is due already stays due


def test_tokens_with_the_same_grants_share_them() -> None:
    learner, _ = make_learner()
    one, two = (
        learner.issue(Issued(Secret(text), Grants(frozenset({"A", "B"}), complete=True), Source.TOKEN_RESPONSE, 60.0), Moment(0.0, 0.0))
        for text in ("one", "two")
    )
    assert one.grants is two.grants
