"""When the newest token of each app ends, as metrics: so that somebody hears of an app that does not renew its token. Pure.

Heard of once a minute per operation that an app uses, never per request.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from proxy.decision.gate import Clocks
from proxy.grants import NEVER, Knowledge
from proxy.model import Source
from proxy.telemetry.exchange import Actual, Exchange
from proxy.telemetry.labels import UNKNOWN, KnownLabels, Reading, Together, Values

IN_USE_S: Final = 3600.0
"""A token that was not used for so long gives way to one that ends earlier."""
KEPT_S: Final = 86_400.0
"""For how long it is told that a token has ended."""
_TELLING: Final = frozenset({Source.NONE, Source.TOKEN_RESPONSE, Source.TOKEN_REQUEST, Source.TOKEN_CLAIM, Source.CONFIGURED})
"""Knowledge that began with the token's login, or its claims, and so ends when the token does."""

_Labels = tuple[str, ...]


class _Token(NamedTuple):
    """A token in use; moments are wall times in seconds."""

    fingerprint: str
    ends: float
    lifetime: float
    used_at: float


class TokenLife:
    """Knows the token of each vendor and app that ends last among those in use. `heard` is told of exchanges now and then."""

    def __init__(self, clocks: Clocks, known: KnownLabels) -> None:
        self._clocks = clocks
        self._known = known
        self._tokens: dict[_Labels, _Token] = {}

    def know(self, known: KnownLabels) -> None:
        """Take the label values of a new configuration."""
        self._known = known

    def heard(self, exchange: Exchange) -> None:
        """Take note of the token of an exchange.

        One that was accepted without a known end takes the app out: nobody can say then when it has to log in again.
        """
        client = exchange.client if exchange.client in self._known.clients else UNKNOWN
        labels, knowledge = (self._known.vendor(exchange.vendor), client), exchange.knowledge
        if knowledge is not None and knowledge.source in _TELLING and knowledge.expires != NEVER:
            self._use(labels, self._token(exchange.fingerprint, knowledge))
        elif exchange.actual is Actual.ACCEPTED and exchange.fingerprint:
            self._tokens.pop(labels, None)

    def _token(self, fingerprint: str, knowledge: Knowledge) -> _Token:
        wall = self._clocks.wall()
        ends = wall + knowledge.expires - self._clocks.now()
        return _Token(fingerprint, ends, max(0.0, ends - knowledge.observed_at), wall)

    def _use(self, labels: _Labels, token: _Token) -> None:
        known = self._tokens.get(labels)
        same = known is not None and known.fingerprint == token.fingerprint
        if known is None or same or token.ends >= known.ends or token.used_at - known.used_at > IN_USE_S:
            self._tokens[labels] = token

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics."""
        labels = ("vendor", "client")
        ends = "When the app's token in use that ends last ends; only where the proxy saw it issued, or the token says so itself."
        lifetime = "How long that token lives, from its login to its end."
        return (
            Reading("scopegate_token_expiry_timestamp_seconds", ends, self._ends, labels, together=Together.MAX),
            Reading("scopegate_token_lifetime_seconds", lifetime, self._lifetimes, labels, together=Together.MAX),
        )

    def _ends(self) -> Values:
        return self._values(lambda token: token.ends)

    def _lifetimes(self) -> Values:
        return self._values(lambda token: token.lifetime)

    def _values(self, of: Callable[[_Token], float]) -> Values:
        earliest = self._clocks.wall() - KEPT_S
        return {labels: of(token) for labels, token in self._tokens.items() if token.ends >= earliest}
