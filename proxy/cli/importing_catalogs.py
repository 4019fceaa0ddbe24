"""`scopegate catalog import` and `catalog diff`: catalogues from descriptions, and what differs between two."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from proxy.catalogs.catalog import Catalog
from proxy.catalogs.diff import Change, Difference, Effect, ScopeChange, compare
from proxy.catalogs.importing import Imported, NotOpenApiError, import_openapi
from proxy.catalogs.openapi_requirements import Options
from proxy.catalogs.writing import write_catalog
from proxy.cli.cataloguing import load, needs_text
from proxy.cli.exits import DENIED, INVALID, OK
from proxy.cli.output import complain, print_columns, print_json
from proxy.settings import Problems, read_catalog

MAX_DESCRIPTION_BYTES: Final = 128 * 1024 * 1024
_SHOWN: Final = 20


def import_catalog(file: str, vendor: str, options: Options, output: Path | None, *, as_json: bool) -> int:
    """Write the catalogue of a description; return 0, or 4 where the description cannot be read."""
    try:
        imported = import_openapi(_read(file), options)
    except NotOpenApiError as error:
        complain(f"{file}: {error}")
        return INVALID
    text = write_catalog(vendor, Path(file).name if file != "-" else "standard input", imported)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)
    _tell(imported, as_json=as_json)
    return _check(text, output)


def _read(file: str) -> object:
    raw = sys.stdin.buffer.read(MAX_DESCRIPTION_BYTES + 1) if file == "-" else _read_file(file)
    if len(raw) > MAX_DESCRIPTION_BYTES:
        raise NotOpenApiError(f"it is larger than {MAX_DESCRIPTION_BYTES // 1024 // 1024} MiB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotOpenApiError("it is not UTF-8 text") from None
    return _parse_json(text) if text.lstrip()[:1] == "{" else _parse_yaml(text)


def _read_file(file: str) -> bytes:
    try:
        with Path(file).open("rb") as opened:
            return opened.read(MAX_DESCRIPTION_BYTES + 1)
    except OSError as error:
        raise NotOpenApiError(error.strerror or "it cannot be read") from None


def _parse_json(text: str) -> object:
    import orjson  # noqa: PLC0415 - only this command needs it

    try:
        value: object = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotOpenApiError(f"it is no JSON: {error.msg} in line {error.lineno}") from None
    return value


def _parse_yaml(text: str) -> object:
    import yaml_rs  # noqa: PLC0415 - only this command needs it

    try:
        value: object = yaml_rs.loads(text)
    except yaml_rs.YAMLDecodeError as error:
        raise NotOpenApiError(f"it is no YAML: {str(error).splitlines()[0][:300]}") from None
    return value


def _check(text: str, output: Path | None) -> int:
    """Read the catalogue as the proxy will; what a person must mend is told now rather than at the next start."""
    read = read_catalog(text.encode(), str(output or "catalogue"))
    if isinstance(read, Problems):
        click.echo(str(read), err=True)
        return INVALID
    return OK


def _tell(imported: Imported, *, as_json: bool) -> None:
    unknown = sum(row.requires is None for row in imported.rows)
    if as_json:
        unread = [{"pointer": item.pointer, "why": item.why} for item in imported.unread]
        click.echo(_json({"operations": len(imported.rows), "unknown": unknown, "unread": unread}), err=True)
        return
    complain(f"{len(imported.rows)} operations, {unknown} of them with unknown requirements; {len(imported.unread)} things to look at")
    places: dict[str, list[str]] = {}
    for item in imported.unread:
        places.setdefault(item.why, []).append(item.pointer)
    for why, pointers in list(places.items())[:_SHOWN]:
        more = f" and {len(pointers) - 1} more" if len(pointers) > 1 else ""
        click.echo(f"  {why}\n    {pointers[0]}{more}", err=True)
    if len(places) > _SHOWN or len(imported.unread) > len(places):
        click.echo("  --format json lists every place", err=True)


def _json(value: object) -> str:
    import json  # noqa: PLC0415 - only this command needs it

    return json.dumps(value)


# --- diff -----------------------------------------------------------------------------------------------


def diff(old: str, new: str, *, as_json: bool) -> int:
    """Print what differs between two catalogues; return 0 where nothing does, else 3."""
    before, after = load(old), load(new)
    if before is None or after is None:
        return INVALID
    found = compare(before, after)
    if as_json:
        print_json(_members(found))
    else:
        _print(found, before, after)
    return DENIED if found else OK


def _members(found: Difference) -> dict[str, object]:
    return {
        "operations": [_change_members(change) for change in found.operations],
        "scopes": [
            {"scope": change.scope, "no_longer_implies": change.no_longer_implies, "now_implies": change.now_implies}
            for change in found.scopes
        ],
    }


def _change_members(change: Change) -> dict[str, object]:
    row = change.operation
    needs = {name: needs_text(side) if side is not None else None for name, side in (("old", change.old), ("new", change.new))}
    return {"effect": change.effect.value, "id": row.id, "method": row.method, "path": row.route, **needs}


_TITLES: Final = {
    Effect.STRICTER: "Needs more than before",
    Effect.LOOSER: "Needs less than before",
    Effect.DIFFERENT: "Needs something else",
    Effect.UNKNOWN: "Not known before or after, or bound to other resources",
    Effect.ADDED: "Added",
    Effect.REMOVED: "Removed",
}


def _print(found: Difference, before: Catalog, after: Catalog) -> None:
    for effect, title in _TITLES.items():
        changes = [change for change in found.operations if change.effect is effect]
        if changes:
            click.echo(f"{click.style(title, bold=True)} ({len(changes)})")
            print_columns([_line(change) for change in changes], indent="  ")
            click.echo()
    _print_scopes(found.scopes)
    click.echo(f"{len(before.operations)} operations before, {len(after.operations)} after, {len(found.operations)} differ", err=True)


def _line(change: Change) -> tuple[str, ...]:
    sides = [needs_text(side) for side in (change.old, change.new) if side is not None]
    return change.operation.id, change.operation.method, change.operation.route, " -> ".join(sides)


def _print_scopes(changes: Sequence[ScopeChange]) -> None:
    if not changes:
        return
    click.echo(f"{click.style('Scopes that imply others than before', bold=True)} ({len(changes)})")
    for change in changes:
        told = [f"-{name}" for name in change.no_longer_implies] + [f"+{name}" for name in change.now_implies]
        click.echo(f"  {change.scope}: {' '.join(told)}")
    click.echo()
