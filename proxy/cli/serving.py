"""`scopegate serve`."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from proxy import __version__
from proxy.cli.configuring import Source, Told
from proxy.cli.exits import INVALID, OK, UNEXPECTED
from proxy.cli.lifetime import StopSignals, cancelled, drain
from proxy.cli.logs import PlainFormatter, report_bugs, start_logging
from proxy.cli.output import complain
from proxy.cli.sparing import importing_little
from proxy.composition.reloading import Load, Reloader
from proxy.process.activation import Inherited, NotUsable, take_sockets
from proxy.process.running import run, settle_memory
from proxy.process.service_manager import ServiceManager, take_service_manager
from proxy.settings import Address, Disk, LimitSettings, Loaded, Problems, with_extras

if TYPE_CHECKING:
    from proxy.app import App


def serve(file: Path, listen: Address | None, admin: Address | None, workers: int | None = None) -> int:
    """Run the proxy that `file` describes until a signal ends it."""
    forbid_core_dumps()
    manager, inherited = take_service_manager(os.environ, os.getpid()), take_sockets(os.environ, os.getpid())
    if isinstance(inherited, NotUsable):
        complain(inherited.detail)
        return UNEXPECTED
    source, disk = Source(file, listen, admin, workers, inherited), Disk()
    loaded = source.load(disk)
    loaded = loaded if isinstance(loaded, Problems) else with_extras(loaded)
    if isinstance(loaded, Problems):
        click.echo(str(loaded), err=True)
        return INVALID
    disk.contents.clear()  # nobody else reads these files by what was in them
    settle_memory()  # what reading the files left is given to what comes now
    formatter = start_logging()
    formatter.revision = loaded.revision
    begun = Begun(loaded, source.load, disk, formatter, manager, inherited)
    if loaded.settings.workers == 1:
        with importing_little():
            from proxy.app import App  # noqa: PLC0415 - what it imports takes the memory that reading the files left free

        return run(serve_until_stopped(begun, lambda: App(loaded, output_descriptor(), inherited=inherited)))
    with importing_little():
        from proxy.cli.crewing import serve_with_workers  # noqa: PLC0415 - one process needs none of it

    return serve_with_workers(begun)


def forbid_core_dumps() -> None:
    """Let no crash write the memory to a disk: tokens on their way are in it. Workers inherit this.

    One byte, not none: Linux hands a dump to a program (core(5), `core_pattern`) whatever the limit is, except for a limit of one byte.
    """
    bound = 1 if sys.platform == "linux" else 0
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    bound = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
    resource.setrlimit(resource.RLIMIT_CORE, (bound, bound))


class Begun(NamedTuple):
    """What a process begins with: its configuration, how to load another one, and who hears of it."""

    loaded: Loaded
    load: Load
    disk: Disk
    formatter: PlainFormatter
    manager: ServiceManager
    inherited: Inherited


async def serve_until_stopped(begun: Begun, make: Callable[[], App]) -> int:
    """Start what `make` returns, and serve until a signal ends it; return the exit code."""
    from proxy.app import StartError  # noqa: PLC0415 - it is there by now

    loop, manager, reload_asked = asyncio.get_running_loop(), begun.manager, asyncio.Event()
    signals = StopSignals(loop)
    manager.watch(loop)
    loop.add_signal_handler(signal.SIGHUP, reload_asked.set)
    app = make()
    report_bugs(loop, app.note_bug)
    try:
        await app.start()
    except StartError as error:
        complain(str(error))
        return UNEXPECTED
    settle_memory()
    click.echo(listening_line(app.loaded, app), err=True)
    manager.ready(listening_line(app.loaded, app))
    told = Told(begun.formatter, manager, lambda: listening_line(app.loaded, app))
    reloading = loop.create_task(Reloader(app, begun.load, begun.disk, told, reload_asked).run())
    await signals.asked.wait()
    await cancelled(reloading)
    _tell_of_the_end(app.loaded.settings.limits, manager)
    await drain(app, signals)
    manager.close()
    return OK


def _tell_of_the_end(limits: LimitSettings, manager: ServiceManager) -> None:
    """Say what happens from the first signal on."""
    delay = f"not ready, but still serving for {limits.shutdown_delay_s:g} s; then " if limits.shutdown_delay_s else ""
    told = f"stopping; {delay}requests under way get {limits.shutdown_grace_s:g} s"
    complain(f"{told}, a second signal cuts them")
    manager.stopping(limits.shutdown_delay_s + limits.shutdown_grace_s, told)


def listening_line(loaded: Loaded, app: App) -> str:
    """Return the line that says where the proxy listens."""
    traffic, admin = listening_addresses(loaded, app)
    settings = loaded.settings
    scheme, admin_scheme = ("http" if tls is None else "https" for tls in (settings.tls, settings.admin.tls))
    where = f"{scheme}://{traffic}, admin on {admin_scheme}://{admin}"
    return f"scopegate {__version__} listening on {where} (configuration {loaded.revision})"


def listening_addresses(loaded: Loaded, app: App) -> tuple[Address, Address]:
    """Return the addresses of the traffic and the admin listener, with the ports they really have."""
    settings = loaded.settings
    return settings.listen._replace(port=app.port), settings.admin.listen._replace(port=app.admin_port)


def output_descriptor() -> int | None:
    """Return where decision lines go; None where standard output is closed, for then its number may be a socket's."""
    return None if sys.stdout is None else sys.stdout.fileno()
