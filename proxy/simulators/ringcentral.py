"""RingCentral as a small server: logs in apps and users, and refuses as RingCentral documents it.

It honours permissions that other permissions include, method overrides, `?access_token=` and the scheme in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from ssl import SSLContext
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from proxy.simulators.base import Simulator, Store
from proxy.simulators.messages import Incoming, Reply, json_reply
from proxy.simulators.ringcentral_accounts import (
    ACCESS_TOKEN_TTL,
    DEMO_APPS,
    DEMO_USERS,
    MIN_ACCESS_TOKEN_TTL,
    REFRESH_TOKEN_TTL,
    App,
    RateLimit,
    Session,
    Sessions,
    User,
)
from proxy.simulators.ringcentral_bodies import (
    ACCOUNT_ID,
    NO_SUCH_RESOURCE,
    NO_TOKEN,
    STALE_TOKEN,
    TOO_MANY_REQUESTS,
    UNREADABLE_AUTHORIZATION,
    UNREADABLE_TOKEN,
    Content,
    ambiguous_method,
    app_permission_missing,
    login_error,
    user_permission_missing,
)
from proxy.simulators.routes import Document, Found

JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PLATFORM: Final = "https://platform.ringcentral.com"
MEDIA: Final = "https://media.ringcentral.com"
MEDIA_LISTENER: Final = "media"
NO_LIMIT: Final = RateLimit(1_000_000)

USER_PERMISSIONS: Final[Mapping[str, str]] = {
    "/restapi/v1.0/account/{accountId}/call-log": "FullCompanyCallLog",
    "/restapi/v1.0/account/{accountId}/call-log/{callRecordId}": "FullCompanyCallLog",
    "/restapi/v1.0/account/{accountId}/extension/{extensionId}/call-log": "ReadCallLog",
    "/restapi/v1.0/account/{accountId}/extension/{extensionId}/active-calls": "ReadCallLog",
    "/restapi/v1.0/account/{accountId}/recording/{recordingId}": "ReadCallRecording",
}
"""The user permission of some GETs, by route."""

BAD_CLIENT: Final = login_error("invalid_client", "OAU-153", "Invalid client credentials", 401)
BAD_USER: Final = login_error("invalid_grant", "OAU-140", "Invalid resource owner credentials")
BAD_JWT: Final = login_error("invalid_grant", "OAU-103", "Assertion is invalid")
BAD_CODE: Final = login_error("invalid_grant", "OAU-102", "Authorization code is invalid")
SPENT_REFRESH_TOKEN: Final = login_error("invalid_grant", "OAU-213", "Token not found")
UNKNOWN_GRANT: Final = login_error("unsupported_grant_type", "OAU-250", "Unsupported grant type")


class RingCentralSimulator(Simulator):
    """RingCentral's platform, and its media host on a listener of its own if `start` is given a `media_port`.

    `apps` and `users`: who can log in. `link_base` and `media_link_base`: the hosts that links in bodies name (default: the
    public ones; None: the simulator's own). `honours_included`: false for a vendor that does not expand a token's scopes.
    """

    vendor: ClassVar[str] = "ringcentral"

    def __init__(
        self,
        document: Document | None = None,
        *,
        apps: Iterable[App] = DEMO_APPS,
        users: Iterable[User] = DEMO_USERS,
        link_base: str | None = PLATFORM,
        media_link_base: str | None = MEDIA,
        call_records: int = 3,
        recording_bytes: int = 4096,
        rate_limit: RateLimit = NO_LIMIT,
        honours_included: bool = True,
        user_permissions: Mapping[str, str] = USER_PERMISSIONS,
        **plumbing: Any,
    ) -> None:
        super().__init__(document, **plumbing)
        self.apps = {app.client_id: app for app in apps}
        self.users = {user.username: user for user in users}
        self._links = (link_base, media_link_base)
        self._content = Content(link_base or "", media_link_base or "", call_records, recording_bytes)
        self._honours_included = honours_included
        self._user_permissions = user_permissions
        self.rate_limit = rate_limit
        self._sessions = Sessions(self.mint)
        self._codes: Store[tuple[str, str]] = Store()
        self._grants: Mapping[str, Callable[[App, Mapping[str, str]], Session | Reply]] = {
            JWT_GRANT: self._by_jwt,
            "password": self._by_password,
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh_token,
        }

    @property
    def media_base_url(self) -> str:
        """Where media are served, without a slash at the end; the platform serves them too. Raise RuntimeError before `start`."""
        return self._urls.get(MEDIA_LISTENER) or self.base_url

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, ssl_context: SSLContext | None = None, media_port: int | None = None
    ) -> None:
        """Listen; links without a configured host name the simulator from here on. Raise OSError where a port is taken."""
        await super().start(host, port, ssl_context)
        if media_port is not None:
            await self._listen(MEDIA_LISTENER, host, media_port, ssl_context)
        platform, media = self._links
        platform = platform if platform is not None else self.base_url
        self._content = replace(self._content, platform=platform, media=media if media is not None else self.media_base_url)

    # what an administrator can change while it runs

    def set_scope(self, client_id: str, scope: str) -> None:
        """Change an app's permissions in the developer console: tokens issued from now on have them."""
        self.apps[client_id] = replace(self.apps[client_id], scope=scope)

    def set_lacking_permissions(self, username: str, lacking: Iterable[str]) -> None:
        """Change what a user's role does not have; it counts at once, for living tokens too."""
        self.users[username] = replace(self.users[username], lacking=frozenset(lacking))

    def strike_scope(self, access_token: str, name: str) -> None:
        """Take one scope from a living token, as a vendor does that knows better; KeyError for a dead token."""
        session = self._sessions.by_access(access_token, self.clock())
        if session is None:
            raise KeyError("no such token")
        session.scope = " ".join(scope for scope in session.scope.split() if scope != name)

    def authorize(self, client_id: str, username: str) -> str:
        """Let a user grant an app access; return the authorization code, good for one login."""
        code = self.mint.opaque("SIMULATED-RC-CODE-")
        self._codes.put(code, (client_id, username))
        return code

    # requests

    def answer(self, incoming: Incoming) -> Reply:
        """Log in, log out, or serve the API."""
        platform = incoming.listener != MEDIA_LISTENER
        if platform and incoming.path == "/restapi/oauth/token" and incoming.method == "POST":
            return self._token(incoming)
        if platform and incoming.path == "/restapi/oauth/revoke" and incoming.method == "POST":
            return self._revoke(incoming)
        if platform and incoming.path == "/restapi/oauth/session-info" and incoming.method == "GET":
            return self._session_info(incoming)
        method = _effective_method(incoming)
        if method is None:
            return ambiguous_method()
        found = self.routes.find(method, incoming.path)
        if not platform and (found is None or "/content" not in found.operation.template):
            return NO_SUCH_RESOURCE
        return (
            self._open_route(incoming, method, found) if found and found.operation.auth != "bearer" else self._api(incoming, method, found)
        )

    def _open_route(self, incoming: Incoming, method: str, found: Found) -> Reply:
        query = incoming.query()
        if not incoming.path.endswith("/oauth/authorize") or "redirect_uri" not in query:
            return self._content.reply(incoming, method, found)
        code = self.authorize(query.get("client_id", ""), next(iter(self.users)))
        answer = urlencode({"code": code, **({"state": query["state"]} if "state" in query else {})})
        return Reply(302, headers=(("Location", f"{query['redirect_uri']}?{answer}"),))

    def _api(self, incoming: Incoming, method: str, found: Found | None) -> Reply:
        session = self._session(incoming)
        if isinstance(session, Reply):
            return session
        if not self.rate_limit.admits(session.meter, self.clock()):
            limited = TOO_MANY_REQUESTS.with_headers(("Retry-After", str(self.rate_limit.window_s)))
            return limited.with_headers(*self._rate_headers(session))
        reply = NO_SUCH_RESOURCE if found is None else self._permitted(incoming, method, found, session)
        return reply.with_headers(*self._rate_headers(session))

    def _permitted(self, incoming: Incoming, method: str, found: Found, session: Session) -> Reply:
        scopes = session.scope.split()
        held = self.document.closure(scopes) if self._honours_included else frozenset(scopes)
        missing = found.operation.first_missing(held)
        if missing:
            return app_permission_missing(missing)
        needed = self._user_permissions.get(found.operation.template, "") if method in ("GET", "HEAD") else ""
        if needed in self.users[session.username].lacking:
            return user_permission_missing(needed)
        return self._content.reply(incoming, method, found)

    def _session_info(self, incoming: Incoming) -> Reply:
        session = self._session(incoming)
        if isinstance(session, Reply):
            return session
        user = self.users[session.username]
        told = {"client_id": session.app.client_id, "scope": session.scope, "sub": user.extension_id, "account_id": ACCOUNT_ID}
        return json_reply(200, {**told, "session_id": session.id}, indent=2)

    def _session(self, incoming: Incoming) -> Session | Reply:
        token = incoming.credentials("bearer") or incoming.query().get("access_token")
        if not token:
            return UNREADABLE_AUTHORIZATION if incoming.headers.get("authorization") else NO_TOKEN
        if not token.startswith("SIMULATED-RC-"):
            return UNREADABLE_TOKEN
        return self._sessions.by_access(token, self.clock()) or STALE_TOKEN

    def _rate_headers(self, session: Session) -> tuple[tuple[str, str], ...]:
        limit, used = self.rate_limit, session.meter.used
        return (
            ("X-Rate-Limit-Group", "Heavy"),
            ("X-Rate-Limit-Limit", str(limit.limit)),
            ("X-Rate-Limit-Remaining", str(max(0, limit.limit - used))),
            ("X-Rate-Limit-Window", str(limit.window_s)),
        )

    # logins

    def _client(self, incoming: Incoming) -> App | None:
        client_id, secret = incoming.basic() or ("", "")
        app = self.apps.get(client_id)
        return app if app is not None and app.client_secret == secret else None

    def _token(self, incoming: Incoming) -> Reply:
        app, form = self._client(incoming), incoming.form()
        if app is None:
            return BAD_CLIENT
        grant = self._grants.get(form.get("grant_type", ""))
        session = grant(app, form) if grant else UNKNOWN_GRANT
        return session if isinstance(session, Reply) else self._issue(session, form)

    def _issue(self, session: Session, form: Mapping[str, str]) -> Reply:
        asked = form.get("access_token_ttl", "")
        ttl = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else ACCESS_TOKEN_TTL
        ttl = min(max(ttl, MIN_ACCESS_TOKEN_TTL), ACCESS_TOKEN_TTL)
        self._sessions.issue(session, self.clock(), ttl)
        document = {
            "access_token": session.access_token,
            "token_type": "bearer",
            "expires_in": ttl,
            "scope": session.scope,
            "refresh_token": session.refresh_token,
            "refresh_token_expires_in": REFRESH_TOKEN_TTL,
            "owner_id": self.users[session.username].extension_id,
            "endpoint_id": f"endpoint-of-{session.app.client_id}",
            "session_id": session.id,
        }
        return json_reply(200, document, indent=2, headers=(("Cache-Control", "no-store"), ("Pragma", "no-cache")))

    def _by_jwt(self, app: App, form: Mapping[str, str]) -> Session | Reply:
        user = next((user for user in self.users.values() if user.jwt == form.get("assertion")), None)
        return self._sessions.open(app, user.username) if user else BAD_JWT

    def _by_password(self, app: App, form: Mapping[str, str]) -> Session | Reply:
        user = self.users.get(form.get("username", ""))
        return self._sessions.open(app, user.username) if user and user.password == form.get("password") else BAD_USER

    def _by_code(self, app: App, form: Mapping[str, str]) -> Session | Reply:
        client_id, username = self._codes.take(form.get("code", "")) or ("", "")
        return self._sessions.open(app, username) if client_id == app.client_id and username in self.users else BAD_CODE

    def _by_refresh_token(self, app: App, form: Mapping[str, str]) -> Session | Reply:
        session = self._sessions.by_refresh(form.get("refresh_token", ""), self.clock())
        if session is None or session.app.client_id != app.client_id:
            return SPENT_REFRESH_TOKEN
        session.scope = app.scope
        return session

    def _revoke(self, incoming: Incoming) -> Reply:
        if self._client(incoming) is None:
            return BAD_CLIENT
        session = self._sessions.by_any(incoming.form().get("token") or incoming.query().get("token", ""))
        if session is not None:
            self._sessions.end(session)
        return Reply(200)

    def describe(self, base_url: str | None = None) -> str:
        """The ready-made apps and users, with sample `curl` lines."""
        base = base_url or self.base_url
        apps = [f"  app {app.client_id:<14} secret {app.client_secret:<22} scope {app.scope}" for app in self.apps.values()]
        users = [f"  user {user.username}  JWT {user.jwt}  password {user.password}" for user in self.users.values()]
        login = f"-d grant_type={JWT_GRANT} -d assertion=demo-jwt-amy {base}/restapi/oauth/token"
        call = f"  curl -H 'Authorization: Bearer TOKEN' {base}/restapi/v1.0/account/~/call-log"
        return "\n".join(["RingCentral", *apps, *users, f"  curl -u demo-reader:demo-reader-secret {login}", call])


def _effective_method(incoming: Incoming) -> str | None:
    """The method a POST means by its override; None where two overrides contradict each other."""
    if incoming.method != "POST":
        return incoming.method
    named = {value.upper() for value in (incoming.headers.get("x-http-method-override"), incoming.query().get("_method")) if value}
    return named.pop() if len(named) == 1 else (None if named else "POST")
