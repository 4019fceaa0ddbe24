"""The workers as the supervisor sees them: born, told what is known, asked, replaced when they die, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Final

from proxy.credentials import Secret
from proxy.telemetry.labels import Reading
from proxy.workers.board import Board
from proxy.workers.desk import Desk
from proxy.workers.frames import Frame, Kind, pack_number, pack_records, unpack_named, unpack_number
from proxy.workers.link import Link
from proxy.workers.nursery import Born, Equipment, News, Nursery
from proxy.workers.relay import Relay
from proxy.workers.spreading import Spreading
from proxy.workers.tally import Tally

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
STEADY_S: Final = 10.0
"""A worker that lived so long is replaced at once; one that did not is waited for twice as long as the last time."""
KILL_AFTER_S: Final = 3.0
"""How long a worker may take to end beyond the grace before it is killed."""

log = logging.getLogger("scopegate")

RecordHandler = Callable[[int, bytes], None]
"""Takes a record of one kind: the worker's number, and the bytes. Quick; it is called on the event loop."""


class Worker:
    """One place among the workers, and whoever holds it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.link: Link | None = None
        self.pid = 0
        self.ready = False
        self.ended = asyncio.Event()
        self.born_at = 0.0
        self.pause_s = 0.0
        self.restarts = 0
        self.cut = 0


class Crew:
    """All workers. `accept` says whether they may take connections as soon as they are ready."""

    def __init__(
        self, count: int, nursery: Nursery, relay: Relay | None, board: Board, spreading: Spreading, key: Secret, tally: Tally
    ) -> None:
        self.workers = [Worker(number) for number in range(1, count + 1)]
        self.desk = Desk()
        self.handlers: dict[str, RecordHandler] = {}
        self.unhandled = 0
        self.can_replace = True
        self._nursery = nursery
        self._relay = relay
        self._board = board
        self._spreading = spreading
        self._key = key
        self._tally = tally
        self.configuration = b""
        """What workers that are born from now on begin with, where that is another configuration than at the start."""
        self._accepting = False
        self._ending = False
        self._stopping = False
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready_count(self) -> int:
        """How many workers take connections, or could."""
        return sum(worker.ready for worker in self.workers)

    def links(self) -> dict[int, Link]:
        """Return the lines to the workers that serve, by number."""
        return {worker.number: worker.link for worker in self.workers if worker.link is not None and worker.ready}

    # --- beginning

    async def start(self) -> bool:
        """Have every worker born and taught; say whether all are ready. One that dies on the way is not replaced."""
        loop = asyncio.get_running_loop()
        self._nursery.watch(loop, self._hear)
        for worker in self.workers:
            self._fork(worker)
        await self._wait(lambda: all(worker.ready or worker.ended.is_set() for worker in self.workers))
        return self.ready_count == len(self.workers)

    def accept(self) -> None:
        """Let the workers take connections, those to come included."""
        self._accepting = True
        for worker in self.workers:
            self._open_door(worker)

    def _open_door(self, worker: Worker) -> None:
        if worker.ready and worker.link is not None:
            worker.link.tell(Kind.ACCEPT)
            if self._ending:
                worker.link.tell(Kind.LEAVE)

    def _fork(self, worker: Worker) -> None:
        ours, its = socket.socketpair()
        lines = self._relay.open() if self._relay is not None else -1
        try:
            self._nursery.fork(Equipment(worker.number, its, lines))
        except OSError:
            ours.close()
            self._lost_nursery()
            return
        finally:
            its.close()
            if lines >= 0:
                os.close(lines)
        worker.ended = asyncio.Event()
        worker.born_at = asyncio.get_running_loop().time()
        worker.link = Link(ours, lambda frame: self._take(worker, frame))
        self._do(self._attend(worker, worker.link))

    async def _attend(self, worker: Worker, link: Link) -> None:
        """Be at one worker's service until it is gone."""
        line = asyncio.ensure_future(link.run())
        try:
            await link.connected.wait()
            link.tell(Kind.KEY, self._key.reveal())
            if self.configuration:
                await link.tell_slowly(Kind.CONFIGURE, self.configuration)
            await self._teach(link)
            await line
        except ConnectionError:
            await line
        except Exception as bug:
            log.error("the line to worker %d broke: %s", worker.number, type(bug).__name__)
        finally:
            line.cancel()
            link.close()
            await self._gone(worker)

    async def _teach(self, link: Link) -> None:
        """Tell a worker all that is known."""
        place, records = self._spreading.everything()
        for batch in pack_records(records):
            await link.tell_slowly(Kind.KNOWLEDGE, batch)
        await link.tell_slowly(Kind.KNOWN, pack_number(place))

    # --- what workers say

    def _take(self, worker: Worker, frame: Frame) -> None:
        match frame.kind:
            case Kind.READY:
                self._do(self._welcome(worker))
            case Kind.LOST:
                self._tally.resyncs += 1
                if worker.link is not None:
                    self._do(self._teach_again(worker.link))
            case Kind.NUMBERS:
                self._tally.take(worker.number, frame.data)
            case Kind.ANSWER:
                number, answer = unpack_number(frame.data)
                self.desk.answered(number, worker.number, answer)
            case Kind.RECORD:
                self._handle(worker, *unpack_named(frame.data))
            case Kind.ENDED:
                worker.cut = unpack_number(frame.data)[0]
            case _:
                log.error("worker %d sent a frame that is not for a supervisor: %s", worker.number, frame.kind.name)

    async def _welcome(self, worker: Worker) -> None:
        worker.ready = True
        log.info("worker %d is ready, process %d", worker.number, worker.pid)
        if self._accepting:
            self._open_door(worker)
        await self._tell_change()

    async def _teach_again(self, link: Link) -> None:
        with contextlib.suppress(ConnectionError):
            await self._teach(link)

    def _handle(self, worker: Worker, name: str, data: bytes) -> None:
        handler = self.handlers.get(name)
        if handler is None:
            self.unhandled += 1
            return
        try:
            handler(worker.number, data)
        except Exception as bug:
            self.unhandled += 1
            log.error("a record of kind %s could not be taken: %s", name, type(bug).__name__)

    # --- death

    def _hear(self, news: News | None) -> None:
        if news is None:
            self._lost_nursery()
        elif isinstance(news, Born):
            self.workers[news.number - 1].pid = news.pid
        elif not self._stopping:
            log.error("worker %d (process %d) has ended: %s", news.number, news.pid, _cause(news.status))

    def _lost_nursery(self) -> None:
        if self.can_replace and not self._stopping:
            log.error("the process that workers come from is gone: none can be replaced; restart")
        self.can_replace = False

    async def _gone(self, worker: Worker) -> None:
        self._board.leave(worker.number)
        self._tally.retire(worker.number)
        self.desk.left(worker.number)
        was_ready, worker.ready, worker.link = worker.ready, False, None
        worker.ended.set()
        await self._tell_change()
        if not self._stopping and (was_ready or worker.restarts):
            await self._replace(worker)

    async def _replace(self, worker: Worker) -> None:
        lived = asyncio.get_running_loop().time() - worker.born_at
        worker.pause_s = 0.0 if lived > STEADY_S else min(max(2 * worker.pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        await asyncio.sleep(worker.pause_s)
        if self.can_replace and not self._stopping:
            worker.restarts += 1
            self._fork(worker)

    # --- the end

    def announce_end(self) -> None:
        """Have all workers go on, but with connections that are closed after their next answer."""
        self._ending = True
        for link in self.links().values():
            link.tell(Kind.LEAVE)

    async def stop(self, grace_s: float) -> bool:
        """Have all workers finish what is under way within `grace_s` seconds; say whether nothing had to be cut."""
        self._stopping = True
        self._nursery.close_listening()
        present = [worker for worker in self.workers if worker.link is not None]
        for worker in present:
            assert worker.link is not None
            worker.link.tell(Kind.DRAIN, pack_number(int(grace_s * 1000)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s + KILL_AFTER_S):
                for worker in present:
                    await worker.ended.wait()
        for worker in present:
            await self._kill(worker)
        return not self.cut_connections

    async def _kill(self, worker: Worker) -> None:
        if worker.ended.is_set() or not worker.pid:
            return
        log.error("worker %d (process %d) does not end and is killed", worker.number, worker.pid)
        worker.cut += self._board.read(worker.number) or 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await worker.ended.wait()

    def close(self) -> None:
        """Let the nursery end."""
        self._nursery.close(asyncio.get_running_loop())
        for task in self._tasks:
            task.cancel()

    @property
    def cut_connections(self) -> int:
        """How many connections were cut at the end."""
        return sum(worker.cut for worker in self.workers)

    # --- small things

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_change(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _wait(self, holds: Callable[[], bool]) -> None:
        async with self._changed:
            await self._changed.wait_for(holds)

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of the workers themselves."""
        return (
            Reading("scopegate_worker_up", "Whether a worker serves: 1, or 0 while it is missing.", self._up, ("worker",)),
            Reading(
                "scopegate_worker_restarts_total",
                "How often a worker was replaced because it had ended.",
                lambda: {(str(worker.number),): worker.restarts for worker in self.workers},
                ("worker",),
                counter=True,
            ),
            Reading(
                "scopegate_worker_connections",
                "Open connections of apps, by worker.",
                lambda: {(str(worker.number),): self._board.read(worker.number) or 0 for worker in self.workers},
                ("worker",),
            ),
        )

    def _up(self) -> dict[tuple[str, ...], float]:
        return {(str(worker.number),): float(worker.ready) for worker in self.workers}


def _cause(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
