"""Both ends of a TLS connection without a socket: the transport that is ours, and OpenSSL as whoever is at the other end."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import trustme

from proxy.tls.secure_transport import SecureTransport

CA = trustme.CA()
SERVED = CA.issue_cert("localhost")


def called(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """Return the context of the side that is called."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    SERVED.configure_cert(context)
    context.minimum_version = context.maximum_version = version
    return context


def calling(authority: trustme.CA = CA) -> ssl.SSLContext:
    """Return the context of the side that calls."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


class Plain(asyncio.Transport):
    """The plain transport below: it keeps what is written until somebody takes it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = bytearray()
        self.said: list[str] = []
        self.reading = True
        self.aborted = asyncio.Event()

    def take(self) -> bytes:
        """Let the other side have what was written."""
        taken = bytes(self.written)
        self.written.clear()
        return taken

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return len(self.written)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.said.append(f"limits {high} {low}")

    def write_eof(self) -> None:
        self.said.append("eof")

    def close(self) -> None:
        self.said.append("close")

    def abort(self) -> None:
        self.said.append("abort")
        self.aborted.set()

    def is_closing(self) -> bool:
        return "close" in self.said or "abort" in self.said

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class App:
    """The protocol above: it keeps what it is told."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = bytearray()
        self.told: list[Any] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> None:
        self.told.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


class Peer:
    """OpenSSL at the other end."""

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        served = server_hostname is None
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=served, server_hostname=server_hostname)
        self.shaken = False
        self.received = bytearray()
        self.goodbye = False

    def hear(self, data: bytes) -> None:
        """Take bytes and do what they ask for."""
        self.incoming.write(data)
        try:
            if not self.shaken:
                self.tls.do_handshake()
                self.shaken = True
            while piece := self.tls.read(65_536):
                self.received += piece
            self.goodbye = True
        except ssl.SSLWantReadError:
            pass

    def say(self) -> bytes:
        """Return what is to be sent."""
        return self.outgoing.read()


class Pair:
    """Both ends. `ours_is_called`: which side is ours."""

    def __init__(
        self,
        *,
        ours_is_called: bool = True,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        name: str = "localhost",
        authority: trustme.CA = CA,
        goodbye_s: float = 60.0,
    ) -> None:
        self.plain, self.app = Plain(), App()
        ours, theirs = (called(version), calling(authority)) if ours_is_called else (calling(authority), called(version))
        self.peer = Peer(theirs, name if ours_is_called else None)
        hostname = None if ours_is_called else name
        loop = asyncio.get_running_loop()
        self.transport = SecureTransport(lambda: self.app, ours, loop, server_hostname=hostname, goodbye_s=goodbye_s)
        self.transport.connection_made(self.plain)

    def shake(self) -> Pair:
        """Do the handshake."""
        while not (self.peer.shaken and self.transport.opened.done()):
            self.exchange()
        self.exchange()
        return self

    def exchange(self, size: int = 1 << 20) -> None:
        """Carry what each side has said to the other, in pieces of `size` bytes."""
        self.peer.hear(self.plain.take())
        said = self.peer.say()
        for start in range(0, len(said), size):
            self.transport.data_received(said[start : start + size])
