"""From settings to scores and back to people: makes the ledger of scores, tells false denials loudly, answers the admin API."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from proxy.decision.gate import Clocks
from proxy.evidence.score_rows import FalseDenial
from proxy.evidence.scores import Rules, Scores
from proxy.settings import Loaded, implications

if TYPE_CHECKING:
    from proxy.analysis.readiness import Wanted

_DAY_S = 86_400.0

log = logging.getLogger("scopegate")


def make_scores(loaded: Loaded) -> Scores:
    """Return an empty ledger for the operations of a configuration."""
    scores = Scores(tell_false_denial, 0.0)
    adopt_rules(scores, loaded)
    return scores


def adopt_rules(scores: Scores, loaded: Loaded) -> None:
    """Score by a configuration; log which operations are enforced again because it corrects their requirement."""
    scores.keep_for(loaded.settings.readiness.keep_days * _DAY_S)
    for ended in scores.adopt(prediction_rules(loaded)):
        if ended.vendor in loaded.settings.vendors:
            log.warning("%s of %s is enforced again: its requirement has changed", ended.operation, ended.vendor)


def prediction_rules(loaded: Loaded) -> dict[str, Rules]:
    """Return by which catalogue, and which implied scopes, the requests of each vendor are predicted."""
    vendors = loaded.settings.vendors
    return {name: Rules(catalog, implications(vendors[name], catalog)) for name, catalog in loaded.catalogs.items()}


def tell_false_denial(found: FalseDenial) -> None:
    """Log that an operation goes back to shadow. Names of the catalogue and of the configuration only."""
    missing = " or ".join(" and ".join(alternative) for alternative in found.missing)
    log.error(
        "FALSE DENIAL: %s accepted %s (status %d) although the prediction was that it lacks %s (client %s, evidence %s, decision %s); "
        "the operation is in shadow for every client from now on. %s",
        *(found.vendor, found.operation, found.status, missing, found.client, found.evidence, found.decision_id, _what_to_do(found)),
    )


def tell_still_in_shadow(scores: Scores) -> None:
    """Log, at the start, which operations an earlier run put back to shadow."""
    for found in scores.demotions():
        log.warning(
            "%s of %s is still in shadow because of a false denial (decision %s). %s",
            *(found.operation, found.vendor, found.decision_id, _what_to_do(found)),
        )


def _what_to_do(found: FalseDenial) -> str:
    return (
        "Correct its row in the catalogue, which ends that by itself, or find another cause and then send "
        f"DELETE /api/v1/readiness/{found.vendor}/{found.operation} to the admin listener."
    )


class Readiness:
    """Answers what the admin API asks about readiness."""

    def __init__(self, scores: Scores, loaded: Callable[[], Loaded], clocks: Clocks) -> None:
        self._scores = scores
        self._loaded = loaded
        self._clocks = clocks

    async def refresh(self) -> None:
        """Collect what other processes have scored: nothing where there are none."""

    def vendors(self) -> tuple[str, ...]:
        """Return the names of the configured vendors."""
        return tuple(self._loaded().settings.vendors)

    def report(self, wanted: Wanted) -> Mapping[str, object]:
        """Return the report of readiness as JSON members."""
        from proxy.analysis.readiness import Window, readiness_report  # noqa: PLC0415 - for whoever asks for it

        now = self._clocks.wall()
        window = Window(now, self._loaded().settings.readiness.min_scored_calls, self._scores.unrecorded)
        return readiness_report(self._scores.rows(now), self._scores.demotions(), window, wanted)

    def lift(self, vendor: str, operation: str) -> bool:
        """Enforce an operation again and count it afresh; say whether it had been put back to shadow."""
        lifted = self._scores.lift(vendor, operation)
        if lifted:
            log.warning("an operator ended the shadow of %s of %s; its scores begin anew", operation, vendor)
        return lifted
