"""What a PromQL expression names: metrics and selectors. Variables of Grafana stand for numbers; Prometheus says what is valid."""

from __future__ import annotations

import re
from typing import Final

_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_BRACES: Final = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_LABELS: Final = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME: Final = re.compile(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")
_WORDS: Final = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right", "inf", "nan"}
_VARIABLE: Final = re.compile(r"\$(?:\{\w+\}|\w+)")
_SELECTOR: Final = re.compile(r"(?<![\w:.])([a-zA-Z_:][\w:]*)\s*(\{(?:[^}\"]|\"(?:[^\"\\]|\\.)*\")*\})?")


def names(expr: str) -> set[str]:
    """Return the metrics that an expression names."""
    bare = _LABELS.sub(" ", _BRACES.sub(" ", _STRING.sub('""', _VARIABLE.sub("0", expr))))
    return {name for name in _NAME.findall(bare) if name.lower() not in _WORDS}


def selectors(expr: str) -> set[tuple[str, str]]:
    """Return each metric that an expression names with its conditions, braces included, or without any."""
    known = names(expr)
    return {(name, conditions) for name, conditions in _SELECTOR.findall(_LABELS.sub(" ", expr)) if name in known}
