"""What a decision costs as the catalogue and the number of known tokens grow: the gate of the product, in this process.

    make growth

Every combination is measured in every round, in another order each time. A first request has a path and a connection that were
not seen before, and nothing is remembered of its token; a repeated one has come on its connection twice already.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, Final

from bench.curves import Line, Panel, draw
from bench.gates import FINGERPRINTER, VENDOR, Ask, make_gate, make_head, path_of
from bench.performance.machine import about
from bench.performance.peers import ROOT
from bench.performance.publishing import PAGE, between
from bench.performance.results import CROWDED, Reading, Run, lines
from bench.performance.summary import Summary
from bench.performance.tables import head, number, ratio, table
from proxy.catalogs.catalog import Catalog, compile_catalog
from proxy.credentials import Secret
from proxy.grants import NEVER, GrantStore, Knowledge
from proxy.knowledge.sharing import Sharing
from proxy.model import Grants, OneOf, Operation, Source
from proxy.process.running import settle_memory
from proxy.protocol.headers import RequestHead
from proxy.telemetry.exchange import Decision

ROUTES: Final = (5, 500, 50_000)
TOKENS: Final = (1, 10_000, 1_000_000)
FIRST, AGAIN, FIGURE, STEPS = "first", "again", "cpu_ns", "instructions"
KINDS: Final = {FIRST: "First request", AGAIN: "Repeated request"}
ROUNDS: Final = 9
REQUESTS: Final = 2_048
CONNECTIONS: Final = 256
"""So many connections repeat their request in turn."""
SCOPES: Final = ("ReadAccounts", "ReadCallLog", "ReadCallRecording", "ReadMessages", "ReadPresence")
RESULTS: Final = ROOT / "bench" / "results" / "growth.jsonl"
PICTURE: Final = Path("docs/pictures/growth.svg")


# --- what grows ------------------------------------------------------------------------------------------


def make_catalog(routes: int) -> Catalog:
    """Return a catalogue of so many operations, all of the same depth, each of which needs one of five scopes."""
    return compile_catalog(VENDOR, (_operation(index) for index in range(routes)))


def _operation(index: int) -> Operation:
    route = f"/restapi/v1.0/account/{{accountId}}/area-{index // 250}/thing-{index}/{{id}}"
    return Operation(VENDOR, f"readThing{index}", "GET", route, OneOf(((SCOPES[index % len(SCOPES)],),)))


def token(index: int) -> str:
    """Return an access token by its number."""
    return f"token-{index}"


def make_store(tokens: int) -> GrantStore:
    """Return a store that knows so many tokens, as after their logins."""
    store, share = GrantStore(tokens), Sharing[Grants]()
    for index in range(tokens):
        grants = share(Grants(frozenset(SCOPES), complete=True))
        fingerprint = FINGERPRINTER(VENDOR, Secret(token(index)))
        store.put(fingerprint, Knowledge(grants, Source.TOKEN_RESPONSE, 0.0, NEVER, f"user-{index}@example.com"))
    return store


# --- requests --------------------------------------------------------------------------------------------

Question = tuple[bytes, RequestHead, dict[object, object]]
"""A target, the header fields, and what is remembered of the token."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One size of the catalogue with one number of known tokens."""

    routes: int
    tokens: int
    catalog: Catalog
    store: GrantStore
    ask: Ask

    @property
    def name(self) -> str:
        """What its readings are called."""
        return name(self.routes, self.tokens)

    def question(self, chance: random.Random, serial: int, repeats: bool = False) -> Question:
        """Return a request to any operation with any token; another `serial` makes it one that was not seen before."""
        route, known = chance.choice(self.catalog.operations).route, token(chance.randrange(self.tokens))
        entry = self.store.get(FINGERPRINTER(VENDOR, Secret(known)), 0.0)
        assert entry is not None
        return path_of(route, str(10_000_000 + serial)), make_head(known, repeats), entry.memo


def name(routes: int, tokens: int) -> str:
    """Return what the readings of one combination are called."""
    return f"{routes}x{tokens}"


def first_ns(cell: Cell, chance: random.Random, serials: Iterator[int]) -> float:
    """Return CPU nanoseconds per request that was not seen before."""
    questions = [cell.question(chance, next(serials)) for _ in range(REQUESTS)]
    ask = cell.ask
    began = time.process_time_ns()
    for target, fields, memo in questions:
        memo.clear()
        ask("GET", target, fields)
    return (time.process_time_ns() - began) / REQUESTS


def again_ns(cell: Cell, chance: random.Random, serials: Iterator[int]) -> float:
    """Return CPU nanoseconds per request that came on its connection before."""
    questions = [cell.question(chance, next(serials), repeats=True) for _ in range(CONNECTIONS)]
    for target, fields, _ in questions * 2:
        assert cell.ask("GET", target, fields).decision is Decision.PERMIT
    ask, turns = cell.ask, questions * (REQUESTS // CONNECTIONS)
    began = time.process_time_ns()
    for target, fields, _ in turns:
        ask("GET", target, fields)
    return (time.process_time_ns() - began) / len(turns)


def instructions(cell: Cell, kind: str, chance: random.Random, serials: Iterator[int]) -> int:
    """Return how many instructions the interpreter takes for a request: the same on any machine, whatever else it does."""
    target, fields, memo = cell.question(chance, next(serials), repeats=kind == AGAIN)
    for _ in range(2 if kind == AGAIN else 0):
        cell.ask("GET", target, fields)
    if kind == FIRST:
        memo.clear()
    return counted(lambda: cell.ask("GET", target, fields))


def counted(work: Callable[[], object]) -> int:
    """Return how many instructions of the interpreter `work` takes."""
    taken, before = [0], sys.gettrace()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        frame.f_trace_opcodes = True
        taken[0] += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return taken[0]


MEASURED: Final = {FIRST: first_ns, AGAIN: again_ns}


def make_cells(routes: Sequence[int], tokens: Sequence[int]) -> list[Cell]:
    """Return all combinations; what has the same size is the same."""
    catalogs = {size: make_catalog(size) for size in routes}
    stores = {size: make_store(size) for size in tokens}
    return [Cell(few, many, catalogs[few], stores[many], make_gate(catalogs[few], stores[many]).open) for few in routes for many in tokens]


def readings(cells: Sequence[Cell], rounds: int) -> Iterator[Reading]:
    """Measure every combination in every round, after a round that warms up and does not count."""
    chance, serials = random.Random(1), count()
    for turn in range(rounds + 1):
        for kind, cell in chance.sample([(kind, cell) for kind in KINDS for cell in cells], k=len(KINDS) * len(cells)):
            taken = MEASURED[kind](cell, chance, serials)
            if turn:
                yield Reading(kind, cell.name, turn, {FIGURE: round(taken, 1), STEPS: instructions(cell, kind, chance, serials)})


# --- report ----------------------------------------------------------------------------------------------


def document(run: Run) -> str:
    """Return the table of a run, with what it was made on."""
    summary = Summary(run.readings)
    titles = [word for title in KINDS.values() for word in (f"{title.lower()}: CPU µs", "to the first row", "instructions")]
    rows = ([f"{routes:,}", f"{tokens:,}", *_cells(summary, name(routes, tokens))] for routes in ROUTES for tokens in TOKENS)
    return f"{head(run.about)}\n{table(('routes', 'tokens known', *titles), rows)}"


def _cells(summary: Summary, cell: str) -> Iterator[str]:
    for kind in KINDS:
        taken = summary.median(kind, cell, FIGURE)
        yield number(None if taken is None else taken / 1000, 2)
        yield ratio(summary.ratio(kind, cell, name(ROUTES[0], TOKENS[0]), FIGURE))
        yield number(summary.median(kind, cell, STEPS), 0)


def picture(run: Run) -> str:
    """Return the plot of a run."""
    summary = Summary(run.readings)
    panels = [Panel(title, [_line(summary, kind, routes) for routes in ROUTES]) for kind, title in KINDS.items()]
    crowded = "; the machine had other work, so figures wander" if run.about.busy > CROWDED else ""
    title = "What a decision costs, by tokens known and size of the catalogue"
    return draw(title, "tokens known", [f"{tokens:,}" for tokens in TOKENS], panels, f"{run.about.began}; {run.about.machine}{crowded}")


def _line(summary: Summary, kind: str, routes: int) -> Line:
    taken = (summary.median(kind, name(routes, tokens), FIGURE) for tokens in TOKENS)
    return Line(f"{routes:,} routes", [0.0 if value is None else value / 1000 for value in taken])


def publish(run: Run, root: Path) -> None:
    """Write the table into the page, and the plot."""
    page = root / PAGE
    page.write_text(between(page.read_text(encoding="utf-8"), document(run), "growth"), encoding="utf-8")
    (root / PICTURE).write_text(picture(run), encoding="utf-8")


def main() -> int:
    """Measure, keep the readings, write the table and the plot."""
    began = time.monotonic()
    seen = replace(about((), ()), command="make growth", tools={})
    cells = make_cells(ROUTES, TOKENS)
    settle_memory()
    run = Run(seen, list(readings(cells, ROUNDS)))
    run = replace(run, about=replace(seen, seconds=round(time.monotonic() - began)))
    RESULTS.write_text("".join(f"{line}\n" for line in lines(run)), encoding="utf-8")
    publish(run, ROOT)
    print(document(run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
