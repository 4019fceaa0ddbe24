"""The audit log on the disk: the file that grows, the files that were full, and the head file that tells how far it had come.

    audit.jsonl            grows; its first line tells how it is chained, and the file before
    audit.jsonl.000001     was full: renamed, never written again; the lowest number is the oldest
    audit.jsonl.head       number and hash of the last line; whoever holds its lock is the only one who writes

A line is written whole or not at all: what a failing disk took of it is cut off again. What a killed process left unfinished is
cut off at the next start, and told in the log. Everything here belongs to one thread.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from proxy.telemetry import audit_records, chain
from proxy.telemetry.audit_records import Kind
from proxy.telemetry.chain import START, Chain, Tip

HEAD_SUFFIX: Final = ".head"
RESERVE: Final = 4096
"""Bytes that are kept free for the record that closes a full file."""
FULL_FILE: Final = re.compile(r"\.[0-9]{6,12}\Z")
"""How the name of a full file ends."""
_OPEN: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_READ_BACK: Final = 2 * chain.MAX_LINE


class AuditFileError(Exception):
    """The log cannot be used as it is; the message says why and what to do."""


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


def full_files(path: Path) -> list[Path]:
    """Return the files of a log that were full, the oldest first. Raise OSError."""
    beside = (entry for entry in path.parent.iterdir() if entry.name.startswith(path.name))
    full = (entry for entry in beside if FULL_FILE.fullmatch(entry.name[len(path.name) :]))
    return sorted(full, key=lambda entry: int(entry.name[len(path.name) + 1 :]))


def head_file(path: Path) -> Path:
    """Return the head file of a log."""
    return path.with_name(path.name + HEAD_SUFFIX)


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
        self._head = _open_head(head_file(path))
        known = self._known()
        os.pwrite(self._head, chain.write_head(self._chain, known), 0)  # before the first line: no head file means that it was removed
        self._log, self._size = _open_log(path)
        end = _End(self._log, self._size)
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
        told = audit_records.read(_first_line(self._log))
        return told.get("algorithm") == self._chain.algorithm and told.get("key_id") == self._chain.key_id

    def _proves(self, end: _End) -> bool:
        return end.link is not None and self._chain.holds(end.line, end.link)

    def _continue(self, end: _End) -> None:
        assert end.link is not None
        if end.unfinished:
            os.ftruncate(self._log, self._size - end.unfinished)
            self._size -= end.unfinished
        self._tip, self._begun = end.link.tip, True
        if end.kind == Kind.ROTATED:
            self._sealed = True
            self._next_file()

    def _tell_start(self, end: _End, known: Tip) -> None:
        orderly = end.kind == Kind.STOPPED or (end.link is None and known == START)
        how = "" if orderly else "; it had not stopped in good order, so events before this may be missing"
        details = {"after_stop": orderly, "unfinished_bytes": end.unfinished}
        self._write([self._record(Kind.STARTED, f"the proxy goes on with this log{how}", **details)])

    def _set_aside(self, end: _End, known: Tip) -> None:
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
        self._log, self._size = _open_log(path)

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
        link = chain.read_link(_first_line_of(kept[0]))
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


class _End:
    """The end of a log: its last whole line, and how many bytes of an unfinished one come after it."""

    def __init__(self, descriptor: int, size: int) -> None:
        length = min(size, _READ_BACK)
        data = os.pread(descriptor, length, size - length)
        whole = data.rfind(b"\n") + 1
        self.unfinished = len(data) - whole
        self.line = data[data.rfind(b"\n", 0, max(0, whole - 1)) + 1 : whole]
        self.link = chain.read_link(self.line)
        self.kind = audit_records.read(self.line).get("record")


def _open_log(path: Path) -> tuple[int, int]:
    descriptor = os.open(path, _OPEN, 0o600)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise AuditFileError(f"{path.name} is not a regular file; choose another audit.path")
    return descriptor, found.st_size


def _open_head(path: Path) -> int:
    descriptor = os.open(path, _OPEN & ~os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AuditFileError("another process writes to this log; give each its own audit.path") from None
    return descriptor


def _first_line(descriptor: int) -> bytes:
    return os.pread(descriptor, RESERVE, 0).partition(b"\n")[0]


def _first_line_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(chain.MAX_LINE)
