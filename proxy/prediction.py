"""What the vendor will say, as far as it is certain: `predict`.

Pure. Every caller (the proxy, the command line, the admin API) asks this one function.
Only certainty denies: a scope that is neither held nor known to be lacking makes the answer indeterminate.
"""

from __future__ import annotations

from collections.abc import Mapping

from proxy.model import (
    NO_RESOURCES,
    AnyToken,
    Auth,
    Deny,
    Grants,
    Holding,
    Indeterminate,
    Named,
    NotApplicable,
    NotKnown,
    Operation,
    Permit,
    Prediction,
    Resources,
    Unbounded,
)

NO_IMPLICATIONS: Mapping[str, frozenset[str]] = {}
WHOLE_RESOURCE = "*"
"""The scope name of a `Lack` that covers every scope on its resources (8x8: "no access to this PBX at all")."""


def predict(
    operation: Operation | None,
    grants: Grants,
    resources: Resources = NO_RESOURCES,
    implied_by: Mapping[str, frozenset[str]] = NO_IMPLICATIONS,
) -> Prediction:
    """Say what the vendor will answer to `operation` on `resources` for a token of which `grants` is known.

    `implied_by` maps a scope to the scopes that imply it; leave it empty to read scopes to the letter.
    """
    if operation is None:
        return NotApplicable()
    requirement = operation.requirement
    if operation.auth is not Auth.BEARER or isinstance(requirement, AnyToken):
        return Permit(operation)
    if operation.stand_in_scope in grants.scopes:
        return Permit(operation)
    if isinstance(requirement, NotKnown):
        return _predict_not_known(operation, grants, resources)
    weighed = [_weigh(operation, alternative, grants, resources, implied_by) for alternative in requirement.alternatives]
    return _judge(operation, weighed, resources)


def holding(
    scope: str,
    grants: Grants,
    resources: Resources = NO_RESOURCES,
    implied_by: Mapping[str, frozenset[str]] = NO_IMPLICATIONS,
) -> Holding:
    """Say what is known about one scope of one token on `resources`.

    A proven lack outranks everything; then what is held, then what a held scope implies, then completeness.
    """
    if grants.lacking and _is_lacking(scope, grants, resources):
        return Holding.LACKING
    if scope in grants.scopes:
        return Holding.HELD
    bound = _bound_holding(scope, grants, resources)
    if bound is not None:
        return bound
    if not grants.scopes.isdisjoint(implied_by.get(scope, frozenset())):
        return Holding.PRESUMED
    return Holding.LACKING if grants.complete else Holding.UNKNOWN


def _is_lacking(scope: str, grants: Grants, resources: Resources) -> bool:
    named = resources.resources if isinstance(resources, Named) else frozenset()
    return any(lack.scope in (scope, WHOLE_RESOURCE) and lack.resources <= named for lack in grants.lacking)


def _bound_holding(scope: str, grants: Grants, resources: Resources) -> Holding | None:
    """Read the (scope, resource) pairs; None where they say nothing."""
    if isinstance(resources, Unbounded) or not resources.resources:
        return None
    absent = [name for name in resources.resources if (scope, name) not in grants.bound]
    if not absent:
        return Holding.HELD
    if any(name in grants.complete_for for name in absent):
        return Holding.LACKING
    return None


_Weighed = tuple[Holding, tuple[str, ...]]
_RANK = {Holding.LACKING: 0, Holding.UNKNOWN: 1, Holding.PRESUMED: 2, Holding.HELD: 3}


def _weigh(
    operation: Operation,
    alternative: tuple[str, ...],
    grants: Grants,
    resources: Resources,
    implied_by: Mapping[str, frozenset[str]],
) -> _Weighed:
    """Weigh one alternative: its weakest scope, and the scopes that are certainly lacking."""
    weakest, lacking = Holding.HELD, []
    for scope in alternative:
        state = holding(scope, grants, resources, implied_by)
        if state is not Holding.LACKING and scope in operation.partial:
            state = Holding.UNKNOWN
        if state is Holding.LACKING:
            lacking.append(scope)
        if _RANK[state] < _RANK[weakest]:
            weakest = state
    return weakest, tuple(lacking)


def _judge(operation: Operation, weighed: list[_Weighed], resources: Resources) -> Prediction:
    best = max((state for state, _ in weighed), key=_RANK.__getitem__)
    if best is Holding.HELD:
        return Permit(operation)
    if best is Holding.PRESUMED:
        return Permit(operation, presumed=True)
    if best is Holding.UNKNOWN:
        return Indeterminate(operation, _why_unknown(resources))
    return _deny(operation, [lacking for _, lacking in weighed], resources)


def _predict_not_known(operation: Operation, grants: Grants, resources: Resources) -> Prediction:
    scope = operation.stand_in_scope
    if _is_lacking(scope, grants, resources):
        return _deny(operation, [(scope,)], resources)
    if _bound_holding(scope, grants, resources) is Holding.HELD:
        return Permit(operation)
    return Indeterminate(operation, "the catalogue does not know what this operation requires")


def _deny(operation: Operation, lacking: list[tuple[str, ...]], resources: Resources) -> Deny:
    named = resources.resources if isinstance(resources, Named) else frozenset()
    return Deny(operation, tuple(sorted(lacking, key=len)), named)


def _why_unknown(resources: Resources) -> str:
    if isinstance(resources, Unbounded):
        return "the request concerns resources that it does not name"
    return "not all of the token's scopes are known"
