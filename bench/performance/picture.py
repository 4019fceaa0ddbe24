"""Bars, as an SVG picture: what a forwarded request costs, and how many denials a core answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from bench.performance.peers import DIRECT, OURS, PEERS
from bench.performance.results import CROWDED, About, Run
from bench.performance.summary import Summary, with_added

WIDTH: Final = 960
_LEFT, _RIGHT, _ROW, _BAR = 230, 110, 26, 18
_OURS, _OTHER, _ASKING, _DARK, GREY = "#1d4ed8", "#94a3b8", "#d97706", "#0f172a", "#475569"
_CUT, _KEPT = 3.0, 1.3
"""A bar more than so many times as long as the second longest is cut to so many times of it, and shows that."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: a name, a length and a colour."""

    name: str
    value: float
    colour: str


def bars(run: Run, summary: Summary, scenario: str, figure: str, most_first: bool) -> list[Bar]:
    """Return the bars of one figure, the best one first."""
    asking = {peer.key for peer in PEERS if peer.asks}
    found = []
    for peer, facts in run.about.peers.items():
        value = summary.median(scenario, peer, figure)
        if value is not None:
            colour = _ASKING if peer in asking else _OURS if peer.startswith(OURS) else _OTHER
            found.append(Bar(facts["title"].replace("`", ""), value, colour))
    return sorted(found, key=lambda bar: bar.value, reverse=most_first)


def draw(run: Run) -> str:
    """Return the picture of a run."""
    summary = Summary(with_added(run.readings, DIRECT.key))
    forwards = bars(run, summary, "forward-32", "cpu_us", most_first=False)
    denials = bars(run, summary, "deny-32", "per_core_second", most_first=True)
    top = 84
    second = top + 40 + _ROW * len(forwards) + 24
    height = second + 40 + _ROW * len(denials) + 40
    parts = [
        *_frame(run.about, height),
        *_chart("CPU per forwarded request, microseconds (shorter is better)", forwards, top),
        *_chart("Denials answered per second of CPU (longer is better)", denials, second),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def frame(title: str, height: int) -> Iterator[str]:
    """Yield the beginning of a picture: its size, what it is called, and its background."""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        'aria-labelledby="title" font-family="system-ui, -apple-system, \'Segoe UI\', \'DejaVu Sans\', sans-serif" font-size="14">'
    )
    yield f'<title id="title">{title}</title>'
    yield f'<rect x="1" y="1" width="{WIDTH - 2}" height="{height - 2}" rx="14" fill="#f8fafc" stroke="{_OTHER}"/>'


def _frame(about: About, height: int) -> Iterator[str]:
    yield from frame("What a request costs in Scopegate and in other proxies, measured in one run", height)
    yield label(24, 36, "Measured side by side, each proxy on one core", 18, "700")
    keys = ((_OURS, "Scopegate, decides every request"), (_OTHER, "forwards plainly"), (_ASKING, "asks Scopegate beside it, both counted"))
    x = 24
    for colour, words in keys:
        yield f'<rect x="{x}" y="50" width="12" height="12" rx="2" fill="{colour}"/>' + label(x + 18, 61, words, 13, colour=GREY)
        x += 40 + 7 * len(words)
    crowded = "; the machine had other work, so figures wander" if about.busy > CROWDED else ""
    yield label(24, height - 16, f"{about.began}; {about.machine}{crowded}", 12, colour=GREY)


def _chart(title: str, rows: Sequence[Bar], top: int) -> Iterator[str]:
    yield label(24, top + 16, title, 15, "600")
    longest = _longest([bar.value for bar in rows])
    for index, bar in enumerate(rows):
        y = top + 32 + index * _ROW
        width = (WIDTH - _LEFT - _RIGHT) * min(bar.value, longest) / longest
        yield label(_LEFT - 10, y + 14, bar.name, 14, "700" if bar.colour == _OURS else "400", anchor="end")
        yield f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="3" fill="{bar.colour}"/>'
        if bar.value > longest:
            yield f'<path d="M{_LEFT + width - 22:.1f} {y + _BAR + 2}l8 -{_BAR + 4}h6l-8 {_BAR + 4}z" fill="#f8fafc"/>'
        yield label(_LEFT + width + 8, y + 14, f"{bar.value:,.0f}" if bar.value >= 100 else f"{bar.value:.1f}")


def _longest(values: Sequence[float]) -> float:
    """Return the value whose bar is as wide as there is room."""
    first, *others = [*sorted(values, reverse=True), 1.0]
    return others[0] * _KEPT if len(values) > 1 and first > others[0] * _CUT else first


def label(x: float, y: float, words: str, size: int = 14, weight: str = "400", colour: str = _DARK, anchor: str = "start") -> str:
    """Return words in a picture."""
    weighted = f' font-weight="{weight}"' if weight != "400" else ""
    placed = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{weighted}{placed} fill="{colour}">{escape(words)}</text>'
