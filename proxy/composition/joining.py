"""From the setting `shared_state` to a link with the store that replicas share; without it each one learns for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.admin.backend import Readiness
from proxy.composition.compose import Knowledge
from proxy.decision.gate import Clocks
from proxy.settings import Loaded
from proxy.stores.basis import knowledge_basis
from proxy.stores.fanout import listen
from proxy.stores.keys import Keys
from proxy.stores.redis_wire import Endpoint, make_dialler
from proxy.stores.timeline import Anchor

if TYPE_CHECKING:
    from proxy.stores.shared import SharedStore


def make_link(loaded: Loaded, clocks: Clocks, on_bug: Callable[[BaseException], None]) -> SharedStore | None:
    """Return the link that a configuration asks for, not started; None where it asks for none. Raise `NotInstalledError`."""
    shared, state = loaded.settings.shared_state, loaded.settings.state
    if shared is None:
        return None
    from proxy.stores.shared import SharedOptions, SharedStore  # noqa: PLC0415 - for replicas that share

    generations = shared.key or (state.key if state is not None else None)
    assert generations is not None, "the settings were checked for it"
    url = shared.url
    endpoint = Endpoint(url.host, url.port, url.socket, url.database, url.username, url.password, url.tls, shared.ca_file)
    dial = make_dialler(endpoint, shared.timeout_s)
    options = SharedOptions(endpoint, shared.timeout_s, shared.stale_s)
    return SharedStore(options, Keys(generations), lambda: Anchor(clocks.now(), clocks.wall()), on_bug, dial)


def join(link: SharedStore, knowledge: Knowledge, loaded: Loaded) -> None:
    """Share what is in memory, and whatever becomes of it from now on."""
    limit = loaded.settings.limits.max_known_tokens
    for name, vendor in loaded.settings.vendors.items():
        grants, memory = knowledge.of(name, limit)
        basis = knowledge_basis(vendor.kind, loaded.catalogs[name], vendor.grants_as_mappings())
        listen(grants, memory, link.attach(name, basis, grants, memory, limit))
    link.start()


def link_readiness(link: SharedStore) -> Readiness:
    """Return the state of the link: its trouble is none of the traffic's, so it is degraded, never unready."""
    if not link.trouble:
        return Readiness(True)
    return Readiness(True, f"replicas do not hear of each other until the shared store works again: {link.trouble}", degraded=True)
