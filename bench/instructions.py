"""Instructions per request and step, counted by callgrind in the compiled build: exact, and the same on a busy machine.

Run `make steps`. Everything is counted twice, for few and for many requests: the difference is what the requests cost, without the start.
Steps overlap no other step of the same table; what remains is told as such.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

FEW: Final = 200
MANY: Final = 1200
PAGE: Final = Path("docs/reference/performance.md")
BEGIN: Final = "<!-- instructions: begin -->"
END: Final = "<!-- instructions: end -->"
_LINE: Final = re.compile(r"\s*([\d,]+)(?:\s*\([^)]*\))?\s+(?:\S*:)?(\S+)$")
STEPS: Final = {
    "forwarded": (
        ("knowing the request again", ("CPyDef_known_request___KnownRequest___target",), 0),
        ("parsing the answer (llhttp, httptools)", ("__pyx_pw_9httptools_6parser_6parser_10HttpParser_13feed_data",), 1),
        ("reading the answer's header fields", ("CPyDef_response_headers___ResponseReader___read",), 0),
        ("deciding, with ids and trace", ("CPyDef_gate___Gate___open",), 0),
        ("choosing a vendor connection and writing the head", ("CPyDef_channel___Channel___enter",), 0),
        ("passing the answer's head on", ("CPyDef_download___Download___upstream_head",), 0),
        ("decision log line", ("CPyDef_decision_log___JsonLog___repeat",), 0),
        ("metrics", ("CPyDef_metrics___Metrics___repeat",), 0),
        ("usage, scores, recent exchanges", ("CPyDef_recorders___Recorders___repeat",), 2),
    ),
    "denied": (
        ("knowing the request again", ("CPyDef_known_request___KnownRequest___target",), 0),
        ("deciding and writing the refusal, with ids and trace", ("CPyDef_gate___Gate___open",), 0),
        ("decision log line", ("CPyDef_decision_log___JsonLog___repeat",), 0),
        ("metrics", ("CPyDef_metrics___Metrics___repeat",), 0),
        ("usage, scores, recent exchanges", ("CPyDef_recorders___Recorders___repeat",), 2),
    ),
}
"""Steps by what becomes of a request: name, functions, and what to subtract (1: the callbacks of the parser; 2: log and metrics)."""
_CALLBACKS: Final = ("CPyDef_downstream___ClientConnection___on_", "CPyDef_upstream___UpstreamConnection___on_")
_LOG_AND_METRICS: Final = ("CPyDef_decision_log___JsonLog___repeat", "CPyDef_metrics___Metrics___repeat")


def counted(text: str) -> dict[str, int]:
    """Read what `callgrind_annotate --inclusive=yes` printed: instructions by function."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        match = _LINE.match(line.split(" [")[0].rstrip())
        if match is not None and "=>" not in line:
            found[match[2]] = max(found.get(match[2], 0), int(match[1].replace(",", "")))  # code from headers is told once more by itself
    return found


def per_request(few: Mapping[str, int], many: Mapping[str, int]) -> dict[str, float]:
    """Return instructions per request by function."""
    return {name: (number - few.get(name, 0)) / (MANY - FEW) for name, number in many.items()}


def steps(what: str, cost: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the steps of a request and their instructions, and last all of it."""
    callbacks = sum(number for name, number in cost.items() if name.startswith(_CALLBACKS))
    others = sum(cost.get(name, 0.0) for name in _LOG_AND_METRICS)
    rows = [
        (name, sum(cost.get(each, 0.0) for each in functions) - (0.0, callbacks, others)[less]) for name, functions, less in STEPS[what]
    ]
    whole = sum(cost.get(name, 0.0) for name in cost if name.endswith("Connection___data_received") and name.startswith("CPyDef_"))
    return [*rows, ("everything else", whole - sum(number for _, number in rows)), ("together", whole)]


def table(found: Mapping[str, list[tuple[str, float]]]) -> str:
    """Return the steps as Markdown tables."""
    lines: list[str] = []
    for what, rows in found.items():
        lines += ["", f"| {what}: step | instructions | share |", "|---|---:|---:|"]
        lines += [f"| {name} | {number:,.0f} | {100 * number / rows[-1][1]:.0f} % |" for name, number in rows]
    return "\n".join(lines[1:])


def count(what: str, requests: int, root: Path, directory: Path) -> dict[str, int]:
    """Count so many requests in a process of its own."""
    out = directory / f"{what}.{requests}"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable, "-m", "bench.steps", what, str(requests)]
    environment = {"PYTHONHASHSEED": "0", "PYTHONPATH": f"{root}/build/compiled:{root}", "PATH": "/usr/bin:/bin"}
    subprocess.run(command, env=environment, check=True, capture_output=True, cwd=directory)
    shown = ["callgrind_annotate", "--threshold=100", "--inclusive=yes", "--auto=no", str(out)]
    return counted(subprocess.run(shown, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Count, print, and write the page."""
    root = Path.cwd()
    if shutil.which("valgrind") is None or not (root / "build" / "compiled").is_dir():
        sys.exit("needs valgrind from the system's package manager and the compiled build: make steps")
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(2) as threads:
        found = {}
        for what in STEPS:
            few, many = threads.map(lambda requests, what=what: count(what, requests, root, Path(name)), (FEW, MANY))
            found[what] = steps(what, per_request(few, many))
    text = table(found)
    print(text)
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
