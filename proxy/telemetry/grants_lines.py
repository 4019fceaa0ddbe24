"""What was known of a token when it was decided, told once per set of grants so that lines of decisions need only name it.

With it a decision can be made again elsewhere. Resources (8x8: PBXs) come from queries, which no log may hold: they are told under names
that mean nothing outside one run of the program.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import Final

from proxy.credentials import Secret
from proxy.grants import Knowledge
from proxy.model import NO_RESOURCES, Grants, Named
from proxy.telemetry.exchange import Exchange

REPEAT_S: Final = 900.0
"""After how many seconds a set of grants is told anew: whoever keeps only the newest files of a log still has it."""
MAX_TOLD: Final = 10_000
_DIGITS: Final = 16
FOREVER: Final = float("inf")


class GrantsLines:
    """Names sets of grants, and says when one must be told. `key` hides the resources' names; a new one for each run will do."""

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._told: dict[str, float] = {}

    def members(self, exchange: Exchange) -> str:
        """Return the members of a decision's line as JSON, each with a comma before it; empty where nothing was known."""
        knowledge = exchange.knowledge
        text = "" if knowledge is None else self._reference(exchange.vendor, knowledge)
        return text if exchange.resources is NO_RESOURCES else text + self._resources(exchange)

    def due(self, exchange: Exchange) -> bytes:
        """Return the line that tells a set of grants if it was not told of late, else nothing."""
        knowledge = exchange.knowledge
        if knowledge is None:
            return b""
        name = self._reference(exchange.vendor, knowledge)
        last = self._told.get(name)
        if last is not None and 0.0 <= exchange.started_at - last < REPEAT_S:
            return b""
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[name] = exchange.started_at
        return b'{"event":"grants","level":"info"%b,%b\n' % (name.encode(), self._content(exchange.vendor, knowledge)[1:])

    def told_until(self, exchange: Exchange) -> tuple[float, float]:
        """Return between which moments (seconds since the epoch) the set of grants need not be told again."""
        if exchange.knowledge is None:
            return -FOREVER, FOREVER
        last = self._told.get(self._reference(exchange.vendor, exchange.knowledge), -FOREVER)
        return last, last + REPEAT_S

    def _reference(self, vendor: str, knowledge: Knowledge) -> str:
        text: str | None = knowledge.memo.get(self)
        if text is None:
            digest = hashlib.blake2b(self._content(vendor, knowledge), digest_size=_DIGITS // 2).hexdigest()
            text = knowledge.memo[self] = f',"grants":"{digest}"'
        return text

    def _content(self, vendor: str, knowledge: Knowledge) -> bytes:
        grants: Grants = knowledge.grants
        members = {
            "vendor": vendor,
            "source": knowledge.source,
            "scopes": sorted(grants.scopes),
            "bound": sorted([scope, self.hidden(name)] for scope, name in grants.bound),
            "complete": grants.complete,
            "complete_for": self._all_hidden(grants.complete_for),
            "lacking": sorted([lack.scope, self._all_hidden(lack.resources)] for lack in grants.lacking),
        }
        return json.dumps(members, separators=(",", ":")).replace("\x7f", "\\u007f").encode("ascii")

    def _resources(self, exchange: Exchange) -> str:
        resources = exchange.resources
        if not isinstance(resources, Named):
            return ',"resources":null'
        return f',"resources":{json.dumps(self._all_hidden(resources.resources), separators=(",", ":"))}'

    def _all_hidden(self, names: Iterable[str]) -> list[str]:
        return sorted(self.hidden(name) for name in names)

    def hidden(self, name: str) -> str:
        """Return the name of a resource as logs show it: its kind, and a keyed hash."""
        kind, _, bare = name.partition(":")
        if not bare:  # "somewhere": it names none
            return name
        return f"{kind}:{hmac.digest(self._key.reveal(), bare.encode('utf-8', 'surrogatepass'), 'sha256').hex()[:12]}"
