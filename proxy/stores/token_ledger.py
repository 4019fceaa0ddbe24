"""What one replica has told the shared store about each token, and has still to tell. Pure.

Each item in the store has a version, made by the store, that only grows. A slot remembers the newest version seen here: a change is
made on top of that version or not at all, so a change that another replica made at the same time is merged, never lost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.credentials import Fingerprint
from proxy.grants import NEVER


@dataclass(slots=True)
class Slot:
    """One token. `ends` is a moment of the steady clock.

    `burying`: that it was given up must be told before anything else. `buried`: nothing is known of it here. `shared`: other
    replicas have it too, so they may have seen its end.
    """

    ends: float = NEVER
    version: int = 0
    burying: bool = False
    buried: bool = False
    whole_chain: bool = False
    shared: bool = False


class TokenLedger:
    """The slots of one vendor and the queue of those with something to tell.

    At most `limit` buried tokens are remembered: beyond it `overflowed` is set, because some end could be forgotten.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.slots: dict[Fingerprint, Slot] = {}
        self._queue: OrderedDict[Fingerprint, None] = OrderedDict()
        self._buried: OrderedDict[Fingerprint, None] = OrderedDict()
        self.overflowed = False

    def __len__(self) -> int:
        return len(self._queue)

    def keep(self, fingerprint: Fingerprint, ends: float) -> None:
        """Note that something is known about a token here, which others do not know yet."""
        slot = self.slots.setdefault(fingerprint, Slot())
        slot.ends, slot.buried = ends, False
        self._buried.pop(fingerprint, None)
        self.queue(fingerprint)

    def bury(self, fingerprint: Fingerprint, ends: float, *, whole_chain: bool) -> None:
        """Note that a token was given up here, and that no copy that ends by `ends` may come back."""
        slot = self.slots.setdefault(fingerprint, Slot())
        slot.burying, slot.whole_chain = True, slot.whole_chain or whole_chain
        self._lay_to_rest(fingerprint, slot, ends)
        self.queue(fingerprint)

    def was_buried(self, fingerprint: Fingerprint, version: int, ends: float) -> None:
        """Note that another replica gave a token up."""
        slot = self.slots.setdefault(fingerprint, Slot())
        slot.version, slot.burying, slot.shared = version, False, True
        self._lay_to_rest(fingerprint, slot, ends)
        self._queue.pop(fingerprint, None)

    def _lay_to_rest(self, fingerprint: Fingerprint, slot: Slot, ends: float) -> None:
        slot.buried, slot.ends = True, ends
        self._buried[fingerprint] = None
        self._buried.move_to_end(fingerprint)
        if len(self._buried) > self._limit:
            oldest, _ = self._buried.popitem(last=False)
            self.overflowed = self.overflowed or self.slots[oldest].burying
            self.drop(oldest)

    def took(self, fingerprint: Fingerprint, version: int, ends: float) -> None:
        """Note that what is known here is what the store has in this version."""
        slot = self.slots.setdefault(fingerprint, Slot())
        slot.version, slot.ends, slot.shared, slot.buried = version, ends, True, False
        self._buried.pop(fingerprint, None)

    def drop(self, fingerprint: Fingerprint) -> None:
        """Forget about a token without telling anybody: it ended by itself, or went for want of room."""
        for table in (self.slots, self._queue, self._buried):
            table.pop(fingerprint, None)

    def clear(self) -> None:
        """Forget about every token but those that were given up: a login of one of them may still be on its way."""
        for fingerprint in [name for name, slot in self.slots.items() if not slot.buried]:
            self.drop(fingerprint)
        self.bury_again()

    def bury_again(self) -> None:
        """Tell of every token that was given up once more: what was told of them before a clearing counts no more."""
        for fingerprint in self._buried:
            self.slots[fingerprint].burying = True
            self.queue(fingerprint)

    def is_queued(self, fingerprint: Fingerprint) -> bool:
        """Say whether there is something to tell about a token."""
        return fingerprint in self._queue

    def queue(self, fingerprint: Fingerprint) -> None:
        """Note that there is something to tell about a token."""
        self._queue[fingerprint] = None

    def take(self, count: int) -> list[Fingerprint]:
        """Take up to `count` tokens out of the queue, the longest waiting first."""
        return [self._queue.popitem(last=False)[0] for _ in range(min(count, len(self._queue)))]

    def shared(self) -> Iterator[Fingerprint]:
        """Yield a snapshot of the tokens that are known here and to others."""
        yield from [fingerprint for fingerprint, slot in self.slots.items() if slot.shared and not slot.buried]

    def forget_ended(self, now: float) -> None:
        """Forget buried tokens of which no copy can be left; the queue's are kept."""
        for fingerprint in [name for name in self._buried if self.slots[name].ends <= now and name not in self._queue]:
            self.drop(fingerprint)
