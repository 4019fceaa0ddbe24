"""The commands about the audit log: options, help texts, examples."""
# ruff: noqa: PLC0415 - help texts and usage errors must not wait for the proxy's modules to be imported

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from proxy.cli.parameters import FILE, LINE_HASH, format_option


@click.group()
def audit() -> None:
    """Check the audit log.

    \b
    Example:
      scopegate audit verify state/audit.jsonl
    """


@audit.command("verify")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option("--key-file", type=FILE, help="File with the key (audit.key), or with several, each on a line.")
@click.option("--partial", is_flag=True, help="What is given is only a part: missing lines before and after it are no damage.")
@click.option("--expect", type=LINE_HASH, help="NUMBER:HASH of a line that must be in the log, as an earlier check printed it.")
@format_option
def audit_verify(files: Sequence[Path], key_file: Path | None, partial: bool, expect: tuple[int, bytes] | None, output_format: str) -> int:
    """Find changed, removed, inserted, moved and cut lines.

    FILE is the log that grows, whose full files and head file are found beside it; or some of its files; or the folder. Exit code 0:
    the chain is whole, 3: it is damaged, 2: it cannot be checked.

    \b
    Example:
      scopegate audit verify state/audit.jsonl --key-file /run/secrets/audit-key
    """
    from proxy.cli import auditing
    from proxy.telemetry.chain import START, Tip

    return auditing.run_verify(
        files, key_file, partial, Tip(*expect) if expect is not None else START, as_json_text=output_format == "json"
    )
