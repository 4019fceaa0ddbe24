"""This replica among the others: by what name it writes, what it shares, and what it has counted."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from proxy.stores.redis_wire import StoreError
from proxy.stores.scripts import VERSION_DIGITS, WRITER_BYTES
from proxy.stores.shared_memory import Received
from proxy.stores.shared_names import channel_of
from proxy.stores.shared_vendor import SharedVendor


class Replica:
    """What the parts of the link have in common. `root` is that of the keys by which everything in the store is named."""

    def __init__(self, root: str) -> None:
        self.channel = channel_of(root)
        self.writer = secrets.token_hex(WRITER_BYTES // 2).encode()
        self.vendors: list[SharedVendor] = []
        self.counts: Counter[str] = Counter()
        self.turn: Callable[[], AbstractContextManager[None]] = nullcontext
        """Within it memory is changed; where several processes share one memory, they take turns. Nothing is awaited within."""

    def owner_of(self, key: bytes) -> SharedVendor | None:
        """Return the vendor that a key belongs to; None where this replica does not have that vendor, or that catalogue."""
        return next((vendor for vendor in self.vendors if key.startswith(vendor.names.prefix)), None)


def read_item(key: bytes, value: bytes) -> Received:
    """Read what stands under a key. Raise `StoreError` where it is nothing of ours."""
    try:
        return Received(key, int(value[:VERSION_DIGITS]), value[VERSION_DIGITS:])
    except ValueError:
        raise StoreError("something else writes under the names of this store") from None
