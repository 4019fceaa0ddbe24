"""From the setting `issuers` to what verifies apps' tokens: where the keys are, and who is who."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

from proxy.identity.app_tokens import AppTokens, Issuer
from proxy.identity.issuer_keys import IssuerKeys, Source, key_readings
from proxy.settings import IssuerSettings, Settings
from proxy.telemetry.labels import Reading


class AppIdentity:
    """Verifies apps' tokens with keys that are kept up to date. `tokens` is None where no issuer is configured."""

    def __init__(self, settings: Settings) -> None:
        self.keys = IssuerKeys(_source(issuer) for issuer in settings.issuers)
        issuers = [Issuer(row.issuer, row.audience, row.algorithms, row.leeway_s) for row in settings.issuers]
        self.tokens = AppTokens(issuers, self.keys.of, self.keys.missed) if issuers else None
        if self.tokens is not None:
            self.keys.changed = self.tokens.forget

    def take_over(self, before: AppIdentity) -> None:
        """Go on counting where another one stopped."""
        if self.tokens is not None and before.tokens is not None:
            self.tokens.counts = before.tokens.counts

    def counts(self) -> Mapping[tuple[str, ...], float]:
        """Return how many tokens came to what."""
        return {} if self.tokens is None else {(result,): count for result, count in self.tokens.counts.items()}


def identity_readings(current: Callable[[], AppIdentity | None]) -> tuple[Reading, ...]:
    """Return the metrics of the identity in force; without numbers where no issuer is configured."""
    text = "Tokens by which apps said who they are, by what came of them."

    def counts() -> Mapping[tuple[str, ...], float]:
        identity = current()
        return {} if identity is None else identity.counts()

    def keys() -> IssuerKeys | None:
        identity = current()
        return None if identity is None else identity.keys

    return (*key_readings(keys), Reading("scopegate_client_tokens_total", text, counts, ("result",), counter=True))


def _source(settings: IssuerSettings) -> Source:
    """Raise OSError where the private CA cannot be used."""
    authorities = str(settings.ca_file) if settings.ca_file is not None else None  # None: those of the system
    tls = ssl.create_default_context(cafile=authorities) if settings.jwks_url or authorities else None
    return Source(settings.issuer, settings.jwks_file, settings.jwks_url or "", tls)
