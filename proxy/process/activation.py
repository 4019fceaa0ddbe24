"""Listening sockets that the service manager opened and holds (sd_listen_fds(3)): what waits in them outlives this process."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

TRAFFIC, ADMIN, GATEWAYS = "traffic", "admin", "gateways"
NAMES: Final = (TRAFFIC, ADMIN, GATEWAYS)
"""The names that sockets have here: FileDescriptorName= in a socket unit."""
FIRST_DESCRIPTOR: Final = 3
MAX_SOCKETS: Final = 32

Sockets = tuple[socket.socket, ...]


@dataclass(frozen=True, slots=True)
class Inherited:
    """The sockets that were handed over, by what they are for."""

    traffic: Sockets = ()
    admin: Sockets = ()
    gateways: Sockets = ()

    def __bool__(self) -> bool:
        return bool(self.traffic or self.admin or self.gateways)


NOTHING: Final = Inherited()


@dataclass(frozen=True, slots=True)
class NotUsable:
    """What was handed over cannot be used; `detail` says why, and what to change."""

    detail: str


def take_sockets(environment: MutableMapping[str, str], process: int, first: int = FIRST_DESCRIPTOR) -> Inherited | NotUsable:
    """Return what was handed to the process with number `process`, and take the variables out of `environment`.

    `first`: the number of the first descriptor. What is not usable stays open: the process ends.
    """
    meant, number, named = (environment.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    if meant != str(process) or number in ("", "0"):
        return NOTHING
    if not number.isdecimal() or int(number) > MAX_SOCKETS:
        return NotUsable(f"LISTEN_FDS must be a number up to {MAX_SOCKETS}")
    names = named.split(":") if named else []
    if len(names) != int(number):
        return NotUsable(f"{number} sockets were handed over with {len(names)} names; {_ADVICE}")
    found: dict[str, list[socket.socket]] = {name: [] for name in NAMES}
    for descriptor, name in enumerate(names, first):
        taken = _take(descriptor, name)
        if isinstance(taken, NotUsable):
            return taken
        found[name].append(taken)
    return Inherited(tuple(found[TRAFFIC]), tuple(found[ADMIN]), tuple(found[GATEWAYS]))


_ADVICE: Final = f"each socket needs FileDescriptorName= with one of {', '.join(NAMES)}"


def _take(descriptor: int, name: str) -> socket.socket | NotUsable:
    """Return one socket, if it has a name we know and is one that accepts TCP connections."""
    if name not in NAMES:
        return NotUsable(f"a socket named {name[:64]!a} was handed over; {_ADVICE}")
    try:
        os.set_inheritable(descriptor, False)
        taken = socket.socket(fileno=descriptor)
    except OSError:
        return NotUsable(f"what was handed over as {name} is not a socket")
    if taken.family not in (socket.AF_INET, socket.AF_INET6) or taken.type != socket.SOCK_STREAM:
        taken.detach()
        return NotUsable(f"the socket named {name} is not one of TCP; use ListenStream= with an IP address or a port")
    if not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        taken.detach()
        return NotUsable(f"the socket named {name} does not listen; a socket unit needs Accept=no")
    taken.setblocking(False)
    return taken


def address_of(sockets: Sockets) -> tuple[str, int]:
    """Return host and port of the first of these listening sockets."""
    host, port = sockets[0].getsockname()[:2]
    return host, port
