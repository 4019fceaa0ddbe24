"""What options and arguments mean: addresses, formats, HTTP methods."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from proxy.settings import Address

    _AddressType = click.ParamType[Address]
    _MethodType = click.ParamType[str]
    _LineHashType = click.ParamType[tuple[int, bytes]]
else:
    _AddressType = _MethodType = _LineHashType = click.ParamType  # generic for type checkers in every version, at run time only in new ones

_LINE_HASH: Final = re.compile(r"([1-9][0-9]{0,17}):([0-9A-Fa-f]{64})")
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_Command = TypeVar("_Command", bound=Callable[..., Any])


class AddressParameter(_AddressType):
    """HOST:PORT."""

    name = "HOST:PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Read an address as the configuration file does."""
        from proxy.settings import Address, parse_address  # noqa: PLC0415 - slow, and no help text needs it

        if isinstance(value, Address):
            return value
        try:
            return parse_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class MethodParameter(_MethodType):
    """An HTTP method, in any case."""

    name = "METHOD"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the method in capital letters."""
        method = value.upper()
        if _METHOD.fullmatch(method) is None:
            self.fail("must be an HTTP method, such as GET", param, ctx)
        return method


class LineHashParameter(_LineHashType):
    """NUMBER:HASH."""

    name = "NUMBER:HASH"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, bytes]:
        """Read what `audit verify` prints about a last line."""
        found = _LINE_HASH.fullmatch(str(value))
        if found is None:
            self.fail("must be a line's number, a colon and its hash of 64 hexadecimal digits, as audit verify prints it", param, ctx)
        return int(found[1]), found[2].lower().encode()


DEFAULT_ADMIN: Final = "http://127.0.0.1:9090"
FILE: Final = click.Path(path_type=Path)
ADDRESS: Final = AddressParameter()
METHOD: Final = MethodParameter()
LINE_HASH: Final = LineHashParameter()


def format_option(command: _Command) -> _Command:
    """Add `--format text|json`."""
    choice = click.Choice(["text", "json"])
    return click.option(
        "--format", "output_format", type=choice, default="text", show_default=True, help="For people (text) or programs (json)."
    )(command)


def remote_option(command: _Command) -> _Command:
    """Add `--allow-remote`."""
    text = "Allow addresses that other machines can reach; whoever can reach them can use the demo accounts."
    return click.option("--allow-remote", is_flag=True, help=text)(command)


def refuse_remote(*addresses: Address | None) -> None:
    """Raise a usage error for an address that other machines can reach."""
    for address in addresses:
        if address is not None and not is_loopback(address.host):
            message = f"{address} can be reached from other machines, where demo accounts do not belong; --allow-remote allows it"
            raise click.UsageError(message)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
