"""From the setting `state` to a store that keeps what is learned; without it knowledge lives in memory and ends with the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.admin.backend import Readiness
from proxy.composition.compose import Knowledge
from proxy.decision.gate import Clocks
from proxy.evidence.ledger import Ledger
from proxy.evidence.usage_rows import DAY_S
from proxy.reports.grouping import VendorFacts
from proxy.settings import DEFAULT_RETENTION_DAYS, Loaded, StateSettings
from proxy.stores.basis import knowledge_basis
from proxy.stores.fanout import listen
from proxy.stores.keys import KeyFile, KeyFileError, Keys
from proxy.stores.timeline import Anchor

if TYPE_CHECKING:
    from proxy.stores.embedded import EmbeddedStore
    from proxy.stores.loading import Expected

LOAD_PATIENCE_S: Final = 60.0
"""How long a start waits for what earlier runs knew; then the proxy goes on without it."""

log = logging.getLogger("scopegate")


def vendor_facts(loaded: Loaded) -> dict[str, VendorFacts]:
    """Return what reports must know of each vendor of a configuration."""
    return {
        name: VendorFacts(loaded.catalogs[name], loaded.catalogs[name].implied_by if vendor.implied_scopes == "presume" else {})
        for name, vendor in loaded.settings.vendors.items()
    }


def retention_s(loaded: Loaded) -> float:
    """Return for how many seconds usage is kept after it was last seen."""
    state = loaded.settings.state
    return DAY_S * float(DEFAULT_RETENTION_DAYS if state is None else state.usage_retention_days)


def make_store(loaded: Loaded, clocks: Clocks, ledgers: Iterable[Ledger] = ()) -> EmbeddedStore | None:
    """Return the store that a configuration asks for, not started; None where it asks for none. Raise `KeyFileError`."""
    state = loaded.settings.state
    if state is None:
        return None
    from proxy.stores.embedded import EmbeddedStore, StoreOptions  # noqa: PLC0415 - with it comes SQLite, for whoever keeps a store

    keys = Keys(state.key) if state.key is not None else KeyFile(_key_path(state))
    options = StoreOptions(state.path, state.max_bytes)
    decoders = {ledger.kind: ledger.decode for ledger in ledgers}
    return EmbeddedStore(options, keys, _expected(loaded), lambda: Anchor(clocks.now(), clocks.wall()), decoders)


def store_keys(state: StateSettings) -> Keys:
    """Return the keys of a store that exists. Raise `KeyFileError` where there are none."""
    if state.key is not None:
        return Keys(state.key)
    path = _key_path(state)
    if not path.exists():
        raise KeyFileError(f"there is no key file {path}")
    return KeyFile(path).keys


def _key_path(state: StateSettings) -> Path:
    return state.path.with_name(state.path.name + ".key")


def _expected(loaded: Loaded) -> dict[str, Expected]:
    from proxy.stores.loading import Expected  # noqa: PLC0415 - as above

    limit = loaded.settings.limits.max_known_tokens
    return {name: Expected(store_basis(loaded, name), limit) for name in loaded.settings.vendors}


def store_basis(loaded: Loaded, vendor: str) -> str:
    """Return what a vendor's rows in the store rest on."""
    settings = loaded.settings.vendors[vendor]
    return knowledge_basis(settings.kind, loaded.catalogs[vendor], settings.grants_as_mappings()) + _fingerprint_suffix(loaded)


def _fingerprint_suffix(loaded: Loaded) -> str:
    """Tokens are fingerprinted with the key of the shared store where it has its own: then rows of another key mean nothing."""
    shared = loaded.settings.shared_state
    return "" if shared is None or shared.key is None else f"/{Keys(shared.key).root}"


async def take_over(
    store: EmbeddedStore, knowledge: Knowledge, loaded: Loaded, ledgers: Iterable[Ledger] = (), patience_s: float = LOAD_PATIENCE_S
) -> None:
    """Fill memory and ledgers with what earlier runs knew; from then on the store hears of every change."""
    found = asyncio.wrap_future(store.start())
    await asyncio.wait([found], timeout=patience_s)
    if not found.done():
        log.error("the store did not answer within %g s; the proxy goes on without what it holds", patience_s)
        store.abandon()
    for name in loaded.settings.vendors:
        grants, memory = knowledge.of(name, loaded.settings.limits.max_known_tokens)
        if found.done() and name in found.result():
            found.result()[name].fill(grants, memory)
        listen(grants, memory, store.watcher(name))
    remembered = found.result().values() if found.done() else ()
    for ledger in ledgers:
        ledger.restore(row for each in remembered for row in reversed(each.evidence.get(ledger.kind, ())))
        ledger.sink = store.evidence(ledger.kind)


def store_readiness(store: EmbeddedStore) -> Readiness:
    """Return the state of the store: its trouble is none of the traffic's, so it is degraded, never unready."""
    if not store.trouble:
        return Readiness(True)
    return Readiness(True, f"knowledge stays in memory until the store works again: {store.trouble}", degraded=True)
