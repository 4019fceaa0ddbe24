"""A catalogue file from what was imported: YAML in which every text is quoted. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.catalogs.importing import Imported, ImportedRow


def write_catalog(vendor: str, source: str, imported: Imported) -> str:
    """Return the text of a catalogue with the rows of a description; every row says where it comes from."""
    return "\n".join(_lines(vendor, source, imported)) + "\n"


def _lines(vendor: str, source: str, imported: Imported) -> Iterator[str]:
    yield "# Made from an OpenAPI description. Where nothing could be read for certain, a row requires 'unknown' and is learned."
    yield f"vendor: {_json(vendor)}"
    yield f"source: {_json(_source(source, imported))}"
    scopes = {name: text for name, text in imported.scopes.items() if text}
    if scopes:
        yield "scopes:"
        yield from (f"  {_json(name)}: {{title: {_json(text)}}}" for name, text in scopes.items())
    yield "operations:"
    for row in imported.rows:
        yield from _row(row)


def _source(source: str, imported: Imported) -> str:
    return " ".join(f"{source}: {imported.title} {imported.version}".split())[:2000]


def _row(row: ImportedRow) -> Iterator[str]:
    yield f"  - id: {_json(row.id)}"
    yield f"    method: {row.method}"
    yield f"    path: {_json(row.path)}"
    yield f"    requires: {'unknown' if row.requires is None else _json(row.requires)}"
    if row.auth != "bearer":
        yield f"    auth: {row.auth}"
    if row.tags:
        yield f"    tags: {_json(row.tags)}"
    yield "    origin: imported"
    yield f"    provenance: {_json(row.provenance[:2000])}"


def _json(value: str | Sequence[object]) -> str:
    if isinstance(value, str):
        return f'"{_escaped(value)}"'
    return f"[{', '.join(_json(item) for item in value if isinstance(item, str | Sequence))}]"


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(_escape(mark) for mark in text)


def _escape(mark: str) -> str:
    """Escape one character as YAML does in double quotes (YAML 1.2.2 section 5.7); half a surrogate pair is no character."""
    number = ord(mark)
    if mark in '"\\':
        return f"\\{mark}"
    if 0x20 <= number < 0x7F:
        return mark
    if 0xD800 <= number < 0xE000:
        return "\\ufffd"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
