"""What the operator allows: closed where it is in doubt."""

from __future__ import annotations

import pytest

from proxy.clients import ANONYMOUS, UNIDENTIFIED
from proxy.model import AnyToken, Auth, OnUnknown, Operation, Reason
from proxy.policy import ALLOWED, NotAllowed, Rules, allows

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
