"""The smallest sets are what trying every set finds: none is missing, none is smaller, none is extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from proxy.analysis.least_privilege import Demand, smallest_sets
from proxy.evidence.usage_rows import Right

RIGHTS: list[Right] = [(name, "") for name in "ABCDEFG"]
ALTERNATIVE = st.frozensets(st.sampled_from(RIGHTS), min_size=1, max_size=3)
DEMANDS = st.lists(st.frozensets(ALTERNATIVE, min_size=1, max_size=3), max_size=6)
Implications = dict[Right, frozenset[Right]]


@st.composite
def implications(draw: st.DrawFn) -> Implications:
    """Return who implies a right, transitively, perhaps in circles."""
    pairs = draw(st.sets(st.tuples(st.sampled_from(RIGHTS), st.sampled_from(RIGHTS)), max_size=5))
    for _ in RIGHTS:
        pairs |= {(one, other) for one, middle in pairs for again, other in pairs if middle == again}
    found: dict[Right, set[Right]] = {}
    for holder, implied in pairs:
        if holder != implied:
            found.setdefault(implied, set()).add(holder)
    return {right: frozenset(holders) for right, holders in found.items()}


def conveyed(names: frozenset[Right], implied_by: Mapping[Right, frozenset[Right]]) -> frozenset[Right]:
    return names | {right for right, holders in implied_by.items() if holders & names}


def meets(names: frozenset[Right], demand: Demand, implied_by: Mapping[Right, frozenset[Right]]) -> bool:
    return any(alternative <= conveyed(names, implied_by) for alternative in demand)


def every_set(rights: list[Right]) -> Iterator[frozenset[Right]]:
    for size in range(len(rights) + 1):
        yield from (frozenset(chosen) for chosen in combinations(rights, size))


def by_trying(demands: list[Demand], implied_by: Implications, rights: list[Right]) -> set[frozenset[Right]]:
    fitting = [names for names in every_set(rights) if all(meets(names, demand, implied_by) for demand in demands)]
    least = min((len(conveyed(names, implied_by)), len(names)) for names in fitting)
    return {names for names in fitting if (len(conveyed(names, implied_by)), len(names)) == least}


@given(DEMANDS)
def test_without_implications_the_fewest_scopes_are_found_and_all_ties(demands: list[Demand]) -> None:
    found = smallest_sets(demands)
    assert found.proven
    assert found.listed
    assert set(found.sets()) == by_trying(demands, {}, RIGHTS)
    assert found.count == len(set(found.sets()))
    assert {len(names) for names in found.sets()} == {found.size}


@given(DEMANDS, implications())
def test_with_implications_the_least_conveyed_is_found_and_all_ties(demands: list[Demand], implied_by: Implications) -> None:
    found = smallest_sets(demands, implied_by)
    assert set(found.sets()) == by_trying(demands, implied_by, RIGHTS)


@given(DEMANDS, implications(), st.frozensets(st.sampled_from(RIGHTS)))
def test_only_candidates_are_named_and_what_they_cannot_meet_is_said(
    demands: list[Demand], implied_by: Implications, candidates: frozenset[Right]
) -> None:
    found = smallest_sets(demands, implied_by, candidates)
    possible = [demand for demand in demands if meets(candidates, demand, implied_by)]
    assert found.impossible == set(demands) - set(possible)
    assert set(found.sets()) == by_trying(possible, implied_by, sorted(candidates))


@given(DEMANDS, implications())
def test_a_search_that_is_cut_short_says_so_and_still_meets_every_demand(demands: list[Demand], implied_by: Implications) -> None:
    found = smallest_sets(demands, implied_by, max_nodes=1)
    for names in found.sets():
        assert all(meets(names, demand, implied_by) for demand in demands)
    if found.proven:
        assert set(found.sets()) == by_trying(demands, implied_by, RIGHTS)
