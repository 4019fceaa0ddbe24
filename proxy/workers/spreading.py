"""What one process learns, all know: changes of its stores go into the journal, and those of others come out of it.

All changes have one order, that of the journal. Whoever learns takes its `turn`: it reads what others wrote, changes its own
memory, and writes that down, while nobody else can. So a change always rests on all changes before it, and every process comes
to know the same. What ends by itself (life times, evictions) ends in each process by itself and is not written down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain
from typing import Final, cast

from proxy.composition.compose import Knowledge
from proxy.credentials import Fingerprint
from proxy.grants import NOBODY, GrantStore
from proxy.grants import Knowledge as TokenKnowledge
from proxy.knowledge.memory import UserRecord, VendorMemory
from proxy.model import RefusalTemplate
from proxy.stores.fanout import Fanout, KnowledgeObserver
from proxy.telemetry.labels import Reading
from proxy.workers.changes import Reader, RecordError, Writer, note, read_change
from proxy.workers.journal import Journal, TooLongError

_ERA: Final = "era"
_NEW_ERA: Final = note(_ERA, b"")
Turn = Callable[[], AbstractContextManager[None]]
"""Within it this process alone changes knowledge, and knows all that others do."""


class Spreading:
    """Ties one process's knowledge to the journal.

    `vendors`: name and basis, in the order of the configuration. `on_lost` is called when the journal went on too far to follow;
    `on_bug` is told of exceptions that are ours.
    """

    def __init__(
        self,
        journal: Journal,
        vendors: Sequence[tuple[str, str]],
        knowledge: Knowledge,
        on_lost: Callable[[], None],
        on_bug: Callable[[BaseException], None],
    ) -> None:
        self._journal = journal
        self._knowledge = knowledge
        self._notes: dict[str, Callable[[bytes], None]] = {}
        self._voices: dict[str, Voice] = {}
        self._fanouts: dict[str, Fanout] = {}
        self.adopt(vendors)
        self.era = b""
        """Tells which configuration is in force, once it is another one than at the start."""
        self.on_era: Callable[[bytes], None] = lambda _: None
        """Called between the change before and the change after another configuration came into force; it may call `adopt`."""
        self._on_lost = on_lost
        self._on_bug = on_bug
        self._unwritten = 0
        self._more: list[Callable[[], Iterable[bytes]]] = []

    def release(self) -> None:
        """Write nothing down for now: knowledge is made that of another configuration, which each process does for itself."""
        for name, voice in self._voices.items():
            self._fanouts[name].remove(voice)
        self._voices = {}

    def adopt(self, vendors: Sequence[tuple[str, str]]) -> None:
        """Write and read from now on by these vendors: name and basis, in the order of the configuration."""
        knowledge = self._knowledge
        self._reader = Reader(vendors, knowledge.stores, knowledge.memories, self._notes)
        self._voices = {
            name: Voice(Writer(number, basis), knowledge.stores[name], knowledge.memories[name], self.say)
            for number, (name, basis) in enumerate(vendors)
        }
        self._fanouts = {name: _attach(knowledge, name, voice) for name, voice in self._voices.items()}

    def begin_era(self, data: bytes) -> None:
        """Tell all that another configuration is in force. Call it in a turn, and `adopt` in the same one."""
        self.era = data
        self.note(_ERA, data)

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of what is written down."""
        text = "Changes of knowledge that were too long to be shared."
        return (Reading("scopegate_worker_unwritten_total", text, lambda: {(): self._unwritten}, counter=True),)

    # --- speaking

    def say(self, record: bytes, instead: bytes | None = None) -> None:
        """Write a record; where it is too long, the one that takes its place, if any."""
        try:
            self._journal.append(record)
        except TooLongError:
            self._unwritten += 1
            if instead is not None:
                self._journal.append(instead)

    def note(self, name: str, data: bytes) -> None:
        """Tell all other processes something; each hears of it before it decides its next request."""
        self.say(note(name, data))

    def on_note(self, name: str, handler: Callable[[bytes], None]) -> None:
        """Have `handler` called with each note of that name that another process tells."""
        self._notes[name] = handler

    def always_tell(self, records: Callable[[], Iterable[bytes]]) -> None:
        """Have those who begin told these records too."""
        self._more.append(records)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let nobody else change knowledge; begin with knowing all that others do. Nothing may be awaited within."""
        with self._journal.held():
            self.catch_up()
            yield

    # --- listening

    def catch_up(self) -> None:
        """Make the changes that others have made. Never raises."""
        if not self._journal.behind:
            return
        records = self._journal.read()
        if records is None:
            self._on_lost()
        else:
            self.make(records)

    def make(self, records: Sequence[bytes]) -> None:
        """Make the changes that records tell of, without telling them again."""
        begun = 0
        for place, record in enumerate(records):
            if record.startswith(_NEW_ERA):
                self._make_all(records[begun:place])
                self.on_era(record[len(_NEW_ERA) :])
                begun = place + 1
        self._make_all(records[begun:])

    def _make_all(self, records: Sequence[bytes]) -> None:
        with ExitStack() as silent:
            for name, voice in self._voices.items():
                silent.enter_context(self._fanouts[name].without(voice))
            for record in records:
                self._make(record)
        for voice in self._voices.values():
            voice.go_on()

    def _make(self, record: bytes) -> None:
        try:
            self._reader.make(read_change(record))
        except RecordError as bug:  # written by this very program, so it is ours
            self._on_bug(bug)

    # --- beginning

    def everything(self) -> tuple[int, Iterator[bytes]]:
        """Return a place in the journal, and all that is known there as records; they are written as they are asked for."""
        self.catch_up()
        told: list[Iterable[bytes]] = [[_NEW_ERA + self.era]] if self.era else []
        told += [voice.everything() for voice in self._voices.values()]
        told += [list(more()) for more in self._more]
        return self._journal.read_to, chain.from_iterable(told)

    def begin(self, place: int, records: Sequence[bytes]) -> None:
        """Take over what another knew at `place`, and go on from there."""
        self.make(records)
        self._journal.read_to = place
        self.catch_up()

    def forget_all(self, *, everywhere: bool) -> None:
        """Forget what is known about tokens, here or in all processes."""
        for name, store in self._knowledge.stores.items():
            with ExitStack() as silent:
                if not everywhere:
                    silent.enter_context(self._fanouts[name].without(self._voices[name]))
                store.clear()


class Voice:
    """Writes down what happens to one vendor's knowledge here, except what happens everywhere by itself."""

    def __init__(self, writer: Writer, store: GrantStore, memory: VendorMemory, say: Callable[[bytes, bytes | None], None]) -> None:
        self._writer = writer
        self._store = store
        self._memory = memory
        self._say = say
        self._ended = _ended_by_itself(store)

    def go_on(self) -> None:
        """Listen again after changes that were made in silence: what they evicted was not heard of."""
        self._ended = _ended_by_itself(self._store)

    def kept(self, fingerprint: Fingerprint, knowledge: TokenKnowledge) -> None:
        """Tell what is known about a token."""
        self._say(self._writer.kept(fingerprint, knowledge), self._writer.gone(fingerprint))

    def tied(self, fingerprint: Fingerprint, chain: str) -> None:
        """Tell which chain a token belongs to."""
        self._say(self._writer.tied(fingerprint, chain), None)

    def untied(self, fingerprint: Fingerprint) -> None:
        """Say nothing: a tie is given up only where there are too many, and each process counts its own."""

    def gone(self, fingerprint: Fingerprint) -> None:
        """Tell that a token was forgotten; not that it ended or was evicted, which the store has counted by now."""
        ended, self._ended = self._ended, _ended_by_itself(self._store)
        if ended == self._ended:
            self._say(self._writer.gone(fingerprint), None)

    def cleared(self) -> None:
        """Tell that everything was forgotten."""
        self._say(self._writer.cleared(), None)

    def shape_kept(self, variant: str, template: RefusalTemplate) -> None:
        """Tell the shape of a refusal."""
        self._tell(self._writer.shape(variant, template))

    def user_kept(self, user_id: str, record: UserRecord) -> None:
        """Tell what is known of a user."""
        self._tell(self._writer.user(user_id, record))

    def user_gone(self, user_id: str) -> None:
        """Say nothing: a user is forgotten only where there are too many."""

    def _tell(self, record: bytes | None) -> None:
        if record is not None:
            self._say(record, None)

    def everything(self) -> Iterator[bytes]:
        """Return all that is known about this vendor as records."""
        return self._writer.everything(self._store, self._memory)


def _ended_by_itself(store: GrantStore) -> int:
    return store.expirations + store.evictions


def _attach(knowledge: Knowledge, name: str, voice: Voice) -> Fanout:
    """Let `voice` hear of what happens to a vendor's knowledge, besides whoever hears of it already."""
    store, memory = knowledge.stores[name], knowledge.memories[name]
    present = store.observer
    fanout = present if isinstance(present, Fanout) else Fanout()
    if fanout is not present and present is not NOBODY:
        fanout.add(cast("KnowledgeObserver", present))  # a store and its memory are observed by the same
    fanout.add(voice)
    store.observer = memory.observer = fanout
    return fanout
