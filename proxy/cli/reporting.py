"""`scopegate report`: gets a report's document from a running proxy or from a store, and writes it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from proxy.cli.exits import DENIED, INVALID, OK, UNEXPECTED
from proxy.cli.output import complain
from proxy.cli.parameters import DEFAULT_ADMIN
from proxy.cli.running_proxy import NoAnswer, fetch_report
from proxy.composition.keeping import retention_s, store_keys, vendor_facts
from proxy.evidence.usage import UsageLedger
from proxy.evidence.usage_rows import decode_row
from proxy.reports.catalogue import FORMS, ReportForm, parse_since
from proxy.reports.documents import DOCUMENTS
from proxy.reports.grouping import Question
from proxy.settings import Loaded, Problems, load_settings
from proxy.stores.keys import KeyFileError
from proxy.stores.pending import USAGE
from proxy.stores.reading import UnreadableStoreError, read_evidence

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; "" is everything."""

    file: Path | None
    admin: str | None
    vendor: str
    client: str
    since: str
    min_days: int
    output_format: str
    output: Path | None
    by: str = "client"

    def parameters(self) -> dict[str, str]:
        """Return it as the admin API takes it."""
        given = {"vendor": self.vendor, "client": self.client, "since": self.since, "by": self.by, "min_days": str(self.min_days)}
        return {name: value for name, value in given.items() if value}

    def question(self, now: float) -> Question:
        """Return it as reports take it; raise a usage error."""
        since = parse_since(self.since, now) if self.since else 0.0
        if since is None:
            raise click.BadParameter("must be a number of days such as 30d, or a date such as 2026-11-01", param_hint="--since")
        return Question(self.vendor, self.client, since, self.by == "subject", self.min_days)


def report(name: str, wanted: Wanted, *, fail: bool = False) -> int:
    """Write a report. `fail`: exit with 3 where it says what a pipeline should stop at."""
    wanted.question(time.time())

    def from_store(loaded: Loaded) -> Members:
        ledger, now = UsageLedger(retention_s(loaded)), time.time()
        ledger.restore(stored_rows(loaded, USAGE, decode_row))
        return DOCUMENTS[name](ledger.kept(now), vendor_facts(loaded), wanted.question(now), now)

    return write_report(FORMS[name], name, wanted, from_store, fail=fail)


# --- what every report command does -------------------------------------------------------------------------


class Asked(Protocol):
    """What every report command is asked; "" is everything."""

    @property
    def file(self) -> Path | None:
        """Return the configuration whose store is read."""

    @property
    def admin(self) -> str | None:
        """Return where the running proxy is asked."""

    @property
    def vendor(self) -> str:
        """Return the one vendor that is asked about."""

    @property
    def output_format(self) -> str:
        """Return the format."""

    @property
    def output(self) -> Path | None:
        """Return the file to write to."""

    def parameters(self) -> dict[str, str]:
        """Return it as the admin API takes it."""


def write_report(form: ReportForm, name: str, asked: Asked, from_store: Callable[[Loaded], Members], *, fail: bool) -> int:
    """Get a document from a running proxy, or from a store by `from_store`, and write it. Return the exit code."""
    if asked.file is not None and asked.admin is not None:
        raise click.UsageError("--config reads a store and --admin asks a running proxy; give one of them")
    document = _from_proxy(name, asked) if asked.file is None else _from_store(asked, asked.file, from_store)
    if isinstance(document, int):
        return document
    if not _write(form.writers[asked.output_format](document), asked.output):
        return UNEXPECTED
    return DENIED if fail and form.is_bad(document) else OK


def stored_rows(loaded: Loaded, kind: str, decode: Callable[[bytes], Any]) -> list[Any]:
    """Return what a store holds of one kind of evidence; raise `UnreadableStoreError` or `KeyFileError`."""
    state = loaded.settings.state
    if state is None:
        raise UnreadableStoreError("this configuration has no store (state); ask the running proxy with --admin")
    return read_evidence(state.path, store_keys(state), kind, decode)


def _from_proxy(name: str, asked: Asked) -> Members | int:
    answer = fetch_report(asked.admin or DEFAULT_ADMIN, name, asked.parameters())
    if not isinstance(answer, NoAnswer):
        return answer
    complain(answer.detail if answer.status else f"{answer.detail}. --admin tells where it is; --config FILE reads a store instead.")
    return UNEXPECTED


def _from_store(asked: Asked, file: Path, make: Callable[[Loaded], Members]) -> Members | int:
    loaded = load_settings(file, os.environ)
    if isinstance(loaded, Problems):
        click.echo(str(loaded), err=True)
        return INVALID
    if asked.vendor and asked.vendor not in loaded.settings.vendors:
        raise click.BadParameter(f"must be one of: {', '.join(loaded.settings.vendors)}", param_hint="--vendor")
    try:
        return make(loaded)
    except (UnreadableStoreError, KeyFileError) as error:
        complain(str(error))
        return UNEXPECTED


def _write(text: str, output: Path | None) -> bool:
    """Write a report to a file, or to standard output; say whether it could be."""
    if output is None:
        click.echo(text, nl=False)
        return True
    try:
        output.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        complain(f"{output} cannot be written: {error.strerror}")
        return False
    return True
