"""One lock between processes. The kernel gives it back when its holder dies, however that happens."""

from __future__ import annotations

import fcntl
import os
import tempfile


class ProcessLock:
    """A lock that processes forked from here share. It belongs to a process, not to a thread, and is not re-entrant."""

    def __init__(self) -> None:
        self._descriptor = _descriptor()

    def acquire(self) -> None:
        """Wait for the lock and take it."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        """Give the lock back."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up this process's part of it."""
        os.close(self._descriptor)


def _descriptor() -> int:
    """Return a file that exists in memory only where the system has such files: a read-only disk must not stop a start."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("scopegate-lock")
    descriptor, name = tempfile.mkstemp()
    os.unlink(name)  # noqa: PTH108 - a name that is gone at once
    return descriptor
