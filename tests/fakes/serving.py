"""A proxy in a process of its own: `python -m tests.fakes.serving DIRECTORY UPSTREAM` prints its ports and runs until its input ends."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import uvloop

from tests.fakes.running import Running


async def main(directory: Path, upstream: str) -> None:
    running = await Running.start(directory, upstream)
    os.write(1, f"{running.app.port}\n".encode())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await running.stop(0.0)


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2]))
