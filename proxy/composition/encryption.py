"""How the two listeners speak TLS: with certificates that follow their files, and with others after a reload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from proxy.settings import ADMIN, TRAFFIC, Loaded, TlsSettings, server_tls
from proxy.tls.certificates import Certificates
from proxy.tls.handshakes import Handshakes, Secured

Doors = Callable[[], Mapping[str, Handshakes | None]]
"""Tells who does the handshakes of each listener now; None: it speaks no TLS, or is not open."""


def secured(name: str, tls: TlsSettings | None, certificates: Certificates) -> Secured | None:
    """Return how a listener speaks TLS; None: not at all. Raise `CertificateError` where files cannot be used."""
    return None if tls is None else Secured(certificates.follow(server_tls(name, tls)), tls.handshake_s)


class Encryption:
    """The certificates of one proxy; `traffic` and `admin` say how its listeners are secured."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self.certificates = Certificates(wall)
        self.traffic: Secured | None = None
        self.admin: Secured | None = None
        self._watching: asyncio.Task[None] | None = None

    def begin(self, loaded: Loaded) -> None:
        """Read the files of a configuration. Raise `CertificateError` where they cannot be used."""
        self.traffic = secured(TRAFFIC, loaded.settings.tls, self.certificates)
        self.admin = secured(ADMIN, loaded.settings.admin.tls, self.certificates)

    def watch(self) -> None:
        """Follow the files from now on."""
        self._watching = asyncio.create_task(self.certificates.watch())

    def renew(self, traffic: Secured | None, admin: Secured | None, doors: Doors) -> None:
        """Begin handshakes otherwise from now on; open connections keep theirs."""
        self.traffic, self.admin = traffic, admin
        for name, way in ((TRAFFIC, traffic), (ADMIN, admin)):
            handshakes = doors()[name]
            if handshakes is not None and way is not None:
                handshakes.secure(way)

    def stop(self) -> None:
        """Follow the files no more."""
        if self._watching is not None:
            self._watching.cancel()
