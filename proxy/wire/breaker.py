"""The circuit breaker of one origin of a vendor: while nothing works there, requests are answered at once. Pure.

    closed ── `failures` failures and no success ──> open ── after `open_s` ──> half open ── probe heard ──> closed
                                                       ^                            └─ probe failed ──> open

Only what is certain counts. A dial that fails says that the origin is down, whoever asked. An answer that does not come may be
the fault of one request, so such failures open the circuit only if at least two callers met them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from math import ceil
from typing import Final

PROBE_S: Final = 30.0
"""How long a probe that proves nothing keeps others back: a long upload must not do so for hours."""
_CALLERS: Final = 2
"""How many callers must have waited for answers in vain before the circuit opens."""


class State(IntEnum):
    """What is done with requests: all are sent, one at a time is, none is. The numbers are those of the metric."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """`failures` in a row open the circuit (0: never), `open_s` seconds later one request may try. `server_errors`: 5xx counts."""

    failures: int = 10
    open_s: float = 5.0
    server_errors: bool = False


class Breaker:
    """Counts failures without a success between them. `now` returns seconds on a clock that never jumps.

    While `troubled` is False there is nothing to ask and nothing to tell but failures: that is the way of nearly every request.
    """

    def __init__(self, rules: BreakerRules, now: Callable[[], float]) -> None:
        self.server_errors = rules.server_errors
        self.troubled = False
        self.opened_count = 0
        self.rules = rules
        self._now = now
        self._well_since = float("-inf")
        self._opened_at = 0.0
        self._is_open = False
        self._probe: object | None = None
        self._probe_until = 0.0
        self._dials = self._answers = 0
        self._callers: set[Hashable] = set()

    @property
    def state(self) -> State:
        """What is done with requests now."""
        if not self._is_open:
            return State.CLOSED
        return State.OPEN if self._now() - self._opened_at < self.rules.open_s else State.HALF_OPEN

    def admit(self, ticket: object) -> int:
        """Return 0 if the request that holds `ticket` may be sent (perhaps as the probe), else after how many seconds to try again."""
        if not self._is_open:
            return 0
        now = self._now()
        left = self._opened_at + self.rules.open_s - now
        if left > 0:
            return ceil(left)
        if self._probe is not None and now < self._probe_until:
            return 1
        self._probe, self._probe_until = ticket, now + PROBE_S
        return 0

    def ended(self, ticket: object) -> None:
        """The request is over. If it was the probe and proved nothing, the next one probes."""
        if self._probe is ticket:
            self._probe = None

    # --- what was learned

    def heard(self) -> None:
        """The origin has answered a request: all is well."""
        self._is_open = self.troubled = False
        self._dials = self._answers = 0
        self._callers.clear()
        self._probe = None
        self._well_since = self._now()

    def dialled(self) -> None:
        """The origin has taken a connection: all is well, if that was the only trouble."""
        if not self._answers:
            self.heard()

    def dial_failed(self, ticket: object, begun: float) -> None:
        """A connection could not be made for the request that holds `ticket` and came at `begun`."""
        if self._counts(ticket, begun):
            self._dials += 1
            self._judge()

    def answer_failed(self, ticket: object, caller: Hashable, begun: float) -> None:
        """The request of `caller` that holds `ticket` and came at `begun` got no answer that could be understood."""
        if self._counts(ticket, begun):
            self._answers += 1
            if len(self._callers) < _CALLERS:
                self._callers.add(caller)
            self._judge()

    def _counts(self, ticket: object, begun: float) -> bool:
        """What began before the last success tells of the past; once the circuit is open, only the probe counts."""
        if self._is_open:
            return self._probe is ticket
        return self.rules.failures > 0 and begun >= self._well_since

    def _judge(self) -> None:
        self.troubled = True
        if self._is_open or self._certain() >= self.rules.failures:
            self._open()

    def _certain(self) -> int:
        """How many failures speak of the origin and not of one caller."""
        return self._dials + (self._answers if len(self._callers) >= _CALLERS else 0)

    def _open(self) -> None:
        self._is_open = True
        self._opened_at = self._now()
        self._probe = None
        self.opened_count += 1
