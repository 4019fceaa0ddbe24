"""Numbers with units, as Grafana writes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_TIMES: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_AGES: Final = ((86_400.0, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second"))
_BYTES: Final = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_WORDS: Final = {"reqps": " req/s", "ops": " ops/s"}


def shown_number(value: float, unit: str, now: float = 0.0, decimals: int | None = None) -> str:
    """Return a value of one of the units that the dashboards use; `now`, in seconds since 1970, is what ages are counted from."""
    match unit:
        case "percentunit":
            return f"{_short(value * 100, decimals)}%"
        case "s":
            return _scaled(value, _TIMES)
        case "bytes":
            return _scaled(value, _BYTES)
        case "dateTimeFromNow":
            return _age(value / 1000 - now)
        case _:
            return _short(value, decimals) + _WORDS.get(unit, unit.removeprefix("suffix:") if unit.startswith("suffix:") else "")


def _scaled(value: float, scales: Sequence[tuple[float, str]]) -> str:
    size, name = next(((size, name) for size, name in scales if abs(value) >= size * 0.999), scales[-1])
    return "0" if value == 0 else f"{_short(value / size)} {name}"


def _age(seconds: float) -> str:
    size, name = next(((size, name) for size, name in _AGES if abs(seconds) >= size), _AGES[-1])
    count = round(abs(seconds) / size)
    text = f"{count} {name}{'' if count == 1 else 's'}"
    return f"in {text}" if seconds > 0 else f"{text} ago"


def _short(value: float, decimals: int | None = None) -> str:
    if decimals is not None:
        return f"{value:,.{decimals}f}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
