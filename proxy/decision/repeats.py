"""Rulings on requests that repeat on a connection, used again as long as nothing can have changed. Pure.

A ruling is kept with the header fields it was made from. It counts again for the same method and target while the token's
knowledge is the very same object; what could change without that (a denial that is tried again, an unknown token) is not kept.
Where the query has no say in what a request means, the ruling counts for the same path with any other such query.
"""

from __future__ import annotations

import re
from typing import Final

from proxy.decision.ruling import Mount, Ruling
from proxy.model import NotApplicable, Permit
from proxy.protocol.headers import RequestHead
from proxy.protocol.targets import UNKNOWN_MARKED, Target

MAX_KEPT_RULINGS: Final = 32
"""Rulings remembered per distinct set of header fields on a connection."""
_ENCODED_NAME: Final = re.compile("(?:^|&)[^=&]*%")
"""A query with a parameter whose name must be decoded before anybody can say which one it is."""


class Kept:
    """One ruling that may count again. `whole`: the raw target that it was made on; `path`: the same up to its query.

    `heeded`: the words without which a query has no say in it; None where it counts for the very same target only.
    """

    __slots__ = ("heeded", "path", "ruling", "size", "whole")

    def __init__(self, ruling: Ruling, whole: bytes, path: bytes, heeded: tuple[str, ...] | None) -> None:
        self.ruling = ruling
        self.whole = whole
        self.path = path
        self.size = len(path)
        self.heeded = heeded

    def covers(self, raw_target: bytes) -> bool:
        """Say whether this target is the same path with a query that has no say, or without one."""
        heeded, size = self.heeded, self.size
        if heeded is None or raw_target[:size] != self.path:
            return False
        if len(raw_target) == size:
            return True
        return raw_target[size] == _MARK and has_no_say(raw_target[size + 1 :], heeded)

    def target(self, raw_target: bytes) -> Target | None:
        """Return a target for which it counts, as it is sent to the vendor."""
        before = self.ruling.target
        if before is None or raw_target == self.whole:
            return before
        return Target(before.path, raw_target[self.size + 1 :].decode("ascii") if len(raw_target) > self.size else None)


_MARK: Final = ord("?")


class KeptRulings:
    """The rulings of one gate on requests with the same header fields; None marks what came only once."""

    __slots__ = ("_last_target", "by_target", "last", "owner")

    def __init__(self, owner: object) -> None:
        self.owner = owner
        self.by_target: dict[tuple[str, bytes], Kept | None] = {}
        self.last: Kept | None = None
        """The one that counted last, if it counts for other queries too."""
        self._last_target = b""

    def find(self, method: str, raw_target: bytes) -> Kept | None:
        """Return the ruling that was kept for such a request."""
        last = self.last
        if last is not None and last.ruling.method == method and (raw_target == self._last_target or last.covers(raw_target)):
            self._last_target = raw_target
            return last
        kept = self.by_target.get((method, raw_target))
        if kept is None:
            kept = self.by_target.get((method, raw_target.partition(b"?")[0]))
            if kept is None or not kept.covers(raw_target):
                return None
        if kept.heeded is not None:
            self.last, self._last_target = kept, raw_target
        return kept


class Repeats:
    """Remembers rulings in the request heads they belong to; what another `Repeats` left there does not count."""

    def __init__(self) -> None:
        self._heeded: dict[Mount, tuple[str, ...] | None] = {}

    def find(self, method: str, raw_target: bytes, head: RequestHead, now: float) -> Kept | None:
        """Return the ruling on such a request before, if what was known of its token still stands at `now`."""
        rulings: object = head.rulings
        if not isinstance(rulings, KeptRulings) or rulings.owner is not self:
            return None
        found = rulings.find(method, raw_target)
        if found is None:
            return None
        kept = found.ruling
        if now >= kept.client_until:
            return None
        if kept.fingerprint is None:
            return found
        assert kept.mount is not None
        if kept.kept is not None and kept.match is not None and kept.match.operation.id in kept.mount.demoted:
            return None
        known = kept.mount.store.get(kept.fingerprint, now)
        return found if known is kept.knowledge and known is not None else None

    def keep(self, method: str, raw_target: bytes, head: RequestHead, ruling: Ruling) -> None:
        """Remember a ruling if its head repeats on the connection and the same request must be ruled on the same way."""
        if not head.repeats or ruling.fault or (_may_change(ruling) if ruling.kept is None else _is_sampled(ruling)):
            return
        rulings: object = head.rulings
        if not isinstance(rulings, KeptRulings) or rulings.owner is not self or len(rulings.by_target) >= MAX_KEPT_RULINGS:
            rulings = head.rulings = KeptRulings(self)
        path, _, query = raw_target.partition(b"?")
        heeded = self._heeded_by(ruling)
        if heeded is None or not has_no_say(query, heeded):
            path, heeded = raw_target, None
        if (method, path) not in rulings.by_target:  # most targets come once, and a copy costs more than a mark
            rulings.by_target[method, path] = None
            return
        kept = ruling.again("", 0.0)
        kept.memos = kept.memos if kept.memos is not None else {}
        rulings.by_target[method, path], rulings.last = Kept(kept, raw_target, path, heeded), None

    def _heeded_by(self, ruling: Ruling) -> tuple[str, ...] | None:
        """Return the words by which a query may have a say in this ruling; None where any may."""
        mount, match = ruling.mount, ruling.match
        if mount is None or (match is not None and match.operation.resource is not None):
            return None
        if mount not in self._heeded:
            self._heeded[mount] = _heeded_by(mount)
        return self._heeded[mount]


def has_no_say(query: bytes, heeded: tuple[str, ...]) -> bool:
    """Say whether a raw query is sound and has no parameter with one of these names, whichever way it is written."""
    if query.translate(UNKNOWN_MARKED) != query:
        return False
    text = query.decode("ascii")  # looking for text in text is far cheaper than for bytes in bytes
    for word in heeded:
        if word in text:
            return False
    return "%" not in text or _ENCODED_NAME.search(text) is None


def _heeded_by(mount: Mount) -> tuple[str, ...] | None:
    """Return the names of the parameters that the vendor reads before it is decided, besides those of resources; None: any."""
    try:
        names, token = mount.vendor.heeded, mount.token_place.query_parameter
    except Exception:  # whatever is wrong there, it is told where it matters
        return None
    if names is None:
        return None
    return (*sorted(names), token) if token is not None else tuple(sorted(names))


def _may_change(ruling: Ruling) -> bool:
    """Say whether the same request may be ruled on differently although what is known of its token has not changed."""
    if ruling.answer is not None:
        return True
    return ruling.fingerprint is not None and (ruling.knowledge is None or not isinstance(ruling.prediction, Permit | NotApplicable))


def _is_sampled(ruling: Ruling) -> bool:
    """Say whether each denial like this one may be chosen to be sent through."""
    return ruling.mount is not None and ruling.mount.sample is not None
