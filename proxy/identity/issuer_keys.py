"""The public keys of the company's own issuers, from a file or an address, as they are now (RFC 7517). The last good ones are kept."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import aiohttp

from proxy.identity.app_tokens import Keys, PublicKey
from proxy.telemetry.labels import Reading, Together

MAX_BYTES: Final = 1_048_576
MAX_KEYS: Final = 100
FETCH_S: Final = 10.0
REFRESH_S: Final = 300.0
"""Seconds between two looks at an address."""
FILE_S: Final = 5.0
"""Seconds between two looks at a file."""
MISSED_S: Final = 30.0
"""Seconds between two looks because of a key that is not known: whoever sends odd tokens must not make us ask all the time."""
NO_KEYS: Final[Keys] = MappingProxyType({})

log = logging.getLogger("scopegate")


class KeySetError(ValueError):
    """What was read is no key set; the message says why and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one issuer's keys are: a file, or an address with the authorities that its certificate is verified by."""

    issuer: str
    file: Path | None = None
    url: str = ""
    tls: ssl.SSLContext | None = None


def parse_key_set(data: bytes) -> Keys:
    """Read a JWK set; keys for anything but signatures, and those of unknown kinds, are passed over. Raise `KeySetError`."""
    import jwt  # noqa: PLC0415 - with it comes cryptography, for whoever has issuers

    try:
        rows = json.loads(data)["keys"]
        wanted = [row for row in rows if row.get("use", "sig") == "sig" and row.get("kty") in ("RSA", "EC", "OKP")][:MAX_KEYS]
        keys = {str(row.get("kid", number)): PublicKey(jwt.PyJWK(row).key, str(row.get("alg", ""))) for number, row in enumerate(wanted)}
    except (ValueError, TypeError, KeyError, AttributeError, jwt.PyJWTError) as error:
        raise KeySetError(f"is no set of keys ({type(error).__name__})") from None
    if not keys:
        raise KeySetError("has no key for signatures")
    return MappingProxyType(keys)


@dataclass(slots=True)
class _State:
    keys: Keys = field(default_factory=lambda: NO_KEYS)
    raw: bytes = b""
    trouble: str = ""
    missed: asyncio.Event = field(default_factory=asyncio.Event)


class IssuerKeys:
    """Keeps the keys of all issuers; one task for each. `changed` is called when keys were replaced."""

    def __init__(self, sources: Iterable[Source], missed_s: float = MISSED_S, file_s: float = FILE_S) -> None:
        self._sources = {source.issuer: source for source in sources}
        self._states = {issuer: _State() for issuer in self._sources}
        self._missed_s = missed_s
        self._file_s = file_s
        self._tasks: list[asyncio.Task[None]] = []
        self._loads: dict[tuple[str, ...], int] = {(issuer, result): 0 for issuer in self._sources for result in ("ok", "failed")}
        self.changed: Callable[[], None] = lambda: None

    def of(self, issuer: str) -> Keys:
        """Return an issuer's keys as they are now; none where they were never read."""
        state = self._states.get(issuer)
        return NO_KEYS if state is None else state.keys

    def missed(self, issuer: str) -> None:
        """Hear that a key is not known: look again soon, for issuers put new keys up before they sign with them."""
        state = self._states.get(issuer)
        if state is not None:
            state.missed.set()

    async def start(self) -> None:
        """Read what can be read, and go on looking. Raise `KeySetError` where a file cannot be used; an address may come up later."""
        for source in self._sources.values():
            if source.file is not None:
                await self._take(source)
                if self._states[source.issuer].trouble:
                    raise KeySetError(f"issuers: {source.file} {self._states[source.issuer].trouble}")
        self._tasks = [asyncio.create_task(self._follow(source)) for source in self._sources.values()]

    async def stop(self) -> None:
        """Stop looking."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, source: Source) -> None:
        state = self._states[source.issuer]
        while True:
            if source.file is None or self._tasks:
                await self._take(source)
            if source.file is not None:
                await asyncio.sleep(self._file_s)
                continue
            state.missed.clear()
            await asyncio.sleep(self._missed_s)
            try:
                async with asyncio.timeout(max(0.0, REFRESH_S - self._missed_s)):
                    await state.missed.wait()
            except TimeoutError:
                continue

    async def _take(self, source: Source) -> None:
        """Read once; whatever fails leaves the last good keys, and is logged once until it works again."""
        state = self._states[source.issuer]
        try:
            raw = await self._read(source)
            keys = state.keys if raw == state.raw else parse_key_set(raw)
        except (OSError, TimeoutError, aiohttp.ClientError, KeySetError) as error:
            self._loads[source.issuer, "failed"] += 1
            trouble = str(error) if isinstance(error, KeySetError) else getattr(error, "strerror", None) or type(error).__name__
            if not state.trouble:
                log.error("the keys of issuer %s cannot be read, the last good ones stay: %s", source.issuer, trouble)
            state.trouble = trouble
            return
        self._loads[source.issuer, "ok"] += 1
        state.trouble = ""
        if raw != state.raw:
            state.raw, state.keys = raw, keys
            self.changed()

    async def _read(self, source: Source) -> bytes:
        if source.file is not None:
            data = await asyncio.to_thread(source.file.read_bytes)
        else:
            data = await _fetch(source)
        if len(data) > MAX_BYTES:
            raise KeySetError("is too large")
        return data

    # --- metrics

    def sizes(self) -> Mapping[tuple[str, ...], float]:
        """Return how many keys are known, by issuer."""
        return {(name,): len(state.keys) for name, state in self._states.items()}

    def loads(self) -> Mapping[tuple[str, ...], float]:
        """Return how often keys were read, by issuer and result."""
        return dict(self._loads)


def key_readings(current: Callable[[], IssuerKeys | None]) -> tuple[Reading, ...]:
    """Return the metrics of the keys in force."""

    def of(read: Callable[[IssuerKeys], Mapping[tuple[str, ...], float]]) -> Mapping[tuple[str, ...], float]:
        keys = current()
        return {} if keys is None else read(keys)

    known, loads = "Public keys known of an issuer of apps' tokens.", "Times that an issuer's keys were read, by result."
    return (
        Reading("scopegate_issuer_keys", known, lambda: of(IssuerKeys.sizes), ("issuer",), together=Together.MAX),
        Reading("scopegate_issuer_key_loads_total", loads, lambda: of(IssuerKeys.loads), ("issuer", "result"), counter=True),
    )


async def _fetch(source: Source) -> bytes:
    """Ask the address once. Redirects are not followed: keys come from where the configuration says, or not at all."""
    timeout = aiohttp.ClientTimeout(total=FETCH_S)
    connector = aiohttp.TCPConnector(ssl=source.tls if source.tls is not None else True)
    session = aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
    accepts = {"Accept": "application/json"}
    async with session, session.get(source.url, allow_redirects=False, headers=accepts) as answer:
        if answer.status != 200:
            raise KeySetError(f"was answered with status {answer.status}")
        return await _bounded(answer.content)


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """Read at most one byte more than is allowed; the caller refuses what is too large."""
    data = bytearray()
    async for piece in content.iter_any():
        data += piece
        if len(data) > MAX_BYTES:
            break
    return bytes(data)
