"""From a vendor's host name to a connected socket: one look-up at a time, and the next address where one does not answer.

A look-up that hangs holds one of the few threads that all vendors' look-ups share, so each origin has at most one under way.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final

Address = tuple[int, tuple[object, ...]]
"""Family and socket address."""
LookUp = Callable[[str, int], Awaitable[Sequence[Address]]]

FRESH_S: Final = 5.0
"""How long addresses are used without asking again."""
STALE_S: Final = 300.0
"""How long they are still used where asking again fails; for HTTPS the certificate says whose they are."""
HURRY_S: Final = 1.0
"""How long a new look-up may take before the addresses that are known are used."""
_MAX_ADDRESSES: Final = 8
NEXT_AFTER_S: Final = 0.25
"""When the next address is tried beside one that does not answer (RFC 8305 section 5)."""


def is_address(host: str) -> bool:
    """Say whether a host is an address already."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def look_up(host: str, port: int) -> list[Address]:
    """Ask the system for the addresses of a host; raise `socket.gaierror`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]


class Resolver:
    """The addresses of one host. `ask` is awaited for them and raises OSError where there are none. Times in seconds."""

    def __init__(
        self, host: str, port: int, ask: LookUp = look_up, *, fresh_s: float = FRESH_S, stale_s: float = STALE_S, hurry_s: float = HURRY_S
    ) -> None:
        self._fresh_s = fresh_s
        self._stale_s = stale_s
        self._hurry_s = hurry_s
        self._host = host
        self._port = port
        self._ask = ask
        self._known: Sequence[Address] = ()
        self._asked_at = 0.0
        self._asking: asyncio.Task[None] | None = None

    async def addresses(self) -> Sequence[Address]:
        """Return the addresses, the preferred one first; raise OSError where the host has none."""
        now = asyncio.get_running_loop().time()
        if self._known and now - self._asked_at < self._fresh_s:
            return self._known
        usable = bool(self._known) and now - self._asked_at <= self._stale_s
        asking = self._asking or self._ask_again()
        await asyncio.wait((asking,), timeout=self._hurry_s if usable else None)
        if not usable:
            asking.result()
        return self._known

    def _ask_again(self) -> asyncio.Task[None]:
        asking = self._asking = asyncio.create_task(self._find())
        asking.add_done_callback(self._asked)
        return asking

    async def _find(self) -> None:
        self._known = tuple(dict.fromkeys(await self._ask(self._host, self._port)))[:_MAX_ADDRESSES]
        self._asked_at = asyncio.get_running_loop().time()

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # whoever waited was told; if all have left, nobody needs to be


async def connect_first(addresses: Sequence[Address]) -> socket.socket:
    """Return a socket that is connected to the first address that answers; raise the last OSError where none does."""
    todo, under_way = list(addresses), set[asyncio.Task[socket.socket]]()
    problem: BaseException = OSError("the host has no address")
    try:
        while todo or under_way:
            if todo:
                under_way.add(asyncio.create_task(_connect(*todo.pop(0))))
            done, under_way = await asyncio.wait(under_way, timeout=NEXT_AFTER_S if todo else None, return_when=asyncio.FIRST_COMPLETED)
            connected = [task.result() for task in done if task.exception() is None]
            for surplus in connected[1:]:
                surplus.close()
            if connected:
                return connected[0]
            problem = next((error for task in done if (error := task.exception()) is not None), problem)
    finally:
        for task in under_way:
            task.cancel()
            task.add_done_callback(_close)
    raise problem


async def _connect(family: int, address: tuple[object, ...]) -> socket.socket:
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, address)
    except BaseException:
        plain.close()
        raise
    return plain


def _close(task: asyncio.Task[socket.socket]) -> None:
    """Close a connection that came too late."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
