"""`scopegate catalog proposals`: rows that the vendors' answers contradict, for a person to judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import click

from proxy.cli import running_proxy
from proxy.cli.exits import OK, UNEXPECTED
from proxy.cli.output import complain, print_json, print_paragraph

_MEANING: Final = {
    "needs_more": "The vendor refused tokens that satisfy the row, for want of {scope}.",
    "needs_known": "The row does not say what is needed; the vendor refused for want of {scope}.",
    "not_implied": "The vendor refused although one scope was taken to imply the other ({scope}): mend 'implies' in the section 'scopes'.",
    "needs_less": "The vendor accepted tokens that lack {scope}, which the row requires.",
}


def proposals(vendor: str, admin: str, *, as_json: bool) -> int:
    """Print what a running proxy found out; return 0, or 1 where it cannot be asked."""
    answer = running_proxy.ask(admin, "GET", f"/api/v1/catalog/{quote(vendor, safe='')}/proposals")
    if isinstance(answer, running_proxy.NoAnswer):
        complain(answer.detail)
        return UNEXPECTED
    if as_json:
        print_json(answer)
        return OK
    for proposal in answer["proposals"]:
        _print(proposal)
    complain(f"{len(answer['proposals'])} proposals for {vendor}; nothing is changed until somebody changes the catalogue")
    return OK


def _print(proposal: Mapping[str, Any]) -> None:
    click.echo(click.style(str(proposal["operation"]), bold=True))
    print_paragraph(_MEANING.get(proposal["kind"], "{scope}").format(scope=proposal["scope"]), first="  ", rest="  ")
    who = ", ".join(proposal["clients"])
    click.echo(f"  {proposal['count']} times from {proposal['first']} to {proposal['last']}, by {who}")
    for example in proposal["examples"][:3]:
        click.echo(f"    {example['at']}  status {example['status']}  decision {example['decision_id']}")
    if proposal["row"] is not None and proposal["kind"] != "not_implied":
        click.echo(f"  - {_flow(proposal['row'])}")
    click.echo()


def _flow(row: Mapping[str, Any]) -> str:
    """One row as YAML: every value is JSON in ASCII, which YAML reads alike."""
    return "{" + ", ".join(f"{name}: {json.dumps(value)}" for name, value in row.items()) + "}"
