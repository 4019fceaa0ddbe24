"""The report on readiness as people and spreadsheets get it."""

from __future__ import annotations

import csv
import io

from proxy.analysis.readiness import Window, readiness_report
from proxy.evidence.scoring import Score
from proxy.reports.catalogue import READINESS
from tests.fakes.scored import START, Book


def written(book: Book, kind: str = "text") -> str:
    return READINESS.writers[kind](readiness_report(book.scores.rows(START), book.scores.demotions(), Window(START, 2)))


def mixed() -> Book:
    book = Book()
    book.count(Score.CORRECT_PERMIT, 2)
    book.count(Score.MISSED_DENIAL, 1)
    book.count(Score.NOT_COMPARABLE, 3, "make")
    book.count(Score.FALSE_DENIAL, 1, "wipe", "other")
    return book


def test_the_verdict_comes_first_and_says_why() -> None:
    lines = written(mixed()).splitlines()
    assert "v: NOT READY" in lines
    assert "verdict            NOT READY (operations are not ready)" in lines
    assert "operations         1 of 3 with traffic are ready" in lines
    assert "not comparable     3 (3 rate limit)" in lines
    assert "false denials are  proven" in lines
    assert "  - make: too few scored calls" in lines
    assert "  - wipe: a false denial, back in shadow, too few scored calls" in lines


def test_what_is_ready_says_what_that_is_worth_and_nothing_of_shadow() -> None:
    book = Book()
    book.count(Score.CORRECT_PERMIT, 100)
    text = written(book)
    assert "false denials are  below 2.95% of such calls, with 95 % confidence" in text
    assert "shadow" not in text
    assert "What to do" not in text


def test_a_line_for_each_operation_and_client() -> None:
    found = {(row["client"], row["operation"]): row for row in csv.DictReader(io.StringIO(written(mixed(), "csv")))}
    assert set(found) == {("app", "list"), ("app", "make"), ("other", "wipe")}
    assert found["other", "wipe"]["why"] == "false_denial back_in_shadow too_few_calls"
    assert found["app", "make"]["causes"] == "rate_limit=3"
    assert found["app", "list"]["scored"] == "3"


def test_every_form_names_every_operation() -> None:
    for kind in READINESS.writers:
        assert all(name in written(mixed(), kind) for name in ("list", "make", "wipe")), kind


def test_nothing_scored_is_said_plainly() -> None:
    assert "Nothing was scored that fits the question: NOT READY." in written(Book())
