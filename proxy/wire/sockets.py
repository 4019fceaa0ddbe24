"""What must be asked of the socket itself."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import struct
import time
from typing import Any, Final

from proxy.identity.clients import NO_NAMES, NO_PEER, Peer, certificate_names

_LINGER_OFF: Final = struct.pack("ii", 1, 0)


def reset_on_close(transport: asyncio.Transport) -> None:
    """Make the connection end with a reset, so that nobody takes what was sent for whole (`SO_LINGER` with zero seconds)."""
    plain = transport.get_extra_info("socket")
    if plain is not None and not transport.is_closing():
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)


def peer_of(transport: asyncio.Transport) -> Peer:
    """Return who is at the other end; nobody in particular where the transport cannot tell (a Unix socket, a connection lost)."""
    name = transport.get_extra_info("peername")
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return Peer(name[0]) if isinstance(name, tuple) else NO_PEER
    return Peer(name[0] if isinstance(name, tuple) else "", _names(tls))


def _names(tls: ssl.SSLObject) -> frozenset[str]:
    """Return the names in the other side's certificate, if its chain was verified and it has not ended since (TLS 1.2 resumes sessions)."""
    try:
        certificate = tls.getpeercert()  # empty where nothing was verified
    except ValueError:  # a name that is not UTF-8
        return NO_NAMES
    if not certificate or ssl.cert_time_to_seconds(str(certificate["notAfter"])) <= time.time():
        return NO_NAMES
    found: Any = certificate.get("subjectAltName", ())
    return certificate_names(found)


def is_whole_end(transport: asyncio.Transport) -> bool:
    """Whether the other side meant to end here: over TLS it says so (close_notify, RFC 8446 section 6.1), or somebody cut it short.

    The loops call `eof_received` either way. For asking only there: it reads.
    """
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:
        return False


def is_reset(transport: asyncio.Transport) -> bool:
    """Whether the other side has hung up with a reset, which the loop does not see while it does not read."""
    plain = transport.get_extra_info("socket")
    if plain is None or transport.is_closing():
        return False
    poll = select.poll()
    poll.register(plain.fileno(), 0)  # errors are always told
    return bool(poll.poll(0))


class Probe:
    """Tells whether something has arrived on a connection that should be silent, even if the loop has not seen it yet."""

    __slots__ = ("_poll",)

    def __init__(self, transport: asyncio.Transport) -> None:
        self._poll = select.poll()
        plain = transport.get_extra_info("socket")
        if plain is not None:
            self._poll.register(plain.fileno(), select.POLLIN)

    def is_silent(self) -> bool:
        """Whether nothing has arrived: no byte, no end, no error."""
        return not self._poll.poll(0)
