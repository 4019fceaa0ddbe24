"""What the operator allows: closed where it is in doubt."""

from __future__ import annotations

import pytest

from proxy.catalogs.catalog import compile_catalog
from proxy.identity.clients import ANONYMOUS, UNIDENTIFIED, Client
from proxy.model import NO_RESOURCES, AnyToken, Auth, Grants, NotKnown, Objection, OneOf, OnUnknown, Operation, Reason
from proxy.policy.allowance import Allowance, AllowRule
from proxy.policy.rules import ALLOWED, NotAllowed, Rules, Within, allows, settle
from proxy.prediction import predict

OPEN = Rules()
CLOSED = Rules(OnUnknown.DENY, OnUnknown.DENY)


def operation(auth: Auth) -> Operation:
    return Operation("acme", "op", "GET", "/x", AnyToken(), auth=auth)


def reason(verdict: object) -> Reason:
    assert isinstance(verdict, NotAllowed)
    assert verdict.message.endswith(".") or verdict.message.endswith(").")
    return verdict.reason


def test_by_default_everything_unknown_is_forwarded() -> None:
    assert allows(OPEN, ANONYMOUS, None, token_known=False) is ALLOWED
    assert allows(OPEN, ANONYMOUS, operation(Auth.BEARER), token_known=False) is ALLOWED


def test_a_stranger_is_refused_whatever_the_rules() -> None:
    for rules in (OPEN, CLOSED):
        assert reason(allows(rules, UNIDENTIFIED, operation(Auth.NONE), token_known=True)) is Reason.POLICY


def test_unknown_operations_can_be_refused() -> None:
    assert reason(allows(CLOSED, ANONYMOUS, None, token_known=True)) is Reason.UNKNOWN_OPERATION


@pytest.mark.parametrize(("auth", "refused"), [(Auth.BEARER, True), (Auth.CLIENT, False), (Auth.NONE, False)])
def test_unknown_tokens_can_be_refused_but_never_a_login(auth: Auth, refused: bool) -> None:
    verdict = allows(CLOSED, ANONYMOUS, operation(auth), token_known=False)
    assert (reason(verdict) is Reason.UNKNOWN_TOKEN) if refused else verdict is ALLOWED
    assert allows(CLOSED, ANONYMOUS, operation(auth), token_known=True) is ALLOWED


# --- rules of one client ---------------------------------------------------------------------------------

APP = Client("app", known=True)
READ = Operation("acme", "read", "GET", "/things/{id}", OneOf((("A",), ("B",))))
WRITE = Operation("acme", "write", "POST", "/things", OneOf((("B",),)))
LOGIN = Operation("acme", "login", "POST", "/login", AnyToken(), Auth.CLIENT)
MYSTERY = Operation("acme", "mystery", "GET", "/mystery", NotKnown())
CATALOG = compile_catalog("acme", (READ, WRITE, LOGIN, MYSTERY))


def rules(*allowed: AllowRule, unknown: OnUnknown = OnUnknown.FORWARD) -> Rules:
    return Rules(unknown, unknown, {"app": Allowance("app", "acme", allowed, CATALOG, {})})


def ceiling(*scopes: str) -> AllowRule:
    return AllowRule(scopes=frozenset(scopes))


def objection(verdict: object) -> tuple[Reason, Objection]:
    assert isinstance(verdict, NotAllowed)
    return verdict.reason, verdict.objection


def asked(strict: Rules, row: Operation | None, *, known: bool = True, method: str = "GET", path: str = "/x") -> object:
    return allows(strict, APP, row, token_known=known, method=method, path=path)


def test_a_client_without_rules_may_use_everything() -> None:
    assert allows(rules(), Client("other"), READ, token_known=True) is ALLOWED
    assert objection(asked(rules(), READ)) == (Reason.POLICY, Objection.VENDOR)
    assert objection(asked(rules(), LOGIN)) == (Reason.POLICY, Objection.VENDOR)
    assert objection(asked(rules(), None)) == (Reason.POLICY, Objection.VENDOR)


@pytest.mark.parametrize(
    ("rule", "row", "expected"),
    [
        (AllowRule(operations=frozenset({"read"})), WRITE, Objection.OPERATION),
        (AllowRule(methods=frozenset({"GET"})), WRITE, Objection.METHOD),
        (AllowRule(operations=frozenset({"write"}), methods=frozenset({"GET"})), WRITE, Objection.METHOD),
        (ceiling("A"), WRITE, Objection.CEILING),
        (ceiling("A", "B"), MYSTERY, Objection.CEILING),
        (ceiling(), WRITE, Objection.CEILING),
        (AllowRule(operations=frozenset({"read"}), scopes=frozenset({"A"})), WRITE, Objection.OPERATION),
        (ceiling("A"), None, Objection.UNKNOWN_OPERATION),
    ],
)
def test_a_refusal_tells_what_fell_short_what_is_allowed_and_whom_to_ask(
    rule: AllowRule, row: Operation | None, expected: Objection
) -> None:
    verdict = asked(rules(rule), row)
    assert objection(verdict) == (Reason.POLICY, expected)
    assert isinstance(verdict, NotAllowed)
    assert "'app'" in verdict.message
    assert "Allowed to it here: " in verdict.message
    assert any("the people who run the proxy" in step for step in verdict.steps)


def test_the_words_of_a_refusal_are_those_of_the_rule() -> None:
    verdict = asked(rules(ceiling("A"), AllowRule(operations=frozenset({"read"}), methods=frozenset({"GET"}))), WRITE)
    assert isinstance(verdict, NotAllowed)
    assert verdict.message == (
        "The operator of this proxy limits what the app 'app' may do: it may use at most A, and write (POST /things) needs B. "
        "Allowed to it here: at most the scopes A; the operations read, the methods GET."
    )


def test_what_a_refusal_lists_is_bounded() -> None:
    many = AllowRule(operations=frozenset(f"o{number}" for number in range(1000)))
    verdict = asked(rules(*([many] * 100)), READ)
    assert isinstance(verdict, NotAllowed)
    assert "and 990 more; " in verdict.message
    assert verdict.message.endswith("; 95 more rules.")
    assert len(verdict.message) < 1000


def test_whoever_may_use_a_vendor_may_log_in() -> None:
    assert asked(rules(ceiling("A"), unknown=OnUnknown.DENY), LOGIN, known=False) is ALLOWED


def test_the_rule_for_unknown_operations_and_tokens_still_counts() -> None:
    strict = rules(AllowRule(), unknown=OnUnknown.DENY)
    assert objection(asked(strict, None)) == (Reason.UNKNOWN_OPERATION, Objection.UNKNOWN_OPERATION)
    assert objection(asked(strict, READ, known=False)) == (Reason.UNKNOWN_TOKEN, Objection.UNKNOWN_TOKEN)
    assert asked(strict, READ) is ALLOWED


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        (Grants(frozenset({"A"}), complete=True), None),
        (Grants(frozenset({"A", "B"}), complete=True), None),
        (Grants(frozenset({"B"}), complete=True), Objection.CEILING),
        (Grants(frozenset(), complete=True), None),  # the vendor would refuse: that is told instead
        (Grants(frozenset({"B"})), None),  # whether it holds A is not known
        (Grants(), None),
    ],
)
def test_a_token_counts_only_as_far_as_the_ceiling_goes(grants: Grants, expected: Objection | None) -> None:
    verdict = asked(rules(ceiling("A")), READ)
    assert isinstance(verdict, Within)
    settled = settle(verdict, predict(READ, grants), grants, NO_RESOURCES, {})
    if expected is None:
        assert settled is ALLOWED
    else:
        assert objection(settled) == (Reason.POLICY, expected)
        assert isinstance(settled, NotAllowed)
        assert "only with a token that holds A" in settled.message
