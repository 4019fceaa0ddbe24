"""What a plain YAML scalar means: the core schema of YAML 1.2 (section 10.3.2), with bounded numbers.

PyYAML itself follows YAML 1.1, where `mode: off` is a boolean, `12:30` is 750 and `2026-01-01` is a date.
"""

from __future__ import annotations

import math
import re

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_STARTS = frozenset("0123456789-+.")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}(\.[0-9]{0,18})?)([eE][-+]?[0-9]{1,3})?")

Scalar = str | int | float | bool | None


def resolve(text: str) -> Scalar:
    """Return what an unquoted scalar means; whatever is no null, boolean or (decimal, finite) number stays text."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
