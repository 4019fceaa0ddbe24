"""How a worker keeps to what all workers know: it looks before it decides, and learns in turns."""

from __future__ import annotations

from collections.abc import Callable

from proxy.credentials import Fingerprint, Fingerprinter
from proxy.decision.gate import Clocks
from proxy.grants import GrantStore, Knowledge
from proxy.knowledge.learning import Learner, Moment, proven_by
from proxy.knowledge.memory import VendorMemory
from proxy.model import Deny, Prediction, Resources, Source
from proxy.vendors.facts import Fact, Issued
from proxy.workers.journal import Journal
from proxy.workers.spreading import Turn


class AttentiveClocks:
    """Clocks whose present includes what others have learned: the gate asks for the time before it looks anything up.

    So nothing is decided on less than all workers know, at the price of one comparison.
    """

    def __init__(self, clocks: Clocks, journal: Journal, catch_up: Callable[[], None]) -> None:
        self._clocks = clocks
        self._journal = journal
        self._catch_up = catch_up

    def now(self) -> float:
        """Return seconds of a clock that never jumps; what others learned until now is known."""
        if self._journal.behind:
            self._catch_up()
        return self._clocks.now()

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return self._clocks.wall()


class LearnerInTurns(Learner):
    """Learns while no other process does, so that each lesson rests on all before it."""

    def __init__(
        self,
        turn: Turn,
        vendor: str,
        store: GrantStore,
        memory: VendorMemory,
        fingerprint: Fingerprinter,
        *,
        lifetime: float,
        recheck: float,
    ) -> None:
        super().__init__(vendor, store, memory, fingerprint, lifetime=lifetime, recheck=recheck)
        self._turn = turn

    def apply(self, fact: Fact, token: Fingerprint | None, moment: Moment) -> None:
        """Apply one fact; `token` is the fingerprint of the request's own token."""
        with self._turn():
            super().apply(fact, token, moment)

    def issue(self, fact: Issued, moment: Moment) -> Knowledge:
        """Keep what is known about a new token. What a token says of itself does not replace what another worker has just learned."""
        with self._turn():
            known = self._known(fact, moment) if fact.source is Source.TOKEN_CLAIM else None
            return known or super().issue(fact, moment)

    def discovered(self, fact: Issued, token: Fingerprint, moment: Moment) -> bool:
        """Keep what the vendor told when it was asked about `token`; False where that is known by now, or it is about another token."""
        with self._turn():
            return super().discovered(fact, token, moment)

    def _known(self, fact: Issued, moment: Moment) -> Knowledge | None:
        return self._store.get(self._fingerprint(self._vendor, fact.token), moment.now)

    def take_recheck(self, known: Knowledge, token: Fingerprint, denied: Deny, moment: Moment) -> bool:  # noqa: ARG002 - it may be out of date
        """Say whether this denied request may be sent to find out if the account was fixed; of all workers, one at a time."""
        with self._turn():
            present = self._store.get(token, moment.now)
            return present is not None and super().take_recheck(present, token, denied, moment)

    def accepted(self, prediction: Prediction, resources: Resources, token: Fingerprint, moment: Moment) -> None:
        """The vendor accepted the request: keep what that proves, and drop a lack that it disproves."""
        if proven_by(prediction):
            with self._turn():
                super().accepted(prediction, resources, token, moment)
