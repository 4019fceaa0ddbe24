"""What a request may cost, in calls and in objects that stay: noticed here, where timing would only waver.

Whoever makes the path shorter lowers the budget; whoever needs more raises it, and says in the commit what for.
"""

from __future__ import annotations

import gc
import itertools
import sys

import pytest

from bench.steps import Driver, calls_of, driver
from tests.fakes.waiting import eventually

WARM_UP = 2500
"""More than the ring of recent exchanges holds, and than waits to be sorted into histograms."""
COUNT = 400
BUDGETS = {("forwarded", 1): 190, ("forwarded", 1000): 198, ("denied", 1): 112, ("denied", 1000): 120}
"""Calls per request, of Python functions and built-in ones, by what becomes of it and among how many targets it is."""


def work(driven: Driver, what: str, count: int) -> None:
    (driven.forward if what == "forwarded" else driven.deny)(count)


counted = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="calls were counted on Python 3.11; others call differently")


@counted
@pytest.mark.parametrize(("what", "pages"), BUDGETS)
async def test_a_request_makes_no_more_calls_than_its_budget(what: str, pages: int) -> None:
    async with driver(pages) as driven:
        work(driven, what, WARM_UP)
        calls = calls_of(lambda count: work(driven, what, count), COUNT)
    budget = BUDGETS[what, pages]
    assert calls.total() / COUNT <= budget, calls.most_common(20)
    assert calls.total() / COUNT > budget * 0.95, "the path became shorter: lower the budget, so that it stays so"


@pytest.mark.parametrize("what", ["forwarded", "denied"])
async def test_nothing_of_a_request_stays_in_memory(what: str) -> None:
    async with driver(pages=7) as driven:
        work(driven, what, WARM_UP)
        held = [await blocks(driven)]
        for _ in range(3):
            work(driven, what, WARM_UP)
            held.append(await blocks(driven))
        grown = [after - before for before, after in itertools.pairwise(held)]
        assert min(grown) / WARM_UP < 0.1, grown  # what stays grows each time; other tests' leftovers do not


async def blocks(driven: Driver) -> int:
    """Return how much memory is held, in blocks, when the log is written: its lines wait for a thread."""

    async def log_is_written() -> bool:
        return driven.log.is_idle

    await eventually(log_is_written)
    gc.collect()
    return sys.getallocatedblocks()
