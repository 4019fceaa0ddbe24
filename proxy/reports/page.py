"""Outlines as one HTML page that needs nothing else: no scripts, no fonts, no pictures from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from proxy.reports.catalogue import PAGE_POLICY
from proxy.reports.outline import Chapter, Facts, Outline, Part, Table
from proxy.reports.pictures import share_bar, shown, timeline

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5a6675;--paper:#fff;--panel:#f5f7f9;--line:#d7dde4;--track:#edf0f3;
--needed:#1f7a4d;--choice:#2f6db5;--dispensable:#b07d12;--unused:#c2453b;--missing:#7b4bb3}
@media (prefers-color-scheme:dark){:root{--ink:#e4e9ef;--soft:#9aa7b6;--paper:#14181d;--panel:#1c2229;--line:#333c46;--track:#242b33;
--needed:#45b37d;--choice:#6aa5ea;--dispensable:#dcae4c;--unused:#ef7d72;--missing:#b48de6}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:68rem;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.7rem;margin:0 0 .5rem}
h2{font-size:1.2rem;margin:2.75rem 0 .75rem;padding-bottom:.3rem;border-bottom:2px solid var(--line);overflow-wrap:anywhere}
h3{font-size:.95rem;margin:1.6rem 0 .4rem}
.lead{color:var(--soft);margin:.15rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1.25rem;margin:0;padding:.8rem 1rem}
dl{background:var(--panel);border-radius:6px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .7rem .3rem 0;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600;white-space:nowrap}
td{overflow-wrap:anywhere}td.n,th.n{text-align:right;padding-right:1.4rem;white-space:nowrap;font-variant-numeric:tabular-nums}td.t{white-space:nowrap}
figure{margin:1.2rem 0}figcaption{color:var(--soft);font-size:.85rem;margin-top:.3rem}
svg{display:block;width:100%;height:auto;font:12.5px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .axis,svg .never{fill:var(--soft)}svg .track{fill:var(--track)}
svg [class^=on-]{fill:var(--paper);font-weight:600}
.fill-needed{fill:var(--needed);background:var(--needed)}.fill-choice{fill:var(--choice);background:var(--choice)}
.fill-dispensable{fill:var(--dispensable);background:var(--dispensable)}.fill-unused{fill:var(--unused);background:var(--unused)}
.fill-missing,.fill-alternative,.fill-covered{fill:var(--missing);background:var(--missing)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.4rem;list-style:none;margin:.5rem 0 0;padding:0;font-size:.85rem}
.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.45em}
@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--paper:#fff;--panel:#fff;--line:#bbb;--track:#eee}
body{padding:0;max-width:none;font-size:10.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
h2{break-after:avoid}h3{break-after:avoid}tr,figure,dl{break-inside:avoid}.wide{overflow:visible}}
"""


def as_page(outline: Outline) -> str:
    """Return a report as HTML; every text in it is escaped."""
    chapters = "".join(_chapter(chapter) for chapter in outline.chapters) or f"<p>{shown(outline.empty)}</p>"
    lead = "".join(f'<p class="lead">{shown(line)}</p>' for line in outline.lead)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_meta_policy()}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{shown(outline.title)} – Scopegate</title><style>{_STYLE}</style></head>"
        f"<body><header><h1>{shown(outline.title)}</h1>{lead}</header><main>{chapters}</main></body></html>\n"
    )


def _meta_policy() -> str:
    """Return the policy without what only counts in a header."""
    return PAGE_POLICY.replace("; frame-ancestors 'none'", "")


def _chapter(chapter: Chapter) -> str:
    first, *rest = chapter.parts
    pictures = share_bar(chapter.members) if "recommended" in chapter.members else ""
    pictures += timeline(chapter.members) if "scopes" in chapter.members else ""
    body = "".join((*_part(first), pictures, *(text for part in rest for text in _part(part))))
    return f"<section><h2>{shown(chapter.title)}</h2>{body}</section>"


def _part(part: Part) -> Iterator[str]:
    match part:
        case Facts(rows):
            yield f"<dl>{''.join(f'<dt>{shown(name)}</dt><dd>{shown(value)}</dd>' for name, value in rows)}</dl>"
        case Table(title, head, rows, numbers):
            heads = "".join(_cell("th", cell, index in numbers) for index, cell in enumerate(head))
            body = "".join(f"<tr>{''.join(_cell('td', cell, index in numbers) for index, cell in enumerate(row))}</tr>" for row in rows)
            yield f'<h3>{shown(title)}</h3><div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
        case _:
            yield f"<h3>{shown(part.title)}</h3><ul>{''.join(f'<li>{shown(item)}</li>' for item in part.items)}</ul>"


def _cell(tag: str, text: str, number: bool) -> str:
    is_moment = len(text) == 16 and text[4:5] == "-" and text[13:14] == ":"
    kind = ' class="n"' if number else ' class="t"' if is_moment else ""
    return f"<{tag}{kind}>{shown(text)}</{tag}>"
