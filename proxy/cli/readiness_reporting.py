"""`scopegate report readiness`: gets the document from a running proxy or from a store, and writes it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from proxy.cli.exits import DENIED, INVALID, OK, UNEXPECTED
from proxy.cli.output import complain
from proxy.cli.reporting import DEFAULT_ADMIN, write
from proxy.cli.running_proxy import NoAnswer, fetch_report
from proxy.clocks import SystemClocks
from proxy.keeping import store_keys
from proxy.readiness import Wanted as Part
from proxy.reports.catalogue import READINESS
from proxy.scorekeeping import Readiness, make_scores
from proxy.scores import Scores
from proxy.settings import Loaded, Problems, load_settings
from proxy.stores.keys import KeyFileError
from proxy.stores.pending import SCORE
from proxy.stores.reading import UnreadableStoreError, read_evidence

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; "" is everything."""

    file: Path | None
    admin: str | None
    vendor: str
    client: str
    output_format: str
    output: Path | None


def report(wanted: Wanted, *, fail: bool) -> int:
    """Write the report. `fail`: exit with 3 where something is not ready."""
    if wanted.file is not None and wanted.admin is not None:
        raise click.UsageError("--config reads a store and --admin asks a running proxy; give one of them")
    document = _from_proxy(wanted) if wanted.file is None else _from_store(wanted, wanted.file)
    if isinstance(document, int):
        return document
    if not write(READINESS.writers[wanted.output_format](document), wanted.output):
        return UNEXPECTED
    return DENIED if fail and READINESS.is_bad(document) else OK


def _from_proxy(wanted: Wanted) -> Members | int:
    asked = {"vendor": wanted.vendor, "client": wanted.client}
    answer = fetch_report(wanted.admin or DEFAULT_ADMIN, "readiness", {name: value for name, value in asked.items() if value})
    if not isinstance(answer, NoAnswer):
        return answer
    complain(answer.detail if answer.status else f"{answer.detail}. --admin tells where it is; --config FILE reads a store instead.")
    return UNEXPECTED


def _from_store(wanted: Wanted, file: Path) -> Members | int:
    loaded = load_settings(file, os.environ)
    if isinstance(loaded, Problems):
        click.echo(str(loaded), err=True)
        return INVALID
    if wanted.vendor and wanted.vendor not in loaded.settings.vendors:
        raise click.BadParameter(f"must be one of: {', '.join(loaded.settings.vendors)}", param_hint="--vendor")
    scores = make_scores(loaded)
    try:
        scores.restore(_rows(loaded, scores))
    except (UnreadableStoreError, KeyFileError) as error:
        complain(str(error))
        return UNEXPECTED
    return Readiness(scores, loaded, SystemClocks()).report(Part(wanted.vendor, wanted.client))


def _rows(loaded: Loaded, scores: Scores) -> list[Any]:
    state = loaded.settings.state
    if state is None:
        raise UnreadableStoreError("this configuration has no store (state); ask the running proxy with --admin")
    return read_evidence(state.path, store_keys(state), SCORE, scores.decode)
