"""Why a client's rules do not let it send a request, in words: what fell short, what it may do instead, whom to ask. Pure.

Tells a client of its own rules only. Runs when a request is refused, not before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from proxy.model import NotKnown, Objection, Operation
from proxy.policy.allowance import Allowance, AllowRule
from proxy.policy.routes import RoutePattern

MAX_NAMES: Final = 10
"""Names of one kind that a text lists."""
MAX_RULES: Final = 5
"""Rules that a text describes."""

Told = tuple[Objection, str, tuple[str, ...]]
"""Which rule fell short, a sentence about it, and the steps that end it."""


def not_allowed(allowance: Allowance, operation: Operation) -> Told:
    """Tell why an operation of the catalogue is not allowed."""
    if not allowance.rules:
        return _no_vendor(allowance)
    named = f"{operation.id} ({operation.method} {operation.route})"
    ceilings = [rule.scopes for rule in allowance.rules if rule.scopes is not None and rule.selects(operation)]
    if ceilings:
        most = " or ".join(_listed(scopes) or "no scope at all" for scopes in ceilings[:MAX_RULES])
        why = f"it may use at most {most}, and {named} {_needs(operation)}"
        return Objection.CEILING, _sentence(allowance, why), _steps(allowance, "raises the ceiling under 'scopes'")
    if any(replace(rule, methods=None).selects(operation) for rule in allowance.rules):
        return Objection.METHOD, _sentence(allowance, f"{named} is not among the methods it may use"), _steps(allowance, "adds the method")
    why = f"{named} is not among the operations it may use"
    return Objection.OPERATION, _sentence(allowance, why), _steps(allowance, f"adds the operation {operation.id}")


def unknown_not_allowed(allowance: Allowance) -> Told:
    """Tell why a request that is not in the catalogue is not allowed."""
    if not allowance.rules:
        return _no_vendor(allowance)
    why = f"the catalogue of {allowance.vendor} has no such method and path, and none of the app's rules lets that through"
    steps = (
        "Check method and path for typing errors.",
        f"If the request is right, ask the people who run the proxy to add the operation to the catalogue of {allowance.vendor}, and to "
        f"the rules under clients, '{allowance.client}', allow.",
    )
    return Objection.UNKNOWN_OPERATION, _sentence(allowance, why), steps


def beyond_ceiling(allowance: Allowance, part: Operation) -> Told:
    """Tell why a token is not allowed that satisfies an operation only by what is beyond the ceiling; `part` is what is within it."""
    within = " or ".join(" and ".join(scopes) for scopes in part.alternatives())
    why = f"it may use {part.id} ({part.method} {part.route}) only with a token that holds {within}, and this token does not"
    steps = (f"Use a token that holds {within}.", _steps(allowance, "raises the ceiling under 'scopes'")[-1])
    return Objection.CEILING, _sentence(allowance, why), steps


def _no_vendor(allowance: Allowance) -> Told:
    message = f"The operator of this proxy does not let the app '{allowance.client}' use {allowance.vendor} at all."
    return Objection.VENDOR, message, _steps(allowance, f"adds a rule for vendor {allowance.vendor}")


def _sentence(allowance: Allowance, why: str) -> str:
    return f"The operator of this proxy limits what the app '{allowance.client}' may do: {why}. Allowed to it here: {_rules(allowance)}."


def _steps(allowance: Allowance, change: str) -> tuple[str, ...]:
    return (
        f"This is a rule of the proxy, not of {allowance.vendor}: another token, scope or login there changes nothing.",
        f"If the app needs this, ask the people who run the proxy for a rule under clients, '{allowance.client}', allow, that {change}.",
    )


def _needs(operation: Operation) -> str:
    if isinstance(operation.requirement, NotKnown):
        return "needs scopes that nobody has documented"
    return "needs " + " or ".join(" and ".join(scopes) for scopes in operation.alternatives())


def _rules(allowance: Allowance) -> str:
    told = [_rule(rule) for rule in allowance.rules[:MAX_RULES]]
    more = [f"{len(allowance.rules) - MAX_RULES} more rules"] if len(allowance.rules) > MAX_RULES else []
    return "; ".join([*told, *more])


def _rule(rule: AllowRule) -> str:
    """Describe one rule in a few words."""
    parts = [
        f"the operations {_listed(rule.operations)}" if rule.operations is not None else "",
        f"operations tagged {_listed(rule.tags)}" if rule.tags is not None else "",
        f"the routes {_listed(map(written, rule.routes))}" if rule.routes is not None else "",
        f"the methods {_listed(rule.methods)}" if rule.methods is not None else "",
        f"at most the scopes {_listed(rule.scopes)}" if rule.scopes else "only what needs no scope" if rule.scopes is not None else "",
    ]
    return ", ".join(part for part in parts if part) or "everything"


def _listed(names: Iterable[str]) -> str:
    every = sorted(names)
    more = f" and {len(every) - MAX_NAMES} more" if len(every) > MAX_NAMES else ""
    return ", ".join(every[:MAX_NAMES]) + more


def written(pattern: RoutePattern) -> str:
    """Return a pattern as people write it."""
    parts = ["*" if part is None else part for part in pattern.segments] + (["**"] if pattern.open_end else [])
    return "/" + "/".join(parts)
