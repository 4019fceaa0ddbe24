"""What the shared store keeps, and how it is written: the writer's clocks in a line of their own, then the value. Pure.

Replicas do not share a clock that never jumps, so moments travel as what was left of them when they were written. How long ago that
was is told by the store's own clock, which every replica compares with its own. An entry that was written in the store's future
shows that the store's clock was set back: it is not taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from proxy.grants import Knowledge
from proxy.knowledge.memory import UserRecord
from proxy.model import Grants, RefusalTemplate
from proxy.stores import codec
from proxy.stores.codec import CodecError

CLOCK_PATIENCE_S: Final = 2.0
"""By how much two replicas may differ about the store's clock."""
FORMAT: Final = 1


class ClockWentBackError(CodecError):
    """The item was written in the future of the store's clock."""


class Instant(NamedTuple):
    """One moment: `now` on this process's steady clock, `there` on the store's clock, both in seconds."""

    now: float
    there: float


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a token."""

    knowledge: Knowledge


@dataclass(frozen=True, slots=True)
class Tied:
    """The chain of a token of which nothing else need be known."""

    chain: str


@dataclass(frozen=True, slots=True)
class Buried:
    """The token was given up, and no older copy may come back until `ends`. `whole_chain`: those that end with it too."""

    ends: float
    whole_chain: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a vendor's refusal."""

    variant: str
    template: RefusalTemplate


@dataclass(frozen=True, slots=True)
class User:
    """What was seen of a user's access permissions."""

    user_id: str
    record: UserRecord


TokenItem = Known | Tied | Buried
Item = TokenItem | Shape | User


def encode_item(item: Item, basis: str, at: Instant) -> bytes:
    """Return an item as bytes; raise `TypeError` where a text in it is not valid Unicode."""
    kind, body = _body(item, basis)
    return orjson.dumps([FORMAT, kind, at.now, at.there]) + b"\n" + body


def _body(item: Item, basis: str) -> tuple[str, bytes]:
    match item:
        case Known(knowledge):
            return "known", codec.encode_knowledge(knowledge, basis)
        case Tied(chain):
            return "tied", codec.encode_tie(chain)
        case Buried(ends, whole_chain):
            return "buried", orjson.dumps([ends, whole_chain])
        case Shape(variant, template):
            return "shape", codec.encode_shape(variant, template)
        case User(user_id, record):
            return "user", codec.encode_user(user_id, record)


def decode_item(data: bytes, basis: str, at: Instant, share: Callable[[Grants], Grants]) -> Item:
    """Return an item with its moments on this process's steady clock; raise `CodecError`."""
    head, _, body = data.partition(b"\n")
    try:
        form, kind, now, there = orjson.loads(head)
        if form == FORMAT:
            return _item(kind, body, basis, _shift(now, there, at), share)
    except (ValueError, TypeError, KeyError) as error:
        raise error if isinstance(error, CodecError) else CodecError("written by another version") from None
    raise CodecError("written by another version")


def _shift(now: float, there: float, at: Instant) -> float:
    age = at.there - there
    if age < -CLOCK_PATIENCE_S:
        raise ClockWentBackError("written in the future")
    return at.now - now - max(0.0, age)


def _item(kind: str, body: bytes, basis: str, shift: float, share: Callable[[Grants], Grants]) -> Item:
    match kind:
        case "known":
            return Known(codec.decode_knowledge(body, basis, shift, share))
        case "tied":
            return Tied(codec.decode_tie(body))
        case "buried":
            ends, whole_chain = orjson.loads(body)
            return Buried(ends + shift, whole_chain)
        case "shape":
            return Shape(*codec.decode_shape(body))
        case "user":
            return User(*codec.decode_user(body))
        case _:
            raise CodecError("written by another version")
