"""Notifications in the app: told on a person's stream, kept in his list."""

from __future__ import annotations

import trio

from protocol import messages as m
from protocol.hints import Notification
from tests.support.notified import a_notified_engine
from tests.support.sockets import Peer


async def test_whoever_follows_his_stream_is_told_and_how_much_he_has_not_read(mock_clock: None) -> None:
    async with a_notified_engine() as notified:
        await notified.make("users", id="ann")
        host, _, port = notified.engine.ws_url.removeprefix("ws://").rpartition(":")
        with trio.socket.socket() as sock:
            await sock.connect((host, int(port)))
            ann = Peer(sock)
            await ann.upgrade()
            await ann.say({"type": "auth", "token": await notified.engine.token("ann")})
            await ann.say({"type": "subscribe", "channel": "user"})
            assert isinstance(await ann.hear(), m.AuthSuccess)
            assert isinstance(await ann.hear(), m.Subscribed)
            await notified.ring(assigned_to="ann", title="disk full")
            assert isinstance(await ann.hear(), m.AlertMessage)
            told = await ann.hear()
        assert isinstance(told, Notification)
        assert (told.kind, told.text, told.unread) == ("fired", "fired: disk full", 1)
        (line,) = await notified.parts.store.in_app(notified.workspace, "ann", None, 10)
        assert told.key == line.delivery.key
