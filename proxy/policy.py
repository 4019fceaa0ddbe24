"""What our operator allows, whatever the vendor would say. Pure; fails closed.

Policy is separate from prediction: it has its own reasons and its own code (`SCG-POLICY`) in the vendor's envelope.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.clients import Client
from proxy.model import Auth, OnUnknown, Operation, Reason


@dataclass(frozen=True, slots=True)
class Allowed:
    """Policy has no objection."""


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """Policy objects; `message` is a sentence for the caller."""

    reason: Reason
    message: str


Verdict = Allowed | NotAllowed
ALLOWED = Allowed()
_NOT_A_CLIENT = NotAllowed(
    Reason.POLICY, "This proxy serves only configured clients, and the request does not carry the key of one (header Scopegate-Key)."
)
_UNKNOWN_OPERATION = NotAllowed(
    Reason.UNKNOWN_OPERATION, "This operation is not in the vendor's catalogue, and the operator of this proxy forwards only known ones."
)
_UNKNOWN_TOKEN = NotAllowed(
    Reason.UNKNOWN_TOKEN, "Nothing is known about this access token, and the operator of this proxy forwards only known ones."
)


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's rules for one vendor."""

    on_unknown_operation: OnUnknown = OnUnknown.FORWARD
    on_unknown_token: OnUnknown = OnUnknown.FORWARD


def allows(rules: Rules, client: Client, operation: Operation | None, *, token_known: bool) -> Verdict:
    """Say whether the operator lets `client` send this request. Logins need no known token."""
    if not client.known:
        return _NOT_A_CLIENT
    if operation is None:
        return _UNKNOWN_OPERATION if rules.on_unknown_operation is OnUnknown.DENY else ALLOWED
    if not token_known and operation.auth is Auth.BEARER and rules.on_unknown_token is OnUnknown.DENY:
        return _UNKNOWN_TOKEN
    return ALLOWED
