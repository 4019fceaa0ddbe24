"""Two replicas learned about one token at the same time: what both of them together may believe. Pure.

Only certainty denies, so whatever one of them proved wrong must not come back from the other: rights are added up, and a lack
that one of them reports stands only where the other does not hold that right. Lost that way is at most what the next refusal
teaches again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.grants import MAX_BOUND, MAX_LACKS, Knowledge, LackRecord
from proxy.model import Grants, Lack, Source
from proxy.prediction import WHOLE_RESOURCE

_WORTH: Final = {Source.TOKEN_RESPONSE: 3, Source.TOKEN_REQUEST: 3, Source.CONFIGURED: 3, Source.TOKEN_CLAIM: 2}
"""What is known from a login outranks what a token says of itself, and that what single answers taught."""


def merge(one: Knowledge, other: Knowledge) -> Knowledge:
    """Return what holds for a token of which two replicas know different things; it never denies what either of them permits."""
    better, lesser = sorted((one, other), key=_rank, reverse=True)
    lacks = tuple(sorted(_lacks(one, other), key=_age)[-MAX_LACKS:])
    expires = min(one.expires, other.expires) if _worth(one) == _worth(other) else better.expires
    return Knowledge(
        _grants(one, other, frozenset(record.lack for record in lacks)),
        better.source,
        better.observed_at,
        expires,
        better.subject or lesser.subject,
        better.chain or lesser.chain,
        lacks,
    )


def _worth(known: Knowledge) -> int:
    return _WORTH.get(known.source, 0)


def _rank(known: Knowledge) -> tuple[int, float, str, str, str, float]:
    """Order any two entries, so that every replica comes to the same result."""
    return _worth(known), known.observed_at, known.source, known.subject, known.chain, known.expires


def _grants(one: Knowledge, other: Knowledge, lacking: frozenset[Lack]) -> Grants:
    scopes, bound = one.grants.scopes | other.grants.scopes, one.grants.bound | other.grants.bound
    if len(bound) > MAX_BOUND:
        return Grants(scopes, lacking=lacking)
    complete = (one.grants.complete or other.grants.complete) and not (_gave_up(one) or _gave_up(other))
    return Grants(scopes, bound, complete, one.grants.complete_for | other.grants.complete_for, lacking)


def _gave_up(known: Knowledge) -> bool:
    """Say whether an entry that a login made is complete no longer, because too much was learned to keep it all."""
    return _worth(known) > 0 and not known.grants.complete and not known.grants.complete_for


def _lacks(one: Knowledge, other: Knowledge) -> Iterator[LackRecord]:
    theirs = {record.lack: record for record in other.lacks}
    for record in one.lacks:
        twin = theirs.pop(record.lack, None)
        if twin is not None:
            yield _both(record, twin)
        elif not _holds(other.grants, record.lack):
            yield record
    yield from (record for record in theirs.values() if not _holds(one.grants, record.lack))


def _both(one: LackRecord, other: LackRecord) -> LackRecord:
    return LackRecord(
        one.lack,
        max(one.observed_at, other.observed_at),
        min(one.expires, other.expires),
        one.changeable or other.changeable,
        min(one.recheck, other.recheck),
    )


def _holds(grants: Grants, lack: Lack) -> bool:
    """Say whether a right is held that a lack denies, or a part of it."""
    if lack.scope in grants.scopes:
        return True
    whole = lack.scope == WHOLE_RESOURCE
    if whole and grants.scopes:
        return True
    return any((whole or scope == lack.scope) and (not lack.resources or name in lack.resources) for scope, name in grants.bound)


def _age(record: LackRecord) -> tuple[float, str, list[str]]:
    return record.observed_at, record.lack.scope, sorted(record.lack.resources)
