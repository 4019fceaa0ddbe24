"""From a denying prediction to the `Denial` that is told: its reason, and which of the request's resources it is about. Pure.

The gate and whoever asks without sending (`asking`) both come here, so that they tell the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.catalogs.catalog import Match
from proxy.grants import Knowledge
from proxy.model import NOTHING_KNOWN, Deny, Grants, Holding, Named, Reason, Resources
from proxy.prediction import holding
from proxy.protocol.targets import Target
from proxy.vendors.base import Vendor
from proxy.vendors.refusals import Denial
from proxy.vendors.resources import no_access_at_all

Implied = Mapping[str, frozenset[str]]


def predicted_denial(
    vendor: Vendor,
    implied_by: Implied,
    deny: Deny,
    knowledge: Knowledge | None,
    method: str,
    target: Target,
    match: Match | None,
    resources: Resources,
    *,
    at: float = 0.0,
    recheck_at: float = 0.0,
) -> Denial:
    """Return what is told about a request that the vendor would refuse. Times are seconds since the epoch."""
    grants = knowledge.grants if knowledge is not None else NOTHING_KNOWN
    blamed = _blamed(deny, resources, grants, implied_by)
    return Denial(
        reason=denial_reason(vendor, deny, knowledge),
        method=method,
        target=target,
        match=match,
        missing=deny.missing,
        resources=blamed,
        subject=knowledge.subject if knowledge is not None else "",
        whole_resource=no_access_at_all(grants.lacking, blamed),
        at=at,
        recheck_at=recheck_at,
    )


def denial_reason(vendor: Vendor, deny: Deny, knowledge: Knowledge | None) -> Reason:
    """A right that an administrator can grant while the token lives is a licence or access level, not a scope."""
    scopes = deny.missing[0]
    changeable = any(vendor.catalog.scope(name).changeable for name in scopes)
    if knowledge is not None:
        changeable = changeable or bool(knowledge.changeable_lacks(frozenset(scopes), deny.resources))
    return Reason.MISSING_LICENCE if changeable else Reason.MISSING_SCOPE


def _blamed(deny: Deny, resources: Resources, grants: Grants, implied_by: Implied) -> Resources:
    """Of several resources those that the token has no access to at all, else those on which a scope is lacking; all where none stands out.

    Naming the others too would send people after rights that they have.
    """
    if not isinstance(resources, Named) or len(resources.resources) < 2:
        return resources
    each = [Named(frozenset({name})) for name in resources.resources]
    closed = [one for one in each if no_access_at_all(grants.lacking, one)]
    lacking = closed or [one for one in each if _lacks_one(deny, grants, one, implied_by)]
    return Named(frozenset().union(*(one.resources for one in lacking))) if lacking else resources


def _lacks_one(deny: Deny, grants: Grants, one: Named, implied_by: Implied) -> bool:
    return any(holding(scope, grants, one, implied_by) is Holding.LACKING for scope in deny.missing[0])
