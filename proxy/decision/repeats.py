"""Rulings on requests that repeat on a connection, used again as long as nothing can have changed. Pure.

A ruling is kept with the header fields it was made from. It counts again for the same method and target while the token's
knowledge is the very same object; what could change without that (a denial that is tried again, an unknown token) is not kept.
"""

from __future__ import annotations

from typing import Final

from proxy.decision.ruling import Ruling
from proxy.model import NotApplicable, Permit
from proxy.protocol.headers import RequestHead

MAX_KEPT_RULINGS: Final = 32
"""Rulings remembered per distinct set of header fields on a connection."""


class Repeats:
    """Remembers rulings in the request heads they belong to; what another `Repeats` left there does not count."""

    def find(self, method: str, raw_target: bytes, head: RequestHead, now: float) -> Ruling | None:
        """Return the ruling on the very same request before, if what was known of its token still stands at `now`."""
        if head.rulings is None or head.rulings[0] is not self:
            return None
        kept: Ruling | None = head.rulings[1].get((method, raw_target))
        if kept is None or now >= kept.client_until:
            return None
        if kept.fingerprint is None:
            return kept
        assert kept.mount is not None
        if kept.kept is not None and kept.match is not None and kept.match.operation.id in kept.mount.demoted:
            return None
        known = kept.mount.store.get(kept.fingerprint, now)
        return kept if known is kept.knowledge and known is not None else None

    def keep(self, method: str, raw_target: bytes, head: RequestHead, ruling: Ruling) -> None:
        """Remember a ruling if its head repeats on the connection and the same request must be ruled on the same way."""
        if not head.repeats or ruling.fault or (_may_change(ruling) if ruling.kept is None else _is_sampled(ruling)):
            return
        if head.rulings is None or head.rulings[0] is not self or len(head.rulings[1]) >= MAX_KEPT_RULINGS:
            head.rulings = (self, {})
        if (method, raw_target) not in head.rulings[1]:  # most targets come once, and a copy costs more than a mark
            head.rulings[1][method, raw_target] = None
            return
        kept = ruling.again("", 0.0)
        kept.memos = kept.memos if kept.memos is not None else {}
        head.rulings[1][method, raw_target] = kept


def _may_change(ruling: Ruling) -> bool:
    """Say whether the same request may be ruled on differently although what is known of its token has not changed."""
    if ruling.answer is not None:
        return True
    return ruling.fingerprint is not None and (ruling.knowledge is None or not isinstance(ruling.prediction, Permit | NotApplicable))


def _is_sampled(ruling: Ruling) -> bool:
    """Say whether each denial like this one may be chosen to be sent through."""
    return ruling.mount is not None and ruling.mount.sample is not None
