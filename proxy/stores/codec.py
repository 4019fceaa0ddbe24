"""Knowledge ⇄ bytes: JSON lists with a version in front. Pure.

Moments of life times are written as the writing run's steady clock tells them; `shift` translates them when they are read
(see `timeline.py`). Raise the version whenever old bytes would mean something else: they are dropped then, never guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from proxy.grants import NEVER, Knowledge, LackRecord
from proxy.knowledge.memory import UserRecord
from proxy.model import Grants, Lack, RefusalTemplate, Source

VERSION: Final = 1


class CodecError(ValueError):
    """The bytes are not what this version writes."""


class OtherBasisError(CodecError):
    """The entry was learned under another catalogue or other configured grants (see `basis.py`)."""


# --- what is known about a token ------------------------------------------------------------------------


def encode_knowledge(knowledge: Knowledge, basis: str) -> bytes:
    """Return an entry as bytes; raise `TypeError` where a text in it is not valid Unicode."""
    grants = knowledge.grants
    return _dumps(
        basis,
        knowledge.source,
        knowledge.observed_at,
        knowledge.expires,
        knowledge.subject,
        knowledge.chain,
        sorted(grants.scopes),
        sorted(grants.bound),
        grants.complete,
        sorted(grants.complete_for),
        [_lack_row(record) for record in knowledge.lacks],
    )


def _lack_row(record: LackRecord) -> list[object]:
    lack = record.lack
    return [lack.scope, sorted(lack.resources), record.observed_at, record.expires, record.changeable, record.recheck]


def _alone(grants: Grants) -> Grants:
    return grants


def decode_knowledge(data: bytes, basis: str, shift: float, share: Callable[[Grants], Grants] = _alone) -> Knowledge:
    """Return an entry, its moments moved by `shift` seconds, its grants as `share` returns them; raise `CodecError`."""
    written_basis, source, observed_at, expires, subject, chain, *rest = _loads(data, 11)
    if written_basis != basis:
        raise OtherBasisError("learned under another catalogue or configuration")
    scopes, bound, complete, complete_for, lack_rows = rest
    lacks = tuple(_lack_record(row, shift) for row in lack_rows)
    grants = Grants(
        frozenset(scopes),
        frozenset((scope, resource) for scope, resource in bound),
        complete,
        frozenset(complete_for),
        frozenset(record.lack for record in lacks),
    )
    return Knowledge(share(grants), Source(source), observed_at, _moment(expires, shift), subject, chain, lacks)


def _lack_record(row: list[Any], shift: float) -> LackRecord:
    scope, resources, observed_at, expires, changeable, recheck = row
    return LackRecord(Lack(scope, frozenset(resources)), observed_at, _moment(expires, shift), changeable, _moment(recheck, shift))


def _moment(value: float | None, shift: float) -> float:
    """JSON has no infinity: what never comes is written as null."""
    return NEVER if value is None else value + shift


# --- what ties tokens together ----------------------------------------------------------------------------


def encode_tie(chain: str) -> bytes:
    """Return the chain of a refresh token as bytes."""
    return _dumps(chain)


def decode_tie(data: bytes) -> str:
    """Return a chain; raise `CodecError`."""
    (chain,) = _loads(data, 1)
    return str(chain)


# --- what a vendor has shown ----------------------------------------------------------------------------


def encode_shape(variant: str, template: RefusalTemplate) -> bytes:
    """Return the shape of a refusal as bytes."""
    return _dumps(variant, template.status, template.body, template.headers)


def decode_shape(data: bytes) -> tuple[str, RefusalTemplate]:
    """Return a variant and its shape; raise `CodecError`."""
    variant, status, body, headers = _loads(data, 4)
    return variant, RefusalTemplate(status, body, headers)


def encode_user(user_id: str, record: UserRecord) -> bytes:
    """Return what was seen of a user's access permissions as bytes."""
    return _dumps(user_id, record.observed_at, record.page_count, list(record.pages.items()))


def decode_user(data: bytes) -> tuple[str, UserRecord]:
    """Return a user and the record; raise `CodecError`."""
    user_id, observed_at, page_count, pages = _loads(data, 4)
    return user_id, UserRecord(observed_at, page_count, dict(pages))


# --- bytes ----------------------------------------------------------------------------------------------


def _dumps(*fields: object) -> bytes:
    return orjson.dumps([VERSION, *fields], default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} is not stored")


def _loads(data: bytes, count: int) -> list[Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, list) or len(value) != count + 1 or value[0] != VERSION:
        raise CodecError("written by another version")
    return value[1:]
