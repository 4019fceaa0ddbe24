"""Readiness over a generated month whose answer is known: one operation is ready, one had a false denial, one too few calls."""

from __future__ import annotations

import random

from proxy.analysis.readiness import Wanted, Window, readiness_report
from proxy.evidence.scoring import Score
from proxy.telemetry.exchange import Exchange
from tests.fakes.scored import DAY, START, Book

MINIMUM = 30
END = START + 30 * DAY


def month(book: Book) -> list[Exchange]:
    """30 days of three apps, shuffled as traffic is; what cannot be compared is in between."""
    dice = random.Random(11)
    made: list[Exchange] = []

    def calls(score: Score, operation: str, client: str, per_day: int) -> None:
        made.extend(
            book.exchange(score, operation, client, START + day * DAY + dice.random() * DAY) for day in range(30) for _ in range(per_day)
        )

    calls(Score.CORRECT_PERMIT, "list", "archiver", 40)
    calls(Score.CORRECT_DENIAL, "list", "wallboard", 3)
    calls(Score.NOT_COMPARABLE, "list", "wallboard", 2)
    calls(Score.MISSED_DENIAL, "list", "wallboard", 1)
    calls(Score.CORRECT_DENIAL, "make", "archiver", 10)
    calls(Score.NOT_SCORED, "make", "archiver", 5)
    made.append(book.exchange(Score.FALSE_DENIAL, "make", "archiver", START + 17 * DAY))
    made.extend(book.exchange(Score.CORRECT_PERMIT, "wipe", "nightly", START + day * DAY) for day in range(MINIMUM - 1))
    dice.shuffle(made)
    return made


def test_the_known_answer_is_found() -> None:
    book = Book()
    for exchange in month(book):
        book.scores.record(exchange)
    report = readiness_report(book.scores.rows(END), book.scores.demotions(), Window(END, MINIMUM, book.scores.unrecorded), Wanted())
    operations = report["operations"]
    assert isinstance(operations, list)
    found = {(row["client"], row["operation"]): row for row in operations}
    assert {key: row["verdict"] for key, row in found.items()} == {
        ("archiver", "list"): "ready",
        ("wallboard", "list"): "ready",
        ("archiver", "make"): "not_ready",
        ("nightly", "wipe"): "not_ready",
    }
    counted = {
        key: {score: row[score] for score in ("correct_permit", "correct_denial", "false_denial", "missed_denial")}
        for key, row in found.items()
    }
    assert list(counted["archiver", "list"].values()) == [1200, 0, 0, 0]
    assert list(counted["wallboard", "list"].values()) == [0, 90, 0, 30]
    assert list(counted["archiver", "make"].values()) == [0, 300, 1, 0]
    assert list(counted["nightly", "wipe"].values()) == [MINIMUM - 1, 0, 0, 0]
    assert found["wallboard", "list"]["not_comparable"] == 60
    assert set(found["archiver", "make"]["why"]) == {"false_denial", "back_in_shadow"}
    assert found["nightly", "wipe"]["why"] == ["too_few_calls"]
    assert report["verdict"] == "not_ready"
    shadowed = report["back_in_shadow"]
    assert isinstance(shadowed, list)
    assert [each["operation"] for each in shadowed] == ["make"]
    assert [each.operation for each in book.told] == ["make"]


def test_one_more_call_and_a_corrected_row_make_everything_ready() -> None:
    book = Book()
    for exchange in month(book):
        if exchange.operation != "make":
            book.scores.record(exchange)
    book.count(Score.CORRECT_PERMIT, 1, "wipe", "nightly", END - 1)
    report = readiness_report(book.scores.rows(END), book.scores.demotions(), Window(END, MINIMUM, book.scores.unrecorded), Wanted())
    assert report["verdict"] == "ready"
