"""Truth tables: which sets carry AND, OR and both, with and without implied scopes."""

from __future__ import annotations

import pytest

from proxy.analysis.least_privilege import Demand, smallest_sets
from proxy.evidence.usage_rows import Right


def right(text: str) -> Right:
    scope, _, resource = text.partition("@")
    return scope, resource


def demand(text: str) -> Demand:
    """Read `A+B|C`: A and B, or C."""
    return frozenset(frozenset(right(name) for name in alternative.split("+")) for alternative in text.split("|"))


def sets(*demands: str, implies: str = "", among: str | None = None) -> list[str]:
    """Return the smallest sets as texts; `implies` reads `X>A,B`."""
    holder, _, implied = implies.partition(">")
    by = {right(name): frozenset({right(holder)}) for name in implied.split(",")} if implies else {}
    candidates = None if among is None else frozenset(right(name) for name in among.split())
    found = smallest_sets([demand(text) for text in demands], by, candidates)
    assert found.proven
    return ["+".join(sorted(f"{scope}@{place}" if place else scope for scope, place in each)) for each in found.sets()]


@pytest.mark.parametrize(
    ("demands", "smallest"),
    [
        ([], [""]),
        (["A"], ["A"]),
        (["A+B"], ["A+B"]),
        (["A|B"], ["A", "B"]),
        (["A", "B"], ["A+B"]),
        (["A", "A|B"], ["A"]),
        (["A+B", "A|C"], ["A+B"]),
        (["A|B", "B|C"], ["B"]),
        (["A|B", "C|D"], ["A+C", "A+D", "B+C", "B+D"]),
        (["A+B|C"], ["C"]),
        (["A+B|C", "A", "B"], ["A+B"]),
        (["A+B|C+D"], ["A+B", "C+D"]),
        (["A|B", "B|C", "A|C"], ["A+B", "A+C", "B+C"]),
        (["CDR@one", "CDR@two"], ["CDR@one+CDR@two"]),
    ],
)
def test_and_or(demands: list[str], smallest: list[str]) -> None:
    assert sorted(sets(*demands)) == sorted(smallest)


@pytest.mark.parametrize(
    ("demands", "implies", "smallest"),
    [
        (["A"], "X>A", ["A"]),  # X would do, but conveys more
        (["A", "X"], "X>A", ["X"]),
        (["A+X"], "X>A", ["X"]),
        (["A", "B"], "X>A,B", ["A+B"]),  # one name less, one right more
        (["A|X"], "X>A", ["A"]),
        (["A", "B", "X|C"], "X>A,B", ["X"]),  # three rights either way, but one name
    ],
)
def test_implied_scopes(demands: list[str], implies: str, smallest: list[str]) -> None:
    assert sets(*demands, implies=implies) == smallest


def test_candidates_bound_what_may_be_named() -> None:
    assert sets("A|B", among="B C") == ["B"]
    found = smallest_sets([demand("A"), demand("B")], candidates=frozenset({right("B")}))
    assert found.impossible == {demand("A")}
    assert list(found.sets()) == [{right("B")}]


def test_many_requirements_are_solved_exactly_and_at_once() -> None:
    ring = [f"S{number}|S{(number + 1) % 31}" for number in range(31)]
    found = smallest_sets([demand(text) for text in (*ring, *(f"T{number}" for number in range(300)))])
    assert found.proven
    assert found.size == 16 + 300


def test_a_search_that_is_cut_short_is_not_called_proven() -> None:
    ring = [demand(f"S{number}|S{(number + 1) % 31}") for number in range(31)]
    found = smallest_sets(ring, max_nodes=20)
    assert not found.proven
    assert not found.listed
    assert all(any(need <= names for need in each) for names in found.sets() for each in ring)
