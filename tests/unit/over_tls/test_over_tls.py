"""Whether the other files of this folder test what they say."""

from tests.support import sockets


async def test_the_connections_of_this_folder_are_encrypted() -> None:
    async with sockets.serving() as served:
        peer = await served.connect()
        assert isinstance(peer.sock, sockets.TlsSocket)
        assert peer.sock.stream.version() == "TLSv1.3"
