"""`scopegate health`."""

from __future__ import annotations

import click

from proxy.cli.exits import OK, UNEXPECTED
from proxy.cli.output import complain
from proxy.cli.running_proxy import NoAnswer, ask


def health(admin: str, *, ready: bool) -> int:
    """Ask the proxy at `admin` whether it lives, or whether it is `ready` for traffic; print its word, or why there is none."""
    answer = ask(admin, "GET", "/readyz" if ready else "/livez")
    if isinstance(answer, NoAnswer):
        complain("not ready" if answer.status == 503 else answer.detail)
        return UNEXPECTED
    click.echo(answer.get("status", "ok"))
    return OK
