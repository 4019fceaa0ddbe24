"""What a configuration needs that an optional extra brings along. Only who serves needs it: other commands do not look."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from proxy.settings.load import Loaded
from proxy.settings.problems import KeyPath, Problem, Problems, collect, dotted

_EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http"
NO_EXPORTER: Final = "needs OpenTelemetry's exporter, which is not installed: pip install 'scopegate[otel]'"
_OTLP: Final[KeyPath] = ("tracing", "otlp")


def with_extras(loaded: Loaded) -> Loaded | Problems:
    """Return a configuration if everything that it needs is installed."""
    if loaded.settings.tracing.otlp is None or is_installed(_EXPORTER):
        return loaded
    return collect([Problem(str(loaded.files[0]), loaded.position(_OTLP), dotted(_OTLP), NO_EXPORTER)])


def is_installed(library: str) -> bool:
    """Say whether a package is there, without loading it."""
    try:
        return find_spec(library) is not None
    except (ImportError, ValueError):
        return False
