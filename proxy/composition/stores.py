"""Where knowledge lasts, together: a store that outlives this process, and one that replicas share. Either may be missing."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from proxy.composition.carrying import Carried, carry_over
from proxy.composition.compose import Knowledge
from proxy.composition.joining import join, make_link
from proxy.composition.keeping import LOAD_PATIENCE_S, make_store, take_over
from proxy.composition.ledgers import Ledgers
from proxy.credentials import Secret
from proxy.decision.gate import Clocks
from proxy.settings import Loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.stores.embedded import EmbeddedStore
    from proxy.stores.shared import SharedStore


class Stores:
    """The stores of one proxy: none until `open`, and none at all where the configuration asks for none."""

    def __init__(self) -> None:
        self.kept: EmbeddedStore | None = None
        self.shared: SharedStore | None = None

    async def open(
        self, loaded: Loaded, clocks: Clocks, knowledge: Knowledge, ledgers: Ledgers, on_bug: Callable[[BaseException], None]
    ) -> None:
        """Fill memory with what was known, and have every change heard. Raise `KeyFileError` or `NotInstalledError`."""
        self.kept = make_store(loaded, clocks, ledgers.all)
        self.shared = make_link(loaded, clocks, on_bug)
        if self.kept is not None:
            await take_over(self.kept, knowledge, loaded, ledgers.all)
        if self.shared is not None:
            join(self.shared, knowledge, loaded)

    def fingerprint_key(self) -> Secret:
        """Return the key that fingerprints tokens: the stores' own, or a new one where nothing is kept by it."""
        owner = self.shared or self.kept
        return owner.keys.fingerprint_key if owner is not None else Secret(secrets.token_bytes(32))

    def carry_over(self, knowledge: Knowledge, old: Loaded, new: Loaded) -> Carried:
        """Make `knowledge`, and what is kept and shared of it, that of the configuration `new`."""
        return carry_over(knowledge, old, new, self.kept, self.shared)

    async def compared(self) -> None:
        """Wait until what other replicas know is known here too, or it is clear that it cannot be had now."""
        if self.shared is not None:
            await self.shared.compared(LOAD_PATIENCE_S)

    async def close(self, ledgers: Ledgers) -> None:
        """Keep and tell what is still to be kept and told."""
        if self.shared is not None:
            await self.shared.close()
        if self.kept is not None:
            ledgers.save()
            self.kept.close()
