"""The access token of a request: read from one place, once, whole, or refused. Pure (contract section 3; RFC 6750 section 2)."""

from __future__ import annotations

from proxy import errors
from proxy.credentials import CredentialError, Fingerprint, Fingerprinter, Secret, bearer_token, check_token
from proxy.decision.ruling import Mount
from proxy.errors import Fault
from proxy.model import TokenPlace
from proxy.protocol.headers import Credential, RequestHead
from proxy.protocol.targets import Target


class TokenReader:
    """Reads tokens and turns them into fingerprints."""

    def __init__(self, fingerprinter: Fingerprinter) -> None:
        self._fingerprinter = fingerprinter

    def read(self, mount: Mount, target: Target, head: RequestHead) -> Credential:
        """Return the token and its fingerprint, None for a request without one, or the fault it is refused with.

        What the header tells is remembered with the head, which repeats on a connection.
        """
        place = mount.token_place
        cached = head.credential
        if cached is None or cached[0] is not mount:
            cached = head.credential = (mount, self._from_header(mount, head, place))
        found = cached[1]
        if place.query_parameter is None or isinstance(found, Fault):
            return found
        values = target.parameters(place.query_parameter)
        return self._from_query(mount, values, found) if values else found

    def _from_header(self, mount: Mount, head: RequestHead, place: TokenPlace) -> Credential:
        field = head.authorization if place.header == "Authorization" else head.named.get(place.header.lower())
        if field is None:
            return None
        try:
            token = bearer_token(field, place.scheme.lower().encode()) if place.scheme else check_token(field)
        except CredentialError:
            return errors.BAD_CREDENTIAL
        return None if token is None else (token, self._fingerprinter(mount.vendor.name, token))

    def _from_query(
        self, mount: Mount, values: tuple[str, ...], found: tuple[Secret, Fingerprint] | None
    ) -> tuple[Secret, Fingerprint] | Fault:
        if len(values) > 1 or (found is not None and found[0] != Secret(values[0])):
            return errors.TWO_CREDENTIALS
        try:
            token = check_token(values[0].encode())
        except CredentialError:
            return errors.BAD_CREDENTIAL
        return token, self._fingerprinter(mount.vendor.name, token)
