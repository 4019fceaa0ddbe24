"""From a running server to its end: the first SIGTERM or SIGINT asks for it, the second one insists."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from proxy.cli.output import complain

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Counts the stop signals of this process from here on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.asked = asyncio.Event()
        self.insisted = asyncio.Event()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._receive)

    def _receive(self) -> None:
        (self.insisted if self.asked.is_set() else self.asked).set()


class Stoppable(Protocol):
    """A server that can finish what it is doing, or be cut short."""

    @property
    def cut_connections(self) -> int:
        """How many connections `stop` cut because their requests did not end in time."""

    async def stop(self, grace_s: float | None = None) -> bool:
        """Finish what is in flight within `grace_s` seconds (None: as configured); say whether all finished."""


async def drain(server: Stoppable, signals: StopSignals) -> None:
    """Stop `server` in an orderly way, or at once when a second signal comes; say where requests had to be cut."""
    finished = await until_done(server.stop, signals.insisted)
    if finished is None:
        finished = await server.stop(0.0)
    if finished:
        complain("stopped; every request was finished")
    else:
        complain(
            f'stopped; {server.cut_connections} connection(s) with a request under way were cut (fault "shutdown" in the decision log)'
        )


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_done(work: Callable[[], Awaitable[bool]], interruption: asyncio.Event) -> bool | None:
    """Return what `work` returns; None where `interruption` came first."""
    working = asyncio.ensure_future(work())
    waiting = asyncio.ensure_future(interruption.wait())
    await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait((working,))
    return None
