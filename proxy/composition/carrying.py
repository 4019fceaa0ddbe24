"""What becomes of knowledge when the configuration changes while the proxy runs.

What a vendor granted to a token is so whatever the catalogue says, and stays. What was learned from single answers rests on the
catalogue that explained them: where that changes it ends, as it does when a start finds knowledge of another configuration. Where a
vendor becomes another one (its kind, or its address), everything ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from proxy.composition.compose import Knowledge
from proxy.composition.keeping import store_basis
from proxy.grants import NOBODY, GrantStore
from proxy.knowledge.memory import NOBODY as NOBODY_OF_MEMORY
from proxy.knowledge.memory import VendorMemory
from proxy.settings import Loaded
from proxy.stores.basis import knowledge_basis
from proxy.stores.fanout import listen

if TYPE_CHECKING:
    from proxy.stores.embedded import EmbeddedStore
    from proxy.stores.shared import SharedStore
    from proxy.stores.watching import Watcher

AT_ONCE: Final = 500
MAX_WAITING: Final = 5_000
"""Changes that may wait for the disk while rows are written anew: far fewer than the store gives up at."""
PAUSE_S: Final = 0.05


class Change(IntEnum):
    """How much of what is known of a vendor ends."""

    NOTHING = 0
    LEARNED = 1
    EVERYTHING = 2


def change_of(name: str, old: Loaded, new: Loaded) -> Change:
    """Say how much of what is known of a vendor of `new` ends."""
    before, after = old.settings.vendors.get(name), new.settings.vendors[name]
    if before is None:
        return Change.EVERYTHING
    was, now = old.catalogs[name], new.catalogs[name]
    places = [(each.kind, each.upstream, each.token_upstream, each.media_origin, each.grants) for each in (before, after)]
    logins = [(each.aliases, each.token_endpoints, each.token_in) for each in (was, now)]
    if places[0] != places[1] or logins[0] != logins[1]:
        return Change.EVERYTHING
    return Change.LEARNED if basis_of(name, old) != basis_of(name, new) else Change.NOTHING


def basis_of(name: str, loaded: Loaded) -> str:
    """Return what knowledge of a vendor rests on."""
    vendor = loaded.settings.vendors[name]
    return knowledge_basis(vendor.kind, loaded.catalogs[name], vendor.grants_as_mappings())


@dataclass(frozen=True, slots=True)
class Carried:
    """The vendors of which some, or all, knowledge has ended, and whose rows are to be written anew."""

    changed: frozenset[str]
    rows: tuple[Rows, ...] = ()


class Rows(NamedTuple):
    """What is left of one vendor's knowledge, to be kept under its new basis."""

    grants: GrantStore
    watcher: Watcher


def carry_over(knowledge: Knowledge, old: Loaded, new: Loaded, store: EmbeddedStore | None, link: SharedStore | None) -> Carried:
    """Make `knowledge` that of the configuration `new`."""
    for name in old.settings.vendors.keys() - new.settings.vendors.keys():
        knowledge.drop(name)
        if link is not None:
            link.detach(name)
    changed = {name: change_of(name, old, new) for name in new.settings.vendors}
    rows: list[Rows] = []
    for name, change in changed.items():
        grants, memory = knowledge.of(name, new.settings.limits.max_known_tokens)
        grants.resize(new.settings.limits.max_known_tokens)
        if change is not Change.NOTHING:
            _end(grants, memory, change)
            rows += _follow(name, grants, memory, new, store)
            _share(name, grants, memory, old, new, link)
        grants.forget_memos()
    if link is not None:
        link.compare()
    return Carried(frozenset(name for name, change in changed.items() if change is not Change.NOTHING), tuple(rows))


async def keep_again(rows: Rows, store: EmbeddedStore) -> None:
    """Write a vendor's rows anew, a few at a time: traffic goes on meanwhile, and so does what it teaches."""
    grants, watcher = rows
    names = [fingerprint for fingerprint, _ in chain(grants.ties(), grants.items())]
    for start in range(0, len(names), AT_ONCE):
        while store.waiting > MAX_WAITING:  # noqa: ASYNC110 - the disk has a thread of its own
            await asyncio.sleep(PAUSE_S)
        for fingerprint in names[start : start + AT_ONCE]:
            tie, entry = grants.chain_of(fingerprint), grants.peek(fingerprint)
            if entry is not None:
                watcher.kept(fingerprint, entry)
            elif tie is not None:
                watcher.tied(fingerprint, tie)
        await asyncio.sleep(0)


def _end(grants: GrantStore, memory: VendorMemory, change: Change) -> None:
    """Let what counts no more end; nobody hears of it."""
    grants.observer, memory.observer = NOBODY, NOBODY_OF_MEMORY
    if change is Change.LEARNED:
        grants.revise(lambda entry: entry.unlearned())
    else:
        grants.clear()
        memory.clear()


def _follow(name: str, grants: GrantStore, memory: VendorMemory, loaded: Loaded, store: EmbeddedStore | None) -> Iterator[Rows]:
    """Have the disk give up what it has, and hear of every change from now on; yield what is to be written anew."""
    if store is None:
        return
    watcher = store.watcher(name, store_basis(loaded, name))
    watcher.cleared()
    listen(grants, memory, watcher)
    if len(grants):
        yield Rows(grants, watcher)


def _share(name: str, grants: GrantStore, memory: VendorMemory, old: Loaded, new: Loaded, link: SharedStore | None) -> None:
    """Share what is left with replicas that have the same catalogue, and hear of every change from now on."""
    if link is None:
        return
    link.detach(name)
    basis = basis_of(name, new)
    shared = link.attach(name, basis, grants, memory, new.settings.limits.max_known_tokens)
    if name in old.settings.vendors and basis_of(name, old) == basis:
        shared.cleared()  # at another address, what replicas know under the same name is about other tokens
    listen(grants, memory, shared)
