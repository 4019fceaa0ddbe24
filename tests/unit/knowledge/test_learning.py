"""From facts to knowledge: only about the token of the request, or the one inside the answer."""

from __future__ import annotations

import pytest

from proxy.credentials import Fingerprint, Fingerprinter, Secret
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.knowledge.learning import Learner, Moment
from proxy.knowledge.memory import VendorMemory
from proxy.model import (
    AnyToken,
    Deny,
    Grants,
    Indeterminate,
    Lack,
    Named,
    NotApplicable,
    NotKnown,
    OneOf,
    Operation,
    Permit,
    Prediction,
    RefusalTemplate,
    Requirement,
    Source,
    Unbounded,
)
from proxy.vendors.facts import Ended, Issued, Lacks, ShapeSeen, UserAccess

FINGERPRINT = Fingerprinter(Secret(b"key"))
NOW = Moment(100.0, 1_000_100.0)
ANYWHERE = Named()
BOUND = Named(frozenset({"pbx:north"}))


def mark(token: str) -> Fingerprint:
    return FINGERPRINT("acme", Secret(token))


class Case:
    """A learner with the store and memory it fills."""

    def __init__(self) -> None:
        self.store = GrantStore()
        self.memory = VendorMemory()
        self.learner = Learner("acme", self.store, self.memory, FINGERPRINT, lifetime=60.0, recheck=10.0)

    def known(self, token: str, now: float = 100.0) -> Knowledge | None:
        return self.store.get(mark(token), now)

    def certain(self, token: str) -> Knowledge:
        known = self.known(token)
        assert known is not None
        return known


@pytest.fixture
def case() -> Case:
    return Case()


def issued(token: str, *scopes: str, session: str = "", replaces: str | None = None, refresh: str | None = None) -> Issued:
    return Issued(
        Secret(token),
        Grants(frozenset(scopes), complete=True),
        Source.TOKEN_RESPONSE,
        30.0,
        "ann",
        None if refresh is None else Secret(refresh),
        session,
        None if replaces is None else Secret(replaces),
    )


def operation(requirement: Requirement) -> Operation:
    return Operation("acme", "op", "GET", "/x", requirement)


# --- tokens issued and ended


def test_a_new_token_is_known_until_it_ends(case: Case) -> None:
    case.learner.apply(issued("t", "A"), mark("another"), NOW)
    known = case.certain("t")
    assert known.grants.scopes == {"A"}
    assert (known.source, known.observed_at, known.subject) == (Source.TOKEN_RESPONSE, NOW.wall, "ann")
    assert case.known("t", 130.0) is None
    assert case.known("another") is None


def test_a_refresh_forgets_the_token_it_replaces(case: Case) -> None:
    case.learner.apply(issued("old", "A", refresh="r"), None, NOW)
    case.learner.apply(issued("new", "B", replaces="r"), None, NOW)
    assert case.known("old") is None
    assert case.certain("new").grants.scopes == {"B"}


def test_a_refresh_token_never_seen_replaces_nothing(case: Case) -> None:
    case.learner.apply(issued("old", "A"), None, NOW)
    case.learner.apply(issued("new", "B", replaces="unseen"), None, NOW)
    assert case.known("old") is not None


def test_a_session_ties_its_tokens_together(case: Case) -> None:
    for token in ("one", "two"):
        case.learner.apply(issued(token, "A", session="s"), None, NOW)
    case.learner.apply(Ended(Secret("one")), None, NOW)
    assert case.known("one") is case.known("two") is None


def test_a_session_ends_with_its_refresh_token(case: Case) -> None:
    case.learner.apply(issued("one", "A", session="s", refresh="r"), None, NOW)
    case.learner.apply(Ended(Secret("r")), None, NOW)
    assert case.known("one") is None


def test_the_end_of_a_token_never_seen_harms_nobody(case: Case) -> None:
    case.learner.apply(issued("t", "A"), None, NOW)
    case.learner.apply(Ended(Secret("unseen")), None, NOW)
    assert case.known("t") is not None


# --- refusals


def test_a_lack_is_believed_for_its_life_time(case: Case) -> None:
    case.learner.apply(Lacks(Lack("A")), mark("t"), NOW)
    known = case.certain("t")
    assert known.grants.lacking == {Lack("A")}
    assert known.source is Source.REFUSAL
    assert known.lacks[0].recheck == NEVER
    after = case.known("t", 161.0)
    assert after is None or not after.grants.lacking


def test_a_lack_takes_a_scope_away_from_a_known_token(case: Case) -> None:
    case.learner.apply(issued("t", "A", "B"), None, NOW)
    case.learner.apply(Lacks(Lack("A"), changeable=True), mark("t"), NOW)
    known = case.certain("t")
    assert Lack("A") in known.grants.lacking
    assert (known.subject, known.lacks[0].changeable, known.lacks[0].recheck) == ("ann", True, 110.0)


def test_a_refusal_without_a_token_teaches_nothing(case: Case) -> None:
    case.learner.apply(Lacks(Lack("A")), None, NOW)
    assert len(case.store) == 0


def test_a_changeable_right_is_tried_again_when_its_time_has_come(case: Case) -> None:
    needs = operation(OneOf((("A",),)))
    denied = Deny(needs, (("A",),))
    case.learner.apply(Lacks(Lack("A"), changeable=True), mark("t"), NOW)

    def take(now: float) -> bool:
        return case.learner.take_recheck(case.certain("t"), mark("t"), denied, Moment(now, 0.0))

    assert [take(100.0), take(109.9), take(110.0), take(110.1), take(120.0)] == [False, False, True, False, True]


def test_a_right_that_nobody_can_change_is_not_tried_again(case: Case) -> None:
    case.learner.apply(Lacks(Lack("A")), mark("t"), NOW)
    denied = Deny(operation(OneOf((("A",),))), (("A",),))
    assert not case.learner.take_recheck(case.certain("t"), mark("t"), denied, Moment(150.0, 0.0))


# --- what a vendor shows of itself


def test_shapes_and_users_are_remembered(case: Case) -> None:
    template = RefusalTemplate(400, {"a": 1})
    case.learner.apply(ShapeSeen(template), mark("t"), NOW)
    case.learner.apply(UserAccess("u", 1, 1, {"x": "full"}), mark("t"), NOW)
    assert case.memory.shapes == {"": template}
    assert [(user, record.observed_at) for user, record in case.memory.users()] == [("u", NOW.wall)]
    assert len(case.store) == 0


# --- successes


TWO_WAYS = OneOf((("A",), ("B",)))


@pytest.mark.parametrize(
    ("prediction", "proven"),
    [
        (Indeterminate(operation(OneOf((("A", "B"),))), "?"), {"A", "B"}),
        (Indeterminate(operation(TWO_WAYS), "?"), set()),
        (Indeterminate(operation(NotKnown()), "?"), {"operation:op"}),
        (Indeterminate(operation(NotKnown(learnable=False)), "?"), set()),
        (Indeterminate(operation(AnyToken()), "?"), set()),
        (Deny(operation(OneOf((("A",),))), (("A",),)), {"A", "operation:op"}),
        (Deny(operation(TWO_WAYS), (("A",), ("B",))), {"operation:op"}),
        (Permit(operation(OneOf((("A",),)))), set()),
        (NotApplicable(), set()),
    ],
)
def test_what_a_success_proves(case: Case, prediction: Prediction, proven: set[str]) -> None:
    case.learner.accepted(prediction, ANYWHERE, mark("t"), NOW)
    known = case.known("t")
    assert (known.grants.scopes if known is not None else set()) == proven
    assert known is None or known.source is Source.SUCCESS


def test_a_success_on_one_resource_proves_it_there(case: Case) -> None:
    case.learner.apply(Lacks(Lack("A", BOUND.resources)), mark("t"), NOW)
    case.learner.accepted(Indeterminate(operation(OneOf((("A",),))), "?"), BOUND, mark("t"), NOW)
    known = case.certain("t")
    assert known.grants.bound == {("A", "pbx:north")}
    assert not known.grants.lacking


def test_a_success_on_resources_that_are_not_named_proves_nothing(case: Case) -> None:
    case.learner.accepted(Indeterminate(operation(OneOf((("A",),))), "?"), Unbounded(), mark("t"), NOW)
    assert len(case.store) == 0


# --- what a vendor tells when it is asked


def told(token: str, *scopes: str) -> Issued:
    return Issued(Secret(token), Grants(scopes=frozenset(scopes), complete=True), Source.DISCOVERY, 50.0, "ann", session="s1")


def test_what_the_vendor_tells_about_a_token_is_kept(case: Case) -> None:
    assert case.learner.discovered(told("t", "read"), mark("t"), NOW)
    known = case.certain("t")
    assert known.grants.scopes == {"read"}
    assert (known.grants.complete, known.source, known.expires) == (True, Source.DISCOVERY, 150.0)


def test_what_is_told_about_another_token_teaches_nothing(case: Case) -> None:
    assert not case.learner.discovered(told("other", "read"), mark("t"), NOW)
    assert (case.known("t"), case.known("other")) == (None, None)


def test_complete_knowledge_that_came_first_stays(case: Case) -> None:
    case.learner.issue(told("t", "login"), NOW)
    assert not case.learner.discovered(told("t", "read"), mark("t"), NOW)
    assert case.certain("t").grants.scopes == {"login"}


def test_what_answers_proved_in_the_meantime_outranks_what_is_told(case: Case) -> None:
    case.learner.apply(Lacks(Lack("write")), mark("t"), NOW)
    operation = Operation("acme", "list", "GET", "/list", OneOf((("list",),)))
    case.learner.accepted(Indeterminate(operation, ""), ANYWHERE, mark("t"), NOW)
    assert case.learner.discovered(told("t", "read", "write"), mark("t"), NOW)
    known = case.certain("t")
    assert {"read", "list"} <= known.grants.scopes
    assert known.grants.lacking == {Lack("write")}
