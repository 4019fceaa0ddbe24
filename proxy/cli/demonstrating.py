"""`scopegate demo`, and `demo --tour`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import click

from proxy import __version__
from proxy.app import StartError
from proxy.cli.demo_world import ADMIN, TRAFFIC, World, choose, demo_world
from proxy.cli.exits import OK, UNEXPECTED
from proxy.cli.lifetime import StopSignals, drain
from proxy.cli.logs import report_bugs, start_logging
from proxy.cli.output import complain, print_json
from proxy.cli.serving import output_descriptor
from proxy.cli.tour import Answer, Result, run_steps
from proxy.cli.tour_script import command, script
from proxy.cli.tour_steps import STEPS, Request, Step
from proxy.process.running import run
from proxy.settings import Address


def run_demo(listen: Address | None, admin: Address | None, *, as_json: bool) -> int:
    """Run the demo until a signal ends it."""
    start_logging()
    return run(_demo(choose(listen, TRAFFIC, admin), choose(admin, ADMIN, listen), as_json=as_json))


async def _demo(listen: Address, admin: Address, *, as_json: bool) -> int:
    loop = asyncio.get_running_loop()
    signals = StopSignals(loop)
    try:
        async with demo_world(listen, admin, output_descriptor()) as world:
            report_bugs(loop, world.app.note_bug)
            _announce(world, as_json=as_json)
            await signals.asked.wait()
            await drain(world.app, signals)
    except StartError as error:
        complain(str(error))
        return UNEXPECTED
    return OK


def _announce(world: World, *, as_json: bool) -> None:
    click.echo(f"scopegate {__version__} listening on {world.base_url}, admin on {world.admin_url}", err=True)
    if as_json:
        lines = [{"title": step.title, "command": command(step.request, world.base_url, world.admin_url)} for step in STEPS]
        print_json({"base_url": world.base_url, "admin_url": world.admin_url, "steps": lines})
        return
    click.echo("# Three simulated vendors and the proxy in front of them. Paste these lines into another shell, in this order.\n")
    for line in script(STEPS, world.base_url, world.admin_url):
        click.echo(click.style(line, dim=True) if line.startswith("#") else line)
    click.echo("# `scopegate demo --tour` runs them for you. Ctrl-C ends the demo; below is one line per request.")


# --- the tour, run --------------------------------------------------------------------------------------


def run_tour(listen: Address | None, admin: Address | None, *, as_json: bool) -> int:
    """Run the tour in a world of its own; return 0 only if every answer is the promised one."""
    start_logging()
    return run(_tour(choose(listen, TRAFFIC, admin), choose(admin, ADMIN, listen), as_json=as_json))


async def _tour(listen: Address, admin: Address, *, as_json: bool) -> int:
    try:
        async with demo_world(listen, admin, None) as world:
            return await tour(world, STEPS, as_json=as_json)
    except StartError as error:
        complain(str(error))
        return UNEXPECTED


async def tour(world: World, steps: Iterable[Step], *, as_json: bool) -> int:
    """Run `steps` and print each of them; return the exit code."""
    results = []
    async for result in run_steps(world, steps):
        results.append(result)
        if not as_json:
            _print_result(result)
    if as_json:
        print_json([_members(result) for result in results])
    return _verdict(results)


def _verdict(results: list[Result]) -> int:
    broken = [result for result in results if result.broken]
    if broken:
        complain(f"{len(broken)} of {len(results)} answers are not the promised ones: {', '.join(str(each.number) for each in broken)}")
        return UNEXPECTED
    complain(f"all {len(results)} answers are the promised ones")
    return OK


def _print_result(result: Result) -> None:
    request, answer = result.step.request, result.answer
    click.echo(click.style(f"{result.number}. {result.step.title}", bold=True))
    click.echo(f"   > {_shown_request(request)}")
    click.echo(f"   < {_shown_head(answer)}")
    for line in answer.short_body(request.show):
        click.echo(f"   < {line}")
    if result.broken:
        click.echo(click.style(f"   NOT as promised: {'; '.join(result.broken)}", fg="red"))
    else:
        click.echo(click.style(f"   as promised: {result.step.promise.sentence()}", fg="green"))
    click.echo()


def _shown_request(request: Request) -> str:
    login = f"  (as {request.basic[0]})" if request.basic else ""
    token = f"  (with ${request.bearer})" if request.bearer else ""
    kept = f"  (token kept as ${request.keep_as})" if request.keep_as else ""
    return f"{request.method} {request.path}{login}{token}{kept}"


def _shown_head(answer: Answer) -> str:
    if not answer.decision_id:
        return str(answer.status)
    return (
        f"{answer.status}  Scopegate-Answered-By: {answer.answered_by}, "
        f"Scopegate-Decision: {answer.decision}, Scopegate-Decision-Id: {answer.decision_id}"
    )


def _members(result: Result) -> dict[str, object]:
    request, answer = result.step.request, result.answer
    return {
        "number": result.number,
        "title": result.step.title,
        "request": {"method": request.method, "path": request.path},
        "answer": {
            "status": answer.status,
            "answered_by": answer.answered_by,
            "decision": answer.decision,
            "decision_id": answer.decision_id,
            "vendor_contacted": answer.vendor_asked,
            "body": "\n".join(answer.short_body(request.show)),
        },
        "kept": not result.broken,
        "broken": list(result.broken),
    }
