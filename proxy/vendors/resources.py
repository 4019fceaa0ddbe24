"""Which resources a request concerns, by an operation's own rule."""

from __future__ import annotations

from proxy.catalogs.catalog import Match
from proxy.model import Lack, Named, ResourceRule, Resources, Unbounded
from proxy.prediction import WHOLE_RESOURCE
from proxy.protocol.targets import Target


def read_resources(rule: ResourceRule, match: Match, target: Target) -> Resources:
    """Apply a resource rule. A missing, empty or repeated query parameter, or its "everything" value, is unbounded.

    Names are prefixed with the rule's kind, so that a PBX name and an opaque PBX id never meet.
    """
    values = _raw_values(rule, match, target)
    if len(values) != 1:
        return Unbounded()
    parts = values[0].split(rule.separator) if rule.separator else [values[0]]
    names = [part.strip() for part in parts]
    if not all(names) or (rule.everything is not None and rule.everything in names):
        return Unbounded()
    return Named(frozenset(f"{rule.kind}:{name}" for name in names))


def _raw_values(rule: ResourceRule, match: Match, target: Target) -> tuple[str, ...]:
    if rule.location == "query":
        return target.parameters(rule.parameter)
    value = match.parameter(rule.parameter)
    return () if value is None else (value,)


def bare_resource(name: str) -> str:
    """Return a resource's name as the vendor writes it, without its kind."""
    return name.partition(":")[2]


def no_access_at_all(lacking: frozenset[Lack], resources: Resources) -> bool:
    """Say whether a whole-resource lack covers this request: what `Denial.whole_resource` must be."""
    if not isinstance(resources, Named):
        return False
    return any(lack.scope == WHOLE_RESOURCE and lack.resources <= resources.resources for lack in lacking)
