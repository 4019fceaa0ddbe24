"""One decision without sending anything: what `scopegate explain` and the admin API answer. Pure.

It asks the same `predict` as traffic does, so its answer is the proxy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.denials import predicted_denial
from proxy.explain import Evidence, explain, held
from proxy.grants import NEVER, Knowledge
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
    Source,
)
from proxy.prediction import predict
from proxy.targets import Target
from proxy.vendors.base import BadRequest, Vendor

_DECISION_NAMES: Final[Mapping[type[Prediction], str]] = {
    Permit: "permit",
    Deny: "deny",
    Indeterminate: "indeterminate",
    NotApplicable: "not-applicable",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision and all that was found out on the way; `members` is the JSON that people and programs get."""

    prediction: Prediction
    members: dict[str, object]


def given_scopes(vendor: Vendor, scopes: frozenset[str], subject: str = "") -> Knowledge:
    """Return the knowledge that `scopes` are all a token holds."""
    return Knowledge(Grants(vendor.catalog.canonical(scopes), complete=True), Source.GIVEN, 0.0, NEVER, subject)


def ask(
    vendor: Vendor, implied_by: Mapping[str, frozenset[str]], method: str, target: Target, knowledge: Knowledge | None
) -> Asked | BadRequest:
    """Decide about `method` on `target` for a token of which `knowledge` is known (None: nothing)."""
    effective = vendor.effective_method(method, target, {})
    if isinstance(effective, BadRequest):
        return effective
    match = vendor.catalog.find(effective, target.path)
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
        members |= {name: told[name] for name in ("reason", "missing", "evidence", "explanation", "remediation", "documentation")}
    return Asked(prediction, members)


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
