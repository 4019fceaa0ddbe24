"""From a configuration to the label values that its metrics may have, and to how many series they can make."""

from __future__ import annotations

from collections.abc import Callable

from proxy import errors
from proxy.decision.closing import LEARNING_ERROR
from proxy.decision.judge import PREDICTION_ERROR
from proxy.identity.clients import ANONYMOUS, UNIDENTIFIED
from proxy.protocol import targets
from proxy.settings import Loaded, largest_series_count
from proxy.telemetry.labels import KnownLabels, Reading, Together, Values, VendorLabels
from proxy.vendors.refusals import METHOD_OVERRIDE


def known_labels(loaded: Loaded) -> KnownLabels:
    """Return every label value that the configuration and its catalogues can make."""
    vendors = {
        name: VendorLabels(frozenset(row.id for row in catalog.operations), frozenset(catalog.scopes) | _required(loaded, name))
        for name, catalog in loaded.catalogs.items()
    }
    clients = frozenset(client.name for client in loaded.settings.clients) | {ANONYMOUS.name, UNIDENTIFIED.name}
    others = {targets.AMBIGUOUS_PATH, METHOD_OVERRIDE, PREDICTION_ERROR, LEARNING_ERROR}
    return KnownLabels(vendors, clients, errors.ALL_REASONS | targets.REASONS | others)


def series_reading(loaded: Callable[[], Loaded]) -> Reading:
    """Return how many series the configuration in force can make at most."""
    text = "The largest number of series that the configuration can make, as check-config prints it."

    def count() -> Values:
        now = loaded()
        return {(): largest_series_count(now.settings, now.catalogs)}

    return Reading("scopegate_series_limit", text, count, together=Together.MAX)


def _required(loaded: Loaded, vendor: str) -> frozenset[str]:
    rows = loaded.catalogs[vendor].operations
    return frozenset(scope for row in rows for alternative in row.alternatives() for scope in alternative)
