"""Takes over other configurations while the proxy runs: when asked (SIGHUP), and when a file it is made of has changed.

All or nothing: what is wrong leaves the last good configuration in force, and is looked at again when a file changes. Looking works on
every file system, for files that are replaced, and for links that are swapped (Kubernetes mounts a ConfigMap so).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from proxy.admin.backend import Readiness
from proxy.settings import Disk, Loaded, Problems, difference, stamp_of
from proxy.settings.reading import Stamp
from proxy.telemetry.labels import Reading, Values
from proxy.telemetry.timestamps import timestamp

POLL_S: Final = 1.0
"""Seconds between two looks at the files. A change counts when two looks agree on it: files are replaced one after the other."""
TRIES: Final = 5
RETRY_S: Final = 0.2
_CHANGING: Final = "the files were being changed while they were read; they are read again when they stay as they are"
_BUG: Final = "an internal error, told above"

log = logging.getLogger("scopegate")

Load = Callable[[Disk], Loaded | Problems]
"""Reads the configuration anew, with what the command line adds. Called on another thread."""


class Result(StrEnum):
    """How a reload ended."""

    LOADED = "loaded"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(slots=True)
class Configuration:
    """Which configuration is in force, since when (seconds since the epoch), and how the last attempt at another one went."""

    revision: str
    loaded_at: float
    problems: tuple[str, ...] = ()
    tried_at: float = 0.0
    changes: tuple[str, ...] = ()
    counts: dict[Result, int] = field(default_factory=lambda: dict.fromkeys(Result, 0))

    def adopted(self, revision: str, now: float) -> None:
        """Take note of another configuration that is in force from now on."""
        self.revision, self.loaded_at = revision, now

    def tried(self, result: Result, problems: tuple[str, ...], changes: tuple[str, ...], now: float) -> None:
        """Take note of how an attempt ended."""
        self.problems, self.tried_at = problems, now
        self.changes = changes or self.changes
        self.counts[result] += 1

    def members(self) -> Mapping[str, object]:
        """Return it as JSON members."""
        return {
            "revision": self.revision,
            "loaded_at": timestamp(self.loaded_at),
            "last_reload_successful": not self.problems,
            "problems": self.problems,
            "tried_at": timestamp(self.tried_at) if self.tried_at else None,
            "changes": self.changes,
        }

    def readiness(self) -> Readiness:
        """Return its state: files that are wrong are none of the traffic's trouble, so it is degraded, never unready."""
        if not self.problems:
            return Readiness(True)
        told = f"the files were not taken over because of {len(self.problems)} problem(s), see GET /api/v1/config"
        return Readiness(True, f"revision {self.revision} stays in force: {told}", degraded=True)

    def readings(self) -> tuple[Reading, ...]:
        """Return the metric of attempts; the others are `Metrics`' own."""
        text = "Attempts to take over the configuration files, by how they ended."
        return (Reading("scopegate_config_reloads_total", text, self._values, ("result",), counter=True),)

    def _values(self) -> Values:
        return {(str(result),): float(count) for result, count in self.counts.items()}


class Reloadable(Protocol):
    """A running proxy, as a reload sees it."""

    @property
    def loaded(self) -> Loaded:
        """The configuration in force."""

    async def take_over(self, new: Loaded, disk: Disk) -> Problems | None:
        """Put another configuration in force, whole, or say why not. `disk` is what it was read with."""

    def note_reload(self, result: Result, problems: tuple[str, ...], changes: tuple[str, ...]) -> None:
        """Hear how an attempt ended."""

    def note_bug(self, bug: BaseException) -> None:
        """Count an exception that is ours."""


class Witness(Protocol):
    """Whoever wants to know of reloads: each beginning is followed by one end."""

    def began(self) -> None:
        """Hear that a reload begins."""

    def ended(self, result: Result, revision: str) -> None:
        """Hear how it ended, and which revision is in force now."""


class Reloader:
    """Runs beside the proxy. `first` is what the configuration in force was read with; `asked` is set to have it read again."""

    def __init__(
        self,
        proxy: Reloadable,
        load: Load,
        first: Disk,
        witness: Witness,
        asked: asyncio.Event | None = None,
        poll_s: float = POLL_S,
    ) -> None:
        self._proxy = proxy
        self._load = load
        self._witness = witness
        self._poll_s = poll_s
        self._taken: Mapping[Path, Stamp] = dict(first.stamps)
        self._seen = self._taken
        self._asked = asked or asyncio.Event()

    async def run(self) -> None:
        """Reload when it is due, until cancelled."""
        while True:
            asked = await self._is_asked()
            if asked or await asyncio.to_thread(self._look):
                await self.reload(asked=asked)

    async def _is_asked(self) -> bool:
        try:
            async with asyncio.timeout(self._poll_s):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    def _look(self) -> bool:
        """Say whether files have changed, and stayed so since the last look."""
        now = {path: stamp_of(path) for path in self._taken}
        settled = now == self._seen != self._taken
        self._seen = now
        return settled

    async def reload(self, *, asked: bool = False) -> Result:
        """Read the files, and take over what they say if it is all right."""
        self._witness.began()
        before = self._proxy.loaded
        try:
            problems = await self._attempt()
        except Exception as bug:
            self._proxy.note_bug(bug)
            problems = (_BUG,)
        changed = self._proxy.loaded is not before
        result = Result.FAILED if problems else Result.LOADED if changed else Result.UNCHANGED
        changes = difference(before, self._proxy.loaded) if changed else ()
        self._proxy.note_reload(result, problems, changes)
        self._witness.ended(result, self._proxy.loaded.revision)
        _tell(result, before, self._proxy.loaded, problems, changes, asked=asked)
        return result

    async def _attempt(self) -> tuple[str, ...]:
        """Return what was wrong; nothing where the files are in force now, or were before."""
        disk, loaded = await self._read()
        self._taken = self._seen = dict(disk.stamps)
        if loaded is None:
            return (_CHANGING,)
        if isinstance(loaded, Problems):
            return tuple(map(str, loaded))
        if is_same(loaded, self._proxy.loaded):
            return ()
        return tuple(map(str, await self._proxy.take_over(loaded, disk) or ()))

    async def _read(self) -> tuple[Disk, Loaded | Problems | None]:
        """Read everything as of one moment; None where it changes all the time: half of it could be old and half new."""
        for attempt in range(TRIES):
            disk = Disk()
            loaded = await asyncio.to_thread(self._load, disk)
            if not await asyncio.to_thread(disk.has_changed):
                return disk, loaded
            await asyncio.sleep(RETRY_S * attempt)
        return disk, None


def is_same(new: Loaded, old: Loaded) -> bool:
    """Say whether two configurations say the same, secrets included."""
    return (new.settings, new.entries, new.marks) == (old.settings, old.entries, old.marks)


def _tell(result: Result, before: Loaded, now: Loaded, problems: tuple[str, ...], changes: tuple[str, ...], *, asked: bool) -> None:
    """Log how a reload ended."""
    match result:
        case Result.FAILED:
            log.error("the configuration was not taken over, revision %s stays in force", now.revision)
            for problem in problems:
                log.error("%s", problem)
        case Result.LOADED:
            log.info("configuration %s is in force, %s was before", now.revision, before.revision)
            for change in changes:
                log.info("changed: %s", change)
        case Result.UNCHANGED if asked:
            log.info("SIGHUP: the files say what is in force already, revision %s", now.revision)
        case Result.UNCHANGED:
            log.info("the files were written, and say what is in force, revision %s", now.revision)
