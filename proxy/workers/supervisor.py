"""The supervisor: admin listener, store and the home copy of what is known. It carries no traffic; its workers do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from proxy.admin.backend import KnownToken, ReadyCheck
from proxy.admin.backend import Readiness as Health
from proxy.admin.decisions import Decisions, Members
from proxy.app import App, StartError
from proxy.composition.admin_backend import ProxyBackend
from proxy.composition.carrying import Carried
from proxy.composition.compose import Knowledge
from proxy.composition.preparing import give_up
from proxy.composition.recording import Outlets
from proxy.composition.scorekeeping import Readiness
from proxy.credentials import Fingerprint, Secret
from proxy.decision.gate import Clocks
from proxy.evidence.scores import Scores
from proxy.evidence.usage_rows import decode_row
from proxy.process.clocks import SystemClocks
from proxy.settings import Disk, Loaded, Problems
from proxy.telemetry.exposition import Exposition, process_collectors
from proxy.telemetry.labels import Reading
from proxy.telemetry.metrics import Metrics, Snapshot
from proxy.telemetry.recent import Filter
from proxy.wire.listener import Listener
from proxy.wire.service import Service
from proxy.workers.asked import LOOK, METRICS, SAVE, ask_decision, ask_decisions, merge_decisions
from proxy.workers.attention import AttentiveClocks
from proxy.workers.auditing import EVENT, LOST, take_event, take_losses
from proxy.workers.crew import Crew, RecordHandler
from proxy.workers.door import BACKLOG
from proxy.workers.frames import pack_number
from proxy.workers.gathering import USAGE
from proxy.workers.journal import Journal
from proxy.workers.nursery import Nursery
from proxy.workers.proposing import PROPOSAL, UNRECORDED, take_proposal, take_unrecorded
from proxy.workers.rationing import Rations
from proxy.workers.relay import Relay
from proxy.workers.renewing import ask_all, pack_files
from proxy.workers.scoring import SCORE, Scoreboard
from proxy.workers.shared import Shared, vendors_of
from proxy.workers.spreading import Spreading, Turn
from proxy.workers.tally import Tally

_Ask = Callable[[bytes], Awaitable[Mapping[int, bytes]]]
LOOK_AROUND_S: Final = 0.05
"""How often the supervisor reads the journal: what a crash of the whole machine may lose besides what the store gathers."""


class Supervisor(App):
    """One running proxy of several processes: `start`, then `stop`, as with one. Make it after the nursery was forked."""

    def __init__(self, shared: Shared, nursery: Nursery, log_descriptor: int | None) -> None:
        super().__init__(shared.loaded, None, SystemClocks(), shared.inherited, Outlets(spans=False))  # the workers export theirs
        wanted = log_descriptor is not None and shared.loaded.settings.log.decisions
        self._shared = shared
        self._nursery = nursery
        self._relay = Relay(log_descriptor) if wanted and log_descriptor is not None else None
        self._journal = Journal(shared.memory, shared.lock)
        self._tally = Tally()
        self._key: Secret | None = None
        self._spreading: Spreading | None = None
        self._scoreboard: Scoreboard | None = None
        self._crew: Crew | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._serial = 0
        self._handlers: dict[str, RecordHandler] = {USAGE: lambda _, data: self._ledgers.usage.add(decode_row(data))}
        self.handle(PROPOSAL, partial(take_proposal, self._ledgers.proposals))
        self.handle(UNRECORDED, partial(take_unrecorded, self._ledgers.proposals))
        audit = self._recording.audit
        if audit is not None:
            self.handle(EVENT, partial(take_event, audit))
            self.handle(LOST, partial(take_losses, audit))

    def handle(self, kind: str, handler: RecordHandler) -> None:
        """Have `handler` called with each record that a worker sends as `kind` (see `Link.send`). Call it before `start`."""
        self._handlers[kind] = handler

    # --- life

    async def _open_stores(self) -> None:
        await super()._open_stores()
        for name, _ in self._shared.vendors:
            self._knowledge.of(name, self._loaded.settings.limits.max_known_tokens)
        self._spreading = Spreading(self._journal, self._shared.vendors, self._knowledge, self._lost, self.note_bug)
        self._scoreboard = Scoreboard(self._ledgers.scores, self._spreading)
        Rations(self._spreading)
        self.handle(SCORE, self._scoreboard.take)
        if self._stores.shared is not None:
            self._stores.shared.take_turns(self._spreading.turn)

    def _lost(self) -> None:
        """The journal went on too far: nobody may deny on what this copy could bring back."""
        assert self._spreading is not None
        self._tally.resyncs += 1
        self._spreading.forget_all(everywhere=True)

    def _fingerprint_key(self) -> Secret:
        self._key = self._key or super()._fingerprint_key()
        return self._key

    async def _accept(self, listener: Listener) -> int:  # noqa: ARG002 - the workers do
        assert self._spreading is not None
        crew = self._crew = Crew(
            self._shared.count, self._nursery, self._relay, self._shared.board, self._spreading, self._fingerprint_key(), self._tally
        )
        crew.handlers = self._handlers
        self._metrics.watch(*crew.readings(), *self._tally.readings(), *self._spreading.readings(), *self._own_readings(crew))
        self._look_around()
        if not await crew.start():
            await self.stop(0.0)
            raise StartError("a worker ended while it was starting; what it says is above")
        for listening in self._shared.listening:
            listening.listen(BACKLOG)
        crew.accept()
        return self._shared.port

    def _own_readings(self, crew: Crew) -> tuple[Reading, ...]:
        text = "Questions (scrapes, look-ups) that a worker did not answer in time."
        silent = Reading("scopegate_worker_unanswered_total", text, lambda: {(): crew.desk.unanswered}, counter=True)
        return (silent, *(self._relay.readings() if self._relay is not None else ()))

    def _look_around(self) -> None:
        assert self._spreading is not None
        self._spreading.catch_up()
        self._timer = asyncio.get_running_loop().call_later(LOOK_AROUND_S, self._look_around)

    async def stop(self, grace_s: float | None = None) -> bool:
        """Have the workers finish within `grace_s` seconds (default: the setting), and close. Return whether all finished."""
        self._accepting = False
        if grace_s is None:
            await self._take_leave()
        for listening in self._shared.listening:
            listening.close()
        crew, finished = self._crew, True
        if crew is not None:
            finished = await crew.stop(self._loaded.settings.limits.shutdown_grace_s if grace_s is None else grace_s)
            crew.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._spreading is not None:
            self._spreading.catch_up()
        if self._relay is not None:
            await asyncio.to_thread(self._relay.close)
        return await super().stop(0.0) and finished

    # --- another configuration

    async def take_over(self, new: Loaded, disk: Disk) -> Problems | None:
        """Have all workers make ready, then put it in force everywhere by one note; or say what keeps it from that."""
        assert self._crew is not None
        prepared = await self._prepare(new)
        if isinstance(prepared, Problems):
            return prepared
        files, links = pack_files(disk), self._crew.links()
        self._serial += 1
        refused = await ask_all(partial(self._crew.desk.ask, links=links), self._serial, files, len(links), new)
        if refused is not None:
            await give_up(prepared, self._identity.now)
            return refused
        self._adopt(prepared)
        self._crew.configuration = pack_number(self._serial, files)
        await self._ask(LOOK)  # once this is answered, nobody begins anything by the old one
        return None

    def _carry_over(self, old: Loaded, new: Loaded) -> Carried:
        spreading = self._spreading
        assert spreading is not None
        with spreading.turn():
            spreading.begin_era(pack_number(self._serial))
            spreading.release()
            carried = super()._carry_over(old, new)
            spreading.adopt(vendors_of(new))
        return carried

    def _announce_end(self, listener: Listener) -> None:  # noqa: ARG002 - the workers have the connections
        if self._crew is not None:
            self._crew.announce_end()

    @property
    def cut_connections(self) -> int:
        """How many connections `stop` cut because their requests did not end in time."""
        return 0 if self._crew is None else self._crew.cut_connections

    # --- what the admin listener asks

    def _checks(self) -> Mapping[str, ReadyCheck]:
        return {**super()._checks(), "workers": self._workers_readiness}

    def _workers_readiness(self) -> Health:
        crew, wanted = self._crew, self._shared.count
        present = 0 if crew is None else crew.ready_count
        if crew is not None and not crew.can_replace:
            return Health(present > 0, f"{present} of {wanted} workers serve, and none can be replaced; restart", degraded=True)
        if present == wanted:
            return Health(True)
        return Health(present > 0, f"{present} of {wanted} workers serve", degraded=True)

    def _backend(self, listener: Listener) -> ProxyBackend:
        assert self._spreading is not None
        clocks = AttentiveClocks(self._clocks, self._journal, self._spreading.catch_up)
        return BackendInTurns(self._spreading.turn, lambda: listener.service, self._knowledge, clocks, self._checks())

    def _decisions(self) -> Decisions:
        return CrewDecisions(self._ask)

    def _readiness(self) -> Readiness:
        assert self._scoreboard is not None
        return CrewReadiness(self._ledgers.scores, lambda: self._loaded, self._clocks, self._ask, self._scoreboard)

    def _exposition(self) -> Exposition:
        return CrewExposition(self._metrics, self._together)

    async def _gather(self) -> None:
        await self._ask(SAVE)

    async def _ask(self, question: bytes) -> Mapping[int, bytes]:
        return {} if self._crew is None else await self._crew.desk.ask(question, self._crew.links())

    async def _together(self) -> Snapshot:
        await self._ask(METRICS)
        return self._tally.page(self._metrics.snapshot())


class BackendInTurns(ProxyBackend):
    """Answers the admin API from the home copy; what it changes, changes everywhere before it answers."""

    def __init__(
        self, turn: Turn, service: Callable[[], Service], knowledge: Knowledge, clocks: Clocks, checks: Mapping[str, ReadyCheck]
    ) -> None:
        super().__init__(service, knowledge, clocks, checks)
        self._turn = turn

    def grants(self) -> Iterable[KnownToken]:
        """Yield everything known about tokens, the most recently learned first within each vendor."""
        self.now()  # looks around
        return super().grants()

    def forget(self, fingerprint: Fingerprint) -> bool:
        """Forget one token; say whether it was known."""
        with self._turn():
            return super().forget(fingerprint)

    def forget_all(self, vendor: str) -> int:
        """Forget every token of a configured vendor; return how many were known."""
        with self._turn():
            return super().forget_all(vendor)

    def recheck(self, fingerprint: Fingerprint) -> int | None:
        """Make every lack of a token that an administrator can end due at once; return how many, None where nothing is known."""
        with self._turn():
            return super().recheck(fingerprint)


class CrewDecisions:
    """Recent decisions of all workers."""

    def __init__(self, ask: _Ask) -> None:
        self._ask = ask

    async def find(self, wanted: Filter, limit: int) -> tuple[Sequence[Members], int]:
        """Return at most `limit` decisions that match, the newest first, and how many are remembered in all."""
        answers = await self._ask(ask_decisions(wanted, limit))
        return merge_decisions(answers.values(), limit)

    async def get(self, decision_id: str) -> Members | None:
        """Return the decision with this id, or None where it is unknown or too long ago."""
        answers = await self._ask(ask_decision(decision_id))
        found, _ = merge_decisions(answers.values(), 1)
        return found[0] if found else None


class CrewReadiness(Readiness):
    """What all workers have scored."""

    def __init__(self, scores: Scores, loaded: Callable[[], Loaded], clocks: Clocks, ask: _Ask, board: Scoreboard) -> None:
        super().__init__(scores, loaded, clocks)
        self._ask = ask
        self._board = board

    async def refresh(self) -> None:
        """Collect what the workers have scored."""
        await self._ask(SAVE)
        self._board.catch_up()

    def lift(self, vendor: str, operation: str) -> bool:
        """Enforce an operation again in all workers; say whether it had been put back to shadow."""
        self._board.catch_up()
        lifted = super().lift(vendor, operation)
        if lifted:
            self._board.lifted(vendor, operation)
        return lifted


class CrewExposition(Exposition):
    """Scrapes of all processes together."""

    def __init__(self, metrics: Metrics, snapshot: Callable[[], Awaitable[Snapshot]]) -> None:
        super().__init__(metrics, process_collectors)
        self._collect = snapshot

    async def _snapshot(self) -> Snapshot:
        """Return the numbers of all processes together."""
        return await self._collect()
