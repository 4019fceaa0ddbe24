"""The command `scopegate`: its group, and what becomes of errors."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from io import TextIOWrapper
from typing import Final

import click

from proxy import __version__
from proxy.cli.exits import OK, UNEXPECTED
from proxy.cli.logs import place_of

DEBUG: Final = "SCOPEGATE_DEBUG"
_GENERAL: Final = "proxy.cli.commands"
_WHERE: Final[Mapping[str, str]] = {
    "serve": "proxy.cli.serve_command",
    **dict.fromkeys(("health", "demo", "simulate", "check-config", "schema", "explain", "explain-error", "replay"), _GENERAL),
    "catalog": "proxy.cli.catalog_commands",
    "report": "proxy.cli.report_commands",
    "audit": "proxy.cli.audit_commands",
}


class _Commands(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all commands."""
        return sorted(_WHERE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Return a command; None: there is none of this name."""
        if cmd_name not in _WHERE:
            return None
        found: click.Command = getattr(import_module(_WHERE[cmd_name]), cmd_name.replace("-", "_"))
        return found


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="scopegate %(version)s")
@click.pass_context
def scopegate(context: click.Context) -> None:
    """Answer vendor API requests that the vendor would certainly refuse, and explain why.

    \b
    Example:
      scopegate demo
      scopegate serve --config config/scopegate.yaml

    \b
    Exit codes: 0 fine (explain: permit), 1 unexpected error, 2 usage,
    3 explain says deny or audit verify found damage, 4 configuration invalid, 5 explain cannot tell.
    """
    if os.environ.get("NO_COLOR"):
        context.color = False


def main(arguments: list[str] | None = None) -> int:
    """Run a command line (default: this process's own); return the exit code.

    A reader of our output that leaves early ends the command at once (`SystemExit`, raised by click).
    """
    _write_whatever_comes()
    try:
        code = scopegate.main(arguments, prog_name="scopegate", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("scopegate: interrupted", err=True)
        return UNEXPECTED
    except Exception as error:
        return _unexpected(error)
    return code if isinstance(code, int) else OK


def _write_whatever_comes() -> None:
    """Names of files and texts of catalogues may have characters that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _unexpected(error: Exception) -> int:
    """Say what failed and where, never the exception's text: it may quote a secret."""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    reason = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
    hint = "" if os.environ.get(DEBUG) else f"; {DEBUG}=1 shows the traceback"
    click.echo(f"scopegate: unexpected error: {type(error).__name__}{reason} in {place_of(error)}{hint}", err=True)
    return UNEXPECTED
