"""The one way out: requests to servers that users wrote down.

Owns the pool of connections; everything that leaves over HTTP on behalf of a user goes through here. What is asked for
is taken apart strictly (`engine.core.targets`), connected to only where that is allowed (`engine.notify.network`), and
bounded in time and in bytes: a server that hangs, drips or sends a gigabyte costs one worker `total_s` and 64 KiB. A
server that has said its status has answered: what goes wrong with the rest changes nothing, or what it has taken would
be sent again. Redirects are answers and not followed, so that nobody leads us where we would not go. There are no
cookies, no proxies from the environment, no decompression. There are two of it (`engine.notify.outbound`): what is
saved or tested goes out by the other one, so that nobody's tests stand before anybody's alerts.

Waits for the target, and a second for a thread or a connection of ours: who gets none is `Crowded`, and no target is
blamed for that. Nothing of it crashes for what a target does: that is `Unreachable`, or an `Answer`. Errors and logs
name host and port and never a path, a header or a body, which may be secrets.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import httpcore2
import msgspec
import trio

from engine.configuration.fields import ConfigError
from engine.core.addresses import Networks
from engine.core.targets import Target, TargetInvalid, parse_target
from engine.notify.network import GuardedNetwork, TargetRefused, Unreachable, Whose, own_name
from engine.notify.places import WAIT_S, Crowded
from engine.notify.ports import EngineBusy, Outcome, Refused, TryLater
from engine.notify.resolver import Resolve, Resolver
from engine.sections.notify import Notify

if TYPE_CHECKING:
    from collections.abc import Iterator

# An answer is a line of JSON; what is behind that is not read, and the connection not used again.
ANSWER_MAX_BYTES = 65_536
# All workers at once, with room for those that are kept for the next message.
CONNECTIONS_MAX = 128
# What a busy engine is asked again after: it has a hundred sends behind it then.
BUSY_S = 1.0
# A storm to one target takes one handshake; most servers keep a quiet connection longer than that.
KEEPALIVE_S = 15.0
USER_AGENT = b"tocsin"
# What goes wrong on the way.
FAULTS = (
    *(httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException),
    *(ssl.SSLError, trio.BrokenResourceError, OSError),
)


class Answer(msgspec.Struct, frozen=True):
    """What a server said; names of `headers` in lower case, `body` cut off at ANSWER_MAX_BYTES.

    `is_whole`: whether that is all of the body, and it did not break off or take too long.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True


class Connector:
    """Sends requests. `resolve`: how names become addresses; a test has its own."""

    def __init__(self, config: Notify, resolve: Resolve | None = None, connections_max: int = CONNECTIONS_MAX) -> None:
        """Raises ConfigError for certificates that cannot be read."""
        # Whoever waits for a look-up has at least as long for the rest.
        resolve = resolve or Resolver(wait_s=min(WAIT_S, config.connect_s / 2))
        self._network = GuardedNetwork(Networks(config.allow_private), resolve)
        self._connections_max = connections_max
        self._config = config
        if config.ca_file:
            # Now, and not with the first alert.
            _ = self._tls
        self._requests = self._unreachable = self._crowded = 0
        # At `debug` it would log requests; what is said of those is ours to say.
        logging.getLogger("httpcore2").setLevel(logging.WARNING)

    # The system's certificates take 20 ms to read: an engine without endpoints starts without them.
    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return _tls(self._config.ca_file)

    @cached_property
    def _pool(self) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=self._connections_max,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=self._network,
        )

    def statistics(self) -> Mapping[str, int]:
        """Requests begun, those without an answer, those that we had no room for, and targets that were refused."""
        return {
            "requests": self._requests,
            "unreachable": self._unreachable,
            "crowded": self._crowded,
            "refused": self._network.refused,
        }

    async def aclose(self) -> None:
        """Ends all connections."""
        if self._requests:
            await self._pool.aclose()

    async def check(self, whose: Whose, url: str) -> Target:
        """Connects once and says nothing, as what a user wrote down is saved.

        Raises TargetInvalid, TargetRefused: it is never sent to. Raises Unreachable: it does not answer at present.
        Raises Crowded.
        """
        target = parse_target(url)
        with self._judged(target):
            stream = await self._network.connect_tcp(own_name(whose, target.host), target.port, self._config.connect_s)
            try:
                if target.scheme == "https":
                    stream = await stream.start_tls(self._tls, target.host, self._config.connect_s)
            finally:
                # Not a farewell worth waiting for.
                with trio.move_on_after(0, shield=True):
                    await stream.aclose()
        return target

    async def post(self, whose: Whose, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Posts, and reads the answer whatever its status.

        Raises TargetInvalid, TargetRefused, Unreachable, Crowded. Nobody else's message goes over the same connection.
        """
        target = parse_target(url)
        self._requests += 1
        answer, body = None, bytearray()
        with self._judged(target):
            try:
                with trio.move_on_after(self._config.total_s):
                    async with self._posted(whose, target, content, headers) as response:
                        answer = Answer(response.status, _read(response.headers), b"", is_whole=False)
                        answer = msgspec.structs.replace(answer, is_whole=await _received(response, body))
            except FAULTS:
                if answer is None:
                    raise
            if answer is None:
                raise trio.TooSlowError
        return msgspec.structs.replace(answer, body=bytes(body[:ANSWER_MAX_BYTES]))

    def _posted(
        self, whose: Whose, target: Target, content: bytes, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[httpcore2.Response]:
        return self._pool.stream(
            "POST",
            httpcore2.URL(
                scheme=target.scheme, host=own_name(whose, target.host), port=target.port, target=target.path
            ),
            headers=_headers(target, content, headers),
            content=content,
            # What its certificate is held against is the host itself.
            extensions={"timeout": self._timeouts(), "sni_hostname": target.host},
        )

    def _timeouts(self) -> dict[str, float]:
        config = self._config
        return {
            "connect": config.connect_s,
            "pool": WAIT_S,
            "write": config.first_byte_s,
            "read": config.first_byte_s,
        }

    @contextmanager
    def _judged(self, target: Target) -> Iterator[None]:
        """Puts what went wrong into our words."""
        where = f"{target.host} port {target.port}"
        try:
            yield
        except Unreachable:
            self._unreachable += 1
            raise
        except Crowded:
            self._crowded += 1
            raise
        except httpcore2.PoolTimeout as fault:
            self._crowded += 1
            raise Crowded(f"this engine is busy: all of its {self._connections_max} connections are in use") from fault
        except (trio.TooSlowError, httpcore2.TimeoutException) as fault:
            self._unreachable += 1
            raise Unreachable(f"{where}: {self._lateness(fault)}") from fault
        except FAULTS as fault:
            self._unreachable += 1
            raise Unreachable(f"{where}: {_cause(fault)}") from fault

    def _lateness(self, fault: Exception) -> str:
        config = self._config
        if isinstance(fault, trio.TooSlowError):
            return f"not done within {config.total_s:g} s"
        if isinstance(fault, httpcore2.ReadTimeout | httpcore2.WriteTimeout):
            return f"silent for {config.first_byte_s:g} s"
        return f"not connected within {config.connect_s:g} s"


def _headers(target: Target, body: bytes, more: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """h11 refuses what would split a header; here it is our own bug, because senders make values from checked words."""
    own = [
        (b"Host", target.authority.encode()),
        (b"User-Agent", USER_AGENT),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", b"identity"),
        (b"Content-Length", str(len(body)).encode()),
    ]
    return own + [(name.encode("ascii"), value.encode("ascii")) for name, value in more.items()]


async def _received(response: httpcore2.Response, body: bytearray) -> bool:
    """Reads the beginning of a body; whether that is all of it."""
    async with aclosing(response.aiter_stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) >= ANSWER_MAX_BYTES:
                return False
    return True


def _read(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _cause(fault: BaseException) -> str:
    """In a few words. A certificate's fault is two levels down, and the one thing that its owner must be told."""
    inner: BaseException | None = fault
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate does not hold ({inner.verify_message})"
        if isinstance(inner, ssl.SSLError):
            return f"no TLS ({inner.reason or 'handshake failed'})"
        inner = inner.__cause__ or inner.__context__
    if isinstance(fault, httpcore2.ProtocolError):
        return "it ended the connection without an answer, or does not speak HTTP"
    return "the connection broke"


def _tls(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(Path(ca_file))
        except (OSError, ssl.SSLError) as fault:
            raise ConfigError(
                "notify.ca_file", f"{ca_file!r:.80} cannot be read as certificates ({fault.strerror}): use a PEM file"
            ) from fault
    return context


async def tried(sending: Awaitable[Outcome]) -> Outcome:
    """What came of a message, also if the way out raised: who was not reached is tried again, a wrong target is not."""
    try:
        return await sending
    except Unreachable as fault:
        return TryLater(None, str(fault))
    except Crowded as fault:
        return EngineBusy(BUSY_S, str(fault))
    except (TargetRefused, TargetInvalid) as fault:
        return Refused(str(fault))


__all__ = ["Answer", "Connector", "TargetInvalid", "TargetRefused", "Unreachable", "tried"]
