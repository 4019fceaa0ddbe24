"""`scopegate explain-error`: what an error pasted from a log means."""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path
from typing import Final

import click

from proxy.analysis.diagnosis import Diagnosis, SaidBy, diagnose
from proxy.analysis.pasting import MAX_TEXT, Pasted, read_pasted
from proxy.cli.exits import INVALID, OK, UNDECIDED
from proxy.cli.explaining import BUILT_IN
from proxy.cli.output import print_columns, print_json, print_links, print_paragraph, print_steps
from proxy.settings import Problems, builtin_config_directory, load_catalog, load_settings
from proxy.vendors.base import Vendor
from proxy.vendors.registry import make_vendor

_KINDS: Final = {
    "app_permission": "a permission that the app lacks",
    "user_permission": "a permission that the user lacks",
    "licence_or_access_level": "a licence or access level that the user lacks",
    "plan": "a feature that the account does not have",
    "not_authenticated": "the token or the login",
    "rate_limit": "too many requests",
    "bad_request": "the request itself",
    "denial": "a right that the token lacks, as the proxy knows",
    "policy": "a rule of the proxy's operator",
    "fault": "a fault that the proxy reports",
    "forwarded": "nothing that the proxy did",
}


def explain_error(text: str, vendor: str | None, file: Path | None, *, as_json: bool) -> int:
    """Print what a pasted error means; return 0, or 5 where nobody knows it."""
    vendors = _vendors(vendor, file)
    if isinstance(vendors, Problems):
        click.echo(str(vendors), err=True)
        return INVALID
    pasted = read_pasted(text)
    diagnosis = diagnose(pasted, vendors)
    if as_json:
        print_json({"known": False} if diagnosis is None else {"known": True, **dataclasses.asdict(diagnosis)})
    elif diagnosis is None:
        _print_unknown(pasted, vendors)
    else:
        _print(diagnosis)
    return OK if diagnosis is not None else UNDECIDED


def read_input(body: str) -> str:
    """Return the pasted text: the argument itself, or standard input for "-". A little too much is read, never all there is."""
    text = body if body != "-" else sys.stdin.buffer.read(4 * MAX_TEXT).decode("utf-8", "replace")
    if not text.strip():
        raise click.UsageError("there is nothing to explain: paste the error as an argument in quotes, or pipe it to standard input")
    return text


def _vendors(name: str | None, file: Path | None) -> list[Vendor] | Problems:
    return _shipped(name) if file is None else _configured(name, file)


def _shipped(name: str | None) -> list[Vendor] | Problems:
    if name is not None and name not in BUILT_IN:
        raise click.BadParameter(f"is none of {', '.join(BUILT_IN)}; other vendors need --config", param_hint="--vendor")
    vendors: list[Vendor] = []
    for kind in BUILT_IN if name is None else (name,):
        source = load_catalog(builtin_config_directory() / "catalogs" / f"{kind}.yaml")
        if isinstance(source, Problems):
            return source
        vendors.append(make_vendor(kind, kind, source.catalog))
    return vendors


def _configured(name: str | None, file: Path) -> list[Vendor] | Problems:
    loaded = load_settings(file, os.environ)
    if isinstance(loaded, Problems):
        return loaded
    configured = loaded.settings.vendors
    if name is not None and name not in configured:
        raise click.BadParameter(f"the configuration has only {', '.join(configured)}", param_hint="--vendor")
    names = configured if name is None else (name,)
    return [make_vendor(configured[each].kind, each, loaded.catalogs[each]) for each in names]


# --- for people -----------------------------------------------------------------------------------------


def _print(diagnosis: Diagnosis) -> None:
    who = f"The proxy{' for ' + diagnosis.vendor if diagnosis.vendor else ''}" if diagnosis.said_by is SaidBy.PROXY else diagnosis.vendor
    click.echo(
        f"{click.style(who or 'The vendor', bold=True)} said: {click.style(diagnosis.error or diagnosis.kind, fg='yellow', bold=True)}"
    )
    facts = [
        ("it is about", _KINDS.get(diagnosis.kind, diagnosis.kind)),
        ("missing", diagnosis.scope),
        ("user", diagnosis.user),
        ("resource", diagnosis.resource),
        ("operation", diagnosis.operation),
        ("who can end it", diagnosis.whose),
        ("decision", diagnosis.decision_id),
    ]
    print_columns([(name, value) for name, value in facts if value], indent="  ")
    click.echo()
    print_paragraph(diagnosis.meaning)
    if diagnosis.remediation:
        click.echo(f"\n{click.style('How to fix it', bold=True)}")
        print_steps(diagnosis.remediation)
    if diagnosis.documentation:
        click.echo(f"\n{click.style('Documentation', bold=True)}")
        print_links(diagnosis.documentation)


def _print_unknown(pasted: Pasted, vendors: list[Vendor]) -> None:
    names = ", ".join(vendor.name for vendor in vendors)
    click.echo(f"{click.style('Not known', fg='yellow', bold=True)}: no error of {names} or of the proxy reads like this.")
    click.echo()
    if not pasted.objects:
        print_paragraph("There is no JSON object in it. Paste the whole body of the answer, or the whole line of the log.")
    elif pasted.status is None:
        print_paragraph("No status is told. Paste the status with it, for example: HTTP/1.1 403, a new line, and the body.")
    else:
        print_paragraph(
            "It may mean anything; do not take it for a missing permission. If you find out what it means, add a row to 'errors' in the "
            "catalogue of that vendor, and this command will know it."
        )
