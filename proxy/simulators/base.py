"""What the simulated vendors share: listeners, the journal, bounded token stores, deterministic tokens.

A simulator listens on loopback, never logs a request, and keeps nothing without a bound.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, ClassVar, Final, Generic, Self, TypeVar

from aiohttp import ClientError, web
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict

from proxy.simulators.journal import Journal, Received
from proxy.simulators.messages import Audio, Incoming, Reply
from proxy.simulators.routes import Document, RouteTable, load_document, shipped_catalog

MAX_STORE_ENTRIES: Final = 10_000
MAX_JOURNAL_ENTRIES: Final = 1_000
MAX_JOURNAL_BODY: Final = 16 * 1024
MAX_FORM_BODY: Final = 1024 * 1024
MAX_QUEUED_REPLIES: Final = 100
MAX_HEAD_LINE: Final = 65536
STOP_TIMEOUT: Final = 2.0

Value = TypeVar("Value")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Store(Generic[Value]):
    """A mapping that forgets its oldest entries beyond a limit."""

    def __init__(self, limit: int = MAX_STORE_ENTRIES) -> None:
        self._limit = limit
        self._entries: OrderedDict[str, Value] = OrderedDict()

    def put(self, key: str, value: Value) -> None:
        """Add or replace an entry."""
        self._entries[key] = value
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def get(self, key: str | None) -> Value | None:
        """Return the entry, or None."""
        return None if key is None else self._entries.get(key)

    def take(self, key: str) -> Value | None:
        """Return the entry and forget it; None where there is none."""
        return self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)


class Mint:
    """Makes token texts: unguessable ones, or, given a seed, the same ones in every run."""

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed
        self._count = 0

    def opaque(self, prefix: str) -> str:
        """A token without structure."""
        self._count += 1
        if self._seed is None:
            return prefix + secrets.token_urlsafe(24)
        return prefix + hashlib.blake2b(f"{self._seed}:{self._count}".encode(), digest_size=16).hexdigest()

    def jwt(self, claims: Mapping[str, Any]) -> str:
        """A token that looks like a signed JWT; nobody can verify its signature."""
        head, payload = (_base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        return f"{head}.{payload}.{_base64url(self.opaque('').encode())}"


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class _QuietHandler(RequestHandler):
    """aiohttp's connection, without its habit of quoting a malformed request in the answer and in the log."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; the text would quote the request
    ) -> web.StreamResponse:
        """Answer with the bare status and close."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun; the connection is cut")
        if status >= 500:
            self.logger.error("a simulated vendor failed with %s", type(exc).__name__)
        response = web.Response(status=status)
        response.force_close()
        return response


class _QuietServer(web.Server):
    def __call__(self) -> RequestHandler:
        return _QuietHandler(self, loop=self._loop, **self._kwargs)


@dataclass(slots=True)
class _Body:
    """A request body while it is read: counted and hashed whole, kept up to a bound."""

    kept: bytes = b""
    size: int = 0
    sha256: str = ""
    complete: bool = True


async def _read_body(request: web.BaseRequest) -> _Body:
    body, digest = _Body(), hashlib.sha256()
    try:
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            body.size += len(chunk)
            body.kept += chunk[: MAX_FORM_BODY - len(body.kept)]
    except (OSError, ClientError, web.RequestPayloadError):
        body.complete = False
    body.sha256 = digest.hexdigest()
    return body


async def _send(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    headers = CIMultiDict([*reply.headers, ("Server", "simulated")])
    if isinstance(reply.body, bytes):
        return web.Response(status=reply.status, headers=headers, body=reply.body or None)
    return await _stream(request, reply.body, web.StreamResponse(status=reply.status, headers=headers))


async def _stream(request: web.BaseRequest, audio: Audio, response: web.StreamResponse) -> web.StreamResponse:
    response.content_length = audio.size
    await response.prepare(request)
    if request.method != "HEAD":
        for chunk in audio.chunks():
            await response.write(chunk)
    await response.write_eof()
    return response


class Simulator(ABC):
    """A vendor as a small server. `answer` is the vendor; the rest is plumbing.

    `document`: the vendor's operations (default: the shipped catalogue). `seed`: the same tokens in every run.
    `clock`: seconds since 1970. `compress`: JSON goes out under gzip to clients that accept it.
    """

    vendor: ClassVar[str]

    def __init__(
        self,
        document: Document | None = None,
        *,
        seed: int | None = None,
        clock: Callable[[], float] = time.time,
        journal_size: int = MAX_JOURNAL_ENTRIES,
        compress: bool = False,
    ) -> None:
        self.document = document if document is not None else load_document(shipped_catalog(self.vendor))
        self.routes = RouteTable(self.document.operations)
        self.journal = Journal(journal_size)
        self.mint = Mint(seed)
        self.clock = clock
        self._compress = compress
        self._queued: deque[Reply] = deque(maxlen=MAX_QUEUED_REPLIES)
        self._runners: list[web.ServerRunner] = []
        self._urls: dict[str, str] = {}

    # what a vendor must say

    @abstractmethod
    def answer(self, incoming: Incoming) -> Reply:
        """What the vendor says to this request."""

    @abstractmethod
    def describe(self, base_url: str | None = None) -> str:
        """The ready-made accounts, with sample `curl` lines against `base_url` (default: the simulator's own)."""

    def reply_next(self, *replies: Reply) -> None:
        """Give these answers to the next requests, whatever they are, before the vendor's own rules apply again."""
        self._queued.extend(replies)

    # listening

    @property
    def base_url(self) -> str:
        """Where the API listens, without a slash at the end; raise RuntimeError before `start`."""
        return self._url("api")

    def _url(self, listener: str) -> str:
        if listener not in self._urls:
            raise RuntimeError("the simulator has not been started")
        return self._urls[listener]

    async def start(self, host: str = "127.0.0.1", port: int = 0, ssl_context: SSLContext | None = None) -> None:
        """Listen; port 0 takes a free one. With `ssl_context` it speaks HTTPS. Raise OSError where the port is taken."""
        await self._listen("api", host, port, ssl_context)

    async def stop(self) -> None:
        """Close every listener and connection; requests in flight get two seconds."""
        while self._runners:
            await self._runners.pop().cleanup()
        self._urls.clear()

    async def __aenter__(self) -> Self:
        if not self._runners:
            await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _listen(self, listener: str, host: str, port: int, ssl_context: SSLContext | None) -> None:
        server = _QuietServer(
            self._handler(listener), access_log=None, auto_decompress=False, max_line_size=MAX_HEAD_LINE, max_field_size=MAX_HEAD_LINE
        )
        runner = web.ServerRunner(server, shutdown_timeout=STOP_TIMEOUT)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, host, port, ssl_context=ssl_context).start()
        shown = f"[{host}]" if ":" in host else host
        self._urls[listener] = f"{'https' if ssl_context else 'http'}://{shown}:{runner.addresses[0][1]}"

    def _handler(self, listener: str) -> Handler:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await self._handle(listener, request)

        return handle

    async def _handle(self, listener: str, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        body = await _read_body(request)
        self.journal.add(_received(listener, request, body))
        if not body.complete:
            return web.Response(status=400)
        reply = self._queued.popleft() if self._queued else self.answer(_incoming(listener, request, body))
        return await _send(request, self._encoded(request, reply))

    def _encoded(self, request: web.BaseRequest, reply: Reply) -> Reply:
        accepts = "gzip" in request.headers.get("Accept-Encoding", "")
        return reply.compressed() if self._compress and accepts else reply


def _received(listener: str, request: web.BaseRequest, body: _Body) -> Received:
    kept = body.kept if body.size <= MAX_JOURNAL_BODY else None
    target = request.raw_path.encode("utf-8", "surrogateescape")
    return Received(listener, request.method, target, request.raw_headers, kept, body.size, body.sha256, body.complete)


def _incoming(listener: str, request: web.BaseRequest, body: _Body) -> Incoming:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Incoming(listener, request.method, request.raw_path, headers, body.kept)
