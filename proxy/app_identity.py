"""From the setting `issuers` to what verifies apps' tokens: where the keys are, and who is who."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

from proxy.app_tokens import AppTokens, Issuer
from proxy.issuer_keys import IssuerKeys, Source
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

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics; none where no issuer is configured."""
        if self.tokens is None:
            return ()
        text = "Tokens by which apps said who they are, by what came of them."
        return (*self.keys.readings(), Reading("scopegate_client_tokens_total", text, self._counts, ("result",), counter=True))

    def _counts(self) -> Mapping[tuple[str, ...], float]:
        return {} if self.tokens is None else {(result,): count for result, count in self.tokens.counts.items()}


def _source(settings: IssuerSettings) -> Source:
    """Raise OSError where the private CA cannot be used."""
    tls = ssl.create_default_context(cafile=str(settings.ca_file)) if settings.ca_file is not None else None
    return Source(settings.issuer, settings.jwks_file, settings.jwks_url or "", tls)
