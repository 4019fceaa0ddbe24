"""Gives every engine the operations of RingCentral's catalogue, checks that all decide alike, and measures them in turn."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from itertools import cycle, islice
from typing import Final, NamedTuple

from bench.engines.peers import Again, Casbin, Cedar, CedarGiven, Engine, First, Predict, Rego, RegoQuery
from bench.engines.report import DENY, FIGURE, GATE, PERMIT, PREDICT, document, publish
from bench.engines.rules import Case, make_cases, make_rules
from bench.performance.machine import about
from bench.performance.peers import ROOT
from bench.performance.results import Reading, Run, lines
from proxy import __version__
from proxy.catalogs.catalog import Catalog
from proxy.process.running import settle_memory
from proxy.settings.load import load_catalog
from proxy.settings.problems import Problems

CATALOG: Final = ROOT / "config" / "catalogs" / "ringcentral.yaml"
RESULTS: Final = ROOT / "bench" / "results" / "engines.jsonl"
CASES: Final = 64
ROUNDS: Final = 9
TURN_NS: Final = 30_000_000
"""CPU time for which an engine decides in each round, at least once."""
MOST: Final = 4_096


class Row(NamedTuple):
    """One engine, with a word on what it does."""

    title: str
    version: str
    does: str
    engine: Engine


def make_rows(catalog: Catalog, cases: Sequence[Case]) -> dict[str, Row]:
    """Return all engines, ready."""
    rules = make_rules(catalog)
    cedar, pycasbin, rego = version("cedarpy"), version("casbin"), version("regopy")
    whole = "the whole decision: canonical target, operation, token, knowledge, prediction, policy, and the answer that explains a denial"
    return {
        PREDICT: Row("Scopegate, `predict`", __version__, "the pure function alone, nothing remembered; interpreted", Predict()),
        GATE: Row("Scopegate, gate, first request", __version__, f"{whole}; nothing remembered; interpreted", First(catalog, cases)),
        "gate-again": Row(
            "Scopegate, gate, repeated", __version__, "the same for a request that repeats; interpreted", Again(catalog, cases)
        ),
        "cedar": Row("Cedar", cedar, "a policy for each set of scopes; policies and all tokens parsed once", Cedar(rules, cases)),
        "cedar-given": Row("Cedar, token given", cedar, "the same; the token's entity comes with each question", CedarGiven(rules)),
        "cedar-each": Row("Cedar, policy per operation", cedar, "policies and all tokens parsed once", Cedar(rules, cases, grouped=False)),
        "casbin-fast": Row("casbin, `FastEnforcer`", pycasbin, "model parsed once; policy lines by operation", Casbin(rules, fast=True)),
        "casbin": Row("casbin, `Enforcer`", pycasbin, "model parsed once; tries all policy lines", Casbin(rules, fast=False)),
        "rego": Row("Rego, bundle", rego, "module compiled once; the input comes with each question", Rego(rules)),
        "rego-query": Row("Rego, query", rego, "module and query compiled with each question", RegoQuery(rules)),
    }


def speeds(rows: Mapping[str, Row], cases: Sequence[Case]) -> dict[str, float]:
    """Return CPU nanoseconds per decision, roughly; stop if an engine decides otherwise than we do."""
    taken = {}
    for key, row in rows.items():
        asked = [(case, row.engine.prepare(case)) for case in cases]
        began = time.process_time_ns()
        wrong = [case for case, prepared in asked if row.engine.decide(prepared) is not case.permitted()]
        taken[key] = (time.process_time_ns() - began) / len(cases)
        if wrong:
            sys.exit(f"{row.title} decides otherwise about {wrong[0].operation.id} with {' '.join(sorted(wrong[0].scopes))}")
    return taken


def readings(rows: Mapping[str, Row], cases: Mapping[str, Sequence[Case]], usual: Mapping[str, float]) -> Iterator[Reading]:
    """Measure every engine on permitted and on denied cases in every round, in another order each time."""
    chance = random.Random(1)
    turns = [(kind, key) for kind in cases for key in rows]
    for turn in range(1, ROUNDS + 1):
        for kind, key in chance.sample(turns, k=len(turns)):
            count = max(1, min(MOST, int(TURN_NS / usual[key])))
            yield Reading(kind, key, turn, {FIGURE: round(measure(rows[key].engine, cases[kind], count), 1)})


def measure(engine: Engine, cases: Sequence[Case], count: int) -> float:
    """Return CPU nanoseconds per decision."""
    asked = [engine.prepare(case) for case in islice(cycle(cases), count)]
    decide = engine.decide
    began = time.process_time_ns()
    for prepared in asked:
        decide(prepared)
    return (time.process_time_ns() - began) / count


def main() -> int:
    """Check, measure, keep the readings, write the tables."""
    began = time.monotonic()
    source = load_catalog(CATALOG)
    if isinstance(source, Problems):
        print(source, file=sys.stderr)
        return 1
    chance = random.Random(1)
    cases = {kind: make_cases(source.catalog, kind == PERMIT, CASES, chance) for kind in (PERMIT, DENY)}
    everything = [case for some in cases.values() for case in some]
    rows = make_rows(source.catalog, everything)
    peers = {key: {"title": row.title, "version": row.version, "does": row.does} for key, row in rows.items()}
    seen = replace(about((), ()), command="make engines", tools={}, peers=peers)
    settle_memory()
    run = Run(seen, list(readings(rows, cases, speeds(rows, everything))))
    run = replace(run, about=replace(seen, seconds=round(time.monotonic() - began)))
    RESULTS.write_text("".join(f"{line}\n" for line in lines(run)), encoding="utf-8")
    publish(run, ROOT)
    print(document(run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
