"""Accepts TLS connections: every handshake has a deadline, takes the context of the moment, and is counted by how it ended.

The event loops' own TLS servers keep one context for life and tell nobody why a handshake failed, so connections are accepted here.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

from proxy import errors
from proxy.telemetry.labels import Reading, Values
from proxy.tls.certificates import LiveContext
from proxy.tls.secure_transport import SecureTransport, handshake_done

_NO_DESCRIPTORS_S: Final = 0.5
"""How long no connection is accepted after the process ran out of descriptors."""
_ACCEPTED_AT_ONCE: Final = 64
_TLS_RECORD: Final = b"\x16"
"""The first byte of every handshake (RFC 8446 section 5.1)."""

OK: Final = "ok"
RESULTS: Final = (
    OK, "timeout", "plain_http", "not_tls", "closed", "no_certificate", "expired_certificate", "untrusted_certificate",
    "bad_certificate", "refused_by_client", "no_common_version", "no_room", "other",
)  # fmt: skip
"""How a handshake can end: a closed list, for metrics."""

_NO_COMMON: Final = frozenset(
    ("UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "VERSION_TOO_LOW", "WRONG_VERSION_NUMBER", "NO_SHARED_GROUP", "NO_SUITABLE_KEY_SHARE",
     "NO_SHARED_SIGNATURE_ALGORITHMS", "NO_SUITABLE_SIGNATURE_ALGORITHM")
)  # fmt: skip
_EXPIRED: Final = (9, 10)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""
_UNTRUSTED: Final = (2, 18, 19, 20, 21)
"""X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT and its like: no chain to one of our authorities."""


def result_of(error: BaseException) -> str:
    """Return how a handshake ended that raised `error`."""
    match error:
        case TimeoutError():
            return "timeout"
        case ssl.SSLCertVerificationError(verify_code=code):
            return "expired_certificate" if code in _EXPIRED else "untrusted_certificate" if code in _UNTRUSTED else "bad_certificate"
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | ConnectionError():
            return "closed"
        case ssl.SSLError(reason=str(reason)):
            return _result_of_reason(reason)
        case _:
            return "other"


def _result_of_reason(reason: str) -> str:
    if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "no_certificate"
    if reason in _NO_COMMON or reason.endswith("ALERT_PROTOCOL_VERSION"):
        return "no_common_version"
    return "refused_by_client" if "ALERT" in reason else "other"


class Secured(NamedTuple):
    """TLS for a listener: the context of the moment, and how long a handshake may take, in seconds."""

    live: LiveContext
    handshake_s: float = 10.0


class Handshakes:
    """The door of a TLS listener. `make_protocol` serves a connection whose handshake is done.

    `has_room` is told how many handshakes are under way, and says whether there may be one more. `changed` is called when one has ended.
    """

    def __init__(
        self,
        tls: Secured,
        make_protocol: Callable[[], Any],
        has_room: Callable[[int], bool],
        on_bug: Callable[[BaseException], None],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._changed = changed
        self._tls = tls
        self._make_protocol = make_protocol
        self._has_room = has_room
        self._on_bug = on_bug
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way: set[socket.socket] = set()
        self.counts = dict.fromkeys(RESULTS, 0)

    def secure(self, tls: Secured) -> None:
        """Begin handshakes by `tls` from now on."""
        self._tls = tls

    async def start(self, host: str, port: int, backlog: int, *, reuse_port: bool = False) -> int:
        """Listen; return the port. Raise OSError where the address cannot be had."""
        found = await asyncio.get_running_loop().getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        made: list[socket.socket] = []
        try:
            for family, *_, address in dict.fromkeys(found):
                made.append(_listening(family, address, backlog, reuse_port=reuse_port))
        except OSError:
            for each in made:
                each.close()
            raise
        return self.start_on(made)

    def start_on(self, sockets: Sequence[socket.socket]) -> int:
        """Accept from sockets that listen already and do not block; return the port of the first."""
        self._loop = asyncio.get_running_loop()
        self._sockets = list(sockets)
        for each in self._sockets:
            self._loop.add_reader(each, self._accept, each)
        number: int = self._sockets[0].getsockname()[1]
        return number

    def stop(self) -> None:
        """Accept no more, and give up the handshakes under way."""
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        for each in self._under_way:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # uvloop leaves a socket open where its handshake is cancelled
        self._sockets = []

    def _accept(self, listening: socket.socket) -> None:
        """Take what is waiting; awaiting `sock_accept` could lose a connection that arrives while the listener stops."""
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptors left: trying again at once would burn the processor
                self._loop.remove_reader(listening)
                self._loop.call_later(_NO_DESCRIPTORS_S, self._go_on, listening)
                return
            self.take(accepted)

    def _go_on(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            self._loop.add_reader(listening, self._accept, listening)

    @property
    def under_way(self) -> int:
        """How many handshakes are not done yet."""
        return len(self._under_way)

    def take(self, accepted: socket.socket) -> None:
        """Begin the handshake of a connection that was accepted, here or by somebody else."""
        if not self._has_room(len(self._under_way)):
            self.counts["no_room"] += 1
            accepted.close()
            return
        accepted.setblocking(False)
        self._under_way.add(accepted)
        task = asyncio.get_running_loop().create_task(self._welcome(accepted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _welcome(self, accepted: socket.socket) -> None:
        """Do one handshake. Whatever goes wrong is counted, and the socket is closed."""
        try:
            result = await self._handshake(accepted)
        except OSError as error:  # TimeoutError and SSLError are such
            result = result_of(error)
        except Exception as bug:
            self._on_bug(bug)
            result = "other"
        finally:
            self._under_way.discard(accepted)
            self._changed()
        if result != OK:
            accepted.close()
        self.counts[result] += 1

    async def _handshake(self, accepted: socket.socket) -> str:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._tls.handshake_s
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout_at(until):
            await _readable(loop, accepted)
        first = accepted.recv(1, socket.MSG_PEEK)
        if first != _TLS_RECORD:
            return _turn_away(accepted, first)
        transport = SecureTransport(self._make_protocol, self._tls.live.context, loop, server_hostname=None)
        async with asyncio.timeout_at(until):
            await loop.connect_accepted_socket(cast("Callable[[], asyncio.Protocol]", lambda: transport), accepted)
            await handshake_done(transport)
        return OK


def handshakes_reading(doors: Callable[[], Mapping[str, Handshakes | None]]) -> Reading:
    """Return what is told about the handshakes of listeners, by name; None for those that speak plain HTTP."""

    def counts() -> Values:
        return {(name, result): count for name, door in doors().items() if door is not None for result, count in door.counts.items()}

    text = "TLS handshakes by how they ended."
    return Reading("scopegate_tls_handshakes_total", text, counts, ("listener", "result"), counter=True)


def _listening(family: int, address: Any, backlog: int, *, reuse_port: bool) -> socket.socket:
    """Return a listening socket, as `create_server` makes them."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(backlog)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


async def _readable(loop: asyncio.AbstractEventLoop, accepted: socket.socket) -> None:
    """Wait until something has arrived, and leave it where it is."""
    arrived = asyncio.Event()
    loop.add_reader(accepted, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(accepted)


def _turn_away(accepted: socket.socket, first: bytes) -> str:
    """Tell who speaks plain HTTP here that this port speaks HTTPS; nothing of what was sent is looked at."""
    if not first:
        return "closed"
    if not first.isalpha():
        return "not_tls"
    accepted.send(_plain_http_answer())
    accepted.shutdown(socket.SHUT_WR)
    accepted.recv(65_536)  # what is left unread would turn the end into a reset, and cost the client the answer
    return "plain_http"


def _plain_http_answer() -> bytes:
    fault = errors.PLAIN_HTTP
    body = json.dumps(errors.problem(fault)).encode()
    phrase = HTTPStatus(fault.status).phrase.encode()
    fields = b"Content-Type: application/problem+json\r\nScopegate-Answered-By: proxy\r\nScopegate-Reason: %b" % fault.reason.encode()
    return b"HTTP/1.1 %d %b\r\n%b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (fault.status, phrase, fields, len(body), body)
