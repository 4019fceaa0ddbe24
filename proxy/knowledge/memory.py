"""What a vendor has shown that belongs to no single token: the shape of its refusals, and its users' access permissions.

Pure and bounded; the clock is passed in.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from proxy.model import RefusalTemplate
from proxy.vendors.facts import ShapeSeen, UserAccess

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


class MemoryObserver(Protocol):
    """Hears of every change of a vendor's memory, on the caller's thread: it may neither wait nor raise."""

    def shape_kept(self, variant: str, template: RefusalTemplate) -> None:
        """Hear of the newest shape of a variant."""

    def user_kept(self, user_id: str, record: UserRecord) -> None:
        """Hear what is now known of a user. The record goes on changing: copy what is kept of it."""

    def user_gone(self, user_id: str) -> None:
        """Hear that nothing more is known of a user."""


class _Nobody:
    """Watches nothing."""

    def shape_kept(self, variant: str, template: RefusalTemplate) -> None:
        pass

    def user_kept(self, user_id: str, record: UserRecord) -> None:
        pass

    def user_gone(self, user_id: str) -> None:
        pass


NOBODY: Final[MemoryObserver] = _Nobody()


class VendorMemory:
    """What one vendor has shown so far. `observer` hears of every change from the moment it is set."""

    def __init__(self, max_users: int = MAX_USERS, observer: MemoryObserver = NOBODY) -> None:
        self._max_users = max_users
        self._users: OrderedDict[str, UserRecord] = OrderedDict()
        self.observer = observer
        self.shapes: dict[str, RefusalTemplate] = {}

    def remember_shape(self, fact: ShapeSeen) -> None:
        """Keep the newest refusal shape of each variant; a vendor has few."""
        if self.shapes.get(fact.variant) != fact.template:
            self.shapes[fact.variant] = fact.template
            self.observer.shape_kept(fact.variant, fact.template)

    def restore_user(self, user_id: str, record: UserRecord) -> None:
        """Take over what an earlier run knew of a user."""
        self._keep_user(user_id, record)

    def remember_access(self, fact: UserAccess, observed_at: float) -> None:
        """Add one page; a first page, or another number of pages, begins the user's record anew."""
        record = self._users.get(fact.user_id)
        if record is None or fact.page == 1 or record.page_count != fact.page_count:
            record = UserRecord(observed_at, fact.page_count)
        if len(record.pages) < MAX_PAGES:
            record.pages[fact.page] = dict(fact.permissions)
        record.observed_at = observed_at
        self._keep_user(fact.user_id, record)

    def _keep_user(self, user_id: str, record: UserRecord) -> None:
        self._users[user_id] = record
        self._users.move_to_end(user_id)
        self.observer.user_kept(user_id, record)
        while len(self._users) > self._max_users:
            self.observer.user_gone(self._users.popitem(last=False)[0])

    def clear(self) -> None:
        """Forget everything; nobody hears of it."""
        self.shapes.clear()
        self._users.clear()

    def users(self) -> Iterator[tuple[str, UserRecord]]:
        """Yield a snapshot of the users seen, the longest unseen first."""
        yield from list(self._users.items())
