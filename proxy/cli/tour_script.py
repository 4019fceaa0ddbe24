"""A step of the tour as a line of shell: pasted, it does what the run does. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from proxy.cli.tour_steps import Request, Step

_EXTRACT: Final = r"""sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p'"""


def script(steps: Iterable[Step], base_url: str, admin_url: str) -> Iterator[str]:
    """Yield the tour as shell lines: what comes and what is promised as comments, then the command."""
    for number, step in enumerate(steps, 1):
        yield f"# {number}. {step.title}"
        yield f"#    -> {step.promise.sentence()}"
        yield command(step.request, base_url, admin_url)
        yield ""


def command(request: Request, base_url: str, admin_url: str) -> str:
    """Return the curl line of a request."""
    url = (admin_url if request.admin else base_url) + request.path
    if request.keep_as:
        return f"{request.keep_as}=$({' '.join(['curl -s', *_options(request), shlex.quote(url)])} | {_EXTRACT})"
    if request.show:
        return f"curl -s {shlex.quote(url)} | grep -E {shlex.quote(request.show)}"
    return f"{' '.join(['curl -si', *_options(request), shlex.quote(url)])}; echo"


def _options(request: Request) -> Iterator[str]:
    if request.method != ("POST" if request.form else "GET"):
        yield f"-X {request.method}"
    if request.basic is not None:
        yield f"-u {shlex.quote(':'.join(request.basic))}"
    if request.bearer:
        yield f'-H "Authorization: Bearer ${request.bearer}"'
    for name, value in request.headers:
        yield f"-H {shlex.quote(f'{name}: {value}')}"
    for name, value in request.form:
        yield f"--data-urlencode {shlex.quote(f'{name}={value}')}"
