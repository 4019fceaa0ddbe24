"""What a vendor has shown that belongs to no single token: the shape of its refusals, and its users' access permissions.

Pure and bounded; the clock is passed in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from proxy.model import RefusalTemplate
from proxy.vendors.base import ShapeSeen, UserAccess

MAX_USERS: Final = 10_000
MAX_PAGES: Final = 1_000


@dataclass(slots=True)
class UserRecord:
    """A user's access permissions as far as they were seen: key to level, and which pages of how many."""

    observed_at: float
    page_count: int
    pages: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every page was seen."""
        return len(self.pages) == self.page_count

    def permissions(self) -> dict[str, str]:
        """Return key to level over all pages seen."""
        return {key: level for page in sorted(self.pages) for key, level in self.pages[page].items()}


class VendorMemory:
    """What one vendor has shown so far."""

    def __init__(self, max_users: int = MAX_USERS) -> None:
        self._max_users = max_users
        self._users: OrderedDict[str, UserRecord] = OrderedDict()
        self.shapes: dict[str, RefusalTemplate] = {}

    def remember_shape(self, fact: ShapeSeen) -> None:
        """Keep the newest refusal shape of each variant; a vendor has few."""
        self.shapes[fact.variant] = fact.template

    def remember_access(self, fact: UserAccess, observed_at: float) -> None:
        """Add one page; a first page, or another number of pages, begins the user's record anew."""
        record = self._users.get(fact.user_id)
        if record is None or fact.page == 1 or record.page_count != fact.page_count:
            record = UserRecord(observed_at, fact.page_count)
            self._users[fact.user_id] = record
        if len(record.pages) < MAX_PAGES:
            record.pages[fact.page] = dict(fact.permissions)
        record.observed_at = observed_at
        self._users.move_to_end(fact.user_id)
        while len(self._users) > self._max_users:
            self._users.popitem(last=False)

    def users(self) -> Iterator[tuple[str, UserRecord]]:
        """Yield a snapshot of the users seen, the longest unseen first."""
        yield from list(self._users.items())
