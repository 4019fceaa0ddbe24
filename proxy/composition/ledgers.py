"""Everything that is counted as evidence, together: usage, scores, proposals, and the metrics that hear of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from proxy.analysis.token_life import TokenLife
from proxy.composition.keeping import retention_s, vendor_facts
from proxy.composition.labelling import known_labels
from proxy.composition.scorekeeping import adopt_rules, make_scores, prediction_rules
from proxy.decision.gate import Clocks
from proxy.evidence.ledger import Ledger
from proxy.evidence.proposals import Proposals
from proxy.evidence.usage import UsageLedger
from proxy.reports.grouping import Question
from proxy.reports.scope_use import ScopeUse
from proxy.settings import Loaded
from proxy.telemetry.labels import KnownLabels, Reading
from proxy.telemetry.recorders import Recorder

if TYPE_CHECKING:
    from proxy.reports.documents import Document, MakeDocument


class Ledgers:
    """The ledgers of one proxy, by the configuration in force."""

    def __init__(self, loaded: Loaded, clocks: Clocks) -> None:
        labels = known_labels(loaded)
        self.usage = UsageLedger(retention_s(loaded))
        self.scores = make_scores(loaded)
        self.proposals = Proposals()
        self.proposals.adopt(prediction_rules(loaded))
        self.all: tuple[Ledger, ...] = (self.usage, self.scores, self.proposals)
        self._scope_use = ScopeUse(vendor_facts(loaded), labels)
        self.usage.on_change = self._scope_use.heard
        self._token_life = TokenLife(clocks, labels)
        self.usage.on_use = self._token_life.heard

    def recorders(self) -> Mapping[str, Recorder]:
        """Return those that hear of every exchange, by name."""
        return {"usage": self.usage, "scores": self.scores, "proposals": self.proposals}

    def know(self, new: Loaded, labels: KnownLabels, now: float) -> None:
        """Count and score by another configuration from now on (seconds since the epoch)."""
        adopt_rules(self.scores, new)
        self.proposals.adopt(prediction_rules(new))
        self.usage.retention_s = retention_s(new)
        self.usage.watch(new.settings.vendors, now)
        self._scope_use.know(vendor_facts(new), labels)
        self._token_life.know(labels)

    def save(self) -> None:
        """Have every row kept as it is now."""
        for ledger in self.all:
            ledger.save()

    def usage_report(self, loaded: Loaded, make: MakeDocument, question: Question, now: float) -> Document:
        """Make a report from the rows of the configured vendors."""
        facts = vendor_facts(loaded)
        return make((row for row in self.usage.kept(now) if row.key.vendor in facts), facts, question, now)

    def score_readings(self, loaded: Callable[[], Loaded]) -> tuple[Reading, ...]:
        """Return the metrics of readiness, for the configuration in force."""
        return self.scores.numbers.readings(lambda: tuple(loaded().settings.vendors), lambda: sorted(known_labels(loaded()).clients))

    def row_readings(self, loaded: Callable[[], Loaded]) -> tuple[Reading, ...]:
        """Return the metrics that are read off the rows of all processes."""
        return (*self.proposals.readings(lambda: tuple(loaded().settings.vendors)), *self._scope_use.readings())

    def token_readings(self) -> tuple[Reading, ...]:
        """Return when apps' tokens end."""
        return self._token_life.readings()
