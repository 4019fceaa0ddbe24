"""The running proxy as the admin listener sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from proxy.admin.backend import KnownToken, KnownUser, Question, Readiness, ReadyCheck, Unanswerable
from proxy.catalogs.catalog import Catalog
from proxy.composition.compose import Knowledge
from proxy.credentials import Fingerprint
from proxy.decision.gate import Clocks
from proxy.decision.ruling import Mount
from proxy.grants import Knowledge as TokenKnowledge
from proxy.model import Deny
from proxy.wire.service import Service


class ProxyBackend:
    """Answers the admin API from the service in force; `service` is asked each time, because it may be swapped."""

    def __init__(self, service: Callable[[], Service], knowledge: Knowledge, clocks: Clocks, checks: Mapping[str, ReadyCheck]) -> None:
        self._service = service
        self._knowledge = knowledge
        self._clocks = clocks
        self._checks = checks

    def now(self) -> float:
        """Return the moment on the clock of the grant store (seconds)."""
        return self._clocks.now()

    def vendors(self) -> tuple[str, ...]:
        """Return the names of the configured vendors."""
        return tuple(self._service().channels)

    def ready_checks(self) -> Mapping[str, ReadyCheck]:
        """Return what must be well for the proxy to be ready, by name."""
        return self._checks

    def grants(self) -> Iterable[KnownToken]:
        """Yield everything known about tokens, the most recently used first within each vendor."""
        return _newest_first({name: list(store.items()) for name, store in self._knowledge.stores.items()})

    def grant(self, fingerprint: Fingerprint) -> KnownToken | None:
        """Return what is known about one token, or None."""
        for name, store in self._knowledge.stores.items():
            known = store.get(fingerprint, self.now())
            if known is not None:
                return KnownToken(fingerprint, known, name)
        return None

    def forget(self, fingerprint: Fingerprint) -> bool:
        """Forget one token; say whether it was known."""
        return any(store.forget(fingerprint) for store in self._knowledge.stores.values())

    def forget_all(self, vendor: str) -> int:
        """Forget every token of a configured vendor; return how many were known."""
        return self._knowledge.stores[vendor].clear()

    def recheck(self, fingerprint: Fingerprint) -> int | None:
        """Make every lack of a token that an administrator can end due at once; return how many, None where nothing is known."""
        for store in self._knowledge.stores.values():
            known = store.get(fingerprint, self.now())
            if known is not None:
                store.put(fingerprint, known.recheck_due(self.now()))
                return sum(record.changeable for record in known.lacks)
        return None

    def catalog(self, vendor: str) -> Catalog:
        """Return the catalogue of a configured vendor."""
        return self._mount(vendor).vendor.catalog

    def users(self, vendor: str) -> Iterable[KnownUser]:
        """Return the users of a configured vendor whose permissions were seen."""
        memory = self._knowledge.memories[vendor]
        return [KnownUser(user, record.permissions(), frozenset(record.pages), record.page_count) for user, record in memory.users()]

    def explain(self, question: Question) -> Mapping[str, object] | Unanswerable:
        """Decide about a request without sending anything."""
        from proxy.decision.asking import Asked, Caller, ask, given_scopes  # noqa: PLC0415 - for whoever asks

        mount = self._mount(question.vendor)
        client = self._service().gate.client(question.client) if question.client else None
        if question.client and client is None:
            return Unanswerable("no client of this name is configured")
        known = None
        if question.fingerprint is not None:
            known = mount.store.get(question.fingerprint, self.now())
            if known is None:
                return Unanswerable("nothing is known about this fingerprint; see /api/v1/grants for those that are known")
        elif question.scopes is not None:
            known = given_scopes(mount.vendor, question.scopes, question.subject)
        caller = None if client is None else Caller(client, mount.rules)
        asked = ask(mount.vendor, mount.implied_by, question.method, question.target, known, caller)
        if not isinstance(asked, Asked):
            return Unanswerable(asked.detail)
        shadowed = asked.objection is None and isinstance(asked.prediction, Deny) and asked.prediction.operation.id in mount.demoted
        return asked.members | {"back_in_shadow": True} if shadowed else asked.members

    def _mount(self, vendor: str) -> Mount:
        return next(mount for mount in self._service().gate.mounts if mount.vendor.name == vendor)


def _newest_first(entries: Mapping[str, list[tuple[Fingerprint, TokenKnowledge]]]) -> Iterator[KnownToken]:
    for vendor, items in entries.items():
        for fingerprint, knowledge in reversed(items):
            yield KnownToken(fingerprint, knowledge, vendor)


def listening(is_listening: Callable[[], bool]) -> ReadyCheck:
    """Return the check that traffic is being accepted."""
    return lambda: Readiness(True) if is_listening() else Readiness(False, "the traffic listener does not accept connections")
