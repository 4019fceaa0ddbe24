"""What options and arguments mean: addresses, formats, HTTP methods."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from proxy.settings import Address

    _AddressType = click.ParamType[Address]
    _MethodType = click.ParamType[str]
else:
    _AddressType = _MethodType = click.ParamType  # generic for type checkers in every version, at run time only in new ones

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


ADDRESS: Final = AddressParameter()
METHOD: Final = MethodParameter()


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
