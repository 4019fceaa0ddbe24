"""8x8: nothing lists what a user may access, so configured grants and refusals are all there is to learn from.

Pure. Sources: 8x8's support article on 105-400-038 (licence, Analytics: Supervisor), 8x8's API descriptions (logins, refusals).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import ClassVar, Final

from proxy.catalogs.catalog import Match
from proxy.model import OPERATION_SCOPE_PREFIX, Grants, Lack, Named, NotKnown, RefusalTemplate, Source, TokenEndpoint, Unbounded
from proxy.prediction import WHOLE_RESOURCE
from proxy.protocol.targets import Target
from proxy.telemetry.exchange import ResponseKind
from proxy.vendors.base import Vendor
from proxy.vendors.eightbyeight_refusals import (
    CATEGORY,
    DEFAULTS,
    PRODUCT,
    WHOLE_PBX,
    WHOLE_PBX_ID,
    Refused,
    has_code,
    read_refused,
)
from proxy.vendors.facts import Fact, Issued, Lacks, ShapeSeen
from proxy.vendors.forms import as_text
from proxy.vendors.logins import BEARER, Login, Told, client_of, endpoint_at, read_issue, read_login, with_scopes
from proxy.vendors.placeholders import bare_names, fill_refusal
from proxy.vendors.refusals import Denial, Refusal
from proxy.vendors.seen import EVERY_BODY, NO_WATCH, Seen, Verdict, Watch, plain_kind
from proxy.vendors.shapes import private_texts, sanitised

PBX: Final = "pbx"
"""The kind of resources that are PBX names (in a query); `pbx-id` are the opaque ids of paths."""
SOMEWHERE: Final = f"{PBX}:"
"""The PBX without a name, which no request can ask for: a scope bound to it may hold elsewhere, so its absence proves nothing."""
TOKEN_ENDPOINTS: Final = (
    TokenEndpoint("/analytics/work/v1/oauth/token", scope_from="none"),
    TokenEndpoint("/oauth/v2/token", scope_from="response"),
)
"""A user's login, which tells no scope, and the login of 8x8's other products, which lists the API products."""
PRODUCT_TOKEN_TYPES: Final = BEARER | {"bearertoken"}

_PRODUCT_NAME = re.compile(r"[A-Za-z0-9._-][A-Za-z0-9 ._-]{0,99}")


class EightByEight(Vendor):
    """The questions of `base.Vendor`, answered for 8x8."""

    kind: ClassVar[str] = "8x8"
    heeded = frozenset()

    @property
    def title(self) -> str:
        """The vendor's name as people write it."""
        return "8x8"

    def watch(self, method: str, target: Target, match: Match | None) -> Watch:  # noqa: ARG002 - the path alone tells
        """Both sides of the two logins."""
        return NO_WATCH if self._token_endpoint(method, target) is None else EVERY_BODY

    def _token_endpoint(self, method: str, target: Target) -> TokenEndpoint | None:
        return endpoint_at(self.catalog.token_endpoints or TOKEN_ENDPOINTS, method, target.path)

    def classify(self, seen: Seen) -> Verdict:
        """PERMISSION for the three documented refusals; 105-400-038 with another text is one too, but names nothing."""
        if read_refused(seen.status, seen.response_body) is not None:
            return Verdict(ResponseKind.PERMISSION, about_scope=True)
        if has_code(seen.status, seen.response_body):
            return Verdict(ResponseKind.PERMISSION)
        return Verdict(plain_kind(seen.status))

    def learn(self, seen: Seen) -> tuple[Fact, ...]:
        """Who logged in and what is configured for them, the API products of a token, or what a refusal names."""
        endpoint = self._token_endpoint(seen.method, seen.target)
        if endpoint is None:
            return self._refused(seen)
        login = read_login(seen)
        if login is None:
            return ()
        issue = self._user_login(login) if endpoint.scope_from == "none" else self._product_login(login, seen)
        return () if issue is None else (issue,)

    # --- logins ---

    def _user_login(self, login: Login) -> Issued | None:
        issue, user = read_issue(login), as_text(login.form.get("username"))
        if issue is None or user is None:
            return None
        grants = self._granted(user)
        return replace(issue, subject=user) if grants is None else replace(issue, subject=user, grants=grants, source=Source.CONFIGURED)

    def _granted(self, user: str) -> Grants | None:
        """What is configured for a user: complete for the PBXs named, silent about others."""
        entries = self._entries(user)
        if not entries:
            return None
        bound = {
            (category, f"{PBX}:{name}")
            for entry in entries
            for category in self.catalog.canonical(_strings(entry.get("categories")))
            for name in _strings(entry.get("pbx"))
        }
        named = {f"{PBX}:{name}" for entry in entries for name in _strings(entry.get("pbx"))}
        return Grants(bound=frozenset(bound), complete_for=frozenset(named))

    def _entries(self, user: str) -> list[Mapping[str, object]]:
        """The configured entries of a user: by the exact name, else by one that differs only in case.

        People type their address in any case and the vendor accepts it, so case must not lose the operator's knowledge. Two
        configured names that differ only in case may be two users: then only the exact one counts.
        """
        same = [entry for entry in self.configured_grants if str(entry.get("user")).casefold() == user.casefold()]
        if len({entry.get("user") for entry in same}) == 1:
            return same
        return [entry for entry in same if entry.get("user") == user]

    def _product_login(self, login: Login, seen: Seen) -> Issued | None:
        issue = read_issue(login, types=PRODUCT_TOKEN_TYPES, digits=True)
        products, client = _products(login.answer), client_of(login.form, seen.headers)
        if issue is None or not products or client is None:
            return None
        issue = with_scopes(replace(issue, subject=client), Told(products, Source.TOKEN_RESPONSE), self.catalog)
        return replace(issue, grants=replace(issue.grants, bound=self._undecided(issue.grants.scopes)))

    def _undecided(self, products: frozenset[str]) -> frozenset[tuple[str, str]]:
        """Keep the API categories open: the list of API products is complete for products, and says nothing of a user's categories."""
        bound = (operation for operation in self.catalog.operations if operation.resource is not None)
        categories = {name for operation in bound for alternative in operation.alternatives() for name in alternative}
        return frozenset((category, SOMEWHERE) for category in categories - products)

    # --- refusals ---

    def _refused(self, seen: Seen) -> tuple[Fact, ...]:
        refused = read_refused(seen.status, seen.response_body)
        if refused is None or not _is_same_user(seen.subject, refused.user):
            return ()
        lacks = self._category_lacks(refused, seen) if refused.category else _whole_lack(refused, seen)
        if not lacks:
            return ()
        private = private_texts(seen, refused.user, refused.category, *refused.names)
        template = RefusalTemplate(seen.status, sanitised(refused.body, seen.status, refused.known, private))
        return (*lacks, ShapeSeen(template, refused.variant))

    def _category_lacks(self, refused: Refused, seen: Seen) -> tuple[Lacks, ...]:
        """The category that is lacking on PBXs this request asked for, and the stand-in where the catalogue knows no category."""
        named = _requested(refused, seen)
        if named is None or seen.match is None:
            return ()
        operation = seen.match.operation
        scopes = list(self.catalog.canonical([refused.category]))
        if isinstance(operation.requirement, NotKnown) and operation.requirement.learnable:
            scopes.append(operation.stand_in_scope)
        return tuple(Lacks(Lack(scope, named), changeable=True, subject=refused.user) for scope in scopes)

    # --- local answers ---

    def shape_variant(self, denial: Denial) -> str:
        """Category, whole PBX by name or by id, or API product: 8x8 words each of them differently."""
        names = denial.resources.resources if isinstance(denial.resources, Named) else frozenset[str]()
        if not names:
            return PRODUCT
        if not denial.whole_resource:
            return CATEGORY
        return WHOLE_PBX if all(name.startswith(f"{PBX}:") for name in names) else WHOLE_PBX_ID

    def write_refusal(self, denial: Denial, shape: RefusalTemplate | None) -> Refusal:
        """In the shape last seen of this variant, else the catalogue's (category refusals only), else the documented one.

        A PBX that is not granted at all is answered with the documented 403 even before one was seen.
        """
        if not denial.scopes:
            return self.write_policy_refusal(denial)
        variant = self.shape_variant(denial)
        default = DEFAULTS[variant]
        if shape is not None and shape.status == default.status and variant != PRODUCT:
            return fill_refusal(shape, denial)
        return fill_refusal(self.catalog.refusal or default if variant == CATEGORY else default, denial)

    def write_policy_refusal(self, denial: Denial) -> Refusal:
        """403 in the product's envelope, with a code that is not the vendor's."""
        message = denial.message or "The proxy's own rules do not allow this request"
        return Refusal(403, {"status": 403, "code": "SCG-POLICY", "message": message})

    def scope_steps(self, denial: Denial) -> tuple[str, ...]:
        """Whose account it is about and on which PBX, then the catalogue's steps."""
        names = ", ".join(bare_names(denial))
        if not names:
            return super().scope_steps(denial)
        user = f"the 8x8 user {denial.subject}" if denial.subject else "the 8x8 user whose login this token comes from"
        if denial.whole_resource:
            return _whole_pbx_steps(user, names)
        return (f"This is about {user} and PBX {names}.", *(super().scope_steps(denial) or _licence_steps(denial)))


def _strings(value: object) -> Iterable[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []


def _products(answer: Mapping[str, object]) -> frozenset[str] | None:
    """The API products of a token: from the JSON list, the bracketed text, or both where they agree."""
    readers = {"api_product_list_json": lambda value: value, "api_product_list": _bracketed}
    told = [reader(answer[name]) for name, reader in readers.items() if name in answer]
    if not told or any(not _are_products(names) for names in told):
        return None
    sets = {frozenset(names) for names in told}
    return sets.pop() if len(sets) == 1 else None


def _bracketed(value: object) -> list[str] | None:
    """Read "[a, b]". A product's name has no comma or bracket (checked later), so the text has one meaning."""
    if not isinstance(value, str) or not (value.startswith("[") and value.endswith("]")) or len(value) > 10_000:
        return None
    return [name.strip() for name in value[1:-1].split(",")]


def _are_products(names: object) -> bool:
    return (
        isinstance(names, list) and 0 < len(names) <= 100 and all(isinstance(name, str) and _PRODUCT_NAME.fullmatch(name) for name in names)
    )


def _is_same_user(known: str, named: str) -> bool:
    """Say whether a refusal speaks of the user the token belongs to; the vendor may write the name in another case."""
    return not known or known.casefold() == named.casefold()


def _requested(refused: Refused, seen: Seen) -> frozenset[str] | None:
    """The refused PBXs as resources of this request; None unless it asked for them by name, or for PBXs it did not name."""
    rule = seen.match.operation.resource if seen.match is not None else None
    if rule is None or rule.kind != PBX:
        return None
    names = frozenset(f"{PBX}:{name}" for name in refused.names)
    return names if isinstance(seen.resources, Unbounded) or names <= seen.resources.resources else None


def _whole_lack(refused: Refused, seen: Seen) -> tuple[Lacks, ...]:
    """No access to a PBX at all: learned only if this request asked for that PBX and no other."""
    rule = seen.match.operation.resource if seen.match is not None else None
    if rule is None:
        return ()
    named = frozenset(f"{rule.kind}:{name}" for name in refused.names)
    return (Lacks(Lack(WHOLE_RESOURCE, named), changeable=True, subject=refused.user),) if seen.resources == Named(named) else ()


def _licence_steps(denial: Denial) -> tuple[str, ...]:
    category = denial.scopes[0].removeprefix(OPERATION_SCOPE_PREFIX)
    return (
        "Check in 8x8 Admin Console that the user has a licence that includes 8x8 Analytics.",
        "In Admin Console, Users, Edit, Analytics for 8x8 Work, set the allowed access level to Supervisor.",
        f"Sign in as that user to the Analytics for 8x8 Work pages and look whether {category} data of this PBX is shown there.",
        "Repeat the request. No new token is needed: the proxy lets one through from time to time to see whether access was given.",
    )


def _whole_pbx_steps(user: str, names: str) -> tuple[str, ...]:
    return (
        f"Compare PBX {names} with the PBXs that GET /analytics/work/v2/pbxes/ lists: queries take a PBX's name, paths its id.",
        f"If it is the right one, ask an 8x8 administrator to give {user} access to it: nothing of this PBX is open to that account.",
        "Repeat the request. No new token is needed: the proxy lets one through from time to time to see whether access was given.",
    )
