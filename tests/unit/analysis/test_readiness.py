"""From scores to verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.analysis.readiness import EVERYTHING, Wanted, Window, false_denial_bound, readiness_report
from proxy.evidence.scoring import Score
from tests.fakes.scored import START, Book

WINDOW = Window(START + 60, min_scored_calls=10)


def report(book: Book, wanted: Wanted = EVERYTHING) -> dict[str, Any]:
    return readiness_report(book.scores.rows(START), book.scores.demotions(), WINDOW, wanted)


def verdicts(book: Book) -> dict[str, tuple[str, list[str]]]:
    return {row["operation"]: (row["verdict"], row["why"]) for row in report(book)["operations"]}


@pytest.mark.parametrize(("scored", "bound"), [(1, 0.95), (30, 0.0950), (59, 0.0495), (100, 0.0295), (300, 0.00994), (0, 1.0)])
def test_the_bound_is_the_exact_rule_of_three(scored: int, bound: float) -> None:
    assert false_denial_bound(scored) == pytest.approx(bound, abs=5e-5)


def test_ready_needs_the_minimum() -> None:
    book = Book()
    book.count(Score.CORRECT_PERMIT, 9)
    book.count(Score.NOT_COMPARABLE, 50)
    book.count(Score.UNFORESEEN, 50)
    assert verdicts(book) == {"list": ("not_ready", ["too_few_calls"])}
    book.count(Score.MISSED_DENIAL)
    assert verdicts(book) == {"list": ("ready", [])}


def test_one_false_denial_is_enough_for_not_ready() -> None:
    book = Book()
    book.count(Score.CORRECT_PERMIT, 1000)
    book.count(Score.FALSE_DENIAL)
    assert verdicts(book) == {"list": ("not_ready", ["false_denial", "back_in_shadow"])}
    (shadowed,) = report(book)["back_in_shadow"]
    assert (shadowed["operation"], shadowed["decision_id"], shadowed["evidence"]) == ("list", f"ID-{START:.0f}", "token_response")


def test_another_clients_false_denial_makes_every_client_not_ready() -> None:
    book = Book()
    book.count(Score.CORRECT_PERMIT, 20)
    book.count(Score.FALSE_DENIAL, client="other")
    by_client = {(row["client"], row["operation"]): row["why"] for row in report(book)["operations"]}
    assert by_client["app", "list"] == ["back_in_shadow"]


def test_a_vendor_is_ready_when_every_operation_with_traffic_is() -> None:
    book = Book()
    book.count(Score.CORRECT_PERMIT, 10)
    book.count(Score.CORRECT_DENIAL, 6, "make")
    book.count(Score.CORRECT_DENIAL, 4, "make", "other")
    (vendor,) = report(book)["vendors"]
    assert (vendor["verdict"], vendor["operations_with_traffic"], vendor["scored"]) == ("ready", 2, 20)
    assert report(book)["verdict"] == "ready"
    clients = {row["client"]: (row["verdict"], row["not_ready"]) for row in report(book)["clients"]}
    assert clients == {
        "app": ("not_ready", [{"operation": "make", "why": ["too_few_calls"]}]),
        "other": ("not_ready", [{"operation": "make", "why": ["too_few_calls"]}]),
    }
    book.count(Score.CORRECT_PERMIT, 1, "wipe")
    (vendor,) = report(book)["vendors"]
    assert (vendor["verdict"], vendor["why"]) == ("not_ready", ["operations_not_ready"])
    assert vendor["not_ready"] == [{"operation": "wipe", "why": ["too_few_calls"]}]


def test_nothing_observed_is_not_ready() -> None:
    told = report(Book())
    assert (told["verdict"], told["vendors"], told["observed"]) == ("not_ready", [], {"since": None, "until": None})


def test_an_operation_in_shadow_without_scores_keeps_its_vendor_from_being_ready() -> None:
    book = Book(max_rows=0)
    book.count(Score.FALSE_DENIAL)
    (vendor,) = report(book)["vendors"]
    assert vendor["not_ready"] == [{"operation": "list", "why": ["back_in_shadow", "too_few_calls"]}]


def test_the_numbers_say_what_they_are_worth() -> None:
    book = Book()
    book.count(Score.CORRECT_PERMIT, 100)
    book.count(Score.NOT_COMPARABLE, 3)
    (row,) = report(book)["operations"]
    assert (row["false_denials_below"], row["causes"], row["not_comparable"]) == (0.0295, {"rate_limit": 3}, 3)
    book.count(Score.FALSE_DENIAL)
    (row,) = report(book)["operations"]
    assert row["false_denials_below"] is None


def test_the_report_can_be_narrowed() -> None:
    book = Book()
    book.count(Score.CORRECT_PERMIT, 10)
    book.count(Score.FALSE_DENIAL, 1, "make", "other")
    assert [row["operation"] for row in report(book, Wanted(client="app"))["operations"]] == ["list"]
    assert report(book, Wanted(vendor="w"))["back_in_shadow"] == []
