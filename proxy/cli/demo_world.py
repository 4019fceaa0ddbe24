"""The demo's world: three simulated vendors and the proxy in front of them, on loopback."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from proxy.app import App
from proxy.cli.output import complain
from proxy.settings import Address, Loaded, Problems, parse_settings
from proxy.simulators import EightByEightSimulator, NewVoiceMediaSimulator, RingCentralSimulator, Simulator

TRAFFIC: Final = Address("127.0.0.1", 8080)
ADMIN: Final = Address("127.0.0.1", 9090)

CONFIGURATION: Final = """
listen: "${LISTEN}"
admin: {listen: "${ADMIN}"}
mode: enforce
vendors:
  ringcentral:
    kind: ringcentral
    mount: {path: /ringcentral}
    upstream: "${RINGCENTRAL}"
    media_upstream: "${RINGCENTRAL_MEDIA}"
  8x8:
    kind: 8x8
    mount: {path: /8x8}
    upstream: "${EIGHTBYEIGHT}"
  newvoicemedia:
    kind: newvoicemedia
    mount: {path: /newvoicemedia}
    upstream: "${NEWVOICEMEDIA}"
    token_upstream: "${NEWVOICEMEDIA_TOKENS}"
limits: {shutdown_grace_s: 2}
log: {format: text}
"""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that runs. `base_url` and `admin_url` are where a client on this machine reaches the proxy."""

    simulators: Mapping[str, Simulator]
    app: App
    base_url: str
    admin_url: str

    @property
    def vendor_requests(self) -> int:
        """How many requests the simulated vendors have received so far."""
        return sum(simulator.journal.total for simulator in self.simulators.values())


def choose(wanted: Address | None, default: Address, other: Address | None = None) -> Address:
    """Return the address that was asked for, or the default, or, where that is in use (or `other`), a free port; say so."""
    if wanted is not None or (default != other and _is_free(default)):
        return wanted or default
    complain(f"{default} is in use; taking a free port")
    return default._replace(port=0)


def _is_free(address: Address) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


@asynccontextmanager
async def demo_world(listen: Address, admin: Address, log_descriptor: int | None) -> AsyncIterator[World]:
    """Start the vendors and the proxy; end them all afterwards. Raise `StartError` where an address cannot be had."""
    async with AsyncExitStack() as stack:
        ringcentral = RingCentralSimulator(link_base=None, media_link_base=None)
        await ringcentral.start(media_port=0)
        await stack.enter_async_context(ringcentral)
        eightbyeight = await stack.enter_async_context(EightByEightSimulator())
        newvoicemedia = NewVoiceMediaSimulator()
        await newvoicemedia.start(token_port=0)
        await stack.enter_async_context(newvoicemedia)
        upstreams = {
            "RINGCENTRAL": ringcentral.base_url,
            "RINGCENTRAL_MEDIA": ringcentral.media_base_url,
            "EIGHTBYEIGHT": eightbyeight.base_url,
            "NEWVOICEMEDIA": newvoicemedia.base_url,
            "NEWVOICEMEDIA_TOKENS": newvoicemedia.token_base_url,
        }
        app = App(configuration({"LISTEN": str(listen), "ADMIN": str(admin), **upstreams}), log_descriptor)
        await app.start()
        stack.push_async_callback(app.stop)
        simulators = {simulator.vendor: simulator for simulator in (ringcentral, eightbyeight, newvoicemedia)}
        yield World(simulators, app, _url(listen, app.port), _url(admin, app.admin_port))


def configuration(values: Mapping[str, str]) -> Loaded:
    """Return the demo's configuration with these addresses; ValueError for one that is not valid."""
    loaded = parse_settings(CONFIGURATION.encode(), values, file=Path("demo.yaml"))
    if isinstance(loaded, Problems):
        raise ValueError(str(loaded))
    return loaded


def _url(address: Address, port: int) -> str:
    """How a client on this machine reaches a listener; nobody can connect to "every interface"."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - not bound, but replaced
    return f"http://{Address(host, port)}"
