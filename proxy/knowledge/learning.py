"""From facts to knowledge: what an exchange taught is applied to the store. Pure; clocks are passed in.

No poisoning by construction: a refusal or success teaches only about the token of its own request, and a token response
only about the token inside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from proxy.credentials import Fingerprint, Fingerprinter, Secret
from proxy.grants import NEVER, GrantStore, Knowledge, LackRecord, learned
from proxy.knowledge.memory import VendorMemory
from proxy.knowledge.sharing import Sharing
from proxy.model import Deny, Grants, Indeterminate, Named, NotKnown, OneOf, Operation, Prediction, Resources, Source
from proxy.vendors.facts import Ended, Fact, Issued, Lacks, ShapeSeen, UserAccess


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was seen: `now` of the clock that never jumps, `wall` for people, both in seconds."""

    now: float
    wall: float


class Learner:
    """Applies facts of one vendor.

    `lifetime`: for how many seconds a learned right or lack is believed. `recheck`: after how many seconds a lack that an
    administrator can end is tried again with a real request.
    """

    def __init__(
        self, vendor: str, store: GrantStore, memory: VendorMemory, fingerprint: Fingerprinter, *, lifetime: float, recheck: float
    ) -> None:
        self._vendor = vendor
        self._store = store
        self._memory = memory
        self._fingerprint = fingerprint
        self._lifetime = lifetime
        self._recheck = recheck
        self._share = Sharing[Grants]()
        self._retired = False

    def retire(self) -> None:
        """Learn no more from single answers, which a catalogue explains that counts no more; logins and their ends still count."""
        self._retired = True

    def apply(self, fact: Fact, token: Fingerprint | None, moment: Moment) -> None:
        """Apply one fact; `token` is the fingerprint of the request's own token."""
        match fact:
            case Issued():
                self.issue(fact, moment)
            case Ended():
                self._end(fact.token)
            case Lacks():
                if token is not None and not self._retired:
                    self._lack(fact, token, moment)
            case ShapeSeen():
                self._memory.remember_shape(fact)
            case UserAccess():
                self._memory.remember_access(fact, moment.wall)
            case _:
                assert_never(fact)

    def issue(self, fact: Issued, moment: Moment) -> Knowledge:
        """Keep what is known about a new token; tokens that it replaces are forgotten."""
        token = self._fingerprint(self._vendor, fact.token)
        chain = self._chain(fact)
        if fact.replaces is not None and chain is not None:
            self._store.forget_chain(chain)
        chain = chain or f"{self._vendor}:{token.hex()}"
        knowledge = Knowledge(self._share(fact.grants), fact.source, moment.wall, moment.now + fact.expires_in, fact.subject, chain)
        self._store.put(token, knowledge)
        if fact.refresh_token is not None:
            self._store.tie(chain, self._fingerprint(self._vendor, fact.refresh_token))
        return knowledge

    def _chain(self, fact: Issued) -> str | None:
        """Which session a token belongs to: the vendor's session id, or the refresh token that was spent for it."""
        if fact.session:
            return f"{self._vendor}:{self._fingerprint(self._vendor, Secret(fact.session)).hex()}"
        return None if fact.replaces is None else self._store.chain_of(self._fingerprint(self._vendor, fact.replaces))

    def _end(self, token: Secret) -> None:
        fingerprint = self._fingerprint(self._vendor, token)
        chain = self._store.chain_of(fingerprint)
        if chain is not None:
            self._store.forget_chain(chain)
        self._store.forget(fingerprint)

    def discovered(self, fact: Issued, token: Fingerprint, moment: Moment) -> bool:
        """Keep what the vendor told when it was asked about `token`; False where that is known by now, or it is about another token.

        What the vendor's answers to this token proved in the meantime stays.
        """
        known = self._store.get(token, moment.now)
        if (known is not None and known.grants.complete) or self._fingerprint(self._vendor, fact.token) != token:
            return False
        knowledge = self.issue(fact, moment)
        if known is not None:
            knowledge = knowledge.with_held(known.grants.scopes, frozenset())
            for record in known.lacks:
                knowledge = knowledge.with_lack(record)
            self._store.put(token, knowledge)
        return True

    def _lack(self, fact: Lacks, token: Fingerprint, moment: Moment) -> None:
        recheck = moment.now + self._recheck if fact.changeable else NEVER
        record = LackRecord(fact.lack, moment.wall, moment.now + self._lifetime, fact.changeable, recheck)
        known = self._store.get(token, moment.now)
        if known is None:
            known = learned(None, moment.now, moment.wall, self._lifetime, Source.REFUSAL)
        known = known if known.subject else replace(known, subject=fact.subject)
        self._store.put(token, known.with_lack(record))

    def take_recheck(self, known: Knowledge, token: Fingerprint, denied: Deny, moment: Moment) -> bool:
        """Say whether this denied request may be sent to find out if the account was fixed; the next one waits its time."""
        records = known.changeable_lacks(frozenset(denied.missing[0]), denied.resources)
        if not records or any(moment.now < record.recheck for record in records):
            return False
        self._store.put(token, known.rechecked(records, moment.now + self._recheck))
        return True

    def accepted(self, prediction: Prediction, resources: Resources, token: Fingerprint, moment: Moment) -> None:
        """The vendor accepted the request: keep what that proves, and drop a lack that it disproves."""
        scopes = proven_by(prediction)
        if not scopes or self._retired or not isinstance(resources, Named):
            return
        known = self._store.get(token, moment.now)
        if known is None:
            known = learned(None, moment.now, moment.wall, self._lifetime, Source.SUCCESS)
        self._store.put(token, known.with_held(scopes, resources.resources))


def proven_by(prediction: Prediction) -> frozenset[str]:
    """The scopes that a success proves to be held.

    One alternative: all of it. A requirement that is not known: whatever the operation needs. A denial that was wrong:
    this operation is open to this token whatever the catalogue says, so that the same mistake is not made twice.
    """
    if isinstance(prediction, Deny):
        return frozenset({prediction.operation.stand_in_scope, *_only_alternative(prediction.operation)})
    if isinstance(prediction, Indeterminate):
        return _only_alternative(prediction.operation)
    return frozenset()


def _only_alternative(operation: Operation) -> frozenset[str]:
    match operation.requirement:
        case OneOf(alternatives=(only,)):
            return frozenset(only)
        case NotKnown(learnable=True):
            return frozenset({operation.stand_in_scope})
        case _:  # several alternatives, nothing to learn, or any token
            return frozenset()
