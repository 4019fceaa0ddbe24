"""`scopegate report readiness`: gets the document from a running proxy or from a store, and writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proxy.analysis.readiness import Wanted as Part
from proxy.cli.reporting import Members, stored_rows, write_report
from proxy.composition.scorekeeping import Readiness, make_scores
from proxy.process.clocks import SystemClocks
from proxy.reports.catalogue import READINESS
from proxy.settings import Loaded
from proxy.stores.pending import SCORE


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; "" is everything."""

    file: Path | None
    admin: str | None
    vendor: str
    client: str
    output_format: str
    output: Path | None

    def parameters(self) -> dict[str, str]:
        """Return it as the admin API takes it."""
        return {name: value for name, value in {"vendor": self.vendor, "client": self.client}.items() if value}


def report(wanted: Wanted, *, fail: bool) -> int:
    """Write the report. `fail`: exit with 3 where something is not ready."""

    def from_store(loaded: Loaded) -> Members:
        scores = make_scores(loaded)
        scores.restore(stored_rows(loaded, SCORE, scores.decode))
        return Readiness(scores, lambda: loaded, SystemClocks()).report(Part(wanted.vendor, wanted.client))

    return write_report(READINESS, "readiness", wanted, from_store, fail=fail)
