"""`scopegate check-config`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from proxy.cli.exits import INVALID, OK
from proxy.cli.output import print_columns, print_json, print_paragraph
from proxy.cli.parameters import is_loopback
from proxy.model import Mode
from proxy.settings import (
    NEEDS_RESTART,
    Loaded,
    Problem,
    Problems,
    Settings,
    allowances,
    difference,
    dotted,
    largest_series_count,
    load_settings,
    needs_restart,
    with_extras,
)

Warned = tuple[str, str]
"""A key and what is remarkable about it; never its value, which may be a secret."""


def check(file: Path, *, as_json: bool, against: Path | None = None) -> int:
    """Print what is wrong with a configuration, or what it says, and what it says differently from the one in `against`."""
    loaded = load_settings(file, os.environ)
    loaded = loaded if isinstance(loaded, Problems) else with_extras(loaded)
    if isinstance(loaded, Problems):
        _print_problems(file, loaded, as_json=as_json)
        return INVALID
    old = None if against is None else load_settings(against, os.environ)
    if isinstance(old, Problems):
        _print_problems(against or file, old, as_json=as_json)
        return INVALID
    summary = _summary(file, loaded) | ({} if old is None else _changes(old, loaded))
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary)
    return OK


def _print_problems(file: Path, problems: Problems, *, as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "ok": False, "problems": [problem_members(problem) for problem in problems]})
    else:
        click.echo(str(problems))


def problem_members(problem: Problem) -> dict[str, object]:
    """Return a problem as JSON members."""
    place = {"file": problem.file, "line": problem.position.line, "column": problem.position.column}
    return {**place, "key": problem.key, "message": problem.message}


# --- a valid configuration ------------------------------------------------------------------------------


def _summary(file: Path, loaded: Loaded) -> dict[str, Any]:
    settings = loaded.settings
    return {
        "file": str(file),
        "ok": True,
        "revision": loaded.revision,
        "vendors": [_vendor_members(name, loaded) for name in settings.vendors],
        "clients": [client.name for client in settings.clients],
        "allowed": list(_allowed(loaded)),
        "largest_series_count": largest_series_count(settings, loaded.catalogs),
        "warnings": [{"key": key, "message": message} for key, message in warnings(settings)],
    }


def _changes(old: Loaded, new: Loaded) -> dict[str, Any]:
    needed = [dotted(path) for path in needs_restart(old.settings, new.settings)]
    return {"against": str(old.files[0]), "changes": difference(old, new), "needs_restart": needed}


def _allowed(loaded: Loaded) -> Iterator[dict[str, object]]:
    """How many of a vendor's operations each client with rules may use."""
    for name, catalog in loaded.catalogs.items():
        for client, allowance in allowances(loaded.settings, name, catalog).items():
            yield {"client": client, "vendor": name, "operations": len(allowance.allowed), "of": len(catalog.operations)}


def _vendor_members(name: str, loaded: Loaded) -> dict[str, object]:
    """What a vendor is; addresses and paths come from `shown`, which hides what came from the environment."""
    shown = _shown_vendor(name, loaded)
    return {
        "name": name,
        "kind": loaded.settings.vendors[name].kind,
        "mode": loaded.settings.mode_for(name).value,
        "mount": shown.get("mount"),
        "upstream": shown.get("upstream"),
        "catalog": shown.get("catalog", "shipped"),
        "operations": len(loaded.catalogs[name].operations),
    }


def _shown_vendor(name: str, loaded: Loaded) -> Mapping[str, Any]:
    shown: Any = loaded.shown
    vendor: Mapping[str, Any] = shown["vendors"][name]
    return vendor


def _print_summary(summary: Mapping[str, Any]) -> None:
    click.echo(f"{summary['file']}: {click.style('ok', fg='green')}")
    header = ("vendor", "kind", "mode", "mount", "upstream", "operations")
    rows = [
        tuple(_cell(vendor[name]) for name in ("name", "kind", "mode", "mount", "upstream", "operations")) for vendor in summary["vendors"]
    ]
    print_columns([header, *rows], indent="  ")
    click.echo(f"  clients: {', '.join(summary['clients']) or 'none; every caller is anonymous'}")
    for entry in summary["allowed"]:
        click.echo(f"    {entry['client']} may use {entry['operations']} of the {entry['of']} operations of {entry['vendor']}")
    click.echo(f"  largest number of metric series: {summary['largest_series_count']}")
    click.echo(f"  revision: {summary['revision']}")
    if "against" in summary:
        _print_changes(summary)
    for warning in summary["warnings"]:
        print_paragraph(f"{warning['key']}: {warning['message']}", first=click.style("warning: ", fg="yellow"), rest="  ")


def _print_changes(summary: Mapping[str, Any]) -> None:
    click.echo(f"  changes against {summary['against']}:{'' if summary['changes'] else ' none'}")
    for change in summary["changes"]:
        click.echo(f"    {change}")
    for key in summary["needs_restart"]:
        click.echo(f"    {key}: {NEEDS_RESTART}")


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(str(value[name]) for name in ("host", "path") if value.get(name))
    return str(value)


# --- what deserves a second look ------------------------------------------------------------------------


def warnings(settings: Settings) -> Iterator[Warned]:
    """Find what is valid, but perhaps not meant."""
    yield from _reachable(settings)
    yield from _modes(settings)
    yield from _unlimited(settings)
    for name, vendor in settings.vendors.items():
        if vendor.upstream.scheme == "http" and not is_loopback(vendor.upstream.host):
            yield f"vendors.{name}.upstream", "is plain http: tokens go to the vendor unencrypted"


def _unlimited(settings: Settings) -> Iterator[Warned]:
    """Apps without rules may do everything, those with an empty list nothing: either may be an oversight beside apps with rules."""
    free = [client.name for client in settings.clients if client.allow is None]
    if free and len(free) == len(settings.clients):
        yield "clients", "none has 'allow': every known app may use everything that its tokens can"
        return
    for index, client in enumerate(settings.clients):
        if client.allow is None:
            yield f"clients[{index}]", "has no 'allow': this app may use everything that its tokens can"
        elif not client.allow:
            yield f"clients[{index}].allow", "is empty: this app may use nothing"


def _reachable(settings: Settings) -> Iterator[Warned]:
    if settings.tls is None and not is_loopback(settings.listen.host):
        yield "listen", "other machines can connect, and tokens come in the clear: set tls, or end TLS in front of the proxy"
    if settings.admin.tls is None and not is_loopback(settings.admin.listen.host):
        yield (
            "admin.listen",
            "other machines can connect, and the admin token comes in the clear: set admin.tls, or let only Prometheus reach it",
        )


def _modes(settings: Settings) -> Iterator[Warned]:
    off = "off decides nothing: every request is forwarded"
    if settings.mode is Mode.OFF:
        yield "mode", off
    for name, vendor in settings.vendors.items():
        if vendor.mode is Mode.OFF:
            yield f"vendors.{name}.mode", off
    for index, client in enumerate(settings.clients):
        if client.mode is Mode.OFF:
            yield f"clients[{index}].mode", off
