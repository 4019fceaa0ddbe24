"""What changes between two catalogues is told by what it means for tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.catalogs.catalog import Catalog, compile_catalog
from proxy.catalogs.diff import Effect, compare
from proxy.model import AnyToken, Auth, Grants, NotKnown, OneOf, Operation, Permit, Requirement, ResourceRule, ScopeInfo
from proxy.prediction import predict

ANY = AnyToken()


def one_of(*alternatives: str) -> OneOf:
    return OneOf(tuple(tuple(alternative.split("+")) for alternative in alternatives))


def row(requirement: Requirement, route: str = "/x/{id}", name: str = "x", **more: object) -> Operation:
    return Operation("v", name, "GET", route, requirement, **more)  # type: ignore[arg-type]


def catalog(*rows: Operation, **implies: str) -> Catalog:
    return compile_catalog("v", rows, scopes={name: ScopeInfo(name, implies=frozenset(held.split())) for name, held in implies.items()})


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        (one_of("a"), one_of("a"), None),
        (one_of("a", "b"), one_of("b", "a"), None),
        (one_of("a+b"), one_of("b+a"), None),
        (one_of("a"), one_of("a", "a+b"), None),
        (one_of("a"), one_of("a+b"), Effect.STRICTER),
        (one_of("a", "b"), one_of("a"), Effect.STRICTER),
        (ANY, one_of("a"), Effect.STRICTER),
        (one_of("a+b"), one_of("a"), Effect.LOOSER),
        (one_of("a"), one_of("a", "b"), Effect.LOOSER),
        (one_of("a"), ANY, Effect.LOOSER),
        (one_of("a"), one_of("b"), Effect.DIFFERENT),
        (one_of("a", "b"), one_of("b", "c"), Effect.DIFFERENT),
        (NotKnown(), one_of("a"), Effect.UNKNOWN),
        (one_of("a"), NotKnown(), Effect.UNKNOWN),
        (NotKnown(), NotKnown(), None),
    ],
)
def test_a_change_is_told_by_its_effect(old: Requirement, new: Requirement, effect: Effect | None) -> None:
    found = compare(catalog(row(old)), catalog(row(new)))
    assert [change.effect for change in found.operations] == ([] if effect is None else [effect])
    assert bool(found) == (effect is not None)


def test_operations_are_the_same_by_their_requests_not_by_their_names() -> None:
    assert not compare(catalog(row(ANY, "/x/{id}", "old")), catalog(row(ANY, "/x/{other}", "new")))


def test_added_and_removed_operations() -> None:
    found = compare(catalog(row(ANY, "/a")), catalog(row(ANY, "/b")))
    assert [(change.effect, change.operation.route) for change in found.operations] == [(Effect.REMOVED, "/a"), (Effect.ADDED, "/b")]


def test_other_resources_and_other_credentials_are_told() -> None:
    bound = row(one_of("a"), resource=ResourceRule("pbx", "query", "pbxId"))
    assert compare(catalog(row(one_of("a"))), catalog(bound)).operations[0].effect is Effect.UNKNOWN
    assert compare(catalog(row(ANY)), catalog(row(ANY, auth=Auth.NONE))).operations[0].effect is Effect.DIFFERENT


def test_what_scopes_imply_is_told() -> None:
    found = compare(catalog(row(ANY), a="b c"), catalog(row(ANY), a="c d"))
    assert [(change.scope, change.no_longer_implies, change.now_implies) for change in found.scopes] == [("a", ("b",), ("d",))]


ALTERNATIVES = st.lists(st.frozensets(st.sampled_from("abc"), min_size=1), min_size=1, max_size=3).map(
    lambda sets: OneOf(tuple(tuple(sorted(names)) for names in sets))
)


@given(ALTERNATIVES, ALTERNATIVES)
def test_the_effect_is_what_tokens_would_see(old: OneOf, new: OneOf) -> None:
    """By brute force: every token that there can be is tried on both."""
    before, after = catalog(row(old)), catalog(row(new))
    effects = [change.effect for change in compare(before, after).operations]
    tokens = [
        Grants(frozenset(name for name, bit in zip("abc", (1, 2, 4), strict=True) if number & bit), complete=True) for number in range(8)
    ]
    passes = [tuple(isinstance(predict(side.operations[0], token), Permit) for token in tokens) for side in (before, after)]
    lost = any(was and not is_ for was, is_ in zip(*passes, strict=True))
    won = any(is_ and not was for was, is_ in zip(*passes, strict=True))
    expected = {(False, False): [], (True, False): [Effect.STRICTER], (False, True): [Effect.LOOSER], (True, True): [Effect.DIFFERENT]}
    assert effects == expected[lost, won]
