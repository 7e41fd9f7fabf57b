"""Certificates of tests, and connections that speak TLS."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from trio.testing import MockClock

from engine.access.certificate import Certificate
from tests.support.certificates import Authority, Files
from tests.support.sockets import Encryption, Peer


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Authority(tmp_path_factory.mktemp("tls")).issue()


@pytest.fixture
def encryption(files: Files) -> Encryption:
    return Encryption(Certificate(files.cert, files.key).new_tls, files.client())


@pytest.fixture
def autojump_clock() -> MockClock:
    """Jumps only when nothing has moved for a moment: a handshake is several packets between real sockets."""
    return MockClock(autojump_threshold=0.02)


class Below:
    """A client whose TLS records are sent by hand, so that they can be cut, mangled and counted."""

    def __init__(self, peer: Peer, context: ssl.SSLContext) -> None:
        self.peer = peer
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.ssl = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    async def do(self, step: Callable[[], object]) -> object:
        """Does a step of the client's TLS, as often as it wants to read for it."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self.flush()
                self.incoming.write(await self.peer.sock.recv(65_536))
            else:
                await self.flush()
                return result

    async def flush(self) -> None:
        await self.peer.send(self.outgoing.read())

    def records(self, data: bytes) -> bytes:
        """The records that say this."""
        self.ssl.write(data)
        return self.outgoing.read()
