"""How many replicas, how large, and what Valkey and the balancer need: computed from what was measured (bench/figures.json).

    make plan                                          # the table of docs/how-to/scale.md
    make plan REQUESTS=2000 P99=800                    # your own traffic: requests per second, and the vendor's p99 in milliseconds
    make plan REQUESTS=2000 PLAN="--tokens 50000 --zones 3 --build compiled"

Nothing is measured here. `python -m bench.replicas` measures what sharing costs, `make bench` what a request costs; `--take` copies the
medians of a run of the latter into bench/figures.json.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

FIGURES: Final = Path(__file__).parent / "figures.json"
BEGIN, END = "<!-- plan: begin -->", "<!-- plan: end -->"
UTILISATION: Final = 0.6
"""How busy a core may be when a replica is missing: beyond it, waiting grows faster than load."""
MOST_WORKERS: Final = 4
REWRITE_MB: Final = 64
"""`limits.max_rewrite_total_bytes`."""
HEARTBEATS_S: Final = 5.0
_TAKEN: Final = {"forward_us": "forward-32", "deny_us": "deny-32"}


@dataclass(frozen=True, slots=True)
class Demand:
    """What comes: requests per second, the share that is denied, the vendor's p99 (ms), tokens in use and their life (s)."""

    requests: float
    p99_ms: float = 500.0
    denied: float = 0.1
    tokens: int = 10_000
    token_life_s: float = 3600.0
    spare: int = 1
    zones: int = 1
    build: str = "interpreted"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is needed for a demand. Memory in MB, rates per second."""

    demand: Demand
    request_us: float
    cores: float
    workers: int
    replicas: int
    per_replica: float
    in_flight: int
    memory_mb: float
    ready_s: float
    balancer_cores: float
    store_mb: float
    store_writes: float
    store_messages: float
    store_connections: int
    store_core: float


def plan(demand: Demand, figures: Mapping[str, Any]) -> Plan:
    """Return what a demand needs, with `demand.spare` replicas more than carry it, and enough if a zone of several is lost."""
    cost = figures["byte_path"][demand.build]
    request_us = (1 - demand.denied) * cost["forward_us"] + demand.denied * cost["deny_us"]
    cores = demand.requests * request_us / 1e6 / UTILISATION
    workers = min(MOST_WORKERS, math.ceil(cores))
    replicas = with_spare(math.ceil(cores / workers), demand.spare, demand.zones)
    left = replicas - max(demand.spare, replicas // demand.zones if demand.zones > 1 else 0)
    in_flight = math.ceil(demand.requests / max(1, left) * demand.p99_ms / 1000)
    start, store = start_of(figures, demand.tokens), figures["start"]["sizes"][-1]
    logins, login = demand.tokens / demand.token_life_s, figures["sharing"]["login"]
    beats = replicas / HEARTBEATS_S
    return Plan(
        demand=demand,
        request_us=request_us,
        cores=cores,
        workers=workers,
        replicas=replicas,
        per_replica=demand.requests / replicas,
        in_flight=in_flight,
        memory_mb=memory_mb(figures, demand.tokens, workers, in_flight),
        ready_s=start,
        balancer_cores=demand.requests * figures["byte_path"]["envoy_us"] / 1e6 / UTILISATION,
        store_mb=demand.tokens * store["store_bytes_per_token"] / 1e6,
        store_writes=logins * login["writes"] + 2 * beats,
        store_messages=(logins * login["writes"] + beats) * replicas,
        store_connections=2 * replicas,
        store_core=logins * login["cpu_us"] / 1e6,
    )


def with_spare(needed: int, spare: int, zones: int) -> int:
    """Return the smallest number of replicas of which `needed` are left without `spare` of them, and without a zone of several."""
    count = max(needed + spare, zones)
    while zones > 1 and count - math.ceil(count / zones) < needed:
        count += 1
    return count


def memory_mb(figures: Mapping[str, Any], tokens: int, workers: int, in_flight: int) -> float:
    """Return the megabytes of one replica: processes, knowledge in each of them, requests under way, answers that wait for their links."""
    empty, *_, full = figures["start"]["sizes"]
    per_token = (full["process_mb"] - empty["process_mb"]) / full["tokens"]
    sharing = figures["workers"]
    own = empty["process_mb"] if workers == 1 else sharing["others_mb"] + workers * sharing["worker_mb"]
    copies = 1 if workers == 1 else workers + 1
    return float(own + copies * tokens * per_token + in_flight * figures["in_flight"]["kb"] / 1000 + REWRITE_MB)


def start_of(figures: Mapping[str, Any], tokens: int) -> float:
    """Return the CPU seconds from the start of a replica until it is ready with everything that the store knows."""
    empty, *_, full = figures["start"]["sizes"]
    return float(empty["ready_cpu_s"] + tokens * (full["ready_cpu_s"] - empty["ready_cpu_s"]) / full["tokens"])


# --- telling

SIZES: Final = (Demand(500, tokens=1_000), Demand(5_000, tokens=10_000), Demand(50_000, tokens=100_000))
_ROWS: Final[tuple[tuple[str, Callable[[Plan], str]], ...]] = (
    ("tokens in use", lambda it: f"{it.demand.tokens:,}"),
    ("cores for all requests, at most 60 % busy", lambda it: f"{it.cores:.1f}"),
    ("`workers` in each replica", lambda it: f"{it.workers}"),
    ("**replicas, one more than needed**", lambda it: f"**{it.replicas}**"),
    ("replicas in three zones, one of which may be lost", lambda it: str(_zoned(it))),
    ("requests per second of each replica", lambda it: f"{it.per_replica:,.0f}"),
    ("requests under way in each, one missing, all as slow as the p99", lambda it: f"{it.in_flight:,}"),
    ("`limits.max_in_flight`, twice that", lambda it: f"{rounded(2 * it.in_flight):,}"),
    ("descriptors (`ulimit -n`), four times that and some", lambda it: f"{rounded(4 * it.in_flight + 1000):,}"),
    ("MB of memory of each replica", lambda it: f"{it.memory_mb:,.0f}"),
    ("CPU seconds until a new replica is ready", lambda it: f"{it.ready_s:.1f}"),
    ("Envoy: cores, at most 60 % busy", lambda it: f"{it.balancer_cores:.1f}"),
    ("Valkey: MB", lambda it: f"{it.store_mb:,.1f}"),
    ("Valkey: commands per second", lambda it: f"{it.store_writes:,.1f}"),
    ("Valkey: messages per second to all replicas", lambda it: f"{it.store_messages:,.1f}"),
    ("Valkey: share of a core", lambda it: f"{it.store_core:.2%}"),
    ("Valkey: connections", lambda it: f"{it.store_connections}"),
)


def _zoned(it: Plan) -> int:
    return with_spare(math.ceil(it.cores / it.workers), it.demand.spare, 3)


def rounded(number: float) -> int:
    """Round up to two digits, and to no less than the default of `limits.max_in_flight`."""
    unit = int(10 ** max(0, math.floor(math.log10(max(number, 1))) - 1))
    return max(512, math.ceil(number / unit) * unit)


def table(plans: Iterable[Plan]) -> str:
    """Return a Markdown table, a column for each plan."""
    plans = list(plans)
    head = ["requests per second", *(f"{it.demand.requests:,.0f}" for it in plans)]
    lines = [head, ["---"] * len(head), *([name, *map(tell, plans)] for name, tell in _ROWS)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(figures: Mapping[str, Any]) -> str:
    """Return what stands between the marks on the page: the table, and where each figure comes from."""
    sizes = [plan(demand, figures) for demand in SIZES]
    first = sizes[0].demand
    given = f"Assumed: {first.denied:.0%} of the requests are denied, the vendor's p99 is {first.p99_ms:.0f} ms, tokens live an hour."
    return f"{table(sizes)}\n\n{given} The rest is measured:\n\n{sources(figures)}"


def sources(figures: Mapping[str, Any]) -> str:
    """Return the measured figures, with day, machine and command."""
    path, sharing, start, workers = (figures[name] for name in ("byte_path", "sharing", "start", "workers"))
    lag, login, refusal = sharing["lag_ms"], sharing["login"], sharing["refusal"]
    empty, full = start["sizes"][0], start["sizes"][-1]
    costs = ", ".join(f"{build} {path[build]['forward_us']} and {path[build]['deny_us']}" for build in ("interpreted", "compiled"))
    rows = [
        ("CPU µs of a request that is forwarded, and of a denial", f"{costs}; Envoy forwards for {path['envoy_us']}", path),
        (
            "ms until another replica knows of a login",
            f"{lag['median']} at the median, {lag['p95']} at p95, {lag['most']} at most",
            sharing,
        ),
        (
            "Valkey for a login",
            f"{login['writes']:g} script calls, {login['keys']:g} keys, {login['cpu_us']} µs of CPU, {login['bytes_in']:,} bytes in, "
            f"{login['bytes_out']:,} out with two replicas",
            sharing,
        ),
        ("Valkey for a refusal that is learned", f"{refusal['writes']:g} script call, {refusal['cpu_us']} µs of CPU", sharing),
        ("Valkey for a token with its refresh token", f"{full['store_bytes_per_token']:,} bytes", start),
        (
            "CPU s until a replica is ready",
            f"{empty['ready_cpu_s']} with nothing in the store, {full['ready_cpu_s']} with {full['tokens']:,} tokens",
            start,
        ),
        ("MB of a process", f"{empty['process_mb']} with nothing, {full['process_mb']} with {full['tokens']:,} tokens", start),
        ("MB of a replica with workers", f"{workers['others_mb']} and {workers['worker_mb']} for each worker, knowing nothing", workers),
        ("KB of a request under way", f"{figures['in_flight']['kb']}", figures["in_flight"]),
    ]
    lines = [f"| {name} | {value} | {by['measured']} | `{by['with']}` |" for name, value, by in rows]
    machines = "; ".join(sorted({section["machine"] for section in figures.values()}))
    busy = max(section.get("busy", 0.0) for section in figures.values())
    note = f" Other work kept it busy (load average {busy:g} for each core), so milliseconds and CPU are upper bounds." if busy > 1 else ""
    return "\n".join(["| measured | figure | on | with |", "|---|---|---|---|", *lines, "", f"Machine: {machines}.{note}"])


# --- the figures


def take(file: Path, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures with those of the byte path from a run of `make bench`: medians over its rounds."""
    first, *rest = file.read_text(encoding="utf-8").splitlines()
    about, readings = json.loads(first)["about"], [json.loads(line) for line in rest]

    def median(scenario: str, peer: str) -> float:
        found = [row["figures"]["cpu_us"] for row in readings if (row["scenario"], row["peer"], row["refused"]) == (scenario, peer, "")]
        return float(round(statistics.median(found), 1))

    builds = {"compiled": "scopegate", "interpreted": "scopegate-interpreted"}
    path = {build: {name: median(scenario, peer) for name, scenario in _TAKEN.items()} for build, peer in builds.items()}
    machine = f"{about['machine']}, Python {about['python'].partition(' ')[0]}"
    told = {"measured": about["began"][:10], "machine": machine, "with": "make bench"}
    return {**figures, "byte_path": {**told, **path, "envoy_us": median("forward-32", "envoy")}}


def put(file: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    before, _, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Print a plan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=float, help="requests per second at the busiest time; without it, the table of the docs")
    parser.add_argument("--p99-ms", type=float, default=500, help="milliseconds in which the vendor answers 99 of 100 requests")
    parser.add_argument("--denied", type=float, default=0.1, help="share of the requests that is denied, 0 to 1")
    parser.add_argument("--tokens", type=int, default=10_000, help="tokens in use at one time")
    parser.add_argument("--token-life-s", type=float, default=3600, help="seconds for which a token lives")
    parser.add_argument("--spare", type=int, default=1, help="replicas that may be missing")
    parser.add_argument("--zones", type=int, default=1, help="zones over which replicas are spread; one of them may be lost")
    parser.add_argument("--build", choices=("interpreted", "compiled"), default="interpreted")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="where the measured figures are")
    parser.add_argument("--take", type=Path, help="copy the byte path's figures from the results of `make bench`")
    parser.add_argument("--page", type=Path, help="write the table of the docs into this page")
    given = parser.parse_args()
    figures = json.loads(given.figures.read_text(encoding="utf-8"))
    if given.take:
        figures = take(given.take, figures)
        given.figures.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    if given.page:
        put(given.page, page(figures))
    elif given.requests is None:
        print(page(figures))
    else:
        print(f"{table([plan(demand_of(given), figures)])}\n\n{sources(figures)}")


def demand_of(given: argparse.Namespace) -> Demand:
    """Return what the command line says; end with a message where that cannot be."""
    if given.requests <= 0 or not 0 <= given.denied <= 1 or min(given.p99_ms, given.tokens, given.token_life_s, given.zones) <= 0:
        sys.exit("requests, p99, tokens, their life and zones are more than 0, and the share denied is from 0 to 1")
    basis = Demand(given.requests, given.p99_ms, given.denied, given.tokens, given.token_life_s)
    return replace(basis, spare=max(0, given.spare), zones=given.zones, build=given.build)


if __name__ == "__main__":
    main()
