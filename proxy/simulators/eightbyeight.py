"""8x8 as a small server: Analytics for Work with access per user, PBX and category; the other products with API products.

The refusals are those of 8x8's support article on 105-400-038 and of its API descriptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from proxy.simulators.base import Simulator, Store
from proxy.simulators.messages import Incoming, Reply, json_reply
from proxy.simulators.routes import Document, Found, Operation

ANALYTICS: Final = "/analytics/work"
LOGIN: Final = "/analytics/work/v1/oauth/token"
PRODUCT_LOGIN: Final = "/oauth/v2/token"
TOKEN_TTL: Final = 1800
PRODUCT_TOKEN_TTL: Final = 86399
EVERY_PBX: Final = "allpbxes"
LAST_PAGE: Final = "No Data"
MAX_PAGE_SIZE: Final = 7000
REQUIRED: Final = ("startTime", "endTime", "timeZone")

CATEGORIES: Final[Mapping[str, str]] = {
    "/analytics/work/v2/call-records": "CDR",
    "/analytics/work/v2/call-legs": "CDR",
    "/analytics/work/v1/cdr": "CDR",
}
"""The category of some endpoints; the rest of them look at the PBX only."""


@dataclass(frozen=True, slots=True)
class User:
    """A person with a licence: the categories granted, by PBX name."""

    username: str
    password: str = field(repr=False)
    access: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Client:
    """A machine account of the products outside Analytics for Work."""

    client_id: str
    client_secret: str = field(repr=False)
    products: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Login:
    username: str
    end: float
    products: frozenset[str] = frozenset()


CDR: Final = frozenset({"CDR"})
DEMO_PBXES: Final = {"acmecorp": "pbx-id-acmecorp", "acmewest": "pbx-id-acmewest"}
DEMO_API_KEYS: Final = ("demo-8x8-apikey",)
DEMO_USERS: Final = (
    User("reporting@example.com", "demo-password-reporting", {"acmecorp": frozenset(), "acmewest": CDR}),
    User("supervisor@example.com", "demo-password-supervisor", {"acmecorp": CDR, "acmewest": CDR}),
    User("west@example.com", "demo-password-west", {"acmewest": CDR}),
)
DEMO_CLIENTS: Final = (
    Client("demo-chat", "demo-chat-secret", ("vcc",)),
    Client("demo-quality", "demo-quality-secret", ("QM - API", "storage", "analytics realtime-api")),
)

REFUSAL_SHAPES: Final[Mapping[str, tuple[str, ...]]] = {
    "plain": ("status", "code", "message"),
    "message-first": ("status", "message", "code"),
    "without-status": ("code", "message"),
    "spring": ("timeStamp", "status", "error", "exception", "message", "code", "path"),
}
"""The members, in order, of the bodies in which the simulator can say 105-400-038; the real one is not documented."""

BAD_API_KEY: Final = json_reply(400, {"status": 400, "message": "Invalid API Key", "code": "SHA001"})
BAD_LOGIN: Final = json_reply(400, {"error": "invalid_grant", "error_description": "Bad credentials"})
BAD_CLIENT: Final = json_reply(401, {"ErrorCode": "invalid_client", "Error": "ClientId is Invalid"})
NO_PRODUCT: Final = json_reply(
    401,
    {
        "fault": {
            "faultstring": "Invalid API call as no apiproduct match found",
            "detail": {"errorcode": "keymanagement.service.InvalidAPICallAsNoApiProductMatchFound"},
        }
    },
)


def _invalid_token(description: str) -> Reply:
    return json_reply(401, {"error": "invalid_token", "error_description": description})


class EightByEightSimulator(Simulator):
    """api.8x8.com. `refusal_shape` is a name in `REFUSAL_SHAPES`; `categories` maps more routes to a category."""

    vendor: ClassVar[str] = "8x8"

    def __init__(
        self,
        document: Document | None = None,
        *,
        users: Iterable[User] = DEMO_USERS,
        clients: Iterable[Client] = DEMO_CLIENTS,
        pbxes: Mapping[str, str] = DEMO_PBXES,
        api_keys: Iterable[str] = DEMO_API_KEYS,
        categories: Mapping[str, str] = CATEGORIES,
        refusal_shape: str = "plain",
        call_records: int = 120,
        **plumbing: Any,
    ) -> None:
        super().__init__(document, **plumbing)
        self.users = {user.username: user for user in users}
        self.clients = {client.client_id: client for client in clients}
        self.pbxes = dict(pbxes)
        self.refusal_shape = refusal_shape
        self._api_keys = frozenset(api_keys)
        self._categories = categories
        self._call_records = call_records
        self._logins: Store[_Login] = Store()

    # what an administrator can change while it runs

    def set_access(self, username: str, pbx: str, categories: Iterable[str] | None) -> None:
        """Grant a user these categories of a PBX; None takes the whole PBX away. It counts at once."""
        user = self.users[username]
        access = {name: granted for name, granted in user.access.items() if name != pbx}
        if categories is not None:
            access[pbx] = frozenset(categories)
        self.users[username] = User(username, user.password, access)

    # requests

    def answer(self, incoming: Incoming) -> Reply:
        """Log in to one of the two token endpoints, or serve the API."""
        if incoming.method == "POST" and incoming.path == LOGIN:
            return self._login(incoming)
        if incoming.method == "POST" and incoming.path == PRODUCT_LOGIN:
            return self._product_login(incoming)
        found = self.routes.find(incoming.method, incoming.path)
        analytics = incoming.path.startswith(ANALYTICS + "/")
        if analytics and incoming.headers.get("8x8-apikey") not in self._api_keys:
            return BAD_API_KEY
        if found is not None and found.operation.auth == "none":
            return self._data(incoming, found)
        login = self._authenticated(incoming)
        if isinstance(login, Reply):
            return login
        if found is None:
            return json_reply(404, {"status": 404, "error": "Not Found", "path": incoming.path})
        return self._analytics(incoming, found, login) if analytics else self._product(incoming, found, login)

    def _login(self, incoming: Incoming) -> Reply:
        if incoming.headers.get("8x8-apikey") not in self._api_keys:
            return BAD_API_KEY
        form = incoming.form()
        user = self.users.get(form.get("username", ""))
        if user is None or user.password != form.get("password"):
            return BAD_LOGIN
        now = int(self.clock())
        token = self.mint.jwt({"sub": user.username, "iat": now, "exp": now + TOKEN_TTL, "jti": self.mint.opaque("")})
        self._logins.put(token, _Login(user.username, self.clock() + TOKEN_TTL))
        return json_reply(200, {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_TTL})

    def _product_login(self, incoming: Incoming) -> Reply:
        client_id, secret = incoming.basic() or ("", "")
        client = self.clients.get(client_id)
        if client is None or client.client_secret != secret or incoming.form().get("grant_type") != "client_credentials":
            return BAD_CLIENT
        token = self.mint.opaque("SIMULATED-8X8-")
        self._logins.put(token, _Login("", self.clock() + PRODUCT_TOKEN_TTL, frozenset(client.products)))
        return json_reply(200, _product_token(client, token))

    def _authenticated(self, incoming: Incoming) -> _Login | Reply:
        token = incoming.credentials("bearer")
        if not token:
            return _invalid_token("Full authentication is required to access this resource")
        login = self._logins.get(token)
        if login is None:
            return _invalid_token("Cannot convert access token to JSON")
        # The real vendor repeats the token here; whoever logs this answer logs a credential.
        return login if self.clock() < login.end else _invalid_token(f"Access token expired: {token}")

    def _product(self, incoming: Incoming, found: Found, login: _Login) -> Reply:
        return self._data(incoming, found) if found.operation.satisfied_by(login.products) and login.products else NO_PRODUCT

    # Analytics for Work

    def _analytics(self, incoming: Incoming, found: Found, login: _Login) -> Reply:
        user = self.users.get(login.username)
        if user is None:
            return _invalid_token("The token is not one of Analytics for Work")
        template = found.operation.template.rstrip("/")
        if template.endswith("/pbxes"):
            return self._pbx_list(user)
        if "pbxId" in found.parameters:
            return self._for_pbx_id(incoming, found, user)
        return self._historical(incoming, found, user)

    def _pbx_list(self, user: User) -> Reply:
        rows = [{"id": self.pbxes[name], "name": name} for name in user.access if name in self.pbxes]
        return json_reply(200, {"_embedded": {"pbxList": rows}})

    def _for_pbx_id(self, incoming: Incoming, found: Found, user: User) -> Reply:
        wanted = found.parameters["pbxId"]
        if wanted in (self.pbxes.get(name) for name in user.access):
            return self._data(incoming, found)
        message = f"user [{user.username}] does not have access to pbxId [{wanted}] to make this request."
        return json_reply(403, {"timestamp": self._time(), "status": 403, "messages": [message], "path": incoming.path})

    def _historical(self, incoming: Incoming, found: Found, user: User) -> Reply:
        query = incoming.query()
        named = [name.strip() for name in query.get("pbxId", "").split(",") if name.strip()]
        wanted = list(user.access) if EVERY_PBX in named else named
        refusal = self._pbx_refusal(incoming, user, wanted) or self._category_refusal(incoming, found.operation, user, wanted)
        return refusal or _bad_parameters(query) or self._records(query, wanted)

    def _pbx_refusal(self, incoming: Incoming, user: User, wanted: list[str]) -> Reply | None:
        denied = [name for name in wanted if name not in user.access]
        if not denied:
            return None
        message = f"user({user.username}) does not have access to pbxId({', '.join(denied)}) to make this request."
        members = {"timeStamp": self._time(), "status": 403, "error": "Access Denied", "exception": message, "message": message}
        return json_reply(403, {**members, "path": incoming.path})

    def _category_refusal(self, incoming: Incoming, operation: Operation, user: User, wanted: list[str]) -> Reply | None:
        needed = operation.requires[0][0] if operation.requires else self._categories.get(operation.template, "")
        denied = [name for name in wanted if needed not in user.access[name]]
        if not needed or not denied:
            return None
        message = f"user({user.username}) does not have access to api category({needed}) for pbxId([{', '.join(denied)}])."
        members = {"timeStamp": self._time(), "status": 400, "error": "Bad Request", "exception": message, "message": message}
        members |= {"code": "105-400-038", "path": incoming.path}
        return json_reply(400, {name: members[name] for name in REFUSAL_SHAPES[self.refusal_shape]})

    def _records(self, query: Mapping[str, str], pbxes: list[str]) -> Reply:
        size, begin = int(query.get("pageSize", "50")), _offset(query.get("scrollId", ""))
        end = min(begin + size, self._call_records)
        data = [{"callId": f"call-{number}", "pbxId": pbxes[number % len(pbxes)]} for number in range(begin, end)]
        scroll = LAST_PAGE if end >= self._call_records else f"scroll-{end}"
        return json_reply(200, {"meta": {"totalRecordCount": self._call_records, "scrollId": scroll}, "data": data})

    def _data(self, incoming: Incoming, found: Found) -> Reply:
        if incoming.method == "DELETE":
            return Reply(204)
        if found.operation.template.endswith("}"):
            return json_reply(200, {"id": [*found.parameters.values()][-1]})
        return json_reply(200, {"data": [{"id": "1"}]})

    def _time(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="milliseconds")

    def describe(self, base_url: str | None = None) -> str:
        """The ready-made users and clients, with sample `curl` lines."""
        base, key = base_url or self.base_url, "-H '8x8-apikey: demo-8x8-apikey'"
        users = [f"  user {user.username}  password {user.password}  {_access(user)}" for user in self.users.values()]
        clients = [
            f"  client {item.client_id}  secret {item.client_secret}  products {', '.join(item.products)}" for item in self.clients.values()
        ]
        login = f"  curl {key} -d username=reporting@example.com -d password=demo-password-reporting {base}{LOGIN}"
        query = "pbxId=acmecorp&startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
        call = f"  curl {key} -H 'Authorization: Bearer TOKEN' '{base}{ANALYTICS}/v2/call-records?{query}'"
        return "\n".join(["8x8", *users, *clients, login, call])


def _access(user: User) -> str:
    return ", ".join(f"{pbx}: {' '.join(sorted(names)) or 'no category'}" for pbx, names in user.access.items())


def _product_token(client: Client, token: str) -> dict[str, object]:
    return {
        "api_product_list": f"[{', '.join(client.products)}]",
        "api_product_list_json": list(client.products),
        "token_type": "BearerToken",
        "client_id": client.client_id,
        "access_token": token,
        "scope": "",
        "expires_in": str(PRODUCT_TOKEN_TTL),
        "status": "approved",
    }


def _bad_parameters(query: Mapping[str, str]) -> Reply | None:
    missing = [name for name in ("pbxId", *REQUIRED) if not query.get(name)]
    if missing:
        return json_reply(400, {"status": 400, "message": f"Required parameter {missing[0]} is not present", "code": "105-400-001"})
    size = query.get("pageSize", "50")
    good = size.isascii() and size.isdecimal() and len(size) < 6 and 0 < int(size) <= MAX_PAGE_SIZE
    return None if good else json_reply(400, {"status": 400, "message": f"pageSize must be 1 to {MAX_PAGE_SIZE}", "code": "105-400-002"})


def _offset(scroll: str) -> int:
    digits = scroll.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0
