"""Pictures as SVG inside a page: what is granted by status, and on which days each scope was used. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from html import escape
from itertools import accumulate
from typing import Any, Final

from proxy.reports.usage_outline import STATUS
from proxy.reports.writing import plain

WIDTH: Final = 960
_LABEL: Final = 230
_ROW: Final = 22
_MAX_LABEL: Final = 32
_MAX_BINS: Final = 92
_MAX_ROWS: Final = 80
GRANTED: Final = ("needed", "choice", "dispensable", "unused")


def shown(text: str) -> str:
    """Return text for HTML: what comes from outside is escaped, and steers nothing."""
    return escape(plain(text))


def share_bar(group: Mapping[str, Any]) -> str:
    """Return a bar of the granted scopes, parted by what is to be said about them; "" where none is known."""
    granted = [scope for scope in group["scopes"] if scope["granted"]]
    counts = [(status, sum(scope["status"] == status for scope in granted)) for status in GRANTED]
    counts = [(status, count) for status, count in counts if count]
    if not counts:
        return ""
    widths = [WIDTH * count / len(granted) for _, count in counts]
    starts = [0.0, *accumulate(widths)]
    bars = [
        f'<rect class="fill-{status}" x="{start:.1f}" y="0" width="{max(width - 2, 1):.1f}" height="26" rx="3"/>'
        f'<text class="on-{status}" x="{start + width / 2:.1f}" y="17.5" text-anchor="middle">{count}</text>'
        for (status, count), start, width in zip(counts, starts, widths, strict=False)
    ]
    said = ", ".join(f"{count} {STATUS[status]}" for status, count in counts)
    legend = "".join(f'<li><span class="key fill-{status}"></span>{count} {STATUS[status]}</li>' for status, count in counts)
    title = f"{len(granted)} granted: {said}"
    return f'<figure>{_svg(26, title, bars)}<ul class="legend">{legend}</ul><figcaption>Granted scopes</figcaption></figure>'


def timeline(group: Mapping[str, Any]) -> str:
    """Return a line per scope with a mark for each day (or span of days) of use; "" where there is no scope."""
    scopes = sorted(group["scopes"], key=lambda scope: (_order(scope), scope["scope"]))
    if not scopes:
        return ""
    first, last = (date.fromisoformat(group["window"][end][:10]) for end in ("from", "to"))
    days = max((last - first).days + 1, 1)
    per_bin = -(-days // _MAX_BINS)
    bins = -(-days // per_bin)
    step = (WIDTH - _LABEL) / bins
    parts = list[str]()
    for index, scope in enumerate(scopes[:_MAX_ROWS]):
        parts.extend(_line(scope, index * _ROW, first, per_bin, bins, step))
    height = min(len(scopes), _MAX_ROWS) * _ROW
    parts.extend(_axis(height, first, last))
    more = f" The first {_MAX_ROWS} of {len(scopes)} scopes." if len(scopes) > _MAX_ROWS else ""
    mark = "one mark is one day" if per_bin == 1 else f"one mark spans {per_bin} days"
    caption = f"Successful use by scope; {mark}.{more}"
    return f"<figure>{_svg(height + 24, 'When each scope was used', parts)}<figcaption>{caption}</figcaption></figure>"


def _order(scope: Mapping[str, Any]) -> int:
    return list(STATUS).index(scope.get("status", "needed"))


def _line(scope: Mapping[str, Any], top: int, first: date, per_bin: int, bins: int, step: float) -> Iterator[str]:
    status, name = scope.get("status", "needed"), scope["scope"]
    label = name if len(name) <= _MAX_LABEL else name[: _MAX_LABEL - 1] + "…"
    used = {(date.fromisoformat(day) - first).days // per_bin for day in scope["days"]} & set(range(bins))
    said = f"{name}: {scope['active_days']} days of use" if scope["days"] else f"{name}: never used"
    yield f'<g><title>{shown(said)}</title><text class="label" x="{_LABEL - 10}" y="{top + 15}" text-anchor="end">{shown(label)}</text>'
    yield f'<rect class="track" x="{_LABEL}" y="{top + 4}" width="{WIDTH - _LABEL}" height="{_ROW - 8}" rx="2"/>'
    gap = 1.0 if step > 4 else 0.0
    for position in sorted(used):
        x = _LABEL + position * step
        yield f'<rect class="fill-{status}" x="{x:.1f}" y="{top + 4}" width="{step - gap:.1f}" height="{_ROW - 8}"/>'
    if not scope["days"]:
        yield f'<text class="never" x="{_LABEL + 8}" y="{top + 15}">never used</text>'
    yield "</g>"


def _axis(top: int, first: date, last: date) -> Iterator[str]:
    middle = first + timedelta(days=(last - first).days // 2)
    places = ((_LABEL, "start", first), ((_LABEL + WIDTH) / 2, "middle", middle), (WIDTH, "end", last))
    for x, anchor, day in places if last > first else places[:1]:
        yield f'<text class="axis" x="{x:g}" y="{top + 17}" text-anchor="{anchor}">{day.isoformat()}</text>'


def _svg(height: int, title: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{shown(title)}">{"".join(parts)}</svg>'
