"""Long loops in a thread that leave the event loop its turn.

A busy thread gives up the interpreter lock only after 5 ms, so each step of the event loop would wait that long while a
large page is rendered. Sleeping for an instant now and then hands the lock over at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

_T = TypeVar("_T")
_ITEMS_PER_BREATH: Final = 200
_BREATH_S: Final = 0.00005


def in_breaths(items: Iterable[_T]) -> Iterator[_T]:
    """Yield `items`, letting other threads run after every two hundred. For threads only: it sleeps."""
    for position, item in enumerate(items):
        if position % _ITEMS_PER_BREATH == 0:
            time.sleep(_BREATH_S)
        yield item
