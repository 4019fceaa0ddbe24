"""Runs every case at every proxy, one proxy beside the other, and writes the raw bytes and the page."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.differential.answers import all_answers
from bench.differential.cases import Case, Outcome
from bench.differential.peers import PEERS, ROOT, Peer, running
from bench.differential.probe import Got, Origin, Seen, probe
from bench.differential.requests import all_requests
from bench.differential.table import page

_MAX_SHOWN = 2000
_SETTLE_S = 0.02
"""Between two cases, so that a proxy has seen which of its connections are closed."""


async def run(peer: Peer, directory: Path, cases: Sequence[Case], patience_s: float, raw: list[dict[str, Any]]) -> list[Outcome]:
    """Put every case to one proxy."""
    origin = Origin()
    await origin.start()
    outcomes = []
    try:
        with contextlib.ExitStack() as stack:
            port = await asyncio.to_thread(stack.enter_context, running(peer, directory, origin.port))
            for case in cases:
                await asyncio.sleep(_SETTLE_S)
                outcome, got, seen = await probe(port, origin, case, patience_s, patience_s / 8)
                outcomes.append(outcome)
                raw.append(_row(peer, case, outcome, got, seen))
    finally:
        await origin.stop()
    return outcomes


def _row(peer: Peer, case: Case, outcome: Outcome, got: Got, seen: list[Seen]) -> dict[str, Any]:
    return {
        "proxy": peer.name,
        "group": case.group,
        "case": case.name,
        "outcome": outcome.text(),
        "sent": _shown(case.sent),
        "answer": _shown(case.answer),
        "client_got": _shown(got.data),
        "closed": got.closed,
        "origin_saw": [{"data": _shown(request.data), "whole": request.whole} for request in seen],
    }


def _shown(data: bytes) -> str:
    return data[:_MAX_SHOWN].decode("latin-1")


async def compare(given: argparse.Namespace) -> int:
    """Run, write, and say how many rows want a reason."""
    cases = [case for case in (*all_requests(), *all_answers()) if given.only in f"{case.group}: {case.name}"]
    peers = [peer for peer in PEERS if not given.proxies or peer.name.lower() in given.proxies.lower().split(",")]
    raw: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        runs = (run(peer, Path(name) / peer.name, cases, given.patience, raw) for peer in peers)
        results = await asyncio.gather(*runs)
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text("".join(json.dumps(row) + "\n" for row in raw))
    names = [peer.name for peer in peers]
    rows = [(case, dict(zip(names, outcomes, strict=True))) for case, outcomes in zip(cases, zip(*results, strict=True), strict=True)]
    text = page(rows, {peer.name: peer.version() for peer in peers})
    if given.page is None:
        print(text)
    else:
        given.page.write_text(text)
    print(f"{len(cases)} cases, {len(peers)} proxies; every byte is in {given.results}", file=sys.stderr)
    return text.count("not explained yet")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.differential", description=__doc__)
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results" / "differential.jsonl", help="where the raw bytes go")
    parser.add_argument("--page", type=Path, help="where the table goes; printed where it is left out")
    parser.add_argument("--only", default="", help="run the cases whose group and name contain this")
    parser.add_argument("--proxies", default="", help="run these proxies, separated by commas")
    parser.add_argument("--patience", type=float, default=2.0, help="seconds to wait for a byte")
    sys.exit(1 if asyncio.run(compare(parser.parse_args())) else 0)


if __name__ == "__main__":
    main()
