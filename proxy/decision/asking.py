"""One decision without sending anything: what `scopegate explain` and the admin API answer. Pure.

It asks the same `predict` as traffic does, so its answer is the proxy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.catalogs.catalog import Match
from proxy.decision.denials import predicted_denial
from proxy.decision.explain import NO_EVIDENCE, Evidence, explain, held
from proxy.grants import NEVER, Knowledge
from proxy.identity.clients import Client
from proxy.model import (
    NOTHING_KNOWN,
    AnyToken,
    Auth,
    Deny,
    Grants,
    Indeterminate,
    NotApplicable,
    OneOf,
    Operation,
    Permit,
    Prediction,
    Requirement,
    Resources,
    Source,
)
from proxy.policy.rules import NotAllowed, Rules, Within, allows, settle, speaks_for_token
from proxy.prediction import predict
from proxy.protocol.targets import Target, ambiguous_path
from proxy.vendors.base import Vendor
from proxy.vendors.refusals import BadRequest, Denial

_DECISION_NAMES: Final[Mapping[type[Prediction], str]] = {
    Permit: "permit",
    Deny: "deny",
    Indeterminate: "indeterminate",
    NotApplicable: "not-applicable",
}


_TOLD: Final = ("reason", "missing", "evidence", "explanation", "remediation", "documentation")
"""Members of a refusal that are told of a denial that was only asked about."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision and all that was found out on the way; `members` is the JSON that people and programs get."""

    prediction: Prediction
    members: dict[str, object]
    objection: NotAllowed | None = None
    """What policy has against it, where a client was named."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Which client would ask, and the operator's rules for the vendor."""

    client: Client
    rules: Rules


def given_scopes(vendor: Vendor, scopes: frozenset[str], subject: str = "") -> Knowledge:
    """Return the knowledge that `scopes` are all a token holds."""
    return Knowledge(Grants(vendor.catalog.canonical(scopes), complete=True), Source.GIVEN, 0.0, NEVER, subject)


def ask(
    vendor: Vendor,
    implied_by: Mapping[str, frozenset[str]],
    method: str,
    target: Target,
    knowledge: Knowledge | None,
    caller: Caller | None = None,
) -> Asked | BadRequest:
    """Decide about `method` on `target` for a token of which `knowledge` is known (None: nothing). Policy is asked for a `caller`."""
    effective = vendor.effective_method(method, target, {})
    if isinstance(effective, BadRequest):
        return effective
    match = vendor.catalog.find(effective, target.path)
    near = vendor.catalog.near(effective, target.path, match)
    if near is not None:
        ambiguous = ambiguous_path(near.route)
        return BadRequest(ambiguous.reason, ambiguous.detail)
    resources = vendor.resources(match, target)
    operation = match.operation if match is not None else None
    prediction = predict(operation, knowledge.grants if knowledge is not None else NOTHING_KNOWN, resources, implied_by)
    members: dict[str, object] = {
        "decision": decision_name(prediction),
        "vendor": vendor.name,
        "operation": operation.id if operation is not None else None,
        "method": effective,
        "route": operation.route if operation is not None else None,
        "required": requirement_json(operation),
        "held": held(knowledge),
        "missing": [],
        "explanation": _sentence(vendor, prediction, knowledge),
    }
    if isinstance(prediction, Deny):
        denial = predicted_denial(vendor, implied_by, prediction, knowledge, effective, target, match, resources)
        evidence = (
            Evidence(*knowledge.evidence_for(frozenset(prediction.missing[0]), prediction.resources))
            if knowledge is not None
            else Evidence(Source.NONE, 0)
        )
        told = explain("", vendor, denial, knowledge, evidence, asked=True)
        members |= {name: told[name] for name in _TOLD}
    objection = None if caller is None else _objection(caller, implied_by, prediction, effective, target, match, resources, knowledge)
    if caller is not None:
        members["policy"] = {"client": caller.client.name, "objection": None if objection is None else objection.objection.value}
    if objection is not None:
        denial = Denial(objection.reason, effective, target, match, (), resources, "", objection.message, steps=objection.steps)
        told = explain("", vendor, denial, knowledge, NO_EVIDENCE, asked=True)
        members |= {"decision": "deny"} | {name: told[name] for name in _TOLD}
    return Asked(prediction, members, objection)


def _objection(
    caller: Caller,
    implied_by: Mapping[str, frozenset[str]],
    prediction: Prediction,
    method: str,
    target: Target,
    match: Match | None,
    resources: Resources,
    knowledge: Knowledge | None,
) -> NotAllowed | None:
    """Ask policy as the judge does."""
    operation = match.operation if match is not None else None
    known = speaks_for_token(knowledge)
    verdict = allows(caller.rules, caller.client, operation, token_known=known, method=method, path=target.path)
    if isinstance(verdict, Within):
        grants = knowledge.grants if knowledge is not None else NOTHING_KNOWN
        verdict = settle(verdict, prediction, grants, resources, implied_by)
    return verdict if isinstance(verdict, NotAllowed) else None


def decision_name(prediction: Prediction) -> str:
    """Return the word of the `Scopegate-Decision` header for a prediction."""
    return _DECISION_NAMES[type(prediction)]


def requirement_json(operation: Operation | None) -> object:
    """Return a requirement as users see it: alternatives, `[]` for any valid token, "unknown", or None for no operation."""
    if operation is None:
        return None
    requirement: Requirement = operation.requirement
    match requirement:
        case AnyToken():
            return []
        case OneOf(alternatives):
            return [list(alternative) for alternative in alternatives]
        case _:
            return "unknown"


def _sentence(vendor: Vendor, prediction: Prediction, knowledge: Knowledge | None) -> str:
    match prediction:
        case NotApplicable():
            return f"The catalogue of {vendor.title} knows no such operation; the proxy forwards it and {vendor.title} decides."
        case Indeterminate(why=why):
            told = "" if knowledge is not None else " Give the token's scopes to get a verdict."
            return f"It cannot be told: {why}. The proxy forwards the request and {vendor.title} decides.{told}"
        case Permit(operation=operation, presumed=presumed):
            return _permit_sentence(vendor, operation, presumed)
        case _:
            return ""


def _permit_sentence(vendor: Vendor, operation: Operation, presumed: bool) -> str:
    if operation.auth is not Auth.BEARER:
        return "This operation needs no access token; the proxy forwards it."
    if isinstance(operation.requirement, AnyToken):
        return f"Any valid token of {vendor.title} will do; the proxy forwards the request."
    because = "by scopes that imply what is needed" if presumed else "by the scopes held"
    return f"The request is permitted {because}; the proxy forwards it."
