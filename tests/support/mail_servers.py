"""Mail servers on loopback: a real one (aiosmtpd) in a thread, and one that says line by line what a test wants."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import trio
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from engine.sections.smtp import Smtp
from tests.support.certificates import Files

SENDER = "Tocsin <alerts@tocsin.example>"
USER, PASSWORD = "tocsin", "open sesame"


@dataclass
class Inbox:
    """What a mail server took. `refuse`: by address, what it answers to RCPT; `answer`: what it says to each mail."""

    refuse: dict[str, str] = field(default_factory=dict)
    answer: Callable[[int], str] = lambda number: "250 taken"
    taken: list[tuple[str, str, bytes]] = field(default_factory=list)
    connections: int = 0
    is_encrypted: list[bool] = field(default_factory=list)

    @property
    def mails(self) -> list[EmailMessage]:
        """As a mail program reads them."""
        return [message_from_bytes(content, _class=EmailMessage, policy=default) for _, _, content in self.taken]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answer(len(self.taken) + 1)
        if answer.startswith("250"):
            self.taken.append((envelope.mail_from, envelope.rcpt_tos[0], envelope.content))
            self.is_encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return answer


@dataclass
class MailServer:
    """Where a real server listens, and what it took."""

    port: int
    inbox: Inbox

    def config(self, **more: Any) -> Smtp:
        """How to reach it."""
        given = {"host": "127.0.0.1", "port": self.port, "security": "none", "sender": SENDER}
        return Smtp(**{**given, **more})


@contextmanager
def mail_server(
    *, starttls: Files | None = None, tls: Files | None = None, auth: bool = False, utf8: bool = True
) -> Iterator[MailServer]:
    """A real server, until the block ends."""
    inbox, loop = Inbox(), asyncio.new_event_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    spoken: list[SMTP] = []
    ready, stop = threading.Event(), asyncio.Event()

    def serve() -> SMTP:
        inbox.connections += 1
        with warnings.catch_warnings():
            # It warns of passwords in plain text, and does not see that all of the connection is encrypted.
            warnings.simplefilter("ignore")
            spoken.append(
                SMTP(
                    inbox,
                    hostname="mail.example",
                    loop=loop,
                    enable_SMTPUTF8=utf8,
                    tls_context=_context(starttls) if starttls else None,
                    require_starttls=starttls is not None,
                    auth_required=auth,
                    auth_require_tls=tls is None,
                    authenticator=_authenticate if auth else None,
                )
            )
        return spoken[-1]

    async def main() -> None:
        server = await loop.create_server(serve, sock=listening, ssl=_context(tls) if tls else None)
        ready.set()
        await stop.wait()
        server.close()
        talks = asyncio.all_tasks() - {asyncio.current_task()}
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        for talk in spoken:
            if talk.transport is not None:
                talk.transport.abort()
        # A transport closes its socket in the turn after that, an encrypted one in the next.
        for _ in range(3):
            await asyncio.sleep(0)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run, name="mail server")
    thread.start()
    ready.wait()
    try:
        yield MailServer(listening.getsockname()[1], inbox)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _context(files: Files) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert, files.key)
    return context


def _authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    is_right = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)


# What a server says to a word, by the word's beginning; None: it ends the connection without one.
Script = Sequence[tuple[bytes, bytes | None]]
POLITE: Script = (
    (b"EHLO", b"250 mail.example\r\n"),
    (b"MAIL", b"250 ok\r\n"),
    (b"RCPT", b"250 ok\r\n"),
    (b"DATA", b"354 go on\r\n"),
    (b".", b"250 taken\r\n"),
    (b"NOOP", b"250 here\r\n"),
    (b"RSET", b"250 ok\r\n"),
    (b"QUIT", b"221 bye\r\n"),
)


@dataclass
class Scripted:
    """A server that says what it is told to. `heard`: the lines of all connections, mails left out."""

    port: int
    heard: list[bytes]
    connections: list[trio.SocketStream]


@asynccontextmanager
async def scripted(script: Script, greeting: bytes | None = b"220 mail.example\r\n") -> AsyncIterator[Scripted]:
    """What `script` has no word for is never answered; without a greeting nothing ever is."""
    answers = [*script, *POLITE]
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Scripted(listener.socket.getsockname()[1], [], [])

    async def converse(stream: trio.SocketStream) -> None:
        server.connections.append(stream)
        if greeting is None:
            await trio.sleep_forever()
        await stream.send_all(greeting or b"")
        is_mail, rest = False, b""
        async for part in stream:
            *lines, rest = (rest + part).split(b"\r\n")
            for line in lines:
                if is_mail and line != b".":
                    continue
                word = line.upper()
                server.heard.append(word)
                answer = next((said for known, said in answers if word.startswith(known)), None)
                is_mail = word == b"DATA" and (answer or b"").startswith(b"354")
                if answer is None:
                    return
                await stream.send_all(answer)

    async def guarded(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError):
                await converse(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, guarded, [listener])
        yield server
        nursery.cancel_scope.cancel()
