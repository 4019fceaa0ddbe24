"""Where an audit log lies: the names of its files, how they are opened, and their first lines.

audit.jsonl            grows; its first line tells how it is chained, and the file before
audit.jsonl.000001     was full: renamed, never written again; the lowest number is the oldest
audit.jsonl.head       number and hash of the last line; whoever holds its lock is the only one who writes
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from pathlib import Path
from typing import Final

from proxy.telemetry import chain

HEAD_SUFFIX: Final = ".head"
RESERVE: Final = 4096
"""Bytes that are kept free for the record that closes a full file."""
FULL_FILE: Final = re.compile(r"\.[0-9]{6,12}\Z")
"""How the name of a full file ends."""
_OPEN: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK


class AuditFileError(Exception):
    """The log cannot be used as it is; the message says why and what to do."""


def full_files(path: Path) -> list[Path]:
    """Return the files of a log that were full, the oldest first. Raise OSError."""
    beside = (entry for entry in path.parent.iterdir() if entry.name.startswith(path.name))
    full = (entry for entry in beside if FULL_FILE.fullmatch(entry.name[len(path.name) :]))
    return sorted(full, key=lambda entry: int(entry.name[len(path.name) + 1 :]))


def head_file(path: Path) -> Path:
    """Return the head file of a log."""
    return path.with_name(path.name + HEAD_SUFFIX)


def open_log(path: Path) -> tuple[int, int]:
    """Return a descriptor of the file that grows, made where it is missing, and its size (bytes). Raise OSError or `AuditFileError`."""
    descriptor = os.open(path, _OPEN, 0o600)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise AuditFileError(f"{path.name} is not a regular file; choose another audit.path")
    return descriptor, found.st_size


def open_head(path: Path) -> int:
    """Return a descriptor of the head file, locked for as long as it is open. Raise OSError, or `AuditFileError` where another holds it."""
    descriptor = os.open(path, _OPEN & ~os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AuditFileError("another process writes to this log; give each its own audit.path") from None
    return descriptor


def first_line(descriptor: int) -> bytes:
    """Return the first line of a file that is open, without its newline."""
    return os.pread(descriptor, RESERVE, 0).partition(b"\n")[0]


def first_line_of(path: Path) -> bytes:
    """Return the first line of a file. Raise OSError."""
    with path.open("rb") as file:
        return file.readline(chain.MAX_LINE)
