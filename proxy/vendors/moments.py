"""Points in time the way a vendor writes them: a sample becomes a placeholder, a placeholder becomes the time of a denial.

Pure: the time is passed in, in seconds since the epoch. Times are written in UTC, in the sample's style.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ])[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}|\.[0-9]{6})?(Z|[+-][0-9]{2}:?[0-9]{2})?")
_NAME = re.compile(r"timestamp_([ts])([036])(none|z|colon|basic)")
_ZONES: Final = {"none": "", "z": "Z", "colon": "+00:00", "basic": "+0000"}
_MILLISECONDS = range(10**12, 10**13)
_SECONDS = range(10**9, 10**10)


def moment_placeholder(sample: object) -> str | None:
    """Return the placeholder that writes times like `sample` (ISO 8601 text, or seconds or milliseconds as a number), or None."""
    if isinstance(sample, str):
        return _text_placeholder(sample)
    if isinstance(sample, int) and sample in _MILLISECONDS:
        return "{timestamp_milliseconds}"
    if isinstance(sample, int) and sample in _SECONDS:
        return "{timestamp_seconds}"
    return None


def _text_placeholder(sample: str) -> str | None:
    found = _ISO.fullmatch(sample)
    if found is None:
        return None
    separator, fraction, zone = found[1], found[2] or "", found[3] or ""
    return f"{{timestamp_{'t' if separator == 'T' else 's'}{max(len(fraction) - 1, 0)}{_zone_style(zone)}}}"


def _zone_style(zone: str) -> str:
    if zone in {"", "Z"}:
        return "z" if zone else "none"
    return "colon" if ":" in zone else "basic"


def moment(name: str, at: float) -> object:
    """Return the time `at` as the placeholder `name` writes it; None where the name is none of a time's."""
    if name == "timestamp_milliseconds":
        return int(at * 1000)
    if name == "timestamp_seconds":
        return int(at)
    found = _NAME.fullmatch("timestamp_t0z" if name == "timestamp" else name)
    return None if found is None else _written(at, found[1], int(found[2]), _ZONES[found[3]])


def _written(at: float, separator: str, digits: int, zone: str) -> str:
    when = datetime.fromtimestamp(at, UTC)
    text = when.strftime("%Y-%m-%dT%H:%M:%S" if separator == "t" else "%Y-%m-%d %H:%M:%S")
    fraction = f".{when.microsecond:06d}"[: digits + 1] if digits else ""
    return text + fraction + zone
