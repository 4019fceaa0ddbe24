"""A log in a folder, writers for it, and what a check says."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proxy.credentials import Secret
from proxy.telemetry.audit_files import FileOptions, Sync
from proxy.telemetry.audit_places import full_files
from proxy.telemetry.audit_verify import Report, Wanted, verify
from proxy.telemetry.audit_writer import AuditWriter, WriterOptions
from proxy.telemetry.chain import Chain
from proxy.telemetry.ocsf import Events
from tests.unit.telemetry.support import FORWARDED, but

WAIT_S: Final = 20.0
ROOMY: Final = 2**30
_DECISION: Final = re.compile(rb'"uid":"([0-9]+)","correlation_uid"[^\n]*\n')
_encode: Final = Events()


def event(number: int) -> bytes:
    """An event whose decision id is its number."""
    return _encode(but(FORWARDED, decision_id=f"{number}"))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@dataclass(frozen=True)
class Log:
    """One log on the disk."""

    path: Path
    key: Secret | None = None

    @contextmanager
    def writer(self, *, close: bool = True, wall: Callable[[], float] = time.time, **changes: Any) -> Iterator[AuditWriter]:
        file_names = {"max_bytes", "keep_files", "sync"}
        files: dict[str, Any] = {"max_bytes": ROOMY, "sync": Sync.NEVER} | {
            name: value for name, value in changes.items() if name in file_names
        }
        queue: dict[str, Any] = {"linger_s": 0.0, "retry_s": 0.005} | {
            name: value for name, value in changes.items() if name not in file_names
        }
        writer = AuditWriter(FileOptions(self.path, **files), Chain(self.key), wall, WriterOptions(**queue))
        writer.start()
        try:
            yield writer
        finally:
            if close:
                writer.close()

    def write(self, *numbers: int, **changes: Any) -> None:
        with self.writer(**changes) as writer:
            for number in numbers:
                writer.put(event(number))
                if "max_bytes" in changes:  # what is written at once stands in one file
                    written(writer)
            written(writer)

    def check(self, more: Sequence[Path] = (), **wanted: Any) -> Report:
        return verify([self.path, *more], Wanted((self.key,) if self.key is not None else (), **wanted))

    @property
    def files(self) -> list[Path]:
        return [*full_files(self.path), self.path]

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for file in self.files for line in file.read_bytes().splitlines()]

    def numbers(self) -> list[int]:
        return [number for file in self.files for number in self.numbers_of(file)]

    def numbers_of(self, file: Path) -> list[int]:
        return [int(number) for number in _DECISION.findall(file.read_bytes())]

    def records(self) -> list[str]:
        return [line["unmapped"]["record"] for line in self.lines() if line["class_uid"] == 1008]


def reading(writer: AuditWriter, name: str) -> dict[tuple[str, ...], float]:
    return next(dict(one.read()) for one in writer.readings() if one.name == name)


def counts(writer: AuditWriter) -> dict[str, float]:
    return {result: value for (result,), value in reading(writer, "scopegate_audit_events_total").items()}


def written(writer: AuditWriter) -> None:
    """Wait until nothing waits any more."""
    wait_until(lambda: not writer.trouble and reading(writer, "scopegate_audit_queue_length")[()] == 0)
