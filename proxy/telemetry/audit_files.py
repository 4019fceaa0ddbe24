"""The audit log on the disk: the file that grows, the files that were full, and the head file that tells how far it had come.

Which file is which is told in `audit_places`, how the end of a log is found in `audit_end`.

A line is written whole or not at all: what a failing disk took of it is cut off again. What a killed process left unfinished is
cut off at the next start, and told in the log. Everything here belongs to one thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from proxy.telemetry import audit_records, chain
from proxy.telemetry.audit_end import End
from proxy.telemetry.audit_places import RESERVE, first_line, first_line_of, full_files, head_file, open_head, open_log
from proxy.telemetry.audit_records import Kind
from proxy.telemetry.chain import START, Chain, Tip


class Sync(StrEnum):
    """When the disk is told to keep what was written."""

    NEVER = "never"
    INTERVAL = "interval"
    BATCH = "batch"


@dataclass(frozen=True, slots=True)
class FileOptions:
    """Where the log is, how large a file may grow (bytes), and how many full ones are kept (0: all)."""

    path: Path
    max_bytes: int
    keep_files: int = 0
    sync: Sync = Sync.INTERVAL


class AuditFiles:
    """Appends to one log. Every method raises OSError or `AuditFileError` while the disk does not do as it should."""

    def __init__(self, options: FileOptions, links: Chain, wall: Callable[[], float]) -> None:
        self._options = options
        self._chain = links
        self._wall = wall
        self._log = -1
        self._head = -1
        self._size = 0
        self._tip = START
        self._begun = False
        self._sealed = False
        self._unsynced = False

    @property
    def tip(self) -> Tip:
        """Where the chain ends."""
        return self._tip

    def append(self, events: Sequence[bytes]) -> None:
        """Write events, all or none; `settle` is still to come."""
        self._ready()
        size = sum(map(len, events)) + 256 * len(events)
        if self._size + size + RESERVE > self._options.max_bytes and self._begun:
            self._rotate()
        self._write(events)
        self._begun = self._begun or bool(events)

    def settle(self) -> None:
        """Do what the sync policy asks for, and note in the head file how far the log has come."""
        if self._options.sync is Sync.BATCH:
            self.sync()
        if self._head >= 0:
            os.pwrite(self._head, chain.write_head(self._chain, self._tip), 0)

    def sync(self) -> None:
        """Have the disk keep what was written."""
        if self._unsynced and self._log >= 0:
            os.fsync(self._log)
            self._unsynced = False

    def open(self) -> None:
        """Go on where the log ended, which includes mending what a killed process left."""
        self._ready()

    def close(self) -> None:
        """Say in the log that this was its end, and close it."""
        if self._log >= 0:
            self._write([self._record(Kind.STOPPED, "the proxy stopped")])
            if self._options.sync is not Sync.NEVER:
                self.sync()
            self.settle()
        self._let_go()

    # --- going on

    def _ready(self) -> None:
        if not self._as_left():
            try:
                self._go_on()
            except BaseException:
                self._let_go()  # the next attempt does it all, so that no file begins without its first record
                raise
        elif self._sealed:
            self._next_file()
        elif self._size == 0:
            self._open_file()

    def _as_left(self) -> bool:
        """Say whether log and head file are still those that were written last, and as long."""
        if self._log < 0 or self._head < 0:
            return False
        try:
            log, mine = self._options.path.stat(), os.fstat(self._log)
            head = head_file(self._options.path).stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(log, mine) and mine.st_size == self._size and os.path.samestat(head, os.fstat(self._head))

    def _go_on(self) -> None:
        """Take up the log: find its end, mend it, and say in it that the proxy goes on."""
        self._let_go()
        path = self._options.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._head = open_head(head_file(path))
        known = self._known()
        os.pwrite(self._head, chain.write_head(self._chain, known), 0)  # before the first line: no head file means that it was removed
        self._log, self._size = open_log(path)
        end = End(self._log, self._size)
        if self._size and (end.link is None or not self._same_chain() or end.link.sequence < known.sequence or not self._proves(end)):
            self._set_aside(end, known)
        elif end.link is None:
            self._tip = known
            self._open_file()
        else:
            self._continue(end)
        self._tell_start(end, known)
        self.settle()

    def _known(self) -> Tip:
        """Return where the log must have come to at least: what this process wrote, or what the head file says."""
        head = chain.read_head(os.pread(self._head, 4096, 0))
        return head.tip if head is not None and head.tip.sequence > self._tip.sequence else self._tip

    def _same_chain(self) -> bool:
        told = audit_records.read(first_line(self._log))
        return told.get("algorithm") == self._chain.algorithm and told.get("key_id") == self._chain.key_id

    def _proves(self, end: End) -> bool:
        return end.link is not None and self._chain.holds(end.line, end.link)

    def _continue(self, end: End) -> None:
        assert end.link is not None
        if end.unfinished:
            os.ftruncate(self._log, self._size - end.unfinished)
            self._size -= end.unfinished
        self._tip, self._begun = end.link.tip, True
        if end.kind == Kind.ROTATED:
            self._sealed = True
            self._next_file()

    def _tell_start(self, end: End, known: Tip) -> None:
        orderly = end.kind == Kind.STOPPED or (end.link is None and known == START)
        how = "" if orderly else "; it had not stopped in good order, so events before this may be missing"
        details = {"after_stop": orderly, "unfinished_bytes": end.unfinished}
        self._write([self._record(Kind.STARTED, f"the proxy goes on with this log{how}", **details)])

    def _set_aside(self, end: End, known: Tip) -> None:
        """Leave a file alone that cannot be gone on with: it is damaged, or made with another key."""
        old = end.link.tip if end.link is not None and end.link.sequence >= known.sequence else known
        self._tip = old
        self._move_away()
        self._open_file()

    # --- full files

    def _rotate(self) -> None:
        self._write([self._record(Kind.ROTATED, "this file is full; the log goes on in the next one")])
        self._sealed = True
        self.settle()
        self._next_file()

    def _next_file(self) -> None:
        if self._options.sync is not Sync.NEVER:
            self.sync()
        self._move_away()
        self._sealed = False
        self._open_file()
        self._drop_old()

    def _move_away(self) -> None:
        """Rename the file that grows; the new one takes its place at once."""
        path = self._options.path
        path.rename(self._next_name())
        os.close(self._log)
        self._log = -1
        self._log, self._size = open_log(path)

    def _next_name(self) -> Path:
        full = full_files(self._options.path)
        number = int(full[-1].name.rpartition(".")[2]) + 1 if full else 1
        return self._options.path.with_name(f"{self._options.path.name}.{number:06d}")

    def _open_file(self) -> None:
        full = full_files(self._options.path)
        details = {
            "format": 1,
            "algorithm": self._chain.algorithm,
            "key_id": self._chain.key_id,
            "previous_file": full[-1].name if full and self._tip.sequence else "",
        }
        self._write([self._record(Kind.OPENED, "a file of the audit log begins", **details)])
        self._begun = False

    def _drop_old(self) -> None:
        """Delete the oldest full files where there are too many; the log tells first."""
        if not self._options.keep_files:
            return
        full = full_files(self._options.path)
        old, kept = full[: -self._options.keep_files], full[-self._options.keep_files :]
        if not old:
            return
        link = chain.read_link(first_line_of(kept[0]))
        names = [path.name for path in old]
        details = {"files": names, "kept_from": link.sequence if link is not None else 0}
        self._write([self._record(Kind.DELETED, f"{len(names)} old files are deleted (audit.keep_files)", **details)])
        for path in old:
            with contextlib.suppress(OSError):  # the next full file brings the next attempt
                path.unlink()

    # --- writing

    def _record(self, kind: Kind, message: str, **details: object) -> bytes:
        return audit_records.record(kind, self._wall(), message, details)

    def _write(self, events: Sequence[bytes]) -> None:
        tip, lines = self._tip, []
        for event in events:
            line, tip = self._chain.link(event, tip)
            lines.append(line)
        data = b"".join(lines)
        self._write_whole(data)
        self._tip, self._size, self._unsynced = tip, self._size + len(data), True

    def _write_whole(self, data: bytes) -> None:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._log, data[done:] if done else data)
        except BaseException:
            if done:
                os.ftruncate(self._log, self._size)  # where even this fails, the next attempt finds a file that is not as it was left
            raise

    def _let_go(self) -> None:
        for descriptor in (self._log, self._head):
            if descriptor >= 0:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._log = self._head = -1
        self._sealed = self._unsynced = False
