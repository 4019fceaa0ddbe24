"""What a ledger of evidence (usage, readiness) and whoever keeps it say to each other. Pure: a ledger knows nothing of a disk.

A ledger keeps rows in memory and counts in them. Each row it wants kept it `put`s into its `Sink`: when the row is new, then at
most once per `SAVE_EVERY_S` while it changes, and at the end. Evidence, unlike knowledge, decides nothing: it does not depend on
catalogues, is not forgotten with a token, and its age is told by the wall clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

SAVE_EVERY_S: Final = 60.0
"""Seconds between two writings of a row that keeps changing: what a crash may lose of its counts. New rows are written at once."""


class Sink(Protocol):
    """Where rows are kept. Calls come on the event loop and return at once; `encode` is called later, on another thread.

    `key` says which row of `vendor` it is; only a keyed hash of it is stored in the open. `ends` is a wall time in seconds since
    the epoch, after which the row may be taken away.
    """

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:
        """Keep a row as it is when `encode` is called, in place of what was kept under this key."""

    def gone(self, vendor: str, key: str) -> None:
        """Keep this row no longer."""


class _Nowhere:
    """Keeps nothing."""

    def put(self, vendor: str, key: str, encode: Callable[[], bytes], ends: float) -> None:
        pass

    def gone(self, vendor: str, key: str) -> None:
        pass


NOWHERE: Final[Sink] = _Nowhere()


class Ledger(Protocol):
    """A ledger whose rows outlive the process. `kind` names its rows in the store (`proxy/stores/pending.py`, `OF_EVIDENCE`)."""

    sink: Sink

    @property
    def kind(self) -> str:
        """Return the kind of its rows."""

    def decode(self, data: bytes) -> Any:
        """Return a row that `encode` wrote; raise `ValueError`, `TypeError` or `KeyError` where it cannot. Called on another thread."""

    def restore(self, rows: Iterable[Any]) -> None:
        """Take over decoded rows of earlier runs, of all vendors, the most recently written last. Called once, before any traffic."""

    def save(self) -> None:
        """Put every row that changed since it was last put. Called once, at the end."""
