from __future__ import annotations

import pytest

from proxy.model import NO_RESOURCES, NOTHING_KNOWN, AnyToken, Auth, Grants, Named, NotKnown, OneOf, Operation, Origin, Reason


def operation(requirement: OneOf | AnyToken | NotKnown) -> Operation:
    return Operation("ringcentral", "readCallLog", "GET", "/call-log", requirement)


@pytest.mark.parametrize("alternatives", [(), ((),), (("A",), ())])
def test_an_empty_requirement_cannot_be_made(alternatives: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"^a requirement needs at least one alternative, and each at least one scope$"):
        OneOf(alternatives)


def test_alternatives_are_those_of_the_requirement_in_the_order_of_the_documentation() -> None:
    assert operation(OneOf((("B",), ("A", "C")))).alternatives() == (("B",), ("A", "C"))


@pytest.mark.parametrize("requirement", [AnyToken(), NotKnown()])
def test_what_needs_no_named_scope_has_no_alternatives(requirement: AnyToken | NotKnown) -> None:
    assert operation(requirement).alternatives() == ()


def test_the_stand_in_scope_is_made_of_the_operation_id() -> None:
    assert operation(NotKnown()).stand_in_scope == "operation:readCallLog"


def test_an_operation_is_documented_needs_a_bearer_token_and_is_bound_to_nothing_unless_said_otherwise() -> None:
    plain = operation(AnyToken())
    assert (plain.auth, plain.origin, plain.tags, plain.resource, plain.partial) == (Auth.BEARER, Origin.DOCUMENTED, (), None, frozenset())


def test_operations_are_compared_by_identity() -> None:
    one, twin = operation(AnyToken()), operation(AnyToken())
    assert one != twin
    assert len({one, twin}) == 2


def test_requests_name_no_resource_and_tokens_are_unknown_unless_said_otherwise() -> None:
    assert Named(frozenset()) == NO_RESOURCES
    assert Grants(frozenset(), frozenset(), complete=False, complete_for=frozenset(), lacking=frozenset()) == NOTHING_KNOWN
    assert NotKnown().learnable


def test_the_reasons_that_users_match_on_are_those_of_the_contract() -> None:
    assert [reason.value for reason in Reason] == [
        "missing_scope",
        "missing_licence_or_access_level",
        "policy_not_allowed",
        "unknown_token",
        "unknown_operation",
    ]
