"""The way to one vendor: how many requests may be in flight, who waits, and the pools of its origins."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from proxy import errors
from proxy.telemetry.labels import Reading, Together, Values
from proxy.vendors.rate_budget import RateBudget
from proxy.wire.limits import Limits, Timeouts

if TYPE_CHECKING:
    from proxy.wire.pool import Pool
    from proxy.wire.turn import Turn

_LOOK_EVERY_S: Final = 0.5
_LOOK_AT_MOST: Final = 16


class Channel:
    """One vendor's bulkhead: a vendor that hangs fills only its own channel."""

    def __init__(self, pools: Mapping[str, Pool], limits: Limits, timeouts: Timeouts, budget: RateBudget | None = None) -> None:
        self.pools = pools
        self.budget = budget
        self._looked_at = 0.0
        self.limits = limits
        self.timeouts = timeouts
        self.in_flight = 0
        self._waiting: deque[tuple[float, Turn]] = deque()

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way or waits."""
        return not self.in_flight and not self._waiting

    def enter(self, turn: Turn) -> None:
        """Admit `turn`, let it wait, or fail it at once where even the queue is full."""
        if self.in_flight < self.limits.max_in_flight:
            self.in_flight += 1
            turn.admitted()
        elif len(self._waiting) < self.limits.max_queued:
            self._waiting.append((asyncio.get_running_loop().time() + self.limits.queue_wait_s, turn))
        else:
            turn.fail(errors.BUSY)

    def leave(self) -> None:
        """Give a place back, to the one who has waited longest."""
        self.in_flight -= 1
        while self._waiting and self.in_flight < self.limits.max_in_flight:
            _, turn = self._waiting.popleft()
            self.in_flight += 1
            turn.admitted()
            turn.connection.flush()

    def withdraw(self, turn: Turn) -> None:
        """Leave the queue: the client is gone."""
        self._waiting = deque(item for item in self._waiting if item[1] is not turn)

    def sweep(self, now: float) -> None:
        """Fail those who have waited too long, and close connections that have idled too long."""
        while self._waiting and self._waiting[0][0] <= now:
            _, turn = self._waiting.popleft()
            turn.fail(errors.BUSY)
            turn.connection.flush()
        if self.budget is not None and now - self._looked_at >= _LOOK_EVERY_S:
            self._look_at_budget(self.budget, now)
        for pool in self.pools.values():
            pool.sweep(now)

    def _look_at_budget(self, budget: RateBudget, now: float) -> None:
        """Read what the newest answers say is left: a sample, after the fact, so that no request pays for it."""
        for pool in self.pools.values():
            for block in pool.answers_since(self._looked_at, _LOOK_AT_MOST):
                budget.heard(block, now)
        self._looked_at = now


def circuit_readings(channels: Callable[[], Mapping[str, Channel]]) -> tuple[Reading, ...]:
    """Return what is told about the circuits of every vendor's origins on the metrics page."""

    def of_each(attribute: str) -> Values:
        pools = ((name, origin, pool) for name, channel in channels().items() for origin, pool in channel.pools.items())
        return {(name, origin): getattr(pool.breaker, attribute) for name, origin, pool in pools}

    state, opened = "State of a circuit: 0 closed, 1 half open, 2 open.", "How often a circuit opened."
    labels = ("vendor", "origin")
    return (
        Reading("scopegate_circuit_state", state, lambda: of_each("state"), labels, together=Together.MAX),
        Reading("scopegate_circuit_opened_total", opened, lambda: of_each("opened_count"), labels, counter=True),
    )


def budget_readings(channels: Callable[[], Mapping[str, Channel]], now: Callable[[], float]) -> tuple[Reading, ...]:
    """Return what is told about the rate limits of the vendors that tell what is left of them."""

    def of_each(attribute: str) -> Values:
        budgets = ((name, channel.budget) for name, channel in channels().items() if channel.budget is not None)
        return {(name, group): getattr(left, attribute) for name, budget in budgets for group, left in budget.least(now()).items()}

    labels = ("vendor", "group")
    remaining = "The least that a sample of the vendor's answers of the last minute or two said is left of a rate limit."
    limit = "The rate limit of which that is left."
    return (
        Reading("scopegate_vendor_rate_limit_remaining", remaining, lambda: of_each("remaining"), labels, together=Together.MIN),
        Reading("scopegate_vendor_rate_limit_limit", limit, lambda: of_each("limit"), labels, together=Together.MAX),
    )
