"""The truth tables of the reference page on policy: conditions are joined by "and", rules by "or", and the ceiling by both."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from proxy.catalogs.catalog import compile_catalog
from proxy.model import AnyToken, Auth, NotKnown, OneOf, Operation, Requirement, TokenEndpoint
from proxy.policy.allowance import Allowance, AllowRule, Implied
from proxy.policy.routes import parse_pattern

READ = Operation("acme", "read", "GET", "/things/{id}", OneOf((("A",),)), tags=("things", "reading"))
WRITE = Operation("acme", "write", "POST", "/things", OneOf((("A", "B"),)), tags=("things",))
EITHER = Operation("acme", "either", "GET", "/either", OneOf((("A",), ("B",))))
ANY = Operation("acme", "any", "GET", "/any", AnyToken())
MYSTERY = Operation("acme", "mystery", "GET", "/mystery", NotKnown())
LOGIN = Operation("acme", "login", "POST", "/login", AnyToken(), Auth.CLIENT)
PUBLIC = Operation("acme", "public", "GET", "/public", AnyToken(), Auth.NONE)
CATALOG = compile_catalog(
    "acme", (READ, WRITE, EITHER, ANY, MYSTERY, LOGIN, PUBLIC), token_endpoints=(TokenEndpoint("/token"),), aliases={"old-a": "A"}
)
LOGINS = {"login", "public"}


def names(*values: str) -> frozenset[str]:
    return frozenset(values)


def allowance(*rules: AllowRule, implied_by: Implied | None = None) -> Allowance:
    return Allowance("app", "acme", rules, CATALOG, implied_by or {})


def allowed(*rules: AllowRule, implied_by: Implied | None = None) -> set[str]:
    """Return the ids of the operations that need a token and are allowed."""
    ids = {operation.id for operation in allowance(*rules, implied_by=implied_by).allowed}
    assert (ids >= LOGINS) is bool(rules)
    return ids - LOGINS


EVERYTHING = {"read", "write", "either", "any", "mystery"}


def test_no_rule_allows_nothing_and_an_empty_one_everything() -> None:
    assert allowance().allowed == {}
    assert allowed(AllowRule()) == EVERYTHING


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (AllowRule(operations=names("read", "any")), {"read", "any"}),
        (AllowRule(tags=names("reading", "none")), {"read"}),
        (AllowRule(tags=names("things")), {"read", "write"}),
        (AllowRule(methods=names("POST")), {"write"}),
        (AllowRule(routes=(parse_pattern("/things/**"),)), {"read", "write"}),
        (AllowRule(routes=(parse_pattern("/things"), parse_pattern("/any"))), {"write", "any"}),
        (AllowRule(tags=names("things"), methods=names("GET")), {"read"}),
        (AllowRule(operations=names("read"), methods=names("POST")), set()),
        (AllowRule(operations=names("read", "write"), tags=names("reading")), {"read"}),
        (AllowRule(routes=(parse_pattern("/things/**"),), scopes=names("A")), {"read"}),
    ],
)
def test_every_condition_of_a_rule_must_hold(rule: AllowRule, expected: set[str]) -> None:
    assert allowed(rule) == expected


def test_one_of_the_rules_is_enough_in_any_order() -> None:
    rules = [AllowRule(operations=names("read")), AllowRule(methods=names("POST")), AllowRule(tags=names("none"))]
    assert allowed(*rules) == allowed(*reversed(rules)) == {"read", "write"}


@pytest.mark.parametrize(
    ("ceiling", "expected"),
    [
        (names(), {"any"}),
        (names("A"), {"read", "either", "any"}),
        (names("B"), {"either", "any"}),
        (names("A", "B"), {"read", "write", "either", "any"}),
        (names("C"), {"any"}),
    ],
)
def test_a_ceiling_covers_what_its_scopes_alone_could_do(ceiling: frozenset[str], expected: set[str]) -> None:
    assert allowed(AllowRule(scopes=ceiling)) == expected


def test_ceilings_of_two_rules_do_not_add_up() -> None:
    assert allowed(AllowRule(scopes=names("A")), AllowRule(scopes=names("B"))) == {"read", "either", "any"}


def test_a_scope_in_the_ceiling_brings_what_it_implies() -> None:
    implied = {"A": names("Admin")}
    assert allowed(AllowRule(scopes=names("Admin"))) == {"any"}
    assert allowed(AllowRule(scopes=names("Admin")), implied_by=implied) == {"read", "either", "any"}
    assert allowed(AllowRule(scopes=names("Admin", "B")), implied_by=implied) == {"read", "write", "either", "any"}


@pytest.mark.parametrize(
    ("rules", "part"),
    [
        ([AllowRule(scopes=names("A"))], OneOf((("A",),))),
        ([AllowRule(scopes=names("B"))], OneOf((("B",),))),
        ([AllowRule(scopes=names("B")), AllowRule(scopes=names("A"))], EITHER.requirement),
        ([AllowRule(scopes=names("B")), AllowRule(operations=names("either"))], EITHER.requirement),
        ([AllowRule(scopes=names("A", "B"))], EITHER.requirement),
    ],
)
def test_only_the_alternatives_within_the_ceiling_may_be_used(rules: Iterable[AllowRule], part: Requirement) -> None:
    found = allowance(*rules).allowed[EITHER]
    assert found.requirement == part
    assert (found is EITHER) is (part is EITHER.requirement)


@pytest.mark.parametrize(
    ("rule", "method", "path", "expected"),
    [
        (AllowRule(), "GET", "/new", True),
        (AllowRule(), "", "", True),
        (AllowRule(methods=names("GET")), "GET", "/new", True),
        (AllowRule(methods=names("GET")), "HEAD", "/new", True),
        (AllowRule(methods=names("GET")), "POST", "/new", False),
        (AllowRule(methods=names("GET")), "", "/new", False),
        (AllowRule(routes=(parse_pattern("/things/**"),)), "PUT", "/things/1/parts", True),
        (AllowRule(routes=(parse_pattern("/things/**"),)), "PUT", "/thing", False),
        (AllowRule(operations=names("read")), "GET", "/new", False),
        (AllowRule(tags=names("things")), "GET", "/new", False),
        (AllowRule(scopes=names("A")), "GET", "/new", False),
        (AllowRule(scopes=names()), "GET", "/new", False),
        (AllowRule(operations=names("read")), "POST", "/token", True),
    ],
)
def test_what_is_not_in_the_catalogue_needs_a_rule_that_needs_no_catalogue(rule: AllowRule, method: str, path: str, expected: bool) -> None:
    assert allowance(rule).lets_unknown(method, path) is expected


def test_no_rule_lets_not_even_a_login_through() -> None:
    assert not allowance().lets_unknown("POST", "/token")
