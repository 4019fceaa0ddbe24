"""The last exchanges, for people who ask the admin API what just happened."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import islice
from typing import Final

from proxy.telemetry.exchange import Exchange, Repetition

RECENT_EXCHANGES: Final = 1000


@dataclass(frozen=True, slots=True)
class Filter:
    """What an exchange must be to be listed; an empty string matches everything. Names as in `Exchange`."""

    vendor: str = ""
    client: str = ""
    operation: str = ""
    decision: str = ""
    outcome: str = ""
    reason: str = ""

    def wanted(self) -> Mapping[int, str]:
        """Return the value wanted at each position of an `Exchange`."""
        values = {field.name: str(getattr(self, field.name)) for field in fields(self)}
        return {Exchange._fields.index(name): value for name, value in values.items() if value}


EVERYTHING: Final = Filter()


class Recent:
    """A ring of the last `size` exchanges. Recording costs one append; looking up walks the ring."""

    def __init__(self, size: int = RECENT_EXCHANGES) -> None:
        self._ring: deque[Exchange | Repetition] = deque(maxlen=size)

    def __len__(self) -> int:
        return len(self._ring)

    def record(self, exchange: Exchange) -> None:
        """Remember one exchange; the oldest one goes."""
        self._ring.append(exchange)

    def repeat(self, repetition: Repetition) -> None:
        """Remember one more exchange like an earlier one; it is written out when somebody asks."""
        self._ring.append(repetition)

    def get(self, decision_id: str) -> Exchange | None:
        """Return the exchange with this decision id, or None where it is unknown or too long ago."""
        return next((_whole(item) for item in reversed(self._ring) if item.decision_id == decision_id), None)

    def find(self, wanted: Filter = EVERYTHING, limit: int = 100) -> tuple[Exchange, ...]:
        """Return at most `limit` exchanges that match, the newest first."""
        return tuple(islice(self._matching(wanted.wanted()), limit))

    def _matching(self, wanted: Mapping[int, str]) -> Iterator[Exchange]:
        for item in reversed(self._ring):
            like = item.like if isinstance(item, Repetition) else item
            if all(like[position] == value for position, value in wanted.items()):
                yield _whole(item)


def _whole(item: Exchange | Repetition) -> Exchange:
    return item.exchange() if isinstance(item, Repetition) else item
