"""The permission refusals of 8x8's Work Analytics: recognised, taken apart, and turned into templates.

Pure. Sources: 8x8's support article on 105-400-038 (the category refusal; the JSON around its text is inferred from neighbouring
errors of the same product), and 8x8's API descriptions (the two refusals of a whole PBX).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from proxy.model import RefusalTemplate
from proxy.vendors.forms import read_object
from proxy.vendors.moments import moment_placeholder

CODE: Final = "105-400-038"
CATEGORY: Final = "category"
WHOLE_PBX: Final = "pbx"
WHOLE_PBX_ID: Final = "pbx-id"
PRODUCT: Final = "product"
MAX_NAMES: Final = 64

CATEGORY_MESSAGE: Final = "user({user}) does not have access to api category({scope}) for pbxId([{resource}])."
PBX_MESSAGE: Final = "user({user}) does not have access to pbxId({resource}) to make this request."
PBX_ID_MESSAGE: Final = "user [{user}] does not have access to pbxId [{resource}] to make this request."

DEFAULTS: Final[Mapping[str, RefusalTemplate]] = {
    CATEGORY: RefusalTemplate(400, {"status": 400, "code": CODE, "message": CATEGORY_MESSAGE}),
    WHOLE_PBX: RefusalTemplate(
        403,
        {
            "timeStamp": "{timestamp}",
            "status": 403,
            "error": "Access Denied",
            "exception": PBX_MESSAGE,
            "message": PBX_MESSAGE,
            "path": "{path}",
        },
    ),
    WHOLE_PBX_ID: RefusalTemplate(403, {"timestamp": "{timestamp}", "status": 403, "messages": [PBX_ID_MESSAGE], "path": "{path}"}),
    PRODUCT: RefusalTemplate(403, {"status": 403, "message": "the access token is not good for the API product [{scope}]"}),
}
"""What is answered before a real refusal was seen. The last one is ours: how the other products refuse is not documented."""

_NAME = r"([^()\[\]\r\n]{1,320})"
_NAMES = r"([^()\[\]\r\n]{1,4000})"
_CATEGORY_TEXT = re.compile(rf"user\({_NAME}\) does not have access to api category\(([A-Za-z0-9_-]{{1,64}})\) for pbxId\(\[{_NAMES}\]\)\.")
_PBX_TEXT = re.compile(rf"user\({_NAME}\) does not have access to pbxId\({_NAME}\) to make this request\.")
_PBX_ID_TEXT = re.compile(rf"user \[{_NAME}\] does not have access to pbxId \[{_NAME}\] to make this request\.")
_TIMES = ("timestamp", "timeStamp")


@dataclass(frozen=True, slots=True)
class Refused:
    """What one refusal says: who lacks what (`category` is "" for everything) on which PBXs, as the vendor names them.

    `known` holds the template of every member that names something of the caller's.
    """

    variant: str
    user: str
    category: str
    names: tuple[str, ...]
    body: Mapping[str, object]
    known: Mapping[str, object]


def has_code(status: int, response: bytes | None) -> bool:
    """Say whether an answer bears the code of a missing licence or access level, whatever its text says."""
    body = read_object(response) if status == 400 else None
    return body is not None and body.get("code") == CODE


def read_refused(status: int, response: bytes | None) -> Refused | None:
    """Read a permission refusal; None for any other answer, and for one that contradicts itself."""
    body = read_object(response) if status in {400, 403} else None
    if body is None or type(body.get("status", status)) is not int or body.get("status", status) != status:
        return None
    if status == 400:
        return _category(body)
    return _whole_pbx_id(body) if "messages" in body else _whole_pbx(body)


def _category(body: Mapping[str, object]) -> Refused | None:
    found = _match(_CATEGORY_TEXT, body.get("message"))
    names = _names(found[3]) if found is not None else ()
    if found is None or not names or body.get("code") != CODE:
        return None
    return Refused(CATEGORY, found[1], found[2], names, body, {"code": CODE} | _known(body, found[0], CATEGORY_MESSAGE))


def _whole_pbx(body: Mapping[str, object]) -> Refused | None:
    texts = [body[name] for name in ("exception", "message") if name in body]
    found = _match(_PBX_TEXT, texts[0]) if texts else None
    if found is None or any(text != found[0] for text in texts) or body.get("error") != "Access Denied":
        return None
    return Refused(WHOLE_PBX, found[1], "", (found[2],), body, _known(body, found[0], PBX_MESSAGE))


def _whole_pbx_id(body: Mapping[str, object]) -> Refused | None:
    messages = body["messages"]
    found = _match(_PBX_ID_TEXT, messages[0]) if isinstance(messages, list) and len(messages) == 1 else None
    if found is None:
        return None
    return Refused(WHOLE_PBX_ID, found[1], "", (found[2],), body, {"messages": [PBX_ID_MESSAGE]} | _known(body, found[0], PBX_ID_MESSAGE))


def _match(pattern: re.Pattern[str], text: object) -> re.Match[str] | None:
    return pattern.fullmatch(text) if isinstance(text, str) else None


def _names(text: str) -> tuple[str, ...]:
    """The PBX names of a list; none where one is empty, for then the list was not read as it was meant."""
    names = tuple(name.strip() for name in text.split(","))
    return names if all(names) and len(names) <= MAX_NAMES else ()


def _known(body: Mapping[str, object], text: str, template: str) -> dict[str, object]:
    """Templates of the members that any error of this product may have: path, time, and the refusal's text wherever it stands."""
    moments = {name: moment_placeholder(body[name]) for name in _TIMES if name in body}
    known: dict[str, object] = {name: placeholder for name, placeholder in moments.items() if placeholder is not None}
    return {"path": "{path}", **known, **{name: template for name, value in body.items() if value == text}}
