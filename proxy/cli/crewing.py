"""`scopegate serve --workers`: the supervisor, and what its workers come from."""

from __future__ import annotations

import asyncio

from proxy.app import StartError
from proxy.cli.exits import OK, UNEXPECTED
from proxy.cli.logs import PlainFormatter, report_bugs, start_logging
from proxy.cli.output import complain
from proxy.cli.serving import Begun, output_descriptor, serve_until_stopped
from proxy.composition.reloading import Load
from proxy.process.running import run, settle_memory
from proxy.settings import Disk, Loaded, Problems
from proxy.workers.nursery import Equipment, open_nursery
from proxy.workers.shared import Shared, make_shared, with_log_format
from proxy.workers.supervisor import Supervisor
from proxy.workers.worker import SupervisorGoneError, WorkerApp


def serve_with_workers(begun: Begun) -> int:
    """Fork what workers come from, before there is any thread or loop, then run the supervisor."""
    try:
        shared = make_shared(begun.loaded, output_descriptor(), begun.inherited)
    except StartError as error:
        complain(str(error))
        return UNEXPECTED
    settle_memory()
    load = _with_log_format(begun.load, output_descriptor())
    begun = begun._replace(load=load)
    nursery = open_nursery(lambda equipment: _work(shared, equipment, load), shared.listening)
    return run(serve_until_stopped(begun, lambda: Supervisor(shared, nursery, output_descriptor())))


def _with_log_format(load: Load, descriptor: int | None) -> Load:
    def shaped(disk: Disk) -> Loaded | Problems:
        loaded = load(disk)
        return loaded if isinstance(loaded, Problems) else with_log_format(loaded, descriptor)

    return shaped


def _work(shared: Shared, equipment: Equipment, load: Load) -> int:
    """Be a worker."""
    formatter = start_logging(f"worker {equipment.number}")
    formatter.revision = shared.loaded.revision
    return run(_live(shared, equipment, load, formatter))


async def _live(shared: Shared, equipment: Equipment, load: Load, formatter: PlainFormatter) -> int:
    app = WorkerApp(shared, equipment, load)
    app.on_revision = formatter.name
    report_bugs(asyncio.get_running_loop(), app.note_bug)
    settle_memory()
    try:
        await app.live()
    except (StartError, SupervisorGoneError) as error:
        complain(str(error))
        return UNEXPECTED
    return OK
