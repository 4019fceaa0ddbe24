"""TLS over a plain transport, beside OpenSSL at the other end: no socket, no time."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import cast

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from proxy.tls.secure_transport import SecureTransport, handshake_done
from proxy.wire.sockets import is_whole_end
from tests.fakes.secure_pair import CA, SERVED, App, Pair, Plain, calling
from tests.fakes.waiting import PATIENCE_S

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
SIDES = [True, False]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("ours_is_called", SIDES)
async def test_both_sides_hear_each_other(version: ssl.TLSVersion, ours_is_called: bool) -> None:
    pair = Pair(version=version, ours_is_called=ours_is_called).shake()
    assert await handshake_done(pair.transport) is pair.app
    pair.transport.write(b"from us")
    pair.peer.tls.write(b"from them")
    pair.exchange()
    assert (bytes(pair.peer.received), bytes(pair.app.received)) == (b"from us", b"from them")


@given(
    sent=st.lists(st.binary(max_size=40_000), max_size=5),
    heard=st.lists(st.binary(max_size=40_000), max_size=5),
    size=st.integers(1, 70_000),
)
def test_whatever_is_written_arrives_however_it_is_cut(sent: list[bytes], heard: list[bytes], size: int) -> None:
    async def run() -> None:
        pair = Pair().shake()
        for piece in heard:
            pair.peer.tls.write(memoryview(piece)[:16_384])  # OpenSSL makes one record of each
        for piece in sent:
            pair.transport.write(piece)
        pair.exchange(max(size, sum(map(len, heard)) // 500))
        assert pair.peer.received == b"".join(sent)
        assert pair.app.received == b"".join(piece[:16_384] for piece in heard)

    asyncio.run(run())


async def test_what_arrives_with_the_end_of_the_handshake_is_heard() -> None:
    pair = Pair()
    pair.exchange()
    pair.peer.hear(pair.plain.take())
    pair.peer.tls.write(b"at once")
    pair.exchange()
    assert pair.app.received == b"at once"


async def test_every_kind_of_bytes_can_be_written() -> None:
    pair = Pair().shake()
    pair.transport.write(b"")
    pair.transport.write(bytearray(b"one "))
    pair.transport.write(memoryview(b"two "))
    pair.transport.writelines([b"thr", b"ee"])
    pair.exchange()
    assert pair.peer.received == b"one two three"


# --- ends


async def test_closing_says_goodbye_behind_what_was_written_and_awaits_the_other_end() -> None:
    pair = Pair().shake()
    pair.transport.pause_reading()
    pair.transport.write(b"last")
    pair.transport.close()
    pair.transport.close()
    pair.transport.write(b"too late")
    assert (pair.plain.said, pair.plain.reading, pair.transport.is_closing()) == (["eof"], True, True)
    pair.exchange()
    assert (bytes(pair.peer.received), pair.peer.goodbye) == (b"last", True)
    pair.transport.eof_received()
    pair.transport.connection_lost(None)
    assert pair.app.told == [None]


async def test_an_end_that_does_not_come_is_not_awaited_for_ever() -> None:
    pair = Pair(goodbye_s=0.001).shake()
    pair.transport.close()
    await asyncio.wait_for(pair.plain.aborted.wait(), PATIENCE_S)


async def test_who_still_takes_what_was_sent_is_awaited() -> None:
    pair = Pair(goodbye_s=0.02).shake()
    pair.transport.write(b"x" * 1000)
    pair.transport.close()
    loop = asyncio.get_running_loop()
    for _ in range(5):  # a timer of ours runs out after the transport's: something was taken each time
        passed = loop.create_future()
        del pair.plain.written[:100]
        loop.call_later(0.02, passed.set_result, None)
        await passed
        assert "abort" not in pair.plain.said
    await asyncio.wait_for(pair.plain.aborted.wait(), PATIENCE_S)


@pytest.mark.parametrize("ours_is_called", SIDES)
async def test_the_other_sides_goodbye_is_a_whole_end(ours_is_called: bool) -> None:
    pair = Pair(ours_is_called=ours_is_called).shake()
    pair.peer.tls.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        pair.peer.tls.unwrap()
    pair.exchange()
    assert (bytes(pair.app.received), pair.app.told, pair.plain.said) == (b"last", ["eof"], ["eof", "close"])
    assert is_whole_end(cast("asyncio.Transport", pair.transport))


async def test_an_end_below_tls_is_none() -> None:
    pair = Pair().shake()
    pair.transport.eof_received()
    assert pair.app.told == ["eof"]
    assert not is_whole_end(cast("asyncio.Transport", pair.transport))


async def test_a_record_that_was_changed_ends_the_connection_with_an_alert() -> None:
    pair = Pair().shake()
    pair.peer.tls.write(b"forge this")
    forged = bytearray(pair.peer.say())
    forged[-1] ^= 1
    pair.transport.data_received(bytes(forged))
    assert (bytes(pair.app.received), pair.plain.said, pair.transport.is_closing()) == (b"", ["close"], True)
    with pytest.raises(ssl.SSLError, match=r"bad record mac|BAD_RECORD_MAC"):
        pair.peer.hear(pair.plain.take())
    pair.transport.connection_lost(None)
    assert isinstance(pair.app.told[0], ssl.SSLError)


async def test_a_connection_that_is_lost_is_told_why() -> None:
    pair = Pair().shake()
    lost = ConnectionResetError()
    pair.transport.connection_lost(lost)
    assert pair.app.told == [lost]


# --- handshakes that fail


async def test_whom_we_do_not_trust_is_told_so() -> None:
    pair = Pair(ours_is_called=False, authority=trustme.CA())
    with pytest.raises(ssl.SSLError, match=r"(?i)unknown.ca"):
        pair.shake()
    pair.transport.connection_lost(None)
    with pytest.raises(ssl.SSLCertVerificationError):
        await handshake_done(pair.transport)
    assert pair.app.transport is None


async def test_a_name_that_is_not_in_the_certificate_is_not_believed() -> None:
    pair = Pair(ours_is_called=False, name="other.example")
    with pytest.raises(ssl.SSLError, match=r"(?i)bad.certificate|certificate.unknown"):
        pair.shake()
    pair.transport.connection_lost(None)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.example"):
        await handshake_done(pair.transport)


async def test_an_end_within_the_handshake_is_a_fault() -> None:
    pair = Pair()
    pair.exchange()
    pair.transport.eof_received()
    pair.transport.connection_lost(None)
    with pytest.raises(ssl.SSLEOFError):
        await handshake_done(pair.transport)
    reset = Pair()
    reset.transport.connection_lost(None)
    with pytest.raises(ConnectionResetError):
        await handshake_done(reset.transport)


async def test_nothing_stays_open_where_the_handshake_is_not_awaited() -> None:
    pair = Pair()
    waiting = asyncio.ensure_future(handshake_done(pair.transport))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pair.plain.said == ["abort"]
    pair.transport.connection_lost(None)


async def test_closing_within_the_handshake_hangs_up() -> None:
    pair = Pair()
    pair.transport.close()
    assert pair.plain.said == ["abort"]
    pair.transport.connection_lost(None)
    assert isinstance(pair.transport.opened.exception(), ConnectionResetError)


# --- what is below


async def test_the_plain_transport_holds_both_sides_back() -> None:
    pair = Pair().shake()
    pair.transport.set_write_buffer_limits(high=10)
    pair.transport.pause_writing()
    pair.transport.resume_writing()
    pair.transport.pause_reading()
    assert not pair.transport.is_reading()
    pair.transport.resume_reading()
    assert pair.transport.is_reading()
    pair.transport.write(b"waiting")
    assert pair.transport.get_write_buffer_size() == len(pair.plain.written) > len(b"waiting")
    assert (pair.app.told, pair.plain.said) == (["pause", "resume"], ["limits 10 None"])


async def test_what_is_known_of_the_connection() -> None:
    pair = Pair(ours_is_called=False).shake()
    ask = pair.transport.get_extra_info
    assert ask("ssl_object").version() == "TLSv1.3"
    assert isinstance(ask("sslcontext"), ssl.SSLContext)
    assert ask("peercert")["subjectAltName"] == (("DNS", "localhost"),)
    assert ask("cipher")[1] == "TLSv1.3"
    assert (ask("peername"), ask("nothing", 7)) == (("127.0.0.1", 1), 7)
    assert not pair.transport.can_write_eof()
    with pytest.raises(NotImplementedError):
        pair.transport.write_eof()


async def test_somebody_else_can_take_over() -> None:
    pair, other = Pair().shake(), App()
    pair.transport.set_protocol(other)
    pair.peer.tls.write(b"for the other")
    pair.exchange()
    assert (pair.transport.get_protocol(), bytes(other.received), bytes(pair.app.received)) == (other, b"for the other", b"")


# --- renegotiation, which TLS 1.2 has and Python cannot begin


class Renegotiating:
    """A server that begins a new handshake within the connection (RFC 5246 section 7.4.1.1), to ask for a certificate late, say."""

    def __init__(self) -> None:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        with SERVED.private_key_and_cert_chain_pem.tempfile() as file:
            context.use_certificate_chain_file(file)
            context.use_privatekey_file(file)
        self.server = SSL.Connection(context, None)
        self.server.set_accept_state()
        self.plain, self.app = Plain(), App()
        loop = asyncio.get_running_loop()
        self.transport = SecureTransport(lambda: self.app, calling(CA), loop, server_hostname="localhost", goodbye_s=60.0)
        self.transport.connection_made(self.plain)
        while not self.transport.opened.done():
            self.carry()

    def hear(self) -> bytes:
        """Let the server read what was sent, and return what that says."""
        if sent := self.plain.take():
            self.server.bio_write(sent)
        try:
            return self.server.recv(65_536)
        except SSL.WantReadError:
            return b""

    def answer(self) -> None:
        """Bring what the server has said."""
        try:
            said = self.server.bio_read(65_536)
        except SSL.WantReadError:
            return
        self.transport.data_received(said)

    def carry(self) -> bytes:
        """Both."""
        heard = self.hear()
        self.answer()
        return heard

    def begin(self) -> None:
        """Begin, and let the client begin too; the server has not answered yet."""
        self.server.renegotiate()
        with suppress(SSL.WantReadError):
            self.server.do_handshake()
        self.answer()


async def test_what_is_written_within_a_renegotiation_arrives_behind_it_in_order() -> None:
    pair = Renegotiating()
    pair.transport.write(b"before ")
    assert pair.carry() == b"before "
    pair.begin()
    assert pair.plain.written, "the client's part was not sent"
    pair.transport.write(b"within ")
    pair.transport.write(b"and more")
    assert pair.transport.get_write_buffer_size() >= len(b"within and more")
    heard = b"".join(pair.carry() for _ in range(8))
    assert heard == b"within and more"
    assert pair.transport.get_write_buffer_size() == 0


async def test_closing_within_a_renegotiation_never_looks_whole() -> None:
    pair = Renegotiating()
    pair.begin()
    pair.transport.write(b"never sent")
    pair.transport.close()
    assert pair.plain.said == ["abort"]
