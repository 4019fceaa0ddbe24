"""Where a running proxy's configuration comes from: a file and the command line; and who hears that another one is in force."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from proxy.cli.handed_over import with_sockets
from proxy.cli.logs import PlainFormatter
from proxy.composition.reloading import Result
from proxy.process.activation import ADMIN, NOTHING, TRAFFIC, Inherited
from proxy.process.service_manager import ServiceManager
from proxy.settings import OPEN_ADMIN, Address, Disk, Loaded, Problem, Problems, collect, load_settings, with_overrides


@dataclass(frozen=True, slots=True)
class Source:
    """The file, and what counts instead of some of its settings: the command line, and sockets of the service manager."""

    file: Path
    listen: Address | None = None
    admin: Address | None = None
    workers: int | None = None
    inherited: Inherited = NOTHING

    def load(self, disk: Disk) -> Loaded | Problems:
        """Read the file as it is now."""
        found = load_settings(self.file, os.environ, disk)
        if isinstance(found, Problems):
            return found
        settings = with_overrides(found.settings, listen=self.listen, admin=self.admin, workers=self.workers)
        if not settings.admin.is_guarded:
            return self._problem(found, "admin", f"--admin {settings.admin.listen}: {OPEN_ADMIN}")
        given = [name for name, own in ((TRAFFIC, self.listen), (ADMIN, self.admin)) if own is not None]
        changed = with_sockets(settings, self.inherited, given)
        return self._problem(found, "", changed) if isinstance(changed, str) else replace(found, settings=changed)

    def _problem(self, found: Loaded, key: str, message: str) -> Problems:
        return collect([Problem(str(self.file), found.position((key,)), key, message)])


class Told:
    """Hears of reloads: lines on standard error name the revision in force, and the service manager knows what goes on."""

    def __init__(self, formatter: PlainFormatter, manager: ServiceManager, status: Callable[[], str]) -> None:
        self._formatter = formatter
        self._manager = manager
        self._status = status

    def began(self) -> None:
        """Hear that a reload begins."""
        self._manager.reloading()

    def ended(self, result: Result, revision: str) -> None:
        """Hear how it ended, and which revision is in force now."""
        self._formatter.revision = revision
        failed = "; the last reload failed, see the log" if result is Result.FAILED else ""
        self._manager.ready(self._status() + failed)
