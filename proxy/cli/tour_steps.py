"""The tour as data: each step is a request and the answer it promises. The printed lines and the run come from this one list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PROXY: Final = "proxy"
VENDOR: Final = "vendor"


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the proxy. `keep_as` names the shell variable for the token that is issued, `bearer` the one that is used.

    `basic` is a user and a password. `show` is an extended regular expression: only matching lines of the body are shown.
    """

    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    form: tuple[tuple[str, str], ...] = ()
    basic: tuple[str, str] | None = None
    bearer: str = ""
    keep_as: str = ""
    admin: bool = False
    show: str = ""


@dataclass(frozen=True, slots=True)
class Promise:
    """What the answer will be. `vendor_asked`: whether a vendor hears of the request. `holds`: texts of the body."""

    status: int
    answered_by: str = ""
    decision: str = ""
    vendor_asked: bool = False
    holds: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Return the promise for people."""
        asked = "" if not self.answered_by else f", decision {self.decision}, answered by the {self.answered_by}"
        return f"{self.status}{asked}{'' if self.vendor_asked else ', no vendor is contacted'}"


@dataclass(frozen=True, slots=True)
class Step:
    """One stop of the tour."""

    title: str
    request: Request
    promise: Promise


def _login(path: str, keep_as: str, form: dict[str, str], basic: tuple[str, str] | None = None, **headers: str) -> Request:
    return Request(
        path,
        "POST",
        headers=tuple((name.replace("_", "-"), value) for name, value in headers.items()),
        form=tuple(form.items()),
        basic=basic,
        keep_as=keep_as,
    )


def _forwarded(decision: str, status: int, *holds: str) -> Promise:
    return Promise(status, VENDOR, decision, vendor_asked=True, holds=holds)


def _denied(status: int, *holds: str) -> Promise:
    return Promise(status, PROXY, "deny", holds=(*holds, '"scopegate"'))


# --- RingCentral: the scopes are in the login's answer --------------------------------------------------

_RC_LOGIN: Final = "/ringcentral/restapi/oauth/token"
_RC_CALLS: Final = "/ringcentral/restapi/v1.0/account/~/call-log"
_RC_RECORDING: Final = "/ringcentral/restapi/v1.0/account/~/recording/500001"
_RC_CONTENT: Final = "/ringcentral/scopegate-media/restapi/v1.0/account/37439510/recording/500001/content"
_RC_GRANT: Final = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "demo-jwt-amy"}


def _rc_login(app: str, keep_as: str) -> Request:
    return _login(_RC_LOGIN, keep_as, _RC_GRANT, (app, f"{app}-secret"))


RINGCENTRAL: Final = (
    Step(
        "RingCentral: log in with an app that holds ReadAccounts only",
        _rc_login("demo-reader", "RC_READER"),
        _forwarded("permit", 200, '"scope"'),
    ),
    Step(
        "RingCentral: its call log needs ReadCallLog; the proxy refuses as RingCentral would, and says how to fix it",
        Request(_RC_CALLS, bearer="RC_READER"),
        _denied(403, "InsufficientPermissions", "CMN-401", '"permissionName"', "ReadCallLog"),
    ),
    Step(
        "RingCentral: log in with an app that holds ReadCallLog and ReadCallRecording",
        _rc_login("demo-archiver", "RC_ARCHIVER"),
        _forwarded("permit", 200),
    ),
    Step(
        "RingCentral: the same call log with that app",
        Request(_RC_CALLS, bearer="RC_ARCHIVER"),
        _forwarded("permit", 200, '"records"'),
    ),
    Step(
        "RingCentral: log in with an app that holds ReadCallLog only",
        _rc_login("demo-lister", "RC_LISTER"),
        _forwarded("permit", 200),
    ),
    Step(
        "RingCentral: metadata of a recording need ReadCallLog and ReadCallRecording together",
        Request(_RC_RECORDING, bearer="RC_LISTER"),
        _denied(403, "CMN-401", "ReadCallRecording"),
    ),
    Step(
        "RingCentral: the app that holds both gets them; their contentUri names RingCentral's media host, but leads back to the proxy",
        Request(_RC_RECORDING, bearer="RC_ARCHIVER"),
        _forwarded("permit", 200, '"contentUri"', _RC_CONTENT),
    ),
    Step(
        "RingCentral: an app that follows contentUri stays behind the proxy; the recording itself needs ReadCallRecording",
        Request(_RC_CONTENT, bearer="RC_LISTER"),
        _denied(403, "CMN-401", "ReadCallRecording"),
    ),
)

# --- 8x8: nobody tells rights, so the first refusal teaches ---------------------------------------------

_KEY: Final = ("8x8-apikey", "demo-8x8-apikey")
_RECORDS: Final = (
    "/8x8/analytics/work/v2/call-records?pbxId=acmecorp&startTime=2026-11-01%2000:00:00&endTime=2026-11-02%2000:00:00&timeZone=UTC"
)
_8X8_REFUSAL: Final = ("105-400-038", "user(reporting@example.com) does not have access to api category(CDR) for pbxId([acmecorp]).")

EIGHTBYEIGHT: Final = (
    Step(
        "8x8: log in as a user whose account has no call records (CDR) on PBX acmecorp",
        Request(
            "/8x8/analytics/work/v1/oauth/token",
            "POST",
            headers=(_KEY,),
            form=(("username", "reporting@example.com"), ("password", "demo-password-reporting")),
            keep_as="E8_REPORTING",
        ),
        _forwarded("permit", 200),
    ),
    Step(
        "8x8: the first call is forwarded, for nothing is known about this user yet; 8x8 refuses it with 105-400-038",
        Request(_RECORDS, headers=(_KEY,), bearer="E8_REPORTING"),
        _forwarded("indeterminate", 400, *_8X8_REFUSAL),
    ),
    Step(
        "8x8: the same call again is answered here, with what was learned and the steps to fix it",
        Request(_RECORDS, headers=(_KEY,), bearer="E8_REPORTING"),
        _denied(400, *_8X8_REFUSAL, "Supervisor"),
    ),
)

# --- NewVoiceMedia: any of several scopes will do -------------------------------------------------------

_NVM_LOGIN: Final = "/newvoicemedia/Auth/connect/token"
_NVM_PERMISSIONS: Final = "/newvoicemedia/useradmin/users/895db16f-5270-6ef8-e173-10ea365aefcc/permissions/accessPermissions"
_NVM_ACCEPT: Final = (("Accept", "application/vnd.newvoicemedia.v4+json"),)


def _nvm_login(client: str, scope: str, keep_as: str) -> Request:
    return _login(_NVM_LOGIN, keep_as, {"grant_type": "client_credentials", "scope": scope}, (client, f"{client}-secret"))


NEWVOICEMEDIA: Final = (
    Step(
        "NewVoiceMedia: log in and ask for users:read (the answer tells no scopes, so the request does)",
        _nvm_login("demo-user-admin", "users:read", "NVM_USERS"),
        _forwarded("permit", 200),
    ),
    Step(
        "NewVoiceMedia: access permissions need users:read, users:write or self:read; one of them is enough",
        Request(_NVM_PERMISSIONS, headers=_NVM_ACCEPT, bearer="NVM_USERS"),
        _forwarded("permit", 200, "accessPermissions"),
    ),
    Step(
        "NewVoiceMedia: log in and ask for stats only",
        _nvm_login("demo-stats", "stats", "NVM_STATS"),
        _forwarded("permit", 200),
    ),
    Step(
        "NewVoiceMedia: stats is none of the three",
        Request(_NVM_PERMISSIONS, headers=_NVM_ACCEPT, bearer="NVM_STATS"),
        _denied(403, "users:read", "users:write", "self:read"),
    ),
)

# --- doubt is forwarded, ambiguity is not, and everything is counted ------------------------------------

OTHERS: Final = (
    Step(
        "An operation the catalogue does not know: doubt is forwarded, and the vendor answers",
        Request("/ringcentral/restapi/v1.0/account/~/something-new", bearer="RC_READER"),
        _forwarded("not-applicable", 404),
    ),
    Step(
        "A path that two servers could read differently (an encoded slash): never sent",
        Request("/ringcentral/restapi/v1.0/account/~%2Fcall-log", bearer="RC_ARCHIVER"),
        Promise(400, PROXY, "not-applicable", holds=("encoded_slash",)),
    ),
    Step(
        "The metrics count it all: what was denied here, and which scopes were missing",
        Request("/metrics", admin=True, show=r"^scopegate_(requests|missing_scope|vendor_calls_avoided)_total\{.*\} [1-9]"),
        Promise(
            200,
            holds=(
                'scopegate_requests_total{client="anonymous",outcome="denied",vendor="ringcentral"} 3.0',
                'scopegate_requests_total{client="anonymous",outcome="denied",vendor="8x8"} 1.0',
                'scopegate_requests_total{client="anonymous",outcome="denied",vendor="newvoicemedia"} 1.0',
                'outcome="bad_request",vendor="none"} 1.0',
                'scopegate_vendor_calls_avoided_total{reason="missing_scope",vendor="ringcentral"} 3.0',
            ),
        ),
    ),
)

STEPS: Final = (*RINGCENTRAL, *EIGHTBYEIGHT, *NEWVOICEMEDIA, *OTHERS)
