"""The ledger of scores: counting, putting operations back to shadow, and what ends that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from proxy.evidence.score_rows import decode, requirement_digest
from proxy.evidence.scores import Rules, Scores
from proxy.evidence.scoring import SCORES, Score
from proxy.model import OneOf, Operation, ResourceRule
from tests.fakes.scored import DAY, START, Book, rows


@dataclass
class Kept:
    """A sink that remembers what it was given last."""

    rows: dict[str, bytes] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    puts: int = 0

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:
        assert vendor == "v"
        self.puts += 1
        self.rows[key], self.ends[key] = encode(), ends

    def gone(self, vendor: str, key: str) -> None:
        self.rows.pop(key, None)


def counts(book: Book) -> dict[tuple[str, str], dict[str, int]]:
    return {
        (row.key.client, row.key.operation): {str(score): count for score, count in zip(SCORES, row.counts, strict=True) if count}
        for row in book.scores.rows(START)
    }


def value(book: Book, metric: str) -> dict[tuple[str, ...], float]:
    readings = book.scores.numbers.readings(lambda: ["v"], lambda: ["app"])
    (found,) = [reading.read() for reading in readings if reading.name == metric]
    return {labels: number for labels, number in found.items() if number}


def test_scores_are_counted_by_client_and_operation() -> None:
    book = Book()
    for score in Score:
        book.count(score, 2)
    book.count(Score.CORRECT_PERMIT, 1, "make", "other")
    assert counts(book) == {("app", "list"): {str(score): 2 for score in SCORES}, ("other", "make"): {"correct_permit": 1}}


def test_shared_scratch_space_counts_each_time() -> None:
    book = Book()
    exchange = book.exchange(Score.CORRECT_PERMIT)._replace(memo={})
    for _ in range(3):
        book.scores.record(exchange)
    assert counts(book) == {("app", "list"): {"correct_permit": 3}}


@pytest.mark.parametrize(("status", "fault"), [(302, ""), (207, ""), (200, "upstream_broke_off")])
def test_a_remembered_acceptance_is_one_only_as_long_as_the_answer_is(status: int, fault: str) -> None:
    book = Book()
    book.count(Score.CORRECT_PERMIT)
    book.scores.record(book.exchange(Score.CORRECT_PERMIT)._replace(status=status, fault=fault))
    book.count(Score.CORRECT_PERMIT)
    assert counts(book) == {("app", "list"): {"correct_permit": 2, "not_comparable": 1}}


def test_scratch_space_from_before_a_reset_counts_in_the_new_row() -> None:
    book = Book()
    exchange = book.exchange(Score.CORRECT_PERMIT)._replace(memo={})
    book.scores.record(exchange)
    book.count(Score.FALSE_DENIAL)
    book.scores.lift("v", "list")
    book.scores.record(exchange)
    assert counts(book) == {("app", "list"): {"correct_permit": 1}}


def test_first_and_last_call_are_told_in_any_order() -> None:
    book = Book()
    for at in (START + 5, START, START + 9, START + 3):
        book.count(Score.CORRECT_PERMIT, at=at)
    (row,) = book.scores.rows(START)
    assert (row.first, row.last) == (START, START + 9)


def test_rows_are_bounded_and_what_finds_no_room_is_counted() -> None:
    book = Book(max_rows=2)
    for client in ("a", "b", "c"):
        book.scores.record(book.exchange(Score.CORRECT_PERMIT, client=client)._replace(memo={}))
    crowded = book.exchange(Score.CORRECT_PERMIT, client="c")._replace(memo={})
    for _ in range(2):
        book.scores.record(crowded)
    assert len(counts(book)) == 2
    assert book.scores.unrecorded == 3


def test_a_false_denial_is_heard_of_even_where_there_is_no_room() -> None:
    book = Book(max_rows=0)
    book.count(Score.FALSE_DENIAL)
    assert "list" in book.scores.demoted("v")


# --- back to shadow -------------------------------------------------------------------------------------


def test_one_false_denial_puts_the_operation_back_to_shadow_and_is_told_once() -> None:
    book = Book()
    live = book.scores.demoted("v")
    book.count(Score.FALSE_DENIAL, at=START + 1)
    book.count(Score.FALSE_DENIAL, at=START + 2, client="other")
    assert set(live) == {"list"}
    (found,) = book.told
    assert found[:6] == ("v", "list", "app", START + 1, f"ID-{START + 1:.0f}", "token_response")
    assert (found.missing, found.status, found.mode) == ((("read",),), 200, "shadow")
    assert set(book.scores.demoted("other vendor")) == set()
    assert value(book, "scopegate_operations_demoted") == {("v", "list"): 1}
    assert value(book, "scopegate_false_denials_total") == {("v", "list"): 2}


@pytest.mark.parametrize("score", [score for score in Score if score is not Score.FALSE_DENIAL])
def test_nothing_else_does(score: Score) -> None:
    book = Book()
    book.count(score, 3)
    assert not book.told
    assert not book.scores.demoted("v")


def test_an_operator_lifts_it_and_scores_begin_anew() -> None:
    book = Book()
    book.count(Score.FALSE_DENIAL)
    book.count(Score.CORRECT_PERMIT, operation="make")
    assert book.scores.lift("v", "list")
    assert not book.scores.demoted("v")
    assert counts(book) == {("app", "make"): {"correct_permit": 1}}
    assert not book.scores.lift("v", "list")
    assert value(book, "scopegate_operations_demoted") == {}
    assert value(book, "scopegate_scores_total") == {("v", "app", "false_denial"): 1, ("v", "app", "correct_permit"): 1}


def test_a_changed_requirement_lifts_it_and_counts_anew() -> None:
    book = Book()
    book.count(Score.FALSE_DENIAL)
    book.count(Score.CORRECT_PERMIT, operation="make")
    assert [found.operation for found in book.adopt("other")] == ["list"]
    assert not book.scores.demoted("v")
    assert counts(book) == {("app", "make"): {"correct_permit": 1}}


def test_the_same_requirement_in_a_new_catalogue_changes_nothing() -> None:
    book = Book()
    book.count(Score.FALSE_DENIAL)
    assert book.adopt("read") == []
    book.count(Score.FALSE_DENIAL)
    assert set(book.scores.demoted("v")) == {"list"}
    assert counts(book) == {("app", "list"): {"false_denial": 2}}


def test_answers_to_requests_that_were_decided_under_an_older_catalogue_do_not_count() -> None:
    book = Book()
    late = book.exchange(Score.FALSE_DENIAL)
    book.adopt("other")
    book.scores.record(late)
    assert not book.told
    assert counts(book) == {}


@pytest.mark.parametrize(
    "changed",
    [
        Operation("v", "list", "GET", "/things", OneOf((("write",),))),
        Operation("v", "list", "GET", "/things", OneOf((("read",), ("write",)))),
        Operation("v", "list", "GET", "/others", OneOf((("read",),))),
        Operation("v", "list", "POST", "/things", OneOf((("read",),))),
        Operation("v", "list", "GET", "/things", OneOf((("read",),)), partial=frozenset({"read"})),
        rows(resource=ResourceRule("pbx", "query", "id"))[0],
    ],
)
def test_whatever_a_prediction_rests_on_changes_the_digest(changed: Operation) -> None:
    assert requirement_digest(changed, {}) != requirement_digest(rows()[0], {})


def test_what_implies_its_scopes_changes_the_digest_and_what_implies_others_does_not() -> None:
    plain = requirement_digest(rows()[0], {})
    assert requirement_digest(rows()[0], {"read": frozenset({"all"})}) != plain
    assert requirement_digest(rows()[0], {"write": frozenset({"all"})}) == plain
    assert requirement_digest(rows()[0], {}) == plain  # another object, the same row


# --- time, and what outlives the process ----------------------------------------------------------------


def test_rows_end_after_their_time() -> None:
    book = Book(keep_s=10 * DAY)
    book.count(Score.CORRECT_PERMIT)
    book.count(Score.CORRECT_PERMIT, operation="make", at=START + 5 * DAY)
    assert {row.key.operation for row in book.scores.rows(START + 10 * DAY)} == {"make"}
    assert {row.key.operation for row in book.scores.rows(START + 15 * DAY)} == set()
    assert value(book, "scopegate_scores_total") == {("v", "app", "correct_permit"): 2}


def restarted(kept: Kept, needs: str = "read") -> Book:
    book = Book(needs)
    book.scores.restore([book.scores.decode(data) for data in kept.rows.values()])
    return book


def test_scores_and_shadow_outlive_the_process() -> None:
    kept, book = Kept(), Book()
    book.scores.sink = kept
    book.count(Score.CORRECT_PERMIT, 5)
    book.count(Score.FALSE_DENIAL, 1, at=START + 1)
    book.count(Score.CORRECT_DENIAL, 2, "make", "other")
    book.scores.save()
    again = restarted(kept)
    assert counts(again) == counts(book)
    assert set(again.scores.demoted("v")) == {"list"}
    assert list(again.scores.demotions()) == list(book.scores.demotions())
    (before,), (after,) = ([row for row in each.scores.rows(START) if row.key.operation == "list"] for each in (book, again))
    assert (after.first, after.last, after.false_denial) == (before.first, before.last, before.false_denial)
    assert value(again, "scopegate_scores_total") == {}  # counters count what this process saw
    again.count(Score.CORRECT_PERMIT)
    assert value(again, "scopegate_scores_total") == {("v", "app", "correct_permit"): 1}


def test_what_rests_on_another_requirement_is_not_taken_over() -> None:
    kept, book = Kept(), Book()
    book.scores.sink = kept
    book.count(Score.FALSE_DENIAL)
    book.count(Score.CORRECT_PERMIT, operation="make")
    again = restarted(kept, "other")
    assert counts(again) == {("app", "make"): {"correct_permit": 1}}
    assert not again.scores.demoted("v")


def test_a_faulty_requirement_that_comes_back_is_still_known_to_be_faulty() -> None:
    kept, book = Kept(), Book()
    book.scores.sink = kept
    book.count(Score.FALSE_DENIAL)
    book.adopt("other")
    assert not restarted(kept, "other").scores.demoted("v")
    assert set(restarted(kept).scores.demoted("v")) == {"list"}


def test_what_was_lifted_does_not_come_back() -> None:
    kept, book = Kept(), Book()
    book.scores.sink = kept
    book.count(Score.FALSE_DENIAL)
    book.scores.lift("v", "list")
    assert kept.rows == {}


def test_a_row_that_keeps_changing_is_put_once_a_minute_and_a_false_denial_at_once() -> None:
    kept, book = Kept(), Book()
    book.scores.sink = kept
    for second in range(121):
        book.count(Score.CORRECT_PERMIT, at=START + second)
    assert kept.puts == 3
    book.count(Score.FALSE_DENIAL, at=START + 122)
    assert kept.puts == 5  # the row, and that its operation is in shadow
    assert min(end - START for end in kept.ends.values()) == pytest.approx(90 * DAY + 122)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'[2,"row"]', b'[1,"row"]', b'[1,"demotion",1]', b'[1,"row",["v","a","o"],"d",[1],[1],0,0,null]']
)
def test_bytes_of_another_version_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        decode(data)


def test_samples_are_counted() -> None:
    book = Book()
    book.scores.record(book.exchange(Score.CORRECT_DENIAL, mode="enforce"))
    book.count(Score.CORRECT_DENIAL)
    assert value(book, "scopegate_verified_denials_total") == {("v",): 1}


def test_rows_of_two_processes_add_up_and_the_newest_false_denial_stays() -> None:
    one, two = Book(), Book()
    one.count(Score.FALSE_DENIAL, at=START + 5)
    two.count(Score.FALSE_DENIAL, at=START + 9)
    two.count(Score.CORRECT_PERMIT, 2, at=START)
    (home,), (more,) = one.scores.rows(START), two.scores.rows(START)
    one.scores.add(more)
    assert counts(one) == {("app", "list"): {"false_denial": 2, "correct_permit": 2}}
    assert (home.first, home.last) == (START, START + 9)
    assert home.false_denial == more.false_denial
    assert value(one, "scopegate_scores_total") == {("v", "app", "false_denial"): 1}


def test_a_false_denial_is_counted_before_anybody_hears_of_it() -> None:
    seen: list[list[int]] = []
    scores = Scores(lambda _: seen.extend(row.counts for row in scores.rows(START)), 90 * DAY)
    book = Book()
    scores.adopt({"v": Rules(book.catalog, {})})
    scores.record(book.exchange(Score.FALSE_DENIAL))
    assert [sum(counts) for counts in seen] == [1]
