"""Configuration and catalogue files → `Loaded`, or every problem at once. Mistakes of users are values, never exceptions."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from proxy.catalogs.catalog import Catalog
from proxy.settings.allowing import allow_findings
from proxy.settings.catalog_build import MAX_CATALOG_BYTES, CatalogSource, read_catalog
from proxy.settings.checks import EACH, Finding, cross_checks, not_served, without
from proxy.settings.document import Document, read_document
from proxy.settings.entries import Entries, entries_of, mark_of, revision_of
from proxy.settings.expand import Expanded, expand, masked
from proxy.settings.messages import findings
from proxy.settings.problems import START, KeyPath, Position, Problem, Problems, collect
from proxy.settings.reading import Disk
from proxy.settings.schema import Settings
from proxy.settings.tls import unusable_files
from proxy.settings.vendor_schema import KINDS

MAX_SETTINGS_BYTES: Final = 1024 * 1024
MAX_CA_BYTES: Final = 8 * 1024 * 1024
_HIDDEN_ALWAYS: Final = ("clients", EACH, "authenticate", "api_key_sha256")
_SECRETS: Final = (("state", "key"), ("tls", "key_password"), ("admin", "tls", "key_password"))


@dataclass(frozen=True, slots=True, repr=False)
class Loaded:
    """A whole configuration. `files` are all files it was read from, its own the first one.

    `entries` is what the file says, key by key, `marks` change with what each vendor's catalogue says; `revision` names all that.
    """

    settings: Settings
    catalogs: Mapping[str, Catalog]
    files: tuple[Path, ...]
    entries: Entries
    marks: Mapping[str, str]
    revision: str
    shown: object = field(compare=False)
    """The configuration as it was written, as plain data, with `***` in place of every secret."""
    position: Callable[[KeyPath], Position] = field(compare=False)
    """Tells where a key stands in the file."""


def load_settings(path: Path, environ: Mapping[str, str], disk: Disk | None = None) -> Loaded | Problems:
    """Load a configuration file and the catalogues it names. `disk` reads files, and knows afterwards which."""
    disk = disk or Disk()
    raw = read_file(path, str(path), MAX_SETTINGS_BYTES, disk)
    if isinstance(raw, Problem):
        return collect([raw])
    return parse_settings(raw, environ, file=path, disk=disk)


def load_catalog(path: Path) -> CatalogSource | Problems:
    """Load one catalogue file."""
    raw = read_file(path, str(path), MAX_CATALOG_BYTES)
    return collect([raw]) if isinstance(raw, Problem) else read_catalog(raw, str(path))


def parse_settings(raw: bytes, environ: Mapping[str, str], *, file: Path, disk: Disk | None = None) -> Loaded | Problems:
    """Read the text of a configuration file. `file` is its name in messages; relative paths count from its directory."""
    document = read_document(raw, str(file), MAX_SETTINGS_BYTES)
    if isinstance(document, Problems):
        return document
    disk = disk or Disk()
    expanded = expand(document, environ, disk)
    settings, problems = _validate(document, expanded, file.parent)
    files = _Files(document, expanded, file.parent, disk)
    files.read()
    problems += files.problems
    rules = allow_findings(expanded.data, files.catalogs)
    problems += [document.problem(path, text) for path, text in rules if path not in expanded.failed]
    problems += [document.problem(path, text) for path, text in unusable_files(expanded.data, file.parent, expanded.failed)]
    if problems or settings is None:
        return collect(problems)
    entries = entries_of(settings, expanded.secret, file.parent)
    marks = {name: mark_of(catalog) for name, catalog in files.catalogs.items()}
    return Loaded(
        settings=settings.model_copy(update={"vendors": _with_catalog_paths(settings, files.paths)}),
        catalogs=MappingProxyType(files.catalogs),
        files=(file, *files.contents),
        entries=entries,
        marks=MappingProxyType(marks),
        revision=revision_of(entries, marks),
        shown=_shown(expanded),
        position=document.position,
    )


def builtin_config_directory() -> Path:
    """Return the shipped configuration: inside the package when installed from a wheel, else the checkout's `config`."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "builtin_config"
    return installed if installed.is_dir() else package.parent / "config"


def read_file(path: Path, shown: str, max_bytes: int, disk: Disk | None = None) -> bytes | Problem:
    """Read a file up to one byte more than `max_bytes`; `shown` is its name in messages."""
    try:
        return (disk or Disk()).read(path, max_bytes + 1)
    except OSError as error:
        return Problem(shown, START, "", f"cannot be read: {error.strerror or 'unknown error'}")
    except ValueError:
        return Problem(shown, START, "", "cannot be read: not the name of a file")


# --- validation -----------------------------------------------------------------------------------------


def _validate(document: Document, expanded: Expanded, directory: Path) -> tuple[Settings | None, list[Problem]]:
    """Validate the expanded data; what could not be expanded is reported once, as that."""
    unserved = not_served(expanded.data)
    data = without(expanded.data, frozenset(path for path, _ in unserved))
    found: list[Finding] = [*unserved, *cross_checks(data)]
    settings = None
    try:
        settings = Settings.model_validate(data, context={"directory": directory})
    except ValidationError as error:
        found += findings(error, Settings)
    problems = [document.problem(path, message) for path, message in found if path not in expanded.failed]
    return settings, [*expanded.problems, *problems]


def _shown(expanded: Expanded) -> object:
    clients = expanded.data.get("clients", []) if isinstance(expanded.data, dict) else []
    hashes = {("clients", index, *_HIDDEN_ALWAYS[2:]) for index in range(len(clients))}
    passwords = {("vendors", name, "client_key_password") for name, _ in _vendor_rows(expanded.data)}
    return masked(expanded.data, expanded.secret | hashes | passwords | set(_SECRETS))


def _with_catalog_paths(settings: Settings, paths: Mapping[str, Path]) -> Mapping[str, object]:
    """Fill in the shipped catalogues' paths, so that nobody has to know the rule twice."""
    return MappingProxyType({name: vendor.model_copy(update={"catalog": paths[name]}) for name, vendor in settings.vendors.items()})


# --- the files a configuration names --------------------------------------------------------------------


class _Files:
    """Reads the catalogues and CA files that a configuration (which may have other mistakes) names."""

    def __init__(self, document: Document, expanded: Expanded, directory: Path, disk: Disk) -> None:
        self._disk = disk
        self._document = document
        self._expanded = expanded
        self._directory = directory
        self._sources: dict[Path, CatalogSource | Problems] = {}
        self.catalogs: dict[str, Catalog] = {}
        self.paths: dict[str, Path] = {}
        self.contents: dict[Path, bytes] = {}
        self.problems: list[Problem] = []

    def read(self) -> None:
        """Read them all."""
        for name, vendor in _vendor_rows(self._expanded.data):
            self._catalog(name, vendor)
            self._ca_file(vendor, ("vendors", name, "ca_file"))
        data = self._expanded.data
        shared = data.get("shared_state") if isinstance(data, dict) else None
        if isinstance(shared, dict):
            self._ca_file(shared, ("shared_state", "ca_file"))

    def _catalog(self, name: str, vendor: Mapping[str, object]) -> None:
        path, key = self._catalog_path(vendor), ("vendors", name, "catalog")
        if path is None or key in self._expanded.failed:
            return
        if path not in self._sources:
            raw = self._contents(path, key, MAX_CATALOG_BYTES)
            if raw is None:
                return
            self._sources[path] = read_catalog(raw, self._name(path, name, key))
        source = self._sources[path]
        if isinstance(source, Problems):
            self.problems += source
            return
        self.paths[name], self.catalogs[name] = path, source.catalog
        self._check_kind(key, vendor, source.catalog)

    def _catalog_path(self, vendor: Mapping[str, object]) -> Path | None:
        kind, catalog = vendor.get("kind"), vendor.get("catalog")
        if isinstance(catalog, str) and catalog.isprintable() and catalog:
            return Path(self._directory, catalog)
        if catalog is None and kind in KINDS and kind != "generic":
            return builtin_config_directory() / "catalogs" / f"{kind}.yaml"
        return None

    def _check_kind(self, key: KeyPath, vendor: Mapping[str, object], catalog: Catalog) -> None:
        """A built-in kind with another vendor's catalogue would know none of the operations, and forward everything."""
        kind = vendor.get("kind")
        if kind in KINDS and kind not in ("generic", catalog.vendor):
            self.problems.append(self._document.problem(key, f"the catalogue is not about vendor {kind}"))

    def _ca_file(self, section: Mapping[str, object], key: KeyPath) -> None:
        value = section.get("ca_file")
        if not isinstance(value, str) or not value.isprintable() or not value or key in self._expanded.failed:
            return
        path = Path(self._directory, value)
        if self._contents(path, key, MAX_CA_BYTES) is not None and not _holds_certificates(path):
            self.problems.append(self._document.problem(key, "the file holds no usable PEM certificates"))

    def _contents(self, path: Path, key: KeyPath, max_bytes: int) -> bytes | None:
        raw = read_file(path, "", max_bytes, self._disk)
        if isinstance(raw, Problem):
            self.problems.append(self._document.problem(key, f"the file {raw.message}"))
            return None
        self.contents[path] = raw
        return raw

    def _name(self, path: Path, vendor: str, key: KeyPath) -> str:
        """The name of a catalogue in messages: a path that came from the environment is a secret."""
        return f"(catalogue of {vendor})" if key in self._expanded.secret else str(path)


def _holds_certificates(path: Path) -> bool:
    """Whether TLS can use the file: a wrong one must not be found out at the first connection."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except OSError:  # SSLError is one
        return False
    return True


def _vendor_rows(data: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    vendors = data.get("vendors") if isinstance(data, dict) else None
    if isinstance(vendors, dict):
        yield from ((name, vendor) for name, vendor in vendors.items() if isinstance(vendor, dict))
