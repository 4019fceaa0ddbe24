"""Real `scopegate` processes: run one to its end, or start one and talk to it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 20.0
COMMAND = (sys.executable, "-m", "proxy")
FREE = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
_LISTENING = re.compile(r"listening on (https?://\S+), admin on (https?://\S+)")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCOPEGATE_", "NO_COLOR"))}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


def scopegate(*arguments: str, cwd: Path | None = None, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd or ROOT, env=environment(extra), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def read_json(finished: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(finished.stdout)


@dataclass
class Running:
    """A process that runs until it is told to end."""

    process: asyncio.subprocess.Process
    told: list[str]
    base_url: str = ""
    admin_url: str = ""
    patience_s: float = PATIENCE_S

    async def error_line(self, part: str) -> str:
        """Return the next line of standard error that has `part` in it."""
        assert self.process.stderr is not None
        return await self._line(self.process.stderr, part)

    async def output_line(self, part: str) -> str:
        """Return the next line of standard output that has `part` in it."""
        assert self.process.stdout is not None
        return await self._line(self.process.stdout, part)

    async def _line(self, stream: asyncio.StreamReader, part: str) -> str:
        async with asyncio.timeout(self.patience_s):
            while raw := await stream.readline():
                self.told.append(raw.decode())
                if part in self.told[-1]:
                    return self.told[-1]
        raise AssertionError(f"ended without a line with {part!r}: {self.told}")

    async def listening(self) -> None:
        """Wait until the proxy listens."""
        found = _LISTENING.search(await self.error_line("listening on"))
        assert found is not None
        self.base_url, self.admin_url = found.groups()

    @property
    def port(self) -> int:
        return int(self.base_url.rpartition(":")[2])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code and the rest of standard output and error."""
        async with asyncio.timeout(self.patience_s):
            output, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, output.decode(), errors.decode()


@asynccontextmanager
async def started(
    *arguments: str,
    extra: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    descriptors: Sequence[int] = (),
    command: Sequence[str] = COMMAND,
) -> AsyncIterator[Running]:
    """Start a command; it is killed at the end where it has not ended itself. `descriptors` are open in it too."""
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *command,
        *arguments,
        cwd=ROOT,
        env=environment(extra),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=descriptors,
    )
    running = Running(process, [])
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
            await running.end()


@asynccontextmanager
async def serving(
    configuration: Path,
    *arguments: str,
    prefix: tuple[str, ...] = (),
    extra: Mapping[str, str] | None = None,
    patience_s: float = PATIENCE_S,
    command: Sequence[str] = COMMAND,
) -> AsyncIterator[Running]:
    """Start `serve` on free ports, or those that the arguments name, and wait until it listens."""
    async with started("serve", "--config", str(configuration), *FREE, *arguments, extra=extra, prefix=prefix, command=command) as running:
        running.patience_s = patience_s
        await running.listening()
        yield running
