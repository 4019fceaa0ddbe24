"""Most commands: options, help texts, examples. The work is done by the module that a command imports when it runs.

A command returns its exit code.
"""
# ruff: noqa: PLC0415 - help texts and usage errors must not wait for the proxy's modules to be imported

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.parameters import ADDRESS, DEFAULT_ADMIN, FILE, METHOD, format_option, refuse_remote, remote_option

if TYPE_CHECKING:
    from proxy.settings import Address

SIMULATED_VENDORS: Final = ("ringcentral", "8x8", "newvoicemedia")


@click.command()
@click.option("--admin", default=DEFAULT_ADMIN, show_default=True, help="Where the running proxy's admin listener is.")
@click.option("--ready", is_flag=True, help="Ask whether traffic may be sent to it, not only whether it lives.")
def health(admin: str, ready: bool) -> int:
    """Ask a running proxy whether it lives.

    For health checks where there is no curl, such as in a container. Exit code 0: it does, 1: it does not, or does not answer.

    \b
    Example:
      scopegate health
      scopegate health --admin http://127.0.0.1:9090 --ready
    """
    from proxy.cli import health as asking

    return asking.health(admin, ready=ready)


@click.command()
@click.option("--listen", type=ADDRESS, help="Where the proxy listens (default 127.0.0.1:8080, or a free port).")
@click.option("--admin", type=ADDRESS, help="Where the admin listener is (default 127.0.0.1:9090, or a free port).")
@click.option("--tour", is_flag=True, help="Run the tour and end: exit code 0 only if every answer is the promised one.")
@remote_option
@format_option
def demo(listen: Address | None, admin: Address | None, tour: bool, allow_remote: bool, output_format: str) -> int:
    """Show the proxy in front of simulated vendors.

    Starts three of them and the proxy on loopback, prints curl lines to paste, and runs until Ctrl-C. With
    --tour it sends the requests of those lines itself, prints each answer and ends.

    \b
    Example:
      scopegate demo
      scopegate demo --tour
    """
    if not allow_remote:
        refuse_remote(listen, admin)
    elif admin is not None and not admin.is_loopback:
        raise click.UsageError("the demo's admin listener has no token, so it stays on this machine: give --admin a loopback address")
    if listen is not None and listen == admin and listen.port:
        raise click.UsageError("--listen and --admin need two addresses")
    from proxy.cli import demonstrating

    if not tour:
        return demonstrating.run_demo(listen, admin, as_json=output_format == "json")
    return demonstrating.run_tour(listen, admin, as_json=output_format == "json")


@click.command()
@click.argument("vendor", type=click.Choice(SIMULATED_VENDORS))
@click.option("--listen", type=ADDRESS, default="127.0.0.1:0", show_default=True, help="Where to listen; port 0 takes a free one.")
@click.option("--token-listen", type=ADDRESS, help="newvoicemedia only: a second port, on the same host, for logins alone.")
@click.option("--media-listen", type=ADDRESS, help="ringcentral only: a second port, on the same host, for recordings alone.")
@remote_option
@format_option
def simulate(
    vendor: str, listen: Address, token_listen: Address | None, media_listen: Address | None, allow_remote: bool, output_format: str
) -> int:
    """Run one simulated vendor until Ctrl-C.

    It holds made-up accounts, which it prints, and refuses as the vendor does. At NewVoiceMedia two hosts are involved, one for
    logins and one for everything else, and RingCentral has a host for media; without --token-listen and --media-listen one port
    serves both.

    \b
    Example:
      scopegate simulate ringcentral --listen 127.0.0.1:9101
    """
    for second, only, option in ((token_listen, "newvoicemedia", "--token-listen"), (media_listen, "ringcentral", "--media-listen")):
        if second is not None and (vendor != only or second.host != listen.host):
            raise click.BadParameter(f"is for {only}, on the host of --listen", param_hint=option)
    second = token_listen or media_listen
    if not allow_remote:
        refuse_remote(listen, second)
    from proxy.cli import simulating

    return simulating.simulate(vendor, listen, second.port if second else None, as_json=output_format == "json")


@click.command("check-config")
@click.argument("file", type=FILE)
@click.option("--against", type=FILE, help="Also print what FILE says differently from this one, and what of it needs a restart.")
@format_option
def check_config(file: Path, against: Path | None, output_format: str) -> int:
    """Validate a configuration file and its catalogues.

    Prints every problem as file:line:col: key.path: message (exit code 4), or what is configured and what deserves a second look.

    \b
    Example:
      scopegate check-config config/scopegate.yaml
    """
    from proxy.cli import checking

    return checking.check(file, as_json=output_format == "json", against=against)


@click.command()
def schema() -> int:
    """Print the JSON Schema of the configuration file.

    Editors complete and check the file with it.

    \b
    Example:
      scopegate schema > scopegate.schema.json
    """
    from proxy.cli.output import print_json
    from proxy.settings import json_schema

    print_json(json_schema())
    return 0


@click.command()
@click.option("--vendor", required=True, help="A vendor of the configuration; without --config: ringcentral, 8x8 or newvoicemedia.")
@click.argument("method", type=METHOD)
@click.argument("path")
@click.option("--scopes", help='All scopes the token holds, such as "A B" (with commas where names have blanks); "" for none.')
@click.option("--user", default="", help="The user the token belongs to; without --scopes, what the configuration grants that user counts.")
@click.option("--config", "file", type=FILE, help="Decide as this configuration does; without it, with the shipped catalogue.")
@click.option("--client", default="", help="A client of the configuration: ask the operator's own rules for it too.")
@click.option("--token-fingerprint", "fingerprint", help="Ask a running proxy about this token that it has seen; 8 to 32 digits.")
@click.option("--admin", help=f"Where the running proxy's admin listener is (default {DEFAULT_ADMIN}).")
@format_option
def explain(
    vendor: str,
    method: str,
    path: str,
    scopes: str | None,
    user: str,
    file: Path | None,
    client: str,
    fingerprint: str | None,
    admin: str | None,
    output_format: str,
) -> int:
    """Decide about one request without sending anything.

    PATH is the vendor's path, with its query if there is one, or a whole vendor URL. Exit code 0: the vendor would permit it,
    3: it would refuse, or the rules for the client do, 5: it cannot be told.

    \b
    Example:
      scopegate explain --vendor ringcentral GET '/restapi/v1.0/account/~/call-log' \\
          --scopes "ReadAccounts"
      scopegate explain --vendor 8x8 GET '/analytics/work/v2/call-records?pbxId=acmecorp' \\
          --token-fingerprint 1f0c9a77d2b4
    """
    if fingerprint is None and admin is not None:
        raise click.UsageError("--admin goes with --token-fingerprint")
    if fingerprint is not None and (scopes is not None or user or file is not None):
        raise click.UsageError("--token-fingerprint asks a running proxy, which knows scopes, user and configuration itself")
    if client and file is None and fingerprint is None:
        raise click.UsageError("--client goes with --config or --token-fingerprint: the rules are those of a configuration")
    from proxy.cli import explaining

    question = explaining.Question(vendor, method, path, scopes, user, client)
    if fingerprint is not None:
        return explaining.explain_for_token(question, fingerprint, admin or DEFAULT_ADMIN, as_json=output_format == "json")
    return explaining.explain(question, file, as_json=output_format == "json")


@click.command("explain-error")
@click.option("--vendor", help="Whose error it is: a vendor of the configuration; without --config: ringcentral, 8x8 or newvoicemedia.")
@click.option("--config", "file", type=FILE, help="Look it up in this configuration's catalogues; without it, in the shipped ones.")
@click.argument("body", default="-", metavar="[BODY or -]")
@format_option
def explain_error(vendor: str | None, file: Path | None, body: str, output_format: str) -> int:
    """Say what an error pasted from a log means.

    BODY is the answer's body, with or without its head, or a log line that holds it: the vendor's own or the proxy's. Without it,
    or with -, standard input is read. Works offline. Exit code 0: it is known, 5: it is not.

    \b
    Example:
      scopegate explain-error --vendor 8x8 'user(a@example.com) does not have access to api category(CDR) for pbxId([acmecorp]).'
      grep 01KA8Z proxy.log | scopegate explain-error
    """
    from proxy.cli import diagnosing

    return diagnosing.explain_error(diagnosing.read_input(body), vendor, file, as_json=output_format == "json")


@click.command()
@click.argument("log", metavar="LOG or -")
@click.option("--config", "file", type=FILE, required=True, help="The configuration that decides.")
@click.option("--catalog", "catalogs", multiple=True, metavar="VENDOR=FILE", help="Another catalogue for one of its vendors.")
@click.option("--without", multiple=True, metavar="SCOPE", help="Decide as if no token had this scope; may be given several times.")
@format_option
def replay(log: str, file: Path, catalogs: Sequence[str], without: Sequence[str], output_format: str) -> int:
    """Decide a recorded decision log again and show what changes.

    LOG is a decision log in JSON, also compressed (.gz). Nothing is sent, and nothing that runs is asked. Exit code 0: every decision
    is the same, 3: some would change.

    \b
    Example:
      scopegate replay decisions.jsonl --config new.yaml
      scopegate replay decisions.jsonl.gz --config config/scopegate.yaml --without ReadCallRecording
    """
    from proxy.cli import replaying_logs

    return replaying_logs.replay_log(log, file, catalogs, without, as_json=output_format == "json")
