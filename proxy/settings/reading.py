"""Reads the files that a configuration is made of, and remembers which: what to look at for changes, and what to read again elsewhere."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path

Stamp = tuple[int, ...] | None
"""What changes when a file is written or replaced, also behind links; None where there is none."""


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Disk:
    """Reads files. `stamps` are those of every file that was asked for, from before it was read; `contents` what could be read."""

    def __init__(self) -> None:
        self.stamps: dict[Path, Stamp] = {}
        self.contents: dict[Path, bytes] = {}

    def read(self, path: Path, most: int) -> bytes:
        """Return up to `most` bytes of a file; raise OSError, or ValueError where the path is no name of a file."""
        self.stamps.setdefault(path, stamp_of(path))
        with path.open("rb") as stream:
            raw = stream.read(most)
        self.contents[path] = raw
        return raw

    def is_regular(self, path: Path) -> bool:
        """Say whether this is a file, and not a pipe that one could wait for without end. Raise OSError or ValueError."""
        self.stamps.setdefault(path, stamp_of(path))
        return path.is_file()

    def has_changed(self) -> bool:
        """Say whether any file is another one by now. Blocks."""
        return any(stamp_of(path) != stamp for path, stamp in self.stamps.items())


class Copies(Disk):
    """Reads what another process has read, and nothing else."""

    def __init__(self, contents: Mapping[Path, bytes]) -> None:
        super().__init__()
        self.contents = dict(contents)

    def read(self, path: Path, most: int) -> bytes:
        """Return up to `most` bytes of a file; raise OSError where the other process could not read it."""
        if path not in self.contents:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.contents[path][:most]

    def is_regular(self, path: Path) -> bool:
        """Say whether the other process could read it."""
        return path in self.contents
