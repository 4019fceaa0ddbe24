"""`scopegate simulate`."""

from __future__ import annotations

import asyncio

import click

from proxy.cli.exits import OK, UNEXPECTED
from proxy.cli.lifetime import StopSignals
from proxy.cli.logs import start_logging
from proxy.cli.output import complain, print_json
from proxy.settings import Address
from proxy.simulators import NewVoiceMediaSimulator, RingCentralSimulator, Simulator, make_simulator


def simulate(vendor: str, listen: Address, second_port: int | None, *, as_json: bool) -> int:
    """Run the simulator of `vendor` until a signal ends it. `second_port`: for its logins or its media, where those have a host."""
    start_logging()
    own_links = {"link_base": None, "media_link_base": None} if vendor == RingCentralSimulator.vendor else {}
    return asyncio.run(_simulate(make_simulator(vendor, **own_links), listen, second_port, as_json=as_json))


async def _simulate(simulator: Simulator, listen: Address, second_port: int | None, *, as_json: bool) -> int:
    signals = StopSignals(asyncio.get_running_loop())
    try:
        await _start(simulator, listen, second_port)
    except OSError as error:
        complain(f"cannot listen on {listen}: {error.strerror or error}. Choose another address, or stop what uses it.")
        await simulator.stop()
        return UNEXPECTED
    _announce(simulator, as_json=as_json)
    await signals.asked.wait()
    await simulator.stop()
    return OK


async def _start(simulator: Simulator, listen: Address, second_port: int | None) -> None:
    match simulator:
        case NewVoiceMediaSimulator():
            await simulator.start(listen.host, listen.port, token_port=second_port)
        case RingCentralSimulator():
            await simulator.start(listen.host, listen.port, media_port=second_port)
        case _:
            await simulator.start(listen.host, listen.port)


def _announce(simulator: Simulator, *, as_json: bool) -> None:
    urls = {"base_url": simulator.base_url}
    if isinstance(simulator, NewVoiceMediaSimulator):
        urls["token_base_url"] = simulator.token_base_url
    if isinstance(simulator, RingCentralSimulator):
        urls["media_base_url"] = simulator.media_base_url
    if as_json:
        print_json({"vendor": simulator.vendor, **urls, "description": simulator.describe().splitlines()})
        return
    click.echo(simulator.describe())
    for name, url in urls.items():
        click.echo(f"{name.replace('_', ' ')}: {url}")
    click.echo("Ctrl-C ends it.")
