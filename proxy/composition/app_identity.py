"""From the setting `issuers` to what verifies apps' tokens: where the keys are, and who is who."""

from __future__ import annotations

import ssl
from collections.abc import Mapping

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


class CurrentIdentity:
    """Who verifies apps' tokens now: one that has its keys, and another one after a reload with other issuers."""

    def __init__(self) -> None:
        self.now: AppIdentity | None = None

    @property
    def tokens(self) -> AppTokens | None:
        """What verifies tokens; None where no issuer is configured."""
        return None if self.now is None else self.now.tokens

    async def start(self, settings: Settings) -> None:
        """Get the keys. Raise `OSError` or `KeySetError` where they cannot be used."""
        self.now = AppIdentity(settings)
        await self.now.keys.start()

    def replace(self, identity: AppIdentity) -> AppIdentity | None:
        """Verify with another one from now on; return the former one, whose keys are to be stopped."""
        before, self.now = self.now, identity
        return None if before is identity else before

    async def stop(self) -> None:
        """Follow the keys no more."""
        if self.now is not None:
            await self.now.keys.stop()

    def readings(self) -> tuple[Reading, ...]:
        """Return the metrics of keys and tokens; without numbers where no issuer is configured."""
        text = "Tokens by which apps said who they are, by what came of them."
        tokens = Reading("scopegate_client_tokens_total", text, self._counts, ("result",), counter=True)
        return (*key_readings(lambda: None if self.now is None else self.now.keys), tokens)

    def _counts(self) -> Mapping[tuple[str, ...], float]:
        return {} if self.now is None else self.now.counts()


def _source(settings: IssuerSettings) -> Source:
    """Raise OSError where the private CA cannot be used."""
    authorities = str(settings.ca_file) if settings.ca_file is not None else None  # None: those of the system
    tls = ssl.create_default_context(cafile=authorities) if settings.jwks_url or authorities else None
    return Source(settings.issuer, settings.jwks_file, settings.jwks_url or "", tls)
