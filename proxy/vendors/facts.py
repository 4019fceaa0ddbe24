"""What an exchange with a vendor taught: `Fact`. `proxy/knowledge/learning.py` applies them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.credentials import Secret
from proxy.model import Grants, Lack, RefusalTemplate, Source


@dataclass(frozen=True, slots=True)
class Issued:
    """A token was issued. `expires_in` is seconds. `replaces` is the refresh token that was spent for it."""

    token: Secret
    grants: Grants
    source: Source
    expires_in: float
    subject: str = ""
    refresh_token: Secret | None = None
    session: str = ""
    replaces: Secret | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """A token (access or refresh) was revoked; everything of its session ends with it."""

    token: Secret


@dataclass(frozen=True, slots=True)
class Lacks:
    """The vendor refused *the token of this request* for want of `lack`. `subject`: the user it says the token belongs to, or ""."""

    lack: Lack
    changeable: bool = False
    subject: str = ""


@dataclass(frozen=True, slots=True)
class ShapeSeen:
    """A real refusal showed the shape in which this vendor refuses; it holds nothing of the caller's.

    Where a vendor refuses in several shapes, `variant` tells them apart: keep the last one of each.
    """

    template: RefusalTemplate
    variant: str = ""


@dataclass(frozen=True, slots=True)
class UserAccess:
    """The vendor told one page of a user's access permissions: key to level."""

    user_id: str
    page: int
    page_count: int
    permissions: Mapping[str, str]


Fact = Issued | Ended | Lacks | ShapeSeen | UserAccess
