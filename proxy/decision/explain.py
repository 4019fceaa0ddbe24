"""Why a request was denied, in words: the `scopegate` member of a local refusal. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from proxy.grants import Knowledge
from proxy.model import OPERATION_SCOPE_PREFIX, Named, Operation, Reason, Source
from proxy.vendors.base import Vendor
from proxy.vendors.refusals import Denial
from proxy.vendors.resources import bare_resource

MAX_HELD: Final = 200

_HOW_KNOWN: Final = {
    Source.NONE: "",
    Source.TOKEN_RESPONSE: "The vendor said so when the token was issued",
    Source.TOKEN_REQUEST: "Those are the scopes that were asked for when the token was issued",
    Source.TOKEN_CLAIM: "The token itself says so",
    Source.DISCOVERY: "The vendor said so when the proxy asked what this token holds",
    Source.CONFIGURED: "The operator's configuration says so",
    Source.REFUSAL: "The vendor refused this token for the same reason",
    Source.SUCCESS: "The vendor's answers to this token showed it",
    Source.GIVEN: "Those are the scopes given with the question",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the knowledge behind a denial comes from; `observed_at` is seconds since the epoch, 0 for "no time"."""

    source: Source
    observed_at: float

    def as_json(self) -> dict[str, object]:
        """Return the JSON object users see."""
        if not self.observed_at:
            return {"source": self.source.value}
        return {"source": self.source.value, "observed_at": timestamp(self.observed_at)}


NO_EVIDENCE: Final = Evidence(Source.NONE, 0.0)


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as an RFC 3339 time in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def explain(
    decision_id: str, vendor: Vendor, denial: Denial, knowledge: Knowledge | None, evidence: Evidence, *, asked: bool = False
) -> dict[str, object]:
    """Return the `scopegate` member: what was decided, on what ground, and how to end it.

    `asked`: there is no request, somebody only asks what would become of one.
    """
    operation = denial.match.operation if denial.match is not None else None
    return {
        "decision_id": decision_id,
        "vendor": vendor.name,
        "operation": operation.id if operation is not None else None,
        "method": denial.method,
        "route": operation.route if operation is not None else None,
        "reason": denial.reason.value,
        "required": [list(alternative) for alternative in operation.alternatives()] if operation is not None else [],
        "held": held(knowledge),
        "missing": [list(alternative) for alternative in denial.missing],
        "evidence": evidence.as_json(),
        "explanation": paragraph(vendor, denial, knowledge, evidence, asked=asked),
        "remediation": list(vendor.remediation(denial)),
        "documentation": list(vendor.documentation(denial)),
    }


def held(knowledge: Knowledge | None) -> list[str]:
    """Return what a token is known to hold, sorted and bounded; rights bound to a resource as "scope (resource)"."""
    if knowledge is None:
        return []
    grants = knowledge.grants
    refused = {(lack.scope, name) for lack in grants.lacking for name in lack.resources or ("",)}
    scopes = sorted(name for name in grants.scopes if not name.startswith(OPERATION_SCOPE_PREFIX) and (name, "") not in refused)
    bound = sorted(
        f"{scope} ({bare_resource(name)})"
        for scope, name in grants.bound
        if not scope.startswith(OPERATION_SCOPE_PREFIX) and refused.isdisjoint({(scope, name), ("*", name)}) and bare_resource(name)
    )
    return (scopes + bound)[:MAX_HELD]


def paragraph(vendor: Vendor, denial: Denial, knowledge: Knowledge | None, evidence: Evidence, *, asked: bool = False) -> str:
    """Return one paragraph that a developer understands who has never heard of this proxy."""
    if denial.reason not in (Reason.MISSING_SCOPE, Reason.MISSING_LICENCE):
        what = "The proxy would answer the request and not send it" if asked else "The request was answered by the proxy and not sent"
        return f"{denial.message} {what} to {vendor.title}."
    operation = denial.match.operation if denial.match is not None else None
    sentences = [
        f"{vendor.title} would refuse this request{'' if asked else ', so the proxy answered it and did not send it'}.",
        _need(denial, operation),
        _have(denial, knowledge),
        _ground(evidence),
        _recheck(denial),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _recheck(denial: Denial) -> str:
    if not denial.recheck_at:
        return ""
    return (
        f"From {timestamp(denial.recheck_at)} on the proxy lets one such GET or HEAD request through to find out whether the account "
        "was corrected, so nothing needs to be cleared here."
    )


def _need(denial: Denial, operation: Operation | None) -> str:
    what = f"{denial.method} {operation.route}" if operation is not None else "This operation"
    alternatives = operation.alternatives() if operation is not None else ()
    where = _where(denial)
    if not alternatives:
        return f"{what} needs a right that this token does not have{where}."
    return f"{what} needs {' or '.join(_all_of(alternative) for alternative in alternatives)}{where}."


def _all_of(scopes: tuple[str, ...]) -> str:
    return " and ".join(scopes) if len(scopes) > 1 else scopes[0]


def _where(denial: Denial) -> str:
    resources = denial.resources.resources if isinstance(denial.resources, Named) else frozenset()
    return " for " + ", ".join(sorted(bare_resource(name) for name in resources)) if resources else ""


def _have(denial: Denial, knowledge: Knowledge | None) -> str:
    whose = f"the token of {denial.subject}" if denial.subject else "this token"
    missing = [name for name in denial.scopes if not name.startswith(OPERATION_SCOPE_PREFIX) and name != "*"]
    lacks = f"{whose} lacks {_all_of(tuple(missing))}" if missing else f"{whose} lacks that right"
    has = held(knowledge)
    complete = knowledge is not None and knowledge.grants.complete
    return f"{lacks[:1].upper()}{lacks[1:]}{'; it holds ' + (', '.join(has) if has else 'no scope at all') if complete else ''}."


def _ground(evidence: Evidence) -> str:
    how = _HOW_KNOWN[evidence.source]
    if not how:
        return ""
    return f"{how} (seen {timestamp(evidence.observed_at)})." if evidence.observed_at else f"{how}."
