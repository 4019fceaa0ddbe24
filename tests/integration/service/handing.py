"""Hands listening sockets to a real `scopegate serve`, as systemd does: from descriptor 3 on, with the process's own number told."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from tests.integration.cli.processes import Running, started

LAID_OUT: Final = """\
import os, sys
numbers, names, *command = sys.argv[1:]
moved = [os.dup2(int(number), 100 + place) for place, number in enumerate(numbers.split(","))]
kept = [os.dup2(number, 3 + place) for place, number in enumerate(moved)]
os.closerange(3 + len(kept), 200)
os.environ.update(LISTEN_FDS=str(len(kept)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""
"""Becomes the command, with descriptors laid out as sd_listen_fds(3) says."""

GRACE_S: Final = 7
CONFIGURATION: Final = f"""\
admin: {{listen: "127.0.0.1:0"}}
listen: 127.0.0.1:0
limits: {{shutdown_grace_s: {GRACE_S}}}
vendors:
  ringcentral: {{kind: ringcentral, mount: {{path: /ringcentral}}, upstream: "https://vendor.example"}}
"""

Handed = tuple[tuple[str, socket.socket], ...]
"""Names and sockets, in order."""


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A listening socket that outlives what accepts from it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as made:
        made.bind((host, 0))
        made.listen(16)
        yield made


def url_of(held: socket.socket) -> str:
    return f"http://127.0.0.1:{held.getsockname()[1]}"


@asynccontextmanager
async def handing(
    configuration: Path, handed: Handed, *arguments: str, extra: Mapping[str, str] | None = None, before: tuple[str, ...] = ()
) -> AsyncIterator[Running]:
    """Start `serve` with these sockets, behind the command line `before`; it may not get as far as serving."""
    descriptors = [each.fileno() for _, each in handed]
    prefix = (*before, sys.executable, "-c", LAID_OUT, ",".join(map(str, descriptors)), ":".join(name for name, _ in handed))
    command = ("serve", "--config", str(configuration), *arguments)
    async with started(*command, prefix=prefix, extra=extra, descriptors=descriptors) as running:
        yield running
