"""The metrics of readiness: what this process has counted, which never goes back. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import product

from proxy.evidence.score_rows import FalseDenial, Key, Row, totals
from proxy.evidence.scoring import SCORES
from proxy.telemetry.labels import Reading, Together, Values


class Numbers:
    """Numbers beside the rows and demotions of a ledger, which are looked up live.

    `retired`: of rows that are gone. `before`: counted by earlier runs or other processes. `false`: by operation. `samples`: by
    vendor. `lifted`: operations that were in shadow once.
    """

    def __init__(self, rows: Mapping[Key, Row], demoted: Mapping[str, Mapping[str, FalseDenial]]) -> None:
        self._rows = rows
        self._demoted = demoted
        self.retired: Counter[tuple[str, ...]] = Counter()
        self.before: Counter[tuple[str, ...]] = Counter()
        self.false: Counter[tuple[str, ...]] = Counter()
        self.samples: Counter[str] = Counter()
        self.lifted: set[tuple[str, str]] = set()

    def readings(self, vendors: Callable[[], Iterable[str]], clients: Callable[[], Iterable[str]]) -> tuple[Reading, ...]:
        """Return the metrics; `vendors` and `clients` tell those of the configuration in force."""

        def start() -> dict[tuple[str, ...], float]:
            return {(vendor, client, str(each)): 0.0 for vendor, client, each in product(vendors(), clients(), SCORES)}

        def quiet() -> dict[tuple[str, ...], float]:
            return {(vendor,): 0.0 for vendor in vendors()}

        shadowed = "Whether a proven false denial has put an operation back to shadow: 1, or 0 after it was lifted."
        sampled = "Denials that were sent through as a sample (verify_denials)."
        falsely = "Requests that the vendor accepted although a denial was predicted, by operation."
        scores = "Predictions by how they compare with the vendor's answer."
        where = ("vendor", "operation")
        return (
            Reading("scopegate_scores_total", scores, lambda: {**start(), **self._scores()}, ("vendor", "client", "score"), counter=True),
            Reading("scopegate_false_denials_total", falsely, lambda: dict(self.false), where, counter=True),
            Reading("scopegate_operations_demoted", shadowed, self._shadowed, where, together=Together.MAX),
            Reading("scopegate_verified_denials_total", sampled, lambda: {**quiet(), **self._sampled()}, ("vendor",), counter=True),
        )

    def _scores(self) -> Values:
        found = Counter(self.retired)
        for row in self._rows.values():
            found.update(totals(row))
        found.subtract(self.before)
        return {labels: count for labels, count in found.items() if count}

    def _shadowed(self) -> Values:
        lifted: dict[tuple[str, ...], float] = dict.fromkeys(self.lifted, 0.0)
        return {**lifted, **{(vendor, operation): 1.0 for vendor, each in self._demoted.items() for operation in each}}

    def _sampled(self) -> Values:
        return {(vendor,): count for vendor, count in self.samples.items()}
