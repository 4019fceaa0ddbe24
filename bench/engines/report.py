"""The table of a run: CPU of one decision, and how many times ours that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.performance.publishing import PAGE, between
from bench.performance.results import Run
from bench.performance.summary import Summary
from bench.performance.tables import head, number, ratio, table

PERMIT, DENY, FIGURE = "permit", "deny", "cpu_ns"
PREDICT, GATE = "predict", "gate-first"
MARK: Final = "engines"


def document(run: Run) -> str:
    """Return the tables of a run, with what it was made on."""
    summary = Summary(run.readings)
    titles = [word for kind in (PERMIT, DENY) for word in (f"{kind}: CPU µs", "times `predict`", "times the gate, first request")]
    figures = ([_name(run, peer), *_cells(summary, peer)] for peer in run.about.peers)
    did = ([_name(run, peer), facts["version"], facts["does"]] for peer, facts in run.about.peers.items())
    return "\n".join([head(run.about), table(["", *titles], figures), table(("", "version", "did"), did).replace("---:", "---")])


def _name(run: Run, peer: str) -> str:
    return run.about.peers[peer]["title"]


def _cells(summary: Summary, peer: str) -> Iterator[str]:
    for kind in (PERMIT, DENY):
        taken = summary.median(kind, peer, FIGURE)
        yield number(None if taken is None else taken / 1000)
        yield ratio(summary.ratio(kind, peer, PREDICT, FIGURE))
        yield ratio(summary.ratio(kind, peer, GATE, FIGURE))


def publish(run: Run, root: Path) -> None:
    """Write the tables into the page."""
    page = root / PAGE
    page.write_text(between(page.read_text(encoding="utf-8"), document(run), MARK), encoding="utf-8")
