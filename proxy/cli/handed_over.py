"""How the sockets that a service manager hands over change the settings: their addresses count, not those in the file."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from proxy.process.activation import ADMIN, GATEWAYS, TRAFFIC, Inherited, address_of
from proxy.settings import OPEN_ADMIN, Address, Settings, with_overrides

OFF = "is off in the configuration: set it, or remove the socket"


def with_sockets(settings: Settings, inherited: Inherited, given: Iterable[str]) -> Settings | str:
    """Return settings with the addresses of the sockets, or say why both do not go together.

    `given`: names of the sockets whose addresses stand on the command line.
    """
    handed = {TRAFFIC: inherited.traffic, ADMIN: inherited.admin, GATEWAYS: inherited.gateways}
    for name in given:
        if handed[name]:
            return f"the service manager hands over the socket named {name}: remove --{'listen' if name == TRAFFIC else name}"
    if inherited.gateways and settings.gateway_adapters is None:
        return f"the service manager hands over a socket named {GATEWAYS}, but gateway_adapters {OFF}"
    changed = with_overrides(
        settings, listen=_address(inherited.traffic), admin=_exposed(inherited.admin), gateways=_address(inherited.gateways)
    )
    if inherited.admin and not changed.admin.is_guarded:
        return f"the socket named {ADMIN}, {changed.admin.listen}: {OPEN_ADMIN}"
    return changed


def _address(sockets: tuple[socket.socket, ...]) -> Address | None:
    return Address(*address_of(sockets)) if sockets else None


def _exposed(sockets: tuple[socket.socket, ...]) -> Address | None:
    """Return the address that most can reach: the one to guard."""
    addresses = [Address(*address_of((each,))) for each in sockets]
    return min(addresses, key=lambda address: address.is_loopback, default=None)
