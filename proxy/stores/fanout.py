"""One observer that tells several. Whoever makes a change it has itself been told of leaves itself out, so that nothing echoes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from proxy.credentials import Fingerprint
from proxy.grants import GrantStore, Knowledge, Observer
from proxy.knowledge.memory import MemoryObserver, UserRecord, VendorMemory
from proxy.model import RefusalTemplate


class KnowledgeObserver(Observer, MemoryObserver, Protocol):
    """Hears of every change of one vendor's store and memory."""


class Fanout:
    """Tells every observer, in the order in which they were added. Belongs to the event loop."""

    def __init__(self) -> None:
        self._observers: tuple[KnowledgeObserver, ...] = ()

    def add(self, observer: KnowledgeObserver) -> None:
        """Tell `observer` of every change from now on."""
        self._observers = (*self._observers, observer)

    def remove(self, observer: KnowledgeObserver) -> None:
        """Tell `observer` nothing more."""
        self._observers = tuple(other for other in self._observers if other is not observer)

    @contextmanager
    def without(self, observer: KnowledgeObserver) -> Iterator[None]:
        """Leave `observer` out while a change is made here that came from it. Nothing may be awaited within."""
        everybody = self._observers
        self._observers = tuple(other for other in everybody if other is not observer)
        try:
            yield
        finally:
            self._observers = everybody

    def _tell(self, call: Callable[[KnowledgeObserver], None]) -> None:
        for observer in self._observers:
            call(observer)

    # --- tokens

    def kept(self, fingerprint: Fingerprint, knowledge: Knowledge) -> None:
        """Tell that this is now known about a token."""
        self._tell(lambda observer: observer.kept(fingerprint, knowledge))

    def tied(self, fingerprint: Fingerprint, chain: str) -> None:
        """Tell that a token belongs to a chain."""
        self._tell(lambda observer: observer.tied(fingerprint, chain))

    def untied(self, fingerprint: Fingerprint) -> None:
        """Tell that it belongs to none any more."""
        self._tell(lambda observer: observer.untied(fingerprint))

    def gone(self, fingerprint: Fingerprint) -> None:
        """Tell that nothing is known about a token any more."""
        self._tell(lambda observer: observer.gone(fingerprint))

    def cleared(self) -> None:
        """Tell that nothing is known about any token any more."""
        self._tell(lambda observer: observer.cleared())

    # --- the vendor

    def shape_kept(self, variant: str, template: RefusalTemplate) -> None:
        """Tell the newest shape of a refusal."""
        self._tell(lambda observer: observer.shape_kept(variant, template))

    def user_kept(self, user_id: str, record: UserRecord) -> None:
        """Tell what is now known of a user."""
        self._tell(lambda observer: observer.user_kept(user_id, record))

    def user_gone(self, user_id: str) -> None:
        """Tell that nothing is known of a user any more."""
        self._tell(lambda observer: observer.user_gone(user_id))


def listen(grants: GrantStore, memory: VendorMemory, observer: KnowledgeObserver) -> None:
    """Let one more observer hear of every change of a vendor's store and memory."""
    fanout = grants.observer if isinstance(grants.observer, Fanout) else Fanout()
    fanout.add(observer)
    grants.observer = memory.observer = fanout
