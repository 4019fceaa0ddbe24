"""Measures, keeps the readings as JSON lines, and writes the page and the picture."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.performance.driver import QUICK, WHOLE, Driver, Plan, chosen
from bench.performance.machine import about
from bench.performance.peers import ROOT
from bench.performance.processes import LOAD_CORE
from bench.performance.publishing import publish, said
from bench.performance.results import CROWDED, Reading, Run, lines, read
from bench.performance.world import NotMeasurableError, by_key

RESULTS: Final = ROOT / "bench" / "results"
_TOOLS: Final = {"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client", "taskset": "util-linux"}


def parser() -> argparse.ArgumentParser:
    """Return what can be said on the command line."""
    it = argparse.ArgumentParser(prog="python -m bench.performance", description=__doc__)
    it.add_argument("--only", default="", help="scenarios, by the beginning of their names, separated by commas: forward,deny")
    it.add_argument("--peers", default="", help="peers, separated by commas: scopegate,envoy,nginx")
    it.add_argument("--rounds", type=int, default=0, help="rounds of everything; without it, each scenario has its own number")
    it.add_argument("--seconds", type=int, default=0, help="how long one peer is asked at a time, in forward and deny")
    it.add_argument("--quick", action="store_true", help="one short round of everything, about two minutes")
    it.add_argument("--limit", type=float, default=960, help="seconds after which nothing is measured a second time")
    it.add_argument("--publish", action="store_true", help="write the page and the picture even if this is not a whole run")
    it.add_argument("--results", type=Path, help="where the readings go")
    it.add_argument("--report", type=Path, help="measure nothing: write the page and the picture of these readings")
    return it


def plan(given: argparse.Namespace) -> Plan:
    """Return what is asked for."""
    effort = QUICK if given.quick else WHOLE
    if given.seconds:
        effort = replace(effort, seconds=given.seconds)
    scenarios = chosen([name for name in given.only.split(",") if name])
    peers = by_key([name for name in given.peers.split(",") if name])
    return Plan(scenarios, peers, given.rounds or (1 if given.quick else 0), effort, given.limit)


def check_machine() -> None:
    """Refuse a machine on which this cannot be measured."""
    if not sys.platform.startswith("linux") or (os.cpu_count() or 1) < 2:
        raise NotMeasurableError("needs Linux and two cores")
    missing = [f"{name} (Debian: {package})" for name, package in _TOOLS.items() if shutil.which(name) is None]
    if missing:
        raise NotMeasurableError(f"missing: {', '.join(missing)}")
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 16384), limit))
    os.sched_setaffinity(0, {int(LOAD_CORE)})


def show(reading: Reading) -> None:
    """Print one reading."""
    figures = "  ".join(f"{name} {value:,.1f}" for name, value in reading.figures.items())
    print(f"{reading.scenario:16} {reading.round} {reading.peer:22} {reading.refused or figures}", file=sys.stderr, flush=True)


def measure(given: argparse.Namespace, path: Path) -> Run:
    """Run the plan; print every reading as soon as it is there, and write them all at the end, however it comes."""
    wanted = plan(given)
    run = Run(about(wanted.peers, sys.argv[1:]), readings := [])
    if run.about.busy > CROWDED:
        print(f"warning: the machine is {run.about.busy:.0%} busy with something else; figures will wander", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def tell(reading: Reading) -> None:
        readings.append(reading)
        show(reading)

    kept = path.with_name("broken.jsonl")  # until it has ended well: what was published before stays
    try:
        Driver(wanted, tell).run()
        kept = path
    finally:
        run = replace(run, about=replace(run.about, seconds=round(time.monotonic() - began)))
        kept.write_text("".join(f"{line}\n" for line in lines(run)), encoding="utf-8")
    return run


def main() -> int:
    """Parse, measure or read, and report."""
    given = parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    whole = not (given.only or given.peers or given.quick or given.rounds)
    try:
        if given.report:
            run, path = read(given.report), given.report
        else:
            check_machine()
            path = given.results or RESULTS / ("performance.jsonl" if whole or given.publish else "partial.jsonl")
            run = measure(given, path)
    except NotMeasurableError as problem:
        print(problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(said(run))
    print(f"every reading is in {path}", file=sys.stderr)
    if given.report or given.publish or whole:
        publish(run, ROOT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
