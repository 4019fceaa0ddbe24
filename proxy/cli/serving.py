"""`scopegate serve`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import click

from proxy import __version__
from proxy.app import App, StartError, run, settle_memory
from proxy.cli.exits import INVALID, OK, UNEXPECTED
from proxy.cli.lifetime import StopSignals, drain
from proxy.cli.logs import report_bugs, start_logging
from proxy.cli.output import complain
from proxy.settings import Address, Loaded, Problems, load_settings, with_overrides


def serve(file: Path, listen: Address | None, admin: Address | None) -> int:
    """Run the proxy that `file` describes until a signal ends it."""
    loaded = load_settings(file, os.environ)
    if isinstance(loaded, Problems):
        click.echo(str(loaded), err=True)
        return INVALID
    start_logging()
    return run(_serve(replace(loaded, settings=with_overrides(loaded.settings, listen=listen, admin=admin))))


async def _serve(loaded: Loaded) -> int:
    loop = asyncio.get_running_loop()
    signals = StopSignals(loop)
    loop.add_signal_handler(signal.SIGHUP, complain, "SIGHUP: this version reads its configuration at the start only; restart it")
    app = App(loaded, output_descriptor())
    report_bugs(loop, app.note_bug)
    try:
        await app.start()
    except StartError as error:
        complain(str(error))
        return UNEXPECTED
    settle_memory()
    click.echo(listening_line(loaded, app), err=True)
    await signals.asked.wait()
    complain(f"stopping; requests under way get {loaded.settings.limits.shutdown_grace_s:g} s, a second signal cuts them")
    await drain(app, signals)
    return OK


def listening_line(loaded: Loaded, app: App) -> str:
    """Return the line that says where the proxy listens."""
    traffic, admin = listening_addresses(loaded, app)
    return f"scopegate {__version__} listening on http://{traffic}, admin on http://{admin}"


def listening_addresses(loaded: Loaded, app: App) -> tuple[Address, Address]:
    """Return the addresses of the traffic and the admin listener, with the ports they really have."""
    settings = loaded.settings
    return settings.listen._replace(port=app.port), settings.admin.listen._replace(port=app.admin_port)


def output_descriptor() -> int | None:
    """Return where decision lines go; None where standard output is closed, for then its number may be a socket's."""
    return None if sys.stdout is None else sys.stdout.fileno()
