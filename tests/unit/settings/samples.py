"""Small configurations and catalogues for the tests of settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proxy.settings import CatalogSource, Loaded, Problems, load_settings, read_catalog

CATALOG = """\
vendor: ringcentral
source: made up
scopes:
  ReadCallLog: {title: Read Call Log, remediation: [ask], documentation: ["https://example.com/log"]}
  ReadCallRecording: {implies: [ReadCallLog], remediation: [ask], documentation: ["https://example.com/recording"]}
operations:
  - {id: readLog, method: GET, path: "/log/{id}", requires: [[ReadCallLog]], origin: documented}
  - {id: readRecording, method: GET, path: /recording, requires: [[ReadCallLog, ReadCallRecording]], origin: documented}
"""

VENDOR = """\
vendors:
  rc:
    kind: ringcentral
    mount: {path: /rc}
    upstream: https://api.example.com
    catalog: catalog.yaml
"""

HASH = "ab" * 32
CLIENT = f"clients:\n  - name: app\n    authenticate: {{api_key_sha256: {HASH}}}\n"


def write(directory: Path, text: str, catalog: str = CATALOG) -> Path:
    (directory / "catalog.yaml").write_text(catalog, encoding="utf-8")
    path = directory / "scopegate.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(directory: Path, text: str, environ: Mapping[str, str] | None = None, catalog: str = CATALOG) -> Loaded:
    result = load_settings(write(directory, text, catalog), environ or {})
    assert isinstance(result, Loaded), str(result)
    return result


def problems(directory: Path, text: str, environ: Mapping[str, str] | None = None, catalog: str = CATALOG) -> list[str]:
    """Return the problems of a configuration, each as `line:column: key: message`."""
    result = load_settings(write(directory, text, catalog), environ or {})
    assert isinstance(result, Problems), "the configuration should be refused"
    return [str(problem).removeprefix(f"{directory}/scopegate.yaml:") for problem in result]


def catalog(text: str) -> CatalogSource:
    source = read_catalog(text.encode(), "c")
    assert isinstance(source, CatalogSource), str(source)
    return source


def catalog_problems(text: str) -> list[str]:
    source = read_catalog(text.encode(), "c")
    assert isinstance(source, Problems), "the catalogue should be refused"
    return [str(problem) for problem in source]
