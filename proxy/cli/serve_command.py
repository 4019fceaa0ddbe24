"""The command `scopegate serve`: options, help text, example. `serving.py` does the work.

It stands by itself: a process that serves keeps what it has imported, and needs no other command.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.parameters import ADDRESS, FILE

if TYPE_CHECKING:
    from proxy.settings import Address

_DEFAULT_CONFIGURATION: Final = Path("config/scopegate.yaml")


@click.command()
@click.option("--config", "file", type=FILE, default=_DEFAULT_CONFIGURATION, show_default=True, help="The configuration file.")
@click.option("--listen", type=ADDRESS, help="Overrides listen: where apps connect.")
@click.option("--admin", type=ADDRESS, help="Overrides admin.listen: metrics, health and API.")
@click.option("--workers", type=click.IntRange(1, 64), help="Overrides workers: how many processes carry traffic.")
def serve(file: Path, listen: Address | None, admin: Address | None, workers: int | None) -> int:
    """Run the proxy.

    Decision lines go to standard output, everything else to standard error. SIGTERM or Ctrl-C stops accepting and finishes what is
    under way within limits.shutdown_grace_s; a second one ends at once. Either way the exit code is 0, and the last line on
    standard error tells whether requests were cut. An invalid configuration: exit code 4. An address in use: 1.

    With --workers several processes share the work, and what they learn.

    \b
    Example:
      scopegate serve --config config/scopegate.yaml --listen 127.0.0.1:8080
      scopegate serve --config config/scopegate.yaml --workers 4
    """
    from proxy.cli import serving  # noqa: PLC0415 - help texts and usage errors must not wait for the proxy's modules

    return serving.serve(file, listen, admin, workers)
