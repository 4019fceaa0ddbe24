"""One worker: the traffic side of the proxy, without admin listener and store. Its supervisor is at the other end of its link."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from proxy.app import App, StartError
from proxy.composition.carrying import Carried
from proxy.composition.compose import Parts
from proxy.composition.preparing import Prepared, give_up
from proxy.composition.recording import Outlets
from proxy.credentials import Secret
from proxy.knowledge.discovering import Discoveries
from proxy.process.clocks import SystemClocks
from proxy.settings import Loaded, Problems, Settings
from proxy.telemetry.labels import Reading
from proxy.wire.listener import Listener
from proxy.wire.service import Service
from proxy.workers.asked import LOOK, METRICS, SAVE, answer_decisions
from proxy.workers.attention import AttentiveClocks, LearnerInTurns
from proxy.workers.auditing import AuditSender
from proxy.workers.door import SharedListener
from proxy.workers.frames import Frame, Kind, pack_number, unpack_number, unpack_records
from proxy.workers.gathering import UsageTeller
from proxy.workers.journal import Journal
from proxy.workers.link import Link
from proxy.workers.nursery import Equipment
from proxy.workers.proposing import ProposalSender
from proxy.workers.rationing import Rations
from proxy.workers.renewing import PREPARE, Load, Renewal
from proxy.workers.scoring import Scorekeeper
from proxy.workers.shared import Shared, share_of, vendors_of
from proxy.workers.spreading import Spreading
from proxy.workers.totals import encode_totals, totals_of

LOOK_AROUND_S: Final = 0.25
"""How often an idle worker reads the journal, so that it does not fall behind."""
_FLUSH_S: Final = 5.0

log = logging.getLogger("scopegate")


class SupervisorGoneError(Exception):
    """The supervisor was gone before this worker had begun."""


class WorkerApp(App):
    """Serves what comes through the shared door until the supervisor says otherwise, or is gone."""

    def __init__(self, shared: Shared, equipment: Equipment, load: Load) -> None:
        self._shared = shared
        self._number = equipment.number
        self._link = Link(equipment.link, self._take)
        clocks, descriptor = SystemClocks(), equipment.lines if equipment.lines >= 0 else None
        self._audit_sender = AuditSender(self._link.send, clocks.wall)
        outlets = Outlets(self._audit_sender.put, shared.log_key)
        super().__init__(share_of(shared.loaded), descriptor, clocks, outlets=outlets)
        self.on_revision: Callable[[str], None] = lambda _: None
        """Hears of the revision of another configuration, once it is in force."""
        self._renewal = Renewal(lambda disk: _shared_out(load(disk)), self._prepare, self._adopt, self._let_go, self._outdated)
        self._journal = Journal(shared.memory, shared.lock)
        self._fingerprint_secret: Secret | None = None
        self._received: list[bytes] = []
        for name, _ in shared.vendors:
            self._knowledge.of(name, self._loaded.settings.limits.max_known_tokens)
        self._spreading = Spreading(self._journal, shared.vendors, self._knowledge, self._lost, self.note_bug)
        self._rations = Rations(self._spreading)
        self._discoveries = Discoveries(self._rations.schedule)
        usage, scores, proposals = self._ledgers.usage, self._ledgers.scores, self._ledgers.proposals
        scores.sink = Scorekeeper(scores, self._spreading, self._link.send)
        usage.sink = self._usage_teller = UsageTeller(usage, self._link.send)
        proposals.sink = self._proposal_sender = ProposalSender(proposals, self._link.send)
        self._spreading.on_era = self._renewal.heard
        self._configured = b""
        self._known_at = 0
        self._known = asyncio.Event()
        self._asked_to_end = asyncio.Event()
        self._grace_s = self._loaded.settings.limits.shutdown_grace_s
        self._telling = asyncio.Lock()
        self._answering: set[asyncio.Task[None]] = set()

    # --- life

    async def live(self) -> None:
        """Serve until the supervisor asks to end or is gone, then finish what is under way."""
        loop = asyncio.get_running_loop()
        line = loop.create_task(self._link.run())
        line.add_done_callback(lambda _: self._end(self._loaded.settings.limits.shutdown_grace_s))
        known = loop.create_task(self._known.wait())
        await asyncio.wait((line, known), return_when=asyncio.FIRST_COMPLETED)
        if line.done():
            raise SupervisorGoneError
        await self.start()
        if self._configured and not await self._renewal.begin(self._configured):
            raise StartError("the configuration in force cannot be used by this worker")
        self._begin()
        self._look_around()
        self._link.tell(Kind.READY)
        await self._asked_to_end.wait()
        await self._drain()
        self._ledgers.scores.save()
        self._audit_sender.tell_losses()
        await self._tell_numbers()
        self._link.tell(Kind.ENDED, pack_number(self.cut_connections))
        await self._link.flush(_FLUSH_S)

    async def _drain(self) -> None:
        """Finish; a second, shorter grace cuts the first one short."""
        while True:
            self._asked_to_end.clear()
            draining = asyncio.ensure_future(self.stop(self._grace_s))
            again = asyncio.ensure_future(self._asked_to_end.wait())
            await asyncio.wait((draining, again), return_when=asyncio.FIRST_COMPLETED)
            again.cancel()
            if draining.done():
                draining.result()
                return
            draining.cancel()
            await asyncio.wait((draining,))

    def _end(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._asked_to_end.set()

    def _look_around(self) -> None:
        self._spreading.catch_up()
        self._audit_sender.tell_losses()
        asyncio.get_running_loop().call_later(LOOK_AROUND_S, self._look_around)

    # --- how it differs from a proxy of its own

    def _worker_name(self) -> str:
        return str(self._number)

    async def _open_stores(self) -> None:
        """The supervisor keeps what is learned."""

    def _fingerprint_key(self) -> Secret:
        assert self._fingerprint_secret is not None
        return self._fingerprint_secret

    def _parts(self) -> Parts:
        clocks = AttentiveClocks(self._clocks, self._journal, self._spreading.catch_up)
        learner = partial(LearnerInTurns, self._spreading.turn)
        return replace(super()._parts(), gate_clocks=clocks, make_learner=learner, make_sample=self._rations.sample)

    def _make_listener(self, service: Service) -> Listener:
        return SharedListener(service, self.note_bug, self._shared.board, self._number)

    async def _open_listeners(self, settings: Settings, listener: Listener) -> None:  # noqa: ARG002 - the door is opened later
        self._metrics.watch(*self._link.readings(), *self._spreading.readings())

    def _readings_of_all(self) -> tuple[Reading, ...]:
        return ()  # the supervisor follows the same files and has the rows of all, and tells once

    # --- what the supervisor says

    def _take(self, frame: Frame) -> None:
        match frame.kind:
            case Kind.KEY:
                self._fingerprint_secret = Secret(frame.data)
            case Kind.KNOWLEDGE:
                self._received.append(frame.data)
            case Kind.CONFIGURE:
                self._configured = frame.data
            case Kind.KNOWN:
                self._take_all(unpack_number(frame.data)[0])
            case Kind.ACCEPT:
                self._open_door()
            case Kind.ASK:
                task = asyncio.get_running_loop().create_task(self._answer(*unpack_number(frame.data)))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            case Kind.LEAVE:
                self._leave()
            case Kind.DRAIN:
                self._end(unpack_number(frame.data)[0] / 1000)
            case _:
                log.error("the supervisor sent a frame that is not for a worker: %s", frame.kind.name)

    def _leave(self) -> None:
        if self._listener is not None:
            self._listener.announce_end()

    def _take_all(self, place: int) -> None:
        """That was all: take it over now, or when this worker has begun."""
        self._known_at = place
        if self._known.is_set():
            self._begin()
        self._known.set()

    def _begin(self) -> None:
        received, self._received = self._received, []
        self._spreading.begin(self._known_at, [record for batch in received for record in unpack_records(batch)])

    # --- another configuration

    def _carry_over(self, old: Loaded, new: Loaded) -> Carried:
        self._spreading.release()
        carried = super()._carry_over(old, new)
        self._spreading.adopt(vendors_of(new))
        return carried

    def _know(self, new: Loaded) -> None:
        super()._know(new)
        self.on_revision(new.revision)

    async def _let_go(self, prepared: Prepared) -> None:
        await give_up(prepared, self._identity.now)

    def _outdated(self) -> None:
        log.error("a configuration is in force that this worker has not made ready for; it ends and is replaced")
        self._end(self._loaded.settings.limits.shutdown_grace_s)

    def _lost(self) -> None:
        """The journal went on too far: better know nothing than something that no longer holds."""
        self._spreading.forget_all(everywhere=False)
        self._link.tell(Kind.LOST)

    def _open_door(self) -> None:
        listener = self._listener
        if isinstance(listener, SharedListener) and not self._asked_to_end.is_set():
            listener.share(list(self._shared.listening), self._encryption.traffic)
            self._accepting = True

    async def _answer(self, number: int, question: bytes) -> None:
        answer = b"told"
        if question == METRICS:
            await self._tell_numbers()
        elif question == SAVE:
            self._ledgers.scores.save()
            self._usage_teller.tell()
            self._proposal_sender.tell()
        elif question == LOOK:
            self._spreading.catch_up()
        elif question[:1] == PREPARE:
            answer = await self._renewal.make_ready(question[1:])
        else:
            answer = _encoded(lambda: answer_decisions(question, self._recording.recent))
        self._link.tell(Kind.ANSWER, pack_number(number, answer))

    async def _tell_numbers(self) -> None:
        """Tell what was counted so far, one telling after the other, so that numbers never fall."""
        async with self._telling:
            self._usage_teller.tell()
            self._proposal_sender.tell()
            snapshot = self._metrics.snapshot()
            self._link.tell(Kind.NUMBERS, await asyncio.to_thread(_encoded, lambda: encode_totals(totals_of(snapshot))))


def _shared_out(loaded: Loaded | Problems) -> Loaded | Problems:
    return loaded if isinstance(loaded, Problems) else share_of(loaded)


def _encoded(answer: Callable[[], bytes]) -> bytes:
    """Return an answer, or nothing where it cannot be written."""
    try:
        return answer()
    except (TypeError, ValueError):
        return b""
