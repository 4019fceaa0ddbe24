"""A run as Markdown tables: what was measured, in medians, and in ratios of ours to each peer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from bench.performance.peers import DIRECT, OURS
from bench.performance.results import CROWDED, About, Run
from bench.performance.summary import Summary, with_added
from bench.performance.targets import TARGETS, Target

JUDGED: Final = (OURS, "scopegate-interpreted")
NOTHING: Final = "–"
Cell = Callable[[Summary, str], str]


def document(run: Run) -> str:
    """Return all tables of a run."""
    summary = Summary(with_added(run.readings, DIRECT.key))
    parts = [head(run.about), *_targets(summary), *_every(run.about, summary), *_peers(run.about), *_refused(summary)]
    return "\n".join(parts) + "\n"


def number(value: float | None, digits: int = 1) -> str:
    """Return a figure with thousands marked, or a dash where there is none."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def ratio(value: float | None) -> str:
    """Return a ratio with two digits that say something."""
    if value is None:
        return NOTHING
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; columns after the first stand to the right."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows)) + "\n"


def head(about: About) -> str:
    """Return what a run was made on and with, as a table without a head."""
    versions = [f"Python {about.python}", ", ".join(f"{name} {version}" for name, version in about.tools.items())]
    took = f"{about.seconds / 60:.0f} minutes" if about.seconds >= 90 else f"{about.seconds:.0f} seconds"
    crowded = "; figures wander, and more is needed than on a quiet one" if about.busy > CROWDED else ""
    rows = {
        "command": f"`{about.command}`",
        "when": f"{about.began}, {took}",
        "machine": f"{about.machine}; {about.busy:.0%} busy with something else when it began{crowded}",
        "system": "; ".join(filter(None, [about.system, *versions])),
        "commit": about.commit,
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]) + "\n"


# --- targets --------------------------------------------------------------------------------------------


def _targets(summary: Summary) -> Iterator[str]:
    head = ("target", "wanted", "Scopegate", "", "interpreted", "")
    judged = ([each.what, each.bound(), *_judged(each, summary)] for each in TARGETS)
    if rows := [row for row in judged if set(row[2:]) != {NOTHING}]:
        yield "### Targets\n"
        yield table(head, rows)


def _judged(target: Target, summary: Summary) -> Iterator[str]:
    for ours in JUDGED:
        seen = target.seen(summary, ours)
        yield ratio(seen) if target.peer else number(seen, 2)
        yield NOTHING if seen is None else "met" if target.met(seen) else "**not met**"


# --- one table for each kind of load --------------------------------------------------------------------


def _median(scenario: str, figure: str, digits: int = 1) -> Cell:
    return lambda summary, peer: number(summary.median(scenario, peer, figure), digits)


def _of_it(scenario: str, figure: str) -> Cell:
    return lambda summary, peer: NOTHING if peer == OURS else ratio(summary.ratio(scenario, OURS, peer, figure))


_FORWARD: Final = (
    ("CPU µs, 32", _median("forward-32", "cpu_us")),
    ("ours / its", _of_it("forward-32", "cpu_us")),
    ("requests/s, 32", _median("forward-32", "per_second", 0)),
    ("CPU µs, 256", _median("forward-256", "cpu_us")),
    ("ours / its", _of_it("forward-256", "cpu_us")),
    ("requests/s, 256", _median("forward-256", "per_second", 0)),
    ("CPU µs, HTTPS", _median("secure-32", "cpu_us")),
    ("ours / its", _of_it("secure-32", "cpu_us")),
    ("requests/s, HTTPS", _median("secure-32", "per_second", 0)),
)
_DENY: Final = (
    ("CPU µs", _median("deny-32", "cpu_us")),
    ("denials per second of CPU", _median("deny-32", "per_core_second", 0)),
    ("ours / its", _of_it("deny-32", "per_core_second")),
    ("denials/s", _median("deny-32", "per_second", 0)),
)
_LATENCY: Final = (
    ("p50 µs", _median("latency-500", "p50_us", 0)),
    ("p99 µs", _median("latency-500", "p99_us", 0)),
    ("added p50 µs", _median("latency-500", "added_p50_us", 0)),
    ("added p99 µs", _median("latency-500", "added_p99_us", 0)),
    ("ours / its, added p99", _of_it("latency-500", "added_p99_us")),
)
_STREAM: Final = (
    ("download MB/s per core", _median("download", "mb_per_core_second", 0)),
    ("ours / its", _of_it("download", "mb_per_core_second")),
    ("download MB/s", _median("download", "mb_per_second", 0)),
    ("upload MB/s per core", _median("upload", "mb_per_core_second", 0)),
    ("ours / its", _of_it("upload", "mb_per_core_second")),
    ("upload MB/s", _median("upload", "mb_per_second", 0)),
)
_MEMORY: Final = (
    ("start to ready, s", _median("memory", "ready_s", 2)),
    ("CPU for it, s", _median("memory", "ready_cpu_s", 2)),
    ("idle MiB", _median("memory", "idle_mib")),
    ("of it its own (PSS)", _median("memory", "idle_pss_mib")),
    ("after 2,000 requests", _median("memory", "warm_mib")),
    ("with 1,000 connections", _median("memory", "full_mib")),
    ("KiB per connection", _median("memory", "per_connection_kib")),
)
_SLOW: Final = (
    ("seconds for 512", _median("slow-256", "seconds", 2)),
    ("CPU µs per request", _median("slow-256", "cpu_us", 0)),
    ("memory grown, MiB", _median("slow-256", "grown_mib")),
)
_SECTIONS: Final = (
    ("Forwarding", "forward-32", _FORWARD),
    ("Denials", "deny-32", _DENY),
    ("Latency at 500 requests per second", "latency-500", _LATENCY),
    ("Bodies of 50 MiB", "download", _STREAM),
    ("Memory and start", "memory", _MEMORY),
    ("A slow vendor, 256 waiting", "slow-256", _SLOW),
)


def _every(about: About, summary: Summary) -> Iterator[str]:
    for title, scenario, columns in _SECTIONS:
        if peers := summary.peers(scenario):
            yield f"### {title}\n"
            peers = sorted(peers, key=[DIRECT.key, *about.peers].index)
            filled = [(name, cells) for name, cell in columns if set(cells := [cell(summary, peer) for peer in peers]) != {NOTHING}]
            names = [_title(about, peer) for peer in peers]
            yield table(["", *(name for name, _ in filled)], zip(names, *(cells for _, cells in filled), strict=True))
    if summary.peers("workers-forward") or summary.peers("workers-deny"):
        yield from _workers(summary)


def _title(about: About, peer: str) -> str:
    return about.peers[peer]["title"] if peer in about.peers else DIRECT.title


def _workers(summary: Summary) -> Iterator[str]:
    yield "### Two workers on two cores\n"
    rows = []
    for what, scenario in (("forwards", "workers-forward"), ("denials", "workers-deny")):
        rates = [number(summary.median(scenario, f"workers-{count}", "per_second"), 0) for count in (1, 2)]
        costs = [number(summary.median(scenario, f"workers-{count}", "cpu_us")) for count in (1, 2)]
        factor = summary.ratio(scenario, "workers-2", "workers-1", "per_second")
        cost = summary.ratio(scenario, "workers-2", "workers-1", "cpu_us")
        rows.append([what, *rates, ratio(factor), *costs, ratio(None if cost is None else 2 / cost)])
    head = ("", "1 worker, per second", "2 workers", "factor", "1 worker, CPU µs", "2 workers", "factor if the load were elsewhere")
    yield table(head, rows)


# --- who, and what did not count ------------------------------------------------------------------------


def _peers(about: About) -> Iterator[str]:
    yield "### What each one did\n"
    yield table(("", "version", "did"), ([each["title"], each["version"], each["does"]] for each in about.peers.values())).replace(
        "---:", "---"
    )


def _refused(summary: Summary) -> Iterator[str]:
    yield "### Rounds that do not count\n"
    refused = summary.refused()
    yield (
        table(("scenario", "round", "proxy", "why"), ([each.scenario, str(each.round), each.peer, _safe(each.refused)] for each in refused))
        if refused
        else "None.\n"
    )


def _safe(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
