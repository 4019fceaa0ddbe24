"""Steps that no catalogue can tell: what to do when the operator's own rule denied, or when a scope is not described.

Pure texts. They say whom to ask inside the company and which setting of the proxy decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from proxy.model import OPERATION_SCOPE_PREFIX, Reason

OWN_RULES: Final = frozenset({Reason.POLICY, Reason.UNKNOWN_TOKEN, Reason.UNKNOWN_OPERATION})
"""Reasons that are the operator's rule, not the vendor's."""


def own_rule_steps(reason: Reason, vendor: str, operation: str) -> tuple[str, ...]:
    """Return the steps that end a denial by the operator's own rule; `operation` is "" where it is not catalogued."""
    if reason is Reason.UNKNOWN_TOKEN:
        return _unknown_token(vendor)
    if reason is Reason.UNKNOWN_OPERATION:
        return _unknown_operation(vendor)
    return _not_allowed(vendor, operation)


def _not_allowed(vendor: str, operation: str) -> tuple[str, ...]:
    what = f"the operation {operation!r}" if operation else "this request"
    return (
        f"Nothing was sent to {vendor}: the proxy's own rules do not let this app make {what}. Another token or login changes nothing.",
        "Check that the request carries the header Scopegate-Key with the key of the app that is meant to make it.",
        "If the app has no key yet, ask the people who run the proxy for one: each app is an entry under clients in the configuration.",
    )


def _unknown_token(vendor: str) -> tuple[str, ...]:
    return (
        f"The proxy has not seen how this token was issued, and is set to refuse such tokens for {vendor}.",
        "Log in through the proxy: point the app's login address at the proxy as well, then use the token from that login.",
        f"If tokens have to come from elsewhere, ask the people who run the proxy to set vendors.{vendor}.on_unknown_token to forward.",
    )


def _unknown_operation(vendor: str) -> tuple[str, ...]:
    return (
        f"The catalogue for {vendor} has no such method and path, and the proxy is set to refuse what it does not know: "
        "check both for typing errors.",
        f"If the request is right, ask the people who run the proxy to add the operation to the catalogue of {vendor}: one row "
        "with id, method, path and what it requires.",
        f"To let such requests through undecided, they can set vendors.{vendor}.on_unknown_operation to forward.",
    )


def unknown_scope_steps(vendor: str, scopes: Iterable[str]) -> tuple[str, ...]:
    """Return general steps for scopes that the catalogue does not describe."""
    names = [name.removeprefix(OPERATION_SCOPE_PREFIX) for name in scopes]
    what = "access to " + ", ".join(names) if names else "the missing access"
    return (
        f"Ask whoever administers {vendor} in the company to grant {what} to the account or app that this token belongs to.",
        "Then log in again and use the new token: a token usually keeps the rights that it was issued with.",
    )
