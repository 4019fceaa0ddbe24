"""What a vendor is shown of an exchange, which bodies it wants to see, and what kind of answer it says that was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.catalogs.catalog import Match
from proxy.model import NO_RESOURCES, Resources
from proxy.protocol.targets import Target
from proxy.telemetry.exchange import ResponseKind


@dataclass(frozen=True, slots=True)
class Seen:
    """One finished exchange with the vendor, as far as it was read. Bodies are decoded and bounded; None: not read.

    `headers` are the request's, names in lower case. `subject` is the user the token is known to belong to, or "".
    """

    method: str
    target: Target
    match: Match | None
    headers: Mapping[str, bytes]
    request_body: bytes | None
    status: int
    response_body: bytes | None
    resources: Resources = NO_RESOURCES
    subject: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """Which bodies of an exchange must be read (copied aside, bounded) to learn from it."""

    request: bool = False
    response: bool = False


NO_WATCH = Watch()
EVERY_BODY = Watch(request=True, response=True)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What kind of answer the vendor gave. `about_scope`: a missing scope explains it, so it confirms a predicted denial.

    A refusal for another cause (a user's own permission, a plan) is a permission refusal too, but confirms nothing.
    """

    kind: ResponseKind
    about_scope: bool = False


def plain_kind(status: int) -> ResponseKind:
    """The kind that a status alone tells; a permission refusal is never told by its status alone."""
    if status < 400:
        return ResponseKind.OK
    if status == 401:
        return ResponseKind.AUTH
    if status == 429:
        return ResponseKind.RATE_LIMIT
    return ResponseKind.SERVER_ERROR if status >= 500 else ResponseKind.OTHER_4XX
