"""The questions of AuthZEN: what the Authorization API 1.0 (OpenID Foundation) says about their form, not their meaning. Pure.

Unknown members are ignored, as the specification wants it; a missing one or one of the wrong type is `Malformed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

MAX_EVALUATIONS: Final = 1000
MAX_PAGE: Final = 1000
_KEYS: Final = ("subject", "action", "resource", "context")

Value = TypeVar("Value")
Members = Mapping[str, object]


class Semantic(StrEnum):
    """How a batch goes on after a decision (`options.evaluations_semantic`)."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_with(self, decision: bool) -> bool:
        """Say whether a batch ends with this decision."""
        return (self is Semantic.DENY_ON_FIRST_DENY and not decision) or (self is Semantic.PERMIT_ON_FIRST_PERMIT and decision)


class Sought(StrEnum):
    """Which of the three a search looks for."""

    SUBJECT = "subject"
    ACTION = "action"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True)
class Malformed:
    """A question that breaks the specification's rules; `message` says which, and repeats nothing that was sent."""

    message: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A subject or a resource. `id` is "" where a search leaves it out."""

    type: str
    id: str
    properties: Members = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Action:
    """What the subject wants to do. `name` is "" where a search leaves it out."""

    name: str
    properties: Members = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """May `subject` do `action` on `resource`?"""

    subject: Entity
    action: Action
    resource: Entity


@dataclass(frozen=True, slots=True)
class Batch:
    """Several questions at once, each with what is wrong with it where it is malformed."""

    items: tuple[Evaluation | Malformed, ...]
    semantic: Semantic = Semantic.EXECUTE_ALL


@dataclass(frozen=True, slots=True)
class Search:
    """What of one kind would make the evaluation true: `limit` results, from the one at position `start` on."""

    sought: Sought
    known: Evaluation
    limit: int
    start: int


class _BrokenError(Exception):
    """Carries the message of a `Malformed` out of the readers below."""


def parse_evaluation(members: Members) -> Evaluation | Malformed:
    """Read the body of `/access/v1/evaluation` (section 6.1)."""
    return _told(lambda: _evaluation(members))


def parse_evaluations(members: Members) -> Batch | Evaluation | Malformed:
    """Read the body of `/access/v1/evaluations` (section 7.1); without items it is a single evaluation."""
    return _told(lambda: _batch(members))


def parse_search(sought: Sought, members: Members) -> Search | Malformed:
    """Read the body of one of `/access/v1/search/…` (section 8)."""
    return _told(lambda: _search(sought, members))


def _told(read: Callable[[], Value]) -> Value | Malformed:
    try:
        return read()
    except _BrokenError as broken:
        return Malformed(str(broken))


def _batch(members: Members) -> Batch | Evaluation:
    items = members.get("evaluations")
    if items is None or items == []:
        return _evaluation(members)
    if not isinstance(items, list) or len(items) > MAX_EVALUATIONS:
        raise _BrokenError(f"'evaluations' must be a list of at most {MAX_EVALUATIONS} objects")
    defaults = {key: _object(members[key], key) for key in _KEYS if key in members}
    return Batch(tuple(_item(item, defaults) for item in items), _semantic(members.get("options")))


def _item(item: object, defaults: Members) -> Evaluation | Malformed:
    """Read one item; what it leaves out is taken whole from the defaults."""
    return _told(lambda: _evaluation({**defaults, **_object(item, "an item of evaluations")}))


def _semantic(options: object) -> Semantic:
    wanted = {} if options is None else _object(options, "options")
    name = wanted.get("evaluations_semantic", Semantic.EXECUTE_ALL.value)
    if not isinstance(name, str) or name not in set(Semantic):
        raise _BrokenError(f"'options.evaluations_semantic' must be one of: {', '.join(Semantic)}")
    return Semantic(name)


def _search(sought: Sought, members: Members) -> Search:
    known = _evaluation(members, sought)
    page = _object(members.get("page", {}), "page")
    limit, token = page.get("limit", MAX_PAGE), page.get("token", "")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 1:
        raise _BrokenError("'page.limit' must be a whole number from 1 on")
    if not isinstance(token, str) or (token and not (token.isascii() and token.isdecimal() and len(token) < 10)):
        raise _BrokenError("'page.token' must be a 'next_token' of the page before")
    return Search(sought, known, min(limit, MAX_PAGE), int(token or "0"))


def _evaluation(members: Members, sought: Sought | None = None) -> Evaluation:
    _object(members.get("context", {}), "context")
    return Evaluation(
        _entity(members, "subject", named=sought is not Sought.SUBJECT),
        Action("") if sought is Sought.ACTION else _action(members),
        _entity(members, "resource", named=sought is not Sought.RESOURCE),
    )


def _entity(members: Members, key: str, *, named: bool) -> Entity:
    value = _object(members.get(key), key)
    identifier = _text(value.get("id"), f"{key}.id") if named else ""
    return Entity(_text(value.get("type"), f"{key}.type"), identifier, _properties(value, key))


def _action(members: Members) -> Action:
    value = _object(members.get("action"), "action")
    return Action(_text(value.get("name"), "action.name"), _properties(value, "action"))


def _properties(value: Members, key: str) -> Members:
    return _object(value.get("properties", {}), f"{key}.properties")


def _object(value: object, name: str) -> Members:
    if not isinstance(value, dict):
        raise _BrokenError(f"'{name}' must be an object" if value is not None else f"'{name}' is missing")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise _BrokenError(f"'{name}' must be a string that is not empty" if value is not None else f"'{name}' is missing")
    return value
