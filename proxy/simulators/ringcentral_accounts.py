"""The apps, users and sessions of the simulated RingCentral: who may log in, and what ends a login."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from proxy.simulators.base import Mint, Store

ACCESS_TOKEN_TTL: Final = 3600
MIN_ACCESS_TOKEN_TTL: Final = 600
REFRESH_TOKEN_TTL: Final = 604_800


@dataclass(frozen=True, slots=True)
class App:
    """A registered app. `scope` is what the developer console says, and what every token of it gets, not expanded."""

    client_id: str
    client_secret: str = field(repr=False)
    scope: str


@dataclass(frozen=True, slots=True)
class User:
    """A person. `lacking` are the user permissions that the person's role does not have."""

    username: str
    password: str = field(repr=False)
    jwt: str = field(repr=False)
    extension_id: str
    lacking: frozenset[str] = frozenset()


DEMO_APPS: Final = (
    App("demo-reader", "demo-reader-secret", "ReadAccounts"),
    App("demo-archiver", "demo-archiver-secret", "ReadCallLog ReadCallRecording ReadAccounts"),
    App("demo-lister", "demo-lister-secret", "ReadCallLog"),
    App("demo-recorder", "demo-recorder-secret", "ReadCallRecording ReadAccounts"),
    App("demo-admin", "demo-admin-secret", "EditAccounts EditMessages ReadContacts RoleManagement"),
)
DEMO_USERS: Final = (
    User("amy@example.com", "demo-password-amy", "demo-jwt-amy", "101001"),
    User("ben@example.com", "demo-password-ben", "demo-jwt-ben", "101002", frozenset({"FullCompanyCallLog"})),
)


@dataclass(slots=True)
class Meter:
    """How much of the rate a session has used in the present window. Times are seconds since 1970."""

    window_end: float = 0.0
    used: int = 0
    penalty_end: float = 0.0


@dataclass(slots=True)
class Session:
    """One login: its present tokens, and until when they hold."""

    id: str
    app: App
    username: str
    scope: str
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    access_end: float = 0.0
    refresh_end: float = 0.0
    meter: Meter = field(default_factory=Meter, repr=False)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """`limit` requests in `window_s` seconds; each request beyond it, or within the penalty, starts a new penalty."""

    limit: int
    window_s: int = 60

    def admits(self, meter: Meter, now: float) -> bool:
        """Count one request; whether it is served."""
        if now < meter.penalty_end:
            meter.penalty_end = now + self.window_s
            return False
        if now >= meter.window_end:
            meter.window_end, meter.used = now + self.window_s, 0
        meter.used += 1
        if meter.used > self.limit:
            meter.penalty_end = now + self.window_s
        return meter.used <= self.limit


class Sessions:
    """Every live login, found by access or refresh token. Bounded."""

    def __init__(self, mint: Mint) -> None:
        self._mint = mint
        self._by_access: Store[Session] = Store()
        self._by_refresh: Store[Session] = Store()

    def open(self, app: App, username: str) -> Session:
        """Start a login; it has no tokens before `issue`."""
        return Session(self._mint.opaque("simulated-session-"), app, username, app.scope)

    def issue(self, session: Session, now: float, ttl: int) -> None:
        """Give the session new tokens; its old ones end at once."""
        self.end(session)
        session.access_token = self._mint.opaque("SIMULATED-RC-ACCESS-")
        session.refresh_token = self._mint.opaque("SIMULATED-RC-REFRESH-")
        session.access_end, session.refresh_end = now + ttl, now + REFRESH_TOKEN_TTL
        self._by_access.put(session.access_token, session)
        self._by_refresh.put(session.refresh_token, session)

    def end(self, session: Session) -> None:
        """Make both tokens of the session worthless."""
        self._by_access.take(session.access_token)
        self._by_refresh.take(session.refresh_token)

    def by_access(self, token: str, now: float) -> Session | None:
        """The session of a live access token."""
        session = self._by_access.get(token)
        return session if session is not None and now < session.access_end else None

    def by_refresh(self, token: str, now: float) -> Session | None:
        """The session of a live refresh token."""
        session = self._by_refresh.get(token)
        return session if session is not None and now < session.refresh_end else None

    def by_any(self, token: str) -> Session | None:
        """The session of an access or refresh token."""
        return self._by_access.get(token) or self._by_refresh.get(token)
