"""How many Prometheus series a configuration can make at most: `largest_series_count`.

An upper bound, label values times label values; most combinations never occur. Counters and gauges are one series for each
combination (without `_created`), a histogram has its buckets, `+Inf`, `_sum` and `_count`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.catalogs.catalog import Catalog
from proxy.evidence.scoring import SCORES
from proxy.model import Mode, Objection, Reason, Source
from proxy.settings.schema import Settings
from proxy.telemetry.exchange import Actual, CacheResult, Decision, Outcome, Predicted, ResponseKind

HISTOGRAM_BUCKETS: Final = 15
"""Most finite buckets of any histogram."""
MOST_FAULTS: Final = 64
"""More than the proxy has kinds of faults."""
_HISTOGRAM: Final = HISTOGRAM_BUCKETS + 3
_CODE_CLASSES: Final = 6  # 1xx to 5xx, and none after a transport error
_LINK_RESULTS: Final = 6  # what becomes of the links of an answer
_DISCOVERY_RESULTS: Final = 6  # what comes of asking about tokens
_OTHER: Final = 1  # the label value of whatever is not in configuration or catalogue
_NONE: Final = 1  # the NONE of an enumeration is no label value of metrics about answers
_WITHOUT_LABELS: Final = 21  # reload, info, scrape, audit and series gauges, bytes that wait
_RATE_GROUPS: Final = 5  # of RingCentral, and one for all others
_PROCESS: Final = 15  # six of the process, three times three of its garbage collection


@dataclass(frozen=True, slots=True)
class _LabelValues:
    """How many values the labels of one vendor's series can take."""

    operations: int
    scopes: int
    modes: int
    clients: int

    def series(self) -> int:
        """Add up the metrics that have a `vendor` label, for this vendor."""
        requests = self.clients * len(Outcome)
        decisions = self.operations * len(Decision) * self.modes * len(Source)
        policy_denials = self.clients * len(Objection) * (len(Mode) - 1)  # mode off asks no policy
        missing_scope = self.clients * self.scopes * self.modes
        predictions = (len(Predicted) - _NONE) * len(Actual)
        vendor_responses = self.operations * _CODE_CLASSES * (len(ResponseKind) - _NONE)
        calls_avoided = len(Reason)
        request_duration = len(Outcome) * _HISTOGRAM
        vendor_duration = _HISTOGRAM
        links_and_discoveries = _LINK_RESULTS + _DISCOVERY_RESULTS
        cache = (len(CacheResult) - _NONE) + 2  # look-ups by result; entries; evictions
        token_life = 2 * self.clients  # expiry; lifetime
        rate_limits = 2 * _RATE_GROUPS  # remaining; limit
        scope_use = 2 * self.clients * self.scopes  # last used; granted
        readiness = self.clients * len(SCORES) + 2 * self.operations + 1  # scores; false denials; operations demoted; samples
        counted_once = policy_denials + requests + predictions + calls_avoided + request_duration + vendor_duration + cache + MOST_FAULTS
        return (
            counted_once
            + decisions
            + missing_scope
            + vendor_responses
            + scope_use
            + readiness
            + links_and_discoveries
            + token_life
            + rate_limits
        )


def largest_series_count(settings: Settings, catalogs: Mapping[str, Catalog]) -> int:
    """Return the largest number of series that `settings` can make; `catalogs` are its vendors' by name."""
    clients = len(settings.clients) + 1 + _OTHER  # and the anonymous ones
    vendors = [_label_values(name, settings, catalogs[name], clients) for name in settings.vendors]
    no_vendor = _LabelValues(_OTHER, _OTHER, len(Mode), clients)  # requests that belong to no mount
    overhead = _HISTOGRAM
    return sum(values.series() for values in [*vendors, no_vendor]) + overhead + _WITHOUT_LABELS + _PROCESS


def _label_values(vendor: str, settings: Settings, catalog: Catalog, clients: int) -> _LabelValues:
    modes: set[Mode] = {settings.mode_for(vendor), *(client.mode for client in settings.clients if client.mode is not None)}
    return _LabelValues(len(catalog.operations) + _OTHER, len(catalog.scopes) + _OTHER, len(modes), clients)
