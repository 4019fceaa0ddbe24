"""The smallest sets of rights that carry given demands, exactly: `smallest_sets`. Pure.

A demand is what one kind of call needs: alternatives, each a set of rights that must all be conveyed. A right conveys itself and
what it implies. Smallest is, in this order: the fewest rights conveyed, then the fewest rights named; without implications both
are the number of rights. Branch and bound over bit masks; independent groups of demands are solved one by one, and what is best
for each is best for all, so several smallest sets are told as choices that can be made independently.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from proxy.evidence.usage_rows import Right

Alternative = frozenset[Right]
Demand = frozenset[Alternative]
"""At least one alternative must be conveyed whole; none at all can never be met."""

MAX_NODES: Final = 100_000
"""Steps of the search for one group of demands (some seconds); beyond it the best sets found are not proven to be the smallest."""
MAX_TIES: Final = 256
"""Smallest sets of one group that are listed."""
NO_IMPLICATIONS: Final[Mapping[Right, frozenset[Right]]] = {}


@dataclass(frozen=True, slots=True)
class Smallest:
    """All smallest sets: `always`, and one of each of `choices`. `impossible` demands are met by no candidates.

    `proven`: nothing smaller exists. `listed`: there are no others of this size.
    """

    always: frozenset[Right] = frozenset()
    choices: tuple[tuple[frozenset[Right], ...], ...] = ()
    impossible: frozenset[Demand] = frozenset()
    proven: bool = True
    listed: bool = True

    @property
    def count(self) -> int:
        """How many smallest sets are listed."""
        return math.prod(len(choice) for choice in self.choices)

    @property
    def size(self) -> int:
        """How many rights each of them names."""
        return len(self.always) + sum(len(choice[0]) for choice in self.choices)

    def sets(self) -> Iterator[frozenset[Right]]:
        """Yield every smallest set, in a fixed order."""
        for chosen in product(*self.choices):
            yield self.always.union(*chosen)


def smallest_sets(
    demands: Iterable[Demand],
    implied_by: Mapping[Right, frozenset[Right]] = NO_IMPLICATIONS,
    candidates: frozenset[Right] | None = None,
    max_nodes: int = MAX_NODES,
) -> Smallest:
    """Return the smallest sets of rights that meet all demands.

    `implied_by` maps a right to those that imply it, transitively. `candidates` are the only rights that may be named (None: any).
    """
    table = _Table(implied_by, candidates)
    possible, impossible = list[tuple[int, ...]](), set[Demand]()
    for demand in set(demands):
        masks = _reduced([mask for mask in (table.needed(alternative) for alternative in demand) if mask is not None])
        if masks:
            possible.append(masks)
        else:
            impossible.add(demand)
    groups = [_Search(table, group, max_nodes).run() for group in _groups(_without_dominated(possible), table)]
    return _combined(groups, table, frozenset(impossible))


class _Table:
    """Rights as bits: who provides a right, and what naming a right conveys."""

    def __init__(self, implied_by: Mapping[Right, frozenset[Right]], candidates: frozenset[Right] | None) -> None:
        self._implied_by = implied_by
        self._candidates = candidates
        self._implies: dict[Right, set[Right]] = {}
        for implied, holders in implied_by.items():
            for holder in holders:
                self._implies.setdefault(holder, set()).add(implied)
        self.rights: list[Right] = []
        self._bits: dict[Right, int] = {}
        self.conveyed: dict[int, int] = {}
        self.providers: dict[int, tuple[int, ...]] = {}

    def needed(self, alternative: Alternative) -> int | None:
        """Return an alternative as a mask, None where no candidate provides one of its rights."""
        mask = 0
        for right in sorted(alternative):
            bit = self._bit(right)
            if bit not in self.providers:
                self.providers[bit] = tuple(self._provider(name) for name in self._named(right))
            if not self.providers[bit]:
                return None
            mask |= bit
        return mask

    def _named(self, right: Right) -> list[Right]:
        names = {right, *self._implied_by.get(right, ())}
        return sorted(name for name in names if self._candidates is None or name in self._candidates)

    def _provider(self, name: Right) -> int:
        bit = self._bit(name)
        if bit not in self.conveyed:
            self.conveyed[bit] = bit | sum(self._bit(right) for right in self._implies.get(name, ()) if right != name)
        return bit

    def _bit(self, right: Right) -> int:
        if right not in self._bits:
            self._bits[right] = 1 << len(self.rights)
            self.rights.append(right)
        return self._bits[right]

    def reach(self, mask: int) -> int:
        """Return everything that may be conveyed on the way to conveying `mask`."""
        reached = mask
        for bit in _bits(mask):
            for provider in self.providers[bit]:
                reached |= self.conveyed[provider]
        return reached

    def unpack(self, mask: int) -> frozenset[Right]:
        """Return a mask as rights."""
        return frozenset(self.rights[bit.bit_length() - 1] for bit in _bits(mask))


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest
        mask ^= lowest


def _reduced(masks: Sequence[int]) -> tuple[int, ...]:
    """Leave out alternatives that contain another one: whoever has them has that one."""
    distinct = set(masks)
    return tuple(sorted(mask for mask in distinct if not any(other != mask and other & mask == other for other in distinct)))


def _without_dominated(demands: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Leave out demands that are met whenever another one is."""
    kept = list[tuple[int, ...]]()
    for demand in sorted(set(demands), key=lambda demand: (len(demand), demand)):
        if not any(_entails(other, demand) for other in kept):
            kept = [other for other in kept if not _entails(demand, other)]
            kept.append(demand)
    return kept


def _entails(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    return all(any(needed & mask == needed for needed in second) for mask in first)


def _groups(demands: Iterable[tuple[int, ...]], table: _Table) -> list[list[tuple[int, ...]]]:
    """Part demands into groups that have no right in common."""
    groups = list[tuple[int, list[tuple[int, ...]]]]()
    for demand in demands:
        reach, members = 0, [demand]
        for mask in demand:
            reach |= table.reach(mask)
        touching = [group for group in groups if group[0] & reach]
        groups = [group for group in groups if not group[0] & reach]
        for other_reach, others in touching:
            reach, members = reach | other_reach, others + members
        groups.append((reach, members))
    return [members for _, members in groups]


_Cost = tuple[int, int]


@dataclass
class _Search:
    """The search for the smallest sets of one group of demands."""

    table: _Table
    demands: list[tuple[int, ...]]
    nodes_left: int
    best: _Cost | None = None
    found: list[int] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    listed: bool = True

    def run(self) -> _Search:
        """Search; return itself."""
        self._visit(0, 0)
        return self

    @property
    def proven(self) -> bool:
        """Whether the search came to its end."""
        return self.nodes_left > 0

    def _visit(self, named: int, conveyed: int) -> None:
        """Look at everything that names at least `named`. Whatever is smallest is reached: it meets each demand somehow."""
        if named in self.seen or (self.nodes_left <= 0 and self.found):
            return
        self.seen.add(named)
        self.nodes_left -= 1
        open_demands = [demand for demand in self.demands if not any(mask & ~conveyed == 0 for mask in demand)]
        if not open_demands:
            self._finish(named, conveyed)
        elif not self._is_hopeless(named, conveyed, open_demands):
            steps = min((self._steps(demand, conveyed) for demand in open_demands), key=len)
            for step in sorted(steps, key=lambda step: (self._conveyed(step) & ~conveyed).bit_count()):
                self._visit(named | step, conveyed | self._conveyed(step))

    def _finish(self, named: int, conveyed: int) -> None:
        cost = (conveyed.bit_count(), named.bit_count())
        if self.best is None or cost < self.best:
            self.best, self.found, self.listed = cost, [], True
        if cost == self.best:
            self.listed = len(self.found) < MAX_TIES
            if self.listed:
                self.found.append(named)

    def _is_hopeless(self, named: int, conveyed: int, open_demands: Sequence[tuple[int, ...]]) -> bool:
        """Say whether nothing from here is among the smallest: demands without common rights each add their least."""
        if self.best is None:
            return False
        taken, more = 0, 0
        for demand in open_demands:
            needs = [mask & ~conveyed for mask in demand]
            together = 0
            for mask in needs:
                together |= mask
            if not together & taken:
                taken |= together
                more += min(mask.bit_count() for mask in needs)
        least = (conveyed.bit_count() + more, named.bit_count() + 1)
        return least > self.best or (least == self.best and not self.listed)

    def _steps(self, demand: tuple[int, ...], conveyed: int) -> set[int]:
        """Return the sets of names that meet a demand, each with one provider per right that is not conveyed yet."""
        steps = set[int]()
        for mask in demand:
            for names in product(*(self.table.providers[bit] for bit in _bits(mask & ~conveyed))):
                step = 0
                for name in names:
                    step |= name
                steps.add(step)
        return steps

    def _conveyed(self, step: int) -> int:
        conveyed = 0
        for name in _bits(step):
            conveyed |= self.table.conveyed[name]
        return conveyed


def _combined(groups: Iterable[_Search], table: _Table, impossible: frozenset[Demand]) -> Smallest:
    always, choices, proven, listed = frozenset[Right](), list[tuple[frozenset[Right], ...]](), True, True
    for group in groups:
        sets = sorted((table.unpack(mask) for mask in group.found), key=sorted)
        common = frozenset[Right].intersection(*sets)
        always |= common
        if len(sets) > 1:
            choices.append(tuple(each - common for each in sets))
        proven, listed = proven and group.proven, listed and group.listed
    return Smallest(always, tuple(sorted(choices, key=lambda choice: sorted(choice[0]))), impossible, proven, listed and proven)
