"""What the observed calls of one group need, what served them, and what is granted without need. Pure, exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from proxy.analysis.least_privilege import Alternative, Demand, Smallest, smallest_sets
from proxy.evidence.usage_rows import Granted, Right, UsageRow
from proxy.model import Auth, NotKnown, OneOf, Operation
from proxy.reports.grouping import Group, Used

UNNAMED: Final = "*"
"""The resource of a right that was used on resources which the request did not name."""
MAX_COMPARED: Final = 1000
"""Smallest sets that are compared with what is granted."""


@dataclass(frozen=True, slots=True)
class Call:
    """One row of use with what it needs: `needs` are the alternatives, `carriers` those that what was granted satisfies.

    `granted` is None where the token's rights were not known.
    """

    used: Used
    needs: Demand
    carriers: Demand
    granted: frozenset[Right] | None


@dataclass(frozen=True)
class Privileges:
    """One group's rights, needed and granted."""

    group: Group

    # --- what is granted

    @cached_property
    def granted(self) -> frozenset[Right]:
        """Everything that a token of the group was seen to be granted."""
        return frozenset(right for row in self.group.tokens for right in _rights(row))

    @cached_property
    def implied_by(self) -> Mapping[Right, frozenset[Right]]:
        """Which rights imply a right, on every resource that occurs."""
        resources = {"", *(resource for call in self.calls for need in call.needs for _, resource in need)}
        resources |= {resource for _, resource in self.granted}
        return {
            (scope, resource): frozenset((holder, resource) for holder in holders)
            for scope, holders in self.group.facts.implied_by.items()
            for resource in resources
        }

    # --- what was called

    @cached_property
    def calls(self) -> list[Call]:
        """Every row of use of an operation whose scopes are known and any."""
        return [self._call(used) for used in self.group.used if needs_scopes(used.operation)]

    def _call(self, used: Used) -> Call:
        known = used.row.key.granted
        rights = None if known is None else known.rights
        alternatives = [(scopes, self._bound(scopes, used.row.key.resources)) for scopes in used.operation.alternatives()]
        held = [] if rights is None else [pair for pair in alternatives if all(self._holders(right, rights) for right in pair[1])]
        whole = [pair for pair in alternatives if not used.operation.partial & set(pair[0])]
        sure = [pair for pair in held if pair in whole]
        needed = whole or alternatives
        if held and not sure:  # such a scope opens part of the endpoint only, but it did open what was asked for
            needed = needed + [pair for pair in held if pair not in needed]
        return Call(used, frozenset(rights for _, rights in needed), frozenset(rights for _, rights in sure or held), rights)

    def _bound(self, scopes: Iterable[str], resources: tuple[str, ...] | None) -> Alternative:
        """Return scopes as rights on the resources of a call; a scope that is granted everywhere is not told apart by resource."""
        places = (UNNAMED,) if resources is None else resources or ("",)
        return frozenset((scope, "" if (scope, "") in self.granted else place) for scope in scopes for place in places)

    def _holders(self, right: Right, granted: frozenset[Right]) -> frozenset[Right]:
        """Return the granted rights that convey one: itself, else what holds everywhere, else what implies it."""
        scope, resource = right
        for holder in (right, (scope, "")):
            if holder in granted:
                return frozenset({holder})
        names = self.group.facts.implied_by.get(scope, frozenset())
        return frozenset(held for held in granted if held[0] in names and held[1] in ("", resource))

    def served(self, call: Call) -> frozenset[Right]:
        """Return the rights that served a call or may have: all that is granted for it, or what it needs in any case."""
        if call.granted is not None and call.carriers:
            return frozenset(holder for need in call.carriers for right in need for holder in self._holders(right, call.granted))
        return frozenset[Right].intersection(*call.needs)

    @cached_property
    def unexplained(self) -> list[Call]:
        """Calls that succeeded although nothing that the group was seen to be granted carries them."""
        return [
            call
            for call in self.calls
            if not call.carriers and not any(all(self._holders(right, self.granted) for right in need) for need in call.needs)
        ]

    @cached_property
    def uses(self) -> dict[Right, list[Call]]:
        """Which calls a right served, or may have."""
        found = dict[Right, list[Call]]()
        for call in self.calls:
            for right in self.served(call):
                found.setdefault(right, []).append(call)
        return found

    # --- what would do

    @cached_property
    def smallest(self) -> Smallest:
        """The smallest sets that carry all calls, whatever is granted."""
        return smallest_sets((call.needs for call in self.calls), self.implied_by)

    @cached_property
    def smallest_granted(self) -> Smallest:
        """The smallest sets of rights that are granted already."""
        return smallest_sets((call.needs for call in self.calls), self.implied_by, self.granted)

    @cached_property
    def smallest_to_the_letter(self) -> Smallest:
        """The smallest sets, if no scope implied another one."""
        return smallest_sets(call.needs for call in self.calls)

    @cached_property
    def recommended(self) -> frozenset[Right]:
        """The one of the smallest sets that differs least from what is granted."""
        sets = (names for names, _ in zip(self.smallest.sets(), range(MAX_COMPARED), strict=False))
        return max(sets, key=lambda names: len(names & self.granted))

    @cached_property
    def unused(self) -> frozenset[Right]:
        """Granted rights that can have served no observed call."""
        return self.granted - self.uses.keys()

    def status(self, right: Right) -> str:
        """Return what is to be said about a right in one word."""
        in_some = {name for choice in self.smallest.choices for option in choice for name in option}
        if right in self.smallest.always:
            return "needed" if right in self.granted else "missing"
        if right in in_some:
            return "choice" if right in self.granted else "alternative"
        if right in self.unused:
            return "unused"
        return "dispensable" if right in self.granted else "covered"

    def relied_on(self) -> Iterator[tuple[Right, Right]]:
        """Yield (holder, implied) for each implication that the recommended set rests on."""
        needed = {right for call in self.calls for need in self._met(call) for right in need}
        for right in sorted(needed - self.recommended):
            for holder in sorted(self.implied_by.get(right, frozenset()) & self.recommended):
                yield holder, right

    def _met(self, call: Call) -> Iterator[Alternative]:
        for need in call.needs:
            if all(right in self.recommended or self.implied_by.get(right, frozenset()) & self.recommended for right in need):
                yield need


def needs_scopes(operation: Operation) -> bool:
    """Say whether an operation is known to need scopes."""
    return operation.auth is Auth.BEARER and isinstance(operation.requirement, OneOf)


def is_unknown(operation: Operation) -> bool:
    """Say whether nobody knows which scopes an operation needs."""
    return operation.auth is Auth.BEARER and isinstance(operation.requirement, NotKnown)


def _rights(row: UsageRow) -> frozenset[Right]:
    granted: Granted | None = row.key.granted
    return frozenset() if granted is None else granted.rights
