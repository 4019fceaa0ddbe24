"""Outlines as text and Markdown, documents as CSV. Pure."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from proxy.reports.outline import Chapter, Facts, Outline, Part, Table

WIDTH: Final = 110
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~])")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def plain(text: str) -> str:
    """Return text without characters that would steer a terminal or reorder a line: names come from outside."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


# --- text -------------------------------------------------------------------------------------------------


def as_text(outline: Outline) -> str:
    """Return a report as aligned text without colours."""
    lines = [outline.title, *(line for lead in outline.lead for line in textwrap.wrap(lead, WIDTH)), ""]
    for chapter in outline.chapters:
        lines += [plain(chapter.title), "=" * len(chapter.title), *(line for part in chapter.parts for line in (*_text(part), ""))]
    return "\n".join(lines if outline.chapters else [*lines, outline.empty]).rstrip("\n") + "\n"


def _text(part: Part) -> list[str]:
    match part:
        case Facts(rows):
            width = max(len(name) for name, _ in rows)
            return [line for name, value in rows for line in _wrapped(f"{name:<{width}}  ", plain(value))]
        case Table(title, head, rows, numbers):
            return [f"{title}:", *(f"  {line}" for line in _columns([head, *rows], numbers))]
        case _:
            return [f"{part.title}:", *(line for item in part.items for line in _wrapped("  - ", plain(item)))]


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]


def _columns(rows: Sequence[Sequence[str]], numbers: frozenset[int]) -> list[str]:
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    return ["  ".join(_aligned(cell, widths[index], index in numbers) for index, cell in enumerate(row)).rstrip() for row in cells]


def _aligned(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


# --- Markdown ---------------------------------------------------------------------------------------------


def as_markdown(outline: Outline) -> str:
    """Return a report as Markdown (GitHub's tables); what comes from outside is escaped."""
    lines = [f"# {outline.title}", "", *(line for lead in outline.lead for line in (lead, ""))]
    lines += [line for chapter in outline.chapters for line in _markdown_chapter(chapter)] or [outline.empty]
    return "\n".join(lines).rstrip("\n") + "\n"


def escaped(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return _SPECIAL.sub(r"\\\1", plain(text))


def _markdown_chapter(chapter: Chapter) -> Iterable[str]:
    yield from (f"## {escaped(chapter.title)}", "")
    for part in chapter.parts:
        yield from _markdown(part)
        yield ""


def _markdown(part: Part) -> list[str]:
    match part:
        case Facts(rows):
            return [f"* **{escaped(name)}**: {escaped(value)}" for name, value in rows]
        case Table(title, head, rows, numbers):
            rule = "|".join("---:" if index in numbers else "---" for index in range(len(head)))
            lines = [" | ".join(escaped(cell) for cell in row) for row in (head, *rows)]
            return [f"### {title}", "", f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])]
        case _:
            return [f"### {part.title}", "", *(f"* {escaped(item)}" for item in part.items)]


# --- CSV --------------------------------------------------------------------------------------------------


def as_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV (RFC 4180). A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(head)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str):
        text = plain(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return value


USAGE_COLUMNS: Final = ("vendor", "client", "subject", "operation", "method", "route", "scopes", "count", "first", "last", "active_days")
PRIVILEGE_COLUMNS: Final = (
    "vendor", "client", "subject", "scope", "status", "granted", "recommended", "count", "first", "last", "active_days", "operations",
)  # fmt: skip


def usage_csv(document: Mapping[str, Any]) -> str:
    """Return the report on usage: one line per app and operation."""
    rows = [{**_who(group), **one, "scopes": " ".join(one["scopes"])} for group in document["groups"] for one in group["operations"]]
    return as_csv(USAGE_COLUMNS, ([row[column] for column in USAGE_COLUMNS] for row in rows))


def privilege_csv(document: Mapping[str, Any]) -> str:
    """Return the report on least privilege: one line per app and scope."""
    rows = [
        {
            **_who(group),
            **one,
            "granted": "yes" if one["granted"] else "no",
            "recommended": "yes" if one["scope"] in group["recommended"] else "no",
            "operations": " ".join(one["operations"]),
        }
        for group in document["groups"]
        for one in group["scopes"]
    ]
    return as_csv(PRIVILEGE_COLUMNS, ([row[column] for column in PRIVILEGE_COLUMNS] for row in rows))


def _who(group: Mapping[str, Any]) -> dict[str, object]:
    return {"vendor": group["vendor"], "client": group["client"], "subject": group["subject"]}
