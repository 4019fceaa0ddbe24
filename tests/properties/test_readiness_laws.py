"""Laws of readiness, for any sequence of scored calls."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proxy.analysis.readiness import Window, false_denial_bound, readiness_report
from proxy.evidence.scoring import SCORES, Score
from tests.fakes.scored import START, Book

Call = tuple[Score, str, str]
calls = st.lists(st.tuples(st.sampled_from(Score), st.sampled_from(("list", "make", "wipe")), st.sampled_from(("a", "b"))), max_size=40)
minima = st.integers(min_value=1, max_value=8)
COMPARED = {Score.CORRECT_DENIAL, Score.CORRECT_PERMIT, Score.FALSE_DENIAL, Score.MISSED_DENIAL}


def booked(sequence: list[Call]) -> Book:
    book = Book()
    for position, (score, operation, client) in enumerate(sequence):
        book.count(score, 1, operation, client, START + position)
    return book


def report(book: Book, minimum: int) -> dict[str, Any]:
    return readiness_report(book.scores.rows(START), book.scores.demotions(), Window(START, minimum))


def counts(book: Book) -> dict[Any, list[int]]:
    return {row.key: row.counts for row in book.scores.rows(START)}


@given(calls)
def test_exactly_the_operations_with_a_false_denial_go_back_to_shadow(sequence: list[Call]) -> None:
    false = {operation for score, operation, _ in sequence if score is Score.FALSE_DENIAL}
    book = booked(sequence)
    assert set(book.scores.demoted("v")) == false
    assert sorted(found.operation for found in book.told) == sorted(false)


@given(calls, minima)
def test_ready_is_enough_calls_and_no_false_denial(sequence: list[Call], minimum: int) -> None:
    told = report(booked(sequence), minimum)
    compared = Counter((client, operation) for score, operation, client in sequence if score in COMPARED)
    false = {operation for score, operation, _ in sequence if score is Score.FALSE_DENIAL}
    for row in told["operations"]:
        enough = compared[row["client"], row["operation"]] >= minimum
        assert (row["verdict"] == "ready") == (enough and row["operation"] not in false)
        assert row["scored"] == compared[row["client"], row["operation"]]
    for vendor in told["vendors"]:
        by_operation = Counter(operation for score, operation, _ in sequence if score in COMPARED)
        seen = {operation for score, operation, _ in sequence if score is not Score.NOT_SCORED}
        assert (vendor["verdict"] == "ready") == (not false and all(by_operation[operation] >= minimum for operation in seen))


@given(calls, st.randoms(use_true_random=False))
def test_the_order_of_calls_does_not_matter_for_counts(sequence: list[Call], random: Any) -> None:
    shuffled = list(sequence)
    random.shuffle(shuffled)
    assert counts(booked(sequence)) == counts(booked(shuffled))


@given(calls)
def test_every_scored_call_is_counted_once(sequence: list[Call]) -> None:
    found = booked(sequence).scores.rows(START)
    assert sum(sum(row.counts) for row in found) == sum(score in SCORES for score, _, _ in sequence)


@given(calls)
def test_what_is_kept_is_what_comes_back(sequence: list[Call]) -> None:
    book, again = booked(sequence), Book()
    again.scores.restore([again.scores.decode(row.encode()) for row in book.scores.rows(START)])
    assert counts(again) == counts(book)


@given(st.integers(min_value=1, max_value=100_000))
def test_more_calls_bound_the_error_tighter_and_never_looser_than_the_rule_of_three(scored: int) -> None:
    assert false_denial_bound(scored + 1) < false_denial_bound(scored) <= 3.0 / scored
