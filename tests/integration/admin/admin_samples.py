"""A small real proxy behind the admin API: a grant store, a catalogue, and the one `predict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from proxy.admin.backend import KnownToken, KnownUser, Question, Readiness, ReadyCheck, Unanswerable
from proxy.catalogs.catalog import Catalog, compile_catalog
from proxy.credentials import Fingerprint
from proxy.grants import GrantStore, Knowledge, LackRecord
from proxy.model import AnyToken, Deny, Grants, Lack, NotKnown, OneOf, Operation, Permit, ScopeInfo, Source
from proxy.prediction import predict

NOW = 1000.0
SEEN_AT = 1795291200.0
ARCHIVER = bytes(range(16))
FIXED_ACCOUNT = bytes(range(16, 32))
ENDED = bytes(range(32, 48))

CATALOG = compile_catalog(
    "ringcentral",
    [
        Operation("ringcentral", "readCompanyCallLog", "GET", "/restapi/v1.0/account/{accountId}/call-log", OneOf((("ReadCallLog",),))),
        Operation("ringcentral", "readStatus", "GET", "/restapi/v1.0/status", AnyToken()),
        Operation("ringcentral", "readMystery", "GET", "/restapi/v1.0/mystery", NotKnown()),
    ],
    source="reference, 2026-08",
    scopes={"ReadCallLog": ScopeInfo("ReadCallLog", "Read Call Log", remediation=("Ask for it.",))},
    aliases={"CallLog": "ReadCallLog"},
)


def make_store() -> GrantStore:
    store = GrantStore()
    store.put(ENDED, Knowledge(Grants(), Source.TOKEN_RESPONSE, SEEN_AT, NOW - 1))
    store.put(ARCHIVER, Knowledge(Grants(frozenset({"ReadAccounts"}), complete=True), Source.TOKEN_RESPONSE, SEEN_AT, NOW + 60, "alice"))
    bound = Grants(bound=frozenset({("CDR", "pbx:acme")}), complete_for=frozenset({"pbx:acme"}))
    lack = LackRecord(Lack("Analytics", frozenset({"pbx:acme"})), SEEN_AT, NOW + 30, changeable=True)
    store.put(FIXED_ACCOUNT, Knowledge(bound, Source.CONFIGURED, SEEN_AT, float("inf")).with_lack(lack))
    return store


def _ready() -> Readiness:
    return Readiness(True, "loaded")


@dataclass
class SmallBackend:
    """Answers the admin API from a store and a catalogue."""

    store: GrantStore = field(default_factory=make_store)
    checks: dict[str, ReadyCheck] = field(default_factory=lambda: {"configuration": _ready})
    broken: bool = False

    def now(self) -> float:
        return NOW

    def vendors(self) -> tuple[str, ...]:
        return ("ringcentral", "8x8")

    def ready_checks(self) -> Mapping[str, ReadyCheck]:
        return self.checks

    def grants(self) -> Iterator[KnownToken]:
        for fingerprint, knowledge in reversed(list(self.store.items())):
            yield KnownToken(fingerprint, knowledge, self._vendor_of(fingerprint))

    def _vendor_of(self, fingerprint: Fingerprint) -> str:
        return "ringcentral" if fingerprint == ARCHIVER else ""

    def grant(self, fingerprint: Fingerprint) -> KnownToken | None:
        knowledge = self.store.get(fingerprint, NOW)
        return None if knowledge is None else KnownToken(fingerprint, knowledge, self._vendor_of(fingerprint))

    def forget(self, fingerprint: Fingerprint) -> bool:
        return self.store.forget(fingerprint)

    def forget_all(self, vendor: str) -> int:
        return self.store.clear() if vendor == "ringcentral" else 0

    def recheck(self, fingerprint: Fingerprint) -> int | None:
        known = self.store.get(fingerprint, NOW)
        return None if known is None else sum(record.changeable for record in known.lacks)

    def catalog(self, vendor: str) -> Catalog:
        return CATALOG if vendor == "ringcentral" else compile_catalog(vendor, [])

    def users(self, vendor: str) -> Iterable[KnownUser]:
        return [KnownUser("42", {"users": "read", "calls": "none"}, frozenset({1, 3}), 3)] if vendor == "8x8" else []

    def explain(self, question: Question) -> Mapping[str, object] | Unanswerable:
        if self.broken:
            raise KeyError("secret-canary")
        grants = self._grants(question)
        if grants is None:
            return Unanswerable("nothing is known about this token: give 'scopes' instead")
        match = CATALOG.find(question.method, question.target.path)
        prediction = predict(match.operation if match else None, grants)
        missing = prediction.missing if isinstance(prediction, Deny) else ()
        verdict = {Permit: "permit", Deny: "deny"}.get(type(prediction), "indeterminate")
        return {"predicted": verdict, "missing": missing, "subject": question.subject, "query": question.target.query}

    def _grants(self, question: Question) -> Grants | None:
        if question.fingerprint is None:
            return Grants(question.scopes or frozenset(), complete=question.scopes is not None)
        known = self.store.get(question.fingerprint, NOW)
        return None if known is None else known.grants
