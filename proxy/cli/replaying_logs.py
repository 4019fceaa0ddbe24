"""`scopegate replay`: what a recorded log would come to under another configuration."""

from __future__ import annotations

import gzip
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import click

from proxy.analysis.recordings import MAX_LINE, Recorded, Recording, Skipped
from proxy.analysis.replaying import NOT_CONFIGURED, Count, Group, Rulebook, Tally, VendorRules, replay
from proxy.cli.exits import DENIED, INVALID, OK
from proxy.cli.output import print_columns, print_json
from proxy.identity.clients import Client
from proxy.policy.rules import Rules
from proxy.settings import Loaded, Problems, allowances, implications, load_catalog, load_settings
from proxy.telemetry.exchange import Decision

_WHY: Final = {
    Skipped.OTHER_LINE: "other lines",
    Skipped.UNREADABLE: "lines that cannot be read",
    Skipped.NOT_DECIDED: "requests that were refused before anything was decided",
    Skipped.GRANTS_NOT_TOLD: "decisions whose set of grants is not in the log (it began later, or was cut)",
    NOT_CONFIGURED: "decisions about vendors that this configuration does not have",
}
_WORSE: Final = {Decision.DENY: 0, Decision.WOULD_DENY: 1, Decision.INDETERMINATE: 2, Decision.NOT_APPLICABLE: 3}


def replay_log(log: str, config: Path, catalogs: Sequence[str], without: Sequence[str], *, as_json: bool) -> int:
    """Print what would change; return 0 where nothing would, else 3."""
    loaded = _loaded(config, catalogs)
    if isinstance(loaded, Problems):
        click.echo(str(loaded), err=True)
        return INVALID
    book = rulebook(loaded, frozenset(without))
    _check_scopes(book)
    tally = replay(_read(log), book)
    if as_json:
        print_json(_members(tally))
    else:
        _print(tally)
    return DENIED if tally.changes else OK


def rulebook(loaded: Loaded, without: frozenset[str] = frozenset()) -> Rulebook:
    """Return by what a configuration decides."""
    settings = loaded.settings
    vendors = {
        name: VendorRules(
            catalog := loaded.catalogs[name],
            implications(vendor, catalog),
            vendor.mode or settings.mode,
            Rules(vendor.on_unknown_operation, vendor.on_unknown_token, allowances(settings, name, catalog)),
        )
        for name, vendor in settings.vendors.items()
    }
    return Rulebook(vendors, {client.name: Client(client.name, mode=client.mode) for client in settings.clients}, without)


def _loaded(config: Path, catalogs: Sequence[str]) -> Loaded | Problems:
    loaded = load_settings(config, os.environ)
    if isinstance(loaded, Problems):
        return loaded
    others = dict(loaded.catalogs)
    for pair in catalogs:
        name, _, file = pair.partition("=")
        if name not in others or not file:
            raise click.BadParameter(f"must be VENDOR=FILE with one of {', '.join(others)}", param_hint="--catalog")
        source = load_catalog(Path(file))
        if isinstance(source, Problems):
            return source
        others[name] = source.catalog
    return replace(loaded, catalogs=MappingProxyType(others))


def _check_scopes(book: Rulebook) -> None:
    """A scope that no catalogue knows is a typing error: taking it away would change nothing and prove nothing."""
    known = {name for vendor in book.vendors.values() for name in (*vendor.catalog.scopes, *vendor.catalog.aliases)}
    for scope in sorted(book.without - known):
        raise click.BadParameter(f"no catalogue of this configuration knows the scope {scope!r}", param_hint="--without")


def _read(log: str) -> Iterator[Recorded | Skipped]:
    recording = Recording()
    try:
        with _opened(log) as lines:
            while line := lines.readline(MAX_LINE + 1):
                yield recording.read(line)
    except (OSError, EOFError) as error:
        raise click.FileError(log, getattr(error, "strerror", None) or "it is cut, or no gzip file") from None


def _opened(log: str) -> io.TextIOBase:
    if log == "-":
        return io.TextIOWrapper(sys.stdin.buffer, "utf-8", "replace")
    if log.endswith(".gz"):
        return gzip.open(log, "rt", encoding="utf-8", errors="replace")
    return Path(log).open(encoding="utf-8", errors="replace")


# --- telling ----------------------------------------------------------------------------------------------


def _sorted(tally: Tally) -> list[tuple[Group, Count]]:
    """New denials first, then by number."""
    return sorted(tally.changes.items(), key=lambda item: (_WORSE.get(item[0].now, 4), -item[1].number, item[0].client, item[0].operation))


def _members(tally: Tally) -> dict[str, object]:
    return {
        "decided": tally.decided,
        "same": tally.same,
        "changed": sum(count.number for count in tally.changes.values()) + tally.other_groups,
        "rechecks": tally.rechecks,
        "skipped": tally.skipped,
        "changes": [{**asdict(group), **asdict(count)} for group, count in _sorted(tally)],
        "changes_not_listed": tally.other_groups,
    }


def _print(tally: Tally) -> None:
    changed = sum(count.number for count in tally.changes.values()) + tally.other_groups
    if tally.changes:
        rows: list[tuple[str, ...]] = [("count", "client", "vendor", "operation", "was -> would be", "because", "for example")]
        rows += [_row(group, count) for group, count in _sorted(tally)]
        print_columns(rows)
        click.echo()
    click.echo(f"{tally.decided} decisions made again: {tally.same} the same, {changed} changed, {tally.rechecks} tried on purpose")
    for why, number in tally.skipped.items():
        click.echo(f"not made again: {number} {_WHY.get(why, why)}")


def _row(group: Group, count: Count) -> tuple[str, ...]:
    because = f"lacks {' and '.join(group.missing)}" if group.missing else group.reason or "-"
    change = f"{group.was} -> {group.now}"
    return str(count.number), group.client, group.vendor, group.operation or "(none)", change, because, count.example
