"""NewVoiceMedia (Vonage Contact Center) as a small server: scopes are asked for at login, and any of several opens a route."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ssl import SSLContext
from typing import Any, ClassVar, Final

from proxy.simulators.base import Simulator, Store
from proxy.simulators.messages import Incoming, Reply, json_reply
from proxy.simulators.routes import Document, Found

LOGIN: Final = "/Auth/connect/token"
TOKEN_TTL: Final = 7200
MAX_LIMIT: Final = 5000
DEFAULT_LIMIT: Final = 25
MAX_PAGE: Final = 1_000_000_000
ACCESS_PERMISSIONS: Final = "/useradmin/users/{userId}/permissions/accessPermissions"

_VERSION: Final = re.compile(r"application/vnd\.newvoicemedia\.v\d+\+json")
_UNVERSIONED: Final = ("/v0/", "/v1/")


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client and the scopes it may ask for."""

    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Login:
    scopes: frozenset[str]
    end: float


DEMO_USER: Final = "895db16f-5270-6ef8-e173-10ea365aefcc"
DEMO_USER_WITH_MANY: Final = "2f9207ca-8922-4245-bfc5-d8f42939e29a"
DEMO_CLIENTS: Final = (
    Client("demo-stats", "demo-stats-secret", ("stats",)),
    Client("demo-user-admin", "demo-user-admin-secret", ("users:read", "users:write", "admin:read", "admin:write", "stats")),
    Client("demo-agent", "demo-agent-secret", ("self:read", "self:write")),
)
DEMO_PERMISSIONS: Final[Mapping[str, Mapping[str, str]]] = {
    DEMO_USER: {"CPA_View": "Yes", "CPA_ACD": "Modify"},
    DEMO_USER_WITH_MANY: {f"CPA_Demo{number:02d}": ("Yes", "No", "Read", "Modify", "None")[number % 5] for number in range(60)},
}

UNAUTHORIZED: Final = json_reply(401, {"message": "Unauthorized"})
NO_VERSION: Final = json_reply(400, {"statusCode": 400, "error": "Bad Request", "message": "Version missing from Accept header!"})
BAD_CLIENT: Final = json_reply(400, {"error": "invalid_client"})
BAD_GRANT: Final = json_reply(400, {"error": "unsupported_grant_type"})
BAD_SCOPE: Final = json_reply(400, {"error": "invalid_scope", "error_description": "The requested scope is not allowed for this client"})
NOT_FOUND: Final = json_reply(404, {"message": "Not Found"})


class NewVoiceMediaSimulator(Simulator):
    """The API host and the token host of one region.

    `permissions`: access permissions by user id. `jwt_tokens`: access tokens carry a `scope` claim instead of being opaque.
    `forbidden_message`: what User Admin says when no scope fits (the real text is not documented).
    """

    vendor: ClassVar[str] = "newvoicemedia"

    def __init__(
        self,
        document: Document | None = None,
        *,
        clients: Iterable[Client] = DEMO_CLIENTS,
        permissions: Mapping[str, Mapping[str, str]] = DEMO_PERMISSIONS,
        jwt_tokens: bool = False,
        forbidden_message: str = "Forbidden",
        **plumbing: Any,
    ) -> None:
        super().__init__(document, **plumbing)
        self.clients = {client.client_id: client for client in clients}
        self._permissions = {user: dict(levels) for user, levels in permissions.items()}
        self._jwt_tokens = jwt_tokens
        self._forbidden = json_reply(403, {"message": forbidden_message})
        self._logins: Store[_Login] = Store()

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, ssl_context: SSLContext | None = None, *, token_port: int | None = None
    ) -> None:
        """Listen. With `token_port` (0: a free one) the two hosts are apart, as in reality; else one port serves both."""
        await super().start(host, port, ssl_context)
        if token_port is not None:
            await self._listen("token", host, token_port, ssl_context)

    @property
    def token_base_url(self) -> str:
        """Where logins are served, without a slash at the end."""
        return self._urls.get("token") or self.base_url

    # what an administrator can change while it runs

    def set_permission(self, user_id: str, key: str, level: str) -> None:
        """Give a user an access permission at a level: Yes, No, Read, Modify or None."""
        self._permissions.setdefault(user_id, {})[key] = level

    # requests

    def answer(self, incoming: Incoming) -> Reply:
        """Log in on the token host, serve the API on the API host; neither knows the other's paths."""
        split = "token" in self._urls
        if split and incoming.listener == "token":
            return self._token_host(incoming)
        if not split and incoming.path == LOGIN:
            return self._token_host(incoming)
        return self._api(incoming)

    def _token_host(self, incoming: Incoming) -> Reply:
        return self._login(incoming) if incoming.path == LOGIN and incoming.method == "POST" else NOT_FOUND

    def _login(self, incoming: Incoming) -> Reply:
        form = incoming.form()
        client_id, secret = incoming.basic() or (form.get("client_id", ""), form.get("client_secret", ""))
        client = self.clients.get(client_id)
        if client is None or client.client_secret != secret:
            return BAD_CLIENT
        if form.get("grant_type") != "client_credentials":
            return BAD_GRANT
        asked = frozenset(form.get("scope", "").split()) or frozenset(client.scopes)
        return self._issue(client, asked) if asked.issubset(client.scopes) else BAD_SCOPE

    def _issue(self, client: Client, scopes: frozenset[str]) -> Reply:
        end = self.clock() + TOKEN_TTL
        claims = {"client_id": client.client_id, "scope": sorted(scopes), "exp": int(end)}
        token = self.mint.jwt(claims) if self._jwt_tokens else self.mint.opaque("SIMULATED-NVM-")
        self._logins.put(token, _Login(scopes, end))
        return json_reply(
            200, {"access_token": token, "expires_in": TOKEN_TTL, "token_type": "Bearer"}, headers=(("Cache-Control", "no-store"),)
        )

    def _api(self, incoming: Incoming) -> Reply:
        login = self._logins.get(incoming.credentials("bearer"))
        if login is None or self.clock() >= login.end:
            return UNAUTHORIZED
        found = self.routes.find(incoming.method, incoming.path)
        if found is None:
            return NOT_FOUND
        if not found.operation.satisfied_by(login.scopes):
            return UNAUTHORIZED if incoming.path.startswith("/webhooks/") else self._forbidden
        if not _versioned(incoming):
            return NO_VERSION
        return self._data(incoming, found)

    def _data(self, incoming: Incoming, found: Found) -> Reply:
        if incoming.method not in ("GET", "HEAD", "POST"):
            return Reply(204)
        if found.operation.template == ACCESS_PERMISSIONS:
            return self._access_permissions(incoming, found.parameters["userId"])
        if incoming.method == "POST" or found.operation.template.endswith("}"):
            return json_reply(200, {"id": [*found.parameters.values(), "900001"][0]})
        return _page(incoming, {}, "items", [{"id": "1"}])

    def _access_permissions(self, incoming: Incoming, user_id: str) -> Reply:
        levels = self._permissions.get(user_id)
        if levels is None:
            return json_reply(404, {"message": "User not found"})
        rows = [{"permissionKey": key, "permissionLevel": level} for key, level in levels.items()]
        return _page(incoming, {"userId": user_id}, "accessPermissions", rows)

    def describe(self, base_url: str | None = None) -> str:
        """The ready-made clients and users, with sample `curl` lines."""
        base, token_base = base_url or self.base_url, base_url or self.token_base_url
        clients = [
            f"  client {item.client_id:<16} secret {item.client_secret:<23} may ask {' '.join(item.scopes)}"
            for item in self.clients.values()
        ]
        users = [f"  user {user}  {len(levels)} access permissions" for user, levels in self._permissions.items()]
        login = f"  curl -u demo-stats:demo-stats-secret -d grant_type=client_credentials -d scope=stats {token_base}{LOGIN}"
        path = ACCESS_PERMISSIONS.replace("{userId}", DEMO_USER)
        accept = "-H 'Accept: application/vnd.newvoicemedia.v4+json'"
        return "\n".join(["NewVoiceMedia", *clients, *users, login, f"  curl {accept} -H 'Authorization: Bearer TOKEN' {base}{path}"])


def _versioned(incoming: Incoming) -> bool:
    return incoming.path.startswith(_UNVERSIONED) or _VERSION.search(incoming.headers.get("accept", "")) is not None


def _page(incoming: Incoming, first: Mapping[str, str], name: str, rows: list[dict[str, str]]) -> Reply:
    query = incoming.query()
    limit, page = _within(query.get("limit"), DEFAULT_LIMIT, MAX_LIMIT), _within(query.get("page"), 1, MAX_PAGE)
    if limit is None or page is None:
        return json_reply(400, {"message": "limit or page is out of range"})
    shown = rows[(page - 1) * limit : page * limit]
    meta = {"page": page, "count": len(shown), "pageCount": -(-len(rows) // limit), "totalCount": len(rows)}
    return json_reply(200, {"meta": meta, **first, name: shown})


def _within(text: str | None, default: int, maximum: int) -> int | None:
    """The number in a query parameter; None where it is none, or outside 1 to `maximum`."""
    if text is None:
        return default
    good = text.isascii() and text.isdecimal() and len(text) < 12 and 1 <= int(text) <= maximum
    return int(text) if good else None
