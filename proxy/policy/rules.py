"""What our operator allows, whatever the vendor would say. Pure; fails closed.

Policy is separate from prediction: it has its own reasons and its own code (`SCG-POLICY`) in the vendor's envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from proxy.grants import Knowledge
from proxy.identity.clients import Client
from proxy.model import (
    Auth,
    Deny,
    Grants,
    Objection,
    OnUnknown,
    Operation,
    Prediction,
    Reason,
    Resources,
    Source,
)
from proxy.policy.allowance import Allowance, Implied
from proxy.policy.objections import beyond_ceiling, not_allowed, unknown_not_allowed
from proxy.prediction import predict


@dataclass(frozen=True, slots=True)
class Allowed:
    """Policy has no objection."""


@dataclass(frozen=True, slots=True)
class Within:
    """Policy has no objection as long as the token satisfies `part`: the operation with only what the client's ceiling covers."""

    allowance: Allowance
    part: Operation


@dataclass(frozen=True, slots=True)
class NotAllowed:
    """Policy objects; `message` is a sentence for the caller, `steps` are what ends it (none: the steps that go with the reason)."""

    reason: Reason
    objection: Objection
    message: str
    steps: tuple[str, ...] = ()


_TOKEN_CLAIM: Final = Source.TOKEN_CLAIM
Verdict = Allowed | Within | NotAllowed
ALLOWED = Allowed()
_NOT_A_CLIENT = NotAllowed(
    Reason.POLICY,
    Objection.UNKNOWN_CLIENT,
    "This proxy serves only configured clients, and nothing identifies one: an app sends its key in the header Scopegate-Key, or connects "
    "with its certificate. A wrong key identifies nobody, and neither do a key and a certificate of different apps.",
)
_PROBLEMS: Mapping[str, str] = {
    "malformed": "it is no well-formed JWT",
    "algorithm": "its algorithm is none that this issuer may use",
    "wrong_issuer": "its issuer is none that this proxy is configured for",
    "unknown_key": "the key it was signed with is not known (if the issuer has just changed keys, try again in half a minute)",
    "bad_signature": "its signature is wrong",
    "wrong_audience": "it was issued for another audience",
    "expired": "it has expired; get a new one",
    "not_yet_valid": "it is not valid yet; compare the clocks",
    "missing_claim": "it lacks one of the claims exp, iss and aud",
    "no_such_client": "it is valid, but its claims are those of no configured client",
    "several_clients": "it is valid, but its claims are those of several configured clients",
}
_BAD_TOKEN: Mapping[str, NotAllowed] = {
    problem: NotAllowed(
        Reason.POLICY,
        Objection.UNKNOWN_CLIENT,
        f"This proxy serves only configured clients, and the token in the header Scopegate-Key identifies none: {text}.",
    )
    for problem, text in _PROBLEMS.items()
}
_UNKNOWN_OPERATION = NotAllowed(
    Reason.UNKNOWN_OPERATION,
    Objection.UNKNOWN_OPERATION,
    "This operation is not in the vendor's catalogue, and the operator of this proxy forwards only known ones.",
)
_UNKNOWN_TOKEN = NotAllowed(
    Reason.UNKNOWN_TOKEN,
    Objection.UNKNOWN_TOKEN,
    "Nothing is known about this access token, and the operator of this proxy forwards only known ones.",
)
_NO_ALLOWANCES: Mapping[str, Allowance] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Rules:
    """The operator's rules for one vendor. A client without an entry in `allowances` may use everything."""

    on_unknown_operation: OnUnknown = OnUnknown.FORWARD
    on_unknown_token: OnUnknown = OnUnknown.FORWARD
    allowances: Mapping[str, Allowance] = field(default_factory=lambda: _NO_ALLOWANCES)


def allows(rules: Rules, client: Client, operation: Operation | None, *, token_known: bool, method: str = "", path: str = "") -> Verdict:
    """Say whether the operator lets `client` send this request. Logins need no known token.

    `method` (the effective one, "" where it could not be read) and `path` (canonical) count only where the catalogue has no
    such operation.
    """
    if not client.known:
        return _BAD_TOKEN.get(client.problem, _NOT_A_CLIENT)
    allowance = rules.allowances.get(client.name)
    if operation is None:
        return _allows_unknown(rules, allowance, method, path)
    part = operation if allowance is None else allowance.allowed.get(operation)
    if part is None:
        assert allowance is not None
        return NotAllowed(Reason.POLICY, *not_allowed(allowance, operation))
    if not token_known and operation.auth is Auth.BEARER and rules.on_unknown_token is OnUnknown.DENY:
        return _UNKNOWN_TOKEN
    if part is operation:
        return ALLOWED
    assert allowance is not None
    return Within(allowance, part)


def speaks_for_token(knowledge: Knowledge | None) -> bool:
    """Say whether a token counts as known: what an unverified token says of itself allows nothing."""
    return knowledge is not None and knowledge.source is not _TOKEN_CLAIM


def _allows_unknown(rules: Rules, allowance: Allowance | None, method: str, path: str) -> Verdict:
    if allowance is not None and not allowance.lets_unknown(method, path):
        return NotAllowed(Reason.POLICY, *unknown_not_allowed(allowance))
    return _UNKNOWN_OPERATION if rules.on_unknown_operation is OnUnknown.DENY else ALLOWED


def settle(within: Within, prediction: Prediction, grants: Grants, resources: Resources, implied_by: Implied) -> Verdict:
    """Say whether a token of which `grants` is known may be used, where the ceiling covers only some of the alternatives.

    The effective right is the token's scopes within the ceiling. Refused is the token that certainly passes only by what is beyond
    it; where it would not pass anyhow (`prediction`), that is told instead.
    """
    if isinstance(prediction, Deny) or not isinstance(predict(within.part, grants, resources, implied_by), Deny):
        return ALLOWED
    return NotAllowed(Reason.POLICY, *beyond_ceiling(within.allowance, within.part))
