"""A process whose files cannot grow for a while, as on a full disk. It prints what became of the log, step by step, as JSON lines."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from proxy.telemetry.audit_writer import AuditWriter
from tests.integration.audit.audit_samples import Log, counts, event, reading, wait_until, written


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def tell(step: str, writer: AuditWriter) -> None:
    up, waiting = reading(writer, "scopegate_audit_up")[()], reading(writer, "scopegate_audit_queue_length")[()]
    print(json.dumps({"step": step, "trouble": writer.trouble, "up": up, "waiting": waiting, "counts": counts(writer)}), flush=True)


def main(path: Path) -> None:
    with Log(path).writer(max_events=200) as writer:
        for number in range(20):
            writer.put(event(number))
        written(writer)
        tell("before", writer)
        limit_files(50_000)
        for number in range(20, 2020):
            writer.put(event(number))
        wait_until(lambda: bool(writer.trouble))
        tell("full", writer)
        limit_files(resource.RLIM_INFINITY)
        written(writer)
        writer.put(event(5000))
        written(writer)
        wait_until(lambda: reading(writer, "scopegate_audit_gaps_total")[()] > 0)
        tell("after", writer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
