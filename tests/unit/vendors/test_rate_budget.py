"""What answers say is left of a rate limit: read plainly, kept for a minute or two, by a closed list of groups."""

from __future__ import annotations

import pytest

from proxy.vendors.rate_budget import WINDOW_S, RateBudget
from proxy.vendors.ringcentral import RATE_FIELDS


def block(remaining: object = 5, limit: object = 10, group: object = "Heavy") -> bytes:
    fields = {
        "Content-Type": "application/json",
        "X-Rate-Limit-Group": group,
        "x-rate-limit-limit": limit,
        "X-Rate-Limit-Remaining": remaining,
    }
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()


def left(budget: RateBudget, now: float) -> dict[str, tuple[int, int]]:
    return {group: (found.remaining, found.limit) for group, found in budget.least(now).items()}


def test_the_least_is_told_by_group() -> None:
    budget = RateBudget(RATE_FIELDS)
    for remaining in (7, 3, 9):
        budget.heard(block(remaining), 1000.0)
    budget.heard(block(39, 40, "light"), 1001.0)
    assert left(budget, 1002.0) == {"heavy": (3, 10), "light": (39, 40)}


def test_of_different_limits_the_smaller_share_counts() -> None:
    budget = RateBudget(RATE_FIELDS)
    budget.heard(block(6, 40), 1000.0)
    budget.heard(block(5, 10), 1000.0)
    assert left(budget, 1000.0) == {"heavy": (6, 40)}


def test_a_low_number_is_told_for_a_minute_at_least_and_two_at_most() -> None:
    budget = RateBudget(RATE_FIELDS)
    budget.heard(block(9), 1000.0)
    budget.heard(block(0), 1000.0 + WINDOW_S - 1)
    budget.heard(block(8), 1000.0 + WINDOW_S)
    assert left(budget, 1000.0 + 2 * WINDOW_S - 1) == {"heavy": (0, 10)}
    assert left(budget, 1000.0 + 2 * WINDOW_S) == {"heavy": (8, 10)}
    assert left(budget, 1000.0 + 4 * WINDOW_S) == {}


def test_a_long_silence_forgets_at_once() -> None:
    budget = RateBudget(RATE_FIELDS)
    budget.heard(block(0), 1000.0)
    budget.heard(block(9), 1000.0 + 2 * WINDOW_S)
    assert left(budget, 1000.0 + 2 * WINDOW_S) == {"heavy": (9, 10)}


def test_groups_that_are_not_documented_are_one() -> None:
    budget = RateBudget(RATE_FIELDS)
    for group in ("surprise", "heavy2"):
        budget.heard(block(group=group), 1000.0)
    assert set(left(budget, 1000.0)) == {"other"}


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"Content-Length: 2\r\n",
        block(remaining=""),
        block(remaining="-1"),
        block(remaining="1.5"),
        block(remaining="9" * 12),
        block(limit="0"),
        block(limit="9" * 40),
        block(limit="ten"),
        block(group=""),
        block(group="a b"),
        block().replace(b"X-Rate-Limit-Remaining", b"Not-X-Rate-Limit-Remaining"),
    ],
)
def test_what_is_not_told_plainly_is_passed_over(answer: bytes) -> None:
    budget = RateBudget(RATE_FIELDS)
    budget.heard(answer, 1000.0)
    assert left(budget, 1000.0) == {}
