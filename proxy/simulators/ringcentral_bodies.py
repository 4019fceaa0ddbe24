"""What the simulated RingCentral says: refusals as documented, and plausible data for every operation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.simulators.messages import Audio, Incoming, Reply, audio_reply, json_reply
from proxy.simulators.routes import Found

ACCOUNT_ID: Final = "37439510"
MAX_PER_PAGE: Final = 1000
BOUNDARY: Final = "simulated-part"
CALL_LOGS: Final = ("call-log", "active-calls")

# --- refusals -------------------------------------------------------------------------------------------------------


def error_reply(status: int, code: str, message: str, nested_code: str = "", **named: str) -> Reply:
    """RingCentral's error envelope; `named` members stand in the nested error and again at the end."""
    nested = {"errorCode": nested_code or code, "message": message, **named}
    return json_reply(status, {"errorCode": code, "message": message, "errors": [nested], **named}, indent=2)


def app_permission_missing(name: str) -> Reply:
    """403, CMN-401 (RingCentral, Call Log Access Control)."""
    message = f"In order to call this API endpoint, application needs to have [{name}] permission"
    return error_reply(403, "InsufficientPermissions", message, "CMN-401", permissionName=name)


def user_permission_missing(name: str) -> Reply:
    """403, CMN-408."""
    message = f"In order to call this API endpoint, user needs to have [{name}] permission for requested resource."
    return error_reply(403, "CMN-408", message, permissionName=name)


def login_error(error: str, code: str, message: str, status: int = 400) -> Reply:
    """The token endpoint's error envelope."""
    nested = {"errorCode": code, "message": message}
    return json_reply(status, {"error": error, "errors": [nested], "error_description": message}, indent=2)


def ambiguous_method() -> Reply:
    """400 for a request that names two different effective methods."""
    message = "Parameter [_method] value is invalid"
    return error_reply(400, "InvalidParameter", message, "CMN-101", parameterName="_method")


NO_TOKEN: Final = error_reply(401, "AGW-401", "Authorization header is not specified")
UNREADABLE_AUTHORIZATION: Final = error_reply(401, "AGW-402", "Invalid Authorization header")
UNREADABLE_TOKEN: Final = error_reply(401, "TokenInvalid", "OAuth token is invalid", "OAU-149")
STALE_TOKEN: Final = error_reply(401, "TokenInvalid", "Access token corrupted", "OAU-129")
TOO_MANY_REQUESTS: Final = error_reply(429, "CMN-301", "Request rate exceeded")
NO_SUCH_RESOURCE: Final = error_reply(404, "CMN-102", "Resource for parameter [path] is not found", parameterName="path")

# --- data -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Content:
    """What the account holds. `platform` and `media` are the hosts that links name, without a slash at the end."""

    platform: str
    media: str
    call_records: int
    recording_bytes: int

    def reply(self, incoming: Incoming, method: str, found: Found) -> Reply:
        """The answer to a permitted request."""
        if method in ("GET", "HEAD"):
            return self._read(incoming, found)
        if method == "DELETE":
            return Reply(204)
        return json_reply(200, {"uri": self.platform + incoming.raw_path, "id": "900001"}, indent=2)

    def _read(self, incoming: Incoming, found: Found) -> Reply:
        template = found.operation.template
        if "/content" in template:
            return audio_reply(self.recording_bytes)
        if template.endswith("/message-store/{messageId}") and "," in found.parameters["messageId"]:
            return self._bulk(incoming, found.parameters["messageId"].split(","))
        return json_reply(200, self._document(incoming, found), indent=2)

    def _document(self, incoming: Incoming, found: Found) -> dict[str, Any]:
        template, parameters = found.operation.template, found.parameters
        if template.endswith(CALL_LOGS):
            return self._page(incoming, self.call_records, self._call)
        if template.endswith("/recording/{recordingId}"):
            return self._recording_metadata(parameters["recordingId"])
        if template.endswith("/{callRecordId}"):
            return self._call(_number(parameters["callRecordId"]))
        if template.endswith("}"):
            return {"uri": self.platform + incoming.raw_path, "id": [*parameters.values()][-1]}
        return self._page(incoming, 1, lambda number: {"uri": f"{self.platform}{incoming.raw_path}/{number}", "id": str(number)})

    def _page(self, incoming: Incoming, total: int, record: Any) -> dict[str, Any]:
        query = incoming.query()
        size = min(_number(query.get("perPage"), 100), MAX_PER_PAGE)
        page, pages = _number(query.get("page")), max(1, -(-total // size))
        numbers = range((page - 1) * size + 1, min(page * size, total) + 1)
        address = self.platform + incoming.raw_path
        links = {"firstPage": 1, "previousPage": page - 1, "nextPage": page + 1, "lastPage": pages}
        navigation = {name: {"uri": f"{address}?page={n}&perPage={size}"} for name, n in links.items() if 1 <= n <= pages}
        paging = {"page": page, "totalPages": pages, "perPage": size, "totalElements": total}
        return {"uri": address, "records": [record(number) for number in numbers], "paging": paging, "navigation": navigation}

    def _call(self, number: int) -> dict[str, Any]:
        name = f"call-{number}"
        return {
            "uri": f"{self._account()}/call-log/{name}",
            "id": name,
            "sessionId": str(700_000 + number),
            "startTime": f"2026-11-{1 + number % 28:02d}T09:00:00.000Z",
            "duration": 60 + number % 600,
            "type": "Voice",
            "direction": "Inbound" if number % 2 else "Outbound",
            "action": "Phone Call",
            "result": "Call connected",
            "from": {"phoneNumber": f"+1650555{number % 10_000:04d}"},
            "to": {"phoneNumber": "+16505550100"},
            "recording": self._recording(str(500_000 + number)),
        }

    def _recording(self, recording_id: str) -> dict[str, Any]:
        path = f"/restapi/v1.0/account/{ACCOUNT_ID}/recording/{recording_id}"
        return {
            "uri": self.platform + path,
            "id": recording_id,
            "type": "Automatic",
            "contentUri": f"{self.media}{path}/content",
        }

    def _recording_metadata(self, recording_id: str) -> dict[str, Any]:
        link = self._recording(recording_id)
        return {"uri": link["uri"], "id": recording_id, "contentUri": link["contentUri"], "contentType": "audio/mpeg", "duration": 61}

    def _account(self) -> str:
        return f"{self.platform}/restapi/v1.0/account/{ACCOUNT_ID}"

    def _bulk(self, incoming: Incoming, ids: list[str]) -> Reply:
        """207 with a status for each id; message 0 does not exist."""
        statuses: list[Mapping[str, int]] = [{"status": 404 if item == "0" else 200} for item in ids]
        collection = self.platform + incoming.raw_path.rpartition("/")[0]
        parts = [{"response": statuses}, *({"uri": f"{collection}/{item}", "id": item} for item in ids)]
        text = "".join(f"--{BOUNDARY}\r\nContent-Type: application/json\r\n\r\n{json.dumps(part)}\r\n" for part in parts)
        return Reply(207, f"{text}--{BOUNDARY}--\r\n".encode(), (("Content-Type", f"multipart/mixed; boundary={BOUNDARY}"),))


def recording_content(size: int) -> bytes:
    """The bytes of a recording, for comparison in tests; holds all of them in memory."""
    return b"".join(Audio(size).chunks())


def _number(text: str | None, default: int = 1) -> int:
    digits = (text or "").rpartition("-")[2]
    return max(1, int(digits)) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else default
